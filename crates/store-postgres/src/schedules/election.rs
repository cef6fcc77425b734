//! Who leads: one row, whose term counts the leaders there have been.

use posthaste_core::id::NodeId;
use posthaste_store::schedules::{Leader, Term};
use posthaste_store::{Result, StoreError};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::param::Uuid;
use crate::rows::get;
use crate::session::Call;

fn leader(row: &Row) -> Result<Leader> {
    Ok(Leader { node: get::<Uuid>(row, 0)?.id(), term: Term(get(row, 1)?) })
}

impl PostgresStore {
    pub(super) async fn elect_leader(&self, node: NodeId) -> Result<Leader> {
        let session = self.working.take().await?;
        let node = Uuid::from(node);
        let answers = session
            .open(
                "",
                vec![
                    Call::Query(include_str!("../../sql/fence.sql"), vec![&node]),
                    Call::Query("SELECT FROM posthaste.leader FOR UPDATE", Vec::new()),
                    Call::Query(include_str!("../../sql/elect.sql"), vec![&node]),
                    Call::Query("SELECT node, term FROM posthaste.leader WHERE node IS NOT NULL", Vec::new()),
                ],
            )
            .await?;
        let [fence, _, _, leads] = answers.as_slice() else {
            return Err(StoreError::internal("a pipeline was not answered whole"));
        };
        if fence.is_empty() {
            session.roll_back().await?;
            return Err(StoreError::LeaseLost);
        }
        session.commit(Vec::new()).await?;
        leads.first().map_or(Err(StoreError::LeaseLost), leader)
    }

    pub(super) async fn present_leader(&self) -> Result<Option<Leader>> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../../sql/leader.sql"), &[]).await?;
        rows.first().map(leader).transpose()
    }

    pub(super) async fn resign_leader(&self, leader: Leader) -> Result<()> {
        let session = self.working.take().await?;
        let sql = "UPDATE posthaste.leader SET node = NULL WHERE node = $1 AND term = $2";
        session.query(sql, &[&Uuid::from(leader.node), &leader.term.0]).await?;
        Ok(())
    }
}
