//! Targets: what a case runs against, behind one trait.
//!
//! A step sees [`Target`] and cannot tell an emulator from a board. What a target cannot do it does
//! not list in its [`Capability`] set, and the plan is checked against that before anything starts.

mod adapter;
pub mod board;
pub mod debugged;
pub mod emulated;
pub mod fake;
mod flash;
pub mod loop_back;
mod network;
pub mod part;
pub mod picture;
pub mod player;
mod standing;
mod tls;
mod way_out;
pub mod wiring_fault;
pub mod wokwi;
pub mod wokwi_cli;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use loop_back::LoopBack;
use part::{Finger, Part, Shown};
use player::Player;
pub use standing::Core;

use crate::packets::{Capture, Link};
use crate::parts::Fitted;
use crate::scenario::model::Case;
use crate::serve::machine::Served;
use crate::site::{AirOf, Folders, Order, Places, Site, SiteEvent};
use crate::time::DeviceTime;
use crate::wokwi::circuit::Circuit;

/// Something a target can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Read and write a serial port.
    Serial,
    /// Press the reset button.
    Reset,
    /// Set the boot strap.
    Strap,
    /// Switch power.
    Power,
    /// Erase and write the flash chip.
    Flash,
    /// Keep what the guest writes to its flash over resets and power cuts.
    KeepFlash,
    /// See the level of pins.
    Pins,
    /// Have parts wired to its pins.
    Parts,
    /// See what such parts show: colours, pictures, angles.
    SeeParts,
    /// Put levels on pins from outside.
    DrivePins,
    /// Let things go wrong on purpose, at the right moment.
    Faults,
    /// Ask a person at the bench; the command line adds this one, no target has it.
    Operator,
    /// Time passes as fast as the host allows, the same in every run.
    VirtualTime,
    /// Be copied in the middle of a case, so that another one goes on from there.
    SaveState,
    /// Be one of several boards of a case.
    SeveralBoards,
    /// Join the networks of a scenario, and reach its hosts.
    Air,
    /// Change access points and the network behind them, and see what they tell.
    AirControl,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serial => "serial",
            Self::Reset => "reset",
            Self::Strap => "strap",
            Self::Power => "power",
            Self::Flash => "flash",
            Self::KeepFlash => "keep-flash",
            Self::Pins => "pins",
            Self::Parts => "parts",
            Self::SeeParts => "see-parts",
            Self::DrivePins => "drive-pins",
            Self::Faults => "faults",
            Self::Operator => "operator",
            Self::VirtualTime => "virtual-time",
            Self::SaveState => "save-state",
            Self::SeveralBoards => "several-boards",
            Self::Air => "air",
            Self::AirControl => "air-control",
        })
    }
}

/// What a target can do.
pub type Capabilities = BTreeSet<Capability>;

/// A serial port of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Port {
    /// The port that the ROM and the firmware's console speak on: UART0.
    #[default]
    Console,
    /// UART1.
    Uart1,
    /// UART2.
    Uart2,
}

impl Port {
    /// Every port with the name it has in a scenario.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("console", Self::Console),
        ("uart0", Self::Console),
        ("uart1", Self::Uart1),
        ("uart2", Self::Uart2),
    ];
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Console => "console",
            Self::Uart1 => "uart1",
            Self::Uart2 => "uart2",
        })
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Self::NAMES.into_iter().find(|(known, _)| *known == name);
        let unknown = || serde::de::Error::custom(format!("there is no port `{name}`"));
        known.map(|(_, port)| port).ok_or_else(unknown)
    }
}

impl JsonSchema for Port {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Port".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A serial port of the board.",
            "type": "string",
            "enum": [Self::Console.to_string(), Self::Uart1.to_string(), Self::Uart2.to_string()],
        })
    }
}

impl Serialize for Port {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The supply of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Supplied.
    On,
    /// Cut: RAM and RTC memory are lost, flash stays.
    Off,
}

