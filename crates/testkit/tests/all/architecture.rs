//! The arrows of ARCHITECTURE.md between our own crates. (`deny.toml` holds those to crates of others.)

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const DRIVERS: [&str; 2] = ["store-sqlite", "store-postgres"];
/// Those that may name a driver: the composition root and the library's facade.
const ROOTS: [&str; 2] = ["server", "posthaste"];

/// Which of our crates each may be built on.
fn allowed(name: &str) -> Option<BTreeSet<&'static str>> {
    let on = |names: &[&'static str]| Some(names.iter().copied().collect());
    match name {
        "core" | "testkit" => on(&[]),
        // `bench` is a load generator and a receiver: it speaks HTTP and knows of the inside only its vocabulary.
        "store" | "bench" => on(&["core"]),
        "store-sqlite" | "store-postgres" | "engine" => on(&["core", "store"]),
        "rest" | "grpc" | "graphql" | "compat-hammer" | "compat-postmand" | "compat-pg-hooks" | "console" => {
            on(&["core", "store", "engine"])
        }
        "posthaste" => on(&["core", "store", "engine", "store-sqlite", "store-postgres"]),
        _ => None,
    }
}

/// The crate's name as ARCHITECTURE.md says it.
fn short(package: &str) -> Option<&str> {
    if package == "posthaste" { Some(package) } else { package.strip_prefix("posthaste-") }
}

/// Each of our crates with those of ours that it is built on; what only its tests use does not count.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let own = |value: &Value| value["name"].as_str().and_then(short).map(str::to_owned);
    packages
        .iter()
        .filter_map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let built_on = dependencies.iter().filter(|dependency| dependency["kind"].as_str() != Some("dev"));
            Some((own(package)?, built_on.filter_map(own).collect()))
        })
        .collect()
}

#[test]
fn every_crate_is_built_only_on_those_that_the_architecture_puts_below_it() {
    let arrows = arrows();
    for (name, built_on) in &arrows {
        if name == "server" {
            continue;
        }
        let Some(allowed) = allowed(name) else {
            panic!("posthaste-{name} has no place in ARCHITECTURE.md yet: give it one there, and here");
        };
        let wrong: Vec<_> = built_on.iter().filter(|other| !allowed.contains(other.as_str())).collect();
        assert!(wrong.is_empty(), "posthaste-{name} may not be built on {wrong:?}");
    }
    assert!(arrows["engine"].contains("store"), "the arrows were read: {arrows:?}");
}

#[test]
fn only_the_composition_root_and_the_library_name_the_drivers() {
    for (name, built_on) in arrows() {
        let names_one = DRIVERS.iter().any(|driver| built_on.contains(*driver));
        assert!(!names_one || ROOTS.contains(&name.as_str()), "posthaste-{name} names a driver");
    }
}

#[test]
fn the_test_kit_is_in_no_program() {
    for (name, built_on) in arrows() {
        assert!(!built_on.contains("testkit"), "posthaste-{name} is built on the test kit outside its tests");
    }
}
