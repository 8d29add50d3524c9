//! What the cores see: memories, flash and PSRAM through the caches, registers.
//!
//! Source: Technical Reference Manual, "System and Memory" (address map) and "DPort Registers"
//! (MMU tables); region protection per the Xtensa ISA Reference Manual.
//! Modelled: the address map with all aliases, the cache MMU of both cores, word-only memories,
//! region protection as far as "no access" goes, data watchpoints, causes of refused accesses.
//! Not modelled: cache misses and their time; the write-back of PSRAM lines is immediate.

use super::clock::CycleClock;
use super::debugger::{Watch, Watched};
use super::devices::{Devices, Id};
use super::jtag::DebugModule;
use super::memory::{Cell, Memory, ROM, ROM_LEN, SRAM, SRAM_LEN};
use super::signals::{self, Edge, Signals};
use crate::board::fittings::Fittings;
use crate::board::parts::nor_flash::NorFlash;
use crate::board::parts::psram::Psram;
use crate::cpu::decode::length as instruction_length;
use crate::cpu::exceptions::{Cause, Fault};
use crate::cpu::{Bus, Fetched, Loaded, MAX_FETCH, Near, NearMap, RegionSide, Stored};
use crate::peripherals::dma::{DmaMemory, NoMemory};
use crate::peripherals::dport::{CacheBus, Dport};
use crate::peripherals::gpio::PINS;
use crate::peripherals::rtc_cntl::WakeCause;
use crate::peripherals::spi::Bytes;
use crate::peripherals::{Clocks, Context, CoreId, Width};
use crate::time::Instant;

/// Flash on the data bus.
const DROM: u32 = 0x3f40_0000;
/// PSRAM on the data bus.
const PSRAM: u32 = 0x3f80_0000;
const CACHED_LEN: u32 = 0x40_0000;
/// Pages of 64 KiB in the window of flash data.
const DROM_PAGES: usize = 64;
/// Flash on the instruction bus; below it lie internal memories.
const IROM_FIRST: u32 = 0x400c_2000;
const IROM_END: u32 = 0x40c0_0000;
/// The MMU tables of both cores.
const MMU: u32 = 0x3ff1_0000;
const MMU_LEN: u32 = 0x4000;
const MMU_ENTRIES: usize = 2048;
/// First table entry of the PSRAM window.
const MMU_PSRAM: usize = 1152;
const MMU_INVALID: u32 = 1 << 8;
const PAGE: u32 = 0x1_0000;
const PSRAM_PAGE: u32 = 0x8000;

/// The pad of the flash chip's clock, SD_CLK.
const FLASH_CLK: u8 = 6;
/// Where flash begins in the physical addresses that the code cache is told.
const PHYSICAL_FLASH: u32 = 0x8000_0000;

/// Attribute of a region that must not be accessed.
const NO_ACCESS: u8 = 0xf;
/// Attribute after reset: everything allowed.
const ALL_ACCESS: u8 = 2;

/// DBREAKC: match stores, match loads, mask of the low address bits.
mod dbreakc {
    pub(super) const STORE: u32 = 1 << 31;
    pub(super) const LOAD: u32 = 1 << 30;
    pub(super) const MASK: u32 = 0x3f;
}

/// Where the host has the flash pages that a core sees as data.
#[derive(Debug, Clone)]
struct Constants {
    /// The state of flash that the addresses are of; `None` when the mapping has changed since.
    epoch: Option<u64>,
    /// Zero where nothing is shown.
    pages: Box<[usize; DROM_PAGES]>,
}

impl Default for Constants {
    fn default() -> Self {
        Self { epoch: None, pages: Box::new([0; DROM_PAGES]) }
    }
}

/// The memory system, shared by both cores.
#[derive(Debug, Clone)]
pub(super) struct System {
    pub(super) memory: Memory,
    pub(super) devices: Devices,
    pub(super) flash: NorFlash,
    pub(super) psram: Option<Psram>,
    pub(super) clock: CycleClock,
    pub(super) clocks: Clocks,
    /// Device time: the latest instant of any access or poll.
    now: Instant,
    /// The running slice ends here; deadlines behind it need no attention now.
    pub(super) slice_end: Instant,
    mmu: [Box<[u32]>; 2],
    /// What the windows of 64 KiB show, by core: a flash page, if any. Derived from the table and
    /// the cache control registers.
    flash_map: [[Option<u16>; 256]; 2],
    /// The host addresses of flash pages in the data window, by core, for compiled code: those of
    /// `flash_map` at the time of [`Constants::epoch`].
    constants: [Constants; 2],
    /// The same for the 32 KiB pages of PSRAM.
    psram_map: [[Option<u16>; 128]; 2],
    regions: [[[u8; 8]; 2]; 2],
    watchpoints: [[(u32, u32); 2]; 2],
    watching_loads: bool,
    watching_stores: bool,
    /// Watchpoints of the host's debugger.
    pub(super) watch: Watch,
    pub(super) debug_modules: [DebugModule; 2],
    /// Changed code, to be dropped from the code cache.
    pub(super) dirty: Vec<(u32, u32)>,
    /// The mapping of code changed, by core.
    pub(super) remapped: [bool; 2],
    /// Interrupt sources that are asserted, by core, as `lines` follows from them.
    asserted: [u128; 2],
    /// External interrupt lines, by core.
    pub(super) lines: [u32; 2],
    pub(super) lines_changed: bool,
    /// A device wants the chip to act: reset, sleep, clocks, core control.
    pub(super) requests: bool,
    /// A deadline has come to lie inside the running slice.
    pub(super) nearer_deadline: bool,
    register_reads: u64,
    pub(super) signals: Signals,
    /// Pads connected outside of the chip.
    pub(super) wires: Vec<(u8, u8)>,
    /// What a person forces on pads.
    pub(super) forced: [Option<bool>; PINS as usize],
    /// What is wired to them.
    pub(super) fittings: Fittings,
    /// What both drive on them.
    pub(super) outside: [Option<bool>; PINS as usize],
    /// Pads whose changes are kept, one bit each.
    pub(super) observed: u64,
    pub(super) edges: Vec<Edge>,
    /// When the world around the antenna wants to be looked at.
    pub(super) air_due: Instant,
    /// The channel that the air was told of last.
    listened_to: Option<u8>,
}

