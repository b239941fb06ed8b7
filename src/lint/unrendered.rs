//! Charts and kustomizations that were given as they stand: one finding that names the command which renders them, in
//! place of one per line of a template (MC0006); and files that are no manifests and do not parse (MC0001).

use crate::finding::{self, Finding, Related, Severity, TEMPLATE_NOT_RENDERED, UNPARSABLE_DOCUMENT};
use crate::location::{Location, SourceId};
use crate::model::Mesh;
use crate::words::count;
use crate::yaml::{Document, Node};
use std::collections::BTreeMap;

/// Files of charts' `templates` folders, as they are shown, each with the folder of its chart.
pub type Templates = BTreeMap<String, String>;

/// The names by which kustomize finds its file, as far as they are read.
const KUSTOMIZATION: [&str; 2] = ["kustomization.yaml", "kustomization.yml"];

/// Fields of a kustomization that change what its files say.
const CHANGES: [&str; 16] = [
    "namespace",
    "namePrefix",
    "nameSuffix",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "components",
    "configurations",
    "transformers",
    "replacements",
    "vars",
    "generators",
    "helmCharts",
    "bases",
    "labels",
    "commonLabels",
];

/// The most kustomizations that are named beside the first.
const NAMED: usize = 10;

/// Takes out what was found in templates, and puts one finding for each chart in its place.
pub(super) fn fold(mesh: &Mesh, templates: &Templates, findings: &mut Vec<Finding>) {
    let mut charts: BTreeMap<&str, (Location, usize)> = BTreeMap::new();
    let mut folded: Vec<&str> = Vec::new();
    for (id, source) in mesh.sources.iter() {
        let Some(chart) = templates.get(&*source.path) else { continue };
        // A template without braces is what it says.
        let Some(braces) = source.text.find("{{") else { continue };
        let at = || mesh.sources.location(id, u32::try_from(braces).unwrap_or(u32::MAX));
        charts.entry(chart).or_insert_with(|| (at(), 0)).1 += 1;
        folded.push(&source.path);
    }
    folded.sort_unstable();
    findings.retain(|finding| folded.binary_search(&&*finding.at.file).is_err());
    for (chart, (at, files)) in charts {
        let message = format!("{chart} is a Helm chart: {} not rendered, and not judged", are(files));
        let help = format!("render it: helm template {} | meshctl lint -", word(chart));
        findings.push(Finding::new(&TEMPLATE_NOT_RENDERED, at, message, help));
    }
    findings.extend(kustomizations(mesh));
    findings.extend(strangers(mesh, templates));
    for finding in findings.iter_mut().filter(|one| std::ptr::eq(one.code, &raw const finding::TEMPLATE_NOT_RENDERED)) {
        finding.help = finding.help.replace("meshctl tls-check -f -", "meshctl lint -");
    }
}

fn are(files: usize) -> String {
    format!("{} {}", count(files, "template"), if files == 1 { "is" } else { "are" })
}

