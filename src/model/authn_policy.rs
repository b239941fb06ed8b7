//! Policy, MeshPolicy and ServiceMeshPolicy: what a service's proxies demanded of their callers in Istio 1.0 to 1.5.
//!
//! `api:authentication/v1alpha1/policy.proto` at 1.4.0. Gone since Istio 1.6: then they change nothing.

use super::issue::Issues;
use super::meta::{Labels, Meta};
use super::peer_authentication::MtlsMode;
use super::service::{Port, Service};
use super::taint::{Scope, Taint};
use super::version::Version;
use super::{Host, Mesh};
use crate::location::Path;
use crate::yaml::{Kind, Node};

/// The kinds of the old API.
pub const OLD_POLICIES: [&str; 3] = ["Policy", "MeshPolicy", "ServiceMeshPolicy"];

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The whole mesh: a MeshPolicy, or Maistra's ServiceMeshPolicy. Only the one called `default` counts.
    Mesh,
    /// Its namespace, or the services there that its targets name: a Policy.
    Namespace,
}

/// One of `targets[].ports`: a port of the Service, not of the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSelector {
    /// `number`.
    Number(u16),
    /// `name`.
    Name(Box<str>),
    /// Neither: it matches no port (`model.Port.Match`).
    Nothing,
}

impl PortSelector {
    /// Whether it selects a Service port; `None`: the port is not known (number 0), so it may.
    #[must_use]
    pub fn selects(&self, port: &Port) -> Option<bool> {
        match self {
            Self::Nothing => Some(false),
            _ if port.number == 0 => None,
            Self::Number(number) => Some(*number == port.number),
            Self::Name(name) => Some(**name == *port.name),
        }
    }
}

/// One entry of `targets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The short name of a Service of the policy's namespace.
    pub name: Box<str>,
    /// The ports; none: all of them.
    pub ports: Vec<PortSelector>,
    /// Labels of workloads, which Istio 1.2 and 1.3 took in place of the name.
    pub labels: Labels,
}

/// One policy of the old API. Who makes one that stands in no file (an operator's) gives [`AuthnPolicy::meta`] the
/// number of the object that it follows from.
#[derive(Clone, Debug)]
pub struct AuthnPolicy {
    /// Name, namespace (empty for a MeshPolicy), age.
    pub meta: Meta,
    /// What it is for.
    pub reach: Reach,
    /// The kind is Maistra's ServiceMeshPolicy, which takes the place of MeshPolicy.
    pub maistra: bool,
    /// `targets`; none: everything in its reach.
    pub targets: Vec<Target>,
    /// What the first `mtls` peer says; DISABLE where there is none: then nothing speaks mutual TLS.
    pub mode: MtlsMode,
    /// Number of that peer in `peers`.
    pub peer: Option<u32>,
    /// `mtls.allowTls` of that peer.
    pub allow_tls: bool,
    /// The field that decides, where it is none of `spec.peers`: of a policy that stands in no file.
    pub path: Option<&'static str>,
}

impl AuthnPolicy {
    /// The policy of a whole mesh that an operator makes: called `default`, without targets.
    #[must_use]
    pub fn of_control_plane(meta: Meta, mode: MtlsMode, path: &'static str) -> Self {
        let (targets, peer) = (Vec::new(), None);
        Self { meta, reach: Reach::Mesh, maistra: true, targets, mode, peer, allow_tls: false, path: Some(path) }
    }

    /// Where the mode stands: `spec.peers[0].mtls`, or `spec` where no peer is about mutual TLS.
    #[must_use]
    pub fn mode_path(&self) -> String {
        match (self.path, self.peer) {
            (Some(path), _) => path.to_owned(),
            (None, Some(at)) => format!("spec.peers[{at}].mtls"),
            (None, None) => "spec".to_owned(),
        }
    }
}

/// `mtls.mode`: STRICT is the enum's zero. Istio read these objects as protobuf's JSON, which takes numbers too.
const MODES: &[(&str, MtlsMode)] = &[
    ("STRICT", MtlsMode::Strict),
    ("PERMISSIVE", MtlsMode::Permissive),
    ("0", MtlsMode::Strict),
    ("1", MtlsMode::Permissive),
];

