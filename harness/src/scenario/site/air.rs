//! `air`: the access points that the board can hear.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{check_password, check_ssid, few, signal};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys, word};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Key, Kind};
use crate::site::{AccessPoint, Security};

/// `air`.
pub const AIR: Key = Key::optional(
    "air",
    Kind::List(&Kind::Keys(&[
        Key::required("ssid", Kind::Text, "The name of its network, 1 to 32 bytes."),
        Key::optional("password", Kind::Text, "8 to 63 characters, for WPA2."),
        Key::optional(
            "security",
            Kind::Words(&["open", "wpa2", "wpa3"]),
            "How it lets stations in: `wpa2` with a password, else `open`. `wpa3` lets nobody in who cannot do SAE.",
        ),
        Key::or("channel", Kind::Number(1, 14), "1", "Its channel."),
        Key::or("signal", Kind::Signal, "-50dBm", "How strong the board hears it, -95dBm to 0dBm."),
        Key::optional("bssid", Kind::Text, "Its own address, such as `02:62:72:00:00:01`."),
        Key::or("hidden", Kind::Flag, "false", "Its beacons do not say its name."),
    ])),
    "The access points that the board can hear. Without any the air is silent; further `boards` are on the same air, and with `air: []` among themselves.",
);

pub(super) fn access_points(
    node: &Node,
    hear_each_other: bool,
    decoder: &mut Decoder,
) -> Option<Vec<AccessPoint>> {
    let items = few(node, "access points", decoder)?;
    // An air on which boards are among themselves.
    if items.is_empty() && !hear_each_other {
        return decoder.wrong(node, "at least one access point");
    }
    let read = items.iter().enumerate().map(|(n, item)| access_point(item, n as u8, decoder));
    let read: Vec<Option<AccessPoint>> = read.collect();
    let mut seen = BTreeSet::new();
    for (item, access_point) in items.iter().zip(&read) {
        if let Some(AccessPoint { bssid, .. }) = access_point
            && !seen.insert(*bssid)
        {
            let message = "two access points have this address".to_owned();
            return decoder.bad(item.span.clone(), message);
        }
    }
    read.into_iter().collect()
}

fn access_point(node: &Node, n: u8, decoder: &mut Decoder) -> Option<AccessPoint> {
    let mut fields = Fields::new(node, "an access point", decoder)?;
    let ssid = fields.required::<Spanned>("ssid", decoder).and_then(|it| check_ssid(it, decoder));
    let password = fields.optional::<Spanned>("password", decoder);
    let security = match fields.node("security") {
        None => Some(None),
        Some(node) => {
            let words =
                [("open", Kindness::Open), ("wpa2", Kindness::Wpa2), ("wpa3", Kindness::Wpa3)];
            word(node, decoder, "a way to let stations in", &words).map(Some)
        }
    };
    let channel = match fields.node("channel") {
        None => Some(1),
        Some(node) => match node.as_integer() {
            Some(channel @ 1..=14) => Some(channel as u8),
            _ => decoder.wrong(node, "a channel from 1 to 14"),
        },
    };
    let signal = signal(&mut fields, decoder);
    let bssid = match fields.node("bssid") {
        // Locally administered.
        None => Some([0x02, 0x62, 0x72, 0, 0, n + 1]),
        Some(node) => self::bssid(node, decoder),
    };
    let hidden = fields.or("hidden", false, decoder);
    let span = fields.span();
    fields.finish(UnknownKeys::Deny, decoder);
    let security = protection(security?, password?, span, decoder);
    Some(AccessPoint {
        ssid: ssid?,
        security: security?,
        channel: channel?,
        signal: signal?,
        bssid: bssid?,
        hidden: hidden?,
    })
}

/// The words for [`Security`].
#[derive(Debug, Clone, Copy)]
enum Kindness {
    Open,
    Wpa2,
    Wpa3,
}

fn protection(
    security: Option<Kindness>,
    password: Option<Spanned>,
    span: Range<usize>,
    decoder: &mut Decoder,
) -> Option<Security> {
    match (security, password) {
        (None | Some(Kindness::Wpa2), Some(password)) => {
            check_password(password, decoder).map(|password| Security::Wpa2 { password })
        }
        (Some(Kindness::Wpa2), None) => decoder.bad(span, "WPA2 needs a `password`".to_owned()),
        (None | Some(Kindness::Open), None) => Some(Security::Open),
        (Some(Kindness::Open), Some(Spanned { span, .. })) => {
            decoder.bad(span, "an open access point has no password".to_owned())
        }
        (Some(Kindness::Wpa3), _) => Some(Security::Wpa3),
    }
}

/// The address of an access point.
pub fn bssid(node: &Node, decoder: &mut Decoder) -> Option<[u8; 6]> {
    match node.as_text().and_then(address) {
        Some(bssid) if bssid[0] & 1 == 0 && bssid != [0; 6] => Some(bssid),
        _ => decoder.wrong(node, "the address of one device, such as 02:62:72:00:00:01"),
    }
}

/// Six octets in hexadecimal.
fn address(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}
