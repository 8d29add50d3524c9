//! Chips that run a test's own assembled program from reset.
//!
//! The program *is* the mask ROM: window handlers as the ABI wants them, a jump from every other
//! vector to a label, and the test's code. No strap asks for a boot from flash, so no watchdog
//! runs.

#![allow(dead_code, reason = "the benchmark uses a part")]

use esp32_emulator::board::parts::nor_flash::{FlashIdentity, FlashSize, NorFlash};
use esp32_emulator::board::parts::psram::Psram;
use esp32_emulator::cpu::Cpu;
use esp32_emulator::cpu::assembler::{Assembler, Assembly};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::{ChipConfig, Esp32, RomChoice, Stopped};
use esp32_emulator::time::{Duration, Instant};

/// Where the mask ROM, and with it the vectors, begin.
pub(crate) const ROM: u32 = 0x4000_0000;
/// The crystal's 40 MHz clock both cores after reset: base ticks per cycle.
pub(crate) const TICKS_PER_CYCLE: u64 = 12;

/// Overflow saves a frame below the next frame's stack pointer, underflow fetches it from there.
pub(crate) const WINDOW_VECTORS: &str = "
    s32e a0, a5, -16; s32e a1, a5, -12; s32e a2, a5, -8; s32e a3, a5, -4; rfwo
    .org 0x40000040
    l32e a0, a5, -16; l32e a1, a5, -12; l32e a2, a5, -8; l32e a3, a5, -4; rfwu
    .org 0x40000080
    s32e a0, a9, -16; l32e a0, a1, -12
    s32e a1, a9, -12; s32e a2, a9, -8; s32e a3, a9, -4
    s32e a4, a0, -32; s32e a5, a0, -28; s32e a6, a0, -24; s32e a7, a0, -20; rfwo
    .org 0x400000c0
    l32e a1, a9, -12; l32e a0, a9, -16; l32e a7, a1, -12
    l32e a2, a9, -8; l32e a3, a9, -4
    l32e a4, a7, -32; l32e a5, a7, -28; l32e a6, a7, -24; l32e a7, a7, -20; rfwu
    .org 0x40000100
    s32e a0, a13, -16; l32e a0, a1, -12
    s32e a1, a13, -12; s32e a2, a13, -8; s32e a3, a13, -4
    s32e a4, a0, -48; s32e a5, a0, -44; s32e a6, a0, -40; s32e a7, a0, -36
    s32e a8, a0, -32; s32e a9, a0, -28; s32e a10, a0, -24; s32e a11, a0, -20; rfwo
    .org 0x40000140
    l32e a1, a13, -12; l32e a0, a13, -16; l32e a11, a1, -12
    l32e a2, a13, -8; l32e a3, a13, -4
    l32e a4, a11, -48; l32e a5, a11, -44; l32e a6, a11, -40; l32e a7, a11, -36
    l32e a8, a11, -32; l32e a9, a11, -28; l32e a10, a11, -24; l32e a11, a11, -20; rfwu
";

/// The other vectors: offset from VECBASE, and the label that they jump to.
const VECTORS: [(u32, &str); 9] = [
    (0x180, "level2"),
    (0x1c0, "level3"),
    (0x200, "level4"),
    (0x240, "level5"),
    (0x280, "debug"),
    (0x2c0, "nmi"),
    (0x300, "kernel"),
    (0x340, "user"),
    (0x3c0, "double"),
];

/// A ROM made of a test's source.
pub(crate) struct Program {
    assembly: Assembly,
    rom: Vec<u8>,
}

impl Program {
    /// Assembles `source`, which begins at `start:` after its literals. Vectors whose label it does
    /// not define lead to the endless loop `unexpected`; its own end should be `done: j done`.
    pub(crate) fn new(source: &str) -> Self {
        let mut text = WINDOW_VECTORS.to_owned();
        let mut missing = String::new();
        for (offset, label) in VECTORS {
            text += &format!(".org {:#x}\nj {label}\n", ROM + offset);
            if !source.contains(&format!("{label}:")) {
                missing += &format!("{label}: j unexpected\n");
            }
        }
        text += &format!(
            ".org {:#x}\nj start\n.align 4\n{source}\nunexpected: j unexpected\n{missing}",
            ROM + 0x400
        );
        let assembly = match Assembler::new(ROM).assemble(&text) {
            Ok(assembly) => assembly,
            Err(error) => {
                let line = text.lines().nth(error.line - 1).unwrap_or("");
                panic!("{error}: {line}")
            }
        };
        let rom = assembly.bytes().to_vec();
        Self { assembly, rom }
    }

    /// The address of a label.
    pub(crate) fn symbol(&self, name: &str) -> u32 {
        self.assembly.symbol(name).unwrap_or_else(|| panic!("no symbol {name}"))
    }

