//! 802.11 frames: what stands in front of a body, and how bodies are put together.
//!
//! Source: IEEE Std 802.11-2020, "Frame formats", "Reason Code field", "Status Code field",
//! "CCMP MPDU format"; RFC 1042 for LLC and SNAP.
//! Modelled: the header of management, control and data frames; sequence control; QoS; the CCMP
//! header; the fixed fields of the management frames that stations and access points exchange.
//! Not modelled: four addresses with meaning, HT control's content, WEP and TKIP headers.
//!
//! A frame here has no frame check sequence. A protected one has its CCMP header and the body in the
//! clear without a MIC: that is how it lies in the chip's memory, whose hardware encrypts on the
//! way out and decrypts on the way in. Every parser is total: any bytes give a frame or an error.

use std::fmt;

use super::elements::Elements;
use super::mac_address::MacAddress;

/// Octets of a header with three addresses.
pub const HEADER_LEN: usize = 24;
/// Octets between the header and the body of a protected frame.
pub const CCMP_HEADER_LEN: usize = 8;
/// Longest body that a frame may have, in octets: an MSDU.
pub const MAX_BODY_LEN: usize = 2304;
/// LLC and SNAP in front of an EtherType.
pub const SNAP: [u8; 6] = [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00];
/// The same for protocols that must not be translated (IEEE Std 802.1H).
pub const BRIDGE_TUNNEL: [u8; 6] = [0xaa, 0xaa, 0x03, 0x00, 0x00, 0xf8];
/// EtherType of EAPOL.
pub const ETHERTYPE_EAPOL: u16 = 0x888e;

/// Bits of the second octet of frame control.
mod flag {
    pub(super) const TO_DS: u8 = 1 << 0;
    pub(super) const FROM_DS: u8 = 1 << 1;
    pub(super) const MORE_FRAGMENTS: u8 = 1 << 2;
    pub(super) const RETRY: u8 = 1 << 3;
    pub(super) const POWER_MANAGEMENT: u8 = 1 << 4;
    pub(super) const MORE_DATA: u8 = 1 << 5;
    pub(super) const PROTECTED: u8 = 1 << 6;
    pub(super) const ORDER: u8 = 1 << 7;
}

/// Capability information of the networks here: ESS, short preamble, short slot time.
pub(super) const CAPABILITY: u16 = 0x0421;
/// The bit of it that says that a network is protected.
pub(super) const CAPABILITY_PRIVACY: u16 = 0x0010;

/// Why bytes are no frame that one could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame ends inside a field.
    #[error("the frame ends inside its {field}")]
    Truncated {
        /// The field.
        field: &'static str,
    },
    /// Protocol version or type that no station sends.
    #[error("frame control {0:#04x} is of no known version and type")]
    Kind(u8),
    /// The transmitter's address names a group.
    #[error("the transmitter {0} is a group")]
    GroupTransmitter(MacAddress),
    /// An element says that it is longer than what is left of the frame.
    #[error("element {id} says {len} octets, and {left} are left")]
    Element {
        /// Its identifier.
        id: u8,
        /// Octets that it claims.
        len: u8,
        /// Octets that there are.
        left: usize,
    },
    /// A protected frame whose header is none of CCMP's.
    #[error("the CCMP header lacks its extended IV")]
    NoExtendedIv,
}

/// What a management frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Management {
    AssociationRequest,
    AssociationResponse,
    ReassociationRequest,
    ReassociationResponse,
    ProbeRequest,
    ProbeResponse,
    Beacon,
    Disassociation,
    Authentication,
    Deauthentication,
    Action,
    /// Another subtype, 0 to 15.
    Other(u8),
}

impl Management {
    const fn from_subtype(subtype: u8) -> Self {
        match subtype {
            0 => Self::AssociationRequest,
            1 => Self::AssociationResponse,
            2 => Self::ReassociationRequest,
            3 => Self::ReassociationResponse,
            4 => Self::ProbeRequest,
            5 => Self::ProbeResponse,
            8 => Self::Beacon,
            10 => Self::Disassociation,
            11 => Self::Authentication,
            12 => Self::Deauthentication,
            13 => Self::Action,
            other => Self::Other(other),
        }
    }

