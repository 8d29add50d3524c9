//! SPI controller: SPI0 and SPI1 in front of flash and PSRAM, SPI2 (HSPI) and SPI3 (VSPI).
//!
//! Source: ESP32 Technical Reference Manual, chapter "SPI Controller (SPI)"; bit positions and
//! reset values from `spi_reg.h`, order of bits and bytes from the drivers, of ESP-IDF v5.0.
//! Modelled: master mode; all flash commands of CMD; user transactions with their five phases,
//! bit lengths, bit and byte order, high half of the buffer, chip selects, full duplex and number
//! of lines; the time a transaction takes at the divided clock; TRANS_DONE and its interrupt; DMA
//! (see `link.rs`). CMD clears itself when the transfer time is over, with or without a part.
//! Not modelled: slave mode (starting a transaction in it is unmodelled), CS polarity, hold states,
//! the page-program and erase delays of EXT0 and EXT1, CRC of encrypted writes. Registers of these
//! are storage.
//!
//! The controller does not know what is attached. After a write to CMD the wiring takes the
//! [`Transaction`], lets the selected part execute it and calls [`SpiController::complete`].
//! Interrupt lines: bit 0 the controller's own, bit 1 its DMA's.

mod link;
mod transaction;

pub use transaction::{Bytes, ChipSelects, Duplex, Field, Lines, Outgoing, Transaction};

use self::link::Link;
use super::dma::DmaMemory;
use super::{Context, Peripheral, Stores, Unmodelled, stores};
use crate::time::{Duration, Instant};

mod reg {
    pub(super) const CMD: u32 = 0x00;
    pub(super) const ADDR: u32 = 0x04;
    pub(super) const CTRL: u32 = 0x08;
    pub(super) const CTRL1: u32 = 0x0c;
    pub(super) const RD_STATUS: u32 = 0x10;
    pub(super) const CTRL2: u32 = 0x14;
    pub(super) const CLOCK: u32 = 0x18;
    pub(super) const USER: u32 = 0x1c;
    pub(super) const USER1: u32 = 0x20;
    pub(super) const USER2: u32 = 0x24;
    pub(super) const MOSI_DLEN: u32 = 0x28;
    pub(super) const MISO_DLEN: u32 = 0x2c;
    pub(super) const SLV_WR_STATUS: u32 = 0x30;
    pub(super) const PIN: u32 = 0x34;
    pub(super) const SLAVE: u32 = 0x38;
    pub(super) const SLAVE1: u32 = 0x3c;
    pub(super) const CACHE_SCTRL: u32 = 0x54;
    pub(super) const W0: u32 = 0x80;
    pub(super) const W15: u32 = 0xbc;
    pub(super) const TX_CRC: u32 = 0xc0;
    pub(super) const EXT0: u32 = 0xf0;
    pub(super) const EXT1: u32 = 0xf4;
    pub(super) const EXT2: u32 = 0xf8;
    pub(super) const EXT3: u32 = 0xfc;
    pub(super) const DMA_FIRST: u32 = 0x100;
    pub(super) const DMA_LAST: u32 = 0x14c;
    pub(super) const DATE: u32 = 0x3fc;
}

mod ctrl {
    pub(super) const RESET: u32 = 0x0020_a400; // WP, RESANDRES, FASTRD_MODE, FCS_CRC_EN
    pub(super) const WR_BIT_ORDER: u32 = 1 << 26;
    pub(super) const RD_BIT_ORDER: u32 = 1 << 25;
    pub(super) const FREAD_QIO: u32 = 1 << 24;
    pub(super) const FREAD_DIO: u32 = 1 << 23;
    pub(super) const WRSR_2B: u32 = 1 << 22;
    pub(super) const FREAD_QUAD: u32 = 1 << 20;
    pub(super) const RESANDRES: u32 = 1 << 15;
    pub(super) const FREAD_DUAL: u32 = 1 << 14;
    pub(super) const FASTRD_MODE: u32 = 1 << 13;
}

