//! Firmware that can do nothing any more ends its case at once, and the report says where both cores
//! stand.

use std::collections::BTreeMap;

use esp32_emulator::cpu::assembler::Assembler;

use crate::common::esp_image::esp_image;

const CODE: u32 = 0x4008_0400;

/// Switches the watchdogs of a boot from flash off, and waits for an interrupt that is not enabled.
const DEAD: &str = "
    .literal watchdog_key, 0x50d83aa1
    .literal rtc, 0x3ff48000
    .literal timg, 0x3ff5f000
    start:
        l32r a2, watchdog_key
        movi a4, 0
        l32r a3, rtc
        s32i a2, a3, 0xa4; s32i a4, a3, 0x8c
        l32r a3, timg
        s32i a2, a3, 0x64; s32i a4, a3, 0x48
        wsr a4, intenable
    wait:
        waiti 0
        j wait
";

const SCENARIO: &str = "
name: Dead
version: 1
timeout: 1000h
steps:
  - boot-mode: download
  - press: reset
  - write-flash: {at: 0x1000, image: dead.bin}
  - boot-mode: run
  - press: reset
  - expect-serial: 'entry 0x'
  - delay: 1h
  - expect-serial: {text: anything, within: 999h}
";

/// The second-stage image that the ROM loads.
fn image() -> Vec<u8> {
    esp_image(CODE, &Assembler::new(CODE).assemble(DEAD).expect("right code"))
}

#[test]
fn a_guest_that_waits_for_nothing_fails_its_step_and_is_found() {
    let project = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(project.path().join("bench.toml"), "").expect("a writable folder");
    std::fs::write(project.path().join("dead.bin"), image()).expect("a writable folder");
    let path = project.path().join("dead.yaml");
    std::fs::write(&path, SCENARIO).expect("a writable folder");
    let report = benchrig::hil::run_file_with(&path, BTreeMap::new()).expect_err("it must fail");
    for needed in [
        "failed dead",
        "at step 8",
        "\"anything\" cannot come: the guest can do nothing any more",
        "PRO_CPU waits for an interrupt at 0x400804",
        "APP_CPU is held at 0x40000",
    ] {
        assert!(report.contains(needed), "{needed} in\n{report}");
    }
}
