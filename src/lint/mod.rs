//! The rules of `lint`: what in the manifests is a mistake, judged by the same engine as `tls-check`.
//!
//! [`rules::RULES`] is the table: one rule per file. [`cause`] says for every CONFLICT row of the matrix which defect
//! causes it; a rule reports defects, and what fails because of one is attached to its finding here, so that a lint
//! finding and a row of `tls-check` never disagree and each row has exactly one cause.

mod alike;
pub mod authorization;
pub mod blocks;
pub mod cause;
pub mod conflict;
pub mod json;
mod origin;
pub mod pods;
pub mod policies;
pub mod reach;
pub mod report;
pub mod rules;
pub mod schema;
pub mod settings;
pub mod sources;
mod suppress;
#[cfg(test)]
mod trial;
pub mod unrendered;

use crate::finding::{self, Code, Confidence, Edge, Finding, Related, Severity};
use crate::location::Path;
use crate::model::{Mesh, MtlsMode, ObjectId, Proxy};
use crate::mtls::ambient;
use crate::mtls::check::Matrix;
use crate::mtls::server::{self, ModeFrom, Winners};
use crate::yaml::Node;
use cause::{Cause, Names};
use settings::Settings;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use suppress::Ignores;
use unrendered::Templates;

/// A namespace, and the policies of it that select a pod.
type Selected = (Arc<str>, Vec<u32>);

/// What a rule sees.
pub struct Lint<'m> {
    /// The mesh.
    pub mesh: &'m Mesh,
    /// Every edge of it, judged.
    pub matrix: &'m Matrix<'m>,
    /// Why rows are CONFLICT.
    pub causes: Vec<Cause>,
    /// AuthorizationPolicies, once a rule asks: [`authorization::policies`].
    authorization: OnceLock<Vec<authorization::AuthorizationPolicy>>,
    /// By workload: which policies may count for a pod of the ambient mesh, once a rule asks: [`Lint::choices`].
    choices: Vec<OnceLock<Arc<ambient::Choices>>>,
    /// The same, by namespace and the policies that select a pod: many pods share one.
    shared: Mutex<BTreeMap<Selected, Arc<ambient::Choices>>>,
}

/// One row of [`rules::RULES`].
pub struct Rule {
    /// Its code, with name and default severity.
    pub code: &'static Code,
    /// Reports every defect of its kind.
    pub check: fn(&Lint<'_>, &mut Out<'_>),
}

/// Where a rule puts what it found.
pub struct Out<'m> {
    mesh: &'m Mesh,
    code: &'static Code,
    found: Vec<Found>,
}

/// A finding with the object and field that it is about, by which causes find it.
struct Found {
    object: Option<ObjectId>,
    finding: Finding,
}

impl Out<'_> {
    /// Reports a defect in a field of an object. The returned finding may be refined: severity, confidence, related.
    pub fn add(
        &mut self,
        object: ObjectId,
        path: Path,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Finding {
        let at = self.mesh.locate(object, &path);
        // What the operator makes stands in no file: the control plane's own field is what can be changed.
        if let (Some(made), Some(who)) = (self.mesh.made(object), self.mesh.object_ref(object)) {
            let message = format!("{who}, which the operator makes: {}", message.into());
            let mut finding = Finding::new(self.code, at, message, help);
            finding.object = self.mesh.object_ref(made.by);
            finding.path = Some(made.path.clone());
            finding.confidence = Confidence::Medium;
            return self.push(Some(object), finding);
        }
        let mut finding = Finding::new(self.code, at, message, help);
        finding.object = self.mesh.object_ref(object);
        finding.path = (!path.as_str().is_empty()).then_some(path);
        self.push(Some(object), finding)
    }

    /// Reports something that is about no object: about the input as a whole.
    pub fn add_plain(&mut self, finding: Finding) -> &mut Finding {
        self.push(None, finding)
    }

    fn push(&mut self, object: Option<ObjectId>, finding: Finding) -> &mut Finding {
        self.found.push(Found { object, finding });
        let last = self.found.len() - 1;
        // It was pushed a line above.
        #[allow(clippy::indexing_slicing, reason = "the item was just pushed")]
        &mut self.found[last].finding
    }
}

