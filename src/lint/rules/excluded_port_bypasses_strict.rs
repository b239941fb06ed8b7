//! MC0304: a port of a STRICT workload that its sidecar does not capture (istio-mtls.md 1.5, B1).

use super::webhook_behind_strict::only_for_api_server;
use crate::finding::{Confidence, EXCLUDED_PORT_BYPASSES_STRICT, Severity};
use crate::lint::cause::Cause;
use crate::lint::pods::{self, Pod, policy_place, strict_mode};
use crate::lint::reach::port_words;
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::service::TargetPort;
use crate::model::{Proxy, Workload};
use crate::mtls::check::Cell;
use crate::mtls::endpoints::{Endpoint, STATUS_PORTS, Who};
use crate::mtls::outcome::Wire;
use crate::mtls::server::ModeFrom;
use crate::yaml::Node;
use std::collections::BTreeSet;

const EXCLUDE: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
const INCLUDE: &str = "traffic.sidecar.istio.io/includeInboundPorts";

/// The most ports of one annotation that are looked at.
const MANY: usize = 64;

/// Reports each annotation that takes a STRICT port away from its sidecar, or whose port callers cannot speak to.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    // A webhook's port is taken from the sidecar for the API server, which has none (MC0310): no defect by itself.
    let for_api = only_for_api_server(lint);
    for (number, workload) in (0..).zip(&lint.mesh.workloads) {
        for key in [EXCLUDE, INCLUDE] {
            let Some(list) = workload.annotations.get(key) else { continue };
            let path = Path::new(workload.path).key("annotations").key(key);
            let mut causes = lint.causes_of(&EXCLUDED_PORT_BYPASSES_STRICT);
            let cause = causes.find(|cause| cause.object == workload.meta.id && cause.path == path);
            let mut open = if key == EXCLUDE { open_ports(lint, number, workload, list) } else { Vec::new() };
            let kept = open.len();
            open.retain(|(port, _)| !for_api.contains(&(number, *port)));
            let webhook = open.is_empty() && kept > 0;
            match cause {
                Some(cause) if webhook && cause.servers(lint.matrix).is_subset(&for_api) => {
                    report_webhook(lint, out, workload, (key, path), cause);
                }
                None if open.is_empty() => {}
                _ => report(lint, out, (number, workload), (key, path), &open, cause),
            }
        }
    }
}

/// Reports what callers other than the API server would meet: rows of the matrix, of which nothing says that anyone
/// makes them.
fn report_webhook(lint: &Lint<'_>, out: &mut Out<'_>, workload: &Workload, (key, path): (&str, Path), cause: &Cause) {
    let ports: BTreeSet<u16> = cause.servers(lint.matrix).into_iter().map(|(_, port)| port).collect();
    let ports: Vec<u16> = ports.into_iter().collect();
    let message = format!(
        "{} of {}, which the API server calls, bypasses the sidecar: that lets the API server in, but callers with a sidecar would be told to send mutual TLS there, and fail",
        port_words(&ports),
        workload.meta.slash()
    );
    let help = format!(
        "if only the API server calls it, nothing; else a PeerAuthentication with a selector and portLevelMtls PERMISSIVE for it, instead of {key}, lets in both"
    );
    let finding = out.add(workload.meta.id, path, message, help);
    (finding.severity, finding.confidence) = (Severity::Info, Confidence::Low);
}

/// The excluded ports for which the policies say STRICT, and where.
fn open_ports(lint: &Lint<'_>, number: u32, workload: &Workload, list: &str) -> Vec<(u16, ModeFrom)> {
    if workload.proxy != Proxy::Sidecar {
        return Vec::new();
    }
    let status: Option<u16> =
        workload.annotations.get("status.sidecar.istio.io/port").and_then(|text| text.parse().ok());
    let words = list.split(',').map(str::trim).take(MANY);
    let ports =
        words.filter_map(|word| if word == "*" { Some(0) } else { word.parse::<u16>().ok().filter(|n| *n != 0) });
    let mut found: Vec<(u16, ModeFrom)> = ports
        .filter(|port| !STATUS_PORTS.contains(port) && status != Some(*port))
        .filter_map(|port| Some((port, strict_mode(lint, number, port)?)))
        .collect();
    found.sort_unstable_by_key(|(port, _)| *port);
    found.dedup_by_key(|(port, _)| *port);
    found
}

