//! The emulator as a target: the only file of the harness that names the emulated board.
//!
//! The flash is written directly, in no device time: what the loader protocol does is the business
//! of the tools that speak it. The rule of real boards holds all the same, that the chip must have
//! been reset into download mode before.

mod debugged;
mod engine;
mod parts;
mod place;
mod site;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use esp32_emulator::board::parts::auto_reset::CutWires;
pub use esp32_emulator::board::parts::auto_reset::{ModemLines, ModemWiring};
use esp32_emulator::board::parts::nor_flash::{self, FlashSize, PowerCut, Share};
use esp32_emulator::board::parts::psram::PsramSize;
use esp32_emulator::board::{
    Board, BootMode as Jumper, Edge, Neighbourhood, Options, Outcome, Profile, SiteEvent,
};
use esp32_emulator::net::{NetEvent, NetEventKind};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::peripherals::gpio::{PINS, PinState};
use esp32_emulator::peripherals::io_mux::Pull;
use esp32_emulator::rom::symbols::symbol_name;
use esp32_emulator::soc::access_log::{Access, Direction, Fidelity};
use esp32_emulator::soc::{Doing, Halt};
use esp32_emulator::time::{Duration, Instant};

pub use engine::{Engine, Execution};
use place::Place;

use super::adapter::Adapter;
use super::debugged::Debugged;
use super::network::Stations;
use super::part::{Finger, Shown};
use super::way_out::{self, Callee, WayOut};
use super::wiring_fault::WiringFault;
use super::{
    BootMode, Button, Capabilities, Capability, Compiling, Core, Disturbance, FlashOperation,
    Level, MachineReport, PinSetting, Port, Power, Progress, Target, TargetError, TargetEvent,
    TargetRequest, TargetSource, UnmodelledAccess,
};
use crate::packets::{Capture, Link};
use crate::serve::machine::Served;
use crate::site::{AirOf, Order};
use crate::time::DeviceTime;
use crate::wokwi::circuit::Circuit;
use crate::wokwi::guest_network;

/// What the smallest erase command erases.
const SECTOR: u32 = 0x1000;

/// What is said when firmware starts Bluetooth.
const NO_BLUETOOTH: &str = "Bluetooth is not modelled: the controller starts and never hears \
    anything, for its software is part of the mask ROM (`--rom FILE` runs a real ROM image)";

/// Makes emulated boards.
#[derive(Debug, Clone, Default)]
pub struct EmulatorSource {
    /// What every board runs.
    pub engine: Engine,
}

impl TargetSource for EmulatorSource {
    fn name(&self) -> &str {
        "emulator"
    }

    fn capabilities(&self) -> Capabilities {
        use Capability::{
            Air, AirControl, DrivePins, Faults, Flash, KeepFlash, Parts, Pins, Power, Reset,
            SaveState, SeeParts, Serial, SeveralBoards, Strap, VirtualTime,
        };
        [
            Air,
            AirControl,
            DrivePins,
            Faults,
            Flash,
            KeepFlash,
            Parts,
            Pins,
            Power,
            Reset,
            SaveState,
            SeeParts,
            Serial,
            SeveralBoards,
            Strap,
            VirtualTime,
        ]
        .into()
    }

    fn parts(&self, board: &str) -> Vec<String> {
        let buttons = Profile::named(board).map_or(&[][..], |profile| profile.buttons);
        let buttons = buttons.iter().map(|button| button.name.to_owned());
        ["esp".to_owned(), "reset".to_owned()].into_iter().chain(buttons).collect()
    }

    fn boards(&self) -> Vec<String> {
        Profile::ALL.iter().map(|profile| profile.name.to_owned()).collect()
    }

    fn drawn_parts(&self, circuit: &Circuit) -> Vec<String> {
        circuit.emulated_parts().collect()
    }

