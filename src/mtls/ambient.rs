//! What istiod turns PeerAuthentications into for ztunnel, and what ztunnel then does with plaintext (istio-mtls.md 1.9).
//!
//! ztunnel has no modes, only policies that refuse: a fixed one ("no identity") and one converted from the workload's
//! PeerAuthentication. istiod decides in one place which of them a workload names ([`attach`]) and in another what the
//! converted one says ([`convert`]). The two do not always agree, and a policy that is named and does not exist refuses
//! nothing (`ztunnel:src/state.rs : assert_rbac`). Both are reproduced as they are; to be looked at again with each new
//! release. HBONE brings an identity, so none of these policies refuses it: nothing turns mutual TLS off in the ambient
//! mesh.

use super::server::{Level, ModeFrom, level, possible_firsts};
use crate::model::{Labels, Mesh, Meta, MtlsMode, PeerAuthentication, Workload};
use foldhash::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// `mtls.mode` of a policy that is there; the inner `None` is UNSET.
type Mode = Option<MtlsMode>;

/// A workload's own policy: its mode, and its ports.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// `mtls.mode`.
    pub mode: Mode,
    /// `portLevelMtls`.
    pub ports: &'a [(u16, Mode)],
}

impl Own<'_> {
    fn has(&self, wanted: &[MtlsMode]) -> bool {
        self.ports.iter().any(|(_, mode)| mode.is_some_and(|mode| wanted.contains(&mode)))
    }
}

/// The policies that a workload names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// `istio_converted_static_strict`: whoever has no identity is refused.
    pub fixed: bool,
    /// The one that is converted from the workload's own PeerAuthentication.
    pub converted: bool,
}

/// Which policies a workload names (`authorization.go : convertedSelectorPeerAuthentications`).
#[must_use]
pub fn attach(mesh: Option<Mode>, namespace: Option<Mode>, own: Option<Own<'_>>) -> Attached {
    use MtlsMode::{Disable, Permissive, Strict};
    let mut strict = mesh.flatten() == Some(Strict);
    if let Some(mode) = namespace.flatten() {
        strict = mode == Strict;
    }
    let Some(own) = own else { return Attached { fixed: strict, converted: false } };
    if let Some(mode) = own.mode {
        strict = mode == Strict;
    }
    let (converted, replaces) = match own.mode {
        Some(Strict) => (own.has(&[Permissive, Disable]), true),
        Some(Permissive | Disable) => (own.has(&[Strict]), false),
        // DISABLE does not count here, while `convert` would write it (H2).
        None if strict => (own.has(&[Permissive]), true),
        None => (own.has(&[Strict]), false),
    };
    Attached { fixed: strict && !(converted && replaces), converted }
}

/// A converted policy: it refuses what has no identity and comes to a port of `only`, or to none of `except`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Whatever has no identity, but for ports of `except`.
    pub all: bool,
    /// Ports that are open.
    pub except: Vec<u16>,
    /// Ports that are closed.
    pub only: Vec<u16>,
}

impl Converted {
    /// Whether plaintext to a port is refused.
    #[must_use]
    pub fn refuses(&self, port: u16) -> bool {
        let all = self.all || !self.except.is_empty();
        self.only.contains(&port) || (all && !self.except.contains(&port))
    }
}

/// What the converted policy says; `None`: istiod makes none (`authorization.go : convertPeerAuthentication`).
/// `mesh`, `namespace`: the oldest policies without selector there.
#[must_use]
pub fn convert(mesh: Option<Mode>, namespace: Option<Mode>, own: Own<'_>) -> Option<Converted> {
    use MtlsMode::{Disable, Permissive, Strict};
    let mesh_strict = mesh.flatten() == Some(Strict);
    let namespace_strict = namespace.flatten() == Some(Strict);
    let inherits_mesh = namespace.flatten().is_none();
    let strict = own.mode == Some(Strict);
    let mut policy = Converted { all: strict, ..Converted::default() };
    for (port, mode) in own.ports {
        match mode {
            // The last clause looks at the mesh whatever the workload's own mode is (H5).
            Some(Strict) if strict || (own.mode.is_none() && namespace_strict) || (inherits_mesh && mesh_strict) => {}
            Some(Strict) => policy.only.push(*port),
            Some(Permissive | Disable) => {
                let open = match (own.mode, namespace) {
                    (Some(mode), _) => mode != Strict,
                    // A policy that is there and UNSET is taken for one that is not STRICT (H4).
                    (None, Some(_)) => !namespace_strict,
                    (None, None) => !mesh_strict,
                };
                if !open {
                    policy.except.push(*port);
                }
            }
            None => {}
        }
    }
    let exempt = !policy.except.is_empty();
    if (strict && !exempt) || policy == Converted::default() {
        return None;
    }
    if exempt && (namespace_strict || (mesh_strict && inherits_mesh)) {
        policy.all = true;
    }
    Some(policy)
}

