//! The placement rule: one statement says where deliveries are.

use posthaste_core::delivery::{Closed, Due, Placement};
use posthaste_core::id::BatchId;
use posthaste_core::{DeliveryId, Target, Timestamp};
use posthaste_store::Result;
use tokio_postgres::Row;

use crate::param::{Param, Uuid, count};
use crate::rows::{DUE_WIDTH, closed, due, get};
use crate::session::{Call, Session};

/// Which deliveries to look for.
#[derive(Default)]
pub(crate) struct Wanted {
    id: Vec<Uuid>,
    last_child: Vec<Uuid>,
    endpoint: Vec<Uuid>,
    batch: Vec<Uuid>,
}

impl Wanted {
    /// One more.
    pub fn push(&mut self, delivery: DeliveryId, target: Target, batch: BatchId) {
        self.id.push(delivery.into());
        self.last_child.push(Uuid(delivery.last_child_bits()));
        self.endpoint.push(target.endpoint.into());
        self.batch.push(batch.into());
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.id.len()
    }

    fn params(&self) -> Vec<&dyn Param> {
        vec![&self.id, &self.last_child, &self.endpoint, &self.batch]
    }

    /// As a part of a pipeline.
    pub fn call(&self) -> Call<'_> {
        Call::Query(include_str!("../sql/place.sql"), self.params())
    }

    /// Their places, in no order.
    pub async fn find(&self, session: &Session) -> Result<Vec<Found>> {
        if self.id.is_empty() {
            return Ok(Vec::new());
        }
        let rows = session.query(include_str!("../sql/place.sql"), &self.params()).await?;
        rows.iter().map(Found::read).collect()
    }
}

/// All that is on record about a delivery, not only what the rule lets through.
pub(crate) struct Found {
    /// Which.
    pub delivery: DeliveryId,
    /// Its row in `due`.
    pub due: Option<Due>,
    /// Its newest success.
    pub succeeded: Option<Placement>,
    /// Its row in `closed`.
    pub closed: Option<Closed>,
    /// The place in an ordered lane that it had when it was closed.
    pub closed_place: (i64, i64),
    /// Whether its batch is there.
    pub in_batch: bool,
}

impl Found {
    /// Reads a row of `place.sql`.
    pub fn read(row: &Row) -> Result<Self> {
        const SUCCESS: usize = 1 + DUE_WIDTH;
        const CLOSED: usize = SUCCESS + 5;
        let is_there = |column| Ok::<_, posthaste_store::StoreError>(get::<Option<Uuid>>(row, column)?.is_some());
        let succeeded = match get::<Option<Uuid>>(row, SUCCESS)? {
            Some(attempt) => Some(Placement::Succeeded {
                attempt: attempt.id(),
                number: count(get(row, SUCCESS + 1)?),
                at: Timestamp::from_micros(get(row, SUCCESS + 2)?),
                duration_micros: u64::try_from(get::<i64>(row, SUCCESS + 3)?).unwrap_or(0),
                status_code: get::<Option<i16>>(row, SUCCESS + 4)?.and_then(|status| u16::try_from(status).ok()),
            }),
            None => None,
        };
        let ended = is_there(CLOSED)?;
        Ok(Self {
            delivery: get::<Uuid>(row, 0)?.id(),
            due: if is_there(1)? { Some(due(row, 1)?) } else { None },
            succeeded,
            closed: if ended { Some(closed(row, CLOSED)?) } else { None },
            closed_place: if ended { (get(row, CLOSED + 10)?, get(row, CLOSED + 11)?) } else { (0, 0) },
            in_batch: get(row, CLOSED + 12)?,
        })
    }

    /// The rule.
    pub fn placement(self) -> Placement {
        if let Some(due) = self.due {
            Placement::Due(due)
        } else if let Some(succeeded) = self.succeeded {
            succeeded
        } else if let Some(closed) = self.closed {
            Placement::Closed(closed)
        } else if self.in_batch {
            Placement::Batch
        } else {
            Placement::Missing
        }
    }

    /// Whether only its batch has it.
    pub fn is_left(&self) -> bool {
        self.due.is_none() && self.succeeded.is_none() && self.closed.is_none()
    }
}
