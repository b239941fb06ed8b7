//! Service, Endpoints and EndpointSlice: what is called, and which addresses answer.

use super::destination_rule::export_to;
use super::host::Host;
use super::issue::Issues;
use super::meta::{Labels, Meta};
use super::protocol::Protocol;
use crate::yaml::Node;

/// `targetPort` of a Service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// The same number on every workload.
    Number(u16),
    /// A container port's name: resolved per workload.
    Name(Box<str>),
}

/// One port of a service.
#[derive(Clone, Debug)]
pub struct Port {
    /// Name; may be empty.
    pub name: Box<str>,
    /// Number that clients call.
    pub number: u16,
    /// Where it leads on the workload.
    pub target: TargetPort,
    /// Protocol by name.
    pub protocol: Protocol,
}

/// How clients reach the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Through a virtual address (EDS cluster).
    ClusterIp,
    /// `clusterIP: None`: the pods' own addresses.
    Headless,
    /// ServiceEntry with `resolution: NONE`: whatever address the client called.
    Passthrough,
    /// ServiceEntry with `resolution: STATIC`.
    Static,
    /// ServiceEntry with a DNS resolution.
    Dns,
}

/// What kind of object declared a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A Kubernetes Service.
    Kubernetes,
    /// A ServiceEntry inside the mesh.
    MeshInternal,
    /// A ServiceEntry outside the mesh (the default of `location`).
    MeshExternal,
    /// No object: a host that only a rule or a policy names.
    Synthetic,
}

/// A service as istiod's registries hold it: from a Service, or one host of a ServiceEntry.
#[derive(Clone, Debug)]
pub struct Service {
    /// The object that declares it.
    pub meta: Meta,
    /// Its host.
    pub host: Host,
    /// Its ports; UDP ports are left out (istiod skips them).
    pub ports: Vec<Port>,
    /// `selector`; `None` where there is none.
    pub selector: Option<Labels>,
    /// How it is reached.
    pub resolution: Resolution,
    /// What declared it.
    pub origin: Origin,
    /// Who may see it, as written; empty: the mesh's default.
    pub export_to: Vec<Box<str>>,
    /// `externalName` of a Service of that type: it has no cluster of its own.
    pub alias: Option<Host>,
    /// Virtual addresses.
    pub addresses: Vec<Box<str>>,
    /// The ServiceEntry's number in the mesh, where it is one.
    pub entry: Option<u32>,
}

pub(super) fn read_service(root: Node<'_>, meta: Meta, domain: &str, issues: &mut Issues) -> Service {
    let spec = root.get("spec");
    let get = |key: &str| spec.and_then(|s| s.get(key)).filter(|n| !n.is_null());
    let mut ports = Vec::new();
    for (at, port) in get("ports").into_iter().flat_map(Node::items).enumerate() {
        if port.get("protocol").and_then(Node::text).as_deref() == Some("UDP") {
            continue;
        }
        let Some(number) = issues.port(port.get("port"), || format!("spec.ports[{at}].port")) else { continue };
        let name = port.get("name").and_then(Node::text).unwrap_or_default();
        let target = match port.get("targetPort").filter(|n| !n.is_null()) {
            None => TargetPort::Number(number),
            Some(node) => match node.as_str() {
                Some("") => TargetPort::Number(number),
                Some(name) => TargetPort::Name(name.into()),
                None => match issues.port(Some(node), || format!("spec.ports[{at}].targetPort")) {
                    Some(number) => TargetPort::Number(number),
                    None => continue,
                },
            },
        };
        let app_protocol = port.get("appProtocol").and_then(Node::text);
        let protocol = Protocol::of_port(&name, app_protocol.as_deref(), u32::from(number));
        ports.push(Port { name: name.as_ref().into(), number, target, protocol });
    }
    let cluster_ip = get("clusterIP").and_then(Node::text);
    let mut addresses = super::destination_rule::texts(get("clusterIPs"));
    if let Some(address) = cluster_ip.as_deref().filter(|ip| !addresses.iter().any(|a| **a == **ip)) {
        addresses.push(address.into());
    }
    addresses.retain(|address| !address.is_empty() && &**address != "None");
    let external = get("type").and_then(Node::text).as_deref() == Some("ExternalName");
    let alias = get("externalName").and_then(Node::text).filter(|_| external);
    let export = meta.annotations.get("networking.istio.io/exportTo").unwrap_or("");
    let mut export_to: Vec<Box<str>> =
        export.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Into::into).collect();
    export_to.sort();
    Service {
        host: Host::of_service(&meta.name, &meta.namespace, domain),
        ports,
        selector: get("selector").map(|node| Labels::read(Some(node))).filter(|labels| !labels.is_empty()),
        resolution: if cluster_ip.as_deref() == Some("None") { Resolution::Headless } else { Resolution::ClusterIp },
        origin: Origin::Kubernetes,
        export_to,
        alias: alias.map(|name| Host(name.trim_end_matches('.').into())),
        addresses,
        entry: None,
        meta,
    }
}