mod user {
    pub(super) const COMMAND: u32 = 1 << 31;
    pub(super) const ADDR: u32 = 1 << 30;
    pub(super) const DUMMY: u32 = 1 << 29;
    pub(super) const MISO: u32 = 1 << 28;
    pub(super) const MOSI: u32 = 1 << 27;
    pub(super) const MOSI_HIGHPART: u32 = 1 << 25;
    pub(super) const MISO_HIGHPART: u32 = 1 << 24;
    pub(super) const FWRITE_QIO: u32 = 1 << 15;
    pub(super) const FWRITE_DIO: u32 = 1 << 14;
    pub(super) const FWRITE_QUAD: u32 = 1 << 13;
    pub(super) const FWRITE_DUAL: u32 = 1 << 12;
    pub(super) const WR_BYTE_ORDER: u32 = 1 << 11;
    pub(super) const RD_BYTE_ORDER: u32 = 1 << 10;
    pub(super) const CS_SETUP: u32 = 1 << 5;
    pub(super) const CS_HOLD: u32 = 1 << 4;
    pub(super) const DOUTDIN: u32 = 1 << 0;
}

mod slave {
    pub(super) const SYNC_RESET: u32 = 1 << 31;
    pub(super) const SLAVE_MODE: u32 = 1 << 30;
    pub(super) const TRANS_CNT: u32 = 0xf << 23;
    pub(super) const READ_ONLY: u32 = 0x07fe_0000;
    pub(super) const INT_EN_SHIFT: u32 = 5;
    pub(super) const TRANS_DONE: u32 = 1 << 4;
    pub(super) const INT_RAW: u32 = 0x1f;
}

/// State of the transfer machine in EXT2 while a transaction runs; 0 is idle.
const STATE_BUSY: u32 = 2;

/// The one-hot start bits of CMD, with what the controller then sends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Wren,
    Wrdi,
    Rdid,
    Rdsr,
    Wrsr,
    Pp,
    Se,
    Be,
    Ce,
    Dp,
    Res,
    Hpm,
    Usr,
    Pes,
    Per,
}

impl Operation {
    /// In the order of their bits, from bit 31 down.
    const ALL: [Self; 16] = [
        Self::Read,
        Self::Wren,
        Self::Wrdi,
        Self::Rdid,
        Self::Rdsr,
        Self::Wrsr,
        Self::Pp,
        Self::Se,
        Self::Be,
        Self::Ce,
        Self::Dp,
        Self::Res,
        Self::Hpm,
        Self::Usr,
        Self::Pes,
        Self::Per,
    ];

    /// The operation of the highest start bit in a value of CMD.
    fn from_cmd(cmd: u32) -> Option<Self> {
        Self::ALL.get(cmd.leading_zeros() as usize).copied()
    }

    fn bit(self) -> u32 {
        1 << (31 - self as u32)
    }
}

/// Where the read phase goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    Nowhere,
    Buffer,
    Status,
}

#[derive(Debug, Clone)]
struct Active {
    operation: Operation,
    destination: Destination,
    miso_bits: u32,
    ends_at: Instant,
    /// `None` once the wiring has taken it.
    pending: Option<Transaction>,
    answered: bool,
}

/// One SPI controller.
#[derive(Debug, Clone)]
pub struct SpiController {
    addr: u32,
    ctrl: u32,
    rd_status: u32,
    ctrl2: u32,
    clock: u32,
    user: u32,
    user1: u32,
    user2: u32,
    mosi_dlen: u32,
    miso_dlen: u32,
    slv_wr_status: u32,
    pin: u32,
    slave: u32,
    w: [u32; 16],
    link: Link,
    active: Option<Active>,
}

impl Default for SpiController {
    fn default() -> Self {
        Self {
            addr: 0,
            ctrl: ctrl::RESET,
            rd_status: 0,
            ctrl2: 0x11,
            clock: 0x8000_3043,
            user: 0x8000_0040,
            user1: 0x5c00_0007,
            user2: 0x7000_0000,
            mosi_dlen: 0,
            miso_dlen: 0,
            slv_wr_status: 0,
            pin: 0x6,
            slave: 0x200,
            w: [0; 16],
            link: Link::default(),
            active: None,
        }
    }
}