    /// Gives the literal of that name another value.
    pub(crate) fn set_literal(&mut self, name: &str, value: u32) {
        let at = (self.symbol(name) - ROM) as usize;
        self.rom[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Puts other bytes behind a label.
    pub(crate) fn set_bytes(&mut self, name: &str, bytes: &[u8]) {
        let at = (self.symbol(name) - ROM) as usize;
        self.rom[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Fills a word of the ROM that the assembled code does not reach.
    pub(crate) fn set_rom_word(&mut self, address: u32, value: u32) {
        let at = (address - ROM) as usize;
        assert!(at >= self.assembly.bytes().len(), "{address:#x} is code");
        self.rom.resize(self.rom.len().max(at + 4), 0);
        self.rom[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// The ROM's bytes.
    pub(crate) fn rom(&self) -> &[u8] {
        &self.rom
    }

    /// The chip just out of reset. It compiles blocks when it reaches them.
    pub(crate) fn chip(&self) -> Esp32 {
        self.chip_that_compiles(Some(0))
    }

    /// The same, that compiles blocks after so many runs, or never.
    pub(crate) fn chip_that_compiles(&self, compile_after: Option<u32>) -> Esp32 {
        let config = ChipConfig { compile_after, ..ChipConfig::default() };
        self.chip_with(config, flash(), None)
    }

    /// The same with everything chosen but the ROM.
    pub(crate) fn chip_with(
        &self,
        config: ChipConfig,
        flash: NorFlash,
        psram: Option<Psram>,
    ) -> Esp32 {
        let rom = RomChoice::Image([self.rom.clone(), self.rom.clone()]);
        let mut chip = Esp32::new(&ChipConfig { rom, ..config }, flash, psram);
        chip.set_straps(0);
        chip.power_on();
        chip
    }

    /// Runs until PRO_CPU is at `done`, at most `cycles` cycles of the crystal.
    pub(crate) fn finish(&self, chip: &mut Esp32, cycles: u64) {
        let (done, end) = (self.symbol("done"), after(chip, cycles));
        while chip.cpu(CoreId::Pro).pc != done {
            assert!(chip.now() < end, "not done: {}", where_it_is(chip));
            run_for(chip, cycles.min(1000));
        }
    }

    /// Runs it on a chip of its own to its end, at most 100 000 cycles; the same whether it is
    /// compiled or interpreted.
    pub(crate) fn run(&self) -> Esp32 {
        let finished = |compile_after| {
            let mut chip = self.chip_that_compiles(compile_after);
            self.finish(&mut chip, 100_000);
            chip
        };
        let (compiled, interpreted) = (finished(Some(0)), finished(None));
        assert_same(&state(&compiled), &state(&interpreted), "compiled and interpreted");
        compiled
    }
}

/// A blank flash chip of 1 MiB.
pub(crate) fn flash() -> NorFlash {
    NorFlash::new(FlashSize::MiB1, FlashIdentity::WINBOND)
}

/// A flash chip with an application as an image of one segment at 0x1000, for our own ROM to start.
/// It is linked to `base` and begins at `start:`.
pub(crate) fn application(base: u32, source: &str) -> (NorFlash, Assembly) {
    let assembly = match Assembler::new(base).assemble(source) {
        Ok(assembly) => assembly,
        Err(error) => {
            panic!("{error}: {}", source.lines().nth(error.line - 1).unwrap_or(""))
        }
    };
    let entry = assembly.symbol("start").expect("a label");
    let mut code = assembly.bytes().to_vec();
    code.resize(code.len().next_multiple_of(4), 0);
    let mut image = vec![0xe9, 1, 2, 0x20];
    image.extend(entry.to_le_bytes());
    image.extend([0xee, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    image.extend(base.to_le_bytes());
    image.extend((code.len() as u32).to_le_bytes());
    image.extend(&code);
    while image.len() % 16 != 15 {
        image.push(0);
    }
    image.push(code.iter().fold(0xef, |sum, byte| sum ^ byte));
    let mut chip = flash();
    chip.load(0x1000, &image).expect("inside the chip");
    (chip, assembly)
}

/// A chip with our own ROM that has begun to boot from this flash.
pub(crate) fn boot(flash: NorFlash) -> Esp32 {
    let mut chip = Esp32::new(&ChipConfig::default(), flash, None);
    chip.set_straps(0x12);
    chip.power_on();
    chip
}

/// The instant that many cycles of the crystal from now.
pub(crate) fn after(chip: &Esp32, cycles: u64) -> Instant {
    chip.now() + Duration::from_ticks(cycles * TICKS_PER_CYCLE)
}

/// Lets `cycles` cycles of the crystal pass; UART output stays where it is.
pub(crate) fn run_for(chip: &mut Esp32, cycles: u64) {
    let end = after(chip, cycles);
    run_to(chip, end);
}

/// Runs to `end`, taking all output.
pub(crate) fn run_to(chip: &mut Esp32, end: Instant) {
    loop {
        match chip.run_until(end) {
            Stopped::Deadline => return,
            Stopped::Air => chip.leave_unanswered(),
            Stopped::Output => (0..3).for_each(|port| while chip.take_output(port).is_some() {}),
            other => panic!("{other:?}: {}", where_it_is(chip)),
        }
    }
}

/// The word at `address` as PRO_CPU sees it.
pub(crate) fn word(chip: &Esp32, address: u32) -> u32 {
    let mut bytes = [0; 4];
    assert_eq!(chip.read_memory(CoreId::Pro, address, &mut bytes), 4, "{address:#x}");
    u32::from_le_bytes(bytes)
}

/// Both program counters and exception registers, for messages.
pub(crate) fn where_it_is(chip: &Esp32) -> String {
    let core = |core| {
        let cpu: &Cpu = chip.cpu(core);
        format!(
            "{core:?} pc {:#x} ps {:#x} epc1 {:#x} cause {} vaddr {:#x} cycle {}",
            cpu.pc,
            cpu.ps(),
            cpu.epc1(),
            cpu.exccause(),
            cpu.excvaddr(),
            cpu.cycle
        )
    };
    format!("{}; {}", core(CoreId::Pro), core(CoreId::App))
}

/// Everything that a program can see of a core, without the cycle counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registers {
    pub(crate) pc: u32,
    pub(crate) file: Vec<u32>,
    pub(crate) special: Vec<(u8, u32)>,
}

const CCOUNT: u8 = 234;

/// The registers of one core; of the special ones all but CCOUNT and those in `without`.
pub(crate) fn registers(chip: &Esp32, core: CoreId, without: &[u8]) -> Registers {
    let cpu = chip.cpu(core);
    Registers {
        pc: cpu.pc,
        file: (0..64).map(|n| cpu.physical_ar(n)).collect(),
        special: (0..=u8::MAX)
            .filter(|n| *n != CCOUNT && !without.contains(n))
            .filter_map(|n| Some((n, cpu.special(n)?)))
            .collect(),
    }
}

/// The whole state of a chip in which two equal runs must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) now: Instant,
    pub(crate) events: u64,
    pub(crate) cycles: [u64; 2],
    pub(crate) registers: [Registers; 2],
    pub(crate) memory: u64,
}

/// Takes the state of a chip.
pub(crate) fn state(chip: &Esp32) -> State {
    let cores = [CoreId::Pro, CoreId::App];
    State {
        now: chip.now(),
        events: chip.event_hash(),
        cycles: cores.map(|core| chip.cpu(core).cycle),
        registers: cores.map(|core| registers(chip, core, &[])),
        memory: memory_hash(chip),
    }
}

/// A hash of SRAM0 to SRAM2 and the RTC memories.
pub(crate) fn memory_hash(chip: &Esp32) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let ranges = [
        (0x3ffa_e000, 0x5_2000),
        (0x4007_0000, 0x3_0000),
        (0x3ff8_0000, 0x2000),
        (0x5000_0000, 0x2000),
    ];
    for (address, len) in ranges {
        let mut bytes = vec![0; len];
        chip.read_memory(CoreId::Pro, address, &mut bytes);
        let (words, _) = bytes.as_chunks::<8>();
        for word in words {
            hash = (hash ^ u64::from_le_bytes(*word))
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(29);
        }
    }
    hash
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32
    }

    /// 0 to `n` - 1.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(n)) >> 32) as u32
    }
}

impl State {
    /// What differs from `other`, for messages.
    pub(crate) fn differences(&self, other: &Self) -> String {
        let mut text = String::new();
        if self.now != other.now {
            text += &format!("now {} / {}; ", self.now.ticks(), other.now.ticks());
        }
        if self.events != other.events {
            text += "events; ";
        }
        if self.memory != other.memory {
            text += "memory; ";
        }
        for core in 0..2 {
            let (one, two) = (&self.registers[core], &other.registers[core]);
            text += &format!(
                "core {core}: pc {:#x} / {:#x}, cycle {} / {}",
                one.pc, two.pc, self.cycles[core], other.cycles[core]
            );
            let files = one.file.iter().zip(&two.file).enumerate();
            for (n, (one, two)) in files.filter(|(_, (one, two))| one != two) {
                text += &format!(", ar{n} {one:#x} / {two:#x}");
            }
            let special = one.special.iter().zip(&two.special);
            for (one, two) in special.filter(|(one, two)| one != two) {
                text += &format!(", special {} {:#x} / {:#x}", one.0, one.1, two.1);
            }
            text += "; ";
        }
        text
    }
}

/// Fails with the differences where two states are not equal.
#[track_caller]
pub(crate) fn assert_same(state: &State, expected: &State, what: &str) {
    assert!(state == expected, "{what}: {}", state.differences(expected));
}
