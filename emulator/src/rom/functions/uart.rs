//! The ROM's serial driver.
//!
//! *Source*: `rom/uart.h` of ESP-IDF for signatures and `uart_device`; TRM chapter "UART".
//! *Modelled*: sending with a wait for room, waiting for an empty FIFO and an idle line, divider,
//! polled reception, choice of the console UART.
//! *Not modelled*: baud-rate detection, the interrupt-driven receive buffer, packets (the downloader
//! is elsewhere).

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::startup::UART_DEVICE;
use crate::rom::table::{Entry, entry};

const STATUS: u32 = 0x1c;
const CLKDIV: u32 = 0x14;
const INT_ENA: u32 = 0x0c;
const INT_CLR: u32 = 0x10;
const CONF0: u32 = 0x20;
const CONF1: u32 = 0x24;
const FIFO: u32 = 0x00;

const TX_FULL: u32 = 1 << 23;
const TX_COUNT: u32 = 0xff << 16;
const TX_STATE: u32 = 0xf << 24;
const RX_COUNT: u32 = 0xff;
const FIFO_RESETS: u32 = 3 << 17;

/// Offset into `uart_device`: which UART is used for packets; the next byte: which for text.
const BUFF_UART_NO: u32 = 0x18;
const TX_UART_NO: u32 = 0x19;
/// How many bytes make the receive interrupt.
const TRIGGER: u32 = 0x28;

/// One look at STATUS.
const LOOK: u64 = 6;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_7cf8, "ets_write_char_uart", &[begin_write_char, write_char, write_second_char]),
    entry(0x4000_8fd0, "uartAttach", &[uart_attach]),
    entry(0x4000_9028, "uart_tx_switch", &[uart_tx_switch]),
    entry(0x4000_90cc, "uart_div_modify", &[uart_div_modify]),
    entry(0x4000_9120, "Uart_Init", &[uart_init]),
    entry(0x4000_9200, "uart_tx_one_char", &[uart_tx_one_char]),
    entry(0x4000_922c, "uart_tx_one_char2", &[uart_tx_one_char2]),
    entry(0x4000_9258, "uart_tx_flush", &[uart_tx_flush]),
    entry(0x4000_9278, "uart_tx_wait_idle", &[uart_tx_wait_idle]),
    entry(0x4000_92a4, "uart_rx_one_char_block", &[uart_rx_one_char_block]),
    entry(0x4000_92d0, "uart_rx_one_char", &[uart_rx_one_char]),
    entry(0x4000_93c0, "uart_buff_switch", &[uart_buff_switch]),
    entry(0x4000_9598, "GetUartDevice", &[get_uart_device]),
];

/// Base of UART `n`. The ROM knows UART0 and UART1; UART2 is not at the address that its formula
/// gives, which is kept.
pub(in crate::rom) fn base(n: u32) -> u32 {
    (0x3ff4 + (n & 0xff)) << 16
}

fn void(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(10);
    Ok(Outcome::Void)
}

/// Pushes a byte when there is room; false when the budget ends before.
pub(in crate::rom) fn send(call: &mut Call<'_>, uart: u32, byte: u8) -> Result<bool, Stop> {
    let base = base(uart);
    if !call.wait(base + STATUS, LOOK, |status| status & TX_FULL == 0)? {
        return Ok(false);
    }
    call.store(base + FIFO, byte.into())?;
    call.charge(LOOK);
    Ok(true)
}

/// The UART that text goes to.
pub(in crate::rom) fn console(call: &mut Call<'_>) -> Result<u32, Stop> {
    Ok(call.byte(UART_DEVICE + TX_UART_NO)?.into())
}

/// `void ets_write_char_uart(char c)`: CR LF for LF, and no CR of the caller's own. Slot 1 is the
/// second byte to send, 0 if none.
fn begin_write_char(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (first, second) = match call.get(0) as u8 {
        b'\n' => (b'\r', b'\n'),
        b'\r' => return Ok(Outcome::Void),
        other => (other, 0),
    };
    call.set(0, first.into());
    call.set(1, second.into());
    Ok(Outcome::Next)
}

fn write_char(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (uart, byte) = (console(call)?, call.get(0) as u8);
    match send(call, uart, byte)? {
        false => Ok(Outcome::Again),
        true if call.get(1) == 0 => Ok(Outcome::Void),
        true => Ok(Outcome::Next),
    }
}

