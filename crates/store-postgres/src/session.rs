//! One connection, and statements sent over it one after the other without waiting for each answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future;
use posthaste_store::{Result, StoreError};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row, Statement};

use crate::fault::classify;
use crate::param::Param;

/// The longest that an answer is waited for. The server gives up earlier (`statement_timeout`), so this is a network
/// that swallows everything: the connection is given up.
const ANSWER: Duration = Duration::from_secs(20);

/// What each session is set to. Statements here are written for an index each, and lists for its order; after a table has
/// grown from nothing its statistics lag behind, and neither a plan without the index nor one that reads all of it and
/// sorts must be chosen meanwhile. Compiling short statements costs more than running them.
const SETTINGS: [&str; 8] = [
    "lock_timeout = '2s'",
    "statement_timeout = '15s'",
    "idle_in_transaction_session_timeout = '2s'",
    "synchronous_commit = on",
    "enable_seqscan = off",
    "enable_bitmapscan = off",
    "jit = off",
    "client_min_messages = warning",
];

/// Whether statements are prepared once and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prepare {
    /// Kept on the connection.
    Kept,
    /// Sent whole each time, and settings with each transaction: the next one may run on another server process.
    Never,
}

/// Whether the server keeps the plans of prepared statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plans {
    /// It does: half the work of a small commit is planning. Only for statements that have but one sensible plan, since
    /// it may be made while a day's partition is empty and serve while that grows.
    Kept,
    /// It plans anew with the values, so that it sees which partitions they name and how large those are now.
    Fresh,
}

impl Plans {
    const fn setting(self) -> &'static str {
        match self {
            // A merge reads an index from its beginning, which is cheap only as long as the table is small.
            Self::Kept => "SET plan_cache_mode = auto; SET enable_mergejoin = off;",
            Self::Fresh => "SET plan_cache_mode = force_custom_plan;",
        }
    }
}

/// One statement of a pipeline.
pub(crate) enum Call<'a> {
    /// A statement with parameters.
    Query(&'static str, Vec<&'a dyn Param>),
    /// `BEGIN`, `COMMIT` and their like.
    Simple(&'a str),
}

/// One connection.
pub(crate) struct Session {
    client: Client,
    prepare: Prepare,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// A transaction may be open that nobody will end: its caller went away in the middle.
    astray: AtomicBool,
    /// Not to be used again.
    broken: AtomicBool,
}

impl Session {
    /// Takes a connection into use.
    pub async fn begin(client: Client, prepare: Prepare, plans: Plans) -> Result<Self, Error> {
        if prepare == Prepare::Kept {
            let settings = SETTINGS.map(|setting| format!("SET {setting};")).concat();
            client.batch_execute(&(settings + plans.setting())).await?;
        }
        Ok(Self {
            client,
            prepare,
            statements: Mutex::new(HashMap::new()),
            astray: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        })
    }

