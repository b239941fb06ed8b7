//! Fragments of IP packets, put together again within limits of time and memory.

use super::ip::Piece;
use super::layer::Chunk;
use super::packet::{Time, TunnelId};
use std::collections::{HashMap, VecDeque};

/// Packets that wait at the same time; the oldest goes when there is one more.
pub const WAITING: usize = 1000;

/// Capture time that a packet waits (RFC 8200 4.5 says 60 s, Linux 30).
pub const PATIENCE: u64 = 30_000_000_000;

/// Bytes of a packet.
const LARGEST: u32 = 65_535;

/// Which fragments belong together. The interface is part of it: on `-i any` each fragment is seen several times, and
/// the second copies must not begin a packet that never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Sender.
    pub source: [u8; 16],
    /// Receiver.
    pub destination: [u8; 16],
    /// Protocol; 0 for IPv6, where the first fragment alone tells it.
    pub protocol: u8,
    /// Identification.
    pub id: u32,
    /// Encapsulations around the fragments.
    pub tunnel: TunnelId,
    /// Interface.
    pub interface: u32,
}

/// A packet that is complete again.
#[derive(Debug)]
pub struct Whole {
    /// The payload of the IP packet, up to the first byte that a snap length cut off.
    pub bytes: Vec<u8>,
    /// Its length on the wire.
    pub wire: usize,
    /// Protocol, or the next extension header.
    pub protocol: u8,
}

#[derive(Debug)]
struct Waiting {
    serial: u64,
    data: Vec<u8>,
    /// What has arrived: begin and end, in order, never touching.
    have: Vec<(u32, u32)>,
    total: Option<u32>,
    /// Where the first byte stands that was not captured.
    cut: u32,
    protocol: Option<u8>,
    frames: u64,
}

/// Packets whose fragments have not all come.
#[derive(Debug, Default)]
pub struct Fragments {
    waiting: HashMap<Key, Waiting, foldhash::fast::RandomState>,
    /// By age; entries whose packet is complete are passed over.
    ages: VecDeque<(Time, u64, Key)>,
    serial: u64,
    lost: u64,
}

impl Fragments {
    /// Takes a fragment; the whole packet, if this was the last one missing.
    pub fn add(&mut self, key: Key, piece: Piece, protocol: u8, payload: Chunk<'_>, now: Time) -> Option<Whole> {
        self.forget(now);
        let length = u32::try_from(payload.wire).unwrap_or(u32::MAX);
        let end = piece.offset.saturating_add(length);
        // A middle fragment that is no multiple of 8 can have no neighbour.
        if length == 0 || end > LARGEST || (piece.more && !length.is_multiple_of(8)) {
            self.lost += 1;
            return None;
        }
        if !self.waiting.contains_key(&key) {
            self.begin(key, now);
        }
        let waiting = self.waiting.get_mut(&key)?;
        waiting.frames += 1;
        waiting.take(piece, end, protocol, payload);
        if !waiting.is_complete() {
            return None;
        }
        let done = self.waiting.remove(&key)?;
        let wire = usize::try_from(done.total?).ok()?;
        let mut bytes = done.data;
        bytes.truncate(wire.min(usize::try_from(done.cut).unwrap_or(wire)));
        Some(Whole { bytes, wire, protocol: done.protocol? })
    }

    /// Frames whose fragments were dropped so far. Those that still wait are dropped now.
    pub fn finish(&mut self) -> u64 {
        // A sum does not depend on the order.
        #[allow(clippy::iter_over_hash_type, reason = "the order does not reach any output")]
        for waiting in self.waiting.values() {
            self.lost += waiting.frames;
        }
        self.waiting.clear();
        self.ages.clear();
        std::mem::take(&mut self.lost)
    }

    fn begin(&mut self, key: Key, now: Time) {
        if self.waiting.len() >= WAITING {
            self.drop_oldest();
        }
        if self.ages.len() > 4 * WAITING {
            let waiting = &self.waiting;
            self.ages.retain(|(_, serial, key)| waiting.get(key).is_some_and(|entry| entry.serial == *serial));
        }
        self.serial += 1;
        let entry = Waiting {
            serial: self.serial,
            data: Vec::new(),
            have: Vec::new(),
            total: None,
            cut: u32::MAX,
            protocol: None,
            frames: 0,
        };
        self.waiting.insert(key, entry);
        self.ages.push_back((now, self.serial, key));
    }

    fn forget(&mut self, now: Time) {
        while self.ages.front().is_some_and(|(since, ..)| now.since(*since) > PATIENCE) {
            self.drop_first();
        }
    }

    fn drop_oldest(&mut self) {
        let before = self.waiting.len();
        while self.waiting.len() == before && !self.ages.is_empty() {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, serial, key)) = self.ages.pop_front()
            && self.waiting.get(&key).is_some_and(|entry| entry.serial == serial)
            && let Some(entry) = self.waiting.remove(&key)
        {
            self.lost += entry.frames;
        }
    }
}

