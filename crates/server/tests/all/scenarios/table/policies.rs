//! Every setting of an endpoint, there and back.

use serde_json::json;

use super::topic;
use crate::scenarios::row::{Row, does, row};

pub fn rows() -> Vec<Row> {
    vec![
        row(
            "defaults are the same wherever an endpoint comes from",
            [does("create_endpoint").body(json!({"url": "$hook", "topics": []})).answers(json!({
                "method": "POST", "body_format": "raw", "signature_styles": ["standard"], "max_attempts": null,
                "timeout_seconds": 20, "retry_after": "obey", "max_in_flight": 64, "ordering": "none",
                "fifo_on_failed": "continue", "guarantee": "at_least_once", "settings": "current", "verification": "none",
                "disable_after_seconds": 432_000, "require_empty_response": false, "rate_limit": null,
                "retry": {
                    "schedule_seconds": [5, 300, 1800, 7200, 18000, 36000, 36000], "min_backoff_seconds": 5,
                    "max_backoff_seconds": 36000, "factor": 2, "jitter": 0.2,
                },
            }))],
        ),
        row(
            "every setting is kept as it was given",
            [
                topic("a"),
                does("create_endpoint").body(json!({"url": "$hook", "topics": []})).keep("dead"),
                does("create_endpoint")
                    .body(json!({
                        "url": "$hook", "topics": ["a", "b.*", "*"], "content_type": "application/x", "body_format": "cloudevents_binary",
                        "signature_styles": ["standard_ed25519", "github", "stripe", "postmand"], "max_attempts": 7,
                        "give_up_after_seconds": 90.5, "timeout_seconds": 1.25,
                        "retry": {"schedule_seconds": [0.5, 2], "jitter": 0},
                        "retry_after": "ignore", "success_codes": [200, 404], "require_empty_response": true,
                        "rate_limit": {"per_second": 2.5, "burst": 3}, "max_in_flight": 2, "ordering": "fifo",
                        "fifo_on_failed": "hold", "guarantee": "at_most_once", "settings": "at_publish",
                        "dead_letter_endpoint_id": "$dead.id", "disable_after_seconds": 60,
                    }))
                    .answers(json!({
                        "body_format": "cloudevents_binary", "retry": {"schedule_seconds": [0.5, 2]},
                        "signature_styles": ["standard_ed25519", "github", "stripe", "postmand"],
                        "rate_limit": {"per_second": 2.5, "burst": 3}, "dead_letter_endpoint_id": "$dead.id",
                    }))
                    .keep("endpoint"),
                does("update_endpoint")
                    .id("$endpoint.id")
                    .body(json!({
                        "content_type": null, "signature_styles": [], "max_attempts": null, "give_up_after_seconds": null,
                        "retry": {"schedule_seconds": null, "factor": 3}, "success_codes": null, "rate_limit": null,
                        "dead_letter_endpoint_id": null, "disable_after_seconds": null, "ordering": "none",
                    }))
                    .answers(json!({
                        "content_type": null, "max_attempts": null, "give_up_after_seconds": null, "rate_limit": null,
                        "retry": {"schedule_seconds": null, "factor": 3, "jitter": 0}, "ordering": "none",
                        "dead_letter_endpoint_id": null, "disable_after_seconds": null,
                    })),
            ],
        ),
    ]
}