    const fn subtype(self) -> u8 {
        match self {
            Self::AssociationRequest => 0,
            Self::AssociationResponse => 1,
            Self::ReassociationRequest => 2,
            Self::ReassociationResponse => 3,
            Self::ProbeRequest => 4,
            Self::ProbeResponse => 5,
            Self::Beacon => 8,
            Self::Disassociation => 10,
            Self::Authentication => 11,
            Self::Deauthentication => 12,
            Self::Action => 13,
            Self::Other(other) => other & 15,
        }
    }
}

/// Type and subtype of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Management.
    Management(Management),
    /// PS-Poll: a station that dozes asks for a frame that is kept for it.
    PsPoll,
    /// Another control frame, by its subtype.
    Control(u8),
    /// Data, with or without a body.
    Data {
        /// There is a body; without, the frame only says that the station is there or dozes.
        carries: Body,
        /// The traffic identifier of a QoS frame.
        tid: Option<u8>,
    },
}

/// Whether a data frame carries data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// It does.
    Some,
    /// A null frame.
    None,
}

/// The header in front of a protected body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CcmpHeader {
    /// Counts the frames that were sent with one key; 48 bits.
    pub packet_number: u64,
    /// Which of a network's four keys.
    pub key_id: u8,
}

impl CcmpHeader {
    const EXTENDED_IV: u8 = 1 << 5;

    /// Reads a header, `None` if the bit is missing that CCMP always sets.
    pub const fn from_bytes(bytes: [u8; CCMP_HEADER_LEN]) -> Option<Self> {
        let [pn0, pn1, _, key, pn2, pn3, pn4, pn5] = bytes;
        if key & Self::EXTENDED_IV == 0 {
            return None;
        }
        let packet_number = u64::from_le_bytes([pn0, pn1, pn2, pn3, pn4, pn5, 0, 0]);
        Some(Self { packet_number, key_id: key >> 6 })
    }

    /// The header's octets.
    pub const fn to_bytes(self) -> [u8; CCMP_HEADER_LEN] {
        let [pn0, pn1, pn2, pn3, pn4, pn5, _, _] = self.packet_number.to_le_bytes();
        [pn0, pn1, 0, self.key_id << 6 | Self::EXTENDED_IV, pn2, pn3, pn4, pn5]
    }
}

/// A frame's header, read, and its body, not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Type and subtype.
    pub kind: Kind,
    flags: u8,
    /// Who shall receive it.
    pub receiver: MacAddress,
    /// Who sent it over the air.
    pub transmitter: MacAddress,
    /// The third address: BSSID in management, destination or source in data.
    pub third: MacAddress,
    /// Fragment number in bits 3:0, sequence number above.
    pub sequence_control: u16,
    /// The QoS control field says that the body is a chain of frames.
    pub is_aggregate: bool,
    /// The CCMP header, if the frame is protected.
    pub protection: Option<CcmpHeader>,
    /// What follows.
    pub body: &'a [u8],
}

/// Reads fields one after the other.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], FrameError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(FrameError::Truncated { field })?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, FrameError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, FrameError> {
        self.array(field).map(u64::from_le_bytes)
    }

    fn address(&mut self, field: &'static str) -> Result<MacAddress, FrameError> {
        self.array(field).map(MacAddress)
    }
}

impl<'a> Frame<'a> {
    /// The address that decides who acknowledges, which is readable in frames that are otherwise
    /// broken.
    pub fn receiver_of(bytes: &[u8]) -> Option<MacAddress> {
        bytes.get(4..10)?.try_into().ok().map(MacAddress)
    }

    /// Who has sent a frame that is otherwise broken.
    pub fn transmitter_of(bytes: &[u8]) -> Option<MacAddress> {
        bytes.get(10..16)?.try_into().ok().map(MacAddress)
    }

