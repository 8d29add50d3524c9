//! Numbers used once: nonces, group keys, and whatever else differs between access points.
//!
//! Source: IEEE Std 802.11-2020, "RSNA reference implementations and test vectors", where nonces
//! come from a counter by the pseudorandom function of the key hierarchy. With the scenario's seed
//! in place of the random number it asks for, they are the same in every run.
//! Modelled: a stream of 256-bit numbers for each seed and address.
//! Not modelled: being unpredictable for those who know the seed.

use super::{KEY_LEN, NONCE_LEN, prf};
use crate::radio::mac_address::MacAddress;

/// A stream of numbers. That of one access point does not depend on the others.
#[derive(Debug, Clone)]
pub(in crate::radio) struct Nonces {
    seed: u64,
    address: MacAddress,
    counter: u64,
}

impl Nonces {
    pub(in crate::radio) const fn new(seed: u64, address: MacAddress) -> Self {
        Self { seed, address, counter: 0 }
    }

    /// The next number.
    pub(in crate::radio) fn nonce(&mut self) -> [u8; NONCE_LEN] {
        self.counter += 1;
        let mut context = self.address.0.to_vec();
        context.extend(self.counter.to_be_bytes());
        prf(&self.seed.to_be_bytes(), b"Init Counter", &context)
    }

    /// A key, which takes one number.
    pub(in crate::radio) fn key(&mut self) -> [u8; KEY_LEN] {
        let nonce = self.nonce();
        std::array::from_fn(|at| nonce[at])
    }

    /// A number below `n`, which must not be zero.
    pub(in crate::radio) fn below(&mut self, n: u64) -> u64 {
        let nonce = self.nonce();
        u64::from_be_bytes(std::array::from_fn(|at| nonce[at])) % n
    }
}
