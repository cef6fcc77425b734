//! Endpoints: URLs that want messages, with their policies.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, Json, Object, Result, SimpleObject};
use posthaste_core::secret::SigningSecrets;
use posthaste_core::signature::public_key;
use posthaste_core::{EndpointId, Span, TopicName};
use posthaste_engine::EngineError;
use posthaste_engine::statistics::{EndpointStats as Numbers, Percentiles as CorePercentiles};
use posthaste_store::catalog::EndpointFilter;
use posthaste_store::history::DeliveryFilter;

use crate::deliveries::Delivery;
use crate::endpoint_settings::{RateLimit, Retry};
use crate::page::{self, NESTED, Paged, Place, TOP};
use crate::related::DeliveriesOf;
use crate::scalars::{AnyJson, DateTime, id, notes, read};
use crate::visit;
use crate::words::{
    BodyFormat, DeliveryStatus, EndpointState, Guarantee, OnFailed, Ordering, RetryAfter, SettingsAt, SignatureStyle,
    Verification,
};

/// A URL that wants messages, with its policy.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Endpoint {
    #[graphql(skip)]
    key: EndpointId,
    #[graphql(skip)]
    letters: Option<EndpointId>,
    id: ID,
    tenant: String,
    /// The caller's own id.
    uid: Option<String>,
    /// Made from a `urls` member of a message rather than registered.
    adhoc: bool,
    name: Option<String>,
    url: String,
    /// Which topics it wants; empty: only what is addressed to it.
    topics: Vec<String>,
    /// Which of their messages it wants.
    filter: Option<AnyJson>,
    method: String,
    headers: AnyJson,
    content_type: Option<String>,
    body_format: BodyFormat,
    signature_styles: Vec<SignatureStyle>,
    max_attempts: Option<u32>,
    give_up_after_seconds: Option<f64>,
    timeout_seconds: f64,
    retry: Retry,
    retry_after: RetryAfter,
    success_codes: Option<Vec<u16>>,
    require_empty_response: bool,
    rate_limit: Option<RateLimit>,
    max_in_flight: u32,
    ordering: Ordering,
    fifo_on_failed: OnFailed,
    guarantee: Guarantee,
    settings: SettingsAt,
    verification: Verification,
    dead_letter_endpoint_id: Option<ID>,
    disable_after_seconds: Option<f64>,
    metadata: AnyJson,
    state: EndpointState,
    /// Why it is in that state, where there is something to say.
    state_reason: Option<String>,
    /// Counts its changes.
    revision: u32,
    created_at: DateTime,
    updated_at: DateTime,
}

impl From<posthaste_core::Endpoint> for Endpoint {
    fn from(endpoint: posthaste_core::Endpoint) -> Self {
        let settings = endpoint.settings;
        Self {
            key: endpoint.id,
            letters: settings.dead_letter_endpoint_id,
            id: id(endpoint.id),
            tenant: endpoint.tenant.into(),
            uid: endpoint.uid,
            adhoc: endpoint.adhoc,
            name: settings.name,
            url: settings.url,
            topics: settings.topics.iter().map(ToString::to_string).collect(),
            filter: settings.filter.map(Json),
            method: settings.method,
            headers: notes(settings.headers),
            content_type: settings.content_type,
            body_format: settings.body_format.into(),
            signature_styles: settings.signature_styles.into_iter().map(SignatureStyle::from).collect(),
            max_attempts: settings.max_attempts,
            give_up_after_seconds: settings.give_up_after_seconds.map(Span::as_seconds),
            timeout_seconds: settings.timeout_seconds.as_seconds(),
            retry: settings.retry.into(),
            retry_after: settings.retry_after.into(),
            success_codes: settings.success_codes,
            require_empty_response: settings.require_empty_response,
            rate_limit: settings.rate_limit.map(RateLimit::from),
            max_in_flight: settings.max_in_flight,
            ordering: settings.ordering.into(),
            fifo_on_failed: settings.fifo_on_failed.into(),
            guarantee: settings.guarantee.into(),
            settings: settings.settings.into(),
            verification: settings.verification.into(),
            dead_letter_endpoint_id: settings.dead_letter_endpoint_id.map(id),
            disable_after_seconds: settings.disable_after_seconds.map(Span::as_seconds),
            metadata: notes(settings.metadata),
            state: endpoint.state.into(),
            state_reason: endpoint.state_reason,
            revision: endpoint.revision,
            created_at: endpoint.created_at.into(),
            updated_at: endpoint.updated_at.into(),
        }
    }
}

