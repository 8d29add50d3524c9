//! Switching the power of a board on the bench.
//!
//! `power = …` of a board in bench.toml names a driver, either in a word (`"operator"`,
//! `"ctl:desk"`) or as a table (`{driver = "tasmota", url = "http://plug.local"}`). A driver believes
//! that it has switched when the thing it talks to says so, as far as that can say anything.
//!
//! | driver | switches |
//! |---|---|
//! | [`operator`] | a person, who is asked to |
//! | [`command`] | whatever a command line does |
//! | [`uhubctl`] | a port of a USB hub |
//! | [`relay`] | a relay on a serial line |
//! | [`tasmota`], [`shelly`] | a plug on the network |
//! | [`ctl`] | a board that `benchrig serve` keeps running |
//!
//! Passwords are named by environment variables and read when the driver is opened; no error shows
//! one. A driver blocks until it is done, and every one gives up after a while.

pub mod command;
pub mod ctl;
mod error;
mod http;
pub mod operator;
mod program;
pub mod relay;
mod secret;
pub mod shelly;
pub mod tasmota;
#[cfg(test)]
mod testing;
pub mod uhubctl;

use std::fmt;
use std::io;
use std::sync::Arc;

pub use error::{PowerError, PowerTrouble};
pub use http::PlugUrl;
pub use secret::SecretName;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::targets::Power;

/// How a person is asked to do something, and says that it is done; `None` when nobody is there.
///
/// An error means that nobody answers any more; of kind `Interrupted`, that the person wants to end.
pub type Ask = Option<Arc<AskPerson>>;

/// Says what is to be done, and comes back when it is.
pub type AskPerson = dyn Fn(&str) -> io::Result<()> + Send + Sync;

/// Something that switches the power of one board.
pub trait PowerSwitch: Send {
    /// Switches, and comes back when it is done. Switching to the present state is no mistake.
    ///
    /// # Errors
    /// When it is not known to be done.
    fn switch(&mut self, power: Power) -> Result<(), PowerError>;
}

/// What switches the power of a board, as bench.toml says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerDriver {
    /// A person.
    Operator(operator::Operator),
    /// A command line.
    Command(command::Command),
    /// A port of a USB hub.
    Uhubctl(uhubctl::Uhubctl),
    /// A relay on a serial line.
    Relay(relay::Relay),
    /// A plug with the firmware Tasmota.
    Tasmota(tasmota::Tasmota),
    /// A plug from Shelly.
    Shelly(shelly::Shelly),
    /// A served board.
    Ctl(ctl::Ctl),
}

impl PowerDriver {
    /// Every driver, as bench.toml calls it.
    pub const NAMES: [&'static str; 7] =
        ["operator", "command", "uhubctl", "relay", "tasmota", "shelly", "ctl"];

    /// Its name in bench.toml.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Operator(_) => operator::NAME,
            Self::Command(_) => command::NAME,
            Self::Uhubctl(_) => uhubctl::NAME,
            Self::Relay(_) => relay::NAME,
            Self::Tasmota(_) => tasmota::NAME,
            Self::Shelly(_) => shelly::NAME,
            Self::Ctl(_) => ctl::NAME,
        }
    }

    /// Whether a person has to be there.
    pub fn needs_person(&self) -> bool {
        matches!(self, Self::Operator(_))
    }

    /// A switch that is ready to be used. Nothing is sent yet.
    ///
    /// # Errors
    /// When nobody is there to be asked, or a password is not in the environment.
    pub fn open(&self, ask: Ask) -> Result<Box<dyn PowerSwitch>, PowerError> {
        Ok(match self {
            Self::Operator(it) => Box::new(it.open(ask)?),
            Self::Command(it) => Box::new(it.clone()),
            Self::Uhubctl(it) => Box::new(it.clone()),
            Self::Relay(it) => Box::new(it.clone()),
            Self::Tasmota(it) => Box::new(it.open()?),
            Self::Shelly(it) => Box::new(it.open()?),
            Self::Ctl(it) => Box::new(it.clone()),
        })
    }

    /// From a word such as `operator` or `ctl:desk`.
    fn from_word(word: &str) -> Result<Self, String> {
        match word.split_once(':') {
            None if word == operator::NAME => Ok(Self::Operator(operator::Operator {})),
            Some((ctl::NAME, name)) => {
                Ok(Self::Ctl(ctl::Ctl { name: ctl::ServedName::try_from(name.to_owned())? }))
            }
            None if Self::NAMES.contains(&word) => {
                Err(format!("the power driver `{word}` needs more: write {}", usage(word)))
            }
            _ => Err(unknown(word)),
        }
    }
}

