//! Gateway: the servers of a gateway proxy.

use super::issue::Issues;
use super::mesh_config::{NamespaceSelector, read_namespace_selector};
use super::meta::{Labels, Meta};
use super::protocol::Protocol;
use crate::yaml::Node;

/// `servers[].tls.mode`, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GatewayTls {
    /// No TLS.
    None,
    /// One-way TLS.
    Simple,
    /// Client certificate demanded, of a CA of the gateway's own.
    Mutual,
    /// Client certificate asked for, not demanded.
    OptionalMutual,
    /// Mutual TLS with the mesh's certificates.
    IstioMutual,
    /// TLS goes through undecrypted.
    Passthrough,
    /// TLS goes through to the service that the SNI names.
    AutoPassthrough,
}

impl GatewayTls {
    /// The word of the API; `NONE` for a server without TLS.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Simple => "SIMPLE",
            Self::Mutual => "MUTUAL",
            Self::OptionalMutual => "OPTIONAL_MUTUAL",
            Self::IstioMutual => "ISTIO_MUTUAL",
            Self::Passthrough => "PASSTHROUGH",
            Self::AutoPassthrough => "AUTO_PASSTHROUGH",
        }
    }
}

const MODES: &[(&str, GatewayTls)] = &[
    ("PASSTHROUGH", GatewayTls::Passthrough),
    ("SIMPLE", GatewayTls::Simple),
    ("MUTUAL", GatewayTls::Mutual),
    ("AUTO_PASSTHROUGH", GatewayTls::AutoPassthrough),
    ("ISTIO_MUTUAL", GatewayTls::IstioMutual),
    ("OPTIONAL_MUTUAL", GatewayTls::OptionalMutual),
];

/// One server.
#[derive(Clone, Debug)]
pub struct Server {
    /// `port.number`: a Service port of the gateway, else a port of the proxy itself.
    pub port: u16,
    /// Protocol of the port.
    pub protocol: Protocol,
    /// TLS.
    pub tls: GatewayTls,
    /// `hosts`, without their namespace part.
    pub hosts: Vec<Box<str>>,
    /// Its place in `servers` (or `listeners`).
    pub index: usize,
}

/// One Gateway, of Istio's API or of the Gateway API.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Name, namespace.
    pub meta: Meta,
    /// Labels of the proxies that it configures; for the Gateway API, the label that its own proxy carries.
    pub selector: Labels,
    /// Its servers.
    pub servers: Vec<Server>,
    /// An object of the Gateway API: only proxies of its own namespace.
    pub gateway_api: bool,
    /// It makes a waypoint of the ambient mesh.
    pub waypoint: Option<Attachment>,
}

/// Whose traffic may be sent through a waypoint: `allowedRoutes` of its HBONE listener.
#[derive(Clone, Debug)]
pub enum Attachment {
    /// Of its own namespace; the default.
    Same,
    /// Of every namespace.
    All,
    /// Of namespaces with these labels.
    Selector(NamespaceSelector),
}

/// The class whose Gateways are waypoints (`pilot/pkg/config/kube/gateway/gatewayclass.go`).
const WAYPOINT_CLASS: &str = "istio-waypoint";

/// What a server's `tls` block does. TLS is spoken on HTTPS and TLS ports only, where the enum's zero is PASSTHROUGH; on
/// HTTP the block only redirects, and on any other protocol Istio refuses it.
fn server_tls(protocol: Protocol, tls: Option<Node<'_>>, path: &str, issues: &mut Issues) -> GatewayTls {
    let Some(tls) = issues.mapping(tls, path) else { return GatewayTls::None };
    let mode = issues.word(tls.get("mode"), format_args!("{path}.mode"), MODES);
    match protocol {
        Protocol::Tls => mode.unwrap_or(GatewayTls::Passthrough),
        Protocol::Http | Protocol::Tcp | Protocol::Auto => GatewayTls::None,
    }
}

