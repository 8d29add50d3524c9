use super::super::dma::NoMemory;
use super::super::{Clocks, Context, Peripheral};
use super::*;

const CMD: u32 = reg::CMD;
const USR: u32 = 1 << 18;

struct Bench {
    spi: SpiController,
    cx: Context,
}

impl Bench {
    fn new() -> Self {
        Self { spi: SpiController::new(), cx: Context::at(Instant::ZERO, Clocks::default()) }
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.spi.write(offset, value, &self.cx).unwrap();
    }

    fn read(&mut self, offset: u32) -> u32 {
        self.spi.read(offset, &self.cx).unwrap()
    }

    /// Starts `cmd`, answers with `miso` and lets the transfer time pass.
    fn run(&mut self, cmd: u32, miso: &[u8]) -> Transaction {
        self.write(CMD, cmd);
        assert_eq!(self.read(CMD), cmd);
        let transaction = self.spi.take_transaction(&mut NoMemory).unwrap();
        self.spi.complete(miso, &mut NoMemory);
        self.cx.now = self.spi.poll_at().unwrap();
        self.spi.poll(&self.cx);
        assert_eq!(self.read(CMD), 0);
        transaction
    }
}

#[test]
fn registers_have_their_reset_values() {
    let mut bench = Bench::new();
    for (offset, value) in [
        (CMD, 0),
        (reg::CTRL, 0x0020_a400),
        (reg::CLOCK, 0x8000_3043),
        (reg::USER1, 0x5c00_0007),
        (reg::USER2, 0x7000_0000),
        (reg::PIN, 6),
        (reg::SLAVE, 0x200),
        (reg::EXT2, 0),
    ] {
        assert_eq!(bench.read(offset), value, "offset {offset:#x}");
    }
}

#[test]
fn flash_commands_send_what_the_chip_expects() {
    let mut bench = Bench::new();
    let opcode = |t: &Transaction| t.outgoing().next();
    for (bit, code) in [(30, 0x06), (29, 0x04), (22, 0xc7), (21, 0xb9), (17, 0x75), (16, 0x7a)] {
        let transaction = bench.run(1 << bit, &[]);
        assert!(transaction.outgoing().eq([code]), "bit {bit}");
        assert!(transaction.cs.has(0) && !transaction.cs.has(1));
    }
    bench.write(reg::ADDR, 0x0212_3456);
    bench.write(reg::W0, 0x4433_2211);
    assert!(bench.run(1 << 24, &[]).outgoing().eq([0x20, 0x12, 0x34, 0x56]));
    assert!(bench.run(1 << 23, &[]).outgoing().eq([0xd8, 0x12, 0x34, 0x56]));
    assert!(bench.run(1 << 25, &[]).outgoing().eq([0x02, 0x12, 0x34, 0x56, 0x11, 0x22]));
    let read = bench.run(1 << 31, &[0xaa, 0xbb]);
    assert_eq!((opcode(&read), read.miso_bits), (Some(0x0b), 16));
    assert_eq!(bench.read(reg::W0), 0x4433_bbaa);
    bench.run(1 << 28, &[0xef, 0x40, 0x16]);
    assert_eq!(bench.read(reg::W0), 0x4416_40ef);
}

#[test]
fn status_goes_through_its_own_register() {
    let mut bench = Bench::new();
    bench.write(reg::RD_STATUS, 0x0302);
    assert!(bench.run(1 << 26, &[]).outgoing().eq([0x01, 0x02]));
    bench.write(reg::CTRL, ctrl::RESET | ctrl::WRSR_2B);
    assert!(bench.run(1 << 26, &[]).outgoing().eq([0x01, 0x02, 0x03]));
    bench.run(1 << 27, &[0x81]);
    assert_eq!(bench.read(reg::RD_STATUS), 0x0381);
}

#[test]
fn a_user_read_puts_bytes_in_little_endian_words() {
    let mut bench = Bench::new();
    bench.write(reg::USER, user::COMMAND | user::ADDR | user::DUMMY | user::MISO);
    bench.write(reg::USER1, 23 << 26 | 7);
    bench.write(reg::USER2, 7 << 28 | 0x0b);
    bench.write(reg::ADDR, 0x1234_56ff);
    bench.write(reg::MISO_DLEN, 5 * 8 - 1);
    let transaction = bench.run(USR, &[1, 2, 3, 4, 5]);
    assert!(transaction.outgoing().eq([0x0b, 0x12, 0x34, 0x56]));
    assert_eq!((transaction.dummy_cycles, transaction.miso_bits), (8, 40));
    assert_eq!((bench.read(reg::W0), bench.read(reg::W0 + 4)), (0x0403_0201, 5));
}

#[test]
fn odd_lengths_and_orders_reach_the_line_as_the_drivers_assume() {
    let mut bench = Bench::new();
    // Twelve bits 0xabc as drivers lay them out: swapped to the first bytes, left-aligned.
    bench.write(reg::USER, user::MOSI | user::MISO | user::DOUTDIN);
    bench.write(reg::W0, 0xc0ab);
    bench.write(reg::MOSI_DLEN, 11);
    bench.write(reg::MISO_DLEN, 11);
    let transaction = bench.run(USR, &[0x12, 0x3f]);
    assert!(transaction.outgoing().eq([0xab, 0xc0]));
    assert_eq!(transaction.cycles(), 12);
    assert_eq!(bench.read(reg::W0) & 0xffff, 0x3012);

    bench.write(reg::CTRL, ctrl::WR_BIT_ORDER | ctrl::RD_BIT_ORDER);
    bench.write(reg::W0, 0x01);
    bench.write(reg::MOSI_DLEN, 7);
    bench.write(reg::MISO_DLEN, 7);
    assert!(bench.run(USR, &[0x80]).outgoing().eq([0x80]));
    assert_eq!(bench.read(reg::W0) & 0xff, 0x01);

    bench.write(reg::CTRL, 0);
    bench.write(reg::USER, user::MOSI | user::WR_BYTE_ORDER | user::MOSI_HIGHPART);
    bench.write(reg::W0 + 32, 0x1122_3344);
    bench.write(reg::MOSI_DLEN, 31);
    assert!(bench.run(USR, &[]).outgoing().eq([0x11, 0x22, 0x33, 0x44]));
    bench.write(reg::MOSI_DLEN, 7);
    assert!(bench.run(USR, &[]).outgoing().eq([0x11]));

    bench.write(reg::USER, user::COMMAND);
    bench.write(reg::USER2, 11 << 28 | 0xc0ab);
    assert_eq!(bench.run(USR, &[]).command, Some(Field { bits: 12, value: 0xabc }));
}

