//! When two JSON values are equal, and which of two is less.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Whether two values are the same JSON, numbers compared by what they amount to. Costs at most the smaller one's size.
pub fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => numbers(one, other) == Some(Ordering::Equal),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value)| other.get(name).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

/// How a value compares with another of its type; `None` for what has no order.
pub fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => numbers(one, other),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

fn numbers(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        (Some(integer), None) => integer_with_float(integer, other.as_f64()?),
        (None, Some(integer)) => integer_with_float(integer, one.as_f64()?).map(Ordering::reverse),
        (None, None) => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// Compares without rounding the integer to a double, which has but 53 bits.
fn integer_with_float(integer: i128, float: f64) -> Option<Ordering> {
    let whole = float.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "it saturates, far beyond every integer that JSON text gives")]
    let order = integer.cmp(&(whole as i128));
    Some(order.then(0.0.partial_cmp(&(float - whole))?))
}
