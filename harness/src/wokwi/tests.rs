//! The server as a client sees it, with scripted boards behind it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use esp32_emulator::image::esp_image::{FlashSettings, Header, encode};
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use super::server::{Host, Server, Stop};
use crate::firmware::{Manifest, Resolver, Store};
use crate::serve::doors::Reach;
use crate::serve::pacer::Pace;
use crate::serve::token::Token;
use crate::site::Folders;
use crate::targets::fake::{Cue, FakeSource, FakeTarget, Log, Reply};
use crate::targets::part::{Picture, Shown};
use crate::targets::{Level, TargetRequest};
use crate::time::Span;

/// Wall time after which a silent server has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that ends with the test.
struct Served {
    address: SocketAddr,
    stop: Stop,
    thread: Option<std::thread::JoinHandle<()>>,
    requests: Arc<Mutex<Vec<TargetRequest>>>,
    log: Log,
    _folder: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

/// A board that greets, prompts, blinks, and answers.
fn greeting() -> FakeTarget {
    let boot = Reply::on(Cue::PowerOn)
        .say(ms(10), "ets\r\n")
        .say(ms(10), ">>> and more")
        .pin(ms(5), 2, Level::High)
        .pin(ms(5), 2, Level::Low);
    let answer = Reply::on(Cue::Sent(b"hi\n".to_vec())).say(ms(3), "there\r\n");
    FakeTarget::new([boot, answer])
}

fn host(source: FakeSource, token: Option<&str>, folder: &Path) -> Host {
    let manifest = Manifest::built_in().expect("it is right");
    Host {
        source: Box::new(source),
        firmware: Resolver::new(manifest, Store::new(folder.join("cache"), None), folder),
        site: None,
        folders: Folders::new(),
        seed: 1,
        token: token.and_then(Token::new),
        pace: Pace::Fast,
        remarks: Box::new(|_| {}),
    }
}

fn serve_with(target: FakeTarget, token: Option<&str>) -> Served {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = FakeSource::new(target);
    let (requests, log) = (source.requests.clone(), source.target.log());
    let host = host(source, token, folder.path());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::open(any, Reach::Loopback, host).expect("a free port");
    let (address, stop) = (server.address().expect("open"), server.stop().expect("open"));
    let ends = stop.clone();
    let thread = Some(std::thread::spawn(move || server.serve(&ends)));
    Served { address, stop, thread, requests, log, _folder: folder }
}

fn serve() -> Served {
    serve_with(greeting(), None)
}

/// A client that knows only the protocol.
struct Client {
    socket: WebSocket<TcpStream>,
    next: u64,
    /// Events in the order in which they came.
    events: Vec<Value>,
}

impl Served {
    fn connect(&self, token: &str) -> Result<WebSocket<TcpStream>, u16> {
        let stream = TcpStream::connect(self.address).expect("the port is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut request =
            format!("ws://{}/api/ws/beta", self.address).into_client_request().expect("an address");
        let bearer = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("Authorization", bearer);
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn client(&self) -> Client {
        let socket = self.connect("any").expect("any token does");
        let mut client = Client { socket, next: 0, events: Vec::new() };
        let hello = client.message();
        assert_eq!((&hello["type"], &hello["protocolVersion"]), (&json!("hello"), &json!(1)));
        assert!(hello["appVersion"].is_string() && hello.get("features").is_none());
        client
    }
}

impl Client {
    fn message(&mut self) -> Value {
        loop {
            match self.socket.read().expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn send(&mut self, command: &str, params: Value) -> String {
        let id = self.next.to_string();
        self.next += 1;
        let text =
            json!({"type": "command", "command": command, "params": params, "id": id}).to_string();
        self.socket.send(Message::text(text)).expect("the server listens");
        id
    }

    /// The answer to a command; what happens before is among the events.
    fn answer(&mut self, id: &str) -> Result<Value, (u64, String)> {
        loop {
            let message = self.message();
            if message["type"] == "event" {
                self.events.push(message);
                continue;
            }
            assert_eq!((&message["type"], &message["id"]), (&json!("response"), &json!(id)));
            let result = message["result"].clone();
            return match message["error"] == true {
                false => Ok(result),
                true => Err((
                    result["code"].as_u64().expect("a code"),
                    result["message"].as_str().expect("a message").to_owned(),
                )),
            };
        }
    }

    fn ask(&mut self, command: &str, params: Value) -> Result<Value, (u64, String)> {
        let id = self.send(command, params);
        self.answer(&id)
    }

    fn done(&mut self, command: &str, params: Value) -> Value {
        self.ask(command, params).unwrap_or_else(|error| panic!("{command}: {error:?}"))
    }

    fn upload(&mut self, name: &str, bytes: &[u8]) {
        let binary = BASE64_STANDARD.encode(bytes);
        assert_eq!(self.done("file:upload", json!({"name": name, "binary": binary})), json!({}));
    }

    fn start(&mut self, pause: bool) {
        self.upload("f.bin", &image());
        self.done("sim:start", json!({"firmware": "f.bin", "pause": pause, "elf": null}));
    }

    /// The next event; with its payload.
    fn event(&mut self) -> (String, Value, u64) {
        if self.events.is_empty() {
            let message = self.message();
            assert_eq!(message["type"], "event", "{message}");
            self.events.push(message);
        }
        let event = self.events.remove(0);
        let name = event["event"].as_str().expect("a name").to_owned();
        (name, event["payload"].clone(), event["nanos"].as_u64().expect("whole nanoseconds"))
    }

    /// What is said until the board pauses, with the pause point and the time.
    fn until_paused(&mut self) -> (String, Value, u64) {
        let mut said = Vec::new();
        loop {
            let (name, payload, nanos) = self.event();
            match name.as_str() {
                "serial-monitor:data" => {
                    let bytes = payload["bytes"].as_array().expect("bytes");
                    said.extend(bytes.iter().map(|byte| byte.as_u64().expect("a byte") as u8));
                }
                "sim:pause" => {
                    let said = String::from_utf8_lossy(&said).into_owned();
                    return (said, payload["pausePoint"].clone(), nanos);
                }
                _ => {}
            }
        }
    }

    /// How the server ends the conversation.
    fn farewell(&mut self) -> (Option<String>, Option<CloseCode>) {
        let mut trouble = None;
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    assert_eq!(message["type"], "error");
                    trouble = message["message"].as_str().map(str::to_owned);
                }
                Ok(Message::Close(frame)) => return (trouble, frame.map(|frame| frame.code)),
                Ok(_) => {}
                Err(_) => return (trouble, None),
            }
        }
    }
}

/// A program all in RAM: no bootloader has to be fetched for it.
fn image() -> Vec<u8> {
    let header = Header::new(0x4008_0400, FlashSettings::DIO_40MHZ_4MB);
    encode(header, &[(0x4008_0400, vec![7; 0x100])])
}

const BUTTON: &str = r#"{"version": 1,
    "parts": [{"type": "board-esp32-devkit-c-v4", "id": "esp"},
        {"type": "wokwi-pushbutton", "id": "btn", "attrs": {"bounce": "0"}},
        {"type": "wokwi-lcd1602", "id": "lcd"}, {"type": "wokwi-led", "id": "led"},
        {"type": "wokwi-logic-analyzer", "id": "la", "attrs": {"channelNames": "CLK"}}],
    "connections": [["esp:TX", "$serialMonitor:RX", ""], ["esp:RX", "$serialMonitor:TX", ""],
        ["btn:1.l", "esp:13", ""], ["btn:2.r", "esp:GND.1", ""], ["led:A", "esp:2", ""],
        ["la:D0", "esp:2", ""]]}"#;

#[test]
fn a_paused_board_is_told_of_before_the_answer_and_behind_all_that_it_said() {
    let served = serve();
    let mut client = served.client();
    client.start(true);
    assert_eq!(client.done("sim:status", json!({})), json!({"running": false, "nanos": 0}));
    client.done("serial-monitor:listen", Value::Null);
    // Sent without waiting, as wokwi-cli does.
    let bytes: Vec<u8> = b">>> ".to_vec();
    let point = json!({"id": "pp0_serial-bytes", "type": "serial-bytes", "bytes": bytes});
    let add = client.send("pause-point:add", point);
    let resume = client.send("sim:resume", json!({"pauseAfter": null}));
    assert_eq!(client.answer(&add), Ok(json!({})));
    assert_eq!(client.answer(&resume), Ok(json!({})));
    let (said, point, nanos) = client.until_paused();
    assert_eq!((said.as_str(), &point), ("ets\r\n>>> and more", &json!("pp0_serial-bytes")));
    assert_eq!(nanos, 20_000_000, "when the text was complete");
    // What was said behind the text is not lost for the next one.
    let bytes: Vec<u8> = b" more".to_vec();
    client.done("pause-point:add", json!({"id": "b", "type": "serial-bytes", "bytes": bytes}));
    client.done("sim:resume", json!({}));
    assert_eq!(client.until_paused(), (String::new(), json!("b"), 20_000_000));
    // A board that stands still already says when, for clients that count from there.
    client.done("sim:pause", json!({}));
    assert_eq!(client.events.len(), 1, "before the answer");
    assert_eq!(client.until_paused(), (String::new(), Value::Null, 20_000_000));
    client.done("sim:resume", json!({"pauseAfter": 1_000_000_000_000_u64}));
    client.done("sim:pause", json!({}));
    assert_eq!(client.events.last().map(|it| &it["event"]), Some(&json!("sim:pause")));
}

#[test]
fn limits_and_times_pause_exactly_there_and_points_stay_armed() {
    let served = serve();
    let mut client = served.client();
    // Before there is a board, as wokwi-cli does with its time limit.
    let point = |id, kind, ms: u64| json!({"id": id, "type": kind, "nanos": ms * 1_000_000});
    client.done("pause-point:add", point("limit", "time-absolute", 90));
    client.start(true);
    client.done("sim:resume", json!({}));
    assert_eq!(client.until_paused(), (String::new(), json!("limit"), 90_000_000));
    client.done("pause-point:add", point("far", "time-absolute", 500));
    client.done("pause-point:add", point("delay", "time-relative", 100));
    client.done("sim:resume", json!({}));
    assert_eq!(client.until_paused().1, "delay");
    client.done("sim:resume", json!({"pauseAfter": 10_000_000.4}));
    assert_eq!(client.until_paused(), (String::new(), Value::Null, 200_000_000));
    client.done("pause-point:remove", json!({"id": "far"}));
    client.done("pause-point:add", point("past", "time-absolute", 1));
    client.done("sim:resume", json!({"pauseAfter": 600_000_000}));
    assert_eq!(client.until_paused(), (String::new(), json!("past"), 200_000_000));
    // The limit belonged to the run that has ended.
    client.done("pause-point:add", point("end", "time-absolute", 1000));
    client.done("sim:resume", json!({}));
    assert_eq!(client.until_paused(), (String::new(), json!("end"), 1_000_000_000));
    assert_eq!(client.done("sim:status", json!({}))["nanos"], 1_000_000_000);
}

#[test]
fn what_was_said_before_somebody_listens_is_kept_and_a_restart_begins_at_zero() {
    let served = serve();
    let mut client = served.client();
    client.start(true);
    client.done("sim:resume", json!({"pauseAfter": 50_000_000}));
    assert_eq!(client.until_paused(), (String::new(), Value::Null, 50_000_000));
    client.done("serial-monitor:listen", json!({}));
    client.done("serial-monitor:write", json!({"bytes": [104, 105, 10]}));
    client.done("sim:resume", json!({"pauseAfter": 50_000_000}));
    let (said, _, nanos) = client.until_paused();
    assert_eq!((said.as_str(), nanos), ("ets\r\n>>> and morethere\r\n", 100_000_000));
    client.done("sim:restart", json!({"pause": true}));
    assert_eq!(client.until_paused(), (String::new(), Value::Null, 0));
    assert_eq!(client.done("sim:status", json!({})), json!({"running": false, "nanos": 0}));
    client.done("sim:resume", json!({"pauseAfter": 15_000_000}));
    assert_eq!(client.until_paused(), ("ets\r\n".to_owned(), Value::Null, 15_000_000));
    assert_eq!(served.requests.lock().unwrap().len(), 2, "a board for each start");
}

#[test]
fn nothing_happens_before_a_client_has_noticed_that_it_listens() {
    let served = serve();
    let mut client = served.client();
    client.start(false);
    client
        .done("pause-point:add", json!({"id": "p", "type": "time-relative", "nanos": 30_000_000}));
    assert_eq!(client.until_paused().1, "p");
    client.done("sim:resume", json!({"pauseAfter": 10_000_000}));
    client.send("serial-monitor:listen", json!({}));
    // The next commands come without waiting for the answer, and are done behind it.
    client.send("sim:status", json!({}));
    let mut order = Vec::new();
    while order.last().map(String::as_str) != Some("status") {
        match client.socket.read().expect("a message") {
            Message::Ping(_) => order.push("ping".to_owned()),
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                order.push(match message["command"].as_str() {
                    Some("serial-monitor:listen") => "listens".to_owned(),
                    Some("sim:status") => "status".to_owned(),
                    _ => message["event"].as_str().unwrap_or("?").to_owned(),
                });
            }
            other => panic!("{other:?}"),
        }
    }
    let listens = order.iter().position(|it| it == "listens").expect("an answer");
    assert!(order[listens + 1..].starts_with(&vec!["ping".to_owned(); 6]), "{order:?}");
    let said = order.iter().position(|it| it == "serial-monitor:data");
    assert!(said.is_none_or(|said| said > listens + 6), "{order:?}");
}