    /// Reads a frame without frame check sequence.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader(bytes);
        let [first, flags] = reader.array("frame control")?;
        reader.u16("duration")?;
        let receiver = reader.address("receiver address")?;
        let subtype = first >> 4;
        let mut frame = Self {
            kind: Kind::Control(subtype),
            flags,
            receiver,
            transmitter: MacAddress::default(),
            third: MacAddress::default(),
            sequence_control: 0,
            is_aggregate: false,
            protection: None,
            body: &[],
        };
        match first & 0x0f {
            0x0 => frame.kind = Kind::Management(Management::from_subtype(subtype)),
            0x4 => {
                if subtype == 10 {
                    frame.kind = Kind::PsPoll;
                    frame.transmitter = reader.address("transmitter address")?;
                }
                frame.body = reader.0;
                return Ok(frame);
            }
            0x8 => {}
            _ => return Err(FrameError::Kind(first)),
        }
        frame.transmitter = reader.address("transmitter address")?;
        if frame.transmitter.is_multicast() {
            return Err(FrameError::GroupTransmitter(frame.transmitter));
        }
        frame.third = reader.address("third address")?;
        frame.sequence_control = reader.u16("sequence control")?;
        if first & 0x0f == 0x8 {
            if flags & (flag::TO_DS | flag::FROM_DS) == flag::TO_DS | flag::FROM_DS {
                reader.address("fourth address")?;
            }
            let mut tid = None;
            if subtype & 8 != 0 {
                let qos = reader.u16("QoS control")?;
                tid = Some((qos & 15) as u8);
                frame.is_aggregate = qos & 0x80 != 0;
            }
            let carries = if subtype & 4 == 0 { Body::Some } else { Body::None };
            frame.kind = Kind::Data { carries, tid };
        }
        // In other frames the bit has nothing to do with a field.
        if flags & flag::ORDER != 0
            && matches!(frame.kind, Kind::Data { tid: Some(_), .. } | Kind::Management(_))
        {
            reader.array::<4>("HT control")?;
        }
        if flags & flag::PROTECTED != 0
            && !matches!(frame.kind, Kind::Data { carries: Body::None, .. })
        {
            let header = CcmpHeader::from_bytes(reader.array("CCMP header")?);
            frame.protection = Some(header.ok_or(FrameError::NoExtendedIv)?);
        }
        frame.body = reader.0;
        Ok(frame)
    }

    /// On its way from a station to the network behind its access point.
    pub const fn is_to_distribution(&self) -> bool {
        self.flags & (flag::TO_DS | flag::FROM_DS) == flag::TO_DS
    }

    /// On its way from an access point to a station.
    pub const fn is_from_distribution(&self) -> bool {
        self.flags & (flag::TO_DS | flag::FROM_DS) == flag::FROM_DS
    }

    /// Sent once more, because no acknowledgement was heard.
    pub const fn is_retry(&self) -> bool {
        self.flags & flag::RETRY != 0
    }

    /// A piece of a longer frame.
    pub const fn is_fragment(&self) -> bool {
        self.flags & flag::MORE_FRAGMENTS != 0 || self.sequence_control & 15 != 0
    }

    /// Whether the station dozes after this frame.
    pub const fn dozes(&self) -> bool {
        self.flags & flag::POWER_MANAGEMENT != 0
    }

    /// Whether more frames are kept for the station that dozes.
    pub const fn has_more_data(&self) -> bool {
        self.flags & flag::MORE_DATA != 0
    }

    /// Whether the body is protected.
    pub const fn is_protected(&self) -> bool {
        self.flags & flag::PROTECTED != 0
    }
}

/// Starts a management frame; the body is appended.
pub fn management(
    kind: Management,
    to: MacAddress,
    from: MacAddress,
    bssid: MacAddress,
) -> Vec<u8> {
    header(kind.subtype() << 4, 0, to, from, bssid, 96)
}

/// Which way a data frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a station through its access point.
    ToDistribution,
    /// From an access point to its stations.
    FromDistribution,
}

/// Starts a data frame that is not protected; `third` is its destination or its source.
pub fn data(direction: Direction, to: MacAddress, from: MacAddress, third: MacAddress) -> Vec<u8> {
    let flags = match direction {
        Direction::ToDistribution => flag::TO_DS,
        Direction::FromDistribution => flag::FROM_DS,
    };
    header(0x08, flags, to, from, third, 1600)
}

/// Starts a data frame that is protected: room for the CCMP header, which [`set_ccmp_header`] fills.
pub fn protected_data(
    direction: Direction,
    to: MacAddress,
    from: MacAddress,
    third: MacAddress,
) -> Vec<u8> {
    let mut frame = data(direction, to, from, third);
    frame[1] |= flag::PROTECTED;
    frame.extend([0; CCMP_HEADER_LEN]);
    frame
}

