//! Takes the items of the input into the mesh: what this istiod sees, what it cannot judge, who has which proxy, and the
//! order in which istiod looks at everything.

use super::load::Pending;
use super::read::Item;
use super::select::{LabelIndex, SelectorIndex};
use super::taint::{is_workload, scope_of};
use super::workload::InjectionView;
use super::{ByNamespace, Host, Index, Mesh, Meta, Proxy, Scope, Service, Taint, Workload};
use crate::location::{Location, Path};
use foldhash::HashSet;
use std::collections::BTreeSet;
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

impl Mesh {
    /// Takes every item, and works out what follows from all of them together.
    pub(super) fn assemble(&mut self, items: Vec<Item>, pending: Vec<Pending>) {
        for item in &items {
            if let Item::Namespace(namespace) = item {
                self.namespaces.insert(namespace.meta.name.clone(), namespace.clone());
            }
        }
        self.has_services = items.iter().any(|item| matches!(item, Item::Service(_) | Item::Entry(..)));
        for item in items {
            self.add(item);
        }
        self.taint(pending);
        self.imagine_services();
        self.settle_workloads();
        self.sort();
        self.build_index();
        let dangling = |s: &&Service| {
            let target = s.alias.as_ref();
            s.ports.is_empty() && target.is_some_and(|target| !self.index.hosts.contains_key(target))
        };
        for _ in 0..self.services.iter().filter(dangling).count() {
            self.leave("ExternalName services without ports");
        }
    }