/// What the boot strap (GPIO0) selects at the next reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    /// Run from flash: GPIO0 high.
    Run,
    /// Wait for a download: GPIO0 to GND.
    Download,
}

/// A button of the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Button {
    /// EN to GND while pressed.
    Reset,
    /// Another one, by the name that the board's profile gives it.
    Named(String),
}

impl fmt::Display for Button {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => f.write_str("reset"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// The level of a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Near ground.
    Low,
    /// Near the supply.
    High,
}

impl From<bool> for Level {
    fn from(high: bool) -> Self {
        if high { Self::High } else { Self::Low }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::High => "high",
        })
    }
}

/// What the chip does to a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PinSetting {
    /// It drives the pin.
    pub drives: bool,
    /// What its resistor inside of the pin leads to, if it is there.
    pub pull: Option<Level>,
}

/// What the flash chip can be told to do to its array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlashOperation {
    /// An erase of a sector, a block or the chip.
    Erase,
    /// A page program.
    Program,
}

impl fmt::Display for FlashOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Erase => "flash erase",
            Self::Program => "flash program",
        })
    }
}

/// Something that goes wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disturbance {
    /// Power fails in the middle of an operation of the flash chip that is still to come.
    PowerCut {
        /// Which kind counts.
        operation: FlashOperation,
        /// The how many-th of them, from 1.
        nth: u64,
    },
    /// From now on this share of the bytes on a serial line has a wrong bit.
    SerialNoise {
        /// Which port.
        port: Port,
        /// Bytes per million; 0 ends the noise.
        per_million: u32,
    },
    /// The supply sags below the brown-out threshold, or recovers.
    SupplySag(bool),
}

/// Something the target did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetEvent {
    /// A serial port said something.
    Serial {
        /// Which port.
        port: Port,
        /// When the last of the bytes was complete on the wire.
        time: DeviceTime,
        /// The raw bytes, never empty.
        bytes: Vec<u8>,
    },
    /// An observed pin has changed.
    Pin {
        /// GPIO number.
        gpio: u8,
        /// When.
        time: DeviceTime,
        /// Its level since then.
        level: Level,
    },
    /// Power has failed by a [`Disturbance`]; the board is off.
    PowerLost {
        /// When.
        time: DeviceTime,
    },
    /// Something has happened on the air or the network.
    Site {
        /// When.
        time: DeviceTime,
        /// What.
        event: SiteEvent,
    },
    /// Something has happened to the bench that the person should know.
    Remark {
        /// When.
        time: DeviceTime,
        /// In words.
        text: String,
    },
}

impl TargetEvent {
    /// When it happened.
    pub fn time(&self) -> DeviceTime {
        match self {
            Self::Serial { time, .. }
            | Self::Pin { time, .. }
            | Self::PowerLost { time }
            | Self::Site { time, .. }
            | Self::Remark { time, .. } => *time,
        }
    }
}

