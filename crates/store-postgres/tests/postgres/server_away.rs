//! A server that goes away and comes back.

use std::time::Duration;

use posthaste_core::delivery::Next;
use posthaste_store::history::MessageFilter;
use posthaste_store::{Accepted, Coordination as _, Flush, History as _, Page, Published, Queue as _, StoreError};
use posthaste_store_postgres::{PostgresOptions, PostgresStore};
use posthaste_testkit::{Cluster, Fsync};

use crate::made::Node;

/// Calls until the store is there again; anything but its absence fails.
async fn until_there<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    for _ in 0..200 {
        match call().await {
            Ok(done) => return done,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the store did not come back");
}

#[tokio::test]
async fn a_server_that_stops_and_starts_again_loses_nothing_and_doubles_nothing() {
    let cluster = Cluster::dedicated(Fsync::Off).await;
    let url = cluster.database().await;
    let mut node = Node::join(&url, &PostgresOptions::default()).await;
    let endpoint = node.endpoint(1).await;
    let before = node.group(vec![node.message(&[endpoint])]);
    let committed = Published::Committed(vec![Accepted::New]);
    assert_eq!(node.store.publish(node.joined.node, &before).await.unwrap(), committed);

    cluster.stop().await;
    let during = node.group(vec![node.message(&[endpoint])]);
    let away = node.store.publish(node.joined.node, &during).await;
    assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
    let beat = node.store.beat(node.joined.node, node.matched).await;
    assert!(matches!(beat, Err(StoreError::Unavailable(_))), "{beat:?}");

    cluster.start().await;
    let published = until_there(async || node.store.publish(node.joined.node, &during).await).await;
    assert_eq!(published, committed);
    // Whichever try it was that landed, the same again says the same.
    assert_eq!(node.store.publish(node.joined.node, &during).await.unwrap(), committed);
    until_there(async || node.store.beat(node.joined.node, node.matched).await).await;
    let delivery = during.messages[0].message.id.delivery(1);
    let settled = vec![node.settled(during.batch, delivery, endpoint, Next::Succeeded)];
    let flush = Flush { settled, finished: vec![during.batch], ..Flush::default() };
    until_there(async || node.store.record(node.joined.node, &flush).await).await;
    let all = until_there(async || node.store.messages(&MessageFilter::default(), Page::first(10)).await).await;
    assert_eq!(all.items.len(), 2);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_and_its_password_is_not() {
    let url = "postgres://somebody:hunter2@127.0.0.1:1/posthaste";
    let error = PostgresStore::connect(url, &PostgresOptions::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let said = format!("{error} {error:?}");
    assert!(said.contains("127.0.0.1") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_of_a_transaction_leaves_the_connection_usable() {
    let url = Cluster::shared().await.database().await;
    let options = PostgresOptions { publish_connections: 1, work_connections: 1, ..PostgresOptions::default() };
    let mut node = Node::join(&url, &options).await;
    let endpoint = node.endpoint(1).await;
    for round in 0..20 {
        let mut new = node.message(&[endpoint]);
        new.idempotency = Some(posthaste_store::queue::IdempotencyKey {
            verb: "messages",
            key: format!("key {round}"),
            request_hash: [0; 32],
        });
        let group = node.group(vec![new]);
        // Somewhere in its several round trips.
        let soon = Duration::from_micros(100 * round);
        let _ = tokio::time::timeout(soon, node.store.publish(node.joined.node, &group)).await;
        let published = node.store.publish(node.joined.node, &group).await.unwrap();
        assert_eq!(published, Published::Committed(vec![Accepted::New]));
    }
    let all = node.store.messages(&MessageFilter::default(), Page::first(50)).await.unwrap();
    assert_eq!(all.items.len(), 20);
}
