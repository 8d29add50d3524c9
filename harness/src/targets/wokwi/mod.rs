//! Wokwi as a target: scenarios run over the Simulation API, on Wokwi's service or on whatever speaks it.
//!
//! *Time* is simulated time, and passes only in [`Target::run_until`]; while the chip waits for a download
//! or has no power, nobody simulates anything and the target's own clock goes on. *Flash* is an image
//! that is put together here, for a running simulation shows its flash to nobody: what steps write is
//! uploaded when the chip is next reset into running, and what the guest has written is lost then.
//! *Reset* restarts the simulation, and *power* that comes back is another one.
//!
//! | module | does |
//! |---|---|
//! | `door` | the way to a server: address, token, TLS |
//! | `api` | commands with their answers, and events |
//! | `simulation` | a board on the server, which stands still whenever nobody lets it run |
//! | `spending` | how much of the service has been used |

mod api;
pub mod door;
mod simulation;
mod spending;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use self::api::ApiError;
use self::door::Door;
use self::simulation::{Happening, Simulation};
pub(super) use self::spending::Spending;
use super::emulated;
use super::flash::Image;
use super::{
    BootMode, Button, Capabilities, Capability, Level, MachineReport, Port, Power, Progress,
    Target, TargetError, TargetEvent, TargetRequest, TargetSource,
};
use crate::scenario::model::Case;
use crate::targets::part::Finger;
use crate::time::{DeviceTime, Span};
use crate::wokwi::access_points;
use crate::wokwi::circuit::Circuit;
use crate::wokwi::drawing::Drawing;

/// Flash of a board that is not said to have another one.
const DEFAULT_MEGABYTES: u32 = 4;

/// Boards on a server of the Simulation API.
#[derive(Debug)]
pub struct WokwiSource {
    door: Door,
    used: Arc<Mutex<Used>>,
}

impl WokwiSource {
    /// Those behind a door. Nothing is opened yet.
    pub fn new(door: Door) -> Self {
        Self { door, used: Arc::default() }
    }
}

impl TargetSource for WokwiSource {
    fn name(&self) -> &str {
        "wokwi"
    }

    fn capabilities(&self) -> Capabilities {
        use Capability::{Air, Flash, Parts, Pins, Power, Reset, Serial, Strap};
        [Air, Flash, Parts, Pins, Power, Reset, Serial, Strap].into()
    }

    fn boards(&self) -> Vec<String> {
        crate::bench::profiles()
    }

    fn parts(&self, board: &str) -> Vec<String> {
        crate::bench::parts(board)
    }

    fn drawn_parts(&self, circuit: &Circuit) -> Vec<String> {
        circuit.part_names().map(str::to_owned).collect()
    }

    fn cannot(&self, case: &Case) -> Vec<String> {
        let site = case.site.as_ref().map_or(Ok(Vec::new()), access_points::drawn);
        site.err().unwrap_or_default()
    }

    fn spent(&self) -> Option<String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Used { simulations, nanos } = *used;
        Spending { nanos, runs: simulations, is_exact: true }.words(&self.door)
    }

    fn open(&self, request: &TargetRequest) -> Result<Box<dyn Target>, TargetError> {
        let circuit = match &request.circuit {
            Some(circuit) => circuit.clone(),
            None => {
                let drawing = Drawing {
                    profile: request.board.clone(),
                    buttons: emulated::buttons(&request.board),
                    loop_backs: request.loop_backs.clone(),
                    parts: request.fitted.clone(),
                    site: request.site.clone(),
                };
                Arc::new(Circuit::drawn(&drawing).map_err(TargetError::CannotOpen)?)
            }
        };
        let megabytes = request.flash_megabytes.unwrap_or(DEFAULT_MEGABYTES);
        let mut image = Image::blank(megabytes);
        for segment in &request.flash {
            image.write(segment.offset, &segment.bytes)?;
        }
        Ok(Box::new(WokwiTarget {
            door: self.door.clone(),
            circuit,
            megabytes,
            image,
            guest_has_run: false,
            mode: BootMode::Run,
            powered: false,
            held: false,
            chip: Chip::Off,
            offset: 0,
            now: DeviceTime::ZERO,
            observed: BTreeMap::new(),
            events: Vec::new(),
            used: Used::default(),
            used_by_all: self.used.clone(),
        }))
    }
}

