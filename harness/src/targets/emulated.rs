//! The emulator as a target: the only file of the harness that names the emulated board.
//!
//! The flash is written directly, in no device time: what the loader protocol does is the business
//! of the tools that speak it. The rule of real boards holds all the same, that the chip must have
//! been reset into download mode before.

use esp32_emulator::board::{Board, BootMode as Jumper, Options, Outcome, Profile};
use esp32_emulator::soc::access_log::{Access, Direction, Fidelity};
use esp32_emulator::soc::{Halt, RomChoice};
use esp32_emulator::time::{Duration, Instant};

use super::{
    BootMode, Button, Capabilities, Capability, MachineReport, Port, Power, Progress, Target,
    TargetError, TargetEvent, TargetRequest, TargetSource, UnmodelledAccess,
};
use crate::serve::machine::Served;
use crate::time::DeviceTime;

/// Makes emulated boards.
#[derive(Debug, Clone, Default)]
pub struct EmulatorSource {
    /// The mask ROM of every board.
    pub rom: RomChoice,
}

impl TargetSource for EmulatorSource {
    fn name(&self) -> &str {
        "emulator"
    }

    fn capabilities(&self) -> Capabilities {
        use Capability::{Flash, Power, Reset, Serial, Strap, VirtualTime};
        [Flash, Power, Reset, Serial, Strap, VirtualTime].into()
    }

    fn boards(&self) -> Vec<String> {
        Profile::ALL.iter().map(|profile| profile.name.to_owned()).collect()
    }

    fn open(&self, request: &TargetRequest) -> Result<Box<dyn Target>, TargetError> {
        Ok(Box::new(Emulated::new(request, self.rom.clone())?))
    }
}

/// An emulated board.
#[derive(Debug, Clone)]
pub struct Emulated {
    board: Board,
    /// Whether the last reset found the strap set for a download.
    downloading: bool,
    /// How often the flash was changed from outside.
    loads: u64,
    /// Loads and operations of the flash when its contents were last kept.
    kept: (u64, u64),
}

impl Emulated {
    /// A board as requested, powered off.
    ///
    /// # Errors
    /// When there is no such board or the flash contents do not fit.
    pub fn new(request: &TargetRequest, rom: RomChoice) -> Result<Self, TargetError> {
        let Some(profile) = Profile::named(&request.board) else {
            return Err(TargetError::NoSuchPart(format!("profile `{}`", request.board)));
        };
        let options = Options { seed: request.seed, rom, ..Options::default() };
        let board = Board::new(profile, &options);
        let mut target = Self { board, downloading: false, loads: 0, kept: (0, 0) };
        for segment in &request.flash {
            target.load(segment.offset, &segment.bytes)?;
        }
        Ok(target)
    }

    /// Size of the flash in bytes.
    pub fn flash_size(&self) -> u32 {
        self.board.flash().size()
    }

    /// The whole flash.
    pub fn flash_contents(&self) -> Vec<u8> {
        let mut contents = vec![0xff; self.flash_size() as usize];
        // Reading exactly the chip's size from its start cannot be out of range.
        let _ = self.board.flash().read(0, &mut contents);
        contents
    }

    /// Instructions that the host has executed, for figures of speed.
    pub fn instructions(&self) -> u64 {
        self.board.instructions()
    }

    /// Puts bytes into the flash from outside, as if the chip had come so.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn preload(&mut self, offset: u32, bytes: &[u8]) -> Result<(), TargetError> {
        self.load(offset, bytes)
    }

    fn load(&mut self, offset: u32, bytes: &[u8]) -> Result<(), TargetError> {
        let does_not_fit = TargetError::DoesNotFit {
            offset: offset.into(),
            length: bytes.len() as u64,
            size: self.board.flash().size().into(),
        };
        self.loads += 1;
        self.board.flash_mut().load(offset, bytes).map_err(|_| does_not_fit)
    }

    fn loader(&self, to: &'static str) -> Result<(), TargetError> {
        match self.downloading && self.board.is_powered() && !self.board.is_reset_held() {
            true => Ok(()),
            false => Err(TargetError::NotInDownloadMode(to)),
        }
    }

    fn sample_strap(&mut self) {
        self.downloading = self.board.boot_mode() == Jumper::Download;
    }
}

