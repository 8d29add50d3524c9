//! The chip's JTAG, bit by bit: two TAPs, and through their debug modules the cores.

use crate::common;
use crate::common::{Program, Random, after, run_for, run_to, word};
use esp32_emulator::cpu::assembler::Assembler;
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::Esp32;

const PWRCTL: u32 = 0x08;
const PWRSTAT: u32 = 0x09;
const NARSEL: u32 = 0x1c;
const IDCODE: u32 = 0x1e;
const BYPASS: u32 = 0x1f;
const DCRCLR: u32 = 0x42;
const DCRSET: u32 = 0x43;
const DSR: u32 = 0x44;
const DDR: u32 = 0x45;
const DDREXEC: u32 = 0x46;
const DIR0EXEC: u32 = 0x47;
const DIR0: u32 = 0x48;
const OCDID: u32 = 0x40;
const ENABLE_OCD: u32 = 1;
const DEBUG_INTERRUPT: u32 = 2;
const STOPPED: u32 = 1 << 4;

const DATA: u32 = 0x3ffb_0000;

/// Both cores count: PRO_CPU in a loop of its own, APP_CPU in another.
const PROGRAM: &str = "
    .literal data, 0x3ffb0000
    .literal dport, 0x3ff00000
    .literal dcrset, 0x10200c
    start:
        movi a2, 0x20; wsr a2, ps; rsync
        l32r a3, data
        l32r a4, dport
        movi a2, 0
        rsr a5, prid
        extui a5, a5, 13, 1
        bnez a5, app
        movi a5, 1; s32i a5, a4, 0x30
        movi a5, 0; s32i a5, a4, 0x2c
        l32r a6, dcrset
    round:
        addi a2, a2, 1
    store:
        s32i a2, a3, 0
        rer a7, a6
        s32i a7, a3, 8
        j round
    app:
        addi a2, a2, 1
        s32i a2, a3, 4
        j app
    done: j done
";

/// Pins that drive the chain.
struct Probe {
    chip: Esp32,
    /// Cycles for each clock.
    pace: u64,
    /// The core that is spoken to; the other TAP is in BYPASS.
    core: usize,
}

impl Probe {
    fn new(chip: Esp32) -> Self {
        let mut probe = Self { chip, pace: 40, core: 0 };
        for tms in [true, true, true, true, true, false] {
            probe.clock(tms, true);
        }
        probe
    }

    fn clock(&mut self, tms: bool, tdi: bool) -> bool {
        let tdo = self.chip.jtag_clock(tms, tdi);
        let end = after(&self.chip, self.pace);
        run_to(&mut self.chip, end);
        tdo
    }

    /// From Run-Test/Idle through Shift and back.
    fn scan(&mut self, instruction: bool, bits: u32, value: u64) -> u64 {
        let path =
            if instruction { &[true, true, false, false][..] } else { &[true, false, false] };
        for &tms in path {
            self.clock(tms, false);
        }
        let mut out = 0;
        for n in 0..bits {
            let tdo = self.clock(n + 1 == bits, value >> n & 1 != 0);
            out |= u64::from(tdo) << n;
        }
        self.clock(true, false);
        self.clock(false, false);
        out
    }

    fn instruction(&mut self, instruction: u32) {
        let (pro, app) = match self.core {
            0 => (instruction, BYPASS),
            _ => (BYPASS, instruction),
        };
        let captured = self.scan(true, 10, u64::from(app) << 5 | u64::from(pro));
        assert_eq!(captured, 0b00001_00001, "what the standard wants");
    }

    fn data(&mut self, bits: u32, value: u32) -> u32 {
        // The other TAP's bit lies behind PRO_CPU's register, or before APP_CPU's.
        match self.core {
            0 => self.scan(false, bits + 1, value.into()) as u32 & (u32::MAX >> (32 - bits)),
            _ => (self.scan(false, bits + 1, u64::from(value) << 1) >> 1) as u32,
        }
    }

    fn write(&mut self, register: u32, value: u32) {
        self.instruction(NARSEL);
        assert_eq!(self.data(8, register << 1 | 1) & 3, 0, "the access before is done");
        self.data(32, value);
    }

