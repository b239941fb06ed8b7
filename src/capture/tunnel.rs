//! Encapsulations: one table of what is peeled, and the names of the paths that were seen.
//!
//! Own code: etherparse 0.21 knows VLAN tags and MACsec of these and nothing else.

use super::layer::{Chunk, Next};
use super::link::{ethernet_payload, ppp, type_or_length};
use super::packet::{Skip, TunnelId, Tunnels};
use std::collections::HashMap;

/// Encapsulations that are peeled of one packet.
pub const DEPTH: usize = 8;

/// Different paths of encapsulations that are told apart. A capture with more of them is hostile (every VXLAN number
/// there is would be 16 million): what follows shares the one path `other`.
pub const PATHS: usize = 1 << 16;

/// Where an encapsulation is found.
#[derive(Clone, Copy, Debug)]
pub enum Carrier {
    /// Behind these Ethernet types.
    Types(&'static [u16]),
    /// Behind this IP protocol.
    Protocol(u8),
    /// Behind this IP protocol of an IPv4 packet.
    In4(u8),
    /// Behind this IP protocol of an IPv6 packet.
    In6(u8),
    /// In UDP to or from these ports; `true`: on any port whose datagrams have the shape.
    Udp(&'static [u16], bool),
}

/// An encapsulation without its header.
#[derive(Clone, Copy, Debug)]
pub struct Peeled<'a> {
    /// Its name, where it has one that the row does not say (GRE carries ERSPAN).
    pub name: Option<&'static str>,
    /// Its number, where it has one that both directions share.
    pub id: Option<u32>,
    /// What it carried.
    pub next: Next<'a>,
}

/// A row of [`TUNNELS`].
#[derive(Debug)]
pub struct Tunnel {
    /// The word in `tunnel[]`; empty: a tag that says nothing.
    pub name: &'static str,
    /// Where it is found.
    pub carrier: Carrier,
    /// Reads its header. The flag: the UDP port is one of the carrier's. In UDP an error means an ordinary datagram.
    pub peel: for<'a> fn(Chunk<'a>, bool) -> Result<Peeled<'a>, Skip>,
}

/// Every encapsulation that is peeled.
///
/// MPLS labels, GTP tunnel ids and PPTP calls are no part of the name: the receiver assigns them, so that the two
/// directions of one flow have different ones (RFC 3031 3.4, 3GPP TS 29.281 5.1, RFC 2637), and a flow must not be torn in two.
pub const TUNNELS: &[Tunnel] = &[
    Tunnel { name: "vlan", carrier: Carrier::Types(&[0x8100, 0x88a8, 0x9100, 0x9200]), peel: vlan },
    Tunnel { name: "mpls", carrier: Carrier::Types(&[0x8847, 0x8848]), peel: mpls },
    Tunnel { name: "pppoe", carrier: Carrier::Types(&[0x8864]), peel: pppoe },
    Tunnel { name: "pbb", carrier: Carrier::Types(&[0x88e7]), peel: pbb },
    Tunnel { name: "nsh", carrier: Carrier::Types(&[0x894f]), peel: nsh },
    Tunnel { name: "", carrier: Carrier::Types(&[0x8926]), peel: vn_tag },
    Tunnel { name: "", carrier: Carrier::Types(&[0x8909]), peel: metadata },
    Tunnel { name: "gre", carrier: Carrier::Protocol(47), peel: gre },
    Tunnel { name: "ipip", carrier: Carrier::In4(4), peel: ip },
    Tunnel { name: "6in4", carrier: Carrier::In4(41), peel: ip },
    Tunnel { name: "4in6", carrier: Carrier::In6(4), peel: ip },
    Tunnel { name: "6in6", carrier: Carrier::In6(41), peel: ip },
    Tunnel { name: "mpls", carrier: Carrier::Protocol(137), peel: mpls },
    Tunnel { name: "etherip", carrier: Carrier::Protocol(97), peel: etherip },
    Tunnel { name: "ethernet", carrier: Carrier::Protocol(143), peel: ethernet },
    Tunnel { name: "geneve", carrier: Carrier::Udp(&[6081], false), peel: geneve },
    Tunnel { name: "gtp", carrier: Carrier::Udp(&[2152], false), peel: gtp },
    Tunnel { name: "vxlan", carrier: Carrier::Udp(&[4789, 8472, 4790], true), peel: vxlan },
];

