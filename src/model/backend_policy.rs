//! BackendTLSPolicy and XBackendTrafficPolicy: the rules that istiod makes of them, one for each Service that they name.
//!
//! `pilot/pkg/config/kube/gateway/backend_policies.go : DestinationRuleCollection, BackendTLSPolicyCollection`.

use super::destination_rule::{ClientTls, DestinationRule, PortPolicy, TlsMode, TrafficPolicy};
use super::host::Host;
use super::issue::Issues;
use super::meta::{Meta, ObjectId, order_known};
use super::service::{Origin, Service};
use crate::yaml::Node;
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
    /// Kind is Service; others are not followed.
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
    for (at, target) in issues.mappings(get("targetRefs"), "spec.targetRefs") {
        let mut text = |key: &str| -> Box<str> {
            let path = format!("spec.targetRefs[{at}].{key}");
            issues.string(target.get(key), path).unwrap_or_default().as_ref().into()
        };
        let (group, kind, name, section) = (text("group"), text("kind"), text("name"), text("sectionName"));
        let service = group.is_empty() && &*kind == "Service";
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
        mode: TlsMode::Simple,
        mode_written: false,
        secret_credential: false,
        credential: !references.is_empty(),
        client_certificate: false,
        sans,
        sni: hostname.map(|name| name.as_ref().into()),
    });
    BackendPolicy { meta, tls, targets, unclear: is_tls && !configured }
}

/// The rules that istiod makes of the policies, and the hosts about which it cannot be said.
pub(super) fn rules(
    policies: &[BackendPolicy],
    services: &[Service],
    domain: &str,
) -> (Vec<DestinationRule>, Vec<(Host, ObjectId)>) {
    let mut by_host: BTreeMap<Host, Vec<(&BackendPolicy, &Target)>> = BTreeMap::new();
    let mut unclear = Vec::new();
    for policy in policies {
        for target in &policy.targets {
            let host = Host::of_service(&target.name, &policy.meta.namespace, domain);
            if policy.unclear || !target.service {
                unclear.push((host, policy.meta.id));
            } else {
                by_host.entry(host).or_default().push((policy, target));
            }
        }
    }
    let mut made = Vec::new();
    for (host, mut parts) in by_host {
        // A target that is not there makes no rule.
        let service = services.iter().find(|service| service.host == host && service.origin == Origin::Kubernetes);
        let Some(service) = service else { continue };
        parts.sort_by(|a, b| a.0.meta.age_key().cmp(&b.0.meta.age_key()));
        if let Some(rivals) = rivals(&parts) {
            unclear.push((host, rivals));
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
