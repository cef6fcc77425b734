//! Why a filter does not want a message, in words.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::{LeafRef, OrderTest, Test};

/// How much of a value is shown, in characters.
const SHOWN_CHARS: usize = 80;

/// The first condition that failed. Its `Display` is a sentence without a full stop.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure<'a> {
    /// A value is not as a condition asks.
    Condition {
        /// The condition.
        leaf: LeafRef<'a>,
        /// What was found.
        found: Option<Cow<'a, Value>>,
    },
    /// The condition asks about a payload that is not JSON.
    NotJson {
        /// The condition.
        leaf: LeafRef<'a>,
    },
    /// No alternative of an `$or` holds.
    NoneOf {
        /// Where it stands in the filter.
        pointer: &'a str,
        /// How many alternatives there are.
        count: usize,
    },
    /// What a `$not` rules out is so.
    Excluded {
        /// Where it stands in the filter.
        pointer: &'a str,
    },
}

impl Failure<'_> {
    /// A JSON pointer to the condition, from the filter's own root.
    pub fn pointer(&self) -> &str {
        match self {
            Self::Condition { leaf, .. } | Self::NotJson { leaf } => &leaf.0.pointer,
            Self::NoneOf { pointer, .. } | Self::Excluded { pointer } => pointer,
        }
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition { leaf, found } => {
                let path = &leaf.0.path.text;
                match found {
                    Some(value) => write!(f, "`{path}` is {}", shown(value))?,
                    None => write!(f, "`{path}` is missing")?,
                }
                write!(f, ", but the filter asks for {}", asked(&leaf.0.test))
            }
            Self::NotJson { leaf } => {
                write!(f, "the payload is not JSON, but the filter asks about `{}`", leaf.0.path.text)
            }
            Self::NoneOf { pointer, count } => write!(f, "none of the {count} alternatives at `{pointer}` holds"),
            Self::Excluded { pointer } => write!(f, "what `{pointer}` rules out is so"),
        }
    }
}

/// An operator with its operand, as it is written.
fn asked(test: &Test) -> String {
    let list = |operator: &str, list: &[Value]| {
        format!("{operator} {}", cut(&serde_json::to_string(list).unwrap_or_default()))
    };
    match test {
        Test::Eq(operand) => format!("$eq {}", shown(operand)),
        Test::Ne(operand) => format!("$ne {}", shown(operand)),
        Test::Order(order, operand) => {
            let operator = match order {
                OrderTest::Gt => "$gt",
                OrderTest::Gte => "$gte",
                OrderTest::Lt => "$lt",
                OrderTest::Lte => "$lte",
            };
            format!("{operator} {}", shown(operand))
        }
        Test::In(operands) => list("$in", operands),
        Test::Nin(operands) => list("$nin", operands),
        Test::Exists(wanted) => format!("$exists {wanted}"),
        Test::StartsWith(text) => format!("$startsWith {}", shown(&Value::String(text.clone()))),
        Test::EndsWith(text) => format!("$endsWith {}", shown(&Value::String(text.clone()))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        // Not written out first: they may be as large as the whole payload.
        Value::Array(elements) => format!("an array of {}", elements.len()),
        Value::Object(members) => format!("an object of {}", members.len()),
        Value::String(text) => {
            let start = text.char_indices().nth(SHOWN_CHARS).map_or(text.as_str(), |(end, _)| &text[..end]);
            let more = if start.len() < text.len() { "…" } else { "" };
            format!("{}{more}", Value::String(start.to_owned()))
        }
        scalar => scalar.to_string(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
