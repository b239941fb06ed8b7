//! Captures in, one after the other; flows out.

use super::dissect::Dissector;
use super::file::{FileFacts, Frame, Reader};
use super::flow::{Capture, Coverage, FileCoverage};
use super::packet::{Medium, Skip, Time, TunnelId};
use super::table::{Options, Table};
use std::io::BufRead;

/// Frames between two calls of the one who waits.
const PAUSE: u64 = 4096;

/// Reads captures and judges what is in them.
#[derive(Debug)]
pub struct Verifier {
    dissector: Dissector,
    table: Table,
    coverage: Coverage,
    /// The link type of the frame before, and how many frames in a row had it.
    link_type: (u32, u64),
}

impl Verifier {
    /// Nothing read yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            dissector: Dissector::default(),
            table: Table::new(options),
            coverage: Coverage::default(),
            link_type: (0, 0),
        }
    }

    /// Reads one capture to its end, and calls `each` now and then on the way. What could not be read of it is in the
    /// coverage; [`Self::measured`] adds what only the caller knows.
    pub fn file(&mut self, path: &str, source: impl BufRead, each: &mut dyn FnMut()) {
        let mut file = FileCoverage { path: path.to_owned(), ..FileCoverage::default() };
        match Reader::open(source) {
            Err(problem) => file.problem = Some(problem),
            Ok(mut reader) => {
                file.valid = true;
                self.dissector.begin_file();
                while let Some(frame) = reader.next_frame() {
                    file.frames += 1;
                    self.frame(&frame);
                    if file.frames.is_multiple_of(PAUSE) {
                        each();
                    }
                }
                self.facts(&mut file, reader.facts);
            }
        }
        self.coverage.files.push(file);
    }

    /// Completes what is said of the file read last: its size in bytes, and its digest.
    pub fn measured(&mut self, bytes: u64, sha256: Option<String>) {
        if let Some(file) = self.coverage.files.last_mut() {
            (file.bytes, file.sha256) = (bytes, sha256);
        }
    }

    /// A file that could not be opened, and why.
    pub fn unread(&mut self, path: &str, problem: String) {
        let file = FileCoverage { path: path.to_owned(), problem: Some(problem), ..FileCoverage::default() };
        self.coverage.files.push(file);
    }

    /// What was found. `interrupted`: the user ended the reading.
    #[must_use]
    pub fn finish(mut self, interrupted: bool) -> Capture {
        self.count_link_type();
        let mut coverage = self.coverage;
        coverage.interrupted = interrupted;
        coverage.duplicates = self.table.duplicates;
        coverage.evicted = self.table.evicted;
        let lost = self.dissector.finish();
        if lost > 0 {
            *coverage.skipped.entry(Skip::FragmentIncomplete).or_default() += lost;
        }
        let (flows, with_gaps) = self.table.into_flows();
        coverage.with_gaps = with_gaps;
        Capture { flows, tunnels: self.dissector.tunnels, coverage }
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        if self.link_type.0 != frame.link_type {
            self.count_link_type();
            self.link_type = (frame.link_type, 0);
        }
        self.link_type.1 += 1;
        let coverage = &mut self.coverage;
        coverage.frames += 1;
        coverage.first = Some(coverage.first.map_or(frame.time, |first| first.min(frame.time)));
        coverage.last = coverage.last.max(Some(frame.time));
        match self.dissector.dissect(frame) {
            Ok(packet) => {
                coverage.on_loopback += u64::from(packet.medium == Medium::Lo);
                coverage.in_tunnels += u64::from(packet.tunnel != TunnelId(0));
                self.table.packet(&packet);
            }
            Err(Skip::Fragment) => {}
            Err(skip) => *coverage.skipped.entry(skip).or_default() += 1,
        }
    }

    fn count_link_type(&mut self) {
        if self.link_type.1 > 0 {
            *self.coverage.link_types.entry(self.link_type.0).or_default() += self.link_type.1;
        }
    }

    fn facts(&mut self, file: &mut FileCoverage, facts: FileFacts) {
        let coverage = &mut self.coverage;
        coverage.dropped = match (coverage.dropped, facts.dropped) {
            (Some(before), Some(more)) => Some(before.saturating_add(more)),
            (before, more) => before.or(more),
        };
        coverage.secrets += facts.secrets.len() as u64;
        let number = |frame: u64| if frame == 0 { 0 } else { self.dissector.number(frame) };
        coverage.comments.extend(facts.comments.into_iter().map(|(frame, text)| (number(frame), text)));
        coverage.unknown_blocks += facts.unknown_blocks;
        file.problem = facts.problem;
    }
}

/// When the first frame of a capture was captured; `None` where there is none.
#[must_use]
pub fn first_time(source: impl BufRead) -> Option<Time> {
    Some(Reader::open(source).ok()?.next_frame()?.time)
}
