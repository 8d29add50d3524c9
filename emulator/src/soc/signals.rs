//! Signals between devices: what meets in the GPIO matrix and on the pads.
//!
//! Source: Technical Reference Manual, "IO_MUX and GPIO Matrix", table of peripheral signals;
//! numbers from ESP-IDF `soc/gpio_sig_map.h`, pads of direct functions from `soc/spi_pins.h` and
//! `soc/uart_pins.h`, bits of DIG_PAD_HOLD from `soc/rtc_io_channel.h` and `gpio_periph.c`.
//! Modelled: LEDC and RMT on pads, read there by firmware, as interrupt, or by PCNT and RMT;
//! frames of a UART that another one, or itself, hears on the same pad; MISO on the pad of MOSI,
//! or else at the level of its pad; wires between pads; pulls and ownership of the pads of the RTC domain; pad holds.
//! Not modelled: UART, SPI, I2C and I2S as levels on their pads (a UART shows its idle level); a
//! listener with another baud rate or format hears what was said, not what it would sample.

use super::bus::System;
use super::devices::Id;
use crate::board::Fitting;
use crate::board::fittings::SpiExchange;
use crate::board::parts::Drive;
use crate::peripherals::gpio::{Gpio, PINS, SignalSource};
use crate::peripherals::io_mux::{PadConfig, Pull};
use crate::peripherals::pcnt::{self, Input};
use crate::peripherals::rtc_io::RtcPad;
use crate::peripherals::sens::Adc;
use crate::peripherals::spi::{Duplex, Transaction};
use crate::peripherals::{Context, ledc, rmt};
use crate::time::Instant;

/// A change of a pad's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// When.
    pub at: Instant,
    /// GPIO number.
    pub gpio: u8,
    /// The level since then.
    pub level: bool,
}

/// RXD of the UARTs.
const RXD: [Route; 3] = [
    Route { signal: 14, pad: 3, function: 0 },
    Route { signal: 17, pad: 9, function: 4 },
    Route { signal: 198, pad: 16, function: 4 },
];
/// TXD of the UARTs, SCL and SDA of the I2C controllers, chip selects of HSPI and VSPI: high when
/// idle.
const IDLE_HIGH: [u8; 13] = [14, 17, 198, 29, 30, 95, 96, 11, 61, 62, 68, 69, 70];
/// SDA and SCL of the I2C controllers.
const I2C: [(u8, u8); 2] = [(30, 29), (96, 95)];
const LEDC_OUT: u8 = 71;
const RMT_OUT: u8 = 87;
const RMT_IN: u8 = 83;

/// How often parts may answer each other at one instant.
const MOST_ANSWERS: usize = 8;

/// Bits of DIG_PAD_HOLD by GPIO, for the pads that the RTC domain does not own.
const HOLD_BITS: [(u8, u32); 16] = [
    (3, 0),
    (1, 1),
    (6, 2),
    (7, 3),
    (8, 4),
    (9, 5),
    (10, 6),
    (11, 7),
    (5, 8),
    (16, 9),
    (17, 10),
    (18, 11),
    (19, 12),
    (21, 14),
    (22, 15),
    (23, 16),
];

/// A signal, and the pad and IO_MUX function that it has without the matrix.
#[derive(Debug, Clone, Copy)]
struct Route {
    signal: u8,
    pad: u8,
    function: u8,
}

/// TXD of the UARTs.
const TXD: [Route; 3] = [
    Route { signal: 14, pad: 1, function: 0 },
    Route { signal: 17, pad: 10, function: 4 },
    Route { signal: 198, pad: 17, function: 4 },
];

/// A general-purpose SPI controller's signals, and the pad of MISO without the matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpiSignals {
    mosi: Route,
    miso: u8,
    miso_pad: u8,
    selects: [Route; 3],
}

