//! What became of messages.

use posthaste_grpc::proto::{
    CancelDeliveryRequest, CancelMessageRequest, CancelReplayRequest, Delivery, DeliveryReason, DeliveryStatus,
    EndpointSettings, ExplainMessageRequest, GetAttemptRequest, GetDeliveryRequest, GetMessageRequest,
    GetReplayRequest, ListAttemptsRequest, ListDeliveriesRequest, ListMessagesRequest, ListReplaysRequest,
    MessageDraft, OriginKind, Outcome, ReplayFilter, ReplayState, ReplayStatus, RetryDeliveryRequest,
    StartReplayRequest, WaitingFor,
};
use posthaste_testkit::{Answer, PATIENCE, Receiver};
use tonic::Code;

use crate::stage::{Stage, json, refused};

/// A stage with a topic and an endpoint that tries once.
async fn scene() -> (Stage, Receiver, String) {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("a").await;
    let settings = EndpointSettings {
        url: Some(receiver.url("/hook")),
        topics: vec!["a".to_owned()],
        max_attempts: Some(1),
        ..EndpointSettings::default()
    };
    let endpoint = stage.endpoint_with(settings).await.endpoint.unwrap().id;
    (stage, receiver, endpoint)
}

/// The only delivery of a message.
async fn delivery_of(stage: &Stage, message: &str) -> Delivery {
    let list = ListDeliveriesRequest { message_id: Some(message.to_owned()), ..ListDeliveriesRequest::default() };
    let mut data = stage.deliveries().list_deliveries(list).await.unwrap().into_inner().data;
    assert_eq!(data.len(), 1, "{data:?}");
    data.remove(0)
}

