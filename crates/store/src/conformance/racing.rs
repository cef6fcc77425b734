//! Two verbs at once, through one store: whichever comes first, both are as if one had come after the other.

use futures_util::future::{join, join_all};
use posthaste_core::delivery::Next;
use posthaste_core::{Endpoint, WaitingFor};

use super::catalog::conflict;
use super::coordination::lost;
use super::scene::{Scene, fail, first, info, left, retry};
use crate::{Accepted, Conflict, Published, StoreError};

const ROUNDS: u32 = 10;

pub async fn many_groups_at_once_are_all_committed(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let mut groups = Vec::new();
    for number in 0..40 {
        groups.push(scene.group(vec![scene.draft(&[&endpoint]).key(&format!("{number}"), 1); 1]).await);
    }
    let answers = join_all(groups.iter().map(|group| scene.store.publish(scene.node(), group))).await;
    for (group, answer) in groups.iter().zip(answers) {
        assert_eq!(answer.unwrap(), Published::Committed(vec![Accepted::New]));
        assert_eq!(scene.word(first(group)).await, "batch");
    }
}

/// F3: the reply was lost because the connection was, and the first try may still be under way.
pub async fn a_commit_and_its_repeat_are_one_commit(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    for round in 0..ROUNDS {
        let waiting = scene.draft(&[&endpoint]).waits(scene.now, WaitingFor::Schedule);
        let drafts = vec![scene.draft(&[&endpoint]).key(&format!("{round}"), 1).uid(&format!("{round}")), waiting];
        let group = scene.group(drafts).await;
        let mut open = true;
        while open {
            let publish = || scene.store.publish(scene.node(), &group);
            let (one, other) = join(publish(), publish()).await;
            open = false;
            for answer in [one.unwrap(), other.unwrap()] {
                match answer {
                    Published::Committed(accepted) => assert_eq!(accepted, [Accepted::New, Accepted::New]),
                    // It may find its own keys held, and is told to come again.
                    Published::KeysBusy(_) => open = true,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    let rows = scene.store.lane_due(endpoint.id, None, scene.at(1), 1_000).await.unwrap();
    assert_eq!(rows.len(), usize::try_from(ROUNDS).unwrap());
}

/// F12.
pub async fn a_cancel_and_a_record_leave_one_place(scene: &Scene) {
    for round in 0..ROUNDS {
        for owed in [scene.one_in_batch().await, scene.one_waiting().await] {
            let next = match round % 3 {
                0 => Next::Succeeded,
                1 => retry(scene.at(60)),
                _ => fail(),
            };
            let settled = scene.attempted(&owed, 1, scene.first.number, next.clone());
            let (cancelled, _) =
                join(scene.store.cancel_delivery(owed.delivery, scene.at(2)), scene.record(vec![settled])).await;
            let word = scene.word(owed.delivery).await;
            let expected = match (next, &cancelled) {
                (Next::Succeeded, _) => "succeeded",
                (_, Ok(_)) => "cancelled",
                (_, Err(_)) => "failed",
            };
            assert_eq!(word, expected, "{cancelled:?}");
            if let Err(error) = cancelled {
                assert!(matches!(error, StoreError::Conflict(Conflict::WrongState)), "{error:?}");
            }
        }
    }
}

pub async fn a_retry_and_a_record_leave_one_place(scene: &Scene) {
    for round in 0..ROUNDS {
        let owed = scene.one_waiting().await;
        let next = if round % 2 == 0 { Next::Succeeded } else { fail() };
        let settled = scene.attempted(&owed, 1, scene.first.number, next);
        let (retried, _) =
            join(scene.store.retry_delivery(owed.delivery, scene.at(2)), scene.record(vec![settled])).await;
        retried.unwrap();
        // Retried before it ended, or after: then it waits once more, with that exchange behind it.
        let word = scene.word(owed.delivery).await;
        let ended = if round % 2 == 0 { "succeeded" } else { "failed" };
        let rows = scene.store.lane_due(owed.endpoint, None, scene.at(9), 10).await.unwrap();
        match word {
            "due" => assert_eq!((rows.len(), rows[0].due.progress.attempts), (1, 1)),
            word => assert_eq!((word, rows.len()), (ended, 0)),
        }
    }
}

/// F14: whoever is told that it is paused can rely on it.
pub async fn a_publish_and_a_change_of_the_catalog_do_not_overlap(scene: &Scene) {
    let mut endpoint = scene.endpoint().await;
    for _ in 0..ROUNDS {
        let group = scene.group(vec![scene.draft(&[&endpoint])]).await;
        let next = Endpoint { revision: endpoint.revision + 1, ..endpoint };
        let (published, updated) =
            join(scene.store.publish(scene.node(), &group), scene.store.update_endpoint(&next, None)).await;
        updated.unwrap();
        endpoint = next;
        match published.unwrap() {
            Published::Committed(accepted) => assert_eq!(accepted, [Accepted::New]),
            Published::CatalogMoved => {
                assert_eq!(scene.store.message(group.messages[0].message.id).await.unwrap(), None);
            }
            other => panic!("{other:?}"),
        }
        // From now on the old match is refused.
        let late = scene.group(vec![scene.draft(&[&endpoint])]).await;
        let late = crate::Group { matched: group.matched, ..late };
        assert_eq!(scene.store.publish(scene.node(), &late).await.unwrap(), Published::CatalogMoved);
    }
}

/// F4: either the commit was there for the new owner to claim, or there was none.
pub async fn a_publish_and_a_take_over_do_not_overlap(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    for round in 0..ROUNDS {
        let mortal = scene.store.join(&info()).await.unwrap();
        let group = scene.group(vec![scene.draft(&[&endpoint])]).await;
        let dying = async {
            scene.store.leave(mortal.node).await.unwrap();
            let next = scene.store.join(&info()).await.unwrap();
            let claimed = left(&scene.claim_all(next.node).await);
            // What is claimed is settled, so that the next round begins with nothing.
            scene.store.leave(next.node).await.unwrap();
            claimed
        };
        let (published, claimed) = join(scene.store.publish(mortal.node, &group), dying).await;
        let taken = claimed.contains(&first(&group));
        match published {
            Ok(Published::Committed(_)) => assert!(taken, "round {round}: nobody has it"),
            refused => {
                assert!(lost(&refused), "{refused:?}");
                assert!(!taken, "round {round}");
                assert_eq!(scene.store.message(group.messages[0].message.id).await.unwrap(), None);
            }
        }
    }
}

pub async fn of_two_creations_with_one_uid_one_is_refused(scene: &Scene) {
    for round in 0..ROUNDS {
        let named = || Endpoint { uid: Some(format!("x{round}")), ..scene.unstored_endpoint() };
        let (one, other) = (named(), named());
        let (first, second) =
            join(scene.store.create_endpoint(&one, 10), scene.store.create_endpoint(&other, 10)).await;
        let refused: Vec<_> = [first, second].into_iter().filter_map(conflict).collect();
        assert_eq!(refused, [Conflict::UidTaken]);
    }
}

pub async fn one_leader_comes_out_of_two_elections(scene: &Scene) {
    for _ in 0..ROUNDS {
        let (one, other) = join(scene.store.elect(scene.node()), scene.store.elect(scene.node())).await;
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one, other);
        scene.store.resign(one).await.unwrap();
    }
}
