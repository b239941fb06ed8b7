//! Why: the chain of decisions behind a verdict, each with the object, the file and line, and the field that decided.

mod ambient;
mod old;
mod outcome;
mod rules;

use super::check::{Cell, Matrix, Row, ServiceRows};
use super::client::{Cluster, Decision, Reach, TlsFrom, Uncaptured, Unknown, Why, tls_at};
use super::endpoints::{Bypass, Endpoint, Front, Who};
use super::outcome::Wire;
use super::server::ModeFrom;
use crate::location::{Location, ObjectRef, Path};
use crate::model::destination_rule::TlsMode;
use crate::model::service::Origin;
use crate::model::{Mesh, ObjectId, Proxy, Service, Version, Workload};

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// What was decided, in a word.
    pub step: &'static str,
    /// The object that decided it, where one did.
    pub object: Option<ObjectRef>,
    /// Where it stands.
    pub at: Option<Location>,
    /// The field.
    pub path: Option<Path>,
    /// The decision in words.
    pub text: String,
}

/// The path of the field that a `tls` block was read from.
#[must_use]
pub fn tls_path(from: TlsFrom) -> Path {
    if from.backend {
        return Path::new("spec.validation");
    }
    let policy = match from.subset {
        Some(subset) => Path::new("spec.subsets").index(subset as usize).key("trafficPolicy"),
        None => Path::new("spec.trafficPolicy"),
    };
    match from.port {
        Some(at) => policy.key("portLevelSettings").index(at as usize).key("tls"),
        None => policy.key("tls"),
    }
}

/// The path of the mode in that block; of the block itself, where it has none.
#[must_use]
pub fn mode_path(mesh: &Mesh, from: TlsFrom) -> Path {
    let path = tls_path(from);
    let written = !from.backend && tls_at(mesh, from).is_some_and(|tls| tls.mode_written);
    if written { path.key("mode") } else { path }
}

/// The path of the annotation by which a workload leaves calls out of its sidecar.
#[must_use]
pub fn capture_path(client: &Workload) -> Path {
    let keys = ["excludeOutboundPorts", "excludeOutboundIPRanges", "includeOutboundIPRanges"];
    let mut keys = keys.iter().map(|key| format!("traffic.sidecar.istio.io/{key}"));
    let key = keys.find(|key| client.annotations.get(key).is_some());
    key.map_or(Path::new(client.path), |key| Path::new(client.path).key("annotations").key(&key))
}

/// Builds the steps of one cell.
pub struct Chain<'a, 'm> {
    matrix: &'a Matrix<'m>,
    rows: &'a ServiceRows<'m>,
    row: &'a Row,
    steps: Vec<Because>,
}

/// The steps of a cell, for one client (or for the one that stands for the row).
#[must_use]
pub fn because<'m>(
    matrix: &Matrix<'m>,
    rows: &ServiceRows<'m>,
    row: &Row,
    cell: &Cell,
    client: &Workload,
) -> Vec<Because> {
    let mut chain = Chain { matrix, rows, row, steps: Vec::new() };
    chain.control();
    chain.client(client);
    chain.reach(client);
    chain.waypoint();
    chain.rule(client);
    chain.sends();
    let endpoint = cell.endpoint.and_then(|n| rows.endpoints.get(row.port as usize)?.get(n as usize));
    if let Some(endpoint) = endpoint {
        chain.endpoint(endpoint, cell);
        chain.server(endpoint, cell);
    }
    chain.outcome(cell, endpoint, client);
    chain.steps
}

