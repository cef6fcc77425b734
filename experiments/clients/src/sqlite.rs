//! The drivers' statements through rusqlite, on a thread that writes, and through sqlx.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use rusqlite::{Connection, params};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqlSafeStr as _};
use tokio::sync::oneshot;

use crate::{Client, Result, Work};

const SCHEMA: &str = include_str!("../../../crates/store-sqlite/sql/schema.sql");
const MESSAGE: &str = include_str!("../../../crates/store-sqlite/sql/publish/message.sql");
const BATCH: &str = include_str!("../../../crates/store-sqlite/sql/publish/batch.sql");
const ATTEMPT: &str = include_str!("../../../crates/store-sqlite/sql/record/attempt.sql");
const FINISH: &str = include_str!("../../../crates/store-sqlite/sql/record/finish.sql");
const ENDPOINT: [u8; 16] = [7; 16];

pub async fn clients(folder: &Path) -> Result<Vec<Box<dyn Client>>> {
    Ok(vec![
        Box::new(Rusqlite::open(&folder.join("rusqlite.db"))?),
        Box::new(Sqlx::open(&folder.join("sqlx.db")).await?),
    ])
}

type Job = (Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>, oneshot::Sender<rusqlite::Result<()>>);

struct Rusqlite(Sender<Job>);

impl Rusqlite {
    fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
        connection.execute_batch(SCHEMA)?;
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for (work, answer) in jobs {
                let done = connection.execute_batch("BEGIN IMMEDIATE").and_then(|()| work(&connection));
                let _ = answer.send(done.and_then(|()| connection.execute_batch("COMMIT")));
            }
        });
        Ok(Self(sender))
    }

    async fn write(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Result<()> {
        let (sender, answer) = oneshot::channel();
        self.0.send((Box::new(work), sender)).map_err(|_| "the writer has ended")?;
        Ok(answer.await??)
    }
}

#[async_trait::async_trait]
impl Client for Rusqlite {
    fn name(&self) -> &'static str {
        "rusqlite, own thread"
    }

    async fn publish(&mut self, work: &Work) -> Result<()> {
        let (ids, payload) = (work.ids.clone(), work.payload.clone());
        self.write(move |connection| {
            for id in &ids {
                let null = None::<i64>;
                connection.prepare_cached(MESSAGE)?.execute(params![
                    id, "default", "order.created", "application/json", &ENDPOINT[..], ids[0], null, null, null, payload
                ])?;
            }
            connection.prepare_cached(BATCH)?.execute(params![ids[0], ENDPOINT]).map(drop)
        })
        .await
    }

    async fn record(&mut self, work: &Work) -> Result<()> {
        let ids = work.ids.clone();
        self.write(move |connection| {
            for id in &ids {
                let null = None::<i64>;
                connection
                    .prepare_cached(ATTEMPT)?
                    .execute(params![id, ENDPOINT, 1, 1, 1, 1_i64 << 50, 900, 0, 200, null, &[0_u8; 80][..]])?;
            }
            connection.prepare_cached(FINISH)?.execute(params![ids[0]]).map(drop)
        })
        .await
    }

    async fn publish_in_steps(&mut self, work: &Work) -> Result<()> {
        self.publish(work).await
    }
}

struct Sqlx(SqliteConnection);

impl Sqlx {
    async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(8192)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::raw_sql(SCHEMA.into_sql_str()).execute(&mut connection).await?;
        Ok(Self(connection))
    }
}

#[async_trait::async_trait]
impl Client for Sqlx {
    fn name(&self) -> &'static str {
        "sqlx"
    }

    async fn publish(&mut self, work: &Work) -> Result<()> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        for id in &work.ids {
            sqlx::query(MESSAGE)
                .bind(&id[..])
                .bind("default")
                .bind("order.created")
                .bind("application/json")
                .bind(&ENDPOINT[..])
                .bind(&work.ids[0][..])
                .bind(None::<i64>)
                .bind(None::<&str>)
                .bind(None::<&[u8]>)
                .bind(&work.payload[..])
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(BATCH).bind(&work.ids[0][..]).bind(&ENDPOINT[..]).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn record(&mut self, work: &Work) -> Result<()> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        for id in &work.ids {
            sqlx::query(ATTEMPT)
                .bind(&id[..])
                .bind(&ENDPOINT[..])
                .bind(1)
                .bind(1)
                .bind(1)
                .bind(1_i64 << 50)
                .bind(900)
                .bind(0)
                .bind(200)
                .bind(None::<&str>)
                .bind(&[0_u8; 80][..])
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(FINISH).bind(&work.ids[0][..]).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn publish_in_steps(&mut self, work: &Work) -> Result<()> {
        self.publish(work).await
    }
}
