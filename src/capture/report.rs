//! The result of `pcap-verify` as every format reads it.

use super::coverage::{lines, sentence};
use super::edges::{Edge, group, name};
use super::exempt::Exempt;
use super::findings::Defects;
use super::flow::{Capture, Flow, Verdict};
use super::fold::{self, Fold, Folded, Rows};
use super::json::{self, SummaryJson};
use super::judge::{Class, Counts, Policy, Proof};
use super::tls::{cipher_name, version_name};
use super::vantage::{Sights, Vantage};
use super::why::Why;
use super::words::{address, grouped, payload, protocol, rfc3339, size, socket};
use crate::finding::Finding;
use crate::pki::short_identity;
use crate::report::{self, Cell, Column, Feed, Held, Input, Line, List, Report, Section, Table, Tone};
use std::borrow::Cow;
use std::cell::OnceCell;

/// The most findings of one code that text for a person shows; and where all would be more than [`MANY`].
const FINDINGS: usize = 20;
const FEW: usize = 5;
const MANY: usize = 60;

/// Columns, by their number, whose cells are of many where edges are put together.
const CLIENT: usize = 0;
const SERVER: usize = 1;
const TLS: usize = 5;
const IDENTITY: usize = 6;
const FLOWS: usize = 7;

/// How the rows are to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// One row for each flow.
    pub flows: bool,
    /// The beginning of plaintext flows, where the capture has samples.
    pub payload: bool,
}

/// The report of `pcap-verify`. What only some formats need is made when it is asked for: a capture may have a million
/// flows, each an edge with a finding of its own.
pub struct PcapReport {
    capture: Capture,
    policy: Policy,
    view: View,
    inputs: Vec<Input>,
    defects: Defects,
    findings: OnceCell<Vec<Finding>>,
    counts: Counts,
    proof: Proof,
    edges: OnceCell<Vec<Edge>>,
    rows: OnceCell<Rows>,
    vantage: Vantage,
}

impl PcapReport {
    /// A report of a capture, judged.
    #[must_use]
    pub fn new(capture: Capture, policy: Policy, view: View) -> Self {
        let files = capture.coverage.files.iter();
        let inputs = files.map(|file| Input { path: file.path.clone(), held: Held::Bytes(file.bytes) }).collect();
        let (mut counts, mut defects, mut sights) = (Counts::default(), Defects::default(), Sights::default());
        for (at, flow) in capture.flows.iter().enumerate() {
            let judged = policy.judge(flow);
            counts.add(at, flow, judged, &policy);
            defects.add(&capture.flows, at, flow, judged.exempt);
            sights.add(flow, &capture.tunnels);
        }
        let proof = Proof::of(&counts, &capture.coverage);
        let vantage = sights.vantage(&capture.coverage);
        let (findings, edges, rows) = Default::default();
        Self { capture, policy, view, inputs, defects, findings, counts, proof, edges, rows, vantage }
    }

    /// Every edge.
    fn edges(&self) -> &[Edge] {
        self.edges.get_or_init(|| group(&self.capture.flows, &self.policy, usize::MAX).unwrap_or_default())
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The capture.
    #[must_use]
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    fn sentence(&self) -> String {
        sentence(self.proof, &self.counts, &self.capture, &self.policy)
    }

    fn summary_json(&self) -> SummaryJson<'_> {
        let counts = &self.counts;
        SummaryJson {
            verdicts: Verdict::ALL.iter().map(|verdict| (verdict.word(), counts.verdict(*verdict))).collect(),
            flows: counts.flows,
            edges: self.edges().len(),
            judged: counts.judged,
            classes: Class::ALL.iter().map(|class| (class.word(), counts.class(*class))).collect(),
            exempt: counts.exempt.iter().map(|(why, count)| (self.policy.exemptions.word(*why), *count)).collect(),
            grades: counts.grades.iter().map(|(grade, count)| (grade.word(), *count)).collect(),
            proof: self.proof.word(),
            sentence: self.sentence(),
        }
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = vec![
            Column::new("CLIENT", 15),
            Column::new("SERVER", 15),
            Column::new("PROTO", 0),
            Column::new("VERDICT", 0),
            Column::new("GRADE", 0),
            Column::new("TLS", 0),
            Column::new("IDENTITY", 16),
        ];
        let last = Column::new("WHY", 20);
        if self.view.flows {
            columns.extend([Column::new("BYTES", 0), last]);
            let wide = ["TUNNEL", "MEDIUM", "PACKETS", "FIRST FRAME", "TIME", "SNI", "ALPN", "CIPHER", "EVIDENCE"];
            columns.extend(wide.map(|head| Column::wide(head, head.len())));
        } else {
            columns.extend([Column::new("FLOWS", 0), Column::new("BYTES", 0), last]);
            columns.extend(["TUNNEL", "MEDIUM", "PACKETS", "FIRST FRAME"].map(|head| Column::wide(head, head.len())));
        }
        if self.view.payload {
            columns.push(Column::new("PAYLOAD", 20));
        }
        columns
    }

