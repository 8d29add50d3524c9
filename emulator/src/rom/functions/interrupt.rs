//! Interrupt matrix, interrupt levels, and the dispatch table of the ROM's own vectors.
//!
//! *Source*: `rom/ets_sys.h` of ESP-IDF; the Xtensa HAL's documented `xtos` interface; TRM chapter
//! "Interrupt Matrix".
//! *Modelled*: routing, masks, levels, handlers for the level-1 dispatcher in our ROM (its guest
//! code is in `assembly`).
//! *Not modelled*: virtual priorities within a level (`_xtos_set_vpri`), the event loop (`ets_task`,
//! `ets_post`, `ets_run`).

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::guest::CoreId;
use crate::rom::startup::{handler_slot, interrupt_mask};
use crate::rom::table::{Entry, entry};

const PRO_INTERRUPT_MAP: u32 = 0x3ff0_0104;
const APP_INTERRUPT_MAP: u32 = 0x3ff0_0218;
const APPCPU_CTRL_D: u32 = 0x3ff0_0038;
const SOURCES: u32 = 69;

/// Address of `ets_isr_mask`.
pub(in crate::rom) const ISR_MASK: u32 = 0x4000_67fc;
/// Address of `ets_isr_unmask`.
pub(in crate::rom) const ISR_UNMASK: u32 = 0x4000_6808;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_0928, "_xtos_restore_intlevel", &[xtos_restore_intlevel]),
    entry(0x4000_67b0, "ets_intr_lock", &[ets_intr_lock]),
    entry(0x4000_67c4, "ets_intr_unlock", &[ets_intr_unlock]),
    entry(0x4000_67ec, "ets_isr_attach", &[ets_isr_attach]),
    entry(ISR_MASK, "ets_isr_mask", &[ets_isr_mask]),
    entry(ISR_UNMASK, "ets_isr_unmask", &[ets_isr_unmask]),
    entry(0x4000_681c, "intr_matrix_set", &[intr_matrix_set]),
    entry(0x4000_689c, "ets_set_appcpu_boot_addr", &[ets_set_appcpu_boot_addr]),
    entry(0x4000_bf34, "_xtos_set_interrupt_handler_arg", &[xtos_set_interrupt_handler_arg]),
    entry(0x4000_bf78, "_xtos_set_interrupt_handler", &[xtos_set_interrupt_handler]),
    entry(0x4000_bf88, "_xtos_ints_on", &[xtos_ints_on]),
    entry(0x4000_bfac, "_xtos_ints_off", &[xtos_ints_off]),
    entry(0x4000_bfd4, "_xtos_p_none", &[nothing]),
];

fn nothing(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(2);
    Ok(Outcome::Void)
}

/// Replaces PS.INTLEVEL and returns the old one.
fn change_level(call: &mut Call<'_>, level: u32) -> u32 {
    let ps = call.guest.ps();
    call.guest.set_ps(ps & !0xf | level & 0xf);
    call.charge(8);
    ps & 0xf
}

/// `unsigned _xtos_restore_intlevel(unsigned ps)`
fn xtos_restore_intlevel(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let level = call.get(0);
    Ok(Outcome::Return(change_level(call, level)))
}

/// `void ets_intr_lock(void)`: masks levels 1 to 3.
fn ets_intr_lock(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    change_level(call, 3);
    Ok(Outcome::Void)
}

/// `void ets_intr_unlock(void)`
fn ets_intr_unlock(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    change_level(call, 0);
    Ok(Outcome::Void)
}

fn index(core: u32) -> CoreId {
    if core == 0 { CoreId::Pro } else { CoreId::App }
}

/// `void intr_matrix_set(int cpu, uint32_t source, uint32_t line)`
fn intr_matrix_set(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let map = match index(call.get(0)) {
        CoreId::Pro => PRO_INTERRUPT_MAP,
        CoreId::App => APP_INTERRUPT_MAP,
    };
    call.charge(16);
    if call.get(1) < SOURCES {
        call.store(map + 4 * call.get(1), call.get(2) & 0x1f)?;
    }
    Ok(Outcome::Void)
}

/// `void ets_set_appcpu_boot_addr(uint32_t address)`: where the waiting APP_CPU goes; 0 to wait on.
fn ets_set_appcpu_boot_addr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    call.store(APPCPU_CTRL_D, call.get(0))?;
    Ok(Outcome::Void)
}

