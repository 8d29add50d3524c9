//! Every committed scenario has a broken twin: the firmware, the wiring or the timing is spoilt, and
//! the case must fail, at a step that is named here. A scenario whose twin passes proves nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use benchrig::snapshots::{Comparison, SnapshotFolder, SnapshotPolicy, WhenNew, text_of};
use rstest::rstest;

use super::root;

/// A scenario spoilt by replacing some of its text.
struct Twin {
    scenario: &'static str,
    /// What is in its text.
    good: &'static str,
    /// What the twin has instead. `SPOILT` is a copy of the firmware with one byte changed.
    bad: &'static str,
    /// Part of the step that must fail.
    fails: &'static str,
}

const TWINS: &[Twin] = &[
    // Wiring: the jumper stays on GPIO0.
    Twin {
        scenario: "first-steps",
        good: "boot-mode: run",
        bad: "boot-mode: download",
        fails: "SPI_FAST_FLASH_BOOT",
    },
    // Timing: the watchdog is fed for longer than the scenario waits.
    Twin {
        scenario: "first-steps",
        good: "machine.WDT(timeout=1000)",
        bad: "machine.WDT(timeout=60000)",
        fails: "task_wdt",
    },
    // Firmware: one byte of the application has changed.
    Twin {
        scenario: "first-steps",
        good: "image: firmware",
        bad: "image: SPOILT",
        fails: "MicroPython v1.23.0",
    },
    // Timing: the pause is longer than it says.
    Twin {
        scenario: "cpu-frequency",
        good: "time.sleep_ms(500)",
        bad: "time.sleep_ms(503)",
        fails: "pause()",
    },
    // Firmware that does not follow what it is told.
    Twin {
        scenario: "cpu-frequency",
        good: "machine.freq({{frequency}})\"",
        bad: "machine.freq(40000000) or {{frequency}}\"",
        fails: "machine.freq",
    },
    // Wiring: the power that fails is that of the wrong board.
    Twin {
        scenario: "two-boards",
        good: "        - power-cycle: {off-for: 2s}\n",
        bad: "        - delay: 2s\n",
        fails: "POWERON_RESET",
    },
    // Firmware that does not keep all of it.
    Twin {
        scenario: "two-boards",
        good: "f.write('{{token}}'); f.close()",
        bad: "f.write('{{token}}'[1:]); f.close()",
        fails: "token == ",
    },
    // Wiring: the supply does not sag.
    Twin {
        scenario: "brownout",
        good: "  - brownout\n",
        bad: "  - delay: 10ms\n",
        fails: "Brownout detector",
    },
    // Wiring: the wire is on the neighbour of the pin.
    Twin {
        scenario: "pins",
        good: "set-pin: {pin: 18, level: low}",
        bad: "set-pin: {pin: 19, level: low}",
        fails: "p.value()",
    },
    // Wiring: the clock of the I2C bus is on the neighbour of its pin.
    Twin {
        scenario: "parts",
        good: "screen: {type: board-ssd1306, pins: {SDA: 21, SCL: 22}}",
        bad: "screen: {type: board-ssd1306, pins: {SDA: 21, SCL: 23}}",
        fails: "bus.scan()",
    },
    // Firmware that does what the button does, not the opposite.
    Twin { scenario: "button", good: "led(1 - p()))", bad: "led(p()))", fails: "level: high" },
    // Wiring: the contacts of the switch are exchanged.
    Twin {
        scenario: "switch",
        good: "\"1\": gnd, \"2\": 14, \"3\": vcc",
        bad: "\"1\": vcc, \"2\": 14, \"3\": gnd",
        fails: "code: \"p()\", expect: \"0\"",
    },
    // Firmware that looks for another network.
    Twin {
        scenario: "guest-network",
        good: "connect('Wokwi-GUEST'",
        bad: "connect('Wokwi-GHOST'",
        fails: "isconnected",
    },
    // Timing: a pulse of one lamp's worth less.
    Twin {
        scenario: "parts",
        good: "n = neopixel.NeoPixel(Pin(13), 3)",
        bad: "n = neopixel.NeoPixel(Pin(13), 3, timing=(400, 850, 450, 850))",
        fails: "expect-part: {part-id: row",
    },
    // Wiring: the screen's data is on the neighbour of its pin.
    Twin { scenario: "touch", good: "SDA: 21", bad: "SDA: 19", fails: "bus.scan()" },
    // Firmware that forgets that the controller counts from the other corner.
    Twin {
        scenario: "touch",
        good: "paint(239 - x, 319 - y)",
        bad: "paint(x, y)",
        fails: "take-screenshot",
    },
    // Timing: the finger has gone before the firmware looks.
    Twin {
        scenario: "touch",
        good: "y: 0, duration: 1s}",
        bad: "y: 0, duration: 1ms, wait: true}",
        fails: "take-screenshot",
    },
    // Wiring: the card's answers go to the neighbour of their pin.
    Twin { scenario: "sd-card", good: "DO: 19}", bad: "DO: 21}", fails: "sd.info()" },
    // Firmware that does not close its file before the power fails.
    Twin {
        scenario: "sd-card",
        good: "n = f.write('more'); f.close()",
        bad: "n = f.write('more'); None",
        fails: "open('/sd/more.txt')",
    },
    // Timing: the light is on for longer, which only the times of the edges show.
    Twin {
        scenario: "pins",
        good: "time.sleep_ms(1)\n",
        bad: "time.sleep_ms(2)\n",
        fails: "snapshot:",
    },
    // Firmware that does not close its file before the power fails.
    Twin {
        scenario: "power-cut",
        good: "code: \"f.close()\"",
        bad: "code: \"None\"",
        fails: "open('kept').read()",
    },
    // The air: it is weaker than it shall be.
    Twin {
        scenario: "hello-from-esp",
        good: "signal: -58dBm",
        bad: "signal: -59dBm",
        fails: "sta_if.scan()",
    },
    // The air: somebody has the name that nobody shall have.
    Twin {
        scenario: "wifi-lost",
        good: "ssid: other-net, channel: 11",
        bad: "ssid: nowhere, channel: 11, password: correct-horse",
        fails: "until(201)",
    },
    // Firmware that leaves the radio off.
    Twin {
        scenario: "wifi-refused",
        good: "w.active(True)",
        bad: "w.active(False)",
        fails: "w.active(False)",
    },
    // Firmware that waits too long for a wire that is unplugged.
    Twin {
        scenario: "bad-network",
        good: "timeout=3",
        bad: "timeout=4",
        fails: "get('192.168.0.4/boot.py')",
    },
    // The network: the router lends addresses all the time.
    Twin {
        scenario: "bad-network",
        good: "  - dhcp: silent\n",
        bad: "  - dhcp: answers\n",
        fails: "w.connect('bench-net')",
    },
    // The network: nobody has the name of the time server.
    Twin {
        scenario: "services",
        good: "pool.ntp.org: gateway",
        bad: "time.example.org: gateway",
        fails: "ntptime.settime()",
    },
    // Firmware that miscounts.
    Twin { scenario: "services", good: "count 12", bad: "cnt 12", fails: "s.readline()" },
    // Firmware whose network has another password.
    Twin {
        scenario: "soft-ap",
        good: "key='correct-horse'",
        bad: "key='correct-house'",
        fails: "station: {name: tablet",
    },
    // Firmware that does not look at certificates.
    Twin {
        scenario: "https",
        good: "context.verify_mode = ssl.CERT_REQUIRED",
        bad: "context.verify_mode = ssl.CERT_NONE",
        fails: "head('laptop')",
    },
    // The network: a certificate that is good.
    Twin {
        scenario: "https",
        good: "certificate: expired",
        bad: "certificate: valid",
        fails: "head('old')",
    },
    // Firmware that promises to say something more rarely, and so is missed later.
    Twin {
        scenario: "mqtt",
        good: "keepalive=4",
        bad: "keepalive=40",
        fails: "expect-message: {topic: lamp/state, payload: gone",
    },
    // The air: the access point lets its station in again, so there is no reason to leave it.
    Twin {
        scenario: "wifi-roaming",
        good: "misbehave: refuse-association",
        bad: "misbehave: none",
        fails: "STA_DISCONNECTED, reason:5:",
    },
    // Firmware whose web server does not know the path.
    Twin {
        scenario: "web-server",
        good: "path: /free, expect",
        bad: "path: /full, expect",
        fails: "/full",
    },
    // Firmware that has the right password.
    Twin {
        scenario: "wifi-events",
        good: "'wrong-horse'",
        bad: "'correct-horse'",
        fails: "run -> init (fc0)",
    },
    // Wiring: the board that must not hear has its power.
    Twin {
        scenario: "esp-now",
        good: "      node: [power: off]\n",
        bad: "      node: [delay: 1ms]\n",
        fails: "e.send(peer, 'hello?')",
    },
    // Firmware that answers whoever asks with something else.
    Twin {
        scenario: "boards-in-one-network",
        good: "u.sendto(b'21.5 C', who)",
        bad: "u.sendto(b'-127 C', who)",
        fails: "u.recv(99)",
    },
];

