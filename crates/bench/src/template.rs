//! Publish requests, rendered once and stamped anew for each use.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::stamp::{self, Stamp};

/// What a stream of publish requests has in common.
#[derive(Debug, Clone)]
pub struct Template {
    /// The `host` field.
    pub host: String,
    /// The API key, if the server wants one.
    pub key: Option<String>,
    /// The topic.
    pub topic: String,
    /// The tenant, if not the key's.
    pub tenant: Option<String>,
    /// Bytes of each payload.
    pub payload_bytes: usize,
    /// Messages of one request; 1 publishes at `/v1/messages`, more at `/v1/messages/batch`.
    pub batch: usize,
    /// Prefix of the idempotency keys, if there are any.
    pub idempotency: Option<String>,
}

/// A request's bytes, and where its numbers stand.
#[derive(Debug, Clone)]
pub struct Rendered {
    bytes: Vec<u8>,
    payloads: Vec<usize>,
    keys: Vec<usize>,
    payload_bytes: usize,
}

impl Template {
    /// Renders the request.
    pub fn render(&self) -> Rendered {
        let mut body = Vec::new();
        let (mut payloads, mut keys) = (Vec::new(), Vec::new());
        if self.batch > 1 {
            body.extend_from_slice(b"{\"messages\":[");
        }
        for index in 0..self.batch {
            if index > 0 {
                body.push(b',');
            }
            self.item(&mut body, &mut payloads, &mut keys);
        }
        if self.batch > 1 {
            body.extend_from_slice(b"]}");
        }
        let path = if self.batch > 1 { "/v1/messages/batch" } else { "/v1/messages" };
        let authorization = self.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{authorization}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        for at in payloads.iter_mut().chain(&mut keys) {
            *at += head.len();
        }
        let payload_bytes = stamp::blank(self.payload_bytes).len();
        Rendered { bytes: [head.into_bytes(), body].concat(), payloads, keys, payload_bytes }
    }

    fn item(&self, body: &mut Vec<u8>, payloads: &mut Vec<usize>, keys: &mut Vec<usize>) {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        body.extend_from_slice(format!("{{\"topic\":{}", text(&self.topic)).as_bytes());
        if let Some(tenant) = &self.tenant {
            body.extend_from_slice(format!(",\"tenant\":{}", text(tenant)).as_bytes());
        }
        if let Some(prefix) = &self.idempotency {
            // The prefix is the benchmark's own and needs no escapes.
            body.extend_from_slice(format!(",\"idempotency_key\":\"{prefix}-").as_bytes());
            keys.push(body.len());
            body.extend_from_slice(&[b'0'; 16]);
            body.push(b'"');
        }
        body.extend_from_slice(b",\"payload\":");
        payloads.push(body.len());
        body.extend_from_slice(&stamp::blank(self.payload_bytes));
        body.push(b'}');
    }
}

impl Rendered {
    /// Makes it the request of the messages from `first` on, sent at `sent`.
    pub fn stamp(&mut self, first: u64, sent: u64) {
        for (number, &at) in (first..).zip(&self.payloads) {
            stamp::write(&mut self.bytes[at..at + self.payload_bytes], Stamp { number, sent });
        }
        for (number, &at) in (first..).zip(&self.keys) {
            stamp::write_hex(&mut self.bytes[at..at + 16], number);
        }
    }

    /// The whole request.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Which messages of a batch were refused, by their place in it. The usual answer, none, is told without parsing.
pub fn refused(body: &[u8]) -> Result<Vec<usize>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Answer {
        results: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        error: Option<IgnoredAny>,
    }
    if memchr::memmem::find(body, b"\"error\"").is_none() {
        return Ok(Vec::new());
    }
    let answer: Answer = serde_json::from_slice(body)?;
    let refused = answer.results.iter().enumerate().filter(|(_, item)| item.error.is_some());
    Ok(refused.map(|(index, _)| index).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(batch: usize) -> Template {
        Template {
            host: "127.0.0.1:1".to_owned(),
            key: Some("ph_key".to_owned()),
            topic: "a\"b".to_owned(),
            tenant: Some("acme".to_owned()),
            payload_bytes: 512,
            batch,
            idempotency: Some("bench-7".to_owned()),
        }
    }

    fn body(request: &[u8]) -> serde_json::Value {
        let mut fields = [httparse::EMPTY_HEADER; 8];
        let mut parsed = httparse::Request::new(&mut fields);
        let head = parsed.parse(request).unwrap().unwrap();
        let length = parsed.headers.iter().find(|field| field.name == "content-length").unwrap().value;
        assert_eq!(std::str::from_utf8(length).unwrap(), (request.len() - head).to_string());
        serde_json::from_slice(&request[head..]).unwrap()
    }

    #[test]
    fn a_single_message_is_what_the_api_takes() {
        let mut request = template(1).render();
        request.stamp(255, 16);
        assert!(request.bytes().starts_with(b"POST /v1/messages HTTP/1.1\r\n"));
        let message = body(request.bytes());
        assert_eq!(message["topic"], "a\"b");
        assert_eq!(message["tenant"], "acme");
        assert_eq!(message["idempotency_key"], "bench-7-00000000000000ff");
        assert_eq!(message["payload"]["n"], "00000000000000ff");
        assert_eq!(message["payload"]["t"], "0000000000000010");
    }

    #[test]
    fn a_batch_numbers_its_messages_in_a_row_each_time_it_is_stamped() {
        let mut request = template(3).render();
        request.stamp(5, 1);
        request.stamp(14, 2);
        let batch = body(request.bytes());
        let numbers: Vec<_> = batch["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["payload"]["n"].as_str().unwrap())
            .collect();
        assert_eq!(numbers, ["000000000000000e", "000000000000000f", "0000000000000010"]);
        assert_eq!(batch["messages"][2]["idempotency_key"], "bench-7-0000000000000010");
    }

    #[test]
    fn refused_messages_of_a_batch_are_found_by_their_place() {
        assert_eq!(refused(br#"{"results":[{"id":"msg_1"},{"id":"msg_2"}]}"#).unwrap(), [0; 0]);
        assert_eq!(refused(br#"{"results":[{"id":"msg_1"},{"error":{"status":422}}]}"#).unwrap(), [1]);
        refused(br#"{"error": "no batch"}"#).unwrap_err();
    }
}
