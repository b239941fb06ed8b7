//! Which endpoints answer for a service port, and what stands in front of each (istio-mtls.md 1.4 to 1.7).

mod capture;
mod front;
mod name;

use super::ambient::{self, Demand};
use super::grpc::Listener;
use super::outcome::PortKind;
use super::reason::Reason;
use super::server::{self, Policies};
use super::waypoint::{Hop, Waypoints};
use crate::model::service::{Machine, Origin, Port, Resolution, TargetPort};
use crate::model::workload::tunnels;
use crate::model::{Labels, Mesh, Protocol, Proxy, Service, Workload};
use capture::captures;
pub(super) use capture::lists_port;
pub use capture::{BYPASS, bypasses_ztunnel};
pub(crate) use capture::{STATUS_PORTS, bypass};
pub use front::undecided_proxy;
pub use name::name_of;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// What a port may be: one kind almost always.
pub type PortKinds = SmallVec<[PortKind; 4]>;

/// Who an endpoint is. Numbers are into the lists of [`Mesh`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A pod or template.
    Workload(u32),
    /// A WorkloadEntry.
    Machine(u32),
    /// The template of a WorkloadGroup.
    Template(u32),
    /// An endpoint written in a ServiceEntry: the entry, and its number there.
    Inline(u32, u32),
    /// An address that is no pod of the input.
    Address,
    /// A pod that the endpoint names and the input does not have.
    MissingPod,
    /// What the policies of a namespace say of workloads that the input does not hold: the selector policy, if any.
    Imagined(Option<u32>),
}

/// What stands in front of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Front {
    /// Nothing.
    NoProxy,
    /// A sidecar that the port does not pass through.
    Bypassed(Bypass),
    /// A sidecar that obeys PeerAuthentication.
    Policy,
    /// A sidecar whose `Sidecar.ingress.tls` counts where the mode is DISABLE: is a client certificate demanded?
    OwnTls(bool),
    /// A gRPC server that takes its listeners from istiod.
    Grpc(Listener),
    /// A gateway's server: number of the Gateway, number in its list.
    Gateway(u32, u32),
    /// ztunnel.
    Ambient(Demand),
    /// Not decided.
    Unknown(Reason),
}

/// Why a port does not pass through the sidecar (1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bypass {
    /// `excludeInboundPorts` lists it.
    Excluded,
    /// `includeInboundPorts` does not list it.
    NotIncluded,
    /// The sidecar's own status and metrics ports are never captured.
    StatusPort,
    /// Interception mode NONE without a listener of the Sidecar resource.
    NoInterception,
    /// Injected with the gateway template, which captures nothing.
    GatewayTemplate,
}

/// One endpoint of a service port.
#[derive(Clone, Debug)]
pub struct Endpoint<'m> {
    /// Address; `None` for predicted ones.
    pub address: Option<&'m str>,
    /// Workload port; 0 where the port is not known.
    pub port: u16,
    /// Who it is.
    pub who: Who,
    /// The `tlsMode` that istiod announces.
    pub tls_mode: &'m str,
    /// Whether it is certain.
    pub tls_known: bool,
    /// Labels, for subsets.
    pub labels: Option<&'m Labels>,
    /// What stands in front.
    pub front: Front,
    /// The workload policy that counts, per possibility.
    pub policies: Policies,
    /// The workload policy that its own proxy obeys, per possibility, where labels that only the proxy has
    /// (`ISTIO_METAJSON_LABELS`) make that another than clients see; else empty.
    pub own_policies: Policies,
    /// How the port bears on the outcome, per possibility.
    pub port_kinds: PortKinds,
    /// Hosts of a gateway's servers on this port: the SNIs that it has filter chains for.
    pub server_names: Box<[&'m str]>,
    /// Service account, where it is known.
    pub account: Option<&'m str>,
    /// The ambient mesh is told that it takes HBONE.
    pub hbone: bool,
    /// Sidecars and gateways are told so too: its label for mutual TLS comes first, unless istiod prefers HBONE.
    pub hbone_tag: bool,
    /// Whether it listens for HBONE; `None`: the input does not show it.
    pub listens: Option<bool>,
    /// The way of calls to its own address.
    pub hop: Hop,
    /// The policy of the old API that counts, per possibility; empty where Istio does not read them.
    pub legacy: Box<[Option<u32>]>,
}

