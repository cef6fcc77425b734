//! Steps as requests of the REST API.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::row::{Call, Outcome, Problem};
use super::wire::{self, Reply};

/// What each operation is: a method and a path, in which `{}` is the object.
const ROUTES: [(&str, &str, &str); 50] = [
    ("create_topic", "POST", "/v1/topics"),
    ("get_topic", "GET", "/v1/topics/{}"),
    ("list_topics", "GET", "/v1/topics"),
    ("update_topic", "PATCH", "/v1/topics/{}"),
    ("delete_topic", "DELETE", "/v1/topics/{}"),
    ("create_endpoint", "POST", "/v1/endpoints"),
    ("get_endpoint", "GET", "/v1/endpoints/{}"),
    ("list_endpoints", "GET", "/v1/endpoints"),
    ("update_endpoint", "PATCH", "/v1/endpoints/{}"),
    ("delete_endpoint", "DELETE", "/v1/endpoints/{}"),
    ("pause_endpoint", "POST", "/v1/endpoints/{}/pause"),
    ("resume_endpoint", "POST", "/v1/endpoints/{}/resume"),
    ("test_endpoint", "POST", "/v1/endpoints/{}/test"),
    ("get_endpoint_secret", "GET", "/v1/endpoints/{}/secret"),
    ("rotate_endpoint_secret", "POST", "/v1/endpoints/{}/rotate-secret"),
    ("challenge_endpoint", "POST", "/v1/endpoints/{}/verify"),
    ("verify_endpoint", "POST", "/v1/endpoints/{}/verify"),
    ("get_endpoint_stats", "GET", "/v1/endpoints/{}/stats"),
    ("subscribe", "POST", "/v1/subscribe"),
    ("unsubscribe", "POST", "/v1/unsubscribe"),
    ("publish", "POST", "/v1/messages"),
    ("publish_batch", "POST", "/v1/messages/batch"),
    ("publish_event", "POST", "/v1/events"),
    ("publish_events", "POST", "/v1/events"),
    ("get_message", "GET", "/v1/messages/{}"),
    ("list_messages", "GET", "/v1/messages"),
    ("cancel_message", "DELETE", "/v1/messages/{}"),
    ("explain_message", "GET", "/v1/messages/{}/explain"),
    ("get_delivery", "GET", "/v1/deliveries/{}"),
    ("list_deliveries", "GET", "/v1/deliveries"),
    ("retry_delivery", "POST", "/v1/deliveries/{}/retry"),
    ("cancel_delivery", "POST", "/v1/deliveries/{}/cancel"),
    ("list_attempts", "GET", "/v1/deliveries/{}/attempts"),
    ("get_attempt", "GET", "/v1/attempts/{}"),
    ("start_replay", "POST", "/v1/endpoints/{}/replay"),
    ("get_replay", "GET", "/v1/replays/{}"),
    ("list_replays", "GET", "/v1/replays"),
    ("cancel_replay", "POST", "/v1/replays/{}/cancel"),
    ("create_schedule", "POST", "/v1/schedules"),
    ("get_schedule", "GET", "/v1/schedules/{}"),
    ("list_schedules", "GET", "/v1/schedules"),
    ("update_schedule", "PATCH", "/v1/schedules/{}"),
    ("delete_schedule", "DELETE", "/v1/schedules/{}"),
    ("fire_schedule", "POST", "/v1/schedules/{}/fire"),
    ("create_key", "POST", "/v1/keys"),
    ("list_keys", "GET", "/v1/keys"),
    ("delete_key", "DELETE", "/v1/keys/{}"),
    ("erase", "POST", "/v1/erase"),
    ("get_stats", "GET", "/v1/stats"),
    ("list_tenants", "GET", "/v1/tenants"),
];

/// Makes a call and says what came of it.
pub async fn call(address: &str, key: Option<&str>, call: &Call) -> Outcome {
    let (_, method, path) = ROUTES.iter().find(|(name, _, _)| *name == call.does).unwrap();
    let id = call.id.as_deref().map(|id| utf8_percent_encode(id, NON_ALPHANUMERIC).to_string());
    let target = format!("{}{}", path.replace("{}", id.as_deref().unwrap_or_default()), query(&call.with));
    let kind = match call.does {
        "publish_event" => "application/cloudevents+json",
        "publish_events" => "application/cloudevents-batch+json",
        _ => "application/json",
    };
    let mut headers = Vec::new();
    headers.extend(key.map(|key| ("authorization", format!("Bearer {key}"))));
    headers.extend(call.body.as_ref().map(|_| ("content-type", kind.to_owned())));
    headers.extend(call.if_revision.map(|revision| ("if-match", format!("\"{revision}\""))));
    let reply = wire::send(address, method, &target, &headers, call.body.as_ref()).await;
    if reply.status < 400 { Outcome::Answer(answer(call, reply)) } else { Outcome::Problem(problem(&reply)) }
}

fn query(parameters: &Map<String, Value>) -> String {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in parameters {
        match value {
            Value::Object(members) => {
                pairs.extend(members.iter().map(|(key, value)| (format!("{name}.{key}"), text(value))));
            }
            value => pairs.push((name.clone(), text(value))),
        }
    }
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The answer; what REST says in its head is put beside what it says in its body.
fn answer(call: &Call, reply: Reply) -> Value {
    let mut body = reply.body;
    for item in body.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(problem) = item.get("error") {
            let faults = problem["errors"].as_array().into_iter().flatten();
            let pointers: Value = faults.map(|fault| fault["pointer"].clone()).collect();
            *item = json!({"error": {"code": problem["code"], "status": problem["status"], "pointers": pointers}});
        }
    }
    if call.does == "subscribe" {
        body["created"] = json!(reply.status == 201);
    }
    if call.does.ends_with("_topic") && body.is_object() {
        let tag = reply.headers.get("etag").and_then(|tag| tag.to_str().ok()).unwrap();
        body["revision"] = tag.trim_matches('"').parse().unwrap();
    }
    body
}

/// A parameter of the query string is a member of the request elsewhere, and wrong in the same way as one.
fn problem(reply: &Reply) -> Problem {
    let body = &reply.body;
    assert_eq!(reply.headers["content-type"], "application/problem+json", "{body}");
    assert_eq!(body["status"], reply.status, "{body}");
    let code = body["code"].as_str().unwrap();
    assert_eq!(body["type"], format!("urn:posthaste:problem:{code}"));
    assert_eq!(body["request_id"], reply.headers["x-request-id"].to_str().unwrap(), "{body}");
    let mut pointers = Vec::new();
    for fault in body["errors"].as_array().into_iter().flatten() {
        match (fault["pointer"].as_str(), fault["parameter"].as_str()) {
            (Some(pointer), None) => pointers.push(pointer.to_owned()),
            (None, Some(parameter)) => pointers.push(format!("/{}", parameter.replace('.', "/"))),
            _ => panic!("a fault names one place: {body}"),
        }
    }
    pointers.sort_unstable();
    if code == "invalid_parameter" {
        assert_eq!(reply.status, 400, "{body}");
        return Problem { code: "invalid".to_owned(), status: 422, pointers };
    }
    Problem { code: code.to_owned(), status: reply.status, pointers }
}
