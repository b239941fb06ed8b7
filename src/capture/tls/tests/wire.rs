//! The least reader of captures that tests need: classic pcap, Ethernet (VLANs too) or Linux cooked, IPv4, TCP.

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
    let big = file.starts_with(&[0xa1, 0xb2]);
    let word = |at: usize| {
        let four: [u8; 4] = file[at..at + 4].try_into().unwrap();
        if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    if file.len() < 24 || !matches!(word(0), 0xa1b2_c3d4 | 0xa1b2_3c4d) {
        return Vec::new();
    }
    let (link, mut at, mut frame) = (word(20), 24, 0);
    let mut found: Vec<Conversation> = Vec::new();
    let mut known: BTreeMap<[String; 2], usize> = BTreeMap::new();
    while at + 16 <= file.len() {
        let (seconds, captured) = (i64::from(word(at)), word(at + 8) as usize);
        let Some(data) = file.get(at + 16..at + 16 + captured) else { break };
        at += 16 + captured;
        frame += 1;
        let Some((from, to, mut segment)) = segment(data, link, frame) else { continue };
        let mut key = [from.clone(), to.clone()];
        key.sort();
        let again = segment.flags & 0x12 == 0x02
            && known.get(&key).is_some_and(|index| found[*index].segments.iter().any(|one| !one.data.is_empty()));
        if again || !known.contains_key(&key) {
            known.insert(key.clone(), found.len());
            found.push(Conversation { names: [from.clone(), to], seconds, ..Conversation::default() });
        }
        let conversation = &mut found[known[&key]];
        segment.side = usize::from(conversation.names[0] != from);
        conversation.segments.push(segment);
    }
    found
}

fn segment(data: &[u8], link: u32, frame: u64) -> Option<(String, String, Segment)> {
    let mut at = match link {
        1 => 14,
        113 => 16,
        276 => 20,
        101 => 0,
        _ => return None,
    };
    if link == 1 {
        while data.get(at - 2..at) == Some(&[0x81, 0x00]) {
            at += 4;
        }
        if data.get(at - 2..at) != Some(&[0x08, 0x00]) {
            return None;
        }
    }
    let ip = data.get(at..)?;
    if ip.first()? >> 4 != 4 || *ip.get(9)? != 6 {
        return None;
    }
    let header = usize::from(ip[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let total = if total == 0 { ip.len() } else { total };
    let tcp = ip.get(header..)?;
    let offset = usize::from(*tcp.get(12)? >> 4) * 4;
    let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    let address = |at: usize| format!("{}.{}.{}.{}", ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    let length = total.checked_sub(header + offset)?;
    let captured = tcp.get(offset..).unwrap_or_default();
    let captured = captured[..captured.len().min(length)].to_vec();
    let missing = length - captured.len();
    let seq = u32::from_be_bytes(tcp.get(4..8)?.try_into().unwrap());
    let segment = Segment { frame, side: 0, seq, flags: *tcp.get(13)?, data: captured, missing };
    Some((format!("{}:{}", address(12), port(0)), format!("{}:{}", address(16), port(2)), segment))
}
