//! What runs networks: SSH, DNS, SNMP, BGP, STUN, Modbus, SOCKS, OpenVPN.

use super::bytes::{Chain, Step, array, be16, be32, begins, chain, find, first, line, printable, rest, u8_at};
use super::office::element;
use super::{Answer, Heads, Look, join};

/// SSH 2 (RFC 4253): a banner on both sides, then a KEXINIT with its lists of algorithms on both sides. Banners alone are
/// one-sided: they are no encryption yet.
///
/// | client | server | answer |
/// |---|---|---|
/// | banner, KEXINIT | banner, KEXINIT | both |
/// | banner | banner | one-sided |
/// | | banner | one-sided |
pub fn ssh(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, ssh_banner);
    let server = Look::at(heads.server, ssh_banner);
    match join(heads, client, server) {
        Answer::Both if kexinit(heads.client) && kexinit(heads.server) => Answer::Both,
        Answer::Both => Answer::OneSided,
        answer => answer,
    }
}

fn ssh_banner(bytes: &[u8]) -> Option<Look> {
    if begins(bytes, b"SSH-")? {
        let version: [u8; 2] = array(bytes, 4)?;
        return Some(Look::proven(matches!(&version, b"2." | b"1.")));
    }
    Some(Look::No)
}

/// Whether a KEXINIT follows the banner: packet length, padding, message 20, cookie, and a list of key exchange names.
fn kexinit(bytes: &[u8]) -> bool {
    let read = || {
        let (_, at) = line(first(bytes, 256))?;
        let packet = rest(bytes, at);
        let length = be32(packet, 0)? as usize;
        let padding = usize::from(u8_at(packet, 4)?);
        let names = be32(packet, 22)? as usize;
        let list = packet.get(26..26 + names)?;
        let sane = u8_at(packet, 5)? == 20 && (64..=35_000).contains(&length) && padding < length && names < length;
        Some(sane && !list.is_empty() && list.iter().all(|byte| byte.is_ascii_graphic()))
    };
    read().unwrap_or(false)
}

/// DNS over TCP (RFC 1035 4.2.2): a length, and a message of that length whose questions parse; the answer has the same
/// number. A query alone proves: its counts and flags leave less than 2^-50 to chance.
pub fn dns(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8]| {
        let length = usize::from(be16(bytes, 0)?);
        if length < 17 {
            return Some(Look::No);
        }
        let message = first(rest(bytes, 2), length);
        dns_message(message, length)
    };
    let client = Look::at(heads.client, |bytes| {
        let look = side(bytes)?;
        // What a client sends first is a question.
        Some(if heads.from_start && u8_at(bytes, 4)? & 0x80 != 0 { Look::No } else { look })
    });
    let server = Look::at(heads.server, |bytes| {
        let look = side(bytes)?;
        let same = heads.client.is_empty() || !heads.from_start || be16(heads.client, 2) == be16(bytes, 2);
        Some(if same { look } else { Look::No })
    });
    join(heads, client, server)
}

/// The look of a DNS message: a known operation, one question (or none in mDNS answers and updates), few records, and
/// names that are names. `length`: of the whole message, of which `bytes` may be a part.
///
/// | message | look |
/// |---|---|
/// | one question, nothing else | proves |
/// | an answer with its question | proves |
/// | no question, one mDNS answer | proves |
/// | five questions of random bytes | no |
pub fn dns_message(bytes: &[u8], length: usize) -> Option<Look> {
    let header: [u8; 12] = array(bytes, 0)?;
    let (words, _) = header.as_chunks::<2>();
    let &[number, flags, questions, answers, authorities, more] = words else { return None };
    let (number, flags) = (u16::from_be_bytes(number), u16::from_be_bytes(flags));
    let [questions, answers, authorities, more] =
        [questions, answers, authorities, more].map(|count| usize::from(u16::from_be_bytes(count)));
    let (response, operation) = (flags & 0x8000 != 0, flags >> 11 & 15);
    let records = answers + authorities + more;
    let multicast = questions == 0 && response && answers > 0;
    let sane = matches!(operation, 0 | 4 | 5)
        && flags & 0x40 == 0
        && (questions == 1 || multicast || questions <= 16 && number == 0 && questions > 0)
        && records * 11 + questions * 5 + 12 <= length
        && (response || operation == 5 || answers <= 32 && authorities <= 32 && more <= 8);
    if !sane || (!response && flags & 0x0f != 0) {
        return Some(Look::No);
    }
    let mut at = 12;
    for index in 0..questions.min(4) + usize::from(records > 0) {
        let Some(end) = dns_name(bytes, at) else {
            return if bytes.len() < length { None } else { Some(Look::No) };
        };
        let (kind, class) = (be16(bytes, end)?, be16(bytes, end + 2)?);
        // Bit 15 asks for a unicast answer or flushes caches (RFC 6762); OPT has a size there.
        let record = index >= questions;
        if kind == 0 || kind > 1024 && !matches!(kind, 32_768 | 32_769 | 65_280..=65_535) {
            return Some(Look::No);
        }
        if !(matches!(class & 0x7fff, 1 | 3 | 4 | 254 | 255) || record && kind == 41) {
            return Some(Look::No);
        }
        at = end + if record { 10 } else { 4 };
    }
    // Nothing may follow a message without records.
    Some(Look::proven(records > 0 || questions > 4 || at == length))
}