/// What the policies say as their author reads them: the nearest mode that is set, a port before all.
#[must_use]
pub fn meant(mesh: Option<Mode>, namespace: Option<Mode>, own: Option<Own<'_>>, port: u16) -> MtlsMode {
    let of_port = own.and_then(|own| own.ports.iter().find(|(number, _)| *number == port)?.1);
    let own = of_port.or(own.and_then(|own| own.mode));
    own.or(namespace.flatten()).or(mesh.flatten()).unwrap_or(MtlsMode::Permissive)
}

/// The policies of one possibility, as numbers into [`Mesh::policies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The mesh-wide one that is looked at when policies are attached, and when they are converted.
    pub mesh: (Option<u32>, Option<u32>),
    /// The namespace-wide one, likewise.
    pub namespace: (Option<u32>, Option<u32>),
    /// The workload's own.
    pub own: Option<u32>,
}

/// What ztunnel does with plaintext to one port of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Demand {
    /// It is refused; `None`: the ages of policies decide.
    pub refused: Option<bool>,
    /// Where that stands.
    pub from: ModeFrom,
    /// The policies mean something else (H2 to H5).
    pub faulty: bool,
}

impl Demand {
    /// The mode in the words of the contract: STRICT where plaintext is refused, else PERMISSIVE.
    #[must_use]
    pub fn mode(self) -> Option<MtlsMode> {
        self.refused.map(|refused| if refused { MtlsMode::Strict } else { MtlsMode::Permissive })
    }
}

fn policy(mesh: &Mesh, number: Option<u32>) -> Option<&PeerAuthentication> {
    mesh.policies.get(number? as usize)
}

impl Levels {
    fn modes(self, mesh: &Mesh) -> [Option<Mode>; 4] {
        [self.mesh.0, self.namespace.0, self.mesh.1, self.namespace.1].map(|n| policy(mesh, n).map(|p| p.mode))
    }

    fn own(self, mesh: &Mesh) -> Option<Own<'_>> {
        policy(mesh, self.own).map(|p| Own { mode: p.mode, ports: &p.ports })
    }

    /// What the policies mean for a port, and what becomes of them: whether plaintext is refused.
    #[must_use]
    pub fn refuses(self, mesh: &Mesh, port: u16) -> (MtlsMode, bool) {
        let [wide, namespace, wide_parent, namespace_parent] = self.modes(mesh);
        let own = self.own(mesh);
        let attached = attach(wide, namespace, own);
        let converted = own.filter(|_| attached.converted);
        let converted = converted.and_then(|own| convert(wide_parent, namespace_parent, own));
        let refused = attached.fixed || converted.is_some_and(|policy| policy.refuses(port));
        (meant(wide, namespace, own, port), refused)
    }

    fn demand(self, mesh: &Mesh, port: u16) -> Demand {
        let (meant, refused) = self.refuses(mesh, port);
        let faulty = (meant == MtlsMode::Strict) != refused;
        let own = policy(mesh, self.own);
        let of_port = own.and_then(|p| p.ports.iter().find(|(number, mode)| *number == port && mode.is_some()));
        let sets = |number: &Option<u32>| policy(mesh, *number).is_some_and(|p| p.mode.is_some());
        let from = match of_port {
            Some(_) => ModeFrom { policy: self.own, port: Some(port), ..ModeFrom::NOTHING },
            // What opens every port is the policy that is not made.
            None if faulty => ModeFrom { policy: self.own, ..ModeFrom::NOTHING },
            None => ModeFrom {
                policy: [self.own, self.namespace.0, self.mesh.0].into_iter().find(sets).flatten(),
                ..ModeFrom::NOTHING
            },
        };
        Demand { refused: Some(refused), from, faulty }
    }
}

