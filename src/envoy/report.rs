//! The result of `authz-check` as every format reads it.

mod certificates;
mod chains;
mod clusters;

use super::json::{self, SummaryJson};
use super::judged::{Judged, Port, Side, Validity, Wire};
use super::model::{Mode, Section as Part, Unread};
use super::vocabulary::{first_few, many, proxy_name, rfc3339};
use crate::finding::{self, Finding, Severity};
use crate::report::{self, Cell, Column, Feed, Held, Input, Line, List, Report, Section, Table, Tone};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Parts that were not understood are listed up to this number, above it counted by type.
const MOST_UNREAD: usize = 20;
/// The most findings of one code that text for a person shows.
const MOST_FINDINGS: usize = 20;
/// The most ports that the closing sentence names.
const MOST_PORTS: usize = 8;

/// Which table is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Listeners and their filter chains.
    #[default]
    Chains,
    /// Clusters.
    Clusters,
    /// Certificates.
    Certificates,
}

/// How the report is to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Which table.
    pub shown: Shown,
    /// Every listener.
    pub all: bool,
}

/// The report of `authz-check`.
pub struct AuthzReport {
    proxies: Vec<Judged>,
    inputs: Vec<Input>,
    findings: Vec<Finding>,
    summary: SummaryJson,
    at: i64,
    view: View,
}

impl AuthzReport {
    /// A report of proxies, judged at a time; `unreadable` are findings about inputs that are no dumps.
    #[must_use]
    pub fn new(proxies: Vec<Judged>, inputs: Vec<Input>, unreadable: Vec<Finding>, at: i64, view: View) -> Self {
        let mut findings = unreadable;
        findings.extend(proxies.iter().flat_map(|judged| judged.findings.iter().cloned()));
        finding::sort(&mut findings);
        let summary = summary(&proxies, &findings);
        Self { proxies, inputs, findings, summary, at, view }
    }

    /// The proxies.
    #[must_use]
    pub fn proxies(&self) -> &[Judged] {
        &self.proxies
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> &SummaryJson {
        &self.summary
    }

    /// What the view is of, in words.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self.view.shown {
            Shown::Chains => "listener with a filter chain",
            Shown::Clusters => "cluster",
            Shown::Certificates => "certificate",
        }
    }

    /// Whether there is nothing of what was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.proxies.iter().all(|judged| match self.view.shown {
            Shown::Chains => judged.rows.is_empty(),
            Shown::Clusters => judged.proxy.clusters.is_empty(),
            Shown::Certificates => judged.certificates.is_empty(),
        })
    }

    fn columns(&self) -> Vec<Column> {
        match self.view.shown {
            Shown::Chains => chains::columns(),
            Shown::Clusters => clusters::columns(),
            Shown::Certificates => certificates::columns(),
        }
    }

    /// Every row of one proxy.
    fn rows(&self, judged: &Judged, each: &mut dyn FnMut(Vec<Cell>) -> std::io::Result<()>) -> std::io::Result<()> {
        match self.view.shown {
            Shown::Chains => judged.rows.iter().try_for_each(|row| each(chains::cells(judged, row, self.at))),
            Shown::Clusters => clusters::rows(judged, |_| true, each),
            Shown::Certificates => certificates::rows(judged, self.at, each),
        }
    }

    /// The text of one proxy.
    fn proxy<'a>(&'a self, judged: &'a Judged, sections: &mut Vec<Section<'a>>) {
        let mut lines = Vec::new();
        if self.proxies.len() > 1 {
            lines.push(heading(judged));
        }
        if self.view.shown == Shown::Chains {
            lines.extend(
                judged
                    .ports
                    .iter()
                    .filter(|port| self.view.all || is_served(port))
                    .map(|port| Line::new(0, vec![Cell::new(port.text.clone(), tone(judged, port))])),
            );
        }
        lines.extend(missing(judged, self.view.shown));
        sections.push(Section::Lines(report::feed(lines)));
        if self.view.shown == Shown::Chains {
            let (shown, hidden) = chains::split(judged, self.view);
            let mut notes = chains::notes(&shown, &hidden);
            let waiting = super::rows::not_in_force(judged);
            if waiting > 0 {
                let verb = if waiting == 1 { "is" } else { "are" };
                let text = format!("{} {verb} not in force: nobody can call there", many(waiting, "listener"));
                notes.push(Line::new(0, vec![Cell::new(text, Tone::Warn)]));
            }
            let rows: Feed<'a, Vec<Cell>> =
                Box::new(move |each| shown.iter().try_for_each(|row| each(chains::cells(judged, row, self.at))));
            sections.push(Section::Table(Table { columns: self.columns(), rows }));
            sections.push(Section::Lines(report::feed(notes)));
        } else if self.view.shown == Shown::Clusters && !self.view.all {
            let rows: Feed<'a, Vec<Cell>> = Box::new(move |each| clusters::rows(judged, clusters::is_service, each));
            sections.push(Section::Table(Table { columns: self.columns(), rows }));
            let own = judged.upstreams.iter().filter(|upstream| !clusters::is_service(upstream)).count();
            if own > 0 {
                let (is, them) = if own == 1 { ("is", "it") } else { ("are", "them") };
                let text = format!("{} that {is} no service of the mesh (--all shows {them})", many(own, "cluster"));
                sections.push(Section::Lines(report::feed(vec![Line::new(0, vec![Cell::new(text, Tone::Dim)])])));
            }
        } else {
            let rows: Feed<'a, Vec<Cell>> = Box::new(move |each| self.rows(judged, each));
            sections.push(Section::Table(Table { columns: self.columns(), rows }));
        }
        sections.push(Section::Lines(report::feed(unread(&judged.proxy.unread))));
    }
}

