//! Steps as GraphQL operations, and their answers in REST's shape.

use serde_json::{Map, Value, json};

use super::operations::{OPERATIONS, Operation};
use super::row::{Call, Outcome, Problem};
use super::wire;

/// Members whose values are closed words.
const WORDS: [&str; 15] = [
    "body_format",
    "signature_styles",
    "retry_after",
    "ordering",
    "fifo_on_failed",
    "guarantee",
    "settings",
    "verification",
    "state",
    "status",
    "scopes",
    "missed",
    "outcome",
    "reason",
    "waiting_for",
];
/// Members below which names are the caller's own.
const FREE: [&str; 8] = ["headers", "metadata", "payload", "filter", "schema", "example", "origin", "event"];

/// Makes a call and says what came of it.
pub async fn call(address: &str, key: Option<&str>, call: &Call) -> Outcome {
    let operation = OPERATIONS.iter().find(|operation| operation.does == call.does).unwrap();
    let variables = variables(operation, call);
    let body = json!({"query": operation.text(&variables), "variables": variables});
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(key.map(|key| ("authorization", format!("Bearer {key}"))));
    let reply = wire::send(address, "POST", "/graphql", &headers, Some(&body)).await;
    if let Some(errors) = reply.body["errors"].as_array() {
        assert_eq!(errors.len(), 1, "{}", reply.body);
        let mut problem = problem(&errors[0]);
        // A page of tenants begins after a name, which REST calls a cursor.
        problem
            .pointers
            .iter_mut()
            .filter(|pointer| *pointer == "/after")
            .for_each(|pointer| *pointer = "/cursor".to_owned());
        let at_the_door = problem.status == 401 || problem.code == "malformed_json";
        assert_eq!(reply.status, if at_the_door { problem.status } else { 200 }, "{}", reply.body);
        return Outcome::Problem(problem);
    }
    let mut answer = &reply.body["data"];
    for field in operation.path.split('.') {
        answer = &answer[field];
    }
    Outcome::Answer(shape(call.does, snake(answer)))
}

/// The variables: the call's parts under the names of the field's arguments.
fn variables(operation: &Operation, call: &Call) -> Map<String, Value> {
    let mut variables = Map::new();
    if let Some(id) = &call.id {
        variables.insert(operation.object.to_owned(), json!(id));
    }
    for (name, value) in &call.with {
        let name = if call.does == "list_tenants" && name == "cursor" { "after" } else { name };
        variables.insert(camel(name), given(name, value));
    }
    variables.extend(call.if_revision.map(|revision| ("ifRevision".to_owned(), json!(revision))));
    match (&call.body, operation.document) {
        (Some(body), "") => variables.extend(given("", body).as_object().cloned().unwrap()),
        (Some(body), "event" | "events") => {
            variables.insert(operation.document.to_owned(), body.clone());
        }
        (Some(body), document) => {
            let body = if call.does == "publish_batch" { &body["messages"] } else { body };
            variables.insert(document.to_owned(), given("", body));
        }
        (None, _) => {}
    }
    variables
}

/// A document in GraphQL's names and words.
fn given(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) if !FREE.contains(&name) => {
            members.iter().map(|(name, value)| (camel(name), given(name, value))).collect()
        }
        Value::Array(items) if !FREE.contains(&name) => items.iter().map(|item| given(name, item)).collect(),
        Value::String(word) if WORDS.contains(&name) => {
            json!(word.to_uppercase().replace("ED25519", "ED_25519"))
        }
        other => other.clone(),
    }
}

/// An answer in REST's names and words.
fn snake(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let name = snake_name(name);
                let value =
                    if FREE.contains(&name.as_str()) && !is_exchange(members) { value.clone() } else { snake(value) };
                let value = if WORDS.contains(&name.as_str()) && !is_exchange(members) { words(&value) } else { value };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(snake).collect(),
        other => other.clone(),
    }
}

/// The headers of a request or a response are a list, not a map of the caller's names.
fn is_exchange(members: &Map<String, Value>) -> bool {
    members.get("headers").is_some_and(Value::is_array)
}

fn words(value: &Value) -> Value {
    match value {
        Value::String(word) => json!(word.to_lowercase().replace("ed_25519", "ed25519")),
        Value::Array(items) => items.iter().map(words).collect(),
        other => snake(other),
    }
}

pub fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| camel + &word[..1].to_uppercase() + &word[1..])
}

fn snake_name(name: &str) -> String {
    name.chars()
        .flat_map(|letter| letter.is_uppercase().then_some('_').into_iter().chain(letter.to_lowercase()))
        .collect()
}

