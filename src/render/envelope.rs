//! The public structures that every JSON envelope shares.

use crate::finding::{Edge, Finding, Safety};
use crate::location::Location;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// A defect in the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingJson {
    /// `MC` and four digits; never reused.
    pub code: &'static str,
    /// The same in kebab case.
    pub name: &'static str,
    /// `error`, `warning` or `info`.
    pub severity: &'static str,
    /// `high`, `medium` or `low`.
    pub confidence: &'static str,
    /// What is wrong, on what.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The object, as `Kind namespace/name`; null where none could be read.
    pub object: Option<String>,
    /// The file as typed; `-` for standard input.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The field inside the object; null where it is not about one.
    pub path: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<RelatedJson>,
    /// A repair; null where there is none.
    pub fix: Option<FixJson>,
    /// The file that the document was made from, such as a chart's template; absent where it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Rows of the matrix of `tls-check` that fail because of it (`lint`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<EdgeJson>,
}

/// A row of the matrix that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EdgeJson {
    /// Workloads that call, as `namespace/name`.
    #[serde(serialize_with = "list")]
    #[schemars(with = "Vec<String>")]
    pub clients: Arc<[String]>,
    /// The host that they call.
    pub host: String,
    /// The Service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// The endpoint, as `namespace/name` of its workload, or its address; null where nothing answers.
    pub endpoint: Option<String>,
    /// The workload port.
    pub workload_port: u16,
    /// F1 to F9.
    pub failure: Option<&'static str>,
}

fn list<S: Serializer>(names: &Arc<[String]>, serializer: S) -> Result<S::Ok, S::Error> {
    names[..].serialize(serializer)
}

/// A second place of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RelatedJson {
    /// What is there.
    pub message: String,
    /// The file as typed.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A repair that meshctl can make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FixJson {
    /// `safe`: changes no traffic; `unsafe`: may open or close traffic.
    pub safety: &'static str,
    /// The edits, none overlapping.
    pub edits: Vec<EditJson>,
}

/// Text that takes the place of a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EditJson {
    /// The file as typed.
    pub file: String,
    /// Where the replaced text starts.
    pub from: PlaceJson,
    /// Where it ends; that character stays.
    pub to: PlaceJson,
    /// The new text.
    pub text: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlaceJson {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl From<&Location> for PlaceJson {
    fn from(at: &Location) -> Self {
        Self { line: at.line, column: at.column }
    }
}

impl From<&Finding> for FindingJson {
    fn from(finding: &Finding) -> Self {
        let related = finding.related.iter().map(|related| RelatedJson {
            message: related.message.clone(),
            file: related.at.file.to_string(),
            line: related.at.line,
            column: related.at.column,
        });
        let fix = finding.fix.as_ref().map(|fix| FixJson {
            safety: match fix.safety {
                Safety::Safe => "safe",
                Safety::Unsafe => "unsafe",
            },
            edits: fix
                .edits
                .iter()
                .map(|edit| EditJson {
                    file: edit.from.file.to_string(),
                    from: (&edit.from).into(),
                    to: (&edit.to).into(),
                    text: edit.text.clone(),
                })
                .collect(),
        });
        Self {
            code: finding.code.code,
            name: finding.code.name,
            severity: finding.severity.word(),
            confidence: finding.confidence.word(),
            message: finding.message.clone(),
            help: finding.help.clone(),
            object: finding.object.as_ref().map(ToString::to_string),
            file: finding.at.file.to_string(),
            line: finding.at.line,
            column: finding.at.column,
            path: finding.path.as_ref().map(ToString::to_string),
            related: related.collect(),
            fix,
            origin: finding.origin.clone(),
            edges: finding.edges.iter().map(EdgeJson::from).collect(),
        }
    }
}

impl From<&Edge> for EdgeJson {
    fn from(edge: &Edge) -> Self {
        Self {
            clients: edge.clients.clone(),
            host: edge.host.clone(),
            port: edge.port,
            subset: edge.subset.clone(),
            endpoint: edge.endpoint.clone(),
            workload_port: edge.workload_port,
            failure: edge.failure,
        }
    }
}

/// A finding as the envelope shows it.
#[must_use]
pub fn json_finding(finding: &Finding) -> serde_json::Value {
    // Strings, numbers and lists of them: there is nothing in it that JSON could refuse.
    serde_json::to_value(FindingJson::from(finding)).unwrap_or_default()
}
