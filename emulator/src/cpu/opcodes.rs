//! The instruction table of the ESP32's LX6: mnemonics, fixed bits, operands.
//!
//! Source: Xtensa Instruction Set Architecture Reference Manual, chapter "Instruction Formats and
//! Opcodes"; the floating-point helpers, the double-precision accelerator, the debug and the
//! export-state instructions from the processor configuration that Espressif publishes for
//! binutils (xtensa-overlays, `xtensa_esp32`), which also settles what LX6 does *not* have: cache
//! instructions (the core has no caches of its own), RFUE, and updating loads that add first
//! (LSIU); instead LSIP and its kin use the address and add after.
//! Modelled: every instruction in that configuration, wide and narrow.
//! Not modelled: nothing of it. Bits that the configuration does not look at are not looked at
//! here (for example s in `RET`).

use super::operand::{Operand, kind::*};

/// One way to write an instruction as bits.
#[derive(Debug)]
pub(crate) struct Encoding {
    /// The instruction it stands for; several encodings may share one.
    pub(crate) opcode: Opcode,
    /// Mnemonic, with `.n` for a narrow form.
    pub(crate) name: &'static str,
    /// The word with all operands zero.
    pub(crate) bits: u32,
    /// Bits of the word that are compared with `bits`.
    pub(crate) mask: u32,
    /// In the order in which they are written.
    pub(crate) operands: &'static [Operand],
}

impl Encoding {
    const fn new(
        opcode: Opcode,
        name: &'static str,
        bits: u32,
        ignored: u32,
        operands: &'static [Operand],
    ) -> Self {
        let all = if is_narrow(bits) { 0xffff } else { 0xff_ffff };
        let mut mask = all & !ignored;
        let mut index = 0;
        while index < operands.len() {
            mask &= !operands[index].mask();
            index += 1;
        }
        Self { opcode, name, bits, mask, operands }
    }

    /// Bytes in memory: 2 or 3.
    pub(crate) const fn length(&self) -> u8 {
        if is_narrow(self.bits) { 2 } else { 3 }
    }
}

/// Whether a word begins a 16-bit instruction: field op0 is 8..=13.
pub(crate) const fn is_narrow(word: u32) -> bool {
    matches!(word & 15, 8..=13)
}

macro_rules! opcodes {
    ($($opcode:ident: $($name:literal $bits:literal $(ignore $ignored:literal)? [$($operand:expr),*]),+;)*) => {
        /// What an instruction does. Narrow and wide forms share one opcode; variants are the ISA
        /// mnemonics without dots.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Opcode {
            /// Not an instruction of the LX6; the core raises an illegal-instruction exception.
            Illegal,
            $(#[doc = concat!($("`", $name, "` "),+)] $opcode,)*
        }

        impl Opcode {
            /// Every opcode, [`Opcode::Illegal`] first, in the order of their numbers.
            pub const ALL: &[Self] = &[Self::Illegal, $(Self::$opcode),*];
        }

        pub(crate) static ENCODINGS: &[Encoding] = &[$($(
            Encoding::new(Opcode::$opcode, $name, $bits, 0 $(| $ignored)?, &[$($operand),*])
        ),+),*];
    };
}

