//! An attempt as a message.

use posthaste_core::Capture;
use posthaste_engine::deliveries::AttemptDetail;
use posthaste_engine::request::ShownRequest;

use crate::enums::Numbered as _;
use crate::{instant, proto};

/// An attempt.
pub fn attempt(detail: AttemptDetail) -> proto::Attempt {
    let AttemptDetail { attempt, request, response } = detail;
    #[expect(clippy::cast_precision_loss, reason = "a millisecond with three places, of some minutes")]
    let duration_ms = attempt.duration_micros as f64 / 1_000.0;
    let http_version = response.as_ref().map(|response| response.http_version.clone());
    let status_code = attempt.status_code.map(u32::from);
    proto::Attempt {
        id: attempt.id.to_string(),
        delivery_id: attempt.id.delivery().to_string(),
        number: attempt.number,
        at: Some(instant::show(attempt.at)),
        duration_ms,
        outcome: attempt.outcome.number(),
        status_code,
        error: attempt.error,
        request: request.map(|request| shown_request(request, http_version)),
        response: response.map(|response| shown_response(response, status_code)),
    }
}

fn shown_request(request: ShownRequest, http_version: Option<String>) -> proto::AttemptRequest {
    let ShownRequest { method, url, headers, body } = request;
    let headers = headers.into_iter().map(|(name, value)| proto::Header { name, value: value.into() });
    proto::AttemptRequest { method, url, http_version, headers: headers.collect(), body }
}

fn shown_response(capture: Capture, status_code: Option<u32>) -> proto::AttemptResponse {
    let Capture { http_version, reason, headers, body, truncated } = capture;
    let headers = headers.into_iter().map(|(name, value)| proto::Header { name, value: value.into() });
    let headers = headers.collect();
    proto::AttemptResponse { http_version, status_code, reason, headers, body: body.into(), truncated }
}
