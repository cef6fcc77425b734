//! What a benchmark can be asked for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::error::{BenchError, Result};
use crate::stamp;

/// The longest measurement.
const LONGEST_SECONDS: f64 = 1_800.0;

/// Options of `posthaste bench`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct BenchOptions {
    /// Which running server to drive.
    #[command(flatten)]
    pub target: Target,
    /// Process ids of --server, to read processor time and memory from /proc
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub server_pid: Vec<u32>,
    /// The process id of the database's first process, whose children count too
    #[arg(long, value_name = "PID")]
    pub database_pid: Option<u32>,

    /// The store of the server that the benchmark starts; without this and without --server it is sqlite
    #[arg(long, value_enum)]
    pub spawn: Option<Spawn>,
    /// With --spawn postgres: this database instead of a throwaway cluster
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// With --spawn postgres: so many server processes on one database, the load spread over them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub nodes: usize,
    /// Where the started server and database keep their files; the system's directory for temporary files if not given
    #[arg(long, value_name = "DIRECTORY")]
    pub directory: Option<PathBuf>,
    /// The posthaste program to start; this one if not given
    #[arg(long, value_name = "FILE", hide = true)]
    pub program: Option<PathBuf>,

    /// Open loop: so many messages a second, come what may; without it each connection publishes as fast as it is answered
    #[arg(long, value_name = "PER_SECOND")]
    pub rate: Option<f64>,
    /// Publishers, each with a connection and one request at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub connections: usize,
    /// Closed loop: the most deliveries on their way before publishers wait
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    pub outstanding: usize,
    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub seconds: f64,
    /// How long to run before the measurement begins
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    pub warm_up_seconds: f64,
    /// After the load: how long no delivery may come before the rest counts as lost (with --kill-every 60 if not given, else 15)
    #[arg(long, value_name = "SECONDS")]
    pub drain_seconds: Option<f64>,
    /// Bytes of each payload
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    pub payload_bytes: usize,
    /// Endpoints that each message goes to
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub fan_out: u32,
    /// Messages of one request: more than 1 publishes at /v1/messages/batch; over gRPC: messages that are written at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub batch: usize,
    /// Publish over gRPC instead: so many streams (4 if only the option is given), a connection each
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "4", conflicts_with = "connections")]
    pub grpc_stream: Option<usize>,
    /// Where the benchmark's own receiver listens; the server must reach it there
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub receive_on: SocketAddr,

    /// Neighbours' latency with and without another tenant whose endpoint never answers and takes half of the traffic
    #[arg(long, conflicts_with_all = ["backlog", "idle", "kill_every"])]
    pub black_hole: bool,
    /// Throughput with and without N deliveries waiting at an endpoint that is paused
    #[arg(long, value_name = "N", conflicts_with_all = ["idle", "kill_every"])]
    pub backlog: Option<u64>,
    /// Time of a page of each list with N attempts behind it
    #[arg(long, value_name = "N", conflicts_with_all = ["black_hole", "backlog", "idle", "kill_every"])]
    pub pages: Option<u64>,
    /// Memory and processor time of a server that nobody uses
    #[arg(long, conflicts_with = "kill_every")]
    pub idle: bool,
    /// Kill -9 a server every so many seconds and start it again; publishers repeat with idempotency keys
    #[arg(long, value_name = "SECONDS")]
    pub kill_every: Option<f64>,
    /// Measure the bare POST rate between two plain processes before and after, and the ratio to it
    #[arg(long)]
    pub compare_loopback: bool,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Serve as the receiver of --compare-loopback; the benchmark starts itself so
    #[arg(long, hide = true)]
    pub loopback_receiver: bool,
}

/// A running server to drive instead of starting one.
#[derive(Debug, Clone, Default, Args)]
pub struct Target {
    /// Drive this running server instead of starting one, e.g. `http://127.0.0.1:7678`
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The API key for --server; it must be allowed to make topics and endpoints
    #[arg(long, env = "POSTHASTE_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<String>,
}

/// Which store the started server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spawn {
    /// A file in a temporary directory.
    Sqlite,
    /// A throwaway cluster with fsync on, or `--database-url`.
    Postgres,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Lines for people.
    Table,
    /// One JSON object.
    Json,
}

