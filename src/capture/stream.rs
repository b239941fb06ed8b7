//! One direction of a TCP connection, in order: what is next is walked, what came early waits, what never comes is a gap.

use super::packet::Time;

/// Segments of one direction that may wait for what comes before them.
const HELD_SEGMENTS: usize = 64;
/// Bytes of one direction that may wait.
const HELD_BYTES: usize = 64 << 10;
/// How long an acknowledged hole is waited for: the packets of the two directions may reach a capture in either order.
const PATIENCE: u64 = 20_000_000;
/// Segments that came after an acknowledged hole, which then is one whatever the time.
const PATIENT_SEGMENTS: usize = 8;
/// What a sequence number may be ahead: a capture may lose much. More is another connection, or a blind guess.
const WINDOW: u32 = 1 << 30;
/// What it may be behind: no more is under way than a window holds.
pub const BEHIND: u32 = 1 << 24;
/// The longest segment: BIG TCP hands 512 KiB to a device at once. A length field that says more is wrong.
pub const SEGMENT: u32 = 1 << 20;

/// Where the bytes of a stream go.
pub trait Sink {
    /// Bytes in order, each once, with the frame that they came in.
    fn data(&mut self, bytes: &[u8], frame: u64);
    /// This many bytes are missing here.
    fn gap(&mut self, bytes: u64);
    /// Bytes that were delivered before came again: `back` bytes before the end of what was delivered.
    fn again(&mut self, back: u32, bytes: &[u8]);
}

/// Where a segment stands.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Sequence number of its first byte.
    pub seq: u32,
    /// Bytes on the wire, of which fewer may have been captured.
    pub wire_len: u32,
    /// The frame that it came in.
    pub frame: u64,
    /// When that was.
    pub time: Time,
}

/// A segment that waits.
#[derive(Debug)]
struct Held {
    segment: Segment,
    bytes: Box<[u8]>,
}

/// The segments that wait, by sequence number.
#[derive(Debug)]
struct Holding {
    segments: Vec<Held>,
    bytes: usize,
    since: Time,
}

/// One direction.
#[derive(Debug, Default)]
pub struct Stream {
    next: u32,
    holding: Option<Box<Holding>>,
    /// Its first sequence number is known.
    pub started: bool,
    /// Bytes are missing.
    pub gaps: bool,
    /// Two copies of the same bytes differ.
    pub conflict: bool,
}

