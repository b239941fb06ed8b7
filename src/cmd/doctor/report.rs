//! The result of `doctor` as every format reads it.

use super::json::{ClusterJson, IstioJson, PermissionJson, SummaryJson};
use super::role;
use crate::finding::{self, Finding};
use crate::location::Location;
use crate::report::{Cell, Column, Feed, Input, Line, List, Report, Section, Subject, Table, Tone, feed};
use crate::words::count;
use serde_json::Value;
use std::borrow::Cow;

/// What the server says of a verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Allowed,
    /// No, and it is needed.
    Denied,
    /// No, and another way is open.
    NotNeeded,
    /// It does not say, and why.
    Unclear(String),
}

impl Answer {
    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::NotNeeded => "not-needed",
            Self::Unclear(_) => "unclear",
        }
    }
}

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `list`.
    pub verb: String,
    /// API group; empty for core.
    pub group: String,
    /// `pods`, or with a subresource `pods/exec`.
    pub resource: String,
    /// Empty: all namespaces, or a kind without.
    pub namespace: String,
    /// One object; empty: all.
    pub name: String,
    /// What the server says.
    pub answer: Answer,
    /// What is lost without it.
    pub cost: String,
    /// Whether that is little: a denial is named, and is no finding.
    pub optional: bool,
}

impl Row {
    /// A verb of which nothing is known yet.
    #[must_use]
    pub fn new(verb: &str, group: &str, resource: &str, namespace: &str, cost: String) -> Self {
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: String::new(),
            answer: Answer::Unclear("it was not asked".to_owned()),
            cost,
            optional: false,
        }
    }

    /// The question.
    #[cfg(feature = "cluster")]
    #[must_use]
    pub fn ask(&self) -> crate::input::cluster::access::Ask<'_> {
        crate::input::cluster::access::Ask {
            verb: &self.verb,
            group: &self.group,
            resource: &self.resource,
            namespace: &self.namespace,
            name: &self.name,
        }
    }

    /// Is it there, or not missed?
    fn is_fine(&self) -> bool {
        matches!(self.answer, Answer::Allowed | Answer::NotNeeded)
    }

    /// `peerauthentications.security.istio.io istio-system/default`.
    fn object(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let name = if self.name.is_empty() { String::new() } else { format!(" {}", self.name) };
        format!("{}{group}{name}", self.resource)
    }

    fn at(&self) -> Location {
        let folder = if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) };
        let file = format!("cluster:{folder}{}", self.resource);
        Location { file: file.as_str().into(), line: 1, column: 1 }
    }

    fn place(&self) -> String {
        if self.namespace.is_empty() { "*".to_owned() } else { self.namespace.clone() }
    }

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.answer {
            Answer::Allowed => Tone::Good,
            Answer::Denied => Tone::Bad,
            Answer::NotNeeded => Tone::Dim,
            Answer::Unclear(_) => Tone::Warn,
        };
        let cost = match &self.answer {
            Answer::Allowed => String::new(),
            Answer::NotNeeded if self.optional => self.cost.clone(),
            Answer::NotNeeded => "another way is open".to_owned(),
            Answer::Denied => self.cost.clone(),
            Answer::Unclear(why) => format!("{why}; {}", self.cost),
        };
        vec![
            Cell::plain(self.place()),
            Cell::plain(self.verb.clone()),
            Cell::plain(self.object()),
            Cell::new(self.answer.word(), tone),
            Cell::plain(cost),
        ]
    }

    fn finding(&self) -> Finding {
        let place = if self.namespace.is_empty() { String::new() } else { format!(" in namespace {}", self.namespace) };
        let how = match &self.answer {
            Answer::Unclear(why) => format!("is unclear: {why}"),
            _ => "is denied".to_owned(),
        };
        let message = format!("{} {}{place} {how}: {}", self.verb, self.object(), self.cost);
        Finding::new(&finding::NOT_READ, self.at(), message, "meshctl doctor prints the Role that gives it")
    }
}

/// The report of `doctor`.
pub struct DoctorReport {
    cluster: ClusterJson,
    istio: IstioJson,
    unserved: Vec<String>,
    rows: Vec<Row>,
    findings: Vec<Finding>,
    role: Option<String>,
}

impl DoctorReport {
    /// A report.
    #[must_use]
    pub fn new(cluster: ClusterJson, istio: IstioJson, unserved: Vec<String>, rows: Vec<Row>) -> Self {
        let mut findings: Vec<Finding> = rows.iter().filter(|row| !row.is_fine()).map(Row::finding).collect();
        finding::sort(&mut findings);
        let role = role::manifest(&rows, cluster.user.as_deref());
        Self { cluster, istio, unserved, rows, findings, role }
    }

