//! DPORT: what both cores share of the system: core control, clock gates and resets, the cache and
//! its MMU tables, interrupt matrix, interrupts between the cores.
//!
//! Source: Technical Reference Manual, chapters "DPort Registers", "Interrupt Matrix" and "System
//! and Memory"; `dport_reg.h` of ESP-IDF for addresses; behaviour of the cache state words as
//! measured on firmware that polls them.
//! Modelled: APPCPU control, CPU_PER_CONF, cache enable and flush, both MMU tables, interrupt maps
//! and status words, FROM_CPU interrupts, reset bits of peripherals.
//! Not modelled: memory protection, tracing, remapping, secure boot and flash encryption; these
//! registers keep what is written.

use super::{Context, CoreId, Peripheral, Stores, Unmodelled, stores};

/// Interrupt sources of the matrix.
pub const SOURCES: usize = 69;
/// CPU line that a map selects after reset: 16, an internal line, so no source is connected.
const UNMAPPED: u8 = 16;

mod reg {
    pub(super) const APPCPU_CTRL_A: u32 = 0x02c;
    pub(super) const APPCPU_CTRL_B: u32 = 0x030;
    pub(super) const APPCPU_CTRL_C: u32 = 0x034;
    pub(super) const APPCPU_CTRL_D: u32 = 0x038;
    pub(super) const CPU_PER_CONF: u32 = 0x03c;
    pub(super) const PRO_CACHE_CTRL: u32 = 0x040;
    pub(super) const PRO_CACHE_CTRL1: u32 = 0x044;
    pub(super) const APP_CACHE_CTRL: u32 = 0x058;
    pub(super) const APP_CACHE_CTRL1: u32 = 0x05c;
    pub(super) const PERI_RST_EN: u32 = 0x020;
    pub(super) const PERIP_CLK_EN: u32 = 0x0c0;
    pub(super) const PERIP_RST_EN: u32 = 0x0c4;
    pub(super) const CPU_INTR_FROM_CPU_0: u32 = 0x0dc;
    pub(super) const CPU_INTR_FROM_CPU_3: u32 = 0x0e8;
    pub(super) const PRO_INTR_STATUS_0: u32 = 0x0ec;
    pub(super) const APP_INTR_STATUS_2: u32 = 0x100;
    pub(super) const PRO_MAP_FIRST: u32 = 0x104;
    pub(super) const PRO_MAP_LAST: u32 = 0x104 + 4 * 68;
    pub(super) const APP_MAP_FIRST: u32 = 0x218;
    pub(super) const APP_MAP_LAST: u32 = 0x218 + 4 * 68;
    pub(super) const PRO_DCACHE_DBUG0: u32 = 0x3f0;
    pub(super) const PRO_DCACHE_DBUG3: u32 = 0x3fc;
    pub(super) const APP_DCACHE_DBUG0: u32 = 0x418;
    pub(super) const APP_DCACHE_DBUG3: u32 = 0x424;
    pub(super) const DATE: u32 = 0xffc;
}

mod cache_ctrl {
    pub(super) const ENABLE: u32 = 1 << 3;
    pub(super) const FLUSH: u32 = 1 << 4;
    pub(super) const FLUSH_DONE: u32 = 1 << 5;
    pub(super) const DRAM_SPLIT: u32 = 1 << 11;
    pub(super) const DRAM_HL: u32 = 1 << 16;
    /// Request bits that only hardware sets.
    pub(super) const READ_ONLY: u32 = 0xf << 12;
    pub(super) const RESET: u32 = 1 << 4;
}

/// DATE of the ESP32.
const DATE_VALUE: u32 = 0x1605_0190;
/// Cache state "idle" in DBUG0 bits 18:7.
const CACHE_IDLE: u32 = 1 << 7;

/// Buses of the cache that CACHE_CTRL1 masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CacheBus {
    /// 400C_2000..4040_0000.
    Iram0 = 0,
    /// 4040_0000..4080_0000.
    Iram1 = 1,
    /// 4080_0000..40C0_0000.
    Irom0 = 2,
    /// 3F80_0000..3FC0_0000, PSRAM.
    Dram1 = 3,
    /// 3F40_0000..3F80_0000.
    Drom0 = 4,
}

