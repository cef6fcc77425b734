//! Messages laid out as columns for `sql/accept.sql`, which every way in uses: group commits, schedules, replays, and
//! what deliveries leave behind.

use std::collections::BTreeMap;

use posthaste_core::id::{BatchId, NodeId};
use posthaste_core::{DeliveryId, Lane, Message, Target, Tenant, Timestamp, WaitingFor};
use posthaste_store::queue::NewMessage;
use posthaste_store::{CatalogVersion, Result, StoreError};

use crate::param::{Param, Uuid, micros};
use crate::rows::{get, text_of};
use crate::session::{Call, Rows};

/// The statement.
pub(crate) const ACCEPT: &str = include_str!("../sql/accept.sql");

/// What a lane is told, gathered for each lane so that its row is touched once.
#[derive(Debug, Clone)]
pub(crate) struct Wake {
    tenant: Tenant,
    next_at: i64,
    /// Places to give out in an ordered lane.
    places: i64,
    hold: bool,
}

/// Lanes in the order in which every transaction locks them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wakes(BTreeMap<Lane, Wake>);

impl Wakes {
    /// A lane has something to do at `next_at`.
    pub fn wake(&mut self, lane: Lane, tenant: &Tenant, next_at: Timestamp) -> &mut Wake {
        let wake = self.0.entry(lane).or_insert_with(|| Wake {
            tenant: tenant.clone(),
            next_at: Timestamp::FAR_FUTURE.as_micros(),
            places: 0,
            hold: false,
        });
        wake.next_at = wake.next_at.min(next_at.as_micros());
        wake
    }

    /// A lane is held until somebody lets it go.
    pub fn hold(&mut self, lane: Lane, tenant: &Tenant) {
        self.wake(lane, tenant, Timestamp::FAR_FUTURE).hold = true;
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn columns(&self) -> WakeColumns {
        let mut columns = WakeColumns::default();
        for (lane, wake) in &self.0 {
            columns.endpoint.push(lane.endpoint.into());
            columns.ord.push(lane.order);
            columns.shard.push(i16::from(lane.endpoint.shard()));
            columns.tenant.push(wake.tenant.as_str().to_owned());
            columns.next_at.push(wake.next_at);
            columns.places.push(wake.places);
            columns.hold.push(wake.hold);
        }
        columns
    }
}

#[derive(Debug, Default)]
struct WakeColumns {
    endpoint: Vec<Uuid>,
    ord: Vec<i64>,
    shard: Vec<i16>,
    tenant: Vec<String>,
    next_at: Vec<i64>,
    places: Vec<i64>,
    hold: Vec<bool>,
}

impl WakeColumns {
    fn params(&self) -> [&dyn Param; 7] {
        [&self.endpoint, &self.ord, &self.shard, &self.tenant, &self.next_at, &self.places, &self.hold]
    }
}

/// Only lanes, without messages.
#[derive(Debug)]
pub(crate) struct LaneCall(WakeColumns);

impl LaneCall {
    /// Tells these lanes.
    pub fn new(wakes: &Wakes) -> Self {
        Self(wakes.columns())
    }

    /// The statement.
    pub fn call(&self) -> Call<'_> {
        Call::Query(include_str!("../sql/wake_lanes.sql"), self.0.params().to_vec())
    }
}

/// Under whose fence, guarded by which version, and whose the batch is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The node whose fence is held.
    pub node: NodeId,
    /// The catalog version that the targets were matched with, if that matters.
    pub matched: Option<CatalogVersion>,
    /// The batch row to insert.
    pub batch: Option<BatchId>,
    /// Whose it is.
    pub owner: Option<NodeId>,
}

/// When a waiting target wakes its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waking {
    /// Unless its endpoint is stopped: the catalog's version says that it still is.
    Guarded,
    /// Always: the endpoint may have been started since somebody looked.
    Always,
}

/// One call of the statement, as columns.
pub(crate) struct Acceptance<'a> {
    node: Uuid,
    matched: Option<i64>,
    batch: Option<Uuid>,
    owner: Option<Uuid>,
    id: Vec<Uuid>,
    of_batch: Vec<Uuid>,
    deliver_at: Vec<Option<i64>>,
    tenant: Vec<&'a str>,
    topic: Vec<Option<&'a str>>,
    content_type: Vec<&'a str>,
    targets: Vec<Vec<u8>>,
    extras: Vec<Option<String>>,
    body: Vec<&'a [u8]>,
    expiring: ExpiringColumns<'a>,
    lanes: WakeColumns,
    waiting: DueColumns<'a>,
    in_order: DueColumns<'a>,
    order: Vec<i64>,
    places_left: Vec<i64>,
}

/// Of messages that say when they expire.
#[derive(Default)]
struct ExpiringColumns<'a> {
    at: Vec<i64>,
    id: Vec<Uuid>,
    tenant: Vec<&'a str>,
}

impl<'a> ExpiringColumns<'a> {
    fn push(&mut self, at: Timestamp, message: &'a Message) {
        self.at.push(at.as_micros());
        self.id.push(message.id.into());
        self.tenant.push(message.tenant.as_str());
    }
}

#[derive(Default)]
struct DueColumns<'a> {
    id: Vec<Uuid>,
    endpoint: Vec<Uuid>,
    due_at: Vec<i64>,
    waiting_for: Vec<i16>,
    tenant: Vec<&'a str>,
}

impl<'a> DueColumns<'a> {
    fn push(&mut self, id: DeliveryId, target: Target, due_at: Timestamp, waiting_for: WaitingFor, tenant: &'a str) {
        self.id.push(id.into());
        self.endpoint.push(target.endpoint.into());
        self.due_at.push(due_at.as_micros());
        self.waiting_for.push(waiting_for.code());
        self.tenant.push(tenant);
    }
}

