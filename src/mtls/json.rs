//! The public JSON of `tls-check`: its own structures, versioned, never internal types (output.md 2).

use super::because::{Because, because};
use super::check::{Cell, Matrix, Row, ServiceRows};
use super::endpoints::{Endpoint, Who, name_of};
use super::outcome::{Failure, Status, Wire};
use super::select::{Clients, Filter, subset_name};
use super::server::policy_meta;
use crate::finding::Confidence;
use crate::model::{Mesh, Meta, Workload};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;

/// One cell: one client to one endpoint with `--expand`, a group of clients to a service port without.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CellJson<'a> {
    /// Who calls.
    pub client: ClientJson<'a>,
    /// What is called.
    pub server: ServerJson<'a>,
    /// Who answers; null when nothing does, and in grouped cells with several endpoints.
    pub endpoint: Option<EndpointJson<'a>>,
    /// What the server demands: STRICT, PERMISSIVE, DISABLE, NONE, a gateway's TLS mode; null where undecided.
    pub server_mode: Option<Cow<'a, str>>,
    /// What the client's proxy was told: auto, DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL, none; null where undecided.
    pub client_tls: Option<&'a str>,
    /// What the client sends: mtls, hbone, tls, mutual_tls, plaintext, none; null where undecided or where endpoints differ.
    pub wire: Option<&'a str>,
    /// The verdict.
    pub status: Status,
    /// F1 to F9, or null.
    pub failure: Option<&'a str>,
    /// Why it is UNKNOWN or what a CONDITIONAL hangs on, in words.
    pub reason: Option<String>,
    /// `ns/name` of the PeerAuthentication that set the mode.
    pub authn_policy: Option<String>,
    /// `ns/name` of the chosen DestinationRule.
    pub destination_rule: Option<String>,
    /// A route sends to this subset; null where an unread route might; true for the service itself.
    pub routed: Option<bool>,
    /// The refusal is the policy working: a client outside the mesh.
    pub expected: bool,
    /// high, medium or low.
    pub confidence: &'a str,
    /// Grouped cells whose endpoints differ: how many endpoints have each status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<EndpointStatusJson<'a>>>,
    /// The decisions, in order.
    pub because: Vec<BecauseJson>,
}

/// A client, or a group of them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ClientJson<'a> {
    /// Name of the Pod or template; of a group, its description.
    pub workload: Cow<'a, str>,
    /// Namespace; null for groups over several.
    pub namespace: Option<&'a str>,
    /// Kubernetes kind of the object; null for groups.
    pub kind: Option<&'a str>,
    /// sidecar, gateway, grpc, ambient, waypoint or none.
    pub proxy: &'a str,
    /// Grouped cells: how many workloads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workloads: Option<usize>,
    /// Grouped cells: the workloads as `ns/name`; `ns/*` where they are many and all of that namespace's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<String>>,
}

/// A service port, or a subset of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ServerJson<'a> {
    /// Host.
    pub host: &'a str,
    /// Service port; null for a host that only policies name.
    pub port: Option<u16>,
    /// Subset of the chosen rule.
    pub subset: Option<&'a str>,
}

/// An endpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EndpointJson<'a> {
    /// Address; null for workloads that are predicted from templates.
    pub address: Option<&'a str>,
    /// Workload port; null where it is not known.
    pub port: Option<u16>,
    /// Name of the Pod or template; null for addresses that are none of the input's.
    pub workload: Option<Cow<'a, str>>,
    /// Namespace of the workload.
    pub namespace: Option<&'a str>,
}

/// Endpoints of a grouped cell with the same answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EndpointStatusJson<'a> {
    /// The verdict.
    pub status: Status,
    /// F1 to F9, or null.
    pub failure: Option<&'a str>,
    /// What the server demands.
    pub server_mode: Option<&'a str>,
    /// What the client sends.
    pub wire: Option<&'a str>,
    /// How many endpoints.
    pub count: usize,
}

