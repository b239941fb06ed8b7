//! What a client's proxy sends to a service port: the cluster (CDS) and the endpoint's tag (EDS), as istiod programs
//! both (istio-mtls.md 2.6 to 2.9).

use super::endpoints::Endpoint;
use super::grpc;
use super::legacy;
use super::outcome::Wire;
use super::rules::{Entry, Step};
use super::server::{ModeFrom, Winners, namespace_mode};
use super::waypoint::{Hop, Leg};
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
    /// The rule was made of a policy of the Gateway API, and this is what that one says.
    pub backend: bool,
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
    /// ztunnel takes it: it reads no rule and no policy, only whether the endpoint takes HBONE.
    Ztunnel,
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
    /// The service is in a namespace that is no member of the mesh.
    NotMember,
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
    /// The policy of the Service port says that there is no mutual TLS (Istio 1.4 and 1.5).
    PolicyDisable(ModeFrom),
    /// Automatic mTLS, per endpoint.
    Auto,
    /// Automatic mTLS of a cluster that addresses pods directly: to every endpoint.
    AutoDirect,
    /// Proxyless gRPC: only ISTIO_MUTUAL gives TLS.
    Grpc,
    /// Addressed directly, and it is not certain what an endpoint is announced with.
    TlsModeUnknown,
    /// The certificate files of the client's own proxy are used, to every endpoint (2.12).
    ClientFiles,
    /// Automatic mTLS by the endpoint's label alone (before Istio 1.12).
    AutoByLabel,
    /// Addressed directly, which had no automatic mTLS before Istio 1.8.
    DirectPlain,
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
    /// Endpoints that are tagged so get HBONE, whatever the cluster sends to others.
    pub tunnel: bool,
    /// The call goes through a waypoint, which sends this on.
    pub leg: Option<Leg>,
}

impl Decision {
    /// A client whose bytes leave as the application wrote them.
    #[must_use]
    pub fn without_cluster(reach: Reach) -> Self {
        let (cluster, why) = (Cluster::Plain, Why::Rule);
        Self { reach, rule: None, tls: None, tag: None, cluster, why, tunnel: false, leg: None }
    }

    /// `client_tls` of the contract.
    #[must_use]
    pub fn client_tls(&self) -> Option<&'static str> {
        match (self.reach, self.tls) {
            (Reach::Undecided, _) => None,
            (Reach::Known, None) if matches!(self.why, Why::TlsModeUnknown | Why::Undecided) => None,
            (Reach::NoProxy | Reach::NotCaptured(_) | Reach::Ztunnel, _) => Some("none"),
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
pub(super) type Found<'m> = Option<(&'m ClientTls, TlsFrom)>;

/// One `trafficPolicy`, the number of its rule, and whether that was made of a policy of the Gateway API.
pub(super) type Layer<'m> = (&'m TrafficPolicy, u32, bool);

/// The policies that a rule was merged of, the one that counts most first.
pub(super) fn layers<'m>(mesh: &'m Mesh, entry: &Entry) -> Vec<Layer<'m>> {
    let layer = |number: &u32| {
        let rule = mesh.rules.get(*number as usize)?;
        Some((rule.policy.as_ref()?, *number, rule.made_from.is_some()))
    };
    entry.policy.iter().chain(&entry.under).filter_map(layer).collect()
}

/// What a rule as merged says for a port: an entry for the port, of whichever layer gives it `tls`, stands alone; without
/// one the first policy that has `tls` (`mergeBackendPolicyTrafficPolicy`; usually there is one layer).
fn layered_tls<'m>(layers: &[Layer<'m>], port: u16) -> Found<'m> {
    let found = |own: &'m PortPolicy, rule: u32, backend: bool, port: Option<u32>| {
        own.tls.as_ref().map(|tls| (tls, TlsFrom { rule, subset: None, port, backend }))
    };
    let entry = |(policy, rule, backend): &Layer<'m>| {
        let (own, at) = for_port(policy, port);
        at.map(|at| found(own, *rule, *backend, Some(at)))
    };
    if layers.iter().any(|layer| entry(layer).is_some()) {
        return layers.iter().find_map(|layer| entry(layer).flatten());
    }
    layers.iter().find_map(|(policy, rule, backend)| found(&policy.top, *rule, *backend, None))
}

