//! What the network consists of: the gateway, its services, the hosts and what they serve.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use thiserror::Error;

use super::clock::Calendar;
use super::event::Mac;
use super::script::Line;
use super::secure::Security;
use crate::time::Duration;

/// The wired network of a scenario. Everything that happens on it follows from this, from the
/// frames and orders it is given, and from their instants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Where initial sequence numbers and the like come from.
    pub seed: u64,
    /// Seconds since the Unix epoch at device time zero.
    pub date: u64,
    /// The gateway: DHCP server, name server, time server and (closed) way out.
    pub gateway: Ipv4Addr,
    /// Length of the network's prefix: 24 for 255.255.255.0.
    pub prefix: u8,
    /// The gateway's DHCP server.
    pub dhcp: DhcpConfig,
    /// Names besides those of hosts that the name server knows, such as `pool.ntp.org`.
    pub names: BTreeMap<String, Ipv4Addr>,
    /// The computers on the network.
    pub hosts: Vec<HostConfig>,
    /// The computers behind stations that join a board's own network.
    pub mobiles: Vec<MobileConfig>,
    /// Where the gateway lets connections out: they become flows. Names lead here by
    /// [`Self::names`].
    pub outside: BTreeSet<SocketAddrV4>,
    /// A computer of this network that stands for a station which is on another one: who owns the
    /// network makes its connections to hosts ([`Order::Dial`](super::Order::Dial) from [`STAND_IN`])
    /// and takes those to it ([`Order::Listen`](super::Order::Listen)) as flows. They are observed like
    /// any station's.
    pub stand_in: Option<Ipv4Addr>,
    /// Bytes of inputs that are kept while connections go on without a pause, so that the network can
    /// be copied. With more, all connections of hosts are reset.
    pub log_limit: usize,
}

/// What orders call the computer that stands for a station; no host can have this name.
pub const STAND_IN: &str = "(station)";

/// The DHCP server of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpConfig {
    /// First address that is given away.
    pub first: Ipv4Addr,
    /// Last address that is given away.
    pub last: Ipv4Addr,
    /// How long an address is lent, in whole seconds.
    pub lease: Duration,
    /// Hears everything and answers nothing.
    pub silent: bool,
}

/// A computer on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// The name by which orders and the name server know it.
    pub name: String,
    /// Its address, inside of the network's prefix.
    pub address: Ipv4Addr,
    /// What it serves.
    pub services: Vec<Service>,
}

/// A computer behind a station of its own. It is on no network until its station has joined one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MobileConfig {
    /// The name by which orders know it.
    pub name: String,
    /// Its Ethernet address, which is that of the station.
    pub mac: Mac,
    /// Its address and the length of the prefix; none: it asks a DHCP server.
    pub address: Option<(Ipv4Addr, u8)>,
}

/// A service of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// A web server.
    Http {
        /// TCP port.
        port: u16,
        /// What it serves, by path (`/` and what follows, without query).
        files: BTreeMap<String, File>,
    },
    /// A web server whose connections are secured.
    Https {
        /// TCP port.
        port: u16,
        /// What it serves, as for [`Self::Http`].
        files: BTreeMap<String, File>,
        /// What secures them.
        security: Security,
    },
    /// Sends back what it is sent over TCP.
    TcpEcho(u16),
    /// Sends back what it is sent over UDP.
    UdpEcho(u16),
    /// Follows a script with each connection.
    TcpScript(u16, Arc<[Line]>),
    /// Follows a script with each address and port from which datagrams come.
    UdpScript(u16, Arc<[Line]>),
    /// An MQTT broker; a host has one at most.
    Mqtt {
        /// TCP port.
        port: u16,
        /// A second port, and what secures the connections there.
        secured: Option<(u16, Security)>,
        /// Passwords by names; none: it lets everybody in.
        users: BTreeMap<String, String>,
    },
    /// Connections become flows: who owns the network is the server.
    Flow(u16),
    /// A time server (SNTP), at UDP port 123.
    Ntp,
}

