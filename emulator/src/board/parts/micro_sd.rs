//! A memory card in its SPI mode.
//!
//! Source: SD Association, "Physical Layer Simplified Specification", version 6.00, chapter 7 (SPI mode),
//! 4.5 (checksums), 5.1 to 5.6 (registers).
//!
//! *Modelled*: a card of standard capacity, from its first command on: its registers and status, single
//! and multiple blocks read and written, erasing, checksums when they are switched on. What was written
//! stays when its power goes.
//!
//! *Not modelled*: the SD bus, which a card without a chip select speaks; other block lengths than 512
//! bytes; switching functions, locks, write protection; how long writing takes: it is busy for a few
//! bytes.

use std::collections::{BTreeMap, VecDeque};

use super::spi_shift::SpiShift;
use super::{Drive, Part};
use crate::time::Instant;

const CS: usize = 0;
const SCK: usize = 1;
const DI: usize = 2;
const DO: usize = 3;

/// Bytes of a block.
const BLOCK: usize = 512;
/// Blocks of the card: 8 MiB.
const BLOCKS: u32 = 8 << 20 >> 9;
/// Bytes of a command.
const FRAME: usize = 6;
/// Bytes for which a card that has written is busy.
const BUSY: usize = 4;

mod command {
    pub(super) const GO_IDLE_STATE: u8 = 0;
    pub(super) const SEND_IF_COND: u8 = 8;
    pub(super) const SEND_CSD: u8 = 9;
    pub(super) const SEND_CID: u8 = 10;
    pub(super) const STOP_TRANSMISSION: u8 = 12;
    pub(super) const SEND_STATUS: u8 = 13;
    pub(super) const SET_BLOCKLEN: u8 = 16;
    pub(super) const READ_SINGLE_BLOCK: u8 = 17;
    pub(super) const READ_MULTIPLE_BLOCK: u8 = 18;
    pub(super) const WRITE_BLOCK: u8 = 24;
    pub(super) const WRITE_MULTIPLE_BLOCK: u8 = 25;
    pub(super) const ERASE_WR_BLK_START: u8 = 32;
    pub(super) const ERASE_WR_BLK_END: u8 = 33;
    pub(super) const ERASE: u8 = 38;
    pub(super) const APP_CMD: u8 = 55;
    pub(super) const READ_OCR: u8 = 58;
    pub(super) const CRC_ON_OFF: u8 = 59;
}

/// Commands behind APP_CMD.
mod app_command {
    pub(super) const SD_STATUS: u8 = 13;
    pub(super) const SET_WR_BLK_ERASE_COUNT: u8 = 23;
    pub(super) const SD_SEND_OP_COND: u8 = 41;
    pub(super) const SEND_SCR: u8 = 51;
}

/// Bits of the first byte of every response.
mod r1 {
    pub(super) const IN_IDLE_STATE: u8 = 1 << 0;
    pub(super) const ILLEGAL_COMMAND: u8 = 1 << 2;
    pub(super) const COM_CRC_ERROR: u8 = 1 << 3;
    pub(super) const ADDRESS_ERROR: u8 = 1 << 5;
    pub(super) const PARAMETER_ERROR: u8 = 1 << 6;
}

/// Before a block, and behind the last one.
mod token {
    pub(super) const BLOCK: u8 = 0xfe;
    pub(super) const BLOCK_OF_MANY: u8 = 0xfc;
    pub(super) const STOP: u8 = 0xfd;
}

/// Answers to a block.
mod taken {
    pub(super) const ACCEPTED: u8 = 0x05;
    pub(super) const CRC_ERROR: u8 = 0x0b;
    pub(super) const WRITE_ERROR: u8 = 0x0d;
}

/// Operating conditions: powered up, 2.7 to 3.6 V, standard capacity.
const OCR: u32 = 0x80ff_8000;
/// Configuration: version 2, both bus widths.
const SCR: [u8; 8] = [0x02, 0x05, 0, 0, 0, 0, 0, 0];
/// Identity but for its checksum: nobody's, "BENCH", revision 1.0, of January 2026.
const CID: [u8; 15] = [0, b'B', b'R', b'B', b'E', b'N', b'C', b'H', 0x10, 0, 0, 0, 1, 0x01, 0xa1];

