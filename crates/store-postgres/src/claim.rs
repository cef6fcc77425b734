//! Taking over what nobody live owns.

use std::collections::HashSet;

use posthaste_core::id::{BatchId, NodeId};
use posthaste_core::{DeliveryId, Message};
use posthaste_store::queue::Unsent;
use posthaste_store::{Claimed, Result, StoreError};

use crate::PostgresStore;
use crate::lanes::{Kept, read_messages};
use crate::param::Uuid;
use crate::place::Wanted;
use crate::record::batch_bound;
use crate::rows::get;
use crate::session::{Call, Session};

/// Deliveries that one statement looks for.
const PLACED_AT_ONCE: usize = 2_000;

impl PostgresStore {
    pub(crate) async fn claim(&self, node: NodeId, limit: u32) -> Result<Vec<Claimed>> {
        let session = self.working.take().await?;
        let node = Uuid::from(node);
        let limit = i64::from(limit);
        let answers = session
            .open(
                "",
                vec![
                    Call::Query(include_str!("../sql/fence.sql"), vec![&node]),
                    Call::Query(include_str!("../sql/claim_batches.sql"), vec![&limit]),
                ],
            )
            .await?;
        let [fence, free] = answers.as_slice() else {
            return Err(StoreError::internal("a pipeline was not answered whole"));
        };
        if fence.is_empty() {
            session.roll_back().await?;
            return Err(StoreError::LeaseLost);
        }
        let mut locked: Vec<Uuid> = free.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
        if i64::try_from(locked.len()).unwrap_or(i64::MAX) < limit {
            let rows = session.query(include_str!("../sql/await_batches.sql"), &[&limit]).await?;
            locked = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
        }
        let rows = session.query(include_str!("../sql/free_batches.sql"), &[&locked]).await?;
        let batches: Vec<BatchId> = rows.iter().map(|row| Ok(get::<Uuid>(row, 0)?.id())).collect::<Result<_>>()?;
        let (mut claimed, mut empty) = (Vec::new(), Vec::new());
        for batch in batches {
            let left = left_of(&session, batch).await?;
            if left.is_empty() {
                empty.push(Uuid::from(batch));
            } else {
                claimed.push(Claimed { batch, left });
            }
        }
        let owned: Vec<Uuid> = claimed.iter().map(|claimed| claimed.batch.into()).collect();
        session
            .commit(vec![
                Call::Query(include_str!("../sql/own_batches.sql"), vec![&node, &owned]),
                Call::Query(include_str!("../sql/finish_batches.sql"), vec![&empty]),
            ])
            .await?;
        Ok(claimed)
    }
}

/// What is left of a locked batch. Under that lock nothing leaves it for `due` or `closed`; what has left it before is
/// seen, wherever it is now, because one statement looks at every place.
async fn left_of(session: &Session, batch: BatchId) -> Result<Vec<Unsent>> {
    let batch_id = Uuid::from(batch);
    let rows = session
        .query(include_str!("../sql/messages_between.sql"), &[&batch_id, &batch_bound(batch), &batch_id])
        .await?;
    let mut kept: Vec<Kept> = read_messages(&rows)?.into_values().collect();
    kept.sort_unstable_by_key(|(message, _)| message.id);
    let left = left_among(session, kept.iter().map(|(message, _)| &**message)).await?;
    let unsent = kept.into_iter().filter_map(|(message, payload)| {
        let deliveries: Vec<DeliveryId> =
            message.deliveries().map(|(delivery, _)| delivery).filter(|delivery| left.contains(delivery)).collect();
        (!deliveries.is_empty()).then_some(Unsent { message, payload, deliveries })
    });
    Ok(unsent.collect())
}

async fn left_among(session: &Session, messages: impl Iterator<Item = &Message>) -> Result<HashSet<DeliveryId>> {
    let mut left = HashSet::new();
    let mut wanted = Wanted::default();
    for message in messages {
        for (delivery, target) in message.deliveries() {
            // An erased delivery's target is blank: it is owed to nobody.
            if target.endpoint.bits() == 0 {
                continue;
            }
            wanted.push(delivery, target, message.batch);
            if wanted.len() == PLACED_AT_ONCE {
                left.extend(still_left(session, &wanted).await?);
                wanted = Wanted::default();
            }
        }
    }
    left.extend(still_left(session, &wanted).await?);
    Ok(left)
}

async fn still_left(session: &Session, wanted: &Wanted) -> Result<Vec<DeliveryId>> {
    let found = wanted.find(session).await?;
    Ok(found.iter().filter(|found| found.is_left()).map(|found| found.delivery).collect())
}