pub(super) fn read_istio(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Gateway {
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let mut servers = Vec::new();
    for (index, server) in issues.mappings(get("servers"), "spec.servers") {
        let path = format!("spec.servers[{index}]");
        let port = issues.mapping(server.get("port"), format_args!("{path}.port"));
        let number = port.and_then(|p| p.get("number"));
        let number = issues.required_port(server, number, format_args!("{path}.port.number"));
        let protocol = issues.string(port.and_then(|p| p.get("protocol")), format_args!("{path}.port.protocol"));
        let protocol = Protocol::parse(&protocol.unwrap_or_default());
        let tls = server_tls(protocol, server.get("tls"), &format!("{path}.tls"), issues);
        let hosts = issues.strings(server.get("hosts"), format_args!("{path}.hosts"));
        let hosts = hosts.iter().map(|host| host.split_once('/').map_or(&**host, |(_, name)| name).into()).collect();
        let Some(port) = number else { continue };
        servers.push(Server { port, protocol, tls, hosts, index });
    }
    let selector = Labels::read_selector(get("selector"), "spec.selector", issues);
    Gateway { selector, servers, gateway_api: false, waypoint: None, meta }
}

pub(super) fn read_gateway_api(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Gateway {
    let spec = issues.mapping(root.get("spec"), "spec");
    let mut servers = Vec::new();
    for (index, listener) in issues.mappings(spec.and_then(|s| s.get("listeners")), "spec.listeners") {
        let path = format!("spec.listeners[{index}]");
        let port = issues.required_port(listener, listener.get("port"), format_args!("{path}.port"));
        let protocol = issues.string(listener.get("protocol"), format_args!("{path}.protocol"));
        let protocol = Protocol::parse(&protocol.unwrap_or_default());
        let tls = issues.mapping(listener.get("tls"), format_args!("{path}.tls"));
        let mode = issues.string(tls.and_then(|t| t.get("mode")), format_args!("{path}.tls.mode"));
        let options = issues.mapping(tls.and_then(|t| t.get("options")), format_args!("{path}.tls.options"));
        let option = options.and_then(|o| o.get("gateway.istio.io/tls-terminate-mode")).and_then(Node::text);
        let tls = match (protocol, mode.as_deref(), option.as_deref()) {
            (Protocol::Tls, Some("Passthrough"), _) => GatewayTls::Passthrough,
            (Protocol::Tls, _, Some("ISTIO_MUTUAL")) => GatewayTls::IstioMutual,
            (Protocol::Tls, _, Some("MUTUAL")) => GatewayTls::Mutual,
            (Protocol::Tls, _, Some("OPTIONAL_MUTUAL")) => GatewayTls::OptionalMutual,
            (Protocol::Tls, _, _) => GatewayTls::Simple,
            _ => GatewayTls::None,
        };
        let host = issues.string(listener.get("hostname"), format_args!("{path}.hostname")).unwrap_or("*".into());
        let Some(port) = port else { continue };
        servers.push(Server { port, protocol, tls, hosts: vec![host.as_ref().into()], index });
    }
    let label = ("gateway.networking.k8s.io/gateway-name".into(), (*meta.name).into());
    let class = spec.and_then(|s| s.get("gatewayClassName")).and_then(Node::text);
    let waypoint = (class.as_deref() == Some(WAYPOINT_CLASS)).then(|| read_attachment(spec, issues));
    Gateway { selector: Labels::new([label]), servers, gateway_api: true, waypoint, meta }
}

/// `allowedRoutes.namespaces` of the listener that takes HBONE.
fn read_attachment(spec: Option<Node<'_>>, issues: &mut Issues) -> Attachment {
    let hbone = |node: &Node<'_>| node.get("protocol").and_then(Node::text).as_deref() == Some("HBONE");
    let listeners = || spec.and_then(|s| s.get("listeners")).into_iter().flat_map(Node::items).enumerate();
    let found = listeners().find(|(_, listener)| hbone(listener)).or(listeners().next());
    let Some((index, listener)) = found else { return Attachment::Same };
    let path = format!("spec.listeners[{index}].allowedRoutes");
    let allowed = issues.mapping(listener.get("allowedRoutes"), &path);
    let path = format!("{path}.namespaces");
    let namespaces = issues.mapping(allowed.and_then(|a| a.get("namespaces")), &path);
    match namespaces.and_then(|n| n.get("from")).and_then(Node::text).as_deref() {
        Some("All") => Attachment::All,
        Some("Selector") => {
            let path = format!("{path}.selector");
            let selector = issues.mapping(namespaces.and_then(|n| n.get("selector")), &path);
            selector.map_or(Attachment::Same, |node| Attachment::Selector(read_namespace_selector(node, &path, issues)))
        }
        _ => Attachment::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::{messages, meta};

    #[test]
    fn only_https_and_tls_ports_speak_tls() {
        for (protocol, tls, want) in [
            ("HTTPS", "{mode: SIMPLE}", GatewayTls::Simple),
            ("TLS", "{mode: ISTIO_MUTUAL}", GatewayTls::IstioMutual),
            ("TLS", "{}", GatewayTls::Passthrough),
            ("HTTPS", "null", GatewayTls::None),
            ("HTTP", "{httpsRedirect: true}", GatewayTls::None),
            ("HTTP", "{mode: ISTIO_MUTUAL}", GatewayTls::None),
            ("HTTP2", "{mode: MUTUAL}", GatewayTls::None),
            ("GRPC", "{mode: SIMPLE}", GatewayTls::None),
            ("TCP", "{mode: ISTIO_MUTUAL}", GatewayTls::None),
            ("MONGO", "{mode: ISTIO_MUTUAL}", GatewayTls::None),
            ("nonsense", "{mode: ISTIO_MUTUAL}", GatewayTls::None),
        ] {
            let text = format!("spec: {{servers: [{{port: {{number: 80, protocol: {protocol}}}, tls: {tls}}}]}}");
            let mut found = Vec::new();
            let wrong = messages(&text, |root, issues| {
                found.extend(read_istio(root, meta(), issues).servers.iter().map(|server| server.tls));
            });
            assert_eq!((found, wrong), (vec![want], Vec::<String>::new()), "{text}");
        }
    }

    #[test]
    fn wrong_types_are_issues() {
        for (spec, want) in [
            (
                "{selector: {istio: ingressgateway}, servers: [{port: {number: 80, protocol: HTTP}, hosts: [\"*\"]}]}",
                "",
            ),
            ("{servers: {port: {number: 80}}}", "spec.servers must be a list, not a mapping"),
            ("{servers: [80]}", "spec.servers[0] must be a mapping, not 80"),
            (
                "{servers: [{port: 80}]}",
                "spec.servers[0].port must be a mapping, not 80; spec.servers[0].port.number is missing",
            ),
            ("{servers: [{port: {number: 80}, tls: SIMPLE}]}", "spec.servers[0].tls must be a mapping, not \"SIMPLE\""),
            ("{servers: [{port: {number: 80}, hosts: a}]}", "spec.servers[0].hosts must be a list, not \"a\""),
            ("{selector: [istio]}", "spec.selector must be a mapping, not a list"),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read_istio(root, meta(), issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
        for (spec, want) in [
            ("{listeners: [{port: 443, protocol: HTTPS, tls: {mode: Terminate, options: {a: b}}}]}", ""),
            ("{listeners: 443}", "spec.listeners must be a list, not 443"),
            (
                "{listeners: [{port: 443, tls: Terminate}]}",
                "spec.listeners[0].tls must be a mapping, not \"Terminate\"",
            ),
            ("{listeners: [{protocol: HTTP}]}", "spec.listeners[0].port is missing"),
            (
                "{gatewayClassName: istio-waypoint, listeners: [{port: 15008, allowedRoutes: {namespaces: All}}]}",
                "spec.listeners[0].allowedRoutes.namespaces must be a mapping, not \"All\"",
            ),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read_gateway_api(root, meta(), issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
    }
}
