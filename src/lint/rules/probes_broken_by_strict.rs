//! MC0307: the kubelet's probes of STRICT ports that injection does not rewrite, or cannot.
//!
//! Injection points probes at the agent, which asks the application from inside the pod (`pkg/kube/inject/app_probe.go`).
//! With that off, the kubelet itself comes to the port: STRICT refuses what it sends over HTTP and gRPC, and a TCP probe,
//! which only opens a connection, meets the sidecar and always succeeds. A name that the container gives to no port of
//! its own is found by neither (`DumpAppProbers`). A port that is excluded from capture is reached as it is, at the price
//! that STRICT is enforced there for nobody.

use crate::finding::{Confidence, Finding, Severity};
use crate::lint::pods::{Container, Firsts, Pod, confidence, enforced, exception, policy_place, strict_mode};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::{Proxy, Workload};
use crate::mtls::endpoints::{Bypass, STATUS_PORTS, bypass};
use crate::mtls::server::ModeFrom;
use crate::yaml::{self, Node};

const REWRITE: &str = "sidecar.istio.io/rewriteAppHTTPProbers";
const EXCLUDE: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// A probe that is made of a port of the pod.
struct Probe {
    name: &'static str,
    what: &'static str,
    path: Path,
    port: ProbePort,
}

/// The port that a probe says.
enum ProbePort {
    Number(u16),
    /// A name that its container has for no port.
    Foreign(String),
}

/// What is wrong with a probe, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Refused,
    Foreign,
    Blind,
    Excluded,
}

/// Reports each workload whose probes do not ask what they seem to ask: once, by the worst of them.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let by_default = rewrites(lint);
    let mut firsts = Firsts::default();
    for (number, workload) in (0..).zip(&lint.mesh.workloads) {
        if workload.proxy != Proxy::Sidecar {
            continue;
        }
        let rewritten = workload.annotations.get(REWRITE).and_then(parse_bool).unwrap_or(by_default);
        let Some(pod) = Pod::of(lint, workload) else { continue };
        let probes: Vec<Probe> = pod.containers().iter().flat_map(probes).collect();
        let mut wrong: Vec<(Wrong, &Probe, ModeFrom)> =
            probes.iter().filter_map(|p| judge(lint, (number, workload), p, rewritten)).collect();
        // The order of the manifest stays among equals.
        wrong.sort_by_key(|(wrong, ..)| *wrong);
        let Some((worst, probe, from)) = wrong.first() else { continue };
        if !firsts.is_first(workload) {
            continue;
        }
        let more = wrong.iter().filter(|(wrong, ..)| wrong == worst).count() - 1;
        let (message, help) = words(lint, workload, (*worst, probe), rewritten, more);
        let finding = out.add(workload.meta.id, probe.path.clone(), message, help);
        rate(finding, *worst, confidence(workload));
        finding.related.extend(policy_place(lint.mesh, *from));
    }
}

fn rate(finding: &mut Finding, wrong: Wrong, confidence: Confidence) {
    finding.confidence = confidence;
    match wrong {
        Wrong::Refused | Wrong::Foreign => {}
        Wrong::Blind => finding.severity = Severity::Warning,
        Wrong::Excluded => finding.severity = Severity::Info,
    }
}

/// What is wrong with a probe, and where STRICT is set.
fn judge<'p>(
    lint: &Lint<'_>,
    (number, workload): (u32, &Workload),
    probe: &'p Probe,
    rewritten: bool,
) -> Option<(Wrong, &'p Probe, ModeFrom)> {
    let port = match &probe.port {
        ProbePort::Number(port) => *port,
        ProbePort::Foreign(_) => return Some((Wrong::Foreign, probe, enforced(lint, number, 0)?)),
    };
    if matches!(bypass(workload, port), Ok(Some(Bypass::Excluded))) && !STATUS_PORTS.contains(&port) {
        return Some((Wrong::Excluded, probe, strict_mode(lint, number, port)?));
    }
    let from = enforced(lint, number, port).filter(|_| !rewritten)?;
    Some((if probe.what == "TCP" { Wrong::Blind } else { Wrong::Refused }, probe, from))
}

