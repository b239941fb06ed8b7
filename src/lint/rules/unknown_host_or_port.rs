//! MC0212: a host, port or subset of a rule that nothing in the input has (istio-mtls.md 2.2, 2.6).
//!
//! Quiet where the input may simply not hold it: a host counts as unknown only where the input has other Services of
//! its namespace, a subset only where it has workloads of the service.

use crate::finding::{Confidence, Severity};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::destination_rule::TrafficPolicy;
use crate::model::service::{Origin, TargetPort};
use crate::model::{DestinationRule, Service};
use crate::yaml::Node;

/// Reports what a rule names and nothing has.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for rule in lint.mesh.rules.iter().filter(|rule| rule.host.wildcard().is_none() && rule.made_from.is_none()) {
        let services = services(lint, rule);
        if services.is_empty() {
            host(lint, out, rule);
        } else if services.iter().all(|service| service.alias.is_none() && service.origin != Origin::Synthetic) {
            ports(lint, out, rule, &services);
            subsets(lint, out, rule, &services);
        }
    }
}

/// The services of a rule's host.
fn services<'m>(lint: &Lint<'m>, rule: &DestinationRule) -> Vec<&'m Service> {
    let numbers = lint.mesh.index.hosts.get(&rule.host).into_iter().flatten();
    numbers.filter_map(|n| lint.mesh.services.get(*n as usize)).collect()
}

/// A Service that the input does not have, in a namespace whose Services it has.
fn host(lint: &Lint<'_>, out: &mut Out<'_>, rule: &DestinationRule) {
    let mesh = lint.mesh;
    let Some(rest) = rule.host.as_str().strip_suffix(&format!(".svc.{}", mesh.options.cluster_domain)) else { return };
    let Some((name, namespace)) = rest.rsplit_once('.') else { return };
    let known = mesh.services.iter().any(|s| s.origin == Origin::Kubernetes && *s.meta.namespace == *namespace);
    // The API server's Service is in every cluster and in no repository.
    let builtin = (name, namespace) == ("kubernetes", "default");
    if !known || builtin || super::short_host_resolves_to_rule_namespace::wrong(lint, rule).is_some() {
        return;
    }
    let finding = out.add(
        rule.meta.id,
        Path::new("spec.host"),
        format!("no Service {namespace}/{name} is in the input, which has other Services of that namespace: the rule acts on nothing"),
        "correct host to that of a Service, or delete the rule",
    );
    finding.confidence = Confidence::Medium;
}

/// Ports that no Service of the host has.
fn ports(lint: &Lint<'_>, out: &mut Out<'_>, rule: &DestinationRule, services: &[&Service]) {
    let own = rule.policy.iter().map(|policy| (Path::new("spec.trafficPolicy"), policy));
    let of_subsets = rule.subsets.iter().enumerate().filter_map(|(at, subset)| {
        Some((Path::new("spec.subsets").index(at).key("trafficPolicy"), subset.policy.as_ref()?))
    });
    for (path, policy) in own.chain(of_subsets) {
        for (at, number) in unknown_ports(lint, policy, services) {
            let targets = services.iter().flat_map(|service| &service.ports);
            let target = targets.into_iter().find(|port| port.target == TargetPort::Number(number));
            let known: Vec<String> =
                services.iter().flat_map(|s| &s.ports).map(|port| port.number.to_string()).collect();
            let (message, help) = match target {
                Some(port) => (
                    format!(
                        "{number} is the port of the workload; portLevelSettings goes by the Service's, {}",
                        port.number
                    ),
                    format!("replace port number {number} by {}", port.number),
                ),
                None => (
                    format!("{} has no port {number}: the entry acts on nothing", rule.host),
                    format!("replace port number {number} by a port of the Service: {}", known.join(", ")),
                ),
            };
            out.add(rule.meta.id, path.key("portLevelSettings").index(at).key("port").key("number"), message, help);
        }
    }
}

fn unknown_ports(lint: &Lint<'_>, policy: &TrafficPolicy, services: &[&Service]) -> Vec<(usize, u16)> {
    let entries = policy.ports.iter().enumerate();
    entries.filter_map(|(at, (number, _))| Some((at, number.filter(|n| !has_port(lint, services, *n))?))).collect()
}

/// Whether the services of a rule's host are known, and none has a port: an entry for it acts on nothing.
pub(in crate::lint) fn is_unknown_port(lint: &Lint<'_>, rule: &DestinationRule, number: u16) -> bool {
    let services = services(lint, rule);
    !services.is_empty() && rule.host.wildcard().is_none() && !has_port(lint, &services, number)
}

