//! The ROM's own formatted output.
//!
//! *Source*: `rom/ets_sys.h` of ESP-IDF for signatures and the two output channels.
//! *Modelled*: `%c %d %i %u %x %X %p %s %%` with `-`, `0`, width, precision and the length letters
//! `l`, `h` and `z`, `ll` for 64 bits; both channels, whatever functions they are.
//! *Not modelled*: floating point and `%n`.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::coroutine::{Coroutine, coroutine};
use crate::rom::functions::uart;
use crate::rom::startup::{PUTC1, PUTC2, WRITE_CHAR_UART};
use crate::rom::table::{Entry, entry};

/// The functions of this module.
pub(super) const TABLE: &[Coroutine] = &[coroutine(0x4000_7d54, "ets_printf", 12, begin, step)];

/// What installs the channels.
pub(in crate::rom) const CHANNELS: &[Entry] = &[
    entry(0x4000_7d18, "ets_install_putc1", &[ets_install_putc1]),
    entry(0x4000_7d28, "ets_install_uart_printf", &[ets_install_uart_printf]),
    entry(0x4000_7d38, "ets_install_putc2", &[ets_install_putc2]),
];

/// `void ets_install_putc1(void (*put)(char))`
fn ets_install_putc1(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    call.store(PUTC1, call.get(0))?;
    Ok(Outcome::Void)
}

/// `void ets_install_putc2(void (*put)(char))`
fn ets_install_putc2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    call.store(PUTC2, call.get(0))?;
    Ok(Outcome::Void)
}

/// `void ets_install_uart_printf(void)`
fn ets_install_uart_printf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    call.store(PUTC1, WRITE_CHAR_UART)?;
    Ok(Outcome::Void)
}

// Words of the frame.
/// Which channel gets the current character next: 0 the first, 1 the second; 2 when a CR LF is half
/// done on the fast path.
const CHANNEL: u32 = 0;
/// Where in the format text the current item starts.
const FORMAT: u32 = 1;
/// How many characters of the current item are out.
const PART: u32 = 2;
/// Index of the current item's first argument; the format itself is number 0.
const ARGUMENT: u32 = 3;
/// Characters written.
const COUNT: u32 = 4;
/// Copies of the argument registers.
const REGISTERS: u32 = 5;

const FIRST: u32 = 0;
const SECOND: u32 = 1;
const LINE_FEED: u32 = 2;

fn begin(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    for slot in 0..6 {
        let value = call.get(slot);
        call.set_local(REGISTERS + slot as u32, value)?;
    }
    let format = call.get(0);
    call.set_local(FORMAT, format)?;
    call.set_local(PART, 0)?;
    call.set_local(ARGUMENT, 1)?;
    call.set_local(COUNT, 0)?;
    call.set_local(CHANNEL, FIRST)?;
    call.charge(30);
    Ok(Outcome::Next)
}

/// Argument `index`: six came in registers, the rest lie above our frame.
fn argument(call: &mut Call<'_>, index: u32) -> Result<u32, Stop> {
    match index {
        0..6 => call.local(REGISTERS + index),
        _ => call.local(TABLE[0].frame() / 4 + index - 6),
    }
}

/// One item of the format: a literal character or a conversion.
struct Item {
    /// Bytes of the format text it takes.
    length: u32,
    /// Arguments it takes, from `ARGUMENT` on, with what alignment skips.
    arguments: u32,
    /// Character number `PART` of what it prints; `None` behind the last.
    character: Option<u8>,
}

