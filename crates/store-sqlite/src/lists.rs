//! Lists of deliveries. A delivery has no row of its own, so a list gathers ids from where they can be (what succeeded,
//! what was closed, what waits, live batches, or messages) and asks of each in the same snapshot where it is.

use std::collections::HashMap;

use posthaste_core::id::BatchId;
use posthaste_core::{Delivery, DeliveryId, DeliveryStatus, EndpointId, Message, MessageId, Tenant};
use posthaste_store::history::{DeliveryFilter, MAX_EXAMINED};
use posthaste_store::{Page, Slice};
use rusqlite::{Connection, Params, Rows, params};

use crate::accept;
use crate::fault::Fault;
use crate::history::bounds;
use crate::place;
use crate::rows;

/// How many live batches one look at them reads: far more than one node holds at once.
const BATCHES: u32 = 1_000;

/// Where ids of deliveries come from.
#[derive(Debug, Clone, Copy)]
enum Source<'f> {
    /// The targets of all messages, or of one tenant's.
    Messages(Option<&'f Tenant>),
    /// The targets of one message.
    Message(MessageId),
    /// An endpoint's successes.
    Successes(EndpointId),
    /// What waits, at an endpoint, of a tenant, or at all.
    Due(Option<EndpointId>, Option<&'f Tenant>),
    /// What was closed with this status, at an endpoint, of a tenant, or at all.
    Closed(DeliveryStatus, Option<EndpointId>, Option<&'f Tenant>),
    /// What is in live batches.
    Batches(Option<EndpointId>),
}

/// Ids from one source, by descending bits.
struct Found {
    ids: Vec<DeliveryId>,
    /// The source was read down to these bits and goes on below; `None`: it was read to its end.
    down_to: Option<u128>,
    examined: u32,
}

/// The part of the ids that is looked at: from `since` on and before `before`.
#[derive(Clone, Copy)]
struct Window {
    since: [u8; 16],
    before: [u8; 16],
    /// How many ids are asked of each source at once.
    chunk: u32,
}

fn sources(filter: &DeliveryFilter) -> Vec<Source<'_>> {
    let tenant = filter.tenant.as_ref();
    if let Some(message) = filter.message {
        return vec![Source::Message(message)];
    }
    let endpoint = filter.endpoint;
    let pending = [Source::Due(endpoint, tenant), Source::Batches(endpoint)];
    let closed = |status| Source::Closed(status, endpoint, tenant);
    match (filter.status, endpoint) {
        (Some(DeliveryStatus::Pending), _) => pending.to_vec(),
        (Some(status @ (DeliveryStatus::Failed | DeliveryStatus::Cancelled)), _) => vec![closed(status)],
        (Some(DeliveryStatus::Succeeded), Some(endpoint)) => vec![Source::Successes(endpoint)],
        (None, Some(endpoint)) => {
            let mut all = vec![Source::Successes(endpoint)];
            all.extend([closed(DeliveryStatus::Failed), closed(DeliveryStatus::Cancelled)]);
            all.extend(pending);
            all
        }
        (Some(DeliveryStatus::Succeeded) | None, None) => vec![Source::Messages(tenant)],
    }
}

/// A page, for which at most about `most` rows are examined.
pub(crate) fn deliveries(
    connection: &Connection,
    filter: &DeliveryFilter,
    asked: Page,
    most: u32,
) -> Result<Slice<Delivery>, Fault> {
    let sources = sources(filter);
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let (since, before) = bounds(filter.since, filter.until, asked);
    let chunk = asked.limit.saturating_add(1).clamp(16, MAX_EXAMINED);
    let mut window = Window { since, before, chunk };
    let mut messages = HashMap::new();
    let mut items: Vec<Delivery> = Vec::new();
    let mut examined = 0;
    loop {
        let (ids, down_to, read) = merge(connection, &sources, window)?;
        examined += read;
        for id in ids {
            examined += 1;
            if let Some(delivery) = look_up(connection, id, &mut messages)?
                && fits(&delivery, filter)
            {
                if items.len() == limit {
                    let next = items.last().map(|last| last.id.bits());
                    return Ok(Slice { items, next });
                }
                items.push(delivery);
            }
            if examined >= most {
                return Ok(Slice { items, next: Some(id.bits()) });
            }
        }
        match down_to {
            None => return Ok(Slice { items, next: None }),
            Some(bits) if examined >= most => return Ok(Slice { items, next: Some(bits) }),
            Some(bits) => window.before = bits.to_be_bytes(),
        }
    }
}

/// Ids of all sources, by descending bits, as far down as every one of them was read.
fn merge(
    connection: &Connection,
    sources: &[Source<'_>],
    window: Window,
) -> Result<(Vec<DeliveryId>, Option<u128>, u32), Fault> {
    let mut ids = Vec::new();
    let mut down_to: Option<u128> = None;
    let mut examined = 0;
    for source in sources {
        let mut found = source.read(connection, window)?;
        ids.append(&mut found.ids);
        down_to = down_to.max(found.down_to);
        examined += found.examined;
    }
    ids.retain(|id| down_to.is_none_or(|bits| id.bits() >= bits));
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids.dedup();
    Ok((ids, down_to, examined))
}

fn look_up(
    connection: &Connection,
    id: DeliveryId,
    messages: &mut HashMap<MessageId, Option<Message>>,
) -> Result<Option<Delivery>, Fault> {
    let message = match messages.entry(id.message()) {
        std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
        std::collections::hash_map::Entry::Vacant(unknown) => {
            unknown.insert(accept::message(connection, id.message())?)
        }
    };
    message.as_ref().map_or(Ok(None), |message| place::delivery(connection, id, message))
}

fn fits(delivery: &Delivery, filter: &DeliveryFilter) -> bool {
    filter.tenant.as_ref().is_none_or(|tenant| delivery.tenant == *tenant)
        && filter.message.is_none_or(|message| delivery.id.message() == message)
        && filter.endpoint.is_none_or(|endpoint| delivery.endpoint == endpoint)
        && filter.status.is_none_or(|status| delivery.status() == status)
        && filter.topic.as_ref().is_none_or(|topic| delivery.topic.as_ref() == Some(topic))
}

impl Source<'_> {
    fn read(self, connection: &Connection, window: Window) -> Result<Found, Fault> {
        let Window { since, before, chunk } = window;
        let ids = |sql: &str, params: &dyn Fn(&mut rusqlite::Statement<'_>) -> Result<Vec<DeliveryId>, Fault>| {
            let mut statement = connection.prepare_cached(sql)?;
            Ok(Found::of(params(&mut statement)?, chunk))
        };
        match self {
            Self::Message(message) => one_message(connection, message, window),
            Self::Messages(tenant) => unnest(connection, tenant, window),
            Self::Batches(endpoint) => batches(connection, endpoint, window),
            Self::Successes(endpoint) => ids(sql!("list/successes"), &|statement| {
                collect(statement, params![endpoint.to_bytes(), before, since, chunk])
            }),
            Self::Due(Some(endpoint), _) => ids(sql!("list/due_of_endpoint"), &|statement| {
                collect(statement, params![before, since, chunk, endpoint.to_bytes()])
            }),
            Self::Due(None, Some(tenant)) => ids(sql!("list/due_of_tenant"), &|statement| {
                collect(statement, params![before, since, chunk, tenant.as_str()])
            }),
            Self::Due(None, None) => {
                ids(sql!("list/due"), &|statement| collect(statement, params![before, since, chunk]))
            }
            Self::Closed(status, Some(endpoint), _) => ids(sql!("list/closed_of_endpoint"), &|statement| {
                collect(statement, params![before, since, chunk, status.code(), endpoint.to_bytes()])
            }),
            Self::Closed(status, None, Some(tenant)) => ids(sql!("list/closed_of_tenant"), &|statement| {
                collect(statement, params![before, since, chunk, status.code(), tenant.as_str()])
            }),
            Self::Closed(status, None, None) => {
                ids(sql!("list/closed"), &|statement| collect(statement, params![before, since, chunk, status.code()]))
            }
        }
    }
}

/// Reads ids of deliveries, or of attempts as those of their deliveries.
fn collect(statement: &mut rusqlite::Statement<'_>, params: impl Params) -> Result<Vec<DeliveryId>, Fault> {
    let mut found = statement.query(params)?;
    let mut ids = Vec::new();
    while let Some(row) = found.next()? {
        let attempt: posthaste_core::AttemptId = rows::id(row, 0)?;
        ids.push(attempt.delivery());
    }
    Ok(ids)
}

impl Found {
    /// What a statement with this limit returned.
    fn of(ids: Vec<DeliveryId>, chunk: u32) -> Self {
        let more = u32::try_from(ids.len()).unwrap_or(u32::MAX) >= chunk;
        let down_to = if more { ids.last().map(|id| id.bits()) } else { None };
        Self { ids, down_to, examined: 0 }
    }
}

fn one_message(connection: &Connection, id: MessageId, window: Window) -> Result<Found, Fault> {
    let mut ids = Vec::new();
    if let Some(message) = accept::message(connection, id)? {
        targets(&message, None, window, &mut ids);
    }
    Ok(Found { ids, down_to: None, examined: 0 })
}

/// The deliveries of a message that lie in the window, the last first.
fn targets(message: &Message, endpoint: Option<EndpointId>, window: Window, ids: &mut Vec<DeliveryId>) {
    let owed = message.deliveries().rev().filter(|(id, target)| {
        id.to_bytes() < window.before
            && accept::is_owed(target.endpoint)
            && endpoint.is_none_or(|endpoint| target.endpoint == endpoint)
    });
    ids.extend(owed.map(|(id, _)| id));
}

fn unnest(connection: &Connection, tenant: Option<&Tenant>, window: Window) -> Result<Found, Fault> {
    let sql = if tenant.is_some() { sql!("message/page_of_tenant") } else { sql!("message/page") };
    let mut statement = connection.prepare_cached(sql)?;
    let found = match tenant {
        Some(tenant) => statement.query(params![window.before, window.since, tenant.as_str()])?,
        None => statement.query([window.before, window.since])?,
    };
    take(found, |_| true, None, window)
}

/// Unnests messages until there are enough ids or too many messages without any.
fn take(
    mut found: Rows<'_>,
    fits: impl Fn(&Message) -> bool,
    endpoint: Option<EndpointId>,
    window: Window,
) -> Result<Found, Fault> {
    let chunk = usize::try_from(window.chunk).unwrap_or(usize::MAX);
    let mut ids = Vec::new();
    let mut examined = 0;
    while let Some(row) = found.next()? {
        let message = rows::message(row)?;
        examined += 1;
        if fits(&message) {
            targets(&message, endpoint, window, &mut ids);
        }
        if ids.len() >= chunk || examined >= MAX_EXAMINED {
            // Everything of this message has been taken, so what is below begins below its own id.
            return Ok(Found { ids, down_to: Some(message.id.bits()), examined });
        }
    }
    Ok(Found { ids, down_to: None, examined })
}

/// What is in live batches: the messages that name them, from the instants that their messages can have.
fn batches(connection: &Connection, endpoint: Option<EndpointId>, window: Window) -> Result<Found, Fault> {
    let mut statement = connection.prepare_cached(sql!("list/batches"))?;
    let mut found = statement.query(params![window.before, BATCHES])?;
    let mut live: Vec<BatchId> = Vec::new();
    while let Some(row) = found.next()? {
        live.push(rows::id(row, 0)?);
    }
    let mut all = Found { ids: Vec::new(), down_to: None, examined: 0 };
    let chunk = usize::try_from(window.chunk).unwrap_or(usize::MAX);
    for range in spans(&live).into_iter().rev() {
        let (from, until) = (range.0.max(window.since), range.1.min(window.before));
        let mut statement = connection.prepare_cached(sql!("message/page"))?;
        let found = statement.query([until, from])?;
        let part = take(found, |message| live.contains(&message.batch), endpoint, window)?;
        all.ids.extend(part.ids);
        all.examined += part.examined;
        let enough = all.ids.len() >= chunk || all.examined >= MAX_EXAMINED;
        if part.down_to.is_some() || enough {
            all.down_to = Some(part.down_to.unwrap_or(u128::from_be_bytes(from)));
            return Ok(all);
        }
    }
    if u32::try_from(live.len()).unwrap_or(u32::MAX) >= BATCHES {
        all.down_to = live.last().map(|batch| batch.bits());
    }
    Ok(all)
}

/// The ranges of ids in which these batches' messages lie, ascending, without overlaps.
fn spans(live: &[BatchId]) -> Vec<([u8; 16], [u8; 16])> {
    let mut spans: Vec<([u8; 16], [u8; 16])> = Vec::new();
    for batch in live.iter().rev() {
        let (from, until) = accept::batch_range(*batch);
        match spans.last_mut() {
            Some(last) if last.1 >= from => last.1 = last.1.max(until),
            _ => spans.push((from, until)),
        }
    }
    spans
}