#[test]
fn pins_and_parts_are_those_of_the_diagram() {
    let served = serve();
    let mut client = served.client();
    client.done("file:upload", json!({"name": "diagram.json", "text": BUTTON}));
    client.upload("f.bin", &image());
    let warnings = client.done("sim:start", json!({"firmware": "f.bin", "pause": true}));
    assert_eq!(
        warnings["warnings"],
        json!(["the part `lcd` (wokwi-lcd1602) is not emulated; its pins float"])
    );
    client.done("pin:listen", json!({"part": "led", "pin": "A", "listen": true}));
    client.done("sim:resume", json!({"pauseAfter": 26_000_000}));
    assert_eq!(client.event().1["value"], 1);
    assert_eq!(client.until_paused().2, 26_000_000);
    let high = client.done("pin:read", json!({"part": "led", "pin": "A"}));
    assert_eq!((&high["value"], &high["voltage"]), (&json!(1), &json!(3.3)));
    assert_eq!(client.done("pin:read", json!({"part": "btn", "pin": "2.l"}))["value"], 0);
    let pins = client.done("gpio:list", json!({}));
    assert!(pins["pins"].as_array().unwrap().contains(&json!("esp:GPIO13")));
    client.done("control:set", json!({"part": "btn", "control": "pressed", "value": 1.0}));
    let log = served.log.lock().unwrap().join("\n");
    assert!(log.contains("btn.pressed = 1"), "{log}");
    let vcd = client.done("sim:read-vcd", json!({}));
    assert_eq!((&vcd["channelCount"], &vcd["sampleCount"]), (&json!(1), &json!(2)));
    assert!(vcd["vcd"].as_str().unwrap().contains("CLK"));
    for (command, params, code, what) in [
        ("pin:read", json!({"part": "esp", "pin": "99"}), 404, "pin `99`"),
        ("pin:read", json!({"part": "x", "pin": "1"}), 404, "no part `x`"),
        ("control:set", json!({"part": "btn", "control": "x", "value": 1}), 404, "control `x`"),
        ("control:set", json!({"part": "lcd", "control": "x", "value": 1}), 501, "lcd"),
        ("framebuffer:read", json!({"id": "lcd"}), 501, "lcd"),
        ("touch:event", json!({"part": "lcd", "x": 1, "y": 1, "event": "press"}), 501, "lcd"),
        ("sdcard:export", json!({"format": "image"}), 501, "SD card"),
        ("file:download", json!({"name": "x"}), 404, "no file `x`"),
        ("sim:fly", json!({}), 404, "`sim:fly`"),
        ("pause-point:add", json!({"id": "a", "type": "moon"}), 400, "parameters"),
        ("serial-monitor:write", json!({"bytes": [256]}), 400, "parameters"),
    ] {
        let (got, message) = client.ask(command, params).expect_err(command);
        assert!(got == code && message.contains(what), "{command}: {got} {message}");
    }
    assert_eq!(client.done("file:download", json!({"name": "diagram.json"}))["text"], BUTTON);
}

