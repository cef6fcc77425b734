//! Binary mode: attributes in `ce-` headers, the data is the body.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::{AttributeValue, Collector, Event, EventError, HEADER_PREFIX};

/// What a header's value may not hold as it is. Everything beyond ASCII is encoded anyway.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// Reads an event of binary mode from all of a request's headers and its body.
///
/// Attributes are texts here, whatever their type was: headers have no types.
pub fn parse_binary<'a, 'h>(
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    body: &'a [u8],
) -> Result<Event<'a>, EventError> {
    let mut collector = Collector::default();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if name == "content-type" {
            let text = String::from_utf8_lossy(value).into_owned();
            collector.add("datacontenttype", AttributeValue::Text(text))?;
        } else if let Some(attribute) = name.strip_prefix(HEADER_PREFIX) {
            if attribute == "datacontenttype" {
                let detail = "in binary mode the data's content type is the Content-Type header, not an attribute";
                return Err(EventError::new(attribute, detail));
            }
            collector.add(attribute, AttributeValue::Text(decode(attribute, value)?))?;
        }
    }
    collector.complete()?;
    Ok(Event {
        attributes: collector.attributes,
        content_type: collector.datacontenttype.unwrap_or_else(|| "application/octet-stream".to_owned()),
        data: Cow::Borrowed(body),
    })
}

/// A header's value as text: quotes taken off, then percent-decoded once.
fn decode(attribute: &str, value: &[u8]) -> Result<String, EventError> {
    let unquoted = unquote(value.trim_ascii());
    let decoded = percent_decode(&unquoted).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| {
        EventError::new(attribute, format!("`{attribute}` is not UTF-8 once its percent-encoding is taken away"))
    })
}

/// RFC 9110's quoted string, which some senders use, without its quotes and backslashes.
fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return Cow::Borrowed(value);
    };
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    Cow::Owned(plain)
}

/// A text as a `ce-` header's value: spaces, quotes, percent signs, controls and all beyond ASCII percent-encoded.
pub fn encode_header_value(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
