//! `posthaste doctor`: what is wrong, if anything.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use posthaste_core::Timestamp;
use posthaste_engine::rekey::Sealed;
use posthaste_store::Store;
use serde_json::{Value, json};

use crate::client::{Client, problem};
use crate::commands::migrate::DatabaseOptions;
use crate::failure::{Failure, Result};
use crate::output::{self, Format};
use crate::server::database::{self, Database};
use crate::server::key_file::KeyFile;
use crate::server::secret_key::look;

/// How far this machine's clock may be from the database's.
const CLOCK_SECONDS: f64 = 5.0;

/// Where to look if no server answers.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Asks the server with --server and --key; if none answers, looks into the database. Changes nothing. Exit code 1 if
something is wrong.

Examples:
  posthaste doctor
  posthaste doctor --database-url postgres://posthaste@db/posthaste --output json"
)]
pub struct Doctor {
    #[command(flatten)]
    database: DatabaseOptions,
    /// The key that seals endpoint secrets, to try it on the database
    #[arg(long, value_name = "KEY")]
    secret_key: Option<String>,
}

/// What one look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Works, but somebody should know.
    Note,
    Bad,
}

#[derive(Debug, Default)]
struct Findings(Vec<(&'static str, Verdict, String)>);

impl Findings {
    fn add(&mut self, what: &'static str, verdict: Verdict, said: impl Into<String>) {
        self.0.push((what, verdict, said.into()));
    }

    fn show(&self, format: Format) -> Result<()> {
        let word = |verdict: &Verdict| match verdict {
            Verdict::Good => "ok",
            Verdict::Note => "note",
            Verdict::Bad => "wrong",
        };
        match format {
            Format::Json => {
                let one = |(what, verdict, said): &(&str, Verdict, String)| json!({"what": what, "verdict": word(verdict), "said": said});
                output::json(&json!({"findings": self.0.iter().map(one).collect::<Vec<_>>()}))?;
            }
            Format::Table => {
                for (what, verdict, said) in &self.0 {
                    output::line(&format!("{what:<9} {:<6} {}", word(verdict), output::harmless(said)))?;
                }
            }
        }
        match self.0.iter().filter(|(_, verdict, _)| *verdict == Verdict::Bad).count() {
            0 => Ok(()),
            1 => Err(Failure::new("something is wrong; see above")),
            count => Err(Failure::new(format!("{count} things are wrong; see above"))),
        }
    }
}

/// Looks everywhere and says what it found.
pub async fn run(options: Doctor, client: &Client, format: Format) -> Result<()> {
    let mut findings = Findings::default();
    match client.request(Method::GET, "/v1/stats", None).await {
        Ok(answer) if answer.status.is_success() => {
            let stats: Value = serde_json::from_slice(&answer.body).map_err(|_| {
                Failure::new(format!("{} answered something that is not JSON: is it Posthaste?", client.server()))
            })?;
            of_server(&stats, client.server(), &mut findings);
        }
        Ok(answer) => {
            let failure = problem::failure(client.server(), answer.status, &answer.body);
            findings.add("server", Verdict::Bad, failure.to_string());
        }
        Err(failure) => {
            findings.add("server", Verdict::Note, failure.to_string());
            of_database(options, &mut findings).await;
        }
    }
    findings.show(format)
}

/// What a server says of itself.
fn of_server(stats: &Value, address: &str, findings: &mut Findings) {
    let server = &stats["server"];
    let version = server["version"].as_str().unwrap_or("?");
    findings.add("server", Verdict::Good, format!("{address} answers, version {version}"));
    nodes(stats["nodes"].as_array().map_or(&[][..], Vec::as_slice), findings);
    backlog(stats, findings);
    if server.is_null() {
        let said = "this key may not see how the server is set up; one with the scope admin may";
        return findings.add("setup", Verdict::Note, said);
    }
    match server["seals_secrets"].as_bool() {
        Some(true) => findings.add("secrets", Verdict::Good, "sealed"),
        _ => findings.add("secrets", Verdict::Note, "stored unsealed: give every node the same --secret-key"),
    }
    findings.add("schema", Verdict::Good, format!("version {}", server["schema_version"]));
    let now = serde_json::from_value::<Timestamp>(server["now"].clone()).ok();
    clock(now, findings);
    let networks: Vec<&str> =
        server["allowed_networks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match networks.as_slice() {
        [] => findings.add("guard", Verdict::Good, "sends to public addresses only"),
        some => findings.add("guard", Verdict::Good, format!("sends to public addresses, and to {}", some.join(", "))),
    }
}

fn nodes(nodes: &[Value], findings: &mut Findings) {
    for role in ["api", "dispatch", "schedule"] {
        let plays = |node: &&Value| node["roles"].as_array().is_some_and(|roles| roles.iter().any(|word| word == role));
        if !nodes.iter().any(|node| plays(&node)) {
            findings.add("nodes", Verdict::Bad, format!("no node has the role {role}"));
        }
    }
    let ids: Vec<&str> = nodes.iter().filter_map(|node| node["id"].as_str()).collect();
    findings.add("nodes", Verdict::Good, format!("{}: {}", ids.len(), ids.join(", ")));
    match nodes.iter().find(|node| node["leader"] == true) {
        Some(leader) => findings.add("leader", Verdict::Good, leader["id"].as_str().unwrap_or("?")),
        None => findings.add("leader", Verdict::Note, "nobody leads at this moment: schedules wait"),
    }
}

fn backlog(stats: &Value, findings: &mut Findings) {
    let oldest = stats["oldest_pending_at"].as_str().map(|at| format!(", the oldest from {at}")).unwrap_or_default();
    let said = format!("{} deliveries are owed{oldest}; {} have failed", stats["backlog"], stats["failed"]);
    findings.add("backlog", Verdict::Good, said);
}

fn clock(database: Option<Timestamp>, findings: &mut Findings) {
    #[expect(clippy::disallowed_methods, reason = "this machine's clock is what is examined")]
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let Some(database) = database else {
        return findings.add("clock", Verdict::Bad, "the server does not tell the time");
    };
    #[expect(clippy::cast_precision_loss, reason = "a difference of seconds is shown")]
    let apart = here - database.as_micros() as f64 / 1e6;
    let verdict = if apart.abs() < CLOCK_SECONDS { Verdict::Good } else { Verdict::Note };
    findings.add("clock", verdict, format!("this machine's is {apart:+.1} s from the database's"));
}

/// What the database says while no server runs.
async fn of_database(options: Doctor, findings: &mut Findings) {
    let network = options.database.network();
    let database = options.database.url;
    if let Database::File(path) = &database
        && !path.exists()
    {
        return findings.add("database", Verdict::Bad, format!("{} is not there", path.display()));
    }
    // First, because opening would migrate.
    if let Err(failure) = database::check(&database, &network).await {
        return findings.add("schema", Verdict::Bad, failure.to_string());
    }
    let opened = match database::open(&database, &network).await {
        Ok(opened) => opened,
        Err(failure) => return findings.add("database", Verdict::Bad, failure.to_string()),
    };
    findings.add("database", Verdict::Good, database.to_string());
    findings.add("schema", Verdict::Good, format!("version {}", opened.schema_version));
    let store = &*opened.store;
    let (verdict, said) = secrets(store, options.secret_key, &database).await;
    findings.add("secrets", verdict, said);
    match store.stats(None).await {
        Ok(stats) => {
            let counts = json!({
                "backlog": stats.waiting + stats.in_batches,
                "failed": stats.failed,
                "oldest_pending_at": stats.oldest_pending_at,
            });
            backlog(&counts, findings);
        }
        Err(error) => findings.add("backlog", Verdict::Bad, error.to_string()),
    }
    let (verdict, said) = match store.peers().await {
        Ok(peers) => (Verdict::Note, format!("{} are written down; none answers here", peers.len())),
        Err(error) => (Verdict::Bad, error.to_string()),
    };
    findings.add("nodes", verdict, said);
}

/// Whether secrets are sealed, and the key at hand opens them.
async fn secrets(store: &dyn Store, given: Option<String>, database: &Database) -> (Verdict, String) {
    let given = given.filter(|key| !key.is_empty());
    let key = match (given, database) {
        (None, Database::File(path)) => KeyFile::beside(path).read(),
        (given, _) => Ok(given),
    };
    let found = match key {
        Ok(key) => look(store, key.as_deref()).await,
        Err(failure) => Err(failure),
    };
    match found {
        Ok(Sealed::Opens) => (Verdict::Good, "sealed, and the key opens them".to_owned()),
        Ok(Sealed::Nothing) => (Verdict::Note, "none is sealed".to_owned()),
        Ok(Sealed::Closed(endpoint)) => {
            (Verdict::Bad, format!("the key does not open the secrets of {endpoint}, or there is none"))
        }
        Err(failure) => (Verdict::Bad, failure.to_string()),
    }
}
