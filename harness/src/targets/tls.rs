//! TLS on the servers of a network, by rustls.
//!
//! A run is a function of its inputs, so nothing here may be random: random numbers of a connection
//! come from a generator that the seed and the connection's number begin; keys of the key exchange are
//! drawn from it, and signatures follow from key and message (RFC 6979). Sessions are not resumed,
//! since a store of them would be shared by copies of a network.
//!
//! rustls asks for random numbers through statics. So each call into it is made with the generator of
//! its connection in hand ([`with`]), and the statics draw from that.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use esp32_emulator::net::{Secure, SecureEnd};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup, ring,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{self, CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{
    Error, NamedGroup, ProtocolVersion, ServerConfig, ServerConnection, SignatureAlgorithm,
    SignatureScheme,
};
use sha2::{Digest, Sha256};

use crate::authority::Identity;

thread_local! {
    /// The generator of the connection that is being served.
    static GENERATOR: RefCell<Option<ChaCha20Rng>> = const { RefCell::new(None) };
}

/// Calls into rustls with a connection's generator in hand.
fn with<T>(generator: &mut ChaCha20Rng, call: impl FnOnce() -> T) -> T {
    GENERATOR.with(|hand| *hand.borrow_mut() = Some(generator.clone()));
    let result = call();
    if let Some(used) = GENERATOR.with(|hand| hand.borrow_mut().take()) {
        *generator = used;
    }
    result
}

fn draw(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    GENERATOR.with(|hand| match &mut *hand.borrow_mut() {
        Some(generator) => {
            generator.fill_bytes(bytes);
            Ok(())
        }
        None => Err(GetRandomFailed),
    })
}

/// Random numbers of the generator in hand.
#[derive(Debug)]
struct FromGenerator;

impl SecureRandom for FromGenerator {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        draw(bytes)
    }
}

/// Key exchange over the curve P-256 (RFC 8422), which every client of today can.
#[derive(Debug)]
struct P256;

impl SupportedKxGroup for P256 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut bytes = [0; 32];
        loop {
            draw(&mut bytes)?;
            // Almost every number of 32 bytes is a key.
            if let Ok(key) = SecretKey::from_slice(&bytes) {
                let public = key.public_key().to_sec1_point(false).as_bytes().to_vec();
                return Ok(Box::new(Exchange { key, public }));
            }
        }
    }

    fn ffdhe_group(&self) -> Option<rustls::ffdhe_groups::FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

struct Exchange {
    key: SecretKey,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let wrong = rustls::PeerMisbehaved::InvalidKeyShare;
        let peer = PublicKey::from_sec1_bytes(peer).map_err(|_| Error::from(wrong))?;
        let secret = p256::ecdh::diffie_hellman(self.key.to_nonzero_scalar(), peer.as_affine());
        Ok(SharedSecret::from(secret.raw_secret_bytes().as_slice()))
    }

    fn ffdhe_group(&self) -> Option<rustls::ffdhe_groups::FfdheGroup<'static>> {
        None
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

/// A key that signs the same bytes in the same way every time.
#[derive(Debug, Clone)]
struct Key(SigningKey);

impl sign::SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn sign::Signer>> {
        let can = offered.contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
        can.then(|| Box::new(self.clone()) as Box<dyn sign::Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl sign::Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: DerSignature = self.0.sign(message);
        Ok(signature.as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// The scenario's date, for all of a case: nothing that is told depends on it.
#[derive(Debug)]
struct Date(u64);

impl TimeProvider for Date {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

/// TLS for the connections of one server.
#[derive(Debug)]
pub(super) struct Tls {
    config: Arc<ServerConfig>,
    seed: u64,
    host: String,
}

impl Tls {
    /// A server with this certificate.
    ///
    /// # Errors
    /// What the library has against it.
    pub(super) fn new(host: &str, identity: Identity, seed: u64, date: u64) -> Result<Self, Error> {
        let provider = CryptoProvider {
            kx_groups: vec![&P256],
            secure_random: &FromGenerator,
            ..ring::default_provider()
        };
        let chain = vec![CertificateDer::from(identity.certificate)];
        let key = CertifiedKey::new(chain, Arc::new(Key(identity.key)));
        let config = ServerConfig::builder_with_details(Arc::new(provider), Arc::new(Date(date)));
        let mut config = config
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), seed, host: host.to_owned() })
    }
}

impl Secure for Tls {
    fn accept(&self, number: u64) -> Box<dyn SecureEnd> {
        let mut hash = Sha256::new();
        hash.update(b"benchrig TLS connection");
        hash.update(self.seed.to_le_bytes());
        hash.update(number.to_le_bytes());
        hash.update(self.host.as_bytes());
        let mut generator = ChaCha20Rng::from_seed(hash.finalize().into());
        let connection = with(&mut generator, || ServerConnection::new(self.config.clone()));
        let (connection, trouble) = match connection {
            Ok(connection) => (Some(connection), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Box::new(End { connection, generator, plain: Vec::new(), is_finished: false, trouble })
    }
}

#[derive(Debug)]
struct End {
    connection: Option<ServerConnection>,
    generator: ChaCha20Rng,
    plain: Vec<u8>,
    is_finished: bool,
    /// What is wrong, and was not told.
    trouble: Option<String>,
}

impl SecureEnd for End {
    fn receive(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let (plain, is_finished) = (&mut self.plain, &mut self.is_finished);
        with(&mut self.generator, || {
            while !bytes.is_empty() {
                // Reading from memory fails only when what was decrypted is not taken, which it is.
                let taken = connection.read_tls(&mut bytes).map_err(|error| error.to_string())?;
                let state = connection.process_new_packets().map_err(|error| error.to_string())?;
                let mut piece = vec![0; state.plaintext_bytes_to_read()];
                let size = connection.reader().read(&mut piece).unwrap_or(0);
                plain.extend_from_slice(&piece[..size]);
                *is_finished |= state.peer_has_closed();
                if taken == 0 {
                    break;
                }
            }
            Ok(())
        })
    }

    fn take_plain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.plain)
    }

