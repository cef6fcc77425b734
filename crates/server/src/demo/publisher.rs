//! Publishes the demo's events over REST, from several connections at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::future::try_join_all;
use http::Method;
use serde_json::json;

use super::stage::TOPICS;
use crate::client::Client;
use crate::failure::{Failure, Result};

/// How many connections publish at once.
const CONNECTIONS: usize = 16;
/// Each so many-th event is published twice, as a client does whose first answer was lost.
const REPEATED: u64 = 50;

/// What the publisher has seen.
#[derive(Debug, Default)]
pub struct Published {
    /// Events answered with 202.
    pub accepted: AtomicU64,
    /// Events published a second time.
    pub repeated: AtomicU64,
    /// Of those, how many the server knew.
    pub recognised: AtomicU64,
    /// Deliveries that the answers promised.
    pub promised: AtomicU64,
}

/// Publishes so many events.
pub async fn publish(server: &str, events: u64, began: Instant, published: Arc<Published>) -> Result<()> {
    let next = AtomicU64::new(0);
    let workers = (0..CONNECTIONS).map(|_| async {
        let client = Client::new(server, None)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= events {
                return Ok::<(), Failure>(());
            }
            one(&client, number, began, &published).await?;
        }
    });
    try_join_all(workers).await.map(drop)
}

async fn one(client: &Client, number: u64, began: Instant, published: &Published) -> Result<()> {
    let turn = usize::try_from(number).unwrap_or_default() % TOPICS.len();
    let document = json!({
        "topic": TOPICS[turn],
        "idempotency_key": format!("demo-{number}"),
        "payload": {
            "number": number,
            "published_micros": u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            "note": "an event of posthaste demo",
        },
    });
    let body = document.to_string().into_bytes();
    let first = client.call(Method::POST, "/v1/messages", Some(body.clone())).await?;
    published.accepted.fetch_add(1, Ordering::Relaxed);
    published.promised.fetch_add(first["deliveries"].as_u64().unwrap_or_default(), Ordering::Relaxed);
    if number.is_multiple_of(REPEATED) {
        let again = client.call(Method::POST, "/v1/messages", Some(body)).await?;
        published.repeated.fetch_add(1, Ordering::Relaxed);
        let known = again["duplicate"].as_bool() == Some(true) && again["id"] == first["id"];
        published.recognised.fetch_add(u64::from(known), Ordering::Relaxed);
    }
    Ok(())
}