/// Whether an order of age is certain for ambient: of equal times, no name decides.
fn order_known(a: &Meta, b: &Meta) -> bool {
    a.created.is_some() && b.created.is_some() && a.created != b.created
}

/// Of policies, oldest first, those that may be the oldest; the first of those that say the same.
fn oldest<'m, K: Eq + Hash>(
    mesh: &'m Mesh,
    numbers: &[u32],
    says: impl Fn(u32, &'m PeerAuthentication) -> K,
) -> Vec<Option<u32>> {
    let firsts = possible_firsts(numbers, |a, b| match (policy(mesh, Some(a)), policy(mesh, Some(b))) {
        (Some(a), Some(b)) => order_known(&a.meta, &b.meta),
        _ => true,
    });
    let mut said: HashSet<Option<K>> = HashSet::default();
    let is_new = |number: &u32| said.insert(policy(mesh, Some(*number)).map(|policy| says(*number, policy)));
    let kept: Vec<Option<u32>> = firsts.into_iter().filter(is_new).map(Some).collect();
    if kept.is_empty() { vec![None] } else { kept }
}

/// Whether a policy has no selector at all: an empty one is another thing here (A10d, A10e).
fn no_selector(mesh: &Mesh, policy: &PeerAuthentication) -> bool {
    let node = || {
        let object = mesh.objects.get(policy.meta.id.0 as usize)?;
        let document = mesh.documents.get(object.document as usize)?;
        document.tree.node(object.node).get("spec")?.get("selector").filter(|node| !node.is_null())
    };
    policy.selector.is_empty() && node().is_none()
}

/// What the policies of the mesh and of the namespace come to, whatever the workload's own says: where this is the same,
/// so are [`attach`], [`convert`] and [`meant`].
fn inherited(mesh: &Mesh, levels: Levels) -> (Mode, Option<Mode>, bool) {
    let [wide, namespace, wide_parent, namespace_parent] = levels.modes(mesh);
    let strict = Some(MtlsMode::Strict);
    // Of the parents, only STRICT and UNSET are told apart, and the mesh's counts where the namespace's sets nothing.
    let parent =
        namespace_parent.map(|mode| mode.map(|mode| if Some(mode) == strict { mode } else { MtlsMode::Disable }));
    let mesh_strict = parent.flatten().is_none() && wide_parent.flatten() == strict;
    (namespace.flatten().or(wide.flatten()), parent, mesh_strict)
}

