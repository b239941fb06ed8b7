//! HTTP: version 1 by its first line, version 2 by its preface or its frames, gRPC and WebSocket by what they add.

use super::bytes::{
    Step, array, be16, be24, be32, begins, chain, contains_nocase, find, first, line, number, printable, rest, text,
    u8_at, word,
};
use super::{Answer, Heads, Look, join};

/// Length of a HAProxy `PROXY` header before the client's own bytes: 0 where there is none, `None` where it is cut.
#[must_use]
pub fn proxy_prefix(client: &[u8]) -> Option<usize> {
    const TWO: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    if client.is_empty() {
        return Some(0);
    }
    match (begins(client, b"PROXY "), begins(client, TWO)) {
        (Some(true), _) => match line(first(client, 108)) {
            Some((_, end)) => Some(end),
            None if client.len() < 108 => None,
            None => Some(0),
        },
        (_, Some(true)) => Some(16 + usize::from(be16(client, 14)?)).filter(|&end| end <= client.len()),
        // "P" and CR begin other things too: those rows say that they need more.
        _ => Some(0),
    }
}

/// HTTP/1 (RFC 9112): a request line that ends in `HTTP/1.x`, answered by a status line. Either is proof.
///
/// | client | server | answer |
/// |---|---|---|
/// | `GET / HTTP/1.1` | `HTTP/1.1 200 OK` | both |
/// | (nothing) | `HTTP/1.1 400 Bad Request` | one-sided |
/// | `GET /` | | more |
/// | `OPTIONS * RTSP/1.0` | | no |
/// | `GET /HTTP/1.1` | `HTTP/1.1 400` | both: malformed, but understood as HTTP |
pub fn http(heads: &Heads<'_>) -> Answer {
    let server = Look::at(heads.server, status);
    let client = Look::at(heads.client, |bytes| match request(bytes, heads.complete)? {
        // A malformed request that an HTTP server answered: a line of text at least.
        Look::No if server == Look::Proves => {
            Some(Look::fits(line(bytes).is_some_and(|(line, _)| text(line) && !line.starts_with(b"PRI * HTTP/2"))))
        }
        look => Some(look),
    });
    join(heads, client, server)
}

/// Methods that a cut request line is believed to be one with (IANA's registry, WebDAV, SSDP).
const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"CONNECT",
    b"PATCH",
    b"TRACE",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"MKACTIVITY",
    b"CHECKOUT",
    b"CHECKIN",
    b"MERGE",
    b"SEARCH",
    b"M-SEARCH",
    b"NOTIFY",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"PURGE",
    b"MKCALENDAR",
    b"LINK",
    b"UNLINK",
    b"BIND",
    b"UNBIND",
    b"REBIND",
    b"ACL",
    b"LABEL",
    b"UPDATE",
    b"UNCHECKOUT",
    b"VERSION-CONTROL",
    b"BASELINE-CONTROL",
    b"MKWORKSPACE",
    b"ORDERPATCH",
    b"MKREDIRECTREF",
    b"UPDATEREDIRECTREF",
    b"SOURCE",
    b"RPC_IN_DATA",
    b"RPC_OUT_DATA",
];

