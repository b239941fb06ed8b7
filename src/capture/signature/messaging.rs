//! Brokers and calls between programs: AMQP, MQTT, Kafka, NATS, STOMP, Thrift, Dubbo.

use super::bytes::{
    Step, array, be16, be32, begins, chain, find, first, identifier, line, number, printable, rest, text, u8_at,
};
use super::database::closes;
use super::text::unfinished;
use super::{Answer, Heads, Look, join};

/// AMQP 0-9 and 1.0: the header `AMQP` with a known protocol and version; 0-9 frames end in 0xCE, so that two of them
/// prove even in mid-stream.
///
/// | client | server | answer |
/// |---|---|---|
/// | `AMQP` 0 0 9 1 | frame 1, end CE | both |
/// | `AMQP` 3 1 0 0 | `AMQP` 3 1 0 0 | both |
/// | two frames that end in CE | | one-sided, in mid-stream |
pub fn amqp(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8]| {
        if begins(bytes, b"AMQP")? {
            let known = matches!(
                array::<4>(bytes, 4)?,
                [0, 0, 9, 0 | 1] | [0, 0, 8, 0] | [1, 1, 0 | 8 | 9, _] | [0 | 2 | 3, 1, 0, 0]
            );
            return Some(Look::proven(known));
        }
        // The answer to an AMQP 1.0 header may follow without a header of its own only after 0-9: frames.
        let found = chain(bytes, amqp_frame);
        Some(closes(found, 2))
    };
    join(heads, Look::at(heads.client, side), Look::at(heads.server, side))
}

/// Type, channel, size, payload, 0xCE (AMQP 0-9-1, 4.2.3). Methods have a known class.
fn amqp_frame(bytes: &[u8]) -> Step {
    let (Some(kind), Some(size)) = (u8_at(bytes, 0), be32(bytes, 3)) else { return Step::More };
    if !matches!(kind, 1 | 2 | 3 | 8) || size > 1 << 20 || (kind == 8 && size != 0) {
        return Step::Bad;
    }
    let class = if kind == 1 { be16(bytes, 7).unwrap_or(10) } else { 10 };
    let end = u8_at(bytes, size as usize + 7).unwrap_or(0xce);
    if end == 0xce && matches!(class, 10..=120) { Step::Size(size as usize + 8) } else { Step::Bad }
}

/// MQTT 3.1 to 5: CONNECT with the protocol's name, answered by CONNACK. In mid-stream packets that close on both sides,
/// at least two each.
///
/// | client | server | answer |
/// |---|---|---|
/// | 10 n 00 04 `MQTT` | 20 02 00 00 | both |
/// | 10 n 00 04 `MQTT` | | one-sided |
pub fn mqtt(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        if bytes.first() != Some(&0x10) {
            return Some(mqtt_middle(heads, bytes));
        }
        let (_, header) = mqtt_length(bytes)?;
        let named = match begins(rest(bytes, header), b"\0\x04MQTT") {
            Some(false) => begins(rest(bytes, header), b"\0\x06MQIsdp")?,
            told => told?,
        };
        Some(Look::proven(named))
    });
    let server = Look::at(heads.server, |bytes| match *bytes {
        [0x20] => None,
        [0x20, 2..=127, ..] => Some(Look::Fits),
        _ => Some(mqtt_middle(heads, bytes)),
    });
    join(heads, client, server)
}

/// The remaining length of an MQTT packet (seven bits a byte) and the length of its fixed header. A length that is too
/// long is taken for a huge one.
fn mqtt_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for index in 0..4 {
        let byte = u8_at(bytes, index + 1)?;
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((length, index + 2));
        }
    }
    Some((usize::MAX >> 8, 5))
}