/// How a driver is written, to be shown to somebody who has not.
fn usage(name: &str) -> &'static str {
    match name {
        "command" => r#"{driver = "command", on = ["PROGRAM", …], off = ["PROGRAM", …]}"#,
        "uhubctl" => r#"{driver = "uhubctl", location = "1-4", port = 2}"#,
        "relay" => r#"{driver = "relay", port = "/dev/…"}"#,
        "tasmota" => r#"{driver = "tasmota", url = "http://…"}"#,
        "shelly" => r#"{driver = "shelly", url = "http://…"}"#,
        "ctl" => r#""ctl:NAME""#,
        _ => r#""operator""#,
    }
}

fn unknown(name: &str) -> String {
    let near = PowerDriver::NAMES
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let hint = match near {
        Some(near) if strsim::jaro_winkler(near, name) > 0.8 => {
            format!(" (did you mean `{near}`?)")
        }
        _ => String::new(),
    };
    format!("no power driver `{name}`{hint}; there are {}", PowerDriver::NAMES.join(", "))
}

impl fmt::Display for PowerDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(_) => f.write_str("operator"),
            Self::Command(it) => write!(f, "command {}", program::shown(&it.on)),
            Self::Uhubctl(it) => write!(f, "uhubctl, hub {} port {}", it.location, it.port),
            Self::Relay(it) => write!(f, "relay on {}", it.port),
            Self::Tasmota(it) => write!(f, "tasmota {}", it.url),
            Self::Shelly(it) => write!(f, "shelly {}", it.url),
            Self::Ctl(it) => write!(f, "ctl:{}", it.name),
        }
    }
}

impl<'de> Deserialize<'de> for PowerDriver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrTable)
    }
}

struct WordOrTable;

impl<'de> Visitor<'de> for WordOrTable {
    type Value = PowerDriver;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a power driver: \"operator\", \"ctl:NAME\", or a table with `driver = …`")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<PowerDriver, E> {
        PowerDriver::from_word(word).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PowerDriver, A::Error> {
        let mut table = toml::Table::deserialize(MapAccessDeserializer::new(map))?;
        let name = match table.remove("driver") {
            Some(toml::Value::String(name)) => name,
            _ => {
                let names = PowerDriver::NAMES.join(", ");
                return Err(A::Error::custom(format!(
                    "a power driver's table says `driver = \"NAME\"`; there are {names}"
                )));
            }
        };
        match name.as_str() {
            operator::NAME => fields(table, &name).map(PowerDriver::Operator),
            command::NAME => fields(table, &name).map(PowerDriver::Command),
            uhubctl::NAME => fields(table, &name).map(PowerDriver::Uhubctl),
            relay::NAME => fields(table, &name).map(PowerDriver::Relay),
            tasmota::NAME => fields(table, &name).map(PowerDriver::Tasmota),
            shelly::NAME => fields(table, &name).map(PowerDriver::Shelly),
            ctl::NAME => fields(table, &name).map(PowerDriver::Ctl),
            _ => Err(unknown(&name)),
        }
        .map_err(A::Error::custom)
    }
}

