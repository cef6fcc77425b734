//! The rows, by resource.

mod bounds;
mod deliveries;
mod endpoints;
mod flows;
mod messages;
mod policies;
mod replays;
mod schedules;
mod system;
mod topics;

use super::row::{Row, Step, does};

/// Every row.
pub fn rows() -> Vec<Row> {
    [
        topics::rows(),
        endpoints::rows(),
        policies::rows(),
        messages::rows(),
        deliveries::rows(),
        replays::rows(),
        schedules::rows(),
        system::rows(),
        flows::rows(),
        bounds::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Makes the row's own topic of this name.
fn topic(name: &str) -> Step {
    does("create_topic").body(serde_json::json!({"name": name, "tenant": "$tenant"}))
}

/// Registers an endpoint for the topic `a` that tries once, at the receiver's path that fails.
fn failing() -> Step {
    let settings = serde_json::json!({"url": "$hook/fails", "topics": ["a"], "max_attempts": 1});
    does("create_endpoint").body(settings).keep("endpoint")
}