fn mqtt_middle(heads: &Heads<'_>, bytes: &[u8]) -> Look {
    if heads.from_start {
        return Look::No;
    }
    let found = chain(bytes, |bytes| {
        let (Some(lead), Some((length, header))) = (u8_at(bytes, 0), mqtt_length(bytes)) else { return Step::More };
        let sane = match lead {
            0x30..=0x3f => match be16(bytes, header) {
                None => true,
                Some(name) => {
                    let topic = first(rest(bytes, header + 2), usize::from(name));
                    name > 0 && usize::from(name) + 2 <= length && length < 1 << 20 && text(topic)
                }
            },
            0x40 | 0x50 | 0x62 | 0x70 | 0xb0 => (2..=64).contains(&length),
            0x82 | 0x90 | 0xa2 => (3..=4096).contains(&length),
            0xc0 | 0xd0 | 0xe0 => length == 0,
            _ => false,
        };
        if sane { Step::Size(header + length) } else { Step::Bad }
    });
    if closes(found, 2) == Look::Proves { Look::Fits } else { Look::No }
}

/// Kafka: a request of a known kind and version with a client's name, answered with the same correlation number.
///
/// The request alone is proof only when it closes exactly and names a client: length, key, version and the name leave
/// less than 2^-50 to chance.
///
/// | client | server | answer |
/// |---|---|---|
/// | ApiVersions 3, number 7, `rdkafka` | length, number 7 | both |
/// | the same | | one-sided |
/// | without a name | | more |
pub fn kafka(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, kafka_request);
    let server = Look::at(heads.server, |bytes| {
        let length = be32(bytes, 0)?;
        let number = be32(bytes, 4)?;
        if !(4..=100 << 20).contains(&length) {
            return Some(Look::No);
        }
        let asked = be32(heads.client, 8);
        if asked.is_none() || asked == Some(number) {
            return Some(if asked.is_some() { Look::Fits } else { Look::Silent });
        }
        if heads.from_start {
            return Some(Look::No);
        }
        Some(Look::fits(answers(bytes, asked.unwrap_or_default())))
    });
    join(heads, client, server)
}

/// Whether one of a chain of answers has that correlation number: in mid-stream the first may be an older one's.
fn answers(bytes: &[u8], asked: u32) -> bool {
    let mut met = false;
    chain(bytes, |bytes| match (be32(bytes, 0), be32(bytes, 4)) {
        (Some(length @ 4..=0x0640_0000), Some(number)) => {
            met |= number == asked;
            Step::Size(length as usize + 4)
        }
        (Some(_), Some(_)) => Step::Bad,
        _ => Step::More,
    });
    met
}

fn kafka_request(bytes: &[u8]) -> Option<Look> {
    if bytes.first() != Some(&0) {
        return Some(Look::No);
    }
    let length = be32(bytes, 0)? as usize;
    let (key, version) = (be16(bytes, 4)?, be16(bytes, 6)?);
    if !(10..=100 << 20).contains(&length) || key > 92 || version > 20 {
        return Some(Look::No);
    }
    let name = match be16(bytes, 12)? {
        // Zeros all over are no request: ZooKeeper begins so.
        0 | 0xffff => return Some(Look::fits(key > 0 || be32(bytes, 8)? > 0)),
        size if usize::from(size) + 10 <= length && size <= 255 => first(rest(bytes, 14), usize::from(size)),
        _ => return Some(Look::No),
    };
    if !printable(name) {
        return Some(Look::No);
    }
    let found = chain(bytes, |bytes| match (be32(bytes, 0), be16(bytes, 4)) {
        (Some(length @ 10..=0x0640_0000), Some(0..=92)) => Step::Size(length as usize + 4),
        (Some(_), Some(_)) => Step::Bad,
        _ => Step::More,
    });
    let proven = found.closed > 0 && !found.broken && identifier(name);
    Some(if proven || name.len() >= 6 && identifier(name) { Look::Proves } else { Look::Fits })
}