/// A file of a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What the `Content-Type` header says.
    pub content_type: String,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

impl Default for NetworkConfig {
    /// 192.168.0.1/24 with addresses from 192.168.0.50 on, no hosts, and the date 2026-01-01.
    fn default() -> Self {
        Self {
            seed: 0,
            date: 1_767_225_600,
            gateway: Ipv4Addr::new(192, 168, 0, 1),
            prefix: 24,
            dhcp: DhcpConfig {
                first: Ipv4Addr::new(192, 168, 0, 50),
                last: Ipv4Addr::new(192, 168, 0, 99),
                lease: Duration::from_secs(7_200),
                silent: false,
            },
            names: BTreeMap::new(),
            hosts: Vec::new(),
            mobiles: Vec::new(),
            outside: BTreeSet::new(),
            stand_in: None,
            log_limit: 256 << 20,
        }
    }
}

/// Why a network cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Too short or too long for a network with hosts.
    #[error("a prefix of {0} bits leaves no room for hosts, or is none (8 to 30 are)")]
    Prefix(u8),
    /// Not an address that a computer can have.
    #[error("{what}: {address} is no address of a computer in {network}/{prefix}")]
    Foreign {
        /// Whose address it is.
        what: String,
        /// The address.
        address: Ipv4Addr,
        /// The network.
        network: Ipv4Addr,
        /// Its prefix.
        prefix: u8,
    },
    /// Two computers with one address.
    #[error("{first} and {second} both have the address {address}")]
    SameAddress {
        /// Who has it.
        first: String,
        /// Who has it, too.
        second: String,
        /// The address.
        address: Ipv4Addr,
    },
    /// Two hosts with one name.
    #[error("two hosts are called {0:?}")]
    SameName(String),
    /// A name that cannot be asked for.
    #[error("{0:?} is no name of a host: letters, digits, `-`, `_`, and `.` between")]
    Name(String),
    /// Two services at one port, or port 0.
    #[error("{host}: {protocol} port {port} is used twice, or is no port")]
    Port {
        /// The host.
        host: String,
        /// `TCP` or `UDP`.
        protocol: &'static str,
        /// The port.
        port: u16,
    },
    /// More than one broker.
    #[error("{0} has two MQTT brokers")]
    Brokers(String),
    /// A path that no request can have.
    #[error("{host}: {path:?} is no path: it begins with `/` and has no spaces, `?` or `#`")]
    Path {
        /// The host.
        host: String,
        /// The path.
        path: String,
    },
    /// A content type that would break the header.
    #[error("{host}: {content_type:?} is no content type")]
    ContentType {
        /// The host.
        host: String,
        /// What was given.
        content_type: String,
    },
    /// The DHCP server's range.
    #[error("the DHCP server's last address, {last}, comes before its first, {first}")]
    Range {
        /// First.
        first: Ipv4Addr,
        /// Last.
        last: Ipv4Addr,
    },
    /// More addresses than a table should hold.
    #[error("the DHCP server gives {0} addresses away; at most 65536 may be")]
    LargeRange(u64),
    /// No destination beyond the gateway.
    #[error("{0} is no destination outside of the network")]
    Inside(SocketAddrV4),
    /// More destinations than are provided for.
    #[error("{0} destinations outside; at most 64 may be")]
    TooManyOutside(usize),
    /// A date that cannot be written.
    #[error("the date lies beyond the year 9999")]
    Date,
}

impl NetworkConfig {
    /// Ones where addresses of the network agree.
    pub(super) fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// Whether `address` is that of a computer here: inside of the prefix, and neither the
    /// network's own nor the broadcast address.
    pub(super) fn holds(&self, address: Ipv4Addr) -> bool {
        let (bits, mask) = (address.to_bits(), self.mask());
        let rest = bits & !mask;
        bits & mask == self.gateway.to_bits() & mask && rest != 0 && rest != !mask
    }