/// What GraphQL puts elsewhere, where REST has it.
fn shape(does: &str, mut answer: Value) -> Value {
    match does {
        "create_endpoint" | "subscribe" => merged(answer, "endpoint"),
        "create_key" => {
            let text = answer["text"].take();
            let mut key = answer["key"].take();
            key["key"] = text;
            key
        }
        "publish_batch" | "publish_events" => {
            json!({"results": answer.as_array().unwrap().iter().map(item).collect::<Value>()})
        }
        "get_message" => message(answer),
        "list_messages" => each(answer, message),
        "list_topics" => each(answer, |mut topic| {
            topic.as_object_mut().unwrap().remove("revision");
            topic
        }),
        "start_replay" | "get_replay" | "cancel_replay" => replay(answer),
        "list_replays" => each(answer, replay),
        "list_deliveries" => each(answer, delivery),
        "get_delivery" | "retry_delivery" | "cancel_delivery" => delivery(answer),
        "get_attempt" | "test_endpoint" => attempt(answer),
        "list_attempts" => each(answer, attempt),
        "explain_message" => json!({"endpoints": answer.as_array().unwrap().iter().map(explained).collect::<Value>()}),
        "unsubscribe" => json!({"removed": answer}),
        "list_tenants" => {
            let name = |name: &Value| json!({"name": name});
            json!({"data": answer.as_array().unwrap().iter().map(name).collect::<Value>()})
        }
        "verify_endpoint" => answer,
        _ if does.starts_with("delete_") => {
            assert_eq!(answer, true);
            Value::Null
        }
        "cancel_message" => {
            assert!(answer.is_number(), "{answer}");
            Value::Null
        }
        _ => answer.take(),
    }
}

fn each(mut page: Value, shape: impl Fn(Value) -> Value) -> Value {
    for item in page["data"].as_array_mut().unwrap() {
        *item = shape(item.take());
    }
    page
}

/// Takes an object apart into the one around it.
fn merged(mut outer: Value, name: &str) -> Value {
    let inner = outer.as_object_mut().unwrap().remove(name).unwrap();
    outer.as_object_mut().unwrap().extend(inner.as_object().cloned().unwrap());
    outer
}

fn rename(object: &mut Value, from: &str, to: &str) {
    let members = object.as_object_mut().unwrap();
    if let Some(value) = members.remove(from) {
        members.insert(to.to_owned(), value);
    }
}

fn message(mut message: Value) -> Value {
    rename(&mut message, "delivery_count", "deliveries");
    let payload = message.as_object_mut().unwrap().remove("payload").unwrap_or_default();
    if payload["json"].is_null() {
        message["payload_text"] = payload["text"].clone();
    } else {
        message["payload"] = payload["json"].clone();
    }
    message["payload_base64"] = payload["base64"].clone();
    message
}

fn delivery(mut delivery: Value) -> Value {
    rename(&mut delivery, "attempt_count", "attempts");
    delivery
}

fn replay(mut replay: Value) -> Value {
    replay["filter"] = snake(&replay["filter"]);
    replay
}

fn attempt(mut attempt: Value) -> Value {
    for side in ["request", "response"] {
        for header in attempt[side]["headers"].as_array_mut().into_iter().flatten() {
            *header = json!([header["name"], header["value"]]);
        }
    }
    attempt
}

fn explained(given: &Value) -> Value {
    let mut endpoint = given.clone();
    let delivery = endpoint.as_object_mut().unwrap().remove("delivery").unwrap_or_default();
    endpoint["delivery_id"] = delivery["id"].clone();
    endpoint["status"] = delivery["status"].clone();
    endpoint
}

fn item(item: &Value) -> Value {
    let problem = &item["error"];
    if problem.is_null() {
        return item["receipt"].clone();
    }
    let place = |fault: &Value| {
        let pointer = rest_pointer(fault["pointer"].as_str().unwrap());
        // A list of events is all of REST's body.
        json!(pointer.strip_prefix("/events").unwrap_or(&pointer))
    };
    let pointers: Value = problem["errors"].as_array().unwrap().iter().map(place).collect();
    json!({"error": {"code": problem["code"], "status": problem["status"], "pointers": pointers}})
}

fn problem(error: &Value) -> Problem {
    let extensions = &error["extensions"];
    let mut pointers: Vec<String> = Vec::new();
    for fault in extensions["errors"].as_array().into_iter().flatten() {
        pointers.push(rest_pointer(fault["pointer"].as_str().unwrap()));
    }
    pointers.sort_unstable();
    let status = extensions["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
    Problem { code: extensions["code"].as_str().unwrap().to_owned(), status, pointers }
}

/// A pointer with the names that REST has.
pub fn rest_pointer(pointer: &str) -> String {
    let mut free = false;
    let mut shown = String::new();
    for segment in pointer.split('/').skip(1) {
        let name = if free { segment.to_owned() } else { snake_name(segment) };
        free |= FREE.contains(&name.as_str());
        shown.push('/');
        shown.push_str(&name);
    }
    shown
}
