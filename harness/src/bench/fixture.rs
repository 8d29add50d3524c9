//! A board of the bench in its fixture: what a hand at the bench can do with it.
//!
//! Trouble of the bench is met with a ladder of remedies before it becomes an error: reset again,
//! open the port again, reset the USB device, switch the power off and on. Every rung that is tried
//! is told as a remark, and an adapter that has gone is looked for again by what identifies it.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::adapters::{self, Adapter, AdapterError, ModemLines, PortName, ROM_BAUD};
use super::description::BoardEntry;
use super::discover;
use super::loader::{Chip, Loader, LoaderError, Mac, SECTOR};
use super::lock::{BoardLock, LockError, LockNews, Locks, Wanted};
use super::power::{Ask, PowerError, PowerSwitch};
use super::reset::{ResetWiring, STRAP};
use crate::serve::orders::Order;
use crate::serve::remote::{Remote, RemoteError};
use crate::targets::{BootMode, Capabilities, Capability, Power, Progress};

/// How long EN is held down where nobody says how long.
const PRESSED: Duration = Duration::from_millis(100);
/// How long the supply stays off where nobody says how long: long enough for capacitors.
const OFF: Duration = Duration::from_secs(1);
/// When a line has certainly changed.
const SETTLED: Duration = Duration::from_millis(50);
/// How long the ROM may take to greet, with a slow computer and a slow network between.
const GREETING: Duration = Duration::from_secs(3);
/// How long an adapter may be away.
const AWAY: Duration = Duration::from_secs(15);
/// Between two looks whether it is back.
const LOOK: Duration = Duration::from_millis(200);
/// Attempts to get a chip into the boot mode that it shall have.
const ATTEMPTS: usize = 3;

/// What every ESP32 says at a reset: `rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)`. Other
/// numbers are those of resets that the chip gives itself.
const RESET_LINE: &[u8] = b"rst:0x1 (";
/// More than all that it says until it boots or waits.
const LONGEST_GREETING: usize = 1 << 10;
/// What it says in download mode.
const WAITING: &[u8] = b"waiting for download";

/// Trouble of the bench.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FixtureError {
    /// The adapter.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The serial loader.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// The power driver.
    #[error(transparent)]
    Power(#[from] PowerError),
    /// Somebody else has the board.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No port is like what bench.toml says.
    #[error("no adapter is {what}: is it plugged in? `benchrig boards` lists what there is")]
    NoPort {
        /// What was looked for.
        what: String,
    },
    /// The control socket of a served board.
    #[error(transparent)]
    Ctl(#[from] RemoteError),
    /// A person had to do something and nobody was there, or did not.
    #[error("{0}")]
    Operator(String),
    /// There is no way to do it on this board.
    #[error("{board} cannot {what}: its entry in bench.toml says no way")]
    NoWay {
        /// Which board.
        board: String,
        /// What was asked.
        what: &'static str,
    },
    /// The chip does not greet after a reset.
    #[error(
        "{board} says nothing after a reset (tried: {tried}); `benchrig doctor {board}` looks which \
         wire is wrong"
    )]
    NoBanner {
        /// Which board.
        board: String,
        /// The rungs of the ladder.
        tried: String,
    },
    /// The chip starts in the wrong mode again and again.
    #[error(
        "{board} {is} though it shall {shall}; `benchrig doctor {board}` looks which wire is wrong"
    )]
    WrongMode {
        /// Which board.
        board: String,
        /// What it does.
        is: &'static str,
        /// What it shall do.
        shall: &'static str,
    },
    /// It is another board than bench.toml says.
    #[error(
        "{board} shall have the address {expected} and has {found}: nothing was erased or written"
    )]
    WrongMac {
        /// Which board.
        board: String,
        /// As bench.toml says.
        expected: Mac,
        /// As the chip says.
        found: Mac,
    },
    /// The size of the flash is not known.
    #[error("the flash chip identifies itself as {id:#08x}, which tells no size")]
    UnknownFlash {
        /// As RDID gives it.
        id: u32,
    },
}

/// What has come from the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Bytes from its console.
    Bytes(Vec<u8>),
    /// Something that the person should know.
    Remark(String),
}

/// A board and what reaches it.
pub struct Fixture {
    name: String,
    entry: BoardEntry,
    wiring: ResetWiring,
    port: PortName,
    adapter: Option<Box<dyn Adapter>>,
    switch: Option<Box<dyn PowerSwitch>>,
    remote: Option<Remote>,
    ask: Ask,
    is_powered: bool,
    mode: BootMode,
    baud: u32,
    /// What the chip in download mode is, once it has been asked.
    chip: Option<Chip>,
    heard: VecDeque<(Instant, Heard)>,
    lock: Option<BoardLock>,
}

