//! Whether every device keeps the contract of [`Peripheral`]: the scheduler may poll a device at
//! any time, and only then may its interrupt level change by itself when it has said so.
//!
//! Two copies of a device get the same random accesses at the same times. One is polled when it is
//! due, as the scheduler does it; the other one also at random times between. Nothing may tell them
//! apart.

use super::*;
use crate::board::parts::nor_flash::{FlashIdentity, FlashSize, NorFlash};
use crate::soc::bus::System;
use crate::time::{Duration, Hertz};

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

struct Pair {
    id: Id,
    /// Polled when due, and polled more often.
    systems: [System; 2],
    now: Instant,
    clocks: Clocks,
    seed: u64,
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

    /// Polls the second copy at some times up to `end`, but not there.
    fn poll_needlessly(&mut self, end: Instant, random: &mut Random) {
        let span = end.saturating_since(self.now).ticks();
        let mut times: Vec<_> = (0..random.next() % 3).map(|_| random.below(span)).collect();
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
            self.assert_equal("a poll that was due");
            let next = self.systems[0].devices.deadlines[self.id as usize];
            assert!(next > self.now, "{:?}, seed {}: due again at once", self.id, self.seed);
        }
    }

    fn access(&mut self, address: u32, random: &mut Random) {
        let cx = self.context();
        if random.next().is_multiple_of(3) {
            let [one, two] = self.systems.each_mut().map(|it| {
                let (value, touched) = it.devices.read(address, &cx);
                touched.into_iter().for_each(|it_was| it.serve(it_was.id, &cx));
                value
            });
            assert_eq!(one, two, "{:?}, seed {}: read of {address:#x}", self.id, self.seed);
        } else {
            let value = random.value();
            for system in &mut self.systems {
                let touched = system.devices.write(address, value, &cx);
                touched.into_iter().for_each(|it_was| system.serve(it_was.id, &cx));
            }
        }
        self.assert_equal("an access");
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
        for seed in 1..=60_u64 {
            eprintln!("{id:?} {seed}");
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
            };
            // Few registers, often: so that they come to mean something together.
            let words = u64::from(length / 4);
            let often: Vec<_> = (0..12).map(|_| random.below(words.min(96)) as u32).collect();
            for _ in 0..120 {
                let longest = 1 << (random.next() % 24);
                let gap = random.below(longest);
                let end = pair.now + Duration::from_ticks(gap);
                pair.advance(end, &mut random);
                let word = match random.next() % 4 {
                    0 => random.below(words) as u32,
                    n => often[(random.next() + n) as usize % often.len()],
                };
                pair.access(first + word * 4, &mut random);
                if random.next().is_multiple_of(24) {
                    pair.change_clocks(&mut random);
                }
            }
        }
    }
}
