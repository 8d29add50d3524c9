//! Whether every device keeps the contract of [`Peripheral`]: the scheduler may poll a device at
//! any time, and only then may its interrupt level change by itself when it has said so.
//!
//! Two copies of a device get the same random accesses at the same times. One is polled when it is
//! due, as the scheduler does it; the other one also at random times between, and it is accessed by
//! `peek` and `poke` where these will. Nothing may tell them apart.

use super::*;
use crate::board::parts::nor_flash::{FlashIdentity, FlashSize, NorFlash};
use crate::soc::bus::System;
use crate::time::{Duration, Hertz};

/// A deadline so near is waited for at times.
const LONG: Duration = Duration::from_secs(1);

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32
    }

    fn below(&mut self, n: u64) -> u64 {
        (u64::from(self.next()) << 16 ^ u64::from(self.next())) % n.max(1)
    }

    /// Values that configure: few bits, small numbers, and anything.
    fn value(&mut self) -> u32 {
        match self.next() % 6 {
            0 => 0,
            1 => u32::MAX,
            2 => 1 << (self.next() % 32),
            3 => self.next() & self.next() & self.next(),
            4 => self.next() % 64,
            _ => self.next(),
        }
    }
}

/// First address and length of a device's block.
fn block(id: Id) -> (u32, u32) {
    let mut words = (BASE..BASE + SPACE).step_by(4);
    let first = words.find(|&it| matches!(Id::at(it), Some((found, 0)) if found == id));
    let first = first.unwrap_or(BASE);
    let length = (0..).step_by(4).find(|&it| Id::at(first + it) != Some((id, it)));
    (first, length.unwrap_or(0))
}

/// What sets devices going that random values seldom do: offsets and values.
fn start(id: Id) -> &'static [(u32, u32)] {
    const KEY: u32 = 0x50d8_3aa1;
    match id {
        Id::Timg0 | Id::Timg1 => &[
            (0x98, 0xf),                                       // all interrupts
            (0x10, 500),                                       // alarm of timer 0
            (0x00, 0b111 << 29 | 2 << 13 | 1 << 11 | 1 << 10), // counts, reloads
            (0x64, KEY),
            (0x4c, 4 << 16),                     // prescaler of the watchdog
            (0x50, 300),                         // its first stage:
            (0x48, 1 << 31 | 1 << 29 | 1 << 21), // an interrupt
        ],
        Id::Frc => &[
            (0x00, 1000), // FRC1 counts down from here
            (0x08, 1 << 7 | 1 << 6 | 1),
            (0x30, 2000), // FRC2 up to there
            (0x28, 1 << 7 | 1),
        ],
        Id::Ledc => &[
            (0x188, u32::MAX),                                   // all interrupts
            (0x140, 1 << 25 | 256 << 5 | 4),                     // HSTIMER0: 16 steps of APB_CLK
            (0x000, 1 << 2),                                     // HSCH0: output,
            (0x008, 0x10),                                       // duty 1,
            (0x00c, 1 << 31 | 1 << 30 | 20 << 20 | 3 << 10 | 1), // fading up by 20
        ],
        Id::Rmt => &[
            (0xa8, u32::MAX),                  // all interrupts
            (0x800, 1 << 15 | 100 | 50 << 16), // a pulse
            (0x804, 0),                        // and the end
            (0x20, 1 | 1 << 24),               // no division, one block
            (0x24, 1 << 17 | 1 << 6 | 1),      // APB_CLK, again and again
        ],
        Id::RtcCntl => &[
            (0x3c, 0x1ff), // all interrupts
            (0x04, 100),   // alarm of the main timer
            (0x08, 1 << 16),
            (0xa4, KEY),
            (0x90, 50), // watchdog: first stage
            (0x8c, 1 << 31 | 1 << 28),
        ],
        Id::I2s0 | Id::I2s1 => &[
            (0x14, u32::MAX),           // all interrupts
            (0x08, 0b11 << 4),          // sends and receives
            (0x30, 1 << 29 | 0xb_0000), // without a valid descriptor
        ],
        Id::Sens => &[
            (0x84, 1 << 13),           // the touch pads are measured
            (0x84, 1 << 13 | 1 << 12), // when software says so
        ],
        Id::Rsa => &[
            (0x80c, 8), // a plain product of 512 bits
            (0x810, 1),
        ],
        Id::Efuse => &[
            (0x110, 0b11),   // all interrupts
            (0x0fc, 0x5aa5), // reading is allowed,
            (0x104, 1),      // and begins
        ],
        _ => &[],
    }
}

/// Devices that do something by themselves after a time.
fn acts_later(id: Id) -> bool {
    use Id::*;
    matches!(
        id,
        Efuse
            | Frc
            | I2c0
            | I2c1
            | I2s0
            | I2s1
            | Ledc
            | Rmt
            | Rsa
            | RtcCntl
            | Sens
            | Spi0
            | Spi1
            | Spi2
            | Spi3
            | Timg0
            | Timg1
            | Uart0
            | Uart1
            | Uart2
    )
}

struct Pair {
    id: Id,
    /// Polled when due, and polled more often.
    systems: [System; 2],
    now: Instant,
    clocks: Clocks,
    seed: u64,
    /// Deadlines that came.
    due: u32,
}

impl Pair {
    fn context(&self) -> Context {
        Context::at(self.now, self.clocks)
    }