fn report(
    lint: &Lint<'_>,
    out: &mut Out<'_>,
    (number, workload): (u32, &Workload),
    (key, path): (&str, Path),
    open: &[(u16, ModeFrom)],
    cause: Option<&Cause>,
) {
    let name = workload.meta.slash();
    let ports: Vec<String> = open.iter().map(|(port, _)| port.to_string()).collect();
    let which = match open {
        [(0, _), ..] => "every port".to_owned(),
        [_] => format!("port {}", ports.join("")),
        _ => format!("ports {}", ports.join(", ")),
    };
    // A rule, another setting, or that no Service leads there: nobody is told to send mutual TLS to a port that has none.
    let told = cause.is_some() || open.iter().any(|(port, _)| is_told_mutual_tls(lint, number, *port));
    // That it could not call itself says nothing of its callers.
    let fails = cause.filter(|cause| !cause.only_itself(lint.matrix)).map(|cause| cause.summary(lint.matrix));
    let mut message = match (open.is_empty(), key) {
        (false, _) if !told => format!(
            "{which} of {name} bypasses its sidecar: STRICT is not enforced there, anyone may connect in plaintext"
        ),
        (false, _) => format!(
            "{which} of {name} bypasses its sidecar: STRICT is not enforced, anyone may connect in plaintext, and callers with a sidecar are still told to send mutual TLS"
        ),
        (true, INCLUDE) => format!(
            "{INCLUDE} leaves out a port of {name} that is called: it bypasses the sidecar, and callers with a sidecar are still told to send mutual TLS"
        ),
        (true, _) => format!(
            "an excluded port of {name} bypasses its sidecar, and callers with a sidecar are still told to send mutual TLS"
        ),
    };
    if let Some(fails) = &fails {
        message = format!("{message}; {fails}");
    }
    let list =
        if open.is_empty() || open.iter().any(|(port, _)| *port == 0) { "the port".to_owned() } else { which.clone() };
    let verb = if key == EXCLUDE { "remove" } else { "add" };
    let reason = if told { "makes callers send plaintext" } else { "says what is" };
    let help = format!(
        "{verb} {list} {} {key}; or, if it must stay open, say so: a PeerAuthentication with a selector and portLevelMtls DISABLE for it {reason}",
        if key == EXCLUDE { "from" } else { "to" }
    );
    let known = cause.is_some() || open.iter().any(|(port, _)| *port == 0 || is_served(lint, workload, *port));
    let finding = out.add(workload.meta.id, path, message, help);
    finding.confidence = pods::confidence(workload).max(if known { Confidence::High } else { Confidence::Medium });
    if !told {
        finding.severity = Severity::Warning;
    }
    // Where rows fail, the place of the policy is added with them.
    if cause.is_none() {
        finding.related.extend(open.first().and_then(|(_, from)| policy_place(lint.mesh, *from)));
    }
}

/// Whether any row of the matrix has mutual TLS sent to a port of a workload; port 0: to any.
fn is_told_mutual_tls(lint: &Lint<'_>, number: u32, port: u16) -> bool {
    lint.matrix.services.iter().any(|rows| {
        let at =
            |endpoint: &Endpoint<'_>| endpoint.who == Who::Workload(number) && (port == 0 || endpoint.port == port);
        rows.endpoints.iter().flatten().any(at)
            && rows.rows.iter().any(|row| {
                let endpoints = rows.endpoints.get(row.port as usize);
                let of = |cell: &Cell| endpoints?.get(cell.endpoint? as usize);
                row.cells.iter().any(|cell| cell.wire == Some(Wire::Mtls) && of(cell).is_some_and(at))
            })
    })
}

/// Whether a container declares a port, or a Service of the namespace leads to it.
fn is_served(lint: &Lint<'_>, workload: &Workload, port: u16) -> bool {
    let declared = Pod::of(lint, workload).is_some_and(|pod| {
        let containers = pod.containers();
        let mut ports = containers.iter().flat_map(|c| c.node.get("ports").into_iter().flat_map(Node::items));
        ports.any(|p| p.get("containerPort").and_then(Node::as_i64) == Some(i64::from(port)))
    });
    declared
        || lint.mesh.services.iter().any(|service| {
            service.meta.namespace == workload.meta.namespace
                && service.selector.as_ref().is_some_and(|selector| selector.subset_of(&workload.labels))
                && service.ports.iter().any(|p| p.target == TargetPort::Number(port))
        })
}

#[cfg(test)]
mod tests {
    use crate::finding::{Confidence, Finding, Severity};
    use crate::lint::pods::tests::{STRICT, findings, found};

