//! Endpoints in the catalog: adding, changing, removing, and what each of that does to their lanes.

use posthaste_core::endpoint::{Challenge, SealedSecrets};
use posthaste_core::{Endpoint, EndpointId, EndpointState, Timestamp};
use posthaste_store::{CatalogVersion, Conflict, StoreError};
use rusqlite::{Connection, Row, params};

use crate::accept;
use crate::catalog::{Change, bump};
use crate::fault::Fault;
use crate::lanes;
use crate::rows;

/// The kind of an endpoint's uid.
pub(crate) const KIND: &str = "endpoint";

/// The columns are those of `sql/endpoint/get.sql`.
pub(crate) fn row(row: &Row<'_>) -> Result<Endpoint, Fault> {
    let state: String = row.get(5)?;
    let challenge: Option<String> = row.get(7)?;
    let challenge: Option<Challenge> = challenge.as_deref().map(serde_json::from_str).transpose()?;
    Ok(Endpoint {
        id: rows::id(row, 0)?,
        tenant: rows::tenant(row, 1)?,
        uid: row.get(2)?,
        adhoc: row.get(3)?,
        settings: rows::document(row, 4)?,
        state: EndpointState::from_word(&state).ok_or(Fault::Unreadable("an endpoint's state"))?,
        state_reason: row.get(6)?,
        challenge,
        secrets: SealedSecrets(row.get(8)?),
        revision: row.get(9)?,
        created_at: rows::at(row, 10)?,
        updated_at: rows::at(row, 11)?,
    })
}

pub(crate) fn get(connection: &Connection, id: EndpointId) -> Result<Option<Endpoint>, Fault> {
    let mut statement = connection.prepare_cached(sql!("endpoint/get"))?;
    let mut found = statement.query([id.to_bytes()])?;
    found.next()?.map(row).transpose()
}

pub(crate) fn create(connection: &Connection, endpoint: &Endpoint, adhoc_limit: u32) -> Result<(), Fault> {
    bump(connection, Change::Of(Some(&endpoint.tenant)))?;
    if get(connection, endpoint.id)?.is_some() {
        return Err(Conflict::IdTaken.into());
    }
    if endpoint.adhoc {
        let mut count = connection.prepare_cached(sql!("endpoint/adhoc_count"))?;
        let there: u32 = count.query_row(params![endpoint.tenant.as_str(), adhoc_limit], |row| row.get(0))?;
        if there >= adhoc_limit {
            return Err(Conflict::TooManyAdhoc.into());
        }
    }
    take_uid(connection, endpoint)?;
    let settings = serde_json::to_string(&endpoint.settings)?;
    connection.prepare_cached(sql!("endpoint/insert"))?.execute(params![
        endpoint.id.to_bytes(),
        endpoint.tenant.as_str(),
        endpoint.uid,
        endpoint.adhoc,
        settings,
        endpoint.state.as_str(),
        endpoint.state_reason,
        challenge(endpoint)?,
        endpoint.secrets.0,
        endpoint.revision,
        endpoint.created_at.as_micros(),
        endpoint.updated_at.as_micros(),
    ])?;
    add_revision(connection, endpoint, &settings)
}

pub(crate) fn update(
    connection: &Connection,
    endpoint: &Endpoint,
    checked: Option<CatalogVersion>,
) -> Result<(), Fault> {
    bump(connection, Change::Of(Some(&endpoint.tenant)))?;
    if let Some(version) = checked {
        let mut moved = connection.prepare_cached(sql!("catalog/moved"))?;
        if moved.query_row(params![version.0, endpoint.tenant.as_str()], |row| row.get(0))? {
            return Err(Conflict::RevisionMoved.into());
        }
    }
    let stored = get(connection, endpoint.id)?.ok_or(StoreError::NotFound)?;
    if stored.revision.checked_add(1) != Some(endpoint.revision) {
        return Err(Conflict::RevisionMoved.into());
    }
    if stored.uid != endpoint.uid {
        remove_uid(connection, &stored)?;
        take_uid(connection, endpoint)?;
    }
    let settings = serde_json::to_string(&endpoint.settings)?;
    connection.prepare_cached(sql!("endpoint/update"))?.execute(params![
        endpoint.id.to_bytes(),
        endpoint.uid,
        settings,
        endpoint.state.as_str(),
        endpoint.state_reason,
        challenge(endpoint)?,
        endpoint.secrets.0,
        endpoint.revision,
        endpoint.updated_at.as_micros(),
    ])?;
    add_revision(connection, endpoint, &settings)?;
    if endpoint.state.sends() {
        lanes::wake_all(connection, endpoint.id, endpoint.updated_at)?;
    }
    Ok(())
}

pub(crate) fn delete(connection: &Connection, id: EndpointId, now: Timestamp) -> Result<(), Fault> {
    let stored = get(connection, id)?.ok_or(StoreError::NotFound)?;
    bump(connection, Change::Of(Some(&stored.tenant)))?;
    remove_uid(connection, &stored)?;
    connection.prepare_cached(sql!("endpoint/delete"))?.execute([id.to_bytes()])?;
    connection.prepare_cached(sql!("record/healthy"))?.execute([id.to_bytes()])?;
    // A held lane is not looked at, and what waits in it has to be closed too.
    connection.prepare_cached(sql!("endpoint/unhold"))?.execute([id.to_bytes()])?;
    lanes::wake_all(connection, id, now)
}

fn challenge(endpoint: &Endpoint) -> Result<Option<String>, Fault> {
    Ok(endpoint.challenge.as_ref().map(serde_json::to_string).transpose()?)
}

fn take_uid(connection: &Connection, endpoint: &Endpoint) -> Result<(), Fault> {
    if let Some(uid) = &endpoint.uid
        && !accept::take_uid(connection, endpoint.tenant.as_str(), KIND, uid, endpoint.id.to_bytes())?
    {
        return Err(Conflict::UidTaken.into());
    }
    Ok(())
}

fn remove_uid(connection: &Connection, endpoint: &Endpoint) -> Result<(), Fault> {
    if let Some(uid) = &endpoint.uid {
        let mut remove = connection.prepare_cached(sql!("publish/remove_uid"))?;
        remove.execute(params![endpoint.tenant.as_str(), KIND, uid])?;
    }
    Ok(())
}

fn add_revision(connection: &Connection, endpoint: &Endpoint, settings: &str) -> Result<(), Fault> {
    let mut add = connection.prepare_cached(sql!("endpoint/add_revision"))?;
    add.execute(params![endpoint.id.to_bytes(), endpoint.revision, settings])?;
    Ok(())
}
