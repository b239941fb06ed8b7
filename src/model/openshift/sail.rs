//! Sail's Istio, IstioRevision and IstioRevisionTag: OpenShift Service Mesh 3 (istio-mtls.md 8.7).
//!
//! `sail:pkg/revision/values.go : ComputeValues`, `controllers/istio/istio_controller.go : getActiveRevisionName`. The
//! operator makes no policy and no rule.

use super::settings::Settings;
use super::{Plane, Product};
use crate::model::issue::Issues;
use crate::model::{Meta, Version};
use crate::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};

/// An IstioRevisionTag.
#[derive(Debug)]
pub struct Tag {
    name: Box<str>,
    /// `targetRef` is an Istio, whose active revision is meant.
    of_istio: bool,
    target: Box<str>,
}

pub(in crate::model) fn read_tag(root: Node<'_>, meta: &Meta, issues: &mut Issues) -> Tag {
    let spec = issues.mapping(root.get("spec"), "spec");
    let target = issues.mapping(spec.and_then(|spec| spec.get("targetRef")), "spec.targetRef");
    let mut text = |key: &str| -> Box<str> {
        let path = format!("spec.targetRef.{key}");
        issues.string(target.and_then(|target| target.get(key)), path).unwrap_or_default().as_ref().into()
    };
    Tag { name: (*meta.name).into(), of_istio: &*text("kind") == "Istio", target: text("name") }
}

/// Reads an Istio (`revision`: false) or an IstioRevision, which carries the same values.
pub(in crate::model) fn read_plane(root: Node<'_>, meta: Meta, revision: bool, issues: &mut Issues) -> Plane {
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|spec| spec.get(key));
    let mut doubts = Vec::new();
    let written = issues.string(get("version"), "spec.version").filter(|text| !text.is_empty());
    let version = match written.as_deref() {
        Some("master") => None,
        Some(text) => match text.parse::<Version>() {
            Ok(version) => Some(version),
            Err(why) => {
                let node = get("version").unwrap_or(root);
                issues.add(node, "spec.version", format!("spec.version: {why}"), "a version such as v1.26.4");
                None
            }
        },
        None => {
            doubts.push(format!(
                "spec.version of the {} is not set: taken as Istio {}, it is the newest of the operator",
                if revision { "IstioRevision" } else { "Istio" },
                Version::NEWEST
            ));
            None
        }
    };
    let namespace = issues.string(get("namespace"), "spec.namespace").filter(|text| !text.is_empty());
    let namespace = namespace.as_deref().unwrap_or("istio-system");
    let strategy = issues.mapping(get("updateStrategy"), "spec.updateStrategy");
    let kind = issues.string(strategy.and_then(|s| s.get("type")), "spec.updateStrategy.type");
    let named: Box<str> = match kind.as_deref() {
        Some("RevisionBased") if !revision => {
            let version = written.as_deref().map_or_else(|| "v".to_owned(), |text| text.replace('.', "-"));
            format!("{}-{version}", meta.name).into()
        }
        _ => (*meta.name).into(),
    };
    let values = issues.mapping(get("values"), "spec.values");
    let settings = Settings::new(None, values.map(|node| (node, "spec.values".to_owned())));
    let mut config = settings.mesh_config(issues);
    let root_namespace = config.root_namespace.take();
    if config.trust_domain.is_none() {
        config.trust_domain = settings.text("", "global.trustDomain", issues);
    }
    let mut env = settings.variables("", "pilot.env", issues);
    let profile = issues.string(get("profile"), "spec.profile");
    let profile = profile.or_else(|| settings.value("profile").and_then(|written| settings.scalar(&written)));
    if matches!(profile.as_deref(), Some("ambient" | "openshift-ambient")) {
        // `profile-ambient.yaml`; the values stand over the profile's.
        env.insert(0, ("PILOT_ENABLE_AMBIENT".into(), "true".into()));
        config.metadata.enable_hbone.get_or_insert(true);
    }
    let plane = Plane {
        product: Product::Sail,
        namespace: namespace.into(),
        revision: named,
        version,
        version_path: "spec.version",
        config,
        auto_path: "spec.values.meshConfig.enableAutoMtls".to_owned(),
        root: root_namespace.as_deref().unwrap_or(namespace).into(),
        env,
        domain: settings.text("", "global.proxy.clusterDomain", issues),
        injector: settings.injector(true, true, issues),
        capture: settings.capture(),
        doubts,
        maistra: None,
        meta,
    };
    settings.report(issues);
    plane
}

