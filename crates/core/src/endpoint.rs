//! Endpoints: a URL that wants messages, with its policy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::EndpointId;
use crate::pattern::TopicPattern;
use crate::retry::RetryPolicy;
use crate::time::{Span, Timestamp};
use crate::topic::Tenant;

/// A URL that wants messages, as the catalog keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Its id. An ad-hoc endpoint's id follows from its tenant and URL.
    pub id: EndpointId,
    /// Whose endpoint it is.
    pub tenant: Tenant,
    /// The caller's own id, unique per tenant.
    pub uid: Option<String>,
    /// Made from a `urls` member of a message rather than registered.
    pub adhoc: bool,
    /// What the caller chose.
    pub settings: EndpointSettings,
    /// Whether it takes and gets deliveries.
    pub state: EndpointState,
    /// Why it is in that state, in words, where there is something to say.
    pub state_reason: Option<String>,
    /// The open question whether its owner wants it, while it is [`EndpointState::PendingVerification`].
    pub challenge: Option<Challenge>,
    /// The signing secrets, sealed; only the engine's vault opens them.
    pub secrets: SealedSecrets,
    /// Counts its changes, from 1; a target carries the revision it was matched with.
    pub revision: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A challenge that was sent to an endpoint and is not answered yet; stored as one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// SHA-256 of the token that answers it, in hex.
    pub token_hash: String,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
}

/// What a caller chooses about an endpoint; stored as one document per revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Where to send: http or https, checked when it was registered and again at each connect.
    pub url: String,
    /// Which topics it wants; empty: only what is addressed to it.
    pub topics: Vec<TopicPattern>,
    /// Which of their messages it wants, as the caller wrote it ([`crate::filter`]); `None`: all.
    #[serde(default)]
    pub filter: Option<serde_json::Value>,
    /// The HTTP method of its requests.
    #[serde(default = "default_method")]
    pub method: String,
    /// Headers added to each request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Replaces the message's content type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// How the body is made from the payload.
    #[serde(default)]
    pub body_format: BodyFormat,
    /// Which signatures are sent; empty: unsigned.
    #[serde(default = "default_styles")]
    pub signature_styles: Vec<SignatureStyle>,
    /// The most attempts of one schedule; `None`: the schedule's length + 1.
    #[serde(default)]
    pub max_attempts: Option<u32>,
    /// The longest that one exchange may take, from connecting to the response's last byte.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: Span,
    /// How long after a message was accepted its delivery is given up; `None`: the schedule alone decides.
    #[serde(default)]
    pub give_up_after_seconds: Option<Span>,
    /// When to try again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// What a `Retry-After` header does.
    #[serde(default)]
    pub retry_after: RetryAfter,
    /// Which statuses are a success; `None`: any 2xx.
    #[serde(default)]
    pub success_codes: Option<Vec<u16>>,
    /// Whether a success also needs an empty body (white space and `{}` count as empty).
    #[serde(default)]
    pub require_empty_response: bool,
    /// How often it may be sent to, over all nodes; `None`: as often as there is something.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// How many exchanges may run at once, on each node.
    #[serde(default = "default_max_in_flight")]
    pub max_in_flight: u32,
    /// Whether its deliveries are sent one after the other.
    #[serde(default)]
    pub ordering: Ordering,
    /// What a failed delivery does to those behind it in its order.
    #[serde(default)]
    pub fifo_on_failed: OnFailed,
    /// What happens to a delivery of which nobody knows whether it was sent.
    #[serde(default)]
    pub guarantee: Guarantee,
    /// Which settings a delivery is sent with.
    #[serde(default)]
    pub settings: SettingsAt,
    /// How its owner is asked whether it wants messages.
    #[serde(default)]
    pub verification: Verification,
    /// Where a delivery that failed for good is sent instead, as a message of its own.
    #[serde(default)]
    pub dead_letter_endpoint_id: Option<EndpointId>,
    /// After how long without any success it is disabled; `None`: never, not even for a 410.
    #[serde(default = "default_disable_after")]
    pub disable_after_seconds: Option<Span>,
    /// The caller's own notes.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

fn default_method() -> String {
    "POST".to_owned()
}
fn default_styles() -> Vec<SignatureStyle> {
    vec![SignatureStyle::Standard]
}
const fn default_timeout() -> Span {
    Span::from_secs(20)
}
const fn default_max_in_flight() -> u32 {
    64
}
#[expect(clippy::unnecessary_wraps, reason = "the field is optional: null means never")]
const fn default_disable_after() -> Option<Span> {
    Some(Span::from_secs(432_000))
}

