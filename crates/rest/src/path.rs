//! The last part of a path: an id, a name, or `uid:` and a caller's own id.

use axum::extract::{FromRequestParts, Path};
use http::StatusCode;
use http::request::Parts;

use crate::problem::Problem;

/// The one variable part of a path, decoded.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What cannot be decoded names nothing that there is.
        let absent = |_| Problem::new(StatusCode::NOT_FOUND, "not_found", "the path holds something that is not UTF-8");
        Path::<String>::from_request_parts(parts, state).await.map(|Path(id)| Self(id)).map_err(absent)
    }
}
