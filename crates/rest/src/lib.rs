//! The REST API: parses requests, calls the engine's use cases, renders their answers. It holds no rule of its own.
//!
//! One file a resource ([`topics`], [`endpoints`], [`messages`], [`deliveries`], [`attempts`], [`keys`], [`stats`]), one
//! a habit that all of them share: [`problem`] (errors), [`body`], [`query`], [`cursor`] (pages), [`auth`], [`etag`],
//! [`idempotency`], [`request_id`], and [`frame`], the one layer around every request. The OpenAPI document is made from
//! the handlers ([`openapi`]).

#![expect(unused_qualifications, reason = "utoipa's macros write full paths")]

mod answer;
mod attempts;
mod auth;
mod body;
mod cursor;
mod deliveries;
mod docs;
mod endpoints;
mod erasures;
mod etag;
mod events;
mod frame;
mod health;
mod idempotency;
mod keys;
mod messages;
mod openapi;
mod path;
mod problem;
mod query;
mod remainder;
mod replays;
mod request_id;
mod schedules;
mod stats;
mod subscriptions;
mod tenants;
mod topics;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use posthaste_engine::Engine;
use utoipa_axum::router::OpenApiRouter;

pub use openapi::document as openapi_document;
pub use posthaste_engine::access::Access;

/// How the API is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestOptions {
    /// Whether a key is needed.
    pub access: Access,
}

/// What every handler gets; a cheap handle.
#[derive(Clone)]
pub(crate) struct App(Arc<Served>);

struct Served {
    engine: Engine,
    options: RestOptions,
}

impl App {
    fn engine(&self) -> &Engine {
        &self.0.engine
    }

    fn access(&self) -> Access {
        self.0.options.access
    }
}

/// The whole API as a router, with its own answers to unknown paths and methods.
pub fn router(engine: Engine, options: RestOptions) -> Router {
    let app = App(Arc::new(Served { engine, options }));
    let (routes, _) = resources().split_for_parts();
    routes
        .merge(docs::routes())
        .method_not_allowed_fallback(frame::wrong_method)
        .fallback(frame::not_found)
        .layer(from_fn(frame::surround))
        .with_state(app)
}

/// What a node answers that does not serve the API: whether it lives, whether it is ready, how it is doing.
pub fn health_router(engine: Engine, options: RestOptions) -> Router {
    let app = App(Arc::new(Served { engine, options }));
    let (routes, _) = health::routes().split_for_parts();
    routes
        .method_not_allowed_fallback(frame::wrong_method)
        .fallback(frame::not_found)
        .layer(from_fn(frame::surround))
        .with_state(app)
}

/// Routes of another transport, with what surrounds every request here: an id, and refusals that a client still sending
/// can read.
pub fn framed(routes: Router) -> Router {
    routes.layer(from_fn(frame::surround))
}

/// `/metrics` alone, for a listener of its own that needs no key.
pub fn metrics_router(engine: Engine) -> Router {
    let app = App(Arc::new(Served { engine, options: RestOptions { access: Access::Open } }));
    Router::new().route("/metrics", get(async move || health::metrics_text(&app)))
}

/// Every resource; a new one is a file and a line here.
fn resources() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::skeleton())
        .merge(topics::routes())
        .merge(endpoints::routes())
        .merge(messages::routes())
        .merge(events::routes())
        .merge(deliveries::routes())
        .merge(attempts::routes())
        .merge(subscriptions::routes())
        .merge(schedules::routes())
        .merge(replays::routes())
        .merge(erasures::routes())
        .merge(keys::routes())
        .merge(stats::routes())
        .merge(tenants::routes())
        .merge(health::routes())
}
