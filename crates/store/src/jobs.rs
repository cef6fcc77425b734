//! Long works over history, step by step: replays and erasures. Each step moves the job's cursor in the transaction that
//! does the step's work, so that a job goes on after a crash exactly where it was.

use async_trait::async_trait;
use posthaste_core::id::NodeId;
use posthaste_core::{DeliveryId, EndpointId, MessageId, ReplayId, Tenant, Timestamp};

use crate::Result;
use crate::history::{Page, Slice};
use crate::queue::NewMessage;

/// The most jobs that may run at once.
pub const MAX_RUNNING: u32 = 256;

/// One job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: ReplayId,
    /// What it does.
    pub kind: JobKind,
    /// Whose things it touches; `None`: every tenant's.
    pub tenant: Option<Tenant>,
    /// The endpoint that a replay sends to.
    pub endpoint: Option<EndpointId>,
    /// What exactly it does, as the engine wrote it.
    pub spec: serde_json::Value,
    /// Whether it goes on.
    pub state: JobState,
    /// How far it has come: [`Page::before`] of its next step.
    pub cursor: Option<u128>,
    /// How many things it found to do.
    pub matched: u64,
    /// How many it did.
    pub done: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Sends past messages to an endpoint (again).
    Replay,
    /// Erases messages or deliveries.
    Erase,
}

/// Whether a job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It has further steps.
    Running,
    /// It came to its end.
    Done,
    /// Somebody stopped it.
    Cancelled,
}

impl JobKind {
    /// The number under which both stores keep it.
    pub const fn code(self) -> i16 {
        match self {
            Self::Replay => 1,
            Self::Erase => 2,
        }
    }
    /// The kind with that number.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Replay, Self::Erase].into_iter().find(|kind| kind.code() == code)
    }
}

impl JobState {
    /// The number under which both stores keep it.
    pub const fn code(self) -> i16 {
        match self {
            Self::Running => 1,
            Self::Done => 2,
            Self::Cancelled => 3,
        }
    }
    /// The state with that number.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Running, Self::Done, Self::Cancelled].into_iter().find(|state| state.code() == code)
    }
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Which jobs a list shows.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only this tenant's.
    pub tenant: Option<Tenant>,
    /// Only to this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Only in this state.
    pub state: Option<JobState>,
}

/// One step of a job, done as a whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The cursor that the step was made from; if the job's is another, nothing happens.
    pub from: Option<u128>,
    /// The cursor after it.
    pub to: Option<u128>,
    /// Whether it is the last.
    pub last: bool,
    /// How many things it found to do.
    pub matched: u64,
    /// Deliveries to put back into `due` as [`crate::Queue::retry_delivery`] does; those that cannot be are left.
    pub retry: Vec<DeliveryId>,
    /// Messages to add; all of their targets wait.
    pub publish: Vec<NewMessage>,
    /// Messages to remove with all that hangs on them: payloads, deliveries wherever they are, attempts, captures, uids.
    pub erase_messages: Vec<MessageId>,
    /// Deliveries to remove with their attempts and captures; their targets are blanked in their messages
    /// (an endpoint of 0 bits), so that nothing lists or claims them again.
    pub erase_deliveries: Vec<DeliveryId>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// It is done; so many of its things were (new) work.
    Done(u64),
    /// The job was stopped, or another node has moved it; nothing was written.
    Stopped,
}

/// Making, reading and moving jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Adds a job. An erasure also bumps the catalog's version ([`crate::Changes::erasures`]), so that every node hides
    /// at once what it will erase. [`crate::Conflict::TooManyJobs`] at [`MAX_RUNNING`].
    async fn create_job(&self, job: &Job) -> Result<()>;
    /// One job.
    async fn job(&self, id: ReplayId) -> Result<Option<Job>>;
    /// Jobs, paged by id, newest first.
    async fn jobs(&self, filter: &JobFilter, page: Page) -> Result<Slice<Job>>;
    /// Takes a running job that no other live node works on, and works on it from now on. A node asks only while it works
    /// on none, so one that is its own already is one that it had to leave; it gets those when no other is free.
    async fn claim_job(&self, node: NodeId) -> Result<Option<Job>>;
    /// Does one step, under the node's fence. The last step of an erasure bumps the catalog's version too.
    async fn step_job(&self, node: NodeId, id: ReplayId, step: &Step, now: Timestamp) -> Result<Stepped>;
    /// Stops a running job; one that has ended stays as it is.
    async fn cancel_job(&self, id: ReplayId, now: Timestamp) -> Result<Job>;
}
