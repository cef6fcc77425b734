//! What a benchmark found, as a table for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::database::DatabaseCost;
use crate::latency::Summary;
use crate::phase::Measured;
use crate::scenario::backlog::Backlog;
use crate::scenario::black_hole::BlackHole;
use crate::scenario::idle::Idle;
use crate::scenario::kills::Kills;
use crate::scenario::pages::Pages;

/// Everything that one run measured. What was not asked for, or could not be read, is absent.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The benchmark's version.
    pub version: &'static str,
    /// The machine.
    pub machine: String,
    /// What was driven.
    pub driven: String,
    /// The load.
    pub load: String,
    /// The bare POST rate of this machine.
    pub ceiling: Option<Ceiling>,
    /// The servers before any load.
    pub idle: Option<Idle>,
    /// Plain throughput.
    pub throughput: Option<Measured>,
    /// Neighbours of a black hole.
    pub black_hole: Option<BlackHole>,
    /// Throughput beside a backlog.
    pub backlog: Option<Backlog>,
    /// Pages of lists.
    pub pages: Option<Pages>,
    /// Kills under load.
    pub kills: Option<Kills>,
    /// What became of all that was published.
    pub totals: Option<Totals>,
    /// What it cost.
    pub cost: Option<Cost>,
    /// What it cost inside PostgreSQL.
    pub database: Option<DatabaseCost>,
}

/// The bare POST rate, before and after the load.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ceiling {
    /// Before the load.
    pub before_per_second: f64,
    /// After it.
    pub after_per_second: f64,
    /// Deliveries per second over the mean of both.
    pub ratio: Option<f64>,
}

/// What became of all that was published, over every phase, warm-ups included.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Totals {
    /// Messages that got their 202.
    pub accepted: u64,
    /// Deliveries that came, repetitions not counted.
    pub delivered: u64,
    /// Deliveries of accepted messages that never came.
    pub lost: u64,
    /// Deliveries that came again.
    pub duplicated: u64,
    /// Deliveries of messages whose 202 never came.
    pub unacknowledged: u64,
    /// Requests to the receiver that were no deliveries of this run.
    pub strange: u64,
}

/// What it cost, over every phase, warm-ups included.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// Processor seconds of the servers for 1,000 deliveries.
    pub server_cpu_seconds_per_1000: Option<f64>,
    /// Processor seconds of the database's processes for 1,000 deliveries.
    pub database_cpu_seconds_per_1000: Option<f64>,
    /// Processor seconds of the benchmark itself, generator and receiver, for 1,000 deliveries.
    pub bench_cpu_seconds_per_1000: Option<f64>,
    /// The most memory that the servers had, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

impl Report {
    /// Whether nothing was lost, and nothing came twice beyond what kills explain.
    pub fn holds(&self) -> bool {
        let bound = self.kills.as_ref().map_or(0, |kills| kills.duplicates_bound);
        self.totals.is_none_or(|totals| totals.lost == 0 && totals.duplicated <= bound)
    }

    /// Deliveries per second of the phase that the run was about.
    pub fn deliveries_per_second(&self) -> Option<f64> {
        let plain = self.throughput.as_ref().or(self.kills.as_ref().map(|kills| &kills.measured));
        let plain = plain.or(self.backlog.as_ref().map(|backlog| &backlog.without));
        plain.map(|measured| measured.deliveries_per_second)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table(f);
        table.line("machine", &self.machine)?;
        table.line("driven", &self.driven)?;
        table.line("load", &self.load)?;
        if let Some(idle) = &self.idle {
            table.line(
                "idle",
                format_args!("{} resident, {:.1} % of a core", Bytes(idle.memory_bytes), idle.cores * 100.0),
            )?;
        }
        if let Some(measured) = &self.throughput {
            table.phase("", measured)?;
        }
        if let Some(hole) = &self.black_hole {
            table.line("messages/s, each half", format_args!("{:.0}", hole.rate_each))?;
            table.phase("alone: ", &hole.without)?;
            table.phase("beside the hole: ", &hole.with)?;
            table.line("swallowed", hole.swallowed)?;
            table.line("p50 with / without", Ratio(hole.p50_factor))?;
            table.line("p99 with / without", Ratio(hole.p99_factor))?;
        }
        if let Some(backlog) = &self.backlog {
            table.phase("without: ", &backlog.without)?;
            table.line(
                "waiting",
                format_args!("{} (piled up at {:.0}/s)", backlog.waiting, backlog.filled_per_second),
            )?;
            table.phase("with: ", &backlog.with)?;
            table.line("with / without", Ratio(Some(backlog.ratio)))?;
        }
        if let Some(pages) = &self.pages {
            table.line("attempts in the history", pages.attempts)?;
            for list in &pages.lists {
                table.latency(&format!("{} ({} rows)", list.path, list.rows), list.page.as_ref())?;
            }
        }
        if let Some(kills) = &self.kills {
            table.phase("", &kills.measured)?;
            let longest = kills.outage_seconds.iter().copied().fold(0.0, f64::max);
            let count = kills.in_flight.len();
            table.line(
                "kills",
                format_args!("{count}, in flight {:?}, longest outage {longest:.2} s", kills.in_flight),
            )?;
            table.line("duplicates allowed", kills.duplicates_bound)?;
        }
        if let Some(totals) = &self.totals {
            table.totals(totals)?;
        }
        if let Some(cost) = &self.cost {
            table.cost(cost)?;
        }
        if let Some(database) = &self.database {
            table.line("dead rows per delivery", format_args!("{:.3}", database.dead_rows_per_delivery))?;
            table.line("WAL bytes per delivery", format_args!("{:.0}", database.wal_bytes_per_delivery))?;
        }
        if let Some(ceiling) = &self.ceiling {
            let (before, after) = (ceiling.before_per_second, ceiling.after_per_second);
            table.line("loopback POSTs/s", format_args!("{before:.0} before, {after:.0} after"))?;
            table.line("deliveries / ceiling", Ratio(ceiling.ratio))?;
        }
        Ok(())
    }
}

