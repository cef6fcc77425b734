//! Documents in the shape of the protocol's messages, and answers back in REST's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::row::Call;

type Members = Map<String, Value>;

/// The message of a call, and where in it the document stands: pointers lead there through it.
pub fn message_of(call: &Call, input: &MessageDescriptor) -> (Value, &'static str) {
    let body = call.body.clone().unwrap_or_else(|| json!({}));
    let mut message = call.with.clone();
    message.extend(call.if_revision.map(|revision| ("if_revision".to_owned(), json!(revision))));
    let wrapper = match call.does {
        "create_topic" | "update_topic" => "details",
        "create_endpoint" | "update_endpoint" | "create_schedule" | "update_schedule" => "settings",
        "publish" => "message",
        "publish_event" | "publish_events" => "body",
        "start_replay" => "filter",
        _ => "",
    };
    if let Some(id) = &call.id {
        let name = match call.does {
            _ if call.does.ends_with("_topic") => "name",
            "start_replay" | "verify_endpoint" => "endpoint_id",
            "list_attempts" => "delivery_id",
            _ => "id",
        };
        message.insert(name.to_owned(), json!(id));
    }
    if call.does.starts_with("update_") {
        message.insert("update_mask".to_owned(), json!(mask(body.as_object().unwrap())));
    }
    match call.does {
        "publish_event" | "publish_events" => {
            let format = if call.does == "publish_event" { "cloudevents" } else { "cloudevents-batch" };
            message.insert("content_type".to_owned(), json!(format!("application/{format}+json")));
            message.insert("body".to_owned(), json!(STANDARD.encode(body.to_string())));
        }
        "publish_batch" => {
            let drafts = body["messages"].as_array().unwrap().iter().map(|draft| document(draft.clone())).collect();
            message.insert("messages".to_owned(), drafts);
        }
        _ if wrapper.is_empty() => message.extend(document(body).as_object().cloned().unwrap()),
        _ => {
            let mut inner = document(body);
            // What belongs to no settings stands beside them.
            for beside in ["name", "tenant", "uid", "secret"] {
                let stays = call.does.starts_with("update_")
                    || wrapper == "message"
                    || (beside == "name" && wrapper == "settings");
                if !stays && let Some(value) = inner.as_object_mut().unwrap().remove(beside) {
                    message.insert(beside.to_owned(), value);
                }
            }
            message.insert(wrapper.to_owned(), inner);
        }
    }
    let pointer = match wrapper {
        "" => "",
        "details" => "/details",
        "settings" => "/settings",
        "message" => "/message",
        "body" => "/body",
        _ => "/filter",
    };
    (numbered(&Value::Object(message), input), pointer)
}

/// What a change names: members of maps one by one, since they are merged.
fn mask(body: &Members) -> String {
    let mut paths = Vec::new();
    for (name, value) in body {
        match (name.as_str(), value) {
            ("headers" | "metadata" | "retry", Value::Object(members)) => {
                paths.extend(members.keys().map(|member| format!("{name}.{}", super::graphql::camel(member))));
            }
            ("payload_text" | "payload_base64", _) => paths.push("payload".to_owned()),
            _ => paths.push(super::graphql::camel(name)),
        }
    }
    paths.join(",")
}

/// A document with the members that the messages have instead of nulls, empty lists and three kinds of payload.
fn document(mut body: Value) -> Value {
    let members = body.as_object_mut().unwrap();
    if members.get("signature_styles").is_some_and(|styles| *styles == json!([])) {
        members.insert("unsigned".to_owned(), json!(true));
    }
    if members.get("disable_after_seconds").is_some_and(Value::is_null) {
        members.insert("never_disable".to_owned(), json!(true));
    }
    if let Some(Value::Object(retry)) = members.get_mut("retry")
        && retry.get("schedule_seconds").is_some_and(Value::is_null)
    {
        retry.remove("schedule_seconds");
        retry.insert("backoff".to_owned(), json!(true));
    }
    let given = ["payload", "payload_text", "payload_base64"].map(|name| members.remove(name));
    let (bytes, kind) = match given {
        [Some(json), None, None] => (Some(STANDARD.encode(json.to_string())), "application/json"),
        [None, Some(text), None] => (text.as_str().map(|text| STANDARD.encode(text)), "text/plain; charset=utf-8"),
        [None, None, Some(base64)] => (base64.as_str().map(str::to_owned), "application/octet-stream"),
        _ => (None, ""),
    };
    if let Some(bytes) = bytes {
        members.insert("payload".to_owned(), json!(bytes));
        members.entry("content_type").or_insert_with(|| json!(kind));
    }
    body
}

/// Closed words become the names of the protocol's enums; a word that is none becomes a number that is none.
fn numbered(value: &Value, descriptor: &MessageDescriptor) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let convert = |(name, value): (&String, &Value)| {
        let field = descriptor.get_field_by_name(name);
        let value = field.map_or_else(|| value.clone(), |field| field_value(value, &field));
        (name.clone(), value)
    };
    members.iter().filter(|(_, value)| !value.is_null()).map(convert).collect()
}

