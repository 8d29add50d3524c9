//! ILI9341: a colour display of 240 by 320 dots on four wires of SPI.
//!
//! Source: ILITEK, "ILI9341 a-Si TFT LCD Single Chip Driver", version 1.11: serial interface,
//! commands, memory access control. The command 0xd9, which no data sheet has: what drivers that use it
//! expect.
//!
//! *Modelled*: the memory with its window, in 16 and 18 bits for each dot, written and read; exchange of
//! rows and columns and both directions, where those that modules are built for (MX and BGR) show the
//! first dot at the upper left; on, off, sleep, inversion, both resets; what it says of its state.
//!
//! *Not modelled*: scrolling, partial and idle mode, gamma; identities that makers of modules program
//! (they are 0); a data line for both directions.

use std::collections::VecDeque;

use super::spi_shift::SpiShift;
use super::{Drive, Part, Picture, Shown};
use crate::time::Instant;

const CS: usize = 0;
const DC: usize = 1;
const SCK: usize = 2;
const MOSI: usize = 3;
const RST: usize = 4;
const MISO: usize = 5;

/// Dots in a line.
pub const WIDTH: u16 = 240;
/// Lines.
pub const HEIGHT: u16 = 320;

mod command {
    pub(super) const SOFTWARE_RESET: u8 = 0x01;
    pub(super) const READ_IDENTIFICATION: u8 = 0x04;
    pub(super) const READ_STATUS: u8 = 0x09;
    pub(super) const READ_POWER_MODE: u8 = 0x0a;
    pub(super) const READ_ACCESS_CONTROL: u8 = 0x0b;
    pub(super) const READ_PIXEL_FORMAT: u8 = 0x0c;
    pub(super) const READ_IMAGE_FORMAT: u8 = 0x0d;
    pub(super) const READ_SIGNAL_MODE: u8 = 0x0e;
    pub(super) const READ_SELF_DIAGNOSTIC: u8 = 0x0f;
    pub(super) const ENTER_SLEEP: u8 = 0x10;
    pub(super) const SLEEP_OUT: u8 = 0x11;
    pub(super) const INVERSION_OFF: u8 = 0x20;
    pub(super) const INVERSION_ON: u8 = 0x21;
    pub(super) const DISPLAY_OFF: u8 = 0x28;
    pub(super) const DISPLAY_ON: u8 = 0x29;
    pub(super) const COLUMN_ADDRESS_SET: u8 = 0x2a;
    pub(super) const PAGE_ADDRESS_SET: u8 = 0x2b;
    pub(super) const MEMORY_WRITE: u8 = 0x2c;
    pub(super) const MEMORY_READ: u8 = 0x2e;
    pub(super) const MEMORY_ACCESS_CONTROL: u8 = 0x36;
    pub(super) const PIXEL_FORMAT_SET: u8 = 0x3a;
    pub(super) const WRITE_MEMORY_CONTINUE: u8 = 0x3c;
    pub(super) const READ_MEMORY_CONTINUE: u8 = 0x3e;
    pub(super) const READ_ID4: u8 = 0xd3;
    /// Which byte of an answer comes first.
    pub(super) const READ_INDEX: u8 = 0xd9;
    pub(super) const READ_ID1: u8 = 0xda;
    pub(super) const READ_ID3: u8 = 0xdc;
}

mod access {
    pub(super) const MY: u8 = 1 << 7;
    pub(super) const MX: u8 = 1 << 6;
    pub(super) const MV: u8 = 1 << 5;
    pub(super) const BGR: u8 = 1 << 3;
}

/// What a reset sets.
#[derive(Debug, Clone)]
struct Registers {
    access: u8,
    /// As it was written.
    pixel_format: u8,
    columns: [u16; 2],
    pages: [u16; 2],
    asleep: bool,
    on: bool,
    inverted: bool,
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            access: 0,
            pixel_format: 0x66,
            columns: [0, WIDTH - 1],
            pages: [0, HEIGHT - 1],
            asleep: true,
            on: false,
            inverted: false,
        }
    }
}

impl Registers {
    /// Bytes of a dot.
    fn depth(&self) -> usize {
        if self.pixel_format & 7 == 5 { 2 } else { 3 }
    }

    /// Booster, sleep, normal mode and display, as the power mode has them.
    fn power_mode(&self) -> u8 {
        let awake = u8::from(!self.asleep);
        awake << 7 | awake << 4 | 1 << 3 | u8::from(self.on) << 2
    }

