//! Two sides of a TLS conversation: each chunk is led by a byte for its side and one for its length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshctl::capture::packet::Time;
use meshctl::capture::tls::{Ending, Session, find_chain, probe};

fuzz_target!(|data: &[u8]| {
    let _ = (probe(data), find_chain(data));
    let mut session = Session::default();
    let (mut rest, mut frame) = (data, 0);
    while let [side, len, tail @ ..] = rest {
        let side_number = usize::from(side & 1);
        let len = usize::from(*len) * if side & 2 == 0 { 1 } else { 32 };
        let (chunk, tail) = tail.split_at(len.min(tail.len()));
        frame += 1;
        match side >> 6 {
            3 => session.gap(side_number, (side & 4 == 0).then_some(len as u64)),
            _ => {
                session.push(side_number, chunk, frame);
            }
        }
        rest = tail;
    }
    let facts = session.finish(Ending::default(), Time(0), &[]);
    assert!(facts.sides.iter().all(|side| side.bytes <= data.len() as u64));
});
