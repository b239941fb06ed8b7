//! Cuts a text into its documents before it is parsed.
//!
//! A line that starts with `---` (then a blank or the end) is a document marker wherever it stands, inside scalars too
//! (YAML 1.2, section 9.1.2). So documents can be found without parsing, parsed side by side, and one that is broken
//! never touches the next.

/// The bytes of one document, and its number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) number: u32,
}

/// U+FEFF in UTF-8; editors leave it at the start of files, and `cat` carries it into the middle of a stream.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Finds the documents of a text. Comments and blank lines alone are no document; `---` and nothing after it is one.
pub(super) fn split(text: &str) -> Vec<Chunk> {
    let bytes = text.as_bytes();
    let mut cutter = Cutter { chunks: Vec::new(), number: 0, start: 0, state: State::Prefix };
    cutter.line(bytes, 0);
    for (at, byte) in bytes.iter().enumerate() {
        // CR LF shows up as one empty line more, which changes nothing.
        if matches!(byte, b'\n' | b'\r') {
            cutter.line(bytes, at + 1);
        }
    }
    cutter.close(bytes.len());
    cutter.chunks
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but comments and blank lines so far.
    Prefix,
    /// `%YAML` or `%TAG` was seen: the next `---` belongs to them.
    Directives,
    /// Inside a document.
    Content,
    /// After a `...` that ends nothing.
    Skip,
    /// After `...`; the rest of that line still belongs to the document.
    End,
}

struct Cutter {
    chunks: Vec<Chunk>,
    number: u32,
    start: usize,
    state: State,
}

impl Cutter {
    fn close(&mut self, end: usize) {
        if !matches!(self.state, State::Prefix | State::Skip) {
            self.number += 1;
            self.chunks.push(Chunk { start: self.start, end, number: self.number });
        }
        (self.start, self.state) = (end, State::Prefix);
    }

    /// Looks at the line that starts at `at`.
    fn line(&mut self, bytes: &[u8], at: usize) {
        let line = bytes.get(at..).unwrap_or(&[]);
        match self.state {
            State::End => self.close(at),
            State::Skip => (self.start, self.state) = (at, State::Prefix),
            _ => {}
        }
        if self.state == State::Content && !matches!(line.first(), Some(b'-' | b'.' | 0xEF)) {
            return;
        }
        let line = line.strip_prefix(BOM).unwrap_or(line);
        if marker(line, b"---") {
            if self.state != State::Directives {
                self.close(at);
            }
            self.state = State::Content;
        } else if marker(line, b"...") {
            self.state = if self.state == State::Prefix { State::Skip } else { State::End };
        } else if self.state == State::Prefix {
            self.state = match line.iter().find(|byte| !matches!(byte, b' ' | b'\t')) {
                None | Some(b'\n' | b'\r' | b'#') => State::Prefix,
                Some(_) if line.starts_with(b"%") => State::Directives,
                Some(_) => State::Content,
            };
        }
    }
}

fn marker(line: &[u8], mark: &[u8]) -> bool {
    line.strip_prefix(mark).is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t' | b'\n' | b'\r')))
}

/// How many bytes to leave out in front, so that a byte order mark before the document, or between its `---` line and
/// its content, does not end up inside.
pub(super) fn byte_order_marks(document: &str) -> usize {
    let mut skipped = 0;
    while document.get(skipped..).is_some_and(|rest| rest.starts_with('\u{feff}')) {
        skipped += BOM.len();
    }
    let rest = document.get(skipped..).unwrap_or("");
    let Some(bare) = rest.strip_prefix("---") else { return skipped };
    let Some((line, after)) = bare.split_once('\n') else { return skipped };
    let line = line.trim();
    if (line.is_empty() || line.starts_with('#')) && after.starts_with('\u{feff}') {
        skipped += rest.len() - after.len() + BOM.len();
    }
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_by_their_markers() {
        let table: &[(&str, &[(u32, &str)])] = &[
            ("", &[]),
            ("# only\n\n  # comments\n", &[]),
            ("a: 1", &[(1, "a: 1")]),
            ("---\na: 1\n---\nb: 2\n", &[(1, "---\na: 1\n"), (2, "---\nb: 2\n")]),
            ("# c\n---\na: 1\n", &[(1, "---\na: 1\n")]),
            ("a: 1\n---\n---\nb: 2\n", &[(1, "a: 1\n"), (2, "---\n"), (3, "---\nb: 2\n")]),
            ("a: 1\n---", &[(1, "a: 1\n"), (2, "---")]),
            ("--- {a: 1}\n--- # c\nb: 2\n", &[(1, "--- {a: 1}\n"), (2, "--- # c\nb: 2\n")]),
            ("---\ta\n----\n", &[(1, "---\ta\n----\n")]),
            ("a: |\n  x\n---\nb", &[(1, "a: |\n  x\n"), (2, "---\nb")]),
            ("a: 'x\n---\nb: 2", &[(1, "a: 'x\n"), (2, "---\nb: 2")]),
            ("a: |\n  ---\n  ...\n", &[(1, "a: |\n  ---\n  ...\n")]),
            ("a: 1\n...\n# c\nb: 2\n", &[(1, "a: 1\n...\n"), (2, "# c\nb: 2\n")]),
            ("a: 1\n... x\n---\nb", &[(1, "a: 1\n... x\n"), (2, "---\nb")]),
            ("...\n...\na", &[(1, "a")]),
            ("%YAML 1.2\n---\na: 1\n---\nb", &[(1, "%YAML 1.2\n---\na: 1\n"), (2, "---\nb")]),
            ("a: 1\n...\n%YAML 1.2\n---\nb", &[(1, "a: 1\n...\n"), (2, "%YAML 1.2\n---\nb")]),
            ("a: 1\n%x\n---\nb", &[(1, "a: 1\n%x\n"), (2, "---\nb")]),
            ("a: 1\r\n---\r\nb: 2\r\n", &[(1, "a: 1\r\n"), (2, "---\r\nb: 2\r\n")]),
            ("a: 1\r---\rb: 2\r", &[(1, "a: 1\r"), (2, "---\rb: 2\r")]),
            ("a: 1\n\u{feff}---\nb", &[(1, "a: 1\n"), (2, "\u{feff}---\nb")]),
            ("\u{feff}# c\n---\nb", &[(1, "---\nb")]),
            ("{\"a\": 1}\n", &[(1, "{\"a\": 1}\n")]),
        ];
        for (text, want) in table {
            let got: Vec<_> = split(text).iter().map(|chunk| (chunk.number, &text[chunk.start..chunk.end])).collect();
            assert_eq!(got, *want, "{text:?}");
        }
    }
}
