//! Which delivery is sent next: lanes in memory, windows, breakers, fairness.
//!
//! What a group commit stored as this node's own comes straight here, from memory. What waits in `due` is read by
//! `drain` and comes here too. Nothing here does IO: the lock is held for bookkeeping alone, never across an await.

pub mod breaker;
pub mod fair;
pub mod lane;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use posthaste_core::id::BatchId;
use posthaste_core::{DeliveryId, EndpointId, Tenant, Timestamp, WaitingFor};
use posthaste_store::queue::From;

use fair::FairQueue;
use lane::{Cursor, Job, Lane, Room};

/// Bounds of what a node holds at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Exchanges in flight, bounded by the process's file descriptors.
    pub in_flight: usize,
    /// Weight of the jobs in memory, in bytes; above it batches are left for whoever has room.
    pub memory_bytes: usize,
}

/// How an exchange ended, as far as its endpoint's lane is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With a success code.
    Well,
    /// Otherwise.
    Badly,
    /// Nothing was sent.
    Unsent,
}

/// What a lane's owner has to do after an exchange ended.
#[derive(Debug, Default)]
pub struct Aftermath {
    /// The breaker opened until this instant, and these jobs left the lane: those of batches move to `due`.
    pub opened: Option<(Timestamp, Vec<Job>)>,
    /// `Some` if the endpoint began to fail (`Some(since)`) or recovered (`None`).
    pub health: Option<Option<Timestamp>>,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// The lane has room for rows of `due` that were left unread.
    pub hungry: bool,
}

#[derive(Debug, Default)]
struct State {
    lanes: HashMap<EndpointId, Lane>,
    fair: FairQueue,
    batches: HashMap<BatchId, u32>,
    in_flight: usize,
    in_flight_by_tenant: HashMap<Tenant, usize>,
    memory_bytes: usize,
    stopped: bool,
}

/// The lanes of one node.
#[derive(Debug)]
pub struct Dispatcher {
    limits: Limits,
    state: Mutex<State>,
}

impl Dispatcher {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another group's targets may come into memory.
    pub fn has_room(&self) -> bool {
        self.state().memory_bytes < self.limits.memory_bytes
    }

    /// What a message accepted now would wait for at this endpoint, if it should wait in the database.
    pub fn blocked(&self, endpoint: EndpointId, now: Timestamp) -> Option<(Timestamp, WaitingFor)> {
        self.state().lanes.get(&endpoint)?.blocked(now)
    }

    /// Takes the jobs of a batch that is this node's, each with its endpoint's window.
    pub fn add_batch(&self, batch: BatchId, jobs: Vec<(Job, u32)>, now: Timestamp) {
        if jobs.is_empty() {
            return;
        }
        let mut state = self.state();
        *state.batches.entry(batch).or_default() += u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        for (job, window) in jobs {
            state.add(job, window, now);
        }
    }

    /// Takes rows read from `due`, leaving out those already here. Says how the pass goes on.
    pub fn add_due(
        &self,
        endpoint: EndpointId,
        tenant: &Tenant,
        jobs: Vec<Job>,
        window: u32,
        cursor: Cursor,
        now: Timestamp,
    ) {
        let mut state = self.state();
        for job in jobs {
            let lane = state.lanes.entry(endpoint).or_insert_with(|| Lane::new(tenant.clone(), now));
            if lane.held.insert(job.delivery) {
                state.add(job, window, now);
            }
        }
        if cursor.more {
            state.lanes.entry(endpoint).or_insert_with(|| Lane::new(tenant.clone(), now)).cursor = cursor;
        } else if let Some(lane) = state.lanes.get_mut(&endpoint) {
            lane.cursor = cursor;
        }
        state.forget_if_idle(endpoint);
    }

    /// How many rows of an endpoint's `due` there is room for, and where its reading stands.
    pub fn room(&self, endpoint: EndpointId, window: u32, now: Timestamp) -> Room {
        let mut state = self.state();
        match state.lanes.get_mut(&endpoint) {
            Some(lane) => {
                lane.window = window;
                let held = u32::try_from(lane.held.len()).unwrap_or(u32::MAX);
                Room { free: lane.room(now), held, cursor: lane.cursor }
            }
            None => Room { free: Lane::fresh_room(window), held: 0, cursor: Cursor::default() },
        }
    }

