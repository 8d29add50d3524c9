//! GPIO, the GPIO matrix, and the pads.
//!
//! *Source*: `rom/gpio.h` of ESP-IDF for signatures; TRM chapter "IO_MUX and GPIO Matrix" for
//! registers; `io_mux_reg.h` and `gpio_periph.c` for which register belongs to which pad.
//! *Modelled*: matrix connections, output set and clear, input, pending interrupts, wake-up, pad
//! function, pulls, drive strength, hold of the digital pads, flash pins.
//! *Not modelled*: hold of pads that belong to the RTC domain, `gpio_init` and the register-number
//! interface (`gpio_register_get`, `_set`).

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::guest::CoreId;
use crate::rom::table::{Entry, entry};

const GPIO: u32 = 0x3ff4_4000;
const OUT_W1TS: u32 = GPIO + 0x08;
const OUT_W1TC: u32 = GPIO + 0x0c;
const OUT1_W1TS: u32 = GPIO + 0x14;
const OUT1_W1TC: u32 = GPIO + 0x18;
const ENABLE_W1TS: u32 = GPIO + 0x24;
const ENABLE_W1TC: u32 = GPIO + 0x28;
const ENABLE1_W1TS: u32 = GPIO + 0x30;
const ENABLE1_W1TC: u32 = GPIO + 0x34;
const IN: u32 = GPIO + 0x3c;
const IN1: u32 = GPIO + 0x40;
const STATUS_W1TC: u32 = GPIO + 0x4c;
const STATUS1_W1TC: u32 = GPIO + 0x58;
const ACPU_INT: u32 = GPIO + 0x60;
const PCPU_INT: u32 = GPIO + 0x68;
const ACPU_INT1: u32 = GPIO + 0x74;
const PCPU_INT1: u32 = GPIO + 0x7c;
const PIN: u32 = GPIO + 0x88;
const FUNC_IN_SEL: u32 = GPIO + 0x130;
const FUNC_OUT_SEL: u32 = GPIO + 0x530;

const IO_MUX: u32 = 0x3ff4_9000;
const FUN_PD: u32 = 1 << 7;
const FUN_PU: u32 = 1 << 8;
const FUN_IE: u32 = 1 << 9;
const DIG_PAD_HOLD: u32 = 0x3ff4_8474;

/// GPIO number that stands for "straight through, no matrix".
const MATRIX_BYPASS: u32 = 0x34;

const PIN_INT_TYPE: u32 = 7 << 7;
const PIN_WAKEUP: u32 = 1 << 10;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_9b24, "gpio_output_set", &[gpio_output_set]),
    entry(0x4000_9b5c, "gpio_output_set_high", &[gpio_output_set_high]),
    entry(0x4000_9b88, "gpio_input_get", &[gpio_input_get]),
    entry(0x4000_9b9c, "gpio_input_get_high", &[gpio_input_get_high]),
    entry(0x4000_9cec, "gpio_intr_pending", &[gpio_intr_pending]),
    entry(0x4000_9cf8, "gpio_intr_pending_high", &[gpio_intr_pending_high]),
    entry(0x4000_9dd4, "gpio_intr_ack", &[gpio_intr_ack]),
    entry(0x4000_9e1c, "gpio_intr_ack_high", &[gpio_intr_ack_high]),
    entry(0x4000_9e7c, "gpio_pin_wakeup_enable", &[gpio_pin_wakeup_enable]),
    entry(0x4000_9eb0, "gpio_pin_wakeup_disable", &[gpio_pin_wakeup_disable]),
    entry(0x4000_9edc, "gpio_matrix_in", &[gpio_matrix_in]),
    entry(0x4000_9f0c, "gpio_matrix_out", &[gpio_matrix_out]),
    entry(0x4000_9fdc, "gpio_pad_select_gpio", &[gpio_pad_select_gpio]),
    entry(0x4000_a11c, "gpio_pad_set_drv", &[gpio_pad_set_drv]),
    entry(0x4000_a22c, "gpio_pad_pullup", &[gpio_pad_pullup]),
    entry(0x4000_a348, "gpio_pad_pulldown", &[gpio_pad_pulldown]),
    entry(0x4000_a484, "gpio_pad_unhold", &[gpio_pad_unhold]),
    entry(0x4000_a734, "gpio_pad_hold", &[gpio_pad_hold]),
];

