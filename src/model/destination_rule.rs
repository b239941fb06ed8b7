//! DestinationRule: what clients are told to send to a host.

use super::backend_policy::MadeFrom;
use super::fields::export_to;
use super::host::Host;
use super::issue::Issues;
use super::meta::{Labels, Meta, ObjectId};
use super::version::Version;
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
    /// `port.name` of an entry, which only Istio 1.0 takes.
    pub port_name: Option<Box<str>>,
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

impl ClientTls {
    /// A block that sets a mode and nothing else.
    #[must_use]
    pub fn of(mode: TlsMode) -> Self {
        Self {
            mode,
            mode_written: true,
            secret_credential: false,
            credential: false,
            client_certificate: false,
            sans: Vec::new(),
            sni: None,
        }
    }
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
    /// `exportTo`, as written, sorted; with a `workloadSelector` that is read always `{.}` (2.3).
    pub export_to: Vec<Box<str>>,
    /// `workloadSelector.matchLabels`: the clients that it is for.
    pub selector: Option<Labels>,
    /// The policies of the Gateway API that istiod made it of; `None`: a user wrote it.
    pub made_from: Option<MadeFrom>,
}

impl DestinationRule {
    /// Takes its `workloadSelector` as a version of Istio does: it keeps the rule in its namespace, or is not read.
    pub(super) fn settle(&mut self, version: Version) {
        if !version.reads_rule_selectors() {
            self.selector = None;
        } else if self.selector.is_some() {
            self.export_to = vec![".".into()];
        }
    }

    /// The object that a `tls` block was read from: the policy's own, or that of an entry of `portLevelSettings`.
    #[must_use]
    pub fn tls_object(&self, port: Option<u32>) -> ObjectId {
        let Some(from) = &self.made_from else { return self.meta.id };
        port.and_then(|at| from.ports.get(at as usize)).copied().unwrap_or(from.top)
    }
}

const TLS_MODES: &[(&str, TlsMode)] = &[
    ("DISABLE", TlsMode::Disable),
    ("SIMPLE", TlsMode::Simple),
    ("MUTUAL", TlsMode::Mutual),
    ("ISTIO_MUTUAL", TlsMode::IstioMutual),
];

fn read_tls(node: Option<Node<'_>>, path: &str, issues: &mut Issues) -> Option<ClientTls> {
    let tls = issues.mapping(node, path)?;
    let mut text = |key: &str| issues.string(tls.get(key), format_args!("{path}.{key}")).filter(|t| !t.is_empty());
    let credential = text("credentialName");
    let (certificate, key, sni) = (text("clientCertificate"), text("privateKey"), text("sni"));
    let written = tls.get("mode").filter(|n| !n.is_null());
    Some(ClientTls {
        mode: issues.word(written, format_args!("{path}.mode"), TLS_MODES).unwrap_or(TlsMode::Disable),
        mode_written: written.is_some(),
        secret_credential: credential.as_deref().is_some_and(|name| !name.starts_with("configmap://")),
        credential: credential.is_some(),
        client_certificate: certificate.is_some() && key.is_some(),
        sans: issues.strings(tls.get("subjectAltNames"), format_args!("{path}.subjectAltNames")),
        sni: sni.map(|sni| sni.as_ref().into()),
    })
}

fn read_port_policy(node: Node<'_>, path: &str, issues: &mut Issues) -> PortPolicy {
    let balancer = issues.mapping(node.get("loadBalancer"), format_args!("{path}.loadBalancer"));
    let simple = balancer.and_then(|b| b.get("simple"));
    let simple = issues.string(simple, format_args!("{path}.loadBalancer.simple"));
    PortPolicy {
        tls: read_tls(node.get("tls"), &format!("{path}.tls"), issues),
        passthrough: simple.as_deref() == Some("PASSTHROUGH"),
        port_name: None,
    }
}

fn read_policy(node: Option<Node<'_>>, path: &str, issues: &mut Issues) -> Option<TrafficPolicy> {
    let node = issues.mapping(node, path)?;
    let mut ports = Vec::new();
    for (at, entry) in issues.mappings(node.get("portLevelSettings"), format_args!("{path}.portLevelSettings")) {
        let path = format!("{path}.portLevelSettings[{at}]");
        let port = issues.mapping(entry.get("port"), format_args!("{path}.port"));
        let number = issues.port(port.and_then(|p| p.get("number")), format_args!("{path}.port.number"));
        let name = port.and_then(|p| p.get("name")).and_then(Node::text).filter(|name| !name.is_empty());
        let port_name = name.map(|name| name.as_ref().into());
        ports.push((number, PortPolicy { port_name, ..read_port_policy(entry, &path, issues) }));
    }
    Some(TrafficPolicy { top: read_port_policy(node, path, issues), ports })
}

