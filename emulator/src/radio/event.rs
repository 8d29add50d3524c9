//! What happened on the air, as values for logs and expectations.
//!
//! Source: none; this is ours.
//! Modelled: one event per thing that a person would want to know when a station does not join.
//! Not modelled: an event per frame. That is what a capture is for.

use std::collections::VecDeque;
use std::fmt;

use super::frame::{FrameError, Reason, Status};
use super::mac_address::MacAddress;
use super::wpa2::HandshakeError;
use crate::time::Instant;

/// Events that are kept until somebody takes them; of more, the oldest are lost and counted.
pub const MAX_EVENTS: usize = 1024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AirEvent {
    /// When.
    pub at: Instant,
    /// At which access point, by its BSSID.
    pub bssid: Option<MacAddress>,
    /// With which station.
    pub station: Option<MacAddress>,
    /// What.
    pub kind: AirEventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AirEventKind {
    /// A station asked who is there, and was answered.
    Probed {
        /// The network that it asked for; empty: any.
        ssid: Vec<u8>,
    },
    /// A station was authenticated, which tells nothing about keys.
    Authenticated,
    /// A station was associated.
    Associated {
        /// Its number, from 1.
        association_id: u16,
    },
    /// A station can exchange data; in a protected network its keys are in use.
    Joined,
    /// A request was answered with a status that is not success.
    Refused {
        /// What was asked for.
        what: Request,
        /// The answer.
        status: Status,
    },
    /// A request was not answered, because the access point is told to misbehave.
    Unanswered {
        /// What was asked for.
        what: Request,
    },
    /// The second message of the 4-way handshake was good.
    PassphraseProved,
    /// A message of a handshake was not accepted.
    HandshakeFailed(HandshakeError),
    /// A station is no longer associated, or no longer authenticated.
    Left(Departure),
    /// A station that is unknown or not associated sent something that needs it, and was told.
    Rejected(Reason),
    /// A frame that cannot be read.
    Malformed(FrameError),
    /// A frame that is right, and dropped.
    Dropped(DropCause),
    /// All stations have the new group key, which is in use from now on.
    GroupKeyChanged,
    /// The access point starts.
    PoweredUp,
    /// The access point is gone.
    PoweredDown,
    /// The access point works on another channel.
    Moved {
        /// The new channel.
        channel: u8,
    },
    /// Events that nobody took in time.
    EventsLost {
        /// How many.
        count: u64,
    },
}

/// What a station asks an access point for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Authentication.
    Authentication,
    /// Association.
    Association,
    /// The first message of the 4-way handshake.
    Message1,
    /// Its third message.
    Message3,
}

/// How a station left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It said so.
    ByStation(Reason),
    /// The access point sent it away.
    ByAccessPoint(Reason),
    /// It authenticates or associates anew, so it has forgotten what was.
    Returned,
    /// It was authenticated the longest time ago without an association, and room was needed.
    Displaced,
    /// The access point has lost its power.
    PowerLoss,
    /// No beacon of its access point came for long.
    NotHeard,
}

/// Why a frame that is right goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropCause {
    /// Data of a station that has no keys yet.
    BeforeKeys,
    /// Data in the clear, of a station that has keys.
    Unprotected,
    /// Protected data, of a station that has no keys.
    WithoutKey,
    /// A packet number that was used before.
    Replayed,
    /// Data for a host whose station has not joined.
    NotJoined,
    /// A fragment, which nobody here puts together.
    Fragment,
    /// A body of several frames, which nobody here takes apart.
    Aggregate,
    /// A body without LLC header, or an Ethernet frame without its own.
    NoProtocol,
    /// A frame longer than an MSDU may be.
    TooLong,
    /// The oldest of a queue that was full.
    QueueFull,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authentication => "authentication",
            Self::Association => "association",
            Self::Message1 => "message 1 of the handshake",
            Self::Message3 => "message 3 of the handshake",
        })
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByStation(reason) => write!(f, "left: {reason}"),
            Self::ByAccessPoint(reason) => write!(f, "sent away: {reason}"),
            Self::Returned => f.write_str("left: it begins anew"),
            Self::Displaced => f.write_str("forgotten: too many stations"),
            Self::PowerLoss => f.write_str("lost: the access point has no power"),
            Self::NotHeard => f.write_str("lost: no beacon of the access point"),
        }
    }
}