impl SpiController {
    /// A controller after reset.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether CMD has started a transaction that nobody has taken yet; cheap, for the wiring to
    /// ask after each write.
    pub fn has_transaction(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.pending.is_some())
    }

    /// The transaction that CMD has started, once. A write phase that DMA feeds is read from
    /// `memory`.
    pub fn take_transaction(&mut self, memory: &mut dyn DmaMemory) -> Option<Transaction> {
        let active = self.active.as_mut()?;
        let mut transaction = active.pending.take()?;
        if active.operation == Operation::Usr && self.link.has_output() {
            transaction.mosi.fill(0);
            self.link.send(&mut transaction.mosi, memory);
            self.write_order().bits(&mut transaction.mosi);
        }
        Some(transaction)
    }

    /// The part's answer to the transaction taken last, in line order; bits it lacks read as ones,
    /// as an undriven line does. Goes to the buffer, to RD_STATUS, or to `memory` by DMA.
    pub fn complete(&mut self, miso: &[u8], memory: &mut dyn DmaMemory) {
        let Some(active) = self.active.as_mut().filter(|active| !active.answered) else { return };
        active.answered = true;
        let (destination, bits) = (active.destination, active.miso_bits);
        if bits == 0 {
            return;
        }
        let mut data = Bytes::filled(0xff, bits.div_ceil(8) as usize);
        let given = miso.len().min(data.len());
        data[..given].copy_from_slice(&miso[..given]);
        if let (Some(last), odd @ 1..) = (data.last_mut(), bits % 8) {
            *last &= 0xff00_u16.wrapping_shr(odd) as u8;
        }
        match destination {
            Destination::Nowhere => {}
            Destination::Status => {
                self.rd_status = self.rd_status & !0xff | u32::from(data[0]);
            }
            Destination::Buffer => {
                let order = self.read_order();
                order.bits(&mut data);
                if self.link.has_input() {
                    self.link.receive(&data, memory);
                } else {
                    self.store(&data, order);
                }
            }
        }
    }

    fn write_order(&self) -> Order {
        Order {
            lsb_first: self.ctrl & ctrl::WR_BIT_ORDER != 0,
            big_endian: self.user & user::WR_BYTE_ORDER != 0,
        }
    }

    fn read_order(&self) -> Order {
        Order {
            lsb_first: self.ctrl & ctrl::RD_BIT_ORDER != 0,
            big_endian: self.user & user::RD_BYTE_ORDER != 0,
        }
    }

    /// Puts received bytes into W0 to W15 or, with MISO_HIGHPART, W8 to W15; wraps at the end.
    fn store(&mut self, data: &[u8], order: Order) {
        let high = self.user & user::MISO_HIGHPART != 0;
        let words = if high { &mut self.w[8..] } else { &mut self.w[..] };
        let capacity = words.len() * 4;
        for (at, byte) in data.iter().enumerate() {
            let at = at % capacity;
            let lane = if order.big_endian { 3 - at % 4 } else { at % 4 };
            let word = &mut words[at / 4];
            *word = *word & !(0xff << (8 * lane)) | u32::from(*byte) << (8 * lane);
        }
    }

    /// Bytes of the write phase from the buffer, `bits` long, in line order; wraps like `store`.
    fn buffered(&self, bits: u32, highpart: bool, order: Order) -> Bytes {
        let words = if highpart { &self.w[8..] } else { &self.w[..] };
        let mut bytes = Bytes::filled(0, bits.div_ceil(8) as usize);
        let source = words.iter().flat_map(|word| match order.big_endian {
            true => word.to_be_bytes(),
            false => word.to_le_bytes(),
        });
        for (to, from) in bytes.iter_mut().zip(source.cycle()) {
            *to = from;
        }
        order.bits(&mut bytes);
        bytes
    }

    fn start(&mut self, cmd: u32, cx: &Context) -> Result<(), Unmodelled> {
        let Some(operation) = Operation::from_cmd(cmd) else { return Ok(()) };
        if self.active.is_some() {
            return Ok(());
        }
        if self.slave & slave::SLAVE_MODE != 0 {
            return Err(Unmodelled);
        }
        let (transaction, destination) = match operation {
            Operation::Usr => (self.user_transaction(), Destination::Buffer),
            _ => self.flash_transaction(operation),
        };
        let ends_at = cx.after(self.duration(&transaction, cx));
        let miso_bits = transaction.miso_bits;
        self.active = Some(Active {
            operation,
            destination,
            miso_bits,
            ends_at,
            pending: Some(transaction),
            answered: false,
        });
        Ok(())
    }

    fn chip_selects(&self) -> ChipSelects {
        ChipSelects(!self.pin as u8 & 0x7)
    }

    fn user_transaction(&self) -> Transaction {
        let on = |bit: u32| self.user & bit != 0;
        let order = self.write_order();
        let bits_of = |register: u32| (register & 0xff_ffff) + 1;
        let mosi_bits = if on(user::MOSI) { bits_of(self.mosi_dlen) } else { 0 };
        let miso_bits = if on(user::MISO) { bits_of(self.miso_dlen) } else { 0 };
        let (address_lines, data_lines) = self.user_lines();
        Transaction {
            cs: self.chip_selects(),
            command: on(user::COMMAND).then(|| {
                let mut value = (self.user2 as u16).to_le_bytes();
                order.bits(&mut value);
                field(&value, self.user2 >> 28)
            }),
            address: on(user::ADDR).then(|| {
                let value = u64::from(self.addr) << 32 | u64::from(self.slv_wr_status);
                let mut value = value.to_be_bytes();
                order.bits(&mut value);
                field(&value, self.user1 >> 26)
            }),
            dummy_cycles: if on(user::DUMMY) { (self.user1 & 0xff) as u16 + 1 } else { 0 },
            mosi: self.buffered(mosi_bits, on(user::MOSI_HIGHPART), order),
            mosi_bits,
            miso_bits,
            duplex: if on(user::DOUTDIN) { Duplex::Full } else { Duplex::Half },
            address_lines,
            data_lines,
        }
    }

    /// Lines of the address and data phases of a user transaction: CTRL rules reads, USER writes.
    fn user_lines(&self) -> (Lines, Lines) {
        if self.user & user::MISO != 0 {
            if self.ctrl & ctrl::FASTRD_MODE == 0 {
                return (Lines::Single, Lines::Single);
            }
            return self.read_mode().1;
        }
        let on = |bit: u32| self.user & bit != 0;
        if on(user::FWRITE_QIO) {
            (Lines::Quad, Lines::Quad)
        } else if on(user::FWRITE_DIO) {
            (Lines::Dual, Lines::Dual)
        } else if on(user::FWRITE_QUAD) {
            (Lines::Single, Lines::Quad)
        } else if on(user::FWRITE_DUAL) {
            (Lines::Single, Lines::Dual)
        } else {
            (Lines::Single, Lines::Single)
        }
    }

    /// Flash read command and its lines that CTRL selects.
    fn read_mode(&self) -> (u8, (Lines, Lines)) {
        let on = |bit: u32| self.ctrl & bit != 0;
        if on(ctrl::FREAD_QIO) {
            (0xeb, (Lines::Quad, Lines::Quad))
        } else if on(ctrl::FREAD_DIO) {
            (0xbb, (Lines::Dual, Lines::Dual))
        } else if on(ctrl::FREAD_QUAD) {
            (0x6b, (Lines::Single, Lines::Quad))
        } else if on(ctrl::FREAD_DUAL) {
            (0x3b, (Lines::Single, Lines::Dual))
        } else {
            (0x0b, (Lines::Single, Lines::Single))
        }
    }

    /// What the controller sends by itself for a start bit other than USR. Address in ADDR\[23:0\],
    /// length of READ and PP in ADDR\[31:24\].
    fn flash_transaction(&self, operation: Operation) -> (Transaction, Destination) {
        let address = Some(Field { bits: 24, value: u64::from(self.addr & 0xff_ffff) });
        let length_bits = (self.addr >> 24).min(64) * 8;
        let plain = |opcode: u8| Transaction {
            cs: self.chip_selects(),
            command: Some(Field { bits: 8, value: opcode.into() }),
            ..Transaction::default()
        };
        let read = |opcode: u8, miso_bits| Transaction { miso_bits, ..plain(opcode) };
        let erase = |opcode: u8| Transaction { address, ..plain(opcode) };
        let none = Destination::Nowhere;
        match operation {
            Operation::Read => {
                let fast = self.ctrl & ctrl::FASTRD_MODE != 0;
                let (opcode, (address_lines, data_lines)) =
                    if fast { self.read_mode() } else { (0x03, Default::default()) };
                let dummy_cycles = if fast { (self.user1 & 0xff) as u16 + 1 } else { 0 };
                let transaction = Transaction {
                    address,
                    dummy_cycles,
                    address_lines,
                    data_lines,
                    ..read(opcode, length_bits)
                };
                (transaction, Destination::Buffer)
            }
            Operation::Wren => (plain(0x06), none),
            Operation::Wrdi => (plain(0x04), none),
            Operation::Rdid => (read(0x9f, 24), Destination::Buffer),
            Operation::Rdsr => (read(0x05, 8), Destination::Status),
            Operation::Wrsr => {
                let len = if self.ctrl & ctrl::WRSR_2B != 0 { 2 } else { 1 };
                let mosi = Bytes::from(&self.rd_status.to_le_bytes()[..len]);
                (Transaction { mosi, mosi_bits: 8 * len as u32, ..plain(0x01) }, none)
            }
            Operation::Pp => {
                let mosi = self.buffered(length_bits, false, Order::default());
                (Transaction { address, mosi, mosi_bits: length_bits, ..plain(0x02) }, none)
            }
            Operation::Se => (erase(0x20), none),
            Operation::Be => (erase(0xd8), none),
            Operation::Ce => (plain(0xc7), none),
            Operation::Dp => (plain(0xb9), none),
            Operation::Res if self.ctrl & ctrl::RESANDRES != 0 => {
                (Transaction { dummy_cycles: 24, ..read(0xab, 8) }, Destination::Status)
            }
            Operation::Res => (plain(0xab), none),
            Operation::Hpm => (Transaction { dummy_cycles: 24, ..plain(0xa3) }, none),
            Operation::Usr | Operation::Pes => (plain(0x75), none),
            Operation::Per => (plain(0x7a), none),
        }
    }

    fn duration(&self, transaction: &Transaction, cx: &Context) -> Duration {
        let divider = if self.clock >> 31 != 0 {
            1
        } else {
            u64::from((self.clock >> 18 & 0x1fff) + 1) * u64::from((self.clock >> 12 & 0x3f) + 1)
        };
        let mut cycles = transaction.cycles().max(1);
        if self.user & user::CS_SETUP != 0 {
            cycles += u64::from(self.ctrl2 & 0xf) + 1;
        }
        if self.user & user::CS_HOLD != 0 {
            cycles += u64::from(self.ctrl2 >> 4 & 0xf);
        }
        Duration::of_periods(cycles * divider, cx.clocks.apb)
    }

    fn finish(&mut self) {
        self.active = None;
        self.link.finish();
        let count = self.slave.wrapping_add(1 << 23) & slave::TRANS_CNT;
        self.slave = self.slave & !slave::TRANS_CNT | count | slave::TRANS_DONE;
    }

    /// Whether a transaction is over at `now`, and nobody has said so yet.
    fn ends_by(&self, now: Instant) -> bool {
        self.active.as_ref().is_some_and(|active| active.ends_at <= now)
    }

    /// What a register shows; reading has no side effect.
    fn value(&self, offset: u32) -> Result<u32, Unmodelled> {
        Ok(match offset {
            reg::CMD => self.active.as_ref().map_or(0, |active| active.operation.bit()),
            reg::ADDR => self.addr,
            reg::CTRL => self.ctrl,
            reg::RD_STATUS => self.rd_status,
            reg::CTRL2 => self.ctrl2,
            reg::CLOCK => self.clock,
            reg::USER => self.user,
            reg::USER1 => self.user1,
            reg::USER2 => self.user2,
            reg::MOSI_DLEN => self.mosi_dlen,
            reg::MISO_DLEN => self.miso_dlen,
            reg::SLV_WR_STATUS => self.slv_wr_status,
            reg::PIN => self.pin,
            reg::SLAVE => self.slave,
            reg::W0..=reg::W15 => self.w[((offset - reg::W0) / 4) as usize],
            reg::EXT2 if self.active.is_some() => STATE_BUSY,
            reg::EXT2 => 0,
            reg::DMA_FIRST..=reg::DMA_LAST => self.link.read(offset)?,
            reg::DATE => 0x0160_4270,
            _ => return Err(Unmodelled),
        })
    }

    fn write_slave(&mut self, value: u32) {
        self.slave = value & !slave::READ_ONLY | self.slave & slave::READ_ONLY;
        if value & slave::SYNC_RESET != 0 {
            self.active = None;
        }
    }
}

