//! UDP: protocols by the shape of datagrams, and the vote of a flow's datagrams on its name.

mod links;
mod sealed;

use self::links::Links;
use super::signature::bytes::{array, be16, be32, u8_at};
use super::signature::opening::{self, ANY};
use super::signature::{Look, Shapes};

/// A shape: `None` no, `Some(certain)` yes.
type Shape = fn(&[u8]) -> Option<bool>;

/// What a request or status line may begin with.
const METHOD: &[u8] = b"--AZ__";

/// Every protocol of datagrams, in the order in which they are asked: token, first bytes (pairs, as of
/// [`opening`]) with which it is asked, shape.
const DATAGRAMS: &[(&str, &[u8], Shape)] = &[
    ("dns", ANY, |bytes| proven(Shapes::dns(bytes))),
    ("stun", b"\0\x3f", |bytes| proven(Shapes::stun(bytes)).filter(|_| stun_closes(bytes))),
    ("quic", b"\x09\x09\x0d\x0d\x19\x19\x1d\x1d\x29\x29\x2d\x2d\x80\xff", sealed::quic),
    ("dtls", b"\x14\x19", sealed::dtls),
    ("ipsec", ANY, sealed::ike),
    ("wireguard", b"\x01\x04", sealed::wireguard),
    ("openvpn", b"\x38\x38\x40\x40\x50\x50", sealed::openvpn),
    ("snmp", b"00", |bytes| proven(Shapes::snmp(bytes))),
    ("kerberos", b"\x6a\x6e\x7e\x7e", |bytes| proven(Shapes::kerberos(bytes))),
    ("ldap", b"00", |bytes| Shapes::cldap(bytes).then_some(true)),
    ("radius", b"\x01\x05\x0b\x0d\x28\x2d", radius),
    ("ntp", ANY, ntp),
    ("sip", METHOD, |bytes| proven(Shapes::sip(bytes))),
    ("syslog", b"<<", |bytes| proven(Shapes::syslog(bytes))),
    ("http", METHOD, |bytes| proven(Shapes::ssdp(bytes))),
    ("thrift", b"\0\0\x80\x80\x82\x82", |bytes| proven(Shapes::thrift(bytes))),
];

fn proven(look: Option<Look>) -> Option<bool> {
    (look == Some(Look::Proves)).then_some(true)
}

/// The row of [`DATAGRAMS`] that one datagram fits, and whether that is certain.
fn shaped(payload: &[u8]) -> Option<(usize, bool)> {
    if payload.len() < 12 {
        return None;
    }
    let mut rows = *ROWS.get(usize::from(*payload.first()?))?;
    while rows != 0 {
        let row = rows.trailing_zeros() as usize;
        let &(_, _, shape) = DATAGRAMS.get(row)?;
        if let Some(certain) = shape(payload) {
            return Some((row, certain));
        }
        rows &= rows - 1;
    }
    None
}

const _: () = assert!(DATAGRAMS.len() <= u16::BITS as usize, "every row has a bit");

/// The rows of [`DATAGRAMS`] that each first byte leaves over, bit by bit.
static ROWS: [u16; 256] = {
    let mut table = [0; 256];
    let mut left = table.as_mut_slice();
    let mut byte = 0u8;
    while let [slot, more @ ..] = left {
        let mut rows: &[(&str, &[u8], Shape)] = DATAGRAMS;
        let mut bit = 1u16;
        while let [(_, pairs, _), others @ ..] = rows {
            if opening::has(pairs, byte) {
                *slot |= bit;
            }
            bit <<= 1;
            rows = others;
        }
        byte = byte.wrapping_add(1);
        left = more;
    }
    table
};

/// A STUN message ends with the datagram (RFC 8489 5).
fn stun_closes(bytes: &[u8]) -> bool {
    be16(bytes, 2).is_some_and(|length| usize::from(length) + 20 == bytes.len())
}

