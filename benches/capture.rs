//! Where the time of `pcap-verify` goes, phase by phase: `cargo bench --bench capture -- CAPTURE`.
//!
//! Each line is the CPU time of the process (all threads) from the start of the run to the end of the phase, best of
//! three; so the difference of two lines is what a phase costs.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may stop at an error")]

use meshctl::capture::dissect::Dissector;
use meshctl::capture::file::Reader;
use meshctl::capture::judge::Policy;
use meshctl::capture::report::{PcapReport, View};
use meshctl::capture::{Options, Verifier};
use meshctl::input::captures::{Input, open};
use meshctl::render::{Format, Style, render};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() {
    let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!("usage: cargo bench --bench capture -- CAPTURE");
        return;
    };
    let input = || open(&path, false, &Arc::new(AtomicBool::new(false))).unwrap();
    phase("frames", || frames(input(), false));
    phase("+ link, tunnel, IP, transport", || frames(input(), true));
    phase("+ flows, TLS, names, verdicts", || {
        verify(input());
    });
    for format in [Format::Table, Format::Json] {
        phase(&format!("+ -o {format:?}").to_lowercase(), || {
            let report = PcapReport::new(verify(input()), Policy::default(), View::default());
            let style = Style { width: None, colour: false };
            render(&report, format, style, &mut std::io::BufWriter::new(std::io::sink())).unwrap();
        });
    }
}

fn frames(input: Input, dissect: bool) {
    let mut reader = Reader::open(input).unwrap();
    let mut dissector = Dissector::default();
    let mut bytes = 0;
    while let Some(frame) = reader.next_frame() {
        bytes +=
            if dissect { dissector.dissect(&frame).map_or(0, |packet| packet.payload.len()) } else { frame.data.len() };
    }
    assert!(bytes > 0);
}

fn verify(input: Input) -> meshctl::capture::flow::Capture {
    let mut verifier = Verifier::new(Options::default());
    verifier.file("benchmark", input, &mut || {});
    verifier.finish(false)
}

fn phase(name: &str, run: impl Fn()) {
    let best = (0..3)
        .map(|_| {
            let before = cpu();
            run();
            cpu() - before
        })
        .fold(f64::INFINITY, f64::min);
    println!("{name:<32} {best:6.2} CPU s");
}

/// CPU seconds of this process so far: fields 14 and 15 of /proc/self/stat, in ticks of 10 ms.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
