//! One ordered lane in memory: the one whose turn it is, and those behind it.
//!
//! The lane's rows are read in the order of their places, so those here are the lane's first. One is under way at a
//! time; the next follows as soon as that one can never again come before it: it succeeded, or it ended. Not before
//! that is recorded, too: a crash may repeat both then, but whatever a receiver sees for the first time, it sees in order.

use std::collections::VecDeque;

use posthaste_core::DeliveryId;

use super::job::Job;

/// Below this many behind the first, more are read.
const LOW: usize = 16;
/// How many rows are read of a lane that is alone, or one of few.
const AHEAD: u32 = 64;
/// How many of each, where an endpoint has many.
const AHEAD_OF_MANY: u32 = 8;
/// How many lanes of an endpoint are few.
const FEW: usize = 4;

/// One ordered lane in memory.
#[derive(Debug, Default)]
pub struct Order {
    /// The one whose turn it is: queued or in flight.
    pub current: Option<DeliveryId>,
    /// Those that follow, in order.
    pub behind: VecDeque<Job>,
    /// There may be rows that were not read.
    pub more: bool,
    /// The first stays first, or nothing goes on without a person: until that is recorded nothing is taken in, because
    /// the rows as they were before may still be read.
    pub shut: bool,
}

impl Order {
    /// Whether rows are to be read although the lane is here.
    pub fn is_low(&self) -> bool {
        !self.shut && self.behind.len() < LOW
    }

    /// Whether there are rows to be read for which there is room again.
    pub fn is_hungry(&self) -> bool {
        self.more && self.is_low()
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.behind.is_empty() && !self.more && !self.shut
    }
}

/// How many rows to read of one lane of an endpoint with so many lanes in memory.
pub const fn ahead(lanes: usize) -> u32 {
    if lanes <= FEW { AHEAD } else { AHEAD_OF_MANY }
}