/// Waits until a delivery has this state.
async fn until(stage: &Stage, id: &str, status: DeliveryStatus) -> Delivery {
    let started = std::time::Instant::now();
    loop {
        let delivery =
            stage.deliveries().get_delivery(GetDeliveryRequest { id: id.to_owned() }).await.unwrap().into_inner();
        if delivery.status() == status {
            return delivery;
        }
        assert!(started.elapsed() < PATIENCE, "stays {delivery:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_dead_letter_shows_its_exchange_and_can_be_retried() {
    let (stage, receiver, endpoint) = scene().await;
    receiver.script([Answer::status(500).header("x-odd", "yes").body(&b"\xff\0no"[..])]);
    let message = stage.publish(json("a", "{}")).await.id;
    let id = delivery_of(&stage, &message).await.id;
    let failed = until(&stage, &id, DeliveryStatus::Failed).await;
    assert_eq!((failed.reason(), failed.attempts), (DeliveryReason::AttemptsExhausted, 1));
    assert_eq!((failed.last_status_code, &failed.endpoint_id), (Some(500), &endpoint));
    assert!(failed.finished_at.is_some() && failed.finished_at == failed.status_at, "{failed:?}");
    let mut deliveries = stage.deliveries();
    let dead = ListDeliveriesRequest { status: DeliveryStatus::Failed.into(), ..ListDeliveriesRequest::default() };
    assert_eq!(deliveries.list_deliveries(dead).await.unwrap().into_inner().data, [failed]);
    let list = ListAttemptsRequest { delivery_id: id.clone(), ..ListAttemptsRequest::default() };
    let attempts = deliveries.list_attempts(list).await.unwrap().into_inner().data;
    let response = attempts[0].response.clone().unwrap();
    assert_eq!((attempts[0].outcome(), &response.body[..]), (Outcome::Rejected, &b"\xff\0no"[..]));
    assert!(response.headers.iter().any(|header| header.name == "x-odd" && &header.value[..] == b"yes"));
    assert_eq!(attempts[0].request.as_ref().unwrap().body.as_deref(), Some(&b"{}"[..]));
    let get = GetAttemptRequest { id: attempts[0].id.clone() };
    assert_eq!(deliveries.get_attempt(get).await.unwrap().into_inner(), attempts[0]);
    deliveries.retry_delivery(RetryDeliveryRequest { id: id.clone() }).await.unwrap();
    assert_eq!(until(&stage, &id, DeliveryStatus::Succeeded).await.attempts, 2);
}

#[tokio::test]
async fn what_waits_can_be_cancelled_and_explained() {
    let (stage, receiver, endpoint) = scene().await;
    let draft = MessageDraft { delay_seconds: Some(3_600.0), uid: Some("mine".to_owned()), ..json("a", "1") };
    let message = stage.publish(draft.clone()).await.id;
    let delivery = delivery_of(&stage, &message).await;
    assert_eq!((delivery.status(), delivery.waiting_for()), (DeliveryStatus::Pending, WaitingFor::Schedule));
    let mut deliveries = stage.deliveries();
    let explain = ExplainMessageRequest { id: message.clone(), tenant: None };
    let explained = deliveries.explain_message(explain).await.unwrap().into_inner().endpoints;
    assert_eq!((&explained[0].endpoint_id, explained[0].matched), (&endpoint, true));
    assert_eq!(explained[0].delivery_id.as_ref(), Some(&delivery.id));
    let cancel = CancelDeliveryRequest { id: delivery.id };
    let cancelled = deliveries.cancel_delivery(cancel.clone()).await.unwrap().into_inner();
    assert_eq!((cancelled.status(), cancelled.reason()), (DeliveryStatus::Cancelled, DeliveryReason::ByRequest));
    refused(deliveries.cancel_delivery(cancel).await, Code::FailedPrecondition, "wrong_state", "-");
    let second = stage.publish(MessageDraft { uid: Some("other".to_owned()), ..draft }).await.id;
    let whole = CancelMessageRequest { id: "uid:other".to_owned(), tenant: None };
    deliveries.cancel_message(whole).await.unwrap();
    assert_eq!(delivery_of(&stage, &second).await.status(), DeliveryStatus::Cancelled);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn messages_are_read_back_and_found_by_what_they_are() {
    let (stage, _receiver, _) = scene().await;
    let metadata = [("order".to_owned(), "7".to_owned())].into();
    let draft = MessageDraft { uid: Some("mine".to_owned()), metadata, ..json("a", "{\"n\": 1}") };
    let id = stage.publish(draft.clone()).await.id;
    stage.publish(json("a", "2")).await;
    let mut deliveries = stage.deliveries();
    let get = GetMessageRequest { id: "uid:mine".to_owned(), tenant: None };
    let message = deliveries.get_message(get).await.unwrap().into_inner();
    assert_eq!((&message.id, message.deliveries, &message.payload), (&id, 1, &draft.payload));
    assert_eq!(message.origin.unwrap().kind(), OriginKind::Api);
    for (filters, count) in [
        (ListMessagesRequest::default(), 2),
        (ListMessagesRequest { metadata: draft.metadata, ..ListMessagesRequest::default() }, 1),
        (ListMessagesRequest { uid: Some("mine".to_owned()), ..ListMessagesRequest::default() }, 1),
        (ListMessagesRequest { topic: Some("b".to_owned()), ..ListMessagesRequest::default() }, 0),
    ] {
        let found = deliveries.list_messages(filters.clone()).await.unwrap().into_inner().data;
        assert!(
            found.len() == count && found.iter().all(|message| message.payload.is_none()),
            "{filters:?}: {found:?}"
        );
    }
    let wrong = ListMessagesRequest { topic: Some("a b".to_owned()), ..ListMessagesRequest::default() };
    refused(deliveries.list_messages(wrong).await, Code::InvalidArgument, "invalid", "/topic");
    let nothing = GetMessageRequest { id: "msg_x".to_owned(), tenant: None };
    refused(deliveries.get_message(nothing).await, Code::NotFound, "not_found", "-");
}

#[tokio::test]
async fn a_replay_sends_dead_letters_again() {
    let (stage, receiver, endpoint) = scene().await;
    receiver.script([Answer::status(500)]);
    let message = stage.publish(json("a", "1")).await.id;
    let id = delivery_of(&stage, &message).await.id;
    until(&stage, &id, DeliveryStatus::Failed).await;
    let mut deliveries = stage.deliveries();
    let wrong = ReplayFilter { status: 50, ..ReplayFilter::default() };
    let start = StartReplayRequest { endpoint_id: endpoint.clone(), filter: Some(wrong), tenant: None };
    refused(deliveries.start_replay(start.clone()).await, Code::InvalidArgument, "invalid", "/filter/status");
    let filter = ReplayFilter { status: ReplayStatus::Failed.into(), ..ReplayFilter::default() };
    let start = StartReplayRequest { filter: Some(filter), ..start };
    let replay = deliveries.start_replay(start).await.unwrap().into_inner();
    assert_eq!(replay.endpoint_id.as_ref(), Some(&endpoint));
    until(&stage, &id, DeliveryStatus::Succeeded).await;
    let started = std::time::Instant::now();
    loop {
        let get = GetReplayRequest { id: replay.id.clone() };
        let replay = deliveries.get_replay(get).await.unwrap().into_inner();
        if replay.state() == ReplayState::Done {
            assert_eq!((replay.matched, replay.sent), (1, 1));
            break;
        }
        assert!(started.elapsed() < PATIENCE, "stays {replay:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let done = ListReplaysRequest { state: ReplayState::Done.into(), ..ListReplaysRequest::default() };
    assert_eq!(deliveries.list_replays(done).await.unwrap().into_inner().data.len(), 1);
    let cancel = CancelReplayRequest { id: replay.id };
    let ended = deliveries.cancel_replay(cancel).await.unwrap().into_inner();
    assert_eq!(ended.state(), ReplayState::Done, "what is done is not cancelled any more");
}
