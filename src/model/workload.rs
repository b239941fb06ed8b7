//! Pods and workload templates: who calls, who answers, and whether a proxy stands in between.

use super::injection;
use super::issue::Issues;
use super::mesh_config::INTERCEPTION_MODES;
use super::meta::{Labels, Meta, ObjectId};
use super::metadata::Metadata;
use super::namespace::Namespace;
use super::openshift::Control;
use crate::yaml::Node;
use serde::Deserialize;

/// The proxy of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proxy {
    /// None: the application's own bytes.
    None,
    /// Envoy beside the application.
    Sidecar,
    /// An ingress or egress gateway.
    Gateway,
    /// gRPC with xDS and no Envoy.
    Grpc,
    /// Captured by the node's ztunnel.
    Ambient,
    /// An ambient waypoint.
    Waypoint,
}

impl Proxy {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sidecar => "sidecar",
            Self::Gateway => "gateway",
            Self::Grpc => "grpc",
            Self::Ambient => "ambient",
            Self::Waypoint => "waypoint",
        }
    }
}

/// A Pod, or the template of a workload.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Name and namespace of the Pod or of the template's owner.
    pub meta: Meta,
    /// Kubernetes kind of the object.
    pub kind: &'static str,
    /// Labels of the pod, also those that a predicted injection adds.
    pub labels: Labels,
    /// Annotations of the pod.
    pub annotations: Labels,
    /// Where labels and annotations stand in the object: `metadata` or e.g. `spec.template.metadata`.
    pub path: &'static str,
    /// Addresses.
    pub ips: Vec<Box<str>>,
    /// Container ports that have a name.
    pub named_ports: Vec<(Box<str>, u16)>,
    /// The metadata of its proxy: what the object says (annotations `sidecar.istio.io/interceptionMode` and
    /// `proxy.istio.io/config`, the environment of its `istio-proxy` container), over what ProxyConfigs and the mesh
    /// give it.
    pub metadata: Metadata,
    /// `inject.istio.io/templates` lists none of Istio's own templates: what is injected is not in the input.
    pub custom_template: bool,
    /// The first annotation that is there of those that change what is captured and are not followed.
    pub unfollowed: Option<&'static str>,
    /// `hostNetwork`.
    pub host_network: bool,
    /// An application container runs as the proxy's user or group, 1337: its calls are not captured (1.5).
    pub user_1337: bool,
    /// The proxy's user and group: 1337, but in OpenShift Service Mesh before version 3.
    pub proxy_user: i64,
    /// Users and groups of the application's containers.
    pub users: Users,
    /// `serviceAccountName`, else `default`.
    pub service_account: Box<str>,
    /// `nodeName`.
    pub node: Option<Box<str>>,
    /// `replicas: 0`.
    pub scaled_to_zero: bool,
    /// Kind and name of the first `ownerReferences` entry.
    pub owner: Option<(Box<str>, Box<str>)>,
    /// The proxy that the object shows, or [`Proxy::None`].
    pub shown: Option<Proxy>,
    /// It has a container besides the proxy's.
    pub has_application: bool,
    /// A pod that runs (or ran): its proxy is a fact, not a prediction.
    pub live: bool,
    /// `Succeeded` or `Failed`: no longer an endpoint.
    pub finished: bool,
    /// What the mesh makes of it; set by [`Workload::settle`].
    pub proxy: Proxy,
    /// Why it has that proxy, or none.
    pub proxy_why: String,
    /// The Namespace and its label that decided it, where one did.
    pub proxy_label: Option<(ObjectId, &'static str)>,
    /// The proxy is an assumption (the Namespace object is not in the input).
    pub assumed: bool,
    /// Revision whose control plane it belongs to, where something names one.
    pub revision: Option<Box<str>>,
}

/// What the injector writes of itself on a pod (`pkg/kube/inject/webhook.go : SidecarInjectionStatus`): JSON.
#[derive(Deserialize)]
struct Injected {
    #[serde(default)]
    revision: Box<str>,
}

/// Where the pod is in each kind, and its metadata.
const TEMPLATES: &[(&str, &str, &str)] = &[
    ("CronJob", "spec.jobTemplate.spec.template", "spec.jobTemplate.spec.template.metadata"),
    ("", "spec.template", "spec.template.metadata"),
];

/// The label by which pods and namespaces ask for the ambient mesh.
pub(super) const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
/// The label of endpoints that take HBONE.
const TUNNEL: &str = "networking.istio.io/tunnel";

