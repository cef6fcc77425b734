//! The request of one attempt: the body in the endpoint's format, its headers, the signatures.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use posthaste_core::endpoint::{BodyFormat, EndpointSettings};
use posthaste_core::format::{self, Content};
use posthaste_core::signature::{self, Signers};
use posthaste_core::{Attempt, AttemptId, Endpoint, Message, Timestamp};

use crate::egress::{Egress, PreparedUrl};
use crate::vault::Vault;

const WEBHOOK_ID: HeaderName = HeaderName::from_static(signature::ID_HEADER);
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static(signature::TIMESTAMP_HEADER);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What stands in for a signature where a request is shown.
pub const REDACTED: &str = "(redacted)";

/// What every request to one endpoint revision shares.
#[derive(Debug)]
pub struct Prepared {
    /// Where to connect.
    pub url: Arc<PreparedUrl>,
    /// The method.
    pub method: Method,
    shape: Shape,
    /// None where nothing is signed.
    signers: Option<Signers>,
}

impl Prepared {
    /// Parses and opens what the endpoint's settings say; an error is a sentence for the attempt's record.
    pub fn new(endpoint: &Endpoint, vault: &Vault, egress: &Egress) -> Result<Self, String> {
        let settings = &endpoint.settings;
        let url = egress.prepare(&settings.url).map_err(|error| format!("the endpoint's URL: {error}"))?;
        let method = settings.method.parse().map_err(|_| "the endpoint's method is no HTTP method".to_owned())?;
        let signers = if settings.signature_styles.is_empty() {
            None
        } else {
            let secrets = vault.open(endpoint.id, &endpoint.secrets).map_err(|error| error.to_string())?;
            Some(Signers::new(&settings.signature_styles, &secrets))
        };
        Ok(Self { url, method, shape: Shape::new(settings)?, signers })
    }

    /// The headers and the body of one attempt, begun at `now`; `span` makes it one span of the message's trace.
    pub fn request(
        &self,
        message: &Message,
        payload: &Bytes,
        now: Timestamp,
        span: u64,
    ) -> Result<(HeaderMap, Bytes), String> {
        let id = message.webhook_id().to_string();
        let (mut headers, body) = self.shape.unsigned(&id, message, payload, now, span)?;
        for (name, value) in self.signers.iter().flat_map(|signers| signers.sign(&id, now, &body)) {
            headers.insert(HeaderName::from_static(name), header_value(&value)?);
        }
        Ok((headers, body))
    }
}

/// What of an endpoint's settings shapes a request, apart from its secrets.
#[derive(Debug)]
struct Shape {
    headers: HeaderMap,
    content_type: Option<String>,
    format: BodyFormat,
}

impl Shape {
    fn new(settings: &EndpointSettings) -> Result<Self, String> {
        let mut headers = HeaderMap::with_capacity(settings.headers.len());
        for (name, value) in &settings.headers {
            headers.insert(header_name(name)?, header_value(value)?);
        }
        Ok(Self { headers, content_type: settings.content_type.clone(), format: settings.body_format })
    }

    /// Everything but the signatures. Of headers of one name the last counts: the format's content type, the endpoint's
    /// headers, the message's, the format's others, ours.
    fn unsigned(
        &self,
        id: &str,
        message: &Message,
        payload: &Bytes,
        now: Timestamp,
        span: u64,
    ) -> Result<(HeaderMap, Bytes), String> {
        let content = Content {
            id,
            tenant: message.tenant.as_str(),
            topic: message.topic.as_ref().map(posthaste_core::TopicName::as_str),
            created_at: message.created_at(),
            attributes: &message.extras.cloudevent,
            content_type: self.content_type.as_deref().unwrap_or(&message.content_type),
            payload,
        };
        let rendered = format::render(self.format, &content);
        let mut headers = HeaderMap::with_capacity(8 + self.headers.len());
        headers.insert(CONTENT_TYPE, content_type(rendered.content_type)?);
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let given = message.extras.headers.iter().chain(rendered.headers.iter().map(|(name, value)| (name, value)));
        for (name, value) in given {
            headers.insert(header_name(name)?, header_value(value)?);
        }
        headers.insert(WEBHOOK_ID, header_value(id)?);
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now.as_seconds()));
        let trace = trace_id(message, headers.get(TRACEPARENT));
        headers.insert(TRACEPARENT, header_value(&format!("00-{trace}-{:016x}-01", span.max(1)))?);
        let body = match rendered.body {
            Cow::Borrowed(_) => payload.clone(),
            Cow::Owned(body) => Bytes::from(body),
        };
        Ok((headers, body))
    }
}

