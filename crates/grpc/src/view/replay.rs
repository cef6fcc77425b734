//! A replay as a message.

use posthaste_engine::replays::Replay;

use crate::enums::Numbered as _;
use crate::{instant, proto};

/// A replay.
pub fn replay(replay: Replay) -> proto::Replay {
    let Replay { job, filter } = replay;
    proto::Replay {
        id: job.id.to_string(),
        endpoint_id: job.endpoint.map(|id| id.to_string()),
        filter: Some(proto::ReplayFilter {
            since: filter.since.map(instant::show),
            until: Some(instant::show(filter.until)),
            status: filter.status.number(),
            dry_run: filter.dry_run,
        }),
        state: job.state.number(),
        matched: job.matched,
        sent: job.done,
        created_at: Some(instant::show(job.created_at)),
    }
}
