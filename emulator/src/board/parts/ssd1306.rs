//! SSD1306: a display of 128 by 64 dots on an I2C bus.
//!
//! Source: Solomon Systech, "SSD1306 Advance Information", revision 1.1: commands, addressing modes,
//! mapping of the memory to the panel; the control byte of its I2C interface.
//!
//! *Modelled*: the memory with its three addressing modes; on and off, inversion, all dots on, start
//! line, offset and multiplex ratio, and both directions of segments and rows, where those that modules
//! are built for show the first byte at the upper left.
//!
//! *Not modelled*: scrolling; contrast, and times of the panel; reading back.

use super::i2c_part::I2cDevice;
use super::{Picture, Shown};
use crate::time::Instant;

const WIDTH: usize = 128;
const HEIGHT: usize = 64;
const PAGES: usize = HEIGHT / 8;

const LIT: [u8; 3] = [0xff; 3];
const DARK: [u8; 3] = [0; 3];

/// What the bytes of a transfer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// The next byte is a control byte.
    Control,
    /// The next one belongs to the control byte before it, or all that follow do.
    Bytes { is_data: bool, all: bool },
}

/// How the pointer moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Addressing {
    Horizontal,
    Vertical,
    Page,
}

/// A display.
#[derive(Debug, Clone)]
pub struct Ssd1306 {
    address: u8,
    memory: Box<[[u8; WIDTH]; PAGES]>,
    stream: Stream,
    /// A command whose operands are still to come.
    command: Vec<u8>,
    addressing: Addressing,
    column: usize,
    page: usize,
    columns: [usize; 2],
    pages: [usize; 2],
    /// The column that page addressing begins with.
    first_column: usize,
    start_line: usize,
    offset: usize,
    rows: usize,
    /// Column 127 is at the left; row 63 is at the top.
    mirrored: bool,
    upside_down: bool,
    on: bool,
    all_on: bool,
    inverted: bool,
}

impl Ssd1306 {
    /// A display without a picture, at an address of 7 bits.
    pub fn new(address: u8) -> Self {
        Self {
            address,
            memory: Box::new([[0; WIDTH]; PAGES]),
            stream: Stream::Control,
            command: Vec::new(),
            addressing: Addressing::Page,
            column: 0,
            page: 0,
            columns: [0, WIDTH - 1],
            pages: [0, PAGES - 1],
            first_column: 0,
            start_line: 0,
            offset: 0,
            rows: HEIGHT,
            mirrored: true,
            upside_down: true,
            on: false,
            all_on: false,
            inverted: false,
        }
    }

    /// How many operands a command has.
    fn operands(command: u8) -> usize {
        match command {
            0x20 | 0x81 | 0x8d | 0xa8 | 0xd3 | 0xd5 | 0xd9 | 0xda | 0xdb => 1,
            0x21 | 0x22 | 0xa3 => 2,
            0x29 | 0x2a => 5,
            0x26 | 0x27 => 6,
            _ => 0,
        }
    }

    fn obey(&mut self, byte: u8) {
        self.command.push(byte);
        if self.command.len() <= Self::operands(self.command[0]) {
            return;
        }
        let command = std::mem::take(&mut self.command);
        let operand = |n: usize| usize::from(command.get(n).copied().unwrap_or(0));
        let low = usize::from(command[0] & 0x0f);
        match command[0] {
            0x00..=0x0f => self.set_first_column(self.first_column & 0x70 | low),
            0x10..=0x1f => self.set_first_column(self.first_column & 0x0f | (low & 7) << 4),
            0x20 => {
                self.addressing = match operand(1) & 3 {
                    0 => Addressing::Horizontal,
                    1 => Addressing::Vertical,
                    _ => Addressing::Page,
                };
            }
            0x21 => {
                self.columns = [operand(1) % WIDTH, operand(2) % WIDTH];
                self.column = self.columns[0];
            }
            0x22 => {
                self.pages = [operand(1) % PAGES, operand(2) % PAGES];
                self.page = self.pages[0];
            }
            0x40..=0x7f => self.start_line = usize::from(command[0] & 0x3f),
            0xa0 | 0xa1 => self.mirrored = low & 1 == 0,
            0xa4 | 0xa5 => self.all_on = low & 1 != 0,
            0xa6 | 0xa7 => self.inverted = low & 1 != 0,
            // Ratios below 16 are invalid.
            0xa8 => self.rows = (operand(1) % HEIGHT).max(15) + 1,
            0xae | 0xaf => self.on = low & 1 != 0,
            0xb0..=0xb7 => self.page = low,
            0xc0..=0xc7 => self.upside_down = true,
            0xc8..=0xcf => self.upside_down = false,
            0xd3 => self.offset = operand(1) % HEIGHT,
            _ => {}
        }
    }

    fn set_first_column(&mut self, column: usize) {
        (self.first_column, self.column) = (column, column);
    }

    fn put(&mut self, byte: u8) {
        self.memory[self.page % PAGES][self.column % WIDTH] = byte;
        let next = |at: usize, [first, last]: [usize; 2], count: usize| {
            if at == last { (first, true) } else { ((at + 1) % count, false) }
        };
        match self.addressing {
            Addressing::Page => {
                self.column = if self.column + 1 < WIDTH { self.column + 1 } else { 0 };
            }
            Addressing::Horizontal => {
                let (column, wrapped) = next(self.column, self.columns, WIDTH);
                self.column = column;
                if wrapped {
                    self.page = next(self.page, self.pages, PAGES).0;
                }
            }
            Addressing::Vertical => {
                let (page, wrapped) = next(self.page, self.pages, PAGES);
                self.page = page;
                if wrapped {
                    self.column = next(self.column, self.columns, WIDTH).0;
                }
            }
        }
    }

