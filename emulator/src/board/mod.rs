//! The board around the chip: power, reset button, boot jumper, flash and PSRAM, lamps.
//!
//! ```no_run
//! use esp32_emulator::board::{Board, BootMode, Options, Profile};
//! use esp32_emulator::time::Duration;
//!
//! # fn image() -> Vec<u8> { Vec::new() }
//! let profile = Profile::named("esp32-devkit").expect("a known board");
//! let mut board = Board::new(profile, &Options::default());
//! board.flash_mut().load(0x1000, &image()).expect("the image fits");
//! board.set_boot_mode(BootMode::Run);
//! board.power_on();
//! let deadline = board.now() + Duration::from_secs(5);
//! board.run_until(deadline);
//! while let Some(received) = board.take_serial() {
//!     print!("{}", char::from(received.byte));
//! }
//! ```

pub mod capture;
mod devkit;
mod esp32_cam;
mod esp32_cam_mb;
pub(crate) mod fittings;
mod neighbourhood;
pub mod parts;
mod profile;
mod site;

use std::collections::VecDeque;

pub use fittings::{AnyPart, Fitting, Missing};
pub use neighbourhood::{MAX_WINDOW, Neighbourhood};
use parts::Shown;
use parts::auto_reset::{CutWires, EN_RISE, ModemLines, Pulls};
use parts::ft6206::Finger;
use parts::nor_flash::{FlashSize, NorFlash};
use parts::psram::{Psram, PsramSize};
pub use profile::{Button, Led, Lit, Profile, Strap};
pub use site::{SIGNAL_BETWEEN_BOARDS, Site, SiteEvent};

use crate::cpu::code::MAX_BLOCK;
use crate::peripherals::efuse::EfuseConfig;
use crate::peripherals::gpio::PINS;
use crate::peripherals::uart::Symbol;
pub use crate::soc::Edge;
use crate::soc::access_log::Access;
use crate::soc::debugger::Held;
use crate::soc::{COMPILE_AFTER, ChipConfig, Esp32, Halt, RomChoice, Stopped};
use crate::time::{Hertz, Instant};

/// Where the boot jumper is: it decides at reset what the ROM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BootMode {
    /// GPIO0 high: boot from flash.
    #[default]
    Run,
    /// GPIO0 to ground: wait for a download.
    Download,
}

/// Choices of the experimenter rather than of the board.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which one of several boards of a kind, from 0: each chip has addresses of its own.
    pub number: u8,
    /// Another base address than that of the board's chip.
    pub mac: Option<[u8; 6]>,
    /// Seed of everything random.
    pub seed: u64,
    /// The mask ROM.
    pub rom: RomChoice,
    /// Most instructions in a decoded block; changes nothing but speed.
    pub max_block: usize,
    /// Runs of a block before it is compiled to host code, `None` for never; changes nothing but
    /// speed.
    pub compile_after: Option<u32>,
    /// Another flash chip than the board's own.
    pub flash: Option<FlashSize>,
    /// Another PSRAM than the board's own.
    pub psram: Option<PsramSize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            number: 0,
            mac: None,
            seed: 1,
            rom: RomChoice::default(),
            max_block: MAX_BLOCK,
            compile_after: Some(COMPILE_AFTER),
            flash: None,
            psram: None,
        }
    }
}

/// A byte that the board sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialByte {
    /// End of its stop bit.
    pub at: Instant,
    /// UART number, 0 to 2; 0 is the console.
    pub port: u8,
    /// The byte.
    pub byte: u8,
}

/// Why [`Board::run_until`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The instant asked for is reached.
    Deadline,
    /// [`Board::take_serial`] has something.
    Serial,
    /// [`Board::take_edge`] has something.
    Edge,
    /// [`Board::take_site_event`] has something.
    Site,
    /// The flash operation at which power was to be cut has come; the board is off.
    PowerCut,
    /// The host's debugger holds the chip.
    Held(Held),
    /// Firmware needs something that the emulator does not have.
    Halted(Halt),
}

/// What ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heed {
    /// Something to see.
    News,
    /// That does not: it can be seen later.
    Nothing,
}

/// The base address of one of several boards of a kind. A chip has four addresses, of which its base
/// address is the first (ESP32 Technical Reference Manual, "eFuse": the others are derived from it).
fn mac_of(profile: &Profile, number: u8) -> [u8; 6] {
    let mut mac = profile.mac;
    let [.., high, low] = &mut mac;
    let serial = u16::from_be_bytes([*high, *low]).wrapping_add(4 * u16::from(number));
    [*high, *low] = serial.to_be_bytes();
    mac
}