fn kind_of(protocol: Protocol) -> PortKind {
    match protocol {
        Protocol::Http => PortKind::Http,
        Protocol::Tls => PortKind::AppTls,
        Protocol::Tcp | Protocol::Auto => PortKind::Layer4,
    }
}

/// Where a Service port leads on a workload; `None`: it has no such named port.
#[must_use]
pub fn target_on(port: &Port, workload: &Workload) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => workload.named_ports.iter().find(|(n, _)| n == name).map(|(_, number)| *number),
    }
}

/// Finds endpoints, with what is the same for all services worked out once.
pub struct Finder<'m> {
    mesh: &'m Mesh,
    /// The ports of each workload and the protocols that the Services which select it declare for them, sorted.
    declared: Vec<Vec<(u16, PortKind)>>,
    /// Services that select each workload; kept where the old API's policies, which speak of Services, count.
    selected_by: Vec<Vec<u32>>,
    /// The waypoints of the mesh.
    pub(super) waypoints: Waypoints,
}

impl<'m> Finder<'m> {
    /// Works out what the Services declare for the workloads that they select.
    #[must_use]
    pub fn new(mesh: &'m Mesh) -> Self {
        let legacy = mesh.version.reads_legacy_policies();
        let mut declared = vec![Vec::new(); mesh.workloads.len()];
        let mut selected_by = vec![Vec::new(); if legacy { mesh.workloads.len() } else { 0 }];
        for (at, service) in (0..).zip(&mesh.services) {
            let Some(selector) = service.selector.as_ref().filter(|_| service.origin == Origin::Kubernetes) else {
                continue;
            };
            for number in mesh.select(&service.meta.namespace, selector).map(|n| n as usize) {
                let (Some(workload), Some(list)) = (mesh.workloads.get(number), declared.get_mut(number)) else {
                    continue;
                };
                let target = |port| Some((target_on(port, workload)?, kind_of(port.protocol)));
                list.extend(service.ports.iter().filter_map(target));
                if let Some(list) = selected_by.get_mut(number) {
                    list.push(at);
                }
            }
        }
        for list in &mut declared {
            list.sort_unstable();
            list.dedup();
        }
        Self { mesh, declared, selected_by, waypoints: Waypoints::new(mesh) }
    }

    /// Services that select each workload; empty where no policy speaks of Services.
    #[must_use]
    pub fn selected_by(&self) -> &[Vec<u32>] {
        &self.selected_by
    }

