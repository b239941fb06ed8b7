//! Stores of documents, keys and coordination: MongoDB, Cassandra, ZooKeeper, Redis, memcached.

use super::bytes::{
    Step, array, be16, be32, chain, find, first, le32, line, number, printable, rest, text, u8_at, word,
};
use super::database::closes;
use super::text::unfinished;
use super::{Answer, Heads, Look, join};

/// MongoDB's wire protocol: a little-endian length, two request numbers, an operation, and a body of its shape.
///
/// | client | server | answer |
/// |---|---|---|
/// | OP_QUERY on `admin.$cmd` | | one-sided |
/// | OP_MSG | OP_MSG | both |
pub fn mongodb(heads: &Heads<'_>) -> Answer {
    join(heads, Look::at(heads.client, mongo_message), Look::at(heads.server, mongo_message))
}

fn mongo_message(bytes: &[u8]) -> Option<Look> {
    let length = le32(bytes, 0)? as usize;
    if !(16 + 5..=48_000_000).contains(&length) {
        return Some(Look::No);
    }
    let operation = le32(bytes, 12)?;
    let sane = match operation {
        // OP_REPLY: flags, cursor, from, count, then a document.
        1 => le32(bytes, 16)? <= 15 && le32(bytes, 32)? <= 100_000 && (length == 36 || document(bytes, 36, length)?),
        // OP_UPDATE, OP_INSERT, OP_QUERY, OP_GET_MORE, OP_DELETE name a collection `database.name`.
        2001 | 2002 | 2004 | 2005 | 2006 => {
            let name = rest(bytes, 20);
            let end = first(name, 256).iter().position(|&byte| byte == 0)?;
            let name = first(name, end);
            le32(bytes, 16)? <= 0xff && printable(name) && name.contains(&b'.') && name.len() >= 3
        }
        2007 => le32(bytes, 16)? == 0 && le32(bytes, 20)? as usize * 8 + 24 == length,
        2010 | 2011 => {
            let name = rest(bytes, 16);
            let end = first(name, 128).iter().position(|&byte| byte == 0)?;
            end >= 2 && printable(first(name, end))
        }
        // OP_COMPRESSED: the operation inside, its size, the compressor.
        2012 => {
            let inside = le32(bytes, 16)?;
            let size = le32(bytes, 20)?;
            (inside == 1 || (2001..=2013).contains(&inside)) && size <= 48_000_000 && u8_at(bytes, 24)? <= 3
        }
        // OP_MSG: flags, then a section of one document or of a sequence.
        2013 => {
            let flags = le32(bytes, 16)?;
            flags & !0x0001_0003 == 0
                && match u8_at(bytes, 20)? {
                    0 => document(bytes, 21, length)?,
                    1 => (le32(bytes, 21)? as usize) < length,
                    _ => false,
                }
        }
        _ => return Some(Look::No),
    };
    Some(Look::proven(sane))
}

/// Whether a BSON document begins there: its length stays within the message, the first element has a known type.
fn document(bytes: &[u8], at: usize, message: usize) -> Option<bool> {
    let size = le32(bytes, at)? as usize;
    if size < 5 || at + size > message {
        return Some(false);
    }
    let kind = u8_at(bytes, at + 4)?;
    Some(if size == 5 { kind == 0 } else { matches!(kind, 1..=19 | 0x7f | 0xff) })
}

