//! Which routes a listener has.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use posthaste_engine::Engine;
use posthaste_rest::{Access, RestOptions};

use super::loopback;
use super::settings::Settings;

/// What the main listener answers.
pub fn main(engine: &Engine, settings: &Settings) -> Router {
    let router = if settings.serves_api() { posthaste_rest::router } else { posthaste_rest::health_router };
    match settings.admin_key {
        Some(_) => router(engine.clone(), RestOptions { access: Access::Keyed }),
        None => loopback::only_local_hosts(router(engine.clone(), RestOptions { access: Access::Open })),
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
