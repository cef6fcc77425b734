//! The batch rows of one committer: groups that follow one another share one.
//!
//! A row made and deleted for each group would be a dead row for each group, which at a few messages a second is a dead
//! row for each delivery. So a committer's slot keeps a batch open for [`BATCH_SPAN`], and its next groups join it.

use posthaste_core::id::{BatchId, NodeId};
use posthaste_core::{MessageId, Timestamp};
use posthaste_store::queue::{BATCH_SPAN, BatchRow};

use crate::Engine;

/// The most deliveries of a batch that still takes in groups. Bounds what one cancel, one claim and one row's lock hold.
const MOST: usize = 5_000;

/// A batch that takes in further groups. Its row is known to be committed, and this node deletes it only after it was
/// closed, which nobody but the slot that holds it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    batch: BatchId,
    node: NodeId,
    deliveries: usize,
}

impl Open {
    /// The batch that a group has just opened.
    pub const fn new(batch: BatchId, node: NodeId, deliveries: usize) -> Self {
        Self { batch, node, deliveries }
    }

    /// Whether a group may join, whose last message and number of direct targets these are.
    fn takes(&self, node: NodeId, last: MessageId, direct: usize) -> bool {
        self.node == node
            && self.deliveries.saturating_add(direct) <= MOST
            && last.timestamp().since(self.batch.timestamp()) < BATCH_SPAN
    }

    /// Whether nothing may join any more.
    fn is_over(&self, node: Option<NodeId>, now: Timestamp) -> bool {
        Some(self.node) != node || self.deliveries >= MOST || now.since(self.batch.timestamp()) >= BATCH_SPAN
    }
}

/// One of the places at which a group commits; it has at most one open batch.
#[derive(Debug, Default)]
pub struct Slot {
    open: Option<Open>,
}

impl Slot {
    /// Whether it has a batch open.
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The batch for a group with these ids, and whether its row is there. One that the group cannot join is closed.
    pub async fn batch_for(
        &mut self,
        engine: &Engine,
        node: NodeId,
        ids: &[MessageId],
        direct: usize,
    ) -> (BatchId, BatchRow) {
        let first = ids.first().map_or(0, |id| id.bits());
        let last = ids.last().copied().unwrap_or(MessageId::from_bits(0));
        match self.open {
            // A group that sends nothing from memory needs no row, and keeps none open.
            _ if direct == 0 => {}
            Some(open) if open.takes(node, last, direct) => return (open.batch, BatchRow::Exists),
            Some(_) => self.close(engine).await,
            None => {}
        }
        (BatchId::from_bits(first), BatchRow::Insert)
    }

    /// So many deliveries of a committed group came into memory with this batch.
    pub fn joined(&mut self, batch: BatchId, node: NodeId, deliveries: usize) {
        match &mut self.open {
            Some(open) if open.batch == batch => open.deliveries = open.deliveries.saturating_add(deliveries),
            open => *open = Some(Open::new(batch, node, deliveries)),
        }
    }

    /// Closes the open batch if nothing may join it any more, or the engine stops.
    pub async fn close_if_over(&mut self, engine: &Engine) {
        let node = engine.0.lease.fence().map(|fence| fence.node);
        let over = self.open.is_some_and(|open| open.is_over(node, engine.0.clock.now()));
        if over || engine.is_stopping() {
            self.close(engine).await;
        }
    }

    /// Closes the open batch: it ends with its last delivery, or at once if nothing of it is left.
    pub async fn close(&mut self, engine: &Engine) {
        if let Some(open) = self.open.take()
            && engine.0.dispatch.close_batch(open.batch)
        {
            engine.0.record.finished(open.node, open.batch).await;
        }
    }

    /// Forgets the open batch without closing it: a commit into it ended in doubt, so its row may hold deliveries that
    /// memory does not know. It is never deleted from here; whoever claims it when this node is gone sends what is left.
    pub fn abandon(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId::from_bits(1);

    fn id(millis: i64) -> MessageId {
        MessageId::compose(Timestamp::from_millis(millis), 0, 0)
    }

    #[test]
    fn a_batch_takes_groups_of_its_node_within_its_span_and_bound() {
        let open = Open::new(BatchId::from_bits(id(1_000).bits()), NODE, 10);
        assert!(open.takes(NODE, id(1_999), 10));
        assert!(!open.takes(NODE, id(2_000), 10), "too late");
        assert!(!open.takes(NodeId::from_bits(2), id(1_500), 10), "another membership");
        assert!(open.takes(NODE, id(1_500), MOST - 10) && !open.takes(NODE, id(1_500), MOST - 9), "too many");
    }

    #[test]
    fn an_idle_batch_is_over_when_its_span_is() {
        let open = Open::new(BatchId::from_bits(id(1_000).bits()), NODE, 10);
        assert!(!open.is_over(Some(NODE), Timestamp::from_millis(1_999)));
        assert!(open.is_over(Some(NODE), Timestamp::from_millis(2_000)));
        assert!(open.is_over(None, Timestamp::from_millis(1_001)), "the lease is lost");
    }
}
