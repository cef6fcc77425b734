//! At most once: a waiting delivery is marked in the database before it is sent, so that whoever finds the mark after a
//! crash knows that it may have been. Marks are gathered while one commit is under way, and written together.
//!
//! What came with a batch needs no mark: that the batch is this node's says the same.

use std::collections::HashMap;
use std::time::Duration;

use posthaste_core::endpoint::Guarantee;
use posthaste_core::id::NodeId;
use posthaste_core::{DeliveryId, EndpointId};
use posthaste_store::StoreError;
use posthaste_store::queue::From;
use tokio::sync::{mpsc, oneshot};

use crate::Engine;
use crate::catalog::EndpointView;
use crate::dispatch::job::Job;
use crate::lease::Fence;

/// The most marks of one commit.
const MOST: usize = 500;

/// Whether a delivery may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// It may.
    Yes,
    /// Its row is gone: somebody ended it.
    Gone,
    /// This node's lease is gone.
    Lost,
}

/// Asks for one mark.
#[derive(Debug)]
pub struct Request {
    node: NodeId,
    row: (EndpointId, DeliveryId),
    reply: oneshot::Sender<Marked>,
}

/// Where marks are asked for.
#[derive(Debug)]
pub struct Marker(mpsc::Sender<Request>);

impl Marker {
    /// The marker's two ends.
    pub fn channel() -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(MOST);
        (Self(sender), receiver)
    }
}

/// Marks a job, if its endpoint wants nothing twice and it waits in `due`.
pub async fn if_asked(engine: &Engine, job: &Job, view: &EndpointView, fence: Fence) -> Marked {
    if view.endpoint.settings.guarantee == Guarantee::AtLeastOnce || matches!(job.from, From::Batch(_)) {
        return Marked::Yes;
    }
    let (reply, answer) = oneshot::channel();
    let request = Request { node: fence.node, row: (job.endpoint, job.delivery), reply };
    if engine.0.mark.0.send(request).await.is_err() {
        return Marked::Lost;
    }
    answer.await.unwrap_or(Marked::Lost)
}

/// Writes marks until the engine has stopped.
pub async fn run(engine: Engine, mut requests: mpsc::Receiver<Request>) {
    let mut gathered = Vec::new();
    loop {
        tokio::select! {
            _ = requests.recv_many(&mut gathered, MOST) => {}
            () = engine.0.stop_now.cancelled() => return,
        }
        let mut by_node: HashMap<NodeId, Vec<Request>> = HashMap::new();
        for request in gathered.drain(..) {
            by_node.entry(request.node).or_default().push(request);
        }
        for (node, requests) in by_node {
            let rows: Vec<_> = requests.iter().map(|request| request.row).collect();
            let marked = write(&engine, node, &rows).await;
            for request in requests {
                let answer = match &marked {
                    Some(marked) if marked.contains(&request.row.1) => Marked::Yes,
                    Some(_) => Marked::Gone,
                    None => Marked::Lost,
                };
                // Whoever asked may be gone with its exchange.
                let _ = request.reply.send(answer);
            }
        }
    }
}

/// Those of the rows that were there; `None` once the lease is lost, or the engine gives up.
async fn write(
    engine: &Engine,
    node: NodeId,
    rows: &[(EndpointId, DeliveryId)],
) -> Option<std::collections::HashSet<DeliveryId>> {
    let mut pause = Duration::from_millis(10);
    loop {
        match engine.0.store.mark_sending(node, rows).await {
            Ok(marked) => return Some(marked.into_iter().collect()),
            Err(StoreError::LeaseLost) => {
                engine.lease_lost(node);
                return None;
            }
            // A mark whose reply was lost is written again; it is the same mark.
            Err(error) => {
                tracing::warn!(%error, "deliveries could not be marked; trying again");
                let held = engine.0.lease.fence().is_some_and(|fence| fence.node == node);
                if !held || engine.0.stop_now.is_cancelled() {
                    return None;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}
