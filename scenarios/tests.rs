//! The committed scenarios as tests.
//!
//! This file lies here, and not in the crate, so that this folder is one of the package's source
//! folders: that is where `cargo insta review` looks for pending snapshots.

use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn every_committed_scenario_is_valid() {
    let status = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(["check", "scenarios"])
        .current_dir(root())
        .status()
        .expect("the program starts");
    assert!(status.success());
}

#[test]
fn cargo_insta_review_looks_for_pending_snapshots_here() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let here = root().join("scenarios").canonicalize().expect("this folder");
    let packages = metadata["packages"].as_array().expect("packages");
    let sources =
        packages.iter().flat_map(|package| package["targets"].as_array().expect("targets"));
    let folders = sources
        .filter_map(|target| Path::new(target["src_path"].as_str()?).parent()?.canonicalize().ok());
    assert!(folders.into_iter().any(|folder| folder == here));
}
