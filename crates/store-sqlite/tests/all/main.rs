//! The boundary's suite over this driver, and what only SQLite has to prove.

use std::sync::Arc;

use async_trait::async_trait;
use posthaste_store::Store;
use posthaste_store::conformance::Database;
use posthaste_store_sqlite::SqliteStore;

mod file;

/// A throwaway database, which is a real file in memory.
struct Throwaway;

#[expect(clippy::expect_used, reason = "a test")]
#[async_trait]
impl Database for Throwaway {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(":memory:").await.expect("opens"))
    }
}

async fn throwaway() -> Box<dyn Database> {
    Box::new(Throwaway)
}

mod conformance {
    posthaste_store::conformance_tests!(crate::throwaway);
}
