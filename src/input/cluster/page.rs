//! Cuts one answer of the API server, a page of a list or a single object, into the texts of its objects.
//!
//! The page is walked once, byte by byte, without a tree; what is kept is one text with the objects in it, without the
//! list around them and without `metadata.managedFields`, which is often half of an object and says nothing of the mesh.

use std::ops::Range;
use std::sync::Arc;

/// One page.
#[derive(Debug, Default)]
pub struct Page {
    /// The objects, one after the other.
    pub text: Arc<str>,
    /// Each of them.
    pub items: Vec<Entry>,
    /// What asks for the next page; empty: this is the last one.
    pub next: String,
}

/// One object of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the text of its page.
    pub range: Range<usize>,
    /// `metadata.namespace`; empty for none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// `security.istio.io/v1`.
    pub api_version: &'a str,
    /// `PeerAuthentication`.
    pub kind: &'a str,
}

/// Cuts a list. It has to be the one that was asked for, and to say plainly whether more follows: what a server or a
/// proxy on the way answers instead would be taken for a list that is empty, or whole.
///
/// # Errors
/// What is no list of such objects, in words.
pub fn cut(body: &[u8], of: Of<'_>) -> Result<Page, String> {
    let body = text(body)?;
    let mut cutter = Cutter { body, of, out: String::with_capacity(body.len()), items: Vec::new() };
    let mut next = String::new();
    let (mut has_items, mut has_kind) = (false, false);
    let list_kind = format!("{}List", of.kind);
    let mut list = Members::open(body, 0)?;
    while let Some((key, value)) = list.next()? {
        if key.contains('\\') {
            return Err("its fields are written with escapes".to_owned());
        }
        match key {
            "kind" => {
                has_kind = true;
                same(body, value, "kind", &list_kind)?;
            }
            "apiVersion" => same(body, value, "apiVersion", of.api_version)?,
            "items" => {
                has_items = true;
                if body.get(value.clone()) != Some("null") {
                    cutter.items(value)?;
                }
            }
            "metadata" => next = more(body, value)?,
            _ => {}
        }
    }
    if blank(body, list.at) != body.len() {
        return Err(format!("more follows at byte {}", list.at));
    }
    if !has_items {
        return Err("it is no list: it has no items".to_owned());
    }
    if !has_kind {
        return Err(format!("it is no list that says its kind, {list_kind}"));
    }
    Ok(Page { text: cutter.out.into(), items: cutter.items, next })
}

/// Takes a single object, of the kind that was asked for, as a page of one.
///
/// # Errors
/// What is no such object, in words.
pub fn object(body: &[u8], of: Of<'_>) -> Result<Page, String> {
    let body = text(body)?;
    let mut cutter = Cutter { body, of, out: String::with_capacity(body.len()), items: Vec::new() };
    let start = blank(body, 0);
    if !body.get(start..).is_some_and(|rest| rest.starts_with('{')) {
        return Err("it is no object".to_owned());
    }
    let end = skip(body, start)?;
    cutter.item(start..end)?;
    Ok(Page { text: cutter.out.into(), items: cutter.items, next: String::new() })
}

fn text(body: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(body).map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to()))
}

/// The token of the next page; empty: there is none. Only `continue` says so, `remainingItemCount` may contradict it.
fn more(body: &str, metadata: Range<usize>) -> Result<String, String> {
    let mut next = String::new();
    let mut remaining = false;
    if body.get(metadata.clone()) == Some("null") {
        return Ok(next);
    }
    let mut members = Members::open(body, metadata.start)?;
    while let Some((key, value)) = members.next()? {
        let text = body.get(value).unwrap_or("");
        if key.contains('\\') {
            return Err("its metadata is written with escapes".to_owned());
        }
        match key {
            "continue" if text != "null" => {
                next = serde_json::from_str(text).map_err(|_| "its metadata.continue is no string".to_owned())?;
            }
            "remainingItemCount" => remaining = !matches!(text, "0" | "null"),
            _ => {}
        }
    }
    if remaining && next.is_empty() {
        return Err("it says that more objects remain, and not how to ask for them".to_owned());
    }
    Ok(next)
}

