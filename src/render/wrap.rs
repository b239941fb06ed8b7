//! Text measured and broken to a width.

use std::ops::Range;
use unicode_width::UnicodeWidthChar;

/// After these a long word may be broken: the joints of lists, sentences, hosts, paths and names.
const JOINTS: [char; 7] = [',', ' ', '.', '/', '-', ':', '|'];

/// Columns that escaped text takes: the sum of its characters, since that is how most terminals count.
pub(super) fn width(text: &str) -> usize {
    // Escaped ASCII is one column a byte, and nearly all text is.
    if text.is_ascii() { text.len() } else { text.chars().map(columns).sum() }
}

fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The pieces of a text, the first of at most `first` columns and the others of at most `rest`. Only the spaces at
/// which it was broken, and those at its end, are left out. A text has at least one piece; a piece at least one character.
pub(super) fn pieces(text: &str, first: usize, rest: usize) -> Vec<Range<usize>> {
    if width(text) <= first {
        // Most cells fit. Reading them once is enough.
        return std::iter::once(0..text.trim_end_matches(' ').len()).collect();
    }
    let mut pieces = Vec::new();
    let (mut start, mut limit) = (0, first);
    loop {
        let left = text.get(start..).unwrap_or("");
        let end = start + cut(left, limit);
        let piece = text.get(start..end).unwrap_or("");
        let last = end >= text.len();
        pieces.push(start..start + piece.trim_end_matches(' ').len());
        if last {
            return pieces;
        }
        (start, limit) = (end, rest);
    }
}

/// How many bytes of the text go on a line of `limit` columns, with the spaces after them. A space in the second half
/// of the line is preferred to a nearer joint: prose reads better with its words whole.
fn cut(text: &str, limit: usize) -> usize {
    let (mut used, mut space, mut joint) = (0, None, None);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        if c != ' ' && used + columns(c) > limit {
            return space.or(joint).unwrap_or(if at == 0 { end } else { at });
        }
        used += columns(c);
        let next_is_joint = chars.peek().is_some_and(|(_, next)| JOINTS.contains(next));
        if !JOINTS.contains(&c) || next_is_joint || at == 0 {
            continue;
        }
        joint = Some(end);
        if c == ' ' && used * 2 >= limit {
            space = joint;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_breaks_at_joints_and_loses_only_spaces() {
        let cases: [(&str, usize, usize, &[&str]); 13] = [
            ("", 5, 5, &[""]),
            ("short", 5, 5, &["short"]),
            ("a, b, c", 4, 4, &["a,", "b, c"]),
            ("one two three", 7, 7, &["one two", "three"]),
            ("one two three", 4, 20, &["one", "two three"]),
            ("reviews.default.svc", 10, 10, &["reviews.", "default.", "svc"]),
            ("see policies/a.yaml", 10, 10, &["see", "policies/", "a.yaml"]),
            ("unbreakable", 4, 4, &["unbr", "eaka", "ble"]),
            ("http://x", 6, 6, &["http:/", "/x"]),
            ("表表表", 4, 4, &["表表", "表"]),
            ("表", 1, 1, &["表"]),
            ("a  ", 9, 9, &["a"]),
            ("a|b|c", 3, 3, &["a|", "b|c"]),
        ];
        for (text, first, rest, want) in cases {
            let got: Vec<&str> = pieces(text, first, rest).into_iter().map(|piece| &text[piece]).collect();
            assert_eq!(got, want, "{text:?} at {first}, {rest}");
        }
    }

    #[test]
    fn width_counts_columns() {
        for (text, want) in [("", 0), ("abc", 3), ("表a", 3), ("é", 1), ("e\u{301}", 1)] {
            assert_eq!(width(text), want, "{text}");
        }
    }
}
