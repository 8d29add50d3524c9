//! A board that is held open for outside tools: for `serve`, and for what `run --hold` keeps.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::targets::NoTarget;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
#[cfg(unix)]
use crate::serve::control::Control;
use crate::serve::doors::{Door, Line, Reach, listen};
use crate::serve::gdb::Gdb;
use crate::serve::jtag::Jtag;
use crate::serve::machine::{self, Keep, Served, Wiring};
use crate::serve::pacer::{Pace, Pacer, WallClock};
use crate::serve::ring::Ring;
#[cfg(unix)]
use crate::serve::token::Token;
use crate::serve::visits::visits;
use crate::targets::{Port, TargetError};

/// Pieces that clients may have sent ahead of the board's serial line.
const QUEUE: usize = 64;

/// A door as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DoorSpec {
    Tcp(SocketAddr),
    Rfc2217(SocketAddr),
    Pty(Option<PathBuf>),
}

/// An address as a person writes it.
///
/// # Errors
/// When it is none.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.replace("localhost:", "127.0.0.1:").parse().map_err(|_| "write 127.0.0.1:PORT".to_owned())
}

impl FromStr for DoorSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "pty" => Ok(Self::Pty(None)),
            Some(("pty", link)) if !link.is_empty() => Ok(Self::Pty(Some(link.into()))),
            Some((kind @ ("tcp" | "rfc2217"), address)) => {
                let address = address.strip_prefix("//").unwrap_or(address);
                let address =
                    socket_address(address).map_err(|_| format!("write {kind}:127.0.0.1:PORT"));
                address.map(if kind == "tcp" { Self::Tcp } else { Self::Rfc2217 })
            }
            _ => Err("doors are tcp:HOST:PORT, rfc2217:HOST:PORT, pty and pty:LINK".to_owned()),
        }
    }
}

/// A port of this computer, and the one of the board that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForwardSpec {
    from: SocketAddr,
    to: u16,
}

impl FromStr for ForwardSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once(':').and_then(|(from, to)| {
            let from = match from.parse::<u16>() {
                Ok(port) => SocketAddr::from(([127, 0, 0, 1], port)),
                Err(_) => socket_address(from).ok()?,
            };
            Some(Self { from, to: to.parse().ok().filter(|port| *port > 0)? })
        });
        parsed.ok_or_else(|| "write 8080:80, or 127.0.0.1:8080:80".to_owned())
    }
}

/// What is done with a board before it runs.
pub(super) type Start<'a, T> = &'a mut (dyn FnMut(&mut T) -> Result<(), TargetError> + Send);

/// What is opened to a board.
pub(super) struct Openings<'a> {
    /// Doors to its console.
    pub(super) doors: &'a [DoorSpec],
    /// The name of its control socket.
    pub(super) name: Option<&'a str>,
    /// Where its control socket is over TCP too, and what clients of that have to know.
    pub(super) control: Option<(SocketAddr, Option<String>)>,
    /// Who may come to its doors.
    pub(super) reach: Reach,
    /// Where gdb finds it.
    pub(super) gdb: Option<SocketAddr>,
    /// Where OpenOCD finds the chip's JTAG.
    pub(super) jtag: Option<SocketAddr>,
    /// What leads to the board's own servers.
    pub(super) forwards: &'a [ForwardSpec],
    /// Which device time takes as long as on a real board.
    pub(super) pace: Pace,
}

