//! Messages come in.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use posthaste_engine::Options;
use posthaste_engine::access::Access;
use posthaste_grpc::proto::publish_result::Result as Item;
use posthaste_grpc::proto::publish_stream_response::Result as Outcome;
use posthaste_grpc::proto::{MessageDraft, PublishBatchRequest, PublishStreamRequest};
use posthaste_testkit::Receiver;
use tonic::Code;

use crate::stage::{Stage, json, refused, request};

#[tokio::test]
async fn what_is_published_arrives_byte_for_byte() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("order.created").await;
    stage.endpoint(&receiver.url("/hook")).await;
    let receipt = stage.publish(json("order.created", "{\"id\": 1,  \"n\":1e2}")).await;
    assert_eq!((receipt.tenant.as_str(), receipt.topic.as_deref()), ("default", Some("order.created")));
    assert_eq!((receipt.deliveries, receipt.duplicate), (Some(1), false));
    let received = receiver.wait_for(1).await;
    assert_eq!(&received[0].body[..], b"{\"id\": 1,  \"n\":1e2}");
    assert_eq!(received[0].header("content-type"), "application/json");
    assert_eq!(received[0].header("webhook-id"), receipt.id);
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_publish() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    let draft = MessageDraft { idempotency_key: Some("k".to_owned()), ..json("a", "1") };
    let (first, second) = (stage.publish(draft.clone()).await, stage.publish(draft.clone()).await);
    assert!(!first.duplicate && second.duplicate && first.id == second.id, "{first:?} {second:?}");
    let other = MessageDraft { payload: Some("2".into()), ..draft };
    let answer = stage.publisher().publish(request(other)).await;
    refused(answer, Code::InvalidArgument, "invalid", "/message/idempotency_key");
}

#[tokio::test]
async fn what_is_wrong_with_a_message_is_named() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    let mut publisher = stage.publisher();
    let never = prost_types::Timestamp { seconds: 1, nanos: -1 };
    for (draft, place) in [
        (MessageDraft { payload: None, ..json("a", "") }, "/message/payload"),
        (json("b", "1"), "/message/topic"),
        (MessageDraft { deliver_at: Some(never), ..json("a", "1") }, "/message/deliver_at"),
        (MessageDraft { delay_seconds: Some(-1.0), ..json("a", "1") }, "/message/delay_seconds"),
        (MessageDraft { topic: None, ..json("a", "1") }, "/message/topic"),
    ] {
        refused(publisher.publish(request(draft)).await, Code::InvalidArgument, "invalid", place);
    }
}

#[tokio::test]
async fn a_batch_accepts_or_refuses_each_message_for_itself() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("a").await;
    stage.endpoint(&receiver.url("/hook")).await;
    let messages = vec![json("a", "0"), json("unknown", "1"), json("a", "2")];
    let answer = stage.publisher().publish_batch(PublishBatchRequest { messages }).await.unwrap().into_inner();
    let results: Vec<_> = answer.results.into_iter().map(|result| result.result.unwrap()).collect();
    assert!(matches!((&results[0], &results[2]), (Item::Receipt(_), Item::Receipt(_))), "{results:?}");
    let Item::Error(problem) = &results[1] else { panic!("{results:?}") };
    assert_eq!((problem.code.as_str(), problem.errors[0].pointer.as_str()), ("invalid", "/messages/1/topic"));
    let bodies: BTreeSet<_> = receiver.wait_for(2).await.into_iter().map(|received| received.body).collect();
    assert_eq!(bodies, BTreeSet::from(["0".into(), "2".into()]));
    let none = stage.publisher().publish_batch(PublishBatchRequest::default()).await;
    refused(none, Code::InvalidArgument, "invalid", "/messages");
}

/// Every seventh message is bad: of an unknown topic, without a payload, or too large.
fn streamed(sequence: u64) -> PublishStreamRequest {
    let message = match sequence % 21 {
        0 => json("unknown", "0"),
        7 => MessageDraft { payload: None, ..json("a", "") },
        14 => json("a", &"x".repeat(2_000)),
        _ => json("a", &sequence.to_string()),
    };
    PublishStreamRequest { sequence, message: Some(message) }
}

#[tokio::test]
async fn a_stream_answers_every_message_once_and_bad_ones_do_not_end_it() {
    const MESSAGES: u64 = 2_000;
    let options = Options { max_payload_bytes: 1_000, ..Options::default() };
    let (stage, receiver) = (Stage::with(options, Access::Open).await, Receiver::start().await);
    stage.topic("a").await;
    stage.endpoint(&receiver.url("/hook")).await;
    let answers = stage.publisher().publish_stream(stream::iter((0..MESSAGES).map(streamed))).await.unwrap();
    let answers: Vec<_> = answers.into_inner().map(|answer| answer.unwrap()).collect().await;
    let (mut seen, mut accepted) = (BTreeSet::new(), 0);
    for answer in answers {
        assert!(seen.insert(answer.sequence), "{} is answered twice", answer.sequence);
        let expected = match answer.sequence % 21 {
            0 => Some(("invalid", "/message/topic")),
            7 => Some(("invalid", "/message/payload")),
            14 => Some(("too_large", "-")),
            _ => None,
        };
        match (answer.result.unwrap(), expected) {
            (Outcome::Receipt(receipt), None) => {
                assert_eq!(receipt.deliveries, Some(1));
                accepted += 1;
            }
            (Outcome::Error(problem), Some((code, place))) => {
                assert_eq!(problem.code, code, "{problem:?}");
                let pointer = problem.errors.first().map_or("-", |fault| &fault.pointer);
                assert_eq!(pointer, place, "{problem:?}");
            }
            (result, _) => panic!("{}: {result:?}", answer.sequence),
        }
    }
    assert_eq!(seen, (0..MESSAGES).collect());
    let received = receiver.wait_for(accepted).await;
    let bodies: BTreeSet<u64> =
        received.iter().map(|received| str::from_utf8(&received.body).unwrap().parse().unwrap()).collect();
    assert_eq!(bodies, (0..MESSAGES).filter(|sequence| sequence % 7 != 0).collect());
}

#[tokio::test]
async fn answers_come_while_the_stream_goes_on() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let requests = stream::unfold(receive, async |mut receive| receive.recv().await.map(|next| (next, receive)));
    send.send(streamed(1)).await.unwrap();
    let mut answers = stage.publisher().publish_stream(requests).await.unwrap().into_inner();
    for sequence in [1, 2, 3] {
        assert_eq!(answers.message().await.unwrap().unwrap().sequence, sequence);
        send.send(streamed(sequence + 1)).await.unwrap();
    }
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 4);
    drop(send);
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_server_that_ends_answers_what_it_took_and_ends_the_stream() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    let requests = stream::iter([streamed(1)]).chain(stream::pending());
    let mut answers = stage.publisher().publish_stream(requests).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    stage.ending.cancel();
    assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
}
