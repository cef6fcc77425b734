//! `posthaste demo`: the main job in front of the reader's eyes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::Method;
use posthaste_core::address::AllowList;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::demo::display::{Display, Gauge};
use crate::demo::publisher::{self, Published};
use crate::demo::receivers::{Manner, Receiver};
use crate::demo::{report, stage};
use crate::failure::{Failure, Result};
use crate::output;
use crate::server::connections::Connections;
use crate::server::database::Database;
use crate::server::logs::{self, LogFormat};
use crate::server::settings::Settings;
use crate::server::{Server, signals};

/// How long the failing receiver is down.
const DOWN: Duration = Duration::from_secs(4);
/// How long the slow receiver thinks.
const SLOW: Duration = Duration::from_millis(150);
/// Whatever has not arrived by then is called lost.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often the display is renewed and the end looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How much there is to see.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  posthaste demo --events 10000")]
pub struct Demo {
    /// How many events are published
    #[arg(long, value_name = "COUNT", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    events: u64,
}

/// Shows it, on a database that is thrown away.
pub async fn run(options: Demo) -> Result<()> {
    logs::start(LogFormat::Auto, "error")?;
    let stop = signals::stop_token()?;
    let directory =
        tempfile::tempdir().map_err(|error| Failure::new(format!("no temporary directory can be made: {error}")))?;
    let settings = Settings {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        allow: "127.0.0.0/8".parse::<AllowList>().map_err(|error| Failure::new(error.to_string()))?,
        grace: Duration::from_secs(5),
        ..Settings::new(Database::File(directory.path().join("demo.db")))
    };
    let server = Server::start(settings.check()?).await?;
    let url = format!("http://{}", server.address()?);
    let (server_stop, receivers_stop) = (CancellationToken::new(), CancellationToken::new());
    let tasks = TaskTracker::new();
    let serving = tasks.spawn(server.run(server_stop.clone()));
    let connections = Connections::new(4096);
    let played = tokio::select! {
        played = play(&url, options.events, &connections, &receivers_stop) => played,
        () = stop.cancelled() => Err(Failure::new("the demo was stopped before its end")),
    };
    server_stop.cancel();
    // The server's task only ends; had it panicked, the play would not have reached its end.
    let _ = serving.await;
    receivers_stop.cancel();
    connections.drain(Duration::from_secs(2)).await;
    played?;
    output::line(
        "\nTo keep a server running:\n  posthaste serve --allow-net 127.0.0.0/8        http://127.0.0.1:7678, its API at /docs\n  \
         posthaste --help                               the rest",
    )
}

/// Everything between the server's start and its stop.
async fn play(url: &str, events: u64, connections: &Connections, stop: &CancellationToken) -> Result<()> {
    let began = Instant::now();
    let receivers = [
        Receiver::new("healthy", "*", Manner::Healthy, began)?,
        Receiver::new("slow", "invoice.sent", Manner::Slow(SLOW), began)?,
        Receiver::new("failing", "order.*", Manner::Down(DOWN), began)?,
        Receiver::new("audit", "*", Manner::Healthy, began)?,
    ];
    output::line(&format!(
        "A server on {url}, its SQLite database in a temporary directory, and four receivers that verify every signature:\n  \
         one healthy, one that takes {} ms, one that answers 503 for its first {} s, one more healthy.\n",
        SLOW.as_millis(),
        DOWN.as_secs(),
    ))?;
    let client = Client::new(url, None)?;
    stage::topics(&client).await?;
    for receiver in &receivers {
        let address = receiver.listen(connections, stop.clone())?;
        stage::endpoint(&client, receiver, address).await?;
    }
    let published = Arc::new(Published::default());
    let publishing = publisher::publish(url, events, began, published.clone());
    let watching = watch(&receivers, &published, events, began);
    tokio::try_join!(publishing, watching)?;
    let took = began.elapsed();
    report::close(&receivers, &published, events, took, ask(&client).await?)
}

/// Shows how far everything is until all is delivered, or patience ends.
async fn watch(receivers: &[Arc<Receiver>], published: &Published, events: u64, began: Instant) -> Result<()> {
    let mut display = Display::new(receivers.len() + 1);
    loop {
        let gauges = gauges(receivers, published, events);
        let done = gauges.iter().all(|gauge| gauge.done >= gauge.of);
        if done || began.elapsed() > PATIENCE {
            return display.finish(&gauges);
        }
        display.show(&gauges)?;
        tokio::time::sleep(LOOK).await;
    }
}

fn gauges(receivers: &[Arc<Receiver>], published: &Published, events: u64) -> Vec<Gauge> {
    let accepted = published.accepted.load(Ordering::Relaxed);
    let mut gauges = vec![Gauge { name: "accepted", done: accepted, of: events, note: String::new() }];
    for receiver in receivers {
        let ledger = receiver.ledger();
        let done = ledger.delivered();
        let note = match (receiver.manner, ledger.refused) {
            (Manner::Down(_), 0) => String::new(),
            (Manner::Down(_), refused) if done == 0 => format!("down: {refused} answers of 503"),
            (Manner::Down(_), refused) => format!("recovered after {refused} answers of 503"),
            _ => String::new(),
        };
        gauges.push(Gauge { name: receiver.name, done, of: stage::owed(receiver, events), note });
    }
    gauges
}

/// What the server itself says is left. The last outcomes are recorded a moment after the receivers have answered.
async fn ask(client: &Client) -> Result<report::Servers> {
    let mut servers = report::Servers { pending: true, failed: true };
    for _ in 0..50 {
        servers = report::Servers { pending: any(client, "pending").await?, failed: any(client, "failed").await? };
        if !servers.pending {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(servers)
}

/// Whether there is a delivery in this state. A page may be empty although there are more behind it.
async fn any(client: &Client, status: &str) -> Result<bool> {
    let page = client.call(Method::GET, &format!("/v1/deliveries?status={status}&limit=1"), None).await?;
    Ok(page["data"].as_array().is_some_and(|items| !items.is_empty()) || !page["next_cursor"].is_null())
}
