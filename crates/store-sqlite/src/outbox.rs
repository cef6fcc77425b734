//! What applications left to be published.

use async_trait::async_trait;
use posthaste_core::MessageId;
use posthaste_core::id::COUNTER_LIMIT;
use posthaste_core::schedule::OUTBOX_NODE;
use posthaste_store::outbox::OutboxRow;
use posthaste_store::{Outbox, Result, StoreError};
use rusqlite::{Connection, Row, params};

use crate::coordination::clock;
use crate::fault::Fault;
use crate::{SqliteStore, rows};

fn outbox_row(row: &Row<'_>) -> Result<OutboxRow, Fault> {
    Ok(OutboxRow { n: row.get(0)?, id: rows::id(row, 1)?, at: rows::at(row, 2)?, draft: row.get(3)? })
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxRow>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql!("outbox/page"))?;
            let mut found = statement.query([limit])?;
            let mut waiting = Vec::new();
            while let Some(row) = found.next()? {
                waiting.push(outbox_row(row)?);
            }
            Ok(waiting)
        })
        .await
    }

    async fn outbox_row(&self, id: MessageId) -> Result<Option<OutboxRow>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql!("outbox/get"))?;
            let mut found = statement.query([id.to_bytes()])?;
            found.next()?.map(outbox_row).transpose()
        })
        .await
    }

    async fn leave_in_outbox(&self, row: &OutboxRow) -> Result<()> {
        let row = row.clone();
        self.write(move |connection| leave(connection, &row)).await
    }
}

fn leave(connection: &Connection, row: &OutboxRow) -> Result<(), Fault> {
    let mut insert = connection.prepare_cached(sql!("outbox/insert"))?;
    insert.execute(params![row.id.to_bytes(), row.at.as_micros(), row.draft])?;
    Ok(())
}

impl SqliteStore {
    /// Leaves messages in the outbox, all or none, and says which ids they will have. A draft is a message as
    /// `POST /v1/messages` takes it, a JSON document.
    pub async fn publish_in(&self, drafts: Vec<String>) -> Result<Vec<MessageId>, StoreError> {
        self.write(move |connection| {
            let mut number = connection.prepare_cached(sql!("outbox/number"))?;
            let mut ids = Vec::with_capacity(drafts.len());
            for draft in drafts {
                let n: i64 = number.query_row([], |row| row.get(0))?;
                let at = clock();
                let counter = u32::try_from(n.rem_euclid(i64::from(COUNTER_LIMIT))).unwrap_or(0);
                let id = MessageId::compose(at, OUTBOX_NODE, counter);
                leave(connection, &OutboxRow { n: 0, id, at, draft })?;
                ids.push(id);
            }
            Ok(ids)
        })
        .await
    }
}
