//! What people do with schedules: make, change, look at, end, and fire them by hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use posthaste_core::cron::{Cron, InvalidCron};
use posthaste_core::schedule::ScheduleSettings;
use posthaste_core::{Origin, Schedule, ScheduleId, Scope, Tenant, Timestamp};
use posthaste_store::schedules::ScheduleFilter;
use posthaste_store::{Page, Slice};
use serde_json::Value;

use crate::Engine;
use crate::announce;
use crate::caller::Caller;
use crate::chance;
use crate::document;
use crate::endpoints::{TRIES, take_text};
use crate::error::{EngineError, FieldError, Result};
use crate::ingest::{Draft, Envelope, Receipt};
use crate::rules;

impl Engine {
    /// Makes a schedule; it is due for the first time after now.
    pub async fn create_schedule(&self, caller: &Caller, body: Value) -> Result<Schedule> {
        caller.require(Scope::Endpoints)?;
        let Value::Object(mut members) = body else {
            return Err(EngineError::invalid("", "give a JSON object"));
        };
        let tenant = caller.tenant_for(take_text(&mut members, "tenant")?.as_deref())?;
        let uid = take_text(&mut members, "uid")?;
        let settings: ScheduleSettings = document::read(Value::Object(members), "")?;
        let cron = self.check_schedule(&tenant, &settings, uid.as_deref()).await?;
        let now = self.0.clock.now();
        let schedule = Schedule {
            id: ScheduleId::random(now, chance::bits()),
            number: 0,
            tenant,
            uid,
            next_fire_at: settings.enabled.then(|| cron.next_after(now)).flatten(),
            settings,
            last_fire_at: None,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        let schedule = self.0.store.create_schedule(&schedule).await?;
        self.0.schedule_hint.notify_one();
        Ok(schedule)
    }

    /// Schedules, newest first.
    pub async fn schedules(&self, caller: &Caller, filter: ScheduleFilter, page: Page) -> Result<Slice<Schedule>> {
        caller.require(Scope::Read)?;
        Ok(self.0.store.schedules(&filter, page).await?)
    }

    /// One schedule, by id or `uid:…`.
    pub async fn schedule(&self, caller: &Caller, tenant: Option<&str>, id: &str) -> Result<Schedule> {
        caller.require(Scope::Read)?;
        self.find_schedule(caller, tenant, id).await
    }

    async fn find_schedule(&self, caller: &Caller, tenant: Option<&str>, id: &str) -> Result<Schedule> {
        let found = match id.strip_prefix("uid:") {
            Some(uid) => self.0.store.schedule_by_uid(&caller.tenant_for(tenant)?, uid).await?,
            None => match id.parse() {
                Ok(id) => self.0.store.schedule(id).await?,
                Err(_) => None,
            },
        };
        found.filter(|schedule| caller.sees(&schedule.tenant)).ok_or(EngineError::NotFound("schedule"))
    }

    /// Changes a schedule by a JSON Merge Patch. What is due is worked out anew from now on, so a change of the
    /// expression, and enabling after a pause, owe nothing for the past.
    pub async fn update_schedule(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        patch: Value,
        if_match: Option<u32>,
    ) -> Result<Schedule> {
        caller.require(Scope::Endpoints)?;
        let Value::Object(patch) = patch else { return Err(EngineError::invalid("", "give a JSON object")) };
        for fixed in
            ["id", "tenant", "uid", "next_fire_at", "last_fire_at", "next_message_id", "created_at", "updated_at"]
        {
            if patch.contains_key(fixed) {
                return Err(EngineError::invalid(format!("/{fixed}"), "cannot be changed"));
            }
        }
        for _ in 0..TRIES {
            let mut schedule = self.find_schedule(caller, tenant, id).await?;
            if if_match.is_some_and(|revision| revision != schedule.revision) {
                return Err(EngineError::PreconditionFailed);
            }
            let settings = patched(&schedule.settings, patch.clone())?;
            let cron = self.check_schedule(&schedule.tenant, &settings, None).await?;
            let now = self.0.clock.now();
            let same = settings.cron == schedule.settings.cron
                && settings.timezone == schedule.settings.timezone
                && settings.enabled == schedule.settings.enabled;
            if !same {
                schedule.next_fire_at = settings.enabled.then(|| cron.next_after(now)).flatten();
            }
            schedule.settings = settings;
            schedule.revision += 1;
            schedule.updated_at = now;
            match self.0.store.update_schedule(&schedule).await.map_err(EngineError::from) {
                Err(EngineError::Conflict { code: "changed_meanwhile", .. }) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.0.schedule_hint.notify_one();
                    return Ok(schedule);
                }
            }
        }
        Err(EngineError::Conflict {
            code: "changed_meanwhile",
            detail: "others change this schedule; repeat".to_owned(),
        })
    }

