//! Receivers that break HTTP, and names that point where they must not: each an ordinary failed attempt.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use posthaste_core::{DeliveryStatus, Outcome};
use posthaste_engine::egress::Resolve;
use posthaste_testkit::{RawAnswer, RawReceiver, Receiver};
use serde_json::json;

use crate::site::Site;

#[tokio::test]
async fn every_broken_answer_is_a_failed_attempt_and_nothing_more() {
    let site = Site::start().await;
    for (name, answer, outcome) in [
        ("binary", RawAnswer::binary(), Outcome::Rejected),
        ("endless body", RawAnswer::endless_body(), Outcome::ResponseTooLarge),
        ("endless head", RawAnswer::endless_head(), Outcome::ResponseTooLarge),
        ("lying length", RawAnswer::lying_length(), Outcome::ProtocolError),
        ("no HTTP", RawAnswer::no_http(), Outcome::ProtocolError),
    ] {
        let receiver = RawReceiver::start(answer).await;
        let members = json!({"topics": [], "max_attempts": 1, "timeout_seconds": 10});
        let endpoint = site.endpoint(&receiver.url("/"), members).await;
        let id = site.publish_as(json!({"endpoint_ids": [endpoint.id], "payload": 1})).await.id.delivery(1);
        site.until_status(id, DeliveryStatus::Failed).await;
        let attempt = site.attempts(id).await.remove(0);
        assert_eq!(attempt.outcome, outcome, "{name}: {:?}", attempt.error);
        assert!(attempt.error.is_some_and(|error| !error.is_empty() && error.len() <= 500), "{name}");
    }
}

/// Answers a list, one after the other, and then the last for ever.
struct Names(Vec<IpAddr>, Arc<AtomicUsize>);

impl Resolve for Names {
    fn resolve(&self, _name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let asked = self.1.fetch_add(1, Ordering::AcqRel);
        let answer = self.0[asked.min(self.0.len() - 1)];
        async move { Ok(vec![answer]) }.boxed()
    }
}

#[tokio::test]
async fn a_name_is_connected_to_at_the_address_that_was_checked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let names = Names(vec!["127.0.0.1".parse().unwrap(), "169.254.169.254".parse().unwrap()], asked.clone());
    let site = Site::with(|options| options.egress.resolver = Arc::new(names)).await;
    let receiver = Receiver::start().await;
    let url = format!("http://hooks.example:{}/", receiver.address().port());
    site.endpoint(&url, json!({"max_attempts": 1})).await;
    let id = site.publish(json!(1)).await.id.delivery(1);
    site.until_status(id, DeliveryStatus::Succeeded).await;
    assert_eq!(asked.load(Ordering::Acquire), 1, "asked once, and not again between check and connect");
    assert_eq!(receiver.received()[0].header("host"), format!("hooks.example:{}", receiver.address().port()));
}

#[tokio::test]
async fn a_name_that_points_inside_is_blocked() {
    for address in ["169.254.169.254", "10.0.0.1", "::1", "::ffff:192.168.0.1", "64:ff9b::a00:1"] {
        let names = Names(vec![address.parse().unwrap()], Arc::default());
        let site = Site::with(|options| options.egress.resolver = Arc::new(names)).await;
        site.endpoint("http://hooks.example/", json!({"max_attempts": 1})).await;
        let id = site.publish(json!(1)).await.id.delivery(1);
        site.until_status(id, DeliveryStatus::Failed).await;
        assert_eq!(site.attempts(id).await[0].outcome, Outcome::BlockedAddress, "{address}");
    }
}
