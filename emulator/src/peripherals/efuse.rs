//! eFuse controller: one-time programmable bits and their shadow registers.
//!
//! *Source*: ESP32 Technical Reference Manual, chapter "eFuse Controller"; fields from ESP-IDF
//! `soc/efuse_reg.h` and `esp_efuse_table.csv`; revision bits from `hal/esp32/efuse_hal.c`; operation
//! codes and the MAC layout from the same tree and from measured boards.
//!
//! *Modelled*: blocks 0 to 3 as they leave the factory for a [`EfuseConfig`]; the read operation
//! copies them to the shadow registers, the program operation sets (never clears) bits; both take a
//! short time, then the command clears itself and the interrupt is raised; write protection of
//! blocks 1 to 3 and of the protection fields, read protection of blocks 1 to 3.
//!
//! *Not modelled*: coding schemes other than none; write protection of single fields of block 0;
//! influence of EFUSE_CLK and EFUSE_DAC_CONF on the programming time.
//!
//! Interrupt line: bit 0.

use super::{Context, Peripheral, Stores, Unmodelled};
use crate::time::{Duration, Instant};

mod reg {
    pub(super) const BLK0_RDATA0: u32 = 0x000;
    pub(super) const BLK0_WDATA0: u32 = 0x01c;
    pub(super) const BLK1_RDATA0: u32 = 0x038;
    pub(super) const BLK1_WDATA0: u32 = 0x098;
    pub(super) const CLK: u32 = 0x0f8;
    pub(super) const CONF: u32 = 0x0fc;
    pub(super) const STATUS: u32 = 0x100;
    pub(super) const CMD: u32 = 0x104;
    pub(super) const INT_RAW: u32 = 0x108;
    pub(super) const INT_ST: u32 = 0x10c;
    pub(super) const INT_ENA: u32 = 0x110;
    pub(super) const INT_CLR: u32 = 0x114;
    pub(super) const DEC_STATUS: u32 = 0x11c;
    pub(super) const DATE: u32 = 0x1fc;
}

const CMD_READ: u32 = 1 << 0;
const CMD_PROGRAM: u32 = 1 << 1;
const OP_READ: u32 = 0x5aa5;
const OP_PROGRAM: u32 = 0x5a5a;
const CONF_RESET: u32 = 0x0001_0000;
const DATE: u32 = 0x1604_2600;
/// Time of the operations: long enough that firmware sees the busy command.
const READ_TIME: Duration = Duration::from_micros(1);
const PROGRAM_TIME: Duration = Duration::from_micros(1000);
/// Words of block 0, and of the blocks 1 to 3 together.
const BLK0_WORDS: usize = 7;
const KEY_WORDS: usize = 24;

/// Silicon revision, as firmware computes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChipRevision {
    /// v0.0
    V0,
    /// v1.0 (ECO1)
    V1,
    /// v2.0
    V2,
    /// v3.0 (ECO3)
    V3,
    /// v3.1
    V3_1,
}

impl ChipRevision {
    /// Major number, 0 to 3.
    pub const fn major(self) -> u32 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 | Self::V3_1 => 3,
        }
    }

    /// Minor number.
    pub const fn minor(self) -> u32 {
        matches!(self, Self::V3_1) as u32
    }
}

/// What is on the die and in the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// ESP32-D0WDQ6: dual core, 6 mm.
    D0wdq6 = 0,
    /// ESP32-D0WD: dual core, 5 mm (ESP32-D0WD-V3 with revision 3).
    D0wd = 1,
    /// ESP32-D2WD: 2 MB flash inside.
    D2wd = 2,
    /// ESP32-U4WDH: 4 MB flash inside.
    U4wdh = 4,
    /// ESP32-PICO-D4 (ESP32-PICO-V3 with revision 3).
    PicoD4 = 5,
    /// ESP32-PICO-V3-02: 8 MB flash, 2 MB PSRAM.
    PicoV3_02 = 6,
}

/// Frequency of the RC_FAST oscillator, as the factory measures it, in units of 100 kHz (BLOCK0
/// word 4, bits 7:0). The mask ROM tells a crystal of 40 MHz from one of 26 MHz by it: it multiplies
/// it with the crystal's cycles in 256 of the oscillator, which the timer group measures all the time
/// from reset on (seen by following a real ROM image). Without it, the ROM takes ours for 26 MHz.
const CK8M_FREQ: u32 = 85;

