//! MC0104: a key of `portLevelMtls` is the workload's port; the Service's port has no effect there (A1).

use crate::finding::Confidence;
use crate::lint::policies::mistaken_port;
use crate::lint::{Lint, Out, related};
use crate::location::Path;

/// Reports each key that is a port of a Service and of none of the workloads.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    for policy in &mesh.policies {
        for (key, _) in &policy.ports {
            let Some(mistake) = mistaken_port(mesh, policy, *key) else { continue };
            let targets: Vec<String> = mistake.targets.iter().map(u16::to_string).collect();
            let (targets, name) = (targets.join(" or "), mistake.service.meta.slash());
            let finding = out.add(
                policy.meta.id,
                Path::new("spec.portLevelMtls").key(&key.to_string()),
                format!(
                    "{key} is a port of Service {name}, which leads to port {targets} of the workloads: the entry has no \
                     effect"
                ),
                format!(
                    "replace \"{key}\" by \"{targets}\": portLevelMtls names ports of the workload, not of the Service"
                ),
            );
            finding.related.push(related(mesh, mistake.service.meta.id, &Path::new("spec.ports"), "the Service"));
            if !mistake.sure {
                finding.confidence = Confidence::Medium;
            }
        }
    }
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
