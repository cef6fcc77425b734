//! How many deliveries the store alone takes from acceptance to success: `postgres_throughput URL [SECONDS] [GROUP]`.
//!
//! Two tasks publish groups of messages with one target and 512 bytes each, one records their successes as they were
//! committed, as the engine does; nothing is sent. Prints deliveries per second, WAL bytes and dead rows per delivery.
//! Run it built for release on a server with `fsync = on`.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a program to measure with: what cannot be set up ends it, and it has no engine whose clock it could take"
)]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use posthaste_core::delivery::{Next, Progress};
use posthaste_core::endpoint::{EndpointSettings, OnFailed, SealedSecrets};
use posthaste_core::id::{BatchId, MessageIds, NodeId};
use posthaste_core::message::MessageExtras;
use posthaste_core::{
    Attempt, Capture, Endpoint, EndpointId, EndpointState, Message, MessageId, Outcome, Target, Tenant, Timestamp,
    TopicPattern,
};
use posthaste_store::queue::{BatchRow, Exchange, From, Owner};
use posthaste_store::{
    Catalog as _, CatalogVersion, Coordination as _, Flush, Group, NewMessage, NodeInfo, Published, Queue as _, Settled,
};
use posthaste_store_postgres::{PostgresOptions, PostgresStore};
use tokio::sync::mpsc;
use tokio_postgres::NoTls;

const ENDPOINTS: u128 = 8;

