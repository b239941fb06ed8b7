//! Reads YAML and JSON texts into trees that know where every part of them stands.
//!
//! A text is cut into documents (`split`), each is parsed on its own, in parallel, into a compact tree (`build`, `store`,
//! `tree`); scalars and keys are read as Kubernetes reads them (`scalar`, `mapping`). One broken document is one finding
//! and never touches its neighbours; what can be guessed of it is kept (`guess`), so that a policy that could not be
//! read is not taken for a policy that is not there.

mod build;
mod guess;
mod json;
mod mapping;
mod problem;
mod scalar;
mod split;
mod store;
mod template;
#[cfg(test)]
mod tests;
mod tree;

pub use store::Kind;
pub use tree::{Node, NodeId, Tree};

use crate::finding::{DUPLICATE_KEY, Finding, Related, TEMPLATE_NOT_RENDERED, UNPARSABLE_DOCUMENT};
use crate::location::{ObjectRef, SourceId, Sources};
use build::{Builder, Built, offset};
use guess::Guess;
use problem::Problem;
use rayon::prelude::*;
use split::Chunk;
use std::sync::Arc;
use store::Finished;

/// Below this many bytes a text is parsed at once: waking other threads takes longer.
const SMALL: usize = 64 * 1024;

/// One document that parsed.
#[derive(Debug)]
pub struct Document {
    /// The text that it is of.
    pub source: SourceId,
    /// Its number in that text, from 1; empty documents between `---` lines are counted.
    pub number: u32,
    /// What it says.
    pub tree: Tree,
    /// Has a mapping in it a key twice?
    pub duplicate_keys: bool,
    /// Its `apiVersion` and `kind` where the list that it is from says them, as the Kubernetes API answers.
    pub listed: Option<Listed>,
}

/// `apiVersion` and `kind` of the items of a list, kept once for all of them.
pub type Listed = Arc<(Arc<str>, Arc<str>)>;

/// One document that did not parse, or is a template, with what can be guessed of it from its lines.
#[derive(Debug)]
pub struct Broken {
    /// The text that it is of.
    pub source: SourceId,
    /// Its number in that text, from 1.
    pub number: u32,
    /// Byte of the error.
    pub at: u32,
    /// First byte of the document.
    pub start: u32,
    /// `apiVersion`, if a line says so.
    pub api_version: Option<String>,
    /// `kind`, if a line says so.
    pub kind: Option<String>,
    /// `metadata.namespace`, if a line says so.
    pub namespace: Option<String>,
    /// `metadata.name`, if a line says so.
    pub name: Option<String>,
}

/// The documents of a text, in order. Empty ones are left out.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Those that parsed.
    pub documents: Vec<Document>,
    /// Those that did not.
    pub broken: Vec<Broken>,
    /// One finding for each broken document, and one for each duplicate key (a hundred per document at most).
    pub findings: Vec<Finding>,
}

/// Reads the documents of a source, in parallel.
#[must_use]
pub fn parse(sources: &Sources, id: SourceId) -> Parsed {
    let Some(source) = sources.get(id) else { return Parsed::default() };
    let text = &source.text;
    let mut parsed = Parsed::default();
    for (chunk, built) in parse_chunks(id, text) {
        match built {
            Ok(None) => {}
            Ok(Some(built)) => {
                duplicate_keys(sources, id, &built, &mut parsed.findings);
                let (number, duplicate_keys) = (chunk.number, !built.duplicates.is_empty());
                parsed.documents.push(Document { source: id, number, tree: built.tree, duplicate_keys, listed: None });
            }
            Err(problem) => {
                let (broken, finding) = broken(sources, id, text, chunk, problem);
                parsed.broken.push(broken);
                parsed.findings.push(finding);
            }
        }
    }
    parsed
}

/// Reads one item of a list that the Kubernetes API gave: JSON, in a range of the text of a source.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_item(
    source: SourceId,
    text: &Arc<str>,
    range: std::ops::Range<usize>,
    listed: Listed,
) -> Result<Document, String> {
    let built = Builder::default().json(source, text, range).map_err(|problem| problem.what)?;
    let duplicate_keys = !built.duplicates.is_empty();
    Ok(Document { source, number: 1, tree: built.tree, duplicate_keys, listed: Some(listed) })
}

