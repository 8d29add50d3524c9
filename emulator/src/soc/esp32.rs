//! The ESP32: two cores, their memory system, and who runs how long.
//!
//! # The loop
//!
//! Both cores have always reached the same cycle when devices are polled. A *slice* begins there:
//! the next deadline of any device is its horizon. While both cores execute, a slice is at most
//! [`QUANTUM`] cycles, on a fixed grid, and the cores take turns in it; while one of them waits for
//! an interrupt, the other runs up to the horizon in one go. Slices end early when an access
//! changes what the other core or a device would do. All of this depends on guest state alone, so
//! a run is a function of image, inputs and seed.
//!
//! Source: Technical Reference Manual, "Reset and Clock" for reset causes and what they reach.

use std::hash::Hasher;
use std::sync::Arc;

use rustc_hash::FxHasher;

use super::access_log::Access;
use super::bus::System;
use super::clock::clock_tree;
use super::debugger::{Debugger, Held, Place};
use super::devices::{DeviceConfig, Devices, Id};
use super::guest_port::GuestPort;
use super::jtag::Jtag;
use super::lockstep::{Parting, Witness};
use super::signals::Edge;
use crate::board::parts::Shown;
use crate::board::parts::ft6206::Finger;
use crate::board::parts::nor_flash::NorFlash;
use crate::board::parts::psram::Psram;
use crate::board::{Fitting, Missing};
use crate::cpu::code::{CodeCache, MAX_BLOCK};
use crate::cpu::exceptions::Cause;
use crate::cpu::{Compiling, Cpu, Stop};
use crate::peripherals::efuse::EfuseConfig;
use crate::peripherals::gpio::{PinState, STRAPS};
use crate::peripherals::rtc_cntl::{
    ResetCause, ResetKind, RtcRequest, SleepKind, WakeCause, memory_crc,
};
use crate::peripherals::rtc_io::RtcPad;
use crate::peripherals::uart::{Symbol, Uart};
use crate::peripherals::watchdog::WatchdogAction;
use crate::peripherals::wifi_mac::{BrokenList, Outcome, Reception, Transmission};
use crate::peripherals::{Clocks, CoreId};
use crate::rom::boot::{Boot, Progress, RomVersion};
use crate::rom::call::After;
use crate::rom::image::RomImage;
use crate::rom::table;
use crate::time::{Hertz, Instant};

/// Cycles that the cores run in turn while both execute.
const QUANTUM: u64 = 64;
/// Runs of a block that make up for compiling it, and for the room that its code takes in the host's
/// caches: measured with boots, WiFi and loops at a prompt.
pub const COMPILE_AFTER: u32 = 500;
/// Most cycles of a native ROM function without a look at the world.
const PIECE: u64 = 1024;

/// Where the mask ROM comes from.
#[derive(Debug, Clone, Default)]
pub enum RomChoice {
    /// Our own: the functions that firmware calls, provided natively.
    #[default]
    Native,
    /// A real ROM image, as PRO_CPU and as APP_CPU sees it.
    Image([Vec<u8>; 2]),
}

/// What a chip is made of.
#[derive(Debug, Clone)]
pub struct ChipConfig {
    /// Factory settings.
    pub efuse: EfuseConfig,
    /// The crystal, 40 or 26 MHz.
    pub xtal: Hertz,
    /// Seed of the random number generator.
    pub seed: u64,
    /// The mask ROM.
    pub rom: RomChoice,
    /// Most instructions in a block of pre-decoded code, 1 to 64. Changes nothing but speed.
    pub max_block: usize,
    /// Pass over the repetitions of loops that only poll memory. Changes nothing but speed.
    pub skip_polling_loops: bool,
    /// How often a block is interpreted before it is compiled to host code, on hosts that there is
    /// an emitter for; `None`: never. Changes nothing but speed.
    pub compile_after: Option<u32>,
}

impl Default for ChipConfig {
    fn default() -> Self {
        Self {
            efuse: EfuseConfig::default(),
            xtal: Hertz::mhz(40),
            seed: 1,
            rom: RomChoice::default(),
            max_block: MAX_BLOCK,
            skip_polling_loops: true,
            compile_after: Some(COMPILE_AFTER),
        }
    }
}

/// Why the chip cannot go on: a gap in the model that must not be passed over silently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// Control reached a ROM address that nothing is provided for.
    UnprovidedRom {
        /// The core.
        core: usize,
        /// The address.
        pc: u32,
        /// Return address of the call.
        caller: u32,
    },
    /// The chip does not do what it did in another run ([`Esp32::set_witness`]).
    Parted(Parting),
}

/// Why [`Esp32::run_until`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// The instant asked for is reached.
    Deadline,
    /// A UART has output to take, or an observed pin has changed.
    Output,
    /// The radio sends, or listens to another channel, or the instant of [`Esp32::set_air_due`] has
    /// come.
    Air,
    /// The flash chip has reached the operation at which power was to be cut.
    PowerCut,
    /// The host's debugger holds the chip; nothing happens until [`Esp32::go_on`].
    Held(Held),
    /// The chip cannot go on.
    Halted(Halt),
}