impl System {
    pub(super) fn new(
        rom: [&[u8]; 2],
        devices: Devices,
        flash: NorFlash,
        psram: Option<Psram>,
        clocks: Clocks,
    ) -> Self {
        let table = || vec![0; MMU_ENTRIES].into_boxed_slice();
        let mut system = Self {
            memory: Memory::new(rom),
            devices,
            flash,
            psram,
            clock: CycleClock::new(clocks.cpu),
            clocks,
            now: Instant::ZERO,
            slice_end: Instant::MAX,
            mmu: [table(), table()],
            flash_map: [[None; 256]; 2],
            constants: Default::default(),
            psram_map: [[None; 128]; 2],
            regions: [[[ALL_ACCESS; 8]; 2]; 2],
            watchpoints: [[(0, 0); 2]; 2],
            watching_loads: false,
            watching_stores: false,
            watch: Watch::default(),
            debug_modules: Default::default(),
            dirty: Vec::new(),
            remapped: [true; 2],
            asserted: [0; 2],
            lines: [0; 2],
            lines_changed: true,
            requests: true,
            nearer_deadline: false,
            register_reads: 0,
            signals: Signals::default(),
            wires: Vec::new(),
            forced: [None; PINS as usize],
            fittings: Fittings::default(),
            outside: [None; PINS as usize],
            observed: 0,
            edges: Vec::new(),
            air_due: Instant::MAX,
            listened_to: None,
        };
        signals::set_idle_levels(&mut system.devices.gpio);
        system.remap();
        system
    }

    /// Device time.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Moves device time forward to `instant`; it never goes back.
    pub(super) fn advance(&mut self, instant: Instant) {
        self.now = self.now.max(instant);
    }

    /// The context of a poll at the present.
    pub(super) fn context(&self) -> Context {
        Context::at(self.now, self.clocks)
    }

    /// Reset state of what belongs to one core: region protection and watchpoints.
    pub(super) fn reset_core(&mut self, core: CoreId) {
        self.regions[core.index()] = [[ALL_ACCESS; 8]; 2];
        self.set_watchpoints(core.index(), [(0, 0); 2]);
    }

    /// Both MMU tables as after a reset.
    pub(super) fn reset_mmu(&mut self) {
        for table in &mut self.mmu {
            table.fill(0);
        }
        self.remap();
    }

    // ----- caches ---------------------------------------------------------------------------

    /// Recomputes what the windows of both cores show.
    pub(super) fn remap(&mut self) {
        for core in [CoreId::Pro, CoreId::App] {
            self.remap_core(core);
        }
    }

    fn remap_core(&mut self, core: CoreId) {
        for slot in 0..256 {
            self.map_flash_slot(core, slot);
        }
        for slot in 0..128 {
            self.map_psram_slot(core, slot);
        }
        self.remapped[core.index()] = true;
    }

    fn map_flash_slot(&mut self, core: CoreId, slot: usize) {
        let bus = match slot / 64 {
            0 => CacheBus::Drom0,
            1 => CacheBus::Iram0,
            2 => CacheBus::Iram1,
            _ => CacheBus::Irom0,
        };
        let entry = self.mmu[core.index()][slot];
        let page = (entry & 0xff) as u16;
        let shown = entry & MMU_INVALID == 0
            && u32::from(page) * PAGE < self.flash.size()
            && self.devices.dport.cache_serves(core, bus);
        self.flash_map[core.index()][slot] = shown.then_some(page);
        self.constants[core.index()].epoch = None;
    }

    /// The flash chip may be another: its pages are elsewhere.
    pub(super) fn forget_constants(&mut self) {
        for constants in &mut self.constants {
            constants.epoch = None;
        }
    }

    fn map_psram_slot(&mut self, core: CoreId, slot: usize) {
        let entry = self.mmu[core.index()][MMU_PSRAM + slot];
        let page = (entry & 0xff) as u16;
        let size = self.psram.as_ref().map_or(0, |psram| psram.bytes().len());
        let shown = entry & MMU_INVALID == 0
            && (usize::from(page) + 1) * PSRAM_PAGE as usize <= size
            && self.devices.dport.cache_serves(core, CacheBus::Dram1);
        self.psram_map[core.index()][slot] = shown.then_some(page);
    }

    fn write_mmu(&mut self, address: u32, value: u32) {
        let word = ((address - MMU) / 4) as usize;
        let (core, entry) = (word / MMU_ENTRIES, word % MMU_ENTRIES);
        if self.mmu[core][entry] == value {
            return;
        }
        self.mmu[core][entry] = value;
        let id = if core == 0 { CoreId::Pro } else { CoreId::App };
        match entry {
            0..256 => {
                self.map_flash_slot(id, entry);
                self.remapped[core] |= entry >= 64;
            }
            MMU_PSRAM..1280 => self.map_psram_slot(id, entry - MMU_PSRAM),
            _ => {}
        }
    }