impl Fixture {
    /// Takes the board, waiting up to `patience` for it, and opens its port. Nothing is reset yet.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn take(
        name: &str,
        entry: &BoardEntry,
        ask: Ask,
        patience: Duration,
    ) -> Result<Self, FixtureError> {
        let mut heard = VecDeque::new();
        let command: Vec<_> = std::env::args().collect();
        let wanted = Wanted {
            board: name,
            identity: &identity(entry),
            command: &command.join(" "),
            patience,
        };
        let mut news = |news: LockNews| {
            heard.push_back((Instant::now(), Heard::Remark(news.to_string())));
        };
        let never = AtomicBool::new(false);
        let lock = Locks::of_this_user()?.take(&wanted, &never, &mut news)?;
        let port = locate(entry)?;
        let adapter = adapters::open(&port)?;
        let mut fixture = Self::around(name, entry, ask, (port, adapter))?;
        fixture.lock = Some(lock);
        fixture.heard = heard;
        Ok(fixture)
    }

    /// A board whose adapter is open.
    fn around(
        name: &str,
        entry: &BoardEntry,
        ask: Ask,
        (port, adapter): (PortName, Box<dyn Adapter>),
    ) -> Result<Self, FixtureError> {
        let wiring = entry.wiring(adapter.has_modem_lines());
        let remote = match &wiring {
            ResetWiring::Ctl(name) => Some(Remote::of(name)?),
            _ => None,
        };
        Ok(Self {
            name: name.to_owned(),
            switch: entry.power.as_ref().map(|driver| driver.open(ask.clone())).transpose()?,
            entry: entry.clone(),
            wiring,
            port,
            adapter: Some(adapter),
            remote,
            ask,
            // Somebody may have left it off; who wants to know switches it.
            is_powered: true,
            mode: BootMode::Run,
            baud: ROM_BAUD,
            chip: None,
            heard: VecDeque::new(),
            lock: None,
        })
    }

    /// What can be done with the board.
    pub fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::from([Capability::Serial]);
        if self.wiring != ResetWiring::None {
            can.insert(Capability::Reset);
        }
        if self.wiring.has_strap() {
            can.extend([Capability::Strap, Capability::Flash]);
        }
        if self.switch.is_some() {
            can.insert(Capability::Power);
        }
        if self.entry.faults.is_some() {
            can.insert(Capability::Faults);
        }
        can
    }

    /// Its name on the bench.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its port is now.
    pub fn port(&self) -> &PortName {
        &self.port
    }

    /// Whether it has power, as far as anybody knows.
    pub fn is_powered(&self) -> bool {
        self.is_powered
    }

    /// What has come, with the moment; waits up to `patience` for it.
    ///
    /// # Errors
    /// When the adapter has gone and does not come back.
    pub fn hear(&mut self, patience: Duration) -> Result<Option<(Instant, Heard)>, FixtureError> {
        if self.heard.is_empty() {
            self.listen(patience)?;
        }
        Ok(self.heard.pop_front())
    }

    /// The remarks that nobody has heard yet. What the board said before them is dropped.
    pub fn take_remarks(&mut self) -> Vec<String> {
        let heard = self.heard.drain(..).filter_map(|(_, heard)| match heard {
            Heard::Remark(text) => Some(text),
            Heard::Bytes(_) => None,
        });
        heard.collect()
    }

    /// Listens until nothing comes for `quiet`, or `limit` is over.
    ///
    /// # Errors
    /// When the adapter has gone and does not come back.
    pub fn wait_for_quiet(&mut self, quiet: Duration, limit: Duration) -> Result<(), FixtureError> {
        let end = Instant::now() + limit;
        while self.listen(quiet)? && Instant::now() < end {}
        Ok(())
    }

    /// Keeps what comes within `patience`, bytes or remarks; whether anything did. If not, the time
    /// is over.
    fn listen(&mut self, patience: Duration) -> Result<bool, FixtureError> {
        let mut piece = [0; 4096];
        let read = match &mut self.adapter {
            Some(adapter) => adapter.read(&mut piece, patience),
            // Without power an adapter may be away for as long as that lasts.
            None if !self.is_powered => {
                std::thread::sleep(patience);
                return Ok(false);
            }
            None => {
                self.return_of_adapter("it went when the power did")?;
                return Ok(true);
            }
        };
        match read {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.heard.push_back((Instant::now(), Heard::Bytes(piece[..count].to_vec())));
                Ok(true)
            }
            Err(AdapterError::Gone { reason, .. }) if !self.is_powered => {
                self.remark(format!("the adapter has gone with the power: {reason}"));
                self.adapter = None;
                Ok(true)
            }
            Err(AdapterError::Gone { reason, .. }) => {
                self.return_of_adapter(&reason)?;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn remark(&mut self, text: String) {
        self.heard.push_back((Instant::now(), Heard::Remark(text)));
    }

    /// Waits until an adapter that has gone is back, perhaps under another path.
    fn return_of_adapter(&mut self, reason: &str) -> Result<(), FixtureError> {
        let since = Instant::now();
        loop {
            match self.reopen() {
                Ok(()) => break,
                Err(error) if since.elapsed() >= AWAY => return Err(error),
                Err(_) => std::thread::sleep(LOOK),
            }
        }
        let (port, away) = (&self.port, since.elapsed().as_millis());
        self.remark(format!("{port} had gone ({reason}) and is back after {away} ms"));
        Ok(())
    }

    /// Opens the port where it is now.
    fn reopen(&mut self) -> Result<(), FixtureError> {
        // Most ports can be opened only once.
        self.adapter = None;
        let port = locate(&self.entry)?;
        let mut adapter = adapters::open(&port)?;
        // A pseudo-terminal and raw TCP have no speed.
        let _ = adapter.set_baud(self.baud);
        (self.port, self.adapter) = (port, Some(adapter));
        // Who talked to the loader has to begin anew.
        self.chip = None;
        Ok(())
    }

    /// Does what can be done twice; if the adapter has gone, when it is back.
    fn again_if_gone(
        &mut self,
        act: impl Fn(&mut dyn Adapter) -> Result<(), AdapterError>,
    ) -> Result<(), FixtureError> {
        match act(self.adapter()?) {
            Err(AdapterError::Gone { reason, .. }) => {
                self.return_of_adapter(&reason)?;
                Ok(act(self.adapter()?)?)
            }
            done => Ok(done?),
        }
    }

    fn set_lines(&mut self, lines: ModemLines) -> Result<(), FixtureError> {
        self.again_if_gone(|adapter| adapter.set_lines(lines))
    }

    fn adapter(&mut self) -> Result<&mut dyn Adapter, FixtureError> {
        if self.adapter.is_none() {
            self.return_of_adapter("it was away")?;
        }
        match &mut self.adapter {
            Some(adapter) => Ok(&mut **adapter),
            None => Err(FixtureError::NoPort { what: self.port.to_string() }),
        }
    }

    /// Lets time pass, keeping what comes.
    fn hold(&mut self, span: Duration) -> Result<(), FixtureError> {
        let end = Instant::now() + span;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.listen(left)? {
                return Ok(());
            }
        }
    }

    /// Sends bytes to the console.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), FixtureError> {
        Ok(self.adapter()?.write(bytes)?)
    }

    /// The speed of the console, in baud.
    ///
    /// # Errors
    /// When the port has no speed.
    pub fn set_baud(&mut self, baud: u32) -> Result<(), FixtureError> {
        self.again_if_gone(|adapter| adapter.set_baud(baud))?;
        self.baud = baud;
        Ok(())
    }

    /// Sends a break.
    ///
    /// # Errors
    /// When the port cannot.
    pub fn send_break(&mut self) -> Result<(), FixtureError> {
        Ok(self.adapter()?.send_break()?)
    }

    /// Sets the strap; it counts at the next reset.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn boot_mode(&mut self, mode: BootMode) -> Result<(), FixtureError> {
        let download = mode == BootMode::Download;
        match &self.wiring {
            ResetWiring::Ctl(_) => self.order(&Order::BootMode { download })?,
            ResetWiring::Operator if mode != self.mode => self.ask(match mode {
                BootMode::Download => "connect GPIO0 with GND (the boot jumper)",
                BootMode::Run => "take the jumper between GPIO0 and GND away",
            })?,
            ResetWiring::Power | ResetWiring::None if download => {
                return Err(self.no_way("choose the boot mode"));
            }
            _ => {}
        }
        self.mode = mode;
        Ok(())
    }

    fn order(&mut self, order: &Order) -> Result<(), FixtureError> {
        let Some(remote) = &mut self.remote else { return Err(self.no_way("be reset")) };
        Ok(remote.order(order).map(drop)?)
    }

    fn ask(&mut self, what: &str) -> Result<(), FixtureError> {
        let text = format!("{}: {what}", self.name);
        match &self.ask {
            None => Err(FixtureError::Operator(format!("{text} (nobody is there to be asked)"))),
            Some(ask) => ask(&text).map_err(|error| FixtureError::Operator(error.to_string())),
        }
    }

    fn no_way(&self, what: &'static str) -> FixtureError {
        FixtureError::NoWay { board: self.name.clone(), what }
    }

    /// Begins a reset: EN goes down where a line does that.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn press_reset(&mut self) -> Result<(), FixtureError> {
        self.leave_loader()?;
        match self.wiring.sequence(self.mode) {
            Some(sequence) => self.set_lines(sequence.press),
            // Button, jumper and supply act when the reset ends.
            None if self.wiring == ResetWiring::None => Err(self.no_way("be reset")),
            None => Ok(()),
        }
    }

    /// Ends a reset, and sees by the banner that the chip has started as it shall.
    ///
    /// # Errors
    /// Trouble of the bench, after the ladder of remedies.
    pub fn release_reset(&mut self) -> Result<(), FixtureError> {
        let before = self.heard.len();
        self.release()?;
        self.see_that_it_started(before)
    }

    /// A whole reset.
    ///
    /// # Errors
    /// As for its parts.
    pub fn reset(&mut self) -> Result<(), FixtureError> {
        self.press_reset()?;
        self.hold(PRESSED)?;
        self.release_reset()
    }

    fn release(&mut self) -> Result<(), FixtureError> {
        if let Some(sequence) = self.wiring.sequence(self.mode) {
            for (lines, span) in sequence.release {
                self.set_lines(*lines)?;
                self.hold(*span)?;
            }
            return Ok(());
        }
        match &self.wiring {
            ResetWiring::Ctl(_) => {
                let for_ns = PRESSED.as_nanos() as u64;
                self.order(&Order::Press { button: "reset".to_owned(), for_ns })
            }
            ResetWiring::Operator => self.ask("press the reset button (EN) and let it go"),
            ResetWiring::Power => self.cycle(),
            _ => Err(self.no_way("be reset")),
        }
    }

    /// The speed goes back to the console's when the loader ends.
    fn leave_loader(&mut self) -> Result<(), FixtureError> {
        if self.chip.take().is_some() && self.entry.flash_baud != self.baud {
            let baud = self.baud;
            self.again_if_gone(|adapter| adapter.set_baud(baud))?;
        }
        Ok(())
    }

    fn see_that_it_started(&mut self, mut before: usize) -> Result<(), FixtureError> {
        // At another speed the banner is unreadable.
        if !self.entry.banner || self.baud != ROM_BAUD {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            match (self.greeting(before)?, self.mode) {
                (Greeting::Boots, BootMode::Run) | (Greeting::Waits, BootMode::Download) => {
                    return Ok(());
                }
                (Greeting::Silence, _) => return self.climb(),
                (Greeting::Waits, BootMode::Run) => {
                    self.remark(
                        "the chip waited for a download and shall run: it is reset again".into(),
                    );
                }
                (Greeting::Boots, BootMode::Download) => {
                    self.remark("the chip ran and shall wait for a download: reset again".into());
                }
            }
            before = self.heard.len();
            self.reset_blindly()?;
        }
        let (is, shall) = match self.mode {
            BootMode::Run => ("waits for a download", "run"),
            BootMode::Download => ("runs", "wait for a download"),
        };
        Err(FixtureError::WrongMode { board: self.name.clone(), is, shall })
    }

    /// A reset into a boot mode, and what the chip does then. Nothing is tried against silence.
    pub(super) fn try_reset(&mut self, mode: BootMode) -> Result<Start, FixtureError> {
        self.boot_mode(mode)?;
        self.press_reset()?;
        // What was under way comes now.
        self.hold(PRESSED)?;
        let before = self.heard.len();
        self.release()?;
        self.started(before)
    }

    /// Starts the chip otherwise than over the adapter's lines: by its supply, or by a person who
    /// presses its button. Nothing if there is neither.
    pub(super) fn try_other_start(
        &mut self,
        mode: BootMode,
    ) -> Result<Option<Start>, FixtureError> {
        let by_hand = self.switch.is_none();
        if by_hand && (self.ask.is_none() || self.wiring == ResetWiring::Operator) {
            return Ok(None);
        }
        self.leave_loader()?;
        self.boot_mode(mode)?;
        if !by_hand {
            self.switch(Power::Off)?;
            self.hold(OFF)?;
        }
        let before = self.heard.len();
        self.strap_for_power_on(true)?;
        match by_hand {
            true => self.ask("press the reset button (EN) and let it go")?,
            false => self.switch(Power::On)?,
        }
        let start = self.started(before)?;
        self.strap_for_power_on(false)?;
        Ok(Some(start))
    }

    fn started(&mut self, before: usize) -> Result<Start, FixtureError> {
        let greeting = self.greeting(before)?;
        let said = self.heard.iter().skip(before).flat_map(bytes).copied().collect();
        Ok(Start { greeting, said })
    }

    /// Has a person do something; whether there is one.
    pub(super) fn ask_if_present(&mut self, what: &str) -> Result<bool, FixtureError> {
        if self.ask.is_some() {
            self.ask(what)?;
        }
        Ok(self.ask.is_some())
    }

    /// Whether the power can be switched.
    pub(super) fn has_power_switch(&self) -> bool {
        self.switch.is_some()
    }

    /// Whether the firmware says anything when Enter is pressed; nothing if it talks all the time.
    pub(super) fn answers(&mut self, patience: Duration) -> Result<Option<bool>, FixtureError> {
        let end = Instant::now() + patience;
        while self.listen(SETTLED)? {
            if Instant::now() >= end {
                return Ok(None);
            }
        }
        self.send(b"\r")?;
        self.listen(patience).map(Some)
    }

    /// Whether DTR and RTS exist.
    pub(super) fn has_modem_lines(&self) -> bool {
        self.adapter.as_ref().is_some_and(|adapter| adapter.has_modem_lines())
    }

    /// How it is reset.
    pub(super) fn wiring(&self) -> &ResetWiring {
        &self.wiring
    }

    /// A reset whose outcome somebody else looks at.
    fn reset_blindly(&mut self) -> Result<(), FixtureError> {
        self.press_reset()?;
        self.hold(PRESSED)?;
        self.release()
    }

    /// Listens for the banner; what came before it stays in the order it came.
    fn greeting(&mut self, before: usize) -> Result<Greeting, FixtureError> {
        let latest = Instant::now() + GREETING + AWAY;
        let mut end = Instant::now() + GREETING;
        // The end of what is said, with the last line of a reset if there is one.
        let (mut said, mut looked_at) = (Vec::new(), before);
        loop {
            said.extend(self.heard.iter().skip(looked_at).flat_map(bytes));
            looked_at = self.heard.len();
            if let Some(at) = last(&said, RESET_LINE) {
                said.drain(..at);
                if last(&said, WAITING).is_some() {
                    return Ok(Greeting::Waits);
                }
                // The line names the mode; after it either the loader waits or the boot goes on.
                if said.contains(&b'\n') && last(&said, b"DOWNLOAD").is_none() {
                    return Ok(Greeting::Boots);
                }
            }
            said.drain(..said.len().saturating_sub(LONGEST_GREETING));
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.listen(left)? {
                return Ok(Greeting::Silence);
            }
            if let Some((_, Heard::Remark(_))) = self.heard.back() {
                // The adapter was away, and nothing could be heard.
                end = latest.min(Instant::now() + GREETING);
            }
        }
    }

    /// The ladder for a board that says nothing.
    fn climb(&mut self) -> Result<(), FixtureError> {
        let mut tried = Vec::new();
        for rung in Rung::ALL {
            match self.step_on(rung) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(error) => {
                    self.remark(format!("{rung}: {error}"));
                    tried.push(format!("{rung}, in vain"));
                    continue;
                }
            }
            tried.push(rung.to_string());
            let before = self.heard.len();
            self.remark(format!("the board said nothing after a reset: {rung}"));
            self.reset_blindly()?;
            if self.greeting(before)? != Greeting::Silence {
                self.remark(format!("it greets again after: {rung}"));
                return Ok(());
            }
        }
        Err(FixtureError::NoBanner { board: self.name.clone(), tried: tried.join("; ") })
    }

    /// Tries a remedy; whether there is one.
    fn step_on(&mut self, rung: Rung) -> Result<bool, FixtureError> {
        match rung {
            Rung::Reset => {}
            Rung::Reopen => self.reopen()?,
            Rung::UsbReset => match &self.port {
                PortName::Local(path) if discover::reset_usb(path) => {
                    self.return_of_adapter("its USB device was reset")?;
                }
                _ => return Ok(false),
            },
            Rung::PowerCycle if self.switch.is_some() => self.cycle()?,
            Rung::PowerCycle => return Ok(false),
        }
        Ok(true)
    }

    /// Switches the power. Where nobody can, switching on is a reset, so that the chip starts.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn power(&mut self, power: Power) -> Result<(), FixtureError> {
        match (&self.switch, power) {
            (None, Power::Off) => Err(self.no_way("be switched off")),
            (None, Power::On) if self.wiring == ResetWiring::None => Ok(()),
            (None, Power::On) => self.reset(),
            (Some(_), Power::Off) => self.switch(Power::Off),
            (Some(_), Power::On) if self.is_powered => Ok(()),
            (Some(_), Power::On) => {
                let before = self.heard.len();
                self.strap_for_power_on(true)?;
                self.switch(Power::On)?;
                self.see_that_it_started(before)?;
                self.strap_for_power_on(false)
            }
        }
    }

    /// A line that pulls GPIO0 down must do so when the supply comes.
    fn strap_for_power_on(&mut self, pull: bool) -> Result<(), FixtureError> {
        match (self.wiring.sequence(self.mode), self.mode) {
            (Some(_), BootMode::Download) if self.adapter.is_some() => {
                let lines = if pull { STRAP } else { Default::default() };
                self.set_lines(lines)?;
                // Nobody says when a line at the other end of a network has changed.
                self.hold(SETTLED)
            }
            _ => Ok(()),
        }
    }

    fn switch(&mut self, power: Power) -> Result<(), FixtureError> {
        self.leave_loader()?;
        if let Some(switch) = &mut self.switch {
            switch.switch(power)?;
        }
        self.is_powered = power == Power::On;
        Ok(())
    }

    /// The power has failed without anybody switching it.
    pub fn power_lost(&mut self) {
        self.is_powered = false;
    }

    fn cycle(&mut self) -> Result<(), FixtureError> {
        self.switch(Power::Off)?;
        self.hold(OFF)?;
        self.switch(Power::On)
    }

    /// What the chip says of itself; it must be waiting for a download.
    ///
    /// # Errors
    /// [`LoaderError::NoLoader`] when it is not.
    pub fn chip(&mut self) -> Result<Chip, FixtureError> {
        if let Some(chip) = self.chip {
            return Ok(chip);
        }
        let console = self.baud;
        let has_speed = self.adapter()?.set_baud(console).is_ok();
        let baud = if has_speed { self.entry.flash_baud } else { ROM_BAUD };
        let chip = match Loader::connect(self.adapter()?, baud) {
            Ok((_, chip)) => chip,
            Err(error) => {
                // It may have failed at the new speed.
                if has_speed {
                    self.adapter()?.set_baud(console)?;
                }
                return Err(error.into());
            }
        };
        self.chip = Some(chip);
        // From the reset on the line was the loader's, and nobody has asked what it said.
        self.heard.retain(|(_, heard)| matches!(heard, Heard::Remark(_)));
        Ok(chip)
    }

    fn loader(&mut self) -> Result<Loader<'_>, FixtureError> {
        self.chip()?;
        Ok(Loader::resume(self.adapter()?))
    }

    /// The chip's address. Only the board that bench.toml means may be changed.
    pub(super) fn check_mac(&mut self) -> Result<Mac, FixtureError> {
        self.lock.as_ref().map_or(Ok(()), BoardLock::check)?;
        let found = self.chip()?.mac;
        match self.entry.mac {
            Some(expected) if expected != found => {
                Err(FixtureError::WrongMac { board: self.name.clone(), expected, found })
            }
            _ => Ok(found),
        }
    }

    /// Bytes of its flash.
    ///
    /// # Errors
    /// Trouble of the bench, or a flash chip that does not tell.
    pub fn flash_size(&mut self) -> Result<u32, FixtureError> {
        let chip = self.chip()?;
        chip.flash_size.ok_or(FixtureError::UnknownFlash { id: chip.flash_id })
    }

    /// Erases whole sectors.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn erase(
        &mut self,
        offset: u32,
        length: u32,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), FixtureError> {
        self.check_mac()?;
        Ok(self.loader()?.erase(offset, length, progress)?)
    }

    /// Writes bytes and checks them; what the flash already holds is not written again.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn write(
        &mut self,
        offset: u32,
        bytes: &[u8],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), FixtureError> {
        self.check_mac()?;
        if bytes.is_empty() || self.holds(offset, bytes)? {
            let total = bytes.len() as u64;
            progress(Progress { done: total, total });
            return Ok(());
        }
        // A sector is erased whole, so what is in it beside the bytes is written again.
        let (start, end) = (offset / SECTOR * SECTOR, offset + bytes.len() as u32);
        let head = self.read(start, offset - start)?;
        let tail = self.read(end, end.next_multiple_of(SECTOR) - end)?;
        let whole = [&head, bytes, &tail].concat();
        Ok(self.loader()?.write(start, &whole, progress)?)
    }

    /// Whether the flash holds these bytes.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn holds(&mut self, offset: u32, bytes: &[u8]) -> Result<bool, FixtureError> {
        Ok(self.loader()?.holds(offset, bytes)?)
    }

    /// Reads flash.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn read(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, FixtureError> {
        Ok(self.loader()?.read(offset, length)?)
    }
}

