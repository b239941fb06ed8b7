//! Why a row could not be decided.

use crate::model::{Mesh, ObjectId};

/// The reason of an UNKNOWN. Numbers are into the lists of [`Mesh`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing answers for the service, or for the subset.
    NoEndpoint,
    /// The order of objects that compete by age is not in the input, and it matters.
    Age,
    /// Several policies of the old API compete, and the input does not show which one counts.
    LegacyOrder,
    /// A policy with `allowTls`, and a client with TLS that is not the mesh's.
    AllowTls,
    /// Something unread may change the row: number of the taint.
    Taint(u32),
    /// The client is in the ambient mesh, and istiod's part of it is switched off.
    AmbientOff,
    /// Callers are told to send HBONE, and the input does not show that anything listens for it.
    Tunnel,
    /// What is behind a waypoint is not certain.
    Waypoint,
    /// The server is a waypoint itself.
    WaypointServer,
    /// An EnvoyFilter changes the proxy: its number.
    Interference(u32),
    /// Proxy metadata that cannot be read.
    Metadata,
    /// The workload belongs to a control plane of another revision, and objects are told apart by revision.
    Revision,
    /// A selector hangs on a label that only the cluster knows.
    ClusterLabel,
    /// An endpoint names a Pod that is not in the input.
    MissingPod,
    /// An address without targetRef that a pod has: what istiod sees depends on the order of events.
    AddressOrder,
    /// No server of a Gateway listens on the port.
    NoGatewayServer,
    /// The Gateway's servers on this port have different TLS modes, told apart by SNI.
    GatewayServers,
    /// TLS goes through the gateway to services that this row does not name.
    GatewayPassthrough,
    /// Traffic to the port is dropped by the proxy itself.
    ProxyPort,
    /// Several services claim the host.
    HostClaimed,
    /// The target of an ExternalName is no service of the input.
    ExternalName,
    /// It is one of a namespace that was not asked for: number of the service with the ExternalName.
    UnreadNamespace(u32),
    /// Outbound capture is by address, and the service's addresses are not in the input.
    CaptureByAddress,
    /// `outboundTrafficPolicy` of a mode that is not followed.
    OutboundPolicy,
    /// `serviceEntryVisibility` is not followed.
    EntryVisibility,
    /// A mesh-external server that is sent mutual TLS of this mesh.
    ExternalMtls,
    /// Whether the port's protocol is HTTP is not certain: several Services declare it.
    PortProtocol,
    /// A capture annotation is no list of ports.
    CaptureList,
    /// Injected with a template that is not in the input.
    CustomTemplate,
    /// An annotation that is not followed.
    Annotation(&'static str),
    /// Several networks, which reach each other through gateways.
    Network,
    /// A route sends the calls to other services: its number.
    Routed(u32),
    /// An unread route may import the service.
    RoutesUnread,
    /// Interception mode NONE together with a Sidecar that listens by itself.
    Interception,
    /// The client's own manifest has values that cannot be taken as they stand.
    BrokenClient,
    /// Which Sidecar governs the client is not certain.
    ClientSidecar,
    /// The outcome table has no row.
    NotInTable,
    /// Two Sidecars compete for the server by age.
    ServerSidecar,
}

