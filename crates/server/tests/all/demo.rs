//! The demo.

use crate::program::{posthaste, run};

#[test]
fn the_demo_ends_with_0_and_a_table_without_losses() {
    let directory = tempfile::tempdir().unwrap();
    let out = run(&mut posthaste(directory.path(), &["demo", "--events", "400"])).worked();
    assert!(out.contains("400 events accepted"), "{out}");
    assert!(out.contains("lost 0, duplicated 0"), "{out}");
    assert!(out.contains("8 events were published twice"), "{out}");
    assert!(out.contains("posthaste serve"), "{out}");
    let failing = out.lines().find(|line| line.trim_start().starts_with("failing  ")).unwrap();
    let cells: Vec<&str> = failing.split_whitespace().collect();
    // RECEIVER WANTS OWED DELIVERED ATTEMPTS 503 RETRIED …
    assert_eq!(cells[2], cells[3], "{failing}");
    assert!(cells[5].parse::<u32>().unwrap() > 0 && cells[6].parse::<u32>().unwrap() > 0, "{failing}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind here");
}
