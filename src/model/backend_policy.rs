//! BackendTLSPolicy and XBackendTrafficPolicy: the rules that istiod makes of them, one for each Service that they name.
//!
//! `pilot/pkg/config/kube/gateway/backend_policies.go : DestinationRuleCollection, BackendTLSPolicyCollection`.

use super::destination_rule::{ClientTls, DestinationRule, PortPolicy, TlsMode, TrafficPolicy};
use super::host::Host;
use super::issue::Issues;
use super::meta::{Meta, ObjectId, order_known};
use super::service::{Origin, Service};
use super::taint::Scope;
use crate::yaml::{Kind, Node};
use std::collections::BTreeMap;

/// One policy.
#[derive(Clone, Debug)]
pub struct BackendPolicy {
    /// Name, namespace, age.
    pub meta: Meta,
    /// What is sent, by a BackendTLSPolicy: one-way TLS.
    pub tls: Option<ClientTls>,
    /// `targetRefs`.
    pub targets: Vec<Target>,
    /// Its certificate reference is of a kind that istiod refuses: what it makes of it then is not followed.
    pub unclear: bool,
}

/// One of `targetRefs`.
#[derive(Clone, Debug)]
pub struct Target {
    /// It is a Service with a name; other kinds are not followed.
    pub service: bool,
    /// Name.
    pub name: Box<str>,
    /// `sectionName`: the name of a Service port.
    pub section: Option<Box<str>>,
}

/// Which policies a rule was made of.
#[derive(Clone, Debug)]
pub struct MadeFrom {
    /// That of the policy itself.
    pub top: ObjectId,
    /// That of each entry of `portLevelSettings`.
    pub ports: Vec<ObjectId>,
}

pub(super) fn read(root: Node<'_>, meta: Meta, is_tls: bool, issues: &mut Issues) -> BackendPolicy {
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|spec| spec.get(key));
    let mut targets = Vec::new();
    let list = get("targetRefs").filter(|list| !list.is_null());
    if list.is_none_or(|list| list.kind() == Kind::Seq && list.is_empty()) {
        // The earliest versions had one `targetRef`; the API server drops it, and refuses a policy without a target.
        let at = get("targetRef").or(list).or(spec).unwrap_or(root);
        let message = "spec.targetRefs is missing: the policy names nothing".to_owned();
        issues.add(
            at,
            "spec.targetRefs",
            message,
            "list the Services under spec.targetRefs, each with group, kind and name",
        );
    }
    for (at, target) in issues.mappings(list, "spec.targetRefs") {
        let mut text = |key: &str| -> Box<str> {
            let path = format!("spec.targetRefs[{at}].{key}");
            issues.string(target.get(key), path).unwrap_or_default().as_ref().into()
        };
        let (group, kind, name, section) = (text("group"), text("kind"), text("name"), text("sectionName"));
        let service = group.is_empty() && &*kind == "Service" && !name.is_empty();
        targets.push(Target { service, name, section: Some(section).filter(|section| !section.is_empty()) });
    }
    let validation = issues.mapping(get("validation"), "spec.validation");
    let field = |key: &str| validation.and_then(|validation| validation.get(key));
    let hostname = issues.string(field("hostname"), "spec.validation.hostname").filter(|name| !name.is_empty());
    let mut sans = Vec::new();
    for (at, name) in issues.mappings(field("subjectAltNames"), "spec.validation.subjectAltNames") {
        for key in ["hostname", "uri"] {
            let path = format!("spec.validation.subjectAltNames[{at}].{key}");
            sans.extend(issues.string(name.get(key), path).map(|text| Box::<str>::from(text.as_ref())));
        }
    }
    let references = issues.mappings(field("caCertificateRefs"), "spec.validation.caCertificateRefs");
    let configured = references
        .first()
        .is_none_or(|(_, first)| first.get("kind").and_then(Node::as_str).is_none_or(|kind| kind == "ConfigMap"));
    let tls = is_tls.then(|| ClientTls {
        mode_written: false,
        credential: !references.is_empty(),
        sans,
        sni: hostname.map(|name| name.as_ref().into()),
        ..ClientTls::of(TlsMode::Simple)
    });
    BackendPolicy { meta, tls, targets, unclear: is_tls && !configured }
}

impl BackendPolicy {
    /// The hosts of the Services that it names.
    pub(super) fn hosts<'a>(&'a self, domain: &'a str) -> impl Iterator<Item = Host> + 'a {
        let services = self.targets.iter().filter(|target| target.service);
        services.map(move |target| Host::of_service(&target.name, &self.meta.namespace, domain))
    }

    /// The rows that one of its targets speaks of: of a ServiceEntry or a slip, any of its namespace.
    fn scope(&self, target: &Target, domain: &str) -> Scope {
        match target.service {
            true => Scope::Host(Host::of_service(&target.name, &self.meta.namespace, domain)),
            false => Scope::Services(self.meta.namespace.clone()),
        }
    }

    /// The rows that it speaks of.
    pub(super) fn scopes(&self, domain: &str) -> Vec<Scope> {
        self.targets.iter().map(|target| self.scope(target, domain)).collect()
    }
}

