//! What the rules about PeerAuthentications share: which workloads a policy speaks of, and whether it counts at all.

use super::Lint;
use crate::model::meta::order_known;
use crate::model::service::{Origin, TargetPort};
use crate::model::{Mesh, PeerAuthentication, Proxy, Service, Workload};
use crate::mtls::endpoints::{BYPASS, bypasses_ztunnel, target_on};
use crate::mtls::server::{Level, level};
use crate::mtls::visible::sidecars_of;
use crate::yaml::Node;
use std::collections::BTreeSet;

/// Names that a message lists before it only counts.
const NAMED: usize = 3;
/// Where the containers of a workload are.
const CONTAINERS: [&str; 3] =
    ["spec.containers", "spec.template.spec.containers", "spec.jobTemplate.spec.template.spec.containers"];

/// The level of a policy.
#[must_use]
pub fn level_of(mesh: &Mesh, policy: &PeerAuthentication) -> Level {
    level(policy, &mesh.root)
}

/// Whether a workload was read from the input, not inferred from a Service or a policy.
#[must_use]
pub fn real(workload: &Workload) -> bool {
    !matches!(workload.kind, "Namespace" | "Service")
}

/// The workloads of its namespace that a policy's selector selects, as far as labels of the input say; all of them for a
/// policy without selector. Finished pods are none.
pub fn selected<'m>(mesh: &'m Mesh, policy: &'m PeerAuthentication) -> impl Iterator<Item = (u32, &'m Workload)> {
    let numbers = mesh.select(&policy.meta.namespace, &policy.selector);
    let workloads = numbers.filter_map(|number| Some((number, mesh.workloads.get(number as usize)?)));
    workloads.filter(|(_, workload)| !workload.finished)
}

/// The policy that certainly counts instead of this one, where it is mesh-wide or namespace-wide and not the oldest.
#[must_use]
pub fn shadowed_by(mesh: &Mesh, number: u32) -> Option<u32> {
    let policy = mesh.policies.get(number as usize)?;
    let own = level_of(mesh, policy);
    if !matches!(own, Level::Mesh | Level::Namespace) {
        return None;
    }
    let same = |n: &&u32| mesh.policies.get(**n as usize).is_some_and(|other| level_of(mesh, other) == own);
    let first = *mesh.index.policies.get(&policy.meta.namespace)?.iter().find(same)?;
    let older = mesh.policies.get(first as usize)?;
    (first != number && order_known(&older.meta, &policy.meta)).then_some(first)
}

/// Objects with a field at a level where Istio does not look: what they say is not what their author meant.
#[must_use]
pub fn misplaced(lint: &Lint<'_>, policy: &PeerAuthentication) -> bool {
    super::schema::strays(lint, policy.meta.id).iter().any(super::schema::Stray::misplaced)
}

/// Why nothing enforces a policy on a workload at all; `None`: its proxy does, or it is a gateway, which has a rule of its
/// own.
#[must_use]
pub fn not_enforced(mesh: &Mesh, workload: &Workload) -> Option<String> {
    match workload.proxy {
        Proxy::None => Some(workload.proxy_why.clone()),
        Proxy::Sidecar => {
            let none = workload.intercepts_nothing();
            let listens = |n: &Option<u32>| {
                n.and_then(|n| mesh.sidecars.get(n as usize)).is_some_and(|sidecar| !sidecar.ingress.is_empty())
            };
            let open = none && !sidecars_of(mesh, workload).iter().any(listens);
            open.then(|| "interception mode NONE captures nothing, and no Sidecar opens a listener".to_owned())
        }
        Proxy::Ambient if bypasses_ztunnel(workload) => {
            Some(format!("annotation {BYPASS} lets plaintext past ztunnel"))
        }
        Proxy::Gateway | Proxy::Grpc | Proxy::Ambient | Proxy::Waypoint => None,
    }
}

/// A key of `portLevelMtls` that is a port of a Service and of none of the workloads.
pub struct Mistake<'m> {
    /// The Service whose port it is.
    pub service: &'m Service,
    /// Where that port leads.
    pub targets: BTreeSet<u16>,
    /// Whether the workloads were read from the input.
    pub sure: bool,
}

/// Whether a key of a selector policy's `portLevelMtls` names a port of a Service by mistake (A1).
#[must_use]
pub fn mistaken_port<'m>(mesh: &'m Mesh, policy: &PeerAuthentication, key: u16) -> Option<Mistake<'m>> {
    if level_of(mesh, policy) != Level::Workload {
        return None;
    }
    let of_namespace =
        |service: &&Service| service.origin == Origin::Kubernetes && service.meta.namespace == policy.meta.namespace;
    let services: Vec<&Service> = mesh.services.iter().filter(of_namespace).collect();
    if !services.iter().any(|service| service.ports.iter().any(|port| port.number == key)) {
        return None;
    }
    let mut mistake: Option<Mistake<'m>> = None;
    let mut sure = true;
    for (_, workload) in selected(mesh, policy) {
        if listens(mesh, workload, key) {
            return None;
        }
        sure &= real(workload);
        let selects = |service: &&&Service| service.selector.as_ref().is_some_and(|s| s.subset_of(&workload.labels));
        for service in services.iter().filter(selects) {
            for port in &service.ports {
                match target_on(port, workload) {
                    Some(target) if target == key => return None,
                    Some(target) if port.number == key => {
                        let new = || Mistake { service, targets: BTreeSet::new(), sure: true };
                        mistake.get_or_insert_with(new).targets.insert(target);
                    }
                    // A workload that only a Service speaks of has no ports with names: it may be any.
                    None if !real(workload) && matches!(port.target, TargetPort::Name(_)) => return None,
                    _ => {}
                }
            }
        }
    }
    mistake.map(|mistake| Mistake { sure, ..mistake })
}

/// Whether something of a workload declares that port as its own: a container, or a listener of its Sidecar.
fn listens(mesh: &Mesh, workload: &Workload, key: u16) -> bool {
    let declares = |containers: Node<'_>| {
        let ports = containers.items().filter_map(|container| container.get("ports"));
        ports.flat_map(Node::items).any(|port| port.get("containerPort").and_then(Node::as_i64) == Some(key.into()))
    };
    let object = mesh.objects.get(workload.meta.id.0 as usize).filter(|_| real(workload));
    let document = object.and_then(|object| Some((mesh.documents.get(object.document as usize)?, object.node)));
    let root = document.map(|(document, node)| document.tree.node(node));
    let container = root.is_some_and(|root| CONTAINERS.iter().filter_map(|path| root.find(path)).any(declares));
    let opens = |n: &Option<u32>| {
        let sidecar = n.and_then(|n| mesh.sidecars.get(n as usize));
        sidecar.is_some_and(|sidecar| sidecar.ingress.iter().any(|listener| listener.port == key))
    };
    container || sidecars_of(mesh, workload).iter().any(opens)
}

/// The first names of a list, and how many more there are.
#[must_use]
pub fn names(all: impl IntoIterator<Item = String>) -> String {
    let all: BTreeSet<String> = all.into_iter().collect();
    let more = all.len().saturating_sub(NAMED);
    let mut text = all.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_listed_and_then_counted() {
        let list = |names: &[&str]| super::names(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(list(&["b", "a", "a"]), "a, b");
        assert_eq!(list(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
