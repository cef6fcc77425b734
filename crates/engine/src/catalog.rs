//! The catalog as the engine uses it: one view per tenant, kept in memory, valid at a version.
//!
//! A view answers "who wants this message?" without the database. It may be old by the time a message is committed;
//! the commit is guarded by the version it was matched with, so an old view costs a second match, never a wrong one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use posthaste_core::filter::{self, Filter, Verdict};
use posthaste_core::{Endpoint, EndpointId, Target, Tenant, Timestamp, Topic, TopicName, TopicPattern};
use posthaste_store::{CatalogVersion, Changes, Store, StoreError, TenantCatalog};

use crate::announce;
use crate::egress::Egress;
use crate::error::FieldError;
use crate::request::Prepared;
use crate::schema::Schema;
use crate::vault::Vault;

/// How many tenants' views are kept; the longest unused go first.
const MAX_TENANTS: usize = 4_096;

/// One endpoint with what its requests need, made when the first one is sent.
#[derive(Debug)]
pub struct EndpointView {
    /// As stored.
    pub endpoint: Endpoint,
    filter: Option<Filter>,
    prepared: OnceLock<Result<Arc<Prepared>, String>>,
}

impl EndpointView {
    /// What matching and sending need of an endpoint.
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        // It was compiled before it was stored. One that only a newer version understands is left out: a delivery too
        // many can be dropped by its receiver, one too few is lost.
        let filter = endpoint.settings.filter.as_ref().and_then(|filter| Filter::compile(filter).ok());
        Self { endpoint, filter, prepared: OnceLock::new() }
    }

    /// Whether its filter lets a message through, and if not, why.
    pub fn wants<'a>(&'a self, input: &filter::Input<'a>) -> Verdict<'a> {
        self.filter.as_ref().map_or(Verdict::Holds, |filter| filter.evaluate(input))
    }

    /// Which of its topics and patterns fits, if one does.
    pub fn matching_pattern(&self, topic: &TopicName) -> Option<&TopicPattern> {
        self.endpoint.settings.topics.iter().find(|pattern| pattern.matches(topic.as_str()))
    }

    /// The parsed URL, the headers and the opened signing keys; an error is a sentence for the attempt's record.
    pub fn prepared(&self, vault: &Vault, egress: &Egress) -> Result<Arc<Prepared>, String> {
        self.prepared.get_or_init(|| Prepared::new(&self.endpoint, vault, egress).map(Arc::new)).clone()
    }

    /// What a message owes it if accepted now.
    pub fn target(&self) -> Target {
        Target { endpoint: self.endpoint.id, revision: self.endpoint.revision }
    }
}

/// One topic with its schema, compiled when the first message is checked against it.
#[derive(Debug)]
pub struct TopicView {
    /// As stored.
    pub topic: Topic,
    schema: OnceLock<Option<Schema>>,
}

impl TopicView {
    fn new(topic: Topic) -> Self {
        Self { topic, schema: OnceLock::new() }
    }

    /// Its schema. It was compiled before it was stored, so one that only a newer version understands checks nothing.
    fn schema(&self) -> Option<&Schema> {
        let compile = || self.topic.details.schema.as_ref().and_then(|schema| Schema::compile(schema).ok());
        self.schema.get_or_init(compile).as_ref()
    }
}

/// One tenant's topics and endpoints, indexed for matching.
#[derive(Debug, Default)]
pub struct TenantView {
    /// The version it was read at.
    pub version: CatalogVersion,
    topics: HashMap<TopicName, Arc<TopicView>>,
    endpoints: HashMap<EndpointId, Arc<EndpointView>>,
    exact: HashMap<String, Vec<Arc<EndpointView>>>,
    patterns: Vec<(TopicPattern, Arc<EndpointView>)>,
    failing: HashMap<EndpointId, Timestamp>,
}