    fn read(&mut self, register: u32) -> u32 {
        self.instruction(NARSEL);
        self.data(8, register << 1);
        self.data(32, 0)
    }

    fn power(&mut self, instruction: u32, value: u32) -> u32 {
        self.instruction(instruction);
        self.data(8, value)
    }

    /// Has the core execute an instruction; what DSR says then, without the bits about DDR.
    fn execute(&mut self, instruction: &str) -> u32 {
        self.write(DIR0EXEC, encoded(instruction));
        self.read(DSR) & !0xcc00
    }

    /// Reads a special register by way of a3, which is lost.
    fn special(&mut self, name: &str) -> u32 {
        self.execute(&format!("rsr a3, {name}"));
        self.execute("wsr a3, ddr");
        self.read(DDR)
    }

    fn halt(&mut self) {
        self.write(DCRSET, ENABLE_OCD | DEBUG_INTERRUPT);
        assert_eq!(self.read(DSR) & STOPPED, STOPPED);
    }

    fn resume(&mut self) {
        self.write(DIR0EXEC, encoded("rfdo 0"));
        assert_eq!(self.read(DSR) & STOPPED, 0);
    }
}

fn encoded(instruction: &str) -> u32 {
    let code = Assembler::new(0x4000_0000).assemble(instruction).expect("an instruction");
    let mut word = [0; 4];
    word[..3].copy_from_slice(&code.bytes()[..3]);
    u32::from_le_bytes(word)
}

fn probe() -> (Probe, Program) {
    let program = Program::new(PROGRAM);
    let mut chip = program.chip();
    run_for(&mut chip, 2_000);
    (Probe::new(chip), program)
}

#[test]
fn two_taps_say_who_they_are() {
    let (mut probe, _) = probe();
    // After a reset IDCODE is selected, PRO_CPU's comes first.
    assert_eq!(probe.scan(false, 64, u64::MAX), 0x1200_34e5_1200_34e5);
    for core in [0, 1] {
        probe.core = core;
        probe.instruction(IDCODE);
        assert_eq!(probe.data(32, 0), 0x1200_34e5);
    }
    // One bit each in BYPASS, which captures 0.
    probe.scan(true, 10, 0x3ff);
    assert_eq!(probe.scan(false, 8, 0b1011_0110), 0b1101_1000);
}

#[test]
fn a_core_stops_while_the_other_runs_on() {
    for core in [0, 1] {
        let (mut probe, _) = probe();
        probe.core = core;
        probe.halt();
        let counts = |probe: &Probe| [DATA, DATA + 4].map(|at| word(&probe.chip, at));
        let before = counts(&probe);
        run_for(&mut probe.chip, 10_000);
        let behind = counts(&probe);
        assert_eq!(before[core], behind[core]);
        assert!(behind[1 - core] > before[1 - core] + 1_000, "{before:?} {behind:?}");
        probe.resume();
        run_for(&mut probe.chip, 10_000);
        assert!(word(&probe.chip, DATA + 4 * core as u32) > behind[core] + 1_000);
    }
}

/// A served chip hears many scans at one instant of its time.
#[test]
fn a_core_that_was_asked_to_stop_has_stopped_before_the_next_scan() {
    for core in [0, 1] {
        let (mut probe, _) = probe();
        (probe.core, probe.pace) = (core, 0);
        probe.write(DCRSET, ENABLE_OCD | DEBUG_INTERRUPT);
        assert_eq!(probe.execute("nop") & 0x1f, 0x11, "done, and stopped");
        // And one that is let go and asked again at the same instant.
        let at = probe.special("epc6");
        probe.resume();
        probe.halt();
        assert_eq!(probe.special("epc6"), at);
    }
}

#[test]
fn a_core_without_a_clock_has_no_debug_module() {
    let mut probe = Probe::new(Program::new("start: j start").chip());
    let answers = |probe: &mut Probe| {
        probe.write(DCRSET, ENABLE_OCD | DEBUG_INTERRUPT);
        [OCDID, DSR].map(|register| probe.read(register))
    };
    let [id, status] = answers(&mut probe);
    assert!(id != 0 && status & STOPPED != 0);
    probe.core = 1;
    assert_eq!(answers(&mut probe), [0, 0]);
}

