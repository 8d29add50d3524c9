//! The decompressor of the ROM, miniz's `tinfl`.
//!
//! *Source*: RFC 1950 and 1951 for the formats; `rom/miniz.h` of ESP-IDF for the signature, the flags,
//! the results and the size of `tinfl_decompressor`, whose first word an application zeroes to begin
//! and whose word 7 is the checksum so far.
//! *Modelled*: zlib and raw streams, circular and linear output, input and output that come to an end
//! anywhere; everything in between is kept in the application's structure.
//! *Not modelled*: the rest of that structure's layout. Input that ends too early, without the flag
//! that says more will come, has failed; the ROM would go on with zeros.
//!
//! Cost: 30 cycles per literal, 40 and 4 per byte for a match.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] =
    &[entry(0x4005_ef30, "tinfl_decompress", &[begin, decompress])];

/// Bytes of `tinfl_decompressor`.
pub(in crate::rom) const SIZE: u32 = 10_992;

/// The stream begins with a zlib header and ends with a checksum.
pub(in crate::rom) const ZLIB: u32 = 1;
/// There will be more input.
pub(in crate::rom) const MORE_INPUT: u32 = 2;
const LINEAR: u32 = 4;
const ADLER: u32 = 8;

const BAD_PARAMETER: i32 = -3;
const MISMATCH: i32 = -2;
const FAILED: i32 = -1;
const DONE: i32 = 0;
const NEEDS_INPUT: i32 = 1;
const HAS_OUTPUT: i32 = 2;

const LITERALS: usize = 288;
const DISTANCES: usize = 32;
/// Longest Huffman code.
const LONGEST: usize = 15;

const LENGTH_BASE: [u16; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
    2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
/// In which order the lengths of the code length code come.
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What comes next in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Mode {
    Start,
    Header,
    Block,
    Stored,
    StoredBytes,
    Sizes,
    CodeLengths,
    Lengths,
    Symbol,
    LengthBits,
    Distance,
    DistanceBits,
    Copy,
    Trailer,
    Checksum,
    Done,
    Failed,
}

impl Mode {
    const ALL: [Self; 17] = [
        Self::Start,
        Self::Header,
        Self::Block,
        Self::Stored,
        Self::StoredBytes,
        Self::Sizes,
        Self::CodeLengths,
        Self::Lengths,
        Self::Symbol,
        Self::LengthBits,
        Self::Distance,
        Self::DistanceBits,
        Self::Copy,
        Self::Trailer,
        Self::Checksum,
        Self::Done,
        Self::Failed,
    ];

    fn from_word(word: u32) -> Self {
        Self::ALL.get(word as usize).copied().unwrap_or(Self::Failed)
    }
}

// Words at the beginning of the structure.
const MODE: usize = 0;
const BIT_COUNT: usize = 1;
const BITS: usize = 2;
const EXPECTED: usize = 4;
const IS_LAST: usize = 5;
const ADLER32: usize = 7;
const LENGTH: usize = 8;
const DISTANCE: usize = 9;
const INDEX: usize = 10;
const CONSUMED: usize = 11;
const PRODUCED: usize = 12;
const LITERAL_CODES: usize = 13;
const DISTANCE_CODES: usize = 14;
const WORDS: usize = 16;
/// Most bits that are ever kept.
const BITS_MAX: u32 = 40;

/// A canonical code: how many codes of each length there are, and the symbols in order of codes.
#[derive(Debug, Clone)]
struct Code<const N: usize> {
    counts: [u16; LONGEST + 1],
    symbols: [u16; N],
}

impl<const N: usize> Code<N> {
    const BYTES: usize = 2 * (LONGEST + 1 + N);

    fn load(bytes: &[u8]) -> Self {
        let half = |i: usize| u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]);
        Self {
            counts: std::array::from_fn(half),
            symbols: std::array::from_fn(|i| half(LONGEST + 1 + i)),
        }
    }

    fn save(&self, bytes: &mut [u8]) {
        let halves = self.counts.iter().chain(&self.symbols);
        for (slot, half) in bytes.chunks_exact_mut(2).zip(halves) {
            slot.copy_from_slice(&half.to_le_bytes());
        }
    }

    /// The code of these lengths; `None` if they promise more codes than there are, or fewer and
    /// more than one.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0_u16; LONGEST + 1];
        for &length in lengths {
            counts[usize::from(length) & LONGEST] += 1;
        }
        let used: u16 = counts[1..].iter().sum();
        let mut left = 1_i32;
        for &count in &counts[1..] {
            left = 2 * left - i32::from(count);
            if left < 0 {
                return None;
            }
        }
        if left > 0 && used > 1 {
            return None;
        }
        let mut offsets = [0_u16; LONGEST + 1];
        for length in 1..LONGEST {
            offsets[length + 1] = offsets[length] + counts[length];
        }
        let mut symbols = [0; N];
        for (symbol, &length) in (0..).zip(lengths) {
            if length != 0 {
                symbols[usize::from(offsets[usize::from(length)])] = symbol;
                offsets[usize::from(length)] += 1;
            }
        }
        Some(Self { counts, symbols })
    }

    /// The symbol that these bits begin with, and how many they are.
    fn decode(&self, bits: u64, available: u32) -> Decoded {
        let (mut code, mut first, mut index) = (0_i32, 0_i32, 0_i32);
        for length in 1..=LONGEST as u32 {
            if length > available {
                return Decoded::NeedsBits;
            }
            code |= (bits >> (length - 1) & 1) as i32;
            let count = i32::from(self.counts[length as usize]);
            if code.wrapping_sub(count) < first {
                let index = index.wrapping_add(code.wrapping_sub(first));
                return match self.symbols.get(index as usize) {
                    Some(&symbol) => Decoded::Symbol(symbol, length),
                    None => Decoded::Wrong,
                };
            }
            // What stands in the guest's memory need not be a code.
            index = index.wrapping_add(count);
            first = first.wrapping_add(count).wrapping_shl(1);
            code <<= 1;
        }
        Decoded::Wrong
    }
}

