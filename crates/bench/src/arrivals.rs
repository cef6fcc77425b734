//! What the receiver knows: which deliveries came, how often, how late.

use std::sync::Arc;

use crate::clock::Window;
use crate::error::Result;
use crate::latency::{Latencies, Summary};
use crate::ledger::{Ledger, MOST_MESSAGES};
use crate::stamp::Stamp;

/// The most deliveries of one benchmark: one bit each.
const MOST_DELIVERIES: u64 = 1 << 30;

/// The deliveries that came, one bit each, and the latencies of those that count.
#[derive(Debug)]
pub struct Arrivals {
    ledger: Arc<Ledger>,
    fan_out: u64,
    seen: Vec<u64>,
    counts: Counts,
    window: Window,
    from_send: Latencies,
    from_accept: Latencies,
}

/// What came that is not simply a first delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries that had come before.
    pub duplicated: u64,
    /// Requests that are none of this benchmark's deliveries, or lack their `webhook-id`.
    pub strange: u64,
}

/// What became of everything that was published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Deliveries of accepted messages that never came.
    pub lost: u64,
    /// Deliveries of messages whose publisher got no 202: they were stored, but their answer was lost.
    pub unacknowledged: u64,
}

impl Arrivals {
    /// Nothing came yet; each message is owed to `fan_out` endpoints.
    pub fn new(ledger: Arc<Ledger>, fan_out: u32) -> Result<Self> {
        Ok(Self {
            ledger,
            fan_out: u64::from(fan_out),
            seen: Vec::new(),
            counts: Counts::default(),
            window: Window::default(),
            from_send: Latencies::new()?,
            from_accept: Latencies::new()?,
        })
    }

    /// The most messages for which there is room.
    pub fn most_messages(fan_out: u32) -> u64 {
        MOST_MESSAGES.min(MOST_DELIVERIES / u64::from(fan_out.max(1)))
    }

    /// Begins to note the latencies of messages sent within a window, and forgets the earlier ones.
    pub fn observe(&mut self, window: Window) {
        self.window = window;
        self.from_send.clear();
        self.from_accept.clear();
    }

    /// A request came to an endpoint at this nanosecond.
    pub fn arrive(&mut self, endpoint: u64, stamp: Stamp, now: u64) {
        if endpoint >= self.fan_out || stamp.number >= self.ledger.issued() {
            self.strange();
            return;
        }
        let (word, bit) = place(stamp.number * self.fan_out + endpoint);
        if word >= self.seen.len() {
            // Room for the next 2 million at once.
            self.seen.resize(word + (1 << 15), 0);
        }
        if self.seen[word] & bit != 0 {
            self.counts.duplicated += 1;
            return;
        }
        self.seen[word] |= bit;
        self.ledger.deliver();
        if self.window.holds(stamp.sent) {
            self.from_send.note(now.saturating_sub(stamp.sent));
            // A delivery may overtake the 202 of its message: that is no time at all.
            let accepted = self.ledger.accepted_at(stamp.number).unwrap_or(now);
            self.from_accept.note(now.saturating_sub(accepted));
        }
    }

    /// Something came that is no delivery of this benchmark.
    pub fn strange(&mut self) {
        self.counts.strange += 1;
    }

    /// What came beside first deliveries.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Latencies from the moment before the publish request was written, and from its 202, to the arrival.
    pub fn latencies(&self) -> (Option<Summary>, Option<Summary>) {
        (self.from_send.summary(), self.from_accept.summary())
    }

    /// Compares what was accepted with what came.
    pub fn balance(&self) -> Balance {
        let mut balance = Balance::default();
        for number in 0..self.ledger.issued() {
            let accepted = self.ledger.accepted_at(number).is_some();
            for endpoint in 0..self.fan_out {
                let (word, bit) = place(number * self.fan_out + endpoint);
                let came = self.seen.get(word).is_some_and(|seen| seen & bit != 0);
                balance.lost += u64::from(accepted && !came);
                balance.unacknowledged += u64::from(!accepted && came);
            }
        }
        balance
    }
}

/// Where a delivery's bit is. The number is bounded by the ledger, so it fits in memory's size.
fn place(delivery: u64) -> (usize, u64) {
    (usize::try_from(delivery / 64).unwrap_or(usize::MAX), 1 << (delivery % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(fan_out: u32) -> (Arc<Ledger>, Arrivals) {
        let ledger = Arc::new(Ledger::default());
        ledger.issue(10);
        let arrivals = Arrivals::new(ledger.clone(), fan_out).unwrap();
        (ledger, arrivals)
    }

    #[test]
    fn what_was_accepted_and_never_came_is_lost() {
        let (ledger, mut arrivals) = arrivals(2);
        for number in 0..4 {
            ledger.accept(number, 1);
        }
        arrivals.arrive(0, Stamp { number: 0, sent: 0 }, 5);
        arrivals.arrive(1, Stamp { number: 0, sent: 0 }, 5);
        arrivals.arrive(1, Stamp { number: 3, sent: 0 }, 5);
        arrivals.arrive(0, Stamp { number: 9, sent: 0 }, 5);
        assert_eq!(arrivals.balance(), Balance { lost: 5, unacknowledged: 1 });
        assert_eq!(ledger.delivered(), 4);
    }

    #[test]
    fn a_repetition_is_counted_as_one_and_not_delivered_again() {
        let (ledger, mut arrivals) = arrivals(1);
        for _ in 0..3 {
            arrivals.arrive(0, Stamp { number: 7, sent: 0 }, 5);
        }
        assert_eq!(arrivals.counts(), Counts { duplicated: 2, strange: 0 });
        assert_eq!(ledger.delivered(), 1);
    }

    #[test]
    fn what_was_never_published_is_strange() {
        let (ledger, mut arrivals) = arrivals(1);
        arrivals.arrive(0, Stamp { number: 10, sent: 0 }, 5);
        arrivals.arrive(1, Stamp { number: 0, sent: 0 }, 5);
        assert_eq!(arrivals.counts().strange, 2);
        assert_eq!(ledger.delivered(), 0);
    }

    #[test]
    fn latencies_are_of_the_window_and_a_delivery_before_its_202_took_no_time_from_it() {
        let (ledger, mut arrivals) = arrivals(1);
        arrivals.observe(Window { from: 1_000_000, until: 2_000_000 });
        ledger.accept(1, 3_000_000);
        arrivals.arrive(0, Stamp { number: 0, sent: 999_999 }, 5_000_000);
        arrivals.arrive(0, Stamp { number: 1, sent: 1_000_000 }, 5_000_000);
        arrivals.arrive(0, Stamp { number: 2, sent: 1_999_999 }, 5_000_000);
        arrivals.arrive(0, Stamp { number: 3, sent: 2_000_000 }, 5_000_000);
        let (from_send, from_accept) = arrivals.latencies();
        let from_accept = from_accept.unwrap();
        assert_eq!(from_send.unwrap().count, 2);
        assert_eq!(from_accept.count, 2);
        assert!((from_accept.max_ms - 2.0).abs() < 0.01, "{from_accept:?}");
        assert!(from_accept.p50_ms < 0.01, "{from_accept:?}");
    }
}