#[test]
fn registers_and_memory_go_through_ddr() {
    let (mut probe, program) = probe();
    probe.halt();
    let a2 = {
        probe.execute("wsr a2, ddr");
        probe.read(DDR)
    };
    assert!(a2 > 10);
    assert_eq!(probe.special("debugcause"), 1 << 5, "a debug interrupt");
    assert_eq!(probe.special("eps6"), 0x20, "PS of the program");
    assert_eq!(probe.special("ps"), 0x36, "its own: level 6, EXCM");
    let pc = probe.special("epc6");
    assert!((program.symbol("round")..program.symbol("app")).contains(&pc), "{pc:#x}");
    // Two words by SDDR32.P, and both again by LDDR32.P.
    probe.write(DDR, DATA + 0x40);
    probe.execute("rsr a3, ddr");
    probe.write(DIR0, encoded("sddr32.p a3"));
    probe.write(DDREXEC, 0x0123_4567);
    probe.write(DDREXEC, 0x89ab_cdef);
    assert_eq!(word(&probe.chip, DATA + 0x44), 0x89ab_cdef);
    probe.write(DDR, DATA + 0x40);
    probe.execute("rsr a3, ddr");
    assert_eq!(probe.execute("lddr32.p a3") & 0xf, 1, "done");
    assert_eq!([probe.read(DDREXEC), probe.read(DDR)], [0x0123_4567, 0x89ab_cdef]);
    // Put right what was used, and the program has seen nothing.
    probe.write(DDR, DATA);
    probe.execute("rsr a3, ddr");
    probe.resume();
    run_for(&mut probe.chip, 1_000);
    assert!(word(&probe.chip, DATA) > a2);
}

#[test]
fn what_an_instruction_does_wrong_is_told_and_nothing_else_happens() {
    let (mut probe, _) = probe();
    probe.write(DCRSET, ENABLE_OCD);
    assert_eq!(probe.execute("nop") & 0x1f, 0, "ignored: the core is not stopped");
    probe.halt();
    let registers = |probe: &Probe| {
        // EXCCAUSE and EXCVADDR tell the debugger what it was.
        common::registers(&probe.chip, CoreId::Pro, &[232, 238])
    };
    probe.write(DDR, 0x1000);
    probe.execute("rsr a3, ddr");
    let before = registers(&probe);
    for wrong in ["l32i a4, a3, 0", "lddr32.p a3", "sddr32.p a3", "ill", "syscall"] {
        assert_eq!(probe.execute(wrong) & 0x1f, 0x13, "{wrong}");
        assert_eq!(registers(&probe), before, "{wrong}");
        probe.write(DSR, 2);
        assert_eq!(probe.execute("nop") & 0x1f, 0x11);
    }
    // Transfers of control go nowhere.
    assert_eq!(probe.execute("jx a3") & 0x1f, 0x11);
    assert_eq!(registers(&probe), before);
}

