//! Which waypoint stands before a service or a pod, and which cluster it has behind it (istio-mtls.md 1.9, 2.11).
//!
//! `pilot/pkg/serviceregistry/ambient/waypoints.go : fetchWaypointForTarget`, `pilot/pkg/networking/core/
//! cluster_waypoint.go : buildWaypointInboundVIPCluster`.

use super::client::{Cluster, TlsFrom, cluster_tls, layers};
use super::rules::{Found, RuleIndex, choose};
use crate::model::destination_rule::TlsMode;
use crate::model::gateway::Attachment;
use crate::model::service::{Origin, Resolution};
use crate::model::{Labels, Mesh, Meta, ObjectId, Proxy, Service};
use std::collections::BTreeMap;
use std::sync::Arc;

const USE: &str = "istio.io/use-waypoint";
const USE_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
const INGRESS_USE: &str = "istio.io/ingress-use-waypoint";
const WAYPOINT_FOR: &str = "istio.io/waypoint-for";

/// Whose traffic a waypoint takes (`istio.io/waypoint-for`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    /// What is addressed to a service; the default.
    Service,
    /// What is addressed to a pod.
    Workload,
    /// Both.
    All,
    /// Nothing.
    None,
}

/// One waypoint of the input.
#[derive(Clone, Debug)]
pub struct Waypoint {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its Gateway, or a pod of it where the input has no Gateway.
    pub object: ObjectId,
    traffic: Traffic,
    allowed: Attachment,
    /// The input has its Gateway, so what it takes is certain.
    sure: bool,
    /// It has a pod, as far as the input tells: without one istiod leaves it out (`Gateway.status.addresses`).
    ready: bool,
}

/// The way of a call from the ambient mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hop {
    /// Straight to the pod.
    #[default]
    Direct,
    /// Through a waypoint: its number.
    Through(u32),
    /// Through one that the input does not have, or straight where the cluster does not have it either.
    Unclear,
}

/// Every waypoint of the input, by namespace and name.
#[derive(Debug, Default)]
pub struct Waypoints {
    all: Vec<Waypoint>,
    by_name: BTreeMap<(Arc<str>, Box<str>), u32>,
}

fn traffic(labels: &Labels) -> Traffic {
    match labels.get(WAYPOINT_FOR) {
        Some("workload") => Traffic::Workload,
        Some("all") => Traffic::All,
        Some("none") => Traffic::None,
        _ => Traffic::Service,
    }
}

/// The label that counts, the object's own before its namespace's: what it names, and whose it is.
fn label<'m>(mesh: &'m Mesh, meta: &'m Meta, labels: &'m Labels, key: &str) -> Option<(&'m str, &'m Labels, ObjectId)> {
    let of_namespace = || {
        let namespace = mesh.namespaces.get(&meta.namespace)?;
        Some((namespace.labels.get(key)?, &namespace.labels, namespace.meta.id))
    };
    labels.get(key).map(|value| (value, labels, meta.id)).or_else(of_namespace)
}

/// Where it is written that a service is called through a waypoint: the object, and the label.
#[must_use]
pub fn place(mesh: &Mesh, service: &Service) -> Option<(ObjectId, &'static str)> {
    label(mesh, &service.meta, &service.meta.labels, USE).map(|(_, _, id)| (id, USE))
}

impl Waypoints {
    /// Finds the waypoints of an ambient mesh.
    #[must_use]
    pub fn new(mesh: &Mesh) -> Self {
        let mut found = Self::default();
        if !mesh.ambient {
            return found;
        }
        let pods = || mesh.workloads.iter().filter(|w| w.proxy == Proxy::Waypoint && !w.finished);
        let label = "gateway.networking.k8s.io/gateway-name";
        for gateway in &mesh.gateways {
            if let Some(allowed) = &gateway.waypoint {
                let (traffic, allowed) = (traffic(&gateway.meta.labels), allowed.clone());
                let own = |pod: &crate::model::Workload| {
                    pod.meta.namespace == gateway.meta.namespace && pod.labels.get(label) == Some(&*gateway.meta.name)
                };
                let ready = !mesh.has_pods || pods().any(own);
                found.add(&gateway.meta.name, &gateway.meta, (traffic, allowed), true, ready);
            }
        }
        for pod in pods() {
            let Some(name) = pod.labels.get(label) else { continue };
            // Labels of the Gateway are on its pods too.
            found.add(name, &pod.meta, (traffic(&pod.labels), Attachment::Same), false, true);
        }
        found
    }