/// How bits and bytes of the buffer go to the line and come from it.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    lsb_first: bool,
    /// Of the words of the buffer; DMA moves bytes as they lie.
    big_endian: bool,
}

impl Order {
    fn bits(self, bytes: &mut [u8]) {
        if self.lsb_first {
            bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
    }
}

/// The first `length_field + 1` bits of `bytes`.
fn field(bytes: &[u8], length_field: u32) -> Field {
    let bits = (length_field + 1).min(8 * bytes.len() as u32);
    let all = bytes.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    Field { bits: bits as u8, value: all >> (8 * bytes.len() as u32 - bits) }
}

impl Peripheral for SpiController {
    const NAME: &'static str = "SPI";

    const STORES: &'static [Stores] = &[
        Stores { first: reg::CTRL1, last: reg::CTRL1, reset: 0x5fff_0000 },
        Stores { first: reg::SLAVE1, last: reg::SLAVE1, reset: 0x0200_0000 },
        stores(0x40, 0x50), // SLAVE2, SLAVE3, SLV_WRBUF_DLEN, SLV_RDBUF_DLEN, CACHE_FCTRL
        Stores { first: reg::CACHE_SCTRL, last: reg::CACHE_SCTRL, reset: 0x15c0_4830 },
        stores(0x58, 0x64), // SRAM_CMD, SRAM_DRD_CMD, SRAM_DWR_CMD, SLV_RD_BIT
        stores(reg::TX_CRC, reg::TX_CRC),
        Stores { first: reg::EXT0, last: reg::EXT0, reset: 0x800a_0050 },
        Stores { first: reg::EXT1, last: reg::EXT1, reset: 0x800f_0000 },
        stores(reg::EXT3, reg::EXT3),
    ];

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        self.value(offset)
    }

    fn peek(&self, offset: u32, now: Instant) -> Option<u32> {
        if self.ends_by(now) { None } else { self.value(offset).ok() }
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::CMD => self.start(value, cx)?,
            reg::ADDR => self.addr = value,
            reg::CTRL => self.ctrl = value,
            reg::RD_STATUS => self.rd_status = value,
            reg::CTRL2 => self.ctrl2 = value,
            reg::CLOCK => self.clock = value,
            reg::USER => self.user = value,
            reg::USER1 => self.user1 = value,
            reg::USER2 => self.user2 = value,
            reg::MOSI_DLEN => self.mosi_dlen = value & 0xff_ffff,
            reg::MISO_DLEN => self.miso_dlen = value & 0xff_ffff,
            reg::SLV_WR_STATUS => self.slv_wr_status = value,
            reg::PIN => self.pin = value,
            reg::SLAVE => self.write_slave(value),
            reg::W0..=reg::W15 => self.w[((offset - reg::W0) / 4) as usize] = value,
            reg::EXT2 | reg::DATE => {}
            reg::DMA_FIRST..=reg::DMA_LAST => self.link.write(offset, value)?,
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        if self.ends_by(cx.now) {
            // Nobody answered: the line floats high.
            self.complete(&[], &mut super::dma::NoMemory);
            self.finish();
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.active.as_ref().map(|active| active.ends_at)
    }

    fn irq(&self) -> u32 {
        let enabled = self.slave >> slave::INT_EN_SHIFT;
        let own = self.slave & enabled & slave::INT_RAW != 0;
        u32::from(own) | u32::from(self.link.irq()) << 1
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
