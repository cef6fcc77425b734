//! The end of a delivery: an instant after which it is not sent, whatever its schedule says.

use super::Decision;
use crate::delivery::{CloseReason, DeliveryStatus};
use crate::time::{Span, Timestamp};

/// When a delivery ends by itself, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// From this instant on no attempt begins.
    pub at: Timestamp,
    /// As what it ends then.
    pub ending: Ending,
}

/// Why a delivery ends at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The endpoint's `give_up_after_seconds` is over: it failed.
    GaveUp,
    /// The message's `expires_at` is past: it is cancelled.
    Expired,
}

impl Ending {
    /// The state and the reason that are recorded.
    pub const fn close(self) -> (DeliveryStatus, CloseReason) {
        match self {
            Self::GaveUp => (DeliveryStatus::Failed, CloseReason::GaveUp),
            Self::Expired => (DeliveryStatus::Cancelled, CloseReason::Expired),
        }
    }
}

impl End {
    /// The end of a delivery, if it has one: the earlier of the two. At the same instant it is expired, because that was
    /// the publisher's wish.
    ///
    /// `give_up_after` is counted from `begun_at`, the first instant at which it could have been sent: the message's
    /// acceptance, or its `deliver_at`, or when somebody asked for a fresh schedule.
    pub fn of(begun_at: Timestamp, give_up_after: Option<Span>, expires_at: Option<Timestamp>) -> Option<Self> {
        let gives_up = give_up_after.map(|span| Self { at: begun_at + span.duration(), ending: Ending::GaveUp });
        let expires = expires_at.map(|at| Self { at, ending: Ending::Expired });
        match (gives_up, expires) {
            (Some(gives_up), Some(expires)) if gives_up.at < expires.at => Some(gives_up),
            (gives_up, expires) => expires.or(gives_up),
        }
    }

    /// Whether no attempt may begin any more.
    pub fn is_over(self, now: Timestamp) -> bool {
        now >= self.at
    }
}

impl Decision {
    /// The decision for a delivery that has an end: a retry that would not begin before it becomes the end itself.
    #[must_use]
    pub fn before(self, end: Option<End>, now: Timestamp) -> Self {
        match (self, end) {
            (Self::Retry { after }, Some(end)) if end.is_over(now + after) => Self::End(end),
            (decision, _) => decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    const fn span(seconds: u32) -> Span {
        Span::from_secs(seconds)
    }

    #[test]
    fn the_earlier_of_two_ends_counts_and_expiry_where_they_meet() {
        for (give_up_after, expires_at, expected) in [
            (None, None, None),
            (Some(span(10)), None, Some((110, Ending::GaveUp))),
            (None, Some(120), Some((120, Ending::Expired))),
            (Some(span(10)), Some(120), Some((110, Ending::GaveUp))),
            (Some(span(30)), Some(120), Some((120, Ending::Expired))),
            (Some(span(20)), Some(120), Some((120, Ending::Expired))),
            (Some(span(20)), Some(50), Some((50, Ending::Expired))),
        ] {
            let end = End::of(at(100), give_up_after, expires_at.map(at));
            assert_eq!(end, expected.map(|(seconds, ending)| End { at: at(seconds), ending }));
        }
    }

    #[test]
    fn a_retry_begins_before_the_end_or_not_at_all() {
        let end = End { at: at(110), ending: Ending::GaveUp };
        let retry = |seconds| Decision::Retry { after: Duration::from_secs(seconds) };
        assert_eq!(retry(9).before(Some(end), at(100)), retry(9));
        assert_eq!(retry(10).before(Some(end), at(100)), Decision::End(end));
        assert_eq!(retry(0).before(Some(end), at(111)), Decision::End(end));
        assert_eq!(retry(u64::MAX).before(Some(end), at(100)), Decision::End(end));
        assert_eq!(retry(1_000).before(None, at(100)), retry(1_000));
        assert_eq!(Decision::Exhausted.before(Some(end), at(111)), Decision::Exhausted);
    }

    #[test]
    fn giving_up_is_a_failure_and_expiry_is_not() {
        assert_eq!(Ending::GaveUp.close(), (DeliveryStatus::Failed, CloseReason::GaveUp));
        assert_eq!(Ending::Expired.close(), (DeliveryStatus::Cancelled, CloseReason::Expired));
    }

    proptest! {
        #[test]
        fn no_retry_ever_lands_at_or_beyond_the_end(
            now in 0i64..1_000_000, after in 0u64..1_000_000, give_up in 0u32..1_000_000, expires in 0i64..2_000_000,
        ) {
            let end = End::of(at(0), Some(span(give_up)), Some(at(expires)));
            let decision = Decision::Retry { after: Duration::from_secs(after) }.before(end, at(now));
            match (decision, end) {
                (Decision::Retry { after }, Some(end)) => prop_assert!(at(now) + after < end.at),
                (Decision::End(decided), Some(end)) => prop_assert_eq!(decided, end),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
