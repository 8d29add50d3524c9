//! What a board says that has nothing right to start, and what is on it.

use crate::common;
use crate::common::application;
use esp32_emulator::board::parts::Shown;
use esp32_emulator::board::parts::auto_reset::{CutWires, EN_RISE, ModemLines};
use esp32_emulator::board::parts::hc_sr04::HcSr04;
use esp32_emulator::board::parts::led::Led;
use esp32_emulator::board::parts::potentiometer::Potentiometer;
use esp32_emulator::board::parts::pushbutton::Pushbutton;
use esp32_emulator::board::parts::resistor::Resistor;
use esp32_emulator::board::{
    AnyPart, Board, BootMode, Fitting, Missing, Options, Outcome, Profile,
};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::time::{Duration, Instant};

fn board(name: &str) -> Board {
    Board::new(Profile::named(name).expect("a known board"), &Options::default())
}

/// A board with this file at 0x1000 of its flash.
fn board_with(name: &str, file: &[u8]) -> Board {
    let mut board = board(name);
    board.flash_mut().load(0x1000, file).expect("the file fits");
    board
}

/// The lines that the board prints, with the instants of their first bytes.
fn lines(board: &mut Board, span: Duration) -> Vec<(Instant, String)> {
    let deadline = board.now() + span;
    let mut lines: Vec<(Instant, String)> = Vec::new();
    let mut open = false;
    loop {
        match board.run_until(deadline) {
            Outcome::Deadline => return lines,
            Outcome::Serial => {}
            other => panic!("{other:?}"),
        }
        while let Some(it) = board.take_serial() {
            if !open {
                lines.push((it.at, String::new()));
            }
            open = it.byte != b'\n';
            let line = lines.last_mut().expect("there is one");
            line.1.extend(Some(char::from(it.byte)).filter(|it| !"\r\n".contains(*it)));
        }
    }
}

/// The same without times and empty lines.
fn text(board: &mut Board, span: Duration) -> Vec<String> {
    lines(board, span).into_iter().map(|(_, line)| line).filter(|it| !it.is_empty()).collect()
}

/// Splits what a board says at its resets.
fn boots(lines: &[String]) -> Vec<&[String]> {
    let starts = |line: &String| line.starts_with("ets ");
    let at: Vec<_> = (0..lines.len()).filter(|&n| starts(&lines[n])).chain([lines.len()]).collect();
    at.windows(2).map(|pair| &lines[pair[0]..pair[1]]).collect()
}

/// An application that has come to the loop at its end.
fn image() -> Vec<u8> {
    let (flash, _) = application(0x4008_0400, ".align 4\nstart: entry a1, 32\ndone: j done");
    let mut image = vec![0; 0x100];
    flash.read(0x1000, &mut image).expect("inside the chip");
    image
}

#[test]
fn an_erased_board_says_so_until_the_rtc_watchdog_resets_it_and_again() {
    let mut board = board("esp32-devkit");
    board.power_on();
    let said = lines(&mut board, Duration::from_secs(4));
    let (times, said): (Vec<_>, Vec<_>) =
        said.into_iter().filter(|(_, line)| !line.is_empty()).unzip();
    let boots = boots(&said);
    assert!(boots.len() >= 10, "{said:?}");
    for (n, boot) in boots[..boots.len() - 1].iter().enumerate() {
        let cause = if n == 0 { "0x1 (POWERON_RESET)" } else { "0x10 (RTCWDT_RTC_RESET)" };
        assert_eq!(boot[0], "ets Jul 29 2019 12:21:46");
        assert_eq!(boot[1], format!("rst:{cause},boot:0x13 (SPI_FAST_FLASH_BOOT)"));
        // As in published logs of boards with the same ROM: seven or eight lines, then the reset
        // cuts off the next one or comes in a pause.
        let whole = boot[2..].iter().filter(|it| *it == "invalid header: 0xffffffff").count();
        assert!((7..=8).contains(&whole) && boot.len() <= whole + 3, "{boot:?}");
    }
    let starts: Vec<_> = (0..said.len()).filter(|&n| said[n].starts_with("ets ")).collect();
    for pair in starts.windows(2) {
        let period = (times[pair[1]] - times[pair[0]]).as_millis();
        assert!((330..=400).contains(&period), "{period} ms");
    }
}