impl Stream {
    /// The sequence number that comes next.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.next
    }

    /// The direction's first sequence number was seen: `isn` is that of the SYN.
    pub fn open(&mut self, isn: u32) {
        (self.next, self.started) = (isn.wrapping_add(1), true);
    }

    /// Bytes that wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.holding.as_ref().map_or(0, |holding| holding.bytes + size_of::<Holding>())
    }

    /// Whether a segment at `seq` is one that this direction may send now: not from another connection.
    #[must_use]
    pub fn plausible(&self, seq: u32) -> bool {
        let ahead = seq.wrapping_sub(self.next);
        !self.started || !(WINDOW..=u32::MAX - BEHIND).contains(&ahead)
    }

    /// A segment, and what was captured of it.
    pub fn push(&mut self, mut segment: Segment, bytes: &[u8], sink: &mut impl Sink) {
        let bytes = bytes.get(..SEGMENT as usize).unwrap_or(bytes);
        segment.wire_len = segment.wire_len.min(SEGMENT);
        if segment.wire_len == 0 {
            return;
        }
        if !self.started {
            (self.next, self.started) = (segment.seq, true);
        }
        let ahead = segment.seq.wrapping_sub(self.next);
        if ahead == 0 {
            self.deliver(segment, bytes, sink);
            self.drain(sink);
        } else if ahead < WINDOW {
            self.hold(segment, bytes, sink);
        } else {
            self.trim(segment, bytes, sink);
            self.drain(sink);
        }
    }

    /// The other side acknowledged everything before `ack`: a hole before it was a loss of the capture, not of the
    /// network.
    pub fn acknowledged(&mut self, ack: u32, time: Time, sink: &mut impl Sink) {
        let Some(holding) = &self.holding else { return };
        let passed = ack.wrapping_sub(self.next);
        let waited = time.since(holding.since) > PATIENCE || holding.segments.len() >= PATIENT_SEGMENTS;
        if passed > 0 && passed < WINDOW && waited {
            self.skip(sink);
        }
    }

    /// Nothing more comes: what waits is handed over, with the gaps before it.
    pub fn flush(&mut self, sink: &mut impl Sink) {
        while self.holding.is_some() {
            self.skip(sink);
        }
    }

    fn deliver(&mut self, segment: Segment, bytes: &[u8], sink: &mut impl Sink) {
        sink.data(bytes, segment.frame);
        let missing = u64::from(segment.wire_len).saturating_sub(bytes.len() as u64);
        if missing > 0 {
            self.gaps = true;
            sink.gap(missing);
        }
        self.next = self.next.wrapping_add(segment.wire_len);
    }

    /// A segment that begins before what comes next: the first copy wins.
    fn trim(&mut self, segment: Segment, bytes: &[u8], sink: &mut impl Sink) {
        let back = self.next.wrapping_sub(segment.seq);
        let old = bytes.get(..(back as usize).min(bytes.len())).unwrap_or_default();
        // A keep-alive repeats one byte, and not always the right one.
        if !old.is_empty() && segment.wire_len > 1 {
            sink.again(back, old);
        }
        if segment.wire_len > back {
            let rest = Segment { seq: self.next, wire_len: segment.wire_len - back, ..segment };
            self.deliver(rest, bytes.get(back as usize..).unwrap_or_default(), sink);
        }
    }

    fn hold(&mut self, segment: Segment, bytes: &[u8], sink: &mut impl Sink) {
        let (next, Segment { seq, wire_len, time, .. }) = (self.next, segment);
        let holding =
            self.holding.get_or_insert_with(|| Box::new(Holding { segments: Vec::new(), bytes: 0, since: time }));
        let at = holding.segments.partition_point(|held| held.segment.seq.wrapping_sub(next) < seq.wrapping_sub(next));
        if let Some(same) =
            holding.segments.get(at).filter(|held| held.segment.seq == seq && held.segment.wire_len >= wire_len)
        {
            let common = same.bytes.len().min(bytes.len());
            self.conflict |= same.bytes.get(..common) != bytes.get(..common);
            return;
        }
        holding.bytes += bytes.len() + size_of::<Held>();
        holding.segments.insert(at, Held { segment, bytes: bytes.into() });
        while self.holding.as_ref().is_some_and(|h| h.segments.len() > HELD_SEGMENTS || h.bytes > HELD_BYTES) {
            self.skip(sink);
        }
    }

    /// Declares the hole before the first waiting segment a gap.
    fn skip(&mut self, sink: &mut impl Sink) {
        let first = self.holding.as_ref().and_then(|holding| holding.segments.first());
        let Some(seq) = first.map(|held| held.segment.seq) else {
            self.holding = None;
            return;
        };
        let missing = seq.wrapping_sub(self.next);
        if missing >= WINDOW {
            // What was next has gone past it, and far: it is of another connection.
            if let Some(holding) = &mut self.holding {
                let held = holding.segments.remove(0);
                holding.bytes = holding.bytes.saturating_sub(held.bytes.len() + size_of::<Held>());
            }
        } else if missing > 0 {
            self.gaps = true;
            sink.gap(u64::from(missing));
            self.next = seq;
        }
        self.drain(sink);
    }

    /// Hands over what waits and is next now.
    fn drain(&mut self, sink: &mut impl Sink) {
        let Some(mut holding) = self.holding.take() else { return };
        while let Some(first) = holding.segments.first() {
            let back = self.next.wrapping_sub(first.segment.seq);
            if back >= WINDOW {
                break;
            }
            let held = holding.segments.remove(0);
            holding.bytes = holding.bytes.saturating_sub(held.bytes.len() + size_of::<Held>());
            if back == 0 {
                self.deliver(held.segment, &held.bytes, sink);
            } else {
                self.trim(held.segment, &held.bytes, sink);
            }
        }
        if !holding.segments.is_empty() {
            self.holding = Some(holding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Vec<u8>, Vec<(u32, Vec<u8>)>);

    impl Sink for Heard {
        fn data(&mut self, bytes: &[u8], _: u64) {
            self.0.extend_from_slice(bytes);
        }
        fn gap(&mut self, bytes: u64) {
            self.0.extend(format!("<{bytes}>").bytes());
        }
        fn again(&mut self, back: u32, bytes: &[u8]) {
            self.1.push((back, bytes.to_vec()));
        }
    }

    fn at(seq: u32, wire_len: usize) -> Segment {
        Segment { seq, wire_len: u32::try_from(wire_len).unwrap(), frame: 1, time: Time(0) }
    }

    fn run(isn: u32, segments: &[(u32, &str)]) -> (String, Stream) {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.open(isn);
        for (offset, text) in segments {
            let seq = isn.wrapping_add(1).wrapping_add(*offset);
            stream.push(at(seq, text.len()), text.as_bytes(), &mut heard);
        }
        stream.flush(&mut heard);
        (String::from_utf8(heard.0).unwrap(), stream)
    }

    #[test]
    fn segments_come_out_in_order_wherever_the_numbers_wrap() {
        for isn in [0, 1, u32::MAX - 3, u32::MAX, 1 << 31, (1 << 31) - 3] {
            assert_eq!(run(isn, &[(0, "abc"), (3, "def"), (6, "g")]).0, "abcdefg");
            assert_eq!(run(isn, &[(6, "g"), (3, "def"), (0, "abc")]).0, "abcdefg");
            assert_eq!(run(isn, &[(0, "abc"), (0, "abc"), (2, "c"), (1, "bcdef"), (6, "g")]).0, "abcdefg");
            assert_eq!(run(isn, &[(3, "de"), (4, "efgh"), (0, "abcd")]).0, "abcdefgh");
            assert_eq!(run(isn, &[(0, "ab"), (4, "ef")]).0, "ab<2>ef");
        }
    }

    #[test]
    fn a_cut_packet_leaves_a_gap_and_the_next_one_fits() {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.push(at(100, 10), b"ab", &mut heard);
        stream.push(at(110, 2), b"cd", &mut heard);
        assert_eq!(heard.0, b"ab<8>cd");
        assert!(stream.gaps);
    }

    #[test]
    fn an_acknowledged_hole_is_given_up_after_a_while() {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.open(0);
        stream.push(at(4, 3), b"def", &mut heard);
        stream.acknowledged(7, Time(1), &mut heard);
        assert_eq!(heard.0, b"");
        stream.acknowledged(1, Time(1_000_000_000), &mut heard);
        assert_eq!(heard.0, b"", "the hole itself is not acknowledged");
        stream.acknowledged(7, Time(1_000_000_000), &mut heard);
        assert_eq!(heard.0, b"<3>def");
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.open(0);
        for n in 0..10_000_u32 {
            stream.push(at(10 + 2 * n, 1), b"x", &mut heard);
            assert!(stream.held() <= HELD_BYTES + 200);
        }
    }

    #[test]
    fn copies_that_differ_are_seen() {
        let (_, stream) = run(7, &[(3, "def"), (3, "dxf"), (0, "abc")]);
        assert!(stream.conflict);
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.open(0);
        stream.push(at(1, 4), b"abcd", &mut heard);
        stream.push(at(3, 3), b"XYZ", &mut heard);
        assert_eq!((&heard.0[..], &heard.1[..]), (&b"abcdZ"[..], &[(2, b"XY".to_vec())][..]));
    }

    #[test]
    fn lengths_that_lie_do_not_keep_it_busy() {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.open(1000);
        stream.push(at(2001, 1), b"x", &mut heard);
        stream.push(Segment { seq: 1001, wire_len: 0x8000_0040, frame: 2, time: Time(0) }, b"y", &mut heard);
        for n in 0..3000_u32 {
            let seq = 1001_u32.wrapping_add(n.wrapping_mul(1 << 20));
            stream.push(Segment { seq, wire_len: u32::MAX, frame: 3, time: Time(0) }, b"z", &mut heard);
        }
        stream.flush(&mut heard);
        assert_eq!(stream.held(), 0);
    }

    #[test]
    fn random_orders_give_the_same_text() {
        let text: Vec<u8> = (0..2000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let mut seed = 1_u32;
        for _ in 0..50 {
            let mut pieces: Vec<(usize, usize)> = (0..50).map(|n| (n * 40, 40 + (n % 3) * 13)).collect();
            for n in (1..pieces.len()).rev() {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                pieces.swap(n, seed as usize % (n + 1));
            }
            let (mut stream, mut heard) = (Stream::default(), Heard::default());
            stream.open(u32::MAX - 700);
            for (from, len) in pieces {
                let bytes = &text[from..(from + len).min(text.len())];
                stream.push(at((u32::MAX - 699).wrapping_add(from as u32), bytes.len()), bytes, &mut heard);
            }
            stream.flush(&mut heard);
            assert_eq!(heard.0, text);
        }
    }
}
