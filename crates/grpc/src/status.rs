//! Errors as gRPC shows them: a status with `google.rpc` details, or a problem where one message of many is meant.

use std::collections::HashMap;
use std::time::Duration;

use posthaste_engine::{EngineError, FieldError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::proto;

/// The domain of the codes in `ErrorInfo`.
const DOMAIN: &str = "posthaste";
/// The most violations that a status names: they travel in a header, which is bounded.
const MAX_VIOLATIONS: usize = 20;

/// The status of an error.
pub fn of(error: EngineError) -> Status {
    let (code, text) = (code(&error), error.to_string());
    let mut details = ErrorDetails::new();
    details.set_error_info(error.code(), DOMAIN, HashMap::<String, String>::new());
    if let Some(after) = retry_after(&error) {
        details.set_retry_info(Some(after));
    }
    if let EngineError::Invalid(fields) = error {
        for field in fields.into_iter().take(MAX_VIOLATIONS) {
            details.add_bad_request_violation(field.pointer, field.detail);
        }
    }
    Status::with_error_details(code, text, details)
}

/// The problem of one message of many.
pub fn problem(error: EngineError) -> proto::Problem {
    let (code, detail) = (error.code().to_owned(), error.to_string());
    let retry_after_seconds = retry_after(&error).map(|after| after.as_secs_f64());
    let fields = if let EngineError::Invalid(fields) = error { fields } else { Vec::new() };
    let fault = |field: FieldError| proto::Fault { pointer: field.pointer, detail: field.detail };
    proto::Problem { code, detail, errors: fields.into_iter().map(fault).collect(), retry_after_seconds }
}

/// An error whose pointers lead into the whole request: `place` says where in it the document stands that the engine
/// read.
pub fn within(error: EngineError, place: impl Fn(&str) -> String) -> EngineError {
    match error {
        EngineError::Invalid(mut fields) => {
            for field in &mut fields {
                field.pointer = place(&field.pointer);
            }
            EngineError::Invalid(fields)
        }
        other => other,
    }
}

fn code(error: &EngineError) -> Code {
    match error {
        EngineError::Invalid(_) => Code::InvalidArgument,
        EngineError::Unauthenticated(_) => Code::Unauthenticated,
        EngineError::Forbidden(_) => Code::PermissionDenied,
        EngineError::NotFound(_) => Code::NotFound,
        EngineError::Conflict { code: "topic_exists" | "uid_taken" | "id_taken", .. } => Code::AlreadyExists,
        EngineError::Conflict { code: "changed_meanwhile", .. } | EngineError::PreconditionFailed => Code::Aborted,
        EngineError::Conflict { code: "too_many_adhoc_endpoints" | "too_many_jobs", .. }
        | EngineError::TooLarge { .. } => Code::ResourceExhausted,
        EngineError::Conflict { .. } => Code::FailedPrecondition,
        EngineError::Busy { .. } | EngineError::Unavailable => Code::Unavailable,
        EngineError::Internal(_) => Code::Internal,
    }
}

fn retry_after(error: &EngineError) -> Option<Duration> {
    match error {
        EngineError::Busy { retry_after, .. } => Some(*retry_after),
        EngineError::Unavailable => Some(Duration::from_secs(1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_rule_is_an_invalid_argument_that_names_its_member() {
        let error = within(EngineError::invalid("/url", "not a URL"), |pointer| format!("/settings{pointer}"));
        let status = of(error);
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "not a URL"));
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        assert_eq!((violations[0].field.as_str(), violations[0].description.as_str()), ("/settings/url", "not a URL"));
        assert_eq!(details.error_info().unwrap().reason, "invalid");
    }

    #[test]
    fn an_unavailable_database_says_when_to_try_again() {
        let status = of(EngineError::Unavailable);
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_error_details().retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
        assert_eq!(problem(EngineError::Unavailable).retry_after_seconds, Some(1.0));
    }
}
