//! [`Catalog`]: every writing transaction bumps the one version first, under its row's lock.

use async_trait::async_trait;
use posthaste_core::{ApiKey, Endpoint, EndpointId, KeyId, Tenant, Timestamp, Topic, TopicName};
use posthaste_store::catalog::Force;
use posthaste_store::{Catalog, CatalogVersion, Changes, Conflict, Result, StoreError, TenantCatalog};
use tokio_postgres::{Error, Row};

use crate::PostgresStore;
use crate::directory::{endpoint, key, topic};
use crate::fault::{broken_constraint, classify};
use crate::param::{Param, Uuid, micros, stored};
use crate::rows::{get, tenant, text_of};
use crate::session::{Call, Session};

/// The word under which the common catalogue is kept.
pub(crate) const COMMON: &str = "";
/// A transaction that reads more than one thing as of one instant.
pub(crate) const SNAPSHOT: &str = " ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What a catalog transaction changes for others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Touches<'a> {
    /// A tenant's view, or every tenant's (the common catalogue).
    View(Option<&'a Tenant>),
    /// Keys.
    Keys,
    /// What is being erased.
    Erasures,
}

/// Opens a transaction, bumps the version and notes what changes. The answers to `calls` follow.
pub(crate) async fn open_change(
    session: &Session,
    touches: Touches<'_>,
    calls: Vec<Call<'_>>,
) -> Result<Result<Vec<Vec<Row>>, Error>> {
    let view: Option<&str> = match touches {
        Touches::View(tenant) => Some(tenant.map_or(COMMON, Tenant::as_str)),
        Touches::Keys | Touches::Erasures => None,
    };
    let (keys, erasures) = (matches!(touches, Touches::Keys), matches!(touches, Touches::Erasures));
    let mut all: Vec<Call<'_>> =
        vec![Call::Query(include_str!("../sql/bump_catalog.sql"), vec![&view, &keys, &erasures])];
    all.extend(calls);
    Ok(session.try_open("", all).await?.map(|mut answers| {
        answers.remove(0);
        answers
    }))
}

impl PostgresStore {
    /// One statement under a new version; says how many rows it returned.
    async fn change(
        &self,
        touches: Touches<'_>,
        calls: Vec<Call<'_>>,
        conflict: fn(&str) -> Option<Conflict>,
    ) -> Result<()> {
        let session = self.working.take().await?;
        match open_change(&session, touches, calls).await? {
            Ok(_) => session.commit(Vec::new()).await.map(|_| ()),
            Err(error) => {
                session.roll_back().await?;
                Err(broken_constraint(&error).and_then(conflict).map_or_else(|| classify(error), StoreError::Conflict))
            }
        }
    }

    /// One statement under a new version that has to find its row; `missing` says what it means if it does not.
    async fn change_one(
        &self,
        touches: Touches<'_>,
        calls: Vec<Call<'_>>,
        missing: impl Future<Output = Result<StoreError>>,
        conflict: fn(&str) -> Option<Conflict>,
    ) -> Result<()> {
        let session = self.working.take().await?;
        let refused = match open_change(&session, touches, calls).await? {
            Ok(answers) if answers.first().is_some_and(|rows| !rows.is_empty()) => {
                return session.commit(Vec::new()).await.map(|_| ());
            }
            Ok(_) => None,
            Err(error) => {
                Some(broken_constraint(&error).and_then(conflict).map_or_else(|| classify(error), StoreError::Conflict))
            }
        };
        session.roll_back().await?;
        drop(session);
        match refused {
            Some(error) => Err(error),
            None => Err(missing.await?),
        }
    }
}

fn no_conflict(_: &str) -> Option<Conflict> {
    None
}

fn topic_conflict(constraint: &str) -> Option<Conflict> {
    (constraint == "topic_tenant_name_key").then_some(Conflict::TopicExists)
}

fn endpoint_conflict(constraint: &str) -> Option<Conflict> {
    match constraint {
        "endpoint_uid" => Some(Conflict::UidTaken),
        "endpoint_pkey" => Some(Conflict::IdTaken),
        _ => None,
    }
}

#[async_trait]
impl Catalog for PostgresStore {
    async fn load_tenant(&self, tenant: &Tenant) -> Result<TenantCatalog> {
        let session = self.working.take().await?;
        let name = tenant.as_str();
        let answers = session
            .open(
                SNAPSHOT,
                vec![
                    Call::Query("SELECT version FROM posthaste.catalog_version", Vec::new()),
                    Call::Query(include_str!("../sql/visible_topics.sql"), vec![&name]),
                    Call::Query(include_str!("../sql/tenant_endpoints.sql"), vec![&name]),
                    Call::Query(include_str!("../sql/tenant_health.sql"), vec![&name]),
                ],
            )
            .await?;
        session.commit(Vec::new()).await?;
        let [version, topics, endpoints, failing] = answers.as_slice() else {
            return Err(StoreError::internal("a pipeline was not answered whole"));
        };
        Ok(TenantCatalog {
            version: CatalogVersion(version.first().map_or(Ok(0), |row| get(row, 0))?),
            topics: topics.iter().map(topic).collect::<Result<_>>()?,
            endpoints: endpoints.iter().map(endpoint).collect::<Result<_>>()?,
            failing: failing
                .iter()
                .map(|row| Ok((get::<Uuid>(row, 0)?.id(), Timestamp::from_micros(get(row, 1)?))))
                .collect::<Result<_>>()?,
        })
    }

