//! Link layers: from the bytes of a frame to what they carry, and whether they tell of a loopback interface.

use super::layer::{Chunk, Next};
use super::packet::Skip;

/// What a link layer says.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// What it carries.
    pub next: Next<'a>,
    /// It proves that the frame was on a loopback interface.
    pub loopback: bool,
    /// Index of the interface, where each frame names it (SLL2); else 0.
    pub interface: u32,
}

impl<'a> Link<'a> {
    fn of(next: Next<'a>) -> Self {
        Self { next, loopback: false, interface: 0 }
    }
}

/// A row: the LINKTYPE_ number of tcpdump.org, its name, and how its header is read.
pub type LinkLayer = (u32, &'static str, for<'a> fn(Chunk<'a>) -> Result<Link<'a>, Skip>);

/// Every link type that is read; frames of any other are counted by number. Ethernet stands first: it is looked for first.
pub const LINK_LAYERS: &[LinkLayer] = &[
    (1, "Ethernet", ethernet),
    (113, "Linux cooked v1", sll),
    (276, "Linux cooked v2", sll2),
    (101, "raw IP", raw),
    (0, "BSD loopback", null),
    (108, "OpenBSD loopback", null),
    (9, "PPP", ppp_link),
    (12, "raw IP", raw),
    (14, "raw IP", raw),
    (228, "IPv4", raw),
    (229, "IPv6", raw),
    (239, "NFLOG", nflog),
];

/// The name of a link type that is read.
#[must_use]
pub fn name(number: u32) -> Option<&'static str> {
    LINK_LAYERS.iter().find(|row| row.0 == number).map(|row| row.1)
}

