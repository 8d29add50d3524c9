//! A small client of the ROM's serial loader: finds out what the chip is, erases, writes and reads its
//! flash.
//!
//! It uploads nothing and needs bytes only, so it works on every kind of adapter; the ROM inflates what
//! it gets and hashes what it wrote.
//!
//! *Source*: Espressif's documentation of the serial protocol (esptool documentation, "Serial
//! Protocol"); ESP32 Technical Reference Manual, "eFuse Controller" and "SPI Controller"; JEDEC
//! JESD216 for the identification of flash chips.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::slip::{Unframer, frame};
use super::{Chip, Client, EFUSE_MAC, Heard, LoaderError, Mac, SECTOR};
use crate::bench::adapters::{Adapter, ROM_BAUD};

/// Bytes of a block that is written; the ROM takes up to 0x1800.
const BLOCK: usize = 0x1000;
/// Bytes that the ROM inflates before it writes them.
const WINDOW: usize = 0x8000;
/// Most bytes that one command reads.
const READ: u32 = 64;
const CHECKSUM_SEED: u8 = 0xef;

/// How long an ordinary answer may take.
const ANSWER: Duration = Duration::from_secs(3);
/// How long one of several attempts to be heard waits.
const SYNC_ANSWER: Duration = Duration::from_millis(200);
const SYNC_ATTEMPTS: usize = 6;
/// When a line on which nothing is asked has become quiet; one that never does is noise.
const QUIET: Duration = Duration::from_millis(50);
const NEVER_QUIET: Duration = Duration::from_millis(500);
/// What data sheets allow for erasing a sector, rounded up generously, for each of them.
const ERASE_SECTOR: Duration = Duration::from_millis(400);
/// Hashing 4 KiB, likewise.
const HASH_SECTOR: Duration = Duration::from_millis(40);

mod command {
    pub(super) const FLASH_BEGIN: u8 = 0x02;
    pub(super) const FLASH_DATA: u8 = 0x03;
    pub(super) const SYNC: u8 = 0x08;
    pub(super) const WRITE_REG: u8 = 0x09;
    pub(super) const READ_REG: u8 = 0x0a;
    pub(super) const SPI_SET_PARAMS: u8 = 0x0b;
    pub(super) const SPI_ATTACH: u8 = 0x0d;
    pub(super) const SPI_READ: u8 = 0x0e;
    pub(super) const CHANGE_BAUDRATE: u8 = 0x0f;
    pub(super) const FLASH_DEFL_BEGIN: u8 = 0x10;
    pub(super) const FLASH_DEFL_DATA: u8 = 0x11;
    pub(super) const SPI_FLASH_MD5: u8 = 0x13;
}

// SPI1, over which the flash chip is asked directly.
const SPI_CMD: u32 = 0x3ff4_2000;
const SPI_USER: u32 = 0x3ff4_201c;
const SPI_USER2: u32 = 0x3ff4_2024;
const SPI_MISO_DLEN: u32 = 0x3ff4_202c;
const SPI_W0: u32 = 0x3ff4_2080;
/// SPI_USER: command and input phases.
const USER_COMMAND_AND_INPUT: u32 = 1 << 31 | 1 << 28;
/// SPI_CMD: start a user-defined operation.
const CMD_USR: u32 = 1 << 18;
/// SPI_USER2: length of the command less one, in bits.
const USER2_COMMAND_8_BITS: u32 = 7 << 28;
/// Read identification.
const RDID: u32 = 0x9f;

/// A conversation with the ROM of a chip in download mode.
pub struct RomClient<'a> {
    line: &'a mut dyn Adapter,
    unframer: Unframer,
    /// What came since the last answer.
    heard: Heard,
}

/// What an answer brings.
struct Answer {
    value: u32,
    data: Vec<u8>,
}

impl<'a> RomClient<'a> {
    /// A conversation that goes on: the chip has been heard before on this line.
    pub fn resume(line: &'a mut dyn Adapter) -> Self {
        Self { line, unframer: Unframer::default(), heard: Heard::default() }
    }

    /// Begins one: is heard, asks the chip what it is, and goes on at `baud`.
    ///
    /// # Errors
    /// [`LoaderError::NoLoader`] when nothing answers.
    pub fn connect(line: &'a mut dyn Adapter, baud: u32) -> Result<(Self, Chip), LoaderError> {
        let mut client = Self::resume(line);
        client.sync()?;
        let chip = client.identify()?;
        if baud != ROM_BAUD {
            client.change_baud(baud)?;
        }
        Ok((client, chip))
    }

