//! The public JSON of `authz-check`: its own structures, versioned, never internal types (output.md 3).

use super::judged::{Authz, ChainCheck, HeldCertificate, Judged, Link, Port, Row, Upstream};
use super::model::Unread;
use super::vocabulary::rfc3339;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// One proxy.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProxyJson<'a> {
    /// `node.id`, `sidecar~10.0.0.1~details-v1-abc.bookinfo~bookinfo.svc.cluster.local`; null where the dump does not say.
    pub node: Option<&'a str>,
    /// `sidecar`, `router`, `waypoint`, `ztunnel` or `unknown`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Its address, out of the ID.
    pub ip: Option<&'a str>,
    /// Version of Istio.
    pub istio_version: Option<&'a str>,
    /// The input that it was read from, as typed.
    pub file: &'a str,
    /// The sections of the dump.
    pub sections: Vec<&'a str>,
    /// The filter chains, inbound first, each side in the order of the dump.
    pub rows: Vec<RowJson<'a>>,
    /// The ports that it serves, by port; what is for any other port last.
    pub ports: Vec<PortJson<'a>>,
    /// What it sends, by the name of the cluster.
    pub clusters: Vec<ClusterJson<'a>>,
    /// The certificates and CAs that it holds, in the order of the dump.
    pub certificates: Vec<CertificateJson<'a>>,
    /// What was not understood.
    pub unread: Vec<UnreadJson<'a>>,
}

/// One filter chain.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RowJson<'a> {
    /// Name of the listener.
    pub listener: &'a str,
    /// `static`, `active`, `warming` or `draining`.
    pub listener_state: &'a str,
    /// `inbound`, `internal` (behind HBONE), `infrastructure`, `blackhole` or `outbound`.
    pub side: &'a str,
    /// Index of the chain; every chain of the listener counts, from 0.
    pub chain_index: usize,
    /// Name of the chain, possibly empty.
    pub chain_name: &'a str,
    /// It is the default chain of the listener.
    pub is_default: bool,
    /// Port that clients call: of the match, else of a listener that is bound to a port of its own.
    pub port: Option<u16>,
    /// `destination_port` of the match.
    pub destination_port: Option<u16>,
    /// `prefix_ranges` of the match.
    pub destination_ranges: &'a [String],
    /// `transport_protocol` of the match: `tls`, `raw_buffer`.
    pub transport_protocol: Option<&'a str>,
    /// `application_protocols` of the match.
    pub alpn: &'a [String],
    /// `server_names` of the match.
    pub sni: &'a [String],
    /// It ends TLS, demands a client certificate and verifies it; null: could not be decided.
    pub mtls: Option<bool>,
    /// The flag in its TLS.
    pub require_client_certificate: bool,
    /// `required`, `optional`, `unverified` or `not-requested`.
    pub client_certificate: &'a str,
    /// A client without TLS gets through to its filters; null: could not be decided.
    pub accepts_plaintext: Option<bool>,
    /// TLS goes to the application undecrypted.
    pub passes_through_tls: bool,
    /// Mode of its port, at gateways its own; null where there is none, or it could not be decided.
    pub mode: Option<&'a str>,
    /// `istio_authn` or `inferred`.
    pub mode_source: Option<&'a str>,
    /// Secrets or files of its own certificates.
    pub certificates: &'a [String],
    /// Secret or file of the CA that clients are verified with.
    pub trusted_ca: Option<&'a str>,
    /// Lowest TLS version that is set; null: the default of Envoy.
    pub tls_minimum: Option<&'a str>,
    /// Highest TLS version that is set.
    pub tls_maximum: Option<&'a str>,
    /// What decides who may call, in order.
    pub authz: Vec<AuthzJson<'a>>,
    /// Issuers of the JWTs that it reads.
    pub jwt: &'a [String],
    /// What of it was not understood.
    pub doubts: &'a [String],
}

