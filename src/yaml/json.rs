//! Reads JSON as the Kubernetes API writes it into the same tree as YAML, an order of magnitude faster than a YAML parser.
//!
//! JSON is YAML, so nothing else in the program knows the difference. Nothing recurses: open collections are a list with
//! the same limit of depth as the YAML parser's.

use super::build::{Builder, Built, offset};
use super::problem::Problem;
use super::store::{Kind, Raw};
use crate::location::SourceId;
use granit_parser::StructureStyle::Flow;
use std::ops::Range;
use std::sync::Arc;

/// How deep collections may stand in each other; the YAML parser's limit.
const DEEPEST: usize = 255;

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// A value, or the end of the list that was just opened.
    ValueOrEnd,
    /// A key, or the end of the mapping that was just opened.
    KeyOrEnd,
    Key,
    /// A comma, or the end of the open collection.
    CommaOrEnd,
}

impl Builder {
    /// Parses the JSON value in `range` of `text`.
    pub(super) fn json(&mut self, source: SourceId, text: &Arc<str>, range: Range<usize>) -> Result<Built, Problem> {
        self.clear();
        let end = range.end.min(text.len());
        let mut at = range.start;
        let mut open: Vec<Kind> = Vec::new();
        let mut next = Next::Value;
        loop {
            at = blank(text, at, end);
            let byte = text.as_bytes().get(at).copied().filter(|_| at < end);
            let Some(byte) = byte else { return Err(Problem::json(at, "the rest")) };
            let closes = match (byte, open.last()) {
                (b']', Some(Kind::Seq)) => matches!(next, Next::ValueOrEnd | Next::CommaOrEnd),
                (b'}', Some(Kind::Map)) => matches!(next, Next::KeyOrEnd | Next::CommaOrEnd),
                _ => false,
            };
            let mut whole = false;
            if closes {
                at += 1;
                self.end(text, &(at - 1..at))?;
                open.pop();
                whole = true;
            } else {
                match (next, byte) {
                    (Next::CommaOrEnd, b',') => {
                        at += 1;
                        next = if open.last() == Some(&Kind::Map) { Next::Key } else { Next::Value };
                    }
                    (Next::CommaOrEnd, _) => return Err(Problem::json(at, "a comma")),
                    (Next::Key | Next::KeyOrEnd, b'"') => {
                        at = blank(text, self.string(text, at, end)?, end);
                        if text.as_bytes().get(at) != Some(&b':') {
                            return Err(Problem::json(at, "a colon"));
                        }
                        at += 1;
                        next = Next::Value;
                    }
                    (Next::Key | Next::KeyOrEnd, _) => return Err(Problem::json(at, "a key in quotes")),
                    (_, b'{' | b'[') => {
                        if open.len() >= DEEPEST {
                            return Err(Problem::json(at, "an end: collections stand too deep in each other, it"));
                        }
                        let (kind, inside) =
                            if byte == b'{' { (Kind::Map, Next::KeyOrEnd) } else { (Kind::Seq, Next::ValueOrEnd) };
                        self.start(kind, Flow, 0, &(at..at + 1));
                        open.push(kind);
                        at += 1;
                        next = inside;
                    }
                    (_, b'"') => {
                        at = self.string(text, at, end)?;
                        whole = true;
                    }
                    _ => {
                        at = self.word(text, at, end)?;
                        whole = true;
                    }
                }
            }
            if whole {
                if open.is_empty() {
                    let rest = blank(text, at, end);
                    return if rest < end {
                        Err(Problem::json(rest, "the end"))
                    } else {
                        Ok(self.built(source, text, 0))
                    };
                }
                next = Next::CommaOrEnd;
            }
        }
    }

    /// A string with its quotes; the byte after it.
    fn string(&mut self, text: &str, at: usize, end: usize) -> Result<usize, Problem> {
        let (close, escaped) =
            string_end(text.as_bytes(), at, end).ok_or_else(|| Problem::json(at, "a closing quote"))?;
        let raw = |first, last, owned| {
            let (start, end) = (offset(at), offset(close + 1));
            Raw { start, end, first: offset(first), last: offset(last), kind: Kind::Str, owned }
        };
        let raw = if escaped {
            let quoted = text.get(at..=close).unwrap_or("");
            let value: String =
                serde_json::from_str(quoted).map_err(|_| Problem::json(at, "a string without wrong escapes"))?;
            self.parts.owned.push(value.into());
            raw(self.parts.owned.len() - 1, 0, true)
        } else {
            raw(at + 1, close, false)
        };
        self.push(raw);
        Ok(close + 1)
    }

