//! The right to send, for a bounded time: this process's fence, as the rest of the engine sees it.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use posthaste_core::id::NodeId;

/// The fence that this process writes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The node's row.
    pub node: NodeId,
    /// Its number in ids.
    pub number: u16,
    /// Counts the joins of this process: what was started under another epoch belongs to others.
    pub epoch: u64,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    fence: Fence,
    until: Instant,
}

/// The lease of this process.
#[derive(Debug)]
pub struct Lease {
    length: Duration,
    held: RwLock<Option<Held>>,
}

impl Lease {
    /// No lease yet; `length` is what others wait before they take over.
    pub fn new(length: Duration) -> Self {
        Self { length, held: RwLock::new(None) }
    }

    /// How long a lease lasts.
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// How often it is renewed.
    pub fn renewal(&self) -> Duration {
        self.length / 4
    }

    /// A node was joined, by a call that began at `asked`.
    pub fn joined(&self, fence: Fence, asked: Instant) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Held { fence, until: asked + self.length });
    }

    /// Renewed by a call that began at `asked`: the others' patience starts anew no earlier than that.
    pub fn renewed(&self, asked: Instant) {
        if let Some(held) = self.held.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            held.until = asked + self.length;
        }
    }

    /// Taken over, or given back.
    pub fn lost(&self) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The fence to write with, whether or not the lease's time is up: the database decides.
    pub fn fence(&self) -> Option<Fence> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).map(|held| held.fence)
    }

    /// The fence, if a send may start now: sends stop a quarter of the lease before the others may take over.
    pub fn may_send(&self) -> Option<Fence> {
        let held = (*self.held.read().unwrap_or_else(PoisonError::into_inner))?;
        let margin = self.length / 4;
        (Instant::now() + margin < held.until).then_some(held.fence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_stop_a_margin_before_the_lease_ends() {
        let lease = Lease::new(Duration::from_secs(8));
        assert_eq!(lease.may_send(), None);
        let fence = Fence { node: NodeId::from_bits(1), number: 1, epoch: 1 };
        let now = Instant::now();
        lease.joined(fence, now);
        assert_eq!(lease.may_send(), Some(fence));
        let Some(old) = now.checked_sub(Duration::from_millis(6_500)) else { return };
        lease.renewed(old);
        assert_eq!(lease.may_send(), None);
        assert_eq!(lease.fence(), Some(fence), "what is under way may still be recorded");
    }
}