#[test]
fn breakpoints_watchpoints_and_counted_steps_stop_the_core() {
    let (mut probe, program) = probe();
    probe.halt();
    let set = |probe: &mut Probe, register: &str, value: u32| {
        probe.write(DDR, value);
        probe.execute("rsr a4, ddr");
        probe.execute(&format!("wsr a4, {register}"));
    };
    let store = program.symbol("store");
    set(&mut probe, "ibreaka0", store);
    set(&mut probe, "ibreakenable", 1);
    probe.write(DIR0EXEC, encoded("rfdo 0"));
    run_for(&mut probe.chip, 1_000);
    assert_eq!(probe.read(DSR) & STOPPED, STOPPED);
    // `special` spoils a3, the program's pointer.
    let stopped_by = |probe: &mut Probe, cause: u32, at: u32| {
        assert_eq!(probe.special("debugcause"), cause);
        assert_eq!(probe.special("epc6"), at);
        probe.write(DDR, DATA);
        probe.execute("rsr a3, ddr");
    };
    stopped_by(&mut probe, 1 << 1, store);
    set(&mut probe, "ibreakenable", 0);
    // One instruction below level 1: from -2 to 0.
    set(&mut probe, "icount", 0xffff_fffe);
    set(&mut probe, "icountlevel", 1);
    probe.write(DIR0EXEC, encoded("rfdo 0"));
    run_for(&mut probe.chip, 1_000);
    stopped_by(&mut probe, 1 << 0, store + 3);
    set(&mut probe, "icountlevel", 0);
    set(&mut probe, "dbreaka1", DATA);
    set(&mut probe, "dbreakc1", 1 << 31 | 0x3f);
    probe.write(DIR0EXEC, encoded("rfdo 0"));
    run_for(&mut probe.chip, 1_000);
    stopped_by(&mut probe, 1 << 2 | 1 << 8, store);
    // The debugger itself is not watched, not even by a watchpoint that it has just set.
    set(&mut probe, "dbreakc1", 3 << 30 | 0x3f);
    assert_eq!(probe.execute("lddr32.p a3") & 0xf, 1, "done");
    assert_eq!(probe.read(DDR), word(&probe.chip, DATA));
    probe.write(DDR, DATA);
    probe.execute("rsr a3, ddr");
    probe.write(DIR0EXEC, encoded("rfdo 0"));
    run_for(&mut probe.chip, 1_000);
    stopped_by(&mut probe, 1 << 2 | 1 << 8, store);
}

#[test]
fn no_bits_do_harm() {
    for seed in 1..4 {
        let (mut probe, _) = probe();
        probe.halt();
        let mut random = Random::new(seed);
        for _ in 0..400 {
            // Scans of any register with any data, and now and then no scan at all.
            probe.core = random.below(2) as usize;
            probe.instruction(
                [NARSEL, NARSEL, NARSEL, PWRSTAT, random.next() & 0x1f][random.below(5) as usize],
            );
            probe.data(8, (0x40 + random.below(12)) << 1 | random.next() & 1);
            probe.data(32, random.next());
            for _ in 0..random.below(8) {
                let bits = random.next();
                probe.clock(bits & 1 != 0, bits & 2 != 0);
            }
            for tms in [true, true, true, true, true, false] {
                probe.clock(tms, true);
            }
        }
        assert_eq!(probe.scan(false, 64, 0), 0x1200_34e5_1200_34e5);
        probe.chip.power_off();
        probe.chip.power_on();
        run_for(&mut probe.chip, 2_000);
        assert!(word(&probe.chip, DATA) > 10, "{}", common::where_it_is(&probe.chip));
    }
}

#[test]
fn a_core_that_is_held_in_reset_stops_at_its_vector() {
    let (mut probe, _) = probe();
    assert_eq!(probe.power(PWRSTAT, 0x50) & 0x17, 0x17, "on, and it was reset");
    assert_eq!(probe.power(PWRSTAT, 0), 0x07, "cleared");
    probe.power(PWRCTL, 0x97);
    probe.write(DCRSET, ENABLE_OCD | DEBUG_INTERRUPT);
    run_for(&mut probe.chip, 1_000);
    assert_eq!(probe.read(DSR) & STOPPED, 0, "not while it is held");
    assert_eq!(probe.power(PWRCTL, 0x87), 0x97);
    assert_eq!(probe.read(DSR) & STOPPED, STOPPED);
    assert_eq!(probe.special("epc6"), 0x4000_0400);
    assert_eq!(probe.power(PWRSTAT, 0), 0x17);
    probe.write(DCRCLR, ENABLE_OCD);
    probe.resume();
}

#[test]
fn firmware_sees_that_a_debugger_is_there() {
    let (mut probe, _) = probe();
    assert_eq!(word(&probe.chip, DATA + 8), 0);
    probe.write(DCRSET, ENABLE_OCD);
    run_for(&mut probe.chip, 1_000);
    assert_eq!(word(&probe.chip, DATA + 8), ENABLE_OCD);
    probe.write(DCRCLR, ENABLE_OCD);
    run_for(&mut probe.chip, 1_000);
    assert_eq!(word(&probe.chip, DATA + 8), 0);
}