impl Served for Emulated {
    fn under_way(&mut self, port: Port) -> usize {
        self.board.sending(uart(port))
    }

    fn changed_flash(&mut self) -> Option<Vec<u8>> {
        let state = (self.loads, self.board.flash().operations());
        (std::mem::replace(&mut self.kept, state) != state).then(|| self.flash_contents())
    }
}

impl Target for Emulated {
    fn now(&self) -> DeviceTime {
        device_time(self.board.now())
    }

    fn power(&mut self, power: Power) -> Result<(), TargetError> {
        match power {
            Power::On if !self.board.is_powered() => {
                self.sample_strap();
                self.board.power_on();
            }
            Power::On => {}
            Power::Off => self.board.power_off(),
        }
        Ok(())
    }

    fn is_powered(&self) -> bool {
        self.board.is_powered()
    }

    fn boot_mode(&mut self, mode: BootMode) -> Result<(), TargetError> {
        self.board.set_boot_mode(match mode {
            BootMode::Run => Jumper::Run,
            BootMode::Download => Jumper::Download,
        });
        Ok(())
    }

    fn press(&mut self, button: Button) -> Result<(), TargetError> {
        match button {
            Button::Reset => self.board.press_reset(),
        }
        Ok(())
    }

    fn release(&mut self, button: Button) -> Result<(), TargetError> {
        match button {
            Button::Reset => {
                self.sample_strap();
                self.board.release_reset();
            }
        }
        Ok(())
    }

    fn erase_flash(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), TargetError> {
        self.loader("erased")?;
        let total = self.board.flash().size().into();
        self.loads += 1;
        self.board.flash_mut().erase_all();
        progress(Progress { done: total, total });
        Ok(())
    }

    fn write_flash(
        &mut self,
        offset: u32,
        bytes: &[u8],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), TargetError> {
        self.loader("written")?;
        self.load(offset, bytes)?;
        let total = bytes.len() as u64;
        progress(Progress { done: total, total });
        Ok(())
    }

    fn send(&mut self, port: Port, bytes: &[u8]) -> Result<(), TargetError> {
        if !self.board.is_powered() {
            return Err(TargetError::NoPower("receive serial bytes"));
        }
        for byte in bytes {
            self.board.send(uart(port), *byte);
        }
        Ok(())
    }

    fn run_until(&mut self, deadline: DeviceTime) -> Result<Vec<TargetEvent>, TargetError> {
        let deadline = Instant::ZERO + Duration::from_nanos(deadline.nanos());
        match self.board.run_until(deadline) {
            Outcome::Halted(halt) => return Err(TargetError::Stopped(halted(&halt))),
            Outcome::PowerCut | Outcome::Deadline | Outcome::Serial => {}
        }
        let mut events: Vec<TargetEvent> = Vec::new();
        while let Some(received) = self.board.take_serial() {
            let (port, time) = (port(received.port), device_time(received.at));
            match events.last_mut() {
                Some(TargetEvent::Serial { port: p, time: t, bytes })
                    if *p == port && *t == time =>
                {
                    bytes.push(received.byte);
                }
                _ => events.push(TargetEvent::Serial { port, time, bytes: vec![received.byte] }),
            }
        }
        Ok(events)
    }

