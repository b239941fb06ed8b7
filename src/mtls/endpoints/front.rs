//! What stands in front of a workload's port: a proxy's filter chains, a gateway's servers, or nothing (istio-mtls.md 1.4 to
//! 1.7).

use super::capture::ztunnel;
use super::{Bypass, Finder, Front, PortKinds, bypass, kind_of};
use crate::model::gateway::Server;
use crate::model::service::Port;
use crate::model::{Mesh, Proxy, Service, Workload};
use crate::mtls::grpc::Listener;
use crate::mtls::outcome::PortKind;
use crate::mtls::reason::Reason;
use smallvec::smallvec;

/// The port that captured traffic arrives at (`listener_inbound.go : buildInboundBlackhole`).
const INBOUND_PORT: u16 = 15006;

impl<'m> Finder<'m> {
    /// What stands in front of a workload's port, and which protocol its listener speaks there.
    pub(super) fn front(&self, port: &Port, number: u32, workload: &Workload, target: u16) -> (Front, PortKinds) {
        let own_kind = || smallvec![kind_of(port.protocol)];
        if let Some(reason) = self.undecided(workload) {
            return (Front::Unknown(reason), own_kind());
        }
        match workload.proxy {
            Proxy::Sidecar => {}
            Proxy::Ambient => return (Front::Ambient(ztunnel(self.mesh, workload, target)), own_kind()),
            // Set by the caller, which also keeps the servers' names.
            Proxy::Gateway => return (Front::NoProxy, own_kind()),
            Proxy::Grpc => return (Front::Grpc(Listener::new(workload, port)), own_kind()),
            _ => return (Front::NoProxy, own_kind()),
        }
        if target == self.mesh.config.inbound_port.unwrap_or(INBOUND_PORT) {
            return (Front::Unknown(Reason::ProxyPort), own_kind());
        }
        match bypass(workload, target) {
            Ok(None) => {}
            Ok(Some(bypass)) => return (Front::Bypassed(bypass), own_kind()),
            Err(reason) => return (Front::Unknown(reason), own_kind()),
        }
        let sidecars = crate::mtls::visible::sidecars_of(self.mesh, workload);
        let with_ingress =
            |n: &Option<u32>| n.and_then(|n| self.mesh.sidecars.get(n as usize)).is_some_and(|s| !s.ingress.is_empty());
        if sidecars.len() > 1 && sidecars.iter().any(with_ingress) {
            return (Front::Unknown(Reason::ServerSidecar), own_kind());
        }
        let sidecar = sidecars.first().copied().flatten().and_then(|n| self.mesh.sidecars.get(n as usize));
        let ingress = sidecar.map_or(&[][..], |s| &s.ingress);
        let listener = ingress.iter().find(|listener| listener.port == target);
        let none = workload.intercepts_nothing();
        if none && listener.is_none() {
            return (Front::Bypassed(Bypass::NoInterception), own_kind());
        }
        if let Some(listener) = listener {
            let own = listener.tls.filter(|_| self.mesh.options.env.ingress_tls);
            let front = own
                .map_or(Front::Policy, |mode| Front::OwnTls(mode != crate::model::destination_rule::TlsMode::Simple));
            return (front, smallvec![kind_of(listener.protocol)]);
        }
        if !ingress.is_empty() && !self.mesh.options.env.merge_ingress {
            return (Front::Policy, smallvec![PortKind::Layer4]);
        }
        (Front::Policy, self.declared(number, target))
    }

    /// The protocols that the Services which select a workload declare for its port; none: sniffed, as a passthrough
    /// port (1.4).
    fn declared(&self, number: u32, target: u16) -> PortKinds {
        let list = self.declared.get(number as usize).map_or(&[][..], Vec::as_slice);
        let from = list.partition_point(|(port, _)| *port < target);
        let kinds: PortKinds =
            list.iter().skip(from).take_while(|(port, _)| *port == target).map(|(_, kind)| *kind).collect();
        if kinds.is_empty() { smallvec![PortKind::Layer4] } else { kinds }
    }

    /// Why a workload as a server is not judged.
    fn undecided(&self, workload: &Workload) -> Option<Reason> {
        match workload.proxy {
            Proxy::Waypoint => return Some(Reason::WaypointServer),
            Proxy::None => return None,
            Proxy::Ambient | Proxy::Sidecar | Proxy::Gateway | Proxy::Grpc => {}
        }
        if self.mesh.networks {
            return Some(Reason::Network);
        }
        // ztunnel has neither filters nor metadata of the pod's.
        if workload.proxy == Proxy::Ambient { None } else { undecided_proxy(self.mesh, workload, false) }
    }

    /// The servers that listen on a gateway's port, and the names that they have filter chains for.
    pub(super) fn gateway_front(
        &self,
        service: &'m Service,
        port: &Port,
        workload: &Workload,
        target: u16,
    ) -> (Front, Box<[&'m str]>) {
        let mut found: Vec<(u32, u32, &'m Server)> = Vec::new();
        let mut selected = false;
        for (number, gateway) in (0..).zip(&self.mesh.gateways) {
            let own_namespace = !gateway.gateway_api || gateway.meta.namespace == workload.meta.namespace;
            if !own_namespace || !gateway.selector.subset_of(&workload.labels) {
                continue;
            }
            selected = true;
            // A server's port is a Service port of the gateway where there is such a one, else the proxy's own.
            let is_service_port = |n: u16| service.ports.iter().any(|p| p.number == n);
            let fits = |n: u16| n == port.number || (n == target && !is_service_port(n));
            found.extend((0..).zip(&gateway.servers).filter(|(_, s)| fits(s.port)).map(|(at, s)| (number, at, s)));
        }
        let names = found.iter().flat_map(|(_, _, server)| server.hosts.iter().map(|host| &**host)).collect();
        let front = match found.first().copied() {
            // The gateway template captures nothing: beside it an application answers for itself (B12).
            None if workload.has_application && !selected => Front::Bypassed(Bypass::GatewayTemplate),
            None => Front::Unknown(Reason::NoGatewayServer),
            Some((gateway, at, server)) if found.iter().all(|(_, _, other)| other.tls == server.tls) => {
                Front::Gateway(gateway, at)
            }
            Some(_) => Front::Unknown(Reason::GatewayServers),
        };
        (front, names)
    }
}

/// Why a proxy is not followed, as a client (`outbound`) or as a server: other revisions, EnvoyFilters, metadata.
#[must_use]
pub fn undecided_proxy(mesh: &Mesh, workload: &Workload, outbound: bool) -> Option<Reason> {
    if workload.metadata.unclear {
        return Some(Reason::Metadata);
    }
    if workload.custom_template {
        return Some(Reason::CustomTemplate);
    }
    if let Some(name) = workload.unfollowed {
        return Some(Reason::Annotation(name));
    }
    if mesh.other_revisions && !mesh.governs(workload) {
        return Some(Reason::Revision);
    }
    let gateway = workload.proxy == Proxy::Gateway;
    let near = [&mesh.root, &workload.meta.namespace].into_iter().filter_map(|ns| mesh.index.interferences.get(ns));
    let mut numbers = near.flatten().filter_map(|n| Some((*n, mesh.interferences.get(*n as usize)?)));
    let hit = numbers.find(|(_, object)| {
        let side = if gateway {
            object.gateway
        } else if outbound {
            object.outbound
        } else {
            object.inbound
        };
        side && mesh.proxy_selected(&object.selector, workload) == Ok(true)
    });
    hit.map(|(number, _)| Reason::Interference(number))
}
