//! The gRPC API `posthaste.v1`: reads messages, calls the engine's use cases, writes their answers. It holds no rule of
//! its own.
//!
//! One file a service ([`publisher`], [`catalog`], [`deliveries`], [`schedules`], [`keys`], [`system`],
//! [`challenges`], [`health`]); [`view`] shows the engine's things as messages, [`document`] makes the documents that the engine reads. The habits that all share:
//! [`caller`] (who asks), [`status`] (errors), [`page`], [`enums`], [`instant`], [`value`].
//!
//! The code under `generated` is made from `proto/` by a test, so that nobody needs `protoc`.

mod caller;
mod catalog;
mod challenges;
mod deliveries;
mod document;
mod enums;
mod health;
mod instant;
mod keys;
mod page;
pub mod proto;
mod publisher;
mod schedules;
mod status;
mod system;
mod value;
mod view;

use axum::Router;
use axum::middleware::from_fn_with_state;
use posthaste_engine::Engine;
use posthaste_engine::access::Access;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;

use proto::catalog_server::CatalogServer;
use proto::challenges_server::ChallengesServer;
use proto::deliveries_server::DeliveriesServer;
use proto::keys_server::KeysServer;
use proto::publisher_server::PublisherServer;
use proto::schedules_server::SchedulesServer;
use proto::system_server::SystemServer;

/// The largest message that is read, unless payloads may be larger still; as much as a batch of the REST API.
const MESSAGE_BYTES: usize = 8 * 1_024 * 1_024;
/// What a message holds beside its payload.
const BESIDE_PAYLOAD: usize = 64 * 1_024;

/// Every service as a router without a fallback, to be merged into the listener's.
///
/// Health and reflection need no key, as the probes and the OpenAPI document of the REST API need none; a token that
/// comes back is a right of its own. `ending` tells streams, which would go on for as long as their clients like, to end.
pub fn routes(engine: &Engine, access: Access, ending: &CancellationToken) -> Router {
    let most = MESSAGE_BYTES.max(engine.max_payload_bytes().saturating_add(BESIDE_PAYLOAD));
    let publisher =
        PublisherServer::new(publisher::Service::new(engine.clone(), ending.clone())).max_decoding_message_size(most);
    let keyed = Routes::from(Router::new())
        .add_service(publisher)
        .add_service(CatalogServer::new(catalog::Service(engine.clone())))
        .add_service(DeliveriesServer::new(deliveries::Service(engine.clone())).max_encoding_message_size(usize::MAX))
        .add_service(SchedulesServer::new(schedules::Service(engine.clone())).max_decoding_message_size(most))
        .add_service(KeysServer::new(keys::Service(engine.clone())))
        .add_service(SystemServer::new(system::Service(engine.clone())))
        .into_axum_router()
        .layer(from_fn_with_state(caller::Guard::new(engine.clone(), access), caller::identify));
    let mut open = Routes::from(Router::new())
        .add_service(HealthServer::new(health::Service::new(engine.clone(), ending.clone())))
        .add_service(ChallengesServer::new(challenges::Service(engine.clone())));
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (described().build_v1(), described().build_v1alpha()) {
        (Ok(present), Ok(former)) => open = open.add_service(present).add_service(former),
        (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "the descriptors cannot be read: no reflection"),
    }
    keyed.merge(open.into_axum_router())
}
