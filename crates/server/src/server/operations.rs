//! Which routes a listener has.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use posthaste_engine::Engine;
use posthaste_engine::access::Access;
use posthaste_graphql::GraphqlOptions;
use posthaste_rest::RestOptions;
use tokio_util::sync::CancellationToken;

use super::loopback;
use super::settings::Settings;

/// What the main listener answers; `ending` is cancelled when the server ends.
pub fn main(engine: &Engine, settings: &Settings, ending: &CancellationToken) -> Router {
    let access = if settings.admin_key.is_some() { Access::Keyed } else { Access::Open };
    let router = if settings.serves_api() {
        api(engine, access, ending)
    } else {
        posthaste_rest::health_router(engine.clone(), RestOptions { access })
    };
    match access {
        Access::Keyed => router,
        Access::Open => loopback::only_local_hosts(router),
    }
}

/// Every transport of the API.
fn api(engine: &Engine, access: Access, ending: &CancellationToken) -> Router {
    let rest = posthaste_rest::router(engine.clone(), RestOptions { access });
    let graphql = posthaste_graphql::router(engine.clone(), GraphqlOptions { access, ending: ending.clone() });
    // The REST API's answers to unknown paths are everybody's.
    rest.merge(posthaste_rest::framed(graphql)).merge(posthaste_grpc::routes(engine, access, ending))
}

/// `/metrics` without a key, on a listener of its own, beside the probes.
pub fn metrics(engine: &Engine) -> Router {
    probes(engine).merge(posthaste_rest::metrics_router(engine.clone()))
}

/// Only whether the process lives and is ready.
fn probes(engine: &Engine) -> Router {
    let engine = engine.clone();
    let ready = async move || {
        if engine.is_ready() {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "this node holds no fresh lease\n")
        }
    };
    Router::new().route("/livez", get(async || "live\n")).route("/readyz", get(ready))
}
