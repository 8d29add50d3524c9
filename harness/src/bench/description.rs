//! `bench.toml`: the boards of this computer's bench, and how each is reached, reset and powered.
//!
//! ```toml
//! [boards.cam]
//! profile = "esp32-cam"
//! usb-serial = "A50285BI"        # or port = "/dev/ttyUSB0", or usb = "0403:6001"
//! reset = "two-transistors"
//! power = { driver = "uhubctl", location = "1-1", port = 2 }
//! mac = "24:0a:c4:00:01:10"
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::adapters::{PortName, ROM_BAUD};
use super::bindings::{self, Bindings};
use super::loader::Mac;
use super::power::PowerDriver;
use super::probe::ProbeName;
use super::reset::ResetWiring;
use crate::targets::LoopBack;

/// The file that describes a bench.
pub const FILE: &str = "bench.toml";

/// Why a bench cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// There is none.
    #[error(
        "there is no {FILE} in {} or above it; write one, or name it with `--bench FILE`",
        .folder.display()
    )]
    NoFile {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML of the right shape.
    #[error("{}: {source}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: Box<toml::de::Error>,
    },
    /// An entry says something that cannot be.
    #[error("{}: board `{board}`: {reason}", .path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The board.
        board: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such board.
    #[error("there is no board `{board}` in {} (there: {})", .path.display(), .there)]
    NoBoard {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        board: String,
        /// The boards that it has.
        there: String,
    },
}

/// A bench.
#[derive(Debug, Clone, PartialEq)]
pub struct Bench {
    /// The file that describes it.
    pub path: PathBuf,
    /// Its boards by their names.
    pub boards: BTreeMap<String, BoardEntry>,
    /// What the networks and hosts of scenarios are here.
    pub bindings: Bindings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    boards: BTreeMap<String, BoardEntry>,
    #[serde(default)]
    air: BTreeMap<String, bindings::Air>,
    #[serde(default)]
    hosts: BTreeMap<String, bindings::Host>,
}

/// A board of a bench.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BoardEntry {
    /// What kind of board it is.
    pub profile: String,
    /// Its port, by path or URL.
    pub port: Option<PortName>,
    /// Its port, by the serial number of the adapter.
    pub usb_serial: Option<String>,
    /// Its port, by VID:PID of the adapter, in hexadecimal digits.
    pub usb: Option<UsbId>,
    /// How it is reset; two transistors where the port has modem lines.
    pub reset: Option<ResetWiring>,
    /// The probe at its JTAG.
    pub jtag: Option<ProbeName>,
    /// How its supply is switched.
    pub power: Option<PowerDriver>,
    /// Its factory address, without which nothing is erased or written.
    pub mac: Option<Mac>,
    /// Where its device time comes from; this computer's clock if missing.
    pub clock: Option<CtlName>,
    /// Where faults can be ordered.
    pub faults: Option<CtlName>,
    /// Who sees and drives its pins, and presses its buttons.
    pub pins: Option<CtlName>,
    /// Speed of flashing, in baud.
    #[serde(default = "flash_baud")]
    pub flash_baud: u32,
    /// Whether the ROM greets on the console after a reset; eFuses and a low GPIO15 silence it.
    #[serde(default = "yes")]
    pub banner: bool,
    /// Where its own servers are, by their TCP ports, if not at the address that it is seen to have.
    #[serde(default)]
    pub servers: BTreeMap<bindings::Port, SocketAddr>,
    /// The wires between its pins.
    #[serde(default)]
    pub loop_backs: Vec<LoopBack>,
    /// To choose boards by.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Nearly every adapter and cable can do this.
fn flash_baud() -> u32 {
    460_800
}

fn yes() -> bool {
    true
}

/// The control socket of a served board: `ctl:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CtlName(pub String);

impl TryFrom<String> for CtlName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("ctl:") {
            Some(name) if !name.is_empty() => Ok(Self(name.to_owned())),
            _ => Err(format!("`{text}` is not the name of a served board: write `ctl:NAME`")),
        }
    }
}

/// A kind of USB device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UsbId {
    /// Vendor.
    pub vid: u16,
    /// Product.
    pub pid: u16,
}

