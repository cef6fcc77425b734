//! A server to test against: engine, SQLite, router, socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use posthaste_core::address::AllowList;
use posthaste_engine::egress::EgressOptions;
use posthaste_engine::{Engine, Options};
use posthaste_rest::{Access, RestOptions, router};
use posthaste_store_sqlite::SqliteStore;
use posthaste_testkit::{PATIENCE, Receiver};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::client::{self, Reply};

/// The admin key of servers that have one.
pub const ADMIN_KEY: &str = "the administrator's very own key";

/// A server that runs until it is dropped.
pub struct Stage {
    pub address: SocketAddr,
    pub engine: Engine,
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

    /// A server set up otherwise.
    #[expect(clippy::disallowed_methods, reason = "the server ends with the stage")]
    pub async fn with(options: Options, access: Access) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("posthaste.db");
        let store = SqliteStore::open(path.to_str().expect("a path in UTF-8")).await.expect("a database");
        let allow = AllowList::new(["127.0.0.0/8".parse().expect("a network")]);
        let egress = EgressOptions { allow: allow.clone(), ..EgressOptions::default() };
        let options = Options { allow, egress, ..options };
        let engine = Engine::start(Arc::new(store), options).await.expect("an engine");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let service = router(engine.clone(), RestOptions { access });
        let serving = tokio::spawn(async move { axum::serve(listener, service).await.expect("serving does not end") });
        Self { address, engine, key: None, serving, _directory: directory }
    }

    /// A request with these headers beside the stage's key.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let bearer = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let mut all = headers.to_vec();
        if let Some(bearer) = &bearer {
            all.push(("authorization", bearer));
        }
        client::send(self.address, method, path, &all, body).await
    }

    /// A request with a key of its own.
    pub async fn send_as(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> Reply {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        client::send(self.address, method, path, &headers, body.as_bytes()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes()).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        let headers = [("content-type", "application/merge-patch+json")];
        self.send("PATCH", path, &headers, body.to_string().as_bytes()).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], b"").await
    }

    /// A verb without a body.
    pub async fn verb(&self, path: &str) -> Reply {
        self.send("POST", path, &[], b"").await
    }

    /// Creates a topic.
    pub async fn topic(&self, name: &str) {
        self.post("/v1/topics", json!({"name": name})).await.expect(201);
    }

    /// Creates an endpoint with members beside `url` and `topics`; returns its id.
    pub async fn endpoint(&self, url: &str, more: Value) -> String {
        let mut body = json!({"url": url, "topics": ["*"]});
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        id(&self.post("/v1/endpoints", body).await.expect(201))
    }

    /// Waits until a document read from `path` is as `fits` says.
    pub async fn until(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let started = std::time::Instant::now();
        loop {
            let document = self.get(path).await.expect(200);
            if fits(&document) {
                return document;
            }
            assert!(started.elapsed() < PATIENCE, "{path} stays {document}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The id in a document.
pub fn id(document: &Value) -> String {
    document["id"].as_str().unwrap_or_else(|| panic!("no id: {document}")).to_owned()
}

/// A receiver and a topic's worth of stage.
pub async fn with_receiver() -> (Stage, Receiver) {
    let stage = Stage::open().await;
    stage.topic("order.created").await;
    (stage, Receiver::start().await)
}
