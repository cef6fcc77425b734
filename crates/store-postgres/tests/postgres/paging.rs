//! Lists over several days of history.

use posthaste_core::delivery::Next;
use posthaste_core::{CloseReason, DeliveryStatus, EndpointId, Message, MessageId};
use posthaste_store::history::{DeliveryFilter, MAX_EXAMINED, MessageFilter};
use posthaste_store::{Flush, History as _, NewMessage, Page, Queue as _};
use posthaste_store_postgres::PostgresOptions;
use posthaste_testkit::Cluster;

use crate::made::Node;

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
/// Days before today that have a partition of their own.
const DAYS: u32 = 3;
/// Messages of each of them, and of today: more than a page looks at.
const EACH: usize = 12;
const TODAY: usize = 280;

/// Publishes messages that were accepted `days` days ago: of four one waits for ever in its batch, one succeeded, one
/// failed and one was cancelled.
async fn publish(node: &Node, endpoint: EndpointId, days: u32) {
    for number in 0..if days == 0 { TODAY } else { EACH } {
        let new = node.message(&[endpoint]);
        let id = MessageId::from_bits(new.message.id.bits() - ((u128::from(days) * DAY.as_millis()) << 80));
        let message = Message { id, ..(*new.message).clone() };
        let group = node.group(vec![NewMessage { message: message.into(), ..new }]);
        node.store.publish(node.joined.node, &group).await.unwrap();
        let close = |status, reason| Next::Close { status, reason };
        let next = match number % 4 {
            0 => continue,
            1 => Next::Succeeded,
            2 => close(DeliveryStatus::Failed, CloseReason::AttemptsExhausted),
            _ => close(DeliveryStatus::Cancelled, CloseReason::Expired),
        };
        let settled = vec![node.settled(group.batch, id.delivery(1), endpoint, next)];
        let flush = Flush { settled, finished: vec![group.batch], ..Flush::default() };
        node.store.record(node.joined.node, &flush).await.unwrap();
    }
}

