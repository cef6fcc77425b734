//! Asking an endpoint's owner whether it wants messages. Until it says so, it gets nothing but the question.
//!
//! * `token`: a signed POST carries a token; whoever read it brings it back to `POST /v1/endpoints/{id}/verify`.
//! * `cloudevents`: the handshake of the CloudEvents webhook specification: an OPTIONS request that is answered with the
//!   permitted origin, at once or later at the callback URL; the permitted rate becomes the endpoint's rate limit.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use posthaste_core::endpoint::{BodyFormat, Challenge, EndpointState, RateLimit, Verification};
use posthaste_core::id::BatchId;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Capture, Endpoint, EndpointId, Message, Origin, Scope};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::Engine;
use crate::announce;
use crate::caller::Caller;
use crate::chance;
use crate::egress::{Outbound, Sent};
use crate::endpoints::TRIES;
use crate::error::{EngineError, Result};
use crate::request::Prepared;

/// How long a challenge can be answered.
const VALID_FOR: Duration = Duration::from_secs(24 * 3_600);
/// When a challenge is sent (again) until it is answered properly, after it was made.
const SENT_AFTER: [Duration; 3] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(60)];

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_CALLBACK: HeaderName = HeaderName::from_static("webhook-request-callback");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";
const ALLOWED_RATE: &str = "webhook-allowed-rate";

/// A challenge before it is sent: what is stored of it, and the token itself.
pub(crate) struct Fresh {
    /// What is stored.
    pub challenge: Challenge,
    /// What is sent.
    token: String,
}