    fn add(&mut self, name: &str, meta: &Meta, (traffic, allowed): (Traffic, Attachment), sure: bool, ready: bool) {
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let key = (meta.namespace.clone(), name.into());
        if let std::collections::btree_map::Entry::Vacant(slot) = self.by_name.entry(key) {
            slot.insert(number);
            let (namespace, object) = (meta.namespace.clone(), meta.id);
            self.all.push(Waypoint { namespace, object, traffic, allowed, sure, ready });
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Waypoint> {
        self.all.get(number as usize)
    }

    /// The way to something that is addressed as one of `wanted`.
    fn hop(&self, mesh: &Mesh, meta: &Meta, labels: &Labels, wanted: [Traffic; 2]) -> Hop {
        if !mesh.ambient {
            return Hop::Direct;
        }
        let Some((name, source, _)) = label(mesh, meta, labels, USE).filter(|(name, ..)| *name != "none") else {
            return Hop::Direct;
        };
        let namespace = source.get(USE_NAMESPACE).unwrap_or(&meta.namespace);
        let Some(number) = self.by_name.get(&(Arc::from(namespace), Box::from(name))) else { return Hop::Unclear };
        let Some(waypoint) = self.get(*number) else { return Hop::Unclear };
        if !wanted.contains(&waypoint.traffic) {
            return Hop::Direct;
        }
        if !waypoint.ready {
            return Hop::Unclear;
        }
        let other = *namespace != *meta.namespace;
        match (&waypoint.allowed, mesh.namespaces.get(&meta.namespace)) {
            _ if !other => Hop::Through(*number),
            (Attachment::Same, _) if !waypoint.sure => Hop::Unclear,
            (Attachment::Same, _) => Hop::Direct,
            (Attachment::All, _) => Hop::Through(*number),
            (Attachment::Selector(_), None) => Hop::Unclear,
            (Attachment::Selector(selector), Some(own)) if selector.matches(&own.labels) => Hop::Through(*number),
            (Attachment::Selector(_), Some(_)) => Hop::Direct,
        }
    }

    /// The way of calls to a service, by clients of the ambient mesh. One that has no address of its own is called by
    /// the addresses of its pods.
    #[must_use]
    pub fn of_service(&self, mesh: &Mesh, service: &Service) -> Hop {
        // A waypoint has none itself.
        let is_waypoint = service.meta.labels.get("gateway.istio.io/managed") == Some("istio.io-mesh-controller");
        let addressed = !matches!(service.resolution, Resolution::Headless | Resolution::Passthrough);
        if !addressed || is_waypoint || service.origin == Origin::Synthetic {
            return Hop::Direct;
        }
        match self.hop(mesh, &service.meta, &service.meta.labels, [Traffic::Service, Traffic::All]) {
            // Whether an entry without address gets one hangs on settings of DNS capture.
            Hop::Through(_) if service.origin != Origin::Kubernetes && service.addresses.is_empty() => Hop::Unclear,
            hop => hop,
        }
    }

    /// The way of calls to a pod by its own address.
    #[must_use]
    pub fn of_pod(&self, mesh: &Mesh, meta: &Meta, labels: &Labels) -> Hop {
        self.hop(mesh, meta, labels, [Traffic::Workload, Traffic::All])
    }

    /// The way of calls of ingress gateways, which take the waypoint only where that is asked for
    /// (`endpoint_builder.go : findServiceWaypoint`).
    #[must_use]
    pub fn of_ingress(&self, mesh: &Mesh, service: &Service) -> Hop {
        let asked = label(mesh, &service.meta, &service.meta.labels, INGRESS_USE);
        match asked.is_some_and(|(word, ..)| word.eq_ignore_ascii_case("true")) {
            true => self.of_service(mesh, service),
            false => Hop::Direct,
        }
    }
}

/// What a waypoint sends to a service's endpoints that take no HBONE; to those that do it is what the HBONE carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leg {
    /// The waypoint; `None`: one that the input does not have.
    pub waypoint: Option<u32>,
    /// Its cluster: plain, or the TLS of a rule.
    pub cluster: Cluster,
    /// Where that rule says so.
    pub tls: Option<(TlsMode, TlsFrom)>,
}

/// The cluster behind a waypoint, per possible order of rules (`buildWaypointTLSContext`): the rule is searched from the
/// waypoint's namespace, rules with a workloadSelector are left out, DISABLE and ISTIO_MUTUAL have no effect. `None`:
/// too many orders are possible.
#[must_use]
pub fn legs(
    mesh: &Mesh,
    rules: &RuleIndex,
    waypoints: &Waypoints,
    waypoint: Option<u32>,
    service: &Service,
    port: u16,
) -> Option<Vec<Leg>> {
    let plain = Leg { waypoint, cluster: Cluster::Plain, tls: None };
    // The namespace of a waypoint that the input does not have is most often the service's.
    let namespace = waypoint.and_then(|n| waypoints.get(n)).map_or(&service.meta.namespace, |w| &w.namespace);
    let (step, found) = match rules.find(mesh, namespace, &service.host, &service.meta.namespace) {
        Found::Nothing => return Some(vec![plain]),
        Found::Unclear => return None,
        Found::Rules(step, found) => (step, found),
    };
    let mut all: Vec<Leg> = Vec::new();
    for order in &found.orders {
        let merged = choose(mesh, order, step, namespace, |_| false).map(|entry| layers(mesh, entry));
        let leg = match cluster_tls(&merged.unwrap_or_default(), None, port) {
            Some((tls, from)) if tls.mode == TlsMode::Simple => {
                Leg { cluster: Cluster::Tls, tls: Some((tls.mode, from)), ..plain }
            }
            Some((tls, from)) if tls.mode == TlsMode::Mutual => {
                Leg { cluster: Cluster::MutualTls, tls: Some((tls.mode, from)), ..plain }
            }
            _ => plain,
        };
        if !all.contains(&leg) {
            all.push(leg);
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The way of calls to service `web` of `shop`, and of an ingress gateway's.
    fn hops(service: &str, namespace: &str, gateway: &str, rest: &str) -> (Hop, Hop) {
        let text = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{istio.io/dataplane-mode: ambient{namespace}}}}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: infra}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop, labels: {{{service}}}}}\nspec: {{{rest}selector: {{app: web}}, ports: [{{port: 80}}]}}\n{gateway}"
        );
        let mesh = crate::model::load_text(text, crate::model::Options::default());
        let waypoints = Waypoints::new(&mesh);
        let service = &mesh.services[0];
        (waypoints.of_service(&mesh, service), waypoints.of_ingress(&mesh, service))
    }

    fn gateway(namespace: &str, labels: &str, listener: &str) -> String {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: wp, namespace: {namespace}, labels: {{{labels}}}}}\nspec: {{gatewayClassName: istio-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE{listener}}}]}}\n"
        )
    }

    #[test]
    fn labels_lead_to_a_waypoint_that_takes_the_traffic() {
        use Hop::{Direct, Through, Unclear};
        let own = gateway("shop", "", "");
        let uses = "istio.io/use-waypoint: wp";
        let elsewhere = "istio.io/use-waypoint: wp, istio.io/use-waypoint-namespace: infra";
        let of = |labels: &str| gateway("shop", labels, "");
        let infra = |from: &str| gateway("infra", "", &format!(", allowedRoutes: {{namespaces: {{{from}}}}}"));
        for (service, namespace, gateway, rest, want) in [
            ("", "", own.clone(), "", Direct),
            (uses, "", own.clone(), "", Through(0)),
            ("", ", istio.io/use-waypoint: wp", own.clone(), "", Through(0)),
            ("istio.io/use-waypoint: none", ", istio.io/use-waypoint: wp", own.clone(), "", Direct),
            (uses, "", String::new(), "", Unclear),
            (uses, "", of("istio.io/waypoint-for: workload"), "", Direct),
            (uses, "", of("istio.io/waypoint-for: none"), "", Direct),
            (uses, "", of("istio.io/waypoint-for: all"), "", Through(0)),
            // Headless: no address of its own.
            (uses, "", own.clone(), "clusterIP: None, ", Direct),
            // Of another namespace: only where its listener takes the namespace.
            (elsewhere, "", gateway_of_infra(), "", Direct),
            (elsewhere, "", infra("from: All"), "", Through(0)),
            (elsewhere, "", infra("from: Same"), "", Direct),
            (elsewhere, "", infra("from: Selector, selector: {matchLabels: {team: a}}"), "", Direct),
            (elsewhere, ", team: a", infra("from: Selector, selector: {matchLabels: {team: a}}"), "", Through(0)),
        ] {
            let got = hops(service, namespace, &gateway, rest);
            assert_eq!(got, (want, Direct), "{service} {namespace} {gateway}");
        }
        let both = format!("{uses}, istio.io/ingress-use-waypoint: \"true\"");
        assert_eq!(hops(&both, "", &own, ""), (Through(0), Through(0)));
    }

    fn gateway_of_infra() -> String {
        gateway("infra", "", "")
    }
}
