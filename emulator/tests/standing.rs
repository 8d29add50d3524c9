//! A guest that can never do anything again is known as dead, and one that can is not.

use crate::common::{Program, after};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::{Doing, Esp32};

/// A chip that has run `source` for a while.
fn settled(source: &str) -> Esp32 {
    let mut chip = Program::new(&format!("start: {source}\ndone: j done\n")).chip();
    let until = after(&chip, 10_000);
    chip.run_until(until);
    chip
}

#[test]
fn waiting_for_an_interrupt_that_is_not_enabled_is_death() {
    let chip = settled("movi a2, 0; wsr a2, intenable; waiti 0");
    assert!(chip.is_dead());
    assert_eq!(chip.standing(CoreId::Pro).doing, Doing::Waiting);
    assert_eq!(chip.standing(CoreId::App).doing, Doing::Stopped);
}

#[test]
fn a_timer_keeps_a_waiting_core_alive_only_if_its_level_is_not_masked() {
    // CCOMPARE0 is of level 1; EXCM, which is set after reset, masks that too.
    let timer = "movi a2, 0; wsr a2, ps; movi a2, 64; wsr a2, intenable; rsync";
    assert!(!settled(&format!("{timer}; waiti 0")).is_dead());
    assert!(settled(&format!("{timer}; waiti 1")).is_dead());
}

#[test]
fn an_endless_loop_is_no_death() {
    let chip = settled("nop");
    assert!(!chip.is_dead());
    assert_eq!(chip.standing(CoreId::Pro).doing, Doing::Executing);
}
