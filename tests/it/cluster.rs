//! A cluster that misbehaves: each fault has its message and its exit code, and the rest of the answer stands.
//!
//! A small API server in this process serves a mesh in which a client without a proxy calls a STRICT service, and plays
//! one fault at a time. It speaks on loopback only.

use crate::support::{Run, meshctl};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the server does in place of an answer.
#[derive(Clone)]
pub enum Fault {
    /// Another status, with headers and the sentence of a `Status`.
    Status(u16, &'static str, &'static str),
    /// The beginning of the answer, then the end of the connection.
    Cut,
    /// The answer, after so long in the middle of it.
    Slow(Duration),
    /// Another body.
    Body(String),
    /// The answer with one more header.
    Header(String),
}

/// Of a request's path and query, and how often it was asked before.
type Plan = dyn Fn(&str, usize) -> Option<Fault> + Send + Sync;

pub struct Server {
    pub address: String,
    pub folder: tempfile::TempDir,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    agents: Arc<Mutex<Vec<String>>>,
}

/// Everything that a connection needs.
struct World {
    objects: Vec<Value>,
    plan: Box<Plan>,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    agents: Arc<Mutex<Vec<String>>>,
}

/// Group, version, kind, resource, namespaced.
const SERVED: &[(&str, &str, &str, &str, bool)] = &[
    ("", "v1", "Namespace", "namespaces", false),
    ("", "v1", "Service", "services", true),
    ("", "v1", "Pod", "pods", true),
    ("", "v1", "ConfigMap", "configmaps", true),
    ("", "v1", "Secret", "secrets", true),
    ("", "v1", "Endpoints", "endpoints", true),
    ("apps", "v1", "Deployment", "deployments", true),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true),
    ("security.istio.io", "v1", "PeerAuthentication", "peerauthentications", true),
    ("networking.istio.io", "v1", "DestinationRule", "destinationrules", true),
    ("networking.istio.io", "v1", "ServiceEntry", "serviceentries", true),
    ("networking.istio.io", "v1", "VirtualService", "virtualservices", true),
];

fn object(api: &str, kind: &str, namespace: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {
        "name": name, "creationTimestamp": "2026-01-02T03:04:05Z",
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {"}": {}}}}]}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    for (key, value) in rest.as_object().unwrap() {
        match key.as_str() {
            "labels" => object["metadata"]["labels"] = value.clone(),
            _ => object[key] = value.clone(),
        }
    }
    object
}

pub fn pod(namespace: &str, name: &str, app: &str, ip: &str, injected: bool) -> Value {
    let mut containers = vec![json!({"name": "app", "image": "app", "ports": [{"containerPort": 80}]})];
    if injected {
        containers.push(json!({"name": "istio-proxy", "image": "istio/proxyv2:1.26.0"}));
    }
    object(
        "v1",
        "Pod",
        namespace,
        name,
        json!({"labels": {"app": app}, "spec": {"containers": containers},
        "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}}),
    )
}

/// `sleep.legacy` without a proxy, `web.shop` with one under STRICT.
pub fn mesh() -> Vec<Value> {
    let istiod = json!({"labels": {"app": "istiod", "istio.io/rev": "default"}, "spec": {
        "selector": {"matchLabels": {"app": "istiod"}}, "template": {"metadata": {"labels": {"app": "istiod"}},
        "spec": {"containers": [{"name": "discovery", "image": "istio/pilot:1.26.0",
            "env": [{"name": "CLUSTER_ID", "value": "Kubernetes"}, {"name": "POD_NAME", "valueFrom": {}}]}]}}}});
    let slice = json!({"labels": {"kubernetes.io/service-name": "web"}, "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "name": "web-1", "namespace": "shop"}}]});
    vec![
        object("v1", "Namespace", "", "istio-system", json!({})),
        object("v1", "Namespace", "", "legacy", json!({})),
        object("v1", "Namespace", "", "shop", json!({"labels": {"istio-injection": "enabled"}})),
        object(
            "v1",
            "Service",
            "shop",
            "web",
            json!({"spec": {"selector": {"app": "web"}, "clusterIP": "10.1.0.1",
            "ports": [{"name": "http", "port": 80, "targetPort": 80, "protocol": "TCP"}]}}),
        ),
        pod("legacy", "sleep-1", "sleep", "10.0.0.9", false),
        pod("shop", "web-1", "web", "10.0.0.1", true),
        object("v1", "ConfigMap", "istio-system", "istio", json!({"data": {"mesh": "rootNamespace: istio-system"}})),
        object("v1", "Secret", "shop", "password", json!({"data": {"password": "aHVudGVyMg=="}})),
        object("apps/v1", "Deployment", "istio-system", "istiod", istiod),
        object("discovery.k8s.io/v1", "EndpointSlice", "shop", "web-x", slice),
        object(
            "security.istio.io/v1",
            "PeerAuthentication",
            "shop",
            "default",
            json!({"spec": {"mtls": {"mode": "STRICT"}}}),
        ),
    ]
}

pub fn serve(objects: Vec<Value>, plan: impl Fn(&str, usize) -> Option<Fault> + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(HashMap::new()));
    let agents = Arc::new(Mutex::new(Vec::new()));
    let world =
        Arc::new(World { objects, plan: Box::new(plan), asked: Arc::clone(&asked), agents: Arc::clone(&agents) });
    // The thread ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let world = Arc::clone(&world);
            std::thread::spawn(move || world.connection(&stream));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}]});
    std::fs::write(folder.path().join("config"), config.to_string()).unwrap();
    Server { address, folder, asked, agents }
}

