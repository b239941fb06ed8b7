//! The matrix: every client class against every service port, grouped before it is computed.

use super::client::Decision;
use super::clients::Class;
use super::compat::Old;
use super::endpoints::Endpoint;
use super::engine::Engine;
use super::outcome::{Outcome, Status, Wire};
use super::reason::Reason;
use super::server::ModeFrom;
use super::waypoint::Waypoints;
use crate::model::sidecar::Outbound;
use crate::model::{Host, Mesh, Scope};
use foldhash::HashSet;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Groups of classes that most services see as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// Sidecars with nothing of their own.
    Plain,
    /// Sidecars whose Sidecar resource does not import the service, by what they do with it.
    Trimmed(Outbound),
}

/// The classes of a row: whole bases but for some classes, and single classes. Numbers into [`Matrix::classes`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientSet {
    /// Bases, each with the classes that are not of the row.
    pub bases: Vec<(Base, Vec<u32>)>,
    /// Single classes.
    pub classes: Vec<u32>,
}

/// The verdict on one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Per endpoint.
    pub cells: Vec<Cell>,
    /// The clients are outside the mesh.
    pub outside: bool,
    /// Rules that compete by age, where the possible orders disagree on what the clients send; ascending.
    pub rivals: Box<[u32]>,
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
    /// The waypoints of the mesh.
    pub waypoints: Waypoints,
    /// The answers of the old istioctl, where the version is one of its time.
    pub old: Option<Old<'m>>,
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
    let Engine { classes, bases, finder, .. } = engine;
    let waypoints = finder.waypoints;
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
    let old = mesh.version.reads_legacy_policies().then(|| Old::new(mesh));
    Matrix {
        mesh,
        classes,
        bases,
        base_sizes,
        class_namespaces,
        class_of,
        routed,
        routes_unread,
        waypoints,
        old,
        services,
    }
}
