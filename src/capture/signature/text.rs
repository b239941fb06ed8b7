//! Protocols of text lines that are neither HTTP nor mail: RTSP, SIP, XMPP, IRC, syslog, FIX.

use super::bytes::{begins, find, first, identifier, line, lines, number, printable, rest, text, u8_at, word};
use super::{Answer, Heads, Look, join};

/// The look of a first line that has not ended: more, no where it is no text or too long for one.
pub fn unfinished(bytes: &[u8]) -> Option<Look> {
    let line = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    (bytes.len() > 1024 || !text(line)).then_some(Look::No)
}

/// RTSP (RFC 7826): a request line that ends in `RTSP/`, or a status line. Either side may ask.
pub fn rtsp(heads: &Heads<'_>) -> Answer {
    join(
        heads,
        Look::at(heads.client, |bytes| versioned(bytes, b"RTSP/")),
        Look::at(heads.server, |bytes| versioned(bytes, b"RTSP/")),
    )
}

/// SIP (RFC 3261): a request line that ends in `SIP/2.0`, or a status line. Either side may ask.
pub fn sip(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8]| versioned(bytes.strip_prefix(b"\r\n\r\n").unwrap_or(bytes), b"SIP/2.");
    join(heads, Look::at(heads.client, side), Look::at(heads.server, side))
}

/// The look of a message whose first line has a version at its start or its end.
///
/// | bytes | version | look |
/// |---|---|---|
/// | `OPTIONS sip:a SIP/2.0` | `SIP/2.` | proves |
/// | `SIP/2.0 200 OK` | `SIP/2.` | proves |
/// | `OPTIONS * HTTP/1.1` | `SIP/2.` | no |
pub fn versioned(bytes: &[u8], version: &[u8]) -> Option<Look> {
    if begins(bytes, version) == Some(true) {
        let Some((line, _)) = line(bytes) else { return unfinished(bytes) };
        return Some(Look::proven(
            line.get(version.len() + 1..).is_some() && word(line).1.get(..3).and_then(number).is_some(),
        ));
    }
    let Some((line, _)) = line(bytes) else {
        let (method, _) = word(first(bytes, 32));
        let possible = method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_' || *byte == b'/');
        return (!possible || bytes.len() > 4096).then_some(Look::No);
    };
    let (method, left) = word(line);
    let named = !method.is_empty() && method.iter().all(|byte| byte.is_ascii_uppercase() || b"_-".contains(byte));
    let told = || left.rsplit(|&byte| byte == b' ').next().is_some_and(|last| last.starts_with(version));
    Some(Look::proven(named && told()))
}

/// XMPP (RFC 6120): an XML stream, or its WebSocket framing.
///
/// | client | server | answer |
/// |---|---|---|
/// | `<?xml?><stream:stream` | the same | both |
/// | `<stream:stream` | | one-sided |
/// | `<?xml?><Envelope` | | no |
pub fn xmpp(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8]| {
        if bytes.first() != Some(&b'<') {
            return Some(Look::No);
        }
        let head = first(bytes, 1024);
        if find(head, b"<stream:stream").is_some() || find(head, b"http://etherx.jabber.org/streams").is_some() {
            return Some(Look::Proves);
        }
        let stanza = [&b"<message "[..], b"<presence", b"<iq "].iter().any(|name| head.starts_with(name));
        if stanza && !heads.from_start {
            return Some(Look::Fits);
        }
        let possible = begins(head, b"<?xml").unwrap_or(true) || begins(head, b"<stream:stream").unwrap_or(true);
        (!possible || bytes.len() >= 1024).then_some(Look::No)
    };
    join(heads, Look::at(heads.client, side), Look::at(heads.server, side))
}

