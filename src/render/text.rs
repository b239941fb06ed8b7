//! The report as text for a person: sections, findings, closing lines.

use super::full::Blocks;
use super::style::{escape, paint, spaces};
use super::{Style, table, wrap};
use crate::finding::{Finding, Severity};
use crate::report::{Cell, Line, Report, Section, Tone};
use std::io;

/// A line is never wrapped to fewer columns than this: on a narrower terminal the terminal breaks it.
const NARROWEST: usize = 8;

/// Where text goes, and whether anything stands there already.
pub(super) struct Page<'a> {
    pub(super) out: &'a mut dyn io::Write,
    pub(super) style: Style,
    begun: bool,
}

impl Page<'_> {
    /// Starts a part: one blank line lies between two parts, none before the first.
    pub(super) fn part(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) { writeln!(self.out) } else { Ok(()) }
    }

    /// Writes a line of text, wrapped on a terminal.
    pub(super) fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut text = String::new();
        let mut ends = Vec::with_capacity(line.words.len());
        for word in &line.words {
            text.push_str(&escape(&word.text));
            ends.push((text.len(), word.tone));
        }
        let room = |indent: usize| self.style.width.map_or(usize::MAX, |w| w.saturating_sub(indent).max(NARROWEST));
        for (at, piece) in wrap::pieces(&text, room(line.indent), room(line.indent + line.hang)).into_iter().enumerate()
        {
            if !piece.is_empty() {
                spaces(line.indent + if at == 0 { 0 } else { line.hang }, self.out)?;
            }
            let mut start = 0;
            for (end, tone) in &ends {
                let part = text.get(start.max(piece.start)..(*end).min(piece.end)).unwrap_or("");
                paint(part, *tone, self.style.colour, self.out)?;
                start = *end;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }
}

/// Writes lines and nothing else.
pub(super) fn lines(lines: &[Line], style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page { out, style, begun: false };
    lines.iter().try_for_each(|line| page.line(line))
}

/// What text for a person is to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Findings as blocks on a terminal, one line each in a pipe.
    Table,
    /// The same with more columns.
    Wide,
    /// All findings as blocks.
    Full,
    /// All findings one line each.
    Concise,
}

/// Writes `-o table`, `-o wide`, `-o full` or `-o concise`.
pub(super) fn write(report: &dyn Report, shape: Shape, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page { out, style, begun: false };
    let wide = shape == Shape::Wide;
    for section in if wide { report.wide_sections() } else { report.sections() } {
        match section {
            Section::Table(table) => table::write(&table, wide, &mut page)?,
            Section::Lines(lines) => {
                let mut first = true;
                lines(&mut |line| {
                    if std::mem::take(&mut first) {
                        page.part()?;
                    }
                    page.line(&line)
                })?;
            }
        }
    }
    findings(report, shape, &mut page)?;
    for (at, line) in report.closing().iter().enumerate() {
        if at == 0 {
            page.part()?;
        }
        page.line(line)?;
    }
    Ok(())
}

fn findings(report: &dyn Report, shape: Shape, page: &mut Page<'_>) -> io::Result<()> {
    let (findings, left_out) = match shape {
        Shape::Table | Shape::Wide => report.brief(),
        Shape::Full | Shape::Concise => (report.findings().into(), Vec::new()),
    };
    let blocks = match shape {
        Shape::Table | Shape::Wide => page.style.width.is_some(),
        Shape::Full => true,
        Shape::Concise => false,
    };
    let mut written = Blocks::new(report);
    for (at, finding) in findings.iter().enumerate() {
        // A block is a part of its own; lines together are one.
        if at == 0 || blocks {
            page.part()?;
        }
        if blocks { written.write(finding, page)? } else { one_line(finding, shape == Shape::Wide, page)? }
    }
    for (at, line) in left_out.iter().enumerate() {
        if at == 0 && blocks {
            page.part()?;
        }
        page.line(line)?;
    }
    Ok(())
}

/// A finding as editors and `grep` read it.
fn one_line(finding: &Finding, wide: bool, page: &mut Page<'_>) -> io::Result<()> {
    let mut message = format!(" {}", finding.said());
    if wide && !finding.help.is_empty() {
        message.push_str(&format!(" (help: {})", finding.help));
    }
    let words = vec![Cell::plain(format!("{}: ", finding.at)), title(finding), Cell::plain(message)];
    page.line(&Line::new(0, words))
}

