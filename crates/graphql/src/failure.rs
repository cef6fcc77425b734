//! Errors as GraphQL shows them: a sentence, and in `extensions` what REST has in its problem documents.

use async_graphql::indexmap::IndexMap;
use async_graphql::{ErrorExtensionValues, Name, PathSegment, Response, ServerError, Value, value};
use http::StatusCode;
use posthaste_engine::{EngineError, FieldError};

use crate::limits;

/// Members below which names are the caller's own, not the API's.
const FREE: [&str; 6] = ["headers", "metadata", "payload", "filter", "schema", "example"];

/// Gives every error of an answer its extensions.
pub fn complete(mut response: Response, request_id: Option<&str>) -> Response {
    for error in &mut response.errors {
        complete_one(error, request_id);
        put_null(&mut response.data, &error.path);
    }
    response
}

/// Puts a null where a field failed; the library leaves the field out, and whoever asked for it looks for it.
fn put_null(data: &mut Value, path: &[PathSegment]) {
    match path {
        [] => {}
        [PathSegment::Index(index), rest @ ..] => {
            if let Value::List(items) = data
                && let Some(item) = items.get_mut(*index)
            {
                put_null(item, rest);
            }
        }
        [PathSegment::Field(name), rest @ ..] => {
            // An object all of whose fields failed is a null itself.
            if *data == Value::Null {
                *data = Value::Object(IndexMap::new());
            }
            if let Value::Object(fields) = data {
                put_null(fields.entry(Name::new(name)).or_insert(Value::Null), rest);
            }
        }
    }
}

fn complete_one(error: &mut ServerError, request_id: Option<&str>) {
    let mut extensions = error.extensions.take().unwrap_or_default();
    if let Some(cause) = error.source::<EngineError>() {
        if cause.status().is_server_error() {
            tracing::warn!(request_id, code = cause.code(), status = cause.status().as_u16(), "refused");
        }
        describe(cause, &mut extensions);
    } else if extensions.get("code").is_none() {
        // What the library itself refuses: a document that does not fit the schema, or is beyond a limit.
        let code = limits::explain(&mut error.message).unwrap_or("invalid_query");
        extensions.set("code", code);
        extensions.set("status", StatusCode::BAD_REQUEST.as_u16());
    }
    if let Some(id) = request_id {
        extensions.set("request_id", id);
    }
    error.extensions = Some(extensions);
}

fn describe(cause: &EngineError, extensions: &mut ErrorExtensionValues) {
    extensions.set("code", cause.code());
    extensions.set("status", cause.status().as_u16());
    if let EngineError::Invalid(fields) = cause {
        extensions.set("errors", fields.iter().map(fault).collect::<Vec<Value>>());
    }
    if let EngineError::Busy { retry_after, .. } = cause {
        extensions.set("retry_after_seconds", retry_after.as_secs().max(1));
    }
}

fn fault(field: &FieldError) -> Value {
    value!({ "pointer": camel_pointer(&field.pointer), "detail": field.detail.clone() })
}

/// A pointer with the names that GraphQL has for the API's members.
pub fn camel_pointer(pointer: &str) -> String {
    let mut free = false;
    let mut shown = String::with_capacity(pointer.len());
    for segment in pointer.split('/').skip(1) {
        shown.push('/');
        if free {
            shown.push_str(segment);
        } else {
            shown.push_str(&camel(segment));
            free = FREE.contains(&segment);
        }
    }
    shown
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// A refusal before anything was executed, as an answer.
pub fn refusal(cause: EngineError, request_id: Option<&str>) -> Response {
    let error = async_graphql::Error::new_with_source(cause);
    let error = ServerError { source: error.source, ..ServerError::new(error.message, None) };
    complete(Response::from_errors(vec![error]), request_id)
}

#[cfg(test)]
mod tests {
    use super::camel_pointer;

    #[test]
    fn pointers_have_the_names_of_graphql_down_to_where_the_caller_names_things() {
        assert_eq!(camel_pointer("/retry/schedule_seconds/0"), "/retry/scheduleSeconds/0");
        assert_eq!(camel_pointer("/messages/3/payload_text"), "/messages/3/payloadText");
        assert_eq!(camel_pointer("/headers/x_y"), "/headers/x_y");
        assert_eq!(camel_pointer(""), "");
    }
}
