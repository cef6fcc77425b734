//! Long works over history: each step with its cursor, in one transaction.

use async_trait::async_trait;
use posthaste_core::id::NodeId;
use posthaste_core::{EndpointId, Id, ReplayId, Tenant, Timestamp};
use posthaste_store::jobs::{Job, JobFilter, JobKind, JobState, MAX_RUNNING, Step, Stepped};
use posthaste_store::{Conflict, Jobs, Page, Result, Slice, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::catalog::{Change, bump};
use crate::change::{self, Retried};
use crate::coordination::demand;
use crate::directory::{before, page};
use crate::fault::Fault;
use crate::lanes::Wakes;
use crate::{SqliteStore, erase, publish, rows};

/// The columns are those of `sql/job/get.sql`.
fn job_row(row: &Row<'_>) -> Result<Job, Fault> {
    Ok(Job {
        id: rows::id(row, 0)?,
        kind: JobKind::from_code(row.get(1)?).ok_or(Fault::Unreadable("a job's kind"))?,
        tenant: rows::optional_tenant(row, 2)?,
        endpoint: rows::optional_id(row, 3)?,
        spec: rows::document(row, 4)?,
        state: JobState::from_code(row.get(5)?).ok_or(Fault::Unreadable("a job's state"))?,
        cursor: row.get::<_, Option<[u8; 16]>>(6)?.map(u128::from_be_bytes),
        matched: row.get::<_, i64>(7)?.unsigned_abs(),
        done: row.get::<_, i64>(8)?.unsigned_abs(),
        created_at: rows::at(row, 9)?,
        updated_at: rows::at(row, 10)?,
    })
}

fn get(connection: &Connection, id: ReplayId) -> Result<Option<Job>, Fault> {
    let mut statement = connection.prepare_cached(sql!("job/get"))?;
    let mut found = statement.query([id.to_bytes()])?;
    found.next()?.map(job_row).transpose()
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[async_trait]
impl Jobs for SqliteStore {
    async fn create_job(&self, job: &Job) -> Result<()> {
        let job = job.clone();
        self.write(move |connection| create(connection, &job)).await
    }

    async fn job(&self, id: ReplayId) -> Result<Option<Job>> {
        self.read(move |connection| get(connection, id)).await
    }

    async fn jobs(&self, filter: &JobFilter, asked: Page) -> Result<Slice<Job>> {
        let filter = filter.clone();
        self.read(move |connection| {
            let fits = |job: &Job| {
                filter.kind.is_none_or(|kind| job.kind == kind)
                    && filter.tenant.as_ref().is_none_or(|tenant| job.tenant.as_ref() == Some(tenant))
                    && filter.endpoint.is_none_or(|endpoint| job.endpoint == Some(endpoint))
                    && filter.state.is_none_or(|state| job.state == state)
            };
            let mut statement = connection.prepare_cached(sql!("job/page"))?;
            page(statement.query([before(asked)])?, asked, job_row, |job| job.id.bits(), fits)
        })
        .await
    }

    async fn claim_job(&self, node: NodeId) -> Result<Option<Job>> {
        self.write(move |connection| {
            demand(connection, node)?;
            let mut claim = connection.prepare_cached(sql!("job/claim"))?;
            let claimed: Option<[u8; 16]> = claim.query_row([node.to_bytes()], |row| row.get(0)).optional()?;
            claimed.map_or(Ok(None), |id| get(connection, ReplayId::from_bytes(id)))
        })
        .await
    }

    async fn step_job(&self, node: NodeId, id: ReplayId, step: &Step, now: Timestamp) -> Result<Stepped> {
        let step = step.clone();
        self.write(move |connection| step_job(connection, node, id, &step, now)).await
    }

    async fn cancel_job(&self, id: ReplayId, now: Timestamp) -> Result<Job> {
        self.write(move |connection| {
            let stopped =
                connection.prepare_cached(sql!("job/cancel"))?.execute(params![id.to_bytes(), now.as_micros()])?;
            let job = get(connection, id)?.ok_or(StoreError::NotFound)?;
            if stopped == 1 && job.kind == JobKind::Erase {
                bump(connection, Change::Erasures)?;
            }
            Ok(job)
        })
        .await
    }
}

fn create(connection: &Connection, job: &Job) -> Result<(), Fault> {
    let running: u32 = connection.prepare_cached(sql!("job/running"))?.query_row([], |row| row.get(0))?;
    if running >= MAX_RUNNING {
        return Err(Conflict::TooManyJobs.into());
    }
    connection.prepare_cached(sql!("job/insert"))?.execute(params![
        job.id.to_bytes(),
        job.kind.code(),
        job.tenant.as_ref().map(Tenant::as_str),
        job.endpoint.map(EndpointId::to_bytes),
        serde_json::to_string(&job.spec)?,
        job.state.code(),
        job.cursor.map(u128::to_be_bytes),
        stored(job.matched),
        stored(job.done),
        job.created_at.as_micros(),
        job.updated_at.as_micros(),
    ])?;
    if job.kind == JobKind::Erase {
        bump(connection, Change::Erasures)?;
    }
    Ok(())
}

fn step_job(
    connection: &Connection,
    node: NodeId,
    id: ReplayId,
    step: &Step,
    now: Timestamp,
) -> Result<Stepped, Fault> {
    demand(connection, node)?;
    let Some(job) = get(connection, id)? else { return Ok(Stepped::Stopped) };
    let worker: Option<[u8; 16]> =
        connection.prepare_cached(sql!("job/worker"))?.query_row([id.to_bytes()], |row| row.get(0))?;
    let mine = worker.map(Id::from_bytes) == Some(node);
    if job.state != JobState::Running || job.cursor != step.from || !mine {
        return Ok(Stepped::Stopped);
    }
    let done = work(connection, step, now)?;
    let state = if step.last { JobState::Done } else { JobState::Running };
    connection.prepare_cached(sql!("job/step"))?.execute(params![
        id.to_bytes(),
        step.to.map(u128::to_be_bytes),
        stored(job.matched.saturating_add(step.matched)),
        stored(job.done.saturating_add(done)),
        state.code(),
        now.as_micros(),
    ])?;
    if step.last && job.kind == JobKind::Erase {
        bump(connection, Change::Erasures)?;
    }
    Ok(Stepped::Done(done))
}

/// Does a step's work; returns how much of it was new.
fn work(connection: &Connection, step: &Step, now: Timestamp) -> Result<u64, Fault> {
    let mut wakes = Wakes::default();
    let mut done = 0;
    for delivery in &step.retry {
        match change::retry(connection, *delivery, now, &mut wakes) {
            Ok(retried) => done += u64::from(retried == Retried::Yes),
            Err(Fault::Refused(StoreError::NotFound | StoreError::Conflict(_))) => {}
            Err(other) => return Err(other),
        }
    }
    for new in &step.publish {
        done += u64::from(publish::accept_one(connection, new, &mut wakes)?.1);
    }
    for message in &step.erase_messages {
        done += u64::from(erase::message(connection, *message)?);
    }
    for delivery in &step.erase_deliveries {
        done += u64::from(erase::delivery(connection, *delivery)?);
    }
    wakes.write(connection)?;
    Ok(done)
}
