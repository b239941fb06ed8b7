//! The workloads that AuthorizationPolicies select: which of their ports take plaintext, which are TCP, and what other
//! policies let in there.
//!
//! Policies with the same scope (namespace and selector) share one answer, so that the work grows with the number of
//! scopes and workloads, not with their product.

use super::Lint;
use super::authorization::{About, Action, AuthorizationPolicy, AuthorizationRule};
use crate::finding::Confidence;
use crate::model::service::Origin;
use crate::model::{Labels, MtlsMode, Protocol, Proxy};
use crate::mtls::endpoints::{Front, Who};
use crate::mtls::outcome::PortKind;
use crate::mtls::server::{self, ModeFrom, Winners};
use foldhash::{HashMap, HashMapExt};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// A declared port of a workload behind its sidecar.
#[derive(Clone, Copy, Debug)]
struct Declared {
    /// Every declaration says a protocol that is not HTTP.
    tcp: bool,
    /// What stands in front is understood.
    sure: bool,
}

/// What all policies together say of one workload.
#[derive(Clone, Debug, Default)]
struct Gate {
    /// There is an ALLOW policy: what none matches is refused.
    allow: bool,
    /// An ALLOW rule may match a caller without identity.
    allows_plaintext: bool,
    /// A DENY rule refuses every caller without identity.
    denies_plaintext: bool,
    /// ALLOW rules that also exist for TCP: of every port, or of these.
    tcp_all: bool,
    tcp_ports: Vec<u16>,
}

/// A port that takes plaintext, with the workload that was seen first.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Number of the workload; `None`: workloads that the input does not hold.
    pub workload: Option<u32>,
    /// How many workloads have it.
    pub count: usize,
    /// PERMISSIVE or DISABLE.
    pub mode: MtlsMode,
    /// What set it.
    pub from: ModeFrom,
    /// How sure.
    pub confidence: Confidence,
}

/// Ports that take plaintext: those that Services declare, and others. Of the others 0 stands for every port that
/// nothing names.
#[derive(Debug, Default)]
pub struct OpenPorts {
    declared: BTreeMap<u16, Open>,
    others: BTreeMap<u16, Open>,
}

/// Ports of a scope.
#[derive(Debug, Default)]
pub struct Reach {
    /// Ports at which a caller without identity is not refused by DENY.
    pub open: OpenPorts,
    /// Those of them at which it may be let in: some ALLOW rule matches it, or there is no ALLOW policy.
    pub unguarded: OpenPorts,
    /// TCP ports: the first workload, and how many.
    pub tcp: BTreeMap<u16, (u32, usize)>,
    /// Those of them for which no ALLOW rule is left.
    pub tcp_refused: BTreeMap<u16, (u32, usize)>,
    /// Workloads without a proxy: the first, and how many.
    pub naked: Option<(u32, usize)>,
    /// A workload of the scope has a proxy.
    pub proxied: bool,
    /// Ports that Services declare or policies name, whatever their mode.
    named: BTreeSet<u16>,
    /// Services declare ports.
    declared: bool,
}

impl Reach {
    /// The lists that a port of a workload belongs to.
    fn of_gate(&mut self, gate: &Gate) -> impl Iterator<Item = &mut OpenPorts> {
        let open = (!gate.denies_plaintext).then_some(&mut self.open);
        let guarded = gate.denies_plaintext || (gate.allow && !gate.allows_plaintext);
        open.into_iter().chain((!guarded).then_some(&mut self.unguarded))
    }

    /// The ports that a rule is about, of those that take plaintext.
    #[must_use]
    pub fn concerned(&self, ports: &OpenPorts, rule: &AuthorizationRule) -> Vec<(u16, Open)> {
        let declared = ports.declared.iter().filter(|(port, _)| rule.concerns_port(**port));
        let mut found: Vec<(u16, Open)> = declared.map(|(port, open)| (*port, *open)).collect();
        for port in rule.named_ports().filter(|port| rule.concerns_port(*port)) {
            let unnamed = if self.named.contains(&port) { None } else { ports.others.get(&0) };
            let open = ports.others.get(&port).or(unnamed);
            found.extend(open.filter(|_| !ports.declared.contains_key(&port)).map(|open| (port, *open)));
        }
        if !self.declared && rule.concerns_port(0) {
            found.extend(ports.others.get(&0).map(|open| (0, *open)));
        }
        found.sort_by_key(|(port, _)| *port);
        found.dedup_by_key(|(port, _)| *port);
        found
    }
}

