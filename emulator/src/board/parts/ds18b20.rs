//! DS18B20: a thermometer on a 1-Wire bus, with others or alone.
//!
//! Source: Maxim Integrated, "DS18B20 Programmable Resolution 1-Wire Digital Thermometer", for the
//! commands, the memory and the times of resets and slots; Application Note 187, "1-Wire Search
//! Algorithm".
//!
//! *Modelled*: presence; the ROM commands read, match, skip and search, alarm search as one that
//! nobody answers; conversions with their time at each resolution; the scratchpad and the EEPROM
//! behind it; the pull-up of its module.
//!
//! *Not modelled*: parasite power; alarms; overdrive, which it does not have.

mod memory;

use self::memory::{Memory, crc};
use super::{Drive, Part};
use crate::time::{Duration, Instant};

/// A low level that is longer is a reset: a master makes it 480 us at least, and a slot no longer than
/// 120 us.
const RESET: Duration = Duration::from_micros(240);
/// From the end of a reset to the presence pulse, and the length of that.
const PRESENCE: [Duration; 2] = [Duration::from_micros(30), Duration::from_micros(120)];
/// When it samples a slot in which the master writes, and how long it holds one in which it sends 0.
const SLOT: Duration = Duration::from_micros(30);

mod rom_command {
    pub(super) const SEARCH: u8 = 0xf0;
    pub(super) const READ: u8 = 0x33;
    pub(super) const MATCH: u8 = 0x55;
    pub(super) const SKIP: u8 = 0xcc;
}

mod function {
    pub(super) const CONVERT: u8 = 0x44;
    pub(super) const WRITE_SCRATCHPAD: u8 = 0x4e;
    pub(super) const READ_SCRATCHPAD: u8 = 0xbe;
    pub(super) const COPY_SCRATCHPAD: u8 = 0x48;
    pub(super) const RECALL: u8 = 0xb8;
    pub(super) const READ_POWER_SUPPLY: u8 = 0xb4;
}

/// What bits from the master are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    RomCommand,
    /// A whole code: the part that has it goes on.
    Code,
    Function,
    /// TH, TL and the configuration.
    Registers,
}

impl Received {
    fn bits(self) -> u32 {
        match self {
            Self::RomCommand | Self::Function => 8,
            Self::Registers => 24,
            Self::Code => 64,
        }
    }
}

/// What the next slot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It waits for a reset.
    Idle,
    /// Bits from the master, the lowest first.
    Receiving { what: Received, bits: u32, value: u64 },
    /// It sends bits, the lowest first; then ones.
    Sending { bits: u128 },
    /// It sends zeros until the conversion is over, then ones.
    Converting,
    /// A bit of its code, the same inverted, and the bit with which the master goes on.
    Searching { bit: u32, step: u8 },
}

impl Phase {
    fn receiving(what: Received) -> Self {
        Self::Receiving { what, bits: 0, value: 0 }
    }
}

/// A thermometer.
#[derive(Debug, Clone)]
pub struct Ds18b20 {
    /// Family, serial number and their checksum, the lowest byte first.
    code: u64,
    memory: Memory,
    phase: Phase,
    /// When the wire fell.
    fell: Option<Instant>,
    /// From when to when it holds the wire low.
    hold: (Instant, Instant),
    /// Until when there is a presence pulse on the wire.
    present: Instant,
}

impl Ds18b20 {
    /// A thermometer in a room, with a family and a serial number of 48 bits.
    pub fn new(family: u8, serial: u64) -> Self {
        let low = u64::from(family) | (serial & 0xffff_ffff_ffff) << 8;
        let check = crc(&low.to_le_bytes()[..7]);
        Self {
            code: low | u64::from(check) << 56,
            memory: Memory::new(),
            phase: Phase::Idle,
            fell: None,
            hold: (Instant::ZERO, Instant::ZERO),
            present: Instant::ZERO,
        }
    }

    /// What it sends in the slot that begins, if it sends.
    fn outgoing(&self, now: Instant) -> Option<bool> {
        match self.phase {
            Phase::Sending { bits } => Some(bits & 1 != 0),
            Phase::Converting => Some(!self.memory.converts(now)),
            Phase::Searching { bit, step: step @ 0..=1 } => {
                Some((self.code >> bit & 1 != 0) != (step == 1))
            }
            _ => None,
        }
    }

    /// A slot is over, in which the master wrote that bit, if it wrote.
    fn end_slot(&mut self, bit: bool, now: Instant) {
        self.phase = match self.phase {
            Phase::Receiving { what, bits, value } => {
                let value = value | u64::from(bit) << bits;
                match bits + 1 {
                    all if all == what.bits() => self.received(what, value, now),
                    bits => Phase::Receiving { what, bits, value },
                }
            }
            Phase::Sending { bits } => Phase::Sending { bits: bits >> 1 | 1 << 127 },
            Phase::Searching { bit: at, step: 2 } => {
                match (bit == (self.code >> at & 1 != 0), at) {
                    (false, _) => Phase::Idle,
                    (true, 63) => Phase::receiving(Received::Function),
                    (true, _) => Phase::Searching { bit: at + 1, step: 0 },
                }
            }
            Phase::Searching { bit, step } => Phase::Searching { bit, step: step + 1 },
            as_before @ (Phase::Idle | Phase::Converting) => as_before,
        };
    }

