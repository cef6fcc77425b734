//! The drivers' statements through tokio-postgres, pipelined, and through sqlx.

use posthaste_testkit::Cluster;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{Connection as _, Executor as _, Postgres};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Statement};
use uuid::Uuid;

use crate::{Client, Result, Work};

const MIGRATIONS: [&str; 7] = [
    include_str!("../../../crates/store-postgres/sql/migrations/0001_catalog.sql"),
    include_str!("../../../crates/store-postgres/sql/migrations/0002_coordination.sql"),
    include_str!("../../../crates/store-postgres/sql/migrations/0003_deliveries.sql"),
    include_str!("../../../crates/store-postgres/sql/migrations/0004_outbox.sql"),
    include_str!("../../../crates/store-postgres/sql/migrations/0005_retention.sql"),
    include_str!("../../../crates/store-postgres/sql/migrations/0006_outbox_topics.sql"),
    include_str!("../../../crates/store-postgres/sql/migrations/0007_expiring.sql"),
];
const ACCEPT: &str = include_str!("../../../crates/store-postgres/sql/accept.sql");
const FENCE: &str = include_str!("../../../crates/store-postgres/sql/fence.sql");
const RECORD: &str = include_str!("../../../crates/store-postgres/sql/record_successes.sql");
/// As far as these statements depend on it, as the driver sets its sessions: only the clients differ.
const SETTINGS: &str = "SET enable_seqscan = off; SET jit = off; SET enable_mergejoin = off";
const NODE: Uuid = Uuid::from_bytes([9; 16]);
const ENDPOINT: Uuid = Uuid::from_bytes([7; 16]);

pub async fn clients(cluster: &Cluster) -> Result<Vec<Box<dyn Client>>> {
    Ok(vec![
        Box::new(TokioPostgres::open(&cluster.database().await).await?),
        Box::new(Sqlx::open(&cluster.database().await).await?),
    ])
}

/// A group as columns.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    first: Vec<Uuid>,
    batches: Vec<Uuid>,
    endpoints: Vec<Uuid>,
    nothing: Vec<Option<i64>>,
    tenants: Vec<&'static str>,
    topics: Vec<&'static str>,
    types: Vec<&'static str>,
    targets: Vec<&'static [u8]>,
    texts: Vec<Option<&'static str>>,
    bodies: Vec<&'a [u8]>,
    times: Vec<i64>,
    numbers: Vec<i32>,
    outcomes: Vec<i16>,
    statuses: Vec<i16>,
    responses: Vec<&'static [u8]>,
    no_uuid: Vec<Uuid>,
    no_long: Vec<i64>,
    no_short: Vec<i16>,
    no_text: Vec<&'static str>,
    no_bool: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of(work: &'a Work) -> Self {
        let count = work.ids.len();
        let ids: Vec<Uuid> = work.ids.iter().map(|id| Uuid::from_bytes(*id)).collect();
        Self {
            batches: vec![ids[0]; count],
            first: vec![ids[0]],
            ids,
            endpoints: vec![ENDPOINT; count],
            nothing: vec![None; count],
            tenants: vec!["default"; count],
            topics: vec!["order.created"; count],
            types: vec!["application/json"; count],
            targets: vec![&[7; 21]; count],
            texts: vec![None; count],
            bodies: vec![&work.payload; count],
            times: vec![1 << 50; count],
            numbers: vec![1; count],
            outcomes: vec![0; count],
            statuses: vec![200; count],
            responses: vec![&[0; 80]; count],
            ..Self::default()
        }
    }
}

struct TokioPostgres {
    client: tokio_postgres::Client,
    accept: Statement,
    record: Statement,
    fence: Statement,
}

impl TokioPostgres {
    async fn open(url: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute("CREATE SCHEMA posthaste").await?;
        for migration in MIGRATIONS {
            client.batch_execute(migration).await?;
        }
        client.execute("INSERT INTO posthaste.node (id, number, version, roles) VALUES ($1, 1, '', '{}')", &[&NODE]).await?;
        client.batch_execute(SETTINGS).await?;
        let accept = client.prepare(ACCEPT).await?;
        let record = client.prepare(RECORD).await?;
        let fence = client.prepare_typed(FENCE, &[Type::UUID]).await?;
        Ok(Self { client, accept, record, fence })
    }
}

type Params<'a> = Vec<&'a (dyn ToSql + Sync)>;

