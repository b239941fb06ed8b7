//! Findings as SARIF 2.1.0, as code scanning and editors read it.

use super::fingerprint::{fingerprints, path};
use super::style;
use crate::explain::PAGES;
use crate::finding::{Code, Confidence, Finding, Severity};
use crate::location::Location;
use crate::report::Report;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The tag of each group of codes.
const GROUPS: &[(&str, &str)] = &[
    ("MC00", "input"),
    ("MC01", "peer-authentication"),
    ("MC02", "destination-rule"),
    ("MC03", "workload"),
    ("MC04", "authorization"),
    ("MC05", "gateway"),
    ("MC06", "proxy-configuration"),
    ("MC07", "capture"),
];

/// Writes `-o sarif`.
pub(super) fn write(report: &dyn Report, out: &mut dyn io::Write) -> io::Result<()> {
    let findings = report.findings();
    // Each code that was found, with the least confidence of its findings: a rule must not claim more.
    let mut codes: BTreeMap<&str, (&Code, Confidence)> = BTreeMap::new();
    for finding in findings {
        let known = codes.entry(finding.code.code).or_insert((finding.code, finding.confidence));
        known.1 = known.1.max(finding.confidence);
    }
    let rules: Vec<Value> = codes.values().map(|(code, confidence)| rule(code, *confidence)).collect();
    let index: BTreeMap<&str, usize> = codes.keys().enumerate().map(|(at, code)| (*code, at)).collect();
    let results = findings.iter().zip(fingerprints(findings));
    let results: Vec<Value> = results
        .map(|(finding, print)| result(finding, index.get(finding.code.code).copied().unwrap_or(0), &print))
        .collect();
    let command = report.schema().trim_start_matches("meshctl.").split('/').next().unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let sarif = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "meshctl",
                "version": version,
                "semanticVersion": version,
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            // Two commands of one workflow are two analyses; the last slash leaves the run's own part empty.
            "automationDetails": {"id": format!("meshctl/{command}/")},
            "columnKind": "unicodeCodePoints",
            "results": results,
            // Counts of what is no finding, such as rows and flows: no result does not mean that nothing is wrong.
            "properties": {"summary": report.summary()},
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &sarif)?;
    writeln!(out)
}

fn rule(code: &Code, confidence: Confidence) -> Value {
    let page = PAGES.iter().find(|(name, _)| *name == code.code).map_or("", |(_, page)| *page);
    let words = code.name.replace('-', " ");
    let what = section(page, "What it finds").unwrap_or_else(|| words.clone());
    let group = GROUPS.iter().find(|(start, _)| code.code.starts_with(start)).map(|(_, group)| *group);
    let tags: Vec<&str> = ["istio", "mtls", "security"].into_iter().chain(group).collect();
    let problem = match code.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "recommendation",
    };
    let mut rule = json!({
        "id": code.code,
        "name": code.name,
        "shortDescription": {"text": text(&words)},
        "fullDescription": {"text": text(&what)},
        "helpUri": format!("{}/blob/main/docs/rules/{}.md", env!("CARGO_PKG_REPOSITORY"), code.code),
        "defaultConfiguration": {"level": level(code.severity)},
        "properties": {"tags": tags, "precision": confidence.word(), "problem.severity": problem},
    });
    if let (false, Some(rule)) = (page.is_empty(), rule.as_object_mut()) {
        // The page is part of the program, not text from outside.
        rule.insert("help".to_owned(), json!({"text": page, "markdown": page}));
    }
    rule
}

