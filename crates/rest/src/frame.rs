//! What surrounds every request, whatever it asks for: an id, and a problem document where it is refused.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Method, StatusCode};

use crate::problem::Problem;
use crate::remainder;
use crate::request_id::{self, X_REQUEST_ID};

/// The one layer of the router.
pub async fn surround(request: Request, next: Next) -> Response {
    let id = request_id::of(request.headers());
    let expects = request.headers().contains_key(EXPECT);
    let (mut parts, body) = request.into_parts();
    parts.headers.insert(X_REQUEST_ID, id.clone());
    let (body, remainder) = remainder::keep(body);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        response = refuse(response, &id);
        if let Some(remainder) = remainder
            && !remainder.drain(expects).await
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

fn refuse(mut response: Response, id: &HeaderValue) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let id = id.to_str().unwrap_or_default();
    if problem.status().is_server_error() {
        tracing::warn!(request_id = id, code = problem.code(), status = problem.status().as_u16(), "refused");
    }
    problem.render(id)
}

/// The answer where no route fits.
pub async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path: see /docs")
}

/// The answer where the path is right and the method is not; the router adds `Allow`.
pub async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("{method} is not for this path: see the header Allow");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response()
}