struct Table<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Table<'_, '_> {
    fn line(&mut self, name: &str, value: impl fmt::Display) -> fmt::Result {
        writeln!(self.0, "{name:<38}{value}")
    }

    fn phase(&mut self, prefix: &str, measured: &Measured) -> fmt::Result {
        self.line(&format!("{prefix}accepted/s"), format_args!("{:.0}", measured.accepted_per_second))?;
        self.line(&format!("{prefix}deliveries/s"), format_args!("{:.0}", measured.deliveries_per_second))?;
        self.latency(&format!("{prefix}publish → 202"), measured.accept.as_ref())?;
        self.latency(&format!("{prefix}publish → receive"), measured.receive.as_ref())?;
        self.latency(&format!("{prefix}202 → receive"), measured.receive_after_accept.as_ref())?;
        let trouble =
            [("refused", measured.refused), ("unanswered", measured.unanswered), ("repeated", measured.repeated)];
        for (name, count) in trouble.into_iter().filter(|(_, count)| *count > 0) {
            self.line(&format!("{prefix}{name}"), count)?;
        }
        Ok(())
    }

    fn latency(&mut self, name: &str, summary: Option<&Summary>) -> fmt::Result {
        match summary {
            Some(Summary { p50_ms, p90_ms, p99_ms, max_ms, .. }) => self.line(
                name,
                format_args!("p50 {p50_ms:.2} ms, p90 {p90_ms:.2} ms, p99 {p99_ms:.2} ms, max {max_ms:.1} ms"),
            ),
            None => self.line(name, "nothing came"),
        }
    }

    fn totals(&mut self, totals: &Totals) -> fmt::Result {
        self.line("accepted", totals.accepted)?;
        self.line("delivered", totals.delivered)?;
        self.line("lost", totals.lost)?;
        self.line("duplicated", totals.duplicated)?;
        for (name, count) in [("unacknowledged", totals.unacknowledged), ("strange requests", totals.strange)] {
            if count > 0 {
                self.line(name, count)?;
            }
        }
        Ok(())
    }

    fn cost(&mut self, cost: &Cost) -> fmt::Result {
        let shares = [
            ("CPU s per 1,000 deliveries, server", cost.server_cpu_seconds_per_1000),
            ("CPU s per 1,000 deliveries, database", cost.database_cpu_seconds_per_1000),
            ("CPU s per 1,000 deliveries, bench", cost.bench_cpu_seconds_per_1000),
        ];
        for (name, seconds) in shares {
            if let Some(seconds) = seconds {
                self.line(name, format_args!("{seconds:.4}"))?;
            }
        }
        match cost.peak_memory_bytes {
            Some(bytes) => self.line("peak memory, server", Bytes(bytes)),
            None => Ok(()),
        }
    }
}

struct Bytes(u64);

impl fmt::Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people to read")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / f64::from(1 << 20))
    }
}

struct Ratio(Option<f64>);

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(ratio) => write!(f, "{ratio:.3}"),
            None => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        let summary = Summary { count: 10, p50_ms: 1.0, p90_ms: 2.0, p99_ms: 3.456, max_ms: 9.0 };
        Measured {
            accepted_per_second: 1234.5,
            deliveries_per_second: 2469.0,
            accept: Some(summary),
            receive: Some(summary),
            receive_after_accept: None,
            refused: 0,
            unanswered: 7,
            repeated: 0,
        }
    }

    fn report() -> Report {
        Report {
            version: "0",
            machine: "2 cores".to_owned(),
            driven: "SQLite".to_owned(),
            load: "closed loop".to_owned(),
            ceiling: None,
            idle: None,
            throughput: Some(measured()),
            black_hole: None,
            backlog: None,
            pages: None,
            kills: None,
            totals: Some(Totals { accepted: 5, delivered: 10, lost: 0, duplicated: 0, unacknowledged: 0, strange: 0 }),
            cost: None,
            database: None,
        }
    }

    #[test]
    fn the_table_has_what_was_measured_and_nothing_else() {
        let table = report().to_string();
        let has = |name: &str| table.lines().any(|line| line.split("  ").next() == Some(name));
        assert!(has("deliveries/s") && has("publish → receive") && has("lost") && has("unanswered"), "{table}");
        assert!(!has("refused") && !has("kills") && !has("deliveries / ceiling"), "{table}");
        assert!(table.contains("p99 3.46 ms"), "{table}");
    }

    #[test]
    fn a_run_holds_unless_something_was_lost_or_came_twice_without_a_kill() {
        let mut report = report();
        assert!(report.holds());
        report.totals.as_mut().unwrap().duplicated = 501;
        assert!(!report.holds());
        let kills = |bound| Kills {
            measured: measured(),
            in_flight: vec![64],
            outage_seconds: vec![0.1],
            duplicates_bound: bound,
        };
        report.kills = Some(kills(564));
        assert!(report.holds());
        report.kills = Some(kills(500));
        assert!(!report.holds());
        report.kills = Some(kills(564));
        report.totals.as_mut().unwrap().lost = 1;
        assert!(!report.holds());
    }
}
