//! A small two-pass assembler for our own ROM code and for tests.
//!
//! Source: mnemonics and operands of the Xtensa Instruction Set Architecture Reference Manual;
//! directives after GNU as.
//! Modelled: every instruction that the decoder knows, as the disassembler writes it; `mov` for
//! `mov.n`, `sp` for `a1`, `rsr a2, ps` for `rsr.ps a2`; labels; sums of numbers and symbols; `.`
//! for the address of the statement; comments from `#` or `//`; `;` between statements. Directives:
//!
//! | directive | effect |
//! |---|---|
//! | `.org ADDRESS` | zeros up to this absolute address |
//! | `.align N` | zeros up to a multiple of N bytes |
//! | `.space N` | N zero bytes |
//! | `.byte`, `.short`, `.word` | values, little endian, not aligned |
//! | `.literal NAME, VALUE` | an aligned word with a label, for `l32r`, right here |
//! | `.equ NAME, VALUE` | a symbol |
//! | `.global NAME, ...` | exports symbols |
//!
//! Not modelled: sections, relocations, macros, and any choice by the assembler: the length of an
//! instruction is the one written (`add` or `add.n`), literals stand where they are put.
//!
//! ```
//! use esp32_emulator::cpu::assembler::Assembler;
//! let assembly = Assembler::new(0x4000_0000).assemble(
//!     ".literal limit, 100000
//!      .global start
//!      start: l32r a2, limit
//!      again: addi.n a2, a2, -1
//!      bnez a2, again
//!      ret.n",
//! )?;
//! assert_eq!(assembly.exported().collect::<Vec<_>>(), [("start", 0x4000_0004)]);
//! assert_eq!(assembly.bytes()[..4], 100_000_u32.to_le_bytes());
//! # Ok::<(), esp32_emulator::cpu::assembler::AssembleError>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::instruction::{B4CONST, B4CONSTU};
use super::opcodes::{ENCODINGS, Encoding};
use super::operand::{Operand, Show};
use super::special_register::{special_exists, special_number, user_number};

/// The most that one source may produce: `.org` and `.space` come from text that may be wrong.
const MAX_BYTES: u32 = 1 << 24;

/// A fault in the source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct AssembleError {
    /// Line of the source, from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong with a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither an instruction nor a directive.
    #[error("unknown mnemonic or directive `{0}`")]
    UnknownMnemonic(String),
    /// Too many or too few operands.
    #[error("expected {expected} operands, found {found}")]
    OperandCount {
        /// How many the statement has in the manual.
        expected: usize,
        /// How many were written.
        found: usize,
    },
    /// A register of this file was expected.
    #[error("`{0}` is not a register that fits here")]
    NotARegister(String),
    /// Neither a number nor a symbol.
    #[error("cannot read `{0}` as an expression")]
    BadExpression(String),
    /// No label or `.equ` of this name (before this line, where the size depends on it).
    #[error("symbol `{0}` is not defined")]
    UnknownSymbol(String),
    /// The name stands for something else already.
    #[error("symbol `{0}` is defined twice")]
    DuplicateSymbol(String),
    /// A name with characters that no symbol has.
    #[error("`{0}` is not a name for a symbol")]
    BadName(String),
    /// The operand's bits cannot express the value.
    #[error("`{operand}` ({value}) cannot be encoded here")]
    OutOfRange {
        /// As written.
        operand: String,
        /// What it stands for; relative addresses as offset.
        value: i64,
    },
    /// `.org` to an address that is passed already.
    #[error("cannot go back to {0:#x}")]
    BackwardOrigin(i64),
    /// The output would exceed 16 MiB or the address space.
    #[error("the output is too large")]
    TooLarge,
}

/// Bytes and symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembly {
    base: u32,
    bytes: Vec<u8>,
    symbols: BTreeMap<String, i64>,
    exported: BTreeSet<String>,
}

impl Assembly {
    /// Address of the first byte.
    pub fn base(&self) -> u32 {
        self.base
    }

    /// What lies in memory from [`base`](Self::base) on.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Value of any label or symbol, exported or not.
    pub fn symbol(&self, name: &str) -> Option<u32> {
        self.symbols.get(name).map(|value| *value as u32)
    }

    /// The symbols that `.global` names, in order of name.
    pub fn exported(&self) -> impl Iterator<Item = (&str, u32)> {
        self.exported.iter().filter_map(|name| Some((name.as_str(), self.symbol(name)?)))
    }
}

