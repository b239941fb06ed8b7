//! Which defect makes a row of the matrix a CONFLICT: for every failing cell exactly one.
//!
//! The engine says what the client sends and why ([`Decision`]), and what the server demands and from where.
//! Causes are looked for from the most particular on. Cells with one cause (one code, one
//! field of one object) are one [`Cause`], whatever the number of clients, services and endpoints.

use super::alike::{First, Kinds};
use super::policies::mistaken_port;
use super::rules::covers_api_server;
use crate::finding::{
    CREDENTIAL_NAME_IGNORED, Code, EMPTY_TLS_MEANS_DISABLE, EXCLUDED_PORT_BYPASSES_STRICT, Edge, GATEWAY_SNI_MISMATCH,
    HAND_WRITTEN_TLS_MODE, HEADLESS_MTLS_ALL_OR_NOTHING, INVALID_VALUE, MTLS_TO_PLAINTEXT_SERVER,
    NAMESPACE_DISABLE_WORKLOAD_STRICT, PLAINTEXT_TO_STRICT, PORT_MTLS_NAMES_SERVICE_PORT, PORT_SETTINGS_ERASE_TLS,
    RULE_SHADOWED, Related, SERVICE_NOT_IMPORTED, SUBSET_DROPS_TLS, TLS_TO_MESH_PORT, UID_1337_BYPASSES_CAPTURE,
    WILDCARD_COVERS_API_SERVER,
};
use crate::location::Path;
use crate::model::destination_rule::{TlsMode, TrafficPolicy};
use crate::model::service::Origin;
use crate::model::{Mesh, MtlsMode, ObjectId, PeerAuthentication, Service};
use crate::mtls::because::{capture_path, mode_path, tls_path};
use crate::mtls::check::{Cell, ClientSet, Matrix, Row, ServiceRows};
use crate::mtls::client::{Decision, Reach, TlsFrom, Uncaptured, Unknown, Why, tls_at};
use crate::mtls::endpoints::{Bypass, Endpoint, Front, Who, name_of};
use crate::mtls::json::routed;
use crate::mtls::mend::mend_at;
use crate::mtls::outcome::{Failure, Status, Wire};
use crate::mtls::select::{Clients, Filter, subset_name};
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most clients that an [`Edge`] names.
const NAMED: usize = 1000;

/// The most ports that a repair names, and the most servers of each.
const MANY_PORTS: usize = 50;
const MANY_SERVERS: usize = 5;

/// A defect that makes rows fail.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The rule that reports it.
    pub code: &'static Code,
    /// The object that should change.
    pub object: ObjectId,
    /// The field in it; empty: the object as a whole.
    pub path: Path,
    /// What fails because of it.
    pub covers: Vec<Covered>,
}

/// A cell of the matrix, or those of its clients that a cause is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Number in [`Matrix::services`].
    pub service: usize,
    /// Number of the row in it.
    pub row: usize,
    /// Number of the cell in that.
    pub cell: usize,
    /// Numbers of the clients in [`Mesh::workloads`], ascending. Cells with the same clients share the list.
    pub clients: Arc<[u32]>,
}

