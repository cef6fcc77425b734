//! Topics, endpoints, subscriptions.

use posthaste_core::Span;
use posthaste_engine::{Engine, EngineError};
use posthaste_store::catalog::{EndpointFilter, Force};
use tonic::{Request, Response, Status};

use crate::enums::Numbered as _;
use crate::page::Listing;
use crate::proto::catalog_server::Catalog;
use crate::proto::{self as p};
use crate::{caller, document, status, view};

/// What of a topic a mask may name.
const TOPIC_MEMBERS: [&str; 4] = ["title", "description", "schema", "example"];
/// What of an endpoint a mask may name.
const ENDPOINT_MEMBERS: [&str; 28] = [
    "name",
    "url",
    "topics",
    "filter",
    "method",
    "headers",
    "content_type",
    "body_format",
    "signature_styles",
    "unsigned",
    "max_attempts",
    "give_up_after_seconds",
    "timeout_seconds",
    "retry",
    "retry_after",
    "success_codes",
    "require_empty_response",
    "rate_limit",
    "max_in_flight",
    "ordering",
    "fifo_on_failed",
    "guarantee",
    "settings",
    "verification",
    "dead_letter_endpoint_id",
    "disable_after_seconds",
    "never_disable",
    "metadata",
];

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct Service(pub Engine);

/// An error in the document that was made from `details` and what stands beside it.
fn in_topic(error: EngineError) -> Status {
    let beside = ["/name", "/tenant", "/update_mask"];
    status::of(status::within(error, |pointer| {
        if beside.contains(&pointer) { pointer.to_owned() } else { format!("/details{pointer}") }
    }))
}

/// An error in the document that was made from `settings` and what stands beside it.
fn in_endpoint(error: EngineError) -> Status {
    let beside = ["/tenant", "/uid", "/secret", "/update_mask"];
    status::of(status::within(error, |pointer| {
        if beside.contains(&pointer) { pointer.to_owned() } else { format!("/settings{pointer}") }
    }))
}

#[tonic::async_trait]
impl Catalog for Service {
    async fn create_topic(&self, request: Request<p::CreateTopicRequest>) -> Answer<p::Topic> {
        let caller = caller::of(&request)?;
        let p::CreateTopicRequest { name, tenant, details } = request.into_inner();
        let details = document::topic_details(details).map_err(in_topic)?;
        let body = document::with(details, [("name", Some(name)), ("tenant", tenant)]);
        let topic = self.0.create_topic(&caller, body).await.map_err(in_topic)?;
        Ok(Response::new(view::topic(topic)))
    }

    async fn get_topic(&self, request: Request<p::GetTopicRequest>) -> Answer<p::Topic> {
        let caller = caller::of(&request)?;
        let p::GetTopicRequest { name, tenant } = request.into_inner();
        let topic = self.0.topic(&caller, tenant.as_deref(), &name).await.map_err(status::of)?;
        Ok(Response::new(view::topic(topic)))
    }

    async fn list_topics(&self, request: Request<p::ListTopicsRequest>) -> Answer<p::ListTopicsResponse> {
        let caller = caller::of(&request)?;
        let mut filters = request.into_inner();
        let (limit, cursor) = (filters.limit.take(), filters.cursor.take());
        let listing = Listing::read("topics", &filters, limit, cursor).map_err(status::of)?;
        let slice = self.0.topics(&caller, filters.tenant.as_deref(), listing.page).await.map_err(status::of)?;
        let (data, next_cursor) = listing.show(slice, view::topic);
        Ok(Response::new(p::ListTopicsResponse { data, next_cursor }))
    }

    async fn update_topic(&self, request: Request<p::UpdateTopicRequest>) -> Answer<p::Topic> {
        let caller = caller::of(&request)?;
        let p::UpdateTopicRequest { name, tenant, details, update_mask, if_revision } = request.into_inner();
        let details = document::topic_details(details).map_err(in_topic)?;
        let patch = document::patch(details, update_mask, &TOPIC_MEMBERS).map_err(in_topic)?;
        let topic = self.0.update_topic(&caller, tenant.as_deref(), &name, patch, if_revision).await;
        Ok(Response::new(view::topic(topic.map_err(in_topic)?)))
    }

