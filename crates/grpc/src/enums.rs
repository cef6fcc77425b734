//! Closed sets of words: numbers outside, the core's enums inside. Every pair stands here once, and a word that is new in
//! the core does not compile until it has its number.

use posthaste_core::endpoint::{
    BodyFormat, EndpointState, Guarantee, OnFailed, Ordering, RetryAfter, SettingsAt, SignatureStyle, Verification,
};
use posthaste_core::schedule::Missed;
use posthaste_core::{CloseReason, DeliveryStatus, Outcome, Scope, WaitingFor};
use posthaste_engine::FieldError;
use posthaste_engine::replays::ReplayStatus;
use posthaste_store::jobs::JobState;

use crate::proto;

/// A closed set with numbers.
pub trait Numbered: Sized {
    /// The number of the protocol.
    fn number(self) -> i32;
    /// The word with that number: `Ok(None)` for 0, which stands for nothing given.
    fn from_number(number: i32) -> Result<Option<Self>, ()>;

    /// The word with that number; the error names the member.
    fn read(number: i32, pointer: &str) -> Result<Option<Self>, FieldError> {
        Self::from_number(number).map_err(|()| FieldError::new(pointer, format!("{number} is none of its numbers")))
    }
}

macro_rules! numbered {
    ($($ours:ident $theirs:ident { $($word:ident $name:ident),* $(,)? })*) => {$(
        impl Numbered for $ours {
            fn number(self) -> i32 {
                match self { $(Self::$word => proto::$theirs::$name as i32),* }
            }
            fn from_number(number: i32) -> Result<Option<Self>, ()> {
                match proto::$theirs::try_from(number) {
                    Err(_) => Err(()),
                    Ok(proto::$theirs::Unspecified) => Ok(None),
                    $(Ok(proto::$theirs::$name) => Ok(Some(Self::$word)),)*
                }
            }
        }
    )*};
}

numbered! {
    EndpointState EndpointState { PendingVerification PendingVerification, Active Active, Paused Paused, Disabled Disabled }
    BodyFormat BodyFormat {
        Raw Raw, CloudEvents Cloudevents, CloudEventsBinary CloudeventsBinary, Envelope Envelope,
    }
    SignatureStyle SignatureStyle {
        Standard Standard, StandardEd25519 StandardEd25519, Github Github, Stripe Stripe, Postmand Postmand,
    }
    RetryAfter RetryAfter { Obey Obey, Ignore Ignore }
    Ordering Ordering { None None, Fifo Fifo }
    OnFailed FifoOnFailed { Continue Continue, Hold Hold }
    Guarantee Guarantee { AtLeastOnce AtLeastOnce, AtMostOnce AtMostOnce }
    SettingsAt SettingsAt { Current Current, AtPublish AtPublish }
    Verification Verification { None None, Token Token, CloudEvents Cloudevents }
    Missed Missed { Skip Skip, FireOnce FireOnce, FireAll FireAll }
    DeliveryStatus DeliveryStatus { Pending Pending, Succeeded Succeeded, Failed Failed, Cancelled Cancelled }
    CloseReason DeliveryReason {
        AttemptsExhausted AttemptsExhausted, EndpointGone EndpointGone, EndpointDeleted EndpointDeleted,
        ByRequest ByRequest, PayloadGone PayloadGone, GaveUp GaveUp, Expired Expired, UnknownOutcome UnknownOutcome,
        Unknown Unknown,
    }
    WaitingFor WaitingFor {
        Retry Retry, RateLimit RateLimit, InFlight InFlight, Order Order, Schedule Schedule, Breaker Breaker,
        EndpointPaused EndpointPaused, EndpointDisabled EndpointDisabled,
    }
    Outcome Outcome {
        Succeeded Succeeded, Rejected Rejected, Timeout Timeout, DnsError DnsError, ConnectError ConnectError,
        TlsError TlsError, BlockedAddress BlockedAddress, ResponseTooLarge ResponseTooLarge,
        ProtocolError ProtocolError, Unknown Unknown,
    }
    ReplayStatus ReplayStatus { Failed Failed, Missed Missed, Succeeded Succeeded, All All }
    Scope Scope { Admin Admin, Publish Publish, Read Read, Endpoints Endpoints }
    JobState ReplayState { Running Running, Done Done, Cancelled Cancelled }
}

/// The number of a word that may be absent: 0 then.
pub fn number_or_none<T: Numbered>(word: Option<T>) -> i32 {
    word.map_or(0, Numbered::number)
}