impl World {
    fn connection(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let url = line.split(' ').nth(1)?.to_owned();
            let mut length = 0;
            while line.trim() != "" {
                line.clear();
                reader.read_line(&mut line).ok()?;
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("user-agent:") {
                    self.agents.lock().unwrap().push(value.trim().to_owned());
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
            }
            reader.read_exact(&mut vec![0; length]).ok()?;
            let count = {
                let mut asked = self.asked.lock().unwrap();
                let count = asked.entry(url.clone()).or_default();
                *count += 1;
                *count - 1
            };
            self.answer(&url, count, stream)?;
        }
    }

    fn answer(&self, url: &str, count: usize, mut stream: &TcpStream) -> Option<()> {
        let fault = (self.plan)(url, count);
        let (mut status, mut headers, mut body) = match self.object(url) {
            Some(body) => (200, String::new(), body),
            None => {
                (404, String::new(), json!({"kind": "Status", "message": format!("{url} is not here")}).to_string())
            }
        };
        match &fault {
            Some(Fault::Status(code, extra, message)) => {
                (status, headers) = (*code, (*extra).to_owned());
                body = json!({"kind": "Status", "status": "Failure", "message": message}).to_string();
            }
            Some(Fault::Body(other)) => (status, body) = (200, other.clone()),
            Some(Fault::Header(header)) => headers = header.clone(),
            _ => {}
        }
        write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .ok()?;
        let half = body.len() / 2;
        stream.write_all(&body.as_bytes()[..half]).ok()?;
        match fault {
            Some(Fault::Cut) => return None,
            Some(Fault::Slow(time)) => std::thread::sleep(time),
            _ => {}
        }
        stream.write_all(&body.as_bytes()[half..]).ok()
    }

    fn object(&self, url: &str) -> Option<String> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        if let ["api" | "apis"] = parts.as_slice() {
            return Some(discovery(parts[0] == "api").to_string());
        }
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, resource, name) = match rest {
            ["namespaces", namespace, resource] => (Some(*namespace), *resource, None),
            ["namespaces", namespace, resource, name] => (Some(*namespace), *resource, Some(*name)),
            [resource, name] => (None, *resource, Some(*name)),
            [resource] => (None, *resource, None),
            _ => return None,
        };
        let served = SERVED.iter().find(|row| row.0 == group && row.1 == version && row.3 == resource)?;
        let here = |object: &&Value| {
            object["kind"] == served.2 && namespace.is_none_or(|ns| object["metadata"]["namespace"] == ns)
        };
        let mut found = self.objects.iter().filter(here);
        if let Some(name) = name {
            return found.find(|object| object["metadata"]["name"] == name).map(Value::to_string);
        }
        let value = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}=")));
        let istiod = value("labelSelector").is_some();
        let but = value("fieldSelector").map(|text| text.strip_prefix("metadata.namespace%21%3D").unwrap());
        let all: Vec<&Value> = found
            .filter(|one| !istiod || one["metadata"]["labels"]["app"] == "istiod")
            .filter(|one| but.is_none_or(|but| one["metadata"]["namespace"] != but))
            .collect();
        let from: usize = value("continue").map_or(0, |token| token.parse().unwrap());
        let limit: usize = value("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
        let page = all.iter().skip(from).take(limit);
        let items: Vec<Value> = page
            .map(|item| {
                let mut item = (*item).clone();
                let fields = item.as_object_mut().unwrap();
                fields.remove("kind");
                fields.remove("apiVersion");
                item
            })
            .collect();
        let more = if from + items.len() < all.len() { (from + items.len()).to_string() } else { String::new() };
        let api = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        Some(
            json!({"kind": format!("{}List", served.2), "apiVersion": api,
            "metadata": {"resourceVersion": "1", "continue": more}, "items": items})
            .to_string(),
        )
    }
}

