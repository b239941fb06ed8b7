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
    /// `bind` or `captureMode: NONE`: the application has to call this listener by its own address.
    pub bound: bool,
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
pub(super) fn read_outbound(node: Option<Node<'_>>, path: &str, issues: &mut Issues) -> Option<Outbound> {
    let node = issues.mapping(node, path)?;
    Some(match issues.string(node.get("mode"), format_args!("{path}.mode")).as_deref() {
        // The enum's zero is REGISTRY_ONLY: a block without a mode closes.
        Some("REGISTRY_ONLY") | None => Outbound::RegistryOnly,
        Some("ALLOW_ANY") => Outbound::AllowAny,
        Some(_) => Outbound::Other,
    })
}

fn read_ingress(listener: Node<'_>, path: &str, issues: &mut Issues) -> Option<Ingress> {
    let port = issues.mapping(listener.get("port"), format_args!("{path}.port"));
    let get = |key: &str| port.and_then(|p| p.get(key));
    let number = issues.required_port(listener, get("number"), format_args!("{path}.port.number"))?;
    let protocol = issues.string(get("protocol"), format_args!("{path}.port.protocol")).unwrap_or_default();
    let tls = issues.mapping(listener.get("tls"), format_args!("{path}.tls")).map(|tls| {
        match issues.string(tls.get("mode"), format_args!("{path}.tls.mode")).as_deref() {
            Some("MUTUAL" | "OPTIONAL_MUTUAL") => TlsMode::Mutual,
            Some("ISTIO_MUTUAL") => TlsMode::IstioMutual,
            _ => TlsMode::Simple,
        }
    });
    Some(Ingress { port: number, protocol: Protocol::parse(&protocol), tls })
}

fn read_egress(listener: Node<'_>, path: &str, issues: &mut Issues) -> Egress {
    let port = issues.mapping(listener.get("port"), format_args!("{path}.port"));
    let port = issues.port(port.and_then(|p| p.get("number")), format_args!("{path}.port.number"));
    let mut hosts = Vec::new();
    let list = issues.sequence(listener.get("hosts"), format_args!("{path}.hosts"));
    for (item, host) in list.into_iter().flat_map(Node::items).enumerate() {
        let text = host.text().unwrap_or_default();
        match text.split_once('/') {
            Some((namespace, name)) if !name.is_empty() => hosts.push((namespace.into(), name.into())),
            _ => issues.add(
                host,
                format_args!("{path}.hosts[{item}]"),
                format!("{text:?} names no namespace"),
                "namespace/host, for example ./* or */*",
            ),
        }
    }
    let bound = listener.get("bind").is_some_and(|node| !node.is_null())
        || listener.get("captureMode").and_then(Node::as_str) == Some("NONE");
    Egress { port, hosts, bound }
}

pub(super) fn read(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Sidecar {
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let listeners = issues.mappings(get("ingress"), "spec.ingress").into_iter();
    let ingress =
        listeners.filter_map(|(at, listener)| read_ingress(listener, &format!("spec.ingress[{at}]"), issues)).collect();
    let listeners = issues.mappings(get("egress"), "spec.egress").into_iter();
    let egress = listeners.map(|(at, listener)| read_egress(listener, &format!("spec.egress[{at}]"), issues)).collect();
    let selector = issues
        .mapping(get("workloadSelector"), "spec.workloadSelector")
        .map(|selector| Labels::read_selector(selector.get("labels"), "spec.workloadSelector.labels", issues));
    Sidecar {
        meta,
        selector: selector.filter(|labels| !labels.is_empty()),
        ingress,
        egress,
        outbound: read_outbound(get("outboundTrafficPolicy"), "spec.outboundTrafficPolicy", issues),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::{messages, meta};

    #[test]
    fn wrong_types_are_issues() {
        for (spec, want) in [
            ("{egress: [{hosts: [./*], port: {number: 80}}], ingress: [{port: {number: 80, protocol: HTTP}}]}", ""),
            ("{workloadSelector: {labels: {app: web}}, outboundTrafficPolicy: {}}", ""),
            ("[]", "spec must be a mapping, not a list"),
            ("{egress: {hosts: [./*]}}", "spec.egress must be a list, not a mapping"),
            ("{egress: [./*]}", "spec.egress[0] must be a mapping, not \"./*\""),
            ("{egress: [{hosts: ./*}]}", "spec.egress[0].hosts must be a list, not \"./*\""),
            ("{egress: [{hosts: [web]}]}", "\"web\" names no namespace"),
            ("{egress: [{port: 80}]}", "spec.egress[0].port must be a mapping, not 80"),
            ("{ingress: 80}", "spec.ingress must be a list, not 80"),
            ("{ingress: [{}]}", "spec.ingress[0].port.number is missing"),
            ("{ingress: [{port: {number: 80}, tls: SIMPLE}]}", "spec.ingress[0].tls must be a mapping, not \"SIMPLE\""),
            ("{workloadSelector: app}", "spec.workloadSelector must be a mapping, not \"app\""),
            ("{workloadSelector: {labels: app}}", "spec.workloadSelector.labels must be a mapping, not \"app\""),
            ("{outboundTrafficPolicy: ALLOW_ANY}", "spec.outboundTrafficPolicy must be a mapping, not \"ALLOW_ANY\""),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read(root, meta(), issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
    }
}
