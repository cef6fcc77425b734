//! The way of a delivery through the store: accepted, owned, recorded, waited for, ended.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use posthaste_core::delivery::{Closed, Due, Next, Progress};
use posthaste_core::endpoint::OnFailed;
use posthaste_core::id::{BatchId, NodeId};
use posthaste_core::{
    Attempt, Capture, Delivery, DeliveryId, EndpointId, Lane, Message, MessageId, Tenant, Timestamp, TopicName,
    WaitingFor,
};

use crate::Result;
use crate::catalog::CatalogVersion;
use crate::coordination::ShardSet;

/// The longest time that one batch takes in further groups, from its own instant. The store relies on it: a batch's
/// messages are those that name it among the ids from the batch's own to this much later.
pub const BATCH_SPAN: std::time::Duration = std::time::Duration::from_secs(1);

/// One group commit: what is accepted together.
#[derive(Debug, Clone)]
pub struct Group {
    /// The batch that owns those targets that are sent from memory; the id of the first message that it took in. Every
    /// message's id is at least it, and less than [`BATCH_SPAN`] later.
    pub batch: BatchId,
    /// Whether this group brings the batch's row, or an earlier one of the same node did. Groups of one batch share its
    /// row, because a row made and deleted for each group is a dead row for each group.
    pub row: BatchRow,
    /// Rows of the outbox that these messages came from: deleted with the commit, which does not happen if one is gone.
    pub consumes: Vec<i64>,
    /// Who owns the batch: this node, or nobody yet (too much in memory: [`Queue::claim_batches`] finds it).
    pub owner: Owner,
    /// The catalog version that the targets were matched with.
    pub matched: CatalogVersion,
    /// In the order of their ids. No idempotency key and no uid occurs twice.
    pub messages: Vec<NewMessage>,
}

/// Where the batch's row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchRow {
    /// This commit inserts it, if any of its messages has direct targets.
    Insert,
    /// It is there, owned by the same node, which keeps it there until it says otherwise ([`Flush::finished`]). So the
    /// commit does not touch it; a batch that somebody took over cannot be met, since the node's fence is gone then.
    Exists,
}

/// Who sends a group's direct targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The publishing node, from its memory.
    Publisher,
    /// Whichever node claims it.
    Nobody,
}

/// One message of a group.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The message; its `batch` is the group's.
    pub message: Arc<Message>,
    /// The payload's bytes exactly as given.
    pub payload: Bytes,
    /// The caller's idempotency key.
    pub idempotency: Option<IdempotencyKey>,
    /// Those targets that do not go with the batch but wait in `due`, by position.
    pub waits: Vec<Wait>,
}

impl NewMessage {
    /// Whether some target is sent from memory, so that the group needs its batch row.
    pub fn has_direct_targets(&self) -> bool {
        self.waits.len() < self.message.targets.len()
    }
}

/// One target that waits from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Its position among the message's targets, from 1.
    pub position: u32,
    /// Not before this instant.
    pub due_at: Timestamp,
    /// What it waits for.
    pub waiting_for: WaitingFor,
    /// The number of its lane ([`Lane::order`]). In an ordered lane the store gives it the next place, under the lane's
    /// lock, held to the commit: the order of commits is the order.
    pub order: i64,
}

/// What makes a repeated publish the same publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// What the key is for (`messages`, …); keys of different verbs never meet.
    pub verb: &'static str,
    /// The caller's key, at most 255 bytes.
    pub key: String,
    /// SHA-256 of the request's body.
    pub request_hash: [u8; 32],
}

/// How a group commit ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Published {
    /// Committed (now, or by an earlier try whose reply was lost); one answer for each message, in order.
    Committed(Vec<Accepted>),
    /// The catalog moved since the match; nothing was written. Match again.
    CatalogMoved,
    /// Another transaction that is still under way holds the keys of these messages (indexes); nothing was written.
    /// Publish the others without them, and each of these alone.
    KeysBusy(Vec<usize>),
    /// A row of [`Group::consumes`] is gone: another node published it. Nothing was written.
    Consumed,
}

/// What became of one message of a committed group.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    /// Stored.
    New,
    /// Its idempotency key was used before; nothing of this message was stored.
    Duplicate {
        /// The message that the key stands for.
        original: MessageId,
        /// Whether the request was the same to the byte.
        same_request: bool,
        /// The original's topic, if the message is still kept.
        topic: Option<TopicName>,
        /// How many deliveries the original had, if the message is still kept.
        deliveries: Option<u32>,
    },
    /// Its uid is taken by this other message; nothing of this message was stored.
    UidTaken(MessageId),
}

