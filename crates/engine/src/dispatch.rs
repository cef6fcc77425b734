//! Which delivery is sent next: endpoints in memory, their windows, limits and breakers, fairness.
//!
//! What a group commit stored as this node's own comes straight here, from memory. What waits in `due` is read by
//! `drain` and comes here too. Nothing here does IO: the lock is held for bookkeeping alone, never across an await.

pub mod breaker;
pub mod fair;
pub mod job;
pub mod order;
pub mod outlet;
pub mod pace;
pub mod reading;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use posthaste_core::delivery::{DeliveryStatus, Next};
use posthaste_core::endpoint::OnFailed;
use posthaste_core::id::BatchId;
use posthaste_core::{DeliveryId, EndpointId, Tenant, Timestamp, WaitingFor};
use posthaste_store::Settled;
use tokio::sync::Notify;

use fair::FairQueue;
use job::Job;
use outlet::{Outlet, Start, Terms};

/// Bounds of what a node holds at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Exchanges in flight, bounded by the process's file descriptors.
    pub in_flight: usize,
    /// Weight of the jobs in memory, in bytes; above it batches are left for whoever has room.
    pub memory_bytes: usize,
}

/// How an exchange ended, as far as its endpoint is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With a success code.
    Well,
    /// Otherwise.
    Badly,
    /// Nothing was sent.
    Unsent,
}

/// What became of a delivery, as far as those behind it in its order are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It will not come again: the next may go.
    Free,
    /// It keeps its place, or holds its lane.
    Shut,
}

impl Passage {
    /// What follows from what is recorded of it.
    pub fn after(settled: &Settled) -> Self {
        match settled.next {
            Next::Wait { .. } => Self::Shut,
            Next::Close { status: DeliveryStatus::Failed, .. } if settled.on_failed == OnFailed::Hold => Self::Shut,
            Next::Succeeded | Next::Close { .. } => Self::Free,
        }
    }
}

/// Whether a group's deliveries open a batch in memory that further groups join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// They do: it stays until it is closed.
    Opens,
    /// They join one that is open, or stand alone.
    Joins,
}

/// What an endpoint's sender has to do after an exchange ended.
#[derive(Debug, Default)]
pub struct Aftermath {
    /// The breaker opened until this instant, and these jobs left memory: they belong to batches and move to `due`.
    pub opened: Option<(Timestamp, Vec<Job>)>,
    /// `Some` if the endpoint began to fail (`Some(since)`) or recovered (`None`).
    pub health: Option<Option<Timestamp>>,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// There is room for rows of `due` that were left unread.
    pub hungry: bool,
}

#[derive(Debug, Default)]
struct Batch {
    left: u32,
    open: bool,
}

#[derive(Debug, Default)]
struct State {
    /// The membership under which everything here came ([`crate::lease::Fence::epoch`]); 0: none.
    epoch: u64,
    outlets: HashMap<EndpointId, Outlet>,
    fair: FairQueue,
    /// Endpoints that wait for nothing but a token, by when it comes.
    paced: BTreeSet<(Timestamp, EndpointId)>,
    batches: HashMap<BatchId, Batch>,
    in_flight: usize,
    in_flight_by_tenant: HashMap<Tenant, usize>,
    memory_bytes: usize,
    stopped: bool,
    /// Rung when the first of `paced` has become another one.
    pace: Arc<Notify>,
}

/// What one node has in memory.
#[derive(Debug)]
pub struct Dispatcher {
    limits: Limits,
    state: Mutex<State>,
    pace: Arc<Notify>,
}

/// Asks about several endpoints at once.
pub struct Gate<'a>(MutexGuard<'a, State>);

impl Gate<'_> {
    /// What a message accepted now would wait for at this endpoint, if it should wait in the database.
    pub fn blocked(&self, endpoint: EndpointId, now: Timestamp) -> Option<(Timestamp, WaitingFor)> {
        self.0.outlets.get(&endpoint)?.blocked(now)
    }
}