enum Decoded {
    Symbol(u16, u32),
    NeedsBits,
    Wrong,
}

/// Why decoding cannot go on.
enum Halt {
    Status(i32),
    Stop(Stop),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<crate::rom::guest::Fault> for Halt {
    fn from(fault: crate::rom::guest::Fault) -> Self {
        Self::Stop(fault.into())
    }
}

const WRONG: Halt = Halt::Status(FAILED);

/// Everything that the structure keeps.
struct State {
    words: [u32; WORDS],
    literals: Code<LITERALS>,
    distances: Code<DISTANCES>,
    lengths: [u8; LITERALS + DISTANCES],
}

const STATE_BYTES: usize =
    4 * WORDS + Code::<LITERALS>::BYTES + Code::<DISTANCES>::BYTES + LITERALS + DISTANCES;

impl State {
    fn load(call: &mut Call<'_>, at: u32) -> Result<Self, Stop> {
        let bytes: [u8; STATE_BYTES] = call.bytes(at)?;
        let (words, rest) = bytes.split_at(4 * WORDS);
        let (literals, rest) = rest.split_at(Code::<LITERALS>::BYTES);
        let (distances, rest) = rest.split_at(Code::<DISTANCES>::BYTES);
        let (words, _) = words.as_chunks::<4>();
        let mut words: [u32; WORDS] = std::array::from_fn(|i| u32::from_le_bytes(words[i]));
        words[BIT_COUNT] = words[BIT_COUNT].min(BITS_MAX);
        Ok(Self {
            words,
            literals: Code::load(literals),
            distances: Code::load(distances),
            lengths: std::array::from_fn(|i| rest[i]),
        })
    }