/// The DPORT registers.
#[derive(Debug, Clone)]
pub struct Dport {
    appcpu_reset: bool,
    appcpu_clock: bool,
    appcpu_stall: bool,
    appcpu_boot: u32,
    cpu_per_conf: u32,
    peri_rst: u32,
    perip_clk: u32,
    perip_rst: u32,
    cache_ctrl: [u32; 2],
    cache_ctrl1: [u32; 2],
    from_cpu: u32,
    map: [[u8; SOURCES]; 2],
    /// Levels of the sources as each core sees them; set by the wiring.
    status: [u128; 2],
    /// Bits of PERIP_RST_EN and PERI_RST_EN that went from 0 to 1 and were not yet drained.
    resets: (u32, u32),
    app_core_reset: bool,
    /// What APP_CPU does or the CPU clock may be another.
    control_changed: bool,
    mapping_changed: [bool; 2],
    matrix_changed: bool,
}

impl Default for Dport {
    fn default() -> Self {
        Self {
            appcpu_reset: true,
            appcpu_clock: false,
            appcpu_stall: false,
            appcpu_boot: 0,
            cpu_per_conf: 0,
            peri_rst: 0,
            perip_clk: 0xf9c1_e06f,
            perip_rst: 0,
            cache_ctrl: [cache_ctrl::RESET; 2],
            cache_ctrl1: [0x8ff; 2],
            from_cpu: 0,
            map: [[UNMAPPED; SOURCES]; 2],
            status: [0; 2],
            resets: (0, 0),
            app_core_reset: true,
            control_changed: true,
            mapping_changed: [true; 2],
            matrix_changed: true,
        }
    }
}

impl Dport {
    /// The CPU line of `source` on `core`.
    pub fn line(&self, core: CoreId, source: usize) -> u8 {
        self.map[core.index()].get(source).copied().unwrap_or(UNMAPPED)
    }

    /// Tells the status words which sources are asserted, as `core` sees them.
    pub fn set_status(&mut self, core: CoreId, sources: u128) {
        self.status[core.index()] = sources;
    }

    /// The FROM_CPU interrupts, bit n for number n.
    pub fn from_cpu(&self) -> u32 {
        self.from_cpu
    }

    /// Whether the map of some source or a FROM_CPU level changed since the last call.
    pub fn take_matrix_changed(&mut self) -> bool {
        std::mem::take(&mut self.matrix_changed)
    }

    /// Whether what the cache of each core shows changed since the last call.
    pub fn take_mapping_changed(&mut self) -> [bool; 2] {
        std::mem::take(&mut self.mapping_changed)
    }

    /// APP_CPU has its clock, is out of reset and not stalled.
    pub fn app_cpu_runs(&self) -> bool {
        self.appcpu_clock && !self.appcpu_reset && !self.appcpu_stall
    }

    /// APP_CPU has its clock.
    pub fn app_cpu_has_clock(&self) -> bool {
        self.appcpu_clock
    }

    /// Whether the wiring must look at APP_CPU's control and the CPU clock: true until
    /// [`Dport::take_control_changed`].
    pub fn control_changed(&self) -> bool {
        self.control_changed
    }

    /// The wiring has looked.
    pub fn take_control_changed(&mut self) {
        self.control_changed = false;
    }

    /// Whether APP_CPU was put into reset since the last call.
    pub fn take_app_cpu_reset(&mut self) -> bool {
        std::mem::take(&mut self.app_core_reset)
    }

    /// Where APP_CPU's ROM shall jump; 0 while it has to wait.
    pub fn app_cpu_boot_address(&self) -> u32 {
        self.appcpu_boot
    }

    /// CPUPERIOD_SEL: 0, 1, 2 for 80, 160, 240 MHz from the PLL.
    pub fn cpu_period_sel(&self) -> u32 {
        self.cpu_per_conf & 3
    }

    /// Peripherals whose reset bit was set since the last call: PERIP_RST_EN, PERI_RST_EN.
    pub fn take_resets(&mut self) -> (u32, u32) {
        std::mem::take(&mut self.resets)
    }

    /// Whether `core` reaches flash or PSRAM through `bus`.
    pub fn cache_serves(&self, core: CoreId, bus: CacheBus) -> bool {
        let n = core.index();
        self.cache_ctrl[n] & cache_ctrl::ENABLE != 0 && self.cache_ctrl1[n] >> bus as u8 & 1 == 0
    }