    async fn changes(&self, since: CatalogVersion) -> Result<Changes> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/catalog_changes.sql"), &[&since.0]).await?;
        let mut changes = Changes::default();
        for row in &rows {
            changes.version = CatalogVersion(get(row, 0)?);
            if get::<bool>(row, 1)? {
                (changes.everyone, changes.keys, changes.erasures) = (true, true, true);
            }
            match get::<Option<&str>>(row, 2)? {
                None => {}
                Some(COMMON) => changes.everyone = true,
                Some(name) => changes.tenants.push(tenant(name)?),
            }
            changes.keys |= get::<Option<bool>>(row, 3)?.unwrap_or(false);
            changes.erasures |= get::<Option<bool>>(row, 4)?.unwrap_or(false);
        }
        changes.tenants.sort_unstable();
        changes.tenants.dedup();
        Ok(changes)
    }

    async fn create_topic(&self, topic: &Topic) -> Result<()> {
        let details = text_of(&topic.details)?;
        let (id, revision) = (Uuid::from(topic.id), stored(topic.revision));
        let (tenant, name) = (topic.tenant.as_ref().map_or(COMMON, Tenant::as_str), topic.name.as_str());
        let (created, updated) = (topic.created_at.as_micros(), topic.updated_at.as_micros());
        let params: Vec<&dyn Param> = vec![&id, &tenant, &name, &details, &revision, &created, &updated];
        let insert = Call::Query(include_str!("../sql/insert_topic.sql"), params);
        self.change(Touches::View(topic.tenant.as_ref()), vec![insert], topic_conflict).await
    }

    async fn update_topic(&self, topic: &Topic) -> Result<()> {
        let details = text_of(&topic.details)?;
        let (tenant, name) = (topic.tenant.as_ref().map_or(COMMON, Tenant::as_str), topic.name.as_str());
        let (revision, updated) = (stored(topic.revision), topic.updated_at.as_micros());
        let params: Vec<&dyn Param> = vec![&tenant, &name, &details, &revision, &updated];
        let update = Call::Query(include_str!("../sql/update_topic.sql"), params);
        let missing = async { self.topic_is(topic.tenant.as_ref(), &topic.name).await };
        self.change_one(Touches::View(topic.tenant.as_ref()), vec![update], missing, no_conflict).await
    }

    async fn delete_topic(
        &self,
        tenant: Option<&Tenant>,
        name: &TopicName,
        force: Force,
        _now: Timestamp,
    ) -> Result<()> {
        let (owner, topic_name) = (tenant.map_or(COMMON, Tenant::as_str), name.as_str());
        let forced = force == Force::Yes;
        let delete = Call::Query(include_str!("../sql/delete_topic.sql"), vec![&owner, &topic_name, &forced]);
        let missing = async {
            Ok(match posthaste_store::Directory::topic(self, tenant, name).await? {
                Some(_) => Conflict::TopicInUse.into(),
                None => StoreError::NotFound,
            })
        };
        self.change_one(Touches::View(tenant), vec![delete], missing, no_conflict).await
    }

    async fn create_endpoint(&self, endpoint: &Endpoint, adhoc_limit: u32) -> Result<()> {
        let row = EndpointRow::new(endpoint)?;
        let limit = endpoint.adhoc.then_some(i64::from(adhoc_limit));
        let mut params = row.params();
        params.push(&limit);
        let calls = vec![
            Call::Query(include_str!("../sql/insert_endpoint.sql"), params),
            Call::Query(include_str!("../sql/insert_revision.sql"), row.revision_params()),
        ];
        let missing = async { Ok(Conflict::TooManyAdhoc.into()) };
        self.change_one(Touches::View(Some(&endpoint.tenant)), calls, missing, endpoint_conflict).await
    }

    async fn update_endpoint(&self, endpoint: &Endpoint, checked: Option<CatalogVersion>) -> Result<()> {
        let row = EndpointRow::new(endpoint)?;
        let checked = checked.map(|version| version.0);
        let mut params = row.params();
        params.push(&checked);
        let mut calls = vec![
            Call::Query(include_str!("../sql/update_endpoint.sql"), params),
            Call::Query(include_str!("../sql/insert_revision.sql"), row.revision_params()),
        ];
        if endpoint.state.sends() {
            calls.push(Call::Query(include_str!("../sql/wake_endpoint.sql"), vec![&row.id, &row.updated_at]));
        }
        let missing = async {
            Ok(match posthaste_store::Directory::endpoint(self, endpoint.id).await? {
                Some(_) => Conflict::RevisionMoved.into(),
                None => StoreError::NotFound,
            })
        };
        self.change_one(Touches::View(Some(&endpoint.tenant)), calls, missing, endpoint_conflict).await
    }

    async fn delete_endpoint(&self, id: EndpointId, now: Timestamp) -> Result<()> {
        let known = posthaste_store::Directory::endpoint(self, id).await?.ok_or(StoreError::NotFound)?;
        let (id, now) = (Uuid::from(id), now.as_micros());
        let calls = vec![
            Call::Query("DELETE FROM posthaste.endpoint WHERE id = $1 RETURNING id", vec![&id]),
            Call::Query("DELETE FROM posthaste.endpoint_health WHERE endpoint = $1", vec![&id]),
            Call::Query(include_str!("../sql/wake_deleted.sql"), vec![&id, &now]),
        ];
        let missing = async { Ok(StoreError::NotFound) };
        self.change_one(Touches::View(Some(&known.tenant)), calls, missing, no_conflict).await
    }

    async fn create_key(&self, key: &ApiKey) -> Result<()> {
        let scopes = text_of(&key.scopes)?;
        let (id, name, hash) = (Uuid::from(key.id), key.name.as_str(), key.hash.as_slice());
        let tenant = key.tenant.as_ref().map(Tenant::as_str);
        let (expires, used, created) = (micros(key.expires_at), micros(key.last_used_at), key.created_at.as_micros());
        let params: Vec<&dyn Param> = vec![&id, &name, &hash, &scopes, &tenant, &expires, &used, &created];
        let insert = Call::Query(include_str!("../sql/insert_key.sql"), params);
        self.change(Touches::Keys, vec![insert], no_conflict).await
    }

    async fn delete_key(&self, id: KeyId, _now: Timestamp) -> Result<()> {
        let id = Uuid::from(id);
        let delete = Call::Query("DELETE FROM posthaste.api_key WHERE id = $1 RETURNING id", vec![&id]);
        let missing = async { Ok(StoreError::NotFound) };
        self.change_one(Touches::Keys, vec![delete], missing, no_conflict).await
    }

    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/key_by_hash.sql"), &[&hash.as_slice()]).await?;
        rows.first().map(key).transpose()
    }

    async fn touch_keys(&self, used: &[(KeyId, Timestamp)]) -> Result<()> {
        let session = self.working.take().await?;
        let ids: Vec<Uuid> = used.iter().map(|(id, _)| (*id).into()).collect();
        let at: Vec<i64> = used.iter().map(|(_, at)| at.as_micros()).collect();
        session.query(include_str!("../sql/touch_keys.sql"), &[&ids, &at]).await?;
        Ok(())
    }
}

