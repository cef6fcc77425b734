//! Closes connections that nobody uses any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::host::{Host, Hosts, Pool};

/// Idle connections are polled by nobody: what their receivers have closed stays half open until the next round.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// A task that goes round the hosts. It begins with the first connection, because only then there surely is a runtime.
pub(super) struct Sweeper {
    hosts: Arc<Hosts>,
    pool: Arc<Pool>,
    tracker: TaskTracker,
    started: AtomicBool,
    stop: CancellationToken,
}

impl Sweeper {
    pub(super) fn new(hosts: Arc<Hosts>, pool: Arc<Pool>, tracker: TaskTracker) -> Self {
        Self { hosts, pool, tracker, started: AtomicBool::new(false), stop: CancellationToken::new() }
    }

    /// Begins, if it has not.
    pub(super) fn start(&self) {
        if self.started.load(Ordering::Relaxed) || self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let (hosts, pool, stop) = (Arc::clone(&self.hosts), Arc::clone(&self.pool), self.stop.clone());
        self.tracker.spawn(async move {
            // Only the pause is cut short: a round holds nothing up.
            stop.run_until_cancelled(rounds(&hosts, &pool)).await;
        });
    }

    /// Ends for good.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn rounds(hosts: &Hosts, pool: &Pool) {
    let pause = (pool.bounds.idle / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    loop {
        let crowded = tokio::select! {
            () = sleep(pause) => false,
            () = pool.crowded.notified() => true,
        };
        let living = hosts.living();
        let now = Instant::now();
        for host in &living {
            host.sweep(now, None);
        }
        if crowded {
            make_room(&living, pool, now);
        }
        drop(living);
        // However crowded it is: a round costs a look at every idle connection.
        sleep(SHORTEST_PAUSE).await;
    }
}

/// Closes those idle for longest, a quarter more than needed, so that it is not needed at once again.
fn make_room(living: &[Arc<Host>], pool: &Pool, now: Instant) {
    let excess = pool.open().saturating_sub(pool.bounds.connections / 4 * 3);
    let mut times = Vec::new();
    for host in living {
        host.idle_times(&mut times);
    }
    times.sort_unstable();
    if let Some(&since) = times.get(excess).or(times.last()) {
        for host in living {
            host.sweep(now, Some(since));
        }
    }
}
