//! Readers of bytes from outside: numbers, prefixes, lines and chains of messages. Too few bytes are always `None`.

/// The byte at an offset.
#[inline]
pub fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// `N` bytes at an offset.
#[inline]
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// A 16-bit number, most significant byte first.
#[inline]
pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

/// A 24-bit number, most significant byte first.
#[inline]
pub fn be24(bytes: &[u8], at: usize) -> Option<usize> {
    array(bytes, at).map(|[a, b, c]: [u8; 3]| usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
}

/// A 32-bit number, most significant byte first.
#[inline]
pub fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// A 16-bit number, least significant byte first.
#[inline]
pub fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// A 24-bit number, least significant byte first.
#[inline]
pub fn le24(bytes: &[u8], at: usize) -> Option<usize> {
    array(bytes, at).map(|[a, b, c]: [u8; 3]| usize::from(c) << 16 | usize::from(b) << 8 | usize::from(a))
}

/// A 32-bit number, least significant byte first.
#[inline]
pub fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// Everything from an offset on; empty where there is nothing.
#[inline]
pub fn rest(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

/// At most the first `count` bytes.
#[inline]
pub fn first(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(..count).unwrap_or(bytes)
}

/// Whether bytes begin with a literal; `None`: all there are agree, but they are too few.
#[inline]
pub fn begins(bytes: &[u8], literal: &[u8]) -> Option<bool> {
    if bytes.len() >= literal.len() {
        return Some(bytes.starts_with(literal));
    }
    if literal.starts_with(bytes) { None } else { Some(false) }
}

/// As [`begins`], for letters of either case.
pub fn begins_nocase(bytes: &[u8], literal: &[u8]) -> Option<bool> {
    let shared = bytes.len().min(literal.len());
    if !first(bytes, shared).eq_ignore_ascii_case(first(literal, shared)) {
        return Some(false);
    }
    if bytes.len() < literal.len() { None } else { Some(true) }
}

/// Where a byte first occurs: sixteen are compared at once.
pub fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    let (pieces, _) = bytes.as_chunks::<16>();
    let has = |piece: &[u8; 16]| piece.iter().fold(false, |met, &byte| met | (byte == wanted));
    let from = pieces.iter().take_while(|piece| !has(piece)).count() * 16;
    rest(bytes, from).iter().position(|&byte| byte == wanted).map(|at| from + at)
}

/// Where a literal first occurs.
pub fn find(bytes: &[u8], literal: &[u8]) -> Option<usize> {
    let (&lead, _) = literal.split_first()?;
    let mut from = 0;
    loop {
        let at = from + position(rest(bytes, from), lead)?;
        if rest(bytes, at).starts_with(literal) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Whether a literal (lower case) occurs, letters of either case.
pub fn contains_nocase(bytes: &[u8], literal: &[u8]) -> bool {
    let lead = literal.first().copied();
    let begins = |window: &[u8]| window.first().map(u8::to_ascii_lowercase) == lead;
    bytes.windows(literal.len().max(1)).any(|window| begins(window) && window.eq_ignore_ascii_case(literal))
}

/// Longest line that is looked at.
const LINE: usize = 4096;

/// The first line without its end (LF, or CR LF), and where the next one begins. `None`: no end within 4 KiB.
#[inline]
pub fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = position(first(bytes, LINE), b'\n')?;
    let line = bytes.get(..end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// Every whole line from an offset on.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = bytes;
    std::iter::from_fn(move || {
        let (line, next) = line(left)?;
        left = rest(left, next);
        Some(line)
    })
}

/// Letters, digits, signs and blanks of ASCII, and nothing else.
pub fn printable(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| matches!(byte, b' '..=b'~' | b'\t'))
}

/// Text in any encoding that extends ASCII: no control characters but tab.
pub fn text(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// A name as programs choose them: letters, digits, `.`, `_`, `-` and a few more; not empty.
pub fn identifier(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-:/$".contains(byte))
}

/// A decimal number of at most nine digits.
pub fn number(bytes: &[u8]) -> Option<usize> {
    if bytes.is_empty() || bytes.len() > 9 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(bytes.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}

/// The first word of a line, and what follows the blank.
#[inline]
pub fn word(line: &[u8]) -> (&[u8], &[u8]) {
    line.iter().position(|&byte| byte == b' ').map_or((line, &[][..]), |at| (first(line, at), rest(line, at + 1)))
}

/// What a message's header says.
pub enum Step {
    /// A plausible header of a message of that many bytes, header included.
    Size(usize),
    /// Too few bytes for the header.
    More,
    /// No header.
    Bad,
}

/// How far messages chained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Whole messages, each followed by the end of the bytes, or by a header (whole or cut).
    pub closed: usize,
    /// Bytes of those.
    pub length: usize,
    /// Something that is no header stands where one should.
    pub broken: bool,
}

/// Most messages that a chain follows: enough for any proof, and linear.
const MESSAGES: usize = 64;

/// Follows messages by their lengths.
pub fn chain(bytes: &[u8], mut step: impl FnMut(&[u8]) -> Step) -> Chain {
    let mut found = Chain::default();
    let mut at = 0;
    while at < bytes.len() && found.closed < MESSAGES {
        let left = rest(bytes, at);
        match step(left) {
            Step::Size(size) if size > 0 => {
                if size > left.len() {
                    break;
                }
                at += size;
                found.closed += 1;
            }
            Step::More => break,
            Step::Size(_) | Step::Bad => {
                // The message before this one did not close on a header.
                found.closed = found.closed.saturating_sub(1);
                found.broken = true;
                break;
            }
        }
    }
    found.length = at;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_say_when_they_are_cut() {
        assert_eq!(begins(b"SSH-", b"SSH-"), Some(true));
        assert_eq!(begins(b"SS", b"SSH-"), None);
        assert_eq!(begins(b"SX", b"SSH-"), Some(false));
        assert_eq!(begins_nocase(b"ehlo x", b"EHLO "), Some(true));
    }

    #[test]
    fn a_chain_counts_messages_that_close_on_a_header_or_the_end() {
        let step = |bytes: &[u8]| match bytes.first() {
            None => Step::More,
            Some(&size @ 1..=4) => Step::Size(usize::from(size)),
            Some(_) => Step::Bad,
        };
        assert_eq!(chain(&[2, 0, 1, 3, 0], step), Chain { closed: 2, length: 3, broken: false });
        assert_eq!(chain(&[2, 0, 1, 9], step), Chain { closed: 1, length: 3, broken: true });
        assert_eq!(chain(&[9], step), Chain { closed: 0, length: 0, broken: true });
    }
}
