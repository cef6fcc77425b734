//! Erasures: what has to go before its age.

use axum::extract::State;
use http::StatusCode;
use posthaste_core::{ReplayId, Tenant, Timestamp};
use posthaste_engine::erasures::ErasureDraft;
use posthaste_store::jobs::Job;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::Json;
use crate::query::NoQuery;
use crate::replays::ReplayState;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(start_erasure))
}

/// An erasure under way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Erasure)]
struct ErasureView {
    id: ReplayId,
    /// Whose things it erases; null: every tenant's.
    tenant: Option<Tenant>,
    state: ReplayState,
    /// How many things it found to erase.
    matched: u64,
    /// How many it has erased.
    erased: u64,
    created_at: Timestamp,
}

impl From<Job> for ErasureView {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            tenant: job.tenant,
            state: job.state.into(),
            matched: job.matched,
            erased: job.done,
            created_at: job.created_at,
        }
    }
}

/// Erase messages or deliveries
///
/// Give exactly one of `tenant`, `topic`, `endpoint_id`, `message_id`, `delivery_id`, `metadata`. When this answers,
/// no read shows any more what goes; it is removed step by step.
#[utoipa::path(post, path = "/v1/erase", tag = "system", request_body = ErasureDraft,
    responses((status = 202, description = "Nothing of it is shown any more", body = ErasureView)))]
async fn start_erasure(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    _: NoQuery,
    Json(body): Json,
) -> Answer {
    let job = app.engine().start_erasure(&caller, body).await?;
    answer::json(StatusCode::ACCEPTED, &ErasureView::from(job))
}