/// The program, so that it finds the cache and nothing of this repository.
fn benchrig(project: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_benchrig"));
    command.current_dir(project).env("CI", "true");
    command.env_remove("BENCHRIG_TARGET").env_remove("INSTA_UPDATE").env_remove("INSTA_FORCE_PASS");
    command
}

/// The committed scenarios, with the folders they are in.
fn scenarios() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yaml") {
                found.push(path);
            }
        }
    }
    found
}

fn file_of(scenario: &str) -> PathBuf {
    let stem = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == scenario);
    scenarios().into_iter().find(stem).unwrap_or_else(|| panic!("no scenario {scenario}"))
}

/// The official image with a byte changed in the middle of the application.
fn spoilt_firmware(project: &Path) {
    let path = benchrig(project).args(["firmware", "path", "micropython-1.23.0"]).output();
    let path = String::from_utf8(path.expect("the program runs").stdout).expect("text");
    let mut image = std::fs::read(path.trim()).expect("the image is in reach");
    let middle = image.len() / 2;
    image[middle] ^= 1;
    std::fs::write(project.join("spoilt.bin"), image).expect("a writable folder");
}

/// A project with this scenario and its snapshots.
fn project(scenario: &str, text: &str) -> tempfile::TempDir {
    let project = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(project.path().join("bench.toml"), "").expect("a writable folder");
    std::fs::write(project.path().join(format!("{scenario}.yaml")), text).expect("writable");
    copy_folder(&root().join("firmware/hello"), &project.path().join("firmware/hello"));
    for (name, snapshot) in snapshots(scenario) {
        std::fs::copy(snapshot, project.path().join(format!("{scenario}.{name}.snap")))
            .expect("a writable folder");
    }
    // Pictures are named by their place in the project.
    let folder = project.path().join("scenarios");
    std::fs::create_dir(&folder).expect("a writable folder");
    for (name, picture) in beside(scenario, ".png") {
        std::fs::copy(picture, folder.join(format!("{scenario}.{name}.png"))).expect("writable");
    }
    project
}

