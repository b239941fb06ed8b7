//! MC0311: a Prometheus outside the mesh that is told to scrape a STRICT port.
//!
//! Injection merges what `prometheus.io/*` annotations of a pod ask for into port 15020, which is never captured
//! (`enablePrometheusMerge`, true by default); nothing does that for ServiceMonitors, PodMonitors and annotations of
//! Services.

use crate::finding::Confidence;
use crate::lint::pods::{Firsts, Pod, behind, confidence, enforced, exception, label_selector, policy_place};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::service::Origin;
use crate::model::{ObjectId, Proxy, Service, Workload};
use crate::mtls::server::ModeFrom;
use crate::yaml::{self, Node};

const SCRAPE: &str = "prometheus.io/scrape";
const PORT: &str = "prometheus.io/port";

/// A scrape that is refused.
struct Refused {
    workload: u32,
    port: u16,
    from: ModeFrom,
}

/// Reports each setting that makes Prometheus scrape a port which refuses it.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let prometheus = prometheus(lint);
    // With a sidecar it has a certificate that it can be told to scrape with; how it scrapes is not in these objects.
    if prometheus == Some(true) {
        return;
    }
    let sure = if prometheus.is_some() { Confidence::High } else { Confidence::Medium };
    let mut found = of_pods(lint);
    found.extend(of_services(lint));
    found.extend(of_service_monitors(lint));
    found.extend(of_pod_monitors(lint));
    for (object, path, refused) in found {
        let Some(workload) = lint.mesh.workloads.get(refused.workload as usize) else { continue };
        let message = format!(
            "this makes Prometheus scrape port {} of {}: STRICT refuses it, because a Prometheus outside the mesh has no certificate of it",
            refused.port,
            workload.meta.slash()
        );
        let help = format!(
            "{}; or let metrics be merged (prometheus.io/* annotations on the pod: port 15020 is never captured); or let Prometheus scrape with a certificate of the mesh",
            exception(lint.mesh, workload, refused.port, None)
        );
        let finding = out.add(object, path, message, help);
        finding.confidence = confidence(workload).max(sure);
        finding.related.extend(policy_place(lint.mesh, refused.from));
    }
}

/// Whether the input has a Prometheus, and whether one of them has a sidecar.
fn prometheus(lint: &Lint<'_>) -> Option<bool> {
    let servers = lint.mesh.workloads.iter().filter(|workload| is_prometheus(lint, workload));
    servers.map(|workload| workload.proxy == Proxy::Sidecar).reduce(|a, b| a || b)
}

fn is_prometheus(lint: &Lint<'_>, workload: &Workload) -> bool {
    let Some(pod) = Pod::of(lint, workload) else { return false };
    pod.containers().iter().any(|container| {
        let image = container.node.get("image").and_then(Node::as_str).unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or_default();
        name.split([':', '@']).next() == Some("prometheus")
    })
}

/// `enablePrometheusMerge` of the mesh's settings.
fn merges(lint: &Lint<'_>) -> bool {
    let text = lint.mesh.config_from.and_then(|id| lint.node(id)?.get("data")?.get("mesh")?.as_str());
    let tree = text.and_then(yaml::parse_text);
    let root = tree.as_ref().map(|tree| tree.root());
    let value = root.and_then(|root| root.get("enablePrometheusMerge").or_else(|| root.get("enable_prometheus_merge")));
    value.and_then(Node::as_bool) != Some(false)
}

type Found = (ObjectId, Path, Refused);

fn refused(lint: &Lint<'_>, workload: u32, port: u16) -> Option<Refused> {
    Some(Refused { workload, port, from: enforced(lint, workload, port)? })
}

/// Annotations of pods, where their metrics are not merged.
fn of_pods(lint: &Lint<'_>) -> Vec<Found> {
    let by_default = merges(lint);
    let mut firsts = Firsts::default();
    let mut found = Vec::new();
    for (number, workload) in (0..).zip(&lint.mesh.workloads).filter(|(_, w)| w.proxy == Proxy::Sidecar) {
        let Some(pod) = Pod::of(lint, workload) else { continue };
        let merged = pod.annotation("prometheus.istio.io/merge-metrics").map_or(by_default, |word| word != "false");
        let port = pod.annotation(PORT).and_then(|port| port.trim().parse().ok());
        let Some(port) = port.filter(|_| !merged && pod.annotation(SCRAPE).as_deref() == Some("true")) else {
            continue;
        };
        if let Some(refused) = refused(lint, number, port)
            && firsts.is_first(workload)
        {
            found.push((workload.meta.id, pod.meta_path.key("annotations").key(PORT), refused));
        }
    }
    found
}

