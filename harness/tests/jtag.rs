//! The bench's JTAG against the emulated chip: probe-rs, unchanged, drives a probe of ours that shifts
//! its bits into the chip's TAPs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use benchrig::bench::jtag::{Jtag, JtagError, probes};
use benchrig::bench::probe::ProbeName;
use esp32_emulator::board::{Board, Options, Profile};
use esp32_emulator::cpu::assembler::{Assembler, Assembly};
use esp32_emulator::time;
use probe_rs::Permissions;
use probe_rs::architecture::xtensa::communication_interface::{
    XtensaCommunicationInterface, XtensaDebugInterfaceState, XtensaError,
};
use probe_rs::plugin::{Plugin, register_plugin};
use probe_rs::probe::list::ProbeListItem;
use probe_rs::probe::{
    AutoImplementJtagAccess, DebugProbe, DebugProbeError, DebugProbeInfo, DebugProbeSelector,
    JtagDriverState, ProbeCreationError, ProbeFactory, RawJtagIo, WireProtocol,
};

use crate::common::esp_image::esp_image;

/// Nobody's vendor and product.
const IDS: (u16, u16) = (0xfeed, 0x0032);
const BASE: u32 = 0x4008_0400;
const DATA: u32 = 0x3ffb_0000;

const PROGRAM: &str = "
    .literal data, 0x3ffb0000
    .literal stack, 0x3ffe8000
    .literal ps_windowed, 0x40020
    .literal dport, 0x3ff00000
    .literal app, app_start
    .align 4
    start:
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        l32r a1, stack
        l32r a2, ps_windowed; wsr a2, ps; rsync
        l32r a4, dport
        l32r a5, app
        s32i a5, a4, 0x38          # APPCPU_CTRL_D: where it begins
        movi a5, 1; s32i a5, a4, 0x30
        s32i a5, a4, 0x2c
        movi a5, 0; s32i a5, a4, 0x2c
        l32r a3, data
        movi a2, 0
    round:
        addi a2, a2, 1
    store:
        s32i a2, a3, 0
    behind:
        mov a10, a2
        call8 callee
        j round
    .align 4
    callee:
        entry a1, 32
    inside:
        addi a2, a2, 100
        retw
    .align 4
    app_start:
        l32r a3, data
        movi a2, 0
    app_round:
        addi a2, a2, 1
        s32i a2, a3, 4
        j app_round
";

/// Boards that wait for somebody to open their probe, by its serial number.
static BOARDS: Mutex<BTreeMap<String, Board>> = Mutex::new(BTreeMap::new());

fn boards() -> std::sync::MutexGuard<'static, BTreeMap<String, Board>> {
    BOARDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes virtual probes.
#[derive(Debug)]
struct Factory;

impl fmt::Display for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("emulated")
    }
}

impl ProbeFactory for Factory {
    fn open(&self, selector: &DebugProbeSelector) -> Result<Box<dyn DebugProbe>, DebugProbeError> {
        let serial = selector.serial_number.as_deref().unwrap_or_default();
        let ours = (selector.vendor_id, selector.product_id) == IDS;
        match boards().remove(serial).filter(|_| ours) {
            Some(board) => Ok(Box::new(VirtualProbe {
                board,
                serial: serial.to_owned(),
                state: JtagDriverState::default(),
                captured: Vec::new(),
                clocks: 0,
                khz: 1_000,
            })),
            None => Err(DebugProbeError::ProbeCouldNotBeCreated(ProbeCreationError::NotFound)),
        }
    }

    fn list_probes(&self) -> Vec<ProbeListItem> {
        let probe = |serial: &String| {
            let serial = Some(serial.clone());
            DebugProbeInfo::new("emulated board", IDS.0, IDS.1, serial, &Factory, None, false)
        };
        boards().keys().map(probe).map(ProbeListItem::accessible).collect()
    }
}

/// A probe with a board at it, for which time passes with the clocks of TCK.
struct VirtualProbe {
    board: Board,
    serial: String,
    state: JtagDriverState,
    captured: Vec<bool>,
    /// Clocks since the board last ran.
    clocks: u32,
    khz: u32,
}

