//! Changing endpoints, and what is done with them.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use serde::Serialize;

use crate::attempts::Attempt;
use crate::document;
use crate::endpoint_settings::EndpointSettings;
use crate::endpoints::{Endpoint, Secrets};
use crate::visit;
use crate::words::Verification;

/// An endpoint to be registered.
#[derive(InputObject, Serialize)]
pub struct EndpointInput {
    #[graphql(flatten)]
    #[serde(flatten)]
    settings: EndpointSettings,
    /// Whose endpoint; by default the key's tenant, else `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// The caller's own id, unique per tenant; `uid:x` works wherever an id does.
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    /// `whsec_…` or any text of 1 to 256 bytes; without one it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// An endpoint just registered, with its secret.
#[derive(SimpleObject)]
pub struct CreatedEndpoint {
    endpoint: Endpoint,
    /// What its requests are signed with.
    secret: String,
}

/// How a secret is replaced.
#[derive(InputObject, Serialize, Default)]
pub struct RotationInput {
    /// How long the former secret goes on to sign; a day by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap_seconds: Option<f64>,
    /// The new one; without it one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A URL that is to get a topic.
#[derive(InputObject, Serialize)]
pub struct SubscribeInput {
    url: String,
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Verification>,
}

/// A URL that is not to get a topic any more; without a topic, anything.
#[derive(InputObject, Serialize)]
pub struct UnsubscribeInput {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
}

/// What subscribing did.
#[derive(SimpleObject)]
pub struct Subscribed {
    endpoint: Endpoint,
    /// Whether the endpoint is new.
    created: bool,
}

#[derive(Default)]
pub struct EndpointMutations;

/// Changing endpoints.
#[Object]
impl EndpointMutations {
    /// Registers an endpoint; the secret is in this answer, later in `endpointSecrets`.
    async fn create_endpoint(&self, context: &Context<'_>, input: EndpointInput) -> Result<Option<CreatedEndpoint>> {
        let visit = visit::of(context);
        let (endpoint, secrets) = visit.engine().create_endpoint(&visit.caller, document::of(&input)?).await?;
        Ok(Some(CreatedEndpoint { endpoint: endpoint.into(), secret: secrets.current.expose_text() }))
    }

    /// Changes an endpoint; with `ifRevision` only if that is its revision.
    async fn update_endpoint(
        &self,
        context: &Context<'_>,
        id: ID,
        tenant: Option<String>,
        change: EndpointSettings,
        if_revision: Option<u32>,
    ) -> Result<Option<Endpoint>> {
        let visit = visit::of(context);
        let (tenant, change) = (tenant.as_deref(), document::of(&change)?);
        Ok(Some(visit.engine().update_endpoint(&visit.caller, tenant, &id, change, if_revision).await?.into()))
    }

    /// Removes an endpoint; what waits for it ends as cancelled.
    async fn delete_endpoint(
        &self,
        context: &Context<'_>,
        id: ID,
        tenant: Option<String>,
        if_revision: Option<u32>,
    ) -> Result<Option<bool>> {
        let visit = visit::of(context);
        visit.engine().delete_endpoint(&visit.caller, tenant.as_deref(), &id, if_revision).await?;
        Ok(Some(true))
    }

    /// Holds an endpoint's deliveries; it goes on to take them.
    async fn pause_endpoint(&self, context: &Context<'_>, id: ID, tenant: Option<String>) -> Result<Option<Endpoint>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().pause_endpoint(&visit.caller, tenant.as_deref(), &id, None).await?.into()))
    }

    /// Sends what an endpoint held.
    async fn resume_endpoint(&self, context: &Context<'_>, id: ID, tenant: Option<String>) -> Result<Option<Endpoint>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().resume_endpoint(&visit.caller, tenant.as_deref(), &id, None).await?.into()))
    }

    /// Sends a message of its own to an endpoint and answers with the first attempt.
    async fn test_endpoint(&self, context: &Context<'_>, id: ID, tenant: Option<String>) -> Result<Option<Attempt>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().test_endpoint(&visit.caller, tenant.as_deref(), &id, None).await?.into()))
    }

    /// Replaces an endpoint's secret; the former one signs beside it until the overlap ends.
    async fn rotate_secret(
        &self,
        context: &Context<'_>,
        id: ID,
        tenant: Option<String>,
        input: Option<RotationInput>,
    ) -> Result<Option<Secrets>> {
        let visit = visit::of(context);
        let rotation = document::of(&input.unwrap_or_default())?;
        Ok(Some(visit.engine().rotate_secret(&visit.caller, tenant.as_deref(), &id, rotation, None).await?.into()))
    }

    /// Sends a new challenge to an endpoint that is not verified yet.
    async fn challenge_endpoint(
        &self,
        context: &Context<'_>,
        id: ID,
        tenant: Option<String>,
    ) -> Result<Option<Endpoint>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().challenge_endpoint(&visit.caller, tenant.as_deref(), &id, None).await?.into()))
    }

    /// Brings back the token of a challenge: the endpoint gets messages from now on.
    async fn verify_endpoint(&self, context: &Context<'_>, id: ID, token: String) -> Result<Option<Endpoint>> {
        Ok(Some(visit::of(context).engine().verify_endpoint(&id, &token, None).await?.into()))
    }

    /// Subscribes a URL to a topic: one endpoint per tenant and URL, twice is once.
    async fn subscribe(&self, context: &Context<'_>, input: SubscribeInput) -> Result<Option<Subscribed>> {
        let visit = visit::of(context);
        let done = visit.engine().subscribe(&visit.caller, document::of(&input)?).await?;
        Ok(Some(Subscribed { endpoint: done.endpoint.into(), created: done.created }))
    }

    /// Takes a URL off a topic, or away; says whether there was anything to take off.
    async fn unsubscribe(&self, context: &Context<'_>, input: UnsubscribeInput) -> Result<Option<bool>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().unsubscribe(&visit.caller, document::of(&input)?).await?))
    }
}
