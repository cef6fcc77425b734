//! Reading the catalog as people do.

use async_trait::async_trait;
use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::{ApiKey, Endpoint, EndpointId, KeyId, Tenant, Topic, TopicName};
use posthaste_store::catalog::{EndpointFilter, TopicFilter};
use posthaste_store::history::MAX_EXAMINED;
use posthaste_store::{Directory, Page, Result, Slice};
use rusqlite::{Connection, Row, Rows, ToSql, params};

use crate::fault::Fault;
use crate::{SqliteStore, accept, catalog, endpoints, rows};

/// Gathers a page from rows by descending id: those that fit, as long as not too many were examined.
pub(crate) fn page<T>(
    mut found: Rows<'_>,
    page: Page,
    read: impl Fn(&Row<'_>) -> Result<T, Fault>,
    bits: impl Fn(&T) -> u128,
    fits: impl Fn(&T) -> bool,
) -> Result<Slice<T>, Fault> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut items: Vec<T> = Vec::new();
    let mut examined = 0;
    while let Some(row) = found.next()? {
        let item = read(row)?;
        examined += 1;
        let last = bits(&item);
        if fits(&item) {
            if items.len() == limit {
                // One more than asked for: so there is a next page, which begins after the last of this one.
                let next = items.last().map(bits);
                return Ok(Slice { items, next });
            }
            items.push(item);
        }
        if examined == MAX_EXAMINED {
            return Ok(Slice { items, next: Some(last) });
        }
    }
    Ok(Slice { items, next: None })
}

/// [`Page::before`] as the bound of a statement. The greatest id of all is never a thing's.
pub(crate) fn before(page: Page) -> [u8; 16] {
    page.before.unwrap_or(u128::MAX).to_be_bytes()
}

/// The columns are those of `sql/topic/get.sql`.
pub(crate) fn topic_row(row: &Row<'_>) -> Result<Topic, Fault> {
    Ok(Topic {
        id: rows::id(row, 0)?,
        tenant: rows::optional_tenant(row, 1)?,
        name: rows::topic(row, 2)?.ok_or(Fault::Unreadable("a topic"))?,
        details: rows::document(row, 3)?,
        revision: row.get(4)?,
        created_at: rows::at(row, 5)?,
        updated_at: rows::at(row, 6)?,
    })
}

pub(crate) fn topic(
    connection: &Connection,
    tenant: Option<&Tenant>,
    name: &TopicName,
) -> Result<Option<Topic>, Fault> {
    let mut statement = connection.prepare_cached(sql!("topic/get"))?;
    let mut found = statement.query([catalog::owner(tenant), name.as_str()])?;
    found.next()?.map(topic_row).transpose()
}

/// The columns are those of `sql/key/get.sql`.
fn key_row(row: &Row<'_>) -> Result<ApiKey, Fault> {
    Ok(ApiKey {
        id: rows::id(row, 0)?,
        hash: row.get(1)?,
        name: row.get(2)?,
        scopes: rows::document(row, 3)?,
        tenant: rows::optional_tenant(row, 4)?,
        expires_at: rows::optional_at(row, 5)?,
        last_used_at: rows::optional_at(row, 6)?,
        created_at: rows::at(row, 7)?,
    })
}

pub(crate) fn key_where(connection: &Connection, sql: &str, key: &dyn ToSql) -> Result<Option<ApiKey>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query([key])?;
    found.next()?.map(key_row).transpose()
}

