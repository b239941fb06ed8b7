//! Every output format, written once, for every command.
//!
//! A format reads a [`Report`] and writes to what the caller gives it (buffered; a closed pipe comes back as the
//! `io::Error` that it is). Nothing else in the program prints a report.

mod csv;
mod envelope;
mod fingerprint;
mod full;
mod github;
mod gitlab;
mod json;
mod junit;
mod markdown;
mod name;
mod sarif;
mod style;
mod table;
mod text;
mod wrap;
mod yaml;

#[cfg(test)]
mod fake;

pub use envelope::{EdgeJson, EditJson, FindingJson, FixJson, PlaceJson, RelatedJson, json_finding};

pub use style::escape;
pub use yaml::document;

use crate::report::{Line, Report};
use crate::words::edits;
use std::io;
use std::str::FromStr;
use text::Shape;

/// An output format, by the name that `-o` takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Text for a person.
    Table,
    /// The same with the wide columns and, in a pipe, the help of each finding.
    Wide,
    /// Text for a person, all findings as blocks, in a pipe too.
    Full,
    /// Text for a person, all findings one line each, on a terminal too.
    Concise,
    /// The JSON envelope.
    Json,
    /// The same envelope as YAML.
    Yaml,
    /// The table for a spreadsheet.
    Csv,
    /// The table for a pull request.
    Markdown,
    /// One name per line.
    Name,
    /// SARIF 2.1.0, the findings for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions, one per finding.
    Github,
    /// GitLab's Code Quality report of the findings.
    Gitlab,
    /// JUnit XML, a case for everything that was looked at.
    Junit,
}

/// Every format: its name, and what it is in a few words.
pub const FORMATS: &[(&str, Format, &str)] = &[
    ("table", Format::Table, "text, fitted to the terminal"),
    ("wide", Format::Wide, "text with more columns"),
    ("full", Format::Full, "text, findings as blocks with their source"),
    ("concise", Format::Concise, "text, findings one line each"),
    ("json", Format::Json, "JSON, one list item per line"),
    ("yaml", Format::Yaml, "the same as YAML"),
    ("csv", Format::Csv, "comma separated, for a spreadsheet"),
    ("markdown", Format::Markdown, "a GitHub table, for a pull request"),
    ("name", Format::Name, "names only, one per line"),
    ("sarif", Format::Sarif, "findings as SARIF 2.1.0, for code scanning"),
    ("github", Format::Github, "findings as annotations of GitHub Actions"),
    ("gitlab", Format::Gitlab, "findings as a Code Quality report of GitLab"),
    ("junit", Format::Junit, "JUnit XML, with what passed"),
];

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, format, _)) = FORMATS.iter().find(|(name, ..)| *name == text) {
            return Ok(*format);
        }
        let names: Vec<&str> = FORMATS.iter().map(|(name, ..)| *name).collect();
        let near = names.iter().map(|name| (edits(text, name), name)).min().filter(|(far, _)| *far <= 2);
        let hint = near.map(|(_, name)| format!("; did you mean {name}?")).unwrap_or_default();
        Err(format!("no output format {text:?}, only {}{hint}", names.join(", ")))
    }
}

/// How to draw text, decided once by the caller.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns of the terminal; `None`: no terminal, so nothing is wrapped and a finding is one line.
    pub width: Option<usize>,
    /// Colour on?
    pub colour: bool,
}

/// Writes a report in a format. `style` matters to text for a person only.
///
/// # Errors
/// What `out` says, unchanged: a closed pipe stays [`io::ErrorKind::BrokenPipe`].
pub fn render(report: &dyn Report, format: Format, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    match format {
        Format::Table => text::write(report, Shape::Table, style, out),
        Format::Wide => text::write(report, Shape::Wide, style, out),
        Format::Full => text::write(report, Shape::Full, style, out),
        Format::Concise => text::write(report, Shape::Concise, style, out),
        Format::Json => json::write(report, out),
        Format::Yaml => yaml::write(report, out),
        Format::Csv => csv::write(report, out),
        Format::Markdown => markdown::write(report, out),
        Format::Name => name::write(report, out),
        Format::Sarif => sarif::write(report, out),
        Format::Github => github::write(report, out),
        Format::Gitlab => gitlab::write(report, out),
        Format::Junit => junit::write(report, out),
    }
}

/// Writes lines of text that are no report, wrapped as a report's are.
///
/// # Errors
/// What `out` says, unchanged.
pub fn lines(lines: &[Line], style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    text::lines(lines, style, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_its_format() {
        for (name, format, _) in FORMATS {
            assert_eq!(name.parse(), Ok(*format));
        }
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let all = "table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit";
        assert_eq!("yml".parse::<Format>(), Err(format!("no output format \"yml\", only {all}; did you mean yaml?")));
        assert_eq!("graphviz".parse::<Format>(), Err(format!("no output format \"graphviz\", only {all}")));
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, want) in
            [("", "", 0), ("", "csv", 3), ("jsno", "json", 2), ("tabel", "table", 2), ("nam", "name", 1)]
        {
            assert_eq!((edits(a, b), edits(b, a)), (want, want), "{a} {b}");
        }
    }

    #[test]
    fn every_format_names_the_template() {
        let report = fake::rendered();
        // The columns of these two are the report's own.
        for (name, format, _) in FORMATS.iter().filter(|(_, format, _)| !matches!(format, Format::Csv | Format::Name)) {
            let text = fake::printed(&report, *format, None, false);
            assert!(text.contains("web/templates/a.yaml"), "{name}: {text}");
        }
    }

    #[test]
    fn a_closed_pipe_stays_one_in_every_format() {
        struct Closed;
        impl io::Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for (name, format, _) in FORMATS {
            let style = Style { width: None, colour: false };
            let end = render(&fake::full(), *format, style, &mut Closed);
            assert_eq!(end.map_err(|e| e.kind()), Err(io::ErrorKind::BrokenPipe), "{name}");
        }
    }
}
