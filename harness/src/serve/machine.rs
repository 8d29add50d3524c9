//! The thread that runs a served board.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

#[cfg(unix)]
use super::control::Ordered;
#[cfg(unix)]
use super::hand::Hand;
use super::inbox::Inbox;
use super::pacer::{Clock, Pace, Pacer};
use super::ring::Ring;
use super::visits;
use crate::site::SiteEvent;
use crate::targets::debugged::Debugged;
pub use crate::targets::emulated::{ModemLines, ModemWiring};
use crate::targets::wiring_fault::WiringFault;
use crate::targets::{Level, Port, Target, TargetError, TargetEvent};
use crate::time::{DeviceTime, Span};

/// Device time between two looks at the clients.
const SLICE: Span = Span::from_millis(1);
/// The same while transfers are not waited for: less than the shortest packet takes, so that little
/// of what is skipped was spent otherwise.
const FINE_SLICE: Span = Span::from_micros(100);
/// Wall time between two savings of a changed flash.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// Wall time between two remarks that the host is too slow.
const REMARK_EVERY: Duration = Duration::from_secs(10);

/// Something from a client.
#[derive(Debug)]
pub struct Input {
    /// For which port.
    pub port: Port,
    /// What it is.
    pub what: Sent,
}

/// What a client sends.
#[derive(Debug)]
pub enum Sent {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The speed of its adapter, in baud.
    Speed(u32),
    /// Which modem lines it asserts.
    Lines(ModemLines),
    /// A break.
    Break,
    /// Nothing more: it has left, and its adapter holds no line and has no speed.
    Gone,
}

/// What a served board is, beyond being a target.
pub trait Served: Target {
    /// From now on a port carries every speed, for a client that reaches it without an adapter.
    fn follow_speed(&mut self, port: Port);
    /// How the modem lines of the adapter at the console reach EN and GPIO0.
    fn modem_wiring(&self) -> ModemWiring;
    /// The modem lines of the adapter at the console change.
    fn modem_lines(&mut self, lines: ModemLines);
    /// The wires between the adapter at the console and the board get these faults, and no others.
    fn set_wiring_faults(&mut self, faults: &[WiringFault]);
    /// Bytes on their way to a port.
    fn under_way(&mut self, port: Port) -> usize;
    /// Whether bytes are on a serial line, in either direction, or the flash is busy.
    fn is_transferring(&mut self) -> bool;
    /// The whole flash, if it changed since the last call.
    fn changed_flash(&mut self) -> Option<Vec<u8>>;
    /// The whole flash.
    fn flash(&self) -> Vec<u8>;
    /// Remarks for the person about the board so far; one that has been made stays.
    fn notes(&self) -> Vec<String>;
    /// Whoever comes to this door is led to a TCP port of the board, over its network.
    ///
    /// # Errors
    /// Trouble with the door, or a board that is on no network.
    fn lead_in(&mut self, _door: TcpListener, _port: u16) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// The board for a debugger, if it can be looked into.
    fn debugged(&mut self) -> Option<&mut dyn Debugged> {
        None
    }
}

/// A remark for the person.
pub type Remark<'a> = &'a mut dyn FnMut(String);

/// Keeps changed flash contents.
pub type Keep<'a> = &'a mut (dyn FnMut(&[u8]) -> Result<(), String> + Send);

/// What joins a machine with its doors.
#[derive(Debug)]
pub struct Wiring {
    /// What clients send.
    pub input: Receiver<Input>,
    /// What a hand at the board does.
    #[cfg(unix)]
    pub orders: Receiver<Ordered>,
    /// Visits of debuggers.
    pub visits: Vec<visits::Receiver>,
    /// One ring for each door, with the port it shows.
    pub rings: Vec<(Port, Arc<Ring>)>,
    /// Set when the board shall stop.
    pub stop: Arc<AtomicBool>,
    /// What is waited for.
    pub pace: Pace,
}