#[async_trait]
impl Directory for SqliteStore {
    async fn topics(&self, filter: &TopicFilter, asked: Page) -> Result<Slice<Topic>> {
        let filter = filter.clone();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql!("topic/page"))?;
            let visible = |topic: &Topic| match (&filter.visible_to, &topic.tenant) {
                (Some(tenant), Some(owner)) => tenant == owner,
                _ => true,
            };
            page(statement.query([before(asked)])?, asked, topic_row, |topic| topic.id.bits(), visible)
        })
        .await
    }

    async fn topic(&self, tenant: Option<&Tenant>, name: &TopicName) -> Result<Option<Topic>> {
        let (tenant, name) = (tenant.cloned(), name.clone());
        self.read(move |connection| topic(connection, tenant.as_ref(), &name)).await
    }

    async fn endpoints(&self, filter: &EndpointFilter, asked: Page) -> Result<Slice<Endpoint>> {
        let filter = filter.clone();
        self.read(move |connection| endpoint_page(connection, &filter, asked)).await
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>> {
        self.read(move |connection| endpoints::get(connection, id)).await
    }

    async fn endpoint_by_uid(&self, tenant: &Tenant, uid: &str) -> Result<Option<Endpoint>> {
        let (tenant, uid) = (tenant.clone(), uid.to_owned());
        self.read(move |connection| match accept::uid(connection, tenant.as_str(), endpoints::KIND, &uid)? {
            Some(id) => endpoints::get(connection, EndpointId::from_bytes(id)),
            None => Ok(None),
        })
        .await
    }

    async fn endpoint_revision(&self, id: EndpointId, revision: u32) -> Result<Option<EndpointSettings>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql!("endpoint/revision"))?;
            let mut found = statement.query(params![id.to_bytes(), revision])?;
            found.next()?.map(|row| rows::document(row, 0)).transpose()
        })
        .await
    }

    async fn tenants(&self, after: Option<&Tenant>, limit: u32) -> Result<Vec<Tenant>> {
        let after = after.cloned();
        self.read(move |connection| tenants(connection, after.as_ref(), limit)).await
    }

    async fn keys(&self, tenant: Option<&Tenant>, asked: Page) -> Result<Slice<ApiKey>> {
        let tenant = tenant.cloned();
        self.read(move |connection| {
            let sql = if tenant.is_some() { sql!("key/page_of_tenant") } else { sql!("key/page") };
            let mut statement = connection.prepare_cached(sql)?;
            let found = match &tenant {
                Some(tenant) => statement.query(params![before(asked), tenant.as_str()])?,
                None => statement.query([before(asked)])?,
            };
            page(found, asked, key_row, |key| key.id.bits(), |_| true)
        })
        .await
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        self.read(move |connection| key_where(connection, sql!("key/get"), &id.to_bytes())).await
    }
}

fn endpoint_page(connection: &Connection, filter: &EndpointFilter, asked: Page) -> Result<Slice<Endpoint>, Fault> {
    let fits = |endpoint: &Endpoint| {
        let wants = |topic: &TopicName| endpoint.settings.topics.iter().any(|wanted| wanted.matches(topic.as_str()));
        endpoint.adhoc == filter.adhoc
            && filter.state.is_none_or(|state| endpoint.state == state)
            && filter.topic.as_ref().is_none_or(wants)
    };
    let sql = if filter.tenant.is_some() { sql!("endpoint/page_of_tenant") } else { sql!("endpoint/page") };
    let mut statement = connection.prepare_cached(sql)?;
    let found = match &filter.tenant {
        Some(tenant) => statement.query(params![before(asked), tenant.as_str(), filter.adhoc])?,
        None => statement.query([before(asked)])?,
    };
    page(found, asked, endpoints::row, |endpoint| endpoint.id.bits(), fits)
}

fn tenants(connection: &Connection, after: Option<&Tenant>, limit: u32) -> Result<Vec<Tenant>, Fault> {
    let mut next = connection.prepare_cached(sql!("tenant/next"))?;
    let mut tenants: Vec<Tenant> = Vec::new();
    while u32::try_from(tenants.len()).unwrap_or(u32::MAX) < limit {
        // '' is the common catalogue, and before every tenant.
        let last = tenants.last().or(after).map_or("", Tenant::as_str).to_owned();
        let found = next.query_row([last], |row| row.get::<_, Option<String>>(0))?;
        let Some(name) = found else { break };
        tenants.push(name.parse().map_err(|_| Fault::Unreadable("a tenant"))?);
    }
    Ok(tenants)
}
