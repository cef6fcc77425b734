//! CloudEvents 1.0: what an event's attributes may be, and events as they come in by HTTP.
//!
//! Sources: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>, `formats/json-format.md` and
//! `bindings/http-protocol-binding.md` beside it. How events go out is [`crate::format`]'s affair.
//!
//! Every rule with the word MUST is held, and the error names the attribute. What the specification only recommends (names
//! of at most 20 characters, media types that are registered) is the sender's business.

mod binary;
mod structured;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

pub use binary::{encode_header_value, parse_binary};
pub use structured::{parse_batch, parse_structured};

/// The content type of one event in structured mode.
pub const STRUCTURED: &str = "application/cloudevents+json";

/// The content type of a list of events.
pub const BATCHED: &str = "application/cloudevents-batch+json";

/// The version of the specification that is spoken.
pub const SPEC_VERSION: &str = "1.0";

/// What a header's name begins with in binary mode.
pub const HEADER_PREFIX: &str = "ce-";

/// The most attributes of one event.
pub const MAX_ATTRIBUTES: usize = 64;

/// The most bytes of one event's attributes, names and values together: they go out as headers.
pub const MAX_ATTRIBUTE_BYTES: usize = 8 * 1024;

/// How an event is laid out in an HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One JSON document with attributes and data.
    Structured,
    /// A JSON list of such documents.
    Batched,
    /// Attributes in headers, data in the body.
    Binary,
}

impl Mode {
    /// The mode that a request's content type asks for; an error for a format other than JSON.
    pub fn of(content_type: Option<&str>) -> Result<Self, EventError> {
        let media = content_type.map(media_type).unwrap_or_default();
        match media.as_str() {
            STRUCTURED => Ok(Self::Structured),
            BATCHED => Ok(Self::Batched),
            other if other.starts_with("application/cloudevents") => Err(EventError::new(
                "datacontenttype",
                format!("events in {other} are not read: send {STRUCTURED}, {BATCHED} or binary mode"),
            )),
            _ => Ok(Self::Binary),
        }
    }
}

/// An attribute's value. The types that the specification writes as text (URI, time, bytes) stay the text they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// A Boolean.
    Boolean(bool),
    /// An integer of 32 bits.
    Integer(i32),
    /// A text.
    Text(String),
}

impl AttributeValue {
    /// As a text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Boolean(_) | Self::Integer(_) => None,
        }
    }
}

impl fmt::Display for AttributeValue {
    /// The canonical text of the specification's type system.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
        }
    }
}

/// The attributes of an event by name, except `specversion`, which is always 1.0, and `datacontenttype`, which is the
/// message's content type.
pub type Attributes = BTreeMap<String, AttributeValue>;

/// An event that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// Its attributes: `id`, `source` and `type` are there, and they are texts.
    pub attributes: Attributes,
    /// The content type of its data.
    pub content_type: String,
    /// Its data; empty if it has none.
    pub data: Cow<'a, [u8]>,
}

impl Event<'_> {
    /// The attribute `id`.
    pub fn id(&self) -> &str {
        self.text("id")
    }

    /// The attribute `source`; with the id it tells the event from every other.
    pub fn source(&self) -> &str {
        self.text("source")
    }

    /// The attribute `type`.
    pub fn kind(&self) -> &str {
        self.text("type")
    }

    fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(AttributeValue::as_text).unwrap_or_default()
    }
}

/// What is wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct EventError {
    /// The attribute, `data`, or empty where the whole is no event.
    pub attribute: String,
    /// What is wrong and what to send instead.
    pub detail: String,
}

impl EventError {
    fn new(attribute: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { attribute: attribute.into(), detail: detail.into() }
    }
}

/// Collects attributes and holds their rules.
#[derive(Debug, Default)]
struct Collector {
    attributes: Attributes,
    datacontenttype: Option<String>,
    spec_version: bool,
    bytes: usize,
    count: usize,
}