/// Annotations that change what is captured and are not followed.
const UNFOLLOWED: [&str; 3] = [
    "traffic.sidecar.istio.io/excludeInterfaces",
    "traffic.sidecar.istio.io/kubevirtInterfaces",
    "istio.io/reroute-virtual-interfaces",
];

/// Whether an annotation decides something (6.4).
pub(super) fn matters(key: &str) -> bool {
    key.starts_with("sidecar.istio.io/")
        || key.starts_with("traffic.sidecar.istio.io/")
        || key.starts_with("inject.istio.io/")
        || key.starts_with("ambient.istio.io/")
        || matches!(key, "proxy.istio.io/config" | "status.sidecar.istio.io/port")
        || UNFOLLOWED.contains(&key)
}

/// Metadata and spec of the pod that an object is or makes.
struct Pod<'a> {
    path: &'static str,
    meta: Option<Node<'a>>,
    spec: Option<Node<'a>>,
    /// `spec`, or e.g. `spec.template.spec`.
    spec_path: String,
}

impl<'a> Pod<'a> {
    fn find(root: Node<'a>, kind: &str, issues: &mut Issues) -> Self {
        if kind == "Pod" {
            // `metadata` has been looked at with the object's own.
            let spec = issues.mapping(root.get("spec"), "spec");
            return Self { path: "metadata", meta: root.get("metadata"), spec, spec_path: "spec".to_owned() };
        }
        let row = TEMPLATES.iter().find(|row| row.0 == kind || row.0.is_empty());
        let (_, template, path) = *row.unwrap_or(&("", "spec.template", "spec.template.metadata"));
        let pod = issues.descend(root, template);
        let meta = issues.mapping(pod.and_then(|p| p.get("metadata")), path);
        let spec_path = format!("{template}.spec");
        let spec = issues.mapping(pod.and_then(|p| p.get("spec")), &spec_path);
        Self { path, meta, spec, spec_path }
    }

    fn get(&self, key: &str) -> Option<Node<'a>> {
        self.spec.and_then(|spec| spec.get(key))
    }

    fn containers(&self, issues: &mut Issues) -> Vec<Container<'a>> {
        let mut found = Vec::new();
        for list in ["containers", "initContainers"] {
            let path = format!("{}.{list}", self.spec_path);
            for (at, node) in issues.mappings(self.get(list), &path) {
                let path = format!("{path}[{at}]");
                let name = issues.string(node.get("name"), format_args!("{path}.name")).unwrap_or_default();
                let stays = list == "containers" || node.get("restartPolicy").and_then(Node::as_str) == Some("Always");
                found.push(Container { node, name: name.into_owned(), stays, path });
            }
        }
        found
    }
}

/// A container, or an init container.
struct Container<'a> {
    node: Node<'a>,
    name: String,
    /// It runs as long as the pod does: not an init container, unless it is a sidecar of Kubernetes' own kind.
    stays: bool,
    path: String,
}

impl Container<'_> {
    fn is_application(&self) -> bool {
        !matches!(self.name.as_str(), "istio-proxy" | "istio-init" | "istio-validation")
    }

    fn named_ports(&self, issues: &mut Issues) -> Vec<(Box<str>, u16)> {
        let path = format!("{}.ports", self.path);
        let mut found = Vec::new();
        for (at, port) in issues.mappings(self.node.get("ports"), &path) {
            let number = issues.port(port.get("containerPort"), format_args!("{path}[{at}].containerPort"));
            let name = issues.string(port.get("name"), format_args!("{path}[{at}].name"));
            // A Service port finds a container port by name and protocol; UDP ports are none of the mesh's.
            if port.get("protocol").and_then(Node::as_str) == Some("UDP") {
                continue;
            }
            found.extend(name.zip(number).map(|(name, number)| (name.as_ref().into(), number)));
        }
        found
    }
}

/// `runAsUser` and `runAsGroup` of a pod or container.
fn runs_as(parent: Option<Node<'_>>, path: &str, issues: &mut Issues) -> [Option<i64>; 2] {
    let path = format!("{path}.securityContext");
    let context = issues.mapping(parent.and_then(|p| p.get("securityContext")), &path);
    ["runAsUser", "runAsGroup"]
        .map(|key| issues.integer(context.and_then(|c| c.get(key)), format_args!("{path}.{key}")))
}

/// The proxy's user and group (`injection-template.yaml`).
const PROXY_USER: i64 = 1337;

