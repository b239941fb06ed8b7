//! RBAC rules: what they say, in words, and what they rest on.

use super::model::{Action, Layer, Policy, Rbac, Rules};
use super::tree::Node;
use super::words;

/// Reads an RBAC configuration. A matcher takes the place of rules (Envoy, `rbac.proto`), and is not understood.
pub fn read(node: &Node<'_>, layer: Layer) -> Rbac {
    let (rules, is_odd) = rules(node.get("rules"), node.has("matcher"));
    let (shadow, is_shadow_odd) = self::rules(node.get("shadow_rules"), node.has("shadow_matcher"));
    Rbac {
        layer,
        rules,
        shadow,
        shadow_prefix: node.get("shadow_rules_stat_prefix").text().unwrap_or_default().to_owned(),
        odd: is_odd || is_shadow_odd || !matches!(node, Node::Map(_) | Node::Null),
    }
}

/// Reads rules, and says whether they have something that is not understood: then nothing is known of what they do.
/// Absent rules enforce nothing; empty ones are an ALLOW that lets nothing pass.
fn rules(node: &Node<'_>, has_matcher: bool) -> (Option<Rules>, bool) {
    if has_matcher || node.is_null() {
        return (None, has_matcher);
    }
    let said = node.get("action");
    let action = match said.one_of(&["ALLOW", "DENY", "LOG"]) {
        Some("DENY") => Action::Deny,
        Some("LOG") => Action::Audit,
        Some(_) => Action::Allow,
        None if said.is_null() => Action::Allow,
        None => return (None, true),
    };
    let policies = node.get("policies");
    let is_map = |node: &Node<'_>| matches!(node, Node::Map(_));
    if !is_map(node) || !(policies.is_null() || is_map(policies)) {
        return (None, true);
    }
    let mut policies: Vec<Policy> = policies.entries().map(|(name, one)| words::policy(name, one)).collect();
    policies.sort_by(|a, b| a.name.cmp(&b.name));
    (Some(Rules { action, policies }), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::tree::Tree;
    use serde::de::DeserializeSeed;

    fn rbac(text: &str) -> Rbac {
        read(&Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap(), Layer::Http)
    }

    #[test]
    fn absent_and_empty_rules_are_not_the_same() {
        assert_eq!(rbac("{}").rules, None);
        assert_eq!(rbac(r#"{"rules": null}"#).rules, None);
        assert_eq!(rbac(r#"{"rules": {}}"#).rules, Some(Rules::default()));
    }

    #[test]
    fn actions_by_name_and_number() {
        for (said, action) in [
            ("\"ALLOW\"", Some(Action::Allow)),
            ("\"DENY\"", Some(Action::Deny)),
            ("1", Some(Action::Deny)),
            ("\"LOG\"", Some(Action::Audit)),
            ("2", Some(Action::Audit)),
            ("\"MAYBE\"", None),
            ("\"deny\"", None),
            ("9", None),
        ] {
            let found = rbac(&format!(r#"{{"rules": {{"action": {said}, "policies": {{"b": {{}}, "a": {{}}}}}}}}"#));
            assert_eq!(
                (found.rules.as_ref().map(|rules| rules.action), found.odd),
                (action, action.is_none()),
                "{said}"
            );
            let names: Vec<&str> = found.rules.iter().flat_map(|rules| &rules.policies).map(|one| &*one.name).collect();
            assert_eq!(names, if action.is_some() { vec!["a", "b"] } else { Vec::new() });
        }
    }

    #[test]
    fn what_is_not_understood_is_no_rule() {
        for odd in [
            r#"{"matcher": {}}"#,
            r#"{"shadow_matcher": {}}"#,
            r#"{"rules": {"policies": {}}, "matcher": {}}"#,
            r#"{"rules": []}"#,
            r#"{"rules": {"policies": 1}}"#,
            "7",
        ] {
            let found = rbac(odd);
            assert!(found.odd && found.rules.is_none(), "{odd}");
        }
    }
}
