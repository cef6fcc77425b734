//! The newest deliveries of many messages, or to many endpoints, in one snapshot.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use posthaste_core::{AttemptId, Delivery, DeliveryId, DeliveryStatus, EndpointId, Message, MessageId, Target, Tenant};
use posthaste_store::relations::{FirstPages, Firsts};
use posthaste_store::{Result, Slice};

use super::messages;
use crate::history::placed;
use crate::param::Uuid;
use crate::rows::{get, message};
use crate::session::{Call, Session};

/// How many deliveries one statement looks up.
const AT_ONCE: usize = 500;
/// How many messages of live batches are read for all endpoints together.
const IN_BATCHES: i64 = 500;

/// One parent's deliveries, as far as they were looked for.
struct Parent<K> {
    key: K,
    /// Newest first; complete down to the frontier.
    candidates: Vec<(DeliveryId, Target, Arc<Message>)>,
    /// Where to go on; `None`: there is nothing more.
    frontier: Option<u128>,
}

/// The newest deliveries of each message.
pub(super) async fn of_messages(
    session: &Session,
    firsts: &Firsts,
    ids: &[MessageId],
) -> Result<FirstPages<MessageId, Delivery>> {
    let each = firsts.examined(ids.len());
    let known = messages(session, firsts.tenant.as_ref(), ids).await?;
    let parents = known.into_iter().map(|message| {
        let message = Arc::new(message);
        let mut owed = message.deliveries().rev().filter(|(_, target)| target.endpoint.bits() != 0);
        let candidates: Vec<_> =
            owed.by_ref().take(each).map(|(id, target)| (id, target, Arc::clone(&message))).collect();
        let more = owed.next().is_some();
        let frontier = candidates.last().map(|(id, ..)| id.bits()).filter(|_| more);
        Parent { key: message.id, candidates, frontier }
    });
    shown(session, firsts, parents.collect()).await
}

/// The newest deliveries to each endpoint.
pub(super) async fn of_endpoints(
    session: &Session,
    firsts: &Firsts,
    endpoints: &[EndpointId],
) -> Result<FirstPages<EndpointId, Delivery>> {
    let each = firsts.examined(endpoints.len());
    let mut looks: HashMap<EndpointId, Look> = endpoints.iter().map(|id| (*id, Look::default())).collect();
    let keys: Vec<Uuid> = endpoints.iter().copied().map(Uuid::from).collect();
    let limit = i64::try_from(each).unwrap_or(i64::MAX);
    let indexes = indexes(firsts.status);
    let calls = indexes.iter().map(|sql| Call::Query(sql, vec![&keys, &limit])).collect();
    for rows in session.pipeline(calls).await? {
        let mut found: HashMap<EndpointId, Vec<DeliveryId>> = HashMap::new();
        for row in &rows {
            let place = usize::try_from(get::<i64>(row, 0)?).unwrap_or(0);
            let Some(endpoint) = place.checked_sub(1).and_then(|place| endpoints.get(place)) else { continue };
            // An attempt's id becomes its delivery's; a delivery's stays.
            let id = AttemptId::from_bits(get::<Uuid>(row, 1)?.0).delivery();
            found.entry(*endpoint).or_default().push(id);
        }
        for (endpoint, ids) in found {
            let Some(look) = looks.get_mut(&endpoint) else { continue };
            if ids.len() >= each {
                look.frontier = look.frontier.max(ids.last().map(|id| id.bits()));
            }
            look.found.extend(ids.into_iter().map(|id| (id.bits(), None)));
        }
    }
    if matches!(firsts.status, None | Some(DeliveryStatus::Pending)) {
        in_batches(session, firsts.tenant.as_ref(), &mut looks).await?;
    }
    let mut parents = Vec::with_capacity(looks.len());
    for (key, look) in looks {
        parents.push((key, look.newest(each)));
    }
    shown(session, firsts, with_messages(session, firsts, parents).await?).await
}

fn indexes(status: Option<DeliveryStatus>) -> Vec<&'static str> {
    let succeeded = include_str!("../../sql/firsts_succeeded.sql");
    let closed = include_str!("../../sql/firsts_closed.sql");
    let due = include_str!("../../sql/firsts_due.sql");
    match status {
        Some(DeliveryStatus::Succeeded) => vec![succeeded],
        Some(DeliveryStatus::Failed | DeliveryStatus::Cancelled) => vec![closed],
        Some(DeliveryStatus::Pending) => vec![due],
        None => vec![succeeded, closed, due],
    }
}

/// What was found of one endpoint's deliveries in all the places.
#[derive(Default)]
struct Look {
    found: BTreeMap<u128, Option<Arc<Message>>>,
    frontier: Option<u128>,
}

