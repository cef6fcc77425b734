//! Rules about members that several use cases share. Each names the member and says what to give instead.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use posthaste_core::address::{self, AllowList};
use url::Url;

use crate::document::escape;
use crate::error::{EngineError, FieldError, Result};

/// The most headers of an endpoint or a message.
pub const MAX_HEADERS: usize = 32;
/// The most bytes of all their names and values.
pub const MAX_HEADER_BYTES: usize = 8 * 1_024;
/// The most metadata members.
pub const MAX_METADATA: usize = 32;
/// The most bytes of all their names and values.
pub const MAX_METADATA_BYTES: usize = 4 * 1_024;

/// Names that belong to the connection, the framing or the signature.
const RESERVED: [&str; 12] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "expect",
    "http2-settings",
];

/// Headers that are added to requests.
pub fn message_headers(headers: &BTreeMap<String, String>, errors: &mut Vec<FieldError>) {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        let detail = format!("at most {MAX_HEADERS} headers and {MAX_HEADER_BYTES} bytes in all");
        errors.push(FieldError::new("/headers", detail));
    }
    let mut seen = std::collections::HashSet::new();
    for (name, value) in headers {
        if let Err(detail) = header(name, value, &mut seen) {
            errors.push(FieldError::new(format!("/headers/{}", escape(name)), detail));
        }
    }
}

fn header(name: &str, value: &str, seen: &mut std::collections::HashSet<HeaderName>) -> Result<(), &'static str> {
    let name: HeaderName = name.parse().map_err(|_| "not a header name (RFC 9110 token)")?;
    if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("webhook-") {
        return Err("reserved: framing, Host and webhook-* headers are set by the sender");
    }
    value.parse::<HeaderValue>().map_err(|_| "not a header value: control characters are not allowed")?;
    if seen.insert(name) { Ok(()) } else { Err("given twice: header names do not depend on case") }
}

/// A caller's notes.
pub fn metadata(metadata: &BTreeMap<String, String>, errors: &mut Vec<FieldError>) {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if metadata.len() > MAX_METADATA || bytes > MAX_METADATA_BYTES {
        let detail = format!("at most {MAX_METADATA} members and {MAX_METADATA_BYTES} bytes in all");
        errors.push(FieldError::new("/metadata", detail));
    }
    for (name, value) in metadata {
        if name.contains('\0') || value.contains('\0') {
            errors.push(FieldError::new(format!("/metadata/{}", escape(name)), "NUL characters are not allowed"));
        }
    }
}

/// A short text of a caller's: 1 to `longest` bytes without control characters.
pub fn short_text(pointer: &str, text: Option<&str>, longest: usize, errors: &mut Vec<FieldError>) {
    let Some(text) = text else { return };
    if text.is_empty() || text.len() > longest || text.chars().any(char::is_control) {
        errors.push(FieldError::new(pointer, format!("use 1 to {longest} bytes without control characters")));
    }
}

/// A content type.
pub fn content_type(pointer: &str, text: Option<&str>, errors: &mut Vec<FieldError>) {
    let Some(text) = text else { return };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&byte))
    };
    let fits = essence.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub));
    if !fits || text.len() > 255 || text.parse::<HeaderValue>().is_err() {
        errors.push(FieldError::new(pointer, "not a content type such as application/json"));
    }
}

/// The URL of an endpoint: http or https, and no literal address that the guard refuses.
pub fn endpoint_url(pointer: &str, text: &str, allow: &AllowList) -> Result<Url> {
    let url = address::parse_endpoint_url(text).map_err(|error| EngineError::invalid(pointer, error.to_string()))?;
    address::check_url_host(&url, allow).map_err(|refused| EngineError::invalid(pointer, refused.to_string()))?;
    Ok(url)
}