impl fmt::Debug for VirtualProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualProbe")
    }
}

impl Drop for VirtualProbe {
    fn drop(&mut self) {
        // Back on its place, with the board as it is.
        boards().insert(std::mem::take(&mut self.serial), self.board.clone());
    }
}

impl DebugProbe for VirtualProbe {
    fn get_name(&self) -> &str {
        "emulated board"
    }

    fn speed_khz(&self) -> u32 {
        self.khz
    }

    fn set_speed(&mut self, khz: u32) -> Result<u32, DebugProbeError> {
        self.khz = khz.clamp(1, 20_000);
        Ok(self.khz)
    }

    fn attach(&mut self) -> Result<(), DebugProbeError> {
        Ok(())
    }

    fn detach(&mut self) -> Result<(), probe_rs::Error> {
        Ok(())
    }

    fn target_reset(&mut self) -> Result<(), DebugProbeError> {
        self.target_reset_assert()?;
        self.target_reset_deassert()
    }

    fn target_reset_assert(&mut self) -> Result<(), DebugProbeError> {
        self.board.press_reset();
        Ok(())
    }

    fn target_reset_deassert(&mut self) -> Result<(), DebugProbeError> {
        self.board.release_reset();
        self.board.finish_reset();
        Ok(())
    }

    fn select_protocol(&mut self, protocol: WireProtocol) -> Result<(), DebugProbeError> {
        match protocol {
            WireProtocol::Jtag => Ok(()),
            other => Err(DebugProbeError::UnsupportedProtocol(other)),
        }
    }

    fn active_protocol(&self) -> Option<WireProtocol> {
        Some(WireProtocol::Jtag)
    }

    fn try_as_jtag_probe(&mut self) -> Option<&mut dyn probe_rs::probe::JtagAccess> {
        Some(self)
    }

    fn try_get_xtensa_interface<'probe>(
        &'probe mut self,
        state: &'probe mut XtensaDebugInterfaceState,
    ) -> Result<XtensaCommunicationInterface<'probe>, XtensaError> {
        Ok(XtensaCommunicationInterface::new(self, state))
    }

    fn has_xtensa_interface(&self) -> bool {
        true
    }

    fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
        self
    }
}

impl RawJtagIo for VirtualProbe {
    fn state_mut(&mut self) -> &mut JtagDriverState {
        &mut self.state
    }

    fn state(&self) -> &JtagDriverState {
        &self.state
    }

    fn shift_bit(&mut self, tms: bool, tdi: bool, capture: bool) -> Result<(), DebugProbeError> {
        let tdo = self.board.chip_mut().jtag_clock(tms, tdi);
        if capture {
            self.captured.push(tdo);
        }
        self.state.state.update(tms);
        self.clocks += 1;
        // Between two accesses to the debug module lie more.
        if self.clocks == 8 {
            self.clocks = 0;
            run(&mut self.board, time::Duration::from_nanos(8_000_000 / u64::from(self.khz)));
        }
        Ok(())
    }

    fn read_captured_bits(&mut self) -> Result<bitvec::vec::BitVec, DebugProbeError> {
        // As long as an answer takes over USB.
        run(&mut self.board, time::Duration::from_millis(1));
        Ok(std::mem::take(&mut self.captured).into_iter().collect())
    }
}

impl AutoImplementJtagAccess for VirtualProbe {}

/// Lets device time pass; what the board says goes unheard.
fn run(board: &mut Board, span: time::Duration) {
    let end = board.now() + span;
    while board.now() < end {
        board.run_until(end);
        while board.take_serial().is_some() {}
    }
}

fn program() -> Assembly {
    Assembler::new(BASE).assemble(PROGRAM).expect("it assembles")
}

