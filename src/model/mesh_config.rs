//! The mesh's own settings: meshConfig, istiod's environment, and what the user says of both.

use super::fields::proto;
use super::issue::Issues;
use super::meta::Labels;
use super::metadata::Metadata;
use super::sidecar::{Outbound, read_outbound};
use super::version::Version;
use crate::yaml::Node;
use std::collections::BTreeSet;

/// One `matchExpressions` entry: key, operator, values.
pub type Expression = (Box<str>, Box<str>, Vec<Box<str>>);

/// One `discoverySelectors` entry.
#[derive(Clone, Debug, Default, PartialEq)]
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

/// Whether a text is one of those that Go's `strconv.ParseBool` takes for true.
#[must_use]
pub fn go_bool(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// meshConfig, what of it decides (6.1); defaults from `pkg/config/mesh/mesh.go : DefaultMeshConfig`.
#[derive(Clone, Debug, PartialEq)]
pub struct MeshConfig {
    /// `rootNamespace`, where it is written.
    pub root_namespace: Option<Box<str>>,
    /// `enableAutoMtls`.
    pub auto_mtls: bool,
    /// `enableAutoMtls` is written: else it is on, but for Istio 1.4 and 1.5.
    pub auto_mtls_written: bool,
    /// `authPolicy: MUTUAL_TLS`, which Istio 1.0 takes where there is no policy.
    pub auth_policy_mtls: bool,
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
    /// `defaultConfig`, what of it is metadata of every proxy: `interceptionMode`, `proxyMetadata`.
    pub metadata: Metadata,
    /// `proxyInboundListenPort`, where it is written: the port that every proxy black-holes (else 15006).
    pub inbound_port: Option<u16>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            root_namespace: None,
            auto_mtls: true,
            auto_mtls_written: false,
            auth_policy_mtls: false,
            rules_private: false,
            service_export_to: Vec::new(),
            entry_visibility: false,
            discovery: Vec::new(),
            outbound: Outbound::AllowAny,
            trust_domain: None,
            other_trust_domains: Vec::new(),
            metadata: Metadata::default(),
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
        let mut metadata = Metadata::default();
        let variables = proxy.and_then(|proxy| proto(proxy, "proxyMetadata"));
        metadata.set_all(issues.mapping(variables, "defaultConfig.proxyMetadata"));
        let mode = proxy.and_then(|proxy| proto(proxy, "interceptionMode"));
        if let Some(none) = issues.word(mode, "defaultConfig.interceptionMode", INTERCEPTION_MODES) {
            metadata.says_mode(none);
        }
        let auto_mtls = issues.boolean(get("enableAutoMtls"), "enableAutoMtls");
        let auth_policy = get("authPolicy").and_then(Node::text);
        let auth_policy_mtls = auth_policy.is_some_and(|word| matches!(&*word, "MUTUAL_TLS" | "1"));
        // Zero is protobuf's word for absent.
        let port = get("proxyInboundListenPort").filter(|node| node.as_i64() != Some(0));
        Self {
            root_namespace,
            auto_mtls: auto_mtls.unwrap_or(true),
            auto_mtls_written: auto_mtls.is_some(),
            auth_policy_mtls,
            rules_private: rules.iter().any(|word| &**word == "."),
            service_export_to: issues.strings(get("defaultServiceExportTo"), "defaultServiceExportTo"),
            entry_visibility: get("serviceEntryVisibility").is_some(),
            discovery,
            outbound: read_outbound(get("outboundTrafficPolicy"), "outboundTrafficPolicy", issues)
                .unwrap_or(Outbound::AllowAny),
            trust_domain,
            other_trust_domains: read_trust_domains(get("trustDomainAliases"), get("caCertificates")),
            metadata,
            inbound_port: issues.port(port, "proxyInboundListenPort"),
        }
    }
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

pub(super) fn read_namespace_selector(node: Node<'_>, path: &str, issues: &mut Issues) -> NamespaceSelector {
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
    /// `PILOT_ENABLE_AMBIENT`, where it is given; else the input shows whether the mesh is ambient.
    pub ambient: Option<bool>,
    /// `PILOT_ENABLE_SENDING_HBONE`; counts in ambient meshes.
    pub sending_hbone: bool,
    /// `PILOT_ENABLE_SIDECAR_LISTENING_HBONE`; counts in ambient meshes.
    pub listening_hbone: bool,
    /// `PILOT_PREFER_SENDING_HBONE`.
    pub prefer_hbone: bool,
    /// `PREFER_DESTINATIONRULE_TLS_FOR_EXTERNAL_SERVICES`.
    pub prefer_rule_outside: bool,
    /// `PILOT_UNIFIED_SIDECAR_SCOPE`.
    pub unified_scope: bool,
    /// `PILOT_IGNORE_RESOURCES`: resources that istiod does not read, as `PLURAL.GROUP` or `*.GROUP`.
    pub ignored: Vec<Box<str>>,
    /// `PILOT_INCLUDE_RESOURCES`: those that it reads all the same.
    pub included: Vec<Box<str>>,
    /// `CLUSTER_ID`.
    pub cluster_id: Option<Box<str>>,
    /// Variables that are known to change answers and are not followed yet, as given.
    pub not_followed: Vec<Box<str>>,
    /// Everything that was set, in order.
    pub given: Vec<Box<str>>,
}

impl Default for IstiodEnv {
    fn default() -> Self {
        Self {
            ingress_tls: false,
            merge_ingress: false,
            enhanced_merge: true,
            headless_eds: false,
            entries_select_pods: true,
            ambient: None,
            sending_hbone: true,
            listening_hbone: true,
            prefer_hbone: false,
            prefer_rule_outside: true,
            unified_scope: true,
            ignored: Vec::new(),
            included: Vec::new(),
            cluster_id: None,
            not_followed: Vec::new(),
            given: Vec::new(),
        }
    }
}

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
            "PILOT_ENABLE_AMBIENT" => self.ambient = Some(flag()?),
            "PILOT_ENABLE_SENDING_HBONE" => self.sending_hbone = flag()?,
            "PILOT_ENABLE_SIDECAR_LISTENING_HBONE" => self.listening_hbone = flag()?,
            "PILOT_PREFER_SENDING_HBONE" => self.prefer_hbone = flag()?,
            "PREFER_DESTINATIONRULE_TLS_FOR_EXTERNAL_SERVICES" => self.prefer_rule_outside = flag()?,
            "PILOT_SKIP_VALIDATE_TRUST_DOMAIN" => {
                flag()?;
            }
            "PILOT_UNIFIED_SIDECAR_SCOPE" => self.unified_scope = flag()?,
            "PILOT_IGNORE_RESOURCES" => self.ignored = list(value),
            "PILOT_INCLUDE_RESOURCES" => self.included = list(value),
            // Both sides get the same versions of TLS (`pkg/model/fips.go : EnforceCompliance`): no row changes.
            "COMPLIANCE_POLICY" if matches!(value, "" | "fips-140-2") => {}
            "COMPLIANCE_POLICY" => self.not_followed.push(pair.into()),
            _ => {
                return Err(format!(
                    "{name:?} is not a variable of istiod that changes who speaks mutual TLS; docs/tls-check.md lists those that do"
                ));
            }
        }
        self.given.push(pair.into());
        Ok(())
    }
}

