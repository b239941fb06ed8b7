//! Pods and workload templates: who calls, who answers, and whether a proxy stands in between.

use super::injection;
use super::meta::{Labels, Meta, ObjectId};
use super::namespace::Namespace;
use crate::yaml::Node;

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
    /// Annotations of the pod that bear on the mesh.
    pub annotations: Labels,
    /// Where labels and annotations stand in the object: `metadata` or e.g. `spec.template.metadata`.
    pub path: &'static str,
    /// Addresses.
    pub ips: Vec<Box<str>>,
    /// Container ports that have a name.
    pub named_ports: Vec<(Box<str>, u16)>,
    /// `hostNetwork`.
    pub host_network: bool,
    /// An application container runs as user or group 1337: its calls are not captured (1.5).
    pub user_1337: bool,
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

/// Where the pod's metadata and spec are in each kind.
const TEMPLATES: &[(&str, &str, &str)] = &[
    ("Pod", "metadata", "spec"),
    ("CronJob", "spec.jobTemplate.spec.template.metadata", "spec.jobTemplate.spec.template.spec"),
    ("", "spec.template.metadata", "spec.template.spec"),
];

/// Annotations that decide something (6.4); the others are not kept.
fn matters(key: &str) -> bool {
    key.starts_with("sidecar.istio.io/")
        || key.starts_with("traffic.sidecar.istio.io/")
        || key.starts_with("inject.istio.io/")
        || key.starts_with("ambient.istio.io/")
        || matches!(key, "proxy.istio.io/config" | "status.sidecar.istio.io/port")
}

pub(super) fn read(root: Node<'_>, meta: Meta, kind: &'static str) -> Workload {
    let (_, path, spec_path) =
        *TEMPLATES.iter().find(|row| row.0 == kind || row.0.is_empty()).unwrap_or(&("", "metadata", "spec"));
    let pod_meta = root.find(path);
    let spec = root.find(spec_path);
    let labels = Labels::read(pod_meta.and_then(|m| m.get("labels")));
    let mut annotations = Labels::read(pod_meta.and_then(|m| m.get("annotations")));
    annotations.retain(matters);
    let containers = || {
        ["containers", "initContainers"]
            .into_iter()
            .flat_map(move |list| spec.and_then(|s| s.get(list)).into_iter().flat_map(Node::items))
    };
    let name_of = |container: Node<'_>| container.get("name").and_then(Node::text).unwrap_or_default().into_owned();
    let mut named_ports: Vec<(Box<str>, u16)> = Vec::new();
    for port in containers().filter_map(|c| c.get("ports")).flat_map(Node::items) {
        let number = port.get("containerPort").and_then(Node::as_i64).and_then(|n| u16::try_from(n).ok());
        if let (Some(name), Some(number)) = (port.get("name").and_then(Node::text), number) {
            named_ports.push((name.as_ref().into(), number));
        }
    }
    let is_1337 = |node: Option<Node<'_>>| {
        let id = |key| node.and_then(|n| n.get(key)).and_then(Node::as_i64) == Some(1337);
        id("runAsUser") || id("runAsGroup")
    };
    let application = |c: &Node<'_>| !matches!(name_of(*c).as_str(), "istio-proxy" | "istio-init" | "istio-validation");
    let user_1337 = containers().filter(application).any(|c| {
        let own = c.get("securityContext");
        let sets = |key: &str| own.and_then(|o| o.get(key)).is_some_and(|n| !n.is_null());
        let pod = spec.and_then(|s| s.get("securityContext"));
        let pod_is = |key: &str| !sets(key) && pod.and_then(|p| p.get(key)).and_then(Node::as_i64) == Some(1337);
        is_1337(own) || pod_is("runAsUser") || pod_is("runAsGroup")
    });
    let status = root.get("status");
    let mut ips = Vec::new();
    if kind == "Pod" {
        let all = status.and_then(|s| s.get("podIPs")).into_iter().flat_map(Node::items);
        ips.extend(all.filter_map(|item| Some(item.get("ip")?.text()?.as_ref().into())));
        let one: Option<Box<str>> =
            status.and_then(|s| s.get("podIP")).and_then(Node::text).map(|ip| ip.as_ref().into());
        ips.extend(one.filter(|ip| !ips.contains(ip)));
    }
    let phase = status.and_then(|s| s.get("phase")).and_then(Node::text).unwrap_or_default();
    let proxy_container = containers().find(|c| name_of(*c) == "istio-proxy");
    let shown = shown_proxy(&labels, &annotations, proxy_container);
    let text = |key: &str| spec.and_then(|s| s.get(key)).and_then(Node::text).filter(|t| !t.is_empty());
    Workload {
        kind,
        path,
        ips,
        named_ports,
        host_network: spec.and_then(|s| s.get("hostNetwork")).and_then(Node::as_bool) == Some(true),
        user_1337,
        service_account: text("serviceAccountName")
            .or_else(|| text("serviceAccount"))
            .as_deref()
            .unwrap_or("default")
            .into(),
        node: text("nodeName").map(|name| name.as_ref().into()),
        has_application: containers().any(|c| application(&c)),
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
}

