//! GPIO controller with the GPIO matrix: 40 pads, 256 input and 256 output signals.
//!
//! *Source*: ESP32 Technical Reference Manual, chapter "IO_MUX and GPIO Matrix"; registers and
//! fields from ESP-IDF `soc/gpio_struct.h` and `soc/gpio_reg.h`, the order of the interrupt enables
//! from `hal/gpio_ll.h`; strapping bits from the datasheet.
//!
//! *Modelled*: output, enable and status registers with their set and clear forms; input levels;
//! all interrupt types (the status of a level also latches until it is cleared); enables of both cores; open drain; the matrix in both directions with
//! inversion and constants; the strapping latch. A pad takes, in this order: what the chip drives,
//! what the outside drives, its pull, low.
//!
//! *Not modelled*: drive conflicts (the chip wins); GPIO_CALI and the sigma-delta modulators only
//! keep their settings; direct IO_MUX functions, which bypass the matrix, belong to the wiring; a
//! matrix output is sampled when its signal is set, so fast waveforms should not be sent through.
//!
//! Interrupt lines: bit 0 PRO_CPU, bit 1 PRO_CPU NMI, bit 2 APP_CPU, bit 3 APP_CPU NMI. Each core
//! sees its own two as sources 22 and 23.

use super::io_mux::{PadConfig, Pull};
use super::{Context, Peripheral, Stores, Unmodelled, stores};

/// GPIO numbers, including those without a pad.
pub const PINS: u8 = 40;
/// The strapping pads in the order of the bits of GPIO_STRAP.
pub const STRAPS: [u8; 6] = [5, 15, 4, 2, 0, 12];
/// Output selection "the GPIO registers themselves".
const SIG_GPIO_OUT: u32 = 256;

mod reg {
    pub(super) const OUT: u32 = 0x04;
    pub(super) const OUT1: u32 = 0x10;
    pub(super) const ENABLE: u32 = 0x20;
    pub(super) const ENABLE1: u32 = 0x2c;
    pub(super) const STRAP: u32 = 0x38;
    pub(super) const IN: u32 = 0x3c;
    pub(super) const IN1: u32 = 0x40;
    pub(super) const STATUS: u32 = 0x44;
    pub(super) const STATUS1: u32 = 0x50;
    pub(super) const STATUS1_LAST: u32 = 0x58;
    pub(super) const ACPU_INT: u32 = 0x60;
    pub(super) const ACPU_NMI_INT: u32 = 0x64;
    pub(super) const PCPU_INT: u32 = 0x68;
    pub(super) const PCPU_NMI_INT: u32 = 0x6c;
    pub(super) const CPUSDIO_INT: u32 = 0x70;
    pub(super) const ACPU_INT1: u32 = 0x74;
    pub(super) const CPUSDIO_INT1: u32 = 0x84;
    pub(super) const PIN0: u32 = 0x88;
    pub(super) const PIN39: u32 = 0x124;
    pub(super) const FUNC0_IN_SEL: u32 = 0x130;
    pub(super) const FUNC255_IN_SEL: u32 = 0x52c;
    pub(super) const FUNC0_OUT_SEL: u32 = 0x530;
    pub(super) const FUNC39_OUT_SEL: u32 = 0x5cc;
}

mod pin {
    pub(super) const PAD_DRIVER: u32 = 1 << 2;
    pub(super) const WAKEUP_ENABLE: u32 = 1 << 10;
    pub(super) const ALL: u32 = 0x3_ff84;
    pub(super) const INT_ENA_SHIFT: u32 = 13;
    pub(super) fn int_type(value: u32) -> u32 {
        (value >> 7) & 7
    }
}

mod in_sel {
    pub(super) const CONST_LOW: u32 = 0x30;
    pub(super) const CONST_HIGH: u32 = 0x38;
    pub(super) const INV: u32 = 1 << 6;
    pub(super) const THROUGH_MATRIX: u32 = 1 << 7;
}

mod out_sel {
    pub(super) const SIGNAL: u32 = 0x1ff;
    pub(super) const INV: u32 = 1 << 9;
    pub(super) const OEN_SEL: u32 = 1 << 10;
    pub(super) const OEN_INV: u32 = 1 << 11;
}

/// Index of the interrupt enables in a PIN register, from bit 13.
mod target {
    pub(super) const APP: usize = 0;
    pub(super) const APP_NMI: usize = 1;
    pub(super) const PRO: usize = 2;
    pub(super) const PRO_NMI: usize = 3;
    pub(super) const SDIO: usize = 4;
}