/// What the factory has burnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EfuseConfig {
    /// Base MAC address in transmission order.
    pub mac: [u8; 6],
    /// Silicon revision. Its top bit is in APB_CTRL, see [`super::apb_ctrl`].
    pub revision: ChipRevision,
    /// Package.
    pub package: Package,
    /// True ADC reference minus 1100 mV, in steps of 7 mV, -15 to 15; 0 is "not calibrated".
    pub adc_vref_steps: i8,
}

impl Default for EfuseConfig {
    /// A revision 3 chip in the 5 mm package.
    fn default() -> Self {
        Self {
            mac: [0x10, 0x01, 0x00, 0xc4, 0x0a, 0x24],
            revision: ChipRevision::V3,
            package: Package::D0wd,
            adc_vref_steps: 0,
        }
    }
}

impl EfuseConfig {
    fn block0(&self) -> [u32; BLK0_WORDS] {
        let [m0, m1, m2, m3, m4, m5] = self.mac;
        let package = self.package as u32;
        let major = self.revision.major();
        let rev1 = u32::from(major >= 1) << 15;
        let rev2 = u32::from(major >= 2) << 20;
        let sign = u32::from(self.adc_vref_steps < 0) << 4;
        let vref = sign | u32::from(self.adc_vref_steps.unsigned_abs().min(15));
        let cpu_freq_rated = 1 << 13;
        [
            0,
            u32::from_be_bytes([m2, m3, m4, m5]),
            u32::from_be_bytes([0, crc8(&self.mac), m0, m1]),
            rev1 | cpu_freq_rated | (package & 7) << 9 | (package >> 3) << 2,
            vref << 8 | CK8M_FREQ,
            rev2 | self.revision.minor() << 24,
            0,
        ]
    }
}

/// CRC-8 of the MAC address: polynomial x^8 + x^5 + x^4 + 1, reflected, starting from 0.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| (crc >> 1) ^ if crc & 1 != 0 { 0x8c } else { 0 })
    })
}

/// All bits: block 0, then 1, 2, 3.
type Bits = ([u32; BLK0_WORDS], [u32; KEY_WORDS]);

/// The eFuse controller with its fuses.
#[derive(Debug, Clone)]
pub struct Efuse {
    fuses: Bits,
    shadow: Bits,
    data: Bits,
    conf: u32,
    /// Operation under way and when it ends.
    busy: Option<(u32, Instant)>,
    int_raw: u32,
    int_ena: u32,
}

impl Efuse {
    /// Fuses as burnt in the factory, after reset.
    pub fn new(config: &EfuseConfig) -> Self {
        let mut efuse = Self {
            fuses: (config.block0(), [0; KEY_WORDS]),
            shadow: ([0; BLK0_WORDS], [0; KEY_WORDS]),
            data: ([0; BLK0_WORDS], [0; KEY_WORDS]),
            conf: CONF_RESET,
            busy: None,
            int_raw: 0,
            int_ena: 0,
        };
        efuse.load();
        efuse
    }

    /// A word of the fuses themselves, whatever read protection says: `block` 0 to 3.
    pub fn fuse(&self, block: usize, word: usize) -> Option<u32> {
        match block {
            0 => self.fuses.0.get(word).copied(),
            1..=3 if word < 8 => self.fuses.1.get((block - 1) * 8 + word).copied(),
            _ => None,
        }
    }

    /// Copies the fuses to the shadow registers, except what is read-protected.
    fn load(&mut self) {
        self.shadow = self.fuses;
        let protection = self.fuses.0[0];
        for block in 0..3 {
            if protection & (1 << (16 + block)) != 0 {
                self.shadow.1[block * 8..][..8].fill(0);
            }
        }
    }

    /// Sets the fuses of the bits in the data registers, except what is write-protected.
    fn program(&mut self) {
        let protection = self.fuses.0[0];
        let (block0, keys) = self.data;
        for (word, (fuse, data)) in self.fuses.0.iter_mut().zip(block0).enumerate() {
            let locked = match word {
                // WR_DIS protects itself by bit 1, RD_DIS by bit 0, FLASH_CRYPT_CNT by bit 2.
                0 => [(1 << 1, 0xffff), (1 << 0, 0xf << 16), (1 << 2, 0x7f << 20)]
                    .into_iter()
                    .filter(|(bit, _)| protection & bit != 0)
                    .fold(0, |locked, (_, field)| locked | field),
                _ => 0,
            };
            *fuse |= data & !locked;
        }
        for (word, (fuse, data)) in self.fuses.1.iter_mut().zip(keys).enumerate() {
            if protection & (1 << (7 + word / 8)) == 0 {
                *fuse |= data;
            }
        }
    }

