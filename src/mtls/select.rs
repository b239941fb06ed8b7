//! Which rows the user asked for, and how clients are named and counted.

use super::check::{Base, Cell, ClientSet, Matrix, Row};
use super::outcome::Status;
use crate::model::service::Origin;
use crate::model::{Labels, Mesh, Proxy, Service, Workload};
use foldhash::HashSet;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the user asked to see.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `--from`: numbers of the workloads that it names.
    pub from: Option<BTreeSet<u32>>,
    /// `--to`: numbers of the services that it names.
    pub to: Option<BTreeSet<u32>>,
    /// Port of `--to`.
    pub port: Option<u16>,
    /// Subset of `--to`.
    pub subset: Option<String>,
    /// `-n`: namespaces of services.
    pub namespaces: Vec<String>,
    /// `-l`: labels of the Service.
    pub labels: Labels,
    /// `--status`.
    pub statuses: Vec<Status>,
    /// `--status outside`.
    pub outside: bool,
}

impl Filter {
    /// Whether it leaves anything out.
    #[must_use]
    pub fn chooses(&self) -> bool {
        self.from.is_some()
            || self.to.is_some()
            || !self.namespaces.is_empty()
            || !self.labels.is_empty()
            || !self.any_status()
    }

    /// Whether rows of a service are wanted.
    #[must_use]
    pub fn wants_service(&self, number: u32, service: &Service) -> bool {
        self.to.as_ref().is_none_or(|to| to.contains(&number))
            && (self.namespaces.is_empty() || self.namespaces.iter().any(|ns| **ns == *service.meta.namespace))
            && self.labels.subset_of(&service.meta.labels)
    }

    /// Whether a row of a wanted service is wanted, its clients aside.
    #[must_use]
    pub fn wants_row(&self, mesh: &Mesh, service: &Service, row: &Row) -> bool {
        let port = service.ports.get(row.port as usize).map(|port| port.number);
        let subset = subset_name(mesh, row);
        self.port.is_none_or(|wanted| port == Some(wanted))
            && self.subset.as_deref().is_none_or(|wanted| subset == Some(wanted))
            && (self.any_status()
                || self.wants_status(row.status(), row.all_expected())
                || row.cells.iter().any(|cell| self.wants_cell(row, cell)))
    }

    fn any_status(&self) -> bool {
        self.statuses.is_empty() && !self.outside
    }

    fn wants_status(&self, status: Status, expected: bool) -> bool {
        if expected { self.outside } else { self.statuses.contains(&status) }
    }

    /// Whether a single cell is wanted.
    #[must_use]
    pub fn wants_cell(&self, row: &Row, cell: &Cell) -> bool {
        self.any_status() || self.wants_status(cell.outcome.status, row.expected(cell))
    }
}

/// The name of a row's subset.
#[must_use]
pub fn subset_name<'m>(mesh: &'m Mesh, row: &Row) -> Option<&'m str> {
    let (rule, at) = row.subset?;
    mesh.rules.get(rule as usize)?.subsets.get(at as usize).map(|s| &*s.name)
}

/// Namespaces of one class that are named one by one.
const MANY: usize = 64;

/// The clients of a row, after `--from`.
pub struct Clients<'a, 'm> {
    matrix: &'a Matrix<'m>,
    set: &'a ClientSet,
    from: Option<&'a BTreeSet<u32>>,
}

impl<'a, 'm> Clients<'a, 'm> {
    /// The clients of a set that the filter leaves.
    #[must_use]
    pub fn new(matrix: &'a Matrix<'m>, set: &'a ClientSet, filter: &'a Filter) -> Self {
        Self { matrix, set, from: filter.from.as_ref() }
    }

