//! `posthaste completions`.

use clap_complete::Shell;

use crate::cli;
use crate::failure::{Failure, Result};
use crate::output;

/// Which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  posthaste completions bash > ~/.local/share/bash-completion/completions/posthaste
  posthaste completions zsh > ~/.zfunc/_posthaste
  posthaste completions fish > ~/.config/fish/completions/posthaste.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(options: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut cli::command(), "posthaste", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::new(error.to_string()))?;
    output::line(script.trim_end())
}
