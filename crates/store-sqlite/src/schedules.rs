//! Schedules, and who fires them.

use async_trait::async_trait;
use posthaste_core::id::NodeId;
use posthaste_core::{Schedule, ScheduleId, Tenant, Timestamp};
use posthaste_store::schedules::{Fire, Fired, Leader, ScheduleFilter, Term};
use posthaste_store::{Conflict, Page, Result, Schedules, Slice, StoreError};
use rusqlite::{Connection, Row, params};

use crate::coordination::demand;
use crate::directory::{before, page};
use crate::fault::Fault;
use crate::lanes::Wakes;
use crate::{SqliteStore, accept, catalog, publish, rows};

/// The kind of a schedule's uid.
const KIND: &str = "schedule";
/// Schedules' numbers stay below this: they are 24 bits of their messages' ids.
const NUMBERS: u32 = 1 << 24;

/// The columns are those of `sql/schedule/get.sql`.
fn schedule_row(row: &Row<'_>) -> Result<Schedule, Fault> {
    Ok(Schedule {
        id: rows::id(row, 0)?,
        number: row.get(1)?,
        tenant: rows::tenant(row, 2)?,
        uid: row.get(3)?,
        settings: rows::document(row, 4)?,
        next_fire_at: rows::optional_at(row, 5)?,
        last_fire_at: rows::optional_at(row, 6)?,
        revision: row.get(7)?,
        created_at: rows::at(row, 8)?,
        updated_at: rows::at(row, 9)?,
    })
}

fn get(connection: &Connection, id: ScheduleId) -> Result<Option<Schedule>, Fault> {
    let mut statement = connection.prepare_cached(sql!("schedule/get"))?;
    let mut found = statement.query([id.to_bytes()])?;
    found.next()?.map(schedule_row).transpose()
}

#[async_trait]
impl Schedules for SqliteStore {
    async fn create_schedule(&self, schedule: &Schedule) -> Result<Schedule> {
        let schedule = schedule.clone();
        self.write(move |connection| create(connection, schedule)).await
    }

    async fn update_schedule(&self, schedule: &Schedule) -> Result<()> {
        let schedule = schedule.clone();
        self.write(move |connection| update(connection, &schedule)).await
    }

    async fn delete_schedule(&self, id: ScheduleId) -> Result<()> {
        self.write(move |connection| {
            let stored = get(connection, id)?.ok_or(StoreError::NotFound)?;
            remove_uid(connection, &stored)?;
            connection.prepare_cached(sql!("schedule/delete"))?.execute([id.to_bytes()])?;
            Ok(())
        })
        .await
    }

    async fn schedule(&self, id: ScheduleId) -> Result<Option<Schedule>> {
        self.read(move |connection| get(connection, id)).await
    }

    async fn schedule_by_uid(&self, tenant: &Tenant, uid: &str) -> Result<Option<Schedule>> {
        let (tenant, uid) = (tenant.clone(), uid.to_owned());
        self.read(move |connection| match accept::uid(connection, tenant.as_str(), KIND, &uid)? {
            Some(id) => get(connection, ScheduleId::from_bytes(id)),
            None => Ok(None),
        })
        .await
    }

    async fn schedules(&self, filter: &ScheduleFilter, asked: Page) -> Result<Slice<Schedule>> {
        let tenant = filter.tenant.clone();
        self.read(move |connection| {
            let sql = if tenant.is_some() { sql!("schedule/page_of_tenant") } else { sql!("schedule/page") };
            let mut statement = connection.prepare_cached(sql)?;
            let found = match &tenant {
                Some(tenant) => statement.query(params![before(asked), tenant.as_str()])?,
                None => statement.query([before(asked)])?,
            };
            page(found, asked, schedule_row, |schedule| schedule.id.bits(), |_| true)
        })
        .await
    }

    async fn due_schedules(&self, now: Timestamp, limit: u32) -> Result<Vec<Schedule>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql!("schedule/due"))?;
            let mut found = statement.query(params![now.as_micros(), limit])?;
            let mut due = Vec::new();
            while let Some(row) = found.next()? {
                due.push(schedule_row(row)?);
            }
            Ok(due)
        })
        .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.read(|connection| {
            let mut next = connection.prepare_cached(sql!("schedule/next"))?;
            let micros: Option<i64> = next.query_row([], |row| row.get(0))?;
            Ok(micros.map(Timestamp::from_micros))
        })
        .await
    }

    async fn fire(&self, leader: Leader, fire: &Fire) -> Result<Fired> {
        let fire = fire.clone();
        self.write(move |connection| fire_one(connection, leader, &fire)).await
    }

    async fn elect(&self, node: NodeId) -> Result<Leader> {
        self.write(move |connection| {
            demand(connection, node)?;
            if let Some(leader) = leads(connection)? {
                return Ok(leader);
            }
            let term: i64 = connection.prepare_cached(sql!("leader/term"))?.query_row([], |row| row.get(0))?;
            connection.prepare_cached(sql!("leader/set"))?.execute(params![node.to_bytes(), term])?;
            Ok(Leader { node, term: Term(term) })
        })
        .await
    }

    async fn leader(&self) -> Result<Option<Leader>> {
        self.read(leads).await
    }

    async fn resign(&self, leader: Leader) -> Result<()> {
        self.write(move |connection| {
            let mut resign = connection.prepare_cached(sql!("leader/resign"))?;
            resign.execute(params![leader.node.to_bytes(), leader.term.0])?;
            Ok(())
        })
        .await
    }
}

