//! Which calls a listener serves: those of others to the workload, its own, or neither.

use super::judged::Side;
use super::model::{Address, Chain, Direction, Filter, Listener, Proxy, ProxyKind, State};
use std::net::IpAddr;

/// Ports that Istio keeps for the proxy itself: admin, mesh gateway agent, status, health, metrics (Istio, "Ports used
/// by Istio").
const INFRASTRUCTURE: &[u16] = &[15000, 15004, 15020, 15021, 15090];

/// Where redirected calls arrive.
const CAPTURE_INBOUND: u16 = 15006;
/// Where redirected calls of the workload arrive.
const CAPTURE_OUTBOUND: u16 = 15001;
/// HBONE.
pub(super) const HBONE: u16 = 15008;

/// What a dump says of its listeners together.
pub(super) struct Sides<'p> {
    proxy: &'p Proxy,
    kind: ProxyKind,
    /// It has a listener that only sidecars have.
    is_sidecar: bool,
}

impl<'p> Sides<'p> {
    /// Of one dump.
    pub(super) fn new(proxy: &'p Proxy) -> Self {
        let kind = proxy.node.as_ref().map(|node| node.kind).unwrap_or_default();
        let is_sidecar = kind == ProxyKind::Sidecar || proxy.listeners.iter().any(is_capture);
        Self { proxy, kind, is_sidecar }
    }

    /// The side that a listener serves.
    pub(super) fn of(&self, listener: &Listener) -> Side {
        if let Some(Address::Internal(..)) = listener.addresses.first() {
            // `connect_originate` and its kin begin tunnels for calls of the proxy.
            let is_outbound = listener.direction == Some(Direction::Outbound) || listener.name.contains("originate");
            return if is_outbound { Side::Outbound } else { Side::Internal };
        }
        if self.is_infrastructure(listener) {
            return Side::Infrastructure;
        }
        if self.is_gateway(listener) {
            return Side::Inbound;
        }
        let port = port(listener);
        let is_outbound = listener.direction == Some(Direction::Outbound);
        if listener.name == "virtualInbound" || (matches!(port, Some(CAPTURE_INBOUND | HBONE)) && !is_outbound) {
            return Side::Inbound;
        }
        if port == Some(CAPTURE_OUTBOUND) {
            return Side::Outbound;
        }
        match listener.direction {
            Some(Direction::Inbound) => return Side::Inbound,
            Some(Direction::Outbound) => return Side::Outbound,
            None if self.is_own_address(listener) => return Side::Inbound,
            None => {}
        }
        match named_side(listener) {
            Some(side) => side,
            // Neither Istio's name for it nor a direction: a proxy that is no sidecar serves what it is bound to.
            // So does a listener of the bootstrap, which nothing redirects to.
            None if listener.bound && (!self.is_sidecar || listener.state == State::Static) => Side::Inbound,
            None => Side::Outbound,
        }
    }

    /// Whether it is a listener of a gateway: there each chain is a server with a mode of its own. A dump without a
    /// bootstrap does not say what its proxy is; but outbound listeners that are bound to their port, beside no listener
    /// that captures, are what gateways have.
    pub(super) fn is_gateway(&self, listener: &Listener) -> bool {
        let is_loopback = addresses(listener).any(|(ip, _)| is_loopback(ip));
        if !listener.bound || is_loopback || matches!(listener.addresses.first(), Some(Address::Internal(..))) {
            return false;
        }
        match self.kind {
            ProxyKind::Router => true,
            ProxyKind::Unknown => !self.is_sidecar && listener.direction == Some(Direction::Outbound),
            ProxyKind::Sidecar | ProxyKind::Waypoint => false,
        }
    }

    fn is_infrastructure(&self, listener: &Listener) -> bool {
        if matches!(listener.addresses.first(), Some(Address::Pipe(_))) {
            return listener.direction.is_none();
        }
        // The bootstrap makes them; before 1.5 Pilot sent some, which lead to `inbound|15020|mgmt-15020|mgmtCluster`. Any
        // other listener on such a port is somebody's service.
        let is_static = listener.state == State::Static;
        let is_local = is_static && addresses(listener).all(|(ip, _)| is_loopback(ip));
        let is_own = is_static || targets(listener).any(|name| name.ends_with("|mgmtCluster"));
        let is_known = addresses(listener).all(|(_, port)| INFRASTRUCTURE.contains(&port));
        is_own && (is_known || is_local)
    }

    /// Whether an address of it is one of the pod's: old listeners, one per port, as `172.17.0.9_9080`.
    fn is_own_address(&self, listener: &Listener) -> bool {
        let own = self.proxy.node.as_ref().map(|node| node.addresses.as_slice()).unwrap_or_default();
        addresses(listener).any(|(ip, _)| ip.parse().is_ok_and(|ip: IpAddr| own.contains(&ip)))
    }
}

/// IP addresses and ports of a listener.
fn addresses(listener: &Listener) -> impl Iterator<Item = (&str, u16)> {
    listener.addresses.iter().filter_map(|address| match address {
        Address::Socket(ip, port) => Some((ip.as_str(), *port)),
        _ => None,
    })
}

/// The port that a listener stands on.
pub(super) fn port(listener: &Listener) -> Option<u16> {
    addresses(listener).next().map(|(_, port)| port).filter(|port| *port > 0)
}

/// Whether calls to any port arrive at a listener, redirected to its own: the port that was called is then that of the
/// match, or any other.
pub(super) fn is_capture(listener: &Listener) -> bool {
    matches!(listener.name.as_str(), "virtualInbound" | "virtualOutbound" | "virtual")
        || matches!(port(listener), Some(CAPTURE_INBOUND | CAPTURE_OUTBOUND))
}

fn is_loopback(ip: &str) -> bool {
    ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Every port that a listener stands on, each once.
pub(super) fn ports(listener: &Listener) -> Vec<u16> {
    let mut ports: Vec<u16> = addresses(listener).map(|(_, port)| port).filter(|port| *port > 0).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Whether a chain takes what must not go on: calls to the port of the capturing listener itself. That takes proof: the
/// filter that ends the chain leads to `BlackHoleCluster`, or there is none.
pub(super) fn is_blackhole(listener: &Listener, chain: &Chain) -> bool {
    let to_itself = chain.matches.port.is_some() && chain.matches.port == port(listener);
    let ends = match chain.filters.last() {
        None => true,
        Some(Filter::TcpProxy(cluster)) => cluster == "BlackHoleCluster",
        Some(_) => false,
    };
    let is_clear = !chain.filters.iter().any(|filter| matches!(filter, Filter::Http(_) | Filter::Unknown(_)));
    is_capture(listener) && !listener.has_matcher && to_itself && ends && is_clear
}

/// Names of the clusters and routes that the chains of a listener lead to.
fn targets(listener: &Listener) -> impl Iterator<Item = &str> {
    listener.chains.iter().flat_map(|chain| &chain.filters).filter_map(target)
}

/// Name of the cluster or route that a filter leads to.
pub(super) fn target(filter: &Filter) -> Option<&str> {
    match filter {
        Filter::TcpProxy(cluster) => Some(cluster),
        Filter::Http(manager) => manager.route.as_deref(),
        _ => None,
    }
}

/// What the names of clusters and routes say: `inbound|9080|http|details.bookinfo.svc.cluster.local`.
fn named_side(listener: &Listener) -> Option<Side> {
    targets(listener).find_map(|name| match name.split_once('|') {
        Some(("inbound", _)) => Some(Side::Inbound),
        Some(("outbound", _)) => Some(Side::Outbound),
        _ => None,
    })
}
