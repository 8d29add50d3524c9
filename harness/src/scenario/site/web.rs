//! `http` and `https` of a host: its web servers.

use super::{PORT, port};
use crate::authority::Flaw;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys, word};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Key, Kind};
use crate::site::{Http, Https};

/// `http`.
pub(super) const HTTP: Key = Key::optional(
    "http",
    Kind::Keys(&[
        Key::or("port", PORT, "80", "Its TCP port."),
        Key::optional(
            "folder",
            Kind::Path,
            "The folder of the project that it serves; without one it answers 404.",
        ),
    ]),
    "Its web server.",
);

/// `certificate` of a server with TLS.
pub(super) const CERTIFICATE: Key = Key::or(
    "certificate",
    Kind::Words(&["valid", "expired", "wrong-name", "unknown-authority"]),
    "valid",
    "Who has it checked, is refused with all others. The authority's certificate is `{{ca.pem}}`, and in DER as hexadecimal digits `{{ca.hex}}`.",
);

/// `https`.
pub(super) const HTTPS: Key = Key::optional(
    "https",
    Kind::Keys(&[
        Key::or("port", PORT, "443", "Its TCP port."),
        Key::optional("folder", Kind::Path, "As for `http`."),
        CERTIFICATE,
    ]),
    "Its web server with TLS (1.2 and 1.3). Keys and certificate follow from seed and date.",
);

pub(super) fn http(node: &Node, decoder: &mut Decoder) -> Option<Http> {
    let mut fields = Fields::new(node, "a web server", decoder)?;
    let http = web_server(&mut fields, 80, decoder);
    fields.finish(UnknownKeys::Deny, decoder);
    http
}

pub(super) fn https(node: &Node, decoder: &mut Decoder) -> Option<Https> {
    let mut fields = Fields::new(node, "a web server", decoder)?;
    let http = web_server(&mut fields, 443, decoder);
    let flaw = flaw(&mut fields, decoder);
    fields.finish(UnknownKeys::Deny, decoder);
    Some(Https { http: http?, flaw: flaw? })
}

/// What is wrong with a certificate.
pub(super) fn flaw(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Flaw> {
    match fields.node("certificate") {
        None => Some(Flaw::None),
        Some(node) => {
            let words = [
                ("valid", Flaw::None),
                ("expired", Flaw::Expired),
                ("wrong-name", Flaw::WrongName),
                ("unknown-authority", Flaw::UnknownAuthority),
            ];
            word(node, decoder, "a kind of certificate", &words)
        }
    }
}

fn web_server(fields: &mut Fields<'_>, usual: u16, decoder: &mut Decoder) -> Option<Http> {
    let port = match fields.node("port") {
        None => Some(usual),
        Some(node) => port(node, decoder),
    };
    let folder = fields.optional::<Spanned>("folder", decoder);
    let folder = match folder? {
        None => None,
        Some(folder) => match crate::runner::session::confined(&folder.text) {
            Ok(_) => Some(folder),
            Err(why) => return decoder.bad(folder.span, format!("the path {why}")),
        },
    };
    Some(Http { port: port?, folder })
}
