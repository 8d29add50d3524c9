//! A serial port of this computer.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use espflash::connection::Port;
use serialport::SerialPort as _;

use super::{Adapter, AdapterError, ModemLines, ROM_BAUD};

/// How long the system may take to send what it was given.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a break is.
const BREAK: Duration = Duration::from_millis(100);

/// An open port.
pub(super) struct Local {
    path: String,
    port: Port,
    has_modem_lines: bool,
}

impl Local {
    pub(super) fn open(path: &str) -> Result<Self, AdapterError> {
        let opened = serialport::new(path, ROM_BAUD).timeout(WRITE_PATIENCE).open_native();
        let mut port = opened.map_err(|error| AdapterError::Open {
            port: path.to_owned(),
            remedy: remedy(path, &error),
            reason: error.to_string(),
        })?;
        // A pseudo-terminal takes every speed and has no lines to look at.
        let has_modem_lines = port.read_clear_to_send().is_ok();
        if has_modem_lines {
            // The system asserts both when it opens a port.
            let released = port.write_data_terminal_ready(false);
            let released = released.and_then(|()| port.write_request_to_send(false));
            released.map_err(|error| AdapterError::Open {
                port: path.to_owned(),
                reason: error.to_string(),
                remedy: None,
            })?;
        }
        Ok(Self { path: path.to_owned(), port, has_modem_lines })
    }

    fn gone(&self, error: impl ToString) -> AdapterError {
        AdapterError::Gone { port: self.path.clone(), reason: error.to_string() }
    }

    fn cannot(&self, what: &str) -> AdapterError {
        AdapterError::Cannot { port: self.path.clone(), what: what.to_owned() }
    }
}

/// What a person can do about a port that does not open.
fn remedy(path: &str, error: &serialport::Error) -> Option<String> {
    match error.kind() {
        serialport::ErrorKind::NoDevice | serialport::ErrorKind::Io(ErrorKind::NotFound) => {
            Some("is it plugged in? `benchrig boards` lists what there is".to_owned())
        }
        serialport::ErrorKind::Io(ErrorKind::PermissionDenied) => Some(format!(
            "add yourself to the group that {path} belongs to, often `dialout` or `uucp`, and log \
             in again"
        )),
        _ => Some("does another program use it?".to_owned()),
    }
}

impl Adapter for Local {
    fn read(&mut self, into: &mut [u8], patience: Duration) -> Result<usize, AdapterError> {
        self.port.set_timeout(patience).map_err(|error| self.gone(error))?;
        loop {
            return match self.port.read(into) {
                Ok(0) => Err(self.gone("it has been unplugged")),
                Ok(count) => Ok(count),
                Err(error) => match error.kind() {
                    ErrorKind::TimedOut | ErrorKind::WouldBlock => Ok(0),
                    ErrorKind::Interrupted => continue,
                    _ => Err(self.gone(error)),
                },
            };
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AdapterError> {
        let written = self.port.set_timeout(WRITE_PATIENCE).map_err(std::io::Error::from);
        let written = written.and_then(|()| self.port.write_all(bytes));
        written.map_err(|error| self.gone(error))
    }

    fn set_baud(&mut self, baud: u32) -> Result<(), AdapterError> {
        self.port.set_baud_rate(baud).map_err(|error| self.gone(error))
    }

    fn has_modem_lines(&self) -> bool {
        self.has_modem_lines
    }

    fn set_lines(&mut self, lines: ModemLines) -> Result<(), AdapterError> {
        if !self.has_modem_lines {
            let what = "change DTR and RTS: it is a pseudo-terminal or has no such lines";
            return Err(self.cannot(what));
        }
        let changed = self.port.write_data_terminal_ready(lines.dtr);
        let changed = changed.and_then(|()| self.port.write_request_to_send(lines.rts));
        changed.map_err(|error| self.gone(error))
    }

    fn send_break(&mut self) -> Result<(), AdapterError> {
        let cannot = |_| self.cannot("send a break");
        self.port.set_break().map_err(cannot)?;
        std::thread::sleep(BREAK);
        self.port.clear_break().map_err(cannot)
    }

    fn native(&self) -> Result<Option<Port>, AdapterError> {
        self.port.try_clone_native().map(Some).map_err(|error| self.gone(error))
    }
}
