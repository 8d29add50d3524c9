//! `wokwi-wifi-ap`: access points of a diagram, which take the place of Wokwi's own network.
//!
//! Source: the vendor's documentation, "wokwi-wifi-ap": `ssid`, `password` (WPA2; none: open), `channel`
//! (1 to 13), `internet`, `bssid`; the part has no pins.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::diagram::{Diagram, DiagramError, Part};
use super::guest_network;
use crate::site::{AccessPoint, Network, Security, Site};

/// The type of the part.
pub(super) const KIND: &str = "wokwi-wifi-ap";
/// The channel of one that does not say it.
const CHANNEL: u8 = 6;
/// The last channel that one can have.
const LAST_CHANNEL: u8 = 13;
/// What passwords of WPA2 have, in characters.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=63;
/// The longest name of a network, in bytes.
const LONGEST_SSID: usize = 32;

/// What is around a board with such parts; `None` if there are none.
pub(super) fn site(diagram: &Diagram) -> Result<Option<Site>, DiagramError> {
    let parts = diagram.parts.iter().filter(|part| part.kind == KIND);
    let air: Vec<_> = parts.zip(0..).map(|(part, n)| read(part, n)).collect::<Result<_, _>>()?;
    Ok((!air.is_empty()).then(|| Site { air, ..guest_network() }))
}

fn read(part: &Part, number: u8) -> Result<AccessPoint, DiagramError> {
    let wrong =
        |name: &'static str, value: &str| DiagramError::Attribute { name, value: value.to_owned() };
    let said = |name: &str| part.attrs.get(name).map_or("", String::as_str);
    let (ssid, password) = (said("ssid"), said("password"));
    if !(1..=LONGEST_SSID).contains(&ssid.len()) {
        return Err(wrong("ssid", ssid));
    }
    let security = match password {
        "" => Security::Open,
        _ if PASSWORD.contains(&password.chars().count()) => {
            Security::Wpa2 { password: password.to_owned() }
        }
        _ => return Err(wrong("password", password)),
    };
    let channel = match said("channel") {
        "" => CHANNEL,
        text => match text.parse() {
            Ok(channel @ 1..=LAST_CHANNEL) => channel,
            _ => return Err(wrong("channel", text)),
        },
    };
    let guest = guest_network().air.remove(0);
    let bssid = match said("bssid") {
        "" => {
            let mut bssid = guest.bssid;
            bssid[5] = bssid[5].wrapping_add(number);
            bssid
        }
        text => octets(text).ok_or_else(|| wrong("bssid", text))?,
    };
    Ok(AccessPoint { ssid: ssid.to_owned(), security, channel, bssid, ..guest })
}

fn octets(text: &str) -> Option<[u8; 6]> {
    let octets: Vec<u8> = text
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16))
        .collect::<Result<_, _>>()
        .ok()?;
    octets.try_into().ok()
}

/// The parts that make a site, as their attributes; none if it is what Wokwi has anyway.
///
/// # Errors
/// All that Wokwi has nothing for.
pub fn drawn(site: &Site) -> Result<Vec<BTreeMap<String, Value>>, Vec<String>> {
    let guest = guest_network();
    if *site == guest {
        return Ok(Vec::new());
    }
    let mut cannot = Vec::new();
    let mut lacks = |is_so: bool, what: &str| {
        if is_so {
            cannot.push(what.to_owned());
        }
    };
    lacks(!site.hosts.is_empty(), "behind Wokwi's access points are no `hosts` of a scenario's");
    lacks(!site.stations.is_empty(), "on Wokwi, no `stations` join a network of the board's");
    let is_usual = site.network == Network::default() || site.network == guest.network;
    lacks(!is_usual, "Wokwi's `network` is its own, with the router 10.10.0.1");
    lacks(site.air.is_empty(), "on Wokwi, boards are not among themselves");
    for point in &site.air {
        let called = |what: &str| format!("the access point `{}`: {what}", point.ssid);
        lacks(point.hidden, &called("Wokwi hides no network"));
        lacks(point.security == Security::Wpa3, &called("Wokwi has no WPA3"));
        lacks(point.channel > LAST_CHANNEL, &called("Wokwi has the channels 1 to 13"));
        let is_usual = point.signal == guest.air[0].signal;
        lacks(!is_usual, &called("how strong it is heard is Wokwi's own business (`signal`)"));
    }
    match cannot.is_empty() {
        true => Ok(site.air.iter().map(|point| attrs(point, site)).collect()),
        false => Err(cannot),
    }
}

