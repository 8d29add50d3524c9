//! A board of the bench as a target.
//!
//! *Time* is this computer's, or what a served board publishes. *Flash* is reached through the chip's
//! own loader, so the rule that it must have been reset into download mode is the chip's. What a case
//! finds in the flash before its first step is made so block by block: blocks that hash as they shall
//! are left alone. *Power* that nobody can switch is on; switching it on is then a reset.

mod datagrams;
mod site;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use self::site::BenchSite;
use super::{
    BootMode, Button, Capabilities, Capability, Disturbance, Level, LoopBack, MachineReport, Port,
    Power, Progress, Segment, Target, TargetError, TargetEvent, TargetRequest, TargetSource,
};
use crate::bench::bindings::Bindings;
use crate::bench::clock::{Clock, Published, Wall};
use crate::bench::description::BoardEntry;
use crate::bench::fixture::{Fixture, FixtureError, Heard};
use crate::bench::loader::{LoaderError, SECTOR};
use crate::bench::pins::Pins;
use crate::bench::power::Ask;
use crate::serve::orders::{Answer, Order};
use crate::serve::remote::{Remote, RemoteError};
use crate::site::{Order as SiteOrder, Places, Site};
use crate::time::DeviceTime;

/// The longest wait between two looks at the clock.
const LOOK: Duration = Duration::from_millis(20);
/// How long a board may go on talking before a case.
const AT_REST: Duration = Duration::from_secs(1);
/// The unit in which the flash is made as a case shall find it.
const BLOCK: usize = 0x1_0000;

/// A board of the bench.
pub struct BoardSource {
    name: String,
    board: String,
    entry: BoardEntry,
    capabilities: Capabilities,
    bindings: Bindings,
    environment: BTreeMap<String, String>,
    ask: Ask,
    wait_for_lock: Duration,
}

impl BoardSource {
    /// The board of that name, as bench.toml describes it. Its port is opened for a moment, to see what it can do.
    ///
    /// # Errors
    /// Trouble of the bench.
    pub fn new(
        board: &str,
        entry: BoardEntry,
        bindings: Bindings,
        ask: Ask,
        wait_for_lock: Duration,
    ) -> Result<Self, TargetError> {
        let mut source = Self {
            name: format!("board:{board}"),
            board: board.to_owned(),
            entry,
            capabilities: Capabilities::new(),
            bindings,
            environment: std::env::vars().collect(),
            ask,
            wait_for_lock,
        };
        source.capabilities = source.fixture()?.capabilities();
        // As far as the bench says what the networks are, which each case finds out.
        source.capabilities.insert(Capability::Air);
        Ok(source)
    }

    fn fixture(&self) -> Result<Fixture, TargetError> {
        Ok(Fixture::take(&self.board, &self.entry, self.ask.clone(), self.wait_for_lock)?)
    }
}

impl TargetSource for BoardSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn boards(&self) -> Vec<String> {
        crate::bench::profiles()
    }

    fn refuses(&self, profile: &str) -> Option<String> {
        let Self { board, entry, .. } = self;
        (profile != entry.profile).then(|| format!("{board} is an {}", entry.profile))
    }

    fn parts(&self, board: &str) -> Vec<String> {
        match self.entry.pins {
            Some(_) => crate::bench::parts(board),
            None => vec!["esp".to_owned(), "reset".to_owned()],
        }
    }

    fn without(&self, loop_backs: &[LoopBack]) -> Vec<LoopBack> {
        let there = &self.entry.loop_backs;
        loop_backs.iter().filter(|wire| !there.contains(wire)).copied().collect()
    }

    fn places(&self, site: &Site) -> Result<Places, Vec<String>> {
        let missing = self.bindings.missing(site);
        match missing.is_empty() {
            true => Ok(self.bindings.places(site, &self.environment)),
            false => Err(missing),
        }
    }

    fn secrets(&self, site: &Site) -> Vec<String> {
        self.bindings.variables(site)
    }

    fn open(&self, request: &TargetRequest) -> Result<Box<dyn Target>, TargetError> {
        let site = match &request.site {
            None => None,
            Some(site) => {
                let (bindings, servers) = (&self.bindings, &self.entry.servers);
                Some(BenchSite::open(site, &request.folders, request.seed, bindings, servers)?)
            }
        };
        let mut fixture = self.fixture()?;
        let can_switch = self.capabilities.contains(&Capability::Power);
        let remarks = prepare(&mut fixture, &request.flash, can_switch)?;
        // The time of the case begins when the board is as it shall be.
        let (clock, pins): (Box<dyn Clock>, _) = match &self.entry.clock {
            None => (Box::new(Wall::default()), None),
            Some(name) => {
                let clock = Published::of(name)?;
                let pins = self.entry.pins.as_ref().map(|name| Pins::of(name, clock.start()));
                (Box::new(clock), pins.transpose()?)
            }
        };
        let remark = |text| TargetEvent::Remark { time: DeviceTime::ZERO, text };
        Ok(Box::new(BoardTarget {
            can_switch,
            fixture,
            clock,
            pins,
            site,
            faults: self.entry.faults.as_ref().map(|name| Remote::of(&name.0)).transpose()?,
            now: DeviceTime::ZERO,
            is_on: false,
            power_may_fail: false,
            events: remarks.into_iter().map(remark).collect(),
        }))
    }
}