/// A board that has run the program for a while, at a probe; what opens it.
fn plug_in(serial: &str) -> String {
    static KNOWN: Once = Once::new();
    KNOWN.call_once(|| {
        register_plugin(Plugin { probe_drivers: &[&Factory], ..Plugin::default() });
    });
    let image = esp_image(BASE, &program());
    let profile = Profile::named("esp32-devkit").expect("a known board");
    let mut board = Board::new(profile, &Options::default());
    board.flash_mut().load(0x1000, &image).expect("it fits");
    board.power_on();
    run(&mut board, time::Duration::from_millis(200));
    boards().insert(serial.to_owned(), board);
    format!("{:04x}:{:04x}:{serial}", IDS.0, IDS.1)
}

fn attach(serial: &str) -> Jtag {
    let selector = plug_in(serial);
    Jtag::attach(&name(&selector)).unwrap_or_else(|error| panic!("{error}"))
}

fn name(selector: &str) -> ProbeName {
    selector.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn symbol(name: &str) -> u32 {
    program().symbol(name).expect("a label")
}

fn word(jtag: &mut Jtag, address: u32) -> u32 {
    let mut bytes = [0; 4];
    jtag.read(0, address, &mut bytes).unwrap_or_else(|error| panic!("{address:#x}: {error}"));
    u32::from_le_bytes(bytes)
}

#[test]
fn probes_are_listed_and_opened_by_their_serial_numbers() {
    let selector = plug_in("listed");
    assert!(probes().iter().any(|probe| probe.selector == selector), "{:?}", probes());
    let refused = |selector: &str| Jtag::attach(&name(selector)).err();
    assert!(matches!(refused("feed:0032:other"), Some(JtagError::Probe { .. })));
    assert!(matches!(refused("bitbang://127.0.0.1:1"), Some(JtagError::Probe { .. })));
    assert!(Jtag::attach(&name(&selector)).is_ok());
}

#[test]
fn probe_rs_recognises_the_chip_by_itself() {
    let selector = plug_in("auto");
    assert!(!probes().is_empty(), "Espressif's chips are known now");
    let selector: DebugProbeSelector = selector.parse().expect("a selector");
    let probe = probe_rs::probe::list::Lister::new().open(selector).expect("it is plugged in");
    let session = probe.attach(probe_rs::config::TargetSelector::Auto, Permissions::new());
    let session = session.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(session.target().name, "esp32");
    assert_eq!(session.list_cores().len(), 2);
}

#[test]
fn a_core_is_stopped_and_a_word_read() {
    let mut jtag = attach("halt");
    let pc = jtag.halt(0).expect("it stops");
    assert!((symbol("round")..symbol("app_start")).contains(&pc), "{pc:#x}");
    let count = word(&mut jtag, DATA);
    assert!(count > 100, "{count}");
    assert_eq!(word(&mut jtag, DATA), count, "it stands");
    assert_eq!(jtag.register(0, "pc").expect("a register"), pc);
    jtag.go_on(0).expect("it goes on");
    assert!(word(&mut jtag, DATA) > count);
}

#[test]
fn memory_is_read_and_written_at_every_alignment() {
    let mut jtag = attach("memory");
    jtag.halt(0).expect("it stops");
    let written: Vec<u8> = (1..=23).collect();
    for offset in 0..4 {
        let address = DATA + 0x100 + offset;
        jtag.write(0, address, &written).expect("memory");
        let mut read = vec![0; written.len() + 1];
        jtag.read(0, address, &mut read).expect("memory");
        assert_eq!(read[..written.len()], written, "{offset}");
    }
    // Instruction memory, by words; the divider of UART0; and nothing at all.
    jtag.write(0, 0x4009_0000, &[1, 2, 3, 4]).expect("memory");
    assert_eq!(word(&mut jtag, 0x4009_0000), 0x0403_0201);
    assert_ne!(word(&mut jtag, 0x3ff4_0014), 0);
    assert!(jtag.read(0, 0x1000, &mut [0; 4]).is_err());
    assert_eq!(word(&mut jtag, 0x4009_0000), 0x0403_0201, "it has survived");
}

#[test]
fn breakpoints_and_steps_go_through_calls() {
    let mut jtag = attach("breakpoint");
    jtag.halt(0).expect("it stops");
    let behind = symbol("behind");
    jtag.set_breakpoint(0, behind, true).expect("there are two");
    jtag.go_on(0).expect("it goes on");
    let patience = Duration::from_secs(5);
    assert_eq!(jtag.wait_halted(0, patience).expect("it stops"), behind);
    let count = word(&mut jtag, DATA);
    jtag.set_breakpoint(0, behind, false).expect("it is there");
    let places: Vec<u32> = (0..4).map(|_| jtag.step(0).expect("a step")).collect();
    let (callee, inside) = (symbol("callee"), symbol("inside"));
    assert_eq!(places[1..], [callee, inside, inside + 3]);
    assert_eq!(jtag.register(0, "a2").expect("a register"), count + 100);
    jtag.go_on(0).expect("it goes on");
    assert!(word(&mut jtag, DATA) > count);
}

#[test]
fn the_other_core_has_a_tap_of_its_own() {
    let mut jtag = attach("app");
    let pc = jtag.halt(1).expect("it stops");
    assert!((symbol("app_start")..symbol("app_start") + 32).contains(&pc), "{pc:#x}");
    let counts = |jtag: &mut Jtag| [word(jtag, DATA), word(jtag, DATA + 4)];
    let before = counts(&mut jtag);
    let behind = counts(&mut jtag);
    assert!(behind[0] > before[0], "PRO_CPU runs on");
    assert_eq!(behind[1], before[1]);
    let app_round = symbol("app_round");
    jtag.set_breakpoint(1, app_round, true).expect("there are two");
    jtag.go_on(1).expect("it goes on");
    assert_eq!(jtag.wait_halted(1, Duration::from_secs(5)).expect("it stops"), app_round);
}

#[test]
fn the_chip_is_reset_and_stopped_before_its_first_instruction() {
    let mut jtag = attach("reset");
    assert_eq!(jtag.reset_and_halt().expect("a reset"), 0x4000_0400);
    let store = symbol("store");
    jtag.set_breakpoint(0, store, true).expect("there are two");
    jtag.go_on(0).expect("it goes on");
    assert_eq!(jtag.wait_halted(0, Duration::from_secs(20)).expect("it stops"), store);
    assert_eq!(jtag.register(0, "a2").expect("a register"), 1, "it has booted");
}

#[test]
fn flash_is_written_and_its_surroundings_are_kept() {
    let mut jtag = attach("flash");
    let bytes: Vec<u8> = (0..5_000_u32).map(|n| (n * 7 + n / 256) as u8).collect();
    let mut told = Vec::new();
    jtag.write_flash(0x11_0100, &bytes, &mut |news| told.push((news.done, news.total)))
        .unwrap_or_else(|error| panic!("{error}"));
    drop(jtag);
    let board = boards().remove("flash").expect("it is back");
    let mut read = vec![0; bytes.len() + 2];
    board.flash().read(0x11_00ff, &mut read).expect("inside");
    assert!(read[1..=bytes.len()] == bytes && read[0] == 0xff, "{:x?}", &read[..8]);
    assert_eq!(told.last(), Some(&(5_000, 5_000)));
    let mut image = [0; 4];
    board.flash().read(0x1000, &mut image).expect("inside");
    assert_eq!(image[0], 0xe9);
}

#[test]
fn a_board_goes_on_when_the_session_ends() {
    let mut jtag = attach("end");
    jtag.halt(0).expect("it stops");
    drop(jtag);
    let mut board = boards().remove("end").expect("it is back");
    let count = |board: &Board| {
        let mut bytes = [0; 4];
        let core = esp32_emulator::peripherals::CoreId::Pro;
        board.chip().read_memory(core, DATA, &mut bytes);
        u32::from_le_bytes(bytes)
    };
    let before = count(&board);
    run(&mut board, time::Duration::from_millis(1));
    assert!(count(&board) > before + 1_000);
}
