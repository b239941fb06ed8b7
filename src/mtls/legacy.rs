//! Istio 1.0 to 1.5: what Policy and MeshPolicy made a server demand of its callers, per Service port, and what that
//! meant for automatic mTLS (istio-mtls.md 4.1).
//!
//! One policy wins entirely, nothing is inherited. `pilot/pkg/model/config.go : AuthenticationPolicyByDestination` (1.0),
//! `AuthenticationPolicyForWorkload` (1.1 to 1.3), `push_context.go : AuthenticationPolicyForWorkload` (1.4, 1.5).

use super::client::Why;
use super::endpoints::{Endpoint, Who, target_on};
use super::outcome::Wire;
use super::server::{self, ModeFrom, Winners, possible_firsts};
use crate::model::authn_policy::{Reach, Target};
use crate::model::meta::order_known;
use crate::model::service::{Origin, Port};
use crate::model::{AuthnPolicy, Host, Labels, Mesh, MtlsMode, Service, Version};
use foldhash::HashMap;
use std::sync::{Arc, OnceLock};

/// Automatic mTLS came with 1.4, and so did the choice by age.
const AGE_DECIDES: Version = Version::one(4);

/// Of whom the labels are asked that targets name in 1.2 and 1.3.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// Of nobody: the old table passed none.
    Nobody,
    /// Of a workload.
    Workload(&'a Labels),
    /// Of a workload that the input does not hold.
    Unseen,
}

/// A target: number of its policy in [`Mesh::authn_policies`], and its own in there.
type Aim = (u32, u32);

/// The policies of the old API, by what they may be for. Numbers into [`Mesh::authn_policies`], oldest first.
#[derive(Debug)]
pub struct Legacy<'m> {
    mesh: &'m Mesh,
    /// Targets by the host that they name.
    hosts: HashMap<Host, Vec<Aim>>,
    /// Targets that name labels, by namespace.
    labelled: HashMap<Arc<str>, Vec<Aim>>,
    /// Without targets, by namespace.
    wide: HashMap<Arc<str>, Vec<u32>>,
    /// The mesh's: one, but for Maistra's, of which each namespace may hold one.
    mesh_wide: Vec<u32>,
    /// By service: what counts for each of its ports, where no label changes it. Pods that many Services select ask often.
    known: Vec<OnceLock<Vec<Vec<Option<u32>>>>>,
}

impl<'m> Legacy<'m> {
    /// The policies, where the version reads them.
    #[must_use]
    pub fn new(mesh: &'m Mesh) -> Option<Self> {
        if !mesh.version.reads_legacy_policies() {
            return None;
        }
        let (hosts, labelled, wide) = (HashMap::default(), HashMap::default(), HashMap::default());
        let known = std::iter::repeat_with(OnceLock::new).take(mesh.services.len()).collect();
        let mut legacy = Self { mesh, hosts, labelled, wide, mesh_wide: mesh_wide(mesh), known };
        for (number, policy) in (0..).zip(&mesh.authn_policies).filter(|(_, p)| p.reach == Reach::Namespace) {
            let namespace = &policy.meta.namespace;
            if policy.targets.is_empty() {
                legacy.wide.entry(namespace.clone()).or_default().push(number);
                continue;
            }
            for (at, target) in (0..).zip(&policy.targets) {
                let list = match by_labels(mesh.version, target) {
                    true => legacy.labelled.entry(namespace.clone()).or_default(),
                    false => {
                        let host = Host::resolve(&target.name, namespace, &mesh.options.cluster_domain);
                        legacy.hosts.entry(host).or_default()
                    }
                };
                list.push((number, at));
            }
        }
        Some(legacy)
    }

