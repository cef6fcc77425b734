//! [`Directory`]: the catalog as people read it.

use async_trait::async_trait;
use posthaste_core::endpoint::{EndpointSettings, EndpointState, SealedSecrets};
use posthaste_core::{ApiKey, Endpoint, EndpointId, KeyId, Tenant, Timestamp, Topic, TopicName};
use posthaste_store::catalog::{EndpointFilter, TopicFilter};
use posthaste_store::{Directory, Page, Result, Slice};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::catalog::COMMON;
use crate::fault::Unreadable;
use crate::param::{Uuid, count, instant, stored};
use crate::rows::{document, get, tenant};

/// `id, tenant, name, details, revision, created_at, updated_at`.
pub(crate) fn topic(row: &Row) -> Result<Topic> {
    let owner: &str = get(row, 1)?;
    Ok(Topic {
        id: get::<Uuid>(row, 0)?.id(),
        tenant: (owner != COMMON).then(|| tenant(owner)).transpose()?,
        name: get::<&str>(row, 2)?.parse().map_err(|_| Unreadable("topic"))?,
        details: document(get(row, 3)?)?,
        revision: count(get(row, 4)?),
        created_at: Timestamp::from_micros(get(row, 5)?),
        updated_at: Timestamp::from_micros(get(row, 6)?),
    })
}

/// `id, tenant, uid, adhoc, settings, state, state_reason, challenge, secrets, revision, created_at, updated_at`.
pub(crate) fn endpoint(row: &Row) -> Result<Endpoint> {
    Ok(Endpoint {
        id: get::<Uuid>(row, 0)?.id(),
        tenant: tenant(get(row, 1)?)?,
        uid: get(row, 2)?,
        adhoc: get(row, 3)?,
        settings: document(get(row, 4)?)?,
        state: EndpointState::from_word(get(row, 5)?).ok_or(Unreadable("state of an endpoint"))?,
        state_reason: get(row, 6)?,
        challenge: get::<Option<&str>>(row, 7)?.map(document).transpose()?,
        secrets: SealedSecrets(get(row, 8)?),
        revision: count(get(row, 9)?),
        created_at: Timestamp::from_micros(get(row, 10)?),
        updated_at: Timestamp::from_micros(get(row, 11)?),
    })
}

/// `id, name, hash, scopes, tenant, expires_at, last_used_at, created_at`.
pub(crate) fn key(row: &Row) -> Result<ApiKey> {
    Ok(ApiKey {
        id: get::<Uuid>(row, 0)?.id(),
        name: get(row, 1)?,
        hash: get::<&[u8]>(row, 2)?.try_into().map_err(|_| Unreadable("hash of a key"))?,
        scopes: document(get(row, 3)?)?,
        tenant: get::<Option<&str>>(row, 4)?.map(tenant).transpose()?,
        expires_at: instant(get(row, 5)?),
        last_used_at: instant(get(row, 6)?),
        created_at: Timestamp::from_micros(get(row, 7)?),
    })
}

/// A page from rows of which one more than its length was asked for.
pub(crate) fn slice<T>(rows: &[Row], page: Page, read: impl Fn(&Row) -> Result<T>) -> Result<Slice<T>> {
    let length = usize::try_from(page.limit.max(1)).unwrap_or(usize::MAX);
    let shown = rows.get(..length.min(rows.len())).unwrap_or_default();
    let items = shown.iter().map(read).collect::<Result<Vec<T>>>()?;
    let next = match shown.last() {
        Some(last) if rows.len() > length => Some(get::<Uuid>(last, 0)?.0),
        _ => None,
    };
    Ok(Slice { items, next })
}

/// The upper bound and the number of rows that a page asks for.
pub(crate) fn bounds(page: Page) -> (Option<Uuid>, i64) {
    (page.before.map(Uuid), i64::from(page.limit.max(1)) + 1)
}

/// Every pattern that wants this topic: itself, `*`, and whatever it begins with, with a star behind.
fn patterns_for(topic: &TopicName) -> Vec<String> {
    let name = topic.as_str();
    // Names are ASCII, so each byte begins a character.
    let mut patterns: Vec<String> = (0..=name.len()).filter_map(|end| Some(format!("{}*", name.get(..end)?))).collect();
    patterns.push(name.to_owned());
    patterns
}

#[async_trait]
impl Directory for PostgresStore {
    async fn topics(&self, filter: &TopicFilter, page: Page) -> Result<Slice<Topic>> {
        let session = self.working.take().await?;
        let (before, limit) = bounds(page);
        let tenant = filter.visible_to.as_ref().map(Tenant::as_str);
        let rows = session.query(include_str!("../sql/list_topics.sql"), &[&before, &tenant, &limit]).await?;
        slice(&rows, page, topic)
    }

    async fn topic(&self, tenant: Option<&Tenant>, name: &TopicName) -> Result<Option<Topic>> {
        let session = self.working.take().await?;
        let owner = tenant.map_or(COMMON, Tenant::as_str);
        let rows = session.query(include_str!("../sql/topic.sql"), &[&owner, &name.as_str()]).await?;
        rows.first().map(topic).transpose()
    }

    async fn endpoints(&self, filter: &EndpointFilter, page: Page) -> Result<Slice<Endpoint>> {
        let session = self.working.take().await?;
        let (before, limit) = bounds(page);
        let tenant = filter.tenant.as_ref().map(Tenant::as_str);
        let patterns = filter.topic.as_ref().map(patterns_for).unwrap_or_default();
        let any_topic = filter.topic.is_none();
        let state = filter.state.map(EndpointState::as_str);
        let rows = session
            .query(
                include_str!("../sql/list_endpoints.sql"),
                &[&before, &tenant, &any_topic, &patterns, &state, &filter.adhoc, &limit],
            )
            .await?;
        slice(&rows, page, endpoint)
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/endpoint.sql"), &[&Uuid::from(id)]).await?;
        rows.first().map(endpoint).transpose()
    }

    async fn endpoint_by_uid(&self, tenant: &Tenant, uid: &str) -> Result<Option<Endpoint>> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/endpoint_by_uid.sql"), &[&tenant.as_str(), &uid]).await?;
        rows.first().map(endpoint).transpose()
    }

    async fn endpoint_revision(&self, id: EndpointId, revision: u32) -> Result<Option<EndpointSettings>> {
        let session = self.working.take().await?;
        let sql = "SELECT settings FROM posthaste.endpoint_revision WHERE endpoint = $1 AND revision = $2";
        let rows = session.query(sql, &[&Uuid::from(id), &stored(revision)]).await?;
        rows.first().map(|row| document(get(row, 0)?)).transpose()
    }

    async fn tenants(&self, after: Option<&Tenant>, limit: u32) -> Result<Vec<Tenant>> {
        let session = self.working.take().await?;
        let after = after.map_or("", Tenant::as_str);
        let rows = session.query(include_str!("../sql/list_tenants.sql"), &[&after, &i64::from(limit)]).await?;
        rows.iter().map(|row| tenant(get(row, 0)?)).collect()
    }

    async fn keys(&self, tenant: Option<&Tenant>, page: Page) -> Result<Slice<ApiKey>> {
        let session = self.working.take().await?;
        let (before, limit) = bounds(page);
        let tenant = tenant.map(Tenant::as_str);
        let rows = session.query(include_str!("../sql/list_keys.sql"), &[&before, &tenant, &limit]).await?;
        slice(&rows, page, key)
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/key.sql"), &[&Uuid::from(id)]).await?;
        rows.first().map(key).transpose()
    }
}