/// A slice that has begun.
#[derive(Debug, Clone, Copy)]
struct Slice {
    /// The cycle that both cores go to.
    end: u64,
    /// Cores that have clock and power.
    running: [bool; 2],
    /// Both execute, and take turns.
    both: bool,
    /// Whose turn it is, and was.
    order: [usize; 2],
    turn: usize,
}

/// The chip with its flash. A clone is a snapshot.
#[derive(Debug, Clone)]
pub struct Esp32 {
    pub(super) cpus: [Cpu; 2],
    pub(super) code: CodeCache,
    pub(super) system: System,
    /// Our own ROM, unless a real one is used.
    rom: Option<Arc<RomImage>>,
    /// Where its boot stands, and how it begins.
    boot: Boot,
    fresh_boot: Boot,
    xtal: Hertz,
    /// Cycle that both cores have reached.
    cycle: u64,
    /// Levels of the strapping pads where the outside does nothing to them.
    straps: u16,
    sleeping: Option<SleepKind>,
    halted: Option<Halt>,
    /// Firmware has called the Bluetooth controller's software, of which our ROM has none.
    bluetooth_called: bool,
    hash: EventHash,
    pub(super) debugger: Debugger,
    pub(super) jtag: Jtag,
    /// The slice in which the debugger holds the chip.
    interrupted: Option<Slice>,
    /// Compares this run with another.
    witness: Option<Witness>,
    /// Of the symbols that each UART has sent: apart, for the host is free in which order it asks.
    output_hash: [EventHash; 3],
}

impl Esp32 {
    /// A chip without power; [`Esp32::power_on`] starts it.
    pub fn new(config: &ChipConfig, flash: NorFlash, psram: Option<Psram>) -> Self {
        let devices =
            Devices::new(&DeviceConfig { efuse: config.efuse.clone(), seed: config.seed });
        let clocks =
            Clocks { cpu: config.xtal, apb: config.xtal, xtal: config.xtal, ..Clocks::default() };
        let native = match config.rom {
            RomChoice::Native => Some(Arc::new(RomImage::new())),
            RomChoice::Image(_) => None,
        };
        let rom = match (&native, &config.rom) {
            (Some(rom), _) => [rom.bytes(), rom.bytes()],
            (None, RomChoice::Image([pro, app])) => [&pro[..], &app[..]],
            (None, RomChoice::Native) => [&[][..], &[][..]],
        };
        let version = match config.efuse.revision.major() {
            3.. => RomVersion::Jul2019,
            _ => RomVersion::Jun2016,
        };
        let boot = Boot::new(version, (config.xtal.hz() / 1_000_000) as u32);
        Self {
            cpus: [0, 1].map(|n| {
                let mut cpu = Cpu::new(n);
                cpu.skip_polling_loops = config.skip_polling_loops;
                cpu
            }),
            code: CodeCache::new(2, config.max_block, config.compile_after),
            system: System::new(rom, devices, flash, psram, clocks),
            rom: native,
            fresh_boot: boot.clone(),
            boot,
            xtal: config.xtal,
            cycle: 0,
            straps: 0,
            sleeping: None,
            halted: None,
            bluetooth_called: false,
            hash: EventHash::default(),
            debugger: Debugger::default(),
            jtag: Jtag::default(),
            interrupted: None,
            witness: None,
            output_hash: [EventHash::default(); 3],
        }
    }

    /// Device time.
    pub fn now(&self) -> Instant {
        self.system.now()
    }

    /// A core, for debuggers and reports.
    pub fn cpu(&self, core: CoreId) -> &Cpu {
        &self.cpus[core.index()]
    }

    /// Instructions that the host has executed for both cores, for figures of speed.
    pub fn instructions(&self) -> u64 {
        self.cpus.iter().map(Cpu::executed).sum()
    }

    /// What compiling to host code has cost; `None` if nothing ever is, because that is not wanted or the
    /// host is of another kind.
    pub fn compiling(&self) -> Option<Compiling> {
        self.code.compiling()
    }

    /// Lends the chip a clock of the host, time since whenever, for [`Compiling::time`] and nothing else.
    pub fn set_clock(&mut self, clock: fn() -> std::time::Duration) {
        self.code.set_clock(clock);
    }

    /// What the GPIO matrix drives on a pad.
    pub fn pin(&self, gpio: u8) -> PinState {
        self.system.devices.gpio.output(gpio)
    }

    /// The level of a pad, whoever drives it.
    pub fn pin_level(&self, gpio: u8) -> bool {
        self.system.devices.gpio.pad_level(gpio)
    }

    /// A person forces a level on a pad, or lets go of it.
    pub fn drive_pin(&mut self, gpio: u8, level: Option<bool>) {
        self.system.drive(gpio, level);
    }

    /// What the outside, a person or a part, drives a pad to, if to anything.
    pub fn outside(&self, gpio: u8) -> Option<bool> {
        self.system.outside.get(usize::from(gpio)).copied().flatten()
    }

    /// Wires a part to pads.
    pub fn fit(&mut self, fitting: Fitting) {
        self.system.fit(fitting);
    }

