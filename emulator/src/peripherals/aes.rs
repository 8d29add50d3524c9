//! AES accelerator: one block at a time, keys of 128, 192 and 256 bits.
//!
//! Source: ESP32 Technical Reference Manual, chapter "AES Accelerator (AES)"; order of words from
//! the AES driver of ESP-IDF v5.0; meaning of the ENDIAN bits by what the ROM function
//! `ets_aes_set_endian` writes. Block functions: crate `aes`.
//! Modelled: MODE, KEY, TEXT, ENDIAN, START, IDLE; encryption takes 15 APB clocks, decryption 22.
//! Not modelled: TEXT while the engine works on it.

use ::aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use ::aes::{Aes128, Aes192, Aes256};

use super::{Context, Peripheral, Poked, Unmodelled};
use crate::time::{Duration, Instant};

mod reg {
    pub(super) const START: u32 = 0x00;
    pub(super) const IDLE: u32 = 0x04;
    pub(super) const MODE: u32 = 0x08;
    pub(super) const KEY: u32 = 0x10;
    pub(super) const KEY_LAST: u32 = 0x2c;
    pub(super) const TEXT: u32 = 0x30;
    pub(super) const TEXT_LAST: u32 = 0x3c;
    pub(super) const ENDIAN: u32 = 0x40;
}

const ENDIAN_RESET: u32 = 0x3f;
const MODE_DECRYPT: u32 = 1 << 2;
const ENCRYPT_CLOCKS: u64 = 15;
const DECRYPT_CLOCKS: u64 = 22;

/// Two bits of ENDIAN: bit 0 lowest byte of a word first, bit 1 lowest word first.
#[derive(Debug, Clone, Copy)]
struct Endian(u32);

impl Endian {
    fn place(self, at: usize, words: usize) -> (usize, u32) {
        let word = if self.0 & 2 != 0 { at / 4 } else { words - 1 - at / 4 };
        let byte = if self.0 & 1 != 0 { at % 4 } else { 3 - at % 4 };
        (word, 8 * byte as u32)
    }

    fn to_bytes(self, words: &[u32], bytes: &mut [u8]) {
        for (at, to) in bytes.iter_mut().enumerate() {
            let (word, shift) = self.place(at, words.len());
            *to = (words[word] >> shift) as u8;
        }
    }

    fn to_words(self, bytes: &[u8], words: &mut [u32]) {
        let count = words.len();
        words.fill(0);
        for (at, from) in bytes.iter().enumerate() {
            let (word, shift) = self.place(at, count);
            words[word] |= u32::from(*from) << shift;
        }
    }
}

/// The accelerator.
#[derive(Debug, Clone)]
pub struct Aes {
    mode: u32,
    key: [u32; 8],
    text: [u32; 4],
    endian: u32,
    busy_until: Instant,
}

impl Default for Aes {
    fn default() -> Self {
        Self { mode: 0, key: [0; 8], text: [0; 4], endian: ENDIAN_RESET, busy_until: Instant::ZERO }
    }
}

impl Aes {
    /// The accelerator after reset.
    pub fn new() -> Self {
        Self::default()
    }

    fn key<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        Endian(self.endian).to_bytes(&self.key[..N / 4], &mut bytes);
        bytes
    }

    fn transform(&mut self) -> Result<(), Unmodelled> {
        let mut block = [0; 16];
        Endian(self.endian >> 2).to_bytes(&self.text, &mut block);
        let decrypt = self.mode & MODE_DECRYPT != 0;
        match self.mode & 3 {
            0 => apply(&Aes128::new(&self.key().into()), decrypt, &mut block),
            1 => apply(&Aes192::new(&self.key().into()), decrypt, &mut block),
            2 => apply(&Aes256::new(&self.key().into()), decrypt, &mut block),
            _ => return Err(Unmodelled), // the manual reserves modes 3 and 7
        }
        Endian(self.endian >> 4).to_words(&block, &mut self.text);
        Ok(())
    }
}

fn apply<C>(cipher: &C, decrypt: bool, block: &mut [u8; 16])
where
    C: BlockCipherEncrypt<BlockSize = ::aes::cipher::consts::U16>
        + BlockCipherDecrypt<BlockSize = ::aes::cipher::consts::U16>,
{
    let mut state = (*block).into();
    if decrypt {
        cipher.decrypt_block(&mut state);
    } else {
        cipher.encrypt_block(&mut state);
    }
    *block = state.into();
}

