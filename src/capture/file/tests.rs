//! Files built byte by byte.

use super::*;
use std::io::BufReader;

/// Bytes in both orders.
#[derive(Clone, Copy)]
struct Order(bool);

impl Order {
    fn n16(self, value: u16) -> [u8; 2] {
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }
    fn n32(self, value: u32) -> [u8; 4] {
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }
    fn n64(self, value: u64) -> [u8; 8] {
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }
    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = self.n32(u32::try_from(padded + 12).unwrap());
        let padding = vec![0; padded - body.len()];
        [&self.n32(kind), &length, body, &padding, &length].concat()
    }
    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
        [&self.n16(code)[..], &self.n16(u16::try_from(value.len()).unwrap()), value, &padding].concat()
    }
    fn section(self, options: &[u8]) -> Vec<u8> {
        let head = [&self.n32(0x1a2b_3c4d)[..], &self.n16(1), &self.n16(0), &self.n64(u64::MAX), options].concat();
        self.block(0x0a0d_0d0a, &head)
    }
    fn interface(self, link: u16, snap: u32, options: &[u8]) -> Vec<u8> {
        self.block(1, &[&self.n16(link)[..], &[0, 0], &self.n32(snap), options].concat())
    }
    fn packet(self, interface: u32, time: u64, data: &[u8], options: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap();
        let padding = vec![0; data.len().next_multiple_of(4) - data.len()];
        let high = u32::try_from(time >> 32).unwrap();
        let low = u32::try_from(time & 0xffff_ffff).unwrap();
        let head = [interface, high, low, length, length + 5].map(|value| self.n32(value)).concat();
        self.block(6, &[&head[..], data, &padding, options].concat())
    }
    fn classic(self, magic: u32, link: u32) -> Vec<u8> {
        [&self.n32(magic)[..], &self.n16(2), &self.n16(4), &[0; 8], &self.n32(65_535), &self.n32(link)].concat()
    }
    fn record(self, seconds: u32, fraction: u32, data: &[u8], wire: u32) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap();
        [&[seconds, fraction, length, wire].map(|value| self.n32(value)).concat()[..], data].concat()
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    time: i64,
    interface: u32,
    loopback: bool,
    link: u32,
    wire: u32,
    data: Vec<u8>,
}

/// Reads in blocks of every size: a record must not care where a block ends.
fn read(bytes: &[u8]) -> (Vec<Seen>, FileFacts) {
    let whole = read_in(bytes, bytes.len().max(1));
    for block in [1, 2, 3, 7, 16, 61] {
        assert_eq!(read_in(bytes, block), whole, "in blocks of {block}");
    }
    whole
}

fn read_in(bytes: &[u8], block: usize) -> (Vec<Seen>, FileFacts) {
    let mut reader = Reader::open(BufReader::with_capacity(block, bytes)).unwrap();
    let mut seen = Vec::new();
    while let Some(frame) = reader.next_frame() {
        assert_eq!(frame.number, seen.len() as u64 + 1);
        seen.push(Seen {
            time: frame.time.0,
            interface: frame.interface,
            loopback: frame.loopback,
            link: frame.link_type,
            wire: frame.wire_len,
            data: frame.data.to_vec(),
        });
    }
    assert!(reader.next_frame().is_none());
    (seen, reader.facts)
}

const BOTH: [Order; 2] = [Order(false), Order(true)];

#[test]
fn classic_files_are_read_in_both_orders_and_units() {
    for order in BOTH {
        for (magic, nanoseconds) in [(0xa1b2_c3d4, 7000), (0xa1b2_3c4d, 7)] {
            let file = [order.classic(magic, 1), order.record(3, 7, b"abc", 60), order.record(4, 0, b"", 0)].concat();
            let (seen, facts) = read(&file);
            assert_eq!(seen.len(), 2);
            assert_eq!((seen[0].time, seen[0].wire, &seen[0].data[..]), (3_000_000_000 + nanoseconds, 60, &b"abc"[..]));
            assert_eq!(facts, FileFacts::default());
        }
    }
}

