//! The MD5 message digest.
//!
//! *Source*: RFC 1321; `rom/md5_hash.h` of ESP-IDF for the context: four words of state, the message
//! length in bits as two words, and a 64-byte block buffer, 88 bytes in all.
//! *Modelled*: init, update (one block per step), final.
//! *Not modelled*: the HMAC and vector functions, which no firmware links.
//!
//! Cost: 700 cycles per block, that of about eleven instructions for each of 64 rounds.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

const BLOCK_COST: u64 = 700;
const BITS: u32 = 16;
const BUFFER: u32 = 24;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4005_da7c, "MD5Init", &[md5_init]),
    entry(0x4005_da9c, "MD5Update", &[md5_update]),
    entry(0x4005_db1c, "MD5Final", &[md5_final]),
];

const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// `floor(2^32 * abs(sin(i + 1)))`.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
];

fn transform(state: [u32; 4], block: &[u8; 64]) -> [u32; 4] {
    let (words, _) = block.as_chunks::<4>();
    let word = |i: usize| u32::from_le_bytes(words[i]);
    let [mut a, mut b, mut c, mut d] = state;
    for (i, &sine) in SINES.iter().enumerate() {
        let (f, g) = match i / 16 {
            0 => (b & c | !b & d, i),
            1 => (d & b | !d & c, 5 * i + 1),
            2 => (b ^ c ^ d, 3 * i + 5),
            _ => (c ^ (b | !d), 7 * i),
        };
        let sum = a.wrapping_add(f).wrapping_add(sine).wrapping_add(word(g % 16));
        (a, d, c) = (d, c, b);
        b = b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4]));
    }
    let mix = [a, b, c, d];
    std::array::from_fn(|i| state[i].wrapping_add(mix[i]))
}

fn load_state(call: &mut Call<'_>, context: u32) -> Result<[u32; 4], Stop> {
    let bytes: [u8; 16] = call.bytes(context)?;
    let (words, _) = bytes.as_chunks::<4>();
    Ok(std::array::from_fn(|i| u32::from_le_bytes(words[i])))
}

fn state_bytes(state: [u32; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (slot, word) in bytes.chunks_mut(4).zip(state) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn load_bits(call: &mut Call<'_>, context: u32) -> Result<u64, Stop> {
    Ok(u64::from_le_bytes(call.bytes(context.wrapping_add(BITS))?))
}

/// `void MD5Init(struct MD5Context *context)`
fn md5_init(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(20);
    let context = call.get(0);
    call.write(context, &state_bytes(START))?;
    call.write(context.wrapping_add(BITS), &[0; 8])?;
    Ok(Outcome::Void)
}

/// `void MD5Update(struct MD5Context *context, const uint8_t *buf, unsigned len)`: each step fills
/// the block buffer as far as it goes, and digests it when it is full.
fn md5_update(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let context = call.get(0);
    while call.get(2) > 0 {
        let bits = load_bits(call, context)?;
        let filled = (bits >> 3 & 63) as usize;
        let n = (64 - filled).min(call.get(2) as usize);
        let mut block: [u8; 64] = call.bytes(context.wrapping_add(BUFFER))?;
        call.read(call.get(1), &mut block[filled..filled + n])?;
        if filled + n == 64 {
            let state = transform(load_state(call, context)?, &block);
            call.write(context, &state_bytes(state))?;
        }
        call.write(context.wrapping_add(BUFFER), &block)?;
        let bits = bits.wrapping_add(8 * n as u64);
        call.write(context.wrapping_add(BITS), &bits.to_le_bytes())?;
        call.add(1, n as u32);
        call.add(2, (n as u32).wrapping_neg());
        call.charge(if filled + n == 64 { BLOCK_COST } else { 20 });
        if call.is_spent() && call.get(2) > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Void)
}

/// `void MD5Final(uint8_t digest[16], struct MD5Context *context)`
fn md5_final(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (digest, context) = (call.get(0), call.get(1));
    let bits = load_bits(call, context)?;
    let filled = (bits >> 3 & 63) as usize;
    let mut block: [u8; 64] = call.bytes(context.wrapping_add(BUFFER))?;
    let mut state = load_state(call, context)?;
    block[filled] = 0x80;
    block[filled + 1..].fill(0);
    if filled >= 56 {
        state = transform(state, &block);
        block.fill(0);
        call.charge(BLOCK_COST / 2);
    }
    block[56..].copy_from_slice(&bits.to_le_bytes());
    call.write(digest, &state_bytes(transform(state, &block)))?;
    call.charge(BLOCK_COST / 2);
    Ok(Outcome::Void)
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{DRAM, FakeGuest};

    fn digest(guest: &mut FakeGuest, message: &[u8], cut: usize) -> String {
        let (context, text, out) = (DRAM + 1, DRAM + 0x1003, DRAM + 0x100);
        guest.put(text, message);
        let (first, cut) = (text, cut.min(message.len()) as u32);
        guest.call("MD5Init", &[context]);
        guest.call("MD5Update", &[context, first, cut]);
        guest.call("MD5Update", &[context, first + cut, message.len() as u32 - cut]);
        guest.call("MD5Final", &[out, context]);
        guest.get(out, 16).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_test_suite_of_rfc_1321_passes_however_the_message_is_cut() {
        let digits = "1234567890".repeat(8);
        for cut in [0, 1, 5, 63, 64, 65] {
            let mut guest = FakeGuest::new(64);
            let mut check = |message: &str, expected: &str| {
                assert_eq!(digest(&mut guest, message.as_bytes(), cut), expected);
            };
            check("", "d41d8cd98f00b204e9800998ecf8427e");
            check("abc", "900150983cd24fb0d6963f7d28e17f72");
            check("message digest", "f96b697d7cb7938d525a2f31aaf161d0");
            check(&digits, "57edf4a22be3c955ac49da2e2107b67a");
            check(&"a".repeat(56), "3b0c8ac703f828b04c6c197006d17218");
        }
    }
}
