//! A whole capture file, from the file header to the verdicts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshctl::capture::{Options, Verifier};

fuzz_target!(|data: &[u8]| {
    let mut verifier = Verifier::new(Options { samples: true, ..Options::default() });
    verifier.file("fuzz", data, &mut || {});
    let capture = verifier.finish(false);
    for flow in &capture.flows {
        for evidence in &flow.evidence {
            let _ = evidence.note.text(flow);
        }
    }
});
