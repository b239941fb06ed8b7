//! Which clients are judged one by one for a service, and which as one group.
//!
//! Per service, the clients that could get an answer of their own are looked at one by one: those whose namespace has
//! rules for the host, is named in an export, or is the service's own where it matters; those whose Sidecar imports the
//! service. All others are one group. So the work grows with the mesh, not with its square.

use super::check::{Base, ClientSet, Row, ServiceRows};
use super::client::{Decision, Reach, Unknown};
use super::clients::{self, Class};
use super::endpoints::{Endpoint, Finder};
use super::judge::Judged;
use super::legacy::Legacy;
use super::reason::Reason;
use super::rules::{RuleIndex, Step};
use super::select::subset_name;
use super::server::{self, Winners};
use super::visible::{self, ImportTable, Imports};
use super::waypoint::Hop;
use crate::model::service::{Origin, Port};
use crate::model::{Host, Mesh, Proxy, Scope, Service, Sidecar};
use foldhash::{HashMap, HashMapExt};
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

/// How many ExternalNames are followed.
const MAX_ALIASES: usize = 8;

/// What is worked out once for all services.
pub(super) struct Engine<'m> {
    pub(super) mesh: &'m Mesh,
    pub(super) rules: RuleIndex,
    pub(super) classes: Vec<Class>,
    pub(super) bases: BTreeMap<Base, Vec<u32>>,
    /// Classes that are never part of a base.
    single: Vec<u32>,
    by_namespace: HashMap<Arc<str>, Vec<u32>>,
    pub(super) imports: ImportTable,
    importers: Importers,
    pub(super) finder: Finder<'m>,
    /// The policies of Istio 1.0 to 1.5, where they count.
    pub(super) legacy: Option<Legacy<'m>>,
    pub(super) wide: HashMap<Arc<str>, Vec<Winners>>,
    pub(super) taints: Taints,
    /// Hosts whose calls a route sends to another host too.
    redirects: HashMap<Host, u32>,
}

/// Trimmed classes by what their Sidecar may import: a namespace, any namespace, or a host that a route sends to.
#[derive(Default)]
struct Importers {
    namespaces: HashMap<Arc<str>, Vec<u32>>,
    any: Vec<u32>,
    hosts: HashMap<Host, Vec<u32>>,
}

impl Importers {
    fn add(&mut self, number: u32, class: &Class, sidecar: &Sidecar, imports: Option<&Imports>) {
        for (namespace, _) in sidecar.egress.iter().flat_map(|egress| &egress.hosts) {
            match &**namespace {
                "*" => self.any.push(number),
                "." => self.namespaces.entry(class.namespace.clone()).or_default().push(number),
                name => self.namespaces.entry(name.into()).or_default().push(number),
            }
        }
        for host in imports.into_iter().flat_map(Imports::routed_hosts) {
            self.hosts.entry(host.clone()).or_default().push(number);
        }
    }
}

/// Unread objects by what they may change: numbers into [`Mesh::taints`].
#[derive(Default)]
pub(super) struct Taints {
    all: Option<u32>,
    namespaces: HashMap<Arc<str>, u32>,
    hosts: HashMap<Host, u32>,
    pub(super) gateways: Option<u32>,
    pub(super) routes: Option<u32>,
}

impl Taints {
    fn new(mesh: &Mesh) -> Self {
        let mut taints = Self::default();
        for (number, taint) in (0..).zip(&mesh.taints) {
            match &taint.scope {
                Scope::All => taints.all = taints.all.or(Some(number)),
                Scope::Services(namespace) | Scope::Namespace(namespace) => {
                    taints.namespaces.entry(namespace.clone()).or_insert(number);
                }
                Scope::Host(host) => {
                    taints.hosts.entry(host.clone()).or_insert(number);
                }
                Scope::Gateways => taints.gateways = taints.gateways.or(Some(number)),
                // Classes of clients carry it themselves.
                Scope::Client(_) => {}
                Scope::Routes => taints.routes = taints.routes.or(Some(number)),
            }
        }
        taints
    }

    /// What may change every row of a service.
    fn of(&self, service: &Service) -> Option<u32> {
        let namespace = || self.namespaces.get(&service.meta.namespace).copied();
        self.all.or_else(namespace).or_else(|| self.hosts.get(&service.host).copied())
    }
}

