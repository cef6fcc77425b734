//! CloudEvents, as the HTTP binding has them: structured, batched, or binary with the attributes in a map.

use std::collections::BTreeMap;

use posthaste_core::cloudevents::{Mode, encode_header_value, parse_batch, parse_binary, parse_structured};
use posthaste_engine::{Caller, Engine, EngineError};

use crate::proto::publish_result::Result as Outcome;
use crate::proto::{PublishEventsRequest, PublishResult};
use crate::{status, view};

/// Publishes what a request holds; pointers lead into the request, and through its body into the event's members.
pub async fn publish(
    engine: &Engine,
    caller: &Caller,
    request: PublishEventsRequest,
    trace: Option<String>,
) -> Result<Vec<PublishResult>, EngineError> {
    let PublishEventsRequest { content_type, body, attributes, tenant } = request;
    let tenant = tenant.as_deref();
    let mode =
        Mode::of(content_type.as_deref()).map_err(|error| EngineError::invalid("/content_type", error.detail))?;
    let in_body = |error| status::within(error, |pointer| format!("/body{pointer}"));
    if mode != Mode::Binary && !attributes.is_empty() {
        let detail = "attributes stand in the event here: leave them out, or send binary mode";
        return Err(EngineError::invalid("/attributes", detail));
    }
    let accepted = |receipt| PublishResult { result: Some(Outcome::Receipt(view::receipt(receipt))) };
    match mode {
        Mode::Structured => {
            let event = parse_structured(&body).map_err(|error| in_body(error.into()))?;
            let receipt = engine.publish_event(caller, tenant, event, trace).await.map_err(in_body)?;
            Ok(vec![accepted(receipt)])
        }
        Mode::Binary => {
            let pairs = headers(content_type, &attributes);
            let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let event = parse_binary(pairs, &body).map_err(|error| in_attributes(error.into()))?;
            let receipt = engine.publish_event(caller, tenant, event, trace).await.map_err(in_attributes)?;
            Ok(vec![accepted(receipt)])
        }
        Mode::Batched => {
            let events = parse_batch(&body).map_err(|error| in_body(error.into()))?;
            let answers = engine.publish_events(caller, tenant, events, trace.as_deref()).await.map_err(in_body)?;
            let result = |(index, answer): (usize, Result<_, _>)| match answer {
                Ok(receipt) => accepted(receipt),
                Err(error) => {
                    let placed = status::within(error, |pointer| format!("/body/{index}{pointer}"));
                    PublishResult { result: Some(Outcome::Error(status::problem(placed))) }
                }
            };
            Ok(answers.into_iter().enumerate().map(result).collect())
        }
    }
}

/// The attributes as the headers that they are in HTTP.
fn headers(content_type: Option<String>, attributes: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let attributes = attributes.iter().map(|(name, value)| (format!("ce-{name}"), encode_header_value(value)));
    attributes.chain(content_type.map(|kind| ("content-type".to_owned(), kind))).collect()
}

fn in_attributes(error: EngineError) -> EngineError {
    status::within(error, |pointer| match pointer {
        "/datacontenttype" => "/content_type".to_owned(),
        "/data" | "/payload" | "" => "/body".to_owned(),
        attribute => format!("/attributes{attribute}"),
    })
}
