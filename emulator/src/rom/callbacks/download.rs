//! The serial loader: what the chip does in download mode.
//!
//! *Source*: Espressif's documentation of the serial protocol; the responses, checks and side effects
//! of a chip with a real ROM, of revision 3, to right and to wrong requests.
//! *Modelled*: detection of the baud rate by the first host that speaks, on UART0 or UART1; all
//! commands, with the ROM's checks, error codes and response lengths. Everything is done by ROM
//! functions: bytes come by interrupt and leave through the FIFO, flash goes through SPI1.
//! *Not modelled*: the pads that the ROM takes from or gives to the UART that was not used; SDIO.
//!
//! A request is a packet of direction 0, command, body length (2 bytes), checksum (4 bytes), body. The
//! response has direction 1, the command, the length of what follows, a value, and what follows: data,
//! if the command has any, and four status bytes, of which the first says failure and the second why.
//! It is made in one buffer that nobody clears, so parts that a command does not set are those of the
//! command before; most commands leave even the error code when they succeed. An unknown command
//! leaves the command byte of its predecessor in it.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::coroutine::{Coroutine, begin, coroutine};
use crate::rom::functions::uart::receive_state;
use crate::rom::functions::{inflate, interrupt, uart};
use crate::rom::startup::{UART_CONN_CHECK, UART_DEVICE, UART_DWN_LD_PROC};

/// The functions of this module.
pub(super) const TABLE: &[Coroutine] = &[
    coroutine(UART_CONN_CHECK, "UartConnCheck", 2, begin, connect),
    coroutine(UART_DWN_LD_PROC, "UartDwnLdProc", LOCALS, begin, serve),
];

/// Where requests are received, and room for how many bytes.
const MESSAGE: u32 = 0x3ffc_0000;
const ROOM: u32 = 0x2000;
/// Where responses are made.
const RESPONSE: u32 = 0x3ffe_0050;
/// Variables of a compressed transfer, then the window, then the decompressor.
const COMPRESSED: u32 = 0x3ffc_4000;
const WINDOW: u32 = COMPRESSED + 32;
const WINDOW_SIZE: u32 = 0x8000;
const DECOMPRESSOR: u32 = WINDOW + WINDOW_SIZE;
const _: () = assert!(DECOMPRESSOR + inflate::SIZE <= 0x3ffd_0000);

const DELAY_US: u32 = 0x4000_8534;
const SOFTWARE_RESET: u32 = 0x4000_824c;
const MEMCPY: u32 = 0x4000_c2c8;
const DETECTED_XTAL: u32 = 0x4000_8588;
const MD5_INIT: u32 = 0x4005_da7c;
const MD5_UPDATE: u32 = 0x4005_da9c;
const MD5_FINAL: u32 = 0x4005_db1c;
const FLASH_LOCK: u32 = 0x4006_28f0;
const FLASH_ATTACH: u32 = 0x4006_2a6c;
const FLASH_WRITE: u32 = 0x4006_2d50;
const FLASH_READ: u32 = 0x4006_2ed8;
const FLASH_ERASE_AREA: u32 = 0x4006_31ac;
const FLASH_CONFIG_PARAM: u32 = 0x4006_3238;

/// Line of the receive interrupt.
const RECEIVE_LINE: u32 = 1 << 5;
/// Route of UART1's interrupt: to a line that is none, once UART0 is the one that is used.
const UART1_ROUTE: u32 = 0x3ff0_0190;
const NO_LINE: u32 = 16;

const CHECKSUM_SEED: u8 = 0xef;
/// Most bytes in a block, and in the body of a request with a block.
const BLOCK_MAX: u32 = 0x1800;
const BODY_MAX: u32 = BLOCK_MAX + 16;
/// Where the block begins in such a request.
const BLOCK: u32 = 24;