/// Makes the flash what a case shall find, and the board off if that can be; what the person should
/// know of it.
fn prepare(
    fixture: &mut Fixture,
    flash: &[Segment],
    can_switch: bool,
) -> Result<Vec<String>, TargetError> {
    if !flash.is_empty() {
        fixture.power(Power::On)?;
        fixture.begin_download()?;
        make_flash(fixture, flash)?;
        fixture.boot_mode(BootMode::Run)?;
    }
    if can_switch {
        fixture.power(Power::Off)?;
    }
    // What the board said until now was said to nobody. One that cannot be switched off may talk on.
    fixture.wait_for_quiet(LOOK, AT_REST)?;
    Ok(fixture.take_remarks())
}

/// Makes the whole flash hold these pieces and be blank elsewhere.
fn make_flash(fixture: &mut Fixture, pieces: &[Segment]) -> Result<(), TargetError> {
    let size = fixture.flash_size()?;
    let mut wanted = vec![0xff; size as usize];
    for Segment { offset, bytes } in pieces {
        let start = *offset as usize;
        let Some(place) = wanted.get_mut(start..start + bytes.len()) else {
            return Err(does_not_fit(*offset, bytes.len() as u64, size));
        };
        place.copy_from_slice(bytes);
    }
    // Blocks in a row that are not as they shall be.
    let mut run: Option<Range<usize>> = None;
    for start in (0..wanted.len()).step_by(BLOCK) {
        let block = start..wanted.len().min(start + BLOCK);
        if fixture.holds(start as u32, &wanted[block.clone()])? {
            make_run(fixture, &wanted, run.take())?;
        } else {
            run = Some(run.map_or(start, |run| run.start)..block.end);
        }
    }
    make_run(fixture, &wanted, run)
}

fn make_run(
    fixture: &mut Fixture,
    wanted: &[u8],
    run: Option<Range<usize>>,
) -> Result<(), TargetError> {
    let Some(run) = run else { return Ok(()) };
    let (start, bytes) = (run.start as u32, &wanted[run]);
    match bytes.iter().all(|byte| *byte == 0xff) {
        true => fixture.erase(start, bytes.len() as u32, &mut |_| {})?,
        false => fixture.write(start, bytes, &mut |_| {})?,
    }
    Ok(())
}

/// A board while a case has it.
pub struct BoardTarget {
    fixture: Fixture,
    clock: Box<dyn Clock>,
    pins: Option<Pins>,
    site: Option<BenchSite>,
    faults: Option<Remote>,
    can_switch: bool,
    /// The device time when the clock was last looked at.
    now: DeviceTime,
    /// Whether the case has switched it on.
    is_on: bool,
    /// Whether the power may fail by itself: a served board was told so.
    power_may_fail: bool,
    /// What has not been asked for yet.
    events: Vec<TargetEvent>,
}

fn trouble(text: String) -> TargetError {
    TargetError::Bench(text)
}

impl From<FixtureError> for TargetError {
    fn from(error: FixtureError) -> Self {
        Self::Bench(error.to_string())
    }
}

impl From<RemoteError> for TargetError {
    fn from(error: RemoteError) -> Self {
        Self::Bench(error.to_string())
    }
}

impl BoardTarget {
    fn look_at_clock(&mut self) -> Result<(), TargetError> {
        self.now = self.now.max(self.clock.now().map_err(trouble)?);
        if let (true, Some(faults)) = (self.power_may_fail && self.is_on, &mut self.faults)
            && !faults.order(&Order::Status)?.powered
        {
            (self.power_may_fail, self.is_on) = (false, false);
            self.fixture.power_lost();
            self.events.push(TargetEvent::PowerLost { time: self.now });
        }
        Ok(())
    }

