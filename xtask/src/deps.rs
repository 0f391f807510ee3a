//! `cargo xtask deps`: dependencies between our crates point one way. The table is the design; cargo's metadata is what is.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;

/// Each crate with the crates of ours that it may use. Development dependencies may also use [`FOR_TESTS`].
const ARROWS: &[(&str, &[&str])] = &[
    ("slipway-types", &[]),
    ("slipway-events", &["slipway-types"]),
    ("slipway-errors", &["slipway-types"]),
    ("slipway-config", &["slipway-errors"]),
    ("slipway-proto", &["slipway-types", "slipway-events", "slipway-errors"]),
    ("slipway-identity", &["slipway-types", "slipway-errors"]),
    ("slipway-net", &["slipway-types", "slipway-errors", "slipway-identity", "slipway-proto"]),
    ("slipway-telemetry", &["slipway-types", "slipway-errors", "slipway-net"]),
    ("slipway-host", &["slipway-types", "slipway-errors", "slipway-proto", "slipway-net"]),
    (
        "slipway-actions",
        &["slipway-types", "slipway-errors", "slipway-proto", "slipway-host", "slipway-identity", "slipway-guard"],
    ),
    (
        "slipway-agent",
        &[
            "slipway-types",
            "slipway-config",
            "slipway-errors",
            "slipway-proto",
            "slipway-identity",
            "slipway-net",
            "slipway-telemetry",
            "slipway-host",
            "slipway-actions",
        ],
    ),
    ("slipway-guard", &["slipway-types", "slipway-config", "slipway-errors", "slipway-telemetry", "slipway-host"]),
    ("slipway-flow", &["slipway-types", "slipway-events", "slipway-errors"]),
    ("slipway-store", &["slipway-types", "slipway-events", "slipway-errors", "slipway-flow"]),
    ("slipway-cluster", &["slipway-types", "slipway-errors"]),
    (
        "slipway-coordinator",
        &[
            "slipway-types",
            "slipway-config",
            "slipway-events",
            "slipway-errors",
            "slipway-proto",
            "slipway-identity",
            "slipway-net",
            "slipway-telemetry",
            "slipway-flow",
            "slipway-store",
            "slipway-cluster",
        ],
    ),
    (
        "slipway-cli",
        &[
            "slipway-types",
            "slipway-config",
            "slipway-events",
            "slipway-errors",
            "slipway-proto",
            "slipway-identity",
            "slipway-net",
        ],
    ),
    ("slipway-lab", &["slipway-types"]),
    (
        "slipway-sim",
        &[
            "slipway-types",
            "slipway-events",
            "slipway-errors",
            "slipway-proto",
            "slipway-host",
            "slipway-guard",
            "slipway-agent",
            "slipway-flow",
            "slipway-store",
            "slipway-cluster",
            "slipway-coordinator",
        ],
    ),
    (
        "slipway-bench",
        &[
            "slipway-types",
            "slipway-events",
            "slipway-errors",
            "slipway-proto",
            "slipway-identity",
            "slipway-net",
            "slipway-telemetry",
            "slipway-host",
            "slipway-agent",
            "slipway-flow",
            "slipway-store",
            "slipway-cluster",
            "slipway-coordinator",
        ],
    ),
    ("xtask", &[]),
];

/// May use every crate: it tests the whole.
const TESTS_THE_WHOLE: &str = "slipway-e2e";

/// What any crate may use in its tests.
const FOR_TESTS: &[&str] = &["slipway-proto", "slipway-store", "slipway-types", "slipway-events", "slipway-errors"];

pub(crate) fn deps() -> anyhow::Result<()> {
    let metadata = crate::run::metadata()?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let ours: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        if name == TESTS_THE_WHOLE {
            continue;
        }
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("{name} stands in no row of xtask/src/deps.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let in_tests = dependency["kind"].as_str() == Some("dev");
            if ours.contains(to) && !may.contains(&to) && !(in_tests && FOR_TESTS.contains(&to)) {
                wrong.push(format!("{name} -> {to} is no arrow of the design"));
            }
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("deps: {} crates, every arrow is one of the design", ours.len());
    Ok(())
}