/// A field that has to be a text.
fn same(body: &str, value: Range<usize>, field: &str, wanted: &str) -> Result<(), String> {
    let found: Option<String> = body.get(value).and_then(|text| serde_json::from_str(text).ok());
    match found {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(format!("its {field} is {found:?}, not {wanted}")),
        None => Err(format!("its {field} is no string, not {wanted}")),
    }
}

/// Whether an object, where it says its kind and version itself, is what was asked for. One that is torn is left to
/// whoever decodes it.
///
/// # Errors
/// What it is instead.
fn check(body: &str, at: usize, of: Of<'_>) -> Result<(), String> {
    let Ok(mut object) = Members::open(body, at) else { return Ok(()) };
    while let Ok(Some((key, value))) = object.next() {
        match key {
            "kind" => same(body, value, "kind", of.kind)?,
            "apiVersion" => same(body, value, "apiVersion", of.api_version)?,
            // `"k\u0069nd"` would be read as a kind later.
            _ if key.contains('\\') => return Err("its fields are written with escapes".to_owned()),
            _ => {}
        }
    }
    Ok(())
}

struct Cutter<'a> {
    body: &'a str,
    of: Of<'a>,
    out: String,
    items: Vec<Entry>,
}

impl Cutter<'_> {
    fn items(&mut self, list: Range<usize>) -> Result<(), String> {
        if self.body.as_bytes().get(list.start) != Some(&b'[') {
            return Err("its items are no list".to_owned());
        }
        let mut at = blank(self.body, list.start + 1);
        while at < list.end - 1 {
            let end = skip(self.body, at)?;
            self.item(at..end)?;
            at = blank(self.body, end);
            match self.body.as_bytes().get(at) {
                Some(b',') => at = blank(self.body, at + 1),
                Some(b']') if at == list.end - 1 => {}
                _ => return Err(format!("a comma is missing at byte {at}")),
            }
        }
        Ok(())
    }

    /// Copies an object without its `managedFields`. One that is not whole is kept as it is: whoever parses it says why.
    fn item(&mut self, range: Range<usize>) -> Result<(), String> {
        let place = self.items.len() + 1;
        check(self.body, range.start, self.of).map_err(|why| format!("of object {place} of it, {why}"))?;
        let (mut entry, left_out) = self.describe(range.clone()).unwrap_or_default();
        let start = self.out.len();
        let hole = left_out.unwrap_or(range.end..range.end);
        self.out.push_str(self.body.get(range.start..hole.start).unwrap_or(""));
        self.out.push_str(self.body.get(hole.end..range.end).unwrap_or(""));
        entry.range = start..self.out.len();
        self.items.push(entry);
        Ok(())
    }

    /// Name and namespace, and the bytes to leave out: a member of `metadata` with the comma before or after it.
    fn describe(&self, range: Range<usize>) -> Result<(Entry, Option<Range<usize>>), String> {
        let mut entry = Entry::default();
        let mut hole = None;
        let mut object = Members::open(self.body, range.start)?;
        while let Some((key, value)) = object.next()? {
            if key != "metadata" {
                continue;
            }
            let mut metadata = Members::open(self.body, value.start)?;
            let mut before = value.start + 1;
            while let Some((key, value)) = metadata.next()? {
                let word = || self.body.get(value.clone()).and_then(|text| serde_json::from_str(text).ok());
                match key {
                    "name" => entry.name = word().unwrap_or_default(),
                    "namespace" => entry.namespace = word().unwrap_or_default(),
                    "managedFields" => {
                        let first = self.body.as_bytes().get(before) != Some(&b',');
                        let after = blank(self.body, value.end);
                        let comma = self.body.as_bytes().get(after) == Some(&b',');
                        hole = Some(before..if first && comma { after + 1 } else { value.end });
                    }
                    _ => {}
                }
                before = blank(self.body, value.end);
            }
        }
        Ok((entry, hole))
    }
}

/// The members of a JSON object, one by one.
struct Members<'a> {
    body: &'a str,
    at: usize,
    first: bool,
}

