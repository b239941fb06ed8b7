//! Runs the rules over a text, for their tests.

use crate::finding::{Code, Confidence, Finding, Severity};
use crate::model::{Options, load_text};
use crate::mtls::check::check;

/// The findings of one code in a text. Namespaces that it does not hold are assumed to be injected.
pub(super) fn findings(text: &str, code: &'static Code) -> Vec<Finding> {
    let mesh = load_text(text, Options { assume_injected: true, ..Options::default() });
    let all = super::run(&check(&mesh));
    all.into_iter().filter(|finding| std::ptr::eq(finding.code, code)).collect()
}

/// The same as `path severity confidence`.
pub(super) fn places(text: &str, code: &'static Code) -> Vec<String> {
    let place = |finding: Finding| {
        let path = finding.path.map(|path| path.to_string()).unwrap_or_default();
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let confidence = match finding.confidence {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        };
        format!("{path} {severity} {confidence}").trim_start().to_owned()
    };
    findings(text, code).into_iter().map(place).collect()
}

/// A PeerAuthentication; `rest` goes into its metadata, with a comma before it.
pub(super) fn policy(name: &str, namespace: &str, rest: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
         metadata: {{name: {name}, namespace: {namespace}{rest}}}\nspec: {spec}\n"
    )
}

/// A Deployment with label `app`, whose container listens on 8080; `rest` goes into the pod's metadata.
pub(super) fn deployment(name: &str, namespace: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
         template:\n    metadata: {{labels: {{app: {name}}}{rest}}}\n    \
         spec: {{containers: [{{name: a, ports: [{{name: main, containerPort: 8080}}]}}]}}\n"
    )
}

/// A Service of the workloads with label `app`.
pub(super) fn service(name: &str, namespace: &str, port: u16, target: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: {port}, targetPort: {target}}}]}}\n"
    )
}

/// A Namespace.
pub(super) fn namespace(name: &str, labels: &str) -> String {
    format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n")
}
