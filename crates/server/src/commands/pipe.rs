//! `posthaste pipe`: publishes each line of standard input, in batches.
//!
//! Every line gets an idempotency key of this run and its number, so a batch whose answer was lost is sent again without
//! publishing anything twice.

use std::io::BufRead as _;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json, value::RawValue};
use tokio::sync::mpsc;

use crate::client::{Client, input, problem};
use crate::failure::{Failure, Result};
use crate::output::{self, Format, hexadecimal};

/// The most lines of one batch, as the API bounds it.
const LINES: usize = 500;
/// The most bytes of one batch: below the API's bound, with room for what is around the payloads.
const BYTES: usize = 6 * 1024 * 1024;
/// How many lines are read ahead.
const AHEAD: usize = 1_000;
/// How long a batch that is not full waits for the next line: a slow producer's events do not wait for their 499 companions.
const LINGER: Duration = Duration::from_millis(20);
/// How often a batch is sent before its failure is told, and how long the first pause is; each is twice the one before.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(250);

/// Where the lines go.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tail -f events.ndjson | posthaste pipe --topic order.created
  posthaste pipe --topic-field type < events.ndjson      the topic is each line's member `type`
  posthaste pipe --topic order.paid --ordering-key-field order.id --expires-at 2030-01-01T00:00:00Z < orders.ndjson")]
pub struct Pipe {
    /// The topic of every line
    #[arg(long, required_unless_present = "topic_field", conflicts_with = "topic_field")]
    topic: Option<String>,
    /// The member of each line that names its topic; nested ones with dots
    #[arg(long, value_name = "MEMBER")]
    topic_field: Option<String>,
    /// Whose messages
    #[arg(long)]
    tenant: Option<String>,
    /// The label of every line; messages with the same one go to an ordered endpoint one after the other
    #[arg(long, value_name = "LABEL", conflicts_with = "ordering_key_field")]
    ordering_key: Option<String>,
    /// The member of each line that is its label; nested ones with dots
    #[arg(long, value_name = "MEMBER")]
    ordering_key_field: Option<String>,
    /// A header of each request, as `Name: value`; may be repeated
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// A note on each message, as `key=value`; may be repeated
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
}

impl Pipe {
    /// The members that every line's message has alike.
    fn common(&self) -> Result<Map<String, Value>> {
        let members = [
            ("tenant", self.tenant.as_deref().map(Value::from)),
            ("ordering_key", self.ordering_key.as_deref().map(Value::from)),
            ("headers", input::pairs(&self.header, ':')?),
            ("metadata", input::pairs(&self.metadata, '=')?),
            ("content_type", self.content_type.as_deref().map(Value::from)),
            ("deliver_at", self.deliver_at.as_deref().map(Value::from)),
            ("delay_seconds", self.delay_seconds.map(Value::from)),
            ("expires_at", self.expires_at.as_deref().map(Value::from)),
        ];
        let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(given.collect())
    }
}

/// What each line's message is made with.
struct Recipe<'a> {
    options: &'a Pipe,
    common: Map<String, Value>,
    run: String,
}

/// One line of the input.
struct Line {
    number: u64,
    text: String,
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    refused: u64,
}

/// Publishes until the end of standard input. Refused lines are told and left out; there being any is a failure.
pub async fn run(options: Pipe, client: &Client, format: Format) -> Result<()> {
    let recipe = Recipe { options: &options, common: options.common()?, run: run_id()? };
    let mut lines = read_standard_input()?;
    let mut tally = Tally::default();
    let mut carried = None;
    loop {
        let (batch, rest) = gather(&mut lines, carried.take()).await?;
        carried = rest;
        if batch.is_empty() {
            break;
        }
        publish(&recipe, client, &batch, &mut tally).await?;
    }
    match format {
        Format::Json => output::line(&json!({"accepted": tally.accepted, "refused": tally.refused}).to_string())?,
        Format::Table => output::line(&format!("{} accepted, {} refused", tally.accepted, tally.refused))?,
    }
    match tally.refused {
        0 => Ok(()),
        refused => {
            Err(Failure::new(format!("{refused} lines were not published; what is wrong with each stands above")))
        }
    }
}

fn run_id() -> Result<String> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|error| Failure::new(format!("the system gives no randomness: {error}")))?;
    Ok(hexadecimal(&random))
}

