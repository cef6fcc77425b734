//! Who may come in: a bearer key, or, where the server asks for none, whoever sits at this machine.
//!
//! Every transport that speaks HTTP asks here, so that none of them is the open window beside a locked door.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Uri};

use crate::Engine;
use crate::caller::Caller;
use crate::error::{EngineError, Result};

/// Whether a key is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every request without a key is the administrator's. Only for a listener on loopback; requests that a web page of
    /// another site could have made a browser send are refused.
    Open,
    /// Every request needs a key.
    Keyed,
}

impl Engine {
    /// The caller of a request with these headers.
    pub async fn admit(&self, access: Access, headers: &HeaderMap, uri: &Uri) -> Result<Caller> {
        let bearer = bearer(headers)?;
        if bearer.is_none() && access == Access::Open {
            own_machine(headers, uri)?;
            return Ok(Caller::admin());
        }
        let bearer = bearer.ok_or(EngineError::Unauthenticated("give a key: Authorization: Bearer ph_…"))?;
        self.authenticate(Some(bearer)).await
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let (scheme, token) = text.and_then(|text| text.split_once(' ')).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        return Ok(Some(token.trim()));
    }
    Err(EngineError::Unauthenticated("give one key in this form: Authorization: Bearer ph_…"))
}

/// Without keys the machine's border is the only one. A page in the machine's own browser stands inside it: it names
/// its origin, or (after rebinding a name to loopback) a host that is not this machine.
fn own_machine(headers: &HeaderMap, uri: &Uri) -> Result<()> {
    let refused = |detail: &str| EngineError::Forbidden(detail.to_owned());
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let host = uri.authority().map(http::uri::Authority::as_str).or(host).unwrap_or_default();
    if !is_loopback(host) {
        let detail = "a server without an admin key answers only on localhost, 127.0.0.1 and [::1]: use one of these \
                      names, or start it with --admin-key";
        return Err(refused(detail));
    }
    let foreign = headers.get(ORIGIN).is_some_and(|origin| {
        let origin = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, authority)| authority);
        origin.is_none_or(|authority| !authority.eq_ignore_ascii_case(host))
    });
    let cross_site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    if foreign || cross_site {
        return Err(refused("a page of another origin may not use a server without keys"));
    }
    Ok(())
}

fn is_loopback(authority: &str) -> bool {
    let Some(authority) = authority.parse::<http::uri::Authority>().ok() else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
    }

    #[test]
    fn only_a_bearer_key_is_read() {
        assert_eq!(bearer(&headers(&[])).unwrap(), None);
        assert_eq!(bearer(&headers(&[("authorization", "bearer ph_x")])).unwrap(), Some("ph_x"));
        for bad in ["Basic eA==", "ph_x", "Bearer", "Bearer  "] {
            assert!(bearer(&headers(&[("authorization", bad)])).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_keys_only_the_machine_itself_is_served() {
        let path: Uri = "/v1/topics".parse().unwrap();
        let served = |list: &[(&'static str, &'static str)]| own_machine(&headers(list), &path).is_ok();
        assert!(served(&[("host", "127.0.0.1:7678")]));
        assert!(served(&[("host", "[::1]:7678")]));
        assert!(served(&[("host", "localhost:7678"), ("origin", "http://localhost:7678")]));
        // A name of somebody else's that was made to mean 127.0.0.1.
        assert!(!served(&[("host", "evil.example")]));
        assert!(!served(&[("host", "localhost.evil.example")]));
        assert!(!served(&[]));
        // A page of somebody else's in this machine's browser.
        assert!(!served(&[("host", "localhost:7678"), ("origin", "https://evil.example")]));
        assert!(!served(&[("host", "localhost:7678"), ("origin", "null")]));
        assert!(!served(&[("host", "localhost:7678"), ("origin", "http://localhost:8080")]));
        assert!(!served(&[("host", "localhost:7678"), ("sec-fetch-site", "cross-site")]));
    }
}
