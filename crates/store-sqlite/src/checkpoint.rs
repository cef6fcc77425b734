//! Checkpoints: copying the log into the database file, beside the writer, when nobody would notice.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use crate::fault::Fault;
use crate::writer::{Activity, Writer};

/// How often the log is looked at.
const TICK: Duration = Duration::from_millis(200);
/// Above this many bytes the log is copied although the store is busy.
const LIMIT: u64 = 64 << 20;

/// The thread that checkpoints; ends when dropped.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The log as SQLite counts it, in pages.
struct Log {
    written: u64,
    copied: u64,
}

impl Checkpointer {
    pub(crate) fn start(connection: Connection, writer: &Writer) -> Result<Self, Fault> {
        let (stop, stopped) = channel();
        let activity = writer.activity().ok_or(Fault::Unreadable("the writer has ended"))?;
        let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?.into();
        let limit = LIMIT / page.max(512);
        let thread = std::thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || run(&connection, &activity, limit, &stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, activity: &Activity, limit: u64, stopped: &Receiver<()>) {
    let mut seen = activity.commits();
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
        let commits = activity.commits();
        let idle = commits == seen;
        seen = commits;
        if let Err(error) = turn(connection, activity, limit, idle) {
            tracing::warn!(%error, "a checkpoint failed; it is tried again");
        }
    }
}

fn turn(connection: &Connection, activity: &Activity, limit: u64, idle: bool) -> Result<(), Fault> {
    let log = checkpoint(connection, "NOOP")?;
    if idle {
        if log.written > log.copied {
            checkpoint(connection, "PASSIVE")?;
        }
    } else if log.written > limit {
        // The log begins anew only when all of it is copied, which beside a busy writer never happens: two passes bring
        // it close, and the writer copies the little that came meanwhile.
        checkpoint(connection, "PASSIVE")?;
        checkpoint(connection, "PASSIVE")?;
        activity.finish_checkpoint();
    }
    Ok(())
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Log, Fault> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let log = connection.query_row(&sql, [], |row| {
        // -1 where there is no log yet.
        let pages = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(Log { written: pages(row.get(1)?), copied: pages(row.get(2)?) })
    })?;
    Ok(log)
}
