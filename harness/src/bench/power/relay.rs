//! A relay on a serial line, such as the LCUS-1 boards with a CH340.
//!
//! Source: the protocol that sellers of LCUS-1 print: 9600 baud, 8N1; four bytes A0, channel, 00
//! (release) or 01 (pull), and their sum. The relay answers nothing, so it is believed when the bytes
//! have left; other relays of the kind want other bytes, which bench.toml can say.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::PowerSwitch;
use super::error::{PowerError, PowerTrouble, word};
use crate::targets::Power;

pub(super) const NAME: &str = "relay";

/// Wall time that a few bytes may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Which contact of the relay the supply goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contact {
    /// Closed while the relay is pulled.
    #[default]
    NormallyOpen,
    /// Closed while it is not: the board has power when the relay has none.
    NormallyClosed,
}

/// A relay, as bench.toml says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Relay {
    /// The serial port.
    pub port: String,
    /// Its speed.
    pub baud: u32,
    /// What pulls the relay.
    pub pull: Message,
    /// What releases it.
    pub release: Message,
    /// Which contact is used.
    pub contact: Contact,
}

/// Bytes for a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(Vec<u8>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    port: String,
    #[serde(default = "baud_by_default")]
    baud: u32,
    channel: Option<i64>,
    on: Option<Message>,
    off: Option<Message>,
    #[serde(default)]
    contact: Contact,
}

fn baud_by_default() -> u32 {
    9_600
}

impl TryFrom<Written> for Relay {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { port, baud, channel, on, off, contact } = written;
        let (pull, release) = match (channel, on, off) {
            (None, Some(on), Some(off)) => (on, off),
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                return Err("`channel` is for relays that know the default bytes".to_owned());
            }
            (None, Some(_), None) | (None, None, Some(_)) => {
                return Err("`on` and `off` belong together".to_owned());
            }
            (channel, None, None) => match u8::try_from(channel.unwrap_or(1)) {
                Ok(channel @ 1..) => (Message::lcus(channel, 1), Message::lcus(channel, 0)),
                _ => return Err("a channel is a number from 1 to 255".to_owned()),
            },
        };
        Ok(Self { port, baud, pull, release, contact })
    }
}

impl Message {
    fn lcus(channel: u8, pulled: u8) -> Self {
        const START: u8 = 0xa0;
        Self(vec![START, channel, pulled, START.wrapping_add(channel).wrapping_add(pulled)])
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if n == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let byte = |pair: &str| match pair.len() {
            2 => u8::from_str_radix(pair, 16).ok(),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.split_whitespace().map(byte).collect();
        match bytes {
            Some(bytes) if !bytes.is_empty() => Ok(Self(bytes)),
            _ => {
                let message =
                    "the bytes of a relay are pairs of hexadecimal digits, \"A0 01 01 A2\"";
                Err(serde::de::Error::custom(message))
            }
        }
    }
}

impl PowerSwitch for Relay {
    fn switch(&mut self, power: Power) -> Result<(), PowerError> {
        let message = match (power, self.contact) {
            (Power::On, Contact::NormallyOpen) | (Power::Off, Contact::NormallyClosed) => {
                &self.pull
            }
            _ => &self.release,
        };
        self.send(message).map_err(|trouble| {
            trouble.of(NAME, format!("switch {} by {message} to {}", word(power), self.port))
        })
    }
}

impl Relay {
    fn send(&self, message: &Message) -> Result<(), PowerTrouble> {
        let mut port = serialport::new(&self.port, self.baud).timeout(LIMIT).open()?;
        port.write_all(&message.0).map_err(PowerTrouble::Write)?;
        // Closing it would throw away what has not left yet.
        port.flush().map_err(PowerTrouble::Write)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use nix::pty::openpty;
    use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

    use super::*;

    /// The other end of a serial line, and the line's name. The line stays open for the next one.
    fn line() -> (File, String, std::os::fd::OwnedFd) {
        let pair = openpty(None, None).expect("a line");
        let mut modes = tcgetattr(&pair.slave).expect("its modes");
        cfmakeraw(&mut modes);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &modes).expect("raw");
        let name = nix::unistd::ttyname(&pair.slave).expect("its name");
        (File::from(pair.master), name.to_str().expect("text").to_owned(), pair.slave)
    }

    fn relay(fields: &str) -> (Relay, File, std::os::fd::OwnedFd) {
        let (end, name, held) = line();
        let relay = toml::from_str(&format!("port = \"{name}\"\n{fields}")).expect("a relay");
        (relay, end, held)
    }

    fn heard(end: &mut File) -> [u8; 4] {
        let mut bytes = [0; 4];
        end.read_exact(&mut bytes).expect("four bytes");
        bytes
    }

    #[test]
    fn a_relay_hears_the_bytes_of_its_kind() {
        let (mut relay, mut end, _held) = relay("");
        assert_eq!(relay.baud, 9_600);
        relay.switch(Power::On).expect("it works");
        assert_eq!(heard(&mut end), [0xa0, 0x01, 0x01, 0xa2]);
        relay.switch(Power::Off).expect("it works");
        assert_eq!(heard(&mut end), [0xa0, 0x01, 0x00, 0xa1]);
    }

    #[test]
    fn another_channel_has_another_sum() {
        let (mut relay, mut end, _held) = relay("channel = 0x62");
        relay.switch(Power::On).expect("it works");
        assert_eq!(heard(&mut end), [0xa0, 0x62, 0x01, 0x03]);
    }

    #[test]
    fn power_through_the_other_contact_is_on_while_the_relay_is_released() {
        let (mut relay, mut end, _held) = relay("contact = \"normally-closed\"");
        relay.switch(Power::On).expect("it works");
        assert_eq!(heard(&mut end), [0xa0, 0x01, 0x00, 0xa1]);
    }

    #[test]
    fn other_bytes_and_speeds_can_be_said() {
        let fields = "baud = 115200\non = \"ff 01 02 03\"\noff = \"FF 00 00 00\"";
        let (mut relay, mut end, _held) = relay(fields);
        relay.switch(Power::On).expect("it works");
        assert_eq!(heard(&mut end), [0xff, 1, 2, 3]);
    }

    #[test]
    fn a_port_that_is_not_there_is_named_with_what_was_tried() {
        let mut relay: Relay = toml::from_str("port = \"/dev/benchrig-no-relay\"").expect("one");
        let error = relay.switch(Power::Off).expect_err("there is none");
        assert!(matches!(error.trouble, PowerTrouble::Port(_)), "{error}");
        let tried = "power driver relay: switch off by A0 01 00 A1 to /dev/benchrig-no-relay: ";
        assert!(error.to_string().starts_with(tried), "{error}");
    }
}