    /// The flash window slot of an address, if it lies in one.
    fn flash_slot(address: u32) -> Option<usize> {
        if address.wrapping_sub(DROM) < CACHED_LEN {
            Some((address - DROM) as usize >> 16)
        } else if (IROM_FIRST..IROM_END).contains(&address) {
            Some(64 + ((address - ROM) >> 16) as usize)
        } else {
            None
        }
    }

    /// Constants in flash: what firmware reads most after SRAM.
    #[inline(always)]
    fn drom<const N: usize>(&self, core: usize, address: u32) -> Option<u32> {
        let offset = address.wrapping_sub(DROM);
        if offset >= CACHED_LEN {
            return None;
        }
        let page = self.flash.page(u32::from(self.flash_map[core & 1][(offset >> 16) as usize]?));
        page.get((offset & 0xffff) as usize..)?.first_chunk::<N>().map(|bytes| word_from(*bytes))
    }

    /// Data in PSRAM that lies in one page.
    #[inline(always)]
    fn external<const N: usize>(&self, core: usize, address: u32) -> Option<u32> {
        let offset = self.psram_offset(core, address)?;
        if address % PSRAM_PAGE > PSRAM_PAGE - N as u32 {
            return None;
        }
        let bytes = self.psram.as_ref()?.bytes().get(offset..)?;
        bytes.first_chunk::<N>().map(|bytes| word_from(*bytes))
    }

    /// Flash bytes from `address` to the end of its page.
    fn flash_bytes(&self, core: usize, address: u32) -> Option<&[u8]> {
        let page = self.flash_map[core][Self::flash_slot(address)?]?;
        Some(&self.flash.page(u32::from(page))[(address & 0xffff) as usize..])
    }

    /// Offset in PSRAM of `address`.
    fn psram_offset(&self, core: usize, address: u32) -> Option<usize> {
        let from = address.wrapping_sub(PSRAM);
        if from >= CACHED_LEN {
            return None;
        }
        let page = self.psram_map[core][(from / PSRAM_PAGE) as usize]?;
        Some(usize::from(page) * PSRAM_PAGE as usize + (from % PSRAM_PAGE) as usize)
    }

    // ----- accesses that the fast path leaves over ---------------------------------------------

    fn prohibited(&self, core: usize, address: u32, side: RegionSide) -> bool {
        self.regions[core][side as usize][(address >> 29) as usize] == NO_ACCESS
    }

    fn load_far<const N: usize>(&mut self, core: usize, address: u32, cycle: u64) -> Loaded {
        if self.prohibited(core, address, RegionSide::Data) {
            return Loaded::Fault(Fault { cause: Cause::LoadProhibited, vaddr: address });
        }
        if let Some(n) = self.watchpoint(core, address, N, dbreakc::LOAD) {
            return Loaded::Watch(n);
        }
        let watched =
            self.watching_loads && self.watch.look(core, address, N as u32, Watched::Loads);
        if Devices::is_register(address) {
            return match self.load_register(core, address, N as u32, cycle) {
                Loaded::Value(value) if watched => Loaded::Resync(value),
                loaded => loaded,
            };
        }
        let mut bytes = [0; N];
        match self.peek(core, address, &mut bytes) {
            Ok(()) if watched => Loaded::Resync(word_from(bytes)),
            Ok(()) => Loaded::Value(word_from(bytes)),
            Err(cause) => Loaded::Fault(Fault { cause, vaddr: address }),
        }
    }

    /// Reads memory without side effects, as a load instruction of that length sees it.
    fn peek(&self, core: usize, address: u32, bytes: &mut [u8]) -> Result<(), Cause> {
        if refuses(address, bytes.len()) {
            return Err(Cause::LoadStoreError);
        }
        if let Some(cell) = Cell::at(address) {
            if let Some(found) = self.memory.bytes(core, cell).get(..bytes.len()) {
                bytes.copy_from_slice(found);
                return Ok(());
            }
        } else if let Some(found) = self.flash_bytes(core, address)
            && let Some(found) = found.get(..bytes.len())
        {
            bytes.copy_from_slice(found);
            return Ok(());
        }
        // Across a page, or a hole: byte by byte.
        for (n, byte) in bytes.iter_mut().enumerate() {
            *byte = self
                .peek_byte(core, address.wrapping_add(n as u32))
                .ok_or(Cause::LoadStorePifAddress)?;
        }
        Ok(())
    }

    fn peek_byte(&self, core: usize, address: u32) -> Option<u8> {
        if let Some(cell) = Cell::at(address) {
            return self.memory.bytes(core, cell).first().copied();
        }
        if let Some(bytes) = self.flash_bytes(core, address) {
            return bytes.first().copied();
        }
        let offset = self.psram_offset(core, address)?;
        self.psram.as_ref()?.bytes().get(offset).copied()
    }

    fn store_far(&mut self, core: usize, address: u32, bytes: &[u8], cycle: u64) -> Stored {
        if self.prohibited(core, address, RegionSide::Data) {
            return Stored::Fault(Fault { cause: Cause::StoreProhibited, vaddr: address });
        }
        if let Some(n) = self.watchpoint(core, address, bytes.len(), dbreakc::STORE) {
            return Stored::Watch(n);
        }
        let watched = self.watch.look(core, address, bytes.len() as u32, Watched::Stores);
        if Devices::is_register(address) {
            return match self.store_register(core, address, bytes, cycle) {
                Stored::Done if watched => Stored::Resync,
                stored => stored,
            };
        }
        match self.poke(core, address, bytes) {
            Ok(()) if self.dirty.is_empty() && !watched => Stored::Done,
            Ok(()) => Stored::Resync,
            Err(cause) => Stored::Fault(Fault { cause, vaddr: address }),
        }
    }

