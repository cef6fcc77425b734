//! What went wrong in an exchange: a class for the machine, a sentence for a person.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use posthaste_core::attempt::Outcome;
use rustls::{AlertDescription, CertificateError};

/// The longest sentence that is stored with an attempt, in bytes.
const LONGEST_SENTENCE: usize = 500;

/// One failed exchange. Its sentence names hosts and addresses, never paths, headers or bodies: those carry secrets.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) error: String,
}

impl Failure {
    pub(super) fn new(outcome: Outcome, error: impl Into<String>) -> Self {
        let mut error = error.into();
        if error.len() > LONGEST_SENTENCE {
            error.truncate(error.floor_char_boundary(LONGEST_SENTENCE));
        }
        Self { outcome, error }
    }

    pub(super) fn timeout(while_doing: &str) -> Self {
        Self::new(Outcome::Timeout, format!("not finished within the endpoint's timeout, while {while_doing}"))
    }

    pub(super) fn connect(sentence: impl Into<String>) -> Self {
        Self::new(Outcome::ConnectError, sentence)
    }

    pub(super) fn protocol(sentence: impl Into<String>) -> Self {
        Self::new(Outcome::ProtocolError, sentence)
    }

    pub(super) fn too_large(sentence: impl Into<String>) -> Self {
        Self::new(Outcome::ResponseTooLarge, sentence)
    }

    /// A TLS handshake that failed, or TLS that broke later.
    pub(super) fn tls(error: &rustls::Error) -> Self {
        Self::new(Outcome::TlsError, tls_sentence(error))
    }

    /// What an error of the TLS handshake means. Any end of the connection here is the handshake's failure.
    pub(super) fn handshake(error: &io::Error) -> Self {
        match find::<rustls::Error>(error) {
            Some(tls) => Self::tls(tls),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::new(Outcome::TlsError, "the receiver closed the connection during the TLS handshake")
            }
            None => Self::new(Outcome::TlsError, format!("the TLS handshake broke: {error}")),
        }
    }

    /// What hyper's error means before the whole head of a response was read; `started` tells whether any byte of one
    /// had arrived.
    pub(super) fn before_head(error: &hyper::Error, started: Started) -> Self {
        if let Some(known) = Self::known(error) {
            return known;
        }
        if error.is_parse_too_large() {
            return Self::too_large("the response's header is larger than is read");
        }
        if error.is_parse() {
            return Self::protocol(format!("the response is not HTTP: {}", chain(error)));
        }
        if error.is_incomplete_message() || is_end(error) {
            return match started {
                Started::No => Self::connect("the receiver closed the connection without an answer"),
                Started::Yes => Self::protocol("the connection ended in the middle of the response's header"),
            };
        }
        Self::later(error)
    }

    /// What hyper's error means while the body of a response was read.
    pub(super) fn in_body(error: &hyper::Error) -> Self {
        if let Some(known) = Self::known(error) {
            return known;
        }
        if error.is_incomplete_message() || is_end(error) {
            return Self::protocol("the connection ended before the end of the response's body");
        }
        Self::later(error)
    }

    fn known(error: &hyper::Error) -> Option<Self> {
        if find::<Overrun>(error).is_some() {
            return Some(Self::too_large(Overrun.to_string()));
        }
        find::<rustls::Error>(error).map(Self::tls)
    }

    fn later(error: &hyper::Error) -> Self {
        if error.is_timeout() {
            return Self::connect("the connection no longer answered");
        }
        if error.is_canceled() || error.is_closed() {
            return Self::connect("the connection was closed before the request was answered");
        }
        match find::<io::Error>(error).map(io::Error::kind) {
            // hyper reports broken chunks as bad input from a socket.
            None | Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Other) => {
                Self::protocol(format!("the response breaks its protocol: {}", chain(error)))
            }
            Some(_) => Self::connect(format!("the connection broke: {}", chain(error))),
        }
    }
}

/// Whether any byte of a response had arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    Yes,
    No,
}

/// The error of a socket that delivered more than any honest response needs.
#[derive(Debug)]
pub(super) struct Overrun;

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the receiver sends headers without end")
    }
}

impl StdError for Overrun {}

impl From<Overrun> for io::Error {
    fn from(overrun: Overrun) -> Self {
        Self::new(io::ErrorKind::InvalidData, overrun)
    }
}

/// The first error of that type among an error and its causes. An `io::Error` hides what it wraps from `source`, so
/// that is looked into as well.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        next = match current.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        };
    }
    None
}

fn is_end(error: &hyper::Error) -> bool {
    find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

/// An error with its causes, each said once.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

fn tls_sentence(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(certificate) => certificate_sentence(certificate),
        rustls::Error::InvalidMessage(_) => {
            "the receiver does not speak TLS on this port: is its URL an http:// one?".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the receiver does not know this host name".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!("the receiver refused the TLS handshake: {alert:?}"),
        rustls::Error::PeerIncompatible(_) => {
            format!("the receiver offers no TLS version or cipher that is safe: {error}")
        }
        other => format!("TLS failed: {other}"),
    }
}

fn certificate_sentence(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the receiver's certificate is for another host name: {error}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the receiver's certificate has expired: {error}")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the receiver's certificate is not valid yet: {error}")
        }
        CertificateError::UnknownIssuer => "the receiver's certificate is not signed by an authority that is trusted \
             here: its chain may be incomplete, or a private authority needs to be added with --ca"
            .to_owned(),
        other => format!("the receiver's certificate is not valid: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_is_cut_at_a_character() {
        let failure = Failure::connect("ä".repeat(400));
        assert_eq!(failure.error.len(), LONGEST_SENTENCE);
        let failure = Failure::connect(format!("x{}", "ä".repeat(400)));
        assert_eq!(failure.error.len(), LONGEST_SENTENCE - 1);
    }

    #[test]
    fn a_cause_inside_an_io_error_is_found() {
        let error = io::Error::other(io::Error::from(Overrun));
        assert!(find::<Overrun>(&error).is_some());
        assert!(find::<rustls::Error>(&error).is_none());
    }
}
