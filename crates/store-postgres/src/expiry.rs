//! Ending what waits of messages whose time is over.

use posthaste_core::{CloseReason, DeliveryId, EndpointId, MessageId, Timestamp};
use posthaste_store::Result;
use posthaste_store::retention::Expired;

use crate::PostgresStore;
use crate::cancel::{cancel, stored_message};
use crate::param::Uuid;
use crate::rows::get;
use crate::session::Session;

/// How many deliveries one transaction ends.
const AT_ONCE: usize = 500;

impl PostgresStore {
    pub(crate) async fn end_expired(&self, before: Timestamp, now: Timestamp, limit: u32) -> Result<Expired> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/expired.sql"), &[&before.as_micros(), &i64::from(limit)]).await?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut expired = Expired { ended: Vec::new(), more: rows.len() >= most };
        let (mut at, mut ids): (Vec<i64>, Vec<Uuid>) = (Vec::new(), Vec::new());
        for row in &rows {
            let id: Uuid = get(row, 1)?;
            if get(row, 3)? && !end(&session, id.id(), get(row, 2)?, now, &mut expired.ended).await? {
                expired.more = true;
            } else {
                at.push(get(row, 0)?);
                ids.push(id);
            }
            if expired.ended.len() >= most {
                expired.more = true;
                break;
            }
        }
        session.query(include_str!("../sql/delete_expiring.sql"), &[&at, &ids]).await?;
        Ok(expired)
    }
}

/// Ends some of a message's waiting deliveries; says whether those were all.
async fn end(
    session: &Session,
    id: MessageId,
    tenant: &str,
    now: Timestamp,
    ended: &mut Vec<DeliveryId>,
) -> Result<bool> {
    let Some(message) = stored_message(session, id).await? else { return Ok(true) };
    let last = Uuid(id.last_child_bits());
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let sql = include_str!("../sql/waiting_of_message.sql");
    let rows = session.query(sql, &[&tenant, &Uuid::from(id), &last, &limit]).await?;
    let waiting: Vec<(DeliveryId, EndpointId)> =
        rows.iter().map(|row| Ok((get::<Uuid>(row, 0)?.id(), get::<Uuid>(row, 1)?.id()))).collect::<Result<_>>()?;
    let closed = cancel(session, &message, &waiting, CloseReason::Expired, now).await?;
    ended.extend(closed.into_iter().map(|closed| closed.delivery));
    Ok(waiting.len() < AT_ONCE)
}