/// One address of a slice (or of Endpoints).
#[derive(Clone, Debug)]
pub struct SliceAddress {
    /// IP address.
    pub ip: Box<str>,
    /// `targetRef` of kind Pod: its name (and namespace, where that differs).
    pub pod: Option<(Box<str>, Box<str>)>,
}

/// An EndpointSlice, or one subset of an Endpoints object.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The object.
    pub meta: Meta,
    /// Name of the Service, in the same namespace.
    pub service: Box<str>,
    /// Ports: name and number.
    pub ports: Vec<(Box<str>, u16)>,
    /// Addresses, in order.
    pub addresses: Vec<SliceAddress>,
    /// From an Endpoints object, which an EndpointSlice of the same service replaces.
    pub legacy: bool,
}

fn read_ports(node: Option<Node<'_>>, issues: &mut Issues) -> Vec<(Box<str>, u16)> {
    let mut ports = Vec::new();
    for (at, port) in node.into_iter().flat_map(Node::items).enumerate() {
        let name = port.get("name").and_then(Node::text).unwrap_or_default().as_ref().into();
        if let Some(number) = issues.port(port.get("port"), || format!("ports[{at}].port")) {
            ports.push((name, number));
        }
    }
    ports
}

fn read_target(endpoint: Node<'_>, namespace: &str) -> Option<(Box<str>, Box<str>)> {
    let target = endpoint.get("targetRef").filter(|t| t.get("kind").and_then(Node::as_str) == Some("Pod"))?;
    let own = target.get("namespace").and_then(Node::text).unwrap_or_else(|| namespace.into());
    Some((own.as_ref().into(), target.get("name")?.text()?.as_ref().into()))
}

pub(super) fn read_slice(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Option<Slice> {
    let service = meta.labels.get("kubernetes.io/service-name")?.into();
    let mut addresses = Vec::new();
    for endpoint in root.get("endpoints").into_iter().flat_map(Node::items) {
        let pod = read_target(endpoint, &meta.namespace);
        for ip in super::destination_rule::texts(endpoint.get("addresses")) {
            addresses.push(SliceAddress { ip, pod: pod.clone() });
        }
    }
    Some(Slice { service, ports: read_ports(root.get("ports"), issues), addresses, legacy: false, meta })
}

pub(super) fn read_endpoints(root: Node<'_>, meta: &Meta, issues: &mut Issues) -> Vec<Slice> {
    let mut slices = Vec::new();
    for subset in root.get("subsets").into_iter().flat_map(Node::items) {
        let mut addresses = Vec::new();
        for list in ["addresses", "notReadyAddresses"] {
            for endpoint in subset.get(list).into_iter().flat_map(Node::items) {
                let Some(ip) = endpoint.get("ip").and_then(Node::text) else { continue };
                addresses.push(SliceAddress { ip: ip.as_ref().into(), pod: read_target(endpoint, &meta.namespace) });
            }
        }
        let ports = read_ports(subset.get("ports"), issues);
        slices.push(Slice { service: (*meta.name).into(), ports, addresses, legacy: true, meta: meta.clone() });
    }
    slices
}

/// An endpoint written in a ServiceEntry, or a WorkloadEntry: the same structure in Istio's API.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where it is written.
    pub meta: Meta,
    /// IP address or host name; empty for a WorkloadGroup's template.
    pub address: Box<str>,
    /// Port names to numbers.
    pub ports: Vec<(Box<str>, u16)>,
    /// Labels.
    pub labels: Labels,
    /// `serviceAccount`.
    pub service_account: Option<Box<str>>,
}

