//! What a client's proxy sends to a service port: the cluster (CDS) and the endpoint's tag (EDS), as istiod programs
//! both (istio-mtls.md 2.6 to 2.9).

use super::endpoints::Endpoint;
use super::outcome::Wire;
use super::rules::{Entry, Step};
use super::server::{ModeFrom, Winners, namespace_mode};
use crate::model::destination_rule::{ClientTls, PortPolicy, Subset, TlsMode, TrafficPolicy};
use crate::model::service::{Origin, Resolution};
use crate::model::{Mesh, MtlsMode, Proxy, Service};

/// The field that a `tls` block was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TlsFrom {
    /// The rule.
    pub rule: u32,
    /// Number of the subset in the rule, where it is one's.
    pub subset: Option<u32>,
    /// Number of the `portLevelSettings` entry, where it is one's.
    pub port: Option<u32>,
}

/// How the client comes to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The workload has no proxy.
    NoProxy,
    /// It has one, and this call does not pass through it.
    NotCaptured(Uncaptured),
    /// Its proxy has no cluster for the service, and lets the bytes pass as they are.
    PassedThrough(Unknown),
    /// Its proxy has no cluster for the service, and refuses.
    BlackHoled(Unknown),
    /// Its proxy has a cluster.
    Known,
    /// Not decided.
    Undecided,
}

/// Why a call does not pass through the client's own proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Uncaptured {
    /// An annotation leaves the port or address out.
    Annotation,
    /// An application container runs as user or group 1337.
    User1337,
    /// Interception mode NONE.
    NoInterception,
}

/// Why a proxy does not know a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// This Sidecar does not import it.
    NotImported(u32),
    /// The service is not exported to the client's namespace.
    NotExported,
}

/// Why a cluster is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The rule says so.
    Rule,
    /// SIMPLE or MUTUAL with `credentialName` on a sidecar, in a rule without workloadSelector: dropped silently.
    CredentialIgnored,
    /// MUTUAL without client certificate: dropped silently.
    NoClientCertificate,
    /// Automatic mTLS is off.
    AutoOff,
    /// The service is outside the mesh.
    External,
    /// Addressed directly, and there is no endpoint.
    NoEndpoints,
    /// Addressed directly, and an endpoint is not capable of mutual TLS.
    EndpointWithoutSidecar,
    /// The namespace-wide or mesh-wide policy says DISABLE.
    NamespaceDisable(ModeFrom),
    /// Automatic mTLS, per endpoint.
    Auto,
    /// Automatic mTLS of a cluster that addresses pods directly: to every endpoint.
    AutoDirect,
    /// Proxyless gRPC: only ISTIO_MUTUAL gives TLS.
    Grpc,
    /// Addressed directly, and it is not certain what an endpoint is announced with.
    TlsModeUnknown,
    /// The possible orders of rules disagree.
    Undecided,
}

/// The transport socket of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cluster {
    /// No TLS.
    Plain,
    /// One-way TLS to every endpoint.
    Tls,
    /// TLS with the rule's client certificate to every endpoint.
    MutualTls,
    /// Istio mutual TLS to every endpoint.
    IstioMutual,
    /// Istio mutual TLS to endpoints with tag `tlsMode=istio`, plaintext to the rest.
    PerEndpoint,
}

/// What was decided for one client, service port and subset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// How the client comes to the service.
    pub reach: Reach,
    /// The rule that was chosen, and where it was found.
    pub rule: Option<(u32, Step)>,
    /// The `tls` block that the cluster is built from.
    pub tls: Option<(TlsMode, TlsFrom)>,
    /// The `tls` mode that endpoints are tagged by, where it differs from the cluster's view.
    pub tag: Option<(TlsMode, TlsFrom)>,
    /// The transport socket.
    pub cluster: Cluster,
    /// Why.
    pub why: Why,
}

impl Decision {
    /// A client whose bytes leave as the application wrote them.
    #[must_use]
    pub fn without_cluster(reach: Reach) -> Self {
        Self { reach, rule: None, tls: None, tag: None, cluster: Cluster::Plain, why: Why::Rule }
    }

    /// `client_tls` of the contract.
    #[must_use]
    pub fn client_tls(&self) -> Option<&'static str> {
        match (self.reach, self.tls) {
            (Reach::Undecided, _) => None,
            (Reach::Known, None) if matches!(self.why, Why::TlsModeUnknown | Why::Undecided) => None,
            (Reach::NoProxy | Reach::NotCaptured(_), _) => Some("none"),
            // Without a cluster there is no TLS, and nothing automatic.
            (Reach::PassedThrough(_) | Reach::BlackHoled(_), _) => Some("DISABLE"),
            (Reach::Known, Some((mode, _))) => Some(mode.word()),
            (Reach::Known, None) if matches!(self.why, Why::AutoOff | Why::External | Why::Grpc) => Some("DISABLE"),
            (Reach::Known, None) => Some("auto"),
        }
    }
}