const ALL_PINS: u64 = (1 << PINS) - 1;

/// What the chip does with a pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PinState {
    /// Level that it drives, meaningful if `enabled`.
    pub level: bool,
    /// True when it drives; an open-drain output that is high does not.
    pub enabled: bool,
    /// The resistor inside of it.
    pub pull: Pull,
}

/// Where an input signal of a peripheral comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalSource {
    /// A pad through the matrix, perhaps inverted.
    Pad {
        /// GPIO number.
        pin: u8,
        /// True when the signal is the opposite of the pad.
        inverted: bool,
    },
    /// Always this level.
    Constant(bool),
    /// Directly from the pad that has this signal as IO_MUX function.
    Direct,
}

/// A register of 40 bits in two halves, with forms that set and clear.
fn write_form(value: u64, form: u32, word: u32, high: bool) -> u64 {
    let (bits, half) = if high {
        (u64::from(word & 0xff) << 32, 0xff_u64 << 32)
    } else {
        (u64::from(word), 0xffff_ffff)
    };
    match form {
        0 => (value & !half) | bits,
        1 => value | bits,
        _ => value & !bits,
    }
}

fn half(value: u64, high: bool) -> u32 {
    if high { (value >> 32) as u32 & 0xff } else { value as u32 }
}

/// The GPIO controller. Pads are bits of 64-bit masks.
#[derive(Debug, Clone)]
pub struct Gpio {
    out: u64,
    enable: u64,
    status: u64,
    strap: u32,
    pins: [u32; PINS as usize],
    in_sel: [u32; 256],
    out_sel: [u32; PINS as usize],

    /// Output signals of the peripherals and whether they drive.
    signals: [u64; 4],
    signal_enable: [u64; 4],
    /// From outside.
    driven: u64,
    external: u64,
    /// Pads that keep what they drive, whatever the registers say.
    held: u64,
    /// From IO_MUX.
    matrix: u64,
    input_enable: u64,
    pull_up: u64,
    pull_down: u64,

    /// Derived: what the chip drives, levels of the pads, and masks of the PIN registers.
    drives: u64,
    drive_level: u64,
    pads: u64,
    rising: u64,
    falling: u64,
    low: u64,
    high: u64,
    int_ena: [u64; 5],
    changes: u64,
    level_changes: u64,
    routing_changed: bool,
}

impl Default for Gpio {
    fn default() -> Self {
        Self::new()
    }
}

impl Gpio {
    /// After reset with nothing connected; the wiring passes the pad settings of IO_MUX.
    pub fn new() -> Self {
        Self {
            out: 0,
            enable: 0,
            status: 0,
            strap: 0,
            pins: [0; PINS as usize],
            in_sel: [0; 256],
            out_sel: [SIG_GPIO_OUT; PINS as usize],
            signals: [0; 4],
            signal_enable: [u64::MAX; 4],
            driven: 0,
            external: 0,
            held: 0,
            matrix: 0,
            input_enable: 0,
            pull_up: 0,
            pull_down: 0,
            drives: 0,
            drive_level: 0,
            pads: 0,
            rising: 0,
            falling: 0,
            low: 0,
            high: 0,
            int_ena: [0; 5],
            changes: 0,
            level_changes: 0,
            routing_changed: true,
        }
    }

    /// Latches the strapping pads: bit 0 GPIO5, 1 MTDO, 2 GPIO4, 3 GPIO2, 4 GPIO0, 5 MTDI. On the
    /// chip this happens at power-on and when EN rises.
    pub fn latch_straps(&mut self, straps: u16) {
        self.strap = straps.into();
    }

    /// The strapping word that is on the pads at this moment, with their pulls.
    pub fn straps(&self) -> u16 {
        STRAPS
            .into_iter()
            .enumerate()
            .fold(0, |word, (bit, gpio)| word | u16::from(self.pad_level(gpio)) << bit)
    }

    /// The outside drives a pad to a level, or lets go of it with `None`. Numbers above 39 are
    /// ignored, here and below.
    pub fn set_input(&mut self, pin: u8, level: Option<bool>) {
        if pin < PINS {
            set_bit(&mut self.driven, pin, level.is_some());
            set_bit(&mut self.external, pin, level.unwrap_or(false));
            self.update();
        }
    }

