//! A stand-in for a plug: HTTP on a loopback port.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// An environment variable that every test has, and nobody sets for it: its value is the password.
pub(super) const LOGIN_ENV: &str = "PATH";

/// That password.
pub(super) fn login_value() -> String {
    std::env::var(LOGIN_ENV).expect("a search path")
}

/// What a plug does with a request.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Says something.
    Say { status: u16, header: String, body: String },
    /// Closes the connection.
    Hangup,
    /// Keeps it, and says nothing.
    Never,
}

impl Answer {
    pub(super) fn ok(body: &str) -> Self {
        Self::status(200, body)
    }

    pub(super) fn status(status: u16, body: &str) -> Self {
        Self::Say { status, header: String::new(), body: body.to_owned() }
    }

    pub(super) fn challenge(challenge: &str) -> Self {
        let header = format!("WWW-Authenticate: {challenge}\r\n");
        Self::Say { status: 401, header, body: "401 Unauthorized".to_owned() }
    }
}

/// A plug that answers by a function of the request's target and its Authorization.
pub(super) struct HttpPlug {
    port: u16,
    /// The targets, and all headers.
    log: Arc<Mutex<(Vec<String>, String)>>,
}

impl HttpPlug {
    pub(super) fn new(
        mut answer: impl FnMut(&str, Option<&str>) -> Answer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let log = Arc::<Mutex<(Vec<String>, String)>>::default();
        std::thread::spawn({
            let log = log.clone();
            move || {
                let mut kept = Vec::new();
                for stream in listener.incoming() {
                    let Ok(mut stream) = stream else { return };
                    let (target, headers) = request(&stream);
                    let authorization = headers.lines().find_map(|line| {
                        let (name, value) = line.split_once(": ")?;
                        name.eq_ignore_ascii_case("authorization").then_some(value)
                    });
                    let answer = answer(&target, authorization);
                    let mut log = log.lock().expect("no panic");
                    log.0.push(target);
                    log.1.push_str(&headers);
                    match answer {
                        Answer::Say { status, header, body } => {
                            let length = body.len();
                            let text = format!(
                                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\
                                 Content-Length: {length}\r\nConnection: close\r\n{header}\r\n{body}"
                            );
                            // Who asked may have heard enough.
                            let _ = stream.write_all(text.as_bytes());
                        }
                        Answer::Hangup => {}
                        Answer::Never => kept.push(stream),
                    }
                }
            }
        });
        Self { port, log }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The targets of the requests so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.log.lock().expect("no panic").0.clone()
    }

    /// All that was in headers.
    pub(super) fn headers(&self) -> String {
        self.log.lock().expect("no panic").1.clone()
    }
}

/// The target and the headers of a request.
fn request(stream: &TcpStream) -> (String, String) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .fold(String::new(), |all, line| all + &line + "\n");
    (target, headers)
}

/// A text without percent encoding.
pub(super) fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("text")
}