/// How far a long operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Trouble with the target itself: the verdict is *error*, never *failed*.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The flash loader cannot be reached because the chip is not in download mode.
    #[error("the chip is not waiting for a download, so its flash cannot be {0}")]
    NotInDownloadMode(&'static str),
    /// The board has no power.
    #[error("the board is switched off, so it cannot {0}")]
    NoPower(&'static str),
    /// Data does not fit the flash chip.
    #[error("{length} bytes at {offset:#x} do not fit a flash of {size} bytes")]
    DoesNotFit {
        /// Where they were to be written.
        offset: u64,
        /// How many.
        length: u64,
        /// Size of the chip.
        size: u64,
    },
    /// The target lacks a capability; a plan finds that out before anything starts.
    #[error("the target cannot {0}")]
    Cannot(&'static str),
    /// A range to be erased does not begin or end with a sector.
    #[error("{length:#x} bytes at {offset:#x} are not whole sectors of {sector:#x} bytes")]
    NotInSectors {
        /// Where it was to begin.
        offset: u32,
        /// How many bytes.
        length: u32,
        /// Bytes of a sector.
        sector: u32,
    },
    /// The board has no such part.
    #[error("the board has no {0}")]
    NoSuchPart(String),
    /// A finger is not where a touch screen is.
    #[error("`{part}` has no touch screen there: {finger}")]
    BesideScreen {
        /// The part with the screen.
        part: String,
        /// What the finger was to do, and where.
        finger: String,
    },
    /// An access point or a host cannot do what it is told.
    #[error("the air and the network around the board cannot do that: {0}")]
    Site(String),
    /// The machine met something that it cannot go on from and that is not the firmware's fault.
    #[error("the target stopped: {0}")]
    Stopped(String),
    /// The bench is in trouble: an adapter, a lock, the supply, another board than was meant.
    #[error("{0}")]
    Bench(String),
    /// The board could not be made.
    #[error("the target cannot be opened: {0}")]
    CannotOpen(String),
    /// A scripted target was used differently than its script says.
    #[error("the script of the fake target ends here: {0}")]
    ScriptEnded(String),
}

/// One access that the model of a target does not cover.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct UnmodelledAccess {
    /// Device by its manual name.
    pub device: String,
    /// Offset in the device.
    pub offset: u32,
    /// `read` or `write`.
    pub kind: &'static str,
    /// Program counter of the first such access.
    pub pc: u32,
    /// How many.
    pub count: u64,
}

impl fmt::Display for UnmodelledAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, offset, kind, pc, count } = self;
        write!(f, "{device}+{offset:#x}: {count} {kind}s, first at pc {pc:#010x}")
    }
}

/// What compiling a guest's code to that of the host has cost. A case that goes on from a copy of
/// another's machine has taken over that one's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Compiling {
    /// Blocks that have been compiled; what is compiled twice counts twice.
    pub blocks: u64,
    /// Blocks that were hot and found no room, so that they were interpreted.
    pub refused: u64,
    /// Bytes of code at the end.
    pub code_bytes: usize,
    /// Bytes of memory that it lies in; copies of a machine share them.
    pub memory_bytes: usize,
    /// The most that those can be.
    pub limit_bytes: usize,
    /// Microseconds that compiling took.
    pub us: u64,
}

impl fmt::Display for Compiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, refused, code_bytes, memory_bytes, limit_bytes, us } = *self;
        let (code, memory, limit) = (code_bytes >> 10, memory_bytes >> 10, limit_bytes >> 20);
        let ms = us as f64 / 1e3;
        write!(f, "{blocks} blocks, {code} KiB in {memory} KiB of memory, in {ms:.1} ms")?;
        if refused > 0 {
            write!(f, "; {refused} more found no room in {limit} MiB and were interpreted")?;
        }
        Ok(())
    }
}

/// What a target says about itself when the case is over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct MachineReport {
    /// Device time at the end.
    pub time: DeviceTime,
    /// Hash over every guest-visible event, where the target has one.
    pub event_hash: Option<String>,
    /// Instructions that the host executed, where the target counts them: skipped loops are none.
    pub host_instructions: Option<u64>,
    /// What compiling to host code has cost, where the target does so.
    pub host_compiling: Option<Compiling>,
    /// Accesses without a model.
    pub unmodelled: Vec<UnmodelledAccess>,
    /// Registers that only store what was written, by device, with the number of accesses.
    pub stored_only: Vec<(String, u64)>,
    /// Serial bytes lost to full receive buffers on the chip.
    pub lost_serial_bytes: u64,
    /// Other remarks for the person, such as a radio that is not modelled.
    pub notes: Vec<String>,
}

/// What a case runs against.
///
/// What belongs to a [`Capability`] that a target does not list it need not implement.
///
/// Time is the target's own. Nothing happens between calls of [`Target::run_until`] on a target
/// with virtual time; on others the world goes on and its events queue up.
pub trait Target: Send {
    /// The device time that has been reached.
    fn now(&self) -> DeviceTime;