/// Annotations of Services: the pods behind them are scraped at that port, or at the Service's.
fn of_services(lint: &Lint<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (number, service) in kubernetes(lint) {
        let annotation = |key: &str| service.meta.annotations.get(key);
        if annotation(SCRAPE) != Some("true") {
            continue;
        }
        let own: Option<u16> = annotation(PORT).and_then(|port| port.trim().parse().ok());
        let pods = (0..service.ports.len()).flat_map(|at| behind(lint, number, at));
        let hit = pods.map(|(pod, port)| (pod, own.unwrap_or(port))).find_map(|(pod, port)| refused(lint, pod, port));
        let key = if own.is_some() { PORT } else { SCRAPE };
        found.extend(hit.map(|hit| (service.meta.id, Path::new("metadata.annotations").key(key), hit)));
    }
    found
}

fn kubernetes<'m>(lint: &Lint<'m>) -> impl Iterator<Item = (u32, &'m Service)> {
    (0..).zip(&lint.mesh.services).filter(|(_, service)| service.origin == Origin::Kubernetes)
}

/// Whether a monitor looks at a namespace: its own, unless `namespaceSelector` says more.
fn looks_at(spec: Node<'_>, own: &str, namespace: &str) -> bool {
    let Some(selector) = spec.get("namespaceSelector") else { return own == namespace };
    let names = selector.get("matchNames").filter(|names| !names.is_empty());
    match (selector.get("any").and_then(Node::as_bool), names) {
        (Some(true), _) => true,
        (_, Some(names)) => names.items().any(|name| name.as_str() == Some(namespace)),
        _ => own == namespace,
    }
}

/// The scrapes of a monitor that bring no client certificate of their own, with their places.
fn scrapes<'m>(spec: Node<'m>, list: &'static str) -> impl Iterator<Item = (Path, Node<'m>)> {
    let items = spec.get(list).into_iter().flat_map(Node::items).enumerate();
    items
        .filter(|(_, scrape)| {
            let tls = |key: &str| scrape.get("tlsConfig").is_some_and(|tls| tls.get(key).is_some());
            !tls("cert") && !tls("certFile")
        })
        .map(move |(at, scrape)| (Path::new("spec").key(list).index(at), scrape))
}

fn of_service_monitors(lint: &Lint<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (id, root) in lint.objects("ServiceMonitor") {
        let (Some(spec), Some(object)) = (root.get("spec"), lint.mesh.objects.get(id.0 as usize)) else { continue };
        let Some(selector) = spec.get("selector").map(label_selector) else { continue };
        let services: Vec<(u32, &Service)> = kubernetes(lint)
            .filter(|(_, s)| selector.matches(&s.meta.labels) && looks_at(spec, &object.namespace, &s.meta.namespace))
            .collect();
        for (path, scrape) in scrapes(spec, "endpoints") {
            let hit = services.iter().find_map(|(number, service)| of_service(lint, *number, service, scrape));
            found.extend(hit.map(|hit| (id, path, hit)));
        }
    }
    found
}

/// The first pod of a Service that refuses a scrape by Service port name, or by target port.
fn of_service(lint: &Lint<'_>, number: u32, service: &Service, scrape: Node<'_>) -> Option<Refused> {
    if let Some(name) = scrape.get("port").and_then(Node::as_str) {
        let at = service.ports.iter().position(|port| *port.name == *name)?;
        return behind(lint, number, at).into_iter().find_map(|(pod, port)| refused(lint, pod, port));
    }
    let selector = service.selector.as_ref()?;
    let target = scrape.get("targetPort")?;
    let mut pods = lint.mesh.select(&service.meta.namespace, selector);
    pods.find_map(|pod| refused(lint, pod, port_of(lint, pod, target)?))
}

/// A port of a pod, by number or name.
fn port_of(lint: &Lint<'_>, pod: u32, node: Node<'_>) -> Option<u16> {
    if let Some(number) = node.as_i64() {
        return u16::try_from(number).ok();
    }
    let (name, workload) = (node.as_str()?, lint.mesh.workloads.get(pod as usize)?);
    workload.named_ports.iter().find(|(known, _)| **known == *name).map(|(_, number)| *number)
}

