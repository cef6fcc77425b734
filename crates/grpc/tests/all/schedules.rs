//! Schedules.

use posthaste_grpc::proto::{
    CreateScheduleRequest, DeleteScheduleRequest, FireScheduleRequest, GetScheduleRequest, ListSchedulesRequest,
    Missed, ScheduleSettings, UpdateScheduleRequest,
};
use posthaste_testkit::Receiver;
use prost_types::FieldMask;
use tonic::Code;

use crate::stage::{Stage, refused};

fn yearly() -> ScheduleSettings {
    ScheduleSettings {
        name: Some("Report".to_owned()),
        cron: Some("0 8 1 1 *".to_owned()),
        timezone: Some("Europe/Berlin".to_owned()),
        topic: Some("a".to_owned()),
        payload: Some((&b"\xff\0\x01"[..]).into()),
        content_type: Some("application/x".to_owned()),
        headers: [("x-a".to_owned(), "1".to_owned())].into(),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        enabled: Some(true),
        missed: Missed::Skip.into(),
        endpoint_id: None,
    }
}

#[tokio::test]
async fn a_schedule_is_made_fired_changed_and_removed() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("a").await;
    stage.endpoint(&receiver.url("/hook")).await;
    let mut schedules = stage.schedules();
    let create = CreateScheduleRequest { settings: Some(yearly()), uid: Some("report".to_owned()), tenant: None };
    let schedule = schedules.create_schedule(create).await.unwrap().into_inner();
    assert_eq!(schedule.settings, Some(yearly()));
    assert!(schedule.next_fire_at.is_some() && schedule.next_message_id.is_some(), "{schedule:?}");
    let get = GetScheduleRequest { id: "uid:report".to_owned(), tenant: None };
    assert_eq!(schedules.get_schedule(get.clone()).await.unwrap().into_inner(), schedule);
    let fire = FireScheduleRequest { id: schedule.id.clone(), tenant: None };
    let receipt = schedules.fire_schedule(fire).await.unwrap().into_inner();
    let received = receiver.wait_for(1).await;
    assert_eq!((received[0].header("webhook-id"), &received[0].body[..]), (receipt.id.as_str(), &b"\xff\0\x01"[..]));
    let change = UpdateScheduleRequest {
        id: schedule.id.clone(),
        settings: Some(ScheduleSettings {
            payload: Some("new".into()),
            enabled: Some(false),
            ..ScheduleSettings::default()
        }),
        update_mask: Some(FieldMask { paths: vec!["payload".to_owned(), "enabled".to_owned(), "name".to_owned()] }),
        if_revision: Some(1),
        ..UpdateScheduleRequest::default()
    };
    let changed = schedules.update_schedule(change).await.unwrap().into_inner();
    let expected = ScheduleSettings { payload: Some("new".into()), enabled: Some(false), name: None, ..yearly() };
    assert_eq!((changed.settings, changed.next_fire_at), (Some(expected), None));
    assert_eq!(schedules.list_schedules(ListSchedulesRequest::default()).await.unwrap().into_inner().data.len(), 1);
    let delete = DeleteScheduleRequest { id: schedule.id, ..DeleteScheduleRequest::default() };
    schedules.delete_schedule(delete).await.unwrap();
    refused(schedules.get_schedule(get).await, Code::NotFound, "not_found", "-");
}

#[tokio::test]
async fn what_is_wrong_with_a_schedule_is_named() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    for (settings, place) in [
        (ScheduleSettings { cron: Some("x".to_owned()), ..yearly() }, "/settings/cron"),
        (ScheduleSettings { timezone: Some("Mars/Base".to_owned()), ..yearly() }, "/settings/timezone"),
        (ScheduleSettings { payload: None, ..yearly() }, "/settings/payload"),
        (ScheduleSettings { missed: 8, ..yearly() }, "/settings/missed"),
        (ScheduleSettings { topic: Some("b".to_owned()), ..yearly() }, "/settings/topic"),
    ] {
        let create = CreateScheduleRequest { settings: Some(settings), ..CreateScheduleRequest::default() };
        refused(stage.schedules().create_schedule(create).await, Code::InvalidArgument, "invalid", place);
    }
}
