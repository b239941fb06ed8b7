//! MC0310: a webhook or an aggregated API behind a STRICT port: the API server has no sidecar and is refused (F1).

use crate::lint::pods::{behind, confidence, enforced, exception, policy_place};
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::service::Origin;
use crate::model::{Host, ObjectId, Service};
use crate::mtls::endpoints::Who;
use crate::yaml::Node;
use std::collections::BTreeSet;

/// The port that the API server calls where none is written.
const DEFAULT_PORT: u16 = 443;

/// A service that the API server calls.
struct Call {
    object: ObjectId,
    path: Path,
    namespace: String,
    name: String,
    port: u16,
}

/// Reports each Service port that the API server calls and is refused at, once, with every object that names it.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let calls = calls(lint);
    let same = |a: &Call, b: &Call| (&a.namespace, &a.name, a.port) == (&b.namespace, &b.name, b.port);
    for (at, call) in calls.iter().enumerate() {
        let earlier = calls.get(..at).unwrap_or_default();
        if earlier.iter().any(|other| same(other, call)) {
            continue;
        }
        let host = Host::of_service(&call.name, &call.namespace, &lint.mesh.options.cluster_domain);
        let numbers = lint.mesh.index.hosts.get(&host).map_or(&[][..], Vec::as_slice);
        let services = numbers.iter().filter_map(|n| Some((*n, lint.mesh.services.get(*n as usize)?)));
        let Some((number, service)) = services.into_iter().find(|(_, s)| s.origin == Origin::Kubernetes) else {
            continue;
        };
        let others = calls.iter().skip(at + 1).filter(|other| same(other, call));
        report(lint, out, call, (number, service), others);
    }
}

/// The workload ports (by number of the workload) that the API server calls and no Service offers to anyone else: of
/// every Service port that leads there a webhook or the like is told to call it.
pub(super) fn only_for_api_server(lint: &Lint<'_>) -> BTreeSet<(u32, u16)> {
    let calls = calls(lint);
    if calls.is_empty() {
        return BTreeSet::new();
    }
    let domain = &lint.mesh.options.cluster_domain;
    let called: BTreeSet<(Host, u16)> =
        calls.iter().map(|call| (Host::of_service(&call.name, &call.namespace, domain), call.port)).collect();
    let (mut by_server, mut by_others) = (BTreeSet::new(), BTreeSet::new());
    for rows in &lint.matrix.services {
        let Some(service) = lint.mesh.services.get(rows.service as usize) else { continue };
        for (port, endpoints) in service.ports.iter().zip(&rows.endpoints) {
            let is_called =
                service.origin == Origin::Kubernetes && called.contains(&(service.host.clone(), port.number));
            let ports = if is_called { &mut by_server } else { &mut by_others };
            ports.extend(endpoints.iter().filter_map(|endpoint| match endpoint.who {
                Who::Workload(number) => Some((number, endpoint.port)),
                _ => None,
            }));
        }
    }
    by_server.retain(|port| !by_others.contains(port));
    by_server
}

fn report<'a>(
    lint: &Lint<'_>,
    out: &mut Out<'_>,
    call: &Call,
    (number, service): (u32, &Service),
    others: impl Iterator<Item = &'a Call>,
) {
    let Some(at) = service.ports.iter().position(|port| port.number == call.port) else { return };
    let behind = behind(lint, number, at);
    let refused = behind.iter().find_map(|(workload, port)| {
        Some((lint.mesh.workloads.get(*workload as usize)?, *port, enforced(lint, *workload, *port)?))
    });
    let Some((workload, port, from)) = refused else { return };
    let kind = lint.mesh.object_ref(call.object).map_or_else(String::new, |object| object.kind.to_string());
    let what = match kind.as_str() {
        "APIService" => "the API behind it is unavailable",
        "CustomResourceDefinition" => "objects of the kind can no longer be converted",
        _ => "the webhook is never reached",
    };
    let message = format!(
        "the API server calls {}:{}, which leads to port {port} of {}: STRICT refuses it (F1), because the API server has no sidecar: {what}",
        service.host,
        call.port,
        workload.meta.slash()
    );
    let help = exception(lint.mesh, workload, port, service.selector.as_ref());
    let finding = out.add(call.object, call.path.clone(), message, help);
    finding.confidence = confidence(workload);
    finding.related.extend(policy_place(lint.mesh, from));
    finding.related.extend(others.map(|other| related(lint.mesh, other.object, &other.path, "calls it too")));
}

