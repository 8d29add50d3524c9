//! A port of a USB hub that can switch its power, by the program uhubctl.
//!
//! Source: uhubctl(8) for the arguments; its output as users of many hubs have published it:
//!
//! ```text
//! Current status for hub 1-4 [2109:2817 VIA Labs, Inc. USB2.0 Hub, USB 2.10, 4 ports, ppps]
//!   Port 3: 0103 power enable connect [10c4:ea60 Silicon Labs CP2102 0001]
//! Sent power off request
//! New status for hub 1-4 [2109:2817 VIA Labs, Inc. USB2.0 Hub, USB 2.10, 4 ports, ppps]
//!   Port 3: 0000 off
//! ```
//!
//! A USB 3 hub is two hubs, of which uhubctl switches and lists both. A port is off when it is off in
//! both. Some hubs say that a port is off and leave its 5 V on; nothing but a meter can tell.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::PowerSwitch;
use super::command::words;
use super::error::{PowerError, PowerTrouble, short, word};
use super::program;
use crate::targets::Power;

pub(super) const NAME: &str = "uhubctl";

/// Wall time that the program may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A port, as bench.toml says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Uhubctl {
    /// Where the hub is, as uhubctl lists it, such as `1-4.2`.
    pub location: String,
    /// The port of the hub, from 1.
    pub port: u8,
    /// How uhubctl is started, such as `["sudo", "-n", "uhubctl"]`.
    #[serde(default = "command_by_default", deserialize_with = "words")]
    pub command: Vec<String>,
}

fn command_by_default() -> Vec<String> {
    vec![NAME.to_owned()]
}

impl PowerSwitch for Uhubctl {
    fn switch(&mut self, power: Power) -> Result<(), PowerError> {
        let mut words = self.command.clone();
        let port = self.port.to_string();
        let arguments = ["-a", word(power), "-l", &self.location, "-p", &port];
        words.extend(arguments.map(str::to_owned));
        program::run(&words, LIMIT)
            .and_then(|said| self.verify(&said, power))
            .map_err(|trouble| trouble.of(NAME, format!("`{}`", program::shown(&words))))
    }
}

impl Uhubctl {
    fn verify(&self, said: &str, wanted: Power) -> Result<(), PowerTrouble> {
        let states = states(said, self.port);
        if !states.contains_key(self.location.as_str()) {
            return Err(PowerTrouble::NotUnderstood(short(said)));
        }
        let on = states.values().any(|on| *on);
        match (wanted, on) {
            (Power::On, true) | (Power::Off, false) => Ok(()),
            (_, true) => Err(PowerTrouble::Remains(Power::On)),
            (_, false) => Err(PowerTrouble::Remains(Power::Off)),
        }
    }
}

/// What was said last about a port of each hub: whether it has power.
fn states(said: &str, port: u8) -> BTreeMap<&str, bool> {
    let mut states = BTreeMap::new();
    let mut hub = None;
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["Current" | "New", "status", "for", "hub", location, ..] => {
                hub = Some(location.trim_end_matches(','));
            }
            ["Port", number, _bits, ref states_of_port @ ..] => {
                let is_it = number.strip_suffix(':').is_some_and(|it| it.parse() == Ok(port));
                if let (Some(hub), true) = (hub, is_it) {
                    // What is attached comes in brackets, and may be called anything.
                    let mut said = states_of_port.iter().take_while(|it| !it.starts_with('['));
                    states.insert(hub, said.any(|it| *it == "power"));
                }
            }
            _ => {}
        }
    }
    states
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;

    use super::*;

    /// A program named uhubctl that switches one hub, with the words and brackets of the real one.
    const STAND_IN: &str = r#"here=$(dirname "$0")
echo "$@" >> "$here/calls"
while [ $# -gt 0 ]; do
    case $1 in
        -a) action=$2 ;;
        -l) location=$2 ;;
        -p) port=$2 ;;
        *) echo "uhubctl: invalid option" >&2; exit 1 ;;
    esac
    shift 2
done
if [ "$location" != 1-4 ] && [ "$location" != 2-4 ]; then
    echo "No compatible devices detected at location $location!" >&2
    echo "Run with -h to get usage info." >&2
    exit 1
