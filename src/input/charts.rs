//! Finds the Helm charts that files are templates of, and the kustomizations that they are patches of.

use super::files::{read, shown};
use crate::yaml::{self, Node};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The files below the `templates` folder of a chart, as they are shown, each with the folder of its chart. A folder of
/// that name is one of a chart if `Chart.yaml` lies beside it.
#[must_use]
pub fn templates(paths: &[PathBuf]) -> BTreeMap<String, String> {
    let mut charts: BTreeMap<PathBuf, bool> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for path in paths {
        let folders =
            path.ancestors().skip(1).filter(|folder| folder.file_name().is_some_and(|name| name == "templates"));
        // The outermost chart renders those within.
        let outermost = folders.filter_map(Path::parent).filter(|chart| {
            let is_chart = || chart.join("Chart.yaml").is_file();
            charts.get(*chart).copied().unwrap_or_else(|| *charts.entry((*chart).to_owned()).or_insert_with(is_chart))
        });
        if let Some(chart) = outermost.last() {
            let folder = shown(chart);
            found.insert(shown(path), if folder.is_empty() { ".".to_owned() } else { folder });
        }
    }
    found
}

/// The names by which kustomize finds its file (`api/konfig : RecognizedKustomizationFileNames`).
const KUSTOMIZATION: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The files that kustomizations among them, or beside them, name as patches and none as a resource: as they are shown,
/// each with its kustomization. Such a file is part of an object that stands elsewhere.
#[must_use]
pub fn patches(paths: &[PathBuf]) -> BTreeMap<String, String> {
    let mut patches: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut resources: BTreeSet<PathBuf> = BTreeSet::new();
    let folders: BTreeSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    for folder in folders {
        let Some(file) = KUSTOMIZATION.into_iter().map(|name| folder.join(name)).find(|file| file.is_file()) else {
            continue;
        };
        // What cannot be read or does not parse is said where manifests are read.
        let text = read(&file).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(tree) = text.and_then(|text| yaml::parse_text(&text)) else { continue };
        let place = |name: &str| folder.join(name).canonicalize().ok();
        for name in listed(tree.root(), "resources", "") {
            resources.extend(place(name));
        }
        let of_patches = [("patches", "path"), ("patchesJson6902", "path"), ("patchesStrategicMerge", "")];
        for (key, field) in of_patches {
            for name in listed(tree.root(), key, field).filter(|name| !name.contains('\n')) {
                patches.extend(place(name).map(|path| (path, shown(&file))));
            }
        }
    }
    patches.retain(|path, _| !resources.contains(path));
    if patches.is_empty() {
        return BTreeMap::new();
    }
    let of = |path: &PathBuf| Some((shown(path), patches.get(&path.canonicalize().ok()?)?.clone()));
    paths.iter().filter_map(of).collect()
}

/// The texts of a list, or of a field of its items.
fn listed<'a>(root: Node<'a>, key: &str, field: &'static str) -> impl Iterator<Item = &'a str> {
    let items = root.get(key).into_iter().flat_map(Node::items);
    items.filter_map(move |item| if field.is_empty() { Some(item) } else { item.get(field) }).filter_map(Node::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_what_a_kustomization_names_so() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        write(
            "prod/kustomization.yaml",
            "resources: [own.yaml, both.yaml]\npatches: [{path: a.yaml}, {path: both.yaml}, {patch: \"a: 1\"}, {path: gone.yaml}]\n\
             patchesJson6902: [{path: ../shared/b.json}]\npatchesStrategicMerge: [c.yaml, \"kind: A\\nx: 1\"]\n",
        );
        write("dev/Kustomization", "patches: [{path: d.yaml}]\n");
        write("broken/kustomization.yml", "patches: [\n");
        let names = [
            "prod/own.yaml",
            "prod/both.yaml",
            "prod/a.yaml",
            "shared/b.json",
            "prod/c.yaml",
            "dev/d.yaml",
            "broken/e.yaml",
        ];
        let paths: Vec<PathBuf> = names.iter().map(|name| write(name, "")).collect();
        let found = patches(&paths);
        let root = shown(folder.path()) + "/";
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(path, by)| (path.strip_prefix(&root).unwrap(), by.strip_prefix(&root).unwrap()))
            .collect();
        assert_eq!(
            found,
            [
                ("dev/d.yaml", "dev/Kustomization"),
                ("prod/a.yaml", "prod/kustomization.yaml"),
                ("prod/c.yaml", "prod/kustomization.yaml"),
                ("shared/b.json", "prod/kustomization.yaml"),
            ]
        );
    }
}