    /// Switches power. Switching to the present state does nothing.
    ///
    /// # Errors
    /// Trouble with the target.
    fn power(&mut self, power: Power) -> Result<(), TargetError>;

    /// Whether the board has power.
    fn is_powered(&self) -> bool;

    /// Sets the strap; it counts at the next reset.
    ///
    /// # Errors
    /// Trouble with the target.
    fn boot_mode(&mut self, mode: BootMode) -> Result<(), TargetError>;

    /// Holds a button down.
    ///
    /// # Errors
    /// Trouble with the target, or no such button.
    fn press(&mut self, button: Button) -> Result<(), TargetError>;

    /// Lets a button go.
    ///
    /// # Errors
    /// Trouble with the target, or no such button.
    fn release(&mut self, button: Button) -> Result<(), TargetError>;

    /// Erases the whole flash chip; the chip must be waiting for a download.
    ///
    /// # Errors
    /// Trouble with the target.
    fn erase_flash(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), TargetError>;

    /// Erases what `bytes` cover and writes them; the chip must be waiting for a download.
    ///
    /// # Errors
    /// Trouble with the target, or the data does not fit.
    fn write_flash(
        &mut self,
        offset: u32,
        bytes: &[u8],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), TargetError>;

    /// Erases whole sectors; the chip must be waiting for a download.
    ///
    /// # Errors
    /// Trouble with the target, or a range that is not made of sectors of the chip.
    fn erase_region(&mut self, _offset: u32, _length: u32) -> Result<(), TargetError> {
        Err(TargetError::Cannot("erase a part of the flash"))
    }

    /// Reads flash; the chip must be waiting for a download.
    ///
    /// # Errors
    /// Trouble with the target, or a range beyond the chip.
    fn read_flash(&mut self, _offset: u32, _length: u32) -> Result<Vec<u8>, TargetError> {
        Err(TargetError::Cannot("read the flash"))
    }

    /// Whether the flash holds these bytes; the chip must be waiting for a download.
    ///
    /// # Errors
    /// As for [`Target::read_flash`].
    fn flash_holds(&mut self, offset: u32, bytes: &[u8]) -> Result<bool, TargetError> {
        Ok(self.read_flash(offset, bytes.len() as u32)? == bytes)
    }

    /// Changes flash bytes from outside, whatever the chip is doing: a fault, not a way to flash.
    ///
    /// # Errors
    /// A range beyond the chip.
    fn corrupt_flash(
        &mut self,
        _offset: u32,
        _length: u32,
        _change: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), TargetError> {
        Err(TargetError::Cannot("damage the flash"))
    }

    /// Sets the speed of the adapter on a port, in baud; 115200 to begin with.
    ///
    /// # Errors
    /// Trouble with the target, or no such port.
    fn set_baud(&mut self, _port: Port, _baud: u32) -> Result<(), TargetError> {
        Err(TargetError::Cannot("change the speed of a port"))
    }

    /// Holds a serial line low for longer than a frame.
    ///
    /// # Errors
    /// Trouble with the target, or no such port.
    fn send_break(&mut self, _port: Port) -> Result<(), TargetError> {
        Err(TargetError::Cannot("send a break"))
    }

    /// The level of a pin now.
    ///
    /// # Errors
    /// Trouble with the target, or no such pin.
    fn pin(&mut self, _gpio: u8) -> Result<Level, TargetError> {
        Err(TargetError::Cannot("see pins"))
    }

    /// What the chip does to a pin now.
    ///
    /// # Errors
    /// Trouble with the target, or no such pin.
    fn pin_setting(&mut self, _gpio: u8) -> Result<PinSetting, TargetError> {
        Err(TargetError::Cannot("see what the chip does to its pins"))
    }

