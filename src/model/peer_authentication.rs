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
    let spec = root.get("spec");
    let mode = spec.and_then(|s| s.find("mtls.mode"));
    let mode = issues.word(mode, || "spec.mtls.mode".to_owned(), MODES).flatten();
    let mut ports = Vec::new();
    for (key, value) in spec.and_then(|s| s.get("portLevelMtls")).into_iter().flat_map(Node::entries) {
        let name = key.text().unwrap_or_default();
        let path = || format!("spec.portLevelMtls[\"{name}\"]");
        match name.parse::<u16>() {
            Ok(port) if port > 0 => {
                let mode = issues.word(value.get("mode"), || format!("{}.mode", path()), MODES).flatten();
                ports.push((port, mode));
            }
            _ => issues.add(key, path(), format!("{name:?} is not a port number"), "the workload's port, 1 to 65535"),
        }
    }
    ports.sort_unstable_by_key(|(port, _)| *port);
    PeerAuthentication { meta, selector: Labels::read(spec.and_then(|s| s.find("selector.matchLabels"))), mode, ports }
}