    fn open(&self, request: &TargetRequest) -> Result<Box<dyn Target>, TargetError> {
        let mut request = request.clone();
        // Firmware that was made for Wokwi finds his network.
        if let Some(circuit) = &request.circuit
            && request.site.is_none()
        {
            request.site = Some(circuit.site().cloned().unwrap_or_else(guest_network));
        }
        Ok(Box::new(Emulated::new(&request, &self.engine)?))
    }
}

/// The buttons of a profile besides that for reset: names and pads.
pub(crate) fn buttons(profile: &str) -> Vec<(String, u8)> {
    let buttons = Profile::named(profile).map_or(&[][..], |profile| profile.buttons);
    buttons.iter().map(|button| (button.name.to_owned(), button.gpio)).collect()
}

/// An emulated board.
#[derive(Debug)]
pub struct Emulated {
    place: Place,
    /// That of this one and its neighbours.
    engine: Engine,
    /// How often the flash was changed from outside.
    loads: u64,
    /// Loads and operations of the flash when its contents were last kept.
    kept: (u64, u64),
    /// What is on the wires of each port.
    adapters: [Adapter; 3],
    /// What things around it are called, if there are any.
    names: Option<Arc<site::Names>>,
    /// The address that it was seen to have last.
    address: Option<Ipv4Addr>,
    /// Addresses that were lent to other boards on the same air.
    others: BTreeSet<Ipv4Addr>,
    /// Where stations are that have joined its own network.
    stations: Stations,
    /// What leads to the real world.
    way_out: WayOut,
}

impl Emulated {
    /// A board as requested, powered off.
    ///
    /// # Errors
    /// When there is no such board or the flash contents do not fit.
    pub fn new(request: &TargetRequest, engine: &Engine) -> Result<Self, TargetError> {
        let mut board = board(request, engine)?;
        let Some(described) = &request.site else {
            let place = Place::Alone(Box::new(board));
            return Self::in_place(place, None, WayOut::default(), engine, request);
        };
        let (site, called, way_out) = site::made(described, &request.folders, request.seed)?;
        let place = match request.air {
            AirOf::OneBoard => {
                board.set_site(site);
                Place::Alone(Box::new(board))
            }
            AirOf::AllBoards => Place::among(Neighbourhood::new(site), board),
        };
        Self::in_place(place, Some(Arc::new(called)), way_out, engine, request)
    }

    fn in_place(
        place: Place,
        names: Option<Arc<site::Names>>,
        way_out: WayOut,
        engine: &Engine,
        request: &TargetRequest,
    ) -> Result<Self, TargetError> {
        let adapters = [0, 1, 2].map(|port| Adapter::new(request.seed.wrapping_mul(3) + port));
        let mut target = Self {
            place,
            engine: engine.clone(),
            loads: 0,
            kept: (0, 0),
            adapters,
            names,
            address: None,
            others: BTreeSet::new(),
            stations: Stations::default(),
            way_out,
        };
        for segment in &request.flash {
            target.load(segment.offset, &segment.bytes)?;
        }
        Ok(target)
    }

    /// Another board on the air of this one, as for [`Target::neighbour`].
    ///
    /// # Errors
    /// As for [`Emulated::new`].
    pub fn beside(&self, request: &TargetRequest) -> Result<Option<Self>, TargetError> {
        let Some(place) = self.place.beside(board(request, &self.engine)?) else {
            return Ok(None);
        };
        Self::in_place(place, self.names.clone(), WayOut::default(), &self.engine, request)
            .map(Some)
    }

    /// A copy that goes on from here independently; none if other boards are on the same air, or if
    /// something leads to the real world, in which a copy would have no part.
    pub fn copy(&self) -> Option<Self> {
        if self.way_out.is_there() {
            return None;
        }
        Some(Self {
            place: self.place.fork()?,
            engine: self.engine.clone(),
            adapters: self.adapters.clone(),
            names: self.names.clone(),
            others: self.others.clone(),
            stations: self.stations.clone(),
            way_out: WayOut::default(),
            ..*self
        })
    }