/// What one owner has to say about deliveries, written in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Flush {
    /// What happened, at most one entry for each delivery.
    pub settled: Vec<Settled>,
    /// Batches of which nothing is left in memory once this is written; deleted with it.
    pub finished: Vec<BatchId>,
    /// Endpoints whose health changed; written to `endpoint_health` in the same transaction.
    pub health: Vec<Health>,
    /// Messages that deliveries leave behind when they fail for good.
    pub follow: Vec<Follow>,
}

/// A message that is published in the transaction in which a delivery ends as failed: only if that end is newly
/// written by it, and only once per delivery and kind, however often the delivery is retried and fails again (a row of
/// `uid` with the kind's word remembers it). All of its targets wait, so it needs no batch.
#[derive(Debug, Clone)]
pub struct Follow {
    /// The delivery that fails in this flush.
    pub of: DeliveryId,
    /// What the message is.
    pub kind: FollowKind,
    /// The message.
    pub message: NewMessage,
}

/// What a [`Follow`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowKind {
    /// The same payload, to the endpoint's `dead_letter_endpoint_id`.
    DeadLetter,
    /// The system event about the failure.
    Event,
}

impl FollowKind {
    /// The kind of its row in `uid`.
    pub const fn uid_kind(self) -> &'static str {
        match self {
            Self::DeadLetter => "dead_letter",
            Self::Event => "failed_event",
        }
    }
}

/// Since when an endpoint has been failing, as its disabling after a window needs to know across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The first failure since the last success (the earliest noted one stays); `None`: it succeeded, the row goes.
    pub failing_since: Option<Timestamp>,
}

/// What happened to one delivery.
#[derive(Debug, Clone)]
pub struct Settled {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Whose.
    pub tenant: Tenant,
    /// Where it was.
    pub from: From,
    /// The exchange, unless it is only moved (spilled, ended unsent).
    pub attempt: Option<Exchange>,
    /// What becomes of it.
    pub next: Next,
    /// How far it has come, this exchange included.
    pub progress: Progress,
    /// If it ends as failed in an ordered lane: whether that lane goes on, or is held until somebody lets it go.
    pub on_failed: OnFailed,
    /// When that was decided.
    pub at: Timestamp,
}

/// One exchange with what was kept of the response.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The exchange. Its id was minted before the send, so that a repeated write is the same write.
    pub attempt: Attempt,
    /// The response, if one began.
    pub capture: Option<Capture>,
}

/// Where a delivery was when something happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// In this batch, owned by the node.
    Batch(BatchId),
    /// In `due`, with this many attempts behind it; the row is changed only if that still is so.
    Due {
        /// [`Progress::attempts`] as it was read.
        attempts: u32,
    },
}

/// What a flush learnt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Deliveries of the flush's batches that somebody cancelled: those still in memory must not be sent.
    pub cancelled: Vec<DeliveryId>,
    /// The node's lease was lost: only successes were written, everything else belongs to others now.
    pub stale: bool,
}

/// A batch that was free and is this node's now.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The batch.
    pub batch: BatchId,
    /// What is left of it, message by message: deliveries that are in no other place.
    pub left: Vec<Unsent>,
}

/// The deliveries of one message that are left in a claimed batch.
#[derive(Debug, Clone)]
pub struct Unsent {
    /// The message.
    pub message: Arc<Message>,
    /// Its payload; `None` if it is gone.
    pub payload: Option<Bytes>,
    /// Which deliveries; never empty.
    pub deliveries: Vec<DeliveryId>,
}

/// One lane whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyLane {
    /// The lane.
    pub lane: Lane,
    /// Whose it is.
    pub tenant: Tenant,
    /// How many inserts the lane had seen; [`Queue::rest_lane`] takes it back.
    pub writes: i64,
}

/// One delivery read from `due`, ready to be sent.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    /// Its row.
    pub due: Due,
    /// Its message; `None` if it is gone.
    pub message: Option<Arc<Message>>,
    /// Its payload; `None` if it is gone.
    pub payload: Option<Bytes>,
}

