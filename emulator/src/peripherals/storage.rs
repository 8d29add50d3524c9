//! Blocks that only keep what was written.
//!
//! Source: base addresses from `reg_base.h` of ESP-IDF v5.0; that memory is enough for the radio
//! pages was found by experiment with Wi-Fi scanning, joining and serving.
//! Modelled: nothing. Each page is declared storage, so that reports list it as such.
//! Not modelled: all behaviour of these blocks.

use super::{Context, Peripheral, Stores, Unmodelled, stores};

macro_rules! storage {
    ($($(#[$doc:meta])* $block:ident = $name:literal, $last:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, Default)]
            pub struct $block;

            impl Peripheral for $block {
                const NAME: &'static str = $name;
                const STORES: &'static [Stores] = &[stores(0, $last)];

                fn read(&mut self, _offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
                    Err(Unmodelled)
                }

                fn write(
                    &mut self,
                    _offset: u32,
                    _value: u32,
                    _cx: &Context,
                ) -> Result<(), Unmodelled> {
                    Err(Unmodelled)
                }

                fn reset(&mut self, _cx: &Context) {}
            }
        )*
    };
}

storage! {
    /// FE2 at 0x3FF4_5000: transmit gain and rate power tables.
    Fe2 = "FE2", 0xffc;
    /// Page 0x3FF5_1000: Bluetooth baseband words that the Wi-Fi PHY also writes.
    BtBb = "BT_BB", 0xffc;
    /// Page 0x3FF7_2000: a few accesses of the PHY's sleep code.
    PhySleep = "PHY_SLEEP", 0xffc;
}
