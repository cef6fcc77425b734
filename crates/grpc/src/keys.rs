//! API keys: made, listed, ended.

use posthaste_engine::Engine;
use tonic::{Request, Response, Status};

use crate::page::Listing;
use crate::proto::keys_server::Keys;
use crate::proto::{self as p};
use crate::{caller, document, status, view};

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct Service(pub Engine);

#[tonic::async_trait]
impl Keys for Service {
    async fn create_key(&self, request: Request<p::CreateKeyRequest>) -> Answer<p::CreateKeyResponse> {
        let caller = caller::of(&request)?;
        let body = document::key(request.into_inner()).map_err(status::of)?;
        let (key, text) = self.0.create_key(&caller, body).await.map_err(status::of)?;
        Ok(Response::new(p::CreateKeyResponse { key: Some(view::key(key)), text: text.to_string() }))
    }

    async fn list_keys(&self, request: Request<p::ListKeysRequest>) -> Answer<p::ListKeysResponse> {
        let caller = caller::of(&request)?;
        let mut given = request.into_inner();
        let (limit, cursor) = (given.limit.take(), given.cursor.take());
        let listing = Listing::read("keys", &given, limit, cursor).map_err(status::of)?;
        let slice = self.0.keys(&caller, given.tenant.as_deref(), listing.page).await.map_err(status::of)?;
        let (data, next_cursor) = listing.show(slice, view::key);
        Ok(Response::new(p::ListKeysResponse { data, next_cursor }))
    }

    async fn delete_key(&self, request: Request<p::DeleteKeyRequest>) -> Answer<()> {
        let caller = caller::of(&request)?;
        self.0.delete_key(&caller, &request.get_ref().id).await.map(Response::new).map_err(status::of)
    }
}
