//! Finds what Helm or Jinja would have replaced: a chart's template is no YAML yet.

use super::problem::braces;

/// The byte of a document at which a template stands that explains an error at byte `error`: braces where a key or a
/// value starts explain it anywhere in the document, braces inside a plain text (which is valid YAML) only on the line of
/// the error or the one before. Quoted text, comments and block scalars may hold braces.
pub(super) fn find(document: &str, error: usize) -> Option<usize> {
    let near = lines_before(document, error);
    let mut block = None;
    let mut at = 0;
    for line in document.split_inclusive(['\n', '\r']) {
        let start = at;
        at += line.len();
        let indent = line.len() - line.trim_start_matches(' ').len();
        let blank = line.trim().is_empty();
        if block.is_some_and(|outer| blank || indent > outer) {
            continue;
        }
        block = opens_block(line).then_some(indent);
        let inner = in_line(line, start >= near && start <= error);
        if inner.is_some() {
            return inner.map(|offset| start + offset);
        }
    }
    None
}

/// The start of the line before the one that holds the byte.
fn lines_before(document: &str, error: usize) -> usize {
    let before = document.get(..error).unwrap_or(document);
    let line = before.rfind('\n').unwrap_or(0);
    before.get(..line).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

/// Does a block scalar start at the end of this line?
fn opens_block(line: &str) -> bool {
    let code = line.split(" #").next().unwrap_or("").trim_end();
    let Some(last) = code.rsplit([' ', '\t']).next() else { return false };
    last.starts_with(['|', '>'])
        && last.bytes().skip(1).all(|byte| matches!(byte, b'+' | b'-' | b'0'..=b'9'))
        && !code.starts_with(['|', '>'])
}

/// Where braces stand in a line, outside quotes and comments; `anywhere`: inside a plain text too.
fn in_line(line: &str, anywhere: bool) -> Option<usize> {
    let mut quote = None;
    // Nothing of a key or value has been read yet: a quote or a brace here starts one.
    let mut fresh = true;
    let mut flow = false;
    let mut before = b' ';
    for (at, byte) in line.bytes().enumerate() {
        let blank_next = line.as_bytes().get(at + 1).is_none_or(u8::is_ascii_whitespace);
        if let Some(open) = quote {
            if byte == open && before != b'\\' {
                quote = None;
            }
        } else if byte == b'#' && matches!(before, b' ' | b'\t') {
            return None;
        } else if matches!(byte, b'"' | b'\'') && fresh {
            quote = Some(byte);
            fresh = false;
        } else if byte == b'{' && (fresh || anywhere) && line.get(at..).is_some_and(braces) {
            return Some(at);
        } else if !matches!(byte, b' ' | b'\t') {
            flow = flow || (fresh && matches!(byte, b'{' | b'['));
            fresh = match byte {
                b'{' | b'[' => fresh,
                b',' => flow,
                b':' => flow || blank_next,
                b'-' | b'?' => fresh && blank_next,
                _ => false,
            };
        }
        before = byte;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_count_where_yaml_would_read_them() {
        let table: &[(&str, usize, Option<usize>)] = &[
            ("a: {{ .Values.x }}\n", 0, Some(3)),
            ("{{- if .x }}\na: 1\n", 0, Some(0)),
            ("{% for x in y %}\na: 1\n", 0, Some(0)),
            ("a:\n  - {{ x }}\n", 0, Some(7)),
            ("a: [{{ x }}]\n", 0, Some(4)),
            ("a: \"{{ x }}\"\nb: '{{ x }}'\n", 0, None),
            ("a: 1 # {{ x }}\n# {{ y }}\n", 0, None),
            ("a: |\n  {{ x }}\n\n  {{ y }}\nb: 1\n", 0, None),
            ("a: >-\n  {{ x }}\nb: {{ y }}\n", 0, Some(19)),
            ("a: x-{{ y }}\n\n\nb: \"c\n", 17, None),
            ("a: x-{{ y }}\nb: \"c\n", 16, Some(5)),
            ("a: hello, {{ y }} - {{ z }}\n\n\nb: \"c\n", 34, None),
            ("{\"a\":{{ x }}}\n", 30, Some(5)),
            ("a: {b: {c: 1}}\n", 5, None),
            ("a: don't {b}\n", 5, None),
            ("", 0, None),
        ];
        for (text, error, want) in table {
            assert_eq!(find(text, *error), *want, "{text:?}");
        }
    }
}
