//! What the networks and hosts of scenarios are at this place.
//!
//! ```toml
//! [air.bench-net]
//! ssid = "Lab 2.4"                       # the same name if missing
//! password-env = "LAB_WIFI_PASSWORD"     # the scenario's password if missing
//!
//! [hosts.laptop]
//! address = "192.168.1.20"               # this computer, as boards reach it
//! listen = { 8000 = "127.0.0.1:8000" }   # where port 8000 is, if not at that address
//! ```

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use crate::site::{NetworkPlace, Places, Site};

/// The bindings of a bench.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bindings {
    /// Networks, by the names that scenarios give them.
    pub air: BTreeMap<String, Air>,
    /// Hosts, by the names that scenarios give them.
    pub hosts: BTreeMap<String, Host>,
}

/// A network of this place.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Air {
    /// Its real name.
    pub ssid: Option<String>,
    /// The environment variable that has its password.
    pub password_env: Option<String>,
}

/// What stands for a host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// This computer's address, as boards reach it.
    pub address: Ipv4Addr,
    /// Where ports are that are not opened at that address: a router leads boards there.
    #[serde(default)]
    pub listen: BTreeMap<Port, SocketAddr>,
}

/// A port as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Port(pub u16);

impl TryFrom<String> for Port {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let port = text.parse().ok().filter(|port| *port > 0);
        port.map(Self).ok_or_else(|| format!("`{text}` is no port"))
    }
}

impl Bindings {
    /// The keys that a site needs and that are not there.
    pub fn missing(&self, site: &Site) -> Vec<String> {
        let networks = site.air.iter().map(|it| &it.ssid).filter(|it| !self.air.contains_key(*it));
        let hosts = site.hosts.iter().filter(|it| !self.hosts.contains_key(&it.name));
        let mut keys: Vec<_> = networks.map(|name| key("air", name)).collect();
        keys.extend(hosts.map(|host| key("hosts", &host.name)));
        keys.dedup();
        keys
    }

    /// What the networks and hosts of a site are here; `environment` has the passwords.
    pub fn places(&self, site: &Site, environment: &BTreeMap<String, String>) -> Places {
        let mut places = Places::of(site);
        for (name, bound) in &self.air {
            let Some(place) = places.networks.get_mut(name) else { continue };
            let NetworkPlace { ssid, password } = place;
            ssid.clone_from(bound.ssid.as_ref().unwrap_or(name));
            if let Some(variable) = &bound.password_env {
                *password = environment.get(variable).cloned();
            }
        }
        for (name, bound) in &self.hosts {
            if let Some(address) = places.hosts.get_mut(name) {
                *address = bound.address;
            }
        }
        places
    }

    /// The environment variables that have passwords of a site's networks.
    pub fn variables(&self, site: &Site) -> Vec<String> {
        let bound = site.air.iter().filter_map(|it| self.air.get(&it.ssid));
        bound.filter_map(|it| it.password_env.clone()).collect()
    }

    /// Where this computer is a port of a host.
    pub fn door(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let host = self.hosts.get(host)?;
        let listen = host.listen.get(&Port(port)).copied();
        Some(listen.unwrap_or(SocketAddr::new(host.address.into(), port)))
    }
}

/// A table's name, in quotes where TOML wants them.
fn key(table: &str, name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !name.is_empty() && name.chars().all(is_bare) {
        true => format!("[{table}.{name}]"),
        false => format!("[{table}.{name:?}]"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bench::description::Bench;
    use crate::scenario::decode::no_files;
    use crate::scenario::parser::{FilePlace, parse_site};

    fn site() -> Site {
        let text = "air: [{ssid: a b, password: correct-horse}, {ssid: open}]\n\
            hosts: {name: laptop, address: 192.168.0.4, http: {port: 8000}}\n";
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        parse_site(text, place, &no_files).expect("it is right")
    }

    fn bindings(text: &str) -> Bindings {
        Bench::parse(text, Path::new("bench.toml")).expect("it is right").bindings
    }

    #[test]
    fn what_is_not_bound_is_named_as_bench_toml_writes_it() {
        assert_eq!(
            bindings("").missing(&site()),
            ["[air.\"a b\"]", "[air.open]", "[hosts.laptop]"]
        );
        let bound = "[air]\n\"a b\" = {}\nopen = {}\n[hosts.laptop]\naddress = '10.0.0.2'\n";
        assert_eq!(bindings(bound).missing(&site()), Vec::<String>::new());
    }

    #[test]
    fn a_bound_name_stands_for_what_is_here_and_its_password_comes_from_the_environment() {
        let text = "[air.'a b']\nssid = 'Lab'\npassword-env = 'LAB'\n[air.open]\n\
            [hosts.laptop]\naddress = '10.0.0.2'\nlisten = { 8000 = '127.0.0.1:9000' }\n";
        let (bindings, site) = (bindings(text), site());
        let environment = BTreeMap::from([("LAB".to_owned(), "secret-word".to_owned())]);
        let places = bindings.places(&site, &environment);
        let lab = NetworkPlace { ssid: "Lab".into(), password: Some("secret-word".into()) };
        assert_eq!(places.networks["a b"], lab);
        let open = NetworkPlace { ssid: "open".into(), password: None };
        assert_eq!(places.networks["open"], open);
        assert_eq!(places.hosts["laptop"], Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(bindings.variables(&site), ["LAB"]);
        assert_eq!(bindings.door("laptop", 8000), Some("127.0.0.1:9000".parse().unwrap()));
        assert_eq!(bindings.door("laptop", 7), Some("10.0.0.2:7".parse().unwrap()));
        assert_eq!(bindings.door("nobody", 7), None);
    }
}