/// Where to assemble, and what is known beforehand.
#[derive(Debug, Clone)]
pub struct Assembler {
    base: u32,
    symbols: BTreeMap<String, i64>,
}

impl Assembler {
    /// The first byte will lie at `base`.
    pub fn new(base: u32) -> Self {
        Self { base, symbols: BTreeMap::new() }
    }

    /// Makes an address or number known to the source.
    #[must_use]
    pub fn define(mut self, name: &str, value: u32) -> Self {
        self.symbols.insert(name.to_owned(), value.into());
        self
    }

    /// Assembles a whole source.
    ///
    /// # Errors
    /// The first fault found, with its line.
    pub fn assemble(self, source: &str) -> Result<Assembly, AssembleError> {
        let mut layout = Layout {
            base: self.base,
            location: self.base.into(),
            symbols: self.symbols,
            exported: BTreeMap::new(),
            statements: Vec::new(),
        };
        for (index, text) in source.lines().enumerate() {
            let line = index + 1;
            let code = text.split("//").next().unwrap_or("").split('#').next().unwrap_or("");
            for statement in code.split(';') {
                layout.statement(line, statement).map_err(|fault| AssembleError { line, fault })?;
            }
        }
        layout.finish()
    }
}

/// First pass: sizes, and with them the addresses of labels.
struct Layout<'a> {
    base: u32,
    location: i64,
    symbols: BTreeMap<String, i64>,
    /// Name, and the line that exports it.
    exported: BTreeMap<&'a str, usize>,
    statements: Vec<Statement<'a>>,
}

/// Something that becomes bytes in the second pass, when all symbols are known.
struct Statement<'a> {
    line: usize,
    address: u32,
    content: Content<'a>,
}

enum Content<'a> {
    Instruction {
        encoding: &'static Encoding,
        operands: Vec<&'a str>,
    },
    /// Width in bytes, and expressions.
    Data {
        width: u8,
        values: Vec<&'a str>,
    },
}

impl<'a> Layout<'a> {
    fn statement(&mut self, line: usize, text: &'a str) -> Result<(), Fault> {
        let mut rest = text.trim();
        while let Some((name, after)) = rest.split_once(':') {
            self.define(name.trim(), self.location)?;
            rest = after.trim();
        }
        if rest.is_empty() {
            return Ok(());
        }
        let (mnemonic, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let arguments: Vec<&str> = match arguments.trim() {
            "" => Vec::new(),
            list => list.split(',').map(str::trim).collect(),
        };
        match mnemonic.strip_prefix('.') {
            Some(directive) => self.directive(line, directive, arguments),
            None => {
                let (encoding, operands) = find_encoding(mnemonic, arguments)?;
                let size = encoding.length().into();
                self.emit(line, size, Content::Instruction { encoding, operands })
            }
        }
    }

    fn directive(&mut self, line: usize, name: &str, list: Vec<&'a str>) -> Result<(), Fault> {
        match name {
            "byte" => self.data(line, 1, list),
            "short" => self.data(line, 2, list),
            "word" => self.data(line, 4, list),
            "org" => {
                let [address] = exactly(&list)?;
                let address = self.known(address)?;
                if address < self.location {
                    return Err(Fault::BackwardOrigin(address));
                }
                self.advance_to(address)
            }
            "align" => {
                let [bytes] = exactly(&list)?;
                self.align(bytes)
            }
            "space" => {
                let [bytes] = exactly(&list)?;
                let count = self.known(bytes)?;
                if count < 0 {
                    return Err(Fault::OutOfRange { operand: bytes.to_owned(), value: count });
                }
                self.advance_to(self.location.saturating_add(count))
            }
            "literal" => {
                let [name, value] = exactly(&list)?;
                self.align("4")?;
                self.define(name, self.location)?;
                self.data(line, 4, vec![value])
            }
            "equ" => {
                let [name, value] = exactly(&list)?;
                self.define(name, self.known(value)?)
            }
            "global" => {
                self.exported.extend(list.into_iter().map(|name| (name, line)));
                Ok(())
            }
            _ => Err(Fault::UnknownMnemonic(format!(".{name}"))),
        }
    }

    /// The value of an expression on which the layout depends.
    fn known(&self, text: &str) -> Result<i64, Fault> {
        evaluate(text, self.location, &self.symbols)
    }

    fn define(&mut self, name: &str, value: i64) -> Result<(), Fault> {
        if !is_name(name) {
            return Err(Fault::BadName(name.to_owned()));
        }
        match self.symbols.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(Fault::DuplicateSymbol(name.to_owned())),
        }
    }

