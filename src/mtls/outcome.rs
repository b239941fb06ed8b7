//! What comes of what a client sends and what a server demands: one literal table (istio-mtls.md 3.1), and the failure
//! codes with their symptoms (3.3).

use serde::Serialize;

/// What a client puts on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wire {
    /// Istio mutual TLS.
    Mtls,
    /// Mutual TLS of the ambient mesh.
    Hbone,
    /// One-way TLS.
    Tls,
    /// TLS with a client certificate of the rule's own.
    MutualTls,
    /// As the application wrote it.
    Plaintext,
    /// Nothing: the client's proxy refuses.
    None,
}

impl Wire {
    /// The word of the contract.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mtls => "mtls",
            Self::Hbone => "hbone",
            Self::Tls => "tls",
            Self::MutualTls => "mutual_tls",
            Self::Plaintext => "plaintext",
            Self::None => "none",
        }
    }
}

/// The verdict on a connection, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Fails.
    Conflict,
    /// Could not be decided; the reason is named.
    Unknown,
    /// Hangs on something that the input cannot show; it is named.
    Conditional,
    /// The endpoints of the row differ.
    Mixed,
    /// Works, unencrypted.
    Plaintext,
    /// One-way or foreign TLS that the application terminates.
    Tls,
    /// Mutual TLS.
    Ok,
}

impl Status {
    /// Every status, worst first.
    pub const ALL: [Self; 7] =
        [Self::Conflict, Self::Unknown, Self::Conditional, Self::Mixed, Self::Plaintext, Self::Tls, Self::Ok];

    /// The word of the contract.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Plaintext => "PLAINTEXT",
            Self::Tls => "TLS",
            Self::Conflict => "CONFLICT",
            Self::Conditional => "CONDITIONAL",
            Self::Mixed => "MIXED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A failure code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// Application plaintext to a STRICT port.
    F1,
    /// Proxy plaintext to a STRICT port.
    F2,
    /// TLS to a DISABLE HTTP port.
    F3,
    /// TLS that is not Istio's to a PERMISSIVE HTTP port.
    F4,
    /// TLS without an acceptable certificate on one side.
    F5,
    /// TLS bytes delivered undecrypted to a plaintext application.
    F6,
    /// No identity at an ambient STRICT workload.
    F7,
    /// Ambient plaintext to a STRICT sidecar.
    F8,
    /// TLS to a workload without a proxy.
    F9,
}

/// What a person needs to know of a failure code.
#[derive(Debug)]
pub struct FailureInfo {
    /// The code.
    pub failure: Failure,
    /// `F1`.
    pub code: &'static str,
    /// What happens, in a few words.
    pub title: &'static str,
    /// What is to be seen: log lines, status codes, error texts.
    pub symptoms: &'static [&'static str],
    /// Why.
    pub cause: &'static str,
    /// Where to look and what mends it.
    pub look: &'static [&'static str],
}

