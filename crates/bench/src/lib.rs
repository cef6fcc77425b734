//! `posthaste bench`: what a Posthaste server does on this machine, measured from outside.
//!
//! ```text
//! generator   publishes over raw kept-alive connections     generator, pace, template, wire
//!             or over gRPC streams                          streaming, frames
//! server      the one that runs already, or its own         fleet, server, cluster
//! receiver    takes deliveries, counts, notes latencies     receiver, arrivals, stamp
//! report      what was accepted, came, was lost, cost       report, process, database
//! ```
//!
//! Generator and receiver have a thread each and share a clock, so a latency is the difference of two of its times. The
//! times and numbers travel inside the payloads. `ceiling` measures what plain processes do on the same machine.

mod api;
mod arrivals;
mod ceiling;
mod clock;
mod cluster;
mod database;
mod error;
mod fleet;
mod frames;
mod generator;
mod latency;
mod ledger;
mod options;
mod pace;
mod phase;
mod process;
mod progress;
mod receiver;
mod report;
mod run;
mod scenario;
mod server;
mod stage;
mod stamp;
mod streaming;
mod template;
mod wire;

use std::process::ExitCode;

pub use ceiling::measure as measure_ceiling;
pub use error::{BenchError, Result};
pub use options::{BenchOptions, Output, Spawn, Target};
pub use report::Report;
pub use run::run;

/// Does what the options ask for, prints the report, and answers 0 only if nothing was lost.
pub async fn execute(options: BenchOptions) -> Result<ExitCode> {
    if options.loopback_receiver {
        let served = tokio::task::spawn_blocking(|| ceiling::receive(std::io::stdout())).await;
        served.map_err(|_| BenchError::Panicked("loopback receiver"))??;
        return Ok(ExitCode::SUCCESS);
    }
    let output = options.output;
    let report = run(options).await?;
    match output {
        Output::Table => print!("{report}"),
        Output::Json => {
            let json = serde_json::to_string_pretty(&report)
                .map_err(|error| BenchError::Answer { path: "the report".to_owned(), detail: error.to_string() })?;
            println!("{json}");
        }
    }
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