    /// Size of the flash in bytes.
    pub fn flash_size(&self) -> u32 {
        self.board().flash().size()
    }

    /// The whole flash.
    pub fn flash_contents(&self) -> Vec<u8> {
        let mut contents = vec![0xff; self.flash_size() as usize];
        // Reading exactly the chip's size from its start cannot be out of range.
        let _ = self.board().flash().read(0, &mut contents);
        contents
    }

    /// Instructions that the host has executed, for figures of speed.
    pub fn instructions(&self) -> u64 {
        self.board().instructions()
    }

    /// What compiling to host code has cost, if anything is compiled.
    pub fn compiling(&self) -> Option<Compiling> {
        let cost = self.board().chip().compiling()?;
        Some(Compiling {
            blocks: cost.blocks,
            refused: cost.refused,
            code_bytes: cost.code_bytes,
            memory_bytes: cost.memory_bytes,
            limit_bytes: cost.limit_bytes,
            us: cost.time.as_micros() as u64,
        })
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
            size: self.board().flash().size().into(),
        };
        self.loads += 1;
        self.board_mut().flash_mut().load(offset, bytes).map_err(|_| does_not_fit)
    }

    fn board(&self) -> impl Deref<Target = Board> {
        self.place.board()
    }

    fn board_mut(&mut self) -> impl DerefMut<Target = Board> {
        self.place.board_mut()
    }

    fn button(&self, name: &str) -> Result<esp32_emulator::board::Button, TargetError> {
        let button = self.board().profile().button(name);
        button.ok_or_else(|| TargetError::NoSuchPart(format!("button `{name}`")))
    }

    /// How many bytes a range has, if the flash has them all.
    fn readable(&self, offset: u32, length: u32) -> Result<usize, TargetError> {
        let size = self.board().flash().size();
        match offset.checked_add(length) {
            Some(end) if end <= size => Ok(length as usize),
            _ => Err(TargetError::DoesNotFit {
                offset: offset.into(),
                length: length.into(),
                size: size.into(),
            }),
        }
    }

    fn loader(&mut self, to: &'static str) -> Result<(), TargetError> {
        self.board_mut().finish_reset();
        match self.board().booted() {
            Some(Jumper::Download) => Ok(()),
            _ => Err(TargetError::NotInDownloadMode(to)),
        }
    }

    /// Runs until something happens or `deadline` is reached.
    fn run_to(&mut self, deadline: DeviceTime) -> Result<Vec<TargetEvent>, TargetError> {
        let deadline = Instant::ZERO + Duration::from_nanos(deadline.nanos());
        let outcome = self.place.run_until(deadline);
        if let Outcome::Halted(halt) = outcome {
            return Err(TargetError::Stopped(halted(&halt)));
        }
        let mut events: Vec<TargetEvent> = Vec::new();
        loop {
            let received = self.board_mut().take_serial();
            let Some(received) = received else { break };
            let (port, time) = (port(received.port), device_time(received.at));
            let baud = self.board().baud(received.port);
            let heard = self.adapters[usize::from(received.port)].hear(received.byte, baud);
            match events.last_mut() {
                _ if heard.is_empty() => {}
                Some(TargetEvent::Serial { port: p, time: t, bytes })
                    if *p == port && *t == time =>
                {
                    bytes.extend(heard);
                }
                _ => events.push(TargetEvent::Serial { port, time, bytes: heard }),
            }
        }
        while let Some(Edge { at, gpio, level }) = self.board_mut().take_edge() {
            events.push(TargetEvent::Pin { gpio, time: device_time(at), level: level.into() });
        }
        self.look_around(&mut events);
        if outcome == Outcome::PowerCut {
            events.push(TargetEvent::PowerLost { time: self.now() });
        }
        // Serial bytes and edges come from two queues; a stable sort keeps each in its order.
        events.sort_by_key(TargetEvent::time);
        Ok(events)
    }

    /// Takes what has happened around the board, and lets it reach the real world.
    fn look_around(&mut self, events: &mut Vec<TargetEvent>) {
        let Some(names) = &self.names else { return };
        while let Some(event) = self.place.take_site_event() {
            if let SiteEvent::Net(NetEvent { kind, .. }) = &event {
                self.stations.follow(kind);
                let own = self.place.own_mac();
                if let (NetEventKind::Leased { mac, address }, Some(own)) = (kind, own) {
                    match mac.0 == own {
                        true => self.others.remove(address),
                        false => self.others.insert(*address),
                    };
                }
                let seen = names.board_address(kind, &self.stations);
                self.address = seen.filter(|it| !self.others.contains(it)).or(self.address);
                self.way_out.hear(kind);
            }
            events.extend(names.told(event, &self.stations));
        }
        if self.way_out.is_busy() {
            let now = self.board().now();
            let (way_out, address) = (&mut self.way_out, self.address);
            let told =
                self.place.with_site(|site, _| way_out.exchange(&mut site.network, address, now));
            if let Some(told) = told {
                events.extend(told.into_iter().map(|line| TargetEvent::Site {
                    time: device_time(now),
                    event: crate::site::SiteEvent::Log(line),
                }));
            }
        }
        let now = device_time(self.board().now());
        self.way_out.pace(now);
    }
}