pub(super) fn read(root: Node<'_>, meta: Meta, domain: &str, issues: &mut Issues) -> DestinationRule {
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|s| s.get(key)).filter(|n| !n.is_null());
    let written = issues.string(get("host"), "spec.host").unwrap_or_default();
    if written.is_empty() {
        let at = get("host").or(spec).unwrap_or(root);
        issues.add(at, "spec.host", "a DestinationRule without a host".to_owned(), "write the host of the service");
    }
    issues.template(get("host"), "spec.host");
    let mut subsets = Vec::new();
    for (at, subset) in issues.mappings(get("subsets"), "spec.subsets") {
        let path = format!("spec.subsets[{at}]");
        let name = issues.string(subset.get("name"), format_args!("{path}.name")).unwrap_or_default();
        subsets.push(Subset {
            name: name.as_ref().into(),
            labels: Labels::read_selector(subset.get("labels"), format_args!("{path}.labels"), issues),
            policy: read_policy(subset.get("trafficPolicy"), &format!("{path}.trafficPolicy"), issues),
        });
    }
    let selector = issues.mapping(get("workloadSelector"), "spec.workloadSelector").map(|selector| {
        Labels::read_selector(selector.get("matchLabels"), "spec.workloadSelector.matchLabels", issues)
    });
    DestinationRule {
        host: Host::resolve(&written, &meta.namespace, domain),
        policy: read_policy(get("trafficPolicy"), "spec.trafficPolicy", issues),
        subsets,
        export_to: export_to(get("exportTo"), "spec.exportTo", issues),
        selector,
        made_from: None,
        meta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::{messages, meta};

    #[test]
    fn wrong_types_are_issues() {
        for (spec, want) in [
            ("trafficPolicy: {}", ""),
            ("trafficPolicy: {tls: {}, portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}", ""),
            (
                "subsets: [{name: v1, labels: {version: v1}}], exportTo: [.], workloadSelector: {matchLabels: {a: b}}",
                "",
            ),
            ("trafficPolicy: DISABLE", "spec.trafficPolicy must be a mapping, not \"DISABLE\""),
            ("trafficPolicy: {tls: DISABLE}", "spec.trafficPolicy.tls must be a mapping, not \"DISABLE\""),
            ("trafficPolicy: {tls: {mode: simple}}", "\"simple\" is not a value of spec.trafficPolicy.tls.mode"),
            ("trafficPolicy: {tls: {sni: 5}}", "spec.trafficPolicy.tls.sni must be a string: quote it"),
            (
                "trafficPolicy: {tls: {subjectAltNames: a}}",
                "spec.trafficPolicy.tls.subjectAltNames must be a list, not \"a\"",
            ),
            (
                "trafficPolicy: {portLevelSettings: {port: {number: 80}}}",
                "spec.trafficPolicy.portLevelSettings must be a list, not a mapping",
            ),
            (
                "trafficPolicy: {portLevelSettings: [{port: 80}]}",
                "spec.trafficPolicy.portLevelSettings[0].port must be a mapping, not 80",
            ),
            (
                "trafficPolicy: {loadBalancer: PASSTHROUGH}",
                "spec.trafficPolicy.loadBalancer must be a mapping, not \"PASSTHROUGH\"",
            ),
            ("subsets: {name: v1}", "spec.subsets must be a list, not a mapping"),
            ("subsets: [v1]", "spec.subsets[0] must be a mapping, not \"v1\""),
            ("subsets: [{name: 1}]", "spec.subsets[0].name must be a string: quote it"),
            ("subsets: [{labels: {version: 1.10}}]", "spec.subsets[0].labels[\"version\"] must be a string: quote it"),
            ("exportTo: .", "spec.exportTo must be a list, not \".\""),
            ("workloadSelector: app", "spec.workloadSelector must be a mapping, not \"app\""),
            (
                "workloadSelector: {matchLabels: [app]}",
                "spec.workloadSelector.matchLabels must be a mapping, not a list",
            ),
        ] {
            let text = format!("spec: {{host: web, {spec}}}");
            let found = messages(&text, |root, issues| {
                read(root, meta(), "cluster.local", issues);
            });
            assert_eq!(found.join("; "), want, "{text}");
        }
        let text = "spec: {host: 5}";
        let found = messages(text, |root, issues| {
            read(root, meta(), "cluster.local", issues);
        });
        assert_eq!(found.join("; "), "spec.host must be a string: quote it");
    }
}
