//! HTTP requests and responses that were seen.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::scenario::values::Secrets;
use crate::time::DeviceTime;

/// An HTTP request or response, as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HttpFrame {
    /// The number of the TCP connection.
    pub connection: u64,
    /// Who sent it: `board`, or the name of a station or of a host, with the port where it serves.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The first line.
    pub start: String,
    /// Of a request: what is asked for.
    pub request: Option<Asked>,
    /// Of a response: its status.
    pub status: Option<u16>,
    /// In their order and case.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body.
    pub size: u64,
    /// The body, or what is kept of it.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// SHA-256 of the body in hexadecimal digits.
    pub sha256: String,
    /// When its first byte was seen.
    pub first: DeviceTime,
    /// When its last byte was seen.
    pub last: DeviceTime,
    /// It came to its end; else the connection ended before.
    pub complete: bool,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Asked {
    /// `GET` and others.
    pub method: String,
    /// Path and query.
    pub path: String,
}

#[cfg(test)]
impl HttpFrame {
    /// A request of the board to `laptop:80`.
    pub(crate) fn request(connection: u64, method: &str, path: &str, body: &str) -> Self {
        Self {
            connection,
            from: "board".to_owned(),
            to: "laptop:80".to_owned(),
            start: format!("{method} {path} HTTP/1.0"),
            request: Some(Asked { method: method.to_owned(), path: path.to_owned() }),
            status: None,
            headers: Vec::new(),
            size: body.len() as u64,
            body: body.as_bytes().to_vec(),
            sha256: String::new(),
            first: DeviceTime::ZERO,
            last: DeviceTime::ZERO,
            complete: true,
        }
    }

    /// The answer to one of a connection.
    pub(crate) fn answer(connection: u64, status: u16) -> Self {
        Self {
            from: "laptop:80".to_owned(),
            to: "board".to_owned(),
            start: format!("HTTP/1.0 {status} x"),
            request: None,
            status: Some(status),
            ..Self::request(connection, "", "", "")
        }
    }
}

impl fmt::Display for HttpFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = if self.complete { "" } else { ", cut short" };
        let body = match self.size {
            0 => String::new(),
            size => format!(", {size} bytes"),
        };
        write!(f, "{} -> {} {}{body}{cut}", self.from, self.to, self.start)
    }
}

impl HttpFrame {
    /// The same without secrets.
    pub fn redacted(&self, secrets: &Secrets) -> Self {
        let redact = |text: &str| secrets.redact(text);
        let mut frame = self.clone();
        frame.start = redact(&frame.start);
        if let Some(asked) = &mut frame.request {
            asked.path = redact(&asked.path);
        }
        frame.headers.iter_mut().for_each(|(_, value)| *value = redact(value));
        frame
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(is_it).map(|(_, value)| value.as_str())
    }

    /// The frame as text, for snapshots: a body that is none by its size, type and hash, and no date.
    pub fn text(&self) -> String {
        let mut text = format!("{} -> {}\n{}\n", self.from, self.to, self.start);
        for (name, value) in &self.headers {
            // When a case ran is not what it is about.
            let is_date = name.eq_ignore_ascii_case("date");
            let value = if is_date { "(date)" } else { value };
            text += &format!("{name}: {value}\n");
        }
        if self.size > 0 {
            text.push('\n');
            match std::str::from_utf8(&self.body) {
                Ok(body) if self.size == self.body.len() as u64 && !body.contains('\0') => {
                    text += body;
                    if !body.ends_with('\n') {
                        text.push('\n');
                    }
                }
                _ => {
                    let kind = self.header("Content-Type").unwrap_or("no stated type");
                    text += &format!("({} bytes of {kind}, SHA-256 {})\n", self.size, self.sha256);
                }
            }
        }
        if !self.complete {
            text += "(cut short)\n";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_text_is_told_by_its_hash() {
        let mut frame = HttpFrame {
            connection: 1,
            from: "laptop:80".to_owned(),
            to: "board".to_owned(),
            start: "HTTP/1.0 200 OK".to_owned(),
            request: None,
            status: Some(200),
            headers: vec![
                ("content-TYPE".to_owned(), "image/jpeg".to_owned()),
                ("date".to_owned(), "Thu, 01 Jan 2026 00:00:07 GMT".to_owned()),
            ],
            size: 3,
            body: vec![0xff, 0xd8, 0],
            sha256: "ab".repeat(32),
            first: DeviceTime::ZERO,
            last: DeviceTime::ZERO,
            complete: false,
        };
        let hash = "ab".repeat(32);
        let head =
            "laptop:80 -> board\nHTTP/1.0 200 OK\ncontent-TYPE: image/jpeg\ndate: (date)\n\n";
        let told = format!("{head}(3 bytes of image/jpeg, SHA-256 {hash})\n(cut short)\n");
        assert_eq!(frame.text(), told);
        frame.body = b"yes".to_vec();
        frame.complete = true;
        assert_eq!(frame.text(), format!("{head}yes\n"));
        assert_eq!(frame.header("Content-Type"), Some("image/jpeg"));
    }
}
