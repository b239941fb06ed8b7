//! MC0213: a wildcard rule with ISTIO_MUTUAL also covers services without sidecar, first of all the Kubernetes API
//! server; Istio's own installations had a second rule for it (istio-mtls.md 4.1).

use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::destination_rule::TlsMode;
use crate::model::{DestinationRule, Host, Mesh};

/// Reports each such rule.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for rule in lint.mesh.rules.iter().filter(|rule| covers_api_server(lint.mesh, rule)) {
        let server = api_server(lint.mesh);
        out.add(
            rule.meta.id,
            Path::new("spec.trafficPolicy.tls.mode"),
            format!("host \"{}\" also covers services without sidecar, such as {server}: ISTIO_MUTUAL sends them TLS that they do not speak", rule.host),
            format!("remove tls (automatic mTLS then adapts to each endpoint), or add a DestinationRule in namespace {} for {server} with mode DISABLE, and one for each other service without sidecar", rule.meta.namespace),
        );
    }
}

fn api_server(mesh: &Mesh) -> Host {
    Host::of_service("kubernetes", "default", &mesh.options.cluster_domain)
}

/// Whether a wildcard rule sends ISTIO_MUTUAL to the API server too, with no more specific rule beside it that does not.
pub(in crate::lint) fn covers_api_server(mesh: &Mesh, rule: &DestinationRule) -> bool {
    let server = api_server(mesh);
    let top = |rule: &DestinationRule| rule.policy.as_ref().and_then(|policy| Some(policy.top.tls.as_ref()?.mode));
    let covers = rule.host.wildcard().is_some() && rule.host.matches(&server);
    if !covers || top(rule) != Some(TlsMode::IstioMutual) {
        return false;
    }
    // A more specific host of the same namespace takes its place (2.4); of another namespace it cannot.
    let beside = mesh.index.rules.get(&rule.meta.namespace).into_iter().flatten();
    let mut others = beside.filter_map(|n| mesh.rules.get(*n as usize)).filter(|other| other.meta.id != rule.meta.id);
    !others.any(|other| {
        let narrower = other.host == server
            || (other.host.matches(&server) && other.host.as_str().len() > rule.host.as_str().len());
        narrower && top(other) != Some(TlsMode::IstioMutual)
    })
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::codes;

    fn rule(name: &str, host: &str, tls: &str) -> String {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
             metadata: {{name: {name}, namespace: istio-system}}\nspec: {{host: '{host}', trafficPolicy: {{{tls}}}}}\n"
        )
    }

    #[test]
    fn wildcards_over_the_api_server_without_exception() {
        let mutual = "tls: {mode: ISTIO_MUTUAL}";
        let at = "MC0213 spec.trafficPolicy.tls.mode";
        for (host, tls, exception, want) in [
            ("*.local", mutual, None, at),
            ("*", mutual, None, at),
            ("*.svc.cluster.local", mutual, None, at),
            ("*.shop.svc.cluster.local", mutual, None, ""),
            ("*.local", "tls: {mode: DISABLE}", None, ""),
            ("*.local", "connectionPool: {}", None, ""),
            ("*.local", mutual, Some(("kubernetes.default.svc.cluster.local", "tls: {mode: DISABLE}")), ""),
            ("*.local", mutual, Some(("*.default.svc.cluster.local", "connectionPool: {}")), ""),
            ("*.local", mutual, Some(("kubernetes.default.svc.cluster.local", mutual)), at),
        ] {
            let other = exception.map_or_else(String::new, |(host, tls)| rule("api-server", host, tls));
            assert_eq!(codes(&(rule("default", host, tls) + &other), &["MC0213"]), want, "{host} {other}");
        }
    }
}
