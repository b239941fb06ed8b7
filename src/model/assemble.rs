//! Takes the items of the input into the mesh: what this istiod sees, what it cannot judge, who has which proxy, and the
//! order in which istiod looks at everything.

use super::authn_policy::OLD_POLICIES;
use super::backend_policy;
use super::load::Pending;
use super::metadata::{self, Metadata};
use super::read::Item;
use super::select::{LabelIndex, SelectorIndex};
use super::taint::{is_workload, scope_of};
use super::workload::{DATAPLANE_MODE, InjectionView};
use super::{ByNamespace, Host, Index, Mesh, Meta, ObjectId, Protocol, Proxy, Scope, Service, Taint, Workload};
use crate::location::{Location, Path};
use foldhash::HashSet;
use std::collections::{BTreeMap, BTreeSet};
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

/// The label that says which network a pod is in.
const NETWORK: &str = "topology.istio.io/network";

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
        self.protocols_by_name_only();
        self.create_operator_objects();
        self.taint(pending);
        self.taint_other_meshes();
        self.make_rules();
        if self.version.reads_legacy_policies() {
            self.apply_old_rules();
        }
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

    /// Whether this istiod knows a service. One of a namespace that is no member is kept: to the members it is a
    /// destination like any other outside the mesh.
    fn keeps(&mut self, meta: &Meta) -> bool {
        let outside = self.control.as_ref().is_some_and(|control| control.sees(&meta.namespace) == Some(false));
        outside || self.visible(meta)
    }

    /// Whether this istiod sees an object: by its namespace, and by its revision label.
    fn visible(&mut self, meta: &Meta) -> bool {
        let object = self.objects.get(meta.id.0 as usize);
        let kind = object.map(|object| object.kind.clone()).unwrap_or_default();
        if object.is_some_and(|object| self.options.env.leaves_out(&object.kind, &object.group)) {
            self.leave("objects that PILOT_IGNORE_RESOURCES leaves out");
            return false;
        }
        if !self.sees(&meta.namespace) {
            let by_roll = self.control.as_ref().is_some_and(|control| control.members.is_some());
            let why = if by_roll { "are no members" } else { "discoverySelectors leave out" };
            self.leave(&format!("objects in namespaces that {why}"));
            return false;
        }
        let revision = meta.labels.get("istio.io/rev").filter(|_| REVISIONED.contains(&&*kind));
        // Seen or not, what one revision sees another does not.
        self.other_revisions |= revision.is_some();
        if revision.is_some_and(|revision| revision != self.revision) {
            self.leave(&format!("objects of another revision than {}", self.revision));
            return false;
        }
        true
    }

    fn add(&mut self, item: Item) {
        match item {
            Item::Namespace(_) | Item::Mesh(..) | Item::Nothing => {}
            Item::Plane(_) | Item::Roll(_) | Item::Member(_) | Item::Tag(_) => {}
            Item::Service(service) if self.keeps(&service.meta) => self.services.push(service),
            Item::Entry(entry, mut services) if self.visible(&entry.meta) => {
                let number = u32::try_from(self.entries.len()).ok();
                services.iter_mut().for_each(|service| service.entry = number);
                self.services.extend(services);
                self.entries.push(entry);
            }
            Item::Slices(slices) if slices.first().is_some_and(|slice| self.keeps(&slice.meta)) => {
                self.slices.extend(slices);
            }
            // Workloads of unseen namespaces still call: as clients without a mesh.
            Item::Workload(workload) => self.workloads.push(*workload),
            Item::PeerAuthentication(_) if !self.version.reads_peer_authentication() => {
                self.leave("PeerAuthentication, which Istio reads since 1.5");
            }
            Item::PeerAuthentication(policy) if self.visible(&policy.meta) => self.policies.push(policy),
            Item::AuthnPolicy(policy) if self.visible(&policy.meta) => self.authn_policies.push(policy),
            Item::DestinationRule(mut rule) if self.visible(&rule.meta) => {
                rule.settle(self.version);
                self.rules.push(*rule);
            }
            Item::Sidecar(sidecar) if self.visible(&sidecar.meta) => self.sidecars.push(sidecar),
            Item::Machine(machine) if self.visible(&machine.meta) => self.machines.push(machine),
            Item::MachineTemplate(machine) if self.visible(&machine.meta) => self.machine_templates.push(machine),
            Item::Route(route) if self.visible(&route.meta) => self.routes.push(route),
            Item::Gateway(gateway) if self.visible(&gateway.meta) => self.gateways.push(gateway),
            Item::Interference(object) if self.visible(&object.meta) => self.interferences.push(object),
            Item::BackendPolicy(policy) if self.visible(&policy.meta) => self.backend_policies.push(policy),
            Item::ProxyConfig(config) if self.visible(&config.meta) => self.proxy_configs.push(config),
            Item::NotYet(meta, names) if self.visible(&meta) => {
                let host = |name: &str| Host::resolve(name, &meta.namespace, &self.options.cluster_domain);
                let scopes = names.iter().map(|name| Scope::Host(host(name))).collect();
                self.not_yet(&meta, scopes);
            }
            _ => {}
        }
    }

    /// Counts something that is recognised and not judged.
    fn leave(&mut self, what: &str) {
        *self.not_judged.entry(what.to_owned()).or_default() += 1;
    }

    /// A kind that is recognised and not judged yet: counted, and its rows are UNKNOWN.
    fn not_yet(&mut self, meta: &Meta, mut scopes: Vec<Scope>) {
        let Some(object) = self.object_ref(meta.id) else { return };
        self.leave(&object.kind);
        let reason = format!("{object} is not judged yet");
        let at = self.locate(meta.id, &Path::default());
        if scopes.is_empty() {
            let root = meta.namespace == self.root;
            scopes.extend(scope_of(&object.kind, &meta.namespace, &meta.name, root, &self.options.cluster_domain));
        }
        let taint = |scope| Taint { scope, reason: reason.clone(), object: Some(meta.id), at: at.clone() };
        self.taints.extend(scopes.into_iter().map(taint));
    }

    /// The rules that istiod makes of backend policies. Of a version that may or may not read them nothing is said.
    fn make_rules(&mut self) {
        let policies = std::mem::take(&mut self.backend_policies);
        if !self.version.reads_backend_policies() {
            for policy in &policies {
                let scopes = policy.scopes(&self.options.cluster_domain);
                self.not_yet(&policy.meta, scopes);
            }
        } else {
            let (rules, unclear) = backend_policy::rules(&policies, &self.services, &self.options.cluster_domain);
            self.rules.extend(rules);
            for (scope, id) in unclear {
                let who = self.object_ref(id).map(|object| object.to_string()).unwrap_or_default();
                let reason = format!("what {who} makes clients send is not certain");
                let at = self.locate(id, &Path::default());
                self.taints.push(Taint { scope, reason, object: Some(id), at });
            }
        }
        self.backend_policies = policies;
    }

    fn taint(&mut self, pending: Vec<Pending>) {
        let domain = self.options.cluster_domain.clone();
        for Pending { kind, namespace, name, reason, object, at } in pending {
            // What nobody reads changes nothing, however it is written.
            let of = object.and_then(|id| self.objects.get(id.0 as usize)).map_or("", |object| &object.kind);
            let old = [&*kind, of].iter().any(|kind| OLD_POLICIES.contains(kind));
            if old && !self.version.reads_legacy_policies() {
                continue;
            }
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

    /// Without sniffing, a port whose protocol no name tells is TCP to the proxies (8.2, `autoDetect`).
    fn protocols_by_name_only(&mut self) {
        let plane = self.control.as_ref().and_then(|control| control.plane.as_ref()?.maistra.as_ref());
        if !plane.is_some_and(|own| own.names_only) {
            return;
        }
        for port in self.services.iter_mut().flat_map(|service| &mut service.ports) {
            if port.protocol == Protocol::Auto {
                port.protocol = Protocol::Tcp;
            }
        }
    }

    /// Rows of namespaces that belong to another control plane, and of those that may or may not belong to this one.
    fn taint_other_meshes(&mut self) {
        let Some(control) = &self.control else { return };
        let others = control.others.len();
        let whole = Path::default();
        let plane = control.plane.as_ref();
        let of_plane = plane.map(|plane| plane.meta.id);
        // What each one may change, the object that says so with the field, and why.
        let mut doubts: Vec<(Scope, Option<ObjectId>, Path, String)> = Vec::new();
        if let Some(members) = &control.members {
            let own = &members.plane;
            for (namespace, (id, of)) in &members.foreign {
                let reason = format!(
                    "namespace {namespace} belongs to the mesh of control plane namespace {of}; the one of {own} is judged, --root-namespace chooses another"
                );
                doubts.push((Scope::Namespace(namespace.clone()), Some(*id), whole.clone(), reason));
            }
            for (namespace, (id, of)) in &members.disputed {
                let reason = format!(
                    "namespace {namespace} is claimed for the control plane of namespace {own} and for that of {of}, and belongs to one only"
                );
                doubts.push((Scope::Namespace(namespace.clone()), Some(*id), whole.clone(), reason));
            }
            if let Some((id, of)) = &members.rival {
                let reason = format!(
                    "ServiceMeshMemberRolls of {own} and {of} claim every namespace or those of each other: judge one mesh at a time"
                );
                doubts.push((Scope::All, Some(*id), whole.clone(), reason));
            }
            let metas = self.workloads.iter().map(|w| &w.meta).chain(self.services.iter().map(|s| &s.meta));
            let names: BTreeSet<&Arc<str>> = metas.map(|meta| &meta.namespace).collect();
            for (name, reason) in names.into_iter().filter_map(|name| Some((name, members.unclear(name)?))) {
                doubts.push((Scope::Namespace(name.clone()), of_plane, whole.clone(), reason));
            }
        }
        if control.mixed {
            let reason =
                "the input holds control planes of OpenShift Service Mesh 2 and of Sail: judge them one by one";
            doubts.push((Scope::All, of_plane, whole.clone(), reason.to_owned()));
        }
        for (id, reason) in &control.clashes {
            doubts.push((Scope::All, Some(*id), whole.clone(), reason.clone()));
        }
        if let Some(path) = plane.and_then(|plane| plane.injector.unfollowed.as_ref()) {
            let reason = format!("{path} changes what is injected, which is not followed");
            doubts.push((Scope::All, of_plane, Path::new(path), reason));
        }
        let taint = |(scope, object, path, reason): (Scope, Option<ObjectId>, Path, String)| {
            let at = object.map_or_else(Location::unknown, |id: ObjectId| self.locate(id, &path));
            Taint { scope, reason, object, at }
        };
        let taints: Vec<Taint> = doubts.into_iter().map(taint).collect();
        // Whom another revision injects is told apart from those of the one that is judged.
        self.other_revisions |= control.revisions.is_some();
        self.taints.extend(taints);
        for _ in 0..others {
            self.leave("control planes of other meshes or revisions");
        }
    }

    /// Whether the product that is judged knows the ambient mesh at all.
    fn has_ambient(&self) -> bool {
        self.version.has_ambient() && self.control.as_ref().and_then(super::Control::release).is_none()
    }

    /// Decides each workload's proxy.
    fn settle_workloads(&mut self) {
        self.has_pods = self.workloads.iter().any(|workload| workload.kind == "Pod");
        let mut workloads = without_represented(std::mem::take(&mut self.workloads));
        if workloads.is_empty() {
            workloads = self.imagine_workloads();
        }
        let (mut missing, mut strangers) = (BTreeSet::new(), BTreeMap::new());
        let by_roll = self.control.as_ref().is_some_and(|control| control.members.is_some());
        let has_ambient = self.has_ambient();
        for workload in &mut workloads {
            let name = &workload.meta.namespace;
            let namespace = self.namespaces.get(name);
            let seen = self.sees(name);
            let control = self.control.as_ref();
            let member = control.and_then(|control| control.sees(name));
            let assume_injected = self.options.assume_injected;
            let (mesh, configs) = (&self.config.metadata, &self.proxy_configs);
            if *mesh != Metadata::default() || !configs.is_empty() {
                let given = metadata::inherited(mesh, configs, &self.root, &workload.meta.namespace, &workload.labels);
                workload.metadata = workload.metadata.over(&given);
            }
            workload.settle(&InjectionView { namespace, assume_injected, control, ambient: has_ambient });
            if !seen && member.is_none() {
                workload.proxy = Proxy::None;
                workload.proxy_why = "discoverySelectors leave its namespace out of the mesh".to_owned();
            }
            let meshed = matches!(workload.shown, Some(Proxy::Sidecar | Proxy::Gateway | Proxy::Grpc));
            if meshed && member == Some(false) {
                strangers.entry(workload.meta.namespace.clone()).or_insert(workload.meta.id);
            }
            if namespace.is_none() && workload.assumed && !by_roll {
                missing.insert(workload.meta.namespace.clone());
            }
        }
        let labelled = |ns: &super::Namespace| ns.labels.get(DATAPLANE_MODE) == Some("ambient");
        let ambient = |w: &Workload| {
            matches!(w.proxy, Proxy::Ambient | Proxy::Waypoint) || w.labels.get(DATAPLANE_MODE) == Some("ambient")
        };
        let shown = workloads.iter().any(ambient)
            || self.namespaces.values().any(labelled)
            || self.gateways.iter().any(|gateway| gateway.waypoint.is_some());
        self.ambient = has_ambient && self.options.env.ambient.unwrap_or(shown);
        for (namespace, id) in strangers {
            let reason =
                format!("pods of namespace {namespace} run a proxy, and it is no member of the mesh that is judged");
            let at = self.locate(id, &Path::default());
            self.taints.push(Taint { scope: Scope::Namespace(namespace), reason, object: Some(id), at });
        }
        // The root namespace's label names the network of all pods that say nothing (`serviceregistry/kube/controller/
        // network.go`); no name at all is as any (`pkg/network/id.go`).
        let usual = self.namespaces.get(&self.root).and_then(|ns| ns.labels.get(NETWORK));
        let labelled = workloads.iter().filter_map(|w| w.labels.get(NETWORK));
        let told = workloads.iter().filter_map(|w| w.metadata.network.as_deref());
        let inline = self.entries.iter().flat_map(|entry| &entry.endpoints);
        let machines = self.machines.iter().chain(inline).filter_map(|machine| machine.labels.get(NETWORK));
        let names = usual.into_iter().chain(labelled).chain(told).chain(machines);
        self.networks = names.filter(|name| !name.is_empty()).collect::<BTreeSet<_>>().len() > 1;
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
        self.authn_policies.sort_by(|a, b| a.meta.age_key().cmp(&b.meta.age_key()));
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
fn without_represented(mut workloads: Vec<Workload>) -> Vec<Workload> {
    let pods: Vec<&Workload> = workloads.iter().filter(|w| w.kind == "Pod").collect();
    if pods.len() == workloads.len() {
        return workloads;
    }
    let by_labels = LabelIndex::new(pods.iter().map(|w| (&w.meta.namespace, &w.labels)));
    let known: HashSet<(&str, &str, &str)> =
        workloads.iter().map(|w| (&*w.meta.namespace, w.kind, &*w.meta.name)).collect();
    let stands = |w: &Workload| {
        let owned =
            w.owner.as_ref().is_some_and(|(kind, name)| known.contains(&(&*w.meta.namespace, &**kind, &**name)));
        let candidates = by_labels.candidates(&w.meta.namespace, &w.labels).iter();
        let mut labels = candidates.filter_map(|n| pods.get(*n as usize)).map(|pod| &pod.labels);
        let replaced = !w.labels.is_empty() && labels.any(|labels| w.labels.subset_of(labels));
        let old = w.kind == "ReplicaSet" && w.scaled_to_zero;
        w.kind == "Pod" || !(owned || replaced || old)
    };
    let kept: Vec<bool> = workloads.iter().map(stands).collect();
    let mut kept = kept.into_iter();
    workloads.retain(|_| kept.next() == Some(true));
    workloads
}

#[cfg(test)]
mod tests {
    use crate::model::{Mesh, Options, Proxy, Version, load_text};

    fn mesh(text: String, options: Options) -> Mesh {
        load_text(text, options)
    }

    #[test]
    fn ambient_is_for_products_that_have_it() {
        const PLANE: &str = "---\n{apiVersion: maistra.io/v2, kind: ServiceMeshControlPlane, metadata: {name: basic, namespace: cp}, spec: {version: v2.6}}";
        const LABEL: &str = "labels: {istio.io/dataplane-mode: ambient}";
        const ANNOTATION: &str = "annotations: {ambient.istio.io/redirection: enabled}";
        let pod = |meta: &str, spec: &str| {
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: web, namespace: shop, {meta}}}, spec: {{{spec}containers: [{{name: a}}]}}}}\n"
            )
        };
        let template = |meta: &str| {
            format!(
                "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: shop}}, spec: {{template: {{metadata: {{{meta}}}, spec: {{containers: [{{name: a}}]}}}}}}}}\n"
            )
        };
        for (text, minor, proxy) in [
            (template(LABEL), 32, Proxy::Ambient),
            (template(LABEL), 15, Proxy::Ambient),
            (template(LABEL), 14, Proxy::None),
            (template(LABEL) + PLANE, 32, Proxy::None),
            (pod(ANNOTATION, ""), 32, Proxy::Ambient),
            (pod(ANNOTATION, ""), 14, Proxy::None),
            (pod(ANNOTATION, "hostNetwork: true, "), 32, Proxy::None),
            (template(ANNOTATION), 32, Proxy::None),
        ] {
            let options = Options { version: Some(Version::one(minor)), ..Options::default() };
            let namespace = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n";
            let mesh = mesh(format!("{namespace}{text}"), options);
            let workload = mesh.workloads.first().expect("a workload");
            assert_eq!(workload.proxy, proxy, "1.{minor} {text}");
            assert_eq!(mesh.ambient, proxy == Proxy::Ambient, "1.{minor} {text}");
        }
    }

    #[test]
    fn networks_are_named_in_several_places() {
        let root =
            "{apiVersion: v1, kind: Namespace, metadata: {name: istio-system, labels: {topology.istio.io/network: a}}}";
        let label = |name: &str| format!("labels: {{topology.istio.io/network: {name}}}");
        let config = |name: &str| {
            format!("annotations: {{proxy.istio.io/config: 'proxyMetadata: {{ISTIO_META_NETWORK: {name}}}'}}")
        };
        let machine = "{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: vm, namespace: shop}, spec: {address: 1.2.3.4, network: b}}";
        for (first, second, more, networks) in [
            (label("a"), label("b"), "", true),
            (label("a"), String::new(), "", false),
            (label("a"), String::new(), root, false),
            (label("b"), String::new(), root, true),
            (config("a"), config("b"), "", true),
            (config("b"), String::new(), root, true),
            (String::new(), String::new(), root, false),
            (label("a"), String::new(), machine, true),
        ] {
            let pod = |name: &str, meta: &str| {
                format!(
                    "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, {meta}}}, spec: {{containers: [{{name: a}}]}}}}\n---\n"
                )
            };
            let text = pod("one", &first) + &pod("two", &second) + more;
            assert_eq!(mesh(text.clone(), Options::default()).networks, networks, "{text}");
        }
    }
}