/// All pages of a list, of `limit` each.
async fn walk(node: &Node, filter: &DeliveryFilter, limit: u32) -> Vec<u128> {
    let (mut ids, mut before) = (Vec::new(), None);
    loop {
        let slice = node.store.deliveries(filter, Page { limit, before }).await.unwrap();
        ids.extend(slice.items.iter().map(|delivery| delivery.id.bits()));
        before = slice.next;
        if before.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn pages_go_on_over_days_and_read_no_older_one_before_they_need_it() {
    let cluster = Cluster::shared().await;
    let url = cluster.database().await;
    let mut node = Node::join(&url, &PostgresOptions::default()).await;
    let endpoint = node.endpoint(1).await;
    let midnight = |days: u32| {
        let day = node.joined.now.as_micros() / 86_400_000_000 - i64::from(days);
        format!("{:012x}", day * 86_400_000)
    };
    for days in 1..=DAYS {
        let bound = |days| format!("'{}-{}-0000-0000-000000000000'", &midnight(days)[..8], &midnight(days)[8..]);
        for table in ["message", "payload", "attempt", "capture", "closed"] {
            let partition = format!(
                "CREATE TABLE posthaste.{table}_ago_{days} PARTITION OF posthaste.{table} \
                 FOR VALUES FROM ({}) TO ({})",
                bound(days),
                bound(days - 1)
            );
            cluster.sql(&url, &partition).await;
        }
    }
    for days in (0..=DAYS).rev() {
        publish(&node, endpoint, days).await;
    }

    let everything = DeliveryFilter::default();
    let all = walk(&node, &everything, 41).await;
    assert_eq!(all.len(), TODAY + EACH * DAYS as usize);
    assert!(all.is_sorted_by(|newer, older| newer > older), "newest first, none twice");
    let of_endpoint = DeliveryFilter { endpoint: Some(endpoint), ..DeliveryFilter::default() };
    let of_tenant = DeliveryFilter { tenant: Some(node.tenant.clone()), ..DeliveryFilter::default() };
    for filter in [&of_endpoint, &of_tenant] {
        assert_eq!(walk(&node, filter, 40).await, all, "{filter:?}");
    }
    let statuses =
        [DeliveryStatus::Pending, DeliveryStatus::Succeeded, DeliveryStatus::Failed, DeliveryStatus::Cancelled];
    for (index, status) in statuses.into_iter().enumerate() {
        // Within a day the newest is the last of its four.
        let expected: Vec<u128> = all.iter().skip(3 - index).step_by(4).copied().collect();
        for filter in [&everything, &of_endpoint, &of_tenant] {
            let filter = DeliveryFilter { status: Some(status), ..filter.clone() };
            assert_eq!(walk(&node, &filter, 40).await, expected, "{filter:?}");
        }
    }

    // What follows finds enough in today, and touches no older partition.
    drop(node);
    let old_scans = scans(cluster, &url).await;
    assert_ne!(old_scans, "0", "the walks above have read older days");
    let node = Node::join(&url, &PostgresOptions::default()).await;
    let (succeeded, failed) = (Some(DeliveryStatus::Succeeded), Some(DeliveryStatus::Failed));
    let page = Page { limit: 2, before: None };
    for (filter, statuses) in [
        (&of_endpoint, &[succeeded, failed][..]),
        (&of_tenant, &[None, succeeded, failed]),
        (&everything, &[None, failed]),
    ] {
        for status in statuses {
            let filter = DeliveryFilter { status: *status, ..filter.clone() };
            assert_eq!(node.store.deliveries(&filter, page).await.unwrap().items.len(), 2);
        }
    }
    for tenant in [None, Some(node.tenant.clone())] {
        let filter = MessageFilter { tenant, ..MessageFilter::default() };
        assert_eq!(node.store.messages(&filter, page).await.unwrap().items.len(), 2);
    }
    drop(node);
    assert_eq!(scans(cluster, &url).await, old_scans);
}

/// How often an index of an older day was used, once every session but the asking one has ended: then it has told.
async fn scans(cluster: &Cluster, url: &str) -> String {
    others_ended(cluster, url).await;
    let scans = r"SELECT sum(idx_scan) FROM pg_stat_user_tables WHERE relname LIKE '%\_ago\__'";
    cluster.sql(url, scans).await
}

/// Waits until no other session is there: what they did is counted when they end.
async fn others_ended(cluster: &Cluster, url: &str) {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'";
    while cluster.sql(url, others).await != "0" {
        tokio::task::yield_now().await;
    }
}

/// Fills today's partition with attempts of one endpoint, of which the planner learns nothing.
async fn fill_unanalyzed(cluster: &Cluster, url: &str, node: &Node, endpoint: EndpointId) -> String {
    let today = node.joined.now.to_string()[..10].replace('-', "_");
    let fill = format!(
        "ALTER TABLE posthaste.attempt_{today} SET (autovacuum_enabled = off);
         INSERT INTO posthaste.attempt
         SELECT (lpad(to_hex({} + i / 20), 12, '0') || lpad(to_hex(i), 20, '0'))::uuid, lpad('{:x}', 32, '0')::uuid,
             {}, 1, 1, 1, 0, 200, 'default', NULL
         FROM generate_series(1, 100000) i",
        node.joined.now.as_micros() / 1_000,
        endpoint.bits(),
        node.joined.now.as_micros(),
    );
    cluster.sql(url, &fill).await;
    today
}

#[tokio::test]
async fn a_page_is_read_in_its_order_before_anything_is_known_of_the_table() {
    let cluster = Cluster::shared().await;
    let url = cluster.database().await;
    let mut node = Node::join(&url, &PostgresOptions::default()).await;
    let endpoint = node.endpoint(1).await;
    let today = fill_unanalyzed(cluster, &url, &node, endpoint).await;
    let fill = format!(
        "ALTER TABLE posthaste.message_{today} SET (autovacuum_enabled = off);
         INSERT INTO posthaste.message
         SELECT (lpad(to_hex({} + i / 20), 12, '0') || lpad(to_hex(i), 9, '0') || '00000000000')::uuid, gen_random_uuid(),
             NULL, 'default', 'common', 'application/json', decode('01' || lpad('1', 32, '0') || '00000001', 'hex'), NULL
         FROM generate_series(1, 100000) i",
        node.joined.now.as_micros() / 1_000
    );
    cluster.sql(&url, &fill).await;
    // A filter that shows nothing looks at as much as a page may.
    let rare = DeliveryFilter { topic: Some("rare".parse().unwrap()), ..DeliveryFilter::default() };
    let page = node.store.deliveries(&rare, Page { limit: 50, before: None }).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_some());
    let activity = node.store.endpoint_activity(endpoint, node.joined.now).await.unwrap();
    assert_eq!(activity.success_micros.len(), MAX_EXAMINED as usize);
    drop(node);
    others_ended(cluster, &url).await;
    for table in ["message", "attempt"] {
        let read = format!("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = '{table}_{today}'");
        let read: u32 = cluster.sql(&url, &read).await.parse().unwrap();
        assert!((MAX_EXAMINED..MAX_EXAMINED * 3).contains(&read), "{read} of 100,000 entries were read of {table}");
    }
}

/// A day begins with an empty partition of which nothing is known until it is analyzed, and ends with millions of rows.
#[tokio::test]
async fn where_a_delivery_is_is_asked_by_its_id_before_anything_is_known_of_the_table() {
    let cluster = Cluster::shared().await;
    let url = cluster.database().await;
    let node = Node::join(&url, &PostgresOptions::default()).await;
    let today = fill_unanalyzed(cluster, &url, &node, EndpointId::from_bits(1)).await;
    let nobody = "array_fill('00000000-0000-0000-0000-000000000000'::uuid, array[64])";
    for (name, statement, params) in [
        ("place", include_str!("../../sql/place.sql"), format!("{nobody}, {nobody}, {nobody}, {nobody}")),
        (
            "ended",
            include_str!("../../sql/ended.sql"),
            format!("{nobody}, {nobody}, {nobody}, array_fill(1, array[64])"),
        ),
    ] {
        let explain = format!("SET enable_seqscan = off; PREPARE p AS {statement}; EXPLAIN EXECUTE p({params})");
        let plan = cluster.sql(&url, &explain).await;
        assert!(plan.contains(&format!("attempt_{today}_pkey on attempt_{today}")), "{name}: {plan}");
        assert!(!plan.contains(&format!("attempt_{today}_endpoint_id_idx")), "{name}: {plan}");
    }
}
