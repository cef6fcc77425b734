use std::process::{ExitStatus, Stdio};

use serde_json::Value;

use crate::stand_in::{Faults, StandIn};

/// Runs the program against a stand-in with these faults, and answers its JSON.
async fn bench(faults: Faults, options: &str) -> (Value, ExitStatus, Vec<String>) {
    let (stand_in, address) = StandIn::start(faults).await;
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_posthaste-bench"))
        .args(["bench", "--server", &format!("http://{address}"), "--output", "json"])
        .args(["--seconds", "0.3", "--warm-up-seconds", "0", "--drain-seconds", "1", "--connections", "4"])
        .args(options.split_whitespace())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let calls = stand_in.calls.lock().unwrap().clone();
    (report, output.status, calls)
}

fn total(report: &Value, name: &str) -> u64 {
    report["totals"][name].as_u64().unwrap()
}

#[tokio::test]
async fn a_server_that_behaves_has_everything_accepted_and_delivered_once() {
    let (report, status, calls) = bench(Faults::default(), "--fan-out 2").await;
    assert!(status.success(), "{report}");
    assert!(total(&report, "accepted") > 0, "{report}");
    assert_eq!(total(&report, "delivered"), total(&report, "accepted") * 2);
    for name in ["lost", "duplicated", "unacknowledged", "strange"] {
        assert_eq!(total(&report, name), 0, "{name}: {report}");
    }
    let measured = &report["throughput"];
    assert!(measured["accepted_per_second"].as_f64().unwrap() > 0.0, "{report}");
    assert!(measured["receive"]["p99_ms"].as_f64() >= measured["receive"]["p50_ms"].as_f64(), "{report}");
    // What it made it took away again, endpoints before their topic.
    let deleted: Vec<_> = calls.iter().filter_map(|call| call.strip_prefix("DELETE /v1/")).collect();
    assert_eq!(deleted[..2], ["endpoints/ep_2", "endpoints/ep_1"]);
    assert!(deleted[2].starts_with("topics/bench-"), "{deleted:?}");
}

#[tokio::test]
async fn lost_and_repeated_deliveries_are_counted_and_the_run_fails() {
    let (report, status, _) = bench(Faults { lose: 10, repeat: 7, ..Faults::default() }, "").await;
    let accepted = total(&report, "accepted");
    assert!(!status.success(), "{report}");
    assert_eq!(total(&report, "lost"), accepted / 10, "{report}");
    assert_eq!(total(&report, "duplicated"), accepted / 7 - accepted / 70, "{report}");
}

#[tokio::test]
async fn refused_messages_are_neither_accepted_nor_lost_one_by_one_or_in_batches() {
    for options in ["", "--batch 5"] {
        let (report, status, _) = bench(Faults { refuse: 8, ..Faults::default() }, options).await;
        assert!(status.success(), "{report}");
        let refused = report["throughput"]["refused"].as_u64().unwrap();
        assert_eq!(refused, (total(&report, "accepted") + refused) / 8, "{report}");
        assert_eq!(total(&report, "delivered"), total(&report, "accepted"), "{report}");
    }
}

#[tokio::test]
async fn an_open_loop_publishes_as_many_as_its_rate_says() {
    let (report, status, _) = bench(Faults::default(), "--rate 100").await;
    assert!(status.success(), "{report}");
    assert_eq!(total(&report, "accepted"), 30, "{report}");
}

#[tokio::test]
async fn a_black_hole_takes_as_much_as_its_neighbours_and_is_not_counted_with_them() {
    let (report, status, _) = bench(Faults::default(), "--black-hole --rate 100").await;
    assert!(status.success(), "{report}");
    assert_eq!(report["black_hole"]["swallowed"], 15, "{report}");
    assert_eq!(total(&report, "delivered"), 30, "{report}");
    assert!(report["black_hole"]["p99_factor"].as_f64().unwrap() > 0.0, "{report}");
}

#[tokio::test]
async fn a_backlog_is_piled_up_at_a_paused_endpoint_between_the_two_measurements() {
    let (report, status, calls) = bench(Faults::default(), "--backlog 250 --rate 100").await;
    assert!(status.success(), "{report}");
    assert_eq!(report["backlog"]["waiting"], 300, "{report}");
    assert!(calls.contains(&"POST /v1/endpoints/ep_2/pause".to_owned()), "{calls:?}");
}

#[tokio::test]
async fn every_list_is_read_after_the_history_was_made() {
    let (report, status, calls) = bench(Faults::default(), "--pages 500").await;
    assert!(status.success(), "{report}");
    assert_eq!(report["pages"]["attempts"], 500, "{report}");
    // What the filters look for is not of the load, and counted as a stranger.
    assert_eq!((total(&report, "delivered"), total(&report, "strange")), (500, 1), "{report}");
    for list in report["pages"]["lists"].as_array().unwrap() {
        assert_eq!(list["page"]["count"], 100, "{list}");
        let path = list["path"].as_str().unwrap().split('?').next().unwrap();
        assert!(calls.contains(&format!("GET {path}")), "{list}");
    }
    assert!(calls.contains(&"PATCH /v1/endpoints/ep_4".to_owned()), "{calls:?}");
}

#[tokio::test]
async fn a_wrong_option_is_named() {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_posthaste-bench"))
        .args(["bench", "--server", "https://example.com"])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("--server: give http://HOST:PORT"), "{errors}");
}
