//! EnvoyFilter: an object that can change a proxy behind the rules' back.

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
    }
}