/// What came of starting a chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// What it does.
    pub(super) greeting: Greeting,
    /// All that was heard meanwhile.
    pub(super) said: Vec<u8>,
}

/// What a chip does after a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// It boots from its flash.
    Boots,
    /// It waits for a download.
    Waits,
    /// It says nothing.
    Silence,
}

/// A remedy for a board that says nothing, from the gentlest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    Reset,
    Reopen,
    UsbReset,
    PowerCycle,
}

impl Rung {
    const ALL: [Self; 4] = [Self::Reset, Self::Reopen, Self::UsbReset, Self::PowerCycle];
}

impl std::fmt::Display for Rung {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reset => "reset again",
            Self::Reopen => "port opened again",
            Self::UsbReset => "USB device reset",
            Self::PowerCycle => "power off and on",
        })
    }
}

/// What makes it this board for everybody, whatever a bench calls it.
fn identity(entry: &BoardEntry) -> String {
    match (&entry.port, &entry.usb_serial, entry.usb) {
        (Some(port), ..) => port.to_string(),
        (None, Some(serial), _) => format!("usb serial {serial}"),
        (None, None, usb) => format!("usb {}", usb.map(|usb| usb.to_string()).unwrap_or_default()),
    }
}

/// Where the port of a board is now.
///
/// # Errors
/// When no port is like its description.
pub fn locate(entry: &BoardEntry) -> Result<PortName, FixtureError> {
    match &entry.port {
        Some(port) => Ok(port.clone()),
        None => discover::find(entry.usb_serial.as_deref(), entry.usb)
            .map(PortName::Local)
            .map_err(|what| FixtureError::NoPort { what }),
    }
}

