//! `--target wokwi`, on `serve --wokwi`. How the target bears other servers is tested beside it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use benchrig::authority::{Authority, Flaw};

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

#[test]
fn parts_of_a_scenario_are_parts_of_the_diagram() {
    let (_served, url) = server();
    for name in ["button", "switch"] {
        let scenario = format!("scenarios/{name}.yaml");
        let words = ["run", "--target", "wokwi", "--no-skip", &scenario];
        let (code, said) = benchrig(&root(), &url, "any", &words);
        assert_eq!(code, Some(0), "{scenario}: {said}");
    }
    let words = ["run", "--target", "wokwi", "scenarios/parts.yaml"];
    let (code, said) = benchrig(&root(), &url, "any", &words);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("see-parts"), "{said}");
}

/// A scenario with these lines in a folder of its own.
fn scenario(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("bench.toml"), "").expect("a writable folder");
    let text = format!("name: Tried\nversion: 1\nfirmware: micropython-1.23.0\n{text}");
    std::fs::write(folder.path().join("tried.yaml"), text).expect("a writable folder");
    folder
}

#[test]
fn networks_of_a_scenario_are_access_points_of_the_diagram() {
    let joins = "air:\n  - {ssid: bench, password: a good password, channel: 11}\nsteps:\n  \
                 - wait-serial: '>>> '\n  - connect-wifi: {ssid: bench, password: a good password}\n  \
                 - repl: {code: \"import network; network.WLAN(network.STA_IF).config('channel')\", expect: 11}\n";
    let (_served, url) = server();
    let run = |text: &str| {
        let folder = scenario(text);
        let words = ["run", "--target", "wokwi", "--no-skip", "tried.yaml"];
        benchrig(folder.path(), &url, "any", &words)
    };
    let (code, said) = run(joins);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("has the address 10.10.0."), "{said}");
    let used = "min of simulated time in 1 runs";
    assert!(said.contains(used) && said.contains("is not Wokwi's service"), "{said}");
    let (code, said) = run(&joins.replace("channel: 11}", "channel: 11, hidden: true}"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Wokwi hides no network"), "{said}");
    assert!(!said.contains("used:"), "nothing was begun: {said}");
    let hosts =
        joins.replace("steps:", "hosts: [{name: h, address: 192.168.0.4, ntp: true}]\nsteps:");
    let (code, said) = run(&hosts);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no `hosts` of a scenario's"), "{said}");
}

/// Runs a scenario through a program that stands in for wokwi-cli.
fn through_cli(
    folder: &Path,
    server: &str,
    program: &str,
    words: &[&str],
) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(["run", "--target", "wokwi-cli"])
        .args(words)
        .current_dir(folder)
        .env_remove("BENCHRIG_TARGET")
        .env("WOKWI_CLI_SERVER", server)
        .env("WOKWI_CLI_TOKEN", "any")
        .env("BENCHRIG_WOKWI_CLI", program)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts");
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn stand_in() -> String {
    format!("{}/tests/wokwi_cli_stand_in.py", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn wokwi_cli_plays_what_its_scenarios_can_say() {
    let (_served, url) = server();
    let words = ["--no-skip", "-v", "scenarios/button.yaml", "wokwi/esp32-cam"];
    let (code, said) = through_cli(&root(), &url, &stand_in(), &words);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 passed"), "{said}");
    // Every step is told, and what the board has said.
    assert!(said.contains("14/14") && said.contains("9/9"), "{said}");
    assert!(said.contains(">>> ADC(34).read()"), "{said}");
    assert!(said.contains("at most 30.000 s of simulated time in wokwi-cli"), "{said}");
    assert!(said.contains("used: at most 1.00 min of simulated time in 2 runs"), "{said}");
}

#[test]
fn a_step_that_wokwi_cli_does_not_get_done_fails_with_its_words() {
    let (_served, url) = server();
    let run = |steps: &str| {
        let folder = scenario(&format!("timeout: 2s\nsteps:\n  - wait-serial: '>>> '\n{steps}"));
        through_cli(folder.path(), &url, &stand_in(), &["tried.yaml"])
    };
    let (code, said) = run("  - expect-pin: {pin: 2, level: high, within: 0s}\n  - delay: 1ms\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("at step 2 (tried.yaml:7:5)"), "{said}");
    assert!(said.contains("GPIO esp:2 expected to be 1 but was 0"), "{said}");
    let (code, said) = run("  - wait-serial: never\n  - delay: 1ms\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("at step 2 (tried.yaml:7:5)"), "{said}");
    assert!(said.contains("the step was not done when 2s of the case were over"), "{said}");
    // What cannot be said is told before anything runs.
    let (code, said) = run("  - power-cycle\n  - repl: {code: 1, capture: x}\n");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("power"), "{said}");
    let (code, said) = run("  - repl: {code: 1, capture: x}\n");
    assert_eq!(code, Some(4), "{said}");
    let told = "tried.yaml:7:5: `repl`: a Wokwi scenario keeps no answer";
    assert!(said.contains(told), "{said}");
}

#[test]
fn trouble_of_wokwi_cli_is_an_error_and_says_what_to_do() {
    let folder = scenario("steps:\n  - wait-serial: '>>> '\n");
    let run = |server: &str, program: &str| {
        let (code, said) = through_cli(folder.path(), server, program, &["tried.yaml"]);
        assert_eq!(code, Some(3), "{said}");
        said
    };
    let said = run("ws://127.0.0.1:1", "no-such-program");
    assert!(said.contains("`no-such-program` cannot be started"), "{said}");
    assert!(said.contains("https://docs.wokwi.com/wokwi-ci/cli-installation"), "{said}");
    let served = Served::start(&["--wokwi", "127.0.0.1:0", "--token", "joker"], |_| {});
    let said = run(&served.door("wokwi "), &stand_in());
    assert!(said.contains("exit code 1: Error connecting to URL: 401"), "{said}");
    // One that says nothing of what it has done has not done it.
    let said = run("ws://127.0.0.1:1", "true");
    assert!(said.contains("before the scenario is completed"), "{said}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_wokwi_cli_and_all_that_it_has_started() {
    use std::os::unix::fs::PermissionsExt;
    let folder = scenario("steps:\n  - wait-serial: '>>> '\n");
    // It tells its number, and that of what it has started, and then does nothing for an hour.
    let (program, told) = (folder.path().join("slow"), folder.path().join("told"));
    let pipe = std::process::Command::new("mkfifo").arg(&told).status().expect("mkfifo");
    assert!(pipe.success());
    let text = "#!/bin/sh\nsleep 3600 &\necho $$ $! > told\nwait\n";
    std::fs::write(&program, text).expect("a writable folder");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("a file of ours");
    let child = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(["run", "--target", "wokwi-cli", "tried.yaml"])
        .current_dir(folder.path())
        .env("WOKWI_CLI_TOKEN", "any")
        .env("BENCHRIG_WOKWI_CLI", &program)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    // The pipe has a writer when the program has got that far.
    let numbers = std::fs::read_to_string(&told).expect("two numbers");
    let number = |text: &str| nix::unistd::Pid::from_raw(text.parse().expect("a number"));
    let ours = number(&child.id().to_string());
    nix::sys::signal::kill(ours, nix::sys::signal::Signal::SIGINT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    for process in numbers.split_whitespace().map(number) {
        // A zombie that nobody has waited for yet is not alive either.
        let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let alive = !state.is_empty() && !state.contains(") Z ");
        assert!(!alive, "{process} is still there: {state}");
    }
}

/// A TLS server for `localhost` that passes everything on; its URL.
fn secured(server: &str, authority: &Authority, flaw: Flaw) -> String {
    let addresses = [std::net::Ipv4Addr::LOCALHOST];
    let identity = authority.identity("localhost", &addresses, flaw).expect("a certificate");
    // SEC 1, C.4: an EC private key with its curve and its public half.
    let public = identity.key.verifying_key().to_sec1_point(false);
    let key = [
        &b"\x30\x77\x02\x01\x01\x04\x20"[..],
        &identity.key.to_bytes(),
        b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\xa1\x44\x03\x42\x00",
        public.as_bytes(),
    ];
    let key = rustls::pki_types::PrivateKeyDer::Sec1(key.concat().into());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions of the provider")
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.into()], key)
        .expect("a certificate with its key");
    let config = std::sync::Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let address = server.trim_start_matches("ws://").to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (config, address) = (config.clone(), address.clone());
            std::thread::spawn(move || {
                let tls = rustls::ServerConnection::new(config).expect("a configuration");
                pass_on_securely(rustls::StreamOwned::new(tls, client), &address);
            });
        }
    });
    format!("wss://localhost:{port}")
}

/// Both directions on one thread: a connection of TLS has one owner.
fn pass_on_securely(
    mut client: rustls::StreamOwned<rustls::ServerConnection, TcpStream>,
    address: &str,
) {
    let mut there = TcpStream::connect(address).expect("the server");
    let turn = Some(std::time::Duration::from_millis(2));
    client.sock.set_read_timeout(turn).expect("a socket");
    there.set_read_timeout(turn).expect("a socket");
    let mut buffer = vec![0; 1 << 16];
    let is_idle = |error: &std::io::Error| {
        matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
    };
    loop {
        match client.read(&mut buffer) {
            Ok(length @ 1..) if there.write_all(&buffer[..length]).is_ok() => {}
            Err(error) if is_idle(&error) => {}
            _ => return,
        }
        match there.read(&mut buffer) {
            Ok(length @ 1..) if client.write_all(&buffer[..length]).is_ok() => {}
            Err(error) if is_idle(&error) => {}
            _ => return,
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_with_tls_is_entered_if_its_certificate_is_right() {
    let folder = scenario("steps:\n  - wait-serial: '>>> '\n  - repl: {code: 6 * 7, expect: 42}\n");
    let (_served, url) = server();
    // The verifier of the platform holds certificates against the computer's own clock.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let authority = Authority::new(1, now.expect("a date").as_secs()).expect("an authority");
    let pem = folder.path().join("authority.pem");
    std::fs::write(&pem, authority.pem()).expect("a writable folder");
    let run = |server: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
            .args(["run", "--target", "wokwi", "tried.yaml"])
            .current_dir(folder.path())
            .env_remove("BENCHRIG_TARGET")
            .env_remove("SSL_CERT_DIR")
            .env("WOKWI_CLI_SERVER", server)
            .env("WOKWI_CLI_TOKEN", "any")
            // The authorities that this computer trusts, for rustls' verifier of the platform.
            .env("SSL_CERT_FILE", &pem)
            .env("NO_COLOR", "1")
            .output()
            .expect("the program starts");
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = run(&secured(&url, &authority, Flaw::None));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    for flaw in [Flaw::UnknownAuthority, Flaw::WrongName, Flaw::Expired] {
        let (code, said) = run(&secured(&url, &authority, flaw));
        assert_eq!(code, Some(3), "{flaw:?}: {said}");
        assert!(said.contains("invalid peer certificate"), "{flaw:?}: {said}");
    }
    // There is no TLS behind the door.
    let (code, said) = run(&url.replace("ws://", "wss://"));
    assert_eq!(code, Some(3), "{said}");
}
