//! Erasures side by side: each hides what it takes from the moment that it answers, whatever others begin or end.

use futures_util::future::join_all;
use posthaste_engine::EngineError;
use posthaste_store::Page;
use posthaste_store::history::{DeliveryFilter, MessageFilter};
use posthaste_testkit::Receiver;
use serde_json::json;

use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_many_erasures_at_once_hides_its_own_from_its_answer_on() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    site.endpoint(&receiver.url("/"), json!({})).await;
    let one = async |number: usize| {
        let message = json!({
            "topic": "t", "payload": number, "uid": number.to_string(), "metadata": {"n": number.to_string()}, "delay_seconds": 600,
        });
        let id = site.publish_as(message).await.id;
        let scope = if number.is_multiple_of(2) {
            json!({"message_id": id})
        } else {
            json!({"metadata": {"n": number.to_string()}})
        };
        // So many may run at once; the next takes the place of one that has ended.
        while let Err(error) = site.engine.start_erasure(&site.admin, scope.clone()).await {
            assert_eq!(error.code(), "too_many_jobs");
            tokio::task::yield_now().await;
        }
        for name in [id.to_string(), format!("uid:{number}")] {
            let found = site.engine.message(&site.admin, None, &name).await;
            assert!(matches!(found, Err(EngineError::NotFound(_))), "{name}: {found:?}");
        }
        let filter = DeliveryFilter { message: Some(id), ..DeliveryFilter::default() };
        let deliveries = site.engine.deliveries(&site.admin, filter, Page::first(10)).await.unwrap();
        assert!(deliveries.items.is_empty(), "{:?}", deliveries.items);
        let listed = site.engine.messages_with_uid(&site.admin, MessageFilter::default(), &number.to_string()).await;
        assert!(listed.unwrap().items.is_empty());
    };
    for round in 0..40 {
        join_all((0..8).map(|number| one(round * 8 + number))).await;
    }
}
