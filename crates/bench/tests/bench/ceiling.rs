use std::path::Path;
use std::time::Duration;

/// Only that it counts: how fast this machine is, is no matter for a test.
#[tokio::test]
async fn the_loopback_ceiling_counts_posts_to_a_process_of_its_own() {
    let program = Path::new(env!("CARGO_BIN_EXE_posthaste-bench"));
    let rate = posthaste_bench::measure_ceiling(program, Duration::from_millis(100)).await.unwrap();
    assert!(rate > 0.0, "{rate}");
}

#[tokio::test]
async fn a_program_that_is_no_receiver_is_an_error_instead_of_a_figure() {
    let error = posthaste_bench::measure_ceiling(Path::new("/bin/true"), Duration::from_millis(100)).await.unwrap_err();
    assert!(error.to_string().contains("instead of its address"), "{error}");
}
