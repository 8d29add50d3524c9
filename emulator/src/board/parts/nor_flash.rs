//! SPI NOR flash chip of 1 to 16 MiB.
//!
//! Source: Winbond W25Q32FV datasheet (32M-bit serial flash), instruction set, status registers
//! and AC characteristics (typical times: sector erase 45 ms, 32 KiB 120 ms, 64 KiB 150 ms, chip
//! 10 s per 32M-bit, page program 0.7 ms, first byte 30 us and 2.5 us for each further one,
//! status write 10 ms, suspend 20 us, reset 30 us).
//! Modelled: the standard, dual and quad reads, page program, erases, three status registers with
//! volatile and non-volatile writes, block protection, JEDEC, device and unique ids, SFDP,
//! suspend and resume, power-down, software reset, busy times in device time; operations that a
//! power loss or a reset leaves unfinished (`interrupted`), and a power cut in the n-th one.
//! Not modelled: QPI and continuous-read modes, four-byte addresses, security registers, individual
//! block locks, the status register lock (SRP), the number of lines that a command needs. A write
//! of the status registers is never left unfinished. A suspended operation's bytes read as if it
//! had ended.
//!
//! Commands that the model does not know are listed by [`NorFlash::take_unknown_opcodes`].

mod contents;
mod interrupted;
mod sfdp;

use std::collections::BTreeSet;
use std::ops::Range;

use thiserror::Error;

use self::contents::Contents;
pub use self::contents::{PAGE_SIZE, Page};
use self::interrupted::Running;
pub use self::interrupted::Share;
use crate::peripherals::spi::{Bytes, Transaction};
use crate::time::{Duration, Instant};

/// Capacity of a chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlashSize {
    /// 1 MiB.
    MiB1,
    /// 2 MiB.
    MiB2,
    /// 4 MiB.
    MiB4,
    /// 8 MiB.
    MiB8,
    /// 16 MiB.
    MiB16,
}

impl FlashSize {
    /// Bytes.
    pub const fn bytes(self) -> u32 {
        1 << (20 + self as u32)
    }

    /// The smallest chip that holds `bytes`; an error above 16 MiB.
    pub fn at_least(bytes: usize) -> Result<Self, FlashError> {
        [Self::MiB1, Self::MiB2, Self::MiB4, Self::MiB8, Self::MiB16]
            .into_iter()
            .find(|size| size.bytes() as usize >= bytes)
            .ok_or(FlashError::TooLarge { bytes })
    }
}

/// What went wrong in the host's access to a flash chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FlashError {
    /// The range is not inside the chip.
    #[error("{length} bytes at {offset:#x} do not fit into a flash of {size} bytes")]
    OutOfRange {
        /// First byte.
        offset: u32,
        /// Bytes.
        length: usize,
        /// Bytes of the chip.
        size: u32,
    },
    /// No modelled chip is large enough.
    #[error("no flash chip holds {bytes} bytes, 16 MiB is the largest")]
    TooLarge {
        /// Bytes that were asked for.
        bytes: usize,
    },
}

/// What distinguishes one chip from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlashIdentity {
    /// JEDEC manufacturer.
    pub manufacturer: u8,
    /// JEDEC memory type, the second byte of the id; the third follows from the size.
    pub memory_type: u8,
    /// Unique id, sent most significant byte first.
    pub unique_id: u64,
    /// Whether QE is set when the chip leaves the factory.
    pub quad_enabled: bool,
}

impl FlashIdentity {
    /// W25QxxFV: ids EF40xx.
    pub const WINBOND: Self = Self::of(0xef, 0x40);
    /// GD25Qxx: ids C840xx.
    pub const GIGADEVICE: Self = Self::of(0xc8, 0x40);

    /// A chip with an id of its own, QE clear.
    pub const fn of(manufacturer: u8, memory_type: u8) -> Self {
        let unique_id = 0xd264_1801_5c2b_0000 | (manufacturer as u64) << 8 | memory_type as u64;
        Self { manufacturer, memory_type, unique_id, quad_enabled: false }
    }
}