/// A null frame of a station: whether it will doze.
pub fn null_data(to: MacAddress, from: MacAddress, dozes: bool) -> Vec<u8> {
    let flags = flag::TO_DS | if dozes { flag::POWER_MANAGEMENT } else { 0 };
    header(0x48, flags, to, from, to, 0)
}

fn header(
    control: u8,
    flags: u8,
    to: MacAddress,
    from: MacAddress,
    third: MacAddress,
    room: usize,
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_LEN + room);
    frame.extend([control, flags, 0, 0]);
    frame.extend(to.0);
    frame.extend(from.0);
    frame.extend(third.0);
    frame.extend([0, 0]);
    frame
}

/// Numbers a frame made by this module. The number is known only when the frame is sent.
pub fn set_sequence_number(frame: &mut [u8], number: u16) {
    if let Some(field) = frame.get_mut(22..24) {
        field.copy_from_slice(&(number << 4).to_le_bytes());
    }
}

/// Fills the CCMP header of a frame made by [`protected_data`].
pub fn set_ccmp_header(frame: &mut [u8], ccmp: CcmpHeader) {
    if let Some(field) = frame.get_mut(HEADER_LEN..HEADER_LEN + CCMP_HEADER_LEN) {
        field.copy_from_slice(&ccmp.to_bytes());
    }
}

/// Fills the timestamp of a beacon or a probe response, in microseconds.
pub fn set_timestamp(frame: &mut [u8], micros: u64) {
    if let Some(field) = frame.get_mut(HEADER_LEN..HEADER_LEN + 8) {
        field.copy_from_slice(&micros.to_le_bytes());
    }
}

/// Says that more frames are kept for the receiver, which dozes.
pub fn set_more_data(frame: &mut [u8]) {
    if let Some(flags) = frame.get_mut(1) {
        *flags |= flag::MORE_DATA;
    }
}

/// Whether a frame's body is protected, by its frame control.
pub fn is_protected(frame: &[u8]) -> bool {
    frame.get(1).is_some_and(|flags| flags & flag::PROTECTED != 0)
}

/// Marks a frame as sent once more.
pub fn set_retry(frame: &mut [u8]) {
    if let Some(flags) = frame.get_mut(1) {
        *flags |= flag::RETRY;
    }
}

/// Body of a beacon and of a probe response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeaconBody<'a> {
    /// The access point's clock, in microseconds.
    pub timestamp: u64,
    /// Time units of 1024 µs between two beacons.
    pub interval: u16,
    /// Capability information.
    pub capability: u16,
    /// The rest.
    pub elements: Elements<'a>,
}

impl<'a> BeaconBody<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader(body);
        Ok(Self {
            timestamp: reader.u64("timestamp")?,
            interval: reader.u16("beacon interval")?,
            capability: reader.u16("capability")?,
            elements: Elements::parse(reader.0)?,
        })
    }
}

/// Body of an authentication frame, without elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authentication {
    /// 0 open, 1 shared key, 3 SAE.
    pub algorithm: u16,
    /// Which message of the exchange, from 1.
    pub sequence: u16,
    /// How it went; 0 in the first message.
    pub status: Status,
}

impl Authentication {
    /// Open System authentication, which identifies nobody.
    pub const OPEN: u16 = 0;

    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, FrameError> {
        let mut reader = Reader(body);
        Ok(Self {
            algorithm: reader.u16("authentication algorithm")?,
            sequence: reader.u16("authentication sequence number")?,
            status: Status(reader.u16("status code")?),
        })
    }

    /// Appends the body to a frame.
    pub fn append_to(self, frame: &mut Vec<u8>) {
        for field in [self.algorithm, self.sequence, self.status.0] {
            frame.extend(field.to_le_bytes());
        }
    }
}

/// Body of an association request or a reassociation request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssociationRequest<'a> {
    /// Capability information.
    pub capability: u16,
    /// Beacon intervals that the station may sleep through.
    pub listen_interval: u16,
    /// Where a station comes from that associates again.
    pub current_access_point: Option<MacAddress>,
    /// The rest.
    pub elements: Elements<'a>,
}

