//! Gateways as servers: the SNI must fit as well as the mode (1.7).

use super::client::{Cluster, Decision, tls_at};
use super::outcome::{Condition, Failure, Outcome, PortKind, Wire};
use super::reason::Reason;
use crate::model::gateway::GatewayTls;
use crate::model::{Host, Mesh};

/// The SNI that a client sends: the rule's, or Istio's own name of the cluster (`outbound_.PORT_.SUBSET_.HOST`).
#[must_use]
pub fn sni(mesh: &Mesh, decision: &Decision, host: &Host, port: u16, subset: Option<&str>) -> Option<String> {
    let own = decision.tls.and_then(|(_, from)| tls_at(mesh, from)).and_then(|tls| tls.sni.as_deref());
    let mutual = matches!(decision.cluster, Cluster::IstioMutual | Cluster::PerEndpoint);
    let subset = subset.unwrap_or_default();
    own.map(str::to_owned).or_else(|| mutual.then(|| format!("outbound_.{port}_.{subset}_.{host}")))
}

/// What comes of a wire format at a gateway's server (1.7): SNI must fit as well as the mode.
pub(super) fn gateway_outcome(
    wire: Wire,
    tls: GatewayTls,
    kind: PortKind,
    sni: Option<&str>,
    hosts: &[&str],
) -> (Outcome, Option<Reason>) {
    use Failure::{F3, F4, F5};
    let fits = |sni: &str| hosts.is_empty() || hosts.iter().any(|host| Host((*host).into()).matches(&Host(sni.into())));
    let any = hosts.is_empty() || hosts.contains(&"*");
    let named = sni.map(fits);
    let outcome = match (wire, tls) {
        (Wire::None, _) => Outcome::REFUSED,
        (_, GatewayTls::Passthrough | GatewayTls::AutoPassthrough) => {
            return (Outcome::UNKNOWN, Some(Reason::GatewayPassthrough));
        }
        (Wire::Plaintext, GatewayTls::None) => Outcome::PLAINTEXT,
        (Wire::Plaintext, _) => Outcome::if_only(Condition::GatewayTls),
        (_, GatewayTls::None) if kind == PortKind::Http => Outcome::fails(F3),
        (_, GatewayTls::None) => return (Outcome::UNKNOWN, Some(Reason::GatewayPassthrough)),
        (_, _) if named == Some(false) => Outcome::fails(F4),
        (Wire::Mtls, GatewayTls::IstioMutual) => Outcome::OK,
        (Wire::Tls, GatewayTls::Mutual | GatewayTls::IstioMutual) => Outcome::fails(F5),
        (Wire::Tls, GatewayTls::Simple | GatewayTls::OptionalMutual) if any || named == Some(true) => Outcome::TLS,
        _ => Outcome::if_only(Condition::GatewayCertificate),
    };
    (outcome, None)
}
