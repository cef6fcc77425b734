//! `posthaste.publish`, inside an application's own transaction.

use posthaste_core::id::TopicKind;
use posthaste_core::schedule::OUTBOX_NODE;
use posthaste_core::topic::TopicDetails;
use posthaste_core::{Id, MessageId, Timestamp, Topic};
use posthaste_store::{Catalog as _, Outbox as _};
use posthaste_store_postgres::{OutboxMessage, PostgresOptions, PostgresStore, publish_in};
use posthaste_testkit::Cluster;
use tokio_postgres::{Client, NoTls};

async fn begin() -> (PostgresStore, Client, String) {
    let url = Cluster::shared().await.database().await;
    let store = PostgresStore::connect(&url, &PostgresOptions::default()).await.unwrap();
    let at = Timestamp::from_millis(1_700_000_000_000);
    let topic = Topic {
        id: Id::<TopicKind>::from_bits(5),
        tenant: None,
        name: "order.created".parse().unwrap(),
        details: TopicDetails::default(),
        revision: 1,
        created_at: at,
        updated_at: at,
    };
    store.create_topic(&topic).await.unwrap();
    (store, client(&url).await, url)
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the other half of the client; it ends with the test")]
    tokio::spawn(connection);
    client
}

fn message(payload: &str) -> OutboxMessage {
    OutboxMessage { topic: "order.created".into(), payload: payload.into(), ..OutboxMessage::default() }
}

#[tokio::test]
async fn a_message_is_left_if_and_only_if_the_transaction_commits() {
    let (store, mut application, _) = begin().await;
    let transaction = application.transaction().await.unwrap();
    publish_in(&transaction, &message("1")).await.unwrap();
    transaction.rollback().await.unwrap();
    assert!(store.outbox(10).await.unwrap().is_empty());
    let transaction = application.transaction().await.unwrap();
    let left = OutboxMessage {
        tenant: Some("acme".into()),
        deliver_at: Some(Timestamp::parse("2026-02-01T00:00:00.5Z").unwrap()),
        ordering_key: Some("a".into()),
        ..message(r#"{"total": 1.50, "note": null}"#)
    };
    let id = publish_in(&transaction, &left).await.unwrap();
    assert!(store.outbox(10).await.unwrap().is_empty(), "not before the commit");
    transaction.commit().await.unwrap();
    let rows = store.outbox(10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [id]);
    assert_eq!(store.outbox_row(id).await.unwrap().as_ref(), rows.first());
    let draft: serde_json::Value = serde_json::from_str(&rows[0].draft).unwrap();
    let expected = serde_json::json!({
        "topic": "order.created", "tenant": "acme", "ordering_key": "a", "deliver_at": "2026-02-01T00:00:00.500000Z",
        "payload": {"total": 1.50, "note": null},
    });
    assert_eq!(draft, expected);
}

#[tokio::test]
async fn an_id_given_in_sql_is_the_outboxs_and_of_its_time() {
    let (store, application, _) = begin().await;
    let ids = [
        publish_in(&application, &message("1")).await.unwrap(),
        publish_in(&application, &message("2")).await.unwrap(),
    ];
    assert_ne!(ids[0], ids[1]);
    for (id, row) in ids.iter().zip(store.outbox(10).await.unwrap()) {
        let millis = Timestamp::from_millis(row.at.as_millis());
        let counter = u32::try_from(id.bits() >> 46 & 0xff_ffff).unwrap();
        assert_eq!(*id, MessageId::compose(millis, OUTBOX_NODE, counter));
    }
}

#[tokio::test]
async fn an_unknown_topic_does_not_undo_what_the_application_did() {
    let (store, mut application, _) = begin().await;
    let transaction = application.transaction().await.unwrap();
    let unknown = OutboxMessage { topic: "order.creatde".into(), ..message("1") };
    let id = publish_in(&transaction, &unknown).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.outbox(10).await.unwrap().iter().map(|row| row.id).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn the_same_key_is_the_same_message_and_never_another() {
    let (store, application, _) = begin().await;
    let keyed = |payload| OutboxMessage { idempotency_key: Some("k".into()), ..message(payload) };
    let first = publish_in(&application, &keyed("1")).await.unwrap();
    assert_eq!(publish_in(&application, &keyed("1")).await.unwrap(), first);
    assert!(publish_in(&application, &keyed("2")).await.is_err());
    assert_eq!(store.outbox(10).await.unwrap().len(), 1);
}

/// The application's role needs nothing but the right to execute, and cannot put a function of its own in the way.
#[tokio::test]
async fn a_role_without_rights_on_the_tables_can_publish_if_it_may_execute() {
    let (store, _, url) = begin().await;
    let cluster = Cluster::shared().await;
    let role = format!("application_{}", url.rsplit('/').next().unwrap());
    let publish = "SELECT posthaste.publish(topic => 'order.created', payload => '{}')";
    let as_role = |sql: &str| format!("SET ROLE {role}; SET search_path = mine, pg_catalog; {sql}");
    cluster
        .sql(
            &url,
            &format!(
                "CREATE ROLE {role}; GRANT USAGE ON SCHEMA posthaste TO {role}; CREATE SCHEMA mine AUTHORIZATION {role};
                 SET ROLE {role}; CREATE FUNCTION mine.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea'"
            ),
        )
        .await;
    let application = client(&url).await;
    assert!(application.batch_execute(&as_role(publish)).await.is_err(), "it may not yet");
    cluster.sql(&url, &format!("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA posthaste TO {role}")).await;
    application.batch_execute(&as_role(publish)).await.unwrap();
    assert!(application.batch_execute(&as_role("SELECT * FROM posthaste.outbox")).await.is_err());
    assert_eq!(store.outbox(10).await.unwrap().len(), 1);
}