/// The parameters of `accept.sql`.
fn accept_params<'a>(c: &'a Columns<'a>) -> Params<'a> {
    vec![
        &NODE, &None::<i64>, &c.ids, &c.batches, &c.nothing, &c.tenants, &c.topics, &c.types, &c.targets, &c.texts,
        &c.bodies, &c.ids[0], &NODE, &c.no_uuid, &c.no_long, &c.no_short, &c.no_text, &c.no_long, &c.no_long, &c.no_bool,
        &c.no_uuid, &c.no_uuid, &c.no_long, &c.no_short, &c.no_text, &c.no_uuid, &c.no_uuid, &c.no_long, &c.no_short,
        &c.no_text, &c.no_long, &c.no_long, &c.no_long, &c.no_uuid, &c.no_text,
    ]
}

/// The parameters of `record_successes.sql`.
fn record_params<'a>(c: &'a Columns<'a>) -> Params<'a> {
    vec![
        &NODE, &c.first, &c.first, &c.ids, &c.endpoints, &c.times, &c.times, &c.numbers, &c.numbers, &c.outcomes,
        &c.statuses, &c.tenants, &c.texts, &c.ids, &c.responses,
    ]
}

#[async_trait::async_trait]
impl Client for TokioPostgres {
    fn name(&self) -> &'static str {
        "tokio-postgres"
    }

    async fn publish(&mut self, work: &Work) -> Result<()> {
        let columns = Columns::of(work);
        self.client.query(&self.accept, &accept_params(&columns)).await?;
        Ok(())
    }

    async fn record(&mut self, work: &Work) -> Result<()> {
        let columns = Columns::of(work);
        self.client.query(&self.record, &record_params(&columns)).await?;
        Ok(())
    }

    async fn publish_in_steps(&mut self, work: &Work) -> Result<()> {
        let columns = Columns::of(work);
        let params = accept_params(&columns);
        let fence: [&(dyn ToSql + Sync); 1] = [&NODE];
        // Each is sent when it is first polled, in this order; no answer is waited for in between.
        futures_util::try_join!(
            self.client.batch_execute("BEGIN"),
            self.client.query(&self.fence, &fence),
            self.client.query(&self.accept, &params),
            self.client.batch_execute("COMMIT"),
        )?;
        Ok(())
    }
}

struct Sqlx(PgConnection);

impl Sqlx {
    async fn open(url: &str) -> Result<Self> {
        // The schema is made in the same way; sqlx keeps its statements prepared by itself.
        drop(TokioPostgres::open(url).await?);
        let mut connection = PgConnection::connect(url).await?;
        connection.execute(SETTINGS).await?;
        Ok(Self(connection))
    }
}

macro_rules! query {
    ($sql:expr; $($value:expr),* $(,)?) => { sqlx::query($sql)$(.bind($value))* };
}

type Bound<'q> = Query<'q, Postgres, PgArguments>;

fn accept<'q>(c: &'q Columns<'q>) -> Bound<'q> {
    query!(ACCEPT;
        NODE, None::<i64>, &c.ids, &c.batches, &c.nothing, &c.tenants, &c.topics, &c.types, &c.targets, &c.texts,
        &c.bodies, c.ids[0], NODE, &c.no_uuid, &c.no_long, &c.no_short, &c.no_text, &c.no_long, &c.no_long, &c.no_bool,
        &c.no_uuid, &c.no_uuid, &c.no_long, &c.no_short, &c.no_text, &c.no_uuid, &c.no_uuid, &c.no_long, &c.no_short,
        &c.no_text, &c.no_long, &c.no_long, &c.no_long, &c.no_uuid, &c.no_text,
    )
}

#[async_trait::async_trait]
impl Client for Sqlx {
    fn name(&self) -> &'static str {
        "sqlx"
    }

    async fn publish(&mut self, work: &Work) -> Result<()> {
        let columns = Columns::of(work);
        accept(&columns).fetch_all(&mut self.0).await?;
        Ok(())
    }

    async fn record(&mut self, work: &Work) -> Result<()> {
        let c = &Columns::of(work);
        query!(RECORD;
            NODE, &c.first, &c.first, &c.ids, &c.endpoints, &c.times, &c.times, &c.numbers, &c.numbers, &c.outcomes,
            &c.statuses, &c.tenants, &c.texts, &c.ids, &c.responses,
        )
        .fetch_all(&mut self.0)
        .await?;
        Ok(())
    }

    async fn publish_in_steps(&mut self, work: &Work) -> Result<()> {
        let columns = Columns::of(work);
        let mut transaction = self.0.begin().await?;
        sqlx::query(FENCE).bind(NODE).fetch_all(&mut *transaction).await?;
        accept(&columns).fetch_all(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }
}
