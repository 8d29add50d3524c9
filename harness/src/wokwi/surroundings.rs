//! The network that firmware for Wokwi finds around it.
//!
//! Source: the vendor's documentation, "ESP32 WiFi networking". The computer behind it is
//! `host.wokwi.internal` there, a private gateway; here nothing is behind the gateway.

use std::net::Ipv4Addr;

use crate::site::{AccessPoint, Network, Security, Site};

/// `Wokwi-GUEST`, open, on channel 6, whose gateway lends 10.10.0.2 first.
pub fn guest_network() -> Site {
    let guest = AccessPoint {
        ssid: "Wokwi-GUEST".to_owned(),
        security: Security::Open,
        channel: 6,
        signal: -50,
        bssid: [0x42, 0x13, 0x37, 0x55, 0xaa, 0x01],
        hidden: false,
    };
    let gateway = Ipv4Addr::new(10, 10, 0, 1);
    let network = Network { gateway, lends_from: 2, ..Network::default() };
    Site {
        air: vec![guest],
        stations: Vec::new(),
        network,
        hosts: Vec::new(),
        internet: Vec::new(),
    }
}
