//! What people do with endpoints: register, change, pause, resume, look at their secrets, test them.

mod settings;

use posthaste_core::endpoint::{EndpointSettings, EndpointState, Verification};
use posthaste_core::secret::SigningSecrets;
use posthaste_core::{Endpoint, EndpointId, Scope, Secret, Tenant};
use posthaste_store::catalog::EndpointFilter;
use posthaste_store::{CatalogVersion, Page, Slice};
use serde::Deserialize;
use serde_json::Value;

use crate::Engine;
use crate::addressing::MAX_ADHOC;
use crate::announce;
use crate::caller::Caller;
use crate::chance;
use crate::document;
use crate::error::{EngineError, Result};

/// How often a change is tried again that another one overtook.
pub(crate) const TRIES: u32 = 8;
/// What a rotated secret goes on to sign by default.
const OVERLAP_SECONDS: f64 = 86_400.0;

/// How a secret is rotated.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long the former secret goes on to sign beside the new one; 86400 by default.
    #[serde(default)]
    overlap_seconds: Option<f64>,
    /// The new secret; without one it is made.
    #[serde(default)]
    secret: Option<String>,
}

/// An endpoint that is about to be stored for the first time.
pub(crate) struct Registration {
    /// Whose.
    pub tenant: Tenant,
    /// Its id.
    pub id: EndpointId,
    /// The caller's own id.
    pub uid: Option<String>,
    /// Its settings, checked.
    pub settings: EndpointSettings,
    /// Its secrets.
    pub secrets: SigningSecrets,
}

impl Engine {
    /// Registers an endpoint; answers with its secrets, which nobody else is shown.
    pub async fn create_endpoint(&self, caller: &Caller, body: Value) -> Result<(Endpoint, SigningSecrets)> {
        caller.require(Scope::Endpoints)?;
        let Value::Object(mut members) = body else {
            return Err(EngineError::invalid("", "give a JSON object"));
        };
        let tenant = caller.tenant_for(take_text(&mut members, "tenant")?.as_deref())?;
        let uid = take_text(&mut members, "uid")?;
        let secrets = match take_text(&mut members, "secret")? {
            Some(text) => SigningSecrets::new(parse_secret(&text)?),
            None => fresh_secrets()?,
        };
        let verification = members.contains_key("verification");
        let mut settings: EndpointSettings = document::read(Value::Object(members), "")?;
        if !verification {
            settings.verification = self.0.options.verification;
        }
        let settings = self.check_settings(&tenant, None, settings, uid.as_deref()).await?;
        let id = EndpointId::random(self.0.clock.now(), chance::bits());
        let registration = Registration { tenant, id, uid, settings, secrets: secrets.clone() };
        Ok((self.register(registration).await?, secrets))
    }

