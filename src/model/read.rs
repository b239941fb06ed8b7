//! From documents to objects: lists unwrapped, kinds looked up, each object read; what cannot be is kept and reported.

use super::issue::Issues;
use super::kinds::{self, KindRow, Lookup, Role};
use super::meta::{Labels, Meta, ObjectId};
use super::{
    destination_rule, filter, gateway, mesh_config::MeshConfig, namespace, peer_authentication, route, service,
    sidecar, workload,
};
use crate::yaml::{self, Document, Kind, Node, NodeId};
use std::sync::Arc;

/// An object of the input.
#[derive(Clone, Debug)]
pub struct Object {
    /// Kind, in Kubernetes' spelling.
    pub kind: Arc<str>,
    /// API group.
    pub group: Box<str>,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Number of its document.
    pub document: u32,
    /// Its root in the document.
    pub node: NodeId,
}

impl Object {
    /// The place of something that is no object of ours.
    pub(super) fn nothing(raw: &Raw) -> Self {
        let empty = || Arc::<str>::from("");
        let (document, node) = (raw.document, raw.node);
        Self { kind: empty(), group: "".into(), namespace: empty(), name: empty(), document, node }
    }
}

/// An object before it is looked at: where it is, and what its list says of its type.
#[derive(Clone)]
pub(super) struct Raw {
    pub document: u32,
    pub node: NodeId,
    pub from_list: Option<(Box<str>, Box<str>)>,
}

/// What an object turned out to be.
pub(super) enum Item {
    Namespace(namespace::Namespace),
    Service(service::Service),
    Entry(service::ServiceEntry, Vec<service::Service>),
    Slices(Vec<service::Slice>),
    Workload(Box<workload::Workload>),
    Mesh(Meta, Option<MeshConfig>),
    PeerAuthentication(peer_authentication::PeerAuthentication),
    DestinationRule(Box<destination_rule::DestinationRule>),
    Sidecar(sidecar::Sidecar),
    Machine(service::Machine),
    MachineTemplate(service::Machine),
    Route(route::Route),
    Gateway(gateway::Gateway),
    Interference(filter::Interference),
    /// Recognised, changes rows, not judged yet: the hosts that it names, where it names some.
    NotYet(Meta, Vec<Box<str>>),
    /// Nothing that changes a row.
    Nothing,
}

/// What reading one raw object gave.
pub(super) enum Read {
    /// One of ours.
    Ours(Box<(Object, Item, Issues)>),
    /// A kind in our field that does not exist; the nearest one, where there is one, and the field that is wrong.
    Unknown(Object, Option<&'static KindRow>, &'static str, String),
    /// Another project's object.
    Foreign,
    /// No Kubernetes object at all.
    NoObject,
}

/// How deep lists may stand in lists.
const LIST_DEPTH: usize = 8;

/// The objects of a document, lists unwrapped.
pub(super) fn unwrap_lists(number: u32, document: &Document) -> Vec<Raw> {
    let mut found = Vec::new();
    let mut open = vec![(document.tree.root(), None::<(Box<str>, Box<str>)>, 0)];
    while let Some((node, from_list, depth)) = open.pop() {
        let kind = node.get("kind").and_then(Node::as_str).unwrap_or("");
        let items = node.get("items").filter(|items| items.kind() == Kind::Seq);
        match items {
            Some(items) if kind.ends_with("List") && depth < LIST_DEPTH => {
                let api_version = node.get("apiVersion").and_then(Node::as_str).unwrap_or("");
                let item_kind = kind.strip_suffix("List").unwrap_or("");
                let inherited = (!item_kind.is_empty()).then(|| (api_version.into(), item_kind.into()));
                let children: Vec<_> = items.items().map(|item| (item, inherited.clone(), depth + 1)).collect();
                open.extend(children.into_iter().rev());
            }
            _ => found.push(Raw { document: number, node: node.id(), from_list }),
        }
    }
    found
}

