//! [`Schedules`]: due times become messages once, whoever leads.

mod election;

use async_trait::async_trait;
use posthaste_core::id::NodeId;
use posthaste_core::{Schedule, ScheduleId, Tenant, Timestamp};
use posthaste_store::schedules::{Fire, Fired, Leader, ScheduleFilter};
use posthaste_store::{Conflict, Page, Result, Schedules, Slice, StoreError};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::accept::{Acceptance, AcceptanceEnd, Terms, Wakes, Waking};
use crate::directory::{bounds, slice};
use crate::fault::{broken_constraint, classify};
use crate::param::{Param, Uuid, count, instant, micros, stored};
use crate::rows::{document, get, tenant, text_of};
use crate::session::Call;

fn schedule(row: &Row) -> Result<Schedule> {
    Ok(Schedule {
        id: get::<Uuid>(row, 0)?.id(),
        number: count(get(row, 1)?),
        tenant: tenant(get(row, 2)?)?,
        uid: get(row, 3)?,
        settings: document(get(row, 4)?)?,
        next_fire_at: instant(get(row, 5)?),
        last_fire_at: instant(get(row, 6)?),
        revision: count(get(row, 7)?),
        created_at: Timestamp::from_micros(get(row, 8)?),
        updated_at: Timestamp::from_micros(get(row, 9)?),
    })
}

#[async_trait]
impl Schedules for PostgresStore {
    async fn create_schedule(&self, new: &Schedule) -> Result<Schedule> {
        let session = self.working.take().await?;
        let settings = text_of(&new.settings)?;
        let (id, tenant, uid) = (Uuid::from(new.id), new.tenant.as_str(), new.uid.as_deref());
        let (next, last) = (micros(new.next_fire_at), micros(new.last_fire_at));
        let (revision, created, updated) =
            (stored(new.revision), new.created_at.as_micros(), new.updated_at.as_micros());
        let params: Vec<&dyn Param> = vec![&id, &tenant, &uid, &settings, &next, &last, &revision, &created, &updated];
        match session.attempt(include_str!("../sql/insert_schedule.sql"), &params).await? {
            Ok(rows) => rows.first().map_or(Err(StoreError::NotFound), schedule),
            Err(error) if broken_constraint(&error) == Some("schedule_uid") => Err(Conflict::UidTaken.into()),
            Err(error) => Err(classify(error)),
        }
    }

    async fn update_schedule(&self, changed: &Schedule) -> Result<()> {
        let session = self.working.take().await?;
        let settings = text_of(&changed.settings)?;
        let (id, tenant, uid) = (Uuid::from(changed.id), changed.tenant.as_str(), changed.uid.as_deref());
        let (next, last) = (micros(changed.next_fire_at), micros(changed.last_fire_at));
        let (revision, updated) = (stored(changed.revision), changed.updated_at.as_micros());
        let params: Vec<&dyn Param> = vec![&id, &tenant, &uid, &settings, &next, &last, &revision, &updated];
        match session.attempt(include_str!("../sql/update_schedule.sql"), &params).await? {
            Ok(rows) if !rows.is_empty() => Ok(()),
            Ok(_) => {
                drop(session);
                Err(match self.schedule(changed.id).await? {
                    Some(_) => Conflict::RevisionMoved.into(),
                    None => StoreError::NotFound,
                })
            }
            Err(error) if broken_constraint(&error) == Some("schedule_uid") => Err(Conflict::UidTaken.into()),
            Err(error) => Err(classify(error)),
        }
    }

    async fn delete_schedule(&self, id: ScheduleId) -> Result<()> {
        let session = self.working.take().await?;
        let sql = "DELETE FROM posthaste.schedule WHERE id = $1 RETURNING id";
        let gone = session.query(sql, &[&Uuid::from(id)]).await?;
        if gone.is_empty() { Err(StoreError::NotFound) } else { Ok(()) }
    }

