//! The wired network behind the access points: one Ethernet segment with a gateway and the hosts
//! of a scenario, in device time.
//!
//! *Source*: the RFCs named in the modules; the TCP/IP stack of the computers is smoltcp's.
//!
//! *Modelled*: ARP, IPv4 with fragments, ICMP echo, UDP, TCP; DHCP, DNS, SNTP, HTTP and echo
//! servers, MQTT brokers, servers that follow a script; HTTP requests from hosts to stations; *mobile* hosts, which
//! are not on the wire but behind a station of their own, in a network that the board opens; IPv6 as far
//! as neighbours are concerned. An
//! observer follows all TCP connections of stations and tells the HTTP frames in them. The way out
//! is closed but for named destinations. Connections to these, and to what a host serves without
//! being modelled, become *flows*: their bytes are events and orders.
//!
//! *Not modelled*: routers, VLANs, IPv6 beyond link-local addresses. What secures connections of a
//! web server is brought along by who owns the network.
//!
//! The network takes Ethernet frames and orders, each with its instant, and gives frames and
//! events. It is a function of these and of its configuration: how often it is polled, and how late,
//! changes nothing, because everything that it does by itself happens at an instant of its own.
//!
//! # Copies
//!
//! A machine is a value, and so is its network; but connections cannot be copied, since the stack
//! has no copies of its sockets. So a [`Network`] keeps a log of what went into it, and a copy makes
//! itself anew from the log when it is first used. Copying costs at most one chunk of the log
//! (64 KiB) and what was not taken yet; the first use of the copy costs what all inputs since the
//! beginning of the log cost in the original. The log holds every frame that came from stations, so
//! it grows with uploads, and with one small frame for every few of a download. When it is larger
//! than [`RENEWAL`] and no connection is left, it is dropped: the stacks begin anew, which a station
//! can notice only by being asked for its Ethernet address once more. When connections leave no such
//! pause until it has reached [`NetworkConfig::log_limit`], they are reset. Mobile hosts that have
//! joined another network ask there for an address anew, so with them the log is dropped at that size
//! only.

mod clock;
mod config;
mod dhcp;
mod dns;
mod event;
mod flow;
mod gateway;
mod host;
mod http;
mod http_client;
mod http_frames;
mod http_message;
mod log;
mod mqtt;
mod ntp;
mod order;
mod packet;
mod script;
mod secure;
mod stream;
mod switch;
mod tap;
mod tcp_stream;
mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

pub use config::{
    ConfigError, DhcpConfig, File, HostConfig, MobileConfig, NetworkConfig, STAND_IN, Service,
};
pub use event::{
    Answer, Ending, FlowEnding, Mac, NetEvent, NetEventKind, Protocol, RequestError, Unanswered,
};
pub use flow::AHEAD as FLOW_AHEAD;
pub use http_frames::{BODY_LIMIT, Body, Extent, Head, HttpFrame, Start};
pub use mqtt::{Author, Departure, Message, MqttEvent, PACKET_LIMIT as MQTT_PACKET_LIMIT, Qos};
pub use order::{Dhcp, Faults, FlowOrder, Lie, Link, Manner, Order, OrderError, Request, Response};
pub use script::Line;
pub use secure::{Secure, SecureEnd, Security};

use log::{Input, Log, Port};
use switch::{Output, State, Switch};

use crate::time::Instant;

/// Size of the log, in bytes, from which on it is dropped when no connection is left.
pub const RENEWAL: usize = 1 << 20;
/// Frames and events that wait to be taken.
const QUEUE_LIMIT: usize = 1 << 16;

/// The network.
pub struct Network {
    /// What the network was before the first input of the log, and since when.
    base: Arc<State>,
    base_at: Instant,
    log: Log,
    /// The size of the log at which connections are reset.
    log_limit: usize,
    /// Up to when things were done that were due, after the last input.
    polled: Option<Instant>,
    /// How often the log was dropped.
    life: u64,
    /// None: to be made from `base` and `log` when it is needed.
    switch: Option<Box<Switch>>,
    deadline: Option<Instant>,
    /// The latest instant that was named; time does not go back.
    now: Instant,
    frames: VecDeque<Vec<u8>>,
    mobile_frames: VecDeque<(usize, Vec<u8>)>,
    frames_lost: u64,
    events: VecDeque<NetEvent>,
    events_lost: u64,
}

impl Network {
    /// A network at device time zero.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself.
    pub fn new(config: NetworkConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let log_limit = config.log_limit;
        let base = Arc::new(State::new(config));
        let switch = Switch::new(&base, Instant::ZERO);
        Ok(Self {
            deadline: switch.deadline(),
            switch: Some(Box::new(switch)),
            base,
            base_at: Instant::ZERO,
            log: Log::default(),
            log_limit,
            polled: None,
            life: 0,
            now: Instant::ZERO,
            frames: VecDeque::new(),
            mobile_frames: VecDeque::new(),
            frames_lost: 0,
            events: VecDeque::new(),
            events_lost: 0,
        })
    }

    /// An Ethernet frame from a station, without its check sequence.
    pub fn receive(&mut self, frame: &[u8], now: Instant) {
        self.receive_at(Port::Wire, frame, now);
    }

    /// An Ethernet frame for a mobile host, by its number, that its station has received.
    pub fn receive_for_mobile(&mut self, mobile: usize, frame: &[u8], now: Instant) {
        self.receive_at(Port::Mobile(mobile), frame, now);
    }

