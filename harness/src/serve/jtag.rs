//! The door to the chip's JTAG: OpenOCD's `remote_bitbang` protocol.
//!
//! Source: OpenOCD manual, `remote_bitbang`, and its `doc/manual/jtag/drivers/remote_bitbang.txt`: one
//! character for each change of the pins. `0` to `7` set TCK, TMS and TDI, `R` asks for TDO, `r` to
//! `u` set the resets TRST and SRST, `Q` ends the session, `B` and `b` are a lamp.
//!
//! The board runs on at wall time; what has come together happens at one instant of it. SRST is EN.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use super::doors::{MachineGone, Reach, listen, one_at_a_time};
use super::visits::Sender;
use crate::targets::debugged::Debugged;

/// Bytes taken from the client at once: many scans.
const PIECE: usize = 16 << 10;

/// The door, open.
#[derive(Debug)]
pub struct Jtag {
    listener: TcpListener,
}

/// How the client has left the pins.
#[derive(Debug, Clone, Copy, Default)]
struct Pins {
    tck: bool,
    /// SRST.
    reset: bool,
}

impl Jtag {
    /// Listens; on loopback only, like the other doors.
    ///
    /// # Errors
    /// When the address is not one of loopback or cannot be bound.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: listen(address, Reach::Loopback).await? })
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.listener.local_addr().map_or_else(|_| "?".to_owned(), |address| address.to_string())
    }

    /// Serves one client after the other; ends only when the machine has gone.
    pub async fn serve(self, board: Sender, remarks: UnboundedSender<String>) {
        one_at_a_time(&self.listener, "jtag", &remarks, async |client| {
            session(client, &board).await?;
            // The pins are pulled to where they do nothing.
            board.visit(|board| leave(board))
        })
        .await;
    }
}

/// Serves one client until it leaves.
async fn session(client: TcpStream, board: &Sender) -> Result<(), MachineGone> {
    let _ = client.set_nodelay(true);
    let (mut from, mut to) = client.into_split();
    let mut pins = Pins::default();
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).await.unwrap_or(0);
        let mut heard = piece[..count].to_vec();
        let ends = count == 0 || heard.contains(&b'Q');
        heard.truncate(heard.iter().position(|&it| it == b'Q').unwrap_or(count));
        let said;
        (pins, said) = board.visit(move |board| drive(board, pins, &heard))?;
        if to.write_all(&said).await.is_err() || ends {
            return Ok(());
        }
    }
}

/// Does what a client says; how the pins are then, and what was asked for.
fn drive(board: &mut dyn Debugged, mut pins: Pins, heard: &[u8]) -> (Pins, Vec<u8>) {
    let mut said = Vec::new();
    for &byte in heard {
        match byte {
            b'0'..=b'7' => {
                let [tck, tms, tdi] = [4, 2, 1].map(|bit| byte & bit != 0);
                if tck && !pins.tck {
                    board.jtag_clock(tms, tdi);
                }
                pins.tck = tck;
            }
            b'R' => said.push(if board.jtag_tdo() { b'1' } else { b'0' }),
            b'r'..=b'u' => {
                let [trst, srst] = [2, 1].map(|bit| (byte - b'r') & bit != 0);
                if trst {
                    reset_taps(board);
                }
                if srst != pins.reset {
                    board.set_reset(srst);
                }
                pins.reset = srst;
            }
            // Lamps, and what is no word of the protocol.
            _ => {}
        }
    }
    (pins, said)
}

/// Five clocks with TMS high.
fn reset_taps(board: &mut dyn Debugged) {
    for _ in 0..5 {
        board.jtag_clock(true, true);
    }
}

fn leave(board: &mut dyn Debugged) {
    reset_taps(board);
    board.set_reset(false);
}