mod command {
    pub(super) const FLASH_BEGIN: u8 = 0x02;
    pub(super) const FLASH_DATA: u8 = 0x03;
    pub(super) const FLASH_END: u8 = 0x04;
    pub(super) const MEM_BEGIN: u8 = 0x05;
    pub(super) const MEM_END: u8 = 0x06;
    pub(super) const MEM_DATA: u8 = 0x07;
    pub(super) const SYNC: u8 = 0x08;
    pub(super) const WRITE_REG: u8 = 0x09;
    pub(super) const READ_REG: u8 = 0x0a;
    pub(super) const SPI_SET_PARAMS: u8 = 0x0b;
    pub(super) const SPI_ATTACH: u8 = 0x0d;
    pub(super) const SPI_READ: u8 = 0x0e;
    pub(super) const CHANGE_BAUDRATE: u8 = 0x0f;
    pub(super) const FLASH_DEFL_BEGIN: u8 = 0x10;
    pub(super) const FLASH_DEFL_DATA: u8 = 0x11;
    pub(super) const FLASH_DEFL_END: u8 = 0x12;
    pub(super) const SPI_FLASH_MD5: u8 = 0x13;
}
use command::*;

mod error {
    pub(super) const INVALID: u32 = 5;
    pub(super) const FAILED: u32 = 6;
    pub(super) const CHECKSUM: u32 = 7;
    pub(super) const FLASH_WRITE: u32 = 8;
    pub(super) const FLASH_READ: u32 = 9;
    pub(super) const READ_LENGTH: u32 = 10;
}

/// How many responses a SYNC gets, and any other request.
fn copies(command: u8) -> u32 {
    if command == SYNC { 8 } else { 1 }
}

// UartConnCheck. Word 1 of the frame: responses left.
mod check {
    pub(super) const BEGIN: u32 = 0;
    pub(super) const SWITCHED: u32 = 1;
    pub(super) const DETECTED: u32 = 2;
    pub(super) const DIVIDED: u32 = 3;
    pub(super) const RECEIVED: u32 = 4;
    pub(super) const SENT: u32 = 5;
}

/// `uint8_t UartConnCheck(uint8_t uart)`: one look whether a host has sent a SYNC there, which is then
/// answered; 2 if so, else 0. The first bytes serve to measure the baud rate.
fn connect(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let uart = call.get(0) & 0xff;
    match call.phase()? {
        check::BEGIN => invoke(call, check::SWITCHED, uart::BUFF_SWITCH, &[uart]),
        check::SWITCHED => match call.load(UART_DEVICE + uart::RECEIVE_STATE)? {
            0 | receive_state::MEASURING => {
                invoke(call, check::DETECTED, uart::BAUDRATE_DETECT, &[uart, 1])
            }
            _ => poll(call),
        },
        check::DETECTED => match call.returned() & 0xffff {
            0 => Ok(call.finish(0)),
            divider => invoke(call, check::DIVIDED, uart::DIV_MODIFY, &[uart, divider]),
        },
        check::DIVIDED => {
            call.store(UART_DEVICE + uart::RECEIVE_STATE, receive_state::BETWEEN)?;
            poll(call)
        }
        check::RECEIVED => {
            let [direction, command]: [u8; 2] = call.bytes(MESSAGE)?;
            if call.returned() != 0 || (direction, command) != (0, SYNC) {
                return Ok(call.finish(0));
            }
            let value: [u8; 4] = call.bytes(MESSAGE + 8)?;
            call.write(RESPONSE, &[1, SYNC, 4, 0])?;
            call.write(RESPONSE + 4, &value)?;
            call.write(RESPONSE + 8, &[0, 0])?;
            call.set_local(1, copies(SYNC))?;
            answer(call)
        }
        _ => answer(call),
    }
}

fn poll(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    invoke(call, check::RECEIVED, uart::RCV_MSG, &[MESSAGE, ROOM, 1])
}

fn answer(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let left = call.local(1)?;
    if left == 0 {
        if call.get(0) & 0xff == 0 {
            call.store(UART1_ROUTE, NO_LINE)?;
        }
        return Ok(call.finish(2));
    }
    call.set_local(1, left - 1)?;
    invoke(call, check::SENT, uart::SEND_MSG, &[RESPONSE, 12])
}

