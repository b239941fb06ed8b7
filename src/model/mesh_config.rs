//! The mesh's own settings: meshConfig, istiod's environment, and what the user says of both.

use super::fields::proto;
use super::issue::Issues;
use super::meta::Labels;
use super::sidecar::{Outbound, read_outbound};
use crate::yaml::Node;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// One `matchExpressions` entry: key, operator, values.
pub type Expression = (Box<str>, Box<str>, Vec<Box<str>>);

/// One `discoverySelectors` entry.
#[derive(Clone, Debug, Default)]
pub struct NamespaceSelector {
    /// `matchLabels`.
    pub labels: Labels,
    /// `matchExpressions`.
    pub expressions: Vec<Expression>,
}

impl NamespaceSelector {
    /// Kubernetes' label selector semantics; an operator that is not known matches nothing.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.labels.subset_of(labels)
            && self.expressions.iter().all(|(key, operator, values)| {
                let value = labels.get(key);
                let listed = value.is_some_and(|value| values.iter().any(|v| **v == *value));
                match &**operator {
                    "In" => listed,
                    "NotIn" => !listed,
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}

/// meshConfig, what of it decides (6.1); defaults from `pkg/config/mesh/mesh.go : DefaultMeshConfig`.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    /// `rootNamespace`, where it is written.
    pub root_namespace: Option<Box<str>>,
    /// `enableAutoMtls`.
    pub auto_mtls: bool,
    /// `defaultDestinationRuleExportTo` contains `.`; nothing else of it is honoured.
    pub rules_private: bool,
    /// `defaultServiceExportTo`.
    pub service_export_to: Vec<Box<str>>,
    /// `serviceEntryVisibility` is set: not followed.
    pub entry_visibility: bool,
    /// `discoverySelectors`.
    pub discovery: Vec<NamespaceSelector>,
    /// `outboundTrafficPolicy.mode`.
    pub outbound: Outbound,
    /// `trustDomain`, where it is written.
    pub trust_domain: Option<Box<str>>,
    /// `trustDomainAliases`, and the trust domains of `caCertificates`: others that proxies accept.
    pub other_trust_domains: Vec<Box<str>>,
    /// `defaultConfig.interceptionMode: NONE`.
    pub intercept_none: bool,
    /// `defaultConfig.proxyMetadata` sets something that is not followed.
    pub metadata: Option<Box<str>>,
    /// `proxyInboundListenPort`, where it is written: the port that every proxy black-holes (else 15006).
    pub inbound_port: Option<u16>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            root_namespace: None,
            auto_mtls: true,
            rules_private: false,
            service_export_to: Vec::new(),
            entry_visibility: false,
            discovery: Vec::new(),
            outbound: Outbound::AllowAny,
            trust_domain: None,
            other_trust_domains: Vec::new(),
            intercept_none: false,
            metadata: None,
            inbound_port: None,
        }
    }
}

impl MeshConfig {
    /// Reads a meshConfig mapping. Fields that are absent keep Istio's default. What istiod would refuse becomes a
    /// sentence in `problems`: with one, nothing can be said of the mesh's settings.
    #[must_use]
    pub fn read(root: Node<'_>, problems: &mut Vec<String>) -> Self {
        let mut issues = Issues::default();
        let config = Self::read_fields(issues.mapping(Some(root), "the mesh's configuration"), &mut issues);
        problems.extend(issues.0.into_iter().map(|issue| issue.message));
        config
    }