    /// Moves a control of a part.
    ///
    /// # Errors
    /// When there is no such part, or it has no such control.
    pub fn set_control(&mut self, part: &str, control: &str, value: f64) -> Result<(), Missing> {
        let now = self.system.now();
        let pads = self.system.fittings.set_control(part, control, value, now)?;
        self.system.outside_changed(pads);
        Ok(())
    }

    /// A finger does something on the touch screen of a part.
    ///
    /// # Errors
    /// When there is no such part, it has no touch screen, or the place is beside it.
    pub fn touch(&mut self, part: &str, finger: Finger) -> Result<(), Missing> {
        self.system.fittings.touch(part, finger, self.system.now())
    }

    /// What can be seen of a part.
    ///
    /// # Errors
    /// When there is no such part, or nothing of that name to be seen of it.
    pub fn shown(&self, part: &str, what: &str) -> Result<Shown, Missing> {
        self.system.fittings.shown(part, what, self.system.now())
    }

    /// The parts at the pads lose their power.
    pub fn power_off_parts(&mut self) {
        self.system.fittings.power_off(self.system.now());
        self.system.outside_changed(self.system.fittings.pads());
    }

    /// From now on changes of a pad's level are kept for [`Esp32::take_edges`].
    pub fn observe_pin(&mut self, gpio: u8) {
        self.system.observe(gpio);
    }

    /// Changes of observed pads since the last call, in order of time.
    pub fn take_edges(&mut self) -> Vec<Edge> {
        std::mem::take(&mut self.system.edges)
    }

    /// The supply falls below the threshold of the brown-out detector, or recovers.
    pub fn set_supply_low(&mut self, low: bool) {
        self.system.devices.rtc_cntl.set_supply_low(low);
        self.system.devices.refresh(Id::RtcCntl);
        self.system.requests = true;
        self.system.update_lines();
    }

    /// Connects the pads of two GPIOs outside of the chip: each takes the level that the chip
    /// drives on the other.
    pub fn wire(&mut self, a: u8, b: u8) {
        self.system.wire(a, b);
    }

    /// Lets device time pass without power.
    pub fn pass_time(&mut self, until: Instant) {
        self.system.advance(until);
        self.system.clock.pause(self.cycle, self.system.now());
        self.system.move_parts();
    }

    /// Copies memory as `core` sees it at `address`, without side effects; how many bytes of it
    /// there were. Registers are no memory.
    pub fn read_memory(&self, core: CoreId, address: u32, out: &mut [u8]) -> usize {
        let mut copied = 0;
        while copied < out.len() {
            let at = address.wrapping_add(copied as u32);
            match self.system.read_memory(core.index(), at, &mut out[copied..]) {
                0 => break,
                n => copied += n,
            }
        }
        copied
    }

    /// The flash chip.
    pub fn flash(&self) -> &NorFlash {
        &self.system.flash
    }

    /// The flash chip, for the host to change while the chip is off or held in reset: code that
    /// comes from it is dropped.
    pub fn flash_mut(&mut self) -> &mut NorFlash {
        self.code.clear();
        self.system.forget_constants();
        &mut self.system.flash
    }

    /// The strapping word that a full reset latches where the outside does nothing to those pads.
    pub fn set_straps(&mut self, straps: u16) {
        self.straps = straps;
    }

    /// The strapping word that is on the pads.
    fn straps(&self) -> u16 {
        STRAPS.iter().enumerate().fold(self.straps, |word, (bit, &gpio)| match self.outside(gpio) {
            Some(true) => word | 1 << bit,
            Some(false) => word & !(1 << bit),
            None => word,
        })
    }

    /// Takes the power away: everything volatile is lost.
    pub fn power_off(&mut self) {
        self.abandon_slice();
        self.jtag = Jtag::default();
        for (module, cpu) in self.system.debug_modules.iter_mut().zip(&mut self.cpus) {
            module.power_off(cpu);
        }
        self.system.memory.power_off();
        self.system.flash.power_cycle(self.system.now());
        if let Some(psram) = &mut self.system.psram {
            psram.power_cycle();
        }
        self.code.clear();
        self.halted = None;
        // A chip without power drives nothing.
        let cx = self.system.context();
        for id in [Id::Gpio, Id::IoMux, Id::RtcIo] {
            self.system.devices.reset(id, &cx);
            self.system.serve_pads(id, &cx);
        }
    }

    /// Power comes, or the EN pin is released.
    pub fn power_on(&mut self) {
        self.power_off();
        self.reset(ResetCause::PowerOn);
    }

    /// What firmware touched that is not fully modelled.
    pub fn accesses(&self) -> Vec<Access> {
        self.system.devices.accesses()
    }

    /// Whether firmware has called the Bluetooth controller in our own ROM: it never hears anything.
    pub fn bluetooth_called(&self) -> bool {
        self.bluetooth_called
    }

    /// Hash of all events so far: exceptions and interrupts taken, symbols sent and taken by
    /// [`Esp32::take_output`], resets and wake-ups, with their times. Equal runs have equal hashes.
    pub fn event_hash(&self) -> u64 {
        let mut hash = self.hash;
        for part in self.cpus.iter().map(Cpu::event_hash) {
            hash.mix(part);
        }
        for part in self.output_hash {
            hash.mix(part.0);
        }
        hash.0
    }

