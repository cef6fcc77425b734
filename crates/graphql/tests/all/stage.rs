//! A server to test against: engine, SQLite, router, socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use posthaste_core::address::AllowList;
use posthaste_engine::access::Access;
use posthaste_engine::egress::EgressOptions;
use posthaste_engine::{Engine, Options};
use posthaste_graphql::{GraphqlOptions, router};
use posthaste_store_sqlite::SqliteStore;
use posthaste_testkit::PATIENCE;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::{self, Reply};
use crate::counting::Counting;

/// The admin key of servers that have one.
pub const ADMIN_KEY: &str = "the administrator's very own key";

/// A server that runs until it is dropped.
pub struct Stage {
    pub address: SocketAddr,
    pub ending: CancellationToken,
    pub store: Arc<Counting>,
    key: Option<String>,
    serving: tokio::task::JoinHandle<()>,
    _directory: TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Stage {
    /// A server without keys, as on a developer's machine; receivers on loopback are allowed.
    pub async fn open() -> Self {
        Self::with(Options::default(), Access::Open).await
    }

    /// A server with an admin key, which this stage's own calls carry.
    pub async fn keyed() -> Self {
        let options = Options { admin_key: Some(ADMIN_KEY.to_owned()), ..Options::default() };
        let mut stage = Self::with(options, Access::Keyed).await;
        stage.key = Some(ADMIN_KEY.to_owned());
        stage
    }

    #[expect(clippy::disallowed_methods, reason = "the server ends with the stage")]
    async fn with(options: Options, access: Access) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("posthaste.db");
        let store = SqliteStore::open(path.to_str().expect("a path in UTF-8")).await.expect("a database");
        let allow = AllowList::new(["127.0.0.0/8".parse().expect("a network")]);
        let egress = EgressOptions { allow: allow.clone(), ..EgressOptions::default() };
        let store = Arc::new(Counting::over(store));
        let engine = Engine::start(store.clone(), Options { allow, egress, ..options }).await.expect("an engine");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let ending = CancellationToken::new();
        let service = router(engine, GraphqlOptions { access, ending: ending.clone() });
        let serving = tokio::spawn(async move { axum::serve(listener, service).await.expect("serving does not end") });
        Self { address, ending, store, key: None, serving, _directory: directory }
    }

    /// An operation with its variables.
    pub async fn ask(&self, query: &str, variables: Value) -> Reply {
        self.ask_as(self.key.as_deref(), query, variables).await
    }

    /// The same with another key, or none.
    pub async fn ask_as(&self, key: Option<&str>, query: &str, variables: Value) -> Reply {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.as_ref().map(|bearer| ("authorization", bearer.as_str())));
        let body = json!({"query": query, "variables": variables}).to_string();
        client::send(self.address, "POST", "/graphql", &headers, body.as_bytes()).await
    }

    /// What an operation without variables answers.
    pub async fn data(&self, query: &str) -> Value {
        self.ask(query, json!({})).await.data()
    }

    /// Creates a topic.
    pub async fn topic(&self, name: &str) {
        let create = "mutation($name: String!) { createTopic(input: {name: $name}) { name } }";
        assert_eq!(self.ask(create, json!({"name": name})).await.data()["createTopic"]["name"], name);
    }

    /// Creates an endpoint for every topic, with more settings; returns its id.
    pub async fn endpoint(&self, url: &str, more: Value) -> String {
        let create = "mutation($input: EndpointInput!) { createEndpoint(input: $input) { endpoint { id } secret } }";
        let mut input = json!({"url": url, "topics": ["*"]});
        for (name, value) in more.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        let created = self.ask(create, json!({"input": input})).await.data();
        text(&created["createEndpoint"]["endpoint"]["id"])
    }

    /// Publishes a message to a topic; returns its id.
    pub async fn publish(&self, topic: &str, payload: Value) -> String {
        let publish = "mutation($input: MessageInput!) { publish(input: $input) { id } }";
        let input = json!({"topic": topic, "payload": payload});
        text(&self.ask(publish, json!({"input": input})).await.data()["publish"]["id"])
    }

    /// Asks until the answer is as `fits` says.
    pub async fn until(&self, query: &str, variables: Value, fits: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let data = self.ask(query, variables.clone()).await.data();
            if fits(&data) {
                return data;
            }
            assert!(started.elapsed() < PATIENCE, "{query} stays {data}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A text in a document.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
