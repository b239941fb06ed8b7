//! MC0306: the label `security.istio.io/tlsMode`, which injection sets, written by hand (istio-mtls.md 1.6, B2 to B4).

use crate::finding::{HAND_WRITTEN_TLS_MODE, Severity};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::{Proxy, Workload};

const LABEL: &str = "security.istio.io/tlsMode";

/// Reports the label where no injection can have written it.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for workload in &lint.mesh.workloads {
        let path = Path::new(workload.path).key("labels").key(LABEL);
        let Some(value) = workload.labels.get(LABEL).filter(|_| lint.mesh.has(workload.meta.id, &path)) else {
            continue;
        };
        // An injected pod carries what injection wrote, which is never another word; proxyless gRPC servers need the
        // label, and nothing writes it for them (1.8).
        let written = workload.shown.is_some() && value == "istio" || workload.proxy == Proxy::Grpc;
        let mut causes = lint.causes_of(&HAND_WRITTEN_TLS_MODE);
        let cause = causes.find(|cause| cause.object == workload.meta.id);
        if written && cause.is_none() {
            continue;
        }
        let (mut message, severity) = words(workload, value);
        if let Some(cause) = cause {
            message = format!("{message}; {}", cause.summary(lint.matrix));
        }
        let help = "remove the label: injection writes it, and only where a sidecar is; a port exception belongs in a \
                    PeerAuthentication";
        let finding = out.add(workload.meta.id, path, message, help);
        finding.severity = severity;
    }
}

/// What the label does to callers of this workload.
fn words(workload: &Workload, value: &str) -> (String, Severity) {
    let name = workload.meta.slash();
    match (value, workload.proxy) {
        ("istio", Proxy::Sidecar) => (
            format!(
                "label {LABEL}: istio of {name} is written by hand: it stays when the sidecar goes, and callers then fail"
            ),
            Severity::Info,
        ),
        ("istio", _) => (
            format!(
                "label {LABEL}: istio tells callers that {name} speaks mutual TLS, but it has no sidecar ({})",
                workload.proxy_why
            ),
            Severity::Warning,
        ),
        (_, Proxy::Sidecar) => (
            format!(
                "label {LABEL}: {value} of {name} is kept by injection: callers are told to send plaintext although it has a sidecar"
            ),
            Severity::Warning,
        ),
        (_, _) => (
            format!(
                "label {LABEL}: {value} of {name} is written by hand: it stays when a sidecar comes, and callers then send plaintext"
            ),
            Severity::Info,
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::Severity;
    use crate::lint::blocks::tests::WEB;
    use crate::lint::pods::tests::{STRICT, findings};

    #[test]
    fn only_labels_that_no_injection_wrote_are_reported() {
        let pod = "spec: {containers: [{name: web}]}\n";
        let injected = "spec: {containers: [{name: web}, {name: istio-proxy}]}\n";
        for (namespace, labels, spec, severity) in [
            ("enabled", "security.istio.io/tlsMode: istio", injected, None),
            ("enabled", "security.istio.io/tlsMode: disabled", injected, Some(Severity::Warning)),
            ("enabled", "security.istio.io/tlsMode: istio", pod, Some(Severity::Info)),
            ("enabled", "security.istio.io/tlsMode: mutual", pod, Some(Severity::Warning)),
            ("disabled", "security.istio.io/tlsMode: istio", pod, Some(Severity::Warning)),
            ("disabled", "security.istio.io/tlsMode: disabled", pod, Some(Severity::Info)),
            ("enabled", "app: web", pod, None),
        ] {
            let text = format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{istio-injection: {namespace}}}}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: shop, labels: {{{labels}}}}}\n{spec}"
            );
            let found: Vec<_> = findings(&text).into_iter().filter(|f| f.code.code == "MC0306").collect();
            assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), Vec::from_iter(severity), "{text}");
        }
    }

    #[test]
    fn an_error_where_calls_fail() {
        let server = |word: &str, inject: bool| {
            WEB.replace(
                "labels: {app: web}",
                &format!(
                    "labels: {{app: web, security.istio.io/tlsMode: {word}, sidecar.istio.io/inject: \"{inject}\"}}"
                ),
            )
        };
        let client = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: cl, namespace: shop}\n\
                      spec: {template: {metadata: {labels: {app: cl}}, spec: {containers: [{name: a}]}}}\n---\n";
        let policy = STRICT.split_once("---\n").unwrap().1;
        for (text, want) in [
            (server("istio", false) + client, "error calls of shop/cl to web.shop.svc.cluster.local:80 fail (F9)"),
            (
                server("disabled", true) + client + policy,
                "error calls of 2 clients (shop/cl, ...) to web.shop.svc.cluster.local:80 fail (F2)",
            ),
            (server("disabled", true) + client, "warning "),
        ] {
            let found = findings(&text);
            let one = found.iter().find(|f| f.code.code == "MC0306").unwrap();
            let fails = one.message.split("; ").find(|part| part.contains("fail (")).unwrap_or("");
            assert_eq!(format!("{} {fails}", one.severity), want, "{}", one.message);
        }
    }
}