    /// A number, `true`, `false` or `null`; the byte after it.
    fn word(&mut self, text: &str, at: usize, end: usize) -> Result<usize, Problem> {
        let bytes = text.as_bytes().get(at..end).unwrap_or(&[]);
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b'"') || byte.is_ascii_whitespace();
        let last = at + bytes.iter().position(ends).unwrap_or(bytes.len());
        let word = text.get(at..last).unwrap_or("");
        let kind = match word {
            "null" => Kind::Null,
            "true" | "false" => Kind::Bool,
            _ => match serde_json::from_str::<serde_json::Number>(word) {
                Ok(_) if word.contains(['.', 'e', 'E']) => Kind::Float,
                Ok(_) => Kind::Int,
                Err(_) => return Err(Problem::json(at, "a value")),
            },
        };
        let (start, last) = (offset(at), offset(last));
        self.push(Raw { start, end: last, first: start, last, kind, owned: false });
        Ok(last as usize)
    }
}

/// The next byte that is no blank.
fn blank(text: &str, at: usize, end: usize) -> usize {
    let rest = text.as_bytes().get(at..end).unwrap_or(&[]);
    at + rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).unwrap_or(rest.len())
}

/// Where the string that opens at a byte closes, and whether it holds an escape. A control character ends none.
fn string_end(bytes: &[u8], at: usize, end: usize) -> Option<(usize, bool)> {
    let mut from = at + 1;
    let mut escaped = false;
    loop {
        let rest = bytes.get(from..end)?;
        let found = memchr::memchr2(b'"', b'\\', rest)?;
        if rest.get(..found)?.iter().any(|byte| *byte < 0x20) {
            return None;
        }
        if rest.get(found) == Some(&b'"') {
            return Some((from + found, escaped));
        }
        escaped = true;
        from += found + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Node;

    /// The tree in one line, as JSON.
    fn shown(node: Node<'_>) -> String {
        match node.kind() {
            Kind::Map => {
                let entry = |(key, value): (Node<'_>, Node<'_>)| format!("{}:{}", shown(key), shown(value));
                format!("{{{}}}", node.entries().map(entry).collect::<Vec<_>>().join(","))
            }
            Kind::Seq => format!("[{}]", node.items().map(shown).collect::<Vec<_>>().join(",")),
            Kind::Str => format!("{:?}", node.as_str().unwrap()),
            Kind::Null => "null".to_owned(),
            _ => node.text().unwrap().into_owned(),
        }
    }

    fn read(text: &str) -> Result<String, String> {
        let text: Arc<str> = text.into();
        let built = Builder::default().json(SourceId(0), &text, 0..text.len());
        built.map(|built| shown(built.tree.root())).map_err(|problem| problem.what)
    }

    #[test]
    fn json_reads_as_what_it_says() {
        for (text, want) in [
            ("{}", "{}"),
            ("[]", "[]"),
            (" { \"a\" : [ 1 , -2.5 , true , null , \"x\\n\\u00e9\" ] , \"\" : { } } ", ""),
            ("\"a\"", "\"a\""),
            ("5", "5"),
            ("{\"on\":\"on\",\"n\":\"010\"}", "{\"on\":\"on\",\"n\":\"010\"}"),
            ("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"),
        ] {
            let want = if want.is_empty() { "{\"a\":[1,-2.5,true,null,\"x\\né\"],\"\":{}}" } else { want };
            assert_eq!(read(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(300);
        for text in [
            "",
            "{",
            "[",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":}",
            "{\"a\" 1}",
            "{a:1}",
            "[1,]",
            "{\"a\":1,}",
            "[1 2]",
            "{} {}",
            "\"a",
            "\"a\\\"",
            "\"a\nb\"",
            "tru",
            "01",
            "1.",
            "+1",
            "[}",
            "{]",
            "\"\\x\"",
            ":",
            ",",
            "]",
            &deep,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_tree_stands_in_its_range_of_the_text() {
        let text: Arc<str> = "[{\"a\":\"x\"},{\"a\":\"yy\"}]".into();
        let built = Builder::default().json(SourceId(3), &text, 11..21).map_err(|problem| problem.what).unwrap();
        let value = built.tree.root().get("a").unwrap();
        assert_eq!((value.as_str(), value.span().start, value.span().end), (Some("yy"), 16, 20));
    }
}