    fn align(&mut self, bytes: &str) -> Result<(), Fault> {
        match self.known(bytes)? {
            size @ 1..=0x1_0000 => {
                let past = self.location.rem_euclid(size);
                self.advance_to(self.location + (size - past) % size)
            }
            value => Err(Fault::OutOfRange { operand: bytes.to_owned(), value }),
        }
    }

    fn advance_to(&mut self, location: i64) -> Result<(), Fault> {
        let limit = i64::from(self.base) + i64::from(MAX_BYTES);
        if location > limit || location > 1 << 32 {
            return Err(Fault::TooLarge);
        }
        self.location = location;
        Ok(())
    }

    fn data(&mut self, line: usize, width: u8, values: Vec<&'a str>) -> Result<(), Fault> {
        let size = values.len() as i64 * i64::from(width);
        self.emit(line, size, Content::Data { width, values })
    }

    fn emit(&mut self, line: usize, size: i64, content: Content<'a>) -> Result<(), Fault> {
        let address = self.location as u32;
        self.advance_to(self.location + size)?;
        self.statements.push(Statement { line, address, content });
        Ok(())
    }

    /// Second pass.
    fn finish(self) -> Result<Assembly, AssembleError> {
        let size = (self.location - i64::from(self.base)) as usize;
        let mut bytes = vec![0; size];
        for statement in &self.statements {
            let encoded = statement
                .encode(&self.symbols)
                .map_err(|fault| AssembleError { line: statement.line, fault })?;
            let start = (statement.address - self.base) as usize;
            bytes[start..start + encoded.len()].copy_from_slice(&encoded);
        }
        for (name, line) in &self.exported {
            if !self.symbols.contains_key(*name) {
                let fault = Fault::UnknownSymbol((*name).to_owned());
                return Err(AssembleError { line: *line, fault });
            }
        }
        let exported = self.exported.into_keys().map(str::to_owned).collect();
        Ok(Assembly { base: self.base, bytes, symbols: self.symbols, exported })
    }
}

impl Statement<'_> {
    fn encode(&self, symbols: &BTreeMap<String, i64>) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        match &self.content {
            Content::Data { width, values } => {
                for text in values {
                    let value = evaluate(text, self.address.into(), symbols)?;
                    let bits = 8 * u32::from(*width);
                    if !(-(1 << (bits - 1))..1 << bits).contains(&value) {
                        return Err(Fault::OutOfRange { operand: (*text).to_owned(), value });
                    }
                    bytes.extend_from_slice(&value.to_le_bytes()[..usize::from(*width)]);
                }
            }
            Content::Instruction { encoding, operands } => {
                let written = encoding.operands.iter().filter(|it| it.show != Show::Hidden);
                let mut word = encoding.bits;
                for (operand, text) in written.zip(operands) {
                    let value = self.operand(operand, text, symbols)?;
                    word |= i32::try_from(value)
                        .ok()
                        .and_then(|value| operand.insert(value))
                        .ok_or_else(|| Fault::OutOfRange { operand: (*text).to_owned(), value })?;
                }
                bytes.extend_from_slice(&word.to_le_bytes()[..usize::from(encoding.length())]);
            }
        }
        Ok(bytes)
    }

    /// What the operand means to the instruction.
    fn operand(
        &self,
        operand: &Operand,
        text: &str,
        symbols: &BTreeMap<String, i64>,
    ) -> Result<i64, Fault> {
        let number = || evaluate(text, self.address.into(), symbols);
        let relative_to = |base: u32| Ok((number()? as u32).wrapping_sub(base) as i32 as i64);
        let index_in = |found: fn(i64) -> Option<usize>| {
            let value = number()?;
            let index = found(value)
                .ok_or_else(|| Fault::OutOfRange { operand: text.to_owned(), value })?;
            Ok(index as i64)
        };
        match operand.show {
            Show::A if text == "sp" => Ok(1),
            Show::A => register('a', text),
            Show::F => register('f', text),
            Show::B => register('b', text),
            Show::M => register('m', text),
            Show::Number | Show::Hidden => number(),
            Show::Label => relative_to(self.address),
            Show::WordLabel => relative_to(self.address & !3),
            Show::Literal => relative_to(self.address.wrapping_add(3) & !3),
            Show::B4Const => {
                index_in(|value| B4CONST.iter().position(|it| i64::from(*it) == value))
            }
            Show::B4ConstU => {
                index_in(|value| B4CONSTU.iter().position(|it| i64::from(*it) == value))
            }
            Show::Special(access) => special_number(text)
                .filter(|number| special_exists(*number, access))
                .map(i64::from)
                .ok_or_else(|| Fault::NotARegister(text.to_owned())),
            Show::User => {
                user_number(text).map(i64::from).ok_or_else(|| Fault::NotARegister(text.to_owned()))
            }
        }
    }
}

