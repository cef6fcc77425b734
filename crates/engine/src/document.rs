//! JSON documents that callers give: read into types, with errors that point at the member.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{EngineError, FieldError, Result};

/// Reads a document; `at` is the pointer of the document itself (empty for a whole body).
pub fn read<T: DeserializeOwned>(value: Value, at: &str) -> Result<T> {
    // serde takes a list for a struct, member by member; nobody means that.
    if value.is_array() {
        return Err(EngineError::invalid(at, "give a JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| EngineError::Invalid(vec![explain(&error, at)]))
}

/// Reads a document that is still text, into a type that may borrow from it.
pub fn read_text<'de, T: serde::Deserialize<'de>>(text: &'de [u8]) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| EngineError::Invalid(vec![explain(&error, "")]))
}

/// Turns a deserialiser's complaint into one that names the member.
pub fn explain<E: std::fmt::Display>(error: &serde_path_to_error::Error<E>, at: &str) -> FieldError {
    let mut pointer = at.to_owned();
    for segment in error.path() {
        match segment {
            serde_path_to_error::Segment::Seq { index } => push_key(&mut pointer, &index.to_string()),
            serde_path_to_error::Segment::Map { key } => push_key(&mut pointer, key),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => {}
        }
    }
    let detail = error.inner().to_string();
    // serde names an unknown or missing member in its sentence, not in the path.
    for named in ["unknown field `", "missing field `"] {
        if let Some(name) = detail.strip_prefix(named).and_then(|rest| rest.split('`').next()) {
            let last = format!("/{}", escape(name));
            if !pointer.ends_with(&last) {
                pointer.push_str(&last);
            }
        }
    }
    let detail = detail.split(" at line ").next().unwrap_or_default().to_owned();
    FieldError { pointer, detail }
}

fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&escape(key));
}

/// Escapes one segment of a JSON pointer.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Applies a JSON Merge Patch (RFC 7396).
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(members) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            members.remove(&key);
        } else {
            merge(members.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use posthaste_core::endpoint::EndpointSettings;
    use serde_json::json;

    #[test]
    fn a_wrong_member_is_named_by_its_pointer() {
        let cases = [
            (json!({"url": 5, "topics": []}), "/url"),
            (json!(["http://x", ["a"]]), ""),
            (json!({"url": "http://x", "topics": [], "colour": 1}), "/colour"),
            (json!({"url": "http://x"}), "/topics"),
            (json!({"url": "http://x", "topics": ["a", "b c"]}), "/topics/1"),
            (json!({"url": "http://x", "topics": [], "retry": {"jitter": "x"}}), "/retry/jitter"),
        ];
        for (body, pointer) in cases {
            let Err(EngineError::Invalid(errors)) = read::<EndpointSettings>(body.clone(), "") else {
                panic!("accepted {body}");
            };
            assert_eq!(errors[0].pointer, pointer, "{body}: {errors:?}");
        }
    }

    #[test]
    fn a_merge_patch_sets_removes_and_nests() {
        let mut value = json!({"a": 1, "b": {"c": 2, "d": 3}});
        merge(&mut value, json!({"a": null, "b": {"c": 9}, "e": [1]}));
        assert_eq!(value, json!({"b": {"c": 9, "d": 3}, "e": [1]}));
    }
}