/// HSPI.
pub(super) const SPI2: SpiSignals = SpiSignals {
    mosi: Route { signal: 10, pad: 13, function: 1 },
    miso: 9,
    miso_pad: 12,
    selects: [Route { signal: 11, pad: 15, function: 1 }, by_matrix(61), by_matrix(62)],
};
/// VSPI.
pub(super) const SPI3: SpiSignals = SpiSignals {
    mosi: Route { signal: 65, pad: 23, function: 1 },
    miso: 64,
    miso_pad: 19,
    selects: [Route { signal: 68, pad: 5, function: 1 }, by_matrix(69), by_matrix(70)],
};

/// A signal without a pad of its own.
const fn by_matrix(signal: u8) -> Route {
    Route { signal, pad: u8::MAX, function: u8::MAX }
}

/// Who listens to an input signal.
#[derive(Debug, Clone, Copy)]
enum Listener {
    Pcnt { unit: usize, channel: usize, input: Input },
    Rmt { channel: usize },
}

/// An input signal with a listener.
#[derive(Debug, Clone, Copy)]
struct Tap {
    signal: u8,
    /// The pad that it comes from; none: a constant.
    pad: Option<u8>,
    listener: Listener,
}

/// How the signals are connected at present; derived from GPIO and IO_MUX.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    /// Channels of LEDC and RMT that are on some pad, one bit each.
    ledc: u32,
    rmt: u32,
    /// Those of them whose edges somebody waits for.
    ledc_watched: u32,
    rmt_watched: u32,
    taps: Vec<Tap>,
    /// UARTs that hear each UART, one bit each.
    heard_by: [u8; 3],
    /// The next edge that somebody waits for.
    pub(super) due: Instant,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            ledc: 0,
            rmt: 0,
            ledc_watched: 0,
            rmt_watched: 0,
            taps: Vec::new(),
            heard_by: [0; 3],
            due: Instant::MAX,
        }
    }
}

impl Signals {
    /// Whether levels on pads change by themselves.
    pub(super) fn has_waves(&self) -> bool {
        self.ledc | self.rmt != 0
    }
}

/// Output signals at rest.
pub(super) fn set_idle_levels(gpio: &mut Gpio) {
    for signal in IDLE_HIGH {
        gpio.set_signal(signal, true);
    }
}

/// The signals of PCNT: four for each unit, in two ranges.
fn pcnt_signals() -> impl Iterator<Item = (u8, Listener)> {
    (0..pcnt::UNITS).flat_map(|unit| {
        let first = if unit < 5 { 39 } else { 51 } + 4 * unit as u8;
        [(0, Input::Pulse), (1, Input::Pulse), (0, Input::Control), (1, Input::Control)]
            .into_iter()
            .zip(first..)
            .map(move |((channel, input), signal)| {
                (signal, Listener::Pcnt { unit, channel, input })
            })
    })
}

fn rmt_signals() -> impl Iterator<Item = (u8, Listener)> {
    (0..rmt::CHANNELS).map(|channel| (RMT_IN + channel as u8, Listener::Rmt { channel }))
}

/// The pads of a mask.
fn ones_of(mask: u64) -> impl Iterator<Item = u8> {
    (0..PINS).filter(move |pad| mask >> pad & 1 != 0)
}

fn ones(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let next = (mask != 0).then(|| mask.trailing_zeros() as usize);
        mask &= mask.wrapping_sub(1);
        next
    })
}

impl System {
    /// Follows changes of IO_MUX, RTC_IO and the GPIO registers.
    pub(super) fn serve_pads(&mut self, id: Id, cx: &Context) {
        match id {
            Id::IoMux => self.connect_pads(),
            Id::RtcIo => self.connect_rtc_pads(),
            _ => {}
        }
        if self.devices.gpio.take_routing_changed() {
            self.route(cx);
        }
        self.follow_pads(cx);
    }

    /// Tells GPIO how IO_MUX and RTC_IO have set the pads.
    pub(super) fn connect_pads(&mut self) {
        let mut changed = self.devices.io_mux.take_changes();
        while changed != 0 {
            let gpio = changed.trailing_zeros() as u8;
            changed &= changed - 1;
            self.connect_pad(gpio);
        }
        self.devices.refresh(Id::Gpio);
    }