fn invoke(
    call: &mut Call<'_>,
    phase: u32,
    target: u32,
    arguments: &[u32],
) -> Result<Outcome, Stop> {
    call.set_phase(phase)?;
    Ok(call.invoke(target, arguments))
}

// UartDwnLdProc. Words of the frame.
/// Error code of the request.
const ERROR: u32 = 1;
/// Whether it failed.
const IS_FAILED: u32 = 2;
/// Bytes of data in the response.
const DATA: u32 = 3;
/// Responses left, and bytes of each.
const COPIES: u32 = 4;
const LENGTH: u32 = 5;
/// Divider to be set after the response.
const DIVIDER: u32 = 6;
/// Whether the chip is to be reset after the response.
const RESTARTS: u32 = 7;
/// Progress inside of a command.
const AT: u32 = 8;
const LEFT: u32 = 9;
const SUM: u32 = 10;
/// Variables of a plain transfer: eight words.
const TRANSFER: u32 = 11;
/// Digest: context, then what is read.
const CONTEXT: u32 = 19;
const PIECE: u32 = 41;
const PIECE_SIZE: u32 = 128;
const LOCALS: u32 = PIECE + PIECE_SIZE / 4;

// Words of a transfer's variables.
const TOTAL: u32 = 0;
const BLOCKS: u32 = 1;
const BLOCK_SIZE: u32 = 2;
const SEQUENCE: u32 = 3;
const DONE: u32 = 4;
const ADDRESS: u32 = 5;
const STATE: u32 = 6;
const OUTPUT: u32 = 7;
/// [`STATE`]: the loader is left.
const ENDED: u32 = 2;

mod phase {
    pub(super) const BEGIN: u32 = 0;
    pub(super) const NEXT: u32 = 1;
    pub(super) const RECEIVED: u32 = 2;
    pub(super) const RESPOND: u32 = 3;
    pub(super) const SENT: u32 = 4;
    pub(super) const ENDED_PACKET: u32 = 5;
    pub(super) const ENDED_AGAIN: u32 = 6;
    pub(super) const IDLE: u32 = 7;
    pub(super) const MASKED: u32 = 8;
    pub(super) const WRITE_REG: u32 = 9;
    pub(super) const ERASED: u32 = 10;
    pub(super) const CHECK: u32 = 11;
    pub(super) const COPIED: u32 = 12;
    pub(super) const WRITTEN: u32 = 13;
    pub(super) const READ_BACK: u32 = 14;
    pub(super) const COMPARE: u32 = 15;
    pub(super) const INFLATE: u32 = 16;
    pub(super) const FLUSHED: u32 = 17;
    pub(super) const LAST_FLUSHED: u32 = 18;
    pub(super) const LOCKED: u32 = 19;
    pub(super) const READ: u32 = 20;
    pub(super) const XTAL: u32 = 21;
    pub(super) const DIGEST_NEXT: u32 = 22;
    pub(super) const DIGEST_READ: u32 = 23;
    pub(super) const DIGESTED: u32 = 24;
    pub(super) const LEFT: u32 = 25;
}

/// Address of a word of the frame.
fn local_address(call: &Call<'_>, word: u32) -> u32 {
    call.guest.ar(1).wrapping_add(4 * word)
}

/// A word of the body.
fn body(call: &mut Call<'_>, word: u32) -> Result<u32, Stop> {
    Ok(call.load(call.get(0).wrapping_add(8 + 4 * word))?)
}

fn command(call: &mut Call<'_>) -> Result<u8, Stop> {
    Ok(call.byte(call.get(0).wrapping_add(1))?)
}

fn body_length(call: &mut Call<'_>) -> Result<u32, Stop> {
    let [low, high] = call.bytes(call.get(0).wrapping_add(2))?;
    Ok(u32::from(u16::from_le_bytes([low, high])))
}

