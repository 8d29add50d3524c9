//! Switching the crypto engines on and off.
//!
//! *Source*: `rom/sha.h`, `rom/aes.h`, `rom/bigint.h` of ESP-IDF; TRM chapter "DPORT Registers".
//! *Modelled*: clock and reset bits.
//! *Not modelled*: the ROM's own drivers of the engines, which ESP-IDF does not link.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

const PERI_CLK_EN: u32 = 0x3ff0_001c;
const PERI_RST_EN: u32 = 0x3ff0_0020;
const AES: u32 = 1 << 0;
const SHA: u32 = 1 << 1;
const RSA: u32 = 1 << 2;
const SECURE_BOOT: u32 = 1 << 3;
const DIGITAL_SIGNATURE: u32 = 1 << 4;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4005_c07c, "ets_sha_enable", &[ets_sha_enable]),
    entry(0x4005_c0a8, "ets_sha_disable", &[ets_sha_disable]),
    entry(0x4005_c498, "ets_bigint_enable", &[ets_bigint_enable]),
    entry(0x4005_c4e0, "ets_bigint_disable", &[ets_bigint_disable]),
    entry(0x4005_c8cc, "ets_aes_enable", &[ets_aes_enable]),
    entry(0x4005_c8f8, "ets_aes_disable", &[ets_aes_disable]),
];

/// Clock on; out of reset, together with the engines that hold this one in reset.
fn enable(call: &mut Call<'_>, engine: u32, resets: u32) -> Result<Outcome, Stop> {
    call.modify(PERI_CLK_EN, engine, engine)?;
    call.modify(PERI_RST_EN, resets, 0)?;
    call.charge(12);
    Ok(Outcome::Void)
}

fn disable(call: &mut Call<'_>, engine: u32) -> Result<Outcome, Stop> {
    call.modify(PERI_RST_EN, engine, engine)?;
    call.modify(PERI_CLK_EN, engine, 0)?;
    call.charge(12);
    Ok(Outcome::Void)
}

/// `void ets_sha_enable(void)`
fn ets_sha_enable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    enable(call, SHA, SHA | SECURE_BOOT)
}

/// `void ets_sha_disable(void)`
fn ets_sha_disable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    disable(call, SHA)
}

/// `void ets_bigint_enable(void)`
fn ets_bigint_enable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    enable(call, RSA, RSA | DIGITAL_SIGNATURE)
}

/// `void ets_bigint_disable(void)`
fn ets_bigint_disable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    disable(call, RSA)
}

/// `void ets_aes_enable(void)`
fn ets_aes_enable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    enable(call, AES, AES | SECURE_BOOT | DIGITAL_SIGNATURE)
}

/// `void ets_aes_disable(void)`
fn ets_aes_disable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    disable(call, AES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::FakeGuest;

    #[test]
    fn an_engine_is_clocked_before_it_leaves_reset() {
        let mut guest = FakeGuest::new(64);
        guest.set_register(PERI_RST_EN, 0x1f);
        guest.call("ets_sha_enable", &[]);
        assert_eq!(guest.register(PERI_CLK_EN), SHA);
        assert_eq!(guest.register(PERI_RST_EN), AES | RSA | DIGITAL_SIGNATURE);
        guest.call("ets_sha_disable", &[]);
        assert_eq!(guest.register(PERI_CLK_EN), 0);
        assert_eq!(guest.register(PERI_RST_EN) & SHA, SHA);
    }
}
