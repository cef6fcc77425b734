//! Structured mode: one JSON document per event, or a list of them.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{AttributeValue, Collector, Event, EventError, is_json};

/// Reads one event. JSON data is a slice of `document`, byte for byte.
pub fn parse_structured(document: &[u8]) -> Result<Event<'_>, EventError> {
    let members: Members<'_> = serde_json::from_slice(document)
        .map_err(|error| EventError::new("", format!("the event is no JSON object: {error}")))?;
    event(members)
}

/// Reads a list of events, each for itself: one that is wrong does not spoil its neighbours.
pub fn parse_batch(document: &[u8]) -> Result<Vec<Result<Event<'_>, EventError>>, EventError> {
    let items: Vec<&RawValue> = serde_json::from_slice(document)
        .map_err(|error| EventError::new("", format!("the batch is no JSON list of events: {error}")))?;
    Ok(items.into_iter().map(|item| parse_structured(item.get().as_bytes())).collect())
}

/// The members as they stand, in order; also those that come twice, which a map would hide.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn event(members: Members<'_>) -> Result<Event<'_>, EventError> {
    let mut collector = Collector::default();
    let (mut data, mut data_base64) = (None, None);
    for (name, value) in members.0 {
        let given = match name.as_ref() {
            "data" => data.replace(value).is_some(),
            "data_base64" => data_base64.replace(value).is_some(),
            // The JSON format lets what is unset be written as null.
            _ if value.get() == "null" => false,
            name => {
                collector.add(name, attribute(name, value)?)?;
                false
            }
        };
        if given {
            return Err(EventError::new(name.as_ref(), format!("`{name}` is there twice")));
        }
    }
    collector.complete()?;
    let content_type = collector.datacontenttype.unwrap_or_else(|| "application/json".to_owned());
    let data = match (data, data_base64) {
        (None, None) => Cow::Borrowed(&[][..]),
        (Some(json), None) => inline(json, &content_type),
        (None, Some(encoded)) => Cow::Owned(decoded(encoded)?),
        (Some(_), Some(_)) => {
            return Err(EventError::new("data", "give `data` or `data_base64`, not both"));
        }
    };
    Ok(Event { attributes: collector.attributes, content_type, data })
}

fn attribute(name: &str, value: &RawValue) -> Result<AttributeValue, EventError> {
    let refuse = |detail: &str| EventError::new(name, format!("`{name}` {detail}"));
    match value.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(value.get())
            .map(AttributeValue::Text)
            .map_err(|_| refuse("is no Unicode text: half of a surrogate pair stands alone")),
        Some(b't' | b'f') => Ok(AttributeValue::Boolean(value.get() == "true")),
        Some(b'{' | b'[') => Err(refuse("is an object or a list: attributes are texts, integers or Booleans")),
        _ => value
            .get()
            .parse()
            .map(AttributeValue::Integer)
            .map_err(|_| refuse("is no integer from -2147483648 to 2147483647: write other numbers as texts")),
    }
}

/// `data` as bytes: JSON content as it stands, a text of another content type as the text itself.
fn inline<'a>(data: &'a RawValue, content_type: &str) -> Cow<'a, [u8]> {
    if !is_json(content_type)
        && let Ok(text) = serde_json::from_str::<String>(data.get())
    {
        return Cow::Owned(text.into_bytes());
    }
    Cow::Borrowed(data.get().as_bytes())
}

fn decoded(encoded: &RawValue) -> Result<Vec<u8>, EventError> {
    let refuse = || EventError::new("data_base64", "`data_base64` is not Base64 (RFC 4648 with padding)");
    let text: Cow<'_, str> = serde_json::from_str(encoded.get()).map_err(|_| refuse())?;
    BASE64.decode(text.as_bytes()).map_err(|_| refuse())
}