    /// Freezes what the chip drives on a pad, or lets the pad follow the registers again.
    pub fn set_hold(&mut self, pin: u8, hold: bool) {
        if pin < PINS && bit(self.held, pin) != hold {
            set_bit(&mut self.held, pin, hold);
            self.derive_output(pin);
            self.update();
        }
    }

    /// What IO_MUX sets the pad to.
    pub fn set_pad(&mut self, pin: u8, pad: PadConfig) {
        if pin < PINS {
            set_bit(&mut self.matrix, pin, pad.matrix());
            set_bit(&mut self.input_enable, pin, pad.input_enable);
            set_bit(&mut self.pull_up, pin, pad.pull == Pull::Up);
            set_bit(&mut self.pull_down, pin, pad.pull == Pull::Down);
            self.derive_output(pin);
            self.update();
            self.routing_changed = true;
        }
    }

    /// What the matrix drives on a pad. A pad with a direct IO_MUX function is not driven by it.
    pub fn output(&self, pin: u8) -> PinState {
        let pull = match (bit(self.pull_up, pin), bit(self.pull_down, pin)) {
            (true, _) => Pull::Up,
            (false, true) => Pull::Down,
            (false, false) => Pull::None,
        };
        PinState { level: bit(self.drive_level, pin), enabled: bit(self.drives, pin), pull }
    }

    /// Level of a pad, whoever drives it.
    pub fn pad_level(&self, pin: u8) -> bool {
        bit(self.pads, pin)
    }

    /// Pads whose `output` has changed since the last call, one bit each.
    pub fn take_output_changes(&mut self) -> u64 {
        std::mem::take(&mut self.changes)
    }

    /// Pads whose level has changed since the last call, one bit each.
    pub fn take_level_changes(&mut self) -> u64 {
        std::mem::take(&mut self.level_changes)
    }

    /// Whether the matrix, a pad's function or the interrupt settings have changed since the last
    /// call, so that other signals meet now or other pads are watched.
    pub fn take_routing_changed(&mut self) -> bool {
        std::mem::take(&mut self.routing_changed)
    }

    /// Pads whose edges or levels can interrupt a core, one bit each.
    pub fn watched(&self) -> u64 {
        let enabled = self.int_ena.iter().fold(0, |all, mask| all | mask);
        enabled & (self.rising | self.falling | self.low | self.high)
    }

    /// The output signal that the matrix puts on a pad; `None`: GPIO_OUT, or the pad has a direct
    /// function.
    pub fn pad_signal(&self, pin: u8) -> Option<u8> {
        let select = self.out_sel.get(usize::from(pin))? & out_sel::SIGNAL;
        u8::try_from(select).ok().filter(|_| bit(self.matrix, pin))
    }

    /// Where input signal `signal` comes from.
    pub fn signal_source(&self, signal: u8) -> SignalSource {
        let select = self.in_sel[usize::from(signal)];
        if select & in_sel::THROUGH_MATRIX == 0 {
            return SignalSource::Direct;
        }
        let inverted = select & in_sel::INV != 0;
        match select & 0x3f {
            pin @ 0..40 => SignalSource::Pad { pin: pin as u8, inverted },
            in_sel::CONST_HIGH => SignalSource::Constant(!inverted),
            in_sel::CONST_LOW => SignalSource::Constant(inverted),
            _ => SignalSource::Constant(inverted),
        }
    }

    /// Level of an input signal of a peripheral. A direct one reads high, the level of an idle
    /// line; the wiring knows its pad.
    pub fn signal_in(&self, signal: u8) -> bool {
        match self.signal_source(signal) {
            SignalSource::Pad { pin, inverted } => self.in_level(pin) != inverted,
            SignalSource::Constant(level) => level,
            SignalSource::Direct => true,
        }
    }

    /// A peripheral sets its output signal.
    pub fn set_signal(&mut self, signal: u8, level: bool) {
        if bit(self.signals[usize::from(signal / 64)], signal % 64) == level {
            return;
        }
        self.change_signal(signal, |gpio, word, index| {
            set_bit(&mut gpio.signals[word], index, level)
        });
    }

    /// A peripheral says whether its output signal drives; until it does, it drives.
    pub fn set_signal_enable(&mut self, signal: u8, enable: bool) {
        self.change_signal(signal, |gpio, word, index| {
            set_bit(&mut gpio.signal_enable[word], index, enable);
        });
    }

