//! The benchmark over gRPC, with this program as the server: that it counts right, not how fast it is.

use serde_json::Value;

use crate::program::{posthaste, run};

/// Over two streams, with these further options.
fn bench(options: &[&str]) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let mut command = posthaste(directory.path(), &["bench", "--grpc-stream", "2", "--output", "json"]);
    command.args(["--warm-up-seconds", "0"]).args(options);
    serde_json::from_str(&run(&mut command).worked()).unwrap()
}

fn total(report: &Value, name: &str) -> u64 {
    report["totals"][name].as_u64().unwrap()
}

#[test]
fn what_is_published_over_streams_is_all_accepted_and_delivered_once() {
    let report = bench(&["--seconds", "0.5", "--fan-out", "2"]);
    assert!(total(&report, "accepted") > 0, "{report}");
    assert_eq!(total(&report, "delivered"), total(&report, "accepted") * 2, "{report}");
    for name in ["lost", "duplicated", "unacknowledged", "strange"] {
        assert_eq!(total(&report, name), 0, "{name}: {report}");
    }
    assert!(report["throughput"]["accept"]["count"].as_u64().unwrap() > 0, "{report}");
    assert!(report["load"].as_str().unwrap().contains("2 gRPC streams"), "{report}");
    let report = bench(&["--seconds", "0.5", "--rate", "100"]);
    assert_eq!(total(&report, "accepted"), 50, "{report}");
}

#[test]
fn a_stream_that_a_kill_broke_is_opened_again_and_its_messages_are_repeated() {
    let report = bench(&["--seconds", "2", "--kill-every", "1", "--outstanding", "64", "--batch", "5"]);
    assert!(report["kills"]["measured"]["repeated"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["kills"]["measured"]["unanswered"], 0, "{report}");
    assert_eq!((total(&report, "lost"), total(&report, "unacknowledged")), (0, 0), "{report}");
}
