//! Successful answers.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::etag::{self, IfNoneMatch};
use crate::problem::Problem;

/// What every handler returns.
pub type Answer = Result<Response, Problem>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A document.
pub fn json(status: StatusCode, document: &impl Serialize) -> Answer {
    Ok(respond(status, encode(document)?))
}

/// An object that counts its revisions.
pub fn revised(status: StatusCode, revision: u32, document: &impl Serialize) -> Answer {
    let mut response = respond(status, encode(document)?);
    response.headers_mut().insert(ETAG, etag::of_revision(revision));
    Ok(response)
}

/// A new object, and where it is.
pub fn created(location: &str, revision: Option<u32>, document: &impl Serialize) -> Answer {
    let mut response = respond(StatusCode::CREATED, encode(document)?);
    // Ids and names are of characters that a path may hold; anything else is left out rather than wrong.
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    if let Some(revision) = revision {
        response.headers_mut().insert(ETAG, etag::of_revision(revision));
    }
    Ok(response)
}

/// A work that goes on by itself, and where to look at it.
pub fn started(location: &str, document: &impl Serialize) -> Answer {
    let mut response = created(location, None, document)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// An object that is read; without a body if the reader has it already.
pub fn read(known: &IfNoneMatch, revision: Option<u32>, document: &impl Serialize) -> Answer {
    let body = encode(document)?;
    let tag = revision.map_or_else(|| etag::of_body(&body), etag::of_revision);
    let mut response =
        if known.has(&tag) { StatusCode::NOT_MODIFIED.into_response() } else { respond(StatusCode::OK, body) };
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

/// Done, and nothing to show.
pub fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

fn encode(document: &impl Serialize) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::with_capacity(256);
    match serde_json::to_writer(&mut body, document) {
        Ok(()) => Ok(body),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            let detail = "something failed inside the server; its log says what";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail))
        }
    }
}

fn respond(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
