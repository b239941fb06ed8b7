//! gRPC without a proxy: what such a server accepts and such a client sends (istio-mtls.md 1.8, 2.11).

use super::client::{Cluster, Why};
use super::outcome::{Condition, Outcome, PortKind, Sender, ServerSide, Wire, outcome};
use crate::model::destination_rule::TlsMode;
use crate::model::service::Port;
use crate::model::{MtlsMode, Workload};

/// The server of a port of a workload that takes its listeners from istiod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// It has label `security.istio.io/tlsMode: istio`.
    pub labelled: bool,
    /// The port is declared as gRPC; else it is not certain that a gRPC server answers.
    pub declared: bool,
}

impl Listener {
    /// The listener of a workload's port.
    #[must_use]
    pub fn new(workload: &Workload, port: &Port) -> Self {
        Self { labelled: workload.tls_mode() == "istio", declared: port.grpc }
    }

    /// What it demands (`grpcgen/lds.go : buildInboundFilterChains`): there is no permissive listener.
    #[must_use]
    pub fn side(self, mode: MtlsMode) -> ServerSide {
        match mode {
            MtlsMode::Strict => ServerSide::Strict,
            MtlsMode::Permissive if self.labelled => ServerSide::Strict,
            MtlsMode::Permissive | MtlsMode::Disable => ServerSide::Disable,
        }
    }

    /// What comes of a wire format. Where no gRPC server may answer, the policy may not be enforced.
    #[must_use]
    pub fn outcome(self, wire: Wire, mode: MtlsMode, kind: PortKind, sender: Sender) -> Outcome {
        let enforced = outcome(wire, self.side(mode), kind, sender);
        let open = outcome(wire, ServerSide::NoProxy, kind, sender);
        if self.declared || enforced == open { enforced } else { Outcome::if_only(Condition::GrpcListener) }
    }

    /// What PERMISSIVE comes to, in words; nothing of another mode, which is what its policy says.
    #[must_use]
    pub fn words(self, mode: Option<&str>) -> Option<&'static str> {
        let permissive = if self.labelled {
            "proxyless gRPC with label security.istio.io/tlsMode: istio: PERMISSIVE is mutual TLS only, there is no permissive listener"
        } else {
            "proxyless gRPC without label security.istio.io/tlsMode: istio: PERMISSIVE is plaintext only, there is no permissive listener"
        };
        (mode == Some("PERMISSIVE")).then_some(permissive)
    }
}

/// What such a client sends (`grpcgen/cds.go : applyTLS`): no automatic mTLS, and of a rule only ISTIO_MUTUAL.
#[must_use]
pub fn socket(tls: Option<TlsMode>) -> (Cluster, Why) {
    match tls {
        Some(TlsMode::IstioMutual) => (Cluster::IstioMutual, Why::Rule),
        _ => (Cluster::Plain, Why::Grpc),
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{Failure, Status};
    use super::*;

    #[test]
    fn there_is_no_permissive_listener() {
        use MtlsMode::{Disable, Permissive, Strict};
        let fails = |failure| (Status::Conflict, Some(failure));
        for (labelled, declared, mode, wire, want) in [
            (false, true, Permissive, Wire::Plaintext, (Status::Plaintext, None)),
            (false, true, Permissive, Wire::Mtls, fails(Failure::F3)),
            (true, true, Permissive, Wire::Mtls, (Status::Ok, None)),
            (true, true, Permissive, Wire::Plaintext, fails(Failure::F2)),
            (false, true, Strict, Wire::Mtls, (Status::Ok, None)),
            (false, true, Strict, Wire::Plaintext, fails(Failure::F2)),
            (true, true, Disable, Wire::Mtls, fails(Failure::F3)),
            (true, true, Disable, Wire::Plaintext, (Status::Plaintext, None)),
            (true, false, Permissive, Wire::Mtls, (Status::Conditional, None)),
            (true, false, Disable, Wire::Plaintext, (Status::Plaintext, None)),
        ] {
            let got = Listener { labelled, declared }.outcome(wire, mode, PortKind::Http, Sender::Proxy);
            assert_eq!((got.status, got.failure), want, "{labelled} {declared} {mode:?} {wire:?}");
        }
    }

    #[test]
    fn the_reason_is_the_listener_under_permissive_only() {
        for (mode, labelled, want) in [
            (Some("PERMISSIVE"), true, Some("mutual TLS only")),
            (Some("PERMISSIVE"), false, Some("plaintext only")),
            (Some("STRICT"), true, None),
            (Some("DISABLE"), false, None),
            (None, false, None),
        ] {
            let words = Listener { labelled, declared: true }.words(mode);
            assert_eq!(words.is_some(), want.is_some(), "{mode:?}");
            assert!(words.unwrap_or_default().contains(want.unwrap_or_default()), "{mode:?}");
        }
    }

    #[test]
    fn clients_know_istio_mutual_only() {
        for (tls, cluster) in [
            (None, Cluster::Plain),
            (Some(TlsMode::Simple), Cluster::Plain),
            (Some(TlsMode::Mutual), Cluster::Plain),
            (Some(TlsMode::IstioMutual), Cluster::IstioMutual),
        ] {
            assert_eq!(socket(tls).0, cluster, "{tls:?}");
        }
    }
}