/// How a number or text is laid out.
#[derive(Default)]
struct Layout {
    left: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

impl Layout {
    /// Character `part` of `sign` and `text` in this layout.
    fn character(&self, sign: &[u8], text: &[u8], part: usize) -> Option<u8> {
        let digits = match self.precision {
            Some(precision) => precision.max(text.len()),
            None if self.zeros && !self.left => {
                text.len().max(self.width.saturating_sub(sign.len()))
            }
            None => text.len(),
        };
        let length = sign.len() + digits;
        let fill = self.width.saturating_sub(length);
        let start = if self.left { 0 } else { fill };
        if part >= length.max(self.width) {
            return None;
        }
        let Some(at) = part.checked_sub(start).filter(|&at| at < length) else {
            return Some(b' ');
        };
        if let Some(&byte) = sign.get(at) {
            return Some(byte);
        }
        let at = at - sign.len();
        Some(at.checked_sub(digits - text.len()).map_or(b'0', |i| text[i]))
    }
}

/// Reads the item at `format`; `None` at the end of the text.
fn item(call: &mut Call<'_>, format: u32, index: u32, part: u32) -> Result<Option<Item>, Stop> {
    let mut at = format;
    let mut next = |call: &mut Call<'_>| -> Result<u8, Stop> {
        let byte = call.byte(at)?;
        at = at.wrapping_add(1);
        Ok(byte)
    };
    let first = next(call)?;
    if first == 0 {
        return Ok(None);
    }
    let part = part as usize;
    if first != b'%' {
        let character = (part == 0).then_some(first);
        return Ok(Some(Item { length: 1, arguments: 0, character }));
    }
    let mut layout = Layout::default();
    let mut used = 0;
    let mut byte = next(call)?;
    loop {
        match byte {
            b'-' => layout.left = true,
            b'0' => layout.zeros = true,
            b'+' | b' ' | b'#' => {}
            _ => break,
        }
        byte = next(call)?;
    }
    while byte.is_ascii_digit() {
        layout.width = (layout.width * 10 + usize::from(byte - b'0')).min(1024);
        byte = next(call)?;
    }
    if byte == b'*' {
        layout.width = (argument(call, index)? as usize).min(1024);
        used += 1;
        byte = next(call)?;
    }
    if byte == b'.' {
        let mut precision = 0;
        byte = next(call)?;
        while byte.is_ascii_digit() {
            precision = (precision * 10 + usize::from(byte - b'0')).min(1024);
            byte = next(call)?;
        }
        if byte == b'*' {
            precision = (argument(call, index + used)? as usize).min(1024);
            used += 1;
            byte = next(call)?;
        }
        layout.precision = Some(precision);
    }
    let mut longs = 0;
    while matches!(byte, b'l' | b'h' | b'z') {
        longs += u32::from(byte == b'l');
        byte = next(call)?;
    }
    let length = at.wrapping_sub(format);
    let done = |used, character| Ok(Some(Item { length, arguments: used, character }));
    let value = match byte {
        b'd' | b'i' | b'u' | b'x' | b'X' | b'p' | b'o' if longs >= 2 => {
            // A 64-bit argument takes an even pair, counted from the first register.
            used += (index + used) % 2;
            let low = argument(call, index + used)?;
            let high = argument(call, index + used + 1)?;
            used += 2;
            u64::from(low) | u64::from(high) << 32
        }
        b'd' | b'i' => {
            used += 1;
            argument(call, index + used - 1)? as i32 as i64 as u64
        }
        b'u' | b'x' | b'X' | b'p' | b'o' | b'c' | b's' => {
            used += 1;
            argument(call, index + used - 1)?.into()
        }
        // The end of the text in the middle of a conversion.
        0 => return Ok(None),
        other => return done(used, (part == 0).then_some(other)),
    };
    let is_signed = matches!(byte, b'd' | b'i');
    let sign: &[u8] = match byte {
        b'p' => b"0x",
        _ if is_signed && (value as i64) < 0 => b"-",
        _ => b"",
    };
    let magnitude = if is_signed { (value as i64).unsigned_abs() } else { value };
    let text = match byte {
        b'c' => {
            layout.precision = None;
            vec![value as u8]
        }
        b's' => {
            let limit = layout.precision.take().unwrap_or(4096);
            match value as u32 {
                0 => b"(null)".to_vec(),
                address => call.string(address, limit)?,
            }
        }
        b'x' | b'p' => format!("{magnitude:x}").into_bytes(),
        b'X' => format!("{magnitude:X}").into_bytes(),
        b'o' => format!("{magnitude:o}").into_bytes(),
        _ => magnitude.to_string().into_bytes(),
    };
    let is_number = !matches!(byte, b'c' | b's');
    if !is_number {
        layout.zeros = false;
    }
    done(used, layout.character(sign, &text, part))
}

/// `int ets_printf(const char *format, ...)`: one character per step, first to channel 1, then to
/// channel 2.
fn step(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    loop {
        let (format, part) = (call.local(FORMAT)?, call.local(PART)?);
        let index = call.local(ARGUMENT)?;
        let Some(item) = item(call, format, index, part)? else {
            let count = call.local(COUNT)?;
            return Ok(call.finish(count));
        };
        let Some(byte) = item.character else {
            call.set_local(PART, 0)?;
            call.set_local(ARGUMENT, index + item.arguments)?;
            call.set_local(FORMAT, format.wrapping_add(item.length))?;
            continue;
        };
        let channel = call.phase()?;
        if channel == SECOND {
            let target = call.load(PUTC2)?;
            advance(call, part)?;
            if target != 0 {
                return Ok(call.invoke(target, &[byte.into()]));
            }
            continue;
        }
        match call.load(PUTC1)? {
            0 => call.set_phase(SECOND)?,
            WRITE_CHAR_UART => {
                // The usual channel, without the detour through guest code.
                if !write_uart(call, byte, channel)? {
                    return Ok(Outcome::Again);
                }
                call.set_phase(SECOND)?;
            }
            target => {
                call.set_phase(SECOND)?;
                return Ok(call.invoke(target, &[byte.into()]));
            }
        }
        call.charge(12);
    }
}

