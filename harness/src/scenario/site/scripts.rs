//! `tcp` and `udp` of a host: servers that follow a script with each caller.

use super::{PORT, items, port};
use crate::scenario::decode::{Decode, Decoder, Fields, Hex, UnknownKeys};
use crate::scenario::node::{Node, Value};
use crate::scenario::reference::{Key, Kind};
use crate::site::{Line, Script, Transport};
use crate::time::Span;

/// `tcp`.
pub(super) const TCP: Key = Key::optional(
    "tcp",
    Kind::List(&Kind::Keys(SCRIPT)),
    "TCP servers that follow a script with each connection.",
);

/// `udp`.
pub(super) const UDP: Key = Key::optional(
    "udp",
    Kind::List(&Kind::Keys(SCRIPT)),
    "UDP servers that do so with each address and port from which datagrams come; each `say` is a datagram.",
);

/// A server that follows a script.
const SCRIPT: &[Key] = &[
    Key::required("port", PORT, "Its port."),
    Key::required(
        "script",
        Kind::Items(&Kind::Either(&[
            Kind::Words(&["close", "reset"]),
            Kind::Keys(&[
                Key::one_of(
                    "hear",
                    BYTES,
                    "Waits until this has come; what came before it is passed over.",
                ),
                Key::one_of("say", BYTES, "Says this."),
                Key::one_of("pause", Kind::Duration, "Lets time pass."),
            ]),
        ])),
        "What it does, one after the other; behind the last line it listens.",
    ),
];
/// Text, or any bytes.
const BYTES: Kind =
    Kind::Either(&[Kind::Text, Kind::Keys(&[Key::required("hex", Kind::Hex, "The bytes.")])]);

pub(super) fn scripts(
    transport: Transport,
    key: &'static str,
    fields: &mut Fields<'_>,
    decoder: &mut Decoder,
) -> Option<Vec<Script>> {
    let Some(node) = fields.node(key) else { return Some(Vec::new()) };
    let read = |node: &Node, decoder: &mut Decoder| {
        let mut fields = Fields::new(node, "a server with a script", decoder)?;
        let at = match fields.node("port") {
            Some(node) => port(node, decoder),
            None => {
                fields.missing("port");
                None
            }
        };
        let lines = match fields.node("script") {
            Some(node) => lines(node, transport, decoder),
            None => {
                fields.missing("script");
                None
            }
        };
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Script { transport, port: at?, lines: lines? })
    };
    let scripts: Vec<_> = items(node).iter().map(|item| read(item, decoder)).collect();
    scripts.into_iter().collect()
}

fn lines(node: &Node, transport: Transport, decoder: &mut Decoder) -> Option<Vec<Line>> {
    let Value::List(items) = &node.value else {
        return decoder.wrong(node, "a list of lines");
    };
    if items.is_empty() {
        return decoder.wrong(node, "at least one line");
    }
    let lines: Vec<_> = items.iter().map(|item| line(item, decoder)).collect();
    let lines: Vec<_> = lines.into_iter().collect::<Option<_>>()?;
    let before = &items[..items.len() - 1];
    let ends = lines.iter().zip(before).find(|(it, _)| matches!(it, Line::Close | Line::Reset));
    if let Some((_, item)) = ends {
        let message = "nothing can follow the end of the talk".to_owned();
        return decoder.bad(item.span.clone(), message);
    }
    if let (Transport::Udp, Some(Line::Reset)) = (transport, lines.last()) {
        let message = "UDP has no connection that could be reset".to_owned();
        return decoder.bad(items[items.len() - 1].span.clone(), message);
    }
    Some(lines)
}

fn line(node: &Node, decoder: &mut Decoder) -> Option<Line> {
    if let Value::Scalar { .. } = &node.value {
        // A word is only the first half of what a line can be.
        return match node.as_text() {
            Some("close") => Some(Line::Close),
            Some("reset") => Some(Line::Reset),
            _ => decoder.wrong(node, "`hear`, `say` or `pause` with what, `close` or `reset`"),
        };
    }
    let mut fields = Fields::new(node, "a line", decoder)?;
    let nodes = ["hear", "say", "pause"].map(|key| fields.node(key));
    let line = match nodes {
        [Some(node), None, None] => bytes(node, decoder).map(Line::Hear),
        [None, Some(node), None] => bytes(node, decoder).map(Line::Say),
        [None, None, Some(node)] => Span::decode(node, decoder).map(Line::Pause),
        [None, None, None] => {
            fields.missing("hear");
            None
        }
        _ => decoder.bad(node.span.clone(), "a line does one thing".to_owned()),
    };
    fields.finish(UnknownKeys::Deny, decoder);
    line
}

fn bytes(node: &Node, decoder: &mut Decoder) -> Option<Vec<u8>> {
    let bytes = match &node.value {
        Value::Map(_) => {
            let mut fields = Fields::new(node, "bytes", decoder)?;
            let hex = fields.required::<Hex>("hex", decoder);
            fields.finish(UnknownKeys::Deny, decoder);
            hex?.0
        }
        _ => String::decode(node, decoder)?.into_bytes(),
    };
    match bytes.len() {
        1..=65_507 => Some(bytes),
        _ => decoder.bad(node.span.clone(), "1 to 65507 bytes".to_owned()),
    }
}