    /// The loader measures the speed of the first packet; it answers eight times.
    fn sync(&mut self) -> Result<(), LoaderError> {
        let mut body = vec![0x07, 0x07, 0x12, 0x20];
        body.extend([0x55; 32]);
        for _ in 0..SYNC_ATTEMPTS {
            self.send(command::SYNC, 0, &body)?;
            match self.answer(command::SYNC, "SYNC", SYNC_ANSWER) {
                Ok(_) => return self.drain(),
                Err(error @ LoaderError::Adapter(_)) => return Err(error),
                Err(_) => {}
            }
        }
        Err(LoaderError::NoLoader { heard: std::mem::take(&mut self.heard) })
    }

    /// Reads what is still under way.
    fn drain(&mut self) -> Result<(), LoaderError> {
        let end = Instant::now() + NEVER_QUIET;
        let mut piece = [0; 256];
        while self.line.read(&mut piece, QUIET)? > 0 && Instant::now() < end {}
        self.unframer = Unframer::default();
        Ok(())
    }

    fn identify(&mut self) -> Result<Chip, LoaderError> {
        let [low, high] = [self.read_register(EFUSE_MAC[0])?, self.read_register(EFUSE_MAC[1])?];
        let mac = Mac::of_efuse(low, high);
        self.ask(command::SPI_ATTACH, "SPI_ATTACH", &[0, 0])?;
        let flash_id = self.flash_id()?;
        let flash_size = size_of(flash_id);
        if let Some(size) = flash_size {
            let parameters = [0, size, 0x1_0000, SECTOR, 0x100, 0xffff];
            self.ask(command::SPI_SET_PARAMS, "SPI_SET_PARAMS", &parameters)?;
        }
        Ok(Chip { mac, flash_id, flash_size })
    }

    /// Asks the flash chip itself.
    fn flash_id(&mut self) -> Result<u32, LoaderError> {
        let kept = [self.read_register(SPI_USER)?, self.read_register(SPI_USER2)?];
        self.write_register(SPI_MISO_DLEN, 24 - 1)?;
        self.write_register(SPI_USER, USER_COMMAND_AND_INPUT)?;
        self.write_register(SPI_USER2, USER2_COMMAND_8_BITS | RDID)?;
        self.write_register(SPI_W0, 0)?;
        self.write_register(SPI_CMD, CMD_USR)?;
        for _ in 0..10 {
            if self.read_register(SPI_CMD)? & CMD_USR == 0 {
                let id = self.read_register(SPI_W0)? & 0xff_ffff;
                self.write_register(SPI_USER, kept[0])?;
                self.write_register(SPI_USER2, kept[1])?;
                return Ok(id);
            }
        }
        Err(LoaderError::Nonsense { command: "RDID" })
    }

    /// Goes on at another speed.
    ///
    /// # Errors
    /// As for every command, and when the adapter does not have that speed.
    pub fn change_baud(&mut self, baud: u32) -> Result<(), LoaderError> {
        self.ask(command::CHANGE_BAUDRATE, "CHANGE_BAUDRATE", &[baud, 0])?;
        self.line.set_baud(baud)?;
        self.drain()
    }

    /// The content of a register.
    ///
    /// # Errors
    /// As for every command.
    pub fn read_register(&mut self, address: u32) -> Result<u32, LoaderError> {
        Ok(self.ask(command::READ_REG, "READ_REG", &[address])?.value)
    }

    fn write_register(&mut self, address: u32, value: u32) -> Result<(), LoaderError> {
        let request = [address, value, u32::MAX, 0];
        self.ask(command::WRITE_REG, "WRITE_REG", &request).map(drop)
    }

    fn write_packed(
        &mut self,
        offset: u32,
        bytes: &[u8],
        done: &mut dyn FnMut(usize),
    ) -> Result<(), LoaderError> {
        let packed = deflate(bytes);
        let blocks = packed.len().div_ceil(BLOCK) as u32;
        let patience = erase_patience(bytes.len());
        let request = words(&[bytes.len() as u32, blocks, BLOCK as u32, offset]);
        let name = "FLASH_DEFL_BEGIN";
        self.request(command::FLASH_DEFL_BEGIN, name, 0, &request, patience)?;
        for (sequence, block) in (0..).zip(packed.chunks(BLOCK)) {
            // One block may inflate to very many bytes.
            self.block(command::FLASH_DEFL_DATA, "FLASH_DEFL_DATA", sequence, block, patience)?;
            let sent = packed.len().min((sequence as usize + 1) * BLOCK);
            done((bytes.len() as u64 * sent as u64 / packed.len() as u64) as usize);
        }
        Ok(())
    }