    fn connect_rtc_pads(&mut self) {
        for pad in RtcPad::all() {
            self.connect_pad(pad.gpio());
        }
        let holds = self.devices.rtc_io.digital_holds();
        for (gpio, bit) in HOLD_BITS {
            self.devices.gpio.set_hold(gpio, holds >> bit & 1 != 0);
        }
        self.devices.refresh(Id::Gpio);
    }

    fn connect_pad(&mut self, gpio: u8) {
        let Some(mut pad) = self.devices.io_mux.pad(gpio) else { return };
        if let Some(rtc) = RtcPad::of_gpio(gpio).map(|pad| self.devices.rtc_io.pad(pad)) {
            pad.pull = match (rtc.pull_up, rtc.pull_down) {
                (true, false) => Pull::Up,
                (false, true) => Pull::Down,
                _ => Pull::None,
            };
            if rtc.selected {
                // The digital side neither drives the pad nor sees it.
                pad = PadConfig { function: u8::MAX, input_enable: false, ..pad };
            }
            self.devices.gpio.set_hold(gpio, rtc.hold);
        }
        self.devices.gpio.set_pad(gpio, pad);
    }

    /// Finds out who is connected to whom.
    fn route(&mut self, cx: &Context) {
        let gpio = &self.devices.gpio;
        let taps = pcnt_signals().chain(rmt_signals()).filter_map(|(signal, listener)| {
            let pad = match gpio.signal_source(signal) {
                SignalSource::Pad { pin, .. } => Some(pin),
                SignalSource::Constant(_) => None,
                SignalSource::Direct => return None,
            };
            Some(Tap { signal, pad, listener })
        });
        let taps = taps.collect::<Vec<_>>();
        let mut watched =
            taps.iter().filter_map(|tap| tap.pad).fold(gpio.watched(), |all, pad| all | 1 << pad);
        watched |= self.observed | self.fittings.heard();
        for &(a, b) in &self.wires {
            let ends = 1_u64 << a.min(63) | 1_u64 << b.min(63);
            if watched & ends != 0 {
                watched |= ends;
            }
        }
        let outputs = |first: u8, channels: usize, pads: u64| {
            (0..channels).fold(0, |all, channel| {
                let connected = gpio.signal_pads(first + channel as u8) & pads != 0;
                all | u32::from(connected) << channel
            })
        };
        self.signals = Signals {
            ledc: outputs(LEDC_OUT, ledc::CHANNELS, u64::MAX),
            rmt: outputs(RMT_OUT, rmt::CHANNELS, u64::MAX),
            ledc_watched: outputs(LEDC_OUT, ledc::CHANNELS, watched),
            rmt_watched: outputs(RMT_OUT, rmt::CHANNELS, watched),
            taps,
            heard_by: self.listening_uarts(),
            due: Instant::MAX,
        };
        let [first, second, third] = self.signals.heard_by.map(|listeners| listeners != 0);
        self.devices.uart0.set_heard(first);
        self.devices.uart1.set_heard(second);
        self.devices.uart2.set_heard(third);
        for id in [Id::Uart0, Id::Uart1, Id::Uart2] {
            self.devices.refresh(id);
        }
        for tap in self.signals.taps.clone() {
            self.tell(tap, cx);
        }
        self.drive_waves(cx);
    }

    fn listening_uarts(&self) -> [u8; 3] {
        let devices = &self.devices;
        let mut heard_by = [0; 3];
        for (listener, rxd) in RXD.into_iter().enumerate() {
            let pad = match devices.gpio.signal_source(rxd.signal) {
                SignalSource::Pad { pin, .. } => Some(pin),
                SignalSource::Direct => self.is_without_matrix(rxd).then_some(rxd.pad),
                SignalSource::Constant(_) => None,
            };
            let Some(pad) = pad else { continue };
            for (listeners, txd) in heard_by.iter_mut().zip(TXD) {
                *listeners |= u8::from(self.carries(pad, txd)) << listener;
            }
        }
        heard_by
    }

    /// Whether IO_MUX connects a signal with the pad that it has without the matrix.
    fn is_without_matrix(&self, route: Route) -> bool {
        self.devices.io_mux.pad(route.pad).is_some_and(|it| it.function == route.function)
    }