/// The failure codes (istio-mtls.md 3.3).
pub const FAILURES: &[FailureInfo] = &[
    FailureInfo {
        failure: Failure::F1,
        code: "F1",
        title: "plaintext from an application without a proxy to a STRICT port",
        symptoms: &[
            "curl: (56) Recv failure: Connection reset by peer",
            "curl prints http code 000 and exits 56",
            "server proxy's access log: 0 NR filter_chain_not_found",
        ],
        cause: "The server's sidecar demands mutual TLS (PeerAuthentication STRICT), and the caller has no proxy that could \
                speak it. No filter chain of the listener fits plaintext, so the connection is reset right after connect.",
        look: &[
            "the caller: is its namespace labelled for injection, does the pod have an istio-proxy container?",
            "if the caller belongs in the mesh: inject it (label the namespace istio-injection=enabled and restart the pod)",
            "if the caller must stay outside: a PeerAuthentication with a selector and portLevelMtls for this workload port",
            "the client's annotations traffic.sidecar.istio.io/excludeOutboundPorts and user 1337 bypass its own sidecar",
        ],
    },
    FailureInfo {
        failure: Failure::F2,
        code: "F2",
        title: "plaintext from a client's proxy to a STRICT port",
        symptoms: &[
            "503 upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            "client proxy's access log: response flag UC, upstream_reset_before_response_started{connection_termination}",
            "TCP: connection reset, EOF",
            "server proxy's access log: NR filter_chain_not_found",
        ],
        cause: "The server's sidecar demands mutual TLS, and the client's proxy was told to send plaintext: by a \
                DestinationRule with tls DISABLE (or a tls block without mode), by a mesh or namespace PeerAuthentication \
                DISABLE above a STRICT workload, by automatic mTLS switched off, by a headless service with one pod \
                without sidecar, by label security.istio.io/tlsMode, or because the client's Sidecar does not import the service.",
        look: &[
            "meshctl tls-check -f . --from CLIENT --to HOST:PORT --why names the object, line and field",
            "the DestinationRule that the client uses: its own namespace is searched first, then the service's, then the root namespace",
            "remove tls from the rule (automatic mTLS adapts), or set mode ISTIO_MUTUAL",
            "a PeerAuthentication DISABLE of the namespace or mesh: clients look only at those two levels",
        ],
    },
    FailureInfo {
        failure: Failure::F3,
        code: "F3",
        title: "TLS to an HTTP port whose proxy speaks plaintext only (DISABLE)",
        symptoms: &[
            "503 upstream connect error or disconnect/reset before headers. reset reason: connection failure",
            "TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
            "client proxy's access log: response flags UF, URX",
        ],
        cause: "The client's proxy sends TLS (usually a DestinationRule with ISTIO_MUTUAL), and the server's proxy has mTLS \
                switched off for this port, so it answers the TLS handshake with a plaintext HTTP error.",
        look: &[
            "the DestinationRule: remove tls so that automatic mTLS adapts, or set mode DISABLE for this port",
            "the PeerAuthentication: set PERMISSIVE or STRICT for this workload port",
            "headless services: a port-level DISABLE is not seen by sidecars; use PERMISSIVE",
        ],
    },
    FailureInfo {
        failure: Failure::F4,
        code: "F4",
        title: "TLS that is not Istio's, or names another host, finds no filter chain",
        symptoms: &[
            "503, client proxy's access log: response flag UF",
            "connection closed during the TLS handshake: unexpected EOF, SSL_ERROR_SYSCALL",
            "server proxy's access log: NR filter_chain_not_found",
        ],
        cause: "A PERMISSIVE HTTP port has a filter chain for Istio's own mutual TLS and one for plaintext, none for other \
                TLS (SIMPLE, MUTUAL, or the application's HTTPS). A gateway server has chains only for the hosts that it \
                lists, so an SNI of another name finds none either.",
        look: &[
            "the DestinationRule towards a mesh service: mode ISTIO_MUTUAL, or no tls at all, in place of SIMPLE or MUTUAL",
            "an application that speaks HTTPS itself: name the Service port https or tls",
            "towards a gateway: set tls.sni of the rule to a host that the Gateway's server lists",
        ],
    },
    FailureInfo {
        failure: Failure::F5,
        code: "F5",
        title: "a TLS handshake fails on certificates",
        symptoms: &[
            "TLS alert: certificate required, bad certificate, unknown ca",
            "503, client proxy's access log: UF (TLS 1.2) or UC (TLS 1.3)",
            "CERTIFICATE_VERIFY_FAILED",
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN, TLSV1_ALERT_UNKNOWN_CA",
        ],
        cause: "The server demands a client certificate of the mesh (STRICT) and the client has none to show (SIMPLE), or \
                the client expects another identity of the server than it has (subjectAltNames).",
        look: &[
            "the DestinationRule: mode ISTIO_MUTUAL in place of SIMPLE or MUTUAL",
            "subjectAltNames of the rule: they must name the service account of the server, spiffe://TRUST-DOMAIN/ns/NS/sa/SA",
            "trust domains: meshConfig.trustDomain and trustDomainAliases",
        ],
    },
    FailureInfo {
        failure: Failure::F6,
        code: "F6",
        title: "TLS bytes reach a plaintext application",
        symptoms: &[
            "the application logs garbage, or closes the connection",
            "client proxy's access log: UF with WRONG_VERSION_NUMBER, or a handshake timeout",
            "no Istio log on the server's side",
        ],
        cause: "The client's proxy sends TLS, and nothing on the server's side decrypts it: a TCP port with mTLS DISABLE \
                forwards the bytes as they are, or the port is excluded from the sidecar (excludeInboundPorts), while \
                istiod still announces the endpoint as capable of mutual TLS.",
        look: &[
            "annotation traffic.sidecar.istio.io/excludeInboundPorts of the server's pod",
            "a PeerAuthentication with portLevelMtls DISABLE for that workload port makes automatic mTLS send plaintext",
            "or a DestinationRule with tls DISABLE for that Service port",
        ],
    },
    FailureInfo {
        failure: Failure::F7,
        code: "F7",
        title: "a caller without identity is refused by an ambient STRICT workload",
        symptoms: &[
            "connection reset or EOF right after connect",
            "ztunnel's access log: connection closed due to policy rejection: explicitly denied by istio_converted_static_strict",
        ],
        cause: "The destination is captured by ztunnel and its PeerAuthentication is STRICT; the caller is outside the mesh, \
                or is a sidecar that does not send HBONE.",
        look: &[
            "the caller: is it in the mesh?",
            "sidecar callers: PILOT_ENABLE_SENDING_HBONE and ISTIO_META_DISABLE_HBONE_SEND",
        ],
    },
    FailureInfo {
        failure: Failure::F8,
        code: "F8",
        title: "plaintext from ztunnel or a waypoint to a STRICT sidecar",
        symptoms: &["connection reset", "503 UC", "server proxy's access log: NR filter_chain_not_found"],
        cause: "Ambient clients speak HBONE or plaintext, never the sidecars' mutual TLS. A sidecar without label \
                networking.istio.io/tunnel=http takes no HBONE.",
        look: &[
            "restart the server's pod under the ambient profile, so that its sidecar listens for HBONE",
            "PERMISSIVE for the time of the migration",
        ],
    },
    FailureInfo {
        failure: Failure::F9,
        code: "F9",
        title: "TLS to an application without a proxy",
        symptoms: &[
            "503 upstream connect error or disconnect/reset before headers. reset reason: connection failure",
            "TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
            "client proxy's access log: response flags UF, URX",
        ],
        cause: "The client's proxy was told to send TLS (a DestinationRule with ISTIO_MUTUAL or SIMPLE, often a wildcard host \
                such as *.local), and the endpoint has no sidecar that could decrypt it. There is no fallback.",
        look: &[
            "the server: inject it, or take it out of the rule (a rule of its own with tls DISABLE, or without tls)",
            "the Kubernetes API server and kube-dns never have a sidecar: a rule for *.local needs an exception for them",
            "label security.istio.io/tlsMode: istio on a pod without sidecar misleads automatic mTLS",
        ],
    },
];