/// Reads the link layer of a frame.
///
/// # Errors
/// Why nothing follows it.
#[inline]
pub fn read(link_type: u32, frame: Chunk<'_>) -> Result<Link<'_>, Skip> {
    match LINK_LAYERS.iter().find(|row| row.0 == link_type) {
        Some(row) => (row.2)(frame),
        None => Err(Skip::LinkType(link_type)),
    }
}

/// ARPHRD_LOOPBACK of Linux.
const ARPHRD_LOOPBACK: u16 = 772;

/// Ethernet as a link: both addresses zero is how Linux fills the frames of `lo`.
fn ethernet(frame: Chunk<'_>) -> Result<Link<'_>, Skip> {
    let next = ethernet_payload(frame)?;
    let loopback = frame.bytes.first_chunk::<12>() == Some(&[0; 12]);
    Ok(Link { next, loopback, interface: 0 })
}

/// The payload of an Ethernet frame: a type of 0x600 and more is an Ethernet II type, anything below is an IEEE 802.3
/// length, after which LLC and perhaps SNAP follow (RFC 1042).
///
/// # Errors
/// It is cut, or carries LLC without SNAP (spanning tree and the like).
#[inline]
pub fn ethernet_payload(frame: Chunk<'_>) -> Result<Next<'_>, Skip> {
    let number = frame.be16(12)?;
    type_or_length(number, frame.after(14)?)
}

/// What follows an Ethernet type, or a length.
///
/// # Errors
/// It is a length, and LLC without SNAP follows, or the captured bytes end in it.
#[inline]
pub fn type_or_length(number: u16, rest: Chunk<'_>) -> Result<Next<'_>, Skip> {
    if number >= 0x600 { Ok(Next::Type(number, rest)) } else { llc(rest.limit_to(usize::from(number))) }
}

/// Ethernet types of what bridges, hosts and routers say to each other, which carries no calls: CDP, NHRP, ARP, wake-on-LAN,
/// L2-IS-IS, DEC MOP, RARP, pause frames, slow protocols (LACP), PPPoE discovery, EAPOL and its pre-authentication, LLDP,
/// LLTD, HomePlug management, MRP, MVRP and MMRP, PTP, PRP supervision, CFM, loopback tests (IEEE and IANA registries).
const NO_CALLS: &[u16] = &[
    0x0806, 0x0842, 0x2000, 0x2001, 0x22f4, 0x6002, 0x8035, 0x8808, 0x8809, 0x8863, 0x888e, 0x88c7, 0x88cc, 0x88d9,
    0x88e1, 0x88e3, 0x88f5, 0x88f6, 0x88f7, 0x88fb, 0x8902, 0x8912, 0x9000,
];

/// What a frame of an Ethernet type that is not read counts as. Numbers below 0x600 are no types; in GRE, 0 is a
/// keepalive and 0x00FE is IS-IS.
#[cold]
#[must_use]
pub fn unread(number: u16) -> Skip {
    if number < 0x600 || NO_CALLS.contains(&number) { Skip::NotIp } else { Skip::EtherType(number) }
}

impl Chunk<'_> {
    /// A length field that does not say more than there is (802.3 allows padding, offloads leave 0).
    fn limit_to(self, length: usize) -> Self {
        if length == 0 || length > self.wire { self } else { self.limit(length) }
    }
}

/// LLC with SNAP: `AA AA 03`, three bytes of organisation, the Ethernet type (RFC 1042).
fn llc(rest: Chunk<'_>) -> Result<Next<'_>, Skip> {
    match rest.head::<8>()? {
        [0xaa, 0xaa, 0x03, 0, 0, _, high, low] => Ok(Next::Type(u16::from_be_bytes([*high, *low]), rest.after(8)?)),
        // IP right behind LLC (IEEE's SAP 6).
        [0x06, 0x06, 0x03, ..] => Ok(Next::Ip(rest.after(3)?)),
        _ => Err(Skip::NotIp),
    }
}

/// No link header. Proves nothing about the interface: captures are converted to it.
fn raw(frame: Chunk<'_>) -> Result<Link<'_>, Skip> {
    Ok(Link::of(Next::Ip(frame)))
}

/// Four bytes of address family, in the byte order of the capturing machine (LOOP: of the network). The numbers differ
/// between systems: 2 is IPv4 everywhere; IPv6 is 10 (Linux), 24, 28 or 30 (the BSDs, macOS).
fn null(frame: Chunk<'_>) -> Result<Link<'_>, Skip> {
    let family = match *frame.head::<4>()? {
        [0, 0, 0, family] | [family, 0, 0, 0] => family,
        _ => return Err(Skip::BadHeader),
    };
    match family {
        2 | 10 | 24 | 28 | 30 => Ok(Link::of(Next::Ip(frame.after(4)?))),
        _ => Err(Skip::NotIp),
    }
}

fn ppp_link(frame: Chunk<'_>) -> Result<Link<'_>, Skip> {
    Ok(Link::of(ppp(frame)?))
}

/// The Ethernet type of PPP, by which its frames that are not read are counted.
const PPP: u16 = 0x880b;

/// PPP (RFC 1661): perhaps `FF 03`, then a protocol number of two bytes, or of one (odd) where that was negotiated.
///
/// # Errors
/// It is cut, or carries neither IP nor MPLS.
pub fn ppp(mut rest: Chunk<'_>) -> Result<Next<'_>, Skip> {
    if rest.bytes.starts_with(&[0xff, 0x03]) {
        rest = rest.after(2)?;
    }
    let first = rest.byte(0)?;
    let (protocol, rest) =
        if first & 1 == 1 { (u16::from(first), rest.after(1)?) } else { (rest.be16(0)?, rest.after(2)?) };
    match protocol {
        0x0021 | 0x0057 => Ok(Next::Ip(rest)),
        0x0281 | 0x0283 => Ok(Next::Type(0x8847, rest)),
        // From 0x4000 on stand protocols that control the link or a network protocol; below, what they carry, perhaps
        // compressed or encrypted (0x0053, 0x00fd).
        0x4000.. => Err(Skip::NotIp),
        _ => Err(Skip::EtherType(PPP)),
    }
}

/// LINKTYPE_LINUX_SLL: packet type, ARPHRD, address length, 8 bytes of address, protocol.
fn sll(frame: Chunk<'_>) -> Result<Link<'_>, Skip> {
    let next = cooked(frame.be16(14)?, frame.after(16)?)?;
    Ok(Link { next, loopback: frame.be16(2)? == ARPHRD_LOOPBACK, interface: 0 })
}

/// LINKTYPE_LINUX_SLL2: protocol, 2 reserved, interface index, ARPHRD, packet type, address length, 8 bytes of address.
fn sll2(frame: Chunk<'_>) -> Result<Link<'_>, Skip> {
    let next = cooked(frame.be16(0)?, frame.after(20)?)?;
    Ok(Link { next, loopback: frame.be16(8)? == ARPHRD_LOOPBACK, interface: frame.be32(4)? })
}

/// The protocol of a cooked header is an Ethernet type, or 4 for an LLC frame.
fn cooked(number: u16, rest: Chunk<'_>) -> Result<Next<'_>, Skip> {
    match number {
        0x600.. => Ok(Next::Type(number, rest)),
        4 => llc(rest),
        _ => Err(Skip::NotIp),
    }
}

/// LINKTYPE_NFLOG: family, version 0, resource id; then attributes of length (with its own header), type and value,
/// padded to four bytes, in the byte order of the capturing machine. Attribute 9 is the packet.
fn nflog(frame: Chunk<'_>) -> Result<Link<'_>, Skip> {
    let [family, version, _, _] = *frame.head::<4>()?;
    if version != 0 {
        return Err(Skip::BadHeader);
    }
    let rest = frame.after(4)?;
    let payload = nflog_payload(rest, u16::from_le_bytes).or_else(|why| {
        // The order that fits the first attribute is the right one; a cut in it is no reason to try the other.
        if why == Skip::BadHeader { nflog_payload(rest, u16::from_be_bytes) } else { Err(why) }
    })?;
    match family {
        2 | 10 => Ok(Link::of(Next::Ip(payload))),
        // ARP.
        3 => Err(Skip::NotIp),
        _ => Err(Skip::BadHeader),
    }
}

fn nflog_payload(mut rest: Chunk<'_>, number: fn([u8; 2]) -> u16) -> Result<Chunk<'_>, Skip> {
    loop {
        let [a, b, c, d] = *rest.head::<4>()?;
        let (length, kind) = (usize::from(number([a, b])), number([c, d]) & 0x7fff);
        if length < 4 || length > rest.wire || kind > 255 {
            return Err(Skip::BadHeader);
        }
        if kind == 9 {
            return rest.limit(length).after(4);
        }
        rest = rest.after(length.next_multiple_of(4))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip<'a>(link: Result<Link<'a>, Skip>) -> &'a [u8] {
        match link.unwrap().next {
            Next::Ip(chunk) | Next::Type(0x0800 | 0x86dd, chunk) => chunk.bytes,
            other => panic!("{other:?}"),
        }
    }

    fn whole(bytes: &[u8]) -> Chunk<'_> {
        Chunk::new(bytes, bytes.len())
    }

    #[test]
    fn each_link_type_stands_once_and_never_panics_on_a_cut_frame() {
        for (at, row) in LINK_LAYERS.iter().enumerate() {
            assert!(LINK_LAYERS.iter().skip(at + 1).all(|other| other.0 != row.0), "{}", row.1);
            for fill in [0u8, 1, 2, 8, 0x45, 0xaa, 0xff] {
                for length in 0..40 {
                    let _ = read(row.0, whole(&vec![fill; length]));
                }
            }
        }
        assert!(matches!(read(105, whole(&[0; 60])), Err(Skip::LinkType(105))));
    }

    #[test]
    fn only_types_that_carry_no_calls_are_harmless() {
        for number in [0x0000, 0x00fe, 0x0806, 0x88cc, 0x888e, 0x8809, 0x88f7, 0x0842, 0x9000, 0x8035, 0x8902] {
            assert_eq!(unread(number), Skip::NotIp, "{number:#06x}");
        }
        for number in [0x88e5, 0x22f3, 0x892f, 0x8906, 0x0bad, 0xffff] {
            assert_eq!(unread(number), Skip::EtherType(number));
        }
        assert_eq!(Skip::EtherType(0x88e5).to_string(), "EtherType 0x88e5");
        assert!(matches!(ppp(whole(&[0xc0, 0x21, 1])), Err(Skip::NotIp)), "LCP");
        assert!(matches!(ppp(whole(&[0, 0xfd, 1])), Err(Skip::EtherType(0x880b))), "compressed or encrypted");
    }

    #[test]
    fn null_is_read_in_both_byte_orders() {
        assert_eq!(ip(null(whole(&[2, 0, 0, 0, 0x45]))), [0x45]);
        assert_eq!(ip(null(whole(&[0, 0, 0, 30, 0x60]))), [0x60]);
        assert!(matches!(null(whole(&[7, 0, 0, 0, 0x45])), Err(Skip::NotIp)));
    }

    #[test]
    fn zero_addresses_are_loopback_and_one_is_not() {
        let mut frame = [0; 15];
        frame[12] = 8;
        assert!(ethernet(whole(&frame)).unwrap().loopback);
        frame[5] = 1;
        assert!(!ethernet(whole(&frame)).unwrap().loopback);
    }

    #[test]
    fn snap_is_ip_and_spanning_tree_is_not() {
        let mut frame = vec![1; 12];
        frame.extend([0, 9, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45, 99, 99]);
        assert_eq!(ip(ethernet(whole(&frame))), [0x45], "the length cuts the padding");
        let mut frame = vec![1; 12];
        frame.extend([0, 38, 0x42, 0x42, 3, 0, 0, 0, 0, 0]);
        assert!(matches!(ethernet(whole(&frame)), Err(Skip::NotIp)));
    }

    #[test]
    fn cooked_headers_tell_the_interface_and_loopback() {
        let frame = [0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45];
        let link = sll(whole(&frame)).unwrap();
        assert!(link.loopback && link.interface == 0);
        let frame = [0x86, 0xdd, 0, 0, 0, 0, 1, 7, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x60];
        let link = sll2(whole(&frame)).unwrap();
        assert!(!link.loopback && link.interface == 263);
    }

    #[test]
    fn nflog_finds_its_payload_in_both_byte_orders() {
        let little = [2, 0, 0, 0, 5, 0, 10, 0, b'x', 0, 0, 0, 6, 0, 9, 0, 0x45, 7];
        assert_eq!(ip(nflog(whole(&little))), [0x45, 7]);
        let big = [2, 0, 0, 0, 0, 5, 0, 10, b'x', 0, 0, 0, 0, 6, 0, 9, 0x45, 7];
        assert_eq!(ip(nflog(whole(&big))), [0x45, 7]);
    }

    #[test]
    fn ppp_takes_compressed_fields() {
        for frame in [&[0xff, 3, 0, 0x21, 0x45][..], &[0, 0x21, 0x45], &[0x21, 0x45]] {
            assert_eq!(ip(ppp_link(whole(frame))), [0x45]);
        }
    }
}
