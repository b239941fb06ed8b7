//! Why a document could not be read, in words for the person who wrote it.

use super::build::offset;
use granit_parser::{ErrorKind, ScanError};

const HELP: &str = "Correct the document; kubectl refuses it as well. The other documents of the file were read.";

/// Why a document could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Byte of the source.
    pub(super) at: u32,
    /// What is wrong there.
    pub(super) what: String,
    /// What to do.
    pub(super) help: String,
    /// Is a template in this place for certain?
    pub(super) template: bool,
}

impl Problem {
    fn new(at: u32, what: impl Into<String>, help: &str) -> Self {
        let help = if help.is_empty() { HELP.to_owned() } else { format!("{help} {HELP}") };
        Self { at, what: what.into(), help, template: false }
    }

    /// What the parser found.
    pub(super) fn scan(error: &ScanError, base: usize) -> Self {
        let at = offset(base + error.marker().byte_offset().unwrap_or(0));
        let (what, help) = words(error);
        Self::new(at, what, help)
    }

    /// JSON that ends, or says something else, where a value, a name or a mark has to stand.
    pub(super) fn json(at: usize, wanted: &str) -> Self {
        Self::new(offset(at), format!("{wanted} is missing at byte {at}"), "")
    }

    pub(super) fn second_document(at: usize) -> Self {
        let help = "Put a line `---` between two documents.";
        Self::new(offset(at), "a second document starts here without a `---` line before it", help)
    }

    pub(super) fn tag(at: usize, text: &str, tag: &str) -> Self {
        let short: String = text.chars().take(40).collect();
        Self::new(offset(at), format!("`{short}` does not fit its tag `{tag}`"), "")
    }

    pub(super) fn cycle(at: usize) -> Self {
        Self::new(offset(at), "an alias stands inside the node that it names, which would never end", "")
    }

    pub(super) fn too_much(at: impl TryInto<u32>) -> Self {
        let what = "aliases or merge keys make this document more than a hundred times as large as it is written";
        Self::new(at.try_into().unwrap_or(u32::MAX), what, "Write the repeated parts out.")
    }

    pub(super) fn merge(at: u32) -> Self {
        Self::new(at, "the value of the merge key `<<` is neither a mapping nor a list of mappings", "")
    }

    pub(super) fn null_key(at: u32) -> Self {
        Self::new(
            at,
            "a key of this mapping is empty or null, which Kubernetes does not take",
            "Quote or name the key.",
        )
    }

    /// A mapping or a list as a key: nearly always an expression of a template that was not quoted.
    pub(super) fn collection_key(text: &str, at: u32) -> Self {
        let template = (at as usize).checked_sub(1).and_then(|before| text.get(before..)).is_some_and(braces);
        let mut problem = Self::new(at, "a key of this mapping is itself a mapping or a list", "Quote the key.");
        if template {
            (problem.at, problem.template) = (at - 1, true);
        }
        problem
    }
}

/// Does an expression or a statement of Helm or Jinja start here?
pub(super) fn braces(text: &str) -> bool {
    text.starts_with("{{") || text.starts_with("{%")
}

/// The parser's error in plain words, and a hint where there is a usual cause.
fn words(error: &ScanError) -> (String, &'static str) {
    let (what, help) = match error.kind() {
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("a quote that opens here is never closed", "")
        }
        ErrorKind::RecursionLimitExceeded => ("the document is nested deeper than 255 levels", ""),
        ErrorKind::MappingValueNotAllowed => (
            "`:` is not allowed here",
            "Usually the line above is indented differently, or a value that holds `: ` needs quotes.",
        ),
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            ("a tab is used for indentation", "Indent with spaces.")
        }
        ErrorKind::UnknownAnchor => ("an alias names an anchor that does not exist before it in this document", ""),
        ErrorKind::UnexpectedCharacter { character: '@' | '`' | '%' } => {
            ("a value may not start with this character", "Put the value in quotes.")
        }
        ErrorKind::UnexpectedCharacter { character: '\0' } => {
            ("there is a NUL byte in the text", "The file is perhaps not text, or was cut off while it was written.")
        }
        ErrorKind::BlockSequenceEntryNotAllowed => {
            ("a list item (`-`) is not allowed here", "Usually its indentation differs from the items before it.")
        }
        ErrorKind::BomInsideDocument => ("there is a byte order mark in the middle of the document", "Remove it."),
        ErrorKind::ExpectedDocumentStart => {
            ("something follows the end of the document", "Put a line `---` between two documents.")
        }
        _ => return (error.info(), ""),
    };
    (what.to_owned(), help)
}
