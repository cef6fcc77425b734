//! When the next request may go: as soon as the last was answered, or at its own time.
//!
//! *Closed loop*: each connection publishes again once its last request was answered, while no more than `outstanding`
//! deliveries are on their way. Without that bound a server that accepts faster than it delivers would only pile up.
//!
//! *Open loop*: request `k` is due at `start + k / rate`, whether or not the server keeps up. What goes late keeps the
//! time at which it was due, so a stall shows in the latency of all that it held up (no coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::ledger::Ledger;

/// How a generator paces itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as answers come, with at most so many deliveries on their way.
    Closed {
        /// The bound.
        outstanding: usize,
    },
    /// So many requests a second, come what may.
    Open {
        /// Requests, not messages.
        requests_per_second: f64,
    },
}

/// How often the closed loop looks at what was delivered.
const GLANCE: Duration = Duration::from_millis(1);
/// The open loop's shortest sleep: requests due within it go together.
const TICK: Duration = Duration::from_micros(250);

/// Somebody's turn: the time at which it was due (open loop), or now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(pub Option<u64>);

/// Lets requests through at a pace, until its end.
#[derive(Debug)]
pub struct Gate {
    pace: Pace,
    /// Deliveries that each request leads to.
    weight: u32,
    clock: Clock,
    start: u64,
    end: u64,
    permits: Semaphore,
    next: AtomicU64,
    closed: AtomicBool,
}

impl Gate {
    /// A gate that is open from `start` to `end`, in nanoseconds of the clock.
    pub fn new(pace: Pace, weight: u32, clock: Clock, (start, end): (u64, u64)) -> Self {
        let permits = match pace {
            Pace::Closed { outstanding } => outstanding.max(weight as usize * 2),
            Pace::Open { .. } => 0,
        };
        let permits = Semaphore::new(permits.min(Semaphore::MAX_PERMITS));
        Self { pace, weight, clock, start, end, permits, next: AtomicU64::new(0), closed: AtomicBool::new(false) }
    }

    /// Waits for the next turn; nothing once the gate is shut.
    pub async fn turn(&self) -> Option<Turn> {
        match self.pace {
            Pace::Closed { .. } => self.closed_turn().await.then_some(Turn(None)),
            Pace::Open { requests_per_second } => {
                self.permits.acquire().await.ok()?.forget();
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let due = self.start.saturating_add(due_after(number, requests_per_second));
                (due < self.end).then_some(Turn(Some(due)))
            }
        }
    }

    /// As [`Gate::turn`], without waiting: nothing also while it is nobody's turn.
    pub fn try_turn(&self) -> Option<Turn> {
        // The permits that wake those who wait at the end are left to them.
        if self.is_over() {
            return None;
        }
        match self.pace {
            Pace::Closed { .. } => {
                self.permits.try_acquire_many(self.weight).ok()?.forget();
                Some(Turn(None))
            }
            Pace::Open { requests_per_second } => {
                self.permits.try_acquire().ok()?.forget();
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let due = self.start.saturating_add(due_after(number, requests_per_second));
                (due < self.end).then_some(Turn(Some(due)))
            }
        }
    }

    /// Whether nobody is let through any more.
    pub fn is_over(&self) -> bool {
        self.permits.is_closed() || self.clock.now() >= self.end
    }

