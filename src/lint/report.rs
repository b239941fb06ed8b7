//! The result of `lint` as every format reads it.

use super::Shown;
use super::json::SummaryJson;
use crate::finding::{Finding, Severity, TEMPLATE_NOT_RENDERED, UNPARSABLE_DOCUMENT};
use crate::location::{Location, Path};
use crate::model::{Mesh, ObjectId};
use crate::mtls::check::{Matrix, Row};
use crate::mtls::outcome::Status;
use crate::report::{Cell, Column, Feed, Held, Input, Line, List, Report, Section, Subject, Table, Tone, feed};
use crate::words::count;

/// Namespaces that are named before the rest is only counted.
const NAMED: usize = 5;

/// The report of `lint`.
pub struct LintReport<'a> {
    mesh: &'a Mesh,
    inputs: Vec<Input>,
    shown: Shown,
    objects: usize,
    /// Rows of the matrix with a verdict UNKNOWN.
    unknown: usize,
    fails_from: Option<Severity>,
}

impl<'a> LintReport<'a> {
    /// A report of the findings of a mesh.
    #[must_use]
    pub fn new(matrix: &Matrix<'a>, shown: Shown, fails_from: Option<Severity>) -> Self {
        let mesh = matrix.mesh;
        let undecided = |row: &&Row| row.cells.iter().any(|cell| cell.outcome.status == Status::Unknown);
        let unknown = matrix.services.iter().flat_map(|service| &service.rows).filter(undecided).count();
        let inputs = mesh.inputs.iter();
        let inputs =
            inputs.map(|(path, documents)| Input { path: path.clone(), held: Held::Documents(*documents) }).collect();
        // What is of another project, or no object at all, was not looked at.
        let objects = mesh.objects.iter().filter(|object| !object.kind.is_empty() && object.made.is_none()).count();
        Self { mesh, inputs, shown, objects, unknown, fails_from }
    }

    /// Was there nothing to look at, and nothing found?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Shown { findings, suppressed, left_out } = &self.shown;
        // A hint on files that are not judged says of none that it was looked at.
        let hints = [&raw const UNPARSABLE_DOCUMENT, &raw const TEMPLATE_NOT_RENDERED];
        let hint = |one: &Finding| one.severity == Severity::Info && hints.contains(&std::ptr::from_ref(one.code));
        self.objects == 0 && findings.iter().all(hint) && *suppressed == 0 && *left_out == 0
    }

    fn count(&self, severity: Severity) -> usize {
        self.shown.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// `2 errors, 1 warning`, each in its tone.
    fn counts(&self) -> Vec<Cell> {
        let tones = [(Severity::Error, Tone::Bad), (Severity::Warning, Tone::Warn), (Severity::Info, Tone::Plain)];
        let mut words = Vec::new();
        for (severity, tone) in tones {
            let number = self.count(severity);
            if number > 0 {
                words.extend((!words.is_empty()).then(|| Cell::plain(", ")));
                words.push(Cell::new(count(number, severity.word()), tone));
            }
        }
        if words.is_empty() { vec![Cell::plain("no findings")] } else { words }
    }
}