    /// Writes memory; changed code is noted in `dirty`.
    fn poke(&mut self, core: usize, address: u32, bytes: &[u8]) -> Result<(), Cause> {
        if refuses(address, bytes.len()) {
            return Err(Cause::LoadStoreError);
        }
        if let Some(cell) = Cell::at(address) {
            if self.poke_cell(cell, bytes) {
                return Ok(());
            }
        } else if self.poke_external(core, address, bytes) {
            return Ok(());
        }
        // Across a page or the end of a memory: byte by byte, but all of them or none.
        let address_of = |n: usize| address.wrapping_add(n as u32);
        let takes_bytes = |address| match Cell::at(address) {
            Some(cell) => !matches!(cell, Cell::Rom(_)),
            None => self.psram_offset(core, address).is_some(),
        };
        if !(0..bytes.len()).all(|n| takes_bytes(address_of(n))) {
            return Err(Cause::LoadStorePifAddress);
        }
        for (n, &byte) in bytes.iter().enumerate() {
            match Cell::at(address_of(n)) {
                Some(cell) => self.poke_cell(cell, &[byte]),
                None => self.poke_external(core, address_of(n), &[byte]),
            };
        }
        Ok(())
    }

    /// Writes data in PSRAM that lies in one page.
    fn poke_external(&mut self, core: usize, address: u32, bytes: &[u8]) -> bool {
        let Some(offset) = self.psram_offset(core, address) else { return false };
        if address % PSRAM_PAGE + bytes.len() as u32 > PSRAM_PAGE {
            return false;
        }
        let cells = self.psram.as_mut().and_then(|it| it.bytes_mut().get_mut(offset..));
        let Some(cells) = cells.and_then(|it| it.get_mut(..bytes.len())) else { return false };
        cells.copy_from_slice(bytes);
        true
    }

    /// False if the cell cannot take all the bytes: it is ROM, or the end of its memory.
    fn poke_cell(&mut self, cell: Cell, bytes: &[u8]) -> bool {
        let Some(cells) = self.memory.bytes_mut(cell).and_then(|it| it.get_mut(..bytes.len()))
        else {
            return false;
        };
        cells.copy_from_slice(bytes);
        if self.memory.is_code(cell, bytes.len())
            && let Some(physical) = Memory::physical(cell)
        {
            // The reversed view tears a write of several words apart; name every word.
            for n in (0..bytes.len().next_multiple_of(4) as u32 + 4).step_by(4) {
                let reversed = matches!(cell, Cell::Sram(_));
                let word = if reversed { physical.wrapping_sub(n) } else { (physical & !3) + n };
                self.dirty.push((word, 4));
            }
        }
        true
    }

    fn watchpoint(&self, core: usize, address: u32, len: usize, kind: u32) -> Option<u8> {
        let hit = |&(at, control): &(u32, u32)| {
            // The mask bits that are set take part in the comparison; the others select a block.
            let mask = !(!control & dbreakc::MASK);
            control & kind != 0
                && (0..len as u32).any(|n| address.wrapping_add(n) & mask == at & mask)
        };
        self.watchpoints[core].iter().position(hit).map(|n| n as u8)
    }

    // ----- registers ----------------------------------------------------------------------------

    /// Whether `address` is that of a whole register, `core` may access it, and nobody waits for the
    /// chip to look.
    #[inline]
    fn is_plain_register(&self, core: usize, address: u32) -> bool {
        Devices::is_register(address)
            && address & 3 == 0
            && !self.prohibited(core, address, RegionSide::Data)
            && !self.wants_attention()
    }

    fn access(&mut self, core: usize, cycle: u64, width: Width) -> Context {
        self.advance(self.clock.instant(cycle));
        let core = if core == 0 { CoreId::Pro } else { CoreId::App };
        Context { now: self.now, clocks: self.clocks, core, width }
    }

    fn load_register(&mut self, core: usize, address: u32, len: u32, cycle: u64) -> Loaded {
        if (address & 3) + len > 4 {
            return Loaded::Fault(Fault { cause: Cause::LoadStoreError, vaddr: address });
        }
        self.register_reads += 1;
        let word = address & !3;
        let (value, resync) = if word.wrapping_sub(MMU) < MMU_LEN {
            let n = ((word - MMU) / 4) as usize;
            (self.mmu[n / MMU_ENTRIES][n % MMU_ENTRIES], false)
        } else {
            let cx = self.access(core, cycle, width_of(len));
            if self.signals.has_waves() && Devices::is_pad_input(word) {
                self.drive_waves(&cx);
            }
            let (value, touched) = self.devices.read(word, &cx);
            (value, self.after(touched, &cx))
        };
        let lane = value >> (8 * (address & 3)) & (u32::MAX >> (32 - 8 * len));
        if resync { Loaded::Resync(lane) } else { Loaded::Value(lane) }
    }

    fn store_register(&mut self, core: usize, address: u32, bytes: &[u8], cycle: u64) -> Stored {
        let lane = (address & 3) as usize;
        if lane + bytes.len() > 4 {
            return Stored::Fault(Fault { cause: Cause::LoadStoreError, vaddr: address });
        }
        let mut word = [0; 4];
        word[lane..lane + bytes.len()].copy_from_slice(bytes);
        let (address, value) = (address & !3, u32::from_le_bytes(word));
        if address.wrapping_sub(MMU) < MMU_LEN {
            self.write_mmu(address, value);
            return if self.remapped == [false; 2] { Stored::Done } else { Stored::Resync };
        }
        let cx = self.access(core, cycle, width_of(bytes.len() as u32));
        let touched = self.devices.write(address, value, &cx);
        if self.after(touched, &cx) { Stored::Resync } else { Stored::Done }
    }

