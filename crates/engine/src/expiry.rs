//! Ends what waits past its time although nobody will send it: deliveries to a stopped endpoint, of messages that expire.
//!
//! Whoever owns an endpoint that sends looks at each delivery in its turn, and ends it then. The lane of a stopped one
//! sleeps, however many rows it has. So messages that expire are noted by when they do, and each of them is looked at
//! once, a little after that.

use std::time::Duration;

use posthaste_store::StoreError;

use crate::{Engine, chance};

/// How often what has expired is looked for; each pause is drawn from its half upward.
const PACE: Duration = Duration::from_secs(1);
/// How long after its time a message is looked at. Until then its deliveries end in their usual way, if they have one;
/// and what was on its way into `due` has arrived. (A move that takes longer waits until the endpoint is started.)
const GRACE: Duration = Duration::from_secs(2);
/// How many messages one step looks at, and about how many deliveries it ends.
const STEP: u32 = 200;

/// Looks until the engine stops.
pub async fn run(engine: Engine) {
    loop {
        tokio::select! {
            () = engine.0.stopping.cancelled() => return,
            () = tokio::time::sleep(PACE / 2 + PACE.mul_f64(chance::draw() / 2.0)) => {}
        }
        if let Err(error) = look(&engine).await {
            tracing::warn!(%error, "what has expired could not be ended; trying again");
        }
    }
}

async fn look(engine: &Engine) -> Result<(), StoreError> {
    while engine.0.lease.may_send().is_some() && !engine.is_stopping() {
        let now = engine.0.clock.now();
        let expired = engine.0.store.expire(now - GRACE, now, STEP).await?;
        engine.withdraw(&expired.ended).await;
        if !expired.more {
            break;
        }
    }
    Ok(())
}
