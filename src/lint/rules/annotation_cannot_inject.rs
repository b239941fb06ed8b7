//! MC0305: injection settings that have no effect (istio-mtls.md 1.6, B6 to B9).
//!
//! `manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml`, `pkg/kube/inject/inject.go :
//! injectRequired`.

use crate::finding::Confidence;
use crate::lint::pods::{Pod, maistra};
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::{Namespace, Proxy, Workload};
use crate::yaml::Node;

const INJECT: &str = "sidecar.istio.io/inject";

/// Reports each setting that does not do what it says. OpenShift Service Mesh injects by other rules (8.5), so there
/// nothing is said.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    if maistra(lint.mesh) {
        return;
    }
    for namespace in lint.mesh.namespaces.values() {
        both_labels(namespace, out);
    }
    for workload in lint.mesh.workloads.iter().filter(|workload| !workload.live && workload.shown.is_none()) {
        let ambient = matches!(workload.proxy, Proxy::Ambient | Proxy::Waypoint);
        if ambient || !lint.mesh.sees(&workload.meta.namespace) {
            continue;
        }
        if let Some(pod) = Pod::of(lint, workload) {
            of_pod(lint, workload, &pod, out);
            of_owner(lint, workload, out);
        }
    }
}

/// `istio-injection` wins over `istio.io/rev` (B9).
fn both_labels(namespace: &Namespace, out: &mut Out<'_>) {
    let label = |key: &str| namespace.meta.labels.get(key);
    let (Some(word), Some(revision)) = (label("istio-injection"), label("istio.io/rev")) else { return };
    let name = &namespace.meta.name;
    let who = if word == "enabled" { "the default revision injects" } else { "nothing is injected" };
    let message = format!(
        "istio-injection: {word} wins over istio.io/rev: {revision}: {who} in namespace {name}, and revision {revision} does not"
    );
    let path = Path::new("metadata.labels").key("istio.io/rev");
    out.add(
        namespace.meta.id,
        path,
        message,
        "remove label istio-injection to let the revision inject, or remove istio.io/rev",
    );
}

fn says_yes(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "y" | "yes" | "true" | "on")
}

/// The pod's own label and annotation.
fn of_pod(lint: &Lint<'_>, workload: &Workload, pod: &Pod<'_>, out: &mut Out<'_>) {
    let (label, annotation) = (workload.labels.get(INJECT), workload.annotations.get(INJECT));
    let place = |part: &str| pod.meta_path.key(part).key(INJECT);
    let name = workload.meta.slash();
    let injected = workload.proxy != Proxy::None;
    let namespace = lint.mesh.namespaces.get(&workload.meta.namespace);
    match (label, annotation) {
        (Some(label), Some(annotation)) if says_yes(label) != says_yes(annotation) => {
            let does = if injected { "is injected" } else { "is not injected" };
            let message = format!(
                "label {INJECT}: {label:?} wins over the annotation {annotation:?}, which has no effect: {name} {does}"
            );
            let finding =
                out.add(workload.meta.id, place("annotations"), message, "remove the annotation; the label decides");
            finding.related.push(related(lint.mesh, workload.meta.id, &place("labels"), "the label"));
        }
        (Some(label), _) if says_yes(label) && !injected => {
            let (message, help) = match namespace {
                Some(namespace) if label != "true" && workload.proxy_label.is_none() && !workload.host_network => (
                    format!(
                        "label {INJECT}: {label:?} does not inject {name}: in namespace {}, which has no label of its own, only the exact word \"true\" does",
                        namespace.meta.name
                    ),
                    format!("replace {label} by \"true\""),
                ),
                _ => (
                    format!("label {INJECT}: {label:?} does not inject {name}: {}", workload.proxy_why),
                    mend(workload),
                ),
            };
            let finding = out.add(workload.meta.id, place("labels"), message, help);
            if let Some((id, key)) = workload.proxy_label {
                let path = Path::new("metadata.labels").key(key);
                finding.related.push(related(lint.mesh, id, &path, "the namespace's label"));
            }
        }
        (None, Some(annotation)) if says_yes(annotation) && !injected => {
            let message = format!(
                "annotation {INJECT}: {annotation:?} does not inject {name}: only labels ask for injection; {}",
                workload.proxy_why
            );
            let help = match workload.proxy_label {
                None if !workload.host_network => {
                    format!("move it from annotations to labels of the pod template, as {INJECT}: \"true\"")
                }
                _ => mend(workload),
            };
            out.add(workload.meta.id, place("annotations"), message, help);
        }
        _ => {}
    }
}