    async fn delete_topic(&self, request: Request<p::DeleteTopicRequest>) -> Answer<()> {
        let caller = caller::of(&request)?;
        let p::DeleteTopicRequest { name, tenant, force, if_revision } = request.into_inner();
        let force = if force { Force::Yes } else { Force::No };
        let deleted = self.0.delete_topic(&caller, tenant.as_deref(), &name, force, if_revision).await;
        deleted.map(Response::new).map_err(status::of)
    }

    async fn create_endpoint(&self, request: Request<p::CreateEndpointRequest>) -> Answer<p::CreateEndpointResponse> {
        let caller = caller::of(&request)?;
        let p::CreateEndpointRequest { settings, tenant, uid, secret } = request.into_inner();
        let mut settings = document::endpoint_settings(settings).map_err(in_endpoint)?;
        // No topics is a choice here, where a list cannot be left out.
        settings.entry("topics").or_insert_with(|| serde_json::json!([]));
        let body = document::with(settings, [("tenant", tenant), ("uid", uid), ("secret", secret)]);
        let (endpoint, secrets) = self.0.create_endpoint(&caller, body).await.map_err(in_endpoint)?;
        let (endpoint, secret) = (Some(view::endpoint(endpoint)), secrets.current.expose_text());
        Ok(Response::new(p::CreateEndpointResponse { endpoint, secret }))
    }

    async fn get_endpoint(&self, request: Request<p::GetEndpointRequest>) -> Answer<p::Endpoint> {
        let caller = caller::of(&request)?;
        let p::GetEndpointRequest { id, tenant } = request.into_inner();
        let endpoint = self.0.endpoint(&caller, tenant.as_deref(), &id).await.map_err(status::of)?;
        Ok(Response::new(view::endpoint(endpoint)))
    }

    async fn list_endpoints(&self, request: Request<p::ListEndpointsRequest>) -> Answer<p::ListEndpointsResponse> {
        let caller = caller::of(&request)?;
        let mut filters = request.into_inner();
        let (limit, cursor) = (filters.limit.take(), filters.cursor.take());
        let listing = Listing::read("endpoints", &filters, limit, cursor).map_err(status::of)?;
        let filter = endpoint_filter(&caller, filters).map_err(status::of)?;
        let slice = self.0.endpoints(&caller, filter, listing.page).await.map_err(status::of)?;
        let (data, next_cursor) = listing.show(slice, view::endpoint);
        Ok(Response::new(p::ListEndpointsResponse { data, next_cursor }))
    }

    async fn update_endpoint(&self, request: Request<p::UpdateEndpointRequest>) -> Answer<p::Endpoint> {
        let caller = caller::of(&request)?;
        let p::UpdateEndpointRequest { id, tenant, settings, update_mask, if_revision } = request.into_inner();
        let settings = document::endpoint_settings(settings).map_err(in_endpoint)?;
        let patch = document::patch(settings, update_mask, &ENDPOINT_MEMBERS).map_err(in_endpoint)?;
        let endpoint = self.0.update_endpoint(&caller, tenant.as_deref(), &id, patch, if_revision).await;
        Ok(Response::new(view::endpoint(endpoint.map_err(in_endpoint)?)))
    }

    async fn delete_endpoint(&self, request: Request<p::DeleteEndpointRequest>) -> Answer<()> {
        let caller = caller::of(&request)?;
        let p::DeleteEndpointRequest { id, tenant, if_revision } = request.into_inner();
        let deleted = self.0.delete_endpoint(&caller, tenant.as_deref(), &id, if_revision).await;
        deleted.map(Response::new).map_err(status::of)
    }

    async fn pause_endpoint(&self, request: Request<p::PauseEndpointRequest>) -> Answer<p::Endpoint> {
        let caller = caller::of(&request)?;
        let p::PauseEndpointRequest { id, tenant } = request.into_inner();
        let endpoint = self.0.pause_endpoint(&caller, tenant.as_deref(), &id, None).await.map_err(status::of)?;
        Ok(Response::new(view::endpoint(endpoint)))
    }

    async fn resume_endpoint(&self, request: Request<p::ResumeEndpointRequest>) -> Answer<p::Endpoint> {
        let caller = caller::of(&request)?;
        let p::ResumeEndpointRequest { id, tenant } = request.into_inner();
        let endpoint = self.0.resume_endpoint(&caller, tenant.as_deref(), &id, None).await.map_err(status::of)?;
        Ok(Response::new(view::endpoint(endpoint)))
    }

