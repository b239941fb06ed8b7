//! The mesh as plain data: every object of the input that decides something, indexed once and then read only.
//!
//! What could not be read is kept too: as a [`Finding`] for people, and as a [`Taint`] that says which rows it may
//! change, so that nothing unread ever leaves a row green.

mod assemble;
pub mod destination_rule;
mod fields;
pub mod filter;
pub mod gateway;
pub mod host;
mod imagine;
pub mod injection;
mod issue;
pub mod kinds;
mod load;
pub mod mesh_config;
pub mod meta;
pub mod namespace;
pub mod peer_authentication;
pub mod protocol;
mod read;
pub mod route;
mod select;
pub mod service;
pub mod sidecar;
pub mod taint;
pub mod workload;

pub use destination_rule::DestinationRule;
pub use gateway::Gateway;
pub use host::Host;
pub use load::load;
pub use mesh_config::{MeshConfig, Options};
pub use meta::{Labels, Meta, ObjectId};
pub use namespace::Namespace;
pub use peer_authentication::{MtlsMode, PeerAuthentication};
pub use protocol::Protocol;
pub use read::Object;
pub use service::{Machine, Service};
pub use sidecar::Sidecar;
pub use taint::{Scope, Taint};
pub use workload::{Proxy, Workload};

use crate::finding::{Finding, Severity};
use crate::location::{Location, ObjectRef, Path, Sources, Step};
use crate::yaml::Document;
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Numbers of objects of one kind by namespace, in the order in which istiod takes them.
pub type ByNamespace = HashMap<Arc<str>, Vec<u32>>;

/// What istiod would know of the mesh. Built by [`load`].
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
    /// DestinationRules; those with a workloadSelector first, then oldest first (2.3).
    pub rules: Vec<DestinationRule>,
    /// Sidecars; those with a selector first, then oldest first.
    pub sidecars: Vec<Sidecar>,
    /// Routes.
    pub routes: Vec<route::Route>,
    /// Gateways.
    pub gateways: Vec<Gateway>,
    /// EnvoyFilters and ProxyConfigs that change what is not followed.
    pub interferences: Vec<filter::Interference>,
    /// The mesh's settings.
    pub config: MeshConfig,
    /// The ConfigMap that they were read from.
    pub config_from: Option<ObjectId>,
    /// What the user said.
    pub options: Options,
    /// Root namespace.
    pub root: Arc<str>,
    /// Trust domain.
    pub trust_domain: String,
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
    /// Documents of each input, as (path, documents).
    pub inputs: Vec<(String, usize)>,
    /// The input holds Pods.
    pub has_pods: bool,
    /// Namespaces that are assumed to be injected because the input does not have them.
    pub assumed_namespaces: Vec<Arc<str>>,
    /// Some object is for another revision than the one that is judged.
    pub other_revisions: bool,
    /// The input holds Services or ServiceEntries, seen or not.
    pub has_services: bool,
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
    /// EnvoyFilters and ProxyConfigs by namespace.
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

    /// The place of a field of an object; the object's own where the field is not there.
    #[must_use]
    pub fn locate(&self, id: ObjectId, path: &Path) -> Location {
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

    /// Whether an object has a field.
    #[must_use]
    pub fn has(&self, id: ObjectId, path: &Path) -> bool {
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

    /// Whether istiod sees a namespace at all (`discoverySelectors`). A namespace without object counts as seen; that it
    /// cannot be known is a [`Taint`].
    #[must_use]
    pub fn sees(&self, namespace: &str) -> bool {
        self.config.discovery.is_empty()
            || self
                .namespaces
                .get(namespace)
                .is_none_or(|ns| self.config.discovery.iter().any(|s| s.matches(&ns.labels)))
    }
}
