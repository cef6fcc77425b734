//! One pass by hand, for a program that sends when it wants to.

use std::time::Duration;

use crate::Engine;
use crate::claim::claim_some;
use crate::drain::poll;

/// The pause between two looks at what is still in flight.
const MOMENT: Duration = Duration::from_millis(5);

impl Engine {
    /// Sends all that is due now and that nobody else owns, and waits until it is recorded. What fails waits for its next
    /// attempt, so this ends, unless messages come faster than they are sent.
    pub async fn pass(&self) -> crate::Result<()> {
        self.own_shards().await;
        loop {
            let claimed = claim_some(self).await?;
            poll(self).await?;
            while self.0.dispatch.load() != (0, 0) {
                tokio::time::sleep(MOMENT).await;
            }
            self.0.record.flushed(Duration::from_secs(30)).await;
            let shards = self.owned().reading;
            let ready = self.0.store.ready_lanes(&shards, self.0.clock.now(), 1).await?;
            let left = self.0.store.outbox(1).await?;
            if claimed == 0 && ready.is_empty() && left.is_empty() {
                return Ok(());
            }
            if !left.is_empty() {
                self.0.outbox_hint.notify_one();
            }
        }
    }

    /// Waits a moment for this node's share of the shards; other processes may own them all.
    async fn own_shards(&self) {
        for _ in 0..100 {
            if !self.owned().reading.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