/// The policy that counts for a Service port: the first entry for that port alone, else the policy itself
/// (`GetPortLevelTrafficPolicy`: a complete replacement).
fn for_port(policy: &TrafficPolicy, port: u16) -> (&PortPolicy, Option<u32>) {
    let entry = (0..).zip(&policy.ports).find(|(_, (number, _))| *number == Some(port));
    entry.map_or((&policy.top, None), |(at, (_, own))| (own, Some(at)))
}

/// What endpoints are tagged by (`trafficPolicyTLSModeForPort`): the first entry for the port *that has tls*, else the
/// policy's own. So a port entry without `tls` clears it for the cluster and not for the tag (D6, D7, D16).
fn tag_for_port(policy: &TrafficPolicy, port: u16) -> Option<(TlsMode, Option<u32>)> {
    let entry = (0..).zip(&policy.ports).find(|(_, (number, own))| *number == Some(port) && own.tls.is_some());
    match entry {
        Some((at, (_, own))) => own.tls.as_ref().map(|tls| (tls.mode, Some(at))),
        None => policy.top.tls.as_ref().map(|tls| (tls.mode, None)),
    }
}

/// A `tls` block and where it stands.
type Found<'m> = Option<(&'m ClientTls, TlsFrom)>;

/// The `tls` block of the cluster (2.6, `MergeSubsetTrafficPolicy`).
fn cluster_tls<'m>(
    base: Option<(&'m TrafficPolicy, u32)>,
    subset: Option<(&'m TrafficPolicy, u32, u32)>,
    port: u16,
) -> Found<'m> {
    let of_base = base.and_then(|(policy, rule)| {
        let (own, entry) = for_port(policy, port);
        own.tls.as_ref().map(|tls| (tls, TlsFrom { rule, subset: None, port: entry }))
    });
    let Some((policy, rule, number)) = subset else { return of_base };
    let (own, entry) = for_port(policy, port);
    let of_subset = own.tls.as_ref().map(|tls| (tls, TlsFrom { rule, subset: Some(number), port: entry }));
    // Without a base, or with an entry for the port, the subset's policy stands alone; else field by field.
    if base.is_none() || entry.is_some() { of_subset } else { of_subset.or(of_base) }
}

/// What one decision is made from.
pub struct Call<'m> {
    /// The client's proxy.
    pub proxy: Proxy,
    /// The service.
    pub service: &'m Service,
    /// Service port.
    pub port: u16,
    /// The chosen rule.
    pub entry: Option<(&'m Entry, Step)>,
    /// A subset of it: rule and number.
    pub subset: Option<(u32, u32)>,
    /// The wide policies of the service's namespace.
    pub wide: Winners,
    /// Endpoints of the service port.
    pub endpoints: &'m [Endpoint<'m>],
}

impl<'m> Call<'m> {
    fn policy(&self, mesh: &'m Mesh) -> Option<(&'m TrafficPolicy, u32)> {
        let number = self.entry?.0.policy?;
        Some((mesh.rules.get(number as usize)?.policy.as_ref()?, number))
    }

