//! DestinationRule: what clients are told to send to a host.

use super::host::Host;
use super::issue::Issues;
use super::meta::{Labels, Meta};
use crate::yaml::Node;

/// `tls.mode` of a client. A `tls` block without a mode is DISABLE, the enum's zero (2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsMode {
    /// No TLS.
    Disable,
    /// One-way TLS.
    Simple,
    /// TLS with a client certificate of the rule's own.
    Mutual,
    /// Mutual TLS with the mesh's certificates.
    IstioMutual,
}

impl TlsMode {
    /// The word of the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Disable => "DISABLE",
            Self::Simple => "SIMPLE",
            Self::Mutual => "MUTUAL",
            Self::IstioMutual => "ISTIO_MUTUAL",
        }
    }
}

/// `ClientTLSSettings`, what of it decides the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// The mode.
    pub mode: TlsMode,
    /// Whether the text says the mode (else it is the zero value).
    pub mode_written: bool,
    /// `credentialName`, where it is none of a ConfigMap (`configmap://`).
    pub secret_credential: bool,
    /// Any `credentialName`.
    pub credential: bool,
    /// `clientCertificate` and `privateKey` are both there.
    pub client_certificate: bool,
    /// `subjectAltNames`.
    pub sans: Vec<Box<str>>,
    /// `sni`.
    pub sni: Option<Box<str>>,
}

/// One entry of `portLevelSettings`, or the policy itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortPolicy {
    /// `tls`, where set.
    pub tls: Option<ClientTls>,
    /// `loadBalancer.simple: PASSTHROUGH`.
    pub passthrough: bool,
}

/// `trafficPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficPolicy {
    /// The fields of the policy itself.
    pub top: PortPolicy,
    /// `portLevelSettings`, in order, by Service port; entries without a port number are never chosen.
    pub ports: Vec<(Option<u16>, PortPolicy)>,
}

/// One subset.
#[derive(Clone, Debug)]
pub struct Subset {
    /// Name.
    pub name: Box<str>,
    /// Labels that its endpoints carry.
    pub labels: Labels,
    /// Its own policy.
    pub policy: Option<TrafficPolicy>,
}

/// One DestinationRule (`api:networking/v1alpha3/destination_rule.proto`).
#[derive(Clone, Debug)]
pub struct DestinationRule {
    /// Name, namespace, age.
    pub meta: Meta,
    /// `host`, completed.
    pub host: Host,
    /// `trafficPolicy`.
    pub policy: Option<TrafficPolicy>,
    /// `subsets`.
    pub subsets: Vec<Subset>,
    /// `exportTo`, as written, sorted; with a `workloadSelector` always `{.}` (2.3).
    pub export_to: Vec<Box<str>>,
    /// `workloadSelector.matchLabels`: the clients that it is for.
    pub selector: Option<Labels>,
}

const TLS_MODES: &[(&str, TlsMode)] = &[
    ("DISABLE", TlsMode::Disable),
    ("SIMPLE", TlsMode::Simple),
    ("MUTUAL", TlsMode::Mutual),
    ("ISTIO_MUTUAL", TlsMode::IstioMutual),
];

fn read_tls(node: Option<Node<'_>>, path: &str, issues: &mut Issues) -> Option<ClientTls> {
    let tls = node.filter(|n| !n.is_null())?;
    let text = |key: &str| tls.get(key).and_then(Node::text).filter(|value| !value.is_empty());
    let written = tls.get("mode").filter(|n| !n.is_null());
    let credential = text("credentialName");
    Some(ClientTls {
        mode: issues.word(written, || format!("{path}.mode"), TLS_MODES).unwrap_or(TlsMode::Disable),
        mode_written: written.is_some(),
        secret_credential: credential.as_deref().is_some_and(|name| !name.starts_with("configmap://")),
        credential: credential.is_some(),
        client_certificate: text("clientCertificate").is_some() && text("privateKey").is_some(),
        sans: texts(tls.get("subjectAltNames")),
        sni: text("sni").map(|sni| sni.as_ref().into()),
    })
}

fn read_port_policy(node: Node<'_>, path: &str, issues: &mut Issues) -> PortPolicy {
    let simple = node.find("loadBalancer.simple").and_then(Node::as_str);
    PortPolicy {
        tls: read_tls(node.get("tls"), &format!("{path}.tls"), issues),
        passthrough: simple == Some("PASSTHROUGH"),
    }
}

fn read_policy(node: Option<Node<'_>>, path: &str, issues: &mut Issues) -> Option<TrafficPolicy> {
    let node = node.filter(|n| !n.is_null())?;
    let mut ports = Vec::new();
    for (at, entry) in node.get("portLevelSettings").into_iter().flat_map(Node::items).enumerate() {
        let path = format!("{path}.portLevelSettings[{at}]");
        let number = issues.port(entry.find("port.number"), || format!("{path}.port.number"));
        ports.push((number, read_port_policy(entry, &path, issues)));
    }
    Some(TrafficPolicy { top: read_port_policy(node, path, issues), ports })
}

/// The texts of a sequence; what is no scalar is left out.
pub(super) fn texts(node: Option<Node<'_>>) -> Vec<Box<str>> {
    node.into_iter().flat_map(Node::items).filter_map(|item| Some(item.text()?.as_ref().into())).collect()
}

/// `exportTo` as a set.
pub(super) fn export_to(node: Option<Node<'_>>) -> Vec<Box<str>> {
    let mut set = texts(node);
    set.sort();
    set.dedup();
    set
}

pub(super) fn read(root: Node<'_>, meta: Meta, domain: &str, issues: &mut Issues) -> DestinationRule {
    let spec = root.get("spec");
    let get = |key: &str| spec.and_then(|s| s.get(key)).filter(|n| !n.is_null());
    let written = get("host").and_then(Node::text).unwrap_or_default();
    if written.is_empty() {
        let at = get("host").or(spec).unwrap_or(root);
        issues.add(at, "spec.host", "a DestinationRule without a host".to_owned(), "write the host of the service");
    }
    issues.template(get("host"), "spec.host");
    let mut subsets = Vec::new();
    for (at, subset) in get("subsets").into_iter().flat_map(Node::items).enumerate() {
        let path = format!("spec.subsets[{at}].trafficPolicy");
        subsets.push(Subset {
            name: subset.get("name").and_then(Node::text).unwrap_or_default().as_ref().into(),
            labels: Labels::read(subset.get("labels")),
            policy: read_policy(subset.get("trafficPolicy"), &path, issues),
        });
    }
    let selector = get("workloadSelector").map(|selector| Labels::read(selector.get("matchLabels")));
    let export_to = if selector.is_some() { vec![".".into()] } else { export_to(get("exportTo")) };
    DestinationRule {
        host: Host::resolve(&written, &meta.namespace, domain),
        policy: read_policy(get("trafficPolicy"), "spec.trafficPolicy", issues),
        subsets,
        export_to,
        selector,
        meta,
    }
}
