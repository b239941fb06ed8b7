//! Protocols of datagrams that encrypt by themselves: shapes that plaintext does not have.

use crate::capture::signature::bytes::{array, be16, be32, begins, find, first, rest, u8_at};

/// Whether bytes are scattered as those of a cipher are. Text in any encoding and tables of numbers are not: too few
/// different bytes, or too few or too many with the highest bit. Sixteen bytes at least; the first 128 count.
pub fn scattered(bytes: &[u8]) -> bool {
    let bytes = first(bytes, 128);
    let mut met = [0u64; 4];
    let mut high = 0;
    for &byte in bytes {
        if let Some(word) = met.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
        high += usize::from(byte >> 7);
    }
    let different: u32 = met.iter().map(|word| word.count_ones()).sum();
    // Of 128 random bytes 101 are different, with a deviation of 4; of 16 nearly all.
    bytes.len() >= 16
        && different as usize * 9 >= bytes.len() * 5
        && (bytes.len() / 8..=bytes.len() * 7 / 8).contains(&high)
}

/// A number of QUIC (RFC 9000 16) and where the next field begins.
fn variable(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let lead = u8_at(bytes, at)?;
    let size = 1usize << (lead >> 6);
    let mut number = usize::from(lead & 63);
    for next in 1..size {
        number = number << 8 | usize::from(u8_at(bytes, at + next)?);
    }
    Some((number, at + size))
}

/// Smallest datagram with a client's Initial (RFC 9000 14.1).
const INITIAL: usize = 1200;

/// QUIC's long header (RFC 8999, 9000, 9369): versions 1 and 2, drafts, Facebook's and Google's, with lengths that fit the
/// datagram and encrypted bytes behind. Certain is an Initial of full size; other packets, and an Initial of a reserved
/// version (`?a?a?a?a`), are not. A list of versions is an answer to anything, short headers have no shape.
pub fn quic(bytes: &[u8]) -> Option<bool> {
    let flags = u8_at(bytes, 0)?;
    if flags & 0x80 == 0 {
        return quic_public(bytes, flags);
    }
    let version = be32(bytes, 1)?;
    // Google's before it took over the lengths of the drafts.
    if matches!(version, 0x5130_3434 | 0x5130_3436) {
        let body = packed(bytes)?;
        return (bytes.len() >= INITIAL && chosen(rest(bytes, body))).then_some(true);
    }
    let (known, reserved) = match version {
        1 | 0x6b33_43cf | 0xff00_0001..=0xff00_00ff | 0xface_b000..=0xface_b010 => (true, false),
        // `Q047` to `Q050`, `T048` to `T051`.
        0x5130_3437..=0x5130_3439 | 0x5130_3530 | 0x5430_3438..=0x5430_3439 | 0x5430_3530..=0x5430_3531 => {
            (true, false)
        }
        other => (false, other & 0x0f0f_0f0f == 0x0a0a_0a0a),
    };
    if flags & 0x40 == 0 || !(known || reserved) {
        return None;
    }
    // Until draft 21 both lengths share one byte.
    let at = if (0xff00_0001..=0xff00_0015).contains(&version) {
        packed(bytes)?
    } else {
        let destination = usize::from(u8_at(bytes, 5)?);
        let source = usize::from(u8_at(bytes, 6 + destination)?);
        if destination > 20 || source > 20 {
            return None;
        }
        7 + destination + source
    };
    let kind = flags >> 4 & 3;
    let (initial, retry) = if version == 0x6b33_43cf { (kind == 1, kind == 0) } else { (kind == 0, kind == 3) };
    if retry {
        return None;
    }
    let at = if initial {
        let (token, at) = variable(bytes, at)?;
        at.checked_add(token)?
    } else {
        at
    };
    let (length, at) = variable(bytes, at)?;
    let body = bytes.get(at..at.checked_add(length)?)?;
    let sealed = if version >> 8 == 0x0051_3034 { chosen(body) } else { scattered(body) };
    (length >= 20 && sealed).then_some(known && initial && bytes.len() >= INITIAL)
}

/// Where the body begins behind connection numbers whose lengths share one byte.
fn packed(bytes: &[u8]) -> Option<usize> {
    let lengths = u8_at(bytes, 5)?;
    let bytes_of = |code: u8| if code == 0 { 0 } else { usize::from(code) + 3 };
    Some(bytes_of(lengths >> 4) + bytes_of(lengths & 15) + 6)
}

/// Encrypted bytes, or the first message of Google's handshake, which is not.
fn chosen(body: &[u8]) -> bool {
    scattered(body) || find(first(body, 80), b"CHLO").is_some()
}

/// Google's older public header: flags, connection number, `Q0nn`, packet number, a hash of 12 bytes.
fn quic_public(bytes: &[u8], flags: u8) -> Option<bool> {
    let version: [u8; 4] = array(bytes, 9)?;
    let [b'Q', b'0', tens @ b'2'..=b'4', ones @ b'0'..=b'9'] = version else { return None };
    let known = (24..=46).contains(&((tens - b'0') * 10 + ones - b'0'));
    let flagged = matches!(flags, 0x09 | 0x0d | 0x19 | 0x1d | 0x29 | 0x2d);
    (flagged && known && chosen(rest(bytes, 14))).then_some(true)
}

