//! Colour, and what text from outside must not do to a terminal: the only place that knows of either.

use crate::report::Tone;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

/// Whether a character acts instead of showing: controls (C0, DEL, C1), what turns or joins text unseen (bidi marks,
/// zero width, line separators), and what cannot stand in YAML at all.
pub(super) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}'..='\u{FFFF}'
            | '\u{E0000}'..='\u{E007F}')
}

/// Is it ASCII that shows? Nearly every text is, and this looks at many bytes at once.
pub(super) fn plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

/// Text that a terminal shows as it is: each hidden character, tabs and newlines too, becomes `\u{..}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if plain(text) || !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            // A write to a string cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Writes escaped text in a tone.
pub(super) fn paint(text: &str, tone: Tone, colour: bool, out: &mut dyn io::Write) -> io::Result<()> {
    if !colour || tone == Tone::Plain || text.is_empty() {
        return out.write_all(text.as_bytes());
    }
    let style = of(tone);
    write!(out, "{style}{text}{style:#}")
}

/// Writes spaces. (A width in a format string panics past 65535, and a cell from outside may be longer.)
pub(super) fn spaces(count: usize, out: &mut dyn io::Write) -> io::Result<()> {
    const SOME: &[u8] = &[b' '; 64];
    let mut left = count;
    while left > 0 {
        let part = SOME.get(..left).unwrap_or(SOME);
        out.write_all(part)?;
        left -= part.len();
    }
    Ok(())
}

/// The style of a tone. The eight basic colours only: the user's theme makes them readable.
fn of(tone: Tone) -> anstyle::Style {
    use anstyle::AnsiColor::{Green, Red, Yellow};
    match tone {
        Tone::Plain => anstyle::Style::new(),
        Tone::Good => Green.on_default(),
        Tone::Warn => Yellow.on_default(),
        Tone::Bad => Red.on_default().bold(),
        Tone::Dim => anstyle::Style::new().dimmed(),
        Tone::Strong => anstyle::Style::new().bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_and_the_rest_is_kept() {
        for (raw, want) in [
            ("", ""),
            ("a/b é 表", "a/b é 表"),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("a\tb\nc\r", "a\\u{9}b\\u{a}c\\u{d}"),
            ("\u{7f}\u{9b}", "\\u{7f}\\u{9b}"),
            ("\u{202e}x\u{2066}\u{200b}\u{feff}\u{2028}", "\\u{202e}x\\u{2066}\\u{200b}\\u{feff}\\u{2028}"),
        ] {
            assert_eq!(escape(raw), want);
        }
        assert!(matches!(escape("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn any_number_of_spaces_is_written() {
        for count in [0, 1, 63, 64, 65, 70_000] {
            let mut out = Vec::new();
            spaces(count, &mut out).unwrap();
            assert_eq!(out, vec![b' '; count]);
        }
    }

    #[test]
    fn tones_paint_only_in_colour() {
        let painted = |tone, colour| {
            let mut out = Vec::new();
            paint("x", tone, colour, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(painted(Tone::Good, true), "\u{1b}[32mx\u{1b}[0m");
        assert_eq!(painted(Tone::Good, false), "x");
        assert_eq!(painted(Tone::Plain, true), "x");
    }
}