/// One step of authorization.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuthzJson<'a> {
    /// `http` or `network`.
    pub layer: &'a str,
    /// `ALLOW`, `DENY`, `AUDIT` or `CUSTOM`.
    pub action: &'a str,
    /// It can refuse a call; false for dry run and AUDIT.
    pub enforced: bool,
    /// Policies as `namespace/name`; any other name as it stands.
    pub policies: &'a [String],
    /// ALLOW without a rule: nothing passes.
    pub denies_all: bool,
    /// A DENY in place of a CUSTOM action whose provider is not usable.
    pub bad_provider: bool,
    /// A service that cannot be reached lets calls pass.
    pub fails_open: bool,
    /// Some rule of it rests on the identity of the caller.
    pub needs_identity: bool,
    /// Each rule in words; may change between versions.
    pub rules: &'a [String],
    /// The route that it is for; null: all.
    pub route: Option<&'a str>,
    /// Switched off on that route.
    pub off: bool,
}

/// One port.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PortJson<'a> {
    /// Name of the listener.
    pub listener: &'a str,
    /// The port; null: any other port.
    pub port: Option<u16>,
    /// Destination ranges, where ports differ by them.
    pub ranges: &'a [String],
    /// As in `rows`.
    pub side: &'a str,
    /// `http`, `tcp` or `auto`.
    pub protocol: &'a str,
    /// As in `rows`; null also where it differs by SNI.
    pub mode: Option<&'a str>,
    /// As in `rows`.
    pub mode_source: Option<&'a str>,
    /// Clients without TLS get through; null: could not be decided.
    pub accepts_plaintext: Option<bool>,
    /// The chains that let them through.
    pub accepted_by: &'a [String],
    /// The same in a sentence; may change between versions.
    pub text: &'a str,
}

/// One cluster.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ClusterJson<'a> {
    /// Its name.
    pub name: &'a str,
    /// `static`, `active` or `warming`.
    pub state: &'a str,
    /// Host of the service, out of the name.
    pub host: Option<&'a str>,
    /// Port of the service.
    pub port: Option<u16>,
    /// Subset.
    pub subset: Option<&'a str>,
    /// The DestinationRule that shaped it, `namespace/name`.
    pub destination_rule: Option<&'a str>,
    /// How it chooses what crosses, in words; may change between versions.
    pub how: &'a str,
    /// The endpoints.
    pub endpoints: Vec<EndpointJson<'a>>,
    /// SNI of its TLS.
    pub sni: Option<&'a str>,
    /// ALPN of its TLS.
    pub alpn: &'a [String],
    /// Names that the server must have.
    pub expected_sans: &'a [String],
    /// The server's certificate is checked; null: no TLS, or could not be decided.
    pub verified: Option<bool>,
}

/// One endpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EndpointJson<'a> {
    /// Address that Envoy connects to; for HBONE the one behind the tunnel; the path of a pipe.
    pub address: &'a str,
    /// Its port; 0 for a pipe.
    pub port: u16,
    /// `mtls`, `hbone`, `tls`, `mutual_tls` or `plaintext`; null: could not be decided.
    pub wire: Option<&'a str>,
}

/// One certificate or CA.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CertificateJson<'a> {
    /// Name of the secret, or the file.
    pub name: &'a str,
    /// `identity` or `ca`.
    pub kind: &'a str,
    /// Subject, RFC 4514.
    pub subject: Option<&'a str>,
    /// Issuer.
    pub issuer: Option<&'a str>,
    /// The first SPIFFE ID.
    pub spiffe_id: Option<&'a str>,
    /// Serial number, hex.
    pub serial: Option<&'a str>,
    /// Valid from, RFC 3339.
    pub not_before: Option<String>,
    /// Valid to.
    pub not_after: Option<String>,
    /// `valid`, `expires-soon`, `expired`, `not-yet-valid` or `missing`.
    pub state: &'a str,
    /// Why it could not be read.
    pub problem: Option<&'a str>,
    /// Key, in words.
    pub key: Option<&'a str>,
    /// `verified`, `failed` or `not-checked`.
    pub chain: &'a str,
    /// Why the chain does not build.
    pub chain_problem: Option<&'a str>,
    /// The certificates above it.
    pub intermediates: Vec<LinkJson<'a>>,
    /// The earliest end in the chain.
    pub effective_not_after: Option<String>,
}

/// A certificate above another.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LinkJson<'a> {
    /// Subject.
    pub subject: &'a str,
    /// Issuer.
    pub issuer: &'a str,
    /// Serial number, hex.
    pub serial: &'a str,
    /// Valid from, RFC 3339.
    pub not_before: String,
    /// Valid to.
    pub not_after: String,
    /// As above.
    pub state: &'a str,
}