    /// Whether an output is on a pad or on one that is wired to it.
    fn carries(&self, pad: u8, output: Route) -> bool {
        let on = |pad: u8| {
            self.devices.gpio.pad_signal(pad) == Some(output.signal)
                || pad == output.pad && self.is_without_matrix(output)
        };
        let partners = self.wires.iter().filter_map(|&(a, b)| match pad {
            _ if pad == a => Some(b),
            _ if pad == b => Some(a),
            _ => None,
        });
        on(pad) || partners.into_iter().any(on)
    }

    /// Connects two pads outside of the chip, for as long as it exists.
    pub(super) fn wire(&mut self, a: u8, b: u8) {
        self.wires.push((a, b));
        let cx = self.context();
        self.follow_wires();
        self.route(&cx);
    }

    /// A wire takes the level of the end that the chip drives, or else that of the outside.
    fn follow_wires(&mut self) {
        for &(a, b) in &self.wires {
            let gpio = &mut self.devices.gpio;
            let outside = |pad: u8| self.outside.get(usize::from(pad)).copied().flatten();
            let driven = |pad: u8| match gpio.output(pad) {
                output if output.enabled => Some(output.level),
                _ => outside(pad),
            };
            let (from_a, from_b) = (driven(a), driven(b));
            gpio.set_input(b, from_a.or(outside(b)));
            gpio.set_input(a, from_b.or(outside(a)));
        }
    }

    /// A person forces a level on a pad, or lets go of it.
    pub(super) fn drive(&mut self, pad: u8, level: Option<bool>) {
        let Some(forced) = self.forced.get_mut(usize::from(pad)) else { return };
        *forced = level;
        self.outside_changed(1 << pad);
    }

    /// Wires a part to pads, for as long as the chip exists.
    pub(super) fn fit(&mut self, fitting: Fitting) {
        let cx = self.context();
        let pads = self.fittings.add(fitting, cx.now);
        self.route(&cx);
        // It takes its pads for low until it hears of them.
        let found = ones_of(pads & self.fittings.heard());
        for pad in found.filter(|pad| self.devices.gpio.pad_level(*pad)) {
            self.fittings.hear(pad, true, cx.now);
        }
        self.outside_changed(pads);
    }

    /// Lets parts do what they do by themselves, if its time has come.
    pub(super) fn move_parts(&mut self) {
        if self.fittings.due() <= self.now() {
            self.fittings.look(self.now());
            self.outside_changed(self.fittings.pads());
        }
    }

    /// What the outside does to these pads may be something else than before.
    pub(super) fn outside_changed(&mut self, pads: u64) {
        let cx = self.context();
        self.connect_outside(pads, cx.now);
        self.follow_pads(&cx);
        self.update_lines();
    }

    /// Of a person and a part at the same pad the person is stronger.
    fn connect_outside(&mut self, pads: u64, now: Instant) {
        for pad in ones_of(pads) {
            let index = usize::from(pad);
            let drive = match self.forced[index] {
                Some(level) => Drive::Strong(level),
                None => self.fittings.drive(pad, now),
            };
            if let Some((adc, channel)) = Adc::of_gpio(pad) {
                self.devices.sens.set_analog_input(adc, channel, drive.millivolts());
            }
            if self.outside[index] != drive.level() {
                self.outside[index] = drive.level();
                self.devices.gpio.set_input(pad, drive.level());
            }
        }
        self.follow_wires();
        self.devices.refresh(Id::Gpio);
    }

    /// From now on changes of a pad's level are kept.
    pub(super) fn observe(&mut self, pad: u8) {
        self.observed |= 1_u64.checked_shl(pad.into()).unwrap_or(0);
        let cx = self.context();
        self.route(&cx);
    }

