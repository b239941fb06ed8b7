//! EnvoyFilter and ProxyConfig: objects that can change a proxy behind the rules' back.

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

pub(super) fn read_envoy_filter(root: Node<'_>, meta: Meta) -> Option<Interference> {
    let spec = root.get("spec")?;
    let mut patches = Vec::new();
    let (mut outbound, mut inbound, mut gateway) = (false, false, false);
    for patch in spec.get("configPatches").into_iter().flat_map(Node::items) {
        let target = patch.get("applyTo").and_then(Node::text).unwrap_or_default();
        let Some(word) = DECISIVE.iter().find(|word| **word == target) else { continue };
        let context = patch.find("match.context").and_then(Node::text).unwrap_or_default();
        let any = !matches!(&*context, "SIDECAR_INBOUND" | "SIDECAR_OUTBOUND" | "GATEWAY");
        outbound |= any || context == "SIDECAR_OUTBOUND";
        inbound |= any || context == "SIDECAR_INBOUND";
        gateway |= any || context == "GATEWAY";
        patches.push(*word);
    }
    patches.sort_unstable();
    patches.dedup();
    let selector = Labels::read(spec.find("workloadSelector.labels"));
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
pub(super) fn read_proxy_config(root: Node<'_>, meta: Meta) -> Option<Interference> {
    let spec = root.get("spec")?;
    let mut names = spec.get("environmentVariables").into_iter().flat_map(Node::entries).map(|(key, _)| key);
    let decides = names.any(|name| name.text().is_some_and(|name| decisive_metadata(&name)));
    let selector = Labels::read(spec.find("selector.matchLabels"));
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