/// Cassandra's native protocol, versions 1 to 5: OPTIONS or a STARTUP that names `CQL_VERSION`, answered with bit 7 of
/// the version set. In mid-stream frames that close on both sides, with one version.
///
/// | client | server | answer |
/// |---|---|---|
/// | 04 OPTIONS | 84 SUPPORTED | both |
/// | 04 STARTUP `CQL_VERSION` | | one-sided |
pub fn cassandra(heads: &Heads<'_>) -> Answer {
    let version = u8_at(heads.client, 0).unwrap_or_default();
    let client = Look::at(heads.client, |bytes| {
        let frame = cql_frame(bytes, 0)?;
        if frame.body.is_none() {
            return Some(Look::No);
        }
        let body = first(rest(bytes, frame.header), 4096);
        match frame.opcode {
            5 => Some(Look::fits(frame.body == Some(0))),
            1 => {
                if find(first(body, 512), b"CQL_VERSION").is_some() {
                    return Some(Look::Proves);
                }
                (body.len() >= 512 || frame.body.is_some_and(|size| body.len() >= size)).then_some(Look::No)
            }
            _ if heads.from_start => Some(Look::No),
            _ => Some(cql_chain(bytes, 0)),
        }
    });
    let server = Look::at(heads.server, |bytes| {
        let frame = cql_frame(bytes, 0x80)?;
        let known = matches!(frame.opcode, 0 | 2 | 3 | 6 | 8 | 0x0c | 0x0e | 0x10);
        let same = version == 0 || u8_at(bytes, 0)? & 0x7f <= version.max(5);
        Some(match frame.body {
            Some(_) if known && same => {
                if heads.from_start {
                    Look::Fits
                } else {
                    cql_chain(bytes, 0x80)
                }
            }
            _ => Look::No,
        })
    });
    join(heads, client, server)
}

/// A frame's header: its length (8 bytes up to version 2, 9 after), opcode, and body length where all is sane.
struct Cql {
    header: usize,
    opcode: u8,
    body: Option<usize>,
}

fn cql_frame(bytes: &[u8], direction: u8) -> Option<Cql> {
    let [version, flags] = array(bytes, 0)?;
    let number = version & 0x7f;
    let header = if number <= 2 { 8 } else { 9 };
    if !(1..=5).contains(&number) {
        return Some(Cql { header, opcode: 0, body: None });
    }
    let opcode = u8_at(bytes, header - 5)?;
    let length = be32(bytes, header - 4)?;
    let sane = version & 0x80 == direction && flags <= 0x1f && opcode <= 0x10 && length <= 256 << 20;
    Some(Cql { header, opcode, body: sane.then_some(length as usize) })
}

fn cql_chain(bytes: &[u8], direction: u8) -> Look {
    let found = chain(bytes, |bytes| match cql_frame(bytes, direction) {
        None => Step::More,
        Some(Cql { header, body: Some(body), .. }) => Step::Size(header + body),
        Some(_) => Step::Bad,
    });
    if closes(found, 1) == Look::Proves { Look::Fits } else { Look::No }
}

/// ZooKeeper: a connect request of 44 or 45 bytes with a password of 16, its answer of 36 or 37; or a command of four
/// letters with the text that answers it.
///
/// | client | server | answer |
/// |---|---|---|
/// | connect | connect | both |
/// | `ruok` | `imok` | both |
/// | `ruok` | | more |
pub fn zookeeper(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        if FOUR_LETTERS.iter().any(|word| bytes.trim_ascii_end() == *word) {
            return Some(Look::Fits);
        }
        if bytes.first() != Some(&0) {
            let cut = bytes.len() < 4 && FOUR_LETTERS.iter().any(|word| word.starts_with(bytes));
            return (!cut).then_some(Look::No);
        }
        if !matches!(be32(bytes, 0)?, 44 | 45) {
            return Some(Look::No);
        }
        let timeout = be32(bytes, 16)?;
        Some(Look::proven(be32(bytes, 4)? == 0 && (1..=10_000_000).contains(&timeout) && be32(bytes, 28)? == 16))
    });
    let server = Look::at(heads.server, |bytes| {
        if bytes.first() != Some(&0) {
            let told = [&b"imok"[..], b"Zookeeper version", b"zk_", b"clientPort=", b"Environment", b"This ZooKeeper"];
            return Some(Look::fits(told.iter().any(|text| bytes.starts_with(text))));
        }
        if !matches!(be32(bytes, 0)?, 36 | 37) {
            return Some(Look::No);
        }
        Some(Look::proven(be32(bytes, 4)? == 0 && be32(bytes, 8)? <= 10_000_000 && be32(bytes, 20)? == 16))
    });
    join(heads, client, server)
}

/// ZooKeeper's commands of four letters.
const FOUR_LETTERS: &[&[u8]] =
    &[b"ruok", b"stat", b"srvr", b"mntr", b"conf", b"envi", b"cons", b"dump", b"isro", b"wchs"];