impl TryFrom<String> for UsbId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hex = |text: &str| u16::from_str_radix(text, 16).ok().filter(|_| text.len() == 4);
        let id = text
            .split_once(':')
            .and_then(|(vid, pid)| Some(Self { vid: hex(vid)?, pid: hex(pid)? }));
        id.ok_or_else(|| format!("`{text}` is not VID:PID such as 0403:6001"))
    }
}

impl std::fmt::Display for UsbId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vid, self.pid)
    }
}

impl Bench {
    /// The bench that a file describes.
    ///
    /// # Errors
    /// Any [`BenchError`].
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(source) => Err(BenchError::Read { path: path.to_owned(), source }),
        }
    }

    /// The bench of the nearest file in `folder` or above.
    ///
    /// # Errors
    /// Any [`BenchError`].
    pub fn near(folder: &Path) -> Result<Self, BenchError> {
        let found = folder.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file());
        match found {
            Some(path) => Self::read(&path),
            None => Err(BenchError::NoFile { folder: folder.to_owned() }),
        }
    }

    /// Reads a description; `path` is where it came from, for errors.
    ///
    /// # Errors
    /// [`BenchError::Syntax`], [`BenchError::Entry`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, BenchError> {
        let file: File = toml::from_str(text).map_err(|source| BenchError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        for (name, entry) in &file.boards {
            entry.check().map_err(|reason| BenchError::Entry {
                path: path.to_owned(),
                board: name.clone(),
                reason,
            })?;
        }
        let bindings = Bindings { air: file.air, hosts: file.hosts };
        Ok(Self { path: path.to_owned(), boards: file.boards, bindings })
    }

    /// The board of that name.
    ///
    /// # Errors
    /// [`BenchError::NoBoard`].
    pub fn board(&self, name: &str) -> Result<&BoardEntry, BenchError> {
        self.boards.get(name).ok_or_else(|| BenchError::NoBoard {
            path: self.path.clone(),
            board: name.to_owned(),
            there: match self.boards.is_empty() {
                true => "none".to_owned(),
                false => self.boards.keys().cloned().collect::<Vec<_>>().join(", "),
            },
        })
    }
}

