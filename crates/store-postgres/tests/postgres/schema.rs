//! Migrations.

use posthaste_store::StoreError;
use posthaste_store_postgres::{PostgresOptions, PostgresStore};
use posthaste_testkit::Cluster;

#[tokio::test]
async fn processes_that_start_at_once_migrate_once() {
    let url = Cluster::shared().await.database().await;
    let options = PostgresOptions::default();
    let before = PostgresStore::check(&url, &options).await.unwrap();
    assert_eq!(before.found, 0);
    let starts = (0..4).map(|_| PostgresStore::connect(&url, &options));
    for started in futures_util::future::join_all(starts).await {
        started.unwrap();
    }
    let after = PostgresStore::check(&url, &options).await.unwrap();
    assert!(after.is_current(), "{after:?}");
    assert_eq!(after.found, after.known);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let cluster = Cluster::shared().await;
    let url = cluster.database().await;
    let options = PostgresOptions::default();
    PostgresStore::connect(&url, &options).await.unwrap();
    cluster.sql(&url, "INSERT INTO posthaste.schema_version (version) VALUES (999)").await;
    let refused = PostgresStore::connect(&url, &options).await;
    assert!(matches!(refused, Err(StoreError::NewerSchema { found: 999, .. })), "{refused:?}");
    assert_eq!(PostgresStore::check(&url, &options).await.unwrap().found, 999);
}

#[tokio::test]
async fn days_have_their_partitions_before_they_begin() {
    let cluster = Cluster::shared().await;
    let url = cluster.database().await;
    PostgresStore::connect(&url, &PostgresOptions::default()).await.unwrap();
    let tomorrow = "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE c.relname LIKE '%' || to_char(now() AT TIME ZONE 'UTC' + interval '1 day', '\"_\"YYYY_MM_DD')";
    // Each table's, and those of its indexes have other names.
    assert_eq!(cluster.sql(&url, tomorrow).await, "5");
}
