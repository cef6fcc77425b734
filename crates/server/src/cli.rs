//! The command line: what stands before and behind each command's name.
//!
//! Commands whose shape is the API's (`topics`, `endpoints`, …) are not written here: they are made from the table in
//! `resources`.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::commands::{
    bench, completions, demo, doctor, healthcheck, listen, migrate, pipe, proto, rekey, retry, send, serve,
};
use crate::output::Format;
use crate::resources;

/// Delivers webhooks: stores each event durably, signs it, sends it to every endpoint that wants it, retries what
/// fails, and shows all of it.
#[derive(Debug, Parser)]
#[command(name = "posthaste", version, propagate_version = true, disable_help_subcommand = true, max_term_width = 110)]
#[command(after_help = "Examples:
  posthaste demo                                              see it work, in half a minute
  posthaste serve --allow-net 127.0.0.0/8                     a server on http://127.0.0.1:7678 and posthaste.db
  posthaste topics create order.created
  posthaste endpoints create http://127.0.0.1:9000/ --topic 'order.*'
  posthaste send order.created '{\"id\": 1}'

Configuration is also read from POSTHASTE_… in the environment and from posthaste.toml; flags win, then the
environment, then the file.")]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// Which one.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// The server that client commands talk to
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:7678",
        help_heading = "Everywhere"
    )]
    pub server: String,
    /// The API key that client commands show; better given as `POSTHASTE_KEY`, which other users of the machine cannot see
    #[arg(long, global = true, value_name = "KEY", help_heading = "Everywhere")]
    pub key: Option<String>,
    /// Columns for people, or the server's JSON
    #[arg(long, global = true, value_enum, default_value = "table", help_heading = "Everywhere")]
    pub output: Format,
    /// The configuration file; without it posthaste.toml of this directory, if there is one
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
}

/// The commands that are more than a call of the API.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a server
    Serve(Box<serve::Serve>),
    /// Watch the main job: a real server, real receivers, one of them failing until it recovers
    Demo(demo::Demo),
    /// Bring a database up to this version, or check that it is
    Migrate(migrate::Migrate),
    /// Look for what is wrong: asks the server, and opens the database only if none answers
    Doctor(doctor::Doctor),
    /// Seal every endpoint's secrets with another key, while no server runs
    Rekey(rekey::Rekey),
    /// Publish a message
    Send(send::Send),
    /// Publish each line of standard input (NDJSON), in batches
    Pipe(pipe::Pipe),
    /// Try deliveries again
    Retry(retry::Retry),
    /// Receive webhooks: verify each request's signature and print it
    Listen(listen::Listen),
    /// Ask a server whether it is ready; exit code 0 if so
    Healthcheck(healthcheck::Healthcheck),
    /// Print the OpenAPI document of the REST API
    Openapi,
    /// Print the schema of the GraphQL API
    GraphqlSchema,
    /// Print the .proto files of the gRPC API
    Proto(proto::Proto),
    /// Print a completion script for a shell
    Completions(completions::Completions),
}

/// The whole command line, with the commands of the API.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    for resource in resources::ALL {
        command = command.subcommand(resources::command::of(resource));
    }
    for call in resources::CALLS {
        command = command.subcommand(resources::command::of_call(call));
    }
    command.subcommand(bench::command())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
