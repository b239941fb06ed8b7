//! Which services a client's proxy knows: exportTo, Sidecar imports, capture (istio-mtls.md 2.1).

use super::endpoints::lists_port;
use super::server::possible_firsts;
use crate::model::meta::order_known;
use crate::model::service::Resolution;
use crate::model::{Host, Mesh, Proxy, Service, Sidecar, Workload};
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use std::net::IpAddr;
use std::sync::Arc;

/// The Sidecar that governs a workload, per possibility: usually one (`push_context.go : doGetSidecarScope`).
/// Gateways and workloads without a proxy have none.
#[must_use]
pub fn sidecars_of(mesh: &Mesh, workload: &Workload) -> Vec<Option<u32>> {
    if workload.proxy != Proxy::Sidecar && workload.proxy != Proxy::Grpc {
        return vec![None];
    }
    let in_namespace = |namespace: &Arc<str>| mesh.index.sidecars.get(namespace).map_or(&[][..], Vec::as_slice);
    let get = |n: &u32| mesh.sidecars.get(*n as usize);
    let with = |numbers: &[u32], wanted: &dyn Fn(&Sidecar) -> bool| -> Vec<u32> {
        numbers.iter().copied().filter(|n| get(n).is_some_and(wanted)).collect()
    };
    let own = in_namespace(&workload.meta.namespace);
    let selects = |s: &Sidecar| s.selector.as_ref().map(|selector| mesh.proxy_selected(selector, workload).ok());
    let mut sure = with(own, &|s| selects(s) == Some(Some(true)));
    // A selector on a label that only the cluster knows may select it too.
    let perhaps = with(own, &|s| selects(s) == Some(None));
    if sure.is_empty() {
        sure = with(own, &|s| s.selector.is_none());
    }
    if sure.is_empty() {
        sure = with(in_namespace(&mesh.root), &|s| s.selector.is_none());
    }
    let firsts = possible_firsts(&sure, |a, b| match (get(&a), get(&b)) {
        (Some(a), Some(b)) => order_known(&a.meta, &b.meta),
        _ => true,
    });
    let sure = if firsts.is_empty() { vec![None] } else { firsts.into_iter().map(Some).collect() };
    sure.into_iter().chain(perhaps.into_iter().map(Some)).collect()
}

/// Whether a service is in a namespace that istiod does not see because it is no member of the mesh (8.4).
#[must_use]
pub fn outside(mesh: &Mesh, service: &Service) -> bool {
    mesh.control.as_ref().is_some_and(|control| control.sees(&service.meta.namespace) == Some(false))
}

/// Whether a service may be seen from a namespace (`push_context.go : IsServiceVisible`).
#[must_use]
pub fn exported(mesh: &Mesh, service: &Service, namespace: &str) -> bool {
    if outside(mesh, service) {
        return false;
    }
    let own = &service.export_to;
    let export = if own.is_empty() { &mesh.config.service_export_to } else { own };
    export.is_empty()
        || export.iter().any(|word| match &**word {
            "*" => true,
            "." => *service.meta.namespace == *namespace,
            name => name == namespace,
        })
}

/// Namespaces to which a service is not visible for all to see alike: `None`, all see it.
#[must_use]
pub fn restricted<'m>(mesh: &'m Mesh, service: &'m Service) -> Option<Vec<&'m str>> {
    let own = &service.export_to;
    let export = if own.is_empty() { &mesh.config.service_export_to } else { own };
    if export.is_empty() || export.iter().any(|word| &**word == "*") {
        return None;
    }
    Some(export.iter().map(|word| if &**word == "." { &*service.meta.namespace } else { &**word }).collect())
}

/// One `namespace/host` of an egress listener.
#[derive(Debug)]
struct Pattern {
    /// `None`: any namespace.
    namespace: Option<Arc<str>>,
    host: Host,
}

impl Pattern {
    fn new(namespace: &str, host: &str, own: &str) -> Option<Self> {
        let namespace = match namespace {
            "*" => None,
            "." => Some(own.into()),
            "~" => return None,
            name => Some(name.into()),
        };
        Some(Self { namespace, host: Host(host.into()) })
    }

