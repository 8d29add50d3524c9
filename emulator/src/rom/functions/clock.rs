//! Delays and clock bookkeeping.
//!
//! *Source*: `rom/ets_sys.h` of ESP-IDF for signatures and `g_ticks_per_us`.
//! *Modelled*: the busy wait, which passes device time without executing anything; ticks per
//! microsecond, per core; crystal frequency.
//! *Not modelled*: `ets_timer_*` (ESP-IDF has its own), measuring the crystal: where RTC STORE5 does
//! not hold the APB clock, the frequency the chip was started with is given.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::startup::ticks_per_us;
use crate::rom::table::{Entry, entry};

/// RTC_CNTL STORE5: APB clock divided by 4096, in both halves.
const RTC_APB_FREQ: u32 = 0x3ff4_80b4;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_8534, "ets_delay_us", &[begin_delay, delay]),
    entry(0x4000_8550, "ets_update_cpu_frequency_rom", &[ets_update_cpu_frequency]),
    entry(0x4000_855c, "ets_get_cpu_frequency", &[ets_get_cpu_frequency]),
    entry(0x4000_8588, "ets_get_detected_xtal_freq", &[ets_get_detected_xtal_freq]),
];

/// Slot 0 becomes the length of the wait in cycles, slot 1 CCOUNT at its beginning.
fn begin_delay(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let ticks = call.load(ticks_per_us(call.guest.core()))?;
    call.set(0, call.get(0).wrapping_mul(ticks));
    call.set(1, call.guest.ccount());
    call.charge(10);
    Ok(Outcome::Next)
}

/// `void ets_delay_us(uint32_t us)`: ends when CCOUNT has moved far enough, whoever used the time.
fn delay(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let passed = call.guest.ccount().wrapping_sub(call.get(1));
    let left = u64::from(call.get(0).saturating_sub(passed));
    if left <= 1 {
        call.charge(left);
        return Ok(Outcome::Void);
    }
    // The last cycle is that of coming back here.
    call.guest.pause(left - 1);
    Ok(Outcome::Again)
}

/// `void ets_update_cpu_frequency(uint32_t ticks_per_us)`
fn ets_update_cpu_frequency(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.store(ticks_per_us(call.guest.core()), call.get(0))?;
    call.charge(4);
    Ok(Outcome::Void)
}

/// `uint32_t ets_get_cpu_frequency(void)`: ticks per microsecond.
fn ets_get_cpu_frequency(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4);
    Ok(Outcome::Return(call.load(ticks_per_us(call.guest.core()))?))
}

/// The frequency in hertz that firmware has left for the ROM in RTC_APB_FREQ: both halves hold it in
/// units of 4096 Hz, or else nothing is there.
pub(in crate::rom) fn stored_frequency(call: &mut Call<'_>) -> Result<Option<u32>, Stop> {
    let stored = call.load(RTC_APB_FREQ)?;
    let (high, low) = (stored >> 16, stored & 0xffff);
    Ok((high == low && low != 0 && low != 0xffff).then_some(low << 12))
}

/// `uint32_t ets_get_detected_xtal_freq(void)`: in hertz.
fn ets_get_detected_xtal_freq(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(30);
    if let Some(hz) = stored_frequency(call)? {
        return Ok(Outcome::Return(hz));
    }
    let ticks = call.load(ticks_per_us(call.guest.core()))?;
    // The ROM runs the CPU at half the crystal frequency.
    Ok(Outcome::Return(if ticks == 13 { 26_000_000 } else { 40_000_000 }))
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::FakeGuest;

    #[test]
    fn a_delay_takes_its_time_and_no_more_for_every_budget() {
        for budget in [1, 7, 64, 1_000_000] {
            let mut guest = FakeGuest::new(budget);
            guest.call("ets_update_cpu_frequency_rom", &[160]);
            assert_eq!(guest.call("ets_get_cpu_frequency", &[]), 160);
            let before = guest.cycles();
            guest.call("ets_delay_us", &[25]);
            let cycles = guest.cycles() - before;
            assert!((4000..4020).contains(&cycles), "{cycles}");
        }
    }

    #[test]
    fn the_crystal_comes_from_the_store_register_when_its_halves_agree() {
        let mut guest = FakeGuest::new(64);
        guest.set_register(0x3ff4_80b4, 0x2625_2625);
        assert_eq!(guest.call("ets_get_detected_xtal_freq", &[]), 0x0262_5000);
        guest.set_register(0x3ff4_80b4, 0);
        guest.call("ets_update_cpu_frequency_rom", &[13]);
        assert_eq!(guest.call("ets_get_detected_xtal_freq", &[]), 26_000_000);
    }
}
