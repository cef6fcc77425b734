//! The state of the whole, its tenants, and erasures.

use posthaste_core::Tenant;
use posthaste_engine::Engine;
use tonic::{Request, Response, Status};

use crate::page::{self, Listing};
use crate::proto::system_server::System;
use crate::proto::{self as p};
use crate::{caller, document, status, view};

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct Service(pub Engine);

#[tonic::async_trait]
impl System for Service {
    async fn get_stats(&self, request: Request<p::GetStatsRequest>) -> Answer<p::Stats> {
        let caller = caller::of(&request)?;
        let stats = self.0.stats(&caller, request.get_ref().tenant.as_deref()).await.map_err(status::of)?;
        Ok(Response::new(view::stats(stats)))
    }

    async fn list_tenants(&self, request: Request<p::ListTenantsRequest>) -> Answer<p::ListTenantsResponse> {
        let caller = caller::of(&request)?;
        let p::ListTenantsRequest { limit, cursor } = request.into_inner();
        let limit = Listing::limit(limit).map_err(status::of)?;
        // Tenants are listed by name, so a cursor is one.
        let after = page::name::<Tenant>(cursor.as_deref(), "/cursor").map_err(status::of)?;
        let tenants = self.0.tenants(&caller, after.as_ref(), limit).await.map_err(status::of)?;
        let is_full = u32::try_from(tenants.len()).is_ok_and(|count| count == limit);
        let next_cursor = tenants.last().filter(|_| is_full).map(|tenant| tenant.as_str().to_owned());
        let data = tenants.into_iter().map(|tenant| p::Tenant { name: tenant.into() }).collect();
        Ok(Response::new(p::ListTenantsResponse { data, next_cursor }))
    }

    async fn erase(&self, request: Request<p::EraseRequest>) -> Answer<p::Erasure> {
        let caller = caller::of(&request)?;
        let body = document::erasure(request.into_inner()).map_err(status::of)?;
        let job = self.0.start_erasure(&caller, body).await.map_err(status::of)?;
        Ok(Response::new(view::erasure(job)))
    }
}