fn discovery(core: bool) -> Value {
    let mut groups: Vec<Value> = Vec::new();
    for (group, version, kind, resource, namespaced) in SERVED.iter().filter(|row| row.0.is_empty() == core) {
        let scope = if *namespaced { "Namespaced" } else { "Cluster" };
        let one = json!({"resource": resource, "responseKind": {"kind": kind}, "scope": scope, "verbs": ["list"]});
        match groups.iter_mut().find(|one| one["metadata"]["name"] == *group) {
            Some(known) => known["versions"][0]["resources"].as_array_mut().unwrap().push(one),
            None => groups
                .push(json!({"metadata": {"name": group}, "versions": [{"version": version, "resources": [one]}]})),
        }
    }
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": groups})
}

impl Server {
    pub fn run(&self, args: &[&str]) -> Run {
        let config = self.folder.path().join("config");
        let mut all = vec!["tls-check", "--kubeconfig", config.to_str().unwrap(), "-o", "json"];
        all.extend(args);
        meshctl(&all, b"")
    }

    /// How many requests came from such a program.
    fn asked_as(&self, program: &str) -> usize {
        self.agents.lock().unwrap().iter().filter(|agent| agent.starts_with(program)).count()
    }

    fn count(&self, part: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|(url, _)| url.contains(part)).map(|(_, count)| count).sum()
    }
}

/// Of `sleep.legacy` calling `web.shop`: the status; `None` where there is no such cell.
pub fn status(report: &Value) -> Option<String> {
    let cells = report["cells"].as_array().unwrap();
    let cell = cells.iter().find(|cell| {
        let client = &cell["client"];
        let named = client["workload"].as_str().is_some_and(|name| name.starts_with("sleep"));
        named && cell["server"]["host"] == "web.shop.svc.cluster.local"
    })?;
    Some(cell["status"].as_str().unwrap().to_lowercase())
}

/// The messages of MC0010.
pub fn not_read(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.filter(|one| one["code"] == "MC0010").map(|one| one["message"].as_str().unwrap().to_owned()).collect()
}

/// The cells without what only a file or only a cluster has: places.
pub fn cells(mut report: Value) -> Vec<Value> {
    let mut cells = report["cells"].take();
    for cell in cells.as_array_mut().unwrap() {
        for because in cell["because"].as_array_mut().into_iter().flatten() {
            for key in ["file", "line"] {
                because.as_object_mut().unwrap().remove(key);
            }
        }
    }
    cells.as_array().unwrap().clone()
}

#[test]
fn a_cluster_and_its_objects_in_a_file_give_the_same_cells() {
    let server = serve(mesh(), |_, _| None);
    let live = server.run(&["-A", "--expand"]);
    assert_eq!(live.stderr, "");
    let report = live.json();
    assert_eq!(status(&report).as_deref(), Some("conflict"), "{report}");
    assert_eq!(not_read(&report), Vec::<String>::new());
    let input = &report["input"];
    let name = format!("cluster http://{} (context here)", server.address);
    assert_eq!(*input, json!([{"path": name, "documents": 10}]));
    let file = server.folder.path().join("all.json");
    let read: Vec<Value> = mesh().into_iter().filter(|object| object["kind"] != "Secret").collect();
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": read}).to_string()).unwrap();
    let offline = meshctl(&["tls-check", "-f", file.to_str().unwrap(), "-o", "json", "-A", "--expand"], b"");
    assert_eq!((live.code, cells(report)), (offline.code, cells(offline.json())));
    // Nothing twice, no Secret, Endpoints not beside EndpointSlices, ConfigMaps by name only.
    let asked = server.asked.lock().unwrap();
    let twice: Vec<_> = asked.iter().filter(|(url, count)| **count > 1 || url.contains("secrets")).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let maps: Vec<_> = asked.keys().filter(|url| url.contains("configmaps") || url.contains("/endpoints?")).collect();
    assert_eq!(maps, ["/api/v1/namespaces/istio-system/configmaps/istio"]);
}