/// A board. A clone is a snapshot of the whole machine.
#[derive(Debug, Clone)]
pub struct Board {
    profile: &'static Profile,
    mac: [u8; 6],
    chip: Esp32,
    powered: bool,
    /// The reset button is down.
    reset_held: bool,
    /// What the program at the other end of the serial adapter asserts.
    modem_lines: ModemLines,
    /// What of the way to EN and GPIO0 is missing.
    cut_wires: CutWires,
    /// What the serial adapter does to EN and GPIO0.
    pulls: Pulls,
    /// When EN will be high again, after nobody pulls it down any more.
    en_rises: Option<Instant>,
    /// What the straps said when the chip last left reset.
    booted: Option<BootMode>,
    boot_mode: BootMode,
    /// Levels that the person puts on pins.
    driven: [Option<bool>; PINS as usize],
    /// Pressed buttons besides the one for reset, one bit for each GPIO.
    pressed: u64,
    serial: VecDeque<SerialByte>,
    edges: VecDeque<Edge>,
    surroundings: Surroundings,
}

/// What is around a board's antenna.
#[derive(Debug, Clone)]
enum Surroundings {
    /// Nobody who would hear the board.
    Nothing,
    /// A site of its own.
    Site(Box<Site>),
    /// Other boards, and a site that it shares with them; whether it has lost its power since it was
    /// last asked.
    Neighbours { fell_silent: bool },
}

impl Board {
    /// A board without power, its flash blank.
    pub fn new(profile: &'static Profile, options: &Options) -> Self {
        let mac = options.mac.unwrap_or_else(|| mac_of(profile, options.number));
        let config = ChipConfig {
            efuse: EfuseConfig {
                mac,
                adc_vref_steps: profile.adc_vref_steps,
                revision: profile.revision,
                package: profile.package,
            },
            xtal: Hertz::mhz(profile.xtal_mhz),
            seed: options.seed,
            rom: options.rom.clone(),
            max_block: options.max_block,
            compile_after: options.compile_after,
            ..ChipConfig::default()
        };
        let flash = NorFlash::new(options.flash.unwrap_or(profile.flash), profile.flash_identity);
        let psram = options.psram.or(profile.psram).map(Psram::new);
        let mut chip = Esp32::new(&config, flash, psram);
        chip.set_straps(profile.strap_word());
        Self {
            profile,
            mac,
            chip,
            powered: false,
            reset_held: false,
            modem_lines: ModemLines::default(),
            cut_wires: CutWires::default(),
            pulls: Pulls::default(),
            en_rises: None,
            booted: None,
            boot_mode: BootMode::Run,
            driven: [None; PINS as usize],
            pressed: 0,
            serial: VecDeque::new(),
            edges: VecDeque::new(),
            surroundings: Surroundings::Nothing,
        }
    }

    /// Puts the board on a site of its own.
    pub fn set_site(&mut self, site: Site) {
        self.surroundings = Surroundings::Site(Box::new(site));
        self.look_around();
    }

    /// What is around the board, if it shares that with no other, to be looked at or changed;
    /// [`Board::run_until`] goes on with it.
    pub fn site_mut(&mut self) -> Option<&mut Site> {
        self.look_around();
        match &mut self.surroundings {
            Surroundings::Site(site) => Some(site),
            Surroundings::Nothing | Surroundings::Neighbours { .. } => None,
        }
    }

    /// The oldest thing that happened on the board's own site and that nobody has taken.
    pub fn take_site_event(&mut self) -> Option<SiteEvent> {
        match &mut self.surroundings {
            Surroundings::Site(site) => site.take_event(),
            Surroundings::Nothing | Surroundings::Neighbours { .. } => None,
        }
    }

    /// Something around the board may have changed: the radio must ask.
    fn look_around(&mut self) {
        self.chip.set_air_due(self.chip.now());
    }

    /// The radio wants to know something of what is around it.
    fn attend_air(&mut self) {
        match &mut self.surroundings {
            Surroundings::Site(site) => site.attend(&mut self.chip),
            Surroundings::Nothing | Surroundings::Neighbours { .. } => self.chip.leave_unanswered(),
        }
    }

    /// The base address of its chip, which is that of its station.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// What kind of board it is.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// The chip.
    pub fn chip(&self) -> &Esp32 {
        &self.chip
    }

