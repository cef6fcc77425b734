//! The key that seals endpoint secrets: given, or made beside a SQLite file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::database::Database;
use crate::failure::{Failure, Result};
use crate::output::hexadecimal;

/// The key for this database; `None` where secrets are stored unsealed.
pub fn choose(given: Option<String>, database: &Database) -> Result<Option<String>> {
    if given.is_some() {
        return Ok(given);
    }
    match database {
        Database::File(path) => beside(path).map(Some),
        Database::Memory => generate().map(Some),
        Database::Postgres(_) => {
            tracing::warn!(
                "endpoint secrets are stored unsealed: give every node the same --secret-key, at least 24 random characters"
            );
            Ok(None)
        }
    }
}

/// Where the key of a SQLite file lies.
fn key_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

fn beside(database: &Path) -> Result<String> {
    let path = key_path(database);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim_end().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => make(&path),
        Err(error) => Err(Failure::new(format!(
            "the secret key {} cannot be read: {error}; mend that, or give the key with --secret-key",
            path.display()
        ))),
    }
}

/// Writes a new key. The database's lock is held, so nobody else makes one at the same time.
fn make(path: &Path) -> Result<String> {
    let key = generate()?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(key.as_bytes())?;
        file.write_all(b"\n")?;
        // Secrets sealed with a key that a power cut takes away would be lost with it.
        file.sync_all()
    });
    written.map_err(|error| Failure::new(format!("the secret key {} cannot be written: {error}", path.display())))?;
    tracing::info!(path = %path.display(), "made a key that seals endpoint secrets; keep a copy apart from the database's");
    Ok(key)
}

/// 256 bits of the system's randomness in hexadecimal.
fn generate() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(format!("the system gives no randomness: {error}")))?;
    Ok(hexadecimal(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_readable_by_its_owner_alone_and_then_found() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::File(directory.path().join("p.db"));
        let made = choose(None, &database).unwrap().unwrap();
        assert_eq!(made.len(), 64);
        assert_eq!(choose(None, &database).unwrap().unwrap(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(directory.path().join("p.db.key")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(choose(Some("given".into()), &database).unwrap().unwrap(), "given");
        assert_eq!(choose(None, &Database::Postgres("postgres://x".into())).unwrap(), None);
    }
}
