//! Which namespaces belong to a control plane of OpenShift Service Mesh 1.x and 2.x (istio-mtls.md 8.4).
//!
//! `op:pkg/apis/maistra/v1/servicemeshmemberroll_types.go : IsMember`.

use super::{Found, Plane, Release};
use crate::model::issue::Issues;
use crate::model::mesh_config::{NamespaceSelector, read_namespace_selector};
use crate::model::{Labels, Meta, ObjectId, Options};
use crate::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The label that the operator gives to members: the control plane's namespace.
pub(super) const LABEL: &str = "maistra.io/member-of";

/// A ServiceMeshMemberRoll.
#[derive(Debug)]
pub struct Roll {
    meta: Meta,
    members: Vec<Box<str>>,
    selectors: Vec<NamespaceSelector>,
    /// `status.configuredMembers`, where the operator has written it.
    configured: Option<Vec<Box<str>>>,
}

/// A ServiceMeshMember: its namespace wants to belong to a control plane.
#[derive(Debug)]
pub struct Member {
    meta: Meta,
    /// Name and namespace of the control plane.
    plane: (Box<str>, Box<str>),
}

pub(in crate::model) fn read_roll(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Roll {
    let spec = issues.mapping(root.get("spec"), "spec");
    let members = issues.strings(spec.and_then(|s| s.get("members")), "spec.members");
    let mut selectors = Vec::new();
    for (at, node) in issues.mappings(spec.and_then(|s| s.get("memberSelectors")), "spec.memberSelectors") {
        selectors.push(read_namespace_selector(node, &format!("spec.memberSelectors[{at}]"), issues));
    }
    let status = issues.mapping(root.get("status"), "status");
    let list = status.and_then(|status| status.get("configuredMembers")).filter(|list| !list.is_null());
    let configured = list.map(|list| issues.strings(Some(list), "status.configuredMembers"));
    Roll { meta, members, selectors, configured }
}

pub(in crate::model) fn read_member(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Member {
    let spec = issues.mapping(root.get("spec"), "spec");
    let plane = issues.mapping(spec.and_then(|s| s.get("controlPlaneRef")), "spec.controlPlaneRef");
    let mut text = |key: &str| -> Box<str> {
        let path = format!("spec.controlPlaneRef.{key}");
        issues.string(plane.and_then(|p| p.get(key)), path).unwrap_or_default().as_ref().into()
    };
    let plane = (text("name"), text("namespace"));
    Member { meta, plane }
}

/// Namespaces that selectors and `*` never take.
fn of_the_platform(namespace: &str) -> bool {
    let prefixed = ["kube-", "openshift-", "ibm-"].iter().any(|prefix| namespace.starts_with(prefix));
    prefixed || matches!(namespace, "kube" | "openshift")
}

/// The members of one control plane.
#[derive(Debug, Default)]
pub struct Members {
    /// The control plane's namespace, which is never a member.
    pub plane: Arc<str>,
    names: BTreeSet<Arc<str>>,
    /// `["*"]`: every namespace that is none of the platform's.
    all: bool,
    /// Nothing in the input says who is a member.
    pub assumed: bool,
    /// Rolls, members and labels of the input speak of other control planes only: nobody knows who belongs to this one.
    silent: bool,
    /// A roll of this control plane's namespace that the operator does not read, in words.
    unread_roll: Option<String>,
    /// Why the ServiceMeshMember of a namespace does not make it a member, in words.
    unread_members: BTreeMap<Arc<str>, String>,
    /// What `assumed` means.
    assume: bool,
    /// `memberSelectors`: of namespaces that the input does not have nobody knows whether they are selected.
    selects: bool,
    /// Namespaces of the input, for which selectors have an answer.
    known: BTreeSet<Arc<str>>,
    /// Namespaces that belong to another control plane: what says so, and that one's namespace.
    pub foreign: BTreeMap<Arc<str>, (ObjectId, Arc<str>)>,
    /// Members that something claims for another control plane too.
    pub disputed: BTreeMap<Arc<str>, (ObjectId, Arc<str>)>,
    /// The roll of another control plane that takes every namespace, as these members are some: that one's namespace.
    pub rival: Option<(ObjectId, Arc<str>)>,
}

impl Members {
    /// Works out who belongs to a control plane; without one, to that of the first roll, member or label.
    pub(super) fn new(found: &Found<'_>, plane: Option<&Plane>, release: Release, options: &Options) -> Self {
        let home = plane.map_or_else(|| found.home(options), |plane| plane.namespace.clone());
        let name = plane.map(|plane| &*plane.meta.name);
        let wide = plane.and_then(|plane| plane.maistra.as_ref()).is_some_and(|own| own.cluster_wide);
        let known = found.namespaces.iter().map(|namespace| namespace.meta.name.clone()).collect();
        let mut members = Self { plane: home.clone(), assume: options.assume_injected, known, ..Self::default() };
        let rolls = || found.rolls.iter().filter(|roll| &*roll.meta.name == "default");
        let own = rolls().find(|roll| roll.meta.namespace == home);
        if let Some(roll) = own {
            members.take(found, roll, release);
        } else if wide && release >= Release::new(2, 4) {
            // The operator makes the roll that is missing (`op:strategy_v2_4.go : createMemberRoll`).
            let labels = Labels::new([("istio-injection".into(), "enabled".into())]);
            members.select(found, &[NamespaceSelector { labels, expressions: Vec::new() }]);
        }
        // What speaks of this control plane, also where the operator does not take it.
        let mut spoken = own.is_some() || (wide && release >= Release::new(2, 4));
        for roll in found.rolls.iter().filter(|roll| roll.meta.namespace == home && own.is_none()) {
            spoken = true;
            let words = || format!("ServiceMeshMemberRoll {} is not called default", roll.meta.slash());
            members.unread_roll.get_or_insert_with(words);
        }
        for member in &found.members {
            let (to, at) = (&*member.plane.0, &*member.plane.1);
            let (namespace, called) = (&member.meta.namespace, &*member.meta.name == "default");
            spoken |= *at == *home;
            // A control plane is one for its namespace; of the same namespace another name is a mistake, and no member.
            if called && *at == *home && name.is_none_or(|name| name == to) {
                members.names.insert(namespace.clone());
            } else if called && *at != *home {
                members.foreign.insert(namespace.clone(), (member.meta.id, at.into()));
            } else if *at == *home {
                let why = if called { format!("names control plane {to}") } else { "is not called default".to_owned() };
                let words = format!("ServiceMeshMember {} {why}", member.meta.slash());
                members.unread_members.insert(namespace.clone(), words);
            }
        }
        let labelled = found.namespaces.iter().filter_map(|object| Some((object, object.meta.labels.get(LABEL)?)));
        for (object, of) in labelled {
            let namespace = &object.meta.name;
            if *of == *home {
                members.names.insert(namespace.clone());
            } else {
                members.foreign.insert(namespace.clone(), (object.meta.id, of.into()));
            }
        }
        spoken |= !members.names.is_empty();
        // Only an input without any of these may leave it out because it holds no objects of this kind at all (8.4).
        let none = found.rolls.is_empty() && found.members.is_empty() && members.foreign.is_empty();
        (members.assumed, members.silent) = (none && !spoken, !none && !spoken);
        for roll in rolls().filter(|roll| roll.meta.namespace != home) {
            let of = (roll.meta.id, roll.meta.namespace.clone());
            let mut theirs = Self::default();
            theirs.take(found, roll, release);
            if theirs.all && (members.all || !members.names.is_empty()) {
                members.rival = Some(of.clone());
            }
            members.foreign.extend(theirs.names.into_iter().map(|name| (name, of.clone())));
        }
        for other in found.planes.iter().filter(|other| other.namespace != home && other.maistra.is_some()) {
            members.foreign.insert(other.namespace.clone(), (other.meta.id, other.namespace.clone()));
        }
        members.names.remove(&home);
        members.foreign.remove(&home);
        let names = &members.names;
        let (disputed, foreign) =
            std::mem::take(&mut members.foreign).into_iter().partition(|(ns, _)| names.contains(ns));
        (members.disputed, members.foreign) = (disputed, foreign);
        members
    }

    fn take(&mut self, found: &Found<'_>, roll: &Roll, release: Release) {
        if let Some(configured) = &roll.configured {
            self.names.extend(configured.iter().map(|name| Arc::from(&**name)));
            return;
        }
        self.all = roll.members.iter().any(|name| &**name == "*");
        self.names.extend(roll.members.iter().filter(|name| &***name != "*").map(|name| Arc::from(&**name)));
        if release >= Release::new(2, 4) {
            self.select(found, &roll.selectors);
        }
    }

    fn select(&mut self, found: &Found<'_>, selectors: &[NamespaceSelector]) {
        self.selects |= !selectors.is_empty();
        let selected = found.namespaces.iter().filter(|namespace| {
            let wanted = selectors.iter().any(|selector| selector.matches(&namespace.labels));
            wanted && !of_the_platform(&namespace.meta.name)
        });
        self.names.extend(selected.map(|namespace| namespace.meta.name.clone()));
    }

    /// Whether a namespace is a member.
    #[must_use]
    pub fn has(&self, namespace: &str) -> bool {
        if *self.plane == *namespace {
            return false;
        }
        let other = self.foreign.contains_key(namespace);
        self.names.contains(namespace)
            || (!other && !of_the_platform(namespace) && (self.all || (self.assumed && self.assume)))
    }

    /// Why the input cannot say if a namespace is a member, where it cannot.
    #[must_use]
    pub fn unclear(&self, namespace: &str) -> Option<String> {
        if self.has(namespace) || *self.plane == *namespace || self.foreign.contains_key(namespace) {
            return None;
        }
        if self.silent && !of_the_platform(namespace) {
            return Some(format!(
                "the ServiceMeshMemberRolls, ServiceMeshMembers and labels of the input are those of other control planes: whether namespace {namespace} belongs to the one of {} is not in the input",
                self.plane
            ));
        }
        let asked = self.selects && !self.known.contains(namespace);
        asked.then(|| format!("memberSelectors decide on namespace {namespace}, which is not in the input"))
    }

    /// Why a namespace that is no member is none, where an object of the input looks as if it made it one.
    pub(super) fn unread(&self, namespace: &str) -> Option<&str> {
        self.unread_members.get(namespace).or(self.unread_roll.as_ref()).map(String::as_str)
    }
}

impl Found<'_> {
    /// Namespace of the control plane, where its own object is not in the input.
    fn home(&self, options: &Options) -> Arc<str> {
        let named = options.root_namespace.as_deref().map(Into::into);
        let roll = || self.rolls.first().map(|roll| roll.meta.namespace.clone());
        let member = || self.members.first().map(|member| Arc::from(&*member.plane.1));
        let label = || self.namespaces.iter().find_map(|namespace| namespace.meta.labels.get(LABEL).map(Arc::from));
        named.or_else(roll).or_else(member).or_else(label).unwrap_or_else(|| "istio-system".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Mesh, load_text};

    fn mesh(text: &str) -> Mesh {
        load_text(text, Options::default())
    }

    const ROLL: &str =
        "{apiVersion: maistra.io/v1, kind: ServiceMeshMemberRoll, metadata: {name: default, namespace: cp}, ";

    fn plane(version: &str, more: &str) -> String {
        format!(
            "{{apiVersion: maistra.io/v2, kind: ServiceMeshControlPlane, metadata: {{name: basic, namespace: cp}}, spec: {{version: {version}{more}}}}}\n---\n"
        )
    }

    fn namespace(name: &str, labels: &str) -> String {
        format!("---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{{labels}}}}}}}\n")
    }

    #[test]
    fn rolls_members_labels_and_nothing() {
        let roll = |spec: &str| format!("{ROLL}{spec}}}\n");
        let member = "{apiVersion: maistra.io/v1, kind: ServiceMeshMember, metadata: {name: default, namespace: shop}, spec: {controlPlaneRef: {name: basic, namespace: cp}}}";
        let (labelled, bare) = (namespace("shop", "team: a"), namespace("shop", ""));
        let selectors = "spec: {memberSelectors: [{matchLabels: {team: a}}]}";
        // Version, more of the control plane, the rest, is `shop` a member, does istiod see it, is it assumed.
        let rows: [(&str, &str, String, bool, bool, bool); 13] = [
            ("v2.4", "", roll("spec: {members: [shop]}"), true, true, false),
            ("v2.4", "", roll("spec: {members: [other]}"), false, false, false),
            ("v2.4", "", roll("spec: {members: ['*']}"), true, true, false),
            ("v2.4", "", roll(selectors) + &labelled, true, true, false),
            ("v2.3", "", roll(selectors) + &labelled, false, false, false),
            ("v2.4", "", roll(selectors) + &bare, false, false, false),
            ("v2.4", "", roll("spec: {members: [shop]}, status: {configuredMembers: []}"), false, false, false),
            ("v2.4", "", member.to_owned(), true, true, false),
            ("v2.4", "", namespace("shop", "maistra.io/member-of: cp"), true, true, false),
            ("v2.4", "", bare.clone(), true, true, true),
            ("v2.4", ", mode: ClusterWide", bare.clone(), false, true, false),
            ("v2.4", ", mode: ClusterWide", namespace("shop", "istio-injection: enabled"), true, true, false),
            (
                "v2.3",
                ", techPreview: {controlPlaneMode: ClusterScoped}",
                roll("spec: {members: []}"),
                false,
                true,
                false,
            ),
        ];
        for (version, more, rest, is, seen, assumed) in rows {
            let mesh = mesh(&(plane(version, more) + &rest));
            let members = mesh.control.as_ref().and_then(|control| control.members.as_ref()).expect("members");
            assert_eq!(
                (members.has("shop"), mesh.sees("shop"), members.assumed),
                (is, seen, assumed),
                "{version} {more} {rest}"
            );
            assert!(!members.has("cp") && mesh.sees("cp"));
            assert!(!members.has("kube-system") && !members.has("openshift-monitoring"));
        }
    }

    #[test]
    fn two_control_planes_are_two_meshes() {
        let other = "---\n{apiVersion: maistra.io/v2, kind: ServiceMeshControlPlane, metadata: {name: basic, namespace: cp2}, spec: {version: v2.4}}\n---\n{apiVersion: maistra.io/v1, kind: ServiceMeshMemberRoll, metadata: {name: default, namespace: cp2}, spec: {members: [pay]}}\n";
        let text = plane("v2.4", "") + ROLL + "spec: {members: [shop]}}\n" + other;
        let tainted = |mesh: &Mesh| -> Vec<String> {
            let names = mesh.taints.iter().filter_map(|taint| match &taint.scope {
                crate::model::Scope::Namespace(name) => Some(name.to_string()),
                _ => None,
            });
            names.collect()
        };
        let first = mesh(&text);
        assert_eq!((&*first.root, tainted(&first)), ("cp", vec!["cp2".to_owned(), "pay".to_owned()]));
        let second = load_text(text, Options { root_namespace: Some("cp2".to_owned()), ..Options::default() });
        assert_eq!((&*second.root, tainted(&second)), ("cp2", vec!["cp".to_owned(), "shop".to_owned()]));
    }

    #[test]
    fn what_two_rolls_claim_is_tainted() {
        let roll = |cp: &str, members: &str| {
            format!(
                "---\n{{apiVersion: maistra.io/v1, kind: ServiceMeshMemberRoll, metadata: {{name: default, namespace: {cp}}}, spec: {{members: [{members}]}}}}\n"
            )
        };
        for (ours, theirs, want) in [
            ("shop", "shop", "Namespace(\"shop\")"),
            ("shop, pay", "pay", "Namespace(\"pay\")"),
            ("shop", "'*'", "All"),
            ("'*'", "'*'", "All"),
            ("shop", "", ""),
        ] {
            let mesh = mesh(&(plane("v2.4", "") + &roll("cp", ours) + &roll("cp2", theirs)));
            let found: Vec<String> = mesh.taints.iter().map(|taint| format!("{:?}", taint.scope)).collect();
            assert_eq!(found.join(" "), want, "{ours} {theirs}");
        }
    }

    #[test]
    fn a_namespace_has_one_control_plane() {
        let second = plane("v2.4", "").replace("basic", "second");
        let mesh = mesh(&(plane("v2.4", "") + &second));
        let all: Vec<_> = mesh.taints.iter().filter(|taint| taint.scope == crate::model::Scope::All).collect();
        assert!(matches!(&all[..], [one] if one.reason.contains("cp/basic and cp/second")), "{all:?}");
    }

    #[test]
    fn a_selector_leaves_namespaces_open_that_are_not_in_the_input() {
        let text = plane("v2.4", "") + ROLL + "spec: {memberSelectors: [{matchLabels: {team: a}}]}}";
        let mesh = mesh(&text);
        let members = mesh.control.as_ref().and_then(|control| control.members.as_ref()).expect("members");
        assert!(members.unclear("shop").is_some() && members.unclear("cp").is_none());
    }

    #[test]
    fn objects_that_fit_no_control_plane_make_nobody_a_member() {
        let roll = |name: &str, cp: &str, members: &str| {
            format!(
                "---\n{{apiVersion: maistra.io/v1, kind: ServiceMeshMemberRoll, metadata: {{name: {name}, namespace: {cp}}}, spec: {{members: [{members}]}}}}\n"
            )
        };
        let member = |name: &str, namespace: &str, plane: &str, cp: &str| {
            format!(
                "---\n{{apiVersion: maistra.io/v1, kind: ServiceMeshMember, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{controlPlaneRef: {{name: {plane}, namespace: {cp}}}}}}}\n"
            )
        };
        let pod = "---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {metadata: {annotations: {sidecar.istio.io/inject: 'true'}}, spec: {containers: [{name: a}]}}}}\n";
        // What is said of members; is `shop` one: `yes` (`yes?` by assumption), `no`, or nobody knows; the reason holds.
        let rows: [(String, &str, &str); 13] = [
            (String::new(), "yes?", ""),
            (roll("default", "cp", "shop"), "yes", ""),
            (roll("wrongname", "cp", "shop"), "no", "ServiceMeshMemberRoll cp/wrongname is not called default"),
            (roll("wrongname", "cp", "other"), "no", "cp/wrongname"),
            (roll("default", "cp", "other") + &roll("wrongname", "cp", "shop"), "no", "no member"),
            (member("wrong", "shop", "basic", "cp"), "no", "ServiceMeshMember shop/wrong is not called default"),
            (member("default", "shop", "nope", "cp"), "no", "ServiceMeshMember shop/default names control plane nope"),
            (member("default", "other", "basic", "cp"), "no", "no member"),
            (member("default", "other", "basic", "cp2"), "open", ""),
            (member("wrong", "shop", "basic", "cp2"), "open", ""),
            (roll("default", "cp2", "other"), "open", "other control planes"),
            (roll("wrongname", "cp2", "shop"), "open", ""),
            (namespace("other", "maistra.io/member-of: cp2"), "open", ""),
        ];
        for (said, want, why) in rows {
            let mesh = mesh(&(plane("v2.4", "") + &said + &namespace("shop", "") + pod));
            let control = mesh.control.as_ref().expect("a control plane");
            let members = control.members.as_ref().expect("members");
            let is = match (members.has("shop"), members.unclear("shop").is_some()) {
                (true, _) if members.assumed => "yes?",
                (true, _) => "yes",
                (false, true) => "open",
                (false, false) => "no",
            };
            let workload = mesh.workloads.first().expect("a workload");
            assert_eq!((is, control.notes.len()), (want, usize::from(want == "yes?")), "{said}");
            assert_eq!(workload.proxy == crate::model::Proxy::Sidecar, want.starts_with("yes"), "{said}");
            assert_eq!(
                mesh.taints.iter().any(|taint| taint.scope == crate::model::Scope::Namespace("shop".into())),
                want == "open",
                "{said}"
            );
            assert!(workload.proxy_why.contains(why), "{said} {}", workload.proxy_why);
            assert_eq!(members.unclear("openshift-monitoring"), None, "{said}");
        }
    }
}