impl<'a> Acceptance<'a> {
    /// Lays these messages out. `wakes` are lanes that the same transaction has to tell something else: they are all
    /// told in one statement, in one order.
    pub fn new(
        terms: Terms,
        messages: &(impl Iterator<Item = &'a NewMessage> + Clone),
        waking: Waking,
        mut wakes: Wakes,
    ) -> Result<Self> {
        let mut columns = Self {
            node: terms.node.into(),
            matched: terms.matched.map(|version| version.0),
            batch: terms.batch.map(Uuid::from),
            owner: terms.owner.map(Uuid::from),
            id: Vec::new(),
            of_batch: Vec::new(),
            deliver_at: Vec::new(),
            tenant: Vec::new(),
            topic: Vec::new(),
            content_type: Vec::new(),
            targets: Vec::new(),
            extras: Vec::new(),
            body: Vec::new(),
            expiring: ExpiringColumns::default(),
            lanes: WakeColumns::default(),
            waiting: DueColumns::default(),
            in_order: DueColumns::default(),
            order: Vec::new(),
            places_left: Vec::new(),
        };
        for new in messages.clone() {
            columns.push_message(new)?;
        }
        for new in messages.clone() {
            columns.push_waits(new, waking, &mut wakes)?;
        }
        // What was counted from each lane's first place is turned round: the statement knows the end.
        for index in 0..columns.order.len() {
            let lane = Lane { endpoint: columns.in_order.endpoint[index].id(), order: columns.order[index] };
            let places = wakes.0.get(&lane).map_or(0, |wake| wake.places);
            columns.places_left[index] = places - columns.places_left[index];
        }
        columns.lanes = wakes.columns();
        Ok(columns)
    }

    fn push_message(&mut self, new: &'a NewMessage) -> Result<()> {
        let message = &*new.message;
        self.id.push(message.id.into());
        self.of_batch.push(message.batch.into());
        self.deliver_at.push(micros(message.deliver_at));
        self.tenant.push(message.tenant.as_str());
        self.topic.push(message.topic.as_ref().map(posthaste_core::TopicName::as_str));
        self.content_type.push(&message.content_type);
        self.targets.push(Target::pack(&message.targets));
        let extras = (!message.extras.is_empty()).then(|| text_of(&message.extras)).transpose()?;
        self.extras.push(extras);
        if let Some(at) = message.extras.expires_at {
            self.expiring.push(at, message);
        }
        self.body.push(&new.payload);
        Ok(())
    }

    fn push_waits(&mut self, new: &'a NewMessage, waking: Waking, wakes: &mut Wakes) -> Result<()> {
        let message = &*new.message;
        for wait in &new.waits {
            let delivery = message.id.delivery(wait.position);
            let target = message.target(delivery);
            let target = target.ok_or_else(|| StoreError::internal("a wait names no target of its message"))?;
            let lane = Lane { endpoint: target.endpoint, order: wait.order };
            let wakes_lane = waking == Waking::Always || wait.waiting_for.ends_by_itself();
            let next_at = if wakes_lane { wait.due_at } else { Timestamp::FAR_FUTURE };
            let wake = wakes.wake(lane, &message.tenant, next_at);
            let tenant = message.tenant.as_str();
            if lane.is_ordered() {
                self.in_order.push(delivery, target, wait.due_at, wait.waiting_for, tenant);
                self.order.push(wait.order);
                self.places_left.push(wake.places);
                wake.places += 1;
            } else {
                self.waiting.push(delivery, target, wait.due_at, wait.waiting_for, tenant);
            }
        }
        Ok(())
    }

    /// Its parameters.
    pub fn params(&self) -> Vec<&dyn Param> {
        let mut params: Vec<&dyn Param> = vec![
            &self.node,
            &self.matched,
            &self.id,
            &self.of_batch,
            &self.deliver_at,
            &self.tenant,
            &self.topic,
            &self.content_type,
            &self.targets,
            &self.extras,
            &self.body,
            &self.batch,
            &self.owner,
        ];
        params.extend(self.lanes.params());
        let waiting = &self.waiting;
        params.extend([
            &waiting.id as &dyn Param,
            &waiting.endpoint,
            &waiting.due_at,
            &waiting.waiting_for,
            &waiting.tenant,
        ]);
        let ordered = &self.in_order;
        params.extend([
            &ordered.id as &dyn Param,
            &ordered.endpoint,
            &ordered.due_at,
            &ordered.waiting_for,
            &ordered.tenant,
        ]);
        params.extend([&self.order as &dyn Param, &self.places_left]);
        let expiring = &self.expiring;
        params.extend([&expiring.at as &dyn Param, &expiring.id, &expiring.tenant]);
        params
    }

    /// As a part of a pipeline.
    pub fn call(&self) -> Call<'_> {
        Call::Query(ACCEPT, self.params())
    }
}

/// How the statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcceptanceEnd {
    /// The node was taken over.
    Fenced,
    /// The catalog moved on; nothing was written.
    Moved,
    /// Written, or written before.
    Written,
}

impl AcceptanceEnd {
    /// Reads the statement's one row.
    pub fn read(rows: &Rows) -> Result<Self> {
        let row = rows.first().ok_or_else(|| StoreError::internal("a statement that always answers did not"))?;
        Ok(match (get(row, 0)?, get(row, 1)?) {
            (false, _) => Self::Fenced,
            (true, false) => Self::Moved,
            (true, true) => Self::Written,
        })
    }
}
