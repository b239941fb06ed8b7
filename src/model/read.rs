//! From documents to objects: lists unwrapped, kinds looked up, each object read; what cannot be is kept and reported.

use super::issue::Issues;
use super::kinds::{self, KindRow, Lookup, Role};
use super::meta::{Labels, Meta, ObjectId, read_created};
use super::{
    authn_policy, destination_rule, filter, gateway, mesh_config::MeshConfig, namespace, openshift,
    peer_authentication, route, service, sidecar, workload,
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
    /// It is not in the input: another object makes it.
    pub made: Option<Box<openshift::Made>>,
}

impl Object {
    /// The place of something that is no object of ours.
    pub(super) fn nothing(raw: &Raw) -> Self {
        let empty = || Arc::<str>::from("");
        let (document, node) = (raw.document, raw.node);
        Self { kind: empty(), group: "".into(), namespace: empty(), name: empty(), document, node, made: None }
    }
}

/// An object before it is looked at: where it is, and what its list says of its type.
#[derive(Clone)]
pub(super) struct Raw {
    pub document: u32,
    pub node: NodeId,
    pub from_list: Option<yaml::Listed>,
}

/// What an object turned out to be.
pub(super) enum Item {
    Namespace(namespace::Namespace),
    Service(service::Service),
    Entry(service::ServiceEntry, Vec<service::Service>),
    Slices(Vec<service::Slice>),
    Workload(Box<workload::Workload>),
    /// A mesh's settings, unless their text does not parse, and what is wrong with them.
    Mesh(Meta, Option<MeshConfig>, Vec<String>),
    PeerAuthentication(peer_authentication::PeerAuthentication),
    /// A policy of the old API.
    AuthnPolicy(authn_policy::AuthnPolicy),
    DestinationRule(Box<destination_rule::DestinationRule>),
    Sidecar(sidecar::Sidecar),
    Machine(service::Machine),
    MachineTemplate(service::Machine),
    Route(route::Route),
    Gateway(gateway::Gateway),
    Interference(filter::Interference),
    /// A control plane of OpenShift Service Mesh or Sail.
    Plane(Box<openshift::Plane>),
    Roll(openshift::Roll),
    Member(openshift::Member),
    Tag(openshift::Tag),
    ProxyConfig(super::metadata::ProxyConfig),
    BackendPolicy(super::backend_policy::BackendPolicy),
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

/// The objects of a document, lists unwrapped however deep they stand: the parser bounds that. A list of nothing
/// (`items: null`) has no objects.
pub(super) fn unwrap_lists(number: u32, document: &Document) -> Vec<Raw> {
    let mut found = Vec::new();
    let mut open = vec![(document.tree.root(), document.listed.clone())];
    while let Some((node, from_list)) = open.pop() {
        let kind = node.get("kind").and_then(Node::as_str).unwrap_or("");
        let items = node.get("items").filter(|items| matches!(items.kind(), Kind::Seq | Kind::Null));
        match items {
            Some(items) if kind.ends_with("List") => {
                let api_version = node.get("apiVersion").and_then(Node::as_str).unwrap_or("");
                let item_kind = kind.strip_suffix("List").unwrap_or("");
                let inherited =
                    (!item_kind.is_empty()).then(|| yaml::Listed::new((api_version.into(), item_kind.into())));
                let children: Vec<_> = items.items().map(|item| (item, inherited.clone())).collect();
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
    let mut issues = Issues::default();
    let meta = issues.mapping(root.get("metadata"), "metadata");
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
        made: None,
    };
    let list = kind.ends_with("List") && root.get("items").is_some_and(|items| items.kind() != Kind::Seq);
    if list && (group.is_empty() || kinds::guarded_group(group)) {
        return Read::Unknown(object(true), None, "items", format!("items of a {kind} must be a list"));
    }
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
    if row.role == Role::Known {
        return Read::Ours(Box::new((object, Item::Nothing, Issues::default())));
    }
    if object.name.is_empty() {
        let at = meta.unwrap_or(root);
        issues.add(at, "metadata.name", format!("a {kind} without a name"), "give it metadata.name");
    }
    for key in ["name", "namespace"] {
        let node = meta.and_then(|m| m.get(key));
        issues.template(node, &format!("metadata.{key}"));
        issues.string(node, format_args!("metadata.{key}"));
    }
    let mut map = |key: &str| Labels::read(meta.and_then(|m| m.get(key)), format_args!("metadata.{key}"), &mut issues);
    let (labels, annotations) = (map("labels"), map("annotations"));
    let meta = Meta {
        id,
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        labels,
        annotations,
        created: read_created(meta.and_then(|m| m.get("creationTimestamp")), &mut issues),
        made: false,
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
        "ConfigMap" => read_config_map(root, meta, issues),
        "PeerAuthentication" => Item::PeerAuthentication(peer_authentication::read(root, meta, issues)),
        "Policy" | "MeshPolicy" | "ServiceMeshPolicy" => {
            Item::AuthnPolicy(authn_policy::read(root, meta, row.kind, issues))
        }
        "DestinationRule" => Item::DestinationRule(Box::new(destination_rule::read(root, meta, domain, issues))),
        "Sidecar" => Item::Sidecar(sidecar::read(root, meta, issues)),
        "ServiceEntry" => {
            let (entry, services) = service::read_service_entry(root, meta, issues);
            Item::Entry(entry, services)
        }
        "WorkloadEntry" => match issues.mapping(root.get("spec"), "spec") {
            Some(spec) => Item::Machine(service::read_machine(spec, meta, "spec", issues)),
            None => Item::Nothing,
        },
        "WorkloadGroup" => {
            let spec = issues.mapping(root.get("spec"), "spec");
            let template = issues.mapping(spec.and_then(|s| s.get("template")), "spec.template");
            let own = issues.mapping(spec.and_then(|s| s.get("metadata")), "spec.metadata");
            let labels = Labels::read(own.and_then(|m| m.get("labels")), "spec.metadata.labels", issues);
            let Some(template) = template else { return Item::Nothing };
            let mut machine = service::read_machine(template, meta, "spec.template", issues);
            for (key, value) in labels.iter() {
                machine.labels.add(key, value);
            }
            Item::MachineTemplate(machine)
        }
        "VirtualService" => Item::Route(route::read_virtual_service(root, meta, domain, issues)),
        "HTTPRoute" | "GRPCRoute" => Item::Route(route::read_gateway_api(root, meta, domain, issues)),
        "Gateway" if gateway_api => Item::Gateway(gateway::read_gateway_api(root, meta, issues)),
        "Gateway" => Item::Gateway(gateway::read_istio(root, meta, issues)),
        "EnvoyFilter" => filter::read_envoy_filter(root, meta, issues).map_or(Item::Nothing, Item::Interference),
        "ProxyConfig" => {
            super::metadata::read_proxy_config(root, meta, issues).map_or(Item::Nothing, Item::ProxyConfig)
        }
        "BackendTLSPolicy" | "XBackendTrafficPolicy" => {
            let tls = row.kind == "BackendTLSPolicy";
            Item::BackendPolicy(super::backend_policy::read(root, meta, tls, issues))
        }
        "ServiceMeshControlPlane" => Item::Plane(Box::new(openshift::read_control_plane(root, meta, issues))),
        "ServiceMeshMemberRoll" => Item::Roll(openshift::read_roll(root, meta, issues)),
        "ServiceMeshMember" => Item::Member(openshift::read_member(root, meta, issues)),
        "Istio" => Item::Plane(Box::new(openshift::read_sail(root, meta, false, issues))),
        "IstioRevision" => Item::Plane(Box::new(openshift::read_sail(root, meta, true, issues))),
        "IstioRevisionTag" => Item::Tag(openshift::read_tag(root, &meta, issues)),
        // An IstioOperator that sets nothing of the mesh's configuration changes nothing.
        "IstioOperator" if ["spec.meshConfig", "spec.values"].iter().all(|path| root.find(path).is_none()) => {
            Item::Nothing
        }
        _ if row.role == Role::NotYet => Item::NotYet(meta, Vec::new()),
        _ => Item::Workload(Box::new(workload::read(root, meta, row.kind, issues))),
    }
}

/// The ConfigMaps that istiod and its injector read.
fn read_config_map(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Item {
    if &*meta.name != "istio" && !meta.name.starts_with("istio-") {
        return Item::Nothing;
    }
    let data = issues.mapping(root.get("data"), "data");
    let get = |key: &str| data.and_then(|data| data.get(key));
    if meta.name.strip_prefix("istio-sidecar-injector").is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
        let config = issues.string(get("config"), "data.config");
        let values = issues.string(get("values"), "data.values");
        let usual = config.is_some_and(|text| usual_injector(&text)) && values.is_none_or(|text| usual_values(&text));
        return if usual { Item::Nothing } else { Item::NotYet(meta, Vec::new()) };
    }
    let Some(node) = get("mesh").filter(|node| !node.is_null()) else { return Item::Nothing };
    let mut problems = Vec::new();
    let config = match issues.string(Some(node), "data.mesh") {
        Some(text) if text.trim().is_empty() => Some(MeshConfig::default()),
        Some(text) => yaml::parse_text(&text).map(|tree| MeshConfig::read(tree.root(), &mut problems)),
        None => None,
    };
    Item::Mesh(meta, config, problems)
}

/// Absent, null, or a list or mapping with nothing in it.
fn nothing(node: Option<Node<'_>>) -> bool {
    node.is_none_or(|node| node.is_null() || (matches!(node.kind(), Kind::Map | Kind::Seq) && node.is_empty()))
}

/// Whether the injector's configuration decides injection as [`super::injection`] predicts it (1.6, step 6).
fn usual_injector(text: &str) -> bool {
    let Some(tree) = yaml::parse_text(text) else { return false };
    let root = tree.root();
    let policy = root.get("policy").filter(|policy| !policy.is_null());
    matches!(root.kind(), Kind::Map | Kind::Null)
        && policy.is_none_or(|policy| policy.as_str() == Some("enabled"))
        && nothing(root.get("alwaysInjectSelector"))
        && nothing(root.get("neverInjectSelector"))
        && usual_templates(root.get("defaultTemplates"))
        && harmless_annotations(root.get("injectedAnnotations"))
}

/// What is injected where a pod does not name templates is the sidecar.
pub(super) fn usual_templates(list: Option<Node<'_>>) -> bool {
    let sidecar = |list: Node<'_>| list.len() == 1 && list.items().all(|name| name.as_str() == Some("sidecar"));
    nothing(list) || list.is_some_and(sidecar)
}

/// None of the annotations that every injected pod gets is one that decides something.
pub(super) fn harmless_annotations(all: Option<Node<'_>>) -> bool {
    let decides = |key: Node<'_>| key.text().is_some_and(|key| workload::matters(&key));
    nothing(all) || all.is_some_and(|all| all.kind() == Kind::Map && !all.entries().any(|(key, _)| decides(key)))
}

/// None of the templates that are added takes the place of one of Istio's own (`files/injection-template.yaml`).
pub(super) fn own_templates_stand(templates: Option<Node<'_>>) -> bool {
    const OWN: [&str; 6] = ["sidecar", "gateway", "grpc-simple", "grpc-agent", "waypoint", "kube-gateway"];
    let replaces = |key: Node<'_>| key.text().is_none_or(|key| OWN.contains(&&*key));
    nothing(templates)
        || templates.is_some_and(|all| all.kind() == Kind::Map && !all.entries().any(|(key, _)| replaces(key)))
}

/// Settings of `global.proxy` that change what every sidecar captures, and what they are unless somebody sets them.
const CAPTURE: [(&str, &str); 6] = [
    ("includeInboundPorts", "*"),
    ("excludeInboundPorts", ""),
    ("includeIPRanges", "*"),
    ("excludeIPRanges", ""),
    ("includeOutboundPorts", ""),
    ("excludeOutboundPorts", ""),
];

/// Whether the values that the injector's templates are filled with are those that predictions count on.
fn usual_values(text: &str) -> bool {
    let Some(tree) = yaml::parse_text(text) else { return false };
    let root = tree.root();
    let by_default = root.find("sidecarInjectorWebhook.enableNamespacesByDefault").filter(|node| !node.is_null());
    let proxy = root.find("global.proxy");
    let captures = |(key, usual): &(&str, &str)| {
        let value = proxy.and_then(|proxy| proxy.get(key)).filter(|node| !node.is_null());
        value.is_none_or(|value| value.as_str() == Some(usual))
    };
    matches!(root.kind(), Kind::Map | Kind::Null)
        && by_default.is_none_or(|node| node.as_bool() == Some(false))
        && CAPTURE.iter().all(captures)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::location::Sources;

    /// The messages of the issues that a reader finds in a text.
    pub(in crate::model) fn messages(text: &str, read: impl FnOnce(Node<'_>, &mut Issues)) -> Vec<String> {
        let tree = yaml::parse_text(text).unwrap();
        let mut issues = Issues::default();
        read(tree.root(), &mut issues);
        issues.0.into_iter().map(|issue| issue.message).collect()
    }

    /// `shop/web`, without labels.
    pub(in crate::model) fn meta() -> Meta {
        let (labels, annotations) = (Labels::default(), Labels::default());
        Meta {
            id: ObjectId(0),
            namespace: "shop".into(),
            name: "web".into(),
            labels,
            annotations,
            created: None,
            made: false,
        }
    }

    /// Everything that a text reads as.
    fn read_all(text: &str) -> Vec<Read> {
        let mut sources = Sources::default();
        let id = sources.add("test.yaml", text.into());
        let documents = yaml::parse(&sources, id).documents;
        let raws: Vec<Raw> = (0..).zip(&documents).flat_map(|(number, d)| unwrap_lists(number, d)).collect();
        raws.iter()
            .map(|raw| read(raw, &documents[raw.document as usize], ObjectId(0), "default", "cluster.local"))
            .collect()
    }

    fn one(text: &str) -> (Item, Vec<String>) {
        match read_all(text).pop() {
            Some(Read::Ours(read)) => (read.1, read.2.0.into_iter().map(|issue| issue.message).collect()),
            _ => panic!("{text}"),
        }
    }

    #[test]
    fn lists_are_unwrapped_however_deep() {
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}}";
        for depth in [0, 1, 9, 40, 100] {
            let open = "{apiVersion: v1, kind: List, items: [".repeat(depth);
            let text = format!("{open}{pod}{}", "]}".repeat(depth));
            let found = read_all(&text);
            assert!(matches!(found.as_slice(), [Read::Ours(read)] if &*read.0.name == "a"), "{depth}");
        }
        for (text, count) in [("items: null", 0), ("items: []", 0), ("items: {a: {}}", 1), ("items: x", 1)] {
            for kind in ["List", "PodList"] {
                let found = read_all(&format!("apiVersion: v1\nkind: {kind}\n{text}"));
                assert_eq!(found.len(), count, "{kind} {text}");
                assert!(found.iter().all(|read| matches!(read, Read::Unknown(_, None, "items", _))), "{kind} {text}");
            }
        }
        let foreign = read_all("apiVersion: example.com/v1\nkind: AllowList\nitems: {a: b}");
        assert!(matches!(foreign.as_slice(), [Read::Foreign]));
    }

    #[test]
    fn metadata_is_checked() {
        for (metadata, want) in [
            ("{name: a, labels: {app: web}, annotations: {x: \"1\"}, creationTimestamp: 2024-01-02T03:04:05Z}", ""),
            ("{name: a, labels: null, annotations: , creationTimestamp: null, namespace: b}", ""),
            ("a", "metadata must be a mapping, not \"a\"; a Pod without a name"),
            ("{name: 5}", "metadata.name must be a string: quote it"),
            ("{name: a, namespace: [b]}", "metadata.namespace must be a string, not a list"),
            ("{name: a, labels: [app]}", "metadata.labels must be a mapping, not a list"),
            ("{name: a, labels: {version: 1.10}}", "metadata.labels[\"version\"] must be a string: quote it"),
            ("{name: a, annotations: {x: {y: z}}}", "metadata.annotations[\"x\"] must be a string, not a mapping"),
            ("{name: a, creationTimestamp: yesterday}", "metadata.creationTimestamp is no time in UTC"),
        ] {
            let (_, issues) = one(&format!("apiVersion: v1\nkind: Pod\nmetadata: {metadata}"));
            assert_eq!(issues.join("; "), want, "{metadata}");
        }
    }

    #[test]
    fn a_known_kind_that_is_not_judged_has_no_issues() {
        let text = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: 5, labels: {a: 1}}";
        assert!(one(text).1.is_empty());
    }

    #[test]
    fn the_injector_is_nothing_as_long_as_it_is_as_usual() {
        for (name, data, usual) in [
            ("istio-sidecar-injector", "{config: \"policy: enabled\"}", true),
            ("istio-sidecar-injector-canary", "{config: \"policy: enabled\"}", true),
            ("istio-sidecar-injector-canary", "{config: \"policy: disabled\"}", false),
            ("istio-sidecar-injectors", "{config: \"policy: disabled\"}", true),
            ("other", "{config: \"policy: disabled\"}", true),
            ("istio-sidecar-injector", "{}", false),
            ("istio-sidecar-injector", "{config: \"a: b: c\"}", false),
            ("istio-sidecar-injector", "{config: \"- a\"}", false),
            ("istio-sidecar-injector", "{config: \"{policy: disabled}\"}", false),
            ("istio-sidecar-injector", "{config: \"{alwaysInjectSelector: [], neverInjectSelector: []}\"}", true),
            ("istio-sidecar-injector", "{config: \"{neverInjectSelector: [{matchLabels: {a: b}}]}\"}", false),
            ("istio-sidecar-injector", "{config: \"{alwaysInjectSelector: [{matchLabels: {a: b}}]}\"}", false),
            ("istio-sidecar-injector", "{config: \"{defaultTemplates: [sidecar]}\"}", true),
            ("istio-sidecar-injector", "{config: \"{defaultTemplates: [own]}\"}", false),
            ("istio-sidecar-injector", "{config: \"{injectedAnnotations: {a: b}}\"}", true),
            (
                "istio-sidecar-injector",
                "{config: \"{injectedAnnotations: {traffic.sidecar.istio.io/excludeInboundPorts: '80'}}\"}",
                false,
            ),
            (
                "istio-sidecar-injector",
                "{config: \"\", values: '{\"global\": {\"proxy\": {\"includeInboundPorts\": \"*\"}}}'}",
                true,
            ),
            (
                "istio-sidecar-injector",
                "{config: \"\", values: '{\"global\": {\"proxy\": {\"excludeInboundPorts\": \"80\"}}}'}",
                false,
            ),
            (
                "istio-sidecar-injector",
                "{config: \"\", values: '{\"sidecarInjectorWebhook\": {\"enableNamespacesByDefault\": false}}'}",
                true,
            ),
            (
                "istio-sidecar-injector",
                "{config: \"\", values: '{\"sidecarInjectorWebhook\": {\"enableNamespacesByDefault\": true}}'}",
                false,
            ),
            ("istio-sidecar-injector", "{config: \"\", values: '{'}", false),
        ] {
            let (item, issues) =
                one(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {data}"));
            assert_eq!(matches!(item, Item::Nothing), usual, "{name} {data}");
            assert_eq!(matches!(item, Item::NotYet(_, names) if names.is_empty()), !usual, "{name} {data}");
            assert_eq!(issues, Vec::<String>::new(), "{name} {data}");
        }
    }

    #[test]
    fn the_mesh_s_settings_carry_their_problems() {
        for (data, parses, problems, wrong) in [
            ("{mesh: \"\"}", true, 0, 0),
            ("{mesh: \"enableAutoMtls: false\"}", true, 0, 0),
            ("{mesh: \"enableAutoMtls: flase\"}", true, 1, 0),
            ("{mesh: \"- a\"}", true, 1, 0),
            ("{mesh: \"a: b: c\"}", false, 0, 0),
            ("{mesh: {enableAutoMtls: false}}", false, 0, 1),
        ] {
            let (item, issues) =
                one(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio}}\ndata: {data}"));
            let Item::Mesh(_, config, found) = item else { panic!("{data}") };
            assert_eq!((config.is_some(), found.len(), issues.len()), (parses, problems, wrong), "{data}");
        }
        for data in ["null", "{other: x}", "{mesh: null}"] {
            let (item, _) = one(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio}}\ndata: {data}"));
            assert!(matches!(item, Item::Nothing), "{data}");
        }
    }
}
