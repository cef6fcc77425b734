//! The server that all scenarios share, and what belongs to one row on one transport: a tenant, its keys, a receiver's
//! path, and what was kept.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use posthaste_testkit::{Answer, Received, Receiver};
use serde_json::{Map, Value, json};

use super::grpc;
use super::row::{Call, Outcome, Transport, Who};
use super::shape::Names;
use super::{graphql, rest};
use crate::program::{Server, posthaste};

const ADMIN_KEY: &str = "the administrator's very own key";

/// A server that runs, and a receiver for what it sends.
pub struct Stage {
    server: Server,
    receiver: Receiver,
    grpc: grpc::Client,
}

impl Stage {
    /// Starts a server in this directory.
    pub async fn start(directory: &Path, options: &[&str]) -> Self {
        let receiver = Receiver::start().await;
        receiver.answer_by(|request: &Received| answer_of(&request.path));
        let common = ["serve", "--listen", "127.0.0.1:0", "--allow-net", "127.0.0.0/8", "--max-payload-bytes", "20000"];
        let mut command = posthaste(directory, &[&common[..], options].concat());
        command.env("POSTHASTE_ADMIN_KEY", ADMIN_KEY);
        let server = tokio::task::block_in_place(|| Server::of(command));
        let grpc = grpc::Client::connect(&server.address).await;
        Self { server, receiver, grpc }
    }

    /// Makes a call over a transport.
    pub async fn call(&self, transport: Transport, key: Option<&str>, call: &Call) -> Outcome {
        match transport {
            Transport::Rest => rest::call(&self.server.address, key, call).await,
            Transport::Grpc => self.grpc.call(key, call).await,
            Transport::Graphql => graphql::call(&self.server.address, key, call).await,
        }
    }

    /// The token of the last challenge that came to this path.
    pub async fn token(&self, path: &str) -> String {
        let token = |request: &Received| {
            let body: Value = serde_json::from_slice(&request.body).ok()?;
            let asks = request.path == path && body["type"] == "posthaste.verification";
            asks.then(|| body["token"].as_str().map(str::to_owned))?
        };
        let all = self.receiver.wait_until("a challenge", |all| all.iter().any(|one| token(one).is_some())).await;
        all.iter().rev().find_map(token).unwrap()
    }

    pub fn stop(self) {
        assert_eq!(tokio::task::block_in_place(|| self.server.stop()), Some(0));
    }
}

/// What the receiver answers at a path.
fn answer_of(path: &str) -> Answer {
    match path.rsplit('/').next() {
        Some("fails") => Answer::status(500),
        Some("gone") => Answer::status(410),
        _ => Answer::status(200),
    }
}

/// One row on one transport.
pub struct Scene<'a> {
    pub stage: &'a Stage,
    pub transport: Transport,
    pub names: Names,
    tenant: String,
    keys: HashMap<Who, String>,
    kept: Map<String, Value>,
}

impl<'a> Scene<'a> {
    pub fn new(stage: &'a Stage, transport: Transport, number: usize) -> Self {
        let tenant = format!("row-{number}-{}", format!("{transport:?}").to_lowercase());
        let hook = stage.receiver.url(&format!("/{tenant}"));
        let known = vec![
            (hook.clone(), "<hook>".to_owned()),
            (stage.receiver.address().to_string(), "<receiver>".to_owned()),
            (tenant.clone(), "<tenant>".to_owned()),
        ];
        let mut kept = Map::new();
        kept.insert("tenant".to_owned(), json!(tenant));
        kept.insert("hook".to_owned(), json!(hook));
        let names = Names::new(known);
        Self { stage, transport, names, tenant, keys: HashMap::new(), kept }
    }

    /// Keeps an answer under a name.
    pub fn keep(&mut self, name: &str, answer: Value) {
        self.kept.insert(name.to_owned(), answer);
    }

    /// Waits for the token of a challenge to this row's receiver.
    pub async fn take_token(&mut self) {
        let token = self.stage.token(&format!("/{}", self.tenant)).await;
        self.keep("token", json!(token));
    }

    /// Makes a step's call, with what was kept in the place of its `$names`.
    pub async fn call(&mut self, who: Who, call: &Call) -> Outcome {
        let key = self.key(who).await;
        let filled = Call {
            does: call.does,
            id: call.id.as_ref().map(|id| self.fill(&json!(id)).as_str().unwrap().to_owned()),
            with: self.fill(&Value::Object(call.with.clone())).as_object().cloned().unwrap(),
            body: call.body.as_ref().map(|body| self.fill(body)),
            if_revision: call.if_revision,
        };
        self.stage.call(self.transport, key.as_deref(), &filled).await
    }

    /// The key of somebody; made when it is first shown.
    async fn key(&mut self, who: Who) -> Option<String> {
        match who {
            Who::Nobody => return None,
            Who::Unknown => return Some("ph_nobody_knows_this_key_at_all_0123456789".to_owned()),
            Who::Root => return Some(ADMIN_KEY.to_owned()),
            _ => {}
        }
        if let Some(key) = self.keys.get(&who) {
            return Some(key.clone());
        }
        let (scope, tenant) = match who {
            Who::Reader => ("read", self.tenant.clone()),
            Who::Publisher => ("publish", self.tenant.clone()),
            Who::Keeper => ("endpoints", self.tenant.clone()),
            Who::Stranger => ("admin", format!("{}-other", self.tenant)),
            _ => ("admin", self.tenant.clone()),
        };
        let body = json!({"name": format!("{who:?}"), "scopes": [scope], "tenant": tenant});
        let call = Call { does: "create_key", body: Some(body), ..Call::default() };
        let made = self.stage.call(Transport::Rest, Some(ADMIN_KEY), &call).await;
        let Outcome::Answer(made) = made else { panic!("{made:?}") };
        let text = made["key"].as_str().unwrap().to_owned();
        self.keys.insert(who, text.clone());
        Some(text)
    }

    /// A value with every `$name.member` replaced: by the value where it is all of a text, else by its text.
    pub fn fill(&self, value: &Value) -> Value {
        match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), self.fill(value))).collect(),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::String(text) => self.fill_text(text),
            other => other.clone(),
        }
    }

    fn fill_text(&self, text: &str) -> Value {
        let Some(start) = text.find('$') else { return json!(text) };
        let rest = &text[start + 1..];
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_.".contains(letter));
        let name = &rest[..end.unwrap_or(rest.len())];
        let mut found = self.kept.get(name.split('.').next().unwrap_or_default());
        for member in name.split('.').skip(1) {
            found = match member.parse::<usize>() {
                Ok(index) => found.and_then(|found| found.get(index)),
                Err(_) => found.and_then(|found| found.get(member)),
            };
        }
        let found = found.unwrap_or_else(|| panic!("${name} was not kept"));
        if start == 0 && end.is_none() {
            return found.clone();
        }
        json!(format!("{}{}{}", &text[..start], found.as_str().unwrap(), &rest[name.len()..]))
    }
}

/// How long a repeated step pauses.
pub const PAUSE: Duration = Duration::from_millis(30);