    fn subset<'a>(&self, mesh: &'a Mesh) -> Option<(&'a Subset, u32, u32)> {
        let (rule, number) = self.subset?;
        Some((mesh.rules.get(rule as usize)?.subsets.get(number as usize)?, rule, number))
    }

    /// Whether the cluster addresses what the client called, with no choice per endpoint (ORIGINAL_DST).
    fn direct(&self, mesh: &'m Mesh) -> bool {
        let by_resolution = match self.service.resolution {
            // Gateways cannot: they always use endpoints (`convertResolution`).
            _ if self.proxy == Proxy::Gateway => false,
            Resolution::Headless => !mesh.options.env.headless_eds,
            Resolution::Passthrough => true,
            _ => false,
        };
        let by_rule = self.policy(mesh).is_some_and(|(policy, _)| for_port(policy, self.port).0.passthrough);
        let by_subset = self.subset(mesh).and_then(|(s, _, _)| s.policy.as_ref()).is_some_and(|p| p.top.passthrough);
        by_resolution || by_rule || by_subset
    }

    /// Why automatic mTLS does not apply to the cluster, or `None` (`BestEffortInferServiceMTLSMode`).
    fn not_automatic(&self, mesh: &'m Mesh) -> Option<Why> {
        if self.service.origin == Origin::MeshExternal {
            return Some(Why::External);
        }
        if !mesh.config.auto_mtls {
            return Some(Why::AutoOff);
        }
        // The load balancer of the policy itself, the subset's own for a subset (C8); port entries are not looked at.
        let passthrough = match self.subset(mesh) {
            Some((subset, _, _)) => subset.policy.as_ref().is_some_and(|p| p.top.passthrough),
            None => self.policy(mesh).is_some_and(|(p, _)| p.top.passthrough),
        };
        if passthrough || matches!(self.service.resolution, Resolution::Headless | Resolution::Passthrough) {
            if self.endpoints.is_empty() {
                return Some(Why::NoEndpoints);
            }
            if self.endpoints.iter().any(|endpoint| endpoint.tls_known && endpoint.tls_mode == "disabled") {
                return Some(Why::EndpointWithoutSidecar);
            }
            if self.endpoints.iter().any(|endpoint| !endpoint.tls_known) {
                return Some(Why::TlsModeUnknown);
            }
        }
        match namespace_mode(&mesh.policies, self.wide) {
            (Some(MtlsMode::Disable), from) => Some(Why::NamespaceDisable(from)),
            _ => None,
        }
    }

    /// Decides the cluster (2.7, `buildUpstreamTLSSettings`).
    #[must_use]
    pub fn decide(&self, mesh: &'m Mesh) -> Decision {
        let base = self.policy(mesh);
        let subset = self.subset(mesh);
        let subset_policy = subset.and_then(|(s, rule, number)| s.policy.as_ref().map(|p| (p, rule, number)));
        let tls = cluster_tls(base, subset_policy, self.port);
        // A subset without tls falls back to the rule's (since 1.31).
        let tag = subset_policy
            .and_then(|(policy, rule, number)| {
                let (mode, port) = tag_for_port(policy, self.port)?;
                Some((mode, TlsFrom { rule, subset: Some(number), port }))
            })
            .or_else(|| {
                let (policy, rule) = base?;
                let (mode, port) = tag_for_port(policy, self.port)?;
                Some((mode, TlsFrom { rule, subset: None, port }))
            });
        let (cluster, why) = self.socket(mesh, tls.map(|(tls, _)| tls));
        Decision {
            reach: Reach::Known,
            rule: self.entry.map(|(entry, step)| (entry.first, step)),
            tls: tls.map(|(tls, from)| (tls.mode, from)),
            tag,
            cluster,
            why,
        }
    }

    fn socket(&self, mesh: &'m Mesh, tls: Option<&ClientTls>) -> (Cluster, Why) {
        if self.proxy == Proxy::Grpc {
            // `grpcgen/cds.go : applyTLS`
            let mutual = tls.is_some_and(|tls| tls.mode == TlsMode::IstioMutual);
            return if mutual { (Cluster::IstioMutual, Why::Rule) } else { (Cluster::Plain, Why::Grpc) };
        }
        let Some(tls) = tls else {
            return match self.not_automatic(mesh) {
                Some(why) => (Cluster::Plain, why),
                None if self.direct(mesh) => (Cluster::IstioMutual, Why::AutoDirect),
                None => (Cluster::PerEndpoint, Why::Auto),
            };
        };
        let rule = self.entry.and_then(|(entry, _)| mesh.rules.get(entry.first as usize));
        let selects = rule.is_some_and(|rule| rule.selector.is_some());
        let ignored = tls.secret_credential && self.proxy != Proxy::Gateway && !selects;
        match tls.mode {
            TlsMode::Disable => (Cluster::Plain, Why::Rule),
            TlsMode::IstioMutual => (Cluster::IstioMutual, Why::Rule),
            TlsMode::Simple | TlsMode::Mutual if ignored => (Cluster::Plain, Why::CredentialIgnored),
            TlsMode::Simple => (Cluster::Tls, Why::Rule),
            TlsMode::Mutual if !tls.credential && !tls.client_certificate => (Cluster::Plain, Why::NoClientCertificate),
            TlsMode::Mutual => (Cluster::MutualTls, Why::Rule),
        }
    }
}

impl Decision {
    /// What goes to one endpoint (2.8, 2.9; `mtls_checker.go : checkMtlsEnabled`). `mode`: the effective mode of the
    /// endpoint's workload port, whatever stands in front of it: istiod's endpoints know nothing of bypasses.
    #[must_use]
    pub fn wire(&self, endpoint: &Endpoint<'_>, mode: MtlsMode) -> Wire {
        match self.reach {
            Reach::BlackHoled(_) => return Wire::None,
            Reach::NoProxy | Reach::NotCaptured(_) | Reach::PassedThrough(_) | Reach::Undecided => {
                return Wire::Plaintext;
            }
            Reach::Known => {}
        }
        match self.cluster {
            Cluster::Plain => Wire::Plaintext,
            Cluster::Tls => Wire::Tls,
            Cluster::MutualTls => Wire::MutualTls,
            Cluster::IstioMutual => Wire::Mtls,
            Cluster::PerEndpoint => {
                let allowed = match self.tag {
                    Some((mode, _)) => mode == TlsMode::IstioMutual,
                    None => mode != MtlsMode::Disable,
                };
                if allowed && endpoint.tls_mode == "istio" { Wire::Mtls } else { Wire::Plaintext }
            }
        }
    }