    /// Takes what hosts have to tell.
    fn hear_site(&mut self) {
        let told = self.site.iter().flat_map(BenchSite::take);
        let arrived = Instant::now();
        let mut last = self.events.last().map_or(DeviceTime::ZERO, TargetEvent::time);
        for (moment, event) in told {
            let ago = arrived.saturating_duration_since(moment).as_nanos();
            let ago = u64::try_from(ago).unwrap_or(u64::MAX);
            last = last.max(DeviceTime::from_nanos(self.now.nanos().saturating_sub(ago)));
            self.events.push(TargetEvent::Site { time: last, event });
        }
    }

    /// Takes what has come, waiting up to `patience` for the first of it.
    fn hear(&mut self, patience: Duration) -> Result<(), TargetError> {
        let Some((mut moment, mut heard)) = self.fixture.hear(patience)? else {
            return self.look_at_clock();
        };
        self.look_at_clock()?;
        let (now, arrived) = (self.now, Instant::now());
        loop {
            let ago = arrived.saturating_duration_since(moment).as_nanos();
            let ago = u64::try_from(ago).unwrap_or(u64::MAX);
            let time = DeviceTime::from_nanos(now.nanos().saturating_sub(ago));
            // The order is that of arrival, whatever the clocks say.
            let time = self.events.last().map_or(time, |last| last.time().max(time));
            self.events.push(match heard {
                Heard::Bytes(bytes) => TargetEvent::Serial { port: Port::Console, time, bytes },
                Heard::Remark(text) => TargetEvent::Remark { time, text },
            });
            // More than can be looked at must not keep the case from its deadline.
            if arrived.elapsed() >= LOOK {
                return Ok(());
            }
            match self.fixture.hear(Duration::ZERO)? {
                Some(next) => (moment, heard) = next,
                None => return Ok(()),
            }
        }
    }

    /// Takes the changes of watched pins.
    fn hear_pins(&mut self) -> Result<(), TargetError> {
        let Some(pins) = &mut self.pins else { return Ok(()) };
        let seen = pins.take()?;
        let seen = seen.into_iter();
        self.events.extend(seen.map(|(gpio, time, level)| TargetEvent::Pin { gpio, time, level }));
        Ok(())
    }

    fn pins(&mut self, what: &'static str) -> Result<&mut Pins, TargetError> {
        self.pins.as_mut().ok_or(TargetError::Cannot(what))
    }

    fn hold(&mut self, button: String, down: bool) -> Result<(), TargetError> {
        match &mut self.pins {
            Some(pins) => Ok(pins.hold(button, down)?),
            None => Err(TargetError::NoSuchPart(format!("button `{button}`"))),
        }
    }

