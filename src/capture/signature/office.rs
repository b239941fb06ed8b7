//! Directories, files and desktops: LDAP, Kerberos, SMB, DCE/RPC, RDP, RFB.

use super::bytes::{array, be16, be24, be32, begins, find, first, le16, line, rest, u8_at};
use super::{Answer, Heads, Look, join};

/// One BER or DER element: tag, header length, content length (definite forms of up to four bytes).
#[derive(Clone, Copy)]
pub struct Element {
    /// Identifier byte.
    pub tag: u8,
    /// Bytes of identifier and length.
    pub header: usize,
    /// Bytes of content.
    pub length: usize,
}

/// The element at an offset. A length that is none gives tag 0.
pub fn element(bytes: &[u8], at: usize) -> Option<Element> {
    let [tag, short] = array(bytes, at)?;
    if short < 0x80 {
        return Some(Element { tag, header: 2, length: usize::from(short) });
    }
    let count = usize::from(short & 0x7f);
    if !(1..=4).contains(&count) {
        return Some(Element { tag: 0, header: 2, length: 0 });
    }
    let digits = bytes.get(at + 2..at + 2 + count)?;
    let length = digits.iter().fold(0usize, |sum, &digit| sum << 8 | usize::from(digit));
    Some(Element { tag, header: 2 + count, length })
}

/// A message of LDAP: sequence, message number, one operation that ends with the message or before its controls.
pub struct LdapMessage {
    /// Bytes of the whole message.
    pub size: usize,
    /// Message number.
    pub number: u32,
    /// Tag of the operation.
    pub operation: u8,
    /// Offset of the operation's content.
    pub content: usize,
}

/// The message at the start of bytes. `Some(None)`: no LDAP.
pub fn ldap_message(bytes: &[u8]) -> Option<Option<LdapMessage>> {
    if u8_at(bytes, 0)? != 0x30 {
        return Some(None);
    }
    let outer = element(bytes, 0)?;
    let number = element(bytes, outer.header)?;
    if outer.tag != 0x30 || number.tag != 2 || !(1..=4).contains(&number.length) {
        return Some(None);
    }
    let at = outer.header + 2;
    let digits = bytes.get(at..at + number.length)?;
    let operation_at = at + number.length;
    let operation = element(bytes, operation_at)?;
    let end = operation_at + operation.header + operation.length;
    let size = outer.header + outer.length;
    // After the operation only controls, [0], may stand.
    let closes = end == size || end < size && bytes.get(end).is_none_or(|&tag| tag == 0xa0);
    let number = digits.iter().fold(0u32, |sum, &digit| sum << 8 | u32::from(digit));
    let message = LdapMessage { size, number, operation: operation.tag, content: operation_at + operation.header };
    Some((closes && operation.tag & 0x1f <= 25).then_some(message))
}

/// LDAP (RFC 4511): requests on one side, answers on the other; a bind of version 3 or an extended request alone proves.
///
/// | client | server | answer |
/// |---|---|---|
/// | bind, version 3 | bind response | both |
/// | bind, version 3 | | one-sided |
/// | search | | more |
/// | SNMP: 30 n 02 01 01 04 | | no |
pub fn ldap(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        let Some(message) = ldap_message(bytes)? else { return Some(Look::No) };
        Some(match message.operation {
            0x60 => {
                let version: [u8; 3] = array(bytes, message.content)?;
                Look::proven(matches!(version, [2, 1, 2 | 3]))
            }
            0x77 => Look::proven(
                u8_at(bytes, message.content)? == 0x80 && u8_at(bytes, message.content + 2)?.is_ascii_digit(),
            ),
            0x63 | 0x66 | 0x68 | 0x6c | 0x6e => Look::Fits,
            0x42 => Look::fits(message.size == 7),
            0x4a => Look::Fits,
            _ => Look::No,
        })
    });
    let server = Look::at(heads.server, |bytes| {
        let Some(message) = ldap_message(bytes)? else { return Some(Look::No) };
        Some(match message.operation {
            // A result: an enumeration of one byte comes first.
            0x61 | 0x65 | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | 0x78 => {
                Look::fits(array::<2>(bytes, message.content)? == [0x0a, 1])
            }
            0x64 | 0x73 | 0x79 => Look::Fits,
            _ => Look::No,
        })
    });
    join(heads, client, server)
}

/// Kerberos over TCP (RFC 4120 7.2.2): a length, then a message of protocol version 5 that closes with it.
pub fn kerberos(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8], tags: [u8; 3]| {
        if bytes.first() != Some(&0) {
            return Some(Look::No);
        }
        let length = be32(bytes, 0)? as usize;
        if !tags.contains(&u8_at(bytes, 4)?) {
            return Some(Look::No);
        }
        let outer = element(bytes, 4)?;
        let closes = outer.header + outer.length == length;
        Some(if closes { kerberos_message(rest(bytes, 4))? } else { Look::No })
    };
    let client = Look::at(heads.client, |bytes| side(bytes, [0x6a, 0x6c, 0x6e]));
    join(heads, client, Look::at(heads.server, |bytes| side(bytes, [0x6b, 0x6d, 0x7e])))
}

