//! The table as GitHub's Markdown, for pull requests and step summaries.

use super::style;
use crate::finding::Finding;
use crate::report::{Line, Report, feed};
use std::borrow::Cow;
use std::io;

/// Writes `-o markdown`: the table, the findings as a list, the closing lines as a paragraph.
pub(super) fn write(report: &dyn Report, out: &mut dyn io::Write) -> io::Result<()> {
    let table = report.table();
    let mut begun = false;
    let rows = if report.table_is_findings() { feed(vec![]) } else { table.rows };
    rows(&mut |cells| {
        if !std::mem::replace(&mut begun, true) {
            row(table.columns.iter().map(|column| escape(&column.head)), out)?;
            row(table.columns.iter().map(|_| "---".into()), out)?;
        }
        row((0..table.columns.len()).map(|at| cells.get(at).map(|cell| escape(&cell.text)).unwrap_or_default()), out)
    })?;
    for (at, finding) in report.findings().iter().enumerate() {
        if at == 0 && std::mem::replace(&mut begun, true) {
            writeln!(out)?;
        }
        item(finding, out)?;
    }
    let closing = report.closing();
    for (at, line) in closing.iter().enumerate() {
        if at == 0 && begun {
            writeln!(out)?;
        }
        // A backslash at the end of a line breaks it, and the lines stay one paragraph.
        let end = if at + 1 == closing.len() { "" } else { "\\" };
        writeln!(out, "{}{end}", paragraph(line))?;
    }
    Ok(())
}

fn row<'a>(cells: impl Iterator<Item = Cow<'a, str>>, out: &mut dyn io::Write) -> io::Result<()> {
    for cell in cells {
        write!(out, "| {cell} ")?;
    }
    writeln!(out, "|")
}

fn item(finding: &Finding, out: &mut dyn io::Write) -> io::Result<()> {
    let (code, at, message) = (finding.code, finding.at.to_string(), finding.said());
    let (at, message) = (escape(&at), escape(&message));
    writeln!(out, "- **{} {}** {}, {at}: {message}", finding.severity, code.code, code.name)?;
    if !finding.help.is_empty() {
        writeln!(out, "  - help: {}", escape(&finding.help))?;
    }
    for related in &finding.related {
        writeln!(out, "  - note: {} ({})", escape(&related.message), escape(&related.at.to_string()))?;
    }
    Ok(())
}

/// A line of a paragraph, which must not start what Markdown takes for a list, a heading or a rule.
fn paragraph(line: &Line) -> String {
    let text: String = line.words.iter().map(|word| escape(&word.text)).collect();
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    let starts = if number.is_empty() { rest.starts_with(['-', '+', '=']) } else { rest.starts_with(['.', ')']) };
    format!("{number}{}{rest}", if starts { "\\" } else { "" })
}

/// Text that no Markdown reader takes for markup: what has a meaning inside a line or a cell is escaped, hidden
/// characters are shown, and what GitHub links by itself (addresses, mentions, issues) is taken apart.
fn escape(text: &str) -> Cow<'_, str> {
    const MARKS: [char; 12] = ['\\', '`', '*', '_', '[', ']', '|', '~', '#', '!', '$', '@'];
    let text = style::escape(text);
    if !text.contains(MARKS) && !text.contains(['<', '>', '&', ':', '.']) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        let (before, after) = text.split_at(at);
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // An empty comment: `\@` would still call the user of that name.
            '@' => safe.push_str("@<!-- -->"),
            ':' if after.starts_with("://") => safe.push_str("\\:"),
            '.' if ends_in_www(before) => safe.push_str("\\."),
            mark if MARKS.contains(&mark) => safe.extend(['\\', mark]),
            other => safe.push(other),
        }
    }
    Cow::Owned(safe)
}

fn ends_in_www(text: &str) -> bool {
    text.len().checked_sub(3).and_then(|at| text.get(at..)).is_some_and(|last| last.eq_ignore_ascii_case("www"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::render::fake::{empty, full, printed};
    use crate::report::Line;

    #[test]
    fn text_makes_no_markup() {
        for (raw, want) in [
            ("reviews.default.svc:80", "reviews.default.svc:80"),
            ("a|b\\|c", "a\\|b\\\\\\|c"),
            ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
            ("`x` *y* _z_ [t](u) ~s~ ![i]", "\\`x\\` \\*y\\* \\_z\\_ \\[t\\](u) \\~s\\~ \\!\\[i\\]"),
            ("a\nb", "a\\\\u{a}b"),
            ("https://x www.x", "https\\://x www\\.x"),
            ("@team #1", "@<!-- -->team \\#1"),
        ] {
            assert_eq!(escape(raw), want);
        }
    }

    #[test]
    fn a_paragraph_starts_no_block() {
        for (raw, want) in [
            ("3 rows", "3 rows"),
            ("1. x", "1\\. x"),
            ("2) x", "2\\) x"),
            ("- x", "\\- x"),
            ("---", "\\---"),
            ("  ===", "\\==="),
            ("# x", "\\# x"),
            ("", ""),
        ] {
            assert_eq!(paragraph(&Line::plain(4, raw)), want);
        }
    }

    #[test]
    fn a_table_a_list_and_a_paragraph() {
        let want = r#"| CLIENT | SERVER | MODE | STATUS | DR RULE |
| --- | --- | --- | --- | --- |
| sleep.default | reviews.default.svc.cluster.local:9080 | STRICT | OK | default/reviews |
| 表表.east | a\|b,c "q" &lt;i&gt; | - | CONFLICT (F1) | =1+1 |
| evil\\u{1b}\[31m\\u{202e} | x\\u{a}y | DISABLE | PLAINTEXT |  |

- **error MC0001** unparsable-document, policies/a.yaml:7:3: not YAML: found \\u{7f}\|
- **error MC0005** duplicate-key, policies/a.yaml:12:5: key mode is there twice
  - help: remove one of them
  - note: the first is here (policies/a.yaml:11:5)

1 OK, 1 CONFLICT, 1 PLAINTEXT\
namespace default is assumed injected
"#;
        assert_eq!(printed(&full(), Format::Markdown, None, false), want);
    }

    #[test]
    fn nothing_is_nothing() {
        let want = "";
        assert_eq!(printed(&empty(), Format::Markdown, None, false), want);
    }
}