/// IO_MUX register of a GPIO; GPIO 28 to 31 have no pad.
fn io_mux(gpio: u32) -> Option<u32> {
    const OFFSETS: [u8; 40] = [
        0x44, 0x88, 0x40, 0x84, 0x48, 0x6c, 0x60, 0x64, 0x68, 0x54, 0x58, 0x5c, 0x34, 0x38, 0x30,
        0x3c, 0x4c, 0x50, 0x70, 0x74, 0x78, 0x7c, 0x80, 0x8c, 0x90, 0x24, 0x28, 0x2c, 0, 0, 0, 0,
        0x1c, 0x20, 0x14, 0x18, 0x04, 0x08, 0x0c, 0x10,
    ];
    let offset = *OFFSETS.get(gpio as usize)?;
    (offset != 0).then_some(IO_MUX + u32::from(offset))
}

/// Bit of a digital pad in the hold register.
fn hold_bit(gpio: u32) -> Option<u32> {
    Some(match gpio {
        1 => 1,
        3 => 0,
        5 => 8,
        6..=11 => gpio - 4,
        16..=19 => gpio - 7,
        21..=23 => gpio - 7,
        _ => return None,
    })
}

fn done(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(20);
    Ok(Outcome::Void)
}

fn give(call: &mut Call<'_>, address: u32) -> Result<Outcome, Stop> {
    call.charge(10);
    Ok(Outcome::Return(call.load(address)?))
}

/// Stores the first four arguments, those that are not zero, into four registers.
fn output(call: &mut Call<'_>, registers: [u32; 4]) -> Result<Outcome, Stop> {
    for (slot, register) in registers.into_iter().enumerate() {
        if call.get(slot) != 0 {
            call.store(register, call.get(slot))?;
        }
    }
    done(call)
}

/// `void gpio_output_set(uint32_t set, uint32_t clear, uint32_t enable, uint32_t disable)`
fn gpio_output_set(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    output(call, [OUT_W1TS, OUT_W1TC, ENABLE_W1TS, ENABLE_W1TC])
}

/// `void gpio_output_set_high(uint32_t set, uint32_t clear, uint32_t enable, uint32_t disable)`
fn gpio_output_set_high(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    output(call, [OUT1_W1TS, OUT1_W1TC, ENABLE1_W1TS, ENABLE1_W1TC])
}

/// `uint32_t gpio_input_get(void)`
fn gpio_input_get(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    give(call, IN)
}

/// `uint32_t gpio_input_get_high(void)`
fn gpio_input_get_high(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    give(call, IN1)
}

/// `uint32_t gpio_intr_pending(void)`: of the calling core.
fn gpio_intr_pending(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let register = if call.guest.core() == CoreId::Pro { PCPU_INT } else { ACPU_INT };
    give(call, register)
}

/// `uint32_t gpio_intr_pending_high(void)`
fn gpio_intr_pending_high(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let register = if call.guest.core() == CoreId::Pro { PCPU_INT1 } else { ACPU_INT1 };
    give(call, register)
}

/// `void gpio_intr_ack(uint32_t mask)`
fn gpio_intr_ack(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.store(STATUS_W1TC, call.get(0))?;
    done(call)
}

/// `void gpio_intr_ack_high(uint32_t mask)`
fn gpio_intr_ack_high(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.store(STATUS1_W1TC, call.get(0))?;
    done(call)
}

/// `void gpio_pin_wakeup_enable(uint32_t pin, GPIO_INT_TYPE level)`: 4 low, 5 high.
fn gpio_pin_wakeup_enable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (pin, level) = (call.get(0), call.get(1));
    if pin < 40 && (level == 4 || level == 5) {
        call.modify(PIN + 4 * pin, PIN_INT_TYPE | PIN_WAKEUP, level << 7 | PIN_WAKEUP)?;
    }
    done(call)
}

/// `void gpio_pin_wakeup_disable(void)`: of all pins.
fn gpio_pin_wakeup_disable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    for pin in 0..40 {
        if call.load(PIN + 4 * pin)? & PIN_WAKEUP != 0 {
            call.modify(PIN + 4 * pin, PIN_INT_TYPE | PIN_WAKEUP, 0)?;
        }
    }
    done(call)
}

