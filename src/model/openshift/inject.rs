//! Injection of OpenShift Service Mesh 1.x and 2.x: members only, and only pods that ask (istio-mtls.md 8.5).
//!
//! `chart:istio-control/istio-discovery/templates/mutatingwebhook.yaml`, `fork-X:pkg/kube/inject/inject.go :
//! injectRequired`.

use super::{Control, Release};
use crate::model::injection::{INJECT, Injection, Subject, decided, says_yes};

/// From this release on the injector reads the pod's label.
const READS_LABEL: Release = Release::new(2, 2);

/// Predicts injection. hostNetwork and the namespaces of the system have been looked at.
pub(in crate::model) fn maistra(subject: Subject<'_>, control: &Control, release: Release) -> Injection {
    let namespace = subject.namespace;
    let Some(members) = &control.members else { return decided(false, "no member roll") };
    let own = *members.plane == *namespace;
    if own && release < Release::new(2, 4) {
        return decided(false, format!("{namespace} is the control plane's own namespace, where nothing is injected"));
    }
    if !own && !members.has(namespace) {
        let of = &members.plane;
        let unread = members.unread(namespace).map_or_else(String::new, |unread| format!(": {unread}"));
        let open = members.unclear(namespace);
        let assumed = members.assumed || open.is_some();
        let why = open.unwrap_or_else(|| {
            format!("namespace {namespace} is no member of the mesh of control plane namespace {of}{unread}")
        });
        return Injection { assumed, ..decided(false, why) };
    }
    let label = |key: &str| subject.namespace_labels.and_then(|labels| labels.get(key));
    let stops = [
        ("maistra.io/ignore-namespace", label("maistra.io/ignore-namespace").is_some()),
        ("istio-injection", release.major > 1 && label("istio-injection") == Some("disabled")),
        ("istio-env", release.major > 1 && label("istio-env").is_some()),
    ];
    if let Some((key, _)) = stops.into_iter().find(|(_, stops)| *stops) {
        let why = format!("namespace {namespace} has label {key}, which the webhook leaves out");
        return Injection { namespace_label: Some(key), ..decided(false, why) };
    }
    Injection { assumed: members.assumed, ..of_pod(subject, control, release) }
}

/// The pod's own word, else the injector's policy.
fn of_pod(subject: Subject<'_>, control: &Control, release: Release) -> Injection {
    let written = subject.labels.get(INJECT);
    let label = written.filter(|_| release >= READS_LABEL);
    let annotation = subject.annotations.get(INJECT).filter(|word| !word.is_empty());
    let injector = control.plane.as_ref().map(|plane| &plane.injector);
    if injector.is_some_and(|injector| injector.object_selector) {
        // With autoInject the webhook only leaves out pods that say false; without it the pod has to say true.
        let automatic = injector.is_some_and(|injector| injector.automatic) && release >= READS_LABEL;
        let matches = if automatic { written != Some("false") } else { written == Some("true") };
        if !matches {
            return decided(
                false,
                format!("objectSelector.enabled: the webhook asks for the pod's label {INJECT}: \"true\""),
            );
        }
    }
    let verdict = |kind: &str, word: &str| {
        let does = if says_yes(word) { "asks for a proxy" } else { "forbids it" };
        decided(says_yes(word), format!("the pod's {kind} {INJECT}: {word:?} {does}"))
    };
    match (label, annotation, written) {
        (Some(word), ..) => verdict("label", word),
        (None, Some(word), _) => verdict("annotation", word),
        (None, None, Some(_)) => {
            let (wanted, why) = injector.map_or((false, ASKS), |injector| injector.unasked(subject.labels));
            let note = format!("{why}; release {release} reads the annotation {INJECT} only, not the label");
            decided(wanted, note)
        }
        (None, None, None) => {
            let (wanted, why) = injector.map_or((false, ASKS), |injector| injector.unasked(subject.labels));
            decided(wanted, why)
        }
    }
}

const ASKS: &str = "the pod does not ask for a proxy, and the control plane injects only pods that do";

