//! Passes by hand, and endless patience.

use posthaste_testkit::{Answer, Receiver};
use tempfile::TempDir;

use crate::{open, options};

#[tokio::test]
async fn nothing_is_sent_before_a_pass_and_a_pass_says_how_many_it_handled() {
    let directory = TempDir::new().unwrap();
    let hooks = open(&directory).await;
    let receiver = Receiver::start().await;
    hooks.register("a", &receiver.url("/")).await.unwrap();
    for n in 0..5 {
        hooks.fire("a", &n).await.unwrap();
    }
    assert!(receiver.received().is_empty());
    assert_eq!(hooks.process().await.unwrap(), 5);
    assert_eq!(receiver.received().len(), 5);
    assert_eq!(hooks.process().await.unwrap(), 0);
}

#[tokio::test]
async fn a_pass_ends_although_a_url_fails_and_the_failure_waits_for_its_next_attempt() {
    let directory = TempDir::new().unwrap();
    let hooks = open(&directory).await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(503));
    hooks.fire(receiver.url("/"), &1).await.unwrap();
    assert_eq!(hooks.process().await.unwrap(), 1);
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn who_retries_forever_is_never_given_up_nor_disabled() {
    let directory = TempDir::new().unwrap();
    let hooks = options(&directory).retry_forever().open().await.unwrap();
    let receiver = Receiver::start().await;
    hooks.register("a", &receiver.url("/")).await.unwrap();
    let engine = hooks.engine().await;
    let caller = posthaste::engine::Caller::admin();
    let page = posthaste_store::Page::first(10);
    let endpoints = engine.endpoints(&caller, posthaste_store::catalog::EndpointFilter::default(), page).await.unwrap();
    let settings = &endpoints.items[0].settings;
    assert_eq!(settings.max_attempts, Some(2_147_483_647));
    assert_eq!(settings.disable_after_seconds, None);
}
