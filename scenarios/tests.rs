//! The committed scenarios as tests.
//!
//! This file lies here, and not in the crate, so that this folder is one of the package's source
//! folders: that is where `cargo insta review` looks for pending snapshots.

mod twins;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

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
fn the_scenario_in_the_readme_does_what_it_says() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let (_, rest) = readme.split_once("```yaml\n").expect("a scenario");
    let (scenario, _) = rest.split_once("```").expect("its end");
    // The reader's first run would have the snapshot reviewed.
    let lines = scenario.lines().filter(|line| !line.contains("snapshot:"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("remembers.yaml");
    std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_benchrig")).arg("run").arg(&path).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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

/// With `--features hil`: every committed scenario, each a test.
#[cfg(feature = "hil")]
#[rstest::rstest]
fn scenario(
    #[files("../scenarios/**/*.yaml")]
    #[exclude("(^|/)_")]
    path: std::path::PathBuf,
) {
    benchrig::hil::run_file(path);
}

/// The events of a run of all committed scenarios, without what depends on the host, and how many
/// cases went on from another one's machine.
fn events(arguments: &[&str]) -> (Vec<Value>, usize) {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !name.starts_with("wall_") && !name.starts_with("host_"));
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(["run", "--json", "-q", "scenarios"])
        .args(arguments)
        .current_dir(root())
        .env("CI", "true")
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut forks = 0;
    let events = text.lines().map(|line| {
        let mut event: Value = serde_json::from_str(line).expect("JSON");
        forks += usize::from(event["host_fork"].is_object());
        strip(&mut event);
        event
    });
    (events.collect(), forks)
}

#[test]
fn neither_jobs_nor_forks_change_the_events_of_the_committed_scenarios() {
    let (alone, none) = events(&["--jobs", "1", "--no-fork"]);
    let (together, some) = events(&["--jobs", "2"]);
    assert!(none == 0 && some > 0, "{none} and {some} forks");
    assert_eq!(alone.len(), together.len());
    for (alone, together) in alone.iter().zip(&together) {
        assert_eq!(alone, together);
    }
}

#[test]
fn a_session_with_micropython_is_recorded_as_what_it_was() {
    let project = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(project.path().join("bench.toml"), "").expect("a writable folder");
    let benchrig = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_benchrig"));
        command.args(arguments).current_dir(project.path()).env("CI", "true");
        command
    };
    let script = "1 + 1\nimport os\nopen('no such file')\nos.urandom(2)\n";
    std::fs::write(project.path().join("script"), script).expect("a writable folder");
    let recorded = benchrig(&["record", "mine.yaml", "--firmware", "micropython-1.23.0"])
        .stdin(std::fs::File::open(project.path().join("script")).expect("the script"))
        .status()
        .expect("the program starts");
    assert!(recorded.success());
    let path = project.path().join("mine.yaml");
    let text = std::fs::read_to_string(&path).expect("the scenario");
    for step in [
        r#"repl: {code: "1 + 1", expect: "2"}"#,
        r#"repl: {code: "import os", expect: ""}"#,
        r#"repl: {code: "open('no such file')", expect: {text: "OSError: [Errno 2] ENOENT"}}"#,
    ] {
        assert!(text.contains(step), "{step} in\n{text}");
    }
    let again = benchrig(&["run", "-q", "mine.yaml"]).output().expect("the program starts");
    assert!(again.status.success(), "{again:?}");

    // What differs between seeds is found, and the proposal hides it.
    let steps = text.lines().filter(|line| !line.contains("urandom"));
    let steps = steps.collect::<Vec<_>>().join("\n");
    let random = |redact: &str| {
        format!(
            "{steps}\n  - repl: \"print('token', int.from_bytes(os.urandom(2), 'big') + 10000)\"\n  \
             - snapshot: {{of: serial, name: console, redact: [{redact}]}}\n"
        )
    };
    std::fs::write(&path, random("")).expect("a writable folder");
    let found = benchrig(&["redact", "--runs", "3", "mine.yaml"]).output().expect("it starts");
    let out = String::from_utf8_lossy(&found.stdout).into_owned();
    let proposal = "{regex: '^token ([0-9]+)', as: '[varies]'}";
    assert!(found.status.success() && out.contains(proposal), "{out}");
    std::fs::write(&path, random(proposal)).expect("a writable folder");
    let found = benchrig(&["redact", "--runs", "3", "mine.yaml"]).output().expect("it starts");
    let out = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(out.contains("the same in 3 runs"), "{out}");
}