pub(super) fn read(root: Node<'_>, meta: Meta, kind: &str, issues: &mut Issues) -> AuthnPolicy {
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let mut targets = Vec::new();
    for (at, target) in issues.mappings(get("targets"), "spec.targets") {
        targets.push(read_target(target, &format!("spec.targets[{at}]"), issues));
    }
    let (mut mode, mut peer, mut allow_tls) = (MtlsMode::Disable, None, false);
    for (at, entry) in issues.mappings(get("peers"), "spec.peers") {
        // `mtls: null` and `mtls: {}` are the same: STRICT. The first such peer decides, others are skipped.
        let Some(mtls) = entry.get("mtls").filter(|_| peer.is_none()) else { continue };
        let path = format!("spec.peers[{at}].mtls");
        let body = issues.mapping(Some(mtls), &path);
        let word = issues.word(body.and_then(|body| body.get("mode")), format_args!("{path}.mode"), MODES);
        mode = word.unwrap_or(MtlsMode::Strict);
        let allow = body.and_then(|body| body.get("allowTls").or(body.get("allow_tls")));
        allow_tls = issues.boolean(allow, format_args!("{path}.allowTls")).unwrap_or(false);
        peer = u32::try_from(at).ok();
    }
    let reach = if kind == "Policy" { Reach::Namespace } else { Reach::Mesh };
    let maistra = kind == "ServiceMeshPolicy";
    AuthnPolicy { meta, reach, maistra, targets, mode, peer, allow_tls, path: None }
}

fn read_target(target: Node<'_>, path: &str, issues: &mut Issues) -> Target {
    let name = issues.string(target.get("name"), format_args!("{path}.name")).unwrap_or_default();
    let mut ports = Vec::new();
    for (at, port) in issues.mappings(target.get("ports"), format_args!("{path}.ports")) {
        let path = format!("{path}.ports[{at}]");
        let number = issues.port(port.get("number"), format_args!("{path}.number"));
        let name = issues.string(port.get("name"), format_args!("{path}.name")).filter(|name| !name.is_empty());
        ports.push(match (number, name) {
            (Some(number), _) => PortSelector::Number(number),
            (None, Some(name)) => PortSelector::Name(name.as_ref().into()),
            (None, None) => PortSelector::Nothing,
        });
    }
    let labels = target.get("labels").filter(|labels| labels.kind() != Kind::Null);
    Target {
        name: name.as_ref().into(),
        ports,
        labels: Labels::read_selector(labels, format_args!("{path}.labels"), issues),
    }
}

impl Mesh {
    /// DestinationRules as Istio 1.0 read them: no `exportTo`, no `workloadSelector`, and a port by its name.
    pub(super) fn apply_old_rules(&mut self) {
        if self.version >= Version::one(1) {
            return;
        }
        let mut rules = std::mem::take(&mut self.rules);
        let mut unclear = Vec::new();
        for rule in &mut rules {
            rule.export_to.clear();
            rule.selector = None;
            let policies = rule.policy.iter_mut().chain(rule.subsets.iter_mut().filter_map(|s| s.policy.as_mut()));
            for (number, policy) in policies.flat_map(|policy| &mut policy.ports).filter(|(number, _)| number.is_none())
            {
                let Some(name) = &policy.port_name else { continue };
                match port_number(&self.services, &rule.host, name) {
                    Ok(found) => *number = found,
                    Err(()) => unclear.push((rule.meta.id, rule.host.clone())),
                }
            }
        }
        for (id, host) in unclear {
            let reason = format!("a port by its name in a rule for {host}: the Services that it matches differ");
            let at = self.locate(id, &Path::new("spec.trafficPolicy.portLevelSettings"));
            self.taints.push(Taint { scope: Scope::All, reason, object: Some(id), at });
        }
        self.rules = rules;
    }
}

