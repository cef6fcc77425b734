//! A server to test against: engine, SQLite, routes, socket, and a client of each service.

use std::sync::Arc;

use posthaste_core::address::AllowList;
use posthaste_engine::access::Access;
use posthaste_engine::egress::EgressOptions;
use posthaste_engine::{Engine, Options};
use posthaste_grpc::proto::catalog_client::CatalogClient;
use posthaste_grpc::proto::deliveries_client::DeliveriesClient;
use posthaste_grpc::proto::publisher_client::PublisherClient;
use posthaste_grpc::proto::schedules_client::SchedulesClient;
use posthaste_grpc::proto::{
    CreateEndpointRequest, CreateEndpointResponse, CreateTopicRequest, EndpointSettings, MessageDraft, Receipt,
};
use posthaste_store_sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// The admin key of servers that have one.
pub const ADMIN_KEY: &str = "the administrator's very own key";

/// A server that runs until it is dropped.
pub struct Stage {
    pub engine: Engine,
    pub channel: Channel,
    /// Ends the streams.
    pub ending: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    _directory: TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Stage {
    /// A server without keys; receivers on loopback are allowed.
    pub async fn open() -> Self {
        Self::with(Options::default(), Access::Open).await
    }

    /// A server set up otherwise.
    #[expect(clippy::disallowed_methods, reason = "the server ends with the stage")]
    pub async fn with(options: Options, access: Access) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("posthaste.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        let allow = AllowList::new(["127.0.0.0/8".parse().unwrap()]);
        let egress = EgressOptions { allow: allow.clone(), ..EgressOptions::default() };
        let engine = Engine::start(Arc::new(store), Options { allow, egress, ..options }).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ending = CancellationToken::new();
        let routes = posthaste_grpc::routes(&engine, access, &ending);
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { engine, channel, ending, serving, _directory: directory }
    }

    pub fn publisher(&self) -> PublisherClient<Channel> {
        PublisherClient::new(self.channel.clone())
    }

    pub fn catalog(&self) -> CatalogClient<Channel> {
        CatalogClient::new(self.channel.clone())
    }

    pub fn deliveries(&self) -> DeliveriesClient<Channel> {
        DeliveriesClient::new(self.channel.clone())
    }

    pub fn schedules(&self) -> SchedulesClient<Channel> {
        SchedulesClient::new(self.channel.clone())
    }

    /// Creates a topic that is common to all tenants.
    pub async fn topic(&self, name: &str) {
        let request = CreateTopicRequest { name: name.to_owned(), ..CreateTopicRequest::default() };
        self.catalog().create_topic(request).await.unwrap();
    }

    /// Registers an endpoint that wants every topic.
    pub async fn endpoint(&self, url: &str) -> CreateEndpointResponse {
        self.endpoint_with(EndpointSettings {
            url: Some(url.to_owned()),
            topics: vec!["*".to_owned()],
            ..EndpointSettings::default()
        })
        .await
    }

    /// Registers an endpoint.
    pub async fn endpoint_with(&self, settings: EndpointSettings) -> CreateEndpointResponse {
        let request = CreateEndpointRequest { settings: Some(settings), ..CreateEndpointRequest::default() };
        self.catalog().create_endpoint(request).await.unwrap().into_inner()
    }

    /// Publishes a message.
    pub async fn publish(&self, message: MessageDraft) -> Receipt {
        self.publisher().publish(request(message)).await.unwrap().into_inner()
    }
}

/// A publish of this message.
pub fn request(message: MessageDraft) -> posthaste_grpc::proto::PublishRequest {
    posthaste_grpc::proto::PublishRequest { message: Some(message) }
}

/// A message of JSON.
pub fn json(topic: &str, payload: &str) -> MessageDraft {
    MessageDraft {
        topic: Some(topic.to_owned()),
        payload: Some(payload.to_owned().into()),
        content_type: Some("application/json".to_owned()),
        ..MessageDraft::default()
    }
}

/// Shows a key with every call.
pub type Keyed = InterceptedService<Channel, Box<dyn FnMut(Request<()>) -> Result<Request<()>, Status> + Send>>;

/// A channel on which every call carries this `authorization`.
pub fn authorized(channel: &Channel, authorization: &str) -> Keyed {
    let value: MetadataValue<_> = authorization.parse().unwrap();
    InterceptedService::new(
        channel.clone(),
        Box::new(move |mut request: Request<()>| {
            request.metadata_mut().insert("authorization", value.clone());
            Ok(request)
        }),
    )
}

/// Holds what every refusal has; `place` is the member that is named (none: `-`).
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str, place: &str) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), code, "{status:?}");
    assert!(!status.message().is_empty(), "{status:?}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some(reason), "{details:?}");
    if place != "-" {
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        assert!(violations.iter().any(|violation| violation.field == place), "`{place}` is not named: {details:?}");
    }
}