    fn matches(&self, namespace: &str, host: &Host) -> bool {
        // `host.Name.Matches` is symmetric for wildcards: a wildcard service is imported by a name below it too.
        self.namespace.as_deref().is_none_or(|own| own == namespace)
            && (self.host.matches(host) || host.matches(&self.host))
    }
}

/// What one egress listener imports.
#[derive(Debug)]
struct Listener {
    port: Option<u16>,
    wanted: Vec<Pattern>,
    excluded: Vec<Pattern>,
}

/// What a Sidecar imports into the proxies of one namespace.
#[derive(Debug)]
pub struct Imports {
    listeners: Vec<Listener>,
    /// Services that imported VirtualServices send to: host, the port named there, the listener's port.
    routed: HashSet<(Host, Option<u16>, Option<u16>)>,
}

impl Imports {
    /// The imports of a Sidecar; `None`: everything.
    #[must_use]
    pub fn new(mesh: &Mesh, sidecar: &Sidecar, namespace: &str) -> Option<Self> {
        if sidecar.egress.is_empty() {
            return None;
        }
        let mut listeners = Vec::new();
        let mut routed = HashSet::new();
        for egress in &sidecar.egress {
            let (mut wanted, mut excluded) = (Vec::new(), Vec::new());
            for (ns, host) in &egress.hosts {
                match ns.strip_prefix('~').filter(|rest| !rest.is_empty()) {
                    Some(ns) => excluded.extend(Pattern::new(ns, host, namespace)),
                    None => wanted.extend(Pattern::new(ns, host, namespace)),
                }
            }
            let any = wanted.iter().any(|pattern: &Pattern| pattern.namespace.is_none());
            let near = wanted.iter().filter_map(|pattern| mesh.index.routes.get(pattern.namespace.as_ref()?));
            let numbers: Vec<u32> = match any {
                true => (0..u32::try_from(mesh.routes.len()).unwrap_or(u32::MAX)).collect(),
                false => near.flatten().copied().collect(),
            };
            let routes = numbers.iter().filter_map(|n| mesh.routes.get(*n as usize));
            for route in routes.filter(|route| route.mesh) {
                let visible = route.export_to.is_empty()
                    || route.export_to.iter().any(|word| match &**word {
                        "*" => true,
                        "." => *route.meta.namespace == *namespace,
                        name => name == namespace,
                    });
                let fits = |p: &Pattern| route.hosts.iter().any(|host| p.matches(&route.meta.namespace, host));
                if visible && wanted.iter().any(fits) {
                    routed.extend(route.destinations.iter().map(|d| (d.host.clone(), d.port, egress.port)));
                }
            }
            listeners.push(Listener { port: egress.port, wanted, excluded });
        }
        Some(Self { listeners, routed })
    }

    /// Whether a service port is known to the proxy.
    #[must_use]
    pub fn has(&self, service: &Service, port: u16) -> bool {
        let namespace = &*service.meta.namespace;
        let listed = self.listeners.iter().any(|listener| {
            listener.port.is_none_or(|own| own == port)
                && listener.wanted.iter().any(|p| p.matches(namespace, &service.host))
                && !listener.excluded.iter().any(|p| p.matches(namespace, &service.host))
        });
        listed
            || (!self.routed.is_empty()
                && [None, Some(port)].iter().any(|named| {
                    [None, Some(port)].iter().any(|own| self.routed.contains(&(service.host.clone(), *named, *own)))
                }))
    }

    /// Hosts that imported routes send to.
    pub fn routed_hosts(&self) -> impl Iterator<Item = &Host> {
        self.routed.iter().map(|(host, ..)| host)
    }
}

/// [`Imports`] of every Sidecar and namespace, built once.
#[derive(Debug)]
pub struct ImportTable(HashMap<(u32, Arc<str>), Option<Imports>>);

impl ImportTable {
    /// The imports of the pairs of Sidecar and namespace that occur.
    pub fn new(mesh: &Mesh, pairs: impl Iterator<Item = (u32, Arc<str>)>) -> Self {
        let mut table = HashMap::new();
        for (number, namespace) in pairs {
            let Some(sidecar) = mesh.sidecars.get(number as usize) else { continue };
            table.entry((number, namespace.clone())).or_insert_with(|| Imports::new(mesh, sidecar, &namespace));
        }
        Self(table)
    }

