//! [`Retention`]: whole days go at once; what is still owed of them is carried into the default partition first.

use async_trait::async_trait;
use posthaste_core::{MessageId, Timestamp};
use posthaste_store::retention::{Ages, Expired, Pruned};
use posthaste_store::{Result, Retention};

use crate::PostgresStore;
use crate::fault::{classify, is_lock_timeout};
use crate::param::Uuid;
use crate::partitions::{DAILY, DAY, partition};
use crate::rows::get;
use crate::session::{Call, Session};

/// The most messages of a day that are carried over, since that is done under a lock on the whole table. A day of which
/// more is still owed stays until less is.
const CARRIED: i32 = 20_000;
/// The most rows that one call removes from a default partition.
const CHUNK: i32 = 1_000;

#[async_trait]
impl Retention for PostgresStore {
    async fn prune(&self, ages: &Ages, now: Timestamp) -> Result<Pruned> {
        let session = self.working.take().await?;
        let (cut, captures_cut) = (now - ages.messages, now - ages.captures);
        let raise = "UPDATE posthaste.horizon SET at = $1 WHERE at < $1";
        session.query(raise, &[&cut.as_micros()]).await?;
        let rows = session.query(include_str!("../sql/list_partitions.sql"), &[]).await?;
        let names: Vec<String> = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
        let days = days(&names);
        for day in days.iter().copied().filter(|day| *day + DAY <= captures_cut) {
            let name = partition("capture", day);
            if names.contains(&name) && drop_captures(&session, &name).await? {
                return Ok(Pruned { messages: 0, more: true });
            }
        }
        for day in days.iter().copied().filter(|day| *day + DAY <= cut) {
            let mut lasting = DAILY.iter().filter(|table| **table != "capture");
            if lasting.any(|table| names.contains(&partition(table, day))) && drop_day(&session, day).await? {
                return Ok(Pruned { messages: 0, more: true });
            }
        }
        chunk(&session, cut, captures_cut).await
    }

    async fn expire(&self, before: Timestamp, now: Timestamp, limit: u32) -> Result<Expired> {
        self.end_expired(before, now, limit).await
    }
}

/// The days that have partitions, from the oldest.
fn days(names: &[String]) -> Vec<Timestamp> {
    let day = |name: &String| {
        let date = name.get(name.len().checked_sub(10)?..)?.replace('_', "-");
        Timestamp::parse(&format!("{date}T00:00:00Z")).ok()
    };
    let mut days: Vec<Timestamp> = names.iter().filter_map(day).collect();
    days.sort_unstable();
    days.dedup();
    days
}

async fn drop_captures(session: &Session, name: &str) -> Result<bool> {
    let sql = format!("SET LOCAL lock_timeout = '500ms'; DROP TABLE IF EXISTS posthaste.{name}");
    dropped(session.try_commit_batch(&sql).await?)
}

fn dropped(answer: std::result::Result<(), tokio_postgres::Error>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) if is_lock_timeout(&error) => {
            tracing::info!("a table is in use; its old partition is dropped later");
            Ok(false)
        }
        Err(error) => Err(classify(error)),
    }
}

/// Drops a day, in one transaction: `sql/migrations/0005_retention.sql` says how.
async fn drop_day(session: &Session, day: Timestamp) -> Result<bool> {
    let (low, high) = (Uuid::from(MessageId::floor_of(day)), Uuid::from(MessageId::floor_of(day + DAY)));
    let suffix = partition("", day);
    let answer = session
        .try_open(
            "",
            vec![
                Call::Simple("SET LOCAL lock_timeout = '500ms'"),
                Call::Query("SELECT posthaste.drop_day($1, $2, $3, $4)", vec![&suffix, &low, &high, &CARRIED]),
            ],
        )
        .await?;
    let rows = match answer {
        Ok(mut answers) => answers.pop().unwrap_or_default(),
        Err(error) => {
            session.roll_back().await?;
            return dropped(Err(error));
        }
    };
    session.commit(Vec::new()).await?;
    let gone = rows.first().map_or(Ok(false), |row| get(row, 0))?;
    if !gone {
        tracing::warn!(%day, "more of this day is still owed than is carried over at once; it stays");
    }
    Ok(gone)
}

/// What lies in the default partitions, some at a time.
async fn chunk(session: &Session, cut: Timestamp, captures_cut: Timestamp) -> Result<Pruned> {
    let (low, captures) = (Uuid::from(MessageId::floor_of(cut)), Uuid::from(MessageId::floor_of(captures_cut)));
    let rows = session
        .query("SELECT messages, any_row FROM posthaste.prune_default($1, $2, $3)", &[&low, &captures, &CHUNK])
        .await?;
    session.query(include_str!("../sql/prune_fires.sql"), &[&cut.as_micros()]).await?;
    let Some(row) = rows.first() else { return Ok(Pruned::default()) };
    Ok(Pruned { messages: u64::try_from(get::<i64>(row, 0)?).unwrap_or(0), more: get(row, 1)? })
}
