//! What a dump says, as plain data: read out of the tree, not yet judged.

mod filters;

pub use filters::{Action, ExtAuthz, Filter, HttpManager, IstioAuthn, JwtProvider, Layer, Policy, Rbac, Rules};

use super::routes::RouteRules;
use crate::pki::Certificate;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// One proxy, as its dump (or several answers of its admin port) shows it.
#[derive(Debug, Default)]
pub struct Proxy {
    /// The input that it was read from, as typed.
    pub path: Arc<str>,
    /// Bytes of that input, unpacked.
    pub bytes: u64,
    /// What the input is.
    pub shape: Shape,
    /// Who it is (`bootstrap.node`); absent in a masked dump.
    pub node: Option<NodeInfo>,
    /// Sections (`ListenersConfigDump`, `listener_statuses`, ...) that the dump has, in its order.
    pub sections: Vec<Section>,
    /// Every listener, in the order of the dump.
    pub listeners: Vec<Listener>,
    /// Every cluster, in the order of the dump.
    pub clusters: Vec<Cluster>,
    /// Endpoints by the name of their cluster (EDS).
    pub endpoints: BTreeMap<String, Vec<Endpoint>>,
    /// Every secret, in the order of the dump.
    pub secrets: Vec<Secret>,
    /// Filters that chains name and ECDS delivers, by name.
    pub extensions: BTreeMap<String, Vec<Filter>>,
    /// What routes change of filters, by the name of the route configuration (RDS). One that changes nothing is not here.
    pub routes: BTreeMap<String, RouteRules>,
    /// Pushes that the proxy refused.
    pub rejected: Vec<Rejected>,
    /// What `/certs` says.
    pub served: Vec<ServedCertificate>,
    /// Names of the listeners that `/listeners` says are bound.
    pub bound: Option<Vec<String>>,
    /// What was not understood.
    pub unread: Vec<Unread>,
    /// Where and why the reading ended before the end of the input.
    pub problem: Option<Problem>,
}

/// What an input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Nothing that is known: some other JSON, or none.
    #[default]
    Unknown,
    /// A dump of Envoy, a part of one, or the answer of another of its admin endpoints.
    Envoy,
    /// A dump of ztunnel.
    Ztunnel,
}

/// A section of a dump that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `BootstrapConfigDump`.
    Bootstrap,
    /// `ListenersConfigDump`, or listeners by themselves.
    Listeners,
    /// `ClustersConfigDump`, or clusters by themselves.
    Clusters,
    /// `EndpointsConfigDump`.
    Endpoints,
    /// `RoutesConfigDump`.
    Routes,
    /// `ScopedRoutesConfigDump`, which Istio does not use.
    ScopedRoutes,
    /// `SecretsConfigDump`.
    Secrets,
    /// `EcdsConfigDump`.
    Ecds,
    /// `/certs`.
    ServedCertificates,
    /// `/listeners?format=json`.
    ListenerStatuses,
    /// `/clusters?format=json`.
    ClusterStatuses,
}

/// Where and why reading ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// In words, without what the input holds.
    pub why: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// A part that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// Where, as a path into the dump: `configs[3].dynamic_listeners[2]...`.
    pub path: String,
    /// The type of what is there, as far as it says; else empty.
    pub kind: String,
    /// Why it was not read.
    pub why: String,
}

/// What kind of proxy (`node.id` up to the first `~`; a waypoint says `waypoint`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyKind {
    /// Beside a workload.
    Sidecar,
    /// A gateway.
    Router,
    /// A waypoint.
    Waypoint,
    /// Not said.
    #[default]
    Unknown,
}

/// `bootstrap.node`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// `sidecar~10.0.0.1~details-v1-abc.bookinfo~bookinfo.svc.cluster.local`.
    pub id: String,
    /// What kind of proxy.
    pub kind: ProxyKind,
    /// The IP in `id`, as text.
    pub ip: String,
    /// Every address of the pod (`INSTANCE_IPS`, else the one in `id`).
    pub addresses: Vec<IpAddr>,
    /// Name of the pod.
    pub pod: String,
    /// Its namespace.
    pub namespace: String,
    /// `WORKLOAD_NAME`.
    pub workload: Option<String>,
    /// `SERVICE_ACCOUNT`.
    pub service_account: Option<String>,
    /// `ISTIO_VERSION`.
    pub istio_version: Option<String>,
    /// `MESH_ID`: by default the trust domain.
    pub mesh_id: Option<String>,
}

/// How a listener, cluster or secret stands in the dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// From the bootstrap.
    Static,
    /// In force.
    #[default]
    Active,
    /// Not in force yet: waits for a secret, a route or a cluster.
    Warming,
    /// Being replaced.
    Draining,
}