    /// The imports of a pair; `None`: everything.
    #[must_use]
    pub fn get(&self, sidecar: u32, namespace: &Arc<str>) -> Option<&Imports> {
        self.0.get(&(sidecar, namespace.clone())).and_then(Option::as_ref)
    }
}

/// Whether a call of a client to a service port is captured by its own sidecar; `None`: the input cannot tell, because
/// an annotation is no list of ports, or capture is limited by address and the service's addresses are not there.
#[must_use]
pub fn outbound_captured(workload: &Workload, service: &Service, port: u16, endpoint_ips: &[&str]) -> Option<bool> {
    let annotation = |name: &str| workload.annotations.get(name);
    let listed = |name: &str| annotation(name).map_or(Some(false), |list| lists_port(list, port));
    if listed("traffic.sidecar.istio.io/excludeOutboundPorts")? {
        return Some(false);
    }
    let by_port = listed("traffic.sidecar.istio.io/includeOutboundPorts")?;
    let include = annotation("traffic.sidecar.istio.io/includeOutboundIPRanges").filter(|list| list.trim() != "*");
    let exclude = annotation("traffic.sidecar.istio.io/excludeOutboundIPRanges").filter(|list| !list.trim().is_empty());
    match (include.map(str::trim), exclude) {
        (None, None) => return Some(true),
        (Some(""), None) => return Some(by_port),
        // Everything is excluded, whatever the addresses are.
        (_, Some(list)) if list.split(',').any(|range| matches!(range.trim(), "*" | "0.0.0.0/0")) => {
            return Some(false);
        }
        _ => {}
    }
    let own: Vec<&str> = service.addresses.iter().map(|ip| &**ip).collect();
    let direct = matches!(service.resolution, Resolution::Headless | Resolution::Passthrough);
    let addresses = if direct { endpoint_ips } else { &own[..] };
    let addresses: Vec<IpAddr> = addresses.iter().filter_map(|ip| ip.parse().ok()).collect();
    let inside = |list: Option<&str>, ip: IpAddr| list.is_some_and(|list| list.split(',').any(|r| contains(r, ip)));
    let captured = |ip: &IpAddr| (include.is_none() || inside(include, *ip) || by_port) && !inside(exclude, *ip);
    let first = captured(addresses.first()?);
    addresses.iter().all(|ip| captured(ip) == first).then_some(first)
}

/// Whether an address lies in a CIDR range (or is that address).
fn contains(range: &str, ip: IpAddr) -> bool {
    let range = range.trim();
    let (base, bits) = range.split_once('/').map_or((range, None), |(base, bits)| (base, bits.parse::<u32>().ok()));
    let Ok(base) = base.parse::<IpAddr>() else { return range == "*" };
    let shifted = |a: u128, b: u128, width: u32| {
        let bits = bits.unwrap_or(width).min(width);
        bits == 0 || (a >> (width - bits)) == (b >> (width - bits))
    };
    match (base, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => shifted(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => shifted(a.into(), b.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_ranges() {
        for (range, ip, inside) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.4", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "10.0.0.1", false),
            ("nonsense", "10.0.0.1", false),
        ] {
            assert_eq!(contains(range, ip.parse().unwrap()), inside, "{range} {ip}");
        }
    }

    #[test]
    fn patterns_match_namespaces_and_hosts() {
        for (namespace, host, service_namespace, service, fits) in [
            (".", "*", "front", "a.front.svc.cluster.local", true),
            (".", "*", "shop", "web.shop.svc.cluster.local", false),
            ("*", "*", "shop", "web.shop.svc.cluster.local", true),
            ("shop", "web.shop.svc.cluster.local", "shop", "web.shop.svc.cluster.local", true),
            ("shop", "other.shop.svc.cluster.local", "shop", "web.shop.svc.cluster.local", false),
            ("*", "*.corp.example", "shop", "api.corp.example", true),
            ("*", "api.corp.example", "shop", "*.corp.example", true),
        ] {
            let pattern = Pattern::new(namespace, host, "front").unwrap();
            assert_eq!(pattern.matches(service_namespace, &Host(service.into())), fits, "{namespace}/{host} {service}");
        }
        assert!(Pattern::new("~", "*", "front").is_none());
    }
}