impl<'a> Members<'a> {
    fn open(body: &'a str, at: usize) -> Result<Self, String> {
        let at = blank(body, at);
        if body.as_bytes().get(at) != Some(&b'{') {
            return Err(format!("an object is missing at byte {at}"));
        }
        Ok(Self { body, at: at + 1, first: true })
    }

    /// The next key (as it is written) and the place of its value; `None` at the end, with `at` after it.
    fn next(&mut self) -> Result<Option<(&'a str, Range<usize>)>, String> {
        let byte = |at: usize| self.body.as_bytes().get(at).copied();
        let mut at = blank(self.body, self.at);
        if byte(at) == Some(b'}') {
            self.at = at + 1;
            return Ok(None);
        }
        if !std::mem::replace(&mut self.first, false) {
            if byte(at) != Some(b',') {
                return Err(format!("a comma is missing at byte {at}"));
            }
            at = blank(self.body, at + 1);
        }
        let end = string(self.body, at)?;
        let key = self.body.get(at + 1..end - 1).unwrap_or("");
        let colon = blank(self.body, end);
        if byte(colon) != Some(b':') {
            return Err(format!("a colon is missing at byte {colon}"));
        }
        let start = blank(self.body, colon + 1);
        self.at = skip(self.body, start)?;
        Ok(Some((key, start..self.at)))
    }
}

fn blank(body: &str, at: usize) -> usize {
    let rest = body.as_bytes().get(at..).unwrap_or(&[]);
    at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
}

/// The byte after a string.
fn string(body: &str, at: usize) -> Result<usize, String> {
    let bytes = body.as_bytes();
    let cut_off = || format!("the string at byte {at} does not end");
    if bytes.get(at) != Some(&b'"') {
        return Err(format!("a string is missing at byte {at}"));
    }
    let mut from = at + 1;
    loop {
        let found = memchr::memchr2(b'"', b'\\', bytes.get(from..).unwrap_or(&[])).ok_or_else(cut_off)?;
        if bytes.get(from + found) == Some(&b'"') {
            return Ok(from + found + 1);
        }
        from += found + 2;
    }
}