opcodes! {
    // Arithmetic and logic
    Add: "add" 0x800000 [AR, AS, AT], "add.n" 0x000a [AR, AS, AT];
    Addx2: "addx2" 0x900000 [AR, AS, AT];
    Addx4: "addx4" 0xa00000 [AR, AS, AT];
    Addx8: "addx8" 0xb00000 [AR, AS, AT];
    Sub: "sub" 0xc00000 [AR, AS, AT];
    Subx2: "subx2" 0xd00000 [AR, AS, AT];
    Subx4: "subx4" 0xe00000 [AR, AS, AT];
    Subx8: "subx8" 0xf00000 [AR, AS, AT];
    And: "and" 0x100000 [AR, AS, AT];
    Or: "or" 0x200000 [AR, AS, AT];
    Xor: "xor" 0x300000 [AR, AS, AT];
    Neg: "neg" 0x600000 [AR, AT];
    Abs: "abs" 0x600100 [AR, AT];
    Addi: "addi" 0x00c002 [AT, AS, SIMM8], "addi.n" 0x000b [AT_IN_R, AS, ADDI_N];
    Addmi: "addmi" 0x00d002 [AT, AS, SIMM8X256];
    Mov: "mov.n" 0x000d [AT, AS];
    Movi: "movi" 0x00a002 [AT, SIMM12], "movi.n" 0x000c [AT_IN_S, MOVI_N];
    Moveqz: "moveqz" 0x830000 [AR, AS, AT];
    Movnez: "movnez" 0x930000 [AR, AS, AT];
    Movltz: "movltz" 0xa30000 [AR, AS, AT];
    Movgez: "movgez" 0xb30000 [AR, AS, AT];
    Min: "min" 0x430000 [AR, AS, AT];
    Max: "max" 0x530000 [AR, AS, AT];
    Minu: "minu" 0x630000 [AR, AS, AT];
    Maxu: "maxu" 0x730000 [AR, AS, AT];
    Sext: "sext" 0x230000 [AR, AS, SEXT_T];
    Clamps: "clamps" 0x330000 [AR, AS, SEXT_T];
    Nsa: "nsa" 0x40e000 [AT, AS];
    Nsau: "nsau" 0x40f000 [AT, AS];

    // Shifts
    Slli: "slli" 0x010000 [AR, AS, SLLI];
    Srai: "srai" 0x210000 [AR, AT, SRAI];
    Srli: "srli" 0x410000 [AR, AT, IMM_S];
    Extui: "extui" 0x040000 [AR, AT, EXTUI_SHIFT, EXTUI_WIDTH];
    Src: "src" 0x810000 [AR, AS, AT];
    Srl: "srl" 0x910000 [AR, AT];
    Sll: "sll" 0xa10000 [AR, AS];
    Sra: "sra" 0xb10000 [AR, AT];
    Ssr: "ssr" 0x400000 [AS];
    Ssl: "ssl" 0x401000 [AS];
    Ssa8l: "ssa8l" 0x402000 [AS];
    Ssa8b: "ssa8b" 0x403000 [AS];
    Ssai: "ssai" 0x404000 [SSAI];

    // Multiplication and division
    Mul16u: "mul16u" 0xc10000 [AR, AS, AT];
    Mul16s: "mul16s" 0xd10000 [AR, AS, AT];
    Mull: "mull" 0x820000 [AR, AS, AT];
    Muluh: "muluh" 0xa20000 [AR, AS, AT];
    Mulsh: "mulsh" 0xb20000 [AR, AS, AT];
    Quou: "quou" 0xc20000 [AR, AS, AT];
    Quos: "quos" 0xd20000 [AR, AS, AT];
    Remu: "remu" 0xe20000 [AR, AS, AT];
    Rems: "rems" 0xf20000 [AR, AS, AT];

    // Loads and stores
    L8ui: "l8ui" 0x000002 [AT, AS, UIMM8];
    L16ui: "l16ui" 0x001002 [AT, AS, UIMM8X2];
    L16si: "l16si" 0x009002 [AT, AS, UIMM8X2];
    L32i: "l32i" 0x002002 [AT, AS, UIMM8X4], "l32i.n" 0x0008 [AT, AS, IMM_RX4];
    L32r: "l32r" 0x000001 [AT, LITERAL16];
    L32ai: "l32ai" 0x00b002 [AT, AS, UIMM8X4];
    S8i: "s8i" 0x004002 [AT, AS, UIMM8];
    S16i: "s16i" 0x005002 [AT, AS, UIMM8X2];
    S32i: "s32i" 0x006002 [AT, AS, UIMM8X4], "s32i.n" 0x0009 [AT, AS, IMM_RX4];
    S32ri: "s32ri" 0x00f002 [AT, AS, UIMM8X4];
    S32nb: "s32nb" 0x590000 [AT, AS, IMM_RX4];
    S32c1i: "s32c1i" 0x00e002 [AT, AS, UIMM8X4];

    // Jumps, calls and windows
    J: "j" 0x000006 [LABEL18];
    Jx: "jx" 0x0000a0 [AS];
    Call0: "call0" 0x000005 [CALL18];
    Call4: "call4" 0x000015 [CALL18];
    Call8: "call8" 0x000025 [CALL18];
    Call12: "call12" 0x000035 [CALL18];
    Callx0: "callx0" 0x0000c0 [AS];
    Callx4: "callx4" 0x0000d0 [AS];
    Callx8: "callx8" 0x0000e0 [AS];
    Callx12: "callx12" 0x0000f0 [AS];
    Ret: "ret" 0x000080 ignore 0x000f00 [], "ret.n" 0xf00d ignore 0x0f00 [];
    Retw: "retw" 0x000090 ignore 0x000f00 [], "retw.n" 0xf01d ignore 0x0f00 [];
    Entry: "entry" 0x000036 [AS, ENTRY12];
    Movsp: "movsp" 0x001000 [AT, AS];
    Rotw: "rotw" 0x408000 [SIMM_T];
    L32e: "l32e" 0x090000 [AT, AS, WINDOW_R];
    S32e: "s32e" 0x490000 [AT, AS, WINDOW_R];

    // Branches
    Beq: "beq" 0x001007 [AS, AT, LABEL8];
    Bne: "bne" 0x009007 [AS, AT, LABEL8];
    Blt: "blt" 0x002007 [AS, AT, LABEL8];
    Bge: "bge" 0x00a007 [AS, AT, LABEL8];
    Bltu: "bltu" 0x003007 [AS, AT, LABEL8];
    Bgeu: "bgeu" 0x00b007 [AS, AT, LABEL8];
    Bany: "bany" 0x008007 [AS, AT, LABEL8];
    Bnone: "bnone" 0x000007 [AS, AT, LABEL8];
    Ball: "ball" 0x004007 [AS, AT, LABEL8];
    Bnall: "bnall" 0x00c007 [AS, AT, LABEL8];
    Bbc: "bbc" 0x005007 [AS, AT, LABEL8];
    Bbs: "bbs" 0x00d007 [AS, AT, LABEL8];
    Bbci: "bbci" 0x006007 [AS, BIT, LABEL8];
    Bbsi: "bbsi" 0x00e007 [AS, BIT, LABEL8];
    Beqz: "beqz" 0x000016 [AS, LABEL12], "beqz.n" 0x008c [AS, LABEL_N];
    Bnez: "bnez" 0x000056 [AS, LABEL12], "bnez.n" 0x00cc [AS, LABEL_N];
    Bltz: "bltz" 0x000096 [AS, LABEL12];
    Bgez: "bgez" 0x0000d6 [AS, LABEL12];
    Beqi: "beqi" 0x000026 [AS, B4, LABEL8];
    Bnei: "bnei" 0x000066 [AS, B4, LABEL8];
    Blti: "blti" 0x0000a6 [AS, B4, LABEL8];
    Bgei: "bgei" 0x0000e6 [AS, B4, LABEL8];
    Bltui: "bltui" 0x0000b6 [AS, B4U, LABEL8];
    Bgeui: "bgeui" 0x0000f6 [AS, B4U, LABEL8];
    Bf: "bf" 0x000076 [BS, LABEL8];
    Bt: "bt" 0x001076 [BS, LABEL8];
    Loop: "loop" 0x008076 [AS, LOOP8];
    Loopnez: "loopnez" 0x009076 [AS, LOOP8];
    Loopgtz: "loopgtz" 0x00a076 [AS, LOOP8];

    // Booleans
    Andb: "andb" 0x020000 [BR, BS, BT];
    Andbc: "andbc" 0x120000 [BR, BS, BT];
    Orb: "orb" 0x220000 [BR, BS, BT];
    Orbc: "orbc" 0x320000 [BR, BS, BT];
    Xorb: "xorb" 0x420000 [BR, BS, BT];
    Any4: "any4" 0x008000 ignore 0x000300 [BT, BS4];
    All4: "all4" 0x009000 ignore 0x000300 [BT, BS4];
    Any8: "any8" 0x00a000 ignore 0x000700 [BT, BS8];
    All8: "all8" 0x00b000 ignore 0x000700 [BT, BS8];
    Movf: "movf" 0xc30000 [AR, AS, BT];
    Movt: "movt" 0xd30000 [AR, AS, BT];

    // State, synchronisation, exceptions, debug
    Rsr: "rsr" 0x030000 [SR_READ, AT];
    Wsr: "wsr" 0x130000 [SR_WRITE, AT];
    Xsr: "xsr" 0x610000 [SR_SWAP, AT];
    Rur: "rur" 0xe30000 [UR_READ, AR];
    Wur: "wur" 0xf30000 [UR_WRITE, AT];
    Rer: "rer" 0x406000 [AT, AS];
    Wer: "wer" 0x407000 [AT, AS];
    Rsil: "rsil" 0x006000 [AT, IMM_S];
    Waiti: "waiti" 0x007000 [IMM_S];
    Nop: "nop" 0x0020f0 [], "nop.n" 0xf03d [];
    Isync: "isync" 0x002000 [];
    Rsync: "rsync" 0x002010 [];
    Esync: "esync" 0x002020 [];
    Dsync: "dsync" 0x002030 [];
    Excw: "excw" 0x002080 [];
    Memw: "memw" 0x0020c0 [];
    Extw: "extw" 0x0020d0 [];
    Ill: "ill" 0x000000 [], "ill.n" 0xf06d [];
    Syscall: "syscall" 0x005000 [];
    Simcall: "simcall" 0x005100 [];
    Rfe: "rfe" 0x003000 [];
    Rfde: "rfde" 0x003200 [];
    Rfwo: "rfwo" 0x003400 [];
    Rfwu: "rfwu" 0x003500 [];
    Rfi: "rfi" 0x003010 [IMM_S];
    Break: "break" 0x004000 [NUM_S, NUM_T];
    BreakN: "break.n" 0xf02d [NUM_S];
    Rfdo: "rfdo" 0xf1e000 [IMM_S];
    Rfdd: "rfdd" 0xf1e010 ignore 0x000f00 [];
    Lddr32P: "lddr32.p" 0x0070e0 [AS];
    Sddr32P: "sddr32.p" 0x0070f0 [AS];

    // Region protection
    Witlb: "witlb" 0x506000 [AT, AS];
    Wdtlb: "wdtlb" 0x50e000 [AT, AS];
    Ritlb0: "ritlb0" 0x503000 [AT, AS];
    Ritlb1: "ritlb1" 0x507000 [AT, AS];
    Rdtlb0: "rdtlb0" 0x50b000 [AT, AS];
    Rdtlb1: "rdtlb1" 0x50f000 [AT, AS];
    Pitlb: "pitlb" 0x505000 [AT, AS];
    Pdtlb: "pdtlb" 0x50d000 [AT, AS];
    Iitlb: "iitlb" 0x504000 [AS];
    Idtlb: "idtlb" 0x50c000 [AS];

    // Floating point
    Lsi: "lsi" 0x000003 [FT, AS, UIMM8X4];
    Lsip: "lsip" 0x008003 [FT, AS, UIMM8X4];
    Lsx: "lsx" 0x080000 [FR, AS, AT];
    Lsxp: "lsxp" 0x180000 [FR, AS, AT];
    Ssi: "ssi" 0x004003 [FT, AS, UIMM8X4];
    Ssip: "ssip" 0x00c003 [FT, AS, UIMM8X4];
    Ssx: "ssx" 0x480000 [FR, AS, AT];
    Ssxp: "ssxp" 0x580000 [FR, AS, AT];
    AddS: "add.s" 0x0a0000 [FR, FS, FT];
    SubS: "sub.s" 0x1a0000 [FR, FS, FT];
    MulS: "mul.s" 0x2a0000 [FR, FS, FT];
    MaddS: "madd.s" 0x4a0000 [FR, FS, FT];
    MsubS: "msub.s" 0x5a0000 [FR, FS, FT];
    MaddnS: "maddn.s" 0x6a0000 [FR, FS, FT];
    DivnS: "divn.s" 0x7a0000 [FR, FS, FT];
    RoundS: "round.s" 0x8a0000 [AR, FS, IMM_T];
    TruncS: "trunc.s" 0x9a0000 [AR, FS, IMM_T];
    FloorS: "floor.s" 0xaa0000 [AR, FS, IMM_T];
    CeilS: "ceil.s" 0xba0000 [AR, FS, IMM_T];
    UtruncS: "utrunc.s" 0xea0000 [AR, FS, IMM_T];
    FloatS: "float.s" 0xca0000 [FR, AS, IMM_T];
    UfloatS: "ufloat.s" 0xda0000 [FR, AS, IMM_T];
    UnS: "un.s" 0x1b0000 [BR, FS, FT];
    OeqS: "oeq.s" 0x2b0000 [BR, FS, FT];
    UeqS: "ueq.s" 0x3b0000 [BR, FS, FT];
    OltS: "olt.s" 0x4b0000 [BR, FS, FT];
    UltS: "ult.s" 0x5b0000 [BR, FS, FT];
    OleS: "ole.s" 0x6b0000 [BR, FS, FT];
    UleS: "ule.s" 0x7b0000 [BR, FS, FT];
    MoveqzS: "moveqz.s" 0x8b0000 [FR, FS, AT];
    MovnezS: "movnez.s" 0x9b0000 [FR, FS, AT];
    MovltzS: "movltz.s" 0xab0000 [FR, FS, AT];
    MovgezS: "movgez.s" 0xbb0000 [FR, FS, AT];
    MovfS: "movf.s" 0xcb0000 [FR, FS, BT];
    MovtS: "movt.s" 0xdb0000 [FR, FS, BT];
    MovS: "mov.s" 0xfa0000 [FR, FS];
    AbsS: "abs.s" 0xfa0010 [FR, FS];
    NegS: "neg.s" 0xfa0060 [FR, FS];
    ConstS: "const.s" 0xfa0030 [FR, IMM_S];
    Rfr: "rfr" 0xfa0040 [AR, FS];
    Wfr: "wfr" 0xfa0050 [FR, AS];
    Div0S: "div0.s" 0xfa0070 [FR, FS];
    Recip0S: "recip0.s" 0xfa0080 [FR, FS];
    Sqrt0S: "sqrt0.s" 0xfa0090 [FR, FS];
    Rsqrt0S: "rsqrt0.s" 0xfa00a0 [FR, FS];
    Nexp01S: "nexp01.s" 0xfa00b0 [FR, FS];
    MksadjS: "mksadj.s" 0xfa00c0 [FR, FS];
    MkdadjS: "mkdadj.s" 0xfa00d0 [FR, FS];
    AddexpS: "addexp.s" 0xfa00e0 [FR, FS];
    AddexpmS: "addexpm.s" 0xfa00f0 [FR, FS];

    // MAC16: see `Mac16` for `imm`
    Umul:
        "umul.aa.ll" 0x700004 [MAC, AS, AT], "umul.aa.hl" 0x710004 [MAC, AS, AT],
        "umul.aa.lh" 0x720004 [MAC, AS, AT], "umul.aa.hh" 0x730004 [MAC, AS, AT];
    Mul:
        "mul.dd.ll" 0x240004 [MAC, MX, MY], "mul.dd.hl" 0x250004 [MAC, MX, MY],
        "mul.dd.lh" 0x260004 [MAC, MX, MY], "mul.dd.hh" 0x270004 [MAC, MX, MY],
        "mul.ad.ll" 0x340004 [MAC, AS, MY], "mul.ad.hl" 0x350004 [MAC, AS, MY],
        "mul.ad.lh" 0x360004 [MAC, AS, MY], "mul.ad.hh" 0x370004 [MAC, AS, MY],
        "mul.da.ll" 0x640004 [MAC, MX, AT], "mul.da.hl" 0x650004 [MAC, MX, AT],
        "mul.da.lh" 0x660004 [MAC, MX, AT], "mul.da.hh" 0x670004 [MAC, MX, AT],
        "mul.aa.ll" 0x740004 [MAC, AS, AT], "mul.aa.hl" 0x750004 [MAC, AS, AT],
        "mul.aa.lh" 0x760004 [MAC, AS, AT], "mul.aa.hh" 0x770004 [MAC, AS, AT];
    Mula:
        "mula.dd.ll" 0x280004 [MAC, MX, MY], "mula.dd.hl" 0x290004 [MAC, MX, MY],
        "mula.dd.lh" 0x2a0004 [MAC, MX, MY], "mula.dd.hh" 0x2b0004 [MAC, MX, MY],
        "mula.ad.ll" 0x380004 [MAC, AS, MY], "mula.ad.hl" 0x390004 [MAC, AS, MY],
        "mula.ad.lh" 0x3a0004 [MAC, AS, MY], "mula.ad.hh" 0x3b0004 [MAC, AS, MY],
        "mula.da.ll" 0x680004 [MAC, MX, AT], "mula.da.hl" 0x690004 [MAC, MX, AT],
        "mula.da.lh" 0x6a0004 [MAC, MX, AT], "mula.da.hh" 0x6b0004 [MAC, MX, AT],
        "mula.aa.ll" 0x780004 [MAC, AS, AT], "mula.aa.hl" 0x790004 [MAC, AS, AT],
        "mula.aa.lh" 0x7a0004 [MAC, AS, AT], "mula.aa.hh" 0x7b0004 [MAC, AS, AT];
    Muls:
        "muls.dd.ll" 0x2c0004 [MAC, MX, MY], "muls.dd.hl" 0x2d0004 [MAC, MX, MY],
        "muls.dd.lh" 0x2e0004 [MAC, MX, MY], "muls.dd.hh" 0x2f0004 [MAC, MX, MY],
        "muls.ad.ll" 0x3c0004 [MAC, AS, MY], "muls.ad.hl" 0x3d0004 [MAC, AS, MY],
        "muls.ad.lh" 0x3e0004 [MAC, AS, MY], "muls.ad.hh" 0x3f0004 [MAC, AS, MY],
        "muls.da.ll" 0x6c0004 [MAC, MX, AT], "muls.da.hl" 0x6d0004 [MAC, MX, AT],
        "muls.da.lh" 0x6e0004 [MAC, MX, AT], "muls.da.hh" 0x6f0004 [MAC, MX, AT],
        "muls.aa.ll" 0x7c0004 [MAC, AS, AT], "muls.aa.hl" 0x7d0004 [MAC, AS, AT],
        "muls.aa.lh" 0x7e0004 [MAC, AS, AT], "muls.aa.hh" 0x7f0004 [MAC, AS, AT];
    MulaLd:
        "mula.dd.ll.ldinc" 0x080004 [MAC, MW, AS, MX, MY],
        "mula.dd.hl.ldinc" 0x090004 [MAC, MW, AS, MX, MY],
        "mula.dd.lh.ldinc" 0x0a0004 [MAC, MW, AS, MX, MY],
        "mula.dd.hh.ldinc" 0x0b0004 [MAC, MW, AS, MX, MY],
        "mula.dd.ll.lddec" 0x180004 [MAC, MW, AS, MX, MY],
        "mula.dd.hl.lddec" 0x190004 [MAC, MW, AS, MX, MY],
        "mula.dd.lh.lddec" 0x1a0004 [MAC, MW, AS, MX, MY],
        "mula.dd.hh.lddec" 0x1b0004 [MAC, MW, AS, MX, MY],
        "mula.da.ll.ldinc" 0x480004 [MAC, MW, AS, MX, AT],
        "mula.da.hl.ldinc" 0x490004 [MAC, MW, AS, MX, AT],
        "mula.da.lh.ldinc" 0x4a0004 [MAC, MW, AS, MX, AT],
        "mula.da.hh.ldinc" 0x4b0004 [MAC, MW, AS, MX, AT],
        "mula.da.ll.lddec" 0x580004 [MAC, MW, AS, MX, AT],
        "mula.da.hl.lddec" 0x590004 [MAC, MW, AS, MX, AT],
        "mula.da.lh.lddec" 0x5a0004 [MAC, MW, AS, MX, AT],
        "mula.da.hh.lddec" 0x5b0004 [MAC, MW, AS, MX, AT];
    Ldinc: "ldinc" 0x800004 [MW, AS];
    Lddec: "lddec" 0x900004 [MW, AS];

    // Double-precision accelerator
    F64iter: "f64iter" 0x8e0000 [AR, AS, AT, OP2_LOW2, OP2_BIT2];
    F64rnd: "f64rnd" 0x4e0000 [AR, AS, AT, OP2_LOW2];
    F64addc: "f64addc" 0xfb0000 [AT, AS, R_HIGH2, R_LOW1];
    F64subc: "f64subc" 0xfb8000 [AT, AS, R_HIGH2, R_LOW1];
    F64sig: "f64sig" 0x0ed000 [AT, AS];
    F64cmpl: "f64cmpl" 0xeb0000 [AR, AS, AT];
    F64cmph: "f64cmph" 0x0f0000 [AR, AS, AT, OP2];
    F64norm: "f64norm" 0x2e0000 [AR, AS, AT, OP2_LOW1];
    F64sexp: "f64sexp" 0x1e0000 [AR, AS, AT];
    Rf64r: "rf64r" 0x0bce00 [AT, S_LOW1];
    Wf64r: "wf64r" 0x0be000 [AS, AT, R_LOW1];

    // Export state
    ReadImpwire: "read_impwire" 0x0e0000 [AT];
    SetbExpstate: "setb_expstate" 0x0e1000 [BIT_INDEX];
    ClrbExpstate: "clrb_expstate" 0x0e1200 [BIT_INDEX];
    WrmskExpstate: "wrmsk_expstate" 0x0e2000 [AT, AS];
}
