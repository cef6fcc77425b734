//! One run of the benchmark from its first process to its report.

use std::path::PathBuf;
use std::time::Duration;

use crate::ceiling;
use crate::database::Counters;
use crate::error::{BenchError, Result};
use crate::fleet::{Fleet, Spent};
use crate::latency::for_each;
use crate::options::BenchOptions;
use crate::phase;
use crate::process;
use crate::receiver;
use crate::report::{Ceiling, Cost, Report, Totals};
use crate::scenario::{backlog, black_hole, idle, kills, pages};
use crate::stage::Stage;

/// The ceiling is measured for at most so long, before the load and after it.
const CEILING_TIME: Duration = Duration::from_secs(5);
/// PostgreSQL's processes report their statistics about once a second.
const STATISTICS_DELAY: Duration = Duration::from_millis(1_500);

/// Measures what the options ask for. An interrupt from the keyboard ends it, and stops what it started.
pub async fn run(options: BenchOptions) -> Result<Report> {
    options.check()?;
    tokio::select! {
        report = measure(options) => report,
        interrupt = tokio::signal::ctrl_c() => {
            interrupt.map_err(BenchError::io("listening for interrupts"))?;
            Err(BenchError::Interrupted)
        }
    }
}

async fn measure(options: BenchOptions) -> Result<Report> {
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        machine: process::machine(),
        driven: String::new(),
        load: describe(&options),
        ceiling: None,
        idle: None,
        throughput: None,
        black_hole: None,
        backlog: None,
        pages: None,
        kills: None,
        totals: None,
        cost: None,
        database: None,
    };
    let before = measure_ceiling(&options).await?;
    let mut fleet = Fleet::gather(&options).await?;
    fleet.described().clone_into(&mut report.driven);
    if options.idle {
        report.idle = idle::measure(&fleet, options.measured()).await?;
    } else {
        load(&mut report, options.clone(), &mut fleet).await?;
    }
    drop(fleet);
    let after = measure_ceiling(&options).await?;
    if let (Some(before), Some(after)) = (before, after) {
        let mean = f64::midpoint(before, after);
        let ratio = report.deliveries_per_second().map(|deliveries| deliveries / mean);
        report.ceiling = Some(Ceiling { before_per_second: before, after_per_second: after, ratio });
    }
    Ok(report)
}

/// Puts the fleet under load, and reports what came of it.
async fn load(report: &mut Report, options: BenchOptions, fleet: &mut Fleet) -> Result<()> {
    let mut stage = Stage::prepare(options, fleet).await?;
    let costs = Costs::begin(fleet)?;
    if stage.options.black_hole {
        report.black_hole = Some(black_hole::measure(&mut stage, fleet).await?);
    } else if let Some(waiting) = stage.options.backlog {
        report.backlog = Some(backlog::measure(&mut stage, fleet, waiting).await?);
    } else if let Some(attempts) = stage.options.pages {
        report.pages = Some(pages::measure(&mut stage, fleet, attempts).await?);
    } else if let Some(every) = stage.options.kill_every {
        report.kills = Some(kills::measure(&stage, fleet, Duration::from_secs_f64(every)).await?);
    } else {
        report.throughput = Some(phase::run(&stage, "load", stage.load(fleet), None).await?);
    }
    let delivered = stage.ledger.delivered();
    report.cost = Some(costs.end(fleet, delivered)?);
    if let Some((psql, before)) = fleet.psql().zip(costs.counters) {
        tokio::time::sleep(STATISTICS_DELAY).await;
        report.database = psql.counters().and_then(|after| after.since(before, delivered));
    }
    report.totals = Some(totals(&stage));
    stage.clean(fleet).await
}

fn totals(stage: &Stage) -> Totals {
    let arrivals = receiver::lock(&stage.arrivals);
    let (balance, counts) = (arrivals.balance(), arrivals.counts());
    Totals {
        accepted: stage.ledger.accepted(),
        delivered: stage.ledger.delivered(),
        lost: balance.lost,
        duplicated: counts.duplicated,
        unacknowledged: balance.unacknowledged,
        strange: counts.strange,
    }
}

/// What had been spent before the load.
struct Costs {
    fleet: Spent,
    bench: Duration,
    counters: Option<Counters>,
}

impl Costs {
    fn begin(fleet: &Fleet) -> Result<Self> {
        let counters = fleet.psql().and_then(crate::database::Psql::counters);
        Ok(Self { fleet: fleet.spent()?, bench: process::cpu(std::process::id())?, counters })
    }

    fn end(&self, fleet: &Fleet, delivered: u64) -> Result<Cost> {
        let bench = process::cpu(std::process::id())?;
        let spent = fleet.spent()?;
        let per_1000 = |before: Option<Duration>, after: Option<Duration>| {
            for_each(after?.saturating_sub(before?).as_secs_f64() * 1_000.0, delivered)
        };
        Ok(Cost {
            server_cpu_seconds_per_1000: per_1000(self.fleet.servers, spent.servers),
            database_cpu_seconds_per_1000: per_1000(self.fleet.database, spent.database),
            bench_cpu_seconds_per_1000: per_1000(Some(self.bench), Some(bench)),
            peak_memory_bytes: fleet.memory()?.map(|memory| memory.peak),
        })
    }
}

async fn measure_ceiling(options: &BenchOptions) -> Result<Option<f64>> {
    if !options.compare_loopback {
        return Ok(None);
    }
    let program: PathBuf = std::env::current_exe().map_err(BenchError::io("finding this program's file"))?;
    let time = options.measured().min(CEILING_TIME);
    let progress = crate::progress::Progress::begin("loopback ceiling", time);
    let measured = ceiling::measure(&program, time).await?;
    drop(progress);
    Ok(Some(measured))
}

fn describe(options: &BenchOptions) -> String {
    let pace = match options.rate {
        Some(rate) => format!("open loop at {rate}/s"),
        None if options.black_hole => format!("open loop at {}/s", black_hole::RATE),
        None => format!("closed loop, at most {} on their way", options.outstanding),
    };
    let together = if options.grpc_stream.is_some() { "at once" } else { "a request" };
    let batch = if options.batch > 1 { format!(", {} messages {together}", options.batch) } else { String::new() };
    let way = match options.grpc_stream {
        Some(streams) => format!("{streams} gRPC streams"),
        None => format!("{} connections", options.connections),
    };
    format!(
        "{pace}, {way}{batch}, {} payload bytes, fan-out {}, {} s after {} s",
        options.payload_bytes, options.fan_out, options.seconds, options.warm_up_seconds
    )
}
