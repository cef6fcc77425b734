//! Endpoint filters: a JSON object that says which messages an endpoint wants, beyond their topic.
//!
//! ```json
//! {"payload.total": {"$gte": 100}, "topic": {"$startsWith": "order."}, "$not": {"metadata.source": "test"}}
//! ```
//!
//! # The language
//!
//! * All members of an object must hold. `$and` and `$or` take a list of filters, `$not` one filter.
//! * Any other member names a value by a dotted path that begins with `payload`, `topic`, `headers` or `metadata`. Paths
//!   may be nested instead: `{"payload": {"total": 1}}` is `{"payload.total": 1}`.
//! * A value that is not an object is what the named one must equal. An object of `$` members holds operators, all of
//!   which must hold: `$eq $ne $gt $gte $lt $lte $in $nin $exists $startsWith $endsWith`, and again `$and $or $not`, over
//!   the same path. To compare with a whole object: `{"$eq": {…}}`.
//! * In a payload a segment is a member's name, or an element's number if it meets an array (`payload.items.0.id`). An
//!   array is otherwise compared as a whole; nothing looks for a match among its elements. A dot in a member's name is
//!   written `\.` and a backslash `\\`. After `headers.` and `metadata.` the rest is the name, dots and all; names of
//!   headers are case-insensitive.
//!
//! # What holds
//!
//! * Where there is no value, `$ne`, `$nin` and `{"$exists": false}` hold and nothing else does. A null is a value.
//! * Values of different types are unequal, and neither is less: such a comparison does not hold. Headers, metadata and
//!   the topic are texts, also where they look like numbers.
//! * Numbers are compared as numbers: `1` equals `1.0`, integers from −2⁶³ to 2⁶⁴ − 1 exactly, also with fractions; others
//!   are the nearest IEEE double. Texts are ordered by code points, so times of one RFC 3339 form compare as times.
//! * A condition on a payload that is not JSON (or nested deeper than 128) does not hold, and neither does its `$not`:
//!   nothing can be said about what cannot be read.
//!
//! A filter is compiled once. Its conditions are bounded in depth and number, each costs at most its own length, and
//! there are no loops, so what an evaluation costs is bounded by the filter alone, whatever the payload.

mod compare;
mod compile;
mod explain;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

pub use explain::Failure;

/// How deep a filter's objects and lists may nest.
pub const MAX_DEPTH: usize = 8;

/// How many values a filter may have in all, those in `$in` lists and compared objects included.
pub const MAX_VALUES: usize = 256;

/// The most bytes that a filter's member names and texts may have together.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// The most segments of a path.
pub const MAX_SEGMENTS: usize = 32;

/// A compiled filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    root: Node,
}

/// Why a filter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct FilterError {
    /// A JSON pointer (RFC 6901) from the filter's own root; empty for the filter as a whole.
    pub pointer: String,
    /// What is wrong and what to write instead.
    pub detail: String,
}

/// A message's payload, read as JSON at most once, and only if some filter asks: one is shared by all the endpoints that
/// a message is matched with.
#[derive(Debug)]
pub struct Payload<'a> {
    bytes: &'a [u8],
    json: OnceLock<Option<Value>>,
}

impl<'a> Payload<'a> {
    /// Reads nothing yet.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, json: OnceLock::new() }
    }

    /// The payload as JSON, if it is JSON.
    pub fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_slice(self.bytes).ok()).as_ref()
    }
}

/// What a filter sees of a message.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The message's topic.
    pub topic: Option<&'a str>,
    /// The message's headers, names in any case.
    pub headers: &'a BTreeMap<String, String>,
    /// The message's metadata.
    pub metadata: &'a BTreeMap<String, String>,
    /// The message's payload.
    pub payload: &'a Payload<'a>,
}

/// Whether an endpoint wants a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict<'a> {
    /// It does.
    Holds,
    /// It does not; the failure's `Display` says in words which condition failed and what was found.
    Fails(Failure<'a>),
}

impl Verdict<'_> {
    /// Whether the endpoint wants the message.
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Holds)
    }
}

impl Filter {
    /// Evaluates the filter. The payload is read if a condition asks about it, and never copied.
    pub fn evaluate<'a>(&'a self, input: &Input<'a>) -> Verdict<'a> {
        match self.root.evaluate(input) {
            Truth::Holds => Verdict::Holds,
            Truth::Fails(failure) | Truth::Unknown(failure) => Verdict::Fails(failure),
        }
    }
}

/// A condition, or several.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    All(Vec<Self>),
    Any { pointer: String, nodes: Vec<Self> },
    Not { pointer: String, node: Box<Self> },
    Leaf(Leaf),
}