#[test]
fn firmware_comes_in_every_form_and_what_is_none_is_named() {
    let served = serve();
    let mut client = served.client();
    client.upload("a/boot.bin", &image());
    let section = json!([{"offset": 4096, "file": "a/boot.bin"}]);
    let start = json!({"firmware": section, "flashSize": "16MB", "pause": true});
    assert_eq!(client.done("sim:start", start), json!({}));
    let requested = served.requests.lock().unwrap()[0].clone();
    assert_eq!((requested.flash[0].offset, &*requested.flash[0].bytes), (0x1000, &image()[..]));
    assert_eq!((requested.flash_megabytes, requested.psram_megabytes), (Some(16), Some(4)));
    for (name, bytes, what) in [
        ("f.uf2", &b"UF2\n\x57\x51\x5d\x9e"[..], "UF2"),
        ("f.hex", b":10000000", "Intel HEX"),
        ("f.txt", b"hello", "f.txt"),
        ("f.elf", b"\x7fELF", "f.elf"),
    ] {
        client.upload(name, bytes);
        let (code, message) = client.ask("sim:start", json!({"firmware": name})).unwrap_err();
        assert!(code == 400 && message.contains(what), "{code} {message}");
    }
    for (params, what) in [
        (json!({}), "firmware"),
        (json!({"firmware": "none.bin"}), "none.bin"),
        (json!({"firmware": "a/boot.bin", "chips": ["inverter"]}), "custom chip `inverter`"),
        (json!({"firmware": "a/boot.bin", "sdcards": [{"prefix": "sd/"}]}), "SD card"),
    ] {
        let (_, message) = client.ask("sim:start", params).unwrap_err();
        assert!(message.contains(what), "{message}");
    }
    let nothing = client.ask("file:upload", json!({"name": "x", "binary": "*"})).unwrap_err();
    assert_eq!(nothing.0, 400);
}

