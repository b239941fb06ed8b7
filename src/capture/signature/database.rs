//! Relational databases: PostgreSQL, MySQL and MariaDB, SQL Server (TDS).

use super::bytes::{Chain, Step, array, be16, be32, chain, first, le16, le24, le32, printable, rest, text, u8_at};
use super::{Answer, Heads, Look, join};

/// Codes of PostgreSQL's first message that are no version ("Message Formats" in its manual).
pub mod pg {
    /// CancelRequest.
    pub const CANCEL: u32 = 80_877_102;
    /// SSLRequest.
    pub const SSL: u32 = 80_877_103;
    /// GSSENCRequest.
    pub const GSS: u32 = 80_877_104;
}

/// PostgreSQL 3.x: a startup, SSL, GSS or cancel request; answered by messages of a type and a length, after one letter
/// for each encryption request. In mid-stream messages that chain by their lengths.
///
/// | client | server | answer |
/// |---|---|---|
/// | startup `user\0...` | `R` + length | both |
/// | SSLRequest | `S` or `N` | both |
/// | SSLRequest | | one-sided |
pub fn pgsql(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        let opening = pg_opening(bytes);
        if opening == Some(Look::No) && !heads.from_start {
            return Some(pg_chain(bytes, b"QPBDESCHXpFdcf"));
        }
        opening
    });
    let server = Look::at(heads.server, |bytes| match bytes {
        [b'S' | b'N' | b'G'] => Some(Look::Fits),
        // TLS or the encrypted part follows the letter; or the answer to the second request.
        [b'S', 0x16, 3, ..] | [b'N', b'S' | b'N' | b'G' | b'R' | b'E' | b'v', ..] => Some(Look::Fits),
        [b'G', ..] if pg_asked(heads.client, pg::GSS) => Some(Look::Fits),
        [b'S', ..] if pg_asked(heads.client, pg::SSL) => Some(Look::Fits),
        _ => {
            let first = pg_answer(bytes)?;
            Some(if first == Look::No && !heads.from_start { pg_chain(bytes, PG_SERVER) } else { first })
        }
    });
    join(heads, client, server)
}

/// Types of messages that a server sends.
const PG_SERVER: &[u8] = b"TDCZSKRNE123ntIsGHdcAVvW";

fn pg_asked(client: &[u8], code: u32) -> bool {
    be32(client, 0) == Some(8) && be32(client, 4) == Some(code)
}

/// The look of the client's first message.
fn pg_opening(bytes: &[u8]) -> Option<Look> {
    if bytes.first() != Some(&0) {
        return Some(Look::No);
    }
    let length = be32(bytes, 0)?;
    if !(8..=10_000).contains(&length) {
        return Some(Look::No);
    }
    match be32(bytes, 4)? {
        pg::SSL | pg::GSS => Some(Look::proven(length == 8)),
        pg::CANCEL => Some(Look::proven((16..=272).contains(&length))),
        0x0003_0000..=0x0003_0002 => {
            // Names and values, each ended by a NUL; the first name is most often `user`.
            let names = rest(bytes, 8);
            let end = names.iter().position(|&byte| byte == 0);
            let name = first(names, end.unwrap_or(names.len()));
            match end {
                Some(0) => Some(Look::fits(length == 9)),
                Some(_) => Some(Look::proven(name.len() >= 2 && printable(name))),
                None => (!printable(name) || name.len() > 64).then_some(Look::No),
            }
        }
        _ => Some(Look::No),
    }
}

/// The look of the server's first message: an authentication request, an error, or a version it offers instead.
fn pg_answer(bytes: &[u8]) -> Option<Look> {
    let [kind, length @ ..] = array::<5>(bytes, 0)?;
    let length = u32::from_be_bytes(length);
    let sane = match kind {
        b'R' => (8..=4096).contains(&length) && be32(bytes, 5)? <= 13,
        b'E' => (5..=65_536).contains(&length) && u8_at(bytes, 5)?.is_ascii_uppercase(),
        b'v' => (12..=4096).contains(&length),
        // Before protocol 3.0 errors were a text alone; a server that cannot fork still sends one.
        _ => false,
    };
    let plain = kind == b'E' && printable(first(rest(bytes, 1), 16)) && bytes.len() > 16;
    Some(if sane || plain { Look::Fits } else { Look::No })
}

