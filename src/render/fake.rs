//! One small report that is hard to print, for the tests of all formats.

use super::{Format, Style, render};
use crate::finding::{DUPLICATE_KEY, Edit, Finding, Fix, Related, Safety, UNPARSABLE_DOCUMENT};
use crate::location::{Location, ObjectRef, Path};
use crate::report::{Cell, Column, Feed, Held, Input, Line, List, Report, Section, Table, Tone, feed};
use serde_json::{Value, json};

/// A report, with all parts or with none.
pub(super) struct Fake {
    inputs: Vec<Input>,
    findings: Vec<Finding>,
    rows: Vec<Vec<Cell>>,
}

/// A report with wide, hidden and special characters in every part.
pub(super) fn full() -> Fake {
    let at = |line, column| Location { file: "policies/a.yaml".into(), line, column };
    let rows = [
        ["sleep.default", "reviews.default.svc.cluster.local:9080", "STRICT", "OK", "default/reviews"],
        ["表表.east", "a|b,c \"q\" <i>", "-", "CONFLICT (F1)", "=1+1"],
        ["evil\u{1b}[31m\u{202e}", "x\ny", "DISABLE", "PLAINTEXT", ""],
    ];
    let tones = [Tone::Good, Tone::Bad, Tone::Warn];
    let cell = |at: usize, text: &'static str, tone| Cell::new(text, if at == 3 { tone } else { Tone::Plain });
    let rows = rows.into_iter().zip(tones);
    let rows = rows.map(|(row, tone)| row.into_iter().enumerate().map(|(at, text)| cell(at, text, tone)).collect());
    let mut twice = Finding::new(&DUPLICATE_KEY, at(12, 5), "key mode is there twice", "remove one of them");
    twice.object = Some(ObjectRef { kind: "PeerAuthentication".into(), namespace: Some("a".into()), name: "b".into() });
    twice.path = Some(Path::new("spec.mtls.mode"));
    twice.related.push(Related { message: "the first is here".to_owned(), at: at(11, 5) });
    let edit = Edit { from: at(12, 1), to: at(13, 1), text: "\n".to_owned() };
    twice.fix = Some(Fix { safety: Safety::Unsafe, edits: vec![edit] });
    Fake {
        inputs: vec![Input { path: "policies/a.yaml".to_owned(), held: Held::Documents(2) }],
        findings: vec![Finding::new(&UNPARSABLE_DOCUMENT, at(7, 3), "not YAML: found \u{7f}|", ""), twice],
        rows: rows.collect(),
    }
}

/// A report of a run that found nothing.
pub(super) fn empty() -> Fake {
    Fake { inputs: vec![], findings: vec![], rows: vec![] }
}

/// The report in a format, on a terminal of that width or in a pipe.
pub(super) fn printed(report: &Fake, format: Format, width: Option<usize>, colour: bool) -> String {
    let mut out = Vec::new();
    render(report, format, Style { width, colour }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

impl Report for Fake {
    fn schema(&self) -> &'static str {
        "meshctl.fake/v1"
    }

    fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn summary(&self) -> Value {
        if self.rows.is_empty() { json!({}) } else { json!({"OK": 1, "not_judged": {"no endpoint": 0}}) }
    }

    fn closing(&self) -> Vec<Line> {
        if self.rows.is_empty() {
            return vec![];
        }
        let counts = vec![Cell::new("1 OK", Tone::Good), Cell::plain(", 1 CONFLICT, 1 PLAINTEXT")];
        vec![Line::new(0, counts), Line::plain(0, "namespace default is assumed injected")]
    }

    fn lists(&self) -> Vec<List<'_>> {
        let cells = self.rows.iter().map(|row| -> Value {
            let texts: Vec<&str> = row.iter().map(|cell| cell.text.as_ref()).collect();
            json!({"client": texts[0], "server": {"host": texts[1], "subset": null}, "mode": texts[2],
                "routed": true, "because": [[texts[3], {"port": 80}], [], texts[4]], "yes": "no"})
        });
        let cells: Vec<Value> = cells.collect();
        let cells = List { name: "cells", items: Box::new(move |each| cells.iter().try_for_each(|cell| each(cell))) };
        vec![cells, List { name: "ports", items: Box::new(|_| Ok(())) }]
    }

    fn sections(&self) -> Vec<Section<'_>> {
        let why = match self.rows.is_empty() {
            true => vec![],
            false => vec![
                Line::new(0, vec![Cell::new("because", Tone::Strong)]),
                Line::plain(2, "default/strict sets STRICT, which beats what the namespace says (policies/a.yaml:3)"),
            ],
        };
        let none = Table { columns: self.table().columns, rows: feed(vec![]) };
        let table = Section::Table(self.table());
        vec![Section::Table(none), table, Section::Lines(feed(vec![])), Section::Lines(feed(why))]
    }

    fn table(&self) -> Table<'_> {
        let column = |head: &'static str, wide, min| Column { head: head.into(), wide, min };
        let columns = vec![
            column("CLIENT", false, 10),
            column("SERVER", false, 14),
            column("MODE", false, 0),
            column("STATUS", false, 0),
            column("DR RULE", true, 8),
        ];
        Table { columns, rows: feed(self.rows.clone()) }
    }

    fn names(&self) -> Feed<'_, String> {
        feed(self.rows.iter().map(|row| row[0].text.to_string()).collect())
    }
}
