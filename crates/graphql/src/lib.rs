//! The GraphQL API: `/graphql` (POST, GET for queries, subscriptions over WebSocket or as an event stream) and
//! `/graphiql`, a page to try it. It parses, calls the engine's use cases and renders; it holds no rule of its own.
//!
//! One file a resource (topics, endpoints, messages, …), and around them: [`transport`] and [`socket`] (how operations
//! come in), [`visit`] (who asks, and how much they have had), [`related`] and [`loader`] (what the items of a list refer
//! to is read at once), [`limits`], [`page`], [`document`] (inputs become the engine's documents), [`failure`] (errors),
//! [`words`] and [`scalars`].

mod attempts;
mod deliveries;
mod document;
mod endpoint_settings;
mod endpoint_verbs;
mod endpoints;
mod explorer;
mod failure;
mod keys;
mod limits;
mod loader;
mod messages;
mod page;
mod publish;
mod related;
mod replays;
mod scalars;
mod schedules;
mod socket;
mod subscription;
mod system;
mod topics;
mod transport;
mod visit;
mod words;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{MergedObject, Schema, SchemaBuilder};
use axum::Router;
use axum::routing::get;
use posthaste_engine::access::Access;
use posthaste_engine::{Engine, EngineError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Everything that can be read.
#[derive(MergedObject, Default)]
struct Query(
    topics::TopicQueries,
    endpoints::EndpointQueries,
    messages::MessageQueries,
    deliveries::DeliveryQueries,
    schedules::ScheduleQueries,
    replays::ReplayQueries,
    keys::KeyQueries,
    system::SystemQueries,
);

/// Everything that can be done.
#[derive(MergedObject, Default)]
struct Mutation(
    topics::TopicMutations,
    endpoint_verbs::EndpointMutations,
    publish::PublishMutations,
    deliveries::DeliveryMutations,
    schedules::ScheduleMutations,
    replays::ReplayMutations,
    keys::KeyMutations,
    system::SystemMutations,
);

type Api = Schema<Query, Mutation, subscription::Subscriptions>;

/// How the API is served.
#[derive(Debug, Clone)]
pub struct GraphqlOptions {
    /// Whether a key is needed.
    pub access: Access,
    /// Cancelled when the server ends: subscriptions end too, instead of holding it up.
    pub ending: CancellationToken,
}

/// What every operation gets; a cheap handle.
#[derive(Clone)]
struct Service(Arc<Served>);

struct Served {
    engine: Engine,
    options: GraphqlOptions,
    /// Places for subscriptions.
    seats: Arc<Semaphore>,
    /// Places for `WebSockets`.
    sockets: Arc<Semaphore>,
}

impl Service {
    fn ending(&self) -> &CancellationToken {
        &self.0.options.ending
    }

    /// A subscription's place.
    fn seat(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        place(&self.0.seats, "as many subscriptions run as this server has places for")
    }

    /// A WebSocket's place.
    fn socket(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        place(&self.0.sockets, "as many WebSockets are open as this server has places for")
    }
}

fn place(places: &Arc<Semaphore>, detail: &'static str) -> Result<OwnedSemaphorePermit, EngineError> {
    let full = EngineError::Busy { detail, retry_after: Duration::from_secs(5) };
    places.clone().try_acquire_owned().map_err(|_| full)
}

/// The routes.
pub fn router(engine: Engine, options: GraphqlOptions) -> Router {
    let seats = Arc::new(Semaphore::new(limits::SUBSCRIBERS));
    let sockets = Arc::new(Semaphore::new(limits::SUBSCRIBERS));
    let service = Service(Arc::new(Served { engine, options, seats, sockets }));
    let schema = builder().data(service.clone()).finish();
    let state = transport::State { service, schema };
    Router::new()
        .route("/graphql", get(transport::get).post(transport::post))
        .with_state(state)
        .merge(explorer::routes())
}

/// The schema in GraphQL's own language.
pub fn sdl() -> String {
    let mut text = builder().finish().sdl().trim_end().to_owned();
    text.push('\n');
    text
}

fn builder() -> SchemaBuilder<Query, Mutation, subscription::Subscriptions> {
    Schema::build(Query::default(), Mutation::default(), subscription::Subscriptions)
        .limit_depth(limits::DEPTH)
        .limit_complexity(limits::COMPLEXITY)
        .limit_recursive_depth(limits::NESTING)
        .limit_directives(limits::DIRECTIVES)
}
