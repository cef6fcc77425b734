//! Deliveries: one message owed to one endpoint, and the states it passes through.
//!
//! A delivery lives in exactly one place. In `due`, else a success in `attempt`, else `closed`, else its batch: that
//! rule, [`Placement`], is the whole state machine as stored, and [`Next`] is every step an owner can take.
//!
//! Where deliveries to an endpoint keep an order, each belongs to a [`Lane`] of it and has a place in that lane.

use serde::{Deserialize, Serialize};

use crate::id::{AttemptId, DeliveryId, EndpointId};
use crate::time::Timestamp;
use crate::topic::Tenant;

/// What users see of a delivery's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It will be tried (again).
    Pending,
    /// An attempt was answered as the endpoint's success codes ask.
    Succeeded,
    /// Given up: a dead letter.
    Failed,
    /// Ended on request, without being given up by failure.
    Cancelled,
}

/// Why a delivery ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Every attempt of its schedule failed.
    AttemptsExhausted,
    /// The endpoint answered 410.
    EndpointGone,
    /// The endpoint was deleted.
    EndpointDeleted,
    /// Somebody cancelled it.
    ByRequest,
    /// Its payload cannot be read any more, so it cannot be sent.
    PayloadGone,
    /// The endpoint's `give_up_after_seconds` passed.
    GaveUp,
    /// The message's `expires_at` passed.
    Expired,
    /// Nobody knows whether it was sent, and the endpoint wants nothing twice.
    UnknownOutcome,
    /// Written by a newer version.
    Unknown,
}

/// Why a pending delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// The next attempt after a failed one.
    Retry,
    /// A free place among the endpoint's exchanges in flight.
    InFlight,
    /// Its `deliver_at`.
    Schedule,
    /// The endpoint's breaker, which is open after failures in a row.
    Breaker,
    /// Its endpoint is paused.
    EndpointPaused,
    /// Its endpoint is disabled.
    EndpointDisabled,
    /// A token of the endpoint's rate limit.
    RateLimit,
    /// Those before it in its order.
    Order,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal),* $(,)? })*) => {$(
        impl $name {
            /// The number under which both stores keep it; never reused.
            pub const fn code(self) -> i16 {
                match self { $(Self::$variant => $code),* }
            }

            /// The variant with that number, if this version knows it.
            pub const fn from_code(code: i16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    )*};
}
impl WaitingFor {
    /// Whether time alone ends the wait, so that the owner has to look again; a stopped endpoint's deliveries wait
    /// until somebody starts it.
    pub const fn ends_by_itself(self) -> bool {
        !matches!(self, Self::EndpointPaused | Self::EndpointDisabled)
    }
}

codes! {
    DeliveryStatus { Pending = 0, Succeeded = 1, Failed = 2, Cancelled = 3 }
    CloseReason { AttemptsExhausted = 1, EndpointGone = 2, EndpointDeleted = 3, ByRequest = 4, PayloadGone = 5, GaveUp = 6, Expired = 7, UnknownOutcome = 8, Unknown = 99 }
    WaitingFor { Retry = 1, InFlight = 2, Schedule = 3, Breaker = 4, EndpointPaused = 5, EndpointDisabled = 6, RateLimit = 7, Order = 8 }
}

/// One queue of an endpoint's waiting deliveries: the one without an order, or that of an ordering key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// 0: no order. Else the order's number, which follows from the ordering key ([`Lane::ordered`]).
    pub order: i64,
}

impl Lane {
    /// The lane without an order.
    pub const fn unordered(endpoint: EndpointId) -> Self {
        Self { endpoint, order: 0 }
    }

    /// The lane of an ordering key, or of the endpoint as a whole. Two keys may share a lane (one chance in 2⁶³): both
    /// then keep their order, and wait for one another.
    pub fn ordered(endpoint: EndpointId, key: Option<&str>) -> Self {
        // FNV-1a: the number only has to be the same on every node and version.
        let hash = key.map_or(1, |key| {
            key.bytes()
                .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        });
        Self { endpoint, order: (hash & (u64::MAX >> 1)).max(1).cast_signed() }
    }

    /// Whether its deliveries are sent one after the other.
    pub const fn is_ordered(self) -> bool {
        self.order != 0
    }
}

/// How far a delivery has come, as an owner carries it from one attempt to the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Exchanges made so far, over all schedules; the next attempt has the number after it.
    pub attempts: u32,
    /// Failures since the present schedule began; a retry by request begins a fresh one.
    pub failures: u32,
    /// The status of the last response, if there was one.
    pub last_status_code: Option<u16>,
    /// The last failure in words.
    pub last_error: Option<String>,
}

/// A delivery that waits in `due`.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Whose.
    pub tenant: Tenant,
    /// Not before this instant.
    pub due_at: Timestamp,
    /// What it waits for.
    pub waiting_for: WaitingFor,
    /// How far it has come.
    pub progress: Progress,
    /// The number of its lane ([`Lane::order`]).
    pub order: i64,
    /// Its place in an ordered lane, by commit; 0 in the lane without an order.
    pub seq: i64,
    /// The node that said, before it sent, that it was about to; only where the endpoint wants nothing twice.
    pub sending_by: Option<crate::id::NodeId>,
}

impl Due {
    /// The lane it waits in.
    pub const fn lane(&self) -> Lane {
        Lane { endpoint: self.endpoint, order: self.order }
    }
}

/// A delivery that ended without success.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Whose.
    pub tenant: Tenant,
    /// `Failed` or `Cancelled`.
    pub status: DeliveryStatus,
    /// Why.
    pub reason: CloseReason,
    /// When.
    pub at: Timestamp,
    /// How far it had come.
    pub progress: Progress,
}

/// Where a delivery is: the placement rule's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Placement {
    /// An attempt succeeded.
    Succeeded {
        /// The attempt that did.
        attempt: AttemptId,
        /// Its number.
        number: u32,
        /// When it began.
        at: Timestamp,
        /// How long it took, in microseconds.
        duration_micros: u64,
        /// What was answered.
        status_code: Option<u16>,
    },
    /// It ended without success.
    Closed(Closed),
    /// It waits.
    Due(Due),
    /// It is in its batch, on its way for the first time.
    Batch,
    /// Nowhere: an invariant is broken. Shown as pending, and counted as a fault.
    Missing,
}

/// What becomes of a delivery after something happened to it, as its owner records it.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The attempt succeeded.
    Succeeded,
    /// It waits for another attempt, or for its turn.
    Wait {
        /// Not before this instant.
        due_at: Timestamp,
        /// What it waits for.
        waiting_for: WaitingFor,
    },
    /// It ended.
    Close {
        /// `Failed` or `Cancelled`.
        status: DeliveryStatus,
        /// Why.
        reason: CloseReason,
    },
}

/// One delivery as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// The endpoint's revision when the message was accepted.
    pub endpoint_revision: u32,
    /// Whose.
    pub tenant: Tenant,
    /// The message's topic.
    pub topic: Option<crate::topic::TopicName>,
    /// The message's `deliver_at`.
    pub deliver_at: Option<Timestamp>,
    /// Where it is.
    pub placement: Placement,
}

impl Delivery {
    /// The state that follows from its place.
    pub fn status(&self) -> DeliveryStatus {
        self.placement.status()
    }
}

impl Placement {
    /// The state that follows from this place.
    pub fn status(&self) -> DeliveryStatus {
        match self {
            Self::Succeeded { .. } => DeliveryStatus::Succeeded,
            Self::Closed(closed) => closed.status,
            Self::Due(_) | Self::Batch | Self::Missing => DeliveryStatus::Pending,
        }
    }
}
