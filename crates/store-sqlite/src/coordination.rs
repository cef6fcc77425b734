//! Being the node: with SQLite there is one, and a start owns everything at once.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use posthaste_core::Timestamp;
use posthaste_core::id::NodeId;
use posthaste_core::schedule::SCHEDULE_NODE;
use posthaste_store::{Beat, CatalogVersion, Coordination, Joined, NodeInfo, Peer, Result, StoreError};
use rusqlite::{Connection, params};

use crate::fault::Fault;
use crate::{SqliteStore, catalog, rows};

/// How long an idempotency key holds at the least.
const KEYS_KEPT: Duration = Duration::from_hours(24);
/// How many changes the catalog's log remembers.
const LOG_KEPT: i64 = 10_000;

/// The database's clock, which with SQLite is the machine's.
#[expect(clippy::disallowed_methods, reason = "the database's clock is read here, and only here")]
pub(crate) fn clock() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

/// Whether this node is still there. Every owner's transaction asks first.
pub(crate) fn fence(connection: &Connection, node: NodeId) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(sql!("fence"))?.exists([node.to_bytes()])?)
}

/// [`StoreError::LeaseLost`] unless this node is still there.
pub(crate) fn demand(connection: &Connection, node: NodeId) -> Result<(), Fault> {
    if fence(connection, node)? { Ok(()) } else { Err(StoreError::LeaseLost.into()) }
}

#[async_trait]
impl Coordination for SqliteStore {
    async fn join(&self, info: &NodeInfo) -> Result<Joined> {
        let info = info.clone();
        self.write(move |connection| join(connection, &info)).await
    }

    async fn beat(&self, node: NodeId, applied: CatalogVersion) -> Result<Beat> {
        self.write(move |connection| {
            let now = clock();
            let mut beat = connection.prepare_cached(sql!("node/beat"))?;
            if beat.execute(params![node.to_bytes(), now.as_micros(), applied.0])? == 0 {
                return Err(StoreError::LeaseLost.into());
            }
            Ok(Beat { now, catalog: catalog::version(connection)? })
        })
        .await
    }

    async fn peers(&self) -> Result<Vec<Peer>> {
        self.read(peers).await
    }

    async fn take_over(&self, node: NodeId, beat: i64) -> Result<bool> {
        self.write(move |connection| {
            Ok(connection.prepare_cached(sql!("node/take_over"))?.execute(params![node.to_bytes(), beat])? == 1)
        })
        .await
    }

    async fn leave(&self, node: NodeId) -> Result<()> {
        self.write(move |connection| {
            connection.prepare_cached(sql!("node/leave"))?.execute([node.to_bytes()])?;
            Ok(())
        })
        .await
    }

    async fn claim_shards(&self, node: NodeId, limit: u32, now: Timestamp) -> Result<Vec<u8>> {
        self.write(move |connection| claim_shards(connection, node, limit, now)).await
    }

    async fn release_shards(&self, node: NodeId, shards: &[u8]) -> Result<()> {
        let shards = shards.to_vec();
        self.write(move |connection| {
            let mut release = connection.prepare_cached(sql!("shard/release"))?;
            for shard in shards {
                release.execute(params![shard, node.to_bytes()])?;
            }
            Ok(())
        })
        .await
    }

    async fn maintain(&self, now: Timestamp) -> Result<()> {
        self.write(move |connection| {
            rotate_keys(connection, now)?;
            trim_log(connection)
        })
        .await
    }
}

fn join(connection: &Connection, info: &NodeInfo) -> Result<Joined, Fault> {
    let now = clock();
    // The lock file says that no other process is there, so whatever node is left has died.
    connection.prepare_cached(sql!("node/join_others"))?.execute([])?;
    connection.prepare_cached(sql!("node/free_shards"))?.execute([])?;
    let start: i64 = connection.prepare_cached(sql!("node/number"))?.query_row([], |row| row.get(0))?;
    let node = NodeId::random(now, u128::from(start.unsigned_abs()));
    // Schedules and the outbox have the two numbers above.
    let number = u16::try_from(start.rem_euclid(i64::from(SCHEDULE_NODE))).unwrap_or(0);
    let roles = serde_json::to_string(&info.roles)?;
    connection.prepare_cached(sql!("node/insert"))?.execute(params![
        node.to_bytes(),
        number,
        info.version,
        roles,
        now.as_micros()
    ])?;
    Ok(Joined { node, number, now })
}

fn peers(connection: &Connection) -> Result<Vec<Peer>, Fault> {
    let mut statement = connection.prepare_cached(sql!("node/peers"))?;
    let mut found = statement.query([])?;
    let mut peers = Vec::new();
    while let Some(row) = found.next()? {
        peers.push(Peer {
            node: rows::id(row, 0)?,
            number: row.get(1)?,
            beat: row.get(2)?,
            heartbeat_at: rows::at(row, 3)?,
            applied: CatalogVersion(row.get(4)?),
            shards: row.get(7)?,
            info: NodeInfo { version: row.get(5)?, roles: rows::document(row, 6)? },
        });
    }
    Ok(peers)
}

fn claim_shards(connection: &Connection, node: NodeId, limit: u32, now: Timestamp) -> Result<Vec<u8>, Fault> {
    demand(connection, node)?;
    let mut statement = connection.prepare_cached(sql!("shard/claim"))?;
    let mut taken: Vec<u8> =
        statement.query_map(params![node.to_bytes(), limit], |row| row.get(0))?.collect::<Result<_, _>>()?;
    taken.sort_unstable();
    let mut wake = connection.prepare_cached(sql!("shard/wake"))?;
    for shard in &taken {
        wake.execute(params![shard, now.as_micros()])?;
    }
    Ok(taken)
}

/// Empties the older generation of keys and begins it anew, once the younger is as old as a key has to hold.
fn rotate_keys(connection: &Connection, now: Timestamp) -> Result<(), Fault> {
    let (current, since): (i64, i64) =
        connection.prepare_cached(sql!("maintain/generation"))?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let since = Timestamp::from_micros(since);
    if now.since(since) < KEYS_KEPT {
        return Ok(());
    }
    let (older, empty) = if current == 0 { (1, sql!("maintain/empty_1")) } else { (0, sql!("maintain/empty_0")) };
    connection.prepare_cached(empty)?.execute([])?;
    connection.prepare_cached(sql!("maintain/rotate"))?.execute(params![older, now.as_micros()])?;
    Ok(())
}

fn trim_log(connection: &Connection) -> Result<(), Fault> {
    let mut floor = connection.prepare_cached(sql!("maintain/log_floor"))?;
    let floor: i64 = floor.query_row([LOG_KEPT], |row| row.get(0))?;
    connection.prepare_cached(sql!("maintain/trim_log"))?.execute([floor])?;
    Ok(())
}
