//! One endpoint as this node sends to it: what waits its turn, what is in flight, how the endpoint has been doing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use posthaste_core::endpoint::{EndpointSettings, RateLimit};
use posthaste_core::rate::Bucket;
use posthaste_core::{DeliveryId, Tenant, Timestamp, WaitingFor};

use super::Passage;
use super::breaker::{Breaker, Permit};
use super::job::Job;
use super::order::Order;
use super::reading::Cursor;

/// How long a full window may go without any exchange ending before new messages wait in the database instead.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// How long an unused bucket is kept. A forgotten one begins empty, which costs its endpoint a burst.
const KEEP_BUCKET: Duration = Duration::from_secs(600);

/// What an endpoint allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// How many exchanges at once.
    pub window: u32,
    /// How many in a time.
    pub rate: Option<RateLimit>,
    /// Whether the endpoint is gone: nothing is sent any more, what waits is ended.
    pub gone: bool,
}

impl Terms {
    /// Those of an endpoint.
    pub const fn of(settings: &EndpointSettings) -> Self {
        Self { window: settings.max_in_flight, rate: settings.rate_limit, gone: false }
    }

    /// Those under which what waits for an endpoint that is gone is ended.
    pub const fn of_nobody(window: u32) -> Self {
        Self { window, rate: None, gone: true }
    }
}

/// When an exchange may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Now.
    Now,
    /// Not before this instant, for want of a token.
    At(Timestamp),
    /// Something has to happen first.
    Not,
}

/// One endpoint.
#[derive(Debug)]
pub struct Outlet {
    /// Whose endpoint it is.
    pub tenant: Tenant,
    /// What waits for a place: in the order of its coming, of each ordered lane at most one.
    pub queue: VecDeque<Job>,
    /// Exchanges that run.
    pub in_flight: u32,
    /// What it allows.
    pub terms: Terms,
    /// Its tokens, if it has a rate limit.
    pub bucket: Option<Bucket>,
    /// How the endpoint has been doing.
    pub breaker: Breaker,
    /// Rows of `due` that are in memory: queued, in flight or not yet recorded.
    pub held: HashSet<DeliveryId>,
    /// Its ordered lanes that are in memory.
    pub orders: HashMap<i64, Order>,
    /// Deliveries that shut their lane until they are recorded.
    pub shut: HashMap<DeliveryId, i64>,
    /// Where the reading of the lane without an order stands.
    pub cursor: Cursor,
    /// Reads of `due` that are under way.
    pub reads: u32,
    /// What was recorded since the first of them began: they may show it as it was before.
    pub recorded_meanwhile: Vec<(DeliveryId, Passage)>,
    /// Whether the fair queue lists it.
    pub listed: bool,
    /// When its next token comes, if somebody waits for that.
    pub paced_at: Option<Timestamp>,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When an exchange last ended, or it last was idle.
    pub moved_at: Timestamp,
}

impl Outlet {
    /// An idle one.
    pub fn new(tenant: Tenant, now: Timestamp) -> Self {
        Self {
            tenant,
            queue: VecDeque::new(),
            in_flight: 0,
            terms: Terms { window: 1, rate: None, gone: false },
            bucket: None,
            breaker: Breaker::default(),
            held: HashSet::new(),
            orders: HashMap::new(),
            shut: HashMap::new(),
            cursor: Cursor::default(),
            reads: 0,
            recorded_meanwhile: Vec::new(),
            listed: false,
            paced_at: None,
            failing_since: None,
            moved_at: now,
        }
    }

    /// Takes the endpoint's terms as they are now. A changed limit is a new bucket, and that begins empty.
    pub fn agree(&mut self, terms: Terms, now: Timestamp) {
        if self.terms.rate != terms.rate {
            self.bucket = terms.rate.map(|limit| Bucket::unhurried(limit, now));
        }
        if terms.gone {
            // There is nobody left to be spared.
            self.breaker = Breaker::default();
        }
        self.terms = terms;
    }

    /// When an exchange may start.
    pub fn start(&self, now: Timestamp) -> Start {
        let window = match self.breaker.permit(now) {
            Permit::All => self.terms.window,
            Permit::One => 1,
            Permit::None(_) => 0,
        };
        if self.queue.is_empty() || self.in_flight >= window {
            return Start::Not;
        }
        // A copy is asked: the token is taken when the exchange starts.
        match self.bucket.map(|mut bucket| bucket.take(now)) {
            Some(Err(at)) => Start::At(at),
            Some(Ok(())) | None => Start::Now,
        }
    }

    /// What a new message would wait for, if it should not come into memory.
    pub fn blocked(&self, now: Timestamp) -> Option<(Timestamp, WaitingFor)> {
        match self.breaker.permit(now) {
            Permit::None(until) => return Some((until, WaitingFor::Breaker)),
            // Half open: one probe runs or is about to. Whatever else comes belongs behind it.
            Permit::One if self.in_flight > 0 || !self.queue.is_empty() => return Some((now, WaitingFor::Breaker)),
            Permit::One | Permit::All => {}
        }
        let stalled = self.in_flight >= self.terms.window && now.since(self.moved_at) >= STALLED_AFTER;
        // A moment later rather than now: endpoints that are full must not fill every poll.
        stalled.then_some((now + STALLED_AFTER, WaitingFor::InFlight))
    }

