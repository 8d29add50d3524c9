//! ILI9341: a colour display of 240 by 320 dots on four wires of SPI.
//!
//! Source: ILITEK, "ILI9341 a-Si TFT LCD Single Chip Driver", version 1.11: serial interface,
//! commands, memory access control.
//!
//! *Modelled*: the memory with its window, in 16 and 18 bits for each dot; exchange of rows and columns
//! and both directions, where those that modules are built for (MX and BGR) show the first dot at the
//! upper left; on, off, sleep, inversion, both resets.
//!
//! *Not modelled*: reading back; scrolling, partial and idle mode, gamma; a chip select that the
//! controller drives by itself.

use super::{Part, Picture, Shown};
use crate::time::Instant;

const CS: usize = 0;
const DC: usize = 1;
const SCK: usize = 2;
const MOSI: usize = 3;
const RST: usize = 4;

/// Dots in a line.
pub const WIDTH: u16 = 240;
/// Lines.
pub const HEIGHT: u16 = 320;

mod command {
    pub(super) const SOFTWARE_RESET: u8 = 0x01;
    pub(super) const ENTER_SLEEP: u8 = 0x10;
    pub(super) const SLEEP_OUT: u8 = 0x11;
    pub(super) const INVERSION_OFF: u8 = 0x20;
    pub(super) const INVERSION_ON: u8 = 0x21;
    pub(super) const DISPLAY_OFF: u8 = 0x28;
    pub(super) const DISPLAY_ON: u8 = 0x29;
    pub(super) const COLUMN_ADDRESS_SET: u8 = 0x2a;
    pub(super) const PAGE_ADDRESS_SET: u8 = 0x2b;
    pub(super) const MEMORY_WRITE: u8 = 0x2c;
    pub(super) const MEMORY_ACCESS_CONTROL: u8 = 0x36;
    pub(super) const PIXEL_FORMAT_SET: u8 = 0x3a;
    pub(super) const WRITE_MEMORY_CONTINUE: u8 = 0x3c;
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
    /// Bytes of a dot.
    depth: usize,
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
            depth: 3,
            columns: [0, WIDTH - 1],
            pages: [0, HEIGHT - 1],
            asleep: true,
            on: false,
            inverted: false,
        }
    }
}

/// A display.
#[derive(Debug, Clone)]
pub struct Ili9341 {
    registers: Registers,
    memory: Vec<[u8; 3]>,
    /// Levels of its pins.
    levels: [bool; 5],
    /// Bits of a byte that comes by lines that software moves, and how many.
    shifted: (u8, u8),
    command: u8,
    operands: Vec<u8>,
    /// Where the next dot goes.
    column: u16,
    page: u16,
}

impl Default for Ili9341 {
    /// A display without a picture.
    fn default() -> Self {
        Self {
            registers: Registers::default(),
            memory: vec![[0; 3]; usize::from(WIDTH) * usize::from(HEIGHT)],
            levels: [false; 5],
            shifted: (0, 0),
            command: 0,
            operands: Vec::new(),
            column: 0,
            page: 0,
        }
    }
}

impl Ili9341 {
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
        let registers = &mut self.registers;
        match self.command {
            command::SOFTWARE_RESET => *registers = Registers::default(),
            command::ENTER_SLEEP => registers.asleep = true,
            command::SLEEP_OUT => registers.asleep = false,
            command::INVERSION_OFF => registers.inverted = false,
            command::INVERSION_ON => registers.inverted = true,
            command::DISPLAY_OFF => registers.on = false,
            command::DISPLAY_ON => registers.on = true,
            command::MEMORY_WRITE => {
                (self.column, self.page) = (registers.columns[0], registers.pages[0]);
            }
            _ => {}
        }
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
            command::PIXEL_FORMAT_SET => registers.depth = if byte & 7 == 5 { 2 } else { 3 },
            command::MEMORY_WRITE | command::WRITE_MEMORY_CONTINUE
                if self.operands.len() == registers.depth =>
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
        let Registers { access, columns, pages, .. } = self.registers;
        let (x, y) = match access & access::MV {
            0 => (self.column, self.page),
            _ => (self.page, self.column),
        };
        if x < WIDTH && y < HEIGHT {
            // Modules are built so that MX is the direction to read in.
            let x = if access & access::MX == 0 { WIDTH - 1 - x } else { x };
            let y = if access & access::MY == 0 { y } else { HEIGHT - 1 - y };
            let [red, green, blue] = colour;
            let colour = if access & access::BGR == 0 { [blue, green, red] } else { colour };
            self.memory[usize::from(y) * usize::from(WIDTH) + usize::from(x)] = colour;
        }
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

impl Part for Ili9341 {
    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, pin: usize, level: bool, _now: Instant) {
        let Some(before) = self.levels.get_mut(pin) else { return };
        *before = level;
        match pin {
            CS => self.shifted = (0, 0),
            RST if !level => self.registers = Registers::default(),
            SCK if level && !self.levels[CS] => {
                let (byte, bits) = self.shifted;
                let byte = byte << 1 | u8::from(self.levels[MOSI]);
                self.shifted = (byte, bits + 1);
                if bits + 1 == 8 {
                    self.shifted = (0, 0);
                    self.byte(byte);
                }
            }
            _ => {}
        }
    }

    fn hear_spi(&mut self, pin: usize, bytes: &[u8]) {
        if pin == MOSI && !self.levels[CS] {
            bytes.iter().for_each(|byte| self.byte(*byte));
        }
    }

    fn shown(&self, what: &str, _now: Instant) -> Option<Shown> {
        let Registers { asleep, on, inverted, .. } = self.registers;
        let dot = |dot: &[u8; 3]| match (on && !asleep, inverted) {
            (false, _) => [0; 3],
            (true, false) => *dot,
            (true, true) => dot.map(|part| !part),
        };
        let dots = self.memory.iter().map(dot).collect();
        let picture = Picture { width: WIDTH.into(), height: HEIGHT.into(), dots };
        (what == "picture").then_some(Shown::Picture(picture))
    }

    fn power_off(&mut self) {
        *self = Self { levels: self.levels, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command with its operands, from a controller.
    fn send(display: &mut Ili9341, command: u8, operands: &[u8]) {
        display.hear(DC, false, Instant::ZERO);
        display.hear_spi(MOSI, &[command]);
        display.hear(DC, true, Instant::ZERO);
        display.hear_spi(MOSI, operands);
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