/// The byte after a value, of which only strings and brackets are looked at.
fn skip(body: &str, at: usize) -> Result<usize, String> {
    let bytes = body.as_bytes();
    match bytes.get(at) {
        Some(b'"') => return string(body, at),
        Some(b'{' | b'[') => {}
        Some(b',' | b'}' | b']' | b':') | None => return Err(format!("a value is missing at byte {at}")),
        Some(_) => {
            let rest = bytes.get(at..).unwrap_or(&[]);
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            return Ok(at + rest.iter().position(ends).unwrap_or(rest.len()));
        }
    }
    let (mut at, mut depth) = (at, 0_usize);
    loop {
        match bytes.get(at) {
            Some(b'"') => {
                at = string(body, at)?;
                continue;
            }
            Some(b'{' | b'[') => depth += 1,
            Some(b'}' | b']') => depth -= 1,
            Some(_) => {}
            None => return Err("it is cut off".to_owned()),
        }
        at += 1;
        if depth == 0 {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: Of<'_> = Of { api_version: "v1", kind: "Pod" };
    const NAMESPACE: Of<'_> = Of { api_version: "v1", kind: "Namespace" };

    #[test]
    fn a_page_is_its_objects() {
        let body = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5","continue":"a\/b"},
            "items":[{"metadata":{"name":"a","namespace":"x","managedFields":[{"a":"]}"}]},"spec":{}},
            {"metadata":{"managedFields":[],"name":"b"}}, {"metadata":{"managedFields":[]}} , 5 ]}"#;
        let page = cut(body.as_bytes(), POD).unwrap();
        assert_eq!(page.next, "a/b");
        let texts: Vec<_> = page.items.iter().map(|item| &page.text[item.range.clone()]).collect();
        let want = [
            r#"{"metadata":{"name":"a","namespace":"x"},"spec":{}}"#,
            r#"{"metadata":{"name":"b"}}"#,
            r#"{"metadata":{}}"#,
            "5",
        ];
        assert_eq!(texts, want);
        let names: Vec<_> = page.items.iter().map(|item| (&*item.namespace, &*item.name)).collect();
        assert_eq!(names, [("x", "a"), ("", "b"), ("", ""), ("", "")]);
    }

    #[test]
    fn lists_of_nothing_have_no_items() {
        for body in [
            r#"{"kind":"PodList","items":null}"#,
            r#"{"kind":"PodList","metadata":null,"items":[]}"#,
            r#" {"kind":"PodList","metadata":{"continue":"","remainingItemCount":0},"items":[ ]} "#,
            r#"{"kind":"PodList","metadata":{"continue":null},"items":[]}"#,
        ] {
            let page = cut(body.as_bytes(), POD).unwrap();
            assert!(page.items.is_empty() && page.next.is_empty(), "{body}");
        }
    }

    #[test]
    fn what_is_no_page_is_refused_and_nothing_panics() {
        let whole =
            r#"{"kind":"PodList","metadata":{"continue":"x"},"items":[{"metadata":{"name":"a","managedFields":[1]}}]}"#;
        for end in 0..whole.len() {
            assert!(cut(&whole.as_bytes()[..end], POD).is_err(), "{end}");
        }
        for body in ["[]", "{}", "{\"items\":5}", "{\"items\":[1 2]}", "{\"items\":[,]}", "{\"items\":[]}x", "<html>"] {
            assert!(cut(body.as_bytes(), POD).is_err(), "{body}");
        }
        assert!(cut(b"{\"items\":[\"\xff\"]}", POD).is_err());
        assert!(cut("]".repeat(3).as_bytes(), POD).is_err());
    }

    #[test]
    fn a_list_is_the_one_that_was_asked_for() {
        for (body, want) in [
            (r#"{"kind":"PodList","metadata":{"continue":5},"items":[]}"#, "continue is no string"),
            (r#"{"kind":"PodList","metadata":{"remainingItemCount":3},"items":[]}"#, "more objects remain"),
            (r#"{"kind":"PodList","metadata":5,"items":[]}"#, "an object is missing"),
            (r#"{"kind":"PodList","metadata":{"cont\u0069nue":"x"},"items":[]}"#, "escapes"),
            (r#"{"kind":"Status","items":[]}"#, "its kind is \"Status\", not PodList"),
            (r#"{"kind":"ServiceList","items":[]}"#, "its kind is \"ServiceList\""),
            (r#"{"kind":null,"items":[]}"#, "its kind is no string"),
            (r#"{"items":[]}"#, "no list that says its kind"),
            (r#"{"kind":"PodList","apiVersion":"v2","items":[]}"#, "its apiVersion is \"v2\", not v1"),
            (r#"{"kind":"PodList","items":[{"kind":"Pod"},{"kind":"Secret"}]}"#, "of object 2 of it, its kind is"),
            (r#"{"kind":"PodList","items":[{"metadata":{},"apiVersion":"x/v1"}]}"#, "its apiVersion is"),
            (r#"{"kind":"PodList","items":[{"k\u0069nd":"Secret"}]}"#, "escapes"),
        ] {
            let found = cut(body.as_bytes(), POD).unwrap_err();
            assert!(found.contains(want), "{body}: {found}");
        }
        let own = r#"{"kind":"PodList","items":[{"kind":"Pod","apiVersion":"v1","metadata":{"a\\b":1}}]}"#;
        assert_eq!(cut(own.as_bytes(), POD).unwrap().items.len(), 1);
        for (body, good) in [(r#"{"kind":"Pod"}"#, true), ("{}", true), (r#"{"kind":"Status"}"#, false)] {
            assert_eq!(object(body.as_bytes(), POD).is_ok(), good, "{body}");
        }
    }

    #[test]
    fn an_object_is_a_page_of_one() {
        let page = object(br#" {"kind":"Namespace","metadata":{"name":"a"}} "#, NAMESPACE).unwrap();
        assert_eq!((page.items.len(), &*page.items[0].name), (1, "a"));
        assert!(object(b"[]", NAMESPACE).is_err() && object(b"{", NAMESPACE).is_err());
    }
}