impl Dispatcher {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        let state = State::default();
        Self { limits, pace: state.pace.clone(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another group's targets may come into memory.
    pub fn has_room(&self) -> bool {
        self.state().memory_bytes < self.limits.memory_bytes
    }

    /// Asks about endpoints, with everything held still until it is dropped.
    pub fn gate(&self) -> Gate<'_> {
        Gate(self.state())
    }

    /// Begins under a new membership.
    pub fn join(&self, epoch: u64) {
        self.clear();
        self.state().epoch = epoch;
    }

    /// Takes jobs of a batch that is this node's, each with its endpoint's terms; nothing, if it was another membership's.
    pub fn add_batch(&self, batch: BatchId, epoch: u64, jobs: Vec<(Job, Terms)>, intake: Intake, now: Timestamp) {
        let mut state = self.state();
        if jobs.is_empty() || state.epoch != epoch {
            return;
        }
        let known = state.batches.entry(batch).or_insert(Batch { left: 0, open: intake == Intake::Opens });
        known.left = known.left.saturating_add(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        for (job, terms) in jobs {
            state.add(job, terms, now);
        }
    }

    /// Nothing joins this batch any more; says whether nothing of it is left.
    pub fn close_batch(&self, batch: BatchId) -> bool {
        let mut state = self.state();
        let Some(known) = state.batches.get_mut(&batch) else { return false };
        known.open = false;
        let last = known.left == 0;
        if last {
            state.batches.remove(&batch);
        }
        last
    }

    /// A delivery of a batch is about to be recorded; says whether the batch ends with it.
    pub fn leaves_batch(&self, batch: BatchId) -> bool {
        let mut state = self.state();
        let Some(known) = state.batches.get_mut(&batch) else { return false };
        known.left = known.left.saturating_sub(1);
        let last = known.left == 0 && !known.open;
        if last {
            state.batches.remove(&batch);
        }
        last
    }

    /// Lists endpoints again that have something to send and that nothing has listed since they were stopped: their
    /// breaker's pause is over. Forgets those of which nothing is worth keeping.
    pub fn relist(&self, now: Timestamp) {
        let mut state = self.state();
        let waiting = |(id, outlet): (&EndpointId, &Outlet)| {
            (!outlet.listed && (outlet.start(now) == Start::Now || outlet.is_idle(now))).then_some(*id)
        };
        let waiting: Vec<EndpointId> = state.outlets.iter().filter_map(waiting).collect();
        for endpoint in waiting {
            state.list(endpoint, now);
            state.forget_if_idle(endpoint, now);
        }
    }

    /// The next job to send, if one may start. Its exchange counts as in flight from here until [`Self::ended`].
    pub fn next(&self, now: Timestamp) -> Option<Job> {
        let mut state = self.state();
        let state = &mut *state;
        if state.stopped {
            return None;
        }
        loop {
            // Dynamic threshold: a tenant may hold as many exchanges as are still free. One alone gets half; there is
            // always room for one that comes later, however slow the endpoints of the others are.
            let free = self.limits.in_flight.saturating_sub(state.in_flight);
            let by_tenant = &state.in_flight_by_tenant;
            let (tenant, endpoint) = state.fair.pop(|tenant| by_tenant.get(tenant).copied().unwrap_or(0) < free)?;
            let Some(outlet) = state.outlets.get_mut(&endpoint) else { continue };
            outlet.listed = false;
            if outlet.start(now) != Start::Now || outlet.bucket.as_mut().is_some_and(|bucket| bucket.take(now).is_err())
            {
                state.list(endpoint, now);
                continue;
            }
            let Some(job) = outlet.queue.pop_front() else { continue };
            if outlet.in_flight == 0 {
                outlet.moved_at = now;
            }
            outlet.in_flight += 1;
            state.in_flight += 1;
            *state.in_flight_by_tenant.entry(tenant.clone()).or_default() += 1;
            state.fair.charge(&tenant, job.weight());
            state.list(endpoint, now);
            return Some(job);
        }
    }

    /// An exchange ended (or was not made): its place is free.
    pub fn ended(&self, job: &Job, ended: Ended, passage: Passage, now: Timestamp) -> Aftermath {
        let mut state = self.state();
        let state = &mut *state;
        state.in_flight = state.in_flight.saturating_sub(1);
        if let Some(count) = state.in_flight_by_tenant.get_mut(&job.message.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.in_flight_by_tenant.remove(&job.message.tenant);
            }
        }
        let mut aftermath = Aftermath::default();
        if job.epoch != state.epoch {
            // It came under a membership that is lost, and what is here now knows nothing of it.
            return aftermath;
        }
        state.memory_bytes = state.memory_bytes.saturating_sub(job.weight());
        let Some(outlet) = state.outlets.get_mut(&job.endpoint) else { return aftermath };
        outlet.in_flight = outlet.in_flight.saturating_sub(1);
        outlet.moved_at = now;
        if job.order != 0 {
            let left: usize = outlet.pass(job, passage).iter().map(Job::weight).sum();
            state.memory_bytes = state.memory_bytes.saturating_sub(left);
        }
        match ended {
            Ended::Unsent => {}
            Ended::Well => {
                outlet.breaker.succeeded();
                if outlet.failing_since.take().is_some() {
                    aftermath.health = Some(None);
                }
            }
            Ended::Badly => {
                if outlet.failing_since.is_none() {
                    outlet.failing_since = Some(now);
                    aftermath.health = Some(Some(now));
                }
                aftermath.failing_since = outlet.failing_since;
                if let Some(until) = outlet.breaker.failed(now) {
                    let (batches, weight) = outlet.let_go();
                    state.memory_bytes = state.memory_bytes.saturating_sub(weight);
                    aftermath.opened = Some((until, batches.into()));
                }
            }
        }
        let low = |outlet: &Outlet| outlet.orders.get(&job.order).is_some_and(order::Order::is_hungry);
        aftermath.hungry = outlet.is_hungry(now) || (job.order != 0 && low(outlet));
        state.list(job.endpoint, now);
        state.forget_if_idle(job.endpoint, now);
        aftermath
    }

    /// Notes since when an endpoint was failing before this node knew it.
    pub fn recall_failing(&self, endpoint: EndpointId, since: Timestamp) {
        if let Some(outlet) = self.state().outlets.get_mut(&endpoint) {
            outlet.failing_since = Some(outlet.failing_since.map_or(since, |known| known.min(since)));
        }
    }

    /// Forgets how an endpoint has been doing: somebody says that it is well.
    pub fn reset(&self, endpoint: EndpointId) {
        if let Some(outlet) = self.state().outlets.get_mut(&endpoint) {
            outlet.breaker.succeeded();
            outlet.failing_since = None;
        }
    }

    /// Takes cancelled deliveries out of the queues and returns those that were there; one in flight goes on.
    pub fn withdraw(&self, cancelled: &[DeliveryId], now: Timestamp) -> Vec<Job> {
        if cancelled.is_empty() {
            return Vec::new();
        }
        let cancelled: std::collections::HashSet<_> = cancelled.iter().collect();
        let mut state = self.state();
        let mut withdrawn = Vec::new();
        let mut touched = Vec::new();
        for (endpoint, outlet) in &mut state.outlets {
            let before = withdrawn.len();
            outlet.withdraw(&cancelled, &mut withdrawn);
            if withdrawn.len() > before {
                touched.push(*endpoint);
            }
        }
        let weight: usize = withdrawn.iter().map(Job::weight).sum();
        state.memory_bytes = state.memory_bytes.saturating_sub(weight);
        for endpoint in touched {
            state.list(endpoint, now);
            state.forget_if_idle(endpoint, now);
        }
        withdrawn
    }

    /// Takes what belongs to batches and has not been sent out of the queues: the engine stops.
    pub fn unsent(&self) -> Vec<Job> {
        let mut state = self.state();
        let unsent = state.outlets.values_mut().flat_map(|outlet| outlet.let_go().0).collect();
        state.memory_bytes = 0;
        unsent
    }

    /// Forgets everything: the lease is lost, and all of it belongs to others.
    pub fn clear(&self) {
        let mut state = self.state();
        let in_flight = state.in_flight;
        let by_tenant = std::mem::take(&mut state.in_flight_by_tenant);
        let (stopped, pace) = (state.stopped, state.pace.clone());
        *state = State { in_flight, in_flight_by_tenant: by_tenant, stopped, pace, ..State::default() };
    }

    /// Starts nothing more.
    pub fn stop(&self) {
        self.state().stopped = true;
    }

    /// Exchanges in flight, and the weight of the jobs in memory.
    pub fn load(&self) -> (usize, usize) {
        let state = self.state();
        (state.in_flight, state.memory_bytes)
    }
}

impl State {
    fn outlet(&mut self, endpoint: EndpointId, tenant: &Tenant, now: Timestamp) -> &mut Outlet {
        self.outlets.entry(endpoint).or_insert_with(|| Outlet::new(tenant.clone(), now))
    }

    fn add(&mut self, job: Job, terms: Terms, now: Timestamp) {
        self.memory_bytes += job.weight();
        let endpoint = job.endpoint;
        let outlet = self.outlets.entry(endpoint).or_insert_with(|| Outlet::new(job.message.tenant.clone(), now));
        outlet.agree(terms, now);
        outlet.queue.push_back(job);
        self.list(endpoint, now);
    }

    fn forget_if_idle(&mut self, endpoint: EndpointId, now: Timestamp) {
        // A listed one stays until the fair queue has passed it, lest it be listed twice.
        if self.outlets.get(&endpoint).is_some_and(|outlet| outlet.is_idle(now)) {
            self.outlets.remove(&endpoint);
        }
    }
}
