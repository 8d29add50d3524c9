//! The target against a server that was written for this alone, from the same facts as the client and
//! without a line of ours: each quirk is something that a server may do and Wokwi's clients bear.

use std::cell::Cell;
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Message, WebSocket};

use super::door::Door;
use super::*;
use crate::targets::Segment;

/// What a server does differently from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quirk {
    /// The pause of a run is told before the answer to `sim:resume`.
    PauseBeforeAnswer,
    /// A pause is told besides whenever the simulation stands still already.
    SparePauses,
    /// Answers have `null` for nothing, pauses no payload.
    Nulls,
    /// Times have a fraction, numbers of answers are no texts.
    Floats,
    /// Binary frames, pings, unknown messages and events in between.
    Chatter,
    /// Pauses come a little later than ordered.
    Late,
    /// Serial bytes come one by one.
    Bytes,
    /// What the board said at its start is told at once, with the answer.
    Burst,
    /// `pin:listen` is unknown.
    NoListening,
    /// `sim:status` is unknown.
    NoStatus,
    /// A restart lets simulated time go on.
    TimeGoesOn,
    /// A restart does not care for `pause`.
    RunsAtOnce,
    /// The same, and that it was paused is told behind the answer.
    PausesBehindTheAnswer,
    /// `sim:restart` is unknown.
    NoRestart,
    /// Messages come in several frames.
    Fragments,
    /// Busy at first.
    Busy,
}

const QUIRKS: [Quirk; 16] = [
    Quirk::PauseBeforeAnswer,
    Quirk::SparePauses,
    Quirk::Nulls,
    Quirk::Floats,
    Quirk::Chatter,
    Quirk::Late,
    Quirk::Bytes,
    Quirk::Burst,
    Quirk::NoListening,
    Quirk::NoStatus,
    Quirk::TimeGoesOn,
    Quirk::RunsAtOnce,
    Quirk::PausesBehindTheAnswer,
    Quirk::NoRestart,
    Quirk::Fragments,
    Quirk::Busy,
];

/// How it ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The first words are something else.
    NoHello,
    /// They are an error.
    ErrorAtOnce,
    OtherVersion,
    /// The token is not accepted.
    Unauthorized,
    AlwaysBusy,
    /// At the first run.
    Error,
    Close,
    CloseWithoutStatus,
    Drop,
    Refusal,
    RefusalWithoutWords,
    /// The firmware is refused.
    NoStart,
    /// The simulation stands still and does not say so; told by `sim:status` alone.
    Garbage,
}

#[derive(Clone, Copy, Default)]
struct Plays {
    quirk: Option<Quirk>,
    end: Option<End>,
}

/// What the board of the server says: after how many milliseconds since its start.
const SCRIPT: [(u64, &str); 2] = [(5, "ets Jul 29\r\n"), (250, ">>> ")];
/// When its pin 2 goes high.
const RISES: u64 = 120;
const MS: u64 = 1_000_000;

fn serve(plays: Plays) -> (Door, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("ws://{}/any/path", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let turned_away = Cell::new(0);
        let mut asked = Vec::new();
        loop {
            let (stream, _) = listener.accept().unwrap();
            #[expect(clippy::result_large_err, reason = "the library wants it so")]
            let admit = |request: &Request, answer: Response| {
                let said = request.headers()["authorization"].to_str().unwrap().to_owned();
                let agent = request.headers()["user-agent"].to_str().unwrap();
                assert!(said == "Bearer secret" && agent.starts_with("benchrig/"));
                let status = match (plays.quirk, plays.end) {
                    (Some(Quirk::Busy), _) if turned_away.get() < 2 => 503,
                    (_, Some(End::AlwaysBusy)) => 524,
                    (_, Some(End::Unauthorized)) => 401,
                    _ => return Ok(answer),
                };
                turned_away.set(turned_away.get() + 1);
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = status.try_into().unwrap();
                Err(refusal)
            };
            let accepted = tungstenite::accept_hdr(stream, admit);
            match accepted {
                Ok(socket) => {
                    asked.extend(Fake::new(socket, plays).serve());
                    // Whoever cannot have the board anew comes again.
                    let comes_again = plays.quirk == Some(Quirk::NoRestart)
                        && asked.last().is_some_and(|it| it == "sim:restart");
                    if !comes_again {
                        return asked;
                    }
                }
                Err(_) if plays.end == Some(End::Unauthorized) || turned_away.get() > 2 => {
                    return Vec::new();
                }
                Err(_) => {}
            }
        }
    });
    (Door { server, token: "secret".to_owned(), pauses: vec![Duration::ZERO; 2] }, thread)
}

