//! Judges every client class against every service port: the matrix, grouped before it is computed.
//!
//! Per service, the clients that could get an answer of their own are looked at one by one: those whose namespace has
//! rules for the host, is named in an export, or is the service's own where it matters; those whose Sidecar imports the
//! service. All others are one group. So the work grows with the mesh, not with its square.

use super::client::{Call, Decision, Reach, Uncaptured, Unknown};
use super::clients::{self, Class};
use super::endpoints::{Endpoint, Finder, Front};
use super::outcome::{Condition, Outcome, PortKind, Sender, ServerSide, Status, Wire, outcome};
use super::reason::Reason;
use super::rules::{self, Entry, Found, RuleIndex, Step};
use super::server::{self, ModeFrom, Winners, effective_mode};
use super::visible::{self, ImportTable};
use crate::model::gateway::GatewayTls;
use crate::model::service::{Origin, Port};
use crate::model::sidecar::Outbound;
use crate::model::{Host, Mesh, MtlsMode, Proxy, Scope, Service};
use foldhash::{HashMap, HashMapExt, HashSet};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Groups of classes that most services see as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// Sidecars with nothing of their own.
    Plain,
    /// Sidecars whose Sidecar resource does not import the service, by what they do with it.
    Trimmed(Outbound),
}

/// The classes of a row: whole bases but for some classes, and single classes. Numbers into [`Matrix::classes`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSet {
    /// Bases, each with the classes that are not of the row.
    pub bases: Vec<(Base, Vec<u32>)>,
    /// Single classes.
    pub classes: Vec<u32>,
}

/// The verdict on one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Number of the endpoint in [`ServiceRows::endpoints`]; `None`: nothing answers.
    pub endpoint: Option<u32>,
    /// What the server demands; `None`: undecided.
    pub mode: Option<&'static str>,
    /// Where a PeerAuthentication's mode stands.
    pub from: Option<ModeFrom>,
    /// What the client sends; `None`: undecided.
    pub wire: Option<Wire>,
    /// The verdict.
    pub outcome: Outcome,
    /// Why it is UNKNOWN.
    pub reason: Option<Reason>,
}

/// One row: some clients to one port (and subset) of a service.
#[derive(Clone, Debug)]
pub struct Row {
    /// Number of the port in the service.
    pub port: u32,
    /// Rule and number of the subset.
    pub subset: Option<(u32, u32)>,
    /// The clients.
    pub clients: ClientSet,
    /// The class that stands for them.
    pub sample: u32,
    /// What they send, and why.
    pub decision: Decision,
    /// The wide policies that were used.
    pub wide: Winners,
    /// Per endpoint.
    pub cells: Vec<Cell>,
    /// The clients are outside the mesh.
    pub outside: bool,
}

impl Row {
    /// The status of the row: that of its cells, or MIXED.
    #[must_use]
    pub fn status(&self) -> Status {
        let first = self.cells.first().map_or(Status::Unknown, |cell| cell.outcome.status);
        if self.cells.iter().all(|cell| cell.outcome.status == first) { first } else { Status::Mixed }
    }

    /// Whether a cell is the policy at work: a client outside the mesh, refused (output.md 2).
    #[must_use]
    pub fn expected(&self, cell: &Cell) -> bool {
        use super::outcome::Failure::{F1, F7};
        self.outside && matches!(cell.outcome.failure, Some(F1 | F7))
    }

    /// The worst verdict that is not expected.
    #[must_use]
    pub fn worst(&self) -> Status {
        self.cells
            .iter()
            .filter(|cell| !self.expected(cell))
            .map(|cell| cell.outcome.status)
            .min()
            .unwrap_or(Status::Ok)
    }

    /// Whether the whole row is.
    #[must_use]
    pub fn all_expected(&self) -> bool {
        self.status() == Status::Conflict && self.cells.iter().all(|cell| self.expected(cell))
    }
}

/// The rows of one service.
#[derive(Debug)]
pub struct ServiceRows<'m> {
    /// Number of the service.
    pub service: u32,
    /// Endpoints per port of the service.
    pub endpoints: Vec<Vec<Endpoint<'m>>>,
    /// Rows, worst first, then by port and subset.
    pub rows: Vec<Row>,
    /// The service whose cluster carries the traffic, where this one is an alias of it.
    pub target: Option<u32>,
}

