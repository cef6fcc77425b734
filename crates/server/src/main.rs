//! The `posthaste` binary: command line, configuration, composition root.
//!
//! `cli` says what there is, `configuration` where options come from, `commands` and `resources` what each command does,
//! `server` how everything is put together.

mod cli;
mod client;
mod commands;
mod configuration;
mod demo;
mod failure;
mod output;
mod receiver;
mod resources;
mod server;

use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches as _};

use cli::{Cli, Command, Globals};
use client::Client;
use configuration::Stop;
use failure::{Failure, Result};

/// Memory is taken and given back by many threads, for a long time: mimalloc keeps that even, and the static binary's
/// own allocator does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Of each huge page that is touched all counts as used, and an idle server touches many. Where it cannot be had it is
    // only memory.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|word| word == commands::bench::NAME) {
        return run(commands::bench::run(&arguments)).unwrap_or_else(|failure| fail(&failure));
    }
    let matches = match configuration::parse(cli::command(), &arguments) {
        Ok(matches) => matches,
        Err(Stop::Usage(error)) => error.exit(),
        Err(Stop::File(failure)) => return fail(&failure),
    };
    match run(dispatch(&matches)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    eprintln!("posthaste: {failure}.");
    ExitCode::from(Failure::EXIT_CODE)
}

fn run<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime cannot be started: {error}")))?;
    let ended = runtime.block_on(work);
    // What still runs here has been given its time; a resolver's thread must not hold the process.
    runtime.shutdown_background();
    ended
}

async fn dispatch(matches: &ArgMatches) -> Result<()> {
    let globals = Globals::from_arg_matches(matches).map_err(|error| Failure::new(error.to_string()))?;
    let client = || Client::new(&globals.server, globals.key.clone().filter(|key| !key.is_empty()));
    if let Some((name, inner)) = matches.subcommand()
        && let Some(resource) = resources::ALL.iter().find(|resource| resource.name == name)
    {
        return resources::call::run(resource, inner, &client()?, globals.output).await;
    }
    if let Some((name, inner)) = matches.subcommand()
        && let Some(call) = resources::CALLS.iter().find(|call| call.action.name == name)
    {
        return resources::call::perform(call.path, &call.action, inner, &client()?, globals.output).await;
    }
    let cli = Cli::from_arg_matches(matches).map_err(|error| Failure::new(error.to_string()))?;
    match cli.command {
        Command::Serve(options) => commands::serve::run(*options).await,
        Command::Demo(options) => commands::demo::run(options).await,
        Command::Migrate(options) => commands::migrate::run(options).await,
        Command::Doctor(options) => commands::doctor::run(options, &client()?, globals.output).await,
        Command::Rekey(options) => commands::rekey::run(options).await,
        Command::Send(options) => commands::send::run(options, &client()?, globals.output).await,
        Command::Pipe(options) => commands::pipe::run(options, &client()?, globals.output).await,
        Command::Retry(options) => commands::retry::run(options, &client()?, globals.output).await,
        Command::Listen(options) => commands::listen::run(options, globals.output).await,
        Command::Healthcheck(options) => commands::healthcheck::run(&options, &client()?).await,
        Command::Openapi => commands::openapi::run(),
        Command::GraphqlSchema => commands::graphql_schema::run(),
        Command::Proto(options) => commands::proto::run(&options),
        Command::Completions(options) => commands::completions::run(&options),
    }
}
