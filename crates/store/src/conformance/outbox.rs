//! What applications left in their own transactions.

use std::sync::Arc;

use posthaste_core::id::BatchId;
use posthaste_core::schedule::OUTBOX_NODE;
use posthaste_core::{MessageId, WaitingFor};

use super::catalog::topic;
use super::scene::Scene;
use crate::outbox::OutboxRow;
use crate::{Accepted, Group, Published};

async fn leave(scene: &Scene, counter: u32) -> OutboxRow {
    let id = MessageId::compose(scene.now, OUTBOX_NODE, counter);
    let draft = format!("{{\"topic\": \"order.created\", \"payload\": \"ü \\u0000 {counter}\"}}");
    let row = OutboxRow { n: 0, id, at: scene.now, draft };
    scene.store.leave_in_outbox(&row).await.unwrap();
    row
}

/// A group that publishes this row.
async fn taking(scene: &Scene, row: &OutboxRow) -> Group {
    let endpoint = scene.endpoint().await;
    let draft = scene.draft(&[&endpoint]).waits(scene.now, WaitingFor::InFlight);
    let mut group = scene.group(vec![draft]).await;
    group.batch = BatchId::from_bits(row.id.bits());
    let message = Arc::make_mut(&mut group.messages[0].message);
    (message.id, message.batch) = (row.id, group.batch);
    group.consumes = vec![row.n];
    group
}

/// F16.
pub async fn rows_are_read_in_their_order_until_they_are_published(scene: &Scene) {
    let left = [leave(scene, 3).await, leave(scene, 1).await, leave(scene, 2).await];
    let rows = scene.store.outbox(10).await.unwrap();
    for (row, left) in rows.iter().zip(&left) {
        assert_eq!((row.id, &row.draft), (left.id, &left.draft));
        assert_eq!(scene.store.outbox_row(row.id).await.unwrap().as_ref(), Some(row));
    }
    assert!(rows.len() == 3 && rows.windows(2).all(|pair| pair[0].n < pair[1].n));
    assert_eq!(scene.store.outbox(2).await.unwrap(), rows[..2]);
    let group = taking(scene, &rows[1]).await;
    assert_eq!(scene.commit(&group).await, [Accepted::New]);
    assert_eq!(scene.word(rows[1].id.delivery(1)).await, "due");
    assert_eq!(scene.store.outbox_row(rows[1].id).await.unwrap(), None);
    assert_eq!(scene.store.outbox(10).await.unwrap(), [rows[0].clone(), rows[2].clone()]);
}

pub async fn a_row_that_another_published_is_not_published_again(scene: &Scene) {
    leave(scene, 1).await;
    let row = scene.store.outbox(10).await.unwrap().remove(0);
    let group = taking(scene, &row).await;
    assert_eq!(scene.commit(&group).await, [Accepted::New]);
    assert_eq!(scene.commit(&group).await, [Accepted::New], "its own commit, whose reply was lost");
    // Another node has read the row too, and would give a second message to the same event.
    let mut other = taking(scene, &row).await;
    Arc::make_mut(&mut other.messages[0].message).id = MessageId::compose(scene.now, OUTBOX_NODE, 99);
    assert_eq!(scene.store.publish(scene.node(), &other).await.unwrap(), Published::Consumed);
    assert_eq!(scene.store.message(other.messages[0].message.id).await.unwrap(), None);
}

pub async fn a_row_stays_if_its_commit_does_not_happen(scene: &Scene) {
    leave(scene, 1).await;
    let row = scene.store.outbox(10).await.unwrap().remove(0);
    let group = taking(scene, &row).await;
    scene.store.create_topic(&topic(scene, 1, None, "a")).await.unwrap();
    assert_eq!(scene.store.publish(scene.node(), &group).await.unwrap(), Published::CatalogMoved);
    assert_eq!(scene.store.outbox(10).await.unwrap(), [row]);
}