    fn received(&mut self, what: Received, value: u64, now: Instant) -> Phase {
        let send = |bits| Phase::Sending { bits };
        match (what, value as u8) {
            (Received::Code, _) if value == self.code => Phase::receiving(Received::Function),
            (Received::Registers, _) => {
                let [high, low, configuration, ..] = value.to_le_bytes();
                self.memory.set_registers(high, low, configuration);
                Phase::Idle
            }
            (Received::RomCommand, rom_command::SEARCH) => Phase::Searching { bit: 0, step: 0 },
            (Received::RomCommand, rom_command::READ) => send(ones_above(self.code.into(), 64)),
            (Received::RomCommand, rom_command::MATCH) => Phase::receiving(Received::Code),
            (Received::RomCommand, rom_command::SKIP) => Phase::receiving(Received::Function),
            (Received::Function, function::CONVERT) => {
                self.memory.convert(now);
                Phase::Converting
            }
            (Received::Function, function::WRITE_SCRATCHPAD) => {
                Phase::receiving(Received::Registers)
            }
            (Received::Function, function::READ_SCRATCHPAD) => {
                let mut bytes = [0xff; 16];
                bytes[..9].copy_from_slice(&self.memory.scratchpad(now));
                send(u128::from_le_bytes(bytes))
            }
            (Received::Function, function::COPY_SCRATCHPAD) => {
                self.memory.copy();
                send(u128::MAX)
            }
            (Received::Function, function::RECALL) => {
                self.memory.recall();
                send(u128::MAX)
            }
            // It has a supply of its own.
            (Received::Function, function::READ_POWER_SUPPLY) => send(u128::MAX),
            _ => Phase::Idle,
        }
    }
}

fn ones_above(bits: u128, count: u32) -> u128 {
    bits | u128::MAX << count
}

impl Part for Ds18b20 {
    fn set_control(&mut self, control: &str, value: f64, _now: Instant) -> bool {
        if control == "temperature" {
            self.memory.temperature = value;
        }
        control == "temperature"
    }

    fn drive(&self, _pin: usize, now: Instant) -> Drive {
        let (from, to) = self.hold;
        if (from..to).contains(&now) { Drive::Strong(false) } else { Drive::Weak(true) }
    }