/// Runs the board until it is told to stop or cannot go on.
///
/// # Errors
/// Trouble with the target, after which the flash has been kept all the same.
pub fn run<T: Served + ?Sized, C: Clock>(
    target: &mut T,
    mut wiring: Wiring,
    mut pacer: Pacer<C>,
    keep: Keep<'_>,
    remark: Remark<'_>,
) -> Result<(), TargetError> {
    for (port, _) in &wiring.rings {
        target.follow_speed(*port);
    }
    let mut saved_at = pacer.clock_now();
    let mut remarked_at: Option<Duration> = None;
    let mut inbox = Inbox::new(wiring.input);
    #[cfg(unix)]
    let mut hand = Hand::default();
    let mut notes_made = 0;
    // Why the chip cannot go on.
    let mut halted: Option<String> = None;
    let outcome = loop {
        if wiring.stop.load(Ordering::Relaxed) {
            break Ok(());
        }
        #[cfg(unix)]
        hand.act(target, &mut wiring.orders);
        let held = target.debugged().is_some_and(|board| {
            wiring.visits.iter_mut().for_each(|visits| visits.receive(board));
            board.held().is_some()
        });
        if held {
            // Wall time passes without device time, and nobody has lost anything by that.
            pacer.start_anew(target.now());
            continue;
        }
        if let Err(error) = inbox.feed(target) {
            break Err(error);
        }
        let skips = wiring.pace == Pace::Fast && target.is_transferring();
        let length = if skips { FINE_SLICE } else { SLICE };
        #[cfg(unix)]
        let mut see = |gpio, at, level| hand.see(gpio, at, level);
        #[cfg(not(unix))]
        let mut see = |_, _, _| {};
        match slice(target, length, &wiring.rings, &mut see, remark) {
            Ok(()) => halted = None,
            // The chip goes no further, until somebody resets it.
            Err(TargetError::Stopped(why)) => {
                if halted.as_ref() != Some(&why) {
                    remark(format!("the chip stands still until it is reset: {why}"));
                }
                halted = Some(why);
                pacer.rest(target.now());
                continue;
            }
            Err(error) => break Err(error),
        }
        let notes = target.notes();
        notes.iter().skip(notes_made).for_each(|note| remark(note.clone()));
        notes_made = notes.len();
        let behind = if skips && target.is_transferring() {
            pacer.start_anew(target.now());
            None
        } else {
            pacer.wait_and(target.now(), || {
                if let Some(board) = target.debugged() {
                    wiring.visits.iter_mut().for_each(|visits| visits.let_in_who_is_due(board));
                }
            })
        };
        let wall = pacer.clock_now();
        if behind.is_some() && remarked_at.is_none_or(|at| wall - at >= REMARK_EVERY) {
            remarked_at = Some(wall);
            remark(format!(
                "the host is too slow: {} ms of wall time lost so far",
                pacer.lost().as_millis()
            ));
        }
        if wall - saved_at >= SAVE_EVERY {
            saved_at = wall;
            save(target, keep, remark);
        }
    };
    save(target, keep, remark);
    outcome
}

fn slice<T: Served + ?Sized>(
    target: &mut T,
    length: Span,
    rings: &[(Port, Arc<Ring>)],
    see: &mut dyn FnMut(u8, DeviceTime, Level),
    remark: Remark<'_>,
) -> Result<(), TargetError> {
    let end = target.now() + length;
    let mut said: Vec<(Port, Vec<u8>)> = Vec::new();
    let outcome = loop {
        match target.run_until(end) {
            Err(error) => break Err(error),
            Ok(events) if events.is_empty() => break Ok(()),
            Ok(events) => {
                for event in events {
                    match event {
                        TargetEvent::Serial { port, bytes, .. } => match said.last_mut() {
                            Some((last, all)) if *last == port => all.extend(bytes),
                            _ => said.push((port, bytes)),
                        },
                        TargetEvent::Pin { gpio, time, level } => see(gpio, time, level),
                        TargetEvent::Site { event: SiteEvent::Log(line), .. } => remark(line),
                        _ => {}
                    }
                }
            }
        }
    };
    for (port, bytes) in said {
        for (_, ring) in rings.iter().filter(|(shown, _)| *shown == port) {
            ring.push(&bytes);
        }
    }
    outcome
}

