//! What became of messages: messages, deliveries, attempts, replays.

mod filters;

use posthaste_engine::Engine;
use posthaste_engine::explain::Explained;
use tonic::{Request, Response, Status};

use crate::enums::number_or_none;
use crate::page::Listing;
use crate::proto::deliveries_server::Deliveries;
use crate::proto::{self as p};
use crate::{caller, document, status, view};

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct Service(pub Engine);

#[tonic::async_trait]
impl Deliveries for Service {
    async fn get_message(&self, request: Request<p::GetMessageRequest>) -> Answer<p::Message> {
        let caller = caller::of(&request)?;
        let p::GetMessageRequest { id, tenant } = request.into_inner();
        let detail = self.0.message(&caller, tenant.as_deref(), &id).await.map_err(status::of)?;
        Ok(Response::new(view::full_message(detail)))
    }

    async fn list_messages(&self, request: Request<p::ListMessagesRequest>) -> Answer<p::ListMessagesResponse> {
        let caller = caller::of(&request)?;
        let mut given = request.into_inner();
        let (limit, cursor) = (given.limit.take(), given.cursor.take());
        let listing = Listing::read("messages", &given, limit, cursor).map_err(status::of)?;
        let uid = given.uid.take();
        let filter = filters::messages(&caller, given).map_err(status::of)?;
        let slice = match uid {
            None => self.0.messages(&caller, filter, listing.page).await,
            Some(uid) => self.0.messages_with_uid(&caller, filter, &uid).await,
        };
        let (data, next_cursor) = listing.show(slice.map_err(status::of)?, view::message);
        Ok(Response::new(p::ListMessagesResponse { data, next_cursor }))
    }

    async fn cancel_message(&self, request: Request<p::CancelMessageRequest>) -> Answer<()> {
        let caller = caller::of(&request)?;
        let p::CancelMessageRequest { id, tenant } = request.into_inner();
        self.0.cancel_message(&caller, tenant.as_deref(), &id).await.map_err(status::of)?;
        Ok(Response::new(()))
    }

    async fn explain_message(&self, request: Request<p::ExplainMessageRequest>) -> Answer<p::ExplainMessageResponse> {
        let caller = caller::of(&request)?;
        let p::ExplainMessageRequest { id, tenant } = request.into_inner();
        let endpoints = self.0.explain(&caller, tenant.as_deref(), &id).await.map_err(status::of)?;
        let endpoints = endpoints.into_iter().map(explained).collect();
        Ok(Response::new(p::ExplainMessageResponse { endpoints }))
    }

    async fn get_delivery(&self, request: Request<p::GetDeliveryRequest>) -> Answer<p::Delivery> {
        let caller = caller::of(&request)?;
        let detail = self.0.delivery(&caller, &request.get_ref().id).await.map_err(status::of)?;
        Ok(Response::new(view::delivery(detail)))
    }

    async fn list_deliveries(&self, request: Request<p::ListDeliveriesRequest>) -> Answer<p::ListDeliveriesResponse> {
        let caller = caller::of(&request)?;
        let mut given = request.into_inner();
        let (limit, cursor) = (given.limit.take(), given.cursor.take());
        let listing = Listing::read("deliveries", &given, limit, cursor).map_err(status::of)?;
        let filter = filters::deliveries(&caller, &given).map_err(status::of)?;
        let slice = self.0.deliveries(&caller, filter, listing.page).await.map_err(status::of)?;
        let (data, next_cursor) = listing.show(slice, view::delivery);
        Ok(Response::new(p::ListDeliveriesResponse { data, next_cursor }))
    }

    async fn retry_delivery(&self, request: Request<p::RetryDeliveryRequest>) -> Answer<p::Delivery> {
        let caller = caller::of(&request)?;
        let detail = self.0.retry_delivery(&caller, &request.get_ref().id).await.map_err(status::of)?;
        Ok(Response::new(view::delivery(detail)))
    }

    async fn cancel_delivery(&self, request: Request<p::CancelDeliveryRequest>) -> Answer<p::Delivery> {
        let caller = caller::of(&request)?;
        let detail = self.0.cancel_delivery(&caller, &request.get_ref().id).await.map_err(status::of)?;
        Ok(Response::new(view::delivery(detail)))
    }

    async fn get_attempt(&self, request: Request<p::GetAttemptRequest>) -> Answer<p::Attempt> {
        let caller = caller::of(&request)?;
        let detail = self.0.attempt(&caller, &request.get_ref().id).await.map_err(status::of)?;
        Ok(Response::new(view::attempt(detail)))
    }

    async fn list_attempts(&self, request: Request<p::ListAttemptsRequest>) -> Answer<p::ListAttemptsResponse> {
        let caller = caller::of(&request)?;
        let mut given = request.into_inner();
        let (limit, cursor) = (given.limit.take(), given.cursor.take());
        let listing = Listing::read("attempts", &given, limit, cursor).map_err(status::of)?;
        let slice = self.0.attempts(&caller, &given.delivery_id, listing.page).await.map_err(status::of)?;
        let (data, next_cursor) = listing.show(slice, view::attempt);
        Ok(Response::new(p::ListAttemptsResponse { data, next_cursor }))
    }

    async fn start_replay(&self, request: Request<p::StartReplayRequest>) -> Answer<p::Replay> {
        let caller = caller::of(&request)?;
        let p::StartReplayRequest { endpoint_id, tenant, filter } = request.into_inner();
        let placed = |error| status::of(status::within(error, |pointer| format!("/filter{pointer}")));
        let body = document::replay_filter(filter).map_err(placed)?;
        let replay = self.0.start_replay(&caller, tenant.as_deref(), &endpoint_id, body, None).await.map_err(placed)?;
        Ok(Response::new(view::replay(replay)))
    }

    async fn get_replay(&self, request: Request<p::GetReplayRequest>) -> Answer<p::Replay> {
        let caller = caller::of(&request)?;
        let replay = self.0.replay(&caller, &request.get_ref().id).await.map_err(status::of)?;
        Ok(Response::new(view::replay(replay)))
    }

    async fn list_replays(&self, request: Request<p::ListReplaysRequest>) -> Answer<p::ListReplaysResponse> {
        let caller = caller::of(&request)?;
        let mut given = request.into_inner();
        let (limit, cursor) = (given.limit.take(), given.cursor.take());
        let listing = Listing::read("replays", &given, limit, cursor).map_err(status::of)?;
        let filter = filters::replays(&caller, &given).map_err(status::of)?;
        let slice = self.0.replays(&caller, filter, listing.page).await.map_err(status::of)?;
        let (data, next_cursor) = listing.show(slice, view::replay);
        Ok(Response::new(p::ListReplaysResponse { data, next_cursor }))
    }

    async fn cancel_replay(&self, request: Request<p::CancelReplayRequest>) -> Answer<p::Replay> {
        let caller = caller::of(&request)?;
        let replay = self.0.cancel_replay(&caller, &request.get_ref().id).await.map_err(status::of)?;
        Ok(Response::new(view::replay(replay)))
    }
}

fn explained(explained: Explained) -> p::ExplainedEndpoint {
    let Explained { endpoint, url, matched, why, delivery, next } = explained;
    p::ExplainedEndpoint {
        endpoint_id: endpoint.to_string(),
        url,
        matched,
        why,
        delivery_id: delivery.as_ref().map(|detail| detail.delivery.id.to_string()),
        status: number_or_none(delivery.as_ref().map(|detail| detail.delivery.status())),
        next,
    }
}