/// RADIUS (RFC 2865 3): code, length of the datagram, attributes that fill it; requests with the attribute that each must
/// have are certain.
fn radius(bytes: &[u8]) -> Option<bool> {
    let code = u8_at(bytes, 0)?;
    let length = usize::from(be16(bytes, 2)?);
    if !matches!(code, 1..=5 | 11..=13 | 40..=45) || length != bytes.len() || length < 20 {
        return None;
    }
    let (mut at, mut needed) = (20, false);
    while at < length {
        let [kind, size] = array(bytes, at)?;
        if kind == 0 || size < 2 {
            return None;
        }
        needed |= match code {
            1 => kind == 1 || kind == 79 || kind == 80 && size == 18,
            4 => kind == 40 && size == 6 && be32(bytes, at + 2)? <= 15,
            _ => kind == 80 && size == 18,
        };
        at += usize::from(size);
    }
    (at == length).then_some(needed && length > 26)
}

/// NTP (RFC 5905 7.3): 48 bytes and what may follow, sane version, mode and stratum, root delay and dispersion of at most
/// 16 seconds.
fn ntp(bytes: &[u8]) -> Option<bool> {
    let [lead, stratum, poll, precision] = array(bytes, 0)?;
    let (version, mode) = (lead >> 3 & 7, lead & 7);
    let sized = bytes.len() == 48 || (52..=1024).contains(&bytes.len()) && bytes.len().is_multiple_of(4);
    let (delay, dispersion) = (be16(bytes, 4)?, be16(bytes, 8)?);
    // Clients that keep their clock to themselves (chrony) zero everything but the last time stamp.
    let tuned = poll <= 17 && (precision == 0 || precision >= 0xe0);
    let sane = (1..=4).contains(&version) && (1..=5).contains(&mode) && stratum <= 16 && tuned;
    let timed = be32(bytes, 40)? != 0;
    (sized && sane && timed && delay <= 16 && dispersion <= 16).then_some(bytes.len() == 48 || bytes.len() == 68)
}

/// One candidate of a vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Candidate {
    /// Index in [`DATAGRAMS`], from 1; 0: nobody.
    row: u8,
    /// Bit 0 and 1: which sides sent such datagrams.
    sides: u8,
    /// Certain datagrams.
    certain: u8,
    /// All datagrams.
    all: u8,
}

impl Candidate {
    fn token(self) -> Option<&'static str> {
        DATAGRAMS.get(usize::from(self.row).checked_sub(1)?).map(|&(token, ..)| token)
    }

    fn is(self, bits: u16) -> bool {
        self.row > 0 && bits >> (self.row - 1) & 1 == 1
    }
}

/// The rows of [`DATAGRAMS`] whose token passes, bit by bit.
const fn rows_of(tokens: &[&str]) -> u16 {
    let (mut found, mut bit) = (0, 1);
    let mut rows: &[(&str, &[u8], Shape)] = DATAGRAMS;
    while let [(token, ..), others @ ..] = rows {
        let mut left = tokens;
        while let [one, more @ ..] = left {
            if opening::same(token, one) {
                found |= bit;
            }
            left = more;
        }
        bit <<= 1;
        rows = others;
    }
    found
}

/// Protocols that encrypt by themselves; a test compares with the table of signatures.
const SEALED: u16 = rows_of(&["quic", "dtls", "ipsec", "wireguard", "openvpn"]);
/// What shares a flow with others.
const STUN: u16 = rows_of(&["stun"]);
/// Every datagram of a WireGuard flow has a shape, so that what has none is something else.
const WIREGUARD: u16 = rows_of(&["wireguard"]);
/// Shapes of which any number proves nothing: the datagrams must refer to each other.
const LINKED: u16 = rows_of(&["wireguard", "openvpn"]);

/// The vote of a flow's datagrams on its name.
///
/// Clear bytes win: one certain datagram of a protocol in clear names a flow, whatever else it carries, and is looked for
/// long after the others. STUN alone leaves the name to what it shares the flow with (WebRTC). One certain datagram of
/// an encrypted protocol names a flow in which nothing clear is seen; uncertain shapes need two datagrams and more than
/// half of all. Those of OpenVPN and WireGuard need datagrams that refer to each other, WireGuard's the majority besides.
#[derive(Clone, Debug, Default)]
pub struct Votes {
    candidates: [Candidate; 3],
    seen: u16,
    links: Option<Box<Links>>,
}

/// Datagrams that vote.
const VOTERS: u16 = 64;
/// Datagrams among which a clear one is looked for where all others are encrypted.
const WATCHED: u16 = 4096;

