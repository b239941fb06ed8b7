//! The pod of a workload as YAML, and what its sidecar demands on a port: what the rules about workloads ask.

use super::{Lint, related};
use crate::finding::{Confidence, Related};
use crate::location::Path;
use crate::model::mesh_config::NamespaceSelector;
use crate::model::{Labels, Mesh, MtlsMode, Proxy, Workload};
use crate::mtls::endpoints::{Who, bypass, undecided_proxy};
use crate::mtls::server::{self, ModeFrom};
use crate::yaml::Node;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The pod that a workload is or makes.
pub struct Pod<'m> {
    /// Its `metadata`.
    pub meta: Option<Node<'m>>,
    /// Where that stands.
    pub meta_path: Path,
    /// Its `spec`.
    pub spec: Node<'m>,
    /// Where that stands.
    pub path: Path,
}

/// An application container that runs as long as the pod does.
pub struct Container<'m> {
    /// The container.
    pub node: Node<'m>,
    /// Where it stands.
    pub path: Path,
}

impl<'m> Pod<'m> {
    /// The pod of a workload; `None` for what only stands for workloads that the input does not hold.
    #[must_use]
    pub fn of(lint: &Lint<'m>, workload: &Workload) -> Option<Self> {
        if matches!(workload.kind, "Namespace" | "Service") {
            return None;
        }
        let root = lint.node(workload.meta.id)?;
        let path = format!("{}spec", workload.path.strip_suffix("metadata")?);
        let spec = root.find(&path)?;
        Some(Self { meta: root.find(workload.path), meta_path: Path::new(workload.path), spec, path: Path::new(path) })
    }

    /// An annotation as it is written, also one that the mesh does not keep.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<String> {
        Some(self.meta?.get("annotations")?.get(key)?.text()?.into_owned())
    }

    /// Its application containers, also those that Kubernetes calls sidecars (`restartPolicy: Always`).
    #[must_use]
    pub fn containers(&self) -> Vec<Container<'m>> {
        let mut found = Vec::new();
        for list in ["containers", "initContainers"] {
            let items = self.spec.get(list).into_iter().flat_map(Node::items);
            for (at, node) in items.enumerate() {
                let word = |key: &str| node.get(key).and_then(Node::as_str);
                let stays = list == "containers" || word("restartPolicy") == Some("Always");
                let of_istio = matches!(word("name"), Some("istio-proxy" | "istio-init" | "istio-validation"));
                if stays && !of_istio {
                    found.push(Container { node, path: self.path.key(list).index(at) });
                }
            }
        }
        found
    }
}

/// Where STRICT is set for a port, if it is in every possibility, whether anything enforces it or not.
#[must_use]
pub fn strict_mode(lint: &Lint<'_>, workload: u32, port: u16) -> Option<ModeFrom> {
    let modes = lint.modes(workload, port);
    modes.iter().all(|(mode, _)| *mode == MtlsMode::Strict).then(|| modes.first().map(|(_, from)| *from))?
}

/// Where STRICT is set for a port whose sidecar certainly enforces it: one that it captures, and that nothing unread
/// bears on.
#[must_use]
pub fn enforced(lint: &Lint<'_>, workload: u32, port: u16) -> Option<ModeFrom> {
    let mesh = lint.mesh;
    let pod = mesh.workloads.get(workload as usize)?;
    let none = pod.intercepts_nothing();
    let captured = pod.proxy == Proxy::Sidecar && !none && matches!(bypass(pod, port), Ok(None));
    if !captured || undecided_proxy(mesh, pod, false).is_some() {
        return None;
    }
    strict_mode(lint, workload, port)
}

/// `High`, unless the workload or its sidecar is an assumption.
#[must_use]
pub fn confidence(workload: &Workload) -> Confidence {
    let guessed = workload.assumed || matches!(workload.kind, "Namespace" | "Service");
    if guessed { Confidence::Low } else { Confidence::High }
}

/// The place of the policy that sets a mode.
#[must_use]
pub fn policy_place(mesh: &Mesh, from: ModeFrom) -> Option<Related> {
    let policy = mesh.policies.get(from.policy? as usize)?;
    let path = match from.port {
        Some(port) => Path::new("spec.portLevelMtls").key(&port.to_string()),
        None => Path::new("spec.mtls.mode"),
    };
    let text = format!("PeerAuthentication {} says STRICT", policy.meta.slash());
    Some(related(mesh, policy.meta.id, &path, text))
}

