use super::*;

const LEAST: &str = r#""specversion":"1.0","id":"1","source":"/s","type":"t""#;

fn structured(members: &str) -> Result<Event<'static>, EventError> {
    let document = format!("{{{LEAST}{members}}}");
    parse_structured(document.as_bytes()).map(|event| Event { data: event.data.into_owned().into(), ..event })
}

#[test]
fn a_structured_event_gives_its_attributes_and_its_data_as_they_stand() {
    for (members, content_type, data) in [
        ("", "application/json", &b""[..]),
        (r#","data":null"#, "application/json", b"null"),
        (r#","data":{ "a" : 1.0 }"#, "application/json", br#"{ "a" : 1.0 }"#),
        (r#","data":"x""#, "application/json", br#""x""#),
        (r#","datacontenttype":"application/x+json","data":[1]"#, "application/x+json", b"[1]"),
        (r#","datacontenttype":"text/plain","data":"a\nb""#, "text/plain", b"a\nb"),
        (r#","datacontenttype":"text/xml","data":{"a":1}"#, "text/xml", br#"{"a":1}"#),
        (r#","data_base64":"AAEC""#, "application/json", &[0, 1, 2]),
        (r#","datacontenttype":"image/png","data_base64":"iVA=""#, "image/png", &[0x89, 0x50]),
    ] {
        let event = structured(members).unwrap_or_else(|error| panic!("{members}: {error}"));
        assert_eq!((event.content_type.as_str(), &*event.data), (content_type, data), "{members}");
        assert_eq!((event.id(), event.source(), event.kind()), ("1", "/s", "t"));
        assert_eq!(event.attributes.len(), 3, "neither specversion nor datacontenttype: {members}");
    }
    let event = structured(r#","subject":"a","n":-5,"ok":false,"gone":null,"tenant":"acme""#).unwrap();
    assert_eq!(event.attributes["n"], AttributeValue::Integer(-5));
    assert_eq!(event.attributes["ok"], AttributeValue::Boolean(false));
    assert_eq!(event.attributes["tenant"].as_text(), Some("acme"));
    assert!(!event.attributes.contains_key("gone"));
}

#[test]
fn json_data_is_a_slice_of_the_document() {
    let document = format!(r#"{{{LEAST},"data":{{"a":1}}}}"#);
    let event = parse_structured(document.as_bytes()).unwrap();
    assert!(matches!(event.data, Cow::Borrowed(_)));
}

#[test]
fn what_breaks_a_rule_is_named() {
    for (members, attribute) in [
        (r#","comExample":"x""#, "comExample"),
        (r#","com_example":"x""#, "com_example"),
        (r#","com-example":"x""#, "com-example"),
        (r#","":"x""#, ""),
        (r#","ünicode":"x""#, "ünicode"),
        (r#","id":"2""#, "id"),
        (r#","x":"1","x":"2""#, "x"),
        (r#","data":1,"data":2"#, "data"),
        (r#","data":1,"data_base64":"AA==""#, "data"),
        (r#","data_base64":"A""#, "data_base64"),
        (r#","data_base64":1"#, "data_base64"),
        (r#","subject":"""#, "subject"),
        (r#","subject":5"#, "subject"),
        (r#","time":"yesterday""#, "time"),
        (r#","time":true"#, "time"),
        (r#","dataschema":"/relative""#, "dataschema"),
        (r#","dataschema":"""#, "dataschema"),
        (r#","datacontenttype":"json""#, "datacontenttype"),
        (r#","datacontenttype":"a/b\u0000""#, "datacontenttype"),
        (r#","x":{"a":1}"#, "x"),
        (r#","x":[1]"#, "x"),
        (r#","x":1.5"#, "x"),
        (r#","x":2147483648"#, "x"),
        (r#","x":"\u0007""#, "x"),
        (r#","x":"\u0085""#, "x"),
        (r#","x":"\uffff""#, "x"),
        (r#","x":"\ud800""#, "x"),
    ] {
        let error = structured(members).unwrap_err();
        assert_eq!(error.attribute, attribute, "{members}: {error}");
        assert!(error.detail.contains(attribute), "{members}: {error}");
    }
    for (document, attribute) in [
        (r#"{"id":"1","source":"/s","type":"t"}"#, "specversion"),
        (r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#, "specversion"),
        (r#"{"specversion":1.0,"id":"1","source":"/s","type":"t"}"#, "specversion"),
        (r#"{"specversion":"1.0","source":"/s","type":"t"}"#, "id"),
        (r#"{"specversion":"1.0","id":"","source":"/s","type":"t"}"#, "id"),
        (r#"{"specversion":"1.0","id":null,"source":"/s","type":"t"}"#, "id"),
        (r#"{"specversion":"1.0","id":"1","type":"t"}"#, "source"),
        (r#"{"specversion":"1.0","id":"1","source":"a b","type":"t"}"#, "source"),
        (r#"{"specversion":"1.0","id":"1","source":"/%zz","type":"t"}"#, "source"),
        (r#"{"specversion":"1.0","id":"1","source":"/s"}"#, "type"),
        ("[]", ""),
        ("{", ""),
        ("", ""),
    ] {
        assert_eq!(parse_structured(document.as_bytes()).unwrap_err().attribute, attribute, "{document}");
    }
}

#[test]
fn attributes_are_bounded_in_number_and_length() {
    let many = |count: usize| (0..count).map(|n| format!(r#","x{n}":"v""#)).collect::<Vec<_>>().concat();
    assert!(structured(&many(MAX_ATTRIBUTES - 4)).is_ok());
    assert!(structured(&many(MAX_ATTRIBUTES - 3)).unwrap_err().detail.contains("too many"));
    let long = |bytes: usize| format!(r#","x":"{}""#, "v".repeat(bytes));
    assert!(structured(&long(MAX_ATTRIBUTE_BYTES - 100)).is_ok());
    assert!(structured(&long(MAX_ATTRIBUTE_BYTES)).unwrap_err().detail.contains("too long"));
}

#[test]
fn a_batch_is_read_item_by_item() {
    let document = format!(r#"[{{{LEAST}}}, {{"id":"2"}}, 5, {{{LEAST},"data":[]}}]"#);
    let events = parse_batch(document.as_bytes()).unwrap();
    let ok: Vec<bool> = events.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, false, false, true]);
    assert_eq!(parse_batch(b"[]").unwrap().len(), 0);
    assert!(parse_batch(b"{}").is_err());
}

fn binary(headers: &[(&str, &str)]) -> Result<Event<'static>, EventError> {
    let least = [("ce-specversion", "1.0"), ("CE-Id", "1"), ("ce-source", "/s"), ("Ce-Type", "t")];
    parse_binary(least.iter().chain(headers).map(|(name, value)| (*name, value.as_bytes())), b"body")
}

#[test]
fn binary_headers_are_unquoted_and_percent_decoded_once() {
    for (value, expected) in [
        ("plain", "plain"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        (r#""with \"quotes\" and \\""#, r#"with "quotes" and \"#),
        ("%2520", "%20"),
        ("100%", "100%"),
        ("\"", "\""),
        ("", ""),
    ] {
        let event = binary(&[("ce-ext", value)]).unwrap();
        assert_eq!(event.attributes["ext"].as_text(), Some(expected), "{value}");
    }
    let event = binary(&[("Content-Type", "text/plain"), ("x-other", "1")]).unwrap();
    assert_eq!((event.content_type.as_str(), &*event.data), ("text/plain", &b"body"[..]));
    assert_eq!(event.attributes.len(), 3);
    assert_eq!(binary(&[]).unwrap().content_type, "application/octet-stream");
}

#[test]
fn what_breaks_a_rule_in_a_header_is_named() {
    for (header, attribute) in [
        (("ce-my-ext", "x"), "my-ext"),
        (("ce-", "x"), ""),
        (("ce-data", "x"), "data"),
        (("ce-datacontenttype", "text/plain"), "datacontenttype"),
        (("ce-id", "2"), "id"),
        (("ce-ext", "%ff"), "ext"),
        (("ce-ext", "a%00"), "ext"),
        (("ce-time", "now"), "time"),
        (("content-type", "nonsense"), "datacontenttype"),
    ] {
        assert_eq!(binary(&[header]).unwrap_err().attribute, attribute, "{header:?}");
    }
    let none: [(&str, &[u8]); 0] = [];
    assert_eq!(parse_binary(none, b"").unwrap_err().attribute, "specversion");
}

#[test]
fn the_content_type_tells_the_mode() {
    for (content_type, mode) in [
        (Some("application/cloudevents+json"), Some(Mode::Structured)),
        (Some("Application/CloudEvents+JSON; charset=utf-8"), Some(Mode::Structured)),
        (Some("application/cloudevents-batch+json"), Some(Mode::Batched)),
        (Some("application/cloudevents+xml"), None),
        (Some("application/cloudevents-batch+avro"), None),
        (Some("application/json"), Some(Mode::Binary)),
        (Some("image/png"), Some(Mode::Binary)),
        (None, Some(Mode::Binary)),
    ] {
        assert_eq!(Mode::of(content_type).ok(), mode, "{content_type:?}");
    }
}

#[test]
fn attribute_values_keep_their_types_in_storage() {
    for (value, json) in [
        (AttributeValue::Boolean(true), "true"),
        (AttributeValue::Integer(-1), "-1"),
        (AttributeValue::Text("true".to_owned()), r#""true""#),
    ] {
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        assert_eq!(serde_json::from_str::<AttributeValue>(json).unwrap(), value);
    }
}
