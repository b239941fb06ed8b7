//! A TCP connection that is not finished: its two streams, how it ended, and who listens to its bytes.

use super::conversation::Conversation;
use super::packet::{Packet, flag};
use super::stream::{Segment, Sink, Stream};
use super::tls::{Ending, Side};
use super::watch::Watch;

/// The state of a TCP flow that is not finished.
#[derive(Debug, Default)]
pub struct Engine {
    /// What each side sends, in order.
    pub streams: [Stream; 2],
    /// Initial sequence numbers, where the SYN was seen.
    pub isn: [Option<u32>; 2],
    /// Who closed, and how.
    pub ending: Ending,
    /// Which sides sent a packet.
    pub seen: [bool; 2],
    /// It is closed, and lingers for what comes late.
    pub closing: bool,
    /// The frame of the first FIN or RST; 0: none.
    pub ended: u64,
    /// Where each side's FIN or RST stands: nothing of this connection comes behind it.
    pub last: [Option<u32>; 2],
    /// What is said, from the first byte on.
    pub talk: Option<Box<Conversation>>,
    /// In place of a conversation whose verdict is settled.
    pub watch: Option<Watch>,
    /// Bytes of memory that it holds.
    pub held: usize,
}

/// Hands the bytes of one packet to its conversation, which begins with the first of them.
struct Listener<'a> {
    talk: &'a mut Option<Box<Conversation>>,
    watch: &'a mut Option<Watch>,
    from_start: bool,
    samples: bool,
    side: Side,
}

impl Listener<'_> {
    fn talk(&mut self) -> &mut Conversation {
        self.talk.get_or_insert_with(|| Box::new(Conversation::new(self.from_start, self.samples)))
    }
}

impl Sink for Listener<'_> {
    fn data(&mut self, bytes: &[u8], frame: u64) {
        let side = self.side;
        match &mut self.watch {
            Some(watch) => watch.look(side, bytes, frame),
            None => self.talk().data(side, bytes, frame),
        }
    }

    fn gap(&mut self, bytes: u64) {
        let side = self.side;
        if self.watch.is_none() {
            self.talk().gap(side, bytes);
        }
    }

    fn again(&mut self, back: u32, bytes: &[u8]) {
        let side = self.side;
        if self.watch.is_none() {
            self.talk().again(side, back, bytes);
        }
    }
}

impl Engine {
    /// A packet of one side.
    pub fn packet(&mut self, packet: &Packet<'_>, side: Side, samples: bool) {
        let (tcp, other) = (packet.tcp, 1 - side);
        let from_start = self.isn.iter().any(Option::is_some) || tcp.flags & flag::SYN != 0;
        let [zero, one] = &mut self.streams;
        let (stream, answered) = if side == 0 { (zero, one) } else { (one, zero) };
        let (Some(seen), Some(isn)) = (self.seen.get_mut(side), self.isn.get_mut(side)) else { return };
        *seen = true;
        let mut seq = tcp.seq;
        if tcp.flags & flag::SYN != 0 {
            if isn.is_none() {
                *isn = Some(tcp.seq);
                if !stream.started {
                    stream.open(tcp.seq);
                }
            }
            seq = seq.wrapping_add(1);
        }
        let mut listener = Listener { talk: &mut self.talk, watch: &mut self.watch, from_start, samples, side: other };
        if tcp.flags & flag::ACK != 0 {
            answered.acknowledged(tcp.ack, packet.time, &mut listener);
        }
        // Also what some stacks put into a reset: it crossed the wire.
        listener.side = side;
        let segment = Segment { seq, wire_len: packet.wire_len, frame: packet.frame, time: packet.time };
        stream.push(segment, packet.payload, &mut listener);
        if let Some(rst) = self.ending.rst.get_mut(side) {
            *rst |= tcp.flags & flag::RST != 0;
        }
        if let Some(fin) = self.ending.fin.get_mut(side) {
            *fin |= tcp.flags & flag::FIN != 0;
        }
        if tcp.flags & (flag::FIN | flag::RST) != 0 {
            if self.ending.first.is_none() {
                self.ending.first = Some(side);
                self.ended = packet.frame;
            }
            if let Some(last) = self.last.get_mut(side) {
                last.get_or_insert(seq.wrapping_add(packet.wire_len));
            }
        }
        if packet.wire_len > 0 {
            let talk = self.talk.as_ref().map_or(0, |talk| talk.held() + size_of::<Conversation>());
            self.held = talk + self.streams.iter().map(Stream::held).sum::<usize>();
        }
    }

    /// Client and server were mistaken for each other.
    pub fn turn(&mut self) {
        self.streams.reverse();
        self.isn.reverse();
        self.seen.reverse();
        self.last.reverse();
        self.ending.fin.reverse();
        self.ending.rst.reverse();
        self.ending.first = self.ending.first.map(|side| 1 - side);
        if let Some(watch) = &mut self.watch {
            watch.turn();
        }
    }

    /// Both sides sent FIN, or one RST.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.ending.rst != [false; 2] || self.ending.fin == [true; 2]
    }

    /// Nothing more comes: what waits is handed over.
    pub fn flush(&mut self, samples: bool) {
        let from_start = self.isn.iter().any(Option::is_some);
        for (side, stream) in self.streams.iter_mut().enumerate() {
            let mut listener = Listener { talk: &mut self.talk, watch: &mut self.watch, from_start, samples, side };
            stream.flush(&mut listener);
        }
    }
}