/// Namespace and selector; no namespace: the whole mesh.
type ScopeKey = (Option<Arc<str>>, Labels);

/// What the rules about AuthorizationPolicy ask of the mesh.
pub struct Reaches<'l, 'm> {
    lint: &'l Lint<'m>,
    ports: Vec<BTreeMap<u16, Declared>>,
    gates: Vec<Gate>,
    namespaces: Vec<Arc<str>>,
    known: HashMap<ScopeKey, Rc<Reach>>,
}

fn key(lint: &Lint<'_>, policy: &AuthorizationPolicy) -> ScopeKey {
    let wide = policy.namespace == lint.mesh.root;
    ((!wide).then(|| policy.namespace.clone()), policy.selector.clone())
}

/// Whether a caller without identity may match a rule: no source of it without fields about identity that are positive.
fn takes_plaintext(rule: &AuthorizationRule) -> bool {
    rule.callers().any(|mut fields| !fields.any(|field| field.about == About::Identity && !field.negative))
}

/// A DENY rule that every caller without identity matches, whatever else it is: `notPrincipals` alone.
fn refuses_plaintext(rule: &AuthorizationRule) -> bool {
    let only_negative = |source: &Vec<super::authorization::Field>| {
        source.iter().all(|field| field.about == About::Identity && field.negative)
    };
    let anything = rule.operations.iter().all(Vec::is_empty) && rule.conditions.is_empty();
    anything && (rule.sources.is_empty() || rule.sources.iter().any(only_negative))
}

impl Gate {
    fn of(policy: &AuthorizationPolicy) -> Self {
        let mut gate = Self::default();
        for rule in &policy.rules {
            match policy.action {
                Action::Allow => gate.allows_plaintext |= takes_plaintext(rule),
                Action::Deny => gate.denies_plaintext |= refuses_plaintext(rule),
                Action::Audit | Action::Custom => {}
            }
            if policy.action == Action::Allow && !rule.fields().any(|field| field.about == About::Http) {
                gate.tcp_ports.extend(rule.named_ports().filter(|port| rule.concerns_port(*port)));
                gate.tcp_all |= !rule.fields().any(|field| field.about == About::Port && !field.negative);
            }
        }
        gate.allow = policy.action == Action::Allow;
        gate
    }

    fn add(&mut self, other: &Self) {
        self.allow |= other.allow;
        self.allows_plaintext |= other.allows_plaintext;
        self.denies_plaintext |= other.denies_plaintext;
        self.tcp_all |= other.tcp_all;
        self.tcp_ports.extend(&other.tcp_ports);
    }
}

impl<'l, 'm> Reaches<'l, 'm> {
    /// Works out what all policies together let in.
    #[must_use]
    pub fn new(lint: &'l Lint<'m>, policies: &[AuthorizationPolicy]) -> Self {
        let mut namespaces: Vec<Arc<str>> = lint.mesh.workloads.iter().map(|w| w.meta.namespace.clone()).collect();
        // Workloads are sorted by namespace.
        namespaces.dedup();
        let gates = vec![Gate::default(); lint.mesh.workloads.len()];
        let mut all = Self { lint, ports: declared(lint), gates, namespaces, known: HashMap::new() };
        let mut by_scope: BTreeMap<ScopeKey, Gate> = BTreeMap::new();
        for policy in policies.iter().filter(|policy| !policy.targeted) {
            by_scope.entry(key(lint, policy)).or_default().add(&Gate::of(policy));
        }
        for (scope, mut gate) in by_scope {
            gate.tcp_ports.sort_unstable();
            gate.tcp_ports.dedup();
            for workload in all.members(&scope) {
                if let Some(slot) = all.gates.get_mut(workload as usize) {
                    slot.add(&gate);
                }
            }
        }
        all
    }

    /// The workloads of a scope, ascending within a namespace.
    fn members(&self, (namespace, selector): &ScopeKey) -> Vec<u32> {
        let mesh = self.lint.mesh;
        match namespace {
            Some(namespace) => mesh.select(namespace, selector).collect(),
            None => self.namespaces.iter().flat_map(|namespace| mesh.select(namespace, selector)).collect(),
        }
    }

    /// The ports that a policy is about.
    pub fn of(&mut self, policy: &AuthorizationPolicy) -> Rc<Reach> {
        let scope = key(self.lint, policy);
        if let Some(found) = self.known.get(&scope) {
            return found.clone();
        }
        let mut reach = Reach::default();
        for workload in self.members(&scope) {
            self.add(workload, &mut reach);
        }
        if !reach.proxied && reach.naked.is_none() {
            self.imagine(&scope, &mut reach);
        }
        let reach = Rc::new(reach);
        self.known.insert(scope, reach.clone());
        reach
    }

