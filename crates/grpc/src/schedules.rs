//! Cron expressions that publish messages.

use posthaste_engine::{Engine, EngineError};
use posthaste_store::schedules::ScheduleFilter;
use tonic::{Request, Response, Status};

use crate::page::Listing;
use crate::proto::schedules_server::Schedules;
use crate::proto::{self as p};
use crate::{caller, document, status, view};

/// What of a schedule a mask may name.
const MEMBERS: [&str; 11] = [
    "name",
    "cron",
    "timezone",
    "topic",
    "endpoint_id",
    "payload",
    "content_type",
    "headers",
    "metadata",
    "enabled",
    "missed",
];

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct Service(pub Engine);

/// An error in the document that was made from `settings` and what stands beside it.
fn in_schedule(error: EngineError) -> Status {
    status::of(status::within(error, |pointer| match pointer {
        "/tenant" | "/uid" | "/update_mask" => pointer.to_owned(),
        "/payload_base64" => "/settings/payload".to_owned(),
        other => format!("/settings{other}"),
    }))
}

#[tonic::async_trait]
impl Schedules for Service {
    async fn create_schedule(&self, request: Request<p::CreateScheduleRequest>) -> Answer<p::Schedule> {
        let caller = caller::of(&request)?;
        let p::CreateScheduleRequest { settings, tenant, uid } = request.into_inner();
        let settings = document::schedule_settings(settings).map_err(in_schedule)?;
        let body = document::with(settings, [("tenant", tenant), ("uid", uid)]);
        let schedule = self.0.create_schedule(&caller, body).await.map_err(in_schedule)?;
        Ok(Response::new(view::schedule(schedule)))
    }

    async fn get_schedule(&self, request: Request<p::GetScheduleRequest>) -> Answer<p::Schedule> {
        let caller = caller::of(&request)?;
        let p::GetScheduleRequest { id, tenant } = request.into_inner();
        let schedule = self.0.schedule(&caller, tenant.as_deref(), &id).await.map_err(status::of)?;
        Ok(Response::new(view::schedule(schedule)))
    }

    async fn list_schedules(&self, request: Request<p::ListSchedulesRequest>) -> Answer<p::ListSchedulesResponse> {
        let caller = caller::of(&request)?;
        let mut given = request.into_inner();
        let (limit, cursor) = (given.limit.take(), given.cursor.take());
        let listing = Listing::read("schedules", &given, limit, cursor).map_err(status::of)?;
        let tenant = caller.tenant_filter(given.tenant.as_deref()).map_err(status::of)?;
        let slice = self.0.schedules(&caller, ScheduleFilter { tenant }, listing.page).await.map_err(status::of)?;
        let (data, next_cursor) = listing.show(slice, view::schedule);
        Ok(Response::new(p::ListSchedulesResponse { data, next_cursor }))
    }

    async fn update_schedule(&self, request: Request<p::UpdateScheduleRequest>) -> Answer<p::Schedule> {
        let caller = caller::of(&request)?;
        let p::UpdateScheduleRequest { id, tenant, settings, update_mask, if_revision } = request.into_inner();
        let settings = document::schedule_settings(settings).map_err(in_schedule)?;
        let patch = document::patch(settings, update_mask, &MEMBERS).map_err(in_schedule)?;
        let schedule = self.0.update_schedule(&caller, tenant.as_deref(), &id, patch, if_revision).await;
        Ok(Response::new(view::schedule(schedule.map_err(in_schedule)?)))
    }

    async fn delete_schedule(&self, request: Request<p::DeleteScheduleRequest>) -> Answer<()> {
        let caller = caller::of(&request)?;
        let p::DeleteScheduleRequest { id, tenant, if_revision } = request.into_inner();
        let deleted = self.0.delete_schedule(&caller, tenant.as_deref(), &id, if_revision).await;
        deleted.map(Response::new).map_err(status::of)
    }

    async fn fire_schedule(&self, request: Request<p::FireScheduleRequest>) -> Answer<p::Receipt> {
        let caller = caller::of(&request)?;
        let p::FireScheduleRequest { id, tenant } = request.into_inner();
        let receipt = self.0.fire_schedule(&caller, tenant.as_deref(), &id, None).await.map_err(status::of)?;
        Ok(Response::new(view::receipt(receipt)))
    }
}
