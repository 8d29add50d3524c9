//! The steps of a scenario: one file each, the trait they share and the enum of them all.
//!
//! A step is its fields as written plus three functions: how it is read ([`Step::decode`]), what it
//! says about itself before anything starts ([`Step::facts`]), and what it does ([`Step::run`]).
//! A step sees the [`Session`], never a concrete target.

mod access_point;
pub mod answer_fields;
mod baud;
mod boot_mode;
mod brownout;
mod capture_packets;
mod connect_wifi;
mod corrupt_flash;
mod cut_power;
mod delay;
mod dhcp;
mod dns;
mod erase_flash;
mod erase_region;
mod expect_chip_output;
mod expect_connection;
mod expect_flash;
mod expect_frequency;
mod expect_message;
mod expect_no_serial;
mod expect_part;
mod expect_pin;
mod expect_pulse;
mod expect_request;
mod expect_serial;
mod expect_unity;
pub mod flash_fields;
mod get_file;
mod http_request;
mod install_package;
mod log;
mod mark;
mod measure;
mod micropython;
mod parallel;
pub mod pin_fields;
mod power;
mod power_cycle;
mod press;
mod prompt;
mod publish;
mod put_file;
mod read_flash;
mod remove_file;
mod repeat;
mod repl;
mod respond;
mod run_file;
mod send_break;
pub mod serial_fields;
mod serial_noise;
mod set_control;
mod set_pin;
mod snapshot;
mod soft_reset;
mod station;
mod strap;
mod take_screenshot;
mod touch;
mod verify_flash;
mod wait_serial;
mod wire;
mod write_flash;
mod write_serial;

pub use access_point::AccessPointStep;
pub use baud::Baud;
pub use boot_mode::BootModeStep;
pub use brownout::Brownout;
pub use capture_packets::CapturePackets;
pub use connect_wifi::ConnectWifi;
pub use corrupt_flash::CorruptFlash;
pub use cut_power::CutPower;
pub use delay::Delay;
pub use dhcp::DhcpStep;
pub use dns::DnsStep;
pub use erase_flash::EraseFlash;
pub use erase_region::EraseRegion;
pub use expect_chip_output::ExpectChipOutput;
pub use expect_connection::ExpectConnection;
pub use expect_flash::ExpectFlash;
pub use expect_frequency::ExpectFrequency;
pub use expect_message::ExpectMessage;
pub use expect_no_serial::ExpectNoSerial;
pub use expect_part::ExpectPart;
pub use expect_pin::ExpectPin;
pub use expect_pulse::ExpectPulse;
pub use expect_request::ExpectRequest;
pub use expect_serial::ExpectSerial;
pub use expect_unity::ExpectUnity;
pub use get_file::GetFile;
pub use http_request::HttpRequest;
pub use install_package::InstallPackage;
pub use log::Log;
pub use mark::Mark;
pub use measure::Measure;
pub use parallel::{Branch, Parallel};
pub use power::PowerStep;
pub use power_cycle::PowerCycle;
pub use press::Press;
pub use prompt::Prompt;
pub use publish::Publish;
pub use put_file::PutFile;
pub use read_flash::ReadFlash;
pub use remove_file::RemoveFile;
pub use repeat::Repeat;
pub use repl::Repl;
pub use respond::Respond;
pub use run_file::RunFile;
pub use send_break::SendBreak;
pub use serial_noise::SerialNoise;
pub use set_control::SetControl;
pub use set_pin::SetPin;
pub use snapshot::Snapshot;
pub use soft_reset::SoftReset;
pub use station::StationStep;
pub use strap::StrapStep;
pub use take_screenshot::TakeScreenshot;
pub use touch::{Touch, TouchMove, TouchPress, TouchRelease};
pub use verify_flash::VerifyFlash;
pub use wait_serial::WaitSerial;
pub use wire::WireStep;
pub use write_flash::{ImageRef, WriteFlash};
pub use write_serial::WriteSerial;

use std::ops::Range;

use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::Decoder;
use crate::scenario::model::StepEntry;
use crate::scenario::node::Node;
use crate::scenario::reference::Reference;
use crate::scenario::values::Template;
use crate::targets::{Capability, Port};
use crate::wokwi::script::Script;
use serial_fields::TextPattern;

