//! Raw TCP: bytes and nothing else, as ser2net's `raw` and pyserial's `socket://` have it.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::{Adapter, AdapterError, ModemLines, PortName, connect, read_some};

/// A serial line behind a TCP connection.
pub(super) struct Tcp {
    port: PortName,
    stream: TcpStream,
}

impl Tcp {
    pub(super) fn open(address: &str) -> Result<Self, AdapterError> {
        let port = PortName::Tcp(address.to_owned());
        let stream = connect(&port, address)?;
        Ok(Self { port, stream })
    }

    fn cannot(&self, what: &str) -> AdapterError {
        AdapterError::Cannot { port: self.port.to_string(), what: what.to_owned() }
    }
}

impl Adapter for Tcp {
    fn read(&mut self, into: &mut [u8], patience: Duration) -> Result<usize, AdapterError> {
        read_some(&self.port, &mut self.stream, into, patience)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AdapterError> {
        self.stream.write_all(bytes).map_err(|error| AdapterError::Gone {
            port: self.port.to_string(),
            reason: error.to_string(),
        })
    }

    fn set_baud(&mut self, _baud: u32) -> Result<(), AdapterError> {
        Err(self.cannot("change its speed: raw TCP carries bytes only"))
    }

    fn has_modem_lines(&self) -> bool {
        false
    }

    fn set_lines(&mut self, _lines: ModemLines) -> Result<(), AdapterError> {
        Err(self.cannot("change DTR and RTS: raw TCP carries bytes only"))
    }

    fn send_break(&mut self) -> Result<(), AdapterError> {
        Err(self.cannot("send a break: raw TCP carries bytes only"))
    }
}