impl<'m> Lint<'m> {
    /// Judges what the rules share.
    #[must_use]
    pub fn new(matrix: &'m Matrix<'m>) -> Self {
        let mesh = matrix.mesh;
        let choices = std::iter::repeat_with(OnceLock::new).take(mesh.workloads.len()).collect();
        Self {
            mesh,
            matrix,
            causes: cause::causes(matrix),
            authorization: OnceLock::new(),
            choices,
            shared: Mutex::default(),
        }
    }

    /// The causes that a rule is to report.
    pub fn causes_of(&self, code: &'static Code) -> impl Iterator<Item = &Cause> {
        self.causes.iter().filter(move |cause| std::ptr::eq(cause.code, code))
    }

    /// Every object of a kind of the input, in its order, as YAML.
    pub fn objects(&self, kind: &str) -> impl Iterator<Item = (ObjectId, Node<'m>)> {
        (0..).zip(&self.mesh.objects).filter(move |(_, o)| *o.kind == *kind && o.made.is_none()).filter_map(
            |(at, object)| {
                let document = self.mesh.documents.get(object.document as usize)?;
                Some((ObjectId(at), document.tree.node(object.node)))
            },
        )
    }

    /// The YAML of an object.
    #[must_use]
    pub fn node(&self, id: ObjectId) -> Option<Node<'m>> {
        let object = self.mesh.objects.get(id.0 as usize)?;
        Some(self.mesh.documents.get(object.document as usize)?.tree.node(object.node))
    }

    /// Which policies may count for a pod of the ambient mesh; `None`: it is none. `workload`: number in
    /// [`Mesh::workloads`].
    #[must_use]
    pub fn choices(&self, workload: u32) -> Option<&ambient::Choices> {
        let pod = self.mesh.workloads.get(workload as usize).filter(|pod| pod.proxy == Proxy::Ambient)?;
        let choose = || {
            let namespace = &pod.meta.namespace;
            let own = ambient::own(self.mesh, namespace, &pod.labels);
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let (mesh, key) = (self.mesh, (namespace.clone(), own.clone()));
            shared.entry(key).or_insert_with(|| Arc::new(ambient::Choices::new(mesh, namespace, &own))).clone()
        };
        Some(self.choices.get(workload as usize)?.get_or_init(choose))
    }

    /// The effective mode of a port of a workload and the policy that sets it, per possibility (several where the input
    /// does not say which of two policies is older). Of a pod of the ambient mesh: STRICT where plaintext is refused, else
    /// PERMISSIVE. `workload`: number in [`Mesh::workloads`].
    #[must_use]
    pub fn modes(&self, workload: u32, port: u16) -> Vec<(MtlsMode, ModeFrom)> {
        let Some(pod) = self.mesh.workloads.get(workload as usize) else { return Vec::new() };
        if let Some(choices) = self.choices(workload) {
            let demand = choices.demand(self.mesh, port);
            let modes = demand.mode().map_or(vec![MtlsMode::Strict, MtlsMode::Permissive], |mode| vec![mode]);
            return modes.into_iter().map(|mode| (mode, demand.from)).collect();
        }
        let own = server::workload_policies(self.mesh, pod, port);
        let wide = server::wide_policies(self.mesh, &pod.meta.namespace);
        let winners = wide.iter().flat_map(|wide| own.iter().map(|own| Winners { workload: *own, ..*wide }));
        let mut modes: Vec<_> =
            winners.map(|winners| server::effective_mode(&self.mesh.policies, winners, port)).collect();
        modes.dedup();
        modes
    }

    /// `High`, unless the input holds no Pods or templates, where a rule about workloads can only guess.
    #[must_use]
    pub fn confidence_in_workloads(&self) -> Confidence {
        let known = self.mesh.workloads.iter().any(|w| !matches!(w.kind, "Namespace" | "Service"));
        if known { Confidence::High } else { Confidence::Low }
    }
}

/// The findings that are shown, and how many are not.
#[derive(Debug, Default)]
pub struct Shown {
    /// Those that are shown, sorted.
    pub findings: Vec<Finding>,
    /// How many an ignore in the manifests hides.
    pub suppressed: usize,
    /// How many the settings leave out.
    pub left_out: usize,
}

