//! MC0402: an ALLOW policy without rules refuses everything, and its name or a comment says that it lets in.
//!
//! `spec: {}` is Istio's own idiom for "allow nothing" and common under such names; only a contradiction is reported.

use crate::lint::authorization::{Action, policies};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::{Mesh, ObjectId};
use crate::yaml::Node;

/// Words of names and comments of policies that are meant to refuse.
const REFUSING: [&str; 15] = [
    "deny", "deni", "nothing", "none", "block", "refuse", "reject", "lock", "forbid", "isolat", "restrict", "zero",
    "nobody", "disallow", "closed",
];

/// Words of names of policies that are meant to let in.
const ADMITTING: [&str; 4] = ["allow", "permit", "accept", "grant"];

/// Phrases of comments that say the same.
const PHRASES: [&str; 12] = [
    "allow all",
    "allows all",
    "allow any",
    "allows any",
    "allow every",
    "allows every",
    "allow traffic",
    "allows traffic",
    "permit all",
    "permits all",
    "accept all",
    "open to all",
];

/// Whether a text speaks of refusing: then it may mean what the policy does.
fn refuses(text: &str) -> bool {
    let text = text.to_lowercase();
    REFUSING.iter().any(|word| text.contains(word))
}

/// Whether a name says that the policy lets in: word by word, so that `marshallow` is not `allow`.
fn name_admits(name: &str) -> bool {
    let name = name.to_lowercase();
    let says = |word: &str| ADMITTING.contains(&word) || word.strip_suffix('s').is_some_and(|w| ADMITTING.contains(&w));
    name.split(|c: char| !c.is_alphanumeric()).any(says) && !refuses(&name)
}

/// Whether a remark does.
fn remark_admits(text: &str) -> bool {
    let lower = text.to_lowercase();
    PHRASES.iter().any(|phrase| lower.contains(phrase)) && !refuses(text)
}

/// Reports each such policy.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for policy in policies(lint) {
        if policy.action != Action::Allow || !policy.rules.is_empty() {
            continue;
        }
        let by_name = name_admits(&policy.name);
        let why = match (by_name, remark(lint, policy.id).filter(|_| !refuses(&policy.name))) {
            (true, _) => format!("its name, {:?}, says that it lets in", policy.name),
            (false, Some(remark)) => format!("a remark on it says that it lets in: {remark:?}"),
            (false, None) => continue,
        };
        let whom = match (policy.selector.is_empty(), policy.namespace == lint.mesh.root) {
            _ if policy.targeted => "its targets".to_owned(),
            (true, true) => "every workload of the mesh".to_owned(),
            (true, false) => format!("every workload of namespace {}", policy.namespace),
            (false, _) => format!("the workloads with {}", policy.selector),
        };
        let path = Path::new("spec");
        let path = if lint.mesh.has(policy.id, &path.key("rules")) { path.key("rules") } else { path };
        out.add(
            policy.id,
            path,
            format!("an ALLOW policy without rules lets nothing in: every call to {whom} is refused that no other ALLOW policy matches; {why}"),
            "to let everything in write rules: [{}]; if nothing is meant, name the policy so (allow-nothing)",
        );
    }
}

/// A comment within or above the object, or an annotation, that says that the policy lets in.
fn remark(lint: &Lint<'_>, id: ObjectId) -> Option<String> {
    let node = lint.node(id)?;
    let annotations = node.find("metadata.annotations").into_iter().flat_map(Node::entries);
    let described = annotations.filter(|(key, _)| key.text().is_some_and(|key| key.ends_with("description")));
    let described: Vec<String> = described.filter_map(|(_, value)| Some(value.text()?.into_owned())).collect();
    let comments = comments(lint.mesh, node).unwrap_or_default();
    comments.into_iter().chain(described).find(|text| remark_admits(text)).map(|text| shortened(&text))
}

/// The comments in an object, in the lines right above it and in those right below.
fn comments(mesh: &Mesh, node: Node<'_>) -> Option<Vec<String>> {
    let span = node.span();
    let text = &mesh.sources.get(span.source)?.text;
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let above = text.get(..span.start as usize)?.lines().rev().take_while(is_comment);
    // The last line may go on after the object's end.
    let inside = text.get(span.start as usize..span.end as usize)?;
    let mut below = text.get(span.end as usize..)?.lines();
    let rest = below.next();
    let lines = above.chain(inside.lines()).chain(rest).chain(below.take_while(is_comment));
    Some(lines.filter_map(comment).map(str::to_owned).collect())
}

/// The comment of a line: `#` at its start or after a space.
fn comment(line: &str) -> Option<&str> {
    let (before, after) = line.split_once('#')?;
    (before.is_empty() || before.ends_with([' ', '\t'])).then(|| after.trim())
}

/// A text that fits into a message.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::authorization::tests::{authorization, found};

    #[test]
    fn names_that_let_in() {
        for (name, admits) in [
            ("allow-all", true),
            ("allow-nothing", false),
            ("deny-all", false),
            ("default-deny", false),
            ("default", false),
            ("httpbin", false),
            ("web-allow-ingress", true),
            ("marshallow", false),
            ("permits-monitoring", true),
            ("open-policy-agent", false),
            ("allow-none", false),
            ("lockdown-allow", false),
            ("", false),
        ] {
            assert_eq!(name_admits(name), admits, "{name}");
        }
    }

    #[test]
    fn only_a_contradiction_is_reported() {
        for (name, spec, want) in [
            ("allow-all", "{}", "spec"),
            ("allow-all", "", "spec"),
            ("allow-all", "{action: ALLOW, rules: []}", "spec.rules"),
            ("allow-all", "{rules: [{}]}", ""),
            ("allow-all", "{action: DENY}", ""),
            ("allow-nothing", "{}", ""),
            ("web", "{}", ""),
            ("web", "{} # Allows all traffic", "spec"),
            ("web", "{} # for now", ""),
            ("deny-all", "{} # allow all is in another file", ""),
        ] {
            let found = found("MC0402", &authorization("shop", name, &format!("\n  # x\n  {spec}")));
            let want: Vec<String> =
                [want].iter().filter(|path| !path.is_empty()).map(|path| format!("{path} warning high")).collect();
            assert_eq!(found, want, "{name} {spec}");
        }
    }

    #[test]
    fn remarks_that_let_in() {
        for (text, yes) in [
            ("Allow all traffic", true),
            ("allows every caller", true),
            ("This denies all; allow all is elsewhere", false),
            ("allow-nothing", false),
            ("owner: team a", false),
        ] {
            assert_eq!(remark_admits(text), yes, "{text}");
        }
    }
}
