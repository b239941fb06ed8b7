//! What every Kubernetes object has: a name, labels, an age.

use crate::yaml::Node;
use std::fmt;
use std::sync::Arc;

/// Number of an object in [`crate::model::Mesh::objects`], in input order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// Labels or annotations, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Vec<(Box<str>, Box<str>)>);

impl Labels {
    /// Labels from pairs; the last of equal keys counts.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (Box<str>, Box<str>)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.reverse();
        pairs.dedup_by(|a, b| a.0 == b.0);
        pairs.reverse();
        Self(pairs)
    }

    /// The mapping of strings under a key, e.g. `metadata.labels`. Null values are left out, as the API server does.
    pub(crate) fn read(node: Option<Node<'_>>) -> Self {
        let Some(node) = node else { return Self::default() };
        let pairs = node.entries().filter_map(|(key, value)| Some((key.text()?.into(), value.text()?.into())));
        Self::new(pairs)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// Adds a pair unless the key is there.
    pub(crate) fn add(&mut self, key: &str, value: &str) {
        if let Err(at) = self.0.binary_search_by(|(k, _)| (**k).cmp(key)) {
            self.0.insert(at, (key.into(), value.into()));
        }
    }

    /// Keeps the pairs whose key is wanted.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|(key, _)| wanted(key));
    }

    /// No pair at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Every pair of `self` is one of `other` (`matchLabels`; an empty selector is a subset of anything).
    #[must_use]
    pub fn subset_of(&self, other: &Self) -> bool {
        self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (key, value)) in self.iter().enumerate() {
            write!(f, "{}{key}={value}", if at > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// Name, namespace, labels and age of an object.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Where it is in the input.
    pub id: ObjectId,
    /// Namespace; for cluster-scoped kinds the empty string.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// `metadata.creationTimestamp` (RFC 3339, one-second resolution, so text order is time order), where it has one.
    pub created: Option<Box<str>>,
}

impl Meta {
    /// `namespace/name`, as policies and rules are named in every output.
    #[must_use]
    pub fn slash(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Sort key of configuration objects: age, then name, then namespace
    /// (`pilot/pkg/model/config.go : configCompareByCreationTime`). Objects without a time come last; whether their
    /// order is known at all is [`order_known`]'s question.
    #[must_use]
    pub fn age_key(&self) -> (bool, Option<&str>, &str, &str) {
        (self.created.is_none(), self.created.as_deref(), &self.name, &self.namespace)
    }
}

/// Whether the input says which of two competing objects istiod takes first: only where both have a time.
#[must_use]
pub fn order_known(a: &Meta, b: &Meta) -> bool {
    a.created.is_some() && b.created.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())))
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let all = labels(&[("b", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(all.to_string(), "a=2,b=3");
        assert_eq!((all.get("b"), all.get("c")), (Some("3"), None));
    }

    #[test]
    fn selectors_are_subsets() {
        let pod = labels(&[("app", "web"), ("version", "v1")]);
        for (selector, fits) in
            [(&[][..], true), (&[("app", "web")], true), (&[("app", "x")], false), (&[("tier", "web")], false)]
        {
            assert_eq!(labels(selector).subset_of(&pod), fits, "{selector:?}");
        }
    }
}
