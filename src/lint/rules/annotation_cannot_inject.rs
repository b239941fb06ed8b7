//! MC0305: injection settings that have no effect (istio-mtls.md 1.6, B6 to B9).
//!
//! `manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml`, `pkg/kube/inject/inject.go :
//! injectRequired`.

use crate::finding::{Confidence, Finding};
use crate::lint::pods::Pod;
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::openshift::Release;
use crate::model::{Namespace, Proxy, Workload};
use crate::yaml::Node;

const INJECT: &str = "sidecar.istio.io/inject";

/// Reports each setting that does not do what it says. OpenShift Service Mesh before version 3 injects by rules of its
/// own (8.5).
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    if let Some(release) = lint.mesh.control.as_ref().and_then(crate::model::Control::release) {
        return maistra(lint, release, out);
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

/// OpenShift Service Mesh 1.x and 2.x: what asks for a proxy and gets none, what the release does not read, and labels
/// of namespaces that only upstream's webhook looks at.
fn maistra(lint: &Lint<'_>, release: Release, out: &mut Out<'_>) {
    let Some(members) = lint.mesh.control.as_ref().and_then(|control| control.members.as_ref()) else { return };
    let confidence = if members.assumed { Confidence::Low } else { Confidence::Medium };
    let reads_label = release >= Release::new(2, 2);
    for workload in lint.mesh.workloads.iter().filter(|w| !w.live && w.shown.is_none()) {
        let Some(pod) = Pod::of(lint, workload).filter(|_| members.unclear(&workload.meta.namespace).is_none()) else {
            continue;
        };
        let (label, annotation) = (workload.labels.get(INJECT), workload.annotations.get(INJECT));
        let yes = |word: Option<&str>| word.is_some_and(says_yes);
        let injected = workload.proxy != Proxy::None;
        let member = members.has(&workload.meta.namespace);
        let name = workload.meta.slash();
        let does = if injected { "is injected" } else { "is not injected" };
        let (part, message, help) = match (label, annotation) {
            (Some(word), Some(other)) if member && reads_label && says_yes(word) != says_yes(other) => (
                "annotations",
                format!(
                    "label {INJECT}: {word:?} wins over the annotation {other:?}, which has no effect: {name} {does}"
                ),
                "remove the annotation; the label decides".to_owned(),
            ),
            (Some(word), _) if member && !reads_label && says_yes(word) != yes(annotation) => (
                "labels",
                format!(
                    "label {INJECT}: {word:?} has no effect, release {release} reads only the annotation: {name} {does}"
                ),
                format!(
                    "move it from labels to annotations of the pod template: release {release} reads {INJECT} there"
                ),
            ),
            _ if !injected && (yes(label) || yes(annotation)) => {
                let part = if yes(annotation) { "annotations" } else { "labels" };
                let word = if yes(annotation) { annotation } else { label }.unwrap_or_default();
                let one = part.trim_end_matches('s');
                let help = match member {
                    false => format!(
                        "add namespace {} to the ServiceMeshMemberRoll of namespace {}, or remove the {one}",
                        workload.meta.namespace, members.plane
                    ),
                    true => mend(workload),
                };
                (part, format!("{one} {INJECT}: {word:?} does not inject {name}: {}", workload.proxy_why), help)
            }
            _ => continue,
        };
        out.add(workload.meta.id, pod.meta_path.key(part).key(INJECT), message, help).confidence = confidence;
    }
    for namespace in lint.mesh.namespaces.values().filter(|namespace| members.has(&namespace.meta.name)) {
        if let Some(finding) = label_of_upstream(lint, namespace, out) {
            finding.confidence = confidence;
        }
    }
}

/// A label of a namespace that only upstream's webhook looks at, where a pod of it does not ask for itself.
fn label_of_upstream<'o>(lint: &Lint<'_>, namespace: &Namespace, out: &'o mut Out<'_>) -> Option<&'o mut Finding> {
    let labels = &namespace.meta.labels;
    let enabled = labels.get("istio-injection").filter(|word| *word == "enabled").map(|word| ("istio-injection", word));
    let (key, value) = enabled.or_else(|| labels.get("istio.io/rev").map(|word| ("istio.io/rev", word)))?;
    let idle = lint.mesh.workloads.iter().find(|workload| {
        let speaks = [&workload.labels, &workload.annotations].into_iter().any(|map| map.get(INJECT).is_some());
        let predicted = workload.shown.is_none() && !workload.live && Pod::of(lint, workload).is_some();
        workload.meta.namespace == namespace.meta.name && workload.proxy == Proxy::None && predicted && !speaks
    })?;
    let message = format!(
        "label {key}: {value} injects nothing in OpenShift Service Mesh before version 3, where each pod asks for itself: {} does not",
        idle.meta.slash()
    );
    let help = format!("annotate the pod templates that are to be injected with {INJECT}: \"true\"");
    Some(out.add(namespace.meta.id, Path::new("metadata.labels").key(key), message, help))
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
            ("istio-injection: disabled, maistra.io/member-of: cp", "", "", "sidecar.istio.io/inject: \"true\"", "", 1),
        ];
        for (namespace, owner, labels, annotations, spec, count) in rows {
            let text = format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{namespace}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop, labels: {{{owner}}}}}\nspec: {{template: {{metadata: {{labels: {{{labels}}}, annotations: {{{annotations}}}}}, spec: {{{spec}containers: [{{name: web}}]}}}}}}\n"
            );
            let found = found(&text, "MC0305");
            assert_eq!(found.len(), *count, "{text}{found:?}");
        }
    }

    #[test]
    fn openshift_service_mesh_has_rules_of_its_own() {
        use crate::finding::Confidence::{self, Low, Medium};
        let plane = |version: &str| {
            format!(
                "apiVersion: maistra.io/v2\nkind: ServiceMeshControlPlane\nmetadata: {{name: basic, namespace: cp}}\nspec: {{version: {version}}}\n---\n"
            )
        };
        let roll = "apiVersion: maistra.io/v1\nkind: ServiceMeshMemberRoll\nmetadata: {name: default, namespace: cp}\nspec: {members: [shop]}\n---\n";
        let yes = "sidecar.istio.io/inject: \"true\"";
        let no = "sidecar.istio.io/inject: \"false\"";
        // version, is there a roll, namespace, its labels, labels and annotations of the template; what is found
        type Row<'a> = (&'a str, bool, &'a str, &'a str, &'a str, &'a str, Option<Confidence>);
        let rows: &[Row<'_>] = &[
            ("v2.4", true, "shop", "", "", yes, None),
            ("v2.4", true, "shop", "", yes, "", None),
            ("v2.1", true, "shop", "", "", yes, None),
            ("v2.1", true, "shop", "", yes, "", Some(Medium)),
            ("v2.1", true, "shop", "", yes, yes, None),
            ("v2.4", true, "shop", "", no, yes, Some(Medium)),
            ("v2.4", true, "other", "", "", yes, Some(Medium)),
            ("v2.4", true, "other", "", yes, "", Some(Medium)),
            ("v2.4", true, "other", "", "", "", None),
            ("v2.4", false, "other", "", "", yes, None),
            ("v2.1", false, "other", "", yes, "", Some(Low)),
            ("v2.4", true, "shop", "istio-injection: disabled", "", yes, Some(Medium)),
            ("v2.4", true, "shop", "istio-injection: enabled", "", yes, None),
            ("v2.4", true, "shop", "istio-injection: enabled", "", "", Some(Medium)),
        ];
        for (version, with_roll, namespace, of_namespace, labels, annotations, want) in rows {
            let text = format!(
                "{}{}apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: {{{of_namespace}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {namespace}}}\nspec: {{template: {{metadata: {{labels: {{{labels}}}, annotations: {{{annotations}}}}}, spec: {{containers: [{{name: web}}]}}}}}}\n",
                plane(version),
                if *with_roll { roll } else { "" },
            );
            let all = crate::lint::pods::tests::findings(&text);
            let found: Vec<_> = all.iter().filter(|one| one.code.code == "MC0305").collect();
            assert!(found.len() < 2, "{text}{found:?}");
            assert_eq!(found.first().map(|one| one.confidence), *want, "{text}{found:?}");
        }
    }
}