/// Whether a port is one that others call.
fn is_served(port: &Port) -> bool {
    matches!(port.side, Side::Inbound | Side::Internal)
}

/// The tone of the sentence of a port: green only where plaintext is refused and every chain is mutual TLS.
fn tone(judged: &Judged, port: &Port) -> Tone {
    if !is_served(port) {
        return Tone::Dim;
    }
    let strict = matches!(port.mode, Some(Mode::Strict | Mode::Mutual | Mode::IstioMutual));
    let rows = || port.rows.iter().map(|row| judged.rows.get(*row));
    let proven = !port.rows.is_empty() && rows().all(|row| row.is_some_and(|row| row.mtls == Some(true)));
    let doubtful = rows().flatten().any(|row| !row.doubts.is_empty());
    match (port.plaintext, port.mode) {
        (Some(false), _) if strict && proven && !doubtful => Tone::Good,
        (Some(false), Some(Mode::Simple | Mode::Passthrough)) => Tone::Plain,
        (Some(false), _) if strict && proven => Tone::Plain,
        _ => Tone::Warn,
    }
}

/// `details-v1-abc.bookinfo (sidecar, 10.0.0.1, Istio 1.22.3, details.json)`.
fn heading(judged: &Judged) -> Line {
    let node = judged.proxy.node.as_ref();
    let mut words = vec![node.map(|node| node.kind).unwrap_or_default().word().to_owned()];
    words.extend(node.map(|node| node.ip.clone()).filter(|ip| !ip.is_empty()));
    words.extend(node.and_then(|node| node.istio_version.as_ref()).map(|version| format!("Istio {version}")));
    words.push(judged.proxy.path.to_string());
    Line::new(0, vec![Cell::new(proxy_name(judged), Tone::Strong), Cell::plain(format!(" ({})", words.join(", ")))])
}

/// What cannot be told because the dump has no such section.
fn missing(judged: &Judged, shown: Shown) -> Vec<Line> {
    let proxy = &judged.proxy;
    let absent = |section: Part, is_empty: bool| is_empty && !proxy.sections.contains(&section);
    let mut lines = Vec::new();
    let mut say = |text: &'static str| lines.push(Line::new(0, vec![Cell::new(text, Tone::Warn)]));
    match shown {
        Shown::Chains if absent(Part::Listeners, proxy.listeners.is_empty()) => {
            say("the dump has no listeners: nothing can be said of who may call this proxy");
        }
        Shown::Clusters if absent(Part::Clusters, proxy.clusters.is_empty()) => {
            say("the dump has no clusters: nothing can be said of what this proxy sends");
        }
        Shown::Clusters if absent(Part::Endpoints, proxy.endpoints.is_empty()) => {
            say("the dump has no endpoints (config_dump?include_eds has them): only those in clusters are shown");
        }
        Shown::Certificates if absent(Part::Secrets, proxy.secrets.is_empty()) && judged.certificates.is_empty() => {
            say("the dump has no secrets: nothing can be said of certificates");
        }
        _ => {}
    }
    lines
}

