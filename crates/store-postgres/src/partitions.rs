//! Partitions made ahead of their day, and the turn of the idempotency generations.

use std::time::Duration;

use posthaste_core::{MessageId, Timestamp};
use posthaste_store::{Result, StoreError};
use tokio_postgres::error::SqlState;

use crate::PostgresStore;
use crate::fault::is_lock_timeout;
use crate::rows::get;
use crate::session::{Call, Session};

/// Every table that is partitioned by day.
pub(crate) const DAILY: [&str; 5] = ["message", "payload", "attempt", "capture", "closed"];
/// One day.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
/// How many days have their partitions before they begin, today among them.
const AHEAD: u32 = 4;
/// How long a key holds at least.
const GENERATION: Duration = DAY;

/// Midnight before an instant, UTC.
pub(crate) fn day_of(at: Timestamp) -> Timestamp {
    let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().div_euclid(day) * day)
}

/// The name of a table's partition for a day: `message_2026_01_31`.
pub(crate) fn partition(table: &str, day: Timestamp) -> String {
    let date = day.to_string();
    format!("{table}_{}", date.get(..10).unwrap_or(&date).replace('-', "_"))
}

/// The database's clock.
pub(crate) async fn clock(store: &PostgresStore) -> Result<Timestamp> {
    let session = store.working.take().await?;
    let rows = session.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", &[]).await?;
    rows.first().map_or(Ok(0), |row| get(row, 0)).map(Timestamp::from_micros)
}

/// Makes the partitions of today and the next days, where they are missing.
pub(crate) async fn ahead(store: &PostgresStore, now: Timestamp) -> Result<()> {
    let session = store.working.take().await?;
    let today = day_of(now);
    let rows = session.query(include_str!("../sql/list_partitions.sql"), &[]).await?;
    let there: Vec<String> = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
    for day in (0..AHEAD).map(|days| today + DAY * days) {
        for table in DAILY {
            if !there.contains(&partition(table, day)) {
                make(&session, table, day).await?;
            }
        }
    }
    Ok(())
}

/// Attached with a weaker lock on the whole than `CREATE … PARTITION OF` would take, so that nobody waits. If rows of
/// that day lie in DEFAULT already (nobody made partitions for days), it stays without one.
async fn make(session: &Session, table: &str, day: Timestamp) -> Result<()> {
    let name = partition(table, day);
    let bound = |at: Timestamp| uuid_text(MessageId::floor_of(at).bits());
    let made = session
        .try_commit_batch(&format!(
            "SET LOCAL lock_timeout = '1s'; SELECT pg_advisory_xact_lock(5785531236411219003);
             CREATE TABLE IF NOT EXISTS posthaste.{name} (LIKE posthaste.{table} INCLUDING DEFAULTS INCLUDING STORAGE);
             ALTER TABLE posthaste.{table} ATTACH PARTITION posthaste.{name} FOR VALUES FROM ('{}') TO ('{}')",
            bound(day),
            bound(day + DAY)
        ))
        .await?;
    match made {
        Ok(()) => Ok(()),
        Err(error) if is_lock_timeout(&error) => {
            tracing::info!(partition = name, "the table is in use; its partition is made later");
            Ok(())
        }
        // Another node attached it first.
        Err(error) if already_there(error.code()) => Ok(()),
        Err(error) if error.code() == Some(&SqlState::CHECK_VIOLATION) => {
            tracing::warn!(partition = name, "rows of that day lie in the default partition; it stays without its own");
            Ok(())
        }
        Err(error) => Err(crate::fault::classify(error)),
    }
}

fn already_there(code: Option<&SqlState>) -> bool {
    // 23505: two created the same name at once.
    let known = [
        SqlState::WRONG_OBJECT_TYPE,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::UNIQUE_VIOLATION,
    ];
    code.is_some_and(|code| known.contains(code))
}

/// An id as PostgreSQL writes it.
pub(crate) fn uuid_text(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// Lets the idempotency generations change places, if the present one is a day old: keys of the one before it are
/// dropped whole. Publishers hold this lock in share; this waits its turn among them, briefly.
pub(crate) async fn rotate_keys(store: &PostgresStore, now: Timestamp) -> Result<()> {
    let session = store.working.take().await?;
    let rows = session.query("SELECT since FROM posthaste.idempotency_current", &[]).await?;
    let since = Timestamp::from_micros(rows.first().map_or(Ok(0), |row| get(row, 0))?);
    if now.since(since) < GENERATION {
        return Ok(());
    }
    let locked = session
        .try_open(
            "",
            vec![
                Call::Simple("SET LOCAL lock_timeout = '1s'"),
                Call::Query("SELECT pg_advisory_xact_lock(5785531236411219000)", Vec::new()),
            ],
        )
        .await?;
    match locked {
        Ok(_) => {}
        Err(error) if is_lock_timeout(&error) => return session.roll_back().await,
        Err(error) => return Err(crate::fault::classify(error)),
    }
    // Read again under the lock: another node may have done it.
    let rows = session.query("SELECT since, generation FROM posthaste.idempotency_current", &[]).await?;
    let row = rows.first().ok_or_else(|| StoreError::internal("the idempotency generations are not set up"))?;
    let (since, generation): (i64, i16) = (get(row, 0)?, get(row, 1)?);
    if now.since(Timestamp::from_micros(since)) < GENERATION {
        return session.roll_back().await;
    }
    let next = 1 - generation;
    session.simple(&format!("TRUNCATE posthaste.idempotency_{next}")).await?;
    let sql = "UPDATE posthaste.idempotency_current SET generation = $1, since = $2";
    session.query(sql, &[&next, &now.as_micros()]).await?;
    session.commit(Vec::new()).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_for_its_day() {
        let at = Timestamp::parse("2026-01-31T23:59:59.999Z").unwrap();
        assert_eq!(partition("message", day_of(at)), "message_2026_01_31");
        assert_eq!(uuid_text(0x0123_4567_89ab_cdef_0011_2233_4455_6677), "01234567-89ab-cdef-0011-223344556677");
    }
}