impl EndpointSettings {
    /// The defaults of the API for a URL that wants these topics.
    pub fn new(url: String, topics: Vec<TopicPattern>) -> Self {
        Self {
            name: None,
            url,
            topics,
            filter: None,
            method: default_method(),
            headers: BTreeMap::new(),
            content_type: None,
            body_format: BodyFormat::default(),
            signature_styles: default_styles(),
            max_attempts: None,
            timeout_seconds: default_timeout(),
            give_up_after_seconds: None,
            retry: RetryPolicy::default(),
            retry_after: RetryAfter::default(),
            success_codes: None,
            require_empty_response: false,
            rate_limit: None,
            max_in_flight: default_max_in_flight(),
            ordering: Ordering::default(),
            fifo_on_failed: OnFailed::default(),
            guarantee: Guarantee::default(),
            settings: SettingsAt::default(),
            verification: Verification::default(),
            dead_letter_endpoint_id: None,
            disable_after_seconds: default_disable_after(),
            metadata: BTreeMap::new(),
        }
    }
}

/// How the request's body is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    /// The payload's bytes exactly as given.
    #[default]
    Raw,
    /// A CloudEvent in structured mode.
    #[serde(rename = "cloudevents")]
    CloudEvents,
    /// A CloudEvent in binary mode.
    #[serde(rename = "cloudevents_binary")]
    CloudEventsBinary,
    /// `{"type", "timestamp", "data"}`.
    Envelope,
}

/// Which signature headers a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignatureStyle {
    /// Standard Webhooks `v1`: HMAC-SHA256 over id, timestamp and body.
    Standard,
    /// Standard Webhooks `v1a`: Ed25519 over the same.
    StandardEd25519,
    /// `X-Hub-Signature-256: sha256=…` over the body.
    Github,
    /// `t=…,v1=…` over time and body.
    Stripe,
    /// `X-Hub-Signature`, bare hex over the body.
    Postmand,
}

/// How often an endpoint may be sent to: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many tokens come per second; more than 0.
    pub per_second: f64,
    /// How many tokens the bucket holds, at least 1.
    #[serde(default = "default_burst")]
    pub burst: u32,
}

const fn default_burst() -> u32 {
    1
}

/// Whether deliveries to an endpoint keep the order in which their messages were committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// Each is sent as soon as it can be.
    #[default]
    None,
    /// One after the other, within the endpoint or within its messages' `ordering_key`.
    Fifo,
}

/// What a failed delivery does to those behind it in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnFailed {
    /// They go on.
    #[default]
    Continue,
    /// They wait until it is retried, or the endpoint is resumed.
    Hold,
}

/// What happens to a delivery of which nobody knows whether it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// It is sent again: the receiver drops what it has seen.
    #[default]
    AtLeastOnce,
    /// It is not: it ends as failed, `unknown_outcome`.
    AtMostOnce,
}

/// Which settings a delivery is sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SettingsAt {
    /// The endpoint's as they are at the attempt.
    #[default]
    Current,
    /// Those of the revision that the message was matched with.
    AtPublish,
}

/// How an endpoint's owner is asked whether it wants messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// Not at all.
    #[default]
    None,
    /// By a token that is sent there and comes back.
    Token,
    /// By the handshake of the CloudEvents webhook specification.
    #[serde(rename = "cloudevents")]
    CloudEvents,
}

/// What a `Retry-After` header of a failed attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// It delays the next attempt further, never brings it forward.
    #[default]
    Obey,
    /// Nothing.
    Ignore,
}

/// Whether an endpoint takes new deliveries, and whether they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// Gets nothing but the challenge, until its owner answers.
    PendingVerification,
    /// Takes and sends.
    Active,
    /// Takes and holds.
    Paused,
    /// Takes no new ones; what waits is kept.
    Disabled,
}

impl EndpointState {
    /// Whether a message accepted now owes this endpoint a delivery.
    pub const fn takes_deliveries(self) -> bool {
        matches!(self, Self::Active | Self::Paused)
    }

    /// Whether attempts are made now.
    pub const fn sends(self) -> bool {
        matches!(self, Self::Active)
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingVerification => "pending_verification",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    /// The state with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::PendingVerification, Self::Active, Self::Paused, Self::Disabled]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// Signing secrets as they lie in the database: sealed with the secret key, or plain where the server has none. The
/// first byte says which; nobody but the engine's vault looks inside.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecrets(pub Vec<u8>);

impl std::fmt::Debug for SealedSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedSecrets(…)")
    }
}
