//! The Kubernetes kinds that meshctl knows: one table, read by the YAML reader and by the cluster's lister.

/// What meshctl does with a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read and judged.
    Judged,
    /// Known; changes no row.
    Known,
    /// Known, changes rows, and not judged yet: what it affects is UNKNOWN.
    NotYet,
}

/// Whether a live cluster is asked for the objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// By every command that reads a cluster.
    Check,
    /// By `lint` only: no row hangs on them.
    Lint,
    /// Where no other kind that the cluster serves shows the same: the kind that does.
    Unless(&'static str),
    /// Single objects by name, never the list.
    Named,
    /// Never: what they lead to is read in place of them.
    Never,
}

/// One row of [`KINDS`].
#[derive(Debug)]
pub struct KindRow {
    /// Kind, in Kubernetes' spelling.
    pub kind: &'static str,
    /// API group; empty for core.
    pub group: &'static str,
    /// Served versions, newest first; empty: any.
    pub versions: &'static [&'static str],
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// What meshctl does with it.
    pub role: Role,
    /// Whether a live cluster is asked for its objects.
    pub list: List,
}

const ISTIO: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const SECURITY: &[&str] = &["v1", "v1beta1"];
const GATEWAY_API: &[&str] = &["v1", "v1beta1", "v1alpha2", "v1alpha3"];
const APPS: &[&str] = &["v1", "v1beta2", "v1beta1"];
const NET: &str = "networking.istio.io";
const SEC: &str = "security.istio.io";
const GWAPI: &str = "gateway.networking.k8s.io";

const fn row(
    kind: &'static str,
    group: &'static str,
    versions: &'static [&'static str],
    namespaced: bool,
    role: Role,
    list: List,
) -> KindRow {
    KindRow { kind, group, versions, namespaced, role, list }
}

use List::{Check, Lint, Named, Never, Unless};
use Role::{Judged, Known, NotYet};

