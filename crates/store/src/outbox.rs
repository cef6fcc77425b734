//! What applications left in their own transactions: rows that appear when those commit, in whatever order.
//!
//! The rows themselves are the queue: nobody remembers how far they were read, so a transaction that commits late is
//! never passed over. A row goes away in the transaction that publishes it ([`crate::Group::consumes`]).

use async_trait::async_trait;
use posthaste_core::{MessageId, Timestamp};

use crate::Result;

/// One message that waits to be taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Its place.
    pub n: i64,
    /// The id that the application was told; the message will have it.
    pub id: MessageId,
    /// When it was left, by the database's clock.
    pub at: Timestamp,
    /// The message as `POST /v1/messages` takes it, a JSON document.
    pub draft: String,
}

/// Reading what waits.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The first rows by their places.
    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxRow>>;
    /// The row that will become this message.
    async fn outbox_row(&self, id: MessageId) -> Result<Option<OutboxRow>>;
    /// Leaves a message there in a transaction of its own: what a node does with one that it is too old to judge.
    async fn leave_in_outbox(&self, row: &OutboxRow) -> Result<()>;
}
