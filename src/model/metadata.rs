//! Metadata of a proxy that changes what it sends or demands: `ISTIO_META_*` (istio-mtls.md 2.12).
//!
//! `pkg/model/proxy.go : NodeMetadata`; of several places that say one thing the nearest to the pod counts
//! (`pilot/pkg/model/proxy_config.go : EffectiveProxyConfig`).

use super::fields::proto;
use super::issue::Issues;
use super::mesh_config::INTERCEPTION_MODES;
use super::meta::{Labels, Meta};
use crate::yaml::{self, Kind, Node};

/// What proxy metadata says; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `INTERCEPTION_MODE`, `interceptionMode`: `Some(true)` is NONE.
    pub intercept_none: Option<bool>,
    /// `TLS_CLIENT_CERT_CHAIN` names a file: the proxy calls with a certificate of its own.
    pub client_certificate: Option<bool>,
    /// `TLS_SERVER_CERT_CHAIN`: the proxy answers with a certificate of its own.
    pub server_certificate: Option<bool>,
    /// `TLS_SERVER_KEY`.
    pub server_key: Option<bool>,
    /// `TLS_SERVER_ROOT_CERT`: the proxy judges its callers by a root of its own.
    pub server_root: Option<bool>,
    /// `ENABLE_HBONE`.
    pub enable_hbone: Option<bool>,
    /// `DISABLE_HBONE_SEND`.
    pub disable_hbone_send: Option<bool>,
    /// `ISTIO_METAJSON_LABELS`: labels that the proxy has besides those of its pod.
    pub labels: Option<Labels>,
    /// `NETWORK`: the network that the proxy is in.
    pub network: Option<Box<str>>,
    /// Something that would count cannot be read, or its value is not in the input.
    pub unclear: bool,
}

impl Metadata {
    /// The proxy calls with certificate files of its own.
    #[must_use]
    pub fn has_client_files(&self) -> bool {
        self.client_certificate == Some(true)
    }

    /// The proxy answers with certificate files of its own, or judges callers by a root file of its own
    /// (`pilot/pkg/security/model/authentication.go : ApplyToCommonTLSContext`).
    #[must_use]
    pub fn has_server_files(&self) -> bool {
        let pair = self.server_certificate == Some(true) && self.server_key == Some(true);
        pair || self.server_root == Some(true)
    }

    /// The sidecar was told to listen for HBONE (`ISTIO_META_ENABLE_HBONE`).
    #[must_use]
    pub fn enables_hbone(&self) -> bool {
        self.enable_hbone == Some(true)
    }

    /// The proxy was told never to send HBONE (`ISTIO_META_DISABLE_HBONE_SEND`).
    #[must_use]
    pub fn sends_no_hbone(&self) -> bool {
        self.disable_hbone_send == Some(true)
    }

    /// Takes one variable of the proxy's environment; `None`: its value is from elsewhere.
    pub(super) fn set(&mut self, variable: &str, value: Option<&str>) {
        if variable == "ISTIO_METAJSON_LABELS" {
            match value.and_then(json_labels) {
                Some(labels) => self.labels = Some(labels),
                None => self.unclear = true,
            }
            return;
        }
        let Some(name) = variable.strip_prefix("ISTIO_META_") else { return };
        let mut unclear = false;
        let mut file = |slot: &mut Option<bool>| match value {
            Some(value) => *slot = Some(!value.is_empty()),
            None => unclear = true,
        };
        match name {
            "TLS_CLIENT_CERT_CHAIN" => file(&mut self.client_certificate),
            "TLS_SERVER_CERT_CHAIN" => file(&mut self.server_certificate),
            "TLS_SERVER_KEY" => file(&mut self.server_key),
            "TLS_SERVER_ROOT_CERT" => file(&mut self.server_root),
            "ENABLE_HBONE" | "DISABLE_HBONE_SEND" => {
                let slot = if name == "ENABLE_HBONE" { &mut self.enable_hbone } else { &mut self.disable_hbone_send };
                match value.map(flag) {
                    Some(Some(word)) => *slot = Some(word),
                    _ => unclear = true,
                }
            }
            "NETWORK" => match value {
                Some(name) => self.network = (!name.is_empty()).then(|| name.into()),
                None => unclear = true,
            },
            // As for every word that is none of the three, istiod goes by REDIRECT (`ParseInterceptionMode` and its users).
            "INTERCEPTION_MODE" => match value {
                Some(mode) => self.says_mode(mode == "NONE"),
                None => unclear = true,
            },
            _ => {}
        }
        self.unclear |= unclear;
    }

    /// The mode is said in places that iptables and istiod read apart: one NONE is enough.
    pub(super) fn says_mode(&mut self, none: bool) {
        self.intercept_none = Some(none || self.intercept_none == Some(true));
    }

