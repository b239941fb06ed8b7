//! Who an AuthorizationPolicy lets in or keeps out, as far as rules about workloads ask: the identities that it names.

use super::Lint;
use crate::location::Path;
use crate::model::{Labels, ObjectId};
use crate::yaml::Node;
use std::sync::Arc;

/// The most sources of one policy that are looked at.
const MANY: usize = 1000;

/// An identity, or a namespace of identities, in a policy's `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A service account: namespace and name.
    Account(String, String),
    /// Every service account of a namespace.
    Namespace(String),
}

/// An AuthorizationPolicy whose rules name identities.
pub struct Policy {
    /// The object.
    pub id: ObjectId,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `selector.matchLabels`; empty: every workload of the namespace.
    pub selector: Labels,
    /// `action` is ALLOW, or not written.
    pub allows: bool,
    /// Exact identities in `principals`, `namespaces` and `serviceAccounts` with their places. Patterns are left out.
    pub sources: Vec<(Source, Path)>,
}

/// Every policy that names an identity and is attached by selector.
#[must_use]
pub fn policies(lint: &Lint<'_>) -> Vec<Policy> {
    lint.objects("AuthorizationPolicy").filter_map(|(id, root)| read(lint, id, root)).collect()
}

fn read(lint: &Lint<'_>, id: ObjectId, root: Node<'_>) -> Option<Policy> {
    let object = lint.mesh.objects.get(id.0 as usize)?;
    let spec = root.get("spec")?;
    if ["targetRef", "targetRefs"].iter().any(|key| spec.get(key).is_some()) {
        return None;
    }
    let labels = spec.find("selector.matchLabels").into_iter().flat_map(Node::entries);
    let labels = labels.filter_map(|(key, value)| Some((key.text()?.as_ref().into(), value.text()?.as_ref().into())));
    let sources = sources(spec, &object.namespace);
    (!sources.is_empty()).then(|| Policy {
        id,
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        selector: Labels::new(labels),
        allows: matches!(spec.get("action").and_then(Node::as_str), None | Some("ALLOW")),
        sources,
    })
}

fn sources(spec: Node<'_>, own: &str) -> Vec<(Source, Path)> {
    let mut found = Vec::new();
    for (rule, node) in spec.get("rules").into_iter().flat_map(Node::items).enumerate() {
        for (from, node) in node.get("from").into_iter().flat_map(Node::items).enumerate() {
            let Some(source) = node.get("source") else { continue };
            let path = Path::new("spec.rules").index(rule).key("from").index(from).key("source");
            for key in ["principals", "serviceAccounts", "namespaces"] {
                let words = source.get(key).into_iter().flat_map(Node::items).enumerate();
                let words = words.filter_map(|(at, word)| Some((at, word.as_str()?)));
                found.extend(words.filter_map(|(at, word)| Some((parse(key, word, own)?, path.key(key).index(at)))));
                if found.len() > MANY {
                    return found;
                }
            }
        }
    }
    found
}

fn parse(key: &str, word: &str, own: &str) -> Option<Source> {
    if word.contains('*') {
        return None;
    }
    let account = |namespace: &str, name: &str| Some(Source::Account(namespace.to_owned(), name.to_owned()));
    match key {
        // TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT.
        "principals" => {
            let (rest, name) = word.rsplit_once("/sa/")?;
            let (_, namespace) = rest.rsplit_once("/ns/")?;
            account(namespace, name)
        }
        "serviceAccounts" => match word.split_once('/') {
            Some((namespace, name)) => account(namespace, name),
            None => account(own, word),
        },
        _ => Some(Source::Namespace(word.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_in_three_forms() {
        let account = |namespace: &str| Some(Source::Account(namespace.to_owned(), "web".to_owned()));
        for (key, word, want) in [
            ("principals", "cluster.local/ns/shop/sa/web", account("shop")),
            ("principals", "a.b/c/ns/shop/sa/web", account("shop")),
            ("principals", "*/ns/shop/sa/web", None),
            ("principals", "web", None),
            ("serviceAccounts", "shop/web", account("shop")),
            ("serviceAccounts", "web", account("own")),
            ("namespaces", "shop", Some(Source::Namespace("shop".to_owned()))),
            ("namespaces", "shop-*", None),
        ] {
            assert_eq!(parse(key, word, "own"), want, "{key} {word}");
        }
    }
}