    /// From now on the chip is compared, slice by slice, with the same one of another run.
    pub fn set_witness(&mut self, witness: Witness) {
        self.witness = Some(witness);
    }

    /// Tells the witness that a slice is over.
    fn bear_witness(&mut self) {
        let Some(mut witness) = self.witness.take() else { return };
        let mut hasher = FxHasher::default();
        self.cpus.iter().for_each(|cpu| cpu.digest(&mut hasher));
        if witness.looks_at_memory(self.cycle) {
            self.system.memory.digest(&mut hasher);
        }
        let state = || {
            let [pro, app] = &self.cpus;
            format!("PRO_CPU:\n{}\nAPP_CPU:\n{}", pro.registers(), app.registers())
        };
        if let Some(parting) = witness.slice(self.cycle, hasher.finish(), state) {
            self.halted = Some(Halt::Parted(parting));
        }
        self.witness = Some(witness);
    }

    /// Forgets all pre-decoded code; it is decoded again when it is reached. Changes nothing but
    /// speed.
    pub fn drop_decoded_code(&mut self) {
        self.code.clear();
    }

    fn uart_mut(&mut self, port: usize) -> Option<(&mut Uart, Id)> {
        let devices = &mut self.system.devices;
        match port {
            0 => Some((&mut devices.uart0, Id::Uart0)),
            1 => Some((&mut devices.uart1, Id::Uart1)),
            2 => Some((&mut devices.uart2, Id::Uart2)),
            _ => None,
        }
    }

    /// The oldest symbol that UART `port` (0 to 2) has sent and nobody has taken.
    pub fn take_output(&mut self, port: usize) -> Option<(Instant, Symbol)> {
        let (at, symbol) = self.uart_mut(port)?.0.take_output()?;
        let value = match symbol {
            Symbol::Byte(byte) => u32::from(byte),
            Symbol::Break => 1 << 8,
        };
        self.output_hash[port].add(at, port as u32, value);
        Some((at, symbol))
    }

    /// Puts a symbol on the receive line of UART `port`, behind those still under way.
    pub fn receive(&mut self, port: usize, symbol: Symbol) {
        let cx = self.system.context();
        let now = cx.now;
        let Some((_, id)) = self.uart_mut(port) else { return };
        self.system.devices.poll(id, &cx);
        if let Some((uart, _)) = self.uart_mut(port) {
            uart.receive(symbol, now);
        }
        self.system.devices.refresh(id);
        let wake = [WakeCause::Uart0, WakeCause::Uart1];
        if let Some(&cause) = wake.get(port).filter(|_| self.sleeping.is_some()) {
            self.system.devices.rtc_cntl.wake(cause, now);
            self.system.requests = true;
        }
        self.system.update_lines();
    }

    /// The speed that UART `port` is set to, in bits per second; 0 if there is no such port.
    pub fn baud(&self, port: usize) -> u32 {
        let devices = &self.system.devices;
        let uart = [&devices.uart0, &devices.uart1, &devices.uart2].get(port).copied();
        uart.map_or(0, |uart| uart.baud().try_into().unwrap_or(u32::MAX))
    }

    /// Symbols given to [`Esp32::receive`] that have not arrived yet.
    pub fn pending_input(&mut self, port: usize) -> usize {
        self.at_present(port).map_or(0, |uart| uart.pending())
    }

    /// Whether a frame is on some serial line, in either direction, or the flash chip works.
    pub fn is_transferring(&mut self) -> bool {
        let on_a_line = |uart: &mut Uart| uart.pending() > 0 || uart.transmitting();
        (0..3).any(|port| self.at_present(port).is_some_and(on_a_line))
            || self.system.flash.is_busy(self.system.now())
    }

    /// A UART brought up to the present: one that no firmware attends to is not polled otherwise.
    fn at_present(&mut self, port: usize) -> Option<&mut Uart> {
        let cx = self.system.context();
        let (_, id) = self.uart_mut(port)?;
        self.system.devices.poll(id, &cx);
        self.system.devices.refresh(id);
        self.system.update_lines();
        Some(self.uart_mut(port)?.0)
    }

    /// What the radio sends: the oldest frame that nobody has taken.
    pub fn take_transmission(&mut self) -> Option<Transmission> {
        self.system.devices.wifi_mac.take_transmission()
    }

    /// A list of descriptors that the radio could not follow: the oldest that nobody has heard of.
    pub fn take_broken_list(&mut self) -> Option<BrokenList> {
        self.system.devices.wifi_mac.take_broken_list()
    }

    /// The channel that the radio is tuned to, 1 to 14; `None` while it is tuned to none.
    pub fn channel(&self) -> Option<u8> {
        self.system.channel()
    }

    /// What comes of a frame that the radio sends.
    pub fn finish_transmission(&mut self, transmission: &Transmission, outcome: Outcome) {
        self.system.devices.wifi_mac.finish(transmission, outcome);
        self.system.devices.refresh(Id::WifiMac);
    }

    /// The same while the receiver is on.
    pub fn listens_to(&self) -> Option<u8> {
        self.system.listens_to()
    }

