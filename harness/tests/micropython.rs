//! The steps for MicroPython against the official image on an emulated board.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A project with a program, a template, and a file of every byte.
fn project() -> TempDir {
    let project = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &str, contents: &[u8]| {
        std::fs::write(project.path().join(path), contents).expect("a writable folder");
    };
    write("bench.toml", b"");
    let every_byte: Vec<u8> = (0..16_384_u32).map(|n| (n * 7 + n / 256) as u8).collect();
    write("every-byte.bin", &every_byte);
    write("empty.txt", b"");
    let count = "for n in range(3):\n    print('n =', n)\nprint('grüße', \"\"\"{{kept}}\"\"\")\n";
    write("count.py", count.as_bytes());
    write("key.py", b"key = \"{{env.API_KEY}}\"\nhow = '{{how}}'\n");
    write("broken.py", b"print('so far')\nraise ValueError('no more')\n");
    project
}

fn run(project: &Path, steps: &str) -> Output {
    let text = format!(
        "name: Files\nversion: 1\nfirmware: micropython-1.23.0\nparameters: {{how: [well]}}\n\
         steps:\n- wait-serial: '>>> '\n- log: '{{{{how}}}}'\n{steps}\n"
    );
    std::fs::write(project.join("files.yaml"), text).expect("a writable folder");
    Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(["run", "--json", "files.yaml"])
        .env_remove("BENCHRIG_TARGET")
        .env("API_KEY", "it's s3cret")
        .current_dir(project)
        .output()
        .expect("the program starts")
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn files_go_there_and_back_byte_by_byte_whatever_they_are_called() {
    let project = project();
    let steps = r#"
- put-file: {from: every-byte.bin, to: "every 'byte'.bin"}
- put-file: {from: empty.txt, to: empty.txt}
- get-file: {from: "every 'byte'.bin", equals: every-byte.bin, to: out/back.bin}
- get-file: {from: empty.txt, equals: empty.txt}
- repl: import os
- repl: {code: "sorted(os.listdir())", expect: "['boot.py', 'empty.txt', \"every 'byte'.bin\"]"}
- remove-file: "every 'byte'.bin"
- remove-file: {file: empty.txt}
- repl: {code: os.listdir(), expect: "['boot.py']"}
- put-file: {from: key.py, to: key.py, template: true}
- soft-reset
- repl: import key
- repl: {code: "len(key.key), key.how", expect: "(11, 'well')", capture: kept}
- run-file: {file: count.py, template: true, expect: {regex: 'n = (?<n>2)\n'}, capture: all}
- log: "{{n}} {{all}}""#;
    let output = run(project.path(), steps);
    let shown = shown(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("2 n = 0"), "{shown}");
    assert!(shown.contains("grüße (11, 'well')"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
    let read = |path: &str| std::fs::read(project.path().join(path)).expect("a file");
    assert!(read("out/back.bin") == read("every-byte.bin"));
}

#[test]
fn what_goes_wrong_on_the_device_is_said_in_its_words() {
    let project = project();
    for (step, what) in [
        (
            "- remove-file: none.py",
            "none.py cannot be removed: MicroPython raised OSError: [Errno 2] ENOENT",
        ),
        (
            "- get-file: {from: none.py, capture: x}",
            "none.py cannot be read: MicroPython raised OSError: [Errno 2] ENOENT",
        ),
        (
            "- put-file: {from: empty.txt, to: no/folder}",
            "no/folder cannot be written: MicroPython raised OSError: [Errno 2] ENOENT",
        ),
        ("- run-file: broken.py", "the code raised ValueError: no more"),
    ] {
        let output = run(project.path(), step);
        let shown = shown(&output);
        assert_eq!(output.status.code(), Some(1), "{shown}");
        assert!(shown.contains(what), "{shown}");
    }
    let expected = "- run-file: {file: broken.py, expect: {text: 'ValueError: no more'}}\n\
                    - repl: {code: 1+1, expect: 2}";
    assert_eq!(run(project.path(), expected).status.code(), Some(0));
}
