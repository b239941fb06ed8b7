//! MC0107: mode DISABLE, which takes mutual TLS away from clients that speak it.

use super::ambient_port_exception_without_effect::without_effect;
use crate::finding::{NAMESPACE_DISABLE_WORKLOAD_STRICT, Severity};
use crate::lint::policies::{level_of, mistaken_port, selected, shadowed_by};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::{Mesh, MtlsMode, PeerAuthentication, Proxy};
use crate::mtls::server::Level;

/// What DISABLE does to sidecars, and to ztunnel, which treats it as PERMISSIVE (1.9:
/// `pilot/pkg/serviceregistry/ambient/authorization.go : convertedSelectorPeerAuthentications`).
const PLAIN: &str = "calls to them are plaintext, without a verified identity";
const ZTUNNEL: &str = "DISABLE means the same as PERMISSIVE to ztunnel, and HBONE stays mutual TLS";

const REPLACE: &str = "replace DISABLE by PERMISSIVE, which accepts plaintext and mutual TLS, or by STRICT once every client is in the mesh";
const REPLACE_PORT: &str = "replace DISABLE by PERMISSIVE unless the application itself speaks TLS there: clients of the mesh then \
                            use mutual TLS, and others still get in";

/// What serves the workloads that a policy speaks of.
enum Servers {
    Sidecars,
    Ztunnel,
    Both,
}

fn servers(mesh: &Mesh, policy: &PeerAuthentication, level: Level) -> Servers {
    let serves = |proxy: Proxy| !matches!(proxy, Proxy::None | Proxy::Waypoint);
    let (mut ztunnel, mut others) = (false, false);
    let mut see = |proxy: Proxy| match proxy {
        Proxy::Ambient => ztunnel = true,
        proxy => others |= serves(proxy),
    };
    match level {
        Level::Mesh => mesh.workloads.iter().filter(|w| !w.finished).for_each(|workload| see(workload.proxy)),
        _ => selected(mesh, policy).for_each(|(_, workload)| see(workload.proxy)),
    }
    match (ztunnel, others) {
        (true, false) => Servers::Ztunnel,
        (true, true) => Servers::Both,
        (false, _) => Servers::Sidecars,
    }
}

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
            let (message, help) = match servers(mesh, policy, level) {
                Servers::Ztunnel => (
                    format!("plaintext is let in for {what}: {ZTUNNEL}"),
                    "write PERMISSIVE, which is what ztunnel makes of it, or STRICT once every client is in the mesh",
                ),
                Servers::Both => {
                    (format!("mutual TLS is off for {what}: {PLAIN}; in the ambient mesh {ZTUNNEL}"), REPLACE)
                }
                Servers::Sidecars => (format!("mutual TLS is off for {what}: {PLAIN}"), REPLACE),
            };
            out.add(policy.meta.id, Path::new("spec.mtls.mode"), message, help);
        }
        if level != Level::Workload {
            continue;
        }
        let disabled = policy.ports.iter().filter(|(_, mode)| *mode == Some(MtlsMode::Disable));
        // MC0101 and MC0111 are about the same field.
        let ignored = |port: u16| mistaken_port(mesh, policy, port).is_some() || without_effect(lint, number, port);
        for (port, _) in disabled.filter(|(port, _)| !ignored(*port)) {
            let (message, help) = match servers(mesh, policy, level) {
                Servers::Ztunnel => (
                    format!("plaintext is let in on port {port} of {what}: {ZTUNNEL}"),
                    "write PERMISSIVE, which is what ztunnel makes of it, unless the exception is not needed at all",
                ),
                Servers::Both => {
                    (format!("mutual TLS is off on port {port} of {what}; in the ambient mesh {ZTUNNEL}"), REPLACE_PORT)
                }
                Servers::Sidecars => (format!("mutual TLS is off on port {port} of {what}"), REPLACE_PORT),
            };
            let path = Path::new("spec.portLevelMtls").key(&port.to_string()).key("mode");
            let finding = out.add(policy.meta.id, path, message, help);
            // An exception for one port is narrow and mostly meant.
            finding.severity = Severity::Info;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::AMBIENT_PORT_EXCEPTION_WITHOUT_EFFECT as WITHOUT_EFFECT;
    use crate::finding::MTLS_DISABLED as CODE;
    use crate::lint::trial::{deployment, findings, namespace, places, policy};

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

    #[test]
    fn ztunnel_takes_disable_for_permissive() {
        let ambient = namespace("shop", "istio.io/dataplane-mode: ambient") + &deployment("web", "shop", "");
        let other = namespace("b", "istio-injection: enabled") + &deployment("api", "b", "");
        let off = |namespace: &str| policy("default", namespace, "", "{mtls: {mode: DISABLE}}");
        let port =
            policy("p", "shop", "", "{selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: DISABLE}}}");
        let strict = policy("default", "shop", "", "{mtls: {mode: STRICT}}");
        for (text, says, not) in [
            (off("shop") + &ambient, "plaintext is let in for every workload of namespace shop", "mutual TLS is off"),
            (off("istio-system") + &ambient + &other, "mutual TLS is off for every workload of the mesh", "let in"),
            (off("istio-system") + &ambient + &other, "HBONE stays mutual TLS", "let in"),
            (off("b") + &ambient + &other, "calls to them are plaintext", "HBONE"),
            (port.clone() + &ambient, "plaintext is let in on port 8080", "mutual TLS is off"),
        ] {
            let found = findings(&text, &CODE);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].message.contains(says) && !found[0].message.contains(not), "{}", found[0].message);
        }
        // Below an inherited STRICT the exception has no effect: that is MC0111, and only that.
        let text = strict + &port + &ambient;
        assert_eq!((findings(&text, &CODE).len(), findings(&text, &WITHOUT_EFFECT).len()), (0, 1));
        let text = text.replace("8080: {mode: DISABLE}", "8080: {mode: DISABLE}, 9090: {mode: DISABLE}");
        assert_eq!((findings(&text, &CODE).len(), findings(&text, &WITHOUT_EFFECT).len()), (0, 1));
    }
}