impl Engine {
    /// A new challenge.
    pub(crate) fn fresh_challenge(&self) -> Result<Fresh> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| EngineError::Internal(error.to_string()))?;
        let token = URL_SAFE_NO_PAD.encode(random);
        let expires_at = self.0.clock.now() + VALID_FOR;
        Ok(Fresh { challenge: Challenge { token_hash: hash(&token), expires_at }, token })
    }

    /// Sends a challenge that was stored, behind the caller's back.
    pub(crate) fn send_challenge(&self, endpoint: Endpoint, fresh: Fresh) {
        let engine = self.clone();
        self.0.tracker.spawn(async move {
            for pause in SENT_AFTER {
                tokio::select! {
                    () = engine.0.stopping.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                match engine.ask(&endpoint, &fresh.token).await {
                    Ok(Asked::Sent) => return,
                    Ok(Asked::Allowed(rate)) => {
                        if let Err(error) = engine.make_verified(endpoint.id, &fresh.challenge, rate).await {
                            tracing::warn!(%error, endpoint = %endpoint.id, "an endpoint's consent could not be stored");
                        }
                        return;
                    }
                    Err(why) => engine.note_unanswered(endpoint.id, &fresh.challenge, &why).await,
                }
            }
        });
    }

    /// Asks once; an error is a sentence about why that is no consent.
    async fn ask(&self, endpoint: &Endpoint, token: &str) -> Result<Asked, String> {
        match endpoint.settings.verification {
            Verification::None => Ok(Asked::Allowed(None)),
            Verification::Token => self.ask_by_token(endpoint, token).await,
            Verification::CloudEvents => self.ask_by_handshake(endpoint, token).await,
        }
    }

    async fn ask_by_token(&self, endpoint: &Endpoint, token: &str) -> Result<Asked, String> {
        let mut plain = endpoint.clone();
        plain.settings.body_format = BodyFormat::Raw;
        plain.settings.content_type = None;
        let prepared = Prepared::new(&plain, &self.0.vault, &self.0.egress)?;
        let body = json!({"type": "posthaste.verification", "endpoint_id": endpoint.id, "token": token});
        let body = Bytes::from(body.to_string());
        let now = self.0.clock.now();
        let id = self.mint(now);
        let message = Message {
            id,
            tenant: endpoint.tenant.clone(),
            topic: None,
            content_type: "application/json".to_owned(),
            targets: Vec::new(),
            batch: BatchId::from_bits(id.bits()),
            deliver_at: None,
            extras: MessageExtras { origin: Origin::System, ..MessageExtras::default() },
        };
        let span = u64::try_from(chance::bits() & u128::from(u64::MAX)).unwrap_or(1);
        let (headers, body) = prepared.request(&message, &body, now, span)?;
        let outbound = Outbound {
            url: prepared.url.clone(),
            method: Method::POST,
            headers,
            body,
            timeout: endpoint.settings.timeout_seconds.duration(),
        };
        let exchanged = self.0.egress.send(outbound).await;
        match exchanged.outcome {
            Sent::Answered { status: 200 } if is_empty(exchanged.capture.as_ref()) => Ok(Asked::Sent),
            Sent::Answered { status: 200 } => {
                Err("the challenge was answered with a body; it has to be empty".to_owned())
            }
            Sent::Answered { status } => Err(format!("the challenge was answered {status}; 200 is expected")),
            Sent::Failed { error, .. } => Err(format!("the challenge could not be sent: {error}")),
        }
    }

    async fn ask_by_handshake(&self, endpoint: &Endpoint, token: &str) -> Result<Asked, String> {
        let url = self.0.egress.prepare(&endpoint.settings.url).map_err(|error| error.to_string())?;
        let origin = self.0.options.origin.as_str();
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ORIGIN, value(origin)?);
        if let Some(public) = &self.0.options.public_url {
            let callback =
                format!("{}/v1/endpoints/{}/verify?token={token}", public.trim_end_matches('/'), endpoint.id);
            headers.insert(REQUEST_CALLBACK, value(&callback)?);
        }
        if let Some(limit) = endpoint.settings.rate_limit {
            headers.insert(REQUEST_RATE, value(&format!("{:.0}", (limit.per_second * 60.0).max(1.0)))?);
        }
        let timeout = endpoint.settings.timeout_seconds.duration();
        let outbound = Outbound { url, method: Method::OPTIONS, headers, body: Bytes::new(), timeout };
        let exchanged = self.0.egress.send(outbound).await;
        match exchanged.outcome {
            Sent::Answered { status } if (200..300).contains(&status) => {
                let answered = exchanged.capture.unwrap_or_default();
                match header(&answered, ALLOWED_ORIGIN) {
                    Some(allowed) if allowed == "*" || allowed.eq_ignore_ascii_case(origin) => {
                        Ok(Asked::Allowed(header(&answered, ALLOWED_RATE).and_then(|rate| per_minute(&rate))))
                    }
                    Some(other) => Err(format!("the handshake permits the origin `{other}`, not `{origin}`")),
                    // It may still be permitted at the callback.
                    None if self.0.options.public_url.is_some() => Ok(Asked::Sent),
                    None => Err("the handshake was answered without WebHook-Allowed-Origin".to_owned()),
                }
            }
            Sent::Answered { status } => Err(format!("the handshake was answered {status}")),
            Sent::Failed { error, .. } => Err(format!("the handshake could not be made: {error}")),
        }
    }

    /// Takes a token that came back: whoever has it is the owner. At the handshake's callback a rate may come with it.
    pub async fn verify_endpoint(&self, id: &str, token: &str, allowed_rate: Option<&str>) -> Result<Endpoint> {
        let id: EndpointId = id.parse().map_err(|_| EngineError::NotFound("endpoint"))?;
        let endpoint = self.0.store.endpoint(id).await?.ok_or(EngineError::NotFound("endpoint"))?;
        let refused = |detail: &str| Err(EngineError::invalid("/token", detail));
        let Some(challenge) = endpoint.challenge.filter(|_| endpoint.state == EndpointState::PendingVerification)
        else {
            return refused("no verification is under way: the token was used, or the endpoint needs none");
        };
        if !bool::from(hash(token).as_bytes().ct_eq(challenge.token_hash.as_bytes())) {
            return refused("not the token that was last sent to the endpoint");
        }
        if challenge.expires_at <= self.0.clock.now() {
            return refused("the token has expired: ask for a new one (POST …/verify with a key and an empty object)");
        }
        self.make_verified(id, &challenge, allowed_rate.and_then(per_minute)).await
    }

    /// Sends a new challenge; the former token is worth nothing any more.
    pub async fn challenge_endpoint(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        if_match: Option<u32>,
    ) -> Result<Endpoint> {
        caller.require(Scope::Endpoints)?;
        for _ in 0..TRIES {
            let mut endpoint = self.find_endpoint_at(caller, tenant, id, if_match).await?;
            if endpoint.state != EndpointState::PendingVerification {
                let detail = format!("the endpoint is {}: it waits for no verification", endpoint.state.as_str());
                return Err(EngineError::Conflict { code: "wrong_state", detail });
            }
            let fresh = self.fresh_challenge()?;
            endpoint.challenge = Some(fresh.challenge.clone());
            match self.write(endpoint).await {
                Err(EngineError::Conflict { code: "changed_meanwhile", .. }) => {}
                Err(error) => return Err(error),
                Ok(endpoint) => {
                    self.send_challenge(endpoint.clone(), fresh);
                    return Ok(endpoint);
                }
            }
        }
        Err(overtaken())
    }

    async fn make_verified(&self, id: EndpointId, challenge: &Challenge, rate: Option<RateLimit>) -> Result<Endpoint> {
        for _ in 0..TRIES {
            let mut endpoint = self.0.store.endpoint(id).await?.ok_or(EngineError::NotFound("endpoint"))?;
            if endpoint.challenge.as_ref() != Some(challenge) {
                return Err(EngineError::invalid("/token", "a newer challenge was sent meanwhile"));
            }
            endpoint.state = EndpointState::Active;
            endpoint.state_reason = None;
            endpoint.challenge = None;
            endpoint.settings.rate_limit = rate.or(endpoint.settings.rate_limit);
            match self.write(endpoint).await {
                Err(EngineError::Conflict { code: "changed_meanwhile", .. }) => {}
                Err(error) => return Err(error),
                Ok(endpoint) => {
                    self.announce_endpoint(announce::ENDPOINT_VERIFIED, &endpoint);
                    return Ok(endpoint);
                }
            }
        }
        Err(overtaken())
    }

    /// Notes for people why the last try was no consent.
    async fn note_unanswered(&self, id: EndpointId, challenge: &Challenge, why: &str) {
        let Ok(Some(mut endpoint)) = self.0.store.endpoint(id).await else { return };
        if endpoint.challenge.as_ref() != Some(challenge) {
            return;
        }
        endpoint.state_reason = Some(why.to_owned());
        if let Err(error) = self.write(endpoint).await {
            tracing::debug!(%error, endpoint = %id, "why an endpoint is not verified could not be noted");
        }
    }
}