    /// The endpoints of a service port, in the order of the input.
    #[must_use]
    pub fn of(&self, service: &'m Service, port: &'m Port) -> Vec<Endpoint<'m>> {
        match service.origin {
            Origin::Kubernetes => self.of_kubernetes(service, port),
            Origin::MeshInternal | Origin::MeshExternal => self.of_entry(service, port),
            Origin::Synthetic => self.imagined(service),
        }
    }

    fn of_kubernetes(&self, service: &'m Service, port: &'m Port) -> Vec<Endpoint<'m>> {
        let mut found = Vec::new();
        let key = (service.meta.namespace.clone(), Box::from(&*service.meta.name));
        let numbers = self.mesh.index.slices.get(&key).map_or(&[][..], Vec::as_slice);
        let slices = || numbers.iter().filter_map(|n| self.mesh.slices.get(*n as usize));
        let modern = slices().any(|slice| !slice.legacy);
        for slice in slices().filter(|slice| slice.legacy != modern) {
            let Some((_, number)) = slice.ports.iter().find(|(name, _)| *name == port.name) else { continue };
            for address in &slice.addresses {
                found.push(self.of_address(service, port, *number, address, &slice.meta.namespace));
            }
        }
        if let Some(selector) = service.selector.as_ref().filter(|_| numbers.is_empty()) {
            found.extend(self.selected(service, port, selector));
        }
        if let Some(selector) = &service.selector {
            found.extend(self.machines(service, port, selector));
        }
        found
    }

    /// The workloads that a Service selects: what its EndpointSlices would hold.
    fn selected(&self, service: &'m Service, port: &'m Port, selector: &'m Labels) -> Vec<Endpoint<'m>> {
        let workloads = self.mesh.select(&service.meta.namespace, selector);
        let workloads = workloads.filter_map(|n| Some((n, self.mesh.workloads.get(n as usize)?)));
        let alive = workloads.filter(|(_, workload)| !workload.finished);
        let endpoints = |(number, workload): (u32, &'m Workload)| {
            let address = workload.ips.first().map(|ip| &**ip);
            let make = |target| self.of_workload(service, port, number, workload, address, target);
            self.targets(port, workload).into_iter().map(make).collect::<Vec<_>>()
        };
        alive.flat_map(endpoints).collect()
    }

    /// The workload ports that a Service port may lead to: one, or none. Of a workload that only a Service speaks of, a
    /// named port is not known: 0, and every port that a policy sets apart.
    fn targets(&self, port: &Port, workload: &Workload) -> Vec<u16> {
        if workload.kind != "Service" || matches!(port.target, TargetPort::Number(_)) {
            return target_on(port, workload).into_iter().collect();
        }
        let policies = server::workload_policies(self.mesh, workload, 0);
        let policies = policies.iter().flatten().filter_map(|n| self.mesh.policies.get(*n as usize));
        std::iter::once(0).chain(policies.flat_map(|policy| policy.ports.iter().map(|(port, _)| *port))).collect()
    }

    fn of_address(
        &self,
        service: &'m Service,
        port: &'m Port,
        number: u16,
        address: &'m crate::model::service::SliceAddress,
        namespace: &Arc<str>,
    ) -> Endpoint<'m> {
        let index = &self.mesh.index;
        let found = match &address.pod {
            Some((namespace, name)) => index.pods.get(&(Arc::from(&**namespace), name.clone())),
            None => index.ips.get(&(namespace.clone(), address.ip.clone())),
        };
        let Some((at, workload)) = found.and_then(|n| Some((*n, self.mesh.workloads.get(*n as usize)?))) else {
            return match address.pod {
                Some(_) => Endpoint {
                    tls_known: false,
                    ..bare(
                        Some(&address.ip),
                        number,
                        Who::MissingPod,
                        "disabled",
                        Front::Unknown(Reason::MissingPod),
                        port,
                    )
                },
                None => self.of_bare_address(service, port, number, &address.ip),
            };
        };
        let mut endpoint = self.of_workload(service, port, at, workload, Some(&address.ip), number);
        if address.pod.is_none() && workload.tls_mode() != "disabled" {
            endpoint.front = Front::Unknown(Reason::AddressOrder);
            endpoint.tls_known = false;
        }
        endpoint
    }

    /// An address that istiod knows no pod for: announced without mutual TLS, whoever answers there. A pod of another
    /// namespace that has it still obeys its policies.
    fn of_bare_address(&self, service: &'m Service, port: &'m Port, number: u16, ip: &'m str) -> Endpoint<'m> {
        let found = self.mesh.index.addresses.get(ip).and_then(|n| Some((*n, self.mesh.workloads.get(*n as usize)?)));
        let mut endpoint = match found {
            Some((at, workload)) => self.of_workload(service, port, at, workload, Some(ip), number),
            None => bare(Some(ip), number, Who::Address, "disabled", Front::NoProxy, port),
        };
        (endpoint.tls_mode, endpoint.labels) = ("disabled", None);
        // HBONE is announced by address, whoever's pod it is.
        endpoint.hbone_tag = endpoint.hbone;
        endpoint
    }

    /// WorkloadEntries that a selector selects, or templates of WorkloadGroups where there are none.
    fn machines(&self, service: &'m Service, port: &'m Port, selector: &'m Labels) -> Vec<Endpoint<'m>> {
        let mut found = Vec::new();
        let numbers = self.mesh.index.machines.get(&service.meta.namespace).map_or(&[][..], Vec::as_slice);
        for number in numbers {
            let Some(machine) = self.mesh.machines.get(*number as usize) else { continue };
            if selector.subset_of(&machine.labels) {
                found.push(self.of_machine(service, port, Who::Machine(*number), machine));
            }
        }
        let templates = if found.is_empty() { &self.mesh.machine_templates[..] } else { &[] };
        for (number, machine) in (0..).zip(templates) {
            if machine.meta.namespace == service.meta.namespace && selector.subset_of(&machine.labels) {
                found.push(self.of_machine(service, port, Who::Template(number), machine));
            }
        }
        found
    }

    fn of_entry(&self, service: &'m Service, port: &'m Port) -> Vec<Endpoint<'m>> {
        let Some((number, entry)) = service.entry.and_then(|n| Some((n, self.mesh.entries.get(n as usize)?))) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (at, machine) in (0..).zip(&entry.endpoints) {
            found.push(self.of_machine(service, port, Who::Inline(number, at), machine));
        }
        if let Some(selector) = &entry.selector {
            found.extend(self.machines(service, port, selector));
            let pods = self.mesh.options.env.entries_select_pods;
            for at in self.mesh.select(&service.meta.namespace, selector).filter(|_| pods) {
                let Some(workload) = self.mesh.workloads.get(at as usize).filter(|w| !w.finished) else { continue };
                let target = target_on(port, workload).unwrap_or(port.number);
                let address = workload.ips.first().map(|ip| &**ip);
                found.push(self.of_workload(service, port, at, workload, address, target));
            }
        }
        if found.is_empty() && entry.selector.is_none() && service.resolution == Resolution::Dns {
            let target = if let TargetPort::Number(number) = port.target { number } else { port.number };
            // convertServiceEntryToInstances: the host itself, never capable of mutual TLS (B11).
            found.push(bare(Some(service.host.as_str()), target, Who::Address, "disabled", Front::NoProxy, port));
        }
        found
    }

    fn of_machine(&self, service: &'m Service, port: &'m Port, who: Who, machine: &'m Machine) -> Endpoint<'m> {
        let by_name = machine.ports.iter().find(|(name, _)| *name == port.name).map(|(_, number)| *number);
        let target = if let TargetPort::Number(number) = port.target { number } else { port.number };
        let tls_mode = machine.tls_mode();
        let address = Some(&*machine.address).filter(|text| !text.is_empty());
        let number = by_name.unwrap_or(target);
        if tls_mode == "disabled"
            && let Some(ip) = address.filter(|ip| self.mesh.index.addresses.contains_key(*ip))
        {
            return Endpoint { labels: Some(&machine.labels), ..self.of_bare_address(service, port, number, ip) };
        }
        let front = match tls_mode == "istio" && service.origin != Origin::MeshExternal {
            true => Front::Policy,
            false => Front::NoProxy,
        };
        let mut endpoint = bare(address, number, who, tls_mode, front, port);
        endpoint.labels = Some(&machine.labels);
        endpoint.policies = server::machine_policies(self.mesh, &service.meta.namespace, &machine.labels, number);
        endpoint.account = machine.service_account.as_deref();
        endpoint.announce(self.mesh, tunnels(&machine.labels));
        // The label of a machine is written by hand: only the mesh's settings show the listener.
        let shown = self.mesh.config.metadata.enables_hbone();
        endpoint.listens = ambient::listens(self.mesh, None).filter(|listens| !listens || shown);
        endpoint
    }

    fn of_workload(
        &self,
        service: &'m Service,
        port: &'m Port,
        number: u32,
        workload: &'m Workload,
        address: Option<&'m str>,
        target: u16,
    ) -> Endpoint<'m> {
        let (mut front, port_kinds) = self.front(port, number, workload, target);
        let mut server_names = Box::default();
        if workload.proxy == Proxy::Gateway && front == Front::NoProxy {
            (front, server_names) = self.gateway_front(service, port, workload, target);
        }
        let account = Some(&*workload.service_account).filter(|name| !name.is_empty());
        let hop = match service.resolution {
            Resolution::Headless => self.waypoints.of_pod(self.mesh, &workload.meta, &workload.labels),
            _ => Hop::Direct,
        };
        let mut endpoint = Endpoint {
            address,
            port: target,
            who: Who::Workload(number),
            tls_mode: workload.tls_mode(),
            tls_known: true,
            server_names,
            labels: Some(&workload.labels),
            front,
            // Endpoints are tagged by policy wherever they claim to be capable, also falsely (B2).
            policies: match (front, workload.tls_mode()) {
                (Front::NoProxy | Front::Ambient(_), "disabled") => smallvec![None],
                _ => server::workload_policies(self.mesh, workload, target),
            },
            own_policies: match workload.metadata.labels {
                Some(_) => server::proxy_policies(self.mesh, workload, target),
                None => Policies::new(),
            },
            port_kinds,
            account,
            hbone: false,
            hbone_tag: false,
            listens: match workload.proxy {
                Proxy::Ambient => Some(true),
                Proxy::Sidecar => ambient::listens(self.mesh, Some(workload)),
                _ => None,
            },
            hop,
            legacy: Box::default(),
        };
        let captured = matches!(workload.proxy, Proxy::Ambient | Proxy::Waypoint);
        endpoint.announce(self.mesh, captured || workload.labelled_tunnel());
        endpoint
    }

    /// What the policies of a namespace say of workloads that the input does not hold.
    fn imagined(&self, service: &'m Service) -> Vec<Endpoint<'m>> {
        let namespace = &service.meta.namespace;
        let captured = captures(self.mesh, namespace);
        let make = |policy: Option<u32>, port: u16| {
            let mut endpoint = Endpoint {
                address: None,
                port,
                who: Who::Imagined(policy),
                tls_mode: if captured { "disabled" } else { "istio" },
                tls_known: true,
                server_names: Box::default(),
                labels: None,
                front: match captured {
                    true => Front::Ambient(ambient::imagined(self.mesh, namespace, policy, port)),
                    false => Front::Policy,
                },
                policies: smallvec![policy],
                own_policies: Policies::new(),
                port_kinds: smallvec![PortKind::Http, PortKind::Layer4],
                account: None,
                hbone: false,
                hbone_tag: false,
                listens: captured.then_some(true),
                hop: Hop::Direct,
                legacy: Box::default(),
            };
            endpoint.announce(self.mesh, captured);
            endpoint
        };
        // A host that is none of Kubernetes' is no service of the mesh as far as the input goes.
        if service.meta.namespace.is_empty() && service.host.wildcard().is_none() {
            return Vec::new();
        }
        let mut found = vec![make(None, 0)];
        for number in server::selector_policies(self.mesh, &service.meta.namespace) {
            found.push(make(Some(number), 0));
            let ports = self.mesh.policies.get(number as usize).map_or(&[][..], |policy| &policy.ports);
            found.extend(ports.iter().map(|(port, _)| make(Some(number), *port)));
        }
        found
    }
}

/// An endpoint of which no workload is known.
fn bare<'m>(
    address: Option<&'m str>,
    number: u16,
    who: Who,
    tls_mode: &'m str,
    front: Front,
    port: &Port,
) -> Endpoint<'m> {
    Endpoint {
        address,
        port: number,
        who,
        tls_mode,
        tls_known: true,
        server_names: Box::default(),
        labels: None,
        front,
        policies: smallvec![None],
        own_policies: Policies::new(),
        port_kinds: smallvec![kind_of(port.protocol)],
        account: None,
        hbone: false,
        hbone_tag: false,
        listens: None,
        hop: Hop::Direct,
        legacy: Box::default(),
    }
}