    fn save(&self, call: &mut Call<'_>, at: u32) -> Result<(), Stop> {
        let mut bytes = [0; STATE_BYTES];
        let (words, rest) = bytes.split_at_mut(4 * WORDS);
        let (literals, rest) = rest.split_at_mut(Code::<LITERALS>::BYTES);
        let (distances, lengths) = rest.split_at_mut(Code::<DISTANCES>::BYTES);
        for (slot, word) in words.chunks_exact_mut(4).zip(self.words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        self.literals.save(literals);
        self.distances.save(distances);
        lengths.copy_from_slice(&self.lengths);
        Ok(call.write(at, &bytes)?)
    }

    fn mode(&self) -> Mode {
        Mode::from_word(self.words[MODE])
    }

    fn go(&mut self, mode: Mode) {
        self.words[MODE] = mode as u32;
    }

    fn bits(&self) -> u64 {
        u64::from(self.words[BITS]) | u64::from(self.words[BITS + 1]) << 32
    }

    fn set_bits(&mut self, bits: u64) {
        (self.words[BITS], self.words[BITS + 1]) = (bits as u32, (bits >> 32) as u32);
    }
}

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(in crate::rom) struct Job {
    /// Address of the `tinfl_decompressor`.
    pub(in crate::rom) decompressor: u32,
    /// Address of the input, and its bytes.
    pub(in crate::rom) input: u32,
    pub(in crate::rom) input_size: u32,
    /// Where the output buffer begins, where output goes on, and bytes from there on.
    pub(in crate::rom) start: u32,
    pub(in crate::rom) output: u32,
    pub(in crate::rom) output_size: u32,
    /// See [`ZLIB`], [`MORE_INPUT`].
    pub(in crate::rom) flags: u32,
}

/// How a call has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rom) struct Ended {
    /// `tinfl_status`: negative on trouble, 0 at the end of the stream.
    pub(in crate::rom) status: i32,
    /// Bytes of input used.
    pub(in crate::rom) consumed: u32,
    /// Bytes of output made.
    pub(in crate::rom) produced: u32,
}

/// One call under way.
struct Stream<'c, 'g> {
    call: &'c mut Call<'g>,
    state: State,
    job: Job,
    mask: u32,
}

impl Stream<'_, '_> {
    /// Takes one more byte of input into the bits.
    fn fetch(&mut self) -> Result<(), Halt> {
        let consumed = self.state.words[CONSUMED];
        if consumed >= self.job.input_size {
            let more = self.job.flags & MORE_INPUT != 0;
            return Err(if more { Halt::Status(NEEDS_INPUT) } else { WRONG });
        }
        let byte = self.call.byte(self.job.input.wrapping_add(consumed))?;
        let count = self.state.words[BIT_COUNT];
        self.state.set_bits(self.state.bits() | u64::from(byte) << count);
        self.state.words[BIT_COUNT] = count + 8;
        self.state.words[CONSUMED] = consumed + 1;
        Ok(())
    }

    fn skip(&mut self, count: u32) {
        self.state.set_bits(self.state.bits() >> count);
        self.state.words[BIT_COUNT] -= count;
    }

    /// The next `count` bits, at most 32.
    fn take(&mut self, count: u32) -> Result<u32, Halt> {
        while self.state.words[BIT_COUNT] < count {
            self.fetch()?;
        }
        let value = self.state.bits() & ((1 << count) - 1);
        self.skip(count);
        Ok(value as u32)
    }

    fn symbol(&mut self, is_distance: bool) -> Result<u16, Halt> {
        loop {
            let (bits, count) = (self.state.bits(), self.state.words[BIT_COUNT]);
            let decoded = match is_distance {
                true => self.state.distances.decode(bits, count),
                false => self.state.literals.decode(bits, count),
            };
            match decoded {
                Decoded::Symbol(symbol, length) => {
                    self.skip(length);
                    return Ok(symbol);
                }
                Decoded::NeedsBits => self.fetch()?,
                Decoded::Wrong => return Err(WRONG),
            }
        }
    }

    /// Where the output goes on; `Err` when there is no more room.
    fn room(&self) -> Result<u32, Halt> {
        let produced = self.state.words[PRODUCED];
        match produced < self.job.output_size {
            true => Ok(self.job.output.wrapping_sub(self.job.start).wrapping_add(produced)),
            false => Err(Halt::Status(HAS_OUTPUT)),
        }
    }

