//! Several engines on one PostgreSQL: shards that change hands, nodes that die.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::delivery::CloseReason;
use posthaste_core::{DeliveryStatus, EndpointId};
use posthaste_engine::Options;
use posthaste_store_postgres::{PostgresOptions, PostgresStore};
use posthaste_testkit::{Answer, Cluster, PATIENCE, Received, Receiver};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::site::{Site, reason};

pub async fn node(database: &str) -> Site {
    let store = PostgresStore::connect(database, &PostgresOptions::default()).await.unwrap();
    Site::on(Arc::new(store), quick).await
}

fn quick(options: &mut Options) {
    options.lease = Duration::from_secs(2);
    options.commit_width = 2;
}

/// A node that can die: everything of it runs on a runtime of its own, which is dropped with all that is under way.
pub struct Mortal {
    site: Option<Site>,
    runtime: Option<Runtime>,
}

impl Mortal {
    pub async fn start(database: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let database = database.to_owned();
        let site = runtime.spawn(async move { node(&database).await }).await.unwrap();
        Self { site: Some(site), runtime: Some(runtime) }
    }

    pub fn site(&self) -> &Site {
        self.site.as_ref().unwrap()
    }

    pub fn die(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
        self.site = None;
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The numbers in the order in which they first came.
fn first_seen(received: &[Received]) -> Vec<u32> {
    let mut seen = Vec::new();
    for number in received.iter().map(|request| serde_json::from_slice::<u32>(&request.body).unwrap()) {
        if !seen.contains(&number) {
            seen.push(number);
        }
    }
    seen
}

/// Waits until each of the nodes owns some of the shards, and all of them together.
async fn settled(site: &Site, nodes: usize) {
    let shared = async {
        loop {
            let shards: Vec<u32> =
                site.engine.stats(&site.admin, None).await.unwrap().nodes.iter().map(|node| node.shards).collect();
            if shards.len() == nodes && shards.iter().all(|count| *count > 0) && shards.iter().sum::<u32>() == 256 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, shared).await.unwrap();
}

#[tokio::test]
async fn order_holds_while_shards_change_hands() {
    let database = Cluster::shared().await.database().await;
    let receiver = Receiver::start().await;
    let first = node(&database).await;
    // Endpoints in many shards: some of them move.
    let mut endpoints = Vec::new();
    for number in 0..8 {
        let members = json!({"topics": [], "ordering": "fifo"});
        endpoints.push(first.endpoint(&receiver.url(&format!("/{number}")), members).await.id);
    }
    let publish = async |site: &Site, number: u32| {
        site.publish_as(json!({"endpoint_ids": endpoints, "payload": number})).await;
    };
    for number in 0..30 {
        publish(&first, number).await;
    }
    let second = node(&database).await;
    for number in 30..90 {
        publish(if number % 2 == 0 { &first } else { &second }, number).await;
    }
    settled(&first, 2).await;
    let third = node(&database).await;
    for number in 90..120 {
        publish([&first, &second, &third][number as usize % 3], number).await;
    }
    settled(&first, 3).await;
    second.stop().await;
    for number in 120..150 {
        publish(&third, number).await;
    }
    let received = receiver.wait_for(150 * 8).await;
    for number in 0..8 {
        let path = format!("/{number}");
        let to: Vec<_> = received.iter().filter(|request| request.path == path).cloned().collect();
        assert_eq!(first_seen(&to), (0..150).collect::<Vec<_>>(), "{path}");
        assert_eq!(to.len(), 150, "{path}: nobody died, so nothing came twice");
    }
}

#[tokio::test]
async fn what_a_dead_node_left_is_sent_by_another_in_its_order() {
    let database = Cluster::shared().await.database().await;
    let receiver = Receiver::start().await;
    let heir = node(&database).await;
    let mut mortal = Mortal::start(&database).await;
    settled(&heir, 2).await;
    let mut endpoints = Vec::new();
    for number in 0..6 {
        let members = json!({"topics": [], "ordering": "fifo"});
        endpoints.push(heir.endpoint(&receiver.url(&format!("/fifo/{number}")), members).await.id);
    }
    endpoints.push(heir.endpoint(&receiver.url("/plain"), json!({"topics": []})).await.id);
    receiver.answer(Answer::status(200).after(Duration::from_millis(30)));
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(mortal.site().publish_as(json!({"endpoint_ids": endpoints, "payload": number})).await.id);
    }
    mortal.die();
    for id in &ids {
        for position in 1..=7 {
            heir.until_status(id.delivery(position), DeliveryStatus::Succeeded).await;
        }
    }
    let received = receiver.received();
    for number in 0..6 {
        let path = format!("/fifo/{number}");
        let to: Vec<_> = received.iter().filter(|request| request.path == path).cloned().collect();
        assert_eq!(first_seen(&to), (0..40).collect::<Vec<_>>(), "{path}");
    }
}

#[tokio::test]
async fn a_dead_node_s_at_most_once_deliveries_are_given_up_where_nobody_knows() {
    let database = Cluster::shared().await.database().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::hang());
    let mut mortal = Mortal::start(&database).await;
    let endpoint =
        mortal.site().endpoint(&receiver.url("/"), json!({"guarantee": "at_most_once", "ordering": "fifo"})).await;
    let first = mortal.site().publish(json!(1)).await.id.delivery(1);
    let second = mortal.site().publish(json!(2)).await.id.delivery(1);
    receiver.wait_for(1).await;
    receiver.answer(Answer::status(200));
    mortal.die();
    let heir = node(&database).await;
    let failed = heir.until_status(first, DeliveryStatus::Failed).await;
    assert_eq!(reason(&failed), Some(CloseReason::UnknownOutcome));
    heir.until_status(second, DeliveryStatus::Succeeded).await;
    assert_eq!(first_seen(&receiver.received()), [1, 2]);
    assert_eq!(receiver.received().len(), 2, "{}", endpoint.id);
}

#[tokio::test]
async fn a_rate_limit_holds_over_all_nodes_and_a_hand_over() {
    let database = Cluster::shared().await.database().await;
    let receiver = Receiver::start().await;
    let first = node(&database).await;
    let members = json!({"rate_limit": {"per_second": 50, "burst": 5}});
    first.endpoint(&receiver.url("/"), members).await;
    for number in 0..60 {
        first.publish(json!(number)).await;
    }
    let second = node(&database).await;
    for number in 60..120 {
        second.publish(json!(number)).await;
    }
    settled(&second, 2).await;
    first.stop().await;
    let times: Vec<_> = receiver.wait_for(120).await.iter().map(|request| request.at).collect();
    let within = |first: &std::time::Instant| {
        times.iter().filter(|at| *at >= first && at.duration_since(*first) < Duration::from_secs(1)).count()
    };
    let most = times.iter().map(within).max().unwrap();
    assert!(most <= 55 + 3, "{most} in one second");
    assert_eq!(times.len(), 120);
}

#[tokio::test]
async fn deliveries_one_at_a_time_leave_few_dead_rows() {
    const MESSAGES: u32 = 600;
    let cluster = Cluster::shared().await;
    let database = cluster.database().await;
    let receiver = Receiver::start().await;
    let site = node(&database).await;
    site.endpoint(&receiver.url("/"), json!({})).await;
    for number in 0..MESSAGES {
        site.publish(json!(number)).await;
    }
    receiver.wait_for(MESSAGES as usize).await;
    site.stop().await;
    // A session's statistics are there when it has ended.
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let ended = async {
        while cluster.sql(&database, others).await != "0" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    // What is written once in a node's life does not count.
    let dead = "SELECT coalesce(sum(n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables \
                WHERE schemaname = 'posthaste' AND relname NOT IN ('shard', 'node', 'beat', 'leader')";
    let dead: u32 = cluster.sql(&database, dead).await.parse().unwrap();
    assert!(dead < MESSAGES / 20, "{dead} dead rows after {MESSAGES} deliveries");
    let inserted = "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE schemaname = 'posthaste'";
    let inserted: u32 = cluster.sql(&database, inserted).await.parse().unwrap();
    assert!(inserted > MESSAGES, "the statistics are there");
}

#[tokio::test]
async fn two_changes_at_once_do_not_close_a_circle_of_dead_letters() {
    let database = Cluster::shared().await.database().await;
    let (first, second) = (node(&database).await, node(&database).await);
    for round in 0..8 {
        let one = first.endpoint("http://127.0.0.1:9/", json!({"topics": []})).await.id;
        let other = second.endpoint("http://127.0.0.1:9/", json!({"topics": []})).await.id;
        let point = async |site: &Site, from: EndpointId, to: EndpointId| {
            let patch = json!({"dead_letter_endpoint_id": to});
            site.engine.update_endpoint(&site.admin, None, &from.to_string(), patch, None).await
        };
        // Each of them is right by itself, with the catalog as its node knows it.
        let (there, back) = tokio::join!(point(&first, one, other), point(&second, other, one));
        let refused: Vec<_> = [there, back].into_iter().filter_map(Result::err).collect();
        assert_eq!(refused.len(), 1, "round {round}: {refused:?}");
        assert!(refused[0].to_string().contains("circle"), "round {round}: {refused:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_one_node_made_a_moment_ago_is_known_to_the_owner_of_its_shard() {
    let database = Cluster::shared().await.database().await;
    let receiver = Receiver::start().await;
    let (first, second) = (node(&database).await, node(&database).await);
    settled(&first, 2).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        let endpoint = second.endpoint(&receiver.url("/"), json!({"topics": [], "ordering": "fifo"})).await;
        ids.push(second.publish_as(json!({"endpoint_ids": [endpoint.id], "payload": number})).await.id.delivery(1));
    }
    for id in ids {
        second.until(id, "sent", |detail| detail.delivery.status() != DeliveryStatus::Pending).await;
        assert_eq!(second.delivery(id).await.delivery.status(), DeliveryStatus::Succeeded);
    }
}
