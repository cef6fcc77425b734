//! Attempts: one HTTP exchange of a delivery, and what was seen of it.

use serde::{Deserialize, Serialize};

use crate::id::{AttemptId, EndpointId};
use crate::time::Timestamp;
use crate::topic::Tenant;

/// How one exchange ended. Closed: every ending of a send is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered with a success code.
    Succeeded,
    /// Answered with another status.
    Rejected,
    /// Not ended within the endpoint's timeout.
    Timeout,
    /// The host's name has no address.
    DnsError,
    /// No connection, or it broke.
    ConnectError,
    /// The TLS handshake failed.
    TlsError,
    /// The guard refuses the address.
    BlockedAddress,
    /// The response is larger than is read.
    ResponseTooLarge,
    /// The response is not HTTP, or breaks its own framing.
    ProtocolError,
    /// Written by a newer version, or never known.
    Unknown,
}

impl Outcome {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::Succeeded,
        Self::Rejected,
        Self::Timeout,
        Self::DnsError,
        Self::ConnectError,
        Self::TlsError,
        Self::BlockedAddress,
        Self::ResponseTooLarge,
        Self::ProtocolError,
        Self::Unknown,
    ];

    /// The number under which both stores keep it; 0 is success.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The outcome with that number; an unknown number reads as [`Outcome::Unknown`].
    pub fn from_code(code: i16) -> Self {
        usize::try_from(code).ok().and_then(|index| Self::ALL.get(index).copied()).unwrap_or(Self::Unknown)
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::DnsError => "dns_error",
            Self::ConnectError => "connect_error",
            Self::TlsError => "tls_error",
            Self::BlockedAddress => "blocked_address",
            Self::ResponseTooLarge => "response_too_large",
            Self::ProtocolError => "protocol_error",
            Self::Unknown => "unknown",
        }
    }
}

/// One exchange, as it is stored and shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its id: the delivery's, its number and the node that made it.
    pub id: AttemptId,
    /// To whom.
    pub endpoint: EndpointId,
    /// The endpoint's revision that the request was made from.
    pub endpoint_revision: u32,
    /// Whose.
    pub tenant: Tenant,
    /// Counts from 1 over the delivery's whole life.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in microseconds.
    pub duration_micros: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The response's status, if one was read.
    pub status_code: Option<u16>,
    /// The failure in words; at most 500 bytes.
    pub error: Option<String>,
}

/// What was kept of a response: at most 16 KiB of its body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capture {
    /// `HTTP/1.1` or `HTTP/2`.
    pub http_version: String,
    /// The reason phrase, empty in HTTP/2.
    pub reason: String,
    /// Names and values in order; values may be any bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The first bytes of the body.
    pub body: Vec<u8>,
    /// Whether the body went on.
    pub truncated: bool,
}