    /// Whether the radio acknowledges a frame that it has just received.
    pub fn acknowledges(&self, frame: &[u8]) -> bool {
        self.system.devices.wifi_mac.acknowledges(frame)
    }

    /// The first instant at which a core may do something, if nobody outside acts: the present, unless
    /// both wait or sleep.
    pub fn quiet_until(&self) -> Instant {
        if self.halted.is_some() {
            return Instant::MAX;
        }
        if self.interrupted.is_some() {
            return self.now();
        }
        let mut first = self.next_deadline();
        for (core, cpu) in [CoreId::Pro, CoreId::App].into_iter().zip(&self.cpus) {
            if self.sleeping.is_some() || !self.runs(core) {
                continue;
            }
            if !cpu.is_idle() {
                return self.now();
            }
            if cpu.wakes_at() != u64::MAX {
                first = first.min(self.system.clock.instant(cpu.wakes_at()));
            }
        }
        first
    }

    /// Nobody hears what the radio sends.
    pub fn leave_unanswered(&mut self) {
        while let Some(transmission) = self.take_transmission() {
            self.finish_transmission(&transmission, Outcome::Unanswered);
        }
        while self.take_broken_list().is_some() {}
        self.set_air_due(Instant::MAX);
    }

    /// A frame on the radio's channel is on its way to the antenna.
    pub fn expect_frame(&mut self, reception: Reception) {
        self.system.devices.wifi_mac.expect(reception);
        self.system.devices.refresh(Id::WifiMac);
    }

    /// When [`Esp32::run_until`] comes back with [`Stopped::Air`], if the radio sends nothing.
    pub fn set_air_due(&mut self, due: Instant) {
        self.system.air_due = due;
    }

    /// Lets device time pass up to `deadline`; comes back earlier when there is something to see.
    pub fn run_until(&mut self, deadline: Instant) -> Stopped {
        loop {
            if let Some(halt) = &self.halted {
                return Stopped::Halted(halt.clone());
            }
            if let Some(held) = self.debugger.held() {
                return Stopped::Held(held);
            }
            if let Some(slice) = self.interrupted.take() {
                self.carry_on(slice);
                continue;
            }
            if self.system.flash.power_cut_reached() {
                return Stopped::PowerCut;
            }
            self.system.poll_due();
            self.attend();
            if self.system.air_due <= self.system.now() {
                return Stopped::Air;
            }
            if self.collect_output() {
                return Stopped::Output;
            }
            if self.system.now() >= deadline {
                return Stopped::Deadline;
            }
            self.slice(deadline);
        }
    }

    /// True when some UART has output that was not there at the last look, or a pin has changed.
    fn collect_output(&mut self) -> bool {
        let devices = &self.system.devices;
        !self.system.edges.is_empty()
            || devices.uart0.has_output()
            || devices.uart1.has_output()
            || devices.uart2.has_output()
    }

    /// Runs both cores from `self.cycle` to a common later cycle.
    fn slice(&mut self, deadline: Instant) {
        let horizon = self.system.next_deadline();
        let running = [self.runs(CoreId::Pro), self.runs(CoreId::App)];
        let active = [0, 1].map(|n| running[n] && !self.cpus[n].is_idle());
        let end = if self.sleeping.is_some() {
            return self.sleep(horizon.min(deadline));
        } else if active == [true, true] {
            let grid = (self.cycle / QUANTUM + 1) * QUANTUM;
            grid.min(self.system.clock.cycle_at(horizon))
        } else {
            let wakes = |n: usize| {
                if running[n] && !active[n] { self.cpus[n].wakes_at() } else { u64::MAX }
            };
            self.system.clock.cycle_at(horizon.min(deadline)).min(wakes(0)).min(wakes(1))
        };
        // Time passes even when a deadline rounds to the present cycle.
        let end = end.max(self.cycle + 1);
        // A deadline within the last cycle is no nearer than the one that the slice ends for.
        self.system.slice_end = self.system.clock.instant(end).min(horizon);
        // A waiting core only lets time pass, so it must know how far the other one came.
        let order = if active[0] || !active[1] { [0, 1] } else { [1, 0] };
        let both = active == [true, true];
        self.carry_on(Slice { end, running, both, order, turn: 0 });
    }

    /// Runs what is left of a slice.
    fn carry_on(&mut self, mut slice: Slice) {
        while let Some(&core) = slice.order.get(slice.turn) {
            if slice.running[core] {
                // Nobody can go back to before what the first core has done.
                let shortest = if slice.turn == 0 { self.cycle } else { slice.end };
                slice.end = self.run_core(core, slice.end, shortest, slice.both);
            }
            if self.halted.is_some() {
                return;
            }
            if self.debugger.held().is_some() {
                self.interrupted = Some(slice);
                return;
            }
            slice.turn += 1;
        }
        self.end_slice(slice.end);
    }

    fn end_slice(&mut self, end: u64) {
        for cpu in &mut self.cpus {
            cpu.idle_until(end);
        }
        self.cycle = end;
        self.system.advance(self.system.clock.instant(self.cycle));
        self.bear_witness();
    }

