//! Finds values in JSON text without decoding them, over bytes in memory or a window that slides over a stream.
//!
//! What is wanted is decoded by `serde_json`, value by value. What is not wanted is passed by its brackets and quotes
//! alone: that is several times faster, and forgives what is malformed inside of it (a number that is none) as long as
//! brackets pair and strings end.

use super::super::tree::{Kept, Node, Tree};
use serde::de::DeserializeSeed;
use std::borrow::Cow;
use std::io::{ErrorKind, Read};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 18;

/// The largest value that is decoded: its tree takes several times as much memory.
const LARGEST: usize = 64 << 20;

/// Where and why the reading ended.
#[derive(Debug)]
pub(super) struct Stop {
    /// In words, without what the input holds.
    pub(super) why: Cow<'static, str>,
    /// Bytes of the input before it.
    offset: u64,
}

enum Data<'s> {
    Whole(&'s [u8]),
    Window { buffer: Vec<u8>, source: &'s mut dyn Read, ended: bool, failed: Option<String> },
}

/// A position in JSON text.
pub(super) struct Scan<'s> {
    data: Data<'s>,
    /// The position in the window.
    at: usize,
    /// Bytes before the window.
    base: u64,
    /// Line ends before the window, and bytes of its first line that are before it.
    lines: u64,
    column: u64,
    /// Bytes from here on stay in the window.
    pin: Option<u64>,
}

impl<'s> Scan<'s> {
    /// Over bytes in memory.
    pub(super) fn whole(bytes: &'s [u8]) -> Self {
        Self { data: Data::Whole(bytes), at: 0, base: 0, lines: 0, column: 0, pin: None }
    }

    /// Over a stream.
    pub(super) fn stream(source: &'s mut dyn Read) -> Self {
        let data = Data::Window { buffer: Vec::new(), source, ended: false, failed: None };
        Self { data, at: 0, base: 0, lines: 0, column: 0, pin: None }
    }

    fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Whole(bytes) => bytes,
            Data::Window { buffer, .. } => buffer,
        }
    }

    fn rest(&self) -> &[u8] {
        self.bytes().get(self.at..).unwrap_or_default()
    }

    /// Bytes of the input before the position.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Line and column of a stop, from 1.
    pub(super) fn place(&self, stop: &Stop) -> (u32, u32) {
        let before = usize::try_from(stop.offset.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let before = self.bytes().get(..before).unwrap_or_else(|| self.bytes());
        let (lines, column) = advance(before, self.lines, self.column);
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).saturating_add(1);
        (number(lines), number(column))
    }

    /// What went wrong with the source, in words.
    pub(super) fn failure(&mut self) -> Option<String> {
        match &mut self.data {
            Data::Whole(_) => None,
            Data::Window { failed, .. } => failed.take(),
        }
    }

    /// Reads more of the source; false: there is no more.
    fn more(&mut self) -> Result<bool, Stop> {
        let kept = self.pin.map_or(self.at, |pin| usize::try_from(pin.saturating_sub(self.base)).unwrap_or(0));
        let Data::Window { buffer, source, ended, failed } = &mut self.data else { return Ok(false) };
        if *ended {
            return Ok(false);
        }
        let mut kept = kept.min(self.at).min(buffer.len());
        if buffer.len() - kept > LARGEST {
            // Too large to be decoded: it is passed, and the caller sees that it is gone.
            kept = self.at.min(buffer.len());
            self.pin = None;
        }
        let dropped = buffer.get(..kept).unwrap_or_default();
        (self.lines, self.column) = advance(dropped, self.lines, self.column);
        buffer.drain(..kept);
        self.base += kept as u64;
        self.at -= kept;
        // A value that is larger than the window is read in growing steps, so that it is not moved for every chunk.
        let before = buffer.len();
        let wanted = CHUNK.max(before);
        match source.take(wanted as u64).read_to_end(buffer) {
            Ok(_) => *ended = buffer.len() - before < wanted,
            Err(error) => {
                *ended = true;
                *failed = Some(match error.kind() {
                    ErrorKind::InvalidData => "the data are damaged".to_owned(),
                    _ => error.to_string(),
                });
            }
        }
        Ok(buffer.len() > before)
    }

    pub(super) fn stop(&self, why: &'static str) -> Stop {
        Stop { why: why.into(), offset: self.offset() }
    }

    fn cut(&self) -> Stop {
        self.stop("the input ends in the middle of a value")
    }

    /// Passes a byte order mark; UTF-16 is named, as editors on Windows write it.
    pub(super) fn begin(&mut self) -> Result<(), Stop> {
        while self.rest().len() < 3 && self.more()? {}
        match self.rest() {
            [0xef, 0xbb, 0xbf, ..] => self.at += 3,
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(self.stop("it is UTF-16: save it as UTF-8")),
            _ => {}
        }
        Ok(())
    }

    /// The first byte of what comes next, which stays; `None` at the end of the input.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Stop> {
        loop {
            let rest = self.rest();
            if let Some(blank) = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
                let found = rest.get(blank).copied();
                self.at += blank;
                return Ok(found);
            }
            self.at += rest.len();
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn next(&mut self) -> Result<u8, Stop> {
        self.peek()?.ok_or_else(|| self.cut())
    }

    /// Passes the opening bracket of an object or a list.
    pub(super) fn open(&mut self) -> Result<(), Stop> {
        self.next()?;
        self.at += 1;
        Ok(())
    }

    /// Whether another item follows in a list; else its closing bracket is passed. `first` is true before the first.
    pub(super) fn item(&mut self, first: &mut bool, close: u8) -> Result<bool, Stop> {
        let byte = self.next()?;
        if byte == close {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            if byte != b',' {
                return Err(self.stop("a comma or a closing bracket is missing"));
            }
            self.at += 1;
            self.next()?;
        }
        Ok(true)
    }

    /// The next key of an object, its colon passed; else the closing bracket is passed.
    pub(super) fn key(&mut self, first: &mut bool) -> Result<Option<String>, Stop> {
        if !self.item(first, b'}')? {
            return Ok(None);
        }
        if self.next()? != b'"' {
            return Err(self.stop("a key in quotes is missing"));
        }
        let key = self.text()?.unwrap_or_default();
        if self.next()? != b':' {
            return Err(self.stop("a colon is missing"));
        }
        self.at += 1;
        self.next()?;
        Ok(Some(key))
    }

    /// Reads the next value if it is a text; anything else is passed.
    pub(super) fn text(&mut self) -> Result<Option<String>, Stop> {
        let is_text = self.next()? == b'"';
        let start = self.pass()?;
        if is_text { self.decode(start, serde_json::from_slice).map(Some) } else { Ok(None) }
    }

    /// Keeps what comes next in the window, until [`Self::unpin`].
    pub(super) fn pin(&mut self) -> u64 {
        let here = self.offset();
        self.pin.get_or_insert(here);
        here
    }

    /// Lets go of what [`Self::pin`] kept from here on.
    pub(super) fn unpin(&mut self, start: u64) {
        if self.pin == Some(start) {
            self.pin = None;
        }
    }

    /// Passes a value that can be decoded afterwards: it is still in the window. Gives where it starts.
    pub(super) fn pass(&mut self) -> Result<u64, Stop> {
        self.next()?;
        let start = self.pin();
        self.skip()?;
        self.unpin(start);
        Ok(start)
    }

    /// The bytes from a start to the position, where they are still in the window.
    pub(super) fn since(&self, start: u64) -> &[u8] {
        let start = usize::try_from(start.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.bytes().get(start..self.at).unwrap_or_default()
    }

    /// Whether the value from a start to the position can be decoded: it is still in the window, and not too large.
    pub(super) fn is_kept(&self, start: u64) -> bool {
        start >= self.base && self.offset().saturating_sub(start) <= LARGEST as u64
    }

    /// Decodes the bytes from a start to the position.
    fn decode<'a, T>(&'a self, start: u64, read: impl FnOnce(&'a [u8]) -> serde_json::Result<T>) -> Result<T, Stop> {
        let bytes = self.since(start);
        if bytes.len() > LARGEST {
            return Err(Stop { why: "one value is larger than 64 MiB".into(), offset: start });
        }
        read(bytes).map_err(|error| {
            let before_line = lines_of(bytes).nth(error.line().saturating_sub(1)).unwrap_or(0);
            Stop { why: words(&error), offset: start + (before_line + error.column().saturating_sub(1)) as u64 }
        })
    }

    /// The tree of the value from a start to the position.
    pub(super) fn tree(&self, start: u64) -> Result<Node<'_>, Stop> {
        self.decode(start, |bytes| {
            let mut source = serde_json::Deserializer::from_slice(bytes);
            let node = Tree::new().deserialize(&mut source)?;
            source.end().map(|()| node)
        })
    }

    /// The tree of the next value and its length, where the window holds all of it: that spares looking for its end
    /// first. `None` where it does not, or where something is wrong with it.
    pub(super) fn ahead(&self) -> Option<(Node<'_>, usize)> {
        let mut values = serde_json::Deserializer::from_slice(self.rest()).into_iter::<Kept<'_>>();
        let kept = values.next()?.ok()?;
        Some((kept.0, values.byte_offset()))
    }

    /// Goes on behind what [`Self::ahead`] found.
    pub(super) fn advance_by(&mut self, length: usize) {
        self.at += length;
    }

    /// Passes a value.
    pub(super) fn skip(&mut self) -> Result<(), Stop> {
        match self.next()? {
            b'{' | b'[' | b'"' => {
                let mut nest = Nest::default();
                loop {
                    let (used, state) = nest.advance(self.rest());
                    self.at += used;
                    match state {
                        Passed::Whole => return Ok(()),
                        Passed::Part if self.more()? => {}
                        Passed::Part => return Err(self.cut()),
                        Passed::Wrong(why) => return Err(self.stop(why)),
                    }
                }
            }
            _ => self.skip_scalar(),
        }
    }

    /// Passes a number, `true`, `false` or `null`.
    fn skip_scalar(&mut self) -> Result<(), Stop> {
        let start = self.pin();
        loop {
            let rest = self.rest();
            let end = rest
                .iter()
                .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.'));
            self.at += end.unwrap_or(rest.len());
            if end.is_some() || !self.more()? {
                break;
            }
        }
        self.unpin(start);
        if self.since(start).is_empty() {
            return Err(self.stop("a value is missing"));
        }
        self.decode(start, serde_json::from_slice::<serde::de::IgnoredAny>).map(|_| ())
    }
}