fn attrs(point: &AccessPoint, site: &Site) -> BTreeMap<String, Value> {
    let bssid = point.bssid.map(|octet| format!("{octet:02x}")).join(":");
    let internet = if site.internet.is_empty() { "0" } else { "1" };
    let mut attrs = BTreeMap::from([
        ("ssid".to_owned(), json!(point.ssid)),
        ("channel".to_owned(), json!(point.channel.to_string())),
        ("bssid".to_owned(), json!(bssid)),
        ("internet".to_owned(), json!(internet)),
    ]);
    if let Security::Wpa2 { password } = &point.security {
        attrs.insert("password".to_owned(), json!(password));
    }
    attrs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagram(parts: &str) -> Diagram {
        let text = format!(
            r#"{{"version": 1, "parts": [{{"type": "board-esp32-cam", "id": "esp"}}{parts}]}}"#
        );
        Diagram::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_site_that_is_drawn_is_read_as_it_was() {
        let guest = guest_network();
        let named = |ssid: &str, security, channel| AccessPoint {
            ssid: ssid.to_owned(),
            security,
            channel,
            bssid: [2, 0, 0, 0, 0, channel],
            ..guest.air[0].clone()
        };
        let wpa2 = Security::Wpa2 { password: "a password".to_owned() };
        let air = vec![named("home \"6\"", wpa2, 11), named("open", Security::Open, 1)];
        let site = Site { air, ..guest.clone() };
        let parts: String = drawn(&site)
            .unwrap()
            .into_iter()
            .zip(1..)
            .map(|(attrs, n)| {
                format!(r#", {}"#, json!({"type": KIND, "id": format!("ap{n}"), "attrs": attrs}))
            })
            .collect();
        assert_eq!(super::site(&diagram(&parts)).unwrap(), Some(site));
        assert_eq!(super::site(&diagram("")).unwrap(), None);
        assert_eq!(drawn(&guest), Ok(Vec::new()));
    }

    #[test]
    fn attributes_that_no_access_point_has_are_named() {
        let with = |attrs: Value| {
            let part = json!({"type": KIND, "id": "ap", "attrs": attrs});
            super::site(&diagram(&format!(", {part}")))
        };
        let plain = with(json!({"ssid": "x"})).unwrap().unwrap();
        assert_eq!((plain.air[0].channel, &plain.air[0].security), (6, &Security::Open));
        for (attrs, name) in [
            (json!({}), "ssid"),
            (json!({"ssid": "x".repeat(33)}), "ssid"),
            (json!({"ssid": "x", "password": "short"}), "password"),
            (json!({"ssid": "x", "channel": "14"}), "channel"),
            (json!({"ssid": "x", "bssid": "1:2:3"}), "bssid"),
        ] {
            let error = with(attrs).unwrap_err().to_string();
            assert!(error.contains(&format!("of `{name}`")), "{error}");
        }
    }

    #[test]
    fn what_wokwi_has_nothing_for_is_named() {
        let guest = guest_network();
        let point = AccessPoint {
            hidden: true,
            security: Security::Wpa3,
            channel: 14,
            signal: -80,
            ..guest.air[0].clone()
        };
        let network = Network { prefix: 16, ..guest.network.clone() };
        let cannot = drawn(&Site { air: vec![point], network, ..guest }).unwrap_err();
        for word in ["network", "hides", "WPA3", "1 to 13", "signal"] {
            assert!(cannot.iter().any(|why| why.contains(word)), "{word}: {cannot:?}");
        }
    }
}
