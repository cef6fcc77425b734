//! The closed sets of words: the core's own, as GraphQL spells them. A word that the core gains does not compile here
//! until it is named too.

use async_graphql::Enum;
use posthaste_core::{attempt, delivery, endpoint, key, schedule};
use posthaste_engine::replays;
use posthaste_store::jobs;
use serde::Serialize;

/// Each enum of the core under its own name, converted both ways; in documents for the engine it is the core's word.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $remote:literal { $($(#[$variant_doc:meta])* $variant:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
        #[graphql(remote = $remote)]
        #[serde(into = $remote)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }
    )*};
}

words! {
    /// Where a delivery stands.
    DeliveryStatus = "delivery::DeliveryStatus" {
        /// Owed.
        Pending,
        /// An exchange succeeded.
        Succeeded,
        /// Given up: a dead letter.
        Failed,
        /// Withdrawn.
        Cancelled,
    }
    /// Why a delivery ended without success.
    CloseReason = "delivery::CloseReason" {
        /// Every attempt of its schedule failed.
        AttemptsExhausted,
        /// The endpoint answered 410.
        EndpointGone,
        /// Its endpoint was deleted.
        EndpointDeleted,
        /// Somebody asked for it.
        ByRequest,
        /// Its payload was past its age.
        PayloadGone,
        /// Its endpoint gives up after a while.
        GaveUp,
        /// Its message was not to be sent any more.
        Expired,
        /// Nobody knows whether it was sent, and it must not be sent twice.
        UnknownOutcome,
        /// A reason that this version does not know.
        Unknown,
    }
    /// Why a delivery waits.
    WaitingFor = "delivery::WaitingFor" {
        /// Its next attempt.
        Retry,
        /// Others that are on their way to the same endpoint.
        InFlight,
        /// Its hour.
        Schedule,
        /// The endpoint, which fails at the moment.
        Breaker,
        /// The endpoint is paused.
        EndpointPaused,
        /// The endpoint is disabled or not verified.
        EndpointDisabled,
        /// The endpoint's rate.
        RateLimit,
        /// Those before it.
        Order,
    }
    /// What came of an exchange.
    Outcome = "attempt::Outcome" {
        /// The answer was a success.
        Succeeded,
        /// The answer was none.
        Rejected,
        /// It did not end in time.
        Timeout,
        /// The name was not found.
        DnsError,
        /// No connection came about.
        ConnectError,
        /// No secure connection came about.
        TlsError,
        /// The address must not be sent to.
        BlockedAddress,
        /// The answer was too long.
        ResponseTooLarge,
        /// The answer was not HTTP.
        ProtocolError,
        /// Nobody knows.
        Unknown,
    }
    /// Whether an endpoint takes new deliveries, and whether they are sent.
    EndpointState = "endpoint::EndpointState" {
        /// Gets nothing but the challenge, until its owner answers.
        PendingVerification,
        /// Takes and sends.
        Active,
        /// Takes and holds.
        Paused,
        /// Takes no new ones; what waits is kept.
        Disabled,
    }
    /// How a request's body is made.
    BodyFormat = "endpoint::BodyFormat" {
        /// The payload's bytes exactly as given.
        Raw,
        /// A CloudEvent in structured mode.
        #[graphql(name = "CLOUDEVENTS")]
        CloudEvents,
        /// A CloudEvent in binary mode.
        #[graphql(name = "CLOUDEVENTS_BINARY")]
        CloudEventsBinary,
        /// An object of type, timestamp and data.
        Envelope,
    }
    /// Which signature headers a request carries.
    SignatureStyle = "endpoint::SignatureStyle" {
        /// Standard Webhooks `v1`.
        Standard,
        /// Standard Webhooks `v1a`.
        StandardEd25519,
        /// `X-Hub-Signature-256`.
        Github,
        /// `t=…,v1=…`.
        Stripe,
        /// `X-Hub-Signature`, bare hex.
        Postmand,
    }
    /// Whether deliveries keep the order of their messages.
    Ordering = "endpoint::Ordering" {
        /// Each is sent as soon as it can be.
        None,
        /// One after the other.
        Fifo,
    }
    /// What a failed delivery does to those behind it in its order.
    OnFailed = "endpoint::OnFailed" {
        /// They go on.
        Continue,
        /// They wait.
        Hold,
    }
    /// What happens to a delivery of which nobody knows whether it was sent.
    Guarantee = "endpoint::Guarantee" {
        /// It is sent again.
        AtLeastOnce,
        /// It is not.
        AtMostOnce,
    }
    /// Which settings a delivery is sent with.
    SettingsAt = "endpoint::SettingsAt" {
        /// Those at the attempt.
        Current,
        /// Those when its message was accepted.
        AtPublish,
    }
    /// How an endpoint's owner is asked whether it wants messages.
    Verification = "endpoint::Verification" {
        /// Not at all.
        None,
        /// By a token that is sent there and comes back.
        Token,
        /// By the handshake of the CloudEvents webhook specification.
        #[graphql(name = "CLOUDEVENTS")]
        CloudEvents,
    }
    /// What a `Retry-After` header does.
    RetryAfter = "endpoint::RetryAfter" {
        /// It delays the next attempt further.
        Obey,
        /// Nothing.
        Ignore,
    }
    /// What becomes of due times at which nobody was there to fire.
    Missed = "schedule::Missed" {
        /// Nothing.
        Skip,
        /// One message for each gap.
        FireOnce,
        /// One message for each.
        FireAll,
    }
    /// Which of an endpoint's past is sent (again).
    ReplayStatus = "replays::ReplayStatus" {
        /// Its dead letters.
        Failed,
        /// What it would have got but did not.
        Missed,
        /// What it has got.
        Succeeded,
        /// All three.
        All,
    }
    /// What a key allows.
    Scope = "key::Scope" {
        /// Everything, keys and topics included.
        Admin,
        /// Publishing.
        Publish,
        /// Every read except secrets.
        Read,
        /// Endpoints, schedules, retry, cancel, replay.
        Endpoints,
    }
}

/// Whether a job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "jobs::JobState")]
pub enum JobState {
    /// It has further steps.
    Running,
    /// It came to its end.
    Done,
    /// Somebody stopped it.
    Cancelled,
}