/// A path as a word of a shell command.
fn word(path: &str) -> String {
    let plain = !path.is_empty() && path.chars().all(|c| c.is_alphanumeric() || "/._-+@%,".contains(c));
    if plain { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// The hint for files that nobody named, that say by no word that they are manifests, and that do not parse.
fn strangers(mesh: &Mesh, templates: &Templates) -> Option<Finding> {
    let mut found = mesh.strangers.iter().filter(|at| !templates.contains_key(&*at.file));
    let at = found.next()?.clone();
    let others: Vec<&Location> = found.collect();
    let message = match others.len() {
        0 => format!("{} does not parse, and is taken for no manifest: it has neither apiVersion nor kind", at.file),
        more => format!(
            "{} do not parse, and are taken for no manifests: they have neither apiVersion nor kind ({}, ...)",
            count(more + 1, "file"),
            at.file
        ),
    };
    let help = "leave such files out with exclude in meshctl.yaml; one that is named on the command line must parse";
    let mut finding = Finding::new(&UNPARSABLE_DOCUMENT, at, message, help);
    finding.severity = Severity::Info;
    let related = |at: &Location| Related { message: "neither does this one".to_owned(), at: at.clone() };
    finding.related = others.into_iter().take(NAMED).map(related).collect();
    Some(finding)
}

/// The hint for kustomizations that change what their files say. The files are manifests all the same and are judged as
/// they stand, so it is no error; patches are parts of objects, and are left out.
fn kustomizations(mesh: &Mesh) -> Option<Finding> {
    let mut found: Vec<(String, Location)> = Vec::new();
    let (mut inline, mut patches) = (0, Vec::new());
    for (id, source) in mesh.sources.iter() {
        let (folder, file) = source.path.rsplit_once('/').unwrap_or((".", &source.path));
        if KUSTOMIZATION.contains(&file) && of(&mesh.documents, id).any(|document| changes(document.tree.root())) {
            found.push((folder.to_owned(), mesh.sources.location(id, 0)));
            inline += of(&mesh.documents, id).map(|document| inline_patches(document.tree.root())).sum::<usize>();
        }
        if mesh.options.patches.contains(&*source.path) {
            patches.push((source.path.to_string(), mesh.sources.location(id, 0)));
        }
    }
    let left_out = left_out(patches.len(), inline);
    let (message, help, at) = match found.first().cloned() {
        Some((folder, at)) => (
            format!("{folder} is a kustomization that changes its files: they are judged as they stand{left_out}"),
            format!("judge what it makes: kustomize build {} | meshctl lint -", word(&folder)),
            at,
        ),
        // The kustomization itself was not read: it is called `Kustomization`.
        None => {
            let (file, at) = patches.first()?.clone();
            let folder = file.rsplit_once('/').map_or(".", |(folder, _)| folder);
            let help = format!("judge what comes of it: kustomize build {} | meshctl lint -", word(folder));
            (format!("{file} is a patch of a kustomization, and no object{left_out}"), help, at)
        }
    };
    let mut finding = Finding::new(&TEMPLATE_NOT_RENDERED, at, message, help);
    finding.severity = Severity::Info;
    let others = found.into_iter().skip(1).take(NAMED);
    finding.related = others.map(|(folder, at)| Related { message: format!("{folder} is one too"), at }).collect();
    let patches = patches.into_iter().take(NAMED);
    let patch = |(file, at)| Related { message: format!("{file} is a patch, and no object of its own"), at };
    finding.related.extend(patches.map(patch));
    Some(finding)
}

/// What is not judged, as the end of a sentence.
fn left_out(files: usize, inline: usize) -> String {
    let files = (files > 0).then(|| (files, count(files, "patch file")));
    let inline = match inline {
        0 => None,
        1 => Some((1, "1 inline patch".to_owned())),
        many => Some((many, format!("{many} inline patches"))),
    };
    let (number, words) = match (files, inline) {
        (None, None) => return String::new(),
        (Some((a, files)), Some((b, inline))) => (a + b, format!("{files} and {inline}")),
        (Some(one), None) | (None, Some(one)) => one,
    };
    format!("; {words} {} left out", if number == 1 { "is" } else { "are" })
}

/// Patches that stand in the kustomization itself.
fn inline_patches(root: Node<'_>) -> usize {
    let listed = |key: &str| root.get(key).into_iter().flat_map(Node::items);
    let written = |item: Node<'_>| item.get("patch").is_some_and(|patch| !patch.is_null());
    let merges = listed("patchesStrategicMerge").filter_map(Node::as_str).filter(|text| text.contains('\n'));
    listed("patches").chain(listed("patchesJson6902")).filter(|item| written(*item)).count() + merges.count()
}

fn of(documents: &[Document], source: SourceId) -> impl Iterator<Item = &Document> {
    let first = documents.partition_point(|document| document.source < source);
    documents.get(first..).unwrap_or(&[]).iter().take_while(move |document| document.source == source)
}

/// Whether what kustomize makes is more than the files that the kustomization lists.
fn changes(root: Node<'_>) -> bool {
    let listed = |key: &str| root.get(key).into_iter().flat_map(Node::items);
    let is_file = |path: &str| [".yaml", ".yml", ".json"].iter().any(|ending| path.ends_with(ending));
    let elsewhere = listed("resources").filter_map(Node::as_str).any(|path| path.starts_with("..") || !is_file(path));
    elsewhere || CHANGES.iter().any(|key| root.get(key).is_some_and(|value| !value.is_null()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Sources;
    use crate::model::{Options, load};

    fn run(files: &[(&str, &str)], templates: &[(&str, &str)]) -> Vec<String> {
        run_with(files, templates, Options::default())
    }

    fn run_with(files: &[(&str, &str)], templates: &[(&str, &str)], options: Options) -> Vec<String> {
        let mut sources = Sources::default();
        for (path, text) in files {
            sources.add(path, (*text).to_owned());
        }
        let mesh = load(sources, options);
        let templates = templates.iter().map(|(file, chart)| ((*file).to_owned(), (*chart).to_owned())).collect();
        let mut findings = mesh.findings.clone();
        fold(&mesh, &templates, &mut findings);
        findings.iter().map(|one| format!("{} {} {} | {}", one.at, one.severity, one.message, one.help)).collect()
    }

    #[test]
    fn a_chart_is_one_finding() {
        let template = "{{- if .Values.on }}\nkind: A\n{{- end }}\n";
        let files =
            [("my chart/templates/a.yaml", template), ("my chart/templates/b.yaml", template), ("c.yaml", "a: [")];
        let map = [("my chart/templates/a.yaml", "my chart"), ("my chart/templates/b.yaml", "my chart")];
        let found = run(&files, &map);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("c.yaml:"), "{found:?}");
        assert_eq!(
            found[1],
            "my chart/templates/a.yaml:1:1 error my chart is a Helm chart: 2 templates are not rendered, and not judged | \
             render it: helm template 'my chart' | meshctl lint -"
        );
        assert_eq!(run(&[("c/templates/a.yaml", "a: 1\n")], &[("c/templates/a.yaml", "c")]), Vec::<String>::new());
    }

    #[test]
    fn a_kustomization_that_changes_something_is_named_once() {
        for (text, named) in [
            ("resources: [a.yaml]\n", false),
            ("resources: [a.yaml]\nnamespace: shop\n", true),
            ("resources: [../base]\n", true),
            ("resources: [https://example.com/r]\n", true),
            ("patches: [{path: p.yaml}]\n", true),
        ] {
            let found = run(&[("o/prod/kustomization.yaml", text), ("o/dev/kustomization.yml", text)], &[]);
            assert_eq!(found.len(), usize::from(named), "{text}");
            let want = "o/prod/kustomization.yaml:1:1 info o/prod is a kustomization that changes its files: they are judged \
                        as they stand | judge what it makes: kustomize build o/prod | meshctl lint -";
            assert!(!named || found[0] == want, "{found:?}");
        }
    }

    #[test]
    fn patches_are_counted_and_named() {
        let inline = "patches: [{patch: 'a: 1'}]\npatchesStrategicMerge: [\"a: 1\\nb: 2\", p.yaml]\n";
        let files = "patches: [{path: p.yaml}]\n";
        for (file, text, left_out, end) in [
            ("o/kustomization.yaml", inline, vec![], "as they stand; 2 inline patches are left out | "),
            ("o/kustomization.yaml", files, vec!["o/p.yaml"], "as they stand; 1 patch file is left out | "),
            ("o/kustomization.yaml", inline, vec!["o/p.yaml"], "; 1 patch file and 2 inline patches are left out | "),
            ("o/other.yaml", files, vec!["o/p.yaml"], "o/p.yaml is a patch of a kustomization, and no object; 1 patch"),
        ] {
            let patches = left_out.into_iter().map(str::to_owned).collect();
            let sources = [(file, text), ("o/p.yaml", "kind: A\n")];
            let found = run_with(&sources, &[], Options { patches, ..Options::default() });
            assert!(found.len() == 1 && found[0].contains(end), "{end} {found:?}");
        }
    }

    #[test]
    fn files_that_are_no_manifests_are_one_hint() {
        let bad = "a: [\n";
        let files = [("a.yaml", bad), ("b.json", bad), ("c.yaml", "kind: A\nb: [\n"), ("d.yaml", bad)];
        let walked = ["a.yaml", "b.json", "c.yaml"].map(str::to_owned).into_iter().collect();
        let found = run_with(&files, &[], Options { walked, ..Options::default() });
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("c.yaml:2:4 error") && found[1].starts_with("d.yaml:1:4 error"), "{found:?}");
        assert!(
            found[2].starts_with("a.yaml:1:4 info 2 files do not parse, and are taken for no manifests"),
            "{found:?}"
        );
    }
}
