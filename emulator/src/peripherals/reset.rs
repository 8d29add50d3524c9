//! Causes of a reset, and how far each reaches.
//!
//! *Source*: ESP32 Technical Reference Manual, chapter "Reset and Clock"; codes from ESP-IDF
//! `soc/reset_reasons.h`; names as the mask ROM prints them.
//!
//! *Modelled*: the codes that RESET_STATE of RTC_CNTL shows.
//!
//! *Not modelled*: codes that no ESP32 reports (0, 2, 4, 10).

/// Why a core was reset: the code in RESET_STATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResetCause {
    /// Power-on, or the EN pin.
    PowerOn = 1,
    /// SW_SYS_RST.
    Software = 3,
    /// Wake-up from deep sleep.
    DeepSleep = 5,
    /// SDIO.
    Sdio = 6,
    /// Main watchdog of timer group 0, system.
    Timg0Watchdog = 7,
    /// Main watchdog of timer group 1, system.
    Timg1Watchdog = 8,
    /// RTC watchdog, system.
    RtcWatchdog = 9,
    /// A main watchdog, CPU.
    TimgWatchdogCpu = 11,
    /// SW_PROCPU_RST or SW_APPCPU_RST.
    SoftwareCpu = 12,
    /// RTC watchdog, CPU.
    RtcWatchdogCpu = 13,
    /// APP_CPU by PRO_CPU through DPORT.
    AppByPro = 14,
    /// Supply voltage too low.
    BrownOut = 15,
    /// RTC watchdog, everything.
    RtcWatchdogRtc = 16,
}

/// How far a reset reaches.
///
/// | survives | `Cpu` | `Digital` | `Full` |
/// |---|---|---|---|
/// | the other core, if only one is reset | yes | no | no |
/// | SRAM contents | yes | yes (not after deep sleep) | no |
/// | DPORT, peripherals, IO_MUX and GPIO matrix | yes | no | no |
/// | RTC_CNTL, RTC timer, RTC IO, RTC memories | yes | yes | no |
/// | strapping latch | yes | yes | no |
/// | eFuses, flash chip | yes | yes | yes |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResetKind {
    /// CPU cores.
    Cpu,
    /// The digital system without the RTC domain.
    Digital,
    /// The digital system and the RTC domain.
    Full,
}

impl ResetCause {
    /// The code as the register has it, 1 to 16.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The name that the mask ROM prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerOn => "POWERON_RESET",
            Self::Software => "SW_RESET",
            Self::DeepSleep => "DEEPSLEEP_RESET",
            Self::Sdio => "SDIO_RESET",
            Self::Timg0Watchdog => "TG0WDT_SYS_RESET",
            Self::Timg1Watchdog => "TG1WDT_SYS_RESET",
            Self::RtcWatchdog => "RTCWDT_SYS_RESET",
            Self::TimgWatchdogCpu => "TGWDT_CPU_RESET",
            Self::SoftwareCpu => "SW_CPU_RESET",
            Self::RtcWatchdogCpu => "RTCWDT_CPU_RESET",
            Self::AppByPro => "EXT_CPU_RESET",
            Self::BrownOut => "RTCWDT_BROWN_OUT_RESET",
            Self::RtcWatchdogRtc => "RTCWDT_RTC_RESET",
        }
    }

    /// What the reset reaches.
    pub const fn kind(self) -> ResetKind {
        match self {
            Self::PowerOn | Self::BrownOut | Self::RtcWatchdogRtc => ResetKind::Full,
            Self::TimgWatchdogCpu | Self::SoftwareCpu | Self::RtcWatchdogCpu | Self::AppByPro => {
                ResetKind::Cpu
            }
            _ => ResetKind::Digital,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_the_codes_names_and_reach_of_the_chip() {
        for (cause, code, name, kind) in [
            (ResetCause::PowerOn, 1, "POWERON_RESET", ResetKind::Full),
            (ResetCause::DeepSleep, 5, "DEEPSLEEP_RESET", ResetKind::Digital),
            (ResetCause::Timg1Watchdog, 8, "TG1WDT_SYS_RESET", ResetKind::Digital),
            (ResetCause::SoftwareCpu, 12, "SW_CPU_RESET", ResetKind::Cpu),
            (ResetCause::RtcWatchdogRtc, 16, "RTCWDT_RTC_RESET", ResetKind::Full),
        ] {
            assert_eq!((cause.code(), cause.name(), cause.kind()), (code, name, kind));
        }
    }
}
