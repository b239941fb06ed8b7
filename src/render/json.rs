//! The JSON envelope: one key, and one item of a list, on a line, so that it greps and diffs.

use super::FindingJson;
use super::style::{hidden, plain};
use crate::report::{Item, Report};
use serde::Serialize;
use std::io;

/// Writes `-o json`.
pub(super) fn write(report: &dyn Report, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "{{")?;
    key("schema", out)?;
    compact(report.schema(), out)?;
    writeln!(out, ",")?;
    key("version", out)?;
    compact(env!("CARGO_PKG_VERSION"), out)?;
    writeln!(out, ",")?;
    list("input", out, |each| report.inputs().iter().try_for_each(|input| each(input)))?;
    writeln!(out, ",")?;
    list("findings", out, |each| report.findings().iter().try_for_each(|finding| each(&FindingJson::from(finding))))?;
    writeln!(out, ",")?;
    key("summary", out)?;
    compact(&report.summary(), out)?;
    for (name, value) in report.parts() {
        writeln!(out, ",")?;
        key(name, out)?;
        compact(&value, out)?;
    }
    for part in report.lists() {
        writeln!(out, ",")?;
        list(part.name, out, |each| (part.items)(each))?;
    }
    write!(out, "\n}}\n")
}

fn key(name: &str, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "  ")?;
    compact(name, out)?;
    write!(out, ": ")
}

/// A key and its list, the items as `run` hands them over.
fn list(
    name: &str,
    out: &mut dyn io::Write,
    run: impl FnOnce(&mut dyn FnMut(&dyn Item) -> io::Result<()>) -> io::Result<()>,
) -> io::Result<()> {
    key(name, out)?;
    write!(out, "[")?;
    let (mut empty, mut line) = (true, Vec::new());
    run(&mut |item| {
        out.write_all(if empty { b"\n    " } else { b",\n    " })?;
        empty = false;
        line.clear();
        item.json(&mut line)?;
        safe(&line, out)
    })?;
    write!(out, "{}]", if empty { "" } else { "\n  " })
}

/// Writes a value on one line, safe for a terminal.
pub(super) fn compact<T: Serialize + ?Sized>(value: &T, out: &mut dyn io::Write) -> io::Result<()> {
    safe(&serde_json::to_vec(value)?, out)
}

/// Writes JSON with hidden characters as `\uXXXX`, which JSON allows for every character of a string and asks for C0
/// only; outside of strings there are none. Those past U+FFFF stay: they turn no text, and JSON and YAML, which borrows
/// this, write them differently.
fn safe(json: &[u8], out: &mut dyn io::Write) -> io::Result<()> {
    let text = std::str::from_utf8(json).map_err(io::Error::other)?;
    if plain(text) {
        return out.write_all(json);
    }
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| u32::from(c) <= 0xFFFF && hidden(c)) {
        let (before, after) = rest.split_at(at);
        let mut after = after.chars();
        let c = after.next().map_or(0, u32::from);
        write!(out, "{before}\\u{c:04x}")?;
        rest = after.as_str();
    }
    out.write_all(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    use crate::render::Format;
    use crate::render::fake::{empty, full, printed};

    #[test]
    fn one_key_and_one_item_per_line() {
        let want = r#"{
  "schema": "meshctl.fake/v1",
  "version": "VERSION",
  "input": [
    {"path":"policies/a.yaml","documents":2}
  ],
  "findings": [
    {"code":"MC0001","name":"unparsable-document","severity":"error","confidence":"high","message":"not YAML: found \u007f|","help":"","object":null,"file":"policies/a.yaml","line":7,"column":3,"path":null,"related":[],"fix":null},
    {"code":"MC0005","name":"duplicate-key","severity":"error","confidence":"high","message":"key mode is there twice","help":"remove one of them","object":"PeerAuthentication a/b","file":"policies/a.yaml","line":12,"column":5,"path":"spec.mtls.mode","related":[{"message":"the first is here","file":"policies/a.yaml","line":11,"column":5}],"fix":{"safety":"unsafe","edits":[{"file":"policies/a.yaml","from":{"line":12,"column":1},"to":{"line":13,"column":1},"text":"\n"}]}}
  ],
  "summary": {"OK":1,"not_judged":{"no endpoint":0}},
  "cells": [
    {"client":"sleep.default","server":{"host":"reviews.default.svc.cluster.local:9080","subset":null},"mode":"STRICT","routed":true,"because":[["OK",{"port":80}],[],"default/reviews"],"yes":"no"},
    {"client":"表表.east","server":{"host":"a|b,c \"q\" <i>","subset":null},"mode":"-","routed":true,"because":[["CONFLICT (F1)",{"port":80}],[],"=1+1"],"yes":"no"},
    {"client":"evil\u001b[31m\u202e","server":{"host":"x\ny","subset":null},"mode":"DISABLE","routed":true,"because":[["PLAINTEXT",{"port":80}],[],""],"yes":"no"}
  ],
  "ports": []
}
"#;
        assert_eq!(printed(&full(), Format::Json, None, false), want.replace("VERSION", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn empty_lists_stay_on_their_line() {
        let want = r#"{
  "schema": "meshctl.fake/v1",
  "version": "VERSION",
  "input": [],
  "findings": [],
  "summary": {},
  "cells": [],
  "ports": []
}
"#;
        assert_eq!(printed(&empty(), Format::Json, None, false), want.replace("VERSION", env!("CARGO_PKG_VERSION")));
    }
}
