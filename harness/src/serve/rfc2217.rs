//! The RFC 2217 door: a serial port over Telnet, with speed, modem lines and breaks.
//!
//! Source: RFC 2217, "Telnet Com Port Control Option". The crate `rfc2217` speaks the protocol; this
//! joins it with the board.

use ::rfc2217::{ModemState, PortSettings, Purge, Server, ServerEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::doors::{Line, MachineGone, PIECE};
use super::machine::{ModemLines, Sent};

/// What the door calls itself.
const SIGNATURE: &str = concat!("benchrig ", env!("CARGO_PKG_VERSION"));

/// Serves the door for ever; ends only when the machine has gone.
pub(super) async fn serve(listener: &TcpListener, line: &Line) {
    loop {
        // A connection that failed before it was accepted concerns nobody.
        let Ok((first, _)) = listener.accept().await else { continue };
        let served = tokio::select! {
            served = client(first, line) => served,
            () = turn_away(listener, line) => return,
        };
        let left = line.send(Sent::Gone).await;
        if served.and(left).is_err() {
            return;
        }
    }
}

/// Turns others away as long as there is one.
async fn turn_away(listener: &TcpListener, line: &Line) {
    loop {
        if let Ok((_, address)) = listener.accept().await {
            let port = line.port;
            let _ = line.remarks.send(format!("{port}: {address} was turned away, it is in use"));
        }
    }
}

/// Serves one client until it leaves.
async fn client(stream: TcpStream, line: &Line) -> Result<(), MachineGone> {
    let _ = stream.set_nodelay(true);
    let (mut from, mut to) = stream.into_split();
    let mut server = Server::new(PortSettings::default()).with_signature(SIGNATURE);
    // The board has no such lines; programs that look at them shall find a partner.
    server.set_modem_state(ModemState::CTS | ModemState::DSR | ModemState::CD);
    let mut lines = ModemLines::default();
    let mut piece = [0; PIECE];
    let mut out = server.take_output();
    loop {
        tokio::select! {
            read = from.read(&mut piece) => {
                let count = match read {
                    Ok(0) | Err(_) => return Ok(()),
                    Ok(count) => count,
                };
                heard(&mut server, &piece[..count], &mut lines, line).await?;
            }
            // Whoever does not read gets no more; the ring then drops its oldest.
            bytes = line.take(), if out.is_empty() => server.write_data(&bytes),
            wrote = to.write(&out), if !out.is_empty() => match wrote {
                Ok(0) | Err(_) => return Ok(()),
                Ok(count) => drop(out.drain(..count)),
            },
        }
        out.extend(server.take_output());
    }
}

/// Does what a client says, in its order.
async fn heard(
    server: &mut Server,
    mut input: &[u8],
    lines: &mut ModemLines,
    line: &Line,
) -> Result<(), MachineGone> {
    while !input.is_empty() {
        let mut bytes = Vec::new();
        let taken = server.receive_until_event(input, &mut bytes);
        input = &input[taken..];
        if !bytes.is_empty() {
            line.give(&bytes).await?;
        }
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::ComPortActive => {
                    line.send(Sent::Speed(server.settings().baud_rate)).await?;
                }
                ServerEvent::SettingsChanged(settings) => {
                    line.send(Sent::Speed(settings.baud_rate)).await?;
                }
                ServerEvent::Dtr(dtr) => {
                    lines.dtr = dtr;
                    line.send(Sent::Lines(*lines)).await?;
                }
                ServerEvent::Rts(rts) => {
                    lines.rts = rts;
                    line.send(Sent::Lines(*lines)).await?;
                }
                ServerEvent::Break(true) => line.send(Sent::Break).await?,
                ServerEvent::Purge(Purge::Receive | Purge::Both) => line.ring.clear(),
                _ => {}
            }
        }
    }
    Ok(())
}
