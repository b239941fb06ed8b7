//! Service, Endpoints and EndpointSlice: what is called, and which addresses answer.

use super::fields::export_to;
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
    /// It is declared as gRPC.
    pub grpc: bool,
}

/// Whether a port's name or protocol says gRPC (`pkg/config/protocol/instance.go : Parse`, by the word before the dash).
fn is_grpc(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word == "grpc" || (word.starts_with("grpc-") && !word.starts_with("grpc-web"))
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
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let mut ports = Vec::new();
    for (at, port) in issues.mappings(get("ports"), "spec.ports") {
        let path = format!("spec.ports[{at}]");
        let mut text = |key: &str| issues.string(port.get(key), format_args!("{path}.{key}"));
        let (transport, name, app_protocol) = (text("protocol"), text("name"), text("appProtocol"));
        if transport.as_deref() == Some("UDP") {
            continue;
        }
        let number = issues.required_port(port, port.get("port"), format_args!("{path}.port"));
        let Some(number) = number else { continue };
        // Kubernetes takes 0 and "" for "the port itself".
        let target = match port.get("targetPort").filter(|n| !n.is_null() && n.as_i64() != Some(0)) {
            None => TargetPort::Number(number),
            Some(node) => match node.as_str() {
                Some("") => TargetPort::Number(number),
                Some(name) => TargetPort::Name(name.into()),
                None => match issues.port(Some(node), format_args!("{path}.targetPort")) {
                    Some(number) => TargetPort::Number(number),
                    None => continue,
                },
            },
        };
        let name = name.unwrap_or_default();
        let protocol = Protocol::of_port(&name, app_protocol.as_deref(), u32::from(number));
        let grpc = is_grpc(app_protocol.as_deref().unwrap_or(&name));
        ports.push(Port { name: name.as_ref().into(), number, target, protocol, grpc });
    }
    let cluster_ip = issues.string(get("clusterIP"), "spec.clusterIP");
    if let (Some(ip), Some(node)) = (cluster_ip.as_deref(), get("clusterIP")) {
        let valid = matches!(ip, "" | "None") || ip.parse::<std::net::IpAddr>().is_ok();
        if !valid {
            issues.add(
                node,
                "spec.clusterIP",
                format!("spec.clusterIP is no address: {ip:?}"),
                "an IP address, or None",
            );
        }
    }
    let mut addresses = issues.strings(get("clusterIPs"), "spec.clusterIPs");
    if let Some(address) = cluster_ip.as_deref().filter(|ip| !addresses.iter().any(|a| **a == **ip)) {
        addresses.push(address.into());
    }
    addresses.retain(|address| !address.is_empty() && &**address != "None");
    let external = issues.string(get("type"), "spec.type").as_deref() == Some("ExternalName");
    let alias = issues.string(get("externalName"), "spec.externalName").filter(|_| external);
    let selector = Labels::read_selector(get("selector"), "spec.selector", issues);
    let export = meta.annotations.get("networking.istio.io/exportTo").unwrap_or("");
    let mut export_to: Vec<Box<str>> =
        export.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Into::into).collect();
    export_to.sort();
    Service {
        host: Host::of_service(&meta.name, &meta.namespace, domain),
        ports,
        selector: Some(selector).filter(|labels| !labels.is_empty()),
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

fn read_ports(node: Option<Node<'_>>, path: &str, issues: &mut Issues) -> Vec<(Box<str>, u16)> {
    let mut ports = Vec::new();
    for (at, port) in issues.mappings(node, path) {
        let name = issues.string(port.get("name"), format_args!("{path}[{at}].name")).unwrap_or_default();
        if let Some(number) = issues.port(port.get("port"), format_args!("{path}[{at}].port")) {
            ports.push((name.as_ref().into(), number));
        }
    }
    ports
}

fn read_target(endpoint: Node<'_>, path: &str, namespace: &str, issues: &mut Issues) -> Option<(Box<str>, Box<str>)> {
    let target = issues.mapping(endpoint.get("targetRef"), format_args!("{path}.targetRef"))?;
    let mut text = |key: &str| issues.string(target.get(key), format_args!("{path}.targetRef.{key}"));
    let (kind, own, name) = (text("kind"), text("namespace"), text("name"));
    let own = own.unwrap_or_else(|| namespace.into());
    (kind.as_deref() == Some("Pod")).then_some(())?;
    Some((own.as_ref().into(), name?.as_ref().into()))
}

pub(super) fn read_slice(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Option<Slice> {
    let service = meta.labels.get("kubernetes.io/service-name")?.into();
    let mut addresses = Vec::new();
    for (at, endpoint) in issues.mappings(root.get("endpoints"), "endpoints") {
        let path = format!("endpoints[{at}]");
        let pod = read_target(endpoint, &path, &meta.namespace, issues);
        for ip in issues.strings(endpoint.get("addresses"), format_args!("{path}.addresses")) {
            addresses.push(SliceAddress { ip, pod: pod.clone() });
        }
    }
    let ports = read_ports(root.get("ports"), "ports", issues);
    Some(Slice { service, ports, addresses, legacy: false, meta })
}

pub(super) fn read_endpoints(root: Node<'_>, meta: &Meta, issues: &mut Issues) -> Vec<Slice> {
    let mut slices = Vec::new();
    for (at, subset) in issues.mappings(root.get("subsets"), "subsets") {
        let mut addresses = Vec::new();
        for list in ["addresses", "notReadyAddresses"] {
            for (item, endpoint) in issues.mappings(subset.get(list), format_args!("subsets[{at}].{list}")) {
                let path = format!("subsets[{at}].{list}[{item}]");
                let pod = read_target(endpoint, &path, &meta.namespace, issues);
                let Some(ip) = issues.string(endpoint.get("ip"), format_args!("{path}.ip")) else { continue };
                addresses.push(SliceAddress { ip: ip.as_ref().into(), pod });
            }
        }
        let ports = read_ports(subset.get("ports"), &format!("subsets[{at}].ports"), issues);
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
    let list = issues.mapping(node.get("ports"), format_args!("{path}.ports"));
    for (name, number) in list.into_iter().flat_map(Node::entries) {
        let name = name.text().unwrap_or_default();
        if let Some(number) = issues.port(Some(number), format_args!("{path}.ports[\"{name}\"]")) {
            ports.push((name.as_ref().into(), number));
        }
    }
    let mut text = |key: &str| issues.string(node.get(key), format_args!("{path}.{key}"));
    let account = text("serviceAccount").filter(|name| !name.is_empty());
    let (address, network) = (text("address").unwrap_or_default(), text("network").filter(|name| !name.is_empty()));
    let mut labels = Labels::read(node.get("labels"), format_args!("{path}.labels"), issues);
    if let Some(network) = network {
        // `util/label/label.go : AugmentLabels`.
        labels.add("topology.istio.io/network", &network);
    }
    Machine {
        address: address.as_ref().into(),
        ports,
        labels,
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
    let spec = issues.mapping(root.get("spec"), "spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let location = issues.word(
        get("location"),
        "spec.location",
        &[("MESH_EXTERNAL", Origin::MeshExternal), ("MESH_INTERNAL", Origin::MeshInternal)],
    );
    let resolution = issues.word(
        get("resolution"),
        "spec.resolution",
        &[
            ("NONE", Resolution::Passthrough),
            ("STATIC", Resolution::Static),
            ("DNS", Resolution::Dns),
            ("DNS_ROUND_ROBIN", Resolution::Dns),
            ("DYNAMIC_DNS", Resolution::Dns),
        ],
    );
    let mut ports = Vec::new();
    for (at, port) in issues.mappings(get("ports"), "spec.ports") {
        let path = format!("spec.ports[{at}]");
        let number = issues.required_port(port, port.get("number"), format_args!("{path}.number"));
        let mut text = |key: &str| issues.string(port.get(key), format_args!("{path}.{key}")).unwrap_or_default();
        let (protocol, name) = (text("protocol"), text("name"));
        let target = issues.port(port.get("targetPort"), format_args!("{path}.targetPort"));
        let Some(number) = number.filter(|_| !protocol.eq_ignore_ascii_case("udp")) else { continue };
        let target = TargetPort::Number(target.unwrap_or(number));
        let (grpc, protocol) = (is_grpc(&protocol), Protocol::parse(&protocol));
        ports.push(Port { name: name.as_ref().into(), number, target, protocol, grpc });
    }
    let mut endpoints = Vec::new();
    for (at, endpoint) in issues.mappings(get("endpoints"), "spec.endpoints") {
        endpoints.push(read_machine(endpoint, meta.clone(), &format!("spec.endpoints[{at}]"), issues));
    }
    let selector = issues
        .mapping(get("workloadSelector"), "spec.workloadSelector")
        .map(|selector| Labels::read_selector(selector.get("labels"), "spec.workloadSelector.labels", issues));
    let export_to = export_to(get("exportTo"), "spec.exportTo", issues);
    let addresses = issues.strings(get("addresses"), "spec.addresses");
    let services = issues.strings(get("hosts"), "spec.hosts").into_iter().map(|host| Service {
        meta: meta.clone(),
        host: Host(host.as_ref().into()),
        ports: ports.clone(),
        selector: selector.clone(),
        resolution: resolution.unwrap_or(Resolution::Passthrough),
        origin: location.unwrap_or(Origin::MeshExternal),
        export_to: export_to.clone(),
        alias: None,
        addresses: addresses.clone(),
        entry: None,
    });
    let services = services.collect();
    (ServiceEntry { endpoints, selector, meta }, services)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::{messages, meta};

    #[test]
    fn wrong_types_in_services_are_issues() {
        for (spec, want) in [
            ("{ports: [{port: 80, name: http, targetPort: web, appProtocol: http}], selector: {app: web}}", ""),
            ("{clusterIP: None, clusterIPs: [None], type: ClusterIP}", ""),
            ("{ports: [{port: 53, protocol: UDP}]}", ""),
            ("web", "spec must be a mapping, not \"web\""),
            ("{ports: {port: 80}}", "spec.ports must be a list, not a mapping"),
            ("{ports: [80]}", "spec.ports[0] must be a mapping, not 80"),
            ("{ports: [{name: http}]}", "spec.ports[0].port is missing"),
            ("{ports: [{port: \"80\"}]}", "\"80\" is not a port number"),
            ("{ports: [{port: 80, name: 80}]}", "spec.ports[0].name must be a string: quote it"),
            ("{ports: [{port: 80, targetPort: [80]}]}", "a list is not a port number"),
            ("{selector: app}", "spec.selector must be a mapping, not \"app\""),
            ("{selector: {version: 1}}", "spec.selector[\"version\"] must be a string: quote it"),
            ("{selector: {app: }}", "spec.selector[\"app\"] must be a string, not null"),
            ("{clusterIPs: 10.0.0.1}", "spec.clusterIPs must be a list, not \"10.0.0.1\""),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read_service(root, meta(), "cluster.local", issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
    }

    #[test]
    fn wrong_types_in_entries_are_issues() {
        for (spec, want) in [
            ("{hosts: [a.b], ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 1.2.3.4}]}", ""),
            (
                "{endpoints: [{ports: {http: 80}, labels: {a: b}, serviceAccount: web}], exportTo: [.], location: MESH_INTERNAL}",
                "",
            ),
            ("{hosts: a.b}", "spec.hosts must be a list, not \"a.b\""),
            ("{ports: 80}", "spec.ports must be a list, not 80"),
            ("{ports: [{name: http}]}", "spec.ports[0].number is missing"),
            ("{endpoints: 1.2.3.4}", "spec.endpoints must be a list, not \"1.2.3.4\""),
            ("{endpoints: [1.2.3.4]}", "spec.endpoints[0] must be a mapping, not \"1.2.3.4\""),
            ("{endpoints: [{ports: [80]}]}", "spec.endpoints[0].ports must be a mapping, not a list"),
            (
                "{endpoints: [{labels: {version: 1}}]}",
                "spec.endpoints[0].labels[\"version\"] must be a string: quote it",
            ),
            ("{workloadSelector: {labels: [a]}}", "spec.workloadSelector.labels must be a mapping, not a list"),
            ("{exportTo: .}", "spec.exportTo must be a list, not \".\""),
            ("{location: [MESH_INTERNAL]}", "spec.location must be one word, not a list"),
        ] {
            let found = messages(&format!("spec: {spec}"), |root, issues| {
                read_service_entry(root, meta(), issues);
            });
            assert_eq!(found.join("; "), want, "{spec}");
        }
    }

    #[test]
    fn wrong_types_in_endpoints_are_issues() {
        for (text, want) in [
            (
                "{endpoints: [{addresses: [1.2.3.4], targetRef: {kind: Pod, name: a}}], ports: [{port: 80}, {name: x}]}",
                "",
            ),
            ("{endpoints: null, ports: null}", ""),
            ("{endpoints: {addresses: [1.2.3.4]}}", "endpoints must be a list, not a mapping"),
            ("{endpoints: [1.2.3.4]}", "endpoints[0] must be a mapping, not \"1.2.3.4\""),
            ("{endpoints: [{addresses: 1.2.3.4}]}", "endpoints[0].addresses must be a list, not \"1.2.3.4\""),
            ("{endpoints: [{targetRef: web}]}", "endpoints[0].targetRef must be a mapping, not \"web\""),
            ("{ports: 80}", "ports must be a list, not 80"),
        ] {
            let found = messages(text, |root, issues| {
                let label = ("kubernetes.io/service-name".into(), "web".into());
                read_slice(root, Meta { labels: Labels::new([label]), ..meta() }, issues);
            });
            assert_eq!(found.join("; "), want, "{text}");
        }
        for (text, want) in [
            ("{subsets: [{addresses: [{ip: 1.2.3.4}], ports: [{port: 80}]}]}", ""),
            ("{subsets: {}}", "subsets must be a list, not a mapping"),
            ("{subsets: [{addresses: [1.2.3.4]}]}", "subsets[0].addresses[0] must be a mapping, not \"1.2.3.4\""),
            ("{subsets: [{ports: 80}]}", "subsets[0].ports must be a list, not 80"),
        ] {
            let found = messages(text, |root, issues| {
                read_endpoints(root, &meta(), issues);
            });
            assert_eq!(found.join("; "), want, "{text}");
        }
    }
}