/// One step of a decision.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BecauseJson {
    /// What was decided, in a word.
    pub step: &'static str,
    /// The object that decided it, `Kind ns/name`.
    pub object: Option<String>,
    /// File.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// The field.
    pub path: Option<String>,
    /// The decision in words.
    pub text: String,
}

impl From<Because> for BecauseJson {
    fn from(because: Because) -> Self {
        Self {
            step: because.step,
            object: because.object.map(|object| object.to_string()),
            file: because.at.as_ref().map(|at| at.file.to_string()),
            line: because.at.map(|at| at.line),
            path: because.path.map(|path| path.to_string()),
            text: because.text,
        }
    }
}

/// The counts.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SummaryJson {
    /// Cells of each status; CONFLICT leaves out the expected ones, which are `outside`.
    #[serde(flatten)]
    pub statuses: std::collections::BTreeMap<&'static str, usize>,
    /// Clients outside the mesh that are refused, as they should be.
    pub outside: usize,
    /// All cells: the statuses and `outside` sum to it.
    pub cells: usize,
    /// Services, workloads and policies that were judged.
    pub services: usize,
    /// Workloads as clients.
    pub workloads: usize,
    /// Objects that are recognised and not judged, by reason.
    pub not_judged: std::collections::BTreeMap<String, usize>,
    /// Namespaces that the input does not have and that are assumed to be injected.
    pub assumed_namespaces: Vec<String>,
    /// The namespaces of the cluster that were read, where not all were: clients of the others are not in the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_namespaces: Vec<String>,
    /// What is assumed of the control plane, which lowers the confidence of every row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
}

/// One input of the run.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Input")]
pub struct InputJson {
    /// The path as typed; `-` for standard input.
    pub path: String,
    /// How many YAML or JSON documents it held.
    pub documents: usize,
}

/// The answer of `meshctl tls-check`: who calls whom with what, and what comes of it.
// For the schema only: the renderer writes it piece by piece.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "meshctl.tls-check/v1")]
pub struct EnvelopeJson<'a> {
    /// `meshctl.tls-check/v1`.
    pub schema: &'a str,
    /// Version of meshctl.
    pub version: &'a str,
    /// The inputs.
    pub input: Vec<InputJson>,
    /// What is wrong with the input.
    pub findings: Vec<serde_json::Value>,
    /// The counts.
    pub summary: SummaryJson,
    /// The cells.
    pub cells: Vec<CellJson<'a>>,
}

/// `ns/name` of the policy that set a cell's mode.
#[must_use]
pub fn policy_name(mesh: &Mesh, cell: &Cell) -> Option<String> {
    policy_meta(mesh, cell.from?).map(Meta::slash)
}

/// `ns/name` of a row's rule.
#[must_use]
pub fn rule_name(mesh: &Mesh, row: &Row) -> Option<String> {
    let (number, _) = row.decision.rule?;
    mesh.rules.get(number as usize).map(|rule| rule.meta.slash())
}

/// The reason of an UNKNOWN or CONDITIONAL in words.
#[must_use]
pub fn reason_words(mesh: &Mesh, cell: &Cell) -> Option<String> {
    let refused = (cell.wire == Some(Wire::None)).then(|| "the client's own proxy refuses the call".to_owned());
    let condition = cell.outcome.condition.map(|condition| condition.words().to_owned());
    cell.reason.map(|reason| reason.words(mesh)).or(condition).or(refused)
}

/// Whether a route sends to a row's subset.
#[must_use]
pub fn routed(matrix: &Matrix<'_>, rows: &ServiceRows<'_>, row: &Row) -> Option<bool> {
    let Some(subset) = subset_name(matrix.mesh, row) else { return Some(true) };
    let service = matrix.mesh.services.get(rows.target.unwrap_or(rows.service) as usize)?;
    let routed = matrix.routed.contains(&(service.host.clone(), subset.into()));
    if routed || !matrix.routes_unread { Some(routed) } else { None }
}

