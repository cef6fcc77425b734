//! The suite that every driver passes, each case on a database of its own.

use std::sync::Arc;

use posthaste_store::Store;
use posthaste_store::conformance::Database;
use posthaste_store_postgres::{PostgresOptions, PostgresStore};
use posthaste_testkit::Cluster;

struct Fresh {
    url: String,
}

#[async_trait::async_trait]
impl Database for Fresh {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::connect(&self.url, &PostgresOptions::default()).await.unwrap())
    }
}

async fn make() -> Box<dyn Database> {
    Box::new(Fresh { url: Cluster::shared().await.database().await })
}

posthaste_store::conformance_tests!(crate::suite::make, many_nodes);
