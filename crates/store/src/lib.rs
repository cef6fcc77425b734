//! The one boundary between Posthaste's rules and the databases that keep its promises.
//!
//! The traits speak business verbs, each one whole transaction that takes the time as an argument. No transaction type
//! crosses this boundary, no SQL type either. They are split by reason to change: [`Catalog`] writes what people
//! configure and [`Directory`] reads it; [`Queue`] moves deliveries from acceptance to their end; [`Coordination`] says
//! who may; [`History`] shows what happened and [`Relations`] what the items of a list refer to; [`Jobs`] are long works
//! over history, [`Schedules`] publish by the clock, [`Outbox`] is what applications left in their own transactions, and
//! [`Retention`] lets go of what is old.
//!
//! **Where is a delivery?** In `due` if it has a row there; else succeeded if an attempt of it succeeded; else ended if
//! `closed` has it; else in its batch, as long as that exists. Every verb keeps that rule single-valued: each delivery
//! of a committed message is in exactly one place at every instant that a transaction can see.

pub mod catalog;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod coordination;
pub mod error;
pub mod history;
pub mod jobs;
pub mod outbox;
pub mod queue;
pub mod relations;
pub mod retention;
pub mod schedules;

pub use catalog::{Catalog, CatalogVersion, Changes, Directory, TenantCatalog};
pub use coordination::{Beat, Coordination, Joined, NodeInfo, Peer, ShardSet};
pub use error::{Conflict, StoreError};
pub use history::{History, Page, Slice};
pub use jobs::Jobs;
pub use outbox::Outbox;
pub use queue::{Accepted, Claimed, Flush, Follow, Group, Health, NewMessage, Published, Queue, Recorded, Settled};
pub use relations::Relations;
pub use retention::Retention;
pub use schedules::Schedules;

/// The result of every verb.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A whole store: what the engine is built on.
pub trait Store:
    Catalog + Directory + Queue + Coordination + History + Relations + Jobs + Schedules + Outbox + Retention
{
}
impl<S> Store for S where
    S: Catalog + Directory + Queue + Coordination + History + Relations + Jobs + Schedules + Outbox + Retention
{
}