impl PostgresStore {
    async fn topic_is(&self, tenant: Option<&Tenant>, name: &TopicName) -> Result<StoreError> {
        Ok(match posthaste_store::Directory::topic(self, tenant, name).await? {
            Some(_) => Conflict::RevisionMoved.into(),
            None => StoreError::NotFound,
        })
    }
}

/// An endpoint as columns.
struct EndpointRow<'a> {
    id: Uuid,
    tenant: &'a str,
    uid: Option<&'a str>,
    adhoc: bool,
    settings: String,
    topics: Vec<&'a str>,
    state: &'a str,
    state_reason: Option<String>,
    challenge: Option<String>,
    secrets: &'a [u8],
    revision: i32,
    created_at: i64,
    updated_at: i64,
}

impl<'a> EndpointRow<'a> {
    fn new(endpoint: &'a Endpoint) -> Result<Self> {
        Ok(Self {
            id: endpoint.id.into(),
            tenant: endpoint.tenant.as_str(),
            uid: endpoint.uid.as_deref(),
            adhoc: endpoint.adhoc,
            settings: text_of(&endpoint.settings)?,
            topics: endpoint.settings.topics.iter().map(posthaste_core::TopicPattern::as_str).collect(),
            state: endpoint.state.as_str(),
            state_reason: crate::param::storable(endpoint.state_reason.as_deref()),
            challenge: endpoint.challenge.as_ref().map(text_of).transpose()?,
            secrets: &endpoint.secrets.0,
            revision: stored(endpoint.revision),
            created_at: endpoint.created_at.as_micros(),
            updated_at: endpoint.updated_at.as_micros(),
        })
    }

    fn params(&self) -> Vec<&dyn Param> {
        vec![
            &self.id,
            &self.tenant,
            &self.uid,
            &self.adhoc,
            &self.settings,
            &self.topics,
            &self.state,
            &self.state_reason,
            &self.challenge,
            &self.secrets,
            &self.revision,
            &self.created_at,
            &self.updated_at,
        ]
    }

    fn revision_params(&self) -> Vec<&dyn Param> {
        vec![&self.id, &self.revision, &self.settings]
    }
}
