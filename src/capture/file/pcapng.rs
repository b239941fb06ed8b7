//! pcapng (draft-ietf-opsawg-pcapng): sections of blocks, each with its own byte order and interfaces.

use super::options::Body;
use super::window::Window;
use super::{COMMENT, COMMENTS, FileFacts, Found, LARGEST, Record, SECRETS, ended};
use crate::capture::packet::Time;
use std::io::BufRead;

/// Block types.
mod block {
    pub const SECTION: u32 = 0x0a0d_0d0a;
    pub const INTERFACE: u32 = 1;
    pub const OLD_PACKET: u32 = 2;
    pub const SIMPLE: u32 = 3;
    pub const STATISTICS: u32 = 5;
    pub const PACKET: u32 = 6;
    pub const SECRETS: u32 = 10;
    /// Known, and without meaning here: names, IRIG and ARINC times, journal entries, custom blocks.
    pub const PASSED: &[u32] = &[4, 7, 8, 9, 0x0bad, 0x4000_0bad];
}

/// Interfaces of one section.
const INTERFACES: usize = 1 << 16;

/// Does a file begin with a section header?
pub fn begins(head: &[u8]) -> bool {
    head.starts_with(&block::SECTION.to_be_bytes()) && order(head.get(8..).unwrap_or_default()).is_some()
}

/// The byte order of a section, by its mark: most significant byte first?
fn order(mark: &[u8]) -> Option<bool> {
    match mark.first_chunk()? {
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(true),
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(false),
        _ => None,
    }
}

/// The state of the reading.
#[derive(Debug, Default)]
pub struct Sections {
    big: bool,
    interfaces: Vec<Interface>,
    /// Interfaces of the sections before.
    before: u32,
    /// The time of the last packet: Simple Packet Blocks have none.
    last: Time,
    secrets: usize,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u32,
    snap: u32,
    resolution: Resolution,
    offset: i64,
    loopback: bool,
    /// Drops by the last statistics, by the packets since the beginning, and what of them was reported.
    by_statistics: u64,
    by_packets: u64,
    reported: u64,
}

/// How a unit of time becomes nanoseconds.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    Times(u64),
    By(u64),
    /// 2 to the minus.
    Binary(u32),
}

impl Resolution {
    /// `if_tsresol`: a power of ten, with the first bit set of two.
    fn new(value: u8) -> Self {
        let power = u32::from(value & 0x7f);
        match (value & 0x80 == 0, power) {
            (false, _) => Self::Binary(power),
            (true, 0..=9) => Self::Times(10u64.pow(9 - power)),
            // From 10 to the minus 29 on, no count of 64 bits makes a nanosecond: nor do the finest binary units.
            (true, _) => 10u64.checked_pow(power - 9).map_or(Self::Binary(127), Self::By),
        }
    }

    fn nanoseconds(self, count: u64) -> i64 {
        let wide = match self {
            Self::Times(factor) => u128::from(count) * u128::from(factor),
            Self::By(divisor) => u128::from(count / divisor),
            Self::Binary(power) => (u128::from(count) * 1_000_000_000) >> power,
        };
        i64::try_from(wide).unwrap_or(i64::MAX)
    }
}

impl Interface {
    fn time(&self, high: u32, low: u32) -> Time {
        let count = u64::from(high) << 32 | u64::from(low);
        Time(self.resolution.nanoseconds(count).saturating_add(self.offset.saturating_mul(1_000_000_000)))
    }

    /// Counts drops once, whether the statistics or the packets tell of them.
    fn dropped(&mut self, facts: &mut FileFacts) {
        let known = self.by_statistics.max(self.by_packets);
        let more = known.saturating_sub(self.reported);
        facts.dropped = Some(facts.dropped.unwrap_or(0).saturating_add(more));
        self.reported = self.reported.max(known);
    }
}

impl Sections {
    /// Makes sure that the first section header can be read.
    ///
    /// # Errors
    /// In words.
    pub fn first<R: BufRead>(&mut self, window: &mut Window<R>) -> Result<(), String> {
        match self.length(window) {
            Ok((_, length)) => window
                .need(length)
                .map_err(|short| short.error.unwrap_or_else(|| "it ends within the section header".to_owned())),
            Err(Found::Stop(why)) => Err(why),
            Err(_) => Err("it ends within the section header".to_owned()),
        }
    }