/// Who of several services with one host a client gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    Mine,
    Another,
    Unclear,
}

impl<'m> Engine<'m> {
    pub(super) fn new(mesh: &'m Mesh) -> Self {
        let classes = clients::classes(mesh);
        let pairs = classes.iter().flat_map(|c| c.sidecars.iter().flatten().map(|n| (*n, c.namespace.clone())));
        let imports = ImportTable::new(mesh, pairs);
        let (mut bases, mut single) = (BTreeMap::<Base, Vec<u32>>::new(), Vec::new());
        let mut by_namespace: HashMap<Arc<str>, Vec<u32>> = HashMap::new();
        let mut importers = Importers::default();
        for (number, class) in (0..).zip(&classes) {
            by_namespace.entry(class.namespace.clone()).or_default().push(number);
            match clients::trimming(mesh, class) {
                _ if class.plain => bases.entry(Base::Plain).or_default().push(number),
                Some((at, sidecar)) => {
                    bases.entry(Base::Trimmed(clients::outbound_policy(mesh, class))).or_default().push(number);
                    importers.add(number, class, sidecar, imports.get(at, &class.namespace));
                }
                None => single.push(number),
            }
        }
        importers.any.dedup();
        let mut wide: HashMap<Arc<str>, Vec<Winners>> = HashMap::new();
        for namespace in mesh.services.iter().map(|service| &service.meta.namespace) {
            if !wide.contains_key(namespace) {
                wide.insert(namespace.clone(), server::wide_policies(mesh, namespace));
            }
        }
        let (rules, finder, taints) = (RuleIndex::new(mesh), Finder::new(mesh), Taints::new(mesh));
        let mut redirects = HashMap::new();
        for (number, route) in (0..).zip(&mesh.routes).filter(|(_, route)| route.mesh) {
            for host in &route.hosts {
                if route.destinations.iter().any(|to| to.host != *host && !to.mirror) {
                    redirects.entry(host.clone()).or_insert(number);
                }
            }
        }
        let legacy = Legacy::new(mesh);
        Self {
            mesh,
            rules,
            classes,
            bases,
            single,
            by_namespace,
            imports,
            importers,
            finder,
            legacy,
            wide,
            taints,
            redirects,
        }
    }

    fn class(&self, number: u32) -> Option<&Class> {
        self.classes.get(number as usize)
    }

    /// The route that sends calls of a class to a service somewhere else: it is what really answers (6.5). One that could
    /// not be read may send any call anywhere.
    pub(super) fn redirect(&self, service: &Service, class: &Class, hop: Hop) -> Option<Reason> {
        // ztunnel reads no route, a waypoint does.
        let meshed = matches!(class.proxy, Proxy::Sidecar | Proxy::Grpc) || hop != Hop::Direct;
        let known = self.redirects.get(&service.host).copied().map(Reason::Routed);
        known.or(self.taints.routes.map(Reason::Taint)).filter(|_| meshed)
    }

    /// The way that calls of a class to a service take.
    fn hop(&self, service: &Service, class: &Class) -> Hop {
        match class.proxy {
            _ if !self.mesh.ambient => Hop::Direct,
            Proxy::Ambient => self.finder.waypoints.of_service(self.mesh, service),
            Proxy::Gateway => self.finder.waypoints.of_ingress(self.mesh, service),
            _ => Hop::Direct,
        }
    }

    /// Why every row of a service is UNKNOWN.
    fn service_unknown(&self, service: &Service) -> Option<Reason> {
        self.taints.of(service).map(Reason::Taint)
    }