fn field_value(value: &Value, field: &FieldDescriptor) -> Value {
    if field.is_map() {
        let Value::Object(members) = value else { return value.clone() };
        // Null takes a member away: the mask says so, and the map leaves it out.
        let kept = members.iter().filter(|(_, value)| !value.is_null());
        return kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    }
    let one = |value: &Value| match field.kind() {
        Kind::Enum(kind) => match value {
            Value::String(word) => {
                let name = format!("{}_{}", prefix(kind.name()), word.to_uppercase());
                if kind.get_value_by_name(&name).is_some() { json!(name) } else { json!(99) }
            }
            other => other.clone(),
        },
        Kind::Message(message) if message.full_name().starts_with("posthaste.") => numbered(value, &message),
        _ => value.clone(),
    };
    match value {
        Value::Array(items) if field.is_list() => items.iter().map(one).collect(),
        value => one(value),
    }
}

/// `BodyFormat` is `BODY_FORMAT` in its values.
fn prefix(name: &str) -> String {
    let letters = name.chars().enumerate();
    letters
        .flat_map(|(at, letter)| (at > 0 && letter.is_uppercase()).then_some('_').into_iter().chain([letter]))
        .collect::<String>()
        .to_uppercase()
}

/// An answer in REST's shape.
pub fn rest_of(call: &Call, answer: Value, output: &MessageDescriptor) -> Value {
    if output.full_name() == "google.protobuf.Empty" {
        return Value::Null;
    }
    let mut answer = worded(answer, output);
    match call.does {
        "create_key" => {
            let text = answer["text"].take();
            let mut key = answer["key"].take();
            key["key"] = text;
            key
        }
        "create_endpoint" | "subscribe" => merged(answer, "endpoint"),
        "publish_event" => answer["results"][0]["receipt"].take(),
        "publish_batch" | "publish_events" => {
            for item in answer["results"].as_array_mut().unwrap() {
                *item = match item.as_object_mut().unwrap().remove("receipt") {
                    Some(receipt) => receipt,
                    None => refused(&item["error"]),
                };
            }
            answer
        }
        "list_topics" => {
            // REST has the revision of a topic in its ETag only.
            for topic in answer["data"].as_array_mut().unwrap() {
                topic.as_object_mut().unwrap().remove("revision");
            }
            answer
        }
        _ => answer,
    }
}

/// The error of one item; it has no status of its own, being of one kind.
fn refused(problem: &Value) -> Value {
    let place = |fault: &Value| {
        let pointer = fault["pointer"].as_str().unwrap();
        json!(pointer.strip_prefix("/body").unwrap_or(pointer))
    };
    let pointers: Value = problem["errors"].as_array().unwrap().iter().map(place).collect();
    let status = if problem["code"] == "invalid" { 422 } else { 409 };
    json!({"error": {"code": problem["code"], "status": status, "pointers": pointers}})
}

/// Words for enums, and each message as REST shows it.
fn worded(value: Value, descriptor: &MessageDescriptor) -> Value {
    let Value::Object(members) = value else { return value };
    let mut shown = Members::new();
    for (name, value) in members {
        let field = descriptor.get_field_by_name(&name).unwrap();
        let one = |value: Value| match field.kind() {
            Kind::Enum(kind) => word(&value, &prefix(kind.name())),
            Kind::Message(message) if message.full_name().starts_with("posthaste.") => worded(value, &message),
            _ => value,
        };
        let value = match value {
            Value::Array(items) if field.is_list() => items.into_iter().map(one).collect(),
            value if field.is_map() => value,
            value => one(value),
        };
        shown.insert(name, value);
    }
    let shown = Value::Object(shown);
    match descriptor.name() {
        "Topic" => merged(shown, "details"),
        "Endpoint" => without(merged(shown, "settings"), &["unsigned", "never_disable"]),
        "RetryPolicy" => without(shown, &["backoff"]),
        "Schedule" => payload(merged(shown, "settings")),
        "Message" => payload(shown),
        "AttemptRequest" | "AttemptResponse" => exchange(shown),
        _ => shown,
    }
}

fn word(value: &Value, prefix: &str) -> Value {
    let name = value.as_str().unwrap();
    let word = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).unwrap().to_lowercase();
    if word == "unspecified" { Value::Null } else { json!(word) }
}

/// Takes an object apart into the one around it.
fn merged(mut outer: Value, name: &str) -> Value {
    let inner = outer.as_object_mut().unwrap().remove(name).unwrap();
    outer.as_object_mut().unwrap().extend(inner.as_object().cloned().unwrap());
    outer
}

fn without(mut object: Value, names: &[&str]) -> Value {
    object.as_object_mut().unwrap().retain(|name, _| !names.contains(&name.as_str()));
    object
}

/// A payload in the one of REST's three forms that it has.
fn payload(mut object: Value) -> Value {
    let Some(bytes) = object.as_object_mut().unwrap().remove("payload") else { return object };
    let bytes = STANDARD.decode(bytes.as_str().unwrap()).unwrap();
    let is_json = object["content_type"].as_str().is_some_and(|kind| kind.contains("json"));
    match (String::from_utf8(bytes), is_json) {
        (Err(error), _) => object["payload_base64"] = json!(STANDARD.encode(error.as_bytes())),
        (Ok(text), true) => object["payload"] = serde_json::from_str(&text).unwrap(),
        (Ok(text), false) => object["payload_text"] = json!(text),
    }
    object
}

/// A request or a response: texts where bytes are texts.
fn exchange(mut object: Value) -> Value {
    let text = |value: &Value| String::from_utf8(STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap();
    for header in object["headers"].as_array_mut().unwrap() {
        *header = json!([header["name"], text(&header["value"])]);
    }
    if let Some(body) = object.get("body").cloned() {
        object["body"] = json!(text(&body));
    }
    object
}
