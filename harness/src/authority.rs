//! The certificate authority of a case: it vouches for the hosts that serve with TLS, and firmware may
//! be given its certificate.
//!
//! Keys, serial numbers and dates follow from the case's seed and the scenario's date, and signatures
//! from their keys and what is signed (RFC 6979); so the same case has the same certificates, to the
//! bit, in every run.

use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
    SerialNumber, SignatureAlgorithm,
};
use sha2::{Digest, Sha256};

const DAY: Duration = Duration::from_secs(86_400);
/// The last second that a certificate can name: the end of the year 9999 (RFC 5280, "Validity").
const LAST: u64 = 253_402_300_799;

/// What is wrong with a host's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flaw {
    /// Nothing.
    #[default]
    None,
    /// Its time was over a day ago.
    Expired,
    /// It is for another name.
    WrongName,
    /// An authority of which nobody knows has signed it.
    UnknownAuthority,
}

/// An authority.
#[derive(Debug)]
pub struct Authority {
    seed: u64,
    date: u64,
    certificate: Vec<u8>,
    issuer: Issuer<'static, Key>,
}

/// A host's certificate and key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate, in DER.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: SigningKey,
}

/// A key with its public half as it stands in certificates.
#[derive(Debug, Clone)]
struct Key {
    key: SigningKey,
    public: Vec<u8>,
}

impl Authority {
    /// The authority of a case, or a foreign one.
    ///
    /// # Errors
    /// The certificate cannot be written.
    fn named(name: &str, seed: u64, date: u64) -> Result<Self, rcgen::Error> {
        let key = Key::new(name, seed);
        let mut params = params(name, date, 10 * 365);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(key.serial());
        params.key_identifier_method = KeyIdMethod::PreSpecified(key.identifier());
        let certificate = params.self_signed(&key)?.der().to_vec();
        Ok(Self { seed, date, certificate, issuer: Issuer::new(params, key) })
    }

    /// The authority of a case with this seed, on the scenario's date in seconds since 1970.
    ///
    /// # Errors
    /// The certificate cannot be written.
    pub fn new(seed: u64, date: u64) -> Result<Self, rcgen::Error> {
        Self::named("benchrig", seed, date)
    }

    /// Its certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// Its certificate in PEM (RFC 7468).
    pub fn pem(&self) -> String {
        let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
        let text = STANDARD.encode(&self.certificate);
        for line in text.as_bytes().chunks(64) {
            pem += &String::from_utf8_lossy(line);
            pem.push('\n');
        }
        pem + "-----END CERTIFICATE-----\n"
    }

    /// Vouches for a host, by its name and its addresses.
    ///
    /// # Errors
    /// The name cannot stand in a certificate.
    pub fn identity(
        &self,
        name: &str,
        addresses: &[Ipv4Addr],
        flaw: Flaw,
    ) -> Result<Identity, rcgen::Error> {
        if flaw == Flaw::UnknownAuthority {
            let other = Self::named("somebody else", self.seed, self.date)?;
            return other.identity(name, addresses, Flaw::None);
        }
        let (name, addresses) = match flaw {
            Flaw::WrongName => ("somebody-else.example", &[][..]),
            _ => (name, addresses),
        };
        let key = Key::new(name, self.seed);
        // A day is over a day ago if it began two days ago.
        let date =
            if flaw == Flaw::Expired { self.date.saturating_sub(365 * 86_400) } else { self.date };
        let mut params = params(name, date, if flaw == Flaw::Expired { 363 } else { 365 });
        params.subject_alt_names = vec![SanType::DnsName(name.try_into()?)];
        let addresses = addresses.iter().map(|address| SanType::IpAddress((*address).into()));
        params.subject_alt_names.extend(addresses);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.serial_number = Some(key.serial());
        params.key_identifier_method = KeyIdMethod::PreSpecified(key.identifier());
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?.der().to_vec();
        Ok(Identity { certificate, key: key.key })
    }
}

/// What all certificates have: a name, and a time that began a day before the scenario.
fn params(name: &str, date: u64, days: u32) -> CertificateParams {
    let at =
        |seconds: u64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.min(LAST));
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = at(date.saturating_sub(DAY.as_secs()));
    params.not_after = at(date.saturating_add((DAY * days).as_secs()));
    params
}

impl Key {
    fn new(name: &str, seed: u64) -> Self {
        // Almost every number of 32 bytes is a key; the few that are none are passed over.
        let key = (0_u32..).find_map(|n| {
            let mut hash = Sha256::new();
            hash.update(b"benchrig certificate key");
            hash.update(seed.to_le_bytes());
            hash.update(n.to_le_bytes());
            hash.update(name.as_bytes());
            SigningKey::from_slice(&hash.finalize()).ok()
        });
        // The search has no end but a found key.
        let key = key.unwrap_or_else(|| unreachable!("one of 2^32 numbers is a key"));
        let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { key, public }
    }

    /// The number of its certificate: it has one only. At most 20 bytes, and positive (RFC 5280).
    fn serial(&self) -> SerialNumber {
        let mut bytes = self.identifier();
        bytes[0] = bytes[0] & 0x7f | 0x40;
        SerialNumber::from_slice(&bytes)
    }

    /// A hash of the public half, shortened to 160 bits (RFC 7093, method 1).
    fn identifier(&self) -> Vec<u8> {
        Sha256::digest(&self.public)[..20].to_vec()
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature = self.key.sign(message);
        Ok(signature.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 4);

    #[test]
    fn equal_seeds_give_equal_certificates_and_others_do_not() {
        let one = |seed: u64, date: u64| {
            let authority = Authority::new(seed, date).expect("an authority");
            let identity = authority.identity("laptop", &[ADDRESS], Flaw::None).expect("a host");
            (authority.pem(), identity.certificate)
        };
        let (pem, host) = one(1, 1_767_225_600);
        assert_eq!((pem.clone(), host.clone()), one(1, 1_767_225_600));
        assert_ne!(host, one(2, 1_767_225_600).1);
        assert_ne!(host, one(1, 1_770_000_000).1);
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\nMII"), "{pem}");
    }

    #[test]
    fn no_date_is_too_early_or_too_late() {
        for date in [0, LAST] {
            let authority = Authority::new(1, date).expect("an authority");
            for flaw in [Flaw::Expired, Flaw::WrongName, Flaw::UnknownAuthority] {
                assert!(authority.identity("laptop", &[ADDRESS], flaw).is_ok());
            }
        }
    }
}