    fn put(&mut self, at: u32, byte: u8) -> Result<(), Halt> {
        self.call.write(self.job.start.wrapping_add(at), &[byte])?;
        self.state.words[PRODUCED] += 1;
        if self.job.flags & (ZLIB | ADLER) != 0 {
            let adler = self.state.words[ADLER32];
            let low = ((adler & 0xffff) + u32::from(byte)) % 65521;
            let high = ((adler >> 16) + low) % 65521;
            self.state.words[ADLER32] = high << 16 | low;
        }
        Ok(())
    }

    /// One thing of the stream.
    fn step(&mut self) -> Result<(), Halt> {
        match self.state.mode() {
            Mode::Start => {
                self.state.words[BIT_COUNT] = 0;
                self.state.set_bits(0);
                self.state.words[EXPECTED] = 1;
                self.state.words[ADLER32] = 1;
                self.state.go(if self.job.flags & ZLIB != 0 { Mode::Header } else { Mode::Block });
            }
            Mode::Header => {
                let header = self.take(16)?;
                let (method, flags) = (header & 0xff, header >> 8);
                let window = 1_u32 << (8 + (method >> 4));
                let fits = self.job.flags & LINEAR != 0 || self.mask.wrapping_add(1) >= window;
                let is_whole = (method << 8 | flags).is_multiple_of(31) && flags & 0x20 == 0;
                if !is_whole || method & 15 != 8 || window > 32768 || !fits {
                    return Err(WRONG);
                }
                self.state.go(Mode::Block);
            }
            Mode::Block => {
                let header = self.take(3)?;
                self.state.words[IS_LAST] = header & 1;
                match header >> 1 {
                    0 => self.state.go(Mode::Stored),
                    1 => self.fixed_codes()?,
                    2 => self.state.go(Mode::Sizes),
                    _ => return Err(WRONG),
                }
            }
            Mode::Stored => {
                self.skip(self.state.words[BIT_COUNT] % 8);
                let sizes = self.take(32)?;
                if sizes & 0xffff != !(sizes >> 16) & 0xffff {
                    return Err(WRONG);
                }
                self.state.words[LENGTH] = sizes & 0xffff;
                self.state.go(Mode::StoredBytes);
            }
            Mode::StoredBytes => match self.state.words[LENGTH] {
                0 => self.end_block(),
                left => {
                    let at = self.room()?;
                    let byte = self.take(8)? as u8;
                    self.put(at, byte)?;
                    self.state.words[LENGTH] = left - 1;
                    self.call.charge(4);
                }
            },
            Mode::Sizes => {
                let sizes = self.take(14)?;
                self.state.words[LITERAL_CODES] = (sizes & 31) + 257;
                self.state.words[DISTANCE_CODES] = (sizes >> 5 & 31) + 1;
                self.state.words[LENGTH] = (sizes >> 10) + 4;
                self.state.words[INDEX] = 0;
                self.state.lengths.fill(0);
                self.state.go(Mode::CodeLengths);
            }
            Mode::CodeLengths => {
                let index = self.state.words[INDEX];
                if index < self.state.words[LENGTH] {
                    let length = self.take(3)? as u8;
                    let Some(&symbol) = ORDER.get(index as usize) else { return Err(WRONG) };
                    self.state.lengths[usize::from(symbol)] = length;
                    self.state.words[INDEX] = index + 1;
                } else {
                    let code = Code::new(&self.state.lengths[..19]).ok_or(WRONG)?;
                    self.state.literals = code;
                    self.state.lengths.fill(0);
                    self.state.words[INDEX] = 0;
                    self.state.go(Mode::Lengths);
                }
            }
            Mode::Lengths => self.lengths()?,
            Mode::Symbol => self.literal_or_length()?,
            Mode::LengthBits => {
                let index = self.state.words[INDEX] as usize;
                let (Some(&base), Some(&extra)) = (LENGTH_BASE.get(index), LENGTH_EXTRA.get(index))
                else {
                    return Err(WRONG);
                };
                self.state.words[LENGTH] = u32::from(base) + self.take(extra.into())?;
                self.state.go(Mode::Distance);
            }
            Mode::Distance => {
                self.state.words[INDEX] = self.symbol(true)?.into();
                self.state.go(Mode::DistanceBits);
            }
            Mode::DistanceBits => {
                let index = self.state.words[INDEX];
                let Some(&base) = DISTANCE_BASE.get(index as usize) else { return Err(WRONG) };
                let extra = (index / 2).saturating_sub(1);
                self.state.words[DISTANCE] = u32::from(base) + self.take(extra)?;
                self.call.charge(40);
                self.state.go(Mode::Copy);
            }
            Mode::Copy => self.copy()?,
            Mode::Trailer => {
                self.skip(self.state.words[BIT_COUNT] % 8);
                self.state.go(if self.job.flags & ZLIB != 0 { Mode::Checksum } else { Mode::Done });
            }
            Mode::Checksum => {
                self.state.words[EXPECTED] = self.take(32)?.swap_bytes();
                self.state.go(Mode::Done);
            }
            Mode::Done => {
                let differs = self.state.words[EXPECTED] != self.state.words[ADLER32];
                let is_wrong = self.job.flags & ZLIB != 0 && differs;
                return Err(Halt::Status(if is_wrong { MISMATCH } else { DONE }));
            }
            Mode::Failed => return Err(WRONG),
        }
        Ok(())
    }

