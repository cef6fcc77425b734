//! TLS towards receivers: rustls with ring, the system's authorities and extra ones, HTTP/2 offered first.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

/// Receivers whose TLS sessions are remembered, so that their next handshake is shorter.
const SESSIONS: usize = 1024;
/// HTTP/2 as ALPN names it.
pub(super) const HTTP2: &[u8] = b"h2";

/// Why no outbound connections can be made at all.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// An extra certificate authority is not a certificate.
    #[error("an extra certificate authority cannot be used: {0}")]
    Authority(#[source] rustls::Error),
    /// The TLS library refuses its own settings; a defect.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
}

/// What makes TLS connections. A system without any certificate authorities is no error: then only receivers signed by
/// the extra ones are trusted.
pub(super) fn connector(extra: &[CertificateDer<'static>]) -> Result<TlsConnector, EgressError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    // Systems carry a few odd certificates that rustls does not take; the others are what matters.
    let (trusted, _) = roots.add_parsable_certificates(system.certs);
    if trusted == 0 {
        tracing::warn!("the system has no certificate authorities: https endpoints need --ca");
    }
    for authority in extra {
        roots.add(authority.clone()).map_err(EgressError::Authority)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(EgressError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(TlsConnector::from(Arc::new(config)))
}
