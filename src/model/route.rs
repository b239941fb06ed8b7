//! VirtualService, HTTPRoute and GRPCRoute: which services and subsets calls are sent to.

use super::fields::export_to;
use super::host::Host;
use super::issue::Issues;
use super::meta::Meta;
use crate::yaml::Node;

/// One destination of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its host, completed.
    pub host: Host,
    /// Its subset, where one is named.
    pub subset: Option<Box<str>>,
    /// Its port, where one is named.
    pub port: Option<u16>,
    /// Gets a copy only: the calls themselves go elsewhere.
    pub mirror: bool,
}

/// A route, as far as it decides where calls go.
#[derive(Clone, Debug)]
pub struct Route {
    /// Name, namespace.
    pub meta: Meta,
    /// The hosts that it is for, completed.
    pub hosts: Vec<Host>,
    /// Where it sends to.
    pub destinations: Vec<Destination>,
    /// Who may see it; empty: everyone.
    pub export_to: Vec<Box<str>>,
    /// It is for sidecars (not only for gateways).
    pub mesh: bool,
}

fn destination(
    node: Option<Node<'_>>,
    path: &str,
    namespace: &str,
    domain: &str,
    issues: &mut Issues,
) -> Option<Destination> {
    let node = issues.mapping(node, path)?;
    let port = issues.mapping(node.get("port"), format_args!("{path}.port"));
    let port = issues.port(port.and_then(|p| p.get("number")), format_args!("{path}.port.number"));
    let subset = issues.string(node.get("subset"), format_args!("{path}.subset")).filter(|s| !s.is_empty());
    let host = issues.string(node.get("host"), format_args!("{path}.host"))?;
    let host = Host::resolve(&host, namespace, domain);
    Some(Destination { host, subset: subset.map(|s| s.as_ref().into()), port, mirror: false })
}

pub(super) fn read_virtual_service(root: Node<'_>, meta: Meta, domain: &str, issues: &mut Issues) -> Route {
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let mut destinations = Vec::new();
    for list in ["http", "tcp", "tls"] {
        for (at, rule) in issues.mappings(get(list), format_args!("spec.{list}")) {
            let path = format!("spec.{list}[{at}]");
            for key in ["route", "mirrors"] {
                for (item, entry) in issues.mappings(rule.get(key), format_args!("{path}.{key}")) {
                    let path = format!("{path}.{key}[{item}].destination");
                    let found = destination(entry.get("destination"), &path, &meta.namespace, domain, issues);
                    destinations.extend(found.map(|found| Destination { mirror: key == "mirrors", ..found }));
                }
            }
            let path = format!("{path}.mirror");
            let found = destination(rule.get("mirror"), &path, &meta.namespace, domain, issues);
            destinations.extend(found.map(|found| Destination { mirror: true, ..found }));
        }
    }
    let hosts = issues.strings(get("hosts"), "spec.hosts");
    let hosts = hosts.iter().map(|host| Host::resolve(host, &meta.namespace, domain)).collect();
    let gateways = issues.strings(get("gateways"), "spec.gateways");
    let mesh = gateways.is_empty() || gateways.iter().any(|name| &**name == "mesh");
    Route { hosts, destinations, export_to: export_to(get("exportTo"), "spec.exportTo", issues), mesh, meta }
}

/// The Service that a reference of the Gateway API names.
fn service(node: Node<'_>, path: &str, namespace: &str, domain: &str, issues: &mut Issues) -> Option<Host> {
    let mut text = |key: &str| issues.string(node.get(key), format_args!("{path}.{key}"));
    let (kind, own, name) = (text("kind"), text("namespace"), text("name"));
    let namespace = own.unwrap_or_else(|| namespace.into());
    (kind.is_none() || kind.as_deref() == Some("Service"))
        .then(|| Some(Host::of_service(&name?, &namespace, domain)))?
}

/// HTTPRoute and GRPCRoute know Services, not subsets.
pub(super) fn read_gateway_api(root: Node<'_>, meta: Meta, domain: &str, issues: &mut Issues) -> Route {
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let mut hosts = Vec::new();
    for (at, parent) in issues.mappings(get("parentRefs"), "spec.parentRefs") {
        let host = service(parent, &format!("spec.parentRefs[{at}]"), &meta.namespace, domain, issues);
        hosts.extend(host.filter(|_| parent.get("kind").is_some()));
    }
    let mut destinations = Vec::new();
    for (at, rule) in issues.mappings(get("rules"), "spec.rules") {
        let path = format!("spec.rules[{at}].backendRefs");
        for (item, backend) in issues.mappings(rule.get("backendRefs"), &path) {
            let path = format!("{path}[{item}]");
            let port = issues.port(backend.get("port"), format_args!("{path}.port"));
            let host = service(backend, &path, &meta.namespace, domain, issues);
            destinations.extend(host.map(|host| Destination { host, subset: None, port, mirror: false }));
        }
    }
    // A route whose parent is a Service is for the mesh.
    let mesh = !hosts.is_empty();
    Route { hosts, destinations, export_to: Vec::new(), mesh, meta }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::{messages, meta};

    #[test]
    fn wrong_types_are_issues() {
        for (spec, want) in [
            ("{hosts: [web], http: [{route: [{destination: {host: web, subset: v1, port: {number: 80}}}]}]}", ""),
            ("{tcp: [{route: null}], http: [{mirror: {host: b}, mirrors: [{destination: {host: c}}]}]}", ""),
            ("{hosts: web}", "spec.hosts must be a list, not \"web\""),
            ("{gateways: mesh}", "spec.gateways must be a list, not \"mesh\""),
            ("{exportTo: .}", "spec.exportTo must be a list, not \".\""),
            ("{http: {route: []}}", "spec.http must be a list, not a mapping"),
            ("{http: [{route: {destination: {}}}]}", "spec.http[0].route must be a list, not a mapping"),
            ("{http: [{mirror: web}]}", "spec.http[0].mirror must be a mapping, not \"web\""),
            (
                "{http: [{route: [{destination: web}]}]}",
                "spec.http[0].route[0].destination must be a mapping, not \"web\"",
            ),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read_virtual_service(root, meta(), "cluster.local", issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
        for (spec, want) in [
            ("{parentRefs: [{kind: Service, name: web}], rules: [{backendRefs: [{name: web, port: 80}]}]}", ""),
            ("{parentRefs: {kind: Service, name: web}}", "spec.parentRefs must be a list, not a mapping"),
            ("{rules: [{backendRefs: web}]}", "spec.rules[0].backendRefs must be a list, not \"web\""),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read_gateway_api(root, meta(), "cluster.local", issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
    }
}