/// What the chip is doing.
#[derive(Debug)]
enum Chip {
    /// No power, or held in reset.
    Off,
    /// It waits for a download, which nobody simulates.
    Waits,
    /// It runs, on the server.
    Runs(Box<Simulation>),
}

/// A pad whose changes are events.
#[derive(Debug, Clone, Copy)]
struct Observed {
    level: Level,
    /// Whether the server tells its changes; otherwise it is read after each stretch of time.
    told: bool,
}

/// What of the service has been used.
#[derive(Debug, Default)]
struct Used {
    simulations: u64,
    nanos: u64,
}

/// A board on a server while a case has it.
#[derive(Debug)]
struct WokwiTarget {
    door: Door,
    circuit: Arc<Circuit>,
    megabytes: u32,
    image: Image,
    /// Whether the flash may hold what the guest has written.
    guest_has_run: bool,
    mode: BootMode,
    powered: bool,
    /// Whether the reset button is held down.
    held: bool,
    chip: Chip,
    /// Device time at which simulated time was 0, in nanoseconds.
    offset: u64,
    now: DeviceTime,
    observed: BTreeMap<u8, Observed>,
    /// What has not been asked for yet.
    events: Vec<TargetEvent>,
    used: Used,
    used_by_all: Arc<Mutex<Used>>,
}

impl WokwiTarget {
    /// The chip comes out of reset; what is in the flash may have changed, or the power was off.
    fn start(&mut self, from_power: bool) -> Result<(), TargetError> {
        if !self.powered || self.held {
            return Ok(());
        }
        if self.mode == BootMode::Download {
            self.stop();
            self.chip = Chip::Waits;
            return Ok(());
        }
        let bytes = self.image.firmware().ok_or(TargetError::Cannot(
            "run a blank flash: write firmware before the chip is reset into running",
        ))?;
        // Nothing but a download changes the image, and that ends the simulation.
        let restarted = match &mut self.chip {
            Chip::Runs(simulation) if !from_power => match simulation.restart() {
                // No client needs that it can, so a server may not.
                Err(ApiError::Refused { .. }) => false,
                restarted => restarted.map(|()| true)?,
            },
            _ => false,
        };
        if !restarted {
            if let Chip::Runs(simulation) = &self.chip {
                self.used.nanos += simulation.now();
            }
            let (door, text) = (&self.door, self.circuit.text());
            // A server may give a client one board only.
            self.chip = Chip::Off;
            let begun = Simulation::begin(door, text, bytes, self.megabytes)?;
            self.offset = self.now.nanos().saturating_sub(begun.now());
            self.chip = Chip::Runs(Box::new(begun));
        }
        self.used.simulations += 1;
        self.guest_has_run = true;
        self.hear_remarks();
        let observed: Vec<u8> = self.observed.keys().copied().collect();
        observed.into_iter().try_for_each(|gpio| self.observe(gpio))
    }

    /// The simulation ends.
    fn stop(&mut self) {
        if let Chip::Runs(simulation) = &self.chip {
            self.used.nanos += simulation.now();
        }
        self.chip = Chip::Off;
    }

    fn hear_remarks(&mut self) {
        if let Chip::Runs(simulation) = &mut self.chip {
            let (time, remarks) = (self.now, simulation.take_remarks());
            let remark = |text| TargetEvent::Remark { time, text };
            self.events.extend(remarks.into_iter().map(remark));
        }
    }

    /// What a pad is called at the board.
    fn pad(&self, gpio: u8) -> Result<(String, String), TargetError> {
        let name = self.circuit.pad_name(gpio);
        let name = name.ok_or_else(|| TargetError::NoSuchPart(format!("pin GPIO{gpio}")))?;
        Ok((self.circuit.board().to_owned(), name))
    }