/// NATS: the server's `INFO {...}`, the client's `CONNECT {...}`; in mid-stream messages with their lengths.
///
/// | client | server | answer |
/// |---|---|---|
/// | `CONNECT {"verbose"` | `INFO {"server_id"` | both |
/// | | `INFO {"server_id"` | one-sided |
/// | `PING` | `PONG` | both (Redis answers `+PONG`) |
pub fn nats(heads: &Heads<'_>) -> Answer {
    let server = Look::at(heads.server, |bytes| {
        if begins(bytes, b"INFO {")? {
            let known = find(first(bytes, 4096), b"\"server_id\"").is_some()
                || find(first(bytes, 4096), b"\"max_payload\"").is_some();
            return if known || line(bytes).is_some() || bytes.len() >= 4096 {
                Some(Look::proven(known))
            } else {
                None
            };
        }
        nats_line(bytes)
    });
    let client = Look::at(heads.client, |bytes| {
        if begins(bytes, b"CONNECT {").unwrap_or(bytes.starts_with(b"CONNECT ")) {
            return if bytes.len() < 10 {
                None
            } else {
                Some(Look::proven(matches!(bytes.get(9), Some(b'"' | b' ' | b'}'))))
            };
        }
        nats_line(bytes)
    });
    join(heads, client, server)
}

/// A line of either side. Lines with a payload say its length, and CR LF follows it.
fn nats_line(bytes: &[u8]) -> Option<Look> {
    let verb = first(bytes, bytes.iter().take(6).position(|byte| matches!(byte, b' ' | b'\r')).unwrap_or(6));
    let known = [&b"PUB"[..], b"HPUB", b"SUB", b"UNSUB", b"MSG", b"HMSG", b"PING", b"PONG", b"+OK", b"-ERR"];
    let possible = known.iter().any(|word| word.starts_with(verb));
    if !possible {
        return Some(Look::No);
    }
    let Some((line, next)) = line(bytes) else { return unfinished(bytes) };
    let last = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    let payload = || number(last).is_some_and(|size| u8_at(bytes, next + size).is_none_or(|byte| byte == b'\r'));
    Some(match verb {
        b"PUB" | b"HPUB" | b"MSG" | b"HMSG" if printable(line) && payload() => Look::Proves,
        b"SUB" | b"UNSUB" if printable(line) && line.len() > 6 => Look::Fits,
        b"PING" | b"PONG" if line == verb => Look::Fits,
        b"+OK" if line == verb => Look::Fits,
        b"-ERR" if printable(line) => Look::Fits,
        _ => Look::No,
    })
}

/// STOMP: `CONNECT` or `STOMP` with header lines, answered by `CONNECTED` or `ERROR`.
///
/// | client | server | answer |
/// |---|---|---|
/// | `STOMP`, `accept-version:1.1` | `CONNECTED` | both |
/// | `STOMP`, `accept-version:1.1` | | one-sided |
pub fn stomp(heads: &Heads<'_>) -> Answer {
    let frame = |bytes: &[u8], words: &[&[u8]]| {
        let Some((line, next)) = line(bytes) else {
            return (!words.iter().any(|word| word.starts_with(first(bytes, word.len())))).then_some(Look::No);
        };
        if !words.contains(&line) {
            return Some(Look::No);
        }
        let header = rest(bytes, next);
        let colon = first(header, 64).iter().position(|&byte| byte == b':');
        match colon {
            Some(at) => Some(Look::proven(at > 0 && identifier(first(header, at)))),
            None if matches!(header, [b'\n', ..] | [b'\r', b'\n', ..]) => Some(Look::Fits),
            None => (header.len() >= 64).then_some(Look::No),
        }
    };
    let client = Look::at(heads.client, |bytes| {
        let opening: &[&[u8]] = &[b"CONNECT", b"STOMP"];
        let middle: &[&[u8]] =
            &[b"SEND", b"SUBSCRIBE", b"UNSUBSCRIBE", b"ACK", b"NACK", b"BEGIN", b"COMMIT", b"DISCONNECT"];
        let look = frame(bytes, opening)?;
        if look == Look::No && !heads.from_start { frame(bytes, middle) } else { Some(look) }
    });
    let server = Look::at(heads.server, |bytes| frame(bytes, &[b"CONNECTED", b"ERROR", b"MESSAGE", b"RECEIPT"]));
    join(heads, client, server)
}

