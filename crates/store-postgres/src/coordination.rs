//! [`Coordination`]: nodes, beats, shards.

use async_trait::async_trait;
use posthaste_core::Timestamp;
use posthaste_core::id::NodeId;
use posthaste_store::{Beat, CatalogVersion, Coordination, Joined, NodeInfo, Peer, Result, StoreError};

use crate::PostgresStore;
use crate::fault::{broken_constraint, classify};
use crate::param::Uuid;
use crate::partitions;
use crate::rows::get;
use crate::session::Call;

/// How many numbers are tried; each collision is a node that has lived for a thousand starts.
const NUMBERS_TRIED: u32 = 1_022;

#[async_trait]
impl Coordination for PostgresStore {
    async fn join(&self, info: &NodeInfo) -> Result<Joined> {
        let session = self.beating.take().await?;
        let roles: Vec<&str> = info.roles.iter().map(String::as_str).collect();
        for _ in 0..NUMBERS_TRIED {
            match session.attempt(include_str!("../sql/join.sql"), &[&info.version, &roles]).await? {
                Ok(rows) => {
                    let row = rows.first().ok_or_else(|| StoreError::internal("a node was not inserted"))?;
                    return Ok(Joined {
                        node: get::<Uuid>(row, 0)?.id(),
                        number: u16::try_from(get::<i16>(row, 1)?).unwrap_or(0),
                        now: Timestamp::from_micros(get(row, 2)?),
                    });
                }
                Err(error) if broken_constraint(&error) == Some("node_number_key") => {}
                Err(error) => return Err(classify(error)),
            }
        }
        Err(StoreError::internal("every node number is in use"))
    }

    async fn beat(&self, node: NodeId, applied: CatalogVersion) -> Result<Beat> {
        let session = self.beating.take().await?;
        let rows = session.query(include_str!("../sql/beat.sql"), &[&Uuid::from(node), &applied.0]).await?;
        let row = rows.first().ok_or(StoreError::LeaseLost)?;
        Ok(Beat { now: Timestamp::from_micros(get(row, 0)?), catalog: CatalogVersion(get(row, 1)?) })
    }

    async fn peers(&self) -> Result<Vec<Peer>> {
        let session = self.beating.take().await?;
        let rows = session.query(include_str!("../sql/peers.sql"), &[]).await?;
        rows.iter()
            .map(|row| {
                Ok(Peer {
                    node: get::<Uuid>(row, 0)?.id(),
                    number: u16::try_from(get::<i16>(row, 1)?).unwrap_or(0),
                    beat: get(row, 2)?,
                    heartbeat_at: Timestamp::from_micros(get(row, 3)?),
                    applied: CatalogVersion(get(row, 4)?),
                    shards: u32::try_from(get::<i64>(row, 5)?).unwrap_or(0),
                    info: NodeInfo { version: get(row, 6)?, roles: get(row, 7)? },
                })
            })
            .collect()
    }

    async fn take_over(&self, node: NodeId, beat: i64) -> Result<bool> {
        let session = self.beating.take().await?;
        let node = Uuid::from(node);
        // Each a statement of its own: the beat is read after the lock was won, and not before.
        session.open("", vec![Call::Query("SELECT FROM posthaste.node WHERE id = $1 FOR UPDATE", vec![&node])]).await?;
        let rows = session.query("SELECT beat FROM posthaste.beat WHERE node = $1", &[&node]).await?;
        if rows.first().map(|row| get::<i64>(row, 0)).transpose()? != Some(beat) {
            session.roll_back().await?;
            return Ok(false);
        }
        session.commit(removal(&node)).await?;
        Ok(true)
    }

    async fn leave(&self, node: NodeId) -> Result<()> {
        let session = self.beating.take().await?;
        let node = Uuid::from(node);
        session.open("", removal(&node)).await?;
        session.commit(Vec::new()).await.map(|_| ())
    }

    async fn claim_shards(&self, node: NodeId, limit: u32, now: Timestamp) -> Result<Vec<u8>> {
        let session = self.working.take().await?;
        let (node, limit) = (Uuid::from(node), i64::from(limit));
        let answers = session
            .open(
                "",
                vec![
                    Call::Query(include_str!("../sql/fence.sql"), vec![&node]),
                    Call::Query(include_str!("../sql/lock_shards.sql"), vec![&limit]),
                ],
            )
            .await?;
        let [fence, free] = answers.as_slice() else {
            return Err(StoreError::internal("a pipeline was not answered whole"));
        };
        if fence.is_empty() {
            session.roll_back().await?;
            return Err(StoreError::LeaseLost);
        }
        let free: Vec<i16> = free.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
        let taken = session.query(include_str!("../sql/claim_shards.sql"), &[&node, &free]).await?;
        let taken: Vec<i16> = taken.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
        let now = now.as_micros();
        session.commit(vec![Call::Query(include_str!("../sql/wake_shards.sql"), vec![&taken, &now])]).await?;
        Ok(taken.into_iter().filter_map(|shard| u8::try_from(shard).ok()).collect())
    }

    async fn release_shards(&self, node: NodeId, shards: &[u8]) -> Result<()> {
        let session = self.working.take().await?;
        let shards: Vec<i16> = shards.iter().copied().map(i16::from).collect();
        let sql = "UPDATE posthaste.shard SET node = NULL WHERE shard = ANY ($1) AND node = $2";
        session.query(sql, &[&shards, &Uuid::from(node)]).await?;
        Ok(())
    }

    async fn maintain(&self, now: Timestamp) -> Result<()> {
        partitions::ahead(self, now).await?;
        partitions::rotate_keys(self, now).await?;
        let session = self.working.take().await?;
        session.query(include_str!("../sql/trim_catalog_log.sql"), &[]).await?;
        Ok(())
    }
}

/// The fence goes first: whoever waits for it in share finds nothing.
fn removal(node: &Uuid) -> Vec<Call<'_>> {
    vec![
        Call::Query("DELETE FROM posthaste.node WHERE id = $1", vec![node]),
        Call::Query("DELETE FROM posthaste.beat WHERE node = $1", vec![node]),
        Call::Query("UPDATE posthaste.leader SET node = NULL WHERE node = $1", vec![node]),
    ]
}