    /// Stores a new endpoint, and asks its owner if it is to be asked.
    pub(crate) async fn register(&self, registration: Registration) -> Result<Endpoint> {
        let Registration { tenant, id, uid, settings, secrets } = registration;
        let now = self.0.clock.now();
        let fresh = match settings.verification {
            Verification::None => None,
            Verification::Token | Verification::CloudEvents => Some(self.fresh_challenge()?),
        };
        let endpoint = Endpoint {
            id,
            tenant,
            uid,
            adhoc: false,
            settings,
            state: if fresh.is_some() { EndpointState::PendingVerification } else { EndpointState::Active },
            state_reason: None,
            challenge: fresh.as_ref().map(|fresh| fresh.challenge.clone()),
            secrets: self.seal(id, &secrets)?,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        self.0.store.create_endpoint(&endpoint, MAX_ADHOC).await?;
        self.catalog_changed().await?;
        if let Some(fresh) = fresh {
            self.send_challenge(endpoint.clone(), fresh);
        }
        Ok(endpoint)
    }

    /// Endpoints, newest first.
    pub async fn endpoints(&self, caller: &Caller, filter: EndpointFilter, page: Page) -> Result<Slice<Endpoint>> {
        caller.require(Scope::Read)?;
        Ok(self.0.store.endpoints(&filter, page).await?)
    }

    /// One endpoint, by id or `uid:…` (of the tenant named, else the caller's).
    pub async fn endpoint(&self, caller: &Caller, tenant: Option<&str>, id: &str) -> Result<Endpoint> {
        caller.require(Scope::Read)?;
        self.find_endpoint(caller, tenant, id).await
    }

    pub(crate) async fn find_endpoint(&self, caller: &Caller, tenant: Option<&str>, id: &str) -> Result<Endpoint> {
        let found = match id.strip_prefix("uid:") {
            Some(uid) => self.0.store.endpoint_by_uid(&caller.tenant_for(tenant)?, uid).await?,
            None => match id.parse() {
                Ok(id) => self.0.store.endpoint(id).await?,
                Err(_) => None,
            },
        };
        found.filter(|endpoint| caller.sees(&endpoint.tenant)).ok_or(EngineError::NotFound("endpoint"))
    }

    /// The endpoint, if it has the revision that the caller means.
    pub(crate) async fn find_endpoint_at(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        if_match: Option<u32>,
    ) -> Result<Endpoint> {
        let endpoint = self.find_endpoint(caller, tenant, id).await?;
        if if_match.is_some_and(|revision| revision != endpoint.revision) {
            return Err(EngineError::PreconditionFailed);
        }
        Ok(endpoint)
    }

    /// Changes an endpoint by a JSON Merge Patch. A null sets what may be null, and removes a header or a note.
    pub async fn update_endpoint(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        patch: Value,
        if_match: Option<u32>,
    ) -> Result<Endpoint> {
        caller.require(Scope::Endpoints)?;
        let Value::Object(patch) = patch else { return Err(EngineError::invalid("", "give a JSON object")) };
        for fixed in ["id", "tenant", "uid", "secret", "state", "state_reason", "revision", "created_at", "updated_at"]
        {
            if patch.contains_key(fixed) {
                let detail = "cannot be changed here: see the endpoint's verbs (pause, resume, rotate-secret)";
                return Err(EngineError::invalid(format!("/{fixed}"), detail));
            }
        }
        let mut tries = 0;
        loop {
            let mut endpoint = self.find_endpoint_at(caller, tenant, id, if_match).await?;
            let mut document =
                serde_json::to_value(&endpoint.settings).map_err(|error| EngineError::Internal(error.to_string()))?;
            patch_settings(&mut document, patch.clone());
            let settings: EndpointSettings = document::read(document, "")?;
            // Two changes at once could each be right and together a circle, so the check is part of the write.
            let checked = match settings.dead_letter_endpoint_id {
                Some(_) if patch.contains_key("dead_letter_endpoint_id") => {
                    Some(self.0.catalog.view(&endpoint.tenant).await?.1)
                }
                _ => None,
            };
            let former = std::mem::replace(
                &mut endpoint.settings,
                self.check_settings(&endpoint.tenant, Some(endpoint.id), settings, None).await?,
            );
            // Another URL is another owner, who has not been asked.
            let ask = endpoint.settings.verification != Verification::None
                && (former.url != endpoint.settings.url || former.verification == Verification::None);
            let fresh = if ask { Some(self.fresh_challenge()?) } else { None };
            if let Some(fresh) = &fresh {
                endpoint.state = EndpointState::PendingVerification;
                endpoint.challenge = Some(fresh.challenge.clone());
            }
            match self.write_checked(endpoint, checked).await {
                Err(EngineError::Conflict { code: "changed_meanwhile", .. }) if tries < TRIES => {
                    tries += 1;
                    if checked.is_some() {
                        self.catalog_changed().await?;
                    }
                }
                Err(error) => return Err(error),
                Ok(endpoint) => {
                    if let Some(fresh) = fresh {
                        self.send_challenge(endpoint.clone(), fresh);
                    }
                    return Ok(endpoint);
                }
            }
        }
    }

    /// Removes an endpoint; its waiting deliveries end as cancelled.
    pub async fn delete_endpoint(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        if_match: Option<u32>,
    ) -> Result<()> {
        caller.require(Scope::Endpoints)?;
        let endpoint = self.find_endpoint_at(caller, tenant, id, if_match).await?;
        self.0.store.delete_endpoint(endpoint.id, self.0.clock.now()).await?;
        self.catalog_changed_everywhere().await?;
        self.0.drain_hint.by(self.0.clock.now());
        Ok(())
    }

    /// Holds an endpoint's deliveries, on every node before this returns.
    pub async fn pause_endpoint(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        if_match: Option<u32>,
    ) -> Result<Endpoint> {
        let paused = (EndpointState::Paused, Some("paused by request"));
        let endpoint = self.set_state(caller, tenant, id, if_match, paused).await?;
        self.announce_endpoint(announce::ENDPOINT_PAUSED, &endpoint);
        Ok(endpoint)
    }

    /// Sends an endpoint's deliveries again, those that waited too.
    pub async fn resume_endpoint(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        if_match: Option<u32>,
    ) -> Result<Endpoint> {
        let endpoint = self.set_state(caller, tenant, id, if_match, (EndpointState::Active, None)).await?;
        self.announce_endpoint(announce::ENDPOINT_RECOVERED, &endpoint);
        // Orders that a failed delivery holds go on too, also if the endpoint had been active all the while.
        self.0.store.release_lanes(endpoint.id, self.0.clock.now()).await?;
        self.0.record.health(endpoint.id, None).await;
        self.0.dispatch.reset(endpoint.id);
        self.0.drain_hint.by(self.0.clock.now());
        Ok(endpoint)
    }

    async fn set_state(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        if_match: Option<u32>,
        (state, reason): (EndpointState, Option<&str>),
    ) -> Result<Endpoint> {
        caller.require(Scope::Endpoints)?;
        let mut tries = 0;
        loop {
            let mut endpoint = self.find_endpoint_at(caller, tenant, id, if_match).await?;
            if endpoint.state == state {
                return Ok(endpoint);
            }
            if endpoint.state == EndpointState::PendingVerification {
                let detail = "the endpoint is not verified yet: see POST …/verify".to_owned();
                return Err(EngineError::Conflict { code: "not_verified", detail });
            }
            endpoint.state = state;
            endpoint.state_reason = reason.map(str::to_owned);
            match self.write(endpoint).await {
                Err(EngineError::Conflict { code: "changed_meanwhile", .. }) if tries < TRIES => tries += 1,
                written => return written,
            }
        }
    }

    /// Writes the next revision and waits until every node has it.
    pub(crate) async fn write(&self, endpoint: Endpoint) -> Result<Endpoint> {
        self.write_checked(endpoint, None).await
    }

    /// The same, unless the tenant's catalog changed since a version with which the endpoint was checked.
    async fn write_checked(&self, mut endpoint: Endpoint, checked: Option<CatalogVersion>) -> Result<Endpoint> {
        endpoint.revision += 1;
        endpoint.updated_at = self.0.clock.now();
        self.0.store.update_endpoint(&endpoint, checked).await?;
        self.catalog_changed_everywhere().await?;
        Ok(endpoint)
    }

    /// An endpoint's secrets.
    pub async fn secrets(&self, caller: &Caller, tenant: Option<&str>, id: &str) -> Result<SigningSecrets> {
        caller.require(Scope::Endpoints)?;
        let endpoint = self.find_endpoint(caller, tenant, id).await?;
        let mut secrets = self.open(&endpoint)?;
        let now = self.0.clock.now();
        secrets.previous.retain(|previous| previous.expires_at > now);
        Ok(secrets)
    }

    /// Replaces an endpoint's secret; the former signs beside it until the overlap ends.
    pub async fn rotate_secret(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        body: Value,
        if_match: Option<u32>,
    ) -> Result<SigningSecrets> {
        caller.require(Scope::Endpoints)?;
        let rotation: Rotation = document::read(body, "")?;
        let overlap = posthaste_core::Span::from_seconds(rotation.overlap_seconds.unwrap_or(OVERLAP_SECONDS));
        let overlap = overlap.map_err(|error| EngineError::invalid("/overlap_seconds", error.to_string()))?;
        let fresh = match rotation.secret {
            Some(text) => parse_secret(&text)?,
            None => fresh_secrets()?.current,
        };
        let mut tries = 0;
        loop {
            let mut endpoint = self.find_endpoint_at(caller, tenant, id, if_match).await?;
            let secrets = self.open(&endpoint)?.rotate(fresh.clone(), overlap.duration(), self.0.clock.now());
            endpoint.secrets = self.seal(endpoint.id, &secrets)?;
            match self.write(endpoint).await {
                Err(EngineError::Conflict { code: "changed_meanwhile", .. }) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(_) => return Ok(secrets),
            }
        }
    }

    fn seal(&self, id: EndpointId, secrets: &SigningSecrets) -> Result<posthaste_core::endpoint::SealedSecrets> {
        self.0.vault.seal(id, secrets).map_err(|error| EngineError::Internal(error.to_string()))
    }

    fn open(&self, endpoint: &Endpoint) -> Result<SigningSecrets> {
        self.0
            .vault
            .open(endpoint.id, &endpoint.secrets)
            .map_err(|error| EngineError::Conflict { code: "secret_sealed", detail: error.to_string() })
    }
}

/// A secret of 32 random bytes.
pub(crate) fn fresh_secrets() -> Result<SigningSecrets> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| EngineError::Internal(error.to_string()))?;
    Ok(SigningSecrets::new(Secret::generate(random)))
}

pub(crate) fn take_text(members: &mut serde_json::Map<String, Value>, name: &str) -> Result<Option<String>> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(EngineError::invalid(format!("/{name}"), "give a text")),
    }
}

fn parse_secret(text: &str) -> Result<Secret> {
    Secret::parse(text).map_err(|error| EngineError::invalid("/secret", error.to_string()))
}

/// Members of an endpoint are always there, so a null in a patch is a value; only in maps does it remove.
fn patch_settings(document: &mut Value, patch: serde_json::Map<String, Value>) {
    let Some(members) = document.as_object_mut() else { return };
    for (name, value) in patch {
        match (name.as_str(), members.get_mut(&name)) {
            ("headers" | "metadata", Some(known)) => document::merge(known, value),
            ("retry", Some(Value::Object(known))) if value.is_object() => {
                if let Value::Object(changes) = value {
                    known.extend(changes);
                }
            }
            _ => {
                members.insert(name, value);
            }
        }
    }
}
