//! Who asks, as the engine knows them.

use axum::extract::FromRequestParts;
use http::request::Parts;
use posthaste_engine::Caller;

use crate::App;
use crate::problem::Problem;

/// The caller of a request, known and named.
pub struct Authenticated(pub Caller);

impl FromRequestParts<App> for Authenticated {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self(app.engine().admit(app.access(), &parts.headers, &parts.uri).await?))
    }
}