impl Failure {
    /// `F1` to `F9`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.info().map_or("F?", |info| info.code)
    }

    /// Its row of [`FAILURES`].
    #[must_use]
    pub fn info(self) -> Option<&'static FailureInfo> {
        FAILURES.iter().find(|info| info.failure == self)
    }
}

/// The server side of a connection to one endpoint and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerSide {
    /// No proxy: the application answers.
    NoProxy,
    /// A sidecar that this port does not pass through: the application answers.
    Bypassed,
    /// Sidecar, mode DISABLE.
    Disable,
    /// Sidecar, mode PERMISSIVE.
    Permissive,
    /// Sidecar, mode STRICT.
    Strict,
    /// Sidecar whose `Sidecar.ingress.tls` terminates TLS with the user's own certificate.
    OwnTls,
    /// The same, and it demands a client certificate of the user's own CA.
    OwnMutualTls,
    /// Captured by ztunnel, which lets plaintext through.
    AmbientOpen,
    /// Captured by ztunnel, which refuses whatever has no identity.
    AmbientStrict,
}

/// How the port's protocol bears on the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortKind {
    /// HTTP family.
    Http,
    /// Declared `https` or `tls`: the application terminates TLS.
    AppTls,
    /// TCP, sniffed, or declared by no Service.
    Layer4,
}

/// Who put the bytes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// The application itself.
    Application,
    /// A sidecar or gateway.
    Proxy,
    /// ztunnel, or a waypoint.
    Ztunnel,
}

/// What a CONDITIONAL outcome hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Whether the client's own certificate chains to the mesh root, and the client trusts the mesh's certificates.
    OwnCertificate,
    /// Whether the application terminates TLS on this port.
    ApplicationTls,
    /// Whether the user's certificate and CA fit the client's.
    IngressCertificate,
    /// Whether the application speaks the TLS that the gateway wants.
    GatewayTls,
    /// Whether the certificates of gateway and client fit.
    GatewayCertificate,
    /// Which service account answers: the rule expects certain identities.
    Identity,
    /// Whether the certificate files of the client's proxy fit the mesh's.
    ClientFiles,
    /// Whether the certificate files of the server's proxy fit the mesh's.
    ServerFiles,
    /// Whether a gRPC server that takes its listeners from istiod answers.
    GrpcListener,
}