    /// The groups of clients that may differ for a service: each with the class that stands for it. `rivals`: services
    /// that claim the same host.
    fn groups(&self, service: &'m Service, rivals: &[u32]) -> Vec<(ClientSet, u32)> {
        let mut special: Vec<u32> = Vec::new();
        let mut name = |namespace: &str| special.extend(self.by_namespace.get(namespace).into_iter().flatten());
        let namespace = &service.meta.namespace;
        self.rules.namespaces_with_local(&service.host).iter().for_each(|ns| name(ns));
        self.rules.namespaces_named(self.mesh, &service.host, namespace).iter().for_each(|ns| name(ns));
        let rivals = rivals.iter().filter_map(|n| self.mesh.services.get(*n as usize));
        for rival in rivals.clone() {
            name(&rival.meta.namespace);
        }
        for service in std::iter::once(service).chain(rivals) {
            if let Some(named) = visible::restricted(self.mesh, service) {
                named.into_iter().for_each(&mut name);
                name(&service.meta.namespace);
            }
        }
        special.extend(self.importers.namespaces.get(namespace).into_iter().flatten());
        special.extend(&self.importers.any);
        special.extend(self.importers.hosts.get(&service.host).into_iter().flatten());
        special.extend(&self.single);
        special.sort_unstable();
        special.dedup();
        let mut groups: Vec<_> =
            special.iter().map(|n| (ClientSet { bases: Vec::new(), classes: vec![*n] }, *n)).collect();
        for (base, members) in &self.bases {
            let except: Vec<u32> = special.iter().filter(|n| members.binary_search(n).is_ok()).copied().collect();
            if let Some(sample) = members.iter().find(|n| except.binary_search(n).is_err()) {
                groups.push((ClientSet { bases: vec![(*base, except)], classes: Vec::new() }, *sample));
            }
        }
        groups
    }

    /// Whether a client of a class gets this service of those that claim its host (`sidecar.go : selectServices`):
    /// one that it can see and imports, its own namespace's first, then Kubernetes' own.
    fn claim(&self, number: u32, rivals: &[u32], class: &Class) -> Claim {
        if rivals.len() < 2 {
            return Claim::Mine;
        }
        let sidecar = class.sidecars.first().copied().flatten();
        let imports = sidecar.and_then(|n| self.imports.get(n, &class.namespace));
        let known = |service: &Service| {
            let anyone = matches!(class.proxy, Proxy::None | Proxy::Ambient);
            let visible = anyone || visible::exported(self.mesh, service, &class.namespace);
            visible && imports.is_none_or(|imports| service.ports.iter().any(|port| imports.has(service, port.number)))
        };
        let rank =
            |service: &Service| (service.meta.namespace != class.namespace, service.origin != Origin::Kubernetes);
        let (mut best, mut ties) = (None, 0);
        for n in rivals {
            let Some(service) = self.mesh.services.get(*n as usize).filter(|service| known(service)) else { continue };
            let own = rank(service);
            match best {
                Some((found, _)) if found < own => {}
                Some((found, _)) if found == own => ties += 1,
                _ => (best, ties) = (Some((own, *n)), 0),
            }
        }
        // Where none is known, the first one stands for the host that the client does not know.
        let mine = best.map_or(rivals.first().copied(), |(_, n)| Some(n)) == Some(number);
        // Without PILOT_UNIFIED_SIDECAR_SCOPE (6.2) the choice is not that one.
        if !self.mesh.options.env.unified_scope {
            return Claim::Unclear;
        }
        match (mine, ties) {
            (true, 0) => Claim::Mine,
            (true, _) => Claim::Unclear,
            (false, _) => Claim::Another,
        }
    }

