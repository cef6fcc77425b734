//! Query strings and path segments, escaped.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what RFC 3986 leaves unreserved.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, with what ids hold (`uid:x`) and topics may (`a+b`) left readable.
const SEGMENT: &AsciiSet = &ESCAPED.remove(b':').remove(b'+');

/// Parameters, in order.
#[derive(Debug, Default)]
pub struct Query {
    text: String,
}

impl Query {
    /// Adds a parameter, if there is one.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.text.push(if self.text.is_empty() { '?' } else { '&' });
            self.text.extend(utf8_percent_encode(name, ESCAPED));
            self.text.push('=');
            self.text.extend(utf8_percent_encode(value, ESCAPED));
        }
        self
    }

    /// The path with these parameters behind it.
    pub fn on(&self, path: &str) -> String {
        format!("{path}{}", self.text)
    }
}

/// One segment of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_url_is_escaped() {
        let query = Query::default().with("topic", Some("a+b &")).with("tenant", None).with("limit", Some("5"));
        assert_eq!(query.on("/v1/x"), "/v1/x?topic=a%2Bb%20%26&limit=5");
        assert_eq!(segment("../uid:ä"), "..%2Fuid:%C3%A4");
    }
}