/// What was not understood: each, or by type where they are many.
fn unread(unread: &[Unread]) -> Vec<Line> {
    if unread.is_empty() {
        return Vec::new();
    }
    let head = format!("{} not understood:", many(unread.len(), "part"));
    let mut lines = vec![Line::new(0, vec![Cell::new(head, Tone::Warn)])];
    if unread.len() <= MOST_UNREAD {
        lines.extend(unread.iter().map(|one| {
            let kind = if one.kind.is_empty() { String::new() } else { format!(" ({})", one.kind) };
            Line::plain(2, format!("{}{kind}: {}", one.path, one.why))
        }));
        return lines;
    }
    let mut kinds: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
    for one in unread {
        kinds.entry((&one.kind, &one.why)).or_insert((0, &one.path)).0 += 1;
    }
    let left = kinds.len().saturating_sub(MOST_UNREAD);
    lines.extend(kinds.into_iter().take(MOST_UNREAD).map(|((kind, why), (count, path))| {
        let kind = if kind.is_empty() { "without a type" } else { kind };
        Line::plain(2, format!("{count} {kind}: {why}, first {path}"))
    }));
    if left > 0 {
        lines.push(Line::plain(2, format!("... {}: -o json lists all", many(left, "more type"))));
    }
    lines
}

/// The counts of all proxies.
fn summary(proxies: &[Judged], findings: &[Finding]) -> SummaryJson {
    let mut counts = SummaryJson { proxies: proxies.len(), ..SummaryJson::default() };
    for judged in proxies {
        counts.listeners += judged.proxy.listeners.len();
        counts.chains += judged.rows.len();
        counts.clusters += judged.proxy.clusters.len();
        counts.unread += judged.proxy.unread.len() + usize::from(judged.proxy.problem.is_some());
        for port in judged.ports.iter().filter(|port| is_served(port)) {
            let word = port.mode.map(Mode::word).or(port.class).unwrap_or("undecided");
            *counts.ports.entry(word).or_default() += 1;
            counts.plaintext_ports += usize::from(port.plaintext == Some(true));
            counts.undecided_ports += usize::from(port.plaintext.is_none());
        }
        for endpoint in judged.upstreams.iter().flat_map(|upstream| &upstream.endpoints) {
            *counts.endpoints.entry(endpoint.wire.map_or("unknown", Wire::word)).or_default() += 1;
        }
        for held in &judged.certificates {
            *counts.certificates.entry(held.state.word()).or_default() += 1;
        }
    }
    for finding in findings {
        *counts.findings.entry(finding.severity.word()).or_default() += 1;
    }
    counts
}

impl AuthzReport {
    /// The closing sentence.
    fn sentence(&self) -> Vec<Cell> {
        let counts = &self.summary;
        let chains = if counts.chains == 0 { String::new() } else { format!(", {}", many(counts.chains, "chain")) };
        let mut words = vec![Cell::plain(format!(
            "{}, {}{chains}",
            many(counts.proxies, "proxy"),
            many(counts.listeners, "listener")
        ))];
        let ports: usize = counts.ports.values().sum();
        if ports > 0 {
            let modes: Vec<String> = counts.ports.iter().map(|(mode, count)| format!("{count} {mode}")).collect();
            words.push(Cell::plain(format!("; {}: {}", many(ports, "port"), modes.join(", "))));
        }
        match (counts.plaintext_ports, counts.undecided_ports) {
            (0, 0) if ports > 0 && counts.unread == 0 => words.push(Cell::plain("; none accepts plaintext")),
            (0, 0) => {}
            (0, undecided) => {
                words.push(Cell::new(format!("; {} could not be decided", many(undecided, "port")), Tone::Warn));
            }
            (accepting, _) => {
                let names = first_few(&self.accepting(), MOST_PORTS);
                let verb = if accepting == 1 { "accepts" } else { "accept" };
                words.push(Cell::new(format!("; {} {verb} plaintext: {names}", many(accepting, "port")), Tone::Warn));
            }
        }
        words
    }