    /// The chip, for a debugger.
    pub fn chip_mut(&mut self) -> &mut Esp32 {
        &mut self.chip
    }

    /// Device time; it passes while the board is off, too.
    pub fn now(&self) -> Instant {
        self.chip.now()
    }

    /// Whether the board has power.
    pub fn is_powered(&self) -> bool {
        self.powered
    }

    /// Whether the chip is held in reset by the button.
    pub fn is_reset_held(&self) -> bool {
        self.reset_held || self.pulls.en || self.en_rises.is_some()
    }

    /// What the chip did when it last left reset; `None` while it has no power or is in reset.
    pub fn booted(&self) -> Option<BootMode> {
        self.booted.filter(|_| self.powered && !self.is_reset_held())
    }

    /// Lets time pass until EN is high, if it is rising.
    pub fn finish_reset(&mut self) {
        if let Some(rises) = self.en_rises.take() {
            self.chip.pass_time(rises);
            self.start();
        }
    }

    /// What the program at the other end of the serial adapter asserts: the board's wiring says what
    /// that does.
    pub fn set_modem_lines(&mut self, lines: ModemLines) {
        self.modem_lines = lines;
        self.pull();
    }

    /// Cuts wires between the serial adapter and EN and GPIO0, and mends all others.
    pub fn cut_wires(&mut self, cut: CutWires) {
        self.cut_wires = cut;
        self.pull();
    }

    fn pull(&mut self) {
        let before = self.is_en_low();
        self.pulls = self.profile.modem_wiring.pulls(self.modem_lines, self.cut_wires);
        self.connect(0);
        self.en_changed(before);
    }

    fn is_en_low(&self) -> bool {
        self.reset_held || self.pulls.en
    }

    /// EN may be pulled down now, or not any more.
    fn en_changed(&mut self, before: bool) {
        match (before, self.is_en_low()) {
            (false, true) => {
                self.en_rises = None;
                self.chip.power_off();
                if let Surroundings::Neighbours { fell_silent } = &mut self.surroundings {
                    *fell_silent = true;
                }
            }
            (true, false) if self.powered => self.en_rises = Some(self.now() + EN_RISE),
            _ => {}
        }
    }

    /// Where the boot jumper is.
    pub fn boot_mode(&self) -> BootMode {
        self.boot_mode
    }

    /// Moves the boot jumper. It acts at the next reset.
    pub fn set_boot_mode(&mut self, mode: BootMode) {
        self.boot_mode = mode;
        self.connect(0);
    }

    /// What the straps say, by jumper, buttons and whatever else pulls at GPIO0.
    fn selected_boot(&self) -> BootMode {
        match self.chip.outside(0) {
            Some(false) => BootMode::Download,
            _ => BootMode::Run,
        }
    }

    /// Puts a level on a pin from outside, or lets go of it with `None`. Numbers above 39 are
    /// ignored, here and below.
    pub fn drive_pin(&mut self, gpio: u8, level: Option<bool>) {
        if let Some(driven) = self.driven.get_mut(usize::from(gpio)) {
            *driven = level;
            self.connect(gpio);
        }
    }

    /// Holds a button down, or lets it go.
    pub fn set_pressed(&mut self, button: Button, pressed: bool) {
        let bit = 1_u64.checked_shl(button.gpio.into()).unwrap_or(0);
        self.pressed = if pressed { self.pressed | bit } else { self.pressed & !bit };
        self.connect(button.gpio);
    }

    /// Wires a part to pads.
    pub fn fit(&mut self, fitting: Fitting) {
        self.chip.fit(fitting);
    }

    /// Moves a control of a part, such as the `pressed` of a button.
    ///
    /// # Errors
    /// When there is no such part, or it has no such control.
    pub fn set_control(&mut self, part: &str, control: &str, value: f64) -> Result<(), Missing> {
        self.chip.set_control(part, control, value)
    }

    /// A finger does something on the touch screen of a part.
    ///
    /// # Errors
    /// When there is no such part, it has no touch screen, or the place is beside it.
    pub fn touch(&mut self, part: &str, finger: Finger) -> Result<(), Missing> {
        self.chip.touch(part, finger)
    }

    /// What can be seen of a part, such as the `angle` of a servo.
    ///
    /// # Errors
    /// When there is no such part, or nothing of that name to be seen of it.
    pub fn shown(&self, part: &str, what: &str) -> Result<Shown, Missing> {
        self.chip.shown(part, what)
    }