    fn read_fields(root: Option<Node<'_>>, issues: &mut Issues) -> Self {
        let get = |key: &str| root.and_then(|root| proto(root, key)).filter(|node| !node.is_null());
        let mut text = |key: &str| -> Option<Box<str>> {
            issues.string(get(key), key).filter(|text| !text.is_empty()).map(|text| text.as_ref().into())
        };
        let (root_namespace, trust_domain) = (text("rootNamespace"), text("trustDomain"));
        let rules = issues.strings(get("defaultDestinationRuleExportTo"), "defaultDestinationRuleExportTo");
        let mut discovery = Vec::new();
        for (at, node) in issues.mappings(get("discoverySelectors"), "discoverySelectors") {
            discovery.push(read_namespace_selector(node, &format!("discoverySelectors[{at}]"), issues));
        }
        let proxy = issues.mapping(get("defaultConfig"), "defaultConfig");
        let metadata = proxy.and_then(|proxy| proto(proxy, "proxyMetadata"));
        let metadata = issues.mapping(metadata, "defaultConfig.proxyMetadata");
        let names = metadata.into_iter().flat_map(Node::entries).filter_map(|(key, _)| key.text());
        let mode = proxy.and_then(|proxy| proto(proxy, "interceptionMode"));
        let intercept_none = issues.word(mode, "defaultConfig.interceptionMode", INTERCEPTION_MODES);
        // Zero is protobuf's word for absent.
        let port = get("proxyInboundListenPort").filter(|node| node.as_i64() != Some(0));
        Self {
            root_namespace,
            auto_mtls: issues.boolean(get("enableAutoMtls"), "enableAutoMtls").unwrap_or(true),
            rules_private: rules.iter().any(|word| &**word == "."),
            service_export_to: issues.strings(get("defaultServiceExportTo"), "defaultServiceExportTo"),
            entry_visibility: get("serviceEntryVisibility").is_some(),
            discovery,
            outbound: read_outbound(get("outboundTrafficPolicy"), "outboundTrafficPolicy", issues)
                .unwrap_or(Outbound::AllowAny),
            trust_domain,
            other_trust_domains: read_trust_domains(get("trustDomainAliases"), get("caCertificates")),
            intercept_none: intercept_none == Some(true),
            metadata: decisive(names),
            inbound_port: issues.port(port, "proxyInboundListenPort"),
        }
    }
}

/// The first name that is not followed.
fn decisive<'a>(mut names: impl Iterator<Item = Cow<'a, str>>) -> Option<Box<str>> {
    names.find(|name| super::filter::decisive_metadata(name)).map(|name| name.as_ref().into())
}

/// `trustDomainAliases`, and `trustDomains` of each of `caCertificates`. No row hangs on them, so nothing is an issue.
fn read_trust_domains(aliases: Option<Node<'_>>, authorities: Option<Node<'_>>) -> Vec<Box<str>> {
    let lists = authorities.into_iter().flat_map(Node::items).filter_map(|one| proto(one, "trustDomains"));
    let names = aliases.into_iter().chain(lists).flat_map(Node::items).filter_map(Node::text);
    let mut found: Vec<Box<str>> = names.map(|name| name.as_ref().into()).collect();
    found.sort();
    found.dedup();
    found
}

/// `interceptionMode` by name or by number, as protobuf's JSON has it: whether nothing is intercepted.
pub(super) const INTERCEPTION_MODES: &[(&str, bool)] =
    &[("REDIRECT", false), ("TPROXY", false), ("NONE", true), ("0", false), ("1", false), ("2", true)];

fn read_namespace_selector(node: Node<'_>, path: &str, issues: &mut Issues) -> NamespaceSelector {
    let labels = proto(node, "matchLabels");
    let expressions = issues.mappings(proto(node, "matchExpressions"), format_args!("{path}.matchExpressions"));
    let expressions = expressions.into_iter().map(|(at, expression)| {
        let path = format!("{path}.matchExpressions[{at}]");
        let mut text = |key: &str| -> Box<str> {
            issues.string(expression.get(key), format_args!("{path}.{key}")).unwrap_or_default().as_ref().into()
        };
        let (key, operator) = (text("key"), text("operator"));
        (key, operator, issues.strings(expression.get("values"), format_args!("{path}.values")))
    });
    let expressions = expressions.collect();
    NamespaceSelector { labels: Labels::read_selector(labels, format_args!("{path}.matchLabels"), issues), expressions }
}

/// istiod's environment (6.2), what of it decides.
#[derive(Clone, Debug)]
pub struct IstiodEnv {
    /// `ENABLE_TLS_ON_SIDECAR_INGRESS`.
    pub ingress_tls: bool,
    /// `PILOT_ALLOW_SIDECAR_SERVICE_INBOUND_LISTENER_MERGE`.
    pub merge_ingress: bool,
    /// `ENABLE_ENHANCED_DESTINATIONRULE_MERGE`.
    pub enhanced_merge: bool,
    /// `PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES`.
    pub headless_eds: bool,
    /// `PILOT_ENABLE_SERVICEENTRY_SELECT_PODS`.
    pub entries_select_pods: bool,
    /// `CLUSTER_ID`.
    pub cluster_id: Option<Box<str>>,
    /// Variables that are known to change answers and are not followed yet, as given.
    pub not_followed: Vec<Box<str>>,
}

