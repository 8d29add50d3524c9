//! The program as a person uses it: arguments in, streams, files and exit code out.
//!
//! The scenarios here run on emulated boards with a blank flash, so that nothing is fetched.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use esp32_emulator::image::esp_image::{FlashSettings, Header, encode};
use tempfile::TempDir;

/// What the program left behind.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A folder with scenarios, as a project of its own.
struct Project(TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("bench.toml"), "").expect("a writable folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a writable folder");
            std::fs::write(path, text).expect("a writable folder");
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_benchrig"));
        command.args(arguments).current_dir(self.path());
        for name in ["CI", "INSTA_UPDATE", "INSTA_FORCE_PASS", "BENCHRIG_TARGET", "NO_COLOR"] {
            command.env_remove(name);
        }
        for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"] {
            command.env_remove(name);
        }
        command.env("BENCHRIG_CACHE", self.path().join("cache"));
        command.env_remove("BENCHRIG_FIRMWARE_DIR");
        command
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Done {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        let output = command.output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file)).expect("the file")
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join(folder)).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }
}

const BLANK: &str = "\
name: A blank board
version: 1
steps:
  - expect-serial: 'invalid header: 0xffffffff'
";

#[test]
fn help_teaches() {
    let project = Project::new(&[]);
    for (name, arguments) in [("help", &["--help"][..]), ("run_help", &["run", "--help"])] {
        let done = project.run(arguments);
        assert_eq!(done.code, Some(0));
        insta::assert_snapshot!(name, done.out);
    }
}