#[test]
fn nothing_runs_without_a_simulation() {
    let served = serve();
    let mut client = served.client();
    for command in ["sim:resume", "sim:pause", "sim:restart", "gpio:list", "sim:read-vcd"] {
        assert_eq!(client.ask(command, Value::Null).unwrap_err().0, 409, "{command}");
    }
    assert_eq!(client.done("sim:status", Value::Null)["running"], false);
}

#[test]
fn with_a_token_only_who_knows_it_comes_in() {
    let served = serve_with(greeting(), Some("joker"));
    assert_eq!(served.connect("jokes").err(), Some(401));
    assert_eq!(served.connect("").err(), Some(401));
    assert!(served.connect("joker").is_ok());
}

#[test]
fn other_computers_come_in_only_with_a_token_and_where_they_may() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let open = |reach, token| {
        let host = host(FakeSource::new(greeting()), token, folder.path());
        Server::open(everywhere, reach, host).map(|_| ())
    };
    assert!(open(Reach::Loopback, Some("joker")).is_err());
    assert!(open(Reach::Network, None).is_err());
    assert!(open(Reach::Network, Some("joker")).is_ok());
}

#[test]
fn garbage_harms_only_who_sends_it() {
    let served = serve();
    let mut good = served.client();
    good.start(true);
    for (message, code) in [
        (Message::text("{"), CloseCode::Policy),
        (Message::text(r#"{"type": "event", "event": "x"}"#), CloseCode::Policy),
        (Message::binary(vec![1, 2, 3]), CloseCode::Unsupported),
        (Message::text("[".repeat(1 << 20)), CloseCode::Policy),
    ] {
        let mut bad = served.client();
        bad.socket.send(message).expect("it is heard");
        let (trouble, ended) = bad.farewell();
        assert!(trouble.is_some() && ended == Some(code), "{trouble:?} {ended:?}");
    }
    // No WebSocket at all, and a frame that says it is far too large.
    let mut raw = TcpStream::connect(served.address).expect("the port is open");
    raw.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is heard");
    raw.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let _ = raw.read_to_end(&mut Vec::new());
    let mut huge = served.client();
    let header = [0x81, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 2, 3, 4];
    huge.socket.get_mut().write_all(&header).expect("it is heard");
    assert_eq!(huge.farewell().1, Some(CloseCode::Size));
    good.done("sim:resume", json!({"pauseAfter": 15_000_000}));
    assert_eq!(good.until_paused().2, 15_000_000);
}

#[test]
fn each_client_has_a_board_of_its_own_and_one_that_vanishes_takes_its_board_along() {
    let served = serve();
    let mut clients: Vec<Client> = (0..3).map(|_| served.client()).collect();
    for client in &mut clients {
        client.start(true);
    }
    // Runs on while its client is gone, if it were not freed.
    let mut gone = clients.remove(0);
    gone.done("sim:resume", json!({"pauseAfter": u64::MAX}));
    drop(gone);
    for (client, ms) in clients.iter_mut().zip([12, 19]) {
        client.done("sim:resume", json!({"pauseAfter": ms * 1_000_000}));
        assert_eq!(client.until_paused().2, ms * 1_000_000);
    }
    // All leave: the server can end only when no thread is left behind.
    drop(clients);
    drop(served);
}

#[test]
fn a_board_that_cannot_go_on_ends_the_conversation_with_the_reason() {
    let served = serve_with(greeting().breaking_at(ms(12), "no such ROM function"), None);
    let mut client = served.client();
    client.done("serial-monitor:listen", json!({}));
    client.start(true);
    client.done("sim:resume", json!({"pauseAfter": 30_000_000}));
    let (name, ..) = client.event();
    assert_eq!(name, "serial-monitor:data", "all that it said comes first");
    let (trouble, code) = client.farewell();
    assert_eq!(trouble.as_deref(), Some("the target stopped: no such ROM function"));
    assert_eq!(code, Some(CloseCode::Error));
}

#[test]
fn a_server_that_ends_says_so() {
    let served = serve();
    let mut client = served.client();
    client.start(false);
    served.stop.stop();
    loop {
        match client.socket.read() {
            Ok(Message::Close(frame)) => {
                assert_eq!(frame.map(|frame| frame.code), Some(CloseCode::Away));
                break;
            }
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_client_gets_the_picture_of_a_display_and_the_colours_of_a_row() {
    let row = Shown::Colours(vec![[1, 2, 3], [4, 5, 6]]);
    let served = serve_with(greeting().showing("row.pixels", row), None);
    let mut client = served.client();
    let diagram = r#"{"version": 1,
        "parts": [{"type": "board-esp32-devkit-c-v4", "id": "esp"},
                  {"type": "wokwi-neopixel", "id": "row"}, {"type": "wokwi-servo", "id": "horn"}],
        "connections": [["row:DIN", "esp:13"], ["row:VSS", "esp:GND.1"], ["row:VDD", "esp:3V3"],
                        ["horn:PWM", "esp:14"]]}"#;
    client.done("file:upload", json!({"name": "diagram.json", "text": diagram}));
    client.upload("f.bin", &image());
    let started = client.done("sim:start", json!({"firmware": "f.bin", "pause": true}));
    let warnings = started["warnings"].to_string();
    let unpowered = "the part `horn` (wokwi-servo) does nothing: it has no power";
    assert!(warnings.contains(unpowered), "{warnings}");
    let answer = client.done("framebuffer:read", json!({"id": "row"}));
    let png = BASE64_STANDARD.decode(answer["png"].as_str().unwrap()).unwrap();
    let dots = vec![[1, 2, 3], [4, 5, 6]];
    assert_eq!(Picture::from_png(&png).unwrap(), Picture { width: 2, height: 1, dots });
    let (code, _) = client.ask("framebuffer:read", json!({"id": "horn"})).unwrap_err();
    assert_eq!(code, 501);
}

const SCREEN: &str = r#"{"version": 1,
    "parts": [{"type": "board-esp32-devkit-c-v4", "id": "esp"},
        {"type": "board-ili9341-cap-touch", "id": "lcd"}, {"type": "wokwi-ili9341", "id": "plain"},
        {"type": "board-ili9341-cap-touch", "id": "loose"}],
    "connections": [["esp:TX", "$serialMonitor:RX"], ["lcd:SDA", "esp:21"], ["lcd:SCL", "esp:22"],
        ["lcd:VCC", "esp:3V3"], ["lcd:GND", "esp:GND.1"]]}"#;

#[test]
fn a_finger_touches_the_screen_that_the_diagram_has() {
    let served = serve();
    let mut client = served.client();
    client.done("file:upload", json!({"name": "diagram.json", "text": SCREEN}));
    client.start(true);
    let touch = |event, x| json!({"part": "lcd", "x": x, "y": 20.5, "event": event});
    let mut tap = touch("press", 10);
    tap["releaseAfter"] = json!(50_000_000.0);
    for touch in [tap, touch("press", 1), touch("move", 2), touch("release", 0)] {
        assert_eq!(client.done("touch:event", touch), json!({}));
    }
    let log = served.log.lock().unwrap();
    let felt = ["press at 10, 20.5 for 50ms", "press at 1, 20.5", "move to 2, 20.5", "release"];
    let felt = felt.map(|finger| format!("0.000000s lcd: {finger}"));
    assert_eq!(log[log.len() - 4..], felt);
    drop(log);
    let touch = |part, event| json!({"part": part, "x": 1, "y": 1, "event": event});
    assert_eq!(client.done("touch:event", touch("loose", "press")), json!({}), "nobody sees it");
    for (part, event, code, what) in [
        ("plain", "press", 404, "`plain` has no touch screen"),
        ("esp", "press", 501, "`esp` (board-esp32-devkit-c-v4) is not emulated"),
        ("lcd", "tap", 400, "unknown variant `tap`"),
        ("x", "press", 404, "no part `x`"),
    ] {
        let (got, message) = client.ask("touch:event", touch(part, event)).expect_err(part);
        assert!(got == code && message.contains(what), "{part}: {got} {message}");
    }
}
