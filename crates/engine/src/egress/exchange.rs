//! One exchange: the request as it goes out, and how it may end.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;

use super::failure::Failure;
use super::received::Received;
use super::target::PreparedUrl;

/// How an exchange over one connection ended.
pub(super) enum Ended {
    /// The whole response was read.
    Answered(Received),
    /// Nothing of the request left this process: it may be sent over another connection.
    Unsent(Request<Full<Bytes>>),
    /// Failed, perhaps after a part of the response.
    Failed(Failure, Option<Received>),
}

/// The request but for what depends on the connection's protocol, which [`as_http1`] and [`as_http2`] add.
pub(super) fn request(
    method: Method,
    mut headers: HeaderMap,
    body: Bytes,
    user_agent: &HeaderValue,
) -> Request<Full<Bytes>> {
    // Refused where endpoints and messages enter; here, a second time, because a wrong length would let one tenant's
    // bytes be read as the next request on a shared connection.
    if headers.keys().any(is_framing) {
        for name in FRAMING {
            headers.remove(name);
        }
    }
    if body.is_empty() && (method == Method::POST || method == Method::PUT || method == Method::PATCH) {
        // hyper says nothing about an empty body, which some receivers answer with 411.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    headers.entry(USER_AGENT).or_insert_with(|| user_agent.clone());
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    request
}

/// Fits the request to an HTTP/1 connection.
pub(super) fn as_http1(request: &mut Request<Full<Bytes>>, url: &PreparedUrl) {
    *request.uri_mut() = url.origin_form().clone();
    request.headers_mut().insert(HOST, url.host_header().clone());
}

/// Fits the request to an HTTP/2 connection, where `:authority` takes the place of `Host`.
pub(super) fn as_http2(request: &mut Request<Full<Bytes>>, url: &PreparedUrl) {
    *request.uri_mut() = url.absolute_form().clone();
    request.headers_mut().remove(HOST);
}

const FRAMING: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

fn is_framing(name: &HeaderName) -> bool {
    FRAMING.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(method: Method, headers: HeaderMap, body: &'static [u8]) -> Request<Full<Bytes>> {
        request(method, headers, Bytes::from_static(body), &HeaderValue::from_static("Posthaste/0"))
    }

    #[test]
    fn framing_is_never_the_callers() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("1"));
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.insert("proxy-connection", HeaderValue::from_static("close"));
        headers.insert("x-kept", HeaderValue::from_static("1"));
        let request = built(Method::POST, headers, b"body");
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.contains(&"x-kept") && names.contains(&"user-agent"));
    }

    #[test]
    fn an_empty_post_says_so() {
        let request = built(Method::POST, HeaderMap::new(), b"");
        assert_eq!(request.headers()[CONTENT_LENGTH], "0");
        assert!(!built(Method::GET, HeaderMap::new(), b"").headers().contains_key(CONTENT_LENGTH));
    }
}
