//! The token of a challenge comes back. Nobody asks for a key here: the token is the right.

use posthaste_engine::Engine;
use tonic::{Request, Response, Status};

use crate::enums::Numbered as _;
use crate::proto::challenges_server::Challenges;
use crate::proto::{VerifiedEndpoint, VerifyEndpointRequest};
use crate::status;

/// The service.
pub struct Service(pub Engine);

#[tonic::async_trait]
impl Challenges for Service {
    async fn verify_endpoint(
        &self,
        request: Request<VerifyEndpointRequest>,
    ) -> Result<Response<VerifiedEndpoint>, Status> {
        let VerifyEndpointRequest { endpoint_id, token, allowed_rate } = request.into_inner();
        let endpoint = self.0.verify_endpoint(&endpoint_id, &token, allowed_rate.as_deref()).await;
        let endpoint = endpoint.map_err(status::of)?;
        let state = endpoint.state.number();
        Ok(Response::new(VerifiedEndpoint { id: endpoint.id.to_string(), url: endpoint.settings.url, state }))
    }
}
