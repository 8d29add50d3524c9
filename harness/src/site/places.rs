//! What the networks and hosts of a site are where a case runs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{AccessPoint, Security, Site};

/// What the networks and hosts of a site are where a case runs: on a bench other ones than those of
/// the scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// By the names that the scenario gives them.
    pub networks: BTreeMap<String, NetworkPlace>,
    /// Addresses, by the names that the scenario gives them.
    pub hosts: BTreeMap<String, Ipv4Addr>,
}

/// What a network is called, and how it is joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlace {
    /// Its name on the air.
    pub ssid: String,
    /// Its password, if it has one.
    pub password: Option<String>,
}

impl Places {
    /// As the scenario describes them.
    pub fn of(site: &Site) -> Self {
        let network = |it: &AccessPoint| {
            let password = match &it.security {
                Security::Wpa2 { password } => Some(password.clone()),
                Security::Open | Security::Wpa3 => None,
            };
            (it.ssid.clone(), NetworkPlace { ssid: it.ssid.clone(), password })
        };
        Self {
            networks: site.air.iter().map(network).collect(),
            hosts: site.hosts.iter().map(|it| (it.name.clone(), it.address)).collect(),
        }
    }

    /// The values that steps can use: `air.NAME.ssid`, `air.NAME.password`, `host.NAME.address`.
    pub fn values(&self) -> Vec<(String, String)> {
        let networks = self.networks.iter().flat_map(|(name, place)| {
            let ssid = (format!("air.{name}.ssid"), place.ssid.clone());
            let password = place.password.clone().map(|it| (format!("air.{name}.password"), it));
            std::iter::once(ssid).chain(password)
        });
        let address = |(name, address): (&String, &Ipv4Addr)| {
            (format!("host.{name}.address"), address.to_string())
        };
        networks.chain(self.hosts.iter().map(address)).collect()
    }

    /// A text in which networks and hosts are those of the scenario again.
    pub fn as_described(&self, site: &Site, text: &str) -> String {
        let networks = self.networks.iter().map(|(name, it)| (it.ssid.clone(), name.clone()));
        let hosts = site.hosts.iter().filter_map(|host| {
            Some((self.hosts.get(&host.name)?.to_string(), host.address.to_string()))
        });
        let mut others: Vec<_> =
            networks.chain(hosts).filter(|(here, there)| here != there).collect();
        others.sort_by_key(|(here, _)| std::cmp::Reverse(here.len()));
        // In one pass, longest first, and whole words only: what stands for one thing here may be the
        // scenario's name of another, or the beginning of one.
        let mut described = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let is_inside = described.ends_with(char::is_alphanumeric);
            let ends = |after: &str| !after.starts_with(char::is_alphanumeric);
            let word = others.iter().filter(|_| !is_inside).find_map(|(here, there)| {
                rest.strip_prefix(here.as_str()).filter(|after| ends(after)).map(|it| (there, it))
            });
            match word {
                Some((there, after)) => {
                    described.push_str(there);
                    rest = after;
                }
                None => {
                    described.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        described
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{Host, Network};

    #[test]
    fn what_a_bench_calls_otherwise_is_called_as_in_the_scenario_again() {
        let host = |name: &str, last| Host {
            name: name.to_owned(),
            address: Ipv4Addr::new(192, 168, 0, last),
            http: None,
            https: None,
            mqtt: None,
            tcp_echo: vec![],
            udp_echo: vec![],
            ntp: false,
            forward: BTreeMap::new(),
            scripts: vec![],
        };
        let site = Site {
            air: vec![AccessPoint {
                ssid: "bench-net".to_owned(),
                security: Security::Open,
                channel: 1,
                signal: -50,
                bssid: [2; 6],
                hidden: false,
            }],
            network: Network::default(),
            hosts: vec![host("laptop", 4), host("desk", 5)],
            stations: vec![],
            internet: vec![],
        };
        let mut places = Places::of(&site);
        let text = "joined Lab, asks 10.0.0.2 and 10.0.0.23 and 192.168.0.5";
        assert_eq!(places.as_described(&site, text), text);
        places.networks.get_mut("bench-net").unwrap().ssid = "Lab".to_owned();
        places.hosts.insert("laptop".to_owned(), Ipv4Addr::new(10, 0, 0, 2));
        places.hosts.insert("desk".to_owned(), Ipv4Addr::new(10, 0, 0, 23));
        let there = "joined bench-net, asks 192.168.0.4 and 192.168.0.5 and 192.168.0.5";
        assert_eq!(places.as_described(&site, text), there);
        let others = "Label 10.0.0.29 210.0.0.2";
        assert_eq!(places.as_described(&site, others), others, "only whole words");
        let values = places.values();
        assert!(values.contains(&("air.bench-net.ssid".to_owned(), "Lab".to_owned())));
        assert!(values.contains(&("host.laptop.address".to_owned(), "10.0.0.2".to_owned())));
        // What one is here is what the other is there.
        places.hosts.insert("laptop".to_owned(), Ipv4Addr::new(192, 168, 0, 5));
        let swapped = places.as_described(&site, "192.168.0.5, 10.0.0.23");
        assert_eq!(swapped, "192.168.0.4, 192.168.0.5");
    }
}