/// The look of messages within a connection: one that closes fits, four that do prove.
fn pg_chain(bytes: &[u8], kinds: &[u8]) -> Look {
    let found = chain(bytes, |bytes| {
        let (Some(kind), Some(length)) = (u8_at(bytes, 0), be32(bytes, 1)) else { return Step::More };
        let idle = kind != b'Z' || length == 5;
        if kinds.contains(&kind) && (4..1 << 20).contains(&length) && idle {
            Step::Size(length as usize + 1)
        } else {
            Step::Bad
        }
    });
    closes(found, 4)
}

/// Proof by so many closed messages, fit by one, no by none.
pub fn closes(found: Chain, proof: usize) -> Look {
    match found.closed {
        _ if found.broken => Look::No,
        0 => Look::No,
        closed if closed >= proof => Look::Proves,
        _ => Look::Fits,
    }
}

/// Length and sequence number of a MySQL packet.
pub fn my_packet(bytes: &[u8]) -> Option<(usize, u8)> {
    Some((le24(bytes, 0)?, u8_at(bytes, 3)?))
}

/// The part of a MySQL greeting that names the server's version, when the whole is one ("Protocol::HandshakeV10" in
/// MySQL's manual): sequence number 0, protocol 10 (or 9), version, NUL, thread, 8 bytes of salt, NUL.
pub fn my_greeting(bytes: &[u8]) -> Option<Look> {
    if bytes.get(3).is_some_and(|&sequence| sequence != 0) {
        return Some(Look::No);
    }
    let (length, _) = my_packet(bytes)?;
    if !(7..=2048).contains(&length) {
        return Some(Look::No);
    }
    match u8_at(bytes, 4)? {
        0xff => {
            let code = le16(bytes, 5)?;
            let message = rest(first(bytes, 4 + length), 7);
            let sane = (1000..5000).contains(&code) && bytes.len() >= 4 + length && message.len() >= 8;
            Some(if sane && text(message) { Look::Proves } else { Look::No })
        }
        version @ (9 | 10) => {
            let name = first(rest(bytes, 5), 128);
            let Some(end) = name.iter().position(|&byte| byte == 0) else {
                return (name.len() >= 128 || !printable(name)).then_some(Look::No);
            };
            let name = first(name, end);
            if name.len() < 3 || !printable(name) || !name.iter().any(u8::is_ascii_digit) || length < end + 14 {
                return Some(Look::No);
            }
            Some(Look::proven(version == 9 || u8_at(bytes, 5 + end + 1 + 12)? == 0))
        }
        _ => Some(Look::No),
    }
}

/// MySQL and MariaDB: the server's greeting or error, answered by a packet with sequence number 1. In mid-stream: commands
/// with sequence number 0 on one side, packets that count up from 1 on the other, all closing.
///
/// | client | server | answer |
/// |---|---|---|
/// | | greeting | one-sided |
/// | login, sequence 1 | greeting | both |
/// | `03` + query text | 1, 2, 3, ... | both, in mid-stream only |
pub fn mysql(heads: &Heads<'_>) -> Answer {
    let server = Look::at(heads.server, |bytes| {
        let greeting = my_greeting(bytes);
        if greeting == Some(Look::No) && !heads.from_start { Some(my_results(bytes)) } else { greeting }
    });
    let client = Look::at(heads.client, |bytes| {
        let (length, sequence) = my_packet(bytes)?;
        match sequence {
            1 if server != Look::Fits => Some(Look::fits((5..=1 << 16).contains(&length))),
            0 if !heads.from_start => Some(my_commands(bytes)),
            _ => Some(Look::No),
        }
    });
    join(heads, client, server)
}

