//! Builds the tree of one document from the events of the parser.
//!
//! Nothing here recurses: open collections are a list, and the parser's own depth limit (255) ends a deep one. An alias
//! copies one node and nothing below it, so text is never multiplied; what a walk over the tree would visit twice is
//! counted and limited all the same, since whoever reads a tree may walk all of it.

use super::mapping::{self, Duplicate};
use super::problem::Problem;
use super::scalar::{self, Scalar};
use super::split::byte_order_marks;
use super::store::{Building, Finished, Kind, Raw};
use super::tree::Tree;
use crate::location::SourceId;
use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// How many nodes aliases and merge keys may add to a document that is far larger than any written by hand.
const MOST_ADDED: usize = 1_000_000;

/// Builds trees one after the other; the lists are used again, the trees get lists that fit.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) parts: Building,
    /// Finished children of the collections that are open, the innermost last.
    pending: Vec<u32>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchor>,
    /// Nodes that aliases and merge keys have added so far.
    added: usize,
    duplicates: Vec<Duplicate>,
}

/// A collection that is not yet closed.
struct Open {
    node: u32,
    /// Where its children start in `pending`.
    first: usize,
    flow: bool,
    /// Number of its anchor; 0 for none.
    anchor: usize,
    /// Nodes and added nodes before it.
    before: usize,
}

#[derive(Clone, Copy)]
struct Anchor {
    node: u32,
    /// Nodes that a walk below it visits.
    size: usize,
}

/// A document that parsed.
pub(super) struct Built {
    pub(super) tree: Tree,
    pub(super) duplicates: Vec<Duplicate>,
}

pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Builder {
    /// Parses the document in `range` of `text`; `None` for an empty one.
    pub(super) fn build(
        &mut self,
        source: SourceId,
        text: &Arc<str>,
        range: Range<usize>,
    ) -> Result<Option<Built>, Problem> {
        self.clear();
        let base = range.start;
        let document = text.get(range).unwrap_or("");
        let skipped = byte_order_marks(document);
        let Some(root) = self.events(text, base + skipped, document.get(skipped..).unwrap_or(""))? else {
            return Ok(None);
        };
        Ok(Some(self.built(source, text, root)))
    }

    /// The lists as they fit.
    pub(super) fn built(&mut self, source: SourceId, text: &Arc<str>, root: u32) -> Built {
        let duplicates = std::mem::take(&mut self.duplicates);
        let parts = Finished {
            nodes: self.parts.nodes.as_slice().into(),
            children: self.parts.children.as_slice().into(),
            owned: self.parts.owned.drain(..).collect(),
        };
        Built { tree: Tree { source, text: Arc::clone(text), parts, root }, duplicates }
    }

    pub(super) fn clear(&mut self) {
        self.parts.nodes.clear();
        self.parts.children.clear();
        self.parts.owned.clear();
        self.pending.clear();
        self.open.clear();
        self.anchors.clear();
        self.added = 0;
        self.duplicates.clear();
    }

    fn events(&mut self, text: &str, base: usize, document: &str) -> Result<Option<u32>, Problem> {
        let options = granit_parser::options! { emit_comments: false };
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(document, options) {
            let (event, span) = event.map_err(|error| Problem::scan(&error, base))?;
            let bytes = span.byte_range().unwrap_or_default();
            let bytes = base + bytes.start..base + bytes.end;
            match event {
                Event::Scalar(value, style, anchor, tag) => {
                    let raw = self.scalar(text, &value, style, tag.as_deref(), bytes)?;
                    let node = self.push(raw);
                    if anchor != 0 {
                        self.anchors.insert(anchor, Anchor { node, size: 1 });
                    }
                }
                Event::SequenceStart(style, anchor, _) => self.start(Kind::Seq, style, anchor, &bytes),
                Event::MappingStart(style, anchor, _) => self.start(Kind::Map, style, anchor, &bytes),
                Event::SequenceEnd | Event::MappingEnd => self.end(text, &bytes)?,
                Event::Alias(anchor) => self.alias(anchor, &bytes)?,
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Problem::second_document(bytes.start));
                    }
                }
                _ => {}
            }
        }
        let root = self.pending.first().copied();
        Ok(root.filter(|root| self.parts.raw(*root).kind != Kind::Null))
    }

    /// Adds a node that is a child of the innermost open collection.
    pub(super) fn push(&mut self, raw: Raw) -> u32 {
        let node = offset(self.parts.nodes.len());
        self.parts.nodes.push(raw);
        self.pending.push(node);
        node
    }

    fn scalar(
        &mut self,
        text: &str,
        value: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        bytes: Range<usize>,
    ) -> Result<Raw, Problem> {
        let (start, end) = (offset(bytes.start), offset(bytes.end));
        let plain = style == ScalarStyle::Plain;
        // The parser says `~` for a value that is not there; the text of such a scalar is the nothing at its place.
        if plain && bytes.is_empty() {
            let kind = tagged(tag, "", true).map_err(|wanted| Problem::tag(bytes.start, "", wanted))?;
            return Ok(Raw { start, end, first: start, last: start, kind, owned: false });
        }
        let kind = tagged(tag, value, plain).map_err(|wanted| Problem::tag(bytes.start, value, wanted))?;
        let raw = |first, last, owned| Raw { start, end, first: offset(first), last: offset(last), kind, owned };
        // The parser lends a text that stands in the document as it is; its address says where.
        let first = (value.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        if first.checked_add(value.len()).is_some_and(|last| bytes.start <= first && last <= bytes.end) {
            return Ok(raw(first, first + value.len(), false));
        }
        self.parts.owned.push(value.into());
        Ok(raw(self.parts.owned.len() - 1, 0, true))
    }

    pub(super) fn start(&mut self, kind: Kind, style: StructureStyle, anchor: usize, bytes: &Range<usize>) {
        let before = self.parts.nodes.len() + self.added;
        let raw = Raw { start: offset(bytes.start), end: offset(bytes.end), first: 0, last: 0, kind, owned: false };
        let node = self.push(raw);
        let flow = style == StructureStyle::Flow;
        self.open.push(Open { node, first: self.pending.len(), flow, anchor, before });
    }

    pub(super) fn end(&mut self, text: &str, bytes: &Range<usize>) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let raw = self.parts.raw(open.node);
        let own = self.pending.get(open.first..).unwrap_or(&[]);
        // The parser ends a block collection where the next thing starts; for a person it ends with its last child.
        let end = match own.last() {
            Some(last) if !open.flow => self.parts.raw(*last).end,
            _ => offset(bytes.end),
        };
        let first = self.parts.children.len();
        if raw.kind == Kind::Map {
            let flat = mapping::flatten(&self.parts, text, own, self.added, self.limit(), &mut self.duplicates)?;
            match flat {
                None => self.parts.children.extend_from_slice(own),
                Some(flat) => {
                    self.added = flat.added;
                    self.parts.children.extend(flat.entries.iter().flatten());
                }
            }
        } else {
            self.parts.children.extend_from_slice(own);
        }
        self.pending.truncate(open.first);
        let last = self.parts.children.len();
        if let Some(node) = self.parts.nodes.get_mut(open.node as usize) {
            *node = Raw { end, first: offset(first), last: offset(last), ..raw };
        }
        if open.anchor != 0 {
            let size = self.parts.nodes.len() + self.added - open.before;
            self.anchors.insert(open.anchor, Anchor { node: open.node, size });
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, bytes: &Range<usize>) -> Result<(), Problem> {
        // The parser knows the anchor from where it is written; here it exists once its node is complete.
        let Some(anchor) = self.anchors.get(&anchor).copied() else {
            return Err(Problem::cycle(bytes.start));
        };
        self.added = self.added.saturating_add(anchor.size);
        if self.added > self.limit() {
            return Err(Problem::too_much(bytes.start));
        }
        let raw = Raw { start: offset(bytes.start), end: offset(bytes.end), ..self.parts.raw(anchor.node) };
        self.push(raw);
        Ok(())
    }

    /// How many nodes may have been added by now: a small document may not grow a hundredfold, a large one not by more
    /// than a constant.
    fn limit(&self) -> usize {
        MOST_ADDED.min(10_000 + 100 * self.parts.nodes.len())
    }
}

/// The kind of a scalar under its tag; the name of the tag where the text does not fit it. A tag of one's own leaves the
/// plain reading, as go-yaml does.
fn tagged(tag: Option<&Tag>, text: &str, plain: bool) -> Result<Kind, &'static str> {
    let kind = || match scalar::read(text) {
        Scalar::Null => Kind::Null,
        Scalar::Bool(_) => Kind::Bool,
        Scalar::Int(_) | Scalar::Big(_) => Kind::Int,
        Scalar::Float(_) => Kind::Float,
        Scalar::Str => Kind::Str,
    };
    match tag.and_then(Tag::core_suffix) {
        None if plain => Ok(kind()),
        None | Some("str") => Ok(Kind::Str),
        Some("bool") if kind() == Kind::Bool => Ok(Kind::Bool),
        Some("bool") => Err("!!bool"),
        Some("int") if kind() == Kind::Int => Ok(Kind::Int),
        Some("int") => Err("!!int"),
        Some("float") if matches!(kind(), Kind::Int | Kind::Float) => Ok(Kind::Float),
        Some("float") => Err("!!float"),
        Some("null") if kind() == Kind::Null => Ok(Kind::Null),
        Some("null") => Err("!!null"),
        Some("map") => Err("!!map"),
        Some(_) => Err("!!seq"),
    }
}