fn matrix_in(call: &mut Call<'_>, gpio: u32, signal: u32, invert: bool) -> Result<(), Stop> {
    let through = if gpio == MATRIX_BYPASS { 0 } else { 1 << 7 };
    let value = gpio | u32::from(invert) << 6 | through;
    Ok(call.store(FUNC_IN_SEL.wrapping_add(signal.wrapping_mul(4)), value)?)
}

fn matrix_out(call: &mut Call<'_>, gpio: u32, signal: u32) -> Result<(), Stop> {
    let (enable, bit) = if gpio < 32 { (ENABLE_W1TS, gpio) } else { (ENABLE1_W1TS, gpio - 32) };
    call.store(enable, 1 << bit)?;
    Ok(call.store(FUNC_OUT_SEL + 4 * gpio, signal)?)
}

/// `void gpio_matrix_in(uint32_t gpio, uint32_t signal, bool inv)`
fn gpio_matrix_in(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (gpio, signal, invert) = (call.get(0), call.get(1), call.get(2) & 0xff != 0);
    matrix_in(call, gpio, signal, invert)?;
    done(call)
}

/// `void gpio_matrix_out(uint32_t gpio, uint32_t signal, bool out_inv, bool oen_inv)`
fn gpio_matrix_out(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (gpio, signal) = (call.get(0), call.get(1));
    let out_inv = u32::from(call.get(2) & 0xff != 0) << 9;
    let oen_inv = u32::from(call.get(3) & 0xff != 0) << 11;
    if gpio < 40 {
        matrix_out(call, gpio, signal | out_inv | oen_inv)?;
    }
    done(call)
}

fn change_pad(call: &mut Call<'_>, mask: u32, value: u32) -> Result<Outcome, Stop> {
    if let Some(register) = io_mux(call.get(0) & 0xff) {
        call.modify(register, mask, value)?;
    }
    done(call)
}

/// `void gpio_pad_select_gpio(uint8_t gpio)`: function 2 of the pad.
fn gpio_pad_select_gpio(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    change_pad(call, 7 << 12, 2 << 12)
}

/// `void gpio_pad_set_drv(uint8_t gpio, uint8_t drv)`: strength 0 to 3.
fn gpio_pad_set_drv(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let strength = call.get(1) & 0xff;
    if strength > 3 {
        return done(call);
    }
    change_pad(call, 3 << 10, strength << 10)
}

/// `void gpio_pad_pullup(uint8_t gpio)`: pull-up, no pull-down.
fn gpio_pad_pullup(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    change_pad(call, FUN_PU | FUN_PD, FUN_PU)
}

/// `void gpio_pad_pulldown(uint8_t gpio)`: pull-down, no pull-up.
fn gpio_pad_pulldown(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    change_pad(call, FUN_PU | FUN_PD, FUN_PD)
}

/// `void gpio_pad_unhold(uint8_t gpio)`
fn gpio_pad_unhold(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if let Some(bit) = hold_bit(call.get(0) & 0xff) {
        call.modify(DIG_PAD_HOLD, 1 << bit, 0)?;
    }
    done(call)
}

/// `void gpio_pad_hold(uint8_t gpio)`
fn gpio_pad_hold(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if let Some(bit) = hold_bit(call.get(0) & 0xff) {
        call.modify(DIG_PAD_HOLD, 1 << bit, 1 << bit)?;
    }
    done(call)
}

/// Flash signals in the order of the packed pin configuration: matrix signal number and default
/// GPIO of CLK, Q, D, CS0, HD.
const FLASH_SIGNALS: [(u32, u32); 5] = [(0, 6), (1, 7), (2, 8), (5, 11), (3, 9)];
/// WP: matrix signal number and default GPIO.
const FLASH_WP: (u32, u32) = (4, 10);
/// GPIOs of the HSPI pins in the same order.
const HSPI_PINS: [u32; 5] = [14, 12, 13, 15, 4];

