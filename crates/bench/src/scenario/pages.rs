//! How long does a page of each list take, with a long history behind it?
//!
//! What is rare (a message with a uid, what waits, what was cancelled or failed) is published first, so that filters for it
//! have to reach past all of the rest. Then every list is read from its first page on.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::clock::nanos;
use crate::error::{BenchError, Result};
use crate::fleet::Fleet;
use crate::latency::{Latencies, Summary};
use crate::progress::Progress;
use crate::receiver::{Manner, Receiver};
use crate::scenario::backlog;
use crate::stage::Stage;

/// Pages read of each list, and how many of them in a row before it is read from its first page again.
const PAGES: usize = 100;
const IN_A_ROW: usize = 10;
/// Of 100 deliveries of the history, so many wait at a paused endpoint, were cancelled, or went to one that refuses some.
const WAITING: u64 = 2;
const CANCELLED: u64 = 1;
const REFUSED: u64 = 4;
/// How long what was refused may take to end.
const PATIENCE: Duration = Duration::from_secs(300);
/// The other tenant.
const TENANT: &str = "bench-pages";

/// The history and what its pages took.
#[derive(Debug, Clone, Serialize)]
pub struct Pages {
    /// Attempts behind them.
    pub attempts: u64,
    /// Each list with its filters.
    pub lists: Vec<ListTime>,
}

/// One list with its filters.
#[derive(Debug, Clone, Serialize)]
pub struct ListTime {
    /// Its path and query.
    pub path: String,
    /// Rows of the first page.
    pub rows: usize,
    /// Time to whole pages, over one kept-alive connection.
    pub page: Option<Summary>,
}

/// Makes the history, and reads it.
pub async fn measure(stage: &mut Stage, fleet: &Fleet, attempts: u64) -> Result<Pages> {
    let share = |percent: u64| (attempts * percent / 100).max(1);
    let special = publish_special(stage, fleet).await?;
    let waiting = stage.topic_beside("waiting");
    let paused = backlog::pile_up(stage, fleet, &waiting, share(WAITING)).await?;
    let doomed = stage.topic_beside("cancelled");
    let deleted = backlog::pile_up(stage, fleet, &doomed, share(CANCELLED)).await?;
    fleet.api().delete(&format!("/v1/endpoints/{deleted}")).await?;
    let refusing = refuse_some(stage, fleet, share(REFUSED)).await?;

    let topic = stage.topic.clone();
    backlog::publish_all(stage, fleet, &topic, None, attempts.div_ceil(u64::from(stage.options.fan_out))).await?;
    stage.drain().await;
    let page = fleet.api().get(&format!("/v1/deliveries?message_id={special}&limit=1")).await?;
    let delivery = page["data"][0]["id"].as_str().unwrap_or("none").to_owned();
    let known = Known { topic, special, delivery, paused, deleted, refusing, busy: stage.endpoints[0].clone() };
    let mut lists = Vec::new();
    let paths = known.paths();
    let progress = Progress::begin(&format!("reading {} lists", paths.len()), Duration::ZERO);
    for path in paths {
        lists.push(read(stage, fleet, path).await?);
    }
    drop(progress);
    Ok(Pages { attempts, lists })
}

/// Names that the filters use.
struct Known {
    topic: String,
    special: String,
    delivery: String,
    paused: String,
    deleted: String,
    refusing: String,
    busy: String,
}