impl Served for Emulated {
    fn follow_speed(&mut self, port: Port) {
        self.adapters[usize::from(uart(port))].baud = None;
    }

    fn modem_wiring(&self) -> ModemWiring {
        self.board().profile().modem_wiring
    }

    fn modem_lines(&mut self, lines: ModemLines) {
        self.board_mut().set_modem_lines(lines);
    }

    fn set_wiring_faults(&mut self, faults: &[WiringFault]) {
        let adapter = &mut self.adapters[usize::from(uart(Port::Console))];
        adapter.computer_is_deaf = faults.iter().any(|fault| fault.deafens_computer());
        adapter.board_is_deaf = faults.iter().any(|fault| fault.deafens_board());
        self.board_mut().cut_wires(CutWires {
            dtr: faults.contains(&WiringFault::DtrCut),
            rts: faults.contains(&WiringFault::RtsCut),
            en: faults.contains(&WiringFault::EnCut),
            gpio0: faults.contains(&WiringFault::Gpio0Cut),
        });
    }

    fn under_way(&mut self, port: Port) -> usize {
        self.board_mut().sending(uart(port))
    }

    fn is_transferring(&mut self) -> bool {
        self.board_mut().is_transferring()
    }

    fn changed_flash(&mut self) -> Option<Vec<u8>> {
        let state = (self.loads, self.board().flash().operations());
        (std::mem::replace(&mut self.kept, state) != state).then(|| self.flash_contents())
    }

    fn flash(&self) -> Vec<u8> {
        self.flash_contents()
    }

    fn notes(&self) -> Vec<String> {
        let bluetooth = self.board().bluetooth_called().then(|| NO_BLUETOOTH.to_owned());
        bluetooth.into_iter().collect()
    }

    fn debugged(&mut self) -> Option<&mut dyn Debugged> {
        Some(self)
    }

    fn lead_in(&mut self, door: TcpListener, port: u16) -> std::io::Result<()> {
        self.way_out.add_door(door, "gateway", Callee::Board(port))
    }
}

impl Target for Emulated {
    fn now(&self) -> DeviceTime {
        device_time(self.board().now())
    }

    fn power(&mut self, power: Power) -> Result<(), TargetError> {
        match power {
            Power::On => self.board_mut().power_on(),
            Power::Off => self.board_mut().power_off(),
        }
        Ok(())
    }

    fn is_powered(&self) -> bool {
        self.board().is_powered()
    }