/// The plane that a tag leads to.
fn target<'a>(planes: &[&'a Plane], tag: &Tag) -> Option<&'a Plane> {
    let named =
        |plane: &&&Plane| if tag.of_istio { *plane.meta.name == *tag.target } else { plane.revision == tag.target };
    planes.iter().find(named).copied()
}

/// The plane that injects where nothing names a revision.
pub(super) fn default_plane<'a>(planes: &[&'a Plane], tags: &[&Tag]) -> Option<&'a Plane> {
    let sail = |plane: &&&Plane| plane.product == Product::Sail && &*plane.revision == "default";
    let by_tag = || tags.iter().find(|tag| &*tag.name == "default").and_then(|tag| target(planes, tag));
    planes.iter().find(sail).copied().or_else(by_tag)
}

/// Revisions and tags of the input.
#[derive(Debug, Default)]
pub struct Revisions {
    /// Revisions by their name and by their tags.
    names: BTreeMap<Box<str>, Box<str>>,
    /// Beginnings of revisions whose version is not known: `default-v`.
    open: BTreeSet<Box<str>>,
}

impl Revisions {
    pub(super) fn new(planes: &[&Plane], tags: &[&Tag]) -> Self {
        let mut revisions = Self::default();
        for plane in planes.iter().filter(|plane| plane.product == Product::Sail) {
            if plane.revision.ends_with("-v") {
                revisions.open.insert(plane.revision.clone());
            }
            revisions.names.insert(plane.revision.clone(), plane.revision.clone());
        }
        for tag in tags {
            if let Some(plane) = target(planes, tag) {
                revisions.names.entry(tag.name.clone()).or_insert_with(|| plane.revision.clone());
            }
        }
        revisions
    }

