//! What waits in `due` and comes into memory: how much of it, from where, and what was overtaken while it was read.
//!
//! A read takes a while, and meanwhile outcomes are recorded: rows that it shows may be gone or changed by the time it
//! is done. So a read is announced ([`Dispatcher::look`]), what is recorded from then on is noted, and what the read
//! brings is compared with that ([`Dispatcher::take_due`], [`Dispatcher::take_ordered`]).

use std::collections::VecDeque;

use posthaste_core::{DeliveryId, EndpointId, Lane, Tenant, Timestamp};

use super::job::Job;
use super::order;
use super::outlet::{Outlet, Terms};
use super::{Dispatcher, Passage, State};

/// How far the reading of the lane without an order has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last row read in this pass.
    pub after: Option<(Timestamp, DeliveryId)>,
    /// There may be more rows that are due.
    pub more: bool,
    /// How many inserts the lane had seen when the pass began.
    pub writes: Option<i64>,
}

/// Whether and how a lane is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// So many rows from the cursor on. [`Dispatcher::take_due`], [`Dispatcher::take_ordered`] or
    /// [`Dispatcher::took_nothing`] has to follow.
    Read {
        /// How many rows, those included that are here already.
        limit: u32,
        /// From where; an ordered lane is always read from its head.
        cursor: Cursor,
    },
    /// There is no room for more now.
    Full,
}

/// Whether something of a lane is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Something of it.
    Some,
    /// Nothing: its first row is not due, or there is none.
    None,
}

impl Dispatcher {
    /// Asks how a lane is to be read, and announces the read.
    pub fn look(&self, lane: Lane, tenant: &Tenant, terms: Terms, most: u32, now: Timestamp) -> Look {
        let full = !self.has_room();
        let mut state = self.state();
        let outlet = state.outlet(lane.endpoint, tenant, now);
        outlet.agree(terms, now);
        let look =
            if lane.is_ordered() { outlet.look_ordered(lane.order, full, now) } else { outlet.look(full, most, now) };
        if look == Look::Full {
            state.forget_if_idle(lane.endpoint, now);
        } else {
            outlet.reads += 1;
        }
        look
    }

    /// Takes rows of the lane without an order, leaving out those already here. `cursor` says how the pass goes on.
    pub fn take_due(&self, endpoint: EndpointId, epoch: u64, jobs: Vec<Job>, cursor: Cursor, now: Timestamp) {
        let mut state = self.state();
        let state = &mut *state;
        let Some(outlet) = state.outlets.get_mut(&endpoint) else { return };
        if state.epoch == epoch {
            for job in jobs {
                let overtaken = outlet.recorded_meanwhile.iter().any(|(delivery, _)| *delivery == job.delivery);
                if !overtaken && outlet.held.insert(job.delivery) {
                    state.memory_bytes += job.weight();
                    outlet.queue.push_back(job);
                }
            }
            outlet.cursor = cursor;
        }
        outlet.read_ended();
        state.list(endpoint, now);
        state.forget_if_idle(endpoint, now);
    }

    /// Takes the first rows of an ordered lane, leaving out those already here; only those that are due were handed in.
    /// `more` says whether there may be others behind them.
    pub fn take_ordered(&self, lane: Lane, epoch: u64, jobs: Vec<Job>, more: bool, now: Timestamp) -> Taken {
        let mut state = self.state();
        let state = &mut *state;
        let Some(outlet) = state.outlets.get_mut(&lane.endpoint) else { return Taken::None };
        let mut taken = Taken::None;
        if state.epoch == epoch {
            state.memory_bytes += outlet.take_ordered(lane.order, jobs, more);
            if outlet.orders.contains_key(&lane.order) {
                taken = Taken::Some;
            }
        }
        outlet.read_ended();
        state.list(lane.endpoint, now);
        state.forget_if_idle(lane.endpoint, now);
        taken
    }

    /// The read that was announced brought nothing: it failed.
    pub fn took_nothing(&self, endpoint: EndpointId, now: Timestamp) {
        let mut state = self.state();
        if let Some(outlet) = state.outlets.get_mut(&endpoint) {
            outlet.read_ended();
        }
        state.forget_if_idle(endpoint, now);
    }

    /// A lane has no room now: notes that rows were left unread, so that it is [`Self::hungry`] when it has. Says whether
    /// there was somewhere to note it.
    pub fn leave_unread(&self, lane: Lane, writes: i64) -> Taken {
        let mut state = self.state();
        let Some(outlet) = state.outlets.get_mut(&lane.endpoint) else { return Taken::None };
        if lane.is_ordered() {
            let Some(order) = outlet.orders.get_mut(&lane.order) else { return Taken::None };
            order.more = !order.shut;
        } else if !outlet.cursor.more {
            outlet.cursor = Cursor { after: None, more: true, writes: (writes >= 0).then_some(writes) };
        }
        Taken::Some
    }

