//! What the publishers know, shared with the receiver: which messages were accepted, and when.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Messages of one chunk of the table; chunks come into being when they are reached.
const CHUNK: usize = 1 << 16;
/// Chunks of the table.
const CHUNKS: usize = 1 << 10;
/// The most messages of one benchmark, over all its phases.
pub const MOST_MESSAGES: u64 = (CHUNK * CHUNKS) as u64;

type Chunk = Box<[AtomicU32]>;

/// The numbers given out so far and the moments of their 202s.
#[derive(Debug)]
pub struct Ledger {
    issued: AtomicU64,
    accepted: AtomicU64,
    delivered: AtomicU64,
    /// Microseconds of the benchmark's clock at which the 202 came, plus one; 0 = not accepted.
    accepted_at: Vec<OnceLock<Chunk>>,
}

impl Default for Ledger {
    fn default() -> Self {
        let accepted_at = (0..CHUNKS).map(|_| OnceLock::new()).collect();
        Self { issued: AtomicU64::new(0), accepted: AtomicU64::new(0), delivered: AtomicU64::new(0), accepted_at }
    }
}

impl Ledger {
    /// Gives out `count` numbers in a row; nothing once the table is full.
    pub fn issue(&self, count: u64) -> Option<u64> {
        let first = self.issued.fetch_add(count, Ordering::Relaxed);
        (first + count <= MOST_MESSAGES).then_some(first)
    }

    /// Numbers given out.
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed).min(MOST_MESSAGES)
    }

    /// The message was accepted: its 202 came at this nanosecond.
    pub fn accept(&self, number: u64, nanos: u64) {
        let Some((chunk, place)) = locate(number) else { return };
        let chunk = self.accepted_at[chunk].get_or_init(|| (0..CHUNK).map(|_| AtomicU32::new(0)).collect());
        let micros = u32::try_from(nanos / 1_000 + 1).unwrap_or(u32::MAX);
        if chunk[place].swap(micros, Ordering::Relaxed) == 0 {
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// When the message's 202 came, in nanoseconds, to the microsecond; nothing if it has not come.
    pub fn accepted_at(&self, number: u64) -> Option<u64> {
        let (chunk, place) = locate(number)?;
        let micros = self.accepted_at.get(chunk)?.get()?.get(place)?.load(Ordering::Relaxed);
        (micros > 0).then(|| u64::from(micros - 1) * 1_000)
    }

    /// Messages accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// One more delivery came, not counting repetitions.
    pub fn deliver(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// Deliveries that came, not counting repetitions.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }
}

fn locate(number: u64) -> Option<(usize, usize)> {
    let number = usize::try_from(number).ok().filter(|&number| number < CHUNK * CHUNKS)?;
    Some((number / CHUNK, number % CHUNK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_accepted_once_however_often_it_is_said() {
        let ledger = Ledger::default();
        assert_eq!(ledger.issue(70_000), Some(0));
        assert_eq!(ledger.issue(2), Some(70_000));
        assert_eq!(ledger.accepted_at(70_001), None);
        ledger.accept(70_001, 5_000_999);
        ledger.accept(70_001, 6_000_000);
        assert_eq!(ledger.accepted(), 1);
        assert_eq!(ledger.accepted_at(70_001), Some(6_000_000));
        assert_eq!(ledger.issued(), 70_002);
    }

    #[test]
    fn the_table_has_an_end() {
        let ledger = Ledger::default();
        assert_eq!(ledger.issue(MOST_MESSAGES), Some(0));
        assert_eq!(ledger.issue(1), None);
        ledger.accept(MOST_MESSAGES, 1);
        assert_eq!((ledger.accepted(), ledger.issued()), (0, MOST_MESSAGES));
    }
}