    fn policy(&self, number: u32) -> Option<&'m AuthnPolicy> {
        self.mesh.authn_policies.get(number as usize)
    }

    /// The policies with a target that selects a Service port, and those of which it is not certain.
    fn targeted(&self, service: &Service, port: &Port, of: Of<'_>) -> (Vec<u32>, Vec<u32>) {
        let namespace = &service.meta.namespace;
        // Hosts are compared as they stand: no target is for any service of a wildcard.
        let named = self.hosts.get(&service.host).into_iter().flatten();
        let labelled = self.labelled.get(namespace).into_iter().flatten();
        let mut answers: Vec<(u32, Option<bool>)> = Vec::new();
        for (number, at) in named.chain(labelled) {
            let Some(policy) = self.policy(*number) else { continue };
            let Some(target) = policy.targets.get(*at as usize) else { continue };
            // Until 1.3 only the policies of the service's namespace were listed.
            if self.mesh.version < AGE_DECIDES && policy.meta.namespace != *namespace {
                continue;
            }
            match self.selects(target, port, of) {
                Some(false) => {}
                answer => answers.push((*number, answer)),
            }
        }
        answers.sort_by_key(|(number, _)| *number);
        let (mut sure, mut perhaps) = (Vec::new(), Vec::new());
        for each in answers.chunk_by(|a, b| a.0 == b.0) {
            let Some((number, _)) = each.first() else { continue };
            let list = if each.iter().any(|(_, answer)| *answer == Some(true)) { &mut sure } else { &mut perhaps };
            list.push(*number);
        }
        (sure, perhaps)
    }

    /// Whether a target that names a service, or labels, selects a port of it; `None`: the input does not say.
    fn selects(&self, target: &Target, port: &Port, of: Of<'_>) -> Option<bool> {
        let named = match of {
            _ if !by_labels(self.mesh.version, target) => Some(true),
            Of::Nobody => Some(false),
            Of::Workload(labels) => Some(target.labels.subset_of(labels)),
            Of::Unseen => None,
        };
        let ports = target.ports.iter().map(|selector| selector.selects(port));
        let at_port = if target.ports.is_empty() { Some(true) } else { ports.fold(Some(false), or) };
        match (named, at_port) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }

    /// The policies that may count for a Service port, one for each effect; `None`: no policy.
    #[must_use]
    pub fn policies(&self, service: &Service, port: &Port, of: Of<'_>) -> Vec<Option<u32>> {
        let (sure, mut found) = self.targeted(service, port, of);
        let wide = || self.wide.get(&service.meta.namespace).map_or(&[][..], Vec::as_slice);
        let decided = match (sure.is_empty(), wide(), &self.mesh_wide[..]) {
            (false, ..) => self.firsts(&sure),
            (true, [], []) => Vec::new(),
            (true, [], all) => all.to_vec(),
            (true, some, _) => self.firsts(some),
        };
        let nothing = decided.is_empty();
        found.extend(decided);
        let mut effects = Vec::new();
        let mut found: Vec<Option<u32>> = found.into_iter().map(Some).collect();
        if nothing {
            found.push(None);
        }
        found.retain(|number| {
            let effect = number.and_then(|n| self.policy(n)).map(|policy| (policy.mode, policy.allow_tls));
            let new = !effects.contains(&effect);
            effects.push(effect);
            new
        });
        found
    }

    /// Which of several policies of one level may win: the oldest; until 1.3 the first in the order of Pilot's store,
    /// which no file shows.
    fn firsts(&self, numbers: &[u32]) -> Vec<u32> {
        if self.mesh.version < AGE_DECIDES {
            return numbers.to_vec();
        }
        possible_firsts(numbers, |a, b| match (self.policy(a), self.policy(b)) {
            (Some(a), Some(b)) => order_known(&a.meta, &b.meta),
            _ => true,
        })
    }

    /// The policies that may count for an endpoint of a Service port. A sidecar has one listener for a port of its
    /// workload: where several Services lead there, the first one made it, and the input does not show which.
    #[must_use]
    pub fn of_endpoint(
        &self,
        service: &Service,
        port: &Port,
        endpoint: &Endpoint<'_>,
        selected_by: &[Vec<u32>],
    ) -> Vec<Option<u32>> {
        let of = endpoint.labels.map_or(Of::Unseen, Of::Workload);
        let mut found = self.policies(service, port, of);
        let Who::Workload(number) = endpoint.who else { return found };
        let Some(workload) = self.mesh.workloads.get(number as usize) else { return found };
        let others = selected_by.get(number as usize).map_or(&[][..], Vec::as_slice);
        // Ports that no target tells apart: labels are looked at once for all of them.
        let mut seen: Vec<(&Host, &Port)> = Vec::new();
        for (number, other) in others.iter().filter_map(|n| Some((*n, self.mesh.services.get(*n as usize)?))) {
            let same = |p: &&Port| target_on(p, workload) == Some(endpoint.port) && endpoint.port > 0;
            let labelled = self.labelled.contains_key(&other.meta.namespace);
            for (at, other_port) in other.ports.iter().enumerate().filter(|(_, p)| same(p)) {
                if other.meta.id == service.meta.id && other_port.number == port.number {
                    continue;
                }
                if !labelled {
                    found.extend(self.known(number, other).get(at).into_iter().flatten());
                    continue;
                }
                let alike = |(host, port): &(&Host, &Port)| {
                    let same_port = port.number == other_port.number && port.name == other_port.name;
                    let unnamed = |host: &Host| !self.hosts.contains_key(host);
                    same_port && (**host == other.host || (unnamed(host) && unnamed(&other.host)))
                };
                // Selected by Services of its own namespace only.
                if !seen.iter().any(alike) {
                    seen.push((&other.host, other_port));
                    found.extend(self.policies(other, other_port, of));
                }
            }
        }
        let mut modes = Vec::new();
        found.retain(|number| {
            let winners = Winners { legacy: *number, ..Winners::default() };
            let mode = effective_mode(self.mesh, winners, 0).0;
            let new = !modes.contains(&mode);
            modes.push(mode);
            new
        });
        found
    }

    /// [`Self::policies`] for each port of a service in whose namespace no target names labels.
    fn known(&self, number: u32, service: &Service) -> &[Vec<Option<u32>>] {
        let all = || service.ports.iter().map(|port| self.policies(service, port, Of::Nobody)).collect();
        self.known.get(number as usize).map_or(&[], |known| known.get_or_init(all))
    }

    /// The wide policies of a service's namespace, with the policies of the old API that clients may see for a port.
    #[must_use]
    pub fn wides(&self, wides: &[Winners], service: &Service, port: &Port) -> Vec<Winners> {
        let own = self.policies(service, port, Of::Nobody);
        wides.iter().flat_map(|wide| own.iter().map(|legacy| Winners { legacy: *legacy, ..*wide })).collect()
    }
}

