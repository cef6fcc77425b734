//! Which routes a listener has.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use posthaste_engine::Engine;
use posthaste_engine::access::Access;
use posthaste_rest::RestOptions;
use tokio_util::sync::CancellationToken;

use super::loopback;
use super::settings::Settings;

/// What the main listener answers; `ending` ends the streams.
pub fn main(engine: &Engine, settings: &Settings, ending: &CancellationToken) -> Router {
    let router = |access| {
        let options = RestOptions { access };
        if !settings.serves_api() {
            return posthaste_rest::health_router(engine.clone(), options);
        }
        // The REST API's answers to unknown paths are everybody's.
        posthaste_rest::router(engine.clone(), options).merge(posthaste_grpc::routes(engine, access, ending))
    };
    match settings.admin_key {
        Some(_) => router(Access::Keyed),
        None => loopback::only_local_hosts(router(Access::Open)),
    }
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
