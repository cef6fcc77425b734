//! A receiver's half of Standard Webhooks, for `listen` and `demo`: is this request ours, whole and recent?

use http::HeaderMap;
use posthaste_core::Secret;
use posthaste_core::signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, verify_standard};

/// How old or how far ahead a request's timestamp may be, in seconds: what the specification's libraries allow.
const TOLERANCE: i64 = 300;

/// Why a request is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// A header is missing or is no text.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// The timestamp is no number.
    #[error("the timestamp is not a number of seconds")]
    NoTimestamp,
    /// It was made long ago, or in the future: perhaps a recording.
    #[error("the timestamp is more than five minutes off")]
    Stale,
    /// None of the signatures is this secret's.
    #[error("no signature is of this secret")]
    Wrong,
}

/// Whether a request carries a signature of this secret over exactly these bytes.
pub fn verify(secret: &Secret, headers: &HeaderMap, body: &[u8], now_seconds: i64) -> Result<(), Doubt> {
    let header =
        |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Doubt::Missing(name));
    let (id, signatures) = (header(ID_HEADER)?, header(SIGNATURE_HEADER)?);
    let timestamp: i64 = header(TIMESTAMP_HEADER)?.parse().map_err(|_| Doubt::NoTimestamp)?;
    if timestamp.saturating_sub(now_seconds).saturating_abs() > TOLERANCE {
        return Err(Doubt::Stale);
    }
    if verify_standard(secret, id, timestamp, body, signatures) { Ok(()) } else { Err(Doubt::Wrong) }
}

/// This machine's time in whole seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a receiver judges a request's age by its own clock; there is no engine here"
)]
pub fn now_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use posthaste_core::signature::standard;

    fn signed(secret: &Secret, at: i64, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID_HEADER, "msg_1".parse().unwrap());
        headers.insert(TIMESTAMP_HEADER, at.into());
        headers.insert(SIGNATURE_HEADER, standard(std::iter::once(secret), "msg_1", at, body).parse().unwrap());
        headers
    }

    #[test]
    fn only_a_recent_request_with_the_right_signature_is_believed() {
        let secret = Secret::parse("some secret").unwrap();
        let headers = signed(&secret, 1_000, b"{}");
        assert_eq!(verify(&secret, &headers, b"{}", 1_300), Ok(()));
        assert_eq!(verify(&secret, &headers, b"{}", 1_301), Err(Doubt::Stale));
        assert_eq!(verify(&secret, &headers, b"{}", 699), Err(Doubt::Stale));
        assert_eq!(verify(&secret, &headers, b"{} ", 1_000), Err(Doubt::Wrong));
        assert_eq!(verify(&Secret::parse("other").unwrap(), &headers, b"{}", 1_000), Err(Doubt::Wrong));
        assert_eq!(verify(&secret, &HeaderMap::new(), b"{}", 1_000), Err(Doubt::Missing(ID_HEADER)));
    }
}
