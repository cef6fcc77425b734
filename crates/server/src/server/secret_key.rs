//! The key that seals endpoint secrets: given, or made beside a SQLite file. One that does not fit what is stored is
//! found before anything is sent.

use posthaste_engine::rekey::{Sealed, probe};
use posthaste_engine::vault::Vault;
use posthaste_store::Store;

use super::database::Database;
use super::key_file::{KeyFile, generate};
use crate::failure::{Failure, Result};

/// The key for this database; `None` where secrets are stored unsealed.
pub async fn choose(given: Option<String>, database: &Database, store: &dyn Store) -> Result<Option<String>> {
    let key = match (given, database) {
        (given, Database::File(path)) => Some(of_file(given, &KeyFile::beside(path), store).await?),
        (Some(given), _) => Some(given),
        (None, Database::Memory) => Some(generate()?),
        (None, Database::Postgres(_)) => None,
    };
    if let Sealed::Closed(endpoint) = look(store, key.as_deref()).await? {
        return Err(Failure::new(match key {
            Some(_) => format!(
                "the secret key does not open the secrets of {endpoint}: give the --secret-key that sealed them"
            ),
            None => format!("the secrets of {endpoint} are sealed: give the --secret-key that sealed them"),
        }));
    }
    if key.is_none() {
        tracing::warn!(
            "endpoint secrets are stored unsealed: give every node the same --secret-key, at least 24 random characters"
        );
    }
    Ok(key)
}

/// Whether a key opens what a store holds.
pub async fn look(store: &dyn Store, key: Option<&str>) -> Result<Sealed> {
    let vault = Vault::new(key).map_err(|error| Failure::new(error.to_string()))?;
    probe(store, &vault).await.map_err(|error| Failure::new(error.to_string()))
}

async fn of_file(given: Option<String>, file: &KeyFile, store: &dyn Store) -> Result<String> {
    if file.next()?.is_some() {
        return Err(Failure::new(
            "the secret key was being replaced when that was interrupted: end it with `posthaste rekey`",
        ));
    }
    if let Some(key) = given {
        return Ok(key);
    }
    if let Some(key) = file.read()? {
        return Ok(key);
    }
    let path = file.path().display();
    if look(store, None).await? != Sealed::Nothing {
        return Err(lost(file));
    }
    let key = generate()?;
    file.write(&key)?;
    tracing::info!(%path, "made a key that seals endpoint secrets; keep a copy apart from the database's");
    Ok(key)
}

/// The sentence for a key file that is gone.
pub fn lost(file: &KeyFile) -> Failure {
    Failure::new(format!(
        "the secret key {} is gone, and the database holds endpoint secrets that only it opens: put its copy back, or \
         give the key with --secret-key",
        file.path().display()
    ))
}
