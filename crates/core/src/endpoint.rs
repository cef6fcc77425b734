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
    /// The signing secrets, sealed; only the engine's vault opens them.
    pub secrets: SealedSecrets,
    /// Counts its changes, from 1; a target carries the revision it was matched with.
    pub revision: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a caller chooses about an endpoint; stored as one document per revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Where to send: http or https, checked when it was registered and again at each connect.
    pub url: String,
    /// Which topics it wants; empty: only what is addressed to it.
    pub topics: Vec<TopicPattern>,
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
    /// When to try again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// What a `Retry-After` header does.
    #[serde(default)]
    pub retry_after: RetryAfter,
    /// Which statuses are a success; `None`: any 2xx.
    #[serde(default)]
    pub success_codes: Option<Vec<u16>>,
    /// How many exchanges may run at once, on each node.
    #[serde(default = "default_max_in_flight")]
    pub max_in_flight: u32,
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
            method: default_method(),
            headers: BTreeMap::new(),
            content_type: None,
            body_format: BodyFormat::default(),
            signature_styles: default_styles(),
            max_attempts: None,
            timeout_seconds: default_timeout(),
            retry: RetryPolicy::default(),
            retry_after: RetryAfter::default(),
            success_codes: None,
            max_in_flight: default_max_in_flight(),
            disable_after_seconds: default_disable_after(),
            metadata: BTreeMap::new(),
        }
    }
}

/// How the request's body is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    /// The payload's bytes exactly as given.
    #[default]
    Raw,
}

/// Which signature headers a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureStyle {
    /// Standard Webhooks `v1`: HMAC-SHA256 over id, timestamp and body.
    Standard,
}

/// What a `Retry-After` header of a failed attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
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
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    /// The state with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Disabled].into_iter().find(|state| state.as_str() == word)
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
