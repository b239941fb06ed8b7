//! What a command found, in the one shape that every output format reads.
//!
//! A command returns something that implements [`Report`]; a format is written once, against that trait. So N commands
//! and M formats cost N + M, and a new command has every format on the day it is written. Long lists are *fed*, not
//! collected: a feed calls back once per item, may be run twice (widths first, then text), and gives the same items in
//! the same order each time.

use crate::finding::{Finding, Severity};
use crate::location::Location;
use serde::Serialize;
use std::borrow::Cow;
use std::io;

/// A list that is produced item by item, the same each time it is run. The callback's error (a closed pipe) ends it.
pub type Feed<'a, T> = Box<dyn Fn(&mut dyn FnMut(T) -> io::Result<()>) -> io::Result<()> + 'a>;

/// A feed of items that are already in memory.
#[must_use]
pub fn feed<'a, T: Clone + 'a>(items: Vec<T>) -> Feed<'a, T> {
    Box::new(move |each| items.iter().cloned().try_for_each(&mut *each))
}

/// An item of a list of the envelope: any structure that serialises.
pub trait Item {
    /// As a value, for a format that looks inside.
    ///
    /// # Errors
    /// As `serde_json` has them.
    fn value(&self) -> serde_json::Result<serde_json::Value>;
    /// As JSON without spaces, added to a buffer: without the detour over a value.
    ///
    /// # Errors
    /// As `serde_json` has them.
    fn json(&self, line: &mut Vec<u8>) -> serde_json::Result<()>;
}

impl<T: Serialize> Item for T {
    fn value(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(self)
    }

    fn json(&self, line: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(line, self)
    }
}

/// A [`Feed`] of items, lent one by one.
pub type Items<'a> = Box<dyn Fn(&mut dyn FnMut(&dyn Item) -> io::Result<()>) -> io::Result<()> + 'a>;

/// One input of the run, as the envelope shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// The path as typed; `-` for standard input.
    pub path: String,
    /// How much it held.
    #[serde(flatten)]
    pub held: Held,
}

/// How much an input held; the word is the key in the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// YAML or JSON documents.
    Documents(usize),
    /// Bytes of a capture.
    Bytes(u64),
}

/// How a cell or a word is to be seen. Never colour alone: the text carries a word too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As any text.
    #[default]
    Plain,
    /// Encrypted, on evidence.
    Good,
    /// Works, but not as one would wish; or could not be decided.
    Warn,
    /// Fails.
    Bad,
    /// Of less weight.
    Dim,
    /// A heading or a name to find the place by.
    Strong,
}

/// Text and how it is to be seen. The text is raw: each format escapes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The text, unescaped.
    pub text: Cow<'static, str>,
    /// How it is to be seen.
    pub tone: Tone,
}

impl Cell {
    /// Text in a tone.
    pub fn new(text: impl Into<Cow<'static, str>>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// Plain text.
    pub fn plain(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading, in capitals as kubectl prints them.
    pub head: Cow<'static, str>,
    /// Shown only with `-o wide` (CSV and Markdown always show it).
    pub wide: bool,
    /// The fewest characters that it may be narrowed to before text is wrapped or cut; 0: never narrowed.
    pub min: usize,
}

impl Column {
    /// A column that is always shown.
    pub fn new(head: impl Into<Cow<'static, str>>, min: usize) -> Self {
        Self { head: head.into(), wide: false, min }
    }

    /// A column that is shown with `-o wide` only.
    pub fn wide(head: impl Into<Cow<'static, str>>, min: usize) -> Self {
        Self { head: head.into(), wide: true, min }
    }
}

/// Rows under named columns.
pub struct Table<'a> {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows; each has as many cells as there are columns.
    pub rows: Feed<'a, Vec<Cell>>,
}

/// A line of running text: words in tones, wrapped to the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Spaces before the text, also before what is wrapped.
    pub indent: usize,
    /// More spaces before what is wrapped.
    pub hang: usize,
    /// The words, joined by nothing.
    pub words: Vec<Cell>,
}

impl Line {
    /// A line of words.
    #[must_use]
    pub fn new(indent: usize, words: Vec<Cell>) -> Self {
        Self { indent, hang: 2, words }
    }

    /// A line of one plain text.
    pub fn plain(indent: usize, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(indent, vec![Cell::plain(text)])
    }
}

/// A part of the text output.
pub enum Section<'a> {
    /// A table.
    Table(Table<'a>),
    /// Running text.
    Lines(Feed<'a, Line>),
}

/// A named list of the JSON envelope, such as `cells`.
pub struct List<'a> {
    /// Its key.
    pub name: &'static str,
    /// Its items, each a public JSON structure.
    pub items: Items<'a>,
}

/// One thing that was looked at: a format that also shows what passed has a case for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name; the findings whose object is called so are its own.
    pub name: String,
    /// Where it stands.
    pub at: Location,
}

/// What a command returns and every format reads.
pub trait Report {
    /// Name and version of the JSON, e.g. `meshctl.tls-check/v1`.
    fn schema(&self) -> &'static str;
    /// The inputs.
    fn inputs(&self) -> &[Input];
    /// The findings, sorted.
    fn findings(&self) -> &[Finding];
    /// Those that text for a person shows, and a line for what it leaves out. The other formats have all.
    fn brief(&self) -> (Cow<'_, [Finding]>, Vec<Line>) {
        (Cow::Borrowed(self.findings()), Vec::new())
    }
    /// The counts, as the envelope's `summary`.
    fn summary(&self) -> serde_json::Value;
    /// Single objects of the envelope between the summary and the lists, such as `coverage`.
    fn parts(&self) -> Vec<(&'static str, serde_json::Value)> {
        Vec::new()
    }
    /// The same counts for a person, and what has to be said once.
    fn closing(&self) -> Vec<Line>;
    /// The lists of the envelope, in order.
    fn lists(&self) -> Vec<List<'_>>;
    /// The text output, in order.
    fn sections(&self) -> Vec<Section<'_>>;
    /// The text output of `-o wide`, where it is more than other columns.
    fn wide_sections(&self) -> Vec<Section<'_>> {
        self.sections()
    }
    /// The table of CSV and Markdown, where the text output is no table.
    fn table(&self) -> Table<'_>;
    /// Is the table the findings, so that a format which has both shows them once?
    fn table_is_findings(&self) -> bool {
        false
    }
    /// One name per line for `-o name`.
    fn names(&self) -> Feed<'_, String>;
    /// The source around a place: whole lines, of which the first has that number. `None` where there is no text.
    fn excerpt(&self, _at: &Location) -> Option<(u32, &str)> {
        None
    }
    /// What was looked at. `None`: the rows of the table.
    fn subjects(&self) -> Option<Feed<'_, Subject>> {
        None
    }
    /// From which severity on a finding fails the run; `None`: none does.
    fn fails_from(&self) -> Option<Severity> {
        Some(Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_runs_twice_and_stops_at_an_error() {
        let letters = feed(vec!["a", "b", "c"]);
        for _ in 0..2 {
            let mut seen = Vec::new();
            letters(&mut |letter| {
                seen.push(letter);
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, ["a", "b", "c"]);
        }
        let mut seen = 0;
        let stopped = letters(&mut |_| {
            seen += 1;
            Err(io::ErrorKind::BrokenPipe.into())
        });
        assert!(stopped.is_err() && seen == 1);
    }
}
