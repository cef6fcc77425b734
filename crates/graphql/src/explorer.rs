//! `/graphiql`: a page to try the API. Everything comes from this binary, so it works without a network.
//!
//! It is our own and small, so that it works without the internet and without a vendored editor.

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

const PAGE: &str = include_str!("explorer/explorer.html");
const SCRIPT: &str = include_str!("explorer/explorer.js");
const STYLE: &str = include_str!("explorer/explorer.css");

/// The page may load what stands beside it, and ask this server; nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The routes; they are open to everybody.
pub fn routes() -> Router {
    Router::new()
        .route("/graphiql", get(async || serve("text/html; charset=utf-8", PAGE)))
        .route("/graphiql/explorer.js", get(async || serve("text/javascript; charset=utf-8", SCRIPT)))
        .route("/graphiql/explorer.css", get(async || serve("text/css; charset=utf-8", STYLE)))
}

fn serve(content_type: &'static str, text: &'static str) -> Response {
    let mut response = Bytes::from_static(text.as_bytes()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_nobody_else_for_anything() {
        for text in [PAGE, SCRIPT, STYLE] {
            assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("\"//"));
        }
    }
}
