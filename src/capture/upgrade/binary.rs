//! Upgrades that binary messages ask for: MySQL, PostgreSQL, LDAP, AMQP 1.0, RDP, SOCKS.

use super::{Handover, tunnel};
use crate::capture::signature::bytes::{array, be16, be32, first, le16, le32, rest, u8_at};
use crate::capture::signature::{Heads, database, ldap_message};
use database::pg;

/// Capability flag of MySQL clients that go on with TLS.
const CLIENT_SSL: u32 = 0x0800;

/// MySQL and MariaDB ("Protocol::SSLRequest"): a packet of 32 bytes (5 before version 4.1) with that flag and nothing else.
/// The server does not answer it in clear: its TLS begins behind the greeting.
pub fn mysql(heads: &Heads<'_>) -> Handover {
    let Some((length, 1)) = database::my_packet(heads.client) else { return Handover::None };
    let flags = match length {
        32 => le32(heads.client, 4),
        5 => le16(heads.client, 4).map(u32::from),
        _ => return Handover::None,
    };
    match flags {
        None => return Handover::Asked,
        Some(flags) if flags & CLIENT_SSL == 0 => return Handover::None,
        Some(_) if heads.client.len() < length + 4 => return Handover::Asked,
        Some(_) => {}
    }
    let server = match database::my_packet(heads.server) {
        Some((greeting, 0)) if heads.server.len() >= greeting + 4 => greeting + 4,
        // The greeting is not complete, or was not captured.
        _ if heads.from_start => return Handover::Asked,
        _ => 0,
    };
    Handover::Tls { client: length + 4, server }
}

/// PostgreSQL: SSLRequest and GSSENCRequest, in either order, each answered by one byte. What a granted GSSENCRequest
/// leads to must be seen.
pub fn pgsql(heads: &Heads<'_>) -> Handover {
    let (mut client, mut server) = (0, 0);
    let mut otherwise = Handover::None;
    for _ in 0..3 {
        let request = rest(heads.client, client);
        if request.len() < 8 {
            // A second request may follow a refusal.
            return if client > 0 { Handover::Asked } else { Handover::None };
        }
        let code = be32(request, 4).unwrap_or(0);
        if be32(request, 0) != Some(8) || !matches!(code, pg::SSL | pg::GSS) {
            return otherwise;
        }
        match (u8_at(heads.server, server), code) {
            (None, _) => return Handover::Asked,
            (Some(b'S'), pg::SSL) => return Handover::Tls { client: client + 8, server: server + 1 },
            (Some(b'G'), pg::GSS) => return gss(heads, client + 8, server + 1),
            (Some(b'N'), _) => otherwise = Handover::Refused,
            (Some(_), _) => return Handover::Refused,
        }
        client += 8;
        server += 1;
    }
    otherwise
}

/// Both sides go on with tokens of GSSAPI, each behind its length in four bytes. A StartupMessage in clear, which has its
/// version where the token's first bytes would be, is none.
fn gss(heads: &Heads<'_>, client: usize, server: usize) -> Handover {
    let tokens = (token(rest(heads.client, client), &[0x60]), token(rest(heads.server, server), &[0x60, 0xa1]));
    match tokens {
        (Some(true), Some(true)) => Handover::Gss,
        (Some(false), _) | (_, Some(false)) => Handover::None,
        _ if heads.complete => Handover::None,
        _ => Handover::Asked,
    }
}

/// Largest token of a handshake that PostgreSQL sends or takes.
const GSS_TOKEN: u32 = 65_536;

/// Whether bytes begin with a length and a token of one of these ASN.1 tags: an initial token (0x60) names its mechanism
/// first (RFC 2743 3.1), SPNEGO answers with 0xa1 (RFC 4178 4.2). `None`: too few to tell.
fn token(bytes: &[u8], tags: &[u8]) -> Option<bool> {
    let length = be32(bytes, 0)?;
    if !(8..=GSS_TOKEN).contains(&length) {
        return Some(false);
    }
    let tag = u8_at(bytes, 4)?;
    if !tags.contains(&tag) {
        return Some(false);
    }
    let (content, header) = match u8_at(bytes, 5)? {
        short @ 0..=0x7f => (u32::from(short), 2),
        0x81 => (u32::from(u8_at(bytes, 6)?), 3),
        0x82 => (u32::from(be16(bytes, 6)?), 4),
        _ => return Some(false),
    };
    let inner = u8_at(bytes, 4 + header)?;
    let named = if tag == 0x60 { inner == 6 } else { inner == 0x30 };
    Some(named && u32::try_from(header).is_ok_and(|header| content + header == length))
}

