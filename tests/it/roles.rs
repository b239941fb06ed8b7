//! The roles of `docs/cluster.md` are what the table of kinds makes a cluster be asked for, no more and no less.

use crate::support::{read, root};
use meshctl::model::kinds::{KINDS, KindRow, List};
use meshctl::yaml;
use std::collections::BTreeSet;

/// Group, resource and verb.
type Rule = (String, String, String);

/// The rules of a role of the page.
fn documented(kind: &str, name: &str) -> BTreeSet<Rule> {
    let page = read(&root().join("docs/cluster.md"));
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    for text in blocks.flat_map(|block| block.split("---\n")) {
        let tree = yaml::parse_text(text).unwrap_or_else(|| panic!("no YAML: {text}"));
        let role = tree.root();
        let named = role.get("metadata").and_then(|meta| meta.get("name")).and_then(|name| name.as_str());
        if role.get("kind").and_then(|kind| kind.as_str()) != Some(kind) || named != Some(name) {
            continue;
        }
        let mut found = BTreeSet::new();
        for rule in role.get("rules").unwrap().items() {
            let words = |key: &str| -> Vec<String> {
                rule.get(key).unwrap().items().map(|word| word.as_str().unwrap().to_owned()).collect()
            };
            for group in words("apiGroups") {
                for resource in words("resources") {
                    for verb in words("verbs") {
                        let rule = (group.clone(), resource.clone(), verb);
                        assert!(found.insert(rule.clone()), "{kind} {name} has {rule:?} twice");
                    }
                }
            }
        }
        return found;
    }
    panic!("docs/cluster.md has no {kind} {name}")
}

/// A kind as it stands in paths, by the rule that the API server has for custom kinds and Kubernetes' own follow.
fn resource(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        _ if lower.ends_with('s') => lower,
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{lower}s"),
    }
}

fn rule(row: &KindRow, verb: &str) -> Rule {
    (row.group.to_owned(), resource(row.kind), verb.to_owned())
}

/// What tls-check asks for; `whole`: of the whole cluster, else of single namespaces.
fn checked(whole: bool) -> BTreeSet<Rule> {
    let mut wanted = BTreeSet::new();
    for row in KINDS.iter().filter(|row| whole || row.namespaced) {
        match row.list {
            List::Check | List::Unless(_) => wanted.insert(rule(row, "list")),
            List::Named => wanted.insert(rule(row, "get")),
            List::Lint | List::Never => false,
        };
    }
    // Those of -n are asked for by name.
    wanted.insert(("".into(), "namespaces".into(), "get".into()));
    wanted
}

#[test]
fn the_roles_of_the_page_are_the_kinds_that_are_asked_for() {
    assert_eq!(documented("ClusterRole", "meshctl"), checked(true));
    assert_eq!(documented("Role", "meshctl"), checked(false));
    let lint = KINDS.iter().filter(|row| row.list == List::Lint).map(|row| rule(row, "list"));
    assert_eq!(documented("ClusterRole", "meshctl-lint"), lint.collect());
}

#[test]
fn no_role_of_the_page_can_change_anything_or_read_a_secret() {
    for name in ["meshctl", "meshctl-lint", "meshctl-authz-check"] {
        for (group, resource, verb) in documented("ClusterRole", name) {
            let asks = resource == "pods/exec" || resource == "pods/portforward";
            assert!(matches!(&*verb, "get" | "list") || asks && verb == "create", "{name}: {verb} {resource}");
            assert!(resource != "secrets" && resource != "*" && group != "*", "{name}: {resource}");
        }
    }
}
