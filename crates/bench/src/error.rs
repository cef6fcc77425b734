//! Why a benchmark could not be run to its end.

use std::io;
use std::path::PathBuf;

/// Why a benchmark could not be run to its end. What it measured, lost messages included, is no error but its report.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The options contradict each other or leave their bounds.
    #[error("{option}: {detail}")]
    Option {
        /// The option's name as on the command line.
        option: &'static str,
        /// What is wrong with it, and what would be right.
        detail: String,
    },
    /// Something of the operating system failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The server answered a preparation with an error.
    #[error("the server answered {method} {path} with {status}: {body}")]
    Refused {
        /// The request's method.
        method: &'static str,
        /// Its path.
        path: String,
        /// The status of the answer.
        status: u16,
        /// The answer's body, shortened.
        body: String,
    },
    /// The server answered with something that the benchmark does not understand.
    #[error("the answer to {path} is not what the API promises: {detail}")]
    Answer {
        /// The request's path.
        path: String,
        /// What is missing.
        detail: String,
    },
    /// A process that was started for the benchmark did not come up, or ended.
    #[error("{what} did not start: {detail}")]
    Start {
        /// Which process.
        what: String,
        /// What it said.
        detail: String,
    },
    /// PostgreSQL's programs are not installed.
    #[error(
        "no {program} in PATH, in pg_config --bindir or under /usr/lib/postgresql: install PostgreSQL's server \
         (Debian: postgresql), or give --database-url"
    )]
    NoPostgres {
        /// The program that was looked for.
        program: PathBuf,
    },
    /// It was interrupted from the keyboard.
    #[error("interrupted; what was started for the benchmark has been stopped")]
    Interrupted,
    /// A thread of the benchmark panicked.
    #[error("the benchmark's {0} thread panicked; that is a defect of the benchmark")]
    Panicked(&'static str),
}

impl BenchError {
    /// An operating system's error, with what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// The result of a step of the benchmark.
pub type Result<T, E = BenchError> = std::result::Result<T, E>;
