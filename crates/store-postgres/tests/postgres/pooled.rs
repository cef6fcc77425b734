//! Without prepared statements, as behind a pooler that hands out another server process for each transaction.

use std::sync::Arc;

use posthaste_store::Store;
use posthaste_store::conformance::{Database, Scene, cancelling, claiming, history, publishing, recording};
use posthaste_store_postgres::{PostgresOptions, PostgresStore};
use posthaste_testkit::Cluster;

struct Pooled {
    url: String,
}

#[async_trait::async_trait]
impl Database for Pooled {
    async fn open(&self) -> Arc<dyn Store> {
        let options = PostgresOptions { pooled: true, ..PostgresOptions::default() };
        Arc::new(PostgresStore::connect(&self.url, &options).await.unwrap())
    }
}

async fn scene() -> Scene {
    Scene::new(Box::new(Pooled { url: Cluster::shared().await.database().await })).await
}

#[tokio::test]
async fn a_message_reads_back_behind_a_pooler() {
    publishing::a_committed_message_reads_back_as_it_was_given(&scene().await).await;
}

#[tokio::test]
async fn keys_and_uids_hold_behind_a_pooler() {
    publishing::a_used_key_gives_the_first_message_again(&scene().await).await;
    publishing::a_taken_uid_refuses_its_message_alone(&scene().await).await;
}

#[tokio::test]
async fn what_is_recorded_cancelled_and_claimed_is_so_behind_a_pooler() {
    recording::a_follower_is_published_once_however_often_its_delivery_fails(&scene().await).await;
    cancelling::a_success_in_flight_wins_over_a_cancel(&scene().await).await;
    claiming::what_is_left_of_a_batch_is_what_is_in_no_other_place(&scene().await).await;
}

#[tokio::test]
async fn lists_are_the_same_behind_a_pooler() {
    history::deliveries_are_listed_by_status_wherever_they_are(&scene().await).await;
}