    /// Ports that accept plaintext, with their proxies where there are several.
    fn accepting(&self) -> Vec<String> {
        let several = self.proxies.len() > 1;
        let mut names = Vec::new();
        for judged in &self.proxies {
            for port in judged.ports.iter().filter(|port| is_served(port) && port.plaintext == Some(true)) {
                let port = port.port.map_or("any other port".to_owned(), |port| port.to_string());
                names.push(if several { format!("{port} of {}", proxy_name(judged)) } else { port });
            }
        }
        names
    }

    fn certificates_line(&self) -> Option<Line> {
        let states = &self.summary.certificates;
        let bad = [Validity::Expired, Validity::NotYetValid, Validity::ExpiresSoon, Validity::Missing];
        let tone = match bad.iter().find(|state| states.contains_key(state.word())) {
            None => Tone::Plain,
            Some(Validity::Expired | Validity::NotYetValid) => Tone::Bad,
            Some(_) => Tone::Warn,
        };
        let words: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        (!words.is_empty()).then(|| {
            let text = format!("certificates at {}: {}", rfc3339(self.at), words.join(", "));
            Line::new(0, vec![Cell::new(text, tone)])
        })
    }
}

impl Report for AuthzReport {
    fn schema(&self) -> &'static str {
        "meshctl.authz-check/v1"
    }

    fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn brief(&self) -> (Cow<'_, [Finding]>, Vec<Line>) {
        let mut of_code: BTreeMap<&str, usize> = BTreeMap::new();
        let mut shown = Vec::new();
        for finding in &self.findings {
            let count = of_code.entry(finding.code.code).or_default();
            *count += 1;
            if *count <= MOST_FINDINGS {
                shown.push(finding.clone());
            }
        }
        let left = of_code.into_iter().filter(|(_, count)| *count > MOST_FINDINGS);
        let line = |(code, count): (&str, usize)| {
            let more = many(count - MOST_FINDINGS, &format!("more {code} finding"));
            Line::plain(0, format!("... {more}: -o json lists all"))
        };
        (Cow::Owned(shown), left.map(line).collect())
    }

    fn summary(&self) -> serde_json::Value {
        serde_json::to_value(&self.summary).unwrap_or_default()
    }

    fn parts(&self) -> Vec<(&'static str, serde_json::Value)> {
        vec![("at", rfc3339(self.at).into())]
    }

    fn closing(&self) -> Vec<Line> {
        let mut lines = vec![Line::new(0, self.sentence())];
        lines.extend(self.certificates_line());
        let unread = self.summary.unread;
        if unread > 0 {
            let text =
                format!("{} could not be read or understood: more may be true than is shown", many(unread, "part"));
            lines.push(Line::new(0, vec![Cell::new(text, Tone::Warn)]));
        }
        lines
    }

    fn lists(&self) -> Vec<List<'_>> {
        let proxies: report::Items<'_> =
            Box::new(move |each| self.proxies.iter().try_for_each(|judged| each(&json::proxy(judged))));
        vec![List { name: "proxies", items: proxies }]
    }

    fn sections(&self) -> Vec<Section<'_>> {
        let mut sections = Vec::new();
        self.proxies.iter().for_each(|judged| self.proxy(judged, &mut sections));
        sections
    }

    fn table(&self) -> Table<'_> {
        let mut columns = vec![Column::new("PROXY", 12)];
        columns.extend(self.columns());
        let rows: Feed<'_, Vec<Cell>> = Box::new(move |each| {
            self.proxies.iter().try_for_each(|judged| {
                let name = proxy_name(judged);
                self.rows(judged, &mut |mut cells| {
                    cells.insert(0, Cell::plain(name.clone()));
                    each(cells)
                })
            })
        });
        Table { columns, rows }
    }

    /// The ID of each node, else the input that it was read from.
    fn names(&self) -> Feed<'_, String> {
        Box::new(move |each| {
            self.proxies.iter().try_for_each(|judged| {
                let id = judged.proxy.node.as_ref().map(|node| node.id.clone()).filter(|id| !id.is_empty());
                each(id.unwrap_or_else(|| judged.proxy.path.to_string()))
            })
        })
    }
}

/// Inputs as the envelope shows them.
#[must_use]
pub fn input(path: &str, bytes: u64) -> Input {
    Input { path: path.to_owned(), held: Held::Bytes(bytes) }
}

