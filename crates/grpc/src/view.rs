//! The engine's things as messages.

mod attempt;
mod delivery;
mod endpoint;
mod key;
mod message;
mod replay;
mod schedule;
mod stats;
mod topic;

use posthaste_engine::ingest::Receipt;

pub use attempt::attempt;
pub use delivery::delivery;
pub use endpoint::{endpoint, secret};
pub use key::key;
pub use message::{full_message, message};
pub use replay::replay;
pub use schedule::schedule;
pub use stats::{endpoint_stats, erasure, stats};
pub use topic::topic;

use crate::{instant, proto};

/// The answer to a publish.
pub fn receipt(receipt: Receipt) -> proto::Receipt {
    let Receipt { id, tenant, topic, deliveries, duplicate } = receipt;
    proto::Receipt {
        id: id.to_string(),
        tenant: tenant.into(),
        topic: topic.map(Into::into),
        deliveries,
        duplicate,
        created_at: Some(instant::show(id.timestamp())),
    }
}