    fn class_numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let of_bases = self.set.bases.iter().flat_map(|(base, except)| {
            let members = self.matrix.bases.get(base).map_or(&[][..], Vec::as_slice);
            members.iter().copied().filter(move |n| except.binary_search(n).is_err())
        });
        of_bases.chain(self.set.classes.iter().copied())
    }

    /// Numbers of the workloads, ascending: by namespace and name.
    #[must_use]
    pub fn workloads(&self) -> Vec<u32> {
        if let Some(from) = self.from {
            return from.iter().copied().filter(|n| self.contains(*n)).collect();
        }
        let classes = self.class_numbers().filter_map(|n| self.matrix.classes.get(n as usize));
        let mut all: Vec<u32> = classes.flat_map(|class| class.members.iter().copied()).collect();
        all.sort_unstable();
        all
    }

    /// The first of them, without a list of all.
    fn first(&self) -> Option<u32> {
        if let Some(from) = self.from {
            return from.iter().copied().find(|n| self.contains(*n));
        }
        let classes = self.class_numbers().filter_map(|n| self.matrix.classes.get(n as usize));
        classes.filter_map(|class| class.members.first().copied()).min()
    }

    /// Whether a workload is of the set.
    fn contains(&self, workload: u32) -> bool {
        let Some(class) = self.matrix.class_of.get(workload as usize) else { return false };
        self.set.classes.contains(class)
            || self.set.bases.iter().any(|(base, except)| {
                self.matrix.bases.get(base).is_some_and(|all| all.binary_search(class).is_ok())
                    && except.binary_search(class).is_err()
            })
    }

    /// How many workloads there are. Whole bases are counted once for all rows.
    #[must_use]
    pub fn count(&self) -> usize {
        if self.from.is_some() {
            return self.workloads().len();
        }
        let size = |n: &u32| self.matrix.classes.get(*n as usize).map_or(0, |class| class.members.len());
        let of_bases = self.set.bases.iter().map(|(base, except)| {
            let all = self.matrix.base_sizes.get(base).map_or(0, |sizes| sizes.0);
            all.saturating_sub(except.iter().map(size).sum::<usize>())
        });
        of_bases.sum::<usize>() + self.set.classes.iter().map(size).sum::<usize>()
    }

    /// How many namespaces they are in; of a base with exceptions at least, where a namespace has several classes.
    fn namespaces(&self) -> usize {
        if self.from.is_some() {
            let workloads = self.workloads();
            let of = |n: &u32| self.matrix.mesh.workloads.get(*n as usize).map(|w| &w.meta.namespace);
            return workloads.iter().filter_map(of).collect::<HashSet<_>>().len();
        }
        let namespace = |n: &u32| self.matrix.classes.get(*n as usize).map(|class| &class.namespace);
        // One class may be in all namespaces of a large mesh: its list is counted as it is, sorted and without doubles.
        let lists = self.set.classes.iter().filter_map(|n| self.matrix.class_namespaces.get(*n as usize));
        let mut lists: Vec<&[Arc<str>]> = lists.map(Vec::as_slice).collect();
        lists.sort_unstable_by_key(|list| std::cmp::Reverse(list.len()));
        let (longest, others) = lists.split_first().map_or((&[][..], &[][..]), |(longest, others)| (*longest, others));
        let more = others.iter().copied().flatten().filter(|ns| longest.binary_search(ns).is_err());
        let single = longest.len() + more.collect::<HashSet<&Arc<str>>>().len();
        let of_bases = self.set.bases.iter().map(|(base, except)| {
            let out: HashSet<&Arc<str>> = except.iter().filter_map(namespace).collect();
            self.matrix.base_sizes.get(base).map_or(0, |sizes| sizes.1).saturating_sub(out.len())
        });
        of_bases.sum::<usize>() + single
    }

    /// The clients in words: `sleep.legacy`, or `42 sidecars in 3 namespaces`.
    #[must_use]
    pub fn words(&self, row: &Row) -> String {
        let mesh = self.matrix.mesh;
        let count = self.count();
        if row.all_expected() && self.from.is_none() {
            return format!("any client outside the mesh ({count})");
        }
        if count == 1 {
            let workload = self.first().and_then(|n| mesh.workloads.get(n as usize));
            return workload.map_or_else(String::new, client_name);
        }
        let imagined = matches!(mesh.workloads.first(), Some(workload) if workload.kind == "Namespace");
        let proxies: BTreeSet<Proxy> = self.class_kinds();
        let what = match (proxies.len(), proxies.first()) {
            (1, Some(Proxy::Sidecar)) => "sidecars",
            (1, Some(Proxy::Gateway)) => "gateways",
            (1, Some(Proxy::Grpc)) => "proxyless gRPC clients",
            (1, Some(Proxy::Ambient)) => "ambient clients",
            (1, Some(Proxy::None)) => "workloads without a proxy",
            _ => "workloads",
        };
        match self.namespaces() {
            1 => {
                let first = self.first().and_then(|n| mesh.workloads.get(n as usize));
                format!("{count} {what} in {}", first.map_or("", |w| &w.meta.namespace))
            }
            namespaces if imagined => format!("any of the {what} in {namespaces} namespaces"),
            namespaces => format!("{count} {what} in {namespaces} namespaces"),
        }
    }

    /// Namespaces and kinds of proxy of the clients.
    #[must_use]
    pub fn by_namespace(&self) -> BTreeSet<(Arc<str>, Proxy)> {
        let class = |n: u32| {
            let namespaces = self.matrix.class_namespaces.get(n as usize);
            let proxy = self.matrix.classes.get(n as usize).map_or(Proxy::None, |class| class.proxy);
            namespaces.into_iter().flatten().map(move |namespace| (namespace.clone(), proxy))
        };
        if self.from.is_none() {
            return self.class_numbers().flat_map(class).collect();
        }
        let workloads = self.workloads();
        let workloads = workloads.iter().filter_map(|n| self.matrix.mesh.workloads.get(*n as usize));
        workloads.map(|workload| (workload.meta.namespace.clone(), workload.proxy)).collect()
    }

    /// The clients as `namespace/*`, where they are too many to be named. What a whole base leaves out is named with a
    /// leading `!`, so that the list stays short however large the mesh is.
    #[must_use]
    pub fn namespace_members(&self) -> Vec<String> {
        let namespace = |n: &u32| self.matrix.classes.get(*n as usize).map(|class| class.namespace.clone());
        let mut names: BTreeSet<String> = BTreeSet::new();
        for (base, except) in &self.set.bases {
            names.insert(match base {
                Base::Plain => "*/*".to_owned(),
                Base::Trimmed(_) => "*/* (with a Sidecar that does not import the service)".to_owned(),
            });
            let own = |ns: &Arc<str>| self.set.classes.iter().filter_map(namespace).any(|other| other == *ns);
            names.extend(except.iter().filter_map(namespace).filter(|ns| !own(ns)).map(|ns| format!("!{ns}/*")));
        }
        for number in &self.set.classes {
            match self.matrix.class_namespaces.get(*number as usize) {
                Some(list) if list.len() <= MANY => names.extend(list.iter().map(|ns| format!("{ns}/*"))),
                _ => {
                    let ambient =
                        self.matrix.classes.get(*number as usize).is_some_and(|class| class.proxy == Proxy::Ambient);
                    let what = if ambient { "in the ambient mesh" } else { "without a proxy" };
                    names.insert(format!("*/* ({what})"));
                }
            }
        }
        names.into_iter().collect()
    }

    fn class_kinds(&self) -> BTreeSet<Proxy> {
        let single =
            self.set.classes.iter().filter_map(|n| self.matrix.classes.get(*n as usize)).map(|class| class.proxy);
        let of_bases = self
            .set
            .bases
            .iter()
            .filter(|(base, _)| matches!(base, Base::Plain | Base::Trimmed(_)))
            .map(|_| Proxy::Sidecar);
        single.chain(of_bases).collect()
    }
}

