//! Boards over JTAG: stop a core, look into it, change it, write its flash.
//!
//! probe-rs knows the probes, by USB's vendor, product and serial number, and speaks to Xtensa debug
//! modules; probe-rs-espressif knows the chips. This is what a bench wants of them, with its own
//! errors, and one probe more (`bitbang`).
//!
//! A debugger of probe-rs's turns the chip's watchdogs off when it attaches. Firmware sees that a
//! debugger is there until the session ends.

mod bitbang;

use std::sync::Once;
use std::time::Duration;

use probe_rs::flashing::{DownloadOptions, FlashProgress, ProgressEvent, ProgressOperation};
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeSelector, Probe};
use probe_rs::{MemoryInterface as _, Permissions, Session};

use self::bitbang::Bitbang;
use super::loader::{EFUSE_MAC, Mac};
use super::probe::ProbeName;
use crate::targets::Progress;

/// How long a core may take to stop, and a chip to be reset.
const PATIENCE: Duration = Duration::from_secs(3);

/// Trouble with JTAG.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JtagError {
    /// There is no such probe, or somebody else has it.
    #[error("cannot open the probe {name}: {reason}")]
    Probe {
        /// Which.
        name: ProbeName,
        /// Why not.
        reason: String,
    },
    /// The chip did not do as it was asked.
    #[error("over JTAG, {what}: {reason}")]
    Chip {
        /// What was tried.
        what: &'static str,
        /// What probe-rs said.
        reason: String,
    },
}

/// A probe that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFound {
    /// What opens it: `VID:PID:SERIAL`, or `VID:PID` if it has no serial number.
    pub selector: String,
    /// What it calls itself.
    pub name: String,
}

/// The probes that are plugged in.
pub fn probes() -> Vec<ProbeFound> {
    know_espressif();
    let found = Lister::new().list_all().into_iter().map(|probe| {
        let mut selector = format!("{:04x}:{:04x}", probe.vendor_id, probe.product_id);
        if let Some(serial) = &probe.serial_number {
            selector += &format!(":{serial}");
        }
        ProbeFound { selector, name: probe.identifier }
    });
    found.collect()
}

/// Registers chips and probes of Espressif; probe-rs keeps them for the whole process.
fn know_espressif() {
    static KNOWN: Once = Once::new();
    KNOWN.call_once(probe_rs_espressif::register_plugin);
}

/// A chip over JTAG. It goes on when this is dropped.
pub struct Jtag {
    session: Session,
}

impl Jtag {
    /// Attaches to the ESP32 at a probe, without a reset.
    ///
    /// # Errors
    /// When there is no such probe, or no such chip at it.
    pub fn attach(name: &ProbeName) -> Result<Self, JtagError> {
        know_espressif();
        let probe = open(name).map_err(|reason| JtagError::Probe { name: name.clone(), reason })?;
        let session = probe.attach("esp32", Permissions::new().allow_erase_all());
        Ok(Self { session: session.map_err(trouble("the chip does not answer"))? })
    }