    fn write_plain(
        &mut self,
        offset: u32,
        bytes: &[u8],
        done: &mut dyn FnMut(usize),
    ) -> Result<(), LoaderError> {
        let (length, blocks) = (bytes.len() as u32, bytes.len().div_ceil(BLOCK) as u32);
        let request = words(&[length, blocks, BLOCK as u32, offset]);
        let patience = erase_patience(bytes.len());
        self.request(command::FLASH_BEGIN, "FLASH_BEGIN", 0, &request, patience)?;
        for (sequence, block) in (0..).zip(bytes.chunks(BLOCK)) {
            self.block(command::FLASH_DATA, "FLASH_DATA", sequence, block, ANSWER)?;
            done(bytes.len().min((sequence as usize + 1) * BLOCK));
        }
        Ok(())
    }

    fn block(
        &mut self,
        command: u8,
        name: &'static str,
        sequence: u32,
        block: &[u8],
        patience: Duration,
    ) -> Result<(), LoaderError> {
        let mut body = words(&[block.len() as u32, sequence, 0, 0]);
        body.extend(block);
        let checksum = block.iter().fold(CHECKSUM_SEED, |sum, byte| sum ^ byte);
        self.request(command, name, checksum, &body, patience).map(drop)
    }

    fn ask(
        &mut self,
        command: u8,
        name: &'static str,
        body: &[u32],
    ) -> Result<Answer, LoaderError> {
        self.request(command, name, 0, &words(body), ANSWER)
    }

    fn request(
        &mut self,
        command: u8,
        name: &'static str,
        checksum: u8,
        body: &[u8],
        patience: Duration,
    ) -> Result<Answer, LoaderError> {
        self.send(command, checksum, body)?;
        self.answer(command, name, patience)
    }

    fn send(&mut self, command: u8, checksum: u8, body: &[u8]) -> Result<(), LoaderError> {
        let length = (body.len() as u16).to_le_bytes();
        let mut packet = vec![0, command, length[0], length[1], checksum, 0, 0, 0];
        packet.extend(body);
        Ok(self.line.write(&frame(&packet))?)
    }

    /// The next answer to such a command; others are late ones.
    fn answer(
        &mut self,
        command: u8,
        name: &'static str,
        patience: Duration,
    ) -> Result<Answer, LoaderError> {
        let end = Instant::now() + patience;
        let mut piece = [0; 512];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let count = self.line.read(&mut piece, left)?;
            self.heard.add(&piece[..count]);
            // No request is sent before the last one is answered, so nothing follows an answer that
            // anybody waits for.
            for byte in &piece[..count] {
                if let Some(packet) = self.unframer.push(*byte)
                    && packet.get(..2) == Some(&[1, command])
                {
                    self.heard = Heard::default();
                    return read_answer(name, &packet);
                }
            }
            // Noise alone must not go on for ever.
            if count == 0 || left.is_zero() {
                return Err(LoaderError::NoAnswer { command: name, patience });
            }
        }
    }
}