/// The policies of the mesh and the namespace that may count for a workload of a namespace, one pair for each effect:
/// usually one, never more than a few dozen.
fn wide(mesh: &Mesh, namespace: &Arc<str>) -> Vec<Levels> {
    let of = |namespace: &str, wanted: Level| -> (Vec<u32>, HashSet<u32>) {
        let numbers = mesh.index.policies.get(namespace).map_or(&[][..], Vec::as_slice);
        let fits = |n: &u32| policy(mesh, Some(*n)).is_some_and(|p| level(p, &mesh.root) == wanted);
        let all: Vec<u32> = numbers.iter().copied().filter(fits).collect();
        let is_bare = |n: &u32| policy(mesh, Some(*n)).is_some_and(|p| no_selector(mesh, p));
        let bare = all.iter().copied().filter(is_bare).collect();
        (all, bare)
    };
    // Pairs of the policy for attaching and the one for converting, which are one where it has no selector.
    let pairs = |all: &[u32], bare: &HashSet<u32>| -> Vec<(Option<u32>, Option<u32>)> {
        let parents: Vec<u32> = all.iter().copied().filter(|n| bare.contains(n)).collect();
        let says = |n: u32, policy: &PeerAuthentication| (policy.mode, bare.contains(&n));
        let parents = oldest(mesh, &parents, says);
        let pair = |first: Option<u32>| match first.filter(|n| bare.contains(n)) {
            Some(n) => vec![(first, Some(n))],
            None => parents.iter().map(|parent| (first, *parent)).collect(),
        };
        oldest(mesh, all, says).into_iter().flat_map(pair).collect()
    };
    let in_root = *namespace == mesh.root;
    let (mut of_mesh, bare) = of(&mesh.root, Level::Mesh);
    // An empty selector in the root namespace counts for the root namespace's own workloads only.
    of_mesh.retain(|n| in_root || bare.contains(n));
    let of_mesh = pairs(&of_mesh, &bare);
    let (of_namespace, bare) = if in_root { Default::default() } else { of(namespace, Level::Namespace) };
    let of_namespace = pairs(&of_namespace, &bare);
    let mut effects = HashSet::default();
    let all = of_mesh.iter().flat_map(|mesh| of_namespace.iter().map(|namespace| (*mesh, *namespace)));
    let all = all.map(|(mesh, namespace)| Levels { mesh, namespace, own: None });
    all.filter(|levels| effects.insert(inherited(mesh, *levels))).collect()
}

/// The policies that may count for a workload: each of one list with each of the other.
#[derive(Debug)]
pub struct Choices {
    /// Those of the mesh and of the namespace, one for each effect; never none.
    wide: Arc<[Levels]>,
    /// Its own; never none.
    own: Vec<Option<u32>>,
    /// What was worked out, by port.
    known: Mutex<HashMap<u16, Demand>>,
}

impl Choices {
    /// `own`: the workload's own policies ([`own`]), oldest first.
    #[must_use]
    pub fn new(mesh: &Mesh, namespace: &Arc<str>, own: &[u32]) -> Self {
        let own = oldest(mesh, own, |_, policy| (policy.mode, &policy.ports));
        Self { wide: wide(mesh, namespace).into(), own, known: Mutex::default() }
    }

    /// The workload's own policy, where it is certain which.
    #[must_use]
    pub fn certain(&self) -> Option<u32> {
        match self.own[..] {
            [own] => own,
            _ => None,
        }
    }

    /// The possibilities for a port, one for each effect on it: of its own policies a hundred may differ in other ports.
    pub fn at<'a>(&'a self, mesh: &Mesh, port: u16) -> impl Iterator<Item = Levels> + use<'a> {
        let mut effects = HashSet::default();
        let effect = |number: &Option<u32>| {
            let policy = policy(mesh, *number)?;
            let own = Own { mode: policy.mode, ports: &policy.ports };
            let of_port = own.ports.iter().find(|(number, _)| *number == port).map(|(_, mode)| *mode);
            // What `attach` and `convert` ask of the other ports.
            let has = [MtlsMode::Strict, MtlsMode::Permissive, MtlsMode::Disable].map(|mode| own.has(&[mode]));
            Some((own.mode, of_port, has))
        };
        let own: Vec<Option<u32>> = self.own.iter().copied().filter(|number| effects.insert(effect(number))).collect();
        self.wide.iter().flat_map(move |wide| own.clone().into_iter().map(|own| Levels { own, ..*wide }))
    }

    /// What ztunnel does with plaintext to a port, worked out once.
    #[must_use]
    pub fn demand(&self, mesh: &Mesh, port: u16) -> Demand {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(port).or_insert_with(|| self.joined(mesh, port))
    }

    fn joined(&self, mesh: &Mesh, port: u16) -> Demand {
        let mut all = self.at(mesh, port).map(|levels| levels.demand(mesh, port));
        let nothing = Demand { refused: None, from: ModeFrom::NOTHING, faulty: false };
        let Some(first) = all.next() else { return nothing };
        if all.all(|other| other.refused == first.refused) { first } else { nothing }
    }
}