/// Candidates newest first, and where to go on.
type Newest = (Vec<(DeliveryId, Option<Arc<Message>>)>, Option<u128>);

impl Look {
    fn newest(mut self, most: usize) -> Newest {
        if let Some(frontier) = self.frontier {
            // Below it another place may still have something in between.
            self.found = self.found.split_off(&frontier);
        }
        let more = self.found.len() > most;
        let newest: Vec<_> = self
            .found
            .into_iter()
            .rev()
            .take(most)
            .map(|(bits, message)| (DeliveryId::from_bits(bits), message))
            .collect();
        let last = newest.last().map(|(id, _)| id.bits());
        (newest, if more { last } else { self.frontier })
    }
}

/// Adds what is in live batches, read once for all endpoints.
async fn in_batches(session: &Session, tenant: Option<&Tenant>, looks: &mut HashMap<EndpointId, Look>) -> Result<()> {
    let bounds = session.query(include_str!("../../sql/list_bounds.sql"), &[]).await?;
    let Some(low) = bounds.first().map_or(Ok(None), |row| get::<Option<Uuid>>(row, 1))? else { return Ok(()) };
    let (before, tenant) = (Uuid(u128::MAX), tenant.map(Tenant::as_str));
    let sql = include_str!("../../sql/list_batch_messages.sql");
    let rows = session.query(sql, &[&before, &low, &IN_BATCHES, &tenant]).await?;
    let mut last = None;
    for row in &rows {
        let message = Arc::new(message(row, 0)?);
        last = Some(message.id.bits());
        for (id, target) in message.deliveries() {
            if let Some(look) = looks.get_mut(&target.endpoint) {
                look.found.insert(id.bits(), Some(Arc::clone(&message)));
            }
        }
    }
    if i64::try_from(rows.len()).unwrap_or(i64::MAX) >= IN_BATCHES {
        for look in looks.values_mut() {
            look.frontier = look.frontier.max(last);
        }
    }
    Ok(())
}

/// Reads the messages that are not known yet, and leaves out what is not there or another tenant's.
async fn with_messages(
    session: &Session,
    firsts: &Firsts,
    parents: Vec<(EndpointId, Newest)>,
) -> Result<Vec<Parent<EndpointId>>> {
    let all = parents.iter().flat_map(|(_, (newest, _))| newest);
    let unknown: Vec<MessageId> = all.filter(|(_, message)| message.is_none()).map(|(id, _)| id.message()).collect();
    let read = messages(session, firsts.tenant.as_ref(), &unknown).await?;
    let read: HashMap<MessageId, Arc<Message>> =
        read.into_iter().map(|message| (message.id, Arc::new(message))).collect();
    let parent = |(key, (newest, frontier)): (EndpointId, Newest)| {
        let candidates = newest.into_iter().filter_map(|(id, message)| {
            let message = message.or_else(|| read.get(&id.message()).cloned())?;
            let target = message.target(id).filter(|target| target.endpoint == key)?;
            Some((id, target, message))
        });
        Parent { key, candidates: candidates.collect(), frontier }
    };
    Ok(parents.into_iter().map(parent).collect())
}

/// Looks all candidates up and shows of each parent as many as fit.
async fn shown<K: Eq + Hash>(
    session: &Session,
    firsts: &Firsts,
    parents: Vec<Parent<K>>,
) -> Result<FirstPages<K, Delivery>> {
    let wanted: Vec<(DeliveryId, Target, &Message)> = parents
        .iter()
        .flat_map(|parent| parent.candidates.iter().map(|(id, target, message)| (*id, *target, &**message)))
        .collect();
    let mut found: HashMap<DeliveryId, Delivery> = HashMap::with_capacity(wanted.len());
    for chunk in wanted.chunks(AT_ONCE) {
        found.extend(placed(session, chunk).await?.into_iter().map(|delivery| (delivery.id, delivery)));
    }
    let length = usize::try_from(firsts.limit.max(1)).unwrap_or(usize::MAX);
    let page = |parent: Parent<K>| {
        let mut items: Vec<Delivery> = Vec::new();
        for (id, ..) in &parent.candidates {
            let Some(delivery) = found.remove(id) else { continue };
            if firsts.status.is_some_and(|status| status != delivery.status()) {
                continue;
            }
            if items.len() == length {
                let next = items.last().map(|last| last.id.bits());
                return (parent.key, Slice { items, next });
            }
            items.push(delivery);
        }
        (parent.key, Slice { items, next: parent.frontier })
    };
    Ok(parents.into_iter().map(page).collect())
}
