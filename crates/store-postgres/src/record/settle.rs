//! Decides, from what is locked and already so, what a flush writes. No database in here.

use std::collections::{HashMap, HashSet};

use posthaste_core::delivery::{Closed, Next};
use posthaste_core::endpoint::OnFailed;
use posthaste_core::id::BatchId;
use posthaste_core::{AttemptId, DeliveryId, DeliveryStatus, Lane, Timestamp, WaitingFor};
use posthaste_store::queue::From;
use posthaste_store::{Flush, Settled};

use super::columns::{ClosedColumns, Keys, ProgressColumns};
use crate::accept::Wakes;
use crate::param::{Param, Uuid, stored};
use crate::session::Call;

/// What the transaction holds and has seen.
#[derive(Debug, Default)]
pub(super) struct Locked {
    /// Batches that are there.
    pub batches: HashSet<BatchId>,
    /// Those of them in which somebody ended something.
    pub cancelled: Vec<BatchId>,
    /// Rows of `due`.
    pub due: HashMap<DeliveryId, DueRow>,
    /// Attempts that this transaction inserted.
    pub new_attempts: HashSet<AttemptId>,
    /// Deliveries with a success on record.
    pub succeeded: HashSet<DeliveryId>,
    /// Deliveries that are closed.
    pub closed: HashSet<DeliveryId>,
    /// Deliveries whose message is gone.
    pub erased: HashSet<DeliveryId>,
}

/// A row of `due` as it is locked.
#[derive(Debug, Clone, Copy)]
pub(super) struct DueRow {
    /// Its attempts.
    pub attempts: i32,
    /// Its lane's order.
    pub ord: i64,
    /// Its place there.
    pub seq: i64,
}

/// What a flush writes.
#[derive(Default)]
pub(super) struct Writes {
    inserted: DueColumns,
    updated: DueColumns,
    left: Keys,
    reopened: Vec<Uuid>,
    closed: ClosedColumns,
    /// Lanes to tell.
    pub wakes: Wakes,
    /// Deliveries that end as failed by this flush.
    pub newly_failed: HashSet<DeliveryId>,
}

impl Writes {
    /// Goes through the flush.
    pub fn decide(flush: &Flush, locked: &Locked) -> Self {
        let mut writes = Self::default();
        for settled in &flush.settled {
            // An attempt that was there already has had its consequences.
            let repeated =
                settled.attempt.as_ref().is_some_and(|exchange| !locked.new_attempts.contains(&exchange.attempt.id));
            if !repeated {
                writes.settle(settled, locked);
            }
        }
        writes
    }

    fn settle(&mut self, settled: &Settled, locked: &Locked) {
        let id = settled.delivery;
        if settled.next == Next::Succeeded {
            if locked.due.contains_key(&id) {
                self.left.push(settled.endpoint, id);
            }
            if locked.closed.contains(&id) {
                self.reopened.push(id.into());
            }
            return;
        }
        let row = locked.due.get(&id).copied();
        match (settled.from, row) {
            (From::Batch(batch), None) => {
                let ended =
                    locked.succeeded.contains(&id) || locked.closed.contains(&id) || locked.erased.contains(&id);
                // What is only moved, without an exchange that is new, hangs on its batch being there.
                let there = settled.attempt.is_some() || locked.batches.contains(&batch);
                if there && !ended {
                    self.place(settled, Lane::unordered(settled.endpoint), 0, None);
                }
            }
            (From::Due { attempts }, Some(row)) if row.attempts == stored(attempts) => {
                let lane = Lane { endpoint: settled.endpoint, order: row.ord };
                self.place(settled, lane, row.seq, Some(locked.succeeded.contains(&id)));
            }
            // Placed or settled by somebody else meanwhile.
            (From::Batch(_), Some(_)) | (From::Due { .. }, _) => {}
        }
    }

    /// `was_due`: it has a row there; and whether a success is on record.
    fn place(&mut self, settled: &Settled, lane: Lane, seq: i64, was_due: Option<bool>) {
        match settled.next {
            Next::Succeeded => {}
            Next::Wait { due_at, waiting_for } => {
                let columns = if was_due.is_some() { &mut self.updated } else { &mut self.inserted };
                columns.push(settled, due_at, waiting_for);
                self.wakes.wake(lane, &settled.tenant, due_at);
            }
            Next::Close { status, reason } => {
                if was_due.is_some() {
                    self.left.push(settled.endpoint, settled.delivery);
                }
                if was_due == Some(true) {
                    // A retry by request of what had succeeded: it goes back to being that.
                    return;
                }
                let closed = Closed {
                    delivery: settled.delivery,
                    endpoint: settled.endpoint,
                    tenant: settled.tenant.clone(),
                    status,
                    reason,
                    at: settled.at,
                    progress: settled.progress.clone(),
                };
                self.closed.push(&closed, lane, seq);
                if status == DeliveryStatus::Failed {
                    self.newly_failed.insert(settled.delivery);
                    if lane.is_ordered() && settled.on_failed == OnFailed::Hold {
                        self.wakes.hold(lane, &settled.tenant);
                    }
                }
            }
        }
    }

    /// The statements.
    pub fn calls(&self) -> Vec<Call<'_>> {
        let mut calls = Vec::new();
        if !self.left.id.is_empty() {
            let params: Vec<&dyn Param> = vec![&self.left.endpoint, &self.left.id];
            calls.push(Call::Query(include_str!("../../sql/delete_due.sql"), params));
        }
        if !self.updated.id.is_empty() {
            calls.push(Call::Query(include_str!("../../sql/update_due.sql"), self.updated.params()));
        }
        if !self.reopened.is_empty() {
            calls.push(Call::Query(include_str!("../../sql/delete_closed.sql"), vec![&self.reopened]));
        }
        if !self.inserted.id.is_empty() {
            calls.push(Call::Query(include_str!("../../sql/insert_due.sql"), self.inserted.params()));
        }
        if !self.closed.id.is_empty() {
            calls.push(Call::Query(include_str!("../../sql/insert_closed.sql"), self.closed.params()));
        }
        calls
    }
}

#[derive(Default)]
struct DueColumns {
    id: Vec<Uuid>,
    endpoint: Vec<Uuid>,
    due_at: Vec<i64>,
    progress: ProgressColumns,
    waiting_for: Vec<i16>,
    tenant: Vec<String>,
}

impl DueColumns {
    fn push(&mut self, settled: &Settled, due_at: Timestamp, waiting_for: WaitingFor) {
        self.id.push(settled.delivery.into());
        self.endpoint.push(settled.endpoint.into());
        self.due_at.push(due_at.as_micros());
        self.progress.push(&settled.progress);
        self.waiting_for.push(waiting_for.code());
        self.tenant.push(settled.tenant.as_str().to_owned());
    }

    fn params(&self) -> Vec<&dyn Param> {
        let progress = &self.progress;
        vec![
            &self.id,
            &self.endpoint,
            &self.due_at,
            &progress.attempts,
            &progress.failures,
            &progress.last_status,
            &self.waiting_for,
            &self.tenant,
            &progress.last_error,
        ]
    }
}