    /// Whether the connection is of no more use.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed() || self.broken.load(Ordering::Relaxed)
    }

    /// Ends a transaction that somebody left open who failed or went away in the middle.
    pub async fn tidy(&self) -> Result<()> {
        if self.astray.load(Ordering::Acquire) { self.roll_back().await } else { Ok(()) }
    }

    /// The statement that opens a transaction.
    fn opening(&self, mode: &str) -> String {
        let settings = match self.prepare {
            Prepare::Kept => String::new(),
            Prepare::Never => SETTINGS.map(|setting| format!("; SET LOCAL {setting}")).concat(),
        };
        self.astray.store(true, Ordering::Release);
        format!("BEGIN{mode}{settings}")
    }

    /// Runs one statement; outside a transaction it is one.
    pub async fn raw(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Rows, Error> {
        if self.prepare == Prepare::Never {
            let typed: Vec<_> = params.iter().map(|param| (param.sql(), param.sql_type())).collect();
            return self.client.query_typed(sql, &typed).await;
        }
        let statement = match self.known(sql) {
            Some(statement) => statement,
            None => self.prepare(sql, params).await?,
        };
        let params: Vec<_> = params.iter().map(|param| param.sql()).collect();
        self.client.query(&statement, &params).await
    }

    fn known(&self, sql: &'static str) -> Option<Statement> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned()
    }

    async fn prepare(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Statement, Error> {
        let types: Vec<Type> = params.iter().map(|param| param.sql_type()).collect();
        let statement = self.client.prepare_typed(sql, &types).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, statement.clone());
        Ok(statement)
    }

    /// Runs one statement within the bounds of time.
    pub async fn query(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Rows> {
        self.answered(self.raw(sql, params)).await?.map_err(classify)
    }

    /// As [`Session::query`], for verbs that look at the error themselves.
    pub async fn attempt(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Result<Rows, Error>> {
        self.answered(self.raw(sql, params)).await
    }

    /// Runs statements without parameters.
    pub async fn simple(&self, sql: &str) -> Result<()> {
        self.answered(self.client.batch_execute(sql)).await?.map_err(classify)
    }

    async fn answered<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<Result<T, Error>> {
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(answer) => Ok(answer),
            Err(_) => {
                self.broken.store(true, Ordering::Relaxed);
                Err(StoreError::unavailable("no answer within 20 seconds"))
            }
        }
    }

    /// Sends all of these before it waits for the first answer. The first error counts: after it the server ignores
    /// what follows within the transaction.
    pub async fn pipeline(&self, calls: Vec<Call<'_>>) -> Result<Vec<Rows>> {
        self.try_pipeline(calls).await?.map_err(classify)
    }

    /// As [`Session::pipeline`], for verbs that look at the error themselves.
    pub async fn try_pipeline(&self, calls: Vec<Call<'_>>) -> Result<Result<Vec<Rows>, Error>> {
        self.answered(self.send_all(calls)).await
    }

    async fn send_all(&self, calls: Vec<Call<'_>>) -> Result<Vec<Rows>, Error> {
        // First, because a statement is sent at the first poll only if it is prepared, and the order is all.
        if self.prepare == Prepare::Kept {
            for call in &calls {
                if let Call::Query(sql, params) = call
                    && self.known(sql).is_none()
                {
                    self.prepare(sql, params).await?;
                }
            }
        }
        let sent = calls.iter().map(|call| async move {
            match call {
                Call::Query(sql, params) => self.raw(sql, params).await,
                Call::Simple(sql) => self.client.batch_execute(sql).await.map(|()| Vec::new()),
            }
        });
        future::join_all(sent).await.into_iter().collect()
    }

    /// Opens a transaction together with its first statements.
    pub async fn open(&self, mode: &str, calls: Vec<Call<'_>>) -> Result<Vec<Rows>> {
        self.try_open(mode, calls).await?.map_err(classify)
    }

    /// As [`Session::open`], for verbs that look at the error themselves.
    pub async fn try_open(&self, mode: &str, calls: Vec<Call<'_>>) -> Result<Result<Vec<Rows>, Error>> {
        let opening = self.opening(mode);
        let mut all = vec![Call::Simple(&opening)];
        all.extend(calls);
        let answer = self.try_pipeline(all).await?;
        Ok(answer.map(|mut answers| {
            answers.remove(0);
            answers
        }))
    }

    /// Runs the last statements of a transaction and commits it.
    pub async fn commit(&self, calls: Vec<Call<'_>>) -> Result<Vec<Rows>> {
        self.try_commit(calls).await?.map_err(classify)
    }

    /// As [`Session::commit`], for verbs that look at the error themselves.
    pub async fn try_commit(&self, mut calls: Vec<Call<'_>>) -> Result<Result<Vec<Rows>, Error>> {
        calls.push(Call::Simple("COMMIT"));
        let answer = self.try_pipeline(calls).await?;
        // A COMMIT after an error is a ROLLBACK: either way nothing is open any more.
        self.astray.store(false, Ordering::Release);
        Ok(answer.map(|mut answers| {
            answers.pop();
            answers
        }))
    }

    /// Runs statements without parameters in a transaction of their own.
    pub async fn try_commit_batch(&self, sql: &str) -> Result<Result<(), Error>> {
        let whole = format!("{}; {sql}; COMMIT", self.opening(""));
        let answer = self.answered(self.client.batch_execute(&whole)).await?;
        // The server stops at the first error, before it reads the COMMIT.
        if answer.is_err() {
            self.roll_back().await?;
        }
        self.astray.store(false, Ordering::Release);
        Ok(answer)
    }

    /// Undoes the transaction.
    pub async fn roll_back(&self) -> Result<()> {
        self.simple("ROLLBACK").await?;
        self.astray.store(false, Ordering::Release);
        Ok(())
    }
}

/// What a statement returned.
pub(crate) type Rows = Vec<Row>;
