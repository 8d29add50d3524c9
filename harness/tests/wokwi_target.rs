//! `--target wokwi`, on `serve --wokwi`. How the target bears other servers is tested beside it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::served::Served;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn server() -> (Served, String) {
    let served = Served::start(&["--wokwi", "127.0.0.1:0"], |_| {});
    let url = served.door("wokwi ");
    (served, url)
}

/// Runs the program in a folder; exit code and what it said.
fn benchrig(folder: &Path, server: &str, token: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("BENCHRIG_TARGET")
        .env("WOKWI_CLI_SERVER", server)
        .env("WOKWI_CLI_TOKEN", token)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts");
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_first_scenario_runs_up_to_the_first_file_of_the_guest() {
    let text = std::fs::read_to_string(root().join("scenarios/first-steps.yaml")).expect("text");
    let (before, _) = text.split_once("  # Flash does survive").expect("the part with files");
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("bench.toml"), "").expect("a writable folder");
    std::fs::write(folder.path().join("steps.yaml"), before).expect("a writable folder");
    std::fs::write(folder.path().join("whole.yaml"), &text).expect("a writable folder");
    let (_served, url) = server();
    let run = |words: &[&str]| {
        benchrig(folder.path(), &url, "any", &[&["run", "--target", "wokwi"], words].concat())
    };
    let (code, said) = run(&["--no-skip", "steps.yaml"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("s of simulated time in 1 runs"), "{said}");
    // What comes behind needs what the guest has written.
    let (code, said) = run(&["whole.yaml"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("keep-flash"), "{said}");
}

#[test]
fn a_wokwi_project_does_the_same_on_the_emulator_and_on_a_server() {
    let (_served, url) = server();
    let words = ["run", "--compare", "emulator,wokwi", "wokwi/devkit/button.scenario.yaml"];
    let (code, said) = benchrig(&root(), &url, "any", &words);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("button.scenario: the same (18 steps"), "{said}");
}

/// Passes bytes on, and makes a 43 of each 42 that the board says.
fn forger(server: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("an address"));
    let address = server.trim_start_matches("ws://").to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let there = TcpStream::connect(&address).expect("the server");
            let ends =
                (client.try_clone().expect("a socket"), there.try_clone().expect("a socket"));
            std::thread::spawn(move || pass_on(ends.0, ends.1, "", ""));
            std::thread::spawn(move || pass_on(there, client, "52,50,13,10", "52,51,13,10"));
        }
    });
    url
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, old: &str, new: &str) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let place = buffer[..length].windows(old.len().max(1)).position(|it| it == old.as_bytes());
        if let Some(at) = place {
            buffer[at..at + new.len()].copy_from_slice(new.as_bytes());
        }
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

#[test]
fn a_board_that_says_something_else_is_shown_side_by_side() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("bench.toml"), "").expect("a writable folder");
    let text = "name: Computes\nversion: 1\nfirmware: micropython-1.23.0\nsteps:\n  \
                - wait-serial: '>>> '\n  - write-serial: \"print(6 * 7)\\r\"\n  \
                - wait-serial: '>>> '\n  - delay: 10ms\n";
    std::fs::write(folder.path().join("computes.yaml"), text).expect("a writable folder");
    let (_served, url) = server();
    let compare = |url: &str| {
        benchrig(folder.path(), url, "any", &["run", "--compare", "emulator,wokwi", "."])
    };
    let (code, said) = compare(&url);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("computes: the same (4 steps"), "{said}");
    let (code, said) = compare(&forger(&url));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the targets part"), "{said}");
    assert!(said.contains("43"), "{said}");
}

#[test]
fn without_a_token_it_says_where_there_are_some() {
    let words = ["run", "--target", "wokwi", "scenarios/first-steps.yaml"];
    let (code, said) = benchrig(&root(), "", "", &words);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("WOKWI_CLI_TOKEN is not set"), "{said}");
    assert!(said.contains("https://wokwi.com/dashboard/ci"), "{said}");
    assert!(said.contains("benchrig serve --wokwi"), "{said}");
}

#[test]
fn what_cannot_be_done_is_told_before_the_run() {
    let (_served, url) = server();
    for (scenario, lacks) in [
        ("scenarios/pins.yaml", "drive-pins"),
        ("scenarios/brownout.yaml", "faults"),
        ("scenarios/wifi-roaming.yaml", "air"),
        ("scenarios/two-boards.yaml", "several-boards"),
    ] {
        let words = ["run", "--target", "wokwi", scenario];
        let (code, said) = benchrig(&root(), &url, "any", &words);
        assert_eq!(code, Some(4), "{scenario}: {said}");
        assert!(said.contains(lacks), "{scenario}: {said}");
    }
}