impl BoardEntry {
    /// A board of which nothing but its kind is known.
    pub fn of_profile(profile: &str) -> Self {
        Self {
            profile: profile.to_owned(),
            port: None,
            usb_serial: None,
            usb: None,
            reset: None,
            jtag: None,
            power: None,
            mac: None,
            clock: None,
            faults: None,
            pins: None,
            flash_baud: flash_baud(),
            banner: true,
            servers: BTreeMap::new(),
            loop_backs: Vec::new(),
            tags: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), String> {
        let profiles = super::profiles();
        if !profiles.contains(&self.profile) {
            let known = profiles.join(", ");
            return Err(format!("there is no profile `{}` (known: {known})", self.profile));
        }
        let ways = [self.port.is_some(), self.usb_serial.is_some(), self.usb.is_some()];
        if !ways.contains(&true) {
            return Err("say where it is: `port`, `usb-serial` or `usb`".to_owned());
        }
        if self.port.is_some() && ways != [true, false, false] {
            return Err("`port` already says where it is: leave `usb-serial` and `usb` out".into());
        }
        if self.reset == Some(ResetWiring::Power) && self.power.is_none() {
            return Err("`reset = \"power\"` needs `power`".to_owned());
        }
        if self.pins.is_some() && self.clock.is_none() {
            return Err("`pins` needs `clock`, for edges have the time of the board".to_owned());
        }
        if !(ROM_BAUD..=4_000_000).contains(&self.flash_baud) {
            return Err(format!("`flash-baud` must be {ROM_BAUD} to 4000000"));
        }
        Ok(())
    }

    /// How it is reset over a port with or without modem lines.
    pub fn wiring(&self, modem_lines: bool) -> ResetWiring {
        match (&self.reset, modem_lines) {
            (None, true) => ResetWiring::TwoTransistors,
            (None, false) => ResetWiring::None,
            (Some(ResetWiring::TwoTransistors | ResetWiring::Straight), false) => ResetWiring::None,
            (Some(wiring), _) => wiring.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(entry: &str) -> Result<Bench, String> {
        let text = format!("[boards.desk]\nprofile = \"esp32-devkit\"\n{entry}\n");
        Bench::parse(&text, Path::new("bench.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_says_how_a_board_is_reached() {
        let bench = read(
            "port = 'rfc2217://desk:4000'\nreset = 'ctl:desk'\nmac = '24:0a:c4:00:01:10'\n\
             clock = 'ctl:desk'\npower = 'ctl:desk'",
        )
        .expect("it is right");
        let entry = bench.board("desk").expect("it is there");
        assert_eq!(entry.wiring(true), ResetWiring::Ctl("desk".to_owned()));
        assert_eq!((entry.flash_baud, entry.banner), (460_800, true));
        assert!(bench.board("shelf").unwrap_err().to_string().contains("(there: desk)"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_or_its_board() {
        for (entry, reason) in [
            ("", "board `desk`: say where it is"),
            ("port = 'x'\nusb = '0403:6001'", "`port` already says"),
            ("port = 'x'\nreset = 'power'", "needs `power`"),
            ("port = 'x'\nflash-baud = 9600", "must be 115200"),
            ("port = 'x'\npins = 'ctl:desk'", "`pins` needs `clock`"),
            ("port = 'x'\njtag = 'ftdi'", "names no probe"),
            ("port = 'x'\nloop-backs = [[4, 4]]", "joins two pins"),
            ("prot = 'x'", "unknown field `prot`"),
            ("port = 'http://a:1'", "line 3"),
            ("usb = '403:6001'", "is not VID:PID"),
            ("port = 'x'\nmac = 'none'", "is no address"),
            ("port = 'x'\nclock = 'wall'", "write `ctl:NAME`"),
        ] {
            let error = read(entry).expect_err(entry);
            assert!(error.contains(reason), "{entry}: {error}");
        }
        let text = "[boards.desk]\nprofile = 'uno'\nport = 'x'\n";
        let error = Bench::parse(text, Path::new("b")).unwrap_err().to_string();
        assert!(error.contains("no profile `uno` (known: esp32-"), "{error}");
    }

    #[test]
    fn without_modem_lines_a_circuit_that_needs_them_is_none() {
        let bench = read("port = '/dev/pts/1'\nreset = 'straight'").expect("it is right");
        let entry = bench.board("desk").expect("it is there");
        assert_eq!(entry.wiring(true), ResetWiring::Straight);
        assert_eq!(entry.wiring(false), ResetWiring::None);
    }

    #[test]
    fn the_nearest_file_is_the_bench() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        let text = "[boards.far]\nprofile = 'esp32-cam'\nport = 'COM3'\n";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        assert!(Bench::near(&inner).is_ok_and(|bench| bench.boards.contains_key("far")));
        std::fs::write(inner.join(FILE), "boards = 3").unwrap();
        assert!(matches!(Bench::near(&inner), Err(BenchError::Syntax { .. })));
    }

    const RIGHT: &str = "[boards.cam]\nprofile = 'esp32-cam'\nusb-serial = 'A50285BI'\n\
        reset = 'two-transistors'\npower = { driver = 'uhubctl', location = '1-1', port = 2 }\n\
        mac = '24:0a:c4:00:01:10'\nflash-baud = 921600\ntags = ['a']\n\n[boards.far]\n\
        profile = 'esp32-devkit'\nport = 'rfc2217://desk:4000'\npower = 'ctl:desk'\nbanner = false\n";

    proptest! {
        #[test]
        fn whatever_a_description_becomes_by_mistakes_it_is_read_or_explained(
            mistakes in prop::collection::vec(
                (
                    any::<prop::sample::Index>(),
                    0..12_usize,
                    prop::collection::vec(any::<char>(), 0..8),
                ),
                0..6,
            ),
        ) {
            let mut text: Vec<char> = RIGHT.chars().collect();
            let count = mistakes.len();
            for (at, taken, put) in mistakes {
                let at = at.index(text.len());
                let end = text.len().min(at + taken);
                text.splice(at..end, put);
                if text.is_empty() {
                    break;
                }
            }
            let text: String = text.into_iter().collect();
            match Bench::parse(&text, Path::new("bench.toml")) {
                Ok(bench) => bench.boards.values().for_each(|entry| {
                    entry.wiring(true);
                    entry.power.as_ref().map(PowerDriver::name);
                }),
                Err(error) => {
                    prop_assert!(count > 0, "{}", error);
                    prop_assert!(error.to_string().starts_with("bench.toml: "), "{}", error);
                }
            }
        }
    }
}
