//! The RFC 2217 door: a serial port over Telnet, with speed, modem lines and breaks.
//!
//! Source: RFC 2217, "Telnet Com Port Control Option". The crate `rfc2217` speaks the protocol; this
//! joins it with the board.

use ::rfc2217::{ModemState, PortSettings, Purge, Server, ServerEvent};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::bench::adapters::ROM_BAUD;

use super::doors::{Line, MachineGone, PIECE, one_at_a_time};
use super::machine::{ModemLines, Sent};

/// What the door calls itself.
const SIGNATURE: &str = concat!("benchrig ", env!("CARGO_PKG_VERSION"));
/// Bytes that a client may leave unread before it is not heard any more.
const ANSWERS: usize = 64 << 10;

/// Serves the door for ever; ends only when the machine has gone.
pub(super) async fn serve(listener: &TcpListener, line: &Line) {
    one_at_a_time(listener, &line.port.to_string(), &line.remarks, async |stream| {
        let _ = stream.set_nodelay(true);
        let (from, to) = stream.into_split();
        let served = client(from, to, line).await;
        let left = line.send(Sent::Gone).await;
        served.and(left)
    })
    .await;
}

/// Serves one client until it leaves.
async fn client(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    line: &Line,
) -> Result<(), MachineGone> {
    // A port has a speed before a client says one, and the console's is the best guess.
    let settings = PortSettings { baud_rate: ROM_BAUD, ..PortSettings::default() };
    let mut server = Server::new(settings).with_signature(SIGNATURE);
    // The board has no such lines; programs that look at them shall find a partner.
    server.set_modem_state(ModemState::CTS | ModemState::DSR | ModemState::CD);
    let mut lines = ModemLines::default();
    let mut piece = [0; PIECE];
    let mut out = server.take_output();
    loop {
        tokio::select! {
            // Nor is a client heard that asks and asks and never reads the answers.
            read = from.read(&mut piece), if out.len() < ANSWERS => {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::io::duplex;
    use tokio::net::TcpStream;
    use tokio::sync::mpsc::Receiver;

    use super::*;
    use crate::serve::doors::tests::line;
    use crate::serve::machine::Input;

    const IAC: u8 = 255;
    const SB: u8 = 250;
    const SE: u8 = 240;
    const WILL: u8 = 251;
    const COM_PORT: u8 = 44;

    /// What a client may send: commands whole, cut off and too long, and anything else.
    fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let command = (SE..=254, any::<u8>()).prop_map(|(verb, option)| vec![IAC, verb, option]);
        let body = prop_oneof![
            9 => prop::collection::vec(any::<u8>(), 0..12),
            1 => prop::collection::vec(any::<u8>(), 1_000..1_100),
        ];
        let asked = (0..=14_u8, body, any::<bool>()).prop_map(|(command, body, ends)| {
            let mut bytes = vec![IAC, SB, COM_PORT, command];
            bytes.extend(body);
            bytes.extend(if ends { &[IAC, SE][..] } else { &[] });
            bytes
        });
        let noise = prop::collection::vec(prop_oneof![Just(IAC), any::<u8>()], 0..300);
        prop::collection::vec(prop_oneof![command, asked, noise], 0..40)
    }

    /// The bytes that have come to the board.
    fn bytes(board: &mut Receiver<Input>) -> Vec<u8> {
        let mut all = Vec::new();
        while let Ok(input) = board.try_recv() {
            if let Sent::Bytes(bytes) = input.what {
                all.extend(bytes);
            }
        }
        all
    }

    #[tokio::test]
    async fn who_comes_as_soon_as_another_has_left_is_let_in() {
        let (line, mut board) = line();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let visitors = async {
            for name in 0..100 {
                let mut visitor = TcpStream::connect(address).await.expect("the door is open");
                visitor.write_all(&[name]).await.expect("it can be heard");
                drop(visitor);
            }
            let mut heard = Vec::new();
            while heard.len() < 100 {
                if let Some(Input { what: Sent::Bytes(bytes), .. }) = board.recv().await {
                    heard.extend(bytes);
                }
            }
            heard
        };
        let heard = tokio::select! {
            () = serve(&listener, &line) => panic!("the machine is there"),
            heard = tokio::time::timeout(Duration::from_secs(20), visitors) => heard,
        };
        assert_eq!(heard.expect("all are heard"), (0..100).collect::<Vec<_>>());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Two ends of a subnegotiation end one whatever state they find.
        #[test]
        fn whatever_a_client_sends_what_it_sends_next_reaches_the_board(pieces in pieces()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let (line, mut board) = line();
            let mut server = Server::new(PortSettings::default());
            let mut lines = ModemLines::default();
            let wholesome = [IAC, SE, IAC, SE, b'a', b'l', b'i', b'v', b'e'];
            for piece in pieces.iter().map(Vec::as_slice).chain([&wholesome[..]]) {
                let heard = heard(&mut server, piece, &mut lines, &line);
                prop_assert_eq!(runtime.block_on(heard), Ok(()));
                let _ = server.take_output();
            }
            prop_assert!(bytes(&mut board).ends_with(b"alive"));
        }

        #[test]
        fn bytes_pass_both_ways_whatever_they_are(
            sent in prop::collection::vec(prop_oneof![Just(IAC), any::<u8>()], 0..2_000),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let (line, mut board) = line();
            let mut server = Server::new(PortSettings::default());
            let escape = |byte: &u8| if *byte == IAC { vec![IAC, IAC] } else { vec![*byte] };
            let escaped: Vec<u8> = sent.iter().flat_map(escape).collect();
            let mut lines = ModemLines::default();
            for piece in escaped.chunks(PIECE) {
                let heard = heard(&mut server, piece, &mut lines, &line);
                prop_assert_eq!(runtime.block_on(heard), Ok(()));
            }
            prop_assert_eq!(bytes(&mut board), sent.clone());
            let _ = server.take_output();
            server.write_data(&sent);
            prop_assert_eq!(server.take_output(), escaped);
        }
    }

    #[tokio::test]
    async fn a_client_that_asks_and_never_reads_is_not_heard_for_ever() {
        let (line, _board) = line();
        let (client_end, door) = duplex(64);
        let (from, to) = tokio::io::split(door);
        let (_unread, mut sends) = tokio::io::split(client_end);
        let storm: Vec<u8> = (0..=255).flat_map(|option| [IAC, WILL, option]).collect();
        let mut client = std::pin::pin!(client(from, to, &line));
        let (mut sent, mut turns) = (0, 0);
        while turns < 1_000 {
            tokio::select! {
                biased;
                _ = &mut client => panic!("it ends"),
                count = sends.write(&storm) => (sent, turns) = (sent + count.expect("open"), 0),
                () = tokio::task::yield_now() => turns += 1,
            }
        }
        assert!((ANSWERS..2 * ANSWERS).contains(&sent), "{sent} bytes of questions");
    }
}