    /// All of it in 32 bits.
    fn status(&self) -> u32 {
        let awake = u32::from(!self.asleep);
        let format = u32::from(self.pixel_format & 7) << 20;
        let access = u32::from(self.access >> 2 & 0x3f) << 25;
        awake << 31
            | access
            | format
            | awake << 17
            | 1 << 16
            | u32::from(self.inverted) << 13
            | u32::from(self.on) << 10
    }
}

/// A display.
#[derive(Debug, Clone)]
pub struct Ili9341 {
    /// Whether its panel is mounted the other way round, horizontally and vertically.
    flips: [bool; 2],
    registers: Registers,
    memory: Vec<[u8; 3]>,
    /// Levels of its pins.
    levels: [bool; 5],
    shift: SpiShift,
    command: u8,
    operands: Vec<u8>,
    /// Where the next dot goes, or comes from.
    column: u16,
    page: u16,
    /// What it is going to send.
    answer: VecDeque<u8>,
    /// The byte of the next answer that comes first.
    first_answered: usize,
}

impl Default for Ili9341 {
    /// A display without a picture.
    fn default() -> Self {
        Self {
            flips: [false; 2],
            registers: Registers::default(),
            memory: vec![[0; 3]; usize::from(WIDTH) * usize::from(HEIGHT)],
            levels: [false; 5],
            shift: SpiShift::default(),
            command: 0,
            operands: Vec::new(),
            column: 0,
            page: 0,
            answer: VecDeque::new(),
            first_answered: 0,
        }
    }
}

impl Ili9341 {
    /// The same with a panel that is mounted the other way round, horizontally and vertically.
    pub fn flipped(flips: [bool; 2]) -> Self {
        Self { flips, ..Self::default() }
    }

    fn byte(&mut self, byte: u8) {
        if self.levels[DC] {
            self.operand(byte);
        } else {
            self.operands.clear();
            self.command = byte;
            self.begin();
        }
    }

    fn begin(&mut self) {
        self.answer = self.answered();
        let registers = &mut self.registers;
        match self.command {
            command::SOFTWARE_RESET => *registers = Registers::default(),
            command::ENTER_SLEEP => registers.asleep = true,
            command::SLEEP_OUT => registers.asleep = false,
            command::INVERSION_OFF => registers.inverted = false,
            command::INVERSION_ON => registers.inverted = true,
            command::DISPLAY_OFF => registers.on = false,
            command::DISPLAY_ON => registers.on = true,
            command::MEMORY_WRITE | command::MEMORY_READ => {
                (self.column, self.page) = (registers.columns[0], registers.pages[0]);
            }
            _ => {}
        }
    }

    /// What a command is answered with, as far as that is known beforehand.
    fn answered(&mut self) -> VecDeque<u8> {
        let registers = &self.registers;
        let answer = match self.command {
            command::READ_IDENTIFICATION => after_dummy_bit(&[0; 3]),
            command::READ_STATUS => after_dummy_bit(&registers.status().to_be_bytes()),
            command::READ_POWER_MODE => vec![registers.power_mode()],
            command::READ_ACCESS_CONTROL => vec![registers.access],
            command::READ_PIXEL_FORMAT => vec![registers.pixel_format],
            command::READ_IMAGE_FORMAT
            | command::READ_SIGNAL_MODE
            | command::READ_ID1..=command::READ_ID3 => vec![0],
            command::READ_SELF_DIAGNOSTIC => vec![if registers.asleep { 0 } else { 0xc0 }],
            // The first byte is a dummy.
            command::READ_ID4 => vec![0, 0, 0x93, 0x41],
            command::MEMORY_READ | command::READ_MEMORY_CONTINUE => return [0].into(),
            _ => return VecDeque::new(),
        };
        answer.into_iter().skip(std::mem::take(&mut self.first_answered)).collect()
    }

    /// The next byte that it sends.
    fn next_answer(&mut self) -> Option<u8> {
        if self.answer.is_empty()
            && matches!(self.command, command::MEMORY_READ | command::READ_MEMORY_CONTINUE)
        {
            let dot = self.cell().map_or([0; 3], |cell| self.ordered(self.memory[cell]));
            self.answer.extend(dot.map(|part| part & 0xfc));
            self.move_on();
        }
        self.answer.pop_front()
    }

