//! What a reader could not take as it stands: kept with its place, never dropped.

use crate::finding::{self, Code};
use crate::yaml::{Node, NodeId};

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

impl Issues {
    /// Records one.
    pub(crate) fn add(&mut self, node: Node<'_>, path: impl Into<String>, message: String, help: impl Into<String>) {
        self.0.push(Issue {
            code: &finding::INVALID_VALUE,
            node: node.id(),
            path: path.into(),
            message,
            help: help.into(),
        });
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
        path: impl Fn() -> String,
        words: &[(&str, T)],
    ) -> Option<T> {
        let node = node.filter(|n| !n.is_null())?;
        let text = node.text().unwrap_or_default();
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = match names.iter().find(|name| name.eq_ignore_ascii_case(&text)) {
            Some(name) => format!("write {name}: such words are upper case"),
            None => format!("one of {}", names.join(", ")),
        };
        self.add(node, path(), format!("{:?} is not a value of {}", text, path()), help);
        None
    }

    /// A port number of 1 to 65535, or `None` (with an issue).
    pub(crate) fn port(&mut self, node: Option<Node<'_>>, path: impl Fn() -> String) -> Option<u16> {
        let node = node.filter(|n| !n.is_null())?;
        let port = node.as_i64().and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
        if port.is_none() {
            let text = node.text().unwrap_or_default();
            self.add(node, path(), format!("{text:?} is not a port number"), "a number from 1 to 65535");
        }
        port
    }
}