/// Line ends and bytes after the last one, counted on.
fn advance(bytes: &[u8], lines: u64, column: u64) -> (u64, u64) {
    // Counting in bytes first is what a compiler turns into vector code.
    let ends: u64 =
        bytes.chunks(255).map(|chunk| u64::from(chunk.iter().map(|b| u8::from(*b == b'\n')).sum::<u8>())).sum();
    let last = memchr::memrchr(b'\n', bytes);
    (lines + ends, last.map_or(column + bytes.len() as u64, |last| (bytes.len() - last - 1) as u64))
}

/// Where each line starts.
fn lines_of(bytes: &[u8]) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(memchr::memchr_iter(b'\n', bytes).map(|at| at + 1))
}

/// An error in words, without its position. Errors of syntax are fixed texts; those of data could quote the input.
fn words(error: &serde_json::Error) -> Cow<'static, str> {
    match error.classify() {
        serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
            let text = error.to_string();
            text.split(" at line ").next().unwrap_or_default().to_owned().into()
        }
        _ => "a value is of another kind than expected".into(),
    }
}

enum Passed {
    Whole,
    Part,
    Wrong(&'static str),
}

/// How deep in brackets a position is.
#[derive(Default)]
struct Nest {
    depth: u64,
    /// The kinds of the innermost 64 brackets, 1 for an object; they are only compared where there never were more.
    kinds: u64,
    is_deep: bool,
    in_text: bool,
}

impl Nest {
    /// Goes on until the value ends: how many bytes that took.
    fn advance(&mut self, bytes: &[u8]) -> (usize, Passed) {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if self.in_text {
                at += stretch(rest, text_stops);
                match (bytes.get(at), bytes.get(at + 1)) {
                    (None, _) | (Some(b'\\'), None) => return (at, Passed::Part),
                    (Some(b'"'), _) => {
                        self.in_text = false;
                        at += 1;
                    }
                    (Some(b'\\'), _) => {
                        at += 2;
                        continue;
                    }
                    _ => return (at, Passed::Wrong("a control character stands in a text")),
                }
            } else {
                at += stretch(rest, bracket_stops);
                let Some(byte) = bytes.get(at) else { return (at, Passed::Part) };
                at += 1;
                match byte {
                    b'"' => {
                        self.in_text = true;
                        continue;
                    }
                    b'{' | b'[' => {
                        self.depth += 1;
                        self.is_deep |= self.depth > 64;
                        self.kinds = self.kinds << 1 | u64::from(*byte == b'{');
                        continue;
                    }
                    b'}' | b']' => {
                        let is_other = (self.kinds & 1 == 1) != (*byte == b'}');
                        if self.depth == 0 || (is_other && !self.is_deep) {
                            return (at - 1, Passed::Wrong("a bracket does not pair"));
                        }
                        self.depth -= 1;
                        self.kinds >>= 1;
                    }
                    _ => continue,
                }
            }
            if self.depth == 0 {
                return (at, Passed::Whole);
            }
        }
    }
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// The high bit of every byte that is zero; bytes after the first such one may be wrong.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// Quotes, backslashes and control characters.
fn text_stops(word: u64) -> u64 {
    let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c)) | controls
}

/// Quotes and brackets, with few others: `{ } [ ]` are the same but for these bits.
fn bracket_stops(word: u64) -> u64 {
    zeros(word ^ (ONES * 0x22)) | zeros((word | (ONES * 0x26)) ^ (ONES * 0x7f))
}

/// How many bytes come before the first that a test stops at, eight at a time.
fn stretch(bytes: &[u8], stops: impl Fn(u64) -> u64) -> usize {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let found = stops(u64::from_le_bytes(*word));
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    // The filler is no stop of either kind.
    let mut last = [b' '; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let found = stops(u64::from_le_bytes(last)).trailing_zeros() as usize / 8;
    bytes.len() - rest.len() + found.min(rest.len())
}
