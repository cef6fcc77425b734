//! Sets the scene over REST: topics, and an endpoint for each receiver.

use std::net::SocketAddr;

use http::Method;
use serde_json::json;

use super::receivers::Receiver;
use crate::client::Client;
use crate::failure::Result;

/// The topics of the demo's events, in turn.
pub const TOPICS: [&str; 3] = ["order.created", "order.paid", "invoice.sent"];

/// Makes the topics.
pub async fn topics(client: &Client) -> Result<()> {
    for name in TOPICS {
        client.call(Method::POST, "/v1/topics", Some(json!({ "name": name }).to_string().into_bytes())).await?;
    }
    Ok(())
}

/// Registers a receiver as an endpoint. Its retries are quick, so that a demo does not last for hours.
pub async fn endpoint(client: &Client, receiver: &Receiver, address: SocketAddr) -> Result<()> {
    let document = json!({
        "url": format!("http://{address}/{}", receiver.name),
        "name": receiver.name,
        "topics": [receiver.topics],
        "secret": receiver.secret.expose_text(),
        "retry": { "schedule_seconds": [1, 1, 1, 2, 2, 2, 3, 3, 3], "jitter": 0.5 },
    });
    client.call(Method::POST, "/v1/endpoints", Some(document.to_string().into_bytes())).await?;
    Ok(())
}

/// How many of so many events a receiver should get.
pub fn owed(receiver: &Receiver, events: u64) -> u64 {
    let wants = |topic: &str| match receiver.topics.strip_suffix('*') {
        Some(prefix) => topic.starts_with(prefix),
        None => topic == receiver.topics,
    };
    let turns = u64::try_from(TOPICS.len()).unwrap_or(1);
    let of_topic = |place: u64| events / turns + u64::from(events % turns > place);
    (0..).zip(TOPICS).filter(|(_, topic)| wants(topic)).map(|(place, _)| of_topic(place)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::receivers::Manner;
    use std::time::Instant;

    #[test]
    fn each_receiver_is_owed_the_events_of_its_topics() {
        for (topics, events, expected) in
            [("*", 10, 10), ("order.*", 10, 7), ("invoice.sent", 10, 3), ("order.*", 8, 6)]
        {
            let receiver = Receiver::new("x", topics, Manner::Healthy, Instant::now()).unwrap();
            assert_eq!(owed(&receiver, events), expected, "{topics} of {events}");
        }
    }
}
