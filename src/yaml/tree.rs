//! The tree of one document, and how to walk it.

use super::scalar::Scalar;
use super::store::{Finished, Kind, Raw};
use crate::location::{Path, SourceId, Span, Step};
use std::borrow::Cow;
use std::sync::Arc;

/// Number of a node within its [`Tree`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// One document as a tree. Aliases make it a graph without cycles: two parents may share a child.
#[derive(Debug)]
pub struct Tree {
    pub(super) source: SourceId,
    pub(super) text: Arc<str>,
    pub(super) parts: Finished,
    pub(super) root: u32,
}

impl Tree {
    /// The node that holds all others.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        self.node(NodeId(self.root))
    }

    /// The node of that number; a null where there is none.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Node<'_> {
        Node { tree: self, id: id.0 }
    }

    /// Where its scalars stand, keys too, as (first byte, one past the last), in the order of the text.
    #[must_use]
    pub fn scalars(&self) -> Vec<(u32, u32)> {
        let scalar = |raw: &&Raw| !matches!(raw.kind, Kind::Seq | Kind::Map) && raw.end > raw.start;
        let mut spans: Vec<_> = self.parts.nodes.iter().filter(scalar).map(|raw| (raw.start, raw.end)).collect();
        spans.sort_unstable();
        spans
    }
}

/// One node of a [`Tree`].
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    tree: &'a Tree,
    id: u32,
}

impl<'a> Node<'a> {
    fn raw(self) -> Raw {
        self.tree.parts.raw(self.id)
    }

    fn at(self, id: u32) -> Self {
        Self { tree: self.tree, id }
    }

    fn children(self) -> &'a [u32] {
        self.tree.parts.below(self.raw())
    }

    /// Its number in the tree.
    #[must_use]
    pub fn id(self) -> NodeId {
        NodeId(self.id)
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.raw().kind
    }

    /// Is it null, written or left empty?
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    fn is_key(self, key: &str) -> bool {
        let raw = self.raw();
        self.tree.parts.json(&self.tree.text, raw).is_some_and(|text| text == key)
    }

    /// The key and value of an entry of a mapping.
    fn entry(self, key: &str) -> Option<(Self, Self)> {
        self.entries().find(|(name, _)| name.is_key(key))
    }

    /// The value of a key of a mapping, merged ones included. A value of null is a null node; `None` where there is no
    /// such key or this is no mapping.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Self> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Keys and values of a mapping, each key once, then the merged ones; nothing for others.
    pub fn entries(self) -> impl Iterator<Item = (Self, Self)> {
        let children = if self.kind() == Kind::Map { self.children() } else { &[] };
        children.as_chunks::<2>().0.iter().map(move |[key, value]| (self.at(*key), self.at(*value)))
    }

    /// Items of a sequence; nothing for others.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let children = if self.kind() == Kind::Seq { self.children() } else { &[] };
        children.iter().map(move |id| self.at(*id))
    }

    /// How many entries or items it has.
    #[must_use]
    pub fn len(self) -> usize {
        let children = self.children().len();
        if self.kind() == Kind::Map { children / 2 } else { children }
    }

    /// Has it neither entries nor items?
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The text of a string; `None` for everything else, numbers and booleans too.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        let raw = self.raw();
        (raw.kind == Kind::Str).then(|| self.tree.parts.written(&self.tree.text, raw))
    }

    /// The value of a boolean.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.tree.parts.value(&self.tree.text, self.raw()) {
            Scalar::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a whole number, or of a float without a fraction (`8e1`).
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        // Beyond 2^53 a float no longer says which whole number it is.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self.tree.parts.value(&self.tree.text, self.raw()) {
            Scalar::Int(value) => Some(value),
            Scalar::Float(value) if value.fract() == 0.0 && value.abs() <= EXACT => Some(value as i64),
            _ => None,
        }
    }

    /// Any scalar but null as text in JSON's spelling: `y` is `true`, `010` is `8`. Keys are compared by it.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        self.tree.parts.json(&self.tree.text, self.raw())
    }

    /// A scalar as it is written, quotes and escapes resolved: `y`, `010`; empty for null and collections.
    #[must_use]
    pub fn written(self) -> &'a str {
        let raw = self.raw();
        match raw.kind {
            Kind::Null | Kind::Seq | Kind::Map => "",
            Kind::Bool | Kind::Int | Kind::Float | Kind::Str => self.tree.parts.written(&self.tree.text, raw),
        }
    }

    /// Where it stands. An alias stands where it is written; what is below it, where the anchor is.
    #[must_use]
    pub fn span(self) -> Span {
        let raw = self.raw();
        Span { source: self.tree.source, start: raw.start, end: raw.end }
    }

    /// The place of the deepest part of a path that exists: of an entry its key, of an item the item. Where nothing of
    /// the path exists, the (empty) place at which this node starts.
    #[must_use]
    pub fn locate(self, path: &Path) -> Span {
        let start = self.span();
        let mut place = Span { end: start.start, ..start };
        let mut node = self;
        for step in path.steps() {
            let next = match step {
                Step::Key(key) => node.entry(&key).map(|(key, value)| (key.span(), value)),
                Step::Index(at) => node.items().nth(at).map(|item| (item.span(), item)),
            };
            let Some((span, below)) = next else { break };
            (place, node) = (span, below);
        }
        place
    }

    /// The value below a path of plain keys: `spec.template.metadata`.
    #[must_use]
    pub fn find(self, path: &str) -> Option<Self> {
        path.split('.').try_fold(self, Self::get)
    }
}