    fn send(&mut self, plain: &[u8]) {
        let Some(connection) = &mut self.connection else { return };
        // Its buffer is emptied behind each piece, and larger than all that is sent at a time.
        with(&mut self.generator, || drop(connection.writer().write_all(plain)));
    }

    fn close(&mut self) {
        if let Some(connection) = &mut self.connection {
            with(&mut self.generator, || connection.send_close_notify());
        }
    }

    fn take_output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        if let Some(connection) = &mut self.connection {
            // Writing into memory does not fail.
            while connection.wants_write() && connection.write_tls(&mut output).is_ok() {}
        }
        output
    }

    fn is_finished(&self) -> bool {
        self.is_finished
    }

    fn agreement(&self) -> Option<String> {
        let connection = self.connection.as_ref().filter(|it| !it.is_handshaking())?;
        let version = match connection.protocol_version()? {
            ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
            ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
            other => format!("{other:?}"),
        };
        let suite = connection.negotiated_cipher_suite()?.suite();
        let name = connection.server_name().map_or(String::new(), |name| format!(" for {name}"));
        Some(format!("{version}, {suite:?}{name}"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;
    use crate::authority::{Authority, Flaw};

    const DATE: u64 = 1_767_225_600;

    fn server(flaw: Flaw) -> (Tls, Authority) {
        let authority = Authority::new(1, DATE).expect("an authority");
        let addresses = [Ipv4Addr::new(192, 168, 0, 4), Ipv4Addr::new(10, 0, 0, 7)];
        let identity = authority.identity("laptop", &addresses, flaw).expect("an identity");
        (Tls::new("laptop", identity, 1, DATE).expect("a server"), authority)
    }

    /// What the server says in one connection, and what it has heard; or what the client has against
    /// it. The client's random numbers are the same every time.
    fn talk(tls: &Tls, authority: &Authority, number: u64) -> Result<(Vec<u8>, String), String> {
        talk_with("laptop", tls, authority, number)
    }

    /// The same with a server that the client calls so.
    fn talk_with(
        name: &'static str,
        tls: &Tls,
        authority: &Authority,
        number: u64,
    ) -> Result<(Vec<u8>, String), String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.der().to_vec())).expect("a certificate");
        let provider = CryptoProvider {
            kx_groups: vec![&P256],
            secure_random: &FromGenerator,
            ..ring::default_provider()
        };
        let config = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(Date(DATE)));
        let config = config.with_safe_default_protocol_versions().expect("versions");
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name).expect("a name");
        let mut dice = ChaCha20Rng::from_seed([7; 32]);
        let client = with(&mut dice, || ClientConnection::new(Arc::new(config), name));
        let mut client = client.expect("a client");
        let mut end = tls.accept(number);
        client.writer().write_all(b"hello").expect("room");
        let (mut said, mut heard) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            let mut bytes = Vec::new();
            with(&mut dice, || {
                while client.wants_write() {
                    client.write_tls(&mut bytes).expect("memory");
                }
            });
            end.receive(&bytes)?;
            heard.extend(end.take_plain());
            let output = end.take_output();
            said.extend_from_slice(&output);
            let result = with(&mut dice, || {
                client.read_tls(&mut &output[..]).expect("memory");
                client.process_new_packets().map(drop)
            });
            result.map_err(|error| error.to_string())?;
        }
        Ok((said, String::from_utf8(heard).expect("text")))
    }

    #[test]
    fn a_connection_says_the_same_every_time_and_another_one_does_not() {
        let (tls, authority) = server(Flaw::None);
        let (said, heard) = talk(&tls, &authority, 1).expect("a connection");
        assert_eq!(heard, "hello");
        let (again, other) = (server(Flaw::None), talk(&tls, &authority, 2).expect("another"));
        assert_eq!(said, talk(&again.0, &again.1, 1).expect("the same").0);
        assert_ne!(said, other.0);
    }

    #[test]
    fn a_client_that_checks_finds_what_is_wrong() {
        for (flaw, why) in [
            (Flaw::Expired, "expired"),
            (Flaw::WrongName, "not valid for"),
            (Flaw::UnknownAuthority, "UnknownIssuer"),
        ] {
            let (tls, authority) = server(flaw);
            let said = talk(&tls, &authority, 1).expect_err("refused");
            assert!(said.to_lowercase().contains(&why.to_lowercase()), "{said}");
        }
    }

    #[test]
    fn a_server_may_have_an_address_besides_that_of_the_scenario() {
        let (tls, authority) = server(Flaw::None);
        for name in ["laptop", "192.168.0.4", "10.0.0.7"] {
            assert_eq!(talk_with(name, &tls, &authority, 1).expect(name).1, "hello");
        }
        assert!(talk_with("10.0.0.8", &tls, &authority, 1).is_err());
    }

    #[test]
    fn what_is_no_tls_is_an_error() {
        let (tls, _) = server(Flaw::None);
        let mut end = tls.accept(1);
        assert!(end.receive(b"GET / HTTP/1.0\r\n\r\n").is_err());
        assert!(!end.take_output().is_empty(), "an alert");
        assert!(end.receive(b"more").is_err());
    }
}
