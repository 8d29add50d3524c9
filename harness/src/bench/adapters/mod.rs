//! Serial adapters: what the computer's end of a board's serial line can do.
//!
//! One trait for a port of this computer, for one that another computer serves by RFC 2217, and for
//! raw TCP. Only the first two have a speed, modem lines and breaks; without modem lines nothing can
//! be reset over the adapter.

mod local;
pub mod recording;
mod rfc2217;
mod tcp;

use std::fmt;
use std::net::TcpStream;
use std::str::FromStr;
use std::time::Duration;

use espflash::connection::Port;
use serde::Deserialize;

pub use crate::targets::emulated::ModemLines;

/// Speed of every port when it is opened, in baud: that of the chip's ROM.
pub const ROM_BAUD: u32 = 115_200;
/// How long another computer may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a board's serial line is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum PortName {
    /// A port of this computer, such as `/dev/ttyUSB0` or `COM3`.
    Local(String),
    /// `rfc2217://HOST:PORT`
    Rfc2217(String),
    /// Raw TCP: `socket://HOST:PORT`.
    Tcp(String),
}

impl FromStr for PortName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = |address: &str| {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            match port.map(|(_, port)| port.parse::<u16>()) {
                Some(Ok(_)) => Ok(address.to_owned()),
                _ => Err(format!("`{text}` needs a host and a port, as in rfc2217://desk:4000")),
            }
        };
        match text.split_once("://") {
            Some(("rfc2217", address)) => host(address).map(Self::Rfc2217),
            Some(("socket" | "tcp", address)) => host(address).map(Self::Tcp),
            Some((other, _)) => Err(format!(
                "`{other}://` is no way to a serial port: write rfc2217://HOST:PORT, \
                 socket://HOST:PORT, or the path of a local one"
            )),
            None if text.is_empty() => Err("the port is empty".to_owned()),
            None => Ok(Self::Local(text.to_owned())),
        }
    }
}

impl TryFrom<String> for PortName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => f.write_str(path),
            Self::Rfc2217(address) => write!(f, "rfc2217://{address}"),
            Self::Tcp(address) => write!(f, "socket://{address}"),
        }
    }
}

/// Trouble with an adapter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// It cannot be opened.
    #[error("cannot open {port}: {reason}{}", help(.remedy))]
    Open {
        /// Which.
        port: String,
        /// Why not.
        reason: String,
        /// What may help.
        remedy: Option<String>,
    },
    /// It has gone: unplugged, or the other computer closed the connection.
    #[error("{port} has gone: {reason}")]
    Gone {
        /// Which.
        port: String,
        /// What the system said.
        reason: String,
    },
    /// It has no such line or setting.
    #[error("{port} cannot {what}")]
    Cannot {
        /// Which.
        port: String,
        /// What was asked.
        what: String,
    },
}

fn help(remedy: &Option<String>) -> String {
    remedy.as_ref().map(|remedy| format!(" ({remedy})")).unwrap_or_default()
}

/// The computer's end of a serial line.
pub trait Adapter: Send {
    /// Bytes that have come, waiting up to `patience` for the first; how many. None means that the
    /// patience is over.
    ///
    /// # Errors
    /// When the adapter has gone.
    fn read(&mut self, into: &mut [u8], patience: Duration) -> Result<usize, AdapterError>;

    /// Sends bytes; comes back when the system has taken all of them.
    ///
    /// # Errors
    /// When the adapter has gone.
    fn write(&mut self, bytes: &[u8]) -> Result<(), AdapterError>;

    /// Changes the speed, in baud.
    ///
    /// # Errors
    /// When the adapter has gone or has no speed.
    fn set_baud(&mut self, baud: u32) -> Result<(), AdapterError>;

    /// Whether it has modem lines.
    fn has_modem_lines(&self) -> bool;

    /// Asserts and releases the modem lines: DTR first, so that GPIO0 of a two-transistor circuit is
    /// low before EN is let go.
    ///
    /// # Errors
    /// When the adapter has gone or has none.
    fn set_lines(&mut self, lines: ModemLines) -> Result<(), AdapterError>;

    /// Holds the line low for about 100 ms.
    ///
    /// # Errors
    /// When the adapter has gone or cannot.
    fn send_break(&mut self) -> Result<(), AdapterError>;

    /// A second handle of the same port, for a library that wants a port of this computer; nothing if
    /// it is none. Who has it changes the port for both.
    ///
    /// # Errors
    /// When the adapter has gone.
    fn native(&self) -> Result<Option<Port>, AdapterError> {
        Ok(None)
    }
}

/// Opens an adapter at [`ROM_BAUD`], with both modem lines released.
///
/// # Errors
/// [`AdapterError::Open`], which says what may help.
pub fn open(port: &PortName) -> Result<Box<dyn Adapter>, AdapterError> {
    match port {
        PortName::Local(path) => Ok(Box::new(local::Local::open(path)?)),
        PortName::Rfc2217(address) => Ok(Box::new(rfc2217::Rfc2217::open(address)?)),
        PortName::Tcp(address) => Ok(Box::new(tcp::Tcp::open(address)?)),
    }
}

/// A connection to another computer.
fn connect(port: &PortName, address: &str) -> Result<TcpStream, AdapterError> {
    let failed = |reason: String| AdapterError::Open {
        port: port.to_string(),
        reason,
        remedy: Some("does the server run, and is it the right port?".to_owned()),
    };
    let addresses = std::net::ToSocketAddrs::to_socket_addrs(address);
    let addresses = addresses.map_err(|error| failed(error.to_string()))?;
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                let ready = stream
                    .set_nodelay(true)
                    .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
                return ready.map(|()| stream).map_err(|error| failed(error.to_string()));
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(failed(last))
}

/// What a read with a time limit came to.
fn read_some(
    port: &PortName,
    stream: &mut TcpStream,
    into: &mut [u8],
    patience: Duration,
) -> Result<usize, AdapterError> {
    use std::io::{ErrorKind, Read};
    let gone = |reason: String| AdapterError::Gone { port: port.to_string(), reason };
    // A limit of nothing would be none at all.
    let patience = patience.max(Duration::from_micros(100));
    stream.set_read_timeout(Some(patience)).map_err(|error| gone(error.to_string()))?;
    loop {
        return match stream.read(into) {
            Ok(0) => Err(gone("the other end has closed the connection".to_owned())),
            Ok(count) => Ok(count),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(0),
                ErrorKind::Interrupted => continue,
                _ => Err(gone(error.to_string())),
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_pyserial_writes_them() {
        let local = PortName::Local("/dev/ttyUSB0".to_owned());
        assert_eq!("/dev/ttyUSB0".parse(), Ok(local));
        assert_eq!("COM3".parse(), Ok(PortName::Local("COM3".to_owned())));
        for text in ["rfc2217://desk:4000", "rfc2217://[::1]:4000", "socket://127.0.0.1:1"] {
            let port: PortName = text.parse().expect(text);
            assert_eq!(port.to_string(), text);
        }
        for wrong in ["", "rfc2217://desk", "rfc2217://:1", "socket://a:99999", "udp://a:1"] {
            assert!(wrong.parse::<PortName>().is_err(), "{wrong}");
        }
    }
}