    /// Pads to which output signal `signal` is connected, one bit each.
    pub fn signal_pads(&self, signal: u8) -> u64 {
        (0..PINS)
            .filter(|&pin| self.out_sel[usize::from(pin)] & out_sel::SIGNAL == signal.into())
            .fold(0, |pads, pin| pads | 1 << pin)
            & self.matrix
    }

    /// True while a pad with WAKEUP_ENABLE has the level of its interrupt type.
    pub fn wakes(&self) -> bool {
        let inputs = self.inputs();
        (0..PINS).any(|pin| {
            let setting = self.pins[usize::from(pin)];
            setting & pin::WAKEUP_ENABLE != 0
                && match pin::int_type(setting) {
                    4 => !bit(inputs, pin),
                    5 => bit(inputs, pin),
                    _ => false,
                }
        })
    }

    fn inputs(&self) -> u64 {
        self.pads & self.input_enable
    }

    fn in_level(&self, pin: u8) -> bool {
        bit(self.inputs(), pin)
    }

    fn change_signal(&mut self, signal: u8, change: impl FnOnce(&mut Self, usize, u8)) {
        change(self, usize::from(signal / 64), signal % 64);
        let mut pads = self.signal_pads(signal);
        while pads != 0 {
            self.derive_output(pads.trailing_zeros() as u8);
            pads &= pads - 1;
        }
        self.update();
    }

    /// Recomputes what the chip drives on a pad.
    fn derive_output(&mut self, pin: u8) {
        if bit(self.held, pin) {
            return;
        }
        let index = usize::from(pin) % PINS as usize;
        let select = self.out_sel[index];
        let signal = select & out_sel::SIGNAL;
        let own_enable = bit(self.enable, pin);
        let (level, enable) = if signal >= SIG_GPIO_OUT {
            (bit(self.out, pin), own_enable)
        } else {
            let (word, position) = (signal as usize / 64, (signal % 64) as u8);
            let enable = match select & out_sel::OEN_SEL {
                0 => bit(self.signal_enable[word], position),
                _ => own_enable,
            };
            (bit(self.signals[word], position), enable)
        };
        let level = level != (select & out_sel::INV != 0);
        let enable = enable != (select & out_sel::OEN_INV != 0);
        let open_drain = self.pins[index] & pin::PAD_DRIVER != 0;
        let input_only = (34..40).contains(&pin);
        let drives = enable && bit(self.matrix, pin) && !(open_drain && level) && !input_only;
        let before = self.output(pin);
        set_bit(&mut self.drives, pin, drives);
        set_bit(&mut self.drive_level, pin, level);
        if self.output(pin) != before {
            self.changes |= 1 << pin;
        }
    }

    fn derive_outputs(&mut self, mut changed: u64) {
        changed &= ALL_PINS;
        while changed != 0 {
            self.derive_output(changed.trailing_zeros() as u8);
            changed &= changed - 1;
        }
    }

    /// Recomputes the levels of the pads, and latches the interrupts that follow.
    fn update(&mut self) {
        let before = self.inputs();
        let levels = self.pads;
        let undriven = !self.drives;
        self.pads = (self.drives & self.drive_level)
            | (undriven & self.driven & self.external)
            | (undriven & !self.driven & self.pull_up);
        self.level_changes |= self.pads ^ levels;
        let now = self.inputs();
        self.status |= (now & !before & self.rising) | (before & !now & self.falling);
        self.status |= (now & self.high) | (!now & self.low);
    }

    fn write_pin(&mut self, pin: u8, value: u32) {
        let index = usize::from(pin);
        self.pins[index] = value & pin::ALL;
        self.routing_changed = true;
        let kind = pin::int_type(value);
        set_bit(&mut self.rising, pin, kind == 1 || kind == 3);
        set_bit(&mut self.falling, pin, kind == 2 || kind == 3);
        set_bit(&mut self.low, pin, kind == 4);
        set_bit(&mut self.high, pin, kind == 5);
        for (target, mask) in self.int_ena.iter_mut().enumerate() {
            set_bit(mask, pin, value & (1 << (pin::INT_ENA_SHIFT + target as u32)) != 0);
        }
        self.derive_output(pin);
    }

