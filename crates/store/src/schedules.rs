//! Schedules, and the one node that fires them.

use async_trait::async_trait;
use posthaste_core::id::NodeId;
use posthaste_core::{Schedule, ScheduleId, Tenant, Timestamp};

use crate::Result;
use crate::history::{Page, Slice};
use crate::queue::Group;

/// Counts the leaders there have been: what a former one still does is refused by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub i64);

/// Who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leader {
    /// The node.
    pub node: NodeId,
    /// Its term.
    pub term: Term,
}

/// Which schedules a list shows.
#[derive(Debug, Clone, Default)]
pub struct ScheduleFilter {
    /// Only this tenant's.
    pub tenant: Option<Tenant>,
}

/// One firing: the messages for the due times that are owed, and when the schedule is due next.
#[derive(Debug, Clone)]
pub struct Fire {
    /// Which schedule.
    pub schedule: ScheduleId,
    /// The revision that was fired; if it changed since, nothing happens.
    pub revision: u32,
    /// The [`Schedule::next_fire_at`] that was owed; if it moved since, nothing happens.
    pub expected: Timestamp,
    /// The due times fired for, in the order of the group's messages; may be empty (skipped). One message has one.
    pub fired: Vec<Timestamp>,
    /// Their messages; all targets wait.
    pub group: Group,
    /// When it is due next.
    pub next: Option<Timestamp>,
}

/// How a firing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fired {
    /// Committed.
    Done,
    /// The schedule changed, was fired already, is gone, or somebody else leads; nothing was written.
    Superseded,
    /// The catalog moved since the match; nothing was written. Match again.
    CatalogMoved,
}

/// Schedules, and leadership.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// Adds a schedule and gives it its number; [`crate::Conflict::UidTaken`].
    async fn create_schedule(&self, schedule: &Schedule) -> Result<Schedule>;
    /// Replaces a schedule; [`crate::Conflict::RevisionMoved`] unless the stored revision is `schedule.revision - 1`.
    async fn update_schedule(&self, schedule: &Schedule) -> Result<()>;
    /// Removes a schedule.
    async fn delete_schedule(&self, id: ScheduleId) -> Result<()>;
    /// One schedule.
    async fn schedule(&self, id: ScheduleId) -> Result<Option<Schedule>>;
    /// The schedule with the caller's own id.
    async fn schedule_by_uid(&self, tenant: &Tenant, uid: &str) -> Result<Option<Schedule>>;
    /// Schedules, paged by id, newest first.
    async fn schedules(&self, filter: &ScheduleFilter, page: Page) -> Result<Slice<Schedule>>;
    /// Schedules that are due by `now`, the longest owed first.
    async fn due_schedules(&self, now: Timestamp, limit: u32) -> Result<Vec<Schedule>>;
    /// When the next one is due.
    async fn next_due(&self) -> Result<Option<Timestamp>>;
    /// Commits a firing, fenced by the node and the term; a due time that has fired already is not fired again (unique
    /// by schedule and due time).
    async fn fire(&self, leader: Leader, fire: &Fire) -> Result<Fired>;

    /// Becomes or stays the leader if no other live node is; answers who leads now. A new leader has a new term.
    async fn elect(&self, node: NodeId) -> Result<Leader>;
    /// Who leads, if anybody does.
    async fn leader(&self) -> Result<Option<Leader>>;
    /// Stops leading, so that another may at once.
    async fn resign(&self, leader: Leader) -> Result<()>;
}
