//! The JSON envelope as YAML.
//!
//! Our own emitter, since it is small and streams: a string that is not plainly a word is written in JSON's quotes,
//! which every YAML reader, of 1.1 and of 1.2, reads the same.

use super::json::compact;
use super::json_finding;
use super::style::spaces;
use crate::report::Report;
use serde_json::Value;
use std::io;

/// Writes `-o yaml`.
pub(super) fn write(report: &dyn Report, out: &mut dyn io::Write) -> io::Result<()> {
    entry("schema", &report.schema().into(), 0, out)?;
    entry("version", &env!("CARGO_PKG_VERSION").into(), 0, out)?;
    list("input", out, |each| report.inputs().iter().try_for_each(|input| each(&serde_json::to_value(input)?)))?;
    list("findings", out, |each| report.findings().iter().try_for_each(|finding| each(&json_finding(finding))))?;
    entry("summary", &report.summary(), 0, out)?;
    for (name, value) in report.parts() {
        entry(name, &value, 0, out)?;
    }
    for part in report.lists() {
        list(part.name, out, |each| (part.items)(&mut |item| each(&item.value()?)))?;
    }
    Ok(())
}

/// Writes a mapping as one document, without the marks around it. Nothing for what is no mapping, or has no entries.
///
/// # Errors
/// Those of the output.
pub fn document(value: &Value, out: &mut dyn io::Write) -> io::Result<()> {
    match value {
        Value::Object(map) if !map.is_empty() => entries(map, 0, out),
        _ => Ok(()),
    }
}

/// A key of the envelope and its list, the items as `run` hands them over.
fn list(
    name: &str,
    out: &mut dyn io::Write,
    run: impl FnOnce(&mut dyn FnMut(&Value) -> io::Result<()>) -> io::Result<()>,
) -> io::Result<()> {
    string(name, out)?;
    write!(out, ":")?;
    let mut empty = true;
    run(&mut |value| {
        if std::mem::take(&mut empty) {
            writeln!(out)?;
        }
        item(value, 0, out)
    })?;
    if empty { writeln!(out, " []") } else { Ok(()) }
}

/// `key: value`, the cursor being at its column already. Keys are names of our own structures, or of Kubernetes objects, so
/// they are never of the thousand characters past which YAML wants another form.
fn entry(key: &str, value: &Value, indent: usize, out: &mut dyn io::Write) -> io::Result<()> {
    string(key, out)?;
    write!(out, ":")?;
    match value {
        Value::Object(map) if !map.is_empty() => {
            writeln!(out)?;
            spaces(indent + 2, out)?;
            entries(map, indent + 2, out)
        }
        Value::Array(items) if !items.is_empty() => {
            writeln!(out)?;
            items.iter().try_for_each(|value| {
                spaces(indent, out)?;
                item(value, indent, out)
            })
        }
        scalar_or_empty => {
            write!(out, " ")?;
            scalar(scalar_or_empty, out)?;
            writeln!(out)
        }
    }
}

/// The entries of a mapping, the cursor being at the column of the first.
fn entries(map: &serde_json::Map<String, Value>, indent: usize, out: &mut dyn io::Write) -> io::Result<()> {
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 {
            spaces(indent, out)?;
        }
        entry(key, value, indent, out)?;
    }
    Ok(())
}

/// `- value`, the cursor being at the column of the dash.
fn item(value: &Value, indent: usize, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "- ")?;
    match value {
        Value::Object(map) if !map.is_empty() => entries(map, indent + 2, out),
        Value::Array(items) if !items.is_empty() => {
            for (at, value) in items.iter().enumerate() {
                if at > 0 {
                    spaces(indent + 2, out)?;
                }
                item(value, indent + 2, out)?;
            }
            Ok(())
        }
        scalar_or_empty => {
            scalar(scalar_or_empty, out)?;
            writeln!(out)
        }
    }
}

/// A value of one word. JSON's null, booleans, numbers, `[]` and `{}` are YAML too.
fn scalar(value: &Value, out: &mut dyn io::Write) -> io::Result<()> {
    match value {
        Value::String(text) => string(text, out),
        other => compact(other, out),
    }
}