/// Every edge of the mesh, grouped.
pub struct Matrix<'m> {
    /// The mesh.
    pub mesh: &'m Mesh,
    /// Client classes.
    pub classes: Vec<Class>,
    /// Classes of each base.
    pub bases: BTreeMap<Base, Vec<u32>>,
    /// Workloads and namespaces of each base.
    pub base_sizes: BTreeMap<Base, (usize, usize)>,
    /// Namespaces of each class, sorted.
    pub class_namespaces: Vec<Vec<Arc<str>>>,
    /// The class of each workload.
    pub class_of: Vec<u32>,
    /// Subsets that a route sends to.
    pub routed: HashSet<(Host, Box<str>)>,
    /// An unread route may send to any subset.
    pub routes_unread: bool,
    /// Services with their rows, by host.
    pub services: Vec<ServiceRows<'m>>,
}

/// Judges the mesh.
#[must_use]
pub fn check(mesh: &Mesh) -> Matrix<'_> {
    let engine = Engine::new(mesh);
    let services =
        (0..mesh.services.len()).into_par_iter().filter_map(|n| engine.judge(u32::try_from(n).ok()?)).collect();
    let destinations = mesh.routes.iter().flat_map(|route| &route.destinations);
    let routed = destinations.filter_map(|d| Some((d.host.clone(), d.subset.clone()?))).collect();
    let routes_unread = mesh.taints.iter().any(|taint| taint.scope == Scope::Routes);
    let Engine { classes, bases, .. } = engine;
    let mut class_of = vec![u32::MAX; mesh.workloads.len()];
    for (number, class) in (0..).zip(&classes) {
        for member in &class.members {
            if let Some(slot) = class_of.get_mut(*member as usize) {
                *slot = number;
            }
        }
    }
    let size = |numbers: &Vec<u32>| {
        let members = || numbers.iter().filter_map(|n| classes.get(*n as usize));
        let namespaces: HashSet<&Arc<str>> = members().map(|class| &class.namespace).collect();
        (members().map(|class| class.members.len()).sum(), namespaces.len())
    };
    let base_sizes = bases.iter().map(|(base, numbers)| (*base, size(numbers))).collect();
    let class_namespaces = classes.iter().map(|class| {
        let members = class.members.iter().filter_map(|n| mesh.workloads.get(*n as usize));
        // Members are sorted by namespace.
        let mut names: Vec<_> = members.map(|workload| workload.meta.namespace.clone()).collect();
        names.dedup();
        names
    });
    let class_namespaces = class_namespaces.collect();
    Matrix { mesh, classes, bases, base_sizes, class_namespaces, class_of, routed, routes_unread, services }
}

/// What is worked out once for all services.
struct Engine<'m> {
    mesh: &'m Mesh,
    rules: RuleIndex,
    classes: Vec<Class>,
    bases: BTreeMap<Base, Vec<u32>>,
    /// Classes that are never part of a base.
    single: Vec<u32>,
    by_namespace: HashMap<Arc<str>, Vec<u32>>,
    imports: ImportTable,
    /// Trimmed classes that name a namespace, any namespace, or a routed host.
    importers: HashMap<Arc<str>, Vec<u32>>,
    importers_any: Vec<u32>,
    importers_host: HashMap<Host, Vec<u32>>,
    finder: Finder<'m>,
    wide: HashMap<Arc<str>, Vec<Winners>>,
    taint_all: Option<u32>,
    taint_services: HashMap<Arc<str>, u32>,
    taint_hosts: HashMap<Host, u32>,
    taint_gateways: Option<u32>,
    waypoints: HashSet<Arc<str>>,
}

/// Who of several services with one host a client gets.
#[derive(PartialEq, Eq)]
enum Claim {
    Mine,
    Another,
    Unclear,
}

