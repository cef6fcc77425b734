//! Topics' schemas: JSON Schema, draft 2020-12, for the payloads of a topic's messages.
//!
//! `jsonschema` does the work. It is here and not in `core` because it is heavy, and without any of its features, so that
//! it can fetch nothing: a reference to another document is refused when the topic is written. Patterns run on a
//! matcher whose time is linear in the text, so look-around and back-references are refused as well. `format` only
//! annotates, as the draft says.

mod cost;

use jsonschema::{PatternOptions, Validator};
use posthaste_core::filter::Payload;
use serde_json::Value;

use crate::error::FieldError;
use cost::Cost;

/// The largest schema as JSON, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// The most errors that are told about one payload.
pub const MAX_ERRORS: usize = 10;

/// The only draft that is spoken.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The longest error, in characters.
const ERROR_CHARS: usize = 300;

/// How deep a payload may nest for the errors of a schema that refers to itself to be told one by one: their number can
/// double with every level.
const TOLD_DEPTH: usize = 6;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    cost: Cost,
}

impl Schema {
    /// Compiles a schema. The error's pointer begins at the schema's own root.
    pub fn compile(schema: &Value) -> Result<Self, FieldError> {
        if !schema.is_object() && !schema.is_boolean() {
            return Err(FieldError::new("", "a schema is an object, or true or false"));
        }
        if schema.to_string().len() > MAX_BYTES {
            return Err(FieldError::new("", format!("the schema is too large: it may have {MAX_BYTES} bytes")));
        }
        let draft = schema.get("$schema").and_then(Value::as_str).map(|draft| draft.trim_end_matches('#'));
        if draft.is_some_and(|draft| draft != DRAFT) {
            return Err(FieldError::new("/$schema", format!("only {DRAFT} is read: leave it out, or write that")));
        }
        let cost = cost::judge(schema).map_err(|(pointer, detail)| FieldError::new(pointer, detail))?;
        let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex());
        let validator = options.build(schema).map_err(|error| {
            FieldError::new(error.instance_path().as_str(), cut(&format!("not a schema that can be used: {error}")))
        })?;
        Ok(Self { validator, cost })
    }

    /// Checks a payload; the pointers begin at the payload's own root. At most [`MAX_ERRORS`].
    pub fn check(&self, payload: &Payload<'_>) -> Result<(), Vec<FieldError>> {
        let Some(value) = payload.json() else {
            return Err(vec![FieldError::new("", "the topic has a schema, so its payload has to be JSON")]);
        };
        // This remembers what it has checked already; telling the errors does not.
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if self.cost.recursive && is_deeper(value, TOLD_DEPTH) {
            return Err(vec![FieldError::new("", "the payload does not match the topic's schema")]);
        }
        let errors = self.validator.iter_errors(value).take(MAX_ERRORS);
        // Masked: an error would otherwise repeat the value, which is as large as the payload.
        let errors =
            errors.map(|error| FieldError::new(error.instance_path().as_str(), cut(&error.masked().to_string())));
        Err(errors.collect())
    }
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return value.is_object() || value.is_array() };
    match value {
        Value::Array(elements) => elements.iter().any(|element| is_deeper(element, below)),
        Value::Object(members) => members.values().any(|member| is_deeper(member, below)),
        _ => false,
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(ERROR_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(schema: &Value, payload: &str) -> Vec<String> {
        let schema = Schema::compile(schema).unwrap_or_else(|error| panic!("{schema}: {}", error.detail));
        let errors = schema.check(&Payload::new(payload.as_bytes())).err().unwrap_or_default();
        errors.into_iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect()
    }

    #[test]
    fn what_a_payload_violates_is_told_by_pointer() {
        let schema = json!({
            "type": "object", "required": ["id"],
            "properties": {"id": {"type": "integer"}, "lines": {"prefixItems": [{"type": "string"}], "maxItems": 2}},
        });
        assert_eq!(errors(&schema, r#"{"id": 1, "lines": ["a", 5]}"#), [""; 0]);
        assert_eq!(errors(&schema, "{}"), [r#" "id" is a required property"#]);
        let told = errors(&schema, r#"{"id": "1", "lines": [5]}"#);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|error| error.starts_with("/id ")), "{told:?}");
        assert!(told.iter().any(|error| error.starts_with("/lines/0 ")), "{told:?}");
        assert_eq!(errors(&schema, "hello"), [" the topic has a schema, so its payload has to be JSON"]);
        assert_eq!(errors(&json!(true), "1"), [""; 0]);
        assert_eq!(errors(&json!(false), "1").len(), 1);
    }

    #[test]
    fn at_most_ten_errors_are_told_and_none_repeats_the_payload() {
        let schema = json!({"items": {"type": "string", "maxLength": 3}});
        let payload = serde_json::to_string(&vec!["secret".repeat(1_000); 50]).unwrap();
        let told = errors(&schema, &payload);
        assert_eq!(told.len(), MAX_ERRORS);
        assert!(told.iter().all(|error| error.len() < 100 && !error.contains("secret")), "{told:?}");
    }

    #[test]
    fn a_schema_that_cannot_be_used_is_refused_by_pointer() {
        for (schema, pointer, words) in [
            (json!(5), "", "an object"),
            (json!({"type": 5}), "/type", "not a schema"),
            (json!({"properties": {"a": {"minimum": "1"}}}), "/properties/a/minimum", "not a schema"),
            (json!({"$ref": "https://example.com/other.json"}), "", "https://example.com/other.json"),
            (json!({"properties": {"a": {"$ref": "other.json"}}}), "", "other.json"),
            (json!({"$ref": "file:///etc/passwd"}), "", "file:///etc/passwd"),
            (json!({"$ref": "#/$defs/none"}), "", "does not exist"),
            (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), "/$schema", "2020-12"),
            (json!({"properties": {"a": {"pattern": "(?=a)b"}}}), "/properties/a/pattern", "regex"),
            (json!({"const": "x".repeat(MAX_BYTES)}), "", "too large"),
        ] {
            let error = Schema::compile(&schema).unwrap_err();
            assert_eq!(error.pointer, pointer, "{}", error.detail);
            assert!(error.detail.contains(words), "{}", error.detail);
        }
    }

    #[test]
    fn references_within_the_document_work() {
        let schema = json!({
            "$schema": DRAFT, "properties": {"to": {"$ref": "#/$defs/address"}, "from": {"$ref": "urn:x:address"}},
            "$defs": {"address": {"$id": "urn:x:address", "required": ["city"]}},
        });
        assert_eq!(errors(&schema, r#"{"to": {}, "from": {"city": "x"}}"#), [r#"/to "city" is a required property"#]);
    }

    #[test]
    fn schemas_that_multiply_are_refused_and_trees_are_not() {
        let next = |n: usize| json!({"allOf": [{"$ref": format!("#/$defs/d{n}")}, {"$ref": format!("#/$defs/d{n}")}]});
        let defs: serde_json::Map<_, _> = (0..30).map(|n| (format!("d{n}"), next(n + 1))).collect();
        let error = Schema::compile(&json!({"$ref": "#/$defs/d0", "$defs": defs})).unwrap_err();
        assert!(error.detail.contains("2000 subschemas"), "{}", error.detail);
        assert!(Schema::compile(&(0..70).fold(json!({}), |inner, _| json!({ "not": inner }))).is_err());

        let tree = json!({"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
        assert_eq!(errors(&tree, r#"{"left": {"right": {}}}"#), [""; 0]);
        assert_eq!(errors(&tree, r#"{"left": {"right": 5}}"#), [r#"/left/right value is not of type "object""#]);
    }

    #[test]
    fn errors_of_a_schema_that_refers_to_itself_are_not_told_one_by_one_in_a_deep_payload() {
        let twice = json!({"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, "b": {"type": "null"}}});
        let deep = |levels: usize| format!("{}{{\"b\":1}}{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert_eq!(errors(&twice, &deep(2)).len(), 4);
        // 2¹⁰⁰ errors would never be counted.
        assert_eq!(errors(&twice, &deep(100)), [" the payload does not match the topic's schema"]);
        assert_eq!(errors(&twice, &deep(100).replace('1', "null")), [""; 0]);
    }
}