/// Opens doors to a board, tells each in a line on stdout and then `ready`, and lets the
/// board run at wall time until `stop` is set.
///
/// # Errors
/// When a door cannot be opened, or the board cannot go on.
pub(super) fn keep_open<T: Served + ?Sized>(
    terminal: &Terminal,
    board: &mut T,
    openings: &Openings<'_>,
    stop: &Arc<AtomicBool>,
    start: Start<'_, T>,
    keep: Keep<'_>,
) -> Result<(), NoTarget> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(bench)?;
    let (input, from_clients) = mpsc::channel(QUEUE);
    let (remarks, mut said) = mpsc::unbounded_channel();
    let (orders, from_control) = mpsc::channel(QUEUE);
    #[cfg(unix)]
    let controls = {
        let _inside = runtime.enter();
        let mut controls = Vec::new();
        if let Some(name) = openings.name {
            controls.push(Control::open(name).map_err(bench)?);
        }
        if let Some((address, token)) = &openings.control {
            let token = token.as_deref().and_then(Token::new);
            controls.push(runtime.block_on(Control::listen(*address, token)).map_err(bench)?);
        }
        for control in &controls {
            terminal.say(format_args!("control {}", control.address()));
        }
        controls
    };
    let mut rings = Vec::new();
    let mut doors = Vec::new();
    for spec in openings.doors {
        let door = runtime
            .block_on(open(spec, openings.reach))
            .map_err(|error| bench(format!("cannot open a door: {error}")))?;
        terminal.say(format_args!("serial {}", door.address()));
        let ring = Arc::new(Ring::default());
        rings.push((Port::Console, ring.clone()));
        let line =
            Line { port: Port::Console, ring, input: input.clone(), remarks: remarks.clone() };
        doors.push((door, line));
    }
    let (mut gdb, mut jtag, mut visitors) = (None, None, Vec::new());
    if let Some(address) = openings.gdb {
        let door = runtime
            .block_on(Gdb::open(address))
            .map_err(|error| bench(format!("cannot open the door for gdb: {error}")))?;
        terminal.say(format_args!("gdb {}", door.address()));
        let (visits, received) = visits();
        gdb = Some(door.serve(visits, remarks.clone()));
        visitors.push(received);
    }
    if let Some(address) = openings.jtag {
        let door = runtime
            .block_on(Jtag::open(address))
            .map_err(|error| bench(format!("cannot open the door to JTAG: {error}")))?;
        terminal.say(format_args!("jtag {}", door.address()));
        let (visits, received) = visits();
        jtag = Some(door.serve(visits, remarks.clone()));
        visitors.push(received);
    }
    for ForwardSpec { from, to } in openings.forwards {
        let cannot = |error| bench(format!("cannot open a door to port {to}: {error}"));
        let door = runtime.block_on(listen(*from, openings.reach)).map_err(cannot)?;
        let door = door.into_std().map_err(cannot)?;
        terminal.say(format_args!("forward {} {to}", door.local_addr().map_err(cannot)?));
        board.lead_in(door, *to).map_err(cannot)?;
    }
    terminal.say("ready");
    let wiring = Wiring {
        input: from_clients,
        orders: from_control,
        visits: visitors,
        rings,
        stop: stop.clone(),
        pace: openings.pace,
    };
    std::thread::scope(|scope| {
        let machine =
            std::thread::Builder::new().name("machine".to_owned()).spawn_scoped(scope, || {
                let mut remark = |text: String| {
                    let _ = remarks.send(text);
                };
                let outcome = start(board).and_then(|()| {
                    let pacer = Pacer::new(WallClock::default(), board.now());
                    machine::run(board, wiring, pacer, keep, &mut remark)
                });
                // The doors have no other way to know.
                stop.store(true, Ordering::Relaxed);
                remark("the board has stopped".to_owned());
                outcome
            });
        let machine = match machine {
            Ok(machine) => machine,
            Err(error) => return Err(bench(error)),
        };
        runtime.block_on(async {
            let open = tokio::task::LocalSet::new();
            for (door, line) in doors {
                open.spawn_local(door.serve(line));
            }
            if let Some(gdb) = gdb {
                open.spawn_local(gdb);
            }
            if let Some(jtag) = jtag {
                open.spawn_local(jtag);
            }
            #[cfg(unix)]
            for control in controls {
                open.spawn_local(control.serve(orders.clone()));
            }
            open.run_until(async {
                while let Some(remark) = said.recv().await {
                    terminal.tell(remark);
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
            .await;
        });
        machine.join().map_err(|_| bench("the machine's thread panicked"))?.map_err(bench)
    })
}

async fn open(spec: &DoorSpec, reach: Reach) -> std::io::Result<Door> {
    match spec {
        DoorSpec::Tcp(address) => listen(*address, reach).await.map(Door::Tcp),
        DoorSpec::Rfc2217(address) => listen(*address, reach).await.map(Door::Rfc2217),
        #[cfg(unix)]
        DoorSpec::Pty(link) => crate::serve::pty::Pty::open(link.as_deref()).map(Door::Pty),
        #[cfg(not(unix))]
        DoorSpec::Pty(_) => Err(std::io::ErrorKind::Unsupported.into()),
    }
}

/// Trouble of the bench.
pub(super) fn bench(error: impl ToString) -> NoTarget {
    NoTarget { message: error.to_string(), code: ExitCode::Bench }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_read_as_written() {
        assert_eq!("pty".parse(), Ok(DoorSpec::Pty(None)));
        assert_eq!("pty:/tmp/esp".parse(), Ok(DoorSpec::Pty(Some("/tmp/esp".into()))));
        let any = DoorSpec::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        assert_eq!("tcp:localhost:0".parse(), Ok(any));
        let any = DoorSpec::Rfc2217(SocketAddr::from(([127, 0, 0, 1], 0)));
        assert_eq!("rfc2217://localhost:0".parse(), Ok(any));
        for wrong in ["tcp", "tcp:5555", "udp:127.0.0.1:1", "pty:"] {
            assert!(wrong.parse::<DoorSpec>().is_err(), "{wrong}");
        }
    }
}
