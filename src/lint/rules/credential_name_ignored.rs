//! MC0209: sidecars do not read `credentialName` of a rule without workloadSelector, and send plaintext (istio-mtls.md
//! 2.7). Gateways do read it: a rule for what a gateway originates is right.

use crate::finding::{CREDENTIAL_NAME_IGNORED, Confidence, Severity};
use crate::lint::blocks::{Block, blocks};
use crate::lint::policies::real;
use crate::lint::{Lint, Out};
use crate::model::Proxy;
use crate::model::service::Origin;

/// Reports each such block that sidecars use.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for block in blocks(lint).filter(|block| block.tls.mode_written && block.credential_ignored()) {
        let path = block.path();
        let fails = lint.causes_of(&CREDENTIAL_NAME_IGNORED).any(|c| c.object == block.rule.meta.id && c.path == path);
        let through_gateway = !fails && through_gateway(lint, &block);
        if through_gateway && gateway_route(lint, &block) {
            continue;
        }
        let mode = block.tls.mode.word();
        let finding = out.add(
            block.rule.meta.id,
            path,
            format!("sidecars do not read credentialName of a rule without workloadSelector: they send plaintext, not {mode}"),
            "add a workloadSelector with the labels of the clients (and let them read the Secret), or replace credentialName by the files clientCertificate, privateKey, caCertificates; towards a service of the mesh replace the mode by ISTIO_MUTUAL",
        );
        // Where the input has no sidecar, that one will use the rule is a guess.
        if !fails && !lint.mesh.workloads.iter().any(|workload| workload.proxy == Proxy::Sidecar && real(workload)) {
            finding.confidence = Confidence::Low;
        }
        if through_gateway {
            finding.severity = Severity::Warning;
            finding.confidence = Confidence::Low;
        }
    }
}

/// Whether the rule may be meant for a gateway: a host that is no Service of the mesh, and a gateway in its namespace.
fn through_gateway(lint: &Lint<'_>, block: &Block<'_>) -> bool {
    let mesh = lint.mesh;
    let known = mesh.index.hosts.get(&block.rule.host).into_iter().flatten();
    let mut services = known.filter_map(|n| mesh.services.get(*n as usize));
    if services.any(|service| service.origin == Origin::Kubernetes) && !gateway_route(lint, block) {
        return false;
    }
    let namespace = &block.rule.meta.namespace;
    let gateway = |w: &crate::model::Workload| w.proxy == Proxy::Gateway && w.meta.namespace == *namespace;
    *namespace == mesh.root || !mesh.gateways.is_empty() || mesh.workloads.iter().any(gateway)
}

/// Whether a route of a gateway sends to the rule's host.
fn gateway_route(lint: &Lint<'_>, block: &Block<'_>) -> bool {
    let to = |route: &&crate::model::route::Route| route.destinations.iter().any(|d| block.rule.host.matches(&d.host));
    lint.mesh.routes.iter().filter(to).any(|route| {
        !route.mesh || lint.node(route.meta.id).and_then(|n| n.find("spec.gateways")).is_some_and(|g| g.len() > 1)
    })
}

#[cfg(test)]
mod tests {
    use crate::finding::Confidence;
    use crate::lint::blocks::tests::{WEB, codes, found, rule};

    #[test]
    fn without_a_sidecar_it_is_a_guess() {
        let text = rule("trafficPolicy: {tls: {mode: MUTUAL, credentialName: a}}");
        let confidence = |text: &str| found(text).iter().find(|f| f.code.code == "MC0209").map(|f| f.confidence);
        let outside = text.replace("web.shop.svc.cluster.local", "api.example");
        assert_eq!(confidence(&outside), Some(Confidence::Low));
        assert_eq!(confidence(&(outside + WEB)), Some(Confidence::High));
        assert_eq!(confidence(&(text + WEB)), Some(Confidence::High));
    }

    #[test]
    fn sidecars_ignore_it_without_a_selector() {
        let at = "MC0209 spec.trafficPolicy.tls";
        for (tls, more, want) in [
            ("mode: SIMPLE, credentialName: a", "", at),
            ("mode: MUTUAL, credentialName: a", "", at),
            ("mode: MUTUAL, credentialName: a", ", workloadSelector: {matchLabels: {app: a}}", ""),
            ("mode: SIMPLE, credentialName: configmap://a", "", ""),
            ("mode: DISABLE, credentialName: a", "", ""),
            ("credentialName: a", "", ""),
        ] {
            let spec = format!("trafficPolicy: {{tls: {{{tls}}}}}{more}");
            assert_eq!(codes(&rule(&spec), &["MC0209"]), want, "{spec}");
        }
    }

    #[test]
    fn a_gateway_that_originates_tls_is_right() {
        let route = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: shop}\n\
            spec: {hosts: [a.example], gateways: [egress], tls: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}\n\
            ---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: egress, namespace: shop}\n\
            spec: {selector: {istio: egressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example]}]}\n";
        let text = rule("trafficPolicy: {tls: {mode: SIMPLE, credentialName: a}}") + route;
        assert_eq!(codes(&text, &["MC0209"]), "");
    }
}
