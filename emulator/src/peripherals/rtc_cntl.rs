//! RTC controller (RTC_CNTL): resets, sleep and wake-up, the 48-bit RTC timer, clock selection,
//! retention registers, RTC watchdog, brown-out detector and RTC memory CRC.
//!
//! *Source*: ESP32 Technical Reference Manual, chapters "Reset and Clock", "Low-Power Management"
//! and "Watchdog Timers"; fields and reset values from ESP-IDF `soc/rtc_cntl_reg.h` and
//! `soc/rtc_cntl_struct.h`; sequences from `rtc_sleep.c` and `rtc_time.c`. That SCK_DCAP lowers the
//! frequency of the slow oscillator: `soc/rtc.h`, `slow_clk_dcap`. Its frequency before software has
//! set it: serial logs with times that users have published of boards with an erased or wrong image,
//! whose RTC watchdog resets them every 0.33 to 0.40 s, the time of 128000 counts (and never the one
//! of TIMG0, which takes 0.65 s).
//!
//! *Modelled*: software resets and CPU stalls; time latch, valid at the next slow clock edge; wake
//! alarm and main timer interrupt (ALARM_EN gates the interrupt only: ESP-IDF sleeps until a time
//! without setting it); deep sleep (DG_WRAP_PD_EN) and light sleep, their rejection when
//! a wake source is already active, wake causes; EXT0/EXT1 pad comparison; reset causes; clock
//! selection; the slow oscillator's adjustment, 350 to 150 kHz; retention registers; RTC watchdog with flash-boot mode and pause in sleep; brown-out.
//! All of it belongs to the RTC domain: see [`ResetKind`]. That a digital reset ends CPU stalls is
//! assumed, because a stalled PRO_CPU could not boot otherwise.
//!
//! *Not modelled*: power and isolation switches, regulators, state machine delays and pad holds
//! only keep their settings (entry to and exit from sleep take no time); the RTC timer does not
//! stop. The polynomial of the CRC unit is not published; [`memory_crc`] is CRC-32, which suffices
//! because only this unit both makes and checks the value.
//!
//! Interrupt line: bit 0.

use std::collections::VecDeque;

pub use super::reset::{ResetCause, ResetKind};
use super::watchdog::{StageAction, WRITE_KEY, Watchdog, WatchdogAction};
use super::{Clocks, Context, CoreId, Peripheral, Stores, Unmodelled, stores};
use crate::time::{Duration, Hertz, Instant};

mod reg {
    pub(super) const OPTIONS0: u32 = 0x00;
    pub(super) const SLP_TIMER0: u32 = 0x04;
    pub(super) const SLP_TIMER1: u32 = 0x08;
    pub(super) const TIME_UPDATE: u32 = 0x0c;
    pub(super) const TIME0: u32 = 0x10;
    pub(super) const TIME1: u32 = 0x14;
    pub(super) const STATE0: u32 = 0x18;
    pub(super) const RESET_STATE: u32 = 0x34;
    pub(super) const WAKEUP_STATE: u32 = 0x38;
    pub(super) const INT_ENA: u32 = 0x3c;
    pub(super) const INT_RAW: u32 = 0x40;
    pub(super) const INT_ST: u32 = 0x44;
    pub(super) const INT_CLR: u32 = 0x48;
    pub(super) const STORE0: u32 = 0x4c;
    pub(super) const STORE3: u32 = 0x58;
    pub(super) const EXT_WAKEUP_CONF: u32 = 0x60;
    pub(super) const SLP_REJECT_CONF: u32 = 0x64;
    pub(super) const CLK_CONF: u32 = 0x70;
    pub(super) const SDIO_CONF: u32 = 0x74;
    pub(super) const REG: u32 = 0x7c;
    pub(super) const DIG_PWC: u32 = 0x84;
    pub(super) const WDTCONFIG0: u32 = 0x8c;
    pub(super) const WDTCONFIG1: u32 = 0x90;
    pub(super) const WDTCONFIG4: u32 = 0x9c;
    pub(super) const WDTFEED: u32 = 0xa0;
    pub(super) const WDTWPROTECT: u32 = 0xa4;
    pub(super) const SW_CPU_STALL: u32 = 0xac;
    pub(super) const STORE4: u32 = 0xb0;
    pub(super) const STORE7: u32 = 0xbc;
    pub(super) const DIAG0: u32 = 0xc0;
    pub(super) const DIAG1: u32 = 0xc4;
    pub(super) const EXT_WAKEUP1: u32 = 0xcc;
    pub(super) const EXT_WAKEUP1_STATUS: u32 = 0xd0;
    pub(super) const BROWN_OUT: u32 = 0xd4;
    pub(super) const MEM_CONF: u32 = 0x100;
    pub(super) const MEM_CRC_RES: u32 = 0x104;
    pub(super) const DATE: u32 = 0x13c;
}

mod options0 {
    pub(super) const RESET: u32 = 0x1c49_2000;
    pub(super) const SW_SYS_RST: u32 = 1 << 31;
    pub(super) const SW_PROCPU_RST: u32 = 1 << 5;
    pub(super) const SW_APPCPU_RST: u32 = 1 << 4;
    pub(super) const SELF_CLEARING: u32 = SW_SYS_RST | SW_PROCPU_RST | SW_APPCPU_RST;
}

mod state0 {
    pub(super) const RESET: u32 = 0x0030_0000;
    pub(super) const SLEEP_EN: u32 = 1 << 31;
    pub(super) const SLP_REJECT: u32 = 1 << 30;
    pub(super) const SLP_WAKEUP: u32 = 1 << 29;
    pub(super) const TOUCH_SLP_TIMER_EN: u32 = 1 << 23;
    pub(super) const STATUS: u32 = SLP_REJECT | SLP_WAKEUP;
}