/// The rules that istiod makes of the policies, and the rows about which it cannot be said.
pub(super) fn rules(
    policies: &[BackendPolicy],
    services: &[Service],
    domain: &str,
) -> (Vec<DestinationRule>, Vec<(Scope, ObjectId)>) {
    let mut by_host: BTreeMap<Host, Vec<(&BackendPolicy, &Target)>> = BTreeMap::new();
    let mut unclear = Vec::new();
    for policy in policies {
        for target in &policy.targets {
            match policy.scope(target, domain) {
                Scope::Host(host) if !policy.unclear => by_host.entry(host).or_default().push((policy, target)),
                scope => unclear.push((scope, policy.meta.id)),
            }
        }
    }
    let mut made = Vec::new();
    for (host, mut parts) in by_host {
        // A target that is not in the input: the cluster may have it.
        let service = services.iter().find(|service| service.host == host && service.origin == Origin::Kubernetes);
        let Some(service) = service else {
            unclear.extend(parts.first().map(|(policy, _)| (Scope::Host(host), policy.meta.id)));
            continue;
        };
        parts.sort_by(|a, b| a.0.meta.age_key().cmp(&b.0.meta.age_key()));
        if let Some(rivals) = rivals(&parts) {
            unclear.push((Scope::Host(host), rivals));
            continue;
        }
        made.extend(rule(host, service, &parts));
    }
    (made, unclear)
}

/// A policy that competes with another for the same part of a Service, where their ages are not known.
fn rivals(parts: &[(&BackendPolicy, &Target)]) -> Option<ObjectId> {
    let tls = || parts.iter().filter(|(policy, _)| policy.tls.is_some());
    let clash = |a: &(&BackendPolicy, &Target), b: &(&BackendPolicy, &Target)| {
        a.0.meta.id != b.0.meta.id
            && a.1.section == b.1.section
            && a.0.tls != b.0.tls
            && !order_known(&a.0.meta, &b.0.meta)
    };
    tls().find(|a| tls().any(|b| clash(a, b))).map(|(policy, _)| policy.meta.id)
}

/// The one rule of a Service: the oldest policy counts, for the Service and for each of its ports.
fn rule(host: Host, service: &Service, parts: &[(&BackendPolicy, &Target)]) -> Option<DestinationRule> {
    let (mut policy, mut from) =
        (TrafficPolicy::default(), MadeFrom { top: parts.first()?.0.meta.id, ports: Vec::new() });
    let mut kept = 0;
    for (part, target) in parts {
        let Some(section) = &target.section else {
            kept += 1;
            if policy.top.tls.is_none() && part.tls.is_some() {
                (policy.top.tls, from.top) = (part.tls.clone(), part.meta.id);
            }
            continue;
        };
        // A section that is no port of the Service: the target does not resolve.
        let Some(port) = service.ports.iter().find(|port| port.name == *section) else { continue };
        kept += 1;
        if policy.ports.iter().all(|(number, _)| *number != Some(port.number)) && part.tls.is_some() {
            policy
                .ports
                .push((Some(port.number), PortPolicy { tls: part.tls.clone(), passthrough: false, port_name: None }));
            from.ports.push(part.meta.id);
        }
    }
    let meta = &parts.iter().find(|(part, _)| part.meta.id == from.top)?.0.meta;
    (kept > 0).then(|| DestinationRule {
        // The rule has no creation time, so that it stands before every other.
        meta: Meta { created: Some("".into()), ..meta.clone() },
        host,
        policy: Some(policy),
        subsets: Vec::new(),
        export_to: Vec::new(),
        selector: None,
        made_from: Some(from),
    })
}

#[cfg(test)]
mod tests {
    use crate::location::Sources;
    use crate::model::{Mesh, Options, Scope, load};

    fn mesh(targets: &str, more: &str) -> Mesh {
        let mut sources = Sources::default();
        let text = format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: BackendTLSPolicy, metadata: {{name: b, namespace: shop}}, spec: {{{targets} validation: {{hostname: web, wellKnownCACertificates: System}}}}}}\n---\n{more}\n"
        );
        sources.add("a.yaml", text);
        load(sources, Options::default())
    }

    #[test]
    fn a_policy_is_a_rule_or_a_taint() {
        const WEB: &str = "targetRefs: [{group: '', kind: Service, name: web}],";
        const SERVICE: &str =
            "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{port: 80}]}}";
        let (host, shop) = (Some("web.shop.svc.cluster.local"), Some("shop"));
        for (targets, more, rules, tainted, findings) in [
            (WEB, SERVICE, 1, None, 0),
            (WEB, "", 0, host, 0),
            ("targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: e}],", SERVICE, 0, shop, 0),
            ("targetRefs: [{kind: service, name: web}],", SERVICE, 0, shop, 0),
            ("targetRef: {group: '', kind: Service, name: web},", SERVICE, 0, shop, 1),
            ("targetRefs: [],", SERVICE, 0, shop, 1),
            ("", SERVICE, 0, shop, 1),
        ] {
            let mesh = mesh(targets, more);
            let scope = |scope: &Scope| match scope {
                Scope::Host(host) => host.as_str().to_owned(),
                Scope::Services(namespace) => namespace.to_string(),
                other => format!("{other:?}"),
            };
            let taints: Vec<String> = mesh.taints.iter().map(|taint| scope(&taint.scope)).collect();
            assert_eq!(taints.first().map(String::as_str), tainted, "{targets} {more}");
            assert_eq!((mesh.rules.len(), mesh.findings.len()), (rules, findings), "{targets} {more}");
        }
    }

    #[test]
    fn its_rule_comes_before_every_other() {
        let service = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{port: 80}]}}\n---\n";
        let rule = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: a, namespace: shop}, spec: {host: web}}";
        let mesh = mesh("targetRefs: [{group: '', kind: Service, name: web}],", &format!("{service}{rule}"));
        let [first, second] = &mesh.rules[..] else { panic!("two rules") };
        assert!(first.made_from.is_some() && second.made_from.is_none());
        assert!(crate::model::meta::order_known(&first.meta, &second.meta));
    }
}
