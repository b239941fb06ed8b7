//! A whole configuration dump, from memory and as a stream: both must read the same, and be judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshctl::envoy::dump::{Wanted, from_reader, from_slice, join};
use meshctl::envoy::{Query, judge};

fuzz_target!(|data: &[u8]| {
    let wanted = Wanted { endpoints: true };
    let (whole, stream) = (from_slice("fuzz", data, wanted), from_reader("fuzz", data, wanted));
    assert_eq!(whole.problem, stream.problem);
    assert_eq!(whole.unread, stream.unread);
    for proxy in join(vec![whole, stream]) {
        let _ = judge(proxy, &Query { upstreams: true, ..Query::default() });
    }
});
