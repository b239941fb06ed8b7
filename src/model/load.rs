//! Builds the [`Mesh`]: documents to objects, the last of equals, what this istiod sees, sorted as istiod sorts.

use super::read::{Item, Object, Raw, Read};
use super::taint::scope_of;
use super::workload::InjectionView;
use super::{
    ByNamespace, Index, Labels, Mesh, MeshConfig, Meta, ObjectId, Options, Proxy, Scope, Service, Taint, Workload, read,
    service,
};
use crate::finding::{self, Finding};
use crate::location::{ObjectRef, Path, Sources};
use crate::yaml::{self, Broken, Document, NodeId};
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kinds that the revision label hides from a control plane of another revision (1.0).
const REVISIONED: [&str; 10] = [
    "PeerAuthentication",
    "DestinationRule",
    "Sidecar",
    "ServiceEntry",
    "WorkloadEntry",
    "WorkloadGroup",
    "VirtualService",
    "Gateway",
    "EnvoyFilter",
    "ProxyConfig",
];

/// Reads every source and builds the mesh. Cannot fail: what is wrong is in its findings and taints.
#[must_use]
pub fn load(sources: Sources, options: Options) -> Mesh {
    let mut documents = Vec::new();
    let (mut broken, mut findings, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
    for (id, source) in sources.iter() {
        let parsed = yaml::parse(&sources, id);
        inputs.push((source.path.to_string(), parsed.documents.len() + parsed.broken.len()));
        documents.extend(parsed.documents);
        broken.extend(parsed.broken);
        findings.extend(parsed.findings);
    }
    let raws: Vec<Raw> = (0..).zip(&documents).flat_map(|(number, d)| read::unwrap_lists(number, d)).collect();
    let (namespace, domain) = (&options.default_namespace, &options.cluster_domain);
    let reads: Vec<Read> = raws
        .par_iter()
        .enumerate()
        .map(|(at, raw)| {
            let id = ObjectId(u32::try_from(at).unwrap_or(u32::MAX));
            match documents.get(raw.document as usize) {
                Some(document) => read::read(raw, document, id, namespace, domain),
                None => Read::NoObject,
            }
        })
        .collect();
    let mut loader = Loader::new(sources, documents, options);
    loader.findings = findings;
    loader.take(reads, &raws);
    loader.taint_broken(&broken);
    loader.finish(inputs)
}

/// The lists, while they fill.
struct Loader {
    sources: Sources,
    documents: Vec<Document>,
    options: Options,
    objects: Vec<Object>,
    items: Vec<Item>,
    findings: Vec<Finding>,
    /// What is to be tainted once the root namespace is known: kind, namespace, name, reason, object, place.
    pending: Vec<(String, Arc<str>, Arc<str>, String, Option<ObjectId>, crate::location::Location)>,
    not_judged: BTreeMap<String, usize>,
}

impl Loader {
    fn new(sources: Sources, documents: Vec<Document>, options: Options) -> Self {
        Self {
            sources,
            documents,
            options,
            objects: Vec::new(),
            items: Vec::new(),
            findings: Vec::new(),
            pending: Vec::new(),
            not_judged: BTreeMap::new(),
        }
    }

    fn place(&self, document: u32, node: NodeId) -> crate::location::Location {
        let span = self.documents.get(document as usize).map(|d| d.tree.node(node).span());
        span.map_or(crate::location::Location { file: "?".into(), line: 1, column: 1 }, |span| {
            self.sources.location(span.source, span.start)
        })
    }

    /// Takes what was read: findings for what is wrong, the last of equal names, the rest as items.
    fn take(&mut self, reads: Vec<Read>, raws: &[Raw]) {
        let mut seen: HashMap<(Box<str>, Arc<str>, Arc<str>, Arc<str>), usize> = HashMap::new();
        for (raw, read) in raws.iter().zip(reads) {
            let nothing = Object {
                kind: "".into(),
                group: "".into(),
                namespace: "".into(),
                name: "".into(),
                document: raw.document,
                node: raw.node,
            };
            // Objects keep their number, so that an ObjectId is an index, whatever they turned out to be.
            let at = self.objects.len();
            match read {
                Read::Ours(object, item, issues) => {
                    let duplicate_keys = self.documents.get(raw.document as usize).is_some_and(|d| d.duplicate_keys);
                    self.report_issues(&object, at, issues, duplicate_keys && !matches!(item, Item::Nothing));
                    let named = !object.name.is_empty() && !object.name.ends_with('*');
                    let key =
                        (object.group.clone(), object.kind.clone(), object.namespace.clone(), object.name.clone());
                    let earlier = if named { seen.insert(key, at) } else { None };
                    self.objects.push(object);
                    if let Some(earlier) = earlier {
                        self.report_duplicate(earlier, at);
                        if let Some(item) = self.items.get_mut(earlier) {
                            *item = Item::Nothing;
                        }
                    }
                    self.items.push(item);
                }
                Read::Unknown(object, near, why) => {
                    let help = match near {
                        Some(row) => format!("did you mean {} of {}?", row.kind, if row.group.is_empty() { "v1" } else { row.group }),
                        None => "check kind and apiVersion; what this object does is not judged".to_owned(),
                    };
                    let place = self.place(raw.document, raw.node);
                    let mut finding = Finding::new(&finding::UNKNOWN_KIND, place.clone(), why.clone(), help);
                    finding.object = Some(object_ref(&object));
                    self.findings.push(finding);
                    let kind = near.map_or("", |row| row.kind).to_owned();
                    let id = ObjectId(u32::try_from(at).unwrap_or(u32::MAX));
                    self.pending.push((kind, object.namespace.clone(), object.name.clone(), why, Some(id), place));
                    self.objects.push(object);
                    self.items.push(Item::Nothing);
                }
                Read::Foreign | Read::NoObject => {
                    self.objects.push(nothing);
                    self.items.push(Item::Nothing);
                }
            }
        }
    }

    fn report_issues(&mut self, object: &Object, at: usize, issues: super::issue::Issues, duplicate_keys: bool) {
        let id = ObjectId(u32::try_from(at).unwrap_or(u32::MAX));
        let who = object_ref(object);
        let mut reasons: Vec<_> = Vec::new();
        if duplicate_keys {
            reasons.push((format!("{who} has a key twice"), self.place(object.document, object.node)));
        }
        for issue in issues.0 {
            let place = self.place(object.document, issue.node);
            let message = format!("{who}: {}", issue.message);
            let mut finding = Finding::new(&finding::INVALID_VALUE, place.clone(), message.clone(), issue.help);
            finding.object = Some(who.clone());
            finding.path = Some(Path::new(issue.path));
            self.findings.push(finding);
            reasons.push((message, place));
        }
        for (reason, place) in reasons {
            let kind = object.kind.to_string();
            self.pending.push((kind, object.namespace.clone(), object.name.clone(), reason, Some(id), place));
        }
    }

    fn report_duplicate(&mut self, earlier: usize, later: usize) {
        let (Some(first), Some(last)) = (self.objects.get(earlier), self.objects.get(later)) else { return };
        let who = object_ref(last);
        let first_place = self.place(first.document, first.node);
        let mut finding = Finding::new(
            &finding::DUPLICATE_OBJECT,
            self.place(last.document, last.node),
            format!("{who} stands twice; this one counts, as with kubectl apply"),
            "remove one of the two",
        );
        finding.object = Some(who);
        finding.related = vec![finding::Related { message: "the other one".to_owned(), at: first_place }];
        self.findings.push(finding);
    }

    fn taint_broken(&mut self, broken: &[Broken]) {
        for document in broken {
            let place = self.sources.location(document.source, document.at);
            let kind = document.kind.clone().unwrap_or_default();
            let foreign = document.api_version.as_deref().zip(document.kind.as_deref()).is_some_and(|(api, kind)| {
                matches!(super::kinds::lookup(api, kind), super::kinds::Lookup::Other)
                    || matches!(super::kinds::lookup(api, kind), super::kinds::Lookup::Row(row) if row.role == super::kinds::Role::Known)
            });
            if foreign {
                continue;
            }
            let namespace = document.namespace.clone().unwrap_or_else(|| self.options.default_namespace.clone());
            let name = document.name.clone().unwrap_or_default();
            // A document cut before its namespace may be of any; then it may change anything.
            let kind = if document.namespace.is_none() && document.name.is_none() { String::new() } else { kind };
            let reason = format!("document {} of {} could not be read", document.number, place.file);
            self.pending.push((kind, namespace.into(), name.into(), reason, None, place));
        }
    }

    fn config(&self) -> (Option<ObjectId>, MeshConfig, String, Option<String>) {
        let mut maps: Vec<(&Meta, &Option<MeshConfig>)> = Vec::new();
        for item in &self.items {
            if let Item::Mesh(meta, config) = item {
                maps.push((meta, config));
            }
        }
        let wanted = self.options.root_namespace.as_deref().unwrap_or("istio-system");
        maps.sort_by_key(|(meta, _)| (&*meta.name != "istio", &*meta.namespace != wanted));
        let Some((meta, config)) = maps.first().copied() else {
            return (None, MeshConfig::default(), "default".to_owned(), None);
        };
        let revision = meta.name.strip_prefix("istio-").unwrap_or("default").to_owned();
        let rivals = maps.iter().filter(|(other, _)| other.name == meta.name).count() > 1;
        let problem = match config {
            None => Some(format!("data.mesh of ConfigMap {} does not parse", meta.slash())),
            Some(_) if rivals => Some(format!("several ConfigMaps are called {}: pass --mesh-config", meta.name)),
            Some(_) => None,
        };
        (Some(meta.id), config.clone().unwrap_or_default(), revision, problem)
    }

    fn finish(mut self, inputs: Vec<(String, usize)>) -> Mesh {
        let (config_from, mut config, revision, mut problem) = self.config();
        let mut config_from = config_from;
        if let Some(given) = self.options.mesh_config.clone() {
            (config, config_from, problem) = (given, None, None);
        }
        let root: Arc<str> = self.options.root_namespace.as_deref().or(config.root_namespace.as_deref()).unwrap_or("istio-system").into();
        let trust_domain = self.options.trust_domain.as_deref().or(config.trust_domain.as_deref()).unwrap_or("cluster.local").to_owned();
        if let (Some(why), Some(id)) = (problem, config_from) {
            let object = self.objects.get(id.0 as usize).cloned();
            if let Some(object) = object {
                let place = self.place(object.document, object.node);
                let mut finding = Finding::new(&finding::INVALID_VALUE, place.clone(), why.clone(), "mend it, or pass --mesh-config FILE");
                finding.object = Some(object_ref(&object));
                self.findings.push(finding);
                self.pending.push((String::new(), root.clone(), "".into(), why, Some(id), place));
            }
        }
        let mut mesh = Mesh {
            sources: self.sources,
            documents: self.documents,
            objects: self.objects,
            namespaces: BTreeMap::new(),
            services: Vec::new(),
            entries: Vec::new(),
            slices: Vec::new(),
            workloads: Vec::new(),
            machines: Vec::new(),
            machine_templates: Vec::new(),
            policies: Vec::new(),
            rules: Vec::new(),
            sidecars: Vec::new(),
            routes: Vec::new(),
            gateways: Vec::new(),
            interferences: Vec::new(),
            config,
            config_from,
            options: self.options,
            root,
            trust_domain,
            revision,
            index: Index::default(),
            taints: Vec::new(),
            findings: self.findings,
            not_judged: self.not_judged,
            inputs,
            has_pods: false,
            assumed_namespaces: Vec::new(),
            other_revisions: false,
        };
        for item in &self.items {
            if let Item::Namespace(namespace) = item {
                mesh.namespaces.insert(namespace.meta.name.clone(), namespace.clone());
            }
        }
        for item in self.items {
            mesh.add(item);
        }
        mesh.taint(self.pending);
        mesh.settle_workloads();
        mesh.sort();
        mesh.build_index();
        finding::sort(&mut mesh.findings);
        mesh
    }
}

fn object_ref(object: &Object) -> ObjectRef {
    let kind = if object.kind.is_empty() { "object".into() } else { object.kind.clone() };
    let namespace = (!object.namespace.is_empty()).then(|| object.namespace.clone());
    ObjectRef { kind, namespace, name: object.name.clone() }
}

impl Mesh {
    /// Whether this istiod sees an object: by its namespace, and by its revision label.
    fn visible(&mut self, meta: &Meta) -> bool {
        let kind = self.objects.get(meta.id.0 as usize).map(|object| object.kind.clone()).unwrap_or_default();
        if !self.sees(&meta.namespace) {
            *self.not_judged.entry("in a namespace that discoverySelectors leave out".to_owned()).or_default() += 1;
            return false;
        }
        let revision = meta.labels.get("istio.io/rev").filter(|_| REVISIONED.contains(&&*kind));
        if revision.is_some_and(|revision| revision != self.revision) {
            self.other_revisions = true;
            *self.not_judged.entry(format!("of another revision than {}", self.revision)).or_default() += 1;
            return false;
        }
        true
    }

    fn add(&mut self, item: Item) {
        match item {
            Item::Namespace(_) | Item::Mesh(..) | Item::Nothing => {}
            Item::Service(service) if self.visible(&service.meta) => self.services.push(service),
            Item::Entry(entry, mut services) if self.visible(&entry.meta) => {
                let number = u32::try_from(self.entries.len()).ok();
                services.iter_mut().for_each(|service| service.entry = number);
                self.services.extend(services);
                self.entries.push(entry);
            }
            Item::Slices(slices) if slices.first().is_some_and(|slice| self.visible(&slice.meta)) => {
                self.slices.extend(slices);
            }
            // Workloads of unseen namespaces still call: as clients without a mesh.
            Item::Workload(workload) => self.workloads.push(*workload),
            Item::PeerAuthentication(policy) if self.visible(&policy.meta) => self.policies.push(policy),
            Item::DestinationRule(rule) if self.visible(&rule.meta) => self.rules.push(*rule),
            Item::Sidecar(sidecar) if self.visible(&sidecar.meta) => self.sidecars.push(sidecar),
            Item::Machine(machine) if self.visible(&machine.meta) => self.machines.push(machine),
            Item::MachineTemplate(machine) if self.visible(&machine.meta) => self.machine_templates.push(machine),
            Item::Route(route) if self.visible(&route.meta) => self.routes.push(route),
            Item::Gateway(gateway) if self.visible(&gateway.meta) => self.gateways.push(gateway),
            Item::Interference(object) if self.visible(&object.meta) => self.interferences.push(object),
            Item::NotYet(meta, names) if self.visible(&meta) => self.not_yet(&meta, &names),
            _ => {}
        }
    }

    /// A kind that is recognised and not judged yet: counted, and its rows are UNKNOWN.
    fn not_yet(&mut self, meta: &Meta, names: &[Box<str>]) {
        let Some(object) = self.object_ref(meta.id) else { return };
        *self.not_judged.entry(format!("{}: not judged yet", object.kind)).or_default() += 1;
        let reason = format!("{object} is not judged yet");
        let at = self.locate(meta.id, &Path::default());
        let mut scopes = Vec::new();
        for name in names {
            scopes.push(Scope::Host(Host::resolve(name, &meta.namespace, &self.options.cluster_domain)));
        }
        if scopes.is_empty() {
            let root = meta.namespace == self.root;
            scopes.extend(scope_of(&object.kind, &meta.namespace, &meta.name, root, &self.options.cluster_domain));
        }
        let taint = |scope| Taint { scope, reason: reason.clone(), object: Some(meta.id), at: at.clone() };
        self.taints.extend(scopes.into_iter().map(taint));
    }

    fn taint(
        &mut self,
        pending: Vec<(String, Arc<str>, Arc<str>, String, Option<ObjectId>, crate::location::Location)>,
    ) {
        for (kind, namespace, name, reason, object, at) in pending {
            let root = namespace == self.root;
            if let Some(scope) = scope_of(&kind, &namespace, &name, root, &self.options.cluster_domain) {
                self.taints.push(Taint { scope, reason, object, at });
            }
        }
        if !self.config.discovery.is_empty() {
            let names: std::collections::BTreeSet<Arc<str>> =
                self.workloads.iter().map(|w| &w.meta).chain(self.services.iter().map(|s| &s.meta)).map(|m| m.namespace.clone()).collect();
            for name in names.into_iter().filter(|name| !self.namespaces.contains_key(name)) {
                let reason = format!("discoverySelectors decide on namespace {name}, which is not in the input");
                let at = self.config_from.map_or(
                    crate::location::Location { file: "--mesh-config".into(), line: 1, column: 1 },
                    |id| self.locate(id, &Path::default()),
                );
                self.taints.push(Taint { scope: Scope::Namespace(name), reason, object: self.config_from, at });
            }
        }
        for pair in &self.options.env.not_followed {
            let at = crate::location::Location { file: "--istiod-env".into(), line: 1, column: 1 };
            self.taints.push(Taint { scope: Scope::All, reason: format!("{pair} is not followed yet"), object: None, at });
        }
    }

    /// Decides each workload's proxy, and leaves templates out that Pods of the input stand for.
    fn settle_workloads(&mut self) {
        self.has_pods = self.workloads.iter().any(|workload| workload.kind == "Pod");
        let mut workloads = std::mem::take(&mut self.workloads);
        let raw: Vec<Labels> = workloads.iter().map(|w| w.labels.clone()).collect();
        let pods = super::select::LabelIndex::new(
            workloads.iter().filter(|w| w.kind == "Pod").map(|w| (&w.meta.namespace, &w.labels)),
        );
        let pod_labels: Vec<&Labels> = workloads.iter().zip(&raw).filter(|(w, _)| w.kind == "Pod").map(|(_, l)| l).collect();
        let owners: HashSet<(Arc<str>, Box<str>, Box<str>)> =
            workloads.iter().map(|w| (w.meta.namespace.clone(), w.kind.into(), (*w.meta.name).into())).collect();
        let stands: Vec<bool> = workloads
            .iter()
            .map(|w| {
                if w.kind == "Pod" {
                    return true;
                }
                let owned = w.owner.as_ref().is_some_and(|(kind, name)| {
                    owners.contains(&(w.meta.namespace.clone(), kind.clone(), name.clone()))
                });
                let replaced = !w.labels.is_empty()
                    && pods.candidates(&w.meta.namespace, &w.labels).iter().any(|number| {
                        pod_labels.get(*number as usize).is_some_and(|labels| w.labels.subset_of(labels))
                    });
                !owned && !replaced && !(w.kind == "ReplicaSet" && w.scaled_to_zero)
            })
            .collect();
        let mut stand = stands.iter();
        workloads.retain(|_| stand.next().copied().unwrap_or(true));
        if workloads.is_empty() && !self.services.is_empty() {
            workloads = self.services.iter().filter_map(assumed_workload).collect();
        }
        let mut missing = HashSet::new();
        for workload in &mut workloads {
            let namespace = self.namespaces.get(&workload.meta.namespace);
            let view = InjectionView { namespace, assume_injected: self.options.assume_injected, revision: &self.revision };
            workload.settle(&view);
            let seen = self.config.discovery.is_empty()
                || namespace.is_none_or(|ns| self.config.discovery.iter().any(|s| s.matches(&ns.labels)));
            if !seen {
                workload.proxy = Proxy::None;
                workload.proxy_why = "discoverySelectors leave its namespace out of the mesh".to_owned();
            }
            if namespace.is_none() && workload.assumed {
                missing.insert(workload.meta.namespace.clone());
            }
        }
        self.assumed_namespaces = missing.into_iter().collect();
        self.assumed_namespaces.sort();
        self.workloads = workloads;
    }

    /// Sorts as istiod does where order decides, and by name where only people read it.
    fn sort(&mut self) {
        self.workloads.sort_by(|a, b| {
            (&a.meta.namespace, &a.meta.name, a.kind).cmp(&(&b.meta.namespace, &b.meta.name, b.kind))
        });
        self.services.sort_by(|a, b| (&a.host, a.origin, &a.meta.namespace, &a.meta.name).cmp(&(&b.host, b.origin, &b.meta.namespace, &b.meta.name)));
        self.policies.sort_by(|a, b| a.meta.age_key().cmp(&b.meta.age_key()));
        self.rules.sort_by(|a, b| {
            (a.selector.is_none(), a.meta.age_key()).cmp(&(b.selector.is_none(), b.meta.age_key()))
        });
        self.sidecars.sort_by(|a, b| {
            (a.selector.is_none(), a.meta.age_key()).cmp(&(b.selector.is_none(), b.meta.age_key()))
        });
        self.routes.sort_by(|a, b| a.meta.age_key().cmp(&b.meta.age_key()));
        self.gateways.sort_by(|a, b| a.meta.age_key().cmp(&b.meta.age_key()));
    }

    fn build_index(&mut self) {
        fn by_namespace<'a>(metas: impl Iterator<Item = &'a Meta>) -> ByNamespace {
            let mut map = ByNamespace::new();
            for (number, meta) in (0..).zip(metas) {
                map.entry(meta.namespace.clone()).or_default().push(number);
            }
            map
        }
        let mut index = Index {
            policies: by_namespace(self.policies.iter().map(|p| &p.meta)),
            rules: by_namespace(self.rules.iter().map(|r| &r.meta)),
            sidecars: by_namespace(self.sidecars.iter().map(|s| &s.meta)),
            machines: by_namespace(self.machines.iter().map(|m| &m.meta)),
            labels: super::select::LabelIndex::new(self.workloads.iter().map(|w| (&w.meta.namespace, &w.labels))),
            ..Index::default()
        };
        for (number, workload) in (0..).zip(&self.workloads).filter(|(_, w)| w.kind == "Pod") {
            let namespace = &workload.meta.namespace;
            index.pods.insert((namespace.clone(), (*workload.meta.name).into()), number);
            for ip in workload.ips.iter().filter(|_| !workload.host_network && !workload.finished) {
                index.ips.insert((namespace.clone(), ip.clone()), number);
            }
        }
        for (number, service) in (0..).zip(&self.services) {
            index.hosts.entry(service.host.clone()).or_default().push(number);
            if service.origin == service::Origin::Kubernetes && service.selector.is_some() {
                index.selecting.entry(service.meta.namespace.clone()).or_default().push(number);
            }
        }
        for (number, slice) in (0..).zip(&self.slices) {
            let key = (slice.meta.namespace.clone(), slice.service.clone());
            index.slices.entry(key).or_default().push(number);
        }
        self.index = index;
    }
}

use super::Host;

/// The workload that a Service's selector speaks of, where the input has no workloads at all.
fn assumed_workload(service: &Service) -> Option<Workload> {
    let selector = service.selector.clone()?;
    let target = |port: &service::Port| match &port.target {
        service::TargetPort::Name(name) => Some((name.clone(), port.number)),
        service::TargetPort::Number(_) => None,
    };
    Some(Workload {
        meta: Meta { labels: Labels::default(), annotations: Labels::default(), ..service.meta.clone() },
        kind: "Service",
        labels: selector,
        annotations: Labels::default(),
        path: "spec.selector",
        ips: Vec::new(),
        named_ports: service.ports.iter().filter_map(target).collect(),
        host_network: false,
        user_1337: false,
        service_account: "".into(),
        node: None,
        scaled_to_zero: false,
        owner: None,
        shown: None,
        live: false,
        finished: false,
        proxy: Proxy::None,
        proxy_why: String::new(),
        assumed: true,
        revision: None,
    })
}
