//! Upgrades that HTTP asks for: `CONNECT`, and `Upgrade: TLS/1.x` (RFC 2817).

use super::{Handover, tunnel};
use crate::capture::signature::bytes::{begins_nocase, contains_nocase, find, first, line, lines, number, rest};
use crate::capture::signature::{HeadLines, Heads, header};

/// The end of a message's head and the length of the body that it announces. Messages without `Content-Length` are
/// taken to have none.
fn message(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let length = lines(first(bytes, head)).find_map(|line| header(line, b"content-length")).and_then(number);
    Some((head, length.unwrap_or(0)))
}

/// Whether a header line asks for TLS.
fn upgrades(line: &[u8]) -> bool {
    header(line, b"upgrade").is_some_and(|value| contains_nocase(value, b"tls/1."))
}

/// A proxy may ask for authentication (407) before it connects, so that up to four requests are followed; TLS begins
/// after the first that is granted, where the client's bytes look like it.
pub fn handover(heads: &Heads<'_>) -> Handover {
    let (mut client, mut server) = (0, 0);
    for _ in 0..4 {
        let (asked, answered) = (rest(heads.client, client), rest(heads.server, server));
        let connect = begins_nocase(asked, b"CONNECT ") == Some(true);
        // Nearly all requests are neither.
        if !connect && !HeadLines::new(asked).any(upgrades) {
            return Handover::None;
        }
        let Some((head, body)) = message(asked) else {
            return if connect { Handover::Asked } else { Handover::None };
        };
        let upgrade = HeadLines::new(asked).any(upgrades);
        let code = line(answered).and_then(|(line, _)| line.get(9..12)).and_then(number);
        let Some((reply, content)) = message(answered) else { return Handover::Asked };
        match code {
            Some(200..=299) if connect => return tunnel(heads, client + head, server + reply),
            Some(101) if upgrade => return Handover::Tls { client: client + head + body, server: server + reply },
            Some(407) if !rest(asked, head + body).is_empty() => {
                client += head + body;
                server += reply + content;
            }
            _ if upgrade => return Handover::Refused,
            _ => return Handover::None,
        }
    }
    Handover::None
}
