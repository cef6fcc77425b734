//! The queue in PostgreSQL: shared by processes, published into from the caller's own transactions.

use posthaste::postgres::{publish_in, tokio_postgres};
use posthaste::{Message, Options, Posthaste};
use posthaste_testkit::{Cluster, Receiver};
use serde_json::json;

async fn open(url: &str) -> Posthaste {
    Options::new(url).allow_net("127.0.0.0/8").open().await.unwrap()
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test's own connection, which ends with it")]
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn a_message_in_a_transaction_that_is_rolled_back_is_never_sent() {
    let url = Cluster::shared().await.database().await;
    let hooks = open(&url).await;
    let receiver = Receiver::start().await;
    hooks.register("order.created", &receiver.url("/")).await.unwrap();
    hooks.start().await.unwrap();
    let mut client = connect(&url).await;
    let message = |id: u32| Message::new("order.created", &json!({"id": id})).unwrap();
    let rolled_back = client.transaction().await.unwrap();
    publish_in(&rolled_back, &message(1)).await.unwrap();
    rolled_back.rollback().await.unwrap();
    let committed = client.transaction().await.unwrap();
    let id = publish_in(&committed, &message(2)).await.unwrap();
    assert!(receiver.received().is_empty());
    committed.commit().await.unwrap();
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].header("webhook-id"), id.to_string());
    hooks.stop().await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn two_queues_on_one_database_share_the_work_and_send_nothing_twice() {
    let url = Cluster::shared().await.database().await;
    let (one, two) = (open(&url).await, open(&url).await);
    let receiver = Receiver::start().await;
    one.register("a", &receiver.url("/")).await.unwrap();
    one.start().await.unwrap();
    two.start().await.unwrap();
    for n in 0..50 {
        one.fire("a", &n).await.unwrap();
        two.fire("a", &n).await.unwrap();
    }
    receiver.wait_for(100).await;
    // What one leaves, the other goes on with.
    one.stop().await;
    one.fire("a", &100).await.unwrap();
    receiver.wait_for(101).await;
    two.stop().await;
    one.stop().await;
    assert_eq!(receiver.received().len(), 101);
}
