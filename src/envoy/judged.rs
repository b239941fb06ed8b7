//! What was found out about a proxy: the rows, ports, upstreams and certificates that every output reads.

use super::model::{Action, Layer, Mode, Proxy};
use crate::finding::Finding;
use foldhash::HashMap;

/// One proxy, judged.
#[derive(Debug, Default)]
pub struct Judged {
    /// As its dump shows it.
    pub proxy: Proxy,
    /// One row per filter chain: inbound first, each in the order of the dump.
    pub rows: Vec<Row>,
    /// One per port that the proxy serves: by port, what is for any other port last.
    pub ports: Vec<Port>,
    /// What the proxy sends, by name of the cluster. Empty where nobody asked for it.
    pub upstreams: Vec<Upstream>,
    /// Its certificates and CAs, in the order of the dump.
    pub certificates: Vec<HeldCertificate>,
    /// What is wrong, unsorted.
    pub findings: Vec<Finding>,
    /// Numbers of own certificates in [`Judged::certificates`] by name.
    pub own_certificates: HashMap<String, usize>,
}

impl Judged {
    /// Notes the certificates, and finds own ones by name from then on.
    pub fn set_certificates(&mut self, certificates: Vec<HeldCertificate>) {
        let own = certificates.iter().enumerate().rev().filter(|(_, held)| !held.is_ca);
        self.own_certificates = own.map(|(at, held)| (held.name.clone(), at)).collect();
        self.certificates = certificates;
    }

    /// The first own certificate of a name.
    #[must_use]
    pub fn own_certificate(&self, name: &str) -> Option<&HeldCertificate> {
        self.certificates.get(*self.own_certificates.get(name)?)
    }
}

/// One filter chain.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Index of the listener in [`Proxy::listeners`].
    pub listener: usize,
    /// Index of the chain in it.
    pub chain: usize,
    /// The side that it serves.
    pub side: Side,
    /// The port that clients call: of the match, else of a listener that is bound to a port of its own.
    pub port: Option<u16>,
    /// Terminates TLS, demands a client certificate and verifies it. `None`: could not be decided.
    pub mtls: Option<bool>,
    /// What it does about a client certificate.
    pub client_certificate: ClientCertificate,
    /// A client without TLS gets through to its filters. `None`: could not be decided.
    pub accepts_plaintext: Option<bool>,
    /// TLS goes to the application undecrypted.
    pub passes_through_tls: bool,
    /// Mode of its port group; at gateways its own.
    pub mode: Option<Mode>,
    /// How the mode is known.
    pub mode_source: Option<ModeSource>,
    /// Names of the secrets or files of its own certificates.
    pub certificates: Vec<String>,
    /// Name of the secret or file of the CA that clients are verified with.
    pub trusted_ca: Option<String>,
    /// What decides who may call, in order.
    pub authz: Vec<Authz>,
    /// Issuers of JWTs that it accepts.
    pub jwt: Vec<String>,
    /// What of it was not understood, so that more may be true than the row says.
    pub doubts: Vec<String>,
}

/// Which calls a listener serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Calls of others to this workload, or of clients to this gateway.
    Inbound,
    /// The same, but reached only from inside the proxy, behind HBONE.
    Internal,
    /// Ports of the proxy itself: health, metrics, admin.
    Infrastructure,
    /// Takes what must not go on: the loop to 15006.
    Blackhole,
    /// Calls of this workload.
    #[default]
    Outbound,
}

/// What a chain does about a client certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Demanded and verified.
    Required,
    /// Verified when it is shown.
    Optional,
    /// Demanded, or asked for, and not verified.
    Unverified,
    /// Not asked for, or no TLS.
    #[default]
    NotRequested,
}

/// How a mode is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeSource {
    /// The `istio_authn` filter says it.
    IstioAuthn,
    /// From the chains of the port.
    Inferred,
}

/// One step of authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authz {
    /// HTTP or network filter.
    pub layer: Layer,
    /// What it does.
    pub action: Action,
    /// It can refuse a call.
    pub enforced: bool,
    /// The policies as `ns/name`, without duplicates, in order; any other name as it stands.
    pub policies: Vec<String>,
    /// An ALLOW without rules: nothing passes.
    pub denies_all: bool,
    /// A DENY that only stands for a CUSTOM action whose provider is not usable.
    pub bad_provider: bool,
    /// A service that cannot be reached lets calls pass (CUSTOM).
    pub fails_open: bool,
    /// Some policy of it needs the identity of the peer.
    pub needs_identity: bool,
    /// Every rule in words: `bookinfo/details-viewer[0]: from ... to ...`.
    pub rules: Vec<String>,
    /// It holds for this route only, in words.
    pub route: Option<String>,
    /// The filter does nothing on that route: `action` is what it does elsewhere.
    pub off: bool,
}