/// Redis, RESP 2 and 3: an array of bulk strings, or a known command in one line; answered by a RESP value.
///
/// | client | server | answer |
/// |---|---|---|
/// | `*1 $4 PING` | `+PONG` | both |
/// | `*1 $4 PING` | | one-sided |
/// | `PING` in a line | `+PONG` | both |
/// | `PING` in a line | | more: NATS has it too |
pub fn redis(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| match bytes.first() {
        Some(b'*') => resp_command(bytes),
        _ => {
            let Some((line, _)) = line(bytes) else { return (!printable(first(bytes, 64))).then_some(Look::No) };
            let (verb, _) = word(line);
            Some(Look::fits(text(line) && REDIS_WORDS.iter().any(|word| verb.eq_ignore_ascii_case(word))))
        }
    });
    join(heads, client, Look::at(heads.server, resp_value))
}

/// Commands that people type into a connection. `AUTH` and `QUIT` are missing: POP3 and FTP have them.
const REDIS_WORDS: &[&[u8]] = &[
    b"PING",
    b"SET",
    b"GET",
    b"DEL",
    b"INCR",
    b"DECR",
    b"EXISTS",
    b"EXPIRE",
    b"TTL",
    b"KEYS",
    b"MGET",
    b"MSET",
    b"HSET",
    b"HGET",
    b"HGETALL",
    b"LPUSH",
    b"RPUSH",
    b"LPOP",
    b"RPOP",
    b"LRANGE",
    b"SADD",
    b"SMEMBERS",
    b"ZADD",
    b"ZRANGE",
    b"PUBLISH",
    b"SUBSCRIBE",
    b"PSUBSCRIBE",
    b"INFO",
    b"CONFIG",
    b"CLIENT",
    b"COMMAND",
    b"SELECT",
    b"FLUSHALL",
    b"FLUSHDB",
    b"DBSIZE",
    b"MONITOR",
    b"HELLO",
    b"XADD",
    b"XREAD",
    b"XRANGE",
    b"EVAL",
    b"SCAN",
    b"TYPE",
    b"ECHO",
    b"SLAVEOF",
    b"REPLICAOF",
    b"SAVE",
    b"BGSAVE",
    b"MULTI",
    b"EXEC",
    b"CLUSTER",
    b"SETEX",
    b"SYNC",
    b"PSYNC",
];

/// `*n`, `$m`, m bytes, CR LF; further strings as far as there are bytes. Up to the first string's length it is proof:
/// eight bytes of syntax, and as many of the data's end.
fn resp_command(bytes: &[u8]) -> Option<Look> {
    let counted = |bytes: &[u8], sign: u8, most: usize| -> Option<Result<(usize, usize), ()>> {
        if bytes.first().is_some_and(|&byte| byte != sign) {
            return Some(Err(()));
        }
        let Some(end) = first(bytes, 14).iter().position(|&byte| byte == b'\n') else {
            let digits = rest(bytes, 1);
            let cut = digits.len() < 12 && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'\r');
            return if cut { None } else { Some(Err(())) };
        };
        let count = bytes.get(1..end).and_then(|text| text.strip_suffix(b"\r")).and_then(number);
        Some(count.filter(|&count| count <= most).map(|count| (count, end + 1)).ok_or(()))
    };
    let Ok((count, start)) = counted(bytes, b'*', 1 << 20)? else { return Some(Look::No) };
    let Ok((size, more)) = counted(rest(bytes, start), b'$', 512 << 20)? else { return Some(Look::No) };
    let end = start + more + size;
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) | (None | Some(b'\r'), None) => Some(Look::proven(count > 0)),
        _ => Some(Look::No),
    }
}

/// The look of an answer: a sign, what belongs to it, CR LF; lengths agree as far as there are bytes.
fn resp_value(bytes: &[u8]) -> Option<Look> {
    let (&sign, left) = bytes.split_first()?;
    if !b"+-:$*_,#!=%~>(|".contains(&sign) {
        return Some(Look::No);
    }
    let Some(end) = first(left, 1024).iter().position(|&byte| byte == b'\n') else {
        return (left.len() >= 1024 || !text(left.strip_suffix(b"\r").unwrap_or(left))).then_some(Look::No);
    };
    let Some(value) = left.get(..end).and_then(|line| line.strip_suffix(b"\r")) else { return Some(Look::No) };
    let signed = value.strip_prefix(b"-").unwrap_or(value);
    let sane = match sign {
        b'+' | b'-' => text(value) && !value.is_empty(),
        b':' => number(first(signed, 9)).is_some() && signed.len() <= 20,
        b'_' => value.is_empty(),
        b'#' => matches!(value, b"t" | b"f"),
        b',' | b'(' => printable(value) && !value.is_empty(),
        b'$' | b'!' | b'=' => match number(value) {
            Some(size) => u8_at(left, end + 1 + size).is_none_or(|byte| byte == b'\r'),
            None => value == b"-1",
        },
        _ => number(value).is_some() || value == b"-1",
    };
    Some(Look::fits(sane))
}