    /// What follows from an access to a device; true if the chip must look at once.
    fn after(&mut self, touched: Option<Id>, cx: &Context) -> bool {
        let Some(id) = touched else { return self.devices.log.wants_pc() };
        if self.serve(id, cx) {
            self.follow_sources();
            self.nearer_deadline |= self.next_deadline() < self.slice_end;
        }
        self.wants_attention()
    }

    /// Whether the chip has to act before the next instruction.
    pub(super) fn wants_attention(&self) -> bool {
        self.nearer_deadline || self.wants_action()
    }

    /// The same without regard to deadlines, whose nearness depends on how far the host lets the
    /// chip run.
    pub(super) fn wants_action(&self) -> bool {
        self.requests
            || self.lines_changed
            || self.remapped != [false; 2]
            || !self.dirty.is_empty()
            || self.devices.log.wants_pc()
    }

    /// Connects a device that has just been touched or polled to its partners; true if that has
    /// changed its deadline or its interrupt level, or the air must be looked at.
    pub(super) fn serve(&mut self, id: Id, cx: &Context) -> bool {
        match id {
            Id::Dport => self.serve_dport(cx),
            Id::Spi0 | Id::Spi1 => {
                self.serve_flash(id, cx.now);
                for range in self.flash.take_changes() {
                    self.dirty.push((PHYSICAL_FLASH + range.start, range.end - range.start));
                }
            }
            Id::Spi2 | Id::Spi3 => self.serve_spi(id, cx.now),
            Id::I2c0 | Id::I2c1 => self.serve_i2c(id, cx),
            Id::I2s0 | Id::I2s1 => self.serve_i2s(id, cx),
            Id::Gpio | Id::IoMux | Id::RtcIo => self.serve_pads(id, cx),
            Id::Ledc | Id::Rmt if self.signals.has_waves() => self.drive_waves(cx),
            Id::Uart0 => self.spread_uart(0, cx),
            Id::Uart1 => self.spread_uart(1, cx),
            Id::Uart2 => self.spread_uart(2, cx),
            Id::Sens => self.serve_touch(cx),
            Id::WifiMac => self.serve_mac(cx),
            Id::Ana | Id::Nrx => self.follow_tuning(cx),
            Id::RtcCntl | Id::Timg0 | Id::Timg1 | Id::ApbCtrl => self.requests |= self.asks(),
            _ => {}
        }
        self.devices.refresh(id) || self.air_due <= cx.now
    }

    /// A touch is an interrupt of RTC_CNTL, and may end a sleep.
    fn serve_touch(&mut self, cx: &Context) {
        if self.devices.sens.take_touch_event() {
            self.devices.rtc_cntl.wake(WakeCause::Touch, cx.now);
            self.devices.refresh(Id::RtcCntl);
            self.requests = true;
            self.update_lines();
        }
    }

    fn serve_dport(&mut self, cx: &Context) {
        let changed = self.devices.dport.take_mapping_changed();
        for core in [CoreId::Pro, CoreId::App].into_iter().filter(|core| changed[core.index()]) {
            self.remap_core(core);
        }
        if self.devices.dport.take_matrix_changed() {
            self.update_lines();
        }
        let (perip, peri) = self.devices.dport.take_resets();
        for &(bit, id) in PERIP_RST_EN {
            if perip & bit != 0 {
                self.devices.reset(id, cx);
            }
        }
        for &(bit, id) in PERI_RST_EN {
            if peri & bit != 0 {
                self.devices.reset(id, cx);
            }
        }
        self.requests |= self.asks();
    }

    /// Whether one of the devices that can has asked the chip to act.
    fn asks(&self) -> bool {
        let Devices { dport, rtc_cntl, sens, apb_ctrl, timg0, timg1, .. } = &self.devices;
        dport.control_changed()
            || rtc_cntl.has_request()
            || rtc_cntl.touch_timer() != sens.touch_timer()
            || apb_ctrl.has_changed_clocks()
            || timg0.has_reset()
            || timg1.has_reset()
    }

    /// Executes the transaction that a flash controller has started, on the part that it selects.
    ///
    /// The parts hang on pads that belong to the SD card after a reset: whoever has not connected them
    /// to SPI (`esp_rom_spiflash_attach`, or the loader's SPI_ATTACH) finds nobody there.
    fn serve_flash(&mut self, id: Id, now: Instant) {
        let controller = match id {
            Id::Spi0 => &mut self.devices.spi0,
            _ => &mut self.devices.spi1,
        };
        let Some(transaction) = controller.take_transaction(&mut NoMemory) else { return };
        let is_wired = self.devices.io_mux.pad(FLASH_CLK).is_some_and(|pad| !pad.is_for_sd_card());
        let answer = match self.psram.as_mut() {
            // An input that no pad is connected to is low.
            _ if !is_wired => Bytes::filled(0, transaction.miso_len()),
            _ if transaction.cs.has(0) => self.flash.transact(&transaction, now),
            Some(psram) if transaction.cs.has(1) => psram.transact(&transaction),
            _ => Default::default(),
        };
        controller.complete(&answer, &mut NoMemory);
    }