/// Which proxy a workload has, and why.
struct Decided {
    proxy: Proxy,
    why: String,
    assumed: bool,
    label: Option<(ObjectId, &'static str)>,
}

impl Workload {
    /// The label that endpoints are announced with (`PodTLSMode`).
    #[must_use]
    pub fn tls_mode(&self) -> &str {
        self.labels.get("security.istio.io/tlsMode").unwrap_or("disabled")
    }

    /// Decides which proxy the workload has. Of a live pod that is what it shows; of a manifest it is predicted
    /// (`mutatingwebhook.yaml` and `inject.go : injectRequired`), and the labels that injection adds are added.
    pub fn settle(&mut self, view: &InjectionView<'_>) {
        let Decided { proxy, why, assumed, label } = self.decide(view);
        if proxy == Proxy::Sidecar && self.shown.is_none() {
            self.labels.add("security.istio.io/tlsMode", "istio");
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
        let named = self.labels.get("istio.io/rev").or(namespace_revision.filter(|_| !enabled));
        self.revision = named.map(Into::into);
        (self.proxy, self.proxy_why, self.assumed, self.proxy_label) = (proxy, why, assumed, label);
    }

    fn decide(&self, view: &InjectionView<'_>) -> Decided {
        let sure = |proxy: Proxy, why: &str| Decided { proxy, why: why.to_owned(), assumed: false, label: None };
        if let Some(proxy) = self.shown {
            return sure(proxy, &format!("the pod runs an Istio proxy ({})", proxy.word()));
        }
        if let Some(why) = self.ambient(view) {
            return sure(Proxy::Ambient, why);
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
        });
        let injected = template(&self.annotations).unwrap_or(Proxy::Sidecar);
        let proxy = if injection.wanted { injected } else { Proxy::None };
        let label = injection.namespace_label.zip(view.namespace).map(|(label, ns)| (ns.meta.id, label));
        Decided { proxy, why: injection.why, assumed: injection.assumed, label }
    }

    /// Why the workload is captured by ztunnel, or `None`. A fact for live pods, a prediction from labels for manifests.
    fn ambient(&self, view: &InjectionView<'_>) -> Option<&'static str> {
        if self.annotations.get("ambient.istio.io/redirection") == Some("enabled") {
            return Some("annotation ambient.istio.io/redirection: enabled");
        }
        let own = self.labels.get("istio.io/dataplane-mode");
        let asks = self.labels.get("sidecar.istio.io/inject") == Some("true");
        if self.live || self.host_network || own == Some("none") || asks {
            return None;
        }
        if own == Some("ambient") {
            return Some("label istio.io/dataplane-mode: ambient");
        }
        let namespace = view.namespace?;
        let sidecars = namespace.labels.get("istio-injection") == Some("enabled");
        let ambient = namespace.labels.get("istio.io/dataplane-mode") == Some("ambient");
        (ambient && !sidecars).then_some("its namespace has label istio.io/dataplane-mode: ambient")
    }
}
