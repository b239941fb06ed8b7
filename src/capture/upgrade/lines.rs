//! Upgrades that text lines ask for: SMTP, FTP, IMAP, POP3, IRC, NNTP, ManageSieve, XMPP, NATS.

use super::{Handover, hello};
use crate::capture::signature::Heads;
use crate::capture::signature::bytes::{begins, find, line, number, rest, text, word};

/// Lines of either side that are looked at.
const LINES: usize = 4096;

/// What the server said to a request.
enum Reply {
    /// Nothing yet, or not to its end.
    Missing,
    /// No.
    Refused,
    /// Yes; TLS begins at that offset of the server's head.
    Granted(usize),
}

impl Reply {
    /// A reply that ends at an offset.
    fn new(found: Option<(bool, usize)>) -> Self {
        match found {
            None => Self::Missing,
            Some((true, end)) => Self::Granted(end),
            Some((false, _)) => Self::Refused,
        }
    }
}

/// One walk through the server's lines, from reply to reply: never back, so that all questions together are linear.
struct Replies<'a> {
    server: &'a [u8],
    at: usize,
    /// Lines before `at`.
    lines: usize,
    /// Replies that [`Replies::nth`] passed.
    count: usize,
}

impl<'a> Replies<'a> {
    fn new(server: &'a [u8]) -> Self {
        Self { server, at: 0, lines: 0, count: 0 }
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let (line, next) = line(rest(self.server, self.at)).filter(|_| self.lines < LINES)?;
        self.at += next;
        self.lines += 1;
        Some(line)
    }