impl<'a> AssociationRequest<'a> {
    /// Reads the body of an association request.
    pub fn parse(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader(body);
        let (capability, listen_interval) =
            (reader.u16("capability")?, reader.u16("listen interval")?);
        let elements = Elements::parse(reader.0)?;
        Ok(Self { capability, listen_interval, current_access_point: None, elements })
    }

    /// Reads the body of a reassociation request.
    pub fn parse_again(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader(body);
        let (capability, listen_interval) =
            (reader.u16("capability")?, reader.u16("listen interval")?);
        let current_access_point = Some(reader.address("current AP address")?);
        let elements = Elements::parse(reader.0)?;
        Ok(Self { capability, listen_interval, current_access_point, elements })
    }
}

/// Body of an association response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssociationResponse<'a> {
    /// Capability information.
    pub capability: u16,
    /// How it went.
    pub status: Status,
    /// The station's number, 1 to 2007, without the two bits that are always set.
    pub association_id: u16,
    /// The rest.
    pub elements: Elements<'a>,
}

impl<'a> AssociationResponse<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader(body);
        Ok(Self {
            capability: reader.u16("capability")?,
            status: Status(reader.u16("status code")?),
            association_id: reader.u16("association identifier")? & 0x3fff,
            elements: Elements::parse(reader.0)?,
        })
    }
}

/// Why a station or an access point ends something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(pub u16);

impl Reason {
    /// No particular reason.
    pub const UNSPECIFIED: Self = Self(1);
    /// The authentication counts no more.
    pub const AUTHENTICATION_EXPIRED: Self = Self(2);
    /// The sender leaves.
    pub const LEAVING: Self = Self(3);
    /// Nothing was heard of the station for long.
    pub const INACTIVE: Self = Self(4);
    /// A frame that needs authentication came without.
    pub const NOT_AUTHENTICATED: Self = Self(6);
    /// A frame that needs an association came without.
    pub const NOT_ASSOCIATED: Self = Self(7);
    /// The 4-way handshake took too long.
    pub const HANDSHAKE_TIMEOUT: Self = Self(15);
    /// The group key handshake took too long.
    pub const GROUP_KEY_TIMEOUT: Self = Self(16);
    /// The handshake's RSN element is another one than that of the association.
    pub const ELEMENT_DIFFERS: Self = Self(17);

    /// Reads the body of a deauthentication or disassociation.
    pub fn parse(body: &[u8]) -> Result<Self, FrameError> {
        Reader(body).u16("reason code").map(Self)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            1 => "unspecified",
            2 => "authentication no longer valid",
            3 => "the sender leaves",
            4 => "inactive",
            5 => "too many stations",
            6 => "not authenticated",
            7 => "not associated",
            8 => "the sender leaves the network",
            9 => "not authenticated at association",
            14 => "MIC failure",
            15 => "4-way handshake timeout",
            16 => "group key handshake timeout",
            17 => "RSN element differs in the handshake",
            23 => "802.1X authentication failed",
            _ => return write!(f, "reason {}", self.0),
        };
        write!(f, "reason {} ({text})", self.0)
    }
}

/// How an access point answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u16);