impl Reason {
    /// The reason in words.
    #[must_use]
    pub fn words(self, mesh: &Mesh) -> String {
        let fixed = match self {
            Self::NoEndpoint => "no endpoint",
            Self::Age => {
                "the answer depends on which of the competing objects is older; give them metadata.creationTimestamp"
            }
            Self::LegacyOrder => {
                "several policies compete for the workload's port, and the input does not show which one Istio took: their ages, the order of Pilot's store, or which of several Services made the listener"
            }
            Self::AllowTls => "the policy's allowTls lets TLS in without a client certificate, which is not judged",
            Self::AmbientOff => {
                "the client is in the ambient mesh, and PILOT_ENABLE_AMBIENT=false: ztunnel would know nothing of the mesh"
            }
            Self::Tunnel => {
                "label networking.istio.io/tunnel makes callers send HBONE, and nothing shows a listener for it (ISTIO_META_ENABLE_HBONE)"
            }
            Self::Waypoint => {
                "the call may go through a waypoint that the input does not have, and the answer depends on it"
            }
            Self::WaypointServer => {
                "the server is a waypoint itself, which only the mesh's own proxies call, on their clients' behalf"
            }
            Self::Metadata => "what the proxy's metadata (ISTIO_META_*) sets cannot be read from the input",
            Self::Revision => "the workload belongs to another revision, and some objects are for one revision only",
            Self::ClusterLabel => "a selector uses a label that only the cluster knows",
            Self::MissingPod => "the endpoint is a Pod that is not in the input",
            Self::AddressOrder => {
                "the endpoint's address is a pod's but names no targetRef: what istiod announces depends on the order of events"
            }
            Self::NoGatewayServer => "no Gateway of the input has a server on this port",
            Self::GatewayServers => "the Gateway's servers on this port differ in TLS mode by SNI",
            Self::GatewayPassthrough => "the gateway passes TLS through to other services",
            Self::ProxyPort => "the port belongs to the proxy itself",
            Self::HostClaimed => "several services claim this host",
            Self::ExternalName => "the ExternalName leads to no service (or no such port) of the input",
            Self::CaptureByAddress => {
                "the client's capture is limited by address, and the addresses are not in the input"
            }
            Self::OutboundPolicy => "outboundTrafficPolicy has a mode that is not judged yet",
            Self::EntryVisibility => "serviceEntryVisibility is not judged yet",
            Self::ExternalMtls => {
                "a server outside the mesh is sent the mesh's mutual TLS: its certificates are not in the input"
            }
            Self::PortProtocol => "several Services declare this port with different protocols",
            Self::CaptureList => "a capture annotation is no list of port numbers",
            Self::CustomTemplate => "the pod is injected with a template that is not in the input",
            Self::Network => "the mesh spans several networks, which is not judged yet",
            Self::RoutesUnread => "a route that could not be read may import the service",
            Self::Interception => {
                "the client's Sidecar opens listeners that the application has to call itself, which is not judged"
            }
            Self::ClientSidecar => {
                "several Sidecars may govern the client: their ages, or labels of the cluster, are not in the input"
            }
            Self::UnreadNamespace(number) => {
                let service = mesh.services.get(number as usize);
                let host = service.map(|service| service.alias.as_ref().unwrap_or(&service.host));
                let namespace = host.and_then(|host| mesh.unread_namespace(host)).unwrap_or_default();
                return format!("namespace {namespace}, where the host leads, was not read: -n {namespace} reads it");
            }
            Self::Annotation(name) => return format!("annotation {name} is not judged"),
            Self::Routed(number) => {
                return mesh.routes.get(number as usize).map_or_else(String::new, |route| {
                    let kind = mesh
                        .object_ref(route.meta.id)
                        .map_or_else(|| "a route".to_owned(), |object| object.to_string());
                    let other = route
                        .destinations
                        .iter()
                        .filter(|d| !d.mirror && !route.hosts.contains(&d.host))
                        .map(|d| d.host.as_str());
                    let hosts: std::collections::BTreeSet<&str> = other.collect();
                    let hosts: Vec<&str> = hosts.into_iter().collect();
                    let unread = route.destinations.iter().filter_map(|d| mesh.unread_namespace(&d.host));
                    let unread: Vec<&str> = unread.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
                    let note = match unread.as_slice() {
                        [] => "see its rows".to_owned(),
                        [one] => format!("and namespace {one} was not read"),
                        all => format!("and namespaces {} were not read", all.join(", ")),
                    };
                    format!("{kind} sends these calls to {}, {note}", hosts.join(", "))
                });
            }
            Self::BrokenClient => "the client's own manifest cannot be taken as it stands, see the findings",
            Self::NotInTable => "this combination is not in the outcome table",
            Self::ServerSidecar => "several Sidecars compete for the server, and their ages are not in the input",
            Self::Taint(number) => {
                return mesh.taints.get(number as usize).map_or_else(String::new, |taint| taint.reason.clone());
            }
            Self::Interference(number) => {
                return mesh.interferences.get(number as usize).map_or_else(String::new, |object| {
                    format!("{} {} patches {}", object.kind, object.meta.slash(), object.patches.join(", "))
                });
            }
        };
        fixed.to_owned()
    }

    /// The object that stands behind the reason.
    #[must_use]
    pub fn object(self, mesh: &Mesh) -> Option<ObjectId> {
        match self {
            Self::Taint(number) => mesh.taints.get(number as usize).and_then(|taint| taint.object),
            Self::Interference(number) => mesh.interferences.get(number as usize).map(|object| object.meta.id),
            Self::Routed(number) => mesh.routes.get(number as usize).map(|route| route.meta.id),
            _ => None,
        }
    }
}