/// Code, object and field, and between which kinds the call fails: what tells causes apart.
type Key = (&'static str, ObjectId, String, Kinds);

/// The cause of every CONFLICT cell, clients outside the mesh aside; sorted by code and place.
#[must_use]
pub fn causes(matrix: &Matrix<'_>) -> Vec<Cause> {
    let mut lists = Lists::new(matrix);
    let mut all: BTreeMap<Key, Cause> = BTreeMap::new();
    for (service, rows) in matrix.services.iter().enumerate() {
        for (number, row) in rows.rows.iter().enumerate() {
            let failing = |cell: &Cell| cell.outcome.status == Status::Conflict && !row.expected(cell);
            if !row.cells.iter().any(failing) {
                continue;
            }
            for (at, cell) in row.cells.iter().enumerate().filter(|(_, cell)| failing(cell)) {
                let mut cover = |place: &Place, clients: Arc<[u32]>| {
                    let (code, object, path) = place;
                    let front = endpoint_of(rows, row, cell).map(|endpoint| endpoint.front);
                    let kinds = Kinds::of(code, &row.decision, front);
                    let one = all.entry((code.code, *object, path.as_str().to_owned(), kinds));
                    let new = || Cause { code, object: *object, path: path.clone(), covers: Vec::new() };
                    one.or_insert_with(new).covers.push(Covered { service, row: number, cell: at, clients });
                };
                match of_server(matrix, rows, row, cell).or_else(|| of_rule(matrix, rows, row, cell)) {
                    Some(place) => cover(&place, lists.whole(row)),
                    None => lists.split(row).iter().for_each(|(place, clients)| cover(place, clients.clone())),
                }
            }
        }
    }
    all.into_values().collect()
}

/// A place and the code that reports it.
type Place = (&'static Code, ObjectId, Path);

/// Clients by the place that should change.
type Groups = Arc<[(Place, Arc<[u32]>)]>;

/// Lists of clients, each made once: the same clients call most services of a mesh.
struct Lists<'a, 'm> {
    matrix: &'a Matrix<'m>,
    first: Option<First>,
    whole: HashMap<&'a ClientSet, Arc<[u32]>>,
    split: HashMap<(&'a ClientSet, Reach), Groups>,
}

impl<'a, 'm> Lists<'a, 'm> {
    fn new(matrix: &'a Matrix<'m>) -> Self {
        Self { matrix, first: None, whole: HashMap::new(), split: HashMap::new() }
    }

    /// All clients of a row.
    fn whole(&mut self, row: &'a Row) -> Arc<[u32]> {
        let all = || Clients::new(self.matrix, &row.clients, &Filter::default()).workloads().into();
        self.whole.entry(&row.clients).or_insert_with(all).clone()
    }

    /// The clients of a row by what they do themselves. All of them get the same answer from the same objects, but for
    /// applications without a proxy: there the object that should change is the client's own, one per namespace.
    fn split(&mut self, row: &'a Row) -> Groups {
        let key = (&row.clients, row.decision.reach);
        if let Some(groups) = self.split.get(&key) {
            return groups.clone();
        }
        let mut by_object: BTreeMap<ObjectId, (Place, Vec<u32>)> = BTreeMap::new();
        let clients = self.whole(row);
        let first = self.first.get_or_insert_with(|| First::new(self.matrix.mesh));
        for number in clients.iter() {
            let Some(place) = of_client(self.matrix, row.decision.reach, first, *number) else { continue };
            by_object.entry(place.1).or_insert_with(|| (place, Vec::new())).1.push(*number);
        }
        let groups: Groups = by_object.into_values().map(|(place, clients)| (place, clients.into())).collect();
        self.split.insert(key, groups.clone());
        groups
    }
}

/// A list of clients and their names.
type Named = (Arc<[u32]>, Arc<[String]>);

/// The names of clients, made once for each list of numbers; by the list's address, which stays its own while it is kept.
#[derive(Default)]
pub struct Names(HashMap<*const u32, Named>);

impl Names {
    fn of(&mut self, mesh: &Mesh, clients: &Arc<[u32]>) -> Arc<[String]> {
        let name = |n: &u32| mesh.workloads.get(*n as usize).map(|workload| workload.meta.slash());
        let new = || (clients.clone(), clients.iter().take(NAMED).filter_map(name).collect());
        self.0.entry(clients.as_ptr()).or_insert_with(new).1.clone()
    }
}

/// The endpoint of a cell.
pub fn endpoint_of<'a, 'm>(rows: &'a ServiceRows<'m>, row: &Row, cell: &Cell) -> Option<&'a Endpoint<'m>> {
    rows.endpoints.get(row.port as usize)?.get(cell.endpoint? as usize)
}

/// What the server's own workload does: a label written by hand, a port that bypasses its sidecar.
fn of_server(matrix: &Matrix<'_>, rows: &ServiceRows<'_>, row: &Row, cell: &Cell) -> Option<Place> {
    let mesh = matrix.mesh;
    let endpoint = endpoint_of(rows, row, cell)?;
    let Who::Workload(number) = endpoint.who else { return None };
    let workload = mesh.workloads.get(number as usize)?;
    if !matches!(row.decision.reach, Reach::Known) {
        return None;
    }
    let automatic = row.decision.tls.is_none();
    let says = workload.labels.get("security.istio.io/tlsMode").is_some()
        && mesh.has(workload.meta.id, &Path::new(workload.path).key("labels").key("security.istio.io/tlsMode"));
    let label = || Path::new(workload.path).key("labels").key("security.istio.io/tlsMode");
    let lies = match cell.wire {
        Some(Wire::Mtls) => endpoint.front == Front::NoProxy,
        Some(Wire::Plaintext) => endpoint.tls_mode != "istio" && matches!(endpoint.front, Front::Policy),
        _ => false,
    };
    if automatic && says && lies {
        return Some((&HAND_WRITTEN_TLS_MODE, workload.meta.id, label()));
    }
    if let Front::Bypassed(Bypass::Excluded | Bypass::NotIncluded) = endpoint.front {
        let which = match endpoint.front {
            Front::Bypassed(Bypass::Excluded) => "traffic.sidecar.istio.io/excludeInboundPorts",
            _ => "traffic.sidecar.istio.io/includeInboundPorts",
        };
        if automatic && cell.wire == Some(Wire::Mtls) {
            let path = Path::new(workload.path).key("annotations").key(which);
            return Some((&EXCLUDED_PORT_BYPASSES_STRICT, workload.meta.id, path));
        }
    }
    None
}

/// What a DestinationRule, a PeerAuthentication, a Service or the mesh's settings do.
fn of_rule(matrix: &Matrix<'_>, rows: &ServiceRows<'_>, row: &Row, cell: &Cell) -> Option<Place> {
    let mesh = matrix.mesh;
    let decision = &row.decision;
    let service = mesh.services.get(rows.target.unwrap_or(rows.service) as usize)?;
    match decision.reach {
        Reach::NoProxy | Reach::NotCaptured(_) => return None,
        Reach::PassedThrough(Unknown::NotImported(_)) | Reach::BlackHoled(Unknown::NotImported(_)) => return None,
        Reach::PassedThrough(Unknown::NotExported | Unknown::NotMember) => {
            return Some((&PLAINTEXT_TO_STRICT, service.meta.id, Path::default()));
        }
        Reach::BlackHoled(Unknown::NotExported | Unknown::NotMember) => {
            return Some((&SERVICE_NOT_IMPORTED, service.meta.id, Path::default()));
        }
        Reach::Known | Reach::Ztunnel | Reach::Undecided => {}
    }
    // What a waypoint's own cluster does.
    if let Some((_, from)) = decision.leg.and_then(|leg| leg.tls)
        && cell.outcome.failure != Some(Failure::F8)
    {
        return Some((&TLS_TO_MESH_PORT, mesh.rules.get(from.rule as usize)?.meta.id, mode_path(mesh, from)));
    }
    if let Some(place) = competing(mesh, row) {
        return Some(place);
    }
    if let Some(place) = erased(mesh, row, service.ports.get(row.port as usize).map(|port| port.number)) {
        return Some(place);
    }
    if cell.outcome.failure == Some(Failure::F4) && cell.from.is_none() && gateway(rows, row, cell) {
        return Some((&GATEWAY_SNI_MISMATCH, rule_of(mesh, decision)?, rule_path(decision)));
    }
    match decision.why {
        Why::CredentialIgnored => {
            return Some((&CREDENTIAL_NAME_IGNORED, rule_of(mesh, decision)?, rule_path(decision)));
        }
        Why::NoClientCertificate => return Some((&INVALID_VALUE, rule_of(mesh, decision)?, rule_path(decision))),
        Why::NamespaceDisable(from) => {
            let policy = from.policy.and_then(|n| mesh.policies.get(n as usize));
            return Some(match policy {
                Some(policy) => (&NAMESPACE_DISABLE_WORKLOAD_STRICT, policy.meta.id, Path::new("spec.mtls.mode")),
                None => (&NAMESPACE_DISABLE_WORKLOAD_STRICT, service.meta.id, Path::default()),
            });
        }
        Why::EndpointWithoutSidecar | Why::AutoDirect | Why::NoEndpoints => {
            return Some((&HEADLESS_MTLS_ALL_OR_NOTHING, service.meta.id, Path::new("spec.clusterIP")));
        }
        Why::AutoOff => return Some(auto_off(mesh, decision, service.meta.id)),
        _ => {}
    }
    let code = match cell.wire {
        Some(Wire::Tls | Wire::MutualTls) => &TLS_TO_MESH_PORT,
        Some(Wire::Mtls | Wire::Hbone) if cell.outcome.failure != Some(Failure::F8) => &MTLS_TO_PLAINTEXT_SERVER,
        _ => &PLAINTEXT_TO_STRICT,
    };
    let mistaken = || mistaken_key(mesh, service, row, endpoint_of(rows, row, cell)?);
    if std::ptr::eq(code, &PLAINTEXT_TO_STRICT)
        && let Some(place) = mistaken()
    {
        return Some(place);
    }
    let Some((mode, from)) = decision.tls.or(decision.tag) else {
        let policy = cell.from.and_then(|from| from.policy).and_then(|n| mesh.policies.get(n as usize));
        let object = match policy {
            Some(policy) if service.origin == Origin::Kubernetes => policy.meta.id,
            _ => service.meta.id,
        };
        return Some((code, object, Path::default()));
    };
    let rule = mesh.rules.get(from.rule as usize)?;
    let path = mode_path(mesh, from);
    let written = tls_at(mesh, from).is_none_or(|tls| tls.mode_written);
    if mode == TlsMode::Disable && !written {
        return Some((&EMPTY_TLS_MEANS_DISABLE, rule.meta.id, path));
    }
    if from.subset.is_some() && drops(mesh, from) {
        return Some((&SUBSET_DROPS_TLS, rule.meta.id, path));
    }
    let everywhere = from.subset.is_none() && from.port.is_none();
    if cell.outcome.failure == Some(Failure::F9) && everywhere && covers_api_server(mesh, rule) {
        return Some((&WILDCARD_COVERS_API_SERVER, rule.meta.id, path));
    }
    Some((code, rule.meta.id, path))
}

/// Rules of one host of which the input does not say which is older: the last one, which MC0207 is about.
fn competing(mesh: &Mesh, row: &Row) -> Option<Place> {
    let rules = row.rivals.iter().filter_map(|n| mesh.rules.get(*n as usize));
    let rule = rules.max_by_key(|rule| rule.policy.is_some())?;
    let path = if rule.policy.is_some() { "spec.trafficPolicy" } else { "spec.host" };
    Some((&RULE_SHADOWED, rule.meta.id, Path::new(path)))
}

/// An exception for the port in `portLevelMtls` that names the Service's port, and so is none (A1).
fn mistaken_key(mesh: &Mesh, service: &Service, row: &Row, endpoint: &Endpoint<'_>) -> Option<Place> {
    let port = service.ports.get(row.port as usize)?.number;
    let policies = endpoint.policies.iter().flatten().filter_map(|number| mesh.policies.get(*number as usize));
    let exempts = |policy: &&PeerAuthentication| {
        let exempt = policy.ports.iter().any(|(key, mode)| *key == port && *mode != Some(MtlsMode::Strict));
        exempt && endpoint.port != port && mistaken_port(mesh, policy, port).is_some()
    };
    let policy = policies.into_iter().find(exempts)?;
    Some((&PORT_MTLS_NAMES_SERVICE_PORT, policy.meta.id, Path::new("spec.portLevelMtls").key(&port.to_string())))
}

/// A `portLevelSettings` entry (or that of a subset) without `tls`, which erases what the rule says above it (2.6). Then
/// endpoints are still tagged by what was erased: that is how it shows.
fn erased(mesh: &Mesh, row: &Row, port: Option<u16>) -> Option<Place> {
    let decision = &row.decision;
    let (_, from) = decision.tag.filter(|_| decision.tls.is_none())?;
    let entry_of = |policy: &TrafficPolicy| erasing(policy).find(|(_, number)| Some(*number) == port).map(|(at, _)| at);
    let of_subset = row.subset.and_then(|(rule, subset)| {
        let rule = mesh.rules.get(rule as usize)?;
        let at = rule.subsets.get(subset as usize)?.policy.as_ref().and_then(entry_of)?;
        Some((&PORT_SETTINGS_ERASE_TLS, rule.meta.id, erasing_path(Some(subset as usize), at)))
    });
    of_subset.or_else(|| {
        let rule = mesh.rules.get(from.rule as usize)?;
        let at = rule.policy.as_ref().and_then(entry_of)?;
        Some((&PORT_SETTINGS_ERASE_TLS, rule.meta.id, erasing_path(None, at)))
    })
}

/// The entries of `portLevelSettings` that count for their port (the first of it) and have no `tls`.
pub fn erasing(policy: &TrafficPolicy) -> impl Iterator<Item = (usize, u16)> + '_ {
    let first = |number| policy.ports.iter().position(|(other, _)| *other == number);
    let entries = policy.ports.iter().enumerate();
    entries.filter_map(move |(at, (number, settings))| {
        let counts = settings.tls.is_none() && first(*number) == Some(at);
        Some((at, number.filter(|_| counts)?))
    })
}

/// Where MC0204 stands: the entry itself, of the policy or of a subset's.
#[must_use]
pub fn erasing_path(subset: Option<usize>, at: usize) -> Path {
    let policy = match subset {
        Some(subset) => Path::new("spec.subsets").index(subset).key("trafficPolicy"),
        None => Path::new("spec.trafficPolicy"),
    };
    policy.key("portLevelSettings").index(at)
}

/// Whether a subset says another mode than its rule does, and not merely a stricter one.
#[must_use]
pub fn drops(mesh: &Mesh, from: TlsFrom) -> bool {
    let Some(rule) = mesh.rules.get(from.rule as usize) else { return false };
    let above = rule.policy.as_ref().and_then(|policy| policy.top.tls.as_ref()).map(|tls| tls.mode);
    above.is_some_and(|mode| mode != TlsMode::Disable) && tls_at(mesh, from).map(|tls| tls.mode) != above
}

/// Automatic mTLS is off: the rule that sets no tls, else the mesh's settings, else the Service.
fn auto_off(mesh: &Mesh, decision: &Decision, service: ObjectId) -> Place {
    if let Some(rule) = rule_of(mesh, decision) {
        return (&SUBSET_DROPS_TLS, rule, Path::new("spec"));
    }
    match mesh.config_from {
        Some(config) => (&PLAINTEXT_TO_STRICT, config, mesh.auto_path()),
        None => (&PLAINTEXT_TO_STRICT, service, Path::default()),
    }
}

fn rule_of(mesh: &Mesh, decision: &Decision) -> Option<ObjectId> {
    let number = decision.tls.map(|(_, from)| from.rule).or(decision.rule.map(|(number, _)| number))?;
    mesh.rules.get(number as usize).map(|rule| rule.meta.id)
}

fn rule_path(decision: &Decision) -> Path {
    decision.tls.map_or_else(|| Path::new("spec.trafficPolicy"), |(_, from)| tls_path(from))
}

fn gateway(rows: &ServiceRows<'_>, row: &Row, cell: &Cell) -> bool {
    endpoint_of(rows, row, cell).is_some_and(|endpoint| matches!(endpoint.front, Front::Gateway(..)))
}

/// What the client's own workload does: no proxy in a namespace of the mesh, or a call that bypasses it.
fn of_client(matrix: &Matrix<'_>, reach: Reach, first: &First, client: u32) -> Option<Place> {
    let mesh = matrix.mesh;
    let workload = mesh.workloads.get(client as usize)?;
    // Clients that different Sidecars limit stand in one row: each obeys its own.
    let code = match reach {
        Reach::PassedThrough(_) => Some(&PLAINTEXT_TO_STRICT),
        Reach::BlackHoled(_) => Some(&SERVICE_NOT_IMPORTED),
        _ => None,
    };
    if let Some(code) = code {
        let class = matrix.class_of.get(client as usize).and_then(|n| matrix.classes.get(*n as usize));
        let sidecar = class.and_then(|class| class.sidecars.iter().flatten().next());
        return Some(match sidecar.and_then(|n| mesh.sidecars.get(*n as usize)) {
            Some(sidecar) => (code, sidecar.meta.id, Path::new("spec.egress")),
            None => (code, workload.meta.id, Path::default()),
        });
    }
    if let Reach::NotCaptured(Uncaptured::User1337) = reach {
        return Some((&UID_1337_BYPASSES_CAPTURE, workload.meta.id, Path::default()));
    }
    Some(match reach {
        // One finding for all workloads of a namespace that have no proxy: at the first of them.
        Reach::NoProxy => (&PLAINTEXT_TO_STRICT, first.of(workload), Path::default()),
        Reach::NotCaptured(Uncaptured::Annotation) => (&PLAINTEXT_TO_STRICT, workload.meta.id, capture_path(workload)),
        _ => (&PLAINTEXT_TO_STRICT, workload.meta.id, Path::default()),
    })
}

/// Whether nothing says that clients call at all: those without a proxy, which no rule is about; and ports or addresses
/// that a workload leaves out of its sidecar usually lie outside the mesh (a database that listens on the same port).
#[must_use]
pub fn supposed(reach: Reach) -> bool {
    matches!(reach, Reach::NoProxy | Reach::NotCaptured(Uncaptured::Annotation))
}

impl Cause {
    /// The row and cell that stand for it.
    #[must_use]
    pub fn sample<'a, 'm>(&self, matrix: &'a Matrix<'m>) -> Option<(&'a ServiceRows<'m>, &'a Row, &'a Cell, u32)> {
        let of = |one: &Covered| {
            let rows = matrix.services.get(one.service)?;
            let row = rows.rows.get(one.row)?;
            Some((rows, row, row.cells.get(one.cell)?))
        };
        // A server that calls itself is the least telling of its clients.
        let other = self.covers.iter().find_map(|one| {
            let (rows, row, cell) = of(one)?;
            let server = endpoint_of(rows, row, cell).map(|endpoint| endpoint.who);
            let client = one.clients.iter().find(|client| server != Some(Who::Workload(**client)))?;
            Some((rows, row, cell, *client))
        });
        let first = self.covers.first()?;
        other.or_else(|| of(first).zip(first.clients.first()).map(|((rows, row, cell), n)| (rows, row, cell, *n)))
    }

    /// Does nothing but the server itself call?
    #[must_use]
    pub fn only_itself(&self, matrix: &Matrix<'_>) -> bool {
        self.sample(matrix).is_some_and(|(rows, row, cell, client)| {
            endpoint_of(rows, row, cell).is_some_and(|endpoint| endpoint.who == Who::Workload(client))
        })
    }

    /// Whether calls surely fail: of clients that the input holds, through their own proxies, and not to a subset that no
    /// route sends to.
    #[must_use]
    pub fn breaks_calls(&self, matrix: &Matrix<'_>) -> bool {
        let real = |client: &u32| matrix.mesh.workloads.get(*client as usize).is_some_and(|w| w.kind != "Namespace");
        self.covers.iter().any(|one| {
            let Some(rows) = matrix.services.get(one.service) else { return false };
            let Some(row) = rows.rows.get(one.row) else { return false };
            !supposed(row.decision.reach) && routed(matrix, rows, row) == Some(true) && one.clients.iter().any(real)
        })
    }

    /// The workloads that are called, each with its port, where they are known.
    #[must_use]
    pub fn servers(&self, matrix: &Matrix<'_>) -> BTreeSet<(u32, u16)> {
        let server = |one: &Covered| {
            let rows = matrix.services.get(one.service)?;
            let row = rows.rows.get(one.row)?;
            let endpoint = endpoint_of(rows, row, row.cells.get(one.cell)?)?;
            if let Who::Workload(number) = endpoint.who { Some((number, endpoint.port)) } else { None }
        };
        self.covers.iter().filter_map(server).collect()
    }

    /// The workload ports that fail as the sample does, ascending: `8080, 9090` of one server, else each port with its
    /// servers, `8080 (shop/api, shop/web), 9090 (shop/web)`.
    fn port_words(&self, matrix: &Matrix<'_>, failure: Option<Failure>) -> String {
        let mut servers: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
        for one in &self.covers {
            let Some(rows) = matrix.services.get(one.service) else { continue };
            let Some(row) = rows.rows.get(one.row) else { continue };
            let Some(cell) = row.cells.get(one.cell).filter(|cell| cell.outcome.failure == failure) else { continue };
            let Some(service) = matrix.mesh.services.get(rows.service as usize) else { continue };
            let endpoint = endpoint_of(rows, row, cell);
            let name = endpoint.and_then(|endpoint| name_of(matrix.mesh, service, endpoint.who));
            let name = name.map_or_else(|| service.host.to_string(), |(name, namespace)| format!("{namespace}/{name}"));
            servers.entry(endpoint.map_or(0, |endpoint| endpoint.port)).or_default().insert(name);
        }
        ports_of_servers(&servers)
    }

    /// Numbers of the workloads that call, ascending.
    #[must_use]
    pub fn clients(&self) -> Vec<u32> {
        let mut seen = HashSet::new();
        let lists = self.covers.iter().map(|one| &one.clients).filter(|list| seen.insert(list.as_ptr()));
        let mut clients: Vec<u32> = lists.flat_map(|list| list.iter().copied()).collect();
        clients.sort_unstable();
        clients.dedup();
        clients
    }

    /// How many workloads call, and how many service ports they call.
    #[must_use]
    pub fn size(&self, matrix: &Matrix<'_>) -> (usize, usize) {
        let row =
            |one: &Covered| matrix.services.get(one.service)?.rows.get(one.row).map(|row| (one.service, row.port));
        let mut ports: Vec<_> = self.covers.iter().filter_map(row).collect();
        ports.sort_unstable();
        ports.dedup();
        (self.clients().len(), ports.len())
    }

    /// What fails, in one sentence: `calls of 3 clients (a/web, ...) to reviews.b.svc.cluster.local:80 fail (F2)`.
    #[must_use]
    pub fn summary(&self, matrix: &Matrix<'_>) -> String {
        let mesh = matrix.mesh;
        let Some((rows, row, cell, client)) = self.sample(matrix) else { return String::new() };
        let host = mesh.services.get(rows.service as usize).map_or("?", |service| service.host.as_str());
        let port = mesh.services.get(rows.service as usize).and_then(|s| s.ports.get(row.port as usize));
        let port = port.map_or(0, |port| port.number);
        let name = mesh.workloads.get(client as usize).map_or_else(String::new, |w| w.meta.slash());
        let (clients, ports) = self.size(matrix);
        let who = match clients {
            1 => format!("calls of {name}"),
            n => format!("calls of {n} clients ({name}, ...)"),
        };
        let whom = match ports {
            1 if self.only_itself(matrix) => format!("itself ({host}:{port})"),
            1 => format!("{host}:{port}"),
            n => format!("{n} service ports ({host}:{port}, ...)"),
        };
        let code = cell.outcome.failure.map_or_else(String::new, |failure| format!(" ({})", failure.code()));
        let fail = if supposed(row.decision.reach) { "would fail" } else { "fail" };
        format!("{who} to {whom} {fail}{code}")
    }

    /// What would mend it.
    #[must_use]
    pub fn mend(&self, matrix: &Matrix<'_>) -> String {
        let Some((rows, row, cell, _)) = self.sample(matrix) else { return String::new() };
        mend_at(matrix, rows, row, cell, &self.port_words(matrix, cell.outcome.failure))
    }

    /// The symptom: what fails, and where the server's mode is set.
    #[must_use]
    pub fn symptom(&self, matrix: &Matrix<'_>) -> Vec<Related> {
        let mesh = matrix.mesh;
        let Some((_, _, cell, _)) = self.sample(matrix) else { return Vec::new() };
        let mut places = Vec::new();
        if let Some(policy) = cell.from.and_then(|from| mesh.policies.get(from.policy? as usize)) {
            let path = match cell.from.and_then(|from| from.port) {
                Some(port) => Path::new("spec.portLevelMtls").key(&port.to_string()),
                None => Path::new("spec.mtls.mode"),
            };
            let mode = cell.mode.unwrap_or("the mode");
            places.push(Related {
                message: format!("{}; {mode} is set here", self.summary(matrix)),
                at: mesh.locate(policy.meta.id, &path),
            });
        } else if let Some((_, _, _, client)) = self.sample(matrix)
            && let Some(workload) = mesh.workloads.get(client as usize)
        {
            let at = mesh.locate(workload.meta.id, &Path::default());
            places.push(Related { message: self.summary(matrix), at });
        }
        places
    }

    /// Every row that fails because of it.
    #[must_use]
    pub fn edges(&self, matrix: &Matrix<'_>, names: &mut Names) -> Vec<Edge> {
        let edge = |one: &Covered| {
            let mesh = matrix.mesh;
            let rows = matrix.services.get(one.service)?;
            let row = rows.rows.get(one.row)?;
            let cell = row.cells.get(one.cell)?;
            let service = mesh.services.get(rows.service as usize)?;
            let endpoint = endpoint_of(rows, row, cell);
            let name = endpoint.and_then(|e| name_of(mesh, service, e.who)).map(|(name, ns)| format!("{ns}/{name}"));
            Some(Edge {
                clients: names.of(mesh, &one.clients),
                host: service.host.to_string(),
                port: service.ports.get(row.port as usize).map_or(0, |port| port.number),
                subset: subset_name(mesh, row).map(str::to_owned),
                endpoint: name.or_else(|| endpoint?.address.map(str::to_owned)),
                workload_port: endpoint.map_or(0, |endpoint| endpoint.port),
                failure: cell.outcome.failure.map(Failure::code),
            })
        };
        self.covers.iter().filter_map(edge).collect()
    }
}

/// Ports in words, each with its servers where there are several of them.
fn ports_of_servers(servers: &BTreeMap<u16, BTreeSet<String>>) -> String {
    let port_word = |port: u16| if port == 0 { "of the workload".to_owned() } else { port.to_string() };
    let distinct: BTreeSet<&String> = servers.values().flatten().collect();
    let one_server = distinct.len() < 2 || servers.len() < 2;
    let words = servers.iter().take(MANY_PORTS).map(|(port, names)| {
        let more = names.len().saturating_sub(MANY_SERVERS);
        let mut list: Vec<String> = names.iter().take(MANY_SERVERS).cloned().collect();
        list.extend((more > 0).then(|| format!("{more} more")));
        if one_server { port_word(*port) } else { format!("{} ({})", port_word(*port), list.join(", ")) }
    });
    let mut words: Vec<String> = words.collect();
    words.extend(servers.len().checked_sub(MANY_PORTS).filter(|more| *more > 0).map(|more| format!("{more} more")));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Options, load_text};
    use crate::mtls::check::check;
    use std::collections::HashMap;

    /// How often each failing cell is covered, by client; and the codes.
    fn covered(text: &str) -> (Vec<usize>, Vec<&'static str>) {
        let mesh = load_text(text, Options::default());
        let matrix = check(&mesh);
        let causes = causes(&matrix);
        let mut counts: HashMap<(usize, usize, usize, u32), usize> = HashMap::new();
        for one in causes.iter().flat_map(|cause| &cause.covers) {
            for client in one.clients.iter() {
                *counts.entry((one.service, one.row, one.cell, *client)).or_default() += 1;
            }
        }
        let mut all = Vec::new();
        for (s, rows) in matrix.services.iter().enumerate() {
            for (r, row) in rows.rows.iter().enumerate() {
                let failing = |cell: &Cell| cell.outcome.status == Status::Conflict && !row.expected(cell);
                for (c, _) in row.cells.iter().enumerate().filter(|(_, cell)| failing(cell)) {
                    let clients = Clients::new(&matrix, &row.clients, &Filter::default()).workloads();
                    all.extend(clients.iter().map(|n| counts.remove(&(s, r, c, *n)).unwrap_or(0)));
                }
            }
        }
        assert!(counts.is_empty(), "a cause covers what does not fail");
        (all, causes.iter().map(|cause| cause.code.code).collect())
    }

    #[test]
    fn every_failing_call_has_exactly_one_cause() {
        let Ok(folders) = std::fs::read_dir("../shared/fixtures/mesh") else {
            eprintln!("skipped: no shared meshes");
            return;
        };
        let (mut meshes, mut calls) = (0, 0);
        for path in folders.map(|entry| entry.unwrap().path().join("mesh.yaml")).filter(|path| path.exists()) {
            let (counts, _) = covered(&std::fs::read_to_string(&path).unwrap());
            assert!(counts.iter().all(|count| *count == 1), "{}", path.display());
            (meshes, calls) = (meshes + 1, calls + counts.len());
        }
        assert!(meshes >= 200 && calls > 1000, "{meshes} meshes, {calls} calls");
    }

    #[test]
    fn a_repair_names_every_port() {
        let servers = |rows: &[(u16, &[&str])]| {
            let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            ports_of_servers(&rows.iter().map(|(port, names)| (*port, set(names))).collect())
        };
        let many: Vec<(u16, &[&str])> = (1..=60).map(|port| (port, &["a/web"][..])).collect();
        for (rows, want) in [
            (&[][..], ""),
            (&[(0, &["a/web"][..])], "of the workload"),
            (&[(8080, &["a/web"])], "8080"),
            (&[(8080, &["a/api", "a/web"])], "8080"),
            (&[(9090, &["a/web"]), (8080, &["a/web"])], "8080, 9090"),
            (&[(8080, &["a/web", "a/api"]), (9090, &["a/web"])], "8080 (a/api, a/web), 9090 (a/web)"),
            (&[(1, &["a", "b", "c", "d", "e", "f", "g"]), (2, &["a"])], "1 (a, b, c, d, e, 2 more), 2 (a)"),
        ] {
            assert_eq!(servers(rows), want);
        }
        assert!(servers(&many).ends_with("49, 50, 10 more"));
    }

    #[test]
    fn cells_with_the_same_clients_share_their_list() {
        let service = |name: &str| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: a}}\n\
                 spec: {{clusterIP: None, selector: {{app: web}}, ports: [{{port: 80}}]}}\n---\n"
            )
        };
        let pod = |name: &str, inject: bool| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: a, \
                 labels: {{app: web, sidecar.istio.io/inject: \"{inject}\"}}}}\n\
                 spec: {{containers: [{{name: app, image: app}}]}}\n---\n"
            )
        };
        let strict = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                      metadata: {name: default, namespace: istio-system}\nspec: {mtls: {mode: STRICT}}\n---\n";
        let text = strict.to_owned() + &service("one") + &service("two") + &pod("p", true) + &pod("q", true);
        let mesh = load_text(text + &pod("without", false), Options::default());
        let matrix = check(&mesh);
        let causes = causes(&matrix);
        let headless: Vec<&Cause> = causes.iter().filter(|cause| cause.code.code == "MC0302").collect();
        assert_eq!(headless.len(), 2, "one for each service: {causes:?}");
        let lists: Vec<&Arc<[u32]>> = headless.iter().flat_map(|c| &c.covers).map(|one| &one.clients).collect();
        assert!(lists.len() >= 4 && lists.iter().all(|list| Arc::ptr_eq(list, lists[0])), "{lists:?}");
        let mut names = Names::default();
        let edges: Vec<Edge> = headless.iter().flat_map(|cause| cause.edges(&matrix, &mut names)).collect();
        assert!(edges.iter().all(|edge| Arc::ptr_eq(&edge.clients, &edges[0].clients)), "{edges:?}");
        assert_eq!(*edges[0].clients, ["a/p", "a/q"]);
        assert!(headless.iter().all(|cause| cause.size(&matrix) == (2, 1)));
    }
}
