//! [`Jobs`]: replays and erasures, a step in a transaction.

mod erase;

use async_trait::async_trait;
use posthaste_core::id::NodeId;
use posthaste_core::{ReplayId, Tenant, Timestamp};
use posthaste_store::jobs::{Job, JobFilter, JobKind, JobState, MAX_RUNNING, Step, Stepped};
use posthaste_store::{Accepted, Conflict, Jobs, NewMessage, Page, Result, Slice, StoreError};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::accept::{Acceptance, AcceptanceEnd, Terms, Wakes, Waking};
use crate::catalog::{Touches, open_change};
use crate::directory::{bounds, slice};
use crate::fault::{Unreadable, classify};
use crate::param::{Param, Uuid};
use crate::publish::take_keys;
use crate::retry::retry;
use crate::rows::{document, get, tenant, text_of};
use crate::session::{Call, Session};

fn job(row: &Row) -> Result<Job> {
    let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok(Job {
        id: get::<Uuid>(row, 0)?.id(),
        kind: JobKind::from_code(get(row, 1)?).ok_or(Unreadable("kind of a job"))?,
        tenant: get::<Option<&str>>(row, 2)?.map(tenant).transpose()?,
        endpoint: get::<Option<Uuid>>(row, 3)?.map(Uuid::id),
        spec: document(get(row, 4)?)?,
        state: JobState::from_code(get(row, 5)?).ok_or(Unreadable("state of a job"))?,
        cursor: get::<Option<Uuid>>(row, 6)?.map(|cursor| cursor.0),
        matched: unsigned(get(row, 7)?),
        done: unsigned(get(row, 8)?),
        created_at: Timestamp::from_micros(get(row, 9)?),
        updated_at: Timestamp::from_micros(get(row, 10)?),
    })
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[async_trait]
impl Jobs for PostgresStore {
    async fn create_job(&self, job: &Job) -> Result<()> {
        let session = self.working.take().await?;
        let spec = text_of(&job.spec)?;
        let (id, kind, state) = (Uuid::from(job.id), job.kind.code(), job.state.code());
        let (tenant, endpoint) = (job.tenant.as_ref().map(Tenant::as_str), job.endpoint.map(Uuid::from));
        let (cursor, matched, done) = (job.cursor.map(Uuid), signed(job.matched), signed(job.done));
        let (created, updated, most) = (job.created_at.as_micros(), job.updated_at.as_micros(), i64::from(MAX_RUNNING));
        let params: Vec<&dyn Param> =
            vec![&id, &kind, &tenant, &endpoint, &spec, &state, &cursor, &matched, &done, &created, &updated, &most];
        // One at a time, so that the count holds.
        let lock = Call::Query("SELECT pg_advisory_xact_lock(5785531236411219002)", Vec::new());
        let calls = vec![lock, Call::Query(include_str!("../sql/insert_job.sql"), params)];
        let answers = match job.kind {
            JobKind::Erase => open_change(&session, Touches::Erasures, calls).await?.map_err(classify)?,
            JobKind::Replay => session.open("", calls).await?,
        };
        if answers.last().is_none_or(Vec::is_empty) {
            session.roll_back().await?;
            return Err(Conflict::TooManyJobs.into());
        }
        session.commit(Vec::new()).await.map(|_| ())
    }

    async fn job(&self, id: ReplayId) -> Result<Option<Job>> {
        let session = self.working.take().await?;
        read(&session, id).await
    }

    async fn jobs(&self, filter: &JobFilter, page: Page) -> Result<Slice<Job>> {
        let session = self.working.take().await?;
        let (before, limit) = bounds(page);
        let (kind, state) = (filter.kind.map(JobKind::code), filter.state.map(JobState::code));
        let (tenant, endpoint) = (filter.tenant.as_ref().map(Tenant::as_str), filter.endpoint.map(Uuid::from));
        let rows = session
            .query(include_str!("../sql/list_jobs.sql"), &[&before, &kind, &tenant, &endpoint, &state, &limit])
            .await?;
        slice(&rows, page, job)
    }

    async fn claim_job(&self, node: NodeId) -> Result<Option<Job>> {
        let session = self.working.take().await?;
        let node = Uuid::from(node);
        let answers = session
            .open(
                "",
                vec![
                    Call::Query(include_str!("../sql/fence.sql"), vec![&node]),
                    Call::Query(include_str!("../sql/lock_job.sql"), vec![&node]),
                ],
            )
            .await?;
        if answers.first().is_none_or(Vec::is_empty) {
            session.roll_back().await?;
            return Err(StoreError::LeaseLost);
        }
        let free: Option<Uuid> = answers.last().and_then(|rows| rows.first()).map(|row| get(row, 0)).transpose()?;
        let claim = Call::Query(include_str!("../sql/claim_job.sql"), vec![&node, &free]);
        let claimed = session.commit(vec![claim]).await?;
        claimed.first().and_then(|rows| rows.first()).map(job).transpose()
    }

    async fn step_job(&self, node: NodeId, id: ReplayId, step: &Step, now: Timestamp) -> Result<Stepped> {
        let session = self.working.take().await?;
        let erases = step.last && matches!(read(&session, id).await?, Some(Job { kind: JobKind::Erase, .. }));
        let (fence, job_id) = (Uuid::from(node), Uuid::from(id));
        // The horizon in share, for the retries: before the job's row, as everybody takes them.
        let calls = vec![
            Call::Query(include_str!("../sql/fence.sql"), vec![&fence]),
            Call::Query(include_str!("../sql/horizon_shared.sql"), Vec::new()),
            Call::Query("SELECT state, cursor, node FROM posthaste.job WHERE id = $1 FOR UPDATE", vec![&job_id]),
        ];
        let answers = if erases {
            open_change(&session, Touches::Erasures, calls).await?.map_err(classify)?
        } else {
            session.open("", calls).await?
        };
        let [fences, _, found] = answers.as_slice() else {
            return Err(StoreError::internal("a pipeline was not answered whole"));
        };
        if fences.is_empty() {
            session.roll_back().await?;
            return Err(StoreError::LeaseLost);
        }
        let ours = match found.first() {
            Some(row) => {
                get::<i16>(row, 0)? == JobState::Running.code()
                    && get::<Option<Uuid>>(row, 1)? == step.from.map(Uuid)
                    && get::<Option<Uuid>>(row, 2)? == Some(fence)
            }
            None => false,
        };
        if !ours {
            session.roll_back().await?;
            return Ok(Stepped::Stopped);
        }
        let done = work(&session, node, step, now).await?;
        let state = if step.last { JobState::Done } else { JobState::Running }.code();
        let (to, matched, did, at) = (step.to.map(Uuid), signed(step.matched), signed(done), now.as_micros());
        let params: Vec<&dyn Param> = vec![&job_id, &state, &to, &matched, &did, &at];
        session.commit(vec![Call::Query(include_str!("../sql/move_job.sql"), params)]).await?;
        Ok(Stepped::Done(done))
    }

    async fn cancel_job(&self, id: ReplayId, now: Timestamp) -> Result<Job> {
        let session = self.working.take().await?;
        let known = read(&session, id).await?.ok_or(StoreError::NotFound)?;
        if known.state != JobState::Running {
            return Ok(known);
        }
        let (job_id, now) = (Uuid::from(id), now.as_micros());
        let calls = vec![Call::Query(include_str!("../sql/cancel_job.sql"), vec![&job_id, &now])];
        match known.kind {
            JobKind::Erase => open_change(&session, Touches::Erasures, calls).await?.map_err(classify)?,
            JobKind::Replay => session.open("", calls).await?,
        };
        session.commit(Vec::new()).await?;
        read(&session, id).await?.ok_or(StoreError::NotFound)
    }
}

async fn read(session: &Session, id: ReplayId) -> Result<Option<Job>> {
    let rows = session.query(include_str!("../sql/job.sql"), &[&Uuid::from(id)]).await?;
    rows.first().map(job).transpose()
}

/// Does what a step says; how many of its things were there to do.
async fn work(session: &Session, node: NodeId, step: &Step, now: Timestamp) -> Result<u64> {
    let mut done = 0;
    for delivery in &step.retry {
        match retry(session, *delivery, now).await {
            Ok(_) => done += 1,
            Err(StoreError::NotFound | StoreError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    done += publish(session, node, &step.publish).await?;
    done += erase::messages(session, &step.erase_messages).await?;
    done += erase::deliveries(session, &step.erase_deliveries).await?;
    Ok(done)
}

/// Adds a step's messages, all of whose targets wait; how many of them were new. One whose key was used before is left.
async fn publish(session: &Session, node: NodeId, messages: &[NewMessage]) -> Result<u64> {
    let mut answers = vec![Accepted::New; messages.len()];
    take_keys(session, messages, &mut answers).await?.map_err(classify)?;
    let fresh = || messages.iter().zip(&answers).filter(|(_, answer)| **answer == Accepted::New).map(|(new, _)| new);
    let count = fresh().count();
    if count == 0 {
        return Ok(0);
    }
    let terms = Terms { node, matched: None, batch: None, owner: None };
    let acceptance = Acceptance::new(terms, &fresh(), Waking::Always, Wakes::default())?;
    let rows = session.pipeline(vec![acceptance.call()]).await?;
    match AcceptanceEnd::read(rows.first().unwrap_or(&Vec::new()))? {
        AcceptanceEnd::Written => Ok(u64::try_from(count).unwrap_or(u64::MAX)),
        AcceptanceEnd::Fenced => Err(StoreError::LeaseLost),
        AcceptanceEnd::Moved => Err(StoreError::internal("a step is not guarded by the catalog's version")),
    }
}
