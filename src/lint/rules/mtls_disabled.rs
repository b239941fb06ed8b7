//! MC0107: mode DISABLE, which takes mutual TLS away from clients that speak it.

use crate::finding::{NAMESPACE_DISABLE_WORKLOAD_STRICT, Severity};
use crate::lint::policies::{level_of, mistaken_port, shadowed_by};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::MtlsMode;
use crate::mtls::server::Level;

/// Reports each DISABLE that counts, unless another rule reports the field as a mistake.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    for (number, policy) in (0..).zip(&mesh.policies) {
        let level = level_of(mesh, policy);
        if level == Level::Nothing || shadowed_by(mesh, number).is_some() {
            continue;
        }
        let what = match level {
            Level::Mesh => "every workload of the mesh".to_owned(),
            Level::Namespace => format!("every workload of namespace {}", policy.meta.namespace),
            _ => format!("workloads with {}", policy.selector),
        };
        let fails = lint.causes_of(&NAMESPACE_DISABLE_WORKLOAD_STRICT).any(|cause| cause.object == policy.meta.id);
        if policy.mode == Some(MtlsMode::Disable) && !fails {
            out.add(
                policy.meta.id,
                Path::new("spec.mtls.mode"),
                format!("mutual TLS is off for {what}: calls to them are plaintext, without a verified identity"),
                "replace DISABLE by PERMISSIVE, which accepts plaintext and mutual TLS, or by STRICT once every client is in \
                 the mesh",
            );
        }
        if level != Level::Workload {
            continue;
        }
        let disabled = policy.ports.iter().filter(|(_, mode)| *mode == Some(MtlsMode::Disable));
        for (port, _) in disabled.filter(|(port, _)| mistaken_port(mesh, policy, *port).is_none()) {
            let finding = out.add(
                policy.meta.id,
                Path::new("spec.portLevelMtls").key(&port.to_string()).key("mode"),
                format!("mutual TLS is off on port {port} of {what}"),
                "replace DISABLE by PERMISSIVE unless the application itself speaks TLS there: clients of the mesh then \
                 use mutual TLS, and others still get in",
            );
            // An exception for one port is narrow and mostly meant.
            finding.severity = Severity::Info;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::MTLS_DISABLED as CODE;
    use crate::lint::trial::{places, policy};

    #[test]
    fn each_disable_that_counts_is_reported() {
        let old = ", creationTimestamp: \"2024-01-01T00:00:00Z\"";
        let new = ", creationTimestamp: \"2024-06-01T00:00:00Z\"";
        let port = "{selector: {matchLabels: {app: a}}, portLevelMtls: {8080: {mode: DISABLE}}}";
        let off = "{mtls: {mode: DISABLE}}";
        let web = "{selector: {matchLabels: {app: a}}, mtls: {mode: DISABLE}}";
        for (text, want) in [
            (policy("a", "shop", "", off), "spec.mtls.mode warning high"),
            (policy("a", "istio-system", "", off), "spec.mtls.mode warning high"),
            (policy("a", "shop", "", web), "spec.mtls.mode warning high"),
            (policy("a", "istio-system", "", web), ""),
            (policy("a", "shop", "", port), "spec.portLevelMtls.8080.mode info high"),
            (policy("a", "shop", "", "{portLevelMtls: {8080: {mode: DISABLE}}}"), ""),
            (policy("a", "shop", old, "{mtls: {mode: STRICT}}") + &policy("b", "shop", new, off), ""),
            (policy("a", "shop", "", "{mtls: {mode: PERMISSIVE}}"), ""),
        ] {
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }
}