mod int {
    pub(super) const SLP_WAKEUP: u32 = 1 << 0;
    pub(super) const SLP_REJECT: u32 = 1 << 1;
    pub(super) const WDT: u32 = 1 << 3;
    pub(super) const TIME_VALID: u32 = 1 << 4;
    pub(super) const TOUCH: u32 = 1 << 6;
    pub(super) const BROWN_OUT: u32 = 1 << 7;
    pub(super) const MAIN_TIMER: u32 = 1 << 8;
    pub(super) const ALL: u32 = 0x1ff;
}

mod wdt {
    pub(super) const RESET: u32 = 0x4c80;
    pub(super) const EN: u32 = 1 << 31;
    pub(super) const LEVEL_INT_EN: u32 = 1 << 17;
    pub(super) const FLASHBOOT_MOD_EN: u32 = 1 << 10;
    pub(super) const PROCPU_RESET_EN: u32 = 1 << 9;
    pub(super) const APPCPU_RESET_EN: u32 = 1 << 8;
    pub(super) const PAUSE_IN_SLP: u32 = 1 << 7;
    pub(super) const TIMES: [u32; 4] = [0x1_f400, 0x1_3880, 0xfff, 0xfff];
}

mod brown_out {
    pub(super) const RESET: u32 = 0x13ff_0000;
    pub(super) const DET: u32 = 1 << 31;
    pub(super) const ENA: u32 = 1 << 30;
    pub(super) const RST_ENA: u32 = 1 << 26;
}

mod mem_conf {
    pub(super) const CRC_FINISH: u32 = 1 << 31;
    pub(super) const CRC_START: u32 = 1 << 8;
}

const ALARM_EN: u32 = 1 << 16;
const TIME_VALID: u32 = 1 << 30;
const TIME_UPDATE: u32 = 1 << 31;
const DG_WRAP_PD_EN: u32 = 1 << 31;
const DIG_PWC_RESET: u32 = 0x0015_5550;
const CLK_CONF_RESET: u32 = 0x2210;
const SDIO_CONF_RESET: u32 = 0x02a0_0000;
/// SCK_DCAP is 0: the slow oscillator is fast.
const REG_RESET: u32 = 0xa900_2400;
const REG1P8_READY: u32 = 1 << 24;
const EXT_WAKEUP1_STATUS_CLR: u32 = 1 << 18;
const RTC_PADS: u32 = 0x3_ffff;
const COUNTER_MASK: u64 = 0xffff_ffff_ffff;
const STALL_KEY: u32 = 0x86;
const DATE: u32 = 0x0160_4280;

/// What ends a sleep: the bit in WAKEUP_STATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeCause {
    /// One RTC pad at a level.
    Ext0 = 0,
    /// Several RTC pads at a level.
    Ext1 = 1,
    /// Any GPIO (light sleep).
    Gpio = 2,
    /// The RTC timer.
    Timer = 3,
    /// SDIO (light sleep).
    Sdio = 4,
    /// WiFi (light sleep).
    Wifi = 5,
    /// UART0 (light sleep).
    Uart0 = 6,
    /// UART1 (light sleep).
    Uart1 = 7,
    /// A touch pad.
    Touch = 8,
    /// The ULP coprocessor.
    Ulp = 9,
    /// Bluetooth (light sleep).
    Bluetooth = 10,
}

impl WakeCause {
    /// Its bit in the cause and enable fields.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// How deep a sleep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SleepKind {
    /// Clocks stop, everything keeps its state; execution continues at the wake-up.
    Light,
    /// The digital core is off; the wake-up is a reset with [`ResetCause::DeepSleep`].
    Deep,
}

/// The clock of the CPU and the buses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocClock {
    /// The crystal.
    Xtal,
    /// BBPLL; DPORT selects the frequency.
    Pll,
    /// The internal 8.5 MHz oscillator.
    Rc8m,
    /// The audio PLL.
    Apll,
}

/// The clock of the RTC timer and the RTC watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowClock {
    /// Internal oscillator, 150 kHz when it is adjusted.
    Rc150k,
    /// External crystal, 32.768 kHz.
    Xtal32k,
    /// Internal 8.5 MHz oscillator, divided by 256.
    Rc8mD256,
}

impl SlowClock {
    /// Nominal frequency.
    pub const fn frequency(self) -> Hertz {
        match self {
            Self::Rc150k => Hertz::new(150_000),
            Self::Xtal32k => Hertz::new(32_768),
            Self::Rc8mD256 => Hertz::new(33_203),
        }
    }
}

/// What the RTC controller wants the chip to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcRequest {
    /// Reset as far as [`ResetCause::kind`] says, both cores.
    Reset(ResetCause),
    /// Reset one core.
    CpuReset(CoreId, ResetCause),
    /// Stop both cores and, in deep sleep, the digital core; answer pad changes with `wake`.
    Sleep(SleepKind),
    /// The sleep is over: continue after a light one, reset after a deep one.
    Wake(SleepKind, WakeCause),
    /// Compute [`memory_crc`] over RTC FAST memory and pass it to `finish_memory_crc`.
    MemoryCrc {
        /// First word, counted from the start of the memory; 0 to 0x7ff.
        first: u32,
        /// Words, 1 to 0x800.
        words: u32,
    },
    /// CLK_CONF changed: recompute the clock tree.
    ClocksChanged,
    /// OPTIONS0 or SW_CPU_STALL changed what `stalled` answers.
    StallChanged,
}