/// IRC (RFC 1459, 2812): a client that names itself, a server that notices it or sends numbers.
///
/// | client | server | answer |
/// |---|---|---|
/// | `NICK a`, `USER a b c :d` | | one-sided |
/// | `CAP LS` | `:irc.x NOTICE * :...` | both |
/// | `USER x` | `220 ready` | no |
pub fn irc(heads: &Heads<'_>) -> Answer {
    let server = Look::at(heads.server, |bytes| {
        let Some((line, _)) = line(bytes) else { return unfinished(bytes) };
        if !text(line) {
            return Some(Look::No);
        }
        if irc_prefixed(line) {
            return Some(Look::Proves);
        }
        let other = line.starts_with(b"NOTICE ") || line.starts_with(b"PING :") || line.starts_with(b"ERROR :");
        Some(Look::fits(other))
    });
    if server == Look::No && heads.from_start {
        return Answer::No;
    }
    let client = Look::at(heads.client, |bytes| {
        let (mut nick, mut user) = (false, false);
        let Some((opening, _)) = line(bytes) else { return unfinished(bytes) };
        if !text(opening) {
            return Some(Look::No);
        }
        for line in lines(bytes).take(8) {
            let (verb, left) = word(line);
            nick |= verb.eq_ignore_ascii_case(b"NICK") && !left.is_empty();
            user |= verb.eq_ignore_ascii_case(b"USER") && left.split(|&byte| byte == b' ').count() >= 4;
        }
        let (verb, left) = word(opening);
        let first = [&b"NICK"[..], b"CAP", b"PASS", b"STARTTLS"].iter().any(|word| verb.eq_ignore_ascii_case(word));
        let prefixed = !heads.from_start && irc_prefixed(opening);
        let message = !heads.from_start && matches!(verb, b"PRIVMSG" | b"JOIN" | b"PONG") && !left.is_empty();
        Some(if nick && user { Look::Proves } else { Look::fits(first || user || prefixed || message) })
    });
    join(heads, client, server)
}

/// `:who COMMAND target`: a number of three digits or a known word.
fn irc_prefixed(line: &[u8]) -> bool {
    let Some(line) = line.strip_prefix(b":") else { return false };
    let (who, left) = word(line);
    let (command, target) = word(left);
    let known =
        [&b"NOTICE"[..], b"PRIVMSG", b"JOIN", b"PART", b"QUIT", b"MODE", b"CAP", b"PING", b"PONG", b"TOPIC", b"NICK"];
    let numeric = command.len() == 3 && number(command).is_some();
    !who.is_empty() && printable(who) && !target.is_empty() && (numeric || known.contains(&command))
}

/// Syslog over TCP (RFC 6587): a priority in angle brackets, alone or after the message's length; servers are silent.
///
/// | client | answer |
/// |---|---|
/// | `<34>1 2003-10-11T22:14:15Z` | one-sided |
/// | `62 <34>Oct 11 22:14:15` | one-sided |
/// | `<999>x` | no |
pub fn syslog(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        let counted = first(bytes, 6).iter().position(|&byte| byte == b' ');
        match counted.map(|at| (number(first(bytes, at)), at)) {
            Some((Some(length), at)) if length >= 8 => syslog_message(rest(bytes, at + 1)),
            _ if bytes.first() == Some(&b'<') => syslog_message(bytes),
            _ => Some(Look::No),
        }
    });
    let server = if heads.server.is_empty() { Look::Silent } else { Look::No };
    join(heads, client, server)
}

/// The look of a syslog message (RFC 3164, RFC 5424): priority up to 191, then a version, a date, or a text. Also of a
/// datagram.
pub fn syslog_message(bytes: &[u8]) -> Option<Look> {
    if u8_at(bytes, 0)? != b'<' {
        return Some(Look::No);
    }
    let Some(end) = first(bytes, 5).iter().position(|&byte| byte == b'>') else {
        return (bytes.len() >= 5).then_some(Look::No);
    };
    let priority = bytes.get(1..end).and_then(number);
    if priority.is_none_or(|priority| priority > 191) {
        return Some(Look::No);
    }
    let message = rest(bytes, end + 1);
    if message.len() < 12 {
        return if message.iter().all(|&byte| byte >= b' ') { None } else { Some(Look::No) };
    }
    Some(Look::proven(text(first(message, 12)) && printable(first(message, 8))))
}

/// FIX: begin string, body length and message type in this order, each ended by SOH.
pub fn fix(heads: &Heads<'_>) -> Answer {
    let side = |bytes: &[u8]| {
        if !begins(bytes, b"8=FIX")? {
            return Some(Look::No);
        }
        let mut fields = first(bytes, 64).split(|&byte| byte == 1);
        let (version, length, kind) = (fields.next()?, fields.next(), fields.next());
        let (Some(length), Some(kind)) = (length, kind) else { return (bytes.len() >= 64).then_some(Look::No) };
        let sized = length.strip_prefix(b"9=").and_then(number).is_some();
        Some(if kind.len() < 3 {
            return None;
        } else {
            Look::proven(sized && kind.starts_with(b"35=") && identifier(rest(version, 2)))
        })
    };
    join(heads, Look::at(heads.client, side), Look::at(heads.server, side))
}