    /// The revision that a name or tag means; `None`: no control plane of the input has it.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&str> {
        let open = || self.open.iter().find(|start| name.starts_with(&***start)).map(|start| &**start);
        self.names.get(name).map(|revision| &**revision).or_else(open)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Mesh, Options, Proxy, Version, load_text};

    fn mesh(text: &str) -> Mesh {
        load_text(text, Options::default())
    }

    fn istio(name: &str, spec: &str) -> String {
        format!("---\n{{apiVersion: sailoperator.io/v1, kind: Istio, metadata: {{name: {name}}}, spec: {spec}}}\n")
    }

    #[test]
    fn settings_come_from_the_values() {
        let mesh = mesh(&istio(
            "mesh-a",
            "{version: v1.24.6, namespace: system-a, values: {meshConfig: {enableAutoMtls: false, trustDomain: corp}, \
             pilot: {env: {PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES: 'true'}}, global: {proxy: {clusterDomain: corp.local}}}}",
        ));
        assert_eq!((mesh.version, &*mesh.root, &*mesh.revision), (Version::one(24), "system-a", "mesh-a"));
        assert!(!mesh.config.auto_mtls && mesh.options.env.headless_eds);
        assert_eq!((&*mesh.trust_domain, &*mesh.options.cluster_domain), ("corp", "corp.local"));
        assert_eq!((mesh.policies.len(), mesh.rules.len()), (0, 0), "the operator makes nothing");
    }

    #[test]
    fn the_ambient_profile_has_settings_of_its_own() {
        let off = ", values: {meshConfig: {defaultConfig: {proxyMetadata: {ISTIO_META_ENABLE_HBONE: 'false'}}}}";
        for (spec, ambient, hbone) in [
            ("profile: ambient".to_owned(), Some(true), Some(true)),
            ("profile: openshift-ambient".to_owned(), Some(true), Some(true)),
            ("values: {profile: ambient}".to_owned(), Some(true), Some(true)),
            (format!("profile: ambient{off}"), Some(true), Some(false)),
            ("profile: default".to_owned(), None, None),
        ] {
            let mesh = mesh(&istio("default", &format!("{{version: v1.26.4, {spec}}}")));
            assert_eq!((mesh.options.env.ambient, mesh.config.metadata.enable_hbone), (ambient, hbone), "{spec}");
        }
    }

    #[test]
    fn an_istio_and_its_revision_agree() {
        let revision = |spec: &str| istio("default", spec).replace("kind: Istio,", "kind: IstioRevision,");
        let first = istio("default", "{version: v1.24.6}");
        for (spec, clash) in [
            ("{version: v1.24.6, namespace: istio-system}", false),
            ("{version: v1.24.6, namespace: istio-system, values: {pilot: {env: {X: y}}}}", false),
            ("{version: v1.26.4, namespace: istio-system}", true),
            ("{version: v1.24.6, namespace: istio-system, values: {meshConfig: {enableAutoMtls: false}}}", true),
            ("{version: v1.24.6, namespace: other}", true),
        ] {
            let mesh = mesh(&(first.clone() + &revision(spec)));
            assert_eq!(mesh.taints.len(), usize::from(clash), "{spec} {:?}", mesh.taints);
        }
    }

    #[test]
    fn templates_of_the_users_own_are_not_followed() {
        for (webhook, taints) in [
            ("defaultTemplates: [sidecar]", 0),
            ("defaultTemplates: [sidecar, own]", 1),
            ("defaultTemplates: grpc-agent", 1),
            ("templates: {own: x}", 0),
            ("templates: {sidecar: x}", 1),
            ("injectedAnnotations: {a: b}", 0),
            ("injectedAnnotations: {sidecar.istio.io/interceptionMode: NONE}", 1),
        ] {
            let spec = format!("{{version: v1.24.6, values: {{sidecarInjectorWebhook: {{{webhook}}}}}}}");
            assert_eq!(mesh(&istio("default", &spec)).taints.len(), taints, "{webhook}");
        }
    }

    #[test]
    fn the_user_stands_over_the_object() {
        let text = istio(
            "default",
            "{version: v1.24.6, values: {pilot: {env: {PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES: 'true'}}}}",
        );
        let mut options = Options { version: Some(Version::one(26)), ..Options::default() };
        options.env.set("PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES=false").expect("a known variable");
        let mesh = load_text(text, options);
        assert_eq!(mesh.version, Version::one(26));
        assert!(!mesh.options.env.headless_eds);
    }

    #[test]
    fn each_revision_and_tag_has_a_webhook() {
        let (based, tag) = (
            istio("default", "{version: v1.26.4, updateStrategy: {type: RevisionBased}}"),
            "---\n{apiVersion: sailoperator.io/v1, kind: IstioRevisionTag, metadata: {name: NAME}, spec: {targetRef: {kind: Istio, name: default}}}\n",
        );
        let (plain, named) = (istio("default", "{version: v1.26.4}"), istio("mesh-a", "{version: v1.26.4}"));
        let (as_default, as_prod) =
            (based.clone() + &tag.replace("NAME", "default"), based.clone() + &tag.replace("NAME", "prod"));
        let always =
            istio("default", "{version: v1.26.4, values: {sidecarInjectorWebhook: {enableNamespacesByDefault: true}}}");
        let (inject, refuse) = ("sidecar.istio.io/inject: 'true'", "sidecar.istio.io/inject: 'false'");
        for (planes, namespace, pod, injected) in [
            (&plain, "istio-injection: enabled", "", true),
            (&plain, "istio-injection: enabled", refuse, false),
            (&plain, "istio-injection: disabled", inject, false),
            (&plain, "", inject, true),
            (&plain, "", "", false),
            (&plain, "istio.io/rev: default", "", true),
            (&plain, "istio.io/rev: other", "", false),
            (&named, "istio-injection: enabled", "", false),
            (&named, "istio.io/rev: mesh-a", "", true),
            (&named, "", inject, false),
            (&named, "", "istio.io/rev: mesh-a", true),
            (&based, "istio-injection: enabled", "", false),
            (&based, "istio.io/rev: default-v1-26-4", "", true),
            (&as_default, "istio-injection: enabled", "", true),
            (&as_default, "", inject, true),
            (&as_prod, "istio-injection: enabled", "", false),
            (&as_prod, "istio.io/rev: prod", "", true),
            (&always, "", "", true),
            (&always, "", refuse, false),
        ] {
            let text = format!(
                "{planes}---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{{namespace}}}}}}}\n---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: shop}}, spec: {{template: {{metadata: {{labels: {{{pod}}}}}, spec: {{containers: [{{name: a}}]}}}}}}}}\n"
            );
            let mesh = mesh(&text);
            let workload = mesh.workloads.first().expect("a workload");
            assert_eq!(workload.proxy == Proxy::Sidecar, injected, "{text}{}", workload.proxy_why);
            if injected {
                assert_eq!(workload.revision.as_deref(), Some(&*mesh.revision), "{text}");
            }
        }
    }
}
