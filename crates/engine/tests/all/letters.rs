//! What a delivery leaves behind when it fails for good.

use posthaste_core::{DeliveryStatus, Origin};
use posthaste_testkit::{Answer, Receiver};
use serde_json::{Value, json};

use crate::site::Site;

#[tokio::test]
async fn a_dead_letter_goes_to_its_endpoint_and_on_from_there() {
    let site = Site::start().await;
    let (bad, worse, last) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    bad.answer(Answer::status(500));
    worse.answer(Answer::status(500));
    let end = site.endpoint(&last.url("/"), json!({"topics": []})).await;
    let middle = site
        .endpoint(&worse.url("/"), json!({"topics": [], "max_attempts": 1, "dead_letter_endpoint_id": end.id}))
        .await;
    let begin = site.endpoint(&bad.url("/"), json!({"max_attempts": 1, "dead_letter_endpoint_id": middle.id})).await;
    let draft = json!({"topic": "t", "payload": {"n": 1}, "metadata": {"who": "me"}, "headers": {"x-a": "b"}});
    let id = site.publish_as(draft).await.id.delivery(1);
    let letter = last.wait_for(1).await.remove(0);
    assert_eq!(letter.body, r#"{"n":1}"#);
    assert_eq!(letter.header("x-a"), "b");
    let message = site.engine.message(&site.admin, None, letter.header("webhook-id")).await.unwrap().message;
    assert!(matches!(message.extras.origin, Origin::DeadLetter { .. }));
    assert_eq!(message.extras.metadata["who"], "me");
    assert_eq!(site.delivery(id).await.delivery.status(), DeliveryStatus::Failed);
    // Retried and failed again it does not leave a second one.
    site.engine.retry_delivery(&site.admin, &id.to_string()).await.unwrap();
    bad.wait_for(2).await;
    site.until_status(id, DeliveryStatus::Failed).await;
    site.publish(json!("next")).await;
    let letters = last.wait_for(2).await;
    assert_eq!(letters[1].body, r#""next""#);
    // A chain may not come back to where it began.
    for (from, to) in [(&end, &begin), (&begin, &begin), (&middle, &begin)] {
        let patch = json!({"dead_letter_endpoint_id": to.id});
        let refused = site.engine.update_endpoint(&site.admin, None, &from.id.to_string(), patch, None).await;
        assert!(refused.unwrap_err().to_string().contains("circle"));
    }
}

#[tokio::test]
async fn whoever_listens_is_told_that_a_delivery_failed_and_nobody_that_the_telling_did() {
    let site = Site::start().await;
    let (bad, listener) = (Receiver::start().await, Receiver::start().await);
    bad.answer(Answer::status(500));
    listener.answer(Answer::status(500));
    site.endpoint(&bad.url("/"), json!({"max_attempts": 1})).await;
    let members = json!({"topics": ["posthaste.delivery.failed"], "max_attempts": 1});
    site.endpoint(&listener.url("/"), members).await;
    let ids = [site.publish(json!(1)).await.id.delivery(1), site.publish(json!(2)).await.id.delivery(1)];
    for event in listener.wait_for(2).await {
        let told: Value = serde_json::from_slice(&event.body).unwrap();
        assert_eq!(told["type"], "posthaste.delivery.failed");
        assert_eq!((&told["reason"], &told["last_status_code"]), (&json!("attempts_exhausted"), &json!(500)));
        assert!(ids.iter().any(|id| told["delivery_id"] == json!(id)));
    }
    assert_eq!(listener.received().len(), 2);
}