    async fn get_endpoint_secret(&self, request: Request<p::GetEndpointSecretRequest>) -> Answer<p::EndpointSecret> {
        let caller = caller::of(&request)?;
        let p::GetEndpointSecretRequest { id, tenant } = request.into_inner();
        let secrets = self.0.secrets(&caller, tenant.as_deref(), &id).await.map_err(status::of)?;
        Ok(Response::new(view::secret(&secrets)))
    }

    async fn rotate_endpoint_secret(
        &self,
        request: Request<p::RotateEndpointSecretRequest>,
    ) -> Answer<p::EndpointSecret> {
        let caller = caller::of(&request)?;
        let p::RotateEndpointSecretRequest { id, tenant, overlap_seconds, secret } = request.into_inner();
        let body = document::rotation(overlap_seconds, secret).map_err(status::of)?;
        let secrets = self.0.rotate_secret(&caller, tenant.as_deref(), &id, body, None).await.map_err(status::of)?;
        Ok(Response::new(view::secret(&secrets)))
    }

    async fn test_endpoint(&self, request: Request<p::TestEndpointRequest>) -> Answer<p::Attempt> {
        let caller = caller::of(&request)?;
        let p::TestEndpointRequest { id, tenant } = request.into_inner();
        let attempt = self.0.test_endpoint(&caller, tenant.as_deref(), &id, None).await.map_err(status::of)?;
        Ok(Response::new(view::attempt(attempt)))
    }

    async fn challenge_endpoint(&self, request: Request<p::ChallengeEndpointRequest>) -> Answer<p::Endpoint> {
        let caller = caller::of(&request)?;
        let p::ChallengeEndpointRequest { id, tenant } = request.into_inner();
        let endpoint = self.0.challenge_endpoint(&caller, tenant.as_deref(), &id, None).await.map_err(status::of)?;
        Ok(Response::new(view::endpoint(endpoint)))
    }

    async fn get_endpoint_stats(&self, request: Request<p::GetEndpointStatsRequest>) -> Answer<p::EndpointStats> {
        let caller = caller::of(&request)?;
        let p::GetEndpointStatsRequest { id, tenant, window_seconds } = request.into_inner();
        let wrong = |error: posthaste_core::time::InvalidSpan| {
            status::of(EngineError::invalid("/window_seconds", error.to_string()))
        };
        let window = window_seconds.map(Span::from_seconds).transpose().map_err(wrong)?;
        let stats = self.0.endpoint_stats(&caller, tenant.as_deref(), &id, window).await.map_err(status::of)?;
        Ok(Response::new(view::endpoint_stats(stats)))
    }

    async fn subscribe(&self, request: Request<p::SubscribeRequest>) -> Answer<p::SubscribeResponse> {
        let caller = caller::of(&request)?;
        let body = document::subscription(request.into_inner()).map_err(status::of)?;
        let subscribed = self.0.subscribe(&caller, body).await.map_err(status::of)?;
        let endpoint = Some(view::endpoint(subscribed.endpoint));
        Ok(Response::new(p::SubscribeResponse { endpoint, created: subscribed.created }))
    }

    async fn unsubscribe(&self, request: Request<p::UnsubscribeRequest>) -> Answer<p::UnsubscribeResponse> {
        let caller = caller::of(&request)?;
        let p::UnsubscribeRequest { url, topic, tenant } = request.into_inner();
        let beside = [("url", Some(url)), ("topic", topic), ("tenant", tenant)];
        let body = document::with(serde_json::Map::new(), beside);
        let removed = self.0.unsubscribe(&caller, body).await.map_err(status::of)?;
        Ok(Response::new(p::UnsubscribeResponse { removed }))
    }
}

fn endpoint_filter(
    caller: &posthaste_engine::Caller,
    filters: p::ListEndpointsRequest,
) -> Result<EndpointFilter, EngineError> {
    let p::ListEndpointsRequest { tenant, topic, state, adhoc, .. } = filters;
    Ok(EndpointFilter {
        tenant: caller.tenant_filter(tenant.as_deref())?,
        topic: crate::page::name(topic.as_deref(), "/topic")?,
        state: posthaste_core::EndpointState::read(state, "/state").map_err(crate::page::invalid)?,
        adhoc,
    })
}
