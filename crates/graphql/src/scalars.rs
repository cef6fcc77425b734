//! Instants and identifiers.

use std::fmt::Display;
use std::str::FromStr;

use async_graphql::{ID, InputValueError, InputValueResult, Json, Scalar, ScalarType, Value};
use posthaste_core::Timestamp;
use posthaste_engine::EngineError;
use serde::Serialize;

/// Any JSON.
pub type AnyJson = Json<serde_json::Value>;

/// An instant: RFC 3339; in answers always in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DateTime(pub Timestamp);

#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(Timestamp::parse(&text)?)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<Timestamp> for DateTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<DateTime> for Timestamp {
    fn from(at: DateTime) -> Self {
        at.0
    }
}

/// An id, or anything else that is known by its text.
pub fn id(of: impl Display) -> ID {
    ID(of.to_string())
}

/// An argument that has a form: an id, a topic's name.
pub fn read<T: FromStr<Err: Display>>(argument: &str, text: Option<&str>) -> Result<Option<T>, EngineError> {
    let wrong = |error: T::Err| EngineError::invalid(format!("/{argument}"), error.to_string());
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

/// A map of texts as JSON.
pub fn notes(map: std::collections::BTreeMap<String, String>) -> AnyJson {
    Json(map.into_iter().map(|(name, value)| (name, serde_json::Value::String(value))).collect())
}