impl Status {
    /// As asked.
    pub const SUCCESS: Self = Self(0);
    /// No, without a reason.
    pub const UNSPECIFIED: Self = Self(1);
    /// The authentication algorithm is not offered.
    pub const ALGORITHM: Self = Self(13);
    /// The message is not the one that was due.
    pub const OUT_OF_SEQUENCE: Self = Self(14);
    /// No room for another station.
    pub const TOO_MANY_STATIONS: Self = Self(17);
    /// An element is missing or wrong.
    pub const INVALID_ELEMENT: Self = Self(40);
    /// The group cipher is not the network's.
    pub const GROUP_CIPHER: Self = Self(41);
    /// The pairwise cipher is not offered.
    pub const PAIRWISE_CIPHER: Self = Self(42);
    /// The key management is not offered.
    pub const KEY_MANAGEMENT: Self = Self(43);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            0 => "success",
            1 => "unspecified failure",
            13 => "authentication algorithm not supported",
            14 => "message out of sequence",
            17 => "too many stations",
            40 => "invalid element",
            41 => "group cipher not valid",
            42 => "pairwise cipher not valid",
            43 => "key management not valid",
            _ => return write!(f, "status {}", self.0),
        };
        write!(f, "status {} ({text})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const THERE: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
    const ELSEWHERE: MacAddress = MacAddress([2, 0, 0, 0, 0, 3]);

    #[test]
    fn a_management_frame_has_its_parts_where_the_standard_puts_them() {
        let mut frame = management(Management::Deauthentication, HERE, THERE, ELSEWHERE);
        set_sequence_number(&mut frame, 0x123);
        frame.extend([7, 0]);
        let expected =
            [0xc0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3, 0x30, 0x12, 7, 0];
        assert_eq!(frame, expected);
        let parsed = Frame::parse(&frame).expect("it is whole");
        assert_eq!(parsed.kind, Kind::Management(Management::Deauthentication));
        assert_eq!((parsed.receiver, parsed.transmitter, parsed.third), (HERE, THERE, ELSEWHERE));
        assert_eq!((parsed.sequence_control, parsed.body), (0x1230, &[7, 0][..]));
    }

    #[test]
    fn every_subtype_of_management_reads_as_it_is_written() {
        for subtype in 0..16 {
            let frame = management(Management::from_subtype(subtype), HERE, THERE, HERE);
            assert_eq!(frame[0], subtype << 4);
        }
    }

    #[test]
    fn the_body_of_data_begins_behind_all_headers_that_the_frame_control_names() {
        let start = data(Direction::ToDistribution, HERE, THERE, ELSEWHERE);
        let body_of = |control: u8, flags: u8, between: &[u8]| {
            let mut frame = start.clone();
            (frame[0], frame[1]) = (control, flags);
            frame.extend(between);
            frame.extend(b"body");
            Frame::parse(&frame).map(|frame| (frame.kind, frame.body.to_vec()))
        };
        let plain = |tid| Kind::Data { carries: Body::Some, tid };
        let body = b"body".to_vec();
        assert_eq!(body_of(0x08, 0x01, &[]), Ok((plain(None), body.clone())));
        assert_eq!(body_of(0x08, 0x03, &[9; 6]), Ok((plain(None), body.clone())));
        assert_eq!(body_of(0x88, 0x01, &[0x05, 0]), Ok((plain(Some(5)), body.clone())));
        let ht_control = [0x05, 0, 1, 2, 3, 4];
        assert_eq!(body_of(0x88, 0x81, &ht_control), Ok((plain(Some(5)), body.clone())));
        let ccmp = [1, 0, 0, 0x60, 0, 0, 0, 0];
        assert_eq!(body_of(0x08, 0x41, &ccmp), Ok((plain(None), body.clone())));
        assert_eq!(body_of(0x08, 0x41, &[0; 8]), Err(FrameError::NoExtendedIv));
        let null = Kind::Data { carries: Body::None, tid: None };
        assert_eq!(body_of(0x48, 0x11, &[]), Ok((null, body)));
    }

    #[test]
    fn a_packet_number_has_forty_eight_bits_around_its_key() {
        let header = CcmpHeader { packet_number: 0x0605_0403_0201, key_id: 2 };
        assert_eq!(header.to_bytes(), [1, 2, 0, 0xa0, 3, 4, 5, 6]);
        assert_eq!(CcmpHeader::from_bytes(header.to_bytes()), Some(header));
    }

    #[test]
    fn other_versions_and_types_are_no_frames() {
        for control in [0x01, 0x0c, 0x83] {
            let mut frame = management(Management::Beacon, HERE, THERE, HERE);
            frame[0] = control;
            assert_eq!(Frame::parse(&frame), Err(FrameError::Kind(control)));
        }
    }

    #[test]
    fn a_group_sends_nothing() {
        let group = MacAddress([3, 0, 0, 0, 0, 2]);
        let frame = management(Management::Authentication, HERE, group, HERE);
        assert_eq!(Frame::parse(&frame), Err(FrameError::GroupTransmitter(group)));
    }

    #[test]
    fn control_frames_may_be_as_short_as_an_acknowledgement() {
        let frame = Frame::parse(&[0xd4, 0, 0, 0, 2, 0, 0, 0, 0, 1]).expect("it is whole");
        assert_eq!((frame.kind, frame.receiver), (Kind::Control(13), HERE));
        assert!(Frame::parse(&[0xd4, 0, 0, 0, 2, 0, 0, 0, 0]).is_err());
    }
}