    /// Lanes whose rows were not all read and that have room again.
    pub fn hungry(&self, now: Timestamp) -> Vec<(Lane, Tenant)> {
        let state = self.state();
        let mut hungry = Vec::new();
        for (endpoint, outlet) in &state.outlets {
            if outlet.is_hungry(now) {
                hungry.push((Lane::unordered(*endpoint), outlet.tenant.clone()));
            }
            let ordered = outlet.orders.iter().filter(|(_, order)| order.is_hungry());
            hungry
                .extend(ordered.map(|(order, _)| (Lane { endpoint: *endpoint, order: *order }, outlet.tenant.clone())));
        }
        hungry
    }

    /// Rows of `due` whose new state is written: memory holds them no more.
    pub fn recorded(&self, rows: impl Iterator<Item = (EndpointId, DeliveryId, Passage)>, now: Timestamp) {
        let mut state = self.state();
        for (endpoint, delivery, passage) in rows {
            if let Some(outlet) = state.outlets.get_mut(&endpoint) {
                outlet.held.remove(&delivery);
                if let Some(order) = outlet.shut.remove(&delivery) {
                    outlet.orders.remove(&order);
                }
                if outlet.reads > 0 {
                    outlet.recorded_meanwhile.push((delivery, passage));
                }
                state.forget_if_idle(endpoint, now);
            }
        }
    }

    /// Whether rows of a shard are in memory: queued, in flight or not yet recorded.
    pub fn busy_in_shard(&self, shard: u8) -> bool {
        self.state().outlets.iter().any(|(id, outlet)| id.shard() == shard && !outlet.held.is_empty())
    }

    /// Drops the queued `due` rows of a shard that is given back; those in flight end here.
    pub fn leave_shard(&self, shard: u8) {
        let mut state = self.state();
        let State { outlets, memory_bytes, .. } = &mut *state;
        for (_, outlet) in outlets.iter_mut().filter(|(id, _)| id.shard() == shard) {
            let (batches, weight) = outlet.let_go();
            let kept: usize = batches.iter().map(Job::weight).sum();
            *memory_bytes = memory_bytes.saturating_sub(weight - kept);
            outlet.queue = batches;
            // Its next owner's begins empty, and so does this one's when the shard comes back.
            outlet.bucket = None;
            outlet.terms.rate = None;
        }
    }
}

impl Outlet {
    fn look(&self, full: bool, most: u32, now: Timestamp) -> Look {
        let room = self.room(now);
        if room == 0 || (full && !self.queue.is_empty()) {
            return Look::Full;
        }
        // A pass that begins anew meets the rows that are here already; they take no room.
        let held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        Look::Read { limit: room.saturating_add(held).min(most), cursor: self.cursor }
    }

    fn look_ordered(&self, order: i64, full: bool, now: Timestamp) -> Look {
        let read = |behind: usize| {
            let here = u32::try_from(behind).unwrap_or(u32::MAX).saturating_add(1);
            Look::Read { limit: order::ahead(self.orders.len()).saturating_add(here), cursor: Cursor::default() }
        };
        match self.orders.get(&order) {
            Some(lane) if lane.is_low() && !full => read(lane.behind.len()),
            None if self.room(now) > 0 && (!full || self.queue.is_empty()) => read(0),
            Some(_) | None => Look::Full,
        }
    }

    /// Returns the weight of what came into memory.
    fn take_ordered(&mut self, order: i64, jobs: Vec<Job>, more: bool) -> usize {
        // One of the rows stays where it was, or holds the lane, since after they were read: what stands behind it must
        // not pass it. The lane is read again soon.
        let overtaken = |job: &Job| {
            let mut meanwhile = self.recorded_meanwhile.iter();
            meanwhile.any(|(delivery, passage)| *delivery == job.delivery && *passage == Passage::Shut)
        };
        if jobs.iter().any(overtaken) || self.orders.get(&order).is_some_and(|lane| lane.shut) {
            return 0;
        }
        let mut weight = 0;
        let mut fresh = VecDeque::new();
        for job in jobs {
            let gone = self.recorded_meanwhile.iter().any(|(delivery, _)| *delivery == job.delivery);
            if !gone && self.held.insert(job.delivery) {
                weight += job.weight();
                fresh.push_back(job);
            }
        }
        let lane = self.orders.entry(order).or_default();
        lane.behind.append(&mut fresh);
        lane.more = more;
        if !lane.behind.is_empty() {
            self.advance(order);
        } else if lane.current.is_none() {
            self.orders.remove(&order);
        }
        weight
    }

    fn read_ended(&mut self) {
        self.reads = self.reads.saturating_sub(1);
        if self.reads == 0 {
            self.recorded_meanwhile.clear();
        }
    }
}
