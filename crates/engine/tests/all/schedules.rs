//! Schedules fire once for each due time, whoever leads and whoever dies.

use std::collections::BTreeSet;

use posthaste_core::message::Origin;
use posthaste_engine::EngineError;
use posthaste_store::Page;
use posthaste_store::history::MessageFilter;
use posthaste_testkit::{Cluster, Receiver};
use serde_json::json;

use crate::fleet::{Mortal, node};
use crate::site::Site;

/// The due times, in seconds, of all messages that schedules published; each as often as it was published for.
async fn fired(site: &Site) -> Vec<i64> {
    let page = site.engine.messages(&site.admin, MessageFilter::default(), Page::first(250)).await.unwrap();
    let fired = page.items.iter().filter_map(|message| match message.extras.origin {
        Origin::Schedule { fire_at, .. } => Some(fire_at.as_seconds()),
        _ => None,
    });
    fired.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_due_time_has_exactly_one_message_while_leaders_die() {
    let database = Cluster::shared().await.database().await;
    let receiver = Receiver::start().await;
    let watcher = node(&database).await;
    watcher.endpoint(&receiver.url("/"), json!({})).await;
    let every_second = json!({"cron": "* * * * * *", "topic": "t", "payload": 1, "missed": "fire_all"});
    watcher.engine.create_schedule(&watcher.admin, every_second).await.unwrap();
    watcher.stop().await;
    let mut nodes = vec![Mortal::start(&database).await, Mortal::start(&database).await];
    let mut expected = 3;
    for _ in 0..2 {
        receiver.wait_for(expected).await;
        // The first of them leads: it asked first.
        nodes.remove(0).die();
        nodes.push(Mortal::start(&database).await);
        expected += 6;
    }
    receiver.wait_for(expected).await;
    let times = fired(nodes[0].site()).await;
    let distinct: BTreeSet<i64> = times.iter().copied().collect();
    assert_eq!(distinct.len(), times.len(), "a due time has two messages: {times:?}");
    let (first, last) = (*distinct.first().unwrap(), *distinct.last().unwrap());
    assert_eq!(i64::try_from(distinct.len()).unwrap(), last - first + 1, "a due time has no message: {times:?}");
}

#[tokio::test]
async fn a_schedule_switched_off_and_on_owes_nothing_for_the_time_between() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    site.endpoint(&receiver.url("/"), json!({})).await;
    let every_second = json!({"uid": "tick", "cron": "* * * * * *", "topic": "t", "payload": {"a": 1}});
    site.engine.create_schedule(&site.admin, every_second).await.unwrap();
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].body, br#"{"a":1}"#.as_slice());
    let off =
        site.engine.update_schedule(&site.admin, None, "uid:tick", json!({"enabled": false}), None).await.unwrap();
    assert_eq!(off.next_fire_at, None);
    let before = fired(&site).await.len();
    // By hand it can be fired all the same, and that is the only message that comes.
    let by_hand = site.engine.fire_schedule(&site.admin, None, "uid:tick", None).await.unwrap();
    receiver
        .wait_until("the one by hand", |all| all.iter().any(|one| one.header("webhook-id") == by_hand.id.to_string()))
        .await;
    assert_eq!(fired(&site).await.len(), before + 1);
    site.stop().await;
}

#[tokio::test]
async fn a_schedule_whose_topic_went_away_leaves_messages_that_say_so() {
    let site = Site::with(|options| options.auto_topics = false).await;
    site.engine.create_topic(&site.admin, json!({"name": "gone.soon"})).await.unwrap();
    let schedule = json!({"cron": "* * * * * *", "topic": "gone.soon", "payload": 1});
    site.engine.create_schedule(&site.admin, schedule).await.unwrap();
    site.engine.delete_topic(&site.admin, None, "gone.soon", posthaste_store::catalog::Force::No, None).await.unwrap();
    let filter = MessageFilter { rejected: Some(true), ..MessageFilter::default() };
    let rejected = loop {
        let page = site.engine.messages(&site.admin, filter.clone(), Page::first(1)).await.unwrap();
        if let Some(message) = page.items.into_iter().next() {
            break message;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let rejection = rejected.extras.rejection.unwrap();
    assert_eq!(rejection["errors"][0]["pointer"], "/topic");
    assert!(rejected.targets.is_empty());
    site.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_schedule_is_named_and_nothing_is_stored() {
    let site = Site::start().await;
    let good = json!({"cron": "@daily", "topic": "t", "payload": 1});
    site.endpoint("http://127.0.0.1:9/", json!({})).await;
    let wrong = [
        (json!({"cron": "61 * * * *"}), "/cron"),
        (json!({"cron": "0 0 30 2 *"}), "/cron"),
        (json!({"timezone": "Mars/Olympus"}), "/timezone"),
        (json!({"topic": null}), "/topic"),
        (json!({"topic": "posthaste.endpoint.paused"}), "/topic"),
        (json!({"payload_text": "and another"}), "/payload"),
        (json!({"endpoint_id": "ep_00000000000000000000000001"}), "/endpoint_id"),
        (json!({"missed": "sometimes"}), "/missed"),
    ];
    for (change, pointer) in wrong {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let Err(EngineError::Invalid(errors)) = site.engine.create_schedule(&site.admin, body.clone()).await else {
            panic!("accepted {body}");
        };
        assert_eq!(errors[0].pointer, pointer, "{body}: {errors:?}");
    }
    let page =
        site.engine.schedules(&site.admin, posthaste_store::schedules::ScheduleFilter::default(), Page::first(10));
    assert!(page.await.unwrap().items.is_empty());
    site.stop().await;
}
