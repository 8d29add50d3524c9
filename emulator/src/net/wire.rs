//! The wire between stations and hosts, and what can be wrong with it.
//!
//! A faultless wire takes no time: the air in front of it does. A faulty one decides by a random
//! number of its own, which depends on the seed and on the frames before.

use std::collections::BTreeMap;

use super::order::{Faults, Link};
use crate::time::{Duration, Instant};

/// Frames under way at a time; what comes on top is lost, as in any queue.
const FRAMES_LIMIT: usize = 4096;
/// How long a frame is held back that others shall overtake, besides the delay of all.
const HELD_BACK: Duration = Duration::from_millis(5);

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToHosts,
    ToStations,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// It is there at once.
    Now,
    /// It is lost, or on its way.
    Not,
}

/// The wire.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    link: Link,
    faults: Faults,
    random: u64,
    under_way: BTreeMap<(Instant, u64), (Way, Vec<u8>)>,
    /// Frames that were ever under way, for their order.
    count: u64,
    /// When the latest frame arrives, each way: jitter makes none overtake another.
    latest: [Instant; 2],
}

impl Wire {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            link: Link::Up,
            faults: Faults::default(),
            random: seed,
            under_way: BTreeMap::new(),
            count: 0,
            latest: [Instant::ZERO; 2],
        }
    }

    /// Plugs or unplugs it. What was under way when it is unplugged is lost.
    pub(super) fn set_link(&mut self, link: Link) {
        self.link = link;
        if link == Link::Down {
            self.under_way.clear();
        }
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// When the next frame arrives.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// The next frame that has arrived by `now`.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<(Way, Vec<u8>)> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// A frame is put on the wire.
    pub(super) fn pass(&mut self, frame: &[u8], way: Way, at: Instant) -> Passage {
        if self.link == Link::Down {
            return Passage::Not;
        }
        if self.faults == Faults::default() && self.under_way.is_empty() {
            return Passage::Now;
        }
        let faults = self.faults;
        let too_large = faults.mtu.is_some_and(|mtu| frame.len() > mtu + 14);
        if self.happens(faults.loss) || too_large {
            return Passage::Not;
        }
        let jitter = match faults.jitter.ticks() {
            0 => Duration::ZERO,
            ticks => Duration::from_ticks(self.dice() % ticks),
        };
        let mut arrival = (at + faults.delay + jitter).max(self.latest[way as usize]);
        if self.happens(faults.reordered) {
            arrival += HELD_BACK;
        } else {
            self.latest[way as usize] = arrival;
        }
        self.put(frame, way, arrival);
        if self.happens(faults.duplicated) {
            self.put(frame, way, arrival);
        }
        Passage::Not
    }

    fn put(&mut self, frame: &[u8], way: Way, arrival: Instant) {
        if self.under_way.len() < FRAMES_LIMIT {
            self.count += 1;
            self.under_way.insert((arrival, self.count), (way, frame.to_vec()));
        }
    }

    fn happens(&mut self, permille: u16) -> bool {
        permille > 0 && self.dice() % 1000 < u64::from(permille)
    }

    /// SplitMix64.
    fn dice(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        super::switch::mix(self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(faults: Faults) -> Wire {
        let mut wire = Wire::new(7);
        wire.set_faults(faults);
        wire
    }

    fn ms(n: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(n)
    }

    /// Sends 1000 frames, one each millisecond; what arrives, and when.
    fn run(wire: &mut Wire) -> Vec<(Instant, u16)> {
        let mut arrived = Vec::new();
        for n in 0..1000_u16 {
            assert_eq!(wire.pass(&n.to_be_bytes(), Way::ToHosts, ms(n.into())), Passage::Not);
        }
        while let Some(at) = wire.deadline() {
            assert!(at == ms(0) || wire.arrived(Instant::from_ticks(at.ticks() - 1)).is_none());
            let (_, frame) = wire.arrived(at).unwrap();
            arrived.push((at, u16::from_be_bytes([frame[0], frame[1]])));
        }
        arrived
    }

    #[test]
    fn a_faultless_wire_takes_no_time_and_an_unplugged_one_takes_all() {
        let mut wire = Wire::new(7);
        assert_eq!(wire.pass(b"x", Way::ToHosts, ms(1)), Passage::Now);
        wire.set_link(Link::Down);
        assert_eq!(wire.pass(b"x", Way::ToHosts, ms(1)), Passage::Not);
        assert_eq!(wire.deadline(), None);
    }

    #[test]
    fn delay_and_jitter_keep_the_order() {
        let (delay, jitter) = (Duration::from_millis(20), Duration::from_millis(10));
        let arrived = run(&mut wire(Faults { delay, jitter, ..Faults::default() }));
        assert_eq!(arrived.len(), 1000);
        let mut spread = [Duration::from_secs(1), Duration::ZERO];
        for (n, (at, number)) in arrived.iter().enumerate() {
            assert_eq!(usize::from(*number), n);
            let time = *at - ms(n as u64);
            spread = [spread[0].min(time), spread[1].max(time)];
        }
        assert!(spread[0] >= delay && spread[0] < Duration::from_millis(22), "{}", spread[0]);
        assert!(spread[1] < delay + jitter && spread[1] > Duration::from_millis(28));
    }

    #[test]
    fn frames_are_lost_copied_and_overtaken_as_often_as_told() {
        let faults = Faults { loss: 100, duplicated: 50, reordered: 200, ..Faults::default() };
        let arrived = run(&mut wire(faults));
        let mut numbers: Vec<_> = arrived.iter().map(|(_, number)| *number).collect();
        let overtaken = numbers.windows(2).filter(|w| w[0] > w[1]).count();
        assert!((100..260).contains(&overtaken), "{overtaken}");
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert!((870..930).contains(&numbers.len()), "{}", numbers.len());
        assert!((25..70).contains(&(all - numbers.len())), "{}", all - numbers.len());
    }

    #[test]
    fn what_is_larger_than_the_mtu_vanishes() {
        let mut wire = wire(Faults { mtu: Some(576), ..Faults::default() });
        wire.pass(&[0; 591], Way::ToStations, ms(0));
        assert_eq!(wire.deadline(), None);
        wire.pass(&[0; 590], Way::ToStations, ms(0));
        assert_eq!(wire.deadline(), Some(ms(0)));
    }
}