fi
two="[2109:2817 VIA Labs, Inc. USB2.0 Hub, USB 2.10, 4 ports, ppps]"
three="[2109:0817 VIA Labs, Inc. USB3.0 Hub, USB 3.20, 4 ports, ppps]"
state() {
    case $(cat "$here/power") in
        on2) echo "  Port $port: 0103 power enable connect [10c4:ea60 Silicon Labs off CP2102 0001]" ;;
        on3) echo "  Port $port: 02a0 power 5gbps Rx.Detect" ;;
        off2) echo "  Port $port: 0000 off" ;;
        off3) echo "  Port $port: 00a0 off" ;;
    esac
}
status() {
    echo "$1 status for hub $2"
    echo "$power$3" > "$here/power"
    state
}
power=$(cat "$here/was")
status Current "2-4 $three" 3
[ -e "$here/stuck3" ] || power=$action
echo "Sent power $action request"
status New "2-4 $three" 3
power=$(cat "$here/was")
status Current "1-4 $two" 2
[ -e "$here/stuck" ] || power=$action
echo "Sent power $action request"
status New "1-4 $two" 2
echo $power > "$here/was"
"#;

    fn hub(folder: &Path) -> Uhubctl {
        let program = folder.join("uhubctl");
        std::fs::write(&program, STAND_IN).expect("the program");
        std::fs::write(folder.join("was"), "on").expect("its state");
        let command = vec!["sh".to_owned(), program.to_str().expect("a path").to_owned()];
        Uhubctl { location: "1-4".to_owned(), port: 3, command }
    }

    #[test]
    fn a_port_is_switched_and_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut switch = hub(folder.path());
        for (power, state) in [(Power::Off, "off\n"), (Power::Off, "off\n"), (Power::On, "on\n")] {
            switch.switch(power).expect("it works");
            let was = std::fs::read_to_string(folder.path().join("was")).expect("the state");
            assert_eq!(was, state);
        }
        let calls = std::fs::read_to_string(folder.path().join("calls")).expect("the calls");
        let lines: Vec<&str> = calls.lines().collect();
        assert_eq!(lines, ["-a off -l 1-4 -p 3", "-a off -l 1-4 -p 3", "-a on -l 1-4 -p 3"]);
    }

    #[test]
    fn a_hub_of_which_one_half_keeps_its_power_has_not_switched() {
        for stuck in ["stuck", "stuck3"] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut switch = hub(folder.path());
            std::fs::write(folder.path().join(stuck), "").expect("it is stuck");
            let error = switch.switch(Power::Off).expect_err("it stays on");
            assert!(matches!(error.trouble, PowerTrouble::Remains(Power::On)), "{error}");
            assert!(
                error
                    .to_string()
                    .contains("uhubctl -a off -l 1-4 -p 3`: it says that the power is on"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_hub_that_is_not_there_is_told_in_the_words_of_the_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut switch = hub(folder.path());
        switch.location = "9-9".to_owned();
        let error = switch.switch(Power::On).expect_err("there is none").to_string();
        assert!(
            error.contains("code 1: No compatible devices detected at location 9-9!"),
            "{error}"
        );
    }

    #[test]
    fn older_versions_and_longer_locations_are_understood() {
        let older = "Current status for hub 20-1, vendor 2109:2811, 4 ports\n   \
                     Port 4: 0103 power enable connect [0000:0000]\nSent power off request\n\
                     New status for hub 20-1, vendor 2109:2811, 4 ports\n   Port 4: 0000 off\n";
        assert_eq!(states(older, 4), BTreeMap::from([("20-1", false)]));
        let switch = Uhubctl { location: "20-1".into(), port: 4, command: Vec::new() };
        assert!(switch.verify(older, Power::Off).is_ok());
        for nothing in ["", "Port 4: 0100 power", "New status for hub 1-4\n Port 4: 0000 off"] {
            let trouble = switch.verify(nothing, Power::Off).expect_err("another hub, or none");
            assert!(matches!(trouble, PowerTrouble::NotUnderstood(_)), "{trouble}");
        }
    }
}
