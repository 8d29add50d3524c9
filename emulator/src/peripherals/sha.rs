//! SHA accelerator: SHA-1, SHA-256, SHA-384 and SHA-512, block by block.
//!
//! Source: ESP32 Technical Reference Manual, chapter "SHA Accelerator (SHA)"; order of words from
//! the SHA driver of ESP-IDF v5.0. Compression functions: crates `sha1` and `sha2`.
//! Modelled: one message memory TEXT for all; START, CONTINUE, LOAD and BUSY of each algorithm;
//! three engines that keep their states apart, of which SHA-384 and SHA-512 share one; a block
//! takes 60 to 100 APB clocks, a digest 8 to 20.
//! Not modelled: what the message memory holds while an engine works on it.

use super::{Context, Peripheral, Poked, Unmodelled};
use crate::time::{Duration, Instant};

mod reg {
    pub(super) const TEXT_LAST: u32 = 0x7c;
    pub(super) const SHA1_START: u32 = 0x80;
    pub(super) const SHA512_BUSY: u32 = 0xbc;
}

const SHA1_INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

const SHA256_INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

const SHA384_INITIAL: [u64; 8] = [
    0xcbbb_9d5d_c105_9ed8,
    0x629a_292a_367c_d507,
    0x9159_015a_3070_dd17,
    0x152f_ecd8_f70e_5939,
    0x6733_2667_ffc0_0b31,
    0x8eb4_4a87_6858_1511,
    0xdb0c_2e0d_64f9_8fa7,
    0x47b5_481d_befa_4fa4,
];

const SHA512_INITIAL: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// Algorithms in the order of their register groups, 16 bytes each from offset 80.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The engine that runs it.
    fn engine(self) -> usize {
        match self {
            Self::Sha1 => 0,
            Self::Sha256 => 1,
            Self::Sha384 | Self::Sha512 => 2,
        }
    }

    /// APB clocks of one block, of one digest.
    fn clocks(self) -> (u64, u64) {
        match self {
            Self::Sha1 => (80, 8),
            Self::Sha256 => (64, 8),
            Self::Sha384 | Self::Sha512 => (100, 20),
        }
    }
}

/// The accelerator.
#[derive(Debug, Clone, Default)]
pub struct Sha {
    text: [u32; 32],
    sha1: [u32; 5],
    sha256: [u32; 8],
    sha512: [u64; 8],
    busy_until: [Instant; 3],
}

impl Sha {
    /// The accelerator after reset.
    pub fn new() -> Self {
        Self::default()
    }

    /// TEXT as message bytes: the first byte is the highest of word 0.
    fn message<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for (to, word) in bytes.chunks_exact_mut(4).zip(&self.text) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    fn start(&mut self, algorithm: Algorithm) {
        match algorithm {
            Algorithm::Sha1 => self.sha1 = SHA1_INITIAL,
            Algorithm::Sha256 => self.sha256 = SHA256_INITIAL,
            Algorithm::Sha384 => self.sha512 = SHA384_INITIAL,
            Algorithm::Sha512 => self.sha512 = SHA512_INITIAL,
        }
    }

    fn compress(&mut self, algorithm: Algorithm) {
        match algorithm {
            Algorithm::Sha1 => {
                let block = self.message();
                sha1::block_api::compress(&mut self.sha1, &[block]);
            }
            Algorithm::Sha256 => {
                let block = self.message();
                sha2::block_api::compress256(&mut self.sha256, &[block]);
            }
            Algorithm::Sha384 | Algorithm::Sha512 => {
                let block = self.message();
                sha2::block_api::compress512(&mut self.sha512, &[block]);
            }
        }
    }

    fn load(&mut self, algorithm: Algorithm) {
        match algorithm {
            Algorithm::Sha1 => self.text[..5].copy_from_slice(&self.sha1),
            Algorithm::Sha256 => self.text[..8].copy_from_slice(&self.sha256),
            Algorithm::Sha384 | Algorithm::Sha512 => {
                for (to, state) in self.text.chunks_exact_mut(2).zip(self.sha512) {
                    to.copy_from_slice(&[(state >> 32) as u32, state as u32]);
                }
            }
        }
    }
}

/// A register of an algorithm's group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    Start,
    Continue,
    Load,
    Busy,
}

fn control(offset: u32) -> Option<(Algorithm, Control)> {
    if !(reg::SHA1_START..=reg::SHA512_BUSY).contains(&offset) {
        return None;
    }
    let controls = [Control::Start, Control::Continue, Control::Load, Control::Busy];
    let at = ((offset - reg::SHA1_START) / 4) as usize;
    Some((Algorithm::ALL[at / 4], controls[at % 4]))
}