/// A client in words: `sleep.legacy`.
#[must_use]
pub fn client_name(workload: &Workload) -> String {
    match workload.kind {
        "Namespace" if workload.proxy == Proxy::Ambient => {
            format!("any ambient workload in {}", workload.meta.namespace)
        }
        "Namespace" => format!("any sidecar in {}", workload.meta.namespace),
        _ => format!("{}.{}", workload.meta.name, workload.meta.namespace),
    }
}

/// A service in words: `details.bookinfo` for a Kubernetes one, the host for others.
#[must_use]
pub fn service_name(mesh: &Mesh, service: &Service) -> String {
    let suffix = format!(".svc.{}", mesh.options.cluster_domain);
    match service.origin {
        Origin::Synthetic if service.host.wildcard().is_some() => {
            // Hosts that are named more closely have rows of their own.
            let closer = |other: &Service| other.host != service.host && service.host.matches(&other.host);
            let other = if mesh.services.iter().any(closer) { " other" } else { "" };
            format!("any{other} service matching {}", service.host)
        }
        _ => service.host.as_str().strip_suffix(&suffix).unwrap_or(service.host.as_str()).to_owned(),
    }
}

/// A service port in words; a port that no object names is `*`.
#[must_use]
pub fn port_words(number: u16) -> String {
    if number == 0 { "*".to_owned() } else { number.to_string() }
}
