//! Publishing inside the caller's own transaction on PostgreSQL.

use posthaste_core::MessageId;
pub use posthaste_store_postgres::{GenericClient, tokio_postgres};

use crate::{Error, Message};

/// Publishes inside the caller's own transaction (or at once, on a plain client of `tokio-postgres`): the message is
/// delivered if and only if that commits, normally within half a second after it. Any process on the database sends it;
/// this one need not run.
pub async fn publish_in(client: &impl GenericClient, message: &Message) -> Result<MessageId, Error> {
    Ok(posthaste_store_postgres::publish_in(client, &message.row()).await?)
}
