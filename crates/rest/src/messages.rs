//! Messages: published, looked at, withdrawn.

mod batch;
mod explain;
mod publish;
mod view;

use axum::extract::State;
use http::StatusCode;
use posthaste_core::{Tenant, Timestamp, TopicName};
use posthaste_store::history::MessageFilter;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::cursor::{Filter, List, Listed, PageQuery};
use crate::endpoints::TenantQuery;
use crate::etag::IfNoneMatch;
use crate::path::Id;
use crate::query::Query;
pub use batch::BatchView;
pub use publish::ReceiptView;
use view::{FullMessageView, MessageView};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(publish::publish_message, list_messages))
        .routes(routes!(batch::publish_batch))
        .routes(routes!(explain::explain_message))
        .routes(routes!(get_message, cancel_message))
}

/// Which messages a list shows. `metadata.KEY=value` filters by a note of the caller's.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct MessageQuery {
    /// Only this tenant's.
    tenant: Option<Tenant>,
    /// Only of this topic.
    topic: Option<TopicName>,
    /// Only the one with this id of the caller's.
    uid: Option<String>,
    /// Only with this label.
    ordering_key: Option<String>,
    /// Only those refused after they had been taken (`true`), only the others (`false`).
    rejected: Option<bool>,
    /// Only accepted at or after.
    since: Option<Timestamp>,
    /// Only accepted before.
    until: Option<Timestamp>,
}

impl Filter for MessageQuery {
    const BY_METADATA: bool = true;
}

/// List messages
///
/// `metadata.KEY=value` filters by a note of the caller's.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(MessageQuery, PageQuery),
    responses((status = 200, description = "A page of messages, without their payloads", body = Listed<MessageView>)))]
async fn list_messages(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    list: List<MessageQuery>,
) -> Answer {
    let query = &list.filter;
    let named = query.tenant.as_ref().map(Tenant::as_str);
    let filter = MessageFilter {
        tenant: caller.tenant_filter(named)?,
        topic: query.topic.clone(),
        ordering_key: query.ordering_key.clone(),
        metadata: list.metadata.clone(),
        rejected: query.rejected,
        since: query.since,
        until: query.until,
    };
    let slice = match &query.uid {
        None => app.engine().messages(&caller, filter, list.page).await?,
        Some(uid) => app.engine().messages_with_uid(&caller, filter, uid).await?,
    };
    answer::json(StatusCode::OK, &list.show(slice, MessageView::from))
}

/// Read a message
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "messages", params(("id" = String, Path), TenantQuery),
    responses((status = 200, description = "The message with its payload", body = FullMessageView)))]
async fn get_message(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    known: IfNoneMatch,
) -> Answer {
    let detail = app.engine().message(&caller, query.tenant(), &id).await?;
    answer::read(&known, None, &FullMessageView::from(detail))
}

/// Cancel a message
///
/// Ends what is still pending of it.
#[utoipa::path(delete, path = "/v1/messages/{id}", tag = "messages", params(("id" = String, Path), TenantQuery),
    responses((status = 204, description = "Whatever was pending has ended as cancelled")))]
async fn cancel_message(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
) -> Answer {
    app.engine().cancel_message(&caller, query.tenant(), &id).await?;
    Ok(answer::no_content())
}