/// What endpoints are tagged by, by a rule as merged: entries for the port that have `tls`, then the policies' own.
fn layered_tag(layers: &[Layer<'_>], port: u16) -> Option<(TlsMode, TlsFrom)> {
    let of = |wants_entry: bool| {
        layers.iter().find_map(|(policy, rule, backend)| {
            let (mode, port) = tag_for_port(policy, port).filter(|(_, at)| at.is_some() || !wants_entry)?;
            Some((mode, TlsFrom { rule: *rule, subset: None, port, backend: *backend }))
        })
    };
    of(true).or_else(|| of(false))
}

/// The `tls` block of the cluster (2.6, `MergeSubsetTrafficPolicy`).
pub(super) fn cluster_tls<'m>(
    base: &[Layer<'m>],
    subset: Option<(&'m TrafficPolicy, u32, u32)>,
    port: u16,
) -> Found<'m> {
    let of_base = layered_tls(base, port);
    let Some((policy, rule, number)) = subset else { return of_base };
    let (own, entry) = for_port(policy, port);
    let from = TlsFrom { rule, subset: Some(number), port: entry, backend: false };
    let of_subset = own.tls.as_ref().map(|tls| (tls, from));
    // Without a base, or with an entry for the port, the subset's policy stands alone; else field by field.
    if base.is_empty() || entry.is_some() { of_subset } else { of_subset.or(of_base) }
}

/// What one decision is made from.
pub struct Call<'m> {
    /// The client's proxy.
    pub proxy: Proxy,
    /// It may send HBONE.
    pub hbone: bool,
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
    /// The client's proxy has certificate files of its own.
    pub files: bool,
}

impl<'m> Call<'m> {
    fn policy(&self, mesh: &'m Mesh) -> Option<(&'m TrafficPolicy, u32)> {
        let number = self.entry?.0.policy?;
        Some((mesh.rules.get(number as usize)?.policy.as_ref()?, number))
    }