fn has_port(lint: &Lint<'_>, services: &[&Service], number: u16) -> bool {
    services.iter().any(|service| {
        // As written too: UDP ports, and ports that could not be read.
        let key = if service.entry.is_some() { "number" } else { "port" };
        let written = lint.node(service.meta.id).and_then(|node| node.find("spec.ports"));
        let value = |port: Node<'_>| port.get(key).and_then(Node::as_i64);
        let as_written = |port| value(port).is_none_or(|value| value == i64::from(number));
        written.into_iter().flat_map(Node::items).any(as_written)
            || service.ports.iter().any(|port| port.number == number)
            || service.origin == Origin::Synthetic
    })
}

/// Subsets whose labels no workload of the service has.
fn subsets(lint: &Lint<'_>, out: &mut Out<'_>, rule: &DestinationRule, services: &[&Service]) {
    let mesh = lint.mesh;
    let [service] = services else { return };
    let Some(selector) = service.selector.as_ref().filter(|s| !s.is_empty() && service.origin == Origin::Kubernetes)
    else {
        return;
    };
    let selected: Vec<_> =
        mesh.select(&service.meta.namespace, selector).filter_map(|n| mesh.workloads.get(n as usize)).collect();
    let real = selected.iter().any(|w| !matches!(w.kind, "Namespace" | "Service"));
    if !real || mesh.index.machines.contains_key(&service.meta.namespace) {
        return;
    }
    let empty = |labels: &crate::model::Labels| {
        !labels.is_empty() && !selected.iter().any(|workload| mesh.selects(labels, workload) != Ok(false))
    };
    let mut idle = Vec::new();
    for (at, subset) in rule.subsets.iter().enumerate().filter(|(_, subset)| empty(&subset.labels)) {
        if !lint.matrix.routed.contains(&(rule.host.clone(), subset.name.clone())) {
            idle.push((at, &*subset.name));
            continue;
        }
        let finding = out.add(
            rule.meta.id,
            Path::new("spec.subsets").index(at).key("labels"),
            format!(
                "no workload of {} has the labels of subset {}, which a route sends to: its calls get 503",
                rule.host, subset.name
            ),
            "correct the labels of the subset to those of a workload, or deploy one",
        );
        finding.confidence = Confidence::Medium;
    }
    let Some((first, _)) = idle.first() else { return };
    let names: Vec<&str> = idle.iter().map(|(_, name)| *name).collect();
    let finding = out.add(
        rule.meta.id,
        Path::new("spec.subsets").index(*first).key("labels"),
        format!(
            "no workload of {} in the input has the labels of subset {}; no route sends there",
            rule.host,
            names.join(", ")
        ),
        "delete the subset, or correct its labels, if no such workload is deployed elsewhere",
    );
    (finding.severity, finding.confidence) = (Severity::Info, Confidence::Low);
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{WEB, codes, found, rule};

    #[test]
    fn what_nothing_in_the_input_has() {
        let entry = |port: u16| format!("trafficPolicy: {{portLevelSettings: [{{port: {{number: {port}}}}}]}}");
        for (host, spec, want) in [
            ("web.shop.svc.cluster.local", entry(80), ""),
            ("web.shop.svc.cluster.local", entry(8080), "MC0212 spec.trafficPolicy.portLevelSettings[0].port.number"),
            ("web.shop.svc.cluster.local", entry(81), "MC0212 spec.trafficPolicy.portLevelSettings[0].port.number"),
            ("wep.shop.svc.cluster.local", entry(81), "MC0212 spec.host"),
            // No Service of that namespace is there, so nothing is known of it.
            ("web.other.svc.cluster.local", entry(81), ""),
            ("example.com", entry(81), ""),
            ("'*.shop.svc.cluster.local'", entry(81), ""),
            ("web.shop.svc.cluster.local", "subsets: [{name: a, labels: {app: web}}]".to_owned(), ""),
            (
                "web.shop.svc.cluster.local",
                "subsets: [{name: a, labels: {version: v1}}]".to_owned(),
                "MC0212 spec.subsets[0].labels",
            ),
        ] {
            let text = rule(&spec).replace("web.shop.svc.cluster.local", host) + WEB;
            assert_eq!(codes(&text, &["MC0212"]), want, "{host} {spec}");
        }
    }

    #[test]
    fn a_subset_without_workload_matters_where_a_route_sends_to_it() {
        let route = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: shop}\n\
            spec: {hosts: [web], http: [{route: [{destination: {host: web, subset: a}}]}]}\n";
        for (route, want) in [("", "info low"), (route, "warning medium")] {
            let all = found(&(rule("subsets: [{name: a, labels: {version: v1}}]") + WEB + route));
            let one = all.iter().find(|f| f.code.code == "MC0212").unwrap();
            assert_eq!(format!("{} {}", one.severity, one.confidence), want);
        }
    }
}