impl Client for RomClient<'_> {
    fn erase(&mut self, offset: u32, length: u32) -> Result<(), LoaderError> {
        // A write of no blocks erases and waits for none.
        let request = words(&[length, 0, BLOCK as u32, offset]);
        let patience = erase_patience(length as usize);
        self.request(command::FLASH_BEGIN, "FLASH_BEGIN", 0, &request, patience).map(drop)
    }

    /// At the end of a compressed transfer the ROM writes its whole window of 32 KiB, also what is old
    /// in it, over whatever follows. So only the beginning is sent compressed; the rest, which is at
    /// least a window, is erased after that and sent as it is.
    fn write(
        &mut self,
        offset: u32,
        bytes: &[u8],
        done: &mut dyn FnMut(usize),
    ) -> Result<(), LoaderError> {
        let (packed, plain) = bytes.split_at((bytes.len() / WINDOW).saturating_sub(1) * WINDOW);
        if !packed.is_empty() {
            self.write_packed(offset, packed, done)?;
        }
        let mut plainly = |bytes: usize| done(packed.len() + bytes);
        self.write_plain(offset + packed.len() as u32, plain, &mut plainly)
    }

    /// 64 bytes at a time, which is what the ROM can.
    fn read(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, LoaderError> {
        let mut bytes = Vec::with_capacity(length as usize);
        while (bytes.len() as u32) < length {
            let done = bytes.len() as u32;
            let piece = (length - done).min(READ);
            let answer = self.ask(command::SPI_READ, "READ_FLASH", &[offset + done, piece])?;
            let piece = answer.data.get(..piece as usize);
            bytes.extend(piece.ok_or(LoaderError::Nonsense { command: "READ_FLASH" })?);
        }
        Ok(bytes)
    }

    fn md5(&mut self, offset: u32, length: u32) -> Result<[u8; 16], LoaderError> {
        let name = "SPI_FLASH_MD5";
        let patience = ANSWER + HASH_SECTOR * length.div_ceil(SECTOR);
        let request = words(&[offset, length, 0, 0]);
        let answer = self.request(command::SPI_FLASH_MD5, name, 0, &request, patience)?;
        // The ROM answers in hexadecimal digits.
        let digits = std::str::from_utf8(&answer.data).ok().filter(|digits| digits.len() == 32);
        let sum = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        sum.map(u128::to_be_bytes).ok_or(LoaderError::Nonsense { command: name })
    }
}

/// Direction, command, length (2), value (4), data, and four bytes that say how it went.
fn read_answer(name: &'static str, packet: &[u8]) -> Result<Answer, LoaderError> {
    let nonsense = LoaderError::Nonsense { command: name };
    let Some((head, rest)) = packet.split_first_chunk::<8>() else { return Err(nonsense) };
    let [_, _, _, _, v0, v1, v2, v3] = *head;
    let Some((data, status)) = rest.split_last_chunk::<4>() else { return Err(nonsense) };
    match *status {
        [0, ..] => Ok(Answer { value: u32::from_le_bytes([v0, v1, v2, v3]), data: data.to_vec() }),
        [_, error, ..] => Err(LoaderError::Refused { command: name, error }),
    }
}

/// How long erasing so many bytes may take.
fn erase_patience(bytes: usize) -> Duration {
    ANSWER + ERASE_SECTOR * (bytes as u32).div_ceil(SECTOR)
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Bytes as the ROM inflates them.
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    // Writing into memory cannot fail.
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.unwrap_or_default()
}

