//! One endpoint's lane in memory: what waits its turn, what is in flight, how the endpoint has been doing.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use posthaste_core::delivery::Progress;
use posthaste_core::{DeliveryId, EndpointId, Message, Tenant, Timestamp, WaitingFor};
use posthaste_store::queue::From;

use super::breaker::{Breaker, Permit};

/// How long a full window may go without any exchange ending before new messages wait in the database instead.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// What a job weighs beside its payload, roughly.
const JOB_OVERHEAD: usize = 512;

/// One delivery in memory, owned by this node.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Its message.
    pub message: Arc<Message>,
    /// The payload; `None` if it is gone, which ends the delivery.
    pub payload: Option<Bytes>,
    /// Where its row is.
    pub from: From,
    /// How far it has come.
    pub progress: Progress,
}

impl Job {
    /// What it weighs in memory and in fairness, in bytes.
    pub fn weight(&self) -> usize {
        JOB_OVERHEAD + self.payload.as_ref().map_or(0, Bytes::len)
    }
}

/// How far the reading of an endpoint's `due` rows has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last row read in this pass.
    pub after: Option<(Timestamp, DeliveryId)>,
    /// There may be more rows that are due.
    pub more: bool,
    /// How many inserts the lane had seen when the pass began.
    pub writes: Option<i64>,
}

/// What there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many further rows may come.
    pub free: u32,
    /// How many rows are here already.
    pub held: u32,
    /// Where the reading stands.
    pub cursor: Cursor,
}

/// One endpoint's lane.
#[derive(Debug)]
pub struct Lane {
    /// Whose endpoint it is.
    pub tenant: Tenant,
    /// What waits, in the order of its coming.
    pub queue: VecDeque<Job>,
    /// Exchanges that run.
    pub in_flight: u32,
    /// How many may.
    pub window: u32,
    /// How the endpoint has been doing.
    pub breaker: Breaker,
    /// Rows of `due` that are in memory: queued, in flight or not yet recorded.
    pub held: HashSet<DeliveryId>,
    /// Where the reading of `due` stands.
    pub cursor: Cursor,
    /// Whether the fair queue lists it.
    pub listed: bool,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When an exchange last ended, or the lane last was idle.
    pub moved_at: Timestamp,
}

impl Lane {
    /// An idle lane.
    pub fn new(tenant: Tenant, now: Timestamp) -> Self {
        Self {
            tenant,
            queue: VecDeque::new(),
            in_flight: 0,
            window: 1,
            breaker: Breaker::default(),
            held: HashSet::new(),
            cursor: Cursor::default(),
            listed: false,
            failing_since: None,
            moved_at: now,
        }
    }

    /// Whether an exchange may start now.
    pub fn may_start(&self, now: Timestamp) -> bool {
        let window = match self.breaker.permit(now) {
            Permit::All => self.window,
            Permit::One => 1,
            Permit::None(_) => 0,
        };
        !self.queue.is_empty() && self.in_flight < window
    }

    /// What a new message would wait for, if it should not come into memory.
    pub fn blocked(&self, now: Timestamp) -> Option<(Timestamp, WaitingFor)> {
        match self.breaker.permit(now) {
            Permit::None(until) => return Some((until, WaitingFor::Breaker)),
            // Half open: one probe runs or is about to. Whatever else comes belongs behind it.
            Permit::One if self.in_flight > 0 || !self.queue.is_empty() => return Some((now, WaitingFor::Breaker)),
            Permit::One | Permit::All => {}
        }
        let stalled = self.in_flight >= self.window && now.since(self.moved_at) >= STALLED_AFTER;
        // A moment later rather than now: lanes that are full must not fill every poll.
        stalled.then_some((now + STALLED_AFTER, WaitingFor::InFlight))
    }

    /// Room for rows read from `due`: twice the window, so that the next is here when one ends.
    pub fn room(&self, now: Timestamp) -> u32 {
        let ahead = match self.breaker.permit(now) {
            Permit::All => Self::fresh_room(self.window),
            Permit::One => 1,
            Permit::None(_) => 0,
        };
        let here = u32::try_from(self.queue.len()).unwrap_or(u32::MAX).saturating_add(self.in_flight);
        ahead.saturating_sub(here)
    }

    /// The room that a lane not yet in memory has.
    pub fn fresh_room(window: u32) -> u32 {
        window.saturating_mul(2).max(16)
    }

    /// Whether it has room again for rows of `due` that were left unread.
    pub fn is_hungry(&self, now: Timestamp) -> bool {
        self.cursor.more && self.room(now) >= self.window.div_ceil(2)
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.in_flight == 0
            && self.held.is_empty()
            && !self.cursor.more
            && self.failing_since.is_none()
            && self.breaker.is_closed()
    }
}
