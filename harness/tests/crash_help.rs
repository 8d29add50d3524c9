//! Help with crashes: a program that dies on the emulated board, and what is told about that.
//!
//! The program is made here, with Debian's compiler for the ESP8266 (gcc-xtensa-lx106): it emits
//! instructions that the ESP32 has too, and the same debug information.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use benchrig::symbols::Symbols;
use object::{Object, ObjectSymbol};
use tempfile::TempDir;

const COMPILER: &str = "xtensa-lx106-elf-gcc";

const SCENARIO: &str = "\
name: It blinks
version: 1
firmware: build/crash.bin
steps:
  - expect-serial: blinking
  - expect-serial: {text: blinked, within: 5s}
";

/// A project with the program, built, and a scenario for it.
struct Project(TempDir);

impl Project {
    fn new(scenario: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = Self(folder);
        std::fs::create_dir(project.path("build")).expect("a writable folder");
        std::fs::write(project.path("bench.toml"), "").expect("a writable folder");
        std::fs::write(project.path("crash.yaml"), scenario).expect("a writable folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash");
        let compiled = Command::new(COMPILER)
            .args(["-g", "-O1", "-mlongcalls", "-ffreestanding", "-nostdlib", "-T"])
            .arg(source.join("crash.ld"))
            .arg(source.join("crash.c"))
            .arg("-o")
            .arg(project.elf())
            .status()
            .unwrap_or_else(|error| {
                panic!("{COMPILER} does not start ({error}): install gcc-xtensa-lx106")
            });
        assert!(compiled.success());
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn elf(&self) -> PathBuf {
        self.path("build/crash.elf")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_benchrig"));
        command.args(["run", "crash.yaml", "-q"]).args(arguments).current_dir(self.0.path());
        for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "BENCHRIG_TARGET"] {
            command.env_remove(name);
        }
        command.output().expect("the program starts")
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// The line of the source that a comment marks.
fn line_of(comment: &str) -> usize {
    let source = include_str!("crash/crash.c");
    1 + source.lines().position(|line| line.ends_with(comment)).expect("the comment")
}

/// The address of a label in the program.
fn address_of(elf: &Path, label: &str) -> u32 {
    let bytes = std::fs::read(elf).expect("a file");
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    let symbol = elf.symbols().find(|symbol| symbol.name() == Ok(label)).expect("the label");
    symbol.address() as u32
}

#[test]
fn a_crash_is_told_with_functions_files_and_lines_also_of_inlined_functions() {
    let project = Project::new(&SCENARIO.replace(".bin", ".elf"));
    let done = project.run(&["--junit", "junit.xml", "--html", "run.html"]);
    let out = text(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(out.contains("the guest panicked at 0."), "{out}");
    let junit = std::fs::read_to_string(project.path("junit.xml")).expect("the file");
    let page = std::fs::read_to_string(project.path("run.html")).expect("the file");
    for (function, comment) in [
        ("poke", "/* poke dies */"),
        ("blink", "/* blink pokes */"),
        ("start", "/* start blinks */"),
    ] {
        let line = line_of(comment);
        let wanted = regex::Regex::new(&format!(r"{function} at \S*crash\.c:{line}\b")).unwrap();
        assert!(wanted.is_match(out), "{wanted} in {out}");
        assert!(wanted.is_match(&junit), "{wanted} in {junit}");
        let shown = page.lines().any(|it| it.contains(function) && it.contains(&line.to_string()));
        assert!(shown, "{function} {line} in {page}");
    }
    assert!(out.contains("(inlined by) blink"), "{out}");
}

#[test]
fn an_elf_file_can_be_named_by_the_person_and_by_the_scenario() {
    let project = Project::new(&SCENARIO.replace("build/crash.bin", "other.elf"));
    std::fs::rename(project.elf(), project.path("other.elf")).expect("a writable folder");
    // The same program without what is known about it.
    let strip = Command::new("xtensa-lx106-elf-strip")
        .arg(project.path("other.elf"))
        .arg("-o")
        .arg(project.path("stripped.elf"))
        .status();
    assert!(strip.is_ok_and(|status| status.success()));
    let scenario = |more: &str| {
        let text = SCENARIO.replace("build/crash.bin", "stripped.elf");
        let text = text.replace("steps:", &format!("{more}\nsteps:"));
        std::fs::write(project.path("crash.yaml"), text).expect("a writable folder");
    };
    scenario("");
    let done = project.run(&[]);
    let out = text(&done.stdout);
    assert!(!out.contains("blink at") && out.contains("stripped.elf knows none"), "{out}");
    let done = project.run(&["--elf", "other.elf"]);
    assert!(text(&done.stdout).contains("blink at"), "{done:?}");
    scenario("elf: other.elf");
    let done = project.run(&[]);
    assert!(text(&done.stdout).contains("blink at"), "{done:?}");
    scenario("elf: nowhere.elf");
    let done = project.run(&[]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(text(&done.stderr).contains("there is no file `nowhere.elf`"), "{done:?}");
    let done = project.run(&["--elf", "nowhere.elf"]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
}

#[test]
fn an_elf_file_of_another_build_is_not_trusted() {
    let project = Project::new(SCENARIO);
    let address = address_of(&project.elf(), "crash_here");
    let symbols = Symbols::new(Some(project.elf()));
    let right = symbols.locate(&[address], None).expect("an ELF file");
    assert_eq!(right.doubt, None);
    assert_eq!(right.locations[0][0].function.as_deref(), Some("poke"));
    let other = symbols.locate(&[address], Some("0123456789abcdef")).expect("an ELF file");
    assert!(other.doubt.is_some_and(|doubt| doubt.contains("was not built from")));
}