    fn finish(&mut self) -> MachineReport {
        let accesses = self.board.accesses();
        let mut stored_only: Vec<(String, u64)> = Vec::new();
        for access in accesses.iter().filter(|access| access.fidelity == Fidelity::Stores) {
            match stored_only.last_mut() {
                Some((device, count)) if device == access.device => *count += access.count,
                _ => stored_only.push((access.device.to_owned(), access.count)),
            }
        }
        MachineReport {
            time: self.now(),
            event_hash: Some(format!("{:016x}", self.board.event_hash())),
            instructions: Some(self.board.instructions()),
            unmodelled: accesses
                .iter()
                .filter(|access| access.fidelity == Fidelity::Unmodelled)
                .map(unmodelled)
                .collect(),
            stored_only,
            ..MachineReport::default()
        }
    }
}

fn unmodelled(access: &Access) -> UnmodelledAccess {
    UnmodelledAccess {
        device: match access.device {
            "" => "no device".to_owned(),
            device => device.to_owned(),
        },
        offset: access.offset,
        kind: match access.direction {
            Direction::Read => "read",
            Direction::Write => "write",
        },
        pc: access.pc,
        count: access.count,
    }
}

fn halted(halt: &Halt) -> String {
    match halt {
        Halt::UnprovidedRom { core, pc, caller } => format!(
            "core {core} called the ROM at {pc:#010x} from {caller:#010x}, \
             and nothing is provided there (`--rom FILE` runs a real ROM image)"
        ),
    }
}

/// Rounds down: an event is never later than it was.
fn device_time(instant: Instant) -> DeviceTime {
    DeviceTime::from_nanos(instant.since_zero().as_nanos())
}

fn uart(port: Port) -> u8 {
    match port {
        Port::Console => 0,
        Port::Uart1 => 1,
        Port::Uart2 => 2,
    }
}

fn port(uart: u8) -> Port {
    match uart {
        1 => Port::Uart1,
        2 => Port::Uart2,
        _ => Port::Console,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn board() -> Emulated {
        let request =
            TargetRequest { board: "esp32-devkit".to_owned(), seed: 1, ..TargetRequest::default() };
        Emulated::new(&request, RomChoice::default()).expect("a known board")
    }

    #[test]
    fn time_passes_exactly_while_the_board_is_off() {
        let mut target = board();
        let deadline = DeviceTime::ZERO + Span::from_millis(250);
        assert_eq!(target.run_until(deadline), Ok(Vec::new()));
        assert_eq!(target.now(), deadline);
    }

    #[test]
    fn the_flash_can_be_written_only_after_a_reset_into_download_mode() {
        let mut target = board();
        let refused = Err(TargetError::NotInDownloadMode("erased"));
        target.boot_mode(BootMode::Download).unwrap();
        assert_eq!(target.erase_flash(&mut |_| {}), refused, "no power");
        target.power(Power::On).unwrap();
        assert_eq!(target.erase_flash(&mut |_| {}), Ok(()));
        target.boot_mode(BootMode::Run).unwrap();
        assert_eq!(target.erase_flash(&mut |_| {}), Ok(()), "the strap alone never resets");
        target.press(Button::Reset).unwrap();
        target.release(Button::Reset).unwrap();
        assert_eq!(target.erase_flash(&mut |_| {}), refused);
    }

    #[test]
    fn a_changed_flash_is_given_once() {
        let mut target = board();
        assert_eq!(target.changed_flash(), None);
        target.preload(0x1000, b"boot").unwrap();
        let contents = target.changed_flash().expect("it changed");
        assert_eq!((contents.len(), &contents[0xfff..0x1005]), (4 << 20, &b"\xffboot\xff"[..]));
        assert_eq!(target.changed_flash(), None);
    }

    #[test]
    fn what_does_not_fit_the_flash_is_refused_whole() {
        let mut target = board();
        target.boot_mode(BootMode::Download).unwrap();
        target.power(Power::On).unwrap();
        let error = target.write_flash(0x3f_ffff, &[1, 2], &mut |_| {}).unwrap_err();
        assert!(matches!(error, TargetError::DoesNotFit { size: 0x40_0000, .. }), "{error}");
    }
}