    /// Puts the present levels of LEDC and RMT on their pads.
    pub(super) fn drive_waves(&mut self, cx: &Context) {
        let (signals, devices) = (&self.signals, &mut self.devices);
        for channel in ones(signals.ledc) {
            let level = devices.ledc.level(channel, cx);
            devices.gpio.set_signal(LEDC_OUT + channel as u8, level);
        }
        for channel in ones(signals.rmt) {
            let level = devices.rmt.level(channel, cx);
            devices.gpio.set_signal(RMT_OUT + channel as u8, level);
        }
        let edges = ones(signals.ledc_watched).filter_map(|n| devices.ledc.next_edge(n, cx));
        let edges =
            edges.chain(ones(signals.rmt_watched).filter_map(|n| devices.rmt.next_edge(n, cx)));
        self.signals.due = edges.min().unwrap_or(Instant::MAX);
        self.follow_pads(cx);
    }

    /// Passes changed levels of pads on to those who listen.
    pub(super) fn follow_pads(&mut self, cx: &Context) {
        if !self.wires.is_empty() && self.devices.gpio.take_output_changes() != 0 {
            self.follow_wires();
        }
        for _ in 0..MOST_ANSWERS {
            let changed = self.devices.gpio.take_level_changes();
            if changed == 0 {
                return;
            }
            self.spread_levels(changed, cx);
            let heard = changed & self.fittings.heard();
            if heard != 0 {
                self.tell_parts(heard, cx);
            }
        }
    }

    /// Tells parts of changed levels, and lets them answer.
    fn tell_parts(&mut self, heard: u64, cx: &Context) {
        for pad in ones_of(heard) {
            let level = self.devices.gpio.pad_level(pad);
            self.fittings.hear(pad, level, cx.now);
        }
        self.connect_outside(self.fittings.pads(), cx.now);
        self.nearer_deadline |= self.fittings.due() < self.slice_end;
    }

    fn spread_levels(&mut self, changed: u64, cx: &Context) {
        for gpio in (0..PINS).filter(|gpio| changed & self.observed & 1 << gpio != 0) {
            let level = self.devices.gpio.pad_level(gpio);
            self.edges.push(Edge { at: cx.now, gpio, level });
        }
        for pad in RtcPad::all().filter(|pad| changed >> pad.gpio() & 1 != 0) {
            let level = self.devices.gpio.pad_level(pad.gpio());
            self.devices.rtc_io.set_level(pad, level);
        }
        for n in 0..self.signals.taps.len() {
            let tap = self.signals.taps[n];
            if tap.pad.is_some_and(|pad| changed >> pad & 1 != 0) {
                self.tell(tap, cx);
            }
        }
        if self.devices.refresh(Id::Gpio) {
            self.update_lines();
        }
    }

    fn tell(&mut self, tap: Tap, cx: &Context) {
        let level = self.devices.gpio.signal_in(tap.signal);
        let id = match tap.listener {
            Listener::Pcnt { unit, channel, input } => {
                self.devices.pcnt.set_input(unit, channel, input, level, cx.now);
                Id::Pcnt
            }
            Listener::Rmt { channel } => {
                self.devices.rmt.set_input(channel, level, cx);
                Id::Rmt
            }
        };
        if self.devices.refresh(id) {
            self.update_lines();
        }
    }

    /// Lets UARTs hear what UART `speaker` has sent.
    pub(super) fn spread_uart(&mut self, speaker: usize, cx: &Context) {
        let listeners = self.signals.heard_by[speaker];
        if listeners == 0 {
            return;
        }
        let devices = &mut self.devices;
        while let Some((at, symbol)) = match speaker {
            0 => devices.uart0.take_echo(),
            1 => devices.uart1.take_echo(),
            _ => devices.uart2.take_echo(),
        } {
            for (listener, id) in [Id::Uart0, Id::Uart1, Id::Uart2].into_iter().enumerate() {
                if listeners >> listener & 1 != 0 {
                    devices.poll(id, cx);
                    match id {
                        Id::Uart0 => devices.uart0.hear(symbol, at),
                        Id::Uart1 => devices.uart1.hear(symbol, at),
                        _ => devices.uart2.hear(symbol, at),
                    }
                    devices.refresh(id);
                }
            }
        }
        self.update_lines();
    }

