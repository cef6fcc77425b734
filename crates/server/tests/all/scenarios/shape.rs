//! Answers of different transports and tenants in one shape: no nulls, numbers as numbers, and a placeholder for what is
//! new in every answer (ids, times, secrets, cursors).

use posthaste_core::Timestamp;
use serde_json::{Map, Value, json};

/// Members whose value is new each time.
const FRESH: [&str; 8] = ["secret", "public_key", "key", "next_cursor", "duration_ms", "token", "version", "node_id"];
/// Instants from here on were chosen by a row.
const CHOSEN: &str = "2090-01-01T00:00:00Z";
/// How long the part of an id is that follows its kind.
const SUFFIX: usize = 26;
const KINDS: [&str; 9] = ["msg_", "ep_", "dlv_", "att_", "sch_", "key_", "rpl_", "job_", "node_"];

/// The names of one row on one transport.
pub struct Names {
    /// Texts that stand for something of this run, with what they stand for.
    known: Vec<(String, String)>,
    ids: Vec<String>,
}

impl Names {
    pub fn new(known: Vec<(String, String)>) -> Self {
        Self { known, ids: Vec::new() }
    }

    /// An answer in the one shape.
    pub fn normal(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(members) => self.object(members),
            Value::Array(pair) if is_fresh_header(pair) => json!([pair[0], "<header>"]),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.normal(item)).collect()),
            Value::Number(number) => number.as_f64().map_or(Value::Null, whole),
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    fn object(&mut self, members: &Map<String, Value>) -> Value {
        let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        let mut shown = Map::new();
        for (name, value) in sorted {
            let fresh = FRESH.contains(&name.as_str());
            let value = if fresh && !value.is_null() { json!(format!("<{name}>")) } else { self.normal(value) };
            // What is not there, and what there is none of, look alike: protocol buffers know no difference.
            let empty = value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(Map::is_empty);
            if !empty {
                shown.insert(name.clone(), value);
            }
        }
        Value::Object(shown)
    }

    fn text(&mut self, text: &str) -> String {
        if let Ok(at) = Timestamp::parse(text) {
            let chosen = Timestamp::parse(CHOSEN).is_ok_and(|chosen| at >= chosen);
            return if chosen { at.to_string() } else { "<time>".to_owned() };
        }
        if text.starts_with('{')
            && let Ok(document) = serde_json::from_str::<Value>(text)
        {
            return self.normal(&document).to_string();
        }
        let mut text = text.to_owned();
        for (known, name) in &self.known {
            text = text.replace(known, name);
        }
        while let Some((start, end)) = id_in(&text) {
            let id = text[start..end].to_owned();
            let index = self.ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                self.ids.push(id.clone());
                self.ids.len() - 1
            });
            let kind = id.split('_').next().unwrap_or_default().to_owned();
            text.replace_range(start..end, &format!("<{kind} {index}>"));
        }
        text
    }
}

/// A header of a request or a response whose value is new each time.
fn is_fresh_header(pair: &[Value]) -> bool {
    const HEADERS: [&str; 3] = ["webhook-timestamp", "traceparent", "date"];
    pair.len() == 2 && pair[0].as_str().is_some_and(|name| HEADERS.contains(&name))
}

/// A whole number as one, so that 1 and 1.0 are alike.
fn whole(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and far from the ends")]
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}

/// Where the first id in a text stands.
fn id_in(text: &str) -> Option<(usize, usize)> {
    let starts = KINDS.iter().flat_map(|kind| text.match_indices(kind).map(|(at, kind)| (at, at + kind.len())));
    let ids = starts.filter_map(|(start, suffix)| {
        let suffix_text = text.get(suffix..suffix + SUFFIX)?;
        suffix_text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
            .then_some((start, suffix + SUFFIX))
    });
    ids.min()
}

/// Whether an answer has at least these members.
pub fn fits(answer: &Value, members: &Value) -> bool {
    match (answer, members) {
        (_, Value::Null) => true,
        (Value::Object(answer), Value::Object(members)) => {
            members.iter().all(|(name, member)| match answer.get(name) {
                // A null in a row says that the member is not there.
                found if member.is_null() => found.is_none_or(|found| found.is_null() || *found == json!([])),
                found => found.is_some_and(|found| fits(found, member)),
            })
        }
        (Value::Array(answer), Value::Array(members)) => {
            answer.len() == members.len() && answer.iter().zip(members).all(|(found, member)| fits(found, member))
        }
        (Value::Number(answer), Value::Number(member)) => answer.as_f64() == member.as_f64(),
        (answer, member) => answer == member,
    }
}