/// A port that the proxy serves: all chains that take its connections.
#[derive(Clone, Debug, Default)]
pub struct Port {
    /// Index of the listener in [`Proxy::listeners`].
    pub listener: usize,
    /// The port; `None`: any other port.
    pub port: Option<u16>,
    /// Destination ranges, where ports differ by them.
    pub ranges: Vec<String>,
    /// Which calls.
    pub side: Side,
    /// `http`, `tcp` or `auto` (both).
    pub protocol: &'static str,
    /// The mode; `None` where it could not be decided, or differs by SNI.
    pub mode: Option<Mode>,
    /// How the mode is known.
    pub mode_source: Option<ModeSource>,
    /// Why it has no mode although it is decided: `by SNI` (servers of a gateway that differ), `behind HBONE`.
    pub class: Option<&'static str>,
    /// What becomes of a client without TLS.
    pub plaintext: Option<bool>,
    /// Chains that take plaintext, as `0.0.0.0_9080[7]`.
    pub accepted_by: Vec<String>,
    /// Rows of the port, as indices of [`Judged::rows`].
    pub rows: Vec<usize>,
    /// The sentence for a person: `9080 http STRICT: plaintext is reset`.
    pub text: String,
}

/// What crosses to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Mutual TLS with the certificates of the mesh.
    Mtls,
    /// HBONE: mutual TLS with the certificates of the mesh, around a tunnel.
    Hbone,
    /// One-way TLS.
    Tls,
    /// TLS with a client certificate of the user's.
    MutualTls,
    /// In clear.
    Plaintext,
}

impl Wire {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mtls => "mtls",
            Self::Hbone => "hbone",
            Self::Tls => "tls",
            Self::MutualTls => "mutual_tls",
            Self::Plaintext => "plaintext",
        }
    }
}

/// One cluster, judged.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    /// Index in [`Proxy::clusters`].
    pub cluster: usize,
    /// Host of the service, out of the name; `None` for clusters that are named otherwise.
    pub host: Option<String>,
    /// Port of the service.
    pub port: Option<u16>,
    /// Subset.
    pub subset: Option<String>,
    /// What it does with what endpoints say, in words: `auto mTLS`, `always TLS`, `no TLS`, `HBONE, else mTLS`.
    pub how: String,
    /// SNI of its TLS (the first socket that is TLS).
    pub sni: Option<String>,
    /// ALPN of its TLS.
    pub alpn: Vec<String>,
    /// Names that the server must have.
    pub expected_sans: Vec<String>,
    /// Whether the server's certificate is checked against a CA; `None`: no TLS, or not decided.
    pub verified: Option<bool>,
    /// Its endpoints.
    pub endpoints: Vec<UpstreamEndpoint>,
}

/// One endpoint, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamEndpoint {
    /// The address that Envoy connects to; for HBONE the destination behind the tunnel; a pipe's path.
    pub address: String,
    /// Its port; 0 for a pipe.
    pub port: u16,
    /// What crosses; `None`: could not be decided.
    pub wire: Option<Wire>,
}

/// A certificate, or a CA, that the proxy holds.
#[derive(Clone, Debug, Default)]
pub struct HeldCertificate {
    /// Name of the secret, or of the file.
    pub name: String,
    /// A CA that peers are verified with, not an own certificate.
    pub is_ca: bool,
    /// Subject, RFC 4514; `None`: unknown.
    pub subject: Option<String>,
    /// Issuer.
    pub issuer: Option<String>,
    /// The first SPIFFE ID.
    pub spiffe_id: Option<String>,
    /// Serial number, hex.
    pub serial: Option<String>,
    /// Valid from: seconds since 1970.
    pub not_before: Option<i64>,
    /// Valid to.
    pub not_after: Option<i64>,
    /// How it stands at the time that was asked about.
    pub state: Validity,
    /// Key, in words: `ECDSA P-256`.
    pub key: Option<String>,
    /// Whether the chain builds to a trust bundle; why not.
    pub chain: ChainCheck,
    /// The certificates above the leaf.
    pub intermediates: Vec<Link>,
    /// The earliest end in the chain.
    pub effective_not_after: Option<i64>,
    /// Why it could not be read: it is there, so that [`Validity::Missing`] is not the whole truth.
    pub problem: Option<String>,
}

/// How a certificate stands at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validity {
    /// Valid.
    Valid,
    /// Valid, and for less time than was asked for.
    ExpiresSoon,
    /// No longer valid.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// It is not there, or could not be read.
    #[default]
    Missing,
}

impl Validity {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::ExpiresSoon => "expires-soon",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::Missing => "missing",
        }
    }
}

/// Whether a chain builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChainCheck {
    /// It builds to a CA of the dump.
    Verified,
    /// It does not: why.
    Failed(String),
    /// There is nothing to check it with: why.
    #[default]
    NotChecked,
}

/// A certificate above the leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Serial number, hex.
    pub serial: String,
    /// Valid from.
    pub not_before: i64,
    /// Valid to.
    pub not_after: i64,
    /// How it stands.
    pub state: Validity,
}
