//! Services over UDP.

use std::net::{IpAddr, SocketAddr};

use smoltcp::socket::udp;
use smoltcp::wire::IpEndpoint;

use super::{DatagramService, World};
use crate::net::event::{NetEvent, NetEventKind};
use crate::net::{dns, ntp, script};
use crate::time::Instant;

pub(super) fn serve_datagrams(
    socket: &mut udp::Socket<'static>,
    service: &mut DatagramService,
    host: &str,
    own: SocketAddr,
    at: Instant,
    world: &mut World<'_>,
) -> bool {
    let mut moved = false;
    while let Ok((bytes, meta)) = socket.recv() {
        let from = SocketAddr::new(meta.endpoint.addr.into(), meta.endpoint.port);
        let IpAddr::V4(address) = own.ip() else { continue };
        let mut tell = |kind| world.events.push(NetEvent { at, kind });
        let reply = match service {
            DatagramService::Echo => Some(bytes.to_vec()),
            DatagramService::Script(server) => {
                let events = &mut *world.events;
                let begun = &mut *world.talks;
                let mut scene = script::Scene { host, own, station: from, at, begun, events };
                server.receive(bytes, &mut scene);
                None
            }
            DatagramService::Told => {
                let (host, port, bytes) = (host.to_owned(), own.port(), bytes.to_vec());
                tell(NetEventKind::Datagram { host, port, from, bytes });
                None
            }
            DatagramService::Dns => match world.zone.answer(bytes) {
                Ok(dns::Reply { message, name, answer }) => {
                    tell(NetEventKind::Asked { by: from, name, answer });
                    message
                }
                Err(why) => {
                    tell(NetEventKind::BadMessage { from, why });
                    None
                }
            },
            DatagramService::Ntp => match ntp::answer(bytes, world.calendar, at) {
                Ok(reply) => {
                    tell(NetEventKind::TimeAsked { by: from, server: address });
                    Some(reply.to_vec())
                }
                Err(why) => {
                    tell(NetEventKind::BadMessage { from, why });
                    None
                }
            },
        };
        if let Some(reply) = reply {
            // Nothing can be sent back to port 0 or to nobody.
            moved |= socket.send_slice(&reply, meta).is_ok();
        }
    }
    if let DatagramService::Script(server) = service {
        while let Some((to, bytes)) = server.next(at, world.events) {
            moved |= socket.send_slice(&bytes, IpEndpoint::from(to)).is_ok();
        }
    }
    moved
}
