//! What a workload's proxy demands: the effective PeerAuthentication of a workload and port.
//!
//! `pilot/pkg/security/authn/policy_applier.go : ComposePeerAuthentication`,
//! `pilot/pkg/model/authentication.go : addPeerAuthentication, GetNamespaceMutualTLSMode`.

use crate::model::meta::order_known;
use crate::model::{Labels, Mesh, Meta, MtlsMode, PeerAuthentication, Workload};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// The policies of which one counts, `None` for none: one entry almost always, more where the input leaves it open.
pub type Policies = SmallVec<[Option<u32>; 2]>;

/// The policies that count for one workload: at most one per level, the oldest, whole. Numbers into
/// [`Mesh::policies`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Winners {
    /// Selector-less policy of the root namespace.
    pub mesh: Option<u32>,
    /// Selector-less policy of the workload's namespace.
    pub namespace: Option<u32>,
    /// Policy whose selector selects the workload.
    pub workload: Option<u32>,
    /// Policy of the old API: number into [`Mesh::authn_policies`].
    pub legacy: Option<u32>,
}

/// Which field of which policy set the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModeFrom {
    /// The policy; `None`: nothing sets a mode, so PERMISSIVE.
    pub policy: Option<u32>,
    /// The field is `portLevelMtls` of this port.
    pub port: Option<u16>,
    /// It is a policy of the old API: number into [`Mesh::authn_policies`].
    pub legacy: Option<u32>,
}

impl ModeFrom {
    /// No field of any policy.
    pub const NOTHING: Self = Self { policy: None, port: None, legacy: None };

    /// A policy's own mode.
    fn policy(number: u32) -> Self {
        Self { policy: Some(number), ..Self::NOTHING }
    }
}

/// The policy that set a mode, of either API.
#[must_use]
pub fn policy_meta(mesh: &Mesh, from: ModeFrom) -> Option<&Meta> {
    let old = from.legacy.and_then(|n| mesh.authn_policies.get(n as usize)).map(|policy| &policy.meta);
    old.or_else(|| mesh.policies.get(from.policy? as usize).map(|policy| &policy.meta))
}

/// The level of a policy (1.1): a selector in the root namespace makes it apply to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The whole mesh.
    Mesh,
    /// Its namespace.
    Namespace,
    /// The workloads that its selector selects.
    Workload,
    /// Nothing at all.
    Nothing,
}

/// The level of a policy.
#[must_use]
pub fn level(policy: &PeerAuthentication, root: &str) -> Level {
    match (policy.selector.is_empty(), &*policy.meta.namespace == root) {
        (true, true) => Level::Mesh,
        (true, false) => Level::Namespace,
        (false, false) => Level::Workload,
        (false, true) => Level::Nothing,
    }
}

/// Which of the competitors may be the oldest. `ordered` is sorted oldest first, those without a time last: with times,
/// the first; those without a time may each be older than all others.
pub fn possible_firsts<T: Copy>(ordered: &[T], known: impl Fn(T, T) -> bool) -> Vec<T> {
    let Some(first) = ordered.first().copied() else { return Vec::new() };
    let later = ordered.iter().copied().skip(1).filter(|other| !known(first, *other));
    std::iter::once(first).chain(later).collect()
}

fn of_level(mesh: &Mesh, namespace: &str, wanted: Level) -> Vec<u32> {
    let numbers = mesh.index.policies.get(namespace).map_or(&[][..], Vec::as_slice);
    let is_wanted = |n: &u32| mesh.policies.get(*n as usize).is_some_and(|p| level(p, &mesh.root) == wanted);
    numbers.iter().copied().filter(is_wanted).collect()
}

fn oldest(mesh: &Mesh, ordered: &[u32]) -> Vec<u32> {
    possible_firsts(ordered, |a, b| match (mesh.policies.get(a as usize), mesh.policies.get(b as usize)) {
        (Some(a), Some(b)) => order_known(&a.meta, &b.meta),
        _ => true,
    })
}

/// Of several possible winners one for each effect: a hundred policies that say the same are one possibility.
fn distinct<K: PartialEq>(winners: Vec<u32>, effect: impl Fn(u32) -> K) -> Vec<u32> {
    let mut effects: Vec<K> = Vec::new();
    let mut keep = |winner: &u32| {
        let effect = effect(*winner);
        let new = !effects.contains(&effect);
        if new {
            effects.push(effect);
        }
        new
    };
    winners.into_iter().filter(|winner| keep(winner)).collect()
}

/// No winner, or each possible one.
fn choices(winners: Vec<u32>) -> Policies {
    if winners.is_empty() { smallvec![None] } else { winners.into_iter().map(Some).collect() }
}