#[derive(Clone)]
struct Setting {
    store: PostgresStore,
    node: NodeId,
    number: u16,
    matched: CatalogVersion,
    tenant: Tenant,
    group: usize,
    until: Instant,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().expect("usage: throughput URL [SECONDS] [GROUP]");
    let seconds = arguments.next().map_or(10, |text| text.parse().expect("SECONDS is a number"));
    let group = arguments.next().map_or(100, |text| text.parse().expect("GROUP is a number"));
    let store = PostgresStore::connect(&url, &PostgresOptions::default()).await.expect("the server answers");
    let setting = prepare(store, group, Duration::from_secs(seconds)).await;
    let (observer, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let before = observe(&observer).await;
    let began = Instant::now();
    let (committed, records) = mpsc::channel(8);
    let publishers: Vec<_> = (0..2).map(|_| tokio::spawn(publish(setting.clone(), committed.clone()))).collect();
    drop(committed);
    let recorded = record(&setting, records).await;
    for publisher in publishers {
        publisher.await.expect("a publisher does not fail");
    }
    let elapsed = began.elapsed().as_secs_f64();
    let after = observe(&observer).await;
    let count = f64::from(u32::try_from(recorded).expect("fewer than four thousand millions"));
    println!(
        "{:.0} deliveries/s ({recorded} in {elapsed:.1} s, groups of {group}), {:.0} bytes of WAL and {:.4} dead rows each",
        count / elapsed,
        (after.0 - before.0) / count,
        (after.1 - before.1) / count,
    );
}

/// WAL written so far, and rows deleted or replaced.
async fn observe(observer: &tokio_postgres::Client) -> (f64, f64) {
    // Statistics of others' sessions arrive a moment after their work.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let sql = "SELECT (pg_current_wal_lsn() - '0/0')::float8,
        (SELECT coalesce(sum(n_tup_del + n_tup_upd), 0)::float8 FROM pg_stat_user_tables)";
    let row = observer.query_one(sql, &[]).await.expect("statistics can be read");
    (row.get(0), row.get(1))
}

async fn prepare(store: PostgresStore, group: usize, length: Duration) -> Setting {
    let joined = store.join(&NodeInfo { version: "0".into(), roles: Vec::new() }).await.expect("a node joins");
    let tenant = Tenant::default_tenant();
    for id in 1..=ENDPOINTS {
        let endpoint = Endpoint {
            id: EndpointId::from_bits(id),
            tenant: tenant.clone(),
            uid: None,
            adhoc: false,
            settings: EndpointSettings::new("https://example.com/hook".into(), vec![TopicPattern::all()]),
            state: EndpointState::Active,
            state_reason: None,
            challenge: None,
            secrets: SealedSecrets(vec![0; 40]),
            revision: 1,
            created_at: joined.now,
            updated_at: joined.now,
        };
        // On a second run they are there.
        let _ = store.create_endpoint(&endpoint, 0).await;
    }
    let matched = store.load_tenant(&tenant).await.expect("the catalog is read").version;
    let until = Instant::now() + length + Duration::from_millis(1_500);
    Setting { store, node: joined.node, number: joined.number, matched, tenant, group, until }
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

static IDS: std::sync::Mutex<Option<MessageIds>> = std::sync::Mutex::new(None);

fn mint(setting: &Setting) -> MessageId {
    IDS.lock().expect("not poisoned").get_or_insert_with(|| MessageIds::new(setting.number)).mint(now())
}

async fn publish(setting: Setting, committed: mpsc::Sender<(BatchId, bool, Vec<NewMessage>)>) {
    let payload = Bytes::from(vec![b'x'; 512]);
    let mut batch: Option<(BatchId, Instant)> = None;
    let mut turn = 0u128;
    while Instant::now() < setting.until {
        let ids: Vec<MessageId> = (0..setting.group).map(|_| mint(&setting)).collect();
        let (id, row) = match batch {
            Some((id, began)) if began.elapsed() < Duration::from_millis(800) => (id, BatchRow::Exists),
            _ => {
                let id = BatchId::from_bits(ids[0].bits());
                batch = Some((id, Instant::now()));
                (id, BatchRow::Insert)
            }
        };
        let messages: Vec<NewMessage> = ids
            .into_iter()
            .map(|message| {
                turn += 1;
                let message = Message {
                    id: message,
                    tenant: setting.tenant.clone(),
                    topic: Some("order.created".parse().expect("a topic")),
                    content_type: "application/json".into(),
                    targets: vec![Target { endpoint: EndpointId::from_bits(turn % ENDPOINTS + 1), revision: 1 }],
                    batch: id,
                    deliver_at: None,
                    extras: MessageExtras::default(),
                };
                NewMessage {
                    message: Arc::new(message),
                    payload: payload.clone(),
                    idempotency: None,
                    waits: Vec::new(),
                }
            })
            .collect();
        let group =
            Group { batch: id, row, consumes: Vec::new(), owner: Owner::Publisher, matched: setting.matched, messages };
        let published = setting.store.publish(setting.node, &group).await.expect("a group is committed");
        assert!(matches!(published, Published::Committed(_)), "{published:?}");
        let last = batch.is_some_and(|(_, began)| began.elapsed() >= Duration::from_millis(800));
        let _ = committed.send((id, last, group.messages)).await;
    }
}

async fn record(setting: &Setting, mut records: mpsc::Receiver<(BatchId, bool, Vec<NewMessage>)>) -> usize {
    let capture = Capture {
        http_version: "HTTP/1.1".into(),
        reason: "OK".into(),
        headers: vec![
            ("date".into(), b"Sat, 31 Jan 2026 08:30:00 GMT".to_vec()),
            ("content-length".into(), b"2".to_vec()),
        ],
        body: b"ok".to_vec(),
        truncated: false,
    };
    let mut recorded = 0;
    while let Some(first) = records.recv().await {
        let mut gathered = vec![first];
        while gathered.iter().map(|(_, _, messages)| messages.len()).sum::<usize>() < 500 {
            let Ok(more) = records.try_recv() else { break };
            gathered.push(more);
        }
        let mut flush = Flush::default();
        for (batch, last, messages) in gathered {
            flush.settled.extend(messages.iter().map(|new| settled(setting, batch, &new.message, &capture)));
            flush.finished.extend(last.then_some(batch));
        }
        setting.store.record(setting.node, &flush).await.expect("a flush is written");
        recorded += flush.settled.len();
    }
    recorded
}

fn settled(setting: &Setting, batch: BatchId, message: &Message, capture: &Capture) -> Settled {
    let delivery = message.id.delivery(1);
    let attempt = Attempt {
        id: delivery.attempt(1, setting.number),
        endpoint: message.targets[0].endpoint,
        endpoint_revision: 1,
        tenant: message.tenant.clone(),
        number: 1,
        at: now(),
        duration_micros: 1_200,
        outcome: Outcome::Succeeded,
        status_code: Some(200),
        error: None,
    };
    Settled {
        delivery,
        endpoint: message.targets[0].endpoint,
        tenant: message.tenant.clone(),
        from: From::Batch(batch),
        attempt: Some(Exchange { attempt, capture: Some(capture.clone()) }),
        next: Next::Succeeded,
        progress: Progress { attempts: 1, ..Progress::default() },
        on_failed: OnFailed::Continue,
        at: now(),
    }
}