/// A folder with all that is in it.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a writable folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy_folder(&from, &to),
            false => drop(std::fs::copy(from, to).expect("a writable folder")),
        }
    }
}

/// The snapshots of a scenario, by name.
fn snapshots(scenario: &str) -> Vec<(String, PathBuf)> {
    beside(scenario, ".snap")
}

/// Files beside a scenario whose names begin with its and end so, by what is between.
fn beside(scenario: &str, end: &str) -> Vec<(String, PathBuf)> {
    let file = file_of(scenario);
    let folder = std::fs::read_dir(file.parent().expect("a folder")).expect("a folder");
    let named = folder.filter_map(|entry| {
        let path = entry.expect("an entry").path();
        let name = path.file_name()?.to_str()?.strip_prefix(scenario)?;
        let name = name.strip_prefix('.')?.strip_suffix(end)?.to_owned();
        Some((name, path))
    });
    named.collect()
}

/// Runs the scenario of a project: how each case ended, and the step that failed.
fn run(project: &Path, scenario: &str) -> Vec<(String, String)> {
    let before = files(project);
    let output = benchrig(project)
        .args(["run", "--json", "-q", &format!("{scenario}.yaml")])
        .output()
        .expect("the program runs");
    assert_eq!(files(project), before, "CI writes nothing");
    let events = String::from_utf8(output.stdout).expect("text");
    let ends = events.lines().filter_map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        (event["event"] == "case-finished")
            .then(|| (text(&event["verdict"]), text(&event["reason"]["yaml"])))
    });
    ends.collect()
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[rstest]
fn a_broken_twin_fails_at_the_step_that_must_notice(
    #[values(
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
        25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36
    )]
    number: usize,
) {
    let Twin { scenario, good, bad, fails } = &TWINS[number];
    let text = std::fs::read_to_string(file_of(scenario)).expect("the scenario");
    assert!(text.contains(good), "{scenario} has no `{good}`");
    let bad = bad.replace("SPOILT", "spoilt.bin");
    let text = text.replace(good, &bad);
    let project = project(scenario, &text);
    if bad.contains("spoilt.bin") {
        spoilt_firmware(project.path());
    }
    let ends = run(project.path(), scenario);
    assert!(!ends.is_empty(), "nothing ran");
    for (verdict, step) in ends {
        assert_eq!(verdict, "failed", "{scenario} with `{bad}`, at {step}");
        assert!(step.contains(fails), "{scenario} with `{bad}` failed at {step}");
    }
}