const PROGRAM_PAGE: u32 = 256;
const SECTOR: u32 = 0x1000;

const SECTOR_ERASE_TIME: Duration = Duration::from_millis(45);
const BLOCK32_ERASE_TIME: Duration = Duration::from_millis(120);
const BLOCK64_ERASE_TIME: Duration = Duration::from_millis(150);
const STATUS_WRITE_TIME: Duration = Duration::from_millis(10);
const RESET_TIME: Duration = Duration::from_micros(30);

fn chip_erase_time(size: u32) -> Duration {
    Duration::from_millis(u64::from(size) * 10_000 / (4 << 20))
}

fn program_time(bytes: usize) -> Duration {
    Duration::from_nanos(30_000 + 2_500 * (bytes as u64).saturating_sub(1))
}

/// Bits of status register 1; the rest is protection.
const WIP: u8 = 1 << 0;
const WEL: u8 = 1 << 1;
const TB: u8 = 1 << 5;
const SEC: u8 = 1 << 6;
/// Bits of status register 2.
const QE: u8 = 1 << 1;
const LOCK_BITS: u8 = 0x38;
const CMP: u8 = 1 << 6;
const SUS: u8 = 1 << 7;
/// What software can write in status registers 1 to 3.
const WRITABLE: [u8; 3] = [0xfc, 0x7b, 0x64];

/// What a write-enable command has allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum WriteEnable {
    #[default]
    None,
    /// After 06: program, erase, non-volatile status write.
    Latched,
    /// After 50: one volatile status write.
    VolatileStatus,
}

/// State that power loss and software reset clear.
#[derive(Debug, Clone, Default)]
struct Volatile {
    enabled: WriteEnable,
    busy_until: Option<Instant>,
    operation: Option<Running>,
    /// With the time that it still needs.
    suspended: Option<(Running, Duration)>,
    powered_down: bool,
    reset_enabled: bool,
}

/// What the flash chip can be told to do to its array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashOperation {
    /// Either of the others.
    Any,
    /// An erase of a sector, a block or the chip.
    Erase,
    /// A page program.
    Program,
}

/// An order to let the power fail in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerCut {
    /// Which operations count.
    pub operation: FlashOperation,
    /// The how many-th of them from now on; the first is 1.
    pub nth: u64,
    /// How much of its time has passed then.
    pub share: Share,
}

/// A flash chip. A clone shares all pages with the original until either writes.
#[derive(Debug, Clone)]
pub struct NorFlash {
    identity: FlashIdentity,
    contents: Contents,
    status: [u8; 3],
    non_volatile_status: [u8; 3],
    volatile: Volatile,
    operations: u64,
    cut: Option<PowerCut>,
    cut_reached: bool,
    unknown: BTreeSet<u8>,
}

impl NorFlash {
    /// An erased chip, powered.
    pub fn new(size: FlashSize, identity: FlashIdentity) -> Self {
        let status = [0, if identity.quad_enabled { QE } else { 0 }, 0x60];
        Self {
            identity,
            contents: Contents::new(size.bytes() / PAGE_SIZE),
            status,
            non_volatile_status: status,
            volatile: Volatile::default(),
            operations: 0,
            cut: None,
            cut_reached: false,
            unknown: BTreeSet::new(),
        }
    }

    /// Bytes of the chip.
    pub fn size(&self) -> u32 {
        self.contents.size()
    }

    /// One page of the array as the flash MMU maps it; the page number wraps at the end of the
    /// chip.
    pub fn page(&self, number: u32) -> &Page {
        self.contents.page(number)
    }

    /// Changes with each program, erase and load in page `number`; equal numbers mean equal bytes.
    pub fn generation(&self, number: u32) -> u32 {
        self.contents.generation(number)
    }

    /// Changes with each program, erase and load; while it is equal, pages stay where they are.
    pub fn epoch(&self) -> u64 {
        self.contents.epoch()
    }

    /// Ranges of bytes that may have changed since the last call, in order of time.
    pub fn take_changes(&mut self) -> Vec<Range<u32>> {
        self.contents.take_changes()
    }