impl Condition {
    /// The condition in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::OwnCertificate => {
                "mutual TLS only if the rule's client certificate chains to the mesh root and its CA trusts the mesh"
            }
            Self::ApplicationTls => "works only if the application itself terminates TLS on this port",
            Self::IngressCertificate => {
                "works only if the client's certificate and CA fit those of Sidecar.ingress.tls"
            }
            Self::GatewayTls => "works only if the application itself speaks TLS: the gateway's server demands it",
            Self::GatewayCertificate => "works only if the certificates of the rule and of the Gateway's server fit",
            Self::ClientFiles => {
                "mutual TLS only if the certificate files of the client's proxy chain to the mesh root and trust the mesh"
            }
            Self::ServerFiles => "mutual TLS only if the certificate files of the server's proxy fit those of the mesh",
            Self::GrpcListener => {
                "hangs on what answers: a gRPC server that takes its listeners from istiod obeys the policy, anything else does not"
            }
            Self::Identity => "works only if the server's identity is one of the rule's subjectAltNames",
        }
    }
}

/// A verdict on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Status.
    pub status: Status,
    /// Failure code of a CONFLICT.
    pub failure: Option<Failure>,
    /// What a CONDITIONAL hangs on.
    pub condition: Option<Condition>,
}

impl Outcome {
    const fn of(status: Status) -> Self {
        Self { status, failure: None, condition: None }
    }

    /// A CONFLICT with its code.
    #[must_use]
    pub const fn fails(failure: Failure) -> Self {
        Self { status: Status::Conflict, failure: Some(failure), condition: None }
    }

    /// A CONDITIONAL.
    #[must_use]
    pub const fn if_only(condition: Condition) -> Self {
        Self { status: Status::Conditional, failure: None, condition: Some(condition) }
    }

    /// Mutual TLS.
    pub const OK: Self = Self::of(Status::Ok);
    /// Unencrypted.
    pub const PLAINTEXT: Self = Self::of(Status::Plaintext);
    /// One-way or foreign TLS.
    pub const TLS: Self = Self::of(Status::Tls);
    /// Undecided.
    pub const UNKNOWN: Self = Self::of(Status::Unknown);
    /// Refused by the client's own proxy: no failure code says that.
    pub const REFUSED: Self = Self::of(Status::Conflict);
}

type Row = (Wire, ServerSide, Option<PortKind>, Option<Sender>, Outcome);

const fn row(wire: Wire, server: ServerSide, port: Option<PortKind>, sender: Option<Sender>, outcome: Outcome) -> Row {
    (wire, server, port, sender, outcome)
}