/// Reads a small text that is no file, such as the mesh configuration inside a `ConfigMap`. Spans are relative to that
/// text, their source is `SourceId(u32::MAX)`. `None` where it does not parse or holds several documents.
#[must_use]
pub fn parse_text(text: &str) -> Option<Tree> {
    let source = SourceId(u32::MAX);
    let text: Arc<str> = text.into();
    // What a program wrote, such as each pod's `sidecar.istio.io/status`, is JSON most often.
    if text.starts_with('{')
        && let Ok(built) = Builder::default().json(source, &text, 0..text.len())
    {
        return Some(built.tree);
    }
    let mut trees = Vec::new();
    for (_, built) in parse_chunks(source, &text) {
        trees.extend(built.ok()?.map(|built| built.tree));
    }
    let tree = trees.pop().unwrap_or_else(|| Tree { source, text, parts: Finished::default(), root: 0 });
    trees.is_empty().then_some(tree)
}

/// Where the documents of a text stand, each with its number: what [`parse`] reads, without the parsing.
#[must_use]
pub fn extents(text: &str) -> Vec<(u32, std::ops::Range<usize>)> {
    split::split(text).into_iter().map(|chunk| (chunk.number, chunk.start..chunk.end)).collect()
}

/// Whether a text that does not parse may be meant as a manifest: it says `apiVersion` somewhere, or `kind` at its edge.
#[must_use]
pub fn may_be_manifest(text: &str) -> bool {
    guess::may_be_manifest(text)
}

type Outcome = Result<Option<Built>, Problem>;

fn parse_chunks(source: SourceId, text: &Arc<str>) -> Vec<(Chunk, Outcome)> {
    let chunks = split::split(text);
    let parse = |builder: &mut Builder, chunk: Chunk| (chunk, builder.build(source, text, chunk.start..chunk.end));
    if text.len() < SMALL || chunks.len() < 2 {
        let mut builder = Builder::default();
        return chunks.into_iter().map(|chunk| parse(&mut builder, chunk)).collect();
    }
    chunks.into_par_iter().map_init(Builder::default, parse).collect()
}

fn duplicate_keys(sources: &Sources, id: SourceId, built: &Built, findings: &mut Vec<Finding>) {
    let root = built.tree.root();
    let word = |path: &str| root.find(path).and_then(Node::text);
    let object = word("kind").zip(word("metadata.name")).map(|(kind, name)| ObjectRef {
        kind: kind.as_ref().into(),
        namespace: word("metadata.namespace").map(|namespace| namespace.as_ref().into()),
        name: name.as_ref().into(),
    });
    for duplicate in &built.duplicates {
        let first = sources.location(id, duplicate.first);
        let key = &duplicate.key;
        let message = format!("the key `{key}` is in this mapping twice, first on line {}", first.line);
        let help = "Keep one of the two. kubectl and Helm take the last one and say nothing about the first.";
        let at = sources.location(id, duplicate.second);
        let mut finding = Finding::new(&DUPLICATE_KEY, at, message, help);
        finding.object.clone_from(&object);
        finding.related.push(Related { message: format!("`{key}` is first set here"), at: first });
        findings.push(finding);
    }
}

fn broken(sources: &Sources, id: SourceId, text: &str, chunk: Chunk, problem: Problem) -> (Broken, Finding) {
    let document = text.get(chunk.start..chunk.end).unwrap_or("");
    let error = (problem.at as usize).saturating_sub(chunk.start);
    let template = if problem.template { Some(error) } else { template::find(document, error) };
    let guess = guess::guess(document);
    let name = describe(chunk.number, &guess);
    let at = template.map_or(problem.at, |at| offset(chunk.start + at));
    let place = sources.location(id, at);
    let mut finding = if template.is_some() {
        let message = format!("{name} is a template that was not rendered: there are template braces in it");
        let help = "Render it first, for example `helm template . | meshctl tls-check -f -`. If the braces are meant as \
                    text, put them in quotes.";
        Finding::new(&TEMPLATE_NOT_RENDERED, place, message, help)
    } else {
        let message = format!("{name} does not parse: {}", problem.what);
        Finding::new(&UNPARSABLE_DOCUMENT, place, message, problem.help)
    };
    let Guess { api_version, kind, namespace, name } = guess;
    if let (Some(kind), Some(name)) = (&kind, &name) {
        let namespace = namespace.as_deref().map(Into::into);
        finding.object = Some(ObjectRef { kind: kind.as_str().into(), namespace, name: name.as_str().into() });
    }
    let start = offset(chunk.start);
    (Broken { source: id, number: chunk.number, at, start, api_version, kind, namespace, name }, finding)
}

/// `document 3 (Pod shop/web)`, as far as it is known.
fn describe(number: u32, guess: &Guess) -> String {
    let name = match (&guess.namespace, &guess.name) {
        (Some(namespace), Some(name)) => format!(" {namespace}/{name}"),
        (None, Some(name)) => format!(" {name}"),
        _ => String::new(),
    };
    match &guess.kind {
        Some(kind) => format!("document {number} ({kind}{name})"),
        None => format!("document {number}"),
    }
}