    /// What goes to a service that nothing answers for, where that does not hang on the endpoint.
    #[must_use]
    pub fn wire_without_endpoint(&self) -> Option<Wire> {
        match (self.reach, self.cluster) {
            (Reach::BlackHoled(_), _) => Some(Wire::None),
            (Reach::Undecided, _) | (Reach::Known, Cluster::PerEndpoint) => None,
            (Reach::Known, Cluster::Tls) => Some(Wire::Tls),
            (Reach::Known, Cluster::MutualTls) => Some(Wire::MutualTls),
            (Reach::Known, Cluster::IstioMutual) => Some(Wire::Mtls),
            _ => Some(Wire::Plaintext),
        }
    }
}

/// The `tls` block that was read from a field.
#[must_use]
pub fn tls_at(mesh: &Mesh, from: TlsFrom) -> Option<&ClientTls> {
    let rule = mesh.rules.get(from.rule as usize)?;
    let policy = match from.subset {
        Some(at) => rule.subsets.get(at as usize)?.policy.as_ref()?,
        None => rule.policy.as_ref()?,
    };
    match from.port {
        Some(at) => policy.ports.get(at as usize)?.1.tls.as_ref(),
        None => policy.top.tls.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(mode: TlsMode) -> Option<ClientTls> {
        Some(ClientTls {
            mode,
            mode_written: true,
            secret_credential: false,
            credential: false,
            client_certificate: false,
            sans: Vec::new(),
            sni: None,
        })
    }

    fn policy(top: Option<TlsMode>, ports: &[(u16, Option<TlsMode>)]) -> TrafficPolicy {
        let make = |mode: Option<TlsMode>| PortPolicy { tls: mode.and_then(tls), passthrough: false };
        TrafficPolicy { top: make(top), ports: ports.iter().map(|(port, mode)| (Some(*port), make(*mode))).collect() }
    }

    #[test]
    fn port_entries_replace_for_the_cluster_and_not_for_the_tag() {
        use TlsMode::{Disable, IstioMutual, Simple};
        type Row<'a> = (Option<TlsMode>, &'a [(u16, Option<TlsMode>)], Option<TlsMode>, Option<TlsMode>);
        let rows: &[Row<'_>] = &[
            (Some(Simple), &[(80, Some(IstioMutual))], Some(IstioMutual), Some(IstioMutual)),
            (Some(Simple), &[(81, Some(IstioMutual))], Some(Simple), Some(Simple)),
            (Some(Disable), &[(80, None)], None, Some(Disable)),
            (None, &[(80, None), (80, Some(Disable))], None, Some(Disable)),
            (None, &[], None, None),
        ];
        for (top, ports, cluster, tag) in rows {
            let policy = policy(*top, ports);
            let got = cluster_tls(Some((&policy, 0)), None, 80).map(|(tls, _)| tls.mode);
            assert_eq!((got, tag_for_port(&policy, 80).map(|(m, _)| m)), (*cluster, *tag), "{top:?} {ports:?}");
        }
    }

    #[test]
    fn subsets_inherit_field_by_field_unless_they_have_an_entry_for_the_port() {
        use TlsMode::{Disable, IstioMutual, Simple};
        type Row<'a> = (Option<Option<TlsMode>>, Option<TlsMode>, &'a [(u16, Option<TlsMode>)], Option<TlsMode>);
        let rows: &[Row<'_>] = &[
            (Some(Some(IstioMutual)), None, &[], Some(IstioMutual)),
            (Some(Some(IstioMutual)), Some(Disable), &[], Some(Disable)),
            (Some(Some(IstioMutual)), None, &[(80, None)], None),
            (Some(Some(IstioMutual)), Some(Disable), &[(80, Some(Simple))], Some(Simple)),
            (Some(Some(IstioMutual)), None, &[(9000, Some(Simple))], Some(IstioMutual)),
            (None, None, &[(80, Some(Simple))], Some(Simple)),
            (None, Some(Disable), &[(80, None)], None),
        ];
        for (base, top, ports, want) in rows {
            let base = base.map(|mode| policy(mode, &[]));
            let own = policy(*top, ports);
            let got = cluster_tls(base.as_ref().map(|p| (p, 0)), Some((&own, 0, 0)), 80).map(|(tls, _)| tls.mode);
            assert_eq!(got, *want, "{base:?} {top:?} {ports:?}");
        }
    }
}
