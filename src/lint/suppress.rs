//! Ignores: comments and annotations by which an author says that a finding is known and meant, and why.
//!
//! `# meshctl: ignore[MC0201] reason` hides findings of its own line; alone on a line, those of the next line that has
//! content; above the first key of a document, those of the whole document. Upper and lower case are one. The annotation
//! `meshctl.io/ignore.MC0201: "reason"` hides those of its object. Whatever hides nothing is itself a finding (MC0003),
//! so that no ignore outlives its cause.
//!
//! The YAML reader keeps no comments. Only texts in which the words occur are looked at again, and a `#` counts as the
//! start of a comment where no scalar of the parsed document covers it. In a document that does not parse nobody can
//! tell, so there only comments above its first line of content count.

use crate::finding::{self, Code, Confidence, DUPLICATE_KEY, Finding, UNPARSABLE_DOCUMENT, UNUSED_IGNORE};
use crate::location::{Location, Path, SourceId, Span};
use crate::model::{Mesh, ObjectId};
use crate::words;
use crate::yaml::{self, Document};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What an ignore comment begins with, before the colon.
const COMMENT: &str = "meshctl";

/// What the key of an ignoring annotation begins with.
const ANNOTATION: &str = "meshctl.io/ignore.";

/// No other annotation of this prefix means anything.
const PREFIX: &str = "meshctl.io/";

/// The most codes that one comment may name.
const CODES: usize = 20;

/// For so many unknown codes of a run the nearest known one is looked for.
const HINTS: usize = 100;

/// Line and column, both from 1.
type Spot = (u32, u32);

/// Which findings an ignore is about. The kinds come in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Those of a line.
    Line,
    /// Those of a document.
    Document,
    /// Those of an object.
    Object,
}

/// One ignore that gives a reason.
#[derive(Debug)]
struct Ignore {
    /// What it hides, and whether it did.
    codes: Vec<(&'static Code, bool)>,
    /// Where the findings end that it is about.
    to: Spot,
    /// Where it stands.
    at: Location,
    /// The annotation.
    object: Option<(ObjectId, Path)>,
    /// What else is wrong with it.
    problems: Vec<String>,
}

/// Every ignore of the input.
#[derive(Debug, Default)]
pub struct Ignores {
    all: Vec<Ignore>,
    /// Numbers of ignores by file, kind and the place where what they are about starts.
    index: BTreeMap<(Arc<str>, Kind, Spot), Vec<usize>>,
    hints: usize,
}

impl Ignores {
    /// Looks for them in every text.
    #[must_use]
    pub fn read(mesh: &Mesh) -> Self {
        let mut ignores = Self::default();
        let mut annotated = Vec::new();
        for (id, source) in mesh.sources.iter() {
            // One quick search each; the texts without either word are nearly all.
            if next_comment(&source.text, 0).is_some() {
                ignores.comments(mesh, id, &source.text);
            }
            if source.text.contains(PREFIX) {
                annotated.push(id);
            }
        }
        if !annotated.is_empty() {
            ignores.annotations(mesh, &annotated);
        }
        ignores
    }

    /// The findings that no ignore hides, how many are hidden, and a finding for each ignore that hides nothing.
    #[must_use]
    pub fn hide(mut self, mesh: &Mesh, findings: Vec<Finding>) -> (Vec<Finding>, usize) {
        let before = findings.len();
        let mut shown: Vec<Finding> = Vec::with_capacity(before);
        for finding in findings {
            if self.all.is_empty() || !self.hides(&finding) {
                shown.push(finding);
            }
        }
        let hidden = before - shown.len();
        shown.extend(self.all.iter().filter_map(|ignore| ignore.finding(mesh)));
        (shown, hidden)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether one hides findings of a code at a place.
    #[must_use]
    pub fn cover(&self, at: &Location, code: &'static Code) -> bool {
        let names = |ignore: &Ignore| ignore.codes.iter().any(|(one, _)| std::ptr::eq(*one, code));
        self.around(at).any(|number| self.all.get(number).is_some_and(names))
    }

    /// Numbers of the ignores that are about a place.
    fn around(&self, at: &Location) -> impl Iterator<Item = usize> + use<'_> {
        let (file, spot) = (at.file.clone(), (at.line, at.column));
        let around = [Kind::Line, Kind::Document, Kind::Object].into_iter().filter_map(move |kind| {
            let key = |spot: Spot| (file.clone(), kind, spot);
            // Of one kind no two overlap: the last that starts before the place is the one around it, if any is.
            self.index.range(key((0, 0))..=key(spot)).next_back()
        });
        let numbers = around.flat_map(|(_, numbers)| numbers.iter().copied());
        numbers.filter(move |number| self.all.get(*number).is_some_and(|ignore| spot <= ignore.to))
    }