/// The end of a domain name: labels of up to 63 bytes without control characters, then a root or a pointer back.
fn dns_name(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while at - start <= 255 {
        match usize::from(u8_at(bytes, at)?) {
            0 => return Some(at + 1),
            size @ 1..=63 => {
                let label = bytes.get(at + 1..at + 1 + size)?;
                if !label.iter().all(|&byte| byte >= b' ' && byte != 0x7f) {
                    return None;
                }
                at += size + 1;
            }
            0xc0..=0xff => return (usize::from(be16(bytes, at)? & 0x3fff) < start).then_some(at + 2),
            _ => return None,
        }
    }
    None
}

/// SNMP over TCP (RFC 3430): as in datagrams, one message after the other.
pub fn snmp(heads: &Heads<'_>) -> Answer {
    join(heads, Look::at(heads.client, snmp_message), Look::at(heads.server, snmp_message))
}

/// The look of an SNMP message: a sequence, version 0, 1 or 3; then a community and a PDU that close with it (v1, v2c), or
/// a header of four values (v3). Also of a datagram.
pub fn snmp_message(bytes: &[u8]) -> Option<Look> {
    if u8_at(bytes, 0)? != 0x30 {
        return Some(Look::No);
    }
    let outer = element(bytes, 0)?;
    let at = outer.header;
    let [tag, one, version] = array(bytes, at)?;
    if outer.tag != 0x30 || tag != 2 || one != 1 || !matches!(version, 0 | 1 | 3) {
        return Some(Look::No);
    }
    let second = element(bytes, at + 3)?;
    if version == 3 {
        // msgGlobalData: id, size, one byte of flags, security model.
        let inner: [u8; 2] = array(bytes, at + 3 + second.header)?;
        return Some(Look::proven(
            second.tag == 0x30 && (11..=20).contains(&second.length) && matches!(inner, [2, 1..=5]),
        ));
    }
    let end = at + 3 + second.header + second.length;
    if second.tag != 4 || second.length > 255 {
        return Some(Look::No);
    }
    let pdu = element(bytes, end)?;
    let closes = end + pdu.header + pdu.length == outer.header + outer.length;
    Some(Look::proven(closes && matches!(pdu.tag, 0xa0..=0xa8)))
}

/// BGP (RFC 4271 4.1): sixteen bytes of ones, a length, a type.
pub fn bgp(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8]| {
        if !begins(bytes, &[0xff; 16])? {
            return Some(Look::No);
        }
        Some(Look::proven((19..=4096).contains(&be16(bytes, 16)?) && matches!(u8_at(bytes, 18)?, 1..=5)))
    };
    join(heads, Look::at(heads.client, side), Look::at(heads.server, side))
}

/// STUN and TURN over TCP (RFC 8489): the magic cookie and a length of whole words.
pub fn stun(heads: &Heads<'_>) -> Answer {
    join(heads, Look::at(heads.client, stun_message), Look::at(heads.server, stun_message))
}

/// The look of a STUN message. Also of a datagram.
pub fn stun_message(bytes: &[u8]) -> Option<Look> {
    if u8_at(bytes, 0)? & 0xc0 != 0 {
        return Some(Look::No);
    }
    Some(Look::proven(be16(bytes, 2)?.is_multiple_of(4) && be32(bytes, 4)? == 0x2112_a442))
}

