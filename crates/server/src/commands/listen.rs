//! `posthaste listen`: a receiver to try endpoints with.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use http::{HeaderMap, Method, StatusCode, Uri};
use posthaste_core::Secret;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Result};
use crate::output::{self, Format, harmless};
use crate::receiver;
use crate::server::{connections::Connections, listener, signals};

/// The largest body that is received.
const BODY_BYTES: usize = 256 * 1024 * 1024;
/// How much of a body a line of the table form shows.
const SHOWN_BYTES: usize = 2_000;
/// The most connections at once.
const CONNECTIONS: usize = 1_024;

/// What to answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  posthaste listen 9000 --secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
  posthaste listen 9000 --status 503            a receiver that is down, to watch retries
  posthaste listen 0 --output json              on a free port, a JSON object a request

The server has to be allowed to send here: posthaste serve --allow-net 127.0.0.0/8")]
pub struct Listen {
    /// The port; 0 for a free one
    port: u16,
    /// The endpoint's signing secret: requests without a valid signature are answered with 401
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// The status of each answer
    #[arg(long, value_name = "CODE", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    status: u16,
    /// How long to wait before each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    delay_seconds: f64,
    /// The address to listen on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    address: IpAddr,
}

struct Receiver {
    secret: Option<Secret>,
    status: StatusCode,
    delay: Duration,
    format: Format,
}

/// Receives until a signal.
pub async fn run(options: Listen, format: Format) -> Result<()> {
    let secret = options.secret.as_deref().map(Secret::parse).transpose();
    let receiver = Receiver {
        secret: secret.map_err(|error| Failure::new(format!("--secret: {error}")))?,
        status: StatusCode::from_u16(options.status).map_err(|error| Failure::new(error.to_string()))?,
        delay: Duration::try_from_secs_f64(options.delay_seconds)
            .map_err(|_| Failure::new("--delay-seconds must be a number that is not negative"))?,
        format,
    };
    let stop = signals::stop_token()?;
    let listener = listener::bind(SocketAddr::new(options.address, options.port))?;
    let address = listener.local_addr().map_err(|error| Failure::new(error.to_string()))?;
    if format == Format::Table {
        let how =
            if receiver.secret.is_some() { "verifying signatures" } else { "without --secret nothing is verified" };
        output::line(&format!("listening on http://{address}/ ({how})"))?;
    } else {
        output::line(&json!({ "listening": format!("http://{address}/") }).to_string())?;
    }
    let router =
        Router::new().fallback(receive).layer(DefaultBodyLimit::max(BODY_BYTES)).with_state(Arc::new(receiver));
    let connections = Connections::new(CONNECTIONS);
    let accepting = connections.accept(listener, router, stop);
    // The task only ends; a panic in it is in the log.
    let _ = accepting.await;
    connections.drain(Duration::from_secs(5)).await;
    Ok(())
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let verified = receiver.secret.as_ref().map(|secret| {
        receiver::verify(secret, &headers, &body, receiver::now_seconds()).map_err(|doubt| doubt.to_string())
    });
    let status = if matches!(verified, Some(Err(_))) { StatusCode::UNAUTHORIZED } else { receiver.status };
    let text = match receiver.format {
        Format::Json => as_json(&method, &uri, &headers, &body, verified.as_ref(), status).to_string(),
        Format::Table => as_text(&method, &uri, &headers, &body, verified.as_ref(), status),
    };
    // Whoever read standard output is gone; receiving goes on.
    let _ = output::line(&text);
    if !receiver.delay.is_zero() {
        tokio::time::sleep(receiver.delay).await;
    }
    status
}

fn as_json(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    verified: Option<&Result<(), String>>,
    status: StatusCode,
) -> Value {
    let headers: Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let (member, body) = match std::str::from_utf8(body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("body_hex", output::hexadecimal(body)),
    };
    json!({
        "method": method.as_str(),
        "path": uri.to_string(),
        "headers": headers,
        member: body,
        "verified": verified.map(Result::is_ok),
        "doubt": verified.and_then(|verified| verified.as_ref().err()),
        "answered": status.as_u16(),
    })
}

fn as_text(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    verified: Option<&Result<(), String>>,
    status: StatusCode,
) -> String {
    let id = headers.get("webhook-id").and_then(|value| value.to_str().ok()).unwrap_or("-");
    let verified = match verified {
        None => String::new(),
        Some(Ok(())) => ", signature valid".to_owned(),
        Some(Err(doubt)) => format!(", NOT VERIFIED: {doubt}"),
    };
    let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]);
    let more = if body.len() > SHOWN_BYTES { format!(" … ({} bytes)", body.len()) } else { String::new() };
    format!(
        "{method} {} {} -> {}{verified}\n    {}{more}",
        harmless(&uri.to_string()),
        harmless(id),
        status.as_u16(),
        harmless(&shown),
    )
}