    /// Programs and erases that the chip has begun since it was made.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Lets the power fail in an operation that is still to come: then the chip is dead until
    /// [`NorFlash::power_cycle`]. `None` withdraws the order.
    pub fn cut_power_at(&mut self, cut: Option<PowerCut>) {
        self.cut = cut;
    }

    /// Whether the ordered power cut has come; the board then takes the power away.
    pub fn power_cut_reached(&self) -> bool {
        self.cut_reached
    }

    /// Power goes at `now` and returns: what was being programmed or erased stays unfinished,
    /// registers take their non-volatile values, an ordered cut that has come is over.
    pub fn power_cycle(&mut self, now: Instant) {
        self.reset(now);
        if std::mem::take(&mut self.cut_reached) {
            self.cut = None;
        }
    }

    /// Registers take their non-volatile values, and nothing goes on.
    fn reset(&mut self, now: Instant) {
        self.settle(now);
        let Volatile { operation, busy_until, suspended, .. } = std::mem::take(&mut self.volatile);
        let stopped = operation.zip(busy_until).map(|(it, until)| (it, until - now));
        for (operation, remaining) in stopped.into_iter().chain(suspended) {
            let done = operation.share_without(remaining);
            operation.interrupt(done, &mut self.contents);
        }
        self.status = self.non_volatile_status;
    }

    /// Command bytes received so far that the model does not know.
    pub fn take_unknown_opcodes(&mut self) -> BTreeSet<u8> {
        std::mem::take(&mut self.unknown)
    }

    /// Sets the whole array to ones, by the host; takes no device time.
    pub fn erase_all(&mut self) {
        self.contents.erase(0, self.size());
    }

    /// Replaces bytes, by the host.
    pub fn load(&mut self, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        self.check(offset, data.len())?;
        self.contents.store(offset, data);
        Ok(())
    }

    /// Reads bytes, by the host.
    pub fn read(&self, offset: u32, buf: &mut [u8]) -> Result<(), FlashError> {
        self.check(offset, buf.len())?;
        self.contents.read(offset, buf);
        Ok(())
    }

    fn check(&self, offset: u32, length: usize) -> Result<(), FlashError> {
        let size = self.size();
        if u64::from(offset) + length as u64 <= u64::from(size) {
            Ok(())
        } else {
            Err(FlashError::OutOfRange { offset, length, size })
        }
    }

    /// Executes one chip-select period that starts at `now`, and returns what the chip drives in
    /// the read phase.
    pub fn transact(&mut self, transaction: &Transaction, now: Instant) -> Bytes {
        let mut response = Bytes::filled(0xff, transaction.miso_len());
        let mut outgoing = transaction.outgoing();
        let Some(opcode) = outgoing.next().filter(|_| !self.cut_reached) else { return response };
        self.settle(now);
        let reset_enabled = std::mem::take(&mut self.volatile.reset_enabled);
        if !self.listens_to(opcode) {
            return response;
        }
        match opcode {
            0x06 => self.volatile.enabled = WriteEnable::Latched,
            0x50 => self.volatile.enabled = WriteEnable::VolatileStatus,
            0x04 => self.volatile.enabled = WriteEnable::None,
            0x05 => response.fill(self.status_1()),
            0x35 => response.fill(self.status_2()),
            0x15 => response.fill(self.status[2]),
            0x01 => self.write_status(0, outgoing, now),
            0x31 => self.write_status(1, outgoing, now),
            0x11 => self.write_status(2, outgoing, now),
            0x9f => self.respond(&mut response, &self.jedec_id()),
            0x90 => self.respond(&mut response, &[self.identity.manufacturer, self.device_id()]),
            0xab => {
                self.volatile.powered_down = false;
                response.fill(self.device_id());
            }
            0xb9 => self.volatile.powered_down = true,
            0x4b => self.respond(&mut response, &self.identity.unique_id.to_be_bytes()),
            0x5a => {
                let start = address(&mut outgoing).unwrap_or(0);
                for (at, byte) in (start..).zip(response.iter_mut()) {
                    *byte = sfdp::byte(self.size(), at);
                }
            }
            0x03 | 0x0b | 0x3b | 0xbb | 0x6b | 0xeb => {
                if let Some(start) = address(&mut outgoing) {
                    self.contents.read(start, &mut response);
                }
            }
            0x02 | 0x32 => self.program(outgoing, now),
            0x20 => self.erase(address(&mut outgoing), SECTOR, SECTOR_ERASE_TIME, now),
            0x52 => self.erase(address(&mut outgoing), 0x8000, BLOCK32_ERASE_TIME, now),
            0xd8 => self.erase(address(&mut outgoing), 0x1_0000, BLOCK64_ERASE_TIME, now),
            0x60 | 0xc7 => self.erase(Some(0), self.size(), chip_erase_time(self.size()), now),
            0x75 => self.suspend(now),
            0x7a => self.resume(now),
            0x66 => self.volatile.reset_enabled = true,
            0x99 if reset_enabled => {
                self.reset(now);
                self.volatile.busy_until = Some(now + RESET_TIME);
            }
            // FF ends modes that are not entered here, A3 speeds up reads of other makers' chips.
            0x99 | 0xff | 0xa3 => {}
            _ => {
                self.unknown.insert(opcode);
            }
        }
        response
    }

