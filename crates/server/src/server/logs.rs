//! Logs: lines on standard error, JSON for collectors, text for a terminal.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::failure::{Failure, Result};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The form that is meant here and now.
    pub fn resolved(self) -> Self {
        match self {
            Self::Auto if std::io::stderr().is_terminal() => Self::Text,
            Self::Auto => Self::Json,
            chosen => chosen,
        }
    }
}

/// Sends every log line to standard error. `filter` is a level (`info`) or directives (`info,posthaste_engine=debug`).
pub fn start(format: LogFormat, filter: &str) -> Result<()> {
    let filter: EnvFilter = filter.parse().map_err(|error| {
        Failure::new(format!("the log level is not understood: {error}; use error, warn, info, debug or trace"))
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if format.resolved() == LogFormat::Json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
    };
    started.map_err(|error| Failure::new(format!("the log cannot be started: {error}")))
}
