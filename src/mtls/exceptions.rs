//! Where an outcome is not that of the table: certificate files of a proxy's own (2.12), and old versions of Istio (7.1).

use super::client::{Decision, Why};
use super::outcome::{Condition, Failure, Outcome, PortKind, Sender, ServerSide, Wire};
use crate::model::Mesh;
use crate::model::destination_rule::TlsMode;

/// What old versions of Istio made of TLS that is not the mesh's own, at a PERMISSIVE HTTP port.
#[must_use]
pub fn of_version(mesh: &Mesh, wire: Wire, server: ServerSide, kind: PortKind, sender: Sender) -> Option<Outcome> {
    if !matches!(wire, Wire::Tls | Wire::MutualTls) || (server, kind) != (ServerSide::Permissive, PortKind::Http) {
        return None;
    }
    let gives_alpn = !mesh.leaves_foreign_alpn();
    match (sender, wire) {
        // Filter istio.alpn gave it Istio's ALPN, so that the server took it for mutual TLS of the mesh.
        (Sender::Proxy, Wire::Tls) if gives_alpn => Some(Outcome::fails(Failure::F5)),
        (Sender::Proxy, _) if gives_alpn => Some(Outcome::if_only(Condition::OwnCertificate)),
        // The chain for anything but Istio's ALPN took it for HTTP.
        _ if !mesh.version.refuses_foreign_tls() => Some(Outcome::fails(Failure::F3)),
        _ => None,
    }
}

/// What files of a proxy's own make of an outcome: whether they fit the mesh's certificates is not in the input.
#[must_use]
pub fn of_files(
    decision: &Decision,
    server_files: bool,
    wire: Wire,
    server: ServerSide,
    kind: PortKind,
    found: Outcome,
) -> Outcome {
    let own = decision.why == Why::ClientFiles && wire == Wire::MutualTls;
    // Only a rule with SIMPLE or MUTUAL keeps filter istio.alpn from giving HTTP calls Istio's ALPN.
    let istio_alpn = decision.tls.is_none_or(|(mode, _)| mode == TlsMode::IstioMutual);
    let taken = match (server, kind) {
        (ServerSide::Strict, _) => true,
        (ServerSide::Permissive, PortKind::Http) => istio_alpn,
        _ => false,
    };
    match found {
        // Nobody chose TLS for the application: it is taken to speak plaintext, as under ISTIO_MUTUAL.
        _ if own && (server, kind) == (ServerSide::NoProxy, PortKind::Layer4) => Outcome::fails(Failure::F9),
        _ if own && (server, kind) == (ServerSide::Bypassed, PortKind::Layer4) => Outcome::fails(Failure::F6),
        _ if own && taken => Outcome::if_only(Condition::ClientFiles),
        Outcome::OK if server_files => Outcome::if_only(Condition::ServerFiles),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{Cluster, Reach};
    use super::*;
    use crate::model::Version;

    #[test]
    fn old_versions_took_foreign_tls_for_something_else() {
        let (f3, f5) = (Some(Outcome::fails(Failure::F3)), Some(Outcome::fails(Failure::F5)));
        let conditional = Some(Outcome::if_only(Condition::OwnCertificate));
        for (minor, wire, sender, want) in [
            (7, Wire::Tls, Sender::Proxy, f5),
            (7, Wire::Tls, Sender::Application, f3),
            (7, Wire::MutualTls, Sender::Proxy, conditional),
            (8, Wire::Tls, Sender::Application, None),
            (18, Wire::Tls, Sender::Proxy, f5),
            (18, Wire::MutualTls, Sender::Proxy, conditional),
            (19, Wire::Tls, Sender::Proxy, None),
            (7, Wire::Mtls, Sender::Proxy, None),
        ] {
            let mesh = Mesh { version: Version::one(minor), ..Mesh::default() };
            let of = |server, kind| of_version(&mesh, wire, server, kind, sender);
            assert_eq!(of(ServerSide::Permissive, PortKind::Http), want, "1.{minor} {wire:?} {sender:?}");
            assert_eq!(of(ServerSide::Strict, PortKind::Http), None);
            assert_eq!(of(ServerSide::Permissive, PortKind::Layer4), None);
        }
    }

    #[test]
    fn files_leave_nothing_green() {
        let auto =
            Decision { cluster: Cluster::MutualTls, why: Why::ClientFiles, ..Decision::without_cluster(Reach::Known) };
        let plain = Decision::without_cluster(Reach::Known);
        let f4 = Outcome::fails(Failure::F4);
        let (client, server) = (Outcome::if_only(Condition::ClientFiles), Outcome::if_only(Condition::ServerFiles));
        for (decision, files, wire, side, found, want) in [
            (&auto, false, Wire::MutualTls, ServerSide::Permissive, f4, client),
            (&auto, true, Wire::MutualTls, ServerSide::Strict, Outcome::if_only(Condition::OwnCertificate), client),
            (
                &auto,
                false,
                Wire::MutualTls,
                ServerSide::Disable,
                Outcome::fails(Failure::F3),
                Outcome::fails(Failure::F3),
            ),
            (&plain, true, Wire::Mtls, ServerSide::Strict, Outcome::OK, server),
            (&plain, true, Wire::Plaintext, ServerSide::Permissive, Outcome::PLAINTEXT, Outcome::PLAINTEXT),
            (&plain, false, Wire::Mtls, ServerSide::Strict, Outcome::OK, Outcome::OK),
        ] {
            assert_eq!(of_files(decision, files, wire, side, PortKind::Http, found), want, "{wire:?} {side:?}");
        }
    }
}
