//! The RBAC manifest that gives what is missing, and nothing more.

use super::report::{Answer, Row};
use std::collections::{BTreeMap, BTreeSet};

/// Its name: one of its own, so that applying it takes nothing away.
const NAME: &str = "meshctl-missing";

/// What one rule gives: group, verbs, and the objects by name (none: all).
type Rule<'a> = (&'a str, BTreeSet<&'a str>, BTreeSet<&'a str>);

/// The manifest, for the user; `None` where nothing is missing.
pub(super) fn manifest(rows: &[Row], user: Option<&str>) -> Option<String> {
    let mut places: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.answer == Answer::Denied) {
        places.entry(&row.namespace).or_default().push(row);
    }
    let documents: Vec<String> = places.iter().map(|(place, rows)| document(place, rows, user)).collect();
    (!documents.is_empty()).then(|| documents.join("---\n"))
}

fn document(place: &str, rows: &[&Row], user: Option<&str>) -> String {
    let kind = if place.is_empty() { "ClusterRole" } else { "Role" };
    let mut verbs: BTreeMap<(&str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        verbs.entry((&row.group, &row.resource, &row.name)).or_default().insert(&row.verb);
    }
    // Names of one resource stand in one rule, and so do resources that are wanted as a whole.
    let mut named: BTreeMap<(&str, &str, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    let mut rules: BTreeMap<Rule<'_>, Vec<&str>> = BTreeMap::new();
    for ((group, resource, name), verbs) in verbs {
        if name.is_empty() {
            rules.entry((group, verbs, BTreeSet::new())).or_default().push(resource);
        } else {
            named.entry((group, resource, verbs)).or_default().insert(name);
        }
    }
    for ((group, resource, verbs), names) in named {
        rules.entry((group, verbs, names)).or_default().push(resource);
    }
    let head = |kind: &str| {
        let place = if place.is_empty() { String::new() } else { format!("  namespace: {}\n", quoted(place)) };
        format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {NAME}\n{place}")
    };
    let mut text = format!("{}rules:\n", head(kind));
    for ((group, verbs, names), resources) in rules {
        text.push_str(&format!("- apiGroups: [{}]\n  resources:\n", quoted(group)));
        text.extend(resources.iter().map(|resource| format!("  - {}\n", quoted(resource))));
        for (key, words) in [("resourceNames", names), ("verbs", verbs)] {
            let words: Vec<String> = words.into_iter().map(quoted).collect();
            if !words.is_empty() {
                text.push_str(&format!("  {key}: [{}]\n", words.join(", ")));
            }
        }
    }
    let role = format!("roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {NAME}\n");
    format!("{text}---\n{}{role}subjects:\n{}", head(&format!("{kind}Binding")), subject(user))
}

/// Who is given it: a service account by its parts, anyone else by name.
fn subject(user: Option<&str>) -> String {
    let account = user.and_then(|user| user.strip_prefix("system:serviceaccount:")?.split_once(':'));
    match account {
        Some((namespace, name)) => {
            format!("- kind: ServiceAccount\n  name: {}\n  namespace: {}\n", quoted(name), quoted(namespace))
        }
        None => {
            let name = quoted(user.unwrap_or("USER"));
            format!("- kind: User\n  apiGroup: rbac.authorization.k8s.io\n  name: {name}\n")
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verb: &str, group: &str, resource: &str, namespace: &str, name: &str, answer: Answer) -> Row {
        let row = Row::new(verb, group, resource, namespace, String::new());
        Row { name: name.to_owned(), answer, ..row }
    }

    #[test]
    fn what_is_missing_is_given_and_nothing_else() {
        let rows = [
            row("list", "", "pods", "a", "", Answer::Denied),
            row("get", "", "pods", "a", "", Answer::Denied),
            row("list", "", "services", "a", "", Answer::Denied),
            row("list", "apps", "deployments", "a", "", Answer::Allowed),
            row("get", "", "namespaces", "", "b", Answer::Denied),
            row("get", "", "namespaces", "", "a", Answer::Denied),
            row("get", "", "pods/exec", "a", "", Answer::NotNeeded),
        ];
        let text = manifest(&rows, Some("system:serviceaccount:ci:bot")).unwrap();
        let want = r#"apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: meshctl-missing
rules:
- apiGroups: [""]
  resources:
  - "namespaces"
  resourceNames: ["a", "b"]
  verbs: ["get"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: meshctl-missing
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: meshctl-missing
subjects:
- kind: ServiceAccount
  name: "bot"
  namespace: "ci"
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: meshctl-missing
  namespace: "a"
rules:
- apiGroups: [""]
  resources:
  - "pods"
  verbs: ["get", "list"]
- apiGroups: [""]
  resources:
  - "services"
  verbs: ["list"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: meshctl-missing
  namespace: "a"
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: meshctl-missing
subjects:
- kind: ServiceAccount
  name: "bot"
  namespace: "ci"
"#;
        assert_eq!(text, want);
        assert!(manifest(rows.get(3..4).unwrap(), None).is_none());
    }
}