    fn end_block(&mut self) {
        let is_last = self.state.words[IS_LAST] != 0;
        self.state.go(if is_last { Mode::Trailer } else { Mode::Block });
    }

    fn fixed_codes(&mut self) -> Result<(), Halt> {
        let mut lengths = [8; LITERALS];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.state.literals = Code::new(&lengths).ok_or(WRONG)?;
        self.state.distances = Code::new(&[5; DISTANCES]).ok_or(WRONG)?;
        self.call.charge(600);
        self.state.go(Mode::Symbol);
        Ok(())
    }

    /// One symbol of the lengths of both codes.
    fn lengths(&mut self) -> Result<(), Halt> {
        let (literals, distances) =
            (self.state.words[LITERAL_CODES] as usize, self.state.words[DISTANCE_CODES] as usize);
        let (index, all) = (self.state.words[INDEX] as usize, literals + distances);
        if index >= all || all > LITERALS + DISTANCES {
            let fit = (257..=286).contains(&literals) && distances <= DISTANCES;
            if index != all || !fit || self.state.lengths[256] == 0 {
                return Err(WRONG);
            }
            let code = Code::new(&self.state.lengths[..literals]).ok_or(WRONG)?;
            self.state.distances = Code::new(&self.state.lengths[literals..all]).ok_or(WRONG)?;
            self.state.literals = code;
            self.call.charge(900);
            self.state.go(Mode::Symbol);
            return Ok(());
        }
        // The symbol and its extra bits are taken together or not at all.
        let (bits, count) = (self.state.bits(), self.state.words[BIT_COUNT]);
        let (symbol, length) = match self.state.literals.decode(bits, count) {
            Decoded::Symbol(symbol, length) => (symbol, length),
            Decoded::NeedsBits => return self.fetch(),
            Decoded::Wrong => return Err(WRONG),
        };
        let (extra, base) = match symbol {
            16 => (2, 3),
            17 => (3, 3),
            18 => (7, 11),
            _ => (0, 1),
        };
        if count < length + extra {
            return self.fetch();
        }
        self.skip(length);
        let repeat = base + self.take(extra)? as usize;
        let value = match symbol {
            0..16 => symbol as u8,
            16 if index > 0 => self.state.lengths[index - 1],
            16 => return Err(WRONG),
            _ => 0,
        };
        if index + repeat > all {
            return Err(WRONG);
        }
        self.state.lengths[index..index + repeat].fill(value);
        self.state.words[INDEX] = (index + repeat) as u32;
        self.call.charge(20);
        Ok(())
    }

    fn literal_or_length(&mut self) -> Result<(), Halt> {
        // No symbol is taken that there might be no room for.
        let at = self.room()?;
        match self.symbol(false)? {
            literal @ 0..256 => {
                self.put(at, literal as u8)?;
                self.call.charge(30);
            }
            256 => self.end_block(),
            length => {
                self.state.words[INDEX] = u32::from(length) - 257;
                self.state.go(Mode::LengthBits);
            }
        }
        Ok(())
    }