    /// Ends a schedule; what it published stays.
    pub async fn delete_schedule(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        if_match: Option<u32>,
    ) -> Result<()> {
        caller.require(Scope::Endpoints)?;
        let schedule = self.find_schedule(caller, tenant, id).await?;
        if if_match.is_some_and(|revision| revision != schedule.revision) {
            return Err(EngineError::PreconditionFailed);
        }
        Ok(self.0.store.delete_schedule(schedule.id).await?)
    }

    /// Publishes a schedule's message now, beside its due times.
    pub async fn fire_schedule(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        if_match: Option<u32>,
    ) -> Result<Receipt> {
        caller.require(Scope::Endpoints)?;
        let schedule = self.find_schedule(caller, tenant, id).await?;
        if if_match.is_some_and(|revision| revision != schedule.revision) {
            return Err(EngineError::PreconditionFailed);
        }
        let settings = &schedule.settings;
        let (payload, content_type) = payload_of(settings)?;
        let draft = Draft {
            topic: settings.topic.as_ref().map(|topic| topic.as_str().to_owned().into()),
            endpoint_ids: settings.endpoint_id.map(|endpoint| vec![endpoint.to_string()]),
            tenant: Some(schedule.tenant.as_str().to_owned().into()),
            payload_bytes: Some(payload),
            content_type: Some(content_type),
            headers: settings.headers.clone(),
            metadata: settings.metadata.clone(),
            ..Draft::default()
        };
        let origin = Origin::Schedule { schedule_id: schedule.id, fire_at: self.0.clock.now() };
        let publisher = Caller { scopes: vec![Scope::Admin], ..caller.clone() };
        self.publish(&publisher, draft, Envelope { origin, ..Envelope::default() }).await
    }

    async fn check_schedule(&self, tenant: &Tenant, settings: &ScheduleSettings, uid: Option<&str>) -> Result<Cron> {
        let mut errors = Vec::new();
        rules::short_text("/uid", uid, 255, &mut errors);
        rules::short_text("/name", settings.name.as_deref(), 255, &mut errors);
        rules::message_headers(&settings.headers, &mut errors);
        rules::metadata(&settings.metadata, &mut errors);
        rules::content_type("/content_type", settings.content_type.as_deref(), &mut errors);
        match payload_of(settings) {
            Ok((payload, _)) if payload.len() > self.0.options.max_payload_bytes => {
                let most = self.0.options.max_payload_bytes;
                errors.push(FieldError::new("/payload", format!("at most {most} bytes are accepted")));
            }
            Ok(_) => {}
            Err(EngineError::Invalid(found)) => errors.extend(found),
            Err(other) => return Err(other),
        }
        self.check_addressee(tenant, settings, &mut errors).await?;
        let cron = parse(settings);
        match cron {
            Ok(cron) if errors.is_empty() => Ok(cron),
            Ok(_) => Err(EngineError::Invalid(errors)),
            Err(error) => {
                errors.push(error);
                Err(EngineError::Invalid(errors))
            }
        }
    }

