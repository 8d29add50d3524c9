//! A probe of which every change of the pins is a character: OpenOCD's `remote_bitbang` protocol.
//!
//! `benchrig serve --jtag` speaks it, and so do small servers that wiggle the pins of a single-board
//! computer. Source: OpenOCD manual, `remote_bitbang`, and its
//! `doc/manual/jtag/drivers/remote_bitbang.txt`.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bitvec::vec::BitVec;
use probe_rs::architecture::xtensa::communication_interface::{
    XtensaCommunicationInterface, XtensaDebugInterfaceState, XtensaError,
};
use probe_rs::probe::{
    AutoImplementJtagAccess, DebugProbe, DebugProbeError, JtagAccess, JtagDriverState, RawJtagIo,
    WireProtocol,
};

/// Characters that are collected before they are sent.
const PIECE: usize = 8 << 10;
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long SRST is held.
const PRESSED: Duration = Duration::from_millis(100);

/// The pins behind a server.
pub(super) struct Bitbang {
    stream: TcpStream,
    state: JtagDriverState,
    /// Changes that have not been sent.
    said: Vec<u8>,
    /// Levels that have been asked for and not been read.
    asked: usize,
}

impl Bitbang {
    /// Connects to the server at `HOST:PORT`.
    pub(super) fn connect(address: &str) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(PATIENCE))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    let state = JtagDriverState::default();
                    return Ok(Self { stream, state, said: Vec::new(), asked: 0 });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn flush(&mut self) -> Result<(), DebugProbeError> {
        self.stream.write_all(&self.said).map_err(gone)?;
        self.said.clear();
        Ok(())
    }
}

fn gone(error: io::Error) -> DebugProbeError {
    DebugProbeError::Other(format!("the server of the pins does not answer: {error}"))
}

impl fmt::Debug for Bitbang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bitbang").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl RawJtagIo for Bitbang {
    fn state_mut(&mut self) -> &mut JtagDriverState {
        &mut self.state
    }

    fn state(&self) -> &JtagDriverState {
        &self.state
    }

    fn shift_bit(&mut self, tms: bool, tdi: bool, capture: bool) -> Result<(), DebugProbeError> {
        // `0` to `7` set TCK (4), TMS (2) and TDI (1). TDO changes when TCK falls.
        let low = b'0' + u8::from(tms) * 2 + u8::from(tdi);
        self.said.push(low);
        if capture {
            self.said.push(b'R');
            self.asked += 1;
        }
        self.said.push(low + 4);
        self.state.state.update(tms);
        if self.said.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }

    fn read_captured_bits(&mut self) -> Result<BitVec, DebugProbeError> {
        self.flush()?;
        let mut levels = vec![0; std::mem::take(&mut self.asked)];
        self.stream.read_exact(&mut levels).map_err(gone)?;
        Ok(levels.into_iter().map(|level| level == b'1').collect())
    }
}

impl AutoImplementJtagAccess for Bitbang {}

impl DebugProbe for Bitbang {
    fn get_name(&self) -> &str {
        "remote_bitbang"
    }

    /// As fast as the server is; what is said here is used for nothing.
    fn speed_khz(&self) -> u32 {
        1_000
    }

    fn set_speed(&mut self, khz: u32) -> Result<u32, DebugProbeError> {
        Ok(khz)
    }

    fn attach(&mut self) -> Result<(), DebugProbeError> {
        Ok(())
    }

    fn detach(&mut self) -> Result<(), probe_rs::Error> {
        Ok(self.flush()?)
    }

    fn target_reset(&mut self) -> Result<(), DebugProbeError> {
        self.target_reset_assert()?;
        std::thread::sleep(PRESSED);
        self.target_reset_deassert()
    }

    fn target_reset_assert(&mut self) -> Result<(), DebugProbeError> {
        self.said.push(b's');
        self.flush()
    }

    fn target_reset_deassert(&mut self) -> Result<(), DebugProbeError> {
        self.said.push(b'r');
        self.flush()
    }

    fn select_protocol(&mut self, protocol: WireProtocol) -> Result<(), DebugProbeError> {
        match protocol {
            WireProtocol::Jtag => Ok(()),
            other => Err(DebugProbeError::UnsupportedProtocol(other)),
        }
    }

    fn active_protocol(&self) -> Option<WireProtocol> {
        Some(WireProtocol::Jtag)
    }

    fn try_as_jtag_probe(&mut self) -> Option<&mut dyn JtagAccess> {
        Some(self)
    }

    fn try_get_xtensa_interface<'probe>(
        &'probe mut self,
        state: &'probe mut XtensaDebugInterfaceState,
    ) -> Result<XtensaCommunicationInterface<'probe>, XtensaError> {
        Ok(XtensaCommunicationInterface::new(self, state))
    }

    fn has_xtensa_interface(&self) -> bool {
        true
    }

    fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
        self
    }
}