    /// One byte of a match.
    fn copy(&mut self) -> Result<(), Halt> {
        let (left, distance) = (self.state.words[LENGTH], self.state.words[DISTANCE]);
        if left == 0 {
            self.state.go(Mode::Symbol);
            return Ok(());
        }
        let at = self.room()?;
        if self.job.flags & LINEAR != 0 && distance > at {
            return Err(WRONG);
        }
        let from = at.wrapping_sub(distance) & self.mask;
        let byte = self.call.byte(self.job.start.wrapping_add(from))?;
        self.put(at, byte)?;
        self.state.words[LENGTH] = left - 1;
        self.call.charge(4);
        Ok(())
    }
}

/// Begins a call with this decompressor.
pub(in crate::rom) fn start(call: &mut Call<'_>, decompressor: u32) -> Result<(), Stop> {
    for word in [CONSUMED, PRODUCED] {
        call.store(decompressor.wrapping_add(4 * word as u32), 0)?;
    }
    call.charge(60);
    Ok(())
}

/// Goes on with it as far as the budget reaches.
pub(in crate::rom) fn go_on(call: &mut Call<'_>, job: Job) -> Result<Option<Ended>, Stop> {
    let mask = match job.flags & LINEAR {
        0 => job.output.wrapping_sub(job.start).wrapping_add(job.output_size).wrapping_sub(1),
        _ => u32::MAX,
    };
    let state = State::load(call, job.decompressor)?;
    let mut stream = Stream { call, state, job, mask };
    let status = loop {
        match stream.step() {
            Ok(()) if stream.call.is_spent() => break None,
            Ok(()) => {}
            Err(Halt::Status(status)) => break Some(status),
            // The structure is as it was before, and doing it all again gives the same bytes.
            Err(Halt::Stop(stop)) => return Err(stop),
        }
    };
    let Stream { call, mut state, .. } = stream;
    if status == Some(FAILED) {
        state.go(Mode::Failed);
    }
    state.save(call, job.decompressor)?;
    let (consumed, produced) = (state.words[CONSUMED], state.words[PRODUCED]);
    Ok(status.map(|status| Ended { status, consumed, produced }))
}

/// `tinfl_status tinfl_decompress(tinfl_decompressor *r, const uint8_t *input, size_t *input_size,
/// uint8_t *output_start, uint8_t *output, size_t *output_size, uint32_t flags)`: the sizes say what
/// there is, and afterwards what was used.
fn begin(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    let size = call.load(call.get(5))?;
    let used = call.get(4).wrapping_sub(call.get(3));
    let is_circular = call.argument(6)? & LINEAR == 0;
    let whole = used.wrapping_add(size);
    if call.get(4) < call.get(3) || is_circular && !whole.is_power_of_two() {
        call.store(call.get(2), 0)?;
        call.store(call.get(5), 0)?;
        return Ok(Outcome::Return(BAD_PARAMETER as u32));
    }
    start(call, call.get(0))?;
    Ok(Outcome::Next)
}

fn decompress(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let job = Job {
        decompressor: call.get(0),
        input: call.get(1),
        input_size: call.load(call.get(2))?,
        start: call.get(3),
        output: call.get(4),
        output_size: call.load(call.get(5))?,
        flags: call.argument(6)?,
    };
    let Some(ended) = go_on(call, job)? else { return Ok(Outcome::Again) };
    call.store(call.get(2), ended.consumed)?;
    call.store(call.get(5), ended.produced)?;
    Ok(Outcome::Return(ended.status as u32))
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

    use super::*;
    use crate::rom::fake::{DRAM, FakeGuest, Random};

    const INPUT: u32 = DRAM + 0x4000;
    const WINDOW: u32 = DRAM + 0x2_0000;
    const SIZES: u32 = DRAM + 0x3800;

    /// Decompresses in pieces of input and rounds of the window; the last status, and the output.
    fn inflate(guest: &mut FakeGuest, input: &[u8], piece: usize, flags: u32) -> (i32, Vec<u8>) {
        let (mut output, mut at, mut out) = (Vec::new(), 0, 0_u32);
        guest.put(DRAM, &[0; 4]);
        loop {
            let end = (at + piece).min(input.len());
            guest.put(INPUT, &input[at..end]);
            guest.put(SIZES, &((end - at) as u32).to_le_bytes());
            guest.put(SIZES + 4, &(0x8000 - out).to_le_bytes());
            let more = if end < input.len() { MORE_INPUT } else { 0 };
            let arguments = [DRAM, INPUT, SIZES, WINDOW, WINDOW + out, SIZES + 4, flags | more];
            let status = guest.call("tinfl_decompress", &arguments) as i32;
            at += guest.word(SIZES) as usize;
            let produced = guest.word(SIZES + 4);
            output.extend(guest.get(WINDOW + out, produced as usize));
            out = (out + produced) % 0x8000;
            if status <= 0 {
                return (status, output);
            }
            assert!(status == HAS_OUTPUT || at < input.len(), "asks for what was promised only");
        }
    }

    fn samples() -> Vec<Vec<u8>> {
        let mut random = Random::new(7);
        vec![
            Vec::new(),
            b"a".to_vec(),
            vec![b'a'; 1000],
            (0..70_000_u64).map(|n| (n * n / 77) as u8).collect(),
            (0..50_000).map(|_| random.below(256) as u8).collect(),
            (0..60_000).map(|_| b"the quick brown fox "[random.below(20) as usize]).collect(),
        ]
    }

    #[test]
    fn what_was_compressed_comes_back_however_input_and_time_are_cut() {
        for (sample, (budget, piece)) in
            samples().iter().zip([(1, 1), (64, 3), (1024, 7), (64, 1000), (1024, 8192), (9, 100)])
        {
            for level in [0, 1, 6, 9] {
                let zlib = compress_to_vec_zlib(sample, level);
                let mut guest = FakeGuest::new(budget);
                let (status, output) = inflate(&mut guest, &zlib, piece, ZLIB);
                assert_eq!(status, DONE, "level {level}");
                assert!(output == *sample, "level {level}");
                let raw = compress_to_vec(sample, level);
                assert!(inflate(&mut guest, &raw, piece, 0) == (DONE, sample.clone()));
            }
        }
    }

    #[test]
    fn a_wrong_sum_is_told_and_input_that_ends_too_early_has_failed() {
        let mut zlib = compress_to_vec_zlib(b"some text", 6);
        let mut guest = FakeGuest::new(64);
        let half = zlib[..zlib.len() / 2].to_vec();
        assert_eq!(inflate(&mut guest, &half, 100, ZLIB).0, FAILED);
        *zlib.last_mut().expect("not empty") ^= 1;
        assert_eq!(inflate(&mut guest, &zlib, 100, ZLIB).0, MISMATCH);
    }

    #[test]
    fn spoilt_streams_and_spoilt_structures_end() {
        let mut random = Random::new(1);
        let good = compress_to_vec_zlib(&samples()[3][..5000], 6);
        for round in 0..300 {
            let mut spoilt = good.clone();
            let at = random.below(spoilt.len() as u32) as usize;
            spoilt[at] ^= 1 << random.below(8);
            let mut guest = FakeGuest::new(1024);
            let (status, output) = inflate(&mut guest, &spoilt, 4096, ZLIB);
            assert!(status < 0 || output == samples()[3][..5000], "round {round}");
            let noise: Vec<u8> = (0..STATE_BYTES).map(|_| random.below(256) as u8).collect();
            guest.put(DRAM, &noise);
            guest.put(DRAM, &random.below(20).to_le_bytes());
            guest.put(SIZES, &1000_u32.to_le_bytes());
            guest.put(SIZES + 4, &0x8000_u32.to_le_bytes());
            let arguments = [DRAM, INPUT, SIZES, WINDOW, WINDOW, SIZES + 4, ZLIB];
            guest.call("tinfl_decompress", &arguments);
        }
    }
}