/// What would let the pod be injected.
fn mend(workload: &Workload) -> String {
    match workload.proxy_label {
        Some((_, key)) => format!("set label {key} of namespace {} to enabled, or remove it", workload.meta.namespace),
        None if workload.host_network => "remove hostNetwork: true, or the label".to_owned(),
        None => "move the workload into a namespace that is injected, or remove the setting".to_owned(),
    }
}

/// The setting on the owner (a Deployment, its jobTemplate) instead of the pod template: nobody reads it there.
fn of_owner(lint: &Lint<'_>, workload: &Workload, out: &mut Out<'_>) {
    let Some(root) = lint.node(workload.meta.id).filter(|_| workload.kind != "Pod") else { return };
    let injected = workload.proxy != Proxy::None;
    let of_job = (workload.kind == "CronJob").then_some("spec.jobTemplate.metadata");
    let places = std::iter::once("metadata").chain(of_job).flat_map(|meta| [(meta, "labels"), (meta, "annotations")]);
    for (meta, part) in places {
        let path = Path::new(meta).key(part).key(INJECT);
        let word = root.find(meta).and_then(|meta| meta.get(part)?.get(INJECT)).and_then(Node::text);
        let Some(word) = word.filter(|word| says_yes(word) != injected) else { continue };
        // Where the template speaks too, that is looked at.
        if workload.labels.get(INJECT).is_some() || workload.annotations.get(INJECT).is_some() {
            continue;
        }
        let does = if injected { "is injected all the same" } else { "is not injected" };
        let message = format!(
            "{INJECT}: {word:?} stands outside the pod template of the {}, where nobody reads it: {} {does}",
            workload.kind,
            workload.meta.slash()
        );
        let help = format!("move it to {}.labels", workload.path);
        let finding = out.add(workload.meta.id, path, message, help);
        if workload.assumed {
            finding.confidence = Confidence::Low;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::pods::tests::found;

    #[test]
    fn settings_without_effect_are_reported() {
        // labels of the namespace, of the Deployment, of the template; annotations of the template; hostNetwork; how many
        type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, usize);
        let rows: &[Row] = &[
            ("", "", "", "sidecar.istio.io/inject: \"true\"", "", 1),
            ("", "", "sidecar.istio.io/inject: \"true\"", "", "", 0),
            ("", "", "sidecar.istio.io/inject: \"on\"", "", "", 1),
            ("istio-injection: enabled", "", "", "sidecar.istio.io/inject: \"true\"", "", 0),
            ("istio-injection: enabled", "", "", "sidecar.istio.io/inject: \"false\"", "", 0),
            ("istio-injection: disabled", "", "sidecar.istio.io/inject: \"true\"", "", "", 1),
            ("istio-injection: disabled", "", "", "sidecar.istio.io/inject: \"true\"", "", 1),
            (
                "istio-injection: enabled",
                "",
                "sidecar.istio.io/inject: \"true\"",
                "sidecar.istio.io/inject: \"false\"",
                "",
                1,
            ),
            ("istio-injection: enabled, istio.io/rev: canary", "", "", "", "", 1),
            ("istio.io/rev: canary", "", "", "", "", 0),
            ("istio-injection: enabled", "", "sidecar.istio.io/inject: \"true\"", "", "hostNetwork: true, ", 1),
            ("istio-injection: enabled", "sidecar.istio.io/inject: \"false\"", "", "", "", 1),
            ("istio-injection: enabled", "sidecar.istio.io/inject: \"true\"", "", "", "", 0),
            ("", "sidecar.istio.io/inject: \"true\"", "", "", "", 1),
            ("istio-injection: disabled, maistra.io/member-of: cp", "", "", "sidecar.istio.io/inject: \"true\"", "", 0),
        ];
        for (namespace, owner, labels, annotations, spec, count) in rows {
            let text = format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{namespace}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop, labels: {{{owner}}}}}\nspec: {{template: {{metadata: {{labels: {{{labels}}}, annotations: {{{annotations}}}}}, spec: {{{spec}containers: [{{name: web}}]}}}}}}\n"
            );
            let found = found(&text, "MC0305");
            assert_eq!(found.len(), *count, "{text}{found:?}");
        }
    }
}