    /// The next packet; what other blocks say goes to `facts`. `number`: frames so far.
    #[inline]
    pub fn next<R: BufRead>(&mut self, window: &mut Window<R>, facts: &mut FileFacts, number: u64) -> Found {
        loop {
            let (kind, length) = match self.length(window) {
                Ok(found) => found,
                Err(end) => return end,
            };
            if let Err(short) = window.need(length) {
                return ended(short, "a block");
            }
            let bytes = window.view(length);
            let Some((body, tail)) = bytes.get(8..).and_then(<[u8]>::split_last_chunk::<4>) else {
                return Found::Stop("a block is too short".to_owned());
            };
            let body = Body { bytes: body, big: self.big };
            let closing = Body { bytes: tail, big: self.big }.u32(0).map_or(0, |closing| closing as usize);
            // Some writers close with the length before padding.
            if closing.next_multiple_of(4) != length {
                return Found::Stop(format!("a block says at its end that it has {closing} bytes, not {length}"));
            }
            let found = match kind {
                block::PACKET => self.packet(body, facts, number, false),
                block::OLD_PACKET => self.packet(body, facts, number, true),
                block::SIMPLE => self.simple(body),
                _ => self.other(kind, body, facts).map(|()| None),
            };
            match found {
                Ok(Some(record)) => return Found::Frame(Record { length, ..record }),
                Ok(None) => window.consume(length),
                Err(why) => return Found::Stop(why),
            }
        }
    }

    /// Type and length of the next block. A section header brings its own byte order.
    #[inline]
    fn length<R: BufRead>(&mut self, window: &mut Window<R>) -> Result<(u32, usize), Found> {
        if let Err(short) = window.need(12) {
            return Err(ended(short, "a block header"));
        }
        let head = window.view(12);
        if head.starts_with(&block::SECTION.to_be_bytes()) {
            let Some(big) = order(head.get(8..).unwrap_or_default()) else {
                return Err(Found::Stop("a section has an unknown byte order".to_owned()));
            };
            self.big = big;
        }
        let head = Body { bytes: head, big: self.big };
        let (kind, length) = (head.u32(0).unwrap_or(0), head.u32(4).unwrap_or(0));
        if !(12..=LARGEST + (1 << 16)).contains(&length) {
            return Err(Found::Stop(format!("a block claims {length} bytes: the file is damaged from here on")));
        }
        Ok((kind, (length as usize).next_multiple_of(4)))
    }

    /// An Enhanced Packet Block, or the obsolete Packet Block, which has two bytes of interface and two of drops.
    #[inline]
    fn packet(
        &mut self,
        body: Body<'_>,
        facts: &mut FileFacts,
        number: u64,
        old: bool,
    ) -> Result<Option<Record>, String> {
        let short = || "a packet block is too short".to_owned();
        let head: Option<[u32; 5]> = (|| {
            let id = if old { u32::from(body.u16(0)?) } else { body.u32(0)? };
            Some([id, body.u32(4)?, body.u32(8)?, body.u32(12)?, body.u32(16)?])
        })();
        let [id, high, low, captured, wire] = head.ok_or_else(short)?;
        let captured = captured as usize;
        if captured > body.bytes.len() - 20 {
            return Err(format!("a packet claims {captured} bytes, its block has {}", body.bytes.len() - 20));
        }
        let interface = self
            .interfaces
            .get_mut(id as usize)
            .ok_or_else(|| format!("a packet is of interface {id}, which the file does not describe"))?;
        let time = interface.time(high, low);
        let options = 20 + captured.next_multiple_of(4);
        let mut drops = if old { body.u16(2).filter(|drops| *drops != u16::MAX).map(u64::from) } else { None };
        if body.bytes.len() > options + 4 {
            for (code, value) in body.options(options) {
                match code {
                    1 => comment(facts, number + 1, value.bytes),
                    4 if !old => drops = value.u64(0),
                    _ => {}
                }
            }
        }
        if let Some(drops) = drops.filter(|drops| *drops > 0) {
            interface.by_packets = interface.by_packets.saturating_add(drops);
            interface.dropped(facts);
        }
        let record = interface.record(self.before.saturating_add(id), 28, captured, wire, time);
        self.last = time;
        Ok(Some(record))
    }