    /// Adds the ports of one workload.
    fn add(&self, number: u32, reach: &mut Reach) {
        let mesh = self.lint.mesh;
        let Some(workload) = mesh.workloads.get(number as usize).filter(|workload| !workload.finished) else { return };
        match workload.proxy {
            Proxy::Sidecar | Proxy::Ambient => reach.proxied = true,
            Proxy::None => {
                let (_, count) = reach.naked.get_or_insert((number, 0));
                *count += 1;
                return;
            }
            // Neither PeerAuthentication nor this reading of a policy is theirs.
            Proxy::Gateway | Proxy::Grpc | Proxy::Waypoint => {
                reach.proxied = true;
                return;
            }
        }
        let guess = matches!(workload.kind, "Namespace" | "Service") || workload.assumed;
        let sure = !guess && matches!(workload.proxy, Proxy::Sidecar | Proxy::Ambient);
        let none = BTreeMap::new();
        let ports = self.ports.get(number as usize).unwrap_or(&none);
        reach.declared |= !ports.is_empty();
        let gate = self.gates.get(number as usize).cloned().unwrap_or_default();
        for (port, declared) in ports {
            if declared.tcp && workload.proxy == Proxy::Sidecar {
                count(&mut reach.tcp, *port, number);
                if !gate.tcp_all && !gate.tcp_ports.contains(port) {
                    count(&mut reach.tcp_refused, *port, number);
                }
            }
            reach.named.insert(*port);
            let modes = self.lint.modes(number, *port);
            let Some(open) = self.open(&modes, Some(number), sure && declared.sure) else { continue };
            for ports in reach.of_gate(&gate) {
                merge(&mut ports.declared, *port, open);
            }
        }
        let own = server::workload_policies(mesh, workload, 0);
        let named = own.iter().flatten().filter_map(|n| mesh.policies.get(*n as usize)).flat_map(|p| &p.ports);
        let mut others: Vec<u16> = named.map(|(port, _)| *port).filter(|port| !ports.contains_key(port)).collect();
        reach.named.extend(&others);
        others.push(0);
        others.dedup();
        for port in others {
            let Some(open) = self.open(&self.lint.modes(number, port), Some(number), sure) else { continue };
            for ports in reach.of_gate(&gate) {
                merge(&mut ports.others, port, open);
            }
        }
    }

    /// What policies say of workloads that the input does not hold.
    fn imagine(&self, (namespace, selector): &ScopeKey, reach: &mut Reach) {
        let mesh = self.lint.mesh;
        let real = |n: u32| mesh.workloads.get(n as usize).is_some_and(|w| !matches!(w.kind, "Namespace" | "Service"));
        let namespace = namespace.clone().unwrap_or_else(|| mesh.root.clone());
        let everything = Labels::default();
        if mesh.select(&namespace, &everything).any(real) {
            return;
        }
        let own = server::machine_policies(mesh, &namespace, selector, 0);
        let wide = server::wide_policies(mesh, &namespace);
        let pairs = wide.iter().flat_map(|wide| own.iter().map(|own| Winners { workload: *own, ..*wide }));
        let modes: Vec<_> = pairs.map(|winners| server::effective_mode(&mesh.policies, winners, 0)).collect();
        if let Some(open) = self.open(&modes, None, false) {
            reach.open.others.insert(0, open);
            reach.unguarded.others.insert(0, open);
        }
    }

    /// A port of these possible modes, where one of them takes plaintext.
    fn open(&self, modes: &[(MtlsMode, ModeFrom)], workload: Option<u32>, sure: bool) -> Option<Open> {
        let (mode, from) = *modes.iter().find(|(mode, _)| *mode != MtlsMode::Strict)?;
        let all = modes.iter().all(|(mode, _)| *mode != MtlsMode::Strict);
        let confidence = match (sure && all, from.policy) {
            (true, Some(_)) => Confidence::High,
            // That no policy makes it STRICT is known of the input only.
            (true, None) if !self.lint.mesh.policies.is_empty() => Confidence::Medium,
            _ => Confidence::Low,
        };
        Some(Open { workload, count: 1, mode, from, confidence })
    }
}

fn count(map: &mut BTreeMap<u16, (u32, usize)>, port: u16, workload: u32) {
    map.entry(port).or_insert((workload, 0)).1 += 1;
}