/// The findings of a mesh as the user wants to see them. `templates`: the files of charts.
#[must_use]
pub fn judge(matrix: &Matrix<'_>, templates: &Templates, settings: &Settings) -> Shown {
    let mesh = matrix.mesh;
    let mut findings = run(matrix);
    unrendered::fold(mesh, templates, &mut findings);
    let mut suppressed = 0;
    if settings.ignores {
        (findings, suppressed) = Ignores::read(mesh).hide(mesh, findings);
    }
    let all = findings.len();
    for finding in &mut findings {
        settings.adjust(finding);
    }
    findings.retain(|finding| settings.shows(finding));
    let left_out = all - findings.len();
    origin::name(mesh, &mut findings);
    finding::sort(&mut findings);
    Shown { findings, suppressed, left_out }
}

/// Every finding of every rule, sorted, with the findings of the input itself.
#[must_use]
pub fn run(matrix: &Matrix<'_>) -> Vec<Finding> {
    let lint = Lint::new(matrix);
    let mut all: Vec<Found> = Vec::new();
    for rule in rules::RULES {
        let mut out = Out { mesh: matrix.mesh, code: rule.code, found: Vec::new() };
        (rule.check)(&lint, &mut out);
        all.extend(out.found);
    }
    let mut names = Names::default();
    for cause in &lint.causes {
        attach(&lint, cause, &mut names, &mut all);
    }
    let mut findings: Vec<Finding> = all.into_iter().map(|found| found.finding).collect();
    findings.extend(matrix.mesh.findings.iter().cloned());
    finding::sort(&mut findings);
    findings
}

/// The policies of the removed API in a mesh (MC0120), which `tls-check` reports too.
#[must_use]
pub fn removed_policies(mesh: &Mesh) -> Vec<Finding> {
    let mut out = Out { mesh, code: &finding::REMOVED_POLICY_API, found: Vec::new() };
    rules::report_removed(mesh, &mut out);
    out.found.into_iter().map(|found| found.finding).collect()
}

/// Attaches what fails to the finding that explains it. A cause whose rule did not report the place itself is reported
/// as it is: a row without a cause would be a lie by omission.
fn attach(lint: &Lint<'_>, cause: &Cause, names: &mut Names, all: &mut Vec<Found>) {
    let path = lint.mesh.made(cause.object).map_or_else(|| cause.path.clone(), |made| made.path.clone());
    let of = |found: &&mut Found| {
        std::ptr::eq(found.finding.code, cause.code)
            && found.object == Some(cause.object)
            && found.finding.path.as_ref().map_or("", Path::as_str) == path.as_str()
    };
    let edges: Vec<Edge> = cause.edges(lint.matrix, names);
    let symptom = cause.symptom(lint.matrix);
    // Several causes of one place have findings of their own, in the same order.
    let free = all.iter_mut().filter(of).min_by_key(|found| !found.finding.edges.is_empty());
    if let Some(found) = free {
        found.finding.edges.extend(edges);
        found.finding.related.extend(symptom);
        raise(lint, cause, &mut found.finding);
        return;
    }
    let mesh = lint.mesh;
    let mut out = Out { mesh, code: cause.code, found: Vec::new() };
    let help = cause.mend(lint.matrix);
    let finding = out.add(cause.object, cause.path.clone(), cause.summary(lint.matrix), help);
    finding.edges = edges;
    finding.related.extend(symptom);
    raise(lint, cause, finding);
    all.append(&mut out.found);
}

/// A defect because of which calls fail is an error, whatever it would be without them; a guess stays what it is.
fn raise(lint: &Lint<'_>, cause: &Cause, finding: &mut Finding) {
    let sure = finding.confidence == Confidence::High;
    if !sure || finding.severity == Severity::Error || !cause.breaks_calls(lint.matrix) {
        return;
    }
    finding.severity = Severity::Error;
    let summary = cause.summary(lint.matrix);
    if !finding.message.contains(&summary) {
        finding.message = format!("{}; {summary}", finding.message);
    }
}

/// A second place of a finding.
#[must_use]
pub fn related(mesh: &Mesh, object: ObjectId, path: &Path, message: impl Into<String>) -> Related {
    Related { message: message.into(), at: mesh.locate(object, path) }
}

/// Whether a finding is at least as bad.
#[must_use]
pub fn at_least(finding: &Finding, severity: Severity) -> bool {
    finding.severity <= severity
}