    fn hides(&mut self, finding: &Finding) -> bool {
        let numbers: Vec<usize> = self.around(&finding.at).collect();
        let mut hidden = false;
        for number in numbers {
            for (code, used) in self.all.get_mut(number).into_iter().flat_map(|ignore| &mut ignore.codes) {
                if std::ptr::eq(*code, finding.code) {
                    (*used, hidden) = (true, true);
                }
            }
        }
        hidden
    }

    /// Takes a well-formed ignore, or what is wrong with it.
    fn take(
        &mut self,
        words: &[&str],
        reason: &str,
        about: (Kind, Spot, Spot),
        at: Location,
        object: Option<(ObjectId, Path)>,
    ) {
        let mut ignore = Ignore { codes: Vec::new(), to: about.2, at, object, problems: Vec::new() };
        for word in words {
            match finding::code(word) {
                None => {
                    self.hints += 1;
                    let hint = if self.hints <= HINTS { finding::meant(word) } else { String::new() };
                    ignore.problems.push(format!("{word:?} is no code{hint}"));
                }
                Some(code) if never(code) => ignore.problems.push(format!("{} cannot be ignored here", code.code)),
                Some(code) if ignore.codes.iter().any(|(other, _)| std::ptr::eq(*other, code)) => {}
                Some(code) => ignore.codes.push((code, false)),
            }
        }
        // Punctuation is no reason.
        if !reason.chars().any(char::is_alphanumeric) {
            ignore.problems.insert(0, "it gives no reason, so it hides nothing".to_owned());
            ignore.codes.clear();
        }
        if !ignore.codes.is_empty() {
            let key = (ignore.at.file.clone(), about.0, about.1);
            self.index.entry(key).or_default().push(self.all.len());
        }
        self.all.push(ignore);
    }

    /// Takes something that looks like an ignore and is none.
    fn refuse(&mut self, at: Location, problem: &str, object: Option<(ObjectId, Path)>) {
        self.all.push(Ignore { codes: Vec::new(), to: (0, 0), at, object, problems: vec![problem.to_owned()] });
    }

    fn comments(&mut self, mesh: &Mesh, id: SourceId, text: &str) {
        let extents = yaml::extents(text);
        let mut parts: Vec<Part> = extents.into_iter().map(|(number, range)| Part::new(text, number, range)).collect();
        let first = mesh.documents.partition_point(|document| document.source < id);
        let documents = mesh.documents.get(first..).unwrap_or(&[]);
        for document in documents.iter().take_while(|document| document.source == id) {
            if let Ok(at) = parts.binary_search_by_key(&document.number, |part| part.number)
                && let Some(part) = parts.get_mut(at)
            {
                part.parsed(document);
            }
        }
        let mut lines = Lines { text, line: 0, seen: 0, target: (0, 0) };
        let mut from = 0;
        while let Some((hash, after)) = next_comment(text, from) {
            from = after;
            let number = parts.partition_point(|part| part.range.end <= hash);
            let part = parts.get_mut(number);
            let (top, counts) =
                part.as_deref().map_or((false, true), |part| (part.is_top(hash), part.is_comment(hash)));
            if !counts {
                continue;
            }
            let alone = lines.alone(hash);
            let end = text.get(from..).and_then(|rest| rest.find(['\n', '\r'])).map_or(text.len(), |end| from + end);
            let rest = text.get(from..end).unwrap_or("");
            from = end;
            let at = mesh.sources.location(id, offset(hash));
            let about = match part {
                Some(part) if top => part.about(mesh, id),
                _ => {
                    let line =
                        if alone { mesh.sources.location(id, offset(lines.next_content(end))).line } else { at.line };
                    (Kind::Line, (line, 0), (line, u32::MAX))
                }
            };
            match comment(rest) {
                None => {}
                Some(Ok((codes, reason))) => self.take(&codes, reason, about, at, None),
                Some(Err(problem)) => self.refuse(at, problem, None),
            }
        }
    }