    /// Is all there that meshctl needs?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.rows.iter().all(Row::is_fine)
    }

    fn counts(&self) -> SummaryJson {
        let of = |word: &str| self.rows.iter().filter(|row| row.answer.word() == word).count();
        SummaryJson {
            allowed: of("allowed"),
            denied: of("denied"),
            not_needed: of("not-needed"),
            unclear: of("unclear"),
        }
    }

    /// Cluster, user and control plane for a person.
    fn facts(&self) -> Vec<Line> {
        let (cluster, istio) = (&self.cluster, &self.istio);
        let context = if cluster.context.is_empty() { "none".to_owned() } else { cluster.context.clone() };
        let version = cluster.version.as_deref().unwrap_or("of unknown version");
        let mut user = cluster.user.clone().unwrap_or_else(|| "unknown: the server does not say".to_owned());
        if !cluster.groups.is_empty() {
            user = format!("{user} ({})", cluster.groups.join(", "));
        }
        let found = if istio.found {
            let version = istio.version.as_deref().unwrap_or("of unknown version");
            let others: Vec<&str> =
                istio.revisions.iter().map(String::as_str).filter(|one| *one != istio.revision).collect();
            let others = if others.is_empty() { String::new() } else { format!("; also there: {}", others.join(", ")) };
            Cell::plain(format!("{version} in {}, revision {}{others}", istio.namespace, istio.revision))
        } else {
            let text = format!("no istiod was seen in {}: --istio-namespace says where it is", istio.namespace);
            Cell::new(text, Tone::Warn)
        };
        let plain = |text: String| Cell::plain(text);
        let namespaces = if cluster.namespaces.is_empty() { "all".to_owned() } else { cluster.namespaces.join(", ") };
        let mut pairs = vec![
            ("context", plain(context)),
            ("server", plain(format!("{}, Kubernetes {version}", cluster.server))),
            ("user", plain(user)),
            ("namespaces", plain(namespaces)),
            ("istio", found),
            ("root", plain(istio.root_namespace.clone())),
            ("settings", plain(istio.mesh_config.clone())),
        ];
        pairs.extend(istio.notes.iter().map(|note| ("note", Cell::new(note.clone(), Tone::Warn))));
        if !self.unserved.is_empty() {
            pairs.push(("not served", plain(self.unserved.join(", "))));
        }
        let line = |(head, cell): (&str, Cell)| Line {
            indent: 0,
            hang: 12,
            words: vec![Cell::new(format!("{head:<12}"), Tone::Strong), cell],
        };
        pairs.into_iter().map(line).collect()
    }

    fn rows_table(&self, all: bool) -> Table<'_> {
        let rows: Vec<Vec<Cell>> = self.rows.iter().filter(|row| all || !row.is_fine()).map(Row::cells).collect();
        let heads = [("NAMESPACE", 0), ("VERB", 0), ("RESOURCE", 20), ("ANSWER", 0), ("WITHOUT IT", 20)];
        Table { columns: heads.iter().map(|(head, min)| Column::new(*head, *min)).collect(), rows: feed(rows) }
    }

    fn shown(&self, all: bool) -> Vec<Section<'_>> {
        let mut sections = vec![Section::Lines(feed(self.facts()))];
        if all || !self.is_whole() {
            sections.push(Section::Table(self.rows_table(all)));
        }
        if let Some(role) = &self.role {
            let mut lines = vec![Line::plain(0, "# what is missing, for kubectl apply -f -")];
            lines.extend(role.lines().map(|line| {
                let text = line.trim_start();
                Line::plain(line.len() - text.len(), text.to_owned())
            }));
            sections.push(Section::Lines(feed(lines)));
        }
        sections
    }
}

impl Report for DoctorReport {
    fn schema(&self) -> &'static str {
        "meshctl.doctor/v1"
    }

    fn inputs(&self) -> &[Input] {
        &[]
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn brief(&self) -> (Cow<'_, [Finding]>, Vec<Line>) {
        // The table says each of them already.
        (Cow::Borrowed(&[]), Vec::new())
    }

    fn summary(&self) -> Value {
        serde_json::to_value(self.counts()).unwrap_or_default()
    }

    fn parts(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("cluster", serde_json::to_value(&self.cluster).unwrap_or_default()),
            ("istio", serde_json::to_value(&self.istio).unwrap_or_default()),
            ("unserved", self.unserved.clone().into()),
            ("role", self.role.clone().into()),
        ]
    }

    fn closing(&self) -> Vec<Line> {
        let SummaryJson { allowed, denied, unclear, .. } = self.counts();
        let words = if denied + unclear == 0 {
            vec![Cell::new(format!("all there: {}", count(allowed, "permission")), Tone::Good)]
        } else {
            let unclear = if unclear > 0 { format!(", {unclear} unclear") } else { String::new() };
            vec![Cell::new(format!("{denied} denied{unclear}"), Tone::Bad), Cell::plain(format!(", {allowed} allowed"))]
        };
        vec![Line::new(0, words)]
    }

    fn lists(&self) -> Vec<List<'_>> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let items = self.rows.iter().map(move |row| PermissionJson {
            verb: row.verb.clone(),
            group: row.group.clone(),
            resource: row.resource.clone(),
            namespace: given(&row.namespace),
            name: given(&row.name),
            answer: row.answer.word(),
            why: if let Answer::Unclear(why) = &row.answer { Some(why.clone()) } else { None },
            cost: row.cost.clone(),
        });
        let items: Vec<PermissionJson> = items.collect();
        vec![List { name: "permissions", items: Box::new(move |each| items.iter().try_for_each(|item| each(item))) }]
    }

    fn sections(&self) -> Vec<Section<'_>> {
        self.shown(false)
    }

    fn wide_sections(&self) -> Vec<Section<'_>> {
        self.shown(true)
    }

    fn table(&self) -> Table<'_> {
        self.rows_table(true)
    }

    fn subjects(&self) -> Option<Feed<'_, Subject>> {
        // What is missing is a finding already.
        let fine = self.rows.iter().filter(|row| row.is_fine());
        let subject =
            |row: &Row| Subject { name: format!("{} {} {}", row.verb, row.object(), row.place()), at: row.at() };
        Some(feed(fine.map(subject).collect()))
    }

    fn names(&self) -> Feed<'_, String> {
        let missing = self.rows.iter().filter(|row| !row.is_fine());
        feed(missing.map(|row| format!("{} {} {}", row.verb, row.object(), row.place())).collect())
    }
}