/// Users and groups of the application's containers, as far as the object says them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// The highest user.
    highest: Option<i64>,
    /// Each user and group, once.
    all: Vec<i64>,
}

impl Users {
    /// Adds user and group of a container, over those of its pod.
    fn add(&mut self, container: [Option<i64>; 2], pod: [Option<i64>; 2]) {
        let [user, group] = [0, 1].map(|at| container.get(at).copied().flatten().or(pod.get(at).copied().flatten()));
        self.highest = self.highest.max(user);
        for id in user.into_iter().chain(group) {
            if !self.all.contains(&id) {
                self.all.push(id);
            }
        }
    }

    fn includes(&self, id: i64) -> bool {
        self.all.contains(&id)
    }

    /// The proxy's user in OpenShift Service Mesh 1.x and 2.x: the annotation's, else the application's plus one
    /// (`fork-2.5:pkg/kube/inject/webhook.go : inject`).
    fn proxy(&self, annotation: Option<&str>) -> i64 {
        let written = annotation.and_then(|text| text.parse().ok());
        written.or_else(|| self.highest?.checked_add(1)).unwrap_or(PROXY_USER)
    }
}

/// What an object says of its proxy's metadata: in annotations, under what the environment of its `istio-proxy`
/// container says.
fn read_metadata(
    annotations: &Labels,
    meta: Option<Node<'_>>,
    path: &str,
    proxy: Option<&Container<'_>>,
    issues: &mut Issues,
) -> Metadata {
    let mut written = Metadata::default();
    let annotation = |key: &str| meta.and_then(|m| m.get("annotations")).and_then(|all| all.get(key));
    let words = INTERCEPTION_MODES.get(..3).unwrap_or_default();
    let mode = annotation("sidecar.istio.io/interceptionMode").filter(|mode| mode.text().as_deref() != Some(""));
    let place = format_args!("{path}.annotations[\"sidecar.istio.io/interceptionMode\"]").to_string();
    let mut modes = vec![issues.word(mode, &place, words)];
    if let Some(config) = annotations.get("proxy.istio.io/config") {
        written.set_config(config);
    }
    let mut shown = Metadata::default();
    let path = proxy.map(|proxy| format!("{}.env", proxy.path)).unwrap_or_default();
    for (at, variable) in issues.mappings(proxy.and_then(|proxy| proxy.node.get("env")), &path) {
        let name = issues.string(variable.get("name"), format_args!("{path}[{at}].name")).unwrap_or_default();
        let value = variable.get("value").filter(|v| !v.is_null());
        match (&*name, value.and_then(Node::text)) {
            ("ISTIO_META_INTERCEPTION_MODE", Some(_)) => {
                modes.push(issues.word(value, format_args!("{path}[{at}].value"), words));
            }
            ("PROXY_CONFIG", Some(config)) => written = of_config(&config).over(&written),
            (name, value) => shown.set(name, value.as_deref()),
        }
    }
    let mut metadata = shown.over(&written);
    modes.into_iter().flatten().for_each(|none| metadata.says_mode(none));
    metadata
}

/// What a ProxyConfig as text says.
fn of_config(text: &str) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.set_config(text);
    metadata
}