    /// Lets an I2C controller go on, with the parts that are at its lines.
    pub(super) fn serve_i2c(&mut self, id: Id, cx: &Context) {
        let (controller, (sda, scl)) = match id {
            Id::I2c0 => (&mut self.devices.i2c0, I2C[0]),
            _ => (&mut self.devices.i2c1, I2C[1]),
        };
        let gpio = &self.devices.gpio;
        let (sda, scl) = (gpio.signal_pads(sda), gpio.signal_pads(scl));
        controller.run(&mut self.fittings.i2c_bus(sda, scl, cx.now), cx);
    }

    /// What a SPI controller reads: what parts answer to what it sends, and where none does, what it
    /// reads with nothing attached.
    pub(super) fn miso(
        &mut self,
        signals: SpiSignals,
        transaction: &Transaction,
        now: Instant,
    ) -> Vec<u8> {
        let mut bytes = self.bare_miso(signals, transaction);
        let to: Vec<u8> = self.heard_pads_of(signals.mosi).collect();
        if to.is_empty() {
            return bytes;
        }
        let selects = signals.selects.into_iter().zip(0..).flat_map(|(select, n)| {
            let active = transaction.cs.has(n);
            self.heard_pads_of(select).map(move |pad| (pad, active))
        });
        let selects = selects.collect();
        let source = self.miso_source(signals);
        // Parts know nothing of commands and addresses, which are bits like others to them.
        let mut sent = transaction.sent();
        let first = match transaction.duplex {
            Duplex::Half => sent.len(),
            Duplex::Full => sent.len() - transaction.mosi_bits as usize / 8,
        };
        sent.resize(sent.len().max(first + bytes.len()), 0);
        let back = source.ok().map(|(pad, _)| pad);
        let exchange = SpiExchange { selects, to, back, sent };
        let answers = self.fittings.exchange_spi(&exchange, now);
        let inverted = source.is_ok_and(|(_, inverted)| inverted);
        for (byte, answer) in bytes.iter_mut().zip(answers.into_iter().skip(first)) {
            *byte = answer.map_or(*byte, |answer| if inverted { !answer } else { answer });
        }
        bytes
    }

    /// Pads at which a part listens, and this signal is.
    fn heard_pads_of(&self, output: Route) -> impl Iterator<Item = u8> {
        ones_of(self.fittings.heard()).filter(move |pad| self.carries(*pad, output))
    }

    /// Where a SPI controller listens: a pad, perhaps inverted, or a constant level.
    fn miso_source(&self, signals: SpiSignals) -> Result<(u8, bool), bool> {
        match self.devices.gpio.signal_source(signals.miso) {
            SignalSource::Pad { pin, inverted } => Ok((pin, inverted)),
            SignalSource::Direct => Ok((signals.miso_pad, false)),
            SignalSource::Constant(level) => Err(level),
        }
    }

    /// What a SPI controller reads with nothing attached: its own MOSI if that is on the same pad,
    /// else the level of the pad.
    fn bare_miso(&self, signals: SpiSignals, transaction: &Transaction) -> Vec<u8> {
        let gpio = &self.devices.gpio;
        let bytes = transaction.miso_bits.div_ceil(8) as usize;
        let (pad, inverted) = match self.miso_source(signals) {
            Ok(source) => source,
            Err(level) => return vec![if level { 0xff } else { 0 }; bytes],
        };
        if self.carries(pad, signals.mosi) {
            let mut echo = vec![0; bytes];
            if transaction.duplex == Duplex::Full {
                echo.iter_mut().zip(transaction.mosi.iter()).for_each(|(to, from)| *to = *from);
            }
            if inverted {
                echo.iter_mut().for_each(|byte| *byte = !*byte);
            }
            return echo;
        }
        let level = gpio.pad_level(pad);
        vec![if level != inverted { 0xff } else { 0 }; bytes]
    }

