//! What every Kubernetes object has: a name, labels, an age.

use super::issue::Issues;
use crate::yaml::Node;
use std::fmt;
use std::sync::Arc;

/// Number of an object in [`crate::model::Mesh::objects`], in input order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// Labels or annotations, sorted by key. A copy is the same list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

impl Labels {
    /// Labels from pairs; the last of equal keys counts.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (Box<str>, Box<str>)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.reverse();
        pairs.dedup_by(|a, b| a.0 == b.0);
        pairs.reverse();
        Self(pairs.into())
    }

    /// The mapping of strings under a key, e.g. `metadata.labels`. Null values are left out; what else is no string is an
    /// issue, and a scalar stays as text.
    pub(crate) fn read(node: Option<Node<'_>>, path: impl fmt::Display, issues: &mut Issues) -> Self {
        Self::read_pairs(node, path, false, issues)
    }

    /// `matchLabels` and the like. A null value is an issue too: without it the selector would select more.
    pub(crate) fn read_selector(node: Option<Node<'_>>, path: impl fmt::Display, issues: &mut Issues) -> Self {
        Self::read_pairs(node, path, true, issues)
    }

    fn read_pairs(node: Option<Node<'_>>, path: impl fmt::Display, selects: bool, issues: &mut Issues) -> Self {
        let Some(node) = issues.mapping(node, &path) else { return Self::default() };
        let mut pairs = Vec::with_capacity(node.len());
        for (key, value) in node.entries() {
            let Some(name) = key.text() else { continue };
            if value.as_str().is_none() && (selects || !value.is_null()) {
                issues.no_string(value, format_args!("{path}[\"{name}\"]"));
            }
            pairs.extend(value.text().map(|text| (name.as_ref().into(), text.as_ref().into())));
        }
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
            let mut pairs = self.0.to_vec();
            pairs.insert(at, (key.into(), value.into()));
            self.0 = pairs.into();
        }
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
    /// The operator of OpenShift Service Mesh makes it while the mesh installs: older than what has no time (8.3).
    pub made: bool,
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
        (self.created.is_none() && !self.made, self.created.as_deref(), &self.name, &self.namespace)
    }
}

/// `metadata.creationTimestamp` to the second; `None` (with an issue) where it is no time as the API server writes it.
pub(super) fn read_created(node: Option<Node<'_>>, issues: &mut Issues) -> Option<Box<str>> {
    let node = node.filter(|node| !node.is_null())?;
    let created = node.as_str().and_then(to_the_second);
    if created.is_none() {
        let path = "metadata.creationTimestamp";
        let message = format!("{path} is no time in UTC");
        issues.add(node, path, message, "YYYY-MM-DDTHH:MM:SSZ, as the API server writes it; or leave it out");
    }
    created
}

/// `YYYY-MM-DDTHH:MM:SSZ` of the same with a fraction of a second. Text order must be time order, so nothing else will do.
fn to_the_second(text: &str) -> Option<Box<str>> {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let rest = text.strip_suffix('Z')?;
    let (time, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let fits = time.len() == SHAPE.len()
        && SHAPE.iter().zip(time.bytes()).all(|(want, byte)| match want {
            b'd' => byte.is_ascii_digit(),
            other => *other == byte,
        });
    let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    (fits && digits).then(|| format!("{time}Z").into())
}

/// Whether the input says which of two competing objects istiod takes first: where both have a time, or where one is of
/// the operator's own making, or made of backend policies and so before every other.
#[must_use]
pub fn order_known(a: &Meta, b: &Meta) -> bool {
    let first = |meta: &Meta| meta.created.as_deref() == Some("");
    (a.created.is_some() && b.created.is_some()) || a.made || b.made || first(a) || first(b)
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

    #[test]
    fn values_that_are_no_strings_are_issues() {
        for (text, labels, selector, want) in [
            ("x: {app: web}", 0, 0, "app=web"),
            ("x: {version: 1.10}", 1, 1, "version=1.1"),
            ("x: {on: \"yes\"}", 0, 0, "true=yes"),
            ("x: {app: yes}", 1, 1, "app=true"),
            ("x: {app: , tier: a}", 0, 1, "tier=a"),
            ("x: {app: [web]}", 1, 1, ""),
            ("x: [app]", 1, 1, ""),
            ("x: app", 1, 1, ""),
            ("x:", 0, 0, ""),
            ("y:", 0, 0, ""),
        ] {
            let tree = crate::yaml::parse_text(text).unwrap();
            let node = tree.root().get("x");
            let (mut first, mut second) = (Issues::default(), Issues::default());
            assert_eq!(Labels::read(node, "x", &mut first).to_string(), want, "{text}");
            assert_eq!(Labels::read_selector(node, "x", &mut second).to_string(), want, "{text}");
            assert_eq!((first.0.len(), second.0.len()), (labels, selector), "{text}");
        }
    }

    #[test]
    fn times_are_utc_to_the_second() {
        for (text, want) in [
            ("2024-01-02T03:04:05Z", Some("2024-01-02T03:04:05Z")),
            ("\"2024-01-02T03:04:05Z\"", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05.678Z", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05.Z", None),
            ("2024-01-02T03:04:05.6x8Z", None),
            ("2024-01-02T03:04:05", None),
            ("2024-01-02T03:04:05+01:00", None),
            ("2024-01-02 03:04:05Z", None),
            ("2024-01-02t03:04:05z", None),
            ("2024-1-2T03:04:05Z", None),
            ("20240-01-2T03:04:05Z", None),
            ("yesterday", None),
            ("1704164645", None),
            ("{}", None),
        ] {
            let tree = crate::yaml::parse_text(&format!("x: {text}")).unwrap();
            let mut issues = Issues::default();
            assert_eq!(read_created(tree.root().get("x"), &mut issues).as_deref(), want, "{text}");
            assert_eq!(issues.0.len(), usize::from(want.is_none()), "{text}");
        }
        let mut issues = Issues::default();
        let tree = crate::yaml::parse_text("x: null").unwrap();
        assert_eq!(read_created(tree.root().get("x"), &mut issues), None);
        assert!(issues.0.is_empty());
    }
}