    fn waits(&mut self, to: &'static str) -> Result<(), TargetError> {
        match self.fixture.chip() {
            Ok(_) => Ok(()),
            Err(FixtureError::Loader(LoaderError::NoLoader { .. })) => {
                Err(TargetError::NotInDownloadMode(to))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn fits(&mut self, offset: u32, length: u64) -> Result<(), TargetError> {
        let size = self.fixture.flash_size()?;
        match u64::from(offset) + length <= u64::from(size) {
            true => Ok(()),
            false => Err(does_not_fit(offset, length, size)),
        }
    }

    fn order_of_faults(&mut self, order: &Order) -> Result<Answer, TargetError> {
        match &mut self.faults {
            Some(faults) => Ok(faults.order(order)?),
            None => Err(TargetError::Cannot("let things go wrong")),
        }
    }
}

fn does_not_fit(offset: u32, length: u64, size: u32) -> TargetError {
    TargetError::DoesNotFit { offset: offset.into(), length, size: size.into() }
}

fn console(port: Port) -> Result<(), TargetError> {
    match port {
        Port::Console => Ok(()),
        other => Err(TargetError::NoSuchPart(format!("adapter at {other}"))),
    }
}

impl Target for BoardTarget {
    fn now(&self) -> DeviceTime {
        self.now
    }

    fn power(&mut self, power: Power) -> Result<(), TargetError> {
        if self.can_switch || power == Power::Off || !self.is_on {
            self.fixture.power(power)?;
        }
        self.is_on = power == Power::On;
        self.look_at_clock()
    }

    fn is_powered(&self) -> bool {
        self.is_on && self.fixture.is_powered()
    }

    fn boot_mode(&mut self, mode: BootMode) -> Result<(), TargetError> {
        self.fixture.boot_mode(mode)?;
        self.look_at_clock()
    }

    fn press(&mut self, button: Button) -> Result<(), TargetError> {
        match button {
            Button::Reset => self.fixture.press_reset()?,
            Button::Named(name) => self.hold(name, true)?,
        }
        self.look_at_clock()
    }

    fn release(&mut self, button: Button) -> Result<(), TargetError> {
        match button {
            Button::Reset => self.fixture.release_reset()?,
            Button::Named(name) => self.hold(name, false)?,
        }
        self.look_at_clock()
    }

    fn erase_flash(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), TargetError> {
        self.waits("erased")?;
        let size = self.fixture.flash_size()?;
        self.fixture.erase(0, size, progress)?;
        self.look_at_clock()
    }

    fn write_flash(
        &mut self,
        offset: u32,
        bytes: &[u8],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), TargetError> {
        self.waits("written")?;
        self.fits(offset, bytes.len() as u64)?;
        self.fixture.write(offset, bytes, progress)?;
        self.look_at_clock()
    }

    fn erase_region(&mut self, offset: u32, length: u32) -> Result<(), TargetError> {
        self.waits("erased")?;
        if !offset.is_multiple_of(SECTOR) || !length.is_multiple_of(SECTOR) {
            return Err(TargetError::NotInSectors { offset, length, sector: SECTOR });
        }
        self.fits(offset, length.into())?;
        self.fixture.erase(offset, length, &mut |_| {})?;
        self.look_at_clock()
    }

    fn read_flash(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, TargetError> {
        self.waits("read")?;
        self.fits(offset, length.into())?;
        Ok(self.fixture.read(offset, length)?)
    }

    fn flash_holds(&mut self, offset: u32, bytes: &[u8]) -> Result<bool, TargetError> {
        self.waits("read")?;
        self.fits(offset, bytes.len() as u64)?;
        Ok(self.fixture.holds(offset, bytes)?)
    }

    fn send(&mut self, port: Port, bytes: &[u8]) -> Result<(), TargetError> {
        console(port)?;
        Ok(self.fixture.send(bytes)?)
    }

    fn set_baud(&mut self, port: Port, baud: u32) -> Result<(), TargetError> {
        console(port)?;
        Ok(self.fixture.set_baud(baud)?)
    }

    fn send_break(&mut self, port: Port) -> Result<(), TargetError> {
        console(port)?;
        Ok(self.fixture.send_break()?)
    }

    fn corrupt_flash(
        &mut self,
        offset: u32,
        length: u32,
        change: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), TargetError> {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let contents = self.order_of_faults(&Order::Flash)?.flash.unwrap_or_default();
        let mut contents = STANDARD.decode(contents).map_err(|error| trouble(error.to_string()))?;
        let (start, size) = (offset as usize, contents.len() as u32);
        let Some(bytes) = contents.get_mut(start..start + length as usize) else {
            return Err(does_not_fit(offset, length.into(), size));
        };
        change(bytes);
        self.order_of_faults(&Order::Load { offset, bytes: STANDARD.encode(bytes) }).map(drop)
    }

    fn pin(&mut self, gpio: u8) -> Result<Level, TargetError> {
        Ok(self.pins("see pins")?.level(gpio)?)
    }

    fn drive_pin(&mut self, gpio: u8, level: Option<Level>) -> Result<(), TargetError> {
        Ok(self.pins("drive pins")?.drive(gpio, level)?)
    }

    fn observe_pin(&mut self, gpio: u8) -> Result<(), TargetError> {
        Ok(self.pins("see pins")?.watch(gpio)?)
    }

    fn order(&mut self, order: SiteOrder) -> Result<(), TargetError> {
        match &self.site {
            Some(site) => site.order(order),
            None => Err(TargetError::Site("the scenario has no `air`".to_owned())),
        }
    }

    fn disturb(&mut self, disturbance: Disturbance) -> Result<(), TargetError> {
        self.order_of_faults(&Order::Disturb { what: disturbance })?;
        self.power_may_fail = matches!(disturbance, Disturbance::PowerCut { .. });
        Ok(())
    }

    fn run_until(&mut self, deadline: DeviceTime) -> Result<Vec<TargetEvent>, TargetError> {
        loop {
            if !self.events.is_empty() {
                return Ok(std::mem::take(&mut self.events));
            }
            if self.now >= deadline {
                return Ok(Vec::new());
            }
            let left = Duration::from_nanos((deadline - self.now).nanos());
            self.hear(left.min(LOOK))?;
            self.hear_pins()?;
            self.hear_site();
        }
    }

    fn finish(&mut self) -> MachineReport {
        MachineReport { time: self.now, ..MachineReport::default() }
    }
}