/// The policies that select a workload with these labels, oldest first: the pod's own labels, without those that istiod
/// adds for sidecars.
#[must_use]
pub fn own(mesh: &Mesh, namespace: &Arc<str>, labels: &Labels) -> Vec<u32> {
    let mut found = mesh.index.selectors.candidates(namespace, labels);
    found.retain(|n| {
        policy(mesh, Some(*n)).is_some_and(|p| level(p, &mesh.root) == Level::Workload && p.selector.subset_of(labels))
    });
    found
}

/// What ztunnel does with plaintext to a port of a workload.
#[must_use]
pub fn demand(mesh: &Mesh, workload: &Workload, port: u16) -> Demand {
    let namespace = &workload.meta.namespace;
    Choices::new(mesh, namespace, &own(mesh, namespace, &workload.labels)).joined(mesh, port)
}

/// The same for workloads that only a policy of a namespace speaks of.
#[must_use]
pub fn imagined(mesh: &Mesh, namespace: &Arc<str>, own: Option<u32>, port: u16) -> Demand {
    Choices::new(mesh, namespace, own.as_slice()).joined(mesh, port)
}

/// Whether a sidecar certainly listens for HBONE on 15008: `None` where nothing of the input shows it
/// (`context.go : EnableHBONEListen`).
#[must_use]
pub fn listens(mesh: &Mesh, workload: Option<&Workload>) -> Option<bool> {
    let env = &mesh.options.env;
    if !mesh.ambient || !env.listening_hbone {
        return Some(false);
    }
    let metadata = workload.map_or(&mesh.config.metadata, |workload| &workload.metadata);
    // Injection writes label and listener together; only settings that are in the input can show that it did not.
    let unread = mesh.config_from.is_none() && mesh.options.mesh_config.is_none();
    metadata.enable_hbone.or(unread.then_some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use MtlsMode::{Disable, Permissive, Strict};

    type Ports<'a> = &'a [(u16, Mode)];
    type Row<'a> =
        (Option<Mode>, Option<Mode>, Option<(Mode, Ports<'a>)>, bool, bool, Option<(bool, &'a [u16], &'a [u16])>);

    /// mesh, namespace, own policy; fixed, converted; what the converted one is: all, except, only.
    const ROWS: &[Row<'_>] = &[
        (None, None, None, false, false, None),
        (Some(Some(Strict)), None, None, true, false, None),
        (Some(Some(Strict)), Some(None), None, true, false, None),
        (Some(Some(Strict)), Some(Some(Disable)), None, false, false, None),
        (Some(Some(Permissive)), Some(Some(Strict)), None, true, false, None),
        (Some(Some(Strict)), None, Some((Some(Disable), &[])), false, false, None),
        (None, None, Some((Some(Strict), &[])), true, false, None),
        (None, None, Some((Some(Strict), &[(80, Some(Strict))])), true, false, None),
        // H3
        (None, None, Some((Some(Strict), &[(80, Some(Disable))])), false, true, Some((true, &[80], &[]))),
        (
            None,
            None,
            Some((Some(Strict), &[(80, Some(Permissive)), (81, None)])),
            false,
            true,
            Some((true, &[80], &[])),
        ),
        (None, None, Some((Some(Permissive), &[(80, Some(Strict))])), false, true, Some((false, &[], &[80]))),
        (None, None, Some((Some(Disable), &[(80, Some(Permissive))])), false, false, None),
        // H5: the name is attached, the policy is not made.
        (Some(Some(Strict)), None, Some((Some(Permissive), &[(80, Some(Strict))])), false, true, None),
        (Some(Some(Strict)), Some(None), Some((Some(Disable), &[(80, Some(Strict))])), false, true, None),
        (
            Some(Some(Strict)),
            Some(Some(Permissive)),
            Some((Some(Permissive), &[(80, Some(Strict))])),
            false,
            true,
            Some((false, &[], &[80])),
        ),
        // H2: DISABLE is not looked at.
        (None, Some(Some(Strict)), Some((None, &[(80, Some(Disable))])), true, false, Some((true, &[80], &[]))),
        (None, Some(Some(Strict)), Some((None, &[(80, Some(Permissive))])), false, true, Some((true, &[80], &[]))),
        (Some(Some(Strict)), None, Some((None, &[(80, Some(Permissive))])), false, true, Some((true, &[80], &[]))),
        // H4
        (Some(Some(Strict)), Some(None), Some((None, &[(80, Some(Permissive))])), false, true, None),
        (None, None, Some((None, &[(80, Some(Strict)), (81, Some(Disable))])), false, true, Some((false, &[], &[80]))),
        (Some(Some(Strict)), None, Some((None, &[(80, Some(Strict))])), true, false, None),
    ];

    #[test]
    fn policies_are_attached_and_converted_as_istiod_does() {
        for (mesh, namespace, own, fixed, converted, made) in ROWS {
            let own = own.map(|(mode, ports)| Own { mode, ports });
            let case = format!("{mesh:?} {namespace:?} {own:?}");
            let want = Attached { fixed: *fixed, converted: *converted };
            assert_eq!(attach(*mesh, *namespace, own), want, "{case}");
            let got = own.and_then(|own| convert(*mesh, *namespace, own));
            let want = made.map(|(all, except, only)| Converted { all, except: except.to_vec(), only: only.to_vec() });
            assert_eq!(got, want, "{case}");
        }
    }

    #[test]
    fn a_converted_policy_refuses_by_port() {
        for (policy, port, want) in [
            (Converted { all: true, except: vec![80], only: vec![] }, 80, false),
            (Converted { all: true, except: vec![80], only: vec![] }, 81, true),
            (Converted { all: false, except: vec![], only: vec![80] }, 80, true),
            (Converted { all: false, except: vec![], only: vec![80] }, 81, false),
        ] {
            assert_eq!(policy.refuses(port), want, "{policy:?} {port}");
        }
    }

    /// The demands on ports 80 and 81 of a captured pod in `shop`: S refused, P accepted, ? undecided; ! against what is
    /// meant.
    fn demands(policies: &[(&str, &str, &str)]) -> String {
        let mut text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}, annotations: {ambient.istio.io/redirection: enabled}}\nspec: {containers: [{name: web}]}\nstatus: {phase: Running}\n".to_owned();
        for (at, (namespace, created, spec)) in policies.iter().enumerate() {
            text += &format!(
                "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: p{at}, namespace: {namespace}{created}}}\nspec: {spec}\n"
            );
        }
        let mesh = crate::model::load_text(text, crate::model::Options::default());
        let word = |port| {
            let demand = demand(&mesh, &mesh.workloads[0], port);
            let mode = demand.refused.map_or("?", |refused| if refused { "S" } else { "P" });
            format!("{mode}{}", if demand.faulty { "!" } else { "" })
        };
        format!("{} {}", word(80), word(81))
    }

    #[test]
    fn levels_are_those_of_ambient() {
        let first = ", creationTimestamp: \"2024-01-01T00:00:00Z\"";
        let second = ", creationTimestamp: \"2024-01-01T00:00:01Z\"";
        let strict = "{mtls: {mode: STRICT}}";
        let open = "{mtls: {mode: PERMISSIVE}}";
        let web = |rest: &str| format!("{{selector: {{matchLabels: {{app: web}}}}, {rest}}}");
        for (policies, want) in [
            (vec![], "P P"),
            (vec![("istio-system", "", strict)], "S S"),
            // An empty selector: a namespace policy in its own namespace, nothing in the root.
            (vec![("shop", "", "{selector: {}, mtls: {mode: STRICT}}")], "S S"),
            (vec![("istio-system", "", "{selector: {}, mtls: {mode: STRICT}}")], "P P"),
            (vec![("istio-system", "", "{selector: null, mtls: {mode: STRICT}}")], "S S"),
            // A parent with an empty selector is none: the exception is not made.
            (
                vec![
                    ("shop", "", "{selector: {}, mtls: {mode: STRICT}}"),
                    ("shop", "", &web("portLevelMtls: {80: {mode: PERMISSIVE}}")),
                ],
                "P P!",
            ),
            (vec![("istio-system", "", &web("mtls: {mode: STRICT}"))], "P P"),
            // Age.
            (vec![("shop", first, strict), ("shop", second, open)], "S S"),
            (vec![("shop", second, strict), ("shop", first, open)], "P P"),
            (vec![("shop", first, strict), ("shop", first, open)], "? ?"),
            (vec![("shop", first, strict), ("shop", first, strict)], "S S"),
            (vec![("shop", "", strict), ("shop", "", open)], "? ?"),
            // H2 to H5
            (vec![("shop", "", strict), ("shop", "", &web("portLevelMtls: {80: {mode: DISABLE}}"))], "S! S"),
            (vec![("shop", "", &web("mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}"))], "P S"),
            (
                vec![
                    ("istio-system", "", strict),
                    ("shop", "", "{mtls: {mode: UNSET}}"),
                    ("shop", "", &web("portLevelMtls: {80: {mode: PERMISSIVE}}")),
                ],
                "P P!",
            ),
            (
                vec![
                    ("istio-system", "", strict),
                    ("shop", "", &web("mtls: {mode: PERMISSIVE}, portLevelMtls: {80: {mode: STRICT}}")),
                ],
                "P! P",
            ),
        ] {
            assert_eq!(demands(&policies), want, "{policies:?}");
        }
    }

    #[test]
    fn possibilities_of_one_effect_are_one() {
        let mut text = String::new();
        let mut add = |name: String, namespace: &str, spec: String| {
            text += &format!(
                "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
            );
        };
        const MODES: [&str; 4] = ["UNSET", "PERMISSIVE", "STRICT", "DISABLE"];
        for at in 0..20 {
            let (mode, port) = (MODES[at % 4], MODES[at / 4 % 4]);
            add(format!("m{at}"), "istio-system", format!("{{mtls: {{mode: {mode}}}}}"));
            let empty = if at % 3 == 0 { "selector: {}, " } else { "" };
            add(format!("n{at}"), "shop", format!("{{{empty}mtls: {{mode: {port}}}}}"));
            let ports = format!("80: {{mode: {port}}}, {}: {{mode: {}}}", 1000 + at, MODES[at % 3]);
            let spec = format!(
                "{{selector: {{matchLabels: {{app: web}}}}, mtls: {{mode: {mode}}}, portLevelMtls: {{{ports}}}}}"
            );
            add(format!("w{at}"), "shop", spec);
        }
        let mesh = crate::model::load_text(text, crate::model::Options::default());
        let shop: Arc<str> = "shop".into();
        let labels = Labels::new([("app".into(), "web".into())]);
        let choices = Choices::new(&mesh, &shop, &own(&mesh, &shop, &labels));
        assert!(choices.wide.len() <= 24, "{}", choices.wide.len());
        let of = |wanted: Level| -> Vec<u32> {
            let all = (0..).zip(&mesh.policies).filter(|(_, policy)| level(policy, &mesh.root) == wanted);
            all.map(|(number, _)| number).collect()
        };
        let bare = |n: &u32| no_selector(&mesh, policy(&mesh, Some(*n)).unwrap());
        let namespace = of(Level::Namespace);
        let parents: Vec<u32> = namespace.iter().copied().filter(bare).collect();
        let mut pairs: Vec<(u32, u32)> = parents.iter().map(|n| (*n, *n)).collect();
        for n in namespace.iter().filter(|n| !bare(n)) {
            pairs.extend(parents.iter().map(|parent| (*n, *parent)));
        }
        for port in [0, 80, 1001, 1002] {
            let mut every = HashSet::default();
            for m in of(Level::Mesh) {
                for (n, parent) in &pairs {
                    let wide = (Some(m), Some(m));
                    let all = of(Level::Workload).into_iter().map(|own| Levels {
                        mesh: wide,
                        namespace: (Some(*n), Some(*parent)),
                        own: Some(own),
                    });
                    every.extend(all.map(|levels| levels.refuses(&mesh, port)));
                }
            }
            let few: Vec<Levels> = choices.at(&mesh, port).collect();
            assert!(few.len() < 24 * 20, "{}", few.len());
            let few: HashSet<_> = few.into_iter().map(|levels| levels.refuses(&mesh, port)).collect();
            assert_eq!(few, every, "{port}");
        }
    }
}