/// Thrift: the strict binary or the compact protocol, alone or in frames of a length; the method's name proves it.
///
/// | client | server | answer |
/// |---|---|---|
/// | 80 01 00 01, `ping` | 80 01 00 02, `ping` | both |
/// | 00 00 00 11 80 01 00 01, `ping` | | one-sided |
/// | 82 21 seq, `ping` | | one-sided |
pub fn thrift(heads: &Heads<'_>) -> Answer {
    join(heads, Look::at(heads.client, thrift_message), Look::at(heads.server, thrift_message))
}

/// The look of a Thrift message, framed or not. Also of a datagram.
pub fn thrift_message(bytes: &[u8]) -> Option<Look> {
    match u8_at(bytes, 0)? {
        0x80 | 0x82 => thrift_call(bytes),
        0 => {
            let length = be32(bytes, 0)? as usize;
            if !(8..=16 << 20).contains(&length) {
                return Some(Look::No);
            }
            // THeader (0x0fff, flags, number, size of its header in words) wraps either.
            if be16(bytes, 4)? == 0x0fff {
                let size = usize::from(be16(bytes, 12)?) * 4;
                return if size + 10 < length { thrift_call(rest(bytes, 14 + size)) } else { Some(Look::No) };
            }
            thrift_call(rest(bytes, 4))
        }
        _ => Some(Look::No),
    }
}

fn thrift_call(bytes: &[u8]) -> Option<Look> {
    let name = |at: usize, size: usize, bits: usize| {
        if size == 0 || size > 128 {
            return Some(Look::No);
        }
        let name = bytes.get(at..at + size)?;
        // A short name leaves too much to chance beside what stands before it.
        Some(if !identifier(name) {
            Look::No
        } else if size * 2 + bits > 30 {
            Look::Proves
        } else {
            Look::Fits
        })
    };
    match array::<4>(bytes, 0)? {
        [0x80, 1, 0, 1..=4] => name(8, be32(bytes, 4)? as usize, 48),
        [0x82, 0x21 | 0x41 | 0x61 | 0x81, ..] => {
            let mut at = 2;
            while u8_at(bytes, at)? & 0x80 != 0 && at < 7 {
                at += 1;
            }
            let size = usize::from(u8_at(bytes, at + 1)?);
            name(at + 2, size, 13)
        }
        _ => Some(Look::No),
    }
}

/// Dubbo: magic DA BB, flags, status, number, length; requests carry bit 7 of the flags, answers do not.
///
/// | client | server | answer |
/// |---|---|---|
/// | DA BB C2 00 | DA BB 02 14 | both |
/// | DA BB C2 00 | | one-sided |
pub fn dubbo(heads: &Heads<'_>) -> Answer {
    let message = |bytes: &[u8], request: bool| {
        if !begins(bytes, &[0xda, 0xbb])? {
            return Some(Look::No);
        }
        let [flags, status] = array(bytes, 2)?;
        let length = be32(bytes, 12)?;
        let asks = flags & 0x80 != 0;
        let serialised = matches!(flags & 0x1f, 2..=22);
        let sane = serialised && length <= 8 << 20;
        let told = if asks { status == 0 } else { (20..=100).contains(&status) };
        // Both peers may ask (heartbeats), only a server answers first.
        let role = asks || !request;
        let number = u8_at(bytes, 4)? == 0;
        Some(if !(sane && told && role) {
            Look::No
        } else if number {
            Look::Proves
        } else {
            Look::Fits
        })
    };
    let client = Look::at(heads.client, |bytes| message(bytes, true));
    join(heads, client, Look::at(heads.server, |bytes| message(bytes, false)))
}