    fn operand(&mut self, byte: u8) {
        // No command has more that count.
        if self.operands.len() < 4 {
            self.operands.push(byte);
        }
        let window = |operands: &[u8]| match *operands {
            [a, b, c, d] => Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]),
            _ => None,
        };
        let registers = &mut self.registers;
        match self.command {
            command::COLUMN_ADDRESS_SET => {
                registers.columns = window(&self.operands).unwrap_or(registers.columns);
            }
            command::PAGE_ADDRESS_SET => {
                registers.pages = window(&self.operands).unwrap_or(registers.pages);
            }
            command::MEMORY_ACCESS_CONTROL => registers.access = byte,
            command::PIXEL_FORMAT_SET => registers.pixel_format = byte,
            command::READ_INDEX => self.first_answered = usize::from(byte & 0x0f),
            command::MEMORY_WRITE | command::WRITE_MEMORY_CONTINUE
                if self.operands.len() == registers.depth() =>
            {
                self.dot();
            }
            _ => {}
        }
    }

    fn dot(&mut self) {
        let colour = match self.operands[..] {
            [high, low] => {
                let word = u16::from_be_bytes([high, low]);
                let [red, green, blue] = [word >> 11 & 0x1f, word >> 5 & 0x3f, word & 0x1f];
                // The highest bits fill the lowest ones.
                [
                    (red << 3 | red >> 2) as u8,
                    (green << 2 | green >> 4) as u8,
                    (blue << 3 | blue >> 2) as u8,
                ]
            }
            [red, green, blue, ..] => [red, green, blue].map(|six| six & 0xfc | six >> 6),
            _ => return,
        };
        self.operands.clear();
        if let Some(cell) = self.cell() {
            self.memory[cell] = self.ordered(colour);
        }
        self.move_on();
    }

    /// The dot of the memory that is next; none beside the panel.
    fn cell(&self) -> Option<usize> {
        let access = self.registers.access;
        let (x, y) = match access & access::MV {
            0 => (self.column, self.page),
            _ => (self.page, self.column),
        };
        if x >= WIDTH || y >= HEIGHT {
            return None;
        }
        // Modules are built so that MX is the direction to read in.
        let x = if access & access::MX == 0 { WIDTH - 1 - x } else { x };
        let y = if access & access::MY == 0 { y } else { HEIGHT - 1 - y };
        Some(usize::from(y) * usize::from(WIDTH) + usize::from(x))
    }

    /// A colour as the panel has it from one as it is sent, and the other way.
    fn ordered(&self, [red, green, blue]: [u8; 3]) -> [u8; 3] {
        match self.registers.access & access::BGR {
            0 => [blue, green, red],
            _ => [red, green, blue],
        }
    }

    fn move_on(&mut self) {
        let Registers { columns, pages, .. } = self.registers;
        let next = |at: u16, [first, last]: [u16; 2]| {
            if at >= last { (first, true) } else { (at + 1, false) }
        };
        let (column, wrapped) = next(self.column, columns);
        self.column = column;
        if wrapped {
            self.page = next(self.page, pages).0;
        }
    }
}

/// Answers of more than one byte begin behind a clock that says nothing.
fn after_dummy_bit(bytes: &[u8]) -> Vec<u8> {
    let before = std::iter::once(&0).chain(bytes);
    bytes.iter().chain([&0]).zip(before).map(|(byte, before)| before << 7 | byte >> 1).collect()
}

