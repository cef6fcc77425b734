//! Letting go of what is old, a chunk at a time, so that no write waits long behind it.
//!
//! There is one writer, so a retry or a replay finds a message either there or gone; the horizon needs no lock. What it
//! keeps is how far each sweep has come: what was kept because it is still owed is not looked at again until the next.

use async_trait::async_trait;
use posthaste_core::id::BatchId;
use posthaste_core::{AttemptId, MessageId, Timestamp};
use posthaste_store::retention::{Ages, Expired, Pruned};
use posthaste_store::{Result, Retention};
use rusqlite::{Connection, params};

use crate::fault::Fault;
use crate::record::LATE_MICROS;
use crate::{SqliteStore, erase, expiry, rows};

/// How many messages, and how many attempts' captures, one call looks at.
const CHUNK: u32 = 1_000;

#[async_trait]
impl Retention for SqliteStore {
    async fn prune(&self, ages: &Ages, now: Timestamp) -> Result<Pruned> {
        let ages = *ages;
        self.write(move |connection| {
            let (messages, more_messages) = messages(connection, now - ages.messages)?;
            let more_captures = captures(connection, now - ages.captures)?;
            let more_late = late_captures(connection, now - ages.captures)?;
            let mut fires = connection.prepare_cached(sql!("retention/fires"))?;
            let fires = fires.execute(params![(now - ages.messages).as_micros(), CHUNK])?;
            let more_fires = u32::try_from(fires).unwrap_or(u32::MAX) >= CHUNK;
            Ok(Pruned { messages, more: more_messages || more_captures || more_late || more_fires })
        })
        .await
    }

    async fn expire(&self, before: Timestamp, now: Timestamp, limit: u32) -> Result<Expired> {
        // Asked of a reader first: mostly there is nothing, and the writer has better things to do.
        if !self.read(move |connection| expiry::any(connection, before)).await? {
            return Ok(Expired::default());
        }
        self.write(move |connection| expiry::expire(connection, before, now, limit)).await
    }
}

fn cursor(connection: &Connection, name: &str) -> Result<u128, Fault> {
    let cursor = connection.prepare_cached(sql!("retention/cursor"))?.query_row([name], |row| row.get(0))?;
    Ok(u128::from_be_bytes(cursor))
}

fn move_cursor(connection: &Connection, name: &str, to: u128) -> Result<(), Fault> {
    connection.prepare_cached(sql!("retention/move"))?.execute(params![name, to.to_be_bytes()])?;
    Ok(())
}

/// One chunk of messages older than `limit`; returns how many went, and whether the sweep goes on.
fn messages(connection: &Connection, limit: Timestamp) -> Result<(u64, bool), Fault> {
    let from = cursor(connection, "messages")?;
    let until = MessageId::floor_of(limit).bits();
    let mut statement = connection.prepare_cached(sql!("retention/messages"))?;
    let mut found = statement.query(params![from.to_be_bytes(), until.to_be_bytes(), CHUNK])?;
    let mut chunk: Vec<(MessageId, BatchId)> = Vec::new();
    while let Some(row) = found.next()? {
        chunk.push((rows::id(row, 0)?, rows::id(row, 1)?));
    }
    drop(found);
    // Ranges between what is kept go as a whole: with them goes what a late write left of messages that are gone.
    let (mut removed, mut start) = (0, from);
    for (message, batch) in &chunk {
        if is_owed(connection, *message, *batch)? {
            removed += remove(connection, start, message.bits())?;
            start = message.last_child_bits() + 1;
        }
    }
    let more = u32::try_from(chunk.len()).unwrap_or(u32::MAX) >= CHUNK;
    let end = match chunk.last() {
        Some((last, _)) if more => last.last_child_bits() + 1,
        _ => until,
    };
    removed += remove(connection, start, end)?;
    // At its end the sweep begins anew: what was still owed may not be any more.
    move_cursor(connection, "messages", if more { end } else { 0 })?;
    Ok((removed, more))
}

/// Removes the messages from these bits on and before those.
fn remove(connection: &Connection, from: u128, before: u128) -> Result<u64, Fault> {
    if from >= before {
        return Ok(0);
    }
    let last = MessageId::from_bits(before - 1);
    erase::range(connection, MessageId::from_bits(from), last)
}

/// Whether something of a message, or of a replay of it, still waits or is in a live batch.
fn is_owed(connection: &Connection, message: MessageId, batch: BatchId) -> Result<bool, Fault> {
    if waits(connection, message, batch)? {
        return Ok(true);
    }
    let mut statement = connection.prepare_cached(sql!("retention/replays"))?;
    let mut found = statement.query([message.to_bytes()])?;
    while let Some(row) = found.next()? {
        if waits(connection, rows::id(row, 0)?, rows::id(row, 1)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn waits(connection: &Connection, message: MessageId, batch: BatchId) -> Result<bool, Fault> {
    let last = message.last_child_bits().to_be_bytes();
    Ok(connection.prepare_cached(sql!("retention/due"))?.exists((message.to_bytes(), last))?
        || connection.prepare_cached(sql!("place/batch"))?.exists([batch.to_bytes()])?)
}

/// One chunk of captures, by id; returns whether there is more. Attempts made long after their message was accepted are
/// left to [`late_captures`]; all others are at most that much younger than their id.
fn captures(connection: &Connection, limit: Timestamp) -> Result<bool, Fault> {
    let from = cursor(connection, "captures")?;
    let until = MessageId::floor_of(Timestamp::from_micros(limit.as_micros().saturating_sub(LATE_MICROS)));
    let mut statement = connection.prepare_cached(sql!("retention/attempts"))?;
    let mut found = statement.query(params![from.to_be_bytes(), until.to_bytes(), CHUNK])?;
    let (mut last, mut count): (Option<AttemptId>, u32) = (None, 0);
    while let Some(row) = found.next()? {
        last = Some(rows::id(row, 0)?);
        count += 1;
    }
    drop(found);
    if let Some(last) = last {
        let mut forget = connection.prepare_cached(sql!("retention/captures"))?;
        forget.execute(params![from.to_be_bytes(), last.to_bytes(), limit.as_micros()])?;
        move_cursor(connection, "captures", last.bits() + 1)?;
    }
    Ok(count >= CHUNK)
}

fn late_captures(connection: &Connection, limit: Timestamp) -> Result<bool, Fault> {
    let mut statement = connection.prepare_cached(sql!("retention/late"))?;
    let mut found = statement.query(params![limit.as_micros(), CHUNK])?;
    let mut late: Vec<(i64, [u8; 16])> = Vec::new();
    while let Some(row) = found.next()? {
        late.push((row.get(0)?, row.get(1)?));
    }
    drop(found);
    let mut forget = connection.prepare_cached(sql!("retention/capture"))?;
    let mut done = connection.prepare_cached(sql!("retention/late_done"))?;
    for (at, attempt) in &late {
        forget.execute([attempt])?;
        done.execute(params![at, attempt])?;
    }
    Ok(u32::try_from(late.len()).unwrap_or(u32::MAX) >= CHUNK)
}