    /// Puts a level on a pin from outside, or lets go of it with `None`.
    ///
    /// # Errors
    /// Trouble with the target, or no such pin.
    fn drive_pin(&mut self, _gpio: u8, _level: Option<Level>) -> Result<(), TargetError> {
        Err(TargetError::Cannot("drive pins"))
    }

    /// Moves a control of a part that was asked for with the target.
    ///
    /// # Errors
    /// Trouble with the target, no such part, or no such control of it.
    fn set_control(&mut self, part: &str, _control: &str, _value: f64) -> Result<(), TargetError> {
        Err(TargetError::NoSuchPart(format!("part `{part}`")))
    }

    /// A finger does something on the touch screen of a part.
    ///
    /// # Errors
    /// Trouble with the target, no such part, no touch screen of it, or a place beside that.
    fn touch(&mut self, part: &str, _finger: Finger) -> Result<(), TargetError> {
        Err(TargetError::NoSuchPart(format!("part `{part}`")))
    }

    /// What can be seen of a part that was asked for with the target, such as the `angle` of a servo.
    ///
    /// # Errors
    /// Trouble with the target, no such part, or nothing of that name to be seen of it.
    fn shown(&mut self, part: &str, _what: &str) -> Result<Shown, TargetError> {
        Err(TargetError::NoSuchPart(format!("part `{part}`")))
    }

    /// From now on changes of a pin are events.
    ///
    /// # Errors
    /// Trouble with the target, or no such pin.
    fn observe_pin(&mut self, _gpio: u8) -> Result<(), TargetError> {
        Err(TargetError::Cannot("see pins"))
    }

    /// Lets something go wrong.
    ///
    /// # Errors
    /// Trouble with the target, or it cannot do that.
    fn disturb(&mut self, _disturbance: Disturbance) -> Result<(), TargetError> {
        Err(TargetError::Cannot("let things go wrong"))
    }

    /// Tells an access point or a host of the site to do something.
    ///
    /// # Errors
    /// Trouble with the target, or there is no such access point or host.
    fn order(&mut self, _order: Order) -> Result<(), TargetError> {
        Err(TargetError::Cannot("change its surroundings"))
    }

    /// Captures packets from now on.
    ///
    /// # Errors
    /// Trouble with the target, or it cannot do that.
    fn start_capture(&mut self, _link: Link) -> Result<(), TargetError> {
        Err(TargetError::Cannot("capture packets"))
    }

    /// Ends the capture that was begun last.
    ///
    /// # Errors
    /// Trouble with the target, or none was begun.
    fn take_capture(&mut self) -> Result<Capture, TargetError> {
        Err(TargetError::Cannot("capture packets"))
    }

    /// Queues bytes for a port; they take their time on the wire.
    ///
    /// # Errors
    /// Trouble with the target, or no such port.
    fn send(&mut self, port: Port, bytes: &[u8]) -> Result<(), TargetError>;

    /// Lets time pass until something happens or `deadline` is reached. No events mean that the
    /// deadline is reached exactly; with events, `now` may lie before it.
    ///
    /// # Errors
    /// Trouble with the target.
    fn run_until(&mut self, deadline: DeviceTime) -> Result<Vec<TargetEvent>, TargetError>;

    /// Another board of the case, on the air of this one, powered off; `None`: boards of this kind hear
    /// nothing of each other, and each is opened by itself.
    ///
    /// Boards on one air run together. One that somebody deals with, as with this and the new one, runs
    /// as far as he lets it, and the others wait for it.
    fn neighbour(
        &mut self,
        _request: &TargetRequest,
    ) -> Option<Result<Box<dyn Target>, TargetError>> {
        None
    }

    /// Somebody deals with the board from now on, and sees what it has said while nobody did.
    fn attend(&mut self) {}

    /// Nobody deals with the board until [`Target::attend`]; on one air with others it goes along with
    /// them.
    fn leave(&mut self) {}

    /// What the target says about itself; called once, when the case is over.
    fn finish(&mut self) -> MachineReport;