pub(super) fn read(root: Node<'_>, meta: Meta, kind: &'static str, issues: &mut Issues) -> Workload {
    let pod = Pod::find(root, kind, issues);
    let path = pod.path;
    let (labels, annotations) = if kind == "Pod" {
        (meta.labels.clone(), meta.annotations.clone())
    } else {
        let mut map = |key: &str| Labels::read(pod.meta.and_then(|m| m.get(key)), format_args!("{path}.{key}"), issues);
        (map("labels"), map("annotations"))
    };
    let containers = pod.containers(issues);
    let mut named_ports = Vec::new();
    let mut users = Users::default();
    let own = runs_as(pod.spec, &pod.spec_path, issues);
    for container in &containers {
        let ports = container.named_ports(issues);
        let context = runs_as(Some(container.node), &container.path, issues);
        if container.stays {
            named_ports.extend(ports);
            if container.is_application() {
                users.add(context, own);
            }
        }
    }
    let status = issues.mapping(root.get("status"), "status");
    let mut ips = Vec::new();
    if kind == "Pod" {
        for (at, item) in issues.mappings(status.and_then(|s| s.get("podIPs")), "status.podIPs") {
            let ip = issues.string(item.get("ip"), format_args!("status.podIPs[{at}].ip"));
            ips.extend(ip.map(|ip| Box::<str>::from(ip.as_ref())));
        }
        let one = issues.string(status.and_then(|s| s.get("podIP")), "status.podIP");
        ips.extend(one.map(|ip| Box::<str>::from(ip.as_ref())).filter(|ip| !ips.contains(ip)));
    }
    let phase = status.and_then(|s| s.get("phase")).and_then(Node::text).unwrap_or_default();
    let proxy_container = containers.iter().find(|c| c.name == "istio-proxy");
    let shown = shown_proxy(&labels, &annotations, proxy_container.map(|c| c.node));
    let metadata = read_metadata(&annotations, pod.meta, path, proxy_container, issues);
    let mut text = |key: &str| {
        let path = format_args!("{}.{key}", pod.spec_path).to_string();
        issues.string(pod.get(key), path).filter(|t| !t.is_empty())
    };
    let account = text("serviceAccountName").or_else(|| text("serviceAccount"));
    let node = text("nodeName");
    Workload {
        kind,
        path,
        ips,
        named_ports,
        metadata,
        custom_template: annotations.get("inject.istio.io/templates").is_some_and(|list| {
            !list.split(',').any(|name| matches!(name.trim(), "sidecar" | "gateway" | "grpc-agent" | "grpc-simple"))
        }),
        unfollowed: UNFOLLOWED.into_iter().find(|key| annotations.get(key).is_some()),
        host_network: issues.boolean(pod.get("hostNetwork"), format_args!("{}.hostNetwork", pod.spec_path))
            == Some(true),
        user_1337: users.includes(PROXY_USER),
        proxy_user: PROXY_USER,
        users,
        service_account: account.as_deref().unwrap_or("default").into(),
        node: node.map(|name| name.as_ref().into()),
        has_application: containers.iter().any(|container| container.stays && container.is_application()),
        scaled_to_zero: root.find("spec.replicas").and_then(Node::as_i64) == Some(0),
        owner: root.find("metadata.ownerReferences").into_iter().flat_map(Node::items).find_map(|owner| {
            Some((owner.get("kind")?.text()?.as_ref().into(), owner.get("name")?.text()?.as_ref().into()))
        }),
        live: kind == "Pod" && (status.is_some_and(|s| !s.is_empty()) || root.find("metadata.uid").is_some()),
        finished: matches!(&*phase, "Succeeded" | "Failed"),
        proxy: Proxy::None,
        proxy_why: String::new(),
        proxy_label: None,
        assumed: false,
        revision: None,
        shown,
        labels,
        annotations,
        meta,
    }
}

/// The proxy that an object shows by itself: an injected pod carries `sidecar.istio.io/status` or the container; the
/// injection template decides what kind of proxy that is (1.6).
fn shown_proxy(labels: &Labels, annotations: &Labels, container: Option<Node<'_>>) -> Option<Proxy> {
    if labels.get("gateway.istio.io/managed") == Some("istio.io-mesh-controller") {
        return Some(Proxy::Waypoint);
    }
    if annotations.get("sidecar.istio.io/status").is_none() && container.is_none() {
        return None;
    }
    let args: Vec<_> =
        container.and_then(|c| c.get("args")).into_iter().flat_map(Node::items).filter_map(Node::text).collect();
    let role = args.iter().skip_while(|arg| **arg != "proxy").nth(1).map(|arg| arg.as_ref());
    Some(match (template(annotations), role) {
        (Some(proxy), _) => proxy,
        (None, Some("router")) => Proxy::Gateway,
        (None, Some("waypoint")) => Proxy::Waypoint,
        _ if labels.get("gateway.networking.k8s.io/gateway-name").is_some() => Proxy::Gateway,
        _ => Proxy::Sidecar,
    })
}

/// The kind of proxy that `inject.istio.io/templates` asks for.
fn template(annotations: &Labels) -> Option<Proxy> {
    let templates = annotations.get("inject.istio.io/templates")?;
    let has = |name: &str| templates.split(',').any(|word| word.trim() == name);
    if has("sidecar") {
        return Some(Proxy::Sidecar);
    }
    match (has("gateway"), has("grpc-agent") || has("grpc-simple")) {
        (true, _) => Some(Proxy::Gateway),
        (_, true) => Some(Proxy::Grpc),
        // A template of the user's own is laid over nothing: what it injects is not in the input.
        _ => Some(Proxy::Sidecar),
    }
}

