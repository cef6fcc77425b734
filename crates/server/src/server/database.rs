//! Which database, and opening it.

use std::cmp::Ordering;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use posthaste_store::{Store, StoreError};
use posthaste_store_postgres::{PostgresOptions, PostgresStore};
use posthaste_store_sqlite::SqliteStore;

use crate::failure::{Failure, Result};

/// Where everything is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// SQLite in memory: for trying things out; it ends with the process.
    Memory,
    /// A PostgreSQL server, by its URL.
    Postgres(String),
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err("name a file after `sqlite:`, such as sqlite:posthaste.db".to_owned()),
                ":memory:" => Ok(Self::Memory),
                path => Ok(Self::File(PathBuf::from(path))),
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        Err("use sqlite:FILE, sqlite::memory: or postgres://USER@HOST/DATABASE".to_owned())
    }
}

/// Shows no password: this form stands in logs and errors.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Memory => f.write_str("sqlite::memory:"),
            // What does not parse may have its password anywhere.
            Self::Postgres(url) => match url::Url::parse(url) {
                Ok(url) => {
                    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                    write!(f, "postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path())
                }
                Err(_) => f.write_str("postgres://…"),
            },
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An open database and how it likes to be written.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// How many group commits gain by running at once.
    pub commit_width: usize,
    /// The version of its schema.
    pub schema_version: i64,
}

/// What only PostgreSQL has to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Certificate authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Whether a pooler hands out another server process for each transaction.
    pub pooled: bool,
}

impl Network {
    fn options(&self) -> PostgresOptions {
        PostgresOptions { ca: self.ca.clone(), pooled: self.pooled, ..PostgresOptions::default() }
    }
}

/// Opens a database, migrating it under a lock if it is older than this program.
pub async fn open(database: &Database, network: &Network) -> Result<Opened> {
    let opened = match database {
        Database::File(path) => {
            let path = path.to_str().ok_or_else(|| Failure::new("the database file's name must be UTF-8"))?;
            sqlite(path).await
        }
        Database::Memory => sqlite(":memory:").await,
        Database::Postgres(url) => postgres(url, network).await,
    };
    opened.map_err(|error| refused(database, error))
}

async fn sqlite(path: &str) -> Result<Opened, StoreError> {
    // One writer thread: a second group commit would only wait for the first.
    Ok(Opened {
        store: Arc::new(SqliteStore::open(path).await?),
        commit_width: 1,
        schema_version: posthaste_store_sqlite::SCHEMA_VERSION,
    })
}

async fn postgres(url: &str, network: &Network) -> Result<Opened, StoreError> {
    let options = network.options();
    let store = PostgresStore::connect(url, &options).await?;
    // While one group commit waits for the disk the next is prepared, on a connection of its own.
    let schema_version = posthaste_store_postgres::schema_version();
    Ok(Opened { store: Arc::new(store), commit_width: options.publish_connections, schema_version })
}

/// Whether a database is at this program's schema; changes nothing.
pub async fn check(database: &Database, network: &Network) -> Result<()> {
    let versions = match database {
        Database::File(path) => SqliteStore::schema_version(&path.to_string_lossy())
            .await
            .map(|found| (found, posthaste_store_sqlite::SCHEMA_VERSION)),
        Database::Memory => return Ok(()),
        Database::Postgres(url) => {
            PostgresStore::check(url, &network.options()).await.map(|version| (version.found, version.known))
        }
    };
    let (found, known) = versions.map_err(|error| refused(database, error))?;
    match found.cmp(&known) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(Failure::new(format!(
            "{database} has schema version {found}, this program {known}: run `posthaste migrate`, or just `posthaste serve`"
        ))),
        Ordering::Greater => Err(refused(database, StoreError::NewerSchema { found, known })),
    }
}

/// The sentence for a database that does not open.
fn refused(database: &Database, error: StoreError) -> Failure {
    match error {
        StoreError::Unavailable(source) => Failure::new(format!(
            "the database is not reachable: {source}; check that it runs and that --database-url is right"
        )),
        StoreError::Internal(source) => Failure::new(format!("{database} cannot be opened: {source}")),
        // The others say themselves what to do.
        other => Failure::new(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_urls_are_read_and_shown_without_a_password() {
        for (text, database, shown) in [
            ("sqlite:posthaste.db", Database::File("posthaste.db".into()), "sqlite:posthaste.db"),
            ("sqlite:///var/lib/p.db", Database::File("/var/lib/p.db".into()), "sqlite:/var/lib/p.db"),
            ("sqlite::memory:", Database::Memory, "sqlite::memory:"),
            (
                "postgres://me:p@ss@db:5432/hooks?sslmode=require&password=x",
                Database::Postgres("postgres://me:p@ss@db:5432/hooks?sslmode=require&password=x".into()),
                "postgres://db:5432/hooks",
            ),
            ("postgres://me:p/ss@db/x", Database::Postgres("postgres://me:p/ss@db/x".into()), "postgres://…"),
        ] {
            assert_eq!(text.parse::<Database>(), Ok(database.clone()));
            assert_eq!(database.to_string(), shown);
            assert_eq!(format!("{database:?}"), shown);
        }
        for wrong in ["", "posthaste.db", "mysql://x", "sqlite:"] {
            assert!(wrong.parse::<Database>().is_err(), "{wrong}");
        }
    }
}
