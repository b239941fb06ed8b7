//! Arrows point down: which module may use which. The same table stands in the architecture page.

use crate::support::{files, read, root};
use std::path::Path;

/// Every module of the crate root, and what it may use. `cmd` joins everything and stands for no layer.
const ALLOWED: &[(&str, &[&str])] = &[
    ("location", &[]),
    ("words", &[]),
    ("finding", &["location", "words"]),
    ("report", &["finding", "location"]),
    ("yaml", &["finding", "location"]),
    ("model", &["yaml", "finding", "location"]),
    ("mtls", &["model", "report", "finding", "location"]),
    ("pki", &["location"]),
    ("envoy", &["pki", "mtls", "report", "finding", "location"]),
    ("capture", &["pki", "report", "finding", "location"]),
    ("lint", &["model", "yaml", "mtls", "report", "finding", "location", "words"]),
    ("config", &["yaml", "finding", "location", "words"]),
    ("render", &["explain::PAGES", "report", "finding", "location", "words"]),
    ("input", &["yaml", "model::kinds", "model::load", "finding", "location"]),
    ("explain", &["finding", "mtls", "report"]),
    ("cli", &["location"]),
    ("lib", &[]),
];

/// The paths below the crate root that a source names, as `module::item`, with the line. Comments and the test module
/// at the end are left out: tests may reach wherever they need.
fn used(source: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines: Vec<&str> =
        code.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect();
    let text = lines.join("\n");
    // `super` once too often leaves the module, as `crate` does.
    let up = "super::".repeat(depth);
    for root in ["crate::", &up] {
        for (at, _) in text.match_indices(root).filter(|_| !root.is_empty()) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let line = text[..at].matches('\n').count() + 1;
            let rest = &text[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(list) => found.extend(members(list).into_iter().map(|path| (line, path))),
                None => found.push((line, path(rest))),
            }
        }
    }
    found
}

/// `a::b::c` from the front of a text; a list after it is opened by its first level.
fn path(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    text[..end].trim_end_matches(':').to_owned()
}

/// The first paths of `{a, b::{c, d}}`, after its opening brace.
fn members(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut found = Vec::new();
    let mut one = String::new();
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => found.push(path(std::mem::take(&mut one).trim())),
            _ if depth == 0 => one.push(c),
            _ => {}
        }
    }
    found.push(path(one.trim()));
    found.retain(|path| !path.is_empty());
    found
}

/// The edges of one file that the table does not allow.
fn forbidden(file: &Path, source: &str) -> Vec<String> {
    let parts: Vec<&str> = file.iter().map(|part| part.to_str().unwrap().trim_end_matches(".rs")).collect();
    let module = parts[0];
    if ["cmd", "main"].contains(&module) {
        return Vec::new();
    }
    let depth = parts.iter().filter(|part| **part != "mod").count();
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{}: module {module} is not in the table", file.display())];
    };
    let is_allowed = |path: &str| {
        let own = path.split("::").next() == Some(module);
        own || allowed.iter().any(|edge| path == *edge || path.starts_with(&format!("{edge}::")))
    };
    let edges = used(source, depth).into_iter().filter(|(_, path)| !is_allowed(path));
    edges.map(|(line, path)| format!("src/{}:{line}: {module} may not use {path}", file.display())).collect()
}

#[test]
fn modules_use_only_what_stands_below_them() {
    let source = root().join("src");
    let all = files(&source, "rs");
    assert!(all.len() > 30, "the sources were not found");
    let bad: Vec<String> =
        all.iter().flat_map(|file| forbidden(file.strip_prefix(&source).unwrap(), &read(file))).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn main_only_calls_the_library() {
    let main = read(&root().join("src/main.rs"));
    let foreign: Vec<&str> = main.split("meshctl::").skip(1).filter(|rest| !rest.starts_with("cmd::")).collect();
    assert!(foreign.is_empty() && !main.contains("\nmod "), "main uses more than meshctl::cmd: {foreign:?}");
    assert!(main.lines().count() <= 40, "main does something");
}

#[test]
fn a_wrong_edge_is_found_however_it_is_written() {
    for (file, source, wrong) in [
        ("yaml/tree.rs", "use crate::location::Span;", &[][..]),
        ("yaml/tree.rs", "use super::store::Node;", &[]),
        ("yaml/tree.rs", "use crate::yaml::store::Node;", &[]),
        ("yaml/tree.rs", "//! See [`crate::model`].\n    // crate::model::Mesh", &[]),
        ("yaml/tree.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::render::render;\n}", &[]),
        ("yaml/tree.rs", "\nuse crate::model::Mesh;", &["src/yaml/tree.rs:2: yaml may not use model::Mesh"]),
        ("yaml/tree.rs", "use super::super::model;", &["src/yaml/tree.rs:1: yaml may not use model"]),
        ("yaml/mod.rs", "use super::cmd;", &["src/yaml/mod.rs:1: yaml may not use cmd"]),
        ("finding.rs", "let x = crate::report::feed(v);", &["src/finding.rs:1: finding may not use report::feed"]),
        (
            "render/csv.rs",
            "use crate::{report::{Cell, Table}, mtls::{check, outcome}, model as m};",
            &["src/render/csv.rs:1: render may not use mtls", "src/render/csv.rs:1: render may not use model"],
        ),
        ("input/files.rs", "use crate::model::kinds::KINDS;", &[]),
        ("input/files.rs", "use crate::model::Mesh;", &["src/input/files.rs:1: input may not use model::Mesh"]),
        ("cmd/lint.rs", "use crate::model::Mesh;", &[]),
        ("new.rs", "", &["new.rs: module new is not in the table"]),
    ] {
        assert_eq!(forbidden(Path::new(file), source), wrong, "{file}: {source}");
    }
}