fn write_second_char(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (uart, byte) = (console(call)?, call.get(1) as u8);
    Ok(if send(call, uart, byte)? { Outcome::Void } else { Outcome::Again })
}

/// `STATUS uart_tx_one_char(uint8_t c)`: to the UART of text.
fn uart_tx_one_char(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (uart, byte) = (console(call)?, call.get(0) as u8);
    Ok(if send(call, uart, byte)? { Outcome::Return(0) } else { Outcome::Again })
}

/// `STATUS uart_tx_one_char2(uint8_t c)`: to the UART of packets.
fn uart_tx_one_char2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let uart = call.byte(UART_DEVICE + BUFF_UART_NO)?.into();
    let byte = call.get(0) as u8;
    Ok(if send(call, uart, byte)? { Outcome::Return(0) } else { Outcome::Again })
}

/// `void uart_tx_flush(uint8_t uart)`: waits until the FIFO is empty.
fn uart_tx_flush(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let status = base(call.get(0)) + STATUS;
    let is_done = call.wait(status, LOOK, |status| status & TX_COUNT == 0)?;
    Ok(if is_done { Outcome::Void } else { Outcome::Again })
}

/// `void uart_tx_wait_idle(uint8_t uart)`: waits until the last bit has gone.
fn uart_tx_wait_idle(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let status = base(call.get(0)) + STATUS;
    let is_done = call.wait(status, LOOK, |status| status & (TX_COUNT | TX_STATE) == 0)?;
    Ok(if is_done { Outcome::Void } else { Outcome::Again })
}

/// The next byte of the UART of packets, if one has come.
fn receive(call: &mut Call<'_>) -> Result<Option<u32>, Stop> {
    let uart = call.byte(UART_DEVICE + BUFF_UART_NO)?.into();
    call.charge(LOOK);
    if call.load(base(uart) + STATUS)? & RX_COUNT == 0 {
        return Ok(None);
    }
    Ok(Some(call.load(base(uart) + FIFO)? & 0xff))
}

/// `STATUS uart_rx_one_char(uint8_t *c)`: 0 with a byte, 1 without.
fn uart_rx_one_char(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let Some(byte) = receive(call)? else { return Ok(Outcome::Return(1)) };
    call.write(call.get(0), &[byte as u8])?;
    Ok(Outcome::Return(0))
}

/// `char uart_rx_one_char_block(void)`
fn uart_rx_one_char_block(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    loop {
        match receive(call)? {
            Some(byte) => return Ok(Outcome::Return(byte)),
            None if call.is_spent() => return Ok(Outcome::Again),
            None => {}
        }
    }
}

/// `void uart_div_modify(uint8_t uart, uint32_t div)`: sixteenths of a clock period per bit; both
/// FIFOs are emptied.
fn uart_div_modify(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (base, divider) = (base(call.get(0)), call.get(1));
    set_divider(call, base, divider)?;
    void(call)
}

fn set_divider(call: &mut Call<'_>, base: u32, divider: u32) -> Result<(), Stop> {
    call.store(base + CLKDIV, (divider & 0xf) << 20 | divider >> 4 & 0xf_ffff)?;
    call.modify(base + CONF0, FIFO_RESETS, FIFO_RESETS)?;
    Ok(call.modify(base + CONF0, FIFO_RESETS, 0)?)
}

/// `void Uart_Init(uint8_t uart, uint32_t clock)`: 8N1 at the baud rate of `uart_device`.
fn uart_init(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (uart, clock) = (call.get(0), call.get(1));
    let baud = call.load(UART_DEVICE)?;
    init(call, uart, clock, baud)?;
    void(call)
}

