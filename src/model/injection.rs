//! Whether a pod made from a manifest would get a proxy: the webhook's selectors, then the injector behind them (1.6).
//!
//! `manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml`, `pkg/kube/inject/inject.go :
//! injectRequired`. OpenShift Service Mesh 1.x and 2.x have rules of their own ([`super::openshift`]).

use super::meta::Labels;
use super::openshift::{self, Control, Product, Revisions};

/// Namespaces in which nothing is ever injected (`pkg/kube/inject/initializer.go : IgnoredNamespaces`).
pub const NEVER_INJECTED: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// What decides injection.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Labels of the pod template.
    pub labels: &'a Labels,
    /// Annotations of the pod template.
    pub annotations: &'a Labels,
    /// `hostNetwork`.
    pub host_network: bool,
    /// Name of the namespace.
    pub namespace: &'a str,
    /// Its labels; `None`: the input has no such Namespace.
    pub namespace_labels: Option<&'a Labels>,
    /// A namespace without object counts as labelled for injection.
    pub assume_injected: bool,
    /// The control plane of OpenShift Service Mesh or Sail, where the input has one.
    pub control: Option<&'a Control>,
}

/// The label or annotation of a pod.
pub(super) const INJECT: &str = "sidecar.istio.io/inject";

/// The injector's words for yes; any other is no.
pub(super) fn says_yes(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "y" | "yes" | "true" | "on")
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Would it be injected?
    pub wanted: bool,
    /// Why.
    pub why: String,
    /// It is an assumption.
    pub assumed: bool,
    /// The label of the Namespace that decided it.
    pub namespace_label: Option<&'static str>,
    /// The revision that injects, where Sail's objects tell it.
    pub revision: Option<Box<str>>,
}

pub(super) fn decided(wanted: bool, why: impl Into<String>) -> Injection {
    Injection { wanted, why: why.into(), assumed: false, namespace_label: None, revision: None }
}

/// Predicts injection.
#[must_use]
pub fn predict(subject: Subject<'_>) -> Injection {
    // The webhook's selector stops at the exact word; the injector behind it reads any other word but yes as no.
    let yes = says_yes;
    let label = subject.labels.get(INJECT);
    let annotation = subject.annotations.get(INJECT);
    if NEVER_INJECTED.contains(&subject.namespace) {
        return decided(false, format!("nothing is ever injected in namespace {}", subject.namespace));
    }
    if subject.host_network {
        return decided(false, "hostNetwork: true is never injected");
    }
    if let Some((control, Product::Maistra(release))) = subject.control.map(|control| (control, control.product)) {
        return openshift::predict_maistra(subject, control, release);
    }
    if label.is_some_and(|word| !yes(word)) {
        return decided(false, "the pod's label sidecar.istio.io/inject forbids it");
    }
    let matched = webhook(subject);
    // The label beats the annotation, which is only consulted once a webhook has matched.
    if matched.wanted && label.is_none() && annotation.is_some_and(|word| !yes(word)) {
        return decided(false, "the pod's annotation sidecar.istio.io/inject forbids it");
    }
    let injector = subject.control.and_then(|control| control.plane.as_ref()).map(|plane| &plane.injector);
    if let Some(injector) = injector.filter(|_| matched.wanted && label.is_none() && annotation.is_none()) {
        let (wanted, why) = injector.unasked(subject.labels);
        return if wanted { matched } else { decided(false, why) };
    }
    matched
}

/// Whether a webhook matches: by the namespace's labels, else by the pod's.
fn webhook(subject: Subject<'_>) -> Injection {
    let ns = subject.namespace;
    let unlabelled = Labels::default();
    let labels = match subject.namespace_labels {
        Some(labels) => labels,
        None if subject.assume_injected => {
            let why = format!("namespace {ns} is not in the input: assumed to be injected");
            return Injection { assumed: true, ..decided(true, why) };
        }
        None => &unlabelled,
    };
    let by_namespace = |wanted, label: &'static str, word: &str| Injection {
        namespace_label: Some(label),
        ..decided(wanted, format!("namespace {ns} has label {label}: {word}"))
    };
    if let Some(revisions) = subject.control.and_then(|control| control.revisions.as_ref()) {
        return by_revision(subject, labels, revisions);
    }
    let own_revision = subject.labels.get("istio.io/rev");
    match (labels.get("istio-injection"), labels.get("istio.io/rev")) {
        (Some(word), _) => by_namespace(word == "enabled", "istio-injection", word),
        (None, Some(revision)) => by_namespace(true, "istio.io/rev", revision),
        _ if own_revision.is_some() => decided(true, "the pod has label istio.io/rev"),
        _ if subject.labels.get("sidecar.istio.io/inject") == Some("true") => {
            decided(true, "the pod has label sidecar.istio.io/inject: \"true\"")
        }
        _ if subject.namespace_labels.is_none() => {
            let why = format!("namespace {ns} is not in the input: assumed not to be injected");
            Injection { assumed: true, ..decided(false, why) }
        }
        _ => decided(false, format!("neither namespace {ns} nor the pod has a label that asks for injection")),
    }
}

