//! TLS towards receivers.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use posthaste_core::{DeliveryStatus, Outcome};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::site::Site;

/// A receiver behind TLS that says by which version of HTTP requests came.
struct Secure {
    url: String,
    authority: CertificateDer<'static>,
    versions: mpsc::UnboundedReceiver<Version>,
    _serving: JoinSet<()>,
}

async fn secure(alpn: &[&[u8]]) -> Secure {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let (seen, versions) = mpsc::unbounded_channel();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), seen.clone());
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let _ = seen.send(request.version());
                    async { Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::new()))) }
                });
                let io = TokioIo::new(stream);
                if http2 {
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(io, service)
                        .await;
                } else {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                }
            });
        }
    });
    Secure { url, authority: issuer.der().clone(), versions, _serving: serving }
}

#[tokio::test]
async fn a_private_authority_that_was_added_is_trusted_and_http_2_is_used_where_it_is_offered() {
    for (alpn, version) in [
        (&[&b"h2"[..], b"http/1.1"][..], Version::HTTP_2),
        (&[&b"http/1.1"[..]][..], Version::HTTP_11),
        (&[][..], Version::HTTP_11),
    ] {
        let mut receiver = secure(alpn).await;
        let authority = receiver.authority.clone();
        let site = Site::with(|options| options.egress.extra_ca = vec![authority]).await;
        site.endpoint(&receiver.url, json!({"max_attempts": 1})).await;
        let ids = [site.publish(json!(1)).await.id.delivery(1), site.publish(json!(2)).await.id.delivery(1)];
        for id in ids {
            site.until_status(id, DeliveryStatus::Succeeded).await;
            assert_eq!(receiver.versions.recv().await, Some(version));
        }
    }
}

#[tokio::test]
async fn an_authority_that_nobody_added_is_not_trusted() {
    let receiver = secure(&[]).await;
    let site = Site::start().await;
    site.endpoint(&receiver.url, json!({"max_attempts": 1})).await;
    let id = site.publish(json!(1)).await.id.delivery(1);
    site.until_status(id, DeliveryStatus::Failed).await;
    let attempt = site.attempts(id).await.remove(0);
    assert_eq!(attempt.outcome, Outcome::TlsError);
    assert!(attempt.error.unwrap().contains("--ca"));
}