fn save<T: Served + ?Sized>(target: &mut T, keep: Keep<'_>, remark: Remark<'_>) {
    if let Some(flash) = target.changed_flash()
        && let Err(trouble) = keep(&flash)
    {
        remark(trouble);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::mpsc::channel;

    use super::*;
    use crate::serve::pacer::WallClock;
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::targets::{BootMode, Button, MachineReport, Power, Progress};

    /// A wall clock that moves when somebody sleeps or works.
    #[derive(Debug, Clone, Default)]
    struct FakeClock(Arc<Mutex<Duration>>);

    impl FakeClock {
        fn pass(&self, span: Duration) {
            *self.0.lock().expect("one thread") += span;
        }
    }

    impl Clock for FakeClock {
        fn now(&self) -> Duration {
            *self.0.lock().expect("one thread")
        }

        fn sleep(&self, span: Duration) {
            self.pass(span);
        }
    }

    /// A board that is told to stop at a device time, on a host with such a clock.
    struct Bench {
        target: FakeTarget,
        clock: FakeClock,
        stop: Arc<AtomicBool>,
        end: DeviceTime,
        /// Wall time that the host needs for a slice that begins then.
        cost: fn(DeviceTime) -> Duration,
        /// Device and wall time at the start of each slice.
        starts: Vec<(DeviceTime, Duration)>,
        under_way: usize,
        flash: Option<Vec<u8>>,
        wiring: ModemWiring,
        /// Modem lines with their times.
        lines: Vec<(DeviceTime, ModemLines)>,
        pace: Pace,
        /// When bytes are on a line or the flash is busy.
        transferring: fn(DeviceTime) -> bool,
        /// So often the chip stands still; for ever: the board is broken.
        broken: u32,
    }

    /// What came of it.
    struct Outcome {
        result: Result<(), TargetError>,
        kept: Vec<(Duration, Vec<u8>)>,
        remarks: Vec<String>,
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn device(ms: u64) -> DeviceTime {
        DeviceTime::ZERO + Span::from_millis(ms)
    }

    impl Bench {
        fn until(end: u64) -> Self {
            let mut target = FakeTarget::new([]);
            target.power(Power::On).expect("a fake has power");
            Self {
                target,
                clock: FakeClock::default(),
                stop: Arc::default(),
                end: device(end),
                cost: |_| Duration::ZERO,
                starts: Vec::new(),
                under_way: 0,
                flash: None,
                wiring: ModemWiring::TwoTransistors,
                lines: Vec::new(),
                pace: Pace::Wall,
                transferring: |_| false,
                broken: 0,
            }
        }

        fn serve(&mut self, ring: Arc<Ring>, input: Receiver<Input>) -> Outcome {
            let rings = vec![(Port::Console, ring)];
            let wiring = Wiring {
                input,
                orders: channel(1).1,
                visits: Vec::new(),
                rings,
                stop: self.stop.clone(),
                pace: self.pace,
            };
            let clock = self.clock.clone();
            let pacer = Pacer::new(clock.clone(), self.now());
            let (mut kept, mut remarks) = (Vec::new(), Vec::new());
            let mut keep = |flash: &[u8]| {
                kept.push((clock.now(), flash.to_vec()));
                Ok(())
            };
            let result = run(self, wiring, pacer, &mut keep, &mut |text| remarks.push(text));
            Outcome { result, kept, remarks }
        }

        fn serve_alone(&mut self) -> Outcome {
            self.serve(Arc::default(), channel(1).1)
        }
    }

    impl Target for Bench {
        fn now(&self) -> DeviceTime {
            self.target.now()
        }
        fn power(&mut self, power: Power) -> Result<(), TargetError> {
            self.target.power(power)
        }
        fn is_powered(&self) -> bool {
            self.target.is_powered()
        }
        fn boot_mode(&mut self, mode: BootMode) -> Result<(), TargetError> {
            self.target.boot_mode(mode)
        }
        fn press(&mut self, button: Button) -> Result<(), TargetError> {
            self.target.press(button)
        }
        fn release(&mut self, button: Button) -> Result<(), TargetError> {
            self.target.release(button)
        }
        fn erase_flash(&mut self, news: &mut dyn FnMut(Progress)) -> Result<(), TargetError> {
            self.target.erase_flash(news)
        }
        fn write_flash(
            &mut self,
            offset: u32,
            bytes: &[u8],
            news: &mut dyn FnMut(Progress),
        ) -> Result<(), TargetError> {
            self.target.write_flash(offset, bytes, news)
        }
        fn send(&mut self, port: Port, bytes: &[u8]) -> Result<(), TargetError> {
            if !self.is_powered() {
                return Err(TargetError::NoPower("receive serial bytes"));
            }
            self.under_way += bytes.len();
            self.target.send(port, bytes)
        }
        fn run_until(&mut self, deadline: DeviceTime) -> Result<Vec<TargetEvent>, TargetError> {
            match self.broken {
                0 => {}
                u32::MAX => return Err(TargetError::Bench("it broke".to_owned())),
                _ => {
                    self.broken -= 1;
                    return Err(TargetError::Stopped("no such function".to_owned()));
                }
            }
            let now = self.now();
            if self.starts.last().is_none_or(|(start, _)| *start < now) {
                self.starts.push((now, self.clock.now()));
                self.clock.pass((self.cost)(now));
                // A line at about 115 200 baud.
                self.under_way = self.under_way.saturating_sub(12);
            }
            let events = self.target.run_until(deadline)?;
            if self.now() >= self.end {
                self.stop.store(true, Ordering::Relaxed);
            }
            Ok(events)
        }
        fn finish(&mut self) -> MachineReport {
            self.target.finish()
        }
    }

    impl Served for Bench {
        fn follow_speed(&mut self, _port: Port) {}

        fn modem_wiring(&self) -> ModemWiring {
            self.wiring
        }

        fn modem_lines(&mut self, lines: ModemLines) {
            self.lines.push((self.now(), lines));
        }

        fn set_wiring_faults(&mut self, _faults: &[WiringFault]) {}

        fn notes(&self) -> Vec<String> {
            Vec::new()
        }

        fn under_way(&mut self, _port: Port) -> usize {
            self.under_way
        }
        fn is_transferring(&mut self) -> bool {
            (self.transferring)(self.now())
        }
        fn changed_flash(&mut self) -> Option<Vec<u8>> {
            self.flash.clone()
        }
        fn flash(&self) -> Vec<u8> {
            self.flash.clone().unwrap_or_default()
        }
    }

    #[test]
    fn device_time_passes_in_slices_of_a_millisecond_and_never_ahead_of_wall_time() {
        let mut bench = Bench::until(100);
        bench.cost = |now| ms(if now == device(50) { 9 } else { 0 });
        let outcome = bench.serve_alone();
        assert_eq!(outcome.result, Ok(()));
        assert_eq!(bench.starts.len(), 100);
        for (n, (start, wall)) in (0..).zip(&bench.starts) {
            assert_eq!(*start, device(n));
            // The slice from 50 on took 9 ms; up to 59 there is no waiting.
            let expected = if (51..59).contains(&n) { 59 } else { n };
            assert_eq!(*wall, ms(expected), "slice {n}");
        }
        assert_eq!(bench.clock.now(), ms(100));
        assert!(outcome.remarks.is_empty(), "{:?}", outcome.remarks);
    }

    #[test]
    fn a_host_that_is_too_slow_is_remarked_on_now_and_then() {
        let mut bench = Bench::until(200);
        bench.cost = |_| ms(101);
        let outcome = bench.serve_alone();
        // Each slice loses 100 ms. The first is told, and in these 20.2 s one more.
        let told: Vec<&str> = outcome.remarks.iter().map(String::as_str).collect();
        let remark = |lost| format!("the host is too slow: {lost} ms of wall time lost so far");
        assert_eq!(told, [remark(100), remark(10_100)]);
        assert_eq!(bench.clock.now(), ms(200 * 101), "no attempt to catch up");
    }

    #[test]
    fn at_a_fast_pace_transfers_are_not_waited_for_and_everything_else_is() {
        for (pace, wall) in [(Pace::Wall, 100_000), (Pace::Fast, 60_100)] {
            let mut bench = Bench::until(100);
            bench.pace = pace;
            bench.transferring = |now| (device(20)..device(60)).contains(&now);
            let outcome = bench.serve_alone();
            assert_eq!(outcome.result, Ok(()));
            // The piece in which the last transfer ends is waited for.
            assert_eq!(bench.clock.now(), Duration::from_micros(wall));
        }
    }

    #[test]
    fn nothing_is_lost_while_nobody_waits() {
        let mut bench = Bench::until(100);
        bench.pace = Pace::Fast;
        bench.transferring = |_| true;
        bench.cost = |_| ms(2);
        let outcome = bench.serve_alone();
        assert!(outcome.remarks.is_empty(), "{:?}", outcome.remarks);
        assert_eq!(bench.clock.now(), ms(2 * 1_000), "in pieces of 100 us");
    }

    #[test]
    fn what_clients_send_takes_effect_at_the_start_of_a_slice() {
        let mut bench = Bench::until(5);
        let replies = [Reply::on(Cue::Sent(b"x".to_vec())).say(Span::from_micros(300), "answer")];
        bench.target = FakeTarget::new(replies);
        bench.target.power(Power::On).expect("a fake has power");
        let (ring, (client, input)) = (Arc::<Ring>::default(), channel(4));
        let bytes = b"x".to_vec();
        client
            .try_send(Input { port: Port::Console, what: Sent::Bytes(bytes) })
            .expect("there is room");
        let outcome = bench.serve(ring.clone(), input);
        assert_eq!(outcome.result, Ok(()));
        let log = bench.target.log();
        let log = log.lock().expect("one thread");
        assert_eq!(log[1..], [format!("{} console < x", DeviceTime::ZERO)]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        assert_eq!(runtime.block_on(ring.take()), (b"answer".to_vec(), 0));
    }

    #[test]
    fn clients_wait_while_the_line_is_full() {
        let mut bench = Bench::until(100);
        let (client, input) = channel(64);
        for n in 0..40_u8 {
            let bytes = vec![n; 40];
            client
                .try_send(Input { port: Port::Console, what: Sent::Bytes(bytes) })
                .expect("there is room");
        }
        bench.serve(Arc::default(), input);
        let log = bench.target.log();
        let log = log.lock().expect("one thread");
        let sent: Vec<&String> = log.iter().filter(|line| line.contains('<')).collect();
        let at_once = sent.iter().filter(|line| line.starts_with(&device(0).to_string())).count();
        assert_eq!(at_once, 13, "as many as begin below 512 bytes, in pieces of 40");
        assert_eq!(sent.len(), 40, "1600 bytes have room in 100 ms");
    }

    /// The modem lines as the board sees them, when a client changes them at these milliseconds and
    /// leaves at another.
    fn lines_seen(changes: &[(u64, bool, bool)], leaves: u64) -> Vec<(u64, bool, bool)> {
        lines_seen_by(ModemWiring::TwoTransistors, changes, leaves)
    }

    fn lines_seen_by(
        wiring: ModemWiring,
        changes: &[(u64, bool, bool)],
        leaves: u64,
    ) -> Vec<(u64, bool, bool)> {
        let mut bench = Bench { wiring, ..Bench::until(1_000) };
        let (client, input) = channel(64);
        let mut inbox = Inbox::new(input);
        for at in 0..1_000 {
            let changed = changes.iter().filter(|(when, ..)| *when == at);
            let changed = changed.map(|(_, dtr, rts)| ModemLines { dtr: *dtr, rts: *rts });
            let gone = (at == leaves).then_some(Sent::Gone);
            for what in changed.map(Sent::Lines).chain(gone) {
                client.try_send(Input { port: Port::Console, what }).expect("there is room");
            }
            inbox.feed(&mut bench).expect("nothing breaks");
            bench.run_until(device(at + 1)).expect("nothing breaks");
        }
        let seen = bench.lines.iter().map(|(at, lines)| (at.nanos() / 1_000_000, lines));
        seen.map(|(at, lines)| (at, lines.dtr, lines.rts)).collect()
    }

    #[test]
    fn slow_sequences_of_modem_lines_lose_the_states_between_and_no_others() {
        // Into the boot loader, each change 60 ms after the one before.
        let slow = [(0, false, true), (160, true, true), (220, true, false), (330, false, false)];
        let seen = [(0, false, true), (220, true, false), (580, false, false)];
        assert_eq!(lines_seen(&slow, 900)[..3], seen);
        // A program that opens the port asserts both, and lets go of both when it ends.
        let opened = [(0, true, false), (50, true, true), (500, false, false)];
        let seen = [(0, true, false), (300, true, true), (500, false, false)];
        assert_eq!(lines_seen(&opened, 900)[..3], seen);
        // On straight wires both asserted means something: reset with the strap low.
        assert_eq!(lines_seen_by(ModemWiring::Straight, &slow, 900)[..4], slow);
    }

    #[test]
    fn a_client_that_leaves_lets_go_of_the_lines_at_once() {
        // As mpremote closes the port; whoever presses reset then wants no boot loader.
        let closed = [(0, true, false), (60, false, false)];
        assert_eq!(lines_seen(&closed, 61), [(0, true, false), (61, false, false)]);
    }

    #[test]
    fn what_is_sent_to_a_board_without_power_is_lost_and_nobody_waits() {
        let mut bench = Bench::until(3);
        bench.target.power(Power::Off).expect("a fake has power");
        bench.under_way = 100_000;
        let (client, input) = channel(4);
        client
            .try_send(Input { port: Port::Console, what: Sent::Bytes(b"lost".to_vec()) })
            .expect("there is room");
        let outcome = bench.serve(Arc::default(), input);
        assert_eq!(outcome.result, Ok(()));
        assert!(client.is_closed() && client.capacity() == client.max_capacity());
    }

    #[test]
    fn changed_flash_is_kept_every_two_seconds_and_at_the_end_even_a_bad_one() {
        let mut bench = Bench::until(5_000);
        bench.flash = Some(b"flash".to_vec());
        let outcome = bench.serve_alone();
        let at: Vec<_> = outcome.kept.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(at, [2_000, 4_000, 5_000]);
        bench.broken = u32::MAX;
        bench.stop.store(false, Ordering::Relaxed);
        let outcome = bench.serve_alone();
        assert_eq!(outcome.result, Err(TargetError::Bench("it broke".to_owned())));
        assert_eq!(outcome.kept.len(), 1);
    }

    #[test]
    fn a_chip_that_stands_still_is_told_of_once_and_goes_on_when_it_can() {
        let mut bench = Bench::until(10);
        bench.broken = 30;
        let outcome = bench.serve_alone();
        assert_eq!(outcome.result, Ok(()));
        let remark = "the chip stands still until it is reset: no such function";
        assert_eq!(outcome.remarks, [remark]);
        // A millisecond each time, and none of it is lost time of the board.
        assert_eq!((bench.clock.now(), bench.now()), (ms(30 + 10), device(10)));
    }

    #[test]
    fn on_the_clock_of_the_host_device_time_takes_no_less_than_itself() {
        let mut bench = Bench::until(30);
        let clock = WallClock::default();
        let before = clock.now();
        let (input, orders) = (channel(1).1, channel(1).1);
        let (rings, stop, pace) = (Vec::new(), bench.stop.clone(), Pace::Wall);
        let wiring = Wiring { input, orders, visits: Vec::new(), rings, stop, pace };
        let pacer = Pacer::new(clock, bench.now());
        run(&mut bench, wiring, pacer, &mut |_| Ok(()), &mut |_| {}).expect("nothing breaks");
        assert!(clock.now() - before >= ms(30));
    }
}