    fn observe(&mut self, gpio: u8) -> Result<(), TargetError> {
        let (part, name) = self.pad(gpio)?;
        let Chip::Runs(simulation) = &mut self.chip else { return Ok(()) };
        let told = match simulation.listen(&part, &name) {
            Ok(()) => true,
            Err(ApiError::Refused { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        let level = simulation.pin(&part, &name)?;
        if let Some(observed) = self.observed.get_mut(&gpio) {
            observed.told = told;
        }
        self.see(gpio, level, self.now);
        Ok(())
    }

    /// An observed pad has this level; if it had another one, that is an event.
    fn see(&mut self, gpio: u8, level: Level, time: DeviceTime) {
        if let Some(observed) = self.observed.get_mut(&gpio)
            && observed.level != level
        {
            observed.level = level;
            self.events.push(TargetEvent::Pin { gpio, time, level });
        }
    }

    /// Looks at the pads whose changes are not told.
    fn look_at_pads(&mut self) -> Result<(), TargetError> {
        let untold = self.observed.iter().filter(|(_, observed)| !observed.told);
        let untold: Vec<u8> = untold.map(|(gpio, _)| *gpio).collect();
        for gpio in untold {
            let level = self.pin(gpio)?;
            self.see(gpio, level, self.now);
        }
        Ok(())
    }

    fn happened(&mut self, happening: Happening) {
        // Never before what was told already, nor after what has passed.
        let earliest = self.events.last().map_or(DeviceTime::ZERO, TargetEvent::time);
        let at = |nanos: u64| {
            let time = DeviceTime::from_nanos(self.offset.saturating_add(nanos));
            time.min(self.now).max(earliest)
        };
        match happening {
            Happening::Serial { bytes, nanos } => {
                let (port, time) = (self.circuit.monitor(), at(nanos));
                self.events.extend(port.map(|port| TargetEvent::Serial { port, time, bytes }));
            }
            Happening::Pin { name, level, nanos } => {
                let time = at(nanos);
                let called = |gpio: &&u8| self.circuit.pad_name(**gpio).as_deref() == Some(&*name);
                if let Some(gpio) = self.observed.keys().find(called).copied() {
                    self.see(gpio, level, time);
                }
            }
            Happening::Remark(text) => {
                self.events.push(TargetEvent::Remark { time: self.now, text });
            }
        }
    }

    fn waits(&mut self, to: &'static str) -> Result<(), TargetError> {
        match self.chip {
            Chip::Waits => Ok(()),
            _ => Err(TargetError::NotInDownloadMode(to)),
        }
    }

    /// The simulation that has this part.
    fn parts_of_running(&mut self, part: &str) -> Result<&mut Simulation, TargetError> {
        if !self.circuit.part_names().any(|known| known == part) {
            return Err(TargetError::NoSuchPart(format!("part `{part}`")));
        }
        match &mut self.chip {
            Chip::Runs(simulation) => Ok(simulation),
            Chip::Off => Err(TargetError::NoPower("feel its parts")),
            Chip::Waits => {
                Err(TargetError::Cannot("move parts while the chip waits for a download"))
            }
        }
    }

    fn press_or_release(&mut self, name: &str, down: bool) -> Result<(), TargetError> {
        self.set_control(name, "pressed", if down { 1.0 } else { 0.0 })
    }
}

impl Target for WokwiTarget {
    fn now(&self) -> DeviceTime {
        self.now
    }

    fn power(&mut self, power: Power) -> Result<(), TargetError> {
        let on = power == Power::On;
        if self.powered == on {
            return Ok(());
        }
        self.powered = on;
        match power {
            Power::On => self.start(true),
            Power::Off => {
                self.stop();
                Ok(())
            }
        }
    }

    fn is_powered(&self) -> bool {
        self.powered
    }

    fn boot_mode(&mut self, mode: BootMode) -> Result<(), TargetError> {
        self.mode = mode;
        Ok(())
    }

    /// A simulation cannot be held in reset: it stands still until the button is let go.
    fn press(&mut self, button: Button) -> Result<(), TargetError> {
        match button {
            Button::Reset => {
                self.held = true;
                Ok(())
            }
            Button::Named(name) => self.press_or_release(&name, true),
        }
    }

    fn release(&mut self, button: Button) -> Result<(), TargetError> {
        match button {
            Button::Reset => {
                self.held = false;
                self.start(false)
            }
            Button::Named(name) => self.press_or_release(&name, false),
        }
    }

    fn erase_flash(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), TargetError> {
        self.waits("erased")?;
        self.image.erase();
        self.guest_has_run = false;
        let total = self.image.size();
        progress(Progress { done: total, total });
        Ok(())
    }

    fn write_flash(
        &mut self,
        offset: u32,
        bytes: &[u8],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), TargetError> {
        self.waits("written")?;
        self.image.write(offset, bytes)?;
        let total = bytes.len() as u64;
        progress(Progress { done: total, total });
        Ok(())
    }

    fn erase_region(&mut self, offset: u32, length: u32) -> Result<(), TargetError> {
        self.waits("erased")?;
        self.image.erase_region(offset, length)
    }

    /// What steps have written: the guest's own writing stays on the server.
    fn read_flash(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, TargetError> {
        self.waits("read")?;
        if self.guest_has_run {
            return Err(TargetError::Cannot(
                "read a flash that the guest may have written: Wokwi does not give it back",
            ));
        }
        self.image.read(offset, length)
    }

    /// A chip that nobody simulates drives nothing.
    fn pin(&mut self, gpio: u8) -> Result<Level, TargetError> {
        let (part, name) = self.pad(gpio)?;
        match &mut self.chip {
            Chip::Runs(simulation) => Ok(simulation.pin(&part, &name)?),
            Chip::Off | Chip::Waits => Ok(Level::Low),
        }
    }

    fn set_control(&mut self, part: &str, control: &str, value: f64) -> Result<(), TargetError> {
        Ok(self.parts_of_running(part)?.control(part, control, value)?)
    }

    fn touch(&mut self, part: &str, finger: Finger) -> Result<(), TargetError> {
        Ok(self.parts_of_running(part)?.touch(part, finger)?)
    }

    fn observe_pin(&mut self, gpio: u8) -> Result<(), TargetError> {
        self.pad(gpio)?;
        let level = Level::Low;
        self.observed.entry(gpio).or_insert(Observed { level, told: true });
        self.observe(gpio)
    }

    fn send(&mut self, port: Port, bytes: &[u8]) -> Result<(), TargetError> {
        if self.circuit.monitor() != Some(port) {
            return Err(TargetError::NoSuchPart(format!("monitor at {port}")));
        }
        match &mut self.chip {
            Chip::Runs(simulation) => Ok(simulation.send(bytes)?),
            // Nobody hears it.
            Chip::Off | Chip::Waits => Ok(()),
        }
    }

    fn run_until(&mut self, deadline: DeviceTime) -> Result<Vec<TargetEvent>, TargetError> {
        if self.events.is_empty() && self.now < deadline {
            let span = Span::from_nanos(deadline.nanos() - self.now.nanos());
            match &mut self.chip {
                Chip::Runs(simulation) if !self.held => {
                    let happened = simulation.run(span)?;
                    let now = self.offset.saturating_add(simulation.now());
                    self.now = self.now.max(DeviceTime::from_nanos(now));
                    happened.into_iter().for_each(|it| self.happened(it));
                    self.look_at_pads()?;
                }
                Chip::Runs(_) => {
                    // Its own time stands still.
                    self.offset += span.nanos();
                    self.now = deadline;
                }
                Chip::Off | Chip::Waits => self.now = deadline,
            }
        }
        Ok(std::mem::take(&mut self.events))
    }

    fn finish(&mut self) -> MachineReport {
        self.stop();
        let Used { simulations, nanos } = self.used;
        let mut all = self.used_by_all.lock().unwrap_or_else(PoisonError::into_inner);
        all.simulations += simulations;
        all.nanos += nanos;
        drop(all);
        let seconds = nanos as f64 / 1e9;
        let note = format!(
            "{seconds:.3} s of simulated time in {simulations} runs at {}",
            self.door.server
        );
        MachineReport { time: self.now, notes: vec![note], ..MachineReport::default() }
    }
}