    /// Every row; sizes rounded for a person, or exact.
    fn rows(&self, exact: bool) -> Table<'_> {
        let rows: Feed<'_, Vec<Cell>> = Box::new(move |each| {
            if self.view.flows {
                return self.capture.flows.iter().try_for_each(|flow| each(self.flow_row(flow, exact)));
            }
            self.edges().iter().filter_map(|edge| self.edge_row(edge, exact)).try_for_each(&mut *each)
        });
        Table { columns: self.columns(), rows }
    }

    /// The table without the columns that have nothing in any row: on a narrow terminal they would push others below.
    fn trimmed<'a>(&self, table: Table<'a>) -> Table<'a> {
        let flows = &self.capture.flows;
        let version = |flow: &Flow| flow.tls.as_ref().is_some_and(|tls| tls.version.is_some());
        let shown = [(TLS, flows.iter().any(version)), (IDENTITY, flows.iter().any(|flow| identity(flow).is_some()))];
        let keep = move |at: usize| !shown.contains(&(at, false));
        fn only<T>(all: Vec<T>, keep: impl Fn(usize) -> bool) -> Vec<T> {
            all.into_iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, one)| one).collect()
        }
        let Table { columns, rows } = table;
        if shown.iter().all(|(_, shown)| *shown) {
            return Table { columns, rows };
        }
        Table { columns: only(columns, keep), rows: Box::new(move |each| rows(&mut |cells| each(only(cells, keep)))) }
    }

    /// Few edges, for a person.
    fn edge_rows<'a>(&'a self, edges: &'a [Edge]) -> Table<'a> {
        let row = |edge| self.edge_row(edge, false);
        Table { columns: self.columns(), rows: Box::new(move |each| edges.iter().filter_map(row).try_for_each(each)) }
    }

    fn edge_row(&self, edge: &Edge, exact: bool) -> Option<Vec<Cell>> {
        let first = self.capture.flows.get(edge.first)?;
        let mut row = vec![Cell::plain(address(first.client)), server(first)];
        row.extend(self.answer(first, edge.exempt, edge.class));
        row.extend([
            Cell::plain(edge.flows.to_string()),
            bytes(edge.bytes, exact),
            Cell::plain(Why::of(first, edge.exempt).text(&self.policy.exemptions)),
        ]);
        row.extend(self.place(first, edge.packets));
        row.extend(self.view.payload.then(|| sample(first)));
        Some(row)
    }

    /// The rows that a person can read.
    fn folded<'a>(&'a self, folded: &'a Folded) -> Vec<Section<'a>> {
        let rows: Feed<'_, Vec<Cell>> =
            Box::new(move |each| folded.rows.iter().filter_map(|row| self.fold_row(row)).try_for_each(&mut *each));
        let (left, left_flows) = folded.left;
        let mut lines = vec![Line::plain(
            0,
            format!(
                "{} flows of {} to {} in {} rows, what fails first, then by flows; -o wide shows each edge, --flows \
                 each flow",
                grouped(self.counts.flows),
                many(folded.clients as u64, "client"),
                many(folded.servers as u64, "server"),
                folded.rows.len() + left,
            ),
        )];
        if left > 0 {
            let text = format!("{} with {} are not shown", many(left as u64, "more row"), many(left_flows, "flow"));
            lines.push(Line::plain(2, text));
        }
        vec![Section::Table(self.trimmed(Table { columns: self.columns(), rows })), Section::Lines(report::feed(lines))]
    }

    fn fold_row(&self, row: &Fold) -> Option<Vec<Cell>> {
        let mut cells = self.edge_row(&row.edge, false)?;
        let several = [
            (CLIENT, row.clients > 1, many(row.clients.into(), "client")),
            (SERVER, row.servers > 1, many(row.servers.into(), "server")),
            (IDENTITY, !row.one_identity, "several".to_owned()),
            (FLOWS, true, grouped(row.edge.flows)),
        ];
        for (at, _, text) in several.into_iter().filter(|(_, applies, _)| *applies) {
            if let Some(cell) = cells.get_mut(at) {
                cell.text = text.into();
            }
        }
        Some(cells)
    }

    fn flow_row(&self, flow: &Flow, exact: bool) -> Vec<Cell> {
        let judged = self.policy.judge(flow);
        let why = Why::of(flow, judged.exempt).text(&self.policy.exemptions);
        let tls = flow.tls.as_deref();
        let dash = |text: Option<String>| Cell::plain(text.filter(|text| !text.is_empty()).unwrap_or("-".to_owned()));
        let mut row = vec![Cell::plain(socket(flow.client)), server(flow)];
        row.extend(self.answer(flow, judged.exempt, judged.class));
        row.extend([bytes(flow.bytes, exact), Cell::plain(why)]);
        row.extend(self.place(flow, flow.packets));
        let alpn = tls.and_then(|tls| tls.alpn_offered.as_deref()).map(|names| names.join(","));
        let seen = flow.evidence.iter().map(|one| match one.frame {
            0 => one.note.text(flow).into_owned(),
            frame => format!("{frame}: {}", one.note.text(flow)),
        });
        row.extend([
            Cell::plain(rfc3339(flow.first)),
            dash(tls.and_then(|tls| tls.sni.as_deref()).map(str::to_owned)),
            dash(alpn),
            dash(tls.and_then(|tls| tls.cipher).map(|cipher| cipher_name(cipher).into_owned())),
            dash(Some(seen.collect::<Vec<_>>().join("; "))),
        ]);
        row.extend(self.view.payload.then(|| sample(flow)));
        row
    }

    /// Protocol, verdict, grade, TLS version and identities.
    fn answer(&self, flow: &Flow, exempt: Option<Exempt>, class: Option<Class>) -> [Cell; 5] {
        let tone = match flow.verdict {
            _ if exempt.is_some() => Tone::Dim,
            Verdict::NoData => Tone::Dim,
            Verdict::Mtls if self.policy.shows_mtls(flow) => Tone::Good,
            Verdict::Plaintext | Verdict::Mixed | Verdict::FailedHandshake => Tone::Bad,
            _ if class == Some(Class::Required) => Tone::Bad,
            Verdict::Mtls | Verdict::Tls | Verdict::EncryptedOther | Verdict::Unknown => Tone::Warn,
        };
        let tls = flow.tls.as_deref();
        let version = tls.and_then(|tls| tls.version).map(version_name);
        [
            Cell::plain(protocol(flow)),
            Cell::new(flow.verdict.word(), tone),
            Cell::new(flow.grade.word(), tone),
            version.map_or(Cell::plain("-"), Cell::plain),
            identity(flow).map_or(Cell::plain("-"), Cell::plain),
        ]
    }

    /// Encapsulations, interface, packets and first frame.
    fn place(&self, flow: &Flow, packets: u64) -> [Cell; 4] {
        let tunnel = self.capture.tunnels.path(flow.tunnel);
        [
            if tunnel.is_empty() { Cell::plain("-") } else { Cell::plain(tunnel.join(" ")) },
            Cell::plain(flow.medium.word()),
            Cell::plain(packets.to_string()),
            Cell::plain(flow.first_frame.to_string()),
        ]
    }
}