impl<'m> Engine<'m> {
    fn new(mesh: &'m Mesh) -> Self {
        let classes = clients::classes(mesh);
        let (mut bases, mut single) = (BTreeMap::<Base, Vec<u32>>::new(), Vec::new());
        let mut by_namespace: HashMap<Arc<str>, Vec<u32>> = HashMap::new();
        let (mut importers, mut importers_host) =
            (HashMap::<Arc<str>, Vec<u32>>::new(), HashMap::<Host, Vec<u32>>::new());
        let mut importers_any = Vec::new();
        for (number, class) in (0..).zip(&classes) {
            by_namespace.entry(class.namespace.clone()).or_default().push(number);
            let trimming = match &class.sidecars[..] {
                [Some(n)] => mesh.sidecars.get(*n as usize).filter(|s| !s.egress.is_empty()),
                _ => None,
            };
            let usual = class.proxy == Proxy::Sidecar
                && class.unknown.is_none()
                && !class.capture
                && class.namespace != mesh.root;
            match trimming {
                _ if class.plain => bases.entry(Base::Plain).or_default().push(number),
                Some(sidecar) if usual => {
                    bases.entry(Base::Trimmed(clients::outbound_policy(mesh, class))).or_default().push(number);
                    for (namespace, _) in sidecar.egress.iter().flat_map(|egress| &egress.hosts) {
                        match &**namespace {
                            "*" => importers_any.push(number),
                            "." => importers.entry(class.namespace.clone()).or_default().push(number),
                            name => importers.entry(name.into()).or_default().push(number),
                        }
                    }
                    for destination in mesh.routes.iter().filter(|r| r.mesh).flat_map(|r| &r.destinations) {
                        importers_host.entry(destination.host.clone()).or_default().push(number);
                    }
                }
                _ => single.push(number),
            }
        }
        importers_any.dedup();
        let pairs = classes.iter().flat_map(|c| c.sidecars.iter().flatten().map(|n| (*n, c.namespace.clone())));
        let imports = ImportTable::new(mesh, pairs);
        let mut engine = Self {
            mesh,
            rules: RuleIndex::new(mesh),
            bases,
            single,
            by_namespace,
            imports,
            importers,
            importers_any,
            importers_host,
            finder: Finder::new(mesh),
            wide: HashMap::new(),
            taint_all: None,
            taint_services: HashMap::new(),
            taint_hosts: HashMap::new(),
            taint_gateways: None,
            waypoints: waypoint_namespaces(mesh),
            classes,
        };
        for service in &mesh.services {
            let namespace = &service.meta.namespace;
            if !engine.wide.contains_key(namespace) {
                engine.wide.insert(namespace.clone(), server::wide_policies(mesh, namespace));
            }
        }
        for (number, taint) in (0..).zip(&mesh.taints) {
            match &taint.scope {
                Scope::All => engine.taint_all = engine.taint_all.or(Some(number)),
                Scope::Services(namespace) | Scope::Namespace(namespace) => {
                    engine.taint_services.entry(namespace.clone()).or_insert(number);
                }
                Scope::Host(host) => {
                    engine.taint_hosts.entry(host.clone()).or_insert(number);
                }
                Scope::Gateways => engine.taint_gateways = engine.taint_gateways.or(Some(number)),
                Scope::Routes => {}
            }
        }
        engine
    }

    fn class(&self, number: u32) -> Option<&Class> {
        self.classes.get(number as usize)
    }

    /// Why every row of a service is UNKNOWN.
    fn service_unknown(&self, service: &Service) -> Option<Reason> {
        let namespace = &service.meta.namespace;
        let taint = self.taint_all.or_else(|| self.taint_services.get(namespace).copied());
        let taint = taint.or_else(|| self.taint_hosts.get(&service.host).copied());
        let waypoint = service.meta.labels.get("istio.io/use-waypoint").map(|name| name != "none");
        let waypoint = waypoint.unwrap_or_else(|| self.waypoints.contains(namespace));
        taint.map(Reason::Taint).or(waypoint.then_some(Reason::Waypoint))
    }

