//! `posthaste bench` without a server around it: drives one that runs already, or starts `--program`.

use std::process::ExitCode;

use clap::{Args, Parser};
use posthaste_bench::{BenchOptions, Output, Target};

/// The same command line as `posthaste`, of which it knows one command.
#[derive(Debug, Parser)]
#[command(version)]
enum Program {
    /// Measure a server from outside
    Bench(Box<Bench>),
}

#[derive(Debug, Args)]
struct Bench {
    #[command(flatten)]
    options: BenchOptions,
    #[command(flatten)]
    target: Target,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Program::Bench(bench) = Program::parse();
    let options = BenchOptions { target: bench.target, ..bench.options };
    match posthaste_bench::execute(options, bench.output).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("posthaste-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
