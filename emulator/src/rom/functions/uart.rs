//! The ROM's serial driver.
//!
//! *Source*: `rom/uart.h` of ESP-IDF for signatures and `uart_device`; TRM chapter "UART"; RFC 1055 for
//! the framing of packets; constants and order of accesses as observed on a chip with a real ROM.
//! *Modelled*: sending with a wait for room, waiting for an empty FIFO and an idle line, divider,
//! polled reception, the receive buffer that an interrupt fills, detection of the baud rate, packets,
//! choice of the UARTs.
//! *Not modelled*: the line editor (`UartRxString`, `UartGetCmdLn`).

use super::interrupt;
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
const AUTOBAUD: u32 = 0x18;
const LOWPULSE: u32 = 0x28;
const HIGHPULSE: u32 = 0x2c;
const EDGES: u32 = 0x30;
const PULSE: u32 = 0xf_ffff;
const INT_ST: u32 = 0x08;
const RXFIFO_FULL: u32 = 1;

/// Offset into `uart_device`: which UART is used for packets; the next byte: which for text.
const BUFF_UART_NO: u32 = 0x18;
const TX_UART_NO: u32 = 0x19;
/// The receive buffer: its address, where the next byte goes and where the next is taken from.
const BUFFER: u32 = 0x1c;
const BUFFER_WRITE: u32 = 0x20;
const BUFFER_READ: u32 = 0x24;
/// How many bytes make the receive interrupt.
const TRIGGER: u32 = 0x28;
/// What has become of a line of text; 2 when a CR has come.
const BUFFER_STATE: u32 = 0x2c;
const LINE_ENDED: u32 = 2;
/// How far the detection of the baud rate or the reception of a packet has come.
pub(in crate::rom) const RECEIVE_STATE: u32 = 0x30;
const RECEIVE_COUNT: u32 = 0x34;
/// Bytes of the receive buffer.
const BUFFER_SIZE: u32 = 256;

/// Values of [`RECEIVE_STATE`].
pub(in crate::rom) mod receive_state {
    /// The baud rate is being measured.
    pub(in crate::rom) const MEASURING: u32 = 1;
    /// It is known; no packet has begun.
    pub(in crate::rom) const BETWEEN: u32 = 2;
    /// Inside a packet.
    pub(in crate::rom) const INSIDE: u32 = 3;
    /// Behind an escape character.
    pub(in crate::rom) const ESCAPED: u32 = 4;
}

/// Edges that must have been seen before the pulses count.
const ENOUGH_EDGES: u32 = 127;
/// What the ROM adds to the divider it measures, in sixteenths: nine cycles of the clock.
const DIVIDER_CORRECTION: u32 = 144;
/// AUTOBAUD: on, with a glitch filter of four cycles.
const AUTOBAUD_ON: u32 = 0x401;

/// Framing of packets.
const END: u8 = 0xc0;
const ESCAPE: u8 = 0xdb;
const ESCAPED_END: u8 = 0xdc;
const ESCAPED_ESCAPE: u8 = 0xdd;
/// One byte of a packet.
const PACKET_BYTE: u64 = 40;
/// Line of the receive interrupt, on PRO_CPU.
const INTERRUPT_LINE: u32 = 5;
const RECEIVE_HANDLER: u32 = 0x4000_8f4c;

/// One look at STATUS.
const LOOK: u64 = 6;