    async fn schedule(&self, id: ScheduleId) -> Result<Option<Schedule>> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/schedule.sql"), &[&Uuid::from(id)]).await?;
        rows.first().map(schedule).transpose()
    }

    async fn schedule_by_uid(&self, tenant: &Tenant, uid: &str) -> Result<Option<Schedule>> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/schedule_by_uid.sql"), &[&tenant.as_str(), &uid]).await?;
        rows.first().map(schedule).transpose()
    }

    async fn schedules(&self, filter: &ScheduleFilter, page: Page) -> Result<Slice<Schedule>> {
        let session = self.working.take().await?;
        let (before, limit) = bounds(page);
        let tenant = filter.tenant.as_ref().map(Tenant::as_str);
        let rows = session.query(include_str!("../sql/list_schedules.sql"), &[&before, &tenant, &limit]).await?;
        slice(&rows, page, schedule)
    }

    async fn due_schedules(&self, now: Timestamp, limit: u32) -> Result<Vec<Schedule>> {
        let session = self.working.take().await?;
        let rows =
            session.query(include_str!("../sql/due_schedules.sql"), &[&now.as_micros(), &i64::from(limit)]).await?;
        rows.iter().map(schedule).collect()
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/next_due.sql"), &[]).await?;
        rows.first().map(|row| get(row, 0).map(Timestamp::from_micros)).transpose()
    }

    async fn fire(&self, leader: Leader, fire: &Fire) -> Result<Fired> {
        self.fire_schedule(leader, fire).await
    }

    async fn elect(&self, node: NodeId) -> Result<Leader> {
        self.elect_leader(node).await
    }

    async fn leader(&self) -> Result<Option<Leader>> {
        self.present_leader().await
    }

    async fn resign(&self, leader: Leader) -> Result<()> {
        self.resign_leader(leader).await
    }
}

impl PostgresStore {
    async fn fire_schedule(&self, leader: Leader, fire: &Fire) -> Result<Fired> {
        let session = self.working.take().await?;
        let (node, term, id) = (Uuid::from(leader.node), leader.term.0, Uuid::from(fire.schedule));
        let answers = session
            .open(
                "",
                vec![
                    Call::Query(include_str!("../sql/fence.sql"), vec![&node]),
                    Call::Query(include_str!("../sql/leader_shared.sql"), vec![&node, &term]),
                    Call::Query(include_str!("../sql/lock_schedule.sql"), vec![&id]),
                ],
            )
            .await?;
        let [fence, leads, found] = answers.as_slice() else {
            return Err(StoreError::internal("a pipeline was not answered whole"));
        };
        let as_expected = match found.first() {
            Some(row) => count(get(row, 0)?) == fire.revision && instant(get(row, 1)?) == Some(fire.expected),
            None => false,
        };
        if fence.is_empty() || leads.is_empty() || !as_expected {
            session.roll_back().await?;
            return Ok(Fired::Superseded);
        }
        let times: Vec<i64> = fire.fired.iter().map(|at| at.as_micros()).collect();
        let rows = session.query(include_str!("../sql/insert_fires.sql"), &[&id, &times]).await?;
        let fresh: std::collections::HashSet<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
        let messages = fire.group.messages.iter().zip(&times).filter(|(_, at)| fresh.contains(at)).map(|(new, _)| new);
        if !fresh.is_empty() {
            let terms = Terms { node: leader.node, matched: Some(fire.group.matched), batch: None, owner: None };
            let acceptance = Acceptance::new(terms, &messages, Waking::Guarded, Wakes::default())?;
            let rows = session.pipeline(vec![acceptance.call()]).await?;
            match AcceptanceEnd::read(rows.first().unwrap_or(&Vec::new()))? {
                AcceptanceEnd::Written => {}
                end => {
                    session.roll_back().await?;
                    let moved = end == AcceptanceEnd::Moved;
                    return Ok(if moved { Fired::CatalogMoved } else { Fired::Superseded });
                }
            }
        }
        let (next, last) = (micros(fire.next), micros(fire.fired.iter().max().copied()));
        session.commit(vec![Call::Query(include_str!("../sql/move_schedule.sql"), vec![&id, &next, &last])]).await?;
        Ok(Fired::Done)
    }
}