    /// Target and half of an interrupt status register.
    fn interrupt_register(offset: u32) -> Option<(usize, bool)> {
        let (base, high) = match offset {
            reg::ACPU_INT..=reg::CPUSDIO_INT => (offset, false),
            reg::ACPU_INT1..=reg::CPUSDIO_INT1 => (offset - (reg::ACPU_INT1 - reg::ACPU_INT), true),
            _ => return None,
        };
        let target = match base {
            reg::ACPU_INT => target::APP,
            reg::ACPU_NMI_INT => target::APP_NMI,
            reg::PCPU_INT => target::PRO,
            reg::PCPU_NMI_INT => target::PRO_NMI,
            _ => target::SDIO,
        };
        Some((target, high))
    }
}

fn bit(mask: u64, index: u8) -> bool {
    mask.checked_shr(index.into()).is_some_and(|shifted| shifted & 1 != 0)
}

fn set_bit(mask: &mut u64, index: u8, value: bool) {
    let bit = 1_u64.checked_shl(index.into()).unwrap_or(0);
    if value {
        *mask |= bit;
    } else {
        *mask &= !bit;
    }
}

impl Peripheral for Gpio {
    const NAME: &'static str = "GPIO";

    const STORES: &'static [Stores] = &[
        stores(0x00, 0x00),                                       // BT_SELECT
        stores(0x1c, 0x1c),                                       // SDIO_SELECT
        stores(0x128, 0x12c),                                     // CALI_CONF, CALI_DATA
        Stores { first: 0xf00, last: 0xf1c, reset: 0xff00 },      // SIGMADELTA0 to 7
        stores(0xf20, 0xf24),                                     // SIGMADELTA_CG, _MISC
        Stores { first: 0xf28, last: 0xf28, reset: 0x0150_6190 }, // SIGMADELTA_VERSION
    ];

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        if let Some((target, high)) = Self::interrupt_register(offset) {
            return Ok(half(self.status & self.int_ena[target], high));
        }
        Ok(match offset {
            reg::IN => half(self.inputs(), false),
            reg::IN1 => half(self.inputs(), true),
            reg::OUT => half(self.out, false),
            reg::OUT1 => half(self.out, true),
            reg::ENABLE => half(self.enable, false),
            reg::ENABLE1 => half(self.enable, true),
            reg::STATUS => half(self.status, false),
            reg::STATUS1 => half(self.status, true),
            reg::STRAP => self.strap,
            // The forms that set and clear are write only.
            0x08 | 0x0c | 0x14 | 0x18 | 0x24 | 0x28 | 0x30 | 0x34 | 0x48 | 0x4c | 0x54 | 0x58 => 0,
            reg::PIN0..=reg::PIN39 => self.pins[((offset - reg::PIN0) / 4) as usize],
            reg::FUNC0_IN_SEL..=reg::FUNC255_IN_SEL => {
                self.in_sel[((offset - reg::FUNC0_IN_SEL) / 4) as usize]
            }
            reg::FUNC0_OUT_SEL..=reg::FUNC39_OUT_SEL => {
                self.out_sel[((offset - reg::FUNC0_OUT_SEL) / 4) as usize]
            }
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        let form = |base: u32| (offset - base) / 4;
        match offset {
            0x04..=0x0c | 0x10..=0x18 => {
                let (base, high) =
                    if offset < reg::OUT1 { (reg::OUT, false) } else { (reg::OUT1, true) };
                let before = self.out;
                self.out = write_form(before, form(base), value, high);
                self.derive_outputs(before ^ self.out);
            }
            0x20..=0x28 | 0x2c..=0x34 => {
                let (base, high) =
                    if offset < reg::ENABLE1 { (reg::ENABLE, false) } else { (reg::ENABLE1, true) };
                let before = self.enable;
                self.enable = write_form(before, form(base), value, high);
                self.derive_outputs(before ^ self.enable);
            }
            reg::STATUS..=reg::STATUS1_LAST => {
                let (base, high) =
                    if offset < reg::STATUS1 { (reg::STATUS, false) } else { (reg::STATUS1, true) };
                self.status = write_form(self.status, form(base), value, high);
            }
            reg::PIN0..=reg::PIN39 => self.write_pin(((offset - reg::PIN0) / 4) as u8, value),
            reg::FUNC0_IN_SEL..=reg::FUNC255_IN_SEL => {
                self.in_sel[((offset - reg::FUNC0_IN_SEL) / 4) as usize] = value & 0xff;
                self.routing_changed = true;
            }
            reg::FUNC0_OUT_SEL..=reg::FUNC39_OUT_SEL => {
                let pin = (offset - reg::FUNC0_OUT_SEL) / 4;
                self.out_sel[pin as usize] = value & 0xfff;
                self.routing_changed = true;
                self.derive_output(pin as u8);
            }
            reg::STRAP | reg::IN | reg::IN1 => {} // read only
            _ if Self::interrupt_register(offset).is_some() => {}
            _ => return Err(Unmodelled),
        }
        self.update();
        Ok(())
    }

    fn irq(&self) -> u32 {
        let line = |target: usize| u32::from(self.status & self.int_ena[target] != 0);
        line(target::PRO)
            | line(target::PRO_NMI) << 1
            | line(target::APP) << 2
            | line(target::APP_NMI) << 3
    }

    /// Registers of the block; the strapping latch, the outside, the pads and the signals of the
    /// peripherals stay.
    fn reset(&mut self, _cx: &Context) {
        *self = Self {
            strap: self.strap,
            signals: self.signals,
            signal_enable: self.signal_enable,
            driven: self.driven,
            external: self.external,
            held: self.held,
            matrix: self.matrix,
            input_enable: self.input_enable,
            pull_up: self.pull_up,
            pull_down: self.pull_down,
            drives: self.drives,
            drive_level: self.drive_level,
            changes: self.changes,
            pads: self.pads,
            level_changes: self.level_changes,
            ..Self::new()
        };
        self.derive_outputs(ALL_PINS);
        self.update();
        self.status = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::Clocks;
    use crate::time::Instant;

    const MATRIX_PAD: PadConfig = PadConfig { function: 2, pull: Pull::None, input_enable: true };

    fn cx() -> Context {
        Context::at(Instant::ZERO, Clocks::default())
    }

    fn gpio() -> Gpio {
        let mut gpio = Gpio::new();
        for pin in 0..PINS {
            gpio.set_pad(pin, MATRIX_PAD);
        }
        gpio
    }

    fn write(gpio: &mut Gpio, offset: u32, value: u32) {
        gpio.write(offset, value, &cx()).unwrap();
    }

    fn read(gpio: &mut Gpio, offset: u32) -> u32 {
        gpio.read(offset, &cx()).unwrap()
    }

    #[test]
    fn outputs_drive_when_enabled_and_read_back() {
        let mut gpio = gpio();
        write(&mut gpio, 0x08, 1 << 4); // OUT_W1TS
        assert_eq!(gpio.output(4), PinState { level: true, ..PinState::default() });
        assert!(!gpio.pad_level(4));
        write(&mut gpio, 0x24, 1 << 4); // ENABLE_W1TS
        write(&mut gpio, 0x14, 1 << 1); // OUT1_W1TS
        write(&mut gpio, 0x30, 1 << 1);
        assert_eq!(read(&mut gpio, reg::IN), 1 << 4);
        assert_eq!(read(&mut gpio, reg::IN1), 1 << 1);
        assert_eq!(gpio.take_output_changes(), 1 << 4 | 1 << 33);
        write(&mut gpio, 0x0c, 1 << 4); // OUT_W1TC
        assert_eq!(read(&mut gpio, reg::IN), 0);
        write(&mut gpio, reg::ENABLE1, 0xff);
        assert!(!gpio.output(34).enabled, "input only");
    }

    #[test]
    fn an_open_drain_output_lets_the_outside_pull_low() {
        let mut gpio = gpio();
        gpio.set_pad(21, PadConfig { pull: Pull::Up, ..MATRIX_PAD });
        write(&mut gpio, reg::PIN0 + 4 * 21, pin::PAD_DRIVER);
        write(&mut gpio, 0x08, 1 << 21);
        write(&mut gpio, 0x24, 1 << 21);
        assert!(gpio.pad_level(21));
        gpio.set_input(21, Some(false));
        assert!(!gpio.pad_level(21));
        gpio.set_input(21, None);
        write(&mut gpio, 0x0c, 1 << 21);
        assert!(!gpio.pad_level(21));
    }

    #[test]
    fn edges_are_latched_until_cleared() {
        // For a pad that goes low, high, low: status after each step, cleared between.
        for (kind, expected) in [
            (0, [false, false, false]),
            (1, [false, true, false]),
            (2, [false, false, true]),
            (3, [false, true, true]),
        ] {
            let mut gpio = gpio();
            write(&mut gpio, reg::PIN0 + 4 * 33, kind << 7 | 1 << 15); // PRO
            for (level, expected) in [false, true, false].into_iter().zip(expected) {
                gpio.set_input(33, Some(level));
                assert_eq!(gpio.irq() & 1 != 0, expected, "type {kind}, level {level}");
                write(&mut gpio, 0x58, 2); // STATUS1_W1TC
                gpio.set_input(33, Some(level));
                assert_eq!(gpio.irq(), 0, "no edge");
            }
        }
    }

    #[test]
    fn a_level_sets_its_status_again_while_it_holds() {
        for (kind, active) in [(4, false), (5, true)] {
            let mut gpio = gpio();
            gpio.set_input(33, Some(!active));
            write(&mut gpio, reg::PIN0 + 4 * 33, kind << 7 | 1 << 15);
            assert_eq!(gpio.irq(), 0);
            gpio.set_input(33, Some(active));
            write(&mut gpio, 0x58, 2);
            assert_eq!(gpio.irq(), 1);
            gpio.set_input(33, Some(!active));
            write(&mut gpio, 0x58, 2);
            assert_eq!(gpio.irq(), 0);
        }
    }

    #[test]
    fn interrupts_go_to_the_cores_that_enable_them() {
        for (enable, irq, offset) in [
            (0, 0b0100, reg::ACPU_INT),
            (1, 0b1000, reg::ACPU_NMI_INT),
            (2, 0b0001, reg::PCPU_INT),
            (3, 0b0010, reg::PCPU_NMI_INT),
        ] {
            let mut gpio = gpio();
            write(&mut gpio, reg::PIN0, 1 << 7 | 1 << (13 + enable));
            gpio.set_input(0, Some(true));
            assert_eq!(gpio.irq(), irq);
            assert_eq!(read(&mut gpio, offset), 1);
            write(&mut gpio, 0x4c, 1); // STATUS_W1TC
            assert_eq!(gpio.irq(), 0);
        }
    }

    #[test]
    fn the_matrix_carries_signals_both_ways() {
        let mut gpio = gpio();
        write(&mut gpio, reg::FUNC0_OUT_SEL + 4 * 18, 17 | out_sel::INV);
        gpio.set_signal(17, true);
        assert_eq!(gpio.output(18), PinState { enabled: true, ..PinState::default() });
        assert_eq!(gpio.signal_pads(17), 1 << 18);
        gpio.set_signal_enable(17, false);
        assert!(!gpio.output(18).enabled);
        write(&mut gpio, reg::FUNC0_IN_SEL + 4 * 200, 5 | in_sel::THROUGH_MATRIX);
        gpio.set_input(5, Some(true));
        assert!(gpio.signal_in(200));
        write(&mut gpio, reg::FUNC0_IN_SEL + 4 * 200, 0x38 | in_sel::THROUGH_MATRIX | in_sel::INV);
        assert_eq!(gpio.signal_source(200), SignalSource::Constant(false));
        assert_eq!(gpio.signal_source(201), SignalSource::Direct);
    }

    #[test]
    fn reset_keeps_the_outside_and_the_straps() {
        let mut gpio = gpio();
        gpio.set_input(0, Some(true));
        assert_eq!(gpio.straps(), 0x10);
        gpio.latch_straps(0x13);
        write(&mut gpio, 0x24, u32::MAX);
        gpio.reset(&cx());
        assert_eq!(read(&mut gpio, reg::STRAP), 0x13);
        assert_eq!(read(&mut gpio, reg::IN), 1);
        assert_eq!(read(&mut gpio, reg::ENABLE), 0);
        assert_eq!(read(&mut gpio, reg::FUNC0_OUT_SEL), SIG_GPIO_OUT);
        assert!(!gpio.output(7).enabled);
    }

    #[test]
    fn no_access_panics() {
        let mut gpio = gpio();
        for offset in (0..0x1000).step_by(4) {
            for value in [u32::MAX, 0, u32::MAX] {
                let _ = gpio.write(offset, value, &cx());
                let _ = gpio.read(offset, &cx());
            }
        }
        for number in 0..=255 {
            gpio.set_input(number, Some(true));
            gpio.set_pad(number, MATRIX_PAD);
            gpio.set_signal(number, true);
            let _ = (gpio.output(number), gpio.signal_in(number), gpio.signal_pads(number));
        }
        let _ = (gpio.wakes(), gpio.straps());
    }
}
