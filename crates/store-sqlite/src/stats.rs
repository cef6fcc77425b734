//! Counts that stay cheap: each stops at a bound.

use posthaste_core::id::BatchId;
use posthaste_core::{DeliveryId, EndpointId, MessageId, Target, Tenant, Timestamp};
use posthaste_store::history::{EndpointActivity, MAX_EXAMINED, Stats};
use rusqlite::{Connection, Params, params};

use crate::accept;
use crate::fault::Fault;
use crate::rows;

/// [`Stats::CAP`] as SQL takes it.
const CAP: i64 = Stats::CAP.cast_signed();

fn count(connection: &Connection, sql: &str, params: impl Params) -> Result<u64, Fault> {
    let counted: i64 = connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
    Ok(counted.unsigned_abs())
}

fn oldest(connection: &Connection, sql: &str, params: impl Params) -> Result<Option<Timestamp>, Fault> {
    let id: Option<[u8; 16]> = connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
    Ok(id.map(|id| DeliveryId::from_bytes(id).timestamp()))
}

pub(crate) fn stats(connection: &Connection, tenant: Option<&Tenant>) -> Result<Stats, Fault> {
    let (in_batches, oldest_in_batches) = in_batches(connection, tenant)?;
    let (waiting, failed, oldest_waiting, endpoints) = match tenant {
        Some(tenant) => {
            let tenant = tenant.as_str();
            (
                count(connection, sql!("stats/waiting_of_tenant"), params![CAP, tenant])?,
                count(connection, sql!("stats/failed_of_tenant"), params![CAP, tenant])?,
                oldest(connection, sql!("stats/oldest_of_tenant"), [tenant])?,
                count(connection, sql!("stats/endpoints_of_tenant"), [tenant])?,
            )
        }
        None => (
            count(connection, sql!("stats/waiting"), [CAP])?,
            count(connection, sql!("stats/failed"), [CAP])?,
            oldest(connection, sql!("stats/oldest"), [])?,
            count(connection, sql!("stats/endpoints"), [])?,
        ),
    };
    let oldest_pending_at = oldest_waiting.into_iter().chain(oldest_in_batches).min();
    Ok(Stats { waiting, in_batches, failed, oldest_pending_at, endpoints })
}

/// How many targets the live batches' messages have, and when the first of those messages was accepted.
fn in_batches(connection: &Connection, tenant: Option<&Tenant>) -> Result<(u64, Option<Timestamp>), Fault> {
    let mut batches = connection.prepare_cached(sql!("stats/batches"))?;
    let mut found = batches.query([MAX_EXAMINED])?;
    let mut messages = connection.prepare_cached(sql!("stats/batch_messages"))?;
    let (mut targets, mut oldest, mut examined) = (0_u64, None, 0_u32);
    while let Some(row) = found.next()? {
        let batch: BatchId = rows::id(row, 0)?;
        let mut found = messages.query(accept::batch_range(batch))?;
        while let Some(row) = found.next()? {
            examined += 1;
            if targets >= Stats::CAP || examined > MAX_EXAMINED {
                return Ok((targets.min(Stats::CAP), oldest));
            }
            if tenant.is_none_or(|tenant| row.get_ref(0).is_ok_and(|name| name.as_str() == Ok(tenant.as_str()))) {
                let packed: u32 = row.get(1)?;
                targets += u64::from(packed.saturating_sub(1)) / Target::PACKED as u64;
                let id: MessageId = rows::id(row, 2)?;
                oldest.get_or_insert(id.timestamp());
            }
        }
    }
    Ok((targets.min(Stats::CAP), oldest))
}

pub(crate) fn endpoint_activity(
    connection: &Connection,
    endpoint: EndpointId,
    since: Timestamp,
) -> Result<EndpointActivity, Fault> {
    let mut activity = EndpointActivity::default();
    let mut attempts = connection.prepare_cached(sql!("stats/attempts"))?;
    let mut found = attempts.query(params![endpoint.to_bytes(), true, MAX_EXAMINED])?;
    while let Some(row) = found.next()? {
        let at = rows::at(row, 0)?;
        activity.last_success_at = activity.last_success_at.max(Some(at));
        if at >= since {
            activity.success_micros.push(row.get::<_, i64>(1)?.unsigned_abs());
        }
    }
    drop(found);
    let mut found = attempts.query(params![endpoint.to_bytes(), false, MAX_EXAMINED])?;
    let mut newest = None;
    while let Some(row) = found.next()? {
        let at = rows::at(row, 0)?;
        activity.failed_attempts += u64::from(at >= since);
        if newest < Some(at) {
            newest = Some(at);
            activity.last_error = row.get(2)?;
        }
    }
    activity.failed_deliveries = count(
        connection,
        sql!("stats/failed_of_endpoint"),
        params![endpoint.to_bytes(), since.as_micros(), MAX_EXAMINED],
    )?;
    activity.pending = count(connection, sql!("stats/waiting_of_endpoint"), params![CAP, endpoint.to_bytes()])?;
    activity.oldest_pending_at = oldest(connection, sql!("stats/oldest_of_endpoint"), [endpoint.to_bytes()])?;
    Ok(activity)
}