/// What comes next from the host.
#[derive(Debug, Clone)]
enum Expects {
    /// A command.
    Command,
    /// The token before a block that goes there; whether others may follow.
    Token { block: u32, many: bool },
    /// A block with its checksum.
    Block { block: u32, many: bool, bytes: Vec<u8> },
}

/// A card in its slot.
#[derive(Debug, Clone)]
pub struct MicroSd {
    /// Blocks that are not blank.
    blocks: BTreeMap<u32, [u8; BLOCK]>,
    /// Levels of its pins.
    levels: [bool; 3],
    shift: SpiShift,
    frame: Vec<u8>,
    expects: Expects,
    /// What it is going to send.
    answer: VecDeque<u8>,
    /// The block that it sends next, of many.
    streams: Option<u32>,
    idle: bool,
    /// It has been asked to get ready.
    asked: bool,
    /// The next command is an application's.
    application: bool,
    checks: bool,
    erase: [u32; 2],
}

impl Default for MicroSd {
    /// A blank card.
    fn default() -> Self {
        Self {
            blocks: BTreeMap::new(),
            levels: [true; 3],
            shift: SpiShift::default(),
            frame: Vec::new(),
            expects: Expects::Command,
            answer: VecDeque::new(),
            streams: None,
            idle: true,
            asked: false,
            application: false,
            checks: false,
            erase: [0; 2],
        }
    }
}

/// CRC7 of a command or a register, in the upper bits, with the end bit below.
fn crc7(bytes: &[u8]) -> u8 {
    let crc = bytes.iter().fold(0_u8, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| crc << 1 ^ if crc & 0x80 == 0 { 0 } else { 0x12 })
    });
    crc | 1
}

