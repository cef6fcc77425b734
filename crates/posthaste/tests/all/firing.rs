//! Registering, firing, and whom that reaches.

use posthaste::{Error, Options, Posthaste, resolver};
use posthaste_testkit::Receiver;
use serde_json::json;
use tempfile::TempDir;

use crate::open;

#[tokio::test]
async fn what_is_fired_at_a_topic_reaches_every_registered_url_once_signed() {
    let directory = TempDir::new().unwrap();
    let hooks = open(&directory).await;
    let (one, two) = (Receiver::start().await, Receiver::start().await);
    for url in [one.url("/a"), one.url("/a"), two.url("/b")] {
        hooks.register("order.created", &url).await.unwrap();
    }
    hooks.start().await.unwrap();
    let fired = hooks.fire("order.created", &json!({"id": 1})).await.unwrap();
    assert_eq!(fired.deliveries, 2);
    for receiver in [&one, &two] {
        let received = receiver.wait_for(1).await;
        assert_eq!(received[0].body, br#"{"id":1}"#.as_slice());
        assert_eq!(received[0].header("webhook-id"), fired.id.unwrap().to_string());
        assert!(received[0].header("webhook-signature").starts_with("v1,"));
    }
    hooks.stop().await;
    assert_eq!((one.received().len(), two.received().len()), (1, 1));
}

#[tokio::test]
async fn a_deregistered_url_gets_nothing_from_any_topic() {
    let directory = TempDir::new().unwrap();
    let hooks = open(&directory).await;
    let (gone, stays) = (Receiver::start().await, Receiver::start().await);
    for topic in ["a", "b"] {
        hooks.register(topic, &gone.url("/")).await.unwrap();
        hooks.register(topic, &stays.url("/")).await.unwrap();
    }
    assert!(hooks.deregister(&gone.url("/")).await.unwrap());
    assert!(!hooks.deregister(&gone.url("/")).await.unwrap());
    hooks.start().await.unwrap();
    hooks.fire("a", &1).await.unwrap();
    hooks.fire("b", &2).await.unwrap();
    stays.wait_for(2).await;
    hooks.stop().await;
    assert!(gone.received().is_empty());
}

#[tokio::test]
async fn urls_a_list_of_them_and_a_resolver_are_asked_once_and_reached() {
    let directory = TempDir::new().unwrap();
    let hooks = open(&directory).await;
    let receiver = Receiver::start().await;
    let url = |path: &str| receiver.url(path);
    hooks.start().await.unwrap();
    hooks.fire(url("/one"), &1).await.unwrap();
    hooks.fire(vec![url("/two"), url("/three")], &2).await.unwrap();
    let (four, mut asked) = (url("/four"), 0);
    let fired = hooks
        .fire(
            resolver(|| {
                asked += 1;
                async move { Ok::<_, std::io::Error>(vec![four]) }
            }),
            &3,
        )
        .await
        .unwrap();
    assert_eq!((fired.deliveries, asked), (1, 1));
    let mut paths: Vec<String> = receiver.wait_for(4).await.into_iter().map(|received| received.path).collect();
    paths.sort();
    assert_eq!(paths, ["/four", "/one", "/three", "/two"]);
    let nobody = hooks.fire(Vec::<String>::new(), &4).await.unwrap();
    assert_eq!((nobody.id, nobody.deliveries), (None, 0));
    hooks.stop().await;
}

#[tokio::test]
async fn a_resolver_that_fails_stores_nothing_and_its_error_comes_back() {
    let directory = TempDir::new().unwrap();
    let hooks = open(&directory).await;
    let failing = resolver(|| async { Err::<Vec<String>, _>(std::io::Error::other("no list today")) });
    let error = hooks.fire(failing, &1).await.unwrap_err();
    assert!(matches!(&error, Error::Resolver(source) if source.to_string() == "no list today"), "{error}");
    assert_eq!(hooks.process().await.unwrap(), 0);
}

#[tokio::test]
async fn a_queue_elsewhere_and_an_address_that_is_guarded_are_refused_in_words() {
    let unknown = Posthaste::open("mysql://db/hooks").await.err().unwrap();
    assert!(unknown.to_string().contains("sqlite:PATH"), "{unknown}");
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hooks.db");
    let hooks = Options::new(format!("sqlite:{}", path.display())).open().await.unwrap();
    let refused = hooks.register("a", "http://127.0.0.1:9/").await.unwrap_err();
    assert!(matches!(&refused, Error::Engine(_)), "{refused}");
}