    /// The power goes while the debugger holds the chip: both cores meet where one has come to.
    fn abandon_slice(&mut self) {
        if self.interrupted.take().is_some() {
            let end = self.cpus.iter().map(|cpu| cpu.cycle).max().unwrap_or(self.cycle);
            self.end_slice(end);
        }
    }

    /// Runs one core up to `end`, or to where an access makes an earlier end necessary, but not
    /// before `shortest`. The end that was reached.
    fn run_core(&mut self, core: usize, mut end: u64, shortest: u64, both: bool) -> u64 {
        let id = if core == 0 { CoreId::Pro } else { CoreId::App };
        while self.cpus[core].cycle < end && self.halted.is_none() {
            let cpu = &mut self.cpus[core];
            let step = self.debugger.steps(id).then(|| Place::of(cpu));
            let until = if step.is_some() && !cpu.is_idle() { cpu.cycle + 1 } else { end };
            let stop = cpu.run(&mut self.system, &mut self.code, until);
            match stop {
                Stop::Budget | Stop::Resync | Stop::Breakpoint => {}
                Stop::HostCall => {
                    let piece = self.piece_end(core, if both { end } else { u64::MAX });
                    self.host_call(core, piece, end);
                }
                Stop::Illegal if self.break_at(id).is_some() => {}
                Stop::Illegal => self.illegal(core, end),
            }
            if stop == Stop::Resync || self.system.wants_attention() {
                let here = self.cpus[core].cycle;
                if !both {
                    // What wakes the waiting core up must not happen in its past.
                    self.cpus[1 - core].idle_until(here);
                }
                self.attend();
                // The other core may be awake now, or a deadline nearer.
                let next = if both {
                    self.system.clock.cycle_at(self.system.next_deadline())
                } else {
                    here
                };
                end = end.min(next.max(here)).max(shortest);
                if !self.runs(id) {
                    break;
                }
            }
            let moved = step.is_some_and(|before| before != Place::of(&self.cpus[core]));
            if self.hold_after(id, stop, moved) {
                break;
            }
        }
        end
    }

    /// The whole chip sleeps.
    pub(super) fn is_sleeping(&self) -> bool {
        self.sleeping.is_some()
    }

    /// When a device next has something to do.
    pub(super) fn next_deadline(&self) -> Instant {
        self.system.next_deadline()
    }

    pub(super) fn runs(&self, core: CoreId) -> bool {
        let devices = &self.system.devices;
        let released = core == CoreId::Pro || devices.dport.app_cpu_runs();
        released
            && !devices.rtc_cntl.stalled(core)
            && !self.system.debug_modules[core.index()].holds_core()
    }

    /// Whether a core is between two instructions of its own, in a chip that is awake.
    pub(super) fn executes(&self, core: CoreId) -> bool {
        let chip = self.sleeping.is_none() && self.halted.is_none() && self.interrupted.is_none();
        chip && self.runs(core)
    }

    /// Until when a native function may go on in one piece. No deadline of the host counts: where a
    /// function is cut must follow from the state of the guest and of what is wired to it alone.
    fn piece_end(&self, core: usize, slice: u64) -> u64 {
        let other = [CoreId::App, CoreId::Pro][core];
        let wakes = if self.runs(other) { self.cpus[1 - core].wakes_at() } else { u64::MAX };
        let cpu = &self.cpus[core];
        let events = if slice == u64::MAX {
            let due = self.system.devices.next_deadline().min(self.system.fittings.due());
            self.system.clock.cycle_at(due).min(wakes)
        } else {
            slice
        };
        let grid = (cpu.cycle / PIECE + 1) * PIECE;
        events.min(cpu.wakes_at()).min(grid).max(cpu.cycle + 1)
    }

    /// SIMCALL at the PC of `core`: one of our own ROM's functions, for which time is until `piece`,
    /// or else nothing, as on silicon.
    fn host_call(&mut self, core: usize, piece: u64, end: u64) {
        let cpu = &mut self.cpus[core];
        let planted = self.rom.as_ref().and_then(|rom| rom.planted(cpu.pc)).copied();
        let Some(planted) = planted else {
            cpu.pc = cpu.pc.wrapping_add(3);
            return cpu.charge(1, end);
        };
        self.bluetooth_called |= table::is_bluetooth(planted.address);
        let mut port = GuestPort { cpu, system: &mut self.system, end: piece, charged: 0 };
        let after = match planted.run(&mut port) {
            Some(after) => after,
            None => match self.boot.run(&mut port) {
                Progress::Again => After::Again,
                Progress::Fault(fault) => After::Fault(fault),
                Progress::Enter(state) => {
                    port.cpu.set_ps(state.ps);
                    port.cpu.set_window(state.window_base, state.window_start);
                    port.cpu.set_ar(0, state.a0);
                    port.cpu.set_ar(1, state.a1);
                    port.cpu.set_ar(8, state.a8);
                    After::Continue(state.pc)
                }
            },
        };
        let charged = port.charged.max(1);
        let cpu = &mut self.cpus[core];
        match after {
            After::Continue(pc) => cpu.pc = pc,
            After::Again => {}
            After::WindowOverflow(_) => cpu.overflow_at_pc(),
            After::Fault(fault) => cpu.fault(fault),
        }
        cpu.charge(charged, end);
    }

