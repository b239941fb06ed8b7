//! What the input holds but meshctl could not take in: which rows it may change.

use super::host::Host;
use super::meta::ObjectId;
use crate::location::Location;
use std::sync::Arc;

/// The rows that an unread object may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every row.
    All,
    /// Rows of services in a namespace.
    Services(Arc<str>),
    /// Rows of services in a namespace, and rows of clients in it.
    Namespace(Arc<str>),
    /// Rows of one service.
    Host(Host),
    /// Rows of one workload as a client.
    Client(ObjectId),
    /// Rows of gateways as servers.
    Gateways,
    /// Where calls are sent, and which subsets they are sent to: rows of clients whose calls routes decide.
    Routes,
}

/// Something unread, and what it may change.
#[derive(Clone, Debug)]
pub struct Taint {
    /// The rows that it may change.
    pub scope: Scope,
    /// Why, for a person.
    pub reason: String,
    /// The object, where it could be read that far.
    pub object: Option<ObjectId>,
    /// Where.
    pub at: Location,
}

/// Kinds of workloads: what is wrong with one may change its services' rows, and its own as a client.
const WORKLOADS: [&str; 10] = [
    "Pod",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "DeploymentConfig",
    "Rollout",
    "ReplicationController",
];

/// Whether a kind is that of a workload.
pub(super) fn is_workload(kind: &str) -> bool {
    WORKLOADS.contains(&kind)
}

/// What an unread object of a kind may change. `root`: the object is in the root namespace, where it speaks for all.
pub(super) fn scope_of(kind: &str, namespace: &str, name: &str, root: bool, domain: &str) -> Option<Scope> {
    let here = || Arc::<str>::from(namespace);
    Some(match kind {
        "PeerAuthentication" | "DestinationRule" | "Sidecar" | "EnvoyFilter" | "ProxyConfig" if root => Scope::All,
        "PeerAuthentication" => Scope::Services(here()),
        "DestinationRule" | "Sidecar" | "EnvoyFilter" | "ProxyConfig" => Scope::Namespace(here()),
        "Service" | "Endpoints" if !name.is_empty() => Scope::Host(Host::of_service(name, namespace, domain)),
        "Service" | "Endpoints" | "EndpointSlice" | "ServiceEntry" | "WorkloadEntry" | "WorkloadGroup" => {
            Scope::Services(here())
        }
        kind if is_workload(kind) => Scope::Services(here()),
        "Namespace" => Scope::Namespace(name.into()),
        "Gateway" => Scope::Gateways,
        "VirtualService" | "HTTPRoute" | "GRPCRoute" => Scope::Routes,
        "ConfigMap" if name == "istio" || name.starts_with("istio-") => Scope::All,
        "ConfigMap" => return None,
        "Policy" | "BackendTLSPolicy" | "XBackendTrafficPolicy" => Scope::Services(here()),
        _ => Scope::All,
    })
}
