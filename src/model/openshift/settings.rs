//! The settings of a control plane, whichever of their spellings they are written in (istio-mtls.md 8.2).
//!
//! A field of the API comes before raw Helm values (`op:pkg/apis/maistra/conversion/conversion_v2_to_v1.go`).

use super::Injector;
use crate::model::issue::Issues;
use crate::model::mesh_config::{MeshConfig, NamespaceSelector, read_namespace_selector};
use crate::model::read::{harmless_annotations, own_templates_stand, usual_templates};
use crate::yaml::{Kind, Node};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Settings of `global.proxy` that change what every sidecar captures: the field of a v2 control plane below
/// `proxy.networking.trafficControl`, the Helm value, the annotation that says the same of one pod, and the value that
/// changes nothing.
const CAPTURE: [(&str, &str, &str, &str); 5] = [
    ("inbound.includedPorts", "includeInboundPorts", "traffic.sidecar.istio.io/includeInboundPorts", "*"),
    ("inbound.excludedPorts", "excludeInboundPorts", "traffic.sidecar.istio.io/excludeInboundPorts", ""),
    ("outbound.includedIPRanges", "includeIPRanges", "traffic.sidecar.istio.io/includeOutboundIPRanges", "*"),
    ("outbound.excludedIPRanges", "excludeIPRanges", "traffic.sidecar.istio.io/excludeOutboundIPRanges", ""),
    ("outbound.excludedPorts", "excludeOutboundPorts", "traffic.sidecar.istio.io/excludeOutboundPorts", ""),
];

/// A setting that is written, and where.
pub(super) struct Written<'a> {
    pub(super) node: Node<'a>,
    pub(super) path: String,
}

