//! MC0307: the kubelet's probes of a STRICT port that injection does not rewrite.
//!
//! Injection points HTTP and gRPC probes at the agent, which asks the application from inside the pod
//! (`pkg/kube/inject/app_probe.go`); with that off, the kubelet sends plaintext to the port itself. A TCP probe only
//! opens a connection, which the sidecar accepts, and a port that the sidecar does not capture is reached as it is: both
//! still succeed.

use crate::lint::pods::{Container, Firsts, Pod, confidence, enforced, exception, policy_place};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::{Proxy, Workload};
use crate::yaml::{self, Node};

const REWRITE: &str = "sidecar.istio.io/rewriteAppHTTPProbers";
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// A probe that the kubelet makes itself.
struct Probe {
    name: &'static str,
    what: &'static str,
    path: Path,
    port: u16,
}

/// Reports each workload whose probes are refused.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let by_default = rewrites(lint);
    let mut firsts = Firsts::default();
    for (number, workload) in (0..).zip(&lint.mesh.workloads) {
        if workload.proxy != Proxy::Sidecar {
            continue;
        }
        let rewritten = workload.annotations.get(REWRITE).and_then(parse_bool).unwrap_or(by_default);
        let Some(pod) = Pod::of(lint, workload).filter(|_| !rewritten) else { continue };
        let probes: Vec<Probe> = pod.containers().iter().flat_map(|c| probes(c, workload)).collect();
        let mut refused = probes.iter().filter_map(|p| Some((p, enforced(lint, number, p.port)?)));
        let Some((probe, from)) = refused.next() else { continue };
        let more = refused.count();
        if !firsts.is_first(workload) {
            continue;
        }
        let others = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let why = if workload.annotations.get(REWRITE).and_then(parse_bool).is_some() {
            format!("{REWRITE} is false")
        } else {
            "the injector's rewriteAppHTTPProbe is false".to_owned()
        };
        let message = format!(
            "the {}'s {} request{others} to port {} of {} is plaintext from the kubelet ({why}), and STRICT refuses it: the pod never becomes ready or is restarted",
            probe.name,
            probe.what,
            probe.port,
            workload.meta.slash()
        );
        let help =
            format!("remove {REWRITE} or set it to \"true\"; or {}", exception(lint.mesh, workload, probe.port, None));
        let finding = out.add(workload.meta.id, probe.path.clone(), message, help);
        finding.confidence = confidence(workload);
        finding.related.extend(policy_place(lint.mesh, from));
    }
}

/// Go's `strconv.ParseBool`, which the annotation is read with; any other word is as if it were not there.
fn parse_bool(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Whether the injector rewrites probes: `sidecarInjectorWebhook.rewriteAppHTTPProbe`, true unless its values say
/// otherwise.
fn rewrites(lint: &Lint<'_>) -> bool {
    let injectors = lint.objects("ConfigMap").filter(|(id, _)| {
        let object = lint.mesh.objects.get(id.0 as usize);
        object.is_some_and(|object| object.name.starts_with("istio-sidecar-injector"))
    });
    let off = |root: Node<'_>| {
        let text = root.get("data")?.get("values")?.as_str()?;
        yaml::parse_text(text)?.root().find("sidecarInjectorWebhook.rewriteAppHTTPProbe")?.as_bool()
    };
    !injectors.map(|(_, root)| off(root)).any(|value| value == Some(false))
}

/// The probes of a container that send something to a port of the pod.
fn probes(container: &Container<'_>, workload: &Workload) -> Vec<Probe> {
    let mut found = Vec::new();
    for name in PROBES {
        let Some(probe) = container.node.get(name) else { continue };
        for (key, what) in [("httpGet", "HTTP"), ("grpc", "gRPC")] {
            let Some(action) = probe.get(key) else { continue };
            // Another host is not this pod.
            if action.get("host").and_then(Node::as_str).is_some_and(|host| !host.is_empty()) {
                continue;
            }
            let path = container.path.key(name).key(key).key("port");
            if let Some(port) = action.get("port").and_then(|port| number(port, container, workload)) {
                found.push(Probe { name, what, path, port });
            }
        }
    }
    found
}

/// A port by number, or by the name that the container gives it.
fn number(port: Node<'_>, container: &Container<'_>, workload: &Workload) -> Option<u16> {
    if let Some(number) = port.as_i64() {
        return u16::try_from(number).ok();
    }
    let name = port.as_str()?;
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let mut own = container.node.get("ports").into_iter().flat_map(Node::items);
    let own = own.find(|port| port.get("name").and_then(Node::as_str) == Some(name));
    let own = own.and_then(|port| u16::try_from(port.get("containerPort")?.as_i64()?).ok());
    own.or_else(|| workload.named_ports.iter().find(|(known, _)| **known == *name).map(|(_, number)| *number))
}

#[cfg(test)]
mod tests {
    use crate::lint::pods::tests::{STRICT, found};

    #[test]
    fn only_requests_that_are_not_rewritten_are_refused() {
        let off = "sidecar.istio.io/rewriteAppHTTPProbers: \"false\"";
        let http = "ports: [{name: web, containerPort: 8080}], livenessProbe: {httpGet: {port: web, path: /}}";
        let status = "livenessProbe: {httpGet: {port: 15021}}";
        let excluded =
            "sidecar.istio.io/rewriteAppHTTPProbers: \"false\", traffic.sidecar.istio.io/excludeInboundPorts: \"8080\"";
        for (annotations, container, count) in [
            (off, http, 1),
            ("", http, 0),
            (off, "readinessProbe: {grpc: {port: 8080}}", 1),
            (off, "readinessProbe: {tcpSocket: {port: 8080}}", 0),
            (off, "readinessProbe: {exec: {command: [a]}}", 0),
            (off, "readinessProbe: {httpGet: {port: 8080, host: example.com}}", 0),
            (off, status, 0),
            (excluded, http, 0),
            (off, "livenessProbe: {httpGet: {port: 1}}, readinessProbe: {httpGet: {port: 2}}", 1),
        ] {
            let text = format!(
                "{STRICT}apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec: {{template: {{metadata: {{annotations: {{{annotations}}}}}, spec: {{containers: [{{name: web, {container}}}]}}}}}}\n"
            );
            let found = found(&text, "MC0307");
            assert_eq!(found.len(), count, "{annotations} {container} {found:?}");
        }
    }

    #[test]
    fn the_injector_may_leave_all_probes_alone() {
        let text = format!(
            "{STRICT}apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio-sidecar-injector, namespace: istio-system}}\ndata: {{values: '{{\"sidecarInjectorWebhook\": {{\"rewriteAppHTTPProbe\": false}}}}'}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: shop}}\nspec: {{containers: [{{name: web, livenessProbe: {{httpGet: {{port: 8080}}}}}}]}}\n"
        );
        assert_eq!(found(&text, "MC0307").len(), 1);
    }
}