/// Whether a variable (`NAME=VALUE`) changes who speaks mutual TLS; an empty value is as good as none.
pub fn decides(pair: &str) -> bool {
    !pair.ends_with('=') && IstiodEnv::default().set(pair).is_ok()
}

/// The words of a list with commas.
fn list(text: &str) -> Vec<Box<str>> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Box::from).collect()
}

impl IstiodEnv {
    /// Whether istiod leaves the objects of a kind unread (`pkg/kube/kclient/crdwatcher.go : filterPilotResources`). Only
    /// custom resources can be left out.
    #[must_use]
    pub fn leaves_out(&self, kind: &str, group: &str) -> bool {
        let custom = group.ends_with(".istio.io") || group.starts_with("gateway.networking.");
        if self.ignored.is_empty() || !custom {
            return false;
        }
        let name = format!("{}.{group}", plural(kind));
        let named = |list: &[Box<str>]| {
            list.iter().any(|word| match word.strip_prefix('*') {
                Some(rest) => name.ends_with(rest),
                None => name.eq_ignore_ascii_case(word),
            })
        };
        named(&self.ignored) && !named(&self.included)
    }
}

/// The plural of a kind, as the API server spells it.
fn plural(kind: &str) -> String {
    let word = kind.to_ascii_lowercase();
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{word}s"),
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
    /// `--istio-version`.
    pub version: Option<Version>,
    /// `--revision`: the control plane that is judged; `default` where the input names no other.
    pub revision: Option<String>,
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
            version: None,
            revision: None,
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
    #[test]
    fn resources_are_left_out_by_name_or_group() {
        let env = |ignored: &str, included: &str| {
            let mut env = super::IstiodEnv::default();
            env.set(&format!("PILOT_IGNORE_RESOURCES={ignored}")).unwrap();
            env.set(&format!("PILOT_INCLUDE_RESOURCES={included}")).unwrap();
            env
        };
        let (net, sec, gateway) = ("networking.istio.io", "security.istio.io", "gateway.networking.k8s.io");
        for (ignored, included, kind, group, want) in [
            ("", "", "DestinationRule", net, false),
            ("*.istio.io", "", "DestinationRule", net, true),
            ("*.istio.io", "", "HTTPRoute", gateway, false),
            ("*.istio.io", "destinationrules.networking.istio.io", "DestinationRule", net, false),
            (
                "*.istio.io",
                "destinationrules.networking.istio.io, *.security.istio.io",
                "PeerAuthentication",
                sec,
                false,
            ),
            ("serviceentries.networking.istio.io", "", "ServiceEntry", net, true),
            ("serviceentries.networking.istio.io", "", "WorkloadEntry", net, false),
            ("gateways.gateway.networking.k8s.io", "", "Gateway", gateway, true),
            ("gateways.gateway.networking.k8s.io", "", "Gateway", net, false),
            ("*", "", "Service", "", false),
        ] {
            assert_eq!(env(ignored, included).leaves_out(kind, group), want, "{ignored} {included} {kind}");
        }
    }

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
            assert_eq!(
                (config.auto_mtls, config.inbound_port, config.metadata.intercept_none),
                (false, Some(15999), Some(true))
            );
            assert!(problems.is_empty(), "{problems:?}");
        }
    }
}