#[test]
fn a_scenario_that_holds_passes_and_says_what_was_proved() {
    let project = Project::new(&[("scenarios/blank.yaml", BLANK)]);
    let done = project.run(&["run"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let head = "passed blank (A blank board; esp32-devkit on emulator";
    assert!(done.out.starts_with(head), "{done:?}");
    assert!(done.out.contains("invalid header: 0xffffffff"), "{done:?}");
    assert!(done.err.contains("ok   1/1"), "{done:?}");
    assert!(!done.out.contains('\x1b') && !done.err.contains('\x1b'), "no colours in a pipe");
}

/// Without the fields that are the host's own.
fn guest_only(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value::{Array, Object};
    let is_own = |name: &str| name.starts_with("wall_") || name.starts_with("host_");
    match value {
        Object(fields) => {
            let others = fields.into_iter().filter(|(name, _)| !is_own(name));
            Object(others.map(|(name, value)| (name, guest_only(value))).collect())
        }
        Array(values) => Array(values.into_iter().map(guest_only).collect()),
        other => other,
    }
}

#[test]
fn equal_runs_print_equal_events_except_for_the_hosts_own_fields() {
    let project = Project::new(&[("blank.yaml", BLANK)]);
    let events = || -> Vec<serde_json::Value> {
        let done = project.run(&["run", "--json", "--quiet", "blank.yaml"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        done.out.lines().map(|line| guest_only(serde_json::from_str(line).expect("JSON"))).collect()
    };
    let first = events();
    assert_eq!(first, events());
    assert!(first.iter().any(|event| event["machine"]["event_hash"].is_string()));
}

#[test]
fn what_does_not_come_fails_with_the_place_in_the_file() {
    let wanted = "expect-serial: {text: MicroPython, within: 50ms}";
    let text = BLANK.replace("expect-serial: 'invalid header: 0xffffffff'", wanted);
    let project = Project::new(&[("blank.yaml", &text)]);
    let done = project.run(&["run", "blank.yaml"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.out.contains("(blank.yaml:4:5)"), "{done:?}");
    assert!(done.out.contains("\"MicroPython\" did not come within 50ms"), "{done:?}");
    assert!(done.out.contains("again: benchrig run blank.yaml"), "{done:?}");
}

#[test]
fn mistakes_stop_everything_and_all_files_are_told() {
    let wrong = BLANK.replace("expect-serial", "expect-seril");
    let elsewhere = format!("board: esp32-devkid\nfirmware: no/such/file.bin\n{BLANK}");
    let project = Project::new(&[("a.yaml", &wrong), ("b.yaml", BLANK), ("c.yaml", &elsewhere)]);
    for verb in ["run", "check"] {
        let done = project.run(&[verb, "a.yaml", "b.yaml", "c.yaml"]);
        assert_eq!(done.code, Some(2), "{done:?}");
        for needed in [
            "a.yaml:4:5",
            "did you mean `expect-serial`?",
            "c.yaml:1:8",
            "did you mean `esp32-devkit`?",
            "c.yaml:2:11",
        ] {
            assert!(done.err.contains(needed), "{verb}: {needed} in {done:?}");
        }
        assert!(!done.out.contains("passed"), "{done:?}");
    }
}

#[test]
fn exit_codes_are_the_documented_ones() {
    let no_source = "\
[images.nowhere]
title = \"an image without a source in reach\"
version = \"1\"
chip = \"esp32\"
offset = 0x1000
file = \"nowhere.bin\"
size = 4
sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
sources = [{ from = \"file\", path = \"not-here.bin\" }]
";
    let wants_it = format!("firmware: nowhere\n{BLANK}");
    let project = Project::new(&[
        ("blank.yaml", BLANK),
        ("wants.yaml", &wants_it),
        ("firmware/firmware.toml", no_source),
    ]);
    for (arguments, code) in [
        (&["run", "blank.yaml", "--filter", "no-such-case"][..], 4),
        (&["run", "no-such-file.yaml"], 2),
        (&["run", "--target", "toaster", "blank.yaml"], 2),
        (&["run", "--no-such-option"], 2),
        (&["run", "wants.yaml"], 3),
        (&["run", "wants.yaml", "blank.yaml"], 3),
        (&["firmware", "path", "nowhere"], 3),
        (&["firmware", "path", "unheard-of"], 2),
        (&["firmware", "list"], 0),
        (&["list", "blank.yaml"], 0),
        (&["show", "blank.yaml"], 0),
        (&["show", "blank.yaml", "--filter", "no-such-case"], 4),
        (&["run", "blank.yaml", "--shard", "3/2"], 2),
        (&["run", "blank.yaml", "--jobs", "0"], 2),
        (&["run", "blank.yaml", "--wall-limit", "5"], 2),
        (&["record", "blank.yaml"], 2),
        (&["check", "blank.yaml"], 0),
        (&["--version"], 0),
    ] {
        let done = project.run(arguments);
        assert_eq!(done.code, Some(code), "{arguments:?}: {done:?}");
    }
    let done = project.run(&["run", "wants.yaml"]);
    assert!(done.out.contains("nowhere.bin") && done.out.contains("00000000"), "{done:?}");
}

/// A whole image: a program in RAM and one constant.
fn whole_image() -> Vec<u8> {
    let header = Header::new(0x4008_0400, FlashSettings::DIO_40MHZ_4MB);
    encode(header, &[(0x4008_0400, vec![0x3d; 64]), (0x3ffb_0000, vec![1, 2, 3, 4])])
}

fn changed(at: usize, byte: u8) -> Vec<u8> {
    let mut image = whole_image();
    image[at] = byte;
    image
}

#[test]
fn firmware_that_is_none_is_refused_before_anything_is_flashed() {
    let whole = whole_image();
    // The last 32 bytes are the hash, the one before them is the checksum.
    let checksum = whole.len() - 33;
    // Header of 8 bytes, then the first segment for that chip's RAM.
    let esp8266 = [0xe9, 1, 0, 0, 0, 0, 0x10, 0x40, 0, 0, 0x10, 0x40, 4, 0, 0, 0, 1, 2, 3, 4];
    for (what, bytes, said) in [
        ("empty", Vec::new(), "the file is empty"),
        ("garbage", b"this is no firmware at all".repeat(100), "not a flash image"),
        ("cut in the header", whole[..20].to_vec(), "truncated"),
        ("cut in a segment", whole[..60].to_vec(), "truncated"),
        ("cut in the hash", whole[..whole.len() - 1].to_vec(), "truncated"),
        ("oversized", vec![0xff; (16 << 20) + 1], "more than the 16 MiB"),
        ("an ESP32-S3's", changed(12, 9), "for the ESP32-S3, not for the ESP32"),
        ("an ESP8266's", esp8266.to_vec(), "for the ESP8266, not for the ESP32"),
        ("one with 200 segments", changed(1, 200), "corrupt header: 200 segments"),
        ("one that loads nowhere", changed(27, 0x99), "0x99080400"),
        ("one with a wrong checksum", changed(checksum, whole[checksum] ^ 1), "checksum"),
        ("one with a wrong hash", changed(checksum + 1, !whole[checksum + 1]), "SHA-256 differs"),
    ] {
        let text = format!("firmware: image.bin\n{BLANK}");
        let project = Project::new(&[("blank.yaml", &text)]);
        std::fs::write(project.path().join("image.bin"), bytes).expect("a writable folder");
        let done = project.run(&["run", "-q", "blank.yaml"]);
        assert_eq!(done.code, Some(3), "{what}: {done:?}");
        assert!(done.out.starts_with("error blank"), "{what}: {done:?}");
        assert!(done.out.contains("image.bin") && done.out.contains(said), "{what}: {done:?}");
        let done = project.run(&["serve", "--firmware", "image.bin", "--flash", "board.bin"]);
        assert_eq!(done.code, Some(3), "{what}: {done:?}");
        assert!(done.err.contains("image.bin") && done.err.contains(said), "{what}: {done:?}");
        for output in [&done.out, &done.err] {
            assert!(!output.contains("panicked"), "{what}: {done:?}");
        }
        let expected = ["bench.toml", "blank.yaml", "board.bin.lock", "image.bin"];
        assert_eq!(project.files("."), expected, "{what}: nothing is left behind");
    }
}

#[test]
fn the_image_that_these_are_made_of_is_flashed() {
    let text = format!("firmware: image.bin\n{BLANK}")
        .replace("invalid header: 0xffffffff", "load:0x3ffb0000,len:4");
    let project = Project::new(&[("whole.yaml", &text)]);
    std::fs::write(project.path().join("image.bin"), whole_image()).expect("a writable folder");
    let done = project.run(&["run", "whole.yaml"]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn what_cannot_be_used_has_an_error_of_its_kind_and_leaves_nothing_behind() {
    let missing = format!("firmware: no-such-image.bin\n{BLANK}");
    let project = Project::new(&[("missing.yaml", &missing), ("not.yaml", "{name: [")]);
    std::fs::write(project.path().join("short.bin"), [0xff; 100]).expect("a writable folder");
    std::fs::write(project.path().join("binary.yaml"), [0xff, 0xfe, 0]).expect("a writable folder");
    std::fs::create_dir(project.path().join("folder")).expect("a writable folder");
    let before = project.files(".");
    for (arguments, code, said) in [
        // What the scenario or the command line says wrongly.
        (&["run", "missing.yaml"][..], 2, "missing.yaml:1:11"),
        (&["run", "not.yaml"], 2, "not.yaml"),
        (&["run", "binary.yaml"], 2, "binary.yaml"),
        (&["run", "absent.yaml"], 2, "absent.yaml"),
        (&["serve", "--firmware", "absent.bin"], 2, "absent.bin"),
        (&["serve", "--board", "esp32-devkid"], 2, "esp32-devkid"),
        (&["serve", "--rom", "absent.rom"], 2, "absent.rom"),
        (&["serve", "--serial", "udp:1"], 2, "doors are"),
        (&["serve", "--fault", "tx"], 2, "wiring faults are tx-cut, "),
        // What is broken around it.
        (&["serve", "--flash", "short.bin"], 3, "short.bin has 100 bytes"),
        (&["serve", "--flash", "absent/board.bin"], 3, "absent/board.bin.lock"),
        (&["serve", "--flash", "folder"], 3, "folder"),
    ] {
        let done = project.run(arguments);
        assert_eq!(done.code, Some(code), "{arguments:?}: {done:?}");
        assert!(done.err.contains(said), "{arguments:?}: {said} in {done:?}");
        assert!(!done.err.contains("panicked") && !done.out.contains("panicked"), "{done:?}");
    }
    let mut after = project.files(".");
    after.retain(|name| !name.ends_with(".lock"));
    assert_eq!(after, before);
    let short = std::fs::read(project.path().join("short.bin")).expect("it is still there");
    assert_eq!(short, [0xff; 100]);
}

#[test]
fn a_snapshot_waits_for_review_and_then_holds() {
    let text = format!("{BLANK}  - snapshot: {{of: serial, name: boot, redact: [boot]}}\n");
    let project = Project::new(&[("scenarios/blank.yaml", &text)]);
    let ci = [("CI", "true"), ("INSTA_UPDATE", "always")];

    let done = project.run_with(&["run"], &ci);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(project.files("scenarios"), ["blank.yaml"], "CI writes nothing");

    assert_eq!(project.run(&["run"]).code, Some(1));
    assert_eq!(project.files("scenarios"), ["blank.boot.snap.new", "blank.yaml"]);
    let done = project.run(&["review"]);
    assert_eq!(done.code, Some(1), "without a terminal nothing is decided: {done:?}");
    assert!(done.out.contains("+invalid header: 0xffffffff"), "{done:?}");

    assert_eq!(project.run(&["review", "--accept"]).code, Some(0));
    assert_eq!(project.files("scenarios"), ["blank.boot.snap", "blank.yaml"]);
    let done = project.run_with(&["run"], &ci);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("as reviewed"), "{done:?}");

    let snapshot = project.path().join("scenarios/blank.boot.snap");
    let changed = std::fs::read_to_string(&snapshot).unwrap().replace("0xffffffff", "0xfffffffe");
    std::fs::write(&snapshot, changed).unwrap();
    let done = project.run_with(&["run"], &ci);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.out.contains("-invalid header: 0xfffffffe"), "{done:?}");
    assert_eq!(project.files("scenarios"), ["blank.boot.snap", "blank.yaml"], "CI writes nothing");
}

#[test]
fn secrets_of_the_environment_are_in_no_output() {
    let text = "\
name: Secret
version: 1
steps:
  - log: 'the key is {{env.KEY}}'
  - expect-serial: {text: '{{env.KEY}}', within: 10ms}
";
    let project = Project::new(&[("secret.yaml", text)]);
    for arguments in [&["run", "-v", "secret.yaml"][..], &["run", "--json", "secret.yaml"]] {
        let done = project.run_with(&[arguments, FILES].concat(), &[("KEY", "hunter2")]);
        for file in ["out/run.html", "out/junit.xml"] {
            let text = project.read(file);
            assert!(!text.contains("hunter2") && text.contains("[env.KEY]"), "{text}");
        }
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(!done.out.contains("hunter2") && !done.err.contains("hunter2"), "{done:?}");
        assert!(done.err.contains("the key is [env.KEY]"), "{done:?}");
    }
    let done = project.run(&["run", "secret.yaml"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.out.contains("the environment variable KEY is not set"), "{done:?}");
}

const FILES: &[&str] = &["--junit", "out/junit.xml", "--html", "out/run.html"];

#[test]
fn reports_are_files_that_every_failure_on_the_console_refers_to() {
    let text = BLANK.replace("invalid header", "never said");
    let project = Project::new(&[("blank.yaml", BLANK), ("fails.yaml", &text)]);
    let done = project.run(&[&["run", "blank.yaml", "fails.yaml"], FILES].concat());
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.out.contains("report: out/run.html#case-2"), "{done:?}");
    assert!(done.err.contains("fails |   XX   1/1"), "{done:?}");
    assert_eq!(project.files("out"), ["junit.xml", "run.html"]);
    let page = project.read("out/run.html");
    assert!(page.contains("id=\"case-2\"") && page.ends_with("</html>"), "{page}");
    let junit = project.read("out/junit.xml");
    assert!(junit.contains("tests=\"2\"") && junit.contains("<failure"), "{junit}");
}

#[test]
fn a_report_that_cannot_be_written_is_trouble_with_the_bench() {
    let project = Project::new(&[("blank.yaml", BLANK), ("file", "not a folder")]);
    let done = project.run(&["run", "blank.yaml", "--junit", "file/junit.xml"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("cannot write file/junit.xml"), "{done:?}");
    assert!(done.out.contains("1 passed"), "{done:?}");
}

#[test]
fn the_traces_of_several_cases_do_not_go_into_one_file() {
    let project = Project::new(&[("a.yaml", BLANK), ("b.yaml", BLANK)]);
    let done = project.run(&["run", "a.yaml", "b.yaml", "--vcd", "pins.vcd"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.err.contains("name a folder"), "{done:?}");
}

#[test]
fn github_is_pointed_at_the_step_and_gets_a_summary() {
    let text = BLANK.replace("invalid header", "never said");
    let project = Project::new(&[("tests/fails.yaml", &text), ("summary.md", "before\n")]);
    let root = project.path().canonicalize().expect("a folder");
    let environment = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_STEP_SUMMARY", "summary.md"),
        ("GITHUB_WORKSPACE", root.to_str().expect("text")),
    ];
    let place = "::error file=tests/fails.yaml,line=4,col=5,title=fails failed::";
    let done = project.run_with(&["run", "-q", "tests/fails.yaml"], &environment);
    assert!(done.out.lines().any(|line| line.starts_with(place)), "{done:?}");
    let done = project.run_with(&["run", "-q", "--json", "tests/fails.yaml"], &environment);
    assert!(done.out.lines().all(|line| line.starts_with('{')), "{done:?}");
    assert!(done.err.lines().any(|line| line.starts_with(place)), "{done:?}");
    let summary = project.read("summary.md");
    assert!(summary.starts_with("before\n### benchrig: 1 failed\n"), "{summary}");
    assert_eq!(summary.matches("| failed | fails |").count(), 2, "{summary}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_with_its_report() {
    let text = "\
name: For ever
version: 1
timeout: 1000h
steps:
  - boot-mode: download
  - expect-serial: {text: never, within: 999h}
";
    let project = Project::new(&[("ever.yaml", text)]);
    let mut child = project
        .command(&[&["run", "ever.yaml"], FILES].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("boot-mode download"))));
    interrupt(&child);
    let mut out = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(out.contains("interrupted ever") && out.contains("1 interrupted"), "{out}");
    assert!(project.read("out/run.html").contains("1 interrupted"));
    assert!(project.read("out/junit.xml").contains("type=\"interrupted\""));
}

/// Waits for a line with this text.
#[cfg(unix)]
fn await_line(lines: &mut impl Iterator<Item = std::io::Result<String>>, text: &str) -> String {
    let line = lines.map_while(Result::ok).find(|line| line.contains(text));
    line.unwrap_or_else(|| panic!("no line with {text:?}"))
}

#[cfg(unix)]
#[test]
fn ctrl_c_reports_what_ran_and_begins_nothing_more() {
    let ever = "\
name: For ever
version: 1
timeout: 1000h
steps:
  - boot-mode: download
  - expect-serial: {text: never, within: 999h}
";
    let project = Project::new(&[("a.yaml", BLANK), ("b.yaml", ever), ("c.yaml", BLANK)]);
    let mut child = project
        .command(&["run", "--jobs", "1", "a.yaml", "b.yaml", "c.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    await_line(&mut lines, "boot-mode download");
    interrupt(&child);
    let mut out = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(out.contains("passed a ") && out.contains("interrupted b "), "{out}");
    assert!(out.contains("1 passed, 1 interrupted") && !out.contains(" c "), "{out}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_second_ctrl_c_ends_a_program_that_cannot_end_by_itself() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    // A pipe that is full and that nobody reads: the first event waits for ever.
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a pipe");
    while writer.write(&[b' '; 4096]).is_ok() {}
    while writer.write(b" ").is_ok() {}
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).expect("a pipe");
    let project = Project::new(&[("blank.yaml", BLANK)]);
    let mut child = project
        .command(&["run", "-q", "--json", "blank.yaml"])
        .stdout(Stdio::from(writer))
        .spawn()
        .expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let catches = || {
        let status = std::fs::read_to_string(&status).expect("a running process");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.expect("a mask").trim(), 16).expect("a mask");
        caught & 1 << (2 - 1) != 0 // SIGINT
    };
    while !catches() {
        std::thread::yield_now();
    }
    // Signals that come close together may be taken as one.
    let code = loop {
        interrupt(&child);
        if let Some(status) = child.try_wait().expect("a child") {
            break status.code();
        }
    };
    assert_eq!(code, Some(130));
    drop(reader);
}

#[cfg(unix)]
#[test]
fn a_failed_cases_machine_is_held_open_with_a_door() {
    let text = BLANK.replace("0xffffffff'", "0xeeeeeeee'");
    let project = Project::new(&[("blank.yaml", &text), ("never.yaml", BLANK)]);
    let mut child = project
        .command(&["run", "--jobs", "1", "--hold", "blank.yaml", "never.yaml"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let report = await_line(&mut lines, "in ");
    assert!(report.starts_with("failed blank"), "{report}");
    let ran = await_line(&mut lines, "1 failed");
    assert!(!ran.contains("passed"), "no other case begins: {ran}");
    let door = await_line(&mut lines, "serial tcp:");
    await_line(&mut lines, "ready");
    let address = door.strip_prefix("serial tcp:").expect("a door");
    let mut client = TcpStream::connect(address).expect("the door is open");
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    // The ROM goes on complaining about the blank flash.
    let mut piece = [0; 16];
    assert!(client.read(&mut piece).expect("the board goes on") > 0);
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "the run's own verdict");
}

#[test]
fn cases_that_begin_alike_are_shown_with_what_they_go_on_from() {
    let text = format!("parameters: {{n: [1, 2]}}\n{BLANK}  - log: '{{{{n}}}}'\n");
    let project = Project::new(&[("two.yaml", &text)]);
    let done = project.run(&["show", "two.yaml"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    for needed in [
        "two[n=2]: A blank board",
        "goes on from two[n=1] after its step 1",
        "=  1  two.yaml:5:5  expect-serial",
        "   2  two.yaml:6:5  log \"2\"",
        "2 cases on emulator, 0 of them skipped, 1 going on",
    ] {
        assert!(done.out.contains(needed), "{needed} in {done:?}");
    }
    let done = project.run(&["show", "--no-fork", "two.yaml"]);
    assert!(!done.out.contains("goes on from"), "{done:?}");
}

#[test]
fn every_shard_runs_its_part_and_together_they_run_all() {
    let text = format!("parameters: {{n: [1, 2, 3]}}\n{BLANK}  - log: '{{{{n}}}}'\n");
    let project = Project::new(&[("three.yaml", &text)]);
    let passed = |shard: &str| {
        let done = project.run(&["run", "-q", "--shard", shard, "three.yaml"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        done.out.lines().filter(|line| line.starts_with("passed")).count()
    };
    assert_eq!((passed("1/2"), passed("2/2")), (1, 2));
}

#[test]
fn init_writes_a_scenario_that_is_right_and_never_overwrites() {
    let project = Project::new(&[]);
    let done = project.run(&["init", "new"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let check = project.run(&["check", "new/scenarios"]);
    assert_eq!(check.code, Some(0), "{check:?}");
    let scenario = project.path().join("new/scenarios/first.yaml");
    std::fs::write(&scenario, "mine").expect("a writable folder");
    let done = project.run(&["init", "new"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("left as it is"), "{done:?}");
    assert_eq!(std::fs::read_to_string(&scenario).expect("readable"), "mine");
}

#[test]
fn a_recorded_session_is_a_scenario_that_passes() {
    let project = Project::new(&[]);
    let output = project
        .command(&["record", "scenarios/mine.yaml"])
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("invalid header"));
    let text = std::fs::read_to_string(project.path().join("scenarios/mine.yaml"));
    // The last that a board without firmware says is why it starts again.
    assert!(text.is_ok_and(|text| text.contains("expect-serial: \"rst:0x10 (RTCWDT_RTC_RESET)")));
    let done = project.run(&["run", "-q"]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn redact_finds_nothing_where_nothing_varies_and_changes_no_snapshot() {
    let text = format!("{BLANK}  - snapshot: {{of: serial, name: boot}}\n");
    let project = Project::new(&[("scenarios/blank.yaml", &text)]);
    let done = project.run(&["redact", "--runs", "2"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("snapshot `boot`: the same in 2 runs"), "{done:?}");
    assert_eq!(project.files("scenarios"), ["blank.yaml"]);
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.is_ok_and(|status| status.success()));
}

#[cfg(unix)]
#[test]
fn a_served_board_speaks_through_its_door_and_owns_its_flash_file() {
    let project = Project::new(&[]);
    let serve = &["serve", "--flash", "board.bin", "--serial", "tcp:127.0.0.1:0"];
    let mut child =
        project.command(serve).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let door = lines.next().expect("a line").expect("text");
    let address = door.strip_prefix("serial tcp:").expect("a door");
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");

    let mut client = TcpStream::connect(address).expect("the door is open");
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut said = Vec::new();
    let mut piece = [0; 256];
    while !String::from_utf8_lossy(&said).contains("invalid header: 0xffffffff") {
        let count = client.read(&mut piece).expect("the board speaks");
        assert!(count > 0, "the door closed after {:?}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&piece[..count]);
    }

    let second = project.run(serve);
    assert_eq!(second.code, Some(3), "{second:?}");
    let owner = format!("is in use by process {}", child.id());
    assert!(second.err.contains(&owner), "{second:?}");

    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let files = project.files(".");
    let ours = ["bench.toml", "board.bin", "board.bin.lock"];
    assert!(files.iter().all(|name| ours.contains(&name.as_str())), "{files:?}");
}

#[cfg(unix)]
#[test]
fn a_pseudo_terminal_is_a_door_too_and_its_link_goes_with_it() {
    let project = Project::new(&[]);
    let serve = &["serve", "--serial", "pty:board"];
    let mut child =
        project.command(serve).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "serial pty:board");
    let board = std::fs::File::open(project.path().join("board")).expect("the link leads to it");
    let said = BufReader::new(board).lines().map_while(Result::ok);
    assert!(said.into_iter().any(|line| line.contains("invalid header: 0xffffffff")));
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(project.files(".").iter().all(|file| file != "board"));
}

#[test]
fn a_door_to_the_network_is_refused_unless_it_is_asked_for() {
    let project = Project::new(&[]);
    let done = project.run(&["serve", "--serial", "tcp:0.0.0.0:0"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("loopback") && done.err.contains("--remote"), "{done:?}");
    let done = project.run(&["serve", "--serial", "pty", "--control", "0.0.0.0:0"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("set BENCHRIG_TOKEN"), "{done:?}");
}

#[cfg(unix)]
#[test]
fn the_control_socket_of_another_computer_wants_its_token() {
    let project = Project::new(&[]);
    let serve = &["serve", "--serial", "pty", "--control", "127.0.0.1:0"];
    let mut command = project.command(serve);
    command.env("BENCHRIG_TOKEN", "open sesame").stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let control = lines.next().expect("a line").expect("text");
    let address = control.strip_prefix("control ").expect("where it is").to_owned();
    assert!(lines.any(|line| line.is_ok_and(|line| line == "ready")));

    let ctl = |token: &str| {
        let mut command = project.command(&["ctl", &address, "pin", "2"]);
        command.env("BENCHRIG_TOKEN", token).output().expect("the program runs")
    };
    let right = ctl("open sesame");
    assert_eq!(String::from_utf8_lossy(&right.stdout), "low\n");
    for wrong in
        [ctl("open barley"), project.command(&["ctl", &address, "status"]).output().unwrap()]
    {
        assert_eq!(wrong.status.code(), Some(3));
        let said = String::from_utf8_lossy(&wrong.stderr);
        assert!(said.contains("the token is not the one"), "{said}");
    }
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}

#[cfg(unix)]
#[test]
fn a_question_on_the_terminal_is_answered_there_and_ctrl_c_ends_the_run_while_it_is_open() {
    use nix::sys::termios::{LocalFlags, tcgetattr};
    let asks = "\
name: Ask
version: 1
steps:
  - prompt: turn the knob
  - prompt: {text: Lit?, answer: yes-no}
";
    let project = Project::new(&[("ask.yaml", asks)]);
    let pair = nix::pty::openpty(None, None).expect("a terminal");
    let slave = || Stdio::from(pair.slave.try_clone().expect("a terminal"));
    let mut command = project.command(&["run", "ask.yaml"]);
    command.env("TERM", "xterm").stdin(slave()).stderr(slave()).stdout(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    drop(command);
    let mut terminal = std::fs::File::from(pair.master.try_clone().expect("a terminal"));
    let mut shown = String::new();
    let mut until = |text: &str, terminal: &mut std::fs::File| {
        let mut bytes = [0; 1024];
        while !shown.contains(text) {
            let count = terminal.read(&mut bytes).expect("the terminal");
            shown += &String::from_utf8_lossy(&bytes[..count]);
        }
        // The picture is away while a question is open.
        assert!(shown.ends_with(text), "{shown:?}");
    };
    until("turn the knob [Enter] ", &mut terminal);
    terminal.write_all(b"\n").expect("the terminal");
    until("Lit? [y/n] ", &mut terminal);
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.is_ok_and(|status| status.success()));
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    let out = String::from_utf8(output.stdout).expect("text");
    assert!(out.starts_with("interrupted ask (") && out.contains("at step 2 ("), "{out}");
    let modes = tcgetattr(&pair.slave).expect("a terminal").local_flags;
    assert!(modes.contains(LocalFlags::ECHO | LocalFlags::ECHOCTL | LocalFlags::ICANON));
}

#[cfg(unix)]
#[test]
fn a_hand_at_a_served_board_presses_its_buttons_and_reads_its_flash() {
    let project = Project::new(&[]);
    let sockets = project.path().join("run");
    let ctl = |arguments: &[&str]| {
        let arguments: Vec<_> = ["ctl", "desk"].iter().chain(arguments).copied().collect();
        project.run_with(&arguments, &[("XDG_RUNTIME_DIR", sockets.to_str().unwrap())])
    };
    let none = ctl(&["status"]);
    assert_eq!(none.code, Some(3), "{none:?}");
    assert!(none.err.contains("benchrig serve --name desk"), "{none:?}");

    let serve = &["serve", "--name", "desk", "--serial", "tcp:127.0.0.1:0"];
    let mut command = project.command(serve);
    command.env("XDG_RUNTIME_DIR", &sockets).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut said = String::new();
    while !said.contains("ready") {
        assert_ne!(out.read_line(&mut said).expect("readable"), 0, "{said}");
    }
    let address = said.lines().find_map(|line| line.strip_prefix("serial tcp:")).expect(&said);
    let mut board = BufReader::new(TcpStream::connect(address).expect("a door"));
    let mut until = |wanted: &str| {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert_ne!(board.read_line(&mut line).expect("readable"), 0, "{wanted} must come");
        }
        line
    };
    until("boot:0x13");
    for (arguments, answer) in [
        (&["pin", "0"][..], "high\n"),
        (&["boot-mode", "download"], ""),
        (&["pin", "0"], "low\n"),
        (&["press", "reset", "--for", "20ms"], ""),
    ] {
        let done = ctl(arguments);
        assert_eq!((done.code, done.out.as_str()), (Some(0), answer), "{arguments:?}: {done:?}");
    }
    until("waiting for download");
    // Deaf for a while; what was said meanwhile never comes.
    assert_eq!(ctl(&["boot-mode", "run"]).code, Some(0));
    let longer = ["press", "boot", "--for", "500ms"];
    for arguments in [&["wires", "tx-cut"][..], &["press", "reset"], &longer, &["wires"]] {
        assert_eq!(ctl(arguments).code, Some(0), "{arguments:?}");
    }
    assert_eq!(ctl(&["boot-mode", "download"]).code, Some(0));
    assert_eq!(ctl(&["press", "reset"]).code, Some(0));
    let next = until("boot:0x");
    assert!(next.contains("DOWNLOAD_BOOT"), "{next}");
    let odd = ctl(&["wires", "tx"]);
    assert!(odd.code == Some(2) && odd.err.contains("tx-rx-swapped"), "{odd:?}");
    assert!(ctl(&["power", "off"]).code == Some(0) && ctl(&["status"]).out.contains("power off"));
    let name = project.run(&["ctl", "../desk", "status"]);
    assert_eq!(name.code, Some(2), "{name:?}");
    let mut socket = std::os::unix::net::UnixStream::connect(sockets.join("benchrig/desk.sock"))
        .expect("the control socket");
    socket.write_all(b"eject\n").expect("writable");
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).expect("readable");
    assert!(answer.contains("no order") && answer.contains(&child.id().to_string()), "{answer}");
    let odd = ctl(&["press", "eject"]);
    assert_eq!(odd.code, Some(3), "{odd:?}");
    assert!(odd.err.contains("eject"), "{odd:?}");
    let saved = ctl(&["save", "flash.bin"]);
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let flash = std::fs::read(project.path().join("flash.bin")).expect("it was saved");
    assert!(flash.len() == 4 << 20 && flash.iter().all(|byte| *byte == 0xff));

    let second = project
        .run_with(&["serve", "--name", "desk"], &[("XDG_RUNTIME_DIR", sockets.to_str().unwrap())]);
    assert_eq!(second.code, Some(3), "{second:?}");
    assert!(second.err.contains(&child.id().to_string()), "{second:?}");
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(project.files("run/benchrig").is_empty(), "the socket is gone");
}