/// Where the variables of the transfer are that the request belongs to.
fn transfer(call: &mut Call<'_>) -> Result<u32, Stop> {
    Ok(match command(call)? {
        FLASH_DEFL_BEGIN | FLASH_DEFL_DATA | FLASH_DEFL_END => COMPRESSED,
        _ => local_address(call, TRANSFER),
    })
}

fn variable(call: &mut Call<'_>, word: u32) -> Result<u32, Stop> {
    let at = transfer(call)?.wrapping_add(4 * word);
    Ok(call.load(at)?)
}

fn set_variable(call: &mut Call<'_>, word: u32, value: u32) -> Result<(), Stop> {
    let at = transfer(call)?.wrapping_add(4 * word);
    Ok(call.store(at, value)?)
}

fn add_variable(call: &mut Call<'_>, word: u32, value: u32) -> Result<(), Stop> {
    let sum = variable(call, word)?.wrapping_add(value);
    set_variable(call, word, sum)
}

/// A command that also clears the error code has done its work.
fn succeed(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.set_local(ERROR, 0)?;
    accept(call)
}

/// A command that leaves the error code of the command before has done its work.
fn accept(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.set_local(IS_FAILED, 0)?;
    go(call, phase::RESPOND)
}

fn fail(call: &mut Call<'_>, error: u32) -> Result<Outcome, Stop> {
    call.set_local(ERROR, error)?;
    call.set_local(IS_FAILED, 1)?;
    go(call, phase::RESPOND)
}

/// Goes on with that phase, without a call between.
fn go(call: &mut Call<'_>, phase: u32) -> Result<Outcome, Stop> {
    call.charge(10);
    call.set_phase(phase)?;
    Ok(Outcome::Again)
}

/// `int UartDwnLdProc(uint8_t *message, uint32_t room, uint32_t *entry)`: serves requests until one of
/// them ends the loader. What was loaded into RAM begins at `*entry`; 0: boot from flash.
fn serve(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        phase::BEGIN => {
            call.write(RESPONSE, &[1])?;
            call.write(RESPONSE + 2, &[4, 0])?;
            call.set_local(ERROR, 0)?;
            call.set_local(DIVIDER, 0)?;
            call.set_local(TRANSFER + STATE, 0)?;
            call.store(COMPRESSED + 4 * STATE, 0)?;
            invoke(call, phase::NEXT, interrupt::ISR_UNMASK, &[RECEIVE_LINE])
        }
        phase::NEXT => {
            let (message, room) = (call.get(0), call.get(1) & 0xffff);
            invoke(call, phase::RECEIVED, uart::RCV_MSG, &[message, room, 0])
        }
        phase::RECEIVED => handle(call),
        phase::RESPOND => respond(call),
        phase::SENT => sent(call),
        phase::ENDED_PACKET => invoke(call, phase::ENDED_AGAIN, uart::TX_ONE_CHAR2, &[0xc0]),
        phase::ENDED_AGAIN => {
            let uart = uart::packets(call)?;
            invoke(call, phase::IDLE, uart::TX_WAIT_IDLE, &[uart])
        }
        phase::IDLE => change_line(call),
        phase::MASKED => {
            call.set_phase(phase::LEFT)?;
            Ok(call.finish(0))
        }
        phase::WRITE_REG => write_register(call),
        phase::ERASED => match call.returned() {
            0 => accept(call),
            _ => fail(call, error::FAILED),
        },
        phase::CHECK => check_block(call),
        phase::COPIED => finish_block(call),
        phase::WRITTEN => {
            let (to, size) = (variable(call, ADDRESS)?, body(call, 0)?);
            let block = call.get(0).wrapping_add(BLOCK);
            invoke(call, phase::READ_BACK, FLASH_READ, &[to, block, size])
        }
        phase::READ_BACK => {
            start_sum(call)?;
            go(call, phase::COMPARE)
        }
        phase::COMPARE => match sum(call)? {
            None => Ok(Outcome::Again),
            Some(true) => finish_block(call),
            Some(false) => fail(call, error::FLASH_WRITE),
        },
        phase::INFLATE => inflate_block(call),
        phase::FLUSHED => {
            add_variable(call, ADDRESS, WINDOW_SIZE)?;
            set_variable(call, OUTPUT, WINDOW)?;
            inflated(call)
        }
        phase::LAST_FLUSHED => finish_compressed(call),
        phase::LOCKED => {
            // The low byte says: 0 for a reset, anything else to go on without one.
            let restarts = body(call, 0)? & 0xff == 0;
            call.set_local(RESTARTS, restarts.into())?;
            if restarts { succeed(call) } else { accept(call) }
        }
        phase::READ => match call.returned() {
            0 => succeed(call),
            _ => fail(call, error::FLASH_READ),
        },
        phase::XTAL => {
            let clock = call.returned();
            let baud = body(call, 0)?;
            // Where the ROM would die of a division by zero, nothing is changed.
            let divider = (clock << 4).checked_div(baud).unwrap_or(0);
            call.set_local(DIVIDER, divider)?;
            succeed(call)
        }
        phase::DIGEST_NEXT => digest_next(call),
        phase::DIGEST_READ => digest_read(call),
        phase::DIGESTED => {
            let bytes: [u8; 16] = call.bytes(local_address(call, PIECE))?;
            let digits = bytes.map(|byte| [byte >> 4, byte & 15]);
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
            call.write(RESPONSE + 8, digits.map(|pair| pair.map(digit)).as_flattened())?;
            succeed(call)
        }
        _ => {
            call.charge(1);
            Ok(call.finish(0))
        }
    }
}