impl Waiting {
    /// Keeps the bytes that nobody sent before: where copies overlap, the first one counts.
    fn take(&mut self, piece: Piece, end: u32, protocol: u8, payload: Chunk<'_>) {
        if !piece.more && self.total.is_none() {
            self.total = Some(end);
        }
        if piece.offset == 0 && self.protocol.is_none() {
            self.protocol = Some(protocol);
        }
        let captured = piece.offset.saturating_add(u32::try_from(payload.bytes.len()).unwrap_or(u32::MAX));
        let mut from = piece.offset;
        let mut fresh = Vec::new();
        for (begin, known_end) in self.have.iter().copied().skip(self.have.partition_point(|range| range.1 < from)) {
            if begin >= end {
                break;
            }
            if from < begin {
                fresh.push((from, begin));
            }
            from = from.max(known_end);
        }
        if from < end {
            fresh.push((from, end));
        }
        for (begin, until) in fresh {
            if until > captured {
                self.cut = self.cut.min(begin.max(captured));
            }
            self.copy(begin, until.min(captured), piece.offset, payload.bytes);
        }
        self.cover(piece.offset, end);
    }

    fn copy(&mut self, begin: u32, end: u32, offset: u32, bytes: &[u8]) {
        let at = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        if begin >= end {
            return;
        }
        if self.data.len() < at(end) {
            self.data.resize(at(end), 0);
        }
        if let (Some(to), Some(from)) =
            (self.data.get_mut(at(begin)..at(end)), bytes.get(at(begin - offset)..at(end - offset)))
        {
            to.copy_from_slice(from);
        }
    }

    /// Adds a range and joins what it touches.
    fn cover(&mut self, mut begin: u32, mut end: u32) {
        let first = self.have.partition_point(|range| range.1 < begin);
        let last = self.have.partition_point(|range| range.0 <= end);
        for range in self.have.drain(first..last.max(first)) {
            begin = begin.min(range.0);
            end = end.max(range.1);
        }
        self.have.insert(first, (begin, end));
    }

    fn is_complete(&self) -> bool {
        match (self.total, self.have.first()) {
            (Some(total), Some((0, end))) => *end >= total,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32) -> Key {
        Key { source: [1; 16], destination: [2; 16], protocol: 17, id, tunnel: TunnelId(0), interface: 0 }
    }

    fn put(table: &mut Fragments, id: u32, offset: u32, more: bool, bytes: &[u8], seconds: i64) -> Option<Whole> {
        let piece = Piece { id, offset, more };
        table.add(key(id), piece, 17, Chunk::new(bytes, bytes.len()), Time(seconds * 1_000_000_000))
    }

    #[test]
    fn fragments_in_any_order_make_the_packet() {
        let pieces: [(u32, bool, &[u8]); 3] = [(0, true, b"abcdefgh"), (8, true, b"ijklmnop"), (16, false, b"qr")];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut table = Fragments::default();
            let mut whole = None;
            for at in order {
                assert!(whole.is_none());
                let (offset, more, bytes) = pieces[at];
                whole = put(&mut table, 1, offset, more, bytes, 0);
            }
            let whole = whole.unwrap();
            assert_eq!((&whole.bytes[..], whole.wire, whole.protocol), (&b"abcdefghijklmnopqr"[..], 18, 17));
            assert_eq!(table.finish(), 0);
        }
    }

    #[test]
    fn the_first_copy_of_a_byte_counts() {
        let mut table = Fragments::default();
        assert!(put(&mut table, 1, 8, true, b"ijklmnop", 0).is_none());
        assert!(put(&mut table, 1, 0, true, b"abcdefghXXXXXXXXqrstuvwx", 0).is_none());
        let whole = put(&mut table, 1, 16, false, b"YYYYYYYYyz", 0).unwrap();
        assert_eq!(whole.bytes, b"abcdefghijklmnopqrstuvwxyz");
    }

    #[test]
    fn a_cut_fragment_gives_what_stands_before_the_cut() {
        let mut table = Fragments::default();
        let piece = Piece { id: 1, offset: 0, more: true };
        assert!(table.add(key(1), piece, 6, Chunk::new(b"abcdef", 16), Time(0)).is_none());
        let whole = put(&mut table, 1, 16, false, b"qr", 0).unwrap();
        assert_eq!((&whole.bytes[..], whole.wire), (&b"abcdef"[..], 18));
    }

    #[test]
    fn what_never_completes_is_counted_by_age_number_and_end() {
        let mut table = Fragments::default();
        put(&mut table, 1, 0, true, b"abcdefgh", 0);
        put(&mut table, 1, 16, true, b"abcdefgh", 1);
        assert!(put(&mut table, 2, 0, true, b"abcdefgh", 32).is_none());
        assert!(put(&mut table, 1, 8, false, b"ij", 32).is_none(), "its fellows are forgotten");
        assert_eq!(table.finish(), 4);
        for id in 0..2500 {
            put(&mut table, id, 0, true, b"abcdefgh", 40);
        }
        assert_eq!((table.waiting.len(), table.lost), (WAITING, 1500));
        assert_eq!(table.finish(), 2500);
    }

    #[test]
    fn memory_stays_bounded_when_packets_complete_quickly() {
        let mut table = Fragments::default();
        for id in 0..50_000 {
            put(&mut table, id, 0, true, b"abcdefgh", 0);
            assert!(put(&mut table, id, 8, false, b"i", 0).is_some());
        }
        assert!(table.ages.len() <= 4 * WAITING + 1 && table.waiting.is_empty());
    }

    #[test]
    fn impossible_fragments_are_lost() {
        let mut table = Fragments::default();
        assert!(put(&mut table, 1, 0, true, b"abc", 0).is_none(), "no multiple of 8");
        assert!(put(&mut table, 1, 65_528, false, b"abcdefghi", 0).is_none(), "beyond 64 KiB");
        assert!(put(&mut table, 1, 8, false, b"", 0).is_none(), "nothing in it");
        assert_eq!(table.finish(), 3);
        assert!(table.waiting.is_empty());
    }
}
