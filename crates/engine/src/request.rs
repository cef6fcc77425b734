//! The request of one attempt: the payload's bytes, the endpoint's headers, the signatures.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use posthaste_core::endpoint::{EndpointSettings, SignatureStyle};
use posthaste_core::signature::StandardSigner;
use posthaste_core::{Attempt, AttemptId, Endpoint, Message, Timestamp};

use crate::egress::{Egress, PreparedUrl};
use crate::vault::Vault;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
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
    /// The endpoint's own headers.
    headers: HeaderMap,
    content_type: Option<HeaderValue>,
    signers: Vec<Signer>,
}

#[derive(Debug)]
struct Signer {
    signer: StandardSigner,
    /// Secrets that were rotated out sign until here.
    until: Option<Timestamp>,
}

impl Prepared {
    /// Parses and opens what the endpoint's settings say; an error is a sentence for the attempt's record.
    pub fn new(endpoint: &Endpoint, vault: &Vault, egress: &Egress) -> Result<Self, String> {
        let settings = &endpoint.settings;
        let url = egress.prepare(&settings.url).map_err(|error| format!("the endpoint's URL: {error}"))?;
        let method = settings.method.parse().map_err(|_| "the endpoint's method is no HTTP method".to_owned())?;
        let mut signers = Vec::new();
        if settings.signature_styles.contains(&SignatureStyle::Standard) {
            let secrets = vault.open(endpoint.id, &endpoint.secrets).map_err(|error| error.to_string())?;
            signers.push(Signer { signer: StandardSigner::new(&secrets.current), until: None });
            for previous in &secrets.previous {
                let signer = StandardSigner::new(&previous.secret);
                signers.push(Signer { signer, until: Some(previous.expires_at) });
            }
        }
        let content_type = settings.content_type.as_deref().map(header_value).transpose()?;
        Ok(Self { url, method, headers: own_headers(settings)?, content_type, signers })
    }

    /// The headers of one attempt, begun at `now`; `span` makes it one span of the message's trace.
    pub fn headers(&self, message: &Message, payload: &[u8], now: Timestamp, span: u64) -> Result<HeaderMap, String> {
        let mut headers = self.unsigned_headers(message, now, span)?;
        if !self.signers.is_empty() {
            let id = message.webhook_id().to_string();
            let mut signature = String::with_capacity(self.signers.len() * 48);
            for signer in self.signers.iter().filter(|signer| signer.until.is_none_or(|until| until > now)) {
                signer.signer.sign(&id, now.as_seconds(), payload, &mut signature);
            }
            headers.insert(WEBHOOK_SIGNATURE, header_value(&signature)?);
        }
        Ok(headers)
    }

    fn unsigned_headers(&self, message: &Message, now: Timestamp, span: u64) -> Result<HeaderMap, String> {
        unsigned_headers(&self.headers, self.content_type.as_ref(), message, now, span)
    }
}

/// Everything but the signature: the content type, the endpoint's headers, over them the message's, over them ours.
fn unsigned_headers(
    own: &HeaderMap,
    own_type: Option<&HeaderValue>,
    message: &Message,
    now: Timestamp,
    span: u64,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(8 + own.len());
    headers.insert(CONTENT_TYPE, own_type.cloned().map_or_else(|| content_type(&message.content_type), Ok)?);
    headers.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
    for (name, value) in &message.extras.headers {
        let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header name"))?;
        headers.insert(name, header_value(value)?);
    }
    headers.insert(WEBHOOK_ID, header_value(&message.webhook_id().to_string())?);
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now.as_seconds()));
    let trace = trace_id(message, headers.get(TRACEPARENT));
    headers.insert(TRACEPARENT, header_value(&format!("00-{trace}-{:016x}-01", span.max(1)))?);
    Ok(headers)
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

/// Renders an attempt's request again.
pub fn shown(
    settings: &EndpointSettings,
    message: &Message,
    body: Option<Bytes>,
    attempt: &Attempt,
) -> Result<ShownRequest, String> {
    let own_type = settings.content_type.as_deref().map(header_value).transpose()?;
    let span = span_of(attempt.id);
    let mut headers = unsigned_headers(&own_headers(settings)?, own_type.as_ref(), message, attempt.at, span)?;
    if settings.signature_styles.contains(&SignatureStyle::Standard) {
        headers.insert(WEBHOOK_SIGNATURE, HeaderValue::from_static(REDACTED));
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

fn own_headers(settings: &EndpointSettings) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(settings.headers.len());
    for (name, value) in &settings.headers {
        let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header name"))?;
        headers.insert(name, header_value(value)?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_trace_goes_on() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(given_trace(&format!("00-{trace}-b7ad6b7169203331-01")), Some(trace));
        for bad in ["", "00-x-y-z", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert_eq!(given_trace(bad), None, "{bad}");
        }
    }
}
