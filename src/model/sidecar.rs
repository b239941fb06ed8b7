//! Sidecar: which services a proxy knows, and which ports it declares.

use super::destination_rule::TlsMode;
use super::issue::Issues;
use super::meta::{Labels, Meta};
use super::protocol::Protocol;
use crate::yaml::Node;

/// One `ingress` listener.
#[derive(Clone, Debug)]
pub struct Ingress {
    /// `port.number`: the workload port that policies speak of.
    pub port: u16,
    /// Protocol of the port.
    pub protocol: Protocol,
    /// `tls.mode`, where the listener brings its own certificate.
    pub tls: Option<TlsMode>,
}

/// One `egress` listener: what it imports.
#[derive(Clone, Debug)]
pub struct Egress {
    /// `port.number`: of the imported services, only this port is known.
    pub port: Option<u16>,
    /// `hosts`: namespace part and host part; an exclusion begins with `~`.
    pub hosts: Vec<(Box<str>, Box<str>)>,
}

/// `outboundTrafficPolicy.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outbound {
    /// Unknown destinations are passed through as they are.
    AllowAny,
    /// Unknown destinations are refused by the client's proxy.
    RegistryOnly,
    /// A mode whose outcome depends on the request: not judged.
    Other,
}

/// One Sidecar (`api:networking/v1alpha3/sidecar.proto`).
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// Name, namespace, age.
    pub meta: Meta,
    /// `workloadSelector.labels`.
    pub selector: Option<Labels>,
    /// `ingress`.
    pub ingress: Vec<Ingress>,
    /// `egress`; empty: imports everything.
    pub egress: Vec<Egress>,
    /// `outboundTrafficPolicy`, where set.
    pub outbound: Option<Outbound>,
}

/// Reads `outboundTrafficPolicy` (also of the mesh's configuration).
pub(super) fn read_outbound(node: Option<Node<'_>>) -> Option<Outbound> {
    let node = node.filter(|n| !n.is_null())?;
    Some(match node.get("mode").and_then(Node::text).as_deref() {
        // The enum's zero is REGISTRY_ONLY: a block without a mode closes.
        Some("REGISTRY_ONLY") | None => Outbound::RegistryOnly,
        Some("ALLOW_ANY") => Outbound::AllowAny,
        Some(_) => Outbound::Other,
    })
}

pub(super) fn read(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Sidecar {
    let spec = root.get("spec");
    let get = |key: &str| spec.and_then(|s| s.get(key)).filter(|n| !n.is_null());
    let mut ingress = Vec::new();
    for (at, listener) in get("ingress").into_iter().flat_map(Node::items).enumerate() {
        let path = || format!("spec.ingress[{at}].port.number");
        let Some(port) = issues.port(listener.find("port.number"), path) else { continue };
        let protocol = listener.find("port.protocol").and_then(Node::text).unwrap_or_default();
        let tls = listener.get("tls").filter(|n| !n.is_null()).map(|tls| {
            match tls.get("mode").and_then(Node::text).as_deref() {
                Some("MUTUAL" | "OPTIONAL_MUTUAL") => TlsMode::Mutual,
                Some("ISTIO_MUTUAL") => TlsMode::IstioMutual,
                _ => TlsMode::Simple,
            }
        });
        ingress.push(Ingress { port, protocol: Protocol::parse(&protocol), tls });
    }
    let mut egress = Vec::new();
    for (at, listener) in get("egress").into_iter().flat_map(Node::items).enumerate() {
        let port = issues.port(listener.find("port.number"), || format!("spec.egress[{at}].port.number"));
        let mut hosts = Vec::new();
        for (item, host) in listener.get("hosts").into_iter().flat_map(Node::items).enumerate() {
            let text = host.text().unwrap_or_default();
            match text.split_once('/') {
                Some((namespace, name)) if !name.is_empty() => hosts.push((namespace.into(), name.into())),
                _ => issues.add(
                    host,
                    format!("spec.egress[{at}].hosts[{item}]"),
                    format!("{text:?} names no namespace"),
                    "namespace/host, for example ./* or */*",
                ),
            }
        }
        egress.push(Egress { port, hosts });
    }
    Sidecar {
        meta,
        selector: get("workloadSelector").map(|s| Labels::read(s.get("labels"))).filter(|labels| !labels.is_empty()),
        ingress,
        egress,
        outbound: read_outbound(get("outboundTrafficPolicy")),
    }
}
