//! Transactions of several nodes that touch the same rows.

use std::sync::Arc;

use posthaste_core::delivery::Next;
use posthaste_core::{CloseReason, DeliveryStatus, EndpointId, WaitingFor};
use posthaste_store::queue::IdempotencyKey;
use posthaste_store::{Accepted, Coordination as _, Flush, Published, Queue as _};
use posthaste_store_postgres::PostgresOptions;
use posthaste_testkit::Cluster;

use crate::made::Node;

const ROUNDS: usize = 30;

/// Publishes to ordered lanes in both directions, and has half of what it sends fail into `due`.
async fn work(node: Arc<Node>, mut endpoints: Vec<EndpointId>) {
    for round in 0..ROUNDS {
        endpoints.reverse();
        let direct = node.message(&endpoints);
        let group = node.group(vec![direct, node.waiting(&endpoints)]);
        let published = node.store.publish(node.joined.node, &group).await.unwrap();
        assert_eq!(published, Published::Committed(vec![Accepted::New; 2]));
        let (direct, waiting) = (group.messages[0].message.id, group.messages[1].message.id);
        let next = |index: usize| match (index + round) % 3 {
            0 => Next::Succeeded,
            1 => Next::Wait { due_at: node.joined.now, waiting_for: WaitingFor::Retry },
            _ => Next::Close { status: DeliveryStatus::Failed, reason: CloseReason::AttemptsExhausted },
        };
        let settled = (1u32..).zip(&endpoints).enumerate().map(|(index, (position, endpoint))| {
            node.settled(group.batch, direct.delivery(position), *endpoint, next(index))
        });
        let flush = Flush { settled: settled.collect(), finished: vec![group.batch], ..Flush::default() };
        let recorded = node.store.record(node.joined.node, &flush);
        let cancelled = node.store.cancel_message(waiting, node.joined.now);
        let (recorded, cancelled) = tokio::join!(recorded, cancelled);
        assert!(!recorded.unwrap().stale);
        assert_eq!(cancelled.unwrap().len(), endpoints.len());
        node.store.claim_shards(node.joined.node, 256, node.joined.now).await.unwrap();
        node.store.release_shards(node.joined.node, &(0..=255).collect::<Vec<_>>()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_nodes_on_the_same_lanes_never_deadlock() {
    let cluster = Cluster::shared().await;
    let url = cluster.database().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Node::join(&url, &PostgresOptions::default()).await);
    }
    let mut endpoints = Vec::new();
    for bits in 1..=8 {
        endpoints.push(nodes[0].endpoint(bits).await);
    }
    for node in &mut nodes {
        node.endpoint(1).await;
    }
    let works: Vec<_> = nodes.into_iter().map(|node| work(Arc::new(node), endpoints.clone())).collect();
    futures_util::future::join_all(works).await;
    let counted = cluster.sql(&url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await;
    assert_eq!(counted, "0");
    // In every ordered lane each place was given once.
    let doubled = "SELECT count(*) FROM (SELECT endpoint, ord, seq FROM posthaste.closed WHERE ord <> 0
        GROUP BY 1, 2, 3 HAVING count(*) > 1) doubled";
    assert_eq!(cluster.sql(&url, doubled).await, "0");
}

#[tokio::test]
async fn a_key_that_another_transaction_holds_is_busy_until_that_ends() {
    let url = Cluster::shared().await.database().await;
    let mut node = Node::join(&url, &PostgresOptions::default()).await;
    let endpoint = node.endpoint(1).await;
    let (mut holder, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the other half of the client; it ends with the test")]
    tokio::spawn(connection);
    let held = holder.transaction().await.unwrap();
    let insert = "INSERT INTO posthaste.idempotency VALUES (0, 'default', 'messages', 'k', gen_random_uuid(), '\\x00')";
    held.execute(insert, &[]).await.unwrap();
    let mut keyed = node.message(&[endpoint]);
    keyed.idempotency = Some(IdempotencyKey { verb: "messages", key: "k".into(), request_hash: [0; 32] });
    let group = node.group(vec![node.message(&[endpoint]), keyed]);
    assert_eq!(node.store.publish(node.joined.node, &group).await.unwrap(), Published::KeysBusy(vec![1]));
    held.rollback().await.unwrap();
    let published = node.store.publish(node.joined.node, &group).await.unwrap();
    assert_eq!(published, Published::Committed(vec![Accepted::New; 2]));
}
