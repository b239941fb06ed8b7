//! Where something was read: sources, spans, positions, object names and YAML paths.
//!
//! The bottom of the module graph. The core speaks of places as a [`Path`] inside an object; one function
//! ([`crate::yaml::Node::locate`]) turns a path into a [`Span`], and [`Sources`] turns a span into a [`Location`].

use std::fmt;
use std::sync::{Arc, OnceLock};

/// Number of an input in [`Sources`], in the order in which inputs were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A range of bytes in one source; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The source that the bytes are of.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A place that a person can go to: lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The path as the user typed it (or as the walk below a typed folder found it); `-` for standard input.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Location {
    /// The place of something that no input holds.
    #[must_use]
    pub fn unknown() -> Self {
        Self { file: "?".into(), line: 1, column: 1 }
    }

    /// `FILE:LINE`.
    #[must_use]
    pub fn line_words(&self) -> String {
        if self.is_live() { self.file.to_string() } else { format!("{}:{}", self.file, self.line) }
    }

    /// An object of a cluster is what a person can look at; its text has no lines for one.
    fn is_live(&self) -> bool {
        self.file.starts_with(LIVE)
    }
}

/// How the place of an object of a cluster begins: `cluster:NAMESPACE/RESOURCE/NAME`.
pub const LIVE: &str = "cluster:";

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_live() {
            true => f.write_str(&self.file),
            false => write!(f, "{}:{}:{}", self.file, self.line, self.column),
        }
    }
}

/// One input and its text.
#[derive(Debug)]
pub struct Source {
    /// The path as typed; `-` for standard input.
    pub path: Arc<str>,
    /// The whole text, without a byte order mark.
    pub text: Arc<str>,
    /// Nobody can open it in an editor: its places have no line.
    pub live: bool,
    lines: OnceLock<Vec<u32>>,
}

impl Source {
    /// The byte at which each line starts.
    fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            // A lone CR ends a line too (old editors); CR LF is one end.
            let bytes = self.text.as_bytes();
            let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
                b'\n' => true,
                b'\r' => bytes.get(at + 1) != Some(&b'\n'),
                _ => false,
            });
            std::iter::once(0).chain(ends.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX))).collect()
        })
    }
}

/// All inputs of a run.
#[derive(Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a source and returns its number. A text must be shorter than 4 GiB; the reader checks that.
    pub fn add(&mut self, path: &str, text: String) -> SourceId {
        self.push(path.into(), text.into(), false)
    }

    /// Adds an object that was read from a live cluster: `path` names it, `text` may be shared with its neighbours.
    /// Places in it have line 1, column 1.
    pub fn add_live(&mut self, path: &str, text: Arc<str>) -> SourceId {
        self.push(path.into(), text, true)
    }

    fn push(&mut self, path: Arc<str>, text: Arc<str>, live: bool) -> SourceId {
        self.0.push(Source { path, text, live, lines: OnceLock::new() });
        SourceId(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
    }

    /// The source of that number.
    #[must_use]
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0 as usize)
    }

    /// Every source with its number, in the order in which they were read.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.0.iter().enumerate().map(|(at, source)| (SourceId(u32::try_from(at).unwrap_or(u32::MAX)), source))
    }

    /// The line of a place with the one before and the one after it, and the number of the first of them.
    #[must_use]
    pub fn excerpt(&self, at: &Location) -> Option<(u32, &str)> {
        let source = self.0.iter().find(|source| source.path == at.file && !source.live)?;
        let starts = source.line_starts();
        let line = at.line as usize;
        starts.get(line.checked_sub(1)?)?;
        let first = line.saturating_sub(1).max(1);
        let start = *starts.get(first - 1)? as usize;
        let end = starts.get(line + 1).map_or(source.text.len(), |end| *end as usize);
        Some((u32::try_from(first).ok()?, source.text.get(start..end)?))
    }

    /// The place of a byte, for a person.
    #[must_use]
    pub fn location(&self, source: SourceId, byte: u32) -> Location {
        let Some(source) = self.get(source) else {
            return Location::unknown();
        };
        if source.live {
            return Location { file: source.path.clone(), line: 1, column: 1 };
        }
        let starts = source.line_starts();
        let line = starts.partition_point(|start| *start <= byte).max(1);
        let start = starts.get(line - 1).copied().unwrap_or(0);
        let before = source.text.get(start as usize..byte as usize).unwrap_or("");
        let column = before.chars().count() + 1;
        Location {
            file: source.path.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }
}