/// The CRC of the RTC memory unit: CRC-32 (reflected, 0xEDB88320) over little-endian words.
pub fn memory_crc(words: impl IntoIterator<Item = u32>) -> u32 {
    let mut crc = u32::MAX;
    for word in words {
        crc ^= word;
        for _ in 0..32 {
            crc = (crc >> 1) ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}

/// Where the wake alarm stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AlarmState {
    /// Not written since reset: it wakes nobody.
    Unset,
    /// Its time is to come.
    Ahead,
    /// It has passed since it was last written; it stays an active wake source.
    Passed,
}

/// The RTC controller.
#[derive(Debug, Clone)]
pub struct RtcCntl {
    slow: Hertz,
    base: u64,
    base_at: Instant,
    latched: u64,
    valid_at: Option<Instant>,
    alarm: u64,
    alarm_enabled: bool,
    alarm_state: AlarmState,

    options0: u32,
    sw_cpu_stall: u32,
    state0: u32,
    causes: [u32; 2],
    vector_select: u32,
    wakeup_cause: u32,
    wakeup_enable: u32,
    sleeping: Option<SleepKind>,
    slept_at: Instant,
    int_raw: u32,
    int_ena: u32,
    store: [u32; 8],
    ext_wakeup_conf: u32,
    ext_wakeup1: u32,
    ext_wakeup1_status: u32,
    reject_conf: u32,
    clk_conf: u32,
    sdio_conf: u32,
    reg: u32,
    dig_pwc: u32,
    brown_out: u32,
    supply_low: bool,
    mem_conf: u32,
    mem_crc: u32,

    watchdog: Watchdog,
    wdt_config0: u32,
    wdt_times: [u32; 4],
    wdt_key: u32,
    flash_boot: bool,

    requests: VecDeque<RtcRequest>,
}

impl Default for RtcCntl {
    fn default() -> Self {
        Self::new()
    }
}

impl RtcCntl {
    /// After power-on at [`Instant::ZERO`].
    pub fn new() -> Self {
        Self::after_reset(&Clocks::default(), Instant::ZERO)
    }

    fn after_reset(clocks: &Clocks, now: Instant) -> Self {
        let mut rtc = Self {
            slow: clocks.rtc_slow,
            base: 0,
            base_at: now,
            latched: 0,
            valid_at: None,
            alarm: 0,
            alarm_enabled: false,
            alarm_state: AlarmState::Unset,
            options0: options0::RESET,
            sw_cpu_stall: 0,
            state0: state0::RESET,
            causes: [ResetCause::PowerOn.code(); 2],
            vector_select: 0x3000,
            wakeup_cause: 0,
            wakeup_enable: 0x6000,
            sleeping: None,
            slept_at: now,
            int_raw: 0,
            int_ena: 0,
            store: [0; 8],
            ext_wakeup_conf: 0,
            ext_wakeup1: 0,
            ext_wakeup1_status: 0,
            reject_conf: 0,
            clk_conf: CLK_CONF_RESET,
            sdio_conf: SDIO_CONF_RESET,
            reg: REG_RESET,
            dig_pwc: DIG_PWC_RESET,
            brown_out: brown_out::RESET,
            supply_low: false,
            mem_conf: 0,
            mem_crc: 0,
            watchdog: Watchdog::new(clocks.rtc_slow, wdt::TIMES),
            wdt_config0: wdt::RESET,
            wdt_times: wdt::TIMES,
            wdt_key: WRITE_KEY,
            flash_boot: false,
            requests: VecDeque::new(),
        };
        rtc.configure_watchdog(now);
        rtc
    }

    /// Whether there is a request that the wiring has not taken.
    pub fn has_request(&self) -> bool {
        !self.requests.is_empty()
    }

    /// What the chip has to do next, oldest first.
    pub fn take_request(&mut self) -> Option<RtcRequest> {
        self.requests.pop_front()
    }

    /// Records why a core was reset; the ROM and firmware read it in RESET_STATE.
    pub fn set_reset_cause(&mut self, core: CoreId, cause: ResetCause) {
        self.causes[core.index()] = cause.code();
    }

    /// The cause recorded for a core, as its code.
    pub fn reset_cause_code(&self, core: CoreId) -> u32 {
        self.causes[core.index()]
    }

    /// True while software holds the core.
    pub fn stalled(&self, core: CoreId) -> bool {
        let (c1_shift, c0_shift) = match core {
            CoreId::Pro => (26, 2),
            CoreId::App => (20, 0),
        };
        let c1 = (self.sw_cpu_stall >> c1_shift) & 0x3f;
        let c0 = (self.options0 >> c0_shift) & 3;
        (c1 << 2 | c0) == STALL_KEY
    }

    /// True when the core starts at the ROM's reset vector; false: at the start of RTC slow memory
    /// (ESP-IDF, `xtensa/config/core-isa.h` of the ESP32: XCHAL_RESET_VECTOR0_VADDR).
    pub fn starts_in_rom(&self, core: CoreId) -> bool {
        let bit = match core {
            CoreId::Pro => 1 << 13,
            CoreId::App => 1 << 12,
        };
        self.vector_select & bit != 0
    }

    /// The selected clock of the CPU.
    pub fn soc_clk(&self) -> SocClock {
        match (self.clk_conf >> 27) & 3 {
            0 => SocClock::Xtal,
            1 => SocClock::Pll,
            2 => SocClock::Rc8m,
            _ => SocClock::Apll,
        }
    }

    /// The selected slow clock.
    pub fn slow_clk(&self) -> SlowClock {
        match self.clk_conf >> 30 {
            1 => SlowClock::Xtal32k,
            2 => SlowClock::Rc8mD256,
            _ => SlowClock::Rc150k,
        }
    }

    /// Its frequency. The period of the RC oscillator grows with its capacitance.
    pub fn slow_frequency(&self) -> Hertz {
        match self.slow_clk() {
            SlowClock::Rc150k => {
                let capacitance = u64::from(self.reg >> 14 & 0xff);
                Hertz::new(1_050_000 * 255) / (3 * 255 + 4 * capacitance)
            }
            other => other.frequency(),
        }
    }

    /// The 8.5 MHz oscillator behind its divider, as CPU clock.
    pub fn rc8m(&self) -> Hertz {
        Hertz::new(8_500_000) / u64::from(((self.clk_conf >> 12) & 7) + 1)
    }

    /// A retention register, 0 to 7.
    pub fn store(&self, index: usize) -> u32 {
        self.store.get(index).copied().unwrap_or(0)
    }

    /// The running sleep.
    pub fn sleeping(&self) -> Option<SleepKind> {
        self.sleeping
    }

    /// TOUCH_SLP_TIMER_EN: the timer starts the measurements of the touch pads.
    pub fn touch_timer(&self) -> bool {
        self.state0 & state0::TOUCH_SLP_TIMER_EN != 0
    }

    /// True when firmware has enabled this wake-up source.
    pub fn wakes_by(&self, cause: WakeCause) -> bool {
        (self.wakeup_enable >> 11) & cause.bit() != 0
    }

    /// The 48-bit RTC time at `now`, in slow clock cycles.
    pub fn time(&self, now: Instant) -> u64 {
        self.base.wrapping_add((now - self.base_at).periods(self.slow)) & COUNTER_MASK
    }

    /// A wake-up source has become active. Ends the sleep if firmware has enabled the source: true
    /// then, and a [`RtcRequest::Wake`] follows.
    pub fn wake(&mut self, cause: WakeCause, now: Instant) -> bool {
        if cause == WakeCause::Touch {
            self.int_raw |= int::TOUCH;
        }
        let Some(kind) = self.sleeping.filter(|_| self.wakes_by(cause)) else { return false };
        self.sleeping = None;
        self.wakeup_cause = cause.bit();
        self.state0 = (self.state0 & !state0::SLEEP_EN) | state0::SLP_WAKEUP;
        self.int_raw |= int::SLP_WAKEUP;
        if self.wdt_config0 & wdt::PAUSE_IN_SLP != 0 {
            self.watchdog.stood_still(now - self.slept_at);
        }
        self.requests.push_back(RtcRequest::Wake(kind, cause));
        true
    }

    /// Compares the RTC pads with the conditions of EXT0 and EXT1. `pads`: levels, bit n for RTC
    /// pad n (0 to 17); `ext0`: the pad that RTC_IO has selected. The wiring calls it after
    /// [`RtcRequest::Sleep`] and whenever a pad changes in sleep.
    pub fn pads_changed(&mut self, pads: u32, ext0: u32, now: Instant) {
        let level = |bit: u32| self.ext_wakeup_conf & (1 << bit) != 0;
        let ext0_active = (pads >> (ext0 % 18)) & 1 == u32::from(level(30));
        let selected = self.ext_wakeup1 & RTC_PADS;
        let high = pads & selected;
        let ext1_active = if level(31) { high != 0 } else { selected != 0 && high == 0 };
        if ext1_active {
            let any_high = level(31);
            if self.sleeping.is_some() && self.wakes_by(WakeCause::Ext1) {
                self.ext_wakeup1_status = if any_high { high } else { selected };
            }
            self.wake(WakeCause::Ext1, now);
        }
        if ext0_active {
            self.wake(WakeCause::Ext0, now);
        }
    }

    /// The supply falls below the threshold, or recovers.
    pub fn set_supply_low(&mut self, low: bool) {
        let falls = low && !self.supply_low;
        self.supply_low = low;
        if falls && self.brown_out & brown_out::ENA != 0 {
            self.int_raw |= int::BROWN_OUT;
            if self.brown_out & brown_out::RST_ENA != 0 {
                self.requests.push_back(RtcRequest::Reset(ResetCause::BrownOut));
            }
        }
    }

    /// The answer to [`RtcRequest::MemoryCrc`].
    pub fn finish_memory_crc(&mut self, crc: u32) {
        self.mem_crc = crc;
        self.mem_conf |= mem_conf::CRC_FINISH;
    }

    /// Starts flash-boot protection: until firmware clears FLASHBOOT_MOD_EN, the watchdog runs with
    /// a reset of everything in stage 0, as on the chip after each reset that boots from flash.
    pub fn start_flash_boot(&mut self, now: Instant) {
        self.flash_boot = true;
        self.configure_watchdog(now);
    }

    /// A reset of the digital core, which leaves the RTC domain as it is: only a sleep in progress,
    /// the stalls and the requests not yet taken end. The wiring recomputes clocks and stalls.
    pub fn digital_reset(&mut self) {
        self.sleeping = None;
        self.state0 &= !state0::SLEEP_EN;
        self.options0 &= !0xf;
        self.sw_cpu_stall = 0;
        self.requests.clear();
    }

    fn alarm_at(&self) -> Option<Instant> {
        if self.alarm_state != AlarmState::Ahead {
            return None;
        }
        let counts = self.alarm.saturating_sub(self.base);
        Some(self.base_at + Duration::of_periods(counts, self.slow))
    }

    fn configure_watchdog(&mut self, now: Instant) {
        let config = self.wdt_config0;
        self.flash_boot &= config & wdt::FLASHBOOT_MOD_EN != 0;
        let stage = |shift: u32| StageAction::from_bits((config >> shift) & 7);
        let mut actions = [stage(28), stage(25), stage(22), stage(19)];
        let enabled = config & wdt::EN != 0;
        if self.flash_boot && !enabled {
            actions[0] = StageAction::Reset(WatchdogAction::RtcReset);
        }
        self.watchdog.configure(enabled || self.flash_boot, actions, now);
    }

    fn watchdog_paused(&self) -> bool {
        self.sleeping.is_some() && self.wdt_config0 & wdt::PAUSE_IN_SLP != 0
    }

    fn bite(&mut self, action: WatchdogAction) {
        let cpu = |rtc: &mut Self, enable: u32, core: CoreId| {
            if rtc.wdt_config0 & enable != 0 {
                rtc.requests.push_back(RtcRequest::CpuReset(core, ResetCause::RtcWatchdogCpu));
            }
        };
        match action {
            WatchdogAction::CpuReset => {
                cpu(self, wdt::PROCPU_RESET_EN, CoreId::Pro);
                cpu(self, wdt::APPCPU_RESET_EN, CoreId::App);
            }
            WatchdogAction::SystemReset => {
                self.requests.push_back(RtcRequest::Reset(ResetCause::RtcWatchdog));
            }
            WatchdogAction::RtcReset => {
                self.requests.push_back(RtcRequest::Reset(ResetCause::RtcWatchdogRtc));
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.valid_at.is_some_and(|at| at <= now) {
            self.int_raw |= int::TIME_VALID;
        }
        if self.alarm_at().is_some_and(|at| at <= now) {
            self.alarm_state = AlarmState::Passed;
            if self.alarm_enabled {
                self.int_raw |= int::MAIN_TIMER;
            }
            self.wake(WakeCause::Timer, now);
        }
        if self.watchdog_paused() {
            return;
        }
        while let Some(action) = self.watchdog.expire(now) {
            match action {
                StageAction::Off => {}
                StageAction::Interrupt if self.wdt_config0 & wdt::LEVEL_INT_EN != 0 => {
                    self.int_raw |= int::WDT;
                }
                StageAction::Interrupt => {}
                StageAction::Reset(action) => self.bite(action),
            }
        }
    }

    fn write_options0(&mut self, value: u32) {
        let before = self.options0;
        self.options0 = value & !options0::SELF_CLEARING;
        if (before ^ value) & 0xf != 0 {
            self.requests.push_back(RtcRequest::StallChanged);
        }
        if value & options0::SW_SYS_RST != 0 {
            self.requests.push_back(RtcRequest::Reset(ResetCause::Software));
            return;
        }
        for (bit, core) in
            [(options0::SW_APPCPU_RST, CoreId::App), (options0::SW_PROCPU_RST, CoreId::Pro)]
        {
            if value & bit != 0 {
                self.requests.push_back(RtcRequest::CpuReset(core, ResetCause::SoftwareCpu));
            }
        }
    }

    fn write_state0(&mut self, value: u32, now: Instant) {
        self.state0 = (value & !state0::STATUS) | (self.state0 & state0::STATUS);
        if value & state0::SLEEP_EN == 0 || self.sleeping.is_some() {
            return;
        }
        self.state0 &= !state0::STATUS;
        let kind = match self.dig_pwc & DG_WRAP_PD_EN {
            0 => SleepKind::Light,
            _ => SleepKind::Deep,
        };
        let reject_enable = match kind {
            SleepKind::Light => 1 << 26,
            SleepKind::Deep => 1 << 27,
        };
        let awake = self.alarm_state == AlarmState::Passed && self.wakes_by(WakeCause::Timer);
        if awake && self.reject_conf & reject_enable != 0 {
            self.state0 = (self.state0 & !state0::SLEEP_EN) | state0::SLP_REJECT;
            self.reject_conf = (self.reject_conf & 0x0fff_ffff) | ((WakeCause::Timer as u32) << 28);
            self.int_raw |= int::SLP_REJECT;
            return;
        }
        self.sleeping = Some(kind);
        self.slept_at = now;
        self.wakeup_cause = 0;
        self.requests.push_back(RtcRequest::Sleep(kind));
        if awake {
            self.wake(WakeCause::Timer, now);
        }
    }

    fn write_watchdog(&mut self, offset: u32, value: u32, now: Instant) {
        if offset == reg::WDTWPROTECT {
            self.wdt_key = value;
            return;
        }
        if self.wdt_key != WRITE_KEY {
            return; // protected
        }
        match offset {
            reg::WDTCONFIG0 => {
                self.wdt_config0 = value & 0xffff_ff80;
                self.configure_watchdog(now);
            }
            reg::WDTFEED => {
                if value >> 31 != 0 {
                    self.watchdog.feed(now);
                }
            }
            _ => {
                let stage = ((offset - reg::WDTCONFIG1) / 4) as usize;
                if let Some(time) = self.wdt_times.get_mut(stage) {
                    *time = value;
                }
                self.watchdog.set_time(stage, value);
            }
        }
    }

    fn write_mem_conf(&mut self, value: u32) {
        let starts = value & !self.mem_conf & mem_conf::CRC_START != 0;
        let finished = self.mem_conf & mem_conf::CRC_FINISH;
        self.mem_conf = value & !mem_conf::CRC_FINISH;
        if starts {
            let first = (value >> 9) & 0x7ff;
            let words = ((value >> 20) & 0x7ff) + 1;
            self.requests.push_back(RtcRequest::MemoryCrc { first, words });
        } else if value & mem_conf::CRC_START != 0 {
            self.mem_conf |= finished;
        }
    }

    /// Latches the time at the next edge of the slow clock, when it becomes valid.
    fn latch_time(&mut self, now: Instant) {
        let next = (now - self.base_at).periods(self.slow) + 1;
        self.latched = self.base.wrapping_add(next) & COUNTER_MASK;
        self.valid_at = Some(self.base_at + Duration::of_periods(next, self.slow));
    }
}

impl Peripheral for RtcCntl {
    const NAME: &'static str = "RTC_CNTL";

    const STORES: &'static [Stores] = &[
        Stores { first: 0x1c, last: 0x1c, reset: 0x2814_0403 }, // TIMER1
        Stores { first: 0x20, last: 0x20, reset: 0x0108_0000 }, // TIMER2
        Stores { first: 0x24, last: 0x24, reset: 0x1416_0a08 }, // TIMER3
        Stores { first: 0x28, last: 0x28, reset: 0x1020_0a08 }, // TIMER4
        Stores { first: 0x2c, last: 0x2c, reset: 0x1214_8001 }, // TIMER5
        Stores { first: 0x30, last: 0x30, reset: 0x0080_0000 }, // ANA_CONF
        stores(0x5c, 0x5c),                                     // EXT_XTL_CONF
        stores(0x68, 0x6c),                                     // CPU_PERIOD_CONF, SDIO_ACT_CONF
        stores(0x78, 0x78),                                     // BIAS_CONF
        Stores { first: 0x80, last: 0x80, reset: 0x0001_2925 }, // PWC
        Stores { first: 0x88, last: 0x88, reset: 0xaaaa_5000 }, // DIG_ISO
        stores(0xa8, 0xa8),                                     // TEST_MUX
        stores(0xc8, 0xc8),                                     // HOLD_FORCE
    ];

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        let time_valid = self.valid_at.is_some_and(|at| at <= cx.now);
        Ok(match offset {
            reg::OPTIONS0 => self.options0,
            reg::SLP_TIMER0 => self.alarm as u32,
            reg::SLP_TIMER1 => {
                (self.alarm >> 32) as u32 | if self.alarm_enabled { ALARM_EN } else { 0 }
            }
            reg::TIME_UPDATE => u32::from(time_valid) * TIME_VALID,
            reg::TIME0 => self.latched as u32,
            reg::TIME1 => (self.latched >> 32) as u32,
            reg::STATE0 => self.state0,
            reg::RESET_STATE => self.causes[0] | self.causes[1] << 6 | self.vector_select,
            reg::WAKEUP_STATE => self.wakeup_cause | self.wakeup_enable,
            reg::INT_ENA => self.int_ena,
            reg::INT_RAW => self.int_raw,
            reg::INT_ST => self.int_raw & self.int_ena,
            reg::INT_CLR | reg::WDTFEED | reg::DIAG0 | reg::DIAG1 => 0,
            reg::STORE0..=reg::STORE3 => self.store(((offset - reg::STORE0) / 4) as usize),
            reg::STORE4..=reg::STORE7 => self.store(4 + ((offset - reg::STORE4) / 4) as usize),
            reg::EXT_WAKEUP_CONF => self.ext_wakeup_conf,
            reg::SLP_REJECT_CONF => self.reject_conf,
            reg::CLK_CONF => self.clk_conf,
            reg::SDIO_CONF => self.sdio_conf | REG1P8_READY,
            reg::REG => self.reg,
            reg::DIG_PWC => self.dig_pwc,
            reg::WDTCONFIG0 => self.wdt_config0,
            reg::WDTCONFIG1..=reg::WDTCONFIG4 => {
                let stage = ((offset - reg::WDTCONFIG1) / 4) as usize;
                self.wdt_times.get(stage).copied().unwrap_or(0)
            }
            reg::WDTWPROTECT => self.wdt_key,
            reg::SW_CPU_STALL => self.sw_cpu_stall,
            reg::EXT_WAKEUP1 => self.ext_wakeup1,
            reg::EXT_WAKEUP1_STATUS => self.ext_wakeup1_status,
            reg::BROWN_OUT => self.brown_out | if self.supply_low { brown_out::DET } else { 0 },
            reg::MEM_CONF => self.mem_conf,
            reg::MEM_CRC_RES => self.mem_crc,
            reg::DATE => DATE,
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::OPTIONS0 => self.write_options0(value),
            reg::SLP_TIMER0 => {
                self.alarm = (self.alarm & !0xffff_ffff) | u64::from(value);
                self.alarm_state = AlarmState::Ahead;
            }
            reg::SLP_TIMER1 => {
                self.alarm = (self.alarm & 0xffff_ffff) | (u64::from(value & 0xffff) << 32);
                self.alarm_enabled = value & ALARM_EN != 0;
                self.alarm_state = AlarmState::Ahead;
            }
            reg::TIME_UPDATE => {
                if value & TIME_UPDATE != 0 {
                    self.latch_time(cx.now);
                }
            }
            reg::STATE0 => self.write_state0(value, cx.now),
            reg::RESET_STATE => self.vector_select = value & 0x3000,
            reg::WAKEUP_STATE => self.wakeup_enable = value & 0x007f_f800,
            reg::INT_ENA => self.int_ena = value & int::ALL,
            reg::INT_CLR => {
                self.int_raw &= !value;
                if value & int::TIME_VALID != 0 && self.valid_at.is_some_and(|at| at <= cx.now) {
                    self.valid_at = None;
                }
            }
            reg::STORE0..=reg::STORE3 => {
                self.store[((offset - reg::STORE0) / 4) as usize % 8] = value
            }
            reg::STORE4..=reg::STORE7 => {
                self.store[(4 + (offset - reg::STORE4) / 4) as usize % 8] = value;
            }
            reg::EXT_WAKEUP_CONF => self.ext_wakeup_conf = value & 0xc000_0000,
            reg::SLP_REJECT_CONF => {
                self.reject_conf = (value & 0x0f00_0000) | (self.reject_conf & 0xf000_0000);
            }
            reg::CLK_CONF => {
                if value != self.clk_conf {
                    self.requests.push_back(RtcRequest::ClocksChanged);
                }
                self.clk_conf = value;
            }
            reg::SDIO_CONF => self.sdio_conf = value & !REG1P8_READY,
            reg::REG => {
                if value != self.reg {
                    self.requests.push_back(RtcRequest::ClocksChanged);
                }
                self.reg = value;
            }
            reg::DIG_PWC => self.dig_pwc = value,
            reg::WDTCONFIG0..=reg::WDTWPROTECT => self.write_watchdog(offset, value, cx.now),
            reg::SW_CPU_STALL => {
                if self.sw_cpu_stall != value & 0xfff0_0000 {
                    self.requests.push_back(RtcRequest::StallChanged);
                }
                self.sw_cpu_stall = value & 0xfff0_0000;
            }
            reg::EXT_WAKEUP1 => {
                self.ext_wakeup1 = value & RTC_PADS;
                if value & EXT_WAKEUP1_STATUS_CLR != 0 {
                    self.ext_wakeup1_status = 0;
                }
            }
            reg::BROWN_OUT => self.brown_out = value & !brown_out::DET,
            reg::MEM_CONF => self.write_mem_conf(value),
            reg::TIME0
            | reg::TIME1
            | reg::INT_RAW
            | reg::INT_ST
            | reg::DIAG0
            | reg::DIAG1
            | reg::EXT_WAKEUP1_STATUS
            | reg::MEM_CRC_RES
            | reg::DATE => {} // read only
            _ => return Err(Unmodelled),
        }
        self.expire(cx.now);
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        self.expire(cx.now);
    }

    fn poll_at(&self) -> Option<Instant> {
        let watchdog = self.watchdog.due().filter(|_| !self.watchdog_paused());
        let valid = self.valid_at.filter(|_| self.int_ena & !self.int_raw & int::TIME_VALID != 0);
        [self.alarm_at(), watchdog, valid].into_iter().flatten().min()
    }

    fn irq(&self) -> u32 {
        u32::from(self.int_raw & self.int_ena != 0)
    }

    fn clocks_changed(&mut self, cx: &Context) {
        if self.slow == cx.clocks.rtc_slow {
            return;
        }
        (self.base, self.base_at) = (self.time(cx.now), cx.now);
        self.slow = cx.clocks.rtc_slow;
        self.watchdog.set_clock(self.slow, 1, cx.now);
    }

    /// Reset of the RTC domain ([`ResetKind::Full`]); both causes read power-on until set.
    fn reset(&mut self, cx: &Context) {
        *self = Self::after_reset(&cx.clocks, cx.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Context {
        Context::at(Instant::ZERO + Duration::from_micros(us), Clocks::default())
    }

    fn write(rtc: &mut RtcCntl, offset: u32, value: u32, us: u64) {
        rtc.poll(&at(us));
        rtc.write(offset, value, &at(us)).unwrap();
    }

    fn read(rtc: &mut RtcCntl, offset: u32, us: u64) -> u32 {
        rtc.poll(&at(us));
        rtc.read(offset, &at(us)).unwrap()
    }

    fn requests(rtc: &mut RtcCntl) -> Vec<RtcRequest> {
        std::iter::from_fn(|| rtc.take_request()).collect()
    }

    #[test]
    fn reset_values_are_those_of_the_manual() {
        let mut rtc = RtcCntl::new();
        for (offset, value) in [
            (reg::OPTIONS0, 0x1c49_2000),
            (reg::RESET_STATE, 0x3041),
            (reg::WAKEUP_STATE, 0x6000),
            (reg::CLK_CONF, 0x2210),
            (reg::WDTCONFIG0, 0x4c80),
            (reg::WDTCONFIG1, 0x1_f400),
            (reg::BROWN_OUT, 0x13ff_0000),
            (reg::DATE, 0x0160_4280),
        ] {
            assert_eq!(read(&mut rtc, offset, 0), value, "offset {offset:#x}");
        }
        assert_eq!(rtc.soc_clk(), SocClock::Xtal);
        assert_eq!(rtc.slow_clk(), SlowClock::Rc150k);
    }

    #[test]
    fn the_slow_oscillator_slows_down_as_it_is_adjusted() {
        let mut rtc = RtcCntl::new();
        let adjusted = |rtc: &mut RtcCntl, capacitance: u32| {
            write(rtc, reg::REG, REG_RESET | capacitance << 14, 0);
            assert_eq!(rtc.take_request(), Some(RtcRequest::ClocksChanged));
            rtc.slow_frequency().hz()
        };
        assert_eq!(rtc.slow_frequency().hz(), 350_000);
        assert_eq!(adjusted(&mut rtc, 255), 150_000);
        assert_eq!(adjusted(&mut rtc, 128), 209_671);
        assert_eq!(read(&mut rtc, reg::REG, 0), REG_RESET | 128 << 14);
        write(&mut rtc, reg::CLK_CONF, 1 << 30, 0);
        assert_eq!(rtc.slow_frequency(), SlowClock::Xtal32k.frequency());
    }

    #[test]
    fn time_is_valid_at_the_next_slow_edge() {
        let mut rtc = RtcCntl::new();
        write(&mut rtc, reg::TIME_UPDATE, TIME_UPDATE, 1_000_000);
        assert_eq!(read(&mut rtc, reg::TIME_UPDATE, 1_000_000), 0);
        assert_eq!(read(&mut rtc, reg::TIME_UPDATE, 1_000_007), TIME_VALID);
        assert_eq!(read(&mut rtc, reg::TIME0, 1_000_007), 150_001);
    }

    #[test]
    fn deep_sleep_ends_at_the_alarm() {
        let mut rtc = RtcCntl::new();
        write(&mut rtc, reg::SLP_TIMER0, 150_000, 0);
        write(&mut rtc, reg::SLP_TIMER1, 0, 0);
        write(&mut rtc, reg::WAKEUP_STATE, WakeCause::Timer.bit() << 11, 0);
        write(&mut rtc, reg::DIG_PWC, DG_WRAP_PD_EN, 0);
        write(&mut rtc, reg::STATE0, state0::SLEEP_EN, 10);
        assert_eq!(requests(&mut rtc), [RtcRequest::Sleep(SleepKind::Deep)]);
        assert_eq!(rtc.poll_at(), Some(at(1_000_000).now));
        rtc.poll(&at(999_999));
        assert_eq!(requests(&mut rtc), []);
        rtc.poll(&at(1_000_000));
        assert_eq!(requests(&mut rtc), [RtcRequest::Wake(SleepKind::Deep, WakeCause::Timer)]);
        rtc.set_reset_cause(CoreId::Pro, ResetCause::DeepSleep);
        assert_eq!(read(&mut rtc, reg::RESET_STATE, 1_000_000) & 0x3f, 5);
        assert_eq!(read(&mut rtc, reg::WAKEUP_STATE, 1_000_000) & 0x7ff, 8);
        assert_eq!(read(&mut rtc, reg::INT_RAW, 1_000_000), int::SLP_WAKEUP, "ALARM_EN is off");
    }

    #[test]
    fn light_sleep_is_rejected_when_the_alarm_has_passed() {
        let mut rtc = RtcCntl::new();
        write(&mut rtc, reg::WAKEUP_STATE, WakeCause::Timer.bit() << 11, 100);
        write(&mut rtc, reg::SLP_REJECT_CONF, 1 << 26, 100);
        rtc.write(reg::SLP_TIMER1, ALARM_EN, &at(100)).unwrap();
        rtc.write(reg::STATE0, state0::SLEEP_EN, &at(100)).unwrap();
        assert_eq!(requests(&mut rtc), []);
        assert_eq!(read(&mut rtc, reg::INT_RAW, 100) & 3, int::SLP_REJECT);
    }

    #[test]
    fn pads_wake_only_through_enabled_sources() {
        let mut rtc = RtcCntl::new();
        write(&mut rtc, reg::EXT_WAKEUP1, 0b110, 0);
        write(&mut rtc, reg::WAKEUP_STATE, WakeCause::Ext1.bit() << 11, 0);
        write(&mut rtc, reg::STATE0, state0::SLEEP_EN, 0);
        rtc.pads_changed(0b011, 0, at(5).now);
        assert_eq!(requests(&mut rtc), [RtcRequest::Sleep(SleepKind::Light)]);
        rtc.pads_changed(0b001, 0, at(6).now);
        assert_eq!(requests(&mut rtc), [RtcRequest::Wake(SleepKind::Light, WakeCause::Ext1)]);
        assert_eq!(read(&mut rtc, reg::EXT_WAKEUP1_STATUS, 6), 0b110);
        assert_eq!(read(&mut rtc, reg::INT_RAW, 6), int::SLP_WAKEUP);
    }

    #[test]
    fn software_resets_and_stalls_cores() {
        let mut rtc = RtcCntl::new();
        write(&mut rtc, reg::SW_CPU_STALL, 0x21 << 20, 0);
        write(&mut rtc, reg::OPTIONS0, options0::RESET | 2, 0);
        assert!(rtc.stalled(CoreId::App));
        assert!(!rtc.stalled(CoreId::Pro));
        requests(&mut rtc);
        write(&mut rtc, reg::OPTIONS0, options0::RESET | 2 | options0::SW_PROCPU_RST, 0);
        assert_eq!(
            requests(&mut rtc),
            [RtcRequest::CpuReset(CoreId::Pro, ResetCause::SoftwareCpu)]
        );
        assert_eq!(read(&mut rtc, reg::OPTIONS0, 0), options0::RESET | 2);
        write(&mut rtc, reg::OPTIONS0, options0::SW_SYS_RST, 0);
        assert!(requests(&mut rtc).contains(&RtcRequest::Reset(ResetCause::Software)));
    }

    #[test]
    fn the_watchdog_resets_and_pauses_in_sleep() {
        let mut rtc = RtcCntl::new();
        rtc.start_flash_boot(at(0).now);
        assert_eq!(rtc.poll_at(), Some(Instant::ZERO + Duration::of_periods(128_000, rtc.slow)));
        write(&mut rtc, reg::WDTCONFIG1, 150, 0);
        let config = wdt::EN | 4 << 28 | wdt::PAUSE_IN_SLP;
        write(&mut rtc, reg::WDTCONFIG0, config, 0);
        write(&mut rtc, reg::WDTFEED, 1 << 31, 0);
        write(&mut rtc, reg::STATE0, state0::SLEEP_EN, 400);
        assert_eq!(rtc.poll_at(), None);
        write(&mut rtc, reg::WAKEUP_STATE, WakeCause::Gpio.bit() << 11, 400);
        assert!(rtc.wake(WakeCause::Gpio, at(5400).now));
        assert_eq!(rtc.poll_at(), Some(at(6000).now));
        rtc.poll(&at(6000));
        let last = requests(&mut rtc).pop();
        assert_eq!(last, Some(RtcRequest::Reset(ResetCause::RtcWatchdogRtc)));
    }

    #[test]
    fn the_crc_unit_finishes_with_the_answer_of_the_wiring() {
        let mut rtc = RtcCntl::new();
        write(&mut rtc, reg::MEM_CONF, 0x7ff << 20 | 1, 0);
        write(&mut rtc, reg::MEM_CONF, 0x7ff << 20 | 1 | mem_conf::CRC_START, 0);
        assert_eq!(requests(&mut rtc), [RtcRequest::MemoryCrc { first: 0, words: 0x800 }]);
        rtc.finish_memory_crc(memory_crc([0x3433_3231]));
        assert_ne!(read(&mut rtc, reg::MEM_CONF, 0) & mem_conf::CRC_FINISH, 0);
        assert_eq!(read(&mut rtc, reg::MEM_CRC_RES, 0), 0x9be3_e0a3, "CRC-32 of \"1234\"");
    }

    #[test]
    fn brown_out_asks_for_a_reset_only_when_enabled() {
        let mut rtc = RtcCntl::new();
        rtc.set_supply_low(true);
        assert_eq!(requests(&mut rtc), []);
        rtc.set_supply_low(false);
        write(&mut rtc, reg::BROWN_OUT, brown_out::ENA | brown_out::RST_ENA, 0);
        rtc.set_supply_low(true);
        assert_eq!(requests(&mut rtc), [RtcRequest::Reset(ResetCause::BrownOut)]);
    }

    #[test]
    fn no_access_panics() {
        let mut rtc = RtcCntl::new();
        for offset in (0..0x400).step_by(4) {
            for value in [u32::MAX, 0, u32::MAX] {
                let _ = rtc.write(offset, value, &at(1));
                let _ = rtc.read(offset, &at(1));
                rtc.poll(&at(1));
                let _ = rtc.poll_at();
            }
        }
        rtc.poll(&at(100_000_000));
    }
}