    fn assert_equal(&self, what: &str) {
        let [plain, polled] = self.systems.each_ref().map(|it| &it.devices);
        let n = self.id as usize;
        assert_eq!(
            (plain.irqs[n], plain.deadlines[n]),
            (polled.irqs[n], polled.deadlines[n]),
            "{:?}, seed {}, at {:?}: interrupt level or deadline after {what}",
            self.id,
            self.seed,
            self.now,
        );
    }

    /// Polls the second copy at some times up to `end`, but not there: often at the last moment,
    /// which tells an announced instant from a later one.
    fn poll_needlessly(&mut self, end: Instant, random: &mut Random) {
        let span = end.saturating_since(self.now).ticks();
        let mut times: Vec<_> = (0..random.next() % 3).map(|_| random.below(span)).collect();
        if random.next().is_multiple_of(2) {
            times.push(span.saturating_sub(1));
        }
        times.sort_unstable();
        for ticks in times.into_iter().filter(|&it| it < span) {
            let cx = Context::at(self.now + Duration::from_ticks(ticks), self.clocks);
            self.systems[1].devices.poll(self.id, &cx);
            self.systems[1].serve(self.id, &cx);
            self.assert_equal("a needless poll");
        }
    }

    /// Lets time pass up to `end`, polling at each deadline on the way.
    fn advance(&mut self, end: Instant, random: &mut Random) {
        for _ in 0..500 {
            let due = self.systems[0].devices.deadlines[self.id as usize];
            self.poll_needlessly(due.min(end), random);
            if due > end {
                self.now = end;
                return;
            }
            // The scheduler comes at the end of the cycle in which the deadline lies.
            let late = Duration::from_ticks(u64::from(random.next() % 12));
            self.now = (due + late).max(self.now);
            let cx = self.context();
            for system in &mut self.systems {
                system.devices.poll(self.id, &cx);
                system.serve(self.id, &cx);
            }
            self.due += 1;
            self.assert_equal("a poll that was due");
            let next = self.systems[0].devices.deadlines[self.id as usize];
            assert!(next > self.now, "{:?}, seed {}: due again at once", self.id, self.seed);
        }
    }

    fn access(&mut self, address: u32, random: &mut Random) {
        let cx = self.context();
        if random.next().is_multiple_of(3) {
            let read = |it: &mut System| {
                let (value, touched) = it.devices.read(address, &cx);
                if let Some(id) = touched {
                    it.serve(id, &cx);
                }
                value
            };
            let [plain, polled] = &mut self.systems;
            let one = read(plain);
            let two = polled.devices.peek(address, cx.now).unwrap_or_else(|| read(polled));
            assert_eq!(one, two, "{:?}, seed {}: read of {address:#x}", self.id, self.seed);
        } else {
            self.write(address, random.value());
            return;
        }
        self.assert_equal("a read");
    }

    fn write(&mut self, address: u32, value: u32) {
        let cx = self.context();
        let write = |it: &mut System| {
            let touched = it.devices.write(address, value, &cx);
            if let Some(id) = touched {
                it.serve(id, &cx);
            }
        };
        let [plain, polled] = &mut self.systems;
        write(plain);
        if !polled.devices.poke(address, value, &cx) {
            write(polled);
        }
        self.assert_equal("a write");
    }

    fn change_clocks(&mut self, random: &mut Random) {
        let cpu = Hertz::mhz([40, 80, 160, 240, 2][random.next() as usize % 5]);
        let apb = if cpu.hz() >= 80_000_000 { Hertz::mhz(80) } else { cpu };
        let before = self.clocks;
        self.clocks = Clocks { cpu, apb, ..before };
        let cx = self.context();
        for system in &mut self.systems {
            system.devices.clocks_changed(before, &cx);
        }
        self.assert_equal("a change of clocks");
    }
}

#[test]
fn needless_polls_change_nothing_and_levels_change_only_when_announced() {
    for &id in Id::ALL {
        let (first, length) = block(id);
        assert!(length > 0, "{id:?}");
        let mut due = 0;
        for seed in 1..=60_u64 {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let config = DeviceConfig { efuse: EfuseConfig::default(), seed };
            let flash = NorFlash::new(FlashSize::MiB1, FlashIdentity::WINBOND);
            let devices = Devices::new(&config);
            let system = System::new([&[], &[]], devices, flash, None, Clocks::default());
            let mut pair = Pair {
                id,
                systems: [system.clone(), system],
                now: Instant::ZERO,
                clocks: Clocks::default(),
                seed,
                due: 0,
            };
            // Few registers, often: so that they come to mean something together.
            let words = u64::from(length / 4);
            let often: Vec<_> = (0..12).map(|_| random.below(words.min(96)) as u32).collect();
            for _ in 0..120 {
                let longest = 1 << (random.next() % 24);
                let gap = random.below(longest);
                let deadline = pair.systems[0].devices.deadlines[id as usize];
                let gap = pair.now + Duration::from_ticks(gap);
                let end = if random.next().is_multiple_of(4) && deadline < gap + LONG {
                    deadline
                } else {
                    gap
                };
                pair.advance(end, &mut random);
                let word = match random.next() % 4 {
                    0 => random.below(words) as u32,
                    n => often[(random.next() + n) as usize % often.len()],
                };
                pair.access(first + word * 4, &mut random);
                if random.next().is_multiple_of(24) {
                    pair.change_clocks(&mut random);
                }
                if random.next().is_multiple_of(16) {
                    for (offset, value) in start(id) {
                        pair.write(first + offset, *value);
                    }
                }
            }
            due += pair.due;
        }
        let expected = if acts_later(id) { 20..u32::MAX } else { 0..1 };
        assert!(expected.contains(&due), "{id:?}: {due} deadlines came");
    }
}