/// What decides injection besides the pod itself.
pub struct InjectionView<'a> {
    /// The Namespace object, where the input has it.
    pub namespace: Option<&'a Namespace>,
    /// A namespace without object counts as labelled for injection.
    pub assume_injected: bool,
    /// The control plane of OpenShift Service Mesh or Sail, where the input has one.
    pub control: Option<&'a Control>,
    /// The product knows the ambient mesh.
    pub ambient: bool,
}

/// Which proxy a workload has, and why.
struct Decided {
    proxy: Proxy,
    why: String,
    assumed: bool,
    label: Option<(ObjectId, &'static str)>,
    revision: Option<Box<str>>,
}

impl Workload {
    /// Its proxy intercepts nothing (interception mode NONE).
    #[must_use]
    pub fn intercepts_nothing(&self) -> bool {
        self.metadata.intercept_none == Some(true)
    }

    /// The label that endpoints are announced with (`PodTLSMode`).
    #[must_use]
    pub fn tls_mode(&self) -> &str {
        self.labels.get("security.istio.io/tlsMode").unwrap_or("disabled")
    }

    /// Decides which proxy the workload has. Of a live pod that is what it shows; of a manifest it is predicted
    /// (`mutatingwebhook.yaml` and `inject.go : injectRequired`), and the labels that injection adds are added.
    pub fn settle(&mut self, view: &InjectionView<'_>) {
        let Decided { proxy, why, assumed, label, revision } = self.decide(view);
        self.captured_as_the_mesh_does(view.control, proxy);
        if proxy == Proxy::Sidecar && self.shown.is_none() {
            self.labels.add("security.istio.io/tlsMode", "istio");
            // injection-template.yaml adds the label where the proxy will listen for HBONE.
            if self.metadata.enables_hbone() {
                self.labels.add(TUNNEL, "http");
            }
        }
        if self.shown.is_none() && matches!(proxy, Proxy::Sidecar | Proxy::Gateway | Proxy::Grpc) {
            let first = |keys: &[&str]| keys.iter().find_map(|key| self.labels.get(key)).map(str::to_owned);
            let name = first(&["app.kubernetes.io/name", "app"]).unwrap_or_else(|| self.meta.name.to_string());
            let revision = first(&["app.kubernetes.io/version", "version"]).unwrap_or_else(|| "latest".to_owned());
            self.labels.add("service.istio.io/canonical-name", &name);
            self.labels.add("service.istio.io/canonical-revision", &revision);
        }
        let namespace_revision = view.namespace.and_then(|ns| ns.labels.get("istio.io/rev"));
        let enabled = view.namespace.is_some_and(|ns| ns.labels.get("istio-injection") == Some("enabled"));
        // In OpenShift Service Mesh before version 3 the label of a namespace means nothing.
        let by_roll = view.control.is_some_and(|control| control.members.is_some());
        let own = self.labels.get("istio.io/rev").filter(|_| !by_roll || self.shown.is_some());
        let named = own.or(namespace_revision.filter(|_| !enabled && !by_roll));
        let revisions = view.control.and_then(|control| control.revisions.as_ref());
        // A tag means a revision.
        let named = named.map(|name| revisions.and_then(|all| all.resolve(name)).unwrap_or(name));
        self.revision = self.injected_by().or(revision).or_else(|| named.map(Into::into));
        (self.proxy, self.proxy_why, self.assumed, self.proxy_label) = (proxy, why, assumed, label);
    }

    /// The revision that injected a pod, as it says itself (`sidecar.istio.io/status`).
    fn injected_by(&self) -> Option<Box<str>> {
        let status: Injected = serde_json::from_str(self.annotations.get("sidecar.istio.io/status")?).ok()?;
        Some(status.revision).filter(|name| !name.is_empty())
    }

