//! What a reader could not take as it stands: kept with its place, never dropped.

use crate::finding::{self, Code};
use crate::yaml::{Kind, Node, NodeId};
use std::borrow::Cow;
use std::fmt::Display;

/// A value that Kubernetes or Istio would refuse.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Which kind of defect.
    pub code: &'static Code,
    /// The value.
    pub node: NodeId,
    /// Its path in the object.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// The issues of one object.
#[derive(Debug, Default)]
pub struct Issues(pub Vec<Issue>);

const MAPPING: &str = "write its fields below it, each as key: value";
const LIST: &str = "begin each of its entries with a dash";
const QUOTES: &str = "put the value in quotes";
const PORT: &str = "a number from 1 to 65535";

/// What stands where something else belongs.
fn what(node: Node<'_>) -> String {
    match (node.kind(), node.text()) {
        (Kind::Map, _) => "a mapping".to_owned(),
        (Kind::Seq, _) => "a list".to_owned(),
        (Kind::Str, Some(text)) if matches!(&*text, "true" | "false") => format!("the string {text:?}"),
        (Kind::Str, Some(text)) => format!("{text:?}"),
        (_, Some(text)) => text.into_owned(),
        (_, None) => "null".to_owned(),
    }
}

/// What Kubernetes makes of a word or number that is written otherwise: `y` is true, `010` is 8.
fn other_than_written(node: Node<'_>) -> Option<String> {
    let (written, text) = (node.written(), node.text()?);
    let kind = match node.kind() {
        Kind::Bool => "boolean",
        Kind::Int => "number",
        _ => return None,
    };
    let differs = !written.eq_ignore_ascii_case(&text);
    differs.then(|| format!("`{written}` is the {kind} {text} in YAML 1.1, which Kubernetes reads"))
}