    /// The groups of clients that may differ for a service: each with the class that stands for it.
    fn groups(&self, service: &'m Service, claimed: bool) -> Vec<(ClientSet, u32)> {
        let mut special: Vec<u32> = Vec::new();
        let mut name = |namespace: &str| special.extend(self.by_namespace.get(namespace).into_iter().flatten());
        let namespace = &service.meta.namespace;
        self.rules.namespaces_with_local(&service.host).iter().for_each(|ns| name(ns));
        self.rules.namespaces_named(self.mesh, &service.host, namespace).iter().for_each(|ns| name(ns));
        if let Some(named) = visible::restricted(self.mesh, service) {
            named.into_iter().for_each(&mut name);
            name(namespace);
        }
        special.extend(self.importers.get(namespace).into_iter().flatten());
        special.extend(&self.importers_any);
        special.extend(self.importers_host.get(&service.host).into_iter().flatten());
        special.extend(&self.single);
        if claimed {
            special.extend(self.bases.values().flatten());
        }
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

    fn claim(&self, service: &'m Service, number: u32, class: &Class) -> Claim {
        let rivals = self.mesh.index.hosts.get(&service.host).map_or(&[][..], Vec::as_slice);
        if rivals.len() < 2 {
            return Claim::Mine;
        }
        let get = |n: &u32| self.mesh.services.get(*n as usize);
        let mut left: Vec<u32> = rivals
            .iter()
            .copied()
            .filter(|n| {
                class.proxy == Proxy::None || get(n).is_some_and(|s| visible::exported(self.mesh, s, &class.namespace))
            })
            .collect();
        for prefer in
            [&(|s: &Service| s.meta.namespace == class.namespace) as &dyn Fn(&Service) -> bool, &|s: &Service| {
                s.origin == Origin::Kubernetes
            }]
        {
            let preferred: Vec<u32> = left.iter().copied().filter(|n| get(n).is_some_and(prefer)).collect();
            if !preferred.is_empty() {
                left = preferred;
            }
        }
        match left[..] {
            [] => {
                if rivals.first() == Some(&number) {
                    Claim::Mine
                } else {
                    Claim::Another
                }
            }
            [one] => {
                if one == number {
                    Claim::Mine
                } else {
                    Claim::Another
                }
            }
            [first, ..] => {
                if first == number {
                    Claim::Unclear
                } else {
                    Claim::Another
                }
            }
        }
    }

    /// Judges one service.
    fn judge(&self, number: u32) -> Option<ServiceRows<'m>> {
        let service = self.mesh.services.get(number as usize)?;
        let mut carrier = service;
        let mut target = None;
        let mut unknown = self.service_unknown(service);
        if let Some(alias) = &service.alias {
            match self.mesh.index.hosts.get(alias).and_then(|list| list.first()) {
                Some(found) => {
                    carrier = self.mesh.services.get(*found as usize)?;
                    target = Some(*found);
                    unknown = unknown.or_else(|| self.service_unknown(carrier));
                }
                None => unknown = unknown.or(Some(Reason::ExternalName)),
            }
        }
        // An alias of an alias, or of itself, leads nowhere that could be judged.
        if carrier.alias.is_some() {
            unknown = unknown.or(Some(Reason::ExternalName));
        }
        let ports: Vec<Option<&Port>> = service
            .ports
            .iter()
            .map(
                |port| {
                    if target.is_some() { carrier.ports.iter().find(|p| p.number == port.number) } else { Some(port) }
                },
            )
            .collect();
        let endpoints: Vec<Vec<Endpoint<'m>>> =
            ports.iter().map(|port| port.map(|port| self.finder.of(carrier, port)).unwrap_or_default()).collect();
        let claimed = self.mesh.index.hosts.get(&service.host).is_some_and(|list| list.len() > 1);
        let mut rows: Vec<Row> = Vec::new();
        for (clients, sample) in self.groups(carrier, claimed) {
            let Some(class) = self.class(sample) else { continue };
            let claim = self.claim(service, number, class);
            if claim == Claim::Another {
                continue;
            }
            let unclear = (claim == Claim::Unclear).then_some(Reason::HostClaimed);
            let unknown = unknown.or(class.unknown).or(unclear);
            for (at, port, found) in (0..).zip(&ports).zip(&endpoints).map(|((at, port), found)| (at, *port, found)) {
                let judged = Judged { engine: self, service: carrier, class, endpoints: found };
                for mut row in judged.rows(port, unknown) {
                    row.port = at;
                    row.sample = sample;
                    row.clients = clients.clone();
                    add(&mut rows, row);
                }
            }
        }
        let subset_name = |row: &Row| {
            row.subset
                .and_then(|(rule, at)| self.mesh.rules.get(rule as usize)?.subsets.get(at as usize))
                .map(|s| s.name.clone())
        };
        rows.sort_by_cached_key(|row| {
            let worst = (row.all_expected(), row.worst(), row.status());
            (worst, row.port, subset_name(row), row.clients.classes.first().copied(), row.sample)
        });
        Some(ServiceRows { service: number, endpoints, rows, target })
    }
}

/// Namespaces whose services all have a waypoint.
fn waypoint_namespaces(mesh: &Mesh) -> HashSet<Arc<str>> {
    let labelled =
        mesh.namespaces.values().filter(|ns| ns.labels.get("istio.io/use-waypoint").is_some_and(|name| name != "none"));
    labelled.map(|ns| ns.meta.name.clone()).collect()
}

/// Adds a row, joining it to one that says the same of other clients.
fn add(rows: &mut Vec<Row>, row: Row) {
    let same = |a: &Decision, b: &Decision| {
        // Which Sidecar does not import the service, and where the rule was found, make no other answer.
        let plain = |d: &Decision| {
            let reach = match d.reach {
                Reach::PassedThrough(Unknown::NotImported(_)) => Reach::PassedThrough(Unknown::NotImported(0)),
                Reach::BlackHoled(Unknown::NotImported(_)) => Reach::BlackHoled(Unknown::NotImported(0)),
                reach => reach,
            };
            Decision { reach, rule: d.rule.map(|(number, _)| (number, Step::Client)), ..*d }
        };
        plain(a) == plain(b)
    };
    let twin = rows.iter_mut().find(|other| {
        other.port == row.port
            && other.subset == row.subset
            && other.outside == row.outside
            && other.cells == row.cells
            && same(&other.decision, &row.decision)
    });
    match twin {
        Some(twin) => {
            twin.clients.bases.extend(row.clients.bases);
            twin.clients.classes.extend(row.clients.classes);
        }
        None => rows.push(row),
    }
}