/// DTLS 1.0 and 1.2 (RFC 6347 4.1), what OpenSSL spoke before them (version 1.0: uncertain), and the clear part of 1.3:
/// records that fill the datagram exactly.
pub fn dtls(bytes: &[u8]) -> Option<bool> {
    let (mut at, mut records, mut certain) = (0, 0, true);
    while at < bytes.len() {
        let [kind, major, minor] = array(bytes, at)?;
        // After the first record a 1.3 datagram may go on with encrypted ones (RFC 9147 4).
        if records > 0 && kind & 0xe0 == 0x20 {
            break;
        }
        let length = usize::from(be16(bytes, at + 11)?);
        let body = bytes.get(at + 13..at + 13 + length)?;
        let versioned = matches!((major, minor), (0xfe, 0xfd | 0xff) | (1, 0));
        certain &= major == 0xfe;
        let clear = be16(bytes, at + 3)? == 0;
        let sane = match kind {
            // One byte, and in version 1.0 a number behind it.
            20 if clear => matches!(length, 1 | 3) && u8_at(body, 0)? == 1,
            21 if clear => length >= 2 && matches!(u8_at(body, 0)?, 1 | 2),
            22 if clear => matches!(u8_at(body, 0)?, 0..=4 | 11..=16 | 20..=24 | 67) && fragment(body)?,
            // Data before the handshake is not encrypted.
            23 | 24 if clear => false,
            23 => length < 40 || scattered(rest(body, 8)),
            20..=25 => true,
            _ => false,
        };
        if !versioned || !sane || length == 0 || length > 16_384 + 2048 {
            return None;
        }
        at += 13 + length;
        records += 1;
    }
    Some(certain)
}

/// The fragment of a handshake message lies within the message and the record (RFC 6347 4.2.2).
fn fragment(body: &[u8]) -> Option<bool> {
    let whole = be32(body, 0)? & 0x00ff_ffff;
    let offset = be32(body, 5)? & 0x00ff_ffff;
    let length = be32(body, 8)? & 0x00ff_ffff;
    Some(offset + length <= whole && length as usize + 12 <= body.len())
}

/// WireGuard: the type, three zero bytes, the size that each type has, and encrypted bytes. Uncertain: what the flow's
/// datagrams say to each other decides.
pub fn wireguard(bytes: &[u8]) -> Option<bool> {
    let [kind, reserved @ ..] = array::<4>(bytes, 0)?;
    let sized = match kind {
        1 => bytes.len() == 148 && scattered(first(rest(bytes, 8), 108)),
        2 => bytes.len() == 92 && scattered(first(rest(bytes, 12), 64)),
        3 => bytes.len() == 64 && scattered(rest(bytes, 8)),
        4 => bytes.len() >= 32 && bytes.len().is_multiple_of(16) && scattered(rest(bytes, 16)),
        _ => false,
    };
    (sized && reserved == [0; 3]).then_some(false)
}

/// IKE versions 1 and 2 (RFC 7296 3.1), after the marker of four zeros on port 4500 (RFC 3948) or without it: the length is
/// the datagram's, and the first payload lies within. ESP in UDP has no shape.
pub fn ike(bytes: &[u8]) -> Option<bool> {
    let message = if begins(bytes, &[0; 4])? { rest(bytes, 4) } else { bytes };
    let [next, version, exchange, flags] = array(message, 16)?;
    let length = be32(message, 24)?;
    let shaped = match version {
        0x10 => matches!(exchange, 1..=6 | 32 | 33) && next <= 21 && flags & !7 == 0,
        0x20 => matches!(exchange, 34..=44) && (next == 0 || (33..=53).contains(&next)) && flags & !0x38 == 0,
        _ => false,
    };
    let initiator: [u8; 8] = array(message, 0)?;
    if !shaped || length as usize != message.len() || length < 28 || initiator == [0; 8] {
        return None;
    }
    // Version 1 encrypts all payloads where its flag says so.
    let opaque = next == 0 || version == 0x10 && flags & 1 == 1;
    let within = || Some((4..=message.len() - 28).contains(&usize::from(be16(message, 30)?)));
    (opaque || within()?).then_some(true)
}

/// Where the acknowledgments of a hard reset of OpenVPN begin: behind the session number and, with `tls-auth`, an HMAC
/// (SHA-1, 256 or 512), packet number and time.
fn openvpn_tail(bytes: &[u8]) -> Option<usize> {
    let authenticated = |hmac: usize| be32(bytes, 9 + hmac) == Some(1);
    match bytes.len() {
        14 | 26 => Some(9),
        42 | 54 if authenticated(20) => Some(37),
        54 | 66 if authenticated(32) => Some(49),
        86 | 98 if authenticated(64) => Some(81),
        _ => None,
    }
}

/// The session number that a server's hard reset of OpenVPN acknowledges.
pub fn openvpn_peer(bytes: &[u8]) -> Option<[u8; 8]> {
    let tail = rest(bytes, openvpn_tail(bytes)?);
    array(tail, 5).filter(|_| u8_at(bytes, 0) == Some(0x40))
}

/// Under `tls-crypt` only the first packet's number stands in clear.
pub fn openvpn_wrapped(bytes: &[u8]) -> bool {
    let sealed = (54..=1500).contains(&bytes.len()) && scattered(rest(bytes, 17));
    openvpn_tail(bytes).is_none() && be32(bytes, 9) == Some(1) && sealed
}

/// OpenVPN's hard resets: the session number, and behind the (optional) HMAC what the first packet always says.
/// Uncertain: both sides must be there, and the server's name the client's session.
pub fn openvpn(bytes: &[u8]) -> Option<bool> {
    let kind = u8_at(bytes, 0)?;
    let Some(tail) = openvpn_tail(bytes) else { return openvpn_wrapped(bytes).then_some(false) };
    let tail = rest(bytes, tail);
    let fits = match kind {
        0x38 => tail == [0; 5],
        0x40 => tail.len() == 17 && u8_at(tail, 0)? == 1 && be32(tail, 1)? == 0 && be32(tail, 13)? == 0,
        _ => false,
    };
    fits.then_some(false)
}
