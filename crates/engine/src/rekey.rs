//! Another key for the endpoint secrets: each endpoint's are opened with the old one and sealed with the new one.
//!
//! An endpoint is one write, so it has its secrets under the one key or under the other. What an earlier run has sealed
//! anew is recognized and left alone: a run that was interrupted is ended by another with the same two keys.

use posthaste_core::{Endpoint, EndpointId};
use posthaste_store::catalog::EndpointFilter;
use posthaste_store::{Page, Store, StoreError};

use crate::vault::{Vault, VaultError};

/// How many endpoints are read at once.
const CHUNK: u32 = 250;

/// Why a key was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum RekeyError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be used, or there is no randomness.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Neither key opens an endpoint's secrets.
    #[error("neither the old key nor the new one opens the secrets of {0}; nothing was changed")]
    Closed(EndpointId),
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rekeyed {
    /// Endpoints whose secrets were sealed with the new key now.
    pub sealed: u64,
    /// Those that were already.
    pub already: u64,
}

/// Seals the secrets of every endpoint with the new key. No node may run meanwhile. Every secret is opened before the
/// first is written, so that a wrong key changes nothing.
pub async fn rekey(store: &dyn Store, old: &Vault, new: &Vault) -> Result<Rekeyed, RekeyError> {
    let mut done = Rekeyed::default();
    let mut walk = Walk::default();
    while let Some(endpoints) = walk.next(store).await? {
        for endpoint in endpoints {
            if !is_done(new, &endpoint) {
                old.open(endpoint.id, &endpoint.secrets).map_err(|_| RekeyError::Closed(endpoint.id))?;
            }
        }
    }
    let mut walk = Walk::default();
    while let Some(endpoints) = walk.next(store).await? {
        for mut endpoint in endpoints {
            if is_done(new, &endpoint) {
                done.already += 1;
                continue;
            }
            let secrets = old.open(endpoint.id, &endpoint.secrets).map_err(|_| RekeyError::Closed(endpoint.id))?;
            endpoint.secrets = new.seal(endpoint.id, &secrets)?;
            endpoint.revision += 1;
            store.update_endpoint(&endpoint, None).await?;
            done.sealed += 1;
        }
    }
    Ok(done)
}

fn is_done(new: &Vault, endpoint: &Endpoint) -> bool {
    Vault::is_sealed(&endpoint.secrets) && new.open(endpoint.id, &endpoint.secrets).is_ok()
}

/// What is known of the secrets in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// None of them is sealed.
    Nothing,
    /// There are sealed ones, and the key opens the first that was found.
    Opens,
    /// There are sealed ones, and the key does not open the first that was found.
    Closed(EndpointId),
}

/// Looks for a sealed secret, and tries it.
pub async fn probe(store: &dyn Store, vault: &Vault) -> Result<Sealed, StoreError> {
    let mut walk = Walk::default();
    while let Some(endpoints) = walk.next(store).await? {
        if let Some(endpoint) = endpoints.iter().find(|endpoint| Vault::is_sealed(&endpoint.secrets)) {
            let opens = vault.open(endpoint.id, &endpoint.secrets).is_ok();
            return Ok(if opens { Sealed::Opens } else { Sealed::Closed(endpoint.id) });
        }
    }
    Ok(Sealed::Nothing)
}

/// Every endpoint, registered ones first, a chunk at a time.
#[derive(Debug, Default)]
struct Walk {
    is_adhoc: bool,
    before: Option<u128>,
    is_over: bool,
}

impl Walk {
    async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<Endpoint>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let filter = EndpointFilter { adhoc: self.is_adhoc, ..EndpointFilter::default() };
        let slice = store.endpoints(&filter, Page { before: self.before, limit: CHUNK }).await?;
        self.before = slice.next;
        if self.before.is_none() {
            self.is_over = self.is_adhoc;
            self.is_adhoc = true;
        }
        Ok(Some(slice.items))
    }
}
