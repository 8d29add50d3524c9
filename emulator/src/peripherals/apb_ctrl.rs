//! APB controller (APB_CTRL, also SYSCON): clock dividers and REF_TICK.
//!
//! *Source*: ESP32 Technical Reference Manual, chapter "Reset and Clock"; fields and reset values
//! from ESP-IDF `soc/syscon_reg.h`; the revision bit from `hal/esp32/efuse_hal.c`.
//!
//! *Modelled*: CPU divider while the crystal or the RC oscillator is selected; REF_TICK divider of
//! each clock source; the date, whose top bit marks revision 3.
//!
//! *Not modelled*: the digital SAR ADC controller only keeps its settings.

use super::{Context, Peripheral, Stores, Unmodelled};
use crate::time::Hertz;

use super::efuse::ChipRevision;
use super::rtc_cntl::SocClock;

mod reg {
    pub(super) const SYSCLK_CONF: u32 = 0x00;
    pub(super) const XTAL_TICK_CONF: u32 = 0x04;
    pub(super) const PLL_TICK_CONF: u32 = 0x08;
    pub(super) const CK8M_TICK_CONF: u32 = 0x0c;
    pub(super) const APLL_TICK_CONF: u32 = 0x3c;
    pub(super) const DATE: u32 = 0x7c;
}

const SYSCLK_RESET: u32 = 0x2000;
const DATE: u32 = 0x1604_2000;
const DATE_REVISION_3: u32 = 1 << 31;

/// The APB controller.
#[derive(Debug, Clone)]
pub struct ApbCtrl {
    date: u32,
    sysclk_conf: u32,
    xtal_tick: u32,
    pll_tick: u32,
    ck8m_tick: u32,
    apll_tick: u32,
    changed: bool,
}

impl ApbCtrl {
    /// After reset, in a chip of that revision.
    pub fn new(revision: ChipRevision) -> Self {
        let date = if revision.major() >= 3 { DATE | DATE_REVISION_3 } else { DATE };
        Self {
            date,
            sysclk_conf: SYSCLK_RESET,
            xtal_tick: 39,
            pll_tick: 79,
            ck8m_tick: 11,
            apll_tick: 99,
            changed: false,
        }
    }

    /// CPU_CLK when it is derived from the crystal or the RC oscillator: `source` divided by
    /// PRE_DIV_CNT + 1.
    pub fn divided(&self, source: Hertz) -> Hertz {
        source / u64::from((self.sysclk_conf & 0x3ff) + 1)
    }

    /// REF_TICK while `selected` drives the chip: `apb` divided by the tick number of that source.
    pub fn ref_tick(&self, selected: SocClock, apb: Hertz) -> Hertz {
        let ticks = match selected {
            SocClock::Xtal => self.xtal_tick,
            SocClock::Pll => self.pll_tick,
            SocClock::Rc8m => self.ck8m_tick,
            SocClock::Apll => self.apll_tick,
        };
        apb / u64::from(ticks + 1)
    }

    /// Whether a write may have changed a clock since [`ApbCtrl::take_clocks_changed`].
    pub fn has_changed_clocks(&self) -> bool {
        self.changed
    }

    /// True once after a write that may change a clock: the wiring recomputes the clock tree.
    pub fn take_clocks_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn register(&mut self, offset: u32) -> Option<(&mut u32, u32)> {
        Some(match offset {
            reg::SYSCLK_CONF => (&mut self.sysclk_conf, 0x3fff),
            reg::XTAL_TICK_CONF => (&mut self.xtal_tick, 0xff),
            reg::PLL_TICK_CONF => (&mut self.pll_tick, 0xff),
            reg::CK8M_TICK_CONF => (&mut self.ck8m_tick, 0xff),
            reg::APLL_TICK_CONF => (&mut self.apll_tick, 0xff),
            _ => return None,
        })
    }
}

impl Peripheral for ApbCtrl {
    const NAME: &'static str = "APB_CTRL";

    const STORES: &'static [Stores] = &[
        Stores { first: 0x10, last: 0x10, reset: 0x007f_8240 }, // SARADC_CTRL
        Stores { first: 0x14, last: 0x14, reset: 0x0000_01fe }, // SARADC_CTRL2
        Stores { first: 0x18, last: 0x18, reset: 0x0208_ff08 }, // SARADC_FSM
        Stores { first: 0x1c, last: 0x38, reset: 0x0f0f_0f0f }, // SARADC pattern tables
    ];

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        match offset {
            reg::DATE => Ok(self.date),
            _ => self.register(offset).map(|(value, _)| *value).ok_or(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        if offset == reg::DATE {
            return Ok(()); // read only
        }
        let (register, mask) = self.register(offset).ok_or(Unmodelled)?;
        let changed = *register != value & mask;
        *register = value & mask;
        self.changed |= changed;
        Ok(())
    }

    fn reset(&mut self, _cx: &Context) {
        let date = self.date;
        *self = Self { date, changed: true, ..Self::new(ChipRevision::V0) };
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
    fn the_date_tells_revision_3() {
        let read = |revision| ApbCtrl::new(revision).read(reg::DATE, &cx()).unwrap();
        assert_eq!(read(ChipRevision::V3), 0x9604_2000);
        assert_eq!(read(ChipRevision::V1), 0x1604_2000);
    }

    #[test]
    fn dividers_give_one_megahertz_after_reset() {
        let mut apb = ApbCtrl::new(ChipRevision::V3);
        assert_eq!(apb.ref_tick(SocClock::Xtal, Hertz::mhz(40)), Hertz::mhz(1));
        assert_eq!(apb.ref_tick(SocClock::Pll, Hertz::mhz(80)), Hertz::mhz(1));
        assert_eq!(apb.divided(Hertz::mhz(40)), Hertz::mhz(40));
        apb.write(reg::SYSCLK_CONF, 1, &cx()).unwrap();
        assert!(apb.take_clocks_changed());
        assert!(!apb.take_clocks_changed());
        assert_eq!(apb.divided(Hertz::mhz(40)), Hertz::mhz(20));
    }

    #[test]
    fn no_access_panics() {
        let mut apb = ApbCtrl::new(ChipRevision::V3);
        for offset in (0..0x1000).step_by(4) {
            let _ = apb.write(offset, u32::MAX, &cx());
            let _ = apb.read(offset, &cx());
        }
        assert_eq!(apb.divided(Hertz::mhz(40)).hz(), 39_062);
    }
}
