//! Topics: named kinds of event.

use axum::extract::State;
use http::StatusCode;
use posthaste_core::topic::TopicDetails;
use posthaste_core::{Tenant, Timestamp, Topic, TopicName};
use posthaste_engine::topics::{TopicChange, TopicDraft};
use posthaste_store::catalog::Force;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::{Json, Patch};
use crate::cursor::{Filter, List, Listed, PageQuery};
use crate::etag::{IfMatch, IfNoneMatch};
use crate::path::Id;
use crate::query::{NoQuery, Query};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create_topic, list_topics)).routes(routes!(
        get_topic,
        update_topic,
        delete_topic
    ))
}

/// A named kind of event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Topic)]
struct TopicView {
    /// Whose topic it is; null: common to all tenants.
    tenant: Option<Tenant>,
    name: TopicName,
    #[serde(flatten)]
    details: TopicDetails,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Topic> for TopicView {
    fn from(topic: Topic) -> Self {
        let Topic { tenant, name, details, created_at, updated_at, .. } = topic;
        Self { tenant, name, details, created_at, updated_at }
    }
}

/// Whose topic is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TopicQuery {
    /// This tenant's own topic of the name wins over the common one; by default the key's tenant.
    tenant: Option<Tenant>,
}
impl Filter for TopicQuery {}

/// Whose topic is meant, and whether it goes although endpoints name it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    /// This tenant's own topic; by default the key's tenant's.
    tenant: Option<Tenant>,
    /// Remove it although endpoints name it.
    #[serde(default)]
    force: bool,
}

/// Create a topic
#[utoipa::path(post, path = "/v1/topics", tag = "topics", request_body = TopicDraft,
    responses((status = 201, description = "Created", body = TopicView)))]
async fn create_topic(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    _: NoQuery,
    Json(body): Json,
) -> Answer {
    let topic = app.engine().create_topic(&caller, body).await?;
    let mut location = format!("/v1/topics/{}", topic.name);
    if let Some(tenant) = &topic.tenant {
        location.push_str("?tenant=");
        location.extend(percent_encoding::utf8_percent_encode(tenant.as_str(), percent_encoding::NON_ALPHANUMERIC));
    }
    let revision = topic.revision;
    answer::created(&location, Some(revision), &TopicView::from(topic))
}

/// List topics
#[utoipa::path(get, path = "/v1/topics", tag = "topics", params(TopicQuery, PageQuery),
    responses((status = 200, description = "A page of topics", body = Listed<TopicView>)))]
async fn list_topics(State(app): State<App>, Authenticated(caller): Authenticated, list: List<TopicQuery>) -> Answer {
    let tenant = list.filter.tenant.as_ref().map(Tenant::as_str);
    let slice = app.engine().topics(&caller, tenant, list.page).await?;
    answer::json(StatusCode::OK, &list.show(slice, TopicView::from))
}

/// Read a topic
#[utoipa::path(get, path = "/v1/topics/{name}", tag = "topics", params(("name" = TopicName, Path), TopicQuery),
    responses((status = 200, description = "The topic", body = TopicView)))]
async fn get_topic(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(name): Id,
    Query(query): Query<TopicQuery>,
    known: IfNoneMatch,
) -> Answer {
    let topic = app.engine().topic(&caller, query.tenant.as_ref().map(Tenant::as_str), &name).await?;
    answer::read(&known, Some(topic.revision), &TopicView::from(topic))
}

/// Change a topic
#[utoipa::path(patch, path = "/v1/topics/{name}", tag = "topics", params(("name" = TopicName, Path), TopicQuery),
    request_body(content = TopicChange, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The topic as it is now", body = TopicView)))]
async fn update_topic(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(name): Id,
    Query(query): Query<TopicQuery>,
    IfMatch(revision): IfMatch,
    Patch(patch): Patch,
) -> Answer {
    let tenant = query.tenant.as_ref().map(Tenant::as_str);
    let topic = app.engine().update_topic(&caller, tenant, &name, patch, revision).await?;
    answer::revised(StatusCode::OK, topic.revision, &TopicView::from(topic))
}

/// Remove a topic
#[utoipa::path(delete, path = "/v1/topics/{name}", tag = "topics", params(("name" = TopicName, Path), DeleteQuery),
    responses((status = 204, description = "Removed; its messages stay until they are past their age")))]
async fn delete_topic(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(name): Id,
    Query(query): Query<DeleteQuery>,
    IfMatch(revision): IfMatch,
) -> Answer {
    let tenant = query.tenant.as_ref().map(Tenant::as_str);
    let force = if query.force { Force::Yes } else { Force::No };
    app.engine().delete_topic(&caller, tenant, &name, force, revision).await?;
    Ok(answer::no_content())
}