/// Sorts out a request that has come.
fn handle(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.set_local(DATA, 0)?;
    call.set_local(RESTARTS, 0)?;
    call.charge(40);
    let direction = call.byte(call.get(0))?;
    let command = command(call)?;
    let is_known = (FLASH_BEGIN..=SPI_FLASH_MD5).contains(&command) && command != 0x0c;
    if direction != 0 || !is_known {
        return fail(call, error::INVALID);
    }
    call.write(RESPONSE + 1, &[command])?;
    let length = body_length(call)?;
    match command {
        FLASH_BEGIN | MEM_BEGIN | FLASH_DEFL_BEGIN => begin_transfer(call, length),
        FLASH_DATA | MEM_DATA | FLASH_DEFL_DATA => begin_block(call, length),
        FLASH_END | FLASH_DEFL_END => end_flash(call, command),
        MEM_END if length > 8 => fail(call, error::INVALID),
        MEM_END => {
            let (stays, entry) = (body(call, 0)? & 0xff != 0, body(call, 1)?);
            call.set_local(TRANSFER + STATE, if stays { 0 } else { ENDED })?;
            call.store(call.get(2), entry)?;
            accept(call)
        }
        SYNC => {
            let value = body(call, 0)?;
            call.write(RESPONSE + 4, &value.to_le_bytes())?;
            succeed(call)
        }
        WRITE_REG => {
            call.set_local(LEFT, length / 16)?;
            call.set_local(AT, call.get(0).wrapping_add(8))?;
            delay_write(call)
        }
        READ_REG => {
            let address = body(call, 0)?;
            let value = call.load(address)?;
            call.write(RESPONSE + 4, &value.to_le_bytes())?;
            succeed(call)
        }
        SPI_SET_PARAMS if length != 24 => fail(call, error::INVALID),
        SPI_SET_PARAMS => {
            let mut words = [0; 6];
            for (word, slot) in (0..).zip(&mut words) {
                *slot = body(call, word)?;
            }
            invoke(call, phase::ERASED, FLASH_CONFIG_PARAM, &words)
        }
        SPI_ATTACH => {
            let (config, is_legacy) = (body(call, 0)?, body(call, 1)? & 0xff);
            call.set_local(ERROR, 0)?;
            call.set_local(IS_FAILED, 0)?;
            invoke(call, phase::RESPOND, FLASH_ATTACH, &[config, is_legacy])
        }
        SPI_READ => {
            call.set_local(DATA, 64)?;
            let (from, size) = (body(call, 0)?, body(call, 1)?);
            if size > 64 {
                return fail(call, error::READ_LENGTH);
            }
            invoke(call, phase::READ, FLASH_READ, &[from, RESPONSE + 8, size])
        }
        CHANGE_BAUDRATE if body(call, 1)? & 0xff != 0 => {
            let divider = body(call, 0)?;
            call.set_local(DIVIDER, divider)?;
            succeed(call)
        }
        CHANGE_BAUDRATE => invoke(call, phase::XTAL, DETECTED_XTAL, &[]),
        _ => begin_digest(call, length),
    }
}