impl Peripheral for Aes {
    const NAME: &'static str = "AES";

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        self.peek(offset, cx.now).ok_or(Unmodelled)
    }

    fn peek(&self, offset: u32, now: Instant) -> Option<u32> {
        Some(match offset {
            reg::START => 0,
            reg::IDLE => u32::from(now >= self.busy_until),
            reg::MODE => self.mode,
            reg::KEY..=reg::KEY_LAST => self.key[((offset - reg::KEY) / 4) as usize],
            reg::TEXT..=reg::TEXT_LAST => self.text[((offset - reg::TEXT) / 4) as usize],
            reg::ENDIAN => self.endian,
            _ => return None,
        })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::START if value & 1 != 0 => {
                self.transform()?;
                let decrypt = self.mode & MODE_DECRYPT != 0;
                let clocks = if decrypt { DECRYPT_CLOCKS } else { ENCRYPT_CLOCKS };
                self.busy_until = cx.after(Duration::of_periods(clocks, cx.clocks.apb));
            }
            reg::START | reg::IDLE => {}
            reg::MODE => self.mode = value & 7,
            reg::KEY..=reg::KEY_LAST => self.key[((offset - reg::KEY) / 4) as usize] = value,
            reg::TEXT..=reg::TEXT_LAST => self.text[((offset - reg::TEXT) / 4) as usize] = value,
            reg::ENDIAN => self.endian = value & ENDIAN_RESET,
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn poke(&mut self, offset: u32, value: u32, cx: &Context) -> Option<Poked> {
        self.write(offset, value, cx).is_ok().then_some(Poked::Quietly)
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::Clocks;

    const PLAIN: [u32; 4] = [0x3322_1100, 0x7766_5544, 0xbbaa_9988, 0xffee_ddcc];

    /// Runs FIPS-197 appendix C (key 00 01 02 .., text 00 11 22 ..) as the driver would, with
    /// little-endian words.
    fn run(aes: &mut Aes, mode: u32, text: [u32; 4]) -> [u32; 4] {
        let mut cx = Context::at(Instant::ZERO, Clocks::default());
        aes.write(reg::MODE, mode, &cx).unwrap();
        for i in 0..8 {
            let key = 0x0302_0100 + 0x0404_0404 * i;
            aes.write(reg::KEY + 4 * i, key, &cx).unwrap();
        }
        for (at, word) in (reg::TEXT..).step_by(4).zip(text) {
            aes.write(at, word, &cx).unwrap();
        }
        aes.write(reg::START, 1, &cx).unwrap();
        assert_eq!(aes.read(reg::IDLE, &cx), Ok(0));
        cx.now += Duration::from_micros(1);
        assert_eq!(aes.read(reg::IDLE, &cx), Ok(1));
        [0, 4, 8, 12].map(|i| aes.read(reg::TEXT + i, &cx).unwrap())
    }

    #[test]
    fn blocks_are_those_of_fips_197_in_both_directions() {
        let mut aes = Aes::new();
        for (mode, first, last) in [
            (0, 0xd8e0_c469, 0x5ac5_b470), // 69c4e0d8 .. 70b4c55a
            (1, 0xa47c_a9dd, 0x9171_0dec), // dda97ca4 .. ec0d7191
            (2, 0xcab7_a28e, 0x8960_494b), // 8ea2b7ca .. 494b6089
        ] {
            let cipher = run(&mut aes, mode, PLAIN);
            assert_eq!((cipher[0], cipher[3]), (first, last));
            assert_eq!(run(&mut aes, mode | MODE_DECRYPT, cipher), PLAIN);
        }
    }

    #[test]
    fn endian_bits_choose_byte_and_word_order_of_key_input_and_output() {
        let mut aes = Aes::new();
        let cx = Context::at(Instant::ZERO, Clocks::default());
        let reference = run(&mut aes, 0, PLAIN);
        aes.write(reg::ENDIAN, 0x3f & !(1 << 4), &cx).unwrap();
        assert_eq!(run(&mut aes, 0, PLAIN), reference.map(u32::swap_bytes));
        aes.write(reg::ENDIAN, 0x3f & !(1 << 3), &cx).unwrap();
        let [a, b, c, d] = PLAIN;
        assert_eq!(run(&mut aes, 0, [d, c, b, a]), reference);
        aes.write(reg::ENDIAN, 0x3f & !1, &cx).unwrap();
        assert_ne!(run(&mut aes, 0, PLAIN), reference);
    }

    #[test]
    fn every_offset_takes_every_access() {
        let mut aes = Aes::new();
        let cx = Context::at(Instant::ZERO, Clocks::default());
        for offset in (0..0x100).step_by(4) {
            let _ = aes.write(offset, u32::MAX, &cx);
            let _ = aes.read(offset, &cx);
        }
        assert_eq!(aes.write(reg::START, 1, &cx), Err(Unmodelled)); // mode 7
        aes.reset(&cx);
        assert_eq!(aes.read(reg::ENDIAN, &cx), Ok(0x3f));
    }
}
