//! A key as a message.

use posthaste_core::ApiKey;

use crate::enums::Numbered;
use crate::{instant, proto};

/// A key, without its text.
pub fn key(key: ApiKey) -> proto::Key {
    let ApiKey { id, name, scopes, tenant, expires_at, last_used_at, created_at, .. } = key;
    proto::Key {
        id: id.to_string(),
        name,
        scopes: scopes.into_iter().map(Numbered::number).collect(),
        tenant: tenant.map(Into::into),
        expires_at: expires_at.map(instant::show),
        last_used_at: last_used_at.map(instant::show),
        created_at: Some(instant::show(created_at)),
    }
}