    fn next_change(&self, now: Instant) -> Option<Instant> {
        [self.hold.0, self.hold.1].into_iter().find(|instant| *instant > now)
    }

    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, _pin: usize, level: bool, now: Instant) {
        if now <= self.present {
            // Its own presence pulse, and that of others.
            return;
        }
        if !level {
            self.fell = Some(now);
            if self.outgoing(now) == Some(false) {
                self.hold = (now, now + SLOT);
            }
        } else if let Some(fell) = self.fell.take() {
            let low = now - fell;
            if low >= RESET {
                let [pause, length] = PRESENCE;
                self.present = now + pause + length;
                self.hold = (now + pause, self.present);
                self.phase = Phase::receiving(Received::RomCommand);
            } else {
                self.end_slot(low < SLOT, now);
            }
        }
    }

    fn power_off(&mut self) {
        self.memory.power_off();
        self.phase = Phase::Idle;
        self.fell = None;
        self.hold = (Instant::ZERO, Instant::ZERO);
        self.present = Instant::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A master with a wire and parts on it.
    struct Wire {
        parts: Vec<Ds18b20>,
        now: Instant,
        level: bool,
        pulls: bool,
    }

    impl Wire {
        fn new(parts: Vec<Ds18b20>) -> Self {
            let now = Instant::ZERO + Duration::from_millis(1);
            Self { parts, now, level: true, pulls: false }
        }

        fn settle(&mut self) {
            let held = |part: &Ds18b20| part.drive(0, self.now) == Drive::Strong(false);
            let level = !self.pulls && !self.parts.iter().any(held);
            if std::mem::replace(&mut self.level, level) != level {
                self.parts.iter_mut().for_each(|part| part.hear(0, level, self.now));
            }
        }

        fn wait(&mut self, us: u64) {
            let end = self.now + Duration::from_micros(us);
            loop {
                let next = self.parts.iter().filter_map(|part| part.next_change(self.now)).min();
                match next.filter(|next| *next <= end) {
                    Some(next) => self.now = next,
                    None => break,
                }
                self.settle();
            }
            self.now = end;
        }

        fn pull(&mut self, pulls: bool) {
            self.pulls = pulls;
            self.settle();
        }

        /// Whether somebody is there.
        fn reset(&mut self) -> bool {
            self.pull(true);
            self.wait(480);
            self.pull(false);
            self.wait(70);
            let present = !self.level;
            self.wait(410);
            present
        }

        fn write(&mut self, bit: bool) {
            self.pull(true);
            self.wait(if bit { 6 } else { 60 });
            self.pull(false);
            self.wait(if bit { 64 } else { 10 });
        }

        fn read(&mut self) -> bool {
            self.pull(true);
            self.wait(3);
            self.pull(false);
            self.wait(9);
            let bit = self.level;
            self.wait(55);
            bit
        }

        fn write_bytes(&mut self, bytes: &[u8]) {
            let bits = bytes.iter().flat_map(|byte| (0..8).map(move |n| byte >> n & 1 != 0));
            bits.for_each(|bit| self.write(bit));
        }

        fn read_bytes<const N: usize>(&mut self) -> [u8; N] {
            std::array::from_fn(|_| (0..8).fold(0, |byte, n| byte | u8::from(self.read()) << n))
        }

        /// Follows the search algorithm, turning to 1 where codes part if `ones` says so.
        fn search(&mut self, ones: bool) -> u64 {
            assert!(self.reset());
            self.write_bytes(&[rom_command::SEARCH]);
            (0..64).fold(0, |code, n| {
                let bit = match (self.read(), self.read()) {
                    (false, false) => ones,
                    (bit, inverted) => {
                        assert_ne!(bit, inverted, "somebody answers");
                        bit
                    }
                };
                self.write(bit);
                code | u64::from(bit) << n
            })
        }
    }

    fn thermometer(serial: u64, temperature: f64) -> Ds18b20 {
        let mut part = Ds18b20::new(0x28, serial);
        assert!(part.set_control("temperature", temperature, Instant::ZERO));
        part
    }

    #[test]
    fn a_master_alone_finds_nobody() {
        assert!(!Wire::new(Vec::new()).reset());
    }

    #[test]
    fn it_tells_85_degrees_until_it_has_converted() {
        let mut wire = Wire::new(vec![thermometer(1, -10.125)]);
        assert!(wire.reset());
        wire.write_bytes(&[rom_command::SKIP, function::READ_SCRATCHPAD]);
        let scratchpad = wire.read_bytes::<9>();
        assert_eq!(scratchpad[..8], [0x50, 0x05, 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10]);
        assert_eq!(scratchpad[8], crc(&scratchpad[..8]));
        assert!(wire.reset());
        wire.write_bytes(&[rom_command::SKIP, function::CONVERT]);
        assert!(!wire.read());
        wire.wait(749_000);
        assert!(!wire.read());
        wire.wait(1_000);
        assert!(wire.read());
        assert!(wire.reset());
        wire.write_bytes(&[rom_command::SKIP, function::READ_SCRATCHPAD]);
        assert_eq!(wire.read_bytes::<2>(), [0x5e, 0xff], "the example of the data sheet");
    }

    #[test]
    fn several_on_a_wire_are_found_by_search_and_asked_by_their_codes() {
        let parts =
            [(0x11, 20.0), (0x13, 30.0)].map(|(serial, celsius)| thermometer(serial, celsius));
        let codes = [parts[0].code, parts[1].code];
        let mut wire = Wire::new(parts.to_vec());
        assert_eq!([wire.search(false), wire.search(true)], codes);
        assert!(wire.reset());
        wire.write_bytes(&[rom_command::SKIP, function::CONVERT]);
        wire.wait(750_000);
        for (code, raw) in codes.into_iter().zip([20 * 16_u16, 30 * 16]) {
            assert!(wire.reset());
            wire.write_bytes(&[rom_command::MATCH]);
            wire.write_bytes(&code.to_le_bytes());
            wire.write_bytes(&[function::READ_SCRATCHPAD]);
            assert_eq!(wire.read_bytes::<2>(), raw.to_le_bytes());
        }
    }

    #[test]
    fn a_lower_resolution_is_faster_and_kept_in_the_eeprom() {
        let mut wire = Wire::new(vec![thermometer(1, 21.9375)]);
        assert!(wire.reset());
        wire.write_bytes(&[rom_command::SKIP, function::WRITE_SCRATCHPAD, 1, 2, 0x1f]);
        assert!(wire.reset());
        wire.write_bytes(&[rom_command::SKIP, function::COPY_SCRATCHPAD]);
        wire.parts[0].power_off();
        assert!(wire.reset());
        wire.write_bytes(&[rom_command::SKIP, function::CONVERT]);
        wire.wait(94_000);
        assert!(wire.read());
        assert!(wire.reset());
        wire.write_bytes(&[rom_command::SKIP, function::READ_SCRATCHPAD]);
        assert_eq!(wire.read_bytes::<5>(), [0x58, 0x01, 1, 2, 0x1f], "21.5 degrees");
    }

    #[test]
    fn no_sequence_of_pulses_panics() {
        let mut part = thermometer(u64::MAX, f64::NAN);
        let mut now = Instant::ZERO;
        for n in 0..20_000_u64 {
            now += Duration::from_micros(n * 7_919 % 97 + if n % 501 == 0 { 500 } else { 0 });
            part.hear(0, n % 2 == 0, now);
            let _ = (part.drive(0, now), part.next_change(now));
        }
    }
}