fn string(text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    if plain(text) { out.write_all(text.as_bytes()) } else { compact(text, out) }
}

/// Whether a string reads as itself without quotes. Fewer than YAML allows: it starts with a letter (so it is no
/// number, date or sign), has no mark that means something anywhere in YAML, and is no word that any version of YAML
/// reads as something else.
fn plain(text: &str) -> bool {
    const TAKEN: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ',' | ' ' | '(' | ')');
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(safe)
        && !text.ends_with(' ')
        && !TAKEN.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::render::fake::{empty, full, printed};

    #[test]
    fn the_envelope_reads_as_yaml() {
        let want = r#"schema: meshctl.fake/v1
version: "VERSION"
input:
- path: policies/a.yaml
  documents: 2
findings:
- code: MC0001
  name: unparsable-document
  severity: error
  confidence: high
  message: "not YAML: found \u007f|"
  help: ""
  object: null
  file: policies/a.yaml
  line: 7
  column: 3
  path: null
  related: []
  fix: null
- code: MC0005
  name: duplicate-key
  severity: error
  confidence: high
  message: key mode is there twice
  help: remove one of them
  object: PeerAuthentication a/b
  file: policies/a.yaml
  line: 12
  column: 5
  path: spec.mtls.mode
  related:
  - message: the first is here
    file: policies/a.yaml
    line: 11
    column: 5
  fix:
    safety: unsafe
    edits:
    - file: policies/a.yaml
      from:
        line: 12
        column: 1
      to:
        line: 13
        column: 1
      text: "\n"
summary:
  OK: 1
  not_judged:
    no endpoint: 0
cells:
- client: sleep.default
  server:
    host: "reviews.default.svc.cluster.local:9080"
    subset: null
  mode: STRICT
  routed: true
  because:
  - - OK
    - port: 80
  - []
  - default/reviews
  "yes": "no"
- client: "表表.east"
  server:
    host: "a|b,c \"q\" <i>"
    subset: null
  mode: "-"
  routed: true
  because:
  - - CONFLICT (F1)
    - port: 80
  - []
  - "=1+1"
  "yes": "no"
- client: "evil\u001b[31m\u202e"
  server:
    host: "x\ny"
    subset: null
  mode: DISABLE
  routed: true
  because:
  - - PLAINTEXT
    - port: 80
  - []
  - ""
  "yes": "no"
ports: []
"#;
        assert_eq!(printed(&full(), Format::Yaml, None, false), want.replace("VERSION", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn empty_lists_and_maps_are_written() {
        let want = r#"schema: meshctl.fake/v1
version: "VERSION"
input: []
findings: []
summary: {}
cells: []
ports: []
"#;
        assert_eq!(printed(&empty(), Format::Yaml, None, false), want.replace("VERSION", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn only_words_stand_without_quotes() {
        for word in ["a", "STRICT", "a/b", "PeerAuthentication a/b", "no endpoint", "x-1.y_z", "nullable", "a, b (c)"] {
            assert!(plain(word), "{word}");
        }
        for other in [
            "",
            " ",
            "y",
            "N",
            "yes",
            "No",
            "on",
            "OFF",
            "True",
            "false",
            "null",
            "Null",
            "~",
            "1",
            "1.5",
            "-1",
            "+1",
            "0x1f",
            "1_000",
            "1e3",
            "12:30:45",
            "2026-01-02",
            ".inf",
            ".nan",
            "a: b",
            "a:",
            "a #b",
            "#a",
            "- a",
            "-",
            "?",
            "? a",
            "=",
            "<<",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a`",
            "[a]",
            "{a}",
            "'a'",
            "\"a\"",
            "a ",
            " a",
            "---",
            "...",
            "a\nb",
            "a\tb",
            "é",
            "表",
            "\u{2028}",
            "\u{feff}",
        ] {
            assert!(!plain(other), "{other:?}");
        }
    }
}
