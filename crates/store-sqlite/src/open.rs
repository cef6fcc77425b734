//! Opening a database file: its lock, its settings, its schema.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use posthaste_store::StoreError;
use rusqlite::{Connection, OpenFlags};

use crate::Inner;
use crate::checkpoint::Checkpointer;
use crate::fault::Fault;
use crate::readers::Readers;
use crate::writer::Writer;

/// Every step from an empty file; what stands here is never changed, only added to.
const STEPS: [(i64, &str); 2] = [(1, sql!("schema")), (2, sql!("expiring"))];
/// The schema that this program makes and knows.
pub const SCHEMA_VERSION: i64 = 2;

/// How long a statement waits for a lock of another program (a backup, the sqlite3 shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Every statement of this driver stays prepared.
const STATEMENTS: usize = 256;

/// The database file with its lock; removed when dropped if it is a throwaway one.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    lock: Option<File>,
    throwaway: Option<PathBuf>,
}

impl Drop for DatabaseFile {
    fn drop(&mut self) {
        self.lock.take();
        if let Some(directory) = &self.throwaway
            && let Err(error) = std::fs::remove_dir_all(directory)
        {
            tracing::debug!(%error, directory = %directory.display(), "a throwaway database was not removed");
        }
    }
}

/// Which kind of connection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Reader,
    Checkpointer,
}

pub(crate) fn open(path: &str) -> Result<Inner, Fault> {
    let file = if path == ":memory:" { throwaway()? } else { lock(path)? };
    let durable = file.throwaway.is_none();
    let writer = connect(&file.path, Role::Writer, durable)?;
    migrate(&writer)?;
    let readers = (0..Readers::COUNT).map(|_| connect(&file.path, Role::Reader, durable));
    let readers = readers.collect::<Result<Vec<_>, _>>()?;
    let checkpoints = connect(&file.path, Role::Checkpointer, durable)?;
    let writer = Writer::start(writer)?;
    let checkpointer = Checkpointer::start(checkpoints, &writer)?;
    let (readers, wide) = (Arc::new(Readers::new(readers)), Arc::default());
    Ok(Inner { _checkpointer: checkpointer, writer, readers, wide, _file: file })
}

pub(crate) fn schema_version(path: &str) -> Result<i64, Fault> {
    if !Path::new(path).exists() {
        return Ok(0);
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    user_version(&connection)
}

/// Takes the lock beside the file. Not SQLite's own exclusive mode: that would also shut out readers and backups.
fn lock(path: &str) -> Result<DatabaseFile, Fault> {
    // By its one true name, so that two ways to the same file meet at the same lock.
    let file = true_name(Path::new(path)).map_err(|error| unusable(path, &error))?;
    let mut name = file.clone().into_os_string();
    name.push(".lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(name);
    let lock = lock.map_err(|error| unusable(path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(DatabaseFile { path: file, lock: Some(lock), throwaway: None }),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }.into()),
        Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
    }
}

fn true_name(path: &Path) -> std::io::Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(name), ..) => Ok(name),
        // It is not there yet, but its directory has to be.
        (Err(_), Some(parent), Some(file)) => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            Ok(parent.canonicalize()?.join(file))
        }
        (Err(error), ..) => Err(error),
    }
}

fn unusable(path: &str, error: &std::io::Error) -> Fault {
    let said = format!("{path} cannot be used as a database file: {error}");
    std::io::Error::new(error.kind(), said).into()
}

/// A database that ends with the store. A file in memory rather than SQLite's own `:memory:`, whose connections would
/// share locks that a real file does not have: so tests meet what production meets.
fn throwaway() -> Result<DatabaseFile, Fault> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = parent.join(format!("posthaste-{}-{number}", std::process::id()));
    // One that a killed process with the same id left.
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir(&directory)?;
    Ok(DatabaseFile { path: directory.join("posthaste.db"), lock: None, throwaway: Some(directory) })
}

fn connect(path: &Path, role: Role, durable: bool) -> Result<Connection, Fault> {
    // Each connection stays on one thread at a time, so SQLite's own mutex would only cost.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    if role == Role::Writer {
        connection.pragma_update(None, "page_size", 8192)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if mode != "wal" {
            // Readers and the writer share memory beside the file.
            let said = format!("{} lies where SQLite cannot keep a log beside it: use a local disk", path.display());
            return Err(std::io::Error::other(said).into());
        }
        connection.pragma_update(None, "cache_size", -65_536)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
    }
    // FULL: a commit is on the disk before anybody is told of it.
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
    // The checkpointer decides when; a checkpoint in the midst of a commit would stall a publisher.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    if role == Role::Reader {
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(connection)
}

fn user_version(connection: &Connection) -> Result<i64, Fault> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn migrate(connection: &Connection) -> Result<(), Fault> {
    let found = user_version(connection)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::NewerSchema { found, known: SCHEMA_VERSION }.into());
    }
    for (version, step) in STEPS.iter().filter(|(version, _)| *version > found) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
