//! The schema's versions: numbered files, applied in order, one process at a time.

use posthaste_store::{Result, StoreError};

use crate::fault::classify;
use crate::session::Session;

/// Every step from an empty database; what stands here is never changed, only added to.
const STEPS: [&str; 7] = [
    include_str!("../sql/migrations/0001_catalog.sql"),
    include_str!("../sql/migrations/0002_coordination.sql"),
    include_str!("../sql/migrations/0003_deliveries.sql"),
    include_str!("../sql/migrations/0004_outbox.sql"),
    include_str!("../sql/migrations/0005_retention.sql"),
    include_str!("../sql/migrations/0006_outbox_topics.sql"),
    include_str!("../sql/migrations/0007_expiring.sql"),
];

/// What this program expects, and what the database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaVersion {
    /// What the database has; 0: nothing of Posthaste.
    pub found: i64,
    /// The newest this program knows.
    pub known: i64,
}

impl SchemaVersion {
    /// Whether there is nothing to migrate.
    pub const fn is_current(self) -> bool {
        self.found == self.known
    }
}

/// The schema that this program makes and knows.
pub fn schema_version() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Brings the schema to this program's version.
pub(crate) async fn migrate(session: &Session) -> Result<SchemaVersion> {
    // One transaction, so that the lock is held to its end, also behind a pooler. Other processes that start meanwhile
    // wait for it, longer than any other statement may.
    session.open("", Vec::new()).await?;
    session
        .simple(
            "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '120s'; SET LOCAL client_min_messages = error;
             SET LOCAL idle_in_transaction_session_timeout = '60s'",
        )
        .await?;
    session.query("SELECT pg_advisory_xact_lock(5785531236411219001)", &[]).await?;
    let found = version(session).await?;
    if found > schema_version() {
        session.roll_back().await?;
        return Err(StoreError::NewerSchema { found, known: schema_version() });
    }
    if found == 0 {
        session
            .simple(
                "CREATE SCHEMA IF NOT EXISTS posthaste;
                 CREATE TABLE IF NOT EXISTS posthaste.schema_version (version bigint PRIMARY KEY,
                     applied_at timestamptz NOT NULL DEFAULT now())",
            )
            .await?;
    }
    for (step, number) in STEPS.iter().zip(1i64..).filter(|(_, number)| *number > found) {
        session.simple(step).await?;
        session.query("INSERT INTO posthaste.schema_version (version) VALUES ($1)", &[&number]).await?;
    }
    session.commit(Vec::new()).await?;
    Ok(SchemaVersion { found: schema_version(), known: schema_version() })
}

/// What the database has, without changing it.
pub(crate) async fn check(session: &Session) -> Result<SchemaVersion> {
    Ok(SchemaVersion { found: version(session).await?, known: schema_version() })
}

async fn version(session: &Session) -> Result<i64> {
    let there = session.query("SELECT to_regclass('posthaste.schema_version') IS NOT NULL", &[]).await?;
    if !there.first().is_some_and(|row| row.get::<_, bool>(0)) {
        return Ok(0);
    }
    let rows = session.query("SELECT coalesce(max(version), 0) FROM posthaste.schema_version", &[]).await?;
    rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(classify)
}
