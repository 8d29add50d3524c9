//! The door for gdb: its remote protocol over TCP, on a board that keeps running.
//!
//! ```text
//! gdb ◀─▶ session (tokio) ─visits─▶ machine ─▶ board
//!                         ◀─holds──
//! ```
//!
//! The crate `gdbstub` speaks the protocol (`stub` is what it asks for). It runs where the doors
//! are; what it wants of the board is a visit: a closure that the machine's thread, which owns the
//! board, calls between two slices. While the board is held, its thread waits for visits, no device
//! time passes, and the other doors keep what clients send. When the client leaves or vanishes, all
//! it has set is taken away and the board goes on.

mod registers;
mod stub;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{GdbStub, GdbStubError, MultiThreadStopReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use self::stub::{Stub, stop_reason};
use super::doors::{MachineGone, PIECE, Reach, listen, one_at_a_time};
use super::visits::Sender;

/// Bytes of a packet: enough for the registers, and for memory at a good speed.
const PACKET: usize = 16 << 10;

/// The door, open.
#[derive(Debug)]
pub struct Gdb {
    listener: TcpListener,
}

impl Gdb {
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
    pub async fn serve(self, mut board: Sender, remarks: UnboundedSender<String>) {
        one_at_a_time(&self.listener, "gdb", &remarks, async |client| {
            if let Err(End::Trouble(trouble)) = session(client, &mut board).await {
                let _ = remarks.send(format!("gdb: the session has ended: {trouble}"));
            }
            board.visit(|board| board.forget_debugger())
        })
        .await;
    }
}

/// Where the stub writes; the session sends it.
#[derive(Debug, Default)]
struct Output(Vec<u8>);

impl Connection for Output {
    type Error = Infallible;

    fn write(&mut self, byte: u8) -> Result<(), Infallible> {
        self.0.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

type State<'b> = GdbStubStateMachine<'static, Stub<'b>, Output>;

/// Why a session has ended.
enum End {
    /// The client has gone, or wants to.
    Left,
    /// It said something that the protocol does not have.
    Trouble(String),
    MachineGone,
}

impl From<MachineGone> for End {
    fn from(_: MachineGone) -> Self {
        Self::MachineGone
    }
}

impl From<GdbStubError<MachineGone, Infallible>> for End {
    fn from(error: GdbStubError<MachineGone, Infallible>) -> Self {
        match error.is_target_error() {
            true => Self::MachineGone,
            false => Self::Trouble(error.to_string()),
        }
    }
}

/// Serves one client until it leaves.
async fn session(client: TcpStream, board: &mut Sender) -> Result<Infallible, End> {
    let _ = client.set_nodelay(true);
    let (mut from, mut to) = client.into_split();
    board.hold()?;
    board.visit(|board| board.hold_at_breaks(true))?;
    let mut stub = Stub::new(board);
    let gdb = GdbStub::builder(Output::default()).packet_buffer_size(PACKET).build();
    let gdb = gdb.map_err(|error| End::Trouble(error.to_string()))?;
    let mut gdb = gdb.run_state_machine(&mut stub)?;
    let mut piece = [0; PIECE];
    loop {
        let running = matches!(gdb, State::Running(_));
        let heard = tokio::select! {
            read = from.read(&mut piece) => match read {
                Ok(0) | Err(_) => return Err(End::Left),
                Ok(count) => &piece[..count],
            },
            held = stub.board.held(), if running => {
                let reason = stop_reason(held?);
                if let State::Running(running) = gdb {
                    gdb = running.report_stop(&mut stub, reason)?;
                }
                &[]
            }
        };
        for &byte in heard {
            gdb = hear(gdb, &mut stub, byte)?;
        }
        if to.write_all(&said(&mut gdb)).await.is_err() || matches!(gdb, State::Disconnected(_)) {
            return Err(End::Left);
        }
    }
}

/// What the stub has to say.
fn said(gdb: &mut State<'_>) -> Vec<u8> {
    let output = match gdb {
        State::Idle(gdb) => gdb.borrow_conn(),
        State::Running(gdb) => gdb.borrow_conn(),
        State::CtrlCInterrupt(gdb) => gdb.borrow_conn(),
        State::Disconnected(gdb) => gdb.borrow_conn(),
    };
    std::mem::take(&mut output.0)
}

/// Hands the stub a byte of the client's.
fn hear<'b>(gdb: State<'b>, stub: &mut Stub<'b>, byte: u8) -> Result<State<'b>, End> {
    // gdbstub adds to addresses without a check.
    let heard = catch_unwind(AssertUnwindSafe(|| match gdb {
        State::Idle(gdb) => (true, gdb.incoming_data(stub, byte)),
        State::Running(gdb) => (false, gdb.incoming_data(stub, byte)),
        gdb @ (State::CtrlCInterrupt(_) | State::Disconnected(_)) => (true, Ok(gdb)),
    }));
    let (was_held, gdb) = heard.map_err(|_| End::Trouble("a bad request".to_owned()))?;
    match gdb? {
        // It asks for what it has, so there is nothing to report.
        State::CtrlCInterrupt(gdb) if was_held => {
            Ok(gdb.interrupt_handled(stub, None::<MultiThreadStopReason<u32>>)?)
        }
        State::CtrlCInterrupt(gdb) => {
            let reason = stop_reason(stub.board.hold()?);
            Ok(gdb.interrupt_handled(stub, Some(reason))?)
        }
        gdb => Ok(gdb),
    }
}