/// The table row of a mnemonic, and the operands in the row's order.
fn find_encoding<'a>(
    mnemonic: &'a str,
    mut operands: Vec<&'a str>,
) -> Result<(&'static Encoding, Vec<&'a str>), Fault> {
    let named = |name: &str| ENCODINGS.iter().find(|it| it.name.eq_ignore_ascii_case(name));
    let mnemonic = if mnemonic == "mov" { "mov.n" } else { mnemonic };
    let takes_register = |it: &&Encoding| {
        it.operands.first().is_some_and(|it| matches!(it.show, Show::Special(_) | Show::User))
    };
    let encoding = if let Some(encoding) = named(mnemonic) {
        if takes_register(&encoding) && operands.len() == 2 {
            operands.swap(0, 1); // `rsr a2, ps`
        }
        encoding
    } else {
        let unknown = || Fault::UnknownMnemonic(mnemonic.to_owned());
        let (name, register) = mnemonic.split_once('.').ok_or_else(unknown)?;
        operands.insert(0, register); // `rsr.ps a2`
        named(name).filter(takes_register).ok_or_else(unknown)?
    };
    let expected = encoding.operands.iter().filter(|it| it.show != Show::Hidden).count();
    match operands.len() {
        found if found == expected => Ok((encoding, operands)),
        found => Err(Fault::OperandCount { expected, found }),
    }
}

fn exactly<'a, const N: usize>(list: &[&'a str]) -> Result<[&'a str; N], Fault> {
    list.try_into().map_err(|_| Fault::OperandCount { expected: N, found: list.len() })
}

/// Number of a register with this prefix; whether the file has it is for the operand to say.
fn register(prefix: char, text: &str) -> Result<i64, Fault> {
    text.strip_prefix(prefix)
        .and_then(|number| number.parse::<u8>().ok())
        .map(i64::from)
        .ok_or_else(|| Fault::NotARegister(text.to_owned()))
}

fn is_name(text: &str) -> bool {
    let first = text.chars().next();
    first.is_some_and(|it| it.is_ascii_alphabetic() || matches!(it, '_' | '.'))
        && text != "."
        && text.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '.' | '$'))
}

