//! What happened, laid out as columns.

use posthaste_core::delivery::{Closed, Progress};
use posthaste_core::{DeliveryId, EndpointId, Lane};
use posthaste_store::Health;
use posthaste_store::queue::Exchange;

use crate::capture;
use crate::param::{Param, Uuid, storable, stored};
use crate::session::Call;

/// Exchanges as columns of `attempt` and `capture`.
#[derive(Default)]
pub(super) struct AttemptColumns<'a> {
    id: Vec<Uuid>,
    endpoint: Vec<Uuid>,
    at: Vec<i64>,
    duration_micros: Vec<i64>,
    revision: Vec<i32>,
    number: Vec<i32>,
    outcome: Vec<i16>,
    status: Vec<Option<i16>>,
    tenant: Vec<&'a str>,
    error: Vec<Option<String>>,
    capture_id: Vec<Uuid>,
    capture: Vec<Vec<u8>>,
}

impl<'a> AttemptColumns<'a> {
    /// Lays them out.
    pub fn new(exchanges: impl Iterator<Item = &'a Exchange>) -> Self {
        let mut columns = Self::default();
        for Exchange { attempt, capture } in exchanges {
            columns.id.push(attempt.id.into());
            columns.endpoint.push(attempt.endpoint.into());
            columns.at.push(attempt.at.as_micros());
            columns.duration_micros.push(i64::try_from(attempt.duration_micros).unwrap_or(i64::MAX));
            columns.revision.push(stored(attempt.endpoint_revision));
            columns.number.push(stored(attempt.number));
            columns.outcome.push(attempt.outcome.code());
            columns.status.push(attempt.status_code.and_then(|status| i16::try_from(status).ok()));
            columns.tenant.push(attempt.tenant.as_str());
            columns.error.push(storable(attempt.error.as_deref()));
            if let Some(capture) = capture {
                columns.capture_id.push(attempt.id.into());
                columns.capture.push(capture::pack(capture));
            }
        }
        columns
    }

    /// In the order of the table's columns, then the captures.
    pub fn params(&self) -> [&dyn Param; 12] {
        [
            &self.id,
            &self.endpoint,
            &self.at,
            &self.duration_micros,
            &self.revision,
            &self.number,
            &self.outcome,
            &self.status,
            &self.tenant,
            &self.error,
            &self.capture_id,
            &self.capture,
        ]
    }
}

/// Keys of `due`.
#[derive(Default)]
pub(crate) struct Keys {
    /// The endpoints.
    pub endpoint: Vec<Uuid>,
    /// The deliveries.
    pub id: Vec<Uuid>,
}

impl Keys {
    /// Lays them out.
    pub fn new(keys: impl Iterator<Item = (EndpointId, DeliveryId)>) -> Self {
        let mut columns = Self::default();
        for (endpoint, delivery) in keys {
            columns.push(endpoint, delivery);
        }
        columns
    }

    /// One more.
    pub fn push(&mut self, endpoint: EndpointId, delivery: DeliveryId) {
        self.endpoint.push(endpoint.into());
        self.id.push(delivery.into());
    }
}

/// Endpoints that fail, and those that no longer do.
#[derive(Default)]
pub(super) struct HealthColumns {
    endpoint: Vec<Uuid>,
    since: Vec<i64>,
    well: Vec<Uuid>,
}

impl HealthColumns {
    /// Lays them out; of several notes about one endpoint the last counts.
    pub fn new(health: &[Health]) -> Self {
        let last: std::collections::BTreeMap<_, _> =
            health.iter().map(|health| (health.endpoint, health.failing_since)).collect();
        let mut columns = Self::default();
        for (endpoint, failing_since) in last {
            match failing_since {
                Some(since) => {
                    columns.endpoint.push(endpoint.into());
                    columns.since.push(since.as_micros());
                }
                None => columns.well.push(endpoint.into()),
            }
        }
        columns
    }

    /// The statements, if any.
    pub fn calls(&self) -> Vec<Call<'_>> {
        let mut calls = Vec::new();
        if !self.endpoint.is_empty() {
            calls.push(Call::Query(include_str!("../../sql/write_health.sql"), vec![&self.endpoint, &self.since]));
        }
        if !self.well.is_empty() {
            calls.push(Call::Query(include_str!("../../sql/forget_health.sql"), vec![&self.well]));
        }
        calls
    }
}

/// How far deliveries have come.
#[derive(Default)]
pub(super) struct ProgressColumns {
    /// Exchanges made.
    pub attempts: Vec<i32>,
    /// Failures since the present schedule began.
    pub failures: Vec<i32>,
    /// The last response's status.
    pub last_status: Vec<Option<i32>>,
    /// The last failure in words.
    pub last_error: Vec<Option<String>>,
}

impl ProgressColumns {
    /// One more.
    pub fn push(&mut self, progress: &Progress) {
        self.attempts.push(stored(progress.attempts));
        self.failures.push(stored(progress.failures));
        self.last_status.push(progress.last_status_code.map(i32::from));
        self.last_error.push(storable(progress.last_error.as_deref()));
    }
}

/// Rows of `closed`.
#[derive(Default)]
pub(crate) struct ClosedColumns {
    /// Their ids.
    pub id: Vec<Uuid>,
    endpoint: Vec<Uuid>,
    at: Vec<i64>,
    ord: Vec<i64>,
    seq: Vec<i64>,
    progress: ProgressColumns,
    status: Vec<i16>,
    reason: Vec<i16>,
    tenant: Vec<String>,
}

impl ClosedColumns {
    /// One more, with the place that it had in its lane.
    pub fn push(&mut self, closed: &Closed, lane: Lane, seq: i64) {
        self.id.push(closed.delivery.into());
        self.endpoint.push(closed.endpoint.into());
        self.at.push(closed.at.as_micros());
        self.ord.push(lane.order);
        self.seq.push(seq);
        self.progress.push(&closed.progress);
        self.status.push(closed.status.code());
        self.reason.push(closed.reason.code());
        self.tenant.push(closed.tenant.as_str().to_owned());
    }

    /// As `insert_closed.sql` takes them.
    pub fn params(&self) -> Vec<&dyn Param> {
        let progress = &self.progress;
        vec![
            &self.id,
            &self.endpoint,
            &self.at,
            &self.ord,
            &self.seq,
            &progress.attempts,
            &progress.failures,
            &self.status,
            &self.reason,
            &progress.last_status,
            &self.tenant,
            &progress.last_error,
        ]
    }
}
