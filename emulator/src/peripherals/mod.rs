//! The register blocks of the chip, one file each, and the contract that they keep.
//!
//! A peripheral is plain data: registers and time come in, register values, an interrupt level and
//! a next deadline come out. It knows neither the CPU nor its own address nor another peripheral.
//! Whatever else it does to the world (bytes on a line, a bus transaction, a reset request) it
//! keeps in a queue or a level that the wiring in `soc` drains after each access and each poll.
//!
//! Fidelity is part of the contract. A register is either *modelled*; or it is declared in
//! [`Peripheral::STORES`], then it keeps what was written and nothing follows from it; or it is
//! [`Unmodelled`], and the access is counted and reported with device, offset and program counter.

use crate::time::{Duration, Hertz, Instant};

pub mod aes;
pub mod analog;
pub mod apb_ctrl;
pub mod bluetooth;
pub mod dma;
pub mod dport;
pub mod efuse;
pub mod frc_timer;
pub mod gpio;
pub mod i2c;
pub mod i2s;
pub mod io_mux;
pub mod ledc;
pub mod pcnt;
pub mod reset;
pub mod rmt;
pub mod rng;
pub mod rsa;
pub mod rtc_cntl;
pub mod rtc_io;
pub mod sens;
pub mod sha;
pub mod slc;
pub mod spi;
pub mod storage;
#[cfg(test)]
pub(crate) mod sweep;
pub mod timer_group;
pub mod uart;
pub mod watchdog;
pub mod wdev;
pub mod wifi_mac;

/// Which core made an access. The manual calls them PRO_CPU and APP_CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoreId {
    /// PRO_CPU, core 0.
    Pro,
    /// APP_CPU, core 1.
    App,
}

impl CoreId {
    /// 0 for PRO_CPU, 1 for APP_CPU.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Size of a bus access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
}

impl Width {
    /// Bytes.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }
}

/// The clock tree as it stands: what RTC_CNTL, DPORT and APB_CTRL have selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// CPU_CLK of both cores.
    pub cpu: Hertz,
    /// APB_CLK: 80 MHz on the PLL, else CPU_CLK.
    pub apb: Hertz,
    /// The crystal, 40 or 26 MHz.
    pub xtal: Hertz,
    /// REF_TICK, 1 MHz by default.
    pub ref_tick: Hertz,
    /// RTC slow clock: 150 kHz RC, 32.768 kHz crystal, or 8.5 MHz / 256.
    pub rtc_slow: Hertz,
}

impl Default for Clocks {
    /// After reset: everything from a 40 MHz crystal.
    fn default() -> Self {
        let xtal = Hertz::mhz(40);
        Self { cpu: xtal, apb: xtal, xtal, ref_tick: Hertz::mhz(1), rtc_slow: Hertz::new(150_000) }
    }
}

/// Circumstances of a register access or a poll.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Device time. Never earlier than in the call before.
    pub now: Instant,
    /// The clock tree at `now`.
    pub clocks: Clocks,
    /// The accessing core; PRO for polls.
    pub core: CoreId,
    /// Width of the access; the offset is already aligned down to a word, `lane` says which bytes.
    pub width: Width,
}

impl Context {
    /// A word access by PRO_CPU at `now`: for polls, and for tests of a peripheral on its own.
    pub fn at(now: Instant, clocks: Clocks) -> Self {
        Self { now, clocks, core: CoreId::Pro, width: Width::Word }
    }

    /// The instant `after` from now.
    pub fn after(&self, after: Duration) -> Instant {
        self.now + after
    }
}

/// The device has no model of this register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmodelled;

/// Registers `first..=last` (byte offsets, whole words) that only keep what was written.
#[derive(Debug, Clone, Copy)]
pub struct Stores {
    /// First offset.
    pub first: u32,
    /// Last offset, inclusive.
    pub last: u32,
    /// Value after reset.
    pub reset: u32,
}

/// Shorthand for a range of storage registers that reset to zero.
pub const fn stores(first: u32, last: u32) -> Stores {
    Stores { first, last, reset: 0 }
}

/// What a [`Peripheral::poke`] has done besides what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poked {
    /// Nothing.
    Quietly,
    /// The device's deadline has moved away, or may have.
    Later,
}

/// A memory-mapped device.
///
/// The wiring calls `poll` when `poll_at` is due and before each `read` and `write`, asks `irq` and
/// `poll_at` after each of these and each poll, and only then; a device need not notify anybody. `peek` and
/// `poke` are accesses that need none of that.
pub trait Peripheral {
    /// The manual's name of the block.
    const NAME: &'static str;

    /// Registers that only keep what was written. The wiring stores them; `read` and `write` need
    /// not know them (they are asked first and answer [`Unmodelled`]).
    const STORES: &'static [Stores] = &[];

    /// Register read, with the side effects of the chip. `offset` is a multiple of four.
    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled>;

    /// What `read` of `offset` gives at `now`, if that has no side effect and nothing is due in the
    /// device: it need not be polled before, nor asked for its deadline and its interrupts after. For
    /// registers that firmware reads again and again; a device may always answer `None`.
    fn peek(&self, _offset: u32, _now: Instant) -> Option<u32> {
        None
    }

    /// Register write. `offset` is a multiple of four; narrow writes arrive merged to a word.
    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled>;

    /// Does what `write` would do if nothing is due in the device, its deadline comes no nearer, and neither
    /// interrupts nor anything outside of it change: as for `peek`. Does nothing and says `None` otherwise.
    fn poke(&mut self, _offset: u32, _value: u32, _cx: &Context) -> Option<Poked> {
        None
    }

    /// Does the work that is due at `cx.now`. Extra calls change nothing.
    fn poll(&mut self, _cx: &Context) {}

    /// When the device next changes by itself; `None`: only when accessed.
    fn poll_at(&self) -> Option<Instant> {
        None
    }

    /// Interrupt lines asserted at this moment, one bit each, numbered by the device's docs.
    /// A level, never an event; it changes only in `read`, `write`, `poll` and `reset`.
    fn irq(&self) -> u32 {
        0
    }

    /// The clock tree has changed to `cx.clocks` at `cx.now`; counters that run from it are
    /// carried over.
    fn clocks_changed(&mut self, _cx: &Context) {}

    /// Reset of the device's own domain.
    fn reset(&mut self, cx: &Context);
}
