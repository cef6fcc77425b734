//! The one thread that writes. What is queued when it is free shares a transaction, so that many small writes cost one
//! sync of the disk; each of them is still whole or not at all, and is answered only after the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use posthaste_store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::fault::Fault;

/// The most writes that share a transaction: a bound on how long the first of them waits for the others.
const SHARED: usize = 8;

/// How a transaction ended that was not committed.
#[derive(Debug, Clone)]
enum Lost {
    /// Whether it was is not known: the disk failed in the midst of it.
    InDoubt(Arc<str>),
    /// There was no room for it, so it certainly was not; saying it again does not help.
    NoRoom(Arc<str>),
}

/// What a write has come to, to be said after the commit.
type Reply = Box<dyn FnOnce(Result<(), Lost>) + Send>;
/// A write: whether it is to be kept, and whom to tell. Without a connection in a transaction it only answers.
type Write = Box<dyn FnOnce(Option<&Connection>) -> (bool, Reply) + Send>;

enum Command {
    Write(Write),
    /// Finishes a checkpoint that has done nearly everything beside the writer.
    Checkpoint,
}

/// The writer thread; dropping it waits until what is queued is written.
#[derive(Debug)]
pub(crate) struct Writer {
    commands: Option<Sender<Command>>,
    commits: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// What the checkpointer holds of the writer.
pub(crate) struct Activity {
    commands: Sender<Command>,
    commits: Arc<AtomicU64>,
}

impl Activity {
    /// How many transactions have been committed.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Lets the writer copy the rest of the log between two transactions, so that the next begins it anew.
    pub(crate) fn finish_checkpoint(&self) {
        let _ = self.commands.send(Command::Checkpoint);
    }
}

impl Writer {
    pub(crate) fn start(connection: Connection) -> Result<Self, Fault> {
        let (commands, queue) = channel();
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || run(&connection, &queue, &counted))?;
        Ok(Self { commands: Some(commands), commits, thread: Some(thread) })
    }

    pub(crate) fn activity(&self) -> Option<Activity> {
        Some(Activity { commands: self.commands.clone()?, commits: Arc::clone(&self.commits) })
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let write: Write = Box::new(move |connection| {
            let outcome = match connection {
                Some(connection) => work(connection),
                None => Err(StoreError::unavailable("no transaction could be begun").into()),
            };
            let keep = outcome.is_ok();
            let reply: Reply = Box::new(move |committed| {
                let answer = match (outcome, committed) {
                    (Err(fault), _) => Err(fault.into()),
                    (Ok(_), Err(Lost::InDoubt(error))) => Err(StoreError::unavailable(error.as_ref())),
                    (Ok(_), Err(Lost::NoRoom(error))) => Err(StoreError::internal(error.as_ref())),
                    (Ok(value), Ok(())) => Ok(value),
                };
                // Whoever asked may have gone; the write stands.
                let _ = sender.send(answer);
            });
            (keep, reply)
        });
        let ended = || StoreError::unavailable("the database's writer has ended");
        self.commands.as_ref().ok_or_else(ended)?.send(Command::Write(write)).map_err(|_| ended())?;
        receiver.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, queue: &Receiver<Command>, commits: &AtomicU64) {
    while let Ok(command) = queue.recv() {
        match command {
            Command::Checkpoint => checkpoint(connection),
            Command::Write(first) => {
                if transact(connection, first, queue) {
                    checkpoint(connection);
                }
                commits.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn checkpoint(connection: &Connection) {
    let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = done {
        tracing::warn!(%error, "a checkpoint failed; it is tried again");
    }
}

/// One transaction; returns whether a checkpoint was asked for meanwhile.
fn transact(connection: &Connection, first: Write, queue: &Receiver<Command>) -> bool {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        tracing::warn!(%error, "no transaction could be begun");
        refuse(first);
        return false;
    }
    let (keep, reply) = first(Some(connection));
    if !keep {
        end(connection, vec![reply], "ROLLBACK");
        return false;
    }
    let mut replies = vec![reply];
    let mut checkpoint = false;
    while replies.len() < SHARED {
        match queue.try_recv() {
            Ok(Command::Write(next)) => {
                if connection.execute_batch("SAVEPOINT one").is_err() {
                    refuse(next);
                    break;
                }
                let (keep, reply) = next(Some(connection));
                replies.push(reply);
                let after = if keep { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
                // Some failures (a full disk) end the whole transaction; then the commit below says so to all.
                if connection.is_autocommit() || connection.execute_batch(after).is_err() {
                    break;
                }
            }
            Ok(Command::Checkpoint) => checkpoint = true,
            Err(_) => break,
        }
    }
    end(connection, replies, "COMMIT");
    checkpoint
}

fn end(connection: &Connection, replies: Vec<Reply>, how: &str) {
    let ended = if connection.is_autocommit() {
        Err(Lost::InDoubt(Arc::from("the transaction was ended by an earlier failure")))
    } else {
        connection.execute_batch(how).map_err(|error| {
            let said = Arc::from(error.to_string());
            let full = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
            if full { Lost::NoRoom(said) } else { Lost::InDoubt(said) }
        })
    };
    if ended.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    for reply in replies {
        reply(ended.clone());
    }
}

fn refuse(write: Write) {
    let (_, reply) = write(None);
    reply(Ok(()));
}