    fn annotations(&mut self, mesh: &Mesh, sources: &[SourceId]) {
        for (id, object) in (0..).map(ObjectId).zip(&mesh.objects).filter(|(_, object)| object.made.is_none()) {
            let Some(document) = mesh.documents.get(object.document as usize) else { continue };
            if sources.binary_search(&document.source).is_err() {
                continue;
            }
            let node = document.tree.node(object.node);
            let Some(annotations) = node.find("metadata.annotations") else { continue };
            let Span { start, end, .. } = node.span();
            for (key, value) in annotations.entries() {
                let Some(name) = key.text() else { continue };
                if !name.starts_with(PREFIX) {
                    continue;
                }
                let spot = |byte: u32| {
                    let place = mesh.sources.location(document.source, byte);
                    (place.line, place.column)
                };
                let at = mesh.sources.location(document.source, key.span().start);
                let path = Path::new("metadata.annotations").key(&name);
                let about = (Kind::Object, spot(start), spot(end));
                let rest = name.get(..ANNOTATION.len()).filter(|begin| begin.eq_ignore_ascii_case(ANNOTATION));
                match rest.and_then(|begin| name.get(begin.len()..)) {
                    Some(code) => self.take(&[code], value.as_str().unwrap_or(""), about, at, Some((id, path))),
                    None => self.refuse(at, "meshctl has no annotation of that name", Some((id, path))),
                }
            }
        }
    }
}

/// A text that was not read cannot be judged at all, and says nothing that could be trusted; and what finds ignores
/// that hide nothing cannot be hidden by one.
fn never(code: &Code) -> bool {
    [&UNPARSABLE_DOCUMENT, &DUPLICATE_KEY, &UNUSED_IGNORE].iter().any(|one| std::ptr::eq(*one, code))
}

impl Ignore {
    /// MC0003, where it hides nothing or is not well formed.
    fn finding(&self, mesh: &Mesh) -> Option<Finding> {
        let unused: Vec<&str> = self.codes.iter().filter(|(_, used)| !used).map(|(code, _)| code.code).collect();
        let what = if self.object.is_some() { "annotation" } else { "comment" };
        let mut problems = self.problems.clone();
        let malformed = !problems.is_empty();
        if !unused.is_empty() {
            problems.push(format!("there is no {} for it to hide", unused.join(", ")));
        }
        if problems.is_empty() {
            return None;
        }
        let help = match (self.object.is_some(), malformed) {
            (_, false) => "remove it; --no-ignores shows what ignores hide".to_owned(),
            (true, true) => format!("write {ANNOTATION}CODE: \"the reason\", or remove it"),
            (false, true) => "write # meshctl: ignore[CODE] and the reason, or remove it".to_owned(),
        };
        let message = format!("ignoring {what}: {}", problems.join("; "));
        let mut finding = Finding::new(&UNUSED_IGNORE, self.at.clone(), message, help);
        if !malformed {
            // A run over a part of the manifests does not see what needs the other part.
            finding.confidence = Confidence::Medium;
        }
        if let Some((object, path)) = &self.object {
            finding.object = mesh.object_ref(*object).filter(|object| !object.kind.is_empty());
            finding.path = Some(path.clone());
        }
        Some(finding)
    }
}

/// A document of a text.
struct Part {
    number: u32,
    range: Range<usize>,
    /// The byte of its first content.
    content: usize,
    /// Where its scalars are; `None`: it did not parse, or is empty.
    scalars: Option<Vec<(u32, u32)>>,
}

impl Part {
    fn new(text: &str, number: u32, range: Range<usize>) -> Self {
        let mut content = range.start;
        for line in text.get(range.clone()).unwrap_or("").split_inclusive(['\n', '\r']) {
            let words = line.trim_start_matches('\u{feff}');
            let rest = words.strip_prefix("---").unwrap_or(words).trim_start();
            if !(rest.is_empty() || rest.starts_with('#') || words.starts_with('%')) {
                break;
            }
            content += line.len();
        }
        Self { number, range, content, scalars: None }
    }