#[test]
fn the_header_that_is_not_one_is_told_as_it_is() {
    let mut board = board_with("esp32-devkit", &[0x12, 0x34, 0x56, 0x78]);
    board.power_on();
    let said = text(&mut board, Duration::from_millis(100));
    assert_eq!(said[2], "invalid header: 0x78563412");
}

#[test]
fn the_first_silicons_rom_gives_up_in_its_own_words_and_is_reset_all_the_same() {
    let mut board = board("esp32-cam");
    board.power_on();
    let said = text(&mut board, Duration::from_secs(1));
    let boots = boots(&said);
    let told = ["flash read err, 1000", "ets_main.c 371 "];
    assert_eq!(boots[0][0], "ets Jun  8 2016 00:22:57");
    assert_eq!(boots[0][2..], told);
    assert!(boots[1][1].starts_with("rst:0x10 (RTCWDT_RTC_RESET)"), "{boots:?}");
    assert_eq!(boots[1][2..], told);
}

#[test]
fn a_whole_image_is_started_and_a_wrong_checksum_is_told_and_not_started() {
    let good = image();
    let checksum = good.iter().rposition(|&it| it != 0xff).expect("not blank");
    let mut bad = good.clone();
    bad[checksum] ^= 0x5a;
    let told = format!("csum err:0x{:02x}!=0x{:02x}", good[checksum], bad[checksum]);
    for (name, file, last) in [
        ("esp32-devkit", &good, &["entry 0x40080400"][..]),
        ("esp32-cam", &good, &["entry 0x40080400"]),
        (
            "esp32-devkit",
            &bad,
            &[&told, "Falling back to built-in command interpreter.", "OK", ">"],
        ),
        ("esp32-cam", &bad, &[&told, "ets_main.c 371 "]),
    ] {
        let mut board = board_with(name, file);
        board.power_on();
        let said = text(&mut board, Duration::from_millis(100));
        let load = said.iter().position(|it| it.starts_with("load:0x40080400")).expect("a load");
        assert_eq!(said[load + 1..], *last, "{name}");
        // Whatever it was, nobody fed the watchdog.
        let said = text(&mut board, Duration::from_millis(400));
        assert!(said.iter().any(|it| it.starts_with("rst:0x10 (RTCWDT_RTC_RESET)")), "{said:?}");
    }
}

#[test]
fn a_board_that_waits_for_a_download_is_not_reset() {
    let mut board = board("esp32-devkit");
    board.set_boot_mode(BootMode::Download);
    board.power_on();
    let said = text(&mut board, Duration::from_secs(5));
    assert_eq!(boots(&said).len(), 1);
    assert_eq!(
        said[1..],
        [
            "rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))",
            "waiting for download"
        ]
    );
}

#[test]
fn bytes_pass_by_a_uart_that_no_firmware_attends_to() {
    let mut board = board("esp32-devkit");
    board.set_boot_mode(BootMode::Download);
    board.power_on();
    text(&mut board, Duration::from_millis(100));
    assert!(!board.is_transferring(), "it waits for a download");
    (0..100).for_each(|byte| board.send(1, byte));
    assert_eq!((board.sending(1), board.is_transferring()), (100, true));
    text(&mut board, Duration::from_millis(100));
    assert_eq!((board.sending(1), board.is_transferring()), (0, false));
}

