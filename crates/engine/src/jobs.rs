//! Works over history that take a while: replays and erasures, one at a time on each node.
//!
//! A job is a row with a cursor; each step does its work and moves the cursor in one transaction. So a job survives any
//! crash: whoever claims it next goes on where the last committed step ended, and no step's work is done twice.

use std::time::Duration;

use posthaste_store::StoreError;
use posthaste_store::jobs::{Job, JobKind, JobState, Step, Stepped};

use serde_json::json;

use crate::Engine;
use crate::announce;
use crate::chance;

/// How often a node looks for a job that nobody works on.
const POLL: Duration = Duration::from_secs(2);
/// The pause between two steps: a job must not crowd out what is published meanwhile.
const PACE: Duration = Duration::from_millis(50);

/// Works on jobs until the engine stops.
pub async fn run(engine: Engine) {
    loop {
        let pause = POLL.mul_f64(0.5 + chance::draw() / 2.0);
        tokio::select! {
            () = engine.0.stopping.cancelled() => return,
            () = engine.0.job_hint.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(error) = work(&engine).await {
            tracing::warn!(%error, "a replay or erasure could not go on; trying again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Takes jobs as long as there are free ones.
async fn work(engine: &Engine) -> Result<(), StoreError> {
    while let Some(fence) = engine.0.lease.may_send().filter(|_| !engine.is_stopping()) {
        let Some(job) = engine.0.store.claim_job(fence.node).await? else { return Ok(()) };
        pursue(engine, job).await?;
    }
    Ok(())
}

/// Moves one job to its end, unless it is stopped, the lease is lost or the engine stops.
async fn pursue(engine: &Engine, mut job: Job) -> Result<(), StoreError> {
    while job.state == JobState::Running {
        let Some(fence) = engine.0.lease.may_send().filter(|_| !engine.is_stopping()) else { return Ok(()) };
        let step = match job.kind {
            JobKind::Replay => engine.replay_step(&job).await?,
            JobKind::Erase => engine.erase_step(&job).await?,
        };
        let now = engine.0.clock.now();
        match engine.0.store.step_job(fence.node, job.id, &step, now).await {
            Ok(Stepped::Done(done)) => advance(&mut job, &step, done),
            // Cancelled, or somebody else works on it.
            Ok(Stepped::Stopped) | Err(StoreError::LeaseLost) => return Ok(()),
            Err(error) => return Err(error),
        }
        if !step.publish.is_empty() || !step.retry.is_empty() {
            engine.0.drain_hint.by(now);
        }
        if step.last {
            engine.job_ended(&job).await?;
        }
        tokio::select! {
            () = engine.0.stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(PACE) => {}
        }
    }
    Ok(())
}

/// The job as the store has it after a step.
fn advance(job: &mut Job, step: &Step, done: u64) {
    job.cursor = step.to;
    job.matched += step.matched;
    job.done += done;
    if step.last {
        job.state = JobState::Done;
    }
}

impl Engine {
    /// A job came to its end.
    async fn job_ended(&self, job: &Job) -> Result<(), StoreError> {
        tracing::info!(job = %job.id, kind = ?job.kind, matched = job.matched, done = job.done, "a job is done");
        match job.kind {
            JobKind::Erase => self.catalog_changed().await.map(|_| ()),
            JobKind::Replay => {
                let Some(tenant) = job.tenant.clone() else { return Ok(()) };
                let event = json!({
                    "type": announce::REPLAY_FINISHED,
                    "replay_id": job.id,
                    "endpoint_id": job.endpoint,
                    "tenant": tenant,
                    "matched": job.matched,
                    "sent": job.done,
                    "at": self.0.clock.now(),
                });
                self.announce(tenant, announce::REPLAY_FINISHED, job.id.to_string(), event);
                Ok(())
            }
        }
    }
}
