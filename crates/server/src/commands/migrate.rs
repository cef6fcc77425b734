//! `posthaste migrate`.

use std::path::PathBuf;

use crate::failure::Result;
use crate::output;
use crate::server::database::{self, Database, Network};

/// Which database; also an option of `serve`.
#[derive(Debug, clap::Args)]
pub struct DatabaseOptions {
    /// `sqlite:FILE`, `sqlite::memory:` or `postgres://USER@HOST/DATABASE`
    #[arg(id = "database_url", long = "database-url", value_name = "URL", default_value = "sqlite:posthaste.db")]
    pub url: Database,
    /// A file of certificate authorities (PEM) that PostgreSQL's certificate is checked against, instead of the system's
    #[arg(id = "database_ca", long = "database-ca", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A pooler in transaction mode stands before PostgreSQL
    #[arg(id = "database_pooled", long = "database-pooled", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    pooled: bool,
}

impl DatabaseOptions {
    /// What only PostgreSQL has to be told.
    pub fn network(&self) -> Network {
        Network { ca: self.ca.clone(), pooled: self.pooled }
    }
}

/// Which database, and whether it is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "`serve` migrates by itself when it starts; this is for those who do it as a step of its own.

Examples:
  posthaste migrate --database-url postgres://posthaste@db/posthaste
  posthaste migrate --check        exit code 0 if there is nothing to do")]
pub struct Migrate {
    #[command(flatten)]
    database: DatabaseOptions,
    /// Change nothing; exit code 1 if the database is not at this version
    #[arg(long, action = clap::ArgAction::SetTrue)]
    check: bool,
}

/// Migrates under the database's lock, or checks.
pub async fn run(options: Migrate) -> Result<()> {
    let network = options.database.network();
    let database = options.database.url;
    if options.check {
        database::check(&database, &network).await?;
    } else {
        database::open(&database, &network).await?;
    }
    output::line(&format!("{database} is at this version's schema"))
}
