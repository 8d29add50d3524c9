//! `serve --wokwi`: Wokwi's Simulation API as the program serves it. `ci/wokwi` does the same by Wokwi's
//! own clients; variations that need no firmware are tested beside the server.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::common::image;
use crate::common::served::Served;

struct Server {
    url: String,
    _served: Served,
}

fn serve(arguments: &[&str]) -> Server {
    let served = Served::start(&[&["--wokwi", "127.0.0.1:0"], arguments].concat(), |_| {});
    Server { url: served.door("wokwi "), _served: served }
}

impl Server {
    fn connect(&self, token: &str) -> Result<WebSocket<TcpStream>, String> {
        let address = self.url.strip_prefix("ws://").expect("a WebSocket");
        let stream = TcpStream::connect(address).expect("the port is open");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        let mut request = self.url.as_str().into_client_request().expect("an address");
        let bearer = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("Authorization", bearer);
        let connected = tungstenite::client(request, stream);
        connected.map(|(socket, _)| socket).map_err(|error| error.to_string())
    }
}

/// Everything that the server tells until the answer to the last command, or until the board pauses.
fn tell(socket: &mut WebSocket<TcpStream>, commands: &[(&str, Value)], last: &str) -> Vec<String> {
    for (command, params) in commands {
        let message =
            json!({"type": "command", "command": command, "params": params, "id": command});
        socket.send(Message::text(message.to_string())).expect("the server listens");
    }
    let mut told = Vec::new();
    loop {
        let Message::Text(text) = socket.read().expect("a message") else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        assert_ne!(message["error"], true, "{message}");
        let is_last = message["event"] == last || message["command"] == last;
        told.push(text.to_string());
        if is_last {
            return told;
        }
    }
}

/// A session that acts only while the board stands still: its messages.
fn session(server: &Server) -> (String, String) {
    let mut socket = server.connect("any").expect("any token does");
    let until = |id: &str, text: &str| {
        ("pause-point:add", json!({"id": id, "type": "serial-bytes", "bytes": text.as_bytes()}))
    };
    let write = |text: &str| ("serial-monitor:write", json!({"bytes": text.as_bytes()}));
    let upload = json!({"name": "f.bin", "binary": BASE64_STANDARD.encode(image())});
    let start = json!({"firmware": "f.bin", "pause": true});
    let begin =
        [("file:upload", upload), ("sim:start", start), ("serial-monitor:listen", json!({}))];
    tell(&mut socket, &begin, "serial-monitor:listen");
    let resume = || ("sim:resume", json!({}));
    let boot = tell(&mut socket, &[until("a", ">>> "), resume()], "sim:pause");
    let ask = [write("print(6 * 7)\r\n"), until("b", "42\r\n"), resume()];
    let answer = tell(&mut socket, &ask, "sim:pause");
    let said = |told: &[String]| {
        let bytes = told.iter().flat_map(|text| {
            let message: Value = serde_json::from_str(text).expect("JSON");
            serde_json::from_value::<Vec<u8>>(message["payload"]["bytes"].clone())
                .unwrap_or_default()
        });
        String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
    };
    let pause = answer.last().expect("a pause").clone();
    (said(&boot) + &said(&answer), pause)
}

#[test]
fn a_session_that_acts_while_the_board_pauses_is_the_same_to_the_nanosecond() {
    let server = serve(&[]);
    let (said, pause) = session(&server);
    // What the chip's FIFO has sent together is told together, also behind the text that was waited for.
    let is_there = said.starts_with("ets Jul 29 2019") && said.contains("print(6 * 7)\r\n42\r\n");
    assert!(is_there, "{said}");
    assert_eq!(session(&server), (said, pause));
}

#[test]
fn only_who_knows_the_token_comes_in() {
    let server = serve(&["--token", "joker"]);
    let refused = server.connect("jokes").expect_err("another token");
    assert!(refused.contains("401"), "{refused}");
    server.connect("joker").expect("the token");
}

#[test]
fn a_server_has_no_board_of_its_own() {
    for argument in
        ["--flash=x", "--serial=pty", "--gdb=127.0.0.1:0", "--name=x", "--board=esp32-cam"]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_benchrig"))
            .args(["serve", "--wokwi", "127.0.0.1:0", argument])
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(2), "{argument}");
    }
}
