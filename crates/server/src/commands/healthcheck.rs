//! `posthaste healthcheck`: for containers, whose images hold no other HTTP client.

use http::Method;

use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output;

/// Which question.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  posthaste healthcheck --server http://127.0.0.1:7678")]
pub struct Healthcheck {
    /// Only ask whether the process lives, not whether it can accept and send
    #[arg(long)]
    live: bool,
}

/// Asks `/readyz`.
pub async fn run(options: &Healthcheck, client: &Client) -> Result<()> {
    let path = if options.live { "/livez" } else { "/readyz" };
    let answer = client.request(Method::GET, path, None).await?;
    if answer.status.is_success() {
        return output::line(if options.live { "lives" } else { "ready" });
    }
    Err(Failure::new(format!("{} answered {} at {path}: it is not ready", client.server(), answer.status.as_u16())))
}
