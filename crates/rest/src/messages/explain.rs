//! Why a message went where it went.

use axum::extract::State;
use http::StatusCode;
use posthaste_core::{DeliveryId, DeliveryStatus, EndpointId};
use posthaste_engine::explain::Explained;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::endpoints::TenantQuery;
use crate::path::Id;
use crate::query::Query;

/// Why a message went where it went, endpoint by endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
struct ExplanationView {
    /// Those that get it first; at most 1000.
    endpoints: Vec<ExplainedView>,
}

/// One endpoint's part in a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainedEndpoint)]
struct ExplainedView {
    endpoint_id: EndpointId,
    url: Option<String>,
    /// Whether the message is owed to it.
    matched: bool,
    /// Why, or why not.
    why: String,
    delivery_id: Option<DeliveryId>,
    status: Option<DeliveryStatus>,
    /// What happens next.
    next: String,
}

impl From<Explained> for ExplainedView {
    fn from(explained: Explained) -> Self {
        let Explained { endpoint, url, matched, why, delivery, next } = explained;
        Self {
            endpoint_id: endpoint,
            url,
            matched,
            why,
            delivery_id: delivery.as_ref().map(|detail| detail.delivery.id),
            status: delivery.as_ref().map(|detail| detail.delivery.status()),
            next,
        }
    }
}

/// Explain a message
///
/// For each endpoint of its tenant why it matched or not, and what happens next.
#[utoipa::path(get, path = "/v1/messages/{id}/explain", tag = "messages", params(("id" = String, Path), TenantQuery),
    responses((status = 200, description = "The explanation", body = ExplanationView)))]
pub async fn explain_message(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
) -> Answer {
    let endpoints = app.engine().explain(&caller, query.tenant(), &id).await?;
    let endpoints = endpoints.into_iter().map(ExplainedView::from).collect();
    answer::json(StatusCode::OK, &ExplanationView { endpoints })
}
