//! Messages that expire while their endpoint is stopped.

use std::time::{Duration, UNIX_EPOCH};

use posthaste_core::delivery::CloseReason;
use posthaste_core::{DeliveryStatus, Timestamp};
use posthaste_testkit::{Answer, Cluster, Receiver};
use serde_json::json;

use crate::fleet::node;
use crate::site::{Site, reason};

#[expect(clippy::disallowed_methods, reason = "a caller's own clock, as it writes an expiry")]
fn soon() -> String {
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (Timestamp::from_system(UNIX_EPOCH + now) + Duration::from_millis(700)).to_string()
}

/// Nobody looks at them, and they end all the same: what waited for a retry before the pause, and what came after it;
/// with an order and without.
async fn deliveries_of_a_stopped_endpoint_end_when_they_expire(site: &Site) {
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(500));
    let (mut end, mut stay) = (Vec::new(), Vec::new());
    for ordering in ["none", "fifo"] {
        let slow = json!({"schedule_seconds": [600], "jitter": 0});
        let members = json!({"topics": [], "ordering": ordering, "retry": slow});
        let endpoint = site.endpoint(&receiver.url("/"), members).await;
        let to_it = json!({"endpoint_ids": [endpoint.id], "payload": 1});
        let mut expiring = to_it.clone();
        expiring["expires_at"] = json!(soon());
        let tried = site.publish_as(expiring.clone()).await.id.delivery(1);
        site.until(tried, "tried", |detail| detail.outline().attempts == 1).await;
        site.engine.pause_endpoint(&site.admin, None, &endpoint.id.to_string(), None).await.unwrap();
        expiring["expires_at"] = json!(soon());
        end.extend([tried, site.publish_as(expiring).await.id.delivery(1)]);
        stay.push(site.publish_as(to_it).await.id.delivery(1));
    }
    for id in end {
        let ended = site.until_status(id, DeliveryStatus::Cancelled).await;
        assert_eq!(reason(&ended), Some(CloseReason::Expired));
    }
    for id in stay {
        assert_eq!(site.delivery(id).await.delivery.status(), DeliveryStatus::Pending);
    }
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn deliveries_of_a_stopped_endpoint_end_when_they_expire_on_sqlite() {
    deliveries_of_a_stopped_endpoint_end_when_they_expire(&Site::start().await).await;
}

#[tokio::test]
async fn deliveries_of_a_stopped_endpoint_end_when_they_expire_on_postgresql() {
    let database = Cluster::shared().await.database().await;
    deliveries_of_a_stopped_endpoint_end_when_they_expire(&node(&database).await).await;
}