/// The look of a request. Empty lines before it are allowed (RFC 9112 2.2).
fn request(bytes: &[u8], complete: bool) -> Option<Look> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let bytes = rest(bytes, start.min(8));
    let token = bytes.iter().take(33).position(|&byte| !(byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    let Some((line, _)) = line(bytes) else {
        return cut_request(bytes, token, complete);
    };
    let (method, target) = word(line);
    let version = line.len().checked_sub(9).map(|at| rest(line, at));
    let told = version.is_some_and(|tail| tail.starts_with(b" HTTP/1.") && tail.last().is_some_and(u8::is_ascii_digit));
    Some(Look::proven(told && token == Some(method.len()) && !method.is_empty() && target.len() > 9))
}

/// A request line whose end has not come: more, or (where nothing more comes) proof by a known method and a target.
fn cut_request(bytes: &[u8], token: Option<usize>, complete: bool) -> Option<Look> {
    let Some(end) = token else {
        let possible = METHODS.iter().any(|method| method.starts_with(bytes));
        return if possible && !complete { None } else { Some(Look::No) };
    };
    let (method, target) = (first(bytes, end), rest(bytes, end + 1));
    let shaped = METHODS.contains(&method)
        && u8_at(bytes, end) == Some(b' ')
        && printable(first(target, 4000))
        && target.first().is_none_or(|&byte| {
            matches!(byte, b'/' | b'h' | b'*') || method == b"CONNECT" && (byte.is_ascii_alphanumeric() || byte == b'[')
        });
    if !shaped || bytes.len() > 64 << 10 {
        return Some(Look::No);
    }
    if !complete && bytes.len() < 4096 {
        return None;
    }
    Some(Look::proven(target.len() >= 4))
}

/// The look of a status line.
fn status(bytes: &[u8]) -> Option<Look> {
    if !begins(bytes, b"HTTP/1.")? {
        return Some(Look::No);
    }
    let [minor, blank, code @ ..] = array::<5>(bytes, 7)?;
    Some(Look::proven(minor.is_ascii_digit() && blank == b' ' && number(&code).is_some_and(|code| code >= 100)))
}

/// WebSocket (RFC 6455): an HTTP request for that upgrade, and the answer 101.
pub fn websocket(heads: &Heads<'_>) -> Answer {
    let granted = Look::at(heads.server, |bytes| {
        if status(bytes)? == Look::No {
            return Some(Look::No);
        }
        Some(Look::fits(bytes.get(9..12) == Some(b"101")))
    });
    if granted == Look::No {
        return Answer::No;
    }
    let asked = Look::at(heads.client, |bytes| {
        if request(bytes, heads.complete)? == Look::No {
            return Some(Look::No);
        }
        let mut lines = HeadLines::new(bytes);
        let websocket = |line| header(line, b"upgrade").is_some_and(|value| contains_nocase(value, b"websocket"));
        if lines.any(websocket) {
            return Some(Look::Fits);
        }
        // Without the end of the head the upgrade may still come; plain requests are small and end soon.
        if heads.complete || lines.ended() { Some(Look::No) } else { None }
    });
    join(heads, asked, granted)
}

/// The lines of an HTTP message's head, up to its empty line (CR LF CR LF).
pub struct HeadLines<'a> {
    left: &'a [u8],
    /// The line before ended in CR LF.
    whole: bool,
    ended: bool,
}

impl<'a> HeadLines<'a> {
    /// The lines at the start of bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, whole: false, ended: false }
    }

    /// Whether the head has an end, once all lines were taken; also behind a line too long to be one.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended || find(self.left, b"\r\n\r\n").is_some()
    }
}

impl<'a> Iterator for HeadLines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.ended {
            return None;
        }
        let (line, next) = line(self.left)?;
        let whole = next > line.len() + 1;
        if self.whole && whole && line.is_empty() {
            self.ended = true;
            return None;
        }
        self.whole = whole;
        self.left = rest(self.left, next);
        Some(line)
    }
}

/// The value of a header line of that name (lower case).
pub fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = rest(line, name.len()).strip_prefix(b":")?;
    first(line, name.len()).eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// What every HTTP/2 client says first (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// HTTP/2 (RFC 9113) by prior knowledge: the preface, answered by a SETTINGS frame. In mid-stream, where both sides are
/// inside of a connection: at least three frames a side that close on one another, or one a side.
///
/// | client | server | answer |
/// |---|---|---|
/// | preface | SETTINGS | both |
/// | preface | | one-sided |
/// | preface | `HTTP/1.1 400` | one-sided: the server speaks only version 1 |
pub fn http2(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| match begins(bytes, PREFACE) {
        Some(false) => Some(middle(heads, bytes)),
        Some(true) => Some(Look::Proves),
        None => (bytes.len() < PREFACE.len() && !heads.complete).then_some(Look::More),
    });
    let server = Look::at(heads.server, |bytes| {
        if begins(bytes, b"HTTP/1.") == Some(true) {
            return Some(Look::Silent);
        }
        let opens = bytes.get(3..9).map(|kind| matches!(kind, [4, 0 | 1, 0, 0, 0, 0]))?;
        let frames = chain(bytes, frame);
        if opens && !(frames.broken && frames.closed == 0) {
            return Some(Look::Fits);
        }
        Some(middle(heads, bytes))
    });
    match join(heads, client, server) {
        // Two sides without a preface are nothing before frames are seen to close.
        Answer::Both if heads.from_start && !heads.client.starts_with(PREFACE) => Answer::No,
        answer => answer,
    }
}

