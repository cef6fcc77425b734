//! `grpc.health.v1`: whether this node can accept and send.

use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use posthaste_engine::Engine;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// Those that can be asked about; the empty name is the whole server.
const SERVICES: [&str; 5] =
    ["", "posthaste.v1.Publisher", "posthaste.v1.Catalog", "posthaste.v1.Deliveries", "posthaste.v1.Schedules"];
/// How often a watched state is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// The service.
pub struct Service {
    engine: Engine,
    ending: CancellationToken,
}

impl Service {
    /// For this engine; watchers are let go of once it is `ending`.
    pub fn new(engine: Engine, ending: CancellationToken) -> Self {
        Self { engine, ending }
    }
}

fn state(engine: &Engine, service: &str) -> ServingStatus {
    match (SERVICES.contains(&service), engine.is_ready()) {
        (false, _) => ServingStatus::ServiceUnknown,
        (true, true) => ServingStatus::Serving,
        (true, false) => ServingStatus::NotServing,
    }
}

fn show(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for Service {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        match state(&self.engine, &request.get_ref().service) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("there is no such service")),
            status => Ok(Response::new(show(status))),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (engine, ending, service) = (self.engine.clone(), self.ending.clone(), request.into_inner().service);
        let stream = unfold((engine, ending, service, None), async |(engine, ending, service, shown)| {
            loop {
                let now = state(&engine, &service);
                if shown != Some(now) {
                    return Some((Ok(show(now)), (engine, ending, service, Some(now))));
                }
                ending.run_until_cancelled(tokio::time::sleep(INTERVAL)).await?;
            }
        });
        Ok(Response::new(Box::pin(stream)))
    }
}
