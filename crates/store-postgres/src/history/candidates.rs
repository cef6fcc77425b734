//! Where a list's deliveries are looked for: in the index that has the fewest others, or in messages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use posthaste_core::{
    AttemptId, DeliveryId, DeliveryStatus, EndpointId, Message, MessageId, Target, Tenant, Timestamp,
};
use posthaste_store::history::{DeliveryFilter, MAX_EXAMINED, MessageFilter};
use posthaste_store::{Page, Result, Slice, StoreError};

use super::one;
use crate::cancel::stored_message;
use crate::param::{Param, Uuid};
use crate::partitions::day_of;
use crate::rows::{get, message};
use crate::session::{Call, Rows, Session};

/// Ids from `low` on, below `before`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Exclusive.
    pub before: u128,
    low: u128,
}

impl Window {
    /// The ids of messages accepted in that time, below a cursor.
    pub fn of(since: Option<Timestamp>, until: Option<Timestamp>, before: Option<u128>) -> Self {
        // Ids count whole milliseconds, and so does the time that they stand for.
        let floor = |at: Timestamp| {
            let whole =
                Timestamp::from_millis(at.as_micros().div_euclid(1_000) + i64::from(at.as_micros() % 1_000 != 0));
            MessageId::floor_of(whole).bits()
        };
        let until = until.map_or(u128::MAX, floor);
        Self { before: before.map_or(until, |before| before.min(until)), low: since.map_or(0, floor) }
    }

    /// Whether no id is in it.
    pub fn is_empty(self) -> bool {
        self.before <= self.low
    }
}

/// Where every list begins to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The first id of the database's day.
    today: u128,
    /// The oldest batch, if there is one.
    oldest_batch: Option<u128>,
}

impl Bounds {
    /// The statement that reads them; it shares the round trip that opens the transaction.
    pub const CALL: &str = include_str!("../../sql/list_bounds.sql");

    /// Reads the statement's answer.
    pub fn read(answers: &[Rows]) -> Result<Self> {
        let row = answers.last().and_then(|rows| rows.first());
        let row = row.ok_or_else(|| StoreError::internal("a statement that always answers did not"))?;
        let oldest_batch: Option<Uuid> = get(row, 1)?;
        Ok(Self {
            today: first_of_day(Timestamp::from_micros(get(row, 0)?)),
            oldest_batch: oldest_batch.map(|id| id.0),
        })
    }

    /// The first id of the day that ids below `before` end with: of today, or of an earlier one. One day is one partition,
    /// and a statement that names but one is planned and run in a tenth of the time of one that might need thirty.
    fn day_below(self, before: u128) -> u128 {
        if before > self.today {
            return self.today;
        }
        let last = MessageId::from_bits(before - 1).timestamp();
        first_of_day(last)
    }
}

fn first_of_day(at: Timestamp) -> u128 {
    MessageId::floor_of(day_of(at)).bits()
}

/// Whether a delivery is one of those asked for, as far as its message tells.
pub(super) fn wants(filter: &DeliveryFilter, message: &Message, target: Target) -> bool {
    // An erased delivery's target is blank.
    target.endpoint.bits() != 0
        && filter.endpoint.is_none_or(|endpoint| endpoint == target.endpoint)
        && filter.tenant.as_ref().is_none_or(|tenant| *tenant == message.tenant)
        && filter.topic.as_ref().is_none_or(|topic| Some(topic) == message.topic.as_ref())
}