// Addresses of the functions that the downloader calls.
pub(in crate::rom) const BAUDRATE_DETECT: u32 = 0x4000_9034;
pub(in crate::rom) const DIV_MODIFY: u32 = 0x4000_90cc;
pub(in crate::rom) const TX_ONE_CHAR2: u32 = 0x4000_922c;
pub(in crate::rom) const TX_WAIT_IDLE: u32 = 0x4000_9278;
pub(in crate::rom) const SEND_MSG: u32 = 0x4000_9384;
pub(in crate::rom) const BUFF_SWITCH: u32 = 0x4000_93c0;
pub(in crate::rom) const RCV_MSG: u32 = 0x4000_954c;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_7cf8, "ets_write_char_uart", &[begin_write_char, write_char, write_second_char]),
    entry(RECEIVE_HANDLER, "uart_rx_intr_handler", &[uart_rx_intr_handler]),
    entry(0x4000_8fd0, "uartAttach", &[uart_attach]),
    entry(0x4000_9028, "uart_tx_switch", &[uart_tx_switch]),
    entry(BAUDRATE_DETECT, "uart_baudrate_detect", &[begin_detect, detect]),
    entry(DIV_MODIFY, "uart_div_modify", &[uart_div_modify]),
    entry(0x4000_9120, "Uart_Init", &[uart_init]),
    entry(0x4000_9200, "uart_tx_one_char", &[uart_tx_one_char]),
    entry(TX_ONE_CHAR2, "uart_tx_one_char2", &[uart_tx_one_char2]),
    entry(0x4000_9258, "uart_tx_flush", &[uart_tx_flush]),
    entry(TX_WAIT_IDLE, "uart_tx_wait_idle", &[uart_tx_wait_idle]),
    entry(0x4000_92a4, "uart_rx_one_char_block", &[uart_rx_one_char_block]),
    entry(0x4000_92d0, "uart_rx_one_char", &[uart_rx_one_char]),
    entry(0x4000_9340, "send_packet", &[begin_send, send_packet]),
    entry(SEND_MSG, "SendMsg", &[begin_send, send_msg]),
    entry(0x4000_9394, "uart_rx_readbuff", &[uart_rx_readbuff]),
    entry(BUFF_SWITCH, "uart_buff_switch", &[uart_buff_switch]),
    entry(0x4000_9424, "recv_packet", &[begin_receive, recv_packet]),
    entry(RCV_MSG, "RcvMsg", &[begin_receive, rcv_msg]),
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