/// A listener.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// `version_info` of its entry.
    pub version: String,
    /// Where it stands in the dump, as a path.
    pub path: String,
    /// Its addresses, the first one first.
    pub addresses: Vec<Address>,
    /// `traffic_direction`.
    pub direction: Option<Direction>,
    /// It is bound to a port of its own (`bind_to_port` not false).
    pub bound: bool,
    /// Its chains in order, `default_filter_chain` last.
    pub chains: Vec<Chain>,
    /// `filter_chain_matcher`: what selects the chains in place of `filter_chain_match`.
    pub matcher: Vec<MatcherHit>,
    /// It has a `filter_chain_matcher`.
    pub has_matcher: bool,
}

/// One way through a `filter_chain_matcher` to a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatcherHit {
    /// Name of the chain.
    pub chain: String,
    /// Destination port on the way there.
    pub port: Option<u16>,
    /// Destination IP ranges on the way there.
    pub ranges: Vec<String>,
    /// Transport protocol on the way there.
    pub transport: Option<String>,
    /// Application protocols on the way there.
    pub alpn: Vec<String>,
    /// Server names on the way there.
    pub sni: Vec<String>,
    /// Destination ports that went another way before.
    pub not_ports: Vec<u16>,
    /// Something else is asked on the way there (the source, a comparison that is not understood): it may not hold.
    pub is_loose: bool,
}

/// The side that a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Calls of others to this workload.
    Inbound,
    /// Calls of this workload.
    Outbound,
}

/// An address of a listener or an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// IP (or name) and port.
    Socket(String, u16),
    /// A pipe: its path.
    Pipe(String),
    /// An internal listener: its name, and the ID of the endpoint behind it (empty where it has none).
    Internal(String, String),
}

/// A filter chain.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// Its name, possibly empty.
    pub name: String,
    /// It is the `default_filter_chain`.
    pub is_default: bool,
    /// What connections it takes.
    pub matches: Match,
    /// What it speaks to the client.
    pub socket: Socket,
    /// Its network filters, in order.
    pub filters: Vec<Filter>,
}

/// `filter_chain_match`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// `destination_port`.
    pub port: Option<u16>,
    /// `prefix_ranges` as `10.0.0.1/32`.
    pub ranges: Vec<String>,
    /// `server_names`.
    pub sni: Vec<String>,
    /// `transport_protocol`: `tls`, `raw_buffer`, `quic`.
    pub transport: Option<String>,
    /// `application_protocols`.
    pub alpn: Vec<String>,
    /// Conditions on the source, in words.
    pub source: Vec<String>,
    /// A condition of it could not be read: what it takes is not known.
    pub unread: bool,
}

/// A transport socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Socket {
    /// Nothing, or `raw_buffer`: bytes as they are.
    #[default]
    Raw,
    /// TLS.
    Tls(Box<Tls>),
    /// TLS that begins in clear text (`starttls`).
    StartTls(Box<Tls>),
    /// To or from an internal listener, with what is spoken on the way there (HBONE).
    Internal(Box<Self>),
    /// Another kind: its type. Not understood.
    Unknown(String),
}

/// A `DownstreamTlsContext` or `UpstreamTlsContext`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Own certificates, in order.
    pub certificates: Vec<CertificateRef>,
    /// How the peer is checked; `None`: there is no validation context at all.
    pub validation: Option<Validation>,
    /// `require_client_certificate` (downstream).
    pub require_client_certificate: bool,
    /// `require_client_certificate` is there and could not be read.
    pub is_odd: bool,
    /// `alpn_protocols`.
    pub alpn: Vec<String>,
    /// `tls_minimum_protocol_version`, such as `TLSv1_2`; `None`: Envoy's default.
    pub min: Option<&'static str>,
    /// `tls_maximum_protocol_version`.
    pub max: Option<&'static str>,
    /// `cipher_suites`.
    pub ciphers: Vec<String>,
    /// `sni` (upstream).
    pub sni: Option<String>,
    /// The SNI follows the host of the request or endpoint (`auto_host_sni`, `auto_sni`).
    pub auto_sni: bool,
    /// The SANs follow the SNI (`auto_sni_san_validation`, `auto_san_validation`).
    pub auto_san: bool,
    /// Over QUIC.
    pub quic: bool,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateRef {
    /// By SDS: the name of the secret.
    Secret(String),
    /// From a file.
    File(String),
    /// In the configuration itself; what could be read of it, leaf first.
    Inline(Vec<Certificate>),
}