#[test]
fn only_the_camera_board_has_psram() {
    // Maps PSRAM's first page for PRO_CPU, turns the cache on and writes; a fault ends in the ROM.
    let source = "
        .literal dport, 0x3ff00000
        .literal mmu, 0x3ff11200
        .literal psram, 0x3f800000
        .literal results, 0x3ffb0000
        .literal pattern, 0x600df00d
        .literal key, 0x50d83aa1
        .literal rtc, 0x3ff48000
        .literal timg, 0x3ff5f000
        start:
            entry a1, 32
            l32r a2, key
            movi a4, 0
            l32r a3, rtc; s32i a2, a3, 0xa4; s32i a4, a3, 0x8c
            l32r a3, timg; s32i a2, a3, 0x64; s32i a4, a3, 0x48
            l32r a6, results
            movi a5, 1; s32i a5, a6, 0
            l32r a3, dport
            movi a5, 0; s32i a5, a3, 0x44
            movi a5, 8; s32i a5, a3, 0x40
            l32r a3, mmu
            s32i a4, a3, 0
            l32r a3, psram
            l32r a5, pattern
            s32i a5, a3, 0
            l32i a5, a3, 0
            s32i a5, a6, 4
        done:
            j done
    ";
    let (flash, _) = application(0x4008_0400, source);
    let mut file = vec![0; 0x1000];
    flash.read(0x1000, &mut file).expect("inside the chip");
    for (name, expected) in [("esp32-devkit", 0), ("esp32-cam", 0x600d_f00d)] {
        let mut board = board_with(name, &file);
        board.power_on();
        lines(&mut board, Duration::from_millis(100));
        let results = [0x3ffb_0000, 0x3ffb_0004].map(|it| common::word(board.chip(), it));
        assert_eq!(results, [1, expected], "{name}: {:#x}", board.chip().cpu(CoreId::Pro).pc);
        assert_eq!(board.profile().psram.is_some(), expected != 0);
    }
}

/// Asserts DTR and RTS at these milliseconds, as tools do to get to the boot loader; what the board
/// says afterwards.
fn after_lines(name: &str, sequence: &[(u64, bool, bool)]) -> Vec<String> {
    after_lines_over(CutWires::default(), name, sequence)
}

fn after_lines_over(cut: CutWires, name: &str, sequence: &[(u64, bool, bool)]) -> Vec<String> {
    let mut board = board_with(name, &image());
    board.cut_wires(cut);
    board.power_on();
    let _ = text(&mut board, Duration::from_millis(100));
    let start = board.now();
    for (at, dtr, rts) in sequence {
        let at = start + Duration::from_millis(*at);
        let span = at - board.now();
        let _ = text(&mut board, span);
        board.set_modem_lines(ModemLines { dtr: *dtr, rts: *rts });
    }
    text(&mut board, Duration::from_millis(200))
}

/// esptool's classic sequence, on an adapter that changes a line each millisecond.
const TIGHT: [(u64, bool, bool); 3] = [(0, false, true), (100, true, true), (101, true, false)];

fn waits(lines: &[String]) -> bool {
    lines.iter().any(|line| line == "waiting for download")
}

#[test]
fn modem_lines_reset_a_board_into_its_boot_loader_if_it_is_wired_for_that() {
    let lines = after_lines("esp32-devkit", &TIGHT);
    assert!(waits(&lines), "{lines:?}");
    let lines = after_lines("esp32-cam-mb", &TIGHT);
    assert!(waits(&lines), "{lines:?}");
    let lines = after_lines("esp32-cam", &TIGHT);
    assert!(!lines.iter().any(|line| line.contains("POWERON_RESET")), "{lines:?}");
}

