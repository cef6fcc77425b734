//! Body formats: from a message and its payload to the body of a request.
//!
//! Every format embeds a JSON payload byte for byte: it is never parsed and written again, so numbers, member order and
//! white space arrive as they were given. All of it follows from the message alone, so that each attempt of a delivery
//! has the same body.
//!
//! | format | content type | JSON payload | text (`text/*` in UTF-8) | anything else |
//! |---|---|---|---|---|
//! | `raw` | the payload's | the body | the body | the body |
//! | `cloudevents` | `application/cloudevents+json` | `data` | `data`, a JSON text | `data_base64` |
//! | `cloudevents_binary` | the payload's | the body | the body | the body |
//! | `envelope` | `application/json` | `data` | `data`, a JSON text | `data_base64` |
//!
//! What is called JSON but does not parse as JSON counts as "anything else".

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;

use crate::cloudevents::{self, AttributeValue, Attributes};
use crate::endpoint::BodyFormat;
use crate::time::Timestamp;

/// The type of a message without a topic.
pub const TYPE_WITHOUT_TOPIC: &str = "posthaste.message";

/// What a segment of a URI's path holds as it is: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a body is made from.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// What receivers tell messages apart by: the `webhook-id`.
    pub id: &'a str,
    /// Whose message.
    pub tenant: &'a str,
    /// Its topic.
    pub topic: Option<&'a str>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The attributes of the event that it came as; empty if it did not come as one.
    pub attributes: &'a Attributes,
    /// The payload's content type, or what the endpoint puts in its place.
    pub content_type: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

/// A request's body and the headers that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered<'a> {
    /// The request's content type.
    pub content_type: &'a str,
    /// Headers that the format adds, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; borrowed where it is the payload itself.
    pub body: Cow<'a, [u8]>,
}

/// Renders a payload in a format.
pub fn render<'a>(format: BodyFormat, content: &Content<'a>) -> Rendered<'a> {
    let as_it_is =
        |headers| Rendered { content_type: content.content_type, headers, body: Cow::Borrowed(content.payload) };
    match format {
        BodyFormat::Raw => as_it_is(Vec::new()),
        BodyFormat::CloudEventsBinary => as_it_is(binary_headers(content)),
        BodyFormat::CloudEvents => Rendered {
            content_type: cloudevents::STRUCTURED,
            headers: Vec::new(),
            body: Cow::Owned(structured(content)),
        },
        BodyFormat::Envelope => {
            Rendered { content_type: "application/json", headers: Vec::new(), body: Cow::Owned(envelope(content)) }
        }
    }
}

/// The attributes that go out: those that came in, or else the message's own.
fn attributes(content: &Content<'_>) -> Vec<(Cow<'static, str>, AttributeValue)> {
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let mut all = vec![(Cow::Borrowed("specversion"), text(cloudevents::SPEC_VERSION))];
    if content.attributes.is_empty() {
        let source = format!("/tenants/{}", utf8_percent_encode(content.tenant, SEGMENT));
        all.push((Cow::Borrowed("id"), text(content.id)));
        all.push((Cow::Borrowed("source"), AttributeValue::Text(source)));
        all.push((Cow::Borrowed("type"), text(content.topic.unwrap_or(TYPE_WITHOUT_TOPIC))));
        all.push((Cow::Borrowed("time"), AttributeValue::Text(content.created_at.to_string())));
    } else {
        all.extend(content.attributes.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())));
    }
    all
}

fn binary_headers(content: &Content<'_>) -> Vec<(String, String)> {
    attributes(content)
        .into_iter()
        .map(|(name, value)| {
            let value = cloudevents::encode_header_value(&value.to_string());
            (format!("{}{name}", cloudevents::HEADER_PREFIX), value)
        })
        .collect()
}

fn structured(content: &Content<'_>) -> Vec<u8> {
    let mut document = Document::with_room_for(content.payload.len());
    for (name, value) in attributes(content) {
        match value {
            AttributeValue::Text(text) => document.text(&name, &text),
            plain => document.verbatim(&name, plain.to_string().as_bytes()),
        }
    }
    document.text("datacontenttype", content.content_type);
    document.data(content);
    document.end()
}

fn envelope(content: &Content<'_>) -> Vec<u8> {
    let mut document = Document::with_room_for(content.payload.len());
    let kind = content.attributes.get("type").and_then(AttributeValue::as_text).or(content.topic);
    document.text("type", kind.unwrap_or(TYPE_WITHOUT_TOPIC));
    document.text("timestamp", &content.created_at.to_string());
    document.data(content);
    document.end()
}

