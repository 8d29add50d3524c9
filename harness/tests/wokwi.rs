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

/// Runs the program on a Wokwi project that is like one of the repository, but for what `change` does to
/// the texts of its files; exit code and what was said.
fn project(change: &[(&str, &str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let root = tempfile::tempdir().expect("a temporary folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wokwi-project");
    let folder = root.path().join("wokwi");
    std::fs::create_dir(&folder).expect("a writable folder");
    for file in ["wokwi.toml", "diagram.json", "button.scenario.yaml"] {
        let mut text = std::fs::read_to_string(from.join(file)).expect("a file of the project");
        for (_, old, new) in change.iter().filter(|(name, _, _)| *name == file) {
            assert!(text.contains(old), "{file} has no {old}");
            text = text.replace(old, new);
        }
        std::fs::write(folder.join(file), text).expect("a writable folder");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(arguments)
        .env_remove("BENCHRIG_TARGET")
        .env("NO_COLOR", "1")
        .current_dir(root.path())
        .output()
        .expect("the program starts");
    (output.status.code(), shown(&output))
}

#[test]
fn the_projects_of_this_repository_run_as_they_stand() {
    let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(["run", "wokwi"])
        .env_remove("BENCHRIG_TARGET")
        .env("NO_COLOR", "1")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("the program starts");
    let said = shown(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("3 passed"), "{said}");
}

/// Runs `export wokwi` in a folder.
fn export(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args([&["export", "wokwi"], arguments].concat())
        .env("CI", "")
        .current_dir(folder)
        .output()
        .expect("the program starts");
    (output.status.code(), shown(&output))
}

#[test]
fn the_projects_of_this_repository_are_what_its_scenarios_are_in_wokwis_terms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (code, said) = export(&root, &["--check"]);
    assert_eq!(code, Some(0), "run `cargo run -- export wokwi`: {said}");
    let workflow = std::fs::read_to_string(root.join(".github/workflows/wokwi.yml"));
    let workflow = workflow.expect("the workflow");
    let mut scenarios = 0;
    for folder in std::fs::read_dir(root.join("wokwi")).expect("the projects") {
        let folder = folder.expect("an entry");
        for file in std::fs::read_dir(folder.path()).expect("a project") {
            let (name, folder) = (file.expect("an entry").file_name(), folder.file_name());
            let (name, folder) = (name.to_string_lossy(), folder.to_string_lossy());
            if name.ends_with(".scenario.yaml") {
                let entry = format!("{{folder: {folder}, scenario: {name}}}");
                assert!(workflow.contains(&entry), "wokwi.yml has no {entry}");
                scenarios += 1;
            }
        }
    }
    assert_eq!(workflow.matches("{folder: ").count(), scenarios);
}

#[test]
fn exported_files_are_written_checked_and_never_lost() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let project = root.path();
    std::fs::create_dir(project.join("scenarios")).expect("a writable folder");
    std::fs::write(project.join("bench.toml"), "").expect("a writable folder");
    let text = "name: Boots\nversion: 1\nfirmware: micropython-1.23.0\nsteps:\n\
                - wait-serial: '>>> '\n- repl: {code: 6 * 7, expect: 42}\n";
    std::fs::write(project.join("scenarios/boots.yaml"), text).expect("a writable folder");
    let cannot = text.replace("- wait-serial: '>>> '\n", "- power-cycle\n");
    std::fs::write(project.join("scenarios/cuts.yaml"), cannot).expect("a writable folder");
    let (code, said) = export(project, &["--check"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("wokwi/devkit/diagram.json is stale"), "{said}");
    assert!(!project.join("wokwi").exists(), "nothing is written");
    let (code, said) = export(project, &[]);
    assert_eq!(code, Some(0), "{said}");
    let told = "scenarios/cuts.yaml:5:3: not exported: `power-cycle`: Wokwi has no such step";
    assert!(said.contains(told), "{said}");
    assert_eq!(export(project, &["--check"]), (Some(0), String::new()));
    let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(["run", "wokwi"])
        .env_remove("BENCHRIG_TARGET")
        .current_dir(project)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert!(shown(&output).contains("passed boots.scenario"), "{}", shown(&output));
    // What somebody else has written.
    let mine = "{\"version\": 1, \"author\": \"me\"}";
    std::fs::write(project.join("wokwi/devkit/diagram.json"), mine).expect("a writable folder");
    let (code, said) = export(project, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("was not written by `benchrig export wokwi`"), "{said}");
    let kept = std::fs::read_to_string(project.join("wokwi/devkit/diagram.json"));
    assert_eq!(kept.expect("the file"), mine);
    let (code, _) = export(project, &["scenarios/cuts.yaml"]);
    assert_eq!(code, Some(4), "nothing can be said");
}

#[test]
fn a_project_is_named_by_its_folder_its_file_or_a_scenario() {
    for path in ["wokwi", "wokwi/wokwi.toml", "wokwi/button.scenario.yaml", "."] {
        let (code, said) = project(&[], &["list", path]);
        assert_eq!(code, Some(0), "{path}: {said}");
        assert!(said.contains("button.scenario"), "{path}: {said}");
    }
}

#[test]
fn a_lamp_at_another_pad_fails_the_scenario() {
    let (code, said) = project(&[("diagram.json", "\"esp:2\"", "\"esp:4\"")], &["run", "wokwi"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("GPIO4 is not high"), "{said}");
}

#[test]
fn mistakes_in_a_project_are_named_with_their_place_before_anything_starts() {
    let (toml, json, yaml) = ("wokwi.toml", "diagram.json", "button.scenario.yaml");
    for (file, old, new, said) in [
        (toml, "micropython-1.23.0.bin", "build/app.bin", "wokwi.toml:7:12"),
        (toml, "micropython-1.23.0.bin", "build/app.bin", "there is no file `build/app.bin`"),
        (toml, "micropython-1.23.0.bin", "build/app.bin", "build the firmware first"),
        (toml, "version = 1", "version = 2", "only version 1"),
        (json, "board-esp32-devkit-c-v4", "board-pi-pico", "`board-pi-pico` is not emulated"),
        (json, "\"version\": 1,", "\"version\": 1", "diagram.json:3:3"),
        (yaml, "steps:", "steps: [", "button.scenario.yaml:"),
        (yaml, "delay:", "dealy:", "did you mean `delay`?"),
        (yaml, "20ms", "20", "a duration"),
        (yaml, "btn1", "btn2", "did you mean `btn1`?"),
        (yaml, "name: position", "name: angle", "has no control `angle`"),
        (yaml, "name: A,", "name: B,", "no pin `B`"),
    ] {
        let (code, shown) = project(&[(file, old, new)], &["run", "wokwi"]);
        assert_eq!(code, Some(2), "{new}: {shown}");
        assert!(shown.contains(said), "{new}: {shown}");
    }
    let deaf = [(json, "esp:TX", "esp:5"), (json, "esp:RX", "esp:18")];
    let (code, shown) = project(&deaf, &["run", "wokwi"]);
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("connect the board's TX with `$serialMonitor:RX`"), "{shown}");
}

#[test]
fn a_part_that_is_not_emulated_is_warned_of_and_fails_only_who_uses_it() {
    let json = "diagram.json";
    let lcd = (json, "\"parts\": [", "\"parts\": [{\"type\": \"wokwi-lcd2004\", \"id\": \"lcd\"},");
    let (code, said) = project(&[lcd], &["run", "wokwi"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the part `lcd` (wokwi-lcd2004) is not emulated"), "{said}");
    let shot = "take-screenshot: {part-id: lcd, save-to: a.png}\n  - wait-serial: \"pot";
    let uses = [lcd, ("button.scenario.yaml", "wait-serial: \"pot", shot)];
    let (code, said) = project(&uses, &["run", "wokwi"]);
    assert_ne!(code, Some(0), "{said}");
    assert!(said.contains("lcd (wokwi-lcd2004)"), "{said}");
}

#[test]
fn a_project_says_what_is_wrong_with_it_and_then_what_its_scenarios_are_called() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wokwi/devkit");
    for file in ["wokwi.toml", "diagram.json"] {
        std::fs::copy(from.join(file), root.path().join(file)).expect("a writable folder");
    }
    let toml = root.path().join("wokwi.toml");
    let right = std::fs::read(&toml).expect("text");
    for (text, names_scenarios) in [(&b""[..], false), (&right, true)] {
        std::fs::write(&toml, text).expect("a writable folder");
        for path in [".", "wokwi.toml"] {
            let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
                .args(["run", path])
                .current_dir(root.path())
                .output()
                .expect("the program starts");
            let said = shown(&output);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert_eq!(said.contains("*.scenario.yaml"), names_scenarios, "{said}");
            assert_eq!(said.contains("no table `wokwi`"), !names_scenarios, "{said}");
        }
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

/// Runs `open` in a folder, with a program that stands in for wokwi-server.
fn open(folder: &Path, program: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args([&["open"], arguments].concat())
        .env("BENCHRIG_WOKWI_SERVER", program)
        .env("NO_COLOR", "1")
        .current_dir(folder)
        .output()
        .expect("the program starts");
    (output.status.code(), shown(&output))
}

#[test]
#[cfg(unix)]
fn a_program_is_opened_in_a_browser_by_the_tool_for_that() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).expect("a writable folder");
    };
    let diagram = std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wokwi-project/diagram.json"),
    );
    write("diagram.json", &diagram.expect("a diagram"));
    write(
        "wokwi.toml",
        b"[wokwi]\nversion = 1\nfirmware = 'micropython-1.23.0.bin'\nelf = 'app.elf'\n",
    );
    write("other.bin", b"\x7fELF, but too short");
    let program = folder.join("wokwi-server");
    write("wokwi-server", b"#!/bin/sh\necho started with \"$@\"\n");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("a file of ours");
    let (code, said) = open(folder, &program, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("names no ELF file that is there"), "{said}");
    let mut elf = [0; 64];
    elf[..4].copy_from_slice(b"\x7fELF");
    elf[18] = 94;
    write("app.elf", &elf);
    let path = folder.join("app.elf").display().to_string();
    for arguments in [&[][..], &["."], &["wokwi.toml"]] {
        let (code, said) = open(folder, &program, arguments);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("started with --chip esp32 {path}")), "{said}");
    }
    let options = ["app.elf", "--id", "12", "--bootloader", "b.bin", "--partition-table", "p.csv"];
    let (_, said) = open(folder, &program, &options);
    let wanted = "--chip esp32 --bootloader b.bin --partition-table p.csv --id 12 app.elf";
    assert!(said.contains(wanted), "{said}");
    let (code, said) = open(folder, &program, &["other.bin"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("is no ELF file of a program for an ESP32"), "{said}");
    let (code, said) = open(folder, Path::new("no-such-program"), &["app.elf"]);
    assert_eq!(code, Some(3), "{said}");
    for word in
        ["cargo install wokwi-server --version 0.2.0", "libudev-dev", "BENCHRIG_WOKWI_SERVER"]
    {
        assert!(said.contains(word), "{said}");
    }
    // Two at a time cannot be: the second would say nothing.
    let port = std::net::TcpListener::bind("127.0.0.1:9333").expect("a port that nobody has");
    let (code, said) = open(folder, &program, &["app.elf"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("needs the port 9333"), "{said}");
    drop(port);
}
