//! What a caller chooses about an endpoint, as GraphQL takes it.

use async_graphql::{ID, InputObject, MaybeUndefined, SimpleObject};
use posthaste_core::Span;
use posthaste_core::endpoint::RateLimit as CoreRateLimit;
use posthaste_core::retry::RetryPolicy;
use serde::Serialize;

use crate::scalars::AnyJson;
use crate::words::{BodyFormat, Guarantee, OnFailed, Ordering, RetryAfter, SettingsAt, SignatureStyle, Verification};

/// When to try again: a list of delays, or exponential backoff where the list is null.
#[derive(SimpleObject)]
pub struct Retry {
    schedule_seconds: Option<Vec<f64>>,
    min_backoff_seconds: f64,
    max_backoff_seconds: f64,
    factor: f64,
    /// Which part of a delay is left to chance, 0 to 1.
    jitter: f64,
}

impl From<RetryPolicy> for Retry {
    fn from(policy: RetryPolicy) -> Self {
        let schedule = policy.schedule_seconds;
        Self {
            schedule_seconds: schedule.map(|delays| delays.into_iter().map(Span::as_seconds).collect()),
            min_backoff_seconds: policy.min_backoff_seconds.as_seconds(),
            max_backoff_seconds: policy.max_backoff_seconds.as_seconds(),
            factor: policy.factor,
            jitter: policy.jitter,
        }
    }
}

/// How often an endpoint may be sent to.
#[derive(SimpleObject)]
pub struct RateLimit {
    per_second: f64,
    burst: u32,
}

impl From<CoreRateLimit> for RateLimit {
    fn from(limit: CoreRateLimit) -> Self {
        Self { per_second: limit.per_second, burst: limit.burst }
    }
}

/// When to try again; what is not named stays, or is the default.
#[derive(InputObject, Serialize)]
pub struct RetryInput {
    /// The delay before each further attempt; null: the backoff decides.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    schedule_seconds: MaybeUndefined<Vec<f64>>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    min_backoff_seconds: MaybeUndefined<f64>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    max_backoff_seconds: MaybeUndefined<f64>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    factor: MaybeUndefined<f64>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    jitter: MaybeUndefined<f64>,
}

/// How often an endpoint may be sent to: a token bucket.
#[derive(InputObject, Serialize)]
pub struct RateLimitInput {
    per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
}

/// The settings of an endpoint. Created: `url` and `topics` are needed, the rest has defaults. Changed: what is not
/// named stays, and a null is a value; in `headers` and `metadata` it removes.
#[derive(InputObject, Serialize)]
pub struct EndpointSettings {
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    url: MaybeUndefined<String>,
    /// Which topics: names, `order.*`, `*`; an empty list: only what is addressed to it.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    topics: MaybeUndefined<Vec<String>>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    name: MaybeUndefined<String>,
    /// Which of the topics' messages.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    filter: MaybeUndefined<AnyJson>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    method: MaybeUndefined<String>,
    /// Names and values.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    headers: MaybeUndefined<AnyJson>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    content_type: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    body_format: MaybeUndefined<BodyFormat>,
    /// An empty list: unsigned.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    signature_styles: MaybeUndefined<Vec<SignatureStyle>>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    max_attempts: MaybeUndefined<u32>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    give_up_after_seconds: MaybeUndefined<f64>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    timeout_seconds: MaybeUndefined<f64>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    retry: MaybeUndefined<RetryInput>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    retry_after: MaybeUndefined<RetryAfter>,
    /// Null: any 2xx.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    success_codes: MaybeUndefined<Vec<u16>>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    require_empty_response: MaybeUndefined<bool>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    rate_limit: MaybeUndefined<RateLimitInput>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    max_in_flight: MaybeUndefined<u32>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    ordering: MaybeUndefined<Ordering>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    fifo_on_failed: MaybeUndefined<OnFailed>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    guarantee: MaybeUndefined<Guarantee>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    settings: MaybeUndefined<SettingsAt>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    verification: MaybeUndefined<Verification>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    dead_letter_endpoint_id: MaybeUndefined<ID>,
    /// Null: never, not even for a 410.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    disable_after_seconds: MaybeUndefined<f64>,
    /// Names and texts.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    metadata: MaybeUndefined<AnyJson>,
}
