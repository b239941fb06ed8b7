//! Which defect makes a row of the matrix a CONFLICT: for every failing cell exactly one.
//!
//! The engine says what the client sends and why ([`Decision`]), and what the server demands and from where.
//! Causes are looked for from the most particular on. Cells with one cause (one code, one
//! field of one object) are one [`Cause`], whatever the number of clients, services and endpoints.

use super::policies::mistaken_port;
use super::rules::covers_api_server;
use crate::finding::{
    CREDENTIAL_NAME_IGNORED, Code, EMPTY_TLS_MEANS_DISABLE, EXCLUDED_PORT_BYPASSES_STRICT, Edge, GATEWAY_SNI_MISMATCH,
    HAND_WRITTEN_TLS_MODE, HEADLESS_MTLS_ALL_OR_NOTHING, INVALID_VALUE, MTLS_TO_PLAINTEXT_SERVER,
    NAMESPACE_DISABLE_WORKLOAD_STRICT, PLAINTEXT_TO_STRICT, PORT_MTLS_NAMES_SERVICE_PORT, PORT_SETTINGS_ERASE_TLS,
    Related, SERVICE_NOT_IMPORTED, SUBSET_DROPS_TLS, TLS_TO_MESH_PORT, UID_1337_BYPASSES_CAPTURE,
    WILDCARD_COVERS_API_SERVER,
};
use crate::location::Path;
use crate::model::destination_rule::{TlsMode, TrafficPolicy};
use crate::model::service::Origin;
use crate::model::{Mesh, MtlsMode, ObjectId, PeerAuthentication, Proxy, Service};
use crate::mtls::because::tls_path;
use crate::mtls::check::{Cell, Matrix, Row, ServiceRows};
use crate::mtls::client::{Decision, Reach, TlsFrom, Uncaptured, Unknown, Why, tls_at};
use crate::mtls::endpoints::{Bypass, Endpoint, Front, Who, name_of};
use crate::mtls::mend::mend;
use crate::mtls::outcome::{Failure, Status, Wire};
use crate::mtls::select::{Clients, Filter, subset_name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most clients that an [`Edge`] names.
const NAMED: usize = 1000;

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
    /// Numbers of the clients in [`Mesh::workloads`].
    pub clients: Vec<u32>,
}

/// The first workload of each namespace with each kind of proxy.
type First = BTreeMap<(Arc<str>, Proxy), ObjectId>;

fn first_alike(mesh: &Mesh) -> First {
    let mut first = First::new();
    for workload in &mesh.workloads {
        first.entry((workload.meta.namespace.clone(), workload.proxy)).or_insert(workload.meta.id);
    }
    first
}