    fn is_lit(&self, x: usize, y: usize) -> bool {
        if !self.on || y >= self.rows {
            return false;
        }
        let row = if self.upside_down { self.rows - 1 - y } else { y };
        let line = (row + self.offset + self.start_line) % HEIGHT;
        let column = if self.mirrored { WIDTH - 1 - x } else { x };
        let bit = self.memory[line / 8][column] >> (line % 8) & 1 != 0;
        self.all_on || bit != self.inverted
    }
}

impl I2cDevice for Ssd1306 {
    fn address(&self) -> u8 {
        self.address
    }

    fn begin_write(&mut self) {
        // Operands may come in transfers of their own.
        self.stream = Stream::Control;
    }

    fn write(&mut self, byte: u8, _now: Instant) {
        match self.stream {
            // Bit 7: only one byte follows, and then another control byte. Bit 6: it is data.
            Stream::Control => {
                let (is_data, all) = (byte & 0x40 != 0, byte & 0x80 == 0);
                self.stream = Stream::Bytes { is_data, all };
            }
            Stream::Bytes { is_data, all } => {
                if is_data {
                    self.put(byte);
                } else {
                    self.obey(byte);
                }
                if !all {
                    self.stream = Stream::Control;
                }
            }
        }
    }

    /// Its status: bit 6 while the display is off.
    fn read(&mut self, _now: Instant) -> u8 {
        u8::from(!self.on) << 6
    }

    fn shown(&self, what: &str) -> Option<Shown> {
        let dots = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        let dots = dots.map(|(x, y)| if self.is_lit(x, y) { LIT } else { DARK }).collect();
        let picture = Picture { width: WIDTH as u32, height: HEIGHT as u32, dots };
        (what == "picture").then_some(Shown::Picture(picture))
    }

    fn power_off(&mut self) {
        *self = Self::new(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(display: &mut Ssd1306, control: u8, bytes: &[u8]) {
        display.begin_write();
        display.write(control, Instant::ZERO);
        bytes.iter().for_each(|byte| display.write(*byte, Instant::ZERO));
    }

    /// Where dots are lit.
    fn lit(display: &Ssd1306) -> Vec<(usize, usize)> {
        let Some(Shown::Picture(picture)) = display.shown("picture") else { panic!("a picture") };
        assert_eq!(picture.dots.len(), WIDTH * HEIGHT);
        let lit = picture.dots.iter().enumerate().filter(|(_, dot)| **dot == LIT);
        lit.map(|(n, _)| (n % WIDTH, n / WIDTH)).collect()
    }

    /// On, with the directions that modules are built for.
    fn display() -> Ssd1306 {
        let mut display = Ssd1306::new(0x3c);
        send(&mut display, 0x00, &[0xa1, 0xc8, 0xaf]);
        display
    }

    #[test]
    fn bytes_are_columns_of_eight_dots_in_the_window_that_is_set() {
        let mut display = display();
        send(&mut display, 0x00, &[0x20]);
        send(&mut display, 0x00, &[0, 0x21, 126, 127, 0x22, 1, 2]);
        send(&mut display, 0x40, &[0x01, 0x80, 0x02]);
        assert_eq!(lit(&display), [(126, 8), (127, 15), (126, 17)]);
        send(&mut display, 0x00, &[0x20, 1, 0x21, 3, 4, 0x22, 6, 7]);
        send(&mut display, 0x40, &[0x01, 0x01, 0x01]);
        assert_eq!(lit(&display)[3..], [(3, 48), (4, 48), (3, 56)]);
    }

    #[test]
    fn page_addressing_stays_in_its_page() {
        let mut display = display();
        send(&mut display, 0x00, &[0xb2, 0x0f, 0x17]);
        send(&mut display, 0x40, &[0x01, 0x01]);
        assert_eq!(lit(&display), [(0, 16), (127, 16)]);
    }

    #[test]
    fn directions_start_line_and_inversion_change_the_picture_and_not_the_memory() {
        let mut display = display();
        send(&mut display, 0x40, &[0x01]);
        send(&mut display, 0x80, &[0x44]);
        assert_eq!(lit(&display), [(0, 60)], "line 4 is at the top");
        send(&mut display, 0x00, &[0x40, 0xa0, 0xc0]);
        assert_eq!(lit(&display), [(127, 63)]);
        send(&mut display, 0x00, &[0xa7]);
        assert_eq!(lit(&display).len(), WIDTH * HEIGHT - 1);
        send(&mut display, 0x00, &[0xae]);
        assert_eq!((lit(&display).len(), display.read(Instant::ZERO)), (0, 0x40));
        display.power_off();
        send(&mut display, 0x00, &[0xa5, 0xaf]);
        assert_eq!(lit(&display).len(), WIDTH * HEIGHT);
    }

    #[test]
    fn commands_and_data_may_alternate_in_one_transfer_and_no_byte_panics() {
        let mut display = display();
        send(&mut display, 0x80, &[0xb1, 0xc0, 0x80]);
        assert_eq!(lit(&display), [(0, 15)]);
        for byte in 0..=0xff_u8 {
            for operand in [0, 0x55, 0xff] {
                send(&mut display, 0x00, &[byte, operand, operand, operand]);
                send(&mut display, 0x40, &[0xff; 300]);
                let _ = display.shown("picture");
            }
        }
    }
}