    fn boot_mode(&mut self, mode: BootMode) -> Result<(), TargetError> {
        self.board_mut().set_boot_mode(match mode {
            BootMode::Run => Jumper::Run,
            BootMode::Download => Jumper::Download,
        });
        Ok(())
    }

    fn press(&mut self, button: Button) -> Result<(), TargetError> {
        match button {
            Button::Reset => self.board_mut().press_reset(),
            Button::Named(name) => {
                let button = self.button(&name)?;
                self.board_mut().set_pressed(button, true);
            }
        }
        Ok(())
    }

    fn release(&mut self, button: Button) -> Result<(), TargetError> {
        match button {
            Button::Reset => self.board_mut().release_reset(),
            Button::Named(name) => {
                let button = self.button(&name)?;
                self.board_mut().set_pressed(button, false);
            }
        }
        Ok(())
    }

    fn erase_flash(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), TargetError> {
        self.loader("erased")?;
        let total = self.board().flash().size().into();
        self.loads += 1;
        self.board_mut().flash_mut().erase_all();
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

    fn erase_region(&mut self, offset: u32, length: u32) -> Result<(), TargetError> {
        self.loader("erased")?;
        if !offset.is_multiple_of(SECTOR) || !length.is_multiple_of(SECTOR) {
            return Err(TargetError::NotInSectors { offset, length, sector: SECTOR });
        }
        let ones = vec![0xff; self.readable(offset, length)?];
        self.load(offset, &ones)
    }

    fn read_flash(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, TargetError> {
        self.loader("read")?;
        let mut bytes = vec![0; self.readable(offset, length)?];
        // The range has just been checked.
        let _ = self.board().flash().read(offset, &mut bytes);
        Ok(bytes)
    }

    fn corrupt_flash(
        &mut self,
        offset: u32,
        length: u32,
        change: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), TargetError> {
        let mut bytes = vec![0; self.readable(offset, length)?];
        let _ = self.board().flash().read(offset, &mut bytes);
        change(&mut bytes);
        self.load(offset, &bytes)
    }

    fn send(&mut self, port: Port, bytes: &[u8]) -> Result<(), TargetError> {
        if !self.board().is_powered() {
            return Err(TargetError::NoPower("receive serial bytes"));
        }
        let uart = uart(port);
        let baud = self.board().baud(uart);
        for byte in bytes {
            for heard in self.adapters[usize::from(uart)].say(*byte, baud) {
                self.board_mut().send(uart, heard);
            }
        }
        Ok(())
    }

    fn set_baud(&mut self, port: Port, baud: u32) -> Result<(), TargetError> {
        self.adapters[usize::from(uart(port))].baud = Some(baud);
        Ok(())
    }

    fn send_break(&mut self, port: Port) -> Result<(), TargetError> {
        let uart = uart(port);
        if !self.adapters[usize::from(uart)].board_is_deaf {
            self.board_mut().send_break(uart);
        }
        Ok(())
    }

    fn pin(&mut self, gpio: u8) -> Result<Level, TargetError> {
        Ok(self.board().pin_level(pad(gpio)?).into())
    }

    fn pin_setting(&mut self, gpio: u8) -> Result<PinSetting, TargetError> {
        let (board, gpio) = (self.board(), pad(gpio)?);
        if !board.is_powered() {
            return Ok(PinSetting::default());
        }
        let PinState { enabled: drives, pull, .. } = board.chip().pin(gpio);
        let pull = match pull {
            Pull::None => None,
            Pull::Up => Some(Level::High),
            Pull::Down => Some(Level::Low),
        };
        Ok(PinSetting { drives, pull })
    }

    fn drive_pin(&mut self, gpio: u8, level: Option<Level>) -> Result<(), TargetError> {
        self.board_mut().drive_pin(pad(gpio)?, level.map(|level| level == Level::High));
        Ok(())
    }

    fn set_control(&mut self, part: &str, control: &str, value: f64) -> Result<(), TargetError> {
        let moved = self.board_mut().set_control(part, control, value);
        moved.map_err(|missing| parts::lacks(missing, part, control))
    }

    fn touch(&mut self, part: &str, finger: Finger) -> Result<(), TargetError> {
        parts::touch(&mut self.board_mut(), part, finger)
    }

    fn shown(&mut self, part: &str, what: &str) -> Result<Shown, TargetError> {
        let seen = self.board().shown(part, what);
        seen.map(parts::shown).map_err(|missing| parts::lacks(missing, part, what))
    }

    fn observe_pin(&mut self, gpio: u8) -> Result<(), TargetError> {
        self.board_mut().observe_pin(pad(gpio)?);
        Ok(())
    }

    fn disturb(&mut self, disturbance: Disturbance) -> Result<(), TargetError> {
        match disturbance {
            Disturbance::PowerCut { operation, nth } => {
                let operation = match operation {
                    FlashOperation::Erase => nor_flash::FlashOperation::Erase,
                    FlashOperation::Program => nor_flash::FlashOperation::Program,
                };
                let cut = PowerCut { operation, nth, share: Share::percent(50) };
                self.board_mut().flash_mut().cut_power_at(Some(cut));
            }
            Disturbance::SerialNoise { port, per_million } => {
                self.adapters[usize::from(uart(port))].noise_per_million = per_million;
            }
            Disturbance::SupplySag(low) => self.board_mut().set_supply_low(low),
        }
        Ok(())
    }

    fn run_until(&mut self, deadline: DeviceTime) -> Result<Vec<TargetEvent>, TargetError> {
        loop {
            let look = if self.way_out.is_busy() { self.now() + way_out::LOOK } else { deadline };
            let end = deadline.min(look);
            let events = self.run_to(end)?;
            // A debugger holds the chip before the end is reached.
            if !events.is_empty() || self.now() < end || end == deadline {
                return Ok(events);
            }
        }
    }

    fn order(&mut self, order: Order) -> Result<(), TargetError> {
        let now = self.board().now();
        let names = self.names.clone().ok_or_else(site::none)?;
        let (address, stations) = (self.address, &self.stations);
        let done = self.place.with_site(|site, _| names.order(site, order, address, stations, now));
        done.unwrap_or_else(|| Err(site::none()))
    }

    fn start_capture(&mut self, link: Link) -> Result<(), TargetError> {
        let started = self.place.with_site(|site, board| site::start_capture(site, board, link));
        started.ok_or_else(site::none)
    }

    fn take_capture(&mut self) -> Result<Capture, TargetError> {
        self.place.with_site(site::take_capture).unwrap_or_else(|| Err(site::none()))
    }

    fn neighbour(
        &mut self,
        request: &TargetRequest,
    ) -> Option<Result<Box<dyn Target>, TargetError>> {
        let beside = self.beside(request).transpose()?;
        Some(beside.map(|target| Box::new(target) as Box<dyn Target>))
    }

    fn attend(&mut self) {
        self.place.attend();
    }

    fn leave(&mut self) {
        self.place.leave();
    }

    fn finish(&mut self) -> MachineReport {
        let (notes, host_compiling) = (self.notes(), self.compiling());
        let board = self.board();
        let accesses = board.accesses();
        let mut stored_only: Vec<(String, u64)> = Vec::new();
        for access in accesses.iter().filter(|access| access.fidelity == Fidelity::Stores) {
            match stored_only.last_mut() {
                Some((device, count)) if device == access.device => *count += access.count,
                _ => stored_only.push((access.device.to_owned(), access.count)),
            }
        }
        MachineReport {
            time: device_time(board.now()),
            event_hash: Some(format!("{:016x}", board.event_hash())),
            host_instructions: Some(board.instructions()),
            host_compiling,
            unmodelled: accesses
                .iter()
                .filter(|access| access.fidelity == Fidelity::Unmodelled)
                .map(unmodelled)
                .collect(),
            stored_only,
            notes,
            ..MachineReport::default()
        }
    }

    fn fork(&self) -> Option<Box<dyn Target>> {
        Some(Box::new(self.copy()?))
    }

    fn standing(&self) -> Vec<Core> {
        if !self.board().is_powered() {
            return Vec::new();
        }
        let board = self.board();
        let core = |name, id| {
            let standing = board.chip().standing(id);
            Core {
                name,
                pc: standing.pc,
                symbol: symbol_name(standing.pc).map(|(name, behind)| match behind {
                    0 => format!("ROM: {name}"),
                    _ => format!("ROM: {name}+{behind:#x}"),
                }),
                doing: match standing.doing {
                    Doing::Executing => "executes",
                    Doing::Waiting => "waits for an interrupt",
                    Doing::Stopped => "is held",
                    Doing::Sleeping => "sleeps",
                },
            }
        };
        vec![core("PRO_CPU", CoreId::Pro), core("APP_CPU", CoreId::App)]
    }

    fn is_dead(&self) -> bool {
        self.board().is_dead()
    }

    fn served(self: Box<Self>) -> Option<Box<dyn Served>> {
        Some(self)
    }
}

/// The memory chips that are asked for instead of the board's own.
fn memories(
    request: &TargetRequest,
) -> Result<(Option<FlashSize>, Option<PsramSize>), TargetError> {
    let flash = |megabytes: u32| match megabytes {
        1 => Some(FlashSize::MiB1),
        2 => Some(FlashSize::MiB2),
        4 => Some(FlashSize::MiB4),
        8 => Some(FlashSize::MiB8),
        16 => Some(FlashSize::MiB16),
        _ => None,
    };
    let psram = |megabytes: u32| match megabytes {
        2 => Some(PsramSize::MiB2),
        4 => Some(PsramSize::MiB4),
        8 => Some(PsramSize::MiB8),
        _ => None,
    };
    let none = |what| move || TargetError::CannotOpen(format!("there is no {what} of that size"));
    let flash = request.flash_megabytes.map(|size| flash(size).ok_or_else(none("flash chip")));
    let psram = request.psram_megabytes.map(|size| psram(size).ok_or_else(none("PSRAM")));
    Ok((flash.transpose()?, psram.transpose()?))
}

/// A board as requested, powered off, its flash blank.
fn board(request: &TargetRequest, engine: &Engine) -> Result<Board, TargetError> {
    let Some(profile) = Profile::named(&request.board) else {
        return Err(TargetError::NoSuchPart(format!("profile `{}`", request.board)));
    };
    let (flash, psram) = memories(request)?;
    let (number, seed, mac) = (request.number, request.seed, request.mac);
    let options = Options { number, mac, seed, flash, psram, ..Options::default() };
    let mut board = engine.board(profile, options, request.air);
    for part in &request.parts {
        parts::fit(&mut board, part)?;
    }
    for [a, b] in request.loop_backs.iter().map(|it| it.ends()) {
        board.wire(pad(a)?, pad(b)?);
    }
    Ok(board)
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
        Halt::UnprovidedRom { core, pc, caller } => {
            let name = match symbol_name(*pc) {
                Some((name, 0)) => format!("`{name}`"),
                Some((name, offset)) => format!("`{name}` + {offset:#x}"),
                None => "no known function".to_owned(),
            };
            format!(
                "core {core} called the ROM at {pc:#010x}, {name}, from {caller:#010x}, \
                 and nothing is provided there (`--rom FILE` runs a real ROM image)"
            )
        }
        Halt::Parted(parting) => {
            format!("the other run did something else up to cycle {}", parting.cycle)
        }
    }
}

/// A pad of the chip.
fn pad(gpio: u8) -> Result<u8, TargetError> {
    if gpio < PINS { Ok(gpio) } else { Err(TargetError::NoSuchPart(format!("GPIO{gpio}"))) }
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
        Emulated::new(&request, &Engine::default()).expect("a known board")
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

    /// What a board in download mode says at its console, and what it answers to SYNC.
    fn conversation(faults: &[WiringFault]) -> (Vec<u8>, Vec<u8>) {
        let mut target = board();
        target.set_wiring_faults(faults);
        target.boot_mode(BootMode::Download).unwrap();
        target.power(Power::On).unwrap();
        let hear = |target: &mut Emulated, span| {
            let (end, mut heard) = (target.now() + span, Vec::new());
            while target.now() < end {
                for event in target.run_until(end).unwrap() {
                    if let TargetEvent::Serial { bytes, .. } = event {
                        heard.extend(bytes);
                    }
                }
            }
            heard
        };
        let banner = hear(&mut target, Span::from_millis(100));
        let mut sync = vec![0xc0, 0x00, 0x08, 36, 0, 0, 0, 0, 0, 0x07, 0x07, 0x12, 0x20];
        sync.extend([0x55; 32]);
        sync.push(0xc0);
        // The ROM measures the speed on the first ones.
        let mut attempts = (0..8).map(|_| {
            target.send(Port::Console, &sync).unwrap();
            hear(&mut target, Span::from_millis(50))
        });
        (banner, attempts.find(|heard| !heard.is_empty()).unwrap_or_default())
    }

    #[test]
    fn a_cut_wire_is_silent_in_its_direction_and_swapped_wires_are_in_both() {
        let says = |bytes: &[u8]| !bytes.is_empty();
        for (faults, expected) in [
            (&[][..], (true, true)),
            (&[WiringFault::RxCut], (true, false)),
            (&[WiringFault::TxCut], (false, false)),
            (&[WiringFault::TxRxSwapped], (false, false)),
            (&[WiringFault::EnCut, WiringFault::DtrCut], (true, true)),
        ] {
            let (banner, answer) = conversation(faults);
            assert_eq!((says(&banner), says(&answer)), expected, "{faults:?}");
        }
    }

    #[test]
    fn over_a_cut_tx_wire_the_board_still_hears() {
        let mut target = board();
        target.set_wiring_faults(&[WiringFault::TxCut]);
        target.power(Power::On).unwrap();
        target.send(Port::Console, b"abc").unwrap();
        assert_eq!(target.under_way(Port::Console), 3);
        target.set_wiring_faults(&[WiringFault::RxCut]);
        target.send(Port::Console, b"abc").unwrap();
        assert_eq!(target.under_way(Port::Console), 3, "lost at once");
    }

    #[test]
    fn modem_lines_reach_the_board_over_whole_wires_only() {
        let asserted = ModemLines { dtr: false, rts: true };
        for (fault, is_reset) in [
            (WiringFault::EnCut, false),
            (WiringFault::DtrCut, false),
            (WiringFault::RtsCut, false),
            (WiringFault::Gpio0Cut, true),
            (WiringFault::TxRxSwapped, true),
        ] {
            let mut target = board();
            target.set_wiring_faults(&[fault]);
            target.power(Power::On).unwrap();
            target.modem_lines(asserted);
            assert_eq!(target.board().is_reset_held(), is_reset, "{fault}");
        }
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
    fn other_memory_chips_than_the_boards_own_are_those_that_there_are() {
        let with = |flash_megabytes, psram_megabytes| {
            let board = "esp32-devkit".to_owned();
            let asked =
                TargetRequest { board, flash_megabytes, psram_megabytes, ..Default::default() };
            Emulated::new(&asked, &Engine::default()).map(|target| target.flash_size() >> 20)
        };
        assert_eq!((with(None, None).ok(), with(Some(16), Some(8)).ok()), (Some(4), Some(16)));
        assert!(with(Some(3), None).is_err() && with(None, Some(1)).is_err());
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
