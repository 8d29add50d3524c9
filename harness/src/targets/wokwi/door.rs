//! The way to a server of the Simulation API: address, token, WebSocket, TLS.
//!
//! Source: `wokwi-cli` 0.26 and `wokwi-client` 0.5, which send the token as `Authorization: Bearer`, take
//! the server from `WOKWI_CLI_SERVER`, and try again after the answers 408, 503 and 524.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_platform_verifier::BuilderVerifierExt;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::{Request, header};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, WebSocket};

use super::api::ApiError;

/// The environment variable with the server; Wokwi's own if it is not set.
pub const SERVER: &str = "WOKWI_CLI_SERVER";
/// The environment variable with the token.
pub const TOKEN: &str = "WOKWI_CLI_TOKEN";
/// Wokwi's own server.
const WOKWI: &str = "wss://wokwi.com/api/ws/beta";

/// The largest message: an image of 16 MiB in base64 is 22 MiB.
const LARGEST: usize = 64 << 20;
/// Wall time for a connection, and for one write.
const PATIENCE: Duration = Duration::from_secs(30);
/// Wall time of one look at the socket.
const LOOK: Duration = Duration::from_millis(500);
/// Answers after which another attempt makes sense.
const BUSY: [u16; 3] = [408, 503, 524];

/// Where a server is, and what it wants to know.
#[derive(Clone)]
pub struct Door {
    /// Its address.
    pub server: String,
    /// Who comes.
    pub token: String,
    /// Wall time before each further attempt if it is busy.
    pub pauses: Vec<Duration>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Door {
    /// The door that the environment names; without a token there is none.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let said = |name| variable(name).filter(|value| !value.trim().is_empty());
        let server = said(SERVER).unwrap_or_else(|| WOKWI.to_owned());
        let pauses = [1, 2, 5, 10, 20].map(Duration::from_secs).into();
        Some(Self { server, token: said(TOKEN)?, pauses })
    }

    /// Whether it leads to Wokwi's own service.
    pub(in crate::targets) fn is_wokwis(&self) -> bool {
        let address = self.server.split_once("://").map_or("", |(_, address)| address);
        let host = address.split(['/', ':']).next().unwrap_or_default();
        host == "wokwi.com" || host.ends_with(".wokwi.com")
    }

    /// A connection; tries again as long as the server says that it is busy.
    pub(super) fn enter(&self) -> Result<WebSocket<Wire>, ApiError> {
        let mut pauses = self.pauses.iter();
        loop {
            match self.try_to_enter() {
                Err(Knock::Busy(why)) => match pauses.next() {
                    Some(pause) => std::thread::sleep(*pause),
                    None => return Err(self.closed(why)),
                },
                Err(Knock::Closed(why)) => return Err(self.closed(why)),
                Ok(socket) => return Ok(socket),
            }
        }
    }

    fn closed(&self, why: String) -> ApiError {
        ApiError::Unreachable { server: self.server.clone(), why }
    }

    fn request(&self) -> Result<Request<()>, Error> {
        let mut request = self.server.as_str().into_client_request()?;
        let bearer = format!("Bearer {}", self.token.trim()).parse();
        let bearer = bearer.map_err(|_| {
            let what = format!("{TOKEN} has characters that no token has");
            Error::Io(io::Error::new(io::ErrorKind::InvalidInput, what))
        })?;
        let agent = concat!("benchrig/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        request.headers_mut().insert(header::USER_AGENT, header::HeaderValue::from_static(agent));
        Ok(request)
    }

    fn try_to_enter(&self) -> Result<WebSocket<Wire>, Knock> {
        let request = self.request().map_err(|error| Knock::Closed(error.to_string()))?;
        let wire = Wire::to(&request).map_err(|error| Knock::Closed(error.to_string()))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(LARGEST))
            .max_frame_size(Some(LARGEST));
        let entered = tungstenite::client::client_with_config(request, wire, Some(config));
        let (socket, _) = entered.map_err(|trouble| match trouble {
            HandshakeError::Failure(Error::Http(answer)) => {
                let status = answer.status();
                match status.as_u16() {
                    401 | 403 => Knock::Closed(format!(
                        "it does not accept the token ({status}): see {TOKEN}"
                    )),
                    busy if BUSY.contains(&busy) => Knock::Busy(format!("it is busy ({status})")),
                    _ => Knock::Closed(format!("it answers {status}")),
                }
            }
            HandshakeError::Failure(error) => Knock::Closed(error.to_string()),
            HandshakeError::Interrupted(_) => Knock::Closed("it does not answer".to_owned()),
        })?;
        let look = socket.get_ref().tcp().set_read_timeout(Some(LOOK));
        look.map_err(|error| Knock::Closed(error.to_string()))?;
        Ok(socket)
    }
}

/// Why a server was not entered.
enum Knock {
    /// It may be at another time.
    Busy(String),
    Closed(String),
}

/// The bytes of a connection.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    fn to(request: &Request<()>) -> io::Result<Self> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let uri = request.uri();
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(wrong("an address begins with ws:// or wss://")),
        };
        let host = uri.host().ok_or_else(|| wrong("the address has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let mut outcome = Err(wrong("the host has no address"));
        for address in (host, port).to_socket_addrs()? {
            outcome = TcpStream::connect_timeout(&address, PATIENCE);
            if outcome.is_ok() {
                break;
            }
        }
        let tcp = outcome?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        if !secure {
            return Ok(Self::Plain(tcp));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_platform_verifier())
            .map_err(io::Error::other)?
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(tls, tcp))))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref(),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
