//! Takes what a gone node left: batches that nobody live owns.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::delivery::Progress;
use posthaste_store::StoreError;
use posthaste_store::queue::From;

use crate::Engine;
use crate::chance;
use crate::dispatch::Intake;
use crate::dispatch::job::{Job, Told};
use crate::dispatch::outlet::Terms;

/// How often free batches are looked for: nodes that only accept leave theirs to those that send.
const POLL: Duration = Duration::from_millis(400);

/// Claims batches that nobody owns while there is room, until the engine stops.
pub async fn run(engine: Engine) {
    loop {
        let pause = POLL.mul_f64(0.5 + chance::draw() / 2.0);
        tokio::select! {
            () = engine.0.stopping.cancelled() => return,
            () = engine.0.unclaimed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        while engine.0.dispatch.has_room() && !engine.is_stopping() {
            match claim_some(&engine).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "free batches could not be claimed; trying again");
                    break;
                }
            }
        }
        // Memory is full although more may be free: look again when some of it is done.
        if !engine.0.dispatch.has_room() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            engine.0.unclaimed.notify_one();
        }
    }
}

pub(crate) async fn claim_some(engine: &Engine) -> Result<usize, StoreError> {
    let Some(fence) = engine.0.lease.may_send() else { return Ok(0) };
    let claimed = engine.0.store.claim_batches(fence.node, 16).await?;
    let now = engine.0.clock.now();
    let count = claimed.len();
    for batch in claimed {
        let mut jobs = Vec::new();
        for unsent in batch.left {
            // The batch is ours from the claim on: whatever fails now, its jobs have to get into memory.
            let view = engine.0.catalog.view(&unsent.message.tenant).await.ok();
            for delivery in unsent.deliveries {
                let Some(target) = unsent.message.target(delivery) else { continue };
                let known = view.as_ref().and_then(|(view, _)| view.endpoint(target.endpoint));
                let terms = known.map_or(Terms::of_nobody(1), |known| Terms::of(&known.endpoint.settings));
                let job = Job {
                    delivery,
                    endpoint: target.endpoint,
                    order: 0,
                    message: Arc::clone(&unsent.message),
                    payload: unsent.payload.clone(),
                    from: From::Batch(batch.batch),
                    progress: Progress::default(),
                    // The batch was in somebody's memory, who did not live to record all of it.
                    told: Told::PerhapsNotAll,
                    epoch: fence.epoch,
                };
                jobs.push((job, terms));
            }
        }
        engine.0.dispatch.add_batch(batch.batch, fence.epoch, jobs, Intake::Joins, now);
    }
    engine.pump();
    Ok(count)
}
