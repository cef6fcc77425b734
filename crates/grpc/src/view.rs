//! The engine's things as messages.

mod attempt;
mod delivery;
mod endpoint;
mod message;
mod replay;
mod schedule;
mod topic;

use posthaste_engine::ingest::Receipt;

pub use attempt::attempt;
pub use delivery::delivery;
pub use endpoint::{endpoint, secret};
pub use message::{full_message, message};
pub use replay::replay;
pub use schedule::schedule;
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