/// The character is out on both channels.
fn advance(call: &mut Call<'_>, part: u32) -> Result<(), Stop> {
    let count = call.local(COUNT)?;
    call.set_local(COUNT, count + 1)?;
    call.set_local(PART, part + 1)?;
    call.set_phase(FIRST)
}

/// Writes as `ets_write_char_uart` does; false when the FIFO stays full for the whole budget.
fn write_uart(call: &mut Call<'_>, byte: u8, channel: u32) -> Result<bool, Stop> {
    let console = uart::console(call)?;
    match byte {
        b'\r' => Ok(true),
        b'\n' => {
            if channel == FIRST {
                if !uart::send(call, console, b'\r')? {
                    return Ok(false);
                }
                call.set_phase(LINE_FEED)?;
            }
            uart::send(call, console, b'\n')
        }
        _ => uart::send(call, console, byte),
    }
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{Access, DRAM, FakeGuest};
    use crate::rom::startup::{PUTC1, PUTC2, WRITE_CHAR_UART};
    use std::cell::RefCell;
    use std::rc::Rc;

    fn printed(guest: &mut FakeGuest, format: &str, arguments: &[u32]) -> String {
        let at = guest.put_string(DRAM, format);
        guest.put(PUTC1, &0x4009_0000u32.to_le_bytes());
        let all = [&[at], arguments].concat();
        let mut text = String::new();
        let count = guest.call_coroutine("ets_printf", &all, |_, target, arguments| {
            assert_eq!(target, 0x4009_0000);
            text.push(char::from(arguments[0] as u8));
            0
        });
        assert_eq!(count as usize, text.len());
        text
    }

    #[test]
    fn conversions_print_as_in_c() {
        let mut guest = FakeGuest::new(64);
        let s = guest.put_string(DRAM + 0x200, "text");
        let minus = -5i32 as u32;
        for (format, arguments, expected) in [
            ("plain", &[][..], "plain"),
            ("%d|%5d|%-5d|%05d", &[minus, minus, minus, minus], "-5|   -5|-5   |-0005"),
            ("%u %x %X %08x", &[u32::MAX, 0xab, 0xab, 0xab], "4294967295 ab AB 000000ab"),
            ("%s|%6s|%-6s|%.2s", &[s, s, s, s], "text|  text|text  |te"),
            ("%c%%%p", &[65, 0x10], "A%0x10"),
            ("%lu %ld", &[7, minus], "7 -5"),
            ("%d %d %d %d %d %d %d", &[1, 2, 3, 4, 5, 6, 7], "1 2 3 4 5 6 7"),
            ("%s", &[0], "(null)"),
            ("%llu", &[0, 0, 1], "4294967296"),
            ("end%", &[], "end"),
        ] {
            assert_eq!(printed(&mut guest, format, arguments), expected, "{format}");
        }
    }

    #[test]
    fn the_uart_is_written_without_a_call_and_the_second_channel_too() {
        let sent = Rc::new(RefCell::new(Vec::new()));
        let out = Rc::clone(&sent);
        let mut guest = FakeGuest::new(30);
        let (mut room, mut looks) = (4u32, 0u32);
        guest.on_register(move |registers, access| match access {
            Access::Write(0x3ff4_0000, byte) => {
                out.borrow_mut().push(byte as u8);
                room -= 1;
                registers.insert(0x3ff4_001c, if room == 0 { 0x80_0000 } else { 0 });
            }
            Access::Read(0x3ff4_001c) => {
                looks += 1;
                if looks.is_multiple_of(40) {
                    room = 4;
                    registers.insert(0x3ff4_001c, 0);
                }
            }
            _ => {}
        });
        let at = guest.put_string(DRAM, "one\n%s\n");
        let s = guest.put_string(DRAM + 0x100, "two");
        guest.put(PUTC1, &WRITE_CHAR_UART.to_le_bytes());
        guest.put(PUTC2, &0x4009_0000u32.to_le_bytes());
        let mut second = String::new();
        guest.call_coroutine("ets_printf", &[at, s], |_, _, arguments| {
            second.push(char::from(arguments[0] as u8));
            0
        });
        assert_eq!(*sent.borrow(), b"one\r\ntwo\r\n");
        assert_eq!(second, "one\ntwo\n");
    }
}