/// The row for an Ethernet type.
#[must_use]
pub fn by_type(number: u16) -> Option<&'static Tunnel> {
    TUNNELS.iter().find(|row| matches!(row.carrier, Carrier::Types(numbers) if numbers.contains(&number)))
}

/// The row for an IP protocol, of an IPv6 packet or not.
#[must_use]
pub fn by_protocol(number: u8, six: bool) -> Option<&'static Tunnel> {
    TUNNELS.iter().find(|row| match row.carrier {
        Carrier::Protocol(own) => own == number,
        Carrier::In4(own) => own == number && !six,
        Carrier::In6(own) => own == number && six,
        Carrier::Types(_) | Carrier::Udp(..) => false,
    })
}

/// What a UDP payload encapsulates; `None`: it is an ordinary datagram.
///
/// # Errors
/// The port is a tunnel's, and the capture cut its header.
pub fn in_udp(payload: Chunk<'_>, ports: [u16; 2]) -> Result<Option<(&'static Tunnel, Peeled<'_>)>, Skip> {
    for row in TUNNELS {
        let Carrier::Udp(own, anywhere) = row.carrier else { continue };
        let known = ports.iter().any(|port| own.contains(port));
        if !known && !anywhere {
            continue;
        }
        match (row.peel)(payload, known) {
            Ok(peeled) => return Ok(Some((row, peeled))),
            Err(Skip::CutHeader) if known && payload.is_cut() => return Err(Skip::CutHeader),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// IEEE 802.1Q: priority and VLAN number, then the next type. Number 0 is a priority without a VLAN.
fn vlan(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    let id = u32::from(rest.be16(0)? & 0x0fff);
    let number = rest.be16(2)?;
    let next = type_or_length(number, rest.after(4)?)?;
    Ok(Peeled { name: (id == 0).then_some(""), id: (id != 0).then_some(id), next })
}

/// RFC 3032: a stack of labels, the last marked. What follows is not said: IP by its version, else an Ethernet
/// pseudowire (RFC 4448) with or without the control word, which begins with four zero bits.
fn mpls(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    let mut inner = rest;
    loop {
        let entry = inner.be32(0)?;
        inner = inner.after(4)?;
        if entry & 0x100 != 0 {
            break;
        }
    }
    let next = match inner.byte(0)? >> 4 {
        4 | 6 if ip_fits(inner, true) => Next::Ip(inner),
        // An address may begin with four zero bits as well: what carries IP decides.
        0 if inner.after(4).is_ok_and(|frame| ethernet_fits(frame, false, true)) => Next::Ethernet(inner.after(4)?),
        _ if ethernet_fits(inner, false, true) => Next::Ethernet(inner),
        // Maintenance of the path (RFC 5586), and what bridges say to each other across it.
        1 => return Err(Skip::NotIp),
        _ if is_bridges(inner) || inner.after(4).is_ok_and(is_bridges) => return Err(Skip::NotIp),
        _ => return Err(Skip::EtherType(0x8847)),
    };
    Ok(Peeled { name: None, id: None, next })
}

/// Addressed to the group that no bridge forwards from (IEEE 802.1Q 8.6.3), or to Cisco's likewise.
fn is_bridges(frame: Chunk<'_>) -> bool {
    frame.bytes.starts_with(&[0x01, 0x80, 0xc2, 0x00, 0x00]) || frame.bytes.starts_with(&[0x01, 0x00, 0x0c, 0xcc, 0xcc])
}

/// IEEE 802.1ah: priority and flags, a service number of 24 bits, the customer's frame.
fn pbb(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    let service = rest.be32(0)? & 0x00ff_ffff;
    Ok(Peeled { name: None, id: Some(service), next: Next::Ethernet(rest.after(4)?) })
}

/// RFC 8300: version 0, length of the header in words, what follows. A path is of one direction, so its number says
/// nothing of the flow.
fn nsh(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    let [first, second, _, following] = *rest.head::<4>()?;
    let words = usize::from(second & 0x3f);
    if first >> 6 != 0 || words < 2 {
        return Err(Skip::BadHeader);
    }
    let inner = rest.after(words * 4)?;
    let next = match following {
        1 | 2 => Next::Ip(inner),
        3 => Next::Ethernet(inner),
        4 => Next::Type(0x894f, inner),
        5 => Next::Type(0x8847, inner),
        _ => return Err(Skip::EtherType(0x894f)),
    };
    Ok(Peeled { name: None, id: None, next })
}

/// IEEE 802.1BR's forerunner of Cisco and VMware: four bytes of virtual interfaces, then the next type.
fn vn_tag(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    Ok(Peeled { name: None, id: None, next: type_or_length(rest.be16(4)?, rest.after(6)?)? })
}

/// Cisco MetaData: version 1, length of the options in words, the options (a security group), then the next type. Of the
/// one length that is in use.
fn metadata(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    match *rest.head::<2>()? {
        [1, 1] => Ok(Peeled { name: None, id: None, next: type_or_length(rest.be16(6)?, rest.after(8)?)? }),
        _ => Err(Skip::EtherType(0x8909)),
    }
}

/// RFC 8986 (next header 143): an Ethernet frame without more ado.
fn ethernet(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    Ok(Peeled { name: None, id: None, next: Next::Ethernet(rest) })
}

/// IP in IP has no header of its own (RFC 2003, 2473, 4213).
fn ip(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    Ok(Peeled { name: None, id: None, next: Next::Ip(rest) })
}

/// RFC 2516: version and type 1, code 0 (session data), session, length, then PPP.
fn pppoe(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    let [kind, code, high, low, long, short] = *rest.head::<6>()?;
    if kind != 0x11 || code != 0 {
        return Err(Skip::NotIp);
    }
    let length = usize::from(u16::from_be_bytes([long, short]));
    let inner = rest.after(6)?;
    let inner = if length == 0 || length > inner.wire { inner } else { inner.limit(length) };
    Ok(Peeled { name: None, id: Some(u32::from(u16::from_be_bytes([high, low]))), next: ppp(inner)? })
}

/// RFC 3378: four bits of version 3, twelve zero ones, an Ethernet frame.
fn etherip(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    if rest.be16(0)? >> 12 != 3 {
        return Err(Skip::BadHeader);
    }
    Ok(Peeled { name: None, id: None, next: Next::Ethernet(rest.after(2)?) })
}

/// RFC 2784 and 2890; version 1 is PPTP's (RFC 2637). ERSPAN rides on it.
fn gre(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    let flags = rest.be16(0)?;
    let protocol = rest.be16(2)?;
    let mut inner = rest.after(4)?;
    let has = |bit: u16| flags & bit != 0;
    match flags & 7 {
        0 => {}
        1 if protocol == 0x880b && has(0x2000) => {
            let skipped = 4 + if has(0x1000) { 4 } else { 0 } + if has(0x0080) { 4 } else { 0 };
            return Ok(Peeled { name: Some("pptp"), id: None, next: ppp(inner.after(skipped)?)? });
        }
        _ => return Err(Skip::BadHeader),
    }
    if has(0x8000) || has(0x4000) {
        inner = inner.after(4)?;
    }
    let mut id = None;
    if has(0x2000) {
        id = Some(inner.be32(0)?);
        inner = inner.after(4)?;
    }
    if has(0x1000) {
        inner = inner.after(4)?;
    }
    if has(0x4000) {
        inner = past_routing(inner)?;
    }
    match protocol {
        0x88be if !has(0x1000) => Ok(Peeled { name: Some("erspan1"), id: None, next: Next::Ethernet(inner) }),
        0x88be | 0x22eb => erspan(inner),
        0x6558 => Ok(Peeled { name: None, id, next: Next::Ethernet(inner) }),
        _ => Ok(Peeled { name: None, id, next: Next::Type(protocol, inner) }),
    }
}

/// The source routes of RFC 1701: family, offset and length of each; a family and length of zero end them.
fn past_routing(mut inner: Chunk<'_>) -> Result<Chunk<'_>, Skip> {
    loop {
        let [family_high, family_low, _, length] = *inner.head::<4>()?;
        inner = inner.after(4 + usize::from(length))?;
        if (family_high, family_low, length) == (0, 0, 0) {
            return Ok(inner);
        }
    }
}

/// ERSPAN types II and III (draft-foschiano-erspan): version, VLAN, ..., session of ten bits; III has four bytes of time
/// and two of flags more, whose last bit announces eight more, and a frame type (0 Ethernet, 2 IP).
fn erspan(rest: Chunk<'_>) -> Result<Peeled<'_>, Skip> {
    let id = Some(u32::from(rest.be16(2)? & 0x03ff));
    match rest.byte(0)? >> 4 {
        1 => Ok(Peeled { name: Some("erspan2"), id, next: Next::Ethernet(rest.after(8)?) }),
        2 => {
            let flags = rest.be16(10)?;
            let inner = rest.after(if flags & 1 == 1 { 20 } else { 12 })?;
            let next = if (flags >> 10) & 0x1f == 2 { Next::Ip(inner) } else { Next::Ethernet(inner) };
            Ok(Peeled { name: Some("erspan3"), id, next })
        }
        _ => Err(Skip::BadHeader),
    }
}

/// RFC 8926: version 0, length of the options in words, an Ethernet type, a network number of 24 bits. Options are
/// walked, not understood, a critical one neither: dropping the packet is asked of endpoints, not of an observer.
fn geneve(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    let [first, second, high, low, a, b, c, _] = *rest.head::<8>()?;
    let protocol = u16::from_be_bytes([high, low]);
    if first >> 6 != 0 || second & 0x3f != 0 || protocol < 0x600 {
        return Err(Skip::BadHeader);
    }
    let length = usize::from(first & 0x3f) * 4;
    let inner = rest.after(8)?.after(length)?;
    let mut at = 8;
    while at < 8 + length {
        at += 4 + usize::from(rest.byte(at + 3)? & 0x1f) * 4;
    }
    if at != 8 + length {
        return Err(Skip::BadHeader);
    }
    let next = if protocol == 0x6558 { Next::Ethernet(inner) } else { Next::Type(protocol, inner) };
    Ok(Peeled { name: None, id: Some(u32::from_be_bytes([0, a, b, c])), next })
}

/// RFC 7348: flag I, reserved zeros, a network number of 24 bits, a zero, an Ethernet frame. The group policy extension
/// sets flag G and fills the second half word; VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe) has flag P and
/// the next protocol. On other ports than the known ones everything has to fit, down to the length of the inner IP packet.
fn vxlan(rest: Chunk<'_>, known: bool) -> Result<Peeled<'_>, Skip> {
    let [flags, one, two, three, a, b, c, zero] = *rest.head::<8>()?;
    let id = Some(u32::from_be_bytes([0, a, b, c]));
    if zero != 0 {
        return Err(Skip::BadHeader);
    }
    let inner = rest.after(8)?;
    let next = match (flags, one, two, three) {
        (0x08, 0, 0, 0) | (0x88, _, _, _) => Next::Ethernet(inner),
        (0x0c, 0, 0, 3) if known => Next::Ethernet(inner),
        (0x0c, 0, 0, 1 | 2) if known => Next::Ip(inner),
        (0x0c, 0, 0, 4) if known => Next::Type(0x894f, inner),
        _ => return Err(Skip::BadHeader),
    };
    let fits = match next {
        Next::Ethernet(frame) => ethernet_fits(frame, known, known),
        Next::Type(_, frame) => frame.bytes.len() >= 8,
        _ => ip_fits(inner, known),
    };
    if fits { Ok(Peeled { name: None, id, next }) } else { Err(Skip::BadHeader) }
}

/// 3GPP TS 29.281 5.1: version 1, protocol type 1, message 255, the length of what follows the eight bytes, tunnel id;
/// four bytes more when one of three flags is set, then a chain of extension headers.
fn gtp(rest: Chunk<'_>, _: bool) -> Result<Peeled<'_>, Skip> {
    let [flags, message, high, low, ..] = *rest.head::<8>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if flags & 0xf0 != 0x30 || message != 0xff || length + 8 != rest.wire {
        return Err(Skip::BadHeader);
    }
    let mut inner = rest.after(8)?;
    if flags & 7 != 0 {
        let mut following = inner.byte(3)?;
        inner = inner.after(4)?;
        while following != 0 {
            let words = usize::from(inner.byte(0)?);
            if words == 0 {
                return Err(Skip::BadHeader);
            }
            following = inner.byte(words * 4 - 1)?;
            inner = inner.after(words * 4)?;
        }
    }
    if ip_fits(inner, true) { Ok(Peeled { name: None, id: None, next: Next::Ip(inner) }) } else { Err(Skip::BadHeader) }
}

/// Could an Ethernet frame begin here? `other`: the port says so already, and other payloads than IP and ARP pass.
/// `lenient` is that of [`ip_fits`].
fn ethernet_fits(frame: Chunk<'_>, other: bool, lenient: bool) -> bool {
    let Ok(Next::Type(mut number, mut inner)) = ethernet_payload(frame) else {
        return other && frame.bytes.len() >= 14;
    };
    for _ in 0..2 {
        if number == 0x8100 || number == 0x88a8 {
            let (Ok(tagged), Ok(rest)) = (inner.be16(2), inner.after(4)) else { return other };
            (number, inner) = (tagged, rest);
        }
    }
    let version = inner.bytes.first().map_or(0, |first| first >> 4);
    match number {
        0x0800 => version == 4 && ip_fits(inner, lenient),
        0x86dd => version == 6 && ip_fits(inner, lenient),
        // ARP for Ethernet and IPv4.
        0x0806 => inner.bytes.starts_with(&[0, 1, 8, 0, 6, 4]),
        _ => other,
    }
}

/// Could an IP packet begin here? It must have a header whose length agrees with what there is, padding to the smallest
/// Ethernet frame aside. `lenient` allows the length 0 of offloaded segments.
fn ip_fits(inner: Chunk<'_>, lenient: bool) -> bool {
    let (Ok(first), Ok(two), Ok(four)) = (inner.byte(0), inner.be16(2), inner.be16(4)) else { return false };
    let length = match first {
        0x45..=0x4f if inner.wire >= 20 => usize::from(two),
        0x60..=0x6f if inner.wire >= 40 => usize::from(four) + if four == 0 { 0 } else { 40 },
        _ => return false,
    };
    match length {
        0 => lenient,
        _ => length >= 20 && length <= inner.wire && (lenient || inner.wire - length <= 46),
    }
}

/// Every word that an encapsulation can have. `other` stands for what [`PATHS`] leaves no room for.
const NAMES: &[&str] = &[
    "other", "vlan", "mpls", "pppoe", "gre", "pptp", "erspan1", "erspan2", "erspan3", "ipip", "6in4", "4in6", "6in6",
    "etherip", "geneve", "gtp", "vxlan", "pbb", "nsh", "ethernet",
];

/// The encapsulations of one packet, outermost first, in a few bytes that are copied freely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    /// Place in [`NAMES`] (bits 40 on), whether there is a number (bit 32), the number.
    labels: [u64; DEPTH],
    named: u8,
    depth: u8,
}

/// There is a number.
const NUMBERED: u64 = 1 << 32;

impl Path {
    /// One encapsulation more. An empty name counts for the depth alone.
    ///
    /// # Errors
    /// There are [`DEPTH`] already.
    pub fn push(&mut self, name: &'static str, id: Option<u32>) -> Result<(), Skip> {
        if usize::from(self.depth) == DEPTH {
            return Err(Skip::TooDeep);
        }
        self.depth += 1;
        if name.is_empty() {
            return Ok(());
        }
        let place = NAMES.iter().position(|known| *known == name).unwrap_or(0) as u64;
        if let Some(slot) = self.labels.get_mut(usize::from(self.named)) {
            *slot = place << 40 | id.map_or(0, |id| NUMBERED | u64::from(id));
        }
        self.named += 1;
        Ok(())
    }

    /// No encapsulation that has a name.
    #[inline]
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.named == 0
    }

    fn words(&self) -> Vec<String> {
        let word = |label: &u64| {
            let name = usize::try_from(label >> 40).ok().and_then(|place| NAMES.get(place)).unwrap_or(&"other");
            if label & NUMBERED == 0 { (*name).to_owned() } else { format!("{name}:{}", label & 0xffff_ffff) }
        };
        self.labels.iter().take(usize::from(self.named)).map(word).collect()
    }
}

/// Numbers paths, and remembers the last one: packets of one tunnel come in runs.
#[derive(Debug, Default)]
pub struct Paths {
    known: HashMap<Path, TunnelId, foldhash::fast::RandomState>,
    last: Option<(Path, TunnelId)>,
    other: Option<TunnelId>,
}

impl Paths {
    /// The number of a path; its words go to `tunnels` when it is new.
    pub fn number(&mut self, path: &Path, tunnels: &mut Tunnels) -> TunnelId {
        if path.is_plain() {
            return TunnelId(0);
        }
        if let Some((last, id)) = &self.last
            && last == path
        {
            return *id;
        }
        // Tags without a name must not make two paths of one.
        let key = Path { depth: 0, ..*path };
        let id = match self.known.get(&key) {
            Some(id) => *id,
            None if self.known.len() >= PATHS => {
                *self.other.get_or_insert_with(|| tunnels.push(vec!["other".to_owned()]))
            }
            None => {
                let id = tunnels.push(path.words());
                self.known.insert(key, id);
                id
            }
        };
        self.last = Some((*path, id));
        id
    }
}