    fn decide(&self, view: &InjectionView<'_>) -> Decided {
        let sure = |proxy: Proxy, why: &str| {
            let (assumed, label, revision) = (false, None, None);
            Decided { proxy, why: why.to_owned(), assumed, label, revision }
        };
        if let Some(proxy) = self.shown {
            return sure(proxy, &format!("the pod runs an Istio proxy ({})", proxy.word()));
        }
        if view.ambient && self.redirected() {
            return sure(Proxy::Ambient, "annotation ambient.istio.io/redirection: enabled");
        }
        if self.live {
            return sure(Proxy::None, "the running pod has no istio-proxy container and no sidecar.istio.io/status");
        }
        let injection = injection::predict(injection::Subject {
            labels: &self.labels,
            annotations: &self.annotations,
            host_network: self.host_network,
            namespace: &self.meta.namespace,
            namespace_labels: view.namespace.map(|namespace| &namespace.labels),
            assume_injected: view.assume_injected,
            control: view.control,
        });
        // A pod that is injected is never captured (`cni/pkg/util/enablement_selector.go : Matches`).
        if let Some((why, label)) = self.ambient(view).filter(|_| !injection.wanted || injection.assumed) {
            let label = label.zip(view.namespace).map(|(label, ns)| (ns.meta.id, label));
            return Decided { label, ..sure(Proxy::Ambient, why) };
        }
        let injected = template(&self.annotations).unwrap_or(Proxy::Sidecar);
        let proxy = if injection.wanted { injected } else { Proxy::None };
        let label = injection.namespace_label.zip(view.namespace).map(|(label, ns)| (ns.meta.id, label));
        Decided { proxy, why: injection.why, assumed: injection.assumed, label, revision: injection.revision }
    }

    /// What a control plane says of every sidecar: what is captured, and which user the proxy is.
    fn captured_as_the_mesh_does(&mut self, control: Option<&Control>, proxy: Proxy) {
        let Some(control) = control.filter(|_| proxy == Proxy::Sidecar) else { return };
        for (annotation, value) in control.plane.iter().flat_map(|plane| &plane.capture) {
            self.annotations.add(annotation, value);
        }
        if control.release().is_some() {
            self.proxy_user = self.users.proxy(self.annotations.get("sidecar.istio.io/proxyUID"));
            self.user_1337 = self.users.includes(self.proxy_user);
        }
    }

    /// The CNI plugin says that it captures the pod. In a template the annotation is nobody's word, and of the host's
    /// network nothing is captured.
    fn redirected(&self) -> bool {
        let says = self.annotations.get("ambient.istio.io/redirection") == Some("enabled");
        says && self.kind == "Pod" && !self.host_network
    }

    /// Why a pod of this manifest will be captured by ztunnel, and the Namespace's label where that decides
    /// (`manifests/charts/istio-cni/values.yaml : ambient.enablementSelectors`). Of a running pod only the annotation
    /// tells: one that has the labels and was never enrolled is not captured.
    fn ambient(&self, view: &InjectionView<'_>) -> Option<(&'static str, Option<&'static str>)> {
        let own = self.labels.get(DATAPLANE_MODE);
        if !view.ambient || self.live || self.host_network || own == Some("none") {
            return None;
        }
        if own == Some("ambient") {
            return Some(("label istio.io/dataplane-mode: ambient", None));
        }
        let ambient = view.namespace?.labels.get(DATAPLANE_MODE) == Some("ambient");
        ambient.then_some(("its namespace has label istio.io/dataplane-mode: ambient", Some(DATAPLANE_MODE)))
    }

