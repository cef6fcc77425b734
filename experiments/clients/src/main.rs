//! The hot verbs, publish and record, through each client crate that a driver could be built on, with the drivers' own SQL.
//!
//! One cycle publishes a group of messages of 512 bytes with one target each and records their successes: what a delivery
//! costs the store. The candidates of a database take turns of a second on databases of their own, so that all see the
//! same machine; the median of their turns is printed.

mod postgres;
mod sqlite;

use std::time::{Duration, Instant};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const TURNS: usize = 9;
const TURN: Duration = Duration::from_secs(1);
const GROUPS: [usize; 4] = [1, 10, 100, 500];

/// A group of messages, one delivery each.
pub struct Work {
    ids: Vec<[u8; 16]>,
    payload: Vec<u8>,
}

impl Work {
    fn new(group: usize, next: &mut u128) -> Self {
        let ids = (0..group).map(|_| {
            *next += 1 << 40;
            next.to_be_bytes()
        });
        Self { ids: ids.collect(), payload: vec![b'x'; 512] }
    }
}

/// A client crate.
#[async_trait::async_trait]
pub trait Client: Send {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Commits the group.
    async fn publish(&mut self, work: &Work) -> Result<()>;
    /// Commits that it was delivered.
    async fn record(&mut self, work: &Work) -> Result<()>;
    /// Commits the group as a transaction of four statements, as it is where keys have to be looked at first.
    async fn publish_in_steps(&mut self, work: &Work) -> Result<()>;
}

/// User and system time of this process.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

#[derive(Clone, Copy)]
enum Verb {
    Cycle,
    Steps,
}

async fn turn(client: &mut dyn Client, verb: Verb, group: usize, next: &mut u128) -> Result<(f64, f64)> {
    let (began, used) = (Instant::now(), processor_time());
    let mut done = 0;
    while began.elapsed() < TURN {
        let work = Work::new(group, next);
        match verb {
            Verb::Cycle => {
                client.publish(&work).await?;
                client.record(&work).await?;
            }
            Verb::Steps => client.publish_in_steps(&work).await?,
        }
        done += group;
    }
    let done = done as f64;
    let spent = (processor_time() - used).as_secs_f64();
    Ok((done / began.elapsed().as_secs_f64(), spent * 1e6 / done))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn compare(title: &str, verb: Verb, clients: &mut [Box<dyn Client>], next: &mut u128) -> Result<()> {
    println!("\n| {title} | group | deliveries/s | client's CPU, µs each |\n|---|---|---|---|");
    for group in GROUPS {
        let mut seen = vec![(Vec::new(), Vec::new()); clients.len()];
        for _ in 0..TURNS {
            for (client, seen) in clients.iter_mut().zip(&mut seen) {
                let (rate, cost) = turn(client.as_mut(), verb, group, next).await?;
                seen.0.push(rate);
                seen.1.push(cost);
            }
        }
        for (client, (rates, costs)) in clients.iter().zip(seen) {
            println!("| {} | {group} | {:.0} | {:.1} |", client.name(), median(rates), median(costs));
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    // Ids that begin at some day, as real ones do.
    let mut next = 0x0199_0000_0000_u128 << 80;
    let folder = tempfile::tempdir_in(std::env::current_dir()?)?;
    let mut clients = sqlite::clients(folder.path()).await?;
    compare("SQLite: publish + record", Verb::Cycle, &mut clients, &mut next).await?;
    drop(clients);
    let cluster = posthaste_testkit::Cluster::dedicated(posthaste_testkit::Fsync::On).await;
    let mut clients = postgres::clients(&cluster).await?;
    compare("PostgreSQL: publish + record", Verb::Cycle, &mut clients, &mut next).await?;
    compare("PostgreSQL: publish in four statements", Verb::Steps, &mut clients, &mut next).await
}