    /// A general-purpose controller, with the parts at its pads.
    fn serve_spi(&mut self, id: Id, now: Instant) {
        let signals = if id == Id::Spi2 { signals::SPI2 } else { signals::SPI3 };
        let mut memory = DmaPort { memory: &mut self.memory, dirty: &mut self.dirty };
        let controller = match id {
            Id::Spi2 => &mut self.devices.spi2,
            _ => &mut self.devices.spi3,
        };
        let Some(transaction) = controller.take_transaction(&mut memory) else { return };
        let miso = self.miso(signals, &transaction, now);
        let mut memory = DmaPort { memory: &mut self.memory, dirty: &mut self.dirty };
        match id {
            Id::Spi2 => self.devices.spi2.complete(&miso, &mut memory),
            _ => self.devices.spi3.complete(&miso, &mut memory),
        }
    }

    /// The next instant at which a device, a signal between devices, a part at the pads or the air
    /// changes by itself.
    pub(super) fn next_deadline(&self) -> Instant {
        let outside = self.fittings.due().min(self.air_due);
        self.devices.next_deadline().min(self.signals.due).min(outside)
    }

    fn serve_mac(&mut self, cx: &Context) {
        let mut memory = DmaPort { memory: &mut self.memory, dirty: &mut self.dirty };
        self.devices.wifi_mac.run(&mut memory, cx);
        if self.devices.wifi_mac.has_transmission() || self.devices.wifi_mac.has_broken_list() {
            self.air_due = cx.now;
        }
        self.follow_tuning(cx);
    }

    /// The channel that the radio is tuned to, 1 to 14.
    pub(super) fn channel(&self) -> Option<u8> {
        self.devices.ana.tuned_channel(self.devices.nrx.bandwidth())
    }

    /// The same while it listens.
    pub(super) fn listens_to(&self) -> Option<u8> {
        self.channel().filter(|_| self.devices.wifi_mac.receives())
    }

    /// The air must know who listens where.
    fn follow_tuning(&mut self, cx: &Context) {
        let channel = self.listens_to();
        if channel != self.listened_to {
            self.listened_to = channel;
            self.air_due = cx.now;
        }
    }

    fn serve_i2s(&mut self, id: Id, cx: &Context) {
        let mut memory = DmaPort { memory: &mut self.memory, dirty: &mut self.dirty };
        match id {
            Id::I2s0 => self.devices.i2s0.run(&mut memory, cx),
            _ => self.devices.i2s1.run(&mut memory, cx),
        }
    }

    /// Polls the devices that are due, in the order of their table.
    pub(super) fn poll_due(&mut self) {
        let cx = self.context();
        let any = self.devices.next_deadline() <= self.now;
        if any {
            for id in self.devices.due(self.now) {
                self.devices.poll(id, &cx);
                self.serve(id, &cx);
            }
        }
        if self.signals.due <= self.now {
            self.drive_waves(&cx);
        }
        self.move_parts();
        if any {
            self.follow_sources();
        }
    }

    /// Recomputes the interrupt lines of both cores from the devices' levels.
    pub(super) fn update_lines(&mut self) {
        let sources = self.devices.sources();
        self.asserted = sources;
        for core in [CoreId::Pro, CoreId::App] {
            let asserted = sources[core.index()];
            self.devices.dport.set_status(core, asserted);
            let lines = lines_of(&self.devices.dport, core, asserted);
            if lines != self.lines[core.index()] {
                self.lines[core.index()] = lines;
                self.lines_changed = true;
            }
        }
    }

    /// The same, if some device's level is another now; which line it is led to is as it was.
    fn follow_sources(&mut self) {
        if self.devices.sources() != self.asserted {
            self.update_lines();
        }
    }

    /// Copies plain memory at `address`, without side effects; how much of it there was.
    pub(super) fn read_memory(&self, core: usize, address: u32, out: &mut [u8]) -> usize {
        let found = match Cell::at(address) {
            Some(Cell::SramReversed(_)) => {
                return self.peek(core, address & !3, &mut [0; 4]).map_or(0, |()| {
                    let mut word = [0; 4];
                    let _ = self.peek(core, address & !3, &mut word);
                    copy_prefix(&word[(address & 3) as usize..], out)
                });
            }
            Some(cell) => self.memory.bytes(core, cell),
            None => match self.flash_bytes(core, address) {
                Some(bytes) => bytes,
                None => match (self.psram_offset(core, address), &self.psram) {
                    (Some(offset), Some(psram)) => {
                        let end = (offset / PSRAM_PAGE as usize + 1) * PSRAM_PAGE as usize;
                        &psram.bytes()[offset..end]
                    }
                    _ => return 0,
                },
            },
        };
        copy_prefix(found, out)
    }

    /// Writes plain memory at `address`; how much of it there was. The caller is an instruction
    /// that the code cache does not know, so changed code is dropped behind it.
    pub(super) fn write_memory(&mut self, core: usize, address: u32, bytes: &[u8]) -> usize {
        match Cell::at(address) {
            Some(Cell::Rom(_)) => 0,
            Some(cell) => {
                let room = self.memory.bytes(core, cell).len();
                let room = match cell {
                    Cell::SramReversed(_) if address & 3 != 0 || bytes.len() < 4 => return 0,
                    // Up to a granule border, so that the changed code is found exactly.
                    _ => room.min(256 - (address as usize & 255)),
                };
                let n = room.min(bytes.len());
                if self.poke_cell(cell, &bytes[..n]) { n } else { 0 }
            }
            None => {
                let n = bytes.len().min((PSRAM_PAGE - address % PSRAM_PAGE) as usize);
                match (self.psram_offset(core, address), &mut self.psram) {
                    (Some(offset), Some(psram)) => {
                        psram.bytes_mut()[offset..offset + n].copy_from_slice(&bytes[..n]);
                        n
                    }
                    _ => 0,
                }
            }
        }
    }
}

