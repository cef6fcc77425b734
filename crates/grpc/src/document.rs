//! The documents that the engine reads where it takes JSON: made from messages, here and nowhere else.
//!
//! What a message leaves out is left out of the document, so the engine's defaults hold. A change follows its mask: what
//! the mask names is in the document, null where the message leaves it out.

use std::collections::BTreeMap;

use posthaste_engine::{EngineError, FieldError};
use prost_types::FieldMask;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::enums::Numbered;
use crate::proto;
use crate::value;

type Members = Map<String, Value>;

/// The members of a document as they are collected, with everything that is wrong.
#[derive(Default)]
struct Collected {
    members: Members,
    errors: Vec<FieldError>,
}

impl Collected {
    fn set(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.members.insert(name.to_owned(), value.into());
        }
    }

    /// A number of seconds: what JSON cannot say is wrong here already.
    fn number(&mut self, name: &str, number: Option<f64>, pointer: &str) {
        let Some(number) = number else { return };
        match serde_json::Number::from_f64(number) {
            Some(number) => self.set(name, Some(number)),
            None => self.errors.push(FieldError::new(pointer, "not a finite number")),
        }
    }

    fn word<T: Numbered + Serialize>(&mut self, name: &str, number: i32) {
        if let Some(word) = self.read_word::<T>(number, &format!("/{name}")) {
            self.set(name, Some(word));
        }
    }

    fn read_word<T: Numbered + Serialize>(&mut self, number: i32, pointer: &str) -> Option<Value> {
        match T::read(number, pointer) {
            Ok(word) => word.map(|word| json!(word)),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    fn value(&mut self, name: &str, value: Result<Option<Value>, FieldError>) {
        match value {
            Ok(value) => self.set(name, value),
            Err(error) => self.errors.push(error),
        }
    }

    fn instant(&mut self, name: &str, at: Option<prost_types::Timestamp>) {
        let at = crate::instant::read(at, &format!("/{name}"));
        self.value(name, at.map(|at| at.map(|at| json!(at))));
    }

    fn list<T: Into<Value>>(&mut self, name: &str, list: Vec<T>) {
        if !list.is_empty() {
            self.set(name, Some(list));
        }
    }

    fn map(&mut self, name: &str, map: &BTreeMap<String, String>) {
        if !map.is_empty() {
            self.set(name, Some(json!(map)));
        }
    }

    fn end(self) -> Result<Members, EngineError> {
        if self.errors.is_empty() { Ok(self.members) } else { Err(EngineError::Invalid(self.errors)) }
    }
}

/// What people write about a topic.
pub fn topic_details(details: Option<proto::TopicDetails>) -> Result<Members, EngineError> {
    let proto::TopicDetails { title, description, schema, example } = details.unwrap_or_default();
    let mut out = Collected::default();
    out.set("title", title);
    out.set("description", description);
    out.value("schema", schema.map(|schema| value::read(schema, "/schema")).transpose());
    out.value("example", example.map(|example| value::read(example, "/example")).transpose());
    out.end()
}

/// The settings of an endpoint.
pub fn endpoint_settings(settings: Option<proto::EndpointSettings>) -> Result<Members, EngineError> {
    use posthaste_core::endpoint as core;
    let given = settings.unwrap_or_default();
    let mut out = Collected::default();
    out.set("name", given.name);
    out.set("url", given.url);
    out.list("topics", given.topics);
    out.value("filter", given.filter.map(|filter| value::read_struct(filter, "/filter")).transpose());
    out.set("method", given.method);
    out.map("headers", &given.headers);
    out.set("content_type", given.content_type);
    out.word::<core::BodyFormat>("body_format", given.body_format);
    signature_styles(&mut out, &given.signature_styles, given.unsigned);
    out.set("max_attempts", given.max_attempts);
    out.number("give_up_after_seconds", given.give_up_after_seconds, "/give_up_after_seconds");
    out.number("timeout_seconds", given.timeout_seconds, "/timeout_seconds");
    if let Some(policy) = given.retry {
        retry(&mut out, policy);
    }
    out.word::<core::RetryAfter>("retry_after", given.retry_after);
    out.list("success_codes", given.success_codes);
    out.set("require_empty_response", given.require_empty_response);
    if let Some(proto::RateLimit { per_second, burst }) = given.rate_limit {
        let mut limit = Collected::default();
        limit.number("per_second", Some(per_second), "/rate_limit/per_second");
        limit.set("burst", burst);
        out.errors.append(&mut limit.errors);
        out.set("rate_limit", Some(limit.members));
    }
    out.set("max_in_flight", given.max_in_flight);
    out.word::<core::Ordering>("ordering", given.ordering);
    out.word::<core::OnFailed>("fifo_on_failed", given.fifo_on_failed);
    out.word::<core::Guarantee>("guarantee", given.guarantee);
    out.word::<core::SettingsAt>("settings", given.settings);
    out.word::<core::Verification>("verification", given.verification);
    out.set("dead_letter_endpoint_id", given.dead_letter_endpoint_id);
    match (given.never_disable, given.disable_after_seconds) {
        (true, Some(_)) => {
            out.errors.push(FieldError::new("/never_disable", "give disable_after_seconds or never_disable, not both"));
        }
        (true, None) => out.set("disable_after_seconds", Some(Value::Null)),
        (false, seconds) => out.number("disable_after_seconds", seconds, "/disable_after_seconds"),
    }
    out.map("metadata", &given.metadata);
    out.end()
}

fn signature_styles(out: &mut Collected, styles: &[i32], unsigned: bool) {
    use posthaste_core::endpoint::SignatureStyle;
    if unsigned {
        if !styles.is_empty() {
            out.errors.push(FieldError::new("/unsigned", "give signature_styles or unsigned, not both"));
        }
        out.set("signature_styles", Some(json!([])));
        return;
    }
    let words = words::<SignatureStyle>(out, styles, "/signature_styles", "0 is no style: name one, or set unsigned");
    out.list("signature_styles", words);
}

/// A list of words; 0, which stands for nothing given, is none of them.
fn words<T: Numbered + Serialize>(out: &mut Collected, numbers: &[i32], pointer: &str, none: &str) -> Vec<Value> {
    let mut words = Vec::with_capacity(numbers.len());
    for (index, number) in numbers.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        match T::read(*number, &pointer) {
            Ok(Some(word)) => words.push(json!(word)),
            Ok(None) => out.errors.push(FieldError::new(pointer, none)),
            Err(error) => out.errors.push(error),
        }
    }
    words
}

