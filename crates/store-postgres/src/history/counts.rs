//! Counts, each of them bounded.

use posthaste_core::{EndpointId, MessageId, Tenant, Timestamp};
use posthaste_store::history::{EndpointActivity, MAX_EXAMINED, Stats};
use posthaste_store::{Result, StoreError};

use crate::catalog::SNAPSHOT;
use crate::param::Uuid;
use crate::rows::get;
use crate::session::{Call, Session};

fn accepted_at(id: Option<Uuid>) -> Option<Timestamp> {
    id.map(|id| MessageId::from_bits(id.0).timestamp())
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// What happened at an endpoint.
pub(super) async fn activity(session: &Session, endpoint: EndpointId, since: Timestamp) -> Result<EndpointActivity> {
    let (endpoint, since) = (Uuid::from(endpoint), since.as_micros());
    let (most, cap) = (i64::from(MAX_EXAMINED), i64::try_from(Stats::CAP).unwrap_or(i64::MAX));
    let answers = session
        .open(
            SNAPSHOT,
            vec![
                Call::Query(include_str!("../../sql/endpoint_durations.sql"), vec![&endpoint, &since, &most]),
                Call::Query(include_str!("../../sql/endpoint_activity.sql"), vec![&endpoint, &since, &most, &cap]),
            ],
        )
        .await?;
    session.commit(Vec::new()).await?;
    let [durations, counts] = answers.as_slice() else {
        return Err(StoreError::internal("a pipeline was not answered whole"));
    };
    let row = counts.first().ok_or_else(|| StoreError::internal("a statement that always answers did not"))?;
    Ok(EndpointActivity {
        success_micros: durations.iter().map(|row| Ok(unsigned(get(row, 0)?))).collect::<Result<_>>()?,
        failed_attempts: unsigned(get(row, 0)?),
        failed_deliveries: unsigned(get(row, 1)?),
        pending: unsigned(get(row, 2)?),
        oldest_pending_at: accepted_at(get(row, 3)?),
        last_error: get(row, 4)?,
        last_success_at: crate::param::instant(get(row, 5)?),
    })
}

/// Counts over everything, or one tenant.
pub(super) async fn stats(session: &Session, tenant: Option<&Tenant>) -> Result<Stats> {
    let cap = i64::try_from(Stats::CAP).unwrap_or(i64::MAX);
    let tenant = tenant.map(Tenant::as_str);
    let rows = match &tenant {
        Some(tenant) => session.query(include_str!("../../sql/stats_tenant.sql"), &[&cap, tenant]).await?,
        None => session.query(include_str!("../../sql/stats.sql"), &[&cap]).await?,
    };
    let row = rows.first().ok_or_else(|| StoreError::internal("a statement that always answers did not"))?;
    Ok(Stats {
        waiting: unsigned(get(row, 0)?),
        in_batches: unsigned(get(row, 1)?),
        failed: unsigned(get(row, 2)?),
        oldest_pending_at: accepted_at(get(row, 3)?),
        endpoints: unsigned(get(row, 4)?),
    })
}