impl Votes {
    /// Counts a datagram of side 0 or 1. Empty ones do not vote.
    pub fn add(&mut self, payload: &[u8], side: usize) {
        if payload.is_empty() || self.seen >= WATCHED {
            return;
        }
        let late = self.seen >= VOTERS;
        self.seen += 1;
        if late && !self.candidates.iter().any(|one| one.is(SEALED)) {
            self.seen = WATCHED;
            return;
        }
        let Some((row, certain)) = shaped(payload) else { return };
        let row = u8::try_from(row + 1).unwrap_or(0);
        let mine = Candidate { row, ..Candidate::default() };
        if late && (!certain || mine.is(SEALED | STUN)) {
            return;
        }
        let proven = mine.is(LINKED) && self.links.get_or_insert_default().add(payload, side);
        let certain = certain || proven;
        let place = self.place(row, certain && !mine.is(SEALED));
        let Some(slot) = place.and_then(|at| self.candidates.get_mut(at)) else { return };
        if slot.row != row {
            *slot = mine;
        }
        slot.sides |= if side == 0 { 1 } else { 2 };
        slot.all = slot.all.saturating_add(1);
        slot.certain = slot.certain.saturating_add(u8::from(certain));
    }

    /// Where the datagrams of a row are counted. What is certain and clear takes the place of what is not.
    fn place(&self, row: u8, clear: bool) -> Option<usize> {
        let held = |row: u8| self.candidates.iter().position(|one| one.row == row);
        let weak = || self.candidates.iter().position(|one| one.certain == 0).filter(|_| clear);
        let sealed = || self.candidates.iter().rposition(|one| one.is(SEALED)).filter(|_| clear);
        held(row).or_else(|| held(0)).or_else(weak).or_else(sealed)
    }