fn result(finding: &Finding, index: usize, fingerprint: &str) -> Value {
    let mut message = text(&finding.said());
    if !finding.help.is_empty() {
        // A write to a string cannot fail.
        let _ = write!(message, "\nHelp: {}", text(&finding.help));
    }
    let mut location = json!({"physicalLocation": physical(&finding.at)});
    let object = finding.object.as_ref().map(|object| style::escape(&object.to_string()).into_owned());
    if let (Some(object), Some(location)) = (&object, location.as_object_mut()) {
        location.insert("logicalLocations".to_owned(), json!([{"fullyQualifiedName": object}]));
    }
    let mut result = json!({
        "ruleId": finding.code.code,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": {"text": message},
        "locations": [location],
    });
    if let Some(fields) = result.as_object_mut() {
        if !finding.related.is_empty() {
            let related = finding.related.iter().enumerate().map(|(at, related)| {
                json!({
                    "id": at,
                    "physicalLocation": physical(&related.at),
                    "message": {"text": text(&related.message)},
                })
            });
            fields.insert("relatedLocations".to_owned(), related.collect());
        }
        // Not `primaryLocationLineHash`: that one is GitHub's own, and its action computes it.
        fields.insert("partialFingerprints".to_owned(), json!({"meshctl/v1": fingerprint}));
        let path = finding.path.as_ref().map(|path| style::escape(path.as_str()).into_owned());
        let properties = json!({"object": object, "path": path, "confidence": finding.confidence.word()});
        fields.insert("properties".to_owned(), properties);
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn physical(at: &Location) -> Value {
    json!({
        "artifactLocation": {"uri": uri(&at.file)},
        "region": {"startLine": at.line.max(1), "startColumn": at.column.max(1)},
    })
}

/// The first paragraph of a section of a page, on one line.
fn section(page: &str, title: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("\n## {title}\n"))?;
    let lines = rest.lines().skip_while(|line| line.trim().is_empty()).take_while(|line| !line.trim().is_empty());
    Some(lines.map(str::trim).collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty() && !text.starts_with('#'))
}

/// Text of a message. SARIF makes a link of `[text](target)` and a placeholder of `{0}` (3.11.5 and 3.11.6); text from
/// outside may be neither.
fn text(raw: &str) -> String {
    let shown = style::escape(raw).replace("](", "] (");
    let mut safe = String::with_capacity(shown.len());
    let mut rest = shown.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        safe.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, left) = after.split_at(digits);
        match left.strip_prefix('}').filter(|_| digits > 0) {
            Some(left) => {
                let _ = write!(safe, "{{{{{number}}}}}");
                rest = left;
            }
            None => {
                safe.push('{');
                rest = after;
            }
        }
    }
    safe + rest
}

/// A path as a URI reference: relative as it was typed, or with the scheme `file`. Every byte that RFC 3986 does not
/// allow in a segment is written as `%XX`; so is `:`, or the first segment would be taken for a scheme.
fn uri(file: &str) -> String {
    let path = path(file);
    let mut uri = String::with_capacity(path.len() + 8);
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'+' | b'=' | b'@' | b',' => {
                uri.push(byte.into());
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::render::fake::{empty, full, hostile, printed};

    #[test]
    fn each_report_is_valid_by_the_schema_of_oasis() {
        let schema = include_str!("../../testdata/schemas/sarif-2.1.0.schema.json");
        // Two patterns of it, for a language, have a bracket too much: as regular expressions they do not parse.
        let schema = schema.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$");
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for report in [full(), empty(), hostile()] {
            let sarif: Value = serde_json::from_str(&printed(&report, Format::Sarif, None, false)).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&sarif).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{}", errors.join("\n"));
        }
        // The check can fail.
        assert!(!validator.is_valid(&json!({"version": "2.1.0", "runs": [{"tool": {}}]})));
    }

    #[test]
    fn a_report_as_code_scanning_gets_it() {
        let mut sarif: Value = serde_json::from_str(&printed(&hostile(), Format::Sarif, None, false)).unwrap();
        let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap();
        for rule in rules {
            // The pages and the version change with every release; the rest does not.
            let help = rule.as_object_mut().unwrap().remove("help");
            assert!(help.is_none_or(|help| help["markdown"].as_str().unwrap().starts_with("# MC")));
            rule["fullDescription"] = Value::Null;
        }
        let shown = serde_json::to_string_pretty(&sarif).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!("sarif", shown);
    }

    #[test]
    fn text_makes_no_link_and_no_placeholder() {
        for (raw, want) in [
            ("plain {} {a} [x]", "plain {} {a} [x]"),
            ("[click](https://x)", "[click] (https://x)"),
            ("a {0} b {12}{", "a {{0}} b {{12}}{"),
            ("tab\t", "tab\\u{{9}}"),
            ("{1b", "{1b"),
        ] {
            assert_eq!(text(raw), want);
        }
    }

    #[test]
    fn a_path_is_a_uri() {
        for (file, want) in [
            ("k8s/a.yaml", "k8s/a.yaml"),
            ("./k8s/a b.yaml", "k8s/a%20b.yaml"),
            ("/abs/é.yaml", "file:///abs/%C3%A9.yaml"),
            ("a:b%?#\n.yaml", "a%3Ab%25%3F%23%0A.yaml"),
            ("../x", "../x"),
            ("-", "-"),
        ] {
            assert_eq!(uri(file), want);
        }
    }

    #[test]
    fn a_section_gives_its_first_paragraph() {
        let page = "# X y\n\nSeverity: error.\n\n## What it finds\n\nOne\ntwo.\n\nThree.\n\n## Empty\n\n## Next\n";
        assert_eq!(section(page, "What it finds").as_deref(), Some("One two."));
        assert_eq!(section(page, "Empty"), None);
        assert_eq!(section(page, "None"), None);
    }
}
