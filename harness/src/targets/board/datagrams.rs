//! Datagrams for the hosts of a bench: each caller has a port of the computer that stands for the board,
//! and what a host answers there goes back to him.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;

use esp32_emulator::net::{NetEventKind, Network, Order, STAND_IN};
use esp32_emulator::time::Instant;

/// Callers that are remembered; a new one takes the place of the one that came first.
const CALLERS: u16 = 64;
/// The first of their ports.
const FIRST: u16 = 40_000;
/// Datagrams of a door that are read at a time.
const AT_A_TIME: usize = 64;
/// Bytes that a datagram can have.
const LARGEST: usize = 65_507;

/// UDP ports of this computer that are those of hosts.
#[derive(Debug, Default)]
pub(super) struct Doors {
    doors: Vec<(UdpSocket, SocketAddrV4)>,
    /// Who is at which port, and through which door.
    callers: BTreeMap<u16, (usize, SocketAddr)>,
    /// Callers so far.
    count: u16,
}

impl Doors {
    /// Opens one, for a port of a host.
    pub(super) fn open(&mut self, at: SocketAddr, to: SocketAddrV4) -> io::Result<()> {
        let socket = UdpSocket::bind(at)?;
        socket.set_nonblocking(true)?;
        self.doors.push((socket, to));
        Ok(())
    }

    /// Lets in what has come.
    pub(super) fn exchange(&mut self, network: &mut Network, now: Instant) {
        let mut buffer = [0; LARGEST];
        for n in 0..self.doors.len() {
            for _ in 0..AT_A_TIME {
                let (socket, to) = &self.doors[n];
                // An error is that nothing has come, or that an answer has not arrived.
                let Ok((size, caller)) = socket.recv_from(&mut buffer) else { break };
                let (to, bytes) = (*to, Arc::from(&buffer[..size]));
                let from = self.port_of(n, caller);
                // Refused is what cannot be: the stand-in is there.
                let host = STAND_IN.to_owned();
                let _ = network.order(Order::Datagram { host, from, to, bytes }, now);
            }
        }
    }

    fn port_of(&mut self, door: usize, caller: SocketAddr) -> u16 {
        let known = self.callers.iter().find(|(_, it)| **it == (door, caller));
        if let Some((port, _)) = known {
            return *port;
        }
        let port = FIRST + self.count % CALLERS;
        self.count = (self.count + 1) % CALLERS;
        self.callers.insert(port, (door, caller));
        port
    }

    /// Brings an answer to whom it is for.
    pub(super) fn hear(&self, event: &NetEventKind) {
        let NetEventKind::Datagram { host, port, bytes, .. } = event else { return };
        if host == STAND_IN
            && let Some((door, caller)) = self.callers.get(port)
        {
            // A datagram may be lost.
            let _ = self.doors[*door].0.send_to(bytes, caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use esp32_emulator::net::{HostConfig, NetworkConfig, Service};

    use super::*;

    #[test]
    fn each_caller_gets_the_answer_to_what_he_has_said() {
        let address = Ipv4Addr::new(192, 168, 0, 4);
        let host =
            HostConfig { name: "echo".to_owned(), address, services: vec![Service::UdpEcho(7)] };
        let stand_in = Some(Ipv4Addr::new(192, 168, 0, 254));
        let config = NetworkConfig { hosts: vec![host], stand_in, ..NetworkConfig::default() };
        let mut network = Network::new(config).expect("a network");
        let mut doors = Doors::default();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        doors.open(any, SocketAddrV4::new(address, 7)).expect("a door");
        let door = doors.doors[0].0.local_addr().expect("an address");
        // More than are remembered, and the first one once more.
        let callers: Vec<_> = (0..70).map(|_| UdpSocket::bind(any).expect("a socket")).collect();
        for (n, caller) in callers.iter().chain(callers.first()).enumerate() {
            caller.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
            caller.send_to(format!("caller {n}").as_bytes(), door).expect("loopback");
            let now = Instant::ZERO + esp32_emulator::time::Duration::from_millis(n as u64);
            // What was sent on this computer is there.
            doors.exchange(&mut network, now);
            while let Some(event) = network.take_event() {
                doors.hear(&event.kind);
            }
            let mut heard = [0; 32];
            let (size, from) = caller.recv_from(&mut heard).expect("an answer");
            assert_eq!((&heard[..size], from), (format!("caller {n}").as_bytes(), door));
        }
    }
}