    /// Whether callers are told that it takes HBONE by its own label.
    #[must_use]
    pub fn labelled_tunnel(&self) -> bool {
        tunnels(&self.labels)
    }
}

/// Whether labels say that HBONE is taken (`pilot/pkg/model/service.go : SupportsTunnel`: a list of words).
#[must_use]
pub fn tunnels(labels: &Labels) -> bool {
    labels.get(TUNNEL).is_some_and(|list| list.split(',').any(|word| word.trim() == "http"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::{messages, meta};

    /// The workload of a Deployment whose pod has this metadata and spec, and the messages.
    fn deployment(metadata: &str, spec: &str) -> (Workload, Vec<String>) {
        let mut found = None;
        let text = format!("spec: {{template: {{metadata: {metadata}, spec: {spec}}}}}");
        let wrong = messages(&text, |root, issues| found = Some(read(root, meta(), "Deployment", issues)));
        (found.unwrap(), wrong)
    }

    #[test]
    fn init_containers_are_gone_when_the_pod_runs() {
        let user = "securityContext: {runAsUser: 1337}";
        let ports = "ports: [{name: http, containerPort: 8080}]";
        for (spec, user_1337, named) in [
            (format!("{{containers: [{{name: a, {user}, {ports}}}]}}"), true, 1),
            (format!("{{initContainers: [{{name: a, {user}, {ports}}}]}}"), false, 0),
            (format!("{{initContainers: [{{name: a, restartPolicy: Always, {user}, {ports}}}]}}"), true, 1),
            (format!("{{initContainers: [{{name: istio-proxy, restartPolicy: Always, {user}, {ports}}}]}}"), false, 1),
            (format!("{{containers: [{{name: istio-proxy, {user}}}, {{name: a}}]}}"), false, 0),
            (format!("{{containers: [{{name: a}}], {user}}}"), true, 0),
            (format!("{{containers: [{{name: a, securityContext: {{runAsUser: 1}}}}], {user}}}"), false, 0),
            ("{containers: [{name: a, securityContext: {runAsGroup: 1337}}]}".to_owned(), true, 0),
        ] {
            let (workload, wrong) = deployment("{}", &spec);
            assert_eq!((workload.user_1337, workload.named_ports.len()), (user_1337, named), "{spec}");
            assert_eq!(wrong, Vec::<String>::new(), "{spec}");
        }
    }

    #[test]
    fn the_interception_mode_is_said_in_four_places() {
        let annotation = |key: &str, value: &str| format!("{{annotations: {{{key}: {value:?}}}}}");
        let (mode, config) = ("sidecar.istio.io/interceptionMode", "proxy.istio.io/config");
        let env = |value: &str| {
            format!("{{containers: [{{name: istio-proxy, env: [{{name: ISTIO_META_INTERCEPTION_MODE, {value}}}]}}]}}")
        };
        for (metadata, spec, want, unread) in [
            ("{}".to_owned(), "{}".to_owned(), None, false),
            (annotation(mode, "NONE"), "{}".to_owned(), Some(true), false),
            (annotation(mode, "REDIRECT"), "{}".to_owned(), Some(false), false),
            (annotation(mode, ""), "{}".to_owned(), None, false),
            (annotation(config, "interceptionMode: NONE"), "{}".to_owned(), Some(true), false),
            (annotation(config, "interception_mode: 2"), "{}".to_owned(), Some(true), false),
            (annotation(config, "{\"interceptionMode\": \"TPROXY\"}"), "{}".to_owned(), Some(false), false),
            (annotation(config, "interceptionMode: none"), "{}".to_owned(), None, true),
            (
                annotation(config, "proxyMetadata: {ISTIO_META_INTERCEPTION_MODE: NONE}"),
                "{}".to_owned(),
                Some(true),
                false,
            ),
            ("{}".to_owned(), env("value: NONE"), Some(true), false),
            ("{}".to_owned(), env("value: REDIRECT"), Some(false), false),
            ("{}".to_owned(), env("valueFrom: {}"), None, true),
            (annotation(mode, "NONE"), env("value: REDIRECT"), Some(true), false),
        ] {
            let (workload, wrong) = deployment(&metadata, &spec);
            let found = (workload.metadata.intercept_none, workload.metadata.unclear);
            assert_eq!(found, (want, unread), "{metadata} {spec}");
            assert_eq!(wrong, Vec::<String>::new(), "{metadata} {spec}");
        }
        let (workload, wrong) = deployment(&annotation(mode, "none"), "{}");
        assert_eq!((workload.metadata.intercept_none, wrong.len()), (None, 1));
    }

    #[test]
    fn metadata_is_read_from_annotation_and_environment() {
        let config = |value: &str| format!("{{annotations: {{proxy.istio.io/config: {value:?}}}}}");
        let env = |name: &str, container: &str| {
            format!("{{containers: [{{name: {container}, env: [{{name: {name}, value: \"true\"}}]}}]}}")
        };
        let from = "{containers: [{name: istio-proxy, env: [{name: ISTIO_META_ENABLE_HBONE, valueFrom: {}}]}]}";
        let whole = "{containers: [{name: istio-proxy, env: [{name: PROXY_CONFIG, value: '{\"proxyMetadata\": {\"ISTIO_META_ENABLE_HBONE\": \"1\"}}'}]}]}";
        let (file, hbone) = ("ISTIO_META_TLS_CLIENT_CERT_CHAIN", "ISTIO_META_ENABLE_HBONE");
        // client certificate, HBONE, unclear
        for (metadata, spec, want) in [
            (config(""), "{}".to_owned(), (false, None, false)),
            (config("concurrency: 2"), "{}".to_owned(), (false, None, false)),
            (config("proxyMetadata: {ISTIO_META_DNS_CAPTURE: \"true\"}"), "{}".to_owned(), (false, None, false)),
            (config(&format!("proxyMetadata: {{{file}: /c}}")), "{}".to_owned(), (true, None, false)),
            (config(&format!("proxy_metadata: {{{hbone}: \"true\"}}")), "{}".to_owned(), (false, Some(true), false)),
            (config("proxyMetadata: [a]"), "{}".to_owned(), (false, None, true)),
            (config("[]"), "{}".to_owned(), (false, None, true)),
            (config("a: b: c"), "{}".to_owned(), (false, None, true)),
            ("{}".to_owned(), env(file, "istio-proxy"), (true, None, false)),
            ("{}".to_owned(), env(file, "app"), (false, None, false)),
            ("{}".to_owned(), from.to_owned(), (false, None, true)),
            (
                config(&format!("proxyMetadata: {{{hbone}: \"false\"}}")),
                env(hbone, "istio-proxy"),
                (false, Some(true), false),
            ),
            (config(&format!("proxyMetadata: {{{hbone}: \"false\"}}")), whole.to_owned(), (false, Some(true), false)),
        ] {
            let found = deployment(&metadata, &spec).0.metadata;
            assert_eq!((found.has_client_files(), found.enable_hbone, found.unclear), want, "{metadata} {spec}");
        }
    }

    #[test]
    fn templates_and_annotations_that_are_not_followed_are_named() {
        for (key, value, custom, unfollowed) in [
            ("inject.istio.io/templates", "sidecar", false, None),
            ("inject.istio.io/templates", "own, grpc-agent", false, None),
            ("inject.istio.io/templates", "own", true, None),
            ("inject.istio.io/templates", "own,sidecars", true, None),
            (
                "traffic.sidecar.istio.io/excludeInterfaces",
                "eth1",
                false,
                Some("traffic.sidecar.istio.io/excludeInterfaces"),
            ),
            (
                "traffic.sidecar.istio.io/kubevirtInterfaces",
                "k6t",
                false,
                Some("traffic.sidecar.istio.io/kubevirtInterfaces"),
            ),
            ("istio.io/reroute-virtual-interfaces", "k6t", false, Some("istio.io/reroute-virtual-interfaces")),
            ("example.com/own", "x", false, None),
        ] {
            let (workload, _) = deployment(&format!("{{annotations: {{{key}: {value:?}}}}}"), "{}");
            assert_eq!((workload.custom_template, workload.unfollowed), (custom, unfollowed), "{key}: {value}");
        }
    }

    #[test]
    fn wrong_types_are_issues() {
        for (metadata, spec, want) in [
            ("{labels: {app: web, empty: }, annotations: {a: \"1\"}}", "{hostNetwork: false, containers: null}", ""),
            ("web", "{}", "spec.template.metadata must be a mapping, not \"web\""),
            ("{labels: [app]}", "{}", "spec.template.metadata.labels must be a mapping, not a list"),
            (
                "{labels: {version: 1.10}}",
                "{}",
                "spec.template.metadata.labels[\"version\"] must be a string: quote it",
            ),
            ("{annotations: {a: true}}", "{}", "spec.template.metadata.annotations[\"a\"] must be a string: quote it"),
            ("{}", "[]", "spec.template.spec must be a mapping, not a list"),
            ("{}", "{containers: {name: a}}", "spec.template.spec.containers must be a list, not a mapping"),
            ("{}", "{containers: [a]}", "spec.template.spec.containers[0] must be a mapping, not \"a\""),
            ("{}", "{containers: [{ports: 80}]}", "spec.template.spec.containers[0].ports must be a list, not 80"),
            (
                "{}",
                "{hostNetwork: \"true\"}",
                "spec.template.spec.hostNetwork must be true or false, not the string \"true\"",
            ),
            (
                "{}",
                "{securityContext: {runAsUser: \"1337\"}}",
                "spec.template.spec.securityContext.runAsUser must be a whole number, not \"1337\"",
            ),
        ] {
            assert_eq!(deployment(metadata, spec).1.join("; "), want, "{metadata} {spec}");
        }
        for (kind, text, want) in [
            ("Deployment", "spec: web", "spec must be a mapping, not \"web\""),
            ("Deployment", "spec: {template: [web]}", "spec.template must be a mapping, not a list"),
            ("CronJob", "spec: {jobTemplate: {spec: web}}", "spec.jobTemplate.spec must be a mapping, not \"web\""),
            ("Pod", "spec: web", "spec must be a mapping, not \"web\""),
            ("Pod", "status: {podIPs: 1.2.3.4}", "status.podIPs must be a list, not \"1.2.3.4\""),
        ] {
            let found = messages(text, |root, issues| {
                read(root, meta(), kind, issues);
            });
            assert_eq!(found.join("; "), want, "{kind} {text}");
        }
    }
}