/// The same where Sail's objects tell which revisions and tags there are: a webhook stands for each of them, and the
/// labels that name no revision are those of revision or tag `default` only (8.7; chart `mutatingwebhook.yaml`,
/// `revisiontags`).
fn by_revision(subject: Subject<'_>, namespace: &Labels, revisions: &Revisions) -> Injection {
    let ns = subject.namespace;
    let inject = |name: &str, label: Option<&'static str>, asks: String| {
        let revision = revisions.resolve(name);
        let why = match revision {
            Some(_) => asks,
            None => format!("{asks}, and no control plane of the input has revision or tag {name}"),
        };
        let namespace_label = label;
        Injection { namespace_label, revision: revision.map(Into::into), ..decided(revision.is_some(), why) }
    };
    let by_default = || {
        let plane = subject.control.and_then(|control| control.plane.as_ref());
        plane.is_some_and(|plane| plane.injector.every_namespace)
    };
    match (namespace.get("istio-injection"), namespace.get("istio.io/rev"), subject.labels.get("istio.io/rev")) {
        (Some("enabled"), ..) => {
            inject("default", Some("istio-injection"), format!("namespace {ns} has label istio-injection: enabled"))
        }
        (Some(word), ..) => Injection {
            namespace_label: Some("istio-injection"),
            ..decided(false, format!("namespace {ns} has label istio-injection: {word}"))
        },
        (None, Some(name), _) => {
            inject(name, Some("istio.io/rev"), format!("namespace {ns} has label istio.io/rev: {name}"))
        }
        (None, None, Some(name)) => inject(name, None, format!("the pod has label istio.io/rev: {name}")),
        _ if subject.labels.get(INJECT) == Some("true") => {
            inject("default", None, format!("the pod has label {INJECT}: \"true\""))
        }
        _ if by_default() => {
            inject("default", None, "enableNamespacesByDefault: every namespace is injected".to_owned())
        }
        _ => decided(false, format!("neither namespace {ns} nor the pod has a label that asks for injection")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        Labels::new(text.split_whitespace().filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.into(), v.into())))
    }

    #[test]
    fn the_rules_of_the_webhook_and_the_injector() {
        const INJECT: &str = "sidecar.istio.io/inject";
        // namespace labels (none: not in the input), pod label, pod annotation, wanted
        type Row = (Option<&'static str>, Option<&'static str>, Option<&'static str>, bool);
        let rows: &[Row] = &[
            (Some("istio-injection=enabled"), None, None, true),
            (Some("istio-injection=enabled"), Some("false"), None, false),
            (Some("istio-injection=enabled"), None, Some("false"), false),
            (Some("istio-injection=enabled"), Some("true"), Some("false"), true),
            (Some("istio-injection=disabled"), Some("true"), None, false),
            (Some("istio-injection=enabled istio.io/rev=canary"), None, None, true),
            (Some("istio.io/rev=canary"), None, None, true),
            (Some("istio.io/rev=canary"), Some("false"), None, false),
            (Some(""), None, None, false),
            (Some(""), None, Some("true"), false),
            (Some(""), Some("true"), None, true),
            (Some(""), Some("on"), None, false),
            (None, None, None, true),
            (None, Some("false"), None, false),
        ];
        let not_assumed = Subject {
            labels: &labels("sidecar.istio.io/inject=true"),
            annotations: &Labels::default(),
            host_network: false,
            namespace: "shop",
            namespace_labels: None,
            assume_injected: false,
            control: None,
        };
        assert!(predict(not_assumed).wanted);
        assert!(!predict(Subject { labels: &Labels::default(), ..not_assumed }).wanted);
        for (namespace, label, annotation, wanted) in rows {
            let namespace_labels = namespace.map(labels);
            let pair = |word: &Option<&str>| labels(&word.map_or(String::new(), |word| format!("{INJECT}={word}")));
            let subject = Subject {
                labels: &pair(label),
                annotations: &pair(annotation),
                host_network: false,
                namespace: "shop",
                namespace_labels: namespace_labels.as_ref(),
                assume_injected: true,
                control: None,
            };
            assert_eq!(predict(subject).wanted, *wanted, "{namespace:?} {label:?} {annotation:?}");
            assert!(!predict(Subject { host_network: true, ..subject }).wanted);
            assert!(!predict(Subject { namespace: "kube-system", ..subject }).wanted);
        }
    }
}