/// The look of a Kerberos message: application tag 10 to 14 or 30, a sequence, the version 5. Also of a datagram.
pub fn kerberos_message(bytes: &[u8]) -> Option<Look> {
    let outer = element(bytes, 0)?;
    if !matches!(outer.tag, 0x6a..=0x6e | 0x7e) {
        return Some(Look::No);
    }
    let inner = element(bytes, outer.header)?;
    if inner.tag != 0x30 || inner.header + inner.length != outer.length {
        return Some(Look::No);
    }
    let version: [u8; 5] = array(bytes, outer.header + inner.header)?;
    Some(Look::proven(matches!(version, [0xa0 | 0xa1, 3, 2, 1, 5])))
}

/// SMB 1 to 3 over TCP: a NetBIOS length and a magic; or a NetBIOS session request with its answer.
pub fn smb(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8], session: u8| {
        let kind = u8_at(bytes, 0)?;
        if kind == session {
            return Some(Look::fits(be24(bytes, 1)? <= 256));
        }
        if kind != 0 {
            return Some(Look::No);
        }
        let magic: [u8; 4] = array(bytes, 4)?;
        Some(Look::proven(be24(bytes, 1)? >= 32 && matches!(magic, [0xfc..=0xff, b'S', b'M', b'B'])))
    };
    let asks = heads.client.first() == Some(&0x81);
    // A session request alone is a length and a byte: the name in it, 32 letters from A to P, makes it one.
    let named =
        !asks || heads.client.get(5..37).is_some_and(|name| name.iter().all(|byte| (b'A'..=b'P').contains(byte)));
    let client = Look::at(heads.client, |bytes| if named { side(bytes, 0x81) } else { Some(Look::No) });
    join(heads, client, Look::at(heads.server, |bytes| side(bytes, 0x82)))
}

/// DCE/RPC over TCP: version 5, a bind with its fragment's length, answered in kind.
///
/// | client | server | answer |
/// |---|---|---|
/// | bind (0x0b) | bind ack (0x0c) | both |
/// | bind | | one-sided |
pub fn dcerpc(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8], kinds: &[u8]| {
        let [version, minor, kind, flags] = array(bytes, 0)?;
        if version != 5 || minor > 1 || !kinds.contains(&kind) || flags & 0x40 != 0 {
            return Some(Look::No);
        }
        let order: [u8; 4] = array(bytes, 4)?;
        let little = order == [0x10, 0, 0, 0];
        let length = if little { le16(bytes, 8)? } else { be16(bytes, 8)? };
        let auth = if little { le16(bytes, 10)? } else { be16(bytes, 10)? };
        let sane = (little || order == [0; 4]) && length >= 16 && auth < length;
        Some(if !sane {
            Look::No
        } else if little {
            Look::Proves
        } else {
            Look::Fits
        })
    };
    let client =
        Look::at(heads.client, |bytes| side(bytes, if heads.from_start { &[0x0b] } else { &[0, 0x0b, 0x0e, 0x10] }));
    join(heads, client, Look::at(heads.server, |bytes| side(bytes, &[2, 3, 0x0c, 0x0d, 0x0f])))
}

/// RDP's opening (MS-RDPBCGR 2.2.1.1): TPKT around an X.224 connection request with a cookie or a negotiation request,
/// answered by a connection confirm.
///
/// | client | server | answer |
/// |---|---|---|
/// | 03 00 .. E0 .. negotiation | 03 00 .. D0 | both |
/// | S7 (E0 with other parameters) | 03 00 .. D0 | no |
pub fn rdp(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        if !begins(bytes, &[3, 0])? {
            return Some(Look::No);
        }
        let length = usize::from(be16(bytes, 2)?);
        let [indicator, kind] = array(bytes, 4)?;
        if kind != 0xe0 || usize::from(indicator) + 5 != length || length < 11 {
            return Some(Look::No);
        }
        let told = bytes.get(11..length)?;
        let negotiates = told.iter().rev().nth(7).is_some_and(|&first| first == 1)
            && told.len().checked_sub(6).and_then(|at| le16(told, at)) == Some(8);
        let cookie = find(told, b"Cookie: ").is_some();
        Some(if negotiates || cookie { Look::Proves } else { Look::fits(told.is_empty()) })
    });
    let server = Look::at(heads.server, |bytes| {
        if !begins(bytes, &[3, 0])? {
            return Some(Look::No);
        }
        let length = be16(bytes, 2)?;
        Some(Look::fits(
            u8_at(bytes, 5)? == 0xd0 && matches!(length, 11 | 19) && u16::from(u8_at(bytes, 4)?) + 5 == length,
        ))
    });
    join(heads, client, server)
}

/// RFB, the protocol of VNC (RFC 6143 7.1.1): both sides say their version in twelve bytes.
pub fn rfb(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8]| {
        if !begins(bytes, b"RFB 00")? {
            return Some(Look::No);
        }
        let Some((line, _)) = line(first(bytes, 12)) else { return (bytes.len() >= 12).then_some(Look::No) };
        Some(Look::proven(line.len() == 11 && line.get(7) == Some(&b'.')))
    };
    join(heads, Look::at(heads.client, side), Look::at(heads.server, side))
}
