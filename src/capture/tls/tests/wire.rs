//! The TCP conversations of a capture, put in order apart from the program's own streams.

use crate::capture::dissect::Dissector;
use crate::capture::file::Reader;
use crate::capture::packet::{Endpoint, Tcp, Transport, flag};
use crate::capture::tls::{Ending, Session};
use std::collections::BTreeMap;

/// One TCP segment.
#[derive(Clone, Debug)]
struct Segment {
    frame: u64,
    side: usize,
    seq: u32,
    flags: u8,
    data: Vec<u8>,
    missing: usize,
}

/// One conversation, side 0 being the one that sent the first segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    pub names: [String; 2],
    segments: Vec<Segment>,
    pub seconds: i64,
}

/// What a session is fed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Data(usize, Vec<u8>, u64),
    Gap(usize, Option<u64>),
}

impl Conversation {
    /// Bytes in order and gaps, as a stream reader would hand them over.
    pub(super) fn steps(&self) -> (Vec<Step>, Ending) {
        let mut next: [Option<u32>; 2] = [None; 2];
        let mut waiting: [Vec<Segment>; 2] = Default::default();
        let (mut steps, mut ending) = (Vec::new(), Ending::default());
        for segment in &self.segments {
            let side = segment.side;
            if segment.flags & 0x02 != 0 {
                next[side] = Some(segment.seq.wrapping_add(1));
                continue;
            }
            if segment.flags & 0x05 != 0 {
                ending.first.get_or_insert(side);
                ending.fin[side] |= segment.flags & 0x01 != 0;
                ending.rst[side] |= segment.flags & 0x04 != 0;
            }
            if segment.data.is_empty() && segment.missing == 0 {
                continue;
            }
            next[side].get_or_insert(segment.seq);
            waiting[side].push(segment.clone());
            Self::drain(&mut next[side], &mut waiting[side], &mut steps, false);
        }
        for side in [0, 1] {
            Self::drain(&mut next[side], &mut waiting[side], &mut steps, true);
        }
        (steps, ending)
    }

    fn drain(next: &mut Option<u32>, waiting: &mut Vec<Segment>, steps: &mut Vec<Step>, last: bool) {
        loop {
            let Some(expected) = *next else { return };
            waiting.sort_by_key(|segment| segment.seq.wrapping_sub(expected) as i32);
            let Some(first) = waiting.first() else { return };
            let ahead = first.seq.wrapping_sub(expected) as i32;
            if ahead > 0 && !last {
                return;
            }
            let segment = waiting.remove(0);
            if ahead > 0 {
                steps.push(Step::Gap(segment.side, Some(ahead as u64)));
            }
            let known = usize::try_from(-ahead).unwrap_or(0);
            let end = segment.data.len() + segment.missing;
            if known >= end {
                continue;
            }
            if known < segment.data.len() {
                steps.push(Step::Data(segment.side, segment.data[known..].to_vec(), segment.frame));
            }
            if segment.missing > 0 {
                steps.push(Step::Gap(segment.side, Some(segment.missing as u64)));
            }
            *next = Some(segment.seq.wrapping_add(end as u32));
        }
    }

    /// A session that was fed with all of it.
    pub(super) fn session(&self) -> (Session, Ending) {
        let (steps, ending) = self.steps();
        let mut session = Session::default();
        feed(&mut session, &steps);
        (session, ending)
    }
}

/// Feeds a session.
pub(super) fn feed(session: &mut Session, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Data(side, bytes, frame) => {
                session.push(*side, bytes, *frame);
            }
            Step::Gap(side, bytes) => session.gap(*side, *bytes),
        }
    }
}

/// All TCP conversations of a capture; a SYN after data begins a new one.
pub(super) fn conversations(file: &[u8]) -> Vec<Conversation> {
    let (mut reader, mut dissector) = (Reader::open(file).unwrap(), Dissector::default());
    let mut found: Vec<Conversation> = Vec::new();
    let mut known: BTreeMap<[Endpoint; 2], usize> = BTreeMap::new();
    while let Some(frame) = reader.next_frame() {
        let Ok(packet) = dissector.dissect(&frame) else { continue };
        if packet.transport != Transport::Tcp {
            continue;
        }
        let Tcp { seq, flags, .. } = packet.tcp;
        let mut key = [packet.source, packet.destination];
        key.sort();
        let again = flags & (flag::SYN | flag::ACK) == flag::SYN
            && known.get(&key).is_some_and(|index| found[*index].segments.iter().any(|one| !one.data.is_empty()));
        if again || !known.contains_key(&key) {
            known.insert(key, found.len());
            let names = [packet.source, packet.destination].map(|end| end.to_string());
            let seconds = packet.time.0 / 1_000_000_000;
            found.push(Conversation { names, seconds, ..Conversation::default() });
        }
        let conversation = &mut found[known[&key]];
        let side = usize::from(conversation.names[0] != packet.source.to_string());
        let (data, missing) = (packet.payload.to_vec(), packet.wire_len as usize - packet.payload.len());
        conversation.segments.push(Segment { frame: packet.frame, side, seq, flags, data, missing });
    }
    found
}