    /// The address that means all computers here.
    pub(super) fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.gateway.to_bits() | !self.mask())
    }

    /// Everything that is wrong at first sight; the first of it.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !(8..=30).contains(&self.prefix) {
            return Err(ConfigError::Prefix(self.prefix));
        }
        if self.date > Calendar::LAST {
            return Err(ConfigError::Date);
        }
        let mut addresses = BTreeMap::new();
        // Orders know the gateway by this name.
        let mut names = BTreeSet::from(["gateway".to_owned()]);
        self.check_address("gateway", self.gateway, &mut addresses)?;
        for host in &self.hosts {
            check_name(&host.name)?;
            if !names.insert(host.name.to_ascii_lowercase()) {
                return Err(ConfigError::SameName(host.name.clone()));
            }
            self.check_address(&host.name, host.address, &mut addresses)?;
            check_services(host)?;
        }
        if let Some(address) = self.stand_in {
            self.check_address(STAND_IN, address, &mut addresses)?;
        }
        for mobile in &self.mobiles {
            check_name(&mobile.name)?;
            if !names.insert(mobile.name.to_ascii_lowercase()) {
                return Err(ConfigError::SameName(mobile.name.clone()));
            }
            if let Some((address, prefix)) = mobile.address {
                check_mobile_address(&mobile.name, address, prefix)?;
            }
        }
        for name in self.names.keys() {
            check_name(name)?;
        }
        self.check_outside()?;
        self.check_dhcp()
    }

    fn check_outside(&self) -> Result<(), ConfigError> {
        if self.outside.len() > 64 {
            return Err(ConfigError::TooManyOutside(self.outside.len()));
        }
        for &to in &self.outside {
            let address = *to.ip();
            let network = self.gateway.to_bits() & self.mask();
            let inside = address.to_bits() & self.mask() == network;
            let nobody = address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_loopback();
            if inside || nobody || to.port() == 0 {
                return Err(ConfigError::Inside(to));
            }
        }
        Ok(())
    }

    fn check_dhcp(&self) -> Result<(), ConfigError> {
        let DhcpConfig { first, last, .. } = self.dhcp;
        self.check_foreign("DHCP server", first)?;
        self.check_foreign("DHCP server", last)?;
        if last < first {
            return Err(ConfigError::Range { first, last });
        }
        let count = u64::from(last.to_bits() - first.to_bits()) + 1;
        if count > 65_536 { Err(ConfigError::LargeRange(count)) } else { Ok(()) }
    }

    fn check_foreign(&self, what: &str, address: Ipv4Addr) -> Result<(), ConfigError> {
        let sane = !address.is_multicast() && !address.is_loopback() && address.octets()[0] != 0;
        if sane && self.holds(address) {
            return Ok(());
        }
        Err(ConfigError::Foreign {
            what: what.to_owned(),
            address,
            network: Ipv4Addr::from_bits(self.gateway.to_bits() & self.mask()),
            prefix: self.prefix,
        })
    }

    fn check_address(
        &self,
        who: &str,
        address: Ipv4Addr,
        seen: &mut BTreeMap<Ipv4Addr, String>,
    ) -> Result<(), ConfigError> {
        self.check_foreign(who, address)?;
        match seen.insert(address, who.to_owned()) {
            None => Ok(()),
            Some(first) => Err(ConfigError::SameAddress { first, second: who.to_owned(), address }),
        }
    }
}

/// Whether a computer in some network of that prefix can have the address.
fn check_mobile_address(name: &str, address: Ipv4Addr, prefix: u8) -> Result<(), ConfigError> {
    if !(8..=30).contains(&prefix) {
        return Err(ConfigError::Prefix(prefix));
    }
    let there = NetworkConfig { gateway: address, prefix, ..NetworkConfig::default() };
    there.check_foreign(name, address)
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        Ok(())
    } else {
        Err(ConfigError::Name(name.to_owned()))
    }
}