#[test]
fn modified_and_ixia_files_are_read() {
    for order in BOTH {
        let long = |data: &[u8]| {
            let mut record = order.record(1, 1, data, 9);
            record.splice(16..16, [0; 8]);
            record
        };
        let file = [order.classic(0xa1b2_cd34, 113), long(b"ab"), long(b"c")].concat();
        let (seen, facts) = read(&file);
        assert_eq!((seen.len(), &seen[1].data[..], seen[1].link), (2, &b"c"[..], 113));
        assert_eq!(facts.problem, None);
        let file = [order.classic(0x1c00_01ac, 1), vec![0; 4], order.record(1, 5, b"ab", 9)].concat();
        assert_eq!(read(&file).0[0].time, 1_000_000_005);
    }
}

#[test]
fn a_wire_length_below_the_captured_one_and_a_checksum_mark_are_tolerated() {
    let file = [Order(false).classic(0xa1b2_c3d4, 0xf000_0001), Order(false).record(1, 0, b"abc", 1)].concat();
    assert_eq!((read(&file).0[0].wire, read(&file).0[0].link), (3, 1));
}

#[test]
fn a_cut_tail_and_a_bad_length_are_said_with_the_frame_before_them() {
    let order = Order(false);
    let good = [order.classic(0xa1b2_c3d4, 1), order.record(1, 0, b"abc", 3)].concat();
    for extra in 1..20 {
        let (seen, facts) = read(&[&good[..], &order.record(2, 0, b"wxyz", 4)[..extra]].concat());
        assert_eq!(seen.len(), 1);
        assert!(facts.problem.as_ref().unwrap().starts_with("after frame 1: the file is cut"), "{facts:?}");
    }
    let mut bad = order.record(2, 0, b"", 0);
    bad[8..12].fill(0xff);
    let problem = read(&[&good[..], &bad].concat()).1.problem.unwrap();
    assert_eq!(problem, "after frame 1: a record claims 4294967295 bytes: the file is damaged from here on");
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    let mut file = Vec::new();
    for order in BOTH {
        file.extend(order.section(&[]));
        file.extend(order.interface(1, 0, &order.option(2, b"eth0")));
        file.extend(order.interface(113, 0, &order.option(2, b"lo\0")));
        file.extend(order.packet(1, 5, b"abc", &[]));
        file.extend(order.packet(0, 6, b"abcd", &[]));
    }
    let (seen, facts) = read(&file);
    let short: Vec<_> = seen.iter().map(|seen| (seen.interface, seen.loopback, seen.link, seen.time)).collect();
    assert_eq!(short, [(1, true, 113, 5000), (0, false, 1, 6000), (3, true, 113, 5000), (2, false, 1, 6000)]);
    assert_eq!((seen[0].wire, &seen[0].data[..]), (8, &b"abc"[..]));
    assert_eq!(facts.problem, None);
}

#[test]
fn resolutions_and_offsets_make_nanoseconds() {
    let order = Order(true);
    for (resolution, count, offset, expected) in [
        (3, 5, 0, 5_000_000),
        (9, 5, 0, 5),
        (12, 5000, 0, 5),
        (0, 5, -2, 3_000_000_000),
        (0x80 | 10, 512, 1, 1_500_000_000),
        (0x80 | 127, u64::MAX, 0, 0),
        (127, u64::MAX, 0, 0),
        (0, u64::MAX, i64::MAX, i64::MAX),
    ] {
        let options =
            [order.option(9, &[resolution]), order.option(14, &order.n64(i64::cast_unsigned(offset)))].concat();
        let file = [order.section(&[]), order.interface(1, 0, &options), order.packet(0, count, b"", &[])].concat();
        assert_eq!(read(&file).0[0].time, expected, "{resolution}");
    }
}

#[test]
fn simple_and_obsolete_packets_are_read() {
    let order = Order(false);
    let old =
        [&order.n16(0)[..], &order.n16(4), &[0; 4], &order.n32(9), &order.n32(2), &order.n32(2), b"xy\0\0"].concat();
    let simple = [&order.n32(6)[..], b"abcd"].concat();
    let file = [order.section(&[]), order.interface(1, 4, &[]), order.block(2, &old), order.block(3, &simple)].concat();
    let (seen, facts) = read(&file);
    assert_eq!((seen[0].time, &seen[0].data[..]), (9000, &b"xy"[..]));
    assert_eq!((seen[1].time, seen[1].wire, &seen[1].data[..]), (9000, 6, &b"abcd"[..]));
    assert_eq!(facts.dropped, Some(4));
}