    fn parsed(&mut self, document: &Document) {
        self.content = document.tree.root().span().start as usize;
        self.scalars = Some(document.tree.scalars());
    }

    /// Whether a byte stands above the first content.
    fn is_top(&self, byte: usize) -> bool {
        byte < self.content
    }

    /// Whether a `#` starts a comment.
    fn is_comment(&self, byte: usize) -> bool {
        let Some(scalars) = &self.scalars else { return self.is_top(byte) };
        let before = scalars.partition_point(|(start, _)| *start as usize <= byte);
        let around = before.checked_sub(1).and_then(|at| scalars.get(at));
        around.is_none_or(|(_, end)| *end as usize <= byte)
    }

    fn about(&self, mesh: &Mesh, id: SourceId) -> (Kind, Spot, Spot) {
        let spot = |byte: usize| {
            let place = mesh.sources.location(id, offset(byte));
            (place.line, place.column)
        };
        (Kind::Document, spot(self.range.start), spot(self.range.end))
    }
}

/// Walks a text from the front, line by line as far as asked.
struct Lines<'t> {
    text: &'t str,
    /// The byte at which the line of `seen` starts.
    line: usize,
    seen: usize,
    /// Of the last comment that stood alone: where its lines end and where the content below them starts.
    target: (usize, usize),
}

impl Lines<'_> {
    /// Whether nothing stands before a byte on its line. Bytes come in ascending order.
    fn alone(&mut self, byte: usize) -> bool {
        if let Some(end) = self.text.get(self.seen..byte).and_then(|part| part.rfind(['\n', '\r'])) {
            self.line = self.seen + end + 1;
        }
        self.seen = byte;
        self.text.get(self.line..byte).is_some_and(|before| before.trim_start_matches('\u{feff}').trim().is_empty())
    }

    /// The start of the first line after byte `end`, which ends a line, that is neither blank nor a comment.
    fn next_content(&mut self, end: usize) -> usize {
        let (from, target) = self.target;
        if (from..target).contains(&end) {
            return target;
        }
        let mut at = end;
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let skip = if rest.starts_with("\r\n") { 2 } else { 1 };
            let next = rest.get(skip..).unwrap_or("");
            at += skip;
            let content = next.trim_start_matches([' ', '\t']);
            if !content.is_empty() && !content.starts_with(['#', '\n', '\r']) {
                break;
            }
            at += next.find(['\n', '\r']).unwrap_or(next.len());
        }
        self.target = (end, at);
        at
    }
}

/// The next `#` from a byte on that may start a comment (at the start of a line or after a blank) and that the word
/// `meshctl` follows after blanks, with the byte after that word.
fn next_comment(text: &str, mut from: usize) -> Option<(usize, usize)> {
    loop {
        let hash = from + text.get(from..)?.find('#')?;
        let rest = text.get(hash + 1..)?;
        let words = rest.trim_start_matches([' ', '\t']);
        let word = hash + 1 + (rest.len() - words.len());
        let before = text.get(..hash)?.chars().next_back();
        let starts = before.is_none_or(|c| c.is_whitespace() || c == '\u{feff}');
        if starts && words.get(..COMMENT.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(COMMENT)) {
            return Some((hash, word + COMMENT.len()));
        }
        from = word;
    }
}

