//! OpenShift Service Mesh before version 3 (Maistra): which namespaces are members, and what its injector obeys
//! (istio-mtls.md 8.4, 8.5).
//!
//! The control plane's objects are not judged otherwise, so what rests on one that the input may not hold has a lower
//! confidence.

use super::Lint;
use super::pods::label_selector;
use crate::finding::Confidence;
use crate::model::Labels;
use crate::model::mesh_config::NamespaceSelector;
use crate::yaml::Node;
use std::collections::BTreeSet;

/// The label that the operator gives to members.
const MEMBER_OF: &str = "maistra.io/member-of";

/// What the input says of the mesh.
#[derive(Default)]
pub struct Maistra {
    /// Namespaces that a ServiceMeshMemberRoll lists, or that have a ServiceMeshMember.
    listed: BTreeSet<String>,
    /// `memberSelectors` of the rolls.
    selectors: Vec<NamespaceSelector>,
    /// A roll lists `*`.
    all: bool,
    /// There is a roll or a ServiceMeshMember, or else a namespace with the operator's label.
    by_roll: bool,
    by_label: bool,
    /// Namespaces of control planes.
    planes: BTreeSet<String>,
    /// The version, where every control plane of the input says one and the same.
    version: Option<(u16, u16)>,
    /// Pods that do not ask may be injected too.
    pub automatic: bool,
    /// `techPreview.sidecarInjectorWebhook.objectSelector.enabled`: the webhook looks at the pod's label first.
    pub object_selector: bool,
}

impl Maistra {
    /// Reads the objects of the control plane.
    #[must_use]
    pub fn read(lint: &Lint<'_>) -> Self {
        let mut maistra = Self::default();
        let name = |id: crate::model::ObjectId| lint.mesh.objects.get(id.0 as usize).map(|object| &object.name);
        for (id, root) in
            lint.objects("ServiceMeshMemberRoll").filter(|(id, _)| name(*id).is_some_and(|n| **n == *"default"))
        {
            maistra.by_roll = true;
            maistra.planes.extend(lint.mesh.objects.get(id.0 as usize).map(|object| object.namespace.to_string()));
            for list in ["spec.members", "status.configuredMembers"] {
                let words = root.find(list).into_iter().flat_map(Node::items).filter_map(Node::text);
                maistra.listed.extend(words.map(|word| word.into_owned()));
            }
            let selectors = root.find("spec.memberSelectors").into_iter().flat_map(Node::items);
            maistra.selectors.extend(selectors.map(label_selector));
        }
        for (id, _) in lint.objects("ServiceMeshMember").filter(|(id, _)| name(*id).is_some_and(|n| **n == *"default"))
        {
            maistra.by_roll = true;
            maistra.listed.extend(lint.mesh.objects.get(id.0 as usize).map(|object| object.namespace.to_string()));
        }
        maistra.all = maistra.listed.contains("*");
        let mut labels = lint.mesh.namespaces.values().map(|namespace| &namespace.meta.labels);
        maistra.by_label = labels.any(|labels| labels.get(MEMBER_OF).is_some());
        let mut versions = BTreeSet::new();
        for (id, root) in lint.objects("ServiceMeshControlPlane") {
            let Some(object) = lint.mesh.objects.get(id.0 as usize) else { continue };
            maistra.planes.insert(object.namespace.to_string());
            let api = root.get("apiVersion").and_then(Node::as_str).unwrap_or_default();
            versions.insert(version(root.find("spec.version").and_then(Node::as_str), api));
            let on = |path: &str| root.find(path).is_some_and(|node| !node.is_null() && node.as_bool() != Some(false));
            maistra.automatic |=
                ["spec.proxy.injection.autoInject", "spec.proxy.injection.alwaysInjectSelector"].into_iter().any(on);
            maistra.object_selector |= on("spec.techPreview.sidecarInjectorWebhook.objectSelector.enabled");
        }
        maistra.version = if versions.len() == 1 { versions.pop_first().flatten() } else { None };
        maistra
    }

    /// Whether a namespace is a member, and how sure that is.
    #[must_use]
    pub fn member(&self, name: &str, labels: Option<&Labels>) -> (bool, Confidence) {
        let own = labels.is_some_and(|labels| labels.get(MEMBER_OF).is_some());
        let by_selector = || labels.is_some_and(|labels| self.selectors.iter().any(|one| one.matches(labels)));
        if own || self.listed.contains(name) || (!is_system(name) && (self.all || by_selector())) {
            return (true, Confidence::High);
        }
        // A selector may match a Namespace that the input does not hold, and a ServiceMeshMember may be elsewhere.
        match (self.by_roll, self.by_label) {
            (true, _) if !self.selectors.is_empty() && labels.is_none() => (true, Confidence::Low),
            (true, _) | (false, true) => (false, Confidence::Medium),
            (false, false) => (true, Confidence::Low),
        }
    }

    /// Whether a namespace is that of a control plane, which has rules of its own.
    #[must_use]
    pub fn is_plane(&self, name: &str) -> bool {
        self.planes.contains(name)
    }

    /// Whether the injector looks at the annotation only (before 2.2), and how sure that is. Without a version the newest
    /// is taken.
    #[must_use]
    pub fn annotation_only(&self) -> (bool, Confidence) {
        match self.version {
            Some(version) => (version < (2, 2), Confidence::High),
            None => (false, Confidence::Medium),
        }
    }
}

/// `v2.4` as numbers; without one, an object of `maistra.io/v1` is 1.1.
fn version(word: Option<&str>, api: &str) -> Option<(u16, u16)> {
    let Some(word) = word else { return api.ends_with("/v1").then_some((1, 1)) };
    let mut parts = word.strip_prefix('v').unwrap_or(word).split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Namespaces that `*` and selectors leave out.
fn is_system(name: &str) -> bool {
    matches!(name, "kube" | "openshift") || ["kube-", "openshift-", "ibm-"].iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_operator_reads_them() {
        for (word, api, want) in [
            (Some("v2.4"), "maistra.io/v2", Some((2, 4))),
            (Some("v1.1"), "maistra.io/v2", Some((1, 1))),
            (None, "maistra.io/v2", None),
            (None, "maistra.io/v1", Some((1, 1))),
            (Some("x"), "maistra.io/v2", None),
        ] {
            assert_eq!(version(word, api), want, "{word:?} {api}");
        }
    }

    #[test]
    fn members_are_those_of_the_roll() {
        let roll = |listed: &[&str], by_roll, by_label| Maistra {
            listed: listed.iter().map(|name| (*name).to_owned()).collect(),
            all: listed.contains(&"*"),
            by_roll,
            by_label,
            ..Maistra::default()
        };
        let labelled = Labels::new([(Box::from(MEMBER_OF), Box::from("cp"))]);
        for (maistra, name, labels, want) in [
            (roll(&["shop"], true, false), "shop", None, (true, Confidence::High)),
            (roll(&["shop"], true, false), "other", None, (false, Confidence::Medium)),
            (roll(&["*"], true, false), "other", None, (true, Confidence::High)),
            (roll(&["*"], true, false), "kube-system", None, (false, Confidence::Medium)),
            (roll(&[], false, true), "other", None, (false, Confidence::Medium)),
            (roll(&[], false, true), "other", Some(&labelled), (true, Confidence::High)),
            (roll(&[], false, false), "other", None, (true, Confidence::Low)),
        ] {
            assert_eq!(maistra.member(name, labels), want, "{name}");
        }
    }
}
