//! `posthaste bench` without a server around it: drives one that runs already, or starts `--program`.

use std::process::ExitCode;

use clap::Parser;
use posthaste_bench::BenchOptions;

/// The same command line as `posthaste`, of which it knows one command.
#[derive(Debug, Parser)]
#[command(version)]
enum Program {
    /// Measure a server from outside
    Bench(Box<BenchOptions>),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Program::Bench(options) = Program::parse();
    match posthaste_bench::execute(*options).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("posthaste-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
