//! RAM that belongs to the ROM, and what it holds when firmware gets control.
//!
//! *Source*: `rom/*.h` of ESP-IDF for the structures; `esp32.rom*.ld` for addresses; content and CPU
//! state measured at the bootloader's entry on a chip model with a real ROM.
//! *Modelled*: everything there that firmware reads, directly or through ROM functions.
//! *Not modelled*: variables private to ROM code that is not provided.

use super::functions::PHY_TABLE_ORDER;
use super::guest::CoreId;

/// Function pointers of the second and the first output channel of `ets_printf`; 0 = off.
pub const PUTC2: u32 = 0x3ffa_e010;
/// See [`PUTC2`].
pub const PUTC1: u32 = 0x3ffa_e014;
/// The UART writer, which the first channel is connected to.
pub const WRITE_CHAR_UART: u32 = 0x4000_7cf8;
/// Pointer to the C library's table of system calls, for APP_CPU; that of PRO_CPU follows.
pub const SYSCALL_TABLE_APP: u32 = 0x3ffa_e020;
/// See [`SYSCALL_TABLE_APP`].
pub const SYSCALL_TABLE_PRO: u32 = 0x3ffa_e024;
/// `_global_impure_ptr`.
pub const GLOBAL_IMPURE_PTR: u32 = 0x3ffa_e0b0;
/// Pointer to the PHY function table, and the table behind it.
pub const PHY_TABLE_POINTER: u32 = 0x3ffa_e0c0;
/// See [`PHY_TABLE_POINTER`].
pub const PHY_TABLE: u32 = 0x3ffa_e0c4;
/// `g_rom_flashchip`: identification, then sizes of chip, block, sector, page, and status mask.
pub const FLASH_CHIP: u32 = 0x3ffa_e270;
/// `g_rom_spiflash_dummy_len_plus`: a byte for SPI0 and one for SPI1.
pub const FLASH_DUMMY_PLUS: u32 = 0x3ffa_e290;
/// `UartDev`.
pub const UART_DEVICE: u32 = 0x3ffe_019c;
/// Where the ROM notes the entry of what it has loaded.
pub const USER_CODE_START: u32 = 0x3ffe_0400;
/// ROM string "GMT".
pub const GMT: u32 = 0x3ff9_c4a9;

/// The SIMCALL of the boot, in our own ROM.
pub const NATIVE_BOOT: u32 = 0x4000_05c0;
/// Where a program comes back that the boot has started, in our own ROM.
pub const USER_CODE_DONE: u32 = 0x4000_05d0;

/// The serial loader's loop over all UARTs, and its beginning where the strapping has chosen UART0, in
/// our own ROM. Both return when something has been loaded.
pub const DOWNLOAD: u32 = 0x4000_76d0;
/// See [`DOWNLOAD`].
pub const DOWNLOAD_UART0: u32 = 0x4000_7700;
/// What these call: the look for a host, and the loader.
pub const UART_CONN_CHECK: u32 = 0x4000_8738;
/// See [`UART_CONN_CHECK`].
pub const UART_DWN_LD_PROC: u32 = 0x4000_8ce8;

/// How far the APP_CPU's copy of the ROM's variables is from that of the PRO_CPU.
const APP_OFFSET: u32 = 0x3f10;
/// What an interrupt without a handler is dispatched to.
const UNHANDLED_INTERRUPT: u32 = 0x4000_c01c;
const HANDLERS: u32 = 0x3ffe_0658;
const MASK: u32 = 0x3ffe_0650;

/// Stack pointer of the ROM's `main` on PRO_CPU, at the bootloader's entry.
pub const PRO_STACK: u32 = 0x3ffe_3eb0;
/// Stack pointer of APP_CPU when it leaves the ROM.
pub const APP_STACK: u32 = 0x3ffe_7e00;

/// Address of the table entry {handler, argument} of an interrupt line; the table runs downwards.
pub fn handler_slot(core: CoreId, line: u32) -> Option<u32> {
    let base = HANDLERS + APP_OFFSET * core.index() as u32;
    (line < 32).then(|| base + 8 * (31 - line))
}

/// Address of the dispatcher's copy of INTENABLE; its mask of priorities follows.
pub fn interrupt_mask(core: CoreId) -> u32 {
    MASK + APP_OFFSET * core.index() as u32
}

/// Address of `g_ticks_per_us`.
pub fn ticks_per_us(core: CoreId) -> u32 {
    0x3ffe_01e0 + APP_OFFSET * core.index() as u32
}

/// `UartDev` after start: 115200 baud 8N1, buffers and text on UART0.
pub const UART_DEVICE_FIELDS: &[(u32, u32)] = &[
    (UART_DEVICE, 115_200),
    (UART_DEVICE + 0x04, 3), // data bits: 8
    (UART_DEVICE + 0x08, 0), // no parity
    (UART_DEVICE + 0x0c, 0),
    (UART_DEVICE + 0x10, 1), // stop bits: 1
    (UART_DEVICE + 0x14, 0), // no flow control
    (UART_DEVICE + 0x18, 0), // both UART numbers
    (UART_DEVICE + 0x1c, 0x3ffe_009c),
    (UART_DEVICE + 0x20, 0x3ffe_009c),
    (UART_DEVICE + 0x24, 0x3ffe_009c),
    (UART_DEVICE + 0x28, 1), // receive trigger
    (UART_DEVICE + 0x2c, 0),
    (UART_DEVICE + 0x30, 0),
    (UART_DEVICE + 0x34, 0),
];