    /// Whether it erases, programs or writes its status.
    pub fn is_busy(&self, now: Instant) -> bool {
        self.volatile.busy_until.is_some_and(|until| until > now)
    }

    /// Ends a busy period that is over.
    fn settle(&mut self, now: Instant) {
        if self.volatile.busy_until.is_some_and(|until| until <= now) {
            self.volatile.busy_until = None;
            self.volatile.operation = None;
            self.volatile.enabled = WriteEnable::None;
        }
    }

    fn listens_to(&self, opcode: u8) -> bool {
        let state = &self.volatile;
        if state.powered_down {
            return opcode == 0xab;
        }
        state.busy_until.is_none() || matches!(opcode, 0x05 | 0x35 | 0x15 | 0x75 | 0x66 | 0x99)
    }

    fn respond(&self, response: &mut [u8], repeated: &[u8]) {
        for (to, from) in response.iter_mut().zip(repeated.iter().cycle()) {
            *to = *from;
        }
    }

    fn jedec_id(&self) -> [u8; 3] {
        let capacity = self.size().trailing_zeros() as u8;
        [self.identity.manufacturer, self.identity.memory_type, capacity]
    }

    fn device_id(&self) -> u8 {
        self.jedec_id()[2].wrapping_sub(1)
    }

    fn status_1(&self) -> u8 {
        let busy = if self.volatile.busy_until.is_some() { WIP } else { 0 };
        let enabled = if self.volatile.enabled == WriteEnable::Latched { WEL } else { 0 };
        self.status[0] | busy | enabled
    }

    fn status_2(&self) -> u8 {
        self.status[1] | if self.volatile.suspended.is_some() { SUS } else { 0 }
    }

    /// Writes status registers from number `first` (0 to 2) on, one or two of them.
    fn write_status(&mut self, first: usize, data: impl Iterator<Item = u8>, now: Instant) {
        if self.volatile.enabled == WriteEnable::None || self.volatile.suspended.is_some() {
            return;
        }
        let mut new = self.status;
        let count = if first == 0 { 2 } else { 1 };
        for (register, byte) in (first..).zip(data.take(count)) {
            new[register] = byte & WRITABLE[register];
        }
        new[1] |= self.status[1] & LOCK_BITS; // one-time programmable
        self.status = new;
        if self.volatile.enabled == WriteEnable::Latched {
            self.non_volatile_status = new;
            self.volatile.busy_until = Some(now + STATUS_WRITE_TIME);
        } else {
            self.volatile.enabled = WriteEnable::None;
        }
    }

