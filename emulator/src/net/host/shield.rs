//! The security of a connection, and what is spoken behind it.

use std::net::SocketAddr;
use std::sync::Arc;

use smoltcp::socket::tcp;
use smoltcp::wire::IpEndpoint;

use super::World;
use super::streams::serve_http;
use crate::net::event::{NetEvent, NetEventKind};
use crate::net::http::{self, Scene};
use crate::net::http_frames::{Conversation, Found, Way};
use crate::net::http_message::Side;
use crate::net::secure::{Layer, News, Security};
use crate::net::stream::Stream;
use crate::time::Instant;

/// Bytes of unfinished bodies that are held of one secured connection.
const SHIELDED_LIMIT: usize = 4 << 20;

/// The security of a connection, with what was said behind it.
pub(super) struct Shield {
    pub(super) layer: Layer,
    conversation: Conversation,
}

impl Shield {
    pub(super) fn new(security: &Security, world: &mut World<'_>) -> Box<Self> {
        *world.secured += 1;
        let layer = Layer::new(security.0.accept(*world.secured));
        Box::new(Self { layer, conversation: Conversation::new() })
    }

    /// Takes what has come: whether something has, and what the station has said with it.
    fn pull(
        &mut self,
        socket: &mut tcp::Socket<'static>,
        connection: u64,
        host: &str,
        at: Instant,
        world: &mut World<'_>,
    ) -> (bool, Vec<u8>) {
        let (moved, heard, news) = self.layer.pull(socket);
        if let Some(news) = news {
            let (how, agreed) = match news {
                News::Agreed(how) => (how, true),
                News::Failed(why) => (why, false),
            };
            let kind = NetEventKind::Secured { connection, host: host.to_owned(), how, agreed };
            world.events.push(NetEvent { at, kind });
        }
        (moved, heard)
    }

    /// Serves what is said behind the security, whatever that is.
    pub(super) fn carry(
        &mut self,
        socket: &mut tcp::Socket<'static>,
        host: &str,
        at: Instant,
        world: &mut World<'_>,
        serve: impl FnOnce(&mut dyn Stream, &mut World<'_>) -> (bool, bool),
    ) -> (bool, bool) {
        let (Some(own), Some(station)) = (socket.local_endpoint(), socket.remote_endpoint()) else {
            return (false, false);
        };
        let place = |end: IpEndpoint| SocketAddr::new(end.addr.into(), end.port);
        let connection = world.tap.number_of(place(station), place(own)).unwrap_or(0);
        let (mut moved, _) = self.pull(socket, connection, host, at, world);
        let mut over = self.layer.has_failed();
        if !over {
            let served;
            (served, over) = serve(&mut self.layer.on(socket), world);
            moved |= served;
        }
        moved |= self.layer.push(socket);
        (moved, over)
    }

    /// Serves a web server's client, and tells the HTTP frames, which nobody else sees.
    pub(super) fn serve(
        &mut self,
        socket: &mut tcp::Socket<'static>,
        talk: &mut http::Connection,
        server: &mut http::Server,
        host: &str,
        at: Instant,
        world: &mut World<'_>,
    ) -> (bool, bool) {
        let (Some(own), Some(station)) = (socket.local_endpoint(), socket.remote_endpoint()) else {
            return (false, false);
        };
        let place = |end: IpEndpoint| SocketAddr::new(end.addr.into(), end.port);
        let (own, station) = (place(own), place(station));
        let connection = world.tap.number_of(station, own).unwrap_or(0);
        let asked = Way { connection, exchange: 0, from: station, to: own };
        let answered = Way { connection, exchange: 0, from: own, to: station };
        let mut found = Vec::new();
        let (mut moved, heard) = self.pull(socket, connection, host, at, world);
        let conversation = &mut self.conversation;
        conversation.hear(Side::Requests, &heard, at, SHIELDED_LIMIT, asked, &mut found);
        let over = if self.layer.has_failed() {
            true
        } else {
            let calendar = world.calendar;
            let peer = station.ip();
            let mut scene = Scene { host, peer, calendar, at, events: world.events };
            let mut secured = self.layer.on(socket);
            let (served, over) = serve_http(&mut secured, talk, server, &mut scene);
            moved |= served;
            let said = secured.said;
            conversation.hear(Side::Responses, &said, at, SHIELDED_LIMIT, answered, &mut found);
            over
        };
        if over {
            conversation.finish(Side::Requests, true, &mut found);
            conversation.finish(Side::Responses, true, &mut found);
        }
        let frames = found.into_iter().filter_map(|found| match found {
            Found::Request(frame) => Some(NetEventKind::HttpRequest(Arc::new(frame))),
            Found::Response(frame) => Some(NetEventKind::HttpResponse(Arc::new(frame))),
            // The server says so, in its log and to the station.
            Found::NotHttp(_) => None,
        });
        world.events.extend(frames.map(|kind| NetEvent { at, kind }));
        moved |= self.layer.push(socket);
        (moved, over)
    }
}