/// The capacity byte of most makers is the power of two.
fn size_of(flash_id: u32) -> Option<u32> {
    match flash_id >> 16 & 0xff {
        exponent @ 0x12..=0x18 => Some(1 << exponent),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bench::adapters::recording::{Act, Noise, Recording};
    use crate::bench::loader::Loader;
    use crate::targets::Progress;

    fn answer(command: u8, value: u32, data: &[u8], status: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![1, command, (data.len() + 4) as u8, 0];
        packet.extend(value.to_le_bytes());
        packet.extend(data);
        packet.extend(status);
        frame(&packet)
    }

    fn client(line: &mut Recording) -> RomClient<'_> {
        RomClient::resume(line)
    }

    #[test]
    fn a_register_is_read_whatever_else_is_on_the_line() {
        let late = answer(command::SYNC, 0, &[], [0; 4]);
        let right = answer(command::READ_REG, 0xc0db_0001, &[], [0; 4]);
        let (one, two) = right.split_at(5);
        let mut line = Recording::saying([b"noise".to_vec(), late, one.to_vec(), two.to_vec()]);
        let acts = line.acts();
        assert_eq!(client(&mut line).read_register(0x3ff0_0000).unwrap(), 0xc0db_0001);
        let sent = b"\xc0\0\x0a\x04\0\0\0\0\0\0\0\xf0\x3f\xc0".to_vec();
        assert_eq!(*acts.lock().unwrap(), [Act::Wrote(sent)]);
    }

    #[test]
    fn a_refusal_says_what_and_why() {
        let mut line =
            Recording::saying([answer(command::SPI_FLASH_MD5, 0, &[0; 32], [1, 9, 0, 0])]);
        let error = client(&mut line).md5(0, 16).unwrap_err();
        let text = "the loader refuses SPI_FLASH_MD5: reading the flash failed (error 0x09)";
        assert_eq!(error.to_string(), text);
        let error = client(&mut Recording::default()).md5(0, 4096).unwrap_err();
        assert!(matches!(error, LoaderError::NoAnswer { command: "SPI_FLASH_MD5", .. }));
    }

    #[test]
    fn answers_that_make_no_sense_are_told_from_right_ones() {
        for packet in [&b"\x01\x13"[..], b"\x01\x13\x04\0\0\0\0\0\0\0\0"] {
            let mut line = Recording::saying([frame(packet)]);
            let error = client(&mut line).md5(0, 16).unwrap_err();
            assert!(matches!(error, LoaderError::Nonsense { .. }), "{error}");
        }
        let digits = b"no hexadecimal digits, of 32 byt";
        let mut line = Recording::saying([answer(command::SPI_FLASH_MD5, 0, digits, [0; 4])]);
        assert!(client(&mut line).md5(0, 16).is_err());
    }

    #[test]
    fn noise_without_end_is_given_up_when_the_patience_is_over() {
        // An endless frame, frames of others, and nothing but ends.
        for noise in [&b"\xc0noise"[..], b"\xc0\x01\x0a\0\0\xc0", b"\xc0"] {
            let mut line = Noise(noise);
            let mut client = RomClient::resume(&mut line);
            let patience = Duration::from_millis(5);
            let Err(error) = client.answer(command::SYNC, "SYNC", patience) else { panic!("none") };
            assert!(matches!(error, LoaderError::NoAnswer { .. }), "{error}");
            client.drain().expect("it has an end");
        }
        let mut line = Noise(b"\xc0");
        assert!(matches!(
            RomClient::connect(&mut line, 921_600),
            Err(LoaderError::NoLoader { .. })
        ));
    }

    /// What the loader may say: right answers to any command, torn and spoilt ones, garbage.
    fn said() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let command = prop::sample::select(vec![
            command::SYNC,
            command::READ_REG,
            command::WRITE_REG,
            command::SPI_ATTACH,
            command::SPI_SET_PARAMS,
            command::SPI_READ,
            command::CHANGE_BAUDRATE,
            command::FLASH_BEGIN,
            command::FLASH_DATA,
            command::FLASH_DEFL_BEGIN,
            command::FLASH_DEFL_DATA,
            command::SPI_FLASH_MD5,
        ]);
        let data = prop_oneof![
            Just(Vec::new()),
            Just(b"0123456789abcdef0123456789abcdef".to_vec()),
            prop::collection::vec(any::<u8>(), 0..300),
        ];
        let status = prop_oneof![9 => Just([0; 4]), 1 => any::<[u8; 4]>()];
        let right = (command, any::<u32>(), data, status)
            .prop_map(|(command, value, data, status)| answer(command, value, &data, status));
        let torn = (right.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
            |(mut frame, at, byte)| {
                let at = at.index(frame.len());
                frame[at] ^= byte;
                frame.truncate(at.max(1) * 2);
                frame
            },
        );
        let garbage = prop::collection::vec(any::<u8>(), 0..1_200);
        let piece = prop_oneof![6 => right, 1 => torn, 1 => garbage];
        prop::collection::vec(piece, 0..60)
    }

    proptest! {
        #[test]
        fn whatever_the_loader_says_ends_in_a_result(
            pieces in said(),
            offset in 0..0x40_0000_u32,
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            many in any::<bool>(),
        ) {
            let mut line = Recording::saying(pieces);
            // Long enough to be compressed.
            let bytes = if many { bytes.repeat(1_000) } else { bytes };
            let length = bytes.len() as u32;
            if let Ok((_, chip)) = RomClient::connect(&mut line, 460_800) {
                prop_assert!(chip.flash_size.is_none_or(u32::is_power_of_two));
            }
            let chip = Chip { mac: Mac([0; 6]), flash_id: 0, flash_size: None };
            let mut loader = Loader::new(RomClient::resume(&mut line), &chip);
            let mut last = 0;
            let mut progress = |now: Progress| {
                assert!(now.done >= last && now.done <= now.total, "{now:?} after {last}");
                last = now.done;
            };
            let _ = loader.write(offset, &bytes, &mut progress);
            let _ = loader.erase(offset, length, &mut |now| assert!(now.done <= now.total));
            let _ = loader.holds(offset, &bytes);
            if let Ok(read) = loader.read(offset, length) {
                prop_assert_eq!(read.len(), bytes.len());
            }
        }
    }

    #[test]
    fn sizes_come_from_the_capacity_byte() {
        assert_eq!(size_of(0x16_40_ef), Some(4 << 20));
        assert_eq!(size_of(0xff_ff_ff), None);
        assert_eq!(size_of(0), None);
    }
}