/// A `CertificateValidationContext`, with what SDS adds to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// A CA in the configuration itself, or in a file.
    pub ca: Option<CertificateRef>,
    /// The SDS secret that holds the CA.
    pub secret: Option<String>,
    /// The name that the peer must have, in words: `prefix spiffe://cluster.local/`.
    pub names: Vec<String>,
    /// Hashes of certificates or keys that are pinned.
    pub pins: usize,
    /// A pin that could not be read, or a SPIFFE validator without trust domains.
    pub is_odd: bool,
    /// `trust_chain_verification: ACCEPT_UNTRUSTED`.
    pub accept_untrusted: bool,
    /// `allow_expired_certificate`.
    pub allow_expired: bool,
    /// Trust domains of a SPIFFE validator, each with its CAs.
    pub trust_domains: Vec<(String, Vec<Certificate>)>,
    /// A validator that is not known: its type.
    pub unknown_validator: Option<String>,
}

/// mTLS mode of a port, or of a server of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Only mutual TLS.
    Strict,
    /// Mutual TLS and plaintext.
    Permissive,
    /// No mutual TLS.
    Disable,
    /// Gateway: one-way TLS.
    Simple,
    /// Gateway: a client certificate is demanded.
    Mutual,
    /// Gateway: a client certificate is verified when it is shown.
    OptionalMutual,
    /// Gateway: mutual TLS with the certificates of the mesh.
    IstioMutual,
    /// Gateway: TLS goes on undecrypted.
    Passthrough,
}

impl Mode {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Strict => "STRICT",
            Self::Permissive => "PERMISSIVE",
            Self::Disable => "DISABLE",
            Self::Simple => "SIMPLE",
            Self::Mutual => "MUTUAL",
            Self::OptionalMutual => "OPTIONAL_MUTUAL",
            Self::IstioMutual => "ISTIO_MUTUAL",
            Self::Passthrough => "PASSTHROUGH",
        }
    }
}

/// A cluster: what this proxy sends to.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Its name, `outbound|9080|v1|details.bookinfo.svc.cluster.local` in Istio.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// Where it stands in the dump, as a path.
    pub path: String,
    /// `EDS`, `ORIGINAL_DST`, `STRICT_DNS` ...; empty for extension types.
    pub discovery: String,
    /// The DestinationRule that shaped it, `ns/name` (`metadata.filter_metadata.istio.config`).
    pub destination_rule: Option<String>,
    /// Sockets by what the endpoint's metadata say, in order.
    pub matches: Vec<SocketMatch>,
    /// `transport_socket`, or the old `tls_context`.
    pub socket: Socket,
    /// Endpoints in the cluster itself (`load_assignment`, or the old `hosts`).
    pub endpoints: Vec<Endpoint>,
    /// `eds_cluster_config.service_name`, where it is another than the name.
    pub eds_name: Option<String>,
}

/// One of `transport_socket_matches`.
#[derive(Clone, Debug, Default)]
pub struct SocketMatch {
    /// Its name.
    pub name: String,
    /// What the metadata of the endpoint must say; nothing: matches every endpoint.
    pub when: Vec<(String, String)>,
    /// The socket.
    pub socket: Socket,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
    /// `envoy.transport_socket_match` of its metadata.
    pub labels: Vec<(String, String)>,
    /// Where a tunnel to it ends (`tunnel.destination` of its metadata), as it stands there.
    pub tunnel: Option<String>,
    /// Its metadata are there; `/clusters` shows none.
    pub labels_known: bool,
}

/// A secret.
#[derive(Clone, Debug, Default)]
pub struct Secret {
    /// Its name: `default`, `ROOTCA`, `kubernetes://bookinfo-credential`.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// `version_info` of its entry; `uninitialized` while it is empty.
    pub version: String,
    /// Where it stands in the dump, as a path.
    pub path: String,
    /// What it holds.
    pub content: SecretContent,
}

/// What a secret holds.
#[derive(Clone, Debug, Default)]
pub enum SecretContent {
    /// Nothing: it was never delivered.
    #[default]
    Missing,
    /// A certificate and its chain, leaf first.
    Certificate(Vec<Certificate>),
    /// A certificate in a file of the proxy.
    File(String),
    /// How peers are checked.
    Validation(Validation),
    /// Something else (session tickets, a generic secret), which is not read.
    Other,
    /// What could not be read: why.
    Unreadable(String),
}

/// A push that was refused: the older configuration is still in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// `listener`, `cluster`, `secret`, `route`, `extension`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// `error_state.details`.
    pub details: String,
    /// `error_state.version_info`.
    pub version: String,
    /// An older version is in force (else there is none).
    pub has_active: bool,
    /// Where it stands in the dump, as a path.
    pub path: String,
}

/// One certificate of `/certs`. It has no subject and no issuer there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedCertificate {
    /// Of a CA, or of the proxy itself.
    pub is_ca: bool,
    /// `path`: a file, or `<inline>`.
    pub path: String,
    /// Serial number, hex.
    pub serial: String,
    /// The first SPIFFE ID of its names.
    pub spiffe_id: Option<String>,
    /// `valid_from`, RFC 3339.
    pub valid_from: String,
    /// `expiration_time`, RFC 3339.
    pub expiration_time: String,
}
