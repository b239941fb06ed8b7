//! The classic format (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of a header of 16 and the frame.

use super::window::Window;
use super::{Found, LARGEST, Record, ended};
use crate::capture::packet::Time;
use std::io::BufRead;

/// The four bytes that a variant begins with, as a number in its own byte order.
struct Variant {
    magic: u32,
    /// Nanoseconds in the unit of the fraction.
    unit: i64,
    /// Bytes of the file header.
    header: usize,
    /// Bytes of a record header.
    record: usize,
}

const VARIANTS: &[Variant] = &[
    Variant { magic: 0xa1b2_c3d4, unit: 1000, header: 24, record: 16 },
    Variant { magic: 0xa1b2_3c4d, unit: 1, header: 24, record: 16 },
    // Kuznetzov's patch of old libpcap: interface index, protocol and packet type behind each record header.
    Variant { magic: 0xa1b2_cd34, unit: 1000, header: 24, record: 24 },
    // IXIA, hardware and software ports: the size of all records behind the file header.
    Variant { magic: 0x1c00_01ac, unit: 1, header: 28, record: 16 },
    Variant { magic: 0x1c00_01ab, unit: 1, header: 28, record: 16 },
];

/// The magic numbers that are read, each with the bytes of its file header.
pub fn magics() -> impl Iterator<Item = (u32, usize)> {
    VARIANTS.iter().map(|variant| (variant.magic, variant.header))
}

/// How a classic file is read.
#[derive(Clone, Copy, Debug)]
pub struct Classic {
    big: bool,
    unit: i64,
    header: usize,
    record: usize,
    link_type: u32,
}

impl Classic {
    /// By the file header; `None`: it is another kind of file.
    pub fn open(head: &[u8]) -> Option<Self> {
        let head: &[u8; 24] = head.first_chunk()?;
        let [a, b, c, d, ..] = *head;
        let magic = u32::from_le_bytes([a, b, c, d]);
        let (big, variant) = VARIANTS.iter().find_map(|variant| match magic {
            _ if magic == variant.magic => Some((false, variant)),
            _ if magic.swap_bytes() == variant.magic => Some((true, variant)),
            _ => None,
        })?;
        let Variant { unit, header, record, .. } = *variant;
        // The upper six bits say whether frames end in a checksum, which the IP length cuts off anyway.
        let link_type = number(big, [head[20], head[21], head[22], head[23]]) & 0x03ff_ffff;
        Some(Self { big, unit, header, record, link_type })
    }

    /// Bytes of the file header.
    pub fn header(&self) -> usize {
        self.header
    }

    /// The next record.
    #[inline]
    pub fn next<R: BufRead>(&self, window: &mut Window<R>) -> Found {
        if let Err(short) = window.need(self.record) {
            return ended(short, "a record header");
        }
        let Some(h) = window.view(self.record).first_chunk::<16>() else { return Found::End };
        let word = |bytes| number(self.big, bytes);
        let seconds = i64::from(word([h[0], h[1], h[2], h[3]]));
        let fraction = i64::from(word([h[4], h[5], h[6], h[7]]));
        let captured = word([h[8], h[9], h[10], h[11]]);
        let wire = word([h[12], h[13], h[14], h[15]]);
        if captured > LARGEST {
            return Found::Stop(format!("a record claims {captured} bytes: the file is damaged from here on"));
        }
        let captured = captured as usize;
        let length = self.record + captured;
        if let Err(short) = window.need(length) {
            return ended(short, "a record");
        }
        Found::Frame(Record {
            length,
            from: self.record,
            captured,
            wire,
            time: Time(seconds * 1_000_000_000 + fraction * self.unit),
            interface: 0,
            link_type: self.link_type,
            loopback: false,
        })
    }
}

#[inline]
fn number(big: bool, bytes: [u8; 4]) -> u32 {
    if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}