/// Puts a handler into the dispatch table; returns the old one, 0 if there was none.
pub(super) fn set_handler(
    call: &mut Call<'_>,
    line: u32,
    handler: u32,
    argument: u32,
) -> Result<u32, Stop> {
    call.charge(16);
    let Some(slot) = handler_slot(call.guest.core(), line) else { return Ok(0) };
    let old = call.load(slot)?;
    call.store(slot, handler)?;
    call.store(slot + 4, argument)?;
    Ok(old)
}

/// `void ets_isr_attach(int line, ets_isr_t handler, void *argument)`
fn ets_isr_attach(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (line, handler, argument) = (call.get(0), call.get(1), call.get(2));
    set_handler(call, line, handler, argument)?;
    Ok(Outcome::Void)
}

/// `_xtos_handler _xtos_set_interrupt_handler_arg(int line, _xtos_handler handler, void *argument)`
fn xtos_set_interrupt_handler_arg(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (line, handler, argument) = (call.get(0), call.get(1), call.get(2));
    Ok(Outcome::Return(set_handler(call, line, handler, argument)?))
}

/// `_xtos_handler _xtos_set_interrupt_handler(int line, _xtos_handler handler)`: the argument is the
/// line itself.
fn xtos_set_interrupt_handler(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (line, handler) = (call.get(0), call.get(1));
    Ok(Outcome::Return(set_handler(call, line, handler, line)?))
}

/// Changes INTENABLE and the dispatcher's copy of it; returns the old copy.
fn change_mask(call: &mut Call<'_>, change: impl Fn(u32) -> u32) -> Result<u32, Stop> {
    call.charge(16);
    let copy = interrupt_mask(call.guest.core());
    let old = call.load(copy)?;
    call.store(copy, change(old))?;
    call.guest.set_intenable(change(call.guest.intenable()));
    Ok(old)
}

/// `unsigned _xtos_ints_on(unsigned mask)`
fn xtos_ints_on(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mask = call.get(0);
    Ok(Outcome::Return(change_mask(call, |enabled| enabled | mask)?))
}

/// `unsigned _xtos_ints_off(unsigned mask)`
fn xtos_ints_off(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mask = call.get(0);
    Ok(Outcome::Return(change_mask(call, |enabled| enabled & !mask)?))
}

/// Disables lines.
pub(super) fn mask(call: &mut Call<'_>, mask: u32) -> Result<(), Stop> {
    change_mask(call, |enabled| enabled & !mask)?;
    Ok(())
}

/// `void ets_isr_mask(uint32_t mask)`: disables lines.
fn ets_isr_mask(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    xtos_ints_off(call)?;
    Ok(Outcome::Void)
}

/// `void ets_isr_unmask(uint32_t mask)`: enables lines.
fn ets_isr_unmask(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    xtos_ints_on(call)?;
    Ok(Outcome::Void)
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::FakeGuest;

    #[test]
    fn handlers_are_stored_downwards_and_masks_are_merged() {
        let mut guest = FakeGuest::new(64);
        guest.call("ets_isr_attach", &[5, 0x4008_1111, 0x77]);
        assert_eq!(guest.word(0x3ffe_0658 + 26 * 8), 0x4008_1111);
        assert_eq!(guest.word(0x3ffe_0658 + 26 * 8 + 4), 0x77);
        guest.call("ets_isr_unmask", &[0x20]);
        guest.call("ets_isr_unmask", &[0x01]);
        assert_eq!(guest.intenable, 0x21);
        guest.call("ets_isr_mask", &[0x20]);
        assert_eq!(guest.intenable, 0x01);
        guest.call("ets_isr_attach", &[32, 1, 2]);
    }

    #[test]
    fn routes_are_per_core_and_bounded() {
        let mut guest = FakeGuest::new(64);
        guest.call("intr_matrix_set", &[0, 34, 37]);
        assert_eq!(guest.register(0x3ff0_018c), 5);
        guest.call("intr_matrix_set", &[1, 0, 6]);
        assert_eq!(guest.register(0x3ff0_0218), 6);
        guest.call("intr_matrix_set", &[0, u32::MAX, 6]);
    }
}