fn confidence(mesh: &Mesh, client: &Workload, endpoint: Option<&Endpoint<'_>>) -> &'static str {
    match rank(client).min(server_rank(mesh, endpoint)).min(mesh.ceiling()) {
        0 => Confidence::Low.word(),
        1 => Confidence::Medium.word(),
        _ => Confidence::High.word(),
    }
}

fn server<'a>(matrix: &'a Matrix<'_>, rows: &ServiceRows<'_>, row: &Row) -> Option<ServerJson<'a>> {
    let service = matrix.mesh.services.get(rows.service as usize)?;
    let port = service.ports.get(row.port as usize).map(|port| port.number).filter(|n| *n > 0);
    Some(ServerJson { host: service.host.as_str(), port, subset: subset_name(matrix.mesh, row) })
}

fn endpoint_of<'a, 'm>(rows: &'a ServiceRows<'m>, row: &Row, cell: &Cell) -> Option<&'a Endpoint<'m>> {
    rows.endpoints.get(row.port as usize)?.get(cell.endpoint? as usize)
}

fn endpoint_json<'a>(mesh: &'a Mesh, rows: &ServiceRows<'a>, endpoint: &Endpoint<'a>) -> Option<EndpointJson<'a>> {
    let service = mesh.services.get(rows.service as usize)?;
    let name = name_of(mesh, service, endpoint.who);
    let (workload, namespace) = name.map_or((None, None), |(name, namespace)| (Some(name), Some(namespace)));
    Some(EndpointJson { address: endpoint.address, port: Some(endpoint.port).filter(|n| *n > 0), workload, namespace })
}

/// How sure the server's side is: 2 a running pod, 1 a prediction or an address, 0 an assumption.
fn server_rank(mesh: &Mesh, endpoint: Option<&Endpoint<'_>>) -> u8 {
    match endpoint.map(|endpoint| endpoint.who) {
        Some(Who::Workload(number)) => mesh.workloads.get(number as usize).map_or(0, rank),
        Some(Who::Imagined(_)) => 0,
        Some(_) => 1,
        None => 2,
    }
}

/// How sure a workload is.
fn rank(workload: &Workload) -> u8 {
    match (workload.assumed || workload.kind == "Service", workload.live) {
        (true, _) => 0,
        (false, false) => 1,
        (false, true) => 2,
    }
}

/// The cell of one client and one endpoint.
#[must_use]
pub fn expanded<'a>(
    matrix: &'a Matrix<'a>,
    rows: &'a ServiceRows<'a>,
    row: &Row,
    cell: &Cell,
    client: &'a Workload,
) -> Option<CellJson<'a>> {
    let mesh = matrix.mesh;
    let endpoint = endpoint_of(rows, row, cell);
    Some(CellJson {
        client: ClientJson {
            workload: Cow::Borrowed(&client.meta.name),
            namespace: Some(&client.meta.namespace),
            kind: Some(client.kind),
            proxy: client.proxy.word(),
            workloads: None,
            members: None,
        },
        server: server(matrix, rows, row)?,
        endpoint: endpoint.and_then(|endpoint| endpoint_json(mesh, rows, endpoint)),
        server_mode: cell.mode.map(Cow::Borrowed),
        client_tls: row.decision.client_tls(),
        wire: cell.wire.map(Wire::word),
        status: cell.outcome.status,
        failure: cell.outcome.failure.map(Failure::code),
        reason: reason_words(mesh, cell),
        authn_policy: policy_name(mesh, cell),
        destination_rule: rule_name(mesh, row),
        routed: routed(matrix, rows, row),
        expected: row.expected(cell),
        confidence: confidence(mesh, client, endpoint),
        endpoints: None,
        because: because(matrix, rows, row, cell, client).into_iter().map(Into::into).collect(),
    })
}

