//! Errors as the API shows them: RFC 9457 problem documents.
//!
//! A handler returns a [`Problem`] without knowing the request's id; it travels as an extension of the response, and
//! the frame renders it.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use posthaste_engine::EngineError;
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not carried out. Boxed, because handlers carry it in their results.
#[derive(Debug, Clone)]
pub struct Problem(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Fault>,
    retry_after: Option<Duration>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// A JSON pointer (RFC 6901) into the request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// A query parameter or a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong and what to give instead.
    pub detail: String,
}

/// The document of an error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// `urn:posthaste:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The code in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened, in a sentence.
    detail: &'a str,
    /// A stable word for programs.
    code: &'a str,
    /// What is wrong with the request, member by member.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [Fault],
    /// The value of the response's header `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    request_id: Option<&'a str>,
}

impl Problem {
    /// A problem of this status and code.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Details { status, code, detail: detail.into(), errors: Vec::new(), retry_after: None }))
    }

    /// A query parameter that is wrong.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self::named("invalid_parameter", name, detail)
    }

    /// A header that is wrong.
    pub fn header(name: &str, detail: impl Into<String>) -> Self {
        Self::named("invalid_header", name, detail)
    }

    fn named(code: &'static str, name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut problem = Self::new(StatusCode::BAD_REQUEST, code, format!("{name}: {detail}"));
        problem.0.errors.push(Fault { pointer: None, parameter: Some(name.to_owned()), detail });
        problem
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Its stable word.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Puts a prefix before every pointer: the item of a batch is a part of the request's body.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        for pointer in self.0.errors.iter_mut().filter_map(|fault| fault.pointer.as_mut()) {
            pointer.insert_str(0, prefix);
        }
        self
    }

    /// The document.
    pub fn document<'a>(&'a self, request_id: Option<&'a str>) -> ProblemDocument<'a> {
        let Details { status, code, detail, errors, .. } = &*self.0;
        let mut title = code.replace('_', " ");
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let kind = format!("urn:posthaste:problem:{code}");
        ProblemDocument { kind, title, status: status.as_u16(), detail, code, errors, request_id }
    }

    /// The whole response.
    pub fn render(&self, request_id: &str) -> Response {
        // A document of texts and numbers always serialises; if not, the status still tells the truth.
        let body = serde_json::to_vec(&self.document(Some(request_id))).unwrap_or_default();
        let mut response = (self.0.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let mut problem = Self::new(error.status(), error.code(), error.to_string());
        problem.0.retry_after = match &error {
            EngineError::Busy { retry_after, .. } => Some(*retry_after),
            EngineError::Unavailable => Some(Duration::from_secs(1)),
            _ => None,
        };
        if let EngineError::Invalid(fields) = error {
            let fault = |field: posthaste_engine::FieldError| Fault {
                pointer: Some(field.pointer),
                parameter: None,
                detail: field.detail,
            };
            problem.0.errors = fields.into_iter().map(fault).collect();
        }
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_rule_names_its_member() {
        let problem = Problem::from(EngineError::invalid("/url", "not a URL")).within("/messages/3");
        let shown = serde_json::to_value(problem.document(Some("r1"))).unwrap();
        let expected = serde_json::json!({
            "type": "urn:posthaste:problem:invalid", "title": "Invalid", "status": 422, "detail": "not a URL",
            "code": "invalid", "errors": [{"pointer": "/messages/3/url", "detail": "not a URL"}], "request_id": "r1",
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_unavailable_database_is_a_503_that_says_when_to_try_again() {
        let response = Problem::from(EngineError::Unavailable).render("r1");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
    }

    #[test]
    fn a_missing_key_is_a_401_that_says_how_to_give_one() {
        let response = Problem::from(EngineError::Unauthenticated("give a key")).render("r1");
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    }
}
