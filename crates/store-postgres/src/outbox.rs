//! [`Outbox`], and its other end: publishing inside an application's own transaction.

use async_trait::async_trait;
use posthaste_core::{MessageId, Timestamp};
use posthaste_store::outbox::OutboxRow;
use posthaste_store::{Outbox, Result};
use tokio_postgres::{GenericClient, Row};

use crate::PostgresStore;
use crate::fault::{Unreadable, classify};
use crate::param::Uuid;
use crate::rows::get;

fn outbox_row(row: &Row) -> Result<OutboxRow> {
    Ok(OutboxRow {
        n: get(row, 0)?,
        id: get::<Uuid>(row, 1)?.id(),
        at: Timestamp::from_micros(get(row, 2)?),
        draft: get(row, 3)?,
    })
}

#[async_trait]
impl Outbox for PostgresStore {
    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxRow>> {
        let session = self.working.take().await?;
        let sql = "SELECT n, id, at, draft FROM posthaste.outbox ORDER BY n LIMIT $1";
        let rows = session.query(sql, &[&i64::from(limit)]).await?;
        rows.iter().map(outbox_row).collect()
    }

    async fn outbox_row(&self, id: MessageId) -> Result<Option<OutboxRow>> {
        let session = self.working.take().await?;
        let sql = "SELECT n, id, at, draft FROM posthaste.outbox WHERE id = $1";
        let rows = session.query(sql, &[&Uuid::from(id)]).await?;
        rows.first().map(outbox_row).transpose()
    }

    async fn leave_in_outbox(&self, row: &OutboxRow) -> Result<()> {
        let session = self.working.take().await?;
        // The same again, after a reply that was lost, leaves it once.
        let sql = "INSERT INTO posthaste.outbox (id, at, draft) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        session.query(sql, &[&Uuid::from(row.id), &row.at.as_micros(), &row.draft]).await?;
        Ok(())
    }
}

/// A message for [`publish_in`].
#[derive(Debug, Clone, Default)]
pub struct OutboxMessage {
    /// The topic. If there is none of that name when the message is taken in, it is kept as a rejected message.
    pub topic: String,
    /// The payload: a JSON document.
    pub payload: String,
    /// Whose; `None`: `default`.
    pub tenant: Option<String>,
    /// What makes a repeat the same publish.
    pub idempotency_key: Option<String>,
    /// Not to be sent before.
    pub deliver_at: Option<Timestamp>,
    /// The label of what belongs in order.
    pub ordering_key: Option<String>,
}

/// Publishes inside the caller's own transaction (or at once, on a plain client): the message is delivered if and only
/// if that commits. Runs `posthaste.publish` there, so the caller's role needs `EXECUTE` on it.
pub async fn publish_in(client: &impl GenericClient, message: &OutboxMessage) -> Result<MessageId> {
    let tenant = message.tenant.as_deref().unwrap_or("default");
    let deliver_at = message.deliver_at.map(|at| at.to_string());
    let row = client
        .query_one(
            "SELECT posthaste.publish(topic => $1::text, payload => $2::text::jsonb, tenant => $3::text,
                 idempotency_key => $4::text, deliver_at => $5::text::timestamptz, ordering_key => $6::text)",
            &[&message.topic, &message.payload, &tenant, &message.idempotency_key, &deliver_at, &message.ordering_key],
        )
        .await
        .map_err(classify)?;
    get::<&str>(&row, 0)?.parse().map_err(|_| Unreadable("message id").into())
}