/// Code, object and field: what tells causes apart.
type Key = (&'static str, ObjectId, String);

/// The cause of every CONFLICT cell, clients outside the mesh aside; sorted by code and place.
#[must_use]
pub fn causes(matrix: &Matrix<'_>) -> Vec<Cause> {
    let filter = Filter::default();
    let first = first_alike(matrix.mesh);
    let mut all: BTreeMap<Key, Cause> = BTreeMap::new();
    for (service, rows) in matrix.services.iter().enumerate() {
        for (number, row) in rows.rows.iter().enumerate() {
            let failing = |cell: &Cell| cell.outcome.status == Status::Conflict && !row.expected(cell);
            if !row.cells.iter().any(failing) {
                continue;
            }
            let clients = Clients::new(matrix, &row.clients, &filter).workloads();
            for (at, cell) in row.cells.iter().enumerate().filter(|(_, cell)| failing(cell)) {
                for (cause, clients) in split(matrix, rows, row, cell, &clients, &first) {
                    let (code, object, path) = cause;
                    let key = (code.code, object, path.as_str().to_owned());
                    let one = all.entry(key).or_insert_with(|| Cause { code, object, path, covers: Vec::new() });
                    one.covers.push(Covered { service, row: number, cell: at, clients });
                }
            }
        }
    }
    all.into_values().collect()
}

/// A place and the code that reports it.
type Place = (&'static Code, ObjectId, Path);

/// The causes of one cell. All clients of a row get the same answer from the same objects, but for applications without
/// a proxy: there the object that should change is the client's own, one per namespace.
fn split(
    matrix: &Matrix<'_>,
    rows: &ServiceRows<'_>,
    row: &Row,
    cell: &Cell,
    clients: &[u32],
    first: &First,
) -> Vec<(Place, Vec<u32>)> {
    if let Some(place) = of_server(matrix, rows, row, cell).or_else(|| of_rule(matrix, rows, row, cell)) {
        return vec![(place, clients.to_vec())];
    }
    let mut by_client: Vec<(Place, Vec<u32>)> = Vec::new();
    for number in clients {
        let Some(place) = of_client(matrix, row, first, *number) else { continue };
        match by_client.iter_mut().find(|((_, object, _), _)| *object == place.1) {
            Some((_, members)) => members.push(*number),
            None => by_client.push((place, vec![*number])),
        }
    }
    by_client
}

/// The endpoint of a cell.
fn endpoint_of<'a, 'm>(rows: &'a ServiceRows<'m>, row: &Row, cell: &Cell) -> Option<&'a Endpoint<'m>> {
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
        Reach::PassedThrough(Unknown::NotExported) => {
            return Some((&PLAINTEXT_TO_STRICT, service.meta.id, Path::default()));
        }
        Reach::BlackHoled(Unknown::NotExported) => {
            return Some((&SERVICE_NOT_IMPORTED, service.meta.id, Path::default()));
        }
        Reach::Known | Reach::Undecided => {}
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
        Some(Wire::Mtls | Wire::Hbone) => &MTLS_TO_PLAINTEXT_SERVER,
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
    let path = tls_path(from);
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
        Some(config) => (&PLAINTEXT_TO_STRICT, config, Path::new("data.mesh")),
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
fn of_client(matrix: &Matrix<'_>, row: &Row, first: &First, client: u32) -> Option<Place> {
    let mesh = matrix.mesh;
    let workload = mesh.workloads.get(client as usize)?;
    // Clients that different Sidecars limit stand in one row: each obeys its own.
    let code = match row.decision.reach {
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
    if let Reach::NotCaptured(Uncaptured::User1337) = row.decision.reach {
        return Some((&UID_1337_BYPASSES_CAPTURE, workload.meta.id, Path::default()));
    }
    // One finding for all workloads of a namespace that have no proxy: at the first of them.
    let object = match row.decision.reach {
        Reach::NoProxy => first.get(&(workload.meta.namespace.clone(), workload.proxy)).copied(),
        _ => None,
    };
    let object = object.unwrap_or(workload.meta.id);
    Some((&PLAINTEXT_TO_STRICT, object, Path::default()))
}

impl Cause {
    /// The row and cell that stand for it.
    #[must_use]
    pub fn sample<'a, 'm>(&self, matrix: &'a Matrix<'m>) -> Option<(&'a ServiceRows<'m>, &'a Row, &'a Cell, u32)> {
        let first = self.covers.first()?;
        let rows = matrix.services.get(first.service)?;
        let row = rows.rows.get(first.row)?;
        Some((rows, row, row.cells.get(first.cell)?, *first.clients.first()?))
    }

    /// How many workloads call, and how many service ports they call.
    #[must_use]
    pub fn size(&self, matrix: &Matrix<'_>) -> (usize, usize) {
        let mut clients: Vec<u32> = self.covers.iter().flat_map(|one| one.clients.iter().copied()).collect();
        clients.sort_unstable();
        clients.dedup();
        let row =
            |one: &Covered| matrix.services.get(one.service)?.rows.get(one.row).map(|row| (one.service, row.port));
        let mut ports: Vec<_> = self.covers.iter().filter_map(row).collect();
        ports.sort_unstable();
        ports.dedup();
        (clients.len(), ports.len())
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
            1 => format!("{host}:{port}"),
            n => format!("{n} service ports ({host}:{port}, ...)"),
        };
        let code = cell.outcome.failure.map_or_else(String::new, |failure| format!(" ({})", failure.code()));
        format!("{who} to {whom} fail{code}")
    }

    /// What would mend it.
    #[must_use]
    pub fn mend(&self, matrix: &Matrix<'_>) -> String {
        self.sample(matrix).map_or_else(String::new, |(rows, row, cell, _)| mend(matrix, rows, row, cell))
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
    pub fn edges(&self, matrix: &Matrix<'_>) -> Vec<Edge> {
        let edge = |one: &Covered| {
            let mesh = matrix.mesh;
            let rows = matrix.services.get(one.service)?;
            let row = rows.rows.get(one.row)?;
            let cell = row.cells.get(one.cell)?;
            let service = mesh.services.get(rows.service as usize)?;
            let endpoint = endpoint_of(rows, row, cell);
            let name = endpoint.and_then(|e| name_of(mesh, service, e.who)).map(|(name, ns)| format!("{ns}/{name}"));
            let named = one.clients.iter().take(NAMED);
            Some(Edge {
                clients: named.filter_map(|n| mesh.workloads.get(*n as usize)).map(|w| w.meta.slash()).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Sources;
    use crate::model::{Options, load};
    use crate::mtls::check::check;
    use std::collections::HashMap;

    /// How often each failing cell is covered, by client; and the codes.
    fn covered(text: &str) -> (Vec<usize>, Vec<&'static str>) {
        let mut sources = Sources::default();
        sources.add("mesh.yaml", text.to_owned());
        let mesh = load(sources, Options::default());
        let matrix = check(&mesh);
        let causes = causes(&matrix);
        let mut counts: HashMap<(usize, usize, usize, u32), usize> = HashMap::new();
        for one in causes.iter().flat_map(|cause| &cause.covers) {
            for client in &one.clients {
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
}