#[test]
fn a_cut_wire_keeps_tools_from_resetting_a_board_or_from_its_boot_loader() {
    let whole = CutWires::default();
    // Whether EN has been pulled down, and whether GPIO0 was low at some reset after that or by the
    // watchdog, which resets this application, too.
    let reached = |name, cut| {
        let lines = after_lines_over(cut, name, &TIGHT);
        (lines.iter().any(|line| line.contains("POWERON_RESET")), waits(&lines))
    };
    let (dtr, rts) = (CutWires { dtr: true, ..whole }, CutWires { rts: true, ..whole });
    assert_eq!(reached("esp32-devkit", whole), (true, true));
    assert_eq!(reached("esp32-devkit", CutWires { gpio0: true, ..whole }), (true, false));
    assert_eq!(reached("esp32-devkit", CutWires { en: true, ..whole }), (false, true));
    assert_eq!(reached("esp32-devkit", dtr), (false, false));
    assert_eq!(reached("esp32-devkit", rts), (false, false));
    // Where each line has a pin of its own, the other one still works.
    assert_eq!(reached("esp32-cam-mb", dtr), (true, false));
    assert_eq!(reached("esp32-cam-mb", rts), (false, true));
}

#[test]
fn button_and_jumper_are_behind_the_cuts() {
    let mut board = board_with("esp32-devkit", &image());
    board.cut_wires(CutWires { dtr: true, rts: true, en: true, gpio0: true });
    board.power_on();
    board.set_modem_lines(ModemLines { dtr: false, rts: true });
    assert!(!board.is_reset_held());
    board.set_boot_mode(BootMode::Download);
    board.press_reset();
    assert!(board.is_reset_held());
    board.release_reset();
    board.finish_reset();
    assert_eq!(board.booted(), Some(BootMode::Download));
}

#[test]
fn a_wire_that_is_mended_pulls_at_once() {
    let mut board = board_with("esp32-devkit", &image());
    board.cut_wires(CutWires { en: true, ..CutWires::default() });
    board.power_on();
    board.set_modem_lines(ModemLines { dtr: false, rts: true });
    assert!(!board.is_reset_held());
    board.cut_wires(CutWires::default());
    assert!(board.is_reset_held());
}

#[test]
fn a_state_between_that_lasts_longer_than_the_capacitor_starts_the_firmware() {
    let slow = [(0, false, true), (100, true, true), (160, true, false)];
    let lines = after_lines("esp32-devkit", &slow);
    assert!(!waits(&lines) && lines.is_empty(), "it has booted before: {lines:?}");
    // Without transistors there is no such state.
    let lines = after_lines("esp32-cam-mb", &slow);
    assert!(waits(&lines), "{lines:?}");
}

#[test]
fn a_chip_leaves_reset_when_en_has_risen_and_samples_its_straps_then() {
    let mut board = board_with("esp32-devkit", &image());
    board.power_on();
    let _ = text(&mut board, Duration::from_millis(100));
    board.press_reset();
    board.release_reset();
    let released = board.now();
    assert!(board.is_reset_held() && board.booted().is_none());
    board.set_boot_mode(BootMode::Download);
    board.run_until(released + EN_RISE);
    assert_eq!(board.booted(), Some(BootMode::Download));
}

fn fit(board: &mut Board, name: &str, gpio: u8, part: AnyPart) {
    board.fit(Fitting { name: name.to_owned(), pads: vec![Some(gpio)], part });
}

/// The changes of a pad within a span, in microseconds, looked at so often.
fn edges(board: &mut Board, span: Duration, step: Duration) -> Vec<(u64, bool)> {
    let (start, mut edges) = (board.now(), Vec::new());
    while board.now() < start + span {
        let end = (board.now() + step).min(start + span);
        while board.run_until(end) != Outcome::Deadline {
            while board.take_serial().is_some() {}
            while let Some(edge) = board.take_edge() {
                edges.push(((edge.at - start).as_nanos() / 1_000, edge.level));
            }
        }
    }
    edges
}

