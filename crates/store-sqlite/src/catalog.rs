//! Writing the catalog: topics, endpoints and keys, under the one version.

use async_trait::async_trait;
use posthaste_core::{ApiKey, Endpoint, EndpointId, KeyId, Tenant, Timestamp, Topic, TopicName};
use posthaste_store::catalog::Force;
use posthaste_store::{Catalog, CatalogVersion, Changes, Conflict, Result, StoreError, TenantCatalog};
use rusqlite::{Connection, params};

use crate::directory;
use crate::fault::Fault;
use crate::{SqliteStore, endpoints, rows};

/// What a change of the catalog concerns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'a> {
    /// A tenant's topics or endpoints; `None`: the common catalogue.
    Of(Option<&'a Tenant>),
    /// The keys.
    Keys,
    /// The erasures under way.
    Erasures,
}

/// How the common catalogue stands in the column `tenant`.
pub(crate) fn owner(tenant: Option<&Tenant>) -> &str {
    tenant.map_or("", Tenant::as_str)
}

pub(crate) fn version(connection: &Connection) -> Result<CatalogVersion, Fault> {
    let n = connection.prepare_cached(sql!("catalog/version"))?.query_row([], |row| row.get(0))?;
    Ok(CatalogVersion(n))
}

/// Counts a change and notes what it concerns.
pub(crate) fn bump(connection: &Connection, change: Change<'_>) -> Result<(), Fault> {
    let version: i64 = connection.prepare_cached(sql!("catalog/bump"))?.query_row([], |row| row.get(0))?;
    let (kind, tenant) = match change {
        Change::Of(Some(tenant)) => ("tenant", Some(tenant.as_str())),
        Change::Of(None) => ("everyone", None),
        Change::Keys => ("keys", None),
        Change::Erasures => ("erasures", None),
    };
    connection.prepare_cached(sql!("catalog/log"))?.execute(params![version, kind, tenant])?;
    Ok(())
}

#[async_trait]
impl Catalog for SqliteStore {
    async fn load_tenant(&self, tenant: &Tenant) -> Result<TenantCatalog> {
        let tenant = tenant.clone();
        self.read(move |connection| load_tenant(connection, &tenant)).await
    }

    async fn changes(&self, since: CatalogVersion) -> Result<Changes> {
        self.read(move |connection| changes(connection, since)).await
    }

    async fn create_topic(&self, topic: &Topic) -> Result<()> {
        let topic = topic.clone();
        self.write(move |connection| {
            bump(connection, Change::Of(topic.tenant.as_ref()))?;
            let inserted = connection.prepare_cached(sql!("topic/insert"))?.execute(params![
                owner(topic.tenant.as_ref()),
                topic.name.as_str(),
                topic.id.to_bytes(),
                serde_json::to_string(&topic.details)?,
                topic.revision,
                topic.created_at.as_micros(),
                topic.updated_at.as_micros(),
            ])?;
            if inserted == 1 { Ok(()) } else { Err(Conflict::TopicExists.into()) }
        })
        .await
    }

    async fn update_topic(&self, topic: &Topic) -> Result<()> {
        let topic = topic.clone();
        self.write(move |connection| {
            bump(connection, Change::Of(topic.tenant.as_ref()))?;
            let stored = directory::topic(connection, topic.tenant.as_ref(), &topic.name)?;
            if stored.ok_or(StoreError::NotFound)?.revision.checked_add(1) != Some(topic.revision) {
                return Err(Conflict::RevisionMoved.into());
            }
            connection.prepare_cached(sql!("topic/update"))?.execute(params![
                owner(topic.tenant.as_ref()),
                topic.name.as_str(),
                serde_json::to_string(&topic.details)?,
                topic.revision,
                topic.updated_at.as_micros(),
            ])?;
            Ok(())
        })
        .await
    }

    async fn delete_topic(
        &self,
        tenant: Option<&Tenant>,
        name: &TopicName,
        force: Force,
        _now: Timestamp,
    ) -> Result<()> {
        let (tenant, name) = (tenant.cloned(), name.clone());
        self.write(move |connection| delete_topic(connection, tenant.as_ref(), &name, force)).await
    }

    async fn create_endpoint(&self, endpoint: &Endpoint, adhoc_limit: u32) -> Result<()> {
        let endpoint = endpoint.clone();
        self.write(move |connection| endpoints::create(connection, &endpoint, adhoc_limit)).await
    }

    async fn update_endpoint(&self, endpoint: &Endpoint, checked: Option<CatalogVersion>) -> Result<()> {
        let endpoint = endpoint.clone();
        self.write(move |connection| endpoints::update(connection, &endpoint, checked)).await
    }

