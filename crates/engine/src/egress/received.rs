//! What arrived of a response: counted to its bound, kept up to a smaller one.

use http::header::RETRY_AFTER;
use http::response::Parts;
use http::{HeaderMap, Version};
use hyper::ext::ReasonPhrase;
use posthaste_core::attempt::Capture;

use super::failure::Failure;

/// The longest `Retry-After` that is passed on, in bytes: an HTTP date has 29.
const LONGEST_RETRY_AFTER: usize = 64;

/// How much of a response's body is read, and how much of that is kept, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyBounds {
    pub(super) read: usize,
    pub(super) keep: usize,
}

/// A response, as far as it has arrived.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) capture: Capture,
    read: usize,
    bounds: BodyBounds,
}

impl Received {
    /// A response of which only the head was read.
    pub(super) fn head(head: &Parts, bounds: BodyBounds) -> Self {
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Self {
            status: head.status.as_u16(),
            retry_after: retry_after.filter(|value| value.len() <= LONGEST_RETRY_AFTER).map(str::to_owned),
            capture: Capture {
                http_version: version(head.version).to_owned(),
                reason: reason(head),
                headers: headers(&head.headers),
                body: Vec::new(),
                // Until the end of the body is seen.
                truncated: true,
            },
            read: 0,
            bounds,
        }
    }

    /// Takes the next piece of the body.
    pub(super) fn push(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.read = self.read.saturating_add(data.len());
        let room = self.bounds.keep.saturating_sub(self.capture.body.len());
        self.capture.body.extend_from_slice(&data[..room.min(data.len())]);
        if self.read > self.bounds.read {
            let most = self.bounds.read;
            return Err(Failure::too_large(format!(
                "the response's body is larger than {most} bytes, of which no more are read"
            )));
        }
        Ok(())
    }

    /// The body has ended.
    pub(super) fn end(&mut self) {
        self.capture.truncated = self.read > self.capture.body.len();
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// hyper keeps a reason phrase only where it differs from the usual one; HTTP/2 has none.
fn reason(head: &Parts) -> String {
    if head.version == Version::HTTP_2 {
        return String::new();
    }
    match head.extensions.get::<ReasonPhrase>() {
        Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        None => head.status.canonical_reason().unwrap_or_default().to_owned(),
    }
}

fn headers(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