/// Every kind that meshctl knows by name. Of ReplicaSets a cluster keeps ten for each Deployment that runs, and their
/// Pods are listed; CustomResourceDefinitions are listed for their conversion webhooks. What IstioOperator
/// and Sail install is seen by what came of it, the mesh's configuration and istiod; who belongs to a control plane of
/// OpenShift Service Mesh 1.x and 2.x stands only in its objects.
pub static KINDS: &[KindRow] = &[
    row("Namespace", "", &["v1"], false, Judged, Check),
    row("Service", "", &["v1"], true, Judged, Check),
    row("Endpoints", "", &["v1"], true, Judged, Unless("EndpointSlice")),
    row("EndpointSlice", "discovery.k8s.io", &["v1", "v1beta1"], true, Judged, Check),
    row("Pod", "", &["v1"], true, Judged, Check),
    row("ReplicationController", "", &["v1"], true, Judged, Check),
    row("Deployment", "apps", APPS, true, Judged, Check),
    row("Deployment", "extensions", &["v1beta1"], true, Judged, Unless("Deployment")),
    row("ReplicaSet", "apps", APPS, true, Judged, Never),
    row("ReplicaSet", "extensions", &["v1beta1"], true, Judged, Never),
    row("StatefulSet", "apps", APPS, true, Judged, Check),
    row("DaemonSet", "apps", APPS, true, Judged, Check),
    row("DaemonSet", "extensions", &["v1beta1"], true, Judged, Unless("DaemonSet")),
    row("Job", "batch", &["v1"], true, Judged, Check),
    row("CronJob", "batch", &["v1", "v1beta1", "v2alpha1"], true, Judged, Check),
    row("DeploymentConfig", "apps.openshift.io", &["v1"], true, Judged, Check),
    row("Rollout", "argoproj.io", &["v1alpha1"], true, Judged, Check),
    row("ConfigMap", "", &["v1"], true, Judged, Named),
    row("PeerAuthentication", SEC, SECURITY, true, Judged, Check),
    row("DestinationRule", NET, ISTIO, true, Judged, Check),
    row("Sidecar", NET, ISTIO, true, Judged, Check),
    row("ServiceEntry", NET, ISTIO, true, Judged, Check),
    row("WorkloadEntry", NET, ISTIO, true, Judged, Check),
    row("WorkloadGroup", NET, ISTIO, true, Judged, Check),
    row("VirtualService", NET, ISTIO, true, Judged, Check),
    row("Gateway", NET, ISTIO, true, Judged, Check),
    row("EnvoyFilter", NET, &["v1alpha3"], true, Judged, Check),
    row("ProxyConfig", NET, &["v1beta1"], true, Judged, Check),
    row("HTTPRoute", GWAPI, GATEWAY_API, true, Judged, Check),
    row("GRPCRoute", GWAPI, GATEWAY_API, true, Judged, Check),
    row("Gateway", GWAPI, GATEWAY_API, true, Judged, Check),
    row("BackendTLSPolicy", GWAPI, GATEWAY_API, true, Judged, Check),
    row("XBackendTrafficPolicy", "gateway.networking.x-k8s.io", &[], true, Judged, Check),
    row("GatewayClass", GWAPI, GATEWAY_API, false, Known, Never),
    row("TCPRoute", GWAPI, GATEWAY_API, true, Known, Never),
    row("TLSRoute", GWAPI, GATEWAY_API, true, Known, Never),
    row("UDPRoute", GWAPI, GATEWAY_API, true, Known, Never),
    row("ReferenceGrant", GWAPI, GATEWAY_API, true, Known, Never),
    row("ListenerSet", GWAPI, GATEWAY_API, true, Known, Never),
    row("BackendLBPolicy", GWAPI, GATEWAY_API, true, Known, Never),
    row("AuthorizationPolicy", SEC, SECURITY, true, Known, Lint),
    row("RequestAuthentication", SEC, SECURITY, true, Known, Lint),
    row("Telemetry", "telemetry.istio.io", &["v1", "v1alpha1"], true, Known, Never),
    row("WasmPlugin", "extensions.istio.io", &["v1alpha1"], true, Known, Never),
    row("TrafficExtension", "extensions.istio.io", &["v1alpha1"], true, Known, Never),
    row("Policy", "authentication.istio.io", &["v1alpha1"], true, Judged, Check),
    row("MeshPolicy", "authentication.istio.io", &["v1alpha1"], false, Judged, Check),
    row("ServiceMeshPolicy", "authentication.maistra.io", &["v1"], true, Judged, Check),
    row("ServiceMeshControlPlane", "maistra.io", &["v2", "v1"], true, Judged, Check),
    row("ServiceMeshMemberRoll", "maistra.io", &["v1"], true, Judged, Check),
    row("ServiceMeshMember", "maistra.io", &["v1"], true, Judged, Check),
    row("ServiceMeshExtension", "maistra.io", &["v1", "v1alpha1"], true, Known, Never),
    row("ServiceMeshPeer", "federation.maistra.io", &["v1"], true, NotYet, Check),
    row("ExportedServiceSet", "federation.maistra.io", &["v1"], true, Known, Never),
    row("ImportedServiceSet", "federation.maistra.io", &["v1"], true, NotYet, Check),
    row("IstioOperator", "install.istio.io", &["v1alpha1"], true, NotYet, Never),
    row("Istio", "sailoperator.io", &["v1", "v1alpha1"], false, Judged, Never),
    row("IstioRevision", "sailoperator.io", &["v1", "v1alpha1"], false, Judged, Never),
    row("IstioRevisionTag", "sailoperator.io", &["v1", "v1alpha1"], false, Judged, Never),
    row("IstioCNI", "sailoperator.io", &["v1", "v1alpha1"], false, Known, Never),
    row("ZTunnel", "sailoperator.io", &["v1", "v1alpha1"], false, Known, Never),
    row("ValidatingWebhookConfiguration", "admissionregistration.k8s.io", &[], false, Known, Lint),
    row("MutatingWebhookConfiguration", "admissionregistration.k8s.io", &[], false, Known, Lint),
    row("APIService", "apiregistration.k8s.io", &[], false, Known, Lint),
    row("CustomResourceDefinition", "apiextensions.k8s.io", &[], false, Known, Lint),
    row("ServiceMonitor", "monitoring.coreos.com", &[], true, Known, Lint),
    row("PodMonitor", "monitoring.coreos.com", &[], true, Known, Lint),
    row("Kiali", "kiali.io", &["v1alpha1"], true, Known, Never),
];

/// Groups in which an unknown kind is a finding: they decide how traffic is secured. The first eras' Mixer groups
/// (`config.istio.io`, `rbac.istio.io`) hold dozens of kinds that never touched transport and are known as a whole.
#[must_use]
pub fn guarded_group(group: &str) -> bool {
    let istio = group.ends_with(".istio.io") || group == "maistra.io" || group.ends_with(".maistra.io");
    (istio && group != "config.istio.io" && group != "rbac.istio.io") || group == "sailoperator.io"
}