struct Fake {
    socket: WebSocket<TcpStream>,
    plays: Plays,
    listening: bool,
    pins: bool,
    /// Simulated time, and when the board began.
    now: u64,
    began: u64,
    running: bool,
    button: u64,
    asked: Vec<String>,
    id: Value,
    command: String,
}

impl Fake {
    fn new(socket: WebSocket<TcpStream>, plays: Plays) -> Self {
        Self {
            socket,
            plays,
            listening: false,
            pins: false,
            now: 0,
            began: 0,
            running: false,
            button: 0,
            asked: Vec::new(),
            id: Value::Null,
            command: String::new(),
        }
    }

    fn has(&self, quirk: Quirk) -> bool {
        self.plays.quirk == Some(quirk)
    }

    fn say(&mut self, message: Value) {
        if self.has(Quirk::Chatter) {
            let _ = self.socket.send(Message::Binary(vec![1, 2].into()));
            let _ = self.socket.send(Message::Ping(vec![3].into()));
            let unknown =
                json!({"type": "event", "event": "ui:blink", "payload": null, "nanos": 1});
            let _ = self.socket.send(Message::text(unknown.to_string()));
            let _ = self.socket.send(Message::text(r#"{"type":"news"}"#));
        }
        let text = message.to_string();
        if !self.has(Quirk::Fragments) {
            let _ = self.socket.send(Message::text(text));
            return;
        }
        let pieces: Vec<_> = text.as_bytes().chunks(7).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let data = if number == 0 { Data::Text } else { Data::Continue };
            let is_last = number + 1 == pieces.len();
            let frame = Frame::message(piece.to_vec(), OpCode::Data(data), is_last);
            let _ = self.socket.send(Message::Frame(frame));
        }
    }

    fn event(&mut self, name: &str, payload: Value, nanos: u64) {
        let nanos = match self.has(Quirk::Floats) {
            true => json!(nanos as f64 + 0.25),
            false => json!(nanos),
        };
        self.say(json!({"type": "event", "event": name, "payload": payload, "nanos": nanos}));
    }

    fn pause(&mut self) {
        let payload = if self.has(Quirk::Nulls) { Value::Null } else { json!({}) };
        self.event("sim:pause", payload, self.now);
    }

    fn answer(&mut self, result: Value) {
        let empty = result == json!({});
        let result = if empty && self.has(Quirk::Nulls) { Value::Null } else { result };
        let id = match (self.has(Quirk::Floats), self.id.as_str()) {
            (true, Some(id)) => json!(id.parse::<u64>().unwrap()),
            _ => self.id.clone(),
        };
        let command = self.command.clone();
        self.say(json!({"type": "response", "command": command, "id": id, "result": result}));
    }

    fn refuse(&mut self) {
        let result = match self.plays.end {
            Some(End::RefusalWithoutWords) => Value::Null,
            _ => json!({"code": 404, "message": "what is that?"}),
        };
        self.say(json!({"type": "response", "id": self.id, "result": result, "error": true}));
    }

    /// What happens up to a moment.
    fn run_to(&mut self, end: u64) {
        let (from, to) = (self.now - self.began, end - self.began);
        let is_due = |at: u64| from < at * MS && at * MS <= to;
        for (at, text) in SCRIPT.into_iter().filter(|(at, _)| is_due(*at)) {
            let bytes = text.as_bytes();
            let pieces = if self.has(Quirk::Bytes) { 1 } else { bytes.len() };
            let listening = self.listening;
            for piece in bytes.chunks(pieces).filter(|_| listening) {
                let time = self.began + at * MS;
                self.event("serial-monitor:data", json!({"bytes": piece}), time);
            }
        }
        if is_due(RISES) && self.pins {
            let payload = json!({"part": "esp", "pin": "2", "value": true});
            self.event("pin:change", payload, self.began + RISES * MS);
        }
        self.now = end;
    }

    fn start(&mut self, paused: bool) {
        self.began = match self.has(Quirk::TimeGoesOn) {
            true => self.now,
            false => 0,
        };
        self.now = self.began;
        let runs_at_once = self.has(Quirk::RunsAtOnce) || self.has(Quirk::PausesBehindTheAnswer);
        self.running = !paused || runs_at_once && self.command == "sim:restart";
        if self.running {
            self.run_to(self.began + MS);
        }
        if self.has(Quirk::Burst) {
            self.event("serial-monitor:data", json!({"bytes": b"early\r\n"}), self.began);
        }
        self.answer(json!({"warnings": ["mind the gap"]}));
        if self.has(Quirk::SparePauses) && !self.running {
            self.pause();
        }
    }

    /// Does what is asked; what was asked, when the client has left.
    fn serve(mut self) -> Vec<String> {
        let (kind, version) = match self.plays.end {
            Some(End::NoHello) => ("welcome", 1),
            Some(End::ErrorAtOnce) => ("error", 1),
            Some(End::OtherVersion) => ("hello", 2),
            _ => ("hello", 1),
        };
        // Nothing may come before it.
        let hello = json!({
            "type": kind, "protocolVersion": version, "appVersion": "x", "message": "no minutes left",
        });
        let _ = self.socket.send(Message::text(hello.to_string()));
        loop {
            let text = match self.socket.read() {
                Ok(Message::Text(text)) => text,
                Ok(Message::Close(_)) | Err(_) => return self.asked,
                Ok(_) => continue,
            };
            let asked: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(asked["type"], "command");
            let (command, params) = (asked["command"].as_str().unwrap(), &asked["params"]);
            (self.id, self.command) = (asked["id"].clone(), command.to_owned());
            self.asked.push(match command {
                "file:upload" => format!("upload {}", params["name"].as_str().unwrap()),
                "sim:resume" => "resume".to_owned(),
                "touch:event" => format!("touch {params}"),
                _ => command.to_owned(),
            });
            match command {
                "sim:status" if self.has(Quirk::NoStatus) => self.refuse(),
                "pin:listen" if self.has(Quirk::NoListening) => self.refuse(),
                "sim:status" => self.answer(json!({"running": self.running, "nanos": self.now})),
                "serial-monitor:listen" => {
                    self.listening = true;
                    self.answer(json!({}));
                }
                "sim:restart" if self.has(Quirk::NoRestart) => self.refuse(),
                "sim:start" if self.plays.end == Some(End::NoStart) => self.refuse(),
                "sim:start" | "sim:restart" => self.start(params["pause"] == true),
                "sim:pause" => {
                    self.running = false;
                    match self.has(Quirk::PausesBehindTheAnswer) {
                        true => {
                            self.answer(json!({}));
                            self.pause();
                        }
                        false => {
                            self.pause();
                            self.answer(json!({}));
                        }
                    }
                }
                "sim:resume" => {
                    let span = params["pauseAfter"].as_u64().unwrap();
                    match self.plays.end {
                        Some(End::Error) => {
                            self.say(json!({"type": "error", "message": "quota exceeded"}));
                            continue;
                        }
                        Some(End::Close) => {
                            let frame = CloseFrame { code: 4001.into(), reason: "moved".into() };
                            let _ = self.socket.close(Some(frame));
                            continue;
                        }
                        Some(End::CloseWithoutStatus) => {
                            let _ = self.socket.close(None);
                            continue;
                        }
                        Some(End::Drop) => return self.asked,
                        Some(End::Refusal | End::RefusalWithoutWords) => {
                            self.refuse();
                            continue;
                        }
                        Some(End::Garbage) => {
                            let _ = self.socket.send(Message::text("{"));
                            continue;
                        }
                        _ => {}
                    }
                    if self.has(Quirk::SparePauses) {
                        self.pause();
                    }
                    let late = if self.has(Quirk::Late) { 77 } else { 0 };
                    let end = self.now + span + late;
                    if self.has(Quirk::PauseBeforeAnswer) {
                        self.run_to(end);
                        self.pause();
                        self.answer(json!({}));
                    } else {
                        self.answer(json!({}));
                        self.run_to(end);
                        self.pause();
                    }
                }
                "pin:listen" => {
                    self.pins = params["listen"] == true;
                    self.answer(json!({}));
                }
                "pin:read" => {
                    let high = self.now - self.began >= RISES * MS;
                    self.answer(json!({"direction": "out", "value": u8::from(high)}));
                }
                "control:set" => {
                    self.button = params["value"].as_f64().unwrap() as u64;
                    self.answer(json!({}));
                }
                "file:upload" | "serial-monitor:write" | "touch:event" => self.answer(json!({})),
                other => panic!("{other}"),
            }
        }
    }
}

fn opened(door: Door) -> Box<dyn Target> {
    let flash = vec![Segment { offset: 0x1000, bytes: [0xe9].into() }];
    let request =
        TargetRequest { board: "esp32-devkit".to_owned(), flash, ..TargetRequest::default() };
    WokwiSource::new(door).open(&request).unwrap()
}

/// What it says, and what its pin 2 does, in slices of 100 ms.
fn watch(target: &mut dyn Target, ms: u64) -> Result<(String, Vec<Level>), TargetError> {
    let end = target.now() + Span::from_millis(ms);
    let (mut said, mut levels) = (Vec::new(), Vec::new());
    let mut last = target.now();
    while target.now() < end {
        let deadline = end.min(target.now() + Span::from_millis(100));
        for event in target.run_until(deadline)? {
            assert!(event.time() >= last && event.time() <= target.now(), "{event:?}");
            last = event.time();
            match event {
                TargetEvent::Serial { bytes, .. } => said.extend(bytes),
                TargetEvent::Pin { gpio: 2, level, .. } => levels.push(level),
                _ => {}
            }
        }
    }
    Ok((String::from_utf8(said).unwrap(), levels))
}

#[test]
fn whatever_a_server_may_do_the_board_is_the_same() {
    for quirk in QUIRKS.into_iter().map(Some).chain([None]) {
        let (door, thread) = serve(Plays { quirk, end: None });
        let mut target = opened(door);
        target.power(Power::On).unwrap();
        target.observe_pin(2).unwrap();
        let mut wanted = "ets Jul 29\r\n>>> ".to_owned();
        if quirk == Some(Quirk::Burst) {
            wanted.insert_str(0, "early\r\n");
        }
        let seen = watch(&mut *target, 300).unwrap();
        assert_eq!(seen, (wanted.clone(), vec![Level::High]), "{quirk:?}");
        target.send(Port::Console, b"x\r").unwrap();
        target.press(Button::Named("boot".to_owned())).unwrap();
        assert_eq!(target.pin(2), Ok(Level::High));
        let before = target.now();
        target.press(Button::Reset).unwrap();
        assert_eq!(watch(&mut *target, 100).unwrap().0, "", "{quirk:?}: it is held");
        target.release(Button::Reset).unwrap();
        let (said, _) = watch(&mut *target, 300).unwrap();
        assert!(said.ends_with("ets Jul 29\r\n>>> "), "{quirk:?}: {said:?}");
        let passed = target.now().nanos() - before.nanos();
        assert!((400 * MS..400 * MS + 1000).contains(&passed), "{quirk:?}: {passed}");
        let report = target.finish();
        assert!(report.notes[0].contains("s of simulated time in 2 runs"), "{report:?}");
        drop(target);
        let asked = thread.join().unwrap();
        let begins = ["upload diagram.json", "serial-monitor:listen", "upload firmware.bin"];
        assert_eq!(asked[..3], begins, "{quirk:?}");
        let uploads = asked.iter().filter(|it| *it == "upload firmware.bin").count();
        let wanted = if quirk == Some(Quirk::NoRestart) { 2 } else { 1 };
        let restarted = asked.contains(&"sim:restart".to_owned());
        assert_eq!((uploads, restarted), (wanted, true), "{quirk:?}");
    }
}

#[test]
fn trouble_of_a_server_is_told_in_its_words() {
    for (end, wanted) in [
        (End::NoHello, "it begins with `welcome`, not with `hello`"),
        (End::ErrorAtOnce, "no minutes left"),
        (End::CloseWithoutStatus, "closed by it"),
        (End::RefusalWithoutWords, "Wokwi refuses `sim:resume`: it does not say why (0)"),
        (End::NoStart, "Wokwi refuses `sim:start`: what is that? (404)"),
        (End::OtherVersion, "it speaks version 2 of the protocol, not 1"),
        (End::Unauthorized, "it does not accept the token (401 Unauthorized)"),
        (End::AlwaysBusy, "it is busy (524"),
        (End::Error, "quota exceeded"),
        (End::Close, "closed by it with the code 4001: moved"),
        (End::Drop, "the connection to Wokwi is over"),
        (End::Refusal, "Wokwi refuses `sim:resume`: what is that? (404)"),
        (End::Garbage, "a message is none"),
    ] {
        let (door, thread) = serve(Plays { quirk: None, end: Some(end) });
        let mut target = opened(door);
        let outcome = target.power(Power::On).and_then(|()| watch(&mut *target, 100));
        let Err(TargetError::Bench(said)) = outcome else { panic!("{end:?}: {outcome:?}") };
        assert!(said.contains(wanted), "{end:?}: {said}");
        drop(target);
        thread.join().unwrap();
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (server, wanted) in [
        (format!("ws://{nobody}"), "refused"),
        ("http://127.0.0.1".to_owned(), "begins with ws://"),
        ("".to_owned(), "cannot use the server"),
    ] {
        let door = Door { server, token: "secret".to_owned(), pauses: Vec::new() };
        let Err(TargetError::Bench(said)) = opened(door).power(Power::On) else {
            panic!("{wanted}")
        };
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn flash_is_put_together_and_uploaded_when_the_chip_is_to_run() {
    let (door, thread) = serve(Plays::default());
    let mut target = opened(door);
    target.boot_mode(BootMode::Download).unwrap();
    target.power(Power::On).unwrap();
    assert_eq!(target.run_until(DeviceTime::ZERO + Span::from_secs(1)), Ok(Vec::new()));
    target.erase_flash(&mut |_| {}).unwrap();
    target.write_flash(0x1000, &[0xe9, 1], &mut |_| {}).unwrap();
    assert_eq!(target.read_flash(0x1000, 2), Ok(vec![0xe9, 1]));
    target.boot_mode(BootMode::Run).unwrap();
    target.press(Button::Reset).unwrap();
    target.release(Button::Reset).unwrap();
    let refused = Err(TargetError::NotInDownloadMode("erased"));
    assert_eq!(target.erase_flash(&mut |_| {}), refused);
    assert_eq!(watch(&mut *target, 300).unwrap().0, "ets Jul 29\r\n>>> ");
    assert!(target.send(Port::Uart2, b"x").is_err(), "no monitor is there");
    drop(target);
    let asked = thread.join().unwrap();
    assert_eq!(asked[3..5], ["sim:start", "sim:status"]);
}

#[test]
fn a_blank_flash_cannot_run_and_what_the_guest_may_have_written_cannot_be_read() {
    let (door, thread) = serve(Plays::default());
    let mut target = opened(door);
    target.power(Power::On).unwrap();
    target.boot_mode(BootMode::Download).unwrap();
    target.press(Button::Reset).unwrap();
    target.release(Button::Reset).unwrap();
    assert!(matches!(target.read_flash(0, 1), Err(TargetError::Cannot(_))));
    target.erase_flash(&mut |_| {}).unwrap();
    assert_eq!(target.read_flash(0x1000, 1), Ok(vec![0xff]));
    target.boot_mode(BootMode::Run).unwrap();
    target.press(Button::Reset).unwrap();
    assert!(matches!(target.release(Button::Reset), Err(TargetError::Cannot(_))));
    thread.join().unwrap();
}

#[test]
fn a_finger_goes_to_the_server() {
    let (door, thread) = serve(Plays::default());
    let mut target = opened(door);
    let press = Finger::Press { at: [10.0, 20.5], release_after: Some(Span::from_millis(50)) };
    assert!(matches!(target.touch("boot", press), Err(TargetError::NoPower(_))));
    target.power(Power::On).unwrap();
    for finger in [press, Finger::Move { at: [1.0, 2.0] }, Finger::Release] {
        target.touch("boot", finger).unwrap();
    }
    assert!(matches!(target.touch("moon", press), Err(TargetError::NoSuchPart(_))));
    drop(target);
    let asked = thread.join().unwrap();
    let touches: Vec<_> = asked.iter().filter_map(|it| it.strip_prefix("touch ")).collect();
    let wanted = [
        json!({"part": "boot", "x": 10.0, "y": 20.5, "event": "press", "releaseAfter": 50 * MS}),
        json!({"part": "boot", "x": 1.0, "y": 2.0, "event": "move"}),
        json!({"part": "boot", "x": 0.0, "y": 0.0, "event": "release"}),
    ];
    assert_eq!(touches, wanted.map(|it| it.to_string()));
}

#[test]
fn a_door_needs_a_token_and_has_wokwis_address_by_default() {
    let door = |server: &str, token: &str| {
        let said = [(door::SERVER, server.to_owned()), (door::TOKEN, token.to_owned())];
        Door::of(|name| said.iter().find(|(known, _)| *known == name).map(|(_, it)| it.clone()))
    };
    assert!(door("ws://x", " ").is_none());
    assert_eq!(door("", "t").unwrap().server, "wss://wokwi.com/api/ws/beta");
    assert_eq!(door("ws://x", "t").unwrap().server, "ws://x");
    assert!(!format!("{:?}", door("ws://x", "joker")).contains("joker"));
}
