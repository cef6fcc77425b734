//! API keys: who may do what, for which tenant.

use serde::{Deserialize, Serialize};

use crate::id::KeyId;
use crate::time::Timestamp;
use crate::topic::Tenant;

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything, keys and topics included.
    Admin,
    /// Publishing messages and events.
    Publish,
    /// Every read except secrets.
    Read,
    /// Endpoints with their verbs and secrets, retry, cancel.
    Endpoints,
}

impl Scope {
    /// Whether a key with these scopes may do what asks for `needed`.
    pub fn allows(granted: &[Self], needed: Self) -> bool {
        granted.iter().any(|scope| *scope == needed || *scope == Self::Admin)
    }
}

/// An API key as it is stored: its text only as a hash.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// A name for people.
    pub name: String,
    /// SHA-256 of the key's text.
    pub hash: [u8; 32],
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// The one tenant it is for; `None`: every tenant.
    pub tenant: Option<Tenant>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}