fn bytes(heard: &(Instant, Heard)) -> &[u8] {
    match &heard.1 {
        Heard::Bytes(bytes) => bytes,
        Heard::Remark(_) => &[],
    }
}

/// Where a piece occurs last.
fn last(bytes: &[u8], piece: &[u8]) -> Option<usize> {
    bytes.windows(piece.len()).rposition(|window| window == piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::adapters::recording::{Act, Acts, Noise, Recording};

    const BOOTS: &[u8] = b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n";
    const WAITS: &[u8] = b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download\r\n";

    /// A board on whose line this comes, a piece for each time that somebody listens; nothing is an
    /// empty piece.
    fn board(wiring: ResetWiring, says: &[&[u8]]) -> (Fixture, Acts) {
        let entry = BoardEntry {
            port: Some(PortName::Local("recorded".to_owned())),
            reset: Some(wiring),
            ..BoardEntry::of_profile("esp32-devkit")
        };
        let adapter = Recording::saying(says.iter().map(|piece| piece.to_vec()));
        let (port, acts) = (PortName::Local("recorded".to_owned()), adapter.acts());
        let fixture = Fixture::around("desk", &entry, None, (port, Box::new(adapter)));
        (fixture.expect("it needs nothing"), acts)
    }

    fn lines(dtr: bool, rts: bool) -> Act {
        Act::Lines(ModemLines { dtr, rts })
    }

    /// What was done to the lines, and for how long nothing was, in milliseconds rounded up.
    fn done(acts: &Acts) -> Vec<Act> {
        let whole = |span: Duration| Duration::from_millis(span.as_micros().div_ceil(1_000) as u64);
        let acts = acts.lock().unwrap();
        let shown = acts.iter().map(|act| match act {
            Act::Waited(span) => Act::Waited(whole(*span)),
            act => act.clone(),
        });
        shown.collect()
    }

    fn waited(ms: u64) -> Act {
        Act::Waited(Duration::from_millis(ms))
    }

    #[test]
    fn a_reset_is_exactly_these_lines_for_these_times() {
        let (mut desk, acts) = board(ResetWiring::TwoTransistors, &[b"", BOOTS]);
        desk.reset().unwrap();
        assert_eq!(done(&acts), [lines(false, true), waited(100), lines(false, false)]);

        let (mut desk, acts) = board(ResetWiring::TwoTransistors, &[b"", WAITS]);
        desk.boot_mode(BootMode::Download).unwrap();
        desk.reset().unwrap();
        let held = [lines(false, true), waited(100), lines(true, false)];
        let let_go = [waited(100), lines(false, false)];
        assert_eq!(done(&acts), [held.as_slice(), &let_go].concat());

        let (mut desk, acts) = board(ResetWiring::Straight, &[b"", WAITS]);
        desk.boot_mode(BootMode::Download).unwrap();
        desk.reset().unwrap();
        let held = [lines(true, true), waited(100), lines(true, false)];
        assert_eq!(done(&acts), [held.as_slice(), &let_go].concat());
    }

    #[test]
    fn a_chip_that_waits_for_a_download_and_shall_run_is_reset_again_and_that_is_told() {
        let (mut desk, _) = board(ResetWiring::TwoTransistors, &[b"", WAITS, b"", BOOTS]);
        desk.reset().unwrap();
        let remarks = desk.take_remarks();
        assert_eq!(remarks, ["the chip waited for a download and shall run: it is reset again"]);
        // A jumper that somebody forgot does not go away by that.
        let says = [b"".as_slice(), WAITS].repeat(3);
        let (mut desk, _) = board(ResetWiring::TwoTransistors, &says);
        let error = desk.reset().unwrap_err().to_string();
        assert!(error.starts_with("desk waits for a download though it shall run"), "{error}");
    }

    #[test]
    fn a_silent_board_is_met_with_every_rung_that_there_is() {
        let (mut desk, _) = board(ResetWiring::TwoTransistors, &[]);
        let error = desk.reset().unwrap_err().to_string();
        let tried = "(tried: reset again; port opened again, in vain)";
        assert!(error.starts_with(&format!("desk says nothing after a reset {tried}")), "{error}");
        let remarks = desk.take_remarks();
        assert_eq!(remarks[0], "the board said nothing after a reset: reset again");
        assert!(remarks[1].starts_with("port opened again: cannot open recorded"), "{remarks:?}");

        let (mut desk, _) = board(ResetWiring::TwoTransistors, &[b"", b"", b"", BOOTS]);
        desk.reset().unwrap();
        let remarks = desk.take_remarks();
        assert_eq!(remarks.last().unwrap(), "it greets again after: reset again");
    }

    #[test]
    fn a_board_that_never_stops_talking_holds_nobody_up() {
        let port = PortName::Local("recorded".to_owned());
        let entry =
            BoardEntry { port: Some(port.clone()), ..BoardEntry::of_profile("esp32-devkit") };
        let noise = Box::new(Noise(b"rst:0x10 (RTCWDT_RTC_RESET)\r\n"));
        let mut desk = Fixture::around("desk", &entry, None, (port, noise)).unwrap();
        let span = Duration::from_millis(5);
        assert_eq!(desk.answers(span).unwrap(), None);
        desk.hold(span).unwrap();
        desk.wait_for_quiet(span, span).unwrap();
        assert!(matches!(desk.hear(span), Ok(Some((_, Heard::Bytes(_))))));
    }

    #[test]
    fn only_the_line_of_a_reset_from_outside_is_a_greeting() {
        let by_itself = b"rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n";
        let (mut desk, _) = board(ResetWiring::TwoTransistors, &[b"", by_itself]);
        let start = desk.try_reset(BootMode::Run).unwrap();
        assert_eq!(start, Start { greeting: Greeting::Silence, said: by_itself.to_vec() });
        let (before, after) = BOOTS.split_at(40);
        let (mut desk, _) = board(ResetWiring::TwoTransistors, &[b"", before, after]);
        assert_eq!(desk.try_reset(BootMode::Run).unwrap().greeting, Greeting::Boots);
    }

    #[test]
    fn what_no_wire_can_do_no_capability_promises() {
        let can = |wiring| board(wiring, &[]).0.capabilities();
        let all = can(ResetWiring::TwoTransistors);
        assert!(all.contains(&Capability::Flash) && !all.contains(&Capability::Power));
        assert_eq!(can(ResetWiring::None), [Capability::Serial].into());
        let (mut desk, acts) = board(ResetWiring::None, &[]);
        assert!(matches!(desk.reset(), Err(FixtureError::NoWay { .. })));
        assert!(desk.boot_mode(BootMode::Download).is_err());
        assert!(done(&acts).is_empty());
    }
}
