//! The result of `tls-check` as every format reads it.

use super::check::{Cell, Matrix, Row, ServiceRows};
use super::json::{self, SummaryJson, policy_name, reason_words, routed, rule_name};
use super::outcome::{Failure, Status, Wire};
use super::select::{Clients, Filter, client_name, port_words, service_name, subset_name};
use crate::finding::Finding;
use crate::model::{Mesh, Service, Workload};
use crate::report::{self, Column, Feed, Held, Input, Line, List, Report, Section, Table, Tone};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// How the rows are to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// One cell per client and endpoint.
    pub expand: bool,
    /// The chain of decisions of each row.
    pub why: bool,
    /// The grid of clients and services.
    pub matrix: bool,
}

/// What the cells come to.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Cells (or rows, where they are grouped) of each status, without the expected ones.
    pub statuses: BTreeMap<Status, usize>,
    /// The expected ones.
    pub outside: usize,
    /// The statuses that any single cell has, also inside grouped rows: what `--fail-on` looks at.
    pub present: BTreeSet<Status>,
    /// Any expected cell.
    pub any_outside: bool,
    /// The first failure code that is not expected.
    pub failure: Option<Failure>,
    /// Cells by reason, of UNKNOWN ones.
    pub reasons: BTreeMap<String, usize>,
}

impl Counts {
    /// All cells.
    #[must_use]
    pub fn total(&self) -> usize {
        self.statuses.values().sum::<usize>() + self.outside
    }
}

/// What is run for every client, row and cell.
pub(super) type EachCell<'a, 'm> =
    dyn FnMut(&ServiceRows<'m>, &'m Service, &Row, &Cell, &'m Workload) -> io::Result<()> + 'a;

/// The report of `tls-check`.
pub struct TlsReport<'m> {
    pub(super) matrix: Matrix<'m>,
    inputs: Vec<Input>,
    pub(super) filter: Filter,
    pub(super) view: View,
    counts: Counts,
    unfiltered: usize,
}

impl<'m> TlsReport<'m> {
    /// A report of a judged mesh.
    #[must_use]
    pub fn new(matrix: Matrix<'m>, filter: Filter, view: View) -> Self {
        let inputs = matrix.mesh.inputs.iter();
        let inputs =
            inputs.map(|(path, documents)| Input { path: path.clone(), held: Held::Documents(*documents) }).collect();
        let mut report = Self { matrix, inputs, filter, view, counts: Counts::default(), unfiltered: 0 };
        report.counts = report.count();
        report.unfiltered = report.counts.total();
        if report.unfiltered == 0 {
            // Nothing is shown: is that the answer to --status, or is there nothing?
            let statuses = std::mem::take(&mut report.filter.statuses);
            let outside = std::mem::take(&mut report.filter.outside);
            report.unfiltered = report.rows().count();
            (report.filter.statuses, report.filter.outside) = (statuses, outside);
        }
        report
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many rows there are whatever their status.
    #[must_use]
    pub fn unfiltered(&self) -> usize {
        self.unfiltered
    }

    /// The ports of the services that `--to` names, where none of their rows is left.
    #[must_use]
    pub fn ports(&self) -> String {
        let to = self.filter.to.iter().flatten();
        let services = to.filter_map(|n| self.mesh().services.get(*n as usize));
        let ports = services.flat_map(|service| service.ports.iter().map(|port| port_words(port.number)));
        ports.collect::<Vec<_>>().join(", ")
    }

    /// Whether flags choose some of the rows.
    #[must_use]
    pub fn filtered(&self) -> bool {
        self.filter.chooses()
    }

    pub(super) fn mesh(&self) -> &'m Mesh {
        self.matrix.mesh
    }

