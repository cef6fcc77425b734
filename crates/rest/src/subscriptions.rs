//! Subscribing a URL to a topic, for those who do not care about endpoints.

use axum::extract::State;
use http::StatusCode;
use posthaste_engine::subscriptions::{SubscribeDraft, UnsubscribeDraft};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::Json;
use crate::endpoints::EndpointView;
use crate::query::NoQuery;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(subscribe)).routes(routes!(unsubscribe))
}

/// What unsubscribing did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unsubscribed)]
struct RemovedView {
    /// Whether there was anything to take off.
    removed: bool,
}

/// Subscribe a URL to a topic
///
/// One endpoint per tenant and URL; the topic is added to it. Twice is once.
#[utoipa::path(post, path = "/v1/subscribe", tag = "endpoints", request_body = SubscribeDraft, responses(
    (status = 200, description = "The URL's endpoint, which was there", body = EndpointView),
    (status = 201, description = "The URL's endpoint, which is new", body = EndpointView)))]
async fn subscribe(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    _: NoQuery,
    Json(body): Json,
) -> Answer {
    let subscribed = app.engine().subscribe(&caller, body).await?;
    let (id, revision) = (subscribed.endpoint.id, subscribed.endpoint.revision);
    let view = EndpointView::from(subscribed.endpoint);
    if subscribed.created {
        answer::created(&format!("/v1/endpoints/{id}"), Some(revision), &view)
    } else {
        answer::revised(StatusCode::OK, revision, &view)
    }
}

/// Take a URL off a topic
///
/// Without a topic the URL goes everywhere.
#[utoipa::path(post, path = "/v1/unsubscribe", tag = "endpoints", request_body = UnsubscribeDraft,
    responses((status = 200, description = "Whether there was anything to take off", body = RemovedView)))]
async fn unsubscribe(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    _: NoQuery,
    Json(body): Json,
) -> Answer {
    let removed = app.engine().unsubscribe(&caller, body).await?;
    answer::json(StatusCode::OK, &RemovedView { removed })
}
