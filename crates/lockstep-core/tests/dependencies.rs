//! The crates' dependency lists state what each may reach. This holds them to it, through all their dependencies.

use std::collections::BTreeSet;
use std::process::Command;

/// What a crate must not depend on, not even by way of another crate.
const NEVER: &[(&str, &[&str])] = &[
    (
        "lockstep-core",
        &[
            "tokio",
            "reqwest",
            "hyper",
            "sqlx",
            "rand",
            "getrandom",
            "jiff",
            "chrono",
            "time",
        ],
    ),
    (
        "lockstep-remote",
        &["sqlx", "libsqlite3-sys", "lockstep-store"],
    ),
    (
        "lockstep-store",
        &[
            "reqwest",
            "hyper",
            "axum",
            "lockstep-remote",
            "lockstep-run",
        ],
    ),
    (
        "lockstep-run",
        &["axum", "clap", "askama", "lockstep-sim", "lockstep"],
    ),
    (
        "lockstep-sim",
        &[
            "lockstep-core",
            "lockstep-remote",
            "lockstep-store",
            "lockstep-run",
        ],
    ),
];

/// What a crate must not name itself, though a crate below may.
const NOT_DIRECTLY: &[(&str, &[&str])] = &[("lockstep", &["lockstep-remote", "reqwest", "sqlx"])];

/// The names of the crates that one depends on to be built: by itself (`depth` 1), or through all of them.
fn dependencies(name: &str, depth: Option<u32>) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["tree", "--locked", "--offline", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}", "--package", name])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(depth) = depth {
        cargo.args(["--depth", &depth.to_string()]);
    }
    let output = cargo.output().expect("cargo runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_crate_can_reach_what_it_must_not() {
    for (name, never) in NEVER {
        let reached = dependencies(name, None);
        for other in *never {
            assert!(!reached.contains(*other), "{name} reaches {other}");
        }
    }
    for (name, never) in NOT_DIRECTLY {
        let named = dependencies(name, Some(1));
        for other in *never {
            assert!(!named.contains(*other), "{name} names {other}");
        }
    }
}

#[test]
fn the_test_would_see_a_dependency() {
    assert!(dependencies("lockstep-core", Some(1)).contains("regex"));
    assert!(dependencies("lockstep-store", None).contains("libsqlite3-sys"));
    assert!(!dependencies("lockstep-store", Some(1)).contains("libsqlite3-sys"));
    assert!(!dependencies("lockstep-core", None).contains("proptest"));
}