#[test]
fn only_the_namespaces_asked_for_are_read() {
    for (args, namespaces, want) in [
        (&["-n", "shop"][..], &["istio-system", "shop"][..], None),
        (&[], &["istio-system", "shop"], None),
        (&["--from", "sleep-1.legacy", "--to", "web.shop:80"], &["istio-system", "legacy", "shop"], Some("conflict")),
    ] {
        let server = serve(mesh(), |_, _| None);
        let run = server.run(args);
        assert_eq!(status(&run.json()).as_deref(), want, "{args:?} {}", run.stderr);
        let asked = server.asked.lock().unwrap();
        let mut pods: Vec<&str> = asked
            .keys()
            .filter_map(|url| url.strip_prefix("/api/v1/namespaces/")?.strip_suffix("/pods?limit=500"))
            .collect();
        pods.sort_unstable();
        assert_eq!(pods, namespaces, "{args:?}");
        assert!(!asked.contains_key("/api/v1/pods?limit=500"), "{args:?}");
    }
}

/// The mesh with istiod changed, and more objects.
fn with_istiod(change: impl Fn(&mut Value), more: Vec<Value>) -> Vec<Value> {
    let mut objects = mesh();
    let istiod = objects.iter_mut().find(|one| one["metadata"]["name"] == "istiod").unwrap();
    change(istiod);
    objects.extend(more);
    objects
}