    /// A copy that goes on from here independently; `None` without [`Capability::SaveState`].
    fn fork(&self) -> Option<Box<dyn Target>> {
        None
    }

    /// Where the cores stand; empty if the target cannot see that.
    fn standing(&self) -> Vec<Core> {
        Vec::new()
    }

    /// Whether the guest is known to do nothing any more until somebody outside acts.
    fn is_dead(&self) -> bool {
        false
    }

    /// The target for outside tools, if it can be held open for them.
    fn served(self: Box<Self>) -> Option<Box<dyn Served>> {
        None
    }
}

/// A piece of flash contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Flash address of the first byte.
    pub offset: u32,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

/// What a case needs a target to be.
#[derive(Debug, Clone, Default)]
pub struct TargetRequest {
    /// Name of the board profile.
    pub board: String,
    /// Which one of the case's boards, from 0.
    pub number: u8,
    /// Seed of everything random.
    pub seed: u64,
    /// What the flash holds before the first step; blank elsewhere.
    pub flash: Vec<Segment>,
    /// The wires between its pins.
    pub loop_backs: Vec<LoopBack>,
    /// What is on the air around it, if anything.
    pub site: Option<Site>,
    /// Who else is on it.
    pub air: AirOf,
    /// What the web servers of the site serve.
    pub folders: Folders,
    /// Megabytes of another flash chip than the board's own.
    pub flash_megabytes: Option<u32>,
    /// Megabytes of another PSRAM than the board's own.
    pub psram_megabytes: Option<u32>,
    /// Another MAC address than the board's own.
    pub mac: Option<[u8; 6]>,
    /// What is wired to its pins.
    pub parts: Vec<Part>,
    /// The same as it was written, by name: for targets that draw their boards.
    pub fitted: Vec<(String, Fitted)>,
    /// The diagram of a Wokwi project that all of this comes from.
    pub circuit: Option<Arc<Circuit>>,
}

/// Where targets come from: one per case.
pub trait TargetSource: Sync {
    /// The name a person gives to choose it, such as `emulator`.
    fn name(&self) -> &str;

    /// What its targets can do.
    fn capabilities(&self) -> Capabilities;

    /// The board profiles it knows.
    fn boards(&self) -> Vec<String>;

    /// The parts of a board that a scenario can name: its buttons, and `esp` for the chip with its
    /// pins.
    fn parts(&self, board: &str) -> Vec<String>;

    /// What steps can name of those parts of a Wokwi diagram that its boards would have.
    fn drawn_parts(&self, _circuit: &Circuit) -> Vec<String> {
        Vec::new()
    }

    /// Why no target can be a board of this profile although it is known, if that is so.
    fn refuses(&self, _profile: &str) -> Option<String> {
        None
    }

    /// What its targets cannot do of a case although they can do such things, in words.
    fn cannot(&self, _case: &Case) -> Vec<String> {
        Vec::new()
    }

    /// Whoever plays whole cases instead of targets, if that is how it is done.
    fn player(&self) -> Option<&dyn Player> {
        None
    }

    /// What a run has used of something that somebody counts, in words.
    fn spent(&self) -> Option<String> {
        None
    }

    /// Those of these wires that its boards do not have.
    fn without(&self, _loop_backs: &[LoopBack]) -> Vec<LoopBack> {
        Vec::new()
    }

    /// What the networks and hosts of a site are here.
    ///
    /// # Errors
    /// The names of what somebody has to describe first, as he would write them.
    fn places(&self, site: &Site) -> Result<Places, Vec<String>> {
        Ok(Places::of(site))
    }

    /// Environment variables with secrets of such a site.
    fn secrets(&self, _site: &Site) -> Vec<String> {
        Vec::new()
    }

    /// A target, powered off.
    ///
    /// # Errors
    /// When no such board can be made.
    fn open(&self, request: &TargetRequest) -> Result<Box<dyn Target>, TargetError>;
}
