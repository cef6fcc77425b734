//! The OpenAPI document: made from the handlers and the types, with what all operations share added once.

use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::schedule::ScheduleSettings;
use serde_json::{Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{MEDIA_TYPE, ProblemDocument};

/// A change of an endpoint: its settings, none of which must be there.
pub struct EndpointChange;

impl PartialSchema for EndpointChange {
    fn schema() -> RefOr<Schema> {
        none_needed(EndpointSettings::schema())
    }
}

impl ToSchema for EndpointChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        EndpointSettings::schemas(schemas);
    }
}

/// A change of a schedule: its settings, none of which must be there.
pub struct ScheduleChange;

impl PartialSchema for ScheduleChange {
    fn schema() -> RefOr<Schema> {
        none_needed(ScheduleSettings::schema())
    }
}

impl ToSchema for ScheduleChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ScheduleSettings::schemas(schemas);
    }
}

fn none_needed(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.required.clear();
    }
    schema
}

/// The document before the first resource.
pub fn skeleton() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Posthaste")
        .version("1")
        .description(Some(DESCRIPTION))
        .license(Some(License::new("MIT OR Apache-2.0")))
        .build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let mut schemas = vec![(ProblemDocument::name().into_owned(), ProblemDocument::schema())];
    ProblemDocument::schemas(&mut schemas);
    let components = ComponentsBuilder::new().security_scheme("key", bearer).schemas_from_iter(schemas).build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new("key", Vec::<String>::new())]))
        .build()
}

const DESCRIPTION: &str = "Delivers webhooks. Times are RFC 3339 in UTC, spans are seconds. Lists are newest first: \
follow `next_cursor`. Errors are problem documents (RFC 9457). `uid:x` works wherever an id of an endpoint or a message \
does. A server that was started without an admin key answers on loopback only and needs no key there.";

/// The whole document as JSON text.
pub fn document() -> String {
    let (_, api) = crate::resources().split_for_parts();
    let mut document = serde_json::to_value(&api).unwrap_or_default();
    add_problems(&mut document);
    add_defaults(&mut document);
    open_parts(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// Every operation may answer with a problem.
fn add_problems(document: &mut Value) {
    let problem = json!({
        "description": "Refused: a problem document says why.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    let paths = document["paths"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
    for operation in paths.flat_map(|path| path.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut)) {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.insert("default".to_owned(), problem.clone());
        }
    }
}

/// What an endpoint's settings are where nobody says otherwise, from the settings themselves.
fn add_defaults(document: &mut Value) {
    let defaults = serde_json::to_value(EndpointSettings::new(String::new(), Vec::new())).unwrap_or_default();
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    for name in ["EndpointSettings", "EndpointDraft"] {
        let Some(schema) = schemas.get_mut(name) else { continue };
        for (member, default) in defaults.as_object().into_iter().flatten() {
            if member != "url" && member != "topics" {
                set_default(schema, member, default);
            }
        }
    }
}

fn set_default(schema: &mut Value, member: &str, default: &Value) {
    if let Some(property) = schema.pointer_mut(&format!("/properties/{member}")).and_then(Value::as_object_mut) {
        property.insert("default".to_owned(), default.clone());
    }
    for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        set_default(part, member, default);
    }
}

/// A part of an object that refuses every other member would refuse the members of the other parts: in a draft the whole
/// refuses instead, in an answer nobody has to.
fn open_parts(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    let mut parts = Vec::new();
    for (name, schema) in schemas.iter_mut() {
        let Some(all) = schema.get_mut("allOf").and_then(Value::as_array_mut) else { continue };
        for part in all.iter_mut().filter_map(Value::as_object_mut) {
            part.remove("additionalProperties");
            let reference = part.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            parts.extend(reference.map(str::to_owned));
        }
        if name.ends_with("Draft") {
            schema["unevaluatedProperties"] = Value::Bool(false);
        }
    }
    for part in parts {
        if let Some(part) = schemas.get_mut(&part).and_then(Value::as_object_mut) {
            part.remove("additionalProperties");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document of this version, kept in the repository so that a change of the API is seen in review.
    const KEPT: &str = include_str!("../openapi.json");

    #[test]
    fn the_kept_document_is_the_one_that_is_served() {
        let made = document();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), &made).unwrap();
            return;
        }
        assert!(made == KEPT, "the API changed: run UPDATE_OPENAPI=1 cargo test -p posthaste-rest openapi");
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
        let mut count = 0;
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
            count += 1;
        }
        assert!(count > 20, "{count} references");
        assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    }
}