#[test]
fn what_istiod_is_told_counts() {
    let container = "/spec/template/spec/containers/0";
    let canary = || {
        vec![
            object(
                "apps/v1",
                "Deployment",
                "istio-system",
                "istiod-canary",
                json!({"labels": {"app": "istiod", "istio.io/rev": "canary"}, "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "discovery"}]}}}}),
            ),
            object(
                "v1",
                "ConfigMap",
                "istio-system",
                "istio-canary",
                json!({"data": {"mesh": "enableAutoMtls: false"}}),
            ),
        ]
    };
    let labelled = |mut objects: Vec<Value>| {
        let shop =
            objects.iter_mut().find(|one| one["kind"] == "Namespace" && one["metadata"]["name"] == "shop").unwrap();
        shop["metadata"]["labels"] = json!({"istio.io/rev": "canary"});
        let web = objects.iter_mut().find(|one| one["metadata"]["name"] == "web-1").unwrap();
        web["metadata"]["labels"]["istio.io/rev"] = json!("canary");
        objects
    };
    let set = |key: &'static str, value: Value| {
        with_istiod(|istiod| istiod.pointer_mut(container).unwrap()[key] = value.clone(), vec![])
    };
    let domain = |domain: &str| set("args", json!(["discovery", "--domain", domain]));
    let sources = json!([{"configMapRef": {"name": "more"}}]);
    let shared =
        json!([{"name": "CLUSTER_ID", "value": "Kubernetes"}, {"name": "SHARED_MESH_CONFIG", "value": "more"}]);
    for (name, objects, args, want) in [
        ("other revision", labelled(with_istiod(|_| {}, canary())), &[][..], "unknown"),
        ("its own revision", labelled(with_istiod(|_| {}, canary())), &["--revision", "canary"], "conflict"),
        ("envFrom", set("envFrom", sources.clone()), &[], "unknown"),
        ("envFrom, said", set("envFrom", sources), &["--istiod-env", "CLUSTER_ID=Kubernetes"], "conflict"),
        ("shared", set("env", shared), &[], "unknown"),
        ("domain", domain("corp.local"), &[], "conflict"),
        ("unclear domain", domain("$(DOMAIN)"), &[], "unknown"),
    ] {
        let server = serve(objects, |_, _| None);
        let mut all = vec!["-A", "--expand"];
        all.extend(args);
        let report = server.run(&all).json();
        let corp = report.to_string().contains("web.shop.svc.corp.local");
        assert_eq!(corp, name == "domain", "{name}");
        let text = report.to_string().replace("svc.corp.local", "svc.cluster.local");
        assert_eq!(status(&serde_json::from_str(&text).unwrap()).as_deref(), Some(want), "{name} {report}");
    }
    let server = serve(with_istiod(|_| {}, canary()), |_, _| None);
    let run = server.run(&["-A", "--revision", "cannary"]);
    assert_eq!((run.code, &*run.stdout), (2, ""));
    assert!(
        run.stderr.contains("no istiod of revision cannary in istio-system; there are canary, default"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_search_for_istiod_that_fails_is_unknown() {
    let rest: Vec<Value> = mesh().into_iter().filter(|one| one["metadata"]["namespace"] != "istio-system").collect();
    let search = "/apis/apps/v1/deployments?labelSelector";
    for (fault, want) in [
        (None, "conflict"),
        (Some(Fault::Status(403, "", "deployments is forbidden")), "unknown"),
        (Some(Fault::Status(500, "", "boom")), "unknown"),
        (Some(Fault::Slow(Duration::from_secs(5))), "unknown"),
        (Some(Fault::Body("<html>".to_owned())), "unknown"),
        (Some(Fault::Body("{}".to_owned())), "unknown"),
    ] {
        let server = serve(rest.clone(), move |url, _| fault.clone().filter(|_| url.contains(search)));
        let report = server.run(&["-A", "--expand", "--request-timeout", "800ms"]).json();
        assert_eq!(status(&report).as_deref(), Some(want), "{report}");
        let said = not_read(&report).iter().any(|one| one.contains("whether it runs elsewhere"));
        assert_eq!(said, want == "unknown", "{report}");
    }
}

#[test]
fn namespaces_that_were_not_asked_for_are_named() {
    let more = || {
        let spec = json!({"type": "ExternalName", "externalName": "api.canary.svc.cluster.local", "ports": [{"name": "http", "port": 80}]});
        let mut objects = mesh();
        objects.push(object("v1", "Service", "shop", "far", json!({"spec": spec})));
        let entry = json!({"hosts": ["near.canary.svc.cluster.local"], "location": "MESH_INTERNAL", "resolution": "STATIC",
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "endpoints": [{"address": "10.0.0.9"}]});
        objects.push(object("networking.istio.io/v1", "ServiceEntry", "shop", "near", json!({"spec": entry})));
        objects
    };
    let server = serve(more(), |_, _| None);
    let report = server.run(&["-n", "shop"]).json();
    assert_eq!(report["summary"]["read_namespaces"], json!(["istio-system", "shop"]));
    let unread = "namespace canary, where the host leads, was not read";
    for host in ["far.shop", "near.canary"] {
        let rows: Vec<&Value> =
            report["cells"].as_array().unwrap().iter().filter(|row| row.to_string().contains(host)).collect();
        assert!(!rows.is_empty(), "{report}");
        assert!(rows.iter().all(|row| row.to_string().contains(unread)), "{host} {rows:?}");
    }
    // Policies of another root namespace would speak for all.
    let path = server.folder.path().join("mesh.yaml");
    std::fs::write(&path, "rootNamespace: elsewhere\n").unwrap();
    let other = server.run(&["-n", "shop", "--expand", "--mesh-config", path.to_str().unwrap()]).json();
    assert!(other["cells"].as_array().unwrap().iter().all(|cell| cell["status"] == "UNKNOWN"), "{other}");
    assert_eq!(not_read(&other).len(), 1, "{other}");
    let report = server.run(&["-A"]).json();
    assert_eq!(report["summary"].get("read_namespaces"), None);
    assert!(!report.to_string().contains(unread), "{report}");
    let config = server.folder.path().join("config");
    for (from, said) in [(&[][..], true), (&["--from", "web-1.shop"], false)] {
        let mut args = vec!["tls-check", "--kubeconfig", config.to_str().unwrap(), "-n", "shop"];
        args.extend(from);
        let text = meshctl(&args, b"").stdout;
        let line =
            "VirtualServices of other namespaces than istio-system, shop were not read (-A of the cluster reads them)";
        assert!(text.contains(line), "{text}");
        assert_eq!(text.contains(&format!("clients and {line}")), said, "{text}");
    }
}

#[test]
fn namespaces_that_are_not_there_or_are_no_names_are_said() {
    for (args, code, want) in [
        (&["-n", "bokinfo"][..], 3, "there is no namespace bokinfo"),
        (&["-n", "a/b?x"], 2, "a namespace has up to 63"),
        (&["-n", ".."], 2, "a namespace has up to 63"),
        (&["-i", "Istio"], 2, "a namespace has up to 63"),
    ] {
        let server = serve(mesh(), |_, _| None);
        let run = server.run(args);
        assert_eq!(run.code, code, "{args:?} {}", run.stderr);
        assert!(run.stderr.contains(want), "{args:?} {}", run.stderr);
        assert!(code == 3 || server.count("/") == 0, "nothing is sent");
    }
    // None is the context's, as with kubectl.
    let server = serve(mesh(), |_, _| None);
    server.run(&["-n", ""]);
    assert_eq!((server.count("/namespaces/shop/pods"), server.count("/api/v1/pods")), (1, 0));
}

#[test]
fn a_server_leads_nowhere_else() {
    let found = discovery(false).to_string().replace("destinationrules", "../../../../api/v1/secrets");
    let server = serve(mesh(), move |url, _| (url == "/apis").then(|| Fault::Body(found.clone())));
    let run = server.run(&["-A", "--expand"]);
    assert!(not_read(&run.json()).iter().any(|one| one.contains("which is not its name")), "{}", run.stdout);
    assert_eq!(server.count("secrets"), 0);
    assert_eq!(server.count("/"), server.asked_as("meshctl/"), "each request says who asks");
}

/// Once, then the answer.
fn once(part: &'static str, fault: Fault) -> impl Fn(&str, usize) -> Option<Fault> + Send + Sync + 'static {
    move |url, count| (url.contains(part) && count == 0).then(|| fault.clone())
}

pub fn always(part: &'static str, fault: Fault) -> impl Fn(&str, usize) -> Option<Fault> + Send + Sync + 'static {
    move |url, _| url.contains(part).then(|| fault.clone())
}

#[test]
fn what_passes_is_waited_for() {
    let again: [(&str, Fault); 5] = [
        ("429", Fault::Status(429, "Retry-After: 1\r\n", "too many")),
        ("500", Fault::Status(500, "", "etcd is electing")),
        ("503", Fault::Status(503, "", "starting")),
        ("cut", Fault::Cut),
        ("slow", Fault::Slow(Duration::from_millis(300))),
    ];
    for (name, fault) in again {
        let server = serve(mesh(), once("/pods", fault));
        let begun = Instant::now();
        let run = server.run(&["-A", "--expand"]);
        assert_eq!((run.code, status(&run.json()).as_deref()), (1, Some("conflict")), "{name} {}", run.stderr);
        assert_eq!(not_read(&run.json()), Vec::<String>::new(), "{name}");
        assert!(name != "429" || begun.elapsed() >= Duration::from_secs(1), "Retry-After is honoured");
        assert_eq!(server.count("/pods"), if name == "slow" { 1 } else { 2 }, "{name}");
    }
}

#[test]
fn what_stays_is_a_finding_and_unknown_and_the_rest_stands() {
    let forbidden = || Fault::Status(403, "", "services is forbidden: User \"u\" cannot list it");
    let broken =
        json!({"kind": "ServiceList", "items": [{"metadata": {"name": "web", "namespace": "shop"}, "spec": 5}]})
            .to_string();
    let torn = json!({"kind": "PeerAuthenticationList", "items": [{"metadata": {"name": "a", "namespace": "shop"}, "spec": "X"}]}).to_string();
    let torn = torn.replace("\"X\"", "{\"mtls\" 5}");
    let policies = "/peerauthentications";
    let list = |metadata: Value, items: Value| {
        Fault::Body(json!({"kind": "PeerAuthenticationList", "metadata": metadata, "items": items}).to_string())
    };
    let kind = |kind: &str| Fault::Body(json!({"kind": kind, "apiVersion": "v1", "items": []}).to_string());
    let secret = json!([{"kind": "Secret", "metadata": {"name": "password", "namespace": "shop"}}]);
    let faults: Vec<(&str, &str, Fault, &str, Option<&str>)> = vec![
        ("403", policies, forbidden(), "User \"u\" cannot list it", Some("unknown")),
        ("403 of one namespace", "namespaces/shop/peerauth", forbidden(), "", Some("conflict")),
        ("404", policies, Fault::Status(404, "", "the server could not find it"), "could not find it", Some("unknown")),
        ("410", policies, Fault::Status(410, "", "too old"), "changed too fast", Some("unknown")),
        (
            "429",
            policies,
            Fault::Status(429, "Retry-After: 99\r\n", "slow down"),
            "status 429: slow down",
            Some("unknown"),
        ),
        ("500", policies, Fault::Status(500, "", "boom"), "status 500: boom", Some("unknown")),
        ("cut", policies, Fault::Cut, "could not be read: ", Some("unknown")),
        ("slow", policies, Fault::Slow(Duration::from_secs(5)), "no answer within", Some("unknown")),
        ("no list", policies, Fault::Body("{}".to_owned()), "it is no list", Some("unknown")),
        ("no JSON", policies, Fault::Body("<html>".to_owned()), "does not decode", Some("unknown")),
        ("half a page", policies, Fault::Body("{\"items\":[{\"metadata\":{".to_owned()), "cut off", Some("unknown")),
        ("odd token", policies, list(json!({"continue": 7}), json!([])), "continue is no string", Some("unknown")),
        ("no token", policies, list(json!({"remainingItemCount": 1}), json!([])), "objects remain", Some("unknown")),
        ("circle", policies, list(json!({"continue": "500"}), json!([])), "does not end", Some("unknown")),
        ("status", policies, kind("Status"), "its kind is \"Status\"", Some("unknown")),
        ("other list", policies, kind("PodList"), "its kind is \"PodList\"", Some("unknown")),
        ("other item", policies, list(json!({}), secret), "its kind is \"Secret\"", Some("unknown")),
        ("no settings", "/configmaps/istio", kind("Status"), "its kind is \"Status\"", Some("unknown")),
        ("torn item", policies, Fault::Body(torn), "PeerAuthentication shop/a does not decode", Some("unknown")),
        ("wrong item", "/services", Fault::Body(broken), "", None),
        ("settings", "/configmaps/istio", forbidden(), "--mesh-config", Some("unknown")),
        ("istiod", "istio-system/deployments", forbidden(), "--istiod-env", Some("unknown")),
        ("legacy services", "/services", forbidden(), "services of namespace legacy could not be read", None),
    ];
    for (name, part, fault, message, want) in faults {
        let server = serve(mesh(), always(part, fault));
        let run = server.run(&["-A", "--expand", "--request-timeout", "800ms"]);
        let report = run.json();
        assert_eq!(status(&report).as_deref(), want, "{name} {report}");
        assert_eq!(run.code, 1, "{name}");
        let found = not_read(&report);
        assert!(message.is_empty() || found.iter().any(|one| one.contains(message)), "{name} {found:?}");
        let lists = found.iter().any(|one| one.contains("could not be read"));
        assert_eq!(run.stderr.contains("meshctl doctor says"), lists, "{name} {}", run.stderr);
        assert!(report["input"][0]["documents"].as_u64().unwrap() >= 8, "{name}: the rest is there");
        if !message.is_empty() {
            let strict = server.run(&["-A", "--request-timeout", "800ms", "--strict-read"]);
            assert_eq!((strict.code, &*strict.stdout), (2, ""), "{name}");
            assert!(strict.stderr.contains("--strict-read: "), "{name} {}", strict.stderr);
        }
    }
}

#[test]
fn routes_that_were_not_read_may_send_the_calls_of_proxies_anywhere() {
    let server = serve(mesh(), always("/virtualservices", Fault::Status(403, "", "no")));
    let report = server.run(&["-A", "--expand"]).json();
    let cells = report["cells"].as_array().unwrap();
    assert!(cells.len() > 1, "{report}");
    for cell in cells {
        assert_eq!(cell["status"] == "UNKNOWN", cell["client"]["proxy"] == "sidecar", "{cell}");
    }
}

#[test]
fn a_forbidden_cluster_is_read_by_namespace() {
    let forbidden = || Some(Fault::Status(403, "", "no"));
    // Lists of the whole cluster are refused, those of namespaces are not, but for one.
    let server = serve(mesh(), move |url, _| {
        let whole = url.matches('/').count() <= 4 && url.contains("?limit") && !url.contains("namespaces");
        let one = url.contains("namespaces/legacy/services");
        if whole || one { forbidden() } else { None }
    });
    let run = server.run(&["-A", "--expand"]);
    let report = run.json();
    assert_eq!(not_read(&report), ["services of namespace legacy could not be read: forbidden: no"]);
    assert_eq!(status(&report).as_deref(), Some("conflict"));
    // Where namespaces are hidden too, it is said.
    let server = serve(mesh(), |url, _| {
        let whole = url.matches('/').count() <= 4 && url.contains("?limit");
        if whole { Some(Fault::Status(403, "", "no")) } else { None }
    });
    let found = not_read(&server.run(&["-A", "--expand"]).json());
    assert!(found.iter().any(|one| one.starts_with("namespaces could not") && one.contains("with -n")), "{found:?}");
    assert_eq!(server.run(&["-n", "shop"]).json()["findings"], json!([]), "with -n nothing is missing");
}

#[test]
fn a_server_that_gives_nothing_ends_the_run_and_says_what_to_try() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let login = serve(mesh(), |_, _| Some(Fault::Status(401, "", "Unauthorized")));
    let skewed = serve(mesh(), |_, _| {
        Some(Fault::Status(401, "Date: Thu, 01 Jan 2037 00:00:00 GMT\r\n", "token is not valid yet"))
    });
    let other = serve(mesh(), |_, _| Some(Fault::Body("<html>".to_owned())));
    let address = |address: std::net::SocketAddr| address.to_string();
    for (server, wants) in [
        (address(closed), ["could not reach", "--context"]),
        (address(silent.local_addr().unwrap()), ["did not answer within 500ms", "--request-timeout"]),
        (login.address.clone(), ["does not take the credentials: Unauthorized", "--token"]),
        (skewed.address.clone(), ["token is not valid yet", "the server's clock is"]),
        (other.address.clone(), ["does not decode", "(context here)"]),
    ] {
        let begun = Instant::now();
        let run = login.run(&["-A", "--server", &format!("http://{server}"), "--request-timeout", "500ms"]);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{server}");
        assert!(wants.iter().all(|want| run.stderr.contains(want)), "{wants:?} {}", run.stderr);
        assert!(begun.elapsed() < Duration::from_secs(5), "{wants:?}");
    }
}

#[test]
fn clocks_that_differ_are_named() {
    let server = serve(mesh(), |_, _| Some(Fault::Header("Date: Thu, 01 Jan 2037 00:00:00 GMT\r\n".to_owned())));
    let run = server.run(&["-A", "--expand"]);
    assert!(run.stderr.contains("ahead of this machine's"), "{}", run.stderr);
    assert_eq!(status(&run.json()).as_deref(), Some("conflict"));
}

#[test]
fn kinds_that_are_not_served_are_skipped() {
    let mut bare = discovery(false);
    let groups = bare["items"].as_array_mut().unwrap();
    groups.retain(|group| !group["metadata"]["name"].as_str().unwrap().contains("istio"));
    let body = bare.to_string();
    let server = serve(mesh(), move |url, _| (url == "/apis").then(|| Fault::Body(body.clone())));
    let run = server.run(&["-A", "--expand"]);
    assert!(run.stderr.contains("serves no PeerAuthentication and no DestinationRule"), "{}", run.stderr);
    assert_eq!((not_read(&run.json()), server.count("istio.io")), (Vec::new(), 0));
}

#[test]
fn servers_without_aggregated_discovery_are_asked_group_by_group() {
    let group =
        |name: &str| json!({"name": name, "versions": [{"groupVersion": format!("{name}/v1"), "version": "v1"}]});
    let names: Vec<Value> = ["apps", "discovery.k8s.io", "security.istio.io", "networking.istio.io"].map(group).into();
    let server = serve(mesh(), move |url, _| {
        let body = match url {
            "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
            "/apis" => json!({"kind": "APIGroupList", "groups": names}),
            _ => {
                let group = match url.split('/').collect::<Vec<_>>().as_slice() {
                    ["", "api", "v1"] => String::new(),
                    ["", "apis", group, "v1"] => (*group).to_owned(),
                    _ => return None,
                };
                let rows = SERVED.iter().filter(|row| row.0 == group);
                let one =
                    |row: &(&str, &str, &str, &str, bool)| json!({"kind": row.2, "name": row.3, "namespaced": row.4});
                let sub = json!({"kind": "Pod", "name": "pods/status"});
                json!({"kind": "APIResourceList", "resources": rows.map(one).chain([sub]).collect::<Vec<_>>()})
            }
        };
        Some(Fault::Body(body.to_string()))
    });
    let run = server.run(&["-A", "--expand"]);
    assert_eq!((run.code, status(&run.json()).as_deref()), (1, Some("conflict")), "{}", run.stderr);
}

#[test]
fn twenty_thousand_pods_come_in_pages_and_an_expired_page_begins_again() {
    let mut objects = mesh();
    for number in 0..20_000 {
        let ip = format!("10.{}.{}.{}", 1 + number / 65536, number / 256 % 256, number % 256);
        objects.push(pod("legacy", &format!("sleep-x{number}"), "sleep", &ip, false));
    }
    let gone = Fault::Status(410, "", "The provided continue parameter is too old");
    let server = serve(objects, once("continue=10000", gone));
    let run = server.run(&["-A"]);
    let report = run.json();
    assert_eq!(report["input"][0]["documents"], 20_010);
    assert_eq!(report["findings"], json!([]));
    assert_eq!(run.code, 1);
    // 41 pages, of which the first 20 were read twice, and the one that had expired.
    assert_eq!(server.count("/api/v1/pods?"), 41 + 20 + 1);
}

#[test]
fn lint_reads_a_cluster_too() {
    let server = serve(mesh(), |_, _| None);
    let config = server.folder.path().join("config");
    let run = meshctl(&["lint", "--cluster", "-A", "--kubeconfig", config.to_str().unwrap(), "-o", "json"], b"");
    let report = run.json();
    let codes: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(run.code == 1 && codes.contains(&"MC0201"), "{} {report}", run.stderr);
}