/// A part that was not understood.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UnreadJson<'a> {
    /// Where in the dump.
    pub path: &'a str,
    /// The type of what is there; may be empty.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Why it was not read.
    pub why: &'a str,
}

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SummaryJson {
    /// Proxies.
    pub proxies: usize,
    /// Listeners of all of them.
    pub listeners: usize,
    /// Filter chains.
    pub chains: usize,
    /// Ports that are served to others, by mode; `by SNI`: servers of a gateway that differ; `behind HBONE`; `undecided`.
    pub ports: BTreeMap<&'static str, usize>,
    /// Ports that are served to others and let clients without TLS through.
    pub plaintext_ports: usize,
    /// Ports of which that could not be decided.
    pub undecided_ports: usize,
    /// Clusters.
    pub clusters: usize,
    /// Endpoints by what crosses to them; `unknown`: could not be decided. Empty where nobody asked for clusters.
    pub endpoints: BTreeMap<&'static str, usize>,
    /// Certificates and CAs by state.
    pub certificates: BTreeMap<&'static str, usize>,
    /// Findings by severity.
    pub findings: BTreeMap<&'static str, usize>,
    /// Parts that were not understood, and inputs that were not read to their end.
    pub unread: usize,
}

/// One input.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InputJson {
    /// The path as typed; `-` for standard input.
    pub path: String,
    /// Bytes, unpacked.
    pub bytes: u64,
}

/// The answer of `meshctl authz-check`: what proxies were told, and what is wrong with it.
// For the schema only: the renderer writes it piece by piece.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "meshctl.authz-check/v1")]
pub struct EnvelopeJson<'a> {
    /// `meshctl.authz-check/v1`.
    pub schema: &'a str,
    /// Version of meshctl.
    pub version: &'a str,
    /// The inputs.
    pub input: Vec<InputJson>,
    /// What is wrong, and what could not be read.
    pub findings: Vec<serde_json::Value>,
    /// The counts.
    pub summary: SummaryJson,
    /// The time that certificates were judged at, RFC 3339.
    pub at: String,
    /// The proxies, in the order of the inputs.
    pub proxies: Vec<ProxyJson<'a>>,
}

/// A proxy as the envelope shows it.
#[must_use]
pub fn proxy(judged: &Judged) -> ProxyJson<'_> {
    let node = judged.proxy.node.as_ref();
    let said = |text: &'_ String| !text.is_empty();
    ProxyJson {
        node: node.map(|node| &node.id).filter(|id| said(id)).map(String::as_str),
        kind: node.map(|node| node.kind).unwrap_or_default().word(),
        ip: node.map(|node| &node.ip).filter(|ip| said(ip)).map(String::as_str),
        istio_version: node.and_then(|node| node.istio_version.as_deref()),
        file: &judged.proxy.path,
        sections: judged.proxy.sections.iter().map(|section| section.word()).collect(),
        rows: judged.rows.iter().map(|one| row(judged, one)).collect(),
        ports: judged.ports.iter().map(|one| port(judged, one)).collect(),
        clusters: judged.upstreams.iter().map(|one| cluster(judged, one)).collect(),
        certificates: judged.certificates.iter().map(certificate).collect(),
        unread: judged.proxy.unread.iter().map(unread).collect(),
    }
}

fn row<'a>(judged: &'a Judged, row: &'a Row) -> RowJson<'a> {
    let listener = judged.proxy.listeners.get(row.listener);
    let chain = listener.and_then(|listener| listener.chains.get(row.chain));
    let matches = chain.map(|chain| &chain.matches);
    let tls = chain.and_then(|chain| chain.socket.tls());
    RowJson {
        listener: listener.map_or("", |listener| &listener.name),
        listener_state: listener.map(|listener| listener.state).unwrap_or_default().word(),
        side: row.side.word(),
        chain_index: row.chain,
        chain_name: chain.map_or("", |chain| &chain.name),
        is_default: chain.is_some_and(|chain| chain.is_default),
        port: row.port,
        destination_port: matches.and_then(|matches| matches.port),
        destination_ranges: matches.map_or(&[], |matches| &matches.ranges),
        transport_protocol: matches.and_then(|matches| matches.transport.as_deref()),
        alpn: matches.map_or(&[], |matches| &matches.alpn),
        sni: matches.map_or(&[], |matches| &matches.sni),
        mtls: row.mtls,
        require_client_certificate: tls.is_some_and(|tls| tls.require_client_certificate),
        client_certificate: row.client_certificate.word(),
        accepts_plaintext: row.accepts_plaintext,
        passes_through_tls: row.passes_through_tls,
        mode: row.mode.map(super::model::Mode::word),
        mode_source: row.mode_source.map(super::judged::ModeSource::word),
        certificates: &row.certificates,
        trusted_ca: row.trusted_ca.as_deref(),
        tls_minimum: tls.and_then(|tls| tls.min),
        tls_maximum: tls.and_then(|tls| tls.max),
        authz: row.authz.iter().map(authz).collect(),
        jwt: &row.jwt,
        doubts: &row.doubts,
    }
}