/// What a comment says after `meshctl`: the codes and the reason, or what is wrong; `None`: it is no ignore.
fn comment(rest: &str) -> Option<Result<(Vec<&str>, &str), &'static str>> {
    let Some(rest) = rest.trim_start_matches([' ', '\t']).strip_prefix(':') else {
        // Prose may begin with the name of the program; with codes in brackets it is none.
        let word = rest.trim_start_matches([' ', '\t', '-', '.', '=']);
        let begins = word.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("ignore"));
        return (begins && word.get(6..)?.trim_start().starts_with('['))
            .then_some(Err("a colon is missing after meshctl"));
    };
    let rest = rest.trim_start();
    let word = rest.find(|c: char| !c.is_ascii_alphabetic()).map_or(rest, |end| rest.get(..end).unwrap_or(""));
    if !word.eq_ignore_ascii_case("ignore") {
        let near = word.len() <= 8 && words::nearest(&word.to_ascii_lowercase(), ["ignore"]).is_some();
        // `disable[MC0107]`, `ignore-next-line[MC0107]` as other linters have it.
        let named = rest.find('[').is_some_and(|open| {
            let (head, codes) = rest.split_at(open);
            let code = codes.trim_start_matches(['[', ' ']).get(..2);
            !head.trim_end().contains(char::is_whitespace) && code.is_some_and(|two| two.eq_ignore_ascii_case("MC"))
        });
        return (near || named).then_some(Err("the word is ignore"));
    }
    let Some(inside) = rest.get(word.len()..).unwrap_or("").trim_start().strip_prefix('[') else {
        return Some(Err("it names no code in brackets"));
    };
    let Some((codes, reason)) = inside.split_once(']') else { return Some(Err("its bracket is not closed")) };
    let codes: Vec<&str> = codes.split(',').map(str::trim).filter(|code| !code.is_empty()).take(CODES + 1).collect();
    Some(match codes.len() {
        0 => Err("it names no code in brackets"),
        n if n > CODES => Err("it names more than 20 codes"),
        _ => Ok((codes, reason)),
    })
}