    /// Room for rows read from `due`: twice the window, so that the next is here when one ends.
    pub fn room(&self, now: Timestamp) -> u32 {
        let ahead = match self.breaker.permit(now) {
            Permit::All => self.terms.window.saturating_mul(2).max(16),
            Permit::One => 1,
            Permit::None(_) => 0,
        };
        let here = u32::try_from(self.queue.len()).unwrap_or(u32::MAX).saturating_add(self.in_flight);
        ahead.saturating_sub(here)
    }

    /// Whether it has room again for rows of `due` that were left unread.
    pub fn is_hungry(&self, now: Timestamp) -> bool {
        self.cursor.more && self.room(now) >= self.terms.window.div_ceil(2)
    }

    /// The next of an ordered lane has its turn, if nothing else of it has.
    pub fn advance(&mut self, order: i64) {
        let Some(lane) = self.orders.get_mut(&order) else { return };
        if lane.current.is_none()
            && !lane.shut
            && let Some(job) = lane.behind.pop_front()
        {
            lane.current = Some(job.delivery);
            self.queue.push_back(job);
        }
        if lane.is_idle() {
            self.orders.remove(&order);
        }
    }

    /// One of an ordered lane ended its exchange, or was not sent. Returns what leaves memory because of it.
    pub fn pass(&mut self, job: &Job, passage: Passage) -> VecDeque<Job> {
        let Some(lane) = self.orders.get_mut(&job.order) else { return VecDeque::new() };
        if lane.current != Some(job.delivery) {
            return VecDeque::new();
        }
        lane.current = None;
        if passage == Passage::Free {
            self.advance(job.order);
            return VecDeque::new();
        }
        (lane.shut, lane.more) = (true, false);
        let behind = std::mem::take(&mut lane.behind);
        self.shut.insert(job.delivery, job.order);
        for job in &behind {
            self.held.remove(&job.delivery);
        }
        behind
    }

    /// Lets go of everything that is not under way. What waits in `due` is read again later; what came with a batch is
    /// returned, and so is the weight of all of it.
    pub fn let_go(&mut self) -> (VecDeque<Job>, usize) {
        self.cursor = Cursor::default();
        let mut weight = 0;
        let mut batches = VecDeque::new();
        for job in std::mem::take(&mut self.queue) {
            weight += job.weight();
            if job.order != 0 {
                self.orders.remove(&job.order).into_iter().flat_map(|lane| lane.behind).for_each(|behind| {
                    weight += behind.weight();
                    self.held.remove(&behind.delivery);
                });
            }
            if self.held.remove(&job.delivery) {
                continue;
            }
            batches.push_back(job);
        }
        // What is left belongs to lanes whose first is in flight or shuts them.
        for lane in self.orders.values_mut() {
            lane.more = false;
            for behind in std::mem::take(&mut lane.behind) {
                weight += behind.weight();
                self.held.remove(&behind.delivery);
            }
        }
        (batches, weight)
    }

    /// Takes cancelled deliveries out of the queues; those behind them in their order move up.
    pub fn withdraw(&mut self, cancelled: &HashSet<&DeliveryId>, withdrawn: &mut Vec<Job>) {
        if self.queue.iter().any(|job| cancelled.contains(&job.delivery)) {
            let (gone, kept): (VecDeque<Job>, _) =
                std::mem::take(&mut self.queue).into_iter().partition(|job| cancelled.contains(&job.delivery));
            self.queue = kept;
            for job in gone {
                self.held.remove(&job.delivery);
                if let Some(lane) = self.orders.get_mut(&job.order) {
                    lane.current = None;
                    lane.behind.retain(|behind| {
                        !cancelled.contains(&behind.delivery) || {
                            self.held.remove(&behind.delivery);
                            withdrawn.push(behind.clone());
                            false
                        }
                    });
                    self.advance(job.order);
                }
                withdrawn.push(job);
            }
        }
        for lane in self.orders.values_mut() {
            lane.behind.retain(|behind| {
                !cancelled.contains(&behind.delivery) || {
                    self.held.remove(&behind.delivery);
                    withdrawn.push(behind.clone());
                    false
                }
            });
        }
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.queue.is_empty()
            && self.in_flight == 0
            && self.reads == 0
            && !self.listed
            && self.held.is_empty()
            && self.orders.is_empty()
            && self.shut.is_empty()
            && !self.cursor.more
            && self.failing_since.is_none()
            && self.breaker.is_closed()
            && (self.bucket.is_none() || now.since(self.moved_at) >= KEEP_BUCKET)
    }
}