    /// Every variable of a mapping such as `proxyMetadata`.
    pub(super) fn set_all(&mut self, variables: Option<Node<'_>>) {
        for (name, value) in variables.into_iter().flat_map(Node::entries) {
            self.set(&name.text().unwrap_or_default(), value.text().as_deref());
        }
    }

    /// A ProxyConfig as text: `proxy.istio.io/config`, or `PROXY_CONFIG`. What cannot be read may say anything.
    pub(super) fn set_config(&mut self, text: &str) {
        let Some(tree) = yaml::parse_text(text) else {
            self.unclear = true;
            return;
        };
        let root = tree.root();
        let mapping = |node: Option<Node<'_>>| node.is_none_or(|n| n.is_null() || n.kind() == Kind::Map);
        let variables = proto(root, "proxyMetadata");
        self.unclear |= !mapping(Some(root)) || !mapping(variables);
        let mode = proto(root, "interceptionMode").filter(|mode| !mode.is_null()).map(|mode| mode.text());
        match mode.map(|mode| INTERCEPTION_MODES.iter().find(|(word, _)| mode.as_deref() == Some(word))) {
            Some(Some((_, none))) => self.says_mode(*none),
            Some(None) => self.unclear = true,
            None => {}
        }
        self.set_all(variables);
    }

    /// This metadata where it says something, else that of a place further from the pod.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        Self {
            intercept_none: self.intercept_none.or(base.intercept_none),
            client_certificate: self.client_certificate.or(base.client_certificate),
            server_certificate: self.server_certificate.or(base.server_certificate),
            server_key: self.server_key.or(base.server_key),
            server_root: self.server_root.or(base.server_root),
            enable_hbone: self.enable_hbone.or(base.enable_hbone),
            disable_hbone_send: self.disable_hbone_send.or(base.disable_hbone_send),
            labels: self.labels.as_ref().or(base.labels.as_ref()).cloned(),
            network: self.network.as_ref().or(base.network.as_ref()).cloned(),
            unclear: self.unclear || base.unclear,
        }
    }

    /// Joins what places of one rank say: what they disagree on is unclear.
    fn beside(&self, other: &Self) -> Self {
        let clash = |a: Option<bool>, b: Option<bool>| a.zip(b).is_some_and(|(a, b)| a != b);
        let unclear = clash(self.intercept_none, other.intercept_none)
            || clash(self.client_certificate, other.client_certificate)
            || clash(self.server_certificate, other.server_certificate)
            || clash(self.server_key, other.server_key)
            || clash(self.server_root, other.server_root)
            || clash(self.enable_hbone, other.enable_hbone)
            || clash(self.disable_hbone_send, other.disable_hbone_send)
            || self.network.as_ref().zip(other.network.as_ref()).is_some_and(|(a, b)| a != b)
            || self.labels.as_ref().zip(other.labels.as_ref()).is_some_and(|(a, b)| a != b);
        let mut both = self.over(other);
        both.unclear |= unclear;
        both
    }
}

