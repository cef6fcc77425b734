//! Deliveries: messages owed to endpoints, and what became of them.

use axum::extract::State;
use http::StatusCode;
use posthaste_core::{
    CloseReason, DeliveryId, DeliveryStatus, EndpointId, MessageId, Tenant, Timestamp, TopicName, WaitingFor,
};
use posthaste_engine::deliveries::DeliveryDetail;
use posthaste_store::history::DeliveryFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::NoBody;
use crate::cursor::{Filter, List, Listed, PageQuery};
use crate::etag::IfNoneMatch;
use crate::path::Id;
use crate::query::NoQuery;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_deliveries))
        .routes(routes!(get_delivery))
        .routes(routes!(retry_delivery))
        .routes(routes!(cancel_delivery))
}

/// One message owed to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
struct DeliveryView {
    id: DeliveryId,
    message_id: MessageId,
    endpoint_id: EndpointId,
    /// The endpoint's revision when the message was accepted.
    endpoint_revision: u32,
    tenant: Tenant,
    topic: Option<TopicName>,
    /// Where it goes; null if the endpoint's record is gone.
    url: Option<String>,
    status: DeliveryStatus,
    /// Since when.
    status_at: Timestamp,
    /// Why it ended without success.
    reason: Option<CloseReason>,
    /// How many exchanges were made.
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    /// Why it waits.
    waiting_for: Option<WaitingFor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
}

impl From<DeliveryDetail> for DeliveryView {
    fn from(detail: DeliveryDetail) -> Self {
        let outline = detail.outline();
        let DeliveryDetail { delivery, url, waiting_for, next_attempt_at } = detail;
        Self {
            id: delivery.id,
            message_id: delivery.id.message(),
            endpoint_id: delivery.endpoint,
            endpoint_revision: delivery.endpoint_revision,
            tenant: delivery.tenant,
            topic: delivery.topic,
            url,
            status: outline.status,
            status_at: outline.status_at,
            reason: outline.reason,
            attempts: outline.attempts,
            next_attempt_at,
            waiting_for,
            last_status_code: outline.last_status_code,
            last_error: outline.last_error,
            created_at: outline.created_at,
            finished_at: outline.finished_at,
        }
    }
}

/// Which deliveries a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DeliveryQuery {
    /// Only in this state; `failed` are the dead letters.
    status: Option<DeliveryStatus>,
    /// Only to this endpoint.
    endpoint_id: Option<EndpointId>,
    /// Only of this message.
    message_id: Option<MessageId>,
    /// Only of this topic.
    topic: Option<TopicName>,
    /// Only this tenant's.
    tenant: Option<Tenant>,
    /// Only of messages accepted at or after.
    since: Option<Timestamp>,
    /// Only of messages accepted before.
    until: Option<Timestamp>,
}
impl Filter for DeliveryQuery {}

/// List deliveries
#[utoipa::path(get, path = "/v1/deliveries", tag = "deliveries", params(DeliveryQuery, PageQuery),
    responses((status = 200, description = "A page of deliveries", body = Listed<DeliveryView>)))]
async fn list_deliveries(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    list: List<DeliveryQuery>,
) -> Answer {
    let query = &list.filter;
    let filter = DeliveryFilter {
        tenant: caller.tenant_filter(query.tenant.as_ref().map(Tenant::as_str))?,
        message: query.message_id,
        endpoint: query.endpoint_id,
        status: query.status,
        topic: query.topic.clone(),
        since: query.since,
        until: query.until,
    };
    let slice = app.engine().deliveries(&caller, filter, list.page).await?;
    answer::json(StatusCode::OK, &list.show(slice, DeliveryView::from))
}

/// Read a delivery
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "deliveries", params(("id" = DeliveryId, Path)),
    responses((status = 200, description = "The delivery", body = DeliveryView)))]
async fn get_delivery(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    _: NoQuery,
    known: IfNoneMatch,
) -> Answer {
    let detail = app.engine().delivery(&caller, &id).await?;
    answer::read(&known, None, &DeliveryView::from(detail))
}

/// Retry a delivery
///
/// Begins a fresh schedule now, also of a succeeded one; `webhook-id` stays the same.
#[utoipa::path(post, path = "/v1/deliveries/{id}/retry", tag = "deliveries", params(("id" = DeliveryId, Path)),
    responses((status = 200, description = "The delivery as it is now", body = DeliveryView)))]
async fn retry_delivery(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    _: NoQuery,
    _: NoBody,
) -> Answer {
    let detail = app.engine().retry_delivery(&caller, &id).await?;
    answer::json(StatusCode::OK, &DeliveryView::from(detail))
}

/// Cancel a delivery
#[utoipa::path(post, path = "/v1/deliveries/{id}/cancel", tag = "deliveries", params(("id" = DeliveryId, Path)),
    responses((status = 200, description = "The delivery as it is now", body = DeliveryView)))]
async fn cancel_delivery(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    _: NoQuery,
    _: NoBody,
) -> Answer {
    let detail = app.engine().cancel_delivery(&caller, &id).await?;
    answer::json(StatusCode::OK, &DeliveryView::from(detail))
}
