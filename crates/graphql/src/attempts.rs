//! Attempts: HTTP exchanges, as they were made and answered.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::try_join;
use posthaste_core::Capture;
use posthaste_engine::deliveries::AttemptDetail;
use posthaste_engine::request::{self, ShownRequest};

use crate::deliveries::Delivery;
use crate::scalars::{DateTime, id};
use crate::visit;
use crate::words::Outcome;

/// One HTTP exchange of a delivery.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Attempt {
    #[graphql(skip)]
    exchange: posthaste_core::Attempt,
    /// Its request, where that was made again already.
    #[graphql(skip)]
    shown: Option<ShownRequest>,
    id: ID,
    delivery_id: ID,
    /// Counts from 1 over the delivery's whole life.
    number: u32,
    /// When it began.
    at: DateTime,
    duration_ms: f64,
    outcome: Outcome,
    status_code: Option<u16>,
    /// The failure in words.
    error: Option<String>,
    response: Option<AttemptResponse>,
}

#[ComplexObject]
impl Attempt {
    /// The delivery; null once it is past its age.
    async fn delivery(&self, context: &Context<'_>) -> Result<Option<Delivery>> {
        let found = visit::of(context).delivery(self.exchange.id.delivery()).await?;
        Ok(found.map(|detail| Delivery::from((*detail).clone())))
    }

    /// Made again from what it was made from, without secrets; null if that is gone.
    async fn request(&self, context: &Context<'_>) -> Result<Option<AttemptRequest>> {
        let http_version = self.response.as_ref().map(|response| response.http_version.clone());
        let request = match &self.shown {
            Some(shown) => Some(shown.clone()),
            None => self.made_again(context).await?,
        };
        Ok(request.map(|request| AttemptRequest::new(request, http_version)))
    }
}

/// A request.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct AttemptRequest {
    /// Shared by all requests of a message; copied only for whoever asks.
    #[graphql(skip)]
    bytes: Option<Bytes>,
    method: String,
    url: String,
    http_version: Option<String>,
    headers: Vec<Header>,
}

#[ComplexObject]
impl AttemptRequest {
    /// The body, where it is UTF-8.
    #[expect(clippy::unused_async, reason = "every field is asked for so")]
    async fn body(&self, context: &Context<'_>) -> Result<Option<String>> {
        Ok(self.shown(context)?.0)
    }

    /// The body, where it is not.
    #[expect(clippy::unused_async, reason = "every field is asked for so")]
    async fn body_base64(&self, context: &Context<'_>) -> Result<Option<String>> {
        Ok(self.shown(context)?.1)
    }
}

/// What was kept of a response.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct AttemptResponse {
    #[graphql(skip)]
    bytes: Bytes,
    http_version: String,
    status_code: Option<u16>,
    reason: String,
    headers: Vec<Header>,
    /// Whether the body went on.
    truncated: bool,
}

#[ComplexObject]
impl AttemptResponse {
    /// The body, where it is UTF-8.
    #[expect(clippy::unused_async, reason = "every field is asked for so")]
    async fn body(&self, context: &Context<'_>) -> Result<Option<String>> {
        visit::of(context).show(self.bytes.len())?;
        Ok(texts(self.bytes.clone()).0)
    }

    /// The body, where it is not.
    #[expect(clippy::unused_async, reason = "every field is asked for so")]
    async fn body_base64(&self, context: &Context<'_>) -> Result<Option<String>> {
        visit::of(context).show(self.bytes.len())?;
        Ok(texts(self.bytes.clone()).1)
    }
}

/// A header's name and value.
#[derive(SimpleObject)]
pub struct Header {
    name: String,
    value: String,
}

/// A body as text or as Base64.
pub fn texts(bytes: Bytes) -> (Option<String>, Option<String>) {
    match str::from_utf8(&bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

impl AttemptRequest {
    fn new(request: ShownRequest, http_version: Option<String>) -> Self {
        let ShownRequest { method, url, headers, body } = request;
        let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
        Self { bytes: body, method, url, http_version, headers }
    }

    fn shown(&self, context: &Context<'_>) -> Result<(Option<String>, Option<String>)> {
        let Some(bytes) = &self.bytes else { return Ok((None, None)) };
        visit::of(context).show(bytes.len())?;
        Ok(texts(bytes.clone()))
    }
}

impl AttemptResponse {
    fn new(capture: Capture, status_code: Option<u16>) -> Self {
        let Capture { http_version, reason, headers, mut body, truncated } = capture;
        if truncated
            && let Err(error) = str::from_utf8(&body)
            && error.error_len().is_none()
        {
            // Cut within a character: a text still, up to that character.
            body.truncate(error.valid_up_to());
        }
        let shown = |(name, value): (String, Vec<u8>)| Header { name, value: String::from_utf8_lossy(&value).into() };
        let headers = headers.into_iter().map(shown).collect();
        Self { bytes: body.into(), http_version, status_code, reason, headers, truncated }
    }
}

impl Attempt {
    fn new(attempt: posthaste_core::Attempt, shown: Option<ShownRequest>, response: Option<Capture>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a millisecond with three places, of some minutes")]
        let duration_ms = attempt.duration_micros as f64 / 1_000.0;
        Self {
            id: id(attempt.id),
            delivery_id: id(attempt.id.delivery()),
            number: attempt.number,
            at: attempt.at.into(),
            duration_ms,
            outcome: attempt.outcome.into(),
            status_code: attempt.status_code,
            error: attempt.error.clone(),
            response: response.map(|response| AttemptResponse::new(response, attempt.status_code)),
            exchange: attempt,
            shown,
        }
    }

    /// What it was made from is read for all attempts at once; the payload only for whoever asks for the body.
    async fn made_again(&self, context: &Context<'_>) -> Result<Option<ShownRequest>> {
        let visit = visit::of(context);
        let attempt = &self.exchange;
        let (message, settings) = (attempt.id.delivery().message(), (attempt.endpoint, attempt.endpoint_revision));
        let ahead = context.look_ahead();
        let body = ahead.field("body").exists() || ahead.field("bodyBase64").exists();
        let payload = async { if body { visit.payload(message).await } else { Ok(None) } };
        let (known, settings, payload) = try_join!(visit.message(message), visit.settings(settings), payload)?;
        Ok(match (known, settings) {
            (Some(known), Some(settings)) => request::shown(&settings, &known.message, payload, attempt).ok(),
            _ => None,
        })
    }
}

impl From<AttemptDetail> for Attempt {
    fn from(detail: AttemptDetail) -> Self {
        Self::new(detail.attempt, detail.request, detail.response)
    }
}

impl From<(posthaste_core::Attempt, Option<Capture>)> for Attempt {
    fn from((attempt, response): (posthaste_core::Attempt, Option<Capture>)) -> Self {
        Self::new(attempt, None, response)
    }
}