/// What an `apiVersion` and `kind` are to meshctl.
#[derive(Clone, Copy, Debug)]
pub enum Lookup {
    /// A row of the table.
    Row(&'static KindRow),
    /// A known kind in a version that was never served.
    Version(&'static KindRow),
    /// Looks like a row of the table, or stands in a guarded group: the nearest row, where there is one.
    Unknown(Option<&'static KindRow>),
    /// Nothing of ours.
    Other,
}

/// Group and version of an `apiVersion`.
#[must_use]
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Looks an object's kind up.
#[must_use]
pub fn lookup(api_version: &str, kind: &str) -> Lookup {
    let (group, version) = split_api_version(api_version);
    // OpenShift serves its oldest kinds under the bare version too.
    let group = if group.is_empty() && kind == "DeploymentConfig" { "apps.openshift.io" } else { group };
    if let Some(row) = KINDS.iter().find(|row| row.kind == kind && row.group == group) {
        let served = row.versions.is_empty() || row.versions.contains(&version);
        return if served { Lookup::Row(row) } else { Lookup::Version(row) };
    }
    if let Some(row) = KINDS.iter().find(|row| row.group == group && one_edit_apart(row.kind, kind)) {
        return Lookup::Unknown(Some(row));
    }
    if guarded_group(group) {
        // `DestinationRule (1)`: the number of a footnote, copied along.
        let word = kind.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
        return Lookup::Unknown(KINDS.iter().find(|row| row.group == group && row.kind.eq_ignore_ascii_case(word)));
    }
    // A known Istio kind whose group is one edit off (`securty.istio.io`), or which has none.
    let near = KINDS.iter().find(|row| {
        row.kind == kind && guarded_group(row.group) && (one_edit_apart(row.group, group) || group.is_empty())
    });
    near.map_or(Lookup::Other, |row| Lookup::Unknown(Some(row)))
}

/// Whether one character added, removed, changed or two neighbours swapped turn one word into the other (and they are
/// not equal but for that). Letter case counts as an edit only once: `peerauthentication` is near `PeerAuthentication`.
fn one_edit_apart(a: &str, b: &str) -> bool {
    if a != b && a.eq_ignore_ascii_case(b) {
        return true;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let prefix = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (a.get(prefix..).unwrap_or_default(), b.get(prefix..).unwrap_or_default());
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (a.get(..a.len() - suffix).unwrap_or_default(), b.get(..b.len() - suffix).unwrap_or_default());
    match (a, b) {
        ([_], [_] | []) | ([], [_]) => true,
        ([x, y], [p, q]) => x == q && y == p,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_in_each_of_its_versions() {
        for row in KINDS {
            let version = row.versions.first().copied().unwrap_or("v1");
            let api = if row.group.is_empty() { version.to_owned() } else { format!("{}/{version}", row.group) };
            assert!(
                matches!(lookup(&api, row.kind), Lookup::Row(found) if std::ptr::eq(found, row)),
                "{api} {}",
                row.kind
            );
        }
        let mut names: Vec<_> = KINDS.iter().map(|row| (row.group, row.kind)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len(), "a kind stands twice");
    }

    #[test]
    fn near_misses_are_told_apart_from_foreign_kinds() {
        let near = |api, kind| matches!(lookup(api, kind), Lookup::Unknown(_));
        assert!(near("security.istio.io/v1", "PeerAuthentcation"));
        assert!(near("security.istio.io/v1", "peerauthentication"));
        assert!(near("networking.istio.io/v1", "Brand"));
        let footnote = lookup("networking.istio.io/v1alpha3", "DestinationRule (1)");
        assert!(matches!(footnote, Lookup::Unknown(Some(row)) if row.kind == "DestinationRule"));
        assert!(near("securty.istio.io/v1", "PeerAuthentication"));
        assert!(near("v1", "Servce"));
        assert!(!near("v1", "Secret"));
        assert!(!near("cert-manager.io/v1", "Certificate"));
        assert!(!near("config.istio.io/v1alpha2", "rule"));
        assert!(matches!(lookup("security.istio.io/v9", "PeerAuthentication"), Lookup::Version(_)));
        assert!(matches!(lookup("v1", "DeploymentConfig"), Lookup::Row(_)));
    }

    #[test]
    fn one_edit_is_one_edit() {
        for (a, b, near) in [
            ("Service", "Servce", true),
            ("Service", "Sevrice", true),
            ("Service", "Services", true),
            ("Service", "service", true),
            ("Service", "Service", false),
            ("Pod", "Node", false),
            ("Job", "CronJob", false),
        ] {
            assert_eq!(one_edit_apart(a, b), near, "{a} {b}");
        }
    }
}
