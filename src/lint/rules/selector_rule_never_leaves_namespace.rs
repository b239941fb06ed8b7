//! MC0215: a rule with workloadSelector acts in its own namespace only, whatever `exportTo` says (istio-mtls.md 2.3).

use crate::lint::{Lint, Out};
use crate::location::Path;

/// Reports each such rule whose `exportTo` names more.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for rule in lint.mesh.rules.iter().filter(|rule| rule.selector.is_some()) {
        let Some(written) = lint.node(rule.meta.id).and_then(|node| node.find("spec.exportTo")) else { continue };
        let beyond = |word: &str| word != "." && *word != *rule.meta.namespace;
        let words: Vec<_> = written.items().filter_map(|item| item.text()).filter(|word| beyond(word)).collect();
        if words.is_empty() {
            continue;
        }
        out.add(
            rule.meta.id,
            Path::new("spec.exportTo"),
            format!(
                "exportTo names {}, but a rule with workloadSelector never leaves namespace {}",
                words.join(", "),
                rule.meta.namespace
            ),
            "replace exportTo by [\".\"], or write a rule without workloadSelector for other namespaces",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{codes, rule};

    #[test]
    fn only_with_a_selector_and_beyond_the_namespace() {
        for (export, selector, want) in [
            ("['*']", true, "MC0215 spec.exportTo"),
            ("[., other]", true, "MC0215 spec.exportTo"),
            ("[.]", true, ""),
            ("[shop]", true, ""),
            ("['*']", false, ""),
        ] {
            let selector = if selector { ", workloadSelector: {matchLabels: {app: a}}" } else { "" };
            assert_eq!(codes(&rule(&format!("exportTo: {export}{selector}")), &["MC0215"]), want, "{export}");
        }
    }
}
