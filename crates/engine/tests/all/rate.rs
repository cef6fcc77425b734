//! Rate limits as the receiver sees them.

use std::time::Duration;

use posthaste_testkit::Receiver;
use serde_json::json;

use crate::site::Site;

#[tokio::test]
async fn no_second_sees_more_than_the_limit_and_its_burst() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    site.endpoint(&receiver.url("/"), json!({"rate_limit": {"per_second": 50, "burst": 5}})).await;
    for number in 0..120 {
        site.publish(json!(number)).await;
    }
    let times: Vec<_> = receiver.wait_for(120).await.iter().map(|request| request.at).collect();
    let within = |first: &std::time::Instant| {
        times.iter().filter(|at| *at >= first && at.duration_since(*first) < Duration::from_secs(1)).count()
    };
    let most = times.iter().map(within).max().unwrap();
    // What was let through in time may arrive a little late, and so a few more within one second.
    assert!(most <= 55 + 3, "{most} in one second");
}

#[tokio::test]
async fn a_limit_holds_beside_an_order() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    let members = json!({"ordering": "fifo", "rate_limit": {"per_second": 40, "burst": 1}});
    site.endpoint(&receiver.url("/"), members).await;
    for number in 0..20 {
        site.publish(json!(number)).await;
    }
    let received = receiver.wait_for(20).await;
    let numbers: Vec<u32> = received.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    let took = received[19].at.duration_since(received[0].at);
    assert!(took >= Duration::from_millis(19 * 25 - 60), "{took:?}");
}