/// Null and absent are the same to Kubernetes.
fn present(node: Option<Node<'_>>) -> Option<Node<'_>> {
    node.filter(|node| !node.is_null())
}

impl Issues {
    /// Records one.
    pub(crate) fn add(&mut self, node: Node<'_>, path: impl Display, message: String, help: impl Into<String>) {
        self.0.push(Issue {
            code: &finding::INVALID_VALUE,
            node: node.id(),
            path: path.to_string(),
            message,
            help: help.into(),
        });
    }

    /// Records a value of the wrong type.
    fn wrong(&mut self, node: Node<'_>, path: impl Display, must: &str, help: &str) {
        let read = other_than_written(node).map_or_else(String::new, |read| format!(" ({read})"));
        let message = format!("{path} must be {must}, not {}{read}", what(node));
        self.add(node, path, message, help);
    }

    /// A mapping; `None` where there is none, with an issue where it is something else.
    pub(crate) fn mapping<'a>(&mut self, node: Option<Node<'a>>, path: impl Display) -> Option<Node<'a>> {
        let node = present(node)?;
        if node.kind() != Kind::Map {
            self.wrong(node, path, "a mapping", MAPPING);
            return None;
        }
        Some(node)
    }

    /// The mapping below a path of plain keys, every step of which must be one.
    pub(crate) fn descend<'a>(&mut self, root: Node<'a>, path: &str) -> Option<Node<'a>> {
        let mut node = root;
        for (at, key) in path.split('.').enumerate() {
            let below = || path.split('.').take(at + 1).collect::<Vec<_>>().join(".");
            let next = present(node.get(key))?;
            node = if next.kind() == Kind::Map { next } else { self.mapping(Some(next), below())? };
        }
        Some(node)
    }

    /// A list; `None` where there is none, with an issue where it is something else.
    pub(crate) fn sequence<'a>(&mut self, node: Option<Node<'a>>, path: impl Display) -> Option<Node<'a>> {
        let node = present(node)?;
        if node.kind() != Kind::Seq {
            self.wrong(node, path, "a list", LIST);
            return None;
        }
        Some(node)
    }

    /// The mappings of a list, each with its place; what is none is an issue.
    pub(crate) fn mappings<'a>(&mut self, node: Option<Node<'a>>, path: impl Display) -> Vec<(usize, Node<'a>)> {
        let Some(list) = self.sequence(node, &path) else { return Vec::new() };
        let mut found = Vec::with_capacity(list.len());
        for (at, item) in list.items().enumerate() {
            match item.kind() {
                Kind::Map => found.push((at, item)),
                _ => self.wrong(item, format!("{path}[{at}]"), "a mapping", MAPPING),
            }
        }
        found
    }

    /// The strings of a list; a scalar that is none is an issue and stays as text.
    pub(crate) fn strings(&mut self, node: Option<Node<'_>>, path: impl Display) -> Vec<Box<str>> {
        let Some(list) = self.sequence(node, &path) else { return Vec::new() };
        let mut found = Vec::with_capacity(list.len());
        for (at, item) in list.items().enumerate() {
            match item.as_str() {
                Some(text) => found.push(text.into()),
                None => {
                    self.no_string(item, format!("{path}[{at}]"));
                    found.extend(item.text().map(|text| Box::from(text.as_ref())));
                }
            }
        }
        found
    }

    /// `true` or `false`; `None` where there is neither, with an issue where it is something else.
    pub(crate) fn boolean(&mut self, node: Option<Node<'_>>, path: impl Display) -> Option<bool> {
        let node = present(node)?;
        let value = node.as_bool();
        if value.is_none() {
            self.wrong(node, path, "true or false", "write true or false, without quotes");
        }
        value
    }

    /// A whole number; `None` where there is none, with an issue where it is something else.
    pub(crate) fn integer(&mut self, node: Option<Node<'_>>, path: impl Display) -> Option<i64> {
        let node = present(node)?;
        let value = node.as_i64();
        if value.is_none() {
            self.wrong(node, path, "a whole number", "write a number, without quotes");
        }
        value
    }

    /// A string. A scalar that is none is an issue and stays as text; anything else is an issue and `None`.
    pub(crate) fn string<'a>(&mut self, node: Option<Node<'a>>, path: impl Display) -> Option<Cow<'a, str>> {
        let node = present(node)?;
        if node.kind() != Kind::Str {
            self.no_string(node, path);
        }
        node.text()
    }

    /// Records a value that is no string: a number or a word such as `yes` only lacks quotes.
    pub(crate) fn no_string(&mut self, node: Node<'_>, path: impl Display) {
        match node.text() {
            Some(_) => {
                let read = other_than_written(node).map_or_else(String::new, |read| format!("{read}; "));
                self.add(node, &path, format!("{path} must be a string: {read}quote it"), QUOTES);
            }
            None => self.wrong(node, path, "a string", QUOTES),
        }
    }

    /// Records braces of a template in a value that names something: `web-{{ .Release.Name }}` is YAML, and no name.
    pub(crate) fn template(&mut self, node: Option<Node<'_>>, path: &str) {
        let Some(node) = node.filter(|n| n.as_str().is_some_and(|text| text.contains("{{"))) else { return };
        let message = format!("{path} is a template, not a name");
        let help = "render it first, for example: helm template . | meshctl tls-check -f -".to_owned();
        self.0.push(Issue {
            code: &finding::TEMPLATE_NOT_RENDERED,
            node: node.id(),
            path: path.to_owned(),
            message,
            help,
        });
    }

    /// The word of an enum field, or `None` (with an issue) where it is none of them.
    pub(crate) fn word<T: Copy>(
        &mut self,
        node: Option<Node<'_>>,
        path: impl Display,
        words: &[(&str, T)],
    ) -> Option<T> {
        let node = present(node)?;
        let Some(text) = node.text() else {
            self.wrong(node, path, "one word", QUOTES);
            return None;
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = match names.iter().find(|name| name.eq_ignore_ascii_case(&text)) {
            Some(name) => format!("write {name}: such words are upper case"),
            None => format!("one of {}", names.join(", ")),
        };
        let read = other_than_written(node).map_or_else(String::new, |read| format!(": {read}"));
        self.add(node, &path, format!("{text:?} is not a value of {path}{read}"), help);
        None
    }

    /// A port number of 1 to 65535, or `None` (with an issue).
    pub(crate) fn port(&mut self, node: Option<Node<'_>>, path: impl Display) -> Option<u16> {
        let node = present(node)?;
        let port = node.as_i64().and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
        if port.is_none() {
            let text = node.text().map_or_else(|| what(node), |text| format!("{text:?}"));
            self.add(node, path, format!("{text} is not a port number"), PORT);
        }
        port
    }

    /// A port number without which its parent means nothing: that it is absent is an issue too.
    pub(crate) fn required_port(
        &mut self,
        parent: Node<'_>,
        node: Option<Node<'_>>,
        path: impl Display,
    ) -> Option<u16> {
        if present(node).is_none() {
            self.add(parent, &path, format!("{path} is missing"), PORT);
        }
        self.port(node, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse_text;

    /// What one way to read makes of the value of `x`, and the messages.
    fn read<T>(text: &str, read: impl Fn(&mut Issues, Option<Node<'_>>) -> T) -> (T, Vec<String>) {
        let tree = parse_text(text).unwrap();
        let mut issues = Issues::default();
        let value = read(&mut issues, tree.root().get("x"));
        (value, issues.0.into_iter().map(|issue| issue.message).collect())
    }

    #[test]
    fn wrong_types_are_issues_and_absence_is_none() {
        type Way = fn(&mut Issues, Option<Node<'_>>) -> bool;
        let mapping: Way = |issues, node| issues.mapping(node, "x").is_some();
        let list: Way = |issues, node| issues.sequence(node, "x").is_some();
        let boolean: Way = |issues, node| issues.boolean(node, "x").is_some();
        let string: Way = |issues, node| issues.string(node, "x").is_some();
        let number: Way = |issues, node| issues.integer(node, "x").is_some();
        for way in [mapping, list, boolean, string, number] {
            for absent in ["y: 1", "x:", "x: null", "x: ~"] {
                assert_eq!(read(absent, way), (false, Vec::new()), "{absent}");
            }
        }
        for (text, way, found, message) in [
            ("x: {}", mapping, true, ""),
            ("x: STRICT", mapping, false, "x must be a mapping, not \"STRICT\""),
            ("x: [a]", mapping, false, "x must be a mapping, not a list"),
            ("x: 5", mapping, false, "x must be a mapping, not 5"),
            ("x: []", list, true, ""),
            ("x: {}", list, false, "x must be a list, not a mapping"),
            ("x: web", list, false, "x must be a list, not \"web\""),
            ("x: yes", boolean, true, ""),
            ("x: flase", boolean, false, "x must be true or false, not \"flase\""),
            ("x: \"false\"", boolean, false, "x must be true or false, not the string \"false\""),
            ("x: 1", boolean, false, "x must be true or false, not 1"),
            ("x: \"1\"", string, true, ""),
            ("x: 1.10", string, true, "x must be a string: quote it"),
            ("x: true", string, true, "x must be a string: quote it"),
            ("x: 8080", string, true, "x must be a string: quote it"),
            (
                "x: yes",
                string,
                true,
                "x must be a string: `yes` is the boolean true in YAML 1.1, which Kubernetes reads; quote it",
            ),
            (
                "x: &a n\ny: *a",
                string,
                true,
                "x must be a string: `n` is the boolean false in YAML 1.1, which Kubernetes reads; quote it",
            ),
            (
                "x: 010",
                string,
                true,
                "x must be a string: `010` is the number 8 in YAML 1.1, which Kubernetes reads; quote it",
            ),
            (
                "x: on",
                list,
                false,
                "x must be a list, not true (`on` is the boolean true in YAML 1.1, which Kubernetes reads)",
            ),
            ("x: [a]", string, false, "x must be a string, not a list"),
            ("x: 1337", number, true, ""),
            ("x: \"1337\"", number, false, "x must be a whole number, not \"1337\""),
        ] {
            let messages: Vec<String> = Some(message.to_owned()).filter(|m| !m.is_empty()).into_iter().collect();
            assert_eq!(read(text, way), (found, messages), "{text}");
        }
    }

    #[test]
    fn each_item_of_a_list_is_looked_at() {
        let strings = |text| read(text, |issues, node| issues.strings(node, "x").join(","));
        assert_eq!(strings("x: [a, b]"), ("a,b".to_owned(), vec![]));
        assert_eq!(strings("x: [a, 5]"), ("a,5".to_owned(), vec!["x[1] must be a string: quote it".to_owned()]));
        assert_eq!(strings("x: [{}]"), (String::new(), vec!["x[0] must be a string, not a mapping".to_owned()]));
        let mappings =
            |text| read(text, |issues, node| issues.mappings(node, "x").into_iter().map(|(at, _)| at).collect());
        assert_eq!(mappings("x: [{a: 1}, b, {}]"), (vec![0, 2], vec!["x[1] must be a mapping, not \"b\"".to_owned()]));
        assert_eq!(mappings("x: [null]"), (vec![], vec!["x[0] must be a mapping, not null".to_owned()]));
    }

    #[test]
    fn a_path_is_mappings_all_the_way() {
        for (text, found, message) in [
            ("x: {a: {b: {}}}", true, ""),
            ("x: {a: {}}", false, ""),
            ("x: {a: null}", false, ""),
            ("x: {a: [b]}", false, "x.a must be a mapping, not a list"),
            ("x: {a: {b: web}}", false, "x.a.b must be a mapping, not \"web\""),
        ] {
            let tree = parse_text(text).unwrap();
            let mut issues = Issues::default();
            assert_eq!(issues.descend(tree.root(), "x.a.b").is_some(), found, "{text}");
            let messages: Vec<_> = issues.0.iter().map(|issue| issue.message.as_str()).collect();
            assert_eq!(messages.join(""), message, "{text}");
        }
    }

    #[test]
    fn ports_and_words_are_checked() {
        let port = |text| read(text, |issues, node| issues.port(node, "x"));
        assert_eq!(port("x: 8080"), (Some(8080), vec![]));
        assert_eq!(port("x: 0"), (None, vec!["\"0\" is not a port number".to_owned()]));
        assert_eq!(port("x: [80]"), (None, vec!["a list is not a port number".to_owned()]));
        let word = |text| read(text, |issues, node| issues.word(node, "x", &[("ON", 1), ("OFF", 2)]));
        assert_eq!(word("x: \"OFF\""), (Some(2), vec![]));
        let off = "\"false\" is not a value of x: `Off` is the boolean false in YAML 1.1, which Kubernetes reads";
        assert_eq!(word("x: Off"), (None, vec![off.to_owned()]));
        assert_eq!(word("x: {}"), (None, vec!["x must be one word, not a mapping".to_owned()]));
        let tree = parse_text("x: {}").unwrap();
        let mut issues = Issues::default();
        assert_eq!(issues.required_port(tree.root(), None, "x"), None);
        assert_eq!(issues.0.len(), 1);
    }
}
