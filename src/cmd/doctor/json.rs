//! The public JSON of `doctor`: its own structures, versioned, never internal types.

use schemars::JsonSchema;
use serde::Serialize;

/// The envelope of `doctor -o json`. It is written piece by piece; this is its shape, for the published schema.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Envelope")]
pub struct EnvelopeJson<'a> {
    /// `meshctl.doctor/v1`.
    pub schema: &'a str,
    /// Version of meshctl.
    pub version: &'a str,
    /// Always empty: nothing but permissions is read.
    pub input: Vec<serde_json::Value>,
    /// What is missing.
    pub findings: Vec<serde_json::Value>,
    /// The counts.
    pub summary: SummaryJson,
    /// The cluster, and who asks.
    pub cluster: ClusterJson,
    /// The control plane.
    pub istio: IstioJson,
    /// Kinds that the cluster does not serve, as KIND.GROUP.
    pub unserved: Vec<String>,
    /// The manifest that gives what is missing; null where nothing is.
    pub role: Option<String>,
    /// Every verb that meshctl uses.
    pub permissions: Vec<PermissionJson>,
}

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Summary")]
pub struct SummaryJson {
    /// Verbs that are allowed.
    pub allowed: usize,
    /// Verbs that are denied and needed.
    pub denied: usize,
    /// Verbs that are denied, and not needed because another way is open.
    pub not_needed: usize,
    /// Verbs of which the server does not say it.
    pub unclear: usize,
}

/// The cluster, and who asks.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Cluster")]
pub struct ClusterJson {
    /// Context of the kubeconfig; empty inside a cluster.
    pub context: String,
    /// Address of the API server.
    pub server: String,
    /// Its version.
    pub version: Option<String>,
    /// The user, where the server says it.
    pub user: Option<String>,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The namespaces that were asked about; empty: all.
    pub namespaces: Vec<String>,
}

/// The control plane.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Istio")]
pub struct IstioJson {
    /// The namespace that was looked into.
    pub namespace: String,
    /// Whether istiod was found.
    pub found: bool,
    /// Istio's version.
    pub version: Option<String>,
    /// The revision that is judged.
    pub revision: String,
    /// All revisions that are there.
    pub revisions: Vec<String>,
    /// Where mesh-wide policies live.
    pub root_namespace: String,
    /// Where the mesh's settings are from.
    pub mesh_config: String,
    /// What is unclear of it.
    pub notes: Vec<String>,
}

/// One verb on one resource.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Permission")]
pub struct PermissionJson {
    /// `get`, `list` or `create`.
    pub verb: String,
    /// API group; empty for core.
    pub group: String,
    /// Resource, with its subresource.
    pub resource: String,
    /// Namespace; null for all, and for kinds without.
    pub namespace: Option<String>,
    /// The one object that is asked for; null for all.
    pub name: Option<String>,
    /// `allowed`, `denied`, `not-needed` or `unclear`.
    pub answer: &'static str,
    /// Why it is unclear.
    pub why: Option<String>,
    /// What is lost without it.
    pub cost: String,
}