/// The span of an attempt in its message's trace: the low half of its id, which holds position, number and node.
pub fn span_of(attempt: AttemptId) -> u64 {
    u64::try_from(attempt.bits() & u128::from(u64::MAX)).unwrap_or(1)
}

/// A request as it is shown to people: made again from what it was made from, with secrets left out.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownRequest {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Names and values; `(redacted)` where a value is a secret.
    pub headers: Vec<(String, String)>,
    /// The body; `None` once the payload is past its age.
    pub body: Option<Bytes>,
}

/// Renders an attempt's request again. `payload` is `None` once it is past its age.
pub fn shown(
    settings: &EndpointSettings,
    message: &Message,
    payload: Option<Bytes>,
    attempt: &Attempt,
) -> Result<ShownRequest, String> {
    let id = message.webhook_id().to_string();
    let known = payload.is_some();
    let payload = payload.unwrap_or_default();
    let span = span_of(attempt.id);
    let (mut headers, body) = Shape::new(settings)?.unsigned(&id, message, &payload, attempt.at, span)?;
    let body = known.then_some(body);
    for style in &settings.signature_styles {
        let name = HeaderName::from_static(signature::header_of(*style));
        headers.insert(name, HeaderValue::from_static(REDACTED));
    }
    let show = |name: &HeaderName, value: &HeaderValue| {
        let value = if is_secret(name.as_str()) { REDACTED.into() } else { String::from_utf8_lossy(value.as_bytes()) };
        (name.as_str().to_owned(), value.into_owned())
    };
    let headers = headers.iter().map(|(name, value)| show(name, value)).collect();
    Ok(ShownRequest { method: settings.method.clone(), url: settings.url.clone(), headers, body })
}

/// Whether a header's value is better not shown.
fn is_secret(name: &str) -> bool {
    ["authorization", "cookie", "secret", "token", "password", "api-key", "apikey"]
        .iter()
        .any(|word| name.contains(word))
}

/// The publisher's trace if it gave a well-formed one, else one that follows from the message's id.
fn trace_id(message: &Message, given: Option<&HeaderValue>) -> String {
    let given = given.and_then(|value| value.to_str().ok()).and_then(given_trace);
    given.map_or_else(|| format!("{:032x}", message.id.bits()), str::to_owned)
}

/// The trace id of a W3C `traceparent`, if it is well formed.
pub fn given_trace(text: &str) -> Option<&str> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let fits = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    (fits && !zero(trace) && !zero(parent)).then_some(trace)
}

fn content_type(text: &str) -> Result<HeaderValue, String> {
    match text {
        // The usual ones without a copy.
        "application/json" => Ok(HeaderValue::from_static("application/json")),
        other => header_value(other),
    }
}

fn header_value(text: &str) -> Result<HeaderValue, String> {
    text.parse().map_err(|_| "a header's value holds a character that HTTP does not allow".to_owned())
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("`{name}` is no header name"))
}

#[cfg(test)]
mod tests {
    use posthaste_core::endpoint::{EndpointState, SignatureStyle};
    use posthaste_core::id::BatchId;
    use posthaste_core::message::MessageExtras;
    use posthaste_core::secret::SigningSecrets;
    use posthaste_core::{EndpointId, MessageId, Outcome, Secret, Tenant};

    use super::*;
    use crate::egress::EgressOptions;

    const PAYLOAD: &[u8] = br#"{ "total": 1.50 }"#;
    const ALL_STYLES: [SignatureStyle; 5] = [
        SignatureStyle::Standard,
        SignatureStyle::StandardEd25519,
        SignatureStyle::Github,
        SignatureStyle::Stripe,
        SignatureStyle::Postmand,
    ];

    fn message() -> Message {
        let id = MessageId::compose(Timestamp::from_millis(1_700_000_000_000), 1, 1);
        Message {
            id,
            tenant: Tenant::default_tenant(),
            topic: Some("order.created".parse().unwrap()),
            content_type: "application/json".to_owned(),
            targets: Vec::new(),
            batch: BatchId::from_bits(id.bits()),
            deliver_at: None,
            extras: MessageExtras {
                headers: [("x-from".to_owned(), "message".to_owned())].into(),
                ..MessageExtras::default()
            },
        }
    }