/// Every service that the API server is told to call.
fn calls(lint: &Lint<'_>) -> Vec<Call> {
    let mut found = Vec::new();
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        for (object, root) in lint.objects(kind) {
            for (at, webhook) in root.get("webhooks").into_iter().flat_map(Node::items).enumerate() {
                let path = Path::new("webhooks").index(at).key("clientConfig").key("service");
                found.extend(call(object, webhook.find("clientConfig.service"), path));
            }
        }
    }
    for (object, root) in lint.objects("APIService") {
        found.extend(call(object, root.find("spec.service"), Path::new("spec.service")));
    }
    for (object, root) in lint.objects("CustomResourceDefinition") {
        let conversion = root.find("spec.conversion");
        let strategy = conversion.and_then(|c| c.get("strategy")).and_then(Node::as_str);
        // v1, then v1beta1.
        for place in ["webhook.clientConfig.service", "webhookClientConfig.service"] {
            let node = conversion.filter(|_| strategy == Some("Webhook")).and_then(|c| c.find(place));
            found.extend(call(object, node, Path::new(format!("spec.conversion.{place}"))));
        }
    }
    found
}

fn call(object: ObjectId, node: Option<Node<'_>>, path: Path) -> Option<Call> {
    let node = node?;
    let word = |key: &str| Some(node.get(key)?.text()?.into_owned());
    let port = match node.get("port").filter(|port| !port.is_null()) {
        Some(port) => u16::try_from(port.as_i64()?).ok()?,
        None => DEFAULT_PORT,
    };
    Some(Call { object, path, namespace: word("namespace")?, name: word("name")?, port })
}

#[cfg(test)]
mod tests {
    use crate::lint::pods::tests::{STRICT, findings};

    const SERVER: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: hook, namespace: shop}\nspec: {selector: {app: hook}, ports: [{name: https, port: 443, targetPort: tls}, {name: x, port: 8443, targetPort: 9000}]}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: hook, namespace: shop}\nspec: {template: {metadata: {labels: {app: hook}ANNOTATIONS}, spec: {containers: [{name: hook, ports: [{name: tls, containerPort: 9443}]}]}}}\n---\n";

    fn mesh(annotations: &str, more: &str) -> Vec<crate::finding::Finding> {
        let text = format!("{STRICT}{}{more}", SERVER.replace("ANNOTATIONS", annotations));
        findings(&text).into_iter().filter(|finding| finding.code.code == "MC0310").collect()
    }

    fn hook(kind: &str, service: &str) -> String {
        format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: {kind}\nmetadata: {{name: hook}}\nwebhooks: [{{name: a.b.c, clientConfig: {{{service}}}}}]\n"
        )
    }

    #[test]
    fn every_kind_of_call_is_followed_to_its_port() {
        let service = "service: {namespace: shop, name: hook}";
        let config = |service: &str| hook("ValidatingWebhookConfiguration", service);
        let crd = |conversion: &str| {
            format!(
                "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: a.b.c}}\nspec: {{conversion: {{{conversion}}}}}\n"
            )
        };
        let api = |service: &str| {
            format!(
                "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {{name: v1.a.b}}\nspec: {{{service}}}\n"
            )
        };
        for (object, count) in [
            (config(service), 1),
            (hook("MutatingWebhookConfiguration", service), 1),
            (config("service: {namespace: shop, name: hook, port: 8443}"), 1),
            (config("service: {namespace: shop, name: hook, port: 1}"), 0),
            (config("service: {namespace: shop, name: other}"), 0),
            (config("url: https://hook.shop.svc"), 0),
            (api(service), 1),
            (api("group: a.b"), 0),
            (crd(&format!("strategy: Webhook, webhook: {{clientConfig: {{{service}}}}}")), 1),
            (crd(&format!("strategy: Webhook, webhookClientConfig: {{{service}}}")), 1),
            (crd(&format!("strategy: None, webhook: {{clientConfig: {{{service}}}}}")), 0),
            (crd("strategy: None"), 0),
        ] {
            assert_eq!(mesh("", &object).len(), count, "{object}");
        }
    }

    #[test]
    fn a_port_that_is_open_or_not_captured_is_no_defect() {
        let config = hook("ValidatingWebhookConfiguration", "service: {namespace: shop, name: hook}");
        let exception = |port: u16| {
            format!(
                "{config}---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: hook, namespace: shop}}\nspec: {{selector: {{matchLabels: {{app: hook}}}}, mtls: {{mode: STRICT}}, portLevelMtls: {{{port}: {{mode: PERMISSIVE}}}}}}\n"
            )
        };
        assert!(mesh("", &exception(9443)).is_empty());
        // The Service's port is none of the workload's (A1).
        let found = mesh("", &exception(443));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].help, "add portLevelMtls 9443: {mode: PERMISSIVE} to PeerAuthentication shop/hook");
        let excluded = ", annotations: {traffic.sidecar.istio.io/excludeInboundPorts: \"9443\"}";
        assert!(mesh(excluded, &config).is_empty());
    }

    #[test]
    fn one_port_is_one_finding() {
        let service = "service: {namespace: shop, name: hook}";
        let both = format!(
            "{}---\n{}",
            hook("ValidatingWebhookConfiguration", service),
            hook("MutatingWebhookConfiguration", service)
        );
        let found = mesh("", &both);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].related.len(), 2);
    }
}