fn check_services(host: &HostConfig) -> Result<(), ConfigError> {
    let mut used = BTreeSet::new();
    let brokers = host.services.iter().filter(|it| matches!(it, Service::Mqtt { .. }));
    if brokers.count() > 1 {
        return Err(ConfigError::Brokers(host.name.clone()));
    }
    for service in &host.services {
        let (protocol, ports) = match service {
            Service::Http { port, files } | Service::Https { port, files, .. } => {
                check_files(host, files)?;
                ("TCP", [Some(*port), None])
            }
            Service::TcpEcho(port) | Service::TcpScript(port, _) | Service::Flow(port) => {
                ("TCP", [Some(*port), None])
            }
            Service::Mqtt { port, secured, .. } => {
                ("TCP", [Some(*port), secured.as_ref().map(|(port, _)| *port)])
            }
            Service::UdpEcho(port) | Service::UdpScript(port, _) => ("UDP", [Some(*port), None]),
            Service::Ntp => ("UDP", [Some(super::ntp::PORT), None]),
        };
        for port in ports.into_iter().flatten() {
            if port == 0 || !used.insert((protocol, port)) {
                return Err(ConfigError::Port { host: host.name.clone(), protocol, port });
            }
        }
    }
    Ok(())
}

fn check_files(host: &HostConfig, files: &BTreeMap<String, File>) -> Result<(), ConfigError> {
    for (path, file) in files {
        let fits = |b: u8| b.is_ascii_graphic() && b != b'?' && b != b'#';
        // What is not ASCII is asked for in percent signs, and compared when they are undone.
        if !path.starts_with('/') || !path.bytes().all(|b| fits(b) || !b.is_ascii()) {
            return Err(ConfigError::Path { host: host.name.clone(), path: path.clone() });
        }
        if !file.content_type.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err(ConfigError::ContentType {
                host: host.name.clone(),
                content_type: file.content_type.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, last: u8, services: Vec<Service>) -> HostConfig {
        HostConfig { name: name.to_owned(), address: Ipv4Addr::new(192, 168, 0, last), services }
    }

    fn with(hosts: Vec<HostConfig>) -> NetworkConfig {
        NetworkConfig { hosts, ..NetworkConfig::default() }
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = [
            (with(vec![host("a", 1, vec![])]), "gateway and a both have the address 192.168.0.1"),
            (with(vec![host("a", 4, vec![]), host("A", 5, vec![])]), "two hosts are called \"A\""),
            (with(vec![host("Gateway", 4, vec![])]), "two hosts are called \"Gateway\""),
            (with(vec![host("a", 255, vec![])]), "a: 192.168.0.255 is no address of a computer"),
            (with(vec![host("a b", 4, vec![])]), "\"a b\" is no name of a host"),
            (
                with(vec![host("a", 4, vec![Service::TcpEcho(7), Service::TcpEcho(7)])]),
                "a: TCP port 7 is used twice",
            ),
            (with(vec![host("a", 4, vec![Service::UdpEcho(0)])]), "a: UDP port 0 is used twice"),
            (NetworkConfig { prefix: 31, ..NetworkConfig::default() }, "a prefix of 31 bits"),
            (NetworkConfig { date: u64::MAX, ..NetworkConfig::default() }, "beyond the year 9999"),
        ];
        for (config, text) in wrong {
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(text), "{error:?} lacks {text:?}");
        }
        let tcp_and_udp = vec![Service::TcpEcho(7), Service::UdpEcho(7)];
        assert_eq!(with(vec![host("a", 4, tcp_and_udp)]).check(), Ok(()));
    }

    #[test]
    fn the_range_of_the_dhcp_server_lies_inside_and_is_in_order() {
        let mut config = NetworkConfig::default();
        config.dhcp.first = Ipv4Addr::new(192, 168, 1, 50);
        assert!(matches!(config.check(), Err(ConfigError::Foreign { .. })));
        config.dhcp.first = Ipv4Addr::new(192, 168, 0, 100);
        assert!(matches!(config.check(), Err(ConfigError::Range { .. })));
    }
}