/// A JSON object that is written member by member, because one of them is not ours to write again.
struct Document(Vec<u8>);

impl Document {
    fn with_room_for(payload_bytes: usize) -> Self {
        const ATTRIBUTES: usize = 512;
        let mut out = Vec::with_capacity(payload_bytes + ATTRIBUTES);
        out.push(b'{');
        Self(out)
    }

    fn verbatim(&mut self, name: &str, json: &[u8]) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.extend_from_slice(quoted(name).as_bytes());
        self.0.push(b':');
        self.0.extend_from_slice(json);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.verbatim(name, quoted(text).as_bytes());
    }

    /// The payload as `data` or `data_base64`. An empty one that is no text is an event without data.
    fn data(&mut self, content: &Content<'_>) {
        let payload = content.payload;
        if is_json(content) {
            self.verbatim("data", payload);
        } else if let Some(text) = as_text(content) {
            self.text("data", text);
        } else if !payload.is_empty() {
            self.text("data_base64", &BASE64.encode(payload));
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether the payload is JSON by its content type and in fact.
fn is_json(content: &Content<'_>) -> bool {
    cloudevents::is_json(content.content_type) && serde_json::from_slice::<&RawValue>(content.payload).is_ok()
}

/// The payload as text, if its content type calls it text in UTF-8 and it is.
fn as_text<'a>(content: &Content<'a>) -> Option<&'a str> {
    let mut parts = content.content_type.split(';');
    let kind = parts.next()?.trim_ascii_start();
    let is_text = kind.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"));
    let in_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, charset)) if name.trim_ascii().eq_ignore_ascii_case("charset") => {
            let charset = charset.trim_ascii().trim_matches('"');
            charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
        }
        _ => true,
    });
    if is_text && in_utf8 { std::str::from_utf8(content.payload).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cloudevents::{Event, parse_binary, parse_structured};

    static NO_ATTRIBUTES: Attributes = Attributes::new();

    fn content<'a>(content_type: &'a str, payload: &'a [u8]) -> Content<'a> {
        Content {
            id: "msg_1",
            tenant: "acme",
            topic: Some("order.created"),
            created_at: Timestamp::parse("2026-01-31T08:30:00.25Z").unwrap(),
            attributes: &NO_ATTRIBUTES,
            content_type,
            payload,
        }
    }

    fn body(format: BodyFormat, content: &Content<'_>) -> String {
        String::from_utf8(render(format, content).body.into_owned()).unwrap()
    }

    #[test]
    fn raw_is_the_payload_itself() {
        let payload = b"{ \"a\" : 1.0e2 }\n";
        let content = content("application/json", payload);
        let rendered = render(BodyFormat::Raw, &content);
        assert!(matches!(rendered.body, Cow::Borrowed(bytes) if std::ptr::eq(bytes, payload.as_slice())));
        assert_eq!((rendered.content_type, rendered.headers), ("application/json", vec![]));
    }

    #[test]
    fn json_is_embedded_byte_for_byte() {
        let payload = br#"{ "b":1.0e2, "a":12345678901234567890123, "a":"\u00fc" }"#;
        let content = content("application/vnd.x+json; charset=utf-8", payload);
        assert_eq!(
            body(BodyFormat::Envelope, &content),
            format!(
                r#"{{"type":"order.created","timestamp":"2026-01-31T08:30:00.25Z","data":{}}}"#,
                std::str::from_utf8(payload).unwrap()
            )
        );
        assert_eq!(
            body(BodyFormat::CloudEvents, &content),
            format!(
                concat!(
                    r#"{{"specversion":"1.0","id":"msg_1","source":"/tenants/acme","type":"order.created","#,
                    r#""time":"2026-01-31T08:30:00.25Z","datacontenttype":"application/vnd.x+json; charset=utf-8","#,
                    r#""data":{}}}"#
                ),
                std::str::from_utf8(payload).unwrap()
            )
        );
    }

    #[test]
    fn other_content_is_a_text_or_base64() {
        for (content_type, payload, data) in [
            ("text/plain; charset=utf-8", "grüße \"x\"".as_bytes(), Some(r#""data":"grüße \"x\"""#)),
            ("TEXT/CSV", b"a,b", Some(r#""data":"a,b""#)),
            ("text/plain", b"", Some(r#""data":"""#)),
            ("text/plain; charset=iso-8859-1", b"abc", Some(r#""data_base64":"YWJj""#)),
            ("text/plain", b"\xff", Some(r#""data_base64":"/w==""#)),
            ("application/octet-stream", b"abc", Some(r#""data_base64":"YWJj""#)),
            ("application/xml", b"<a/>", Some(r#""data_base64":"PGEvPg==""#)),
            ("application/json", b"{oops", Some(r#""data_base64":"e29vcHM=""#)),
            ("application/json", b" null ", Some(r#""data": null "#)),
            ("application/json", b"", None),
            ("application/octet-stream", b"", None),
        ] {
            for format in [BodyFormat::CloudEvents, BodyFormat::Envelope] {
                let body = body(format, &content(content_type, payload));
                serde_json::from_str::<serde_json::Value>(&body).unwrap();
                match data {
                    Some(data) => assert!(body.ends_with(&format!("{data}}}")), "{content_type}: {body}"),
                    None => assert!(!body.contains(r#""data":"#) && !body.contains("base64"), "{content_type}: {body}"),
                }
            }
        }
    }

    #[test]
    fn a_message_without_a_topic_has_a_type_all_the_same_and_a_tenant_is_encoded() {
        let content = Content { topic: None, tenant: "a/b c%", ..content("text/plain", b"x") };
        let text = body(BodyFormat::CloudEvents, &content);
        assert!(
            text.contains(r#""type":"posthaste.message""#) && text.contains(r#""/tenants/a%2Fb%20c%25""#),
            "{text}"
        );
        assert!(body(BodyFormat::Envelope, &content).contains(r#""type":"posthaste.message""#));
    }

    #[test]
    fn the_attributes_that_came_in_go_out_again_with_their_types() {
        let document = br#"{"specversion":"1.0","id":"e1","source":"/s","type":"t","subject":"a b","n":5,"ok":true,
            "datacontenttype":"text/plain","data":"hi"}"#;
        let event = parse_structured(document).unwrap();
        let content = Content { attributes: &event.attributes, ..content("text/plain", b"hi") };
        let text = body(BodyFormat::CloudEvents, &content);
        assert_eq!(
            text,
            concat!(
                r#"{"specversion":"1.0","id":"e1","n":5,"ok":true,"source":"/s","subject":"a b","type":"t","#,
                r#""datacontenttype":"text/plain","data":"hi"}"#
            )
        );
        let rendered = render(BodyFormat::CloudEventsBinary, &content);
        assert!(rendered.headers.contains(&("ce-subject".to_owned(), "a%20b".to_owned())), "{rendered:?}");
        assert!(rendered.headers.contains(&("ce-n".to_owned(), "5".to_owned())));
        assert_eq!((rendered.content_type, &*rendered.body), ("text/plain", &b"hi"[..]));
        assert!(body(BodyFormat::Envelope, &content).starts_with(r#"{"type":"t","timestamp":"2026-"#));
    }

    fn any_attributes() -> impl Strategy<Value = Attributes> {
        let value = prop_oneof![
            any::<bool>().prop_map(AttributeValue::Boolean),
            any::<i32>().prop_map(AttributeValue::Integer),
            "[^\\p{C}]{0,12}".prop_map(AttributeValue::Text),
        ];
        proptest::collection::btree_map("x[a-z0-9]{1,8}", value, 0..5).prop_map(|mut attributes| {
            for name in ["id", "source", "type"] {
                attributes.insert(name.to_owned(), AttributeValue::Text("a%20b".to_owned()));
            }
            attributes
        })
    }

    /// As headers carry them: all of them texts.
    fn texts(attributes: &Attributes) -> Vec<(String, String)> {
        attributes.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
    }

    proptest! {
        #[test]
        fn what_goes_out_reads_back_as_the_same_event(
            attributes in any_attributes(), payload in proptest::collection::vec(any::<u8>(), 1..60),
            text in "[^\\p{C}]{1,20}", is_text in any::<bool>(),
        ) {
            let (kind, payload) = if is_text { ("text/plain", text.as_bytes()) } else { ("application/x", &payload[..]) };
            let content = Content { attributes: &attributes, ..content(kind, payload) };
            let document = render(BodyFormat::CloudEvents, &content).body;
            let expected = Event {
                attributes: attributes.clone(), content_type: kind.to_owned(), data: Cow::Borrowed(payload),
            };
            prop_assert_eq!(parse_structured(&document), Ok(expected));

            let rendered = render(BodyFormat::CloudEventsBinary, &content);
            prop_assert!(rendered.headers.iter().all(|(_, value)| value.bytes().all(|byte| byte.is_ascii_graphic())));
            let headers = rendered.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let event = parse_binary(headers.chain([("content-type", kind.as_bytes())]), &rendered.body).unwrap();
            prop_assert_eq!(texts(&event.attributes), texts(&attributes));
            prop_assert_eq!(&*event.data, payload);
        }
    }
}
