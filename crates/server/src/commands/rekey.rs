//! `posthaste rekey`: another key for the endpoint secrets.

use std::time::Duration;

use posthaste_engine::rekey::{Rekeyed, Sealed, rekey};
use posthaste_engine::vault::Vault;
use posthaste_store::{Peer, Store};

use crate::commands::migrate::DatabaseOptions;
use crate::failure::{Failure, Result};
use crate::output;
use crate::server::database::{self, Database};
use crate::server::key_file::{KeyFile, generate};
use crate::server::secret_key::{look, lost};

/// How often nodes that may live are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Which database, and which keys.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stop every server first. A run that was interrupted is ended by another with the same keys; a wrong key changes nothing.

Examples:
  posthaste rekey
      SQLite: makes a new key, and puts it in the place of the file beside the database
  POSTHASTE_SECRET_KEY=… POSTHASTE_NEW_SECRET_KEY=… posthaste rekey --database-url postgres://posthaste@db/posthaste"
)]
pub struct Rekey {
    #[command(flatten)]
    database: DatabaseOptions,
    /// The key that seals the secrets now; without it that of the file beside the database, or none
    #[arg(long, value_name = "KEY")]
    secret_key: Option<String>,
    /// The key that is to seal them, at least 24 characters; with SQLite one is made
    #[arg(long, value_name = "KEY")]
    new_secret_key: Option<String>,
    /// How long a node that stands still counts as running: the servers' --lease-seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=600))]
    lease_seconds: u32,
}

/// Seals anew. With SQLite the file's lock keeps servers out; with PostgreSQL this looks for them.
pub async fn run(options: Rekey) -> Result<()> {
    let network = options.database.network();
    let database = options.database.url;
    let old = options.secret_key.filter(|key| !key.is_empty());
    let new = options.new_secret_key.filter(|key| !key.is_empty());
    let store = database::open(&database, &network).await?.store;
    match &database {
        Database::Memory => Err(Failure::new("a database in memory has no secrets before a server runs")),
        Database::Postgres(_) => {
            let new = new.ok_or_else(|| Failure::new("give the new key with --new-secret-key"))?;
            nobody_runs(&*store, Duration::from_secs(u64::from(options.lease_seconds))).await?;
            told(seal(&*store, old.as_deref(), &new).await?, "give every node the new key now")
        }
        Database::File(path) => in_file(&*store, &KeyFile::beside(path), old, new).await,
    }
}

async fn in_file(store: &dyn Store, file: &KeyFile, old: Option<String>, new: Option<String>) -> Result<()> {
    let kept = file.read()?;
    let is_kept_in_file = old.is_none() || old == kept;
    if !is_kept_in_file {
        let new = new.ok_or_else(|| {
            Failure::new("the old key is kept by you, so the new one is too: give it with --new-secret-key")
        })?;
        return told(seal(store, old.as_deref(), &new).await?, "give `posthaste serve` the new key now");
    }
    if kept.is_none() && look(store, None).await? != Sealed::Nothing {
        return Err(lost(file));
    }
    let new = match (file.next()?, new) {
        (Some(begun), Some(given)) if begun != given => {
            return Err(Failure::new(
                "an earlier run began with another new key: end it first, without --new-secret-key",
            ));
        }
        (Some(begun), _) => begun,
        (None, given) => {
            let new = given.map_or_else(generate, Ok)?;
            check(kept.as_deref(), &new)?;
            file.write_next(&new)?;
            new
        }
    };
    let done = seal(store, kept.as_deref(), &new).await?;
    file.replace()?;
    told(done, &format!("the new key is in {}; keep a copy apart from the database's", file.path().display()))
}

/// Refuses what must not be begun.
fn check(old: Option<&str>, new: &str) -> Result<(Vault, Vault)> {
    if old == Some(new) {
        return Err(Failure::new("the new key is the old one"));
    }
    let vault = |key: Option<&str>| Vault::new(key).map_err(|error| Failure::new(error.to_string()));
    Ok((vault(old)?, vault(Some(new))?))
}

async fn seal(store: &dyn Store, old: Option<&str>, new: &str) -> Result<Rekeyed> {
    let (old, new) = check(old, new)?;
    rekey(store, &old, &new).await.map_err(|error| Failure::new(error.to_string()))
}

fn told(done: Rekeyed, next: &str) -> Result<()> {
    let already = if done.already == 0 { String::new() } else { format!(" ({} were already)", done.already) };
    output::line(&format!("the secrets of {} endpoints are sealed with the new key{already}; {next}", done.sealed))
}

/// Watches the nodes that are written down: one that renews its lease runs.
async fn nobody_runs(store: &dyn Store, lease: Duration) -> Result<()> {
    let peers = async || store.peers().await.map_err(|error| Failure::new(error.to_string()));
    let first = peers().await?;
    let deadline = tokio::time::Instant::now() + lease;
    while !first.is_empty() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
        let has_moved = |peer: &&Peer| first.iter().all(|seen| seen.node != peer.node || seen.beat != peer.beat);
        if let Some(runs) = peers().await?.iter().find(has_moved) {
            return Err(Failure::new(format!("{} runs: stop every server first", runs.node)));
        }
    }
    Ok(())
}