    async fn delete_endpoint(&self, id: EndpointId, now: Timestamp) -> Result<()> {
        self.write(move |connection| endpoints::delete(connection, id, now)).await
    }

    async fn create_key(&self, key: &ApiKey) -> Result<()> {
        let key = key.clone();
        self.write(move |connection| {
            bump(connection, Change::Keys)?;
            connection.prepare_cached(sql!("key/insert"))?.execute(params![
                key.id.to_bytes(),
                key.hash,
                key.name,
                serde_json::to_string(&key.scopes)?,
                key.tenant.as_ref().map(Tenant::as_str),
                key.expires_at.map(Timestamp::as_micros),
                key.last_used_at.map(Timestamp::as_micros),
                key.created_at.as_micros(),
            ])?;
            Ok(())
        })
        .await
    }

    async fn delete_key(&self, id: KeyId, _now: Timestamp) -> Result<()> {
        self.write(move |connection| {
            bump(connection, Change::Keys)?;
            let deleted = connection.prepare_cached(sql!("key/delete"))?.execute([id.to_bytes()])?;
            if deleted == 1 { Ok(()) } else { Err(StoreError::NotFound.into()) }
        })
        .await
    }

    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        let hash = *hash;
        self.read(move |connection| directory::key_where(connection, sql!("key/by_hash"), &hash)).await
    }

    async fn touch_keys(&self, used: &[(KeyId, Timestamp)]) -> Result<()> {
        let used = used.to_vec();
        self.write(move |connection| {
            let mut touch = connection.prepare_cached(sql!("key/touch"))?;
            for (key, at) in used {
                touch.execute(params![key.to_bytes(), at.as_micros()])?;
            }
            Ok(())
        })
        .await
    }
}

fn load_tenant(connection: &Connection, tenant: &Tenant) -> Result<TenantCatalog, Fault> {
    let mut loaded = TenantCatalog { version: version(connection)?, ..TenantCatalog::default() };
    let mut topics = connection.prepare_cached(sql!("catalog/topics_of"))?;
    let mut found = topics.query([tenant.as_str()])?;
    while let Some(row) = found.next()? {
        loaded.topics.push(directory::topic_row(row)?);
    }
    let mut endpoints = connection.prepare_cached(sql!("catalog/endpoints_of"))?;
    let mut found = endpoints.query([tenant.as_str()])?;
    while let Some(row) = found.next()? {
        loaded.endpoints.push(endpoints::row(row)?);
    }
    let mut failing = connection.prepare_cached(sql!("catalog/failing_of"))?;
    let mut found = failing.query([tenant.as_str()])?;
    while let Some(row) = found.next()? {
        loaded.failing.push((rows::id(row, 0)?, rows::at(row, 1)?));
    }
    Ok(loaded)
}

fn changes(connection: &Connection, since: CatalogVersion) -> Result<Changes, Fault> {
    let mut changes = Changes { version: version(connection)?, ..Changes::default() };
    let floor: i64 = connection.prepare_cached(sql!("catalog/floor"))?.query_row([], |row| row.get(0))?;
    if since.0 < floor {
        return Ok(Changes { everyone: true, keys: true, erasures: true, ..changes });
    }
    let mut statement = connection.prepare_cached(sql!("catalog/changes"))?;
    let mut found = statement.query([since.0])?;
    while let Some(row) = found.next()? {
        match row.get_ref(0)?.as_str().unwrap_or_default() {
            "tenant" => changes.tenants.push(rows::tenant(row, 1)?),
            "keys" => changes.keys = true,
            "erasures" => changes.erasures = true,
            _ => changes.everyone = true,
        }
    }
    Ok(changes)
}

fn delete_topic(connection: &Connection, tenant: Option<&Tenant>, name: &TopicName, force: Force) -> Result<(), Fault> {
    bump(connection, Change::Of(tenant))?;
    if directory::topic(connection, tenant, name)?.is_none() {
        return Err(StoreError::NotFound.into());
    }
    let in_use = || match tenant {
        Some(tenant) => connection.prepare_cached(sql!("topic/in_use"))?.exists([tenant.as_str(), name.as_str()]),
        None => connection.prepare_cached(sql!("topic/common_in_use"))?.exists([name.as_str()]),
    };
    if force == Force::No && in_use()? {
        return Err(Conflict::TopicInUse.into());
    }
    connection.prepare_cached(sql!("topic/delete"))?.execute([owner(tenant), name.as_str()])?;
    Ok(())
}