impl TenantView {
    /// Indexes a snapshot; views of endpoints that have not changed are taken over from `former`.
    fn new(catalog: TenantCatalog, former: Option<&Self>) -> Self {
        let mut view = Self { version: catalog.version, ..Self::default() };
        for topic in catalog.topics {
            // The tenant's own topic wins over the common one of the same name.
            if topic.tenant.is_some() || !view.topics.contains_key(&topic.name) {
                let same = former.and_then(|former| former.topics.get(&topic.name));
                let same = same.filter(|known| known.topic.id == topic.id && known.topic.revision == topic.revision);
                let known = same.cloned().unwrap_or_else(|| Arc::new(TopicView::new(topic)));
                view.topics.insert(known.topic.name.clone(), known);
            }
        }
        for endpoint in catalog.endpoints {
            let same = former.and_then(|former| former.endpoints.get(&endpoint.id));
            let same = same.filter(|known| known.endpoint.revision == endpoint.revision).cloned();
            let known = same.unwrap_or_else(|| Arc::new(EndpointView::new(endpoint)));
            if known.endpoint.state.takes_deliveries() {
                for pattern in &known.endpoint.settings.topics {
                    match pattern.exact() {
                        Some(name) => view.exact.entry(name.to_owned()).or_default().push(known.clone()),
                        None => view.patterns.push((pattern.clone(), known.clone())),
                    }
                }
            }
            view.endpoints.insert(known.endpoint.id, known);
        }
        view.failing = catalog.failing.into_iter().collect();
        view
    }

    /// The topic of that name that this tenant sees.
    pub fn topic(&self, name: &TopicName) -> Option<&Arc<TopicView>> {
        self.topics.get(name)
    }

    /// Whether there is a topic of that name: one that this tenant sees, or one of Posthaste's own.
    pub fn knows_topic(&self, name: &TopicName) -> bool {
        self.topics.contains_key(name) || announce::is_system(name)
    }

    /// Checks a payload against its topic's schema, if there is one; the pointers are those of a message.
    pub fn check_payload(&self, topic: &TopicName, payload: &filter::Payload<'_>) -> Result<(), Vec<FieldError>> {
        let Some(schema) = self.topics.get(topic).and_then(|topic| topic.schema()) else { return Ok(()) };
        let below = |error: FieldError| FieldError::new(format!("/payload{}", error.pointer), error.detail);
        schema.check(payload).map_err(|errors| errors.into_iter().map(below).collect())
    }

    /// One of the tenant's endpoints.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Arc<EndpointView>> {
        self.endpoints.get(&id)
    }

    /// All of the tenant's endpoints, in no order.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<EndpointView>> {
        self.endpoints.values()
    }

    /// Since when an endpoint was failing when this was read.
    pub fn failing_since(&self, id: EndpointId) -> Option<Timestamp> {
        self.failing.get(&id).copied()
    }

    /// The endpoints that want a message of this topic, by id, each once.
    pub fn wanting(&self, topic: &TopicName) -> Vec<Arc<EndpointView>> {
        let exact = self.exact.get(topic.as_str()).into_iter().flatten();
        // A bare `*` does not mean Posthaste's own events.
        let fits = |pattern: &TopicPattern| {
            pattern.matches(topic.as_str()) && (!announce::is_own(topic) || pattern.as_str().starts_with("posthaste."))
        };
        let matching = self.patterns.iter().filter(|(pattern, _)| fits(pattern));
        let mut wanting: Vec<_> = exact.chain(matching.map(|(_, endpoint)| endpoint)).cloned().collect();
        wanting.sort_unstable_by_key(|view| view.endpoint.id);
        wanting.dedup_by_key(|view| view.endpoint.id);
        wanting
    }
}

struct Kept {
    view: Arc<TenantView>,
    last_used: AtomicU64,
}

#[derive(Default)]
struct State {
    version: CatalogVersion,
    tenants: HashMap<Tenant, Kept>,
}

/// Views by tenant, all valid at one version.
pub struct CatalogCache {
    store: Arc<dyn Store>,
    state: RwLock<State>,
    uses: AtomicU64,
    /// One refresh at a time: a later one would apply older changes.
    refreshing: tokio::sync::Mutex<()>,
}