    async fn check_addressee(
        &self,
        tenant: &Tenant,
        settings: &ScheduleSettings,
        errors: &mut Vec<FieldError>,
    ) -> Result<()> {
        let (view, _) = self.0.catalog.view(tenant).await?;
        match (&settings.topic, settings.endpoint_id) {
            (None, None) => errors.push(FieldError::new("/topic", "give a topic or an endpoint_id")),
            (Some(topic), _) if announce::is_own(topic) => {
                errors.push(FieldError::new("/topic", "topics that begin with `posthaste.` are the server's own"));
            }
            (Some(topic), None) if !view.knows_topic(topic) => {
                let detail = format!("there is no topic `{topic}`: create it first (POST /v1/topics)");
                errors.push(FieldError::new("/topic", detail));
            }
            (_, Some(endpoint)) if view.endpoint(endpoint).is_none() => {
                errors.push(FieldError::new("/endpoint_id", format!("there is no endpoint {endpoint}")));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The expression of a schedule's settings.
pub(crate) fn parse(settings: &ScheduleSettings) -> std::result::Result<Cron, FieldError> {
    Cron::parse(&settings.cron, &settings.timezone).map_err(|error| match error {
        InvalidCron::Expression(_) => FieldError::new("/cron", error.to_string()),
        InvalidCron::Zone(_) => FieldError::new("/timezone", error.to_string()),
    })
}

/// The next due times of an expression after an instant, for people.
pub fn upcoming(schedule: &Schedule, after: Timestamp, count: usize) -> Vec<Timestamp> {
    let Ok(cron) = parse(&schedule.settings) else { return Vec::new() };
    std::iter::successors(cron.next_after(after), |due| cron.next_after(*due)).take(count).collect()
}

/// The expression in words.
pub fn describe(schedule: &Schedule) -> Option<String> {
    parse(&schedule.settings).ok().map(|cron| cron.describe())
}

/// The payload's bytes and content type.
pub fn payload_of(settings: &ScheduleSettings) -> Result<(Bytes, String)> {
    let (payload, default_type) = match (&settings.payload, &settings.payload_text, &settings.payload_base64) {
        (Some(json), None, None) => (Bytes::from(json.to_string()), "application/json"),
        (None, Some(text), None) => (Bytes::from(text.clone()), "text/plain; charset=utf-8"),
        (None, None, Some(text)) => {
            let bytes = BASE64.decode(text);
            let bytes =
                bytes.map_err(|_| EngineError::invalid("/payload_base64", "not Base64 (RFC 4648 with padding)"));
            (Bytes::from(bytes?), "application/octet-stream")
        }
        (None, None, None) => {
            return Err(EngineError::invalid("/payload", "give payload, payload_text or payload_base64"));
        }
        _ => {
            let detail = "give only one of payload, payload_text and payload_base64";
            return Err(EngineError::invalid("/payload", detail));
        }
    };
    Ok((payload, settings.content_type.clone().unwrap_or_else(|| default_type.to_owned())))
}

/// Members of a schedule are always there, so a null in a patch is a value (a payload may be null); in maps it removes.
fn patched(settings: &ScheduleSettings, patch: serde_json::Map<String, Value>) -> Result<ScheduleSettings> {
    let document = serde_json::to_value(settings).map_err(|error| EngineError::Internal(error.to_string()))?;
    let Value::Object(mut members) = document else { return Err(EngineError::Internal("not an object".to_owned())) };
    // Whoever gives one kind of payload replaces the others; absent is not null.
    if settings.payload.is_none() || ["payload_text", "payload_base64"].iter().any(|kind| patch.contains_key(*kind)) {
        members.remove("payload");
    }
    if patch.contains_key("payload") {
        members.remove("payload_text");
        members.remove("payload_base64");
    }
    for (name, value) in patch {
        match (name.as_str(), members.get_mut(&name)) {
            ("headers" | "metadata", Some(known)) => document::merge(known, value),
            _ => {
                members.insert(name, value);
            }
        }
    }
    document::read(Value::Object(members), "")
}
