//! Every request has an id, shown in `x-request-id` and in problems: the caller's, if it sent a sane one, else ours.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id of a caller's that is kept.
const LONGEST: usize = 128;

/// Tells this process from others; not a secret, so the standard library's hash seeds are random enough.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The id of the request with these headers.
pub fn of(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(X_REQUEST_ID).filter(|value| is_sane(value.as_bytes()));
    given.cloned().unwrap_or_else(fresh)
}

fn is_sane(value: &[u8]) -> bool {
    (1..=LONGEST).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}

fn fresh() -> HeaderValue {
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let text = format!("req_{:016x}{count:08x}", *PROCESS);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_id_is_kept_if_it_is_sane() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, value.parse().unwrap());
            of(&headers)
        };
        assert_eq!(with("abc-1"), "abc-1");
        assert_ne!(with("two words"), "two words");
        assert_ne!(with(&"x".repeat(129)), "x".repeat(129));
    }

    #[test]
    fn two_requests_have_two_ids() {
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
