//! SPI PSRAM of the ESP-PSRAM family, as ESP32 modules carry it on CS1.
//!
//! Source: ESP-PSRAM32 datasheet (command table, read-id format); the transactions that ESP-IDF
//! v4.4 and v5.0 send, measured.
//! Modelled: read id, enter and exit QPI, reset, reads and writes through the command interface,
//! contents lost with power. The cache reaches the contents directly ([`Psram::bytes`]).
//! Not modelled: refresh, burst wrap (`C0`, ignored like every unknown command), speed limits.

use crate::peripherals::spi::{Bytes, Lines, Transaction};

/// Capacity of a chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PsramSize {
    /// 16 Mbit.
    MiB2,
    /// 32 Mbit, ESP-PSRAM32.
    MiB4,
    /// 64 Mbit, ESP-PSRAM64, of which the ESP32 maps half.
    MiB8,
}

impl PsramSize {
    /// Bytes.
    pub const fn bytes(self) -> u32 {
        1 << (21 + self as u32)
    }
}

const MANUFACTURER: u8 = 0x0d;
const KNOWN_GOOD_DIE: u8 = 0x5d;

/// How the chip listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Interface {
    /// Commands on one line.
    #[default]
    Spi,
    /// Commands on four lines.
    Qpi,
}

/// A PSRAM chip.
#[derive(Debug, Clone)]
pub struct Psram {
    size: PsramSize,
    contents: Box<[u8]>,
    interface: Interface,
    reset_enabled: bool,
}

impl Psram {
    /// A chip after power-on, all zeros.
    pub fn new(size: PsramSize) -> Self {
        let contents = vec![0; size.bytes() as usize].into_boxed_slice();
        Self { size, contents, interface: Interface::Spi, reset_enabled: false }
    }

    /// The memory cells.
    pub fn bytes(&self) -> &[u8] {
        &self.contents
    }

    /// The memory cells, for the cache to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.contents
    }

    /// Power goes and returns: contents and interface mode are lost.
    pub fn power_cycle(&mut self) {
        self.contents.fill(0);
        self.interface = Interface::Spi;
        self.reset_enabled = false;
    }

    /// Executes one chip-select period and returns what the chip drives in the read phase.
    pub fn transact(&mut self, transaction: &Transaction) -> Bytes {
        let mut response = Bytes::filled(0xff, transaction.miso_len());
        let shortened = without_delay_clocks(transaction);
        if interface_of(&shortened) != self.interface {
            return response;
        }
        // Drivers prefix zeros that only delay the clock; no command is zero.
        let mut outgoing = shortened.outgoing().skip_while(|byte| *byte == 0);
        let Some(opcode) = outgoing.next() else { return response };
        let reset_enabled = std::mem::take(&mut self.reset_enabled);
        match opcode {
            0x9f => {
                // The upper three bits are the size. The others must not all be zero: 0x20 names a
                // first version, which drivers treat with extra clocks.
                let extended = (self.size as u8) << 5 | 1;
                let id = [MANUFACTURER, KNOWN_GOOD_DIE, extended, 0, 0, 0, 0, 0];
                for (to, from) in response.iter_mut().zip(id.iter().cycle()) {
                    *to = *from;
                }
            }
            0x35 => self.interface = Interface::Qpi,
            0xf5 => self.interface = Interface::Spi,
            0x66 => self.reset_enabled = true,
            0x99 if reset_enabled => self.interface = Interface::Spi,
            0x03 | 0x0b | 0xeb => {
                if let Some(start) = address(&mut outgoing) {
                    for (at, to) in (start..).zip(response.iter_mut()) {
                        *to = self.contents[self.index(at)];
                    }
                }
            }
            0x02 | 0x38 => {
                if let Some(start) = address(&mut outgoing) {
                    for (at, byte) in (start..).zip(outgoing) {
                        let index = self.index(at);
                        self.contents[index] = byte;
                    }
                }
            }
            _ => {}
        }
        response
    }

    /// Addresses wrap at the size, a power of two.
    fn index(&self, address: u32) -> usize {
        address as usize & (self.contents.len() - 1)
    }
}

/// Drivers put a command of two bits before the real one to delay it; the chip, whose select line
/// is held back meanwhile, does not see it.
fn without_delay_clocks(transaction: &Transaction) -> Transaction {
    let command = transaction.command.filter(|field| field.bits >= 8);
    Transaction { command, ..transaction.clone() }
}

fn interface_of(transaction: &Transaction) -> Interface {
    let first_lines = match (transaction.command, transaction.address) {
        (Some(_), _) => Lines::Single,
        (None, Some(_)) => transaction.address_lines,
        (None, None) => transaction.data_lines,
    };
    if first_lines == Lines::Quad { Interface::Qpi } else { Interface::Spi }
}

fn address(outgoing: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut byte = || outgoing.next().map(u32::from);
    Some(byte()? << 16 | byte()? << 8 | byte()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::spi::Field;

    fn exit_qpi() -> Transaction {
        let mosi = Bytes::from(&[0, 0xf5][..]);
        Transaction { mosi, mosi_bits: 16, data_lines: Lines::Quad, ..Transaction::default() }
    }

    fn read_id() -> Transaction {
        Transaction {
            command: Some(Field { bits: 2, value: 0 }),
            address: Some(Field { bits: 32, value: 0x9f00_0000 }),
            miso_bits: 64,
            ..Transaction::default()
        }
    }

    fn enter_qpi() -> Transaction {
        Transaction { address: Some(Field { bits: 8, value: 0x35 }), ..Transaction::default() }
    }

    #[test]
    fn the_measured_start_sequence_finds_four_megabytes() {
        let mut psram = Psram::new(PsramSize::MiB4);
        for _ in 0..2 {
            // The second round is the one after a chip reset: the PSRAM is still in QPI.
            psram.transact(&exit_qpi());
            let id = psram.transact(&read_id());
            assert_eq!((id.len(), id[0], id[1], id[2] >> 5), (8, 0x0d, 0x5d, 1));
            psram.transact(&enter_qpi());
            assert_eq!(psram.transact(&read_id())[..2], [0xff, 0xff]);
        }
    }

    #[test]
    fn bytes_written_by_command_are_read_back_and_power_loses_them() {
        let mut psram = Psram::new(PsramSize::MiB2);
        let command = |value| Some(Field { bits: 8, value });
        let address = Some(Field { bits: 24, value: 0xff_ffff });
        let mosi = Bytes::from(&[1, 2][..]);
        let write = Transaction {
            command: command(0x02),
            address,
            mosi,
            mosi_bits: 16,
            ..Transaction::default()
        };
        let read = Transaction {
            command: command(0x03),
            address,
            miso_bits: 16,
            ..Transaction::default()
        };
        psram.transact(&write);
        assert_eq!(*psram.transact(&read), [1, 2]);
        assert_eq!((psram.bytes()[0x1f_ffff], psram.bytes()[0]), (1, 2));
        psram.power_cycle();
        assert_eq!(*psram.transact(&read), [0, 0]);
    }

    #[test]
    fn any_transaction_is_survived() {
        let mut psram = Psram::new(PsramSize::MiB2);
        for opcode in 0..=255_u64 {
            for lines in [Lines::Single, Lines::Quad] {
                let transaction = Transaction {
                    address: Some(Field { bits: 32, value: opcode << 24 | 0xff_ffff }),
                    miso_bits: 13,
                    address_lines: lines,
                    ..Transaction::default()
                };
                assert_eq!(psram.transact(&transaction).len(), 2);
            }
        }
    }
}