    /// Every wanted row, in order, with its service.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&ServiceRows<'m>, &'m Service, &Row)> {
        self.matrix.services.iter().flat_map(|rows| self.rows_of(rows))
    }

    /// The wanted rows of one service.
    fn rows_of<'a>(
        &'a self,
        rows: &'a ServiceRows<'m>,
    ) -> impl Iterator<Item = (&'a ServiceRows<'m>, &'m Service, &'a Row)> {
        let mesh = self.mesh();
        let service = mesh.services.get(rows.service as usize);
        let service = service.filter(|service| self.filter.wants_service(rows.service, service));
        let wanted = |service: &Service, row: &Row| {
            self.filter.wants_row(mesh, service, row) && (self.filter.from.is_none() || self.clients(row).count() > 0)
        };
        let of = move |service| {
            rows.rows.iter().filter(move |row| wanted(service, row)).map(move |row| (rows, service, row))
        };
        service.into_iter().flat_map(of)
    }

    pub(super) fn clients<'a>(&'a self, row: &'a Row) -> Clients<'a, 'm> {
        Clients::new(&self.matrix, &row.clients, &self.filter)
    }

    fn count(&self) -> Counts {
        let mut counts = Counts::default();
        let mesh = self.mesh();
        let mut reasons: BTreeMap<super::reason::Reason, usize> = BTreeMap::new();
        for (_, _, row) in self.rows() {
            let clients = self.clients(row).count();
            let mut add = |status: Status, expected: bool, times: usize| {
                if expected {
                    counts.outside += times;
                } else {
                    *counts.statuses.entry(status).or_default() += times;
                }
            };
            if !self.view.expand {
                add(row.status(), row.all_expected(), 1);
            }
            let mut said = BTreeSet::new();
            for cell in row.cells.iter().filter(|cell| self.filter.wants_cell(row, cell)) {
                if self.view.expand {
                    add(cell.outcome.status, row.expected(cell), clients);
                }
                match row.expected(cell) {
                    true => counts.any_outside = true,
                    false => {
                        counts.present.insert(cell.outcome.status);
                        counts.failure = counts.failure.or(cell.outcome.failure);
                    }
                }
                said.extend(cell.reason);
                if let Some(reason) = cell.reason.filter(|_| self.view.expand) {
                    *reasons.entry(reason).or_default() += clients;
                }
            }
            for reason in said.into_iter().filter(|_| !self.view.expand) {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        for (reason, count) in reasons {
            *counts.reasons.entry(reason.words(mesh)).or_default() += count;
        }
        counts
    }

    /// Runs a callback for every client, row and cell.
    pub(super) fn each_cell(&self, each: &mut EachCell<'_, 'm>) -> io::Result<()> {
        for (rows, service, row) in self.rows() {
            for client in self.clients(row).workloads() {
                let Some(client) = self.mesh().workloads.get(client as usize) else { continue };
                for cell in row.cells.iter().filter(|cell| self.filter.wants_cell(row, cell)) {
                    each(rows, service, row, cell, client)?;
                }
            }
        }
        Ok(())
    }

    fn summary_json(&self) -> SummaryJson {
        let statuses = Status::ALL.iter().map(|s| (s.word(), self.counts.statuses.get(s).copied().unwrap_or(0)));
        SummaryJson {
            statuses: statuses.collect(),
            outside: self.counts.outside,
            cells: self.counts.total(),
            services: self.mesh().services.len(),
            workloads: self.mesh().workloads.len(),
            not_judged: self.mesh().not_judged.clone(),
            assumed_namespaces: self.mesh().assumed_namespaces.iter().map(ToString::to_string).collect(),
            read_namespaces: self.mesh().read_namespaces.iter().cloned().collect(),
            assumed: self.mesh().control.as_ref().map(|control| control.notes.clone()).unwrap_or_default(),
        }
    }

    fn columns() -> Vec<Column> {
        vec![
            Column::new("FROM", 20),
            Column::new("HOST:PORT", 18),
            Column::new("STATUS", 11),
            Column::new("SERVER", 10),
            Column::new("CLIENT", 0),
            Column::new("AUTHN POLICY", 18),
            Column::new("DESTINATION RULE", 18),
            Column::wide("TARGET", 0),
            Column::wide("WIRE", 0),
            Column::wide("ENDPOINTS", 0),
            Column::wide("REASON", 20),
        ]
    }

    /// The cells of a row of the table, over the verdicts that it stands for.
    fn line(
        &self,
        rows: &ServiceRows<'m>,
        service: &Service,
        row: &Row,
        cells: &[&Cell],
        from: String,
    ) -> Vec<report::Cell> {
        let mesh = self.mesh();
        let distinct = |of: &dyn Fn(&Cell) -> String| {
            let mut values: Vec<String> = Vec::new();
            for value in cells.iter().map(|cell| of(cell)) {
                if !value.is_empty() && !values.contains(&value) {
                    values.push(value);
                }
            }
            values.join(", ")
        };
        let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let status = match cells {
            [cell] => status_words(cell.outcome.status, cell.outcome.failure, row.expected(cell)),
            _ if row.status() != Status::Mixed => {
                let failure = cells.first().and_then(|cell| cell.outcome.failure);
                let same = cells.iter().all(|cell| cell.outcome.failure == failure);
                status_words(row.status(), failure.filter(|_| same), row.all_expected())
            }
            _ => (mixed_words(cells), status_words(row.worst().min(Status::Mixed), None, false).1),
        };
        let targets = distinct(&|cell| {
            let endpoint = cell.endpoint.and_then(|n| rows.endpoints.get(row.port as usize)?.get(n as usize));
            dash(endpoint.map(|e| port_words(e.port)))
        });
        let endpoints = cells.iter().filter(|cell| cell.endpoint.is_some()).count();
        let plain = |text: String| report::Cell::plain(text);
        vec![
            plain(from),
            report::Cell::new(place_words(mesh, service, row), Tone::Strong),
            report::Cell::new(status.0, status.1),
            plain(distinct(&|cell| cell.mode.unwrap_or("?").to_owned())),
            plain(row.decision.client_tls().unwrap_or("?").to_owned()),
            plain(dash(
                Some(distinct(&|cell| policy_name(mesh, cell).unwrap_or_default())).filter(|names| !names.is_empty()),
            )),
            plain(dash(rule_name(mesh, row))),
            plain(targets),
            plain(distinct(&|cell| cell.wire.map_or("?", Wire::word).to_owned())),
            plain(endpoints.to_string()),
            plain(
                match (distinct(&|cell| reason_words(mesh, cell).unwrap_or_default()), routed(&self.matrix, rows, row))
                {
                    (reason, Some(true) | None) => reason,
                    (reason, _) if reason.is_empty() => "no route sends to this subset".to_owned(),
                    (reason, _) => format!("{reason}; no route sends to this subset"),
                },
            ),
        ]
    }

    /// Whether subset rows that repeat their service's row are left out: in tables only.
    fn folds(&self) -> bool {
        !self.view.expand && !self.view.why && !self.view.matrix && self.filter.subset.is_none()
    }

    /// A subset whose cells say what the port's own row says of the same endpoints is not shown again.
    fn repeats(&self, rows: &ServiceRows<'m>, row: &Row) -> bool {
        row.subset.is_some()
            && rows.rows.iter().filter(|other| other.subset.is_none() && other.port == row.port).any(|own| {
                own.clients == row.clients
                    && row.cells.iter().all(|cell| own.cells.contains(cell))
                    && own.decision.client_tls() == row.decision.client_tls()
            })
    }
}

/// `details.bookinfo:9080`, with the subset where there is one.
pub(super) fn place_words(mesh: &Mesh, service: &Service, row: &Row) -> String {
    let port = service.ports.get(row.port as usize).map_or(0, |port| port.number);
    let subset = subset_name(mesh, row).map(|name| format!("|{name}")).unwrap_or_default();
    format!("{}{subset}:{}", service_name(mesh, service), port_words(port))
}

/// A status with its failure code, and its tone.
pub(super) fn status_words(status: Status, failure: Option<Failure>, expected: bool) -> (String, Tone) {
    let code = failure.map(|failure| format!(" {}", failure.code())).unwrap_or_default();
    if expected {
        return (format!("{}{code} (expected)", status.word()), Tone::Dim);
    }
    let tone = match status {
        Status::Ok => Tone::Good,
        Status::Conflict => Tone::Bad,
        Status::Plaintext | Status::Tls | Status::Mixed | Status::Conditional | Status::Unknown => Tone::Warn,
    };
    (format!("{}{code}", status.word()), tone)
}

pub(super) fn short_status(row: &Row) -> (String, Tone) {
    let failure = row.cells.first().and_then(|cell| cell.outcome.failure).filter(|_| row.status() == Status::Conflict);
    status_words(row.status(), failure, row.all_expected())
}

/// `MIXED 2 OK, 1 CONFLICT F9`.
fn mixed_words(cells: &[&Cell]) -> String {
    let mut counts: BTreeMap<(Status, Option<Failure>), usize> = BTreeMap::new();
    for cell in cells {
        *counts.entry((cell.outcome.status, cell.outcome.failure)).or_default() += 1;
    }
    let words =
        counts.iter().map(|((status, failure), count)| format!("{count} {}", status_words(*status, *failure, false).0));
    format!("MIXED {}", words.collect::<Vec<_>>().join(", "))
}

/// `1 row`, `2 rows`.
fn plural(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

impl Report for TlsReport<'_> {
    fn schema(&self) -> &'static str {
        "meshctl.tls-check/v1"
    }

    fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn findings(&self) -> &[Finding] {
        &self.mesh().findings
    }

    fn summary(&self) -> serde_json::Value {
        serde_json::to_value(self.summary_json()).unwrap_or_default()
    }

    fn closing(&self) -> Vec<Line> {
        let mesh = self.mesh();
        let mut lines = Vec::new();
        let what = if self.view.expand { "cell" } else { "row" };
        let head = match (self.counts.total(), self.unfiltered) {
            (0, 0) => plural(0, what),
            (0, all) => format!("0 of {} have that status", plural(all, "row")),
            (shown, _) => format!("{}: ", plural(shown, what)),
        };
        let mut words = vec![report::Cell::plain(head)];
        let mut parts: Vec<report::Cell> = Vec::new();
        for status in Status::ALL.iter().rev() {
            if let Some(count) = self.counts.statuses.get(status) {
                parts.push(report::Cell::new(
                    format!("{count} {}", status.word()),
                    status_words(*status, None, false).1,
                ));
            }
        }
        if self.counts.outside > 0 {
            let text = format!("{} expected from outside the mesh", self.counts.outside);
            parts.push(report::Cell::new(text, Tone::Dim));
        }
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                words.push(report::Cell::plain(", "));
            }
            words.push(part);
        }
        lines.push(Line::new(0, words));
        let folded =
            if self.folds() { self.rows().filter(|(rows, _, row)| self.repeats(rows, row)).count() } else { 0 };
        if folded > 0 {
            lines.push(Line::plain(
                2,
                format!("{} not shown, the same as the service's own", plural(folded, "subset row")),
            ));
        }
        for (reason, count) in &self.counts.reasons {
            lines.push(Line::plain(2, format!("{} UNKNOWN: {reason}", plural(*count, what))));
        }
        let names = |list: &[std::sync::Arc<str>]| {
            let shown: Vec<&str> = list.iter().take(5).map(|name| &**name).collect();
            let more = list.len().saturating_sub(5);
            format!("{}{}", shown.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
        };
        if !mesh.assumed_namespaces.is_empty() {
            let how = if mesh.options.assume_injected { "injected" } else { "not injected" };
            let flag = if mesh.options.assume_injected {
                "--assume-injected=false reverses"
            } else {
                "--assume-injected reverses"
            };
            let text = format!(
                "assumed {how}, as the input has no such Namespace: {} ({flag})",
                names(&mesh.assumed_namespaces)
            );
            lines.push(Line::plain(0, text));
        }
        if !mesh.read_namespaces.is_empty() {
            let read: Vec<std::sync::Arc<str>> = mesh.read_namespaces.iter().map(|name| name.as_str().into()).collect();
            // Of a client that is named no other client matters.
            let what = if self.filter.from.is_none() { "clients and VirtualServices" } else { "VirtualServices" };
            let text = format!(
                "{what} of other namespaces than {} were not read (-A of the cluster reads them)",
                names(&read)
            );
            lines.push(Line::plain(0, text));
        }
        for note in mesh.control.iter().flat_map(|control| &control.notes) {
            lines.push(Line::plain(0, format!("confidence low: {note}")));
        }
        if !mesh.not_judged.is_empty() {
            let parts: Vec<String> = mesh.not_judged.iter().map(|(what, count)| format!("{count} {what}")).collect();
            lines.push(Line::plain(0, format!("not judged: {}", parts.join(", "))));
        }
        if let Some(failure) = self.counts.failure.filter(|_| !self.view.why) {
            let code = failure.code();
            let text = format!(
                "--why shows what decided each row and what mends it; meshctl explain {code} explains the code"
            );
            lines.push(Line::plain(0, text));
        }
        lines
    }

    fn lists(&self) -> Vec<List<'_>> {
        let items: report::Items<'_> = Box::new(move |each| {
            if self.view.expand {
                return self.each_cell(&mut |rows, _, row, cell, client| match json::expanded(
                    &self.matrix,
                    rows,
                    row,
                    cell,
                    client,
                ) {
                    Some(cell) => each(&cell),
                    None => Ok(()),
                });
            }
            for (rows, _, row) in self.rows() {
                if let Some(cell) = json::grouped(&self.matrix, rows, row, &self.filter) {
                    each(&cell)?;
                }
            }
            Ok(())
        });
        vec![List { name: "cells", items }]
    }

    fn sections(&self) -> Vec<Section<'_>> {
        if self.view.why {
            vec![self.why()]
        } else if self.view.matrix {
            vec![self.grid()]
        } else {
            vec![Section::Table(self.table())]
        }
    }

    fn table(&self) -> Table<'_> {
        let rows: Feed<'_, Vec<report::Cell>> = Box::new(move |each| {
            if self.view.expand {
                return self.each_cell(&mut |rows, service, row, cell, client| {
                    each(self.line(rows, service, row, &[cell], client_name(client)))
                });
            }
            let folds = self.folds();
            for (rows, service, row) in self.rows().filter(|(rows, _, row)| !folds || !self.repeats(rows, row)) {
                let cells: Vec<&Cell> = row.cells.iter().collect();
                each(self.line(rows, service, row, &cells, self.clients(row).words(row)))?;
            }
            Ok(())
        });
        Table { columns: Self::columns(), rows }
    }

    /// Names for scripts: `HOST:PORT`, with `--expand` after the client as `NAMESPACE/NAME`.
    fn names(&self) -> Feed<'_, String> {
        Box::new(move |each| {
            let mesh = self.mesh();
            let place = |service: &Service, row: &Row| {
                let port = service.ports.get(row.port as usize).map_or(0, |port| port.number);
                let subset = subset_name(mesh, row).map(|name| format!("|{name}")).unwrap_or_default();
                format!("{}{subset}:{}", service.host, port_words(port))
            };
            let mut last = String::new();
            let mut once = |name: String| {
                if name == last {
                    return Ok(());
                }
                last.clone_from(&name);
                each(name)
            };
            if self.view.expand {
                return self.each_cell(&mut |_, service, row, _, client| {
                    once(format!("{} {}", client.meta.slash(), place(service, row)))
                });
            }
            // Rows are sorted by verdict: of one service, each place is named once.
            for service in &self.matrix.services {
                let mut named: Vec<String> = Vec::new();
                for (_, service, row) in self.rows_of(service) {
                    let name = place(service, row);
                    if !named.contains(&name) {
                        once(name.clone())?;
                        named.push(name);
                    }
                }
            }
            Ok(())
        })
    }
}
