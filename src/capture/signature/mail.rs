//! Protocols in which the server greets first with a number or a sign: SMTP, FTP, IMAP, POP3.

use super::bytes::{begins, contains_nocase, line, lines, number, text, u8_at, word};
use super::text::unfinished;
use super::{Answer, Heads, Look, join};

/// The verb of the first line, or `None` where the line has not ended and may still be a command.
fn command(bytes: &[u8]) -> Option<Option<(&[u8], &[u8])>> {
    match line(bytes) {
        Some((line, _)) if text(line) => Some(Some(word(line))),
        Some(_) => Some(None),
        None if bytes.len() < 512 && text(bytes.strip_suffix(b"\r").unwrap_or(bytes)) => None,
        None => Some(None),
    }
}

fn one_of(verb: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|word| verb.eq_ignore_ascii_case(word))
}

/// A reply of three digits and a blank or `-` (RFC 5321 4.2, RFC 959 4.2): the line, after the code.
fn reply(bytes: &[u8]) -> Option<Option<(usize, &[u8])>> {
    let digits = bytes.iter().take(3).all(u8::is_ascii_digit);
    let sign = u8_at(bytes, 3).is_none_or(|byte| matches!(byte, b' ' | b'-' | b'\r'));
    if !digits || !sign {
        return Some(None);
    }
    let Some((line, _)) = line(bytes) else { return (bytes.len() >= 1024).then_some(None) };
    let code = line.get(..3).and_then(number).filter(|code| (100..600).contains(code));
    Some(code.filter(|_| text(line)).map(|code| (code, line)))
}

/// Whether any line of the greeting has a word.
fn greeting_has(bytes: &[u8], word: &[u8]) -> bool {
    lines(bytes).take(16).any(|line| contains_nocase(line, word))
}

/// SMTP and LMTP: a greeting of 220 (or a refusal), and a client that says EHLO, HELO or LHLO.
///
/// | client | server | answer |
/// |---|---|---|
/// | `EHLO x` | `220 mx` | both |
/// | `EHLO x` | | one-sided |
/// | | `220 mx ESMTP` | one-sided |
/// | | `220 ready` | more: FTP greets so too |
/// | `USER x` | `220 ready` | no |
pub fn smtp(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        let Some((verb, left)) = command(bytes)? else { return Some(Look::No) };
        if one_of(verb, &[b"EHLO", b"HELO", b"LHLO"]) {
            return Some(Look::proven(!left.is_empty()));
        }
        let path = begins(left, b"FROM:") == Some(true) || begins(left, b"TO:") == Some(true);
        if one_of(verb, &[b"MAIL", b"RCPT"]) && path {
            return Some(Look::Proves);
        }
        Some(Look::fits(
            greeting_has(heads.server, b"smtp") && one_of(verb, &[b"QUIT", b"NOOP", b"RSET", b"STARTTLS", b"HELP"]),
        ))
    });
    let server = Look::at(heads.server, |bytes| {
        let Some((code, _)) = reply(bytes)? else { return Some(Look::No) };
        let greets = matches!(code, 220 | 421 | 450 | 550 | 554);
        Some(if greets && greeting_has(bytes, b"smtp") {
            Look::Proves
        } else {
            Look::fits(greets || !heads.from_start && matches!(code, 235 | 250 | 334 | 354))
        })
    });
    join(heads, client, server)
}

