//! PeerAuthentication: what a workload's proxy demands of its callers.

use super::issue::Issues;
use super::meta::{Labels, Meta};
use crate::yaml::Node;

/// `mtls.mode`, but UNSET, which is `None` wherever it can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MtlsMode {
    /// Mutual TLS only.
    Strict,
    /// Mutual TLS and plaintext.
    Permissive,
    /// Plaintext only.
    Disable,
}

impl MtlsMode {
    /// The word of the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Strict => "STRICT",
            Self::Permissive => "PERMISSIVE",
            Self::Disable => "DISABLE",
        }
    }
}

/// One PeerAuthentication (`api:security/v1beta1/peer_authentication.proto`).
#[derive(Clone, Debug)]
pub struct PeerAuthentication {
    /// Name, namespace, age.
    pub meta: Meta,
    /// `selector.matchLabels`; an absent and an empty selector are the same to sidecars (A10).
    pub selector: Labels,
    /// `mtls.mode`; `None` is UNSET.
    pub mode: Option<MtlsMode>,
    /// `portLevelMtls`: workload port to mode; a mode of `None` inherits.
    pub ports: Vec<(u16, Option<MtlsMode>)>,
}

const MODES: &[(&str, Option<MtlsMode>)] = &[
    ("STRICT", Some(MtlsMode::Strict)),
    ("PERMISSIVE", Some(MtlsMode::Permissive)),
    ("DISABLE", Some(MtlsMode::Disable)),
    ("UNSET", None),
];

pub(super) fn read(root: Node<'_>, meta: Meta, issues: &mut Issues) -> PeerAuthentication {
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let mtls = issues.mapping(get("mtls"), "spec.mtls");
    let mode = issues.word(mtls.and_then(|m| m.get("mode")), "spec.mtls.mode", MODES).flatten();
    let mut ports = Vec::new();
    let levels = issues.mapping(get("portLevelMtls"), "spec.portLevelMtls");
    for (key, value) in levels.into_iter().flat_map(Node::entries) {
        let name = key.text().unwrap_or_default();
        let path = format!("spec.portLevelMtls[\"{name}\"]");
        match name.parse::<u16>() {
            Ok(port) if port > 0 => {
                let mtls = issues.mapping(Some(value), &path);
                let mode = issues.word(mtls.and_then(|m| m.get("mode")), format_args!("{path}.mode"), MODES);
                ports.push((port, mode.flatten()));
            }
            _ => issues.add(key, path, format!("{name:?} is not a port number"), "the workload's port, 1 to 65535"),
        }
    }
    ports.sort_unstable_by_key(|(port, _)| *port);
    let selector = issues.mapping(get("selector"), "spec.selector");
    let labels = selector.and_then(|s| s.get("matchLabels"));
    PeerAuthentication {
        meta,
        selector: Labels::read_selector(labels, "spec.selector.matchLabels", issues),
        mode,
        ports,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::{messages, meta};

    #[test]
    fn wrong_types_are_issues() {
        for (spec, want) in [
            ("{}", ""),
            ("{mtls: {}}", ""),
            ("{mtls: {mode: STRICT}, selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: DISABLE}}}", ""),
            ("{portLevelMtls: {\"8080\": null}}", ""),
            ("STRICT", "spec must be a mapping, not \"STRICT\""),
            ("{mtls: STRICT}", "spec.mtls must be a mapping, not \"STRICT\""),
            ("{mtls: {mode: strict}}", "\"strict\" is not a value of spec.mtls.mode"),
            ("{mtls: {mode: [STRICT]}}", "spec.mtls.mode must be one word, not a list"),
            ("{selector: app}", "spec.selector must be a mapping, not \"app\""),
            ("{selector: {matchLabels: [app]}}", "spec.selector.matchLabels must be a mapping, not a list"),
            ("{selector: {matchLabels: {app: }}}", "spec.selector.matchLabels[\"app\"] must be a string, not null"),
            ("{portLevelMtls: [8080]}", "spec.portLevelMtls must be a mapping, not a list"),
            ("{portLevelMtls: {8080: DISABLE}}", "spec.portLevelMtls[\"8080\"] must be a mapping, not \"DISABLE\""),
            ("{portLevelMtls: {http: {}}}", "\"http\" is not a port number"),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read(root, meta(), issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
    }
}
