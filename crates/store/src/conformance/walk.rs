//! A walk of random steps by owners, stale owners and people; after each, every delivery is in exactly one place.

use std::collections::BTreeMap;

use posthaste_core::delivery::Next;
use posthaste_core::{CloseReason, DeliveryId, DeliveryStatus, Endpoint, WaitingFor};

use super::scene::{Owed, Scene, fail, left, retry};
use crate::coordination::Joined;
use crate::history::DeliveryFilter;
use crate::queue::From;
use crate::{Conflict, Flush, Page, StoreError};

const STEPS: u32 = 200;
const SEEDS: [u64; 3] = [1, 20_250_607, 0xdead_beef];

/// A small generator of its own: the walk has to be the same on every machine and version. (`xorshift64*`)
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).expect("31 bits") % bound
    }
}

/// What the walk knows of a delivery.
#[derive(Debug, Clone)]
struct Known {
    owed: Owed,
    /// Exchanges made so far, by whomever: attempt numbers go on.
    attempts: u32,
    /// The place that the last step left it in.
    place: &'static str,
    /// Whether a success of it is on record, which then stays.
    succeeded: bool,
}

struct Walk<'a> {
    scene: &'a Scene,
    dice: Dice,
    endpoints: Vec<Endpoint>,
    known: BTreeMap<DeliveryId, Known>,
    owner: Joined,
    /// Those that were taken over and do not know it.
    stale: Vec<Joined>,
}

pub async fn every_delivery_is_in_exactly_one_place_after_every_step(scene: &Scene) {
    for seed in SEEDS {
        let mut endpoints = Vec::new();
        for _ in 0..3 {
            endpoints.push(scene.endpoint().await);
        }
        let owner = scene.store.join(&super::scene::info()).await.unwrap();
        let mut walk = Walk { scene, dice: Dice(seed), endpoints, known: BTreeMap::new(), owner, stale: Vec::new() };
        for step in 0..STEPS {
            let what = walk.step().await;
            walk.check(&format!("seed {seed}, step {step}: {what}")).await;
        }
        walk.every_place_was_visited().await;
    }
}