impl Machine {
    /// The `tlsMode` that istiod announces for it
    /// (`pilot/pkg/serviceregistry/serviceentry/conversion.go : getTLSModeFromWorkloadEntry`): its label, else `istio`
    /// where it has a service account, else `disabled`.
    #[must_use]
    pub fn tls_mode(&self) -> &str {
        let fallback = if self.service_account.is_some() { "istio" } else { "disabled" };
        self.labels.get("security.istio.io/tlsMode").unwrap_or(fallback)
    }
}

pub(super) fn read_machine(node: Node<'_>, meta: Meta, path: &str, issues: &mut Issues) -> Machine {
    let mut ports = Vec::new();
    for (name, number) in node.get("ports").into_iter().flat_map(Node::entries) {
        let name = name.text().unwrap_or_default();
        if let Some(number) = issues.port(Some(number), || format!("{path}.ports[\"{name}\"]")) {
            ports.push((name.as_ref().into(), number));
        }
    }
    let account = node.get("serviceAccount").and_then(Node::text).filter(|name| !name.is_empty());
    Machine {
        address: node.get("address").and_then(Node::text).unwrap_or_default().as_ref().into(),
        ports,
        labels: Labels::read(node.get("labels")),
        service_account: account.map(|name| name.as_ref().into()),
        meta,
    }
}

/// One ServiceEntry, beside the services that its hosts become.
#[derive(Clone, Debug)]
pub struct ServiceEntry {
    /// Name, namespace.
    pub meta: Meta,
    /// `endpoints`.
    pub endpoints: Vec<Machine>,
    /// `workloadSelector.labels`.
    pub selector: Option<Labels>,
}

pub(super) fn read_service_entry(root: Node<'_>, meta: Meta, issues: &mut Issues) -> (ServiceEntry, Vec<Service>) {
    let spec = root.get("spec");
    let get = |key: &str| spec.and_then(|s| s.get(key)).filter(|n| !n.is_null());
    let location = issues.word(
        get("location"),
        || "spec.location".to_owned(),
        &[("MESH_EXTERNAL", Origin::MeshExternal), ("MESH_INTERNAL", Origin::MeshInternal)],
    );
    let resolution = issues.word(
        get("resolution"),
        || "spec.resolution".to_owned(),
        &[
            ("NONE", Resolution::Passthrough),
            ("STATIC", Resolution::Static),
            ("DNS", Resolution::Dns),
            ("DNS_ROUND_ROBIN", Resolution::Dns),
            ("DYNAMIC_DNS", Resolution::Dns),
        ],
    );
    let mut ports = Vec::new();
    for (at, port) in get("ports").into_iter().flat_map(Node::items).enumerate() {
        let Some(number) = issues.port(port.get("number"), || format!("spec.ports[{at}].number")) else { continue };
        let protocol = port.get("protocol").and_then(Node::text).unwrap_or_default();
        if protocol.eq_ignore_ascii_case("udp") {
            continue;
        }
        let target = issues.port(port.get("targetPort"), || format!("spec.ports[{at}].targetPort"));
        let name = port.get("name").and_then(Node::text).unwrap_or_default().as_ref().into();
        let target = TargetPort::Number(target.unwrap_or(number));
        ports.push(Port { name, number, target, protocol: Protocol::parse(&protocol) });
    }
    let mut endpoints = Vec::new();
    for (at, endpoint) in get("endpoints").into_iter().flat_map(Node::items).enumerate() {
        endpoints.push(read_machine(endpoint, meta.clone(), &format!("spec.endpoints[{at}]"), issues));
    }
    let selector = get("workloadSelector").map(|s| Labels::read(s.get("labels")));
    let services = super::destination_rule::texts(get("hosts")).into_iter().map(|host| Service {
        meta: meta.clone(),
        host: Host(host.as_ref().into()),
        ports: ports.clone(),
        selector: selector.clone(),
        resolution: resolution.unwrap_or(Resolution::Passthrough),
        origin: location.unwrap_or(Origin::MeshExternal),
        export_to: export_to(get("exportTo")),
        alias: None,
        addresses: super::destination_rule::texts(get("addresses")),
        entry: None,
    });
    let services = services.collect();
    (ServiceEntry { endpoints, selector, meta }, services)
}