    /// The name so far.
    #[must_use]
    pub fn verdict(&self) -> Option<&'static str> {
        self.elected().and_then(Candidate::token)
    }

    /// Whether every datagram that voted has the elected shape.
    #[must_use]
    pub fn unanimous(&self) -> bool {
        self.elected().is_some_and(|one| u16::from(one.all) >= self.seen.min(VOTERS))
    }

    /// Whether both sides sent datagrams of the elected shape.
    #[must_use]
    pub fn both_sides(&self) -> bool {
        self.elected().is_some_and(|one| one.sides == 3)
    }

    /// The first of those candidates that have most datagrams.
    fn most(&self, of: impl Fn(Candidate) -> bool) -> Option<Candidate> {
        let of = self.candidates.iter().copied().filter(|&one| one.row > 0 && of(one));
        of.reduce(|best, one| if one.all > best.all { one } else { best })
    }

    fn elected(&self) -> Option<Candidate> {
        if let Some(clear) = self.most(|one| one.certain > 0 && !one.is(SEALED | STUN)) {
            return Some(clear);
        }
        // Two uncertain clear shapes name nothing where others are encrypted, but the flow is not called encrypted either.
        let doubt = self.most(|one| one.all >= 2 && !one.is(SEALED | STUN)).is_some();
        let majority = |one: Candidate| one.all >= 2 && u16::from(one.all) * 2 > self.seen.min(VOTERS);
        let proven = |one: Candidate| one.certain > 0 && one.is(SEALED) && (!one.is(WIREGUARD) || majority(one));
        if let Some(sealed) = self.most(proven) {
            return Some(sealed).filter(|_| !doubt);
        }
        if let Some(stun) = self.most(|one| one.certain > 0 && one.is(STUN)) {
            return Some(stun);
        }
        let most = self.most(|_| true)?;
        (majority(most) && !(most.is(SEALED) && doubt) && !most.is(LINKED)).then_some(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    /// Filled up with bytes as a cipher's.
    fn padded(text: &str, size: usize) -> Vec<u8> {
        let mut bytes = hex(text);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ size as u64;
        while bytes.len() < size {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.push((state >> 56) as u8);
        }
        bytes
    }

    fn name(bytes: &[u8]) -> Option<(&'static str, bool)> {
        let (row, certain) = shaped(bytes)?;
        Some((DATAGRAMS[row].0, certain))
    }

    fn vote(datagrams: &[(&[u8], usize)]) -> Option<&'static str> {
        let mut votes = Votes::default();
        for (datagram, side) in datagrams {
            votes.add(datagram, *side);
        }
        votes.verdict()
    }

    /// A transport message of WireGuard.
    fn sealed_message(receiver: u32, counter: u64, fill: &[u8]) -> Vec<u8> {
        [&[4, 0, 0, 0], &receiver.to_le_bytes()[..], &counter.to_le_bytes(), fill].concat()
    }

    fn samples() -> Vec<(&'static str, bool, Vec<u8>)> {
        let question = "0001 0000 0000 0000 03777777 076578616d706c65 03636f6d 00 0001 0001";
        let multicast = "0000 8400 0000 0001 0000 0000 05 5f687474 70 05 6c6f63616c 00 000c 8001 00000078 0002 c00c";
        let snmp = "30 1a 02 01 01 04 06 7075626c6963 a0 0d 02 01 01 02 01 00 02 01 00 30 02 06 00";
        let ike = "0102030405060708 0000000000000000 21 20 22 08 00000000 00000020 00000004";
        vec![
            ("dns", true, hex(&format!("1234 0100 {question}"))),
            ("dns", true, hex(&format!("1234 8183 {question}"))),
            ("dns", true, hex(multicast)),
            ("stun", true, hex("0001 0000 2112a442 000102030405060708090a0b")),
            ("ntp", true, hex(&format!("e3 00 04 fa 00010000 00010000 {} 0102030405060708", "00".repeat(28)))),
            ("snmp", true, hex(snmp)),
            ("radius", true, hex("01 07 001d 000102030405060708090a0b0c0d0e0f 01 05 626f62 04 04 0a00")),
            ("sip", true, b"OPTIONS sip:a@b SIP/2.0\r\n\r\n".to_vec()),
            ("syslog", true, b"<34>Oct 11 22:14:15 host su: failed".to_vec()),
            ("http", true, b"M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
            ("quic", true, padded("c3 00000001 08 0102030405060708 00 00 449e", 1200)),
            ("quic", true, padded("d3 6b3343cf 08 0102030405060708 00 00 449e", 1200)),
            ("quic", true, padded("c3 ff00001d 08 0102030405060708 00 00 449e", 1200)),
            ("quic", false, padded("e3 00000001 08 0102030405060708 00 4060", 113)),
            ("quic", false, padded("c3 1a2a3a4a 08 0102030405060708 00 00 449e", 1200)),
            ("quic", true, padded("0d de5df14f5545eb12 51303433 01", 60)),
            ("dtls", true, hex("16 fefd 0000 000000000000 0010 01 000004 0000 000000 000004 fefd 0000")),
            ("dtls", true, hex("15 feff 0000 000000000001 0002 0228")),
            ("wireguard", false, padded("01000000", 148)),
            ("wireguard", false, padded("04000000", 96)),
            ("ipsec", true, hex(ike)),
            ("ipsec", true, hex(&format!("00000000 {ike}"))),
            ("openvpn", false, hex("38 0102030405060708 00 00000000")),
            ("openvpn", false, hex("40 0102030405060708 01 00000000 1112131415161718 00000000")),
            ("thrift", true, [&hex("82 21 01 09")[..], b"emitBatch", &hex("1c 00")].concat()),
        ]
    }

    #[test]
    fn datagrams_have_the_name_of_their_shape() {
        for (token, certain, bytes) in samples() {
            assert_eq!(name(&bytes), Some((token, certain)), "{bytes:02x?}");
        }
    }

    #[test]
    fn random_and_cut_datagrams_have_no_certain_name() {
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..100_000 {
            let size = [14, 26, 42, 48, 54, 64, 92, 148, next() as usize % 200][next() as usize % 9];
            let bytes: Vec<u8> = (0..size).map(|_| (next() >> 32) as u8).collect();
            assert_eq!(name(&bytes), None, "{bytes:02x?}");
        }
        for (token, _, bytes) in samples() {
            for at in 0..bytes.len() {
                let named = name(&bytes[..at]);
                assert!(named.is_none_or(|named| named.0 == token), "{token} cut at {at}: {named:?}");
            }
            for _ in 0..2_000 {
                let mut bytes = bytes.clone();
                let at = next() as usize % bytes.len();
                bytes[at] = next() as u8;
                let _ = name(&bytes);
            }
        }
        for byte in 0..=255 {
            for size in [12, 14, 28, 48, 64, 148, 400] {
                assert_eq!(name(&vec![byte; size]), None, "{byte:02x} {size}");
            }
        }
    }

    #[test]
    fn votes_need_one_certain_datagram_or_a_majority() {
        let vote = |datagrams: &[&[u8]]| {
            let sides: Vec<_> = datagrams.iter().enumerate().map(|(at, datagram)| (*datagram, at % 2)).collect();
            vote(&sides)
        };
        let noise: &[u8] = &[0x77; 40];
        let (quic, stun) = (
            padded("c3 00000001 08 0102030405060708 00 00 449e", 1200),
            hex("0001 0000 2112a442 000102030405060708090a0b"),
        );
        let dtls = hex("15 feff 0000 000000000001 0002 0228");
        let grease = padded("c3 1a2a3a4a 08 0102030405060708 00 00 449e", 1200);
        let syslog: &[u8] = b"<34>Oct 11 22:14:15 host su: failed";
        assert_eq!(vote(&[]), None);
        assert_eq!(vote(&[&quic, noise, noise, noise]), Some("quic"));
        assert_eq!(vote(&[&stun, &stun, &dtls, noise]), Some("dtls"));
        assert_eq!(vote(&[&grease]), None);
        assert_eq!(vote(&[&grease, &grease, noise]), Some("quic"));
        assert_eq!(vote(&[&grease, &grease, noise, noise]), None);
        assert_eq!(vote(&[&quic, syslog]), Some("syslog"), "clear bytes win");
        assert!(size_of::<Votes>() <= 24);
    }

    #[test]
    fn clear_datagrams_win_wherever_and_beside_whatever_they_come() {
        let stun = hex("0001 0000 2112a442 000102030405060708090a0b");
        let dtls = hex("16 fefd 0000 000000000000 0010 01 000004 0000 000000 000004 fefd 0000");
        let quic = padded("c3 00000001 08 0102030405060708 00 00 449e", 1200);
        let guard = padded("04000000", 96);
        let syslog: &[u8] = b"<34>Oct 11 22:14:15 host su: failed";
        assert_eq!(vote(&[(&stun, 0), (&dtls, 0), (syslog, 0)]), Some("syslog"));
        assert_eq!(vote(&[(&stun, 0), (&dtls, 0), (&quic, 0), (syslog, 0)]), Some("syslog"), "a third name beside two");
        assert_eq!(vote(&[(&stun, 0), (&guard, 0), (&dtls, 0), (&quic, 1), (syslog, 0)]), Some("syslog"));
        let mut late = vec![(&dtls[..], 0); 300];
        assert_eq!(vote(&late), Some("dtls"));
        late.push((syslog, 1));
        assert_eq!(vote(&late), Some("syslog"));
        let radius = hex("02 07 0014 000102030405060708090a0b0c0d0e0f");
        assert_eq!(name(&radius), Some(("radius", false)));
        assert_eq!(vote(&[(&dtls, 0), (&radius, 0), (&radius, 1)]), None, "clear shapes in doubt");
    }

    #[test]
    fn sealed_rows_are_those_of_the_table() {
        for (bit, (token, ..)) in DATAGRAMS.iter().enumerate() {
            assert_eq!(SEALED >> bit & 1 == 1, crate::capture::signature::encrypted(token), "{token}");
        }
    }

    #[test]
    fn wireguard_needs_messages_that_refer_to_each_other() {
        let text: &[u8] = b"temperature=21;humidity=40;x";
        let plain = [&[4, 0, 0, 0][..], text].concat();
        assert_eq!(vote(&[(&plain, 0), (&plain, 1), (&plain, 0), (&plain, 1)]), None, "text");
        let fill = padded("", 48);
        let data = |receiver: u32, counter: u64| sealed_message(receiver, counter, &fill);
        let run = [data(7, 0), data(7, 1), data(7, 2), data(7, 3)];
        assert_eq!(vote(&[(&run[0], 0), (&run[1], 0), (&run[2], 0)]), None, "three");
        assert_eq!(vote(&[(&run[0], 0), (&run[1], 0), (&run[2], 0), (&run[3], 0)]), Some("wireguard"));
        let noise: &[u8] = &[0x77; 40];
        let mixed: Vec<_> = run.iter().flat_map(|one| [(&one[..], 0), (noise, 1)]).collect();
        assert_eq!(vote(&mixed), None, "half of all");
        assert_eq!(vote(&[(&run[0], 0), (&run[0], 0), (&run[0], 0), (&run[0], 0)]), None, "no counter");
        let large: Vec<_> = (0..8).map(|at| data(7, u64::MAX - 9 + at)).collect();
        assert_eq!(vote(&large.iter().map(|one| (&one[..], 0)).collect::<Vec<_>>()), None, "no such counter");
        let others: Vec<_> = (0..8).map(|at| data(at, u64::from(at))).collect();
        assert_eq!(vote(&others.iter().map(|one| (&one[..], 0)).collect::<Vec<_>>()), None, "no one receiver");
        let (hello, answer) = (padded("01000000 0a000000", 148), padded("02000000 0b000000 0a000000", 92));
        assert_eq!(vote(&[(&hello, 0)]), None);
        assert_eq!(vote(&[(&hello, 0), (&answer, 1)]), Some("wireguard"));
        assert_eq!(vote(&[(&hello, 0), (&data(10, 0), 1)]), Some("wireguard"), "addressed by its index");
        assert_eq!(vote(&[(&hello, 0), (&data(11, 0), 1)]), None);
        assert_eq!(vote(&[(&hello, 0), (&data(11, 0), 0), (&data(11, 1), 0)]), Some("wireguard"), "one side");
        let mut lines = b"\x01\0\0\0".to_vec();
        lines.resize(148, b'a');
        assert_eq!(vote(&[(&lines, 0), (&lines, 0), (&lines, 1)]), None);
    }

    #[test]
    fn openvpn_needs_both_sides() {
        let reset = hex("38 0102030405060708 00 00000000");
        let answer = hex("40 1112131415161718 01 00000000 0102030405060708 00000000");
        let stranger = hex("40 1112131415161718 01 00000000 0902030405060708 00000000");
        assert_eq!(vote(&[(&reset, 0), (&reset, 0), (&reset, 1)]), None);
        assert_eq!(vote(&[(&reset, 0), (&answer, 1)]), Some("openvpn"));
        assert_eq!(vote(&[(&reset, 0), (&stranger, 1)]), None);
        let (reset, answer) =
            (padded("38 0102030405060708 00000001 5f5f5f5f", 54), padded("40 1112131415161718 00000001 5f5f5f5f", 66));
        assert_eq!(vote(&[(&reset, 0), (&reset, 0)]), None);
        let wrapped =
            vote(&[(&reset[..53], 0), (&padded("38 0102030405060708 00000001 5f5f5f5f", 90), 0), (&answer, 1)]);
        assert_eq!(wrapped, Some("openvpn"));
        let text = [b"8sessions\0\0\0\x01".as_slice(), &[b'x'; 80]].concat();
        assert_eq!(name(&text), None);
    }

    #[test]
    fn plaintext_in_the_frame_of_an_encrypted_protocol_has_no_name() {
        let filled = |text: &str, size: usize| {
            let mut bytes = hex(text);
            bytes.resize(size, b'a');
            bytes
        };
        let cases = [
            ("text in an Initial", filled("c3 00000001 08 0102030405060708 00 00 449e", 1200)),
            ("a length beyond the datagram", padded("c3 00000001 08 0102030405060708 00 00 44ff", 1200)),
            ("no length", padded("c3 00000001 00 00", 40)),
            ("a long connection number", padded("c3 00000001 15", 1200)),
            ("an unknown version", padded("c3 00000007 08 0102030405060708 00 00 449e", 1200)),
            ("versions", hex("80 00000000 08 0102030405060708 00 00000001 ff00001d")),
            ("data before a handshake", filled("17 fefd 0000 000000000000 0020", 45)),
            ("data without a cipher", filled("17 fefd 0001 000000000000 0040", 77)),
            ("no fragment", filled("16 fefd 0000 000000000000 0010 01", 29)),
            (
                "a payload beyond the message",
                hex("0102030405060708 0000000000000000 21 20 22 08 00000000 00000020 00000054"),
            ),
        ];
        for (what, bytes) in cases {
            assert_eq!(name(&bytes), None, "{what}");
        }
        let old = hex("15 0100 0000 000000000001 0002 0228");
        assert_eq!(name(&old), Some(("dtls", false)));
    }
}