/// memcached: text commands with its words as answer, or the binary protocol with the same operation in the answer.
///
/// | client | server | answer |
/// |---|---|---|
/// | `stats` | `STAT pid 1` | both |
/// | `set k 0 0 5` | | one-sided |
/// | `get k` | | more |
/// | 80 op, lengths | 81 op, lengths | both |
pub fn memcached(heads: &Heads<'_>) -> Answer {
    let binary = heads.client.first() == Some(&0x80) || heads.server.first() == Some(&0x81);
    if binary {
        let client = Look::at(heads.client, |bytes| memcached_header(bytes, 0x80));
        let server = Look::at(heads.server, |bytes| {
            let same = heads.client.is_empty() || u8_at(heads.client, 1)? == u8_at(bytes, 1)?;
            Some(if same { memcached_header(bytes, 0x81)? } else { Look::No })
        });
        return join(heads, client, server);
    }
    join(heads, Look::at(heads.client, memcached_command), Look::at(heads.server, memcached_answer))
}

/// A header of the binary protocol: body long enough for extras and key, data type 0.
fn memcached_header(bytes: &[u8], magic: u8) -> Option<Look> {
    let [first, opcode] = array(bytes, 0)?;
    let key = u32::from(be16(bytes, 2)?);
    let [extras, kind] = array(bytes, 4)?;
    let body = be32(bytes, 8)?;
    let sane = first == magic && opcode <= 0x4f && kind == 0 && extras <= 24 && key <= 250;
    Some(Look::fits(sane && body >= key + u32::from(extras) && body <= 16 << 20))
}

fn memcached_command(bytes: &[u8]) -> Option<Look> {
    let Some((line, _)) = line(bytes) else {
        let (verb, _) = word(first(bytes, 16));
        return (!verb.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_')).then_some(Look::No);
    };
    let (verb, left) = word(line);
    let words = left.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).count();
    let look = match verb {
        b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => {
            let numbers =
                left.split(|&byte| byte == b' ').skip(1).take(3).filter(|word| number(word).is_some()).count();
            if (4..=6).contains(&words) && numbers == 3 { Look::Proves } else { Look::No }
        }
        b"get" | b"gets" | b"gat" | b"gats" | b"delete" | b"incr" | b"decr" | b"touch" | b"mg" | b"ms" | b"md"
        | b"ma" => Look::fits(words > 0 && printable(left)),
        b"stats" | b"version" | b"flush_all" | b"verbosity" | b"mn" | b"lru_crawler" | b"slabs" => {
            Look::fits(printable(left))
        }
        _ => Look::No,
    };
    Some(look)
}

fn memcached_answer(bytes: &[u8]) -> Option<Look> {
    let Some((line, _)) = line(bytes) else { return unfinished(bytes) };
    let (verb, left) = word(line);
    let fits = match verb {
        b"VALUE" => left.split(|&byte| byte == b' ').skip(1).take(2).all(|word| number(word).is_some()),
        b"STAT" | b"VERSION" | b"CLIENT_ERROR" | b"SERVER_ERROR" => printable(left),
        b"HD" | b"VA" | b"EN" | b"MN" | b"NF" | b"NS" | b"EX" => text(left),
        b"STORED" | b"NOT_STORED" | b"EXISTS" | b"NOT_FOUND" | b"DELETED" | b"TOUCHED" | b"OK" | b"END" | b"ERROR"
        | b"RESET" => left.is_empty(),
        _ => number(verb).is_some() && left.trim_ascii().is_empty(),
    };
    Some(Look::fits(fits))
}
