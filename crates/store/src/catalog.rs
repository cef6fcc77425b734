//! The catalog: topics, endpoints and keys, and the one version that counts its changes.

use async_trait::async_trait;
use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::{ApiKey, Endpoint, EndpointId, KeyId, Tenant, Timestamp, Topic, TopicName};

use crate::Result;
use crate::history::{Page, Slice};

/// Counts the catalog's changes: one row, bumped under its lock by every transaction that changes a topic, an endpoint
/// or a key. So "newer than what I saw" is safe to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CatalogVersion(pub i64);

/// All that matching a tenant's message, and sending to its endpoints, needs to know; one snapshot.
#[derive(Debug, Clone, Default)]
pub struct TenantCatalog {
    /// The version that this was read at.
    pub version: CatalogVersion,
    /// The tenant's own topics and those of the common catalogue that it does not override.
    pub topics: Vec<Topic>,
    /// The tenant's endpoints in every state, the ad-hoc ones too.
    pub endpoints: Vec<Endpoint>,
    /// Those that are failing, and since when ([`crate::queue::Health`]).
    pub failing: Vec<(EndpointId, Timestamp)>,
}

/// What changed after a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The newest version.
    pub version: CatalogVersion,
    /// Tenants whose topics or endpoints changed.
    pub tenants: Vec<Tenant>,
    /// A topic of the common catalogue changed: every tenant's view may have.
    pub everyone: bool,
    /// A key was created or deleted.
    pub keys: bool,
    /// An erasure began or ended ([`crate::jobs`]).
    pub erasures: bool,
}

/// Writing the catalog. Each verb is one transaction that first locks and bumps the version row (and notes in a small
/// log what it changed, for [`Catalog::changes`]), then writes.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Everything about one tenant. A tenant that nobody has seen is empty, not an error.
    async fn load_tenant(&self, tenant: &Tenant) -> Result<TenantCatalog>;

    /// What changed after `since`. If the log no longer reaches back that far: `everyone`, `keys` and `erasures`.
    async fn changes(&self, since: CatalogVersion) -> Result<Changes>;

    /// Adds a topic; [`crate::Conflict::TopicExists`] if that tenant (or the common catalogue) has the name.
    async fn create_topic(&self, topic: &Topic) -> Result<()>;

    /// Replaces a topic's details; [`crate::Conflict::RevisionMoved`] unless the stored revision is `topic.revision - 1`.
    async fn update_topic(&self, topic: &Topic) -> Result<()>;

    /// Removes a topic; [`crate::Conflict::TopicInUse`] while an endpoint that sees it names it exactly, unless forced.
    /// Patterns do not count.
    async fn delete_topic(&self, tenant: Option<&Tenant>, name: &TopicName, force: Force, now: Timestamp)
    -> Result<()>;

    /// Adds an endpoint and its first revision; [`crate::Conflict::UidTaken`], [`crate::Conflict::IdTaken`], and for an
    /// ad-hoc one [`crate::Conflict::TooManyAdhoc`] at `adhoc_limit`.
    async fn create_endpoint(&self, endpoint: &Endpoint, adhoc_limit: u32) -> Result<()>;

    /// Replaces an endpoint and keeps its new revision; [`crate::Conflict::RevisionMoved`] unless the stored revision is
    /// `endpoint.revision - 1`. If the endpoint now sends, its lane is woken in the same transaction.
    ///
    /// With `checked`, also [`crate::Conflict::RevisionMoved`] if the view of the endpoint's tenant may have changed since
    /// that version: for what was checked against other endpoints than the one that is written.
    async fn update_endpoint(&self, endpoint: &Endpoint, checked: Option<CatalogVersion>) -> Result<()>;

    /// Removes an endpoint; its revisions stay for history. Its waiting deliveries are ended by the owner of its shard:
    /// its lane is woken in the same transaction, and an owner that finds no endpoint closes what is due.
    async fn delete_endpoint(&self, id: EndpointId, now: Timestamp) -> Result<()>;

    /// Adds a key.
    async fn create_key(&self, key: &ApiKey) -> Result<()>;

    /// Removes a key.
    async fn delete_key(&self, id: KeyId, now: Timestamp) -> Result<()>;

    /// The key with this hash, whether expired or not.
    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>>;

    /// Notes when keys were last used. Does not bump the version, never moves a time back.
    async fn touch_keys(&self, used: &[(KeyId, Timestamp)]) -> Result<()>;
}

/// Whether a topic goes although endpoints name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Refuse.
    No,
    /// Remove it all the same.
    Yes,
}

/// Reading the catalog as people do. Lists are newest first.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Topics, paged by [`Topic::id`].
    async fn topics(&self, filter: &TopicFilter, page: Page) -> Result<Slice<Topic>>;
    /// One topic, exactly of that tenant or of the common catalogue (`None`).
    async fn topic(&self, tenant: Option<&Tenant>, name: &TopicName) -> Result<Option<Topic>>;
    /// Endpoints, paged by id.
    async fn endpoints(&self, filter: &EndpointFilter, page: Page) -> Result<Slice<Endpoint>>;
    /// One endpoint.
    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>>;
    /// The endpoint with the caller's own id.
    async fn endpoint_by_uid(&self, tenant: &Tenant, uid: &str) -> Result<Option<Endpoint>>;
    /// What an endpoint's settings were at a revision; also of a deleted endpoint.
    async fn endpoint_revision(&self, id: EndpointId, revision: u32) -> Result<Option<EndpointSettings>>;
    /// Tenants that own anything (topics, endpoints, messages, schedules or keys), by name, after that one.
    async fn tenants(&self, after: Option<&Tenant>, limit: u32) -> Result<Vec<Tenant>>;
    /// Keys, paged by id.
    async fn keys(&self, tenant: Option<&Tenant>, page: Page) -> Result<Slice<ApiKey>>;
    /// One key.
    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>>;
}

/// Which topics a list shows.
#[derive(Debug, Clone, Default)]
pub struct TopicFilter {
    /// Only those that this tenant sees: its own and the common ones (also those it overrides).
    pub visible_to: Option<Tenant>,
}

/// Which endpoints a list shows.
#[derive(Debug, Clone, Default)]
pub struct EndpointFilter {
    /// Only this tenant's.
    pub tenant: Option<Tenant>,
    /// Only those that name this topic exactly or by a pattern.
    pub topic: Option<TopicName>,
    /// Only those in this state.
    pub state: Option<posthaste_core::EndpointState>,
    /// Only ad-hoc ones (`true`), only registered ones (`false`).
    pub adhoc: bool,
}