/// The tables of sections 3.1 and 3.2, first match. `None` matches any.
pub const OUTCOMES: &[Row] = {
    use PortKind::{AppTls, Http};
    use Sender::{Application, Proxy, Ztunnel};
    use ServerSide::{
        AmbientOpen, AmbientStrict, Bypassed, Disable, NoProxy, OwnMutualTls, OwnTls, Permissive, Strict,
    };
    &[
        // Plaintext: only STRICT and TLS-only listeners refuse it (1.3, TestInbound).
        row(Wire::Plaintext, Strict, None, Some(Application), Outcome::fails(Failure::F1)),
        row(Wire::Plaintext, Strict, None, Some(Proxy), Outcome::fails(Failure::F2)),
        row(Wire::Plaintext, Strict, None, Some(Ztunnel), Outcome::fails(Failure::F8)),
        row(Wire::Plaintext, OwnTls, None, Some(Application), Outcome::fails(Failure::F1)),
        row(Wire::Plaintext, OwnTls, None, Some(Proxy), Outcome::fails(Failure::F2)),
        row(Wire::Plaintext, OwnTls, None, Some(Ztunnel), Outcome::fails(Failure::F8)),
        row(Wire::Plaintext, OwnMutualTls, None, Some(Application), Outcome::fails(Failure::F1)),
        row(Wire::Plaintext, OwnMutualTls, None, Some(Proxy), Outcome::fails(Failure::F2)),
        row(Wire::Plaintext, OwnMutualTls, None, Some(Ztunnel), Outcome::fails(Failure::F8)),
        row(Wire::Plaintext, NoProxy, None, None, Outcome::PLAINTEXT),
        row(Wire::Plaintext, Bypassed, None, None, Outcome::PLAINTEXT),
        row(Wire::Plaintext, Disable, None, None, Outcome::PLAINTEXT),
        row(Wire::Plaintext, Permissive, None, None, Outcome::PLAINTEXT),
        row(Wire::Plaintext, AmbientOpen, None, None, Outcome::PLAINTEXT),
        // Whatever is not HBONE is plaintext to ztunnel: bytes without identity (inbound_passthrough.rs).
        row(Wire::Plaintext, AmbientStrict, None, None, Outcome::fails(Failure::F7)),
        row(Wire::Mtls, AmbientStrict, None, None, Outcome::fails(Failure::F7)),
        row(Wire::Tls, AmbientStrict, None, None, Outcome::fails(Failure::F7)),
        row(Wire::MutualTls, AmbientStrict, None, None, Outcome::fails(Failure::F7)),
        row(Wire::Mtls, AmbientOpen, None, None, Outcome::fails(Failure::F6)),
        row(Wire::Tls, AmbientOpen, Some(Http), None, Outcome::fails(Failure::F6)),
        row(Wire::Tls, AmbientOpen, Some(AppTls), None, Outcome::TLS),
        row(Wire::Tls, AmbientOpen, None, None, Outcome::if_only(Condition::ApplicationTls)),
        row(Wire::MutualTls, AmbientOpen, Some(Http), None, Outcome::fails(Failure::F6)),
        row(Wire::MutualTls, AmbientOpen, Some(AppTls), None, Outcome::TLS),
        row(Wire::MutualTls, AmbientOpen, None, None, Outcome::if_only(Condition::ApplicationTls)),
        // HBONE, where something listens for it: mutual TLS whatever the mode, even DISABLE.
        row(Wire::Hbone, AmbientOpen, None, None, Outcome::OK),
        row(Wire::Hbone, AmbientStrict, None, None, Outcome::OK),
        row(Wire::Hbone, Bypassed, None, None, Outcome::OK),
        row(Wire::Hbone, Disable, None, None, Outcome::OK),
        row(Wire::Hbone, Permissive, None, None, Outcome::OK),
        row(Wire::Hbone, Strict, None, None, Outcome::OK),
        row(Wire::Hbone, OwnTls, None, None, Outcome::OK),
        row(Wire::Hbone, OwnMutualTls, None, None, Outcome::OK),
        // Istio mutual TLS.
        row(Wire::Mtls, NoProxy, None, None, Outcome::fails(Failure::F9)),
        row(Wire::Mtls, Bypassed, None, None, Outcome::fails(Failure::F6)),
        row(Wire::Mtls, Disable, Some(Http), None, Outcome::fails(Failure::F3)),
        row(Wire::Mtls, Disable, None, None, Outcome::fails(Failure::F6)),
        row(Wire::Mtls, Permissive, None, None, Outcome::OK),
        row(Wire::Mtls, Strict, None, None, Outcome::OK),
        row(Wire::Mtls, OwnTls, None, None, Outcome::if_only(Condition::IngressCertificate)),
        row(Wire::Mtls, OwnMutualTls, None, None, Outcome::if_only(Condition::IngressCertificate)),
        // One-way TLS.
        row(Wire::Tls, NoProxy, Some(Http), None, Outcome::fails(Failure::F9)),
        row(Wire::Tls, NoProxy, Some(AppTls), None, Outcome::TLS),
        row(Wire::Tls, NoProxy, None, None, Outcome::if_only(Condition::ApplicationTls)),
        row(Wire::Tls, Bypassed, Some(Http), None, Outcome::fails(Failure::F6)),
        row(Wire::Tls, Bypassed, Some(AppTls), None, Outcome::TLS),
        row(Wire::Tls, Bypassed, None, None, Outcome::if_only(Condition::ApplicationTls)),
        row(Wire::Tls, Disable, Some(Http), None, Outcome::fails(Failure::F3)),
        row(Wire::Tls, Disable, Some(AppTls), None, Outcome::TLS),
        row(Wire::Tls, Disable, None, None, Outcome::if_only(Condition::ApplicationTls)),
        row(Wire::Tls, Permissive, Some(Http), None, Outcome::fails(Failure::F4)),
        row(Wire::Tls, Permissive, Some(AppTls), None, Outcome::TLS),
        row(Wire::Tls, Permissive, None, None, Outcome::if_only(Condition::ApplicationTls)),
        row(Wire::Tls, Strict, None, None, Outcome::fails(Failure::F5)),
        row(Wire::Tls, OwnTls, None, None, Outcome::TLS),
        row(Wire::Tls, OwnMutualTls, None, None, Outcome::fails(Failure::F5)),
        // TLS with a client certificate of the rule's own.
        row(Wire::MutualTls, NoProxy, Some(Http), None, Outcome::fails(Failure::F9)),
        row(Wire::MutualTls, NoProxy, Some(AppTls), None, Outcome::TLS),
        row(Wire::MutualTls, NoProxy, None, None, Outcome::if_only(Condition::ApplicationTls)),
        row(Wire::MutualTls, Bypassed, Some(Http), None, Outcome::fails(Failure::F6)),
        row(Wire::MutualTls, Bypassed, Some(AppTls), None, Outcome::TLS),
        row(Wire::MutualTls, Bypassed, None, None, Outcome::if_only(Condition::ApplicationTls)),
        row(Wire::MutualTls, Disable, Some(Http), None, Outcome::fails(Failure::F3)),
        row(Wire::MutualTls, Disable, Some(AppTls), None, Outcome::TLS),
        row(Wire::MutualTls, Disable, None, None, Outcome::if_only(Condition::ApplicationTls)),
        row(Wire::MutualTls, Permissive, Some(Http), None, Outcome::fails(Failure::F4)),
        row(Wire::MutualTls, Permissive, Some(AppTls), None, Outcome::TLS),
        row(Wire::MutualTls, Permissive, None, None, Outcome::if_only(Condition::ApplicationTls)),
        row(Wire::MutualTls, Strict, None, None, Outcome::if_only(Condition::OwnCertificate)),
        row(Wire::MutualTls, OwnTls, None, None, Outcome::TLS),
        row(Wire::MutualTls, OwnMutualTls, None, None, Outcome::if_only(Condition::IngressCertificate)),
    ]
};

