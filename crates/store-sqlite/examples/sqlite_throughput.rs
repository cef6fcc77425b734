//! How many deliveries per second the store alone carries: groups of 500 are published, and their outcomes recorded, as
//! a busy engine does it. `cargo run --release -p posthaste-store-sqlite --example sqlite_throughput [FILE] [GROUPS]`

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use posthaste_core::delivery::{Next, Progress};
use posthaste_core::endpoint::OnFailed;
use posthaste_core::id::{BatchId, MessageIds, NodeId};
use posthaste_core::message::MessageExtras;
use posthaste_core::{Attempt, Capture, EndpointId, Message, Outcome, Target, Tenant, Timestamp};
use posthaste_store::queue::{BatchRow, Exchange, From, Owner, Settled};
use posthaste_store::{CatalogVersion, Coordination, Flush, Group, NewMessage, NodeInfo, Queue};
use posthaste_store_sqlite::SqliteStore;
use tokio::sync::mpsc;

const GROUP: usize = 500;
const ENDPOINTS: u128 = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "throughput.db".to_owned());
    let groups: u32 = arguments.next().map_or(Ok(200), |count| count.parse())?;
    let store = SqliteStore::open(&file).await?;
    let info = NodeInfo { version: "1".to_owned(), roles: Vec::new() };
    let joined = store.join(&info).await?;
    let (sender, receiver) = mpsc::channel(4);
    let began = Instant::now();
    let (published, recorded) = tokio::join!(
        publish(&store, joined.node, joined.number, joined.now, groups, sender),
        record(&store, joined.node, joined.number, receiver)
    );
    published?;
    recorded?;
    let seconds = began.elapsed().as_secs_f64();
    let deliveries = f64::from(groups) * 500.0;
    println!("{deliveries} deliveries in {seconds:.2} s: {:.0}/s", deliveries / seconds);
    Ok(())
}

async fn publish(
    store: &SqliteStore,
    node: NodeId,
    number: u16,
    mut now: Timestamp,
    groups: u32,
    sender: mpsc::Sender<Group>,
) -> Result<(), Box<dyn Error>> {
    let mut ids = MessageIds::new(number);
    let payload = Bytes::from(vec![b'x'; 300]);
    for _ in 0..groups {
        now = now + std::time::Duration::from_millis(5);
        let minted: Vec<_> = (0..GROUP).map(|_| ids.mint(now)).collect();
        let batch = BatchId::from_bits(minted[0].bits());
        let messages = minted.iter().zip(0_u128..).map(|(id, n)| {
            // Ends in a byte of its own, as a random id does.
            let endpoint = EndpointId::from_bits((n % ENDPOINTS) * 0x1234_5678_9abc_def1);
            let message = Message {
                id: *id,
                tenant: Tenant::default_tenant(),
                topic: "order.created".parse().ok(),
                content_type: "application/json".to_owned(),
                targets: vec![Target { endpoint, revision: 1 }],
                batch,
                deliver_at: None,
                extras: MessageExtras::default(),
            };
            NewMessage { message: Arc::new(message), payload: payload.clone(), idempotency: None, waits: Vec::new() }
        });
        let group = Group {
            batch,
            row: BatchRow::Insert,
            consumes: Vec::new(),
            owner: Owner::Publisher,
            matched: CatalogVersion(0),
            messages: messages.collect(),
        };
        store.publish(node, &group).await?;
        sender.send(group).await?;
    }
    Ok(())
}

async fn record(
    store: &SqliteStore,
    node: NodeId,
    number: u16,
    mut receiver: mpsc::Receiver<Group>,
) -> Result<(), Box<dyn Error>> {
    let capture = Capture {
        http_version: "HTTP/1.1".to_owned(),
        reason: "OK".to_owned(),
        headers: vec![
            ("date".to_owned(), b"Mon, 30 Nov 2026 14:00:00 GMT".to_vec()),
            ("content-length".to_owned(), b"2".to_vec()),
        ],
        body: b"ok".to_vec(),
        truncated: false,
    };
    while let Some(group) = receiver.recv().await {
        let mut settled = Vec::with_capacity(GROUP);
        for new in &group.messages {
            for (delivery, target) in new.message.deliveries() {
                let attempt = Attempt {
                    id: delivery.attempt(1, number),
                    endpoint: target.endpoint,
                    endpoint_revision: target.revision,
                    tenant: new.message.tenant.clone(),
                    number: 1,
                    at: new.message.created_at(),
                    duration_micros: 1_500,
                    outcome: Outcome::Succeeded,
                    status_code: Some(200),
                    error: None,
                };
                settled.push(Settled {
                    delivery,
                    endpoint: target.endpoint,
                    tenant: new.message.tenant.clone(),
                    from: From::Batch(group.batch),
                    attempt: Some(Exchange { attempt, capture: Some(capture.clone()) }),
                    next: Next::Succeeded,
                    progress: Progress { attempts: 1, ..Progress::default() },
                    on_failed: OnFailed::Continue,
                    at: new.message.created_at(),
                });
            }
        }
        let flush = Flush { settled, finished: vec![group.batch], ..Flush::default() };
        store.record(node, &flush).await?;
    }
    Ok(())
}
