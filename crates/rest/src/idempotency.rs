//! The `Idempotency-Key` header: bare, or quoted as a structured field.

use http::{HeaderMap, HeaderName};

use crate::problem::Problem;

/// The header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key that a request carries.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let wrong = |detail: &str| Problem::header("Idempotency-Key", detail);
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong("given more than once"));
    }
    let text = value.to_str().map_err(|_| wrong("use visible ASCII characters"))?.trim();
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(rest) => unquoted(rest).ok_or_else(|| wrong("the quotes do not close, or something follows them"))?,
    };
    if (1..=255).contains(&key.len()) { Ok(Some(key)) } else { Err(wrong("use 1 to 255 characters")) }
}

/// The text of a quoted string after its first quote (RFC 9651, 3.3.3).
fn unquoted(rest: &str) -> Option<String> {
    let mut text = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &str) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, value.parse().unwrap());
        key(&headers)
    }

    #[test]
    fn a_key_may_be_bare_or_quoted() {
        assert_eq!(key(&HeaderMap::new()).unwrap(), None);
        assert_eq!(given("abc-1").unwrap().unwrap(), "abc-1");
        assert_eq!(given("\"abc-1\"").unwrap().unwrap(), "abc-1");
        assert_eq!(given("\"a\\\"b\"").unwrap().unwrap(), "a\"b");
    }

    #[test]
    fn a_key_that_cannot_be_read_is_refused() {
        for bad in ["", "\"open", "\"a\" b", "\"\"", &"x".repeat(256)] {
            assert!(given(bad).is_err(), "{bad}");
        }
    }
}