/// `error[MC0001]`.
pub(super) fn title(finding: &Finding) -> Cell {
    Cell::new(format!("{}[{}]", finding.severity, finding.code.code), tone(finding.severity))
}

/// How a severity is to be seen.
pub(super) fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warn,
        Severity::Info => Tone::Strong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::render::fake::{empty, full, printed};

    #[test]
    fn a_pipe_is_not_wrapped_and_a_finding_is_a_line() {
        let want = r#"CLIENT                  SERVER                                  MODE     STATUS
sleep.default           reviews.default.svc.cluster.local:9080  STRICT   OK
表表.east               a|b,c "q" <i>                           -        CONFLICT (F1)
evil\u{1b}[31m\u{202e}  x\u{a}y                                 DISABLE  PLAINTEXT

because
  default/strict sets STRICT, which beats what the namespace says (policies/a.yaml:3)

policies/a.yaml:7:3: error[MC0001] not YAML: found \u{7f}|
policies/a.yaml:12:5: error[MC0005] key mode is there twice

1 OK, 1 CONFLICT, 1 PLAINTEXT
namespace default is assumed injected
"#;
        assert_eq!(printed(&full(), Format::Table, None, false), want);
    }

    #[test]
    fn columns_are_narrowed_to_80() {
        let want = r#"CLIENT                  SERVER                            MODE     STATUS
sleep.default           reviews.default.svc.cluster.      STRICT   OK
                        local:9080
表表.east               a|b,c "q" <i>                     -        CONFLICT (F1)
evil\u{1b}[31m\u{202e}  x\u{a}y                           DISABLE  PLAINTEXT

because
  default/strict sets STRICT, which beats what the namespace says
    (policies/a.yaml:3)

error[MC0001] unparsable-document: not YAML: found \u{7f}|
  --> policies/a.yaml:7:3
  = explain: meshctl explain MC0001

error[MC0005] duplicate-key: key mode is there twice
  --> policies/a.yaml:12:5
  = help: remove one of them
  = note: the first is here (policies/a.yaml:11:5)
  = explain: meshctl explain MC0005

1 OK, 1 CONFLICT, 1 PLAINTEXT
namespace default is assumed injected
"#;
        assert_eq!(printed(&full(), Format::Table, Some(80), false), want);
    }

    #[test]
    fn columns_go_below_the_row_at_40() {
        let want = r#"CLIENT           SERVER          MODE
sleep.default    reviews.        STRICT
                 default.svc.
                 cluster.local:
                 9080
  STATUS: OK
表表.east        a|b,c "q" <i>   -
  STATUS: CONFLICT (F1)
evil\u{1b}[31m\  x\u{a}y         DISABLE
u{202e}
  STATUS: PLAINTEXT

because
  default/strict sets STRICT, which
    beats what the namespace says
    (policies/a.yaml:3)

error[MC0001] unparsable-document: not
  YAML: found \u{7f}|
  --> policies/a.yaml:7:3
  = explain: meshctl explain MC0001

error[MC0005] duplicate-key: key mode is
  there twice
  --> policies/a.yaml:12:5
  = help: remove one of them
  = note: the first is here
    (policies/a.yaml:11:5)
  = explain: meshctl explain MC0005

1 OK, 1 CONFLICT, 1 PLAINTEXT
namespace default is assumed injected
"#;
        assert_eq!(printed(&full(), Format::Table, Some(40), false), want);
    }

    #[test]
    fn wide_has_more_columns_and_the_help() {
        let want = r#"CLIENT                  SERVER                                  MODE     STATUS         DR RULE
sleep.default           reviews.default.svc.cluster.local:9080  STRICT   OK             default/reviews
表表.east               a|b,c "q" <i>                           -        CONFLICT (F1)  =1+1
evil\u{1b}[31m\u{202e}  x\u{a}y                                 DISABLE  PLAINTEXT

because
  default/strict sets STRICT, which beats what the namespace says (policies/a.yaml:3)

policies/a.yaml:7:3: error[MC0001] not YAML: found \u{7f}|
policies/a.yaml:12:5: error[MC0005] key mode is there twice (help: remove one of them)

1 OK, 1 CONFLICT, 1 PLAINTEXT
namespace default is assumed injected
"#;
        assert_eq!(printed(&full(), Format::Wide, None, false), want);
    }

    #[test]
    fn wide_is_fitted_too() {
        let want = r#"CLIENT               SERVER              MODE     STATUS         DR RULE
sleep.default        reviews.default.    STRICT   OK             default/reviews
                     svc.cluster.local:
                     9080
表表.east            a|b,c "q" <i>       -        CONFLICT (F1)  =1+1
evil\u{1b}[31m\u{20  x\u{a}y             DISABLE  PLAINTEXT
2e}

because
  default/strict sets STRICT, which beats what the namespace says
    (policies/a.yaml:3)

error[MC0001] unparsable-document: not YAML: found \u{7f}|
  --> policies/a.yaml:7:3
  = explain: meshctl explain MC0001

error[MC0005] duplicate-key: key mode is there twice
  --> policies/a.yaml:12:5
  = help: remove one of them
  = note: the first is here (policies/a.yaml:11:5)
  = explain: meshctl explain MC0005

1 OK, 1 CONFLICT, 1 PLAINTEXT
namespace default is assumed injected
"#;
        assert_eq!(printed(&full(), Format::Wide, Some(80), false), want);
    }

    #[test]
    fn tones_are_painted_and_spaces_are_not() {
        let want = r#"^[1mCLIENT^[0m                  ^[1mSERVER^[0m                                  ^[1mMODE^[0m     ^[1mSTATUS^[0m
sleep.default           reviews.default.svc.cluster.local:9080  STRICT   ^[32mOK^[0m
表表.east               a|b,c "q" <i>                           -        ^[1m^[31mCONFLICT (F1)^[0m
evil\u{1b}[31m\u{202e}  x\u{a}y                                 DISABLE  ^[33mPLAINTEXT^[0m

^[1mbecause^[0m
  default/strict sets STRICT, which beats what the namespace says (policies/a.yaml:3)

^[1m^[31merror[MC0001]^[0m unparsable-document: not YAML: found \u{7f}|
  ^[2m-->^[0m policies/a.yaml:7:3
  ^[2m= explain:^[0m meshctl explain MC0001

^[1m^[31merror[MC0005]^[0m duplicate-key: key mode is there twice
  ^[2m-->^[0m policies/a.yaml:12:5
  ^[2m= help:^[0m remove one of them
  ^[2m= note:^[0m the first is here (policies/a.yaml:11:5)
  ^[2m= explain:^[0m meshctl explain MC0005

^[32m1 OK^[0m, 1 CONFLICT, 1 PLAINTEXT
namespace default is assumed injected
"#;
        assert_eq!(printed(&full(), Format::Table, Some(100), true).replace('\u{1b}', "^"), want);
    }

    #[test]
    fn colour_moves_nothing() {
        for width in (1..130).map(Some).chain([None]) {
            let mut painted = printed(&full(), Format::Wide, width, true);
            for code in ["[0m", "[1m", "[2m", "[31m", "[32m", "[33m"] {
                painted = painted.replace(&format!("\u{1b}{code}"), "");
            }
            assert_eq!(painted, printed(&full(), Format::Wide, width, false), "{width:?}");
        }
    }

    #[test]
    fn nothing_is_lost_at_any_width() {
        let letters = |text: &str| {
            let mut letters: Vec<char> =
                text.chars().filter(|c| c.is_alphanumeric() || "\\{}|,\"".contains(*c)).collect();
            letters.sort_unstable();
            letters
        };
        // Wide enough for all. Below it only headings come more than once.
        let all = letters(&printed(&full(), Format::Wide, Some(200), false));
        for width in 1..200 {
            let text = printed(&full(), Format::Wide, Some(width), false);
            let mut left = letters(&text).into_iter();
            assert!(all.iter().all(|c| left.any(|found| found == *c)), "{width}:\n{text}");
            let places = |line: &str| line.starts_with("  -->");
            let fits = |line: &str| wrap::width(line) <= width.max(NARROWEST + 6) || places(line);
            assert!(text.lines().all(|line| fits(line) && !line.ends_with(' ')), "{width}:\n{text}");
        }
    }

    #[test]
    fn nothing_is_nothing() {
        for width in [None, Some(80)] {
            assert_eq!(printed(&empty(), Format::Wide, width, false), "");
        }
    }
}