impl Collector {
    fn add(&mut self, name: &str, value: AttributeValue) -> Result<(), EventError> {
        check_name(name)?;
        self.count += 1;
        if self.count > MAX_ATTRIBUTES {
            return Err(EventError::new(name, format!("too many attributes: at most {MAX_ATTRIBUTES} are accepted")));
        }
        self.bytes += name.len() + value.as_text().map_or(11, str::len);
        if self.bytes > MAX_ATTRIBUTE_BYTES {
            let detail = format!("the attributes are too long: at most {MAX_ATTRIBUTE_BYTES} bytes are accepted");
            return Err(EventError::new(name, detail));
        }
        check_value(name, &value)?;
        let taken = match name {
            "specversion" => std::mem::replace(&mut self.spec_version, true),
            "datacontenttype" => self.datacontenttype.replace(value.to_string()).is_some(),
            _ => self.attributes.insert(name.to_owned(), value).is_some(),
        };
        if taken { Err(EventError::new(name, format!("`{name}` is there twice"))) } else { Ok(()) }
    }

    /// Whether what is required is there.
    fn complete(&self) -> Result<(), EventError> {
        let missing = |name: &str| EventError::new(name, format!("`{name}` is missing: every event has one"));
        if !self.spec_version {
            return Err(missing("specversion"));
        }
        ["id", "source", "type"]
            .into_iter()
            .try_for_each(|name| if self.attributes.contains_key(name) { Ok(()) } else { Err(missing(name)) })
    }
}

fn check_name(name: &str) -> Result<(), EventError> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        let detail = format!("`{name}` is no attribute name: use the letters a to z in lower case and digits");
        return Err(EventError::new(name, detail));
    }
    if name == "data" {
        return Err(EventError::new(name, "`data` is not an attribute: the event's data goes into the body"));
    }
    Ok(())
}

fn check_value(name: &str, value: &AttributeValue) -> Result<(), EventError> {
    let refuse = |detail: &str| Err(EventError::new(name, format!("`{name}` {detail}")));
    let defined = matches!(
        name,
        "id" | "source" | "type" | "specversion" | "subject" | "time" | "dataschema" | "datacontenttype"
    );
    let text = match value {
        AttributeValue::Text(text) => text,
        _ if defined => return refuse("is a text in every event"),
        _ => return Ok(()),
    };
    if !text.chars().all(allowed) {
        return refuse("holds a control character or one that Unicode will never assign");
    }
    if defined && text.is_empty() {
        return refuse("is empty");
    }
    match name {
        "specversion" if text != SPEC_VERSION => refuse("is not 1.0, the one version that is read"),
        "source" if !is_uri_reference(text) => refuse("is no URI reference: percent-encode what a URI does not allow"),
        "dataschema" if !is_uri(text) => {
            refuse("is no URI: begin it with its scheme, as in https://example.com/schema")
        }
        "time" if Timestamp::parse(text).is_err() => refuse("is not an RFC 3339 time such as 2026-01-31T08:30:00Z"),
        "datacontenttype" if !is_media_type(text) => refuse("is no media type such as application/json"),
        _ => Ok(()),
    }
}

/// Whether a text may hold a character: neither control nor noncharacter.
fn allowed(char: char) -> bool {
    let code = u32::from(char);
    !char.is_control() && !(0xFDD0..=0xFDEF).contains(&code) && code & 0xFFFE != 0xFFFE
}

/// RFC 3986's characters, percent signs only before two hex digits.
fn is_uri_reference(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    })
}

fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.as_bytes());
    let starts = scheme.is_some_and(|scheme| {
        let rest = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(rest)
    });
    starts && is_uri_reference(text)
}

fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    printable && media_type(text).split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// The media type without its parameters, in lower case.
pub(crate) fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a content type says that the content is JSON.
pub(crate) fn is_json(content_type: &str) -> bool {
    media_type(content_type).split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}