fn retry(out: &mut Collected, given: proto::RetryPolicy) {
    let mut retry = Collected::default();
    if given.backoff {
        if !given.schedule_seconds.is_empty() {
            let detail = "give schedule_seconds or backoff, not both";
            retry.errors.push(FieldError::new("/retry/backoff", detail));
        }
        retry.set("schedule_seconds", Some(Value::Null));
    } else {
        if given.schedule_seconds.iter().any(|seconds| !seconds.is_finite()) {
            retry.errors.push(FieldError::new("/retry/schedule_seconds", "not finite numbers"));
        }
        retry.list("schedule_seconds", given.schedule_seconds);
    }
    for (name, number) in [
        ("min_backoff_seconds", given.min_backoff_seconds),
        ("max_backoff_seconds", given.max_backoff_seconds),
        ("factor", given.factor),
        ("jitter", given.jitter),
    ] {
        retry.number(name, number, &format!("/retry/{name}"));
    }
    out.errors.append(&mut retry.errors);
    out.set("retry", Some(retry.members));
}

/// The settings of a schedule.
pub fn schedule_settings(settings: Option<proto::ScheduleSettings>) -> Result<Members, EngineError> {
    use base64::Engine as _;
    let given = settings.unwrap_or_default();
    let mut out = Collected::default();
    out.set("name", given.name);
    out.set("cron", given.cron);
    out.set("timezone", given.timezone);
    out.set("topic", given.topic);
    out.set("endpoint_id", given.endpoint_id);
    if let Some(payload) = given.payload {
        out.set("payload_base64", Some(base64::engine::general_purpose::STANDARD.encode(payload)));
        // A schedule that was made with a text gets these bytes in its place.
        out.set("payload_text", Some(Value::Null));
    }
    out.set("content_type", given.content_type);
    out.map("headers", &given.headers);
    out.map("metadata", &given.metadata);
    out.set("enabled", given.enabled);
    out.word::<posthaste_core::schedule::Missed>("missed", given.missed);
    out.end()
}

