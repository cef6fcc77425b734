//! A server that asks for no key is for this machine alone. Loopback keeps other machines out; this keeps out the web
//! pages that a browser on this machine has open.
//!
//! A page can point a name of its own at 127.0.0.1 and so speak to us as if we were its origin ("DNS rebinding"). Its
//! requests then carry that name as `Host`, and nobody who means this server calls it so.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};

/// Refuses requests that were not meant for a local server.
pub fn only_local_hosts(router: Router) -> Router {
    router.layer(middleware::from_fn(check))
}

async fn check(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|value| value.to_str().unwrap_or("?").to_owned());
    let named = host.as_deref().or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    if named.is_some_and(|host| !is_local(host)) {
        let detail = "this server asks for no key, so it answers only to localhost and loopback addresses: give it an \
                      --admin-key to serve it under a name\n";
        return (StatusCode::MISDIRECTED_REQUEST, detail).into_response();
    }
    next.run(request).await
}

/// Whether a `Host` names this machine.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_loopback = bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    is_loopback || name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for local in
            ["localhost", "LocalHost:7678", "127.0.0.1:7678", "127.9.9.9", "[::1]:7678", "[::1]", "a.localhost"]
        {
            assert!(is_local(local), "{local}");
        }
        for other in
            ["", "?", "example.com", "example.com:7678", "127.0.0.1.example.com", "10.0.0.1", "localhost.evil.com"]
        {
            assert!(!is_local(other), "{other}");
        }
    }
}
