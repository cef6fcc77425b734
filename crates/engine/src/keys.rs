//! API keys: made, listed, ended, and recognised.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use posthaste_core::{ApiKey, KeyId, Scope, Tenant, Timestamp};
use posthaste_store::{Page, Slice};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::Engine;
use crate::caller::Caller;
use crate::chance;
use crate::document;
use crate::error::{EngineError, Result};

/// Every key begins so, to be found by secret scanners.
const PREFIX: &str = "ph_";
/// How many keys are remembered; beyond that the memory starts anew.
const MAX_CACHED: usize = 10_000;
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Keys that were looked up, those that do not exist too.
#[derive(Debug, Default)]
pub struct KeyCache {
    known: Mutex<HashMap<[u8; 32], Option<ApiKey>>>,
    used: Mutex<HashMap<KeyId, Timestamp>>,
}

impl KeyCache {
    /// A key was made or ended somewhere.
    pub fn forget_all(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A key as a caller asks for it.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyDraft {
    /// A name for people.
    name: String,
    /// What it allows; at least one.
    scopes: Vec<Scope>,
    /// The one tenant it is for; without one it is for all.
    #[serde(default)]
    tenant: Option<Tenant>,
    /// When it ends.
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

impl Engine {
    /// Who bears this text. Without one: somebody who needs no key, if this server asks for none.
    pub async fn authenticate(&self, bearer: Option<&str>) -> Result<Caller> {
        let Some(text) = bearer else {
            return match self.0.options.admin_key {
                None => Ok(Caller::admin()),
                Some(_) => Err(EngineError::Unauthenticated("give a key: Authorization: Bearer ph_…")),
            };
        };
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if let Some(admin) = &self.0.options.admin_key {
            let expected: [u8; 32] = Sha256::digest(admin.as_bytes()).into();
            if bool::from(expected.ct_eq(&hash)) {
                return Ok(Caller::admin());
            }
        }
        let key = self.known_key(hash).await?;
        let key = key.ok_or(EngineError::Unauthenticated("this key is not known"))?;
        let now = self.0.clock.now();
        if key.expires_at.is_some_and(|at| at <= now) {
            return Err(EngineError::Unauthenticated("this key has expired"));
        }
        self.0.keys.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, now);
        Ok(Caller { key: Some(key.id), scopes: key.scopes, tenant: key.tenant })
    }

    async fn known_key(&self, hash: [u8; 32]) -> Result<Option<ApiKey>> {
        if let Some(known) = self.0.keys.known.lock().unwrap_or_else(PoisonError::into_inner).get(&hash) {
            return Ok(known.clone());
        }
        let before = self.0.catalog.version();
        let found = self.0.store.key_by_hash(&hash).await?;
        let mut known = self.0.keys.known.lock().unwrap_or_else(PoisonError::into_inner);
        // If the catalog moved meanwhile, this key may just have ended: it is not remembered.
        if before == self.0.catalog.version() {
            if known.len() >= MAX_CACHED {
                known.clear();
            }
            known.insert(hash, found.clone());
        }
        Ok(found)
    }

    /// Makes a key. Its text is in this answer alone.
    pub async fn create_key(&self, caller: &Caller, body: Value) -> Result<(ApiKey, Zeroizing<String>)> {
        caller.require(Scope::Admin)?;
        let draft: KeyDraft = document::read(body, "")?;
        let now = self.0.clock.now();
        if draft.name.is_empty() || draft.name.len() > 255 || draft.name.chars().any(char::is_control) {
            return Err(EngineError::invalid("/name", "use 1 to 255 bytes without control characters"));
        }
        if draft.scopes.is_empty() {
            return Err(EngineError::invalid("/scopes", "name at least one of admin, publish, read, endpoints"));
        }
        if draft.expires_at.is_some_and(|at| at <= now) {
            return Err(EngineError::invalid("/expires_at", "this time is past"));
        }
        let tenant = match (&caller.tenant, draft.tenant) {
            (Some(own), None) => Some(own.clone()),
            (Some(own), Some(named)) if named != *own => {
                return Err(EngineError::Forbidden("this key may only make keys of its own tenant".to_owned()));
            }
            (_, named) => named,
        };
        let text = new_key_text().ok_or_else(|| EngineError::Internal("no randomness".to_owned()))?;
        let mut scopes = draft.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        let key = ApiKey {
            id: KeyId::random(now, chance::bits()),
            name: draft.name,
            hash: Sha256::digest(text.as_bytes()).into(),
            scopes,
            tenant,
            expires_at: draft.expires_at,
            last_used_at: None,
            created_at: now,
        };
        self.0.store.create_key(&key).await?;
        self.catalog_changed().await?;
        Ok((key, text))
    }

    /// Keys, newest first.
    pub async fn keys(&self, caller: &Caller, tenant: Option<&str>, page: Page) -> Result<Slice<ApiKey>> {
        caller.require(Scope::Admin)?;
        let tenant = caller.tenant_filter(tenant)?;
        Ok(self.0.store.keys(tenant.as_ref(), page).await?)
    }

    /// Ends a key, on every node before this returns.
    pub async fn delete_key(&self, caller: &Caller, id: &str) -> Result<()> {
        caller.require(Scope::Admin)?;
        let id: KeyId = id.parse().map_err(|_| EngineError::NotFound("key"))?;
        let key = self.0.store.key(id).await?.ok_or(EngineError::NotFound("key"))?;
        let visible = caller.tenant.is_none() || key.tenant == caller.tenant;
        if !visible {
            return Err(EngineError::NotFound("key"));
        }
        self.0.store.delete_key(id, self.0.clock.now()).await?;
        self.0.keys.forget_all();
        self.catalog_changed_everywhere().await?;
        Ok(())
    }

    /// Writes down when keys were last used.
    pub(crate) async fn touch_keys(&self) {
        let used = std::mem::take(&mut *self.0.keys.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return;
        }
        let used: Vec<(KeyId, Timestamp)> = used.into_iter().collect();
        if let Err(error) = self.0.store.touch_keys(&used).await {
            tracing::debug!(%error, "the last use of keys was not written");
        }
    }
}

/// `ph_` and 40 letters: 238 bits of the system's randomness.
fn new_key_text() -> Option<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(43));
    text.push_str(PREFIX);
    let mut bytes = Zeroizing::new([0; 64]);
    while text.len() < 43 {
        getrandom::fill(&mut *bytes).ok()?;
        // Bytes beyond the largest multiple of 62 would favour the first letters.
        for byte in bytes.iter().filter(|byte| **byte < 248) {
            if text.len() < 43 {
                text.push(char::from(LETTERS[usize::from(byte % 62)]));
            }
        }
    }
    Some(text)
}