    fn receive_at(&mut self, port: Port, frame: &[u8], now: Instant) {
        self.awake();
        let now = self.forward(now);
        self.log.push_frame(port, frame, now);
        self.polled = None;
        self.with_switch(|switch, out| {
            switch.advance(now, out);
            switch.receive(port, frame, now, out);
        });
        self.renew();
        if self.log.size() >= self.log_limit {
            self.log_limit = self.log.size() + self.base.log_limit();
            // Nothing can be said against it.
            let _ = self.order(Order::BreakOff, now);
        }
    }

    /// Tells the network to do something.
    ///
    /// # Errors
    ///
    /// When there is nobody who could, or it would make no sense on the wire; then nothing happens.
    pub fn order(&mut self, order: Order, now: Instant) -> Result<(), OrderError> {
        self.awake().check(&order)?;
        let now = self.forward(now);
        let order = Arc::new(order);
        self.log.push_order(order.clone(), now);
        self.polled = None;
        self.with_switch(|switch, out| {
            switch.advance(now, out);
            switch.order(&order, now, out);
        });
        Ok(())
    }

    /// Does what is due by itself.
    pub fn poll(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.awake();
            self.polled = Some(now);
            self.with_switch(|switch, out| switch.advance(now, out));
        }
        self.forward(now);
    }

    /// When something is due by itself.
    pub fn poll_at(&self) -> Option<Instant> {
        self.deadline
    }

    /// The next Ethernet frame for stations, without its check sequence.
    pub fn take_frame(&mut self) -> Option<Vec<u8>> {
        self.frames.pop_front()
    }

    /// The next Ethernet frame that a mobile host, by its number, gives to its station.
    pub fn take_mobile_frame(&mut self) -> Option<(usize, Vec<u8>)> {
        self.mobile_frames.pop_front()
    }

    /// The next thing that happened.
    pub fn take_event(&mut self) -> Option<NetEvent> {
        if self.frames_lost > 0 {
            let kind = NetEventKind::FramesLost(std::mem::take(&mut self.frames_lost));
            return Some(NetEvent { at: self.now, kind });
        }
        if self.events_lost > 0 {
            let kind = NetEventKind::EventsLost(std::mem::take(&mut self.events_lost));
            return Some(NetEvent { at: self.now, kind });
        }
        self.events.pop_front()
    }

    /// Bytes that are kept so that the network can be copied.
    pub fn log_size(&self) -> usize {
        self.log.size()
    }

    fn forward(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// The network at work, made from the log if need be: before the log moves on.
    fn awake(&mut self) -> &mut Switch {
        self.switch.get_or_insert_with(|| {
            let mut switch = Box::new(Switch::new(&self.base, self.base_at));
            let mut out = Output::default();
            for (at, input) in self.log.inputs() {
                switch.advance(at, &mut out);
                match input {
                    Input::Frame(port, frame) => switch.receive(port, frame, at, &mut out),
                    Input::Order(order) => switch.order(order, at, &mut out),
                }
                // The original has told and sent it.
                out.frames.clear();
                out.mobile_frames.clear();
                out.events.clear();
            }
            // What became due at the very instant of the last input may not have been done yet.
            if let Some(at) = self.polled {
                switch.advance(at, &mut out);
            }
            switch
        })
    }

    fn with_switch(&mut self, act: impl FnOnce(&mut Switch, &mut Output)) {
        let mut out = Output::default();
        let switch = self.awake();
        act(switch, &mut out);
        self.deadline = switch.deadline();
        self.frames.extend(out.frames);
        self.mobile_frames.extend(out.mobile_frames);
        self.events.extend(out.events);
        while self.frames.len() > QUEUE_LIMIT {
            self.frames.pop_front();
            self.frames_lost += 1;
        }
        while self.mobile_frames.len() > QUEUE_LIMIT {
            self.mobile_frames.pop_front();
            self.frames_lost += 1;
        }
        while self.events.len() > QUEUE_LIMIT {
            self.events.pop_front();
            self.events_lost += 1;
        }
    }

    /// Drops the log, if it is large and nothing is lost by it.
    fn renew(&mut self) {
        if self.log.size() < RENEWAL || !self.awake().is_at_rest() {
            return;
        }
        let joined = self.awake().joined();
        if !joined.is_empty() && self.log.size() < self.base.log_limit() {
            return;
        }
        self.life += 1;
        let life = self.life;
        self.base = Arc::new(self.awake().state(life));
        self.base_at = self.now;
        self.log = Log::default();
        self.log_limit = self.base.log_limit();
        self.polled = None;
        let switch = Switch::new(&self.base, self.now);
        self.deadline = switch.deadline();
        self.switch = Some(Box::new(switch));
        for mobile in joined {
            // The network refuses no order of this kind.
            let _ = self.order(Order::Mobile { mobile, link: Link::Up }, self.now);
        }
    }
}

impl Clone for Network {
    fn clone(&self) -> Self {
        Self {
            base: self.base.clone(),
            base_at: self.base_at,
            log: self.log.clone(),
            log_limit: self.log_limit,
            polled: self.polled,
            life: self.life,
            switch: None,
            deadline: self.deadline,
            now: self.now,
            frames: self.frames.clone(),
            mobile_frames: self.mobile_frames.clone(),
            frames_lost: self.frames_lost,
            events: self.events.clone(),
            events_lost: self.events_lost,
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("now", &self.now)
            .field("deadline", &self.deadline)
            .field("log_size", &self.log.size())
            .field("is_awake", &self.switch.is_some())
            .field("frames", &self.frames.len())
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}
