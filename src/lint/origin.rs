//! What a rendered document was made from: Helm's `# Source:` comments and Kustomize's origin annotations.
//!
//! Line numbers of what `helm template` prints are of no use to who edits the chart, so findings name the template too.

use crate::finding::Finding;
use crate::model::Mesh;
use crate::yaml::{self, Node};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The comment that Helm writes above each document that it renders.
const SOURCE: &str = "# Source: ";

/// What the annotations of Kustomize have in common.
const ANNOTATION: &str = "config.kubernetes.io/";

/// Line and column, both from 1.
type Spot = (u32, u32);

/// The origins of one kind of place: by file and start, with the end.
#[derive(Debug, Default)]
struct Origins(BTreeMap<(Arc<str>, Spot), (Spot, String)>);

impl Origins {
    fn add(&mut self, file: &Arc<str>, from: Spot, to: Spot, origin: String) {
        self.0.insert((file.clone(), from), (to, origin));
    }

    fn of(&self, file: &Arc<str>, spot: Spot) -> Option<&str> {
        let (_, (to, origin)) = self.0.range((file.clone(), (0, 0))..=(file.clone(), spot)).next_back()?;
        (spot <= *to).then_some(origin)
    }
}

/// Adds its origin to each finding whose document or object says one.
pub fn name(mesh: &Mesh, findings: &mut [Finding]) {
    let (mut documents, mut annotated) = (Origins::default(), Vec::new());
    for (id, source) in mesh.sources.iter() {
        if source.text.contains(SOURCE) {
            let spot = |byte: usize| {
                let place = mesh.sources.location(id, u32::try_from(byte).unwrap_or(u32::MAX));
                (place.line, place.column)
            };
            for (_, range) in yaml::extents(&source.text) {
                if let Some(origin) = source.text.get(range.clone()).and_then(helm) {
                    documents.add(&source.path, spot(range.start), spot(range.end), origin.to_owned());
                }
            }
        }
        if source.text.contains(ANNOTATION) {
            annotated.push(id);
        }
    }
    let objects = if annotated.is_empty() { Origins::default() } else { of_objects(mesh, &annotated) };
    if documents.0.is_empty() && objects.0.is_empty() {
        return;
    }
    for finding in findings.iter_mut().filter(|finding| finding.origin.is_none()) {
        let spot = (finding.at.line, finding.at.column);
        let file = &finding.at.file;
        finding.origin = objects.of(file, spot).or_else(|| documents.of(file, spot)).map(str::to_owned);
    }
}

/// What the comment above the first content of a document says.
fn helm(document: &str) -> Option<&str> {
    document
        .lines()
        .map(|line| line.trim_start_matches('\u{feff}'))
        .take_while(|line| line.trim().is_empty() || line.starts_with('#') || line.starts_with("---"))
        .find_map(|line| line.strip_prefix(SOURCE))
        .map(str::trim)
        .filter(|origin| !origin.is_empty())
}

fn of_objects(mesh: &Mesh, sources: &[crate::location::SourceId]) -> Origins {
    let mut origins = Origins::default();
    for object in mesh.objects.iter().filter(|object| object.made.is_none()) {
        let Some(document) = mesh.documents.get(object.document as usize) else { continue };
        if sources.binary_search(&document.source).is_err() {
            continue;
        }
        let node = document.tree.node(object.node);
        let Some(origin) = node.find("metadata.annotations").and_then(kustomize) else { continue };
        let span = node.span();
        let (from, to) = (mesh.sources.location(span.source, span.start), mesh.sources.location(span.source, span.end));
        origins.add(&from.file, (from.line, from.column), (to.line, to.column), origin);
    }
    origins
}

/// What `buildMetadata: [originAnnotations]` writes, else what kustomize's functions leave behind.
fn kustomize(annotations: Node<'_>) -> Option<String> {
    let text = |key: &str| annotations.get(key).and_then(Node::as_str).filter(|text| !text.trim().is_empty());
    if let Some(origin) = text("config.kubernetes.io/origin") {
        let tree = yaml::parse_text(origin)?;
        let word = |key: &str| tree.root().get(key).and_then(|node| node.as_str()).map(str::to_owned);
        return match (word("path"), word("repo")) {
            (Some(path), Some(repo)) => Some(format!("{repo} {path}")),
            (path, repo) => path.or(repo),
        };
    }
    text("internal.config.kubernetes.io/path").or(text("config.kubernetes.io/path")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::MTLS_DISABLED;
    use crate::location::{Location, Sources};
    use crate::model::{Options, load};

    #[test]
    fn findings_name_what_their_document_was_made_from() {
        let text = "---\n# Source: web/templates/a.yaml\n# Source: no\nkind: A\nb: '# Source: x'\n---\nkind: B\n---\n\
                    apiVersion: v1\nkind: Service\nmetadata:\n  name: c\n  annotations:\n    config.kubernetes.io/origin: |\n      \
                    path: base/c.yaml\n      repo: https://example.com/r\n---\n# Source: d.yaml\napiVersion: v1\nkind: Service\n\
                    metadata:\n  name: d\n  annotations: {config.kubernetes.io/path: base/d.yaml}\n---\nkind: E\n";
        let mut sources = Sources::default();
        sources.add("-", text.to_owned());
        let mesh = load(sources, Options::default());
        let line = |line| Finding::new(&MTLS_DISABLED, Location { file: "-".into(), line, column: 1 }, "", "");
        let mut findings: Vec<Finding> = [1, 4, 5, 7, 9, 13, 18, 19, 25].map(line).to_vec();
        name(&mesh, &mut findings);
        let origins: Vec<_> = findings.iter().map(|one| one.origin.as_deref().unwrap_or("-")).collect();
        let (a, c) = ("web/templates/a.yaml", "https://example.com/r base/c.yaml");
        assert_eq!(origins, [a, a, a, "-", c, c, "d.yaml", "base/d.yaml", "-"]);
    }
}
