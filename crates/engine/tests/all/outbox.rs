//! What applications publish in SQL, inside their own transactions.

use posthaste_core::message::Origin;
use posthaste_engine::EngineError;
use posthaste_testkit::{Cluster, Receiver};
use serde_json::json;

use crate::fleet::node;

#[tokio::test(flavor = "multi_thread")]
async fn what_commits_is_delivered_in_whatever_order_it_commits_and_what_rolls_back_never_is() {
    let cluster = Cluster::shared().await;
    let database = cluster.database().await;
    let site = node(&database).await;
    let receiver = Receiver::start().await;
    site.endpoint(&receiver.url("/"), json!({})).await;
    let publish = |n: u32| format!("select posthaste.publish(topic => 't', payload => '{n}'::jsonb);");
    // The first takes its place in the outbox, and commits last.
    let slow = format!("begin; {} select pg_sleep(2); commit;", publish(1));
    let quick = format!("begin; {} commit; begin; {} rollback;", publish(2), publish(3));
    tokio::join!(cluster.sql(&database, &slow), async {
        cluster.sql(&database, &quick).await;
        receiver.wait_for(1).await;
    });
    let received = receiver.wait_for(2).await;
    let bodies: Vec<&[u8]> = received.iter().map(|one| one.body.as_ref()).collect();
    assert_eq!(bodies, [b"2".as_slice(), b"1"]);
    let message = site.engine.message(&site.admin, None, received[0].header("webhook-id")).await.unwrap();
    assert_eq!(message.message.extras.origin, Origin::Outbox);
    // A message behind it all shows that the third does not come.
    cluster.sql(&database, &publish(4)).await;
    let last = receiver.wait_for(3).await;
    assert_eq!(last[2].body, b"4".as_slice());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_a_repeat_the_same_publish_and_what_is_refused_later_stays_readable() {
    let cluster = Cluster::shared().await;
    let database = cluster.database().await;
    let site = node(&database).await;
    let receiver = Receiver::start().await;
    site.engine
        .create_topic(&site.admin, json!({"name": "strict", "schema": {"type": "object", "required": ["id"]}}))
        .await
        .unwrap();
    site.endpoint(&receiver.url("/"), json!({"topics": ["strict"]})).await;
    let publish = "select posthaste.publish(topic => 'strict', payload => '{\"id\": 1}', idempotency_key => 'k');";
    let first = cluster.sql(&database, publish).await;
    let again = cluster.sql(&database, publish).await;
    assert_eq!(first.trim(), again.trim());
    let bad = cluster.sql(&database, "select posthaste.publish(topic => 'strict', payload => '{}');").await;
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].header("webhook-id"), first.trim());
    // The refused one was taken in with the others, or soon after.
    let rejection = loop {
        match site.engine.message(&site.admin, None, bad.trim()).await {
            Ok(found) if found.message.extras.rejection.is_some() => break found.message.extras.rejection.unwrap(),
            Ok(_) | Err(EngineError::NotFound(_)) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(rejection["code"], "invalid");
    assert_eq!(receiver.received().len(), 1);
    // Where topics come into being by themselves they do so here too.
    site.endpoint(&receiver.url("/"), json!({"topics": ["new.*"]})).await;
    cluster.sql(&database, "select posthaste.publish(topic => 'new.topic', payload => '2');").await;
    assert_eq!(receiver.wait_for(2).await[1].body, b"2".as_slice());
    site.stop().await;
}
