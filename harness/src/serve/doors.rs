//! Doors: how outside programs reach a served board's serial ports.
//!
//! Raw TCP (pyserial's `socket://`), RFC 2217 and a pseudo-terminal. A serial port has one user at a
//! time: further clients of raw TCP wait until the first has left, those of RFC 2217 are turned away,
//! since they could not tell waiting from a broken door. What the board says while nobody is there
//! is kept in the door's ring and given to the next one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Sender, UnboundedSender};

use super::machine::{Input, Sent};
#[cfg(unix)]
use super::pty::Pty;
use super::rfc2217;
use super::ring::Ring;
use crate::targets::Port;

/// Bytes read from a client at once.
pub(super) const PIECE: usize = 256;
/// Wall time in which a client that has left may still be taken for one that is there.
const GRACE: Duration = Duration::from_millis(100);

/// One side of a door: where its bytes go and come from.
#[derive(Debug, Clone)]
pub struct Line {
    /// Which port of the board.
    pub port: Port,
    /// What the board said.
    pub ring: Arc<Ring>,
    /// To the board.
    pub input: Sender<Input>,
    /// Is told what the person should know.
    pub remarks: UnboundedSender<String>,
}

impl Line {
    /// What the board said; tells how much of it was lost.
    pub(super) async fn take(&self) -> Vec<u8> {
        let (bytes, dropped) = self.ring.take().await;
        if dropped > 0 {
            let remark =
                format!("{}: {dropped} bytes dropped, nobody took them in time", self.port);
            let _ = self.remarks.send(remark);
        }
        bytes
    }

    /// Gives bytes to the board; waits while its line is full, which is the client's flow control.
    pub(super) async fn give(&self, bytes: &[u8]) -> Result<(), MachineGone> {
        self.send(Sent::Bytes(bytes.to_vec())).await
    }

    /// Gives something else to the board.
    pub(super) async fn send(&self, what: Sent) -> Result<(), MachineGone> {
        self.input.send(Input { port: self.port, what }).await.map_err(|_| MachineGone)
    }
}

/// The machine has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the board has stopped")]
pub(super) struct MachineGone;

/// A door that is open.
#[derive(Debug)]
pub enum Door {
    /// Raw TCP.
    Tcp(TcpListener),
    /// RFC 2217: TCP with speeds, modem lines and breaks.
    Rfc2217(TcpListener),
    /// A pseudo-terminal.
    #[cfg(unix)]
    Pty(Pty),
}

/// Who may come to a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Programs of this computer.
    Loopback,
    /// Whoever reaches it over a network.
    Network,
}

/// Listens for a door. These protocols have no place for a token.
///
/// # Errors
/// When the address is not one of loopback or cannot be bound.
pub async fn listen(address: SocketAddr, reach: Reach) -> io::Result<TcpListener> {
    if reach == Reach::Loopback && !address.ip().is_loopback() {
        let message = format!(
            "{address} is no loopback address, and the door cannot ask for a token: in a network \
             that you trust, say `--remote`"
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    TcpListener::bind(address).await
}

/// Serves one client after the other and turns away who comes meanwhile; ends only when the machine
/// has gone.
pub(super) async fn one_at_a_time(
    listener: &TcpListener,
    door: &str,
    remarks: &UnboundedSender<String>,
    mut session: impl AsyncFnMut(TcpStream) -> Result<(), MachineGone>,
) {
    let mut next = None;
    loop {
        let client = match next.take() {
            Some(client) => client,
            // A connection that failed before it was accepted concerns nobody.
            None => match listener.accept().await {
                Ok((client, _)) => client,
                Err(_) => continue,
            },
        };
        let served = tokio::select! {
            biased;
            served = session(client) => served,
            () = turn_away(listener, door, remarks, &mut next) => return,
        };
        if served.is_err() {
            return;
        }
    }
}

/// Turns others away as long as there is one.
async fn turn_away(
    listener: &TcpListener,
    door: &str,
    remarks: &UnboundedSender<String>,
    next: &mut Option<TcpStream>,
) {
    loop {
        if let Ok((client, address)) = listener.accept().await {
            *next = Some(client);
            // Whoever has just left makes room, but that need not be known yet: ends of connections
            // and new ones come in no order.
            tokio::time::sleep(GRACE).await;
            *next = None;
            let _ = remarks.send(format!("{door}: {address} was turned away, it is in use"));
        }
    }
}

impl Door {
    /// How a person names it, such as `tcp:127.0.0.1:5555`.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => format!("tcp:{address}"),
                Err(_) => "tcp".to_owned(),
            },
            // As esptool and pyserial want it.
            Self::Rfc2217(listener) => match listener.local_addr() {
                Ok(address) => format!("rfc2217://{address}"),
                Err(_) => "rfc2217".to_owned(),
            },
            #[cfg(unix)]
            Self::Pty(pty) => format!("pty:{}", pty.shown().display()),
        }
    }

    /// Serves it for ever; ends only when the machine has gone.
    pub async fn serve(self, line: Line) {
        match self {
            Self::Tcp(listener) => loop {
                // A connection that failed before it was accepted concerns nobody.
                if let Ok((client, _)) = listener.accept().await {
                    let _ = client.set_nodelay(true);
                    let (from, to) = client.into_split();
                    if tcp_client(from, to, &line).await.is_err() {
                        return;
                    }
                }
            },
            Self::Rfc2217(listener) => rfc2217::serve(&listener, &line).await,
            #[cfg(unix)]
            Self::Pty(pty) => pty.serve(&line).await,
        }
    }
}

/// Serves one client until it leaves.
async fn tcp_client(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    line: &Line,
) -> Result<(), MachineGone> {
    let mut piece = [0; PIECE];
    let mut out = Vec::new();
    loop {
        tokio::select! {
            read = from.read(&mut piece) => match read {
                Ok(0) | Err(_) => return Ok(()),
                Ok(count) => line.give(&piece[..count]).await?,
            },
            // Whoever does not read gets no more and can still write.
            bytes = line.take(), if out.is_empty() => out = bytes,
            wrote = to.write(&out), if !out.is_empty() => match wrote {
                Ok(0) | Err(_) => return Ok(()),
                Ok(count) => drop(out.drain(..count)),
            },
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::io::duplex;
    use tokio::sync::mpsc::{Receiver, channel, unbounded_channel};

    use super::*;

    /// A line, and what comes out of it at the board's end.
    pub(in super::super) fn line() -> (Line, Receiver<Input>) {
        let (input, received) = channel(1 << 16);
        let (ring, remarks) = (Arc::default(), unbounded_channel().0);
        (Line { port: Port::Console, ring, input, remarks }, received)
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_can_write() {
        let (line, mut board) = line();
        let (client, door) = duplex(64);
        let (from, to) = tokio::io::split(door);
        line.ring.push(&[7; 1_000]);
        let (_unread, mut sends) = tokio::io::split(client);
        let pasted = async {
            sends.write_all(&[b'x'; 1_000]).await.expect("the door is open");
            drop(sends);
        };
        let received = async {
            let mut count = 0;
            while count < 1_000 {
                let Some(Input { what: Sent::Bytes(bytes), .. }) = board.recv().await else {
                    panic!("nothing else is sent")
                };
                count += bytes.len();
            }
        };
        tokio::select! {
            _ = tcp_client(from, to, &line) => panic!("it ends"),
            ((), ()) = async { tokio::join!(pasted, received) } => {}
        }
    }
}
