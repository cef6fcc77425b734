//! Publishing inside the caller's own transaction on SQLite.

use posthaste::Message;
use posthaste::sqlite::TransactionError;
use posthaste_testkit::Receiver;
use serde_json::json;
use tempfile::TempDir;

use crate::open;

#[tokio::test]
async fn a_message_is_delivered_if_and_only_if_the_callers_transaction_commits() {
    let directory = TempDir::new().unwrap();
    let hooks = open(&directory).await;
    let receiver = Receiver::start().await;
    hooks.register("order.created", &receiver.url("/")).await.unwrap();
    hooks.start().await.unwrap();
    let make =
        |id: u32| Message::new("order.created", &json!({"id": id})).unwrap().idempotency_key(format!("order-{id}"));
    let (undone, done) = (make(1), make(2));
    let failed = hooks
        .transaction(move |tx| {
            tx.connection().execute("CREATE TABLE orders (id INTEGER)", []).map_err(|error| error.to_string())?;
            tx.publish(&undone).map_err(|error| error.to_string())?;
            Err::<(), _>("the customer changed their mind".to_owned())
        })
        .await;
    assert!(matches!(failed, Err(TransactionError::Work(_))));
    let id = hooks
        .transaction(move |tx| {
            // The table of the first transaction is gone with it.
            tx.connection().execute("CREATE TABLE orders (id INTEGER)", []).map_err(|error| error.to_string())?;
            tx.connection().execute("INSERT INTO orders VALUES (2)", []).map_err(|error| error.to_string())?;
            tx.publish(&done).map_err(|error| error.to_string())
        })
        .await
        .unwrap();
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].header("webhook-id"), id.to_string());
    assert_eq!(received[0].body, br#"{"id":2}"#.as_slice());
    hooks.stop().await;
    assert_eq!(receiver.received().len(), 1);
}
