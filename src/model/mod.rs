//! The mesh as plain data: every object of the input that decides something, indexed once and then read only.
//!
//! What could not be read is kept too: as a [`Finding`] for people, and as a [`Taint`] that says which rows it may
//! change, so that nothing unread ever leaves a row green.

mod assemble;
pub mod authn_policy;
pub mod backend_policy;
pub mod destination_rule;
mod fields;
pub mod filter;
pub mod gateway;
pub mod host;
mod imagine;
pub mod injection;
mod issue;
mod istiod;
pub mod kinds;
pub mod load;
pub mod mesh_config;
pub mod meta;
pub mod metadata;
pub mod namespace;
pub mod openshift;
pub mod peer_authentication;
pub mod protocol;
mod read;
pub mod route;
mod select;
pub mod service;
pub mod sidecar;
pub mod taint;
pub mod version;
pub mod workload;

pub use authn_policy::AuthnPolicy;
pub use destination_rule::DestinationRule;
pub use gateway::Gateway;
pub use host::Host;
#[cfg(test)]
pub(crate) use load::load_text;
pub use load::{load, load_input};
pub use mesh_config::{MeshConfig, Options};
pub use meta::{Labels, Meta, ObjectId};
pub use metadata::Metadata;
pub use namespace::Namespace;
pub use openshift::Control;
pub use peer_authentication::{MtlsMode, PeerAuthentication};
pub use protocol::Protocol;
pub use read::Object;
pub use service::{Machine, Service};
pub use sidecar::Sidecar;
pub use taint::{Scope, Taint};
pub use version::Version;
pub use workload::{Proxy, Workload};

use crate::finding::{Finding, Severity};
use crate::location::{Location, ObjectRef, Path, Sources, Step};
use crate::yaml::Document;
use foldhash::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Numbers of objects of one kind by namespace, in the order in which istiod takes them.
pub type ByNamespace = HashMap<Arc<str>, Vec<u32>>;

/// What istiod would know of the mesh. Built by [`load()`].
#[derive(Debug, Default)]
pub struct Mesh {
    /// The texts.
    pub sources: Sources,
    /// The documents that parsed.
    pub documents: Vec<Document>,
    /// Every object of a known kind.
    pub objects: Vec<Object>,
    /// Namespaces by name.
    pub namespaces: BTreeMap<Arc<str>, Namespace>,
    /// Services, sorted by host.
    pub services: Vec<Service>,
    /// ServiceEntries; [`Service::entry`] points here.
    pub entries: Vec<service::ServiceEntry>,
    /// EndpointSlices and Endpoints.
    pub slices: Vec<service::Slice>,
    /// Pods and templates, sorted by namespace and name; templates that Pods of the input stand for are left out.
    pub workloads: Vec<Workload>,
    /// WorkloadEntries.
    pub machines: Vec<Machine>,
    /// Templates of WorkloadGroups.
    pub machine_templates: Vec<Machine>,
    /// PeerAuthentications, oldest first.
    pub policies: Vec<PeerAuthentication>,
    /// Policies of the old API, oldest first; from Istio 1.6 they change nothing ([`Version::reads_legacy_policies`]).
    pub authn_policies: Vec<AuthnPolicy>,
    /// DestinationRules; those with a workloadSelector first, then oldest first (2.3).
    pub rules: Vec<DestinationRule>,
    /// Sidecars; those with a selector first, then oldest first.
    pub sidecars: Vec<Sidecar>,
    /// Routes.
    pub routes: Vec<route::Route>,
    /// Gateways.
    pub gateways: Vec<Gateway>,
    /// EnvoyFilters that change what is not followed.
    pub interferences: Vec<filter::Interference>,
    /// BackendTLSPolicies and XBackendTrafficPolicies; the rules made of them are among [`Mesh::rules`].
    pub backend_policies: Vec<backend_policy::BackendPolicy>,
    /// ProxyConfigs that set metadata.
    pub proxy_configs: Vec<metadata::ProxyConfig>,
    /// The mesh's settings.
    pub config: MeshConfig,
    /// The ConfigMap that they were read from.
    pub config_from: Option<ObjectId>,
    /// The control plane of OpenShift Service Mesh or Sail whose mesh is judged.
    pub control: Option<Control>,
    /// What the user said.
    pub options: Options,
    /// Root namespace.
    pub root: Arc<str>,
    /// Trust domain.
    pub trust_domain: String,
    /// The Istio version whose rules apply: what the user said, else what the input implies, else the newest.
    pub version: Version,
    /// The revision that is judged.
    pub revision: String,
    /// Objects of one kind by namespace.
    pub index: Index,
    /// What could not be taken in.
    pub taints: Vec<Taint>,
    /// What is wrong with the input.
    pub findings: Vec<Finding>,
    /// What is recognised and not judged: kinds, and words for the rest.
    pub not_judged: BTreeMap<String, usize>,
    /// The first place of each file that was found by chance, is no manifest by its words, and does not parse.
    pub strangers: Vec<Location>,
    /// The namespaces of the cluster that were read; empty: all, or no cluster.
    pub read_namespaces: BTreeSet<String>,
    /// Documents of each input, as (path, documents).
    pub inputs: Vec<(String, usize)>,
    /// The input holds Pods.
    pub has_pods: bool,
    /// Namespaces that are assumed to be injected because the input does not have them.
    pub assumed_namespaces: Vec<Arc<str>>,
    /// Some object is for one revision only, be it the one that is judged or another.
    pub other_revisions: bool,
    /// The input holds Services or ServiceEntries, seen or not.
    pub has_services: bool,
    /// The mesh is ambient: the input shows it, or the user says so (`PILOT_ENABLE_AMBIENT`).
    pub ambient: bool,
    /// Pods are in several networks, which reach each other through gateways.
    pub networks: bool,
}