/// One class against one service port.
struct Judged<'a, 'm> {
    engine: &'a Engine<'m>,
    service: &'m Service,
    class: &'a Class,
    endpoints: &'a [Endpoint<'m>],
}

impl<'a, 'm> Judged<'a, 'm> {
    fn row(&self, subset: Option<(u32, u32)>, decision: Decision, wide: Winners, cells: Vec<Cell>) -> Row {
        Row {
            port: 0,
            subset,
            clients: ClientSet::default(),
            sample: 0,
            decision,
            wide,
            cells,
            outside: self.class.outside,
        }
    }

    /// The rows of a port: one for the port itself, one for each subset of the chosen rule.
    fn rows(&self, port: Option<&'m Port>, unknown: Option<Reason>) -> Vec<Row> {
        let wides = self.engine.wide.get(&self.service.meta.namespace).map_or(&[][..], Vec::as_slice);
        let wide = wides.first().copied().unwrap_or_default();
        let undecided = |reason: Reason| {
            let decision = Decision::without_cluster(Reach::Undecided);
            vec![self.row(None, decision, wide, self.all_unknown(reason))]
        };
        let Some(port) = port else { return undecided(Reason::ExternalName) };
        if let Some(reason) = unknown {
            return undecided(reason);
        }
        let reach = match self.reach(port) {
            Ok(reach) => reach,
            Err(reason) => return undecided(reason),
        };
        if reach != Reach::Known {
            let decision = Decision::without_cluster(reach);
            let cells = wides.iter().map(|wide| self.cells(&decision, *wide, None, port)).collect();
            return vec![self.row(None, decision, wide, agree(cells))];
        }
        let mesh = self.engine.mesh;
        let (client, host) = (&self.class.namespace, &self.service.host);
        let sample = self.class.sample(mesh);
        let selects = |selector: &_| sample.is_some_and(|w| mesh.selects(selector, w) == Ok(true));
        let chosen: Vec<Option<(&Entry, Step)>> =
            match self.engine.rules.find(mesh, client, host, &self.service.meta.namespace) {
                Found::Unclear => return undecided(Reason::Age),
                Found::Nothing => vec![None],
                Found::Rules(step, rules) => {
                    let choose = |order| rules::choose(mesh, order, step, client, selects).map(|entry| (entry, step));
                    rules.orders.iter().map(|order| choose(order)).collect()
                }
            };
        let mut subsets: Vec<Option<&str>> = vec![None];
        for (rule, at) in chosen.iter().flatten().flat_map(|(entry, _)| &entry.subsets) {
            let name = self.subset(*rule, *at).map(|s| &*s.name);
            if name.is_some() && !subsets.contains(&name) {
                subsets.push(name);
            }
        }
        subsets.into_iter().map(|name| self.judge_subset(port, name, &chosen, wides)).collect()
    }

