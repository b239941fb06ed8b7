//! EnvoyFilter and ProxyConfig: objects that can change a proxy behind the rules' back.

use super::issue::Issues;
use super::meta::{Labels, Meta};
use crate::yaml::Node;

/// Something that meshctl does not follow into the proxy; the workloads that it selects are UNKNOWN.
#[derive(Clone, Debug)]
pub struct Interference {
    /// The object.
    pub meta: Meta,
    /// Its kind.
    pub kind: &'static str,
    /// Labels of the workloads; empty: all of its namespace (of the mesh, in the root namespace).
    pub selector: Labels,
    /// What it patches.
    pub patches: Vec<&'static str>,
    /// It touches what a sidecar does with calls that leave its workload.
    pub outbound: bool,
    /// It touches what a sidecar does with calls that arrive.
    pub inbound: bool,
    /// It touches gateways.
    pub gateway: bool,
}

/// What an EnvoyFilter may patch that decides the wire.
const DECISIVE: [&str; 5] = ["CLUSTER", "LISTENER", "FILTER_CHAIN", "LISTENER_FILTER", "BOOTSTRAP"];

pub(super) fn read_envoy_filter(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Option<Interference> {
    let spec = issues.mapping(root.get("spec"), "spec")?;
    let mut patches = Vec::new();
    let (mut outbound, mut inbound, mut gateway) = (false, false, false);
    for (at, patch) in issues.mappings(spec.get("configPatches"), "spec.configPatches") {
        let path = format!("spec.configPatches[{at}]");
        let target = issues.string(patch.get("applyTo"), format_args!("{path}.applyTo")).unwrap_or_default();
        let matched = issues.mapping(patch.get("match"), format_args!("{path}.match"));
        let context = matched.and_then(|m| m.get("context")).and_then(Node::text).unwrap_or_default();
        let Some(word) = DECISIVE.iter().find(|word| **word == target) else { continue };
        let any = !matches!(&*context, "SIDECAR_INBOUND" | "SIDECAR_OUTBOUND" | "GATEWAY");
        outbound |= any || context == "SIDECAR_OUTBOUND";
        inbound |= any || context == "SIDECAR_INBOUND";
        gateway |= any || context == "GATEWAY";
        patches.push(*word);
    }
    patches.sort_unstable();
    patches.dedup();
    let selector = issues.mapping(spec.get("workloadSelector"), "spec.workloadSelector");
    let labels = selector.and_then(|s| s.get("labels"));
    let selector = Labels::read_selector(labels, "spec.workloadSelector.labels", issues);
    (!patches.is_empty()).then_some(Interference {
        meta,
        kind: "EnvoyFilter",
        selector,
        patches,
        outbound,
        inbound,
        gateway,
    })
}

/// A ProxyConfig whose environment sets proxy metadata (2.12).
pub(super) fn read_proxy_config(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Option<Interference> {
    let spec = issues.mapping(root.get("spec"), "spec")?;
    let variables = issues.mapping(spec.get("environmentVariables"), "spec.environmentVariables");
    let mut names = variables.into_iter().flat_map(Node::entries).map(|(key, _)| key);
    let decides = names.any(|name| name.text().is_some_and(|name| decisive_metadata(&name)));
    let selector = issues.mapping(spec.get("selector"), "spec.selector");
    let labels = selector.and_then(|s| s.get("matchLabels"));
    let selector = Labels::read_selector(labels, "spec.selector.matchLabels", issues);
    decides.then_some(Interference {
        meta,
        kind: "ProxyConfig",
        selector,
        patches: vec!["proxy metadata"],
        outbound: true,
        inbound: true,
        gateway: true,
    })
}

/// Proxy metadata that changes what a client sends or a server demands (2.12) and is not followed yet.
#[must_use]
pub fn decisive_metadata(name: &str) -> bool {
    let name = name.strip_prefix("ISTIO_META_").unwrap_or(name);
    name.starts_with("TLS_CLIENT_") || name.starts_with("TLS_SERVER_") || name == "INTERCEPTION_MODE"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::{messages, meta};

    #[test]
    fn wrong_types_are_issues() {
        for (spec, want) in [
            (
                "{configPatches: [{applyTo: CLUSTER, match: {context: GATEWAY}}], workloadSelector: {labels: {a: b}}}",
                "",
            ),
            ("patches", "spec must be a mapping, not \"patches\""),
            ("{configPatches: {applyTo: CLUSTER}}", "spec.configPatches must be a list, not a mapping"),
            ("{configPatches: [CLUSTER]}", "spec.configPatches[0] must be a mapping, not \"CLUSTER\""),
            ("{configPatches: [{match: ANY}]}", "spec.configPatches[0].match must be a mapping, not \"ANY\""),
            ("{workloadSelector: app}", "spec.workloadSelector must be a mapping, not \"app\""),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read_envoy_filter(root, meta(), issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
        for (spec, want) in [
            ("{environmentVariables: {A: b}, selector: {matchLabels: {a: b}}}", ""),
            ("{environmentVariables: [A]}", "spec.environmentVariables must be a mapping, not a list"),
            ("{selector: {matchLabels: a}}", "spec.selector.matchLabels must be a mapping, not \"a\""),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read_proxy_config(root, meta(), issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
    }
}
