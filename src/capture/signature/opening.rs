//! Which rows of the table two first bytes leave over, so that most signatures need not be asked.

use super::{Heads, SIGNATURES, Signature};

/// Bytes of a side from which on its first byte decides; a shorter side may still become anything.
pub const ENOUGH: usize = 12;

/// Sets of bytes are written as pairs: the first and the last byte of each range. This one has all bytes.
pub const ANY: &[u8] = b"\0\xff";
/// No byte.
pub const NONE: &[u8] = b"";
/// Decimal digits.
pub const DIGIT: &[u8] = b"09";
/// What lines of text begin with, in any encoding that extends ASCII.
pub const TEXT: &[u8] = b"\t\t \x7e\x80\xff";
/// The same and the ends of lines.
pub const LINE: &[u8] = b"\t\n\r\r \x7e\x80\xff";
/// What a method in capitals may begin with, or lack.
pub const UPPER: &[u8] = b"  --//AZ__";
/// Packets of MQTT within a connection.
pub const MQTT: &[u8] =
    b"\x10\x10\x20\x20\x30\x40\x50\x50\x62\x62\x70\x70\x82\x82\x90\x90\xa2\xa2\xb0\xb0\xc0\xc0\xd0\xd0\xe0\xe0";
/// Signs of RESP values.
pub const REDIS: &[u8] = b"!!##$%((*+,,--::==>>__||~~";

/// Whether a set written as pairs has a byte.
#[must_use]
pub const fn has(pairs: &[u8], byte: u8) -> bool {
    let mut left = pairs;
    while let [first, last, more @ ..] = left {
        if *first <= byte && byte <= *last {
            return true;
        }
        left = more;
    }
    false
}

/// Whether two texts are the same, also where constants are computed.
#[must_use]
pub const fn same(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let ([first, left @ ..], [second, more @ ..]) = (one, other) {
        if *first != *second {
            return false;
        }
        (one, other) = (left, more);
    }
    one.is_empty() && other.is_empty()
}

/// Rows of [`SIGNATURES`], bit by bit.
type Rows = u64;

const _: () = assert!(SIGNATURES.len() <= Rows::BITS as usize, "every row has a bit");

/// The rows that the client's (0) or the server's (1) first byte leaves over.
const fn index(side: usize) -> [Rows; 256] {
    let mut table = [0; 256];
    let mut left = table.as_mut_slice();
    let mut byte = 0;
    while let [slot, more @ ..] = left {
        let mut rows: &[Signature] = SIGNATURES;
        let mut bit = 1;
        while let [row, others @ ..] = rows {
            let [client, server] = row.opens;
            if has(if side == 0 { client } else { server }, byte) {
                *slot |= bit;
            }
            bit <<= 1;
            rows = others;
        }
        byte = byte.wrapping_add(1);
        left = more;
    }
    table
}

static CLIENT: [Rows; 256] = index(0);
static SERVER: [Rows; 256] = index(1);

/// The rows that say more of what another row understands too: a name must wait for them.
pub const REFINEMENTS: Rows = {
    let (mut found, mut bit) = (0, 1);
    let mut rows: &[Signature] = SIGNATURES;
    while let [row, others @ ..] = rows {
        if matches!(row.token.as_bytes(), b"grpc" | b"websocket") {
            found |= bit;
        }
        bit <<= 1;
        rows = others;
    }
    found
};

/// The rows that may fit two heads. From the start both sides must be possible; in mid-stream one is enough, since the
/// other may begin within a message.
#[must_use]
pub fn rows(heads: &Heads<'_>) -> Rows {
    let side = |bytes: &[u8], table: &[Rows; 256]| match bytes {
        [] => None,
        [first, ..] if bytes.len() >= ENOUGH => Some(table.get(usize::from(*first)).copied().unwrap_or(Rows::MAX)),
        _ => Some(Rows::MAX),
    };
    match (side(heads.client, &CLIENT), side(heads.server, &SERVER)) {
        (Some(client), Some(server)) if heads.from_start => client & server,
        (Some(client), Some(server)) => client | server,
        (client, server) => client.or(server).unwrap_or_default(),
    }
}

/// Takes the next row out.
pub fn next(rows: &mut Rows) -> Option<&'static Signature> {
    let row = SIGNATURES.get(rows.trailing_zeros() as usize);
    *rows &= rows.wrapping_sub(1);
    row
}