/// Modbus over TCP: requests and answers of protocol 0 with the same number, unit and function, lengths closing.
///
/// | client | server | answer |
/// |---|---|---|
/// | 1, 0, 6, unit 1, read | 1, 0, 5, unit 1, read | both |
/// | 1, 0, 6, unit 1, read | 2, ... | no |
/// | 1, 0, 6, unit 1, read | | more |
pub fn modbus(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8], mask: u8| {
        let length = be16(bytes, 4)?;
        if be16(bytes, 2)? != 0 || !(3..=254).contains(&length) || !matches!(u8_at(bytes, 7)? & mask, 1..=0x2b) {
            return Some(Look::No);
        }
        let found = chain(bytes, |bytes| match (be16(bytes, 2), be16(bytes, 4)) {
            (Some(0), Some(length @ 2..=254)) => Step::Size(usize::from(length) + 6),
            (Some(_), Some(_)) => Step::Bad,
            _ => Step::More,
        });
        match found {
            Chain { broken: true, .. } => Some(Look::No),
            Chain { closed: 0, .. } => None,
            _ => Some(Look::Fits),
        }
    };
    let client = Look::at(heads.client, |bytes| side(bytes, 0xff));
    let server = Look::at(heads.server, |bytes| {
        let look = side(bytes, 0x7f)?;
        if heads.client.is_empty() {
            return Some(look);
        }
        let same = be16(bytes, 0)? == be16(heads.client, 0)? && u8_at(bytes, 6)? == u8_at(heads.client, 6)?;
        Some(if same && u8_at(bytes, 7)? & 0x7f == u8_at(heads.client, 7)? { look } else { Look::No })
    });
    join(heads, client, server)
}

/// SOCKS 4, 4a and 5: an offer and its choice, a request and its answer. Never by one side.
///
/// | client | server | answer |
/// |---|---|---|
/// | 05 01 00 | 05 00 | both |
/// | 05 01 00, then 05 01 00 01 ... | 05 00, then 05 00 00 01 ... | both |
/// | 05 01 00 | 05 02 | no: not offered |
/// | 04 01 port address user NUL | 00 5A ... | both |
pub fn socks(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| match u8_at(bytes, 0)? {
        5 => {
            let count = usize::from(u8_at(bytes, 1)?);
            let methods = bytes.get(2..2 + count)?;
            let known = count > 0 && methods.iter().all(|method| matches!(method, 0..=9 | 0x80..=0x8f));
            // Authentication by name (RFC 1929) begins with 1, a request with 5, 1 to 3, 0, 1 to 4.
            let next = match *rest(bytes, 2 + count) {
                [] | [1, ..] | [5] | [5, 1..=3] | [5, 1..=3, 0] => true,
                [5, 1..=3, 0, 1 | 3 | 4, ..] => true,
                // GSSAPI and private methods have messages of their own.
                _ => false,
            };
            Some(Look::fits(known && next))
        }
        4 => {
            let user = first(rest(bytes, 8), 256);
            let end = user.iter().position(|&byte| byte == 0);
            let sane = matches!(u8_at(bytes, 1)?, 1 | 2) && printable(first(user, end.unwrap_or(user.len())));
            if sane && end.is_none() && user.len() < 256 { None } else { Some(Look::fits(sane && end.is_some())) }
        }
        _ => Some(Look::No),
    });
    let server = Look::at(heads.server, |bytes| match (heads.client.first(), u8_at(bytes, 0)?) {
        (Some(5), 5) => {
            let method = u8_at(bytes, 1)?;
            let offered = heads
                .client
                .get(2..)
                .is_some_and(|offer| first(offer, usize::from(u8_at(heads.client, 1).unwrap_or(0))).contains(&method));
            let next = match *rest(bytes, 2) {
                [] => true,
                [5, 0..=8, 0, 1 | 3 | 4, ..] => method != 2,
                [1, _] | [1, _, 5, ..] => method == 2,
                [5] | [5, 0..=8] | [5, 0..=8, 0] => true,
                _ => false,
            };
            Some(Look::fits((offered || method == 0xff) && next))
        }
        (Some(4), 0) => {
            let answer: [u8; 8] = array(bytes, 0)?;
            Some(Look::fits(matches!(answer, [0, 0x5a..=0x5d, ..])))
        }
        _ => Some(Look::No),
    });
    join(heads, client, server)
}

/// OpenVPN over TCP: a length and a hard reset on both sides, the server's with the client's session number in it.
pub fn openvpn(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        let length = usize::from(be16(bytes, 0)?);
        // P_CONTROL_HARD_RESET_CLIENT_V2 and V3, key 0.
        if !matches!(u8_at(bytes, 2)?, 0x38 | 0x50) || !(14..=1500).contains(&length) {
            return Some(Look::No);
        }
        (bytes.len() >= length + 2).then_some(Look::Fits)
    });
    let server = Look::at(heads.server, |bytes| {
        let length = usize::from(be16(bytes, 0)?);
        if u8_at(bytes, 2)? != 0x40 || !(22..=1500).contains(&length) {
            return Some(Look::No);
        }
        let packet = bytes.get(2..2 + length)?;
        let session = heads.client.get(3..11)?;
        Some(Look::fits(find(rest(packet, 9), session).is_some()))
    });
    join(heads, client, server)
}
