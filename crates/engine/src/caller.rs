//! Who asks, and what they may.

use posthaste_core::{KeyId, Scope, Tenant};

use crate::error::{EngineError, Result};

/// Whoever makes a call: a key's bearer, or somebody on a server that needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key, unless it is the admin key of the configuration or none is needed.
    pub key: Option<KeyId>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The one tenant it may touch; `None`: every tenant.
    pub tenant: Option<Tenant>,
}

impl Caller {
    /// One who may do everything.
    pub fn admin() -> Self {
        Self { key: None, scopes: vec![Scope::Admin], tenant: None }
    }

    /// Refuses a caller without this scope.
    pub fn require(&self, needed: Scope) -> Result<()> {
        if Scope::allows(&self.scopes, needed) {
            return Ok(());
        }
        let word = match needed {
            Scope::Admin => "admin",
            Scope::Publish => "publish",
            Scope::Read => "read",
            Scope::Endpoints => "endpoints",
        };
        Err(EngineError::Forbidden(format!("this key lacks the scope `{word}`")))
    }

    /// Whether things of this tenant exist for the caller.
    pub fn sees(&self, tenant: &Tenant) -> bool {
        self.tenant.as_ref().is_none_or(|own| own == tenant)
    }

    /// The tenant that something is created for: the one named, else the key's, else `default`.
    pub fn tenant_for(&self, named: Option<&str>) -> Result<Tenant> {
        match (named, &self.tenant) {
            (None, None) => Ok(Tenant::default_tenant()),
            (None, Some(own)) => Ok(own.clone()),
            (Some(named), _) => self.may_name(named),
        }
    }

    /// The tenant that a list is narrowed to: the one named, else the key's, else none.
    pub fn tenant_filter(&self, named: Option<&str>) -> Result<Option<Tenant>> {
        match named {
            None => Ok(self.tenant.clone()),
            Some(named) => self.may_name(named).map(Some),
        }
    }

    fn may_name(&self, named: &str) -> Result<Tenant> {
        let tenant: Tenant = named.parse().map_err(|error| EngineError::invalid("/tenant", format!("{error}")))?;
        if self.sees(&tenant) {
            Ok(tenant)
        } else {
            Err(EngineError::Forbidden("this key belongs to another tenant than the one named".to_owned()))
        }
    }
}
