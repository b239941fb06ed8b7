//! How nodes are stored: in one flat list, scalars as ranges of the text they came from.
//!
//! A node takes 20 bytes and a child 4: a tree is two and a half to three times its text. There is nothing to recurse into
//! when it is dropped.

use super::scalar::{self, Scalar};
use std::borrow::Cow;

/// What a node is, as Kubernetes reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// Null, written or left empty.
    Null,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction, an exponent, or too large for a whole one.
    Float,
    /// Any other scalar.
    Str,
    /// A list.
    Seq,
    /// A mapping.
    Map,
}

/// A node as it is stored. An alias is a copy of the node that it names, with the place of the alias: it costs as much
/// as any node, and nothing below it is copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw {
    /// Bytes of the node in the source.
    pub(super) start: u32,
    pub(super) end: u32,
    /// A scalar: the bytes of its text in the source, or (`owned`) its number among the owned texts. A collection: its
    /// range of `Parts::children`, where keys and values take turns.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) kind: Kind,
    pub(super) owned: bool,
}

/// Stands in for a node that does not exist, so that a wrong number is a null and no panic.
const NOTHING: Raw = Raw { start: 0, end: 0, first: 0, last: 0, kind: Kind::Null, owned: false };

/// The lists that a tree is made of.
#[derive(Debug, Default)]
pub(super) struct Parts<L, C, O> {
    pub(super) nodes: L,
    pub(super) children: C,
    /// Texts that do not stand in the source as they are: escaped, folded, over several lines.
    pub(super) owned: O,
}

/// The lists while they grow.
pub(super) type Building = Parts<Vec<Raw>, Vec<u32>, Vec<Box<str>>>;

/// The lists once they fit.
pub(super) type Finished = Parts<Box<[Raw]>, Box<[u32]>, Box<[Box<str>]>>;

impl<L: AsRef<[Raw]>, C: AsRef<[u32]>, O: AsRef<[Box<str>]>> Parts<L, C, O> {
    pub(super) fn raw(&self, id: u32) -> Raw {
        self.nodes.as_ref().get(id as usize).copied().unwrap_or(NOTHING)
    }

    /// The text of a scalar as it was written, quotes and escapes resolved.
    pub(super) fn written<'a>(&'a self, text: &'a str, raw: Raw) -> &'a str {
        if raw.owned {
            return self.owned.as_ref().get(raw.first as usize).map_or("", AsRef::as_ref);
        }
        text.get(raw.first as usize..raw.last as usize).unwrap_or("")
    }

    /// The children of a collection.
    pub(super) fn below(&self, raw: Raw) -> &[u32] {
        match raw.kind {
            Kind::Seq | Kind::Map => self.children.as_ref().get(raw.first as usize..raw.last as usize).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// What a scalar means. A tag has settled the kind already; the text still has to be read for the value.
    pub(super) fn value(&self, text: &str, raw: Raw) -> Scalar {
        match raw.kind {
            Kind::Bool | Kind::Int | Kind::Float => scalar::read(self.written(text, raw)),
            Kind::Null => Scalar::Null,
            Kind::Str | Kind::Seq | Kind::Map => Scalar::Str,
        }
    }

    /// A scalar in JSON's spelling, which is also how Kubernetes reads a key; `None` for null and collections.
    pub(super) fn json<'a>(&'a self, text: &'a str, raw: Raw) -> Option<Cow<'a, str>> {
        match raw.kind {
            Kind::Str => Some(Cow::Borrowed(self.written(text, raw))),
            Kind::Bool | Kind::Int | Kind::Float => self.value(text, raw).json().map(Cow::Owned),
            Kind::Null | Kind::Seq | Kind::Map => None,
        }
    }
}