/// Keeps the surest; the first of equals.
fn merge(map: &mut BTreeMap<u16, Open>, port: u16, open: Open) {
    let slot = map.entry(port).or_insert(Open { count: 0, ..open });
    let count = slot.count + 1;
    if open.confidence < slot.confidence {
        *slot = open;
    }
    slot.count = count;
}

/// The ports of each workload that Services declare and that pass through its proxy.
fn declared(lint: &Lint<'_>) -> Vec<BTreeMap<u16, Declared>> {
    let mesh = lint.mesh;
    let mut all = vec![BTreeMap::new(); mesh.workloads.len()];
    for rows in &lint.matrix.services {
        let Some(service) = mesh.services.get(rows.service as usize).filter(|s| s.origin != Origin::Synthetic) else {
            continue;
        };
        for (port, endpoints) in service.ports.iter().zip(&rows.endpoints) {
            for endpoint in endpoints {
                let Who::Workload(number) = endpoint.who else { continue };
                let captured = matches!(endpoint.front, Front::Policy | Front::Ambient(_) | Front::Unknown(_));
                let Some(ports) = all.get_mut(number as usize).filter(|_| captured && endpoint.port > 0) else {
                    continue;
                };
                let tcp = matches!(port.protocol, Protocol::Tcp | Protocol::Tls)
                    && endpoint.port_kinds.iter().all(|kind| *kind != PortKind::Http);
                let sure = matches!(endpoint.front, Front::Policy | Front::Ambient(_));
                let slot = ports.entry(endpoint.port).or_insert(Declared { tcp, sure });
                (slot.tcp, slot.sure) = (slot.tcp && tcp, slot.sure && sure);
            }
        }
    }
    all
}

/// Ports in words: `port 80`, `ports 80, 443 and 2 more`.
#[must_use]
pub fn port_words(ports: &[u16]) -> String {
    /// The most that are named.
    const NAMED: usize = 3;
    let names: Vec<String> = ports.iter().take(NAMED).map(u16::to_string).collect();
    match (ports, ports.len().saturating_sub(NAMED)) {
        ([] | [0], _) => "every port".to_owned(),
        ([one], _) => format!("port {one}"),
        (_, 0) => format!("ports {}", names.join(", ")),
        (_, more) => format!("ports {} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::authorization::tests::policy;

    #[test]
    fn plaintext_matches_rules_without_a_positive_identity() {
        for (rule, takes) in [
            ("{}", true),
            ("{from: [{source: {principals: [a]}}]}", false),
            ("{from: [{source: {principals: [a]}}, {source: {ipBlocks: [b]}}]}", true),
            ("{from: [{source: {notPrincipals: [a]}}]}", true),
            ("{from: [{source: {notPrincipals: [a], namespaces: [b]}}]}", false),
            ("{when: [{key: source.principal, values: [a]}]}", false),
            ("{from: [{}], when: [{key: source.namespace, notValues: [a]}]}", true),
        ] {
            let policy = policy(&format!("{{rules: [{rule}]}}")).unwrap();
            assert_eq!(takes_plaintext(&policy.rules[0]), takes, "{rule}");
        }
    }

    #[test]
    fn a_deny_of_not_principals_refuses_plaintext() {
        for (rule, refuses) in [
            ("{}", true),
            ("{from: [{source: {notPrincipals: ['*']}}]}", true),
            ("{from: [{source: {notNamespaces: [a]}}], to: [{operation: {}}]}", true),
            ("{from: [{source: {notPrincipals: ['*']}}], to: [{operation: {ports: ['80']}}]}", false),
            ("{from: [{source: {notPrincipals: ['*'], ipBlocks: [a]}}]}", false),
            ("{from: [{source: {principals: ['*']}}]}", false),
            ("{from: [{source: {notPrincipals: ['*']}}], when: [{key: source.ip, values: [a]}]}", false),
        ] {
            let policy = policy(&format!("{{action: DENY, rules: [{rule}]}}")).unwrap();
            assert_eq!(refuses_plaintext(&policy.rules[0]), refuses, "{rule}");
        }
    }

    #[test]
    fn ports_are_told_in_words() {
        for (ports, want) in [
            (&[][..], "every port"),
            (&[0], "every port"),
            (&[80], "port 80"),
            (&[80, 81], "ports 80, 81"),
            (&[1, 2, 3, 4, 5], "ports 1, 2, 3 and 2 more"),
        ] {
            assert_eq!(port_words(ports), want);
        }
    }
}
