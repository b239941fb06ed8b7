//! One small report that is hard to print, for the tests of all formats.

use super::{Format, Style, render};
use crate::finding::{
    Confidence, DUPLICATE_KEY, Edit, Finding, Fix, MESH_NOT_STRICT, Related, Safety, UNKNOWN_HOST_OR_PORT,
    UNPARSABLE_DOCUMENT,
};
use crate::location::{Location, ObjectRef, Path};
use crate::report::{Cell, Column, Feed, Held, Input, Line, List, Report, Section, Subject, Table, Tone, feed};
use serde_json::{Value, json};

/// A report, with all parts or with none.
pub(super) struct Fake {
    inputs: Vec<Input>,
    findings: Vec<Finding>,
    rows: Vec<Vec<Cell>>,
    /// The text of [`SOURCE`], from its first line on.
    text: &'static str,
    subjects: Option<Vec<Subject>>,
}

/// The file that has a text.
const SOURCE: &str = "./k8s/a.yaml";

/// What may stand in a file name or an object's name and means something to some format.
const EVIL: &str = "x%0A\n::error file=y,line=1::z\r,\"q\" 's' ]]>&<b> \u{1b}[31m\u{2028}\u{202e}[t](u:v) {0}";

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
        text: "",
        subjects: None,
    }
}

/// A report of one finding in a manifest that was made from a template.
pub(super) fn rendered() -> Fake {
    let at = Location { file: SOURCE.into(), line: 1, column: 1 };
    let mut finding = Finding::new(&DUPLICATE_KEY, at, "key mode is there twice", "");
    finding.origin = Some("web/templates/a.yaml".to_owned());
    Fake { findings: vec![finding], ..hostile() }
}

/// A report of findings alone, with names that try to be markup, commands, line breaks and links.
pub(super) fn hostile() -> Fake {
    let at = |file: &str, line, column| Location { file: file.into(), line, column };
    let object =
        |name: &str| ObjectRef { kind: "DestinationRule".into(), namespace: Some("n".into()), name: name.into() };
    let mut first = Finding::new(&DUPLICATE_KEY, at(SOURCE, 4, 8), format!("key {EVIL} is there twice"), "remove one");
    first.object = Some(object("a"));
    first.path = Some(Path::new("spec").key(EVIL));
    first.related.push(Related { message: "the first is here".to_owned(), at: at(SOURCE, 3, 3) });
    first.related.push(Related { message: format!("{EVIL} demands it"), at: at(SOURCE, 1, 1) });
    first.related.push(Related { message: "elsewhere".to_owned(), at: at(EVIL, 9, 1) });
    let mut second = Finding::new(&DUPLICATE_KEY, at(SOURCE, 7, 2), "the same again", "");
    second.object = Some(object("a"));
    second.path = first.path.clone();
    let mut third = Finding::new(&UNKNOWN_HOST_OR_PORT, at(EVIL, 1, 1), EVIL, EVIL);
    third.object = Some(object(EVIL));
    third.confidence = Confidence::Low;
    let fourth = Finding::new(&MESH_NOT_STRICT, at("-", 1, 1), "plaintext is accepted", "");
    let subject = |name: &str, file: &str, line| Subject { name: object(name).to_string(), at: at(file, line, 1) };
    Fake {
        inputs: vec![Input { path: SOURCE.to_owned(), held: Held::Documents(2) }],
        findings: vec![first, second, third, fourth],
        rows: vec![],
        text: "kind: \u{1b}[31m\u{202e}DestinationRule\r\n---\n  tls: {}\n\tmode: STRICT # twice\n\n  k: 1\n ",
        subjects: Some(vec![subject("a", SOURCE, 1), subject("b", SOURCE, 9), subject(EVIL, EVIL, 1)]),
    }
}

/// A report of a run that found nothing.
pub(super) fn empty() -> Fake {
    Fake { inputs: vec![], findings: vec![], rows: vec![], text: "", subjects: None }
}

/// The report in a format, on a terminal of that width or in a pipe.
pub(super) fn printed(report: &Fake, format: Format, width: Option<usize>, colour: bool) -> String {
    let mut out = Vec::new();
    render(report, format, Style { width, colour }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

impl Fake {
    /// The findings of [`SOURCE`] in another file.
    pub(super) fn moved(&mut self, file: &str) {
        for finding in self.findings.iter_mut().filter(|finding| &*finding.at.file == SOURCE) {
            finding.at.file = file.into();
        }
    }
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

    fn excerpt(&self, at: &Location) -> Option<(u32, &str)> {
        (&*at.file == SOURCE && !self.text.is_empty()).then_some((1, self.text))
    }

    fn subjects(&self) -> Option<Feed<'_, Subject>> {
        self.subjects.clone().map(feed)
    }
}