/// What a replay sends.
pub fn replay_filter(filter: Option<proto::ReplayFilter>) -> Result<Value, EngineError> {
    let given = filter.unwrap_or_default();
    let mut out = Collected::default();
    out.instant("since", given.since);
    out.instant("until", given.until);
    out.word::<posthaste_engine::replays::ReplayStatus>("status", given.status);
    out.set("dry_run", Some(given.dry_run));
    out.end().map(Value::Object)
}

/// A key to be made.
pub fn key(request: proto::CreateKeyRequest) -> Result<Value, EngineError> {
    let proto::CreateKeyRequest { name, scopes, tenant, expires_at } = request;
    let mut out = Collected::default();
    out.set("name", Some(name));
    let words = words::<posthaste_core::Scope>(&mut out, &scopes, "/scopes", "0 is no scope: name one");
    out.set("scopes", Some(words));
    out.set("tenant", tenant);
    out.instant("expires_at", expires_at);
    out.end().map(Value::Object)
}

/// What is to be erased.
pub fn erasure(request: proto::EraseRequest) -> Result<Value, EngineError> {
    let proto::EraseRequest { tenant, topic, endpoint_id, message_id, delivery_id, metadata, before } = request;
    let mut out = Collected::default();
    out.set("tenant", tenant);
    out.set("topic", topic);
    out.set("endpoint_id", endpoint_id);
    out.set("message_id", message_id);
    out.set("delivery_id", delivery_id);
    out.map("metadata", &metadata);
    out.instant("before", before);
    out.end().map(Value::Object)
}

/// How a URL is subscribed.
pub fn subscription(request: proto::SubscribeRequest) -> Result<Value, EngineError> {
    let mut out = Collected::default();
    out.set("url", Some(request.url));
    out.set("topic", Some(request.topic));
    out.set("tenant", request.tenant);
    out.word::<posthaste_core::endpoint::Verification>("verification", request.verification);
    out.end().map(Value::Object)
}

/// How a secret is rotated.
pub fn rotation(overlap_seconds: Option<f64>, secret: Option<String>) -> Result<Value, EngineError> {
    let mut out = Collected::default();
    out.number("overlap_seconds", overlap_seconds, "/overlap_seconds");
    out.set("secret", secret);
    out.end().map(Value::Object)
}

/// Adds members that stand beside the settings in a request.
pub fn with<const N: usize>(mut members: Members, beside: [(&str, Option<String>); N]) -> Value {
    for (name, text) in beside {
        if let Some(text) = text {
            members.insert(name.to_owned(), Value::String(text));
        }
    }
    Value::Object(members)
}

/// A change: all members, or exactly those that the mask names.
pub fn patch(mut members: Members, mask: Option<FieldMask>, known: &[&str]) -> Result<Value, EngineError> {
    let Some(mask) = mask else { return Ok(Value::Object(members)) };
    let mut patch = Members::new();
    for path in mask.paths {
        let (name, inner) = path.split_once('.').map_or((path.as_str(), None), |(name, inner)| (name, Some(inner)));
        if !known.contains(&name) {
            return Err(EngineError::invalid("/update_mask", format!("`{path}` is none of the members that change")));
        }
        let name = document_name(name);
        match inner {
            None => {
                let cleared = if name == "topics" { json!([]) } else { Value::Null };
                patch.insert(name.to_owned(), members.remove(name).unwrap_or(cleared));
                if name == "payload_base64" {
                    patch.insert("payload_text".to_owned(), Value::Null);
                }
            }
            Some(inner) => {
                let inner = if inner == "backoff" { "schedule_seconds" } else { inner };
                let value = members.get(name).and_then(|outer| outer.get(inner)).cloned().unwrap_or_default();
                let outer = patch.entry(name).or_insert_with(|| json!({}));
                if let Some(outer) = outer.as_object_mut() {
                    outer.insert(inner.to_owned(), value);
                }
            }
        }
    }
    Ok(Value::Object(patch))
}

/// The name in the document of a member that is named otherwise in the message.
fn document_name(name: &str) -> &str {
    match name {
        "unsigned" => "signature_styles",
        "never_disable" => "disable_after_seconds",
        "payload" => "payload_base64",
        other => other,
    }
}