    /// An illegal instruction at the PC of `core`: an exception, unless it is our ROM that lacks
    /// something there.
    fn illegal(&mut self, core: usize, end: u64) {
        let cpu = &mut self.cpus[core];
        if self.rom.is_some() && System::is_rom(cpu.pc) {
            let caller = cpu.a[4 * (cpu.ps() >> 16 & 3) as usize];
            self.halted = Some(Halt::UnprovidedRom {
                core,
                pc: cpu.pc,
                caller: cpu.pc & 0xc000_0000 | caller & 0x3fff_ffff,
            });
            return;
        }
        cpu.charge(1, end);
        cpu.raise_at_pc(Cause::IllegalInstruction);
    }

    /// Acts on what devices have asked for.
    pub(super) fn attend(&mut self) {
        let system = &mut self.system;
        let last_access = self.cpus.each_mut().map(Cpu::take_last_access);
        if system.devices.log.wants_pc() {
            system.devices.log.attribute(last_access.into_iter().flatten().next().unwrap_or(0));
        }
        for (physical, length) in system.dirty.drain(..) {
            self.code.invalidate(physical, length);
        }
        for core in 0..2 {
            if std::mem::take(&mut system.remapped[core]) {
                self.code.forget_jumps(core);
            }
        }
        system.nearer_deadline = false;
        if std::mem::take(&mut system.requests) {
            self.answer_requests();
        }
        if std::mem::take(&mut self.system.lines_changed) {
            for (cpu, lines) in self.cpus.iter_mut().zip(self.system.lines) {
                cpu.set_external_lines(lines);
            }
        }
    }

    fn answer_requests(&mut self) {
        self.update_clocks();
        self.follow_touch_timer();
        self.system.devices.dport.take_control_changed();
        if self.system.devices.dport.take_app_cpu_reset() {
            self.reset_core(CoreId::App, ResetCause::AppByPro);
        }
        while let Some(request) = self.system.devices.rtc_cntl.take_request() {
            match request {
                RtcRequest::Reset(cause) => return self.reset(cause),
                RtcRequest::CpuReset(core, cause) => self.reset_core(core, cause),
                RtcRequest::Sleep(kind) => self.fall_asleep(kind),
                RtcRequest::Wake(kind, cause) => self.wake(kind, cause),
                RtcRequest::MemoryCrc { first, words } => {
                    let bytes = self.system.memory.rtc_fast();
                    let (chunks, _) = bytes.as_chunks::<4>();
                    let words = chunks.iter().skip(first as usize).take(words as usize);
                    let crc = memory_crc(words.map(|word| u32::from_le_bytes(*word)));
                    self.system.devices.rtc_cntl.finish_memory_crc(crc);
                }
                RtcRequest::ClocksChanged => self.update_clocks(),
                RtcRequest::StallChanged => {}
            }
        }
        // The watchdog of group 0 guards PRO_CPU, that of group 1 APP_CPU; a system reset is both's.
        for (core, cause) in
            [(CoreId::Pro, ResetCause::Timg0Watchdog), (CoreId::App, ResetCause::Timg1Watchdog)]
        {
            let devices = &mut self.system.devices;
            let timers = match core {
                CoreId::Pro => &mut devices.timg0,
                CoreId::App => &mut devices.timg1,
            };
            match timers.take_reset() {
                Some(WatchdogAction::CpuReset) => {
                    self.reset_core(core, ResetCause::TimgWatchdogCpu);
                }
                Some(_) => return self.reset(cause),
                None => {}
            }
        }
    }

    /// Ends the sleep that has just begun if a pad already is as firmware waits for it.
    fn wake_by_pads(&mut self, kind: SleepKind) {
        let pads = self.system.rtc_pads();
        let now = self.system.now();
        let devices = &mut self.system.devices;
        let ext0 = devices.rtc_io.ext0_pad().map_or(0, RtcPad::number);
        devices.rtc_cntl.pads_changed(pads, ext0.into(), now);
        if kind == SleepKind::Light && devices.gpio.wakes() {
            devices.rtc_cntl.wake(WakeCause::Gpio, now);
        }
        devices.refresh(Id::RtcCntl);
    }

    /// The touch pads measure themselves when RTC_CNTL says so.
    fn follow_touch_timer(&mut self) {
        let cx = self.system.context();
        let devices = &mut self.system.devices;
        devices.sens.set_touch_timer(devices.rtc_cntl.touch_timer(), &cx);
        devices.refresh(Id::Sens);
    }

    fn update_clocks(&mut self) {
        let devices = &self.system.devices;
        let (rtc, dport) = (&devices.rtc_cntl, &devices.dport);
        let source = rtc.soc_clk();
        let mut clocks = clock_tree(
            source,
            dport.cpu_period_sel(),
            devices.apb_ctrl.divided(self.xtal),
            devices.apb_ctrl.divided(rtc.rc8m()),
        );
        clocks.xtal = self.xtal;
        clocks.rtc_slow = rtc.slow_frequency();
        clocks.ref_tick = devices.apb_ctrl.ref_tick(source, clocks.apb);
        self.system.devices.apb_ctrl.take_clocks_changed();
        if clocks != self.system.clocks {
            let cycle = self.system.clock.cycle_at(self.system.now());
            self.system.clock.change(clocks.cpu, cycle);
            let before = std::mem::replace(&mut self.system.clocks, clocks);
            let cx = self.system.context();
            self.system.devices.clocks_changed(before, &cx);
            self.system.update_lines();
        }
    }