/// Lines, read by a thread: standard input has no other way to be waited for together with something else.
fn read_standard_input() -> Result<mpsc::Receiver<std::io::Result<Line>>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let read = move || {
        for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
            let line = line.map(|text| Line { number, text });
            let is_end = line.is_err();
            if sender.blocking_send(line).is_err() || is_end {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("standard-input".to_owned())
        .spawn(read)
        .map(|_| receiver)
        .map_err(|error| Failure::new(format!("no thread can be started: {error}")))
}

/// The next batch, beginning with what the one before had no room for; empty at the end of the input.
async fn gather(
    lines: &mut mpsc::Receiver<std::io::Result<Line>>,
    carried: Option<Line>,
) -> Result<(Vec<Line>, Option<Line>)> {
    let unreadable = |error: std::io::Error| Failure::new(format!("standard input cannot be read: {error}"));
    let mut bytes = carried.as_ref().map_or(0, |line| line.text.len());
    let mut batch: Vec<Line> = carried.into_iter().collect();
    while batch.len() < LINES {
        let next = if batch.is_empty() {
            lines.recv().await
        } else {
            tokio::time::timeout(LINGER, lines.recv()).await.unwrap_or_default()
        };
        let Some(line) = next.transpose().map_err(unreadable)? else { break };
        if line.text.trim().is_empty() {
            continue;
        }
        if !batch.is_empty() && bytes + line.text.len() > BYTES {
            return Ok((batch, Some(line)));
        }
        bytes += line.text.len();
        batch.push(line);
    }
    Ok((batch, None))
}

async fn publish(recipe: &Recipe<'_>, client: &Client, batch: &[Line], tally: &mut Tally) -> Result<()> {
    let mut numbers = Vec::with_capacity(batch.len());
    let mut body = String::from("{\"messages\":[");
    for line in batch {
        match message(recipe, line) {
            Ok(message) => {
                if !numbers.is_empty() {
                    body.push(',');
                }
                body.push_str(&message);
                numbers.push(line.number);
            }
            Err(reason) => refuse(tally, line.number, &reason),
        }
    }
    body.push_str("]}");
    if numbers.is_empty() {
        return Ok(());
    }
    let answer = persist(client, body.into_bytes()).await?;
    let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (number, result) in numbers.into_iter().zip(results) {
        match result.get("error") {
            None => tally.accepted += 1,
            Some(error) => refuse(tally, number, &problem::sentence(error)),
        }
    }
    Ok(())
}

fn refuse(tally: &mut Tally, number: u64, reason: &str) {
    tally.refused += 1;
    eprintln!("line {number}: {reason}");
}

/// A line as a message, its bytes as they are.
fn message(recipe: &Recipe<'_>, line: &Line) -> Result<String, String> {
    let raw: &RawValue = serde_json::from_str(&line.text).map_err(|error| format!("not JSON: {error}"))?;
    let mut members = recipe.common.clone();
    let topic = match (&recipe.options.topic, &recipe.options.topic_field) {
        (Some(topic), _) => topic.clone(),
        (None, Some(member)) => text_in(raw, member)?,
        (None, None) => return Err("no topic was named".to_owned()),
    };
    members.insert("topic".to_owned(), topic.into());
    if let Some(member) = &recipe.options.ordering_key_field {
        members.insert("ordering_key".to_owned(), text_in(raw, member)?.into());
    }
    members.insert("idempotency_key".to_owned(), format!("pipe-{}-{}", recipe.run, line.number).into());
    let mut text = Value::Object(members).to_string();
    text.pop();
    text.push_str(",\"payload\":");
    text.push_str(raw.get());
    text.push('}');
    Ok(text)
}

/// The text (or number) in a line's member.
fn text_in(line: &RawValue, member: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(line.get()).map_err(|error| error.to_string())?;
    match value.pointer(&format!("/{}", member.replace('.', "/"))) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(format!("it has no text in `{member}`")),
    }
}

/// Sends a batch, again and again while the server is busy or away.
async fn persist(client: &Client, body: Vec<u8>) -> Result<Value> {
    let mut pause = PAUSE;
    for tries_left in (0..TRIES).rev() {
        let failure = match client.request(Method::POST, "/v1/messages/batch", Some(body.clone())).await {
            Ok(answer) if answer.status.is_success() => {
                return serde_json::from_slice(&answer.body)
                    .map_err(|_| Failure::new(format!("{} answered something that is not JSON", client.server())));
            }
            Ok(answer) => {
                let failure = problem::failure(client.server(), answer.status, &answer.body);
                let may_pass = matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
                if !may_pass {
                    return Err(failure);
                }
                failure
            }
            Err(failure) => failure,
        };
        if tries_left == 0 {
            return Err(failure);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(Failure::new("the batch was not sent"))
}