/// A sum of terms: numbers, symbols, `.` for the address `here`.
fn evaluate(text: &str, here: i64, symbols: &BTreeMap<String, i64>) -> Result<i64, Fault> {
    let bad = || Fault::BadExpression(text.to_owned());
    let mut total = 0_i64;
    let mut rest = text.trim();
    let mut first = true;
    while first || !rest.is_empty() {
        let negative = rest.starts_with('-');
        if negative || rest.starts_with('+') {
            rest = rest[1..].trim_start();
        } else if !first {
            return Err(bad());
        }
        let end = rest.find(['+', '-']).unwrap_or(rest.len());
        let value = match rest[..end].trim() {
            "." => here,
            term if term.starts_with(|it: char| it.is_ascii_digit()) => {
                number(term).ok_or_else(bad)?
            }
            name if is_name(name) => {
                *symbols.get(name).ok_or_else(|| Fault::UnknownSymbol(name.to_owned()))?
            }
            _ => return Err(bad()),
        };
        total = if negative { total.checked_sub(value) } else { total.checked_add(value) }
            .ok_or_else(bad)?;
        rest = &rest[end..];
        first = false;
    }
    Ok(total)
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok().map(i64::from),
        None => text.parse::<u32>().ok().map(i64::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(source: &str) -> Vec<u8> {
        Assembler::new(0x1000).assemble(source).expect("assembles").bytes().to_vec()
    }

    fn fault(source: &str) -> (usize, Fault) {
        let error = Assembler::new(0x1000).assemble(source).expect_err("has a fault");
        (error.line, error.fault)
    }

    #[test]
    fn labels_work_in_both_directions_and_from_unaligned_calls() {
        let source = "
            again:  nop.n
                    j after
                    call8 function   # at 0x1005: relative to 0x1004
            after:  bnez.n a2, . + 4
                    j again
                    .align 4
            function: entry sp, 32";
        let expected = [
            0x3d, 0xf0, 0x86, 0x00, 0x00, 0xa5, 0x00, 0x00, 0xcc, 0x02, 0x86, 0xfc, 0xff, 0x00,
            0x00, 0x00, 0x36, 0x41, 0x00,
        ];
        assert_eq!(bytes(source), expected);
    }

    #[test]
    fn literals_are_aligned_words_before_their_use() {
        let source = ".byte 1\n.literal big, 0x12345678 - 8\nl32r a3, big; ret.n";
        assert_eq!(
            bytes(source),
            [1, 0, 0, 0, 0x70, 0x56, 0x34, 0x12, 0x31, 0xff, 0xff, 0x0d, 0xf0]
        );
        assert_eq!(
            fault("l32r a3, big\n.literal big, 0"),
            (1, Fault::OutOfRange { operand: "big".into(), value: 4 })
        );
    }

    #[test]
    fn special_registers_are_written_either_way() {
        assert_eq!(bytes("rsr.ps a2"), bytes("rsr a2, ps"));
        assert_eq!(bytes("wsr.intset a2"), [0x20, 0xe2, 0x13]);
        assert_eq!(fault("xsr.prid a2").1, Fault::NotARegister("prid".into()));
    }

    #[test]
    fn data_directives_place_values_and_fill_with_zeros() {
        let source =
            ".equ here, . + 2\n.short 0xffff, -1\n.org 0x1008\n.word here\n.space 1\n.byte 7";
        let expected = [255, 255, 255, 255, 0, 0, 0, 0, 0x02, 0x10, 0, 0, 0, 7];
        assert_eq!(bytes(source), expected);
    }

    #[test]
    fn exported_and_predefined_symbols_meet() {
        let assembly = Assembler::new(0x4000_0000)
            .define("target", 0x4000_0100)
            .assemble(".global b, a\na: b: j target")
            .expect("assembles");
        let symbols: Vec<_> = assembly.exported().collect();
        assert_eq!(symbols, [("a", 0x4000_0000), ("b", 0x4000_0000)]);
        assert_eq!(assembly.bytes(), [0x06, 0x3f, 0x00]);
    }

    #[test]
    fn every_fault_names_its_line() {
        let out_of_range =
            |operand: &str, value| Fault::OutOfRange { operand: operand.into(), value };
        let cases = [
            ("\nfrobnicate a1", 2, Fault::UnknownMnemonic("frobnicate".into())),
            (".frobnicate", 1, Fault::UnknownMnemonic(".frobnicate".into())),
            ("add a1, a2", 1, Fault::OperandCount { expected: 3, found: 2 }),
            ("add a1, a2, 3", 1, Fault::NotARegister("3".into())),
            ("add a1, a2, a16", 1, out_of_range("a16", 16)),
            ("movi a1, 2048", 1, out_of_range("2048", 2048)),
            ("l32i a1, a2, 6", 1, out_of_range("6", 6)),
            ("addi.n a1, a1, 0", 1, out_of_range("0", 0)),
            ("beqi a1, 9, .", 1, out_of_range("9", 9)),
            ("\nj nowhere", 2, Fault::UnknownSymbol("nowhere".into())),
            (".global nowhere", 1, Fault::UnknownSymbol("nowhere".into())),
            (".org later\nlater:", 1, Fault::UnknownSymbol("later".into())),
            ("a:\na:", 2, Fault::DuplicateSymbol("a".into())),
            ("1a:", 1, Fault::BadName("1a".into())),
            (".word 1 2", 1, Fault::BadExpression("1 2".into())),
            (".word 1 +", 1, Fault::BadExpression("1 +".into())),
            (".byte 256", 1, out_of_range("256", 256)),
            (".align 0", 1, out_of_range("0", 0)),
            (".org 0xfff", 1, Fault::BackwardOrigin(0xfff)),
            (".org 0x3ffffff0", 1, Fault::TooLarge),
            (".space 0xffffffff + 0xffffffff", 1, Fault::TooLarge),
        ];
        for (source, line, expected) in cases {
            assert_eq!(fault(source), (line, expected), "{source}");
        }
    }
}
