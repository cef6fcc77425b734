//! The suite that every driver passes: each case is one sentence of the boundary's contract, and fails without it.
//!
//! A driver's test program has `posthaste_store::conformance_tests!(crate::make)`, which makes a `#[tokio::test]` of
//! each case; `make` is an `async fn() -> Box<dyn Database>`. Which cases there are stands in [`conformance_tests`].

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::unwrap_used,
    missing_docs,
    reason = "tests, but for the attribute: each case's name is the sentence it proves"
)]

use std::sync::Arc;

use async_trait::async_trait;

use crate::Store;

pub mod cancelling;
pub mod catalog;
pub mod claiming;
pub mod coordination;
pub mod directory;
pub mod history;
pub mod jobs;
pub mod many_nodes;
pub mod outbox;
pub mod publishing;
pub mod racing;
pub mod recording;
pub mod relations;
pub mod retention;
mod scene;
pub mod schedules;
pub mod waiting;
pub mod walk;

pub use scene::Scene;

/// A fresh, empty database for one case; it may go when this is dropped.
#[async_trait]
pub trait Database: Send + Sync {
    /// Opens a store on it, migrated. Where only one process may have it, this is called once.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Makes a test of each case. `$make` is a path that also works inside of modules; with `many_nodes` after it, the cases
/// for stores that several processes share are included.
#[macro_export]
macro_rules! conformance_tests {
    ($make:path, many_nodes) => {
        $crate::conformance_tests!($make);
        $crate::conformance_tests! { @each $make,
            many_nodes {
                a_beat_that_moved_is_not_taken_over
                a_taken_over_nodes_shards_and_batches_are_free
                a_live_nodes_batch_is_not_claimed
                a_live_nodes_job_is_not_anothers
                two_claimers_never_get_the_same_batch
                no_shard_has_two_owners
                group_commits_with_the_same_keys_in_opposite_order_both_commit
                of_many_publishes_with_one_key_one_is_new
                the_order_of_an_ordered_lane_is_the_order_of_its_commits
                nodes_see_one_another_and_what_they_have_applied
                a_record_and_a_take_over_never_leave_a_delivery_in_two_places
            }
        }
    };
    ($make:path) => {
        $crate::conformance_tests! { @each $make,
            catalog {
                a_topic_has_its_name_once_for_a_tenant_and_once_in_the_common_catalogue
                a_tenants_own_topic_hides_the_common_one_of_its_name
                a_topic_is_replaced_only_by_who_saw_its_last_revision
                a_topic_that_an_endpoint_names_goes_only_by_force
                every_change_moves_the_version_and_says_whose_it_was
                an_endpoint_comes_back_exactly_as_it_was_written
                an_endpoint_is_replaced_only_by_who_saw_its_last_revision
                an_endpoint_that_was_checked_is_replaced_only_if_nothing_of_its_tenant_changed
                an_endpoints_revisions_outlive_it
                a_uid_names_one_endpoint_of_its_tenant
                a_tenant_has_only_so_many_ad_hoc_endpoints
                a_key_is_found_by_its_hash_until_it_is_deleted
                the_use_of_a_key_never_moves_back_nor_moves_the_version
                what_does_not_exist_is_not_found
                an_endpoints_failing_is_in_the_catalog_until_it_succeeds
            }
            directory {
                topics_are_listed_newest_first_page_by_page
                endpoints_are_listed_by_tenant_topic_state_and_kind
                keys_are_listed_by_tenant
                tenants_are_those_that_own_anything
            }
            coordination {
                each_start_is_another_node
                a_node_that_was_taken_over_is_told
                a_shard_has_one_owner_until_it_is_given_back
                a_beat_tells_the_catalogs_version
                a_node_that_left_writes_nothing
                housekeeping_can_be_repeated
            }
            publishing {
                a_committed_message_reads_back_as_it_was_given
                a_repeat_of_a_commit_whose_reply_was_lost_has_the_same_answer_and_no_effect
                nothing_is_written_if_the_catalog_moved_since_the_match
                a_node_that_was_taken_over_publishes_nothing
                a_used_key_gives_the_first_message_again
                a_key_belongs_to_its_tenant_and_verb
                a_key_outlives_a_rotation_for_a_day
                a_taken_uid_refuses_its_message_alone
                a_group_without_direct_targets_has_no_batch
                groups_that_share_a_batch_are_claimed_together
                a_group_without_owner_is_there_to_be_claimed
                a_message_with_many_targets_is_placed_target_by_target
            }
            recording {
                a_success_is_kept_with_its_response
                a_failure_waits_with_its_progress
                a_last_failure_is_a_dead_letter
                a_repeated_record_changes_nothing
                a_repeated_spill_does_not_bring_a_delivery_back
                a_stale_owner_writes_its_successes_only
                a_stale_success_wins_over_the_new_owners_failure
                a_failure_after_a_success_of_another_is_not_placed
                two_nodes_attempts_of_the_same_number_are_both_kept
                a_waiting_delivery_is_settled_only_from_what_was_read
                a_finished_batch_is_gone
                what_is_in_flight_stays_in_its_batch_while_others_are_spilled
                an_endpoints_first_failure_is_kept_until_a_success
                a_follower_is_published_once_however_often_its_delivery_fails
            }
            claiming {
                what_is_left_of_a_batch_is_what_is_in_no_other_place
                a_batch_of_which_nothing_is_left_goes_away
                no_more_batches_are_claimed_than_asked_for
                a_node_that_was_taken_over_claims_nothing
                what_was_cancelled_is_not_claimed
            }
            waiting {
                a_lane_is_ready_when_its_first_row_is_due
                lanes_of_other_shards_are_not_shown
                the_lane_that_waits_longest_comes_first
                a_lanes_rows_come_by_their_time_in_pages
                a_lane_does_not_rest_if_rows_came_meanwhile
                a_resting_lane_wakes_at_its_next_row
                a_lane_without_rows_goes_away_and_comes_back
                a_lane_that_came_back_does_not_rest_by_an_old_count
                a_lane_sleeps_while_its_endpoint_is_stopped
                a_record_wakes_a_sleeping_lane
                a_new_owner_finds_every_lane_of_its_shards_ready
                a_deleted_endpoints_lane_is_woken
                a_deleted_endpoints_held_lane_is_let_go
                an_ordered_lane_keeps_the_order_of_commits
                a_failure_holds_its_ordered_lane_until_it_is_released
                a_retried_failure_returns_to_its_place_and_releases_its_lane
                the_mark_before_a_send_stays_until_it_is_settled
            }
            cancelling {
                a_delivery_is_cancelled_out_of_its_batch
                a_waiting_delivery_is_cancelled
                a_success_in_flight_wins_over_a_cancel
                a_failure_in_flight_leaves_the_delivery_cancelled
                an_owner_is_told_what_was_cancelled_in_its_batches
                only_what_is_pending_is_cancelled
                a_message_is_cancelled_with_all_that_is_pending
                a_dead_letter_is_retried_with_a_fresh_schedule
                a_retried_success_is_pending_and_stays_a_success
                a_waiting_delivery_is_brought_forward
                a_delivery_on_its_way_is_not_doubled_by_a_retry
                a_cancelled_delivery_is_not_retried
            }
            history {
                deliveries_are_listed_by_status_wherever_they_are
                deliveries_are_listed_by_tenant_endpoint_message_topic_and_time
                pages_show_every_delivery_once
                messages_are_listed_by_what_they_carry
                attempts_are_listed_newest_first
                an_endpoints_activity_is_counted_since_an_instant
                one_tenants_history_is_not_anothers
                counts_follow_what_happens
                a_rare_match_is_found_behind_many_others
            }
            relations {
                what_is_read_by_many_ids_is_what_each_of_them_shows
                another_tenants_things_are_as_absent
                payloads_come_in_order_as_far_as_they_fit
                an_endpoints_settings_are_read_at_many_revisions
                the_first_pages_of_many_messages_are_those_of_their_lists
                the_first_pages_to_many_endpoints_are_those_of_their_lists
                the_newest_attempts_of_many_deliveries_are_those_of_each
            }
            racing {
                many_groups_at_once_are_all_committed
                a_commit_and_its_repeat_are_one_commit
                a_cancel_and_a_record_leave_one_place
                a_retry_and_a_record_leave_one_place
                a_publish_and_a_change_of_the_catalog_do_not_overlap
                a_publish_and_a_take_over_do_not_overlap
                of_two_creations_with_one_uid_one_is_refused
                one_leader_comes_out_of_two_elections
            }
            jobs {
                a_step_is_done_once_and_moves_the_cursor
                a_stopped_job_does_no_further_step
                a_gone_nodes_job_goes_on_where_it_was
                a_job_that_its_node_had_to_leave_is_found_again_after_those_that_are_free
                what_a_step_sends_under_a_key_is_sent_once_however_many_jobs_send_it
                only_so_many_jobs_run_at_once
                jobs_are_listed_newest_first_by_what_they_are
                an_erased_message_is_gone_wherever_its_deliveries_were
                an_erased_delivery_is_neither_listed_nor_claimed
                an_erasure_is_known_to_every_node_from_beginning_to_end
            }
            schedules {
                a_schedule_comes_back_with_a_number_of_its_own
                a_schedule_is_replaced_only_by_who_saw_its_last_revision
                schedules_are_listed_newest_first
                the_longest_owed_schedule_comes_first
                a_due_time_fires_once
                a_skipped_due_time_only_moves_the_schedule
                a_changed_schedule_does_not_fire
                a_former_leader_fires_nothing
                a_leader_that_resigns_makes_room_at_once
            }
            outbox {
                rows_are_read_in_their_order_until_they_are_published
                a_row_that_another_published_is_not_published_again
                a_row_stays_if_its_commit_does_not_happen
            }
            retention {
                what_is_old_goes_with_all_that_hangs_on_it
                what_is_still_owed_outlives_its_age
                captures_go_before_their_attempts
                what_is_young_stays
                what_waits_of_an_expired_message_ends
                a_wide_message_that_expired_ends_step_by_step
                a_retried_delivery_of_an_expired_message_is_looked_at_again
            }
            walk {
                every_delivery_is_in_exactly_one_place_after_every_step
            }
        }
    };
    (@each $make:path, $($module:ident { $($case:ident)* })*) => {$(
        mod $module {$(
            #[tokio::test]
            async fn $case() {
                let scene = $crate::conformance::Scene::new($make().await).await;
                $crate::conformance::$module::$case(&scene).await;
            }
        )*}
    )*};
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// A case that no driver runs proves nothing.
    #[test]
    fn every_case_is_in_the_list() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
        let mut written = BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let names = source.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
            written.extend(names.map(str::to_owned));
        }
        let listed: BTreeSet<String> = include_str!("mod.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("                "))
            .filter(|name| name.contains('_') && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            .map(str::to_owned)
            .collect();
        assert_eq!(listed, written);
        assert!(listed.len() > 100);
    }
}
