//! Gateway: the servers of a gateway proxy.

use super::issue::Issues;
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
}

pub(super) fn read_istio(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Gateway {
    let spec = root.get("spec");
    let mut servers = Vec::new();
    for (index, server) in spec.and_then(|s| s.get("servers")).into_iter().flat_map(Node::items).enumerate() {
        let path = format!("spec.servers[{index}]");
        let Some(port) = issues.port(server.find("port.number"), || format!("{path}.port.number")) else { continue };
        let protocol = Protocol::parse(&server.find("port.protocol").and_then(Node::text).unwrap_or_default());
        let tls = server.get("tls").filter(|n| !n.is_null());
        let mode = issues.word(tls.and_then(|t| t.get("mode")), || format!("{path}.tls.mode"), MODES);
        let tls = match (protocol, tls.is_some()) {
            // A `tls` block on a plaintext protocol only redirects; the enum's zero is PASSTHROUGH.
            (Protocol::Tls, true) => mode.unwrap_or(GatewayTls::Passthrough),
            (_, true) => mode.unwrap_or(GatewayTls::None),
            (_, false) => GatewayTls::None,
        };
        let hosts = super::destination_rule::texts(server.get("hosts"));
        let hosts = hosts.iter().map(|host| host.split_once('/').map_or(&**host, |(_, name)| name).into()).collect();
        servers.push(Server { port, protocol, tls, hosts, index });
    }
    Gateway { selector: Labels::read(spec.and_then(|s| s.get("selector"))), servers, gateway_api: false, meta }
}

pub(super) fn read_gateway_api(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Gateway {
    let spec = root.get("spec");
    let mut servers = Vec::new();
    for (index, listener) in spec.and_then(|s| s.get("listeners")).into_iter().flat_map(Node::items).enumerate() {
        let path = || format!("spec.listeners[{index}].port");
        let Some(port) = issues.port(listener.get("port"), path) else { continue };
        let protocol = Protocol::parse(&listener.get("protocol").and_then(Node::text).unwrap_or_default());
        let mode = listener.find("tls.mode").and_then(Node::text);
        let option = |name| listener.find("tls.options").and_then(|o| o.get(name)).and_then(Node::text);
        let tls = match (protocol, mode.as_deref(), option("gateway.istio.io/tls-terminate-mode").as_deref()) {
            (Protocol::Tls, Some("Passthrough"), _) => GatewayTls::Passthrough,
            (Protocol::Tls, _, Some("ISTIO_MUTUAL")) => GatewayTls::IstioMutual,
            (Protocol::Tls, _, Some("MUTUAL")) => GatewayTls::Mutual,
            (Protocol::Tls, _, Some("OPTIONAL_MUTUAL")) => GatewayTls::OptionalMutual,
            (Protocol::Tls, _, _) => GatewayTls::Simple,
            _ => GatewayTls::None,
        };
        let host = listener.get("hostname").and_then(Node::text).unwrap_or("*".into());
        servers.push(Server { port, protocol, tls, hosts: vec![host.as_ref().into()], index });
    }
    let label = ("gateway.networking.k8s.io/gateway-name".into(), (*meta.name).into());
    Gateway { selector: Labels::new([label]), servers, gateway_api: true, meta }
}