/// One kind of step.
pub trait Step: Sized {
    /// The key it has in a scenario.
    const NAME: &'static str;

    /// What it is, for people and editors. [`Step::decode`] asks for exactly the keys in it.
    const REFERENCE: Reference;

    /// Reads the value behind the key (null for a step written as a bare word).
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self>;

    /// What the step needs and touches, for the checks before anything starts.
    fn facts(&self) -> Facts<'_>;

    /// The step in a few words, without its name.
    fn summary(&self) -> String;

    /// Says itself in steps of Wokwi's automation scenarios.
    ///
    /// # Errors
    /// Why it cannot be said so, as most cannot.
    fn say(&self, _script: &mut Script<'_>) -> Result<(), String> {
        Err("Wokwi has no such step".to_owned())
    }

    /// Does it.
    ///
    /// # Errors
    /// *Failed* when the firmware did not do what the step expects, *error* for everything else.
    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError>;
}

/// What a step says about itself before anything starts.
#[derive(Debug, Clone, Default)]
pub struct Facts<'s> {
    /// What the target must be able to do.
    pub needs: &'static [Capability],
    /// Whether the board must have power when the step runs; the first such step switches it on.
    pub needs_power: bool,
    /// Texts that may refer to values.
    pub templates: Vec<&'s Template>,
    /// Names the step gives values to.
    pub captures: Vec<&'s str>,
    /// The moment it names, with its place.
    pub mark: Option<(&'s str, Range<usize>)>,
    /// Moments it refers to, with their places.
    pub uses_marks: Vec<(&'s str, Range<usize>)>,
    /// The snapshot it takes, with its place.
    pub snapshot: Option<(&'s str, Range<usize>)>,
    /// Whether it makes the guest write to its flash, as far as can be seen.
    pub guest_writes: bool,
    /// Whether it changes the flash, so that the case starts with a blank one.
    pub writes_flash: bool,
    /// The image it writes, with its place.
    pub image: Option<(&'s ImageRef, Range<usize>)>,
    /// Files of the project that it reads, with their places.
    pub files: Vec<(&'s str, Range<usize>)>,
    /// Whether it does something outside of the target, such as writing a file or asking a person,
    /// or has more than the case's own target: no other case can profit from that.
    pub touches_host: bool,
    /// Pins whose edges it wants, from the beginning of the case on.
    pub pins: Vec<u8>,
    /// Parts of the board that it names: buttons, and `esp` for the chip with its pins.
    pub parts: Vec<&'s str>,
    /// Hosts or stations that it names, with their places.
    pub hosts: Vec<(&'s str, Range<usize>)>,
    /// What hosts that it names must serve, with their places.
    pub servers: Vec<(&'s str, Server, Range<usize>)>,
    /// Whether it does something to the air or the network, which the scenario then must have.
    pub needs_site: bool,
    /// Whether it means the one broker that the scenario has.
    pub needs_broker: bool,
    /// Stations that it names, with their places.
    pub stations: Vec<(&'s str, Range<usize>)>,
    /// WiFi networks of the scenario that it names, with their places.
    pub networks: Vec<(&'s str, Range<usize>)>,
    /// The steps inside of it, list by list.
    pub inner: Vec<&'s [StepEntry]>,
    /// The steps inside of it that are done at the same time with several boards.
    pub branches: &'s [Branch],
    /// What it expects on a serial port.
    pub expects: Option<(Port, &'s TextPattern)>,
}

/// What a host serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Pages, at this port or at any.
    Web(Option<u16>),
    /// A script at this port.
    Script(u16),
    /// An MQTT broker.
    Broker,
}

macro_rules! steps {
    ($($variant:ident($type:ty),)*) => {
        /// Any step.
        #[derive(Debug, Clone)]
        pub enum AnyStep {
            $(
                #[doc = concat!("A step of the kind [`", stringify!($type), "`].")]
                $variant($type),
            )*
        }

        impl AnyStep {
            /// The names of all steps, in the order of the documentation.
            pub const NAMES: &'static [&'static str] = &[$(<$type as Step>::NAME),*];

            /// What each step is.
            pub const REFERENCES: &'static [(&'static str, &'static Reference)] =
                &[$((<$type as Step>::NAME, &<$type as Step>::REFERENCE)),*];

            /// Reads a step by its name; `None` when there is no such step, `Some(None)` when it is
            /// wrongly written, which is then recorded.
            pub fn decode(name: &str, node: &Node, decoder: &mut Decoder) -> Option<Option<Self>> {
                match name {
                    $(<$type as Step>::NAME => {
                        Some(<$type as Step>::decode(node, decoder).map(Self::$variant))
                    })*
                    _ => None,
                }
            }

            /// The key it has in a scenario.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$type as Step>::NAME,)*
                }
            }

            /// What the step says about itself before anything starts.
            pub fn facts(&self) -> Facts<'_> {
                match self {
                    $(Self::$variant(step) => step.facts(),)*
                }
            }

            /// The step in a few words.
            pub fn summary(&self) -> String {
                let (name, words) = match self {
                    $(Self::$variant(step) => (<$type as Step>::NAME, step.summary()),)*
                };
                if words.is_empty() { name.to_owned() } else { format!("{name} {words}") }
            }

            /// Says itself in Wokwi's terms.
            ///
            /// # Errors
            /// See [`Step::say`].
            pub fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
                match self {
                    $(Self::$variant(step) => step.say(script),)*
                }
            }

            /// Does it.
            ///
            /// # Errors
            /// See [`Step::run`].
            pub fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
                match self {
                    $(Self::$variant(step) => step.run(session),)*
                }
            }
        }
    };
}

steps! {
    Power(PowerStep),
    PowerCycle(PowerCycle),
    Press(Press),
    BootMode(BootModeStep),
    Strap(StrapStep),
    EraseFlash(EraseFlash),
    EraseRegion(EraseRegion),
    WriteFlash(WriteFlash),
    VerifyFlash(VerifyFlash),
    ReadFlash(ReadFlash),
    ExpectFlash(ExpectFlash),
    WaitSerial(WaitSerial),
    WriteSerial(WriteSerial),
    ExpectSerial(ExpectSerial),
    ExpectNoSerial(ExpectNoSerial),
    ExpectUnity(ExpectUnity),
    Baud(Baud),
    SendBreak(SendBreak),
    Repl(Repl),
    RunFile(RunFile),
    PutFile(PutFile),
    GetFile(GetFile),
    RemoveFile(RemoveFile),
    SoftReset(SoftReset),
    InstallPackage(InstallPackage),
    ConnectWifi(ConnectWifi),
    AccessPoint(AccessPointStep),
    Wire(WireStep),
    Dhcp(DhcpStep),
    Dns(DnsStep),
    Station(StationStep),
    ExpectRequest(ExpectRequest),
    Respond(Respond),
    ExpectConnection(ExpectConnection),
    ExpectMessage(ExpectMessage),
    Publish(Publish),
    HttpRequest(HttpRequest),
    CapturePackets(CapturePackets),
    ExpectPin(ExpectPin),
    SetPin(SetPin),
    SetControl(SetControl),
    ExpectPart(ExpectPart),
    ExpectPulse(ExpectPulse),
    ExpectFrequency(ExpectFrequency),
    CutPower(CutPower),
    CorruptFlash(CorruptFlash),
    SerialNoise(SerialNoise),
    Brownout(Brownout),
    Delay(Delay),
    Mark(Mark),
    Snapshot(Snapshot),
    Log(Log),
    Repeat(Repeat),
    Measure(Measure),
    Parallel(Parallel),
    Prompt(Prompt),
    TakeScreenshot(TakeScreenshot),
    Touch(Touch),
    TouchPress(TouchPress),
    TouchMove(TouchMove),
    TouchRelease(TouchRelease),
    ExpectChipOutput(ExpectChipOutput),
}

/// Steps that Wokwi's own scenarios have; a file with only these has Wokwi's meaning.
pub const WOKWI_STEPS: &[&str] = &[
    "delay",
    "wait-serial",
    "write-serial",
    "expect-pin",
    "set-control",
    "take-screenshot",
    "touch",
    "touch-press",
    "touch-move",
    "touch-release",
    "expect-chip-output",
];
