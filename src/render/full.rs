//! Findings as compilers print them: the place, its lines, what to do.

use super::style::{escape, hidden, paint, spaces};
use super::text::{Page, title, tone};
use super::wrap;
use crate::finding::Finding;
use crate::location::Location;
use crate::report::{Cell, Line, Report, Tone};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;

/// Columns of source that are shown where no terminal says how many there are.
const COLUMNS: usize = 200;
/// Source is never cut to fewer columns than this.
const NARROWEST: usize = 8;
/// Columns to which a tab advances.
const TAB: usize = 4;
/// The numbers of lines take at least this many columns, so that short files and long ones look alike.
const GUTTER: usize = 2;

/// Writes the blocks of one report.
pub(super) struct Blocks<'a> {
    report: &'a dyn Report,
    /// The codes of which it was said how they are explained.
    explained: BTreeSet<&'static str>,
}

/// A line of source with its number.
type Numbered<'a> = (u32, &'a str);

impl<'a> Blocks<'a> {
    pub(super) fn new(report: &'a dyn Report) -> Self {
        Self { report, explained: BTreeSet::new() }
    }

    /// A finding, its source, its help, and the places that belong to it.
    pub(super) fn write(&mut self, finding: &Finding, page: &mut Page<'_>) -> io::Result<()> {
        let message = format!(" {}: {}", finding.code.name, finding.message);
        page.line(&Line::new(0, vec![title(finding), Cell::plain(message)]))?;
        let shown = self.lines(&finding.at, 1);
        let related: Vec<_> = finding.related.iter().map(|related| (related, self.lines(&related.at, 0))).collect();
        let numbers = shown.iter().chain(related.iter().flat_map(|(_, lines)| lines)).map(|(number, _)| number);
        let frame = numbers.max().map(|number| Frame {
            gutter: number.to_string().len().max(GUTTER),
            room: page.style.width.unwrap_or(COLUMNS).min(COLUMNS),
        });
        let margin = frame.as_ref().map_or(GUTTER, |frame| frame.gutter + 1);
        place(&finding.at, margin, page)?;
        if let Some(frame) = &frame {
            frame.write(&shown, &finding.at, tone(finding.severity), page)?;
        }
        if let Some(origin) = &finding.origin {
            note("= from:", format!(" {origin}"), margin, page)?;
        }
        if !finding.help.is_empty() {
            note("= help:", format!(" {}", finding.help), margin, page)?;
        }
        for (related, lines) in &related {
            let seen = related.at.file == finding.at.file && shown.iter().any(|(number, _)| *number == related.at.line);
            match &frame {
                Some(frame) if !seen && !lines.is_empty() => {
                    note("= note:", format!(" {}", related.message), margin, page)?;
                    place(&related.at, margin, page)?;
                    frame.write(lines, &related.at, Tone::Dim, page)?;
                }
                _ => note("= note:", format!(" {} ({})", related.message, related.at), margin, page)?,
            }
        }
        if self.explained.insert(finding.code.code) {
            note("= explain:", format!(" meshctl explain {}", finding.code.code), margin, page)?;
        }
        Ok(())
    }

    /// The line of a place, and as many before and after it as say something.
    fn lines(&self, at: &Location, around: u32) -> Vec<Numbered<'a>> {
        let Some((first, text)) = self.report.excerpt(at) else { return Vec::new() };
        let telling = |text: &str| !matches!(text.trim(), "" | "---" | "...");
        let lines = (first..).zip(split(text));
        lines
            .filter(|(number, text)| *number == at.line || (number.abs_diff(at.line) <= around && telling(text)))
            .collect()
    }
}

/// How the lines of one block are set.
struct Frame {
    /// Columns of the line numbers.
    gutter: usize,
    /// Columns of a line in all.
    room: usize,
}

impl Frame {
    /// The lines between two empty ones, with a mark below the place.
    fn write(&self, lines: &[Numbered<'_>], at: &Location, tone: Tone, page: &mut Page<'_>) -> io::Result<()> {
        let Some((_, marked)) = lines.iter().find(|(number, _)| *number == at.line) else { return Ok(()) };
        let room = self.room.saturating_sub(self.gutter + 3).max(NARROWEST);
        let column = (at.column.max(1) - 1) as usize;
        let from = window(marked, column, room);
        self.bar("", page)?;
        writeln!(page.out)?;
        for (number, text) in lines {
            let cut = Cut::new(text, from, room);
            self.bar(&number.to_string(), page)?;
            if !cut.text.is_empty() {
                write!(page.out, " {}", cut.text)?;
            }
            writeln!(page.out)?;
            let mark = if *number == at.line { cut.mark(column, token(text, column)) } else { None };
            if let Some((start, length)) = mark {
                self.bar("", page)?;
                spaces(start + 1, page.out)?;
                paint(&"^".repeat(length), tone, page.style.colour, page.out)?;
                writeln!(page.out)?;
            }
        }
        self.bar("", page)?;
        writeln!(page.out)
    }

    /// The number and the bar beside it.
    fn bar(&self, number: &str, page: &mut Page<'_>) -> io::Result<()> {
        spaces(self.gutter.saturating_sub(number.len()), page.out)?;
        paint(&format!("{number} |"), Tone::Dim, page.style.colour, page.out)
    }
}

/// A line of source as it is shown, and which column each of its characters came to stand in.
struct Cut {
    text: String,
    /// The first character that is shown.
    from: usize,
    /// The column at which each shown character starts, and the one after the last.
    starts: Vec<usize>,
}

impl Cut {
    /// The characters of a line from one on, as many as there is room for.
    fn new(line: &str, from: usize, room: usize) -> Self {
        let mut text = String::new();
        let mut at = 0;
        if from > 0 && line.chars().nth(from).is_some() {
            text.push('…');
            at = 1;
        }
        let mut starts = vec![at];
        let mut chars = line.chars().skip(from).peekable();
        while let Some(c) = chars.next() {
            let piece = shown(c, at);
            let width = wrap::width(&piece);
            // The last column is kept for the sign that more follows.
            if at + width + usize::from(chars.peek().is_some()) > room {
                text.push('…');
                break;
            }
            text.push_str(&piece);
            at += width;
            starts.push(at);
        }
        text.truncate(text.trim_end_matches(' ').len());
        Self { text, from, starts }
    }