    /// The range that BP, TB, SEC and CMP protect.
    fn protected(&self) -> Range<u32> {
        let size = self.size();
        let level = u32::from(self.status[0] >> 2 & 7);
        let length = match (level, self.status[0] & SEC != 0) {
            (0, _) => 0,
            (7, _) => size,
            (level, true) => (SECTOR << (level - 1)).min(8 * SECTOR),
            (level, false) => ((size / 64).max(0x1_0000) << (level - 1)).min(size),
        };
        let from_bottom = self.status[0] & TB != 0;
        match (from_bottom, self.status[1] & CMP != 0) {
            (true, false) => 0..length,
            (false, false) => size - length..size,
            (true, true) => length..size,
            (false, true) => 0..size - length,
        }
    }

    /// Whether a write-enabled operation on `range` may begin; a refused one drops the latch.
    fn may_change(&mut self, range: Range<u32>) -> bool {
        if self.volatile.enabled != WriteEnable::Latched {
            return false;
        }
        let protected = self.protected();
        let free = range.end <= protected.start || protected.end <= range.start;
        if !free {
            self.volatile.enabled = WriteEnable::None;
        }
        free
    }

    /// Counts an operation, whose bytes have changed already; it may be the one in which the power
    /// is to fail.
    fn begin(&mut self, operation: Running, now: Instant) {
        self.operations += 1;
        self.volatile.busy_until = Some(now + operation.time());
        let counts = |cut: &&mut PowerCut| match cut.operation {
            FlashOperation::Any => true,
            FlashOperation::Erase => operation.erases(),
            FlashOperation::Program => !operation.erases(),
        };
        if let Some(cut) = self.cut.as_mut().filter(counts) {
            cut.nth = cut.nth.saturating_sub(1);
            if cut.nth == 0 {
                self.cut_reached = true;
                operation.interrupt(cut.share, &mut self.contents);
                return;
            }
        }
        self.volatile.operation = Some(operation);
    }

    fn program(&mut self, mut outgoing: impl Iterator<Item = u8>, now: Instant) {
        let Some(start) = address(&mut outgoing) else { return };
        let start = start & (self.size() - 1);
        let base = start & !(PROGRAM_PAGE - 1);
        // The page buffer wraps: a later byte replaces an earlier one at the same place.
        let mut buffer = [0xff; PROGRAM_PAGE as usize];
        let mut count = 0;
        for (at, byte) in (start - base..).zip(outgoing) {
            buffer[(at % PROGRAM_PAGE) as usize] = byte;
            count += 1;
        }
        let free_or_erasing = self.volatile.suspended.as_ref().is_none_or(|(it, _)| it.erases());
        if count == 0 || !free_or_erasing || !self.may_change(base..base + PROGRAM_PAGE) {
            return;
        }
        let count = count.min(PROGRAM_PAGE as usize);
        let first = (start - base) as usize;
        let operation = Running::program(base, first, count, program_time(count), &self.contents);
        let head = count.min(buffer.len() - first);
        self.contents.program(start, &buffer[first..first + head]);
        self.contents.program(base, &buffer[..count - head]);
        self.begin(operation, now);
    }

    fn erase(&mut self, start: Option<u32>, length: u32, time: Duration, now: Instant) {
        let Some(start) = start else { return };
        let start = start & (self.size() - 1) & !(length - 1);
        if self.volatile.suspended.is_none() && self.may_change(start..start + length) {
            let operation = Running::erase(start, length, time, &self.contents);
            self.contents.erase(start, length);
            self.begin(operation, now);
        }
    }

    fn suspend(&mut self, now: Instant) {
        if self.volatile.suspended.is_none()
            && let Some((operation, until)) =
                self.volatile.operation.take().zip(self.volatile.busy_until)
        {
            self.volatile.busy_until = None;
            self.volatile.enabled = WriteEnable::None;
            self.volatile.suspended = Some((operation, until - now));
        }
    }

    fn resume(&mut self, now: Instant) {
        if let Some((operation, remaining)) = self.volatile.suspended.take() {
            self.volatile.operation = Some(operation);
            self.volatile.busy_until = Some(now + remaining);
        }
    }
}

/// Takes a three-byte address; `None` when the period ends before it is complete.
fn address(outgoing: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut byte = || outgoing.next().map(u32::from);
    Some(byte()? << 16 | byte()? << 8 | byte()?)
}

#[cfg(test)]
mod tests;
