//! `/openapi.json`, and `/docs`: a page that renders it. Everything comes from this binary, so it works without a
//! network, and nothing that a visitor does is told to anybody.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::openapi;

static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| openapi::document().into());

const PAGE: &str = include_str!("docs/docs.html");
const SCRIPT: &str = include_str!("docs/docs.js");
const STYLE: &str = include_str!("docs/docs.css");

/// The page may load what stands beside it, and ask this server; nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The routes; they are open to everybody.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/openapi.json", get(async || serve("application/json", OPENAPI.clone())))
        .route("/docs", get(async || serve("text/html; charset=utf-8", PAGE)))
        .route("/docs/docs.js", get(async || serve("text/javascript; charset=utf-8", SCRIPT)))
        .route("/docs/docs.css", get(async || serve("text/css; charset=utf-8", STYLE)))
}

fn serve(content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = body.into().into_response();
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