#[test]
fn a_transaction_takes_its_time_at_the_divided_clock_and_interrupts_at_its_end() {
    let mut bench = Bench::new();
    bench.write(reg::CLOCK, 1 << 18 | 9 << 12); // 40 MHz / 2 / 10
    bench.write(reg::USER, user::MOSI);
    bench.write(reg::MOSI_DLEN, 7);
    bench.write(CMD, USR);
    assert_eq!(bench.spi.poll_at(), Some(Instant::ZERO + Duration::from_micros(4)));
    assert_ne!(bench.read(reg::EXT2), 0);
    bench.cx.now = Instant::ZERO + Duration::from_micros(3);
    bench.spi.poll(&bench.cx);
    assert_eq!((bench.read(CMD), bench.spi.irq()), (USR, 0));
    bench.cx.now = Instant::ZERO + Duration::from_micros(4);
    bench.spi.poll(&bench.cx);
    assert_eq!((bench.read(CMD), bench.spi.irq(), bench.spi.poll_at()), (0, 1, None));
    let done = bench.read(reg::SLAVE);
    bench.write(reg::SLAVE, done & !slave::TRANS_DONE);
    assert_eq!(bench.spi.irq(), 0);
    bench.write(reg::SLAVE, done); // drivers raise it by hand to enter their handler
    assert_eq!(bench.spi.irq(), 1);
}

#[test]
fn without_a_part_the_line_floats_high() {
    let mut bench = Bench::new();
    bench.write(reg::USER, user::MISO);
    bench.write(reg::MISO_DLEN, 15);
    bench.write(CMD, USR);
    bench.cx.now = bench.spi.poll_at().unwrap();
    bench.spi.poll(&bench.cx);
    assert_eq!((bench.read(CMD), bench.read(reg::W0)), (0, 0xffff));
}

struct Ram([u8; 0x100]);

impl DmaMemory for Ram {
    fn read(&mut self, address: u32, buf: &mut [u8]) -> bool {
        let at = (address & 0xff) as usize;
        let Some(source) = self.0.get(at..at + buf.len()) else { return false };
        buf.copy_from_slice(source);
        true
    }

    fn write(&mut self, address: u32, data: &[u8]) -> bool {
        let at = (address & 0xff) as usize;
        let Some(target) = self.0.get_mut(at..at + data.len()) else { return false };
        target.copy_from_slice(data);
        true
    }
}

#[test]
fn dma_feeds_and_drains_a_transaction_and_interrupts_at_its_end() {
    let mut ram = Ram([0; 0x100]);
    for (at, word) in [(0, 1 << 31 | 3 << 12 | 4), (4, 0x80), (16, 1 << 31 | 4), (20, 0x90_u32)] {
        assert!(ram.write(at, &word.to_le_bytes()));
    }
    assert!(ram.write(0x80, b"abc"));
    let mut bench = Bench::new();
    bench.write(0x110, 1 << 5);
    bench.write(0x104, 1 << 29 | 0xb_0100);
    bench.write(0x108, 1 << 29 | 0xb_0110);
    bench.write(reg::USER, user::MOSI | user::MISO | user::DOUTDIN);
    bench.write(reg::MOSI_DLEN, 23);
    bench.write(reg::MISO_DLEN, 23);
    bench.write(CMD, USR);
    let transaction = bench.spi.take_transaction(&mut ram).unwrap();
    assert_eq!(&*transaction.mosi, b"abc");
    bench.spi.complete(b"xyz", &mut ram);
    assert_eq!(&ram.0[0x90..0x93], b"xyz");
    assert_eq!(bench.spi.irq() & 2, 0);
    bench.cx.now = bench.spi.poll_at().unwrap();
    bench.spi.poll(&bench.cx);
    assert_eq!(bench.spi.irq() & 2, 2);
    assert_eq!(bench.read(0x124), 0x3ffb_0110);
    bench.write(0x11c, u32::MAX);
    assert_eq!(bench.spi.irq() & 2, 0);
}

#[test]
fn every_offset_takes_every_access() {
    let mut bench = Bench::new();
    for offset in (0..0x400).step_by(4) {
        for value in [u32::MAX, 0] {
            let _ = bench.spi.write(offset, value, &bench.cx);
            let _ = bench.spi.read(offset, &bench.cx);
            if let Some(at) = bench.spi.poll_at() {
                bench.cx.now = at;
                bench.spi.take_transaction(&mut NoMemory);
                bench.spi.complete(&[0], &mut NoMemory);
                bench.spi.poll(&bench.cx);
            }
        }
    }
    bench.spi.reset(&bench.cx);
    assert_eq!(bench.read(reg::CTRL), ctrl::RESET);
}
