//! MC0502: a PeerAuthentication whose selector selects gateway pods: nothing reads it for their servers
//! (istio-mtls.md 1.7).

use crate::finding::Confidence;
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::{Labels, ObjectId, PeerAuthentication, Proxy};
use std::collections::BTreeMap;

/// Reports each such policy. In the root namespace a selector makes a policy apply to nothing, gateway or not: MC0101.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    let mut by_selector: BTreeMap<&Labels, ObjectId> = BTreeMap::new();
    for gateway in mesh.gateways.iter().filter(|gateway| !gateway.gateway_api && !gateway.selector.is_empty()) {
        by_selector.entry(&gateway.selector).or_insert(gateway.meta.id);
    }
    for policy in &mesh.policies {
        if policy.selector.is_empty() || policy.meta.namespace == mesh.root {
            continue;
        }
        let selected: Vec<_> = mesh
            .select(&policy.meta.namespace, &policy.selector)
            .filter_map(|number| mesh.workloads.get(number as usize))
            .collect();
        let mut gateways = selected.iter().filter(|workload| workload.proxy == Proxy::Gateway);
        let Some(first) = gateways.next() else {
            let gateway = by_selector.get(&policy.selector).filter(|_| selected.is_empty());
            if let Some(gateway) = gateway {
                by_gateway(lint, out, policy, *gateway);
            }
            continue;
        };
        let whom = match gateways.count() {
            0 => format!("the gateway {}", first.meta.slash()),
            more => format!("{} gateways ({}, ...)", more + 1, first.meta.slash()),
        };
        let finding = report(out, policy, &format!("selects {whom}"));
        finding.confidence = if selected.iter().all(|workload| workload.proxy == Proxy::Gateway) {
            Confidence::High
        } else {
            // The policy has a use for the other workloads.
            Confidence::Medium
        };
        finding.related.push(related(mesh, first.meta.id, &Path::default(), "the gateway"));
    }
}

/// No workload of the input is selected, and a Gateway has the very same selector.
fn by_gateway(lint: &Lint<'_>, out: &mut Out<'_>, policy: &PeerAuthentication, gateway: ObjectId) {
    let finding = report(out, policy, "has the selector of a Gateway");
    finding.confidence = Confidence::Low;
    finding.related.push(related(lint.mesh, gateway, &Path::new("spec.selector"), "the Gateway"));
}

fn report<'o>(out: &'o mut Out<'_>, policy: &PeerAuthentication, what: &str) -> &'o mut crate::finding::Finding {
    out.add(
        policy.meta.id,
        Path::new("spec.selector"),
        format!("the policy {what}: no PeerAuthentication is read for a gateway's servers, their mode is servers[].tls.mode of the Gateway"),
        "set tls.mode in the Gateway (MUTUAL to demand client certificates, ISTIO_MUTUAL for those of the mesh), and remove this policy or leave gateways out of its selector",
    )
}

#[cfg(test)]
mod tests {
    use crate::lint::authorization::tests::{authentication, found};

    fn deployment(name: &str, container: &str, annotations: &str) -> String {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: edge}}\nspec: {{template: {{metadata: {{labels: {{app: x, kind: {name}}}, annotations: {{{annotations}}}}}, spec: {{containers: [{{name: {container}, image: a}}]}}}}}}\n---\n"
        )
    }

    #[test]
    fn policies_that_select_gateways() {
        let gateway = deployment("gw", "istio-proxy", "inject.istio.io/templates: gateway");
        let application = deployment("web", "web", "");
        let object = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: other}\nspec: {selector: {kind: gw}}\n---\n";
        let on = |namespace: &str, selector: &str| {
            authentication(namespace, &format!("{{selector: {{matchLabels: {{{selector}}}}}, mtls: {{mode: STRICT}}}}"))
        };
        for (text, want) in [
            (format!("{gateway}{}", on("edge", "kind: gw")), Some("high")),
            (format!("{gateway}{application}{}", on("edge", "app: x")), Some("medium")),
            (format!("{gateway}{application}{}", on("edge", "kind: web")), None),
            (format!("{gateway}{}", on("istio-system", "kind: gw")), None),
            (format!("{gateway}{}", authentication("edge", "{mtls: {mode: STRICT}}")), None),
            (format!("{object}{}", on("edge", "kind: gw")), Some("low")),
            (format!("{object}{}", on("edge", "kind: other")), None),
        ] {
            let want: Vec<String> = want.iter().map(|sure| format!("spec.selector warning {sure}")).collect();
            assert_eq!(found("MC0502", &text), want, "{text}");
        }
    }
}