#[test]
fn comments_drops_secrets_and_unknown_blocks_are_kept() {
    let order = Order(false);
    let statistics = |drops: u64| {
        let options = [order.option(5, &order.n64(drops)), order.option(7, &order.n64(1))].concat();
        order.block(5, &[&order.n32(0)[..], &[0; 8], &options].concat())
    };
    let secrets = [&order.n32(0x544c_534b)[..], &order.n32(3), b"abc"].concat();
    let file = [
        order.section(&order.option(1, b"whole")),
        order.interface(1, 0, &[]),
        order.block(10, &secrets),
        order.block(0x7777, b"who knows"),
        order.block(4, &[0; 8]),
        order.packet(0, 1, b"ab", &[order.option(1, b"one"), order.option(4, &order.n64(2))].concat()),
        statistics(3),
        statistics(5),
    ]
    .concat();
    let (seen, facts) = read(&file);
    assert_eq!(seen.len(), 1);
    assert_eq!(facts.comments, [(0, "whole".to_owned()), (1, "one".to_owned())]);
    assert_eq!((facts.dropped, facts.unknown_blocks, facts.problem), (Some(6), 1, None));
    assert_eq!(facts.secrets, [b"abc".to_vec()]);
}

#[test]
fn comments_and_secrets_have_limits() {
    let order = Order(false);
    let mut file = [order.section(&[]), order.interface(1, 0, &[])].concat();
    let comments: Vec<u8> = (0..1200).flat_map(|_| order.option(1, b"x")).collect();
    file.extend(order.packet(0, 1, b"", &comments));
    let secret = [&order.n32(1)[..], &order.n32(9 << 20), &vec![7; 9 << 20]].concat();
    file.extend([order.block(10, &secret), order.block(10, &secret)].concat());
    let (_, facts) = read_in(&file, 1 << 20);
    assert_eq!((facts.comments.len(), facts.more_comments, facts.secrets.len(), facts.more_secrets), (1000, 200, 1, 1));
}

#[test]
fn a_packet_of_an_interface_that_is_not_described_ends_the_reading() {
    let order = Order(false);
    let file = [order.section(&[]), order.interface(1, 0, &[]), order.packet(1, 0, b"ab", &[])].concat();
    assert!(read(&file).1.problem.unwrap().contains("interface 1"));
}

#[test]
fn what_is_no_capture_is_said_in_words() {
    let why = |bytes: &[u8]| Reader::open(bytes).map(|_| ()).unwrap_err();
    assert_eq!(why(b""), "it is empty");
    assert!(why(&[0xd4, 0xc3, 0xb2, 0xa1, 2]).contains("only 5 bytes"));
    assert!(why(b"apiVersion: v1\nkind: Pod\nmetadata:").contains("text"));
    assert!(why(&[0x1f, 0x8b, 8, 0]).contains("gzip"));
    assert!(why(&[0; 40]).contains("begins with 00000000"));
    assert!(why(&Order(false).section(&[])[..20]).contains("ends within"));
}

#[test]
fn cut_and_mutated_files_neither_panic_nor_hang() {
    let order = Order(true);
    let ng = [
        order.section(&order.option(1, b"whole")),
        order.interface(1, 0, &order.option(9, &[6])),
        order.packet(0, 1, b"abcdef", &order.option(1, b"one")),
        order.block(3, &[0, 0, 0, 4, 1, 2, 3, 4]),
        order.section(&[]),
    ]
    .concat();
    let classic = [order.classic(0xa1b2_c3d4, 1), order.record(1, 0, b"abc", 3), order.record(1, 0, b"d", 3)].concat();
    let mut state = 7u32;
    for file in [ng, classic] {
        for end in 0..file.len() {
            if let Ok(mut reader) = Reader::open(&file[..end]) {
                while reader.next_frame().is_some() {}
            }
        }
        for _ in 0..20_000 {
            let mut file = file.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (state >> 8) as usize % file.len();
                file[at] = (state >> 3) as u8;
            }
            if let Ok(mut reader) = Reader::open(&file[..]) {
                while reader.next_frame().is_some() {}
            }
        }
    }
}