    /// Where the mark of a character and those after it starts, and how long it is. A place past the end of the line
    /// is marked right after it.
    fn mark(&self, column: usize, length: usize) -> Option<(usize, usize)> {
        let at = column.checked_sub(self.from)?;
        let last = self.starts.len().checked_sub(1)?;
        let start = *self.starts.get(at.min(last))?;
        let end = *self.starts.get(at.saturating_add(length).min(last))?;
        Some((start, end.saturating_sub(start).max(1)))
    }
}

/// A character as it is shown in that column.
fn shown(c: char, column: usize) -> Cow<'static, str> {
    match c {
        '\t' => Cow::Owned(" ".repeat(TAB - column % TAB)),
        _ if hidden(c) => Cow::Owned(escape(c.encode_utf8(&mut [0; 4])).into_owned()),
        _ => Cow::Owned(c.to_string()),
    }
}

/// The first character to show: 0 where the place is near enough to the start of the line.
fn window(line: &str, column: usize, room: usize) -> usize {
    if column <= room * 2 / 3 || line.chars().nth(room).is_none() { 0 } else { column - room / 3 }
}

/// How many characters the word at a place has: a plain word, or one in quotes.
fn token(line: &str, column: usize) -> usize {
    let mut rest = line.chars().skip(column).peekable();
    if let Some(quote) = rest.next_if(|c| matches!(c, '"' | '\'')) {
        return rest.take(COLUMNS).position(|c| c == quote).map_or(1, |end| end + 2);
    }
    let mut length = 0;
    while let Some(c) = rest.next().filter(|_| length < COLUMNS) {
        let ends = match c {
            ':' => rest.peek().is_none_or(|next| next.is_whitespace()),
            _ => c.is_whitespace() || matches!(c, ',' | ']' | '}'),
        };
        if ends {
            break;
        }
        length += 1;
    }
    length.max(1)
}

/// The lines of a text without their ends, which may be LF, CR LF or CR.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').flat_map(|line| {
        let line = line.strip_suffix('\n').unwrap_or(line);
        line.strip_suffix('\r').unwrap_or(line).split('\r')
    })
}

/// The place stays whole however long it is: terminals and editors make a link of it.
fn place(at: &Location, margin: usize, page: &mut Page<'_>) -> io::Result<()> {
    spaces(margin.max(GUTTER + 1) - 1, page.out)?;
    paint("-->", Tone::Dim, page.style.colour, page.out)?;
    writeln!(page.out, " {}", escape(&at.to_string()))
}

fn note(word: &'static str, text: String, margin: usize, page: &mut Page<'_>) -> io::Result<()> {
    page.line(&Line::new(margin, vec![Cell::new(word, Tone::Dim), Cell::plain(text)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::render::fake::{empty, hostile, printed};

    #[test]
    fn a_block_shows_the_source_and_marks_the_word() {
        insta::assert_snapshot!("full", printed(&hostile(), Format::Full, None, false));
        insta::assert_snapshot!("full_60", printed(&hostile(), Format::Full, Some(60), false));
        let coloured = printed(&hostile(), Format::Full, Some(100), true);
        insta::assert_snapshot!("full_colour", coloured.replace('\u{1b}', "^"));
    }

    #[test]
    fn concise_is_one_line_each_on_a_terminal_too() {
        let pipe = printed(&hostile(), Format::Concise, None, false);
        insta::assert_snapshot!("concise", pipe);
        assert_eq!(printed(&hostile(), Format::Concise, Some(1000), false), pipe);
        assert_eq!(printed(&empty(), Format::Concise, None, false), "");
    }

    #[test]
    fn no_width_and_no_place_breaks_a_line_of_source() {
        let line = "k:\t\"\u{1b}[31m表表\", é: \u{202e}{a: b}, ".repeat(40);
        for room in NARROWEST..90 {
            for column in (0..line.chars().count() + 40).step_by(7) {
                let cut = Cut::new(&line, window(&line, column, room), room);
                assert!(wrap::width(&cut.text) <= room, "{room} {column}: {}", cut.text);
                assert!(!cut.text.chars().any(hidden));
                if let Some((start, length)) = cut.mark(column, token(&line, column)) {
                    assert!(start + length <= room + 1, "{room} {column}: {start} {length}");
                }
            }
        }
    }

    #[test]
    fn words_end_where_yaml_ends_them() {
        for (line, column, want) in [
            ("mode: STRICT", 0, 4),
            ("mode: STRICT", 6, 6),
            ("a:b: c", 0, 3),
            ("{a: b, c: d}", 4, 1),
            ("k: \"a b\" # x", 3, 5),
            ("k: \"a b", 3, 1),
            ("k:", 0, 1),
            ("k:", 2, 1),
            ("", 9, 1),
        ] {
            assert_eq!(token(line, column), want, "{line} {column}");
        }
    }

    #[test]
    fn every_end_of_line_ends_one() {
        assert_eq!(split("a\nb\r\nc\rd\n\ne").collect::<Vec<_>>(), ["a", "b", "c", "d", "", "e"]);
    }
}