fn respond(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (data, error) = (call.local(DATA)?, call.local(ERROR)? as u8);
    let is_failed = call.local(IS_FAILED)? as u8;
    call.write((RESPONSE + 8).wrapping_add(data), &[is_failed, error])?;
    call.write(RESPONSE + 2, &[(data as u8).wrapping_add(4), 0])?;
    let command = call.byte(RESPONSE + 1)?;
    call.set_local(COPIES, copies(command))?;
    call.set_local(LENGTH, data.wrapping_add(12))?;
    call.charge(30);
    go(call, phase::SENT)
}

fn sent(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let left = call.local(COPIES)?;
    if left > 0 {
        call.set_local(COPIES, left - 1)?;
        let length = call.local(LENGTH)?;
        return invoke(call, phase::SENT, uart::SEND_MSG, &[RESPONSE, length]);
    }
    if call.local(RESTARTS)? != 0 || call.local(DIVIDER)? != 0 {
        return invoke(call, phase::ENDED_PACKET, uart::TX_ONE_CHAR2, &[0xc0]);
    }
    leave_or_go_on(call)
}

/// After the last byte has gone: another speed, or a reset.
fn change_line(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.local(RESTARTS)? != 0 {
        return invoke(call, phase::LEFT, SOFTWARE_RESET, &[]);
    }
    let (uart, divider) = (uart::packets(call)?, call.local(DIVIDER)?);
    call.set_local(DIVIDER, 0)?;
    invoke(call, phase::NEXT, uart::DIV_MODIFY, &[uart, divider])
}

/// Only the variables of a plain transfer can end the loader.
fn leave_or_go_on(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.local(TRANSFER + STATE)? {
        ENDED => invoke(call, phase::MASKED, interrupt::ISR_MASK, &[RECEIVE_LINE]),
        _ => go(call, phase::NEXT),
    }
}

/// WRITE_REG: address, value, mask and a delay in microseconds before, any number of times.
fn delay_write(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.local(LEFT)? == 0 {
        return succeed(call);
    }
    let at = call.local(AT)?;
    let delay = call.load(at.wrapping_add(12))?;
    invoke(call, phase::WRITE_REG, DELAY_US, &[delay])
}

fn write_register(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (at, left) = (call.local(AT)?, call.local(LEFT)?);
    let [address, value, mask] = [0, 4, 8].map(|offset| call.load(at.wrapping_add(offset)));
    call.modify(address?, mask?, value?)?;
    call.set_local(AT, at.wrapping_add(16))?;
    call.set_local(LEFT, left.wrapping_sub(1))?;
    delay_write(call)
}

/// *_BEGIN: bytes in all, blocks, bytes of a block, address.
fn begin_transfer(call: &mut Call<'_>, length: u32) -> Result<Outcome, Stop> {
    let block_size = body(call, 2)?;
    if length != 16 || block_size > BLOCK_MAX {
        return fail(call, error::INVALID);
    }
    let (total, blocks, address) = (body(call, 0)?, body(call, 1)?, body(call, 3)?);
    for (word, value) in [
        (TOTAL, total),
        (BLOCKS, blocks),
        (BLOCK_SIZE, block_size),
        (SEQUENCE, 0),
        (DONE, 0),
        (ADDRESS, address),
    ] {
        set_variable(call, word, value)?;
    }
    match command(call)? {
        MEM_BEGIN => return accept(call),
        FLASH_DEFL_BEGIN => {
            call.store(DECOMPRESSOR, 0)?;
            call.store(COMPRESSED + 4 * OUTPUT, WINDOW)?;
        }
        _ => {}
    }
    invoke(call, phase::ERASED, FLASH_ERASE_AREA, &[address, total])
}

