//! Who asks: found out once, before a service is called, by the same rule as the REST API's.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use posthaste_engine::access::Access;
use posthaste_engine::{Caller, Engine};
use tonic::Status;

use crate::status;

/// What is needed to find out who asks.
#[derive(Clone)]
pub struct Guard {
    engine: Engine,
    access: Access,
}

impl Guard {
    /// For this engine, with or without keys.
    pub fn new(engine: Engine, access: Access) -> Self {
        Self { engine, access }
    }
}

/// Puts the caller beside the request, or refuses it.
pub async fn identify(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    match guard.engine.admit(guard.access, request.headers(), request.uri()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => status::of(error).into_http::<Body>(),
    }
}

/// The caller that was put there.
pub fn of<T>(request: &tonic::Request<T>) -> Result<Caller, Status> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| Status::internal("the caller is not known"))
}