#[ComplexObject]
impl Endpoint {
    /// Its deliveries.
    #[graphql(complexity = "page::cost(limit, NESTED, child_complexity)")]
    async fn deliveries(
        &self,
        context: &Context<'_>,
        status: Option<DeliveryStatus>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Delivery>>> {
        let visit = visit::of(context);
        let filter = DeliveryFilter {
            tenant: visit.caller.tenant.clone(),
            endpoint: Some(self.key),
            status: status.map(Into::into),
            ..DeliveryFilter::default()
        };
        let place = Place::read("deliveries", &filter, limit, NESTED, cursor.as_deref())?;
        if place.page.before.is_some() {
            let _room = visit.read().await?;
            return Ok(Some(place.show(visit.engine().deliveries(&visit.caller, filter, place.page).await?)));
        }
        let of = DeliveriesOf { parent: self.key, status: filter.status, limit: place.page.limit };
        Ok(Some(place.show(visit.deliveries_of_endpoint(of).await?)))
    }

    /// Where what it does not take in the end is sent; null if nowhere, or once that is deleted.
    async fn dead_letter_endpoint(&self, context: &Context<'_>) -> Result<Option<Arc<Endpoint>>> {
        match self.letters {
            None => Ok(None),
            Some(endpoint) => Ok(visit::of(context).endpoint(endpoint).await?),
        }
    }

    /// How it has been doing in the last `windowSeconds` (a day by default).
    #[graphql(complexity = "10 + child_complexity")]
    async fn stats(&self, context: &Context<'_>, window_seconds: Option<f64>) -> Result<Option<EndpointStats>> {
        let visit = visit::of(context);
        let wrong =
            |error: posthaste_core::time::InvalidSpan| EngineError::invalid("/windowSeconds", error.to_string());
        let window = window_seconds.map(Span::from_seconds).transpose().map_err(wrong)?;
        let _room = visit.read().await?;
        Ok(Some(visit.engine().endpoint_stats(&visit.caller, None, &self.id, window).await?.into()))
    }
}

/// An endpoint's last hours in numbers, from a bounded number of its newest attempts.
#[derive(SimpleObject)]
pub struct EndpointStats {
    window_seconds: f64,
    /// Deliveries that succeeded.
    succeeded: u64,
    /// Deliveries that ended failed.
    failed: u64,
    /// Deliveries that wait now.
    pending: u64,
    oldest_pending_at: Option<DateTime>,
    /// Exchanges, successful or not.
    attempts: u64,
    /// The part of the exchanges that succeeded; null if there were none.
    success_rate: Option<f64>,
    duration_ms: Option<Percentiles>,
    last_error: Option<String>,
}

/// How long successful exchanges took, in milliseconds.
#[derive(SimpleObject)]
pub struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
}

impl From<CorePercentiles> for Percentiles {
    fn from(of: CorePercentiles) -> Self {
        let [p50, p90, p99] = [of.p50, of.p90, of.p99].map(|duration| duration.as_secs_f64() * 1_000.0);
        Self { p50, p90, p99 }
    }
}

impl From<Numbers> for EndpointStats {
    fn from(stats: Numbers) -> Self {
        Self {
            window_seconds: stats.window.as_secs_f64(),
            succeeded: stats.succeeded,
            failed: stats.failed,
            pending: stats.pending,
            oldest_pending_at: stats.oldest_pending_at.map(DateTime),
            attempts: stats.attempts,
            success_rate: stats.success_rate,
            duration_ms: stats.duration.map(Percentiles::from),
            last_error: stats.last_error,
        }
    }
}

/// What an endpoint's requests are signed with.
#[derive(SimpleObject)]
pub struct Secrets {
    secret: String,
    /// What Ed25519 signatures made with it are verified with.
    public_key: String,
    /// Those before it that still sign, newest first.
    previous: Vec<PreviousSecret>,
}

/// A secret that was rotated out and still signs.
#[derive(SimpleObject)]
pub struct PreviousSecret {
    secret: String,
    /// It signs before this instant.
    expires_at: DateTime,
}

impl From<SigningSecrets> for Secrets {
    fn from(secrets: SigningSecrets) -> Self {
        let previous = secrets.previous.iter().map(|previous| PreviousSecret {
            secret: previous.secret.expose_text(),
            expires_at: previous.expires_at.into(),
        });
        Self {
            secret: secrets.current.expose_text(),
            public_key: public_key(&secrets.current),
            previous: previous.collect(),
        }
    }
}

#[derive(Default)]
pub struct EndpointQueries;

/// Reading endpoints.
#[Object]
impl EndpointQueries {
    /// Endpoints; with `adhoc` those that were made from messages' `urls`, instead of the registered ones.
    #[graphql(complexity = "page::cost(limit, TOP, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each filter is an argument")]
    async fn endpoints(
        &self,
        context: &Context<'_>,
        tenant: Option<String>,
        topic: Option<String>,
        state: Option<EndpointState>,
        #[graphql(default)] adhoc: bool,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Endpoint>>> {
        let visit = visit::of(context);
        let topic = read::<TopicName>("topic", topic.as_deref())?;
        let tenant = visit.caller.tenant_filter(tenant.as_deref())?;
        let filter = EndpointFilter { tenant, topic, state: state.map(Into::into), adhoc };
        let place = Place::read("endpoints", &filter, limit, TOP, cursor.as_deref())?;
        Ok(Some(place.show(visit.engine().endpoints(&visit.caller, filter, place.page).await?)))
    }

    /// One endpoint, by id or `uid:…` (of the tenant named, else the key's).
    async fn endpoint(&self, context: &Context<'_>, id: ID, tenant: Option<String>) -> Result<Option<Endpoint>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().endpoint(&visit.caller, tenant.as_deref(), &id).await?.into()))
    }

    /// What an endpoint's requests are signed with.
    async fn endpoint_secrets(&self, context: &Context<'_>, id: ID, tenant: Option<String>) -> Result<Option<Secrets>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().secrets(&visit.caller, tenant.as_deref(), &id).await?.into()))
    }
}
