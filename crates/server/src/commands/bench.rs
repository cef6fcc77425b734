//! `posthaste bench`: the program of the benchmark, with this binary as the server that it measures.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args as _, Command, FromArgMatches as _};
use posthaste_bench::BenchOptions;

use crate::failure::{Failure, Result};

/// The word of the command line.
pub const NAME: &str = "bench";

/// The command, with its options.
pub fn command() -> Command {
    let command = Command::new(NAME).about("Measure a server from outside").after_help(
        "Examples:
  posthaste bench                                  starts a server on SQLite and measures it for 10 s
  posthaste bench --spawn postgres --nodes 3       three nodes on a throwaway PostgreSQL
  posthaste bench --grpc-stream 4                  publishes over four gRPC streams
  posthaste bench --kill-every 3                   kills it again and again; nothing may be lost",
    );
    BenchOptions::augment_args(command)
}

/// Measures. Parsed apart from the other commands: `--server`, `--key` and `--output` mean something else here, and no
/// configuration file should change what is measured.
pub async fn run(arguments: &[OsString]) -> Result<ExitCode> {
    let matches = command().bin_name("posthaste bench").get_matches_from(&arguments[1..]);
    let options = BenchOptions::from_arg_matches(&matches).map_err(|error| Failure::new(error.to_string()))?;
    posthaste_bench::execute(options).await.map_err(|error| Failure::new(error.to_string()))
}
