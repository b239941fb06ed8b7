//! Namespace: the labels that ask for injection and choose the control plane.

use super::meta::{Labels, Meta};

/// One Namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name is in `meta.name`.
    pub meta: Meta,
    /// Its labels, with the one that Kubernetes adds by itself.
    pub labels: Labels,
}

pub(super) fn read(meta: Meta) -> Namespace {
    let mut labels = meta.labels.clone();
    labels.add("kubernetes.io/metadata.name", &meta.name);
    Namespace { labels, meta }
}