impl CatalogCache {
    /// An empty cache.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, state: RwLock::default(), uses: AtomicU64::new(0), refreshing: tokio::sync::Mutex::new(()) }
    }

    /// The version that every kept view is valid at.
    pub fn version(&self) -> CatalogVersion {
        self.state.read().unwrap_or_else(PoisonError::into_inner).version
    }

    /// A tenant's view and the version at which it is valid.
    pub async fn view(&self, tenant: &Tenant) -> Result<(Arc<TenantView>, CatalogVersion), StoreError> {
        loop {
            if let Some(found) = self.kept(tenant) {
                return Ok(found);
            }
            let loaded = Arc::new(TenantView::new(self.store.load_tenant(tenant).await?, None));
            if let Some(version) = self.keep(tenant, loaded.clone()) {
                return Ok((loaded, version));
            }
        }
    }

    /// Keeps a view and says at which version it is valid. A refresh that ran while it was loaded may have dropped just
    /// this tenant, which was not there yet: so it is only good if it is at least as new as the cache claims to be.
    fn keep(&self, tenant: &Tenant, view: Arc<TenantView>) -> Option<CatalogVersion> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if view.version < state.version {
            return None;
        }
        let last_used = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        state.tenants.insert(tenant.clone(), Kept { view, last_used });
        evict(&mut state);
        Some(state.version)
    }

    fn kept(&self, tenant: &Tenant) -> Option<(Arc<TenantView>, CatalogVersion)> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let kept = state.tenants.get(tenant)?;
        kept.last_used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some((kept.view.clone(), state.version))
    }

    /// Applies what changed since the version of the cache; says whether a key did.
    pub async fn refresh(&self) -> Result<Refreshed, StoreError> {
        let _turn = self.refreshing.lock().await;
        let since = self.version();
        let changes = self.store.changes(since).await?;
        if changes.version == since {
            return Ok(Refreshed { version: since, keys: false, erasures: false });
        }
        let refreshed = Refreshed { version: changes.version, keys: changes.keys, erasures: changes.erasures };
        let former = self.drop_changed(changes);
        if let Err(error) = self.reload(former).await {
            tracing::debug!(%error, "a view of the catalog is loaded by whoever asks for it next");
        }
        Ok(refreshed)
    }

    fn drop_changed(&self, changes: Changes) -> HashMap<Tenant, Arc<TenantView>> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.version = changes.version;
        if changes.everyone {
            return state.tenants.drain().map(|(tenant, kept)| (tenant, kept.view)).collect();
        }
        let removed = changes.tenants.into_iter().map(|tenant| (state.tenants.remove(&tenant), tenant));
        removed.filter_map(|(kept, tenant)| kept.map(|kept| (tenant, kept.view))).collect()
    }

    /// Loads the views again that a change dropped, so that endpoints which did not change keep what was prepared.
    async fn reload(&self, former: HashMap<Tenant, Arc<TenantView>>) -> Result<(), StoreError> {
        for (tenant, view) in former.into_iter().take(64) {
            let loaded = Arc::new(TenantView::new(self.store.load_tenant(&tenant).await?, Some(&view)));
            // If the catalog moved on meanwhile, whoever asks next loads it again.
            self.keep(&tenant, loaded);
        }
        Ok(())
    }
}

/// What a refresh found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// The version now applied.
    pub version: CatalogVersion,
    /// Whether a key was created or deleted.
    pub keys: bool,
    /// Whether an erasure began or ended.
    pub erasures: bool,
}

fn evict(state: &mut State) {
    while state.tenants.len() > MAX_TENANTS {
        let oldest = state.tenants.iter().min_by_key(|(_, kept)| kept.last_used.load(Ordering::Relaxed));
        let Some(tenant) = oldest.map(|(tenant, _)| tenant.clone()) else { return };
        state.tenants.remove(&tenant);
    }
}