/// The mesh-wide and namespace-wide policies that may count in a namespace: usually one pair, more where the input
/// does not say which of two is older.
#[must_use]
pub fn wide_policies(mesh: &Mesh, namespace: &str) -> Vec<Winners> {
    let mode = |n: u32| mesh.policies.get(n as usize).map(|policy| policy.mode);
    let of_mesh = choices(distinct(oldest(mesh, &of_level(mesh, &mesh.root, Level::Mesh)), mode));
    let of_namespace = choices(distinct(oldest(mesh, &of_level(mesh, namespace, Level::Namespace)), mode));
    let pairs = of_mesh.iter().flat_map(|m| of_namespace.iter().map(|n| (*m, *n)));
    pairs.map(|(mesh, namespace)| Winners { mesh, namespace, ..Winners::default() }).collect()
}

/// The workload policies that may count for a port of a workload, `None` for none. A selector on a label that only the
/// cluster knows may or may not match.
#[must_use]
pub fn workload_policies(mesh: &Mesh, workload: &Workload, port: u16) -> Policies {
    let namespace = &workload.meta.namespace;
    with_selectors(mesh, namespace, &workload.labels, port, |selector| mesh.selects(selector, workload).ok())
}

/// The same for the workload's own proxy, which may have labels besides those of its pod (`ISTIO_METAJSON_LABELS`,
/// `pilot/pkg/model/context.go : SetWorkloadLabels`).
#[must_use]
pub fn proxy_policies(mesh: &Mesh, workload: &Workload, port: u16) -> Policies {
    let mut labels = workload.labels.clone();
    for (key, value) in workload.metadata.labels.iter().flat_map(Labels::iter) {
        labels.add(key, value);
    }
    let selects = |selector: &Labels| mesh.proxy_selected(selector, workload).ok();
    with_selectors(mesh, &workload.meta.namespace, &labels, port, selects)
}

/// The same for an endpoint that is no pod (a WorkloadEntry): its own labels only.
#[must_use]
pub fn machine_policies(mesh: &Mesh, namespace: &Arc<str>, labels: &Labels, port: u16) -> Policies {
    // What istiod adds to a machine's labels (its locality) is not in the input.
    let added = |key: &str| labels.get(key).is_none() && key.starts_with("topology.");
    let selects =
        |selector: &Labels| match selector.iter().filter(|(key, _)| !added(key)).all(|(k, v)| labels.get(k) == Some(v))
        {
            true if selector.iter().any(|(key, _)| added(key)) => None,
            fits => Some(fits),
        };
    with_selectors(mesh, namespace, labels, port, selects)
}

fn with_selectors(
    mesh: &Mesh,
    namespace: &Arc<str>,
    labels: &Labels,
    port: u16,
    selects: impl Fn(&Labels) -> Option<bool>,
) -> Policies {
    let (mut sure, mut perhaps) = (Vec::new(), Vec::new());
    for number in mesh.index.selectors.candidates(namespace, labels) {
        let Some(policy) = mesh.policies.get(number as usize) else { continue };
        if level(policy, &mesh.root) != Level::Workload {
            continue;
        }
        match selects(&policy.selector) {
            Some(true) => sure.push(number),
            Some(false) => {}
            None => perhaps.push(number),
        }
    }
    // What a policy does to this one port: its mode, and the port's own.
    let effect = |n: u32| {
        let policy = mesh.policies.get(n as usize)?;
        let own = policy.ports.iter().find(|(number, _)| *number == port).map(|(_, mode)| *mode);
        Some((policy.mode, own.flatten()))
    };
    let mut winners = choices(distinct(oldest(mesh, &sure), effect));
    if perhaps.is_empty() {
        return winners;
    }
    for number in perhaps {
        let mut all = sure.clone();
        all.push(number);
        all.sort_unstable();
        winners.extend(choices(distinct(oldest(mesh, &all), effect)));
    }
    winners.sort_unstable();
    winners.dedup();
    winners
}

/// Every selector policy of a namespace: what may apply to workloads that the input does not hold.
#[must_use]
pub fn selector_policies(mesh: &Mesh, namespace: &Arc<str>) -> Vec<u32> {
    of_level(mesh, namespace, Level::Workload)
}

/// The effective mode of a workload port: the nearest level that sets a mode wins; a port of the workload policy wins
/// over its mode, and an unset port inherits the final workload mode (A8).
#[must_use]
pub fn effective_mode(policies: &[PeerAuthentication], winners: Winners, port: u16) -> (MtlsMode, ModeFrom) {
    let get = |number: Option<u32>| number.and_then(|n| policies.get(n as usize).map(|policy| (n, policy)));
    let mut mode = (MtlsMode::Permissive, ModeFrom::NOTHING);
    for (number, policy) in [winners.mesh, winners.namespace, winners.workload].into_iter().filter_map(get) {
        if let Some(set) = policy.mode {
            mode = (set, ModeFrom::policy(number));
        }
    }
    if let Some((number, policy)) = get(winners.workload) {
        let own = policy.ports.iter().find(|(key, _)| *key == port).and_then(|(_, own)| *own);
        if let Some(set) = own {
            mode = (set, ModeFrom { port: Some(port), ..ModeFrom::policy(number) });
        }
    }
    mode
}