    #[test]
    fn excluded_ports_that_are_strict_are_reported_once() {
        let mesh = |annotations: &str, policy: &str| {
            format!(
                "{STRICT}apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec: {{selector: {{app: web}}, ports: [{{name: http, port: 8080}}]}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: web}}, annotations: {{{annotations}}}}}, spec: {{containers: [{{name: web}}]}}}}}}\n{policy}"
            )
        };
        let exception = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: web, namespace: shop}\nspec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {9000: {mode: DISABLE}}}\n";
        let exclude = "traffic.sidecar.istio.io/excludeInboundPorts";
        for (annotations, policy, count) in [
            (format!("{exclude}: \"9000\""), "", 1),
            (format!("{exclude}: \"8080\""), "", 1),
            (format!("{exclude}: \"8080, 9000\""), "", 1),
            (format!("{exclude}: \"*\""), "", 1),
            (format!("{exclude}: \"9000\""), exception, 0),
            (format!("{exclude}: \"15020\""), "", 0),
            (format!("{exclude}: \"\""), "", 0),
            (format!("{exclude}: \"0\""), "", 0),
            ("traffic.sidecar.istio.io/includeInboundPorts: \"9000\"".to_owned(), "", 1),
            ("traffic.sidecar.istio.io/includeInboundPorts: \"8080\"".to_owned(), "", 0),
        ] {
            let found = found(&mesh(&annotations, policy), "MC0304");
            assert_eq!(found.len(), count, "{annotations} {found:?}");
        }
    }

    /// The one finding on a server whose port 9443 is excluded.
    fn excluded(more: &str) -> Option<Finding> {
        let text = format!(
            "{STRICT}apiVersion: v1\nkind: Service\nmetadata: {{name: hook, namespace: shop}}\nspec: {{selector: {{app: hook}}, ports: [{{name: https, port: 443, targetPort: 9443}}]}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: hook, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: hook}}, annotations: {{traffic.sidecar.istio.io/excludeInboundPorts: \"9443\"}}}}, spec: {{containers: [{{name: hook}}]}}}}}}\n{more}"
        );
        let mut all: Vec<Finding> = findings(&text).into_iter().filter(|one| one.code.code == "MC0304").collect();
        assert!(all.len() < 2, "{all:?}");
        all.pop()
    }

    #[test]
    fn what_callers_are_told_is_said_only_where_they_are() {
        let rule = |number: u16| {
            format!(
                "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: hook, namespace: shop}}\nspec: {{host: hook, trafficPolicy: {{portLevelSettings: [{{port: {{number: {number}}}, tls: {{mode: DISABLE}}}}]}}}}\n"
            )
        };
        for (more, told) in [(String::new(), true), (rule(443), false), (rule(444), true)] {
            let one = excluded(&more).unwrap();
            assert_eq!(one.message.contains("told to send mutual TLS"), told, "{more}: {}", one.message);
            assert_eq!(one.severity, if told { Severity::Error } else { Severity::Warning }, "{more}");
            assert_eq!(one.edges.is_empty(), !told, "{more}");
        }
        // No Service leads to the port.
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {template: {metadata: {annotations: {traffic.sidecar.istio.io/excludeInboundPorts: \"9000\"}}, spec: {containers: [{name: web}]}}}\n";
        let all = findings(&format!("{STRICT}{text}"));
        let one = all.iter().find(|one| one.code.code == "MC0304").unwrap();
        assert_eq!(one.severity, Severity::Warning, "{}", one.message);
    }

    const HOOK: &str = "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: hook}\nwebhooks: [{name: a.b.c, clientConfig: {service: {namespace: shop, name: hook}}}]\n";

    #[test]
    fn a_port_of_a_webhook_only_is_no_mistake() {
        let other = "---\napiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: shop}\nspec: {selector: {app: hook}, ports: [{name: https, port: 8443, targetPort: 9443}]}\n";
        for (more, severity, confidence) in [
            (String::new(), Severity::Error, Confidence::High),
            (HOOK.to_owned(), Severity::Info, Confidence::Low),
            // Another Service offers the port to everyone.
            (format!("{HOOK}{other}"), Severity::Error, Confidence::High),
        ] {
            let one = excluded(&more).unwrap();
            assert_eq!((one.severity, one.confidence), (severity, confidence), "{}", one.message);
            // The rows that fail are explained by it either way.
            assert!(!one.edges.is_empty());
        }
    }

    #[test]
    fn the_server_is_the_last_of_its_clients_to_be_named() {
        let client = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shopper, namespace: shop}\nspec: {template: {metadata: {labels: {app: shopper}}, spec: {containers: [{name: a}]}}}\n";
        let alone = excluded("").unwrap();
        assert!(!alone.message.contains("calls of"), "{}", alone.message);
        let called = excluded(client).unwrap();
        assert!(called.message.contains("calls of 2 clients (shop/shopper, ...)"), "{}", called.message);
    }
}
