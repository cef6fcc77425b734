//! ETags: an object's revision where it counts them, else a hash of what is shown.

use axum::extract::FromRequestParts;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;

/// The revision that a change is meant for; `None`: any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<u32>);

/// The representation that a reader has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfNoneMatch(pub Option<HeaderValue>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if_match(&parts.headers).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(parts.headers.get(IF_NONE_MATCH).cloned()))
    }
}

/// Revisions count from 1, so 0 is an ETag that nothing has: one that is not ours does not match, as it should.
fn if_match(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| values.next().is_none() && !text.contains(','));
    let text = text.ok_or_else(|| Problem::header("If-Match", "give one ETag, or *"))?.trim();
    if text == "*" {
        return Ok(None);
    }
    let opaque = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match opaque {
        Some(opaque) => Ok(Some(opaque.parse().unwrap_or(0))),
        // A weak tag never matches where the comparison is strong (RFC 9110, 13.1.1).
        None if text.starts_with("W/\"") && text.ends_with('"') => Ok(Some(0)),
        None => Err(Problem::header("If-Match", "an ETag stands in double quotes, as it was given")),
    }
}

/// The ETag of an object that counts its revisions.
pub fn of_revision(revision: u32) -> HeaderValue {
    quoted(&revision.to_string())
}

/// The ETag of an object that does not.
pub fn of_body(body: &[u8]) -> HeaderValue {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let mut bits = [0; 8];
    bits.copy_from_slice(&digest[..8]);
    quoted(&format!("{:016x}", u64::from_be_bytes(bits)))
}

fn quoted(text: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{text}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

impl IfNoneMatch {
    /// Whether the reader has this representation already.
    pub fn has(&self, tag: &HeaderValue) -> bool {
        let Some(given) = self.0.as_ref().and_then(|value| value.to_str().ok()) else { return false };
        let mut tags = given.split(',').map(str::trim).map(|one| one.strip_prefix("W/").unwrap_or(one));
        tags.any(|one| one == "*" || one.as_bytes() == tag.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &'static str) -> Result<Option<u32>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_static(value));
        if_match(&headers)
    }

    #[test]
    fn an_if_match_names_a_revision() {
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        assert_eq!(given("\"7\"").unwrap(), Some(7));
        assert_eq!(given("*").unwrap(), None);
        // Tags that nothing has fail the condition; they are not malformed.
        assert_eq!(given("\"abc\"").unwrap(), Some(0));
        assert_eq!(given("W/\"7\"").unwrap(), Some(0));
        assert!(given("7").is_err());
        assert!(given("\"7\", \"8\"").is_err());
    }

    #[test]
    fn a_reader_that_has_it_is_told_so() {
        let tag = of_revision(7);
        for (value, has) in [("\"7\"", true), ("W/\"7\"", true), ("\"6\", \"7\"", true), ("*", true), ("\"6\"", false)]
        {
            assert_eq!(IfNoneMatch(Some(HeaderValue::from_static(value))).has(&tag), has, "{value}");
        }
        assert!(!IfNoneMatch(None).has(&tag));
    }
}
