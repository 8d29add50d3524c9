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
        Self::open_within(address, PATIENCE)
    }

    fn open_within(address: &str, patience: Duration) -> Result<Self, AdapterError> {
        let port = PortName::Rfc2217(address.to_owned());
        let stream = connect(&port, address)?;
        let settings = PortSettings { baud_rate: ROM_BAUD, ..PortSettings::default() };
        let client = Client::new(settings);
        let lines = ModemLines::default();
        let mut adapter = Self { port, stream, client, heard: VecDeque::new(), lines };
        // What a program before has left asserted.
        adapter.client.set_dtr(false);
        adapter.client.set_rts(false);
        let (port, reason) = match adapter.settle(patience) {
            Ok(Ok(())) => return Ok(adapter),
            Ok(Err(reason)) => (adapter.port.to_string(), reason.to_string()),
            Err(AdapterError::Gone { port, reason }) => (port, reason),
            Err(error) => return Err(error),
        };
        let remedy = Some("is it an RFC 2217 port, and does nobody else use it?".to_owned());
        Err(AdapterError::Open { port, reason, remedy })
    }

    fn gone(&self, reason: impl ToString) -> AdapterError {
        AdapterError::Gone { port: self.port.to_string(), reason: reason.to_string() }
    }

    /// Waits until the other end has confirmed all settings; why it has not, if waiting is of no use.
    fn settle(&mut self, patience: Duration) -> Result<Result<(), NotReady>, AdapterError> {
        let end = Instant::now() + patience;
        loop {
            self.flush()?;
            let late = Instant::now() >= end;
            match self.client.readiness() {
                Err(NotReady::Negotiating | NotReady::Pending(_)) if !late => {}
                settled => return Ok(settled),
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
            if count == 0 || left.is_zero() {
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
        match self.settle(PATIENCE)? {
            Ok(()) => Ok(()),
            Err(NotReady::Mismatched(_)) => {
                let found = match self.client.reported_settings().baud_rate {
                    Some(found) => format!("it reports {found}"),
                    None => "it reports another".to_owned(),
                };
                let what = format!("take a speed of {baud} baud: {found}");
                Err(AdapterError::Cannot { port: self.port.to_string(), what })
            }
            Err(reason) => Err(self.gone(reason)),
        }
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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    /// A port at which each client in turn is served by this, in a thread of its own.
    fn served(mut serve: impl FnMut(TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its number").to_string();
        std::thread::spawn(move || listener.incoming().flatten().for_each(&mut serve));
        address
    }

    /// All that a client and a right server say to each other until the settings are made: the
    /// server's part.
    fn right_answers() -> Vec<u8> {
        let settings = PortSettings { baud_rate: ROM_BAUD, ..PortSettings::default() };
        let (mut client, mut server) =
            (Client::new(settings), ::rfc2217::Server::new(PortSettings::default()));
        let mut said = Vec::new();
        for _ in 0..100 {
            let mut data = Vec::new();
            let mut sent = &client.take_output()[..];
            while !sent.is_empty() {
                sent = &sent[server.receive_until_event(sent, &mut data)..];
                while server.poll_event().is_some() {}
            }
            let answer = server.take_output();
            let _ = client.receive(&answer);
            said.extend(answer);
        }
        assert!(client.readiness().is_ok(), "they understand each other");
        said
    }

    #[test]
    fn a_server_that_closes_after_any_byte_is_an_error_that_says_so() {
        let answers = right_answers();
        let count = answers.len();
        assert!(count > 20, "{count}");
        let mut said = 0;
        let address = served(move |mut client| {
            // What it says may come too late for a client that has gone.
            let _ = client.write_all(&answers[..said]);
            let _ = client.shutdown(std::net::Shutdown::Write);
            said += 1;
        });
        for said in 0..count {
            match Rfc2217::open(&address) {
                Err(error) => assert!(matches!(error, AdapterError::Open { .. }), "{error}"),
                // All that matters was said.
                Ok(mut port) => {
                    let read = port.read(&mut [0; 16], Duration::from_millis(1));
                    assert!(read.is_err() && said * 2 > count, "{said} of {count}: {read:?}");
                }
            }
        }
    }

    #[test]
    fn a_speed_that_the_other_end_does_not_take_is_named_and_another_is_taken_then() {
        let address = served(|mut client| {
            let mut server = ::rfc2217::Server::new(PortSettings::default());
            let mut piece = [0; 512];
            while let Ok(count @ 1..) = client.read(&mut piece) {
                let mut heard = &piece[..count];
                while !heard.is_empty() {
                    heard = &heard[server.receive_until_event(heard, &mut Vec::new())..];
                    while server.poll_event().is_some() {}
                }
                // Whatever speed it was asked for.
                let mut answer = server.take_output();
                let speed = b"\xff\xfa\x2c\x65";
                while let Some(at) = answer.windows(4).position(|four| four == speed) {
                    let _ = client.write_all(&answer[..at]);
                    let _ = client.write_all(b"\xff\xfa\x2c\x65\x00\x01\xc2\x00");
                    answer.drain(..at + 8);
                }
                let _ = client.write_all(&answer);
            }
        });
        let mut port = Rfc2217::open(&address).expect("it has this speed");
        let error = port.set_baud(460_800).expect_err("it has no other");
        assert!(matches!(error, AdapterError::Cannot { .. }), "{error}");
        let text = "cannot take a speed of 460800 baud: it reports 115200";
        assert!(error.to_string().ends_with(text), "{error}");
        port.set_baud(ROM_BAUD).expect("it has this one still");
    }

    #[test]
    fn options_without_end_do_not_hold_a_reader() {
        let answers = right_answers();
        let address = served(move |mut client| {
            let _ = client.write_all(&answers);
            let mut other = client.try_clone().expect("a socket");
            std::thread::spawn(move || std::io::copy(&mut other, &mut std::io::sink()));
            // NOTIFY-LINESTATE, again and again.
            let storm = b"\xff\xfa\x2c\x6a\x00\xff\xf0".repeat(512);
            while client.write_all(&storm).is_ok() {}
        });
        let mut port = Rfc2217::open(&address).expect("it answers");
        for _ in 0..3 {
            assert_eq!(port.read(&mut [0; 16], Duration::from_millis(5)).expect("it is there"), 0);
        }
    }

    #[test]
    fn a_server_that_talks_nonsense_is_told_from_one_that_speaks_the_protocol() {
        // It does everything wrong at once, and then says no more.
        let nonsense: Vec<u8> = (0..=255).rev().cycle().take(4_096).collect();
        for piece in
            [&nonsense[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xfe\x2c", b"\xff\xfa"]
        {
            let piece = piece.to_vec();
            let address = served(move |mut client| {
                let _ = client.write_all(&piece);
                let _ = client.read(&mut [0; 16]);
            });
            let opened = Rfc2217::open_within(&address, Duration::from_millis(20));
            let Err(error) = opened else { panic!("{address} is no such port") };
            assert!(matches!(error, AdapterError::Open { .. }), "{error}");
        }
    }
}
