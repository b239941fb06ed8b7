//! MC0103: `portLevelMtls` counts in policies with a selector only (A3).

use crate::lint::policies::level_of;
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::mtls::server::Level;

/// Reports each `portLevelMtls` of a mesh-wide or namespace-wide policy.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    for policy in mesh.policies.iter().filter(|policy| !policy.ports.is_empty()) {
        let wide = match level_of(mesh, policy) {
            Level::Mesh => "mesh-wide",
            Level::Namespace => "namespace-wide",
            Level::Workload | Level::Nothing => continue,
        };
        let ports: Vec<String> = policy.ports.iter().map(|(port, _)| port.to_string()).collect();
        let ports = crate::lint::policies::names(ports);
        out.add(
            policy.meta.id,
            Path::new("spec.portLevelMtls"),
            format!("portLevelMtls (port {ports}) of a {wide} policy is ignored: only a policy with a selector may set ports"),
            "move portLevelMtls into a policy of its own whose spec.selector.matchLabels selects the workloads that have \
             the port",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::PORT_MTLS_WITHOUT_SELECTOR as CODE;
    use crate::lint::trial::{places, policy};

    #[test]
    fn ports_need_a_selector() {
        let ports = "portLevelMtls: {8080: {mode: DISABLE}}";
        for (namespace, spec, want) in [
            ("shop", format!("{{{ports}}}"), "spec.portLevelMtls error high"),
            ("istio-system", format!("{{{ports}}}"), "spec.portLevelMtls error high"),
            ("shop", format!("{{selector: {{}}, {ports}}}"), "spec.portLevelMtls error high"),
            ("shop", format!("{{selector: {{matchLabels: {{app: a}}}}, {ports}}}"), ""),
            ("istio-system", format!("{{selector: {{matchLabels: {{app: a}}}}, {ports}}}"), ""),
            ("shop", "{mtls: {mode: STRICT}}".to_owned(), ""),
        ] {
            assert_eq!(places(&policy("a", namespace, "", &spec), &CODE).join("; "), want, "{namespace} {spec}");
        }
    }
}