    fn endpoint(vault: &Vault, format: BodyFormat, styles: &[SignatureStyle]) -> Endpoint {
        let id = EndpointId::from_bits(7);
        let mut settings = EndpointSettings::new("https://example.com/hook".to_owned(), Vec::new());
        settings.headers = ["x-from", "authorization"].map(|name| (name.to_owned(), "endpoint".to_owned())).into();
        settings.body_format = format;
        settings.signature_styles = styles.to_vec();
        let secrets = SigningSecrets::new(Secret::parse("my-secret-token").unwrap());
        Endpoint {
            id,
            tenant: Tenant::default_tenant(),
            uid: None,
            adhoc: false,
            settings,
            state: EndpointState::Active,
            state_reason: None,
            challenge: None,
            secrets: vault.seal(id, &secrets).unwrap(),
            revision: 1,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    fn attempt(message: &Message) -> Attempt {
        Attempt {
            id: message.id.delivery(1).attempt(1, 1),
            endpoint: EndpointId::from_bits(7),
            endpoint_revision: 1,
            tenant: message.tenant.clone(),
            number: 1,
            at: Timestamp::from_millis(1_700_000_001_000),
            duration_micros: 1,
            outcome: Outcome::Succeeded,
            status_code: Some(200),
            error: None,
        }
    }

    fn value<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_str().unwrap()
    }

    #[tokio::test]
    async fn a_request_is_signed_over_the_body_that_is_sent_whatever_its_format() {
        let vault = Vault::new(None).unwrap();
        let egress = Egress::new(EgressOptions::default(), tokio_util::task::TaskTracker::new()).unwrap();
        let (message, payload) = (message(), Bytes::from_static(PAYLOAD));
        let (id, secret) = (message.id.to_string(), Secret::parse("my-secret-token").unwrap());
        for (format, content_type, holds) in [
            (BodyFormat::Raw, "application/json", ""),
            (BodyFormat::CloudEvents, "application/cloudevents+json", r#""specversion":"1.0""#),
            (BodyFormat::CloudEventsBinary, "application/json", ""),
            (BodyFormat::Envelope, "application/json", r#"{"type":"order.created","#),
        ] {
            let prepared = Prepared::new(&endpoint(&vault, format, &ALL_STYLES), &vault, &egress).unwrap();
            let now = Timestamp::from_millis(1_700_000_001_000);
            let (headers, body) = prepared.request(&message, &payload, now, 1).unwrap();
            let text = std::str::from_utf8(&body).unwrap();
            assert!(text.contains(holds) && text.contains(r#"{ "total": 1.50 }"#), "{text}");
            assert_eq!(value(&headers, "content-type"), content_type);
            assert_eq!(value(&headers, "x-from"), "message", "the message's headers win");
            assert_eq!(headers.contains_key("ce-id"), format == BodyFormat::CloudEventsBinary);
            let signatures = value(&headers, "webhook-signature");
            assert!(signature::verify_standard(&secret, &id, now.as_seconds(), &body, signatures));
            let public_key = signature::public_key(&secret);
            assert!(signature::verify_ed25519(&public_key, &id, now.as_seconds(), &body, signatures));
            let github = signature::HexSigner::new(&secret).github(&body);
            assert_eq!(value(&headers, "x-hub-signature-256"), github);
            assert_eq!(format!("sha256={}", value(&headers, "x-hub-signature")), github);
            assert!(value(&headers, "stripe-signature").starts_with("t=1700000001,v1="));
        }
        let unsigned = Prepared::new(&endpoint(&vault, BodyFormat::Raw, &[]), &vault, &egress).unwrap();
        let (headers, _) = unsigned.request(&message, &payload, Timestamp::default(), 1).unwrap();
        assert!(!headers.keys().any(|name| name.as_str().contains("signature")), "{headers:?}");
    }

    #[test]
    fn a_request_is_shown_as_it_was_sent_but_for_its_secrets() {
        let vault = Vault::new(None).unwrap();
        let (message, payload) = (message(), Bytes::from_static(PAYLOAD));
        let settings = endpoint(&vault, BodyFormat::CloudEvents, &ALL_STYLES).settings;
        let attempt = attempt(&message);
        let sent = shown(&settings, &message, Some(payload), &attempt).unwrap();
        assert!(sent.body.unwrap().starts_with(br#"{"specversion":"1.0""#));
        let secret =
            ["webhook-signature", "x-hub-signature-256", "x-hub-signature", "stripe-signature", "authorization"];
        for name in secret {
            let values: Vec<_> = sent.headers.iter().filter(|(shown, _)| shown == name).collect();
            assert_eq!(values, [&(name.to_owned(), REDACTED.to_owned())]);
        }
        assert!(sent.headers.contains(&("webhook-timestamp".to_owned(), "1700000001".to_owned())));
        // The payload is past its age: what was in the body is gone, the rest is not.
        let later = shown(&settings, &message, None, &attempt).unwrap();
        assert_eq!((later.body, later.headers), (None, sent.headers));
    }

    #[test]
    fn only_a_well_formed_trace_goes_on() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(given_trace(&format!("00-{trace}-b7ad6b7169203331-01")), Some(trace));
        for bad in ["", "00-x-y-z", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert_eq!(given_trace(bad), None, "{bad}");
        }
    }
}