/// CRC16 of a block.
fn crc16(bytes: &[u8]) -> [u8; 2] {
    let crc = bytes.iter().fold(0_u16, |crc, byte| {
        let crc = crc ^ u16::from(*byte) << 8;
        (0..8).fold(crc, |crc, _| crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    });
    crc.to_be_bytes()
}

/// The register with the card's capacity, version 1.0.
fn csd() -> [u8; 16] {
    // The multiplier is 2^9, so that sizes are in units of 256 KiB.
    let size = BLOCKS / 512 - 1;
    let fields: [(u32, u32); 31] = [
        (0, 2), // CSD_STRUCTURE
        (0, 6),
        (0x26, 8),   // TAAC: 1.5 ms
        (0, 8),      // NSAC
        (0x32, 8),   // TRAN_SPEED: 25 MHz
        (0x5b5, 12), // CCC
        (9, 4),      // READ_BL_LEN
        (1, 1),      // READ_BL_PARTIAL
        (0, 1),
        (0, 1),
        (0, 1), // DSR_IMP
        (0, 2),
        (size, 12), // C_SIZE
        (7, 3),
        (7, 3),
        (7, 3),
        (7, 3),    // currents
        (7, 3),    // C_SIZE_MULT
        (1, 1),    // ERASE_BLK_EN
        (0x7f, 7), // SECTOR_SIZE
        (0, 7),
        (0, 1),
        (0, 2),
        (2, 3), // R2W_FACTOR
        (9, 4), // WRITE_BL_LEN
        (0, 1),
        (0, 5),
        (0, 1),
        (0, 1),
        (0, 1),
        (0, 5), // protection, format
    ];
    let bits =
        fields.iter().fold(0_u128, |bits, (value, width)| bits << width | u128::from(*value));
    let mut csd = (bits << 8).to_be_bytes();
    csd[15] = crc7(&csd[..15]);
    csd
}

impl MicroSd {
    fn status(&self) -> u8 {
        if self.idle { r1::IN_IDLE_STATE } else { 0 }
    }

    /// The next byte that it sends while it is selected.
    fn next_answer(&mut self) -> u8 {
        if self.answer.is_empty()
            && let Some(block) = self.streams
        {
            match block < BLOCKS {
                true => {
                    self.send_block(block);
                    self.streams = Some(block + 1);
                }
                false => self.streams = None,
            }
        }
        self.answer.pop_front().unwrap_or(0xff)
    }

    fn send_data(&mut self, bytes: &[u8]) {
        self.answer.extend([0xff, token::BLOCK]);
        self.answer.extend(bytes);
        self.answer.extend(crc16(bytes));
    }

    fn send_block(&mut self, block: u32) {
        let bytes = self.blocks.get(&block).copied().unwrap_or([0; BLOCK]);
        self.send_data(&bytes);
    }

    /// The block of an address; else the bit that says what is wrong.
    fn block_of(address: u32) -> Result<u32, u8> {
        match (address % BLOCK as u32, address / BLOCK as u32) {
            (0, block) if block < BLOCKS => Ok(block),
            (0, _) => Err(r1::PARAMETER_ERROR),
            _ => Err(r1::ADDRESS_ERROR),
        }
    }

    fn receive(&mut self, byte: u8) {
        match &mut self.expects {
            Expects::Command => {
                // A command begins with 0 and 1.
                if self.frame.is_empty() && byte & 0xc0 != 0x40 {
                    return;
                }
                self.frame.push(byte);
                if self.frame.len() == FRAME {
                    let frame = std::mem::take(&mut self.frame);
                    self.obey(&frame);
                }
            }
            Expects::Token { block, many } => {
                let (block, many) = (*block, *many);
                match byte {
                    token::BLOCK if !many => {
                        self.expects = Expects::Block { block, many, bytes: Vec::new() };
                    }
                    token::BLOCK_OF_MANY if many => {
                        self.expects = Expects::Block { block, many, bytes: Vec::new() };
                    }
                    token::STOP if many => {
                        self.expects = Expects::Command;
                        self.be_busy();
                    }
                    _ => {}
                }
            }
            Expects::Block { bytes, .. } => {
                bytes.push(byte);
                if bytes.len() == BLOCK + 2 {
                    self.take_block();
                }
            }
        }
    }

    fn take_block(&mut self) {
        let expects = std::mem::replace(&mut self.expects, Expects::Command);
        let Expects::Block { block, many, bytes } = expects else { return };
        let (data, crc) = bytes.split_at(BLOCK);
        let answer = match <[u8; BLOCK]>::try_from(data) {
            _ if self.checks && crc16(data) != crc => taken::CRC_ERROR,
            Ok(data) if block < BLOCKS => {
                self.blocks.insert(block, data);
                taken::ACCEPTED
            }
            _ => taken::WRITE_ERROR,
        };
        self.answer.push_back(answer);
        self.be_busy();
        if many {
            let block = block.saturating_add(u32::from(answer == taken::ACCEPTED));
            self.expects = Expects::Token { block, many };
        }
    }

    fn be_busy(&mut self) {
        self.answer.extend([0; BUSY]);
    }

    fn obey(&mut self, frame: &[u8]) {
        let index = frame[0] & 0x3f;
        let argument = u32::from_be_bytes([frame[1], frame[2], frame[3], frame[4]]);
        let application = std::mem::take(&mut self.application);
        self.answer.clear();
        let is_checked = self.checks
            || matches!(index, command::GO_IDLE_STATE | command::SEND_IF_COND) && !application;
        // A byte passes before the response.
        self.answer.push_back(0xff);
        if is_checked && crc7(&frame[..FRAME - 1]) != frame[FRAME - 1] {
            self.answer.push_back(self.status() | r1::COM_CRC_ERROR);
            return;
        }
        if application {
            self.obey_application(index, argument);
        } else {
            self.obey_command(index, argument);
        }
    }

    fn respond(&mut self, bits: u8) {
        self.answer.push_back(self.status() | bits);
    }

    fn obey_application(&mut self, index: u8, argument: u32) {
        match index {
            app_command::SD_SEND_OP_COND => {
                // It takes its time: the first one sets it going.
                self.idle = self.idle && !self.asked;
                self.asked = true;
                self.respond(0);
            }
            app_command::SD_STATUS => {
                self.respond(0);
                self.answer.push_back(0);
                self.send_data(&[0; 64]);
            }
            app_command::SEND_SCR => {
                self.respond(0);
                self.send_data(&SCR);
            }
            app_command::SET_WR_BLK_ERASE_COUNT => self.respond(0),
            // Others are what they are without an application.
            _ => self.obey_command(index, argument),
        }
    }

    fn obey_command(&mut self, index: u8, argument: u32) {
        if index != command::GO_IDLE_STATE && index != command::STOP_TRANSMISSION {
            self.streams = None;
        }
        match index {
            command::GO_IDLE_STATE => {
                let (blocks, levels, shift) =
                    (std::mem::take(&mut self.blocks), self.levels, self.shift);
                *self = Self { blocks, levels, shift, ..Self::default() };
                self.answer.push_back(0xff);
                self.respond(0);
            }
            command::SEND_IF_COND => {
                self.respond(0);
                self.answer.extend([0, 0, (argument >> 8) as u8 & 0xf, argument as u8]);
            }
            command::APP_CMD => {
                self.application = true;
                self.respond(0);
            }
            command::READ_OCR => {
                self.respond(0);
                let ready = if self.idle { 0 } else { 1 << 31 };
                self.answer.extend((OCR & !(1 << 31) | ready).to_be_bytes());
            }
            command::CRC_ON_OFF => {
                self.checks = argument & 1 != 0;
                self.respond(0);
            }
            _ if self.idle => self.respond(r1::ILLEGAL_COMMAND),
            command::SEND_CSD => {
                self.respond(0);
                self.send_data(&csd());
            }
            command::SEND_CID => {
                self.respond(0);
                let cid = [&CID[..], &[crc7(&CID)]].concat();
                self.send_data(&cid);
            }
            command::STOP_TRANSMISSION => {
                self.streams = None;
                // A byte that means nothing comes first.
                self.respond(0);
            }
            command::SEND_STATUS => {
                self.respond(0);
                self.answer.push_back(0);
            }
            command::SET_BLOCKLEN => {
                let is_it = argument == BLOCK as u32;
                self.respond(if is_it { 0 } else { r1::PARAMETER_ERROR });
            }
            _ => self.obey_with_block(index, argument),
        }
    }

    /// Commands whose argument is an address, but for ERASE.
    fn obey_with_block(&mut self, index: u8, argument: u32) {
        let block = match (index, Self::block_of(argument)) {
            (command::ERASE, _) => Ok(0),
            (_, block) => block,
        };
        let known = matches!(
            index,
            command::READ_SINGLE_BLOCK
                | command::READ_MULTIPLE_BLOCK
                | command::WRITE_BLOCK
                | command::WRITE_MULTIPLE_BLOCK
                | command::ERASE_WR_BLK_START
                | command::ERASE_WR_BLK_END
                | command::ERASE
        );
        let block = match block {
            Ok(block) if known => block,
            Err(wrong) if known => return self.respond(wrong),
            _ => return self.respond(r1::ILLEGAL_COMMAND),
        };
        self.respond(0);
        match index {
            command::READ_SINGLE_BLOCK => self.send_block(block),
            command::READ_MULTIPLE_BLOCK => self.streams = Some(block),
            command::WRITE_BLOCK => self.expects = Expects::Token { block, many: false },
            command::WRITE_MULTIPLE_BLOCK => self.expects = Expects::Token { block, many: true },
            command::ERASE_WR_BLK_START => self.erase[0] = block,
            command::ERASE_WR_BLK_END => self.erase[1] = block,
            _ => {
                let [first, last] = self.erase;
                self.blocks.retain(|block, _| !(first..=last).contains(block));
                self.be_busy();
            }
        }
    }
}

impl Part for MicroSd {
    fn drive(&self, pin: usize, _now: Instant) -> Drive {
        match pin {
            DO if !self.levels[CS] => Drive::Strong(self.shift.line().unwrap_or(true)),
            // The resistors of the module.
            CS | DO => Drive::Weak(true),
            _ => Drive::None,
        }
    }

    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, pin: usize, level: bool, _now: Instant) {
        let Some(before) = self.levels.get_mut(pin) else { return };
        *before = level;
        let selected = !self.levels[CS];
        match pin {
            CS => {
                self.shift = SpiShift::default();
                self.frame.clear();
            }
            SCK if selected && level => {
                if let Some(byte) = self.shift.rise(self.levels[DI]) {
                    self.receive(byte);
                }
            }
            SCK if selected => {
                let mut shift = self.shift;
                shift.fall(|| Some(self.next_answer()));
                self.shift = shift;
            }
            _ => {}
        }
    }

    fn exchange_spi(&mut self, pin: usize, byte: u8) -> Option<(usize, u8)> {
        if pin != DI || self.levels[CS] {
            return None;
        }
        let answer = self.next_answer();
        self.receive(byte);
        Some((DO, answer))
    }

    fn power_off(&mut self) {
        let (blocks, levels) = (std::mem::take(&mut self.blocks), self.levels);
        *self = Self { blocks, levels, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Host(MicroSd);

    impl Host {
        fn new() -> Self {
            let mut card = MicroSd::default();
            card.hear(CS, false, Instant::ZERO);
            Self(card)
        }

        fn byte(&mut self, byte: u8) -> u8 {
            self.0.exchange_spi(DI, byte).expect("it is selected").1
        }

        fn send(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.byte(*byte);
            }
        }

        /// The first byte that is not idle.
        fn response(&mut self) -> u8 {
            (0..9).map(|_| self.byte(0xff)).find(|byte| *byte != 0xff).expect("a response")
        }

        fn command(&mut self, index: u8, argument: u32) -> u8 {
            let [a, b, c, d] = argument.to_be_bytes();
            let mut frame = vec![0x40 | index, a, b, c, d];
            frame.push(crc7(&frame));
            self.send(&frame);
            self.response()
        }

        fn data(&mut self, length: usize) -> Vec<u8> {
            assert_eq!(self.response(), token::BLOCK);
            let data: Vec<u8> = (0..length).map(|_| self.byte(0xff)).collect();
            assert_eq!([self.byte(0xff), self.byte(0xff)], crc16(&data));
            data
        }

        fn ready() -> Self {
            let mut host = Self::new();
            assert_eq!(host.command(command::GO_IDLE_STATE, 0), r1::IN_IDLE_STATE);
            assert_eq!(host.command(command::SEND_IF_COND, 0x1aa), r1::IN_IDLE_STATE);
            assert_eq!([0; 4].map(|_| host.byte(0xff)), [0, 0, 1, 0xaa]);
            for state in [r1::IN_IDLE_STATE, 0] {
                assert_eq!(host.command(command::APP_CMD, 0), r1::IN_IDLE_STATE);
                assert_eq!(host.command(app_command::SD_SEND_OP_COND, 1 << 30), state);
            }
            host
        }

        fn write(&mut self, token: u8, data: &[u8], crc: [u8; 2]) -> u8 {
            self.byte(token);
            self.send(data);
            self.send(&crc);
            let answer = self.response();
            assert_eq!(self.byte(0xff), 0, "busy");
            while self.byte(0xff) == 0 {}
            answer
        }
    }

    #[test]
    fn it_wakes_up_and_says_how_large_it_is() {
        assert_eq!(crc7(&[0x40, 0, 0, 0, 0]), 0x95);
        assert_eq!(crc16(&[0xff; 512]), [0x7f, 0xa1]);
        let mut host = Host::new();
        assert_eq!(host.command(command::GO_IDLE_STATE, 0), r1::IN_IDLE_STATE);
        let illegal = r1::IN_IDLE_STATE | r1::ILLEGAL_COMMAND;
        assert_eq!(host.command(command::READ_SINGLE_BLOCK, 0), illegal, "not yet");
        let mut host = Host::ready();
        assert_eq!(host.command(command::READ_OCR, 0), 0);
        assert_eq!([0; 4].map(|_| host.byte(0xff)), OCR.to_be_bytes());
        assert_eq!(host.command(command::SEND_CSD, 0), 0);
        let csd = host.data(16);
        let bits = u128::from_be_bytes(csd[..].try_into().unwrap());
        let field = |last: u32, width: u32| (bits >> last) as u64 & ((1 << width) - 1);
        assert_eq!((field(126, 2), field(80, 4), field(0, 1)), (0, 9, 1));
        let capacity = (field(62, 12) + 1) << (field(47, 3) + 2) << field(80, 4);
        assert_eq!(capacity, 8 << 20);
        assert_eq!(host.command(command::SEND_CID, 0), 0);
        assert_eq!(host.data(16)[3..8], *b"BENCH");
        assert_eq!(host.command(5, 0), r1::ILLEGAL_COMMAND, "no SDIO");
    }

    #[test]
    fn blocks_are_written_and_read_one_by_one_and_many_at_once() {
        let mut host = Host::ready();
        let [a, b] = [0x5a, 0xa5].map(|byte| [byte; BLOCK]);
        assert_eq!(host.command(command::WRITE_BLOCK, 512), 0);
        assert_eq!(host.write(token::BLOCK, &a, [0; 2]), taken::ACCEPTED, "nobody checks");
        assert_eq!(host.command(command::WRITE_MULTIPLE_BLOCK, 1024), 0);
        for block in [b, a] {
            assert_eq!(host.write(token::BLOCK_OF_MANY, &block, [0; 2]), taken::ACCEPTED);
        }
        host.byte(token::STOP);
        assert_eq!(host.byte(0xff), 0, "busy");
        assert_eq!(host.command(command::READ_MULTIPLE_BLOCK, 0), 0);
        let blocks = [0; 4].map(|_| host.data(BLOCK));
        assert_eq!(blocks, [[0; BLOCK], a, b, a]);
        host.byte(0xff);
        assert_eq!(host.command(command::STOP_TRANSMISSION, 0), 0);
        host.0.power_off();
        let mut again = Host::ready();
        again.0.blocks = host.0.blocks.clone();
        assert_eq!(again.command(command::ERASE_WR_BLK_START, 512), 0);
        assert_eq!(again.command(command::ERASE_WR_BLK_END, 1024), 0);
        assert_eq!(again.command(command::ERASE, 0), 0);
        while again.byte(0xff) == 0 {}
        for (address, block) in [(512, [0; BLOCK]), (1536, a)] {
            assert_eq!(again.command(command::READ_SINGLE_BLOCK, address), 0);
            assert_eq!(again.data(BLOCK), block);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut host = Host::ready();
        assert_eq!(host.command(command::READ_SINGLE_BLOCK, 1), r1::ADDRESS_ERROR);
        assert_eq!(host.command(command::WRITE_BLOCK, 8 << 20), r1::PARAMETER_ERROR);
        assert_eq!(host.command(command::SET_BLOCKLEN, 1024), r1::PARAMETER_ERROR);
        assert_eq!(host.command(command::CRC_ON_OFF, 1), 0);
        assert_eq!(host.command(command::WRITE_BLOCK, 0), 0);
        assert_eq!(host.write(token::BLOCK, &[1; BLOCK], [0; 2]), taken::CRC_ERROR);
        let frame = [0x40 | command::READ_OCR, 0, 0, 0, 0, 0xff];
        host.send(&frame);
        assert_eq!(host.response(), r1::COM_CRC_ERROR);
        assert!(host.0.blocks.is_empty());
    }

    #[test]
    fn software_that_moves_the_lines_speaks_to_it_too_and_no_byte_panics() {
        let mut card = MicroSd::default();
        assert_eq!(card.exchange_spi(DI, 0x40), None, "it is not selected");
        card.hear(CS, false, Instant::ZERO);
        let mut byte = |byte: u8| {
            (0..8).rev().fold(0, |read, bit| {
                card.hear(DI, byte >> bit & 1 != 0, Instant::ZERO);
                card.hear(SCK, true, Instant::ZERO);
                let line = card.drive(DO, Instant::ZERO) == Drive::Strong(true);
                card.hear(SCK, false, Instant::ZERO);
                read << 1 | u8::from(line)
            })
        };
        let said = [0x40, 0, 0, 0, 0, 0x95, 0xff, 0xff, 0xff].map(&mut byte);
        assert!(said[6..].contains(&r1::IN_IDLE_STATE), "{said:?}");
        let mut host = Host::ready();
        for index in 0..64 {
            for argument in [0, 1, u32::MAX] {
                let [a, b, c, d] = argument.to_be_bytes();
                for byte in [0x40 | index, a, b, c, d, 0xff, token::BLOCK, token::BLOCK_OF_MANY] {
                    host.byte(byte);
                }
                for _ in 0..600 {
                    host.byte(argument as u8);
                }
            }
        }
    }
}
