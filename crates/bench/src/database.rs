//! What deliveries cost inside PostgreSQL, asked through `psql`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::latency::for_each;

/// Rows that were updated or deleted leave a dead one each; counted since the statistics began, so that a vacuum in
/// between changes nothing.
const QUESTION: &str = "select coalesce(sum(n_tup_upd + n_tup_del), 0)::bigint, \
     pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint from pg_stat_user_tables";

/// How to ask a database.
#[derive(Debug, Clone)]
pub struct Psql {
    /// The program.
    pub program: PathBuf,
    /// The database.
    pub url: String,
}

/// Two counters of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    dead_rows: u64,
    wal_bytes: u64,
}

/// What one delivery cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DatabaseCost {
    /// Dead rows that it left.
    pub dead_rows_per_delivery: f64,
    /// Bytes of write-ahead log.
    pub wal_bytes_per_delivery: f64,
}

impl Psql {
    /// Reads the counters; nothing if there is no `psql`, or it may not ask.
    pub fn counters(&self) -> Option<Counters> {
        let answer = Command::new(&self.program)
            .args([
                "--no-psqlrc",
                "--tuples-only",
                "--no-align",
                "--no-password",
                "--dbname",
                &self.url,
                "--command",
                QUESTION,
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        answer.status.success().then(|| read_counters(&String::from_utf8_lossy(&answer.stdout)))?
    }
}

fn read_counters(line: &str) -> Option<Counters> {
    let (dead, wal) = line.trim().split_once('|')?;
    Some(Counters { dead_rows: dead.parse().ok()?, wal_bytes: wal.parse().ok()? })
}

impl Counters {
    /// What each of `deliveries` cost since `before`.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people to read")]
    pub fn since(self, before: Self, deliveries: u64) -> Option<DatabaseCost> {
        Some(DatabaseCost {
            dead_rows_per_delivery: for_each(self.dead_rows.saturating_sub(before.dead_rows) as f64, deliveries)?,
            wal_bytes_per_delivery: for_each(self.wal_bytes.saturating_sub(before.wal_bytes) as f64, deliveries)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_a_cost_for_each_delivery() {
        let before = read_counters("10|1000\n").unwrap();
        let after = read_counters("30|201000\n").unwrap();
        let cost = after.since(before, 100).unwrap();
        assert!((cost.dead_rows_per_delivery - 0.2).abs() < 1e-9);
        assert!((cost.wal_bytes_per_delivery - 2_000.0).abs() < 1e-9);
        assert_eq!(after.since(before, 0), None);
        assert_eq!(read_counters("psql: error"), None);
    }
}