    /// The level of a pin, whoever drives it; low on a board without power.
    pub fn pin_level(&self, gpio: u8) -> bool {
        self.powered && self.chip.pin_level(gpio)
    }

    /// From now on [`Board::take_edge`] tells of changes of this pin's level.
    pub fn observe_pin(&mut self, gpio: u8) {
        self.chip.observe_pin(gpio);
    }

    /// The oldest change of an observed pin that nobody has taken.
    pub fn take_edge(&mut self) -> Option<Edge> {
        self.edges.pop_front()
    }

    /// The supply sags below the brown-out threshold, or recovers.
    pub fn set_supply_low(&mut self, low: bool) {
        if self.powered {
            self.chip.set_supply_low(low);
        }
    }

    /// What jumper, buttons and the person force on a pin: ground wins.
    fn forced(&self, gpio: u8) -> Option<bool> {
        let jumper = gpio == 0 && (self.boot_mode == BootMode::Download || self.pulls.gpio0);
        let pressed = self.pressed.checked_shr(gpio.into()).unwrap_or(0) & 1 != 0;
        let driven = self.driven.get(usize::from(gpio)).copied().flatten();
        if jumper || pressed { Some(false) } else { driven }
    }

    fn connect(&mut self, gpio: u8) {
        self.chip.drive_pin(gpio, self.forced(gpio));
    }

    /// Switches the power on; nothing happens if it is on.
    pub fn power_on(&mut self) {
        if !self.powered {
            self.powered = true;
            self.start();
        }
    }

    /// Switches the power off: all memories but the flash are lost.
    pub fn power_off(&mut self) {
        self.powered = false;
        self.en_rises = None;
        self.chip.power_off();
        self.chip.power_off_parts();
        match &mut self.surroundings {
            Surroundings::Nothing => {}
            Surroundings::Site(site) => site.fall_silent(0),
            Surroundings::Neighbours { fell_silent } => *fell_silent = true,
        }
    }

    /// Presses the reset button and holds it.
    pub fn press_reset(&mut self) {
        let before = self.is_en_low();
        self.reset_held = true;
        self.en_changed(before);
    }

    /// Releases the reset button. The chip starts when EN has risen.
    pub fn release_reset(&mut self) {
        let before = self.is_en_low();
        self.reset_held = false;
        self.en_changed(before);
    }

    fn start(&mut self) {
        if self.powered && !self.is_reset_held() {
            self.connect(0);
            self.booted = Some(self.selected_boot());
            self.chip.power_on();
            self.look_around();
        }
    }

    /// The flash chip.
    pub fn flash(&self) -> &NorFlash {
        self.chip.flash()
    }

    /// The flash chip, for the host to change.
    pub fn flash_mut(&mut self) -> &mut NorFlash {
        self.chip.flash_mut()
    }

    /// Puts a wire between the pins of two GPIOs: a loop-back. UART and SPI data goes over it too.
    pub fn wire(&mut self, a: u8, b: u8) {
        self.chip.wire(a, b);
    }

    /// Sends a byte to UART `port` of the board, behind those still under way.
    pub fn send(&mut self, port: u8, byte: u8) {
        if self.powered && !self.is_reset_held() {
            self.chip.receive(usize::from(port), Symbol::Byte(byte));
        }
    }

    /// Holds the receive line of UART `port` low for longer than a frame.
    pub fn send_break(&mut self, port: u8) {
        if self.powered && !self.is_reset_held() {
            self.chip.receive(usize::from(port), Symbol::Break);
        }
    }

    /// The speed that UART `port` is set to, in bits per second; 0 if there is no such port.
    pub fn baud(&self, port: u8) -> u32 {
        self.chip.baud(usize::from(port))
    }

    /// Bytes given to [`Board::send`] that have not arrived yet.
    pub fn sending(&mut self, port: u8) -> usize {
        self.chip.pending_input(usize::from(port))
    }

    /// Whether a byte or a break is on a serial line, in either direction, or the flash is busy.
    pub fn is_transferring(&mut self) -> bool {
        self.powered && self.chip.is_transferring()
    }

    /// The oldest byte that the board sent and nobody has taken.
    pub fn take_serial(&mut self) -> Option<SerialByte> {
        self.serial.pop_front()
    }

