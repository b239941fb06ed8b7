//! A packet as the flow table takes it: one TCP, UDP or ESP payload with its addresses, after every tunnel was peeled.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, by the clock of the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// Nanoseconds since `earlier`; 0 where the clock went back.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// An address and a port. IPv4 addresses are kept as IPv6 ones (`::ffff:a.b.c.d`), so that every key has one size.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endpoint {
    /// The address.
    pub address: [u8; 16],
    /// The port; 0 for protocols without ports.
    pub port: u16,
}

// As numbers: comparing arrays of bytes calls out for each.
impl PartialEq for Endpoint {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.port == other.port && u128::from_ne_bytes(self.address) == u128::from_ne_bytes(other.address)
    }
}

impl Eq for Endpoint {}

/// By address, then by port.
impl Ord for Endpoint {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |end: &Self| (u128::from_be_bytes(end.address), end.port);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Endpoint {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Endpoint {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.address));
        state.write_u16(self.port);
    }
}

impl Endpoint {
    /// From an address and a port.
    #[must_use]
    pub fn new(address: IpAddr, port: u16) -> Self {
        let six = match address {
            IpAddr::V4(four) => four.to_ipv6_mapped(),
            IpAddr::V6(six) => six,
        };
        Self { address: six.octets(), port }
    }

    /// The address.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.address).to_canonical()
    }
}

/// `10.0.0.1:80`, `[fd00::1]:80`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::net::SocketAddr::new(self.ip(), self.port).fmt(f)
    }
}

/// What kind of interface a packet was seen on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// A real interface, or none that could be told apart from one.
    #[default]
    Wire,
    /// The loopback interface of a host or pod.
    Lo,
}

/// The encapsulations of a packet, outermost first, as a number that [`Tunnels`] knows; 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(pub u32);

/// Every path of encapsulations that was seen, such as `["vxlan:4097", "vlan:120"]`.
#[derive(Debug)]
pub struct Tunnels {
    paths: Vec<Vec<String>>,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self { paths: vec![Vec::new()] }
    }
}

impl Tunnels {
    /// The encapsulations, outermost first.
    #[must_use]
    pub fn path(&self, id: TunnelId) -> &[String] {
        self.paths.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// The number of a path that was not seen before; the caller knows that.
    pub fn push(&mut self, path: Vec<String>) -> TunnelId {
        self.paths.push(path);
        TunnelId(u32::try_from(self.paths.len() - 1).unwrap_or(0))
    }
}

/// TCP flags that matter here, as they stand in the header's byte 13.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 0x10;
}

/// What a flow's packets travel in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// IPsec ESP (IP protocol 50). AH (51) encrypts nothing: what it carries is read.
    Esp,
}

impl Transport {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Esp => "esp",
        }
    }
}

/// The TCP header's numbers (RFC 9293). All zero for other transports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Flags: [`flag`].
    pub flags: u8,
}

/// One packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Number of the frame, from 1, over all files of the run.
    pub frame: u64,
    /// When it was captured.
    pub time: Time,
    /// A number for the interface that it was seen on (per file and interface, SLL2: per interface index).
    pub interface: u32,
    /// What kind of interface that is.
    pub medium: Medium,
    /// The encapsulations around it.
    pub tunnel: TunnelId,
    /// Transport.
    pub transport: Transport,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// Identification of the IP header; 0 for IPv6.
    pub ip_id: u16,
    /// TCP numbers.
    pub tcp: Tcp,
    /// The transport's payload, as far as it was captured.
    pub payload: &'a [u8],
    /// Bytes of payload on the wire; more than `payload` holds where the capture cut the packet.
    pub wire_len: u32,
}

/// Why a frame gave no packet. Each is counted in the report's coverage under its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// A link type that is not read, by its number.
    LinkType(u32),
    /// A link, network or tunnel header that the captured bytes end in.
    CutHeader,
    /// A header whose fields cannot be.
    BadHeader,
    /// ARP, spanning tree and other frames that are known to carry no calls.
    NotIp,
    /// An Ethernet type that is not read, by its number: whole flows may be in it (MACsec, TRILL).
    EtherType(u16),
    /// ICMP.
    Icmp,
    /// Another IP protocol than TCP, UDP or ESP, by its number.
    Protocol(u8),
    /// More than eight encapsulations.
    TooDeep,
    /// A fragment that waits for its fellows. No loss yet: `Dissector::finish` says how many waited in vain.
    Fragment,
    /// A fragment that was dropped because too many waited, or because its fellows never came.
    FragmentIncomplete,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkType(number) => write!(f, "link type {number} is not read"),
            Self::CutHeader => f.write_str("header cut off"),
            Self::BadHeader => f.write_str("malformed header"),
            Self::NotIp => f.write_str("no IP"),
            Self::EtherType(number) => write!(f, "EtherType {number:#06x}"),
            Self::Icmp => f.write_str("ICMP"),
            Self::Protocol(number) => write!(f, "IP protocol {number}"),
            Self::TooDeep => f.write_str("more than 8 encapsulations"),
            Self::Fragment => f.write_str("part of a fragmented packet"),
            Self::FragmentIncomplete => f.write_str("fragments missing"),
        }
    }
}
