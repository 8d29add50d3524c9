//! Wokwi's automation scenarios run unchanged, on an emulated board with a blank flash.
//!
//! The files under `wokwi/` were written from the grammar of wokwi-cli's scenarios. The beginning of
//! a file's name says how it ends; what is skipped or refused says why in its first line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use benchrig::scenario::node::{self, Value};
use benchrig::steps::WOKWI_STEPS;

/// The corpus: stem and text of each file.
fn corpus() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wokwi");
    let entries = std::fs::read_dir(folder).expect("the corpus");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .map(|path: PathBuf| {
            let stem = path.file_stem().expect("a stem").to_string_lossy().into_owned();
            (stem, std::fs::read_to_string(&path).expect("text"))
        })
        .collect()
}

/// Runs the files whose name begins so, each for itself.
fn outcomes(prefix: &str, arguments: &[&str]) -> Vec<(String, String, Output)> {
    let project = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(project.path().join("bench.toml"), "").expect("a writable folder");
    let files = corpus().into_iter().filter(|(stem, _)| stem.starts_with(prefix));
    let outcomes: Vec<_> = files
        .map(|(stem, text)| {
            let path = project.path().join(format!("{stem}.yaml"));
            std::fs::write(&path, &text).expect("a writable folder");
            let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
                .args(arguments)
                .arg(&path)
                .env_remove("BENCHRIG_TARGET")
                .env("NO_COLOR", "1")
                .current_dir(project.path())
                .output()
                .expect("the program starts");
            (stem, text, output)
        })
        .collect();
    assert!(!outcomes.is_empty(), "no file {prefix}*.yaml");
    outcomes
}

/// What the first line of a file says.
fn reason(text: &str) -> &str {
    text.lines()
        .next()
        .and_then(|line| line.strip_prefix("# "))
        .expect("a reason in the first line")
}

fn shown(output: &Output) -> String {
    // Long messages are wrapped.
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("│ ", "")
}

#[test]
fn what_the_board_has_runs_with_wokwis_meaning() {
    for (stem, _, output) in outcomes("runs-", &["run"]) {
        assert_eq!(output.status.code(), Some(0), "{stem}: {}", shown(&output));
    }
}

#[test]
fn what_is_not_as_expected_fails() {
    for (stem, _, output) in outcomes("fails-", &["run"]) {
        assert_eq!(output.status.code(), Some(1), "{stem}: {}", shown(&output));
    }
}

#[test]
fn what_the_board_lacks_is_skipped_and_named() {
    for (stem, text, output) in outcomes("skipped-", &["run"]) {
        let shown = shown(&output);
        assert_eq!(output.status.code(), Some(4), "{stem}: {shown}");
        assert!(shown.contains(&format!("the board has no: {}", reason(&text))), "{stem}: {shown}");
    }
}

#[test]
fn what_wokwi_refuses_is_refused() {
    for (stem, text, output) in outcomes("refused-", &["check"]) {
        let shown = shown(&output);
        assert_eq!(output.status.code(), Some(2), "{stem}: {shown}");
        assert!(shown.contains(reason(&text)), "{stem}: {shown}");
    }
}

#[test]
fn the_corpus_has_every_step_and_field() {
    let fields: [(&str, &[&str]); 6] = [
        ("expect-pin", &["part-id", "name", "pin", "value"]),
        ("set-control", &["part-id", "name", "control", "value"]),
        ("take-screenshot", &["part-id", "save-to", "compare-with"]),
        ("touch", &["part-id", "x", "y", "duration", "wait"]),
        ("touch-press", &["part-id", "x", "y"]),
        ("touch-release", &["part-id"]),
    ];
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let accepted = corpus().into_iter().filter(|(stem, _)| !stem.starts_with("refused-"));
    for (_, text) in accepted {
        let root = node::parse(&text, &mut Vec::new()).expect("YAML");
        let Some(Value::List(steps)) = root.get("steps").map(|steps| &steps.value) else {
            continue;
        };
        for step in steps {
            let Value::Map(entries) = &step.value else { continue };
            for (key, value) in entries {
                let seen = seen.entry(key.as_text().unwrap_or_default().to_owned()).or_default();
                if let Value::Map(entries) = &value.value {
                    seen.extend(
                        entries.iter().filter_map(|(key, _)| key.as_text().map(str::to_owned)),
                    );
                }
            }
        }
    }
    for step in WOKWI_STEPS {
        assert!(seen.contains_key(*step), "no file has `{step}`");
    }
    for (step, fields) in fields {
        let wanted: BTreeSet<_> = fields.iter().map(|field| (*field).to_owned()).collect();
        assert_eq!(seen[step], wanted, "{step}");
    }
    assert!(seen.contains_key("name"), "no step has a label");
}