    /// Lets device time pass up to `deadline`; comes back earlier when there is something to see.
    pub fn run_until(&mut self, deadline: Instant) -> Outcome {
        loop {
            if let Some(outcome) = self.run_up_to(deadline, Heed::News) {
                return outcome;
            }
            self.attend_air();
        }
    }

    /// The same, but comes back with `None`, too, when the radio wants to know something of what is
    /// around it.
    fn run_up_to(&mut self, deadline: Instant, heed: Heed) -> Option<Outcome> {
        if let Some(news) = self.news(heed) {
            return Some(news);
        }
        if self.en_rises.is_some_and(|rises| rises <= deadline) {
            self.finish_reset();
        }
        if !self.is_on() {
            return Some(self.pass_time(deadline, heed));
        }
        loop {
            let stopped = self.chip.run_until(deadline);
            self.collect();
            match stopped {
                Stopped::Halted(halt) => return Some(Outcome::Halted(halt)),
                Stopped::Held(held) => {
                    return Some(self.news(heed).unwrap_or(Outcome::Held(held)));
                }
                Stopped::PowerCut => {
                    self.power_off();
                    return Some(Outcome::PowerCut);
                }
                Stopped::Deadline => {
                    return Some(self.news(heed).unwrap_or(Outcome::Deadline));
                }
                Stopped::Air => return None,
                Stopped::Output => {
                    if let Some(news) = self.news(heed) {
                        return Some(news);
                    }
                }
            }
        }
    }

    /// Lets device time pass without the chip. What is around the board alone goes on.
    fn pass_time(&mut self, deadline: Instant, heed: Heed) -> Outcome {
        loop {
            let due = match &self.surroundings {
                Surroundings::Site(site) => site.due(),
                Surroundings::Nothing | Surroundings::Neighbours { .. } => Instant::MAX,
            };
            let until = due.max(self.chip.now()).min(deadline);
            self.chip.pass_time(until);
            if let Surroundings::Site(site) = &mut self.surroundings {
                site.go_on_alone(until);
            }
            if let Some(news) = self.news(heed) {
                return news;
            }
            if until >= deadline {
                return Outcome::Deadline;
            }
        }
    }

    /// Whether the chip has power and is not held in reset.
    fn is_on(&self) -> bool {
        self.powered && !self.is_reset_held()
    }

    /// The first instant at which the board may do something, if nobody outside acts.
    fn quiet_until(&self) -> Instant {
        match self.en_rises {
            Some(rises) if self.powered => rises,
            _ if self.is_on() => self.chip.quiet_until(),
            _ => Instant::MAX,
        }
    }

    fn news(&self, heed: Heed) -> Option<Outcome> {
        let has_event = matches!(&self.surroundings, Surroundings::Site(site) if site.has_event());
        match (heed, self.serial.is_empty(), self.edges.is_empty()) {
            (Heed::Nothing, ..) => None,
            (Heed::News, false, _) => Some(Outcome::Serial),
            (Heed::News, true, false) => Some(Outcome::Edge),
            (Heed::News, true, true) => has_event.then_some(Outcome::Site),
        }
    }

    fn collect(&mut self) {
        self.edges.extend(self.chip.take_edges());
        for port in 0..3 {
            while let Some((at, symbol)) = self.chip.take_output(usize::from(port)) {
                if let Symbol::Byte(byte) = symbol {
                    self.serial.push_back(SerialByte { at, port, byte });
                }
            }
        }
    }

    /// Whether a lamp of the profile is lit.
    pub fn is_lit(&self, led: &Led) -> bool {
        let pin = self.chip.pin(led.gpio);
        self.powered && pin.enabled && pin.level == (led.lit == Lit::High)
    }

    /// Whether the board has power and yet nothing can happen any more until somebody acts.
    pub fn is_dead(&self) -> bool {
        self.powered && !self.reset_held && self.serial.is_empty() && self.chip.is_dead()
    }

    /// Instructions that the host has executed for both cores, for figures of speed.
    pub fn instructions(&self) -> u64 {
        self.chip.instructions()
    }

    /// What firmware touched that is not fully modelled.
    pub fn accesses(&self) -> Vec<Access> {
        self.chip.accesses()
    }

    /// Whether firmware has called the Bluetooth controller in our own ROM: it never hears anything.
    pub fn bluetooth_called(&self) -> bool {
        self.chip.bluetooth_called()
    }

    /// Hash of all events so far; equal for equal runs, on every host.
    pub fn event_hash(&self) -> u64 {
        self.chip.event_hash()
    }
}
