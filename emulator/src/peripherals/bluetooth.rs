//! Page 0x3FF7_1000: Bluetooth link controllers (RWBT, RWBLE) and two words of the Wi-Fi PHY.
//!
//! Source: no public manual; offsets from what the controller library reads and what it asserts
//! on, found by running it.
//! Modelled: the clock samples of both controllers (write bit 31, read back a slot count with
//! bit 31 clear) and the version of the LE core. Slots are 625 us, as the Bluetooth Core
//! Specification has them; the count starts with device time.
//! Not modelled: the radio, exchange memory, and every interrupt (sources 3 to 9 stay low). The
//! controller initialises and never hears anything. The other words are declared storage.

use super::{Context, Peripheral, Stores, Unmodelled, stores};
use crate::time::Duration;

mod reg {
    /// Clock sample of the classic controller.
    pub(super) const BT_CLOCK_SAMPLE: u32 = 0x01c;
    /// Version of the LE core; the library asserts on it.
    pub(super) const BLE_VERSION: u32 = 0x204;
    /// Clock sample of the LE controller.
    pub(super) const BLE_CLOCK_SAMPLE: u32 = 0x21c;
}

const BLE_VERSION: u32 = 0x0800_0900;
const SAMPLE: u32 = 1 << 31;
const SLOT_COUNT: u64 = (1 << 27) - 1;
const SLOT: Duration = Duration::from_micros(625);

/// The page; no interrupt lines.
#[derive(Debug, Clone, Default)]
pub struct Bluetooth {
    bt_sample: u32,
    ble_sample: u32,
}

/// What a write to a sample register leaves there: bit 31 asks for the count and clears itself.
fn sampled(value: u32, cx: &Context) -> u32 {
    if value & SAMPLE == 0 {
        return value;
    }
    ((cx.now.ticks() / SLOT.ticks()) & SLOT_COUNT) as u32
}

impl Peripheral for Bluetooth {
    const NAME: &'static str = "BLUETOOTH";
    const STORES: &'static [Stores] = &[stores(0, 0xffc)];

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        match offset {
            reg::BT_CLOCK_SAMPLE => Ok(self.bt_sample),
            reg::BLE_VERSION => Ok(BLE_VERSION),
            reg::BLE_CLOCK_SAMPLE => Ok(self.ble_sample),
            _ => Err(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::BT_CLOCK_SAMPLE => self.bt_sample = sampled(value, cx),
            reg::BLE_VERSION => {}
            reg::BLE_CLOCK_SAMPLE => self.ble_sample = sampled(value, cx),
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

    #[test]
    fn a_clock_sample_is_ready_at_once_and_counts_slots() {
        let mut page = Bluetooth::default();
        let cx = Context::at(Instant::ZERO + Duration::from_micros(6_250), Clocks::default());
        for sample in [0x01c, 0x21c] {
            page.write(sample, 1 << 31, &cx).unwrap();
            assert_eq!(page.read(sample, &cx), Ok(10));
        }
        assert_eq!(page.read(0x204, &cx), Ok(0x0800_0900));
    }

    #[test]
    fn no_access_panics() {
        sweep(&Bluetooth::default(), 0x1000);
    }
}