    /// The cache of either core is on: SPI0 may use the flash.
    pub fn cache_enabled(&self, core: CoreId) -> bool {
        self.cache_ctrl[core.index()] & cache_ctrl::ENABLE != 0
    }

    /// How PSRAM is shared between the cores: the low half for PRO, the high half for APP.
    pub fn psram_is_split(&self) -> bool {
        let bits = cache_ctrl::DRAM_SPLIT | cache_ctrl::DRAM_HL;
        self.cache_ctrl.iter().any(|ctrl| ctrl & bits != 0)
    }

    fn write_cache_ctrl(&mut self, core: usize, value: u32) {
        let old = self.cache_ctrl[core];
        let done = if value & cache_ctrl::FLUSH != 0 { cache_ctrl::FLUSH_DONE } else { 0 };
        let kept = !(cache_ctrl::READ_ONLY | cache_ctrl::FLUSH_DONE);
        self.cache_ctrl[core] = value & kept | done;
        self.mapping_changed[core] |= (old ^ value) & cache_ctrl::ENABLE != 0;
    }

    fn status_word(&self, n: u32) -> u32 {
        let (core, word) = (n / 3, n % 3);
        (self.status[core as usize & 1] >> (32 * word)) as u32
    }
}

impl Peripheral for Dport {
    const NAME: &'static str = "DPORT";