/// Kleene's three values: what is unknown stays unknown when it is negated.
enum Truth<'a> {
    Holds,
    Fails(Failure<'a>),
    /// It depends on a payload that cannot be read.
    Unknown(Failure<'a>),
}

impl Node {
    fn evaluate<'a>(&'a self, input: &Input<'a>) -> Truth<'a> {
        match self {
            Self::All(nodes) => {
                let mut unknown = None;
                for node in nodes {
                    match node.evaluate(input) {
                        Truth::Holds => {}
                        fails @ Truth::Fails(_) => return fails,
                        Truth::Unknown(failure) => unknown = unknown.or(Some(failure)),
                    }
                }
                unknown.map_or(Truth::Holds, Truth::Unknown)
            }
            Self::Any { pointer, nodes } => {
                let mut unknown = None;
                for node in nodes {
                    match node.evaluate(input) {
                        Truth::Holds => return Truth::Holds,
                        Truth::Fails(_) => {}
                        Truth::Unknown(failure) => unknown = unknown.or(Some(failure)),
                    }
                }
                unknown.map_or(Truth::Fails(Failure::NoneOf { pointer, count: nodes.len() }), Truth::Unknown)
            }
            Self::Not { pointer, node } => match node.evaluate(input) {
                Truth::Holds => Truth::Fails(Failure::Excluded { pointer }),
                Truth::Fails(_) => Truth::Holds,
                unknown @ Truth::Unknown(_) => unknown,
            },
            Self::Leaf(leaf) => leaf.evaluate(input),
        }
    }
}

/// One condition on one value.
#[derive(Debug, Clone, PartialEq)]
struct Leaf {
    /// Where it stands in the filter.
    pointer: String,
    path: Path,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
struct Path {
    /// As it is shown to people.
    text: String,
    source: Source,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    Topic,
    /// The header of that name in lower case.
    Header(String),
    Metadata(String),
    Payload(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Eq(Value),
    Ne(Value),
    /// The operand is a number or a text.
    Order(OrderTest, Value),
    In(Vec<Value>),
    Nin(Vec<Value>),
    Exists(bool),
    StartsWith(String),
    EndsWith(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OrderTest {
    Gt,
    Gte,
    Lt,
    Lte,
}

impl Leaf {
    fn evaluate<'a>(&'a self, input: &Input<'a>) -> Truth<'a> {
        let Ok(found) = self.path.find(input) else {
            return Truth::Unknown(Failure::NotJson { leaf: LeafRef(self) });
        };
        if self.test.holds(found.as_deref()) {
            Truth::Holds
        } else {
            Truth::Fails(Failure::Condition { leaf: LeafRef(self), found })
        }
    }
}

/// A leaf inside a [`Failure`], whose own type stays private.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeafRef<'a>(&'a Leaf);

/// The payload is not JSON.
struct NotJson;

impl Path {
    /// The value it names. A text of the message becomes a JSON text, so that there is one comparison for all.
    fn find<'a>(&self, input: &Input<'a>) -> Result<Option<Cow<'a, Value>>, NotJson> {
        let text = |text: &str| Cow::Owned(Value::String(text.to_owned()));
        Ok(match &self.source {
            Source::Topic => input.topic.map(text),
            Source::Header(name) => {
                let mut headers = input.headers.iter();
                headers.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| text(value))
            }
            Source::Metadata(name) => input.metadata.get(name).map(|value| text(value)),
            Source::Payload(segments) => {
                let root = input.payload.json().ok_or(NotJson)?;
                segments.iter().try_fold(root, |value, segment| step(value, segment)).map(Cow::Borrowed)
            }
        })
    }
}

/// One segment further into a payload.
fn step<'a>(value: &'a Value, segment: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(segment),
        Value::Array(elements) => {
            let canonical = segment == "0" || !segment.starts_with(['0', '+']);
            elements.get(segment.parse::<usize>().ok().filter(|_| canonical)?)
        }
        _ => None,
    }
}

impl Test {
    fn holds(&self, found: Option<&Value>) -> bool {
        match self {
            Self::Exists(wanted) => found.is_some() == *wanted,
            Self::Ne(operand) => found.is_none_or(|value| !compare::equal(value, operand)),
            Self::Nin(list) => found.is_none_or(|value| list.iter().all(|operand| !compare::equal(value, operand))),
            Self::Eq(operand) => found.is_some_and(|value| compare::equal(value, operand)),
            Self::In(list) => found.is_some_and(|value| list.iter().any(|operand| compare::equal(value, operand))),
            Self::Order(test, operand) => {
                let order = found.and_then(|value| compare::order(value, operand));
                order.is_some_and(|order| match test {
                    OrderTest::Gt => order.is_gt(),
                    OrderTest::Gte => order.is_ge(),
                    OrderTest::Lt => order.is_lt(),
                    OrderTest::Lte => order.is_le(),
                })
            }
            Self::StartsWith(start) => found.and_then(Value::as_str).is_some_and(|text| text.starts_with(start)),
            Self::EndsWith(end) => found.and_then(Value::as_str).is_some_and(|text| text.ends_with(end)),
        }
    }
}