/// Either of two answers that may be unknown.
fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// Labels took the place of the name in 1.2 and 1.3; other versions do not read them.
fn by_labels(version: Version, target: &Target) -> bool {
    !target.labels.is_empty() && version >= Version::one(2) && version < AGE_DECIDES
}

/// The mesh's policy: the one called `default`. Where there are ServiceMeshPolicies, MeshPolicy is not read.
fn mesh_wide(mesh: &Mesh) -> Vec<u32> {
    let all = || (0..).zip(&mesh.authn_policies).filter(|(_, policy)| policy.reach == Reach::Mesh);
    let maistra = all().any(|(_, policy)| policy.maistra);
    let counts = |policy: &AuthnPolicy| policy.maistra == maistra && &*policy.meta.name == "default";
    all().filter(|(_, policy)| counts(policy)).map(|(number, _)| number).collect()
}

/// What a server demands. In 1.5 any PeerAuthentication that applies takes the place of the old policies, also an UNSET
/// one (`v1beta1/policy_applier.go : shouldUseAlphaMtlsPolicy`).
#[must_use]
pub fn effective_mode(mesh: &Mesh, winners: Winners, port: u16) -> (MtlsMode, ModeFrom) {
    let modern = [winners.mesh, winners.namespace, winners.workload].iter().any(Option::is_some);
    if modern && mesh.version.reads_peer_authentication() {
        return server::effective_mode(&mesh.policies, winners, port);
    }
    let from = ModeFrom { legacy: winners.legacy, ..ModeFrom::NOTHING };
    let policy = winners.legacy.and_then(|n| mesh.authn_policies.get(n as usize));
    let default = match mesh.version {
        version if version.reads_peer_authentication() => MtlsMode::Permissive,
        Version { minor: 0, .. } if mesh.config.auth_policy_mtls => MtlsMode::Strict,
        _ => MtlsMode::Disable,
    };
    (policy.map_or(default, |policy| policy.mode), from)
}