fn offset(byte: usize) -> u32 {
    u32::try_from(byte).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{MTLS_DISABLED, TLS_DISABLED};
    use crate::lint::blocks::tests::WEB;
    use crate::lint::pods::tests::STRICT;
    use crate::model::{Options, load_text};

    /// The lines of findings (MC0107 on every line, and one more on each line that `extra` names) that a text leaves
    /// shown, and what MC0003 says.
    fn run(text: &str, code: &'static Code, lines: &[u32]) -> (Vec<u32>, Vec<String>) {
        let mesh = load_text(text, Options::default());
        let findings = lines
            .iter()
            .map(|line| Finding::new(code, Location { file: "a.yaml".into(), line: *line, column: 3 }, "", ""));
        let (shown, _) = Ignores::read(&mesh).hide(&mesh, findings.collect());
        let left = shown.iter().filter(|one| std::ptr::eq(one.code, code)).map(|one| one.at.line).collect();
        let problems = shown.iter().filter(|one| std::ptr::eq(one.code, &raw const UNUSED_IGNORE));
        (left, problems.map(|one| format!("{}: {}", one.at.line, one.message)).collect())
    }

    #[test]
    fn an_ignore_hides_no_finding_of_another_workload() {
        let job = |name: &str, more: &str| {
            format!(
                "---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, namespace: shop{more}}}\nspec: {{template: {{metadata: {{labels: {{sidecar.istio.io/inject: \"false\"}}}}, spec: {{containers: [{{name: a}}]}}}}}}\n"
            )
        };
        let ignore = ", annotations: {meshctl.io/ignore.MC0201: \"talks to the database only\"}";
        let ignored = job("a-migrate", ignore);
        let policy = STRICT.split_once("---\n").unwrap().1;
        for (jobs, want) in [
            (ignored.clone() + &job("b-report", ""), "shop/b-report would send"),
            (job("b-report", "") + &ignored, "shop/b-report would send"),
            (job("b-report", "") + &ignored + &job("c", ""), "2 clients (shop/b-report, shop/c) would send"),
            (ignored.clone(), ""),
        ] {
            let mesh =
                load_text(WEB.to_owned() + policy + &jobs, Options { assume_injected: true, ..Options::default() });
            let findings = crate::lint::run(&crate::mtls::check::check(&mesh));
            let (shown, hidden) = Ignores::read(&mesh).hide(&mesh, findings);
            let shown: Vec<&str> =
                shown.iter().filter(|f| f.code.code == "MC0201").map(|f| f.message.as_str()).collect();
            assert_eq!((shown.len(), hidden), (usize::from(!want.is_empty()), 1), "{shown:?}");
            assert!(shown.iter().all(|message| message.starts_with(want)), "{shown:?}");
        }
    }

    #[test]
    fn a_comment_hides_its_line_the_next_one_or_the_document() {
        for (text, lines, left) in [
            ("a: 1\nb: 2 # meshctl: ignore[MC0107] known\nc: 3\n", [1, 2, 3], vec![1, 3]),
            ("a: 1\n# meshctl: ignore[MC0107] known\nb: 2\n", [1, 2, 3], vec![1, 2]),
            ("a: 1\n# meshctl: ignore[MC0214, MC0107] known\n# more words\nb: 2\n", [1, 3, 4], vec![1, 3]),
            ("# a licence\n# meshctl: ignore[mtls-disabled]: known\na: 1\nb: 2\n", [3, 4, 4], vec![]),
            ("--- # meshctl: ignore[MC0107] known\na: 1\n---\nb: 1\n", [1, 2, 4], vec![4]),
            ("# meshctl: ignore[MC0107] known\n---\na: 1\n---\nb: 1\n", [3, 3, 5], vec![5]),
            ("a: 1\n---\n# meshctl: ignore[MC0107] known\nb: 1\n---\nc: 1\n", [1, 4, 6], vec![1, 6]),
            ("a: 1\r\n# meshctl: ignore[MC0107] known\r\nb: 2\r\nc: 3\r\n", [1, 3, 4], vec![1, 4]),
            ("a: 1\n# Meshctl:Ignore[mc0107] known\n \n\n# more\n\nb: 2\nc: 3\n", [1, 7, 8], vec![1, 8]),
            ("a: 1\r\n# MESHCTL : IGNORE [ Mtls-Disabled ] known\r\n\r\nb: 2\r\n", [1, 3, 4], vec![1, 3]),
            ("a: 1 # old # meshctl: ignore[MC0107] known\n# meshctl: ignore[MC0214] x\n\n", [1, 2, 3], vec![2, 3]),
            ("# meshctl: ignore[MC0107] known\n\n\na: 1\nb: 2\n", [4, 5, 5], vec![]),
            ("---\n\n# meshctl: ignore[MC0107] known\n\na: 1\nb: 2\n", [5, 6, 6], vec![]),
            ("a: [\n# meshctl: ignore[MC0107] no: this may be text\nb: 2\n", [1, 2, 3], vec![1, 2, 3]),
            ("# meshctl: ignore[MC0107] the document is broken\na: [\n", [2, 2, 2], vec![]),
        ] {
            assert_eq!(run(text, &MTLS_DISABLED, &lines).0, left, "{text}");
        }
    }

    #[test]
    fn what_stands_in_a_scalar_is_no_comment() {
        for text in [
            "a: |\n  x # meshctl: ignore[MC0107] text\n  # meshctl: ignore[MC0107] text\nb: 1\n",
            "a: 'x # meshctl: ignore[MC0107] text'\n",
            "a: \"x\n  # meshctl: ignore[MC0107] text\"\nb: 1\n",
            "a: x# meshctl: ignore[MC0107] text\n",
            "a: >-\n  x\n\n  # meshctl: ignore[MC0107] text\n",
        ] {
            assert_eq!(run(text, &MTLS_DISABLED, &[1, 2, 3, 4]), (vec![1, 2, 3, 4], vec![]), "{text}");
        }
        let after = "a: |\n  x\n# meshctl: ignore[MC0107] a comment\nb: 1\n";
        assert_eq!(run(after, &MTLS_DISABLED, &[4]), (vec![], vec![]));
    }

    #[test]
    fn what_hides_nothing_is_found() {
        for (text, want) in [
            ("a: 1 # meshctl: ignore[MC0107]\n", "1: ignoring comment: it gives no reason, so it hides nothing"),
            ("a: 1 # meshctl: ignore[MC0107] --\n", "1: ignoring comment: it gives no reason, so it hides nothing"),
            ("b: 1\na: 1 # meshctl: ignore[MC0214] x\n", "2: ignoring comment: there is no MC0214 for it to hide"),
            ("a: 1 # meshctl: ignore[MC0107, MC0214] x\n", "1: ignoring comment: there is no MC0214 for it to hide"),
            (
                "a: 1 # meshctl: ignore[MC01077] x\n",
                "1: ignoring comment: \"MC01077\" is no code; did you mean MC0107?",
            ),
            ("a: 1 # meshctl: ignore[MC0003] x\n", "1: ignoring comment: MC0003 cannot be ignored here"),
            ("a: 1 # meshctl: ignore MC0107 x\n", "1: ignoring comment: it names no code in brackets"),
            ("a: 1 # meshctl: ignore[] x\n", "1: ignoring comment: it names no code in brackets"),
            ("a: 1 # meshctl: ignore[MC0107 x\n", "1: ignoring comment: its bracket is not closed"),
            ("a: 1 # meshctl: ingore[MC0107] x\n", "1: ignoring comment: the word is ignore"),
            ("a: 1 # Meshctl: Ingore[mc0107] x\n", "1: ignoring comment: the word is ignore"),
            ("a: 1 # meshctl: disable[MC0107] x\n", "1: ignoring comment: the word is ignore"),
            ("a: 1 # meshctl: ignore-next-line[MC0107] x\n", "1: ignoring comment: it names no code in brackets"),
            ("a: 1 # meshctl ignore[MC0107] x\n", "1: ignoring comment: a colon is missing after meshctl"),
            ("a: 1 # meshctl-ignore[MC0107] x\n", "1: ignoring comment: a colon is missing after meshctl"),
            ("a: 1 # meshctl does not ignore[MC0107] x\n", ""),
            ("a: 1 # meshctl: see the [docs]\n", ""),
            ("a: 1 # meshctl: see the docs\n", ""),
            ("a: 1 # meshctl: ignore[MC0107] the client is outside\n", ""),
        ] {
            assert_eq!(run(text, &MTLS_DISABLED, &[1]).1.join("|"), want, "{text}");
        }
    }

    #[test]
    fn an_annotation_hides_what_its_object_has() {
        let object = |annotation: &str| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations:\n    {annotation}\nspec:\n  ports: []\n---\n\
                 apiVersion: v1\nkind: Service\nmetadata:\n  name: b\n"
            )
        };
        for (annotation, left, want) in [
            ("meshctl.io/ignore.MC0214: \"legacy\"", vec![11], ""),
            (
                "meshctl.io/ignore.MC0214: \"\"",
                vec![1, 8, 11],
                "6: ignoring annotation: it gives no reason, so it hides nothing",
            ),
            (
                "meshctl.io/ignore.MC0107: x",
                vec![1, 8, 11],
                "6: ignoring annotation: there is no MC0107 for it to hide",
            ),
            ("meshctl.io/ignore.MC0001: x", vec![1, 8, 11], "6: ignoring annotation: MC0001 cannot be ignored here"),
            ("meshctl.io/Ignore.tls-Disabled: legacy", vec![11], ""),
            (
                "meshctl.io/ignore: MC0214",
                vec![1, 8, 11],
                "6: ignoring annotation: meshctl has no annotation of that name",
            ),
        ] {
            let (shown, problems) = run(&object(annotation), &TLS_DISABLED, &[1, 8, 11]);
            assert_eq!((shown, problems.join("|").as_str()), (left, want), "{annotation}");
        }
    }

    #[test]
    fn many_ignores_take_no_longer_than_their_text() {
        let mut text = String::from("a: 1\n");
        for _ in 0..50_000 {
            text.push_str("# meshctl: ignore[MC01x7] x\n");
        }
        text.push_str("b: '");
        for _ in 0..50_000 {
            text.push_str(" # meshctl: ignore[MC0107] x");
        }
        text.push_str("'\n");
        assert_eq!(run(&text, &MTLS_DISABLED, &[1]).1.len(), 50_000);
    }
}
