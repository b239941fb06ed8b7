//! Record headers: which five bytes can be one (RFC 8446 5.1, RFC 5246 6.2, pcap.md 3.2).

/// Content types.
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
/// Alert.
pub(super) const ALERT: u8 = 21;
/// Handshake.
pub(super) const HANDSHAKE: u8 = 22;
/// Application data; in TLS 1.3 everything that is encrypted.
pub(super) const APPLICATION: u8 = 23;
/// Heartbeat (RFC 6520).
pub(super) const HEARTBEAT: u8 = 24;

/// Bytes of a header.
pub(super) const HEADER: usize = 5;
/// The largest record up to TLS 1.2: 2^14 bytes, and what encryption and compression may add.
const LARGEST: u16 = 16_384 + 2_048;
/// The largest record of TLS 1.3.
const LARGEST_1_3: u16 = 16_384 + 256;
/// The least that an encrypted record of one or two bytes has: stream ciphers with MD5.
const LEAST_ENCRYPTED: u16 = 17;
/// The most that one has: blocks, padding, the largest MAC.
const MOST_ENCRYPTED: u16 = 320;
/// How far a chain of records is looked for.
const SEARCHED: usize = 20 * 1024;

/// What is known of a side when a header is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// Nothing is encrypted yet.
    Clear,
    /// Records may be encrypted.
    Unknown,
    /// Encrypted, up to TLS 1.2.
    Encrypted,
    /// The connection is TLS 1.3: alerts and ChangeCipherSpec under those names are in clear.
    Modern,
    /// The same, of a side that has begun to encrypt: its handshake messages go under the name of application data
    /// (RFC 8446 5).
    Sealed,
}

/// Type and length of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: u8,
    pub length: u16,
}

/// The header that five bytes make, if they make one.
pub(super) fn header(bytes: [u8; HEADER], cover: Cover) -> Option<Header> {
    let [kind, major, minor, high, low] = bytes;
    if !begins(&[kind, major, minor]) {
        return None;
    }
    let length = u16::from_be_bytes([high, low]);
    let largest = if matches!(cover, Cover::Modern | Cover::Sealed) { LARGEST_1_3 } else { LARGEST };
    let encrypted = (LEAST_ENCRYPTED..=MOST_ENCRYPTED).contains(&length);
    let fits = match kind {
        CHANGE_CIPHER_SPEC => length == 1 || (encrypted && cover == Cover::Encrypted),
        ALERT => match cover {
            Cover::Clear | Cover::Modern | Cover::Sealed => length == 2,
            Cover::Unknown => length == 2 || encrypted,
            Cover::Encrypted => encrypted || length == 2,
        },
        APPLICATION => length <= largest,
        _ => cover != Cover::Sealed && (1..=largest).contains(&length),
    };
    fits.then_some(Header { kind, length })
}

/// Whether up to three bytes can begin a header.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|kind| (CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(kind))
        && bytes.get(1).is_none_or(|major| *major == 3)
        && bytes.get(2).is_none_or(|minor| *minor <= 4)
}

/// The length of a ClientHello in the frame of SSL 2, from its first five bytes: length, 1, 3, minor version.
pub(super) fn old_hello(bytes: [u8; HEADER]) -> Option<u16> {
    let [high, low, kind, major, minor] = bytes;
    let length = u16::from_be_bytes([high & 0x7F, low]);
    // Kind, version, three lengths, one suite and the shortest challenge make 28 bytes.
    (high & 0x80 != 0 && kind == 1 && major == 3 && minor <= 4 && (28..=2048).contains(&length)).then_some(length)
}

/// Whether up to five bytes can begin such a hello.
pub(super) fn begins_old(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|high| (0x80..=0x88).contains(high))
        && bytes.get(2).is_none_or(|kind| *kind == 1)
        && bytes.get(3).is_none_or(|major| *major == 3)
        && bytes.get(4).is_none_or(|minor| *minor <= 4)
}

/// Where a chain of at least three records begins, in bytes that begin in the middle of one (pcap.md 3.2 (c)).
#[must_use]
pub fn find_chain(bytes: &[u8]) -> Option<usize> {
    let end = bytes.len().min(SEARCHED);
    (0..end).find(|start| chain_at(bytes, *start))
}

/// Whether three records in a row close from `start` on: each on a valid header of the same version, the last one there
/// or on the end of the data.
fn chain_at(bytes: &[u8], start: usize) -> bool {
    let at = |place: usize| bytes.get(place..)?.first_chunk::<HEADER>().copied();
    let Some(first) = at(start) else { return false };
    let [_, _, minor, ..] = first;
    let mut next = start;
    for closed in 0..=3 {
        if closed == 3 && next == bytes.len() {
            return true;
        }
        let Some(found) = at(next) else { return false };
        let Some(read) = header(found, Cover::Unknown) else { return false };
        if found.get(2) != Some(&minor) {
            return false;
        }
        next = next.saturating_add(HEADER + usize::from(read.length));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![kind, 3, 3];
        bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        bytes.extend((0..length).map(|i| u8::try_from(i * 7 % 251).unwrap()));
        bytes
    }

    #[test]
    fn headers_are_judged_by_what_may_stand_there() {
        let read = |kind, length: u16, cover| header([kind, 3, 3, (length >> 8) as u8, length as u8], cover).is_some();
        assert!(read(20, 1, Cover::Clear) && !read(20, 2, Cover::Clear) && !read(20, 25, Cover::Unknown));
        assert!(read(20, 25, Cover::Encrypted), "a renegotiation has its ChangeCipherSpec encrypted");
        assert!(read(21, 2, Cover::Clear) && !read(21, 26, Cover::Clear) && read(21, 26, Cover::Unknown));
        assert!(read(23, 0, Cover::Unknown) && !read(22, 0, Cover::Unknown));
        assert!(read(23, 18_432, Cover::Unknown) && !read(23, 18_433, Cover::Unknown));
        assert!(read(23, 9, Cover::Sealed) && !read(22, 9, Cover::Sealed) && !read(24, 9, Cover::Sealed));
        assert!(read(23, 16_640, Cover::Modern) && !read(23, 16_641, Cover::Modern));
        assert!(!read(25, 5, Cover::Unknown) && !read(19, 5, Cover::Unknown));
        assert_eq!(header([23, 3, 5, 0, 1], Cover::Unknown), None);
        assert_eq!(header([23, 2, 3, 0, 1], Cover::Unknown), None);
    }

    #[test]
    fn a_chain_is_found_behind_the_rest_of_a_record() {
        let mut bytes = vec![0x55; 777];
        for length in [100, 0, 31] {
            bytes.extend(record(23, length));
        }
        assert_eq!(find_chain(&bytes), Some(777));
        bytes.push(23);
        assert_eq!(find_chain(&bytes), None, "the third record closes on half a header");
        bytes.extend([3, 3, 0, 9]);
        assert_eq!(find_chain(&bytes), Some(777));
        assert_eq!(find_chain(&bytes[..900]), None);
        assert_eq!(find_chain(b"GET / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(find_chain(&[]), None);
    }

    #[test]
    fn a_chain_that_begins_after_20_kib_is_not_looked_for() {
        let mut bytes = vec![0; SEARCHED];
        (0..3).for_each(|_| bytes.extend(record(23, 50)));
        assert_eq!(find_chain(&bytes), None);
        bytes.remove(0);
        assert_eq!(find_chain(&bytes), Some(SEARCHED - 1));
    }
}