/// Until when an owner need not look at a lane again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Until its earliest row that is due later than this instant; for ever if there is none. In an ordered lane: until
    /// its first row is due.
    UntilAfter(Timestamp),
    /// Until this instant, whatever is due before: its endpoint's breaker is open.
    Until(Timestamp),
    /// Until somebody wakes it: its endpoint does not send.
    Asleep,
}

/// Accepting, owning, recording, waiting, ending. `node` is the caller's fence: every such transaction locks its row
/// `FOR SHARE` before anything else, and writes nothing (but successes) when it is gone.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Commits a group: keys and uids first (sorted; losers read the winners), then messages, payloads, the batch (only
    /// if some message has direct targets) and the waiting targets with their lanes; all of it hangs on the messages
    /// that are newly inserted. Repeating a call whose reply was lost is safe: same ids, same answer.
    ///
    /// [`crate::StoreError::LeaseLost`] if the node was taken over.
    async fn publish(&self, node: NodeId, group: &Group) -> Result<Published>;

    /// Writes what happened. An attempt's consequences hang on its row being new, so that a repeat changes nothing. A
    /// failure is placed (in `due` or `closed`) only where no success and no end is recorded, read after the batch's
    /// lock was won. A success removes the delivery from `due` and `closed`. With the lease lost only successes are
    /// written, and [`Recorded::stale`] says so.
    ///
    /// A delivery that is placed in `due` always wakes its lane (`next_at` comes forward to its `due_at`), whatever it
    /// waits for: its endpoint may have been resumed since the owner looked, and a wake-up too many costs one look. Only
    /// [`Queue::publish`], which is guarded by the catalog's version, leaves the lane of a stopped endpoint asleep
    /// ([`WaitingFor::ends_by_itself`]).
    async fn record(&self, node: NodeId, flush: &Flush) -> Result<Recorded>;

    /// Takes up to `limit` batches that nobody live owns, and says what is left of each. Batches with nothing left are
    /// deleted on the way and not returned.
    async fn claim_batches(&self, node: NodeId, limit: u32) -> Result<Vec<Claimed>>;

    /// Lanes of these shards whose time has come and that are not held, the longest waiting first.
    async fn ready_lanes(&self, shards: &ShardSet, now: Timestamp, limit: u32) -> Result<Vec<ReadyLane>>;

    /// The first rows of an ordered lane, by their places, whenever they are due.
    async fn lane_head(&self, lane: Lane, limit: u32) -> Result<Vec<DueDelivery>>;

    /// Says of these rows of `due`, before they are sent, that they are about to be ([`Due::sending_by`]); returns those
    /// that were still there. [`Queue::record`] takes the mark away with the row, or when the row goes on waiting.
    async fn mark_sending(&self, node: NodeId, rows: &[(EndpointId, DeliveryId)]) -> Result<Vec<DeliveryId>>;

    /// Rows of one lane without an order due at or before `now`, by `(due_at, id)`, after that position.
    async fn lane_due(
        &self,
        endpoint: EndpointId,
        after: Option<(Timestamp, DeliveryId)>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueDelivery>>;

    /// Moves a lane's time, unless rows were added since `seen_writes` was read; `false` then. Removes a lane without
    /// rows.
    async fn rest_lane(&self, node: NodeId, lane: Lane, seen_writes: i64, rest: Rest) -> Result<bool>;

    /// Lets an endpoint's held lanes go on.
    async fn release_lanes(&self, endpoint: EndpointId, now: Timestamp) -> Result<()>;

    /// Ends one pending delivery; a success that is in flight still wins. [`crate::Conflict::WrongState`] if it is not
    /// pending.
    async fn cancel_delivery(&self, id: DeliveryId, now: Timestamp) -> Result<Closed>;

    /// Ends every pending delivery of a message and says which they were.
    async fn cancel_message(&self, id: MessageId, now: Timestamp) -> Result<Vec<DeliveryId>>;

    /// Puts a delivery back into `due`, now, with a fresh schedule: a failed one (from `closed`), a succeeded one (the
    /// success stays on record) or a waiting one (brought forward). One in its batch is on its way already: unchanged.
    /// [`crate::Conflict::WrongState`] for a cancelled one, and when its payload is gone. A failed delivery of an ordered
    /// lane goes back to its place, and if the lane is held it goes on; any other goes into the lane without an order.
    async fn retry_delivery(&self, id: DeliveryId, now: Timestamp) -> Result<Delivery>;
}
