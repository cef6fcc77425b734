//! Typed inputs become the JSON documents that the engine reads, in one place: the engine's rules see the same body
//! whether it came over REST or from here.

use posthaste_engine::EngineError;
use serde::Serialize;
use serde_json::Value;

/// The document of an input. Its members have the names that REST has for them.
pub fn of(input: &impl Serialize) -> Result<Value, EngineError> {
    serde_json::to_value(input).map_err(|error| EngineError::Internal(error.to_string()))
}

/// The same as text, for what is read from text.
pub fn text_of(input: &impl Serialize) -> Result<Vec<u8>, EngineError> {
    serde_json::to_vec(input).map_err(|error| EngineError::Internal(error.to_string()))
}