impl Part for Ili9341 {
    fn drive(&self, pin: usize, _now: Instant) -> Drive {
        match self.shift.line() {
            Some(level) if pin == MISO && !self.levels[CS] => Drive::Strong(level),
            _ => Drive::None,
        }
    }

    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, pin: usize, level: bool, _now: Instant) {
        let Some(before) = self.levels.get_mut(pin) else { return };
        *before = level;
        match pin {
            CS => self.shift = SpiShift::default(),
            RST if !level => {
                self.registers = Registers::default();
                self.answer.clear();
            }
            SCK if level && !self.levels[CS] => {
                if let Some(byte) = self.shift.rise(self.levels[MOSI]) {
                    self.byte(byte);
                }
            }
            SCK if !self.levels[CS] => {
                let mut shift = self.shift;
                shift.fall(|| self.next_answer());
                self.shift = shift;
            }
            _ => {}
        }
    }

    fn exchange_spi(&mut self, pin: usize, byte: u8) -> Option<(usize, u8)> {
        if pin != MOSI || self.levels[CS] {
            return None;
        }
        let answer = self.levels[DC].then(|| self.next_answer()).flatten();
        self.byte(byte);
        answer.map(|answer| (MISO, answer))
    }

    fn shown(&self, what: &str, _now: Instant) -> Option<Shown> {
        let Registers { asleep, on, inverted, .. } = self.registers;
        let dot = |dot: &[u8; 3]| match (on && !asleep, inverted) {
            (false, _) => [0; 3],
            (true, false) => *dot,
            (true, true) => dot.map(|part| !part),
        };
        let place = |at: u16, size: u16, flip: bool| if flip { size - 1 - at } else { at };
        let [across, down] = self.flips;
        let cells = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        let dots = cells.map(|(x, y)| {
            let (x, y) = (place(x, WIDTH, across), place(y, HEIGHT, down));
            dot(&self.memory[usize::from(y) * usize::from(WIDTH) + usize::from(x)])
        });
        let dots = dots.collect();
        let picture = Picture { width: WIDTH.into(), height: HEIGHT.into(), dots };
        (what == "picture").then_some(Shown::Picture(picture))
    }

    fn power_off(&mut self) {
        *self = Self { levels: self.levels, ..Self::flipped(self.flips) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command with its operands, from a controller.
    fn send(display: &mut Ili9341, command: u8, operands: &[u8]) {
        display.hear(DC, false, Instant::ZERO);
        assert_eq!(display.exchange_spi(MOSI, command), None);
        display.hear(DC, true, Instant::ZERO);
        for byte in operands {
            let _ = display.exchange_spi(MOSI, *byte);
        }
    }

    /// What a command is answered with.
    fn read<const N: usize>(display: &mut Ili9341, command: u8) -> [u8; N] {
        send(display, command, &[]);
        std::array::from_fn(|_| display.exchange_spi(MOSI, 0).expect("an answer").1)
    }

    fn window(display: &mut Ili9341, columns: [u8; 2], pages: [u8; 2]) {
        send(display, command::COLUMN_ADDRESS_SET, &[0, columns[0], 0, columns[1]]);
        send(display, command::PAGE_ADDRESS_SET, &[0, pages[0], 0, pages[1]]);
    }

    fn lit(display: &Ili9341) -> Vec<(usize, usize, [u8; 3])> {
        let Some(Shown::Picture(picture)) = display.shown("picture", Instant::ZERO) else {
            panic!("a picture")
        };
        let lit = picture.dots.iter().enumerate().filter(|(_, dot)| **dot != [0; 3]);
        lit.map(|(n, dot)| (n % 240, n / 240, *dot)).collect()
    }

    fn display(access: u8) -> Ili9341 {
        let mut display = Ili9341::default();
        send(&mut display, command::SLEEP_OUT, &[]);
        send(&mut display, command::DISPLAY_ON, &[]);
        send(&mut display, command::PIXEL_FORMAT_SET, &[0x55]);
        send(&mut display, command::MEMORY_ACCESS_CONTROL, &[access]);
        display
    }

    #[test]
    fn dots_fill_the_window_line_by_line() {
        let mut display = display(access::MX | access::BGR);
        window(&mut display, [1, 2], [5, 6]);
        send(&mut display, command::MEMORY_WRITE, &[0xf8, 0, 0x07, 0xe0, 0, 0x1f]);
        let (red, green, blue) = ([0xff, 0, 0], [0, 0xff, 0], [0, 0, 0xff]);
        assert_eq!(lit(&display), [(1, 5, red), (2, 5, green), (1, 6, blue)]);
        send(&mut display, command::PIXEL_FORMAT_SET, &[0x66]);
        send(&mut display, command::WRITE_MEMORY_CONTINUE, &[0xfc, 0xfc, 0xfc]);
        assert_eq!(lit(&display)[3], (2, 6, [0xff; 3]));
        send(&mut display, command::DISPLAY_OFF, &[]);
        assert_eq!(lit(&display), []);
    }

    #[test]
    fn rows_and_columns_are_exchanged_and_turned_round() {
        let mut display = display(access::MV | access::MY);
        window(&mut display, [0, 1], [3, 3]);
        send(&mut display, command::MEMORY_WRITE, &[0xf8, 0, 0xf8, 0]);
        let blue = [0, 0, 0xff];
        assert_eq!(lit(&display), [(236, 318, blue), (236, 319, blue)]);
    }

    #[test]
    fn lines_that_software_moves_say_the_same_and_only_while_it_is_selected() {
        let mut display = display(access::MX | access::BGR);
        window(&mut display, [0, 0], [0, 0]);
        send(&mut display, command::MEMORY_WRITE, &[]);
        for (selected, word) in [(false, 0xffff_u16), (true, 0xf800)] {
            display.hear(CS, !selected, Instant::ZERO);
            for bit in (0..16).rev() {
                display.hear(MOSI, word >> bit & 1 != 0, Instant::ZERO);
                display.hear(SCK, true, Instant::ZERO);
                display.hear(SCK, false, Instant::ZERO);
            }
        }
        assert_eq!(lit(&display), [(0, 0, [0xff, 0, 0])]);
        display.hear(RST, false, Instant::ZERO);
        assert_eq!(lit(&display), [], "it sleeps");
    }

    #[test]
    fn a_panel_can_be_mounted_the_other_way_round() {
        let lit = |flips| {
            let mut display = Ili9341::flipped(flips);
            display.power_off();
            for (command, operand) in [(command::SLEEP_OUT, 0), (command::DISPLAY_ON, 0)] {
                send(&mut display, command, &[operand]);
            }
            send(&mut display, command::MEMORY_ACCESS_CONTROL, &[access::MX]);
            send(&mut display, command::MEMORY_WRITE, &[0xfc; 3]);
            lit(&display).into_iter().map(|(x, y, _)| (x, y)).collect::<Vec<_>>()
        };
        assert_eq!(lit([false, false]), [(0, 0)]);
        assert_eq!(lit([true, false]), [(239, 0)]);
        assert_eq!(lit([true, true]), [(239, 319)]);
    }

    #[test]
    fn what_was_written_is_read_back_behind_a_dummy_byte() {
        let mut display = display(access::MX);
        window(&mut display, [1, 2], [5, 6]);
        send(&mut display, command::MEMORY_WRITE, &[0xf8, 0, 0x07, 0xe0, 0, 0x1f]);
        let read: [u8; 10] = read(&mut display, command::MEMORY_READ);
        assert_eq!(read, [0, 0xfc, 0, 0, 0, 0xfc, 0, 0, 0, 0xfc]);
    }

    #[test]
    fn it_tells_its_state_and_who_it_is() {
        let mut display = Ili9341::default();
        assert_eq!(read(&mut display, command::READ_POWER_MODE), [0x08]);
        // 0x00610000, which all others call its identity, behind a bit.
        assert_eq!(read(&mut display, command::READ_STATUS), [0, 0x30, 0x80, 0, 0]);
        let mut display = self::display(access::MX | access::BGR);
        assert_eq!(read(&mut display, command::READ_POWER_MODE), [0x9c]);
        assert_eq!(read(&mut display, command::READ_ACCESS_CONTROL), [0x48]);
        assert_eq!(read(&mut display, command::READ_PIXEL_FORMAT), [0x55]);
        assert_eq!(read(&mut display, command::READ_SELF_DIAGNOSTIC), [0xc0]);
        assert_eq!(read(&mut display, command::READ_ID4), [0, 0, 0x93, 0x41]);
        send(&mut display, command::READ_INDEX, &[0x13]);
        assert_eq!(read(&mut display, command::READ_ID4), [0x41]);
        assert_eq!(read(&mut display, command::READ_ID4), [0, 0, 0x93, 0x41], "once");
        assert_eq!(display.exchange_spi(MOSI, 0), None, "nothing more");
    }

    #[test]
    fn software_that_moves_the_lines_reads_it_too() {
        let mut display = display(access::MX | access::BGR);
        let mut byte = |dc, byte: u8| {
            display.hear(DC, dc, Instant::ZERO);
            (0..8).rev().fold(0, |read, bit| {
                display.hear(MOSI, byte >> bit & 1 != 0, Instant::ZERO);
                display.hear(SCK, true, Instant::ZERO);
                let line = display.drive(MISO, Instant::ZERO) == Drive::Strong(true);
                display.hear(SCK, false, Instant::ZERO);
                read << 1 | u8::from(line)
            })
        };
        byte(false, command::READ_ACCESS_CONTROL);
        assert_eq!(byte(true, 0), 0x48);
        byte(false, command::READ_ID4);
        assert_eq!([0; 4].map(|zero| byte(true, zero)), [0, 0, 0x93, 0x41]);
        assert_eq!(display.drive(MISO, Instant::ZERO), Drive::None);
    }

    #[test]
    fn no_byte_panics() {
        let mut display = display(0);
        for command in 0..=0xff {
            for operand in [0, 0x55, 0xff] {
                send(&mut display, command, &[operand; 9]);
                send(&mut display, command::MEMORY_WRITE, &[operand; 9]);
            }
        }
        assert!(display.shown("picture", Instant::ZERO).is_some());
    }
}