    fn subset(&self, rule: u32, at: u32) -> Option<&'m crate::model::destination_rule::Subset> {
        self.engine.mesh.rules.get(rule as usize)?.subsets.get(at as usize)
    }

    fn judge_subset(
        &self,
        port: &'m Port,
        name: Option<&str>,
        chosen: &[Option<(&'a Entry, Step)>],
        wides: &[Winners],
    ) -> Row {
        let mesh = self.engine.mesh;
        let (mut all, mut first) = (Vec::new(), None);
        for entry in chosen {
            let subset = name.and_then(|name| {
                let of = entry.map_or(&[][..], |(entry, _)| &entry.subsets);
                of.iter().copied().find(|(rule, at)| self.subset(*rule, *at).is_some_and(|s| *s.name == *name))
            });
            for wide in wides {
                if name.is_some() && subset.is_none() {
                    // In this order of rules the subset does not exist, so no answer stands.
                    all.push(self.all_unknown(Reason::Age));
                    continue;
                }
                let call = Call {
                    proxy: self.class.proxy,
                    service: self.service,
                    port: port.number,
                    entry: *entry,
                    subset,
                    wide: *wide,
                    endpoints: self.endpoints,
                };
                let decision = call.decide(mesh);
                first.get_or_insert((subset, decision, *wide));
                all.push(self.cells(&decision, *wide, subset, port));
            }
        }
        let (subset, decision, wide) =
            first.unwrap_or((None, Decision::without_cluster(Reach::Undecided), Winners::default()));
        self.row(subset, decision, wide, agree(all))
    }

    /// How the class comes to the service port.
    fn reach(&self, port: &Port) -> Result<Reach, Reason> {
        let (mesh, class) = (self.engine.mesh, self.class);
        if let Some(why) = class.uncaptured {
            return Ok(Reach::NotCaptured(why));
        }
        match class.proxy {
            Proxy::None => return Ok(Reach::NoProxy),
            Proxy::Ambient | Proxy::Waypoint => return Err(Reason::AmbientClient),
            Proxy::Sidecar | Proxy::Gateway | Proxy::Grpc => {}
        }
        if self.service.origin != Origin::Kubernetes && mesh.config.entry_visibility {
            return Err(Reason::EntryVisibility);
        }
        if class.capture {
            let ips: Vec<&str> = self.endpoints.iter().filter_map(|e| e.address).collect();
            let sample = class.sample(mesh);
            match sample.and_then(|w| visible::outbound_captured(w, self.service, port.number, &ips)) {
                Some(true) => {}
                Some(false) => return Ok(Reach::NotCaptured(Uncaptured::Annotation)),
                None => return Err(Reason::CaptureByAddress),
            }
        }
        let sidecar = class.sidecars.first().copied().flatten();
        let imports = sidecar.and_then(|n| Some((n, self.engine.imports.get(n, &class.namespace)?)));
        let unknown = match imports {
            _ if !visible::exported(mesh, self.service, &class.namespace) => Some(Unknown::NotExported),
            Some((n, imports)) if !imports.has(self.service, port.number) => Some(Unknown::NotImported(n)),
            _ => None,
        };
        let Some(unknown) = unknown else { return Ok(Reach::Known) };
        match clients::outbound_policy(mesh, class) {
            Outbound::AllowAny => Ok(Reach::PassedThrough(unknown)),
            Outbound::RegistryOnly => Ok(Reach::BlackHoled(unknown)),
            Outbound::Other => Err(Reason::OutboundPolicy),
        }
    }

    fn all_unknown(&self, reason: Reason) -> Vec<Cell> {
        let cell = |endpoint| Cell {
            endpoint,
            mode: None,
            from: None,
            wire: None,
            outcome: Outcome::UNKNOWN,
            reason: Some(reason),
        };
        match self.endpoints.len() {
            0 => vec![cell(None)],
            count => (0..u32::try_from(count).unwrap_or(u32::MAX)).map(|n| cell(Some(n))).collect(),
        }
    }

    /// The cells of a decision, for one pair of wide policies.
    fn cells(&self, decision: &Decision, wide: Winners, subset: Option<(u32, u32)>, port: &Port) -> Vec<Cell> {
        let labels = subset.and_then(|(rule, at)| self.subset(rule, at)).map(|s| &s.labels);
        let wanted = |e: &Endpoint<'_>| labels.is_none_or(|labels| e.labels.is_none_or(|own| labels.subset_of(own)));
        let found = (0..).zip(self.endpoints).filter(|(_, endpoint)| wanted(endpoint));
        let cells: Vec<Cell> = found.map(|(at, endpoint)| self.cell(decision, wide, at, endpoint, port)).collect();
        if !cells.is_empty() {
            return cells;
        }
        let wire = decision.wire_without_endpoint();
        let refused = wire == Some(Wire::None);
        vec![Cell {
            endpoint: None,
            mode: None,
            from: None,
            wire,
            outcome: if refused { Outcome::REFUSED } else { Outcome::UNKNOWN },
            reason: (!refused).then_some(Reason::NoEndpoint),
        }]
    }

    /// The cell of one endpoint: every possibility of its policies and protocols, where they agree.
    fn cell(&self, decision: &Decision, wide: Winners, at: u32, endpoint: &Endpoint<'m>, port: &Port) -> Cell {
        if let ([workload], [kind]) = (&endpoint.policies[..], &endpoint.port_kinds[..]) {
            return self.possibility(decision, Winners { workload: *workload, ..wide }, at, endpoint, *kind, port);
        }
        let mut all = Vec::new();
        for workload in &endpoint.policies {
            let winners = Winners { workload: *workload, ..wide };
            for kind in &endpoint.port_kinds {
                all.push(vec![self.possibility(decision, winners, at, endpoint, *kind, port)]);
            }
        }
        let several_kinds = endpoint.port_kinds.len() > 1 && endpoint.policies.len() == 1;
        let mut cell = agree(all).pop().unwrap_or(Cell {
            endpoint: Some(at),
            mode: None,
            from: None,
            wire: None,
            outcome: Outcome::UNKNOWN,
            reason: Some(Reason::NotInTable),
        });
        if cell.reason == Some(Reason::Age) && several_kinds {
            cell.reason = Some(Reason::PortProtocol);
        }
        cell
    }

    fn possibility(
        &self,
        decision: &Decision,
        winners: Winners,
        at: u32,
        endpoint: &Endpoint<'m>,
        kind: PortKind,
        port: &Port,
    ) -> Cell {
        let mesh = self.engine.mesh;
        let (effective, from) = effective_mode(&mesh.policies, winners, endpoint.port);
        let wire = decision.wire(endpoint, effective);
        let sender = match decision.reach {
            Reach::NoProxy | Reach::NotCaptured(_) => Sender::Application,
            _ if self.class.proxy == Proxy::Grpc => Sender::Application,
            _ => Sender::Proxy,
        };
        let by_policy = |own: Option<bool>| match (effective, own) {
            (MtlsMode::Strict, _) => ServerSide::Strict,
            (MtlsMode::Permissive, _) => ServerSide::Permissive,
            (MtlsMode::Disable, None) => ServerSide::Disable,
            (MtlsMode::Disable, Some(false)) => ServerSide::OwnTls,
            (MtlsMode::Disable, Some(true)) => ServerSide::OwnMutualTls,
        };
        let made = |mode, from, result| Cell {
            endpoint: Some(at),
            mode: Some(mode),
            from,
            wire: Some(wire),
            outcome: result,
            reason: (result == Outcome::UNKNOWN).then_some(Reason::NotInTable),
        };
        let external = self.service.origin == Origin::MeshExternal;
        let mut cell = match endpoint.front {
            Front::Unknown(reason) => {
                let known = matches!(reason, Reason::NoGatewayServer | Reason::GatewayServers);
                let wire = Some(wire).filter(|_| known);
                Cell {
                    endpoint: Some(at),
                    mode: None,
                    from: None,
                    wire,
                    outcome: Outcome::UNKNOWN,
                    reason: Some(reason),
                }
            }
            Front::NoProxy if external && wire == Wire::Mtls => {
                Cell { reason: Some(Reason::ExternalMtls), ..made("NONE", None, Outcome::UNKNOWN) }
            }
            // TLS origination: the server outside the mesh terminates it, whatever the port is called inside.
            Front::NoProxy if external && matches!(wire, Wire::Tls | Wire::MutualTls) => {
                made("NONE", None, Outcome::TLS)
            }
            Front::NoProxy => made("NONE", None, outcome(wire, ServerSide::NoProxy, kind, sender)),
            Front::Bypassed(_) => made("NONE", None, outcome(wire, ServerSide::Bypassed, kind, sender)),
            Front::Policy => made(effective.word(), Some(from), outcome(wire, by_policy(None), kind, sender)),
            Front::OwnTls(mutual) => {
                made(effective.word(), Some(from), outcome(wire, by_policy(Some(mutual)), kind, sender))
            }
            Front::Gateway(gateway, server) => {
                if let Some(number) = self.engine.taint_gateways {
                    return Cell {
                        reason: Some(Reason::Taint(number)),
                        mode: None,
                        ..made("", None, Outcome::UNKNOWN)
                    };
                }
                let Some(server) = mesh.gateways.get(gateway as usize).and_then(|g| g.servers.get(server as usize))
                else {
                    return made("NONE", None, Outcome::UNKNOWN);
                };
                let sni = sni(mesh, decision, &self.service.host, port.number, None);
                let (result, reason) = gateway_outcome(wire, server.tls, kind, sni.as_deref(), &server.hosts);
                Cell { reason, ..made(server.tls.word(), None, result) }
            }
        };
        if cell.outcome == Outcome::OK {
            self.check_identity(decision, endpoint, &mut cell);
        }
        cell
    }

    /// A rule with `subjectAltNames` accepts only servers of these identities (D17).
    fn check_identity(&self, decision: &Decision, endpoint: &Endpoint<'m>, cell: &mut Cell) {
        let mesh = self.engine.mesh;
        let Some(tls) = decision.tls.and_then(|(_, from)| tls_at(mesh, from)).filter(|tls| !tls.sans.is_empty()) else {
            return;
        };
        let namespace = &self.service.meta.namespace;
        cell.outcome = match endpoint.account {
            None => Outcome::if_only(Condition::Identity),
            Some(account) => {
                let identity = format!("spiffe://{}/ns/{namespace}/sa/{account}", mesh.trust_domain);
                if tls.sans.iter().any(|san| **san == *identity) {
                    Outcome::OK
                } else {
                    Outcome::fails(super::outcome::Failure::F5)
                }
            }
        };
    }
}

/// The SNI that a client sends: the rule's, or Istio's own name of the cluster (`outbound_.PORT_.SUBSET_.HOST`).
#[must_use]
pub fn sni(mesh: &Mesh, decision: &Decision, host: &Host, port: u16, subset: Option<&str>) -> Option<String> {
    let own = decision.tls.and_then(|(_, from)| tls_at(mesh, from)).and_then(|tls| tls.sni.as_deref());
    let mutual = decision.cluster == super::client::Cluster::IstioMutual;
    let subset = subset.unwrap_or_default();
    own.map(str::to_owned).or_else(|| mutual.then(|| format!("outbound_.{port}_.{subset}_.{host}")))
}

/// The `tls` block that was read from a field.
#[must_use]
pub fn tls_at(mesh: &Mesh, from: super::client::TlsFrom) -> Option<&crate::model::destination_rule::ClientTls> {
    let rule = mesh.rules.get(from.rule as usize)?;
    let policy = match from.subset {
        Some(at) => rule.subsets.get(at as usize)?.policy.as_ref()?,
        None => rule.policy.as_ref()?,
    };
    match from.port {
        Some(at) => policy.ports.get(at as usize)?.1.tls.as_ref(),
        None => policy.top.tls.as_ref(),
    }
}

/// What comes of a wire format at a gateway's server (1.7): SNI must fit as well as the mode.
fn gateway_outcome(
    wire: Wire,
    tls: GatewayTls,
    kind: PortKind,
    sni: Option<&str>,
    hosts: &[Box<str>],
) -> (Outcome, Option<Reason>) {
    use super::outcome::Failure::{F3, F4, F5};
    let fits =
        |sni: &str| hosts.is_empty() || hosts.iter().any(|host| Host(host.as_ref().into()).matches(&Host(sni.into())));
    let any = hosts.is_empty() || hosts.iter().any(|host| &**host == "*");
    let named = sni.map(fits);
    let outcome = match (wire, tls) {
        (Wire::None, _) => Outcome::REFUSED,
        (_, GatewayTls::Passthrough | GatewayTls::AutoPassthrough) => {
            return (Outcome::UNKNOWN, Some(Reason::GatewayPassthrough));
        }
        (Wire::Plaintext, GatewayTls::None) => Outcome::PLAINTEXT,
        (Wire::Plaintext, _) => Outcome::if_only(Condition::GatewayTls),
        (_, GatewayTls::None) if kind == PortKind::Http => Outcome::fails(F3),
        (_, GatewayTls::None) => return (Outcome::UNKNOWN, Some(Reason::GatewayPassthrough)),
        (_, _) if named == Some(false) => Outcome::fails(F4),
        (Wire::Mtls, GatewayTls::IstioMutual) => Outcome::OK,
        (Wire::Tls, GatewayTls::Mutual | GatewayTls::IstioMutual) => Outcome::fails(F5),
        (Wire::Tls, GatewayTls::Simple | GatewayTls::OptionalMutual) if any || named == Some(true) => Outcome::TLS,
        _ => Outcome::if_only(Condition::GatewayCertificate),
    };
    (outcome, None)
}

/// Joins the answers of several possibilities: equal ones stand, a status that differs is UNKNOWN.
fn agree(all: Vec<Vec<Cell>>) -> Vec<Cell> {
    let mut others = all.into_iter();
    let Some(first) = others.next() else { return Vec::new() };
    let others: Vec<_> = others.collect();
    let same_shape = others.iter().all(|cells| cells.len() == first.len());
    let join = |(at, mut cell): (usize, Cell)| {
        for other in others.iter().filter_map(|cells| cells.get(at)) {
            if cell.mode != other.mode {
                (cell.mode, cell.from) = (None, None);
            }
            if cell.wire != other.wire {
                cell.wire = None;
            }
            if cell.outcome.status != other.outcome.status || !same_shape {
                (cell.outcome, cell.reason) = (Outcome::UNKNOWN, Some(Reason::Age));
            } else if cell.outcome.failure != other.outcome.failure {
                cell.outcome.failure = None;
            }
        }
        cell
    };
    first.into_iter().enumerate().map(join).collect()
}
