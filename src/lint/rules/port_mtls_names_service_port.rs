//! MC0104: a key of `portLevelMtls` is the workload's port; the Service's port has no effect there (A1).

use crate::finding::{Confidence, PORT_MTLS_NAMES_SERVICE_PORT as CODE, Severity};
use crate::lint::policies::{mistaken_port, selected};
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::{MtlsMode, PeerAuthentication};
use std::collections::BTreeSet;

/// Reports each key that is a port of a Service and of none of the workloads.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    for policy in &mesh.policies {
        for (key, mode) in &policy.ports {
            let Some(mistake) = mistaken_port(mesh, policy, *key) else { continue };
            let path = Path::new("spec.portLevelMtls").key(&key.to_string());
            let already = mode.is_none_or(|mode| is_already(lint, policy, &mistake.targets, mode));
            let written = policy.ports.iter().any(|(port, _)| mistake.targets.contains(port));
            let targets: Vec<String> = mistake.targets.iter().map(u16::to_string).collect();
            let (targets, name) = (targets.join(" or "), mistake.service.meta.slash());
            let help = match mode {
                Some(mode) if already => {
                    format!("remove the entry: {} is the mode of port {targets} anyway", mode.word())
                }
                None => "remove the entry: it sets no mode".to_owned(),
                // A second entry for the port would be a duplicate key.
                _ if written => {
                    format!("remove the entry: what holds for port {targets} stands in an entry of its own")
                }
                _ => format!(
                    "replace \"{key}\" by \"{targets}\": portLevelMtls names ports of the workload, not of the Service"
                ),
            };
            let fails = lint.causes_of(&CODE).any(|cause| cause.object == policy.meta.id && cause.path == path);
            let finding = out.add(
                policy.meta.id,
                path,
                format!(
                    "{key} is a port of Service {name}, which leads to port {targets} of the workloads: the entry has no \
                     effect"
                ),
                help,
            );
            // What it says holds without it, or is said where it counts.
            if !fails && (already || written) {
                finding.severity = if already { Severity::Info } else { Severity::Warning };
            }
            finding.related.push(related(mesh, mistake.service.meta.id, &Path::new("spec.ports"), "the Service"));
            if !mistake.sure {
                finding.confidence = Confidence::Medium;
            }
        }
    }
}

/// Whether a mode is that of every such port of the workloads without the entry.
fn is_already(lint: &Lint<'_>, policy: &PeerAuthentication, ports: &BTreeSet<u16>, mode: MtlsMode) -> bool {
    selected(lint.mesh, policy).all(|(number, _)| {
        ports.iter().all(|port| lint.modes(number, *port).iter().all(|(effective, _)| *effective == mode))
    })
}

#[cfg(test)]
mod tests {
    use crate::finding::PORT_MTLS_NAMES_SERVICE_PORT as CODE;
    use crate::lint::trial::{deployment, findings, places, policy, service};

    fn ports(keys: &str) -> String {
        let keys =
            format!("{{selector: {{matchLabels: {{app: web}}}}, mtls: {{mode: STRICT}}, portLevelMtls: {keys}}}");
        policy("a", "shop", "", &keys)
    }

    #[test]
    fn a_port_of_a_service_that_no_workload_has_is_reported() {
        let web = deployment("web", "shop", "");
        let key = "{80: {mode: PERMISSIVE}}";
        for (text, want) in [
            (ports(key) + &web + &service("web", "shop", 80, "8080"), "spec.portLevelMtls.80 error high"),
            (ports(key) + &web + &service("web", "shop", 80, "main"), "spec.portLevelMtls.80 error high"),
            (ports(key) + &web + &service("web", "shop", 80, "80"), ""),
            (ports(key) + &web + &service("web", "shop", 81, "8080"), ""),
            (ports(key) + &web + &service("web", "bank", 80, "8080"), ""),
            (ports(key) + &web + &service("other", "shop", 80, "8080"), ""),
            (ports("{8080: {mode: PERMISSIVE}}") + &web + &service("web", "shop", 8080, "9090"), ""),
            // Only Services: their selectors stand for workloads, whose named ports nobody knows.
            (ports(key) + &service("web", "shop", 80, "8080"), "spec.portLevelMtls.80 error medium"),
            (ports(key) + &service("web", "shop", 80, "main"), ""),
            (ports(key), ""),
        ] {
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }

    #[test]
    fn an_entry_that_changes_nothing_is_to_go() {
        let web = deployment("web", "shop", "") + &service("web", "shop", 80, "8080");
        for (keys, want, help) in [
            ("{80: {mode: PERMISSIVE}}", "error", "replace \"80\" by \"8080\""),
            ("{80: {mode: STRICT}}", "info", "remove the entry: STRICT is the mode of port 8080 anyway"),
            ("{80: {mode: UNSET}}", "info", "remove the entry: it sets no mode"),
            ("{80: {mode: STRICT}, 8080: {mode: STRICT}}", "info", "remove the entry"),
            ("{80: {mode: PERMISSIVE}, 8080: {mode: PERMISSIVE}}", "info", "remove the entry"),
            ("{80: {mode: DISABLE}, 8080: {mode: PERMISSIVE}}", "warning", "remove the entry: what holds"),
            ("{80: {mode: STRICT}, 8080: {mode: PERMISSIVE}}", "warning", "remove the entry: what holds"),
        ] {
            let found = findings(&(ports(keys) + &web), &CODE);
            assert_eq!(found.len(), 1, "{keys}");
            assert_eq!(found[0].severity.word(), want, "{keys}");
            assert!(found[0].help.starts_with(help), "{keys}: {}", found[0].help);
        }
    }

    #[test]
    fn calls_that_fail_for_want_of_the_exception_are_attached() {
        let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
                    metadata: {name: web, namespace: shop}\n\
                    spec: {host: web.shop.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}}\n";
        let text = ports("{80: {mode: DISABLE}}")
            + &deployment("web", "shop", "")
            + &service("web", "shop", 80, "8080")
            + rule;
        let found = findings(&text, &CODE);
        assert_eq!((found.len(), found[0].edges.len(), found[0].edges[0].failure), (1, 1, Some("F2")));
        assert!(findings(&text, &crate::finding::PLAINTEXT_TO_STRICT).is_empty());
    }
}
