//! The DMA engine of the SDIO slave (SLC), of which only its idleness is modelled.
//!
//! Source: ESP-IDF `soc/slc_reg.h` for the links' registers; what a chip's ROM waits for when it
//! prepares the SDIO slave for a download: it stops the links, and goes on when they are parked.
//! Modelled: both links of channel 0 keep their descriptor address and are always parked.
//! Not modelled: everything else. No SDIO host is ever connected.

use super::{Context, Peripheral, Stores, Unmodelled, stores};

mod reg {
    pub(super) const RX_LINK: u32 = 0x3c;
    pub(super) const TX_LINK: u32 = 0x40;
}

const ADDRESS: u32 = 0xf_ffff;
const PARKED: u32 = 1 << 31;

/// The engine; no interrupt lines.
#[derive(Debug, Clone, Default)]
pub struct Slc {
    rx_link: u32,
    tx_link: u32,
}

impl Peripheral for Slc {
    const NAME: &'static str = "SLC";
    const STORES: &'static [Stores] = &[stores(0x00, 0x38), stores(0x44, 0xffc)];

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        match offset {
            reg::RX_LINK => Ok(self.rx_link | PARKED),
            reg::TX_LINK => Ok(self.tx_link | PARKED),
            _ => Err(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::RX_LINK => self.rx_link = value & ADDRESS,
            reg::TX_LINK => self.tx_link = value & ADDRESS,
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
    fn a_link_that_is_started_or_stopped_is_parked_all_the_same() {
        let mut slc = Slc::default();
        let cx = Context::at(Instant::ZERO, Clocks::default());
        for link in [0x3c, 0x40] {
            slc.write(link, 7 << 28 | 0x1_2345, &cx).unwrap();
            assert_eq!(slc.read(link, &cx), Ok(1 << 31 | 0x1_2345));
        }
    }

    #[test]
    fn no_access_panics() {
        sweep(&Slc::default(), 0x1000);
    }
}
