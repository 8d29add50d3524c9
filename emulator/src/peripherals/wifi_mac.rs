//! Page 0x3FF7_3000: the Wi-Fi MAC, as far as a driver can start it. Nothing is on the air.
//!
//! *Source*: no public manual. Register roles from the open MAC projects' register descriptions and
//! from what ESP-IDF's driver waits for when it starts and stops; which waits there are was found
//! by running it.
//!
//! *Modelled*: the state after reset and what the start-up and a channel change poll: the engine's
//! acknowledge of a reset request, the gate that stops transmission, the reload of the receive
//! list, the microsecond counter, clear registers that read as zero, interrupt status and enable.
//! No interrupt is ever raised.
//!
//! *Not modelled*: reception, transmission, filters, keys. The other words are declared storage.

use super::{Context, Peripheral, Stores, Unmodelled, stores};
use crate::time::Duration;

mod reg {
    /// Bit 0 asks to re-read the receive list and clears itself; bit 31 enables reception.
    pub(super) const RX_CONTROL: u32 = 0x084;
    pub(super) const RX_RELOAD: u32 = 1;
    /// Address of the first receive descriptor.
    pub(super) const RX_BASE: u32 = 0x088;
    /// The descriptor that the next frame will use.
    pub(super) const RX_NEXT: u32 = 0x08c;
    /// The descriptor that was used last.
    pub(super) const RX_LAST: u32 = 0x090;
    /// Microseconds, free-running.
    pub(super) const TIME: u32 = 0xc00;
    pub(super) const INT_STATUS: u32 = 0xc48;
    pub(super) const INT_CLEAR: u32 = 0xc4c;
    /// The gate around a channel change, bit 13: transmission under way.
    pub(super) const GATE: u32 = 0xcb8;
    pub(super) const GATE_BUSY: u32 = 1 << 13;
    /// Errors of transmit slots: clear, status.
    pub(super) const TX_ERROR_CLEAR: u32 = 0xcbc;
    pub(super) const TX_ERROR: u32 = 0xcc0;
    /// Transmit slots that have finished: clear, status.
    pub(super) const TX_DONE_CLEAR: u32 = 0xcc4;
    pub(super) const TX_DONE: u32 = 0xcc8;
    /// Bit 1 asks for a reset of the engine, bit 0 says that it rests.
    pub(super) const ENGINE: u32 = 0xd24;
    pub(super) const ENGINE_RESTS: u32 = 1;
}

/// What [`reg::RX_NEXT`] says when no descriptor is left.
const NO_DESCRIPTOR: u32 = 0x3ff0_0000;

const MICROSECOND: Duration = Duration::from_micros(1);

/// The page; no interrupt lines.
#[derive(Debug, Clone)]
pub struct WifiMac {
    rx_control: u32,
    rx_base: u32,
    rx_next: u32,
    gate: u32,
    engine: u32,
}

impl Default for WifiMac {
    fn default() -> Self {
        Self { rx_control: 0, rx_base: 0, rx_next: NO_DESCRIPTOR, gate: 0, engine: 0 }
    }
}

impl Peripheral for WifiMac {
    const NAME: &'static str = "WIFI_MAC";
    const STORES: &'static [Stores] = &[stores(0, 0xffc)];

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            reg::RX_CONTROL => self.rx_control,
            reg::RX_BASE => self.rx_base,
            reg::RX_NEXT => self.rx_next,
            reg::TIME => (cx.now.ticks() / MICROSECOND.ticks()) as u32,
            reg::GATE => self.gate & !reg::GATE_BUSY,
            reg::ENGINE => self.engine | reg::ENGINE_RESTS,
            reg::RX_LAST | reg::INT_STATUS | reg::INT_CLEAR => 0,
            reg::TX_ERROR_CLEAR | reg::TX_ERROR | reg::TX_DONE_CLEAR | reg::TX_DONE => 0,
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::RX_CONTROL => self.rx_control = value & !reg::RX_RELOAD,
            reg::RX_BASE => {
                self.rx_base = value;
                self.rx_next = if value == 0 { NO_DESCRIPTOR } else { value };
            }
            reg::GATE => self.gate = value,
            reg::ENGINE => self.engine = value,
            reg::RX_NEXT | reg::RX_LAST | reg::TIME | reg::INT_STATUS | reg::INT_CLEAR => {}
            reg::TX_ERROR_CLEAR | reg::TX_ERROR | reg::TX_DONE_CLEAR | reg::TX_DONE => {}
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::{Clocks, sweep::sweep};
    use crate::time::Instant;

    fn at(micros: u64) -> Context {
        Context::at(Instant::ZERO + Duration::from_micros(micros), Clocks::default())
    }

    #[test]
    fn what_a_driver_waits_for_when_it_starts_has_happened_at_once() {
        let mut mac = WifiMac::default();
        let cx = at(0);
        mac.write(reg::ENGINE, 2, &cx).unwrap();
        assert_eq!(mac.read(reg::ENGINE, &cx), Ok(3));
        mac.write(reg::GATE, 0x37ff, &cx).unwrap();
        assert_eq!(mac.read(reg::GATE, &cx), Ok(0x17ff));
        mac.write(reg::RX_CONTROL, 0x8000_0001, &cx).unwrap();
        assert_eq!(mac.read(reg::RX_CONTROL, &cx), Ok(0x8000_0000));
        mac.write(reg::INT_CLEAR, u32::MAX, &cx).unwrap();
        assert_eq!(mac.read(reg::INT_STATUS, &cx), Ok(0));
    }

    #[test]
    fn its_clock_counts_microseconds_of_device_time() {
        let mut mac = WifiMac::default();
        assert_eq!(mac.read(reg::TIME, &at(1_234_567)), Ok(1_234_567));
        assert_eq!(mac.read(reg::TIME, &at((1 << 32) + 5)), Ok(5));
    }

    #[test]
    fn the_receive_list_is_empty_until_one_is_given() {
        let mut mac = WifiMac::default();
        let cx = at(0);
        assert_eq!(mac.read(reg::RX_NEXT, &cx), Ok(NO_DESCRIPTOR));
        mac.write(reg::RX_BASE, 0x3ffb_0000, &cx).unwrap();
        assert_eq!(mac.read(reg::RX_NEXT, &cx), Ok(0x3ffb_0000));
        mac.reset(&cx);
        assert_eq!(mac.read(reg::RX_NEXT, &cx), Ok(NO_DESCRIPTOR));
    }

    #[test]
    fn no_access_panics() {
        sweep(&WifiMac::default(), 0x1000);
    }
}