/// Reset bits of PERIP_RST_EN.
const PERIP_RST_EN: &[(u32, Id)] = &[
    (1 << 2, Id::Uart0),
    (1 << 4, Id::I2s0),
    (1 << 5, Id::Uart1),
    (1 << 6, Id::Spi2),
    (1 << 7, Id::I2c0),
    (1 << 9, Id::Rmt),
    (1 << 10, Id::Pcnt),
    (1 << 11, Id::Ledc),
    (1 << 13, Id::Timg0),
    (1 << 15, Id::Timg1),
    (1 << 16, Id::Spi3),
    (1 << 18, Id::I2c1),
    (1 << 21, Id::I2s1),
    (1 << 23, Id::Uart2),
];
/// Reset bits of PERI_RST_EN.
const PERI_RST_EN: &[(u32, Id)] = &[(1 << 0, Id::Aes), (1 << 1, Id::Sha), (1 << 2, Id::Rsa)];

fn lines_of(dport: &Dport, core: CoreId, mut sources: u128) -> u32 {
    let mut lines = 0;
    while sources != 0 {
        let source = sources.trailing_zeros() as usize;
        sources &= sources - 1;
        lines |= 1 << dport.line(core, source);
    }
    lines
}

/// DMA reaches the data bus's SRAM only.
struct DmaPort<'m> {
    memory: &'m mut Memory,
    dirty: &'m mut Vec<(u32, u32)>,
}

