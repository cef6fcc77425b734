//! `posthaste proto`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, Result};
use crate::output;

/// Prints the .proto files of the gRPC API, or writes them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  posthaste proto                     all of them, each after a line with its name
  posthaste proto --out proto         as files below proto/, to be given to a compiler as an import root")]
pub struct Proto {
    /// Write the files below this directory instead
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints or writes them.
pub fn run(options: &Proto) -> Result<()> {
    let Some(root) = &options.out else {
        let mut text = String::new();
        for (path, file) in posthaste_grpc::proto::FILES {
            // Writing to a String does not fail.
            let _ = writeln!(text, "// {path}\n\n{file}");
        }
        return output::line(text.trim_end());
    };
    for (path, file) in posthaste_grpc::proto::FILES {
        let path = root.join(path);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, file));
        written.map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))?;
        output::line(&path.display().to_string())?;
    }
    Ok(())
}