/// The number that a port name stands for in every service of a host.
fn port_number(services: &[Service], host: &Host, name: &str) -> Result<Option<u16>, ()> {
    let matching = || services.iter().filter(|service| host.matches(&service.host) || service.host == *host);
    let numbers = matching().flat_map(|service| &service.ports).filter(|port| *port.name == *name);
    let mut numbers: Vec<u16> = numbers.map(|port| port.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    match numbers[..] {
        [] => Ok(None),
        // Of several services another one may have this number under another name.
        [number] if matching().all(|s| s.ports.iter().all(|p| p.number != number || *p.name == *name)) => {
            Ok(Some(number))
        }
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::protocol::Protocol;
    use crate::model::read::tests::{messages, meta};
    use crate::model::service::TargetPort;
    use MtlsMode::{Disable, Permissive, Strict};

    fn policy(spec: &str) -> (AuthnPolicy, Vec<String>) {
        let mut found = None;
        let messages = messages(&format!("spec: {spec}"), |root, issues| {
            found = Some(read(root, meta(), "Policy", issues));
        });
        (found.unwrap(), messages)
    }

    #[test]
    fn the_first_mtls_peer_decides() {
        for (spec, mode, peer) in [
            ("{}", Disable, None),
            ("{peers: }", Disable, None),
            ("{peers: []}", Disable, None),
            ("{peers: [{mtls: {}}]}", Strict, Some(0)),
            ("{peers: [{mtls: null}]}", Strict, Some(0)),
            ("{peers: [{mtls: {mode: STRICT}}]}", Strict, Some(0)),
            ("{peers: [{mtls: {mode: PERMISSIVE}}]}", Permissive, Some(0)),
            ("{peers: [{jwt: {issuer: a}}]}", Disable, None),
            ("{peers: [{jwt: {issuer: a}}, {mtls: {mode: PERMISSIVE}}, {mtls: {}}]}", Permissive, Some(1)),
            ("{peers: [{mtls: {}}], peerIsOptional: true, origins: [{jwt: {}}]}", Strict, Some(0)),
            ("{origins: [{jwt: {issuer: a}}]}", Disable, None),
        ] {
            let (read, issues) = policy(spec);
            assert_eq!((read.mode, read.peer, issues.len()), (mode, peer, 0), "{spec}");
        }
    }

    #[test]
    fn ports_are_those_of_the_service() {
        let port = |name: &str, number| Port {
            name: name.into(),
            number,
            target: TargetPort::Number(8080),
            protocol: Protocol::Http,
            grpc: false,
        };
        for (ports, name, number, want) in [
            ("{number: 80}", "http", 80, Some(true)),
            ("{number: 8080}", "http", 80, Some(false)),
            ("{name: http}", "http", 80, Some(true)),
            ("{name: http}", "web", 80, Some(false)),
            ("{}", "http", 80, Some(false)),
            ("{name: http}", "", 0, None),
        ] {
            let (read, _) = policy(&format!("{{targets: [{{name: web, ports: [{ports}]}}]}}"));
            assert_eq!(read.targets[0].ports[0].selects(&port(name, number)), want, "{ports} {name} {number}");
        }
    }

    #[test]
    fn wrong_types_are_issues() {
        for (spec, want) in [
            ("{targets: [{name: web, ports: [{number: 80}, {name: http}], labels: {a: b}}]}", ""),
            ("STRICT", "spec must be a mapping, not \"STRICT\""),
            ("{peers: {mtls: {}}}", "spec.peers must be a list, not a mapping"),
            ("{peers: [mtls]}", "spec.peers[0] must be a mapping, not \"mtls\""),
            ("{peers: [{mtls: STRICT}]}", "spec.peers[0].mtls must be a mapping, not \"STRICT\""),
            ("{peers: [{mtls: {mode: DISABLE}}]}", "\"DISABLE\" is not a value of spec.peers[0].mtls.mode"),
            ("{targets: web}", "spec.targets must be a list, not \"web\""),
            ("{targets: [{name: web, ports: [80]}]}", "spec.targets[0].ports[0] must be a mapping, not 80"),
        ] {
            assert_eq!(policy(spec).1.join("; "), want, "{spec}");
        }
    }
}