/// Commands within a connection: each begins at sequence number 0 and closes.
fn my_commands(bytes: &[u8]) -> Look {
    let found = chain(bytes, |bytes| {
        let (Some((length, sequence)), Some(command)) = (my_packet(bytes), u8_at(bytes, 4)) else { return Step::More };
        let sane = sequence == 0 && (1..=1 << 20).contains(&length) && command <= 0x1f;
        let query = command != 3 || text_lines(first(rest(bytes, 5), (length - usize::from(length > 0)).min(256)));
        if sane && query { Step::Size(4 + length) } else { Step::Bad }
    });
    if closes(found, 1) == Look::Proves { Look::Fits } else { Look::No }
}

/// A query: text, which may have several lines.
fn text_lines(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r' | 0))
}

/// Answers within a connection: sequence numbers count up from 1, and begin at 1 again.
fn my_results(bytes: &[u8]) -> Look {
    let mut expected = 1;
    let found = chain(bytes, |bytes| {
        let Some((length, sequence)) = my_packet(bytes) else { return Step::More };
        if !(1..=1 << 20).contains(&length) || (sequence != expected && sequence != 1) {
            return Step::Bad;
        }
        expected = sequence.wrapping_add(1);
        Step::Size(4 + length)
    });
    if closes(found, 1) == Look::Proves { Look::Fits } else { Look::No }
}

/// Packet types of TDS (MS-TDS 2.2.3.1.1).
pub mod tds_kind {
    /// The server's answers.
    pub const RESULT: u8 = 0x04;
    /// Login7.
    pub const LOGIN: u8 = 0x10;
    /// Prelogin; TLS handshakes travel in it too.
    pub const PRELOGIN: u8 = 0x12;
}

/// Length of a TDS packet, header included: status below 0x20, window 0.
pub fn tds_packet(bytes: &[u8]) -> Option<(u8, usize)> {
    let [kind, status] = array(bytes, 0)?;
    let length = be16(bytes, 2)?;
    let window = u8_at(bytes, 7)?;
    Some((kind, if status < 0x20 && window == 0 && length >= 9 { usize::from(length) } else { 0 }))
}

/// SQL Server: a prelogin (a table of options, type 0 first, ended by 0xff) or a login, answered by type 4.
///
/// | client | server | answer |
/// |---|---|---|
/// | 12 01 prelogin table | 04 01 | both |
/// | 12 01 prelogin table | | one-sided |
pub fn tds(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        let kind = u8_at(bytes, 0)?;
        if !matches!(kind, tds_kind::PRELOGIN | tds_kind::LOGIN) {
            return Some(Look::No);
        }
        let (_, length) = tds_packet(bytes)?;
        if length == 0 {
            return Some(Look::No);
        }
        let body = rest(bytes, 8);
        if kind == tds_kind::PRELOGIN {
            return prelogin(body, length - 8);
        }
        // The login repeats its length; the version is 7.x.
        let repeated = le32(body, 0)? as usize == length - 8;
        Some(Look::proven(repeated && matches!(array::<4>(body, 4)?, [_, _, _, 0x70..=0x7f])))
    });
    let server = Look::at(heads.server, |bytes| {
        if bytes.first() != Some(&tds_kind::RESULT) {
            return Some(Look::No);
        }
        Some(Look::fits(tds_packet(bytes)?.1 > 0))
    });
    join(heads, client, server)
}

/// The option table of a prelogin: token, offset, length each; the first is the version, right behind the table.
pub fn prelogin(body: &[u8], length: usize) -> Option<Look> {
    let mut at = 0;
    loop {
        match u8_at(body, at)? {
            0xff => break,
            token if token <= 9 && at <= 50 => {
                let (offset, size) = (be16(body, at + 1)?, be16(body, at + 3)?);
                let fits = usize::from(offset) + usize::from(size) <= length;
                if !fits || (at == 0) != (token == 0) || (at == 0 && size != 6) {
                    return Some(Look::No);
                }
                at += 5;
            }
            _ => return Some(Look::No),
        }
    }
    let behind = usize::from(be16(body, 1)?) == at + 1;
    Some(Look::proven(at >= 10 && behind))
}
