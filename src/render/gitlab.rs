//! Findings as GitLab's Code Quality report, a subset of Code Climate's issues.

use super::fingerprint::{fingerprints, path};
use super::style::escape;
use crate::finding::{Finding, Severity};
use crate::report::Report;
use serde_json::json;
use std::io;

/// Writes `-o gitlab`: an array, one finding a line.
pub(super) fn write(report: &dyn Report, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "[")?;
    let findings = report.findings();
    for (at, (finding, print)) in findings.iter().zip(fingerprints(findings)).enumerate() {
        write!(out, "{}\n  ", if at > 0 { "," } else { "" })?;
        serde_json::to_writer(&mut *out, &issue(finding, &print))?;
    }
    writeln!(out, "{}]", if findings.is_empty() { "" } else { "\n" })
}

fn issue(finding: &Finding, fingerprint: &str) -> serde_json::Value {
    // Of the five levels, `blocker` and `minor` are not used.
    let severity = match finding.severity {
        Severity::Error => "critical",
        Severity::Warning => "major",
        Severity::Info => "info",
    };
    let mut description = format!("{}: {}", finding.code.code, escape(&finding.said()));
    if !finding.help.is_empty() {
        description.push_str(&format!(" (help: {})", escape(&finding.help)));
    }
    json!({
        "description": description,
        "check_name": finding.code.name,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": escape(path(&finding.at.file)), "lines": {"begin": finding.at.line.max(1)}},
    })
}

#[cfg(test)]
mod tests {
    use crate::render::Format;
    use crate::render::fake::{empty, hostile, printed};
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_issue_has_what_gitlab_demands_and_a_fingerprint_of_its_own() {
        let text = printed(&hostile(), Format::Gitlab, None, false);
        insta::assert_snapshot!("gitlab", text);
        let issues: Vec<Value> = serde_json::from_str(&text).unwrap();
        let prints: BTreeSet<&str> = issues.iter().map(|issue| issue["fingerprint"].as_str().unwrap()).collect();
        assert_eq!(prints.len(), issues.len());
        for issue in &issues {
            assert!(issue["location"]["lines"]["begin"].as_u64().unwrap() > 0);
            assert!(["critical", "major", "info"].contains(&issue["severity"].as_str().unwrap()));
        }
    }

    #[test]
    fn nothing_is_an_empty_array() {
        assert_eq!(printed(&empty(), Format::Gitlab, None, false), "[]\n");
    }
}