/// What asking once came to.
enum Asked {
    /// The question arrived; the answer comes by another way.
    Sent,
    /// The owner consents, perhaps to no more than a rate.
    Allowed(Option<RateLimit>),
}

fn overtaken() -> EngineError {
    EngineError::Conflict { code: "changed_meanwhile", detail: "others change this endpoint; repeat".to_owned() }
}

/// A rate of the handshake: requests per minute, or `*` for any.
fn per_minute(text: &str) -> Option<RateLimit> {
    let rate: u32 = text.trim().parse().ok().filter(|rate| *rate > 0)?;
    Some(RateLimit { per_second: f64::from(rate) / 60.0, burst: 1 })
}

fn header(capture: &Capture, name: &str) -> Option<String> {
    let found = capture.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(String::from_utf8_lossy(&found.1).trim().to_owned())
}

fn is_empty(capture: Option<&Capture>) -> bool {
    capture.is_none_or(|capture| capture.body.iter().all(u8::is_ascii_whitespace) && !capture.truncated)
}

fn value(text: &str) -> Result<HeaderValue, String> {
    text.parse().map_err(|_| "the server's own origin or public URL is no header value".to_owned())
}

fn hash(token: &str) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(token.as_bytes()) {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permitted_rate_is_per_minute_and_a_star_is_no_limit() {
        assert_eq!(per_minute("120"), Some(RateLimit { per_second: 2.0, burst: 1 }));
        assert_eq!(per_minute("*"), None);
        assert_eq!(per_minute("0"), None);
        assert_eq!(per_minute("-3"), None);
    }
}