impl<'m> Chain<'_, 'm> {
    fn mesh(&self) -> &'m Mesh {
        self.matrix.mesh
    }

    fn say(&mut self, step: &'static str, text: impl Into<String>) {
        self.steps.push(Because { step, object: None, at: None, path: None, text: text.into() });
    }

    fn cite(&mut self, step: &'static str, id: ObjectId, path: Path, text: impl Into<String>) {
        let mesh = self.mesh();
        if let (Some(made), Some(object)) = (mesh.made(id), mesh.object_ref(id)) {
            let text = format!("{object}, which the operator makes: {}", text.into());
            return self.cite(step, made.by, made.path.clone(), text);
        }
        let (object, at) = (mesh.object_ref(id), Some(mesh.locate(id, &path)));
        let path = (!path.as_str().is_empty()).then_some(path);
        self.steps.push(Because { step, object, at, path, text: text.into() });
    }

    /// The control plane of OpenShift Service Mesh or Sail that the answer rests on.
    fn control(&mut self) {
        let Some(control) = &self.mesh().control else { return };
        let istio = self.mesh().version;
        let text = format!(
            "{}, so the rules of Istio {istio}; read in its code, not measured: confidence {} at most",
            control.words(),
            if control.ceiling() == 0 { "low" } else { "medium" }
        );
        match &control.plane {
            Some(plane) => self.cite("mesh", plane.meta.id, Path::new(plane.version_path), text),
            None => self.say("mesh", text),
        }
        for note in &control.notes {
            self.say("mesh", note.clone());
        }
    }

    /// The service whose cluster carries the traffic.
    fn service(&self) -> Option<&'m Service> {
        self.mesh().services.get(self.rows.target.unwrap_or(self.rows.service) as usize)
    }

    fn client(&mut self, client: &Workload) {
        let text = if client.kind == "Namespace" {
            let what = if client.proxy == Proxy::Ambient { "of the ambient mesh" } else { "with a sidecar" };
            format!("a client {what} in namespace {} (the input holds no workloads)", client.meta.namespace)
        } else {
            format!(
                "{}: {}",
                if client.proxy.word() == "none" { "no proxy" } else { client.proxy.word() },
                client.proxy_why
            )
        };
        match client.proxy_label {
            Some((namespace, label)) => self.cite("client", namespace, Path::new("metadata.labels").key(label), text),
            None if matches!(client.kind, "Namespace" | "Service") => self.say("client", text),
            None => self.cite("client", client.meta.id, Path::new(client.path), text),
        }
        if let (Some(target), Some(service)) = (self.rows.target, self.mesh().services.get(self.rows.service as usize))
        {
            let name = self.mesh().services.get(target as usize).map(|s| s.host.to_string()).unwrap_or_default();
            let text = format!("an alias of {name}: no cluster of its own, rules for the alias have no effect");
            self.cite("service", service.meta.id, Path::new("spec.externalName"), text);
        }
    }

    fn reach(&mut self, client: &Workload) {
        let Some(service) = self.service() else { return };
        let pass = |known: &str| format!("{known}: no cluster, no DestinationRule, no automatic mTLS");
        match self.row.decision.reach {
            Reach::Known | Reach::Undecided => {}
            Reach::Ztunnel => {
                self.say(
                    "sends",
                    "ztunnel reads no DestinationRule: HBONE where the endpoint takes it, else plaintext",
                );
            }
            Reach::NoProxy => {
                self.say("sends", "what the application sends: plaintext, and no DestinationRule applies")
            }
            Reach::NotCaptured(Uncaptured::NoInterception) => {
                let text = "interception mode NONE: the application's calls bypass the sidecar";
                self.cite("capture", client.meta.id, Path::new(client.path), text);
            }
            Reach::NotCaptured(Uncaptured::User1337) => {
                self.cite(
                    "capture",
                    client.meta.id,
                    Path::new(""),
                    format!("a container runs as user or group {}: its calls bypass the sidecar", client.proxy_user),
                );
            }
            Reach::NotCaptured(Uncaptured::Annotation) => {
                self.cite(
                    "capture",
                    client.meta.id,
                    capture_path(client),
                    "the call bypasses the client's own sidecar",
                );
            }
            Reach::PassedThrough(why) | Reach::BlackHoled(why) => {
                let closed = matches!(self.row.decision.reach, Reach::BlackHoled(_));
                let rest = if closed {
                    "; REGISTRY_ONLY refuses the call"
                } else {
                    "; ALLOW_ANY passes the bytes on as they are"
                };
                match why {
                    Unknown::NotImported(number) => {
                        let Some(sidecar) = self.mesh().sidecars.get(number as usize) else { return };
                        let text = pass(&format!("{} is not imported", service.host)) + rest;
                        self.cite("import", sidecar.meta.id, Path::new("spec.egress"), text);
                    }
                    Unknown::NotMember => {
                        let place = format!("namespace {}, which is no member of the mesh", service.meta.namespace);
                        let text = pass(&format!("{} is in {place}", service.host)) + rest;
                        self.cite("import", service.meta.id, Path::new("metadata.namespace"), text);
                    }
                    Unknown::NotExported => {
                        let text =
                            pass(&format!("{} is not exported to namespace {}", service.host, client.meta.namespace))
                                + rest;
                        let path = match service.origin {
                            Origin::Kubernetes => Path::new("metadata.annotations").key("networking.istio.io/exportTo"),
                            _ => Path::new("spec.exportTo"),
                        };
                        self.cite("import", service.meta.id, path, text);
                    }
                }
            }
        }
    }

    /// What the client's proxy was told to send, and by which field.
    fn sends(&mut self) {
        let Decision { reach: Reach::Known, tls, tag, cluster, why, .. } = self.row.decision else { return };
        let mesh = self.mesh();
        if let Some((mode, from)) = tls {
            let Some(rule) = mesh.rules.get(from.rule as usize) else { return };
            let written = tls_at(mesh, from).is_some_and(|tls| tls.mode_written);
            let mut text = match mode {
                TlsMode::Disable if !written => "tls without a mode means DISABLE: plaintext".to_owned(),
                TlsMode::Disable => "DISABLE: plaintext".to_owned(),
                TlsMode::Simple => "SIMPLE: one-way TLS to every endpoint".to_owned(),
                TlsMode::Mutual => "MUTUAL: TLS with the rule's own client certificate to every endpoint".to_owned(),
                TlsMode::IstioMutual => {
                    "ISTIO_MUTUAL: Istio mutual TLS to every endpoint, with a sidecar or not".to_owned()
                }
            };
            match why {
                Why::CredentialIgnored => {
                    text += "; but sidecars ignore credentialName of a rule without workloadSelector: plaintext"
                }
                Why::NoClientCertificate => {
                    text += "; but it has no clientCertificate and privateKey: istiod drops the TLS, plaintext"
                }
                Why::Grpc => text += "; but proxyless gRPC only knows ISTIO_MUTUAL: plaintext",
                Why::ClientFiles => text += "; but with the certificate files of the client's own proxy",
                _ => {}
            }
            self.cite("tls", rule.tls_object(from.port), mode_path(mesh, from), text);
            return;
        }
        self.erased();
        match why {
            Why::AutoOff => {
                let version = mesh.version;
                let text = match (mesh.config.auto_mtls_written, version.reads_legacy_policies()) {
                    _ if version < Version::one(4) => {
                        return self.say("auto", "no rule sets tls, and Istio has automatic mTLS since 1.4: plaintext");
                    }
                    (false, true) => {
                        let text = format!(
                            "automatic mTLS is off in Istio {version} unless enableAutoMtls is true, and no rule sets tls: plaintext"
                        );
                        return self.say("auto", text);
                    }
                    _ => "automatic mTLS is off (enableAutoMtls: false) and no rule sets tls: plaintext",
                };
                match mesh.config_from {
                    Some(id) => {
                        let path = mesh.auto_path();
                        let (object, at) = (mesh.object_ref(id), Some(mesh.locate_word(id, &path, "enableAutoMtls")));
                        self.steps.push(Because { step: "auto", object, at, path: Some(path), text: text.to_owned() });
                    }
                    None => self.say("auto", text),
                }
            }
            Why::External => {
                let Some(service) = self.service() else { return };
                let text = "MESH_EXTERNAL (also the default of location): never automatic mTLS, plaintext";
                self.cite("auto", service.meta.id, Path::new("spec.location"), text);
            }
            Why::NoEndpoints => {
                self.say("auto", "addressed directly and without endpoints: plaintext until one appears")
            }
            Why::EndpointWithoutSidecar => {
                self.say("auto", "addressed directly (headless or PASSTHROUGH) and an endpoint has no sidecar: plaintext to all of them");
            }
            Why::NamespaceDisable(from) => {
                let text = "clients look at the mesh-wide and namespace-wide policy only, and it says DISABLE: plaintext to all";
                match from.policy.and_then(|n| mesh.policies.get(n as usize)) {
                    Some(policy) => self.cite("auto", policy.meta.id, Path::new("spec.mtls.mode"), text),
                    None => self.say("auto", text),
                }
            }
            Why::ClientFiles => self.say(
                "auto",
                "the client's proxy has certificate files of its own (ISTIO_META_TLS_CLIENT_CERT_CHAIN): MUTUAL with them to every endpoint, with a sidecar or not",
            ),
            Why::DirectPlain => self.say(
                "auto",
                format!("addressed directly: Istio {} has no automatic mTLS for that, plaintext", mesh.version),
            ),
            Why::AutoByLabel => self.say(
                "auto",
                format!("no tls is set: automatic mTLS, which in Istio {} looks at the endpoint's label alone, not at its policy", mesh.version),
            ),
            Why::PolicyDisable(from) => {
                let text = "automatic mTLS looks at the policy of the Service port, which asks for none: plaintext";
                self.old_policy("auto", from, text.to_owned());
            }
            Why::AutoDirect => self.say(
                "auto",
                "automatic mTLS of pods addressed directly: mutual TLS to every endpoint, without a look at its policy",
            ),
            Why::Grpc => self.say("auto", "proxyless gRPC has no automatic mTLS: plaintext"),
            _ if cluster == Cluster::PerEndpoint && tag.is_none() => {
                self.say("auto", "no tls is set: automatic mTLS, per endpoint")
            }
            _ => {}
        }
    }

    /// A port entry without tls clears the inherited tls for the cluster, while endpoints are still tagged by it.
    fn erased(&mut self) {
        let Some((mode, from)) = self.row.decision.tag else { return };
        let Some(rule) = self.mesh().rules.get(from.rule as usize) else { return };
        let text = format!(
            "an entry of portLevelSettings without tls clears the inherited {} for the cluster, endpoints are still chosen by it: {}",
            mode.word(),
            if mode == TlsMode::IstioMutual {
                "mutual TLS to endpoints with a sidecar, whatever their policy"
            } else {
                "plaintext"
            }
        );
        self.cite("tls", rule.meta.id, tls_path(from), text);
    }

    fn endpoint(&mut self, endpoint: &Endpoint<'m>, cell: &Cell) {
        if self.tunnel(endpoint) {
            return;
        }
        if self.row.decision.cluster != Cluster::PerEndpoint || self.row.decision.reach != Reach::Known {
            return;
        }
        let mesh = self.mesh();
        let text = match endpoint.tls_mode {
            "istio" => "announced with tlsMode istio: capable of mutual TLS".to_owned(),
            "disabled" => "announced without tlsMode istio: plaintext".to_owned(),
            other => format!("announced with tlsMode {other}: only the exact word istio counts, plaintext"),
        };
        match endpoint.who {
            Who::Workload(number) => {
                let Some(workload) = mesh.workloads.get(number as usize) else { return };
                let label = Path::new(workload.path).key("labels").key("security.istio.io/tlsMode");
                // A predicted label stands nowhere: then the workload itself is the place.
                let path = if mesh.has(workload.meta.id, &label) { label } else { Path::new(workload.path) };
                self.cite("endpoint", workload.meta.id, path, text);
            }
            _ => self.say("endpoint", text),
        }
        let withheld = endpoint.tls_mode == "istio" && cell.wire == Some(Wire::Plaintext);
        let policy = cell.from.and_then(|from| from.policy).and_then(|n| mesh.policies.get(n as usize));
        if let Some(policy) = policy.filter(|_| withheld && self.row.decision.tag.is_none()) {
            let text = "its policy says DISABLE, so clients are told to send plaintext".to_owned();
            self.cite("endpoint", policy.meta.id, Path::new("spec"), text);
        }
    }

    fn server(&mut self, endpoint: &Endpoint<'m>, cell: &Cell) {
        let mesh = self.mesh();
        let workload = match endpoint.who {
            Who::Workload(number) => mesh.workloads.get(number as usize),
            _ => None,
        };
        match endpoint.front {
            Front::NoProxy => match workload {
                Some(w) => self.cite(
                    "server",
                    w.meta.id,
                    Path::new(w.path),
                    format!("no proxy, the application answers: {}", w.proxy_why),
                ),
                None => self.say("server", "no proxy: the address is no workload of the mesh"),
            },
            Front::Bypassed(bypass) => {
                let (annotation, text) = match bypass {
                    Bypass::Excluded => {
                        ("traffic.sidecar.istio.io/excludeInboundPorts", "the port is excluded from the sidecar")
                    }
                    Bypass::NotIncluded => {
                        ("traffic.sidecar.istio.io/includeInboundPorts", "the port is not captured by the sidecar")
                    }
                    Bypass::StatusPort => ("status.sidecar.istio.io/port", "a status port, which is never captured"),
                    Bypass::GatewayTemplate => {
                        ("inject.istio.io/templates", "injected with the gateway template, which captures nothing")
                    }
                    Bypass::NoInterception => {
                        ("sidecar.istio.io/interceptionMode", "interception mode NONE without a Sidecar listener")
                    }
                };
                let text = format!(
                    "{text}: the application answers, no policy is enforced{}",
                    if endpoint.tls_mode == "istio" { ", while istiod still announces mutual TLS" } else { "" }
                );
                match workload {
                    Some(w) => {
                        self.cite("server", w.meta.id, Path::new(w.path).key("annotations").key(annotation), text)
                    }
                    None => self.say("server", text),
                }
            }
            Front::Ambient(demand) => self.ztunnel(workload, demand),
            Front::Policy | Front::OwnTls(_) => self.policy(endpoint, cell),
            Front::Grpc(listener) => {
                self.policy(endpoint, cell);
                if let Some(words) = listener.words(cell.mode) {
                    self.say("server", words);
                }
            }
            Front::Gateway(number, server) => {
                let Some(gateway) = mesh.gateways.get(number as usize) else { return };
                let list = if gateway.gateway_api { "spec.listeners" } else { "spec.servers" };
                let index = gateway.servers.get(server as usize).map_or(0, |s| s.index);
                let path = Path::new(list).index(index);
                self.cite(
                    "server",
                    gateway.meta.id,
                    path,
                    format!(
                        "a gateway's server, tls {}: PeerAuthentication is not consulted",
                        cell.mode.unwrap_or("NONE")
                    ),
                );
            }
            Front::Unknown(_) => {}
        }
    }

    fn policy(&mut self, endpoint: &Endpoint<'m>, cell: &Cell) {
        let mesh = self.mesh();
        if let (Some(mode), Some(from @ ModeFrom { policy, port, legacy })) = (cell.mode, cell.from) {
            let old = mesh.version.reads_legacy_policies() && policy.is_none();
            if legacy.is_some() || old {
                return self.old_server(mode, from);
            }
            match policy.and_then(|n| mesh.policies.get(n as usize)) {
                None => self.say("server", "no PeerAuthentication sets a mode: PERMISSIVE"),
                Some(policy) => {
                    let (path, scope) = match port {
                        Some(port) => (
                            Path::new("spec.portLevelMtls").key(&port.to_string()).key("mode"),
                            format!("for workload port {port}"),
                        ),
                        None if !policy.selector.is_empty() => {
                            (Path::new("spec.mtls.mode"), format!("for workloads with {}", policy.selector))
                        }
                        None if policy.meta.namespace == mesh.root => {
                            (Path::new("spec.mtls.mode"), "for the mesh".to_owned())
                        }
                        None => (Path::new("spec.mtls.mode"), format!("for namespace {}", policy.meta.namespace)),
                    };
                    self.cite("server", policy.meta.id, path, format!("{mode} {scope}"));
                    self.wrong_port(endpoint);
                }
            }
        }
        if matches!(endpoint.front, Front::OwnTls(_)) && cell.mode == Some("DISABLE") {
            self.say(
                "server",
                "Sidecar.ingress.tls terminates TLS with its own certificate (ENABLE_TLS_ON_SIDECAR_INGRESS)",
            );
        }
    }

    /// A port exception that goes by the Service's port has no effect: the key is the workload's (A1).
    fn wrong_port(&mut self, endpoint: &Endpoint<'m>) {
        let mesh = self.mesh();
        let port = self.service().and_then(|s| s.ports.get(self.row.port as usize)).map_or(0, |port| port.number);
        let policies = endpoint.policies.iter().flatten().filter_map(|n| mesh.policies.get(*n as usize));
        let names = |wanted: u16| move |(number, _): &(u16, _)| *number == wanted;
        for policy in policies.filter(|_| port != endpoint.port && endpoint.port > 0) {
            if policy.ports.iter().any(names(port)) && !policy.ports.iter().any(names(endpoint.port)) {
                let path = Path::new("spec.portLevelMtls").key(&port.to_string());
                let text =
                    format!("{port} is the Service's port and has no effect: the workload's is {}", endpoint.port);
                self.cite("server", policy.meta.id, path, text);
            }
        }
    }
}