    /// The chip's factory address, from its eFuses.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn mac(&mut self) -> Result<Mac, JtagError> {
        let mut words = [[0; 4]; 2];
        for (address, word) in EFUSE_MAC.into_iter().zip(&mut words) {
            self.read(0, address, word)?;
        }
        let [low, high] = words.map(u32::from_le_bytes);
        Ok(Mac::of_efuse(low, high))
    }

    fn core<T>(
        &mut self,
        core: usize,
        what: &'static str,
        act: impl FnOnce(&mut probe_rs::Core<'_>) -> Result<T, probe_rs::Error>,
    ) -> Result<T, JtagError> {
        let mut core = self.session.core(core).map_err(trouble(what))?;
        act(&mut core).map_err(trouble(what))
    }

    /// Stops a core (0 is PRO_CPU, 1 APP_CPU); where.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn halt(&mut self, core: usize) -> Result<u32, JtagError> {
        let halted = self.core(core, "the core does not stop", |core| core.halt(PATIENCE))?;
        Ok(halted.pc as u32)
    }

    /// Whether a core is stopped.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn is_halted(&mut self, core: usize) -> Result<bool, JtagError> {
        self.core(core, "the core cannot be asked", |core| core.core_halted())
    }

    /// Waits until a core has stopped by itself; where.
    ///
    /// # Errors
    /// When it does not within that time.
    pub fn wait_halted(&mut self, core: usize, patience: Duration) -> Result<u32, JtagError> {
        self.core(core, "the core did not stop", |core| {
            core.wait_for_core_halted(patience)?;
            core.read_core_reg(core.program_counter().id())
        })
    }

    /// Lets a core go on.
    ///
    /// # Errors
    /// When it cannot.
    pub fn go_on(&mut self, core: usize) -> Result<(), JtagError> {
        self.core(core, "the core does not go on", |core| core.run())
    }

    /// Has a core execute one instruction; where it is then.
    ///
    /// # Errors
    /// When it cannot.
    pub fn step(&mut self, core: usize) -> Result<u32, JtagError> {
        Ok(self.core(core, "the core makes no step", |core| core.step())?.pc as u32)
    }

    /// Resets the chip and lets it go.
    ///
    /// # Errors
    /// When it cannot.
    pub fn reset(&mut self) -> Result<(), JtagError> {
        self.core(0, "the chip cannot be reset", |core| core.reset())
    }

    /// Resets the chip and stops PRO_CPU before its first instruction; where.
    ///
    /// # Errors
    /// When it cannot.
    pub fn reset_and_halt(&mut self) -> Result<u32, JtagError> {
        let what = "the chip cannot be reset and stopped";
        Ok(self.core(0, what, |core| core.reset_and_halt(PATIENCE))?.pc as u32)
    }

    /// A register of a core that is stopped, by its name: `pc`, `a0` to `a15`, and what else probe-rs
    /// knows.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn register(&mut self, core: usize, name: &str) -> Result<u32, JtagError> {
        self.core(core, "the register cannot be read", |core| {
            let found = core.registers().all_registers().find(|it| it.name() == name);
            let found = found.ok_or_else(|| probe_rs::Error::Other(format!("no `{name}`")))?;
            core.read_core_reg(found.id())
        })
    }

    /// Reads memory as a core sees it; if the core is running it is stopped for that long.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(&mut self, core: usize, address: u32, bytes: &mut [u8]) -> Result<(), JtagError> {
        let what = "memory cannot be read";
        self.core(core, what, |core| core.read(address.into(), bytes))
    }

    /// Writes memory as a core sees it.
    ///
    /// # Errors
    /// When there is none.
    pub fn write(&mut self, core: usize, address: u32, bytes: &[u8]) -> Result<(), JtagError> {
        let what = "memory cannot be written";
        self.core(core, what, |core| core.write(address.into(), bytes))
    }

    /// Sets one of the core's two breakpoints, or takes it away.
    ///
    /// # Errors
    /// When both are in use, or there is none.
    pub fn set_breakpoint(
        &mut self,
        core: usize,
        address: u32,
        present: bool,
    ) -> Result<(), JtagError> {
        self.core(core, "the breakpoint cannot be set", |core| match present {
            true => core.set_hw_breakpoint(address.into()),
            false => core.clear_hw_breakpoint(address.into()),
        })
    }

    /// Erases what has to be, writes flash, and reads it back. What shares a sector with it is kept.
    ///
    /// # Errors
    /// When it cannot be written, or reads otherwise afterwards.
    pub fn write_flash(
        &mut self,
        offset: u32,
        bytes: &[u8],
        news: &mut dyn FnMut(Progress),
    ) -> Result<(), JtagError> {
        let what = "flash cannot be written";
        let mut loader = self.session.target().flash_loader();
        loader.add_data(offset.into(), bytes).map_err(trouble(what))?;
        let total = bytes.len() as u64;
        // probe-rs counts what it transfers, which is packed.
        let (mut done, mut packed) = (0, total);
        let mut options = DownloadOptions::default();
        options.keep_unwritten_bytes = true;
        options.verify = true;
        options.progress = FlashProgress::new(|event| match event {
            ProgressEvent::AddProgressBar {
                operation: ProgressOperation::Program,
                total: Some(size),
            } => packed = size.max(1),
            ProgressEvent::Progress { operation: ProgressOperation::Program, size, .. } => {
                done = packed.min(done + size);
                news(Progress { done: total * done / packed, total });
            }
            _ => {}
        });
        loader.commit(&mut self.session, options).map_err(trouble(what))
    }
}

fn open(name: &ProbeName) -> Result<Probe, String> {
    match name {
        ProbeName::Usb { id, serial } => {
            let wanted = DebugProbeSelector {
                vendor_id: id.vid,
                product_id: id.pid,
                interface: None,
                serial_number: serial.clone(),
            };
            Lister::new().open(wanted).map_err(|error| reason(&error))
        }
        ProbeName::Bitbang(address) => {
            Bitbang::connect(address).map(Probe::new).map_err(|error| error.to_string())
        }
    }
}

fn trouble<E: std::error::Error>(what: &'static str) -> impl FnOnce(E) -> JtagError {
    move |error| JtagError::Chip { what, reason: reason(&error) }
}

/// An error with what lies behind it.
fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