fn fields<T: for<'de> Deserialize<'de>>(table: toml::Table, name: &str) -> Result<T, String> {
    // The position that the error carries would be one inside this table.
    table
        .try_into()
        .map_err(|error: toml::de::Error| format!("power driver `{name}`: {}", error.message()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Board {
        power: PowerDriver,
    }

    fn read(power: &str) -> Result<PowerDriver, String> {
        let read = toml::from_str::<Board>(&format!("power = {power}"));
        read.map(|board| board.power).map_err(|error| error.message().to_owned())
    }

    #[rstest]
    #[case::operator(r#""operator""#, "operator")]
    #[case::operator_table(r#"{driver = "operator"}"#, "operator")]
    #[case::ctl(r#""ctl:desk""#, "ctl:desk")]
    #[case::ctl_table(r#"{driver = "ctl", name = "desk"}"#, "ctl:desk")]
    #[case::command(
        r#"{driver = "command", on = ["psu", "on"], off = ["psu", "off"], limit = "5s"}"#,
        "command psu on"
    )]
    #[case::uhubctl(
        r#"{driver = "uhubctl", location = "1-4.2", port = 3, command = ["sudo", "uhubctl"]}"#,
        "uhubctl, hub 1-4.2 port 3"
    )]
    #[case::relay(
        r#"{driver = "relay", port = "/dev/relay", channel = 2, contact = "normally-closed"}"#,
        "relay on /dev/relay"
    )]
    #[case::tasmota(
        r#"{driver = "tasmota", url = "http://plug.local/", password-env = "PLUG_PASSWORD"}"#,
        "tasmota http://plug.local"
    )]
    #[case::shelly(
        r#"{driver = "shelly", url = "http://10.0.0.7:80"}"#,
        "shelly http://10.0.0.7:80"
    )]
    fn a_driver_is_written_as_a_word_or_a_table(#[case] written: &str, #[case] shown: &str) {
        let driver = read(written).expect("a driver");
        assert_eq!(driver.to_string(), shown);
        assert!(PowerDriver::NAMES.contains(&driver.name()));
    }

    #[rstest]
    #[case::unknown(
        r#""tasmotta""#,
        "no power driver `tasmotta` (did you mean `tasmota`?); there are operator, command, uhubctl, relay, tasmota, shelly, ctl"
    )]
    #[case::unknown_table(r#"{driver = "gpio"}"#, "no power driver `gpio`; there are operator, ")]
    #[case::no_driver(r#"{url = "http://plug"}"#, "says `driver = \"NAME\"`; there are operator, ")]
    #[case::needs_more(r#""uhubctl""#, r#"write {driver = "uhubctl", location"#)]
    #[case::no_name(r#""ctl:""#, "names no served board")]
    #[case::number("7", "a power driver: \"operator\", \"ctl:NAME\", or a table")]
    #[case::key(
        r#"{driver = "tasmota", url = "http://p", pasword = "x"}"#,
        "power driver `tasmota`: unknown field `pasword`, expected one of `url`"
    )]
    #[case::missing(r#"{driver = "relay"}"#, "power driver `relay`: missing field `port`")]
    #[case::scheme(
        r#"{driver = "shelly", url = "plug.local"}"#,
        "write http://HOST or https://HOST"
    )]
    #[case::password_in_url(
        r#"{driver = "tasmota", url = "http://admin:joker@plug"}"#,
        "password-env"
    )]
    #[case::path(r#"{driver = "tasmota", url = "http://plug/cm"}"#, "write http://HOST")]
    #[case::shell(
        r#"{driver = "command", on = "psu on", off = ["psu", "off"]}"#,
        "a list of words"
    )]
    #[case::nothing(r#"{driver = "command", on = [], off = ["psu"]}"#, "a list of words")]
    #[case::limit(r#"{driver = "command", on = ["a"], off = ["b"], limit = "5"}"#, "unit")]
    #[case::channel(
        r#"{driver = "relay", port = "x", channel = 0}"#,
        "a channel is a number from 1 to 255"
    )]
    #[case::bytes(r#"{driver = "relay", port = "x", on = "A0 1"}"#, "pairs of hexadecimal digits")]
    #[case::half(
        r#"{driver = "relay", port = "x", on = "FF 01 01"}"#,
        "`on` and `off` belong together"
    )]
    fn a_mistake_in_a_driver_is_named(#[case] written: &str, #[case] says: &str) {
        let error = read(written).expect_err("a mistake");
        assert!(error.contains(says), "{error}");
        assert!(!error.contains("joker"), "{error}");
    }

    #[test]
    fn every_driver_that_needs_more_says_how_it_is_written() {
        for name in PowerDriver::NAMES {
            if let Err(error) = read(&format!("\"{name}\"")) {
                assert!(error.contains(&format!("write {}", usage(name))), "{error}");
            }
        }
    }
}