/// Looks a connection up in [`OUTCOMES`]. What the table does not know is UNKNOWN.
#[must_use]
pub fn outcome(wire: Wire, server: ServerSide, port: PortKind, sender: Sender) -> Outcome {
    if wire == Wire::None {
        return Outcome::REFUSED;
    }
    let found = OUTCOMES.iter().find(|(w, s, p, by, _)| {
        *w == wire && *s == server && p.is_none_or(|p| p == port) && by.is_none_or(|by| by == sender)
    });
    found.map_or(Outcome::UNKNOWN, |row| row.4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_row_in_order() {
        for (number, info) in (1..).zip(FAILURES) {
            assert_eq!(info.code, format!("F{number}"));
            assert_eq!(info.failure.code(), info.code);
            assert!(!info.symptoms.is_empty() && !info.look.is_empty(), "{}", info.code);
        }
        assert_eq!(FAILURES.len(), 9);
    }

    /// The whole product of wire, server, port and sender: a change of the table shows in review.
    #[test]
    fn the_whole_product() {
        use std::fmt::Write;
        let mut text = String::new();
        for wire in [Wire::Mtls, Wire::Hbone, Wire::Tls, Wire::MutualTls, Wire::Plaintext, Wire::None] {
            for server in [
                ServerSide::NoProxy,
                ServerSide::Bypassed,
                ServerSide::Disable,
                ServerSide::Permissive,
                ServerSide::Strict,
                ServerSide::OwnTls,
                ServerSide::OwnMutualTls,
                ServerSide::AmbientOpen,
                ServerSide::AmbientStrict,
            ] {
                for port in [PortKind::Http, PortKind::AppTls, PortKind::Layer4] {
                    for sender in [Sender::Application, Sender::Proxy, Sender::Ztunnel] {
                        let o = outcome(wire, server, port, sender);
                        let failure = o.failure.map_or("", Failure::code);
                        let condition = o.condition.map_or(String::new(), |c| format!("{c:?}"));
                        let line = format!(
                            "{:<10} {server:<13?} {port:<7?} {sender:<11?} {} {failure}{condition}",
                            wire.word(),
                            o.status.word()
                        );
                        writeln!(text, "{}", line.trim_end()).unwrap();
                    }
                }
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn green_needs_mutual_tls_on_both_sides() {
        for (wire, server, _, _, outcome) in OUTCOMES {
            if outcome.status == Status::Ok {
                let sidecar = matches!(server, ServerSide::Permissive | ServerSide::Strict);
                let hbone = *wire == Wire::Hbone && *server != ServerSide::NoProxy;
                assert!(hbone || (*wire == Wire::Mtls && sidecar), "{wire:?} {server:?}");
            }
        }
    }
}