/// *_DATA: bytes of this block, its number, two words that are not used, the block.
fn begin_block(call: &mut Call<'_>, length: u32) -> Result<Outcome, Stop> {
    let (size, number) = (body(call, 0)?, body(call, 1)?);
    let is_right = length <= BODY_MAX
        && number == variable(call, SEQUENCE)?
        && size <= variable(call, BLOCK_SIZE)?;
    let is_plain_flash = command(call)? == FLASH_DATA;
    if !is_right || is_plain_flash && !size.is_multiple_of(4) {
        return fail(call, error::INVALID);
    }
    set_variable(call, SEQUENCE, number.wrapping_add(1))?;
    start_sum(call)?;
    go(call, phase::CHECK)
}

fn start_sum(call: &mut Call<'_>) -> Result<(), Stop> {
    let size = body(call, 0)?;
    call.set_local(AT, call.get(0).wrapping_add(BLOCK))?;
    call.set_local(LEFT, size)?;
    call.set_local(SUM, CHECKSUM_SEED.into())
}

/// Whether the block's checksum is the one of the request, when it has been summed up.
fn sum(call: &mut Call<'_>) -> Result<Option<bool>, Stop> {
    loop {
        let (at, left) = (call.local(AT)?, call.local(LEFT)?);
        if left == 0 {
            let expected = call.byte(call.get(0).wrapping_add(4))?;
            return Ok(Some(call.local(SUM)? == u32::from(expected)));
        }
        let mut piece = [0; 64];
        let n = left.min(64);
        call.read(at, &mut piece[..n as usize])?;
        let sum = call.local(SUM)? as u8;
        let sum = piece[..n as usize].iter().fold(sum, |sum, byte| sum ^ byte);
        call.set_local(SUM, sum.into())?;
        call.set_local(AT, at.wrapping_add(n))?;
        call.set_local(LEFT, left - n)?;
        call.charge(7 * u64::from(n));
        if call.is_spent() {
            return Ok(None);
        }
    }
}

fn check_block(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let is_right = match sum(call)? {
        None => return Ok(Outcome::Again),
        Some(is_right) => is_right,
    };
    if !is_right {
        return fail(call, error::CHECKSUM);
    }
    let (to, size) = (variable(call, ADDRESS)?, body(call, 0)?);
    let block = call.get(0).wrapping_add(BLOCK);
    match command(call)? {
        MEM_DATA => invoke(call, phase::COPIED, MEMCPY, &[to, block, size]),
        FLASH_DATA => invoke(call, phase::WRITTEN, FLASH_WRITE, &[to, block, size]),
        _ => {
            call.set_local(AT, block)?;
            call.set_local(LEFT, size)?;
            inflate_more(call)
        }
    }
}

fn finish_block(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let size = body(call, 0)?;
    add_variable(call, DONE, size)?;
    add_variable(call, ADDRESS, size)?;
    accept(call)
}

/// Whether this is the last block of its transfer.
fn is_last(call: &mut Call<'_>) -> Result<bool, Stop> {
    Ok(variable(call, SEQUENCE)? == variable(call, BLOCKS)?)
}

/// What of the block the decompressor has not seen yet, into what is left of the window.
fn inflate_more(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    inflate::start(call, DECOMPRESSOR)?;
    go(call, phase::INFLATE)
}