#[test]
fn every_committed_scenario_has_a_broken_twin_and_every_twin_is_run() {
    let stem = |path: &PathBuf| path.file_stem().expect("a name").to_str().map(str::to_owned);
    let committed: BTreeSet<_> = scenarios().iter().filter_map(stem).collect();
    let twins: BTreeSet<_> = TWINS.iter().map(|twin| twin.scenario.to_owned()).collect();
    assert_eq!(committed, twins);
    assert_eq!(TWINS.len(), 37, "the test above counts them");
}

#[test]
fn one_changed_byte_of_a_snapshot_is_noticed_wherever_it_is() {
    let policy =
        SnapshotPolicy { unseen: WhenNew::Discard, changed: WhenNew::Discard, force_pass: false };
    for scenario in scenarios() {
        let stem = scenario.file_stem().expect("a name").to_str().expect("text");
        let folder = SnapshotFolder::beside(&scenario, root(), policy.clone());
        for (name, path) in snapshots(stem) {
            let good = text_of(&path).expect("readable").expect("a snapshot");
            let same = folder.compare(&name, &good, "").expect("readable");
            assert_eq!(same, Comparison::Same, "{}", path.display());
            // Every byte would take long; 31 has no factor in common with line lengths.
            for at in (0..good.len()).step_by(31).filter(|at| good.is_char_boundary(*at)) {
                let old = good[at..].chars().next().expect("a character");
                let new = if old == '#' { '%' } else { '#' };
                let bad = format!("{}{new}{}", &good[..at], &good[at + old.len_utf8()..]);
                let differs = folder.compare(&name, &bad, "").expect("readable");
                assert!(matches!(differs, Comparison::Differs { .. }), "byte {at} of {name}");
            }
        }
    }
}

#[test]
fn a_changed_byte_fails_the_case_at_its_snapshot() {
    let scenario = "first-steps";
    let text = std::fs::read_to_string(file_of(scenario)).expect("the scenario");
    let project = project(scenario, &text);
    let snapshot = project.path().join("first-steps.console.snap");
    let good = std::fs::read_to_string(&snapshot).expect("a snapshot");
    std::fs::write(&snapshot, good.replacen("hello from", "hallo from", 1)).expect("writable");
    let [(verdict, step)] = &run(project.path(), scenario)[..] else { panic!("one case") };
    assert_eq!((verdict.as_str(), step.starts_with("snapshot:")), ("failed", true), "{step}");
}