/// Whether a namespace may be called so: a label of RFC 1123.
#[must_use]
pub fn is_namespace_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}

/// Kind, namespace and name of a Kubernetes object; printed as `PeerAuthentication ns/name`, cluster-scoped ones as
/// `Namespace name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Kind, in Kubernetes' spelling.
    pub kind: Arc<str>,
    /// Namespace; `None` for cluster-scoped objects.
    pub namespace: Option<Arc<str>>,
    /// Name.
    pub name: Arc<str>,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A path inside an object, such as `spec.trafficPolicy.portLevelSettings[0].tls`. A key that is not a plain word is
/// written in brackets and quotes: `metadata.annotations["a.b/c"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path(String);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A key of a mapping.
    Key(String),
    /// An item of a sequence, from 0.
    Index(usize),
}

impl Path {
    /// A path written out, e.g. `spec.mtls.mode`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// This path and then a key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        Self(match (plain, self.0.is_empty()) {
            (true, true) => key.to_owned(),
            (true, false) => format!("{}.{key}", self.0),
            (false, _) => format!("{}[{key:?}]", self.0),
        })
    }

    /// This path and then an item of a sequence.
    #[must_use]
    pub fn index(&self, at: usize) -> Self {
        Self(format!("{}[{at}]", self.0))
    }

    /// The text of the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The steps of the path. What is not well formed ends the walk there: a place near is better than none.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut rest = self.0.as_str();
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix("[\"") {
                let Some(end) = inside.find("\"]") else { break };
                let (key, after) = inside.split_at(end);
                steps.push(Step::Key(key.replace("\\\"", "\"").replace("\\\\", "\\")));
                rest = after.get(2..).unwrap_or("");
            } else if let Some(inside) = rest.strip_prefix('[') {
                let Some((number, after)) = inside.split_once(']') else { break };
                let Ok(at) = number.parse() else { break };
                steps.push(Step::Index(at));
                rest = after;
            } else {
                let word = rest.strip_prefix('.').unwrap_or(rest);
                let end = word.find(['.', '[']).unwrap_or(word.len());
                let (key, after) = word.split_at(end);
                steps.push(Step::Key(key.to_owned()));
                rest = after;
            }
        }
        steps
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_a_cluster_have_no_lines_to_go_to() {
        let place = |file: &str| Location { file: file.into(), line: 3, column: 5 };
        assert_eq!(
            (place("a.yaml").to_string(), place("a.yaml").line_words()),
            ("a.yaml:3:5".into(), "a.yaml:3".into())
        );
        let live = "cluster:shop/services/web";
        assert_eq!((place(live).to_string(), place(live).line_words()), (live.to_owned(), live.to_owned()));
    }

    #[test]
    fn a_byte_becomes_line_and_column_in_characters() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "k: é\nb: x\n".to_owned());
        for (byte, line, column) in [(0, 1, 1), (3, 1, 4), (5, 1, 5), (6, 2, 1), (9, 2, 4), (11, 3, 1)] {
            let place = sources.location(id, byte);
            assert_eq!((place.line, place.column), (line, column), "byte {byte}");
        }
    }

    #[test]
    fn an_excerpt_is_the_line_and_its_neighbours() {
        let mut sources = Sources::default();
        sources.add("a.yaml", "one\ntwo\r\nthree\nfour".to_owned());
        let at = |file: &str, line| Location { file: file.into(), line, column: 1 };
        for (file, line, want) in [
            ("a.yaml", 0, None),
            ("a.yaml", 1, Some((1, "one\ntwo\r\n"))),
            ("a.yaml", 2, Some((1, "one\ntwo\r\nthree\n"))),
            ("a.yaml", 3, Some((2, "two\r\nthree\nfour"))),
            ("a.yaml", 4, Some((3, "three\nfour"))),
            ("a.yaml", 5, None),
            ("b.yaml", 1, None),
        ] {
            assert_eq!(sources.excerpt(&at(file, line)), want, "{file}:{line}");
        }
    }

    #[test]
    fn paths_print_and_walk_back() {
        let path = Path::new("spec").key("ports").index(2).key("a.b/c").key("mode");
        assert_eq!(path.as_str(), "spec.ports[2][\"a.b/c\"].mode");
        let key = |word: &str| Step::Key(word.to_owned());
        assert_eq!(path.steps(), [key("spec"), key("ports"), Step::Index(2), key("a.b/c"), key("mode")]);
        assert!(Path::new("[x").steps().is_empty());
    }
}