    fn layers(&self, mesh: &'m Mesh) -> Vec<Layer<'m>> {
        self.entry.map_or_else(Vec::new, |(entry, _)| layers(mesh, entry))
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
        if mesh.version.reads_legacy_policies() {
            return legacy::not_automatic(mesh, self.service, self.wide, self.direct(mesh));
        }
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
        let layers = self.layers(mesh);
        let subset = self.subset(mesh);
        let subset_policy = subset.and_then(|(s, rule, number)| s.policy.as_ref().map(|p| (p, rule, number)));
        let tls = cluster_tls(&layers, subset_policy, self.port);
        // A subset without tls falls back to the rule's.
        let tag = subset_policy
            .and_then(|(policy, rule, number)| {
                let (mode, port) = tag_for_port(policy, self.port)?;
                Some((mode, TlsFrom { rule, subset: Some(number), port, backend: false }))
            })
            .or_else(|| {
                let falls_back = subset.is_none() || mesh.version.subset_tags_fall_back();
                falls_back.then(|| layered_tag(&layers, self.port)).flatten()
            })
            .filter(|_| mesh.version.tags_by_policy());
        let (cluster, why) = self.socket(mesh, tls.map(|(tls, _)| tls));
        Decision {
            reach: Reach::Known,
            rule: self.entry.map(|(entry, step)| (entry.first, step)),
            tls: tls.map(|(tls, from)| (tls.mode, from)),
            tag,
            cluster,
            why,
            tunnel: self.tunnel(mesh, cluster, why),
            leg: None,
        }
    }

    /// Whether the cluster's first match is HBONE (`cluster_tls.go : applyHBONETransportSocketMatches`). One that addresses
    /// pods directly has no endpoints to match (H9); before 1.26 a rule's ISTIO_MUTUAL came first (istio/istio#53526).
    fn tunnel(&self, mesh: &Mesh, cluster: Cluster, why: Why) -> bool {
        let mutual_first = cluster == Cluster::IstioMutual && why == Why::Rule && !mesh.version.tunnels_istio_mutual();
        self.hbone && !mutual_first && !self.direct(mesh) && self.endpoints.iter().any(|endpoint| endpoint.hbone_tag)
    }

    fn socket(&self, mesh: &'m Mesh, tls: Option<&ClientTls>) -> (Cluster, Why) {
        if self.proxy == Proxy::Grpc {
            return grpc::socket(tls.map(|tls| tls.mode));
        }
        let Some(tls) = tls else {
            return match self.not_automatic(mesh) {
                Some(why) => (Cluster::Plain, why),
                None if self.files => (Cluster::MutualTls, Why::ClientFiles),
                None if self.direct(mesh) && !mesh.version.secures_direct_clusters() => {
                    (Cluster::Plain, Why::DirectPlain)
                }
                None if self.direct(mesh) => (Cluster::IstioMutual, Why::AutoDirect),
                None if !mesh.version.tags_by_policy() => (Cluster::PerEndpoint, Why::AutoByLabel),
                None => (Cluster::PerEndpoint, Why::Auto),
            };
        };
        let rule = self.entry.and_then(|(entry, _)| mesh.rules.get(entry.first as usize));
        let selects = rule.is_some_and(|rule| rule.selector.is_some());
        // Files of the proxy come before what the rule says of certificates (`buildUpstreamTLSSettings`).
        let outside = self.service.origin == Origin::MeshExternal && mesh.options.env.prefer_rule_outside;
        if self.files && !outside && matches!(tls.mode, TlsMode::Mutual | TlsMode::IstioMutual) {
            return (Cluster::MutualTls, Why::ClientFiles);
        }
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
        if self.leg.is_some() {
            return Wire::Hbone;
        }
        match self.reach {
            Reach::Ztunnel if endpoint.hbone || matches!(endpoint.hop, Hop::Through(_)) => return Wire::Hbone,
            Reach::Ztunnel => return Wire::Plaintext,
            Reach::BlackHoled(_) => return Wire::None,
            Reach::NoProxy | Reach::NotCaptured(_) | Reach::PassedThrough(_) | Reach::Undecided => {
                return Wire::Plaintext;
            }
            Reach::Known if self.tunnel && endpoint.hbone_tag => return Wire::Hbone,
            Reach::Known => {}
        }
        match self.cluster {
            Cluster::Plain => Wire::Plaintext,
            Cluster::Tls => Wire::Tls,
            Cluster::MutualTls => Wire::MutualTls,
            Cluster::IstioMutual => Wire::Mtls,
            Cluster::PerEndpoint => {
                let allowed = match self.tag {
                    _ if self.why == Why::AutoByLabel => true,
                    Some((mode, _)) => mode == TlsMode::IstioMutual,
                    None => mode != MtlsMode::Disable,
                };
                if allowed && endpoint.tls_mode == "istio" { Wire::Mtls } else { Wire::Plaintext }
            }
        }
    }

    /// What arrives at one endpoint: what the client sends, or what the waypoint in between sends on.
    #[must_use]
    pub fn arrives(&self, endpoint: &Endpoint<'_>, mode: MtlsMode) -> Wire {
        match (self.leg, self.reach) {
            (Some(_), _) | (None, Reach::Ztunnel) if endpoint.hbone => Wire::Hbone,
            (Some(leg), _) => match leg.cluster {
                Cluster::Tls => Wire::Tls,
                Cluster::MutualTls => Wire::MutualTls,
                _ => Wire::Plaintext,
            },
            (None, Reach::Ztunnel) => Wire::Plaintext,
            (None, _) => self.wire(endpoint, mode),
        }
    }

    /// What goes to a service that nothing answers for, where that does not hang on the endpoint.
    #[must_use]
    pub fn wire_without_endpoint(&self) -> Option<Wire> {
        match (self.reach, self.cluster) {
            (Reach::BlackHoled(_), _) => Some(Wire::None),
            _ if self.leg.is_some() => Some(Wire::Hbone),
            (Reach::Undecided | Reach::Ztunnel, _) | (Reach::Known, Cluster::PerEndpoint) => None,
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
        Some(ClientTls::of(mode))
    }

    fn policy(top: Option<TlsMode>, ports: &[(u16, Option<TlsMode>)]) -> TrafficPolicy {
        let make = |mode: Option<TlsMode>| PortPolicy { tls: mode.and_then(tls), passthrough: false, port_name: None };
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
            let got = cluster_tls(&[(&policy, 0, false)], None, 80).map(|(tls, _)| tls.mode);
            assert_eq!((got, tag_for_port(&policy, 80).map(|(m, _)| m)), (*cluster, *tag), "{top:?} {ports:?}");
        }
    }

    #[test]
    fn a_rule_made_of_a_backend_policy_fills_what_the_users_leaves_out() {
        use TlsMode::{Disable, IstioMutual, Simple};
        type Side<'a> = (Option<TlsMode>, &'a [(u16, Option<TlsMode>)]);
        // the user's, the policy's, the cluster's mode, the tag's
        let rows: &[(Side<'_>, Side<'_>, Option<TlsMode>, Option<TlsMode>)] = &[
            ((None, &[]), (Some(Simple), &[]), Some(Simple), Some(Simple)),
            ((Some(IstioMutual), &[]), (Some(Simple), &[]), Some(IstioMutual), Some(IstioMutual)),
            ((None, &[(80, None)]), (Some(Simple), &[]), None, Some(Simple)),
            ((None, &[(80, None)]), (None, &[(80, Some(Simple))]), Some(Simple), Some(Simple)),
            ((Some(Disable), &[]), (None, &[(80, Some(Simple))]), Some(Simple), Some(Simple)),
            ((Some(Disable), &[]), (None, &[(81, Some(Simple))]), Some(Disable), Some(Disable)),
        ];
        for (user, made, cluster, tag) in rows {
            let (user, made) = (policy(user.0, user.1), policy(made.0, made.1));
            let layers = [(&user, 0, false), (&made, 1, true)];
            let got = cluster_tls(&layers, None, 80).map(|(tls, _)| tls.mode);
            assert_eq!((got, layered_tag(&layers, 80).map(|(m, _)| m)), (*cluster, *tag), "{user:?} {made:?}");
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
            let layers: Vec<_> = base.iter().map(|p| (p, 0, false)).collect();
            let own = policy(*top, ports);
            let got = cluster_tls(&layers, Some((&own, 0, 0)), 80).map(|(tls, _)| tls.mode);
            assert_eq!(got, *want, "{base:?} {top:?} {ports:?}");
        }
    }
}
