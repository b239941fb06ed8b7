//! The public JSON of `lint`: its own structures, versioned, never internal types.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The envelope of `lint -o json`. It is written piece by piece; this is its shape, for the published schema.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Envelope")]
pub struct EnvelopeJson<'a> {
    /// `meshctl.lint/v1`.
    pub schema: &'a str,
    /// Version of meshctl.
    pub version: &'a str,
    /// The inputs.
    pub input: Vec<InputJson>,
    /// The findings, sorted by file, position and code.
    pub findings: Vec<serde_json::Value>,
    /// The counts.
    pub summary: SummaryJson,
}

/// One input.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Input")]
pub struct InputJson {
    /// The path as typed; `-` for standard input.
    pub path: String,
    /// How many documents it held.
    pub documents: usize,
}

/// The counts.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Summary")]
pub struct SummaryJson {
    /// Objects that were looked at; those of other projects are none.
    pub objects: usize,
    /// Files, standard input among them.
    pub files: usize,
    /// Findings of severity error.
    pub error: usize,
    /// Findings of severity warning.
    pub warning: usize,
    /// Findings of severity info.
    pub info: usize,
    /// Findings that comments and annotations in the manifests hide.
    pub suppressed: usize,
    /// Findings that flags or `meshctl.yaml` leave out.
    pub left_out: usize,
    /// Rows of `tls-check` with a verdict UNKNOWN: what no rule could judge.
    pub unknown: usize,
    /// Objects that are recognised and not judged, by reason.
    pub not_judged: BTreeMap<String, usize>,
    /// Namespaces that the input does not have and that are assumed to be injected.
    pub assumed_namespaces: Vec<String>,
}
