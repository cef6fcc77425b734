//! API keys.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use posthaste_core::ApiKey;
use serde::Serialize;

use crate::page::{self, Paged, Place, TOP};
use crate::scalars::{DateTime, id};
use crate::words::Scope;
use crate::{document, visit};

/// An API key, without its text.
#[derive(SimpleObject)]
pub struct Key {
    id: ID,
    name: String,
    scopes: Vec<Scope>,
    /// The one tenant it is for.
    tenant: Option<String>,
    expires_at: Option<DateTime>,
    /// To the minute.
    last_used_at: Option<DateTime>,
    created_at: DateTime,
}

impl From<ApiKey> for Key {
    fn from(key: ApiKey) -> Self {
        Self {
            id: id(key.id),
            name: key.name,
            scopes: key.scopes.into_iter().map(Scope::from).collect(),
            tenant: key.tenant.map(String::from),
            expires_at: key.expires_at.map(DateTime),
            last_used_at: key.last_used_at.map(DateTime),
            created_at: key.created_at.into(),
        }
    }
}

/// A key to be made.
#[derive(InputObject, Serialize)]
pub struct KeyInput {
    /// A name for people.
    name: String,
    /// What it allows; at least one.
    scopes: Vec<Scope>,
    /// The one tenant it is for; without one it is for all.
    tenant: Option<String>,
    expires_at: Option<DateTime>,
}

/// An API key just created.
#[derive(SimpleObject)]
pub struct CreatedKey {
    key: Key,
    /// The key itself: only here, only now.
    text: String,
}

#[derive(Default)]
pub struct KeyQueries;

/// Reading keys.
#[Object]
impl KeyQueries {
    /// Keys.
    #[graphql(complexity = "page::cost(limit, TOP, child_complexity)")]
    async fn keys(
        &self,
        context: &Context<'_>,
        tenant: Option<String>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Key>>> {
        let visit = visit::of(context);
        let filters = visit.caller.tenant_filter(tenant.as_deref())?;
        let place = Place::read("keys", &filters, limit, TOP, cursor.as_deref())?;
        Ok(Some(place.show(visit.engine().keys(&visit.caller, tenant.as_deref(), place.page).await?)))
    }
}

#[derive(Default)]
pub struct KeyMutations;

/// Making and ending keys.
#[Object]
impl KeyMutations {
    /// Creates a key; its text is in this answer alone.
    async fn create_key(&self, context: &Context<'_>, input: KeyInput) -> Result<Option<CreatedKey>> {
        let visit = visit::of(context);
        let (key, text) = visit.engine().create_key(&visit.caller, document::of(&input)?).await?;
        Ok(Some(CreatedKey { key: key.into(), text: text.to_string() }))
    }

    /// Ends a key: no node accepts it any more.
    async fn delete_key(&self, context: &Context<'_>, id: ID) -> Result<Option<bool>> {
        let visit = visit::of(context);
        visit.engine().delete_key(&visit.caller, &id).await?;
        Ok(Some(true))
    }
}
