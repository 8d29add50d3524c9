//! RFC 2217: a serial port of another computer, with its speed, modem lines and breaks.
//!
//! The crate `rfc2217` speaks the protocol; this joins it with a socket. Changes of lines are not
//! waited for: the stream keeps them in order, and a wait of a round trip between two of them would
//! spoil a reset.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ::rfc2217::{Client, NotReady, PortSettings};

use super::{Adapter, AdapterError, ModemLines, PATIENCE, PortName, ROM_BAUD, connect, read_some};

/// How long a break is.
const BREAK: Duration = Duration::from_millis(100);

/// A serial port of another computer.
pub(super) struct Rfc2217 {
    port: PortName,
    stream: TcpStream,
    client: Client,
    /// What has come while something else was waited for.
    heard: VecDeque<u8>,
    lines: ModemLines,
}

impl Rfc2217 {
    pub(super) fn open(address: &str) -> Result<Self, AdapterError> {
        let port = PortName::Rfc2217(address.to_owned());
        let stream = connect(&port, address)?;
        let settings = PortSettings { baud_rate: ROM_BAUD, ..PortSettings::default() };
        let client = Client::new(settings);
        let lines = ModemLines::default();
        let mut adapter = Self { port, stream, client, heard: VecDeque::new(), lines };
        let failed = |reason, remedy: Option<&str>| AdapterError::Open {
            port: format!("rfc2217://{address}"),
            reason,
            remedy: remedy.map(str::to_owned),
        };
        match adapter.settle() {
            Ok(()) => {}
            Err(AdapterError::Gone { .. }) => {
                let reason = "the other end has closed the connection".to_owned();
                return Err(failed(reason, Some("a serial port has one user at a time")));
            }
            Err(error) => return Err(failed(error.to_string(), None)),
        }
        // What a program before has left asserted.
        adapter.client.set_dtr(false);
        adapter.client.set_rts(false);
        adapter.flush()?;
        Ok(adapter)
    }

    fn gone(&self, reason: impl ToString) -> AdapterError {
        AdapterError::Gone { port: self.port.to_string(), reason: reason.to_string() }
    }

    /// Waits until the other end has confirmed all settings.
    fn settle(&mut self) -> Result<(), AdapterError> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.flush()?;
            let late = Instant::now() >= end;
            match self.client.readiness() {
                Ok(()) => return Ok(()),
                Err(reason @ (NotReady::Refused | NotReady::Mismatched(_))) => {
                    return Err(self.gone(reason));
                }
                Err(reason) if late => return Err(self.gone(reason)),
                Err(_) => {}
            }
            let mut piece = [0; 512];
            let count =
                read_some(&self.port, &mut self.stream, &mut piece, Duration::from_millis(50))?;
            self.hear(&piece[..count]);
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend(self.client.receive(bytes));
        // What the other end tells of its lines is of no use here.
        while self.client.poll_event().is_some() {}
    }

    fn flush(&mut self) -> Result<(), AdapterError> {
        let out = self.client.take_output();
        self.stream.write_all(&out).map_err(|error| self.gone(error))
    }
}

impl Adapter for Rfc2217 {
    fn read(&mut self, into: &mut [u8], patience: Duration) -> Result<usize, AdapterError> {
        let end = Instant::now() + patience;
        // What comes may be about the port and not from it.
        while self.heard.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            let mut piece = [0; 4096];
            let count = read_some(&self.port, &mut self.stream, &mut piece, left)?;
            self.hear(&piece[..count]);
            self.flush()?;
            if count == 0 {
                break;
            }
        }
        let count = self.heard.len().min(into.len());
        for (to, byte) in into.iter_mut().zip(self.heard.drain(..count)) {
            *to = byte;
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AdapterError> {
        self.client.write_data(bytes);
        self.flush()
    }

    fn set_baud(&mut self, baud: u32) -> Result<(), AdapterError> {
        self.client.set_port_settings(PortSettings { baud_rate: baud, ..PortSettings::default() });
        self.settle()
    }

    fn has_modem_lines(&self) -> bool {
        true
    }

    fn set_lines(&mut self, lines: ModemLines) -> Result<(), AdapterError> {
        if lines.dtr != self.lines.dtr {
            self.client.set_dtr(lines.dtr);
        }
        if lines.rts != self.lines.rts {
            self.client.set_rts(lines.rts);
        }
        self.lines = lines;
        self.flush()
    }

    fn send_break(&mut self) -> Result<(), AdapterError> {
        self.client.set_break(true);
        self.flush()?;
        std::thread::sleep(BREAK);
        self.client.set_break(false);
        self.flush()
    }
}