/// Fields of the API and Helm values of one control plane. What stands where something else belongs is kept while the
/// settings are asked for, until [`Settings::report`].
pub(super) struct Settings<'a> {
    /// The fields of `maistra.io/v2`, and their path.
    pub(super) fields: Option<(Node<'a>, &'static str)>,
    /// Helm values, and their path.
    pub(super) values: Option<(Node<'a>, String)>,
    /// What is of the wrong type, by path, and what it must be.
    wrong: RefCell<BTreeMap<String, (Node<'a>, Must)>>,
}

/// Whether a setting is as predictions count on.
type Usual = fn(Option<Node<'_>>) -> bool;

/// What a value must be.
#[derive(Clone, Copy)]
enum Must {
    Mapping,
    Text,
}

impl<'a> Settings<'a> {
    pub(super) fn new(fields: Option<(Node<'a>, &'static str)>, values: Option<(Node<'a>, String)>) -> Self {
        Self { fields, values, wrong: RefCell::default() }
    }

    /// Everything of the wrong type that was met.
    pub(super) fn report(&self, issues: &mut Issues) {
        for (path, (node, must)) in self.wrong.take() {
            match must {
                Must::Mapping => drop(issues.mapping(Some(node), path)),
                Must::Text => issues.no_string(node, path),
            }
        }
    }

    /// What is below a path of keys, each step of which must be a mapping.
    fn find(&self, root: Node<'a>, base: &str, path: &str) -> Option<Written<'a>> {
        let (mut node, mut so_far) = (root, base.to_owned());
        for key in path.split('.') {
            if node.kind() != Kind::Map {
                self.wrong.borrow_mut().insert(so_far, (node, Must::Mapping));
                return None;
            }
            node = node.get(key).filter(|node| !node.is_null())?;
            so_far.push('.');
            so_far.push_str(key);
        }
        Some(Written { node, path: so_far })
    }

    /// The text of a scalar, whatever its type.
    pub(super) fn scalar(&self, written: &Written<'a>) -> Option<Cow<'a, str>> {
        let text = written.node.text();
        if text.is_none() {
            self.wrong.borrow_mut().insert(written.path.clone(), (written.node, Must::Text));
        }
        text
    }
    /// A setting by its field (empty: it has none), else by its Helm value.
    pub(super) fn get(&self, field: &str, value: &str) -> Option<Written<'a>> {
        self.field(field).or_else(|| self.value(value))
    }

    /// A field of the API.
    pub(super) fn field(&self, path: &str) -> Option<Written<'a>> {
        let (node, base) = self.fields.filter(|_| !path.is_empty())?;
        self.find(node, base, path)
    }

    /// A Helm value.
    pub(super) fn value(&self, path: &str) -> Option<Written<'a>> {
        let (node, base) = self.values.as_ref().filter(|_| !path.is_empty())?;
        self.find(*node, base, path)
    }

    /// `true` or `false`, where it is written.
    pub(super) fn boolean(&self, field: &str, value: &str, issues: &mut Issues) -> Option<bool> {
        let written = self.get(field, value)?;
        issues.boolean(Some(written.node), &written.path)
    }

    /// A text that is not empty.
    pub(super) fn text(&self, field: &str, value: &str, issues: &mut Issues) -> Option<Box<str>> {
        let written = self.get(field, value)?;
        let text = issues.string(Some(written.node), &written.path).filter(|text| !text.is_empty());
        text.map(|text| text.as_ref().into())
    }

    /// Label selectors of a list.
    fn selectors(&self, field: &str, value: &str, issues: &mut Issues) -> Vec<NamespaceSelector> {
        let Some(Written { node, path }) = self.get(field, value) else { return Vec::new() };
        let found = issues.mappings(Some(node), &path).into_iter();
        found.map(|(at, node)| read_namespace_selector(node, &format!("{path}[{at}]"), issues)).collect()
    }

    /// The mesh configuration that is written as such; the rest is the default. What istiod would refuse is an issue.
    pub(super) fn mesh_config(&self, issues: &mut Issues) -> MeshConfig {
        let Some(Written { node, path }) = self.value("meshConfig") else { return MeshConfig::default() };
        let mut problems = Vec::new();
        let config = MeshConfig::read(node, &mut problems);
        for problem in problems {
            issues.add(node, &path, format!("{path}: {problem}"), "write it as meshConfig has it");
        }
        config
    }

    /// `NAME=VALUE` of a mapping of variables.
    pub(super) fn variables(&self, field: &str, value: &str, issues: &mut Issues) -> Vec<(Box<str>, Box<str>)> {
        let mut found: Vec<(Box<str>, Box<str>)> = Vec::new();
        for Written { node, path } in [self.value(value), self.field(field)].into_iter().flatten() {
            let Some(map) = issues.mapping(Some(node), &path) else { continue };
            for (key, node) in map.entries().filter(|(_, node)| !node.is_null()) {
                let Some(key) = key.text() else { continue };
                let Some(value) = self.scalar(&Written { node, path: format!("{path}.{key}") }) else { continue };
                found.retain(|(name, _)| **name != *key);
                found.push((key.as_ref().into(), value.as_ref().into()));
            }
        }
        found
    }

    /// What every sidecar captures, as the annotations that say the same of one pod.
    pub(super) fn capture(&self) -> Vec<(&'static str, Box<str>)> {
        let one = |(field, value, annotation, usual): &(&str, &str, &'static str, &str)| {
            let field = format!("proxy.networking.trafficControl.{field}");
            let written = self.get(&field, &format!("global.proxy.{value}"))?;
            let text = match written.node.kind() {
                Kind::Seq => {
                    let item = |(at, node)| self.scalar(&Written { node, path: format!("{}[{at}]", written.path) });
                    written.node.items().enumerate().filter_map(item).collect::<Vec<_>>().join(",")
                }
                _ => self.scalar(&written)?.into_owned(),
            };
            // An empty list of what to include is as if it were not there.
            (text != *usual && !text.is_empty()).then(|| (*annotation, text.into()))
        };
        CAPTURE.iter().filter_map(one).collect()
    }

    /// What the injector does with pods that neither ask for a proxy nor refuse one. `by_default`: its policy where none
    /// is written; `probes`: whether it rewrites probes where nothing is written.
    pub(super) fn injector(&self, by_default: bool, probes: bool, issues: &mut Issues) -> Injector {
        let written = self.field("proxy.injection.autoInject").map(|w| (issues.boolean(Some(w.node), &w.path), w));
        let policy = self.value("global.proxy.autoInject").and_then(|w| self.scalar(&w).map(|t| t != "disabled"));
        let webhook = |name: &str| format!("sidecarInjectorWebhook.{name}");
        let checks: [(&str, Usual); 3] = [
            ("defaultTemplates", usual_templates),
            ("templates", own_templates_stand),
            ("injectedAnnotations", harmless_annotations),
        ];
        let unusual = |(name, usual): (&str, Usual)| {
            self.value(&webhook(name)).filter(|written| !usual(Some(written.node))).map(|written| written.path)
        };
        Injector {
            automatic: written.and_then(|(word, _)| word).or(policy).unwrap_or(by_default),
            never: self.selectors("proxy.injection.neverInjectSelector", &webhook("neverInjectSelector"), issues),
            always: self.selectors("proxy.injection.alwaysInjectSelector", &webhook("alwaysInjectSelector"), issues),
            object_selector: self.boolean("", &webhook("objectSelector.enabled"), issues) == Some(true),
            every_namespace: self.boolean("", &webhook("enableNamespacesByDefault"), issues) == Some(true),
            unfollowed: checks.into_iter().find_map(unusual),
            rewrites_probes: self.boolean("", &webhook("rewriteAppHTTPProbe"), issues).unwrap_or(probes),
        }
    }
}