/// Message and repair. `more`: how many other probes of the workload have the same wrong.
fn words(
    lint: &Lint<'_>,
    workload: &Workload,
    (wrong, probe): (Wrong, &Probe),
    rewritten: bool,
    more: usize,
) -> (String, String) {
    let name = workload.meta.slash();
    let others = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    let by_annotation = workload.annotations.get(REWRITE).and_then(parse_bool).is_some();
    let why = match by_annotation {
        true => format!("{REWRITE} is false"),
        false => "the injector's rewriteAppHTTPProbe is false".to_owned(),
    };
    let rewrite = format!("remove {REWRITE} or set it to \"true\"");
    let Probe { name: which, what, port, .. } = probe;
    let port = match port {
        ProbePort::Number(port) => *port,
        ProbePort::Foreign(port) => {
            let message = format!(
                "the {which}{others} of {name} names port {port:?}, which its container does not have: neither injection, which would rewrite the probe, nor the kubelet finds it, and the pod never becomes ready or is restarted"
            );
            return (message, "write the number of the port, or name it in the ports of the same container".to_owned());
        }
    };
    match wrong {
        Wrong::Blind => (
            format!(
                "the {which}'s TCP connection{others} to port {port} of {name} is accepted by the sidecar, whatever the application does ({why}): under STRICT the probe never fails, and says nothing"
            ),
            format!("{rewrite}: the agent then connects to the application"),
        ),
        Wrong::Excluded => (
            format!(
                "the {which}'s {what} probe{others} of port {port} of {name} passes by the sidecar, because {EXCLUDE} lists the port: STRICT is enforced there for nobody, and probes do not need it"
            ),
            match rewritten {
                true => format!("remove {port} from {EXCLUDE}: injection rewrites the probe"),
                false => format!("remove {port} from {EXCLUDE}, and {rewrite}"),
            },
        ),
        Wrong::Refused | Wrong::Foreign => (
            format!(
                "the {which}'s {what} request{others} to port {port} of {name} is plaintext from the kubelet ({why}), and STRICT refuses it: the pod never becomes ready or is restarted"
            ),
            format!("{rewrite}; or {}", exception(lint.mesh, workload, port, None)),
        ),
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
    // OpenShift Service Mesh has a default of its own, by version (istio-mtls.md 8.5).
    if let Some(written) = lint.mesh.control.as_ref().and_then(crate::model::Control::rewrites_probes) {
        return written;
    }
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

/// The probes of a container that come to a port of the pod.
fn probes(container: &Container<'_>) -> Vec<Probe> {
    let mut found = Vec::new();
    for name in PROBES {
        let Some(probe) = container.node.get(name) else { continue };
        for (key, what) in [("httpGet", "HTTP"), ("grpc", "gRPC"), ("tcpSocket", "TCP")] {
            let Some(action) = probe.get(key) else { continue };
            // Another host is not this pod.
            if action.get("host").and_then(Node::as_str).is_some_and(|host| !host.is_empty()) {
                continue;
            }
            let path = container.path.key(name).key(key).key("port");
            if let Some(port) = action.get("port").and_then(|port| number(port, container)) {
                found.push(Probe { name, what, path, port });
            }
        }
    }
    found
}

/// A port by number, or by the name that the container gives it: both the kubelet and injection look at no other.
fn number(port: Node<'_>, container: &Container<'_>) -> Option<ProbePort> {
    if let Some(number) = port.as_i64() {
        return u16::try_from(number).ok().map(ProbePort::Number);
    }
    let name = port.as_str()?;
    if let Ok(number) = name.parse() {
        return Some(ProbePort::Number(number));
    }
    let mut own = container.node.get("ports").into_iter().flat_map(Node::items);
    match own.find(|port| port.get("name").and_then(Node::as_str) == Some(name)) {
        Some(port) => u16::try_from(port.get("containerPort")?.as_i64()?).ok().map(ProbePort::Number),
        None => Some(ProbePort::Foreign(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::pods::tests::{STRICT, findings, found};

    #[test]
    fn probes_that_are_not_rewritten_are_refused_or_blind() {
        use crate::finding::Severity::{self, Error, Info, Warning};
        let off = "sidecar.istio.io/rewriteAppHTTPProbers: \"false\"";
        let http = "ports: [{name: web, containerPort: 8080}], livenessProbe: {httpGet: {port: web, path: /}}";
        let status = "livenessProbe: {httpGet: {port: 15021}}";
        let exclude = "traffic.sidecar.istio.io/excludeInboundPorts: \"8080\"";
        let excluded = &*format!("{off}, {exclude}");
        let tcp = "readinessProbe: {tcpSocket: {port: 8080}}";
        let rows: &[(&str, &str, Option<Severity>)] = &[
            (off, http, Some(Error)),
            ("", http, None),
            (off, "readinessProbe: {grpc: {port: 8080}}", Some(Error)),
            (off, tcp, Some(Warning)),
            ("", tcp, None),
            (off, "readinessProbe: {tcpSocket: {port: 1}}, livenessProbe: {httpGet: {port: 2}}", Some(Error)),
            (off, "readinessProbe: {exec: {command: [a]}}", None),
            (off, "readinessProbe: {httpGet: {port: 8080, host: example.com}}", None),
            (off, status, None),
            (excluded, http, Some(Info)),
            (exclude, http, Some(Info)),
            (exclude, "readinessProbe: {httpGet: {port: 9090}}", None),
            (off, "livenessProbe: {httpGet: {port: 1}}, readinessProbe: {httpGet: {port: 2}}", Some(Error)),
            // The name is another container's, or nobody's.
            ("", "livenessProbe: {httpGet: {port: other}}", Some(Error)),
            ("", "ports: [{name: web, containerPort: 8080}], readinessProbe: {tcpSocket: {port: grpc}}", Some(Error)),
        ];
        for (annotations, container, want) in rows {
            let text = format!(
                "{STRICT}apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec: {{template: {{metadata: {{annotations: {{{annotations}}}}}, spec: {{containers: [{{name: web, {container}}}, {{name: b, ports: [{{name: other, containerPort: 7070}}]}}]}}}}}}\n"
            );
            let all = findings(&text);
            let found: Vec<Severity> =
                all.iter().filter(|one| one.code.code == "MC0307").map(|one| one.severity).collect();
            assert_eq!(found, want.iter().copied().collect::<Vec<_>>(), "{annotations} {container}");
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