/// The UART that packets use.
pub(in crate::rom) fn packets(call: &mut Call<'_>) -> Result<u32, Stop> {
    Ok(call.byte(UART_DEVICE + BUFF_UART_NO)?.into())
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
    const INTERRUPT_MAP: [u32; 2] = [0x3ff0_018c, 0x3ff0_0190];
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

/// `void uartAttach(void)`: the driver's variables as they are after reset, and the handler of the
/// receive interrupt.
fn uart_attach(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    attach(call)?;
    void(call)
}

/// What [`uart_attach`] does.
pub(in crate::rom) fn attach(call: &mut Call<'_>) -> Result<(), Stop> {
    for &(address, value) in crate::rom::startup::UART_DEVICE_FIELDS {
        call.store(address, value)?;
    }
    interrupt::mask(call, 1 << INTERRUPT_LINE)?;
    interrupt::set_handler(call, INTERRUPT_LINE, RECEIVE_HANDLER, UART_DEVICE + BUFFER)?;
    Ok(())
}

/// `void uart_rx_intr_handler(RcvMsgBuff *buffer)`: empties the FIFO of the packets' UART into the
/// buffer. A buffer that nobody reads is overwritten.
fn uart_rx_intr_handler(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let device = call.get(0).wrapping_sub(BUFFER);
    let uart = base(packets(call)?);
    if call.load(uart + INT_ST)? & RXFIFO_FULL == 0 {
        return void(call);
    }
    call.store(uart + INT_CLR, RXFIFO_FULL)?;
    while call.load(uart + STATUS)? & RX_COUNT != 0 {
        let byte = call.load(uart + FIFO)? as u8;
        let first = call.load(device + BUFFER)?;
        let at = call.load(device + BUFFER_WRITE)?;
        call.write(at, &[byte])?;
        if byte == b'\r' {
            call.store(device + BUFFER_STATE, LINE_ENDED)?;
        }
        let next = at.wrapping_add(1);
        let is_end = next == first.wrapping_add(BUFFER_SIZE);
        call.store(device + BUFFER_WRITE, if is_end { first } else { next })?;
        call.charge(20);
    }
    void(call)
}

/// Takes a byte out of the receive buffer of this device.
fn take_buffered(call: &mut Call<'_>, device: u32) -> Result<Option<u8>, Stop> {
    let (write, read) = (call.load(device + BUFFER_WRITE)?, call.load(device + BUFFER_READ)?);
    if write == read {
        return Ok(None);
    }
    let byte = call.byte(read)?;
    let (first, next) = (call.load(device + BUFFER)?, read.wrapping_add(1));
    let is_end = next == first.wrapping_add(BUFFER_SIZE);
    call.store(device + BUFFER_READ, if is_end { first } else { next })?;
    Ok(Some(byte))
}

/// `STATUS uart_rx_readbuff(RcvMsgBuff *buffer, uint8_t *c)`: 0 with a byte, 1 without.
fn uart_rx_readbuff(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(15);
    let device = call.get(0).wrapping_sub(BUFFER);
    let Some(byte) = take_buffered(call, device)? else { return Ok(Outcome::Return(1)) };
    call.write(call.get(1), &[byte])?;
    Ok(Outcome::Return(0))
}

/// `int uart_baudrate_detect(uint8_t uart, uint8_t is_polled)`: the divider in sixteenths, from the
/// shortest pulses since the first call; 0 as long as too few have been seen, for a caller that
/// polls.
fn begin_detect(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let autobaud = base(call.get(0)) + AUTOBAUD;
    call.charge(20);
    if call.load(UART_DEVICE + RECEIVE_STATE)? == 0 {
        call.store(UART_DEVICE + RECEIVE_STATE, receive_state::MEASURING)?;
    }
    if call.load(autobaud)? & 1 == 0 {
        call.store(autobaud, AUTOBAUD_ON)?;
    }
    Ok(Outcome::Next)
}

fn detect(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let base = base(call.get(0));
    call.charge(LOOK);
    if call.load(base + EDGES)? <= ENOUGH_EDGES {
        // The hardware counts meanwhile; nothing is missed by looking seldom.
        call.charge(call.guest.budget_left());
        return Ok(if call.get(1) & 0xff != 0 { Outcome::Return(0) } else { Outcome::Again });
    }
    let (low, high) = (call.load(base + LOWPULSE)? & PULSE, call.load(base + HIGHPULSE)? & PULSE);
    call.modify(base + AUTOBAUD, 1, 0)?;
    Ok(Outcome::Return(((low + high) << 3) + DIVIDER_CORRECTION))
}

/// Sending a packet: slot 0 is the next byte, slot 1 how many are left, slot 2 what comes next.
fn begin_send(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    call.set(1, call.get(1) & 0xffff);
    call.set(2, u32::from(END));
    Ok(Outcome::Next)
}

/// True when the last byte has been handed to the UART. Slot 2 is the byte to send before anything
/// else, 0 if there is none: none of the framing characters is 0.
fn send_framed(call: &mut Call<'_>) -> Result<bool, Stop> {
    let uart = packets(call)?;
    loop {
        let pending = call.get(2);
        if pending == 0 {
            let byte = call.byte(call.get(0))?;
            let (first, second) = match byte {
                END => (ESCAPE, ESCAPED_END),
                ESCAPE => (ESCAPE, ESCAPED_ESCAPE),
                other => (other, 0),
            };
            if !send(call, uart, first)? {
                return Ok(false);
            }
            call.add(0, 1);
            call.add(1, u32::MAX);
            call.set(2, second.into());
        } else {
            if !send(call, uart, pending as u8)? {
                return Ok(false);
            }
            // The frame's end is marked by a bit that no byte has.
            if pending & LAST != 0 {
                return Ok(true);
            }
            call.set(2, 0);
        }
        if call.get(2) == 0 && call.get(1) == 0 {
            call.set(2, u32::from(END) | LAST);
        }
        call.charge(PACKET_BYTE);
        if call.is_spent() {
            return Ok(false);
        }
    }
}

const LAST: u32 = 1 << 8;

/// `void send_packet(uint8_t *packet, int length)`
fn send_packet(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    Ok(if send_framed(call)? { Outcome::Void } else { Outcome::Again })
}

/// `STATUS SendMsg(uint8_t *message, uint16_t length)`: 0.
fn send_msg(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    Ok(if send_framed(call)? { Outcome::Return(0) } else { Outcome::Again })
}

/// Receiving a packet into slot 0 with room for slot 1. A caller that polls (slot 2) finds its
/// progress in the device; for one that waits it is in slot 3, the state, and slot 4, the count.
fn begin_receive(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    call.set(2, call.get(2) & 0xff);
    let (state, count) = match call.get(2) {
        0 => (receive_state::BETWEEN, 0),
        _ => (call.load(UART_DEVICE + RECEIVE_STATE)?, call.load(UART_DEVICE + RECEIVE_COUNT)?),
    };
    call.set(3, state);
    call.set(4, count);
    call.charge(20);
    Ok(Outcome::Next)
}

/// The length of the packet when it has come; 0 if the caller polls and it has not. Bytes that find
/// no room are left out.
fn receive_framed(call: &mut Call<'_>) -> Result<Option<u32>, Stop> {
    let is_polling = call.get(2) != 0;
    loop {
        let Some(byte) = take_buffered(call, UART_DEVICE)? else {
            if is_polling {
                call.store(UART_DEVICE + RECEIVE_STATE, call.get(3))?;
                call.store(UART_DEVICE + RECEIVE_COUNT, call.get(4))?;
                return Ok(Some(0));
            }
            // Bytes come by interrupt, which ends what is left of the time.
            call.charge(call.guest.budget_left().max(1));
            return Ok(None);
        };
        call.charge(PACKET_BYTE);
        let (state, count) = (call.get(3), call.get(4));
        let kept = match (state, byte) {
            (receive_state::BETWEEN, END) => {
                call.set(3, receive_state::INSIDE);
                None
            }
            (receive_state::BETWEEN, _) => {
                if is_polling {
                    return Ok(Some(0));
                }
                None
            }
            (receive_state::INSIDE, END) if count == 0 => None,
            (receive_state::INSIDE, END) => {
                if is_polling {
                    call.store(UART_DEVICE + RECEIVE_STATE, receive_state::BETWEEN)?;
                    call.store(UART_DEVICE + RECEIVE_COUNT, 0)?;
                }
                return Ok(Some(count));
            }
            (receive_state::INSIDE, ESCAPE) => {
                call.set(3, receive_state::ESCAPED);
                None
            }
            (receive_state::ESCAPED, ESCAPED_END) => Some(END),
            (receive_state::ESCAPED, ESCAPED_ESCAPE) => Some(ESCAPE),
            _ => Some(byte),
        };
        if let Some(byte) = kept {
            call.set(3, receive_state::INSIDE);
            if count < call.get(1) & 0xffff {
                call.write(call.get(0).wrapping_add(count), &[byte])?;
                call.set(4, count + 1);
            }
        }
        if call.is_spent() {
            return Ok(None);
        }
    }
}

/// `int recv_packet(uint8_t *packet, uint16_t room, uint8_t is_polled)`: its length.
fn recv_packet(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    Ok(receive_framed(call)?.map_or(Outcome::Again, Outcome::Return))
}

/// `STATUS RcvMsg(uint8_t *message, uint16_t room, uint8_t is_polled)`: 0 with a message, 1 without.
fn rcv_msg(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let length = receive_framed(call)?;
    Ok(length.map_or(Outcome::Again, |length| Outcome::Return(u32::from(length == 0))))
}

/// `void uart_tx_switch(uint8_t uart)`: which UART text goes to.
fn uart_tx_switch(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.write(UART_DEVICE + TX_UART_NO, &[call.get(0) as u8])?;
    void(call)
}

/// `void uart_buff_switch(uint8_t uart)`: which UART packets use. The receive buffer is emptied, and
/// filled by the interrupt of this UART only.
fn uart_buff_switch(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let uart = call.get(0) & 0xff;
    let other = base(u32::from(uart == 0));
    call.store(other + INT_CLR, 0xffff)?;
    call.modify(other + INT_ENA, RXFIFO_FULL, 0)?;
    let write = call.load(UART_DEVICE + BUFFER_WRITE)?;
    call.store(UART_DEVICE + BUFFER_READ, write)?;
    call.store(UART_DEVICE + BUFFER_STATE, 0)?;
    call.store(base(uart) + INT_CLR, 0xffff)?;
    call.modify(base(uart) + INT_ENA, RXFIFO_FULL, RXFIFO_FULL)?;
    call.write(UART_DEVICE + BUFF_UART_NO, &[uart as u8])?;
    call.charge(50);
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
