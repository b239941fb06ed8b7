//! One frame, from the link layer to the transport's payload. The first byte chooses the link type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshctl::capture::dissect::Dissector;
use meshctl::capture::file::Frame;
use meshctl::capture::link::LINK_LAYERS;
use meshctl::capture::packet::Time;

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let Some(layer) = LINK_LAYERS.get(usize::from(*choice) % LINK_LAYERS.len()) else { return };
    let mut dissector = Dissector::default();
    // Frames of at most 200 bytes, so that fragments can meet.
    for (number, data) in (1..).zip(data.chunks(200)) {
        let frame = Frame {
            number,
            time: Time(0),
            interface: 0,
            loopback: false,
            link_type: layer.0,
            wire_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
            data,
        };
        if let Ok(packet) = dissector.dissect(&frame) {
            assert!(packet.payload.len() <= packet.wire_len as usize);
        }
    }
});
