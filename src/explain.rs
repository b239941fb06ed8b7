//! Finding codes and failure codes in words. The text of a finding code is its page in `docs/rules`, embedded.

use crate::finding::{CODES, Code};
use crate::mtls::outcome::{FAILURES, FailureInfo};
use crate::report::{Cell, Line, Tone};
use std::fmt::Write;

macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        /// The page of each finding code.
        pub const PAGES: &[(&str, &str)] = &[$(($code, include_str!(concat!("../docs/rules/", $code, ".md")))),*];
    };
}

pages!(
    "MC0001", "MC0002", "MC0003", "MC0004", "MC0005", "MC0006", "MC0007", "MC0008", "MC0009", "MC0010", "MC0101",
    "MC0102", "MC0103", "MC0104", "MC0105", "MC0106", "MC0107", "MC0108", "MC0109", "MC0110", "MC0111", "MC0120",
    "MC0121", "MC0122", "MC0201", "MC0202", "MC0203", "MC0204", "MC0205", "MC0206", "MC0207", "MC0208", "MC0209",
    "MC0210", "MC0211", "MC0212", "MC0213", "MC0214", "MC0215", "MC0216", "MC0217", "MC0301", "MC0302", "MC0303",
    "MC0304", "MC0305", "MC0306", "MC0307", "MC0308", "MC0309", "MC0310", "MC0311", "MC0312", "MC0313", "MC0401",
    "MC0402", "MC0403", "MC0404", "MC0405", "MC0501", "MC0502", "MC0503", "MC0601", "MC0602", "MC0603", "MC0604",
    "MC0605", "MC0606", "MC0607", "MC0608", "MC0609", "MC0610", "MC0611", "MC0612", "MC0613", "MC0614", "MC0701",
    "MC0702", "MC0703", "MC0704", "MC0705", "MC0706", "MC0707", "MC0708", "MC0709", "MC0710", "MC0711", "MC0712",
    "MC0713", "MC0714", "MC0715", "MC0716",
);

/// What a word or an error text was found to mean.
pub enum Meaning {
    /// A finding code.
    Finding(&'static Code, &'static str),
    /// Failure codes, the likeliest first.
    Failures(Vec<&'static FailureInfo>),
}

/// Looks a code, a name or a piece of an error text up.
#[must_use]
pub fn find(text: &str) -> Option<Meaning> {
    let word = text.trim();
    if let Some(code) = CODES.iter().find(|c| c.code.eq_ignore_ascii_case(word) || c.name.eq_ignore_ascii_case(word)) {
        let page = PAGES.iter().find(|(name, _)| *name == code.code).map_or("", |(_, page)| *page);
        return Some(Meaning::Finding(code, page));
    }
    if let Some(info) = FAILURES.iter().find(|info| info.code.eq_ignore_ascii_case(word)) {
        return Some(Meaning::Failures(vec![info]));
    }
    let lower = word.to_lowercase();
    if lower.chars().filter(|c| c.is_alphanumeric()).count() < 2 {
        return None;
    }
    let says = |info: &FailureInfo, wanted: &dyn Fn(&str) -> bool| {
        info.symptoms.iter().any(|symptom| wanted(&symptom.to_lowercase())) || wanted(&info.title.to_lowercase())
    };
    let exact: Vec<_> = FAILURES.iter().filter(|info| says(info, &|symptom| symptom.contains(&lower))).collect();
    if !exact.is_empty() {
        return Some(Meaning::Failures(exact));
    }
    // A whole log line holds more than the symptom: the codes that share most of its telling words.
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|w| w.len() > 3 || *w == "uf" || *w == "uc")
        .collect();
    let shared = |info: &FailureInfo| {
        let all = info.symptoms.join(" ").to_lowercase();
        let known: Vec<&str> = all.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        words.iter().filter(|word| known.contains(word)).count()
    };
    let most = FAILURES.iter().map(shared).max().filter(|most| *most >= 2 || (words.len() == 1 && *most == 1))?;
    Some(Meaning::Failures(FAILURES.iter().filter(|info| shared(info) == most).collect()))
}

/// A failure code in lines of text.
#[must_use]
pub fn failure_lines(info: &FailureInfo) -> Vec<Line> {
    let head = |text: &'static str| Line::new(0, vec![Cell::new(text, Tone::Strong)]);
    let item = |text: &&'static str| Line::plain(2, format!("- {text}"));
    let mut lines =
        vec![Line::new(0, vec![Cell::new(info.code, Tone::Strong), Cell::plain(": "), Cell::plain(info.title)])];
    lines.extend([Line::plain(0, ""), head("What is to be seen")]);
    lines.extend(info.symptoms.iter().map(item));
    let cause: Vec<&str> = info.cause.split_whitespace().collect();
    lines.extend([Line::plain(0, ""), head("Why"), Line { hang: 0, ..Line::plain(2, cause.join(" ")) }]);
    lines.extend([Line::plain(0, ""), head("Where to look, what mends it")]);
    lines.extend(info.look.iter().map(item));
    lines
}

/// The list of all codes.
#[must_use]
pub fn index() -> String {
    let mut text = String::from("Failure codes of tls-check\n");
    for info in FAILURES {
        let _ = writeln!(text, "  {:<7} {}", info.code, info.title);
    }
    text.push_str("\nFinding codes\n");
    for code in CODES {
        let _ = writeln!(text, "  {:<7} {} ({})", code.code, code.name, code.severity);
    }
    text.push_str("\nmeshctl explain CODE, or a piece of an error text: meshctl explain \"WRONG_VERSION_NUMBER\"\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(text: &str) -> Vec<&'static str> {
        match find(text) {
            Some(Meaning::Failures(found)) => found.iter().map(|info| info.code).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_code_has_a_page_that_starts_with_its_code_and_name() {
        assert_eq!(PAGES.iter().map(|p| p.0).collect::<Vec<_>>(), CODES.iter().map(|c| c.code).collect::<Vec<_>>());
        for (code, (_, page)) in CODES.iter().zip(PAGES) {
            assert!(page.starts_with(&format!("# {} {}\n", code.code, code.name)), "{}", code.code);
        }
    }

    #[test]
    fn symptoms_find_their_codes() {
        for (text, codes) in [
            ("F2", &["F2"][..]),
            ("f9", &["F9"]),
            ("WRONG_VERSION_NUMBER", &["F3", "F6", "F9"]),
            ("curl: (56)", &["F1"]),
            ("CERTIFICATE_VERIFY_FAILED", &["F5"]),
            ("explicitly denied by istio_converted_static_strict", &["F7"]),
            ("[2026-11-26T09:00:00Z] \"GET / HTTP/1.1\" 503 UC upstream_reset connection termination", &["F2"]),
            ("", &[]),
            ("no such thing at all", &[]),
        ] {
            assert_eq!(failures(text), codes, "{text}");
        }
        assert!(matches!(find("duplicate-key"), Some(Meaning::Finding(code, _)) if code.code == "MC0005"));
    }
}
