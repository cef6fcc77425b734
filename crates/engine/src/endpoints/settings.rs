//! The rules of an endpoint's settings.

use std::collections::HashSet;
use std::time::Duration;

use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::filter::Filter;
use posthaste_core::{EndpointId, Tenant, TopicPattern};
use serde_json::Value;

use crate::catalog::TenantView;
use crate::error::{EngineError, FieldError, Result};
use crate::rules;
use crate::{Engine, Patience};

/// The most patterns of one endpoint.
const MAX_PATTERNS: usize = 100;
/// The longest timeout of one exchange.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);
/// The most exchanges in flight.
const MAX_IN_FLIGHT: u32 = 4_096;
/// The most attempts of one schedule.
const MOST_ATTEMPTS: u32 = 2_147_483_647;

impl Engine {
    /// Checks the settings of an endpoint, `own` if it is there already, and brings its URL into its usual form.
    pub(crate) async fn check_settings(
        &self,
        tenant: &Tenant,
        own: Option<EndpointId>,
        mut settings: EndpointSettings,
        uid: Option<&str>,
    ) -> Result<EndpointSettings> {
        let mut errors = Vec::new();
        match rules::endpoint_url("/url", &settings.url, &self.0.options.allow) {
            Ok(url) => settings.url = url.into(),
            Err(EngineError::Invalid(found)) => errors.extend(found),
            Err(other) => return Err(other),
        }
        rules::short_text("/uid", uid, 255, &mut errors);
        rules::short_text("/name", settings.name.as_deref(), 255, &mut errors);
        rules::message_headers(&settings.headers, &mut errors);
        rules::metadata(&settings.metadata, &mut errors);
        rules::content_type("/content_type", settings.content_type.as_deref(), &mut errors);
        check_filter(settings.filter.as_ref(), &mut errors);
        check_numbers(&settings, &mut errors);
        self.check_topics(tenant, &settings, &mut errors).await?;
        if let Some(id) = settings.dead_letter_endpoint_id {
            let (mut view, _) = self.0.catalog.view(tenant).await?;
            if view.endpoint(id).is_none() {
                // Another node may have made it a moment ago.
                self.catalog_changed().await?;
                (view, _) = self.0.catalog.view(tenant).await?;
            }
            check_dead_letter(&view, own, id, &mut errors);
        }
        if errors.is_empty() { Ok(settings) } else { Err(EngineError::Invalid(errors)) }
    }

    /// The settings of an endpoint of which only the URL and the topics were given.
    pub(crate) fn new_settings(&self, url: String, topics: Vec<TopicPattern>) -> EndpointSettings {
        let mut settings = EndpointSettings::new(url, topics);
        if self.0.options.patience == Patience::Endless {
            settings.max_attempts = Some(MOST_ATTEMPTS);
            settings.disable_after_seconds = None;
        }
        settings
    }

    async fn check_topics(
        &self,
        tenant: &Tenant,
        settings: &EndpointSettings,
        errors: &mut Vec<FieldError>,
    ) -> Result<()> {
        if settings.topics.len() > MAX_PATTERNS {
            errors.push(FieldError::new("/topics", format!("at most {MAX_PATTERNS} topics and patterns")));
            return Ok(());
        }
        for (index, pattern) in settings.topics.iter().enumerate() {
            let Some(name) = pattern.exact().and_then(|name| name.parse().ok()) else { continue };
            self.ensure_topic(tenant, &name).await?;
            let (view, _) = self.0.catalog.view(tenant).await?;
            if !view.knows_topic(&name) {
                let detail = format!("there is no topic `{name}`: create it first (POST /v1/topics), or use a pattern");
                errors.push(FieldError::new(format!("/topics/{index}"), detail));
            }
        }
        Ok(())
    }
}

fn check_filter(filter: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(Err(error)) = filter.map(Filter::compile) {
        errors.push(FieldError::new(format!("/filter{}", error.pointer), error.detail));
    }
}

fn check_numbers(settings: &EndpointSettings, errors: &mut Vec<FieldError>) {
    let mut wrong = |pointer: &str, detail: &str| errors.push(FieldError::new(pointer, detail));
    let method = &settings.method;
    let token = !method.is_empty() && method.len() <= 20 && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !token || method == "CONNECT" || method == "TRACE" {
        wrong("/method", "use a method such as POST, PUT or PATCH");
    }
    if settings.timeout_seconds.duration() < Duration::from_millis(100)
        || settings.timeout_seconds.duration() > LONGEST_TIMEOUT
    {
        wrong("/timeout_seconds", "use 0.1 to 300 seconds");
    }
    if settings.max_in_flight == 0 || settings.max_in_flight > MAX_IN_FLIGHT {
        wrong("/max_in_flight", "use 1 to 4096");
    }
    if settings.max_attempts.is_some_and(|most| most == 0 || most > MOST_ATTEMPTS) {
        wrong("/max_attempts", "use 1 to 2147483647, or null for the schedule's length + 1");
    }
    if settings.success_codes.as_ref().is_some_and(|codes| codes.is_empty() || codes.len() > 100) {
        wrong("/success_codes", "list 1 to 100 statuses, or null for any 2xx");
    }
    if settings.success_codes.iter().flatten().any(|code| !(200..=599).contains(code)) {
        wrong("/success_codes", "a status is 200 to 599");
    }
    if let Err(error) = settings.retry.validate() {
        wrong(&format!("/retry/{}", error.field), error.detail);
    }
    if let Some(Err(error)) = settings.rate_limit.map(|limit| limit.validate()) {
        wrong(&format!("/rate_limit/{}", error.field), error.detail);
    }
}

/// The endpoint for dead letters is one of the tenant's, and following it from one endpoint to the next never comes back:
/// a message that nobody takes would go round for ever.
fn check_dead_letter(view: &TenantView, own: Option<EndpointId>, first: EndpointId, errors: &mut Vec<FieldError>) {
    let mut wrong = |detail: String| errors.push(FieldError::new("/dead_letter_endpoint_id", detail));
    if view.endpoint(first).is_none() {
        return wrong(format!("there is no endpoint {first} of this tenant"));
    }
    let mut seen = HashSet::new();
    let mut next = Some(first);
    while let Some(id) = next {
        if Some(id) == own {
            return wrong("leads back to this endpoint: dead letters would go round in a circle".to_owned());
        }
        if !seen.insert(id) {
            // A circle without this endpoint, from before two changes at once were kept from making one.
            return;
        }
        next = view.endpoint(id).and_then(|view| view.endpoint.settings.dead_letter_endpoint_id);
    }
}