/// Whether a finding of a class of `--fail-on` or worse is among these.
#[must_use]
pub fn has(findings: &[Finding], at_least: Severity) -> bool {
    findings.iter().any(|finding| finding.severity <= at_least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::fake;
    use crate::envoy::judged::Port;
    use crate::render::{FORMATS, Format, Style, render};

    fn printed(report: &AuthzReport, format: Format, width: Option<usize>, colour: bool) -> String {
        let mut out = Vec::new();
        render(report, format, Style { width, colour }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn report(proxies: Vec<Judged>, view: View) -> AuthzReport {
        AuthzReport::new(proxies, vec![input("a.json", 9)], Vec::new(), 1_000_000, view)
    }

    #[test]
    fn a_strict_port_reads_well() {
        let text = printed(&report(vec![fake::strict()], View::default()), Format::Table, Some(80), false);
        let want = "\
9080 http STRICT: plaintext is reset

LISTENER[FilterChain]  PORT  MATCH  CERTIFICATE                  mTLS  MODE
virtualInbound         9080  tls    default: shop/web, 23h left  yes   STRICT*
  AUTHZ: http DENY: shop/no-outsiders; http ALLOW: no rule, denies all

* inferred from the chains of the port
1 outbound listener, does not terminate TLS (--all shows it)

1 proxy, 2 listeners, 2 chains; 1 port: 1 STRICT; none accepts plaintext
certificates at 1970-01-12T13:46:40Z: 1 valid
";
        assert_eq!(text, want);
    }

    #[test]
    fn control_characters_reach_no_format() {
        let evil = || vec![fake::evil("\u{1b}[31m\u{7}\u{202e}"), fake::evil("\u{1b}]0;x\u{7}")];
        for shown in [Shown::Chains, Shown::Clusters, Shown::Certificates] {
            for all in [false, true] {
                let report = report(evil(), View { shown, all });
                for (name, format, _) in FORMATS {
                    let text = printed(&report, *format, Some(80), false);
                    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{name} {shown:?}");
                    assert!(!text.is_empty(), "{name}");
                }
            }
        }
    }

    #[test]
    fn green_needs_evidence() {
        let mut judged = fake::strict();
        let port = judged.ports[0].clone();
        assert_eq!(tone(&judged, &port), Tone::Good);
        judged.rows[0].doubts.push("a filter".to_owned());
        assert_eq!(tone(&judged, &port), Tone::Plain);
        judged.rows[0].mtls = None;
        assert_eq!(tone(&judged, &port), Tone::Warn);
        for plaintext in [Some(true), None] {
            assert_eq!(tone(&fake::strict(), &Port { plaintext, ..port.clone() }), Tone::Warn);
        }
        assert_eq!(tone(&fake::strict(), &Port { rows: Vec::new(), ..port }), Tone::Warn);
    }

    #[test]
    fn many_unread_parts_are_counted() {
        let one = |at: usize| Unread { path: format!("configs[{at}]"), kind: "x.Y".into(), why: "not known".into() };
        assert_eq!(unread(&(0..20).map(one).collect::<Vec<_>>()).len(), 21);
        let lines = unread(&(0..21).map(one).collect::<Vec<_>>());
        assert_eq!(lines[1].words[0].text, "21 x.Y: not known, first configs[0]");
    }

    #[test]
    fn json_has_every_part() {
        let report = report(vec![fake::strict()], View::default());
        let json: serde_json::Value = serde_json::from_str(&printed(&report, Format::Json, None, false)).unwrap();
        let proxy = &json["proxies"][0];
        for part in ["rows", "ports", "clusters", "certificates", "unread"] {
            assert!(proxy[part].is_array(), "{part}");
        }
        assert_eq!(proxy["type"], "sidecar");
        assert_eq!(proxy["rows"][0]["mtls"], true);
        assert_eq!(proxy["rows"][0]["mode"], "STRICT");
        assert_eq!(proxy["rows"][0]["authz"][1]["denies_all"], true);
        assert_eq!(json["summary"]["ports"]["STRICT"], 1);
    }

    #[test]
    fn a_masked_dump_says_what_is_missing() {
        let text = printed(&report(vec![Judged::default()], View::default()), Format::Table, None, false);
        assert!(text.starts_with("the dump has no listeners"), "{text}");
    }
}