/// A piece of memory to write before firmware runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Zeros from the first address up to the second.
    Zero(u32, u32),
    /// A word.
    Word(u32, u32),
}

/// All of it, in order. `crystal_mhz` is 40 or 26.
pub fn preload(crystal_mhz: u32) -> Vec<Write> {
    let mut writes = vec![
        Write::Zero(0x3ffa_e010, 0x3ffa_e6e0),
        Write::Zero(0x3ffb_8000, 0x3ffb_ff70),
        Write::Zero(0x3ffe_0000, 0x3ffe_1320),
        Write::Zero(0x3ffe_3f20, 0x3ffe_4350),
        // Where the frame that starts firmware believes its caller's stack to be: when that frame is
        // spilled, its a4 to a7 go below.
        Write::Word(PRO_STACK - 12, PRO_STACK + 0x50),
        Write::Word(PUTC1, WRITE_CHAR_UART),
        Write::Word(0x3ffa_e030, GMT),
        Write::Word(0x3ffa_e034, GMT),
        Write::Word(0x3ffa_e038, 1),
        Write::Word(0x3ffa_e040, 0x4a),
        Write::Word(0x3ffa_e05c, 0x4a),
        Write::Word(PHY_TABLE_POINTER, PHY_TABLE),
        Write::Word(FLASH_CHIP, 0x0015_40ef),
        Write::Word(FLASH_CHIP + 4, 0x0020_0000),
        Write::Word(FLASH_CHIP + 8, 0x0001_0000),
        Write::Word(FLASH_CHIP + 12, 0x0000_1000),
        Write::Word(FLASH_CHIP + 16, 0x0000_0100),
        Write::Word(FLASH_CHIP + 20, 0x0000_ffff),
    ];
    let fields = UART_DEVICE_FIELDS.iter();
    writes.extend(fields.map(|&(address, value)| Write::Word(address, value)));
    let slots = PHY_TABLE_ORDER.iter().zip((PHY_TABLE..).step_by(4));
    writes.extend(slots.map(|(&function, slot)| Write::Word(slot, function)));
    for core in [CoreId::Pro, CoreId::App] {
        // The ROM lets the CPU run at half the crystal frequency.
        writes.push(Write::Word(ticks_per_us(core), crystal_mhz / 2));
        writes.push(Write::Word(interrupt_mask(core) + 4, u32::MAX));
        for line in 0..32 {
            let slot = handler_slot(core, line).into_iter();
            writes.extend(slot.flat_map(|slot| {
                [Write::Word(slot, UNHANDLED_INTERRUPT), Write::Word(slot + 4, line)]
            }));
        }
    }
    writes
}

/// What a core's registers hold when it jumps into firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handover {
    /// Where execution goes on.
    pub pc: u32,
    /// PS: window overflow enabled, user mode, no interrupt masked, CALLINC of a CALL8.
    pub ps: u32,
    /// WINDOWBASE.
    pub window_base: u32,
    /// WINDOWSTART.
    pub window_start: u16,
    /// a0: the return address of the ROM's `main`, which has no caller.
    pub a0: u32,
    /// a1, the stack pointer.
    pub a1: u32,
    /// a8: the return address of the call into firmware.
    pub a8: u32,
}

/// PRO_CPU at the entry of the bootloader, or of whatever else was loaded; it returns to
/// `return_to`.
pub fn handover(entry: u32, return_to: u32) -> Handover {
    Handover {
        pc: entry,
        ps: 0x0006_0020,
        window_base: 1,
        window_start: 1 << 1,
        a0: 0,
        a1: PRO_STACK,
        a8: return_to & 0x3fff_ffff | 2 << 30,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preload_stays_inside_the_roms_own_ram() {
        let owned = [0x3ffa_e000..0x3ffb_0000, 0x3ffb_8000..0x3ffb_ff70, 0x3ffe_0000..0x3ffe_8000];
        for write in preload(40) {
            let (first, last) = match write {
                Write::Zero(from, to) => (from, to - 1),
                Write::Word(address, _) => (address, address + 3),
            };
            assert!(owned.iter().any(|r| r.contains(&first) && r.contains(&last)), "{write:x?}");
        }
    }

    #[test]
    fn no_word_is_given_twice() {
        let mut words: Vec<u32> = preload(26)
            .into_iter()
            .filter_map(|write| match write {
                Write::Word(address, _) => Some(address),
                Write::Zero(..) => None,
            })
            .collect();
        words.sort_unstable();
        assert!(words.is_sorted_by(|a, b| a + 4 <= *b));
    }
}
