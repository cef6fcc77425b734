//! JSON: `google.protobuf.Value` and `Struct` outside, `serde_json` inside.
//!
//! Protocol buffers know only doubles, so whole numbers beyond 2⁵³ lose their last digits; payloads are bytes and lose
//! nothing.

use posthaste_engine::FieldError;
use posthaste_engine::document::escape;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Number, Value};

/// Up to here every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// As JSON; the error names the member.
pub fn read(given: prost_types::Value, pointer: &str) -> Result<Value, FieldError> {
    Ok(match given.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => {
            Value::Number(read_number(number).ok_or_else(|| FieldError::new(pointer, "not a finite number"))?)
        }
        Some(Kind::ListValue(list)) => {
            let items = list.values.into_iter().enumerate();
            Value::Array(
                items.map(|(index, item)| read(item, &format!("{pointer}/{index}"))).collect::<Result<_, _>>()?,
            )
        }
        Some(Kind::StructValue(members)) => read_struct(members, pointer)?,
    })
}

/// An object as JSON; the error names the member.
pub fn read_struct(given: Struct, pointer: &str) -> Result<Value, FieldError> {
    let mut members = Map::new();
    for (name, value) in given.fields {
        let value = read(value, &format!("{pointer}/{}", escape(&name)))?;
        members.insert(name, value);
    }
    Ok(Value::Object(members))
}

fn read_number(number: f64) -> Option<Number> {
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within the exact ones")]
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

/// As it is shown.
pub fn show(value: Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.into_iter().map(show).collect() }),
        Value::Object(members) => Kind::StructValue(show_members(members)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// An object as it is shown; what is no object is shown as an empty one.
pub fn show_struct(value: Value) -> Struct {
    if let Value::Object(members) = value { show_members(members) } else { Struct::default() }
}

fn show_members(members: Map<String, Value>) -> Struct {
    Struct { fields: members.into_iter().map(|(name, value)| (name, show(value))).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_come_back_as_they_went() {
        let document = json!({"a": [1, 2.5, -3, true, null], "b": {"c": "x"}});
        assert_eq!(read(show(document.clone()), "").unwrap(), document);
    }

    #[test]
    fn a_number_that_json_does_not_know_is_named() {
        let number = prost_types::Value { kind: Some(Kind::NumberValue(f64::NAN)) };
        let document = Struct { fields: [("a/b".to_owned(), number)].into() };
        assert_eq!(read_struct(document, "/filter").unwrap_err().pointer, "/filter/a~1b");
    }
}