/// The edit that makes one port accept plaintext. Of several policies with a selector only the oldest counts, so an
/// existing one is extended, never doubled (1.1).
#[must_use]
pub fn exception(mesh: &Mesh, workload: &Workload, port: u16, selector: Option<&Labels>) -> String {
    let own = server::workload_policies(mesh, workload, port).first().copied().flatten();
    if let Some(policy) = own.and_then(|n| mesh.policies.get(n as usize)) {
        return format!("add portLevelMtls {port}: {{mode: PERMISSIVE}} to PeerAuthentication {}", policy.meta.slash());
    }
    let labels = selector.map(ToString::to_string).filter(|text| !text.is_empty());
    let labels = labels.map_or_else(String::new, |text| format!(" ({text})"));
    format!(
        "add a PeerAuthentication in namespace {} with a selector for these workloads{labels}, mtls mode STRICT and portLevelMtls {port}: {{mode: PERMISSIVE}}",
        workload.meta.namespace
    )
}

/// The workloads behind a Service port (by number in the Service) with their ports.
#[must_use]
pub fn behind(lint: &Lint<'_>, service: u32, port: usize) -> Vec<(u32, u16)> {
    let rows = lint.matrix.services.iter().find(|rows| rows.service == service);
    let endpoints = rows.and_then(|rows| rows.endpoints.get(port)).map_or(&[][..], Vec::as_slice);
    let of_workload = |who, port| if let Who::Workload(number) = who { Some((number, port)) } else { None };
    endpoints.iter().filter_map(|endpoint| of_workload(endpoint.who, endpoint.port)).collect()
}

/// A Kubernetes label selector.
#[must_use]
pub fn label_selector(node: Node<'_>) -> NamespaceSelector {
    let pairs = node.get("matchLabels").into_iter().flat_map(Node::entries);
    let pairs = pairs.filter_map(|(key, value)| Some((key.text()?.as_ref().into(), value.text()?.as_ref().into())));
    let expressions = node.get("matchExpressions").into_iter().flat_map(Node::items).filter_map(|item| {
        let word = |key: &str| item.get(key).and_then(Node::text).map(|text| Box::from(text.as_ref()));
        let values = item.get("values").into_iter().flat_map(Node::items).filter_map(Node::text);
        Some((word("key")?, word("operator")?, values.map(|text| text.as_ref().into()).collect()))
    });
    NamespaceSelector { labels: Labels::new(pairs), expressions: expressions.collect() }
}

/// Lets the first Pod of each owner pass: what its replicas have wrong is one defect.
#[derive(Default)]
pub struct Firsts(BTreeSet<(Arc<str>, Box<str>, Box<str>)>);

impl Firsts {
    /// Whether no Pod of the same owner passed before.
    pub fn is_first(&mut self, workload: &Workload) -> bool {
        let Some((kind, name)) = workload.owner.clone() else { return true };
        self.0.insert((workload.meta.namespace.clone(), kind, name))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::finding::Finding;
    use crate::model::{Options, load_text};
    use crate::mtls::check::check;

    /// Namespace `shop`, which is injected, and a mesh-wide STRICT.
    pub(in crate::lint) const STRICT: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
";

    /// Every finding on a text.
    pub(in crate::lint) fn findings(text: &str) -> Vec<Finding> {
        let mesh = load_text(text, Options { assume_injected: true, ..Options::default() });
        crate::lint::run(&check(&mesh))
    }

    /// `CODE message` of the findings of one code, and where they stand.
    pub(in crate::lint) fn found(text: &str, code: &str) -> Vec<(u32, String)> {
        let all = findings(text).into_iter().filter(|finding| finding.code.code == code);
        all.map(|finding| (finding.at.line, finding.message)).collect()
    }

    #[test]
    fn selectors_read_both_forms() {
        let tree = crate::yaml::parse_text(
            "{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: In, values: [a, b]}]}",
        )
        .unwrap();
        let selector = label_selector(tree.root());
        for (labels, fits) in [
            (&[("app", "web"), ("tier", "a")][..], true),
            (&[("app", "web"), ("tier", "c")], false),
            (&[("app", "web")], false),
            (&[("tier", "a")], false),
        ] {
            let labels = Labels::new(labels.iter().map(|(k, v)| ((*k).into(), (*v).into())));
            assert_eq!(selector.matches(&labels), fits, "{labels}");
        }
    }
}