impl Default for IstiodEnv {
    fn default() -> Self {
        Self {
            ingress_tls: false,
            merge_ingress: false,
            enhanced_merge: true,
            headless_eds: false,
            entries_select_pods: true,
            cluster_id: None,
            not_followed: Vec::new(),
        }
    }
}

/// Variables of section 6.2 that decide something that is judged in ambient meshes only, or not yet.
const AMBIENT_ONLY: [&str; 4] = [
    "PILOT_ENABLE_AMBIENT",
    "PILOT_ENABLE_SENDING_HBONE",
    "PILOT_ENABLE_SIDECAR_LISTENING_HBONE",
    "PILOT_PREFER_SENDING_HBONE",
];

impl IstiodEnv {
    /// Takes one `NAME=VALUE`. An unknown name is an error: a typing mistake would silently change nothing.
    ///
    /// # Errors
    /// A sentence for the user, where the name or the value cannot be understood.
    pub fn set(&mut self, pair: &str) -> Result<(), String> {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("{pair:?} is not NAME=VALUE"))?;
        let flag = || match value {
            "true" | "TRUE" | "True" | "1" | "t" | "T" => Ok(true),
            "false" | "FALSE" | "False" | "0" | "f" | "F" => Ok(false),
            _ => Err(format!("{value:?} is not a value of {name}: true or false")),
        };
        match name {
            "ENABLE_TLS_ON_SIDECAR_INGRESS" => self.ingress_tls = flag()?,
            "PILOT_ALLOW_SIDECAR_SERVICE_INBOUND_LISTENER_MERGE" => self.merge_ingress = flag()?,
            "ENABLE_ENHANCED_DESTINATIONRULE_MERGE" => self.enhanced_merge = flag()?,
            "PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES" => self.headless_eds = flag()?,
            "PILOT_ENABLE_SERVICEENTRY_SELECT_PODS" => self.entries_select_pods = flag()?,
            "CLUSTER_ID" => self.cluster_id = Some(value.into()),
            "PILOT_SKIP_VALIDATE_TRUST_DOMAIN" | "PREFER_DESTINATIONRULE_TLS_FOR_EXTERNAL_SERVICES" => {
                flag()?;
            }
            // In a mesh without ambient workloads these change nothing, and ambient workloads are UNKNOWN anyway.
            _ if AMBIENT_ONLY.contains(&name) => {
                flag()?;
            }
            "PILOT_UNIFIED_SIDECAR_SCOPE"
            | "COMPLIANCE_POLICY"
            | "PILOT_IGNORE_RESOURCES"
            | "PILOT_INCLUDE_RESOURCES" => {
                self.not_followed.push(pair.into());
            }
            _ => {
                return Err(format!(
                    "{name:?} is not a variable of istiod that changes who speaks mutual TLS; docs/tls-check.md lists those that do"
                ));
            }
        }
        Ok(())
    }
}