/// Reads one object.
pub(super) fn read(raw: &Raw, document: &Document, id: ObjectId, default_namespace: &str, domain: &str) -> Read {
    let root = document.tree.node(raw.node);
    let listed = raw.from_list.as_ref();
    let text = |key: &str| root.get(key).and_then(Node::as_str);
    let api_version = text("apiVersion").or(listed.map(|l| &*l.0)).unwrap_or("");
    let kind = text("kind").or(listed.map(|l| &*l.1)).unwrap_or("");
    let (group, version) = kinds::split_api_version(api_version);
    if kind.is_empty() && !kinds::guarded_group(group) {
        return Read::NoObject;
    }
    let meta = root.get("metadata");
    let word = |key: &str| meta.and_then(|m| m.get(key)).and_then(Node::text).filter(|t| !t.is_empty());
    let name: Arc<str> = match (word("name"), word("generateName")) {
        (Some(name), _) => name.as_ref().into(),
        (None, Some(prefix)) => format!("{prefix}*").into(),
        (None, None) => "".into(),
    };
    let object = |namespaced: bool| Object {
        kind: kind.into(),
        group: group.into(),
        namespace: match namespaced {
            true => word("namespace").as_deref().unwrap_or(default_namespace).into(),
            false => "".into(),
        },
        name: name.clone(),
        document: raw.document,
        node: raw.node,
    };
    let row = match kinds::lookup(api_version, kind) {
        Lookup::Row(row) => row,
        Lookup::Version(row) => {
            let why = format!("{kind} was never served as {api_version}, only as {}", row.versions.join(", "));
            return Read::Unknown(object(row.namespaced), Some(row), "apiVersion", why);
        }
        Lookup::Unknown(near) => {
            let what = if kind.is_empty() { "an object without kind".to_owned() } else { format!("{kind:?}") };
            let why = format!("{what} is no kind of {}", if group.is_empty() { version } else { group });
            let field = if near.is_some_and(|row| row.kind == kind) { "apiVersion" } else { "kind" };
            return Read::Unknown(object(near.is_none_or(|row| row.namespaced)), near, field, why);
        }
        Lookup::Other => return Read::Foreign,
    };
    let object = object(row.namespaced);
    let mut issues = Issues::default();
    if row.role == Role::Known {
        return Read::Ours(Box::new((object, Item::Nothing, issues)));
    }
    if object.name.is_empty() {
        let at = meta.unwrap_or(root);
        issues.add(at, "metadata.name", format!("a {kind} without a name"), "give it metadata.name");
    }
    for key in ["name", "namespace"] {
        issues.template(meta.and_then(|m| m.get(key)), &format!("metadata.{key}"));
    }
    let created = word("creationTimestamp").map(|time| time.as_ref().into());
    let meta = Meta {
        id,
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        labels: Labels::read(meta.and_then(|m| m.get("labels"))),
        annotations: Labels::read(meta.and_then(|m| m.get("annotations"))),
        created,
    };
    let item = read_item(root, row, meta, domain, &mut issues);
    Read::Ours(Box::new((object, item, issues)))
}

fn read_item(root: Node<'_>, row: &'static KindRow, meta: Meta, domain: &str, issues: &mut Issues) -> Item {
    let gateway_api = row.group == "gateway.networking.k8s.io";
    match row.kind {
        "Namespace" => Item::Namespace(namespace::read(meta)),
        "Service" => Item::Service(service::read_service(root, meta, domain, issues)),
        "EndpointSlice" => {
            service::read_slice(root, meta, issues).map_or(Item::Nothing, |slice| Item::Slices(vec![slice]))
        }
        "Endpoints" => Item::Slices(service::read_endpoints(root, &meta, issues)),
        "ConfigMap" => {
            let ours = &*meta.name == "istio" || meta.name.starts_with("istio-");
            match root.find("data.mesh").and_then(Node::as_str).filter(|_| ours) {
                Some(text) => {
                    let config = match text.trim() {
                        "" => Some(MeshConfig::default()),
                        _ => yaml::parse_text(text).map(|tree| MeshConfig::read(tree.root())),
                    };
                    Item::Mesh(meta, config)
                }
                None => Item::Nothing,
            }
        }
        "PeerAuthentication" => Item::PeerAuthentication(peer_authentication::read(root, meta, issues)),
        "DestinationRule" => Item::DestinationRule(Box::new(destination_rule::read(root, meta, domain, issues))),
        "Sidecar" => Item::Sidecar(sidecar::read(root, meta, issues)),
        "ServiceEntry" => {
            let (entry, services) = service::read_service_entry(root, meta, issues);
            Item::Entry(entry, services)
        }
        "WorkloadEntry" => match root.get("spec") {
            Some(spec) => Item::Machine(service::read_machine(spec, meta, "spec", issues)),
            None => Item::Nothing,
        },
        "WorkloadGroup" => {
            let mut machine = match root.find("spec.template") {
                Some(spec) => service::read_machine(spec, meta, "spec.template", issues),
                None => return Item::Nothing,
            };
            for (key, value) in Labels::read(root.find("spec.metadata.labels")).iter() {
                machine.labels.add(key, value);
            }
            Item::MachineTemplate(machine)
        }
        "VirtualService" => Item::Route(route::read_virtual_service(root, meta, domain)),
        "HTTPRoute" | "GRPCRoute" => Item::Route(route::read_gateway_api(root, meta, domain)),
        "Gateway" if gateway_api => Item::Gateway(gateway::read_gateway_api(root, meta, issues)),
        "Gateway" => Item::Gateway(gateway::read_istio(root, meta, issues)),
        "EnvoyFilter" => filter::read_envoy_filter(root, meta).map_or(Item::Nothing, Item::Interference),
        "ProxyConfig" => filter::read_proxy_config(root, meta).map_or(Item::Nothing, Item::Interference),
        "BackendTLSPolicy" => {
            let targets = root.find("spec.targetRefs").into_iter().flat_map(Node::items);
            let names = targets.filter_map(|target| target.get("name")?.text().map(|name| name.as_ref().into()));
            Item::NotYet(meta, names.collect())
        }
        // An IstioOperator that sets nothing of the mesh's configuration changes nothing.
        "IstioOperator" if ["spec.meshConfig", "spec.values"].iter().all(|path| root.find(path).is_none()) => {
            Item::Nothing
        }
        _ if row.role == Role::NotYet => Item::NotYet(meta, Vec::new()),
        _ => Item::Workload(Box::new(workload::read(root, meta, row.kind))),
    }
}
