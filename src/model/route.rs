//! VirtualService, HTTPRoute and GRPCRoute: which services and subsets calls are sent to.

use super::destination_rule::export_to;
use super::host::Host;
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

fn destination(node: Node<'_>, namespace: &str, domain: &str) -> Option<Destination> {
    let port = node.find("port.number").and_then(Node::as_i64).and_then(|n| u16::try_from(n).ok());
    Some(Destination {
        host: Host::resolve(&node.get("host")?.text()?, namespace, domain),
        subset: node.get("subset").and_then(Node::text).filter(|s| !s.is_empty()).map(|s| s.as_ref().into()),
        port,
    })
}

pub(super) fn read_virtual_service(root: Node<'_>, meta: Meta, domain: &str) -> Route {
    let spec = root.get("spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let mut destinations = Vec::new();
    for list in ["http", "tcp", "tls"] {
        for rule in get(list).into_iter().flat_map(Node::items) {
            let routed = rule.get("route").into_iter().flat_map(Node::items).filter_map(|r| r.get("destination"));
            let mirrored = rule.get("mirrors").into_iter().flat_map(Node::items).filter_map(|m| m.get("destination"));
            let all = routed.chain(rule.get("mirror")).chain(mirrored);
            destinations.extend(all.filter_map(|node| destination(node, &meta.namespace, domain)));
        }
    }
    let hosts = super::destination_rule::texts(get("hosts"));
    let hosts = hosts.iter().map(|host| Host::resolve(host, &meta.namespace, domain)).collect();
    let gateways = super::destination_rule::texts(get("gateways"));
    let mesh = gateways.is_empty() || gateways.iter().any(|name| &**name == "mesh");
    Route { hosts, destinations, export_to: export_to(get("exportTo")), mesh, meta }
}

/// HTTPRoute and GRPCRoute know Services, not subsets.
pub(super) fn read_gateway_api(root: Node<'_>, meta: Meta, domain: &str) -> Route {
    let spec = root.get("spec");
    let service = |node: Node<'_>| {
        if node.get("kind").and_then(Node::as_str).is_some_and(|kind| kind != "Service") {
            return None;
        }
        let namespace = node.get("namespace").and_then(Node::text).unwrap_or_else(|| (&*meta.namespace).into());
        Some(Host::of_service(&node.get("name")?.text()?, &namespace, domain))
    };
    let items = |key: &str| spec.and_then(|s| s.get(key)).into_iter().flat_map(Node::items);
    let hosts: Vec<Host> = items("parentRefs").filter(|p| p.get("kind").is_some()).filter_map(service).collect();
    let backends = items("rules").filter_map(|rule| rule.get("backendRefs")).flat_map(Node::items);
    let destinations = backends.filter_map(|node| {
        let port = node.get("port").and_then(Node::as_i64).and_then(|n| u16::try_from(n).ok());
        Some(Destination { host: service(node)?, subset: None, port })
    });
    let destinations: Vec<Destination> = destinations.collect();
    // A route whose parent is a Service is for the mesh.
    let mesh = !hosts.is_empty();
    Route { hosts, destinations, export_to: Vec::new(), mesh, meta }
}
