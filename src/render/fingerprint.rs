//! What makes a finding the same finding in the next run, and a path as CI systems want it.

use crate::finding::Finding;
use ring::digest::{Context, SHA256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Hex digits of a fingerprint: 128 bits.
const DIGITS: usize = 32;

/// One fingerprint for each finding, in order. It is made of the code, the object and the field, never of a line or of
/// the time, so that it outlives edits elsewhere in the file. Without an object the file stands for it. Findings that
/// are alike in all this are counted through, so that no two are the same.
pub(super) fn fingerprints(findings: &[Finding]) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let each = findings.iter().map(|finding| {
        let base = digest(&parts(finding));
        let count = seen.entry(base.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { base } else { digest(&[&base, &count.to_string()]) }
    });
    each.collect()
}

fn parts(finding: &Finding) -> [String; 3] {
    let object = match &finding.object {
        Some(object) => object.to_string(),
        None => path(&finding.at.file).to_owned(),
    };
    let field = finding.path.as_ref().map(ToString::to_string).unwrap_or_default();
    [finding.code.code.to_owned(), object, field]
}

fn digest(parts: &[impl AsRef<str>]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        // The length keeps `ab` `c` from being `a` `bc`.
        context.update(&(part.as_ref().len() as u64).to_be_bytes());
        context.update(part.as_ref().as_bytes());
    }
    let mut hex = String::with_capacity(2 * DIGITS);
    for byte in context.finish().as_ref() {
        // A write to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(DIGITS);
    hex
}

/// A path as typed, without the `./` that GitHub and GitLab do not take for the root of the repository.
pub(super) fn path(file: &str) -> &str {
    let mut path = file;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    if path.is_empty() { file } else { path }
}

/// Whether a place is in a file that can be opened: not standard input, and not nowhere.
pub(super) fn is_file(file: &str) -> bool {
    !matches!(file, "-" | "?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{DUPLICATE_KEY, UNPARSABLE_DOCUMENT};
    use crate::location::{Location, ObjectRef, Path};

    fn finding(name: Option<&str>, field: &str, line: u32) -> Finding {
        let at = Location { file: "./a.yaml".into(), line, column: 1 };
        let mut finding = Finding::new(&DUPLICATE_KEY, at, format!("first on line {line}"), "");
        finding.object =
            name.map(|name| ObjectRef { kind: "Pod".into(), namespace: Some("n".into()), name: name.into() });
        finding.path = Some(Path::new(field));
        finding
    }

    #[test]
    fn a_line_changes_nothing_and_code_object_and_field_do() {
        let one = |finding: Finding| fingerprints(&[finding]).remove(0);
        let base = one(finding(Some("a"), "spec.x", 3));
        assert_eq!(base.len(), DIGITS);
        assert_eq!(base, one(finding(Some("a"), "spec.x", 99)));
        let mut other = finding(Some("a"), "spec.x", 3);
        other.code = &UNPARSABLE_DOCUMENT;
        let different =
            [finding(Some("b"), "spec.x", 3), finding(Some("a"), "spec.y", 3), finding(None, "spec.x", 3), other];
        for finding in different {
            assert_ne!(base, one(finding));
        }
    }

    #[test]
    fn equal_findings_are_counted_through() {
        let three = [3, 4, 5].map(|line| finding(Some("a"), "spec.x", line));
        let prints = fingerprints(&three);
        assert!(prints[0] != prints[1] && prints[1] != prints[2] && prints[0] != prints[2]);
        assert_eq!(prints[..1], fingerprints(&three[..1]));
    }

    #[test]
    fn a_path_is_relative_to_the_repository() {
        for (typed, want) in
            [("a/b", "a/b"), ("./a", "a"), (".//./a", "a"), ("../a", "../a"), ("/a", "/a"), ("./", "./")]
        {
            assert_eq!(path(typed), want);
        }
    }
}