impl BenchOptions {
    /// Checks what the command line's grammar cannot.
    pub fn check(&self) -> Result<()> {
        in_range("--seconds", self.seconds, 0.1, LONGEST_SECONDS)?;
        in_range("--warm-up-seconds", self.warm_up_seconds, 0.0, LONGEST_SECONDS)?;
        in_range("--drain-seconds", self.drain_seconds.unwrap_or(1.0), 0.1, LONGEST_SECONDS)?;
        in_range("--kill-every", self.kill_every.unwrap_or(1.0), 0.5, LONGEST_SECONDS)?;
        in_range("--rate", self.rate.unwrap_or(1.0), 0.001, 1e7)?;
        within("--connections", self.connections, 1, 16_384)?;
        within("--outstanding", self.outstanding, 1, 10_000_000)?;
        within("--grpc-stream", self.grpc_stream.unwrap_or(1), 1, 1_024)?;
        within("--nodes", self.nodes, 1, 64)?;
        within("--fan-out", self.fan_out as usize, 1, 10_000)?;
        within("--batch", self.batch, 1, 500)?;
        within("--payload-bytes", self.payload_bytes, stamp::SMALLEST, 1 << 20)?;
        if let Some(backlog) = self.backlog {
            within("--backlog", usize::try_from(backlog).unwrap_or(usize::MAX), 1, 50_000_000)?;
        }
        if let Some(pages) = self.pages {
            within("--pages", usize::try_from(pages).unwrap_or(usize::MAX), 1, 50_000_000)?;
        }
        self.check_target()?;
        let request = self.batch * self.payload_bytes;
        if request > 8 << 20 {
            return refuse("--batch", format!("{request} payload bytes in one request; the API takes 8 MiB"));
        }
        Ok(())
    }

    /// A running server is driven as it is; a started one is shaped by its own options.
    fn check_target(&self) -> Result<()> {
        let postgres = self.spawn == Some(Spawn::Postgres);
        let shaped = [
            ("--spawn", self.spawn.is_some()),
            ("--nodes", self.nodes > 1),
            ("--kill-every", self.kill_every.is_some()),
            ("--database-url", self.database_url.is_some()),
        ];
        if let (Some(_), Some((option, _))) = (&self.target.server, shaped.into_iter().find(|(_, given)| *given)) {
            return refuse(option, "this is for a server that the benchmark starts; leave --server out".to_owned());
        }
        if self.target.server.is_none() && !self.server_pid.is_empty() {
            return refuse(
                "--server-pid",
                "add --server; of a server that it starts the benchmark knows it".to_owned(),
            );
        }
        if self.nodes > 1 && !postgres {
            return refuse("--nodes", "a SQLite file has one server; add --spawn postgres".to_owned());
        }
        if self.database_url.is_some() && !postgres {
            return refuse("--database-url", "add --spawn postgres".to_owned());
        }
        Ok(())
    }

    /// How long to measure.
    pub fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// How long to run before.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up_seconds)
    }

    /// How long no delivery may come before the rest counts as lost.
    pub fn drain(&self) -> Duration {
        let usual = if self.kill_every.is_some() { 60.0 } else { 15.0 };
        Duration::from_secs_f64(self.drain_seconds.unwrap_or(usual))
    }
}

fn in_range(option: &'static str, value: f64, least: f64, most: f64) -> Result<()> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        refuse(option, format!("give {least} to {most}, not {value}"))
    }
}

fn within(option: &'static str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        refuse(option, format!("give {least} to {most}, not {value}"))
    }
}

fn refuse(option: &'static str, detail: String) -> Result<()> {
    Err(BenchError::Option { option, detail })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        options: BenchOptions,
    }

    fn parse(line: &str) -> Result<BenchOptions, String> {
        let arguments = std::iter::once("bench").chain(line.split_whitespace());
        let program = Program::try_parse_from(arguments).map_err(|error| error.to_string())?;
        program.options.check().map_err(|error| error.to_string())?;
        Ok(program.options)
    }

    #[test]
    fn without_options_it_starts_a_server_on_sqlite() {
        let options = parse("").unwrap();
        assert_eq!((options.spawn, options.payload_bytes, options.rate), (None, 512, None));
        assert_eq!((options.grpc_stream, parse("--grpc-stream").unwrap().grpc_stream), (None, Some(4)));
    }

    #[test]
    fn what_leaves_its_bounds_is_refused_by_name() {
        for (line, option) in [
            ("--seconds 0", "--seconds"),
            ("--rate 0", "--rate"),
            ("--rate NaN", "--rate"),
            ("--connections 0", "--connections"),
            ("--pages 0", "--pages"),
            ("--batch 501", "--batch"),
            ("--grpc-stream 0", "--grpc-stream"),
            ("--batch 500 --payload-bytes 100000", "--batch"),
            ("--payload-bytes 10", "--payload-bytes"),
            ("--nodes 3", "--nodes"),
            ("--database-url postgres://x", "--database-url"),
            ("--kill-every 0.1", "--kill-every"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.starts_with(option), "{line}: {error}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "--server http://a --spawn postgres",
            "--server http://a --kill-every 3",
            "--black-hole --backlog 5",
            "--idle --kill-every 3",
            "--server-pid 5",
            "--grpc-stream 4 --connections 50",
        ] {
            parse(line).unwrap_err();
        }
    }
}