#[cfg(test)]
mod tests {
    use crate::model::{Options, Proxy, load_text};

    #[test]
    fn members_get_a_proxy_for_pods_that_ask_as_their_release_has_it() {
        const ANNOTATION: &str = "annotations: {sidecar.istio.io/inject: 'true'}";
        const LABEL: &str = "labels: {sidecar.istio.io/inject: 'true'}";
        const VETO: &str = "labels: {sidecar.istio.io/inject: 'false'}, annotations: {sidecar.istio.io/inject: 'true'}";
        const SELECTOR: &str = ", techPreview: {sidecarInjectorWebhook: {objectSelector: {enabled: true}}}";
        const BOTH: &str = "labels: {sidecar.istio.io/inject: 'true'}, annotations: {sidecar.istio.io/inject: 'yes'}";
        const AUTO: &str =
            ", proxy: {injection: {autoInject: true, neverInjectSelector: [{matchLabels: {app: never}}]}}";
        const ALWAYS: &str =
            ", proxy: {injection: {alwaysInjectSelector: [{matchExpressions: [{key: app, operator: Exists}]}]}}";
        // Version, more settings, the namespace, its labels, the pod's metadata, injected.
        let rows = [
            ("v2.1", "", "shop", "", ANNOTATION, true),
            ("v2.1", "", "shop", "", LABEL, false),
            ("v2.1", "", "shop", "", VETO, true),
            ("v2.2", "", "shop", "", ANNOTATION, true),
            ("v2.2", "", "shop", "", LABEL, true),
            ("v2.2", "", "shop", "", VETO, false),
            ("v2.5", "", "shop", "istio-injection: enabled", "", false),
            ("v2.5", "", "shop", "istio-injection: disabled", ANNOTATION, false),
            ("v1.1", "", "shop", "istio-injection: disabled", ANNOTATION, true),
            ("v2.5", "", "shop", "istio-env: x", ANNOTATION, false),
            ("v2.5", "", "shop", "maistra.io/ignore-namespace: 'true'", ANNOTATION, false),
            ("v2.5", "", "other", "", ANNOTATION, false),
            ("v2.5", "", "cp", "", ANNOTATION, true),
            ("v2.3", "", "cp", "", ANNOTATION, false),
            ("v2.1", SELECTOR, "shop", "", ANNOTATION, false),
            ("v2.1", SELECTOR, "shop", "", LABEL, false),
            ("v2.1", SELECTOR, "shop", "", BOTH, true),
            ("v2.4", SELECTOR, "shop", "", LABEL, true),
            ("v2.4", SELECTOR, "shop", "", ANNOTATION, false),
            ("v2.4", AUTO, "shop", "", "", true),
            ("v2.4", AUTO, "shop", "", "labels: {app: never}", false),
            ("v2.4", ALWAYS, "shop", "", "labels: {app: x}", true),
            ("v2.4", ALWAYS, "shop", "", "", false),
        ];
        for (version, more, namespace, labels, pod, injected) in rows {
            let api = if version.starts_with("v1") { "v1" } else { "v2" };
            let text = format!(
                "{{apiVersion: maistra.io/{api}, kind: ServiceMeshControlPlane, metadata: {{name: basic, namespace: cp}}, spec: {{version: {version}{more}}}}}
---
{{apiVersion: maistra.io/v1, kind: ServiceMeshMemberRoll, metadata: {{name: default, namespace: cp}}, spec: {{members: [shop]}}}}
---
{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}, labels: {{{labels}}}}}}}
---
{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: {namespace}}}, spec: {{template: {{metadata: {{{pod}}}, spec: {{containers: [{{name: a}}]}}}}}}}}
"
            );
            let mesh = load_text(text.clone(), Options::default());
            assert_eq!(mesh.findings.len(), 0, "{text} {:?}", mesh.findings);
            let workload = mesh.workloads.first().expect("a workload");
            assert_eq!(workload.proxy == Proxy::Sidecar, injected, "{text}: {}", workload.proxy_why);
        }
    }
}