impl Peripheral for Sha {
    const NAME: &'static str = "SHA";

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        self.peek(offset, cx.now).ok_or(Unmodelled)
    }

    fn peek(&self, offset: u32, now: Instant) -> Option<u32> {
        if offset <= reg::TEXT_LAST {
            return Some(self.text[(offset / 4) as usize]);
        }
        let (algorithm, control) = control(offset)?;
        let busy = now < self.busy_until[algorithm.engine()];
        Some(u32::from(control == Control::Busy && busy))
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        if offset <= reg::TEXT_LAST {
            self.text[(offset / 4) as usize] = value;
            return Ok(());
        }
        let (algorithm, control) = control(offset).ok_or(Unmodelled)?;
        if value & 1 == 0 {
            return Ok(());
        }
        let (block, digest) = algorithm.clocks();
        let clocks = match control {
            Control::Start => {
                self.start(algorithm);
                self.compress(algorithm);
                block
            }
            Control::Continue => {
                self.compress(algorithm);
                block
            }
            Control::Load => {
                self.load(algorithm);
                digest
            }
            Control::Busy => return Ok(()),
        };
        let time = Duration::of_periods(clocks, cx.clocks.apb);
        self.busy_until[algorithm.engine()] = cx.after(time);
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

    const START: u32 = 0;
    const CONTINUE: u32 = 4;
    const LOAD: u32 = 8;
    const BUSY: u32 = 12;

    struct Bench {
        sha: Sha,
        cx: Context,
    }

    impl Bench {
        fn new() -> Self {
            Self { sha: Sha::new(), cx: Context::at(Instant::ZERO, Clocks::default()) }
        }

        fn control(&mut self, group: u32, offset: u32) {
            self.sha.write(group + offset, 1, &self.cx).unwrap();
            assert_eq!(self.sha.read(group + BUSY, &self.cx), Ok(1));
            self.cx.now += Duration::from_micros(3);
            assert_eq!(self.sha.read(group + BUSY, &self.cx), Ok(0));
        }

        fn fill(&mut self, block: &[u8]) {
            for (at, word) in (0..).step_by(4).zip(block.chunks_exact(4)) {
                // The driver loads little-endian words and swaps their bytes.
                let word = u32::from_le_bytes(word.try_into().unwrap()).swap_bytes();
                self.sha.write(at, word, &self.cx).unwrap();
            }
        }

        /// Hashes as the driver does, with padding, and returns the digest in hexadecimal.
        fn hash(&mut self, group: u32, block: usize, message: &[u8], words: u32) -> String {
            let mut padded = message.to_vec();
            padded.push(0x80);
            while padded.len() % block != block - 8 {
                padded.push(0);
            }
            padded.extend((8 * message.len() as u64).to_be_bytes());
            for (number, part) in padded.chunks_exact(block).enumerate() {
                self.fill(part);
                self.control(group, if number == 0 { START } else { CONTINUE });
            }
            self.control(group, LOAD);
            (0..words).map(|i| format!("{:08x}", self.sha.read(4 * i, &self.cx).unwrap())).collect()
        }
    }

    const TWO_BLOCKS: &[u8] = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

    #[test]
    fn digests_are_those_of_fips_180() {
        let mut bench = Bench::new();
        assert_eq!(bench.hash(0x80, 64, TWO_BLOCKS, 5), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(
            bench.hash(0x90, 64, TWO_BLOCKS, 8),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        );
        assert_eq!(
            bench.hash(0xa0, 128, b"abc", 12),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
             8086072ba1e7cc2358baeca134c825a7"
        );
        assert_eq!(
            bench.hash(0xb0, 128, b"abc", 16),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
    }

    #[test]
    fn engines_keep_their_states_while_another_one_hashes() {
        let mut bench = Bench::new();
        let mut block = [0; 64];
        block[..4].copy_from_slice(b"abc\x80");
        block[63] = 24;
        bench.fill(&block);
        bench.control(0x90, START);
        bench.hash(0x80, 64, TWO_BLOCKS, 5);
        bench.hash(0xb0, 128, b"abc", 16);
        bench.control(0x90, LOAD);
        assert_eq!(bench.sha.read(0, &bench.cx), Ok(0xba78_16bf));
    }

    #[test]
    fn every_offset_takes_every_access() {
        let mut bench = Bench::new();
        for offset in (0..0x100).step_by(4) {
            let known = bench.sha.write(offset, u32::MAX, &bench.cx).is_ok();
            assert_eq!(known, offset < 0xc0);
            assert_eq!(bench.sha.read(offset, &bench.cx).is_ok(), known);
        }
        bench.sha.reset(&bench.cx);
        assert_eq!(bench.sha.read(0, &bench.cx), Ok(0));
    }
}