    /// Whether this istiod sees an object: by its namespace, and by its revision label.
    fn visible(&mut self, meta: &Meta) -> bool {
        let kind = self.objects.get(meta.id.0 as usize).map(|object| object.kind.clone()).unwrap_or_default();
        if !self.sees(&meta.namespace) {
            self.leave("objects in namespaces that discoverySelectors leave out");
            return false;
        }
        let revision = meta.labels.get("istio.io/rev").filter(|_| REVISIONED.contains(&&*kind));
        if revision.is_some_and(|revision| revision != self.revision) {
            self.other_revisions = true;
            self.leave(&format!("objects of another revision than {}", self.revision));
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

    /// Counts something that is recognised and not judged.
    fn leave(&mut self, what: &str) {
        *self.not_judged.entry(what.to_owned()).or_default() += 1;
    }

    /// A kind that is recognised and not judged yet: counted, and its rows are UNKNOWN.
    fn not_yet(&mut self, meta: &Meta, names: &[Box<str>]) {
        let Some(object) = self.object_ref(meta.id) else { return };
        self.leave(&object.kind);
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

    fn taint(&mut self, pending: Vec<Pending>) {
        let domain = self.options.cluster_domain.clone();
        for Pending { kind, namespace, name, reason, object, at } in pending {
            if let Some(client) = object.filter(|_| is_workload(&kind)) {
                let (reason, at) = (reason.clone(), at.clone());
                self.taints.push(Taint { scope: Scope::Client(client), reason, object, at });
            }
            if let Some(scope) = scope_of(&kind, &namespace, &name, namespace == self.root, &domain) {
                self.taints.push(Taint { scope, reason, object, at });
            }
        }
        let flag = |name: &str| Location { file: name.into(), line: 1, column: 1 };
        if !self.config.discovery.is_empty() {
            let metas = self.workloads.iter().map(|w| &w.meta).chain(self.services.iter().map(|s| &s.meta));
            let names: BTreeSet<Arc<str>> = metas.map(|meta| meta.namespace.clone()).collect();
            for name in names.into_iter().filter(|name| !self.namespaces.contains_key(name)) {
                let reason = format!("discoverySelectors decide on namespace {name}, which is not in the input");
                let at = self.config_from.map_or_else(|| flag("--mesh-config"), |id| self.locate(id, &Path::default()));
                self.taints.push(Taint { scope: Scope::Namespace(name), reason, object: self.config_from, at });
            }
        }
        for pair in &self.options.env.not_followed {
            let (reason, at) = (format!("{pair} is not followed yet"), flag("--istiod-env"));
            self.taints.push(Taint { scope: Scope::All, reason, object: None, at });
        }
    }

    /// Decides each workload's proxy.
    fn settle_workloads(&mut self) {
        self.has_pods = self.workloads.iter().any(|workload| workload.kind == "Pod");
        let mut workloads = without_represented(std::mem::take(&mut self.workloads));
        if workloads.is_empty() {
            workloads = self.imagine_workloads();
        }
        let mut missing = BTreeSet::new();
        for workload in &mut workloads {
            let name = &workload.meta.namespace;
            let namespace = self.namespaces.get(name);
            let seen = self.sees(name);
            workload.settle(&InjectionView { namespace, assume_injected: self.options.assume_injected });
            if !seen {
                workload.proxy = Proxy::None;
                workload.proxy_why = "discoverySelectors leave its namespace out of the mesh".to_owned();
            }
            if namespace.is_none() && workload.assumed {
                missing.insert(workload.meta.namespace.clone());
            }
        }
        for workload in &workloads {
            match workload.proxy {
                Proxy::Ambient => self.leave("ambient workloads"),
                Proxy::Waypoint => self.leave("waypoints"),
                _ => {}
            }
        }
        let network = |w: &Workload| w.labels.get("topology.istio.io/network").map(str::to_owned);
        let networks: BTreeSet<String> = workloads.iter().filter_map(network).collect();
        self.networks = networks.len() > 1;
        self.assumed_namespaces = missing.into_iter().collect();
        self.workloads = workloads;
    }

    /// Sorts as istiod does where order decides, and by name where only people read it.
    fn sort(&mut self) {
        self.workloads
            .sort_by(|a, b| (&a.meta.namespace, &a.meta.name, a.kind).cmp(&(&b.meta.namespace, &b.meta.name, b.kind)));
        self.services.sort_by(|a, b| {
            (&a.host, a.origin, &a.meta.namespace, &a.meta.name).cmp(&(
                &b.host,
                b.origin,
                &b.meta.namespace,
                &b.meta.name,
            ))
        });
        self.policies.sort_by(|a, b| a.meta.age_key().cmp(&b.meta.age_key()));
        self.rules
            .sort_by(|a, b| (a.selector.is_none(), a.meta.age_key()).cmp(&(b.selector.is_none(), b.meta.age_key())));
        self.sidecars
            .sort_by(|a, b| (a.selector.is_none(), a.meta.age_key()).cmp(&(b.selector.is_none(), b.meta.age_key())));
        self.routes.sort_by(|a, b| a.meta.age_key().cmp(&b.meta.age_key()));
        self.gateways.sort_by(|a, b| a.meta.age_key().cmp(&b.meta.age_key()));
    }

    fn build_index(&mut self) {
        fn by_namespace<'a>(metas: impl Iterator<Item = &'a Meta>) -> ByNamespace {
            let mut map = ByNamespace::default();
            for (number, meta) in (0..).zip(metas) {
                map.entry(meta.namespace.clone()).or_default().push(number);
            }
            map
        }
        let mut index = Index {
            policies: by_namespace(self.policies.iter().map(|p| &p.meta)),
            selectors: SelectorIndex::new(self.policies.iter().map(|p| (&p.meta.namespace, &p.selector))),
            rules: by_namespace(self.rules.iter().map(|r| &r.meta)),
            sidecars: by_namespace(self.sidecars.iter().map(|s| &s.meta)),
            machines: by_namespace(self.machines.iter().map(|m| &m.meta)),
            routes: by_namespace(self.routes.iter().map(|r| &r.meta)),
            interferences: by_namespace(self.interferences.iter().map(|i| &i.meta)),
            labels: super::select::LabelIndex::new(self.workloads.iter().map(|w| (&w.meta.namespace, &w.labels))),
            ..Index::default()
        };
        for (number, workload) in (0..).zip(&self.workloads).filter(|(_, w)| w.kind == "Pod") {
            let namespace = &workload.meta.namespace;
            index.pods.insert((namespace.clone(), (*workload.meta.name).into()), number);
            for ip in workload.ips.iter().filter(|_| !workload.host_network && !workload.finished) {
                index.ips.insert((namespace.clone(), ip.clone()), number);
                index.addresses.insert(ip.clone(), number);
            }
        }
        for (number, service) in (0..).zip(&self.services) {
            index.hosts.entry(service.host.clone()).or_default().push(number);
        }
        for (number, slice) in (0..).zip(&self.slices) {
            let key = (slice.meta.namespace.clone(), slice.service.clone());
            index.slices.entry(key).or_default().push(number);
        }
        self.index = index;
    }
}

/// Leaves templates out that Pods or other templates of the input stand for: owned ones, those whose labels a Pod of
/// their namespace has, and old ReplicaSets of a Deployment.
fn without_represented(workloads: Vec<Workload>) -> Vec<Workload> {
    let pods: Vec<&Workload> = workloads.iter().filter(|w| w.kind == "Pod").collect();
    let by_labels = LabelIndex::new(pods.iter().map(|w| (&w.meta.namespace, &w.labels)));
    let identity = |w: &Workload, kind: &str, name: &str| (w.meta.namespace.clone(), Box::from(kind), Box::from(name));
    let known: HashSet<(Arc<str>, Box<str>, Box<str>)> =
        workloads.iter().map(|w| identity(w, w.kind, &w.meta.name)).collect();
    let stands = |w: &Workload| {
        let owned = w.owner.as_ref().is_some_and(|(kind, name)| known.contains(&identity(w, kind, name)));
        let candidates = by_labels.candidates(&w.meta.namespace, &w.labels).iter();
        let mut labels = candidates.filter_map(|n| pods.get(*n as usize)).map(|pod| &pod.labels);
        let replaced = !w.labels.is_empty() && labels.any(|labels| w.labels.subset_of(labels));
        let old = w.kind == "ReplicaSet" && w.scaled_to_zero;
        w.kind == "Pod" || !(owned || replaced || old)
    };
    let kept: Vec<bool> = workloads.iter().map(stands).collect();
    workloads.into_iter().zip(kept).filter_map(|(workload, keep)| keep.then_some(workload)).collect()
}