    /// Resets the chip as far as the cause reaches.
    fn reset(&mut self, cause: ResetCause) {
        self.hash.add(self.system.now(), 1, cause.code());
        let kind = cause.kind();
        if kind != ResetKind::Cpu {
            let full = kind == ResetKind::Full;
            let cx = self.system.context();
            for &id in Id::ALL {
                if full || !in_rtc_domain(id) {
                    self.system.devices.reset(id, &cx);
                }
            }
            self.system.devices.rtc_cntl.digital_reset();
            self.system.reset_mmu();
            if full {
                self.system.devices.gpio.latch_straps(self.straps());
            }
            // GPIO0 high: the chip boots from flash, guarded by two watchdogs.
            if self.straps() & 1 << 4 != 0 {
                self.system.devices.rtc_cntl.start_flash_boot(cx.now);
                self.system.devices.timg0.start_flash_boot(cx.now);
            }
            let cx = self.system.context();
            self.system.serve_pads(Id::IoMux, &cx);
            self.system.serve_pads(Id::RtcIo, &cx);
            self.system.devices.refresh(Id::RtcCntl);
            self.system.devices.refresh(Id::Timg0);
        }
        self.sleeping = None;
        for core in [CoreId::Pro, CoreId::App] {
            self.reset_core(core, cause);
        }
        self.update_clocks();
        self.system.update_lines();
    }

    fn reset_core(&mut self, core: CoreId, cause: ResetCause) {
        self.system.devices.rtc_cntl.set_reset_cause(core, cause);
        if cause.kind() != ResetKind::Cpu {
            let cpu = &mut self.cpus[core.index()];
            self.system.debug_modules[core.index()].reset(cpu);
        }
        self.restart_core(core);
    }

    /// A core begins at its reset vector.
    pub(super) fn restart_core(&mut self, core: CoreId) {
        self.system.debug_modules[core.index()].note_core_reset();
        self.system.reset_core(core);
        let cycle = self.cycle.max(self.cpus[core.index()].cycle);
        let cpu = &mut self.cpus[core.index()];
        cpu.idle_until(cycle);
        cpu.reset();
        if !self.system.devices.rtc_cntl.starts_in_rom(core) {
            cpu.set_pc(Cpu::OTHER_RESET_VECTOR);
        }
        if core == CoreId::Pro {
            self.boot = self.fresh_boot.clone();
        }
        self.code.forget_jumps(core.index());
    }

    /// Light sleep stops the clocks of the digital core, deep sleep takes its power away: what its
    /// devices were about to do does not happen.
    fn fall_asleep(&mut self, kind: SleepKind) {
        self.sleeping = Some(kind);
        let cx = self.system.context();
        let devices = &mut self.system.devices;
        match kind {
            SleepKind::Light => {
                devices.timg0.pause(cx.now);
                devices.timg1.pause(cx.now);
                devices.frc.pause(cx.now);
                for id in [Id::Timg0, Id::Timg1, Id::Frc] {
                    devices.refresh(id);
                }
            }
            SleepKind::Deep => {
                for &id in Id::ALL.iter().filter(|&&id| !in_rtc_domain(id)) {
                    devices.reset(id, &cx);
                }
                self.system.serve_pads(Id::IoMux, &cx);
            }
        }
        self.wake_by_pads(kind);
    }

    fn wake(&mut self, kind: SleepKind, cause: WakeCause) {
        self.hash.add(self.system.now(), 2, cause.bit());
        self.sleeping = None;
        match kind {
            SleepKind::Light => {
                let now = self.system.now();
                self.system.clock.pause(self.cycle, now);
                let devices = &mut self.system.devices;
                devices.timg0.resume(now);
                devices.timg1.resume(now);
                devices.frc.resume(now);
                for id in [Id::Timg0, Id::Timg1, Id::Frc] {
                    devices.refresh(id);
                }
                self.system.update_lines();
            }
            SleepKind::Deep => {
                self.system.memory.power_off_digital();
                self.reset(ResetCause::DeepSleep);
            }
        }
    }

    /// In sleep the cores' cycles stand still and only device time passes.
    fn sleep(&mut self, until: Instant) {
        let resume = until.max(self.system.now());
        self.system.advance(resume);
        self.system.clock.pause(self.cycle, resume);
    }
}

/// Whether an instance belongs to the RTC domain, which survives deep sleep and digital resets.
fn in_rtc_domain(id: Id) -> bool {
    matches!(id, Id::RtcCntl | Id::RtcIo | Id::Sens)
}

/// A running hash of events, the same on every host.
#[derive(Debug, Clone, Copy)]
struct EventHash(u64);

impl Default for EventHash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl EventHash {
    fn add(&mut self, at: Instant, kind: u32, value: u32) {
        self.mix(at.ticks());
        self.mix(u64::from(kind) << 32 | u64::from(value));
    }

    fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }
}