    /// The endpoints of a service port, with the policies of the old API that count for them. They are kept to the end of
    /// the run, as rows are: neither keeps room for more.
    fn answering(&self, service: &'m Service, port: &'m Port) -> Vec<Endpoint<'m>> {
        let mut found = self.finder.of(service, port);
        found.shrink_to_fit();
        if let Some(legacy) = &self.legacy {
            for endpoint in &mut found {
                endpoint.legacy = legacy.of_endpoint(service, port, endpoint, self.finder.selected_by()).into();
            }
        }
        found
    }

    /// Judges one service.
    pub(super) fn judge(&self, number: u32) -> Option<ServiceRows<'m>> {
        let service = self.mesh.services.get(number as usize)?;
        let mut carrier = service;
        let mut target = None;
        let mut unknown = self.service_unknown(service);
        // An alias may lead to an alias; one that leads to itself leads nowhere.
        for _ in 0..MAX_ALIASES {
            let Some(alias) = &carrier.alias else { break };
            let Some(found) = self.mesh.index.hosts.get(alias).and_then(|list| list.first()) else { break };
            carrier = self.mesh.services.get(*found as usize)?;
            target = Some(*found);
        }
        // A host of a Kubernetes Service is the Service's first of all (2.1), which may be in a namespace that was not read.
        if service.origin != Origin::Kubernetes && self.mesh.unread_namespace(&service.host).is_some() {
            unknown = unknown.or(Some(Reason::UnreadNamespace(number)));
        }
        let last = target.unwrap_or(number);
        if target.is_some() {
            unknown = unknown.or_else(|| self.service_unknown(carrier));
        }
        if let Some(alias) = &carrier.alias {
            let unread = self.mesh.unread_namespace(alias).map(|_| Reason::UnreadNamespace(last));
            unknown = unknown.or(unread).or(Some(Reason::ExternalName));
        }
        // An alias without ports of its own has those of its target.
        let own: Vec<&Port> = if service.ports.is_empty() { &carrier.ports } else { &service.ports }.iter().collect();
        let carried = |port: &'m Port| match target {
            Some(_) => carrier.ports.iter().find(|p| p.number == port.number),
            None => Some(port),
        };
        let ports: Vec<Option<&Port>> = own.iter().map(|port| carried(port)).collect();
        let endpoints: Vec<Vec<Endpoint<'m>>> =
            ports.iter().map(|port| port.map(|port| self.answering(carrier, port)).unwrap_or_default()).collect();
        let claimants = self.mesh.index.hosts.get(&service.host).map_or(&[][..], Vec::as_slice);
        let rivals = if claimants.len() > 1 { claimants } else { &[] };
        let mut rows = Rows::default();
        for (clients, sample) in self.groups(carrier, rivals) {
            // A waypoint opens connections on behalf of its clients only: they are in the clients' rows.
            let Some(class) = self.class(sample).filter(|class| class.proxy != Proxy::Waypoint) else { continue };
            let hop = self.hop(carrier, class);
            let claim = self.claim(number, rivals, class);
            if claim == Claim::Another {
                continue;
            }
            let unclear = (claim == Claim::Unclear).then_some(Reason::HostClaimed);
            let unknown = unknown.or(class.unknown).or(unclear);
            for (at, port, found) in (0..).zip(&ports).zip(&endpoints).map(|((at, port), found)| (at, *port, found)) {
                let judged = Judged { engine: self, service: carrier, class, endpoints: found, hop };
                for mut row in judged.rows(port, unknown) {
                    row.port = at;
                    row.sample = sample;
                    row.clients = clients.clone();
                    rows.add(row);
                }
            }
        }
        let mut rows = rows.rows;
        rows.shrink_to_fit();
        rows.sort_by_cached_key(|row| {
            let worst = (row.all_expected(), row.worst(), row.status());
            let subset = subset_name(self.mesh, row).map(str::to_owned);
            (worst, row.port, subset, row.clients.classes.first().copied(), row.sample)
        });
        Some(ServiceRows { service: number, endpoints, rows, target })
    }
}

/// Rows, joined where they say the same of different clients.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    by_hash: HashMap<u64, Vec<usize>>,
    hasher: foldhash::fast::RandomState,
}

impl Rows {
    fn add(&mut self, row: Row) {
        let key = |row: &Row| (row.port, row.subset, row.outside, said(&row.decision));
        let same = |a: &Row, b: &Row| key(a) == key(b) && a.cells == b.cells && a.rivals == b.rivals;
        let twins = self.by_hash.entry(self.hasher.hash_one((key(&row), &row.cells))).or_default();
        let twin = twins.iter().copied().find(|at| self.rows.get(*at).is_some_and(|other| same(other, &row)));
        match twin.and_then(|at| self.rows.get_mut(at)) {
            Some(twin) => {
                twin.clients.bases.extend(row.clients.bases);
                twin.clients.classes.extend(row.clients.classes);
            }
            None => {
                twins.push(self.rows.len());
                self.rows.push(row);
            }
        }
    }
}

/// A decision as rows are told apart by: which Sidecar does not import the service, and where the rule was found, make
/// no other answer.
fn said(decision: &Decision) -> Decision {
    let reach = match decision.reach {
        Reach::PassedThrough(Unknown::NotImported(_)) => Reach::PassedThrough(Unknown::NotImported(0)),
        Reach::BlackHoled(Unknown::NotImported(_)) => Reach::BlackHoled(Unknown::NotImported(0)),
        reach => reach,
    };
    Decision { reach, rule: decision.rule.map(|(number, _)| (number, Step::Client)), ..*decision }
}
