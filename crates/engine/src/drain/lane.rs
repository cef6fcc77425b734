//! Reads one lane as far as there is room for its rows.

use std::time::Duration;

use posthaste_core::Timestamp;
use posthaste_store::StoreError;
use posthaste_store::queue::{DueDelivery, From, ReadyLane, Rest};

use crate::Engine;
use crate::dispatch::job::{Job, Told};
use crate::dispatch::outlet::Terms;
use crate::dispatch::reading::{Cursor, Look, Taken};
use crate::lease::Fence;

/// How long a lane without room is left alone, lest the full ones fill every poll; it is read earlier when it has room.
const FULL: Duration = Duration::from_millis(500);
/// The same for a lane in an order of which nothing is in memory: an endpoint may have very many of them.
const CROWDED: Duration = Duration::from_secs(2);
/// The most rows read of one lane at once.
const ROWS: u32 = 500;

/// Reads one lane.
pub async fn read(engine: &Engine, fence: Fence, lane: ReadyLane, now: Timestamp) -> Result<(), StoreError> {
    let Some(terms) = terms(engine, &lane).await? else {
        return rest(engine, fence, &lane, Rest::Asleep).await;
    };
    // What waits for an endpoint that is gone is ended now, whenever it would have been due.
    let due = if terms.gone { Timestamp::FAR_FUTURE } else { now };
    let blocked = engine.0.dispatch.gate().blocked(lane.lane.endpoint, now);
    if let Some((until, _)) = blocked.filter(|(until, _)| *until > now && !terms.gone) {
        return rest(engine, fence, &lane, Rest::Until(until)).await;
    }
    match engine.0.dispatch.look(lane.lane, &lane.tenant, terms, ROWS, now) {
        Look::Full => {
            let known = engine.0.dispatch.leave_unread(lane.lane, lane.writes);
            let pause = if known == Taken::Some { FULL } else { CROWDED };
            rest(engine, fence, &lane, Rest::Until(now + pause)).await
        }
        Look::Read { limit, .. } if lane.lane.is_ordered() => read_ordered(engine, fence, lane, limit, due).await,
        Look::Read { limit, cursor } => read_unordered(engine, fence, lane, limit, cursor, due).await,
    }
}

/// What the lane's endpoint allows; `None` while it does not send.
///
/// A lane that is ready although its endpoint is stopped, or not there, may have been woken by the very change that
/// starts it, or makes it: before it is laid to rest the catalog is read again.
async fn terms(engine: &Engine, lane: &ReadyLane) -> Result<Option<Terms>, StoreError> {
    let (mut view, _) = engine.0.catalog.view(&lane.tenant).await?;
    if view.endpoint(lane.lane.endpoint).is_none_or(|known| !known.endpoint.state.sends()) {
        engine.catalog_changed().await?;
        (view, _) = engine.0.catalog.view(&lane.tenant).await?;
    }
    Ok(match view.endpoint(lane.lane.endpoint) {
        Some(known) => known.endpoint.state.sends().then(|| Terms::of(&known.endpoint.settings)),
        // Deleted: what waits is ended, as fast as it can be read.
        None => Some(Terms::of_nobody(ROWS)),
    })
}

async fn read_unordered(
    engine: &Engine,
    fence: Fence,
    lane: ReadyLane,
    limit: u32,
    cursor: Cursor,
    due: Timestamp,
) -> Result<(), StoreError> {
    let (endpoint, now) = (lane.lane.endpoint, engine.0.clock.now());
    let rows = match engine.0.store.lane_due(endpoint, cursor.after, due, limit).await {
        Ok(rows) => rows,
        Err(error) => {
            engine.0.dispatch.took_nothing(endpoint, now);
            return Err(error);
        }
    };
    let after = rows.last().map(|row| (row.due.due_at, row.due.delivery));
    let more = u32::try_from(rows.len()).unwrap_or(u32::MAX) >= limit;
    // The lane of an endpoint that is gone is looked at until nothing is left, and goes away then.
    let next = if due > now && !rows.is_empty() { Rest::Until(now + FULL) } else { Rest::UntilAfter(due) };
    let jobs = rows.into_iter().filter_map(|row| job(engine, fence, row)).collect();
    // What the lane had seen when the pass began: rows that came since may stand before the cursor.
    let writes = cursor.writes.or((lane.writes >= 0).then_some(lane.writes));
    let cursor = if more { Cursor { after, more, writes } } else { Cursor::default() };
    engine.0.dispatch.take_due(endpoint, fence.epoch, jobs, cursor, now);
    match writes {
        // The pass is at its end: everything due by then is in memory. If rows came meanwhile the lane stays ready.
        Some(writes) if !more => rest(engine, fence, &ReadyLane { writes, ..lane }, next).await,
        _ => Ok(()),
    }
}

/// An ordered lane is read from its head, whenever its rows are due: the first that is not yet due ends what may come
/// into memory, because nothing may pass it.
async fn read_ordered(
    engine: &Engine,
    fence: Fence,
    lane: ReadyLane,
    limit: u32,
    until: Timestamp,
) -> Result<(), StoreError> {
    let now = engine.0.clock.now();
    let rows = match engine.0.store.lane_head(lane.lane, limit).await {
        Ok(rows) => rows,
        Err(error) => {
            engine.0.dispatch.took_nothing(lane.lane.endpoint, now);
            return Err(error);
        }
    };
    let read = rows.len();
    let due: Vec<DueDelivery> = rows.into_iter().take_while(|row| row.due.due_at <= until).collect();
    let more = due.len() == read && u32::try_from(read).unwrap_or(u32::MAX) >= limit;
    let jobs = due.into_iter().filter_map(|row| job(engine, fence, row)).collect();
    let next = match engine.0.dispatch.take_ordered(lane.lane, fence.epoch, jobs, more, now) {
        // Its first row is due and on its way, so by the rows alone the lane would always be ready.
        Taken::Some => Rest::Until(now + FULL),
        Taken::None => Rest::UntilAfter(until),
    };
    rest(engine, fence, &lane, next).await
}

async fn rest(engine: &Engine, fence: Fence, lane: &ReadyLane, rest: Rest) -> Result<(), StoreError> {
    if lane.writes >= 0 {
        engine.0.store.rest_lane(fence.node, lane.lane, lane.writes, rest).await?;
    }
    Ok(())
}

fn job(engine: &Engine, fence: Fence, row: DueDelivery) -> Option<Job> {
    let Some(message) = row.message else {
        // Without its message nothing can be said of it, not even whose it is to close; the store's invariants exclude
        // it, so it is reported and left.
        tracing::error!(delivery = %row.due.delivery, "a waiting delivery has no message");
        engine.0.metrics.broken_invariants.inc();
        return None;
    };
    let told = if row.due.sending_by.is_none() { Told::All } else { Told::PerhapsNotAll };
    Some(Job {
        delivery: row.due.delivery,
        endpoint: row.due.endpoint,
        order: row.due.order,
        message,
        payload: row.payload,
        from: From::Due { attempts: row.due.progress.attempts },
        progress: row.due.progress,
        told,
        epoch: fence.epoch,
    })
}