/// What the user says of the mesh, over whatever the input says.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--root-namespace`.
    pub root_namespace: Option<String>,
    /// `--trust-domain`.
    pub trust_domain: Option<String>,
    /// `--mesh-config`, read.
    pub mesh_config: Option<MeshConfig>,
    /// `--istiod-env`.
    pub env: IstiodEnv,
    /// `--assume-injected`.
    pub assume_injected: bool,
    /// Namespace of objects that name none.
    pub default_namespace: String,
    /// Domain of Kubernetes services.
    pub cluster_domain: String,
    /// Sources, as they are shown, that hold patches of objects and no objects.
    pub patches: BTreeSet<String>,
    /// Sources, as they are shown, that nobody named: one that has neither `apiVersion` nor `kind` may fail to parse.
    pub walked: BTreeSet<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root_namespace: None,
            trust_domain: None,
            mesh_config: None,
            env: IstiodEnv::default(),
            assume_injected: true,
            default_namespace: "default".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            patches: BTreeSet::new(),
            walked: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())))
    }

    #[test]
    fn discovery_selectors_are_label_selectors() {
        let team = labels(&[("team", "a")]);
        for (operator, values, fits) in [
            ("In", vec!["a", "b"], true),
            ("In", vec!["b"], false),
            ("NotIn", vec!["a"], false),
            ("NotIn", vec!["b"], true),
            ("Exists", vec![], true),
            ("DoesNotExist", vec![], false),
            ("Near", vec![], false),
        ] {
            let values = values.into_iter().map(Into::into).collect();
            let expressions = vec![("team".into(), operator.into(), values)];
            let selector = NamespaceSelector { labels: Labels::default(), expressions };
            assert_eq!(selector.matches(&team), fits, "{operator}");
        }
    }

    #[test]
    fn an_unknown_variable_is_refused() {
        let mut env = IstiodEnv::default();
        assert!(env.set("ENABLE_TLS_ON_SIDECAR_INGRESS=true").is_ok() && env.ingress_tls);
        for bad in ["ENABLE_TLS_ON_SIDECAR_INGRES=true", "ENABLE_TLS_ON_SIDECAR_INGRESS=maybe", "X"] {
            assert!(env.set(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_istiod_refuses_is_a_problem() {
        for (text, want) in [
            ("", ""),
            ("{}", ""),
            ("enableAutoMtls: false\nrootNamespace: istio-config\ntrustDomain: td\nunknown: [1]", ""),
            ("outboundTrafficPolicy: {mode: SOMETHING_NEW}", ""),
            ("defaultConfig: {interceptionMode: TPROXY, proxyMetadata: {A: b}}\nproxyInboundListenPort: 0", ""),
            (
                "discoverySelectors: [{matchLabels: {a: b}, matchExpressions: [{key: a, operator: In, values: [b]}]}]",
                "",
            ),
            ("enableAutoMtls: flase", "enableAutoMtls must be true or false, not \"flase\""),
            ("enableAutoMtls: \"false\"", "enableAutoMtls must be true or false, not the string \"false\""),
            ("enable_auto_mtls: 0", "enableAutoMtls must be true or false, not 0"),
            ("- enableAutoMtls", "the mesh's configuration must be a mapping, not a list"),
            ("rootNamespace: 5", "rootNamespace must be a string: quote it"),
            ("trustDomain: [td]", "trustDomain must be a string, not a list"),
            ("defaultDestinationRuleExportTo: .", "defaultDestinationRuleExportTo must be a list, not \".\""),
            ("defaultServiceExportTo: .", "defaultServiceExportTo must be a list, not \".\""),
            ("outboundTrafficPolicy: ALLOW_ANY", "outboundTrafficPolicy must be a mapping, not \"ALLOW_ANY\""),
            ("defaultConfig: NONE", "defaultConfig must be a mapping, not \"NONE\""),
            ("defaultConfig: {interceptionMode: none}", "\"none\" is not a value of defaultConfig.interceptionMode"),
            ("defaultConfig: {proxyMetadata: [A]}", "defaultConfig.proxyMetadata must be a mapping, not a list"),
            ("discoverySelectors: {a: b}", "discoverySelectors must be a list, not a mapping"),
            ("discoverySelectors: [a]", "discoverySelectors[0] must be a mapping, not \"a\""),
            (
                "discoverySelectors: [{matchLabels: [a]}]",
                "discoverySelectors[0].matchLabels must be a mapping, not a list",
            ),
            ("proxyInboundListenPort: 70000", "\"70000\" is not a port number"),
        ] {
            let tree = crate::yaml::parse_text(text).unwrap();
            let mut problems = Vec::new();
            let _ = MeshConfig::read(tree.root(), &mut problems);
            assert_eq!(problems.join("; "), want, "{text}");
        }
    }

    #[test]
    fn other_trust_domains_are_aliases_and_those_of_authorities() {
        for (text, want) in [
            ("", ""),
            ("{trustDomainAliases: [b, a]}", "a,b"),
            ("{trust_domain_aliases: [b], caCertificates: [{pem: x, trustDomains: [c, b]}, {pem: y}]}", "b,c"),
            ("{trustDomainAliases: a, caCertificates: {a: b}}", ""),
        ] {
            let tree = crate::yaml::parse_text(text).unwrap();
            let config = MeshConfig::read(tree.root(), &mut Vec::new());
            assert_eq!(config.other_trust_domains.join(","), want, "{text}");
        }
    }

    #[test]
    fn fields_are_read_by_both_of_their_names() {
        for text in [
            "{enableAutoMtls: false, proxyInboundListenPort: 15999, defaultConfig: {interceptionMode: NONE}}",
            "{enable_auto_mtls: no, proxy_inbound_listen_port: 15999, default_config: {interception_mode: 2}}",
        ] {
            let tree = crate::yaml::parse_text(text).unwrap();
            let mut problems = Vec::new();
            let config = MeshConfig::read(tree.root(), &mut problems);
            assert_eq!((config.auto_mtls, config.inbound_port, config.intercept_none), (false, Some(15999), true));
            assert!(problems.is_empty(), "{problems:?}");
        }
    }
}
