//! What the user wants to see: which rules, how severe, how sure.

use crate::finding::{Code, Confidence, DUPLICATE_KEY, Finding, NOT_READ, Severity, UNPARSABLE_DOCUMENT};
use std::collections::BTreeMap;

/// What is said of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// Are its findings shown?
    pub enabled: bool,
    /// Their severity, in place of the default.
    pub severity: Option<Severity>,
}

/// Which findings are shown, and as what.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is said of rules, by code.
    pub rules: BTreeMap<&'static str, Override>,
    /// Only these; empty: all.
    pub select: Vec<&'static Code>,
    /// All but these.
    pub ignore: Vec<&'static Code>,
    /// The least severe that is shown.
    pub min_severity: Severity,
    /// The least sure that is shown.
    pub min_confidence: Confidence,
    /// Do ignores in the manifests count?
    pub ignores: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: BTreeMap::new(),
            select: Vec::new(),
            ignore: Vec::new(),
            min_severity: Severity::Info,
            min_confidence: Confidence::Low,
            ignores: true,
        }
    }
}

impl Settings {
    /// Gives a finding the severity that the settings want.
    pub(super) fn adjust(&self, finding: &mut Finding) {
        if let Some(severity) = self.rules.get(finding.code.code).and_then(|rule| rule.severity) {
            finding.severity = severity;
        }
    }

    /// Whether a finding is shown. What is selected by a flag is shown although the file disables it. That a document
    /// could not be read, or a cluster's list, is shown whatever is selected: nothing could be looked for in it.
    pub(super) fn shows(&self, finding: &Finding) -> bool {
        if [&UNPARSABLE_DOCUMENT, &DUPLICATE_KEY, &NOT_READ].iter().any(|code| std::ptr::eq(*code, finding.code)) {
            return true;
        }
        let listed = |list: &[&'static Code]| list.iter().any(|code| std::ptr::eq(*code, finding.code));
        let enabled = match self.select.is_empty() {
            true => self.rules.get(finding.code.code).is_none_or(|rule| rule.enabled),
            false => listed(&self.select),
        };
        enabled
            && !listed(&self.ignore)
            && finding.severity <= self.min_severity
            && finding.confidence <= self.min_confidence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{MESH_NOT_STRICT, MTLS_DISABLED, PLAINTEXT_TO_STRICT, codes};
    use crate::location::Location;

    #[test]
    fn flags_beat_the_file_and_the_file_the_default() {
        let off = BTreeMap::from([("MC0107", Override { enabled: false, severity: None })]);
        let lower = BTreeMap::from([("MC0107", Override { enabled: true, severity: Some(Severity::Info) })]);
        let all = [&MTLS_DISABLED, &MESH_NOT_STRICT, &PLAINTEXT_TO_STRICT];
        let select = |word: &str| codes(word).unwrap();
        for (settings, want) in [
            (Settings::default(), vec!["MC0107", "MC0108", "MC0201"]),
            (Settings { rules: off.clone(), ..Settings::default() }, vec!["MC0108", "MC0201"]),
            (Settings { rules: off, select: select("MC0107"), ..Settings::default() }, vec!["MC0107"]),
            (Settings { select: select("MC01"), ..Settings::default() }, vec!["MC0107", "MC0108"]),
            (Settings { ignore: select("mc01"), ..Settings::default() }, vec!["MC0201"]),
            (Settings { min_severity: Severity::Warning, ..Settings::default() }, vec!["MC0107", "MC0201"]),
            (Settings { rules: lower, min_severity: Severity::Warning, ..Settings::default() }, vec!["MC0201"]),
            (Settings { min_confidence: Confidence::High, ..Settings::default() }, vec!["MC0108", "MC0201"]),
        ] {
            let shown = all.iter().filter_map(|code| {
                let mut finding = Finding::new(code, Location::unknown(), "", "");
                if code.code == "MC0107" {
                    finding.confidence = Confidence::Medium;
                }
                settings.adjust(&mut finding);
                settings.shows(&finding).then_some(code.code)
            });
            assert_eq!(shown.collect::<Vec<_>>(), want, "{settings:?}");
        }
    }
}
