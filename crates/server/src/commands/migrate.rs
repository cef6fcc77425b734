//! `posthaste migrate`.

use crate::failure::Result;
use crate::output;
use crate::server::database::{self, Database};

/// Which database; also an option of `serve`.
#[derive(Debug, clap::Args)]
pub struct DatabaseUrl {
    /// `sqlite:FILE`, `sqlite::memory:` or `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "URL", default_value = "sqlite:posthaste.db")]
    pub database_url: Database,
}

/// Which database, and whether it is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "`serve` migrates by itself when it starts; this is for those who do it as a step of its own.

Examples:
  posthaste migrate --database-url postgres://posthaste@db/posthaste
  posthaste migrate --check        exit code 0 if there is nothing to do")]
pub struct Migrate {
    #[command(flatten)]
    database: DatabaseUrl,
    /// Change nothing; exit code 1 if the database is not at this version
    #[arg(long, action = clap::ArgAction::SetTrue)]
    check: bool,
}

/// Migrates under the database's lock, or checks.
pub async fn run(options: Migrate) -> Result<()> {
    let database = options.database.database_url;
    if options.check {
        database::check(&database).await?;
    } else {
        database::open(&database).await?;
    }
    output::line(&format!("{database} is at this version's schema"))
}