    /// A Simple Packet Block: of interface 0, cut to its snap length, without a time.
    fn simple(&self, body: Body<'_>) -> Result<Option<Record>, String> {
        let wire = body.u32(0).ok_or("a simple packet block is too short")?;
        let interface =
            self.interfaces.first().ok_or("a packet is of interface 0, which the file does not describe")?;
        let limit = if interface.snap == 0 { u32::MAX } else { interface.snap };
        let captured = (wire.min(limit) as usize).min(body.bytes.len() - 4);
        Ok(Some(interface.record(self.before, 12, captured, wire, self.last)))
    }

    /// Any block that is no packet.
    #[cold]
    fn other(&mut self, kind: u32, body: Body<'_>, facts: &mut FileFacts) -> Result<(), String> {
        match kind {
            block::SECTION => {
                self.before = self.before.saturating_add(u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX));
                self.interfaces.clear();
                for (_, value) in body.options(16).filter(|option| option.0 == 1) {
                    comment(facts, 0, value.bytes);
                }
            }
            block::INTERFACE => self.interface(body, facts)?,
            block::STATISTICS => self.statistics(body, facts),
            block::SECRETS => self.secrets(body, facts),
            _ if block::PASSED.contains(&kind) => {}
            _ => facts.unknown_blocks += 1,
        }
        Ok(())
    }

    fn interface(&mut self, body: Body<'_>, facts: &mut FileFacts) -> Result<(), String> {
        let (Some(link_type), Some(snap)) = (body.u16(0), body.u32(4)) else {
            return Err("an interface block is too short".to_owned());
        };
        if self.interfaces.len() == INTERFACES {
            return Err(format!("a section has more than {INTERFACES} interfaces"));
        }
        let mut interface = Interface {
            link_type: u32::from(link_type),
            snap,
            resolution: Resolution::new(6),
            offset: 0,
            loopback: false,
            by_statistics: 0,
            by_packets: 0,
            reported: 0,
        };
        for (code, value) in body.options(8) {
            match code {
                1 => comment(facts, 0, value.bytes),
                2 => interface.loopback = value.bytes.strip_suffix(&[0]).unwrap_or(value.bytes) == b"lo",
                9 => interface.resolution = Resolution::new(value.bytes.first().copied().unwrap_or(6)),
                14 => interface.offset = value.u64(0).map_or(0, u64::cast_signed),
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Statistics count from the beginning: the last ones of an interface hold. `isb_ifdrop` is what the interface
    /// lacked room for, `isb_osdrop` what the system did.
    fn statistics(&mut self, body: Body<'_>, facts: &mut FileFacts) {
        let mut drops = None;
        for (code, value) in body.options(12) {
            match code {
                1 => comment(facts, 0, value.bytes),
                5 | 7 => drops = value.u64(0).map(|count| count.saturating_add(drops.unwrap_or(0))).or(drops),
                _ => {}
            }
        }
        let interface = body.u32(0).and_then(|id| self.interfaces.get_mut(id as usize));
        if let (Some(drops), Some(interface)) = (drops, interface) {
            interface.by_statistics = interface.by_statistics.max(drops);
            interface.dropped(facts);
        }
    }

    fn secrets(&mut self, body: Body<'_>, facts: &mut FileFacts) {
        let length = body.u32(4).map_or(0, |length| length as usize);
        let data = body.bytes.get(8..).unwrap_or_default();
        let data = data.get(..length).unwrap_or(data);
        if self.secrets + data.len() > SECRETS || facts.secrets.len() >= COMMENTS {
            facts.more_secrets += 1;
            return;
        }
        self.secrets += data.len();
        facts.secrets.push(data.to_vec());
    }
}

impl Interface {
    fn record(&self, interface: u32, from: usize, captured: usize, wire: u32, time: Time) -> Record {
        let Self { link_type, loopback, .. } = *self;
        Record { length: 0, from, captured, wire, time, interface, link_type, loopback }
    }
}

/// Keeps a comment, within limits.
fn comment(facts: &mut FileFacts, frame: u64, text: &[u8]) {
    if facts.comments.len() >= COMMENTS {
        facts.more_comments += 1;
        return;
    }
    let text = text.get(..COMMENT).unwrap_or(text);
    facts.comments.push((frame, String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()));
}