    // What the manual describes as configuration of blocks that work without it here.
    const STORES: &'static [Stores] = &[
        stores(0x000, 0x01c),
        stores(0x024, 0x028),
        stores(0x048, 0x054),
        stores(0x060, 0x0bc),
        stores(0x0c8, 0x0d8),
        stores(0x32c, 0x3ec),
        stores(0x400, 0x414),
        stores(0x428, 0x5ac),
    ];

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            reg::PERI_RST_EN => self.peri_rst,
            reg::APPCPU_CTRL_A => u32::from(self.appcpu_reset),
            reg::APPCPU_CTRL_B => u32::from(self.appcpu_clock),
            reg::APPCPU_CTRL_C => u32::from(self.appcpu_stall),
            reg::APPCPU_CTRL_D => self.appcpu_boot,
            reg::CPU_PER_CONF => self.cpu_per_conf,
            reg::PRO_CACHE_CTRL => self.cache_ctrl[0],
            reg::PRO_CACHE_CTRL1 => self.cache_ctrl1[0],
            reg::APP_CACHE_CTRL => self.cache_ctrl[1],
            reg::APP_CACHE_CTRL1 => self.cache_ctrl1[1],
            reg::PERIP_CLK_EN => self.perip_clk,
            reg::PERIP_RST_EN => self.perip_rst,
            reg::CPU_INTR_FROM_CPU_0..=reg::CPU_INTR_FROM_CPU_3 => {
                self.from_cpu >> ((offset - reg::CPU_INTR_FROM_CPU_0) / 4) & 1
            }
            reg::PRO_INTR_STATUS_0..=reg::APP_INTR_STATUS_2 => {
                self.status_word((offset - reg::PRO_INTR_STATUS_0) / 4)
            }
            reg::PRO_MAP_FIRST..=reg::PRO_MAP_LAST => {
                u32::from(self.map[0][(offset - reg::PRO_MAP_FIRST) as usize / 4])
            }
            reg::APP_MAP_FIRST..=reg::APP_MAP_LAST => {
                u32::from(self.map[1][(offset - reg::APP_MAP_FIRST) as usize / 4])
            }
            reg::PRO_DCACHE_DBUG0 | reg::APP_DCACHE_DBUG0 => CACHE_IDLE,
            // No access is ever illegal here: the bus answers such accesses by itself.
            reg::PRO_DCACHE_DBUG3 | reg::APP_DCACHE_DBUG3 => 0,
            reg::DATE => DATE_VALUE,
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::PERI_RST_EN => {
                self.resets.1 |= value & !self.peri_rst;
                self.peri_rst = value;
            }
            reg::APPCPU_CTRL_A => {
                let reset = value & 1 != 0;
                self.app_core_reset |= reset && !self.appcpu_reset;
                self.appcpu_reset = reset;
                self.control_changed = true;
            }
            reg::APPCPU_CTRL_B => {
                self.appcpu_clock = value & 1 != 0;
                self.control_changed = true;
            }
            reg::APPCPU_CTRL_C => {
                self.appcpu_stall = value & 1 != 0;
                self.control_changed = true;
            }
            reg::APPCPU_CTRL_D => self.appcpu_boot = value,
            reg::CPU_PER_CONF => {
                self.cpu_per_conf = value & 0xf;
                self.control_changed = true;
            }
            reg::PRO_CACHE_CTRL => self.write_cache_ctrl(0, value),
            reg::PRO_CACHE_CTRL1 => {
                self.mapping_changed[0] |= self.cache_ctrl1[0] != value;
                self.cache_ctrl1[0] = value;
            }
            reg::APP_CACHE_CTRL => self.write_cache_ctrl(1, value),
            reg::APP_CACHE_CTRL1 => {
                self.mapping_changed[1] |= self.cache_ctrl1[1] != value;
                self.cache_ctrl1[1] = value;
            }
            reg::PERIP_CLK_EN => self.perip_clk = value,
            reg::PERIP_RST_EN => {
                self.resets.0 |= value & !self.perip_rst;
                self.perip_rst = value;
            }
            reg::CPU_INTR_FROM_CPU_0..=reg::CPU_INTR_FROM_CPU_3 => {
                let bit = 1 << ((offset - reg::CPU_INTR_FROM_CPU_0) / 4);
                let level = if value & 1 != 0 { bit } else { 0 };
                self.from_cpu = self.from_cpu & !bit | level;
                self.matrix_changed = true;
            }
            reg::PRO_INTR_STATUS_0..=reg::APP_INTR_STATUS_2
            | reg::PRO_DCACHE_DBUG0
            | reg::APP_DCACHE_DBUG0
            | reg::PRO_DCACHE_DBUG3
            | reg::APP_DCACHE_DBUG3
            | reg::DATE => {}
            reg::PRO_MAP_FIRST..=reg::PRO_MAP_LAST => {
                self.map[0][(offset - reg::PRO_MAP_FIRST) as usize / 4] = value as u8 & 31;
                self.matrix_changed = true;
            }
            reg::APP_MAP_FIRST..=reg::APP_MAP_LAST => {
                self.map[1][(offset - reg::APP_MAP_FIRST) as usize / 4] = value as u8 & 31;
                self.matrix_changed = true;
            }
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    /// The levels of FROM_CPU_0 to 3, sources 24 to 27.
    fn irq(&self) -> u32 {
        self.from_cpu
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::Clocks;
    use crate::time::Instant;

    fn cx() -> Context {
        Context::at(Instant::ZERO, Clocks::default())
    }

    #[test]
    fn an_interrupt_between_cores_is_a_level() {
        let mut dport = Dport::default();
        assert!(dport.write(0x0e0, 1, &cx()).is_ok());
        assert_eq!(dport.irq(), 2);
        assert_eq!(dport.read(0x0e0, &cx()), Ok(1));
        assert!(dport.write(0x0e0, 0, &cx()).is_ok());
        assert_eq!(dport.irq(), 0);
    }

    #[test]
    fn sources_are_unmapped_after_reset() {
        let mut dport = Dport::default();
        assert_eq!(dport.read(0x104, &cx()), Ok(16));
        assert!(dport.write(0x218 + 4 * 68, 31, &cx()).is_ok());
        assert_eq!(dport.line(CoreId::App, 68), 31);
        assert_eq!(dport.line(CoreId::Pro, 68), 16);
    }

    #[test]
    fn a_flush_is_done_when_it_is_asked_for() {
        let mut dport = Dport::default();
        assert!(dport.write(0x040, 0, &cx()).is_ok());
        assert!(dport.write(0x040, 1 << 4, &cx()).is_ok());
        assert_eq!(dport.read(0x040, &cx()), Ok(1 << 4 | 1 << 5));
    }

    #[test]
    fn every_offset_survives_all_ones() {
        let mut dport = Dport::default();
        for offset in (0..0x1000).step_by(4) {
            let _ = dport.write(offset, u32::MAX, &cx());
            let _ = dport.read(offset, &cx());
        }
    }
}