fn authz(authz: &Authz) -> AuthzJson<'_> {
    AuthzJson {
        layer: authz.layer.word(),
        action: authz.action.word(),
        enforced: authz.enforced,
        policies: &authz.policies,
        denies_all: authz.denies_all,
        bad_provider: authz.bad_provider,
        fails_open: authz.fails_open,
        needs_identity: authz.needs_identity,
        rules: &authz.rules,
        route: authz.route.as_deref(),
        off: authz.off,
    }
}

fn port<'a>(judged: &'a Judged, port: &'a Port) -> PortJson<'a> {
    PortJson {
        listener: judged.proxy.listeners.get(port.listener).map_or("", |listener| &listener.name),
        port: port.port,
        ranges: &port.ranges,
        side: port.side.word(),
        protocol: port.protocol,
        mode: port.mode.map(super::model::Mode::word),
        mode_source: port.mode_source.map(super::judged::ModeSource::word),
        accepts_plaintext: port.plaintext,
        accepted_by: &port.accepted_by,
        text: &port.text,
    }
}

fn cluster<'a>(judged: &'a Judged, upstream: &'a Upstream) -> ClusterJson<'a> {
    let cluster = judged.proxy.clusters.get(upstream.cluster);
    ClusterJson {
        name: cluster.map_or("", |cluster| &cluster.name),
        state: cluster.map(|cluster| cluster.state).unwrap_or_default().word(),
        host: upstream.host.as_deref(),
        port: upstream.port,
        subset: upstream.subset.as_deref(),
        destination_rule: cluster.and_then(|cluster| cluster.destination_rule.as_deref()),
        how: &upstream.how,
        endpoints: upstream
            .endpoints
            .iter()
            .map(|one| EndpointJson {
                address: &one.address,
                port: one.port,
                wire: one.wire.map(super::judged::Wire::word),
            })
            .collect(),
        sni: upstream.sni.as_deref(),
        alpn: &upstream.alpn,
        expected_sans: &upstream.expected_sans,
        verified: upstream.verified,
    }
}

fn certificate(held: &HeldCertificate) -> CertificateJson<'_> {
    let (chain, chain_problem) = match &held.chain {
        ChainCheck::Verified => ("verified", None),
        ChainCheck::Failed(why) => ("failed", Some(why.as_str())),
        ChainCheck::NotChecked => ("not-checked", None),
    };
    CertificateJson {
        name: &held.name,
        kind: if held.is_ca { "ca" } else { "identity" },
        subject: held.subject.as_deref(),
        issuer: held.issuer.as_deref(),
        spiffe_id: held.spiffe_id.as_deref(),
        serial: held.serial.as_deref(),
        not_before: held.not_before.map(rfc3339),
        not_after: held.not_after.map(rfc3339),
        state: held.state.word(),
        problem: held.problem.as_deref(),
        key: held.key.as_deref(),
        chain,
        chain_problem,
        intermediates: held.intermediates.iter().map(link).collect(),
        effective_not_after: held.effective_not_after.map(rfc3339),
    }
}

fn link(link: &Link) -> LinkJson<'_> {
    LinkJson {
        subject: &link.subject,
        issuer: &link.issuer,
        serial: &link.serial,
        not_before: rfc3339(link.not_before),
        not_after: rfc3339(link.not_after),
        state: link.state.word(),
    }
}

fn unread(unread: &Unread) -> UnreadJson<'_> {
    UnreadJson { path: &unread.path, kind: &unread.kind, why: &unread.why }
}
