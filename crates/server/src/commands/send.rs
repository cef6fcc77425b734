//! `posthaste send`: publishes one message.

use http::Method;
use serde_json::{Map, Value, value::RawValue};

use crate::client::Client;
use crate::client::input;
use crate::failure::{Failure, Result};
use crate::output::{self, Format};

/// The message.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  posthaste send order.created '{\"id\": 1}'
  posthaste send order.created @order.json --idempotency-key order-1
  echo '{\"id\": 1}' | posthaste send order.created -
  posthaste send order.created --text 'not JSON at all' --delay-seconds 60
  posthaste send --url https://example.com/hook '{\"id\": 1}'")]
pub struct Send {
    /// The topic, then the payload: JSON, @FILE, or - for standard input; without a topic when --url or --endpoint is given
    #[arg(value_name = "TOPIC] [JSON|@FILE|-", num_args = 0..=2)]
    words: Vec<String>,
    /// The payload as a text that is not JSON
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Whose message it is
    #[arg(long)]
    tenant: Option<String>,
    /// Send to this URL; may be repeated
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// Send to this endpoint; may be repeated
    #[arg(long, value_name = "ID")]
    endpoint: Vec<String>,
    /// The same key and body within 24 hours publish only once
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// A header of each request, as `Name: value`; may be repeated
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// A note, as `key=value`; may be repeated
    #[arg(long, value_name = "NOTE")]
    metadata: Vec<String>,
    /// Replaces the content type
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Not to be sent before this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "delay_seconds")]
    deliver_at: Option<String>,
    /// Not to be sent before so many seconds have passed
    #[arg(long, visible_alias = "delay", value_name = "SECONDS")]
    delay_seconds: Option<f64>,
    /// Not to be sent after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Messages with the same label go to an ordered endpoint one after the other
    #[arg(long, value_name = "LABEL")]
    ordering_key: Option<String>,
    /// The caller's own id
    #[arg(long)]
    uid: Option<String>,
}

/// Publishes it.
pub async fn run(options: Send, client: &Client, format: Format) -> Result<()> {
    let body = body(options)?;
    let accepted = client.call(Method::POST, "/v1/messages", Some(body)).await?;
    match format {
        Format::Json => output::json(&accepted),
        Format::Table => output::line(&sentence(&accepted)),
    }
}

fn sentence(accepted: &Value) -> String {
    let id = accepted["id"].as_str().unwrap_or("?");
    if accepted["duplicate"].as_bool() == Some(true) {
        return format!("{id} was accepted before; nothing is sent twice");
    }
    match accepted["deliveries"].as_u64() {
        Some(0) => format!("{id} accepted; no endpoint wants it"),
        Some(1) => format!("{id} accepted, 1 delivery"),
        Some(count) => format!("{id} accepted, {count} deliveries"),
        None => format!("{id} accepted"),
    }
}

/// The request's JSON, with the payload's bytes as they were given.
fn body(options: Send) -> Result<Vec<u8>> {
    let addressed = !options.url.is_empty() || !options.endpoint.is_empty();
    let mut words = options.words.into_iter();
    let (topic, payload) = match (words.next(), words.next()) {
        (Some(only), None) if addressed && options.text.is_none() => (None, Some(only)),
        (topic, payload) => (topic, payload),
    };
    if topic.is_none() && !addressed {
        return Err(Failure::new("name a topic, or where to send with --url or --endpoint"));
    }
    let mut members = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    set("topic", topic.map(Value::from));
    set("tenant", options.tenant.map(Value::from));
    set("urls", Some(options.url).filter(|list| !list.is_empty()).map(Value::from));
    set("endpoint_ids", Some(options.endpoint).filter(|list| !list.is_empty()).map(Value::from));
    set("idempotency_key", options.idempotency_key.map(Value::from));
    set("headers", input::pairs(&options.header, ':')?);
    set("metadata", input::pairs(&options.metadata, '=')?);
    set("content_type", options.content_type.map(Value::from));
    set("deliver_at", options.deliver_at.map(Value::from));
    set("delay_seconds", options.delay_seconds.map(Value::from));
    set("expires_at", options.expires_at.map(Value::from));
    set("ordering_key", options.ordering_key.map(Value::from));
    set("uid", options.uid.map(Value::from));
    set("payload_text", options.text.map(Value::from));
    let mut text = Value::Object(members).to_string();
    if let Some(payload) = payload {
        // Put in as it stands: a number of twenty digits must not pass through a float.
        let payload = input::text(&payload)?;
        let raw: &RawValue = serde_json::from_str(&payload)
            .map_err(|error| Failure::new(format!("the payload is not JSON ({error}); give other text with --text")))?;
        text.pop();
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str("\"payload\":");
        text.push_str(raw.get());
        text.push('}');
    }
    Ok(text.into_bytes())
}