impl Known {
    fn paths(&self) -> Vec<String> {
        let Self { topic, special, delivery, paused, deleted, refusing, busy } = self;
        vec![
            "/v1/messages".to_owned(),
            format!("/v1/messages?topic={topic}"),
            "/v1/messages?tenant=default".to_owned(),
            format!("/v1/messages?tenant={TENANT}"),
            "/v1/messages?tenant=default&uid=the-first".to_owned(),
            "/v1/messages?ordering_key=the-first".to_owned(),
            "/v1/messages?metadata.which=the-first".to_owned(),
            "/v1/messages?rejected=true".to_owned(),
            "/v1/messages?since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z".to_owned(),
            "/v1/messages?until=2020-01-01T00:00:00Z".to_owned(),
            "/v1/deliveries".to_owned(),
            "/v1/deliveries?status=succeeded".to_owned(),
            "/v1/deliveries?status=pending".to_owned(),
            "/v1/deliveries?status=failed".to_owned(),
            "/v1/deliveries?status=cancelled".to_owned(),
            "/v1/deliveries?tenant=default&status=pending".to_owned(),
            format!("/v1/deliveries?tenant={TENANT}&status=failed"),
            "/v1/deliveries?tenant=default&status=cancelled".to_owned(),
            format!("/v1/deliveries?tenant={TENANT}"),
            format!("/v1/deliveries?topic={topic}"),
            format!("/v1/deliveries?topic={topic}-waiting"),
            format!("/v1/deliveries?message_id={special}"),
            format!("/v1/deliveries?endpoint_id={busy}"),
            format!("/v1/deliveries?endpoint_id={busy}&status=succeeded"),
            format!("/v1/deliveries?endpoint_id={busy}&status=failed"),
            format!("/v1/deliveries?endpoint_id={paused}&status=pending"),
            format!("/v1/deliveries?endpoint_id={deleted}&status=cancelled"),
            format!("/v1/deliveries?endpoint_id={refusing}"),
            format!("/v1/deliveries?endpoint_id={refusing}&status=failed"),
            "/v1/deliveries?since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z".to_owned(),
            format!("/v1/deliveries/{delivery}/attempts"),
            format!("/v1/endpoints?topic={topic}"),
            "/v1/endpoints".to_owned(),
            format!("/v1/endpoints/{busy}/stats"),
            "/v1/topics".to_owned(),
            "/v1/tenants".to_owned(),
            "/v1/schedules".to_owned(),
            "/v1/replays".to_owned(),
            "/v1/keys".to_owned(),
            "/v1/stats".to_owned(),
        ]
    }
}

/// The oldest message, which filters look for; answers its id.
async fn publish_special(stage: &Stage, fleet: &Fleet) -> Result<String> {
    let message = json!({
        "topic": stage.topic, "payload": {}, "uid": "the-first", "ordering_key": "the-first",
        "metadata": {"which": "the-first"},
    });
    let accepted = fleet.api().publish(&message).await?;
    let id = accepted["id"].as_str().unwrap_or_default();
    Ok(id.to_owned())
}

/// Publishes to another tenant's endpoint that refuses some, without a second attempt; answers the endpoint's id.
async fn refuse_some(stage: &mut Stage, fleet: &Fleet, count: u64) -> Result<String> {
    let receiver = Receiver::start(SocketAddr::new(stage.options.receive_on.ip(), 0), Manner::Grudge)?;
    let topic = stage.topic_beside("refused");
    stage.make_topic(fleet, &topic).await?;
    let url = format!("http://{}/", receiver.address());
    let endpoint = stage.make_endpoint(fleet, Some(TENANT), &url, &topic).await?;
    fleet.api().patch_endpoint(&endpoint, &json!({"max_attempts": 1})).await?;
    backlog::publish_all(stage, fleet, &topic, Some(TENANT), count).await?;
    let (path, begun) = (format!("/v1/deliveries?tenant={TENANT}&status=pending&limit=1"), stage.clock.now());
    loop {
        let page = fleet.api().get(&path).await?;
        if page["data"].as_array().is_some_and(Vec::is_empty) && page["next_cursor"].is_null() {
            return Ok(endpoint);
        }
        if stage.clock.now() - begun > nanos(PATIENCE) {
            return Err(BenchError::Answer {
                path,
                detail: "deliveries that should have ended are pending".to_owned(),
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn read(stage: &Stage, fleet: &Fleet, path: String) -> Result<ListTime> {
    let mut reader = fleet.api().reader().await?;
    let mut times = Latencies::new()?;
    let (mut rows, mut cursor, mut in_a_row) = (0, None::<String>, 0);
    for number in 0..PAGES {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = match &cursor {
            Some(cursor) => format!("{path}{separator}cursor={cursor}"),
            None => path.clone(),
        };
        let begun = stage.clock.now();
        let answer = reader.get(&page).await?;
        times.note(stage.clock.now() - begun);
        if number == 0 {
            rows = answer["data"].as_array().map_or(1, Vec::len);
        }
        in_a_row = (in_a_row + 1) % IN_A_ROW;
        cursor = answer["next_cursor"].as_str().filter(|_| in_a_row > 0).map(str::to_owned);
    }
    Ok(ListTime { path, rows, page: times.summary() })
}
