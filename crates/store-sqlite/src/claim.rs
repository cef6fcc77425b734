//! Taking batches that nobody live owns.

use std::sync::Arc;

use posthaste_core::id::{BatchId, NodeId};
use posthaste_store::queue::Unsent;
use posthaste_store::{Claimed, StoreError};
use rusqlite::Connection;

use crate::accept;
use crate::coordination::fence;
use crate::fault::Fault;
use crate::place;
use crate::rows;

/// How many batches one call looks at, so that a long row of finished ones does not hold up other writes.
const EXAMINED: u32 = 256;

pub(crate) fn claim(connection: &Connection, node: NodeId, limit: u32) -> Result<Vec<Claimed>, Fault> {
    if !fence(connection, node)? {
        return Err(StoreError::LeaseLost.into());
    }
    let mut claimed = Vec::new();
    for batch in free(connection, EXAMINED.max(limit))? {
        if u32::try_from(claimed.len()).unwrap_or(u32::MAX) >= limit {
            break;
        }
        let left = left(connection, batch)?;
        if left.is_empty() {
            connection.prepare_cached(sql!("record/finish"))?.execute([batch.to_bytes()])?;
        } else {
            connection.prepare_cached(sql!("claim/take"))?.execute((batch.to_bytes(), node.to_bytes()))?;
            claimed.push(Claimed { batch, left });
        }
    }
    Ok(claimed)
}

fn free(connection: &Connection, limit: u32) -> Result<Vec<BatchId>, Fault> {
    let mut statement = connection.prepare_cached(sql!("claim/free"))?;
    let mut found = statement.query([limit])?;
    let mut batches = Vec::new();
    while let Some(row) = found.next()? {
        batches.push(rows::id(row, 0)?);
    }
    Ok(batches)
}

/// What is left of a batch: deliveries that are in no other place.
fn left(connection: &Connection, batch: BatchId) -> Result<Vec<Unsent>, Fault> {
    let (from, until) = accept::batch_range(batch);
    let mut statement = connection.prepare_cached(sql!("claim/messages"))?;
    let mut found = statement.query((from, until))?;
    let mut left = Vec::new();
    while let Some(row) = found.next()? {
        let message = rows::message(row)?;
        let mut deliveries = Vec::new();
        for (delivery, target) in message.deliveries() {
            if accept::is_owed(target.endpoint) && !place::left_batch(connection, delivery)? {
                deliveries.push(delivery);
            }
        }
        if !deliveries.is_empty() {
            let payload = Some(row.get::<_, Vec<u8>>(8)?.into());
            left.push(Unsent { message: Arc::new(message), payload, deliveries });
        }
    }
    Ok(left)
}