    /// Levels of the pads of the RTC domain, in the order of its numbers.
    pub(super) fn rtc_pads(&self) -> u32 {
        RtcPad::all().fold(0, |levels, pad| {
            levels | u32::from(self.devices.gpio.pad_level(pad.gpio())) << pad.number()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::parts::nor_flash::{FlashIdentity, FlashSize, NorFlash};
    use crate::peripherals::efuse::EfuseConfig;
    use crate::peripherals::{Clocks, Peripheral as _};
    use crate::soc::devices::{DeviceConfig, Devices};
    use crate::time::Duration;

    const GPIO: u32 = 0x3ff4_4000;
    const IO_MUX: u32 = 0x3ff4_9000;
    const LEDC: u32 = 0x3ff5_9000;

    fn system() -> System {
        let devices = Devices::new(&DeviceConfig { efuse: EfuseConfig::default(), seed: 1 });
        let flash = NorFlash::new(FlashSize::MiB4, FlashIdentity::of(0xc8, 0x40));
        let mut system = System::new([&[], &[]], devices, flash, None, Clocks::default());
        let cx = system.context();
        system.serve_pads(Id::IoMux, &cx);
        system.serve_pads(Id::RtcIo, &cx);
        system
    }

    fn write(system: &mut System, address: u32, value: u32) {
        let cx = system.context();
        let id = system.devices.write(address, value, &cx).unwrap();
        system.serve(id, &cx);
    }

    fn read(system: &mut System, address: u32) -> u32 {
        let cx = system.context();
        if system.signals.has_waves() && Devices::is_pad_input(address) {
            system.drive_waves(&cx);
        }
        system.devices.read(address, &cx).0
    }

    fn until(system: &mut System, us: u64) {
        let end = Instant::ZERO + Duration::from_micros(us);
        while system.next_deadline() <= end {
            let due = system.next_deadline();
            system.advance(due);
            system.poll_due();
        }
        system.advance(end);
    }

    /// A pad as GPIO with its input on, and its output enabled.
    fn open_pad(system: &mut System, gpio: u32, io_mux: u32) {
        write(system, IO_MUX + io_mux, 2 << 12 | 1 << 9);
        write(system, GPIO + 0x24, 1 << gpio);
    }

    #[test]
    fn a_pwm_is_seen_on_its_pad_and_counted_through_a_wire() {
        let mut system = system();
        open_pad(&mut system, 19, 0x74);
        write(&mut system, IO_MUX + 0x70, 2 << 12 | 1 << 9);
        system.wire(19, 18);
        write(&mut system, GPIO + 0x530 + 4 * 19, LEDC_OUT.into());
        write(&mut system, GPIO + 0x130 + 4 * 39, 1 << 7 | 18);
        // Unit 0 of PCNT: rising edges count up, no control.
        write(&mut system, 0x3ff5_7000, 1 << 18);
        write(&mut system, 0x3ff5_70b0, 0);
        // 40 MHz / 40, 10 bits: 1.024 ms; the first half high.
        write(&mut system, LEDC + 0x140, 1 << 25 | 40 << 13 | 10);
        write(&mut system, LEDC + 0x08, 512 << 4);
        write(&mut system, LEDC, 1 << 2);
        write(&mut system, LEDC + 0x0c, 1 << 31 | 1 << 30);
        until(&mut system, 10_000);
        let levels = [0, 100, 600, 1_024, 1_700].map(|us| {
            until(&mut system, 10_240 + us);
            (read(&mut system, GPIO + 0x3c) >> 18 & 3, system.devices.pcnt.count(0))
        });
        assert_eq!(
            levels,
            [(3, Some(10)), (3, Some(10)), (0, Some(10)), (3, Some(11)), (0, Some(11))]
        );
    }

    #[test]
    fn the_edges_of_an_observed_pwm_are_kept_with_their_times() {
        let mut system = system();
        open_pad(&mut system, 19, 0x74);
        system.observe(19);
        write(&mut system, GPIO + 0x530 + 4 * 19, LEDC_OUT.into());
        // 40 MHz / 40, 10 bits: 1.024 ms; a quarter of it high.
        write(&mut system, LEDC + 0x140, 1 << 25 | 40 << 13 | 10);
        write(&mut system, LEDC + 0x08, 256 << 4);
        write(&mut system, LEDC, 1 << 2);
        write(&mut system, LEDC + 0x0c, 1 << 31 | 1 << 30);
        until(&mut system, 2_400);
        let edge =
            |us, level| Edge { at: Instant::ZERO + Duration::from_micros(us), gpio: 19, level };
        // A new duty counts from the next overflow of the timer on.
        let edges = [(1_024, true), (1_280, false), (2_048, true), (2_304, false)];
        assert_eq!(system.edges, edges.map(|(us, level)| edge(us, level)));
    }

    #[test]
    fn the_outside_drives_a_pad_and_lets_go_of_it() {
        let mut system = system();
        write(&mut system, IO_MUX + 0x70, 2 << 12 | 1 << 9 | 1 << 8);
        let level = |system: &mut System| read(system, GPIO + 0x3c) >> 18 & 1;
        assert_eq!(level(&mut system), 1, "the pull-up");
        system.observe(18);
        system.drive(18, Some(false));
        assert_eq!(level(&mut system), 0);
        system.drive(18, None);
        assert_eq!(level(&mut system), 1);
        let levels: Vec<_> = system.edges.iter().map(|edge| (edge.gpio, edge.level)).collect();
        assert_eq!(levels, [(18, false), (18, true)]);
    }

    #[test]
    fn two_uarts_hear_each_other_over_crossed_wires() {
        let mut system = system();
        open_pad(&mut system, 19, 0x74);
        open_pad(&mut system, 5, 0x6c);
        write(&mut system, GPIO + 0x530 + 4 * 19, 17);
        write(&mut system, GPIO + 0x130 + 4 * 198, 1 << 7 | 18);
        system.wire(19, 18);
        let cx = system.context();
        system.devices.uart1.clocks_changed(&cx);
        write(&mut system, 0x3ff5_0000, 0x5a);
        until(&mut system, 1_000);
        let count = |system: &mut System, base: u32| read(system, base + 0x1c) & 0xff;
        assert_eq!(
            [0x3ff4_0000, 0x3ff5_0000, 0x3ff6_e000].map(|it| count(&mut system, it)),
            [0, 0, 1]
        );
        assert_eq!(read(&mut system, 0x3ff6_e000), 0x5a);
    }

    #[test]
    fn a_uart_on_its_own_pads_hears_itself_over_a_loop_back() {
        let mut system = system();
        for io_mux in [0x50, 0x4c] {
            write(&mut system, IO_MUX + io_mux, 4 << 12 | 1 << 9);
        }
        let cx = system.context();
        system.devices.uart2.clocks_changed(&cx);
        let hears = |system: &mut System, end| {
            write(system, 0x3ff6_e000, 0x5a);
            until(system, end);
            read(system, 0x3ff6_e01c) & 0xff == 1
        };
        assert!(!hears(&mut system, 1_000));
        system.wire(16, 17);
        assert!(hears(&mut system, 2_000));
    }

    #[test]
    fn a_held_pad_keeps_its_level() {
        let mut system = system();
        open_pad(&mut system, 18, 0x70);
        write(&mut system, GPIO + 0x08, 1 << 18);
        write(&mut system, 0x3ff4_8474, 1 << 11);
        write(&mut system, GPIO + 0x0c, 1 << 18);
        assert_eq!(read(&mut system, GPIO + 0x3c) >> 18 & 1, 1);
        write(&mut system, 0x3ff4_8474, 0);
        assert_eq!(read(&mut system, GPIO + 0x3c) >> 18 & 1, 0);
    }

    #[test]
    fn the_pulls_of_rtc_pads_come_from_rtc_io() {
        let mut system = system();
        write(&mut system, IO_MUX + 0x20, 2 << 12 | 1 << 9);
        write(&mut system, 0x3ff4_848c, 1 << 27);
        assert_eq!(read(&mut system, GPIO + 0x40) >> 1 & 1, 1);
        assert_eq!(system.rtc_pads() >> 8 & 1, 1);
        write(&mut system, 0x3ff4_848c, 0);
        assert_eq!(read(&mut system, GPIO + 0x40) >> 1 & 1, 0);
    }

    #[test]
    fn no_register_of_the_pads_panics() {
        let mut system = system();
        for address in (GPIO..GPIO + 0x1000).chain(IO_MUX..IO_MUX + 0x100).step_by(4) {
            write(&mut system, address, u32::MAX);
            read(&mut system, address);
        }
        until(&mut system, 1_000);
    }
}
