//! Findings as workflow commands of GitHub Actions, which become annotations on the lines of a pull request.

use super::fingerprint::{is_file, path};
use super::style;
use crate::finding::{Finding, Severity};
use crate::report::Report;
use std::fmt::Write;
use std::io;

/// Writes `-o github`: one command a line and nothing else. GitHub shows the first ten of each level for a step; which
/// are the first is decided by the order, so errors come before warnings.
pub(super) fn write(report: &dyn Report, out: &mut dyn io::Write) -> io::Result<()> {
    for severity in [Severity::Error, Severity::Warning, Severity::Info] {
        for finding in report.findings().iter().filter(|finding| finding.severity == severity) {
            command(finding, out)?;
        }
    }
    Ok(())
}

fn command(finding: &Finding, out: &mut dyn io::Write) -> io::Result<()> {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let at = &finding.at;
    let title = property(&format!("{} {}", finding.code.code, finding.code.name));
    let mut message = String::new();
    if is_file(&at.file) {
        write!(out, "::{level} file={},line={},col={},title={title}::", property(path(&at.file)), at.line, at.column)?;
    } else {
        // A place that GitHub cannot show goes where it can be read.
        write!(out, "::{level} title={title}::")?;
        let _ = write!(message, "{}: ", data(&at.to_string()));
    }
    message.push_str(&data(&finding.said()));
    if !finding.help.is_empty() {
        let _ = write!(message, "%0Ahelp: {}", data(&finding.help));
    }
    for related in &finding.related {
        let _ = write!(message, "%0Anote: {} ({})", data(&related.message), data(&related.at.to_string()));
    }
    writeln!(out, "{message}")
}

/// Text after the second `::`. Control characters are shown first, so no line break of the text itself is left.
fn data(text: &str) -> String {
    style::escape(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text of a property, which ends at `,` or `:` (`actions/toolkit`, `command.ts : escapeProperty`).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::render::fake::{empty, full, hostile, printed};

    #[test]
    fn a_command_is_a_line_that_no_text_leaves() {
        let want = "::error file=policies/a.yaml,line=7,col=3,title=MC0001 unparsable-document::not YAML: found \\u{7f}|
::error file=policies/a.yaml,line=12,col=5,title=MC0005 duplicate-key::key mode is there twice%0Ahelp: remove one of them%0Anote: the first is here (policies/a.yaml:11:5)
";
        assert_eq!(printed(&full(), Format::Github, Some(40), true), want);
        assert_eq!(printed(&empty(), Format::Github, None, false), "");
        let text = printed(&hostile(), Format::Github, None, false);
        insta::assert_snapshot!("github", text);
        for line in text.lines() {
            let (command, _) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).unwrap();
            assert!(["error ", "warning ", "notice "].iter().any(|level| command.starts_with(level)), "{line}");
            assert!(!line.chars().any(style::hidden), "{line}");
            // As the runner reads it: properties end at commas, a name ends at the first equals sign.
            let (_, properties) = command.split_once(' ').unwrap();
            for property in properties.split(',') {
                let name = property.split_once('=').unwrap().0;
                assert!(["file", "line", "col", "title"].contains(&name), "{line}");
            }
        }
    }

    #[test]
    fn what_ends_a_part_is_escaped_in_it() {
        assert_eq!(data("100%\r\n::error::x,y"), "100%25\\u{d}\\u{a}::error::x,y");
        assert_eq!(property("a:b,c%2C"), "a%3Ab%2Cc%252C");
    }
}