#[test]
fn a_bouncing_button_moves_its_pad_at_its_own_instants_however_often_it_is_looked_at() {
    let bounced = |step| {
        let mut board = board_with("esp32-devkit", &image());
        fit(&mut board, "b", 13, AnyPart::Pushbutton(Pushbutton::new(false, true)));
        fit(&mut board, "up", 13, AnyPart::Resistor(Resistor::new(true)));
        board.power_on();
        board.observe_pin(13);
        // The ROM's long functions are behind it.
        edges(&mut board, Duration::from_millis(500), Duration::from_millis(500));
        assert!(board.pin_level(13), "pulled up");
        board.set_control("b", "pressed", 1.0).expect("a button");
        let edges = edges(&mut board, Duration::from_millis(2), step);
        assert!(!board.pin_level(13), "pressed");
        (edges, board.event_hash())
    };
    let (edges, hash) = bounced(Duration::from_millis(2));
    let times: Vec<u64> = edges.iter().map(|(us, _)| *us).collect();
    assert_eq!(times, [0, 90, 140, 310, 420, 640, 980]);
    assert!(edges.iter().enumerate().all(|(n, (_, level))| *level == (n % 2 == 1)));
    for step in [Duration::from_micros(70), Duration::from_micros(1), Duration::from_micros(980)] {
        assert_eq!(bounced(step), (edges.clone(), hash));
    }
}

#[test]
fn a_part_answers_what_it_hears_at_its_own_instants_however_often_it_is_looked_at() {
    let heard = |step| {
        let mut board = board_with("esp32-devkit", &image());
        let pads = vec![Some(13), Some(14)];
        let part = AnyPart::HcSr04(HcSr04::default());
        board.fit(Fitting { name: "wall".to_owned(), pads, part });
        board.set_control("wall", "distance", 10.0).expect("a sensor");
        board.power_on();
        board.observe_pin(14);
        // The ROM's long functions are behind it.
        edges(&mut board, Duration::from_millis(500), Duration::from_millis(500));
        board.drive_pin(13, Some(true));
        edges(&mut board, Duration::from_micros(10), step);
        board.drive_pin(13, Some(false));
        (edges(&mut board, Duration::from_millis(2), step), board.event_hash())
    };
    let (edges, hash) = heard(Duration::from_millis(2));
    assert_eq!(edges, [(200, true), (780, false)]);
    for step in [Duration::from_micros(70), Duration::from_micros(1), Duration::from_micros(200)] {
        assert_eq!(heard(step), (edges.clone(), hash));
    }
}

#[test]
fn what_a_part_shows_goes_with_its_power() {
    let mut board = board_with("esp32-devkit", &image());
    fit(&mut board, "lamp", 13, AnyPart::Led(Led::new(true)));
    board.power_on();
    board.drive_pin(13, Some(true));
    assert_eq!(board.shown("lamp", "brightness"), Ok(Shown::Number(1.0)));
    board.drive_pin(13, None);
    board.power_off();
    assert_eq!(board.shown("lamp", "brightness"), Ok(Shown::Number(0.0)));
    assert_eq!(board.shown("lamp", "angle"), Err(Missing::Control));
    assert_eq!(board.shown("horn", "angle"), Err(Missing::Part));
}

#[test]
fn a_button_at_gpio0_is_a_strap_like_the_jumper() {
    let mut board = board("esp32-devkit");
    fit(&mut board, "b", 0, AnyPart::Pushbutton(Pushbutton::new(false, false)));
    board.set_control("b", "pressed", 1.0).expect("a button");
    board.power_on();
    assert_eq!(board.booted(), Some(BootMode::Download));
    assert_eq!(board.set_control("c", "pressed", 1.0), Err(Missing::Part));
    assert_eq!(board.set_control("b", "position", 1.0), Err(Missing::Control));
}

#[test]
fn half_of_the_supply_decides_what_an_input_makes_of_a_voltage() {
    let mut board = board_with("esp32-devkit", &image());
    fit(&mut board, "p", 34, AnyPart::Potentiometer(Potentiometer::new(0.4)));
    board.power_on();
    assert!(!board.pin_level(34));
    board.set_control("p", "position", 0.6).expect("a potentiometer");
    assert!(board.pin_level(34));
    board.drive_pin(34, Some(false));
    assert!(!board.pin_level(34), "a hand is stronger");
}