/// Lookups into the lists of [`Mesh`].
#[derive(Debug, Default)]
pub struct Index {
    /// Policies by namespace, oldest first.
    pub policies: ByNamespace,
    /// Selectors of policies.
    pub selectors: select::SelectorIndex,
    /// Rules by namespace.
    pub rules: ByNamespace,
    /// Sidecars by namespace.
    pub sidecars: ByNamespace,
    /// Slices by namespace and service.
    pub slices: HashMap<(Arc<str>, Box<str>), Vec<u32>>,
    /// Pods by namespace and name.
    pub pods: HashMap<(Arc<str>, Box<str>), u32>,
    /// Pods by namespace and address.
    pub ips: HashMap<(Arc<str>, Box<str>), u32>,
    /// Workloads by labels.
    pub labels: select::LabelIndex,
    /// Pods by address, whatever their namespace.
    pub addresses: HashMap<Box<str>, u32>,
    /// Routes by namespace.
    pub routes: ByNamespace,
    /// EnvoyFilters by namespace.
    pub interferences: ByNamespace,
    /// WorkloadEntries by namespace.
    pub machines: ByNamespace,
    /// Services by host.
    pub hosts: HashMap<Host, Vec<u32>>,
}

impl Mesh {
    /// Adds files that hold no text, or were not read: their findings, and, for errors, that they may change anything.
    pub fn add_unread(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            if finding.severity == Severity::Error {
                let (reason, at) = (finding.message.clone(), finding.at.clone());
                self.taints.push(Taint { scope: Scope::All, reason, object: None, at });
            }
            self.findings.push(finding);
        }
        crate::finding::sort(&mut self.findings);
    }

    /// The policies of the root namespace speak for all: where only some namespaces were read, it has to be one of them.
    pub(crate) fn taint_unread_root(&mut self) {
        if self.read_namespaces.is_empty() || self.read_namespaces.contains(&*self.root) {
            return;
        }
        let reason =
            format!("the root namespace {} was not read: pass --root-namespace {} when reading", self.root, self.root);
        let at = Location { file: format!("cluster:{}", self.root).as_str().into(), line: 1, column: 1 };
        let help = "its policies speak for the whole mesh";
        self.findings.push(Finding::new(&crate::finding::NOT_READ, at.clone(), reason.clone(), help));
        self.taints.push(Taint { scope: Scope::All, reason, object: None, at });
    }

    /// The namespace of a Kubernetes service's host that was not asked for.
    #[must_use]
    pub fn unread_namespace<'a>(&self, host: &'a Host) -> Option<&'a str> {
        let service = host.as_str().strip_suffix(&*self.options.cluster_domain)?.strip_suffix(".svc.")?;
        let (_, namespace) = service.rsplit_once('.')?;
        (!self.read_namespaces.is_empty() && !self.read_namespaces.contains(namespace)).then_some(namespace)
    }

    /// The place of a field of an object; the object's own where the field is not there.
    #[must_use]
    pub fn locate(&self, id: ObjectId, path: &Path) -> Location {
        if let Some(made) = self.made(id) {
            return self.locate(made.by, &made.path);
        }
        let found = self.objects.get(id.0 as usize).and_then(|object| {
            let document = self.documents.get(object.document as usize)?;
            let span = document.tree.node(object.node).locate(path);
            Some(self.sources.location(span.source, span.start))
        });
        found.unwrap_or_else(Location::unknown)
    }

    /// The place of a word after the start of a field: of one setting inside a text such as `data.mesh`.
    #[must_use]
    pub fn locate_word(&self, id: ObjectId, path: &Path, word: &str) -> Location {
        let found = self.objects.get(id.0 as usize).and_then(|object| {
            let document = self.documents.get(object.document as usize)?;
            let span = document.tree.node(object.node).locate(path);
            let rest = self.sources.get(span.source)?.text.get(span.start as usize..)?;
            let at = u32::try_from(rest.find(word)?).ok()?;
            Some(self.sources.location(span.source, span.start + at))
        });
        found.unwrap_or_else(|| self.locate(id, path))
    }

    /// Which object makes another, where the input does not hold that one itself.
    #[must_use]
    pub fn made(&self, id: ObjectId) -> Option<&openshift::Made> {
        self.objects.get(id.0 as usize)?.made.as_deref()
    }

    /// Where `enableAutoMtls` stands in [`Mesh::config_from`], or would.
    #[must_use]
    pub fn auto_path(&self) -> Path {
        let plane = self.control.as_ref().and_then(|control| control.plane.as_ref());
        let plane = plane.filter(|plane| Some(plane.meta.id) == self.config_from);
        Path::new(plane.map_or("data.mesh", |plane| &plane.auto_path))
    }

    /// The best confidence that a row can have: 0 low, 1 medium, 2 high.
    #[must_use]
    pub fn ceiling(&self) -> u8 {
        self.control.as_ref().map_or(2, Control::ceiling)
    }

    /// [`Version::leaves_foreign_alpn`], which OpenShift Service Mesh 2.3 to 2.5 have from a later Istio than their own
    /// (`fork-2.5:pilot/pkg/networking/util/util.go : AddALPNOverrideToMetadata`).
    #[must_use]
    pub fn leaves_foreign_alpn(&self) -> bool {
        let release = self.control.as_ref().and_then(Control::release);
        self.version.leaves_foreign_alpn() || release.is_some_and(openshift::Release::leaves_foreign_alpn)
    }

    /// Whether an object has a field.
    #[must_use]
    pub fn has(&self, id: ObjectId, path: &Path) -> bool {
        if self.made(id).is_some() {
            return false;
        }
        let node = self.objects.get(id.0 as usize).and_then(|object| {
            let document = self.documents.get(object.document as usize)?;
            path.steps().iter().try_fold(document.tree.node(object.node), |node, step| match step {
                Step::Key(key) => node.get(key),
                Step::Index(at) => node.items().nth(*at),
            })
        });
        node.is_some()
    }

    /// Kind, namespace and name of an object.
    #[must_use]
    pub fn object_ref(&self, id: ObjectId) -> Option<ObjectRef> {
        let object = self.objects.get(id.0 as usize)?;
        let namespace = (!object.namespace.is_empty()).then(|| object.namespace.clone());
        Some(ObjectRef { kind: object.kind.clone(), namespace, name: object.name.clone() })
    }

    /// The workloads of a namespace that a selector selects, ascending.
    pub fn select<'a>(&'a self, namespace: &Arc<str>, selector: &'a Labels) -> impl Iterator<Item = u32> + 'a {
        let candidates = self.index.labels.candidates(namespace, selector);
        candidates.iter().copied().filter(|number| {
            self.workloads.get(*number as usize).is_some_and(|workload| selector.subset_of(&workload.labels))
        })
    }

    /// Labels that istiod adds to those of a proxy or endpoint (`util/label/label.go : AugmentLabels`).
    /// `Ok(None)`: the workload has no such label; `Err`: the input cannot say.
    ///
    /// # Errors
    /// The label's name, where its value is known to the cluster only.
    pub fn label_of<'a>(&'a self, workload: &'a Workload, key: &'a str) -> Result<Option<&'a str>, &'a str> {
        if let Some(value) = workload.labels.get(key) {
            return Ok(Some(value));
        }
        let proxied = matches!(workload.proxy, Proxy::Sidecar | Proxy::Gateway | Proxy::Grpc);
        match key {
            _ if !proxied => Ok(None),
            "kubernetes.io/hostname" => workload.node.as_deref().map(Some).ok_or(key),
            "topology.istio.io/cluster" => self.options.env.cluster_id.as_deref().map(Some).ok_or(key),
            "topology.kubernetes.io/region" | "topology.kubernetes.io/zone" | "topology.istio.io/subzone" => Err(key),
            "topology.istio.io/network" => Err(key),
            _ => Ok(None),
        }
    }

    /// Whether the control plane that is judged is the one of a workload's proxy, as far as the input says. Where the
    /// user names a revision, a workload that names none has the default one.
    #[must_use]
    pub fn governs(&self, workload: &Workload) -> bool {
        let unnamed = self.options.revision.as_ref().filter(|_| !workload.assumed).map(|_| "default");
        workload.revision.as_deref().or(unnamed).is_none_or(|revision| revision == self.revision)
    }

    /// Whether a selector selects the proxy of a workload, which may have labels besides those of its pod.
    ///
    /// # Errors
    /// The label that only the cluster knows, where the answer hangs on it.
    pub fn proxy_selected<'a>(&'a self, selector: &'a Labels, workload: &'a Workload) -> Result<bool, &'a str> {
        let mut unknown = None;
        for (key, value) in selector.iter() {
            let own = || workload.metadata.labels.as_ref().and_then(|labels| labels.get(key));
            match self.label_of(workload, key) {
                Ok(Some(found)) if found == value => {}
                Ok(None) if own() == Some(value) => {}
                Ok(_) => return Ok(false),
                Err(label) => unknown = Some(label),
            }
        }
        unknown.map_or(Ok(true), Err)
    }

    /// Whether a selector selects a workload, with the labels that istiod adds.
    ///
    /// # Errors
    /// The label that only the cluster knows, where the answer hangs on it.
    pub fn selects<'a>(&'a self, selector: &'a Labels, workload: &'a Workload) -> Result<bool, &'a str> {
        let mut unknown = None;
        for (key, value) in selector.iter() {
            match self.label_of(workload, key) {
                Ok(Some(found)) if found == value => {}
                Ok(_) => return Ok(false),
                Err(label) => unknown = Some(label),
            }
        }
        unknown.map_or(Ok(true), Err)
    }

    /// Whether istiod sees a namespace at all: by the member roll, or by `discoverySelectors`. A namespace without object counts as seen; that it
    /// cannot be known is a [`Taint`].
    #[must_use]
    pub fn sees(&self, namespace: &str) -> bool {
        if let Some(seen) = self.control.as_ref().and_then(|control| control.sees(namespace)) {
            return seen;
        }
        self.config.discovery.is_empty()
            || self
                .namespaces
                .get(namespace)
                .is_none_or(|ns| self.config.discovery.iter().any(|s| s.matches(&ns.labels)))
    }
}