/// One ordered stream of candidates: the statement, and what its fourth parameter is.
#[derive(Debug, Clone)]
enum Source {
    /// Deliveries by an index of a table with a partition a day.
    Ids(&'static str, Key),
    /// Deliveries by an index of `due`.
    Due(&'static str, Key),
    /// Whole messages, which are taken apart.
    Messages(&'static str, Key),
    /// Those of them whose batch is there.
    Batched(Key),
    /// One message.
    Message(Arc<Message>),
}

#[derive(Debug, Clone)]
enum Key {
    None,
    Endpoint(Uuid),
    Tenant(Option<String>),
}

/// What one step found.
pub(super) struct Reach {
    /// Newest first; complete down to the frontier.
    pub candidates: Vec<(DeliveryId, Arc<Message>)>,
    /// Where to go on; `None`: there is nothing more.
    pub frontier: Option<u128>,
    /// How many rows were read.
    pub examined: usize,
}

/// The sources of one list.
pub(super) struct Search {
    bounds: Bounds,
    sources: Vec<Source>,
}

impl Search {
    /// Chooses the sources.
    pub async fn begin(session: &Session, bounds: Bounds, filter: &DeliveryFilter) -> Result<Self> {
        let tenant = filter.tenant.as_ref().map(|tenant| tenant.as_str().to_owned());
        let sources = match (filter.message, filter.endpoint) {
            (Some(id), _) => {
                let found = stored_message(session, id).await?;
                found.map(|message| Source::Message(Arc::new(message))).into_iter().collect()
            }
            (None, Some(endpoint)) => of_endpoint(endpoint, tenant.as_deref(), filter.status),
            (None, None) => of_tenant(tenant, filter.status),
        };
        Ok(Self { bounds, sources })
    }

    /// Reads on from the window's upper end.
    pub async fn step(&mut self, session: &Session, window: Window, rows: usize) -> Result<Reach> {
        let mut found: BTreeMap<u128, Option<Arc<Message>>> = BTreeMap::new();
        let (mut frontier, mut examined) = (None::<u128>, 0);
        for source in &self.sources {
            let (read, end) = read(session, self.bounds, source, window, rows, &mut found).await?;
            examined += read;
            frontier = frontier.max(end);
        }
        if let Some(frontier) = frontier {
            // Below it another source may still have something in between.
            found = found.split_off(&frontier);
        }
        let unknown = found.iter().filter(|(_, message)| message.is_none());
        let messages = messages_of(session, unknown.map(|(bits, _)| DeliveryId::from_bits(*bits).message())).await?;
        let candidates = found.into_iter().rev().filter_map(|(bits, message)| {
            let delivery = DeliveryId::from_bits(bits);
            message.or_else(|| messages.get(&delivery.message()).cloned()).map(|message| (delivery, message))
        });
        Ok(Reach { candidates: candidates.collect(), frontier, examined })
    }
}

fn of_endpoint(endpoint: EndpointId, tenant: Option<&str>, status: Option<DeliveryStatus>) -> Vec<Source> {
    let key = Key::Endpoint(endpoint.into());
    let succeeded = || Source::Ids(include_str!("../../sql/list_endpoint_succeeded.sql"), key.clone());
    let closed = || Source::Ids(include_str!("../../sql/list_endpoint_closed.sql"), key.clone());
    let due = || Source::Due(include_str!("../../sql/list_endpoint_due.sql"), key.clone());
    let in_batches = || Source::Batched(Key::Tenant(tenant.map(str::to_owned)));
    match status {
        Some(DeliveryStatus::Succeeded) => vec![succeeded()],
        Some(DeliveryStatus::Failed | DeliveryStatus::Cancelled) => vec![closed()],
        Some(DeliveryStatus::Pending) => vec![due(), in_batches()],
        None => vec![succeeded(), closed(), due(), in_batches()],
    }
}

fn of_tenant(tenant: Option<String>, status: Option<DeliveryStatus>) -> Vec<Source> {
    let Some(tenant) = tenant else {
        return match status {
            Some(DeliveryStatus::Failed | DeliveryStatus::Cancelled) => {
                vec![Source::Ids(include_str!("../../sql/list_closed.sql"), Key::None)]
            }
            _ => vec![Source::Messages(include_str!("../../sql/list_messages.sql"), Key::None)],
        };
    };
    let key = Key::Tenant(Some(tenant));
    match status {
        Some(DeliveryStatus::Failed | DeliveryStatus::Cancelled) => {
            vec![Source::Ids(include_str!("../../sql/list_tenant_closed.sql"), key)]
        }
        Some(DeliveryStatus::Pending) => {
            vec![Source::Due(include_str!("../../sql/list_tenant_due.sql"), key.clone()), Source::Batched(key)]
        }
        _ => vec![Source::Messages(include_str!("../../sql/list_tenant_messages.sql"), key)],
    }
}

/// Reads one source; says how many rows, and where it goes on.
async fn read(
    session: &Session,
    bounds: Bounds,
    source: &Source,
    window: Window,
    rows: usize,
    found: &mut BTreeMap<u128, Option<Arc<Message>>>,
) -> Result<(usize, Option<u128>)> {
    let read = match source {
        Source::Message(message) => {
            take_apart(message, window, found);
            return Ok((1, None));
        }
        Source::Ids(sql, key) | Source::Messages(sql, key) => by_days(session, bounds, sql, window, rows, key).await?,
        Source::Due(sql, key) => select(session, sql, window, rows, key).await?,
        Source::Batched(key) => {
            let Some(oldest) = bounds.oldest_batch else { return Ok((0, None)) };
            let window = Window { low: window.low.max(oldest), ..window };
            by_days(session, bounds, include_str!("../../sql/list_batch_messages.sql"), window, rows, key).await?
        }
    };
    let mut last = None;
    for row in &read {
        if let Source::Messages(..) | Source::Batched(_) = source {
            let message = Arc::new(message(row, 0)?);
            last = Some(message.id.bits());
            take_apart(&message, window, found);
        } else {
            // An attempt's id becomes its delivery's; a delivery's stays.
            let delivery = AttemptId::from_bits(get::<Uuid>(row, 0)?.0).delivery().bits();
            last = Some(delivery);
            if delivery >= window.low {
                found.entry(delivery).or_insert(None);
            }
        }
    }
    Ok((read.len(), last.filter(|_| read.len() == rows)))
}

/// Reads the newest day of the window first, and what is older only if that was not enough.
async fn by_days(
    session: &Session,
    bounds: Bounds,
    sql: &'static str,
    window: Window,
    rows: usize,
    key: &Key,
) -> Result<Rows> {
    if window.is_empty() {
        return Ok(Vec::new());
    }
    let day = bounds.day_below(window.before);
    let mut read = select(session, sql, Window { low: window.low.max(day), ..window }, rows, key).await?;
    if read.len() < rows && window.low < day {
        let older = Window { before: day, ..window };
        read.extend(select(session, sql, older, rows - read.len(), key).await?);
    }
    Ok(read)
}

fn take_apart(message: &Arc<Message>, window: Window, found: &mut BTreeMap<u128, Option<Arc<Message>>>) {
    for (delivery, _) in message.deliveries() {
        if delivery.bits() < window.before && delivery.bits() >= window.low {
            found.insert(delivery.bits(), Some(message.clone()));
        }
    }
}

async fn select(session: &Session, sql: &'static str, window: Window, rows: usize, key: &Key) -> Result<Rows> {
    let (before, low) = (Uuid(window.before), Uuid(window.low));
    let limit = i64::try_from(rows).unwrap_or(i64::MAX);
    let mut params: Vec<&dyn Param> = vec![&before, &low, &limit];
    match key {
        Key::None => {}
        Key::Endpoint(endpoint) => params.push(endpoint),
        Key::Tenant(tenant) => params.push(tenant),
    }
    one(session, Call::Query(sql, params)).await
}

async fn messages_of(
    session: &Session,
    ids: impl Iterator<Item = MessageId>,
) -> Result<HashMap<MessageId, Arc<Message>>> {
    let mut ids: Vec<Uuid> = ids.map(Uuid::from).collect();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = session.query(include_str!("../../sql/messages_by_id.sql"), &[&ids]).await?;
    rows.iter().map(|row| message(row, 0).map(|message| (message.id, Arc::new(message)))).collect()
}

/// A page of messages.
pub(super) async fn messages(
    session: &Session,
    bounds: Bounds,
    filter: &MessageFilter,
    page: Page,
) -> Result<Slice<Message>> {
    let mut items = Vec::new();
    let limit = usize::try_from(page.limit.max(1)).unwrap_or(usize::MAX);
    let mut window = Window::of(filter.since, filter.until, page.before);
    let mut left = usize::try_from(MAX_EXAMINED).unwrap_or(usize::MAX);
    let mut step = limit.saturating_add(1).clamp(64, 1_000);
    let (sql, key) = match filter.tenant.as_ref().map(Tenant::as_str) {
        Some(tenant) => (include_str!("../../sql/list_tenant_messages.sql"), Key::Tenant(Some(tenant.to_owned()))),
        None => (include_str!("../../sql/list_messages.sql"), Key::None),
    };
    while !window.is_empty() && left > 0 {
        step = step.min(left);
        let rows = by_days(session, bounds, sql, window, step, &key).await?;
        left -= rows.len();
        for (index, row) in rows.iter().enumerate() {
            let message = message(row, 0)?;
            window.before = message.id.bits();
            if filter.shows(&message) {
                items.push(message);
                if items.len() == limit {
                    let more = rows.len() == step || index + 1 < rows.len();
                    return Ok(Slice { items, next: more.then_some(window.before) });
                }
            }
        }
        if rows.len() < step {
            return Ok(Slice { items, next: None });
        }
    }
    let next = (!window.is_empty()).then_some(window.before);
    Ok(Slice { items, next })
}