fn inflate_block(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let more = if is_last(call)? { 0 } else { inflate::MORE_INPUT };
    let output = variable(call, OUTPUT)?;
    let job = inflate::Job {
        decompressor: DECOMPRESSOR,
        input: call.local(AT)?,
        input_size: call.local(LEFT)?,
        start: WINDOW,
        output,
        output_size: (WINDOW + WINDOW_SIZE).wrapping_sub(output),
        flags: inflate::ZLIB | more,
    };
    let Some(ended) = inflate::go_on(call, job)? else { return Ok(Outcome::Again) };
    if ended.status < 0 {
        return fail(call, error::READ_LENGTH.wrapping_add_signed(-ended.status));
    }
    call.set_local(AT, job.input.wrapping_add(ended.consumed))?;
    call.set_local(LEFT, job.input_size.wrapping_sub(ended.consumed))?;
    set_variable(call, OUTPUT, output.wrapping_add(ended.produced))?;
    if ended.produced == job.output_size {
        return flush(call, phase::FLUSHED);
    }
    inflated(call)
}

/// The window goes to flash as a whole, also what is old in it.
fn flush(call: &mut Call<'_>, phase: u32) -> Result<Outcome, Stop> {
    let to = variable(call, ADDRESS)?;
    invoke(call, phase, FLASH_WRITE, &[to, WINDOW, WINDOW_SIZE])
}

fn inflated(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.local(LEFT)? > 0 {
        return inflate_more(call);
    }
    match is_last(call)? {
        true => flush(call, phase::LAST_FLUSHED),
        false => finish_compressed(call),
    }
}

fn finish_compressed(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let size = body(call, 0)?;
    add_variable(call, DONE, size)?;
    accept(call)
}

/// FLASH_END and FLASH_DEFL_END: locks the chip if all blocks have come, and ends the loader either way.
///
/// Plain blocks must be exactly the bytes that were announced. A chip of revision 3 refuses others like
/// this: so it does with espflash 4.7 without its stub, which announces whole sectors and then sends
/// blocks of 1 KiB up to the end of the image.
fn end_flash(call: &mut Call<'_>, command: u8) -> Result<Outcome, Stop> {
    set_variable(call, STATE, ENDED)?;
    call.store(call.get(2), 0)?;
    let is_whole = command != FLASH_END || variable(call, TOTAL)? == variable(call, DONE)?;
    if !is_whole || !is_last(call)? {
        return fail(call, error::FAILED);
    }
    invoke(call, phase::LOCKED, FLASH_LOCK, &[])
}

/// SPI_FLASH_MD5: address, bytes.
fn begin_digest(call: &mut Call<'_>, length: u32) -> Result<Outcome, Stop> {
    call.set_local(DATA, 32)?;
    if length > BODY_MAX {
        return fail(call, error::INVALID);
    }
    let (at, left) = (body(call, 0)?, body(call, 1)?);
    call.set_local(AT, at)?;
    call.set_local(LEFT, left)?;
    let context = local_address(call, CONTEXT);
    invoke(call, phase::DIGEST_NEXT, MD5_INIT, &[context])
}

fn digest_next(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (at, left) = (call.local(AT)?, call.local(LEFT)?);
    let (context, piece) = (local_address(call, CONTEXT), local_address(call, PIECE));
    if left as i32 <= 0 {
        return invoke(call, phase::DIGESTED, MD5_FINAL, &[piece, context]);
    }
    let size = left.min(PIECE_SIZE).next_multiple_of(4);
    invoke(call, phase::DIGEST_READ, FLASH_READ, &[at, piece, size])
}

fn digest_read(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.returned() != 0 {
        return fail(call, error::FLASH_READ);
    }
    let (at, left) = (call.local(AT)?, call.local(LEFT)?);
    let size = left.min(PIECE_SIZE);
    call.set_local(AT, at.wrapping_add(size))?;
    call.set_local(LEFT, left - size)?;
    let (context, piece) = (local_address(call, CONTEXT), local_address(call, PIECE));
    invoke(call, phase::DIGEST_NEXT, MD5_UPDATE, &[context, piece, size])
}
