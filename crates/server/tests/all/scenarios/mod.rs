//! One table of scenarios, driven through REST, gRPC and GraphQL against one server: the same steps give the same answers
//! and the same errors on each.
//!
//! [`table`] has the rows in REST's words ([`row`]). [`rest`], [`grpc`] and [`graphql`] make them calls of their
//! transport and put the answers back into REST's shape; [`shape`] takes out what is new each time.

mod graphql;
mod grpc;
mod grpc_shape;
mod operations;
mod rest;
mod row;
mod shape;
mod stage;
mod table;
mod wire;

use std::path::Path;
use std::time::Instant;

use futures_util::StreamExt as _;
use posthaste_testkit::PATIENCE;
use serde_json::Value;

use row::{Expected, Outcome, Row, Step, TRANSPORTS, Transport};
use stage::{PAUSE, Scene, Stage};

/// How many rows run at once.
const AT_ONCE: usize = 6;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn every_scenario_goes_alike_over_rest_grpc_and_graphql() {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(all(directory.path(), &[]));
}

#[test]
fn every_scenario_goes_alike_on_postgresql_too() {
    let directory = tempfile::tempdir().unwrap();
    let (_cluster, url) = crate::postgres::database();
    runtime().block_on(all(directory.path(), &["--database-url", &url]));
}

/// Runs the whole table, and says everything that is wrong with it at once.
async fn all(directory: &Path, options: &[&str]) {
    let stage = Stage::start(directory, options).await;
    let rows = table::rows();
    let runs = rows.iter().enumerate().map(|(number, row)| run(&stage, row, number));
    let faults: Vec<Vec<String>> = futures_util::stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} of {} rows:\n{}", faults.len(), rows.len(), faults.join("\n\n"));
    stage.stop();
}

/// Runs a row on each transport; answers with what is wrong.
async fn run(stage: &Stage, row: &Row, number: usize) -> Vec<String> {
    let mut scenes: Vec<Scene<'_>> = TRANSPORTS.iter().map(|&transport| Scene::new(stage, transport, number)).collect();
    for (index, step) in row.steps.iter().enumerate() {
        let mut usual: Option<(Transport, Outcome)> = None;
        for scene in &mut scenes {
            let place = format!("`{}`, step {index} ({}) over {:?}", row.name, step.call.does, scene.transport);
            let (expected, as_usual) = step.expected_on(scene.transport);
            let outcome = match take(scene, step, expected).await {
                Ok(None) => continue,
                Ok(Some(outcome)) => outcome,
                Err(fault) => return vec![format!("{place}: {fault}")],
            };
            if !as_usual {
                continue;
            }
            match &usual {
                None => usual = Some((scene.transport, outcome)),
                Some((_, first)) if *first == outcome => {}
                Some((other, first)) => {
                    return vec![format!("{place}:\n  {}\nover {other:?}:\n  {}", show(&outcome), show(first))];
                }
            }
        }
    }
    Vec::new()
}

/// Takes a step; answers with its outcome in the one shape, or with what is wrong. `None`: there are no words for it.
async fn take(scene: &mut Scene<'_>, step: &Step, expected: &Expected) -> Result<Option<Outcome>, String> {
    if matches!(expected, Expected::Inexpressible) {
        return Ok(None);
    }
    if step.takes_token {
        scene.take_token().await;
    }
    let began = Instant::now();
    let outcome = loop {
        let outcome = scene.call(step.who, &step.call).await;
        let fits = match (&outcome, expected) {
            (Outcome::Answer(answer), Expected::Answer(members)) => shape::fits(answer, &scene.fill(members)),
            (Outcome::Problem(found), Expected::Problem(wanted)) => found == wanted,
            _ => false,
        };
        if fits {
            break outcome;
        }
        if !step.waits || began.elapsed() > PATIENCE {
            return Err(format!("{}\n  is not {expected:?}", show(&outcome)));
        }
        tokio::time::sleep(PAUSE).await;
    };
    Ok(Some(match outcome {
        Outcome::Answer(answer) => {
            let normal = scene.names.normal(&answer);
            if let Some(name) = step.keeps {
                scene.keep(name, answer);
            }
            Outcome::Answer(normal)
        }
        problem @ Outcome::Problem(_) => problem,
    }))
}

fn show(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answer(Value::Null) => "an empty answer".to_owned(),
        Outcome::Answer(answer) => answer.to_string(),
        Outcome::Problem(problem) => format!("{problem:?}"),
    }
}
