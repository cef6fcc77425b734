//! The file beside a SQLite database that holds the key of its endpoint secrets, and the one that is to replace it.
//!
//! While a key is being replaced both are there: the new one lies in `….key.new` before the first secret is sealed with
//! it, and takes the old one's name after the last.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::output::hexadecimal;

/// Where the key of one database lies.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
    next: PathBuf,
}

impl KeyFile {
    /// The one of this database file.
    pub fn beside(database: &Path) -> Self {
        let with = |ending: &str| {
            let mut name = database.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Self { path: with(".key"), next: with(".key.new") }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key, if the file is there.
    pub fn read(&self) -> Result<Option<String>> {
        read(&self.path)
    }

    /// The key that is to replace it, if a replacement was begun and not ended.
    pub fn next(&self) -> Result<Option<String>> {
        read(&self.next)
    }

    /// Writes a key. The database's lock is held, so nobody else makes one at the same time.
    pub fn write(&self, key: &str) -> Result<()> {
        write(&self.path, key)
    }

    /// Begins a replacement.
    pub fn write_next(&self, key: &str) -> Result<()> {
        write(&self.next, key)
    }

    /// Ends a replacement.
    pub fn replace(&self) -> Result<()> {
        let replaced = std::fs::rename(&self.next, &self.path).and_then(|()| sync_directory(&self.path));
        replaced.map_err(|error| {
            Failure::new(format!("{} cannot be replaced by {}: {error}", self.path.display(), self.next.display()))
        })
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(format!(
            "the secret key {} cannot be read: {error}; mend that, or give the key with --secret-key",
            path.display()
        ))),
    }
}

fn write(path: &Path, key: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(key.as_bytes())?;
        file.write_all(b"\n")?;
        // Secrets sealed with a key that a power cut takes away would be lost with it.
        file.sync_all()?;
        sync_directory(path)
    });
    written.map_err(|error| Failure::new(format!("the secret key {} cannot be written: {error}", path.display())))
}

/// Makes a name in a directory last.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// A new key: 256 bits of the system's randomness in hexadecimal.
pub fn generate() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(format!("the system gives no randomness: {error}")))?;
    Ok(hexadecimal(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_readable_by_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = KeyFile::beside(&directory.path().join("p.db"));
        assert_eq!(file.read(), Ok(None));
        file.write("the first").unwrap();
        assert!(file.write("the second").is_err());
        assert_eq!(file.read(), Ok(Some("the first".to_owned())));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(directory.path().join("p.db.key")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        file.write_next("the second").unwrap();
        file.replace().unwrap();
        assert_eq!((file.read(), file.next()), (Ok(Some("the second".to_owned())), Ok(None)));
    }

    #[test]
    fn keys_are_long_and_never_the_same() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert!(one.len() == 64 && one != other);
    }
}