fn server(flow: &Flow) -> Cell {
    Cell::new(socket(flow.server), Tone::Strong)
}

/// `6,012 clients`, of more than one.
fn many(count: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(count), if count == 1 { "" } else { "s" })
}

fn bytes(count: u64, exact: bool) -> Cell {
    Cell::plain(if exact { count.to_string() } else { size(count) })
}

/// The beginning of a flow in clear, escaped.
fn sample(flow: &Flow) -> Cell {
    let sample = flow.sample().filter(|_| flow.verdict == Verdict::Plaintext);
    Cell::plain(sample.filter(|bytes| !bytes.is_empty()).map_or("-".to_owned(), payload))
}

/// Who the two say they are, by their certificates: `shop/web -> shop/orders`.
fn identity(flow: &Flow) -> Option<String> {
    let tls = flow.tls.as_deref();
    let client = tls.and_then(|tls| tls.client_spiffe.as_deref()).map(short_identity);
    let server = tls.and_then(|tls| tls.server_spiffe.as_deref()).map(short_identity);
    match (client, server) {
        (None, None) => None,
        (client, server) => Some(format!("{} -> {}", client.unwrap_or("?".into()), server.unwrap_or("?".into()))),
    }
}

impl Report for PcapReport {
    fn schema(&self) -> &'static str {
        "meshctl.pcap-verify/v1"
    }

    fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn findings(&self) -> &[Finding] {
        let all = || self.defects.findings(&self.capture.flows, &self.capture.coverage, usize::MAX).0;
        self.findings.get_or_init(all)
    }

    fn brief(&self) -> (Cow<'_, [Finding]>, Vec<Line>) {
        let most = if self.defects.count() > MANY { FEW } else { FINDINGS };
        let (findings, left) = self.defects.findings(&self.capture.flows, &self.capture.coverage, most);
        let line = |(code, count): (&str, usize)| {
            Line::plain(0, format!("... {}: -o json lists all", many(count as u64, &format!("more {code} finding"))))
        };
        (Cow::Owned(findings), left.into_iter().map(line).collect())
    }

    fn summary(&self) -> serde_json::Value {
        serde_json::to_value(self.summary_json()).unwrap_or_default()
    }

    fn parts(&self) -> Vec<(&'static str, serde_json::Value)> {
        let coverage = json::coverage(&self.capture, &self.vantage);
        vec![("coverage", serde_json::to_value(coverage).unwrap_or_default())]
    }

    fn closing(&self) -> Vec<Line> {
        lines(self.proof, &self.sentence(), &self.counts, &self.capture, &self.policy, &self.vantage)
    }

    fn lists(&self) -> Vec<List<'_>> {
        let (capture, policy) = (&self.capture, &self.policy);
        let flows: report::Items<'_> = Box::new(move |each| {
            let json = |flow| json::flow(capture, policy, flow, self.view.payload);
            capture.flows.iter().try_for_each(|flow| each(&json(flow)))
        });
        let edges: report::Items<'_> = Box::new(move |each| {
            let first = |edge: &Edge| capture.flows.get(edge.first);
            let both = self.edges().iter().filter_map(|edge| first(edge).map(|flow| (edge, flow)));
            both.into_iter().try_for_each(|(edge, flow)| each(&json::edge(capture, policy, edge, flow)))
        });
        vec![List { name: "flows", items: flows }, List { name: "edges", items: edges }]
    }

    fn sections(&self) -> Vec<Section<'_>> {
        if self.view.flows {
            return vec![Section::Table(self.trimmed(self.rows(false)))];
        }
        match self.rows.get_or_init(|| fold::rows(&self.capture.flows, &self.policy)) {
            Rows::Edges(edges) => vec![Section::Table(self.trimmed(self.edge_rows(edges)))],
            Rows::Folded(folded) => self.folded(folded),
        }
    }

    fn wide_sections(&self) -> Vec<Section<'_>> {
        vec![Section::Table(self.rows(false))]
    }

    fn table(&self) -> Table<'_> {
        self.rows(true)
    }

    /// Edges, each once: `10.0.0.1 -> 10.0.0.2:9080`.
    fn names(&self) -> Feed<'_, String> {
        Box::new(move |each| {
            let mut last = None;
            for flow in self.edges().iter().filter_map(|edge| self.capture.flows.get(edge.first)) {
                let pair = (flow.client.ip(), flow.server);
                if last.replace(pair) != Some(pair) {
                    each(name(flow.client, flow.server))?;
                }
            }
            Ok(())
        })
    }
}