impl fmt::Display for DropCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeKeys => "data before the handshake is complete",
            Self::Unprotected => "data in the clear, though there are keys",
            Self::WithoutKey => "protected data, though there are no keys",
            Self::Replayed => "packet number used before",
            Self::NotJoined => "the station has not joined",
            Self::Fragment => "fragment",
            Self::Aggregate => "several frames in one",
            Self::NoProtocol => "no protocol",
            Self::TooLong => "longer than a frame may be",
            Self::QueueFull => "queue full",
        })
    }
}

impl fmt::Display for AirEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probed { ssid } if ssid.is_empty() => f.write_str("probed for any network"),
            Self::Probed { ssid } => write!(f, "probed for \"{}\"", ssid.escape_ascii()),
            Self::Authenticated => f.write_str("authenticated"),
            Self::Associated { association_id } => write!(f, "associated as {association_id}"),
            Self::Joined => f.write_str("joined"),
            Self::Refused { what, status } => write!(f, "{what} refused: {status}"),
            Self::Unanswered { what } => write!(f, "{what} withheld"),
            Self::PassphraseProved => f.write_str("knows the passphrase"),
            Self::HandshakeFailed(error) => write!(f, "handshake: {error}"),
            Self::Left(departure) => departure.fmt(f),
            Self::Rejected(reason) => write!(f, "rejected: {reason}"),
            Self::Malformed(error) => write!(f, "malformed: {error}"),
            Self::Dropped(drop) => write!(f, "dropped: {drop}"),
            Self::GroupKeyChanged => f.write_str("group key changed"),
            Self::PoweredUp => f.write_str("up"),
            Self::PoweredDown => f.write_str("down"),
            Self::Moved { channel } => write!(f, "moved to channel {channel}"),
            Self::EventsLost { count } => write!(f, "{count} events lost"),
        }
    }
}

impl fmt::Display for AirEvent {
    /// One line: time, access point, station, what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)?;
        if let Some(bssid) = self.bssid {
            write!(f, " ap {bssid}")?;
        }
        if let Some(station) = self.station {
            write!(f, " station {station}")?;
        }
        write!(f, " {}", self.kind)
    }
}

/// Events that wait to be taken.
#[derive(Debug, Clone)]
pub(super) struct EventLog {
    events: VecDeque<AirEvent>,
    lost: u64,
    last: Instant,
}

impl EventLog {
    pub(super) const fn new() -> Self {
        Self { events: VecDeque::new(), lost: 0, last: Instant::ZERO }
    }

    pub(super) fn push(&mut self, event: AirEvent) {
        self.last = event.at;
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.lost += 1;
        }
        self.events.push_back(event);
    }

    pub(super) fn take(&mut self) -> Option<AirEvent> {
        if self.lost > 0 {
            let kind = AirEventKind::EventsLost { count: std::mem::take(&mut self.lost) };
            let at = self.events.front().map_or(self.last, |event| event.at);
            return Some(AirEvent { at, bssid: None, station: None, kind });
        }
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64) -> AirEvent {
        let station = Some(MacAddress([2, 0, 0, 0, 0, 1]));
        let kind = AirEventKind::Left(Departure::ByStation(Reason(8)));
        AirEvent { at: Instant::from_ticks(at), bssid: None, station, kind }
    }

    #[test]
    fn an_event_reads_as_one_line() {
        let mut event = event(480_000_000);
        event.bssid = Some(MacAddress([2, 0x11, 0x22, 0x33, 0x44, 0x51]));
        assert_eq!(
            event.to_string(),
            "1.000000s ap 02:11:22:33:44:51 station 02:00:00:00:00:01 left: reason 8 (the sender \
             leaves the network)"
        );
    }

    #[test]
    fn of_too_many_events_the_oldest_are_lost_and_counted() {
        let mut log = EventLog::new();
        (0..MAX_EVENTS as u64 + 3).for_each(|at| log.push(event(at)));
        assert_eq!(log.take().map(|event| event.kind), Some(AirEventKind::EventsLost { count: 3 }));
        assert_eq!(log.take(), Some(event(3)));
        assert_eq!(std::iter::from_fn(|| log.take()).count(), MAX_EVENTS - 1);
    }
}