/// `strconv.ParseBool`, as istiod reads a StringBool.
fn flag(word: &str) -> Option<bool> {
    match word {
        _ if super::mesh_config::go_bool(word) => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A JSON mapping of texts.
fn json_labels(text: &str) -> Option<Labels> {
    let tree = yaml::parse_text(text)?;
    let root = tree.root();
    if root.kind() != Kind::Map {
        return None;
    }
    let pair = |(key, value): (Node<'_>, Node<'_>)| Some((key.as_str()?.into(), value.as_str()?.into()));
    root.entries().map(pair).collect::<Option<Vec<_>>>().map(Labels::new)
}

/// One ProxyConfig, what of it is metadata.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// The object.
    pub meta: Meta,
    /// Labels of the workloads; empty: all of its namespace (of the mesh, in the root namespace).
    pub selector: Labels,
    /// `environmentVariables`.
    pub metadata: Metadata,
}

pub(super) fn read_proxy_config(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Option<ProxyConfig> {
    let spec = issues.mapping(root.get("spec"), "spec")?;
    let variables = issues.mapping(spec.get("environmentVariables"), "spec.environmentVariables");
    let mut metadata = Metadata::default();
    metadata.set_all(variables);
    let selector = issues.mapping(spec.get("selector"), "spec.selector");
    let labels = selector.and_then(|s| s.get("matchLabels"));
    let selector = Labels::read_selector(labels, "spec.selector.matchLabels", issues);
    (metadata != Metadata::default()).then_some(ProxyConfig { meta, selector, metadata })
}

/// The metadata that a pod gets from elsewhere: the mesh's, under the ProxyConfigs of the root namespace, of its own,
/// and those that select it.
pub(super) fn inherited(
    mesh: &Metadata,
    configs: &[ProxyConfig],
    root: &str,
    namespace: &str,
    labels: &Labels,
) -> Metadata {
    let joined = |wanted: &dyn Fn(&ProxyConfig) -> bool| {
        let found = configs.iter().filter(|config| wanted(config)).map(|config| config.metadata.clone());
        found.reduce(|a, b| a.beside(&b)).unwrap_or_default()
    };
    let wide = |of: &str| joined(&|config| *config.meta.namespace == *of && config.selector.is_empty());
    let own = joined(&|config| {
        *config.meta.namespace == *namespace && !config.selector.is_empty() && config.selector.subset_of(labels)
    });
    own.over(&wide(namespace)).over(&wide(root)).over(mesh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::{messages, meta};

    fn of(pairs: &[(&str, Option<&str>)]) -> Metadata {
        let mut metadata = Metadata::default();
        pairs.iter().for_each(|(name, value)| metadata.set(name, *value));
        metadata
    }

    #[test]
    fn variables_are_read_by_their_full_name() {
        let read = |name, value| {
            let m = of(&[(name, value)]);
            (m.has_client_files(), m.has_server_files(), m.enables_hbone(), m.sends_no_hbone(), m.unclear)
        };
        for (name, value, want) in [
            ("ISTIO_META_TLS_CLIENT_CERT_CHAIN", Some("/c.pem"), (true, false, false, false, false)),
            ("ISTIO_META_TLS_CLIENT_CERT_CHAIN", Some(""), (false, false, false, false, false)),
            ("ISTIO_META_TLS_CLIENT_CERT_CHAIN", None, (false, false, false, false, true)),
            ("ISTIO_META_TLS_CLIENT_KEY", Some("/k.pem"), (false, false, false, false, false)),
            ("ISTIO_META_TLS_SERVER_ROOT_CERT", Some("/r.pem"), (false, true, false, false, false)),
            ("ISTIO_META_TLS_SERVER_CERT_CHAIN", Some("/c.pem"), (false, false, false, false, false)),
            ("ISTIO_META_ENABLE_HBONE", Some("true"), (false, false, true, false, false)),
            ("ISTIO_META_DISABLE_HBONE_SEND", Some("1"), (false, false, false, true, false)),
            ("ISTIO_META_DISABLE_HBONE_SEND", Some("yes"), (false, false, false, false, true)),
            ("ENABLE_HBONE", Some("true"), (false, false, false, false, false)),
            ("ISTIO_METAJSON_LABELS", Some("[]"), (false, false, false, false, true)),
            ("ISTIO_META_CLUSTER_ID", None, (false, false, false, false, false)),
        ] {
            assert_eq!(read(name, value), want, "{name}={value:?}");
        }
        let pair = of(&[("ISTIO_META_TLS_SERVER_CERT_CHAIN", Some("/c")), ("ISTIO_META_TLS_SERVER_KEY", Some("/k"))]);
        assert!(pair.has_server_files());
        let labels = of(&[("ISTIO_METAJSON_LABELS", Some("{\"a\": \"b\"}"))]).labels.unwrap();
        assert_eq!(labels.get("a"), Some("b"));
    }

    #[test]
    fn the_nearest_place_counts_and_equals_must_agree() {
        let sets = |value: &str| of(&[("ISTIO_META_ENABLE_HBONE", Some(value))]);
        let config = |namespace: &str, selector: Option<&str>, value: &str| ProxyConfig {
            meta: Meta { namespace: namespace.into(), ..meta() },
            selector: Labels::new(selector.map(|app| ("app".into(), app.into()))),
            metadata: sets(value),
        };
        let labels = Labels::new([("app".into(), "web".into())]);
        let rows: &[(&[ProxyConfig], Option<bool>, bool)] = &[
            (&[], Some(false), false),
            (&[config("root", None, "true")], Some(true), false),
            (&[config("root", None, "true"), config("shop", None, "false")], Some(false), false),
            (&[config("shop", None, "false"), config("shop", Some("web"), "true")], Some(true), false),
            (&[config("shop", Some("other"), "true"), config("else", None, "true")], Some(false), false),
            (&[config("root", Some("web"), "true")], Some(false), false),
            (&[config("shop", None, "true"), config("shop", None, "false")], Some(true), true),
        ];
        for (at, (configs, want, unclear)) in rows.iter().enumerate() {
            let found = inherited(&sets("false"), configs, "root", "shop", &labels);
            assert_eq!((found.enable_hbone, found.unclear), (*want, *unclear), "row {at}");
        }
    }

    #[test]
    fn wrong_types_are_issues() {
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
