//! JUnit XML: a case for everything that was looked at, so that what passed is seen too.

use super::fingerprint::path;
use super::style::hidden;
use crate::finding::{Finding, Severity};
use crate::report::{Report, Subject, Tone};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

/// How a case ended.
enum End {
    Passed,
    /// Could not be decided, or is not as one would wish: neither green nor red.
    Skipped(String),
    Failed {
        /// One line.
        message: String,
        /// The code of the first finding.
        kind: String,
        /// All of it.
        text: String,
    },
}

/// One case.
struct Case {
    name: String,
    line: Option<u32>,
    end: End,
    /// What is worth knowing of a case that passed.
    notes: String,
}

/// The cases of a suite; suites are sorted by name.
type Suites = BTreeMap<String, Vec<Case>>;

/// Writes `-o junit`.
pub(super) fn write(report: &dyn Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut suites = Suites::new();
    let subjects = match report.subjects() {
        Some(feed) => {
            let mut subjects = Vec::new();
            feed(&mut |subject| {
                subjects.push(subject);
                Ok(())
            })?;
            subjects
        }
        None => {
            rows(report, &mut suites)?;
            Vec::new()
        }
    };
    cases(report, subjects, &mut suites);
    let count = |wanted: fn(&End) -> bool, suite: &[Case]| suite.iter().filter(|case| wanted(&case.end)).count();
    let totals = |suite: &[Case]| {
        let failed = count(|end| matches!(end, End::Failed { .. }), suite);
        (suite.len(), failed, count(|end| matches!(end, End::Skipped(_)), suite))
    };
    let all = suites.values().map(|suite| totals(suite)).fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    write!(out, "<testsuites name=\"{}\"", escape(report.schema()))?;
    writeln!(out, " tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">", all.0, all.1, all.2)?;
    for (name, suite) in &suites {
        let (tests, failures, skipped) = totals(suite);
        write!(out, "  <testsuite name=\"{}\" tests=\"{tests}\"", escape(name))?;
        writeln!(out, " failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">")?;
        suite.iter().try_for_each(|case| write_case(case, name, out))?;
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

/// The rows of the table, as the text output judges them by their tones.
fn rows(report: &dyn Report, suites: &mut Suites) -> io::Result<()> {
    let table = report.table();
    let mut cases = Vec::new();
    (table.rows)(&mut |cells| {
        let name: Vec<&str> = cells.iter().take(2).map(|cell| cell.text.as_ref()).collect();
        let said = |tone: Tone| {
            let cells = table.columns.iter().zip(&cells).filter(|(_, cell)| cell.tone == tone);
            cells.map(|(column, cell)| format!("{}: {}", column.head, cell.text)).collect::<Vec<_>>().join(", ")
        };
        let whole = table.columns.iter().zip(&cells).filter(|(_, cell)| !cell.text.is_empty());
        let (bad, warn) = (said(Tone::Bad), said(Tone::Warn));
        let end = match (bad.is_empty(), warn.is_empty()) {
            (false, _) => End::Failed {
                message: bad,
                kind: report.schema().to_owned(),
                text: whole.map(|(column, cell)| line(&format!("{}: {}", column.head, cell.text))).collect(),
            },
            (true, false) => End::Skipped(warn),
            (true, true) => End::Passed,
        };
        cases.push(Case { name: name.join(" -> "), line: None, end, notes: String::new() });
        Ok(())
    })?;
    if !cases.is_empty() {
        suites.insert(report.schema().to_owned(), cases);
    }
    Ok(())
}

/// A case for each subject and, where a finding is about none of them, one for its object or its code.
fn cases(report: &dyn Report, subjects: Vec<Subject>, suites: &mut Suites) {
    // By file, line and name, so that the same input gives the same order.
    let mut all: BTreeMap<(String, u32, String), Vec<&Finding>> = BTreeMap::new();
    let mut known: BTreeMap<(String, String), u32> = BTreeMap::new();
    // A finding may name another file than the one that was read (the template of a chart). Its object must not pass
    // there all the same.
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for Subject { name, at } in subjects {
        let file = path(&at.file).to_owned();
        known.entry((file.clone(), name.clone())).or_insert(at.line);
        files.entry(name.clone()).or_insert_with(|| file.clone());
        all.entry((file, at.line, name)).or_default();
    }
    for finding in report.findings() {
        let mut file = path(&finding.at.file).to_owned();
        let name = match &finding.object {
            Some(object) => object.to_string(),
            None => format!("{} {}", finding.code.code, finding.code.name),
        };
        if let (false, Some(read)) = (known.contains_key(&(file.clone(), name.clone())), files.get(&name)) {
            file.clone_from(read);
        }
        let line = *known.entry((file.clone(), name.clone())).or_insert(finding.at.line);
        all.entry((file, line, name)).or_default().push(finding);
    }
    for ((file, line, name), findings) in all {
        suites.entry(file).or_default().push(case(name, line, &findings, report.fails_from()));
    }
}

fn case(name: String, line: u32, findings: &[&Finding], from: Option<Severity>) -> Case {
    // `Error` is the least of the order.
    let fails = |finding: &Finding| from.is_some_and(|from| finding.severity <= from);
    let (failing, others): (Vec<&Finding>, Vec<&Finding>) = findings.iter().partition(|finding| fails(finding));
    let end = match &*failing {
        [] => End::Passed,
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            End::Failed {
                message: format!("{}{more}", first.said()),
                kind: first.code.code.to_owned(),
                text: failing.iter().map(|finding| words(finding)).collect(),
            }
        }
    };
    Case { name, line: Some(line), end, notes: others.iter().map(|finding| words(finding)).collect() }
}

/// A finding in lines.
fn words(finding: &Finding) -> String {
    let mut text = line(&format!(
        "{}: {}[{}] {}: {}",
        finding.at,
        finding.severity,
        finding.code.code,
        finding.code.name,
        finding.said()
    ));
    if !finding.help.is_empty() {
        text.push_str(&line(&format!("  help: {}", finding.help)));
    }
    for related in &finding.related {
        text.push_str(&line(&format!("  note: {} ({})", related.message, related.at)));
    }
    text
}

/// A line of text as XML: its own line break is the only one.
fn line(text: &str) -> String {
    escape(text) + "\n"
}

fn write_case(case: &Case, suite: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let (name, class) = (escape(&case.name), escape(suite));
    write!(out, "    <testcase name=\"{name}\" classname=\"{class}\"")?;
    if let Some(line) = case.line {
        write!(out, " file=\"{class}\" line=\"{line}\"")?;
    }
    if matches!(case.end, End::Passed) && case.notes.is_empty() {
        return writeln!(out, "/>");
    }
    writeln!(out, ">")?;
    match &case.end {
        End::Passed => {}
        End::Skipped(why) => writeln!(out, "      <skipped message=\"{}\"/>", escape(why))?,
        End::Failed { message, kind, text } => {
            let (message, kind) = (escape(message), escape(kind));
            writeln!(out, "      <failure message=\"{message}\" type=\"{kind}\">{text}</failure>")?;
        }
    }
    if !case.notes.is_empty() {
        writeln!(out, "      <system-out>{}</system-out>", case.notes)?;
    }
    writeln!(out, "    </testcase>")
}

/// Text for an element or an attribute in double quotes. XML 1.0 cannot hold most control characters at all, so every
/// hidden one is shown as in the other formats. `>` is escaped for the sake of `]]>`.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            c if hidden(c) => {
                // A write to a string cannot fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::render::fake::{empty, full, hostile, printed};

    #[test]
    fn what_passed_is_a_case_and_what_failed_has_all_its_findings() {
        insta::assert_snapshot!("junit", printed(&hostile(), Format::Junit, None, false));
    }

    #[test]
    fn an_object_fails_where_it_was_read_though_the_finding_names_a_template() {
        let mut report = hostile();
        report.moved("chart/templates/rule.yaml");
        let text = printed(&report, Format::Junit, None, false);
        assert!(!text.contains("<testsuite name=\"chart/templates/rule.yaml\""), "{text}");
        let passed = "<testcase name=\"DestinationRule n/a\" classname=\"k8s/a.yaml\" file=\"k8s/a.yaml\" line=\"1\"/>";
        assert!(text.contains("failures=\"1\"") && !text.contains(passed), "{text}");
    }

    #[test]
    fn rows_are_cases_where_nothing_else_was_looked_at() {
        insta::assert_snapshot!("junit_rows", printed(&full(), Format::Junit, None, false));
    }

    #[test]
    fn nothing_is_no_suite() {
        let want = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"meshctl.fake/v1\" tests=\"0\" failures=\"0\" errors=\"0\" skipped=\"0\">
</testsuites>
";
        assert_eq!(printed(&empty(), Format::Junit, None, false), want);
    }

    #[test]
    fn no_text_becomes_markup_and_no_character_is_illegal() {
        for (raw, want) in [
            ("a ]]> b", "a ]]&gt; b"),
            ("<x y=\"1\" z='2'>&amp;", "&lt;x y=&quot;1&quot; z=&apos;2&apos;&gt;&amp;amp;"),
            ("\0\u{8}\u{1b}[31m\n\t\u{fffe}\u{2028}", "\\u{0}\\u{8}\\u{1b}[31m\\u{a}\\u{9}\\u{fffe}\\u{2028}"),
            ("表 é 🦀", "表 é 🦀"),
        ] {
            assert_eq!(escape(raw), want);
        }
    }
}