    async fn closed_turn(&self) -> bool {
        if self.clock.now() >= self.end {
            return false;
        }
        if let Ok(permit) = self.permits.try_acquire_many(self.weight) {
            permit.forget();
            return true;
        }
        let end = tokio::time::Instant::from_std(self.clock.at(self.end));
        match tokio::time::timeout_at(end, self.permits.acquire_many(self.weight)).await {
            Ok(Ok(permit)) => {
                permit.forget();
                true
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Messages that will not be delivered give their places back.
    pub fn give_back(&self, deliveries: u32) {
        if let Pace::Closed { .. } = self.pace {
            self.permits.add_permits(deliveries as usize);
        }
    }

    /// Closed loop: lets as many through as were delivered, for as long as it is polled.
    pub async fn follow(&self, ledger: &Ledger) {
        let mut seen = ledger.delivered();
        loop {
            tokio::time::sleep(GLANCE).await;
            let delivered = ledger.delivered();
            self.permits.add_permits(usize::try_from(delivered - seen).unwrap_or(0));
            seen = delivered;
        }
    }

    /// Open loop: lets requests through when they are due; blocks its thread, whose sleep is finer than a runtime's.
    pub fn drive(self: &Arc<Self>, requests_per_second: f64, connections: usize) {
        let mut granted = 0;
        while !self.closed.load(Ordering::Relaxed) {
            let now = self.clock.now();
            let due = due_by(now.min(self.end).saturating_sub(self.start), requests_per_second);
            self.permits.add_permits(usize::try_from(due.saturating_sub(granted)).unwrap_or(0));
            granted = due.max(granted);
            if now >= self.end {
                break;
            }
            let next = self.start + due_after(granted, requests_per_second);
            std::thread::sleep(Duration::from_nanos(next.saturating_sub(now)).clamp(TICK, Duration::from_millis(50)));
        }
        // One more for each connection, so that it wakes and finds the gate shut.
        self.permits.add_permits(connections);
    }

    /// Lets nobody through any more, whoever waits included.
    pub fn shut(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.permits.close();
    }
}

/// Nanoseconds after the start at which request `number` is due.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an hour in nanoseconds is below 2^52, and rates are positive"
)]
fn due_after(number: u64, requests_per_second: f64) -> u64 {
    (number as f64 * 1e9 / requests_per_second) as u64
}

/// Requests that are due so many nanoseconds after the start.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an hour in nanoseconds is below 2^52, and rates are positive"
)]
fn due_by(nanos: u64, requests_per_second: f64) -> u64 {
    (nanos as f64 * requests_per_second / 1e9).floor() as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_let_through_when_it_is_due_and_not_before() {
        for rate in [0.5, 3.0, 1_000.0, 33_333.3] {
            for number in 0..1_000 {
                let due = due_after(number, rate);
                assert!(due_by(due + 1, rate) > number, "{number} at {rate}/s is held up");
                assert!(due == 0 || due_by(due - 1, rate) <= number, "{number} at {rate}/s goes early");
            }
        }
    }

    #[tokio::test]
    async fn the_open_loop_gives_each_request_the_time_at_which_it_was_due() {
        let clock = Clock::start();
        // All of it lies in the past: a generator that starts late has fallen behind.
        let gate = Arc::new(Gate::new(Pace::Open { requests_per_second: 1_000.0 }, 1, clock, (0, 5_000_000)));
        while clock.now() < 5_000_000 {
            std::thread::sleep(TICK);
        }
        gate.drive(1_000.0, 1);
        let mut dues = Vec::new();
        while let Some(Turn(Some(due))) = gate.turn().await {
            dues.push(due);
        }
        assert_eq!(dues, [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]);
    }

    #[tokio::test]
    async fn the_closed_loop_waits_for_deliveries_once_its_bound_is_reached() {
        let clock = Clock::start();
        let ledger = Ledger::default();
        let gate = Gate::new(Pace::Closed { outstanding: 4 }, 2, clock, (0, u64::MAX / 2));
        assert_eq!(gate.turn().await, Some(Turn(None)));
        assert_eq!(gate.turn().await, Some(Turn(None)));
        assert!(futures_are_pending(gate.turn()).await);
        assert_eq!(gate.try_turn(), None);
        ledger.deliver();
        ledger.deliver();
        gate.give_back(2);
        assert_eq!(gate.try_turn(), Some(Turn(None)));
        assert!(!gate.is_over());
        gate.give_back(2);
        gate.shut();
        assert!(gate.is_over());
        assert_eq!(gate.try_turn(), None);
    }

    /// Whether a future still waits after every other task had its chance.
    async fn futures_are_pending<F: Future>(future: F) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = tokio::task::yield_now() => true,
        }
    }

    #[tokio::test]
    async fn what_was_delivered_lets_the_next_through() {
        let clock = Clock::start();
        let ledger = Ledger::default();
        let gate = Gate::new(Pace::Closed { outstanding: 2 }, 1, clock, (0, u64::MAX / 2));
        gate.turn().await;
        gate.turn().await;
        let follow = gate.follow(&ledger);
        let turn = async {
            // The follower has taken its first look.
            tokio::task::yield_now().await;
            ledger.deliver();
            gate.turn().await
        };
        tokio::select! {
            () = follow => unreachable!("it follows for ever"),
            turn = turn => assert_eq!(turn, Some(Turn(None))),
        }
    }
}
