//! Fields that several kinds share.

use super::issue::Issues;
use crate::yaml::Node;
use std::fmt::Display;

/// `exportTo` as a set.
pub(super) fn export_to(node: Option<Node<'_>>, path: impl Display, issues: &mut Issues) -> Vec<Box<str>> {
    let mut set = issues.strings(node, path);
    set.sort();
    set.dedup();
    set
}

/// A field of a text that istiod reads as protobuf's JSON (meshConfig, `proxy.istio.io/config`), which takes the names
/// of the proto file too: `enableAutoMtls` and `enable_auto_mtls`.
pub(super) fn proto<'a>(node: Node<'a>, key: &str) -> Option<Node<'a>> {
    node.get(key).or_else(|| {
        let mut snake = String::with_capacity(key.len() + 4);
        for letter in key.chars() {
            if letter.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(letter.to_ascii_lowercase());
        }
        node.get(&snake)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse_text;

    #[test]
    fn export_to_is_a_set() {
        let tree = parse_text("x: [b, a, b]\nz: .").unwrap();
        let mut issues = Issues::default();
        assert_eq!(export_to(tree.root().get("x"), "x", &mut issues).join(","), "a,b");
        assert!(issues.0.is_empty());
        assert!(export_to(tree.root().get("z"), "z", &mut issues).is_empty());
        assert_eq!(issues.0.len(), 1);
    }

    #[test]
    fn both_names_of_a_proto_field_are_read() {
        let tree = parse_text("enable_auto_mtls: false\nrootNamespace: a\nroot_namespace: b").unwrap();
        let text = |key| proto(tree.root(), key).and_then(Node::text);
        for (key, want) in [("enableAutoMtls", Some("false")), ("rootNamespace", Some("a")), ("trustDomain", None)] {
            assert_eq!(text(key).as_deref(), want, "{key}");
        }
    }
}
