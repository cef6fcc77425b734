//! Attempts: HTTP exchanges, as they were made and answered.

use axum::body::Bytes;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use posthaste_core::{AttemptId, Capture, DeliveryId, Outcome, Timestamp};
use posthaste_engine::deliveries::AttemptDetail;
use posthaste_engine::request::ShownRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::cursor::{Filter, List, Listed, PageQuery};
use crate::etag::IfNoneMatch;
use crate::path::Id;
use crate::query::NoQuery;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_attempts)).routes(routes!(get_attempt))
}

/// One HTTP exchange of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptView {
    id: AttemptId,
    delivery_id: DeliveryId,
    /// Counts from 1 over the delivery's whole life.
    number: u32,
    /// When it began.
    at: Timestamp,
    duration_ms: f64,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// The failure in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Null if what it was made from is gone.
    request: Option<RequestView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<ResponseView>,
}

/// A request, made again from what it was made from; secrets are left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AttemptRequest)]
struct RequestView {
    method: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_version: Option<String>,
    headers: Vec<(String, String)>,
    #[serde(flatten)]
    body: BodyView,
}

/// What was kept of a response: at most 16 KiB of its body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AttemptResponse)]
struct ResponseView {
    http_version: String,
    status_code: Option<u16>,
    reason: String,
    headers: Vec<(String, String)>,
    #[serde(flatten)]
    body: BodyView,
    /// Whether the body went on.
    truncated: bool,
}

/// A body: `body` where it is UTF-8, else `body_base64`; neither where it is gone.
#[derive(Debug, Default, Serialize, ToSchema)]
struct BodyView {
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl From<Bytes> for BodyView {
    fn from(bytes: Bytes) -> Self {
        match str::from_utf8(&bytes) {
            Ok(text) => Self { body: Some(text.to_owned()), body_base64: None },
            Err(_) => Self { body: None, body_base64: Some(STANDARD.encode(bytes)) },
        }
    }
}

impl RequestView {
    fn new(request: ShownRequest, http_version: Option<String>) -> Self {
        let ShownRequest { method, url, headers, body } = request;
        Self { method, url, http_version, headers, body: body.map(BodyView::from).unwrap_or_default() }
    }
}

impl ResponseView {
    fn new(capture: Capture, status_code: Option<u16>) -> Self {
        let Capture { http_version, reason, headers, body, truncated } = capture;
        let headers = headers.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()));
        Self { http_version, status_code, reason, headers: headers.collect(), body: shown(body, truncated), truncated }
    }
}

/// The body of a capture. One that was cut within a character is still a text, up to that character.
fn shown(mut body: Vec<u8>, truncated: bool) -> BodyView {
    if truncated
        && let Err(error) = str::from_utf8(&body)
        && error.error_len().is_none()
    {
        body.truncate(error.valid_up_to());
    }
    Bytes::from(body).into()
}

impl From<AttemptDetail> for AttemptView {
    fn from(detail: AttemptDetail) -> Self {
        let AttemptDetail { attempt, request, response } = detail;
        #[expect(clippy::cast_precision_loss, reason = "a millisecond with three places, of some minutes")]
        let duration_ms = attempt.duration_micros as f64 / 1_000.0;
        let http_version = response.as_ref().map(|response| response.http_version.clone());
        Self {
            id: attempt.id,
            delivery_id: attempt.id.delivery(),
            number: attempt.number,
            at: attempt.at,
            duration_ms,
            outcome: attempt.outcome,
            status_code: attempt.status_code,
            error: attempt.error,
            request: request.map(|request| RequestView::new(request, http_version)),
            response: response.map(|response| ResponseView::new(response, attempt.status_code)),
        }
    }
}

/// A delivery's attempts are not filtered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoFilter {}
impl Filter for NoFilter {}

/// List a delivery's attempts
#[utoipa::path(get, path = "/v1/deliveries/{id}/attempts", tag = "attempts",
    params(("id" = DeliveryId, Path), PageQuery),
    responses((status = 200, description = "A page of its attempts", body = Listed<AttemptView>)))]
async fn list_attempts(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    list: List<NoFilter>,
) -> Answer {
    let slice = app.engine().attempts(&caller, &id, list.page).await?;
    answer::json(StatusCode::OK, &list.show(slice, AttemptView::from))
}

/// Read an attempt
#[utoipa::path(get, path = "/v1/attempts/{id}", tag = "attempts", params(("id" = AttemptId, Path)),
    responses((status = 200, description = "The attempt", body = AttemptView)))]
async fn get_attempt(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    _: NoQuery,
    known: IfNoneMatch,
) -> Answer {
    let detail = app.engine().attempt(&caller, &id).await?;
    answer::read(&known, None, &AttemptView::from(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_was_cut_within_a_character_is_still_a_text() {
        let cut = "naïve ü".as_bytes();
        let cut = cut[..cut.len() - 1].to_vec();
        assert_eq!(shown(cut.clone(), true).body.as_deref(), Some("naïve "));
        assert!(shown(cut, false).body_base64.is_some());
        assert_eq!(shown(vec![0xff, b'x'], true).body_base64.as_deref(), Some("/3g="));
    }
}
