//! MC0403: a principal of a trust domain that is none of the mesh's: no caller ever has it.
//!
//! istiod writes every alias into a policy for the trust domain that the policy names, and `cluster.local` always means
//! the mesh's own (`pilot/pkg/security/trustdomain/bundle.go`), but in full principals only.

use crate::finding::Confidence;
use crate::lint::authorization::{Field, policies};
use crate::lint::{Lint, Out};
use std::collections::BTreeSet;

/// The trust domain that policies may name whatever the mesh's is.
const ANY_MESH: &str = "cluster.local";

/// What is wrong with a principal.
#[derive(Debug, PartialEq, Eq)]
enum Wrong<'a> {
    /// `spiffe://`, which istiod puts in front itself.
    Scheme,
    /// The trust domain.
    Domain(&'a str),
}

/// Reports each unknown trust domain once for each policy.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let config = &lint.mesh.config;
    let mut known: Vec<&str> = vec![&lint.mesh.trust_domain];
    known.extend(config.other_trust_domains.iter().map(|name| &**name));
    let settings = lint.mesh.config_from.is_some()
        || lint.mesh.options.mesh_config.is_some()
        || lint.mesh.options.trust_domain.is_some();
    for policy in policies(lint) {
        let mut seen = BTreeSet::new();
        for field in policy.rules.iter().flat_map(|rule| rule.fields()).filter(|field| names_principals(field)) {
            for (at, value) in field.values.iter().enumerate() {
                let Some(wrong) = wrong(value, &known) else { continue };
                let (domain, message, help) = words(&wrong, value, &known);
                if !seen.insert(domain) {
                    continue;
                }
                let finding = out.add(policy.id, field.path.index(at), message, help);
                // Without the mesh's settings its trust domain is assumed.
                if !settings && matches!(wrong, Wrong::Domain(_)) {
                    finding.confidence = Confidence::Low;
                }
            }
        }
    }
}

fn names_principals(field: &Field) -> bool {
    matches!(&*field.name, "principals" | "notPrincipals" | "source.principal")
}

fn words(wrong: &Wrong<'_>, value: &str, known: &[&str]) -> (String, String, String) {
    match wrong {
        Wrong::Scheme => (
            "spiffe:".to_owned(),
            format!("no caller ever is {value:?}: spiffe:// is put in front of what a policy says"),
            format!("replace {value:?} by {:?}", value.trim_start_matches("spiffe://")),
        ),
        Wrong::Domain(domain) => (
            (*domain).to_owned(),
            format!(
                "no caller ever is {value:?}: {domain:?} is neither the mesh's trust domain ({}) nor an alias of it",
                known.first().copied().unwrap_or_default()
            ),
            format!(
                "replace {domain:?} by {ANY_MESH:?} (in full principals it stands for the mesh's trust domain and its aliases), or add {domain:?} to trustDomainAliases in meshConfig"
            ),
        ),
    }
}

/// What makes a principal match nobody. `*` at either end matches what is left out (`matcher.StringMatcherWithPrefix`).
fn wrong<'a>(principal: &'a str, known: &[&str]) -> Option<Wrong<'a>> {
    if principal.starts_with("spiffe://") {
        return Some(Wrong::Scheme);
    }
    let (domain, rest) = principal.split_once('/').unwrap_or((principal, ""));
    let full = principal.split('/').count() == 5;
    if let Some(ending) = domain.strip_prefix('*') {
        // Of a shorter one the star may stand for more than the trust domain.
        let fits = !full || known.iter().any(|name| name.ends_with(ending));
        return (!fits).then_some(Wrong::Domain(domain));
    }
    if let Some(start) = domain.strip_suffix('*').filter(|_| rest.is_empty() || full) {
        let fits = known.iter().any(|name| name.starts_with(start));
        return (!fits).then_some(Wrong::Domain(domain));
    }
    let stands_for_all = full && domain == ANY_MESH;
    (!stands_for_all && !known.contains(&domain)).then_some(Wrong::Domain(domain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::authorization::tests::{authorization, found};

    #[test]
    fn each_trust_domain_once_and_unsure_without_settings() {
        let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: \"trustDomain: prod.example\"}\n---\n";
        let policy = authorization(
            "shop",
            "p",
            "{rules: [{from: [{source: {principals: [a/ns/x/sa/y, prod.example/ns/x/sa/y, a/ns/x/sa/z]}}], when: [{key: source.principal, notValues: ['b*', spiffe://a]}]}]}",
        );
        let paths = |sure: &str, first: &str| {
            let row = |path: &str, sure: &str| format!("spec.rules[0].{path} warning {sure}");
            [row(first, sure), row("when[0].notValues[0]", sure), row("when[0].notValues[1]", "high")]
        };
        let principals = "from[0].source.principals[0]";
        assert_eq!(found("MC0403", &format!("{config}{policy}")), paths("high", principals));
        // prod.example is a stranger too where cluster.local is assumed.
        let mut assumed = paths("low", principals).to_vec();
        assumed.insert(1, "spec.rules[0].from[0].source.principals[1] warning low".to_owned());
        assert_eq!(found("MC0403", &policy), assumed);
    }

    #[test]
    fn trust_domains_are_known_or_patterns() {
        let known = ["prod.example", "old.example"];
        for (principal, want) in [
            ("*", None),
            ("prod.example/ns/a/sa/b", None),
            ("old.example/ns/a/sa/b", None),
            ("cluster.local/ns/a/sa/b", None),
            ("cluster.local/ns/a/*", Some(Wrong::Domain("cluster.local"))),
            ("prod.example/ns/a/*", None),
            ("*/ns/a/sa/b", None),
            ("*/sa/b", None),
            ("*.example/ns/a/sa/b", None),
            ("*.test/ns/a/sa/b", Some(Wrong::Domain("*.test"))),
            ("prod*", None),
            ("test*", Some(Wrong::Domain("test*"))),
            ("test.example/ns/a/sa/b", Some(Wrong::Domain("test.example"))),
            ("ns/a/sa/b", Some(Wrong::Domain("ns"))),
            ("spiffe://prod.example/ns/a/sa/b", Some(Wrong::Scheme)),
            ("", Some(Wrong::Domain(""))),
        ] {
            assert_eq!(wrong(principal, &known), want, "{principal}");
        }
    }
}