/// Why automatic mTLS does not apply to a cluster (`cluster.go : conditionallyConvertToIstioMtls` at 1.4, 1.5). Clients
/// know the policy of the Service port, and in 1.5 the mesh-wide and namespace-wide PeerAuthentication before it.
/// `direct`: the cluster addresses pods directly.
#[must_use]
pub fn not_automatic(mesh: &Mesh, service: &Service, wide: Winners, direct: bool) -> Option<Why> {
    if service.origin == Origin::MeshExternal {
        return Some(Why::External);
    }
    if !mesh.config.auto_mtls {
        return Some(Why::AutoOff);
    }
    if direct {
        return Some(Why::DirectPlain);
    }
    match server::namespace_mode(&mesh.policies, wide) {
        (Some(MtlsMode::Disable), from) => return Some(Why::NamespaceDisable(from)),
        (Some(_), _) => return None,
        (None, _) => {}
    }
    let winners = Winners { legacy: wide.legacy, ..Winners::default() };
    match effective_mode(mesh, winners, 0) {
        (MtlsMode::Disable, from) => Some(Why::PolicyDisable(from)),
        _ => None,
    }
}

/// Whether a policy with `allowTls` decides on TLS that is not the mesh's own: until 1.3 it let clients in without a
/// certificate (`networking/plugin/authn/authentication.go : buildListenerTLSContext`), which is not followed further.
#[must_use]
pub fn allows_tls(mesh: &Mesh, from: ModeFrom, wire: Wire) -> bool {
    let policy = from.legacy.and_then(|n| mesh.authn_policies.get(n as usize));
    let allows = policy.is_some_and(|policy| policy.allow_tls && policy.mode != MtlsMode::Disable);
    allows && mesh.version < AGE_DECIDES && matches!(wire, Wire::Tls | Wire::MutualTls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Options, load_text};

    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
                           spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: tcp, port: 9000}]}\n";

    /// `kind name age spec`, each on a line; the modes that may count for a port, sorted.
    fn modes(minor: u16, policies: &[(&str, &str, u8, &str)], port: u16, of: Of<'_>) -> String {
        let mut text = SERVICE.to_owned();
        for (kind, name, age, spec) in policies {
            let group = if *kind == "ServiceMeshPolicy" { "maistra.io/v1" } else { "istio.io/v1alpha1" };
            let time = format!(", creationTimestamp: \"2019-01-01T00:00:0{age}Z\"");
            let time = if *age > 0 { time } else { String::new() };
            text += &format!("---\napiVersion: authentication.{group}\nkind: {kind}\n");
            text += &format!("metadata: {{name: {name}, namespace: shop{time}}}\nspec: {spec}\n");
        }
        let mesh = load_text(text, Options { version: Some(Version::one(minor)), ..Options::default() });
        let legacy = Legacy::new(&mesh).unwrap();
        let service = mesh.services.first().unwrap();
        let port = service.ports.iter().find(|p| p.number == port).unwrap();
        let found = legacy.policies(service, port, of).into_iter();
        let mut words: Vec<&str> = found
            .map(|number| effective_mode(&mesh, Winners { legacy: number, ..Winners::default() }, 0).0.word())
            .collect();
        words.sort_unstable();
        words.join(" ")
    }

    #[test]
    fn one_policy_wins_entirely() {
        let strict = "{peers: [{mtls: {}}]}";
        let permissive = "{peers: [{mtls: {mode: PERMISSIVE}}]}";
        let (web, web_strict) = ("{targets: [{name: web}]}", "{targets: [{name: web}], peers: [{mtls: {}}]}");
        let (at_80, by_name) = (
            "{targets: [{name: web, ports: [{number: 80}]}], peers: [{mtls: {}}]}",
            "{targets: [{name: web, ports: [{name: http}]}], peers: [{mtls: {}}]}",
        );
        let off_80 = "{targets: [{name: web, ports: [{number: 80}]}]}";
        type Row<'a> = (u16, &'a [(&'a str, &'a str, u8, &'a str)], u16, &'a str);
        let rows: &[Row<'_>] = &[
            (4, &[], 80, "DISABLE"),
            (5, &[], 80, "PERMISSIVE"),
            (4, &[("MeshPolicy", "default", 0, strict)], 80, "STRICT"),
            (4, &[("MeshPolicy", "other", 0, strict)], 80, "DISABLE"),
            (4, &[("MeshPolicy", "default", 0, strict), ("Policy", "default", 0, "{}")], 80, "DISABLE"),
            (4, &[("MeshPolicy", "default", 0, strict), ("Policy", "web", 0, web)], 9000, "DISABLE"),
            (4, &[("Policy", "any", 0, permissive), ("Policy", "web", 0, web_strict)], 80, "STRICT"),
            (4, &[("Policy", "any", 0, permissive), ("Policy", "web", 0, at_80)], 80, "STRICT"),
            (4, &[("Policy", "any", 0, permissive), ("Policy", "web", 0, at_80)], 9000, "PERMISSIVE"),
            (4, &[("Policy", "web", 0, by_name)], 80, "STRICT"),
            (4, &[("Policy", "web", 0, by_name)], 9000, "DISABLE"),
            (4, &[("Policy", "a", 1, web_strict), ("Policy", "b", 2, off_80)], 80, "STRICT"),
            (4, &[("Policy", "a", 2, web_strict), ("Policy", "b", 1, off_80)], 80, "DISABLE"),
            (4, &[("Policy", "a", 2, web_strict), ("Policy", "b", 1, off_80)], 9000, "STRICT"),
            (4, &[("Policy", "a", 0, web_strict), ("Policy", "b", 0, off_80)], 80, "DISABLE STRICT"),
            (3, &[("Policy", "a", 1, web_strict), ("Policy", "b", 2, off_80)], 80, "DISABLE STRICT"),
            (3, &[("Policy", "a", 1, web_strict), ("Policy", "b", 2, at_80)], 80, "STRICT"),
            (
                4,
                &[("MeshPolicy", "default", 0, strict), ("ServiceMeshPolicy", "default", 0, permissive)],
                80,
                "PERMISSIVE",
            ),
            (4, &[("Policy", "api", 0, "{targets: [{name: api}], peers: [{mtls: {}}]}")], 80, "DISABLE"),
            (4, &[("Policy", "p", 0, "{targets: [{name: api}, {name: web}], peers: [{mtls: {}}]}")], 80, "STRICT"),
            (
                4,
                &[
                    (
                        "Policy",
                        "b",
                        1,
                        "{targets: [{name: web, ports: [{number: 1}]}, {name: web}], peers: [{mtls: {}}]}",
                    ),
                    ("Policy", "a", 2, web),
                ],
                80,
                "STRICT",
            ),
        ];
        for (minor, policies, port, want) in rows {
            assert_eq!(modes(*minor, policies, *port, Of::Nobody), *want, "1.{minor} {policies:?} {port}");
        }
    }

    #[test]
    fn labels_take_the_place_of_the_name_in_two_versions() {
        let spec = "{targets: [{name: other, labels: {version: v1}}], peers: [{mtls: {}}]}";
        let labels = |version: &str| Labels::new([("version".into(), version.into())]);
        let (v1, v2) = (labels("v1"), labels("v2"));
        for (minor, of, want) in [
            (2, Of::Workload(&v1), "STRICT"),
            (3, Of::Workload(&v2), "DISABLE"),
            (3, Of::Nobody, "DISABLE"),
            (3, Of::Unseen, "DISABLE STRICT"),
            (1, Of::Workload(&v1), "DISABLE"),
            (4, Of::Workload(&v1), "DISABLE"),
        ] {
            assert_eq!(modes(minor, &[("Policy", "p", 0, spec)], 80, of), want, "1.{minor} {of:?}");
        }
        // One target by name and one by labels: either is enough, and what is sure of one is not open by the other.
        let both = "{targets: [{name: other, labels: {version: v1}}, {name: web, ports: [{number: 80}]}], peers: [{mtls: {}}]}";
        for (port, of, want) in [
            (80, Of::Unseen, "STRICT"),
            (9000, Of::Unseen, "DISABLE STRICT"),
            (9000, Of::Workload(&v1), "STRICT"),
            (9000, Of::Workload(&v2), "DISABLE"),
        ] {
            assert_eq!(modes(3, &[("Policy", "p", 0, both)], port, of), want, "{port} {of:?}");
        }
    }
}