/// Who leads: the one who was elected, as long as that node is there.
fn leads(connection: &Connection) -> Result<Option<Leader>, Fault> {
    let mut statement = connection.prepare_cached(sql!("leader/get"))?;
    let mut found = statement.query([])?;
    let row = found.next()?;
    row.map(|row| Ok(Leader { node: rows::id(row, 0)?, term: Term(row.get(1)?) })).transpose()
}

fn create(connection: &Connection, mut schedule: Schedule) -> Result<Schedule, Fault> {
    take_uid(connection, &schedule)?;
    schedule.number = connection.prepare_cached(sql!("schedule/number"))?.query_row([], |row| row.get(0))?;
    if schedule.number >= NUMBERS {
        return Err(Fault::Unreadable("there are no numbers left for schedules"));
    }
    connection.prepare_cached(sql!("schedule/insert"))?.execute(params![
        schedule.id.to_bytes(),
        schedule.number,
        schedule.tenant.as_str(),
        schedule.uid,
        serde_json::to_string(&schedule.settings)?,
        schedule.next_fire_at.map(Timestamp::as_micros),
        schedule.last_fire_at.map(Timestamp::as_micros),
        schedule.revision,
        schedule.created_at.as_micros(),
        schedule.updated_at.as_micros(),
    ])?;
    Ok(schedule)
}

fn update(connection: &Connection, schedule: &Schedule) -> Result<(), Fault> {
    let stored = get(connection, schedule.id)?.ok_or(StoreError::NotFound)?;
    if stored.revision.checked_add(1) != Some(schedule.revision) {
        return Err(Conflict::RevisionMoved.into());
    }
    if stored.uid != schedule.uid {
        remove_uid(connection, &stored)?;
        take_uid(connection, schedule)?;
    }
    connection.prepare_cached(sql!("schedule/update"))?.execute(params![
        schedule.id.to_bytes(),
        schedule.uid,
        serde_json::to_string(&schedule.settings)?,
        schedule.next_fire_at.map(Timestamp::as_micros),
        schedule.last_fire_at.map(Timestamp::as_micros),
        schedule.revision,
        schedule.updated_at.as_micros(),
    ])?;
    Ok(())
}

fn take_uid(connection: &Connection, schedule: &Schedule) -> Result<(), Fault> {
    if let Some(uid) = &schedule.uid
        && !accept::take_uid(connection, schedule.tenant.as_str(), KIND, uid, schedule.id.to_bytes())?
    {
        return Err(Conflict::UidTaken.into());
    }
    Ok(())
}

fn remove_uid(connection: &Connection, schedule: &Schedule) -> Result<(), Fault> {
    if let Some(uid) = &schedule.uid {
        let mut remove = connection.prepare_cached(sql!("publish/remove_uid"))?;
        remove.execute(params![schedule.tenant.as_str(), KIND, uid])?;
    }
    Ok(())
}

fn fire_one(connection: &Connection, leader: Leader, fire: &Fire) -> Result<Fired, Fault> {
    demand(connection, leader.node)?;
    let owed = get(connection, fire.schedule)?
        .is_some_and(|schedule| schedule.revision == fire.revision && schedule.next_fire_at == Some(fire.expected));
    if leads(connection)? != Some(leader) || !owed {
        return Ok(Fired::Superseded);
    }
    if catalog::version(connection)? != fire.group.matched {
        return Ok(Fired::CatalogMoved);
    }
    let mut wakes = Wakes::default();
    let mut fired = connection.prepare_cached(sql!("schedule/fired"))?;
    for (at, new) in fire.fired.iter().zip(&fire.group.messages) {
        if fired.execute(params![fire.schedule.to_bytes(), at.as_micros()])? == 1 {
            publish::accept_one(connection, new, &mut wakes)?;
        }
    }
    wakes.write(connection)?;
    connection.prepare_cached(sql!("schedule/moved"))?.execute(params![
        fire.schedule.to_bytes(),
        fire.next.map(Timestamp::as_micros),
        fire.fired.last().map(|at| at.as_micros()),
    ])?;
    Ok(Fired::Done)
}