/// The five GPIOs of a pin configuration as `ets_efuse_get_spiconfig` gives it.
fn flash_pins(config: u32) -> [u32; 5] {
    match config {
        0 => FLASH_SIGNALS.map(|(_, gpio)| gpio),
        1 => HSPI_PINS,
        packed => std::array::from_fn(|i| packed >> (6 * i) & 0x3f),
    }
}

fn connect(call: &mut Call<'_>, gpio: u32, signal: u32, default: u32) -> Result<(), Stop> {
    let Some(register) = io_mux(gpio) else { return Ok(()) };
    if gpio == default {
        // The pad's own function, without the matrix.
        return Ok(call.modify(register, 7 << 12 | FUN_IE, 1 << 12 | FUN_IE)?);
    }
    call.modify(register, 7 << 12 | FUN_IE, 2 << 12 | FUN_IE)?;
    matrix_in(call, gpio, signal, false)?;
    if gpio < 34 { matrix_out(call, gpio, signal) } else { Ok(()) }
}

/// Connects clock, data and chip select of the flash.
pub(super) fn select_flash_pins(call: &mut Call<'_>, config: u32) -> Result<(), Stop> {
    for ((signal, default), gpio) in FLASH_SIGNALS.into_iter().zip(flash_pins(config)).take(4) {
        connect(call, gpio, signal, default)?;
    }
    Ok(())
}

/// Connects the two pins that quad modes need in addition.
pub(super) fn select_qio_pins(call: &mut Call<'_>, wp: u32, config: u32) -> Result<(), Stop> {
    let [.., hd] = flash_pins(config);
    let wp = match config {
        0 => FLASH_WP.1,
        1 => 2,
        _ => wp,
    };
    connect(call, wp, FLASH_WP.0, FLASH_WP.1)?;
    connect(call, hd, FLASH_SIGNALS[4].0, FLASH_SIGNALS[4].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::FakeGuest;

    #[test]
    fn matrix_connections_are_encoded_as_the_manual_says() {
        let mut guest = FakeGuest::new(64);
        guest.call("gpio_matrix_in", &[4, 14, 1]);
        assert_eq!(guest.register(FUNC_IN_SEL + 4 * 14), 0xc4);
        guest.call("gpio_matrix_in", &[0x30, 14, 0]);
        assert_eq!(guest.register(FUNC_IN_SEL + 4 * 14), 0xb0);
        guest.call("gpio_matrix_in", &[0x38, 14, 0]);
        assert_eq!(guest.register(FUNC_IN_SEL + 4 * 14), 0xb8);
        guest.call("gpio_matrix_in", &[MATRIX_BYPASS, 14, 0]);
        assert_eq!(guest.register(FUNC_IN_SEL + 4 * 14), 0x34);
        guest.call("gpio_matrix_out", &[33, 0x100, 1, 1]);
        assert_eq!(guest.register(FUNC_OUT_SEL + 4 * 33), 0xb00);
        assert_eq!(guest.register(ENABLE1_W1TS), 2);
        guest.call("gpio_matrix_out", &[40, 1, 0, 0]);
        assert_eq!(guest.register(FUNC_OUT_SEL + 4 * 40), 0);
    }

    #[test]
    fn pads_keep_the_bits_a_function_does_not_name() {
        let mut guest = FakeGuest::new(64);
        let pad = IO_MUX + 0x70;
        guest.set_register(pad, 0xffff_ffff);
        guest.call("gpio_pad_select_gpio", &[18]);
        assert_eq!(guest.register(pad), 0xffff_afff);
        guest.call("gpio_pad_pulldown", &[18]);
        assert_eq!(guest.register(pad), 0xffff_aeff);
        guest.call("gpio_pad_pullup", &[18]);
        assert_eq!(guest.register(pad), 0xffff_af7f);
        guest.call("gpio_pad_set_drv", &[18, 1]);
        assert_eq!(guest.register(pad), 0xffff_a77f);
        guest.call("gpio_pad_hold", &[18]);
        assert_eq!(guest.register(DIG_PAD_HOLD), 1 << 11);
        guest.call("gpio_pad_unhold", &[18]);
        assert_eq!(guest.register(DIG_PAD_HOLD), 0);
        for gpio in 0..256 {
            guest.call("gpio_pad_select_gpio", &[gpio]);
        }
    }
}