    /// The next line that `judge` takes for a reply: whether it grants, and where it ends.
    fn next(&mut self, mut judge: impl FnMut(&'a [u8]) -> Option<bool>) -> Option<(bool, usize)> {
        loop {
            if let Some(grants) = judge(self.line()?) {
                return Some((grants, self.at));
            }
        }
    }

    /// The reply of that index, counted from the first. Indexes must grow from call to call.
    fn nth(&mut self, index: usize, mut judge: impl FnMut(&'a [u8]) -> Option<bool>) -> Option<(bool, usize)> {
        loop {
            let found = self.next(&mut judge)?;
            self.count += 1;
            if self.count > index {
                return Some(found);
            }
        }
    }
}

/// Walks the client's lines; each that asks is put to the server's answers, with the count of lines before it. The first
/// that is granted hands over: where the client had sent further lines ahead (they are lost then), behind those.
fn negotiate(
    heads: &Heads<'_>,
    asks: impl Fn(&[u8]) -> bool,
    stops: impl Fn(&[u8]) -> bool,
    mut answer: impl FnMut(usize) -> Reply,
) -> Handover {
    let mut at = 0;
    let mut verdict = Handover::None;
    for before in 0..LINES {
        let Some((line, next)) = line(rest(heads.client, at)) else { break };
        at += next;
        if !text(line) || stops(line) {
            break;
        }
        if asks(line) {
            match answer(before) {
                Reply::Granted(server) => return granted(heads, at, server),
                Reply::Refused => verdict = Handover::Refused,
                Reply::Missing => return Handover::Asked,
            }
        }
    }
    verdict
}

/// The offsets of a granted upgrade: text that the client sent before its ClientHello is passed over, unless the server
/// goes on in clear as well.
fn granted(heads: &Heads<'_>, client: usize, server: usize) -> Handover {
    let clear = rest(heads.server, server).first().is_some_and(|&kind| !matches!(kind, 0x15 | 0x16));
    let mut at = client;
    for _ in 0..LINES {
        let left = rest(heads.client, at);
        if hello(left) != Some(false) {
            return Handover::Tls { client: at, server };
        }
        if clear {
            return Handover::None;
        }
        match line(left) {
            Some((line, next)) if text(line) => at += next,
            None if text(left) && !heads.complete => return Handover::Asked,
            _ => return Handover::None,
        }
    }
    Handover::None
}

/// Replies of three digits, each perhaps of several lines (RFC 5321 4.2.1, RFC 959 4.2).
fn numbered(granting: &[usize]) -> impl FnMut(&[u8]) -> Option<bool> {
    let mut open = None;
    move |line| {
        let code = line.get(..3).and_then(number)?;
        let last = line.get(3).is_none_or(|&sign| sign == b' ');
        match open {
            None if !last => open = Some(code),
            _ if last && open.is_none_or(|first| first == code) => {
                open = None;
                return Some(granting.contains(&code));
            }
            _ => {}
        }
        None
    }
}

/// Requests of one line each, after the server's greeting; every reply has a number.
fn by_number(
    heads: &Heads<'_>,
    asks: impl Fn(&[u8]) -> bool,
    stops: impl Fn(&[u8]) -> bool,
    granting: &[usize],
) -> Handover {
    let (mut replies, mut judge) = (Replies::new(heads.server), numbered(granting));
    negotiate(heads, asks, stops, |before| Reply::new(replies.nth(before + 1, &mut judge)))
}

/// The same with other marks of a reply than numbers.
fn by_mark(heads: &Heads<'_>, command: &[u8], mut judge: impl FnMut(&[u8]) -> Option<bool>) -> Handover {
    let mut replies = Replies::new(heads.server);
    let answer = |before: usize| Reply::new(replies.nth(before + 1, &mut judge));
    negotiate(heads, |line| is(line, command), |_| false, answer)
}

/// Requests whose replies tell what they answer.
fn by_code(heads: &Heads<'_>, stop: &[u8], mut judge: impl FnMut(&[u8]) -> Option<bool>) -> Handover {
    let mut replies = Replies::new(heads.server);
    let answer = |_| Reply::new(replies.next(&mut judge));
    negotiate(heads, |line| is(line, b"STARTTLS"), |line| !stop.is_empty() && is(line, stop), answer)
}

fn is(line: &[u8], command: &[u8]) -> bool {
    line.trim_ascii().eq_ignore_ascii_case(command)
}

/// SMTP and LMTP (RFC 3207): `STARTTLS`, 220. One reply a line, after the greeting. Nothing is looked for in mails.
pub fn smtp(heads: &Heads<'_>) -> Handover {
    let data = |line: &[u8]| is(line, b"DATA") || word(line).0.eq_ignore_ascii_case(b"BDAT");
    by_number(heads, |line| is(line, b"STARTTLS"), data, &[220])
}

/// FTP (RFC 4217): `AUTH TLS` or `AUTH SSL`, 234 (334 of older servers).
pub fn ftp(heads: &Heads<'_>) -> Handover {
    let asks = |line: &[u8]| {
        let (verb, kind) = word(line);
        verb.eq_ignore_ascii_case(b"AUTH")
            && [&b"TLS"[..], b"SSL", b"TLS-C", b"TLS-P"].iter().any(|name| is(kind, name))
    };
    by_number(heads, asks, |_| false, &[234, 334])
}

/// IMAP (RFC 9051 6.2.1): `tag STARTTLS`, `tag OK`. Tags may repeat: commands and their answers are walked side by side,
/// since nothing may be sent ahead of the answer to this one.
pub fn imap(heads: &Heads<'_>) -> Handover {
    let mut replies = Replies::new(heads.server);
    let (mut at, mut verdict) = (0, Handover::None);
    // The answer to which the client's lines have not come yet: its tag, whether it says yes, its end.
    let mut held: Option<(&[u8], bool, usize)> = None;
    for _ in 0..LINES {
        let Some((line, next)) = line(rest(heads.client, at)) else { break };
        at += next;
        if !text(line) {
            break;
        }
        let (tag, command) = word(line);
        let asks = is(command, b"STARTTLS");
        loop {
            match held.take().or_else(|| tagged(&mut replies)) {
                Some((one, true, server)) if one == tag && asks => return granted(heads, at, server),
                Some((one, false, _)) if one == tag && asks => verdict = Handover::Refused,
                Some((one, ..)) if one == tag => {}
                // An answer whose command the head lacks.
                Some(_) if asks => continue,
                None if asks => return Handover::Asked,
                // A line that is no command, or one whose answer is not there.
                other => held = other,
            }
            break;
        }
    }
    verdict
}

/// The next answer that ends a command of IMAP.
fn tagged<'a>(replies: &mut Replies<'a>) -> Option<(&'a [u8], bool, usize)> {
    loop {
        let (tag, left) = word(replies.line()?);
        let state = word(left).0;
        let is = |name: &[u8]| state.eq_ignore_ascii_case(name);
        let ok = is(b"OK");
        if !matches!(tag, b"*" | b"+") && (ok || is(b"NO") || is(b"BAD")) {
            return Some((tag, ok, replies.at));
        }
    }
}

/// POP3 (RFC 2595 4): `STLS`, `+OK`. Lists between the answers begin with neither sign.
pub fn pop3(heads: &Heads<'_>) -> Handover {
    by_mark(heads, b"STLS", |line| {
        let ok = line.starts_with(b"+OK");
        (ok || line.starts_with(b"-ERR") || line.starts_with(b"+ ")).then_some(ok)
    })
}

/// IRC (IRCv3 `tls`): `STARTTLS`, numeric 670; 691 refuses, and 421 does not know it.
pub fn irc(heads: &Heads<'_>) -> Handover {
    by_code(heads, b"", |line| match word(word(line).1).0 {
        b"670" => Some(true),
        b"691" | b"421" | b"451" => Some(false),
        _ => None,
    })
}

/// Protocols without a name of their own: NNTP (RFC 4642: 382) and ManageSieve (RFC 5804 2.2: `OK`).
pub fn unnamed(heads: &Heads<'_>) -> Handover {
    if begins(heads.server, b"200 ") == Some(true) || begins(heads.server, b"201 ") == Some(true) {
        return by_code(heads, b"POST", |line| match word(line).0 {
            b"382" => Some(true),
            b"580" | b"502" | b"500" | b"483" => Some(false),
            _ => None,
        });
    }
    if begins(heads.server, b"\"IMPLEMENTATION\"") != Some(true) {
        return Handover::None;
    }
    by_mark(heads, b"STARTTLS", |line| {
        let state = word(line).0;
        let ok = state.eq_ignore_ascii_case(b"OK");
        (ok || [&b"NO"[..], b"BYE"].iter().any(|name| state.eq_ignore_ascii_case(name))).then_some(ok)
    })
}

/// The end of an XML element of that name, empty or with its closing tag; `None`: not there, or cut.
fn xml_end(bytes: &[u8], open: &[u8], close: &[u8]) -> Option<Option<usize>> {
    let start = find(bytes, open)?;
    let end = || {
        let tag = find(rest(bytes, start), b">")? + start;
        if tag.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'/') {
            return Some(tag + 1);
        }
        find(rest(bytes, tag), close).map(|at| tag + at + close.len())
    };
    Some(end())
}