/// The mode that clients infer for a namespace (1.2): mesh-wide and namespace-wide policies only; `None` is unknown,
/// which clients take for PERMISSIVE.
#[must_use]
pub fn namespace_mode(policies: &[PeerAuthentication], winners: Winners) -> (Option<MtlsMode>, ModeFrom) {
    let get = |number: Option<u32>| number.and_then(|n| policies.get(n as usize).map(|policy| (n, policy)));
    let global = get(winners.mesh).map(|(n, policy)| (policy.mode.unwrap_or(MtlsMode::Permissive), n));
    match (get(winners.namespace), global) {
        (Some((n, policy)), _) if policy.mode.is_some() => (policy.mode, ModeFrom::policy(n)),
        (Some(_) | None, Some((mode, n))) => (Some(mode), ModeFrom::policy(n)),
        (Some((n, _)), None) => (Some(MtlsMode::Permissive), ModeFrom::policy(n)),
        (None, None) => (None, ModeFrom::NOTHING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectId;
    use MtlsMode::{Disable, Permissive, Strict};

    fn policy(mode: Option<MtlsMode>, ports: &[(u16, Option<MtlsMode>)]) -> PeerAuthentication {
        let meta = Meta {
            id: ObjectId(0),
            namespace: "shop".into(),
            name: "p".into(),
            labels: Labels::default(),
            annotations: Labels::default(),
            made: false,
            created: None,
        };
        PeerAuthentication { meta, selector: Labels::default(), mode, ports: ports.to_vec() }
    }

    #[test]
    fn the_nearest_level_that_sets_a_mode_wins() {
        // mesh, namespace, workload, ports of the workload policy, port asked -> mode, number of the policy
        type Row =
            (Option<Option<MtlsMode>>, Option<Option<MtlsMode>>, Option<Option<MtlsMode>>, u16, MtlsMode, Option<u32>);
        let ports = [(8080, None), (9000, Some(Strict)), (9090, Some(Disable))];
        let rows: &[Row] = &[
            (None, None, None, 80, Permissive, None),
            (Some(Some(Strict)), None, None, 80, Strict, Some(0)),
            (Some(None), None, None, 80, Permissive, None),
            (Some(Some(Strict)), Some(None), None, 80, Strict, Some(0)),
            (Some(Some(Strict)), Some(Some(Disable)), None, 80, Disable, Some(1)),
            (Some(Some(Strict)), None, Some(Some(Permissive)), 80, Permissive, Some(2)),
            (Some(Some(Strict)), None, Some(Some(Permissive)), 8080, Permissive, Some(2)),
            (Some(Some(Strict)), None, Some(Some(Permissive)), 9000, Strict, Some(2)),
            (Some(Some(Strict)), None, Some(None), 9090, Disable, Some(2)),
            (Some(Some(Strict)), None, Some(None), 8080, Strict, Some(0)),
        ];
        for (mesh, namespace, workload, port, mode, from) in rows {
            let of = |mode: &Option<Option<MtlsMode>>| policy(mode.unwrap_or(None), &[]);
            let policies = [of(mesh), of(namespace), policy(workload.unwrap_or(None), &ports)];
            let winners = Winners {
                mesh: mesh.map(|_| 0),
                namespace: namespace.map(|_| 1),
                workload: workload.map(|_| 2),
                legacy: None,
            };
            let (got, place) = effective_mode(&policies, winners, *port);
            assert_eq!((got, place.policy), (*mode, *from), "{mesh:?} {namespace:?} {workload:?} {port}");
        }
    }

    #[test]
    fn clients_infer_from_the_mesh_and_the_namespace_only() {
        type Row = (Option<Option<MtlsMode>>, Option<Option<MtlsMode>>, Option<MtlsMode>);
        let rows: &[Row] = &[
            (None, None, None),
            (Some(None), None, Some(Permissive)),
            (Some(Some(Strict)), None, Some(Strict)),
            (Some(Some(Strict)), Some(None), Some(Strict)),
            (None, Some(None), Some(Permissive)),
            (Some(Some(Strict)), Some(Some(Disable)), Some(Disable)),
        ];
        for (mesh, namespace, mode) in rows {
            let policies = [policy(mesh.unwrap_or(None), &[]), policy(namespace.unwrap_or(None), &[])];
            let winners = Winners { mesh: mesh.map(|_| 0), namespace: namespace.map(|_| 1), ..Winners::default() };
            assert_eq!(namespace_mode(&policies, winners).0, *mode, "{mesh:?} {namespace:?}");
        }
    }

    #[test]
    fn only_times_make_an_order() {
        let timed = |a: i32, b: i32| a > 0 && b > 0;
        for (ordered, firsts) in
            [(&[][..], &[][..]), (&[1], &[1]), (&[1, 2], &[1]), (&[1, -1, -2], &[1, -1, -2]), (&[-1, -2], &[-1, -2])]
        {
            assert_eq!(possible_firsts(ordered, timed), firsts, "{ordered:?}");
        }
    }
}