/// The look of frames within a connection.
fn middle(heads: &Heads<'_>, bytes: &[u8]) -> Look {
    if heads.from_start {
        return Look::No;
    }
    let frames = chain(bytes, frame);
    match frames.closed {
        _ if frames.broken => Look::No,
        0 => Look::No,
        1 | 2 => Look::Fits,
        _ => Look::Proves,
    }
}

/// One frame header (RFC 9113 4.1 and 6): types 0 to 9 with the lengths and streams that each allows.
fn frame(bytes: &[u8]) -> Step {
    let (Some(length), Some(kind), Some(stream)) = (be24(bytes, 0), u8_at(bytes, 3), be32(bytes, 5)) else {
        return Step::More;
    };
    let sized = match kind {
        0 | 1 | 5 | 9 => stream != 0,
        2 => length == 5 && stream != 0,
        3 => length == 4 && stream != 0,
        4 => length.is_multiple_of(6) && length <= 600 && stream == 0,
        6 => length == 8 && stream == 0,
        7 => length >= 8 && stream == 0,
        8 => length == 4,
        _ => false,
    };
    if sized && stream < 1 << 31 && length <= 1 << 17 { Step::Size(9 + length) } else { Step::Bad }
}

/// gRPC: HTTP/2 whose HEADERS carry `content-type: application/grpc`.
///
/// Waits for the client's first HEADERS frame, where there is time, so that the name does not change later.
pub fn grpc(heads: &Heads<'_>) -> Answer {
    let carrier = http2(heads);
    if !matches!(carrier, Answer::Both | Answer::OneSided) {
        return Answer::No;
    }
    let (asked, answered) = (content(heads.client), content(heads.server));
    match (asked, answered) {
        (Content::Grpc, _) | (_, Content::Grpc) => carrier,
        (Content::None, _) if !heads.complete && heads.client.len() < 4096 && heads.client.starts_with(PREFACE) => {
            Answer::More
        }
        _ => Answer::No,
    }
}

/// What the HEADERS frames of one side say of their content.
#[derive(PartialEq, Eq)]
enum Content {
    /// No whole HEADERS frame.
    None,
    Other,
    Grpc,
}

fn content(bytes: &[u8]) -> Content {
    let mut bytes = bytes.strip_prefix(PREFACE).unwrap_or(bytes);
    let mut found = Content::None;
    while let Step::Size(size) = frame(bytes) {
        let kind = u8_at(bytes, 3);
        if matches!(kind, Some(1 | 9)) && size <= bytes.len() {
            if says_grpc(first(rest(bytes, 9), size.saturating_sub(9))) {
                return Content::Grpc;
            }
            found = Content::Other;
        }
        bytes = rest(bytes, size);
    }
    found
}

/// Whether a header block has the value `application/grpc`, alone or with `+proto` or `;charset` after it, as a
/// literal (RFC 7541 5.2), plain or Huffman-coded. 88 bits of code end on a byte, so that the coded form is a prefix.
fn says_grpc(block: &[u8]) -> bool {
    const PLAIN: &[u8] = b"application/grpc";
    const CODED: &[u8] = &[0x1d, 0x75, 0xd0, 0x62, 0x0d, 0x26, 0x3d, 0x4c, 0x4d, 0x65, 0x64];
    let literal = |value: &[u8], flag: u8, next: &[u8]| {
        let Some(at) = find(block, value) else { return false };
        let Some(length) = at.checked_sub(1).and_then(|at| u8_at(block, at)) else { return false };
        let extra = usize::from(length & 0x7f).checked_sub(value.len());
        let follows = u8_at(block, at + value.len());
        length & 0x80 == flag
            && extra.is_some_and(|extra| extra == 0 || follows.is_some_and(|byte| next.contains(&byte)))
    };
    literal(PLAIN, 0, b"+;") || literal(CODED, 0x80, &[0xff, 0xfb])
}