    fn command(&mut self, value: u32, cx: &Context) {
        if self.busy.is_some() {
            return;
        }
        match (value & (CMD_READ | CMD_PROGRAM), self.conf & 0xffff) {
            (CMD_READ, OP_READ) => self.busy = Some((CMD_READ, cx.after(READ_TIME))),
            (CMD_PROGRAM, OP_PROGRAM) => self.busy = Some((CMD_PROGRAM, cx.after(PROGRAM_TIME))),
            _ => {} // the operation code does not permit it
        }
    }

    /// The register's word in `bits`, if `offset` is in a block that starts there.
    fn word(bits: &mut Bits, offset: u32, block0: u32, keys: u32) -> Option<&mut u32> {
        let index = |base: u32| offset.checked_sub(base).map(|o| (o / 4) as usize);
        index(keys)
            .and_then(|i| bits.1.get_mut(i))
            .or_else(|| index(block0).and_then(|i| bits.0.get_mut(i)))
    }
}

impl Peripheral for Efuse {
    const NAME: &'static str = "EFUSE";

    const STORES: &'static [Stores] = &[
        Stores { first: reg::CLK, last: reg::CLK, reset: 0x4052 },
        Stores { first: 0x118, last: 0x118, reset: 0x28 },
    ];

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            reg::CONF => self.conf,
            reg::STATUS | reg::DEC_STATUS | reg::INT_CLR => 0,
            reg::CMD => self.busy.map_or(0, |(command, _)| command),
            reg::INT_RAW => self.int_raw,
            reg::INT_ST => self.int_raw & self.int_ena,
            reg::INT_ENA => self.int_ena,
            reg::DATE => DATE,
            reg::BLK0_RDATA0..reg::BLK0_WDATA0 | reg::BLK1_RDATA0..reg::BLK1_WDATA0 => {
                *Self::word(&mut self.shadow, offset, reg::BLK0_RDATA0, reg::BLK1_RDATA0)
                    .ok_or(Unmodelled)?
            }
            reg::BLK0_WDATA0..reg::BLK1_RDATA0 | reg::BLK1_WDATA0..reg::CLK => {
                *Self::word(&mut self.data, offset, reg::BLK0_WDATA0, reg::BLK1_WDATA0)
                    .ok_or(Unmodelled)?
            }
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::CONF => self.conf = value & 0x1_ffff,
            reg::CMD => self.command(value, cx),
            reg::INT_ENA => self.int_ena = value & 3,
            reg::INT_CLR => self.int_raw &= !value,
            reg::BLK0_WDATA0..reg::BLK1_RDATA0 | reg::BLK1_WDATA0..reg::CLK => {
                *Self::word(&mut self.data, offset, reg::BLK0_WDATA0, reg::BLK1_WDATA0)
                    .ok_or(Unmodelled)? = value;
            }
            reg::BLK0_RDATA0..reg::BLK0_WDATA0
            | reg::BLK1_RDATA0..reg::BLK1_WDATA0
            | reg::STATUS
            | reg::INT_RAW
            | reg::INT_ST
            | reg::DEC_STATUS
            | reg::DATE => {} // read only
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        let Some((command, _)) = self.busy.filter(|&(_, end)| end <= cx.now) else { return };
        if command == CMD_PROGRAM {
            self.program();
        } else {
            self.load();
        }
        self.int_raw |= command; // the interrupt bits are those of the commands
        self.busy = None;
    }

    fn poll_at(&self) -> Option<Instant> {
        self.busy.map(|(_, end)| end)
    }

    fn irq(&self) -> u32 {
        u32::from(self.int_raw & self.int_ena != 0)
    }

    /// The controller; fuses stay as they are, and are read again.
    fn reset(&mut self, _cx: &Context) {
        let fuses = self.fuses;
        *self = Self { fuses, ..Self::new(&EfuseConfig::default()) };
        self.load();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::Clocks;

    fn at(us: u64) -> Context {
        Context::at(Instant::ZERO + Duration::from_micros(us), Clocks::default())
    }

    fn write(efuse: &mut Efuse, offset: u32, value: u32, us: u64) {
        efuse.poll(&at(us));
        efuse.write(offset, value, &at(us)).unwrap();
    }

    fn read(efuse: &mut Efuse, offset: u32, us: u64) -> u32 {
        efuse.poll(&at(us));
        efuse.read(offset, &at(us)).unwrap()
    }

    #[test]
    fn factory_words_are_those_of_a_measured_board() {
        let mut efuse = Efuse::new(&EfuseConfig::default());
        assert_eq!(read(&mut efuse, 0x004, 0), 0x00c4_0a24);
        assert_eq!(read(&mut efuse, 0x008, 0), 0x00fe_1001);
        assert_eq!(read(&mut efuse, 0x00c, 0), 0xa200);
        assert_eq!(read(&mut efuse, 0x014, 0), 1 << 20);
        assert_eq!(read(&mut efuse, reg::DATE, 0), DATE);
        let revision_1 = EfuseConfig {
            revision: ChipRevision::V1,
            adc_vref_steps: -2,
            ..EfuseConfig::default()
        };
        let mut efuse = Efuse::new(&revision_1);
        assert_eq!(read(&mut efuse, 0x014, 0), 0);
        assert_eq!(read(&mut efuse, 0x010, 0), 0x12 << 8 | CK8M_FREQ);
    }

    #[test]
    fn programming_sets_bits_which_a_read_operation_shows() {
        let mut efuse = Efuse::new(&EfuseConfig::default());
        write(&mut efuse, 0x0d8, 0x1234, 0); // BLK3_WDATA0
        write(&mut efuse, reg::CMD, CMD_PROGRAM, 0);
        assert_eq!(efuse.poll_at(), None, "no operation code");
        write(&mut efuse, reg::CONF, OP_PROGRAM, 0);
        write(&mut efuse, reg::INT_ENA, 2, 0);
        write(&mut efuse, reg::CMD, CMD_PROGRAM, 0);
        assert_eq!(read(&mut efuse, reg::CMD, 999), CMD_PROGRAM);
        assert_eq!(read(&mut efuse, reg::CMD, 1000), 0);
        assert_eq!(efuse.irq(), 1);
        write(&mut efuse, reg::INT_CLR, 2, 1000);
        assert_eq!(efuse.irq(), 0);
        assert_eq!(read(&mut efuse, 0x078, 1000), 0, "the shadow is old");
        write(&mut efuse, reg::CONF, OP_READ, 1000);
        write(&mut efuse, reg::CMD, CMD_READ, 1000);
        assert_eq!(read(&mut efuse, 0x078, 1001), 0x1234);
        efuse.reset(&at(1001));
        assert_eq!(read(&mut efuse, 0x078, 1001), 0x1234);
        assert_eq!(efuse.fuse(3, 0), Some(0x1234));
    }

    #[test]
    fn protected_blocks_are_neither_written_nor_read() {
        let mut efuse = Efuse::new(&EfuseConfig::default());
        write(&mut efuse, reg::BLK0_WDATA0, 1 << 16 | 1 << 8, 0); // no reading BLK1, no writing BLK2
        write(&mut efuse, reg::BLK1_WDATA0, 5, 0);
        write(&mut efuse, reg::CONF, OP_PROGRAM, 0);
        write(&mut efuse, reg::CMD, CMD_PROGRAM, 0);
        write(&mut efuse, reg::BLK1_WDATA0 + 32, 6, 2000);
        write(&mut efuse, reg::CMD, CMD_PROGRAM, 2000);
        efuse.poll(&at(4000));
        efuse.reset(&at(4000));
        assert_eq!(read(&mut efuse, reg::BLK1_RDATA0, 4000), 0);
        assert_eq!(efuse.fuse(1, 0), Some(5));
        assert_eq!(efuse.fuse(2, 0), Some(0));
    }

    #[test]
    fn no_access_panics() {
        let mut efuse = Efuse::new(&EfuseConfig::default());
        for offset in (0..0x1000).step_by(4) {
            for value in [u32::MAX, 0] {
                let _ = efuse.write(offset, value, &at(1));
                let _ = efuse.read(offset, &at(1));
                efuse.poll(&at(1_000_000));
            }
        }
    }
}