/// The extended operation that asks for TLS (RFC 4511 4.14.1).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// LDAP: that extended request, and the response to its message number with result 0.
pub fn ldap(heads: &Heads<'_>) -> Handover {
    let mut client = 0;
    for _ in 0..64 {
        let left = rest(heads.client, client);
        let Some(Some(message)) = ldap_message(left) else { return Handover::None };
        let name = first(rest(left, message.content + 2), START_TLS.len());
        client += message.size;
        if message.operation != 0x77 || name != START_TLS {
            continue;
        }
        return if client > heads.client.len() { Handover::Asked } else { ldap_answer(heads, client, message.number) };
    }
    Handover::None
}

fn ldap_answer(heads: &Heads<'_>, client: usize, number: u32) -> Handover {
    let mut server = 0;
    for _ in 0..1024 {
        let left = rest(heads.server, server);
        let message = match ldap_message(left) {
            None => return Handover::Asked,
            Some(None) => return Handover::Refused,
            Some(Some(message)) => message,
        };
        server += message.size;
        if message.operation != 0x78 || message.number != number {
            continue;
        }
        if server > heads.server.len() {
            return Handover::Asked;
        }
        return match array::<3>(left, message.content) {
            Some([0x0a, 1, 0]) => Handover::Tls { client, server },
            _ => Handover::Refused,
        };
    }
    Handover::Asked
}

/// AMQP 1.0 (5.2.1): the TLS header both ways.
pub fn amqp(heads: &Heads<'_>) -> Handover {
    const TLS: &[u8] = b"AMQP\x02\x01\0\0";
    if !heads.client.starts_with(TLS) {
        return Handover::None;
    }
    if heads.server.starts_with(TLS) {
        return Handover::Tls { client: 8, server: 8 };
    }
    if TLS.starts_with(heads.server) { Handover::Asked } else { Handover::Refused }
}

/// RDP (MS-RDPBCGR 2.2.1.2): the connection confirm with the protocol that the server chose; 0 is its own security.
pub fn rdp(heads: &Heads<'_>) -> Handover {
    let (Some(client), Some(server)) = (be16(heads.client, 2), be16(heads.server, 2)) else { return Handover::Asked };
    let (client, server) = (usize::from(client), usize::from(server));
    let asked = heads.client.get(..client).and_then(|packet| le32(packet, client.checked_sub(4)?));
    if client < 19 || asked == Some(0) {
        return Handover::None;
    }
    if heads.server.len() < server {
        return Handover::Asked;
    }
    match (u8_at(heads.server, 11), le32(heads.server, 15)) {
        (Some(2), Some(protocol)) if server == 19 && protocol != 0 => Handover::Tls { client, server },
        _ => Handover::Refused,
    }
}

/// SOCKS 5 and 4: what follows the granted request.
pub fn socks(heads: &Heads<'_>) -> Handover {
    let ends = match u8_at(heads.client, 0) {
        Some(5) => socks_five(heads),
        Some(4) => socks_four(heads),
        _ => return Handover::None,
    };
    match ends {
        Some(Ok((client, server))) => tunnel(heads, client, server),
        Some(Err(())) => Handover::None,
        None if heads.complete => Handover::None,
        None => Handover::Asked,
    }
}

/// Where a tunnel's inside begins; an error where it was refused; `None`: not there yet.
type Ends = Option<Result<(usize, usize), ()>>;

fn socks_five(heads: &Heads<'_>) -> Ends {
    let mut client = 2 + usize::from(u8_at(heads.client, 1)?);
    let mut server = 2;
    match u8_at(heads.server, 1)? {
        0 => {}
        // By name and password (RFC 1929).
        2 => {
            let name = usize::from(u8_at(heads.client, client + 1)?);
            let password = usize::from(u8_at(heads.client, client + 2 + name)?);
            client += 3 + name + password;
            if u8_at(heads.server, server + 1)? != 0 {
                return Some(Err(()));
            }
            server += 2;
        }
        _ => return Some(Err(())),
    }
    client += address(heads.client, client)?;
    if u8_at(heads.server, server + 1)? != 0 {
        return Some(Err(()));
    }
    server += address(heads.server, server)?;
    (heads.client.len() >= client && heads.server.len() >= server).then_some(Ok((client, server)))
}

/// Length of a request or an answer of SOCKS 5 (RFC 1928 4 and 6).
fn address(bytes: &[u8], at: usize) -> Option<usize> {
    Some(match u8_at(bytes, at + 3)? {
        1 => 10,
        4 => 22,
        _ => 7 + usize::from(u8_at(bytes, at + 4)?),
    })
}

fn socks_four(heads: &Heads<'_>) -> Ends {
    let text = |at: usize| rest(heads.client, at).iter().position(|&byte| byte == 0).map(|end| at + end + 1);
    let mut client = text(8)?;
    // 4a: an address 0.0.0.x announces a host name.
    let host: [u8; 4] = array(heads.client, 4)?;
    if matches!(host, [0, 0, 0, last] if last > 0) {
        client = text(client)?;
    }
    let answer: [u8; 8] = array(heads.server, 0)?;
    Some(if matches!(answer, [0, 0x5a, ..]) { Ok((client, 8)) } else { Err(()) })
}