impl Walk<'_> {
    async fn step(&mut self) -> &'static str {
        if self.known.len() < 5 {
            return self.publish().await;
        }
        match self.dice.below(20) {
            0..3 => self.publish().await,
            3..10 => self.settle(self.owner, "owner").await,
            10..12 => self.stale_settle().await,
            12..14 => self.cancel().await,
            14..17 => self.retry().await,
            17 => self.take_over().await,
            _ => self.spill().await,
        }
    }

    async fn publish(&mut self) -> &'static str {
        let count = 1 + self.dice.below(3);
        let mut draft = self.scene.draft(&self.endpoints.iter().take(count).collect::<Vec<_>>());
        let waits = self.dice.below(3) == 0;
        if waits {
            draft = draft.waits(self.scene.at(5), WaitingFor::Schedule);
        }
        let group = self.scene.group(vec![draft]).await;
        let times = 1 + self.dice.below(2);
        for _ in 0..times {
            // The second time as after a lost reply.
            self.scene.store.publish(self.owner.node, &group).await.unwrap();
        }
        for (delivery, target) in group.messages[0].message.deliveries() {
            let from = if waits { From::Due { attempts: 0 } } else { From::Batch(group.batch) };
            let owed = Owed { endpoint: target.endpoint, delivery, from, batch: group.batch };
            let place = if waits { "due" } else { "batch" };
            self.known.insert(delivery, Known { owed, attempts: 0, place, succeeded: false });
        }
        "publish"
    }

    /// One of those in these places; none if there is none.
    fn pick(&mut self, places: &[&str]) -> Option<Known> {
        let of: Vec<DeliveryId> =
            self.known.iter().filter(|(_, known)| places.contains(&known.place)).map(|(id, _)| *id).collect();
        if of.is_empty() {
            return None;
        }
        let id = of[self.dice.below(of.len())];
        self.known.get(&id).cloned()
    }

    async fn settle(&mut self, by: Joined, who: &'static str) -> &'static str {
        let Some(mut known) = self.pick(&["batch", "due"]) else { return "nothing to settle" };
        known.attempts += 1;
        let next = match self.dice.below(4) {
            0 => Next::Succeeded,
            1 => fail(),
            _ => retry(self.scene.at(10)),
        };
        let settled = self.scene.attempted(&self.current(&known).await, known.attempts, by.number, next.clone());
        let times = 1 + self.dice.below(2);
        for _ in 0..times {
            self.scene.record_by(by.node, vec![settled.clone()]).await;
        }
        (known.place, known.succeeded) = match next {
            Next::Succeeded => ("succeeded", true),
            Next::Wait { .. } => ("due", known.succeeded),
            Next::Close { .. } if known.succeeded => ("succeeded", true),
            Next::Close { .. } => ("failed", false),
        };
        self.known.insert(known.owed.delivery, known);
        who
    }

    /// With what an owner has just read of it.
    async fn current(&self, known: &Known) -> Owed {
        if known.place == "due" {
            known.owed.after(self.scene.due(known.owed.delivery).await.progress.attempts)
        } else {
            known.owed
        }
    }

    /// A node that does not know that it is gone tells of an exchange, of any delivery it may have had.
    async fn stale_settle(&mut self) -> &'static str {
        if self.stale.is_empty() {
            return "nobody is stale";
        }
        let by = self.stale[self.dice.below(self.stale.len())];
        let Some(mut known) = self.pick(&["batch", "due", "failed", "cancelled", "succeeded"]) else {
            return "nothing";
        };
        known.attempts += 1;
        let success = self.dice.below(2) == 0;
        let next = if success { Next::Succeeded } else { retry(self.scene.at(10)) };
        let settled = self.scene.attempted(&known.owed, known.attempts, by.number, next);
        assert!(self.scene.record_by(by.node, vec![settled]).await.stale);
        if success {
            known.place = "succeeded";
            known.succeeded = true;
        }
        self.known.insert(known.owed.delivery, known);
        if success { "stale success" } else { "stale failure" }
    }

    async fn cancel(&mut self) -> &'static str {
        let Some(mut known) = self.pick(&["batch", "due", "failed", "cancelled", "succeeded"]) else {
            return "nothing";
        };
        let cancelled = self.scene.store.cancel_delivery(known.owed.delivery, self.scene.at(3)).await;
        if ["batch", "due"].contains(&known.place) {
            cancelled.unwrap();
            // A retried success that is cancelled is a success still: that row comes before `closed`.
            known.place = if known.succeeded { "succeeded" } else { "cancelled" };
            self.known.insert(known.owed.delivery, known);
        } else {
            assert!(matches!(cancelled, Err(StoreError::Conflict(Conflict::WrongState))), "{cancelled:?}");
        }
        "cancel"
    }

    async fn retry(&mut self) -> &'static str {
        let Some(mut known) = self.pick(&["batch", "due", "failed", "cancelled", "succeeded"]) else {
            return "nothing";
        };
        let retried = self.scene.store.retry_delivery(known.owed.delivery, self.scene.at(4)).await;
        if known.place == "cancelled" {
            assert!(matches!(retried, Err(StoreError::Conflict(Conflict::WrongState))), "{retried:?}");
            return "retry of a cancelled one";
        }
        retried.unwrap();
        if known.place != "batch" {
            known.place = "due";
        }
        self.known.insert(known.owed.delivery, known);
        "retry"
    }

    /// The owner dies; another takes what it had.
    async fn take_over(&mut self) -> &'static str {
        let next = self.scene.store.join(&super::scene::info()).await.unwrap();
        let peers = self.scene.store.peers().await.unwrap();
        if let Some(peer) = peers.iter().find(|peer| peer.node == self.owner.node) {
            assert!(self.scene.store.take_over(peer.node, peer.beat).await.unwrap());
        }
        self.stale.push(std::mem::replace(&mut self.owner, next));
        let claimed = self.scene.claim_all(self.owner.node).await;
        let in_batches: Vec<DeliveryId> =
            self.known.iter().filter(|(_, known)| known.place == "batch").map(|(id, _)| *id).collect();
        // An earlier walk in the same database has left some too.
        let mut left = left(&claimed);
        left.retain(|delivery| self.known.contains_key(delivery));
        assert_eq!(left, in_batches, "what is left is what is in no other place");
        "take over"
    }

    /// The owner moves what it cannot send now, and lets go of batches of which nothing is left.
    async fn spill(&mut self) -> &'static str {
        let Some(mut known) = self.pick(&["batch"]) else { return "nothing to spill" };
        let wait = Next::Wait { due_at: self.scene.at(6), waiting_for: WaitingFor::Breaker };
        let close = Next::Close { status: DeliveryStatus::Cancelled, reason: CloseReason::EndpointDeleted };
        let ends = self.dice.below(4) == 0;
        let settled = vec![self.scene.moved(&known.owed, if ends { close } else { wait })];
        known.place = if ends { "cancelled" } else { "due" };
        let batch = known.owed.batch;
        self.known.insert(known.owed.delivery, known);
        let more = self.known.values().any(|known| known.owed.batch == batch && known.place == "batch");
        let finished = if more { vec![] } else { vec![batch] };
        let flush = Flush { settled, finished, ..Flush::default() };
        self.scene.store.record(self.owner.node, &flush).await.unwrap();
        "spill"
    }

    async fn check(&self, after: &str) {
        let expected: BTreeMap<_, _> = self.known.iter().map(|(id, known)| (*id, known.place)).collect();
        // Where each is, and which list of a state shows it: one place, one list, once.
        let (mut placed, mut listed) = (BTreeMap::new(), BTreeMap::new());
        for endpoint in &self.endpoints {
            let filter = DeliveryFilter { endpoint: Some(endpoint.id), ..DeliveryFilter::default() };
            let slice = self.scene.store.deliveries(&filter, Page::first(1_000)).await.unwrap();
            placed.extend(slice.items.iter().map(|delivery| (delivery.id, super::scene::word(&delivery.placement))));
            for status in
                [DeliveryStatus::Pending, DeliveryStatus::Succeeded, DeliveryStatus::Failed, DeliveryStatus::Cancelled]
            {
                let filter =
                    DeliveryFilter { endpoint: Some(endpoint.id), status: Some(status), ..DeliveryFilter::default() };
                let slice = self.scene.store.deliveries(&filter, Page::first(1_000)).await.unwrap();
                for delivery in slice.items {
                    let word = super::scene::word(&delivery.placement);
                    assert_eq!(listed.insert(delivery.id, word), None, "{after}: listed twice");
                }
            }
        }
        assert_eq!(placed, expected, "{after}");
        assert_eq!(listed, expected, "{after}");
    }

    /// A walk that never comes somewhere proves nothing about it. One look at each delivery has to say the same.
    async fn every_place_was_visited(&self) {
        for (id, known) in &self.known {
            assert_eq!(self.scene.word(*id).await, known.place, "{known:?}");
        }
        for place in ["batch", "due", "succeeded", "failed", "cancelled"] {
            assert!(self.known.values().any(|known| known.place == place), "nothing is {place} at the end");
        }
        assert!(!self.stale.is_empty());
    }
}