fn of_pod_monitors(lint: &Lint<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (id, root) in lint.objects("PodMonitor") {
        let (Some(spec), Some(object)) = (root.get("spec"), lint.mesh.objects.get(id.0 as usize)) else { continue };
        let Some(selector) = spec.get("selector").map(label_selector) else { continue };
        let pods: Vec<u32> = (0..)
            .zip(&lint.mesh.workloads)
            .filter(|(_, w)| !matches!(w.kind, "Namespace" | "Service"))
            .filter(|(_, w)| selector.matches(&w.labels) && looks_at(spec, &object.namespace, &w.meta.namespace))
            .map(|(number, _)| number)
            .collect();
        for (path, scrape) in scrapes(spec, "podMetricsEndpoints") {
            let port = ["port", "portNumber", "targetPort"].into_iter().find_map(|key| scrape.get(key));
            let Some(port) = port else { continue };
            let hit = pods.iter().find_map(|pod| refused(lint, *pod, port_of(lint, *pod, port)?));
            found.extend(hit.map(|hit| (id, path, hit)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::finding::Confidence;
    use crate::lint::pods::tests::{STRICT, findings};

    const SERVER: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop, labels: {app: web}, annotations: {SERVICE}}\nspec: {selector: {app: web}, ports: [{name: metrics, port: 80, targetPort: m}]}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {template: {metadata: {labels: {app: web}, annotations: {POD}}, spec: {containers: [{name: web, ports: [{name: m, containerPort: 9090}]}]}}}\n---\n";

    fn confidences(service: &str, pod: &str, more: &str) -> Vec<Confidence> {
        let text = format!("{STRICT}{}{more}", SERVER.replace("SERVICE", service).replace("POD", pod));
        findings(&text).into_iter().filter(|f| f.code.code == "MC0311").map(|f| f.confidence).collect()
    }

    #[test]
    fn annotations_of_pods_are_merged_unless_that_is_off() {
        let scrape = "prometheus.io/scrape: \"true\", prometheus.io/port: \"9090\"";
        let alone = format!("{scrape}, prometheus.istio.io/merge-metrics: \"false\"");
        let agent = alone.replace("9090", "15020");
        let off = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: \"enablePrometheusMerge: false\"}\n";
        for (service, pod, more, count) in [
            ("", scrape, "", 0),
            ("", &*alone, "", 1),
            ("", &*agent, "", 0),
            ("", scrape, off, 1),
            (scrape, "", "", 1),
            ("prometheus.io/scrape: \"true\"", "", "", 1),
            ("prometheus.io/scrape: \"false\"", "", "", 0),
        ] {
            assert_eq!(confidences(service, pod, more).len(), count, "{service} {pod} {more}");
        }
    }

    #[test]
    fn monitors_are_followed_to_the_port() {
        let monitor = |kind: &str, namespace: &str, spec: &str| {
            format!(
                "apiVersion: monitoring.coreos.com/v1\nkind: {kind}\nmetadata: {{name: web, namespace: {namespace}}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, {spec}}}\n"
            )
        };
        for (kind, namespace, spec, count) in [
            ("ServiceMonitor", "shop", "endpoints: [{port: metrics}]", 1),
            ("ServiceMonitor", "shop", "endpoints: [{port: other}]", 0),
            ("ServiceMonitor", "shop", "endpoints: [{targetPort: 9090}, {targetPort: m}]", 2),
            ("ServiceMonitor", "shop", "endpoints: [{targetPort: 15020}]", 0),
            ("ServiceMonitor", "mon", "endpoints: [{port: metrics}]", 0),
            ("ServiceMonitor", "mon", "namespaceSelector: {any: true}, endpoints: [{port: metrics}]", 1),
            ("ServiceMonitor", "mon", "namespaceSelector: {matchNames: [shop]}, endpoints: [{port: metrics}]", 1),
            ("ServiceMonitor", "shop", "endpoints: [{port: metrics, scheme: https, tlsConfig: {certFile: /c}}]", 0),
            ("PodMonitor", "shop", "podMetricsEndpoints: [{port: m}]", 1),
            ("PodMonitor", "shop", "podMetricsEndpoints: [{portNumber: 9090}]", 1),
            ("PodMonitor", "shop", "podMetricsEndpoints: [{port: envoy}]", 0),
        ] {
            let found = confidences("", "", &monitor(kind, namespace, spec));
            assert_eq!(found.len(), count, "{kind} {namespace} {spec}");
        }
    }

    #[test]
    fn the_input_may_say_where_prometheus_is() {
        let monitor = "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: web, namespace: shop}\nspec: {selector: {matchLabels: {app: web}}, podMetricsEndpoints: [{port: m}]}\n";
        let server = |inject: &str| {
            format!(
                "{monitor}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: prometheus-0, namespace: shop, labels: {{sidecar.istio.io/inject: \"{inject}\"}}}}\nspec: {{containers: [{{name: p, image: \"quay.io/prometheus/prometheus:v3\"}}]}}\n"
            )
        };
        assert_eq!(confidences("", "", monitor), [Confidence::Medium]);
        assert_eq!(confidences("", "", &server("false")), [Confidence::High]);
        assert_eq!(confidences("", "", &server("true")), []);
    }
}
