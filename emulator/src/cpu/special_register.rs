//! Numbers, names and permitted accesses of the LX6's special and user registers.
//!
//! Source: Xtensa Instruction Set Architecture Reference Manual, chapter "Special Register
//! Summary"; which of them the ESP32 has, and for which of RSR, WSR and XSR, is the
//! configuration that Espressif publishes for binutils (xtensa-overlays, `xtensa_esp32`).
//! Modelled: names and accesses. Not modelled: contents, they belong to the core.

/// What an instruction does with a special register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `RSR`.
    Read,
    /// `WSR`.
    Write,
    /// `XSR`.
    Exchange,
}

/// Which accesses exist for a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    All,
    Read,
    Write,
    ReadWrite,
}

/// Numbers of the special registers, by the names of the ISA manual.
pub mod sr {
    macro_rules! numbers {
        ($($name:ident $number:literal $has:ident;)*) => {
            $(#[doc = concat!("Special register ", stringify!($name), ".")]
            pub const $name: u8 = $number;)*
            pub(super) const ALL: &[(u8, &str, super::Has)] =
                &[$(($number, stringify!($name), super::Has::$has)),*];
        };
    }
    numbers! {
        LBEG 0 All; LEND 1 All; LCOUNT 2 All; SAR 3 All; BR 4 All; LITBASE 5 All;
        SCOMPARE1 12 All; ACCLO 16 All; ACCHI 17 All; M0 32 All; M1 33 All; M2 34 All; M3 35 All;
        WINDOWBASE 72 All; WINDOWSTART 73 All; MMID 89 Write; IBREAKENABLE 96 All; MEMCTL 97 All;
        ATOMCTL 99 All; DDR 104 All; IBREAKA0 128 All; IBREAKA1 129 All; DBREAKA0 144 All;
        DBREAKA1 145 All; DBREAKC0 160 All; DBREAKC1 161 All; CONFIGID0 176 ReadWrite;
        EPC1 177 All; EPC2 178 All; EPC3 179 All; EPC4 180 All; EPC5 181 All; EPC6 182 All;
        EPC7 183 All; DEPC 192 All; EPS2 194 All; EPS3 195 All; EPS4 196 All; EPS5 197 All;
        EPS6 198 All; EPS7 199 All; CONFIGID1 208 Read; EXCSAVE1 209 All; EXCSAVE2 210 All;
        EXCSAVE3 211 All; EXCSAVE4 212 All; EXCSAVE5 213 All; EXCSAVE6 214 All; EXCSAVE7 215 All;
        CPENABLE 224 All; INTERRUPT 226 Read; INTSET 226 Write; INTCLEAR 227 Write;
        INTENABLE 228 All; PS 230 All; VECBASE 231 All; EXCCAUSE 232 All; DEBUGCAUSE 233 All;
        CCOUNT 234 All; PRID 235 Read; ICOUNT 236 All; ICOUNTLEVEL 237 All; EXCVADDR 238 All;
        CCOMPARE0 240 All; CCOMPARE1 241 All; CCOMPARE2 242 All; MISC0 244 All; MISC1 245 All;
        MISC2 246 All; MISC3 247 All;
    }
}

/// Numbers of the user registers.
pub mod ur {
    macro_rules! numbers {
        ($($name:ident $number:literal;)*) => {
            $(#[doc = concat!("User register ", stringify!($name), ".")]
            pub const $name: u8 = $number;)*
            pub(super) const ALL: &[(u8, &str)] = &[$(($number, stringify!($name))),*];
        };
    }
    numbers! {
        EXPSTATE 230; THREADPTR 231; FCR 232; FSR 233; F64R_LO 234; F64R_HI 235; F64S 236;
    }
}

impl Has {
    const fn permits(self, access: Access) -> bool {
        match access {
            Access::Read => !matches!(self, Self::Write),
            Access::Write => !matches!(self, Self::Read),
            Access::Exchange => matches!(self, Self::All),
        }
    }
}

/// One bit per register number.
const fn permitted(access: Access) -> [u64; 4] {
    let mut set = [0; 4];
    let mut index = 0;
    while index < sr::ALL.len() {
        let (number, _, has) = sr::ALL[index];
        if has.permits(access) {
            set[number as usize / 64] |= 1 << (number % 64);
        }
        index += 1;
    }
    set
}

static READ: [u64; 4] = permitted(Access::Read);
static WRITE: [u64; 4] = permitted(Access::Write);
static EXCHANGE: [u64; 4] = permitted(Access::Exchange);

/// Whether the LX6 has special register `number`, for this access.
pub fn special_exists(number: u8, access: Access) -> bool {
    let set = match access {
        Access::Read => &READ,
        Access::Write => &WRITE,
        Access::Exchange => &EXCHANGE,
    };
    set[usize::from(number / 64)] >> (number % 64) & 1 != 0
}

/// Whether the LX6 has user register `number`.
pub fn user_exists(number: u8) -> bool {
    ur::ALL.iter().any(|&(candidate, _)| candidate == number)
}

/// The name, in capitals, of special register `number` for this access (226 has two).
pub fn special_name(number: u8, access: Access) -> Option<&'static str> {
    let found = sr::ALL.iter().find(|(it, _, has)| *it == number && has.permits(access))?;
    Some(found.1)
}

/// The name, in capitals, of user register `number`.
pub fn user_name(number: u8) -> Option<&'static str> {
    Some(ur::ALL.iter().find(|(it, _)| *it == number)?.1)
}

/// The number of the special register of that name, in any case.
pub fn special_number(name: &str) -> Option<u8> {
    Some(sr::ALL.iter().find(|(_, it, _)| it.eq_ignore_ascii_case(name))?.0)
}

/// The number of the user register of that name, in any case.
pub fn user_number(name: &str) -> Option<u8> {
    Some(ur::ALL.iter().find(|(_, it)| it.eq_ignore_ascii_case(name))?.0)
}