impl DmaMemory for DmaPort<'_> {
    fn read(&mut self, address: u32, buffer: &mut [u8]) -> bool {
        match Cell::at(address) {
            Some(cell @ Cell::Sram(_)) => match self.memory.bytes(0, cell).get(..buffer.len()) {
                Some(bytes) => {
                    buffer.copy_from_slice(bytes);
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> bool {
        let Some(cell @ Cell::Sram(_)) = Cell::at(address) else { return false };
        let Some(cells) = self.memory.bytes_mut(cell).and_then(|it| it.get_mut(..bytes.len()))
        else {
            return false;
        };
        cells.copy_from_slice(bytes);
        for n in (0..bytes.len() as u32 + 4).step_by(4) {
            let word = Cell::at(address.wrapping_add(n));
            if let Some(cell) = word.filter(|&cell| self.memory.is_code(cell, 4))
                && let Some(physical) = Memory::physical(cell)
            {
                self.dirty.push((physical, 4));
            }
        }
        true
    }
}

/// The instruction bus serves whole aligned words only.
fn refuses(address: u32, len: usize) -> bool {
    address.wrapping_sub(ROM) < IROM_END - ROM && (len != 4 || address & 3 != 0)
}

fn copy_prefix(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    to[..n].copy_from_slice(&from[..n]);
    n
}

fn word_from<const N: usize>(bytes: [u8; N]) -> u32 {
    let mut word = [0; 4];
    word[..N].copy_from_slice(&bytes);
    u32::from_le_bytes(word)
}

fn width_of(len: u32) -> Width {
    match len {
        1 => Width::Byte,
        2 => Width::Half,
        _ => Width::Word,
    }
}

impl Bus for System {
    const NEAR: NearMap =
        NearMap { base: SRAM, length: SRAM_LEN as u32, pages_base: DROM, pages: DROM_PAGES as u32 };

    fn near(&mut self, core: usize) -> Option<Near> {
        if self.watching_loads {
            return None;
        }
        let constants = &mut self.constants[core & 1];
        if constants.epoch != Some(self.flash.epoch()) {
            constants.epoch = Some(self.flash.epoch());
            for (page, shown) in constants.pages.iter_mut().zip(&self.flash_map[core & 1]) {
                *page = shown.map_or(0, |n| self.flash.page(n.into()).as_ptr().addr());
            }
        }
        let (memory, guards) = self.memory.near();
        Some(Near { memory, guards, pages: constants.pages.as_ptr() })
    }

    #[inline(always)]
    fn load_near<const N: usize>(&self, address: u32) -> Option<u32> {
        if self.watching_loads { None } else { self.memory.sram::<N>(address).map(word_from) }
    }

    #[cold]
    #[inline(never)]
    fn load<const N: usize>(&mut self, core: usize, address: u32, cycle: u64) -> Loaded {
        let quick = || {
            if self.watching_loads || Devices::is_register(address) {
                return None;
            }
            let value = self.drom::<N>(core, address);
            value
                .or_else(|| self.external::<N>(core, address))
                .or_else(|| self.load_near::<N>(address))
        };
        match quick() {
            Some(value) => Loaded::Value(value),
            None => self.load_far::<N>(core, address, cycle),
        }
    }

    #[inline(always)]
    fn store_near<const N: usize>(&mut self, address: u32, value: u32) -> bool {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&value.to_le_bytes()[..N]);
        self.memory.set_sram(address, bytes)
    }

    #[cold]
    #[inline(never)]
    fn store<const N: usize>(
        &mut self,
        core: usize,
        address: u32,
        value: u32,
        cycle: u64,
    ) -> Stored {
        if self.store_near::<N>(address, value) {
            return Stored::Done;
        }
        self.store_far(core, address, &value.to_le_bytes()[..N], cycle)
    }

    fn locate(&self, core: usize, address: u32) -> Result<u32, Fault> {
        if self.prohibited(core, address, RegionSide::Instruction) {
            return Err(Fault { cause: Cause::FetchProhibited, vaddr: address });
        }
        let refused = Fault { cause: Cause::InstructionPifAddress, vaddr: address };
        self.physical_code(core, address).ok_or(refused)
    }

    fn fetch(
        &self,
        core: usize,
        address: u32,
        buffer: &mut [u8; MAX_FETCH],
    ) -> Result<Fetched, Fault> {
        let physical = self.locate(core, address)?;
        let mut length = 0;
        while length < buffer.len() {
            let at = address.wrapping_add(length as u32);
            // A page of flash may be remapped by itself; what follows a memory need not be code.
            let follows = physical < PHYSICAL_FLASH || length == 0;
            if !follows || self.physical_code(core, at) != Some(physical + length as u32) {
                break;
            }
            match self.read_memory(core, at, &mut buffer[length..]) {
                0 => break,
                copied => length += copied,
            }
        }
        let straddles = length < usize::from(instruction_length(buffer[0]));
        if straddles {
            length = self.complete_fetch(core, address, buffer, length)?;
        }
        Ok(Fetched { length, straddles })
    }

    fn literal(&self, core: usize, address: u32) -> Option<(u32, u32)> {
        if address & 3 != 0 {
            return None;
        }
        let physical = self.physical_code(core, address)?;
        let mut bytes = [0; 4];
        self.peek(core, address, &mut bytes).ok()?;
        Some((u32::from_le_bytes(bytes), physical))
    }

    fn guard_code(&mut self, physical: u32, length: u32) {
        if physical < PHYSICAL_FLASH {
            self.memory.guard_code(physical, length);
        }
    }

    #[inline]
    fn load_plain(&mut self, core: usize, address: u32, cycle: u64) -> Option<u32> {
        if self.watching_loads || !self.is_plain_register(core, address) {
            return None;
        }
        let now = self.now.max(self.clock.instant(cycle));
        let value = self.devices.peek(address, now)?;
        self.now = now;
        self.register_reads += 1;
        Some(value)
    }

    #[inline]
    fn store_plain(&mut self, core: usize, address: u32, value: u32, cycle: u64) -> bool {
        if self.watching_stores || !self.is_plain_register(core, address) {
            return false;
        }
        let cx = self.access(core, cycle, Width::Word);
        self.devices.poke(address, value, &cx)
    }

    fn device_accesses(&self) -> u64 {
        self.register_reads
    }

    fn read_external(&mut self, core: usize, register: u32) -> u32 {
        self.debug_modules[core].read_external(register)
    }

    fn write_external(&mut self, _core: usize, _register: u32, _value: u32) {}

    fn set_region(&mut self, core: usize, address: u32, side: RegionSide, attribute: u32) {
        self.regions[core][side as usize][(address >> 29) as usize] = attribute as u8 & 0xf;
        if side == RegionSide::Instruction {
            self.remapped[core] = true;
        }
    }

    fn region(&self, core: usize, address: u32, side: RegionSide) -> u32 {
        u32::from(self.regions[core][side as usize][(address >> 29) as usize])
    }

    fn set_watchpoints(&mut self, core: usize, watchpoints: [(u32, u32); 2]) {
        self.watchpoints[core] = watchpoints;
        self.arm_watchpoints();
    }
}

impl System {
    /// Where code at `address` is physically, if it can be executed there: the data bus is not for
    /// instructions.
    fn physical_code(&self, core: usize, address: u32) -> Option<u32> {
        if !(ROM..=0x5000_1fff).contains(&address) {
            return None;
        }
        if let Some(slot) = Self::flash_slot(address) {
            let page = self.flash_map[core][slot]?;
            return Some(PHYSICAL_FLASH + u32::from(page) * PAGE + (address & 0xffff));
        }
        let cell = Cell::at(address)?;
        // A reversed cell names its word.
        let in_word = if matches!(cell, Cell::SramReversed(_)) { address & 3 } else { 0 };
        Some(self.memory.physical_code(core, cell)? + in_word)
    }

    /// An instruction that straddles two pages: its bytes behind the first page. How long it is.
    fn complete_fetch(
        &self,
        core: usize,
        address: u32,
        buffer: &mut [u8; MAX_FETCH],
        have: usize,
    ) -> Result<usize, Fault> {
        let length = usize::from(instruction_length(buffer[0]));
        for (n, byte) in buffer.iter_mut().enumerate().take(length).skip(have) {
            let vaddr = address.wrapping_add(n as u32);
            let refused = Fault { cause: Cause::InstructionPifAddress, vaddr };
            self.physical_code(core, vaddr).ok_or(refused)?;
            *byte = self.peek_byte(core, vaddr).ok_or(refused)?;
        }
        Ok(length)
    }

    /// The core's watchpoints or the debugger's have changed: what the fast path must leave over.
    pub(super) fn arm_watchpoints(&mut self) {
        let all = self.watchpoints.iter().flatten();
        self.watching_loads = all.clone().any(|(_, control)| control & dbreakc::LOAD != 0)
            || self.watch.is_for(Watched::Loads);
        let stores = all
            .filter(|(_, control)| control & dbreakc::STORE != 0)
            .map(|&(at, control)| {
                let block = !control & dbreakc::MASK;
                (at & !block, block + 1)
            })
            .chain(self.watch.stores())
            .collect::<Vec<_>>();
        self.watching_stores = !stores.is_empty();
        self.memory.guard_watchpoints(stores.into_iter());
    }

    /// An access by a native function of `core`, which is no instruction that a watchpoint could
    /// stop.
    pub(super) fn unwatched<T>(&mut self, core: usize, access: impl FnOnce(&mut Self) -> T) -> T {
        let kept = self.watchpoints[core];
        self.set_watchpoints(core, [(0, 0); 2]);
        let result = access(self);
        self.set_watchpoints(core, kept);
        result
    }

    /// Whether `address` lies in the mask ROM's space.
    pub(super) fn is_rom(address: u32) -> bool {
        address.wrapping_sub(ROM) < ROM_LEN as u32
    }
}