    /// A lane has no room now: notes that rows were left unread, so that it is [`Self::hungry`] when it has.
    pub fn leave_unread(&self, endpoint: EndpointId, writes: i64) {
        if let Some(lane) = self.state().lanes.get_mut(&endpoint)
            && !lane.cursor.more
        {
            lane.cursor = Cursor { after: None, more: true, writes: (writes >= 0).then_some(writes) };
        }
    }

    /// Lists lanes again that have something to send and that nothing has listed since they were stopped: their
    /// breaker's pause is over.
    pub fn relist(&self, now: Timestamp) {
        let mut state = self.state();
        let waiting = |(id, lane): (&EndpointId, &Lane)| (!lane.listed && lane.may_start(now)).then_some(*id);
        let waiting: Vec<EndpointId> = state.lanes.iter().filter_map(waiting).collect();
        for endpoint in waiting {
            state.list(endpoint, now);
        }
    }

    /// Endpoints whose `due` rows were not all read and that have room again.
    pub fn hungry(&self, now: Timestamp) -> Vec<(EndpointId, Tenant)> {
        let state = self.state();
        state
            .lanes
            .iter()
            .filter(|(_, lane)| lane.is_hungry(now))
            .map(|(id, lane)| (*id, lane.tenant.clone()))
            .collect()
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
            let Some(lane) = state.lanes.get_mut(&endpoint) else { continue };
            lane.listed = false;
            if !lane.may_start(now) {
                continue;
            }
            let Some(job) = lane.queue.pop_front() else { continue };
            if lane.in_flight == 0 {
                lane.moved_at = now;
            }
            lane.in_flight += 1;
            state.in_flight += 1;
            *state.in_flight_by_tenant.entry(tenant.clone()).or_default() += 1;
            state.fair.charge(&tenant, job.weight());
            state.list(endpoint, now);
            return Some(job);
        }
    }

    /// An exchange ended (or was not made): its place is free.
    pub fn ended(&self, job: &Job, ended: Ended, now: Timestamp) -> Aftermath {
        let mut state = self.state();
        let state = &mut *state;
        state.in_flight = state.in_flight.saturating_sub(1);
        state.memory_bytes = state.memory_bytes.saturating_sub(job.weight());
        if let Some(count) = state.in_flight_by_tenant.get_mut(&job.message.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.in_flight_by_tenant.remove(&job.message.tenant);
            }
        }
        let mut aftermath = Aftermath::default();
        let Some(lane) = state.lanes.get_mut(&job.endpoint) else { return aftermath };
        lane.in_flight = lane.in_flight.saturating_sub(1);
        lane.moved_at = now;
        match ended {
            Ended::Unsent => {}
            Ended::Well => {
                lane.breaker.succeeded();
                if lane.failing_since.take().is_some() {
                    aftermath.health = Some(None);
                }
            }
            Ended::Badly => {
                if lane.failing_since.is_none() {
                    lane.failing_since = Some(now);
                    aftermath.health = Some(Some(now));
                }
                aftermath.failing_since = lane.failing_since;
                if let Some(until) = lane.breaker.failed(now) {
                    let spilled: Vec<Job> = lane.queue.drain(..).collect();
                    for spilled in &spilled {
                        if matches!(spilled.from, From::Due { .. }) {
                            lane.held.remove(&spilled.delivery);
                        }
                        state.memory_bytes = state.memory_bytes.saturating_sub(spilled.weight());
                    }
                    lane.cursor = Cursor::default();
                    aftermath.opened = Some((until, spilled));
                }
            }
        }
        aftermath.hungry = lane.is_hungry(now);
        state.list(job.endpoint, now);
        state.forget_if_idle(job.endpoint);
        aftermath
    }

    /// Notes since when an endpoint was failing before this node knew it.
    pub fn recall_failing(&self, endpoint: EndpointId, since: Timestamp) {
        if let Some(lane) = self.state().lanes.get_mut(&endpoint) {
            lane.failing_since = Some(lane.failing_since.map_or(since, |known| known.min(since)));
        }
    }

    /// Forgets how an endpoint has been doing: somebody says that it is well.
    pub fn reset(&self, endpoint: EndpointId) {
        if let Some(lane) = self.state().lanes.get_mut(&endpoint) {
            lane.breaker.succeeded();
            lane.failing_since = None;
        }
    }

    /// A delivery of a batch is about to be recorded; says whether it is the batch's last.
    pub fn leaves_batch(&self, batch: BatchId) -> bool {
        let mut state = self.state();
        let Some(left) = state.batches.get_mut(&batch) else { return false };
        *left = left.saturating_sub(1);
        let last = *left == 0;
        if last {
            state.batches.remove(&batch);
        }
        last
    }

    /// Rows of `due` that were recorded: memory holds them no more.
    pub fn recorded(&self, rows: impl Iterator<Item = (EndpointId, DeliveryId)>) {
        let mut state = self.state();
        for (endpoint, delivery) in rows {
            if let Some(lane) = state.lanes.get_mut(&endpoint) {
                lane.held.remove(&delivery);
                state.forget_if_idle(endpoint);
            }
        }
    }

    /// Takes cancelled deliveries out of the queues and returns those that were there; one in flight goes on.
    pub fn withdraw(&self, cancelled: &[DeliveryId]) -> Vec<Job> {
        if cancelled.is_empty() {
            return Vec::new();
        }
        let cancelled: std::collections::HashSet<_> = cancelled.iter().collect();
        let mut state = self.state();
        let state = &mut *state;
        let mut withdrawn = Vec::new();
        for lane in state.lanes.values_mut() {
            let (gone, kept): (VecDeque<Job>, _) =
                lane.queue.drain(..).partition(|job| cancelled.contains(&job.delivery));
            lane.queue = kept;
            for job in &gone {
                lane.held.remove(&job.delivery);
            }
            withdrawn.extend(gone);
        }
        let weight: usize = withdrawn.iter().map(Job::weight).sum();
        state.memory_bytes = state.memory_bytes.saturating_sub(weight);
        withdrawn
    }

    /// Forgets everything: the lease is lost, and all of it belongs to others.
    pub fn clear(&self) {
        let mut state = self.state();
        let in_flight = state.in_flight;
        let by_tenant = std::mem::take(&mut state.in_flight_by_tenant);
        *state = State { in_flight, in_flight_by_tenant: by_tenant, stopped: state.stopped, ..State::default() };
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

    /// Endpoints of which something is in memory and whose shard is in the set asked for.
    pub fn busy_in_shard(&self, shard: u8) -> bool {
        self.state().lanes.iter().any(|(id, lane)| id.shard() == shard && !lane.held.is_empty())
    }

    /// Drops the queued `due` rows of a shard that is given back; those in flight end here.
    pub fn leave_shard(&self, shard: u8) {
        let mut state = self.state();
        let state = &mut *state;
        for (id, lane) in &mut state.lanes {
            if id.shard() != shard {
                continue;
            }
            lane.cursor = Cursor::default();
            let (gone, kept): (VecDeque<Job>, _) =
                lane.queue.drain(..).partition(|job| matches!(job.from, From::Due { .. }));
            lane.queue = kept;
            for job in gone {
                lane.held.remove(&job.delivery);
                state.memory_bytes = state.memory_bytes.saturating_sub(job.weight());
            }
        }
    }
}

impl State {
    fn add(&mut self, job: Job, window: u32, now: Timestamp) {
        self.memory_bytes += job.weight();
        let endpoint = job.endpoint;
        let lane = self.lanes.entry(endpoint).or_insert_with(|| Lane::new(job.message.tenant.clone(), now));
        lane.window = window;
        lane.queue.push_back(job);
        self.list(endpoint, now);
    }

    /// Lists a lane that may start an exchange and is not listed yet.
    fn list(&mut self, endpoint: EndpointId, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&endpoint)
            && !lane.listed
            && lane.may_start(now)
        {
            lane.listed = true;
            self.fair.push(&lane.tenant, endpoint);
        }
    }

    fn forget_if_idle(&mut self, endpoint: EndpointId) {
        // A listed lane stays until the fair queue has passed it, lest it be listed twice.
        if self.lanes.get(&endpoint).is_some_and(|lane| lane.is_idle() && !lane.listed) {
            self.lanes.remove(&endpoint);
        }
    }
}