/// FTP: a greeting of 220 (or 120, 421), and a client that says USER, FEAT or AUTH TLS.
///
/// | client | server | answer |
/// |---|---|---|
/// | `USER x` | `220 ready` | both |
/// | `AUTH TLS` | `220 ready` | both |
/// | | `220 ProFTPD` | one-sided |
pub fn ftp(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        let Some((verb, left)) = command(bytes)? else { return Some(Look::No) };
        let auth =
            one_of(verb, &[b"AUTH"]) && one_of(left.trim_ascii(), &[b"TLS", b"SSL", b"GSSAPI", b"TLS-C", b"TLS-P"]);
        let other: &[&[u8]] = &[b"USER", b"FEAT", b"SYST", b"OPTS", b"CLNT", b"HOST", b"PBSZ"];
        let named = greeting_has(heads.server, b"ftp") && one_of(verb, &[b"QUIT", b"NOOP", b"PASS", b"HELP"]);
        Some(Look::fits(auth || one_of(verb, other) || named))
    });
    let server = Look::at(heads.server, |bytes| {
        let Some((code, _)) = reply(bytes)? else { return Some(Look::No) };
        let greets = matches!(code, 120 | 220 | 421 | 530);
        let named = greeting_has(bytes, b"ftp") && !greeting_has(bytes, b"smtp");
        let middle = !heads.from_start && matches!(code, 211 | 215 | 230 | 234 | 331);
        Some(if greets && named { Look::Proves } else { Look::fits(greets || middle) })
    });
    join(heads, client, server)
}

/// IMAP (RFC 9051): an untagged greeting, and commands with a tag.
///
/// | client | server | answer |
/// |---|---|---|
/// | `a1 CAPABILITY` | `* OK ready` | both |
/// | | `* OK IMAP4rev1` | one-sided |
pub fn imap(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        let Some((tag, left)) = command(bytes)? else { return Some(Look::No) };
        let (verb, _) = word(left);
        let verbs: &[&[u8]] = &[
            b"CAPABILITY",
            b"LOGIN",
            b"AUTHENTICATE",
            b"STARTTLS",
            b"NOOP",
            b"LOGOUT",
            b"ID",
            b"SELECT",
            b"EXAMINE",
            b"LIST",
            b"LSUB",
            b"STATUS",
            b"FETCH",
            b"UID",
            b"IDLE",
            b"SEARCH",
            b"APPEND",
            b"NAMESPACE",
            b"ENABLE",
            b"CLOSE",
            b"CHECK",
        ];
        Some(Look::fits((1..=32).contains(&tag.len()) && one_of(verb, verbs)))
    });
    let server = Look::at(heads.server, |bytes| {
        if !begins(bytes, b"* ")? {
            return Some(Look::No);
        }
        let Some((_, left)) = command(bytes)? else { return Some(Look::No) };
        let (state, told) = word(left);
        let greets = one_of(state, &[b"OK", b"PREAUTH", b"BYE"]);
        let middle =
            !heads.from_start && (one_of(state, &[b"CAPABILITY", b"LIST", b"FLAGS"]) || number(state).is_some());
        Some(if greets && contains_nocase(told, b"imap") { Look::Proves } else { Look::fits(greets || middle) })
    });
    join(heads, client, server)
}

/// POP3 (RFC 1939): `+OK` or `-ERR`, and a client that logs in or asks what there is.
///
/// | client | server | answer |
/// |---|---|---|
/// | `USER x` | `+OK ready` | both |
/// | | `+OK POP3 ready` | one-sided |
/// | `SET a b` | `+OK` | no |
pub fn pop3(heads: &Heads<'_>) -> Answer {
    let client = Look::at(heads.client, |bytes| {
        let Some((verb, _)) = command(bytes)? else { return Some(Look::No) };
        let opening: &[&[u8]] = &[b"USER", b"CAPA", b"STLS", b"APOP", b"AUTH", b"QUIT", b"PASS"];
        let middle: &[&[u8]] = &[b"STAT", b"UIDL", b"RETR", b"DELE", b"TOP", b"LIST"];
        Some(Look::fits(one_of(verb, opening) || !heads.from_start && one_of(verb, middle)))
    });
    let server = Look::at(heads.server, |bytes| {
        let (ok, refused) = (begins(bytes, b"+OK"), begins(bytes, b"-ERR"));
        if ok == Some(false) && refused == Some(false) {
            return Some(Look::No);
        }
        let Some((line, _)) = line(bytes) else { return unfinished(bytes) };
        let named = contains_nocase(line, b"pop3") || contains_nocase(line, b" pop ");
        Some(if named { Look::Proves } else { Look::fits(text(line)) })
    });
    join(heads, client, server)
}
