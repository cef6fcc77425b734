//! What machines ask: is it alive, is it ready, how is it doing.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use posthaste_core::Scope;
use posthaste_engine::EngineError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::Answer;
use crate::auth::Authenticated;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(livez)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Ask whether the process lives
#[utoipa::path(get, path = "/livez", tag = "system", security(()),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")))]
async fn livez() -> &'static str {
    "live\n"
}

/// Ask whether this node accepts messages and sends them
#[utoipa::path(get, path = "/readyz", tag = "system", security(()),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")))]
async fn readyz(State(app): State<App>) -> Answer {
    if app.engine().is_ready() { Ok("ready\n".into_response()) } else { Err(EngineError::Unavailable.into()) }
}

/// Read the metrics
///
/// The `OpenMetrics` text format; needs the scope `read`.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(app): State<App>, Authenticated(caller): Authenticated) -> Answer {
    caller.require(Scope::Read)?;
    Ok(metrics_text(&app))
}

/// The metrics as a response.
pub fn metrics_text(app: &App) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut response = (StatusCode::OK, app.engine().metrics_text()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    response
}