impl Report for LintReport<'_> {
    fn schema(&self) -> &'static str {
        "meshctl.lint/v1"
    }

    fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn findings(&self) -> &[Finding] {
        &self.shown.findings
    }

    fn summary(&self) -> serde_json::Value {
        let summary = SummaryJson {
            objects: self.objects,
            files: self.inputs.len(),
            error: self.count(Severity::Error),
            warning: self.count(Severity::Warning),
            info: self.count(Severity::Info),
            suppressed: self.shown.suppressed,
            left_out: self.shown.left_out,
            unknown: self.unknown,
            not_judged: self.mesh.not_judged.clone(),
            assumed_namespaces: self.mesh.assumed_namespaces.iter().map(ToString::to_string).collect(),
        };
        // Numbers and names only: there is nothing in it that JSON could refuse.
        serde_json::to_value(summary).unwrap_or_default()
    }

    fn closing(&self) -> Vec<Line> {
        let mut words = self.counts();
        let files = count(self.inputs.len(), "file");
        words.push(Cell::plain(format!(" in {} of {files}", count(self.objects, "object"))));
        let mut lines = vec![Line::new(0, words)];
        if self.is_empty() {
            lines = vec![Line::plain(0, format!("nothing to check: {files}, and no object of the mesh in them"))];
        }
        let mut open: Vec<String> = self.mesh.not_judged.iter().map(|(what, n)| format!("{n} {what}")).collect();
        if self.unknown > 0 {
            open.push(format!("{} (tls-check says why)", count(self.unknown, "undecided row")));
        }
        lines.extend((!open.is_empty()).then(|| Line::plain(0, format!("not judged: {}", open.join(", ")))));
        // That nothing is wrong then rests on it.
        if self.shown.findings.is_empty() && !self.mesh.assumed_namespaces.is_empty() {
            let names = &self.mesh.assumed_namespaces;
            let mut shown: Vec<&str> = names.iter().take(NAMED).map(|name| &**name).collect();
            let more = format!("{} more", names.len().saturating_sub(NAMED));
            shown.extend((names.len() > NAMED).then_some(&*more));
            let text = format!("assumed injected, as the input has no such Namespace: {}", shown.join(", "));
            lines.push(Line::plain(0, text));
        }
        let hidden = [
            (self.shown.suppressed, "ignored in the manifests (--no-ignores shows them)"),
            (self.shown.left_out, "left out by settings (--show-settings says which)"),
        ];
        let hidden = hidden.iter().filter(|(number, _)| *number > 0);
        lines.extend(hidden.map(|(number, why)| Line::plain(0, format!("{} {why}", count(*number, "finding")))));
        lines
    }

    fn lists(&self) -> Vec<List<'_>> {
        Vec::new()
    }

    fn sections(&self) -> Vec<Section<'_>> {
        Vec::new()
    }

    fn table(&self) -> Table<'_> {
        let heads = ["FILE", "LINE", "COLUMN", "SEVERITY", "CODE", "NAME", "OBJECT", "MESSAGE"];
        let rows = self.shown.findings.iter().map(|finding| {
            let object = finding.object.as_ref().map(ToString::to_string).unwrap_or_default();
            [
                finding.at.file.to_string(),
                finding.at.line.to_string(),
                finding.at.column.to_string(),
                finding.severity.word().to_owned(),
                finding.code.code.to_owned(),
                finding.code.name.to_owned(),
                object,
                finding.said().into_owned(),
            ]
            .map(Cell::plain)
            .to_vec()
        });
        Table { columns: heads.map(|head| Column::new(head, 0)).to_vec(), rows: feed(rows.collect()) }
    }

    fn names(&self) -> Feed<'_, String> {
        let mut files: Vec<String> = self.shown.findings.iter().map(|finding| finding.at.file.to_string()).collect();
        files.dedup();
        feed(files)
    }

    fn table_is_findings(&self) -> bool {
        true
    }

    fn excerpt(&self, at: &Location) -> Option<(u32, &str)> {
        self.mesh.sources.excerpt(at)
    }

    fn subjects(&self) -> Option<Feed<'_, Subject>> {
        Some(Box::new(|each| {
            (0..self.mesh.objects.len()).map(|at| ObjectId(u32::try_from(at).unwrap_or(u32::MAX))).try_for_each(|id| {
                let own = self.mesh.object_ref(id).filter(|_| self.mesh.made(id).is_none());
                let Some(object) = own.filter(|object| !object.kind.is_empty()) else {
                    return Ok(());
                };
                each(Subject { name: object.to_string(), at: self.mesh.locate(id, &Path::default()) })
            })
        }))
    }

    fn fails_from(&self) -> Option<Severity> {
        self.fails_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Options, load_text};
    use crate::mtls::check::check;

    /// The closing lines and the summary of a report without findings.
    fn closing(text: &str) -> (String, serde_json::Value) {
        let mesh = load_text(text, Options { assume_injected: true, ..Options::default() });
        let matrix = check(&mesh);
        let report = LintReport::new(&matrix, Shown::default(), None);
        let words = |line: &Line| line.words.iter().map(|word| &*word.text).collect::<String>();
        (report.closing().iter().map(words).collect::<Vec<_>>().join("; "), report.summary())
    }

    #[test]
    fn what_was_not_judged_is_said() {
        let web = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a}]}}}\n---\n";
        let namespace =
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio-injection: enabled}}\n---\n";
        let rule = |name: &str, mode: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: web, trafficPolicy: {{tls: {{mode: {mode}}}}}}}\n---\n"
            )
        };
        let competing = rule("a", "SIMPLE") + &rule("b", "DISABLE");
        let canary = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: istio-system, labels: {istio.io/rev: canary}}\nspec: {mtls: {mode: STRICT}}\n";
        let (text, summary) = closing(&format!("{namespace}{web}"));
        assert_eq!(text, "no findings in 3 objects of 1 file");
        assert_eq!((&summary["unknown"], &summary["not_judged"]), (&0.into(), &serde_json::json!({})));
        let (text, summary) = closing(&format!("{namespace}{web}{competing}"));
        assert!(text.contains("; not judged: 1 undecided row (tls-check says why)"), "{text}");
        assert_eq!(summary["unknown"], 1);
        let (text, summary) = closing(&format!("{namespace}{web}{canary}"));
        assert!(text.contains("; not judged: 1 objects of another revision"), "{text}");
        assert_eq!(summary["not_judged"].as_object().map(serde_json::Map::len), Some(1));
        let (text, summary) = closing(web);
        assert!(text.ends_with("; assumed injected, as the input has no such Namespace: shop"), "{text}");
        assert_eq!(summary["assumed_namespaces"], serde_json::json!(["shop"]));
    }
}