/// XMPP (RFC 6120 5.4): `<starttls/>`, `<proceed/>`.
pub fn xmpp(heads: &Heads<'_>) -> Handover {
    let Some(asked) = xml_end(heads.client, b"<starttls", b"</starttls>") else { return Handover::None };
    let Some(mut client) = asked else { return Handover::Asked };
    while rest(heads.client, client).first().is_some_and(u8::is_ascii_whitespace) {
        client += 1;
    }
    match xml_end(heads.server, b"<proceed", b"</proceed>") {
        Some(Some(server)) => Handover::Tls { client, server },
        None if find(heads.server, b"<failure").is_some() => Handover::Refused,
        _ => Handover::Asked,
    }
}

/// NATS: an `INFO` that requires or offers TLS, and a client that begins with a ClientHello instead of `CONNECT`.
pub fn nats(heads: &Heads<'_>) -> Handover {
    let Some((info, server)) = line(heads.server) else { return Handover::None };
    let told = |key: &[u8]| {
        let value = find(info, key).map(|at| rest(info, at + key.len()).trim_ascii_start());
        let value = value.and_then(|left| left.strip_prefix(b":")).map(<[u8]>::trim_ascii_start);
        value.is_some_and(|left| left.starts_with(b"true"))
    };
    if !info.starts_with(b"INFO ") || !(told(b"\"tls_required\"") || told(b"\"tls_available\"")) {
        return Handover::None;
    }
    if heads.client.is_empty() {
        return if told(b"\"tls_required\"") { Handover::Asked } else { Handover::None };
    }
    if hello(heads.client) == Some(false) { Handover::None } else { Handover::Tls { client: 0, server } }
}