/// 8N1 at `baud` from an APB clock of `clock` Hz, with an interrupt for every byte, on line 5 of
/// PRO_CPU: what applications that do not set up the UART themselves rely on.
pub(in crate::rom) fn init(
    call: &mut Call<'_>,
    uart: u32,
    clock: u32,
    baud: u32,
) -> Result<(), Stop> {
    const TICK_REF_ALWAYS_ON: u32 = 1 << 27;
    const ERR_WR_MASK: u32 = 1 << 26;
    const STOP_BITS_1: u32 = 1 << 4;
    const DATA_BITS_8: u32 = 3 << 2;
    const RXFIFO_FULL: u32 = 1;
    const INTERRUPT_MAP: [u32; 2] = [0x3ff0_018c, 0x3ff0_0190];
    const INTERRUPT_LINE: u32 = 5;
    let base = base(uart);
    let mode = TICK_REF_ALWAYS_ON | ERR_WR_MASK | STOP_BITS_1 | DATA_BITS_8;
    call.store(base + CONF0, mode)?;
    let divider = (u64::from(clock) << 4) / u64::from(baud.max(1));
    set_divider(call, base, divider as u32)?;
    let trigger = call.load(UART_DEVICE + TRIGGER)? & 0x7f;
    call.store(base + CONF1, trigger)?;
    call.store(base + INT_CLR, 0xffff)?;
    call.modify(base + INT_ENA, RXFIFO_FULL, RXFIFO_FULL)?;
    let map = INTERRUPT_MAP[usize::from(uart & 0xff != 0)];
    Ok(call.store(map, INTERRUPT_LINE)?)
}

/// `void uartAttach(void)`: the driver's variables as they are after reset. The receive interrupt
/// that the ROM also connects serves its downloader only.
fn uart_attach(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    for &(address, value) in crate::rom::startup::UART_DEVICE_FIELDS {
        call.store(address, value)?;
    }
    void(call)
}

/// `void uart_tx_switch(uint8_t uart)`: which UART text goes to.
fn uart_tx_switch(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.write(UART_DEVICE + TX_UART_NO, &[call.get(0) as u8])?;
    void(call)
}

/// `void uart_buff_switch(uint8_t uart)`: which UART packets use.
fn uart_buff_switch(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.write(UART_DEVICE + BUFF_UART_NO, &[call.get(0) as u8])?;
    void(call)
}

/// `UartDevice *GetUartDevice(void)`
fn get_uart_device(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4);
    Ok(Outcome::Return(UART_DEVICE))
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{Access, DRAM, FakeGuest};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// A UART0 that takes a byte away at every eighth look at its status.
    fn guest(budget: u32) -> (FakeGuest, Rc<RefCell<Vec<u8>>>) {
        let sent = Rc::new(RefCell::new(Vec::new()));
        let (out, mut count, mut looks) = (Rc::clone(&sent), 0u32, 0u32);
        let mut guest = FakeGuest::new(budget);
        guest.on_register(move |registers, access| match access {
            Access::Write(0x3ff4_0000, byte) => {
                assert!(count < 128, "overrun");
                out.borrow_mut().push(byte as u8);
                count += 1;
                registers.insert(0x3ff4_001c, count << 16);
            }
            Access::Read(0x3ff4_001c) => {
                looks += 1;
                if looks.is_multiple_of(8) {
                    count = count.saturating_sub(1);
                }
                registers.insert(0x3ff4_001c, count << 16);
            }
            _ => {}
        });
        (guest, sent)
    }

    #[test]
    fn text_waits_for_room_and_line_feeds_become_cr_lf() {
        for budget in [1, 64] {
            let (mut guest, sent) = guest(budget);
            for byte in "a\r\n".repeat(100).bytes() {
                guest.call("ets_write_char_uart", &[byte.into()]);
            }
            assert_eq!(*sent.borrow(), "a\r\n".repeat(100).as_bytes());
            guest.call("uart_tx_wait_idle", &[0]);
            assert_eq!(guest.register(0x3ff4_001c), 0);
        }
    }

    #[test]
    fn the_divider_of_115200_baud_at_40_mhz_is_347_and_three_sixteenths() {
        let mut guest = FakeGuest::new(64);
        guest.call("uart_div_modify", &[0, (40_000_000 << 4) / 115_200]);
        assert_eq!(guest.register(0x3ff4_0014), 0x30_015b);
        guest.call("uartAttach", &[]);
        guest.call("Uart_Init", &[1, 26_000_000]);
        assert_eq!(guest.register(0x3ff5_0014), 0xb0_00e1);
    }

    #[test]
    fn reception_polls_the_count() {
        let mut guest = FakeGuest::new(64);
        assert_eq!(guest.call("uart_rx_one_char", &[DRAM + 1]), 1);
        guest.set_register(0x3ff4_001c, 1);
        guest.set_register(0x3ff4_0000, 0x41);
        assert_eq!(guest.call("uart_rx_one_char", &[DRAM + 1]), 0);
        assert_eq!(guest.get(DRAM + 1, 1), b"A");
        assert_eq!(guest.call("GetUartDevice", &[]), 0x3ffe_019c);
    }
}