/// How many workloads a grouped cell names one by one.
const NAMED: usize = 64;

/// The cell of a whole row.
#[must_use]
pub fn grouped<'a>(
    matrix: &'a Matrix<'a>,
    rows: &'a ServiceRows<'a>,
    row: &'a Row,
    filter: &'a Filter,
) -> Option<CellJson<'a>> {
    let mesh = matrix.mesh;
    let clients = Clients::new(matrix, &row.clients, filter);
    let count = clients.count();
    let first = row.cells.first()?;
    let sample = filter
        .from
        .as_ref()
        .and_then(|_| clients.workloads().first().copied())
        .or_else(|| matrix.classes.get(row.sample as usize)?.members.first().copied())
        .and_then(|n| mesh.workloads.get(n as usize))?;
    let same = |of: &dyn Fn(&Cell) -> Option<String>| {
        let value = of(first);
        if row.cells.iter().all(|cell| of(cell) == value) { value } else { None }
    };
    let status = row.status();
    let worst = row.cells.iter().min_by_key(|cell| (row.expected(cell), cell.outcome.status)).unwrap_or(first);
    let (members, namespace) = if count <= NAMED {
        let numbers = clients.workloads();
        let workloads: Vec<_> = numbers.iter().filter_map(|n| mesh.workloads.get(*n as usize)).collect();
        let namespace = workloads.first().map(|w| &*w.meta.namespace);
        let one = workloads.iter().all(|w| Some(&*w.meta.namespace) == namespace);
        (workloads.iter().map(|w| w.meta.slash()).collect(), namespace.filter(|_| one))
    } else {
        (clients.namespace_members(), None)
    };
    let mut endpoints: Vec<EndpointStatusJson<'_>> = Vec::new();
    for cell in &row.cells {
        let found = endpoints.iter_mut().find(|e| {
            e.status == cell.outcome.status
                && e.failure == cell.outcome.failure.map(Failure::code)
                && e.server_mode == cell.mode
                && e.wire == cell.wire.map(Wire::word)
        });
        match found {
            Some(entry) => entry.count += 1,
            None => endpoints.push(EndpointStatusJson {
                status: cell.outcome.status,
                failure: cell.outcome.failure.map(Failure::code),
                server_mode: cell.mode,
                wire: cell.wire.map(Wire::word),
                count: 1,
            }),
        }
    }
    let wire = row.cells.iter().all(|cell| cell.wire == first.wire).then_some(first.wire).flatten();
    let failure =
        row.cells.iter().all(|cell| cell.outcome.failure == first.outcome.failure).then_some(first.outcome.failure);
    let only = endpoint_of(rows, row, first).filter(|_| row.cells.len() == 1);
    let kind = (count == 1).then_some(sample.kind);
    Some(CellJson {
        client: ClientJson {
            workload: if count == 1 { Cow::Borrowed(&*sample.meta.name) } else { Cow::Owned(clients.words(row)) },
            namespace,
            kind,
            proxy: sample.proxy.word(),
            workloads: Some(count),
            members: Some(members),
        },
        server: server(matrix, rows, row)?,
        endpoint: only.and_then(|endpoint| endpoint_json(mesh, rows, endpoint)),
        server_mode: same(&|cell| cell.mode.map(str::to_owned)).map(Cow::Owned),
        client_tls: row.decision.client_tls(),
        wire: wire.map(Wire::word),
        status,
        failure: failure.flatten().map(Failure::code),
        reason: reason_words(mesh, worst),
        authn_policy: same(&|cell| policy_name(mesh, cell)),
        destination_rule: rule_name(mesh, row),
        routed: routed(matrix, rows, row),
        expected: row.all_expected(),
        confidence: confidence(mesh, sample, endpoint_of(rows, row, worst)),
        endpoints: (endpoints.len() > 1).then_some(endpoints),
        because: because(matrix, rows, row, worst, sample).into_iter().map(Into::into).collect(),
    })
}
