//! The mesh's own settings: meshConfig, istiod's environment, and what the user says of both.

use super::meta::Labels;
use super::sidecar::{Outbound, read_outbound};
use crate::yaml::Node;

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
    /// `defaultConfig.interceptionMode: NONE`.
    pub intercept_none: bool,
    /// `defaultConfig.proxyMetadata` sets something that is not followed.
    pub metadata: Option<Box<str>>,
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
            intercept_none: false,
            metadata: None,
        }
    }
}

impl MeshConfig {
    /// Reads a meshConfig mapping. Fields that are absent keep Istio's default.
    #[must_use]
    pub fn read(root: Node<'_>) -> Self {
        let text =
            |path: &str| root.find(path).and_then(Node::text).filter(|t| !t.is_empty()).map(|t| t.as_ref().into());
        let list = |key: &str| super::destination_rule::texts(root.get(key));
        let discovery =
            root.get("discoverySelectors").into_iter().flat_map(Node::items).map(|node| NamespaceSelector {
                labels: Labels::read(node.get("matchLabels")),
                expressions: node
                    .get("matchExpressions")
                    .into_iter()
                    .flat_map(Node::items)
                    .map(|e| {
                        let text = |key: &str| e.get(key).and_then(Node::text).unwrap_or_default().as_ref().into();
                        (text("key"), text("operator"), super::destination_rule::texts(e.get("values")))
                    })
                    .collect(),
            });
        let metadata = root.find("defaultConfig.proxyMetadata").into_iter().flat_map(Node::entries);
        let mut names = metadata.filter_map(|(key, _)| key.text());
        Self {
            root_namespace: text("rootNamespace"),
            auto_mtls: root.get("enableAutoMtls").and_then(Node::as_bool).unwrap_or(true),
            rules_private: list("defaultDestinationRuleExportTo").iter().any(|word| &**word == "."),
            service_export_to: list("defaultServiceExportTo"),
            entry_visibility: root.get("serviceEntryVisibility").is_some_and(|n| !n.is_null()),
            discovery: discovery.collect(),
            outbound: read_outbound(root.get("outboundTrafficPolicy")).unwrap_or(Outbound::AllowAny),
            trust_domain: text("trustDomain"),
            intercept_none: root.find("defaultConfig.interceptionMode").and_then(Node::as_str) == Some("NONE"),
            metadata: names.find(|name| super::filter::decisive_metadata(name)).map(|name| name.as_ref().into()),
        }
    }
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
}
